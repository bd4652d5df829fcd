"""Own texts: formats, encodings, columns and labels as they come, and what is refused in one line."""

import gzip
import json
import re
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tlcore.datasets.texts import LONGEST, TextFile
from tlcore.errors import SpecificationError

ROWS = [
    ("good film", "yes"),
    ("Größe und Übermut", "no"),
    ("这部电影很好看", "yes"),
    ('he said "no", twice\nand left', "no"),
]


def written(tmp_path, content: bytes | str, name: str = "texts.csv", **fields) -> TextFile:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return TextFile(path=str(path), **fields)


def frame() -> pd.DataFrame:
    return pd.DataFrame(ROWS, columns=["text", "label"])


@pytest.mark.parametrize(
    "form", ["csv", "semicolon", "tsv", "bom", "utf-16", "gb18030", "gz", "jsonl", "json", "parquet"]
)
def test_every_format_gives_the_same_texts(form, tmp_path):
    table = frame()
    if form == "parquet":
        table.to_parquet(tmp_path / "texts.parquet")
        file = TextFile(path=str(tmp_path / "texts.parquet"))
    elif form in ("json", "jsonl"):
        content = table.to_json(orient="records", lines=form == "jsonl", force_ascii=False)
        file = written(tmp_path, content, f"texts.{form}")
    else:
        if form == "gb18030":
            table = table.iloc[[0, 2, 3]]
            table = pd.concat(
                [table, pd.DataFrame({"text": ["今天天气不错，我们去公园散步吧"] * 3, "label": ["no"] * 3})]
            )
        separator = {"semicolon": ";", "tsv": "\t"}.get(form, ",")
        content = table.to_csv(index=False, sep=separator).encode(
            {"bom": "utf-8-sig", "utf-16": "utf-16", "gb18030": "gb18030"}.get(form, "utf-8")
        )
        file = written(tmp_path, gzip.compress(content) if form == "gz" else content, f"t.csv{'.gz' * (form == 'gz')}")
    read = file.read()
    assert list(zip(read.texts, read.labels, strict=True)) == list(table.itertuples(index=False, name=None))
    assert not any(read.dropped.values())


def test_lines_in_another_encoding_are_read_and_counted(tmp_path):
    lines = [f"text number {i} – fine,yes".encode() for i in range(10)] + [
        "un été à Orléans déjà passé,no".encode("latin-1")
    ]
    read = written(tmp_path, b"text,label\n" + b"\n".join(lines)).read()
    assert read.texts[0] == "text number 0 – fine"
    assert read.texts[-1] == "un été à Orléans déjà passé"
    assert read.dropped["misread"] == 1


def test_empty_texts_and_missing_labels_are_left_out_and_counted(tmp_path):
    read = written(tmp_path, "text,label\na,yes\n  ,no\nb,\nc,NaN\nnan,no\nd,yes\n").read()
    assert read.texts == ["a", "d"]
    assert {why: count for why, count in read.dropped.items() if count} == {"empty": 2, "unlabelled": 2}


def test_a_text_of_a_megabyte_is_cut(tmp_path):
    read = written(tmp_path, "text,label\n" + "word " * 200_000 + ",yes\nb,no\n").read()
    assert [len(text) for text in read.texts] == [LONGEST, 1]
    assert read.dropped["cut"] == 1


def test_numbers_are_labels_too_and_are_renamed(tmp_path):
    lines = "\n".join(json.dumps({"review": f"t{i}", "stars": stars}) for i, stars in enumerate([1, 5.0, 3, 5]))
    read = written(tmp_path, lines, "t.jsonl", rename={"1": "bad", "5": "good", "3": ""}).read()
    assert read.texts == ["t0", "t1", "t3"]
    np.testing.assert_array_equal(read.labels, ["bad", "good", "good"])


def test_named_columns_are_taken(tmp_path):
    read = written(tmp_path, "a|b|text\nx|1|no\ny|2|no\n", text="a", label="b").read()
    assert (read.texts, read.labels.tolist()) == (["x", "y"], ["1", "2"])


def test_names_are_written_as_on_the_command_line(tmp_path):
    file = written(tmp_path, "text,label\na,1\nb,2\n", rename="1=one, 2=")
    assert file.rename == {"1": "one", "2": ""}
    assert file.read().labels.tolist() == ["one"]
    with pytest.raises(ValueError, match="write label=name"):
        written(tmp_path, "text,label\na,1\n", rename="one")


