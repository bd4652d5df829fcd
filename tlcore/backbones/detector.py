"""A detector without anchors: a feature pyramid on a network's maps, what it says at each place, its loss, its boxes.

The network is FCOS as torchvision has it (Tian, Shen, Chen & He, FCOS: fully convolutional one-stage object detection,
ICCV 2019), with every normalisation in groups of channels, so that it can start from nothing (He, Girshick & Dollár,
Rethinking ImageNet pre-training, ICCV 2019). Its answer is one tensor (n, L, K + 8), a row for each place of each map::

    [ logits of K classes | centredness | left, top, right, bottom, in strides | x, y, stride of the place, in pixels ]

so that loss and boxes follow from it without knowing the network.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torchvision.models.detection.fcos import FCOSClassificationHead, FCOSRegressionHead
from torchvision.ops import FeaturePyramidNetwork, batched_nms, generalized_box_iou_loss, sigmoid_focal_loss

from tlcore.backbones.image import AT_ONCE, Normalise
from tlcore.backbones.maps import Shape, group_norm, unpacked

AROUND = 8
"""Numbers of a place besides the logits of classes."""
WIDTH, CONVOLUTIONS = 64, 2
"""Channels of every map of the pyramid, and layers between it and an answer; a quarter and half of torchvision's."""
RADIUS = 1.5
"""How far from an object's middle a place answers for it, in strides."""
SMALLEST, LARGEST = 4, 8
"""From the longest way to an object's edge in strides: which map answers for it."""
SURE, OVERLAP, CANDIDATES, MOST_BOXES = 0.05, 0.6, 1000, 100
"""Confidence below which nothing is said, overlap at which a surer box of its class silences another, boxes of a map
that are looked at, and of a picture that are said."""


