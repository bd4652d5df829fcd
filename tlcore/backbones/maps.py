"""The maps of a network at several scales, carried from stage to stage as one flat tensor.

A network that answers from several maps (a U-Net, a feature pyramid) is no chain, and a body that can be frozen, cut
off, and kept on disk is one. So each stage passes on, beside what it computes, the maps of the stages before it that
will still be wanted::

    (n, P) = [ kept maps, finest first | the last map ]        P = Σ C·h·w

and whatever comes last unpacks them. How many there are of each is known before a picture is seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod

import torch
from torch import Tensor, nn

from tlcore.backbones.image import AT_ONCE, Stage, body
from tlcore.errors import SpecificationError

Shape = tuple[int, int, int]
"""Channels, height and width of a map."""
CHANNELS_A_GROUP = 8
MOST_GROUPS = 32
"""Of a `GroupNorm`, as its authors found them best (Wu & He, ECCV 2018), and small networks can have them."""


def packed(maps: Sequence[Tensor]) -> Tensor:
    """Return maps (n, C, h, w) as one tensor (n, P); channels go last, as convolutions on a CPU have them."""
    return torch.cat([one.permute(0, 2, 3, 1).flatten(1) for one in maps], dim=1)


def unpacked(flat: Tensor, shapes: Sequence[Shape]) -> list[Tensor]:
    """Return the maps (n, C, h, w) that were packed into (n, P)."""
    parts = flat.split([prod(shape) for shape in shapes], dim=1)
    return [
        part.unflatten(1, (height, width, channels)).permute(0, 3, 1, 2)
        for part, (channels, height, width) in zip(parts, shapes, strict=True)
    ]


class Carrying(nn.Module):
    """A stage that computes the next map from the last one, and passes on the maps that are wanted later.

    Statistics of batches stay what they were in pretraining, also where its other parameters train: a step sees a few
    pictures, whose statistics are worth less.

    Parameters
    ----------
    stage : nn.Module
        From (n, C, h, w) to the next map.
    takes : sequence of Shape
        The maps that its input packs; empty: its input is the pixels themselves, (n, 3, S, S).
    keeps : bool
        Whether the map that it takes is wanted later.
    """

    costly = True
    at_once = AT_ONCE

    def __init__(self, stage: nn.Module, takes: Sequence[Shape], keeps: bool) -> None:
        super().__init__()
        self.stage, self.takes, self.keeps = stage, tuple(takes), keeps

    def train(self, mode: bool = True) -> Carrying:
        """Set training or evaluation mode, except for statistics of batches."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
        return self

    def forward(self, inputs: Tensor) -> Tensor:
        """From (n, P) to (n, P'), or from pixels."""
        *kept, last = unpacked(inputs, self.takes) if self.takes else [inputs]
        return packed([*kept, *([last] if self.keeps else []), self.stage(last)])


class PooledLast(nn.Module):
    """From packed maps (n, P) to the mean over places of the deepest, (n, F)."""

    def __init__(self, shapes: Sequence[Shape]) -> None:
        super().__init__()
        self.shapes = tuple(shapes)
        self.features = self.shapes[-1][0]

    def forward(self, flat: Tensor) -> Tensor:
        """The features that stand for a picture as a whole."""
        return unpacked(flat, self.shapes)[-1].mean((2, 3))


@dataclass(frozen=True)
class Pyramid:
    """Stages that give maps at several scales.

    Attributes
    ----------
    stages : list of nn.Module
        The first from pixels (n, 3, S, S) as uint8, the last to (n, P).
    shapes : tuple of Shape
        Of the maps that P packs, finest first.
    """

    stages: list[nn.Module]
    shapes: tuple[Shape, ...]


