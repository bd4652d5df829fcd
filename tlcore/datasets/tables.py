"""Tables in files of one's own: which column is what, what is found and what a person says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, field_validator

from tlcore.datasets.columns import GROUP_NAMES, KINDS, Column, Kind
from tlcore.datasets.dialect import SEPARATORS, plain_name
from tlcore.datasets.numerals import Decimal
from tlcore.datasets.own import OwnFile, mapping
from tlcore.datasets.reading import Table, table_of
from tlcore.errors import SpecificationError

if TYPE_CHECKING:
    import numpy as np
    from pydantic.fields import FieldInfo

    from tlcore.datasets.look import Look

EACH_NEEDS_A_TIME = "; every row that counts needs one."
NONE = "none"
"""What stands for a column that there is not, though one has a usual name."""


def _names(value: object) -> object:
    """Read ``"a, b"`` as two names."""
    if isinstance(value, str):
        return tuple(name.strip() for name in value.split(",") if name.strip())
    return value


Names = Annotated[tuple[str, ...], BeforeValidator(_names)]


class TableFile(OwnFile):
    """A table: CSV, TSV and the like, JSON lines, Parquet, or a sheet of Excel or OpenDocument; packed or not.

    What is in a file decides how it is read, not what it is called. A person can say each part of it instead.
    """

    usual: ClassVar[dict[str, tuple[str, ...]]] = {}
    """What columns of each role are usually called, in small letters without signs."""
    guessed: ClassVar[tuple[str, ...]] = ()
    """Roles that a column with a usual name has, though nobody said so."""
    needed: ClassVar[tuple[str, ...]] = ()
    """Roles that some column must have."""
    others: ClassVar[str] = "not used"
    """What a column without a role is."""
    formats: ClassVar[str] = "CSV, TSV, JSON lines, Parquet, .xlsx, .xls, .ods; plain, .gz or .zip"
    members: ClassVar[tuple[str, ...]] = (r"\.(csv|tsv|txt|jsonl|ndjson|json|parquet|xlsx|xls|ods)$",)

    encoding: str = Field("", description="Such as gb18030; empty: found by the content.")
    separator: str = Field("", description=f"{', '.join(SEPARATORS)}, or the sign itself; empty: found.")
    header: Literal["", "yes", "no"] = Field("", description="Whether the first row names the columns; empty: found.")
    decimal: Decimal = Field("", description="The decimal mark, a point or a comma; empty: found column by column.")
    sheet: str = Field("", description="Which sheet of a workbook; empty: the first with rows.")
    not_missing: Names = Field(
        (), description="Words that usually mean missing, such as None or NA, and are values in this file."
    )
    kinds: dict[str, Kind] = Field(
        default_factory=dict, description=f"What is in a column, such as zip=category; one of {', '.join(KINDS)}."
    )
    leave_out: Names = Field((), description="Columns that are left out.")

    @field_validator("separator")
    @classmethod
    def _by_name(cls, value: str) -> str:
        return SEPARATORS.get(value, value.replace("\\t", "\t"))

    @field_validator("kinds", mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        return mapping("kinds", value, "column=kind")

    def table(self) -> Table:
        """Return the table, with the kinds that a person gave and without the columns that are left out.

        Raises
        ------
        SpecificationError
            If it is not a table, or a column that is named here is not in it.
        """
        pinned = self.pinned()
        usual = {name for names in self.usual.values() for name in names}
        given = tuple(plain_name(name) for role in self.usual if not (name := str(getattr(self, role))).isdigit())
        found = _table(type(self), pinned.path, pinned.sha256, self.encoding, self.separator, self.header, self.sheet,
                       frozenset({*usual, *given} - {""}))  # fmt: skip
        return self._as_told(found)

    def _as_told(self, table: Table) -> Table:
        for field_name, names in (("kinds", [*self.kinds]), ("leave_out", self.leave_out)):
            for name in names:
                if name not in table.names and name not in dict(table.left_out):
                    raise self.no_column(field_name, name, table.names)
        missing = frozenset(word.strip().lower() for word in self.not_missing)
        decimal = self.decimal or table.understood.decimal
        columns = tuple(
            column.told(decimal, missing, self.kinds.get(column.name, ""))
            for column in table.columns
            if column.name not in self.leave_out
        )
        told = [(name, "left out by you") for name in self.leave_out]
        understood = replace(table.understood, decimal=decimal)
        return replace(table, columns=columns, understood=understood, left_out=(*table.left_out, *told))

    def roles(self, table: Table) -> dict[str, Column]:
        """Return the columns by their roles."""
        raise NotImplementedError

    def holders(self) -> dict[str, Column]:
        """Return the columns by their roles, as many as can be told, though one is missing or not there."""
        table = self.table()
        try:
            return self.roles(table)
        except SpecificationError:
            pass
        found = {}
        for role in self.usual:
            if getattr(self, role) or (role in self.guessed and not table.nameless):
                try:
                    found[role] = self.found(table, role)
                except SpecificationError:
                    continue
        return {role: column for role, column in found.items() if column is not None}

    def glance(self) -> Look:
        """Return the columns as they are understood, whatever role is missing."""
        from tlcore.datasets.look import look_at

        table = self.table()
        return look_at(self.name, table, self.holders(), None, table.dropped, others=self.others)

    def told(self, roles: Mapping[str, str], kinds: Mapping[str, str]) -> dict[str, Any]:
        """Return the fields about columns, once a person chose roles and kinds of some of them besides.

        A role that is given to a column is taken from the one that had it, and what would be found anyway is not
        written down.

        Parameters
        ----------
        roles, kinds : mapping of str to str
            From the names of columns to what was chosen for them: a role, `others` or left out; one of `KINDS`.
        """
        from tlcore.datasets.look import LEFT_OUT

        holders = {role: column.name for role, column in self.holders().items()}
        left_out = dict.fromkeys(self.leave_out)
        known = {*self.model_copy(update={"leave_out": (), "kinds": {}}).table().names}
        for name, role in roles.items():
            if name not in known:
                continue  # it has no name, or holds the number of the row
            left_out.pop(name, None)
            holders = {other: holder for other, holder in holders.items() if holder != name}
            if role == LEFT_OUT:
                left_out[name] = None
            elif role in self.usual:
                holders[role] = name
        untold = dict.fromkeys(self.usual, "")
        plain = self.model_copy(update={**untold, "kinds": {}, "leave_out": tuple(left_out)})
        found = {role: column.name for role, column in plain.holders().items()}
        fields: dict[str, Any] = {}
        for role in self.usual:
            holder, guess = holders.get(role, ""), found.get(role, "")
            if holder != guess and (holder or role not in self.needed):
                fields[role] = holder or NONE
        kind_of = {column.name: column.found for column in plain.table().columns}
        chosen = {name: kind for name, kind in {**self.kinds, **kinds}.items() if kind != kind_of.get(name)}
        return fields | ({"kinds": chosen} if chosen else {}) | ({"leave_out": [*left_out]} if left_out else {})

    @classmethod
    def written(cls) -> dict[str, FieldInfo]:
        """Return the fields that a person writes: how the file is read, and not what is chosen for a column."""
        chosen = {*cls.usual, "kinds", "leave_out"}
        return {name: field for name, field in super().written().items() if name not in chosen}

    def no_column(self, role: str, name: str, names: Sequence[str]) -> SpecificationError:
        """Return the error for a column that is not there."""
        return SpecificationError(f"{role}: {self.name!r} has no column {name!r}. Allowed: {', '.join(names[:20])}.")

    def found(self, table: Table, role: str, needed: bool = False) -> Column | None:
        """Return the column of a role: the one that a person named, or the only one with a usual name.

        Raises
        ------
        SpecificationError
            If the one that was named is not there, stands there twice, or it is needed and cannot be told.
        """
        given = str(getattr(self, role)).strip()
        if given == NONE and NONE not in table.names and not needed:
            return None
        if given and given not in table.names:
            raise self.no_column(role, given, table.names)
        same = [given] if given else list(
            dict.fromkeys(name for name in table.names if plain_name(name) in self.usual[role])
        )  # fmt: skip
        if len(same) > 1:
            raise SpecificationError(f"{role}: {self.name!r} has columns {', '.join(same)}; say which one it is.")
        if not same:
            if not needed:
                return None
            raise SpecificationError(
                f"{role}: no column of {self.name!r} is called {role}; say which of these it is: "
                f"{', '.join(table.names[:20])}."
            )
        columns = [column for column in table.columns if column.name == same[0]]
        if len(columns) > 1:
            raise SpecificationError(f"{role}: {self.name!r} has two columns {same[0]!r}; call one otherwise.")
        if columns[0].found == "list":
            raise SpecificationError(
                f"{role}: column {same[0]!r} of {self.name!r} holds lists, such as {columns[0].examples()[0]!r}; it "
                "needs one value a row."
            )
        return columns[0]


@lru_cache(maxsize=4)
def _table(
    kind: type[TableFile],
    path: str,
    sha256: str,
    encoding: str,
    separator: str,
    header: str,
    sheet: str,
    usual: frozenset[str],
) -> Table:
    """Return a table as it is written; kept by how it is read, so that another role or kind does not read it again."""
    file = kind(path=path, sha256=sha256)
    name = file.name
    content = file.content(prefer=kind.members)
    try:
        return table_of(content, encoding, separator, {"yes": True, "no": False}.get(header), sheet, usual)
    except (ValueError, OSError, ArithmeticError, TypeError, RecursionError) as error:
        if isinstance(error, SpecificationError):
            raise
        reason = " ".join(str(error).split()).rstrip(".")[:300]
        raise SpecificationError(
            f"path: {name!r} cannot be read as a table: {reason}. Allowed: {kind.formats}."
        ) from None


def proposed_group(table: Table, roles: dict[str, Column]) -> dict[str, str]:
    """Return the column that looks like one of groups: by its name, with several members of several rows each."""
    taken = {column.name for column in roles.values()}
    for column in table.columns:
        if column.name in taken or plain_name(column.name) not in GROUP_NAMES or column.found in ("list", "empty"):
            continue
        known = int((~column.missing).sum())
        if 2 <= len(column.counts[0]) <= known / 2:
            return {"group": column.name}
    return {}


def known_groups(file: TableFile, column: Column) -> np.ndarray:
    """Return the groups of all rows (n,) by name; a row without one is a group of its own."""
    import numpy as np

    names = column.names()
    alone = names == ""
    names[alone] = [f"\0{file.sha256[:8]} {row}" for row in np.flatnonzero(alone)]
    return names.astype(str)


def known_times(file: TableFile, column: Column, rows: np.ndarray, allowed: str) -> np.ndarray:
    """Return the times of some rows, by their numbers (n,), in seconds since 1970, or as the numbers that they are.

    ``allowed`` ends the sentence about one that is none.

    Raises
    ------
    SpecificationError
        If one is missing, or no time.
    """
    import numpy as np

    times = column.times()[rows]
    if np.isnan(times).any():
        place = int(rows[np.isnan(times).argmax()])
        raise SpecificationError(
            f"time: {column.texts_at([place])[0]!r} in data row {place + 1} of {file.name!r} is neither a number nor a "
            f"date like 2024-05-31{allowed}"
        )
    return times
