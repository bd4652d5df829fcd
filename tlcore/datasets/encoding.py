"""The encoding of a file, or of the names in an archive, where nothing says what it is."""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log2

BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins as that of UTF-16, and so comes before it
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
COMMON = {
    "gb18030": rb"[\xa1\xa3\xb0-\xd7][\xa1-\xfe]",  # the first level of GB2312; marks and digits of full width
    "big5hkscs": rb"[\xa1\xa4-\xc6].",
    "cp932": rb"[\x81-\x83\x88-\x97].|[\xa1-\xdf]",
    "cp949": rb"[\xa1\xb0-\xc8][\xa1-\xfe]",  # the 2,350 syllables of KS X 1001
    "euc-jp": rb"[\xa1\xa4\xa5\xb0-\xcf].",
    "cp1251": rb"[\xa8\xb8\xc0-\xff]",
    "cp1252": rb"[\xc4\xc9\xd6\xdc\xdf-\xf6\xf8-\xfc]",
}
"""Encodings that are told apart, and which signs of each are common ones: its makers put these first.

They stand for those that they contain: GB18030 for GB2312 and GBK, Windows-1252 for Latin-1. Of those that fit equally
well the first is taken.
"""
WESTERN = "cp1252"
SAID = {"gb2312": "gb18030", "gbk": "gb18030", "cp936": "gb18030", "utf_8": "utf-8-sig", "big5": "big5hkscs"}
"""What is read in the place of an encoding that a person names: one that contains it."""
ALSO_CALLED = {
    "big5": "big5hkscs", "shift_jis": "cp932", "euc-kr": "cp949", "euc_jis_2004": "euc-jp", "windows-1251": "cp1251",
    "windows-1252": "cp1252", "iso-8859-1": "cp1252",
}  # fmt: skip
"""What chardet calls them."""
LEANING = 0.5
"""Bits by which GB18030 is believed before anything is read: most who bring such files write Chinese."""
ENOUGH = 4000
"""Lines that are looked at, from all over a file."""
DAMAGED = 0.05
"""Of the cells, how many may be no text in the encoding that the others are in."""
CONTROLS = bytes({*range(32)} - {*b"\t\n\f\r\x1a\x1b"})
BINARY = 0.01
"""Control characters among the first million bytes from which on it is no text."""


@dataclass(frozen=True)
class Decoded:
    """What a file says.

    Attributes
    ----------
    text : str
        Without a byte order mark.
    encoding : str
        By Python's name.
    misread : int
        Lines that are not in it.
    """

    text: str
    encoding: str
    misread: int


def decoded(content: bytes, encoding: str = "") -> Decoded:
    r"""Return the text of a file.

    What a person says is believed. Then a byte order mark, the zeros of UTF-16, and UTF-8, are; single lines among
    UTF-8 that are not in it are read as Windows-1252 and counted. All else is in the encoding that its cells fit best.

    >>> decoded("id;label\n1;猫\n2;狗\n".encode("gbk")).text.split()
    ['id;label', '1;猫', '2;狗']

    Raises
    ------
    ValueError
        If there is no such encoding, or it is not text.
    """
    if encoding:
        try:
            known = codecs.lookup(encoding).name.replace("-", "_")
            return _read_as(content, SAID.get(known, encoding))
        except LookupError:
            raise ValueError(f"encoding {encoding!r} is not known; allowed: utf-8, gb18030, cp1252, ...") from None
    for mark, name in BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return _read_as(content, name)
    if name := _utf_16(content):
        return _read_as(content, name)
    start = content[: 2**20]
    if len(start) - len(start.translate(None, CONTROLS)) > BINARY * len(start):
        raise ValueError("it is not text: it has many control characters")
    try:
        found = Decoded(content.decode("utf-8-sig"), "utf-8", 0)
    except UnicodeDecodeError:
        found = None
    if found and (content.isascii() or re.search(rb"[\xe0-\xff]", content)):  # three bytes a sign are no chance
        return found
    lines = [line for line in content.split(b"\n") if not line.isascii()]
    if _only_looks_like_utf_8(lines):
        return _read_as(content, "gb18030")
    if found:
        return found
    some = _some(lines)
    if 2 * sum(_reads(line, "utf-8") for line in some) > len(some):  # pasted together from several sources
        return _read_as(content, "utf-8-sig", otherwise=WESTERN)
    return _read_as(content, encoding_of(lines))


