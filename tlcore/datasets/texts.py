"""Labelled texts, and how they are read from a file of one's own."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar

import numpy as np
from pydantic import Field

from tlcore.datasets.columns import GROUP_NAMES, LABEL_NAMES, TIME_NAMES, Column
from tlcore.datasets.look import Look, look_at
from tlcore.datasets.own import LabelledFile
from tlcore.datasets.quantities import likely
from tlcore.datasets.reading import Table
from tlcore.datasets.tables import EACH_NEEDS_A_TIME, TableFile, known_groups, known_times, proposed_group
from tlcore.errors import SpecificationError

WORD = r"[぀-ヿ㐀-鿿가-힯]|[^\W_぀-ヿ㐀-鿿가-힯]+(?:['’][^\W_]+)?"
"""A word; of Chinese, Japanese and Korean a sign, as nothing stands between their words."""
WORD_OR_SIGN = WORD + r"|[^\w\s]"
TEXT_NAMES = (
    "text", "texts", "sentence", "review", "content", "body", "comment", "message", "tweet", "document", "abstract",
    "title", "文本", "内容", "评论", "句子", "內容", "評論", "正文",
)  # fmt: skip
"""What a column of texts is usually called, in small letters without signs."""
LONGEST = 20_000
"""Signs of a text that are kept."""
MOST_LABELS = 100
"""More labels than that are rather numbers or names."""


@dataclass(frozen=True)
class LabelledTexts:
    """Texts, each with a label.

    Attributes
    ----------
    texts : list of str
    labels : ndarray of str, shape (n,)
    dropped : dict of str to int
        How many rows were left out or cut, and why: ``empty``, ``unlabelled``, ``cut``, ``misread``.
    groups : ndarray of str, shape (n,), or None
        Who wrote a text, or which case it is of: no group may stand on both sides of a split.
    times : ndarray of float64, shape (n,), or None
        When; the test is what came last.
    """

    texts: list[str]
    labels: np.ndarray
    dropped: dict[str, int] = field(default_factory=dict)
    groups: np.ndarray | None = None
    times: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def contents(self) -> list[str]:
        """The texts without what does not tell them apart: case and spacing."""
        return [" ".join(text.casefold().split()) for text in self.texts]


class TextFile(TableFile, LabelledFile):
    """A table with a column of texts and one of labels: CSV, TSV, JSON lines, Parquet, a sheet; packed or not.

    UTF-8, UTF-16, GB18030, Big5, Latin-1 and others are told apart by their content.
    """

    usual: ClassVar = {"text": TEXT_NAMES, "label": LABEL_NAMES, "group": GROUP_NAMES, "time": TIME_NAMES}
    guessed: ClassVar = ("text", "label")
    needed: ClassVar = ("text", "label")

    text: str = Field("", description="Column of texts; empty: found by its usual names.")
    label: str = Field("", description="Column of labels; empty: found by its usual names.")
    group: str = Field("", description="Column of who wrote it: no group stands on both sides of a split; empty: none.")
    time: str = Field("", description="Column of times: what came last is the test; empty: none.")

    def read(self) -> LabelledTexts:
        """Return the texts that have a label.

        Raises
        ------
        SpecificationError
            If there is no such file or column, or nothing to learn from in it.
        """
        return _read(self.pinned().model_dump_json())

    def labels(self) -> tuple[str, ...]:
        """Return the labels, as they are called here."""
        return tuple(np.unique(self.read().labels).tolist())

    def roles(self, table: Table) -> dict[str, Column]:
        """Return the columns by their roles."""
        found: dict[str, Column | None]
        if table.nameless and not (self.text and self.label):
            found = {**self._by_their_cells(table)}
        else:
            found = {role: self.found(table, role, needed=True) for role in self.needed}
        for role in ("group", "time"):
            if getattr(self, role):
                found[role] = self.found(table, role)
        return {role: column for role, column in found.items() if column is not None}

    def _by_their_cells(self, table: Table) -> dict[str, Column]:
        """Return text and label of a table without a header: those named, the longest cells, the only few values."""
        if not table.columns:
            raise SpecificationError(f"path: {self.name!r} has no column.")
        lengths = [np.mean([len(text) for text in column.texts()[:500]] or [0]) for column in table.columns]
        texts = self.found(table, "text") or table.columns[int(np.argmax(lengths))]
        said = self.found(table, "label")
        few = [
            column
            for column in ([said] if said else table.columns)
            if column is not texts and column.found != "list" and 1 < len(column.counts[0]) <= MOST_LABELS
        ]
        if len(few) != 1:
            raise SpecificationError(
                f"label: {self.name!r} has no header; say which column is the label, from 0 to "
                f"{len(table.columns) - 1}, and which the text."
            )
        return {"text": texts, "label": few[0]}

    def look(self) -> Look:
        """Return how the file is understood."""
        table = self.table()
        read = self.read()
        roles = self.roles(table)
        proposed = proposed_group(table, roles) if "group" not in roles else {}
        return look_at(self.name, table, roles, read.labels, read.dropped, others=self.others, proposed=proposed)

    def fits(self) -> bool:
        """Whether there is a column of texts and one of labels."""
        try:
            return self.roles(self.table())["text"].found == "text"
        except SpecificationError:
            return False


@lru_cache(maxsize=4)
def _read(told: str) -> LabelledTexts:
    file = TextFile.model_validate_json(told)
    table = file.table()
    roles = file.roles(table)
    labels = file.renamed(roles["label"].labels())
    texts = np.array(roles["text"].texts(), dtype=object)
    empty, unlabelled = texts == "", labels == ""
    keep = ~empty & ~unlabelled
    kinds = sorted({*labels[keep].tolist()})
    if not keep.any():
        raise SpecificationError(f"path: {file.name!r} has no row with a text and a label in its {table.rows} rows.")
    if len(kinds) > MOST_LABELS and likely(labels[keep]) != "numbers":
        raise SpecificationError(
            f"label: column {roles['label'].name!r} of {file.name!r} has {len(kinds)} different values, such as "
            f"{kinds[0]!r}; at most {MOST_LABELS} can be classes."
        )
    kept = [text[:LONGEST] for text in texts[keep]]
    dropped = {
        "empty": int(empty.sum()),
        "unlabelled": int((unlabelled & ~empty).sum()),
        "cut": sum(len(text) > LONGEST for text in texts[keep]),
        **table.dropped,
    }
    groups = known_groups(file, roles["group"])[keep] if "group" in roles else None
    times = known_times(file, roles["time"], np.flatnonzero(keep), EACH_NEEDS_A_TIME) if "time" in roles else None
    return LabelledTexts(kept, labels[keep].astype(str), dropped, groups, times)
