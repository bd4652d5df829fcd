"""What is inside a packed file, by its content: gzip, bzip2, xz, zip, one in the other; and which files in it count."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Protocol

ARCHIVES = {b"Rar!": "a .rar archive", b"7z\xbc\xaf": "a .7z archive"}
"""Of which the contents cannot be had."""
LEFT_BEHIND = re.compile(r"(\..*|__MACOSX|thumbs\.db|desktop\.ini|ehthumbs\.db|~\$.*|icon\r)", re.I)
"""What macOS, Windows, git and Office leave beside the files that a person means."""
BESIDE = re.compile(r"(readme|licen[cs]e|copying|changelog|citation|about|authors)([._-].*)?", re.I)
BEGINNING = 2**16
"""Bytes by which a file's format is told."""
DEEPEST = 3
_ZIP = (b"PK\3\4", b"PK\5\6", b"PK\7\10")


class Readable(Protocol):
    """What bytes can be read from."""

    def read(self, size: int, /) -> bytes:
        """Return up to so many bytes."""
        ...


def counts(member: str) -> bool:
    """Whether a file in an archive or a folder is one that a person means.

    >>> [counts(name) for name in ("a/b.csv", "__MACOSX/a/._b.csv", ".git/HEAD", "a/.DS_Store", "Thumbs.db")]
    [True, False, False, False, False]
    """
    return not any(LEFT_BEHIND.fullmatch(part) for part in PurePosixPath(member).parts)


def unpacked(place: Path, prefer: Sequence[str], largest: int) -> bytes:
    """Return what is in a file: its bytes, or those of what is packed in it.

    Parameters
    ----------
    place : Path
    prefer : sequence of str
        Patterns of names; the first that any file in an archive matches decides which are looked at.
    largest : int
        Bytes that there may be, unpacked.

    Raises
    ------
    ValueError
        If it cannot be unpacked, or not one file in it is meant; what it is or holds, without the file's name.
    """
    import lzma
    import zlib

    content = place.read_bytes()
    try:
        for _ in range(DEEPEST):
            inside = _once(content, prefer, largest)
            if inside is None:
                return content
            content = inside
    except (
        OSError,
        EOFError,
        zlib.error,
        lzma.LZMAError,
        zipfile.BadZipFile,
        NotImplementedError,
        RuntimeError,
    ) as error:
        raise ValueError(f"cannot be unpacked: {' '.join(str(error).split()).rstrip('.')}") from None
    raise ValueError("is packed more than three times; unpack it")


def may_be_packed(start: bytes) -> bool:
    """Whether a file that begins so is packed, or an archive."""
    return start.startswith((*_ZIP, *ARCHIVES, b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0")) or start[257:262] == b"ustar"


def _once(content: bytes, prefer: Sequence[str], largest: int) -> bytes | None:
    """Return what is packed in something, None if it is not packed."""
    import bz2
    import gzip
    import lzma

    for begins, what in ARCHIVES.items():
        if content.startswith(begins):
            raise ValueError(f"is {what}; unpack it and name the file, or make a .zip")
    if content[257:262] == b"ustar":
        raise ValueError("is a .tar archive; unpack it and name the file, or make a .zip")
    if content.startswith(b"\x1f\x8b"):
        return _bounded(gzip.GzipFile(fileobj=BytesIO(content)), largest)
    if content.startswith(b"BZh") and content[4:10] == b"1AY&SY":
        return _bounded(bz2.BZ2File(BytesIO(content)), largest)
    if content.startswith(b"\xfd7zXZ\0"):
        return _bounded(lzma.LZMAFile(BytesIO(content)), largest)
    if not content.startswith(_ZIP):
        return None
    with zipfile.ZipFile(BytesIO(content)) as archive:
        infos = [info for info in archive.infolist() if not info.is_dir()]
        if _is_a_format(infos):
            return None
        files = [info for info in infos if counts(info.filename.replace("\\", "/"))]
        matching = [[info for info in files if re.search(one, info.filename, re.I)] for one in prefer]
        plain = [info for info in files if not BESIDE.fullmatch(PurePosixPath(info.filename).name)]
        files = next(filter(None, [*matching, plain]), files)
        if len(files) != 1:
            names = ", ".join(info.filename for info in files[:10]) or "no file"
            raise ValueError(f"holds {names}; unpack it and name the one")
        with archive.open(files[0]) as packed:
            return _bounded(packed, largest)


def _is_a_format(infos: Sequence[zipfile.ZipInfo]) -> bool:
    """Whether an archive is a file of its own kind: a workbook, or arrays of numpy."""
    names = {info.filename for info in infos}
    arrays = bool(names) and all(name.endswith(".npy") for name in names)
    return bool(names & {"[Content_Types].xml", "mimetype", "content.xml"}) or arrays


def _bounded(packed: Readable, largest: int) -> bytes:
    chunks, size = [], 0
    while chunk := packed.read(2**20):  # asked for all at once, gzip would make room for all that is allowed
        chunks.append(chunk)
        size += len(chunk)
        if size > largest:
            raise ValueError(f"unpacks to more than {largest:,} bytes")
    return b"".join(chunks)
