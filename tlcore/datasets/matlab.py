"""MAT files up to version 7.2, read in a process of their own: a damaged one can end the process that reads it.

python -m tlcore.datasets.matlab < FILE > ARRAYS.npz
"""

from __future__ import annotations

import os
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

PARTS = ("data", "indices", "indptr", "shape")
LONGEST = 120
"""Seconds that reading may take."""


def variables(content: bytes) -> dict[str, Any]:
    """Return the variables of a MAT file by name: arrays, cells of text as arrays of text, sparse matrices.

    Raises
    ------
    ValueError
        If it cannot be read, with the reason.
    """
    import subprocess

    from scipy.sparse import csc_matrix

    path = os.pathsep.join(filter(None, (str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH"))))
    try:
        child = subprocess.run(
            [sys.executable, "-m", __name__],
            env={**os.environ, "PYTHONPATH": path},
            input=content,
            capture_output=True,
            timeout=LONGEST,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ValueError(f"it takes more than {LONGEST} seconds") from None
    if child.returncode:
        said = child.stderr.decode("utf-8", "replace").strip().splitlines()
        raise ValueError(said[-1] if child.returncode == 1 and said else "it is damaged")
    with np.load(BytesIO(child.stdout), allow_pickle=False) as found:
        arrays = {name: found[name] for name in found.files}
    for name in [key.removesuffix("/shape") for key in arrays if key.endswith("/shape")]:
        data, indices, indptr, shape = (arrays.pop(f"{name}/{part}") for part in PARTS)
        arrays[name] = csc_matrix((data, indices, indptr), shape=tuple(shape))
    return arrays


def _plain(name: str, value: Any) -> dict[str, np.ndarray]:
    """Return a variable as arrays that hold no Python objects; what cannot be told so is none."""
    from scipy.sparse import csc_matrix, issparse

    if issparse(value):
        matrix: csc_matrix = csc_matrix(value)  # type: ignore[call-overload]
        parts = (matrix.data, matrix.indices, matrix.indptr, np.array(matrix.shape))
        return {f"{name}/{part}": array for part, array in zip(PARTS, parts, strict=True)}
    array = np.asarray(value)
    if array.dtype == object:
        array = np.array([str(np.ravel(cell)[0]) if np.size(cell) else "" for cell in np.ravel(array)])
    return {name: array} if array.dtype.names is None else {}


def main() -> int:
    """Read a MAT file from standard input, and write its variables as NPZ to standard output."""
    from scipy.io import loadmat

    try:
        found = loadmat(BytesIO(sys.stdin.buffer.read()))  # type: ignore[arg-type]
        plain = [_plain(name, value) for name, value in found.items() if not name.startswith("__")]
        content = BytesIO()
        np.savez(content, **{name: array for arrays in plain for name, array in arrays.items()})  # type: ignore[arg-type]
    except Exception as error:  # noqa: BLE001  a damaged file makes its reader raise whatever it stumbles over
        print(" ".join(str(error).split()) or "it is damaged", file=sys.stderr)
        return 1
    sys.stdout.buffer.write(content.getvalue())
    return 0


if __name__ == "__main__":
    sys.exit(main())
