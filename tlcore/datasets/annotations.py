"""What files say of objects in pictures: COCO's JSON, YOLO's text files, Pascal VOC's XML."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from tlcore.datasets.images import ENDINGS
from tlcore.datasets.members import File
from tlcore.errors import SpecificationError, in_brief

FORMS = {"coco": "COCO", "yolo": "YOLO", "voc": "Pascal VOC"}
"""How boxes may be written, by the word that chooses it."""
WRITTEN = (".json", ".txt", ".xml", ".yaml", ".yml", ".names")
"""Endings of files that say something of pictures."""
NAMES = re.compile(r"(classes|labels?|_darknet|obj|predefined_classes)(\.(txt|names|labels))+", re.I)
"""In which YOLO's tools list the names of classes, one a line."""
LISTS = re.compile(r"(readme|licen[cs]e|notes|requirements|train|val|valid|test|trainval|autosplit_\w+)\b.*", re.I)
"""Other text files that lie about: lists of pictures, and words for people."""
PASSED_OVER = ("images", "labels", "jpegimages", "annotations")
"""Folders beside each other, of pictures and of what is said of them."""
TOLERANCE = 1e-3
"""How far a share of a picture may lie beyond its edge by rounding."""
MOST_BYTES = 2**29
"""Of one file of annotations."""


class Fault(NamedTuple):
    """Something that cannot be meant: which kind of thing, and a sentence that says where."""

    kind: str
    sentence: str


@dataclass(frozen=True)
class Annotation:
    """What is said of one picture.

    Attributes
    ----------
    said_by : str
        The file that says it.
    picture : str
        The picture's name there, with or without folders and ending.
    boxes : ndarray, shape (m, 4)
        x₁, y₁, x₂, y₂, in pixels or as shares of width and height.
    kinds : tuple of str
    crowd : ndarray of bool, shape (m,)
    relative : bool
        Whether boxes are shares.
    size : tuple of int, or None
        Width and height that the file says the picture has.
    """

    said_by: str
    picture: str
    boxes: np.ndarray
    kinds: tuple[str, ...]
    crowd: np.ndarray
    relative: bool = False
    size: tuple[int, int] | None = None


@dataclass
class Annotations:
    """What all files of a form say, and what in them cannot be meant."""

    of: list[Annotation] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def form_of(name: str, files: Sequence[File], told: str = "") -> str:
    """Return in which of `FORMS` boxes are written: the one that is told, or the only one there is.

    Raises
    ------
    SpecificationError
        If there is none, or there are several.
    """
    found = [form for form, reads in _READS.items() if reads(files)]
    if told:
        if told not in found:
            raise SpecificationError(
                f"form: {name!r} holds nothing of {FORMS[told]}. Allowed: {', '.join(found) or 'none: no boxes'}."
            )
        return told
    if not found:
        raise SpecificationError(
            f"path: {name!r} holds no boxes; put COCO's JSON, YOLO's text files or Pascal VOC's XML beside pictures."
        )
    if len(found) > 1:
        raise SpecificationError(
            f"path: {name!r} holds boxes as {' and as '.join(FORMS[form] for form in found)}; say form={found[0]} or "
            f"form={found[1]}."
        )
    return found[0]


def annotations_in(files: Sequence[File], form: str) -> Annotations:
    """Return what is said of pictures in this form.

    Raises
    ------
    SpecificationError
        If a file cannot be read at all.
    """
    return {"coco": _coco, "yolo": _yolo, "voc": _voc}[form](files)


def by_picture(name: str, said: Annotations, pictures: Sequence[str]) -> dict[str, Annotation]:
    """Return what is said of each picture that something is said of, by its name.

    A name without folders may be in any; of several the picture is meant whose folders are most like those of the name.
    What is meant by none is a fault.

    Raises
    ------
    SpecificationError
        If two files speak of one picture.
    """
    index: dict[str, list[str]] = defaultdict(list)
    for picture in pictures:
        path = PurePosixPath(picture)
        for key in {path.name.lower(), path.stem.lower()}:
            index[key].append(picture)
    found: dict[str, Annotation] = {}
    for one in said.of:
        picture, like = _meant(one, index)
        if not picture:
            what = f"which could be {like[0]!r} or {like[1]!r}" if like else "which is not there"
            said.faults.append(Fault("boxes_no_picture", f"{one.said_by!r} speaks of {one.picture!r}, {what}"))
        elif picture in found:
            first = found[picture].said_by
            both = f"{first!r} and {one.said_by!r} both speak" if first != one.said_by else f"{first!r} speaks twice"
            raise SpecificationError(f"path: {both} of {picture!r} in {name!r}; take one out.")
        else:
            found[picture] = one
    return found


