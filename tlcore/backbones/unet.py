"""A small U-Net: the stages of an encoder by name, and a decoder that answers for each pixel.

    x ─► stage 1 ─► … ─► stage 5 ─► adapter      body: packs the map at each stride into (n, P)
            │              │
            └──────► decoder ─► (n, K, S, S)     head: unpacks them

Ronneberger, Fischer & Brox, U-Net: convolutional networks for biomedical image segmentation, MICCAI 2015.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from tlcore.backbones.image import AT_ONCE
from tlcore.backbones.maps import PooledLast, Pyramid, Shape, in_groups, packed, unpacked

STRIDES = (2, 4, 8, 16, 32)
"""Pixels from one place to the next of the maps that the decoder is given."""
WIDTHS = (64, 48, 32, 16, 8)
"""Channels of the decoder, deepest first."""


class Beside(nn.Module):
    """A stage of an encoder that passes the picture itself on, in front of the maps: (n, P) has it first.

    Parameters
    ----------
    stage : nn.Module
        From pixels (n, 3, S, S) as uint8, or from packed maps, to packed maps.
    size : int
        S.
    first : bool
        Whether its input is the pixels.
    """

    costly = True
    at_once = AT_ONCE

    def __init__(self, stage: nn.Module, size: int, first: bool) -> None:
        super().__init__()
        self.stage, self.size, self.first = stage, size, first

    def forward(self, inputs: Tensor) -> Tensor:
        """From (n, P) to (n, P'), or from pixels."""
        if self.first:
            return torch.cat([packed([inputs.float() / 255 - 0.5]), self.stage(inputs)], dim=1)
        here = 3 * self.size**2
        return torch.cat([inputs[:, :here], self.stage(inputs[:, here:])], dim=1)


class Decoder(nn.Module):
    """From packed maps (n, P) to outputs (n, K, S, S).

    Each block doubles the map's sides, puts the encoder's map of that size beside it, and convolves twice; beside the
    last lies the picture itself. Its normalisation is of groups of channels, so that an answer does not depend on what
    else is in the batch, such as pictures of another domain.

    Parameters
    ----------
    shapes : sequence of Shape
        Of the maps, finest first; the first is the picture.
    classes : int
        K.
    widths : sequence of int
        Channels of each block, deepest first; one fewer than maps.
    """

    at_once = AT_ONCE

    def __init__(self, shapes: Sequence[Shape], classes: int, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        from segmentation_models_pytorch.decoders.unet.decoder import UnetDecoder

        self.shapes = tuple(shapes)
        # Theirs passes over a map at stride 1, and so over ours: it is given twice.
        self.decoder = in_groups(UnetDecoder([0, *(shape[0] for shape in shapes)], widths, n_blocks=len(widths)))
        self.answer = nn.Conv2d(widths[-1], classes, 3, padding=1)
        self.to(memory_format=torch.channels_last)

    def forward(self, flat: Tensor) -> Tensor:
        """Unpack, decode, answer."""
        maps = unpacked(flat, self.shapes)
        answers: Tensor = self.answer(self.decoder([maps[0], *maps]))
        return answers


class Adapter(nn.Module):
    """z + U·ReLU(D·z) at each place of the deepest map, beside the others: the identity at the start.

    What a method does to the features that stand for a picture (MMD, adversaries) it can do here, where the encoder
    stays fixed.
    """

    def __init__(self, shapes: Sequence[Shape], width: int) -> None:
        super().__init__()
        self.shapes = tuple(shapes)
        features = shapes[-1][0]
        self.down, self.up = nn.Conv2d(features, width, 1), nn.Conv2d(width, features, 1, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, flat: Tensor) -> Tensor:
        """From (n, P) to the same shape."""
        *others, deepest = unpacked(flat, self.shapes)
        return packed([*others, deepest + self.up(self.down(deepest).relu())])


def unet(encoder: Pyramid, size: int, classes: int, width: int) -> tuple[list[nn.Module], Decoder, PooledLast]:
    """Return the body of a U-Net in groups, its head, and what makes features (n, F) of the body's output.

    Parameters
    ----------
    encoder : Pyramid
        Stages that give maps at `STRIDES`.
    size : int
        S, height and width of the pictures.
    classes : int
        K.
    width : int
        Of the adapter.
    """
    stages = [Beside(stage, size, first=not place) for place, stage in enumerate(encoder.stages)]
    shapes = ((3, size, size), *encoder.shapes)
    return [*stages, Adapter(shapes, width)], Decoder(shapes, classes), PooledLast(shapes)
