"""The recommenders' settings, chosen where no test interaction is: what the defaults in the catalogue rest on.

    python -m benchmarks.recommender_settings [--methods ease,joint_ease] [--budget 5] [--seeds 2]

Scored by recall@10 on each user's last interaction *in the pool*, mean over the four targets of `films`; the test
interactions are not touched.
"""

import argparse
from itertools import product
from typing import Any

import numpy as np

from benchmarks.pool_only import pool_only
from tlcore.experiment import Experiment
from tlcore.scenarios import SCENARIOS
from tlcore.trial import execute

GRIDS: dict[str, dict[str, list[Any]]] = {
    "popularity": {},
    "item_knn": {"neighbours": [20, 50, 100, 400], "damping": [0, 5, 10, 20, 40]},
    "ease": {"ridge": [10, 20, 50, 100, 200, 400, 800]},
    "joint_ease": {"ridge": [100, 200, 400, 800, 1600], "source_weight": [0.25, 0.5, 1.0, 2.0]},
    "als": {"factors": [8, 16, 32], "ridge": [10, 20, 40, 80, 160], "confidence": [5, 10, 20]},
    "cmf": {"factors": [16, 32, 64], "ridge": [10, 20, 40, 80], "confidence": [5, 10, 20]},
    "bpr": {"factors": [32, 64, 128], "ridge": [0.003, 0.01, 0.02], "step_size": [0.05, 0.1], "iterations": [200, 400]},
    "emcdr": {"mapping": ["linear", "mlp"], "mapped_choices": [0, 2, 5, 10, 20, 50]},
    "lightgcn": {"hops": [2, 3, 4], "learning_rate": [5e-3, 1e-2, 2e-2]},
    "joint_lightgcn": {"hops": [2, 3], "learning_rate": [5e-3, 1e-2]},
    "conet": {"layers": [1], "learning_rate": [1e-3, 2e-3, 5e-3]},
    "from_scratch": {"learning_rate": [2e-3, 5e-3, 1e-2, 2e-2]},
    "fine_tune": {"learning_rate": [2e-3, 5e-3, 1e-2, 2e-2]},
    "frozen": {"learning_rate": [5e-3, 1e-2, 2e-2]},
    "pooled": {"learning_rate": [2e-3, 5e-3, 1e-2], "source_share": [0.5]},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", default=",".join(GRIDS))
    parser.add_argument("--budget", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--best", type=int, default=3, help="how many settings to print for each method")
    arguments = parser.parse_args()
    targets = list(SCENARIOS["films"].genres)
    print("| method | settings | mean recall@10 | " + " | ".join(targets) + " |")
    print("|" + "---|" * (len(targets) + 3))
    with pool_only("films"):
        for name in arguments.methods.split(","):
            rows = []
            for values in product(*GRIDS[name].values()):
                settings = dict(zip(GRIDS[name], values, strict=True))
                choice = {"name": name, "settings": settings}
                scores = []
                for target in targets:
                    spec = {"scenario": "films", "target": target, "methods": [choice], "budgets": [arguments.budget]}
                    trials = Experiment.build({**spec, "seeds": arguments.seeds}).trials()
                    mine = [trial for trial in trials if (trial.method.name, trial.method.settings) == (name, settings)]
                    scores.append(np.mean([execute(trial).metrics["recall@10"] for trial in mine]))
                rows.append((float(np.mean(scores)), settings, scores))
            rows.sort(key=lambda row: -row[0])
            for mean, settings, scores in rows[: arguments.best]:
                said = ", ".join(f"{key} {value}" for key, value in settings.items()) or "–"
                cells = " | ".join(f"{score:.3f}" for score in scores)
                print(f"| {name} | {said} | {mean:.3f} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