def _meant(one: Annotation, index: Mapping[str, Sequence[str]]) -> tuple[str, list[str]]:
    """Return the picture that is meant, or none and those that could be."""
    path = PurePosixPath(one.picture.replace("\\", "/"))
    near = index.get(path.name.lower()) or []
    if not near and path.suffix.lower() in ENDINGS:  # a copy in another format
        near = index.get(path.stem.lower()) or []
    # A name with folders says where; one without lies near the file that it stands in.
    folders = path.parts[:-1] or PurePosixPath(one.said_by).parts[:-1]
    alike = [_alike(PurePosixPath(picture).parts[:-1], folders) for picture in near]
    best = [picture for picture, count in zip(near, alike, strict=True) if count == max(alike)]
    return (best[0], []) if len(best) == 1 else ("", best)


def _alike(one: Sequence[str], other: Sequence[str]) -> tuple[int, bool]:
    """Count the folders that are the same from the end on, and say whether all are.

    Folders of pictures and of what is said of them count for nothing.
    """
    mine, theirs = ([part.lower() for part in parts if part.lower() not in PASSED_OVER] for parts in (one, other))
    count = 0
    while count < min(len(mine), len(theirs)) and mine[-1 - count] == theirs[-1 - count]:
        count += 1
    return count, mine == theirs


# --- COCO ---


def _json_files(files: Sequence[File]) -> list[File]:
    return [file for file in files if file.name.lower().endswith(".json") and 0 < (file.size or 0) <= MOST_BYTES]


def _has_coco(files: Sequence[File]) -> bool:
    return any(_of_coco(file.read()) for file in _json_files(files))


def _of_coco(content: bytes) -> bool:
    """Whether a JSON file looks as if it had COCO's boxes, without reading all of it as one."""
    return b'"annotations"' in content and b'"images"' in content and b'"categories"' in content


def _coco(files: Sequence[File]) -> Annotations:
    said = Annotations()
    for file in _json_files(files):
        content = file.read()
        if not _of_coco(content):
            continue
        try:
            whole = json.loads(content)
            pictures, boxes, kinds = whole["images"], whole["annotations"], whole.get("categories")
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise SpecificationError(f"path: {file.name!r} is no JSON of COCO: {in_brief(error)}.") from None
        _coco_file(file.name, pictures, boxes, kinds, said)
    return said


def _coco_file(name: str, pictures: Any, boxes: Any, kinds: Any, said: Annotations) -> None:
    for what, rows in (("images", pictures), ("annotations", boxes), ("categories", kinds)):
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise SpecificationError(f"path: {name!r} has no list of {what}, as COCO's JSON must.")
    names = {str(row["id"]): str(row["name"]) for row in kinds if "id" in row and "name" in row}
    known: dict[str, dict[str, Any]] = {}
    for number, row in enumerate(pictures):
        if lacks := [key for key in ("id", "file_name") if key not in row]:
            said.faults.append(Fault("boxes_incomplete", f"entry {number} of images in {name!r} has no {lacks[0]!r}"))
        elif str(row["id"]) in known:
            said.faults.append(Fault("boxes_incomplete", f"two images in {name!r} have the id {row['id']!r}"))
        else:
            known[str(row["id"])] = row
    of: dict[str, list[tuple[list[float], str, bool]]] = {number: [] for number in known}
    for number, row in enumerate(boxes):
        where = f"entry {number} of annotations in {name!r}"
        if lacks := [key for key in ("image_id", "category_id", "bbox") if key not in row]:
            said.faults.append(Fault("boxes_incomplete", f"{where} has no {lacks[0]!r}"))
        elif str(row["image_id"]) not in known:
            said.faults.append(
                Fault("boxes_no_picture", f"{where} is of the image {row['image_id']!r}, which is not listed")
            )
        elif str(row["category_id"]) not in names:
            allowed = ", ".join([*names][:20]) or "none, as there are no categories"
            sentence = f"{where} is of the category {row['category_id']!r}, which is not listed; allowed: {allowed}"
            said.faults.append(Fault("boxes_unknown", sentence))
        elif (box := _four(row["bbox"])) is None:
            said.faults.append(Fault("boxes_incomplete", f"{where} has a bbox that is not x, y, width, height"))
        else:
            x, y, width, height = box
            corners = [x, y, x + width, y + height]
            of[str(row["image_id"])].append((corners, names[str(row["category_id"])], bool(row.get("iscrowd"))))
    for key, row in known.items():
        size = _size(row.get("width"), row.get("height"))
        said.of.append(_annotation(name, str(row["file_name"]), of[key], size=size))


