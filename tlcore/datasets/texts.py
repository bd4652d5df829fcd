"""Labelled texts, and how they are read from a file of one's own."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field, field_validator

from tlcore.datasets.own import OwnFile
from tlcore.errors import SpecificationError

if TYPE_CHECKING:
    import pandas as pd

WORD = r"[぀-ヿ㐀-鿿가-힯]|[^\W_぀-ヿ㐀-鿿가-힯]+(?:['’][^\W_]+)?"
"""A word; of Chinese, Japanese and Korean a sign, as nothing stands between their words."""
WORD_OR_SIGN = WORD + r"|[^\w\s]"
USUAL_NAMES = {
    "text": (
        "text", "texts", "sentence", "review", "content", "body", "comment", "message", "tweet", "document", "abstract",
        "title", "文本", "内容", "评论", "句子",
    ),
    "label": (
        "label", "labels", "class", "category", "sentiment", "target", "topic", "answer", "y", "stars", "标签", "类别",
        "情感",
    ),
}  # fmt: skip
"""What columns are usually called, in small letters."""
SEPARATORS = ("\t", ",", ";", "|")
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
    """

    texts: list[str]
    labels: np.ndarray
    dropped: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.texts)


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
    table, misread = _table(file)
    columns = _columns(file, [str(name) for name in table.columns])
    found = table[[columns["text"], columns["label"]]].set_axis(["text", "label"], axis=1)
    labels = found["label"].map(_label)
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


def _label(value: object) -> str:
    """Return a label as text: 1, 1.0 and "1" are one, NaN and None are none."""
    if value is None or value != value:
        return ""
    said = str(value).strip()
    return re.sub(r"\.0+$", "", said) if re.fullmatch(r"-?\d+\.0+", said) else said


def _table(file: TextFile) -> tuple[pd.DataFrame, int]:
    """Return the file as a table, and how many of its lines were not in its encoding."""
    from io import StringIO

    import pandas as pd

    content = file.content(prefer=(r"\.(csv|tsv|jsonl|ndjson|json|parquet)$",))
    try:
        if content.startswith(b"PAR1"):
            return _parquet(content), 0
        signs, misread = _decoded(file, content)
        if signs.lstrip().startswith(("{", "[")):
            lines = signs.lstrip()[:1] == "{"
            return pd.read_json(StringIO(signs), lines=lines, dtype=False), misread
        return _separated(file, signs), misread
    except (ValueError, OSError, pd.errors.ParserError) as error:
        if isinstance(error, SpecificationError):
            raise
        reason = " ".join(str(error).split()).rstrip(".")
        raise SpecificationError(f"path: {file.name!r} cannot be read as a table: {reason}.") from None


def _parquet(content: bytes) -> pd.DataFrame:
    """Return the table; labels that Hugging Face's hub keeps as numbers come back by their names."""
    import json
    from io import BytesIO

    import pyarrow.parquet

    table = pyarrow.parquet.read_table(BytesIO(content))
    said = json.loads((table.schema.metadata or {}).get(b"huggingface", b"{}"))
    frame = table.to_pandas()
    for column, kind in said.get("info", {}).get("features", {}).items():
        if isinstance(kind, dict) and kind.get("_type") == "ClassLabel" and column in frame:
            frame[column] = frame[column].map(dict(enumerate(kind["names"])))  # -1 says that there is none
    return frame


def _decoded(file: TextFile, content: bytes) -> tuple[str, int]:
    """Return the signs of a file, and how many lines had to be read in another encoding than most."""
    from charset_normalizer import from_bytes

    try:
        return content.decode("utf-8-sig"), 0
    except UnicodeDecodeError:
        pass
    lines = content.split(b"\n")
    others = sum(not _is_utf8(line) for line in lines)
    if sum(_is_utf8(line) and not line.isascii() for line in lines) > others:  # pasted together from several sources
        return "\n".join(line.decode("utf-8-sig" if _is_utf8(line) else "cp1252", "replace") for line in lines), others
    best = from_bytes(content[:200_000]).best()
    if best is None:
        raise SpecificationError(f"path: {file.name!r} is not text; allowed: CSV, TSV, JSON lines, Parquet.")
    signs = content.decode(best.encoding, "replace").lstrip("\ufeff")
    return signs, signs.count("\ufffd")


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _separated(file: TextFile, signs: str) -> pd.DataFrame:
    """Return a table of strings, by the separator with which its first lines have the same number of columns."""
    import csv
    from io import StringIO

    import pandas as pd

    if not signs.strip():
        raise SpecificationError(f"path: {file.name!r} is empty; it needs a row for each text.")
    first = signs.splitlines()[0]
    wanted = {file.text, file.label} - {""}
    separator = next(
        (sign for sign in SEPARATORS if wanted and wanted <= {cell.strip().strip('"') for cell in first.split(sign)}),
        max(SEPARATORS, key=first.count),
    )
    if separator not in first:
        raise SpecificationError(
            f"path: the first line of {file.name!r}, {first[:60]!r}, has one column; allowed: a text and a label, "
            "separated by a comma, semicolon, tab or |."
        )
    return pd.read_csv(
        StringIO(signs),
        sep=separator,
        dtype=str,
        keep_default_na=False,
        na_values={file.label or "label": ["", "NaN", "nan", "NA", "null", "None"]},
        skipinitialspace=True,
        quoting=csv.QUOTE_MINIMAL,
    )


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
