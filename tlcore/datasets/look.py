"""How a file was understood, for a person to see before it is believed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tlcore.datasets.columns import Column
    from tlcore.datasets.reading import Table

LEFT_OUT = "left out"
OTHERS = ("feature", "not used")
"""What columns are that have no role of their own."""
MOST_NAMED = 10
MOST_LABELS_SHOWN = 100
SIGNS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar", "::": "colons", " ": "blanks"}


@dataclass(frozen=True)
class ColumnLook:
    """A column as it was understood.

    Attributes
    ----------
    name : str
    role : str
        What it is for: label, feature, text, user, ..., or ``left out``.
    kind : str
        Number, boolean, category, text, date, list, empty.
    missing : float
        The share of its cells that are missing.
    examples : tuple of str
        Three values as they are written.
    why : str
        Why it is left out, or what is odd about it.
    """

    name: str
    role: str
    kind: str
    missing: float
    examples: tuple[str, ...]
    why: str = ""


@dataclass(frozen=True)
class ClassLook:
    """A class of pixels as it was understood.

    Attributes
    ----------
    name : str
    written : str
        The numbers or colours that it has in the masks.
    share : float
        Of all pixels.
    pictures : int
        In how many of them it is.
    """

    name: str
    written: str
    share: float
    pictures: int


@dataclass(frozen=True)
class Look:
    """A file as it was understood.

    Attributes
    ----------
    file : str
    facts : dict of str to str
        Format, encoding, separator, rows and the like, those that there are.
    columns : tuple of ColumnLook
    labels : dict of str to int
        How many examples have each label.
    left_out : dict of str to int
        How many rows, files or columns were left out or changed, and why.
    proposed : dict of str to str
        Fields that a person may want to set, such as a group, with what is proposed.
    classes : tuple of ClassLook
        Of masks, what their pixels stand for.
    """

    file: str
    facts: dict[str, str]
    columns: tuple[ColumnLook, ...] = ()
    labels: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    proposed: dict[str, str] = field(default_factory=dict)
    classes: tuple[ClassLook, ...] = ()

    @property
    def roles(self) -> dict[str, str]:
        """The names of the columns by their roles, of those that have one alone."""
        shared = {LEFT_OUT, *OTHERS}
        return {column.role: column.name for column in self.columns if column.role not in shared}

    def in_brief(self) -> str:
        """Return the same in a line: the file, its rows, how it is written, roles, kinds, what is left out and why."""
        facts = [self.facts[name] for name in ("format", "encoding", "separator", "sheet") if name in self.facts]
        counts = [f"{self.facts[name]} {name}" for name in ("rows", "pictures") if name in self.facts]
        parts = [", ".join([*counts, *facts])]
        if roles := self.roles:
            parts.append(", ".join(f"{role} {name}" for role, name in roles.items()))
        for role in OTHERS:
            kinds = Counter(column.kind for column in self.columns if column.role == role)
            if kinds:
                parts.append(f"{role}: " + ", ".join(f"{count} {kind}" for kind, count in kinds.most_common()))
        if self.labels and not self.classes:
            many = len(self.labels)
            parts.append(f"{many} label{'s' if many > 1 else ''}")
        if self.classes:
            parts.append(", ".join(f"{one.name} ({one.written}) {one.share:.1%}" for one in self.classes[:MOST_NAMED]))
        if gone := [f"{column.name!r} ({column.why})" for column in self.columns if column.role == LEFT_OUT]:
            more = f" and {len(gone) - MOST_NAMED} more" if len(gone) > MOST_NAMED else ""
            parts.append(f"left out: {', '.join(gone[:MOST_NAMED])}{more}")
        return f"{self.file}: {'; '.join(parts)}"

    def in_the_order_of(self, whole: Look) -> Look:
        """Return the same with columns in the order of the whole file, and what is in those that are left out."""
        order = {column.name: place for place, column in enumerate(whole.columns)}
        there = {column.name: column for column in whole.columns}
        columns = [
            replace(there[column.name], role=column.role, why=column.why)
            if column.role == LEFT_OUT and column.name in there
            else column
            for column in self.columns
        ]
        return replace(self, columns=tuple(sorted(columns, key=lambda column: order.get(column.name, len(order)))))

    def as_json(self) -> dict[str, Any]:
        """Return the same as JSON can say it."""
        return asdict(self)


def look_at(
    name: str,
    table: Table,
    roles: Mapping[str, Column],
    labels: np.ndarray | None,
    dropped: Mapping[str, int],
    others: str = "feature",
    reasons: Mapping[str, str] | None = None,
    proposed: Mapping[str, str] | None = None,
) -> Look:
    """Return a table as it was understood.

    Parameters
    ----------
    name : str
    table : Table
    roles : mapping of str to Column
    labels : ndarray of str, shape (n,), or None
    dropped : mapping of str to int
    others : str
        The role of columns without one of their own.
    reasons : mapping of str to str
        Columns that are left out besides, and why.
    proposed : mapping of str to str
    """
    role_of = {column.name: role for role, column in roles.items()}
    reasons = reasons or {}
    seen = []
    for column in table.columns:
        role = role_of.get(column.name, LEFT_OUT if column.name in reasons else others)
        odd, such = column.odd()
        why = reasons.get(column.name, "")
        if words := column.words_for_missing() if role == "label" else []:
            why = f"{words[0]!r} counts as missing; not_missing={words[0]} takes it as a label"
        if odd and role in (others, "time", "rating"):
            why = f"{odd} cells are no {column.kind}, such as {such!r}; counted as missing"
        seen.append(ColumnLook(column.name, role, column.kind, column.share_missing, column.examples(), why))
    seen += [ColumnLook(column, LEFT_OUT, "", 0.0, (), why) for column, why in table.left_out]
    understood = table.understood
    written = "separated" if understood.separator or understood.sheet else ""
    facts = {
        "format": understood.form,
        "encoding": understood.encoding,
        "separator": SIGNS.get(understood.separator, understood.separator),
        "decimal": {",": "comma", ".": "point"}.get(understood.decimal, ""),
        "header": written and ("first row" if understood.header else "none"),
        "skipped lines": str(understood.skipped or ""),
        "sheet": understood.sheet,
        "quotation marks": "" if understood.quoted else "signs like others",
        "rows": f"{table.rows:,}",
    }
    return Look(
        name,
        {fact: said for fact, said in facts.items() if said},
        tuple(seen),
        counted(labels),
        {why: count for why, count in dropped.items() if count},
        dict(proposed or {}),
    )


def counted(labels: np.ndarray | Sequence[str] | None) -> dict[str, int]:
    """Return how many examples have each label, the most frequent first."""
    if labels is None:
        return {}
    counts = Counter(str(label) for label in np.asarray(labels).tolist() if label != "")
    return dict(counts.most_common(MOST_LABELS_SHOWN))
