"""Feature tables of one's own: rows of numbers with a label each, and how two of them are brought together."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from tlcore.datasets.arrays import ARRAYS, arrays_of, is_svmlight, of_svmlight
from tlcore.datasets.columns import GROUP_NAMES, LABEL_NAMES, MOST_CATEGORIES, TIME_NAMES, Column, name_of
from tlcore.datasets.look import Look, counted, look_at
from tlcore.datasets.own import LabelledFile
from tlcore.datasets.quantities import likely
from tlcore.datasets.reading import Table
from tlcore.datasets.tables import EACH_NEEDS_A_TIME, NONE, TableFile, known_groups, known_times, proposed_group
from tlcore.errors import SpecificationError

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

MOST_LABELS = 1000
LARGEST = 1e30
"""A number that float32 can hold, and square sums of which float64 can."""
ROW_KEYS = ("X", "x", "fts", "feas", "fea", "features", "data")
LABEL_KEYS = ("y", "Y", "labels", "label", "gnd")
MOST_DENSE = 2**25
"""Cells up to which categories are written out; more of them, mostly zeros, stay sparse."""


@dataclass(frozen=True)
class FeatureTable:
    """Rows of one domain.

    Attributes
    ----------
    rows : np.ndarray or scipy.sparse.csr_matrix, shape (n, F), or tuple of Column
        Columns where they have names, and may be categories and have missing cells.
    labels : np.ndarray of str, shape (n,), or None
        "" where a row has none; None where the file has none.
    dropped : dict of str to int
        How many rows or columns were left out, and why.
    groups : np.ndarray of str, shape (n,), or None
    times : np.ndarray of float64, shape (n,), or None
    first : int or None
        The first index of svmlight that is there, as the two files must begin to count alike.
    taken : frozenset of str
        Columns that are no features, as they are the label, a group, a time, or left out.
    """

    rows: Any
    labels: np.ndarray | None
    dropped: dict[str, int] = field(default_factory=dict)
    groups: np.ndarray | None = None
    times: np.ndarray | None = None
    first: int | None = None
    taken: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return len(self.rows[0]) if isinstance(self.rows, tuple) else int(self.rows.shape[0])

    @property
    def width(self) -> int:
        """How many columns there are."""
        return len(self.rows) if isinstance(self.rows, tuple) else int(self.rows.shape[1])


class FeatureFile(TableFile, LabelledFile):
    """Rows of features: CSV, TSV, JSON lines, Parquet, a sheet, NPZ, MAT or svmlight; packed or not."""

    usual: ClassVar = {"label": LABEL_NAMES, "group": GROUP_NAMES, "time": TIME_NAMES}
    guessed: ClassVar = ("label",)
    others: ClassVar = "feature"
    formats: ClassVar = "CSV, TSV, JSON lines, Parquet, .xlsx, .xls, .ods, NPZ, MAT, svmlight; plain, .gz or .zip"
    members: ClassVar = (r"\.(npz|mat|csv|tsv|txt|jsonl|ndjson|json|parquet|svm|svmlight|libsvm|xlsx|xls|ods|data)$",)

    label: str = Field(
        "", description="Column or key of the labels; empty: found by its usual names, such as y; none: there is none."
    )
    rows: str = Field("", description="Key of the rows in an NPZ or MAT file; empty: X, or another usual name.")
    group: str = Field("", description="Column of what belongs together, which no split parts; empty: none.")
    time: str = Field("", description="Column of times: what came last is the test; empty: none.")

    def read(self) -> FeatureTable:
        """Return the rows with their labels, if there are any.

        Raises
        ------
        SpecificationError
            If there is no such file, key or column, or it has no rows of finite numbers.
        """
        return _read(self.pinned().model_dump_json())

    def labels(self) -> tuple[str, ...]:
        """Return the labels, as they are called here."""
        found = self.read().labels
        return () if found is None else tuple(sorted({*found.tolist()} - {""}))

    def like(self, other: FeatureFile) -> FeatureFile:
        """Return this file with what was said of columns of the other that are here, too: both need the same features.

        The label, what belongs together, times, and what is left out, unless this file's person said otherwise.
        """
        file = self._labelled_like(other)
        said = {role: name for role in ("group", "time") if (name := getattr(other, role)) not in ("", NONE)}
        if not said and not other.leave_out:
            return file
        table = file.table()
        free = {*table.names} - {column.name for column in file.roles(table).values()}
        roles = {role: name for role, name in said.items() if name in free and not getattr(self, role)}
        left_out = tuple(name for name in other.leave_out if name in free)
        return file.model_copy(update={**roles, "leave_out": (*self.leave_out, *left_out)})

    def _labelled_like(self, other: FeatureFile) -> FeatureFile:
        """Return this file with the label that the other's person named, where this one has such a column.

        A column that is a feature there, since its label was named, is one here: a usual name does not make it a label.
        """
        if self.label or not other.label or other.label == NONE:
            return self
        start = self.beginning(prefer=self.members)
        if start.startswith(ARRAYS) or is_svmlight(start):
            return self
        names = self.table().names
        if other.label in names:
            return self.model_copy(update={"label": other.label})
        guess = self.found(self.table(), "label") if not self.table().nameless else None
        features = other.table().names
        return self.model_copy(update={"label": NONE}) if guess and guess.name in features else self

    def roles(self, table: Table) -> dict[str, Column]:
        """Return the columns by their roles; those of features have none."""
        label = self.found(table, "label")
        if label is None and table.nameless and not self.label:
            few = [column for column in table.columns if column.kind == "category"]
            label = few[0] if len(few) == 1 else None  # the only words among numbers
        found = {"label": label, **{role: self.found(table, role) for role in ("group", "time") if getattr(self, role)}}
        return {role: column for role, column in found.items() if column is not None}

    def features(self, table: Table) -> list[Column]:
        """Return the columns that may be features: those that have no other role."""
        taken = {column.name for column in self.roles(table).values()}
        columns = [column for column in table.columns if column.name not in taken]
        names = [column.name for column in columns]
        if doubles := sorted({name for name in names if names.count(name) > 1}):
            raise SpecificationError(f"path: {self.name!r} has two columns {doubles[0]!r}; call one otherwise.")
        return columns

    def look(self) -> Look:
        """Return how the file is understood."""
        read = self.read()
        if not isinstance(read.rows, tuple):
            facts = {"format": "arrays", "rows": f"{len(read):,}", "columns": f"{read.width:,}"}
            return Look(self.name, facts, labels=counted(read.labels))
        table = self.table()
        roles = self.roles(table)
        proposed = proposed_group(table, roles) if "group" not in roles else {}
        reasons = {column.name: why for column in self.features(table) if (why := unusable(column))}
        return look_at(self.name, table, roles, read.labels, read.dropped, reasons=reasons, proposed=proposed)


def unusable(column: Column) -> str:
    """Return why a column is no feature; empty if it is one."""
    if column.said in ("category", "number", "date", "boolean"):
        return ""
    match column.kind:
        case "text" if len(column.counts[0]) > 0.9 * (~column.missing).sum():
            return "nearly every row has a value of its own"
        case "text":
            return "texts, or too many different values"
        case "date":
            return "dates"
        case "category" if len(column.counts[0]) > MOST_CATEGORIES:
            return f"has {len(column.counts[0]):,} different values that are not numbers"
    return ""


@lru_cache(maxsize=4)
def _read(told: str) -> FeatureTable:
    file = FeatureFile.model_validate_json(told)
    start = file.beginning(prefer=file.members)
    if start.startswith(ARRAYS) and (arrays := arrays_of(file.name, file.content(prefer=file.members))) is not None:
        table = _of_keys(file, arrays)
    elif is_svmlight(start):
        rows, labels, first = of_svmlight(file.name, file.content(prefer=file.members))
        _finite(file, rows.data[None])
        table = FeatureTable(rows, _labels(labels), first=first)
    else:
        table = _of_columns(file)
    if not table.width:
        raise SpecificationError(f"path: {file.name!r} has no column besides the label that can be a feature.")
    if not len(table):
        raise SpecificationError(f"path: {file.name!r} has no row.")
    if table.labels is not None:
        labels = file.renamed(table.labels)
        table = replace(table, labels=labels)
        kinds = {*labels.tolist()} - {""}
        if len(kinds) > MOST_LABELS and likely(labels) != "numbers":
            raise SpecificationError(
                f"label: {file.name!r} has {len(kinds)} different labels. Allowed: up to {MOST_LABELS}."
            )
    return table


def _of_keys(file: FeatureFile, arrays: dict[str, Any]) -> FeatureTable:
    """Return the table of arrays by name, as NPZ and MAT files have them."""
    from scipy.sparse import csr_matrix, issparse

    rows_key = _key(file, "rows", ROW_KEYS, arrays)
    if rows_key is None:
        raise SpecificationError(
            f"rows: {file.name!r} has none of {', '.join(ROW_KEYS)}; say which of these it is: {', '.join(arrays)}."
        )
    rows: Any = arrays[rows_key]
    sparse = issparse(rows)
    label_key = None if file.label == NONE else _key(file, "label", LABEL_KEYS, arrays)
    if rows.ndim != 2:
        raise SpecificationError(f"rows: {rows_key} of {file.name!r} has shape {rows.shape}. Allowed: (rows, columns).")
    if sparse:
        rows = csr_matrix(rows, dtype=np.float64)
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
    wrong = ~(np.abs(rows) <= LARGEST)  # nan is wrong, too
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        where = f", first in row {row + 1}, column {column + 1}" if len(rows) > 1 else ""
        raise SpecificationError(
            f"path: {file.name!r} has {wrong.sum()} cells that are not finite numbers{where}; fill them in or leave "
            "the rows out."
        )


def _labels(values: np.ndarray) -> np.ndarray:
    """Return labels as text; -1 as some files write no label stays a label."""
    return np.array([name_of(value) for value in values.tolist()], dtype=str)


def _of_columns(file: FeatureFile) -> FeatureTable:
    """Return the table of a file with columns: the label's, and all others as features."""
    table = file.table()
    with ThreadPoolExecutor() as threads:  # casting lets go of Python's lock
        for _ in threads.map(lambda column: column.plain, table.columns):
            pass
    roles = file.roles(table)
    features: list[Column] = []
    for column in file.features(table):
        features += _written_out(file, column) if column.kind == "list" else [column]
    labels = roles["label"].labels() if "label" in roles else None
    groups = known_groups(file, roles["group"]) if "group" in roles else None
    times = known_times(file, roles["time"], np.arange(table.rows), EACH_NEEDS_A_TIME) if "time" in roles else None
    dropped = table.dropped | {"odd_cells": sum(column.odd()[0] for column in features)}
    reasons = [(column.name, why) for column in features if (why := unusable(column))]
    if reasons and len(reasons) == len(features):
        raise SpecificationError(
            f"path: {file.name!r} has no column besides the label that can be a feature: {reasons[0][0]!r} is left "
            f"out, {reasons[0][1]}; kinds={reasons[0][0]}=category takes it."
        )
    taken = frozenset({*(column.name for column in roles.values()), *file.leave_out})
    counts = {why: n for why, n in dropped.items() if n}
    return FeatureTable(tuple(features), labels, counts, groups, times, taken=taken)


