"""Pictures with masks, how they are read from a folder or an archive of one's own, and their classes at one size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256 as digest_of
from itertools import pairwise
from pathlib import PurePosixPath
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import Field, field_validator

from tlcore.artefacts import kept_array
from tlcore.datasets import palette
from tlcore.datasets.folders import groups_of, proposed_group
from tlcore.datasets.images import ENDINGS, THREADS, Fit, LabelledImages, head_of, readable, size_of, upright, usable
from tlcore.datasets.look import ClassLook, Look
from tlcore.datasets.members import File, FilesTogether
from tlcore.datasets.pairs import looks_paired, paired
from tlcore.datasets.palette import written
from tlcore.errors import SpecificationError
from tlcore.examples import UNKNOWN

NOT_KNOWN = "not known"
"""What those pixels are called."""
MOST_CLASSES = 100
RARE, MANY_RARE, COMMON = 1e-3, 8, 1e-2
"""Values that fill less of all masks than the first, more than so many of them, are smears between those that fill more
than the last."""
STRAY = 1e-3
"""A value in one mask alone that fills less of it than this is a slip of the pen."""


@dataclass(frozen=True)
class MaskedImages:
    """Pictures, and for each a mask that says of which class each pixel is.

    Attributes
    ----------
    pictures : LabelledImages
        Without labels; what is of a picture as a whole.
    open : callable
        From a picture's place to the classes of its pixels (h, w) as int8, −1 where none is known.
    classes : tuple of str
        What the numbers in it are called.
    checksum : str
        SHA-256 of all masks, in order, and of what they stand for.
    """

    pictures: LabelledImages
    open: Callable[[int], np.ndarray]
    classes: tuple[str, ...]
    checksum: str

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, rows: Any) -> MaskedImages:
        """Return some of them: by a slice, places or a mask, as numpy does."""
        places = np.arange(len(self))[rows].tolist()
        checksum = digest_of(f"{self.checksum} {places}".encode()).hexdigest()
        return MaskedImages(self.pictures[rows], lambda number: self.open(places[number]), self.classes, checksum)

    @classmethod
    def of(
        cls, names: Sequence[str], pictures: Sequence[Any], masks: Sequence[np.ndarray], classes: Sequence[str]
    ) -> Self:
        """Return the same as pictures and masks that are at hand."""
        digest = digest_of(repr(tuple(classes)).encode())
        for mask in masks:
            digest.update(str(mask.shape).encode() + np.ascontiguousarray(mask, np.int8).tobytes())
        labelled = LabelledImages.of(names, np.full(len(names), ""), pictures)
        return cls(labelled, lambda number: np.asarray(masks[number], np.int8), tuple(classes), digest.hexdigest())

    def in_tiles(self, side: int) -> MaskedImages:
        """Return pictures cut into tiles of about ``side`` pixels, which leave nothing out and do not overlap.

        Tiles of one picture belong together, unless pictures belong together in larger groups already.
        """
        whole = self.pictures
        boxes = [
            (number, box) for number in range(len(self)) for box in _boxes(self.open(number).shape, side)
        ]  # fmt: skip
        at_hand = lru_cache(maxsize=2)(lambda number: upright(whole.open(number)))  # tile by tile of one picture

        def cut(pixels: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
            top, bottom, left, right = box
            return pixels[top:bottom, left:right]

        sums = [digest_of(whole.contents[number] + repr(box).encode()).digest() for number, box in boxes]
        groups = np.array(whole.names) if whole.groups is None else whole.groups
        of = [number for number, _ in boxes]
        pictures = LabelledImages(
            [f"{whole.names[number]} [{top}:{bottom}, {left}:{right}]" for number, (top, bottom, left, right) in boxes],
            np.full(len(boxes), ""),
            lambda tile: cut(at_hand(boxes[tile][0]), boxes[tile][1]),
            digest_of(b"".join(sums)).hexdigest(),
            sums,
            whole.dropped,
            groups=groups[of],
        )
        checksum = digest_of(f"{self.checksum} {side}".encode()).hexdigest()
        return MaskedImages(
            pictures, lambda tile: cut(self.open(boxes[tile][0]), boxes[tile][1]), self.classes, checksum
        )


def _boxes(shape: tuple[int, ...], side: int) -> list[tuple[int, int, int, int]]:
    """Return top, bottom, left and right of tiles."""
    rows, columns = (
        np.linspace(0, length, max(1, round(length / side)) + 1).round().astype(int).tolist() for length in shape
    )
    return [(top, bottom, left, right) for top, bottom in pairwise(rows) for left, right in pairwise(columns)]


def classes_at(images: MaskedImages, size: int, fit: Fit) -> np.ndarray:
    """Return the classes of all pixels as int8 (n, size, size), −1 where none is known, on disk and mapped into memory.

    They lie as `tlcore.datasets.images.pixels` does; of the classes that one new pixel stands for, the one in its
    middle counts.
    """
    import PIL
    from PIL import Image, ImageOps

    def fill(into: np.ndarray) -> None:
        for number in range(len(images)):
            mask = Image.fromarray(images.open(number).view(np.uint8))
            into[number] = (
                ImageOps.fit(mask, (size, size), Image.Resampling.NEAREST)
                if fit == "crop"
                else mask.resize((size, size), Image.Resampling.NEAREST)
            )

    shape = (len(images), size, size)
    if not len(images):
        return np.zeros(shape, np.int8)
    kept = kept_array(("masks", images.checksum, size, fit, PIL.__version__, 1), shape, fill)
    return kept.view(np.int8)


class MaskFolder(FilesTogether):
    """Pictures with masks: a .zip, or a folder here, with the folders images and masks.

    To each picture belongs a mask of the same name, or of that name with _mask behind it, as PNG, TIFF, BMP or GIF,
    whose numbers or colours are classes. A list of names beside them is read: labelmap.txt, class_dict.csv, classes.txt
    and the like. The number 255 beside small ones means that the class is not known.
    """

    arranged: ClassVar[str] = "with the folders images and masks"
    counted: ClassVar[tuple[str, ...]] = (*ENDINGS, *palette.LISTS)
    rename: dict[str, str] = Field(
        default_factory=dict,
        description="What the numbers, colours or names in the masks are called here, such as 0=background, 1=vessel "
        "or #ff0000=road; 255= takes those pixels for not known.",
    )
    group: str = Field(
        "",
        description="Which pictures belong together (a patient, a field), so that none is learned from while another "
        "is scored: which folder in the path, 1 the first, or an expression such as patient(\\d+); empty: none.",
    )
    instances: bool = Field(
        False, description="Whether the numbers of a mask number its objects: all above 0 are one class then."
    )
    nearest: str = Field(
        "",
        description="The numbers or colours that there are, such as 0,255, where masks were smoothed or kept as JPEG: "
        "each pixel is the nearest of them.",
    )

    @field_validator("nearest")
    @classmethod
    def _values(cls, told: str) -> str:
        try:
            values = [palette.value_of(part) for part in told.split(",") if part.strip()]
        except ValueError as error:
            raise SpecificationError(f"nearest: {error}.") from None
        if len(values) == 1:
            raise SpecificationError(f"nearest: {told!r} is one value alone; there must be two.")
        return ",".join(written(value) for value in values)

    def read(self) -> MaskedImages:
        """Return the pictures that can be read, with their masks.

        Raises
        ------
        SpecificationError
            If there is none, one has no mask or one of another size, a mask cannot be read, or its values are no
            classes; or as `tlcore.datasets.images.ImageFolder.read`.
        """
        return self._found().images

    def labels(self) -> tuple[str, ...]:
        """Return the names of the classes, as they are called here."""
        return self.read().classes

    def fits(self) -> bool:
        """Whether it is a folder or an archive in which pictures have masks, by their names."""
        return looks_paired([name for name in self.names() if name.lower().endswith(ENDINGS)])

    def look(self) -> Look:
        """Return how pictures and masks are understood: classes, how they are written, their shares of pixels."""
        found = self._found()
        pictures = found.images.pictures
        sizes = sorted({*found.sizes})
        facts = {
            "format": "pictures with masks",
            "pictures": f"{len(pictures):,}",
            "size": " to ".join(f"{width} × {height}" for width, height in [sizes[0], *sizes[1:][-1:]]),
            "classes": str(len(found.images.classes)),
        }
        if pictures.groups is not None:
            facts["groups"] = f"{len(np.unique(pictures.groups)):,}"
        group = "" if self.group else proposed_group(pictures.names, [""] * len(pictures))
        left_out = {why: count for why, count in pictures.dropped.items() if count}
        return Look(
            self.name,
            facts,
            (),
            {look.name: look.pictures for look in found.classes if look.name != NOT_KNOWN},
            left_out,
            {"group": group} if group else {},
            tuple(found.classes),
        )

    def _found(self) -> _Found:
        pinned = self.pinned()
        return _read(pinned.model_dump_json())


@dataclass(frozen=True)
class _Mask:
    """What is in a mask: form, size (w, h), how many pixels of each value, palette; or what is wrong."""

    form: str
    size: tuple[int, int]
    counts: dict[int, int]
    palette: tuple[int, ...]
    wrong: str = ""


@dataclass(frozen=True)
class _Found:
    images: MaskedImages
    classes: list[ClassLook]
    sizes: list[tuple[int, int]]


@lru_cache(maxsize=4)
def _read(told: str) -> _Found:
    file = MaskFolder.model_validate_json(told)
    members = file.members(file.path, file.sha256)
    named = [member for member in members if member.name.lower().endswith(ENDINGS)]
    pairs, alone = paired(file.name, [member.name for member in named])
    mask_of = {named[picture].name: named[mask] for picture, mask in pairs}
    beside = {*(mask.name for mask in mask_of.values()), *(named[place].name for place in alone)}
    beside |= {member.name for member in members if _is_list(member)}
    files, dropped = usable(file.name, [member for member in members if member.name not in beside])
    dropped.update({"no_picture": len(alone)} if alone else {})
    pictures = readable(file.name, files, [""] * len(files), dropped)
    masks = [mask_of[name] for name in pictures.names]
    with ThreadPoolExecutor(THREADS) as threads:
        seen = [*threads.map(_seen, masks)]
        sizes = [*threads.map(lambda number: size_of(pictures.open(number)), range(len(pictures)))]
    for name, mask, one, size in zip(pictures.names, masks, seen, sizes, strict=True):
        _refuse(file, name, mask.name, one, size)
    said = _names_listed(members)
    meanings = palette.alike([(one.counts, one.palette) for one in seen])
    meanings = _as_told(file, meanings)
    totals, within = _counted(meanings, seen)
    if not said and not file.nearest:
        _refuse_smears(file, masks, meanings, seen, totals, within)
    names = _named(file, totals, said, masks, meanings)
    classes = [*dict.fromkeys(name for name in names.values() if name)]
    if len(classes) < 2:
        only = classes[0] if classes else NOT_KNOWN
        raise SpecificationError(
            f"path: all masks in {file.name!r} hold nothing but {only!r}; there must be two classes."
        )
    numbers = {value: classes.index(name) if name else UNKNOWN for value, name in names.items()}
    to_classes = [{raw: numbers[value] for raw, value in meaning.items()} for meaning in meanings]

    def classes_of(number: int) -> np.ndarray:
        marks = _marks(masks[number].read())
        raw = np.array(sorted(to_classes[number]), np.int32)
        table = np.array([to_classes[number][value] for value in raw.tolist()], np.int8)
        return table[np.searchsorted(raw, marks.values)]

    checksum = digest_of(repr((file.sha256, pictures.checksum, to_classes, classes)).encode()).hexdigest()
    groups = groups_of(file.name, pictures.names, file.group) if file.group else None
    pictures = replace(pictures, groups=groups)
    looks = _looks(names, totals, meanings)
    return _Found(MaskedImages(pictures, classes_of, tuple(classes), checksum), looks, sizes)


def _marks(mask: bytes) -> palette.Marks:
    with head_of(mask) as image:
        return palette.marks_of(image)


def _seen(mask: File) -> _Mask:
    content = mask.read()
    if not content:
        return _Mask("", (0, 0), {}, (), "it is empty")
    try:
        with head_of(content) as image:
            form, size = str(image.format), image.size
            marks = palette.marks_of(image)
    except Exception as error:  # noqa: BLE001  a damaged file makes its reader raise whatever it stumbles over
        wrong = str(error) if type(error) is ValueError else "it cannot be read"
        return _Mask("", (0, 0), {}, (), wrong)
    values, counts = np.unique(marks.values, return_counts=True)
    return _Mask(form, size, dict(zip(values.tolist(), counts.tolist(), strict=True)), marks.palette)


def _refuse(file: MaskFolder, picture: str, mask: str, seen: _Mask, size: tuple[int, int]) -> None:
    """Refuse a mask that is none of this picture's."""
    if seen.wrong:
        raise SpecificationError(f"path: the mask {mask!r} in {file.name!r} is none: {seen.wrong}.")
    if seen.size != size:
        raise SpecificationError(
            f"path: the mask {mask!r} in {file.name!r} has {seen.size[0]} × {seen.size[1]} pixels and its picture "
            f"{picture!r} {size[0]} × {size[1]}; both must have the same."
        )
    if seen.form == "JPEG" and not file.nearest:
        raise SpecificationError(
            f"path: the mask {mask!r} in {file.name!r} is a JPEG, which smears numbers and colours; give masks as PNG "
            "or TIFF, or say which there are, such as nearest=0,255."
        )


