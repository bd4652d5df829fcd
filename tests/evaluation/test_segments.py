"""Metrics of segmentation: torchmetrics', the boundary's paper, closed forms, and scores whose mean they are."""

import numpy as np
import pytest
import torch

from tlcore.evaluation.pseudovalues import from_left_out, pseudo_values
from tlcore.evaluation.segments import SEGMENTATION, boundary_f1, confusions, example_scores, segmentation_metrics

CLASSES = 5


@pytest.fixture(scope="module")
def masks() -> tuple[np.ndarray, np.ndarray]:
    """Twelve pictures; class 4 is in none, class 3 is drawn and in one alone, and of a tenth nothing is known."""
    draw = np.random.default_rng(0)
    truth = draw.integers(0, 3, (12, 24, 20))
    truth[5, :4] = 3
    predicted = np.where(draw.random(truth.shape) < 0.7, truth, draw.integers(0, 4, truth.shape))
    truth[draw.random(truth.shape) < 0.1] = -1
    return predicted, truth


def scored(predicted: np.ndarray, truth: np.ndarray) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    counts, boundary = confusions(predicted, truth, CLASSES), boundary_f1(predicted, truth, CLASSES)
    return segmentation_metrics(counts, boundary), example_scores(counts, boundary)


@pytest.mark.slow
def test_metrics_of_the_data_set_are_torchmetrics(masks):
    from torchmetrics.functional.classification import (
        multiclass_accuracy,
        multiclass_f1_score,
        multiclass_jaccard_index,
        multiclass_recall,
    )

    predicted, truth = (torch.from_numpy(one) for one in masks)
    metrics, _ = scored(*masks)
    theirs = {
        "miou": multiclass_jaccard_index(predicted, truth, CLASSES, ignore_index=-1),
        "dice": multiclass_f1_score(predicted, truth, CLASSES, average="macro", ignore_index=-1),
        "pixel_accuracy": multiclass_accuracy(predicted, truth, CLASSES, average="micro", ignore_index=-1),
    }
    for name, value in theirs.items():
        assert metrics[name] == pytest.approx(float(value), abs=1e-6), name
    each = multiclass_jaccard_index(predicted, truth, CLASSES, average=None, ignore_index=-1)
    assert [metrics[f"iou_{kind}"] for kind in range(4)] == pytest.approx(each[:4].tolist(), abs=1e-6)
    assert np.isnan(metrics["iou_4"])
    found = multiclass_recall(predicted, truth, CLASSES, average=None, ignore_index=-1)
    assert [metrics[f"recall_{kind}"] for kind in range(4)] == pytest.approx(found[:4].tolist(), abs=1e-6)
    assert metrics["macro_recall"] == pytest.approx(float(found[:4].mean()), abs=1e-6)


def test_dice_of_pictures_is_torchmetrics(masks):
    from torchmetrics.functional.segmentation import dice_score

    predicted, truth = masks
    truth = np.where(truth < 0, predicted, truth)  # theirs knows none that are not known
    _, scores = scored(predicted, truth)
    theirs = dice_score(
        torch.from_numpy(predicted), torch.from_numpy(truth), CLASSES, average="macro", input_format="index"
    )
    assert scores["picture_dice"] == pytest.approx(theirs.numpy(), abs=1e-6)


def test_what_is_not_known_counts_nowhere(masks):
    predicted, truth = masks
    other = np.where(truth < 0, (predicted + 1) % CLASSES, predicted)
    ours, theirs = scored(predicted, truth), scored(other, truth)
    assert ours[0] == pytest.approx(theirs[0], nan_ok=True)
    for name in SEGMENTATION:
        assert (ours[1][name] == theirs[1][name]).all(), name


def test_the_mean_of_the_pictures_scores_is_the_metric(masks):
    metrics, scores = scored(*masks)
    assert [*metrics][: len(SEGMENTATION)] == [*SEGMENTATION] == [*scores]
    for name, values in scores.items():
        assert values.shape == (12,)
        assert values.mean() == pytest.approx(metrics[name], abs=1e-12), name


def square(size: int, left: int, top: int, side: int) -> np.ndarray:
    mask = np.zeros((1, size, size), int)
    mask[0, top : top + side, left : left + side] = 1
    return mask


def test_outlines_off_by_less_than_the_tolerance_are_right_and_off_by_it_are_not():
    truth = square(200, 50, 50, 60)  # a diagonal of 282.8: the paper's 0.75 % are 2.12 pixels
    assert boundary_f1(truth, truth, 2) == [1]
    assert boundary_f1(square(200, 52, 50, 60), truth, 2) == [1]
    two = 2 / np.hypot(200, 200)
    assert boundary_f1(square(200, 52, 50, 60), truth, 2, 1.001 * two) == [1]
    assert boundary_f1(square(200, 52, 50, 60), truth, 2, two)[0] < 1  # nearer than θ, the paper says, not at it