def encoding_of(samples: Sequence[bytes], western: Sequence[str] = (WESTERN,)) -> str:
    """Return the encoding that all these lines, or names, fit best.

    ``western`` are the encodings in which Western words are looked for, in this order.

    Words of Western languages are known by where their accents stand: next to plain letters, as they hardly ever do
    where two bytes make a sign. All others are told apart by chardet, which knows what is common in which language; of
    two or three signs it knows little, and so what it believes of an encoding is halved for each that is a rare one
    there.
    """
    if all(_reads(sample, "utf-8") for sample in samples):
        return "gb18030" if _only_looks_like_utf_8(samples) else "utf-8"
    cells = _cells(samples)
    possible = {}
    for name in COMMON:
        read = {cell for cell in cells if _reads(cell, name)}
        if sum(cells[cell] for cell in read) >= (1 - DAMAGED) * cells.total():
            possible[name] = read
    for name in western:
        read = {cell for cell in cells if _reads(cell, name)}
        if len(read) >= (1 - DAMAGED) * len(cells) and _looks_western(cell.decode(name) for cell in read):
            return name
    if not possible:
        return "latin-1"
    common = [cell for cell in cells if all(cell in read for read in possible.values())]
    return _likeliest(b"\n".join(common), [*possible])


def _read_as(content: bytes, encoding: str, otherwise: str = "") -> Decoded:
    """Return the text, and how many lines are not in this encoding; those are read in another, or with gaps."""
    name = "utf-8" if encoding == "utf-8-sig" else encoding
    try:
        return Decoded(content.decode(encoding).removeprefix("\ufeff"), name, 0)
    except UnicodeDecodeError:
        pass
    if encoding.startswith(("utf-16", "utf-32")):  # whose lines cannot be told apart before they are read
        text = content.decode(encoding, "replace").removeprefix("\ufeff")
        return Decoded(text, name, sum("\ufffd" in line for line in text.split("\n")))
    read, misread = [], 0
    for line in content.split(b"\n"):
        fits = _reads(line, encoding)
        misread += not fits
        read.append(line.decode(encoding if fits else otherwise or encoding, "replace"))
    return Decoded("\n".join(read).removeprefix("\ufeff"), name, misread)


