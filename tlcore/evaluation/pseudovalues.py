"""Scores of test examples for a metric that is no mean over them, so that it pairs trials as every other does.

A verdict rests on a score of each test example whose mean is the metric (`tlcore.evaluation.gap`). The intersection
over union of a data set, average precision or a Rand index are functions of all examples together; what one example
adds to them is its jackknife pseudo-value.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np


def pseudo_values(statistic: Callable[[np.ndarray], np.ndarray], parts: np.ndarray) -> np.ndarray:
    """Return the jackknife pseudo-values of a statistic of sums over examples, shifted to its value on all of them.

    With T of all n examples and T₍₋ᵢ₎ of all but the i-th::

        vᵢ = n·T − (n − 1)·T₍₋ᵢ₎,     then     vᵢ + T − mean(v)

    For a mean over examples vᵢ is the example's own score. For a smooth function of means it is, but for terms of order
    1/n, T plus the example's influence, so that the spread of v is that of T over new examples times n. The shift takes
    off the jackknife's estimate of the bias: what a table says of a trial and what its verdict is about are one number.

    Parameters
    ----------
    statistic : callable
        From sums (m, ...) to T (m,), one for each of m data sets.
    parts : ndarray of shape (n, ...)
        What each example adds to the sums. Leaving one out is a subtraction, not a second pass over the data.

    Returns
    -------
    ndarray of float64, shape (n,)
        Their mean is T. Of one example alone it is T.

    Raises
    ------
    ValueError
        If there is no example.

    References
    ----------
    Quenouille (1956), Notes on bias in estimation, Biometrika 43.
    Tukey (1958), Bias and confidence in not-quite large samples, Annals of Mathematical Statistics 29.

    Examples
    --------
    >>> right, all = np.array([1.0, 2.0, 3.0]), np.array([4.0, 4.0, 4.0])
    >>> pseudo_values(lambda sums: sums[:, 0] / sums[:, 1], np.stack([right, all], axis=1)).round(6).tolist()
    [0.25, 0.5, 0.75]
    """
    parts = np.asarray(parts)
    if not len(parts):
        raise ValueError("There is no test example, so there is nothing to score.")
    together = parts.sum(axis=0, keepdims=True)
    return from_left_out(float(statistic(together)[0]), statistic(together - parts))


def from_left_out(whole: float, without: np.ndarray) -> np.ndarray:
    """Return the same where the statistic without each example is known already.

    Parameters
    ----------
    whole : float
        T.
    without : ndarray of shape (n,)
        T₍₋ᵢ₎; nan where nothing is left that it could be of: such an example says nothing of the spread.

    Returns
    -------
    ndarray of float64, shape (n,)
        Their mean is T.
    """
    n = len(without)
    values = n * whole - (n - 1) * np.where(np.isnan(without), whole, without).astype(float)
    shifted: np.ndarray = values + (whole - values.mean())
    return shifted
