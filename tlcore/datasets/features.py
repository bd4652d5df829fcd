"""Feature tables of one's own: rows of numbers with a label each, and how two of them are brought together."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from tlcore.datasets.own import OwnFile
from tlcore.datasets.tables import LABEL_NAMES, label_of, read_table
from tlcore.errors import SpecificationError

if TYPE_CHECKING:
    import pandas as pd

MOST_LABELS = 1000
MOST_CATEGORIES = 1000
"""Different values of a column that is not of numbers; more are rather names."""
ROW_KEYS = ("X", "x", "fts", "feas", "fea", "features", "data")
LABEL_KEYS = ("y", "Y", "labels", "label", "gnd")
_SVMLIGHT = re.compile(rb"\s*(#.*)?|\s*\S+(\s+qid:\d+)?(\s+\d+:\S+)+\s*(#.*)?")


@dataclass(frozen=True)
class FeatureTable:
    """Rows of one domain.

    Attributes
    ----------
    rows : np.ndarray, scipy.sparse.csr_matrix or pandas.DataFrame, shape (n, F)
        A frame where the columns have names, and may be numbers or categories and have missing cells.
    labels : np.ndarray of str, shape (n,), or None
        "" where a row has none; None where the file has none.
    dropped : dict of str to int
        How many rows were left out, and why.
    """

    rows: Any
    labels: np.ndarray | None
    dropped: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return int(self.rows.shape[0])

    def __getitem__(self, keep: np.ndarray) -> FeatureTable:
        rows = self.rows[keep] if not hasattr(self.rows, "iloc") else self.rows.iloc[np.flatnonzero(keep)]
        return FeatureTable(rows, None if self.labels is None else self.labels[keep], self.dropped)


class FeatureFile(OwnFile):
    """Rows of features: CSV, TSV, JSON lines, Parquet, NPZ, MAT (up to 7.2) or svmlight; plain, ``.gz`` or ``.zip``."""

    label: str = Field("", description="Column or key of the labels; empty: found by its usual names, such as y.")
    rows: str = Field("", description="Key of the rows in an NPZ or MAT file; empty: X, or another usual name.")

    def read(self) -> FeatureTable:
        """Return the rows with their labels, if there are any.

        Raises
        ------
        SpecificationError
            If there is no such file, key or column, or it has no rows of finite numbers.
        """
        return _read(self.path, self.sha256, self.label, self.rows)


@lru_cache(maxsize=4)
def _read(path: str, sha256: str, label: str, rows: str) -> FeatureTable:
    file = FeatureFile(path=path, sha256=sha256, label=label, rows=rows)
    content = file.content(prefer=(r"\.(npz|mat|csv|tsv|parquet|svm|svmlight|libsvm)$",))
    if content.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        table = _of_keys(file, _npz(file, content))
    elif content.startswith(b"MATLAB 5.0"):
        table = _of_keys(file, _mat(file, content))
    elif content.startswith((b"\x89HDF", b"MATLAB 7.3")):
        raise SpecificationError(f"path: {file.name!r} is a MAT file of version 7.3; save it with -v7, or as NPZ.")
    elif _is_svmlight(content):
        table = _svmlight(file, content)
    else:
        table = _frame(file)
    if not len(table):
        raise SpecificationError(f"path: {file.name!r} has no row.")
    if not table.rows.shape[1]:
        raise SpecificationError(f"path: {file.name!r} has no column besides the label.")
    kinds = {*table.labels.tolist()} - {""} if table.labels is not None else set()
    if len(kinds) > MOST_LABELS:
        raise SpecificationError(
            f"label: {file.name!r} has {len(kinds)} different labels. Allowed: up to {MOST_LABELS}."
        )
    return table


def _is_svmlight(content: bytes) -> bool:
    lines = [line for line in content[:20_000].splitlines()[:5] if line.strip() and not line.lstrip().startswith(b"#")]
    return bool(lines) and all(_SVMLIGHT.fullmatch(line) for line in lines[:4])


def _svmlight(file: FeatureFile, content: bytes) -> FeatureTable:
    from scipy.sparse import csr_matrix
    from sklearn.datasets import load_svmlight_file

    try:
        found, labels = load_svmlight_file(BytesIO(content))
    except ValueError as error:
        raise SpecificationError(f"path: {file.name!r} is not svmlight: {' '.join(str(error).split())}.") from None
    # scikit-learn's sparse routines refuse the 64-bit indices that its own reader gives.
    narrow = csr_matrix((found.data, found.indices.astype(np.int32), found.indptr.astype(np.int32)), found.shape)
    _finite(file, narrow.data[None])
    return FeatureTable(narrow, _labels(labels))


def _npz(file: FeatureFile, content: bytes) -> dict[str, Any]:
    import zipfile

    try:
        with np.load(BytesIO(content), allow_pickle=False) as found:
            arrays = {name: found[name] for name in found.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        reason = "it holds Python objects" if "pickle" in str(error) else str(error)
        raise SpecificationError(f"path: {file.name!r} cannot be read as NPZ: {reason}.") from None
    return arrays


def _mat(file: FeatureFile, content: bytes) -> dict[str, Any]:
    from scipy.io import loadmat

    try:
        found: dict[str, Any] = loadmat(BytesIO(content))  # type: ignore[arg-type]
    except (ValueError, NotImplementedError, OSError, TypeError) as error:
        raise SpecificationError(f"path: {file.name!r} cannot be read as MAT: {error}.") from None
    return {name: value for name, value in found.items() if not name.startswith("__")}


def _of_keys(file: FeatureFile, arrays: dict[str, Any]) -> FeatureTable:
    """Return the table of arrays by name, as NPZ and MAT files have them."""
    from scipy.sparse import csr_matrix, issparse

    rows_key = _key(file, "rows", ROW_KEYS, arrays)
    if rows_key is None:
        raise SpecificationError(
            f"rows: {file.name!r} has none of {', '.join(ROW_KEYS)}; say which of these it is: {', '.join(arrays)}."
        )
    rows: Any = arrays[rows_key]
    label_key = _key(file, "label", LABEL_KEYS, arrays)
    if rows.ndim != 2:
        raise SpecificationError(f"rows: {rows_key} of {file.name!r} has shape {rows.shape}. Allowed: (rows, columns).")
    if issparse(arrays[rows_key]):
        rows = csr_matrix(rows.astype(np.float64))
        _finite(file, rows.data[None])
    elif rows.dtype.kind not in "biuf":
        raise SpecificationError(f"rows: {rows_key} of {file.name!r} has type {rows.dtype}. Allowed: numbers.")
    else:
        rows = rows.astype(np.float64)
        _finite(file, rows)
    if label_key is None:
        return FeatureTable(rows, None)
    labels = np.ravel(arrays[label_key])
    if len(labels) != rows.shape[0]:
        raise SpecificationError(
            f"label: {label_key} of {file.name!r} has {len(labels)} labels for the {rows.shape[0]} rows of {rows_key}."
        )
    if labels.dtype == object:  # MATLAB's cells
        labels = np.array([np.ravel(cell)[0] if np.size(cell) else "" for cell in labels])
    return FeatureTable(rows, _labels(labels))


def _key(file: FeatureFile, field_name: str, usual: tuple[str, ...], arrays: dict[str, Any]) -> str | None:
    given = getattr(file, field_name)
    if given and given not in arrays:
        raise SpecificationError(f"{field_name}: {file.name!r} has no {given!r}. Allowed: {', '.join(arrays)}.")
    return given or next((name for name in usual if name in arrays), None)


def _finite(file: FeatureFile, rows: np.ndarray) -> None:
    wrong = ~np.isfinite(rows)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        where = f", first in row {row + 1}, column {column + 1}" if len(rows) > 1 else ""
        raise SpecificationError(
            f"path: {file.name!r} has {wrong.sum()} cells that are not finite numbers{where}; fill them in or leave "
            "the rows out."
        )


def _labels(values: np.ndarray) -> np.ndarray:
    return np.array([label_of(value) for value in values.tolist()], dtype=str)


def _frame(file: FeatureFile) -> FeatureTable:
    """Return the table of a CSV, JSON lines or Parquet file: the label's column, and all others as features."""
    table, misread = read_table(file, wanted={file.label} - {""}, missing=None, row="feature and a label")
    table = table.set_axis([str(name).strip() for name in table.columns], axis=1)
    names = list(table.columns)
    if doubles := sorted({name for name in names if names.count(name) > 1}):
        raise SpecificationError(f"path: {file.name!r} has two columns {doubles[0]!r}; call one otherwise.")
    if file.label and file.label not in names:
        raise SpecificationError(
            f"label: {file.name!r} has no column {file.label!r}. Allowed: {', '.join(names[:20])}."
        )
    same = [file.label] if file.label else [name for name in names if name.lower() in LABEL_NAMES]
    if len(same) > 1:
        raise SpecificationError(f"label: {file.name!r} has columns {', '.join(same)}; say which one it is.")
    features = table.drop(columns=same)
    features = features[[name for name in features.columns if not re.fullmatch(r"Unnamed: \d+", name)]]
    labels = table[same[0]].map(label_of).to_numpy(str) if same else None
    return FeatureTable(features, labels, {"misread": misread} if misread else {})


