"""Networks by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tlcore.network import Network


def small_cnn(classes: int, size: int = 16, width: int = 16) -> Network:
    """Return two 3×3 convolutions with pooling, one hidden layer of 64 and a linear head.

    Parameters
    ----------
    classes : int
        K, the number of outputs.
    size : int
        Height and width of the one-channel input in pixels, a multiple of 4.
    width : int
        Channels of the first convolution; the second has twice as many.
    """
    import torch
    from torch import nn

    from tlcore.network import Network

    body = [
        nn.Sequential(nn.Conv2d(1, width, 3, padding=1), nn.MaxPool2d(2), nn.ReLU()),
        nn.Sequential(nn.Conv2d(width, 2 * width, 3, padding=1), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten()),
        nn.Sequential(nn.Linear(2 * width * (size // 4) ** 2, 64), nn.ReLU()),
    ]
    # Two choices halve the time of a step on a CPU: pooling is vectorised where a pixel's channels lie side by side,
    # and ReLU after pooling gives the same maximum for a quarter of the work.
    return Network(body, nn.Linear(64, classes)).to(memory_format=torch.channels_last)


BACKBONES: dict[str, Callable[..., Network]] = {"small_cnn": small_cnn}


@dataclass(frozen=True)
class Card:
    """What a pretrained network is.

    Attributes
    ----------
    text : str
        In a sentence, with its size and licence.
    layers : int
        How many numbers its layers multiply an input with, of which the time that it takes follows.
    """

    text: str
    layers: int


ENCODERS = {
    "minilm-l6": Card(
        "MiniLM-L6: English texts to 384 numbers, trained on a billion pairs of sentences; 83 MB, Apache-2.0.",
        10_650_000,
    ),
    "glove-6b-50d": Card(
        "The mean of a text's GloVe vectors, 50 numbers for each of 400,000 words; 75 MB, PDDL 1.0.", 0
    ),
}
"""Pretrained readers of texts, by the name that `tlcore.backbones.text.read` knows."""