def _names_listed(members: Sequence[File]) -> dict[int, str]:
    """Return the names of classes from the list beside pictures and masks; empty: there is none."""
    for member in members:
        if _is_list(member):
            found = palette.listed(member.read().decode("utf-8", "replace"))
            if found:
                return found
    return {}


def _is_list(member: File) -> bool:
    return PurePosixPath(member.name).name.lower() in palette.LISTS and bool(member.size)


def _as_told(file: MaskFolder, meanings: list[dict[int, int]]) -> list[dict[int, int]]:
    """Return the values that count once objects are one class, or those between are the nearest of a few."""
    values = sorted({value for meaning in meanings for value in meaning.values()})
    if file.instances:
        to = {value: int(value not in (0, palette.COLOUR)) for value in values}
    elif file.nearest:
        to = palette.nearest(values, [palette.value_of(part) for part in file.nearest.split(",")])
    else:
        return meanings
    return [{raw: to[value] for raw, value in meaning.items()} for meaning in meanings]


def _counted(meanings: list[dict[int, int]], seen: list[_Mask]) -> tuple[Counter[int], Counter[int]]:
    """Return how many pixels have each value, and how many masks."""
    totals: Counter[int] = Counter()
    within: Counter[int] = Counter()
    for meaning, one in zip(meanings, seen, strict=True):
        totals.update(_of_values(meaning, one))
        within.update({*meaning.values()})
    return totals, within


