"""Pictures of a run: small ones to look at, and which of their parts an answer rests on."""

from __future__ import annotations

from base64 import b64encode
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tlcore.datasets.images import LabelledImages
    from tlcore.examples import Explanation

SMALL, LARGE = 96, 288
"""Pixels of a side, in a table and beside an explanation."""
GREEN, RED = (46, 160, 67), (218, 54, 51)


def small(images: LabelledImages, number: int, size: int = SMALL) -> str:
    """Return a picture at a small size, whole, as an address that holds it."""
    from tlcore.datasets.images import resized

    return address(resized(images.open(number), size, "squash"))


def some_of_each(numbers: np.ndarray, answers: np.ndarray, most: int = 12) -> list[int]:
    """Return the places of some pictures among ``numbers``, taking turns between the answers that there are."""
    different = np.unique(answers)
    if len(different) > most:  # numbers, from the least to the most
        different = different[np.linspace(0, len(different) - 1, most).round().astype(int)]
    kinds = [np.flatnonzero(answers == kind) for kind in different]
    turns = [row for rank in range(most) for kind in kinds if rank < len(kind) for row in kind[rank : rank + 1]]
    return [int(numbers[row]) for row in turns[:most]]


def marked(images: LabelledImages, number: int, explanation: Explanation) -> str:
    """Return a picture under the colours of what its answer rests on, as an address that holds it.

    What speaks for the true answer is green, what speaks against it red; the stronger, the more colour. The strongest
    part has all the colour, so that two models are compared by where they look, not by how sure they are. What does not
    matter is grey.
    """
    from PIL import Image

    from tlcore.datasets.images import resized

    side = 1 + max((row for row, _, _ in explanation.parts), default=0)
    values = np.zeros((side, side), np.float32)
    for row, column, value in explanation.parts:
        values[row, column] = value
    values /= max(float(np.abs(values).max()), 1e-12)
    smooth = np.asarray(Image.fromarray(values).resize((LARGE, LARGE), Image.Resampling.BICUBIC)).clip(-1, 1)
    picture = resized(images.open(number), LARGE, "squash").astype(np.float32)
    grey = picture.mean(2, keepdims=True).repeat(3, 2)
    share = 0.55 * np.abs(smooth)[..., None]
    colour = np.where(smooth[..., None] > 0, np.array(GREEN, np.float32), np.array(RED, np.float32))
    return address((grey * (1 - share) + colour * share).round().astype(np.uint8))


def address(picture: np.ndarray) -> str:
    """Return pixels (h, w, 3) as a PNG in an address that holds it."""
    from PIL import Image

    file = BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return "data:image/png;base64," + b64encode(file.getvalue()).decode()
