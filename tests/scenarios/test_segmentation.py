"""Segmentation: every method that applies, on made pictures; domains of pictures with masks; what is refused."""

from functools import lru_cache

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from tlcore.backbones.maps import Pyramid, carried
from tlcore.backbones.unet import STRIDES
from tlcore.datasets.masks import MaskedImages, MaskFolder
from tlcore.errors import SpecificationError
from tlcore.experiment import Experiment, applicable
from tlcore.methods import METHODS
from tlcore.objective import minimise
from tlcore.pixels import PixelForest, pixel_features
from tlcore.scenarios import SCENARIOS, register
from tlcore.scenarios.segmentation import NO_MASKS, Segmented, masked_together
from tlcore.tasks.segmentation import Segmentation
from tlcore.trial import execute

SIZE = 32


def discs(seed: int, count: int) -> MaskedImages:
    """Noisy pictures, each with one bright disc, of which some pixels are not known."""
    draw = np.random.default_rng(seed)
    rows, columns = np.ogrid[:SIZE, :SIZE]
    pictures, masks = [], []
    for _ in range(count):
        top, left, radius = draw.integers(8, 24), draw.integers(8, 24), draw.integers(4, 9)
        inside = np.hypot(rows - top, columns - left) < radius
        picture = draw.normal(np.where(inside, 150, 100)[..., None], 25, (SIZE, SIZE, 3))
        mask = inside.astype(np.int8)
        mask[:2] = -1
        pictures.append(picture.clip(0, 255).astype(np.uint8))
        masks.append(mask)
    return MaskedImages.of([f"{seed} {n}" for n in range(count)], pictures, masks, ("ground", "disc"))


class _Scaled(nn.Module):
    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return pixels.float() / 255 - 0.5


@lru_cache
def _discs() -> object:
    return masked_together(discs(0, 12), discs(1, 14), SIZE, "squash")


@register
class Discs(Segmented):
    """With an encoder of a few numbers, so that a trial takes a blink."""

    name = "discs-for-tests"
    title = "Discs"
    summary = "Where is the disc?"
    credit = "Made here."
    pairs = (("there", "here"),)
    size: int = SIZE

    @property
    def classes(self):
        return ("ground", "disc")

    def domains(self, source, target):
        return _discs()

    def encoder(self, pretrained: bool) -> Pyramid:
        widths = [(3, 4), (4, 8), (8, 8), (8, 8), (8, 16)]
        first, *rest = (nn.Conv2d(before, after, 3, 2, 1) for before, after in widths)
        return carried([nn.Sequential(_Scaled(), first), *rest], self.size, STRIDES)


SCENARIO = SCENARIOS.pop("discs-for-tests")  # what others look at in the catalogue stays as it is
APPLICABLE = [*applicable(SCENARIO, "inductive")]


@pytest.fixture(autouse=True)
def _known(monkeypatch):
    monkeypatch.setitem(SCENARIOS, Discs.name, SCENARIO)


def trial(name: str, **fields):
    fields = {"scenario": Discs.name, "methods": [name], "budgets": [3], "epochs": 1, **fields, "seeds": [0]}
    return next(t for t in Experiment.build(fields).trials() if t.method.name == name)


def test_what_needs_nothing_but_a_network_applies_and_what_needs_classes_or_rows_does_not():
    known = {n: m for n, m in METHODS.items() if m.__module__.startswith("tlcore.")}
    network_alone = {name for name, method in known.items() if not method.needs and "inductive" in method.serves}
    assert {*APPLICABLE} == network_alone | {"pixel_forest"}
    assert len(APPLICABLE) >= 25
    assert {"fine_tune", "frozen", "l2_sp", "lora", "adapters", "mmd", "deep_coral", "dann", "kmm"} <= {*APPLICABLE}
    assert not {"mcc", "coral", "logistic_regression", "als"} & {*APPLICABLE}


@pytest.mark.parametrize("name", APPLICABLE)
@pytest.mark.slow
def test_every_method_that_applies_answers_for_each_pixel(name):
    domains = _discs()
    whole = name in ("pooled",)
    if SCENARIO.refusal(METHODS[name](), domains) and not whole:
        pytest.fail(f"{name} is refused with a source at hand")
    result = execute(trial(name, **({"whole": True} if whole else {})))
    for metric in Segmentation.metrics:
        assert 0 <= result.metrics[metric] <= 1, metric
        assert result.examples[metric].mean() == pytest.approx(result.metrics[metric], abs=1e-6), metric
    assert result.examples["drawn"].shape == (len(domains.test), 64, 64)
    assert all(np.isfinite(row["task_loss"]) for row in result.curves)