def _of_values(meaning: dict[int, int], mask: _Mask) -> Counter[int]:
    found: Counter[int] = Counter()
    for raw, count in mask.counts.items():
        found[meaning[raw]] += count
    return found


def _refuse_smears(
    file: MaskFolder,
    masks: Sequence[File],
    meanings: list[dict[int, int]],
    seen: list[_Mask],
    totals: Counter[int],
    within: Counter[int],
) -> None:
    """Refuse values that are no classes: smears between others, numbers of objects, slips of the pen."""
    pixels = totals.total()
    rare = [value for value, count in totals.items() if count < RARE * pixels]
    kind = "colours" if min(totals) >= palette.COLOUR else "numbers"
    common = [written(value) for value, count in totals.most_common(8) if count >= COMMON * pixels]
    if common and len(rare) > max(MANY_RARE, 2 * len(common)):
        raise SpecificationError(
            f"path: the masks in {file.name!r} have {len(rare)} {kind} on few pixels, such as {written(rare[0])}, "
            f"beside {', '.join(common)}, as if smoothed; say nearest={','.join(common)} to take each pixel for the "
            "nearest of these, or instances=true if they number objects."
        )
    if len(totals) > MOST_CLASSES:
        raise SpecificationError(
            f"path: the masks in {file.name!r} have {len(totals):,} {kind}. Allowed: up to {MOST_CLASSES} classes; say "
            "instances=true if they number objects, or nearest=0,255 if these are all that there are."
        )
    for value in rare if len(masks) > 2 else []:
        if within[value] > 1 or written(value) in file.rename:
            continue
        number = next(number for number, meaning in enumerate(meanings) if value in meaning.values())
        count = _of_values(meanings[number], seen[number])[value]
        if count < STRAY * sum(seen[number].counts.values()):
            raise SpecificationError(
                f"path: the mask {masks[number].name!r} in {file.name!r} has {count} pixels of {written(value)}, which "
                f"no other mask has; say rename={written(value)}= to take them for not known, or give it a name."
            )


