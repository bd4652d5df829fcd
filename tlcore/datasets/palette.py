"""What the pixels of a mask stand for: numbers or colours, by the file that names them or as they are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tlcore.errors import SpecificationError

if TYPE_CHECKING:
    from PIL.Image import Image

COLOUR = 1 << 24
"""From here on a value is a colour: this and 65536·red + 256·green + blue."""
GREY = 0x010101
VOID = 255
"""The number that VOC, Cityscapes and others since give to pixels of which the class is not known."""
FEW = 64
"""Where other classes have numbers below this, `VOID` is none; 0 and 255, or grey levels between, are all classes."""
UNKNOWN_NAMES = frozenset(
    {"void", "ignore", "ignored", "unlabelled", "unlabeled", "unknown", "dontcare", "don't care", "out of roi"}
)
LISTS = ("labelmap.txt", "class_dict.csv", "label_colors.txt", "codes.txt", "classes.txt", "labels.txt", "classes.csv")
"""What files are called in which CVAT, CamVid and others say which class has which colour or number."""
LISTED = (
    re.compile(r"(?P<name>[^:]+):(?P<rgb>\d+,\d+,\d+):"),
    re.compile(r"(?P<name>[^,;\t]+)[,;\t]\s*(?P<rgb>\d+\s*[,;\t]\s*\d+\s*[,;\t]\s*\d+)"),
    re.compile(r"(?P<rgb>\d+\s+\d+\s+\d+)\s+(?P<name>\S.*)"),
    re.compile(r"(?P<number>\d+)\s*[:,;=\t ]\s*(?P<name>[^\d\s].*)"),
    re.compile(r"(?P<name>[^:,;=\t]+?)\s*[:,;=\t]\s*(?P<number>\d+)"),
)
"""How a line of such a list may be written: CVAT's, CSV's, CamVid's, a number and a name, a name and a number."""


@dataclass(frozen=True)
class Marks:
    """A mask as it is in its file.

    Attributes
    ----------
    values : ndarray of int32, shape (h, w)
        Numbers, or colours from `COLOUR` on.
    palette : tuple of int
        The colours of an indexed mask by their numbers; empty: it is none.
    """

    values: np.ndarray
    palette: tuple[int, ...] = ()


def marks_of(mask: Image) -> Marks:
    """Return the numbers or colours of a mask; what is transparent is black.

    Raises
    ------
    ValueError
        If its values are no whole numbers from 0 to 65,535.
    """
    if mask.mode == "P" and "transparency" not in mask.info:
        colours = np.array(mask.getpalette("RGB") or [], np.int32).reshape(-1, 3)
        return Marks(np.asarray(mask, np.int32), tuple(_packed(colours).tolist()))
    if mask.mode == "1":
        return Marks(np.asarray(mask, bool).astype(np.int32))
    if mask.mode in ("L", "F") or mask.mode.startswith("I"):
        found = np.asarray(mask)
        whole = found.astype(np.int32)
        if (whole != found).any() or whole.min() < 0 or whole.max() > 65535:
            raise ValueError("its values are no whole numbers from 0 to 65,535")
        return Marks(whole)
    if mask.mode in ("LA", "PA", "RGBA", "P"):
        found = np.asarray(mask.convert("RGBA"), np.int32)
        return Marks(_packed(found[..., :3] * (found[..., 3:] > 0)))
    return Marks(_packed(np.asarray(mask.convert("RGB"), np.int32)))


def _packed(colours: np.ndarray) -> np.ndarray:
    """Return colours (..., 3) as values (...)."""
    packed: np.ndarray = COLOUR + (colours[..., 0] << 16) + (colours[..., 1] << 8) + colours[..., 2]
    return packed.astype(np.int32)


def written(value: int) -> str:
    """Return how a person writes a value.

    >>> written(7), written(COLOUR + 0xFF8000)
    ('7', '#ff8000')
    """
    return str(value) if value < COLOUR else f"#{value - COLOUR:06x}"


def value_of(text: str) -> int:
    """Return the value that a person wrote as 7, or as #ff8000.

    Raises
    ------
    ValueError
        If it is neither.

    >>> value_of(" 7") == 7, value_of("#FF8000") == COLOUR + 0xFF8000
    (True, True)
    """
    text = text.strip()
    if re.fullmatch(r"\d{1,5}", text):
        return int(text)
    if re.fullmatch(r"#[0-9a-fA-F]{6}", text):
        return COLOUR + int(text[1:], 16)
    raise ValueError(f"{text!r} is neither a number such as 7 nor a colour such as #ff8000")


