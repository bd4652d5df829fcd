"""Metrics of a classifier, and the share that each test example has in them."""

from dataclasses import dataclass

import numpy as np

CALIBRATION_BINS = 15
ROW_SUM_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Metric:
    """What a person needs to know of a metric to read it.

    Attributes
    ----------
    name : str
        Key in tables and files.
    label : str
        Plain English, as it stands inside a sentence.
    higher_is_better : bool
    description : str
        One line for a stakeholder.
    in_points : bool
        Whether the metric lives in [0, 1], so that differences are said in points (hundredths).
    """

    name: str
    label: str
    higher_is_better: bool
    description: str
    in_points: bool = True


CLASSIFICATION: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", "accuracy", True, "The share of test examples that are classified correctly."),
        Metric(
            "balanced_accuracy",
            "balanced accuracy",
            True,
            "Accuracy with every class counting the same, however rare it is.",
        ),
        Metric(
            "macro_recall",
            "macro recall",
            True,
            "Of the examples of a class, the share found; mean over classes.",
        ),
        Metric(
            "macro_precision",
            "macro precision",
            True,
            "Of the examples said to be of a class, the share that are; mean over classes.",
        ),
        Metric("macro_f1", "macro F1", True, "The balance of precision and recall of a class; mean over classes."),
        Metric(
            "log_loss",
            "log loss",
            False,
            "How surprised the model is by the true class, in nats; confident mistakes cost most.",
            in_points=False,
        ),
        Metric(
            "expected_calibration_error",
            "expected calibration error",
            False,
            "How far the stated confidence is from the share that is right; 0 is perfectly honest.",
        ),
    )
}
"""The metrics of a classification task, in the order in which they are shown."""

DECOMPOSABLE = ("accuracy", "balanced_accuracy", "macro_recall", "log_loss")
"""The metrics that are a mean over test examples: those of `example_scores`."""


