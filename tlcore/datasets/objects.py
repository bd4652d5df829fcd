"""Pictures with boxes that come over a network, by torchvision's own means: things of VOC, faces of WIDER FACE.

They are kept as an archive of the pictures and of what is said of them, which the reader of your own files reads.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from tlcore.datasets.boxes import BoxedImages, BoxFolder
from tlcore.datasets.remote import kept_archive

if TYPE_CHECKING:
    from torchvision.datasets import WIDERFace

Files = Iterator[tuple[str, bytes]]
"""Names in the archive, and contents."""


@lru_cache(maxsize=2)
def objects(name: str) -> BoxedImages:
    """Return the pictures of one of `OBJECTS` with their boxes, fetched the first time.

    Raises
    ------
    SpecificationError
        If they cannot be had.
    """
    host, load = OBJECTS[name]
    instead = "use tree-crowns or found-digits, or bring pictures with boxes of your own"
    return BoxFolder(path=str(kept_archive(name, host, load, instead)), faulty="left-out").read()


def _voc(year: str, work: Path) -> Files:
    """Return pictures and annotations of VOC's training and validation part."""
    from torchvision.datasets import VOCDetection

    found = VOCDetection(work, year=year, image_set="trainval", download=True)
    for path in (*found.images, *found.targets):
        yield f"{Path(path).parent.name}/{Path(path).name}", Path(path).read_bytes()


def _wider(work: Path) -> Files:
    """Return the pictures of WIDER FACE's validation part, and its faces as COCO writes boxes.

    A face that the authors call invalid is marked as a crowd: to overlook it is no miss.
    """
    from torchvision.datasets import WIDERFace

    found: WIDERFace = WIDERFace(work, split="val", download=True)
    images, boxes = [], []
    for number, one in enumerate(found.img_info):
        place = Path(one["img_path"])
        member = f"{place.parent.name}/{place.name}"
        images.append({"id": number, "file_name": member})
        yield member, place.read_bytes()
        said = one["annotations"]
        for box, invalid in zip(said["bbox"].tolist(), said["invalid"].tolist(), strict=True):
            boxes.append({"image_id": number, "category_id": 1, "bbox": box, "iscrowd": invalid})
    whole = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "face"}]}
    yield "faces.json", json.dumps(whole).encode()


OBJECTS: dict[str, tuple[str, Callable[[Path], Files]]] = {
    "voc2007": ("thor.robots.ox.ac.uk", partial(_voc, "2007")),
    "voc2012": ("thor.robots.ox.ac.uk", partial(_voc, "2012")),
    "wider-face": ("drive.google.com", _wider),
}
"""Data sets by name: their host, and what has their files, given an empty folder."""
