"""Labelled pictures, how they are read from a folder or an archive of one's own, and their pixels at one size."""

from __future__ import annotations

import os
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from hashlib import sha256 as digest_of
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal, Self

import numpy as np

from tlcore.artefacts import kept_array
from tlcore.datasets.own import LARGEST, OwnFile
from tlcore.errors import SpecificationError

if TYPE_CHECKING:
    from PIL.Image import Image

Picture = bytes | np.ndarray
"""A file's bytes, or pixels (height, width) or (height, width, 3) as uint8."""
Fit = Literal["squash", "crop"]
ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm")
PARTS = frozenset({"train", "training", "val", "valid", "validation", "test", "testing"})
"""Folders that say which part of a data set they are, not which class."""
MOST = 50_000
"""Pictures of a domain."""
MOST_BYTES, MOST_PIXELS = 64 * 2**20, 100_000_000
"""What one picture may have, packed and unpacked."""
MOST_LABELS = 1000


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
        SHA-256 of all of them.
    sums : list of bytes
        A digest of each; those of equal pictures are equal.
    dropped : dict of str to int
        How many files were left out, and why: ``other`` (no picture), ``empty``, ``huge``, ``corrupt``.
    """

    names: list[str]
    labels: np.ndarray
    open: Callable[[int], Picture]
    checksum: str
    sums: list[bytes]
    dropped: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.names)

    @classmethod
    def of(cls, names: Sequence[str], labels: np.ndarray, pictures: Sequence[Picture]) -> Self:
        """Return the same as pictures that are at hand."""
        sums = [digest_of(_bytes(picture)).digest() for picture in pictures]
        return cls([*names], labels, pictures.__getitem__, digest_of(b"".join(sums)).hexdigest(), sums)


def _bytes(picture: Picture) -> bytes:
    return picture if isinstance(picture, bytes) else str(picture.shape).encode() + picture.tobytes()


def pixels(images: LabelledImages, size: int, fit: Fit) -> np.ndarray:
    """Return all pictures as uint8 (n, size, size, 3), on disk and mapped into memory; decoded the first time.

    Grey ones get three equal channels, sixteen bits become eight, what is transparent becomes white, and a camera's
    note which way is up is followed. ``squash`` keeps the whole picture and not its shape, ``crop`` the reverse.
    """
    from concurrent.futures import ThreadPoolExecutor

    def decode(into: np.ndarray) -> None:
        def one(number: int) -> None:
            into[number] = resized(images.open(number), size, fit)

        with ThreadPoolExecutor(os.cpu_count()) as threads:  # decoding lets go of Python's lock
            for _ in threads.map(one, range(len(images))):
                pass

    return kept_array(("pixels", images.checksum, size, fit, 1), (len(images), size, size, 3), decode)


def resized(picture: Picture, size: int, fit: Fit) -> np.ndarray:
    """Return a picture as uint8 (size, size, 3)."""
    from PIL import Image, ImageOps

    if isinstance(picture, bytes):
        with Image.open(BytesIO(picture)) as opened:
            opened.draft("RGB", (2 * size, 2 * size))  # a JPEG of many pixels is decoded at a fraction of them
            image = _in_colour(ImageOps.exif_transpose(opened))
    else:
        image = Image.fromarray(picture).convert("RGB")
    if fit == "crop":
        return np.asarray(ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC))
    return np.asarray(image.resize((size, size), Image.Resampling.BICUBIC))


def _in_colour(image: Image) -> Image:
    from PIL import Image as pillow

    if image.mode.startswith(("I", "F")):
        values = np.asarray(image, np.float64)
        low, high = (0.0, 255.0) if values.min() >= 0 and values.max() <= 255 else (0.0, 65535.0)
        if image.mode == "F" or values.min() < 0:
            low, high = float(values.min()), float(values.max())
        grey = (values - low) / max(high - low, 1e-12) * 255
        return pillow.fromarray(grey.clip(0, 255).round().astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        above = image.convert("RGBA")
        return pillow.alpha_composite(pillow.new("RGBA", above.size, "white"), above).convert("RGB")
    return image.convert("RGB")


class ImageFolder(OwnFile):
    """Pictures in a folder for each class: a .zip, or a folder here.

    PNG, JPEG, BMP, GIF, TIFF, WebP; of any size, in colour, grey or CMYK. Folders called train and test, with the same
    classes in each, are read as one.
    """

    def pinned(self) -> Self:
        """Return the same with an absolute path and a checksum of every file in it.

        Raises
        ------
        SpecificationError
            If it is not there, holds too much, or is not what the checksum is of.
        """
        place = Path(self.path).expanduser().resolve()
        if not place.is_dir():
            return super().pinned()
        found = _sum_of_folder(place, _listing(place))
        if self.sha256 not in ("", found):
            raise SpecificationError(
                f"path: {self.path!r} has changed since its sha256 was written down; leave sha256 out to take it as it "
                "is now."
            )
        return self.model_copy(update={"path": str(place), "sha256": found})

    def read(self) -> LabelledImages:
        """Return the pictures that can be read, with the names of their folders.

        Raises
        ------
        SpecificationError
            If there is none, or the archive is not safe to read.
        """
        pinned = self.pinned()
        return _read(pinned.path, pinned.sha256)

    def labels(self) -> tuple[str, ...]:
        """Return the names of the class folders."""
        return tuple(np.unique(self.read().labels).tolist())


@lru_cache(maxsize=4)
def _read(path: str, checksum: str) -> LabelledImages:
    place = Path(path)
    name = place.name
    if place.is_dir():
        files = {member: size for member, size, _ in _listing(place)}

        def content(member: str) -> bytes:
            return (place / member).read_bytes()
    else:
        files = _members(place)
        content = partial(_unpacked, path, checksum)
    dropped: Counter[str] = Counter()
    pictures: list[str] = []
    for member, size in files.items():
        if reason := _unusable(member, size):
            dropped[reason] += 1
        else:
            pictures.append(member)
    if len(pictures) > MOST:
        raise SpecificationError(f"path: {name!r} holds {len(pictures):,} pictures. Allowed: up to {MOST:,}.")
    classes = dict(zip(pictures, _classes(name, pictures), strict=True))
    sums: dict[str, bytes] = {}
    for member in pictures:
        picture = content(member)
        if reason := _unreadable(picture):
            dropped[reason] += 1
        else:
            sums[member] = digest_of(picture).digest()
    if not sums:
        reasons = ", ".join(f"{count} {reason}" for reason, count in dropped.items()) or "nothing"
        raise SpecificationError(f"path: {name!r} has no picture that can be read; it holds {reasons}.")
    names = [*sums]
    labels = np.array([classes[member] for member in names])
    if len(np.unique(labels)) > MOST_LABELS:
        raise SpecificationError(f"path: {name!r} has more than {MOST_LABELS} class folders.")
    del dropped["other"]
    return LabelledImages(
        names, labels, lambda number: content(names[number]), checksum, [*sums.values()], dict(dropped)
    )


def _unusable(member: str, size: int) -> str:
    """Return why a file is left out before it is opened; empty if it is not."""
    if not member.lower().endswith(ENDINGS):
        return "other"
    if not size:
        return "empty"
    return "huge" if size > MOST_BYTES else ""


def _unreadable(picture: bytes) -> str:
    """Return why a picture is left out once its head, and its end, were looked at; empty if it is not."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(BytesIO(picture)) as image:
            if image.width * image.height > MOST_PIXELS:
                return "huge"
            image.draft("RGB", (64, 64))
            image.load()
    except Image.DecompressionBombError:
        return "huge"
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError):
        return "corrupt"  # which is what its reader says by any of these
    return ""


