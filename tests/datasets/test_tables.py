"""Tables as people bring them: the same values whatever the dialect, format and package; the rest said in one line."""

import bz2
import csv
import gzip
import io
import json
import lzma
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.csv
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from tests.datasets.workbooks import workbook, zipped
from tlcore.datasets.columns import MISSING, name_of
from tlcore.datasets.features import FeatureFile
from tlcore.datasets.tables import TableFile
from tlcore.errors import SpecificationError


def table(folder: Path, content: bytes | str, name: str = "table.csv", **told):
    place = folder / name
    place.write_bytes(content.encode() if isinstance(content, str) else content)
    return TableFile(path=str(place), **told).table()


def cells(found) -> dict[str, list[str]]:
    return {column.name: column.texts() for column in found.columns}


PLAIN = "a,b,label\n1.5,x,k0\n-2,y,k1\n3,x,k0\n"
SAME = {"a": ["1.5", "-2", "3"], "b": ["x", "y", "x"], "label": ["k0", "k1", "k0"]}
WRITTEN = {
    "semicolon": PLAIN.replace(",", ";"),
    "tab": PLAIN.replace(",", "\t"),
    "bar": PLAIN.replace(",", "|"),
    "colons": PLAIN.replace(",", "::"),
    "blank after comma": PLAIN.replace(",", ", "),
    "blanks around names": PLAIN.replace("a,b,label", " a , b ,label "),
    "separator at the end": PLAIN.replace("\n", ",\n"),
    "at the end of rows alone": PLAIN.replace("\n", ";\n").replace(",", ";").replace("label;", "label"),
    "windows": PLAIN.replace("\n", "\r\n"),
    "old mac": PLAIN.replace("\n", "\r"),
    "mixed line ends": PLAIN.replace("x,k0\n", "x,k0\r\n"),
    "no last line end": PLAIN.rstrip(),
    "empty lines": PLAIN.replace("\n", "\n\n"),
    "byte order mark": PLAIN.encode("utf-8-sig"),
    "utf-16": PLAIN.encode("utf-16"),
    "utf-16 without a mark": PLAIN.encode("utf-16-le"),
    "quoted": '"a","b","label"\n"1.5","x","k0"\n"-2","y","k1"\n"3","x","k0"\n',
    "sep=": "sep=;\n" + PLAIN.replace(",", ";"),
    "sep= by windows": "sep=,\r\n" + PLAIN.replace("\n", "\r\n"),
    "notes": "# what\n# and when\n" + PLAIN,
    "row numbers": ",a,b,label\n0,1.5,x,k0\n1,-2,y,k1\n2,3,x,k0\n",
    "row numbers twice": ",Unnamed: 0,a,b,label\n0,0,1.5,x,k0\n1,1,-2,y,k1\n2,2,3,x,k0\n",
    "row numbers four times": (
        "Unnamed: 0.2,Unnamed: 0.1.1,Unnamed: 0.1,Unnamed: 0,a,b,label\n"
        "0,0,0,0,1.5,x,k0\n1,1,1,1,-2,y,k1\n2,2,2,2,3,x,k0\n"
    ),
    "short rows": PLAIN + "\n" * 3,
}


@pytest.mark.parametrize("how", WRITTEN)
def test_the_same_table_in_every_dialect(how, tmp_path):
    assert cells(table(tmp_path, WRITTEN[how])) == SAME


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv.gz", gzip.compress(PLAIN.encode())),
        ("T.CSV.GZ", gzip.compress(PLAIN.encode())),
        ("gzip-called.csv", gzip.compress(PLAIN.encode())),
        ("t.csv.bz2", bz2.compress(PLAIN.encode())),
        ("t.csv.xz", lzma.compress(PLAIN.encode())),
        ("T.ZIP", zipped(**{"T.CSV": PLAIN})),
        ("zip-called.csv", zipped(**{"t.csv": PLAIN})),
        ("finder.zip", zipped(**{"t.csv": PLAIN, "__MACOSX/._t.csv": b"\0\5\x16\7", "__MACOSX/": b""})),
        ("left.zip", zipped(**{"d/t.csv": PLAIN, "d/.DS_Store": b"\0", "d/Thumbs.db": b"\0", "d/desktop.ini": "x"})),
        ("git.zip", zipped(**{"r/t.csv": PLAIN, "r/.git/HEAD": "x", "r/.gitignore": "x", "r/.gitattributes": "x"})),
        ("readme.zip", zipped(**{"t.csv": PLAIN, "README.md": "read me", "LICENSE": "MIT"})),
        ("twice.zip", zipped(**{"t.csv.gz": gzip.compress(PLAIN.encode())})),
        ("no-ending", PLAIN.encode()),
        ("wrong.parquet", PLAIN.encode()),
    ],
    ids=lambda part: part if isinstance(part, str) else "",  # the bytes hold the time when they were made
)
def test_packed_or_called_otherwise(name, content, tmp_path):
    assert cells(table(tmp_path, content, name)) == SAME