def align(source: FeatureTable, target: FeatureTable) -> tuple[Any, Any, dict[str, int]]:
    """Return the rows of both as numbers in the same columns, dense (n, F) or sparse, and what there is to know of it.

    Columns with names are matched by them. One that is not of numbers becomes one column for each of its values; a
    missing number becomes the median of both domains, a missing category zeros.

    Raises
    ------
    SpecificationError
        If the columns do not match, with the name of the domain before the field.
    """
    from scipy.sparse import csr_matrix, issparse

    named = [hasattr(table.rows, "columns") for table in (source, target)]
    if named[0] != named[1]:
        raise SpecificationError("target.path: one file has named columns and the other has not; bring two alike.")
    if named[0]:
        return _numbers(source.rows, target.rows)
    rows = [source.rows, target.rows]
    if issparse(rows[0]) or issparse(rows[1]):
        width = max(one.shape[1] for one in rows)  # the last columns of a sparse file may be empty
        there, here = (
            csr_matrix((one.data, one.indices, one.indptr), (one.shape[0], width)) for one in map(csr_matrix, rows)
        )
        return there, here, {}
    if rows[0].shape[1] != rows[1].shape[1]:
        raise SpecificationError(
            f"target.path: it has {rows[1].shape[1]} columns and the source has {rows[0].shape[1]}; they must be the "
            "same features."
        )
    return rows[0], rows[1], {}


