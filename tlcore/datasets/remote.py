"""Data sets that come over a network: had whole the first time, by torchvision's own means, and kept as arrays.

A loader always starts in an empty folder that only it knows. So it must download, and compare with its publisher's
sum, all that it reads: left to a folder of its own, torchvision's loaders take what is there for whole (USPS and
Fashion-MNIST do not look at the sums of files that exist, EuroSAT is content with a folder half unpacked).
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import BadZipFile, ZipFile

import numpy as np

from tlcore.artefacts import home, once
from tlcore.errors import SpecificationError, in_brief

Arrays = dict[str, np.ndarray]
ZENODO = "https://zenodo.org/records/10519652/files"
"""MedMNIST, version 3.0; each file has the parts train, val and test."""
SILENCE = 60
"""Seconds without a byte after which a host is taken for gone; torchvision itself would wait for ever."""


def kept_whole(name: str, host: str, load: Callable[[Path], Arrays]) -> Arrays:
    """Return the arrays of a data set, which ``load`` has the first time, given an empty folder.

    Raises
    ------
    SpecificationError
        If they cannot be had, or what was kept of them is damaged.
    """
    folder = home() / "downloads"
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.npz"

    def make(partial: Path) -> None:
        with TemporaryDirectory(dir=folder) as work:
            _have(name, host, load, Path(work)).replace(partial)

    once(path, make)
    try:
        with np.load(path) as arrays:  # whose own checksums are looked at on reading
            return {what: arrays[what] for what in arrays.files}
    except (BadZipFile, ValueError, OSError, EOFError):
        raise SpecificationError(f"dataset: {path} is damaged; delete it and fetch {name!r} again.") from None


def kept_archive(name: str, host: str, load: Callable[[Path], Iterator[tuple[str, bytes]]], instead: str) -> Path:
    """Return an archive of files by name, which ``load`` has the first time, given an empty folder.

    ``instead`` says what can be used without a network.

    Raises
    ------
    SpecificationError
        If they cannot be had.
    """
    folder = home() / "downloads"
    folder.mkdir(exist_ok=True)

    def make(archive: Path) -> None:
        with TemporaryDirectory(dir=folder) as work, fetching(name, host, instead), ZipFile(archive, "w") as packed:
            for member, content in load(Path(work)):
                packed.writestr(member, content)

    once(folder / f"{name}.zip", make)
    return folder / f"{name}.zip"


def _have(name: str, host: str, load: Callable[[Path], Arrays], work: Path) -> Path:
    with fetching(name, host, "use textile or mnist-5k"):
        np.savez(work / "arrays.npz", allow_pickle=False, **load(work))
    return work / "arrays.npz"


@contextmanager
def fetching(name: str, host: str, instead: str) -> Iterator[None]:
    """Wait for no byte longer than `SILENCE`, and say in a line what could not be had, and what to do instead."""
    try:
        with patience(SILENCE):
            yield
    except (OSError, HTTPException, RuntimeError, EOFError, ValueError, BadZipFile) as error:
        raise SpecificationError(
            f"dataset: {name!r} could not be had from {host}: {in_brief(error)}. With a network, try again; without "
            f"one, {instead}."
        ) from None


@contextmanager
def patience(seconds: float) -> Iterator[None]:
    """Let no connection that is opened meanwhile wait longer for a byte."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def usps(work: Path) -> Arrays:
    """Return all of USPS: (n, 16, 16)."""
    from torchvision.datasets import USPS

    parts = [USPS(work, train=train, download=True) for train in (True, False)]
    return _joined([(part.data, part.targets) for part in parts])


def svhn(work: Path) -> Arrays:
    """Return the house numbers of train and test: (n, 32, 32, 3)."""
    from torchvision.datasets import SVHN

    parts = [SVHN(work, split=split, download=True) for split in ("train", "test")]
    return _joined([(part.data.transpose(0, 2, 3, 1), part.labels) for part in parts])


def fashion_mnist(work: Path) -> Arrays:
    """Return all of Fashion-MNIST: (n, 28, 28)."""
    from torchvision.datasets import FashionMNIST

    parts = [FashionMNIST(work, train=train, download=True) for train in (True, False)]
    return _joined([(part.data.numpy(), part.targets.numpy()) for part in parts])


def eurosat(work: Path) -> Arrays:
    """Return all of EuroSAT in colour: (n, 64, 64, 3)."""
    from torchvision.datasets import EuroSAT

    pictures = EuroSAT(work, download=True)
    return _joined([(np.stack([np.asarray(picture) for picture, _ in pictures]), pictures.targets)])


def medmnist(name: str, md5: str, work: Path) -> Arrays:
    """Return all of a set of MedMNIST with one label a picture: (n, 28, 28), or (n, 28, 28, 3)."""
    from torchvision.datasets.utils import download_url

    download_url(f"{ZENODO}/{name}.npz?download=1", work, f"{name}.npz", md5)
    with np.load(work / f"{name}.npz") as file:
        parts = [(file[f"{part}_images"], file[f"{part}_labels"]) for part in ("train", "val", "test")]
    return _joined([(images, labels.ravel()) for images, labels in parts])


def _joined(parts: list[tuple[np.ndarray, np.ndarray | list[int]]]) -> Arrays:
    return {
        "inputs": np.ascontiguousarray(np.concatenate([inputs for inputs, _ in parts]), np.uint8),
        "answers": np.concatenate([np.asarray(answers, np.int64) for _, answers in parts]),
    }