@pytest.mark.parametrize(
    ("content", "fields", "words"),
    [
        ("text,label\n", {}, "no row with a text and a label in its 0 rows"),
        (" \n", {}, "is empty"),
        ("just one column\nx\n", {}, "has one column"),
        ("text,kind\na,b\n", {}, "label: no column .* is called label; .* text, kind"),
        ("text,review,label\na,b,c\n", {}, "text: .* has columns text, review"),
        ("text,label\na,b\n", {"label": "y"}, "label: .* has no column 'y'. Allowed: text, label"),
        ("text,label\na,b\n", {"rename": {"c": "d"}}, "rename: .* has no label 'c'. Allowed: b"),
        ("text,label\n" + "\n".join(f"t,kind {i}" for i in range(150)), {}, "150 different values"),
        ("text,label\na,b,c\nd,e,f,g\n", {}, "cannot be read as a table"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0" + bytes(range(256)) * 20, {}, "path"),
        ('{"text": "a", "label": \n', {}, "cannot be read as a table"),
        (b"PAR1 and then nothing", {}, "cannot be read as a table"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(content, fields, words, tmp_path):
    with pytest.raises(SpecificationError, match=words) as refused:
        written(tmp_path, content, **fields).read()
    assert "\n" not in str(refused.value)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub with one data set, whose labels are numbers with names, on a port of this machine."""
    features = {"sentence": {"_type": "Value"}, "label": {"names": ["bad", "good"], "_type": "ClassLabel"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    site = tmp_path / "site"
    for split, labels in {"test": [1, 0, -1], "train": [0, 0, 1]}.items():
        table = pa.table({"sentence": [f"{split} {i}" for i in range(3)], "label": labels})
        (site / "files").mkdir(parents=True, exist_ok=True)
        pq.write_table(table.replace_schema_metadata(metadata), site / f"files/{split}.parquet")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site))) as server:
        address = f"http://127.0.0.1:{server.server_port}"
        listed = {split: [f"{address}/files/{split}.parquet"] for split in ("test", "train")}
        (site / "api/datasets/some-lab/opinions").mkdir(parents=True)
        (site / "api/datasets/some-lab/opinions/parquet").write_text(json.dumps({"default": listed}))
        monkeypatch.setenv("HF_ENDPOINT", address)
        monkeypatch.setenv("TRANSFER_LAB_HOME", str(tmp_path / "home"))
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_arguments: object) -> None:
        pass


def test_a_data_set_of_the_hub_comes_with_the_names_of_its_labels(hub):
    texts = TextFile(path="hf://datasets/some-lab/opinions").read()
    assert texts.texts == ["train 0", "train 1", "train 2"]
    assert texts.labels.tolist() == ["bad", "bad", "good"]
    named = TextFile(path="hf://datasets/some-lab/opinions/default/test")
    assert named.read().labels.tolist() == ["good", "bad"]
    assert named.read().dropped["unlabelled"] == 1  # -1
    assert named.name == "some-lab/opinions/default/test"


def test_a_data_set_of_the_hub_is_fetched_once(hub):
    pinned = TextFile(path="hf://datasets/some-lab/opinions").pinned()
    assert pinned.name == "some-lab-opinions.parquet"
    hub.shutdown()
    hub.server_close()
    assert len(TextFile(path="hf://datasets/some-lab/opinions").read()) == 3


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("some-lab/opinions/default/validation", "has no default/validation. Allowed: default/test, default/train"),
        ("some-lab/nothing", "cannot be had: File not found. Fetch it where there is a network"),
        ("a/b/c/d/e", "write hf://datasets/NAME or hf://datasets/NAME/SUBSET/SPLIT"),
    ],
)
@pytest.mark.slow
def test_what_the_hub_does_not_have_is_said_in_one_line(path, words, hub):
    with pytest.raises(SpecificationError, match=re.escape(words)) as refused:
        TextFile(path=f"hf://datasets/{path}").pinned()
    assert "\n" not in str(refused.value)


def test_a_hub_out_of_reach_is_said_in_one_line(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("TRANSFER_LAB_HOME", str(tmp_path))
    with pytest.raises(SpecificationError, match=r"path: 'hf://datasets/imdb' cannot be had: .*refused"):
        TextFile(path="hf://datasets/imdb").pinned()


def test_one_renaming_follows_another(tmp_path):
    file = written(tmp_path, "text,label\na,1\nb,2\nc,3\nd,4\n", rename="1=one, 2=two, 4=")
    assert file.labels() == ("3", "one", "two")
    names = {"one": "uno", "3": "tre", "two": ""}
    both = file.model_copy(update={"rename": file.relabelled(names)})
    assert both.rename == {"1": "uno", "2": "", "3": "tre", "4": ""}
    assert both.labels() == ("tre", "uno")