def pyramid(
    name: str,
    pretrained: bool,
    size: int,
    strides: Sequence[int],
    weights: str = "",
    weights_sha256: str = "",
) -> Pyramid:
    """Return a network by name (`tlcore.backbones.image.body`) as stages that give its last map at each stride.

    Randomly started it is normalised in groups of channels, pretrained by the statistics of its pretraining: a batch of
    a few large pictures has none that are of use (He, Girshick & Dollár, Rethinking ImageNet pre-training, ICCV 2019).

    Parameters
    ----------
    name, pretrained, size, weights, weights_sha256
        As of `tlcore.backbones.image.body`.
    strides : sequence of int
        Pixels from one place of a map to the next, finest first: powers of two.

    Raises
    ------
    SpecificationError
        As `body`, or if the network has no maps, or none at one of the strides.
    """
    stages, _ = body(name, pretrained, size, weights, weights_sha256)
    if not all(type(stage) is Stage for stage in stages):
        raise SpecificationError(
            f"backbone: {name!r} is no sequence of layers that halve their maps, which boxes and masks need. Allowed: "
            "efficientnet-lite0, mobilenet_v2, vgg16, resnet18 and others like them."
        )
    if not pretrained:
        stages = [in_groups(stage) for stage in stages]
    return carried(_without_top(stages), size, strides, name)


def carried(stages: Sequence[nn.Module], size: int, strides: Sequence[int], name: str = "this network") -> Pyramid:
    """Return stages, each from the map before to its own, as stages that carry the last map at each stride.

    Raises
    ------
    SpecificationError
        If there is no map at one of the strides.
    """
    shapes: list[Shape] = []
    with torch.no_grad():
        seen = torch.zeros(1, 3, size, size, dtype=torch.uint8)
        for stage in stages:
            seen = stage.eval()(seen)
            shapes.append((seen.shape[1], seen.shape[2], seen.shape[3]))
    sides = [-(-size // stride) for stride in strides]
    last = [max((n for n, shape in enumerate(shapes) if shape[1] == side), default=-1) for side in sides]
    if -1 in last:
        there = sorted({size // shape[1] for shape in shapes})
        raise SpecificationError(
            f"backbone: {name!r} has no map at stride {strides[last.index(-1)]} on pictures of {size} pixels. Allowed: "
            f"{', '.join(map(str, there))}."
        )
    carrying: list[nn.Module] = []
    kept: list[Shape] = []
    for place, stage in enumerate(stages[: last[-1] + 1]):
        keeps = place - 1 in last
        carrying.append(Carrying(stage, [*kept, shapes[place - 1]] if place else [], keeps))
        kept += [shapes[place - 1]] if keeps else []
    return Pyramid(carrying, (*kept, shapes[last[-1]]))


def _without_top(stages: Sequence[nn.Module]) -> list[nn.Module]:
    """Return the stages without what answers, pooling given to the stage after it.

    What only widens a map that is about to be averaged (a last convolution of one pixel) goes, too.
    """
    groups = [[*stage.children()] for stage in stages]
    for before, after in pairwise(groups):
        while isinstance(before[-1], (nn.MaxPool2d, nn.AvgPool2d)):
            after.insert(0, before.pop())
    *rest, last = groups
    while last and not _sees_neighbours(last[-1]):
        last.pop()
    if last and isinstance(last[-1], (nn.MaxPool2d, nn.AvgPool2d)):
        rest, last = [*rest, last[:-1]], last[-1:]
    return [Stage(*group) for group in [*rest, last] if group]


def _sees_neighbours(layer: nn.Module) -> bool:
    """Whether a layer's answers rest on more than one place, or it follows one that does."""
    if isinstance(layer, (nn.ReLU, nn.MaxPool2d, nn.AvgPool2d)):
        return True
    return any(isinstance(part, nn.Conv2d) and max(part.kernel_size) > 1 for part in layer.modules())


def in_groups(module: nn.Module) -> nn.Module:
    """Return a module whose statistics of batches are replaced by those of groups of channels, in place.

    Wu & He, Group normalization, ECCV 2018.
    """
    if isinstance(module, nn.BatchNorm2d):
        norm: nn.Module = group_norm(module.num_features)
        then = getattr(module, "act", None)  # timm's layer is a normalisation and what follows it
        return norm if then is None else nn.Sequential(norm, then)
    for key, child in module.named_children():
        setattr(module, key, in_groups(child))
    return module


def group_norm(channels: int) -> nn.GroupNorm:
    """Return a `GroupNorm` of at most so many groups, of at least so many channels where there are that many.

    >>> [group_norm(channels).num_groups for channels in (8, 24, 40, 112, 320, 1280)]
    [1, 3, 5, 14, 32, 32]
    """
    allowed = [n for n in range(1, MOST_GROUPS + 1) if channels % n == 0 and channels // n >= CHANNELS_A_GROUP]
    return nn.GroupNorm(max(allowed, default=1), channels)