def _written_out(file: FeatureFile, column: Column) -> list[Column]:
    """Return lists of numbers of one length as a column for each place."""
    import pyarrow as pa

    try:
        rows = column.lists()
    except ValueError as error:
        raise SpecificationError(
            f"path: column {column.name!r} of {file.name!r} holds {error}. Allowed: numbers, or lists of as many in "
            "each row; leave_out leaves it out."
        ) from None
    return [Column(f"{column.name}.{place}", pa.chunked_array([pa.array(cells)])) for place, cells in enumerate(rows.T)]


@dataclass(frozen=True)
class Block:
    """A column of both domains, one after the other.

    Attributes
    ----------
    name : str
    values : ndarray
        Numbers, float64 (n,), nan where missing; or places (n,) among the categories, −1 where missing.
    categories : tuple of str
        Empty: it is of numbers.
    """

    name: str
    values: np.ndarray
    categories: tuple[str, ...] = ()


@dataclass(frozen=True)
class Aligned:
    """Rows of both domains in the same columns, the source's first, as they are known before a split.

    Attributes
    ----------
    blocks : tuple of Block
        Columns with names; empty where ``rows`` has them.
    rows : ndarray or csr_matrix, shape (n, F), or None
    of_source : int
        How many are the source's.
    facts : dict of str to int
    """

    blocks: tuple[Block, ...]
    rows: Any
    of_source: int
    facts: dict[str, int]

    def numbers(self, learned: np.ndarray) -> Any:
        """Return all rows as numbers, dense or sparse (n, F).

        What is learned of them is learned from the rows of a mask alone: a missing number becomes their median, and a
        category that none of them has becomes zeros, as a missing one does.
        """
        if self.rows is not None:
            return self.rows
        from scipy.sparse import csr_matrix

        n = len(learned)
        known = {block.name: self._categories(block, learned) for block in self.blocks if block.categories}
        widths = [len(known[block.name]) if block.categories else 1 for block in self.blocks]
        starts = np.concatenate([[0], np.cumsum(widths)])
        dense = n * int(starts[-1]) <= MOST_DENSE or not known
        rows = np.zeros((n, int(starts[-1]))) if dense else None
        cells: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        for block, start in zip(self.blocks, starts.tolist(), strict=False):
            if block.categories:
                place = np.full(len(block.categories) + 1, -1)
                place[known[block.name]] = np.arange(len(known[block.name]))
                there = place[block.values]
                row = np.flatnonzero(there >= 0)
                column, value = start + there[row], np.ones(len(row))
            else:
                filled = _filled(block.values, learned)
                if rows is not None:
                    rows[:, start] = filled
                    continue
                row, column, value = np.arange(n), np.full(n, start), filled
            if rows is not None:
                rows[row, column] = value
            else:
                cells.append((row, column, value))
        if rows is not None:
            return rows
        row, column, value = (np.concatenate(parts) for parts in zip(*cells, strict=True))
        made: csr_matrix = csr_matrix((value, (row.astype(np.int32), column.astype(np.int32))), (n, int(starts[-1])))
        return made

    @staticmethod
    def _categories(block: Block, learned: np.ndarray) -> np.ndarray:
        seen = np.bincount(block.values[learned] + 1, minlength=len(block.categories) + 1)[1:]
        return np.flatnonzero(seen)

    def alike(self) -> np.ndarray:
        """Return a number for each row (n,): rows with equal numbers are equal, those with others are not."""
        import pandas as pd
        from scipy.sparse import csr_matrix, issparse

        sparse = issparse(self.rows)
        if sparse:
            ordered = csr_matrix(self.rows, dtype=np.float32, copy=True)
            ordered.sort_indices()
            draw = np.random.default_rng(0).standard_normal((ordered.shape[1], 2))
            sums = csr_matrix(ordered, dtype=np.float64) @ draw  # of equal rows to the bit, as their order is the same
            return np.unique(sums, axis=0, return_inverse=True)[1].ravel()
        if self.rows is not None:
            cells = np.ascontiguousarray(self.rows.astype(np.float32) + np.float32(0))
            return np.unique(cells.view(np.dtype((np.void, cells.shape[1] * 4))).ravel(), return_inverse=True)[1]
        frame = pd.DataFrame(
            {
                place: block.values if block.categories else block.values.astype(np.float32) + np.float32(0)
                for place, block in enumerate(self.blocks)
            }
        )
        return np.unique(pd.util.hash_pandas_object(frame, index=False).to_numpy(), return_inverse=True)[1]

    def pairs_by_chance(self) -> float:
        """Return how likely two rows are alike by chance, were the columns independent of each other."""
        from scipy.sparse import issparse

        if issparse(self.rows):
            return 0.0
        n = self.of_source if self.rows is None else len(self.rows)
        some = np.random.default_rng(0).permutation(len(self.blocks[0].values) if self.rows is None else n)[:5000]
        columns = [block.values[some] for block in self.blocks] if self.rows is None else self.rows[some].T
        likely = 1.0
        for column in columns:
            counts = np.unique(column, return_counts=True)[1].astype(float)
            likely *= (counts * (counts - 1)).sum() / max(len(some) * (len(some) - 1), 1)
        return float(likely)


