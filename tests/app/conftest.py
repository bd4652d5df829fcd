"""Runs and files that tests of several pages share."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tlcore import lab
from tlcore.experiment import Experiment


@pytest.fixture(scope="session")
def finished() -> str:
    """A run with one verdict of each kind of method."""
    experiment = Experiment.build(
        {"name": "Small", "methods": "from_scratch,source_only,l2_sp", "budgets": "1,2", "seeds": 3, "epochs": 2}
    )
    run = lab.submit(experiment)
    assert lab.wait(run).status == "done"
    return run


@pytest.fixture(scope="session")
def films() -> str:
    """A run with people, some of them cold."""
    fields = {
        "name": "Small",
        "scenario": "films",
        "methods": "popularity,cmf,joint_ease",
        "budgets": "2,5",
        "seeds": 3,
    }
    run = lab.submit(Experiment.build({**fields, "cold_users": 0.3}))
    assert lab.wait(run).status == "done"
    return run


@pytest.fixture(scope="session")
def opinions() -> str:
    """A run about texts."""
    fields = {"scenario": "sentiment", "source": "product", "target": "drug-reviews", "encoder": "glove-6b-50d"}
    run = lab.submit(Experiment.build({**fields, "methods": "frozen,source_only", "budgets": "5", "seeds": 3}))
    assert lab.wait(run).status == "done"
    return run


@pytest.fixture
def tables(tmp_path) -> tuple[Path, Path]:
    """Two small tables of choices with the same thirty people."""
    rows = [(f"u{i}", f"{'ab'[j % 2]}{(i * 7 + j) % 9}") for i in range(30) for j in range(8)]
    paths = tmp_path / "there.csv", tmp_path / "here.csv"
    for path, letter in zip(paths, "ab", strict=True):
        lines = [f"{user},{item}" for user, item in rows if item[0] == letter]
        path.write_text("\n".join(["user,item", *lines]))
    return paths


@pytest.fixture(scope="session")
def pictures(tmp_path_factory) -> dict[str, Path]:
    """Two folders of pictures; of the target a red one is ripe, of the source also, and a blue one has gone bad."""
    folders = {}
    for which, kinds in (("there", ("ripe", "bad")), ("here", ("ripe", "unripe"))):
        folders[which] = tmp_path_factory.mktemp("pictures") / which
        for kind in kinds:
            (folders[which] / kind).mkdir(parents=True)
            for number in range(12):
                generator = np.random.default_rng([len(which), len(kind), number])
                values = generator.integers(0, 100, (40, 40, 3), dtype=np.uint8)
                values[..., {"ripe": 0, "unripe": 1, "bad": 2}[kind]] += generator.integers(20, 100, dtype=np.uint8)
                Image.fromarray(values).save(folders[which] / kind / f"{number}.png")
    return folders
