"""Labelled pictures, how they are read from a folder or an archive of one's own, and their pixels at one size."""

from __future__ import annotations

import lzma
import os
import re
import struct
import unicodedata
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from hashlib import sha256 as digest_of
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field

from tlcore.artefacts import kept_array
from tlcore.datasets.encoding import encoding_of
from tlcore.datasets.folders import classes_of, groups_of, proposed_group
from tlcore.datasets.look import Look, counted
from tlcore.datasets.own import LARGEST, LabelledFile
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
PACKED = (".zip", ".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz")
MOST, MOST_FILES, MOST_LABELS = 50_000, 200_000, 1000
"""Pictures of a domain, files beside and among them, classes."""
MOST_BYTES, MOST_TOGETHER = 64 * 2**20, 2 * LARGEST
"""What one picture, and all files, may have unpacked."""
MOST_PIXELS = 80_000_000
"""Of one picture; a little below the number from which Pillow itself warns."""
THREADS = min(8, os.cpu_count() or 1)
"""Each may hold one unpacked picture of the largest size."""
UTF_8 = 0x800
UNICODE_PATH = 0x7075
"""What Info-ZIP calls the field in which it says a name again, in UTF-8."""
DOS = ("cp1252", "cp850")
"""In which Western systems write names into archives."""
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


def _opened(picture: bytes) -> Image:
    """Return a picture of which the head alone was read."""
    from PIL import Image

    if picture[4:8] == b"ftyp" and b"avif" not in picture[8:64]:
        from pillow_heif import register_heif_opener

        register_heif_opener()
        return Image.open(BytesIO(picture), formats=("HEIF",))
    return Image.open(BytesIO(picture), formats=FORMATS)


def _decoded(picture: bytes, size: int) -> Image:
    """Return what is in a file, or its first frame, in colour and the right way up, at least about twice this size."""
    from PIL import Image, ImageOps

    with _opened(picture) as opened:
        if opened.width * opened.height > MOST_PIXELS:
            raise Image.DecompressionBombError
        opened.draft(None, (2 * size, 2 * size))  # a JPEG of many pixels is decoded at a fraction of them
        return _in_colour(ImageOps.exif_transpose(opened), opened.format, _said_white(opened))


def _brightest(picture: bytes) -> float:
    """Return the largest value of grey of 16 bits that does not say what white is; 0 of all others.

    A PNG that says how many bits of its samples count (sBIT) has them scaled to 16, as the standard wants it, or its
    values show that they are not.
    """
    with _opened(picture) as opened:
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

    with _opened(picture) as opened:
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


class ImageFolder(LabelledFile):
    """Pictures in a folder for each class: a .zip, or a folder here.

    PNG, JPEG, BMP, GIF, TIFF, WebP, HEIC, AVIF; of any size, in colour, grey or CMYK. Folders called train and test, or
    training_set, val2017, seg_test, are parts of one data set; pictures in a folder beside them are left out.

    Grey of 16 bits does not say what white is, and many cameras have 10 or 12: it is the next of 1023, 4095 and 65535
    above the largest value in the whole folder, so that a picture that is darker than the next one stays so.
    """

    allowed: ClassVar[str] = "a folder, a .zip, or an https address of one"
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

    def pinned(self) -> Self:
        """Return the same with an absolute path and a checksum of every file in it.

        Raises
        ------
        SpecificationError
            If it is not there, holds too much, or is not what the checksum is of.
        """
        if "://" in self.path or not (place := Path(self.path).expanduser().resolve()).is_dir():
            return super().pinned()
        return self._pinned_to(place, _sum_of_folder(place, _listing(place)))

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
        try:
            with zipfile.ZipFile(self.pinned().path) as archive:
                files = [file.filename.lower() for file in archive.infolist() if not file.is_dir()]
        except (SpecificationError, zipfile.BadZipFile):
            return False
        return 2 * sum(name.endswith(ENDINGS) for name in files) > len(files)

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


@dataclass(frozen=True)
class _File:
    """A file in a folder or an archive: what a person calls it, its size unpacked, and how it is read.

    What cannot be read is read as nothing. A link that leads elsewhere has no size.
    """

    name: str
    size: int | None
    read: Callable[[], bytes]


@lru_cache(maxsize=4)
def _read(path: str, checksum: str, level: str) -> LabelledImages:
    from PIL.Image import DecompressionBombWarning

    place = Path(path)
    name = place.name
    files = _in_folder(place) if place.is_dir() else _in_archive(path, checksum)
    reasons = [_unusable(file) for file in files]
    dropped = Counter(filter(None, reasons))
    pictures = [file for file, reason in zip(files, reasons, strict=True) if not reason]
    if len(pictures) > MOST:
        raise SpecificationError(f"path: {name!r} holds {len(pictures):,} pictures. Allowed: up to {MOST:,}.")
    found = classes_of(name, [file.name for file in pictures], level)
    pictures = [file for file, label in zip(pictures, found, strict=True) if label is not None]
    classes = [label for label in found if label is not None]
    dropped.update({"beside": len(found) - len(classes)} if len(found) > len(classes) else {})
    if len(set(classes)) > MOST_LABELS:
        raise SpecificationError(
            f"path: {name!r} has {len(set(classes)):,} class folders, such as {classes[0]!r}. Allowed: up to "
            f"{MOST_LABELS:,}."
        )

    def look(file: _File) -> tuple[str, bytes, float]:
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
        np.array([classes[number] for number in kept]),
        opened,
        _sum_of(sums),
        sums,
        dict(dropped),
    )