class Detector(nn.Module):
    """From packed maps (n, P) to what is said at each of their places, (n, L, K + 8).

    Parameters
    ----------
    shapes : sequence of Shape
        Of the maps, finest first.
    size : int
        Pixels of a side of the pictures.
    classes : int
        K.
    width, convolutions : int
    """

    at_once = AT_ONCE
    places: Tensor

    def __init__(
        self,
        shapes: Sequence[Shape],
        size: int,
        classes: int,
        width: int = WIDTH,
        convolutions: int = CONVOLUTIONS,
    ) -> None:
        super().__init__()
        self.shapes = tuple(shapes)
        self.classes, self.width, self.convolutions = classes, width, convolutions
        self.register_buffer("places", torch.cat([_places(shape, size) for shape in shapes]), persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start anew, at random: nearly nothing is said to be an object."""
        channels = [shape[0] for shape in self.shapes]
        self.pyramid = FeaturePyramidNetwork(channels, self.width, norm_layer=group_norm)
        self.classification = FCOSClassificationHead(self.width, 1, self.classes, self.convolutions)
        self.regression = FCOSRegressionHead(self.width, 1, self.convolutions)

    def forward(self, flat: Tensor) -> Tensor:
        """Say it."""
        maps = {str(level): one for level, one in enumerate(unpacked(flat, self.shapes))}
        levels = [*self.pyramid(maps).values()]
        distances, centredness = self.regression(levels)
        places = self.places.expand(len(flat), -1, -1)
        return torch.cat([self.classification(levels), centredness, distances, places], dim=2)


def _places(shape: Shape, size: int) -> Tensor:
    """Return the middle of each place of a map, and its stride, (h·w, 3), row by row."""
    _, height, width = shape
    stride = size / height
    x, y = ((torch.arange(side) + 0.5) * stride for side in (width, height))
    rows, columns = torch.meshgrid(y, x, indexing="ij")
    return torch.stack([columns, rows, torch.full_like(rows, stride)], dim=2).flatten(0, 1)


def small_stages(width: int = 16) -> list[nn.Module]:
    """Return four convolutions, each normalised in groups and pooled: maps at strides 2, 4, 8 and 16."""
    stages: list[nn.Module] = []
    channels = 3
    for place in range(4):
        after = width * min(2**place, 4)
        first = [] if stages else [Normalise([0.5] * 3, [0.25] * 3)]
        convolution = nn.Conv2d(channels, after, 3, padding=1, bias=False)
        stages.append(nn.Sequential(*first, convolution, group_norm(after), nn.ReLU(), nn.MaxPool2d(2)))
        channels = after
    return [stage.to(memory_format=torch.channels_last) for stage in stages]


def detection_loss(outputs: Tensor, answers: Tensor) -> Tensor:
    """Return L of each picture: focal loss, one minus generalised overlap, and cross-entropy of centredness.

    With P the places of a picture that answer for an object, b̂ and b the boxes said and true, and how central a place
    is in its object, c = √(min(l, r)/max(l, r) · min(t, b)/max(t, b))::

        L = 1/max(1, |P|) · ( Σ_all focal(logits)  +  Σ_P [1 − GIoU(b̂, b)]  +  Σ_P CE(centredness, c) )

    A place answers for the smallest object that it lies in, no further than 1.5 strides from its middle, if the longest
    way to an edge is between 4 and 8 strides; the finest map takes all smaller ones, the coarsest all larger. What lies
    in a crowd is learned from as if the crowd were not marked, as torchvision has it.

    It is torchvision's loss of a batch of this picture alone. Over several pictures torchvision divides by the places
    of all of them, so that one with many objects counts more; here each counts the same, as each has one weight wᵢ.

    Parameters
    ----------
    outputs : Tensor, shape (n, L, K + 8)
    answers : Tensor, shape (n, M, 6)
        x₁, y₁, x₂, y₂ in pixels, class, 1 for a crowd; class −1: no box.

    Returns
    -------
    Tensor, shape (n,)

    References
    ----------
    Lin, Goyal, Girshick, He & Dollár (2017), Focal loss for dense object detection, ICCV.
    Rezatofighi et al. (2019), Generalized intersection over union, CVPR.
    """
    classes = outputs.shape[2] - AROUND
    logits, centredness, distances, places = outputs.split([classes, 1, 4, 3], dim=2)
    answering, which = _answering(places, answers)
    rows = which[..., None]
    truth = answers[..., :4].gather(1, rows.expand(-1, -1, 4)) if answers.shape[1] else torch.zeros_like(distances)
    kinds = answers[..., 4:5].gather(1, rows)[..., 0].long() if answers.shape[1] else torch.zeros_like(which)
    wanted = torch.zeros_like(logits).scatter_(2, kinds.clamp(min=0)[..., None], answering[..., None].to(logits.dtype))
    focal = sigmoid_focal_loss(logits, wanted).sum((1, 2))

    # Where nothing is answered for, any box will do, if it has an area and no gradient.
    nowhere = torch.tensor([0.0, 0.0, 1.0, 1.0], device=outputs.device).expand_as(truth)
    said = torch.where(answering[..., None], boxes_at(distances, places), nowhere)
    truth = torch.where(answering[..., None], truth, nowhere)
    fit = generalized_box_iou_loss(said.flatten(0, 1), truth.flatten(0, 1)).view(answering.shape)

    middle = places[..., :2]
    before, after = middle - truth[..., :2], truth[..., 2:] - middle
    share = torch.minimum(before, after) / torch.maximum(before, after)
    central = torch.where(answering, share.prod(2), 0.0).clamp(min=0).sqrt()
    surprise = binary_cross_entropy_with_logits(centredness[..., 0], central, reduction="none")
    of_objects = torch.where(answering, fit + surprise, 0.0).sum(1)
    return (focal + of_objects) / answering.sum(1).clamp(min=1)


def boxes_at(distances: Tensor, places: Tensor) -> Tensor:
    """Return x₁, y₁, x₂, y₂ (..., 4) of what is said in strides (..., 4) at places (..., 3)."""
    middle, reach = places[..., :2], distances * places[..., 2:]
    return torch.cat([middle - reach[..., :2], middle + reach[..., 2:]], dim=-1)


def _answering(places: Tensor, answers: Tensor) -> tuple[Tensor, Tensor]:
    """Return whether each place answers for an object (n, L), and for which (n, L)."""
    n, count = places.shape[:2]
    if not answers.shape[1]:
        return places.new_zeros((n, count), dtype=torch.bool), places.new_zeros((n, count), dtype=torch.int64)
    boxes, stride = answers[:, None, :, :4], places[..., 2:3]
    middle = places[..., None, :2]
    centre = (boxes[..., :2] + boxes[..., 2:]) / 2
    near = (middle - centre).abs().amax(3) < RADIUS * stride
    ways = torch.cat([middle - boxes[..., :2], boxes[..., 2:] - middle], dim=3)
    longest = ways.amax(3)
    above = torch.where(stride == stride.amin(1, keepdim=True), 0.0, SMALLEST * stride)
    below = torch.where(stride == stride.amax(1, keepdim=True), torch.inf, LARGEST * stride)
    real = (answers[..., 4] >= 0) & (answers[..., 5] == 0)
    matched = near & (ways.amin(3) > 0) & (longest > above) & (longest < below) & real[:, None]
    area = (boxes[..., 2:] - boxes[..., :2]).prod(3)
    smallest, which = torch.where(matched, area, torch.inf).min(2)
    return smallest < torch.inf, which


def detections(
    outputs: np.ndarray,
    sure: float = SURE,
    overlap: float = OVERLAP,
    candidates: int = CANDIDATES,
    most: int = MOST_BOXES,
) -> np.ndarray:
    """Return the boxes that are said, (n, D, 6): x₁, y₁, x₂, y₂, class, confidence, the surest first; class −1: none.

    Confidence is √(σ(logit) · σ(centredness)). Of those of a class that overlap the surest stays.

    Parameters
    ----------
    outputs : ndarray, shape (n, L, K + 8)
    sure, overlap, candidates, most
        See `SURE`.
    """
    with torch.no_grad():
        found = [_boxes_of(one, sure, overlap, candidates)[:most] for one in torch.from_numpy(outputs).float()]
    padded = np.full((len(found), max(map(len, found), default=0), 6), -1.0, np.float32)
    for row, one in zip(padded, found, strict=True):
        row[: len(one)] = one.numpy()
    return padded


def _boxes_of(outputs: Tensor, sure: float, overlap: float, candidates: int) -> Tensor:
    classes = outputs.shape[1] - AROUND
    parts = []
    size = (
        (outputs[:, -3:-1] + outputs[:, -1:] / 2).amax(0).repeat(2)
    )  # the far edges of the last places are the picture's
    for stride in outputs[:, -1].unique():
        logits, centredness, distances, places = outputs[outputs[:, -1] == stride].split([classes, 1, 4, 3], dim=1)
        confidence = (logits.sigmoid() * centredness.sigmoid()).sqrt().flatten()
        best = confidence.topk(min(candidates, len(confidence)))
        chosen = best.indices[best.values > sure]
        place = chosen // classes
        boxes = boxes_at(distances[place], places[place]).clamp(min=0).minimum(size)
        parts.append(torch.cat([boxes, (chosen % classes)[:, None], confidence[chosen, None]], dim=1))
    every = torch.cat(parts)
    return every[batched_nms(every[:, :4], every[:, 5], every[:, 4].long(), overlap)]