@pytest.mark.parametrize(
    ("content", "header", "names"),
    [
        ("5.1,3.5,setosa\n4.9,3.0,setosa\n6.1,2.8,versicolor\n", "none", ["0", "1", "2"]),
        ("1,2,3\n4,5,6\n", "none", ["0", "1", "2"]),
        ("0,1,2\n4.5,5,6\n7,8,9\n", "first row", ["0", "1", "2"]),
        ("1,2,label\n4,5,x\n", "first row", ["1", "2", "label"]),
        ("great film,good\ndull plot,bad\nfine cast,good\nslow end,bad\n", "none", ["0", "1"]),
        ("what,kind\ngreat film,good\ndull plot,bad\nfine cast,good\nslow end,bad\n", "first row", ["what", "kind"]),
        ("text,label\na,y\n", "first row", ["text", "label"]),
        ("good one,y\nbad one,n\nfine,y\nno,n\nyes,y\nor,n\n", "none", ["0", "1"]),
        ("a b\n1 2\n3 4\n", "first row", ["a", "b"]),
        ("名称,标签\n甲,好\n乙,坏\n", "first row", ["名称", "标签"]),
    ],
)
def test_a_header_or_none(content, header, names, tmp_path):
    found = table(tmp_path, content)
    assert found.names == names
    assert found.understood.header == (header != "none")


def test_what_a_person_says_wins(tmp_path):
    said = table(tmp_path, "a;b,c\n1;2,3\n4;5,6\n", separator="comma", header="no")
    assert cells(said) == {"0": ["a;b", "1;2", "4;5"], "1": ["c", "3", "6"]}
    assert cells(table(tmp_path, "猫,狗\n1,2\n".encode("gb18030"), encoding="gb18030")) == {"猫": ["1"], "狗": ["2"]}
    column = table(tmp_path, "a;b\n1.234;x\n", decimal=",").columns[0]
    assert column.numbers().tolist() == [1234]
    kinds = table(tmp_path, "zip;b\n10115;x\n", kinds="zip=category, b=text").columns
    assert [column.kind for column in kinds] == ["category", "text"]
    assert table(tmp_path, PLAIN, leave_out="a, b").names == ["label"]
    kept = table(tmp_path, "a,b\nNA,1\n,2\n", not_missing="NA").columns[0]
    assert kept.names().tolist() == ["NA", ""]


def test_a_label_that_counts_as_missing_is_said(tmp_path):
    (tmp_path / "t.csv").write_text("a,label\n1.5,None\n2.5,high\n3,None\n")
    found = {column.name: column.why for column in FeatureFile(path=str(tmp_path / "t.csv")).look().columns}
    assert found == {"a": "", "label": "'None' counts as missing; not_missing=None takes it as a label"}
    said = FeatureFile(path=str(tmp_path / "t.csv"), not_missing="None").look()
    assert said.labels == {"None": 2, "high": 1}


def test_one_column_of_a_file_tells_the_decimal_mark_of_all(tmp_path):
    found = table(tmp_path, "x;y;label\n1,234;28,7;a\n2,345;1,25;b\n3,456;0,5;a\n")
    assert found.columns[0].numbers().tolist() == [1.234, 2.345, 3.456]
    assert found.columns[1].numbers().tolist() == [28.7, 1.25, 0.5]
    sparse = "x;label\n" + ";a\n" * 3 + "NA;b\n" * 400 + "1,000;a\n"
    assert table(tmp_path, sparse).columns[0].numbers()[-1] == 1  # the only number, below missing cells
    quoted = table(tmp_path, 'x,y,label\n"1,234",28.7,a\n"2,345",1.25,b\n')
    assert quoted.columns[0].numbers().tolist() == [1234, 2345]
    quoted = table(tmp_path, 'x,y,label\n"1,234","28,7",a\n"2,345","1,25",b\n')
    assert quoted.columns[0].numbers().tolist() == [1.234, 2.345]