def _numbers(source: pd.DataFrame, target: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, dict[str, int]]:
    import pandas as pd

    for which, mine, other in (("source", source, target), ("target", target, source)):
        if missing := [name for name in other.columns if name not in mine.columns]:
            raise SpecificationError(
                f"{which}.path: it lacks column {', '.join(map(repr, missing[:5]))} of the other file; both need the "
                "same columns."
            )
    both = pd.concat([source, target[source.columns]], ignore_index=True)
    found, categories, filled = [], 0, 0
    for name in both.columns:
        column = both[name].replace(dict.fromkeys(("", "NaN", "nan", "NA", "null", "None")))
        known = column.notna()
        filled += int((~known).sum())
        numbers = pd.to_numeric(column[known].map(_truth), errors="coerce")
        if numbers.notna().all():
            if not np.isfinite(numbers.to_numpy(float)).all():
                raise SpecificationError(f"source.path: column {name!r} of the two files has an infinite number.")
            middle = float(numbers.median()) if len(numbers) else 0.0
            values = np.full((len(both), 1), middle)
            values[known.to_numpy(), 0] = numbers
        else:
            kinds = sorted({str(value) for value in column[known]})
            if len(kinds) > MOST_CATEGORIES:
                raise SpecificationError(
                    f"source.path: column {name!r} has {len(kinds)} different values that are not numbers. Allowed: up "
                    f"to {MOST_CATEGORIES}; leave it out."
                )
            values = (column.astype(str).to_numpy()[:, None] == np.array(kinds)).astype(float)
            categories += 1
        found.append(values)
    rows = np.concatenate(found, axis=1)
    return rows[: len(source)], rows[len(source) :], {"category_columns": categories, "missing_cells": filled}


def _truth(value: object) -> object:
    """Read true and false as numbers."""
    return {"true": 1, "false": 0}.get(str(value).strip().lower(), value)
