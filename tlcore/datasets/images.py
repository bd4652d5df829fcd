"""Labelled pictures, how they are read from a folder or an archive of one's own, and their pixels at one size."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import sha256 as digest_of
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from tlcore.artefacts import kept_array
from tlcore.datasets.folders import classes_of, groups_of, proposed_group
from tlcore.datasets.look import Look, counted
from tlcore.datasets.members import MOST_BYTES, File, FilesTogether
from tlcore.errors import SpecificationError

if TYPE_CHECKING:
    from PIL.Image import Image

Picture = bytes | np.ndarray
"""A file's bytes, or pixels (height, width) or (height, width, 3) as uint8."""
Fit = Literal["squash", "crop"]
ENDINGS = (
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".pjpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm",
    ".heic", ".heif", ".avif",
)  # fmt: skip
FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM", "AVIF")
"""What a file may be inside, whatever it is called: some others are programs, which their reader would run."""
MOST, MOST_LABELS = 50_000, 1000
"""Pictures of a domain, classes."""
MOST_PIXELS = 80_000_000
"""Of one picture; a little below the number from which Pillow itself warns."""
THREADS = min(8, os.cpu_count() or 1)
"""Each may hold one unpacked picture of the largest size."""
ORIENTATION = 0x0112
"""The number of a camera's note which way is up; from 5 on width and height change places."""
WHITES = (1023.0, 4095.0, 65535.0)
"""The largest values of cameras and scanners of 10, 12 and 16 bits."""


@dataclass(frozen=True)
class LabelledImages:
    """Pictures, each with a label.

    Attributes
    ----------
    names : list of str
        What a person calls each.
    labels : ndarray of str, shape (n,)
    open : callable
        From a picture's place in the list to the picture.
    checksum : str
        SHA-256 of all pictures, in order.
    contents : list of bytes
        A digest of each; those of equal pictures are equal.
    dropped : dict of str to int
        How many files were left out, and why: ``other`` (no picture by its name), ``link`` (leads out of the folder),
        ``empty``, ``huge``, ``corrupt``, ``beside`` (in a folder next to those that are parts of a data set).
    parts : tuple of LabelledImages
        What it was joined from, so that the pixels of each can be kept whatever it meets.
    groups : ndarray of str, shape (n,), or None
        Which patient, machine, place a picture is of: no group may stand on both sides of a split.
    """

    names: list[str]
    labels: np.ndarray
    open: Callable[[int], Picture]
    checksum: str
    contents: list[bytes]
    dropped: dict[str, int] = field(default_factory=dict)
    parts: tuple[LabelledImages, ...] = ()
    groups: np.ndarray | None = None

    @property
    def times(self) -> None:
        """None: pictures stand in no order of time."""

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, rows: Any) -> LabelledImages:
        """Return some of them: by a slice, places or a mask, as numpy does."""
        places = np.arange(len(self))[rows].tolist()
        sums = [self.contents[place] for place in places]
        return replace(
            self,
            names=[self.names[place] for place in places],
            labels=self.labels[rows],
            open=lambda number: self.open(places[number]),
            checksum=_sum_of(sums),
            contents=sums,
            parts=(),
            groups=None if self.groups is None else self.groups[rows],
        )

    @classmethod
    def of(cls, names: Sequence[str], labels: np.ndarray, pictures: Sequence[Picture] | np.ndarray) -> Self:
        """Return the same as pictures that are at hand."""
        sums = [digest_of(_bytes(picture)).digest() for picture in pictures]
        return cls([*names], labels, pictures.__getitem__, _sum_of(sums), sums)

    @classmethod
    def joined(cls, one: LabelledImages, other: LabelledImages) -> Self:
        """Return both, one after the other."""
        sums = one.contents + other.contents
        return cls(
            one.names + other.names,
            np.concatenate([one.labels, other.labels]),
            lambda number: one.open(number) if number < len(one) else other.open(number - len(one)),
            _sum_of(sums),
            sums,
            dict(Counter(one.dropped) + Counter(other.dropped)),
            tuple(part for whole in (one, other) for part in whole.parts or (whole,) if len(part)),
            _groups_together(one, other),
        )


