"""Detection: every method that applies, on made pictures; domains of pictures with boxes; what is refused."""

from functools import lru_cache

import numpy as np
import pytest
import torch

from tlcore.datasets.boxes import BoxedImages
from tlcore.datasets.images import LabelledImages
from tlcore.datasets.sheets import sheets
from tlcore.errors import SpecificationError
from tlcore.evaluation.boxes import DETECTION
from tlcore.experiment import Experiment, applicable
from tlcore.methods import METHODS
from tlcore.scenarios import SCENARIOS, register
from tlcore.scenarios.detection import NOTHING, Found, boxes_together, small_detector
from tlcore.trial import execute

SIZE = 32


def squares(seed: int, count: int, kinds: tuple[str, ...] = ("dark", "bright"), groups: bool = False) -> BoxedImages:
    """Noisy pictures, each with one square or two of two shades; the fourth with none."""
    draw = np.random.default_rng(seed)
    pictures, boxes, names = [], [], []
    for number in range(count):
        picture = draw.normal(100, 10, (SIZE, SIZE, 3))
        places = [] if number == 3 else [0, SIZE // 2][: draw.integers(1, 3)]
        shades = draw.integers(0, 2, len(places))
        corners = [(place + draw.integers(1, 5), draw.integers(1, 20)) for place in places]
        for (x, y), shade in zip(corners, shades, strict=True):
            picture[y : y + 10, x : x + 10] = (20, 220)[shade]
        pictures.append(picture.clip(0, 255).astype(np.uint8))
        boxes.append(np.array([(x, y, x + 10, y + 10) for x, y in corners], float).reshape(-1, 4) / SIZE)
        names.append(np.array([kinds[shade] for shade in shades], str))
    images = LabelledImages.of([f"{seed} {n}" for n in range(count)], np.full(count, ""), pictures)
    if groups:
        images = LabelledImages(**{**vars(images), "groups": np.array([f"{n // 2}" for n in range(count)])})
    return BoxedImages(images, boxes, names, [np.zeros(len(n), bool) for n in names], np.full((count, 2), SIZE))


@lru_cache
def _squares():
    return boxes_together(squares(0, 12), squares(1, 15), SIZE)


@register
class Squares(Found):
    """So small that a trial takes a blink."""

    name = "squares-for-tests"
    title = "Squares"
    summary = "Where are the squares?"
    credit = "Made here."
    pairs = (("there", "here"),)
    epochs, max_steps, batch_size = 1, 200, 4

    def domains(self, source, target):
        return _squares()

    def network(self, domains):
        return small_detector(domains, SIZE)


SCENARIO = SCENARIOS.pop("squares-for-tests")  # what others look at in the catalogue stays as it is
APPLICABLE = [*applicable(SCENARIO, "inductive")]


@pytest.fixture(autouse=True)
def _known(monkeypatch):
    monkeypatch.setitem(SCENARIOS, Squares.name, SCENARIO)


def trial(name: str, **fields):
    settings = {"tasks_seen": 2} if name in ("maml", "reptile") else {}
    methods = [{"name": name, "settings": settings}]
    fields = {"scenario": Squares.name, "methods": methods, "budgets": [4], **fields, "seeds": [0]}
    return next(t for t in Experiment.build(fields).trials() if t.method.name == name)


def test_what_needs_nothing_but_a_network_applies_and_what_needs_classes_or_rows_does_not():
    known = {n: m for n, m in METHODS.items() if m.__module__.startswith("tlcore.")}
    network_alone = {name for name, method in known.items() if not method.needs and "inductive" in method.serves}
    assert {*APPLICABLE} == network_alone | {"small_network"}
    assert len(APPLICABLE) >= 25
    assert {"fine_tune", "frozen", "l2_sp", "lora", "adapters", "mmd", "deep_coral", "dann", "kmm"} <= {*APPLICABLE}
    assert not {"mcc", "coral", "logistic_regression", "als"} & {*APPLICABLE}


@pytest.mark.parametrize("name", APPLICABLE)
@pytest.mark.slow
def test_every_method_that_applies_says_where_objects_are(name):
    result = execute(trial(name))
    for metric in DETECTION:
        assert 0 <= result.metrics[metric] <= 1, metric
        assert result.examples[metric].mean() == pytest.approx(result.metrics[metric], abs=1e-5), metric
    assert len(result.examples["said"]) == len(_squares().test)
    assert all(np.isfinite(row["task_loss"]) for row in result.curves)


@pytest.mark.slow
def test_it_learns_and_what_it_says_is_kept_with_what_is_missed():
    result = execute(trial("from_scratch", budgets=[9], epochs=35))
    assert result.metrics["ap50"] > 0.3
    test = _squares().test
    said, missed, wrong = (result.examples[name] for name in ("said", "missed", "false_alarms"))
    there = (test.answers[..., 4] >= 0).sum(1)
    sure = (said[..., 4] >= 0).sum(1)
    np.testing.assert_array_equal(there - missed, sure - wrong)  # both are what was found
    assert (said[said[..., 4] >= 0, 5] >= np.float16(result.metrics["confidence"])).all()


def test_the_same_trial_gives_the_same_bits():
    once, again = (execute(trial("fine_tune")) for _ in range(2))
    np.testing.assert_equal(once.curves, again.curves)
    np.testing.assert_array_equal(once.examples["ap50"], again.examples["ap50"])


def test_a_random_start_trains_longer_where_the_scenario_says_so(monkeypatch):
    monkeypatch.setattr(Squares, "longer", 3)
    assert len(execute(trial("from_scratch")).curves) == 3
    assert len(execute(trial("fine_tune")).curves) == 1


def test_features_are_one_row_a_picture_and_a_head_that_starts_anew_expects_nothing():
    network = small_detector(_squares(), SIZE)
    features, outputs = network(torch.from_numpy(_squares().test.inputs))
    assert features.shape == (len(_squares().test), network.features)
    again = network.headed_anew()
    prior = again.head.classification.cls_logits.bias
    assert torch.allclose(prior.sigmoid(), torch.full_like(prior, 0.01))
    assert not torch.equal(again.head.classification.cls_logits.weight, network.head.classification.cls_logits.weight)
    assert again(network.body(torch.from_numpy(_squares().test.inputs)))[1].shape == outputs.shape


# --- Domains ---


def test_boxes_are_in_pixels_as_they_are_seen_and_classes_go_by_their_names():
    one, other = squares(0, 8, ("b", "a")), squares(1, 9, ("a", "c"))
    domains = boxes_together(one, other, 2 * SIZE)
    assert domains.answer_names == ("a", "b", "c")
    for row, boxes, kinds in zip(domains.source.answers, one.boxes, one.kinds, strict=True):
        real = row[row[:, 4] >= 0]
        np.testing.assert_allclose(real[:, :4], boxes * 2 * SIZE, rtol=1e-6)
        assert [domains.answer_names[int(kind)] for kind in real[:, 4]] == kinds.tolist()
    assert domains.answers == 3
    assert domains.facts["source_boxes"] == len(one.all_kinds)
    assert domains.source.known.all()  # a picture with nothing on it is known to be empty
    assert len(domains.pool) + len(domains.test) == 9


def test_a_picture_of_both_domains_leaves_the_source_and_groups_stay_together():
    both = BoxedImages.joined(squares(1, 4), squares(0, 6))
    domains = boxes_together(both, squares(1, 12, groups=True), SIZE)
    assert (domains.facts["source_pictures"], domains.facts["in_both"]) == (6, 4)
    assert not {*domains.pool.groups} & {*domains.test.groups}
    assert domains.facts["groups"] == 6


def test_a_target_that_cannot_be_scored_is_refused():
    with pytest.raises(SpecificationError, match="it has 2 pictures; three are needed"):
        boxes_together(NOTHING, squares(1, 2), SIZE)
    empty = squares(1, 8)
    for row in range(8):
        empty.boxes[row], empty.kinds[row], empty.crowd[row] = np.zeros((0, 4)), np.empty(0, str), np.zeros(0, bool)
    with pytest.raises(SpecificationError, match="on the 5 pictures to learn from there is not one object"):
        boxes_together(NOTHING, empty, SIZE)


@pytest.mark.slow
def test_pretraining_alone_teaches_no_boxes():
    domains = SCENARIOS["tree-crowns"].domains("pretraining", "yellowstone")
    assert not len(domains.source)
    assert "pretraining is all there is" in SCENARIOS["tree-crowns"].refusal(METHODS["mmd"](), domains)
    assert SCENARIOS["tree-crowns"].refusal(METHODS["source_only"](), domains)
    assert not SCENARIOS["tree-crowns"].refusal(METHODS["fine_tune"](), domains)


def test_sheets_hold_each_real_digit_once_in_a_box_of_its_ink():
    made = sheets("uci", 64)
    assert len(made) == 449
    assert sum(map(len, made.kinds)) <= 1797
    for number in range(20):
        sheet = made.images.open(number)
        for x, y, right, low in (made.boxes[number] * 64).round().astype(int):
            ink = sheet[y:low, x:right] > 0.25 * 255
            assert ink[0].any()
            assert ink[-1].any()
            assert ink[:, 0].any()
            assert ink[:, -1].any()