def _unusable(file: _File) -> str:
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


def _hidden(member: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(member).parts)


def _refuse_too_much(name: str, files: int, size: int) -> None:
    if files > MOST_FILES:
        raise SpecificationError(f"path: {name!r} holds more files than {MOST_FILES:,}.")
    if size > MOST_TOGETHER:
        raise SpecificationError(f"path: the files in {name!r} have more than {MOST_TOGETHER:,} bytes together.")


def _in_archive(path: str, checksum: str) -> list[_File]:
    """Return the visible files of an archive, in order of their names.

    Nothing is ever unpacked to disk; an archive that was made to harm is refused nevertheless.
    """
    name = Path(path).name
    try:
        entries = _archive(path, checksum).infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise SpecificationError(
            f"path: {name!r} cannot be read as a .zip: {reason}. Allowed: {ImageFolder.allowed}, of class folders."
        ) from None
    _refuse_too_much(name, len(entries), sum(info.file_size for info in entries))
    found: dict[str, _File] = {}
    for info, member in zip(entries, _names_in(entries), strict=True):
        if member.startswith("/") or ".." in member.split("/") or re.match("[A-Za-z]:", member):
            raise SpecificationError(f"path: {name!r} holds {member!r}, which leads out of the archive.")
        if member.endswith("/") or _hidden(member):
            continue
        if info.flag_bits & 1:
            raise SpecificationError(f"path: {name!r} is encrypted; unpack it and make an archive without a password.")
        if member.lower().endswith(PACKED):
            raise SpecificationError(f"path: {name!r} holds another archive, {member!r}; unpack that one first.")
        found[member] = _File(member, info.file_size, partial(_unpacked, path, checksum, info))
    return [found[member] for member in sorted(found)]


def _names_in(entries: Sequence[zipfile.ZipInfo]) -> list[str]:
    """Return what the files of an archive are called, folders apart by a slash.

    What is not marked as UTF-8 Python reads in the first code page of DOS. Such names are in the one that its system
    had: UTF-8 on macOS, else whichever they all fit best. Only then it is known which backslash stands between folders,
    and which is half of a sign.
    """
    unmarked = [info.orig_filename.encode("cp437") for info in entries if not info.flag_bits & UTF_8]
    encoding = encoding_of(unmarked, DOS)
    names = []
    for info in entries:
        name = info.orig_filename
        if not info.flag_bits & UTF_8:
            raw = name.encode("cp437")
            name = _said_again(info.extra, raw) or raw.decode(encoding, "replace")
        names.append(unicodedata.normalize("NFC", name.split("\0")[0].replace("\\", "/")))
    return names


def _said_again(extra: bytes, name: bytes) -> str:
    """Return the name in UTF-8 that Info-ZIP puts beside another; empty if there is none, or it is of a former name."""
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<HH", extra)
        field, extra = extra[4 : 4 + size], extra[4 + size :]
        if kind == UNICODE_PATH and field[:1] == b"\1" and field[1:5] == struct.pack("<I", zlib.crc32(name)):
            return field[5:].decode("utf-8", "replace")
    return ""


@lru_cache(maxsize=4)
def _archive(path: str, _checksum: str) -> zipfile.ZipFile:
    return zipfile.ZipFile(path)  # whose list of files is read once; several threads may read from it


def _unpacked(path: str, checksum: str, info: zipfile.ZipInfo) -> bytes:
    try:
        with _archive(path, checksum).open(info) as packed:
            return packed.read(info.file_size)  # what the list said, which was looked at, however much there is
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError, ValueError, NotImplementedError):
        return b""


Listing = tuple[tuple[str, int | None, int], ...]


def _listing(place: Path) -> Listing:
    """Return path, size and time of change of every visible file below a folder; a link out of it has no size."""
    found: list[tuple[str, int | None, int]] = []
    together = 0
    for folder, folders, files in os.walk(place):
        folders[:] = [one for one in folders if not _hidden(one)]
        links = [one for one in folders if (Path(folder) / one).is_symlink()]
        for path in (Path(folder) / one for one in [*files, *links] if not _hidden(one)):
            member = path.relative_to(place).as_posix()
            if path.is_symlink() and not (path.is_file() and path.resolve().is_relative_to(place)):
                found.append((member, None, 0))
            elif path.is_file():
                status = path.stat()
                found.append((member, status.st_size, status.st_mtime_ns))
                together += status.st_size
            _refuse_too_much(place.name, len(found), together)
    return tuple(sorted(found))


def _in_folder(place: Path) -> list[_File]:
    return [_File(_said(member), size, partial(_content, place / member)) for member, size, _ in _listing(place)]


def _said(member: str) -> str:
    return unicodedata.normalize("NFC", os.fsencode(member).decode("utf-8", "replace"))


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


@lru_cache(maxsize=16)
def _sum_of_folder(place: Path, listing: Listing) -> str:
    import hashlib

    digest = digest_of()
    for member, size, _ in listing:
        if size is None or size > MOST_BYTES or not member.lower().endswith(ENDINGS):
            continue
        digest.update(os.fsencode(member) + b"\0")
        try:
            with (place / member).open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        except OSError as error:
            raise SpecificationError(
                f"path: {_said(member)!r} in {place.name!r} cannot be read: {error.strerror}."
            ) from None
    return digest.hexdigest()
