"""Tables of interactions in the formats that they come in, and what is said of those that cannot be read."""

import gzip
import io
import re
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tlcore.datasets import own
from tlcore.datasets.columns import MISSING, name_of
from tlcore.datasets.interactions import InteractionFile, Interactions
from tlcore.errors import SpecificationError

ROWS = [("7", "a1", 4.0, 100), ("7", "a2", 2.5, 105), ("007", "a1", 5.0, 50), ("Zoë", "a3", 1.0, 7)]
DATES = {
    100: "1970-01-01T00:01:40",
    105: "1970-01-01 00:01:45+00:00",
    50: "1970-01-01T00:00:50Z",
    7: "1970-01-01 00:00:07",
}


def table(separator: str, header: str = "", end: str = "\n") -> str:
    lines = [separator.join(map(str, row)) for row in ROWS]
    return end.join([header, *lines] if header else lines) + end


def zipped(files: dict[str, str]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return content.getvalue()


def parquet(frame: pd.DataFrame) -> bytes:
    content = io.BytesIO()
    frame.to_parquet(content)
    return content.getvalue()


FRAME = pd.DataFrame(ROWS, columns=["user_id", "item_id", "rating", "timestamp"])
QUOTED = '"User-ID";"ISBN";"Book-Rating";"Time"\r\n' + "".join(f'"{u}";"{i}";"{r}";"{t}"\r\n' for u, i, r, t in ROWS)
FORMATS = {
    "plain.csv": table(",", "user_id,item_id,rating,timestamp").encode(),
    "windows.csv": table(",", "UserId,MovieId,Rating,Timestamp", "\r\n").encode("utf-8-sig"),
    "tabs.tsv": table("\t", "user\titem\tscore\ttime").encode(),
    "no-header.csv": table(",").encode("utf-8-sig"),
    "ratings.dat": table("::").encode(),
    "book-crossing.csv": QUOTED.encode("latin-1"),
    "recbole.inter": table("\t", "user_id:token\titem_id:token\trating:float\ttimestamp:float").encode(),
    "amazon.csv.gz": gzip.compress(table(",", "user_id,parent_asin,rating,timestamp").encode()),
    "ml-1m.zip": zipped({"ml-1m/README": "Read me", "ml-1m/movies.dat": "1::Toy", "ml-1m/users.dat": "1::F",
                         "ml-1m/ratings.dat": table("::")}),
    "one.zip": zipped({"whatever.csv": table(",", "user,item,rating,time")}),
    "plain.parquet": parquet(FRAME),
    "categories.parquet": parquet(FRAME.astype({"user_id": "category", "item_id": "category", "rating": "Float32"})),
    "times.parquet": parquet(FRAME.assign(timestamp=pd.to_datetime(FRAME["timestamp"], unit="s"))),
    "dates.csv": ("user,item,rating,date\n" + "".join(f"{u},{i},{r},{DATES[t]}\n" for u, i, r, t in ROWS)).encode(),
}  # fmt: skip


def read(folder: Path, content: bytes | str, name: str = "table.csv", **columns: str) -> Interactions:
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return InteractionFile(path=str(folder / name), **columns).pinned().read()


def rows(found: Interactions) -> set[tuple]:
    cells = [found.users[found.user], found.items[found.item]]
    cells += [[None] * len(found) if part is None else part for part in (found.rating, found.time)]
    return set(zip(*cells, strict=True))


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_says_the_same(name, tmp_path):
    found = read(tmp_path, FORMATS[name], name)
    assert rows(found) == set(ROWS)
    assert not any(found.dropped.values())


def test_numbers_in_parquet_are_names_without_a_point(tmp_path):
    frame = pd.DataFrame({"user": [1, 2, None], "item": [5, 6, 7]}).astype({"user": "Int64"})
    found = read(tmp_path, parquet(frame), "t.parquet")
    assert rows(found) == {("1", "5", None, None), ("2", "6", None, None)}
    assert found.dropped["incomplete"] == 1


NAMES = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=6).filter(
    lambda name: name.lower() not in MISSING and name_of(name) == name
)
TABLES = st.lists(st.tuples(NAMES, NAMES), min_size=1, max_size=12)


@given(TABLES)
@settings(max_examples=150, deadline=None)
@pytest.mark.slow
def test_names_stay_as_they_are(tmp_path_factory, pairs):
    content = pd.DataFrame(pairs, columns=["user", "item"]).to_csv(index=False)
    found = read(tmp_path_factory.mktemp("names"), content, encoding="utf-8")
    assert {row[:2] for row in rows(found)} == set(pairs)
    assert found.dropped["duplicates"] == len(pairs) - len(set(pairs))


@pytest.mark.parametrize("names", ["007,7", "深圳,上海", "True,T", "1e999,7", "1_000,1000"])
def test_names_that_look_like_something_else_are_names(names, tmp_path):
    user, item = names.split(",")
    found = read(tmp_path, f"user,item\n{user},{item}\n{item},{user}\n")
    assert {row[:2] for row in rows(found)} == {(user, item), (item, user)}