def test_where_every_number_has_a_comma_semicolons_part_the_cells(tmp_path):
    rng = np.random.default_rng(0)
    lines = [";".join(f"{value:.2f}".replace(".", ",") for value in row) for row in rng.normal(size=(60, 6))]
    for header in (["a;b;c;d;e;price"], []):
        found = table(tmp_path, "\n".join([*header, *lines]))
        assert found.understood.separator == ";"
        assert len(found.columns) == 6
        assert found.rows == 60
    plain = "\n".join(["a,b", *(f"{i},{i % 7}" for i in range(60))])
    assert table(tmp_path, plain).understood.separator == ","


def test_a_lone_quotation_mark_by_tab_is_a_sign(tmp_path):
    rows = [("the lamp is 5", "0"), ('"the lamp is dull', "1"), ("quick", "0"), ('a 3" pipe', "1"), ('"x', "0")]
    content = "text\tlabel\n" + "".join("\t".join(row) + "\n" for row in rows)
    assert cells(table(tmp_path, content)) == {"text": [row[0] for row in rows], "label": [row[1] for row in rows]}


def test_rows_inside_a_quotation_are_counted(tmp_path):
    rows = "".join(f"text number {i}\t{i % 2}\n" for i in range(40))
    content = f'text\tlabel\n"two\tmore"\t1\n{rows}"open\t1\n{rows}closed"\t0\n'
    assert table(tmp_path, content).dropped["swallowed"] >= 40


def test_rows_with_too_many_cells_are_left_out_or_refused(tmp_path):
    few = "a,b\n" + "1,2\n" * 60 + "1,2,3\n" + "1\n"
    found = table(tmp_path, few)
    assert found.dropped["broken"] == 1
    assert found.dropped["short"] == 1
    assert found.rows == 61
    with pytest.raises(SpecificationError, match="row 2 has 3 cells and the table 2 columns"):
        table(tmp_path, "a,b\n1,2\n1,2,3\n4,5\n", separator="comma")


FRAME = pd.DataFrame({"a": [1.5, -2, 3], "b": ["x", "y", "x"], "label": ["k0", "k1", "k0"]})


SHEET = [["a", "b", "label"], [1.5, "x", "k0"], [-2, "y", "k1"], [3, "x", "k0"]]


@pytest.mark.parametrize("before", [(), (["Measurements of May"], [None])])
def test_a_sheet_is_a_table(before, tmp_path):
    found = table(tmp_path, workbook(SHEET, before=before), "book.xlsx")
    assert [column.name for column in found.columns] == ["a", "b", "label"]
    assert found.columns[0].numbers().tolist() == [1.5, -2, 3]
    assert found.columns[2].names().tolist() == ["k0", "k1", "k0"]
    assert found.understood.sheet == "Data"


def test_a_sheet_by_its_name(tmp_path):
    with pytest.raises(SpecificationError, match="sheet: 'Date' is not known; did you mean 'Data'"):
        table(tmp_path, workbook(SHEET), "book.xlsx", sheet="Date")
    with pytest.raises(SpecificationError, match="it has no row"):
        table(tmp_path, workbook(SHEET), "book.xlsx", sheet="Notes")


@pytest.mark.parametrize("form", ["parquet", "feather", "json", "jsonl", "json of columns", "json in an object"])
def test_formats_with_types(form, tmp_path):
    content = io.BytesIO()
    records = FRAME.to_dict("records")
    match form:
        case "parquet":
            FRAME.astype({"b": "category"}).to_parquet(content)
        case "feather":
            FRAME.to_feather(content)
        case "json":
            content.write(json.dumps(records).encode())
        case "jsonl":
            content.write("\n".join(map(json.dumps, records)).encode())
        case "json of columns":
            content.write(json.dumps(FRAME.to_dict("list")).encode())
        case "json in an object":
            content.write(json.dumps({"version": 2, "data": records}, indent=1).encode())
    found = table(tmp_path, content.getvalue(), "t")
    assert found.names == ["a", "b", "label"]
    assert found.columns[0].numbers().tolist() == [1.5, -2, 3]
    assert found.columns[1].names().tolist() == ["x", "y", "x"]


