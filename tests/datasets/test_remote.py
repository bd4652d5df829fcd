"""Data sets that come over a network: tiny files in the publishers' own formats, from a server here.

Addresses and published sums are constants of torchvision's classes, which the tests set to this server's; what
downloads, checks, unpacks and reads is torchvision's own code. EuroSAT's are written into its method, so there the
function it calls gets others.
"""

import bz2
import gzip
import re
import struct
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from hashlib import md5
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from socket import create_server, getdefaulttimeout
from threading import Thread

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat
from torchvision import datasets as torchvision_datasets
from torchvision.datasets import utils

from tlcore import __main__ as command_line
from tlcore.artefacts import home
from tlcore.datasets import DATASETS, Dataset, remote
from tlcore.errors import SpecificationError

REMOTE = [name for name, dataset in DATASETS.items() if dataset.remote]


@dataclass
class Publisher:
    """A server of the files in a folder."""

    folder: Path
    address: str

    def publish(self, name: str, content: bytes) -> str:
        """Serve a file, and return its published sum."""
        (self.folder / name).write_bytes(content)
        return md5(content).hexdigest()

    def cut_off(self) -> None:
        for path in self.folder.iterdir():
            path.write_bytes(path.read_bytes()[:-7])


@pytest.fixture
def publisher(tmp_path, monkeypatch) -> Iterator[Publisher]:
    monkeypatch.setenv("TRANSFER_LAB_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    (tmp_path / "served").mkdir()

    class Silent(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=tmp_path / "served")) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield Publisher(tmp_path / "served", f"http://127.0.0.1:{server.server_port}")
        server.shutdown()


def grey(count: int, size: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, size, size), dtype=np.uint8)