def _filled(values: np.ndarray, learned: np.ndarray) -> np.ndarray:
    missing = np.isnan(values)
    if not missing.any():
        return values
    known = values[learned & ~missing]
    return np.where(missing, float(np.median(known)) if len(known) else 0.0, values)


def align(source: FeatureTable, target: FeatureTable) -> Aligned:
    """Bring the rows of two domains into the same columns: by their names, or by their places where they have none.

    Raises
    ------
    SpecificationError
        If the columns do not match, with the name of the domain before the field.
    """
    from scipy.sparse import csr_matrix, issparse, vstack

    named = [isinstance(table.rows, tuple) for table in (source, target)]
    if named[0] != named[1]:
        raise SpecificationError("target.path: one file has named columns and the other has not; bring two alike.")
    if named[0]:
        return _by_name(source, target)
    rows = [source.rows, target.rows]
    if issparse(rows[0]) or issparse(rows[1]):
        firsts = [table.first for table in (source, target) if table.first is not None]
        if firsts and min(firsts) > 0:  # neither begins at 0, so that index 1 is the first column
            rows = [one[:, 1:] if table.first else one for one, table in zip(rows, (source, target), strict=True)]
        width = max(one.shape[1] for one in rows)  # the last columns of a sparse file may be empty
        there, here = (
            csr_matrix((one.data, one.indices, one.indptr), (one.shape[0], width)) for one in map(csr_matrix, rows)
        )
        both = csr_matrix(vstack([there, here]))
        both.indices, both.indptr = both.indices.astype(np.int32), both.indptr.astype(np.int32)
        return Aligned((), both, len(source), {})
    if rows[0].shape[1] != rows[1].shape[1]:
        raise SpecificationError(
            f"target.path: it has {rows[1].shape[1]} columns and the source has {rows[0].shape[1]}; they must be the "
            "same features."
        )
    return Aligned((), np.concatenate(rows), len(source), {})