def alike(masks: Iterable[tuple[Iterable[int], tuple[int, ...]]]) -> list[dict[int, int]]:
    """Return, for each mask, its values by those that go for all masks together.

    Numbers of indexed masks count as such where all have one palette, else their colours do. Grey colours are numbers
    where there are no others; where there are, numbers are grey colours.

    Parameters
    ----------
    masks : iterable of (iterable of int, tuple of int)
        The values in each, and its palette.

    Returns
    -------
    list of dict of int to int
        From the values in a mask to those that count.
    """
    found = [([*values], palette) for values, palette in masks]
    palettes = {palette for _, palette in found if palette}
    coloured = any(value >= COLOUR for values, _ in found for value in values)
    if coloured or len(palettes) > 1:
        of_palette = [
            {value: palette[value] if palette and value < len(palette) else value for value in values}
            for values, palette in found
        ]
    else:
        of_palette = [{value: value for value in values} for values, _ in found]
    if any(_hue(value) for values in of_palette for value in values.values()):
        return [{raw: COLOUR + GREY * value if value < 256 else value for raw, value in v.items()} for v in of_palette]
    return [{raw: value & 0xFF if value >= COLOUR else value for raw, value in v.items()} for v in of_palette]


def _hue(value: int) -> bool:
    return value >= COLOUR and (value - COLOUR) % GREY != 0


def nearest(values: Iterable[int], told: Iterable[int]) -> dict[int, int]:
    """Return for each value the nearest of those told: by its number, or by the distance of colours.

    Raises
    ------
    SpecificationError
        If numbers are told for colours, or the reverse.
    """
    values, told = [*values], [*told]
    mixed = [value for value in told if (value < COLOUR) != (values[0] < COLOUR)]
    if mixed:
        have = "numbers" if values[0] < COLOUR else "colours"
        raise SpecificationError(f"nearest: {written(mixed[0])!r} is not allowed, as the masks have {have}.")
    distances = np.linalg.norm(_channels(values)[:, None] - _channels(told)[None], axis=2)
    return {value: told[place] for value, place in zip(values, distances.argmin(1).tolist(), strict=True)}


def _channels(values: list[int]) -> np.ndarray:
    packed = np.array(values)
    if packed[0] < COLOUR:
        return packed[:, None].astype(float)
    return np.stack([packed >> 16 & 255, packed >> 8 & 255, packed & 255], axis=1).astype(float)


def listed(text: str) -> dict[int, str]:
    r"""Return the names of classes by their values, from a list in any of the usual forms; empty if it is none.

    Lines that are names alone count from 0.

    >>> listed("# label:color_rgb:parts:actions\nbackground:0,0,0::\nroad:128,64,128::") == {
    ...     COLOUR: "background", COLOUR + 0x804080: "road"}
    True
    >>> listed("0: background\n1: vessel"), listed("background\nvessel")
    ({0: 'background', 1: 'vessel'}, {0: 'background', 1: 'vessel'})
    """
    lines = [line.strip() for line in text.lstrip("\ufeff").splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    for form in LISTED:
        hits = [form.match(line) for line in lines]
        first = next((place for place, hit in enumerate(hits) if hit), 0)
        if first <= 1 and any(hits) and all(hits[first:]):  # a CSV has a line of headings above
            return dict(_entry(hit) for hit in hits if hit)
    plain = all(re.fullmatch(r"[^:,;=\t]+", line) for line in lines)
    return dict(enumerate(lines)) if plain and len({*lines}) == len(lines) > 1 else {}


def _entry(hit: re.Match[str]) -> tuple[int, str]:
    parts = hit.groupdict()
    if "number" in parts:
        return int(parts["number"]), parts["name"].strip()
    red, green, blue = (int(channel) & 255 for channel in re.findall(r"\d+", parts["rgb"]))
    return COLOUR + (red << 16) + (green << 8) + blue, parts["name"].strip()


def not_known(values: Iterable[int], names: Mapping[int, str]) -> set[int]:
    """Return the values that mean that nobody knows: by their names, or by the convention of 255.

    >>> not_known([0, 1, 255], {}), not_known([0, 255], {}), not_known([0, 128, 255], {})
    ({255}, set(), set())
    """
    values = {*values}
    found = {value for value in values if names.get(value, "").casefold() in UNKNOWN_NAMES}
    others = values - {VOID}
    if VOID in values and VOID not in names and len(others) > 1 and max(others) < FEW:
        found.add(VOID)
    return found