def test_of_a_repeated_choice_the_latest_counts(tmp_path):
    found = read(tmp_path, "user,item,rating,time\nu,i,1,5\nu,i,2,9\nu,i,3,7\nu,j,4,1\n")
    assert rows(found) == {("u", "i", 2.0, 9.0), ("u", "j", 4.0, 1.0)}
    assert found.dropped["duplicates"] == 2


def test_without_times_the_lower_row_counts_as_later(tmp_path):
    found = read(tmp_path, "user,item,rating\nu,i,1\nu,i,2\nu,j,4\nu,i,3\n")
    assert rows(found) == {("u", "i", 3.0, None), ("u", "j", 4.0, None)}
    assert list(found.items[found.item]) == ["j", "i"]


def test_rows_that_lack_something_are_left_out_and_counted(tmp_path):
    found = read(tmp_path, "user,item,rating\n,i,1\nu,,2\nu,j,\nu,i,3\n")
    assert rows(found) == {("u", "i", 3.0, None)}
    assert found.dropped["incomplete"] == 3


def test_columns_can_be_named_or_left_aside(tmp_path):
    content = "who,what,user,item,rating,time\na,b,x,y,bad,worse\n"
    found = read(tmp_path, content, user="who", item="what", rating="none", time="none")
    assert rows(found) == {("a", "b", None, None)}


def test_columns_without_a_header_can_be_numbered(tmp_path):
    found = read(tmp_path, "5,i,u\n3,j,v\n", user="2", item="1", rating="0")
    assert rows(found) == {("u", "i", 5.0, None), ("v", "j", 3.0, None)}


@pytest.mark.parametrize(
    ("content", "columns", "words"),
    [
        ("", {}, ["path", "empty"]),
        ("\n\n", {}, ["path", "empty"]),
        ("user,item\n", {}, ["path", "no row"]),
        ("user,item\n,\n", {}, ["path", "no row", "1 rows"]),
        (b"\x00\x01\x02\xff" * 50, {}, ["path", "cannot be read as a table", "CSV"]),
        (b"PAR1" + b"\x00" * 40, {}, ["path", "Parquet"]),
        ("user,item\nu,i\n", {"item": "good"}, ["item", "'good'", "user, item"]),
        ("shop,price\nu,3\n", {}, ["user", "shop, price"]),
        ("user,item_id,book_id\nu,i,b\n", {}, ["item", "item_id, book_id"]),
        ("user,item,rating\nu,i,good\n", {}, ["rating", "'good'", "row 1", "not a number", "rating=none"]),
        ("user,item,rating\nu,i,2\nu,j,-1\n", {}, ["rating", "'-1'", "row 2", "negative"]),
        ("user,item,rating\nu,i,inf\n", {}, ["rating", "'inf'", "finite"]),
        ("user,item,date\nu,i,yesterday\n", {}, ["time", "'yesterday'", "row 1", "2024-05-31", "time=none"]),
        ("user,item\nu,i\nu,j,3,4,5\n", {}, ["path", "cannot be read"]),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_said_in_one_line(content, columns, words, tmp_path):
    with pytest.raises(SpecificationError) as refused:
        read(tmp_path, content, **columns)
    message = str(refused.value)
    assert "\n" not in message
    assert message.startswith(words[0])
    assert all(word in message for word in words), message


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("two.zip", zipped({"ratings1.csv": "user,item", "ratings2.csv": "user,item"}), ["ratings1.csv, ratings2"]),
        ("none.zip", zipped({}), ["no file"]),
        ("broken.zip", zipped({"a.csv": "user,item\nu,i"})[:40], ["unpacked"]),
        ("broken.gz", gzip.compress(b"user,item\nu,i\n" * 99)[:30], ["unpacked"]),
    ],
    ids=["two files", "no file", "broken zip", "broken gz"],  # of their bytes it would be another each time
)  # fmt: skip
def test_an_archive_that_cannot_be_unpacked_says_why(name, content, words, tmp_path):
    with pytest.raises(SpecificationError) as refused:
        read(tmp_path, content, name)
    assert re.match(r"path: .*", str(refused.value))
    assert all(word in str(refused.value) for word in words), refused.value


@pytest.mark.parametrize("kind", ["gz", "zip"])
def test_a_bomb_is_not_unpacked(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(own, "LARGEST", 5000)
    text = "user,item\n" + "u,i\n" * 5000
    content = gzip.compress(text.encode()) if kind == "gz" else None
    if kind == "zip":
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.csv", text)
        content = packed.getvalue()
    assert len(content) < 5000
    with pytest.raises(SpecificationError, match="unpacks to more than 5,000 bytes"):
        read(tmp_path, content, f"bomb.{kind}")


def test_a_large_table_is_read_at_once(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"user": rng.integers(2000, size=50_000), "item": rng.integers(500, size=50_000)})
    found = read(tmp_path, frame.to_csv(index=False))
    assert {row[:2] for row in rows(found)} == set(map(tuple, frame.astype(str).to_numpy().tolist()))