def _groups_together(one: LabelledImages, other: LabelledImages) -> np.ndarray | None:
    """Return the groups of both; a picture of which it is not known belongs to itself."""
    if one.groups is None and other.groups is None:
        return None
    alone = [np.array([f"{number} {name}" for number, name in enumerate(each.names)], str) for each in (one, other)]
    return np.concatenate(
        [own if each.groups is None else each.groups for each, own in zip((one, other), alone, strict=True)]
    )


def _bytes(picture: Picture) -> bytes:
    return picture if isinstance(picture, bytes) else str(picture.shape).encode() + picture.tobytes()


def _sum_of(sums: list[bytes]) -> str:
    return digest_of(b"".join(sums)).hexdigest()


def pixels(images: LabelledImages, size: int, fit: Fit) -> np.ndarray:
    """Return all pictures as uint8 (n, size, size, 3), on disk and mapped into memory; decoded the first time.

    Grey ones get three equal channels, sixteen bits become eight, what is transparent becomes white, and a camera's
    note which way is up is followed. ``squash`` keeps the whole picture and not its shape, ``crop`` the reverse.
    """
    import PIL

    def decode(into: np.ndarray) -> None:
        def one(number: int) -> None:
            into[number] = resized(images.open(number), size, fit)

        with ThreadPoolExecutor(THREADS) as threads:  # decoding lets go of Python's lock
            for _ in threads.map(one, range(len(images))):
                pass

    shape = (len(images), size, size, 3)
    if not len(images):
        return np.zeros(shape, np.uint8)  # nothing cannot be mapped
    return kept_array(("pixels", images.checksum, size, fit, PIL.__version__, 3), shape, decode)


def resized(picture: Picture, size: int, fit: Fit) -> np.ndarray:
    """Return a picture as uint8 (size, size, 3)."""
    from PIL import Image, ImageOps

    image = _decoded(picture, size) if isinstance(picture, bytes) else Image.fromarray(picture).convert("RGB")
    if fit == "crop":
        return np.asarray(ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC))
    return np.asarray(image.resize((size, size), Image.Resampling.BICUBIC))


def upright(picture: Picture) -> np.ndarray:
    """Return a picture as uint8 (height, width, 3), at its own size."""
    from PIL import Image

    image = _decoded(picture) if isinstance(picture, bytes) else Image.fromarray(picture).convert("RGB")
    return np.asarray(image)


def size_of(picture: Picture) -> tuple[int, int]:
    """Return width and height of a picture that stands the right way up, without decoding it."""
    if not isinstance(picture, bytes):
        return picture.shape[1], picture.shape[0]
    with head_of(picture) as opened:
        turned = opened.getexif().get(ORIENTATION, 1) >= 5
        return (opened.height, opened.width) if turned else (opened.width, opened.height)


def head_of(picture: bytes) -> Image:
    """Return a picture of which the head alone was read."""
    from PIL import Image

    if picture[4:8] == b"ftyp" and b"avif" not in picture[8:64]:
        from pillow_heif import register_heif_opener

        register_heif_opener()
        return Image.open(BytesIO(picture), formats=("HEIF",))
    return Image.open(BytesIO(picture), formats=FORMATS)


def _decoded(picture: bytes, size: int | None = None) -> Image:
    """Return what is in a file, or its first frame, in colour and the right way up, at least about twice this size."""
    from PIL import Image, ImageOps

    with head_of(picture) as opened:
        if opened.width * opened.height > MOST_PIXELS:
            raise Image.DecompressionBombError
        if size:
            opened.draft(None, (2 * size, 2 * size))  # a JPEG of many pixels is decoded at a fraction of them
        return _in_colour(ImageOps.exif_transpose(opened), opened.format, _said_white(opened))


def _brightest(picture: bytes) -> float:
    """Return the largest value of grey of 16 bits that does not say what white is; 0 of all others.

    A PNG that says how many bits of its samples count (sBIT) has them scaled to 16, as the standard wants it, or its
    values show that they are not.
    """
    with head_of(picture) as opened:
        if not opened.mode.startswith("I;16") or _said_white(opened):
            return 0.0
        return max(1.0, float(np.asarray(opened).max()))


def _said_white(image: Image) -> float | None:
    """Return what white is in a TIFF that says so."""
    tags = getattr(image, "tag_v2", {})
    largest = tags.get(281, (0,))
    largest = float(largest[0] if isinstance(largest, tuple) else largest)
    bits = tags.get(258, (16,))[0]
    return largest if 255 < largest < 65535 else 2.0**bits - 1 if 8 < bits < 16 else None


