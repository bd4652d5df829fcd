"""Pictures with boxes of one's own, and tiles of large ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import sha256 as digest_of
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from tlcore.datasets.annotations import FORMS, WRITTEN, Annotation, Fault, annotations_in, by_picture, form_of
from tlcore.datasets.folders import groups_of, proposed_group
from tlcore.datasets.images import ENDINGS, THREADS, LabelledImages, Picture, readable, size_of, upright, usable
from tlcore.datasets.look import Look, counted
from tlcore.datasets.members import FilesTogether
from tlcore.errors import SpecificationError

MOST_OBJECTS = 1000
"""On one picture."""
MOST_CLASSES = 1000
KEPT = 0.5
"""Of an object's area, how much must lie in a tile for it to be learned and scored there."""
SMALLEST = 1e-6
"""Shares of a picture's side below which a box has no area."""


@dataclass(frozen=True)
class BoxedImages:
    """Pictures, each with boxes.

    Attributes
    ----------
    images : LabelledImages
        Whose labels are idle.
    boxes : list of ndarray, each of shape (m, 4)
        x₁, y₁, x₂, y₂ as shares of width and height, within 0 and 1.
    kinds : list of ndarray of str, each of shape (m,)
    crowd : list of ndarray of bool, each of shape (m,)
        What stands for many objects, or for one that is mostly out of sight: to overlook it is no miss, to find
        something there no false alarm.
    sizes : ndarray of int, shape (n, 2)
        Width and height in pixels.
    form : str
        How the boxes were written.
    changed : dict of str to int
        How many boxes were clipped, or left out, and why.
    """

    images: LabelledImages
    boxes: list[np.ndarray]
    kinds: list[np.ndarray]
    crowd: list[np.ndarray]
    sizes: np.ndarray
    form: str = ""
    changed: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: Any) -> BoxedImages:
        """Return some of them: by a slice, places or a mask, as numpy does."""
        places = np.arange(len(self))[rows].tolist()
        boxes, kinds, crowd = ([part[place] for place in places] for part in (self.boxes, self.kinds, self.crowd))
        return replace(self, images=self.images[rows], boxes=boxes, kinds=kinds, crowd=crowd, sizes=self.sizes[rows])

    @property
    def all_kinds(self) -> np.ndarray:
        """The class of every box."""
        return np.concatenate([np.empty(0, str), *self.kinds])

    @classmethod
    def joined(cls, one: BoxedImages, other: BoxedImages) -> BoxedImages:
        """Return both, one after the other."""
        return cls(
            LabelledImages.joined(one.images, other.images),
            one.boxes + other.boxes,
            one.kinds + other.kinds,
            one.crowd + other.crowd,
            np.concatenate([one.sizes, other.sizes]),
            one.form,
            dict(Counter(one.changed) + Counter(other.changed)),
        )

    def tiles(self, side: int) -> BoxedImages:
        """Return each picture as tiles of so many pixels, side by side from its upper left; what is left over is gone.

        A picture that is no larger than a tile stays whole. Of an object on the edge of a tile less than half of which
        is in it the tile knows that it is there and no more, as of a crowd. Tiles of a picture are one group, unless
        the pictures are grouped already.
        """
        images = self.images
        groups = np.array(images.names) if images.groups is None else images.groups
        places = [
            (number, x, y)
            for number, (width, height) in enumerate(self.sizes.tolist())
            for y in range(0, max(1, height - side + 1), side)
            for x in range(0, max(1, width - side + 1), side)
        ]
        cut = [self._cut(number, x, y, side) for number, x, y in places]
        sums = [digest_of(images.contents[number] + f"{x} {y} {side}".encode()).digest() for number, x, y in places]

        whole = lru_cache(maxsize=2)(lambda number: upright(images.open(number)))  # tiles of one follow each other

        def opened(place: int) -> Picture:
            number, x, y = places[place]
            return whole(number)[y : y + side, x : x + side]

        numbers = [number for number, _, _ in places]
        tiled = replace(
            images,
            names=[f"{images.names[number]} at {x}, {y}" for number, x, y in places],
            labels=images.labels[numbers],
            open=opened,
            checksum=digest_of(b"".join(sums)).hexdigest(),
            contents=sums,
            parts=(),
            groups=groups[numbers],
        )
        sizes = np.minimum(self.sizes[numbers], side)
        boxes, kinds, crowd = ([*part] for part in zip(*cut, strict=True)) if cut else ([], [], [])
        return replace(self, images=tiled, boxes=boxes, kinds=kinds, crowd=crowd, sizes=sizes)

    def _cut(self, number: int, x: int, y: int, side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return what is in one tile of a picture."""
        size = self.sizes[number]
        whole = self.boxes[number] * np.tile(size, 2)
        within = np.minimum(size, side)
        boxes = (whole - np.array([x, y, x, y])).clip(0, np.tile(within, 2))
        area, left = ((part[:, 2:] - part[:, :2]).prod(1) for part in (whole, boxes))
        rows = left > 0
        crowd = self.crowd[number] | (left < KEPT * area)
        return (boxes / np.tile(within, 2))[rows], self.kinds[number][rows], crowd[rows]


class BoxFolder(FilesTogether):
    """Pictures with boxes around objects: a .zip, or a folder here.

    Boxes as COCO's JSON, as YOLO's text files (and data.yaml or classes.txt, which say what classes are called) or as
    Pascal VOC's XML, anywhere among the pictures: which it is, is found. Pictures as for your own pictures.
    """

    arranged: ClassVar[str] = "of pictures with boxes as COCO's JSON, YOLO's text files or Pascal VOC's XML"
    counted: ClassVar[tuple[str, ...]] = (*ENDINGS, *WRITTEN)
    form: Literal["", "coco", "yolo", "voc"] = Field(
        "", description="How the boxes are written: coco, yolo or voc; empty: found."
    )
    unmarked: Literal["left-out", "empty"] = Field(
        "left-out",
        description="Pictures of which nothing is said: left-out, as nobody may have looked at them, or empty, as "
        "nothing is on them. What is listed without a box is empty in any case.",
    )
    faulty: Literal["refused", "left-out"] = Field(
        "refused",
        description="Boxes outside their picture, of no area, of unknown classes, of pictures that are not there: "
        "refused, or left-out and counted.",
    )
    group: str = Field(
        "",
        description="Which pictures belong together (a place, a film), so that none is learned from while another is "
        "scored: which folder in the path, 1 the first, or an expression such as place(\\d+); empty: none.",
    )

    def read(self) -> BoxedImages:
        """Return the pictures that can be read and of which something is said, with their boxes.

        Raises
        ------
        SpecificationError
            If there is none, boxes cannot be meant as they stand, the archive is not safe to read, or ``group`` is not
            in the paths.
        """
        pinned = self.pinned()
        found = _read(pinned.path, pinned.sha256, self.form, self.unmarked, self.faulty)
        if self.group:
            groups = groups_of(pinned.name, found.images.names, self.group)
            found = replace(found, images=replace(found.images, groups=groups))
        if not self.rename:
            return found
        named = np.split(self.renamed(found.all_kinds), np.cumsum([len(each) for each in found.kinds])[:-1])
        kept = [names != "" for names in named]
        return replace(
            found,
            boxes=[part[rows] for part, rows in zip(found.boxes, kept, strict=True)],
            kinds=[part[rows] for part, rows in zip(named, kept, strict=True)],
            crowd=[part[rows] for part, rows in zip(found.crowd, kept, strict=True)],
        )

    def labels(self) -> tuple[str, ...]:
        """Return the names of the classes, as they are called here."""
        return tuple(np.unique(self.read().all_kinds).tolist())

    def fits(self) -> bool:
        """Whether there are pictures, and boxes in a form that is known."""
        names = [name.lower() for name in self.names()]
        if not any(name.endswith(ENDINGS) for name in names) or not any(name.endswith(WRITTEN) for name in names):
            return False
        try:
            pinned = self.pinned()
            form_of(self.name, self.members(pinned.path, pinned.sha256), self.form)
        except SpecificationError as error:
            return "form=" in str(error)  # there are several, which a person has to choose from
        return True

    def look(self) -> Look:
        """Return how the boxes are understood."""
        found = self.read()
        widths, heights = found.sizes.min(0), found.sizes.max(0)
        counts = np.array([len(each) for each in found.kinds])
        facts = {
            "format": f"{FORMS[found.form]}",
            "pictures": f"{len(found):,}",
            "boxes": f"{counts.sum():,}",
            "classes": f"{len(np.unique(found.all_kinds)):,}",
            "empty": f"{(counts == 0).sum():,}",
            "size": " × ".join(map(str, widths.tolist())),
        }
        if (widths != heights).any():
            facts["size"] += f" to {' × '.join(map(str, heights.tolist()))}"
        if found.images.groups is not None:
            facts["groups"] = f"{len(np.unique(found.images.groups)):,}"
        group = "" if self.group else proposed_group(found.images.names, [""] * len(found))
        proposed = {"group": group} if group else {}
        left_out = {why: count for why, count in (found.images.dropped | found.changed).items() if count}
        return Look(self.name, facts, (), counted(found.all_kinds), left_out, proposed)


@lru_cache(maxsize=4)
def _read(path: str, checksum: str, form: str, unmarked: str, faulty: str) -> BoxedImages:
    name = Path(path).name
    files = BoxFolder.members(path, checksum)
    form = form_of(name, files, form)
    pictures, dropped = usable(name, [file for file in files if not file.name.lower().endswith(WRITTEN)])
    if not pictures:
        raise SpecificationError(f"path: {name!r} has boxes and no picture; put the pictures beside them.")
    said = annotations_in(files, form)
    found = by_picture(name, said, [file.name for file in pictures])
    marked = [file for file in pictures if unmarked == "empty" or file.name in found]
    dropped.update({"unmarked": len(pictures) - len(marked)})
    if not marked:
        _refuse(name, said.faults)
        raise SpecificationError(f"path: {name!r} says nothing of any of its {len(pictures)} pictures.")
    images = readable(name, marked, [""] * len(marked), dropped)
    with ThreadPoolExecutor(THREADS) as threads:
        sizes = [*threads.map(lambda place: size_of(images.open(place)), range(len(images)))]
    faults = [*said.faults]
    clipped = 0
    kept: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for picture, size in zip(images.names, sizes, strict=True):
        one = found.get(picture)
        boxes, good, cut = _within(one, picture, size, faults) if one else (np.zeros((0, 4)), np.zeros(0, bool), 0)
        clipped += cut
        kinds = np.array(one.kinds if one else [], str)
        crowd = one.crowd if one else good
        kept.append((boxes[good], kinds[good], crowd[good]))
    if faulty == "refused":
        _refuse(name, faults)
    changed = {**Counter(fault.kind for fault in faults), "boxes_clipped": clipped}
    parts: list[list[np.ndarray]] = [[*part] for part in zip(*kept, strict=True)]
    everything = BoxedImages(images, parts[0], parts[1], parts[2], np.array(sizes), form, changed)
    _refuse_too_much(name, everything)
    return everything


def _within(
    one: Annotation, picture: str, size: tuple[int, int], faults: list[Fault]
) -> tuple[np.ndarray, np.ndarray, int]:
    """Return boxes as shares within the picture, which of them can be meant, and how many were clipped."""
    if one.size and one.size != size:
        (width, height), (said_width, said_height) = size, one.size
        faults.append(
            Fault(
                "boxes_other_size",
                f"{one.said_by!r} says that {picture!r} has {said_width} × {said_height} pixels, and it has "
                f"{width} × {height}",
            )
        )
        return np.zeros((len(one.boxes), 4)), np.zeros(len(one.boxes), bool), 0
    shares = one.boxes if one.relative else one.boxes / np.tile(size, 2)
    inside = shares.clip(0, 1)
    empty = (shares[:, 2:] - shares[:, :2] < SMALLEST).any(1)
    outside = (inside[:, 2:] - inside[:, :2] < SMALLEST).any(1) & ~empty
    for kind, rows, what in (
        ("boxes_no_area", empty, "no area"),
        ("boxes_outside", outside, "no part inside the picture"),
    ):
        for row in np.flatnonzero(rows).tolist():
            x, y, right, low = one.boxes[row].round(4).tolist()
            sentence = (
                f"box {row + 1} of {picture!r} in {one.said_by!r}, {x:g}, {y:g} to {right:g}, {low:g}, has {what}"
            )
            faults.append(Fault(kind, sentence))
    good = ~empty & ~outside
    tolerated = 1e-3 if one.relative else 1.5 / min(size)
    return inside, good, int((np.abs(inside - shares).max(1, initial=0)[good] > tolerated).sum())


def _refuse(name: str, faults: Sequence[Fault]) -> None:
    if faults:
        more = f", and {len(faults) - 1} more are at fault" if len(faults) > 1 else ""
        raise SpecificationError(f"path: {faults[0].sentence} ({name!r}{more}); faulty=left-out goes on without.")


def _refuse_too_much(name: str, found: BoxedImages) -> None:
    most = max(range(len(found)), key=lambda place: len(found.kinds[place]))
    if len(found.kinds[most]) > MOST_OBJECTS:
        raise SpecificationError(
            f"path: {found.images.names[most]!r} in {name!r} has {len(found.kinds[most]):,} boxes. Allowed: up to "
            f"{MOST_OBJECTS:,}; cut it into tiles."
        )
    if not len(found.all_kinds):
        raise SpecificationError(f"path: {name!r} has {len(found):,} pictures and not one box.")
    if len(np.unique(found.all_kinds)) > MOST_CLASSES:
        raise SpecificationError(f"path: {name!r} has more classes than {MOST_CLASSES:,}.")