def _annotation(
    said_by: str,
    picture: str,
    rows: Sequence[tuple[Sequence[float], str, bool]],
    relative: bool = False,
    size: tuple[int, int] | None = None,
) -> Annotation:
    corners = np.array([row[0] for row in rows], float).reshape(-1, 4)
    crowd = np.array([row[2] for row in rows], bool)
    return Annotation(said_by, picture, corners, tuple(row[1] for row in rows), crowd, relative, size)


def _four(value: Any) -> list[float] | None:
    """Return four finite numbers, or None if it is something else."""
    try:
        numbers = [float(one) for one in value]
    except (TypeError, ValueError):
        return None
    return numbers if len(numbers) == 4 and np.isfinite(numbers).all() else None


def _size(width: Any, height: Any) -> tuple[int, int] | None:
    try:
        both = int(float(width)), int(float(height))
    except (TypeError, ValueError, OverflowError):
        return None
    return both if min(both) > 0 else None


# --- YOLO ---


def _label_files(files: Sequence[File]) -> list[File]:
    texts = [file for file in files if file.name.lower().endswith(".txt") and (file.size or 0) <= MOST_BYTES]
    names = [PurePosixPath(file.name).name for file in texts]
    return [
        file for file, name in zip(texts, names, strict=True) if not NAMES.fullmatch(name) and not LISTS.fullmatch(name)
    ]


def _has_yolo(files: Sequence[File]) -> bool:
    return any(_rows(file.read()) and _numbers(_rows(file.read())[0][1]) for file in _label_files(files)[:50])


def _rows(content: bytes) -> list[tuple[int, str]]:
    """Return the lines that are not blank, with their numbers."""
    lines = content.decode("utf-8-sig", "replace").splitlines()
    return [(number, line) for number, line in enumerate(lines, 1) if line.strip()]


def _numbers(line: str) -> list[float] | None:
    try:
        return [float(part) for part in line.split()]
    except ValueError:
        return None


def _yolo(files: Sequence[File]) -> Annotations:
    said = Annotations()
    names = _yolo_names(files)
    for file in _label_files(files):
        rows = []
        for number, line in _rows(file.read()):
            where = f"line {number} of {file.name!r}"
            numbers = _numbers(line)
            box, fault = (None, Fault("boxes_incomplete", "")) if numbers is None else _yolo_box(numbers, names)
            if box is None and fault:
                reason = fault.sentence or "is not a class and four numbers: middle x, middle y, width, height"
                said.faults.append(Fault(fault.kind, f"{where} {reason}"))
            elif box and numbers:
                kind = int(numbers[0])
                rows.append((box, names[kind] if names else str(kind), False))
        said.of.append(_annotation(file.name, str(PurePosixPath(file.name).with_suffix("")), rows, relative=True))
    return said