def _classes(name: str, members: list[str]) -> list[str]:
    """Return the class of each picture: the first folder that is not the same for all."""
    folders = [list(PurePosixPath(member).parts[:-1]) for member in members]
    while folders and all(len(parts) > 1 and parts[0] == folders[0][0] for parts in folders):
        folders = [parts[1:] for parts in folders]
    if folders and all(len(parts) > 1 and parts[0].lower() in PARTS for parts in folders):
        folders = [parts[1:] for parts in folders]
    loose = [member for member, parts in zip(members, folders, strict=True) if not parts]
    if loose:
        raise SpecificationError(
            f"path: {name!r} has pictures in no class folder, such as {loose[0]!r}; put each into a folder with the "
            "name of its class."
        )
    return [parts[0] for parts in folders]


def _hidden(member: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(member).parts)


def _members(place: Path) -> dict[str, int]:
    """Return the files of an archive, in order of their names, with their sizes unpacked.

    Nothing is ever unpacked to disk; an archive that was made to harm is refused nevertheless.
    """
    name = place.name
    try:
        with zipfile.ZipFile(place) as archive:
            entries = [info for info in archive.infolist() if not info.is_dir()]
    except (zipfile.BadZipFile, OSError) as error:
        raise SpecificationError(
            f"path: {name!r} cannot be read as a .zip: {error}. Allowed: a .zip or a folder, of class folders."
        ) from None
    for info in entries:
        parts = PurePosixPath(info.filename.replace("\\", "/"))
        if parts.is_absolute() or ".." in parts.parts or re.match(r"^[A-Za-z]:", info.filename):
            raise SpecificationError(f"path: {name!r} holds {info.filename!r}, which leads out of the archive.")
        if info.flag_bits & 1:
            raise SpecificationError(f"path: {name!r} is encrypted; unpack it and make an archive without a password.")
        if info.filename.lower().endswith((".zip", ".rar", ".7z", ".tar", ".gz", ".tgz")):
            raise SpecificationError(f"path: {name!r} holds another archive, {info.filename!r}; unpack that one first.")
    visible = {info.filename: info.file_size for info in entries if not _hidden(info.filename)}
    if sum(visible.values()) > 2 * LARGEST:
        raise SpecificationError(f"path: {name!r} unpacks to more than {2 * LARGEST:,} bytes.")
    return dict(sorted(visible.items()))


@lru_cache(maxsize=4)
def _archive(path: str, _checksum: str) -> zipfile.ZipFile:
    return zipfile.ZipFile(path)  # whose list of files is read once; several threads may read from it


def _unpacked(path: str, checksum: str, member: str) -> bytes:
    try:
        with _archive(path, checksum).open(member) as packed:
            return packed.read(MOST_BYTES + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError):
        return b""  # what is damaged is no picture


Listing = tuple[tuple[str, int, int], ...]


def _listing(place: Path) -> Listing:
    """Return path, size and time of change of every visible file below a folder that does not lead out of it."""

    def files() -> Iterator[tuple[str, int, int]]:
        for path in sorted(place.rglob("*")):
            member = path.relative_to(place).as_posix()
            if path.is_file() and not _hidden(member) and path.resolve().is_relative_to(place):
                status = path.stat()
                yield member, status.st_size, status.st_mtime_ns

    return tuple(files())


@lru_cache(maxsize=16)
def _sum_of_folder(place: Path, listing: Listing) -> str:
    import hashlib

    digest = digest_of()
    for member, size, _ in listing:
        if size > MOST_BYTES or not member.lower().endswith(ENDINGS):
            continue
        digest.update(member.encode())
        with (place / member).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
