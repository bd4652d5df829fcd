"""What stood before answers became a part of their own gives the numbers that it gave: one of each kind of method.

The values are those of the commit before (b3eaa6c), where they were compared bit by bit for every method on digits,
tables, texts and catalogues; here to what another machine's arithmetic may change.
"""

import numpy as np
import pytest

from tlcore.experiment import Experiment
from tlcore.trial import execute

pytestmark = pytest.mark.slow

BEFORE = {
    "rows": {
        "best_from_scratch": ("log_loss", 2.01166),
        "linear_svm": ("log_loss", 1.02262),
        "pooled": ("log_loss", 0.469316),
        "coral": ("log_loss", 0.477752),
        "kmm": ("log_loss", 0.504797),
        "tradaboost": ("log_loss", 1.83562),
    },
    "rows without labels": {
        "source_only": ("log_loss", 0.725558),
        "jda": ("log_loss", 0.710634),
        "optimal_transport": ("log_loss", 0.776367),
        "meda": ("log_loss", 0.758179),
        "jdot": ("log_loss", 0.903784),
    },
    "network": {
        "from_scratch": ("log_loss", 0.984469),
        "fine_tune": ("log_loss", 0.791585),
        "l2_sp": ("log_loss", 0.791708),
        "frozen": ("log_loss", 0.851103),
        "mmd": ("log_loss", 0.704711),
        "dann": ("log_loss", 0.901858),
        "lora": ("log_loss", 0.910516),
    },
    "films": {
        "popularity": ("ndcg@10", 0.231319),
        "joint_ease": ("ndcg@10", 0.246555),
        "frozen": ("ndcg@10", 0.0389452),
        "coral": ("ndcg@10", 0.0786582),
    },
    "digits": {
        "frozen": ("log_loss", 2.72772),
        "feature_extraction": ("log_loss", 2.31208),
    },
}


def made(folder, name: str, seed: int, shift: float) -> dict[str, str]:
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, 3, 150)
    rows = rng.normal(size=(150, 6)) + kinds[:, None] * np.array([1, 0.5, 0, 0, 0.3, -1]) + shift
    cells = [",".join([*(f"{value:.5f}" for value in row), f"k{kind}"]) for row, kind in zip(rows, kinds, strict=True)]
    (folder / name).write_text("\n".join(["a,b,c,d,e,f,y", *cells]))
    return {"path": str(folder / name)}


def fields_of(case: str, folder) -> dict:
    tables = {"source": made(folder, "there.csv", 0, 0.0), "target": made(folder, "here.csv", 1, 0.5)}
    return {
        "rows": {"scenario": "features", **tables, "budgets": [9]},
        "rows without labels": {"scenario": "features", **tables, "setting": "transductive"},
        "network": {"scenario": "features", "classifier": "network", **tables, "budgets": [30], "epochs": 3},
        "films": {"scenario": "films", "source": "musicals", "target": "children", "budgets": [3], "epochs": 2},
        "digits": {"budgets": [2], "epochs": 1},
    }[case]


@pytest.mark.parametrize("case", BEFORE)
def test_the_same_specification_gives_the_same_numbers(case, tmp_path):
    for name, (metric, value) in BEFORE[case].items():
        run = Experiment.build({**fields_of(case, tmp_path), "methods": name, "seeds": [0]})
        trial = next(trial for trial in run.trials() if trial.method.name == name)
        assert execute(trial).metrics[metric] == pytest.approx(value, rel=2e-3), name
