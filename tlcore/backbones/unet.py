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
from torch.nn.functional import interpolate

from tlcore.backbones.maps import PooledLast, Shape, in_groups, packed, pyramid, unpacked

STRIDES = (2, 4, 8, 16, 32)
"""Pixels from one place to the next of the maps that the decoder is given."""
WIDTHS = (64, 48, 32, 16)
"""Channels of the decoder, deepest first."""


class Decoder(nn.Module):
    """From packed maps (n, P) to outputs (n, K, S, S).

    Each block doubles the map's sides, puts the encoder's map of that size beside it, and convolves twice; at stride 2
    a convolution answers, and its answers are interpolated: a block at full size would cost as much as all others. Its
    normalisation is of groups of channels, so that an answer does not depend on what else is in the batch, such as
    pictures of another domain.

    Parameters
    ----------
    shapes : sequence of Shape
        Of the maps, finest first.
    classes : int
        K.
    size : int
        S, height and width of the pictures.
    widths : sequence of int
        Channels of each block, deepest first; one fewer than maps.
    """

    def __init__(self, shapes: Sequence[Shape], classes: int, size: int, widths: Sequence[int] = WIDTHS) -> None:
        super().__init__()
        from segmentation_models_pytorch.decoders.unet.decoder import UnetDecoder

        self.shapes, self.size = tuple(shapes), size
        # The first is a map at stride 1, which only says how large the last block's would be.
        channels = [0, *(shape[0] for shape in shapes)]
        self.decoder = in_groups(UnetDecoder(channels, widths, n_blocks=len(widths)))
        self.answer = nn.Conv2d(widths[-1], classes, 3, padding=1)
        self.to(memory_format=torch.channels_last)

    def forward(self, flat: Tensor) -> Tensor:
        """Unpack, decode, answer."""
        maps = unpacked(flat, self.shapes)
        answers = self.answer(self.decoder([maps[0], *maps]))
        return interpolate(answers, size=(self.size, self.size), mode="bilinear", align_corners=False)


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


def unet(
    name: str,
    pretrained: bool,
    size: int,
    classes: int,
    width: int,
    weights: str = "",
    weights_sha256: str = "",
) -> tuple[list[nn.Module], Decoder, PooledLast]:
    """Return the body of a U-Net in groups, its head, and what makes features (n, F) of the body's output.

    Parameters
    ----------
    name, pretrained, size, weights, weights_sha256
        The encoder, as of `tlcore.backbones.image.body`.
    classes : int
        K.
    width : int
        Of the adapter.

    Raises
    ------
    SpecificationError
        As `tlcore.backbones.maps.pyramid`.
    """
    encoder = pyramid(name, pretrained, size, STRIDES, weights, weights_sha256)
    body = [*encoder.stages, Adapter(encoder.shapes, width)]
    return body, Decoder(encoder.shapes, classes, size), PooledLast(encoder.shapes)
