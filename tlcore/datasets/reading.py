"""What the bytes of a file say as a table: its columns, and how they were understood, whatever the format."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from tlcore.datasets.columns import MISSING, Column, name_of
from tlcore.datasets.dialect import Dialect, cells_of, dialect_of, has_header, plain_name, quotes_are_signs
from tlcore.datasets.encoding import decoded
from tlcore.datasets.numerals import Decimal, decimal_of
from tlcore.datasets.unpacking import BEGINNING
from tlcore.errors import one_of

if TYPE_CHECKING:
    import pyarrow as pa

UNNAMED = re.compile(r"(Unnamed: \d+(_level_\d+)?(\.\d+)*)?")
"""What a column is called that has no name: by pandas, when a table was saved with its row numbers, however often."""
ROW_NUMBER_NAMES = (
    "", "index", "id", "row", "rowid", "rownumber", "nr", "no", "number", "rownames", "idx", "序号", "编号",
)  # fmt: skip
"""What a column is called that may number the rows, without signs."""
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
MOST_BROKEN = 0.05
"""The share of rows with too many cells up to which they are left out and counted; more are a wrong separator."""


@dataclass(frozen=True)
class Understood:
    """How a file was understood; a part that a table of its format does not have is empty."""

    form: str
    encoding: str = ""
    separator: str = ""
    quoted: bool = True
    header: bool = True
    skipped: int = 0
    decimal: Decimal = ""
    sheet: str = ""


@dataclass(frozen=True)
class Table:
    """A table as it stands in a file.

    Attributes
    ----------
    columns : tuple of Column
        Those that have a name and something in them.
    rows : int
    understood : Understood
    dropped : dict of str to int
        How many rows were left out or completed, and columns left out, and why: ``misread`` (lines in another
        encoding), ``short`` (rows with too few cells, completed), ``broken`` (rows with too many), ``swallowed`` (rows
        that may stand inside a quoted cell of another), ``unnamed_columns``, ``row_number_columns``.
    left_out : tuple of (str, str)
        Columns that are left out, and why.
    """

    columns: tuple[Column, ...]
    rows: int
    understood: Understood
    dropped: dict[str, int] = field(default_factory=dict)
    left_out: tuple[tuple[str, str], ...] = ()

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [column.name for column in self.columns]

    @property
    def nameless(self) -> bool:
        """Whether the columns are called by their numbers, as there is no header."""
        return not self.understood.header


def table_of(
    content: bytes,
    encoding: str = "",
    separator: str = "",
    header: bool | None = None,
    sheet: str = "",
    usual: Collection[str] = (),
) -> Table:
    """Return the table in a file.

    Parameters
    ----------
    content : bytes
        Unpacked.
    encoding, separator, header, sheet : str or bool
        What a person said; empty or None: it is found.
    usual : collection of str
        Names that a header has, in small letters without signs.

    Raises
    ------
    ValueError, OSError, ArithmeticError, TypeError, RecursionError
        If it is none, with the reason; what it is that a damaged file makes its reader raise nobody can tell.
    """
    if content.startswith(b"PAR1"):
        return _finished(_parquet(content), Understood("Parquet"), {})
    if content.startswith((b"ARROW1", b"FEA1")):
        import pyarrow.feather as feather

        return _finished(_arrow_columns(feather.read_table(_buffer(content))), Understood("Arrow"), {})
    if content.startswith((b"PK\3\4", b"\xd0\xcf\x11\xe0")):
        return _workbook(content, sheet, header, usual)
    if content.startswith(b"SQLite format 3"):
        raise ValueError("it is a database")
    read = decoded(content[:BEGINNING] if content.isascii() else content, encoding)
    if content.isascii() and read.encoding != "utf-8":  # UTF-16 of plain letters is nothing but ASCII and zeros
        read = decoded(content, encoding)
    dropped = {"misread": read.misread}
    start = read.text[:200].lstrip()
    if start.lower().startswith(("<!doctype html", "<html", "<?xml")):
        raise ValueError("it is a page of the web, not a table; perhaps an address asked for a sign-in")
    if start.startswith("version https://git-lfs"):
        raise ValueError("it is what Git LFS leaves in the place of a file; run git lfs pull")
    if start.startswith(("{", "[")):
        cells = _json(content.decode() if content.isascii() and read.encoding == "utf-8" else read.text)
        return _finished(cells, Understood("JSON", read.encoding), dropped)
    as_it_is = read.encoding == "utf-8" and not read.misread and not content.startswith(BYTE_ORDER_MARK)
    written = content if as_it_is else read.text.encode("utf-8", "replace")
    return _separated(written, read.encoding, separator, header, usual, dropped)


def _buffer(content: bytes) -> Any:
    import pyarrow as pa

    return pa.BufferReader(content)


def _parquet(content: bytes) -> list[tuple[str, pa.ChunkedArray]]:
    """Return the columns; labels that Hugging Face's hub keeps as numbers come back by their names."""
    import json

    import pyarrow as pa
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(_buffer(content))
    metadata = table.schema.metadata or {}
    said = json.loads(metadata.get(b"huggingface", b"{}"))
    columns = []
    for name, cells in _arrow_columns(table):
        kind = said.get("info", {}).get("features", {}).get(name)
        if isinstance(kind, dict) and kind.get("_type") == "ClassLabel":
            names = dict(enumerate(kind["names"]))  # -1 says that there is none
            cells = pa.chunked_array([pa.array([names.get(value) for value in cells.to_pylist()], pa.string())])
        columns.append((name, cells))
    return columns


