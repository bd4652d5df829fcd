import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

_home = tempfile.TemporaryDirectory(prefix="transfer-lab-tests-", dir=os.environ.get("TESTS_HOME"))
HOME = Path(_home.name)
COMMON = Path(os.environ.setdefault("TESTS_HOME", str(HOME)))
"""The home of the process that started the others: theirs lie in it, and what was fetched there is there for all."""
os.environ["TRANSFER_LAB_HOME"] = str(HOME)  # before any test imports tlcore, so that nobody's own runs are touched
(COMMON / "downloads").mkdir(exist_ok=True)
if HOME != COMMON:
    (HOME / "downloads").symlink_to(COMMON / "downloads")

WITH_ENGINE = (
    "tests/app/test_concerns.py",
    "tests/app/test_own_files.py",
    "tests/app/test_pages.py",
    "tests/browser/test_dashboard.py",
    "tests/lab/test_engine.py",
    "tests/test_command_line.py",
)


SLOW = (
    "tests/datasets/test_datasets.py",
    "tests/datasets/test_distribution.py",
    "tests/methods/test_closed_form.py",
    "tests/methods/test_recommenders.py",
    "tests/scenarios/test_features.py",
    "tests/scenarios/test_own_tables.py",
    "tests/scenarios/test_text.py",
    "tests/scenarios/test_vision.py",
    "tests/test_classifiers.py",
    "tests/test_concerns.py",
    "tests/test_forgotten.py",
    "tests/test_texts_report.py",
)
"""Files that together take long, each test of them little: whoever works on what they are about runs them, too."""


def together(nodeid: str) -> str:
    """Return the name of the tests with which a test stays in one process, in their order.

    Tests with engines and servers of their own need both cores, and are watched by the clock: never two at once. The
    batteries are long, so each method, and each scenario, may go to another process. All other files stay whole.
    """
    path, _, test = nodeid.partition("::")
    if path in WITH_ENGINE:
        return "engine"
    if path == "tests/methods/test_every_method.py" and "[" in test:
        return f"method {test.partition('[')[2]}"
    if path == "tests/scenarios/test_every_scenario.py" and "[" in test:
        return f"scenario {test.partition('[')[2].partition('-')[0]}"
    return path


@pytest.hookimpl(tryfirst=True)  # before pytest looks which marks are asked for
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what has an engine or a server of its own, and `SLOW`; single tests of a second say so."""
    for item in items:
        if together(item.nodeid) == "engine" or item.nodeid.partition("::")[0] in SLOW:
            item.add_marker("slow")


@pytest.hookimpl(optionalhook=True)  # without pytest-xdist nobody asks for it
def pytest_xdist_make_scheduler(config, log):
    """Hand out tests by `together`; pytest-xdist's own groups do nothing with pytest 9.2 (its issue 1386)."""
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return together(nodeid)

    config.option.loadscopereorder = False  # in order of collection: those with an engine, which take longest, first
    return Together(config, log)


def pytest_collection_finish() -> None:
    """Compute on one thread, as trials do: of several processes, each has the others' cores to share."""
    if "torch" in sys.modules:
        import torch
        from threadpoolctl import threadpool_limits

        torch.set_num_threads(1)
        threadpool_limits(1)


@pytest.fixture(scope="session", autouse=True)
def _own_home() -> Iterator[None]:
    yield
    from tlcore import lab

    lab.stop_engine()
    _home.cleanup()


def pytest_unconfigure() -> None:
    """Stop what an interrupted process could not stop itself."""
    from tlcore import lab

    for engine in HOME.glob("*/engine.json"):
        os.environ["TRANSFER_LAB_HOME"] = str(engine.parent)
        lab.stop_engine()
