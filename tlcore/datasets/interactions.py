"""Interactions from a file: who chose what, in the formats that recommendation data come in."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar

import numpy as np
from pydantic import Field

from tlcore.datasets.columns import TIME_NAMES, Column
from tlcore.datasets.look import Look, look_at
from tlcore.datasets.reading import Table
from tlcore.datasets.tables import NONE, TableFile, known_times
from tlcore.errors import SpecificationError

USUAL_NAMES = {
    "user": ("user", "userid", "uid", "reviewer", "reviewerid", "customer", "customerid", "member", "memberid",
        "用户"),
    "item": (
        "item", "itemid", "iid", "movie", "movieid", "film", "filmid", "book", "bookid", "isbn", "asin", "parentasin",
        "product", "productid", "song", "songid", "track", "trackid", "article", "articleid", "business", "businessid",
        "物品", "商品",
    ),
    "rating": (
        "rating", "ratings", "score", "stars", "overall", "bookrating", "value", "preference", "liked", "clicked",
        "click", "评分",
    ),
    "time": TIME_NAMES,
}  # fmt: skip
"""What columns are usually called, in small letters without signs."""


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


class InteractionFile(TableFile):
    """A table of interactions: a column of users, one of items, and where there are, ratings and times.

    CSV, TSV, MovieLens' ``::``, Book-Crossing's ``;``, RecBole's ``.inter``, JSON lines, Parquet, a sheet; packed or
    not.
    """

    usual: ClassVar = USUAL_NAMES
    guessed: ClassVar = tuple(USUAL_NAMES)
    needed: ClassVar = ("user", "item")
    members: ClassVar = (r"rating[^/]*$", r"\.(inter|dat|csv|tsv|jsonl|parquet|xlsx|xls|ods)$")

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
        return _read(self.pinned().model_dump_json())

    def roles(self, table: Table) -> dict[str, Column]:
        """Return the columns by their roles; without a header they stand in the order user, item, rating, time."""
        found: dict[str, Column] = {}
        for place, role in enumerate(self.usual):
            given = getattr(self, role)
            if table.nameless and not given:
                column = table.columns[place] if place < len(table.columns) else None
            else:
                column = self.found(table, role, needed=role in ("user", "item") and given != NONE)
            if column is not None:
                found[role] = column
        for role in ("user", "item"):
            if role not in found:
                raise SpecificationError(
                    f"{role}: {self.name!r} has no column for it; say which of these it is: "
                    f"{', '.join(table.names[:20])}."
                )
        return found

    def look(self) -> Look:
        """Return how the file is understood."""
        table = self.table()
        read = self.read()
        return look_at(self.name, table, self.roles(table), None, read.dropped, others=self.others)

    def fits(self) -> bool:
        """Whether there is a column of users and one of items, by their names."""
        try:
            table = self.table()
            return not table.nameless and {"user", "item"} <= {*self.roles(table)}
        except SpecificationError:
            return False


@lru_cache(maxsize=4)
def _read(told: str) -> Interactions:
    import pandas as pd

    file = InteractionFile.model_validate_json(told)
    table = file.table()
    roles = file.roles(table)
    names = {role: roles[role].names().astype(str) for role in ("user", "item")}
    rows = np.flatnonzero((names["user"] != "") & (names["item"] != ""))
    rating = time = None
    if "rating" in roles:
        rating = _ratings(file, roles["rating"])[rows]
        rows, rating = rows[~np.isnan(rating)], rating[~np.isnan(rating)].astype(np.float32)
    if "time" in roles:
        time = known_times(
            file, roles["time"], rows, ". Allowed: one of the two in every row, or time=none for rows in order."
        )
    if not len(rows):
        raise SpecificationError(f"path: {file.name!r} has no row with a user and an item in its {table.rows} rows.")
    user, users = pd.factorize(names["user"][rows], sort=True)
    item, items = pd.factorize(names["item"][rows], sort=True)
    order = np.arange(len(user)) if time is None else np.argsort(time, kind="stable")
    pairs = (user.astype(np.int64) * len(items) + item)[order]
    latest = np.sort(order[len(pairs) - 1 - np.unique(pairs[::-1], return_index=True)[1]])
    called = np.asarray(items, dtype=str)
    return Interactions(
        user[latest].astype(np.int64),
        item[latest].astype(np.int64),
        np.asarray(users, dtype=str),
        called,
        None if rating is None else rating[latest],
        None if time is None else time[latest],
        called,
        {"incomplete": table.rows - len(rows), "duplicates": len(user) - len(latest), **table.dropped},
    )


def _ratings(file: InteractionFile, column: Column) -> np.ndarray:
    """Return a column as numbers ≥ 0, nan where it is empty."""
    numbers = column.numbers()
    for wrong, why in (
        (np.isnan(numbers) & ~column.missing, "is not a number"),
        (np.isinf(numbers), "is not finite"),
        (numbers < 0, "is negative"),
    ):
        if wrong.any():
            row = int(wrong.argmax())
            raise SpecificationError(
                f"rating: {column.texts_at([row])[0]!r} in data row {row + 1} of {file.name!r} {why}. "
                "Allowed: numbers of 0 and more, an empty cell, or rating=none if each row is a choice."
            )
    return numbers