def _in_grey(picture: bytes, white: float) -> np.ndarray:
    """Return grey of 16 bits as uint8, the right way up."""
    from PIL import ImageOps

    with head_of(picture) as opened:
        return _eight_bits(np.asarray(ImageOps.exif_transpose(opened), np.float32), white)


def _in_colour(image: Image, form: str | None, white: float | None) -> Image:
    from PIL import Image as pillow

    if image.mode.startswith(("I", "F")):
        # Of 16 bits white is the largest, if nothing says otherwise, and so it is of a PGM, that Pillow scales; of the
        # rest only the values tell.
        known = image.mode.startswith("I;16") or (image.mode == "I" and form == "PPM")
        image = pillow.fromarray(_eight_bits(np.asarray(image, np.float32), (white or 65535.0) if known else None))
    if image.mode in ("RGBA", "RGBa", "LA", "PA") or "transparency" in image.info:
        above = image.convert("RGBA")
        return pillow.alpha_composite(pillow.new("RGBA", above.size, "white"), above).convert("RGB")
    return image.convert("RGB")


def _eight_bits(values: np.ndarray, white: float | None) -> np.ndarray:
    """Return grey values as uint8; what white is, if not known, is the next of 1, 255 and 65535, or the largest."""
    values = np.nan_to_num(values, posinf=0, neginf=0)
    low, high = float(values.min()), float(values.max())
    if white is None:
        white = next((usual for usual in (1.0, 255.0, 65535.0) if high <= usual), high)
    low = min(low, 0.0)
    return ((values - low) * (255 / (white - low))).clip(0, 255).round().astype(np.uint8)


class ImageFolder(FilesTogether):
    """Pictures in a folder for each class: a .zip, or a folder here.

    PNG, JPEG, BMP, GIF, TIFF, WebP, HEIC, AVIF; of any size, in colour, grey or CMYK. Folders called train and test, or
    training_set, val2017, seg_test, are parts of one data set; pictures in a folder beside them are left out.

    Grey of 16 bits does not say what white is, and many cameras have 10 or 12: it is the next of 1023, 4095 and 65535
    above the largest value in the whole folder, so that a picture that is darker than the next one stays so.
    """

    arranged: ClassVar[str] = "of class folders"
    counted: ClassVar[tuple[str, ...]] = ENDINGS
    classes: str = Field(
        "",
        pattern="^([1-9][0-9]?)?$",
        description="Which folder in the path is the class, 1 the first; empty: the first that tells pictures apart "
        "and is no part of a data set.",
    )
    group: str = Field(
        "",
        description="Which pictures belong together (a patient, a machine), so that none is learned from while another "
        "is scored: which folder in the path, 1 the first, or an expression such as patient(\\d+); empty: none.",
    )

    def read(self) -> LabelledImages:
        """Return the pictures that can be read, with the names of their folders.

        Raises
        ------
        SpecificationError
            If there is none, the archive is not safe to read, or ``classes`` or ``group`` is not in the paths.
        """
        pinned = self.pinned()
        found = _read(pinned.path, pinned.sha256, pinned.classes)
        if self.group:
            found = replace(found, groups=groups_of(pinned.name, found.names, self.group))
        if not self.rename:
            return found
        labels = self.renamed(found.labels)
        return replace(found, labels=labels)[labels != ""]

    def labels(self) -> tuple[str, ...]:
        """Return the names of the classes, as they are called here."""
        return tuple(np.unique(self.read().labels).tolist())

    def fits(self) -> bool:
        """Whether it is a folder, or an archive most of whose files are pictures by their names."""
        if "://" not in self.path and Path(self.path).expanduser().is_dir():
            return True
        names = [name.lower() for name in self.names()]
        return 2 * sum(name.endswith(ENDINGS) for name in names) > len(names)

    def look(self) -> Look:
        """Return how the pictures are understood."""
        found = self.read()
        facts = {"format": "pictures", "pictures": f"{len(found):,}"}
        if found.groups is not None:
            facts["groups"] = f"{len(np.unique(found.groups)):,}"
        group = "" if self.group else proposed_group(found.names, found.labels.tolist())
        proposed = {"group": group} if group else {}
        left_out = {why: count for why, count in found.dropped.items() if count}
        return Look(self.name, facts, (), counted(found.labels), left_out, proposed)


