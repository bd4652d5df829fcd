"""Pictures of which a network says for each pixel what is there: nuclei, and pictures with masks of your own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from tlcore.datasets.images import Fit, LabelledImages
from tlcore.datasets.masks import MaskedImages, MaskFolder, classes_at
from tlcore.datasets.own import read_both
from tlcore.errors import SpecificationError
from tlcore.examples import PRETRAINING, UNKNOWN, Domains, Examples
from tlcore.scenarios.base import Pace
from tlcore.scenarios.labels import LabelsFound
from tlcore.scenarios.named import NamedNetwork, pixels_of
from tlcore.splits import counted_once, facts_of_groups, numbered, split_target
from tlcore.tasks.segmentation import Segmentation

if TYPE_CHECKING:
    from tlcore.backbones.maps import Pyramid
    from tlcore.methods.base import Method
    from tlcore.network import Network

TOP = 2
"""Groups above the encoder: the decoder, and the adapter below it."""
TESTED, MOST_TESTED = 0.4, 100
"""The share of the target's pictures that is scored, and how many at most."""
FEWEST = 5
"""Pictures of a target: two to learn from, and some to be scored on."""
NO_MASKS = MaskedImages.of([], [], [], ())


class Segmented(NamedNetwork):
    """A scenario in which each pixel has a class: the input is a picture's number, looked up by a U-Net.

    Its encoder is a network by name, pretrained or not; where the source's examples pass through the network the
    encoder is fixed, so that its maps are computed once.
    """

    task = Segmentation(largest_budget=500, baseline="best_from_scratch")
    first_methods = ("source_only", "frozen", "fine_tune")
    shown_facts = ("source_pictures", "target_pictures", "test_pictures", "classes", "shared_classes")
    epochs = 100
    max_steps = 150
    batch_size = 8
    longer = 2
    width: ClassVar[int] = 32

    fit: Fit = Field("squash", description="squash: all of a picture, not its shape. crop: its shape, the middle.")
    tile: int = Field(
        0,
        ge=0,
        le=4096,
        description="Cut pictures into tiles of about so many pixels of a side, which are then what a budget counts; "
        "0: a picture stays whole.",
    )
    whole: bool = Field(
        False,
        description="Whether the encoder trains, too, where the source's examples pass through it: hours, not minutes.",
    )

    def network(self, domains: Domains) -> Network:
        """Return the U-Net, all of it at random."""
        return self._network(domains, pretrained=False)

    def start(self, domains: Domains) -> Network:
        """Return the U-Net with a pretrained encoder."""
        return self._network(domains, pretrained=True)

    def encoder(self, pretrained: bool) -> Pyramid:
        """Return the stages of the encoder."""
        from tlcore.backbones.maps import pyramid
        from tlcore.backbones.unet import STRIDES

        return pyramid(self.backbone, pretrained, self.size, STRIDES, self.weights, self.weights_sha256)

    def check_network(self) -> None:
        """Build the encoder once, so that it says what it does not take."""
        self.encoder(pretrained=False)

    def _network(self, domains: Domains, pretrained: bool) -> Network:
        from tlcore.backbones.image import RATE, Pixels
        from tlcore.backbones.unet import unet
        from tlcore.network import Network

        encoder = self.encoder(pretrained)
        body, head, pool = unet(encoder, self.size, domains.answers, self.width)
        rate = RATE if pretrained else 1.0
        rates = {id(parameter): rate for stage in encoder.stages for parameter in stage.parameters()}
        return Network([Pixels(*pixels_of(domains, self.size, self.fit)), *body], head, rates, pool)

    def raw(self, domains: Domains) -> Callable[[np.ndarray], Any]:
        """Return the pixels of pictures at the size at which the network sees them, uint8 (n, S, S, 3)."""
        pixels = pixels_of(domains, self.size, self.fit)
        first = np.cumsum([0, *map(len, pixels)])

        def look_up(inputs: np.ndarray) -> np.ndarray:
            part = np.searchsorted(first, inputs, side="right") - 1
            rows = [pixels[which][number - first[which]] for which, number in zip(part, inputs, strict=True)]
            return np.stack(rows) if rows else np.zeros((0, self.size, self.size, 3), np.uint8)

        return look_up

    def free_groups(self, groups: int) -> int:
        """Only what is above the encoder, unless ``whole``."""
        return groups if self.whole else min(TOP, groups)

    def pace(self, groups: int) -> Pace:
        """Return as many steps for one picture as for ten, and few epochs for many."""
        return Pace(self.epochs, self.max_steps, self.batch_size)

    def refusal(self, method: Method, domains: Domains) -> str:
        """Return what is missing: source examples, or the hours that it would take."""
        if method.needs_source_data and not len(domains.source):
            return "needs source examples, and pretraining is all there is of the source"
        if "target" not in method.trains_on and not len(domains.source):
            return "learns its answers from source examples, and pretraining is all there is of the source"
        if "source" in method.trains_on and method.starts_from == "random" and not (self.whole or method.on_features):
            return "trains the encoder from a random start on both domains; say whole=true if the hours are there"
        return ""


