"""Metrics of answers that are numbers, and the share that each test example has in them."""

from __future__ import annotations

import numpy as np

from tlcore.evaluation.metrics import Metric

REGRESSION: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "r2", "explained variance (R²)", True,
            "1: exact; 0: as good as always saying the test's mean; below 0: worse than that. Large misses cost most.",
        ),
        Metric(
            "explained_error", "explained absolute error", True,
            "As R², of absolute errors and the test's median: 1: exact; 0: as good as always saying the median.",
        ),
        Metric("rmse", "root mean squared error", False, "By how much it is off, in the answers' unit; large misses "
               "cost most.", in_points=False),
        Metric("mae", "mean absolute error", False, "By how much it is off, in the answers' unit.", in_points=False),
        Metric("mse", "mean squared error", False, "The square of by how much it is off.", in_points=False),
        Metric("rank_correlation", "rank correlation", True, "Is what is larger said to be larger? Spearman's."),
    )
}  # fmt: skip
"""The metrics of a regression task, in the order in which they are shown."""

DECOMPOSABLE = ("r2", "explained_error", "mae", "mse")
"""The metrics that are a mean over test examples: those of `example_scores`."""


def regression_metrics(predicted: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Score predicted numbers (n,) against the true ones.

    With residuals eᵢ = yᵢ − ŷᵢ, ȳ the mean and ỹ the median of the test's y::

        mse = 1/n Σ eᵢ²     rmse = √mse     mae = 1/n Σ |eᵢ|
        r2 = 1 − Σ eᵢ² / Σ (yᵢ − ȳ)²        explained_error = 1 − Σ |eᵢ| / Σ |yᵢ − ỹ|
        rank_correlation = Pearson's correlation of the ranks of y and ŷ; 0 where ŷ does not vary

    Parameters
    ----------
    predicted, truth : ndarray of shape (n,)

    Returns
    -------
    dict of str to float
        The metrics of `REGRESSION`, in that order.

    Raises
    ------
    ValueError
        Where shapes do not fit, there is no example, a number is not finite, or the truth does not vary.

    References
    ----------
    Spearman, The proof and measurement of association between two things, American Journal of Psychology 1904.

    Examples
    --------
    >>> scores = regression_metrics(np.array([1.0, 2.0, 4.0]), np.array([1.0, 2.0, 3.0]))
    >>> scores["r2"], round(scores["rmse"], 3), scores["rank_correlation"]
    (0.5, 0.577, 1.0)
    """
    from scipy.stats import spearmanr

    scores = {name: float(score.mean()) for name, score in example_scores(predicted, truth).items()}
    correlation = float(spearmanr(predicted, truth).statistic) if np.ptp(predicted) > 0 else 0.0
    scores |= {"rmse": scores["mse"] ** 0.5, "rank_correlation": correlation}
    return {name: scores[name] for name in REGRESSION}


def example_scores(predicted: np.ndarray, truth: np.ndarray) -> dict[str, np.ndarray]:
    """Split the metrics that decompose into one score an example, whose mean is exactly the metric.

    ::

        r2                1 − eᵢ² / Var y          mse   eᵢ²
        explained_error   1 − |eᵢ| / mean |y − ỹ|   mae   |eᵢ|

    The test's own variance is the same for a method and its baseline, so that a gap in R² is one in squared errors.

    Parameters
    ----------
    predicted, truth : ndarray of shape (n,)

    Raises
    ------
    ValueError
        As `regression_metrics`.
    """
    predicted, truth = np.asarray(predicted, float), np.asarray(truth, float)
    if predicted.shape != truth.shape or truth.ndim != 1:
        raise ValueError(f"Both must have shape (n,), but they have {predicted.shape} and {truth.shape}.")
    if not len(truth):
        raise ValueError("There is no test example, so there is nothing to score.")
    if not (np.isfinite(predicted).all() and np.isfinite(truth).all()):
        raise ValueError("Numbers must be finite, but some are NaN or infinite.")
    if np.ptp(truth) == 0:
        raise ValueError(f"All {len(truth)} true numbers are {truth[0]:g}, so there is nothing to explain.")
    errors = np.abs(truth - predicted)
    return {
        "r2": 1 - errors**2 / truth.var(),
        "explained_error": 1 - errors / np.abs(truth - np.median(truth)).mean(),
        "mae": errors,
        "mse": errors**2,
    }
