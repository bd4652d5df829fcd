"""What looks wrong with the columns of two feature tables, taken raw: before anything is filled in or scaled."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tlcore.concerns import MOST_NAMED, Concern, named, percent
from tlcore.datasets.columns import GROUP_NAMES
from tlcore.datasets.dialect import plain_name

if TYPE_CHECKING:
    from tlcore.datasets.columns import Column

SAMPLE = 4000
"""Rows that are looked at for what a column tells of the label, and for its range."""
MOST_COLUMNS = 500
"""Columns from which on fewer rows are looked at, so that wide tables take no longer."""
FEWEST = 20
"""Rows below which nothing is said of a range, a running number or a label."""
TELLS, SURELY, NEXT = 0.98, 0.8, 0.9
"""What a column that gives the label away explains of it: measured, at least at the lower bound, and any other one."""
DOUBT = 0.01
"""Chance that some column of a table seems to tell so much of the label and does not."""
RANGE = (0.05, 0.95)
MOSTLY_MISSING = 0.5
ALL_DIFFERENT = 0.99
ID_NAMES = (
    "id",
    "ids",
    "uid",
    "uuid",
    "guid",
    "index",
    "idx",
    "key",
    "nr",
    "no",
    "num",
    "number",
    "row",
    "编号",
    "序号",
)
Columns = Mapping[str, "Column"]


def giveaways(
    columns: Columns, labels: np.ndarray, which: str, said: Sequence[str] = (), sample: int = SAMPLE
) -> list[Concern]:
    """Return the columns from which alone the label (n,) can be told, where the others tell far less.

    Half of the rows answer for the other half, and the other way round: by the label of the row whose number is
    nearest, or which most rows of the same category have. A category that is only in one half tells nothing, so neither
    do names with one row each; label codes, thresholds and intervals tell all. With p of the answers right and the
    largest class at b, a column explains (p − b) / (1 − b) of the labels. It gives them away if that is `TELLS`, and
    still `SURELY` at the lower Clopper-Pearson bound of p, at a level of `DOUBT` shared by all columns; and if no
    column but a few such ones explains more than `NEXT`: else the task is just an easy one.

    So that few rows of a class count as much as many, at most three times as many are drawn of any class as of the
    rarest with ten or more.
    """
    rows, answers = _drawn(labels, max(500, sample * MOST_COLUMNS // max(MOST_COLUMNS, len(columns))))
    if len(rows) < FEWEST or len(columns) < 2:
        return []
    base = np.bincount(answers).max() / len(answers)
    rights = {name: _right(*_values(column, rows), answers) for name, column in columns.items()}
    explained = {name: (right.mean() - base) / (1 - base) for name, right in rights.items()}
    telling = [name for name in columns if explained[name] >= TELLS and _surely(rights[name], base, len(columns))]
    rest = [explained[name] for name in columns if name not in telling]
    if len(telling) > max(2, len(columns) // 10) or not rest or max(rest) > NEXT:
        return []
    return [
        Concern("giveaway", {"column": named([name]), "which": which, "share": percent(float(rights[name].mean()))})
        for name in telling
        if named([name]) not in said
    ]


def _drawn(labels: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rows in an order whose halves have about as many of each label, and their labels as numbers."""
    kinds, answers = np.unique(labels, return_inverse=True)
    counts = np.bincount(answers, minlength=len(kinds))
    usable = [kind for kind in range(len(kinds)) if kinds[kind] != "" and counts[kind] >= 2]
    if len(usable) < 2:
        return np.empty(0, int), np.empty(0, int)
    rarest = min((int(counts[kind]) for kind in usable if counts[kind] >= 10), default=10)
    each = max(10, min(3 * rarest, most // len(usable)))
    shuffled = np.random.default_rng(0).permutation(len(labels))
    of_kind = answers[shuffled]
    rows = np.concatenate([shuffled[np.flatnonzero(of_kind == kind)[:each]] for kind in usable])
    place = {kind: number for number, kind in enumerate(usable)}
    return rows, np.array([place[kind] for kind in answers[rows].tolist()])


def _values(column: Column, rows: np.ndarray) -> tuple[np.ndarray, bool]:
    """Return the cells of some rows as numbers, and whether these are of categories; missing is a value of its own."""
    if column.kind in ("number", "boolean", "date"):
        values = column.numbers()[rows]
        known = values[np.isfinite(values)]
        far = float(known.min() - 2 * np.ptp(known) - 1) if len(known) else 0.0
        return np.where(np.isfinite(values), values, far), False
    return np.unique(column.names()[rows].astype(str), return_inverse=True)[1].astype(float), True


def _right(values: np.ndarray, categories: bool, answers: np.ndarray) -> np.ndarray:
    """Return for each row (n,) whether the other half answers it right."""
    right = np.empty(len(values), bool)
    halves = np.arange(len(values)) % 2 == 0
    many = int(answers.max()) + 1
    for half in (halves, ~halves):
        known, place = np.unique(values[half], return_inverse=True)
        pairs, counts = np.unique(place * many + answers[half], return_counts=True)
        order = np.lexsort((counts, pairs // many))
        last = np.r_[np.diff(pairs[order] // many) > 0, True]
        usual = pairs[order][last] % many
        asked = values[~half]
        above = np.searchsorted(known, asked).clip(0, len(known) - 1)
        below = (above - 1).clip(0)
        nearest = np.where(asked - known[below] < known[above] - asked, below, above)
        found = usual[nearest] == answers[~half]
        right[~half] = found & (known[nearest] == asked) if categories else found
    return right


def _surely(right: np.ndarray, base: float, columns: int) -> bool:
    from scipy.special import betaincinv

    hits, n = int(right.sum()), len(right)
    low = float(betaincinv(hits, n - hits + 1, DOUBT / columns)) if hits else 0.0
    return (low - base) / (1 - base) >= SURELY


def ids(columns: Columns, which: str, said: Sequence[str] = ()) -> list[Concern]:
    """Return the columns of whole numbers or names, nearly all different, that are called an id or count the rows."""
    found = []
    for name, column in columns.items():
        known = int((~column.missing).sum())
        if known < FEWEST or named([name]) in said:
            continue
        if column.kind == "number":
            numbers = column.numbers()[~column.missing]
            if not np.array_equal(numbers, np.rint(numbers)):
                continue
            different = len(np.unique(numbers))
            running = bool((np.abs(np.diff(numbers)) == 1).all())
        elif column.kind in ("category", "text"):
            different, running = len(column.counts[0]), False
        else:
            continue
        if different >= ALL_DIFFERENT * known and (running or _is_called_an_id(name)):
            found.append(Concern("id_column", {"column": named([name]), "which": which}))
    return found


def _is_called_an_id(name: str) -> bool:
    """Whether a column is called like one of identifiers.

    >>> [_is_called_an_id(name) for name in ("id", "sample_id", "PatientID", "humid", "room number", "size")]
    [True, True, True, False, True, False]
    """
    words = [word.lower() for word in re.split(r"[\W_]+|(?<=[a-z])(?=[A-Z])", name) if word]
    return bool(words) and (words[-1] in ID_NAMES or words[0] == "id" or plain_name(name) in GROUP_NAMES)


def constant(source: Columns, target: Columns) -> list[Concern]:
    """Return the columns that have one value, or none at all, in both domains or in one of them."""
    flat = {which: [name for name, column in columns.items() if column.kind == "empty" or column.is_constant]
            for which, columns in (("source", source), ("target", target))}  # fmt: skip
    both = [name for name in flat["source"] if name in flat["target"]]
    found = [Concern("constant", {"names": named(both)})] if both else []
    for which, names in flat.items():
        if alone := [name for name in names if name not in both]:
            found.append(Concern("constant_in_one", {"which": which, "names": named(alone)}))
    return found


def ranges(source: Columns, target: Columns) -> list[Concern]:
    """Return the columns of numbers of which nine rows in ten lie apart in the two domains: other units perhaps.

    Ranges are from the 5 % to the 95 % quantile, which a few odd cells do not move. Columns with two values or fewer
    are left out, as what is rare in one domain and usual in the other is no matter of units.
    """
    apart = []
    for name, column in source.items():
        if name not in target or column.kind != "number" or target[name].kind != "number":
            continue
        there, here = _some(column), _some(target[name])
        if min(len(there), len(here)) < FEWEST:
            continue
        low, high = np.quantile(there, RANGE)
        first, last = np.quantile(here, RANGE)
        if (high < first or last < low) and len({*there[:200].tolist(), *here[:200].tolist()}) > 2:
            apart.append((name, low, high, first, last))
    found = [
        Concern(
            "ranges_apart",
            {
                "column": named([name]),
                "source_low": f"{low:.4g}",
                "source_high": f"{high:.4g}",
                "target_low": f"{first:.4g}",
                "target_high": f"{last:.4g}",
            },
        )
        for name, low, high, first, last in apart[:MOST_NAMED]
    ]
    if further := [name for name, *_ in apart[MOST_NAMED:]]:
        found.append(Concern("more_ranges_apart", {"n": len(further), "names": named(further)}))
    return found


def _some(column: Column) -> np.ndarray:
    """Return the known numbers of a column, or of so many rows drawn at random."""
    numbers = column.numbers()
    if len(numbers) > SAMPLE:
        numbers = numbers[np.random.default_rng(0).integers(0, len(numbers), SAMPLE)]
    return numbers[np.isfinite(numbers)]


def odd(columns: Columns, which: str) -> list[Concern]:
    """Return how many cells in columns of numbers or dates are none."""
    counts = {name: column.odd() for name, column in columns.items()}
    counts = {name: (n, such) for name, (n, such) in counts.items() if n}
    if not counts:
        return []
    worst = max(counts, key=lambda name: counts[name][0])
    n = sum(count for count, _ in counts.values())
    return [
        Concern(
            "odd_cells", {"n": n, "which": which, "column": named([worst]), "such": named([counts[worst][1]])}
        )
    ]  # fmt: skip


def mixed(source: Columns, target: Columns) -> list[Concern]:
    """Return the columns that are numbers in one domain and categories in the other."""
    names = []
    for name, column in source.items():
        if name in target and not (column.said or target[name].said):
            kinds = {column.kind, target[name].kind}
            if "number" in kinds and kinds & {"category", "text"}:
                names.append(name)
    return [Concern("mixed_columns", {"names": named(names)})] if names else []


def missing(columns: Columns, which: str) -> list[Concern]:
    """Return the columns of which most cells are missing, but not all: those are constant."""
    names = [name for name, column in columns.items() if MOSTLY_MISSING < column.share_missing < 1]
    return [Concern("missing_cells", {"names": named(names), "which": which})] if names else []


def of_tables(
    source: Columns, target: Columns, source_labels: np.ndarray | None, target_labels: np.ndarray | None
) -> list[Concern]:
    """Return all concerns about the columns of two tables, each with the domain in which it was met first."""
    found: list[Concern] = []
    domains = (("source", source, source_labels), ("target", target, target_labels))
    for which, columns, labels in domains:
        if labels is not None:
            found += giveaways(columns, labels, which, _named_in(found, "giveaway"))
        found += ids(columns, which, _named_in(found, "id_column"))
    found += [*constant(source, target), *ranges(source, target), *mixed(source, target)]
    for which, columns, _ in domains:
        found += [*odd(columns, which), *missing(columns, which)]
    return found


def _named_in(found: list[Concern], kind: str) -> list[str]:
    return [str(concern.values["column"]) for concern in found if concern.kind == kind]
