"""Which library tells separator, quoting and header of tables as people bring them: a comparison.

    python -m benchmarks.dialects

Prints one row a table and one column a reader: the rows and columns found, marked where they are wrong. The readers are
Python's own sniffer, clevercsv and DuckDB where they are installed (they are no dependencies), and Transfer Lab's.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

WORDS = ["the", "lamp", "was", "dull,", "noisy", "and", "slow;", "a", "good", "one", "|", "for", "5", "euros"]


def cases() -> dict[str, tuple[str, tuple[int, int, bool]]]:
    """Return tables by name, with the rows and columns that they have, and whether there is a header."""
    draw = random.Random(0)

    def number() -> str:
        return f"{draw.gauss(0, 3):.3f}"

    rows = [[number(), number(), f"k{i % 2}"] for i in range(40)]
    said = [" ".join(draw.choices(WORDS, k=9)) for _ in range(40)]
    numbers = [[str(draw.randrange(9)), number(), number()] for _ in range(40)]
    comma = [[cell.replace(".", ",") for cell in row] for row in rows]

    def plain(separator: str, header: str, cells: list[list[str]], end: str = "\n", last: str = "") -> str:
        return end.join([*([header] if header else []), *(separator.join(row) + last for row in cells)]) + end

    quoted = "text,label\n" + "".join(f'"{text}",{i % 2}\n' for i, text in enumerate(said))
    doubled = "text,label\n" + "".join(
        f'"he said ""{text}"", twice\nand left",{i % 2}\n' for i, text in enumerate(said)
    )
    lone = "text\tlabel\n" + "".join(f"{chr(34) * (i in (4, 31))}{text}\t{i % 2}\n" for i, text in enumerate(said))
    return {
        "comma": (plain(",", "a,b,label", rows), (40, 3, True)),
        "semicolon": (plain(";", "a;b;label", rows), (40, 3, True)),
        "tab": (plain("\t", "a\tb\tlabel", rows), (40, 3, True)),
        "bar": (plain("|", "a|b|label", rows), (40, 3, True)),
        "decimal comma": (plain(";", "a;b;label", comma), (40, 3, True)),
        "decimal comma by tab": (plain("\t", "a\tb\tlabel", comma), (40, 3, True)),
        "no header": (plain(",", "", rows), (40, 3, False)),
        "no header, numbers": (plain(",", "", numbers), (40, 3, False)),
        "header of numbers": (plain(",", "0,1,2", rows), (40, 3, True)),
        "separator at the end": (plain(",", "a,b,label,", rows, last=","), (40, 4, True)),
        "at the end of rows only": (plain(";", "a;b;label", rows, last=";"), (40, 3, True)),
        "title and notes above": ("Made in May\nby us, at home\n\n" + plain(";", "a;b;label", rows), (40, 3, True)),
        "windows line ends": (plain(",", "a,b,label", rows, end="\r\n"), (40, 3, True)),
        "old line ends": (plain(",", "a,b,label", rows, end="\r"), (40, 3, True)),
        "sep= line": ("sep=;\n" + plain(";", "a;b;label", rows), (40, 3, True)),
        "title above": ("Measurements of May\n\n" + plain(",", "a,b,label", rows), (40, 3, True)),
        "comments above": ("# made by us\n# in May\n" + plain(",", "a,b,label", rows), (40, 3, True)),
        "separators in quotes": (quoted, (40, 2, True)),
        "quotes doubled, lines in quotes": (doubled, (40, 2, True)),
        "lone quotation marks by tab": (lone, (40, 2, True)),
        "commas in texts by tab": (
            "text\tlabel\n" + "".join(f"{t}\t{i % 2}\n" for i, t in enumerate(said)), (40, 2, True)),
        "commas in texts by ;": (
            "text;label\n" + "".join(f"{t.replace(';', '')};{i % 2}\n" for i, t in enumerate(said)), (40, 2, True)),
        "two colons": (plain("::", "", numbers), (40, 3, False)),
        "blanks": (plain(" ", "", numbers), (40, 3, False)),
        "blanks in columns": ("".join(f"{a:>8}{b:>9}{c:>10}\n" for a, b, c in numbers), (40, 3, False)),
        "blank after comma": (plain(", ", "a, b, label", rows), (40, 3, True)),
        "every cell quoted": (
            "".join(",".join(f'"{cell}"' for cell in row) + "\n" for row in rows), (40, 3, False)),
        "texts last": (
            "label,text\n" + "".join(f'{i % 2},"{t}"\n' for i, t in enumerate(said)), (40, 2, True)),
        "one row": ("a,b,label\n1,2,x\n", (1, 3, True)),
    }  # fmt: skip


def by_csv(path: Path) -> tuple[int, int, bool]:
    """Python's own sniffer."""
    text = path.read_text()
    dialect = csv.Sniffer().sniff(text[:4096])
    header = csv.Sniffer().has_header(text[:4096])
    rows = [row for row in csv.reader(text.splitlines(keepends=True), dialect) if row]
    return len(rows) - header, max(map(len, rows)), header


def by_clevercsv(path: Path) -> tuple[int, int, bool]:
    """Clevercsv: van den Burg, Nazabal & Sutton, Wrangling messy CSV files by detecting row and type patterns, 2019."""
    import clevercsv

    text = path.read_text()
    dialect = clevercsv.Sniffer().sniff(text[:8192])
    header = clevercsv.Sniffer().has_header(text[:8192])
    rows = [row for row in clevercsv.reader(text.splitlines(keepends=True), dialect) if row]
    return len(rows) - header, max(map(len, rows)), header


def by_duckdb(path: Path) -> tuple[int, int, bool]:
    """DuckDB's sniffer, and its reader with what that found."""
    import duckdb

    header = duckdb.execute("SELECT HasHeader FROM sniff_csv(?)", [str(path)]).fetchone()[0]
    found = duckdb.execute("SELECT * FROM read_csv(?)", [str(path)])
    return len(found.fetchall()), len(found.description), bool(header)


def by_transfer_lab(path: Path) -> tuple[int, int, bool]:
    """The reader of this project."""
    from tlcore.datasets.tables import TableFile

    table = TableFile(path=str(path)).table()
    return table.rows, len(table.columns) + len(table.left_out), table.understood.header


READERS: dict[str, Callable[[Path], tuple[int, int, bool]]] = {
    "csv.Sniffer": by_csv, "clevercsv": by_clevercsv, "duckdb": by_duckdb, "tlcore": by_transfer_lab,
}  # fmt: skip


def main() -> None:
    """Print the table."""
    right = dict.fromkeys(READERS, 0)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        print(f"{'':34}" + "".join(f"{name:>22}" for name in READERS))
        for name, (content, expected) in cases().items():
            path.write_bytes(content.encode())
            cells = []
            for reader, read in READERS.items():
                try:
                    found: object = read(path)
                except Exception as error:  # noqa: BLE001  whatever a reader raises is its answer
                    found = type(error).__name__
                right[reader] += found == expected
                shown = " ".join(map(str, found)) if isinstance(found, tuple) else str(found)[:18]
                cells.append(f"{'' if found == expected else '✗ '}{shown}")
            print(f"{name:34}" + "".join(f"{cell:>22}" for cell in cells))
    print(f"{'right':34}" + "".join(f"{f'{count} of {len(cases())}':>22}" for count in right.values()))


if __name__ == "__main__":
    main()