def _by_name(source: FeatureTable, target: FeatureTable) -> Aligned:
    taken = source.taken | target.taken
    there, here = (
        {column.name: column for column in table.rows if column.name not in taken} for table in (source, target)
    )
    for which, mine, other in (("source", there, here), ("target", here, there)):
        if missing := [name for name in other if name not in mine and not unusable(other[name])]:
            raise SpecificationError(
                f"{which}.path: it lacks column {', '.join(map(repr, missing[:5]))} of the other file; both need the "
                "same columns, or leave_out leaves one out of the other."
            )
    blocks: list[Block] = []
    facts = {"category_columns": 0, "missing_cells": 0, "mixed_columns": 0, "columns_left_out": 0}
    for name in [*there, *(name for name in here if name not in there)]:
        block = _block(name, there[name], here[name]) if name in there and name in here else None
        if block is None:
            facts["columns_left_out"] += 1
            continue
        facts["mixed_columns"] += bool(block.categories) and "number" in (there[name].kind, here[name].kind)
        facts["category_columns"] += bool(block.categories)
        facts["missing_cells"] += int((block.values < 0).sum() if block.categories else np.isnan(block.values).sum())
        blocks.append(block)
    if not blocks:
        raise SpecificationError("source.path: no column is left that can be a feature in both domains.")
    return Aligned(tuple(blocks), None, len(source), facts)


def _block(name: str, source: Column, target: Column) -> Block | None:
    """Return a column of both: numbers where both have them, else categories; None if it is no feature."""
    kinds = {kind for kind in (source.kind, target.kind) if kind != "empty"}
    said = next((column.said for column in (source, target) if column.said), "")
    if said in ("text", "empty") or not kinds:
        return None
    if said in ("number", "date", "boolean") or (said != "category" and kinds <= {"number", "boolean"}):
        values = np.concatenate([source.numbers(), target.numbers()])
        if (np.abs(values) > LARGEST).any():
            raise SpecificationError(
                f"source.path: column {name!r} of the two files has {values[np.nanargmax(np.abs(values))]:g}. Allowed: "
                f"numbers of up to {LARGEST:g}, or leave_out leaves it out."
            )
        return Block(name, values)
    if said != "category" and (kinds <= {"text", "date"} or "date" in kinds):
        return None
    both = np.concatenate([source.names(), target.names()])
    categories, places = np.unique(both.astype(str), return_inverse=True)
    missing = len(categories) > 0 and categories[0] == ""
    if len(categories) - missing > MOST_CATEGORIES:
        return None
    return Block(name, places - missing, tuple(categories[int(missing) :].tolist()))