def colour(count: int, size: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


# Each publishes five pictures, and returns them and their answers.


def usps(publisher, monkeypatch):
    pictures, answers = grey(5, 16), [0, 9, 3, 1, 2]
    rows = [
        f"{answer + 1} " + " ".join(f"{n}:{value / 127.5 - 1 + 1e-4:.5f}" for n, value in enumerate(picture.flat, 1))
        for picture, answer in zip(pictures, answers, strict=True)
    ]
    table = {}
    for part, name, lines in (("train", "usps.bz2", rows[:3]), ("test", "usps.t.bz2", rows[3:])):
        table[part] = [
            f"{publisher.address}/{name}",
            name,
            publisher.publish(name, bz2.compress("\n".join(lines).encode())),
        ]
    monkeypatch.setattr(torchvision_datasets.USPS, "split_list", table)
    return pictures, answers


def svhn(publisher, monkeypatch):
    pictures, answers = colour(5, 32), [0, 9, 3, 1, 0]
    table = {}
    for part, rows in (("train", slice(3)), ("test", slice(3, 5))):
        file = BytesIO()
        labels = np.array([[answer or 10] for answer in answers[rows]], np.uint8)  # a nought is called 10 in them
        savemat(file, {"X": pictures[rows].transpose(1, 2, 3, 0), "y": labels})
        name = f"{part}_32x32.mat"
        table[part] = [f"{publisher.address}/{name}", name, publisher.publish(name, file.getvalue())]
    monkeypatch.setattr(torchvision_datasets.SVHN, "split_list", table)
    return pictures, answers


def fashion_mnist(publisher, monkeypatch):
    pictures, answers = grey(5, 28), [0, 9, 3, 1, 2]
    resources = []
    for part, rows in (("train", slice(3)), ("t10k", slice(3, 5))):
        some, labels = pictures[rows], bytes(answers[rows])
        images = struct.pack(">IIII", 2051, len(some), 28, 28) + some.tobytes()
        for what, content in (("images-idx3", images), ("labels-idx1", struct.pack(">II", 2049, len(some)) + labels)):
            name = f"{part}-{what}-ubyte.gz"
            resources.append((name, publisher.publish(name, gzip.compress(content))))
    monkeypatch.setattr(torchvision_datasets.FashionMNIST, "mirrors", [f"{publisher.address}/"])
    monkeypatch.setattr(torchvision_datasets.FashionMNIST, "resources", resources)
    return pictures, answers


def eurosat(publisher, monkeypatch):
    pictures, answers = np.repeat(np.arange(0, 250, 25, np.uint8), 64 * 64 * 3).reshape(10, 64, 64, 3), [*range(10)]
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        for name, picture in zip(DATASETS["eurosat"].classes, pictures, strict=True):
            jpeg = BytesIO()
            Image.fromarray(picture).save(jpeg, "JPEG", quality=100)
            packed.writestr(f"2750/{name}/{name}_1.jpg", jpeg.getvalue())
    checksum = publisher.publish("EuroSAT.zip", file.getvalue())

    def elsewhere(url: str, download_root: str, md5: str) -> None:
        assert url.endswith("/EuroSAT.zip")
        assert len(md5) == 32
        utils.download_and_extract_archive(f"{publisher.address}/EuroSAT.zip", download_root, md5=checksum)

    monkeypatch.setattr(torchvision_datasets.eurosat, "download_and_extract_archive", elsewhere)
    return pictures, answers


def medmnist(publisher, monkeypatch):
    pictures, answers = colour(5, 28), [0, 7, 3, 1, 2]
    parts = {"train": slice(2), "val": slice(2, 3), "test": slice(3, 5)}
    arrays = {f"{part}_images": pictures[rows] for part, rows in parts.items()}
    arrays |= {f"{part}_labels": np.array(answers, np.uint8)[rows, None] for part, rows in parts.items()}
    file = BytesIO()
    np.savez_compressed(file, **arrays)
    monkeypatch.setattr(remote, "ZENODO", publisher.address)
    load = partial(remote.medmnist, "bloodmnist", publisher.publish("bloodmnist.npz", file.getvalue()))
    monkeypatch.setitem(
        DATASETS,
        "bloodmnist",
        replace(DATASETS["bloodmnist"], read=partial(remote.kept_whole, "bloodmnist", "zenodo.org", load)),
    )
    return pictures, answers


PUBLISHED = {"usps": usps, "svhn": svhn, "fashion-mnist": fashion_mnist, "eurosat": eurosat, "bloodmnist": medmnist}


def published(name: str, publisher: Publisher, monkeypatch) -> tuple[Dataset, np.ndarray, list[int]]:
    pictures, answers = PUBLISHED[name](publisher, monkeypatch)
    return replace(DATASETS[name], size=len(answers)), pictures, answers


def kept() -> list[str]:
    return sorted(path.name for path in (home() / "downloads").rglob("*") if path.suffix != ".lock")


@pytest.mark.parametrize("name", PUBLISHED)
def test_all_parts_are_had_once_and_kept(name, publisher, monkeypatch):
    dataset, pictures, answers = published(name, publisher, monkeypatch)
    arrays = dataset.fetch()
    assert arrays["inputs"].dtype == np.uint8
    assert arrays["answers"].dtype == np.int64
    assert arrays["inputs"].shape == pictures.shape
    assert np.abs(arrays["inputs"].astype(int) - pictures).max() <= (1 if name == "eurosat" else 0)
    assert arrays["answers"].tolist() == answers
    assert max(answers) < len(dataset.classes)
    assert kept() == [f"{name}.npz"]
    for path in publisher.folder.iterdir():
        path.unlink()
    again = dataset.fetch()
    assert (again["inputs"] == arrays["inputs"]).all()
    assert dataset.verify()


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_was_cut_off_is_refused_and_had_anew(name, publisher, monkeypatch):
    dataset, _, answers = published(name, publisher, monkeypatch)
    whole = {path: path.read_bytes() for path in publisher.folder.iterdir()}
    publisher.cut_off()
    with pytest.raises(SpecificationError, match=f"dataset: '{name}' could not be had from .*corrupted") as refused:
        dataset.fetch()
    assert "\n" not in str(refused.value)
    assert kept() == []
    for path, content in whole.items():
        path.write_bytes(content)
    assert dataset.fetch()["answers"].tolist() == answers


@pytest.mark.parametrize("name", PUBLISHED)
def test_other_bytes_than_the_published_are_refused(name, publisher, monkeypatch):
    """Even those that would be read without a complaint."""
    dataset, _, _ = published(name, publisher, monkeypatch)
    for path in publisher.folder.iterdir():
        path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(SpecificationError, match=r"could not be had from .*corrupted"):
        dataset.fetch()
    assert kept() == []


@pytest.mark.parametrize("name", REMOTE)
def test_without_a_network_one_line_says_what_from_where_and_what_instead(name, tmp_path, monkeypatch):
    monkeypatch.setenv("TRANSFER_LAB_HOME", str(tmp_path))
    for variable in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")  # where nobody listens
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setattr("urllib.request._opener", None)  # it remembers the proxies of its first use
    with pytest.raises(SpecificationError) as refused:
        DATASETS[name].fetch()
    said = str(refused.value)
    assert "\n" not in said
    assert said.startswith(f"dataset: {name!r} could not be had from {DATASETS[name].remote}: ")
    assert re.search(r"refused.*\. With a network, try again; without one, use textile or mnist-5k\.$", said)
    assert kept() == []


def test_a_host_that_falls_silent_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setenv("TRANSFER_LAB_HOME", str(tmp_path))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(remote, "SILENCE", 0.2)
    with create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(remote, "ZENODO", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(SpecificationError, match="timed out"):
            DATASETS["breastmnist"].fetch()
    assert getdefaulttimeout() is None  # others may wait as long as they did


@pytest.mark.parametrize(
    "harm", [lambda content: content[:-100], lambda content: content[:3000] + b"\1\2\3" + content[3003:]]
)
def test_a_kept_file_that_was_damaged_is_refused(harm: Callable[[bytes], bytes], publisher, monkeypatch):
    dataset, _, _ = published("svhn", publisher, monkeypatch)
    dataset.fetch()
    path = home() / "downloads" / "svhn.npz"
    path.write_bytes(harm(path.read_bytes()))
    for look in (dataset.fetch, dataset.verify):
        with pytest.raises(SpecificationError, match=r"svhn\.npz is damaged; delete it and fetch 'svhn' again"):
            look()
    path.unlink()
    assert dataset.verify()


def test_what_is_not_all_of_it_is_refused(publisher, monkeypatch):
    published("usps", publisher, monkeypatch)
    with pytest.raises(SpecificationError, match="'usps' has not 9,298 examples"):
        DATASETS["usps"].fetch()
    assert not DATASETS["usps"].verify()


def test_who_is_stopped_leaves_nothing(publisher, monkeypatch):
    def stopped(work: Path) -> remote.Arrays:
        (work / "half").write_bytes(b"x")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        remote.kept_whole("half", "nowhere", stopped)
    assert kept() == []


def test_the_command_line_fetches_verifies_and_says_what_needs_a_network(publisher, monkeypatch, capsys):
    dataset, _, _ = published("bloodmnist", publisher, monkeypatch)
    monkeypatch.setitem(DATASETS, "bloodmnist", dataset)

    def run(*words: str) -> int:
        monkeypatch.setattr("sys.argv", ["tlcore", "data", *words])
        return command_line.main()

    assert run("list") == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line.strip()}
    assert {name for name, line in lines.items() if "needs a network" in line} == {*REMOTE}
    assert run("fetch", "bloodmnist") == 0
    assert run("verify", "bloodmnist") == 0
    assert capsys.readouterr().out == "bloodmnist: 5 examples, verified\nbloodmnist: verified\n"
    publisher.cut_off()
    (home() / "downloads" / "bloodmnist.npz").unlink()
    assert run("fetch", "bloodmnist") == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: dataset: 'bloodmnist' could not be had")


@pytest.mark.parametrize("name", REMOTE)
def test_a_card_says_whose_it_is_and_what_its_classes_are_called(name):
    dataset = DATASETS[name]
    assert dataset.licence
    assert dataset.source
    assert len(set(dataset.classes)) == len(dataset.classes) >= 2


def test_the_names_of_classes_are_torchvisions():
    assert DATASETS["fashion-mnist"].classes == tuple(torchvision_datasets.FashionMNIST.classes)
    assert DATASETS["eurosat"].classes == tuple(sorted(DATASETS["eurosat"].classes))  # which is how it numbers folders