def classification_metrics(probabilities: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Score predicted class probabilities against the true classes.

    With ŷᵢ = argmax_k pᵢₖ, and the macro means taken over the classes C that occur in the truth::

        accuracy          = 1/n Σᵢ [ŷᵢ = yᵢ]
        recall_k          = Σᵢ [ŷᵢ = yᵢ = k] / Σᵢ [yᵢ = k]
        macro_recall      = balanced_accuracy = mean_C recall_k
        precision_k       = Σᵢ [ŷᵢ = yᵢ = k] / Σᵢ [ŷᵢ = k]            0 for a class that is never predicted
        F1_k              = 2 Σᵢ [ŷᵢ = yᵢ = k] / (Σᵢ [yᵢ = k] + Σᵢ [ŷᵢ = k])
        log_loss          = −1/n Σᵢ ln pᵢ,yᵢ                           pᵢ,yᵢ clipped from below, see Notes
        expected_calibration_error = Σ_b |B_b|/n · |right share in B_b − mean confidence in B_b|

    where bin B_b holds the examples with confidence max_k pᵢₖ in ((b−1)/15, b/15].

    Parameters
    ----------
    probabilities : ndarray of shape (n, K)
        Each row sums to 1, within 1e-3.
    truth : ndarray of int, shape (n,)
        Class indices, 0 to K−1.

    Returns
    -------
    dict of str to float
        The metrics of `CLASSIFICATION` in that order, then ``recall_0`` to ``recall_{K-1}`` (nan for a class
        that does not occur in the truth).

    Raises
    ------
    ValueError
        Where shapes do not fit, there is no example, a probability is NaN, infinite or negative, a row does
        not sum to 1, or a label is not one of 0 to K−1.

    Notes
    -----
    Conventions are scikit-learn's with ``labels`` = the classes present and ``zero_division=0``. A
    probability is clipped at the machine epsilon 2⁻⁵², so one impossible answer costs 36 nats and not
    infinity. Of two classes with the same probability the first is predicted.

    References
    ----------
    Guo, Pleiss, Sun & Weinberger (2017), On calibration of modern neural networks, ICML: the calibration
    error.
    Brodersen, Ong, Stephan & Buhmann (2010), The balanced accuracy and its posterior distribution, ICPR.

    Examples
    --------
    >>> scores = classification_metrics(np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]]), np.array([0, 1, 1]))
    >>> round(scores["accuracy"], 3), scores["balanced_accuracy"], scores["recall_1"]
    (0.667, 0.75, 0.5)
    """
    probabilities, truth = _checked(probabilities, truth)
    classes = probabilities.shape[1]
    predicted = probabilities.argmax(axis=1)
    right = predicted == truth

    true_count = np.bincount(truth, minlength=classes)
    predicted_count = np.bincount(predicted, minlength=classes)
    right_count = np.bincount(truth[right], minlength=classes)
    present = true_count > 0

    recall = np.full(classes, np.nan)
    recall[present] = right_count[present] / true_count[present]
    precision = right_count[present] / np.maximum(predicted_count[present], 1)
    f1 = 2 * right_count[present] / (true_count[present] + predicted_count[present])
    macro_recall = float(recall[present].mean())

    return {
        "accuracy": float(right.mean()),
        "balanced_accuracy": macro_recall,
        "macro_recall": macro_recall,
        "macro_precision": float(precision.mean()),
        "macro_f1": float(f1.mean()),
        "log_loss": float(_surprise(probabilities, truth).mean()),
        "expected_calibration_error": _calibration_error(probabilities.max(axis=1), right),
        **{f"recall_{k}": float(value) for k, value in enumerate(recall)},
    }


def example_scores(probabilities: np.ndarray, truth: np.ndarray) -> dict[str, np.ndarray]:
    """Split the metrics that decompose into one score an example, whose mean is exactly the metric.

    With n_k examples of class k and C the classes present::

        accuracy                          [ŷᵢ = yᵢ]
        balanced_accuracy, macro_recall   [ŷᵢ = yᵢ] · n / (|C| · n_{yᵢ})
        log_loss                          −ln pᵢ,yᵢ        (lower is better, as in the metric itself)

    These are what pairs a method with its baseline, example by example, in `tlcore.evaluation.verdict`.

    Parameters
    ----------
    probabilities : ndarray of shape (n, K)
    truth : ndarray of int, shape (n,)

    Returns
    -------
    dict of str to ndarray of shape (n,)
        One entry for each of `DECOMPOSABLE`.

    Raises
    ------
    ValueError
        As `classification_metrics`.
    """
    probabilities, truth = _checked(probabilities, truth)
    right = (probabilities.argmax(axis=1) == truth).astype(float)
    count = np.bincount(truth)
    balanced = right * len(truth) / (np.count_nonzero(count) * count[truth])
    return {
        "accuracy": right,
        "balanced_accuracy": balanced,
        "macro_recall": balanced.copy(),
        "log_loss": _surprise(probabilities, truth),
    }


def _surprise(probabilities: np.ndarray, truth: np.ndarray) -> np.ndarray:
    chosen = probabilities[np.arange(len(truth)), truth]
    surprise: np.ndarray = -np.log(np.clip(chosen, np.finfo(float).eps, 1.0))
    return surprise


def _calibration_error(confidence: np.ndarray, right: np.ndarray) -> float:
    edges = np.linspace(0, 1, CALIBRATION_BINS + 1)
    bins = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, CALIBRATION_BINS - 1)
    excess = np.bincount(bins, weights=right - confidence, minlength=CALIBRATION_BINS)
    return float(np.abs(excess).sum() / len(confidence))


def _checked(probabilities: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    probabilities, truth = np.asarray(probabilities, dtype=float), np.asarray(truth)
    if probabilities.ndim != 2 or truth.ndim != 1 or len(probabilities) != len(truth):
        raise ValueError(
            "Probabilities must have shape (n, K) and the truth shape (n,) with the same n, "
            f"but they have {probabilities.shape} and {truth.shape}."
        )
    n, classes = probabilities.shape
    if n == 0 or classes == 0:
        raise ValueError("There is no test example or no class, so there is nothing to score.")
    if not np.isfinite(probabilities).all():
        rows = np.count_nonzero(~np.isfinite(probabilities).all(axis=1))
        raise ValueError(f"Probabilities must be numbers, but {rows} of {n} rows hold NaN or infinity.")
    if probabilities.min() < -ROW_SUM_TOLERANCE or np.abs(probabilities.sum(axis=1) - 1).max() > ROW_SUM_TOLERANCE:
        raise ValueError("Each row of probabilities must be non-negative and sum to 1; are these logits?")
    if not np.issubdtype(truth.dtype, np.integer):
        raise ValueError(f"The truth must be class indices (integers), but it is of type {truth.dtype}.")
    if truth.min() < 0 or truth.max() >= classes:
        raise ValueError(
            f"Class indices must lie in 0 to {classes - 1}, but the truth goes from {truth.min()} to {truth.max()}."
        )
    return probabilities, truth