def test_numbers_and_dates_in_json_stay_what_they_are(tmp_path):
    lines = [{"user": 12345678901234567890, "date": 7, "x": 5.0}, {"user": 3, "date": None, "x": 5}]
    found = table(tmp_path, "\n".join(map(json.dumps, lines)))
    assert found.columns[0].names().tolist() == ["12345678901234567890", "3"]
    assert found.columns[1].names().tolist() == ["7", ""]
    assert found.columns[2].names().tolist() == ["5", "5"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + bytes(range(256)) * 9, "cannot be read as a table"),
        (b"Rar!\x1a\x07\x01\0" + bytes(60), "is a .rar archive"),
        (b"7z\xbc\xaf\x27\x1c" + bytes(60), "is a .7z archive"),
        (zipped(**{"a.csv": PLAIN, "b.csv": PLAIN}), "holds a.csv, b.csv; unpack it and name the one"),
        (zipped(**{".DS_Store": b"x"}), "holds no file"),
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "it is a page of the web"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 3\n", "run git lfs pull"),
        (b"SQLite format 3\0" + bytes(100), "it is a database"),
        (b"\x1f\x8b\x08\0broken", "cannot be unpacked"),
        (b"PK\3\4broken", "cannot be unpacked"),
        (b"just words\nand more\n", "has one column"),
        (b"   \n \n", "is empty"),
        (b"[1, 2, 3]", "no list of records"),
        (b"[" * 100_000, "cannot be read as a table"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "no workbook that can be opened"),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_what_is_no_table_is_said_in_one_line(content, words, tmp_path):
    with pytest.raises(SpecificationError, match=words) as refused:
        table(tmp_path, content)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 600


VALUES = st.text(
    st.characters(codec="gb18030", exclude_categories=["Cc", "Cs", "Zl", "Zp", "Co", "Cn"]), min_size=1, max_size=12
).filter(lambda text: name_of(text) == text and text.lower() not in MISSING and text == text.strip())
NUMBERS = st.floats(-1e6, 1e6, allow_nan=False).map(lambda number: round(number, 3))


@given(
    st.lists(st.tuples(VALUES, NUMBERS, st.sampled_from(["yes", "no"]), st.booleans()), min_size=4, max_size=25),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "gb18030"]),
    st.booleans(),
    st.booleans(),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@pytest.mark.slow
def test_a_table_in_any_dialect_reads_back(tmp_path_factory, rows, separator, end, encoding, quote_all, decimal_comma):
    decimal_comma = decimal_comma and separator in (";", "\t")
    texts = ["".join(sign for sign in text if separator != sign) or "x" for text, *_ in rows]
    assume(all(name_of(text) == text and text.lower() not in MISSING and text == text.strip() for text in texts))
    content = io.StringIO()
    writer = csv.writer(
        content, delimiter=separator, lineterminator=end, quoting=csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL
    )
    writer.writerow(["text", "size", "label"])
    for text, (_, number, label, missing) in zip(texts, rows, strict=True):
        said = "" if missing else f"{number:.3f}"
        writer.writerow([text, said.replace(".", ",") if decimal_comma else said, label])
    told = (
        {} if encoding != "gb18030" else {"encoding": "gb18030"}
    )  # what it is by itself: tests/datasets/test_encoding.py
    if encoding == "utf-8":
        told = {"encoding": "utf-8"}
    found = table(tmp_path_factory.mktemp("t"), content.getvalue().encode(encoding), **told)
    assert found.names == ["text", "size", "label"]
    assert found.columns[0].texts() == texts
    assert found.columns[2].names().tolist() == [label for *_, label, _ in rows]
    if not all(missing for *_, missing in rows):
        expected = [np.nan if missing else number for _, number, _, missing in rows]
        np.testing.assert_allclose(found.columns[1].numbers(), expected, atol=5e-4)


def test_a_large_file_is_read_as_pyarrow_reads_it(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(20_000, 6)).round(4), columns=list("abcdef")).assign(
        label=rng.choice(["x", "y"], 20_000)
    )
    frame.to_csv(tmp_path / "large.csv", index=False)
    found = TableFile(path=str(tmp_path / "large.csv")).table()
    bare = pyarrow.csv.read_csv(tmp_path / "large.csv")
    for column in found.columns[:-1]:
        np.testing.assert_array_equal(column.numbers(), bare[column.name].to_numpy())