def _named(
    file: MaskFolder,
    totals: Counter[int],
    said: Mapping[int, str],
    masks: Sequence[File],
    meanings: list[dict[int, int]],
) -> dict[int, str]:
    """Return what each value is called here, "" for what is not known.

    Raises
    ------
    SpecificationError
        If a value is in no list of names though there is one, or something is renamed that is not there.
    """
    values = sorted(totals)
    if said and not (file.instances or file.nearest):
        strangers = [value for value in values if value not in said and value != palette.VOID]
        for value in strangers:
            if written(value) not in file.rename:
                mask = next(one.name for one, meaning in zip(masks, meanings, strict=True) if value in meaning.values())
                allowed = ", ".join(f"{written(one)} ({name})" for one, name in [*said.items()][:12])
                raise SpecificationError(
                    f"path: the mask {mask!r} in {file.name!r} has {written(value)}, which its list of classes has not."
                    f" Allowed: {allowed}; rename={written(value)}= takes it for not known."
                )
    if file.instances:
        said = {0: "background", 1: "object"}
    names = {value: said.get(value, written(value)) for value in values}
    by_value = {written(value): names[value] for value in values}
    told = {by_value.get(name, name): to for name, to in file.rename.items()}
    unknown = {value for value in palette.not_known(values, said) if names[value] not in told}
    renamed = file.model_copy(update={"rename": told}).renamed(np.array([*names.values()], dtype=str))
    return {value: "" if value in unknown else name for value, name in zip(values, renamed.tolist(), strict=True)}


def _looks(names: Mapping[int, str], totals: Counter[int], meanings: Sequence[Mapping[int, int]]) -> list[ClassLook]:
    """Return what each class is called and written, its share of all pixels, and in how many pictures it is."""
    pixels = totals.total()
    there = [{names[value] for value in meaning.values()} for meaning in meanings]
    return [
        ClassLook(
            name or NOT_KNOWN,
            ", ".join(written(value) for value, called in names.items() if called == name),
            sum(totals[value] for value, called in names.items() if called == name) / pixels,
            sum(name in classes for classes in there),
        )
        for name in dict.fromkeys(sorted(names.values(), key=lambda name: name == ""))
    ]
