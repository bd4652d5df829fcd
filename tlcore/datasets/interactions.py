"""Interactions from a file: who chose what, in the formats that recommendation data come in."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from tlcore.datasets.own import OwnFile
from tlcore.errors import SpecificationError

if TYPE_CHECKING:
    import pandas as pd

USUAL_NAMES = {
    "user": ("user", "userid", "uid", "reviewer", "reviewerid", "customer", "customerid", "member", "memberid"),
    "item": (
        "item", "itemid", "iid", "movie", "movieid", "film", "filmid", "book", "bookid", "isbn", "asin", "parentasin",
        "product", "productid", "song", "songid", "track", "trackid", "article", "articleid", "business", "businessid",
    ),
    "rating": ("rating", "ratings", "score", "stars", "overall", "bookrating", "value", "preference"),
    "time": ("time", "timestamp", "date", "datetime", "ts", "unixreviewtime"),
}  # fmt: skip
"""What columns are usually called, in small letters without signs."""
SEPARATORS = ("::", "\t", ";", ",", "|", " ")
NONE = "none"


@dataclass(frozen=True)
class Interactions:
    """Who chose what, and when.

    Attributes
    ----------
    user, item : ndarray of int64, shape (n,)
        Rows of ``users`` and ``items``.
    users, items : ndarray of str
        What identifies them, each once.
    rating : ndarray of float32, shape (n,), or None
    time : ndarray of float64, shape (n,), or None
        Seconds; None where the order of the rows is all that is known.
    names : ndarray of str, shape (len(items),)
        What a person calls the items.
    dropped : dict of str to int
        How many rows were left out, and why: ``incomplete``, ``duplicates``.
    """

    user: np.ndarray
    item: np.ndarray
    users: np.ndarray
    items: np.ndarray
    rating: np.ndarray | None
    time: np.ndarray | None
    names: np.ndarray
    dropped: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.user)


class InteractionFile(OwnFile):
    """A table of interactions: a column of users, one of items, and where there are, ratings and times.

    CSV, TSV, MovieLens' ``::``, Book-Crossing's ``;``, RecBole's ``.inter``, Parquet; plain, ``.gz``, or the one table
    of ratings inside a ``.zip``.
    """

    user: str = Field("", description="Column of users; empty: found by its usual names. A number without a header.")
    item: str = Field("", description="Column of items; empty: found by its usual names.")
    rating: str = Field("", description="Column of ratings; empty: found by its usual names; none: there is no rating.")
    time: str = Field("", description="Column of times; empty: found by its usual names; none: the rows are in order.")

    def read(self) -> Interactions:
        """Return the interactions, each pair of user and item once: the latest.

        Raises
        ------
        SpecificationError
            If there is no such file or column, no row, or a rating or time that is none.
        """
        return _read(self)


@lru_cache(maxsize=4)
def _read(file: InteractionFile) -> Interactions:
    import pandas as pd

    table = _table(file)
    columns = _columns(file, [str(name) for name in table.columns])
    chosen = table[list(columns.values())].set_axis(list(columns), axis=1)
    named = (chosen[["user", "item"]].notna() & (chosen[["user", "item"]] != "")).all(axis=1)
    chosen, rows = chosen[named], len(chosen)
    rating = time = None
    if "rating" in chosen:
        rating = _numbers(file, "rating", chosen["rating"])
        known = ~np.isnan(rating)
        chosen, rating = chosen[known], rating[known].astype(np.float32)
    if "time" in chosen:
        time = _times(file, chosen["time"])
    if not len(chosen):
        raise SpecificationError(f"path: {file.name!r} has no row with a user and an item in its {rows} rows.")
    user, users = pd.factorize(chosen["user"].astype(str), sort=True)
    item, items = pd.factorize(chosen["item"].astype(str), sort=True)
    order = np.arange(len(user)) if time is None else np.argsort(time, kind="stable")
    pairs = (user.astype(np.int64) * len(items) + item)[order]
    latest = np.sort(order[len(pairs) - 1 - np.unique(pairs[::-1], return_index=True)[1]])
    names = np.asarray(items, dtype=str)
    return Interactions(
        user[latest].astype(np.int64),
        item[latest].astype(np.int64),
        np.asarray(users, dtype=str),
        names,
        None if rating is None else rating[latest],
        None if time is None else time[latest],
        names,
        {"incomplete": rows - len(chosen), "duplicates": len(user) - len(latest)},
    )


def _table(file: InteractionFile) -> pd.DataFrame:
    """Return the file as a table of strings, its columns named by their header or by their numbers."""
    import pandas as pd

    content = file.content(prefer=(r"rating[^/]*$", r"\.(inter|dat|csv|tsv|parquet)$"))
    if content[:4] == b"PAR1":
        from io import BytesIO

        try:
            return pd.read_parquet(BytesIO(content))
        except (ValueError, OSError) as error:
            raise SpecificationError(f"path: {file.name!r} cannot be read as Parquet: {_line(error)}.") from None
    start = content[:65536]
    if b"\0" in start:
        raise SpecificationError(f"path: {file.name!r} is not a table; allowed: CSV, TSV, .dat, .inter, Parquet.")
    try:
        start.decode("utf-8")
        encoding = "utf-8-sig"
    except UnicodeDecodeError as error:  # a letter cut in two at the end of what was looked at is none
        encoding = "utf-8-sig" if error.start > len(start) - 4 else "latin-1"
    lines = [line for line in start.decode(encoding, "replace").splitlines() if line.strip()]
    if not lines:
        raise SpecificationError(f"path: {file.name!r} is empty; it needs a row for each interaction.")
    separator = next((sign for sign in SEPARATORS if sign in lines[0]), ",")
    first, *others = [[cell.strip().strip('"') for cell in line.split(separator)] for line in lines[:50]]
    return _parsed(file, content, encoding, separator, _has_header(file, first, others))


def _parsed(file: InteractionFile, content: bytes, encoding: str, separator: str, header: bool) -> pd.DataFrame:
    from io import BytesIO

    import pandas as pd

    try:
        table = pd.read_csv(
            BytesIO(content),
            sep=separator[0],  # "::" is read as ":" with an empty column in between: the fast parser takes one sign
            header=0 if header else None,
            dtype=str,
            encoding=encoding,
            encoding_errors="replace",
            keep_default_na=False,
            skipinitialspace=separator != " ",
        )
    except (ValueError, pd.errors.ParserError) as error:
        raise SpecificationError(f"path: {file.name!r} cannot be read as a table: {_line(error)}.") from None
    if separator == "::":
        table = table.iloc[:, ::2].set_axis(range((table.shape[1] + 1) // 2), axis=1)
    return table.rename(columns=str)


def _has_header(file: InteractionFile, first: list[str], others: list[list[str]]) -> bool:
    """Whether the first line names the columns: by a usual or a given name, or as words above numbers."""
    usual = {name for names in USUAL_NAMES.values() for name in names}
    given = {file.user, file.item, file.rating, file.time} - {"", NONE}
    if given & set(first) or any(_plain(cell) in usual for cell in first):
        return True
    if given and all(name.isdigit() for name in given):
        return False
    return any(not _is_number(cell) and all(_is_number(row[i]) for row in others if i < len(row))
               for i, cell in enumerate(first) if others)  # fmt: skip


def _columns(file: InteractionFile, names: list[str]) -> dict[str, str]:
    """Return which column is the user, the item, the rating and the time."""
    found: dict[str, str] = {}
    nameless = names == [str(i) for i in range(len(names))]
    for i, (what, usual) in enumerate(USUAL_NAMES.items()):
        given = getattr(file, what)
        if given == NONE and what in ("rating", "time"):
            continue
        if given:
            if given not in names:
                raise SpecificationError(
                    f"{what}: {file.name!r} has no column {given!r}. Allowed: {', '.join(names[:20])}."
                )
            found[what] = given
        elif nameless:
            if i < len(names):
                found[what] = names[i]
        else:
            same = [name for name in names if _plain(name) in usual]
            if len(same) > 1:
                raise SpecificationError(f"{what}: {file.name!r} has columns {', '.join(same)}; say which one it is.")
            if same:
                found[what] = same[0]
    for what in ("user", "item"):
        if what not in found:
            raise SpecificationError(
                f"{what}: no column of {file.name!r} is called {what}; say which of these it is: "
                f"{', '.join(names[:20])}."
            )
    return found


def _numbers(file: InteractionFile, what: str, column: pd.Series) -> np.ndarray:
    """Return a column as numbers ≥ 0, nan where it is empty."""
    import pandas as pd

    numbers = pd.to_numeric(column.replace("", None), errors="coerce").to_numpy(float, na_value=np.nan)
    empty = (column.isna() | (column == "")).to_numpy()
    for wrong, why in (
        (np.isnan(numbers) & ~empty, "is not a number"),
        (np.isinf(numbers), "is not finite"),
        (numbers < 0, "is negative"),
    ):
        if wrong.any():
            row = int(wrong.argmax())
            raise SpecificationError(
                f"{what}: {column.iloc[row]!r} in data row {int(column.index[row]) + 1} of {file.name!r} {why}. "
                f"Allowed: numbers of 0 and more, an empty cell, or {what}=none if each row is a choice."
            )
    return numbers


def _times(file: InteractionFile, column: pd.Series) -> np.ndarray:
    """Return a column as seconds: numbers as they are, dates since 1970."""
    import pandas as pd

    if not pd.api.types.is_datetime64_any_dtype(column):
        numbers = pd.to_numeric(column, errors="coerce")
        if numbers.notna().all():
            return numbers.to_numpy(float)
    dates = pd.to_datetime(column, errors="coerce", utc=True, format="ISO8601")
    if dates.isna().any():
        row = int(dates.isna().to_numpy().argmax())
        raise SpecificationError(
            f"time: {column.iloc[row]!r} in data row {int(column.index[row]) + 1} of {file.name!r} is neither a number "
            "nor a date like 2024-05-31. Allowed: one of the two in every row, or time=none for rows in order."
        )
    return dates.astype("int64").to_numpy(float) / {"s": 1, "ms": 1e3, "us": 1e6, "ns": 1e9}[dates.dt.unit]


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower().partition(":")[0])


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")
