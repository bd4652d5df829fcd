"""Work that trials share, kept on disk by content and done once, whichever process asks first."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from tlcore.cancellation import Cancelled, never
from tlcore.errors import SpecificationError

if TYPE_CHECKING:
    from sqlite3 import Connection

    import numpy as np
    from torch import Tensor

ROWS_AT_ONCE = 256
"""Rows computed between two looks whether to stop."""


def home() -> Path:
    """Return the folder of everything Transfer Lab keeps: ``TRANSFER_LAB_HOME``, or ``~/.transfer-lab``."""
    folder = Path(os.environ.get("TRANSFER_LAB_HOME") or Path.home() / ".transfer-lab")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SpecificationError(f"TRANSFER_LAB_HOME: {str(folder)!r} cannot be made: {error.strerror}.") from None
    return folder


def once(path: Path, make: Callable[[Path], object]) -> None:
    """See that a file is there: the first time ``make`` writes it, under another name until it is whole.

    Called at most once across processes; the others wait.
    """
    from filelock import FileLock

    if path.exists():
        return
    with FileLock(path.with_suffix(".lock")):
        if not path.exists():
            partial = path.with_suffix(f".{os.getpid()}.partial")
            try:
                make(partial)
                partial.replace(path)  # atomic: a half-written file is never found under the name
            finally:
                partial.unlink(missing_ok=True)


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
    from safetensors.torch import load_file, save_file

    folder = home() / "artefacts"
    folder.mkdir(exist_ok=True)
    path = folder / f"{sha256(repr((code_version(), *parts)).encode()).hexdigest()[:32]}.safetensors"
    once(path, lambda partial: save_file({name: value.contiguous() for name, value in compute().items()}, partial))
    return load_file(path)


def kept_array(parts: tuple[object, ...], shape: tuple[int, ...], fill: Callable[[np.ndarray], None]) -> np.ndarray:
    """Return the uint8 array kept under these parts, mapped into memory, filling it the first time.

    Parameters
    ----------
    parts : tuple
        All that decides the result, each with a ``repr`` that says it whole.
    shape : tuple of int
    fill : callable
        Writes into an array of this shape; called at most once across processes, the others wait.
    """
    import numpy as np

    def make(partial: Path) -> None:
        array = np.lib.format.open_memmap(partial, mode="w+", dtype=np.uint8, shape=shape)
        fill(array)
        array.flush()

    folder = home() / "artefacts"
    folder.mkdir(exist_ok=True)
    path = folder / f"{sha256(repr((*parts, shape)).encode()).hexdigest()[:32]}.npy"
    once(path, make)
    return np.load(path, mmap_mode="c")  # its pages are shared by all processes as long as nobody writes


def kept_rows(
    parts: tuple[object, ...],
    contents: list[bytes],
    compute: Callable[[list[int]], Tensor],
    should_stop: Callable[[], bool] = never,
) -> Tensor:
    """Return one row for each content, computing and keeping those that are not there.

    Parameters
    ----------
    parts : tuple
        All that decides a row besides its content, each with a ``repr`` that says it whole.
    contents : list of bytes
        What each row is of; the same content may come more than once.
    compute : callable
        Indices of ``contents`` to their rows (n, ...), float32. Other processes that want some of the same wait.
    should_stop : callable
        Asked between blocks; what was computed before is kept.

    Raises
    ------
    Cancelled
        When ``should_stop`` said so.
    """
    import sqlite3
    from contextlib import closing

    import numpy as np
    import torch
    from filelock import FileLock

    folder = home() / "artefacts"
    folder.mkdir(exist_ok=True)
    path = folder / f"{sha256(repr(parts).encode()).hexdigest()[:32]}.rows"
    keys = [sha256(content).digest()[:16] for content in contents]
    with closing(sqlite3.connect(path, timeout=60)) as store:
        store.execute("PRAGMA journal_mode = WAL")
        store.execute("CREATE TABLE IF NOT EXISTS rows (key BLOB PRIMARY KEY, shape TEXT, value BLOB) WITHOUT ROWID")
        found = _rows(store, keys)
        if len(found) < len(set(keys)):
            with FileLock(path.with_suffix(".lock")):
                found |= _rows(store, [key for key in keys if key not in found])
                missing = [*{key: index for index, key in enumerate(keys) if key not in found}.values()]
                for start in range(0, len(missing), ROWS_AT_ONCE):
                    if should_stop():
                        raise Cancelled
                    block = missing[start : start + ROWS_AT_ONCE]
                    rows = compute(block).numpy().astype(np.float32, copy=False)
                    shape = ",".join(map(str, rows.shape[1:]))
                    new = {keys[index]: (shape, row.tobytes()) for index, row in zip(block, rows, strict=True)}
                    with store:
                        store.executemany(
                            "INSERT OR IGNORE INTO rows VALUES (?, ?, ?)", [(k, *v) for k, v in new.items()]
                        )
                    found |= new
    shape = next(iter(found.values()))[0] if found else ""
    values = np.frombuffer(b"".join(found[key][1] for key in keys), np.float32).copy()
    return torch.from_numpy(values.reshape(len(keys), *map(int, filter(None, shape.split(",")))))


def _rows(store: Connection, keys: list[bytes]) -> dict[bytes, tuple[str, bytes]]:
    found: dict[bytes, tuple[str, bytes]] = {}
    for start in range(0, len(keys), 500):
        some = keys[start : start + 500]
        marks = ",".join("?" * len(some))
        found |= {
            key: (shape, value)
            for key, shape, value in store.execute(f"SELECT key, shape, value FROM rows WHERE key IN ({marks})", some)
        }
    return found


@lru_cache(maxsize=8)
def code_version(*rooms: str) -> str:
    """Return a checksum of what computes: the code of these rooms, or all below the lab, and torch's version."""
    from importlib.metadata import version

    digest = sha256(version("torch").encode())
    package = Path(__file__).parent
    for path in sorted(package.rglob("*.py")):
        room = path.relative_to(package).parts[0]
        if room in rooms if rooms else room not in ("lab", "report", "__main__.py"):
            digest.update(path.read_bytes())
    return digest.hexdigest()
