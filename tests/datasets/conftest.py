from collections.abc import Callable

import pytest

from tests.datasets.pictures import archive, folder
from tlcore.datasets.images import ImageFolder


@pytest.fixture(params=[folder, archive])
def own(request, tmp_path) -> Callable[[dict[str, bytes]], ImageFolder]:
    """What makes a folder, or an archive, of these files."""
    return lambda files: request.param(tmp_path / "own", files)
