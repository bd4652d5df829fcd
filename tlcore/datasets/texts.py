"""Labelled texts, and how they are read from a file of one's own."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from pydantic import Field, field_validator

from tlcore.datasets.own import OwnFile
from tlcore.datasets.tables import LABEL_NAMES, label_of, read_table
from tlcore.errors import SpecificationError

WORD = r"[぀-ヿ㐀-鿿가-힯]|[^\W_぀-ヿ㐀-鿿가-힯]+(?:['’][^\W_]+)?"
"""A word; of Chinese, Japanese and Korean a sign, as nothing stands between their words."""
WORD_OR_SIGN = WORD + r"|[^\w\s]"
USUAL_NAMES = {
    "text": (
        "text", "texts", "sentence", "review", "content", "body", "comment", "message", "tweet", "document", "abstract",
        "title", "文本", "内容", "评论", "句子",
    ),
    "label": LABEL_NAMES,
}  # fmt: skip
"""What columns are usually called, in small letters."""
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


class TextFile(OwnFile):
    """A table with a column of texts and one of labels: CSV, TSV, JSON lines, Parquet; plain, ``.gz`` or ``.zip``.

    UTF-8, UTF-16, GB18030, Big5, Latin-1 and others are told apart by their content.
    """

    text: str = Field("", description="Column of texts; empty: found by its usual names.")
    label: str = Field("", description="Column of labels; empty: found by its usual names.")
    rename: dict[str, str] = Field(
        default_factory=dict,
        description="What labels of this file are called here, such as 1=positive, 0=negative; 3= leaves 3 out.",
    )

    @field_validator("rename", mode="before")
    @classmethod
    def _from_text(cls, value: object) -> object:
        """Read ``"a=b, c="`` as a mapping."""
        if not isinstance(value, str):
            return value
        parts = [part.partition("=") for part in value.split(",") if part.strip()]
        if not all(equals for _, equals, _ in parts):
            raise SpecificationError(f"rename: {value!r} is not allowed; write label=name, separated by commas.")
        return {label.strip(): name.strip() for label, _, name in parts}

    def read(self) -> LabelledTexts:
        """Return the texts that have a label.

        Raises
        ------
        SpecificationError
            If there is no such file or column, or nothing to learn from in it.
        """
        return _read(self.path, self.sha256, self.text, self.label, tuple(self.rename.items()))

    def labels(self) -> tuple[str, ...]:
        """Return the labels, as they are called here."""
        return tuple(np.unique(self.read().labels).tolist())

    def relabelled(self, names: dict[str, str]) -> dict[str, str]:
        """Return ``rename`` followed by another, from the names given here to others; nothing leaves a label out."""
        plain = self.model_copy(update={"rename": {}})
        both = {
            label: names.get(self.rename.get(label, label), self.rename.get(label, label)) for label in plain.labels()
        }
        return {label: name for label, name in both.items() if name != label}


@lru_cache(maxsize=4)
def _read(path: str, sha256: str, text: str, label: str, rename: tuple[tuple[str, str], ...]) -> LabelledTexts:
    file = TextFile(path=path, sha256=sha256, text=text, label=label, rename=dict(rename))
    table, misread = read_table(file, wanted={text, label} - {""}, missing={label or "label"}, row="text and a label")
    columns = _columns(file, [str(name) for name in table.columns])
    found = table[[columns["text"], columns["label"]]].set_axis(["text", "label"], axis=1)
    labels = found["label"].map(label_of)
    unknown = [name for name in file.rename if name not in set(labels)]
    if unknown:
        there = ", ".join(sorted(set(labels) - {""})[:20])
        raise SpecificationError(f"rename: {file.name!r} has no label {unknown[0]!r}. Allowed: {there}.")
    labels = labels.map(lambda name: file.rename.get(name, name))
    texts = found["text"].map(lambda value: value.strip() if isinstance(value, str) else "")
    empty, unlabelled = (texts == "").to_numpy(), (labels == "").to_numpy()
    keep = ~empty & ~unlabelled
    kinds = sorted(set(labels[keep]))
    if not keep.any():
        raise SpecificationError(f"path: {file.name!r} has no row with a text and a label in its {len(table)} rows.")
    if len(kinds) > MOST_LABELS:
        raise SpecificationError(
            f"label: column {columns['label']!r} of {file.name!r} has {len(kinds)} different values, such as "
            f"{kinds[0]!r}; at most {MOST_LABELS} can be classes."
        )
    kept = [value[:LONGEST] for value in texts[keep]]
    dropped = {
        "empty": int(empty.sum()),
        "unlabelled": int((unlabelled & ~empty).sum()),
        "cut": int((texts[keep].str.len() > LONGEST).sum()),
        "misread": misread,
    }
    return LabelledTexts(kept, labels[keep].to_numpy(str), dropped)


def _columns(file: TextFile, names: list[str]) -> dict[str, str]:
    """Return which column is the text and which the label."""
    found: dict[str, str] = {}
    for what, usual in USUAL_NAMES.items():
        given = getattr(file, what)
        if given and given not in names:
            raise SpecificationError(
                f"{what}: {file.name!r} has no column {given!r}. Allowed: {', '.join(names[:20])}."
            )
        same = [given] if given else [name for name in names if name.strip().lower() in usual]
        if len(same) > 1:
            raise SpecificationError(f"{what}: {file.name!r} has columns {', '.join(same)}; say which one it is.")
        if not same:
            raise SpecificationError(
                f"{what}: no column of {file.name!r} is called {what}; say which of these it is: "
                f"{', '.join(names[:20])}."
            )
        found[what] = same[0]
    return found
