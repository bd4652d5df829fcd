import os
import tempfile
from collections.abc import Iterator

import pytest

_home = tempfile.TemporaryDirectory(prefix="transfer-lab-tests-")
os.environ["TRANSFER_LAB_HOME"] = _home.name  # before any test imports tlcore, so that nobody's own runs are touched


@pytest.fixture(scope="session", autouse=True)
def _own_home() -> Iterator[None]:
    yield
    from tlcore import lab

    lab.stop_engine()
    _home.cleanup()
