"""The metrics against scikit-learn, hand-made cases and the properties they must have."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlcore.evaluation.metrics import CLASSIFICATION, DECOMPOSABLE, classification_metrics, example_scores


def random_case(seed: int, n: int = 60, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.choice(classes, size=n, p=rng.dirichlet(np.ones(classes)))
    logits = 1.5 * rng.standard_normal((n, classes)) + 1.2 * np.eye(classes)[truth]
    weights = np.exp(logits)
    return weights / weights.sum(axis=1, keepdims=True), truth


def two_classes(confidence: list[float], right: list[bool]) -> tuple[np.ndarray, np.ndarray]:
    """Return predictions of class 0 with these confidences, right or wrong as told."""
    column = np.array(confidence)
    return np.column_stack([column, 1 - column]), np.where(right, 0, 1)


cases = st.builds(random_case, st.integers(0, 10_000), st.integers(1, 40), st.integers(2, 6))


@pytest.mark.parametrize("seed", range(20))
def test_agrees_with_scikit_learn(seed):
    from sklearn import metrics

    probabilities, truth = random_case(seed, n=25 if seed % 2 else 200, classes=3 + seed % 4)
    predicted, present = probabilities.argmax(axis=1), np.unique(truth)
    macro = {"labels": present, "average": "macro", "zero_division": 0}
    ours = classification_metrics(probabilities, truth)

    # scikit-learn's own warns where a predicted class is absent from the truth
    if set(predicted) <= set(present):
        assert ours["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(truth, predicted))
    assert ours["accuracy"] == pytest.approx(metrics.accuracy_score(truth, predicted))
    assert ours["macro_recall"] == pytest.approx(metrics.recall_score(truth, predicted, **macro))
    assert ours["macro_precision"] == pytest.approx(metrics.precision_score(truth, predicted, **macro))
    assert ours["macro_f1"] == pytest.approx(metrics.f1_score(truth, predicted, **macro))
    labels = list(range(probabilities.shape[1]))
    assert ours["log_loss"] == pytest.approx(metrics.log_loss(truth, probabilities, labels=labels))
    recalls = metrics.recall_score(truth, predicted, labels=labels, average=None, zero_division=np.nan)
    np.testing.assert_allclose([ours[f"recall_{k}"] for k in labels], recalls)


def test_a_class_absent_from_the_truth_has_no_recall_and_no_share_in_the_means():
    probabilities = np.eye(3)[[0, 0, 1, 2]]
    scores = classification_metrics(probabilities, np.array([0, 0, 1, 1]))
    assert np.isnan(scores["recall_2"])
    assert scores["macro_recall"] == pytest.approx((1 + 0.5) / 2)
    assert scores["macro_precision"] == 1
    assert scores["macro_f1"] == pytest.approx((1 + 2 / 3) / 2)


def test_a_class_never_predicted_has_precision_zero():
    scores = classification_metrics(np.eye(2)[[0, 0, 0, 0]], np.array([0, 0, 0, 1]))
    assert scores["macro_precision"] == pytest.approx(0.75 / 2)


def test_log_loss_of_an_impossible_answer_is_finite():
    scores = classification_metrics(np.eye(2)[[0]], np.array([1]))
    assert scores["log_loss"] == pytest.approx(52 * np.log(2))


def test_the_keys_come_in_display_order():
    scores = classification_metrics(*random_case(0))
    assert list(scores) == [*CLASSIFICATION, "recall_0", "recall_1", "recall_2", "recall_3"]
    assert all(name == metric.name for name, metric in CLASSIFICATION.items())
    worse_when_higher = {name for name, metric in CLASSIFICATION.items() if not metric.higher_is_better}
    assert worse_when_higher == {"log_loss", "expected_calibration_error"}


@pytest.mark.parametrize(
    ("confidence", "right", "expected"),
    [
        ([1.0, 1.0], [True, True], 0.0),
        ([1.0, 1.0], [True, False], 0.5),
        ([0.8] * 5, [True] * 4 + [False], 0.0),
        # one bin, whose errors cancel: (0.81 + 0.85)/2 against 1/2
        ([0.81, 0.85], [True, False], 0.33),
        # two bins, whose errors do not: |1 − 0.95| and |0 − 0.65|, half each
        ([0.95, 0.65], [True, False], (0.05 + 0.65) / 2),
        # 0.6 = 9/15 closes its bin, so 0.61 is in the next: 0.4/2 + 0.61/2, not |1 − 1.21|/2
        ([0.6, 0.61], [True, False], (0.4 + 0.61) / 2),
        # 0.67 and 0.72 share a bin of fifteen (10/15 to 11/15), and would not share one of twenty
        ([0.67, 0.72], [True, False], 0.39 / 2),
    ],
)
def test_calibration_error_by_hand(confidence, right, expected):
    scores = classification_metrics(*two_classes(confidence, right))
    assert scores["expected_calibration_error"] == pytest.approx(expected)


@given(cases)
def test_example_scores_average_to_their_metric(case):
    metrics, examples = classification_metrics(*case), example_scores(*case)
    assert tuple(examples) == DECOMPOSABLE
    for name, scores in examples.items():
        assert scores.shape == case[1].shape
        assert scores.mean() == pytest.approx(metrics[name], abs=1e-12)


@given(cases, st.randoms(use_true_random=False))
def test_order_of_examples_does_not_matter(case, random):
    probabilities, truth = case
    order = list(range(len(truth)))
    random.shuffle(order)
    before, after = classification_metrics(*case), classification_metrics(probabilities[order], truth[order])
    for name, value in before.items():
        assert after[name] == pytest.approx(value, nan_ok=True)


@given(cases)
def test_metrics_stay_in_their_range(case):
    scores = classification_metrics(*case)
    for name, metric in CLASSIFICATION.items():
        assert 0 <= scores[name] <= (1 if metric.in_points else np.inf)


HALVES = [[0.5, 0.5], [0.5, 0.5]]


@pytest.mark.parametrize(
    ("probabilities", "truth", "message"),
    [
        (HALVES, [0], "same n"),
        ([0.5, 0.5], [0, 1], "same n"),
        (HALVES, [[0], [1]], "same n"),
        (np.empty((0, 2)), np.empty(0, dtype=int), "nothing to score"),
        ([[0.5, np.nan], [0.5, 0.5]], [0, 1], "1 of 2 rows"),
        ([[np.inf, -np.inf], [0.5, 0.5]], [0, 1], "1 of 2 rows"),
        ([[0.5, 0.502], [0.5, 0.5]], [0, 1], "sum to 1"),
        ([[1.5, -0.5], [0.5, 0.5]], [0, 1], "non-negative"),
        (HALVES, [0, 2], "0 to 1"),
        (HALVES, [-1, 0], "0 to 1"),
        (HALVES, [0.0, 1.0], "integers"),
    ],
)
@pytest.mark.parametrize("score", [classification_metrics, example_scores])
def test_what_cannot_be_scored_is_refused(score, probabilities, truth, message):
    with pytest.raises(ValueError, match=message) as refusal:
        score(np.array(probabilities), np.array(truth))
    assert "\n" not in str(refusal.value)


def test_half_precision_rows_are_accepted():
    probabilities, truth = random_case(1)
    rounded = classification_metrics(probabilities.astype(np.float16), truth)
    assert rounded["log_loss"] == pytest.approx(classification_metrics(probabilities, truth)["log_loss"], abs=1e-2)


def test_importing_the_room_loads_nothing_heavy():
    code = (
        "import sys, tlcore.evaluation.metrics, tlcore.evaluation.verdict;"
        "print([m for m in ('sklearn', 'scipy', 'pandas', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
