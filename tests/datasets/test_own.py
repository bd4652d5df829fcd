"""Files of a person's own are pinned, unpacked within bounds, and kept under harmless names."""

import hashlib

import pytest

from tlcore.artefacts import home
from tlcore.datasets import own
from tlcore.datasets.own import OwnFile, keep_upload
from tlcore.errors import SpecificationError


def test_a_file_is_pinned_by_absolute_path_and_checksum(tmp_path, monkeypatch):
    (tmp_path / "a.csv").write_bytes(b"user,item")
    monkeypatch.chdir(tmp_path)
    pinned = OwnFile(path="a.csv").pinned()
    assert pinned == OwnFile(path=str(tmp_path / "a.csv"), sha256=hashlib.sha256(b"user,item").hexdigest())
    assert pinned.pinned() == pinned
    assert pinned.name == "a.csv"


def test_a_file_that_changed_is_refused(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"first")
    pinned = OwnFile(path=str(path)).pinned()
    path.write_bytes(b"later")
    with pytest.raises(SpecificationError, match=r"path: .*a\.csv' has changed"):
        pinned.pinned()
    with pytest.raises(SpecificationError, match="has changed"):
        pinned.content()


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("nowhere.csv", "is not there"),
        (".", "is a folder"),
        ("http://example.org/a.csv", "not safe"),
        ("https://no-such-host.invalid/a.csv", "cannot be had"),
    ],
)
def test_what_is_no_file_is_said_in_one_line(path, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpecificationError, match=words) as refused:
        OwnFile(path=path).pinned()
    assert path in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not list((home() / "downloads").rglob("*.partial"))


def test_empty_and_too_large_files_are_refused(tmp_path, monkeypatch):
    (tmp_path / "empty").touch()
    (tmp_path / "large").write_bytes(b"x" * 11)
    monkeypatch.setattr(own, "LARGEST", 10)
    with pytest.raises(SpecificationError, match="0 bytes"):
        OwnFile(path=str(tmp_path / "empty")).pinned()
    with pytest.raises(SpecificationError, match=r"11 bytes\. Allowed: up to 10"):
        OwnFile(path=str(tmp_path / "large")).pinned()
    with pytest.raises(SpecificationError, match="11 bytes"):
        keep_upload("large", b"x" * 11)


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "..\\..\\boot.ini", "a/b/c.csv", ".hidden", "", "x" * 300, "ü ✔?.csv"]
)
def test_an_upload_stays_where_uploads_are(name):
    place = keep_upload(name, name.encode())
    assert place.read_bytes() == name.encode()
    assert place.parent.parent == home() / "uploads"
    assert len(place.name) <= 100
    assert not place.name.startswith(".")


def test_the_same_content_is_kept_once():
    first, again = (keep_upload("same.csv", b"same content") for _ in range(2))
    other = keep_upload("same.csv", b"other content")
    assert first == again != other
    assert first.read_bytes() == b"same content"
