"""Tables in files of one's own: CSV, TSV, JSON lines, Parquet; whatever encoding and separator they have."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tlcore.errors import SpecificationError

if TYPE_CHECKING:
    import pandas as pd

    from tlcore.datasets.own import OwnFile

SEPARATORS = ("\t", ",", ";", "|")
MISSING = ["", "NaN", "nan", "NA", "null", "None"]
LABEL_NAMES = (
    "label", "labels", "class", "category", "sentiment", "target", "topic", "answer", "y", "stars", "标签",
    "类别", "情感",
)  # fmt: skip
"""What a column of labels is usually called, in small letters."""


def label_of(value: object) -> str:
    """Return a label as text: 1, 1.0 and "1" are one, NaN and None are none."""
    if value is None or value != value:
        return ""
    said = str(value).strip()
    return re.sub(r"\.0+$", "", said) if re.fullmatch(r"-?\d+\.0+", said) else said


def read_table(file: OwnFile, wanted: set[str], missing: set[str] | None, row: str) -> tuple[pd.DataFrame, int]:
    """Return a file as a table, and how many of its lines were not in its encoding.

    Parameters
    ----------
    file : OwnFile
    wanted : set of str
        Columns that must be there; a separator that finds them is the right one.
    missing : set of str or None
        Columns in which an empty cell, NaN or null is a missing value; None: in all. Other cells stay what is written.
    row : str
        What a row has, for a message.

    Raises
    ------
    SpecificationError
        If it is not a table.
    """
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
        return _separated(file, signs, wanted, missing, row), misread
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


def _decoded(file: OwnFile, content: bytes) -> tuple[str, int]:
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


def _separated(file: OwnFile, signs: str, wanted: set[str], missing: set[str] | None, row: str) -> pd.DataFrame:
    """Return a table of strings, by the separator with which its first lines have the same number of columns."""
    import csv
    from io import StringIO

    import pandas as pd

    if not signs.strip():
        raise SpecificationError(f"path: {file.name!r} is empty; it needs rows.")
    first = signs.splitlines()[0]
    separator = next(
        (sign for sign in SEPARATORS if wanted and wanted <= {cell.strip().strip('"') for cell in first.split(sign)}),
        max(SEPARATORS, key=first.count),
    )
    if separator not in first:
        raise SpecificationError(
            f"path: the first line of {file.name!r}, {first[:60]!r}, has one column; allowed: a {row}, "
            "separated by a comma, semicolon, tab or |."
        )
    return pd.read_csv(
        StringIO(signs),
        sep=separator,
        dtype=str,
        keep_default_na=False,
        na_values=MISSING if missing is None else dict.fromkeys(missing, MISSING),
        skipinitialspace=True,
        quoting=csv.QUOTE_MINIMAL,
    )