def test_the_loss_is_the_mean_over_the_known_pixels_of_each_picture():
    outputs = torch.randn(3, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    answers = torch.ones(3, 4, 4, dtype=torch.int8)
    answers[0, :2], answers[1] = -1, -1
    losses = SCENARIO.task.loss(_discs())(outputs, answers)
    of_ones = -torch.log_softmax(outputs, 1)[:, 1]
    torch.testing.assert_close(losses, torch.stack([of_ones[0, 2:].mean(), torch.zeros(()), of_ones[2].mean()]))


def test_groups_are_those_with_a_class_and_those_of_a_name():
    within = np.ones((12, 3), bool)
    within[:6, 1] = within[:9, 2] = False
    examples = {"within": within, "group": np.repeat(["a", "b"], [5, 7])}
    groups = SCENARIO.task.groups(examples, ("ground", "road", "sea"))
    assert [*groups] == ["with road", "group a", "group b"]  # all have ground, and three alone sea
    assert (groups["with road"] == within[:, 1]).all()
    assert SCENARIO.task.group_metric("miou") == "picture_dice"


def test_classes_of_both_domains_go_by_their_names():
    here, there = discs(1, 8), discs(2, 6)
    there = MaskedImages(there.pictures, there.open, ("disc", "ground"), there.checksum)  # the other way round
    domains = masked_together(there, here, SIZE, "squash")
    assert domains.answer_names == ("ground", "disc")
    expected = np.array([1, 0, -1])[np.stack([there.open(n) for n in range(6)])]
    np.testing.assert_array_equal(domains.source.answers, expected)
    extra = MaskedImages(there.pictures, there.open, ("sea", "ground"), there.checksum)
    assert masked_together(extra, here, SIZE, "squash").answer_names == ("ground", "disc", "sea")


def test_a_picture_of_both_domains_leaves_the_source_and_one_that_nobody_marked_is_left_out():
    here = discs(1, 8)
    unknown = MaskedImages.of(["x"], [discs(9, 1).pictures.open(0)], [np.full((SIZE, SIZE), -1)], here.classes)
    both = MaskedImages(
        type(here.pictures).joined(here.pictures[:3], unknown.pictures),
        lambda number: here.open(number) if number < 3 else unknown.open(0),
        here.classes,
        "of both",
    )
    domains = masked_together(both, here, SIZE, "squash")
    assert len(domains.source) == 0
    assert (domains.facts["target_pictures"], domains.facts["source_not_known"]) == (8, 1)
    assert domains.facts["test_pictures"] == 3
    numbers = np.concatenate([domains.pool.inputs, domains.test.inputs])
    assert sorted(numbers) == [*range(8)]
    with pytest.raises(SpecificationError, match="it has 4 pictures with a mask"):
        masked_together(NO_MASKS, here[:4], SIZE, "squash")


def test_tiles_of_a_picture_are_on_one_side(tmp_path):
    draw = np.random.default_rng(0)
    for number in range(6):
        for folder in ("images", "masks"):
            (tmp_path / folder).mkdir(exist_ok=True)
            values = draw.integers(0, 2 if folder == "masks" else 256, (64, 64), dtype=np.uint8)
            Image.fromarray(values).save(tmp_path / folder / f"{number}.png")
    scenario = SCENARIOS["masks"].model_copy(update={"tile": 32, "size": 32})
    domains = scenario.domains(None, MaskFolder(path=str(tmp_path)))
    assert len(domains.pool) + len(domains.test) == 24
    assert not {*domains.pool.groups} & {*domains.test.groups}
    assert domains.facts["groups"] == 6
    pixels = scenario.raw(domains)(domains.test.inputs)
    assert pixels.shape == (len(domains.test), 32, 32, 3)


def test_pixels_of_either_domain_are_looked_up_where_they_are():
    domains = _discs()
    pixels = SCENARIO.raw(domains)(np.array([13, 0, 12]))
    looked_up = [domains.looked_up.open(number) for number in (13, 0, 12)]
    np.testing.assert_array_equal(pixels, looked_up)


def test_features_of_a_pixel_are_what_they_are_called():
    ramp = np.repeat((np.arange(40) * 4).astype(np.uint8)[:, None], 40, axis=1)
    features = pixel_features(np.repeat(ramp[..., None], 3, axis=2))
    assert features.shape == (40, 40, 3 + 4 * 4)
    middle = features[20, 20]
    assert middle[:3] == pytest.approx(80 / 255, abs=1e-6)
    for scale in range(4):
        smooth, gradient, larger, smaller = middle[3 + 4 * scale : 7 + 4 * scale]
        assert smooth == pytest.approx(80 / 255, abs=1e-3)
        assert gradient == pytest.approx(4 / 255, rel=5e-3)
        assert max(abs(larger), abs(smaller)) < 1e-4
    ridge = np.zeros((41, 41, 3), np.uint8)
    ridge[20] = 255
    _, gradient, larger, smaller = pixel_features(ridge)[20, 20, 7:11]
    assert abs(gradient) < 1e-6
    assert smaller < -0.05  # across the ridge it falls on both sides
    assert abs(larger) < 1e-6  # along it nothing changes


def test_the_forest_learns_from_known_pixels_alone_and_answers_for_every_class():
    images = discs(3, 6)
    pixels = np.stack([images.pictures.open(n) for n in range(6)])
    answers = np.stack([images.open(n) for n in range(6)])
    predict = PixelForest(3, 0, trees=10)(pixels[:4], answers[:4])
    outputs = predict(pixels[4:])
    assert outputs.shape == (2, 3, SIZE, SIZE)
    assert (outputs.argmax(1) != 2).all()  # of which there was no example
    known = answers[4:] != -1
    assert (outputs.argmax(1) == answers[4:])[known].mean() > 0.9


def test_a_frozen_encoder_is_computed_once_and_a_decoder_alone_trains(monkeypatch):
    from tlcore import objective

    trained = []
    monkeypatch.setattr(objective, "minimise", lambda *parts: trained.append(parts[0]) or minimise(*parts))
    result = execute(trial("frozen"))
    network = trained[-1]
    assert [type(part).__name__ for part in network.body] == ["Identity"]
    assert result.metrics["trained_parameters"] == sum(p.numel() for p in network.head.parameters())
