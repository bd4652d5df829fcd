"""How a table of text is written: what separates its cells, whether they are quoted, where it begins, its header."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tlcore.datasets.columns import name_of
from tlcore.datasets.numerals import numbers_in

SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|", "colons": "::", "blanks": " "}
"""What may stand between cells, by a name that can be typed."""
LOOKED_AT = 2**20
"""Bytes from the beginning of a file by which it is judged."""
_NOTES = re.compile(r"[#%]")


@dataclass(frozen=True)
class Dialect:
    """How a table is written.

    Attributes
    ----------
    separator : str
        ``" "``: any number of blanks.
    quoted : bool
        Whether a quotation mark at the beginning of a cell opens it, so that separators and line ends may be inside.
    skipped : int
        Lines above the table.
    header : bool
        Whether its first row names the columns.
    first : tuple of str
        The cells of that row.
    """

    separator: str
    quoted: bool
    skipped: int
    header: bool
    first: tuple[str, ...]


def dialect_of(content: bytes, separator: str = "", header: bool | None = None, usual: Collection[str] = ()) -> Dialect:
    """Return how a table is written.

    DuckDB's sniffer decides between comma, semicolon, tab and bar, on quoting and on what stands above the table. What
    it does not know is decided before it, a line ``sep=;`` and ``::``, or after it: columns by blanks, quotation marks
    that are not meant as such, and the header.

    Parameters
    ----------
    content : bytes
        In UTF-8, without a byte order mark.
    separator : str
        What a person said; empty: it is found.
    header : bool or None
        What a person said; None: it is found.
    usual : collection of str
        Usual names of columns, in small letters; where one stands in the first row, that is a header.

    Raises
    ------
    ValueError
        If it is one column only, with the reason.
    """
    start = content[:LOOKED_AT]
    if len(content) > LOOKED_AT:
        start = start[: start.rfind(b"\n") + 1] or start
    lines = start.decode("utf-8", "replace").splitlines()
    skipped = 0
    while skipped < len(lines) and not lines[skipped].strip():
        skipped += 1
    if skipped == len(lines):
        raise ValueError("it is empty; it needs rows")
    if found := re.fullmatch(r'"?sep=(.|\\t)"?', lines[skipped].strip("\r\n"), re.I):
        separator = separator or found[1].replace("\\t", "\t")
        skipped += 1
    notes = 0
    while skipped + notes < len(lines) and _NOTES.match(lines[skipped + notes]):
        notes += 1  # unless the first row itself begins with such a sign, as in "#id,name"
    if notes and not _like(lines[skipped + notes - 1], lines[skipped + notes :]):
        skipped += notes
    table = lines[skipped:]
    if not table:
        raise ValueError("it is empty; it needs rows")
    if not separator and _everywhere("::", table):
        separator = "::"
    quoted = True
    if separator not in ("::", " "):
        given = separator
        separator, quoted, above = _sniffed("\n".join(table), separator)
        if separator == "," and not given and _decimal_commas(table):
            separator, above = ";", 0
        if above and _is_above(table, above, separator, usual):
            skipped, table = skipped + above, table[above:]
    if separator and separator != " " and separator not in table[0]:
        separator = ""
    if not separator:
        separator = _blanks(table)
    if not separator:
        raise ValueError(f"its first line, {table[0][:60]!r}, has one column")
    if quoted and '"' in "".join(table):
        quoted = not quotes_are_signs("\n".join(table).encode(), separator)
    rows = cells_of(table[:200], separator, quoted)
    if header is None:
        header = has_header(rows[0], rows[1:], usual)
    return Dialect(separator, quoted, skipped, header, tuple(rows[0]))


def cells_of(lines: Sequence[str], separator: str, quoted: bool) -> list[list[str]]:
    """Return the cells of lines, those of quoted cells with line ends joined."""
    import csv

    if separator == " ":
        return [line.split() for line in lines if line.strip()]
    if separator == "::":
        return [line.split("::") for line in lines if line.strip()]
    csv.field_size_limit(2**31 - 1)
    text = (f"{line}\n" for line in lines)
    signs = csv.reader(text, delimiter=separator, quoting=csv.QUOTE_NONE, skipinitialspace=True)
    rows = csv.reader(text, delimiter=separator, skipinitialspace=True) if quoted else signs
    return [row for row in rows if row]


def _sniffed(text: str, separator: str) -> tuple[str, bool, int]:
    """Return separator, quoting and lines above by DuckDB's sniffer; the first is empty where it finds one column."""
    import duckdb

    given = f", delim = {_literal(separator)}" if separator else ""
    with tempfile.TemporaryDirectory(prefix="table-") as folder:
        path = Path(folder) / "start.csv"
        path.write_text(text, encoding="utf-8", newline="")
        row = None
        with duckdb.connect(config={"threads": 1}) as connection:
            for lenient in ("", ", ignore_errors = true"):
                with suppress(duckdb.Error):
                    row = (
                        row
                        or connection.execute(
                            "SELECT Delimiter, Quote, SkipRows, len(Columns) "
                            f"FROM sniff_csv({_literal(str(path))}, max_line_size = 20000000{given}{lenient})"
                        ).fetchone()
                    )
    if row is None:
        return separator or _most_even(text), True, 0
    found, quote, above, many = row
    found = found if many > 1 and found in "\t,;|" else _most_even(text)  # it gives up on rows of several lengths
    return separator or found, quote != "'", int(above)