class Nuclei(Segmented):
    """Nuclei of cells under a microscope: one field, cut into tiles."""

    name = "nuclei"
    title = "Nuclei under the microscope"
    summary = (
        "Which pixels are a nucleus? One field of 125 nuclei in 64 tiles, of which 25 are scored: neighbours of those "
        "that are learned from, so that this is about one microscope on one day, and no more. The source is a network "
        "that has seen a million photographs."
    )
    credit = (
        "A field of fluorescent nuclei (Caicedo et al. 2019; shipped in stardist); EfficientNet-Lite with ImageNet "
        "weights (Tan & Le 2019, Apache-2.0)."
    )
    pairs = ((PRETRAINING, "nuclei"),)
    tile: int = Field(64, ge=32, le=512, description="Pixels of a side of a tile, which are what a budget counts.")

    @property
    def classes(self) -> tuple[str, ...]:
        """What lies between, and nuclei."""
        return ("between", "nucleus")

    def domains(self, source: str, target: str) -> Domains:
        """Two fifths of the tiles are the test."""
        return _of_nuclei(self.size, self.tile)


class Outlined(LabelsFound, Segmented):
    """Cats and dogs, and things in photographs; over a network."""

    name = "outlines"
    title = "Animals and things"
    summary = (
        "Which pixels are the animal, or which of twenty things in photographs? A network that has seen a million "
        "photographs, none of them with outlines, and some with. Comes over a network."
    )
    credit = (
        "Over a network Oxford-IIIT Pet (Parkhi et al. 2012, CC BY-SA 4.0) and PASCAL VOC 2012 (Everingham et al. "
        "2010; photographs of Flickr under its terms); EfficientNet-Lite with ImageNet weights (Tan & Le 2019)."
    )
    pairs = ((PRETRAINING, "pets"), (PRETRAINING, "voc2012"), ("voc2012", "pets"))

    def remote(self, source: str, target: str) -> str:
        """All of it comes over a network."""
        from tlcore.datasets.outlines import OUTLINES

        return OUTLINES[target][0]

    def domains(self, source: str, target: str) -> Domains:
        """At most 100 pictures are the test."""
        return _outlined(source, target, self.size, self.fit, self.tile)


class OwnMasks(LabelsFound, Segmented):
    """Pictures with masks of your own: of the target, and if you have them of a source."""

    name = "masks"
    title = "Your own pictures with masks"
    summary = (
        "Bring pictures and masks that say of each pixel what it is, as a .zip or a folder here with the folders "
        "images and masks. A network that has seen a million photographs can be the source by itself, or bring "
        "pictures with masks of another domain, too."
    )
    credit = "Your own data; it stays on this machine."
    own = MaskFolder

    def domains(self, source: MaskFolder | None, target: MaskFolder) -> Domains:
        """Pictures that are in both are taken out of the source, double ones out of each."""
        return _own(source and source.model_dump_json(), target.model_dump_json(), self.size, self.fit, self.tile)


