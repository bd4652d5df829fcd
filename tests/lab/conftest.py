"""One home with one real engine for all tests of the lab that need one."""

import importlib
import os
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from tlcore import lab
from tlcore.experiment import Experiment
from tlcore.lab.store import Store
from tlcore.methods import METHODS
from tlcore.results import TrialResult

ODD_METHODS = "tests.lab.odd_methods"
collect_ignore = ["odd_methods.py"]  # importing it, as the search for doctests would, makes its methods known to all


@pytest.fixture(scope="package", autouse=True)
def odd_methods():
    """The odd methods are known while these tests run, and to no others."""
    known = dict(METHODS)
    importlib.import_module(ODD_METHODS)
    yield
    METHODS.clear()
    METHODS.update(known)


@pytest.fixture(scope="package", autouse=True)
def home(tmp_path_factory):
    """A home of the tests' own, and an engine that knows the odd methods; stopped at the end."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "downloads").symlink_to(Path(os.environ["TESTS_HOME"]) / "downloads")
    settings = {
        "TRANSFER_LAB_HOME": str(folder),
        "TRANSFER_LAB_WORKERS": "2",
        "DASK_DISTRIBUTED__WORKER__PRELOAD": ODD_METHODS,
        "DASK_DISTRIBUTED__SCHEDULER__PRELOAD": ODD_METHODS,
    }
    with environment(settings, without=("TRANSFER_LAB_STORE", "TRANSFER_LAB_SCHEDULER", "TRANSFER_LAB_IDLE")):
        yield folder
        lab.stop_engine()


@pytest.fixture
def engine(home):
    """The engine, with its workers there."""
    lab.start_engine()
    until(lambda: lab.engine_status()["ready"], 60)
    return lab.engine_status()


@pytest.fixture
def url(tmp_path):
    """The URL of a store of its own."""
    return f"sqlite:///{tmp_path / 'runs.sqlite'}"


@pytest.fixture
def store(url):
    """A store of its own."""
    return Store(url)


@contextmanager
def environment(settings, without=()):
    """Set environment variables for a while."""
    before = dict(os.environ)
    os.environ.update(settings)
    for name in without:
        os.environ.pop(name, None)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def until(condition, seconds):
    """Wait until a condition holds; return how long it took, fail when it does not."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < seconds, f"not within {seconds} s"
        time.sleep(0.02)
    return time.monotonic() - start


def tiny(methods="from_scratch,broken", **fields):
    """An experiment that takes next to no time."""
    return Experiment(**{"methods": methods, "budgets": [1], "seeds": 1, "epochs": 1, **fields})


def result(value=0.5):
    """What a trial left behind."""
    examples = {"accuracy": np.array([1.0, 0.0]), "truth": np.array([3, 4]), "predicted": np.array([3, 5])}
    curves = [{"epoch": 0, "task_loss": value, "validation_loss": float("nan")}]
    return TrialResult({"accuracy": value, "recall_9": float("nan"), "seconds": np.float32(0.25)}, curves, examples)


def claims(store, run_id):
    """Claim all trials of a run that are queued."""
    return [store.claim(trial_id) for trial_id in store.queued(run_id)]
