"""Pictures made for tests, in folders and archives."""

import tracemalloc
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tlcore.datasets.images import ImageFolder
from tlcore.errors import SpecificationError

RED, WHITE, BLUE = (255, 0, 0), (255, 255, 255), (0, 0, 255)


def encoded(image: Image.Image, form: str = "PNG", **options) -> bytes:
    buffer = BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def plain(colour=RED, size=(8, 8), form: str = "PNG") -> bytes:
    return encoded(Image.new("RGB", size, colour), form)


def noise(number: int, size: int = 32) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (size, size, 3), dtype=np.uint8)


def folder(place: Path, files: dict[str, bytes]) -> ImageFolder:
    for name, content in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)
    return ImageFolder(path=str(place))


def archive(
    place: Path, files: dict[str, bytes], name: str = "own.zip", packed_by: int = zipfile.ZIP_DEFLATED
) -> ImageFolder:
    place.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(place / name, "w") as packed:
        for member, content in files.items():
            info = zipfile.ZipInfo()
            info.filename = member  # as it is; its own constructor would mend it
            packed.writestr(info, content, packed_by)
    return ImageFolder(path=str(place / name))


@contextmanager
def peak() -> Iterator[list[int]]:
    """Give a list that has, in the end, the most bytes that were held at a time."""
    most: list[int] = []
    tracemalloc.start()
    try:
        yield most
        most.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()


def refusal(file: ImageFolder) -> str:
    """Return the sentence with which it is refused: one line, that names the field."""
    with pytest.raises(SpecificationError) as refused:
        file.read()
    assert "\n" not in str(refused.value)
    assert str(refused.value).startswith("path: ")
    return str(refused.value)