def _yolo_box(numbers: Sequence[float], names: Mapping[int, str]) -> tuple[list[float] | None, Fault | None]:
    """Return the corners of a box, or of one around an outline, or what is wrong with it."""
    count = len(numbers)
    if count != 5 and (count < 7 or count % 2 == 0):
        return None, Fault("boxes_incomplete", "")
    kind, *shares = numbers
    if kind != int(kind) or kind < 0 or (names and int(kind) not in names):
        allowed = f"{min(names)} to {max(names)}" if names else "0, 1, 2 and so on"
        return None, Fault("boxes_unknown", f"is of the class {kind:g}; allowed: {allowed}")
    if not all(-TOLERANCE <= share <= 1 + TOLERANCE for share in shares):
        wrong = next(share for share in shares if not -TOLERANCE <= share <= 1 + TOLERANCE)
        return None, Fault(
            "boxes_beyond", f"has the value {wrong:g}; allowed: 0 to 1, as shares of the picture's width and height"
        )
    if count == 5:
        x, y, width, height = shares
        return [x - width / 2, y - height / 2, x + width / 2, y + height / 2], None
    return [min(shares[::2]), min(shares[1::2]), max(shares[::2]), max(shares[1::2])], None


def _yolo_names(files: Sequence[File]) -> dict[int, str]:
    """Return what classes are called, by their numbers, of data.yaml or a list; none: their numbers are their names."""
    import yaml

    for file in files:
        if file.name.lower().endswith((".yaml", ".yml")) and (file.size or 0) <= MOST_BYTES:
            try:
                names = (yaml.safe_load(file.read()) or {}).get("names")
            except (yaml.YAMLError, AttributeError, UnicodeDecodeError):
                continue
            if isinstance(names, list):
                return {number: str(one) for number, one in enumerate(names)}
            if isinstance(names, dict) and all(str(key).isdecimal() for key in names):
                return {int(key): str(one) for key, one in names.items()}
    for file in files:
        if NAMES.fullmatch(PurePosixPath(file.name).name):
            return {number: line.strip() for number, (_, line) in enumerate(_rows(file.read()))}
    return {}


# --- Pascal VOC ---


def _xml_files(files: Sequence[File]) -> list[File]:
    return [file for file in files if file.name.lower().endswith(".xml") and 0 < (file.size or 0) <= MOST_BYTES]


def _has_voc(files: Sequence[File]) -> bool:
    return any(b"<annotation" in file.read() for file in _xml_files(files)[:50])


def _voc(files: Sequence[File]) -> Annotations:
    from xml.etree import ElementTree

    said = Annotations()
    for file in _xml_files(files):
        content = file.read()
        if b"<!DOCTYPE" in content or b"<!ENTITY" in content:  # which may be made to unfold without end
            raise SpecificationError(f"path: {file.name!r} declares entities, which no boxes need; take them out.")
        try:
            root = ElementTree.fromstring(content)
        except (ElementTree.ParseError, LookupError, ValueError) as error:
            raise SpecificationError(f"path: {file.name!r} is no XML: {in_brief(error)}.") from None
        if root.tag != "annotation":
            continue
        rows = []
        for number, each in enumerate(root.iter("object"), 1):
            where = f"object {number} of {file.name!r}"
            kind = (each.findtext("name") or "").strip()
            box = _four([each.findtext(f"bndbox/{key}") for key in ("xmin", "ymin", "xmax", "ymax")])
            if not kind:
                said.faults.append(Fault("boxes_incomplete", f"{where} has no name"))
            elif box is None:
                said.faults.append(Fault("boxes_incomplete", f"{where} has no box of xmin, ymin, xmax, ymax"))
            else:
                rows.append((box, kind, False))
        # The file's own name goes before what it says, which is often another copy's.
        own = PurePosixPath(file.name).with_suffix("")
        named = PurePosixPath((root.findtext("filename") or "").replace("\\", "/"))
        own = own.with_name(named.name) if named.stem == own.name else own
        size = _size(root.findtext("size/width"), root.findtext("size/height"))
        said.of.append(_annotation(file.name, str(own), rows, size=size))
    return _from_zero(said)


def _from_zero(said: Annotations) -> Annotations:
    """Return the same with pixels counted from 0: VOC's own tools count them from 1, and some that write it do not."""
    lowest = min((one.boxes[:, :2].min() for one in said.of if len(one.boxes)), default=0)
    for one in said.of:
        one.boxes[:, :2] -= 1 if lowest >= 1 else 0
    return said


_READS: dict[str, Callable[[Sequence[File]], bool]] = {"coco": _has_coco, "yolo": _has_yolo, "voc": _has_voc}
