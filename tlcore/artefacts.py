"""Work that trials share, kept on disk by content and done once, whichever process asks first."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from tlcore.errors import SpecificationError

if TYPE_CHECKING:
    from torch import Tensor


def home() -> Path:
    """Return the folder of everything Transfer Lab keeps: ``TRANSFER_LAB_HOME``, or ``~/.transfer-lab``."""
    folder = Path(os.environ.get("TRANSFER_LAB_HOME") or Path.home() / ".transfer-lab")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SpecificationError(f"TRANSFER_LAB_HOME: {str(folder)!r} cannot be made: {error.strerror}.") from None
    return folder


def kept(parts: tuple[object, ...], compute: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """Return the tensors kept under these parts, computing and keeping them the first time.

    Parameters
    ----------
    parts : tuple
        All that decides the result, each with a ``repr`` that says it whole. The code's own content is added,
        so that changed code never meets an old artefact.
    compute : callable
        Called at most once across processes; the others wait.
    """
    from filelock import FileLock
    from safetensors.torch import load_file, save_file

    folder = home() / "artefacts"
    folder.mkdir(exist_ok=True)
    path = folder / f"{sha256(repr((code_version(), *parts)).encode()).hexdigest()[:32]}.safetensors"
    if not path.exists():
        with FileLock(path.with_suffix(".lock")):
            if not path.exists():
                tensors = {name: value.contiguous() for name, value in compute().items()}
                partial = path.with_suffix(f".{os.getpid()}.partial")
                save_file(tensors, partial)
                partial.replace(path)  # atomic: a half-written file is never found under the name
    return load_file(path)


@lru_cache(maxsize=1)
def code_version() -> str:
    """Return a checksum of what computes: this package's code below the lab, and torch's version."""
    from importlib.metadata import version

    digest = sha256(version("torch").encode())
    package = Path(__file__).parent
    for path in sorted(package.rglob("*.py")):
        if path.relative_to(package).parts[0] not in ("lab", "report", "__main__.py"):
            digest.update(path.read_bytes())
    return digest.hexdigest()
