"""Pictures with masks that come over a network, by torchvision's own means: things of VOC, cats and dogs.

They are kept as an archive of pictures and masks, which the reader of your own files reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from io import BytesIO
from pathlib import Path

import numpy as np

from tlcore.datasets.masks import MaskedImages, MaskFolder
from tlcore.datasets.remote import kept_archive

Files = Iterator[tuple[str, bytes]]
"""Names in the archive, and contents."""
UNKNOWN = 255
"""In a mask: the class is not known."""
VOC_CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "dining table",
    "dog", "horse", "motorbike", "person", "potted plant", "sheep", "sofa", "train", "tv monitor",
)  # fmt: skip


@lru_cache(maxsize=2)
def outlines(name: str) -> MaskedImages:
    """Return the pictures of one of `OUTLINES` with their masks, fetched the first time.

    Raises
    ------
    SpecificationError
        If they cannot be had.
    """
    host, load = OUTLINES[name]
    return MaskFolder(
        path=str(kept_archive(name, host, load, "use nuclei, or bring pictures with masks of your own"))
    ).read()


def _voc(work: Path) -> Files:
    """Return the pictures and masks of VOC 2012's training and validation part; outlines, 255, are not known."""
    from torchvision.datasets import VOCSegmentation

    found = VOCSegmentation(work, year="2012", image_set="trainval", download=True)
    yield "classes.txt", "\n".join(VOC_CLASSES).encode()
    for picture, mask in zip(found.images, found.masks, strict=True):
        yield f"images/{Path(picture).name}", Path(picture).read_bytes()
        yield f"masks/{Path(mask).name}", _renumbered(Path(mask), np.arange(256))


def _pets(work: Path) -> Files:
    """Return the cats and dogs of Oxford and IIIT: of 1 the animal, 2 what is around it, 3 its outline, not known."""
    from torchvision.datasets import OxfordIIITPet

    found = OxfordIIITPet(work, split="trainval", target_types="segmentation", download=True)
    numbers = np.full(256, UNKNOWN)
    numbers[[1, 2]] = 1, 0
    yield "classes.txt", b"background\nanimal"
    for picture, mask in zip(found._images, found._segs, strict=True):  # it has no public name for them
        yield f"images/{Path(picture).name}", Path(picture).read_bytes()
        yield f"masks/{Path(mask).name}", _renumbered(Path(mask), numbers)


def _renumbered(mask: Path, numbers: np.ndarray) -> bytes:
    """Return a mask as a PNG of numbers, not of the colours that a palette gives them."""
    from PIL import Image

    file = BytesIO()
    Image.fromarray(numbers[np.asarray(Image.open(mask))].astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


OUTLINES: dict[str, tuple[str, Callable[[Path], Files]]] = {
    "voc2012": ("thor.robots.ox.ac.uk", _voc),
    "pets": ("thor.robots.ox.ac.uk", _pets),
}
"""Data sets by name: their host, and what has their files, given an empty folder."""