def _reads(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _utf_16(content: bytes) -> str:
    """Return which UTF-16 it is in without saying so; empty if in none.

    Its ASCII has a zero beside each sign; what is not in it makes signs that nobody writes.
    """
    start = content[: 2**16]
    if len(content) % 2 or 0 not in start:
        return ""
    read = {name: start.decode(name, "ignore") for name in ("utf-16-le", "utf-16-be")}
    name, text = max(read.items(), key=lambda one: sum(sign.isascii() for sign in one[1]))
    signs = sum(sign.isprintable() or sign in "\t\n\r\ufeff" for sign in text)
    return name if signs >= 0.99 * len(start) / 2 else ""


SCRIPTS = (
    r"[\u0370-\u03ff]*",
    r"[\u0400-\u045f\u0490\u0491]*",
    r"[\u0590-\u05ff]*",
    r"[\u0600-\u06ff]*",
    r"[^\W\d_]",
    r"\W*",
)
"""What is believed where it stands alone: Greek, Cyrillic, Hebrew, Arabic, a letter, and °, ±."""


def _only_looks_like_utf_8(samples: Sequence[bytes]) -> bool:
    """Whether all that is not ASCII are a few words of common Chinese signs, some by chance UTF-8, too.

    猫 is in GBK what è is in UTF-8. Nobody calls classes è and ¹, each a whole word; 猫 and 鹿 many do.
    """
    cells = [cell.strip() for cell in _cells(samples)]
    if len(cells) > 20 or not all(_reads(cell, "gb18030") for cell in cells):
        return False
    by_chance = [cell.decode() for cell in cells if _reads(cell, "utf-8")]
    words = "".join(by_chance)
    strange = not re.search(r"[\0-\x7f\u0800-\U0010ffff]", words) and not any(map(str.isspace, words))
    alone = len(by_chance) == len(cells) and any(re.fullmatch(script, words) for script in SCRIPTS)
    return bool(words) and strange and not alone and not any(_rare(cell, "gb18030") for cell in cells)


def _cells(samples: Sequence[bytes]) -> Counter[bytes]:
    """Return what is not ASCII between separators, from all over; no separator is half of a sign in any encoding."""
    return Counter(cell for line in _some(samples) for cell in re.split(rb'[,;\t\r\n"/]', line) if not cell.isascii())


def _some(samples: Sequence[bytes]) -> Sequence[bytes]:
    return samples[:: max(1, len(samples) // ENOUGH)]


ACCENTED = "À-ÖØ-öø-ÿŒœŠšŽžŸ"
WORD = re.compile(rf"[A-Za-z{ACCENTED}]+")
SIGN = re.compile(
    r"(?<=[A-Za-z])’(?=[A-Za-z\s]|$)|(?<![^\s\d.(])°(?=[CF\s]|$)|(?<=\d)°|(?<![^\s(])[“‘„«¿¡]|[”’»](?![^\s.,!?)])"
    r"|(?<=\d)\s?µ(?=[a-zA-Z])|[£€](?=\s?\d)|(?<=\d)\s?[£€]|±(?=\s?\d)|(?<=[\d\s])×(?=[\d\s])|(?<=\d)[ºª]"
    r"|(?<=[a-z\d])[²³](?![^\s\d.,)/])|(?<![^\s\d])[½¼¾](?![^\s.,)])|[–—](?![^\s\d\"“])|…(?![^\s.,!?)”])|\xa0"
    r"|(?<=[a-z])[®™]|©(?=\s)|§(?=\s?\d)"
)  # fmt: skip
"""Signs of Windows-1252 where they usually stand."""


def _looks_western(texts: Iterable[str]) -> bool:
    """Whether nearly all letters and signs that are not ASCII are where a Western language has them."""
    usual = strange = 0
    for text in texts:
        rest, signs = SIGN.subn(" ", text)
        for word in WORD.findall(rest):
            if not word.isascii():
                usual += _is_western(word)
                strange += not _is_western(word)
        usual += signs
        strange += len(re.findall(r"[^\0-\x7f]+", WORD.sub("-", rest)))
    return strange <= 0.1 * usual


def _is_western(word: str) -> bool:
    accents = sum(not letter.isascii() for letter in word)
    if len(word) == 1:
        return word in "àéèöåÅÖ"
    regular = word.islower() or word[1:].islower() or (word.isupper() and len(word) > 2)
    return regular and accents <= 2 * (len(word) - accents) and not re.search(f"[{ACCENTED}]{{3}}", word)


def _likeliest(content: bytes, possible: list[str]) -> str:
    from chardet import detect_all

    believed = dict.fromkeys(possible, 1e-4)
    some = len(content) or 1
    for one in detect_all(
        content, ignore_threshold=True, include_encodings=possible, max_bytes=some, no_match_encoding=possible[0]
    ):
        said = str(one["encoding"]).lower()
        name = ALSO_CALLED.get(said, said)
        if name in believed:  # of what is damaged it may believe nothing at all
            believed[name] = max(believed[name], one["confidence"])
    return max(possible, key=lambda name: log2(believed[name]) - _rare(content, name) + LEANING * (name == "gb18030"))


def _rare(content: bytes, encoding: str) -> int:
    """Return how many signs are not among the common ones."""
    signs = Counter(sign for sign in content.decode(encoding) if not sign.isascii())
    common = re.compile(COMMON[encoding], re.DOTALL)
    return sum(count for sign, count in signs.items() if not common.fullmatch(sign.encode(encoding)))