def _arrow_columns(table: pa.Table) -> list[tuple[str, pa.ChunkedArray]]:
    """Return the columns by name, categories as what they stand for, bytes as what they may say."""
    import pyarrow as pa
    import pyarrow.compute as pc

    columns = []
    for name, cells in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_dictionary(cells.type):
            cells = pc.cast(cells, cells.type.value_type)
        if pa.types.is_binary(cells.type) or pa.types.is_large_binary(cells.type):
            try:
                cells = pc.cast(cells, pa.string())
            except pa.ArrowInvalid:
                continue  # pictures or the like
        columns.append((str(name), cells))
    return columns


def _json(text: str) -> list[tuple[str, pa.ChunkedArray]]:
    """Return the columns of records: one a line, or all in a list, by itself or as the only one in an object."""
    import json

    text = text.strip()
    records: Any
    if text.startswith("{") and "\n" in text:
        try:
            records = [json.loads(line) for line in text.splitlines() if line.strip()]
        except ValueError:
            records = json.loads(text)
    else:
        records = json.loads(text)
    if isinstance(records, dict):
        lists = [value for value in records.values() if isinstance(value, list) and value]
        if lists and len(lists) == len(records) and not any(isinstance(value[0], (dict, list)) for value in lists):
            return [(str(name), _array(value)) for name, value in records.items()]  # a list a column
        records = lists[0] if len(lists) == 1 else [records]
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise ValueError("it has no list of records")
    names = dict.fromkeys(name for record in records for name in record)
    return [(str(name), _array([record.get(name) for record in records])) for name in names]


def _array(values: list[Any]) -> pa.ChunkedArray:
    """Return Python's values as a column: of one type, or else as strings, numbers as people write them."""
    import pyarrow as pa

    kinds = {type(value) for value in values} - {type(None)}
    if kinds <= {int, float} and kinds:
        floats = float in kinds and all(abs(value) < 2**53 for value in values if type(value) is int)
        values = [float(value) if floats and value is not None else value for value in values]
        if not floats and float in kinds:
            values = [name_of(value) or None for value in values]
    elif len(kinds) > 1 and not (kinds <= {list, dict} or kinds <= {list}):
        values = [None if value is None else value if isinstance(value, str) else name_of(value) for value in values]
    try:
        return pa.chunked_array([pa.array(values, type=None if kinds else pa.string())])
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return pa.chunked_array([pa.array([None if value is None else str(value) for value in values], pa.string())])