def test_an_outline_that_leaves_the_true_one_has_the_share_that_lies_along_it():
    """The true line runs across; the drawn one follows it for 120 of 200 pixels, and goes on 20 further down."""
    truth, drawn = np.zeros((1, 200, 200), int), np.zeros((1, 200, 200), int)
    truth[0, :50] = drawn[0, :50] = 1
    drawn[0, 50:70, 120:] = 1
    # Above and below alike: of the 200 + 19 that are drawn 120 lie on the line and 2 of the step within 2.12 pixels; of
    # the true 200 those 120, and 2 beyond them that the step is near to.
    assert boundary_f1(drawn, truth, 2)[0] == pytest.approx(2 * 122 / (200 + 219), abs=1e-12)


def test_the_boundary_against_distances_of_all_pairs(masks):
    predicted, truth = masks
    reach = 0.05 * np.hypot(24, 20)
    ours = boundary_f1(predicted, truth, CLASSES, 0.05)
    for number in range(4):
        said = np.where(truth[number] < 0, -1, predicted[number])
        found = []
        for kind in range(CLASSES):
            drawn, there = outline(said, kind), outline(truth[number], kind)
            if not len(drawn) and not len(there):
                continue
            if not len(drawn) or not len(there):
                found.append(0.0)
                continue
            near = np.linalg.norm(drawn[:, None] - there[None], axis=2) < reach
            precision, recall = near.any(1).mean(), near.any(0).mean()
            found.append(2 * precision * recall / (precision + recall))
        assert ours[number] == pytest.approx(np.mean(found), abs=1e-12)


def outline(classes: np.ndarray, kind: int) -> np.ndarray:
    height, width = classes.shape
    found = []
    for row in range(height):
        for column in range(width):
            beside = [(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)]
            others = [classes[place] for place in beside if 0 <= place[0] < height and 0 <= place[1] < width]
            if classes[row, column] == kind and any(other not in (kind, -1) for other in others):
                found.append((row, column))
    return np.array(found).reshape(-1, 2)


def test_a_class_without_outline_in_one_alone_scores_nothing_and_in_both_is_not_asked():
    nothing, half = np.zeros((1, 30, 30), int), square(30, 0, 0, 15)
    assert boundary_f1(nothing, nothing, 2) == [1]
    assert boundary_f1(half, nothing, 2) == [0]
    assert boundary_f1(nothing, half, 2) == [0]


@pytest.mark.parametrize(
    ("predicted", "truth", "said"),
    [
        (np.zeros((1, 4, 4)), np.zeros((1, 4, 5)), "same shape"),
        (np.zeros((0, 4, 4)), np.zeros((0, 4, 4)), "no test picture"),
        (np.zeros((1, 4, 4)), -np.ones((1, 4, 4)), "no pixel whose class is known"),
        (np.full((1, 4, 4), 2), np.zeros((1, 4, 4)), "0 to 1"),
        (-np.ones((1, 4, 4)), np.zeros((1, 4, 4)), "0 to 1"),
    ],
)
def test_what_cannot_be_scored_is_said(predicted, truth, said):
    for score in (confusions, boundary_f1):
        with pytest.raises(ValueError, match=said):
            score(predicted, truth, 2)


def test_of_a_mean_the_pseudo_values_are_the_examples_own():
    values = np.random.default_rng(1).normal(size=9)
    parts = np.stack([values, np.ones(9)], axis=1)
    assert pseudo_values(lambda sums: sums[:, 0] / sums[:, 1], parts) == pytest.approx(values, abs=1e-12)
    assert pseudo_values(lambda sums: sums[:, 0], parts[:1]) == pytest.approx(values[:1])
    with pytest.raises(ValueError, match="no test example"):
        pseudo_values(lambda sums: sums[:, 0], parts[:0])


def test_their_spread_is_that_of_the_metric_over_new_test_examples():
    """Of a ratio, as IoU is, over data sets drawn anew: the variance of T is that of the pseudo-values over n."""
    draw = np.random.default_rng(2)
    n = 60

    def pictures(count: int) -> np.ndarray:
        sizes, quality = draw.gamma(2, 40, (count, n)), draw.beta(8, 3, (count, n))
        right = sizes * quality
        return np.stack([np.stack([200 - sizes, sizes - right], -1), np.stack([0.3 * sizes, right], -1)], -2)

    metric = [segmentation_metrics(one, np.ones(n))["miou"] for one in pictures(600)]
    spread = [example_scores(one, np.ones(n))["miou"].var(ddof=1) / n for one in pictures(60)]
    assert np.mean(spread) == pytest.approx(np.var(metric, ddof=1), rel=0.15)


def test_an_example_without_which_nothing_is_left_says_nothing_of_the_spread():
    assert from_left_out(0.4, np.array([np.nan, 0.4, 0.4])) == pytest.approx([0.4, 0.4, 0.4])
    values = from_left_out(0.5, np.array([0.5, 0.25, 0.75]))
    assert values.mean() == pytest.approx(0.5)
    assert values == pytest.approx([0.5, 1.0, 0.0])