def _decimal_commas(lines: Sequence[str]) -> bool:
    """Whether semicolons part the cells of a table in which so many numbers have a comma that these look like it."""
    rows = [line for line in lines[1:200] if line.strip()]
    cells = [cell for line in rows for cell in line.split(";")]
    return _everywhere(";", [lines[0], *rows]) and sum(map(_is_number, cells)) > 0.8 * len(cells)


def _is_above(lines: Sequence[str], above: int, separator: str, usual: Collection[str]) -> bool:
    """Whether the first lines are a title, not the beginning of a table whose rows are of different lengths."""
    table = [line for line in lines[above:] if line.strip()]
    named = any(plain_name(cell) in usual for line in lines[:above] for cell in line.split(separator or ","))
    return not named and len(table) >= max(3, 2 * above) and _everywhere(separator or ",", table)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _most_even(text: str) -> str:
    """Return the separator of which the lines have the same number; empty if there is none."""
    lines = [line for line in text.splitlines()[:200] if line.strip()]
    for sign in ("\t", ";", ",", "|"):
        if _everywhere(sign, lines):
            return sign
    return max("\t;,|", key=lines[0].count) if any(sign in lines[0] for sign in "\t;,|") else ""


def _everywhere(sign: str, lines: Sequence[str]) -> bool:
    """Whether nearly all lines have a sign, and as many of it each."""
    counts = [line.count(sign) for line in lines[:200] if line.strip()]
    usual = max(set(counts), key=counts.count) if counts else 0
    return usual > 0 and counts.count(usual) >= 0.9 * len(counts)


def _like(line: str, others: Sequence[str]) -> bool:
    """Whether a line has as many separators as those after it."""
    return any(line.count(sign) and _everywhere(sign, [line, *others[:20]]) for sign in "\t,;|")


def _blanks(lines: Sequence[str]) -> str:
    """Return a blank where the lines have the same number of words, and most of them are numbers; else nothing."""
    rows = [line.split() for line in lines[:200] if line.strip()]
    widths = {len(row) for row in rows}
    if len(widths) != 1 or widths == {1}:
        return ""
    cells = [cell for row in rows[1:] or rows for cell in row]
    return " " if sum(_is_number(cell) for cell in cells) >= 0.5 * len(cells) else ""


def quotes_are_signs(content: bytes, separator: str) -> bool:
    """Whether all lines have the same number of cells without quoting, and quotations open and never end.

    Then a quotation mark is a sign like others, and reading it as quoting would join rows.
    """
    if separator == " ":
        return False
    sign, content = separator.encode(), content.strip(b"\r\n") + b"\n"
    first = content.index(b"\n") if b"\n" in content else len(content)
    many = content[:first].count(sign)
    if not many or content.count(sign) != many * content.count(b"\n"):
        return False  # as there are separators in quotes
    signs = np.frombuffer(content, np.uint8)
    ends = np.flatnonzero(signs == ord("\n"))
    on_line = np.bincount(np.searchsorted(ends, np.flatnonzero(signs == ord('"'))), minlength=len(ends))
    opened = closed = 0
    for place in np.flatnonzero(on_line % 2).tolist():
        line = content[ends[place - 1] + 1 if place else 0 : ends[place]]
        if line.count(sign) != many:
            return False
        for cell in map(bytes.strip, line.split(sign)):
            odd = cell.count(b'"') % 2
            opened += odd and cell[:1] == b'"'
            closed += odd and cell[:1] != b'"' and cell[-1:] == b'"'
    return opened > 0 and not closed  # one that is closed further on has a line end inside


def has_header(first: Sequence[str], rows: Sequence[Sequence[str]], usual: Collection[str] = ()) -> bool:
    """Whether the first row names the columns.

    By a usual name; by numbers that count the columns; by words above numbers, or a number above words; where all are
    words, by cells that no other row has.
    """
    cells = [cell.strip() for cell in first]
    columns = [[row[place].strip() for row in rows if place < len(row)] for place in range(len(cells))]
    if any(plain_name(cell) in usual and cell not in column for cell, column in zip(cells, columns, strict=True)):
        return True
    named = [cell for cell in cells if cell]
    counting = [int(cell) for cell in named if cell.isdigit()]
    if len(counting) > 1 and len(counting) >= len(named) - 1 and counting in (
        [*range(len(counting))], [*range(1, len(counting) + 1)]
    ):  # fmt: skip
        return not rows or any(not _all_integers(column) for column in columns)
    votes = 0
    for cell, column in zip(cells, columns, strict=True):
        known = [value for value in column if value]
        if not cell or not known:
            continue
        share = sum(_is_number(value) for value in known) / len(known)
        if share > 0.8 and not _is_number(cell):
            votes += 1
        elif share > 0.8:
            votes -= 1
    if votes:
        return votes > 0
    if any(cell in column for cell, column in zip(cells, columns, strict=True) if cell):
        return False
    short = all(0 < len(cell) <= 30 for cell in cells) and len(set(cells)) == len(cells)
    return short and not any(_is_number(cell) for cell in cells)


def _all_integers(column: Sequence[str]) -> bool:
    return bool(column) and all(value.isdigit() for value in column)


def _is_number(cell: str) -> bool:
    return not np.isnan(numbers_in([cell])[0])


def plain_name(name: str) -> str:
    """Return a column's name in small letters without signs, as usual names are compared.

    >>> plain_name(" User-ID "), plain_name("user_id:token"), plain_name("标签")
    ('userid', 'userid', '标签')
    """
    return re.sub(r"[\W_]", "", name_of(name).lower().partition(":")[0])