def _workbook(content: bytes, sheet: str, header: bool | None, usual: Collection[str]) -> Table:
    """Return the table of a sheet; above it there may be a title."""
    from io import BytesIO

    import python_calamine as calamine

    try:
        book = calamine.load_workbook(BytesIO(content))
        sheets = {name: book.get_sheet_by_name(name) for name in book.sheet_names}
    except (calamine.CalamineError, calamine.PasswordError) as error:
        raise ValueError(f"it is no workbook that can be opened ({error})") from None
    if sheet and sheet not in sheets:
        raise one_of("sheet", sheet, sheets)
    filled = {}
    for name in [sheet] if sheet else sheets:
        try:
            rows: list[list[Any]] = sheets[name].to_python(skip_empty_area=True)
        except calamine.CalamineError as error:
            raise ValueError(f"its sheet {name!r} cannot be opened ({error})") from None
        rows = [row for row in rows if any(cell not in ("", None) for cell in row)]
        if rows:
            filled[name] = rows
    if not filled:
        raise ValueError("it has no row")
    name, rows = next(iter(filled.items()))
    width = max(len(row) for row in rows)
    full = [sum(cell not in ("", None) for cell in row) for row in rows]
    usually = sorted(full)[len(full) // 2]
    above = 0
    while above < len(rows) - 1 and full[above] < min(2, usually):
        above += 1
    rows = [[*row, *[""] * (width - len(row))] for row in rows[above:]]
    written = [["" if cell is None else str(cell) for cell in row] for row in rows[:200]]
    if header is None:
        header = has_header(written[0], written[1:], usual)
    names = written[0] if header else [str(place) for place in range(width)]
    body = rows[1:] if header else rows
    columns = [
        (name, _array([None if row[place] == "" else row[place] for row in body])) for place, name in enumerate(names)
    ]
    understood = Understood("workbook", header=header, skipped=above, sheet=name)
    return _finished(columns, understood, {"other_sheets": len(filled) - 1}, rows=len(body))


def _separated(
    content: bytes, encoding: str, separator: str, header: bool | None, usual: Collection[str], dropped: dict[str, int]
) -> Table:
    """Return a table of strings from what stands between separators."""
    dialect = dialect_of(content, separator, header, usual)
    names, columns, faults = _parsed(content, dialect)
    decimal = _decimal(columns, dialect.separator)
    understood = Understood(
        "text", encoding, dialect.separator, dialect.quoted, dialect.header, dialect.skipped, decimal
    )  # fmt: skip
    return _finished([*zip(names, columns, strict=True)], understood, dropped | faults)


def _parsed(content: bytes, dialect: Dialect) -> tuple[list[str], list[pa.ChunkedArray], dict[str, int]]:
    """Return names and cells of all columns, and how many rows were short, broken or swallowed."""
    first = list(dialect.first)
    names = [name.strip() for name in first] if dialect.header else [str(place) for place in range(len(first))]
    above = dialect.skipped + dialect.header
    separator = dialect.separator
    if separator == " ":
        lines = content.split(b"\n")[dialect.skipped :]
        content, above, separator = b"\n".join(b"\t".join(line.split()) for line in lines), int(dialect.header), "\t"
    elif separator == "::":
        content, separator = content.replace(b"::", b"\x1f"), "\x1f"
    quoted = dialect.quoted and b'"' in content
    simple = len(separator) == 1 and separator.isascii() and not (dialect.header and "\n" in "".join(first))
    if simple:
        columns = _cells(content, separator, len(names), above, quoted, across_lines=False)
        if columns is not None and len(columns[0]) == _lines(content, above):
            return names, columns, {}
        if quoted and quotes_are_signs(content, separator):  # further down than the dialect was looked at
            return _parsed(content, replace(dialect, quoted=False))
        if quoted:
            columns = _cells(content, separator, len(names), above, quoted, across_lines=True)
        if columns is not None:
            return names, columns, {"swallowed": _swallowed(columns, separator, len(names)) if quoted else 0}
    return _parsed_by_row(content, dialect, separator, names, above)


def _cells(
    content: bytes, separator: str, many: int, above: int, quoted: bool, across_lines: bool
) -> list[pa.ChunkedArray] | None:
    """Return so many columns of strings; None where a row has more or fewer cells."""
    import pyarrow as pa
    import pyarrow.csv

    names = [str(place) for place in range(many)]
    try:
        table = pyarrow.csv.read_csv(
            _buffer(content),
            pyarrow.csv.ReadOptions(column_names=names, skip_rows=above, block_size=2**22),
            pyarrow.csv.ParseOptions(
                delimiter=separator, quote_char='"' if quoted else False, newlines_in_values=across_lines
            ),
            pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False),
        )
    except pa.ArrowInvalid:
        return None
    return list(table.columns)