@lru_cache(maxsize=2)
def _of_nuclei(size: int, tile: int) -> Domains:
    from tlcore.datasets import DATASETS

    arrays = DATASETS["nuclei"].fetch()
    masks = (arrays["answers"] > 0).astype(np.int8)
    field = MaskedImages.of(["field"], [*arrays["inputs"]], [*masks], ("between", "nucleus"))
    tiles = field.in_tiles(tile)
    tiles = replace(tiles, pictures=replace(tiles.pictures, groups=None))  # all of one field: no other to be scored on
    return masked_together(NO_MASKS, tiles, size, "squash")


@lru_cache(maxsize=2)
def _outlined(source: str, target: str, size: int, fit: Fit, tile: int) -> Domains:
    from tlcore.datasets.outlines import outlines

    parts = [NO_MASKS if domain == PRETRAINING else outlines(domain) for domain in (source, target)]
    there, here = (part.in_tiles(tile) if tile and len(part) else part for part in parts)
    return masked_together(there, here, size, fit)


@lru_cache(maxsize=2)
def _own(source: str | None, target: str, size: int, fit: Fit, tile: int) -> Domains:
    file = MaskFolder.model_validate_json(source) if source else None
    parts: list[MaskedImages] = read_both(file, MaskFolder.model_validate_json(target), NO_MASKS)
    there, here = (part.in_tiles(tile) if tile and len(part) else part for part in parts)
    return masked_together(there, here, size, fit)


def masked_together(source: MaskedImages, target: MaskedImages, size: int, fit: Fit) -> Domains:
    """Number pictures and classes of both domains, and set aside what the target is scored on.

    Classes of the same name are the same. A picture that comes twice counts once, and the target's go before the
    source's. Those without a pixel whose class is known are left out.

    Raises
    ------
    SpecificationError
        If the target has fewer than five pictures, or cannot be split by its groups.
    """
    names = [*dict.fromkeys([*target.classes, *source.classes])]
    _, theirs, mine = counted_once(source.pictures.contents, target.pictures.contents)
    answers = [
        _renumbered(classes_at(part[rows], size, fit), part.classes, names)
        for part, rows in ((source, theirs), (target, mine))
    ]
    known = [(part != UNKNOWN).any((1, 2)) for part in answers]
    rows = [np.array(kept, int)[there] for kept, there in zip((theirs, mine), known, strict=True)]
    if len(rows[1]) < FEWEST:
        raise SpecificationError(
            f"target.path: it has {len(rows[1])} pictures with a mask. Allowed: {FEWEST} or more, to learn from and to "
            "be scored on."
        )
    parts = (source.pictures[rows[0]], target.pictures[rows[1]])
    groups, group_names = numbered(*(part.groups for part in parts))
    there, here = (
        Examples(np.arange(len(part)) + first, of_part[kept], of_group)
        for part, first, of_part, kept, of_group in zip(parts, (0, len(parts[0])), answers, known, groups, strict=True)
    )
    tested = int(min(MOST_TESTED, max(2, TESTED * len(here))))
    split = split_target(there, here, tested, kinds=np.zeros(len(here), int))
    pictures = LabelledImages.joined(*parts)
    facts = {
        "source_pictures": len(there),
        "target_pictures": len(here),
        "test_pictures": len(split.test),
        "classes": len(names),
        "shared_classes": len({*source.classes} & {*target.classes}),
        "source_doubles": len(source) - len(theirs),
        "target_doubles": len(target) - len(mine),
        "source_not_known": int((~known[0]).sum()),
        "target_not_known": int((~known[1]).sum()),
        **facts_of_groups(split),
        **{f"source_{why}": count for why, count in source.pictures.dropped.items()},
        **{f"target_{why}": count for why, count in target.pictures.dropped.items()},
    }
    return replace(
        split,
        answers=len(names),
        answer_names=tuple(names),
        input_names=tuple(pictures.names),
        group_names=group_names,
        looked_up=pictures,
        facts=facts,
    )


def _renumbered(classes: np.ndarray, of: tuple[str, ...], names: list[str]) -> np.ndarray:
    """Return classes by their places among the names of both domains."""
    table = np.array([*(names.index(name) for name in of), UNKNOWN], np.int8)  # the last is found by −1
    renumbered: np.ndarray = table[classes]
    return renumbered
