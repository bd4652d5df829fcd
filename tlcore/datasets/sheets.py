"""Sheets on which digits are to be found: put together here of real ones, each used once."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from tlcore.datasets.boxes import BoxedImages
from tlcore.datasets.images import LabelledImages

DIGITS = {"mnist": "mnist-5k", "uci": "uci-digits"}
MOST, MOST_ON_A_SHEET = 800, 4
SMALLEST, LARGEST = 14, 24
"""Pixels of a side of a digit."""
INK = 0.25
"""Of the darkest, from which on a pixel is a part of a digit."""


@lru_cache(maxsize=2)
def sheets(domain: str, size: int) -> BoxedImages:
    """Put digits on sheets, one to four on each, at random sizes and places that do not overlap."""
    from PIL import Image

    from tlcore.datasets import DATASETS

    arrays = DATASETS[DIGITS[domain]].fetch()
    grey = arrays["inputs"] / arrays["inputs"].max()
    draw = np.random.default_rng(0)
    digits = iter(draw.permutation(len(grey)).tolist())
    made: list[np.ndarray] = []
    boxes: list[np.ndarray] = []
    kinds: list[np.ndarray] = []
    while len(made) < min(MOST, len(grey) // MOST_ON_A_SHEET):
        sheet = np.zeros((size, size), np.float32)
        places: list[tuple[int, int, int, int]] = []
        said: list[str] = []
        quarters = draw.permutation(4)[: draw.integers(1, MOST_ON_A_SHEET + 1)].tolist()
        for quarter in quarters:
            number, side = next(digits), int(draw.integers(SMALLEST, LARGEST + 1))
            digit = np.asarray(Image.fromarray(grey[number].astype(np.float32)).resize((side, side))).clip(0, 1)
            half = size // 2
            x, y = (int(half * corner + draw.integers(0, half - side + 1)) for corner in (quarter % 2, quarter // 2))
            sheet[y : y + side, x : x + side] = digit
            rows, columns = (np.flatnonzero((digit > INK).any(axis)) for axis in (1, 0))
            places.append((x + columns[0], y + rows[0], x + columns[-1] + 1, y + rows[-1] + 1))
            said.append(str(arrays["answers"][number]))
        made.append((255 * sheet).round().astype(np.uint8))
        boxes.append(np.array(places) / size)
        kinds.append(np.array(said))
    names = [f"{domain} {number}" for number in range(len(made))]
    images = LabelledImages.of(names, np.full(len(names), ""), np.stack(made))
    crowd = [np.zeros(len(part), bool) for part in boxes]
    return BoxedImages(images, boxes, kinds, crowd, np.full((len(made), 2), size))
