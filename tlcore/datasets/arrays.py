"""Arrays in files: NPZ, MAT of every version, and rows in svmlight's format."""

from __future__ import annotations

import re
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from tlcore.errors import SpecificationError

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

_HDF5 = b"\x89HDF"
ARRAYS = (b"PK\x03\x04", b"PK\x05\x06", b"MATLAB 5.0", b"MATLAB 7.3", _HDF5, b"\x93NUMPY")
"""How files of arrays begin; the first is also how workbooks do."""
_SVMLIGHT = re.compile(rb"\s*(#.*)?|\s*\S+(\s+qid:\d+)?(\s+\d+:\S+)+\s*(#.*)?|\s*[-+]?\d+(\.\d*)?\s*(#.*)?")


def arrays_of(name: str, content: bytes) -> dict[str, Any] | None:
    """Return the arrays in a file by name; None if it is a workbook.

    Raises
    ------
    SpecificationError
        If it cannot be read, or holds Python objects, which would run code.
    """
    if content.startswith(b"MATLAB 5.0"):
        return _mat(name, content)
    if content.startswith((b"MATLAB 7.3", _HDF5)):
        return _hdf5(name, content)
    if content.startswith(b"\x93NUMPY"):
        raise SpecificationError(f"path: {name!r} is one array; save rows and labels together as NPZ.")
    return _npz(name, content)


def _npz(name: str, content: bytes) -> dict[str, Any] | None:
    import zipfile

    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            if not all(member.endswith(".npy") for member in archive.namelist()):
                return None
        with np.load(BytesIO(content), allow_pickle=False) as found:
            return {member: found[member] for member in found.files}
    except Exception as error:  # noqa: BLE001  a damaged file makes its readers raise whatever they stumble over
        reason = " ".join(str(error).split()) or "it is damaged"
        reason = "it holds Python objects" if "pickle" in reason else reason
        raise SpecificationError(f"path: {name!r} cannot be read as NPZ: {reason.rstrip('.')}.") from None


def _mat(name: str, content: bytes) -> dict[str, Any]:
    from tlcore.datasets.matlab import variables

    try:
        return variables(content)
    except ValueError as error:
        raise SpecificationError(f"path: {name!r} cannot be read as MAT: {str(error).rstrip('.')}.") from None


def _hdf5(name: str, content: bytes) -> dict[str, Any]:
    """Return MATLAB's variables, which HDF5 keeps with their dimensions turned round."""
    import h5py

    try:
        with h5py.File(BytesIO(content), "r") as file:
            return {key: _variable(file, value) for key, value in file.items() if not key.startswith("#")}
    except Exception as error:  # noqa: BLE001  a damaged file makes its readers raise whatever they stumble over
        reason = " ".join(str(error).split()) or "it is damaged"
        raise SpecificationError(f"path: {name!r} cannot be read as MAT 7.3: {reason.rstrip('.')}.") from None


def _variable(file: Any, value: Any) -> Any:
    import h5py
    from scipy.sparse import csc_matrix

    if isinstance(value, h5py.Group):
        if "MATLAB_sparse" not in value.attrs or "ir" not in value:
            return np.array(None)
        cells = value["data"][()], value["ir"][()].astype(np.int64), value["jc"][()].astype(np.int64)
        return csc_matrix(cells, shape=(int(value.attrs["MATLAB_sparse"]), len(cells[2]) - 1))
    if value.dtype == h5py.ref_dtype:
        places = np.ravel(value[()].T)
        made = np.empty(len(places), object)
        made[:] = [_variable(file, file[place]) for place in places]
        return made
    array = np.asarray(value[()]).T
    if value.attrs.get("MATLAB_class") == b"char":
        return np.array(["".join(map(chr, np.ravel(row))) for row in np.atleast_2d(array)])
    return array


def is_svmlight(start: bytes) -> bool:
    """Whether the first lines of a file are rows of svmlight: a label, and numbers with their index."""
    lines = [line for line in start[:20_000].splitlines()[:6] if line.strip() and not line.lstrip().startswith(b"#")]
    lines = lines[:-1] if len(lines) > 1 else lines  # the last one may be cut
    return bool(lines) and all(map(_SVMLIGHT.fullmatch, lines)) and any(b":" in line for line in lines)


def of_svmlight(name: str, content: bytes) -> tuple[csr_matrix, np.ndarray, int | None]:
    """Return rows whose columns count from 0, labels, and the first index that is there.

    Raises
    ------
    SpecificationError
        If it begins as svmlight and does not go on so.
    """
    from scipy.sparse import csr_matrix
    from sklearn.datasets import load_svmlight_file

    try:
        found, labels = load_svmlight_file(BytesIO(content.removeprefix(b"\xef\xbb\xbf")), zero_based=True)
    except (ValueError, OverflowError) as error:
        raise SpecificationError(f"path: {name!r} is not svmlight: {' '.join(str(error).split())}.") from None
    if found.shape[1] > 2**31:
        raise SpecificationError(f"path: {name!r} has the index {found.shape[1] - 1}. Allowed: below {2**31:,}.")
    # scikit-learn's sparse routines refuse the 64-bit indices that its own reader gives.
    narrow = csr_matrix((found.data, found.indices.astype(np.int32), found.indptr.astype(np.int32)), found.shape)
    return narrow, labels, int(narrow.indices.min()) if len(narrow.indices) else None