@lru_cache(maxsize=4)
def _read(path: str, checksum: str, level: str) -> LabelledImages:
    name = Path(path).name
    pictures, dropped = usable(name, ImageFolder.members(path, checksum))
    found = classes_of(name, [file.name for file in pictures], level)
    pictures = [file for file, label in zip(pictures, found, strict=True) if label is not None]
    classes = [label for label in found if label is not None]
    dropped.update({"beside": len(found) - len(classes)} if len(found) > len(classes) else {})
    if len(set(classes)) > MOST_LABELS:
        raise SpecificationError(
            f"path: {name!r} has {len(set(classes)):,} class folders, such as {classes[0]!r}. Allowed: up to "
            f"{MOST_LABELS:,}."
        )
    return readable(name, pictures, classes, dropped)


def usable(name: str, files: Sequence[File]) -> tuple[list[File], Counter[str]]:
    """Return the files that are pictures by their names and sizes, and how many are not, and why.

    Raises
    ------
    SpecificationError
        If there are too many; ``name`` is what the folder or archive is called.
    """
    reasons = [_unusable(file) for file in files]
    pictures = [file for file, reason in zip(files, reasons, strict=True) if not reason]
    if len(pictures) > MOST:
        raise SpecificationError(f"path: {name!r} holds {len(pictures):,} pictures. Allowed: up to {MOST:,}.")
    return pictures, Counter(filter(None, reasons))


def readable(name: str, pictures: Sequence[File], labels: Sequence[str], dropped: Counter[str]) -> LabelledImages:
    """Return the pictures that can be decoded, with their labels.

    Parameters
    ----------
    name : str
        What the folder or archive is called, for a message.
    pictures : sequence of File
    labels : sequence of str
        One for each.
    dropped : Counter of str
        What was left out before; what cannot be read is added.

    Raises
    ------
    SpecificationError
        If no picture can be read.
    """
    from PIL.Image import DecompressionBombWarning

    def look(file: File) -> tuple[str, bytes, float]:
        picture = file.read()
        reason = _unreadable(picture)
        return reason, digest_of(picture).digest(), 0.0 if reason else _brightest(picture)

    with warnings.catch_warnings(), ThreadPoolExecutor(THREADS) as threads:
        warnings.simplefilter("error", DecompressionBombWarning)
        seen = [*threads.map(look, pictures)]
    dropped.update(reason for reason, _, _ in seen if reason)
    kept = [number for number, (reason, _, _) in enumerate(seen) if not reason]
    if not kept:
        holds = ", ".join(f"{count} {reason}" for reason, count in dropped.items()) or "nothing"
        raise SpecificationError(f"path: {name!r} has no picture that can be read; it holds {holds}.")
    brightest = max(seen[number][2] for number in kept)
    white = next(usual for usual in WHITES if brightest <= usual)

    def content_of(number: int) -> bytes:
        """Return what tells the picture from others: the same file is another one where white is."""
        _, content, bright = seen[number]
        return digest_of(content + str(white).encode()).digest() if bright and white < WHITES[-1] else content

    sums = [content_of(number) for number in kept]

    def opened(number: int) -> Picture:
        file = pictures[kept[number]]
        picture = file.read()
        _, content, bright = seen[kept[number]]
        if digest_of(picture).digest() != content:
            raise SpecificationError(f"path: {file.name!r} in {name!r} has changed since it was first read.")
        return _in_grey(picture, white) if bright and white < WHITES[-1] else picture

    return LabelledImages(
        [pictures[number].name for number in kept],
        np.array([labels[number] for number in kept]),
        opened,
        _sum_of(sums),
        sums,
        dict(dropped),
    )


def _unusable(file: File) -> str:
    """Return why a file is left out before it is opened; empty if it is not."""
    if file.size is None:
        return "link"
    if not file.name.lower().endswith(ENDINGS):
        return "other"
    if not file.size:
        return "empty"
    return "huge" if file.size > MOST_BYTES else ""


def _unreadable(picture: bytes) -> str:
    """Return why a picture is left out once it was decoded; empty if it is not."""
    from PIL import Image

    try:
        _decoded(picture, 16)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return "huge"
    except Exception:  # noqa: BLE001  a damaged file makes its reader raise whatever it stumbles over
        return "corrupt"
    return ""