def _lines(content: bytes, above: int) -> int:
    """Return how many lines there are below the header; as many rows say that no cell has a line end inside."""
    return content.count(b"\n") + (not content.endswith(b"\n")) - above


def _parsed_by_row(
    content: bytes, dialect: Dialect, separator: str, names: list[str], above: int
) -> tuple[list[str], list[pa.ChunkedArray], dict[str, int]]:
    """Return the same of a table whose rows are not all of one length."""
    import pyarrow as pa

    lines = content.decode("utf-8", "replace").splitlines(keepends=True)
    rows = cells_of([line.rstrip("\r\n") for line in lines[above - dialect.header :]], separator, dialect.quoted)
    rows = rows[1:] if dialect.header else rows
    rows = [row for row in rows if any(cell for cell in row)]
    width = len(names)
    lengths = sorted(len(row) for row in rows)
    if lengths and not dialect.header:
        width = lengths[len(lengths) // 2]
        names = [str(place) for place in range(width)]
    short = sum(len(row) < width for row in rows)
    kept = [row for row in rows if len(row) <= width or not any(cell.strip() for cell in row[width:])]
    if len(rows) - len(kept) > MOST_BROKEN * len(rows):
        place = next(i for i, row in enumerate(rows) if len(row) > width and any(map(str.strip, row[width:])))
        raise ValueError(f"row {place + 1} has {len(rows[place])} cells and the table {width} columns")
    columns = [
        pa.chunked_array([pa.array([row[place] if place < len(row) else "" for row in kept], pa.string())])
        for place in range(width)
    ]
    faults = {"short": short, "broken": len(rows) - len(kept)}
    return names, columns, faults | {"swallowed": _swallowed(columns, separator, width)}


def _swallowed(columns: Sequence[pa.ChunkedArray], separator: str, width: int) -> int:
    """Return how many lines inside of cells look like rows of their own: a lone quotation mark may have joined them."""
    import pyarrow.compute as pc

    found = 0
    for cells in columns:
        several = cells.filter(pc.match_substring(cells, "\n"))
        for text in several.to_pylist():
            lines = text.split("\n")
            inside = lines[1:-1] if separator == "," else lines  # a comma may well be part of a text
            found += sum(line.count(separator) >= width - 1 > 0 for line in inside)
    return found


def _decimal(columns: Sequence[pa.ChunkedArray], separator: str) -> Decimal:
    """Return the decimal mark of a file: by cells that have been written with no other, or by its separator."""
    marks: list[Decimal] = []
    for cells in columns:
        written = (value.strip() for value in cells.slice(0, 20_000).to_pylist())
        some = list(islice((value for value in written if value.lower() not in MISSING), 300))
        numbers = sum(any(map(str.isdigit, value[:3])) for value in some)
        if any("," in value for value in some) and numbers > len(some) / 2:
            marks.append(decimal_of(some))
    if "," in marks:
        return "," if "." not in marks else ""
    if marks and "." not in marks and separator in (";", "\t"):
        return ","  # a semicolon stands between cells where the comma stands inside of numbers
    return ""


def _finished(
    columns: Sequence[tuple[str, pa.ChunkedArray]],
    understood: Understood,
    dropped: dict[str, int],
    rows: int | None = None,
) -> Table:
    """Return the table without columns that have no name, nothing in them, or nothing but the number of the row."""
    many = len(columns[0][1]) if columns and rows is None else rows or 0
    kept: list[Column] = []
    left_out: list[tuple[str, str]] = []
    counts = {"unnamed_columns": 0, "row_number_columns": 0}
    for name, cells in columns:
        name = " ".join(name.split())
        column = Column(name, cells, understood.decimal)
        if understood.header and UNNAMED.fullmatch(name):
            counts["unnamed_columns"] += 1
            left_out.append((name, "has no name"))
        elif understood.header and plain_name(name) in ROW_NUMBER_NAMES and column.is_row_number():
            counts["row_number_columns"] += 1
            left_out.append((name, "the number of the row"))
        else:
            kept.append(column)
    return Table(tuple(kept), many, understood, {**dropped, **counts}, tuple(left_out))
