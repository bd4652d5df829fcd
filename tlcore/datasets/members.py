"""The files of a folder or an archive of one's own: what each is called, how large it is, and how it is read."""

from __future__ import annotations

import lzma
import os
import re
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from hashlib import sha256 as digest_of
from pathlib import Path, PurePosixPath
from typing import ClassVar, Self

from tlcore.datasets.encoding import encoding_of
from tlcore.datasets.own import LARGEST, LabelledFile
from tlcore.errors import SpecificationError

PACKED = (".zip", ".rar", ".7z", ".tar", ".gz", ".tgz", ".bz2", ".xz")
MOST_FILES = 200_000
"""Files that count and others."""
MOST_BYTES, MOST_TOGETHER = 64 * 2**20, 2 * LARGEST
"""What one file, and all together, may have unpacked."""
UTF_8 = 0x800
UNICODE_PATH = 0x7075
"""What Info-ZIP calls the field in which it says a name again, in UTF-8."""
DOS = ("cp1252", "cp850")
"""In which Western systems write names into archives."""


@dataclass(frozen=True)
class File:
    """A file in a folder or an archive: what a person calls it, its size unpacked, and how it is read.

    What cannot be read is read as nothing. A link that leads elsewhere has no size.
    """

    name: str
    size: int | None
    read: Callable[[], bytes]


class FilesTogether(LabelledFile):
    """Many files that make one domain: a .zip, or a folder here."""

    allowed: ClassVar[str] = "a folder, a .zip, or an https address of one"
    arranged: ClassVar[str]
    """How the files lie in it, for a message."""
    counted: ClassVar[tuple[str, ...]]
    """Endings of the names of files that decide what is in a folder, and so its checksum."""

    def pinned(self) -> Self:
        """Return the same with an absolute path and a checksum of every file that counts.

        Raises
        ------
        SpecificationError
            If it is not there, holds too much, or is not what the checksum is of.
        """
        if "://" in self.path or not (place := Path(self.path).expanduser().resolve()).is_dir():
            return super().pinned()
        return self._pinned_to(place, _sum_of_folder(place, _listing(place), self.counted))

    @classmethod
    def members(cls, path: str, checksum: str) -> list[File]:
        """Return the visible files of a pinned folder or archive, in order of their names.

        Raises
        ------
        SpecificationError
            If there are too many, or the archive cannot be read or is not safe to.
        """
        place = Path(path)
        return _in_folder(place) if place.is_dir() else _in_archive(path, checksum, f"{cls.allowed}, {cls.arranged}")

    def names(self) -> list[str]:
        """Return what the files in a folder or an archive are called; none if it is neither, or not there."""
        try:
            pinned = self.pinned()
            if Path(pinned.path).is_dir():
                return [_said(member) for member, _, _ in _listing(Path(pinned.path))]
            with zipfile.ZipFile(pinned.path) as archive:
                return [file.filename for file in archive.infolist() if not file.is_dir()]
        except (SpecificationError, zipfile.BadZipFile):
            return []


def _hidden(member: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(member).parts)


def _refuse_too_much(name: str, files: int, size: int) -> None:
    if files > MOST_FILES:
        raise SpecificationError(f"path: {name!r} holds more files than {MOST_FILES:,}.")
    if size > MOST_TOGETHER:
        raise SpecificationError(f"path: the files in {name!r} have more than {MOST_TOGETHER:,} bytes together.")


def _in_archive(path: str, checksum: str, allowed: str) -> list[File]:
    """Return the visible files of an archive, in order of their names.

    Nothing is ever unpacked to disk; an archive that was made to harm is refused nevertheless.
    """
    name = Path(path).name
    try:
        entries = _archive(path, checksum).infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise SpecificationError(f"path: {name!r} cannot be read as a .zip: {reason}. Allowed: {allowed}.") from None
    _refuse_too_much(name, len(entries), sum(info.file_size for info in entries))
    found: dict[str, File] = {}
    for info, member in zip(entries, _names_in(entries), strict=True):
        if member.startswith("/") or ".." in member.split("/") or re.match("[A-Za-z]:", member):
            raise SpecificationError(f"path: {name!r} holds {member!r}, which leads out of the archive.")
        if member.endswith("/") or _hidden(member):
            continue
        if info.flag_bits & 1:
            raise SpecificationError(f"path: {name!r} is encrypted; unpack it and make an archive without a password.")
        if member.lower().endswith(PACKED):
            raise SpecificationError(f"path: {name!r} holds another archive, {member!r}; unpack that one first.")
        found[member] = File(member, info.file_size, partial(_unpacked, path, checksum, info))
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


def _in_folder(place: Path) -> list[File]:
    return [File(_said(member), size, partial(_content, place / member)) for member, size, _ in _listing(place)]


def _said(member: str) -> str:
    return unicodedata.normalize("NFC", os.fsencode(member).decode("utf-8", "replace"))


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


@lru_cache(maxsize=16)
def _sum_of_folder(place: Path, listing: Listing, counted: tuple[str, ...]) -> str:
    import hashlib

    digest = digest_of()
    for member, size, _ in listing:
        if size is None or size > MOST_BYTES or not member.lower().endswith(counted):
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
