"""Looking at the verdicts of a run before all seeds are there, and still erring in at most 5 % of runs.

A run until decided looks after `LOOKS` seeds, and what is decided gets no more. Who tests at 5 % at each of five looks
errs in more than 5 % of runs, so each look has a level of its own, less than 5 %, and all of them together use it up.
"""

from __future__ import annotations

from functools import lru_cache
from math import e, log, sqrt

import numpy as np

LOOKS = (3, 5, 8, 12, 20)
"""Seeds at which a run until decided looks at its verdicts."""
GRID, WIDEST = 2001, 8.0


def spent(share: float, alpha: float) -> float:
    """Return how much of α may be used up when a share of all seeds is there: α·ln(1 + (e − 1)·share).

    References
    ----------
    Lan & DeMets (1983), Discrete sequential boundaries for clinical trials, Biometrika 70: the function that gives
    about the same level to each look, as Pocock (1977, Biometrika 64) does, which stops clear cases early.
    """
    return alpha * log(1 + (e - 1) * min(1.0, share))


@lru_cache(maxsize=64)
def levels(looks: tuple[int, ...], comparisons: int, alpha: float = 0.05) -> tuple[float, ...]:
    """Return the level of each look for adjusted p-values, so that a run errs at any look in at most α of cases.

    For one comparison the test statistics Z₁, …, Z_K of the looks are normal with correlations √(S_j/S_k), j < k: all
    information comes with the seeds. (What test examples say is the same at each look, which makes the looks more alike
    and errors rarer.) The level of look k is that of its critical value c_k in ::

        P(|Z₁| < c₁, …, |Z_{k−1}| < c_{k−1}, |Z_k| ≥ c_k) = spent(S_k/S_K) − spent(S_{k−1}/S_K)

    found by numerical integration from look to look. With J comparisons that is done at 1 − (1 − α)^{1/J}, as if they
    were independent, and the level a_k of one becomes that of the family, 1 − (1 − a_k)^J.

    Parameters
    ----------
    looks : tuple of int
        Seeds at each look, in increasing order; the last one uses up α.
    comparisons : int
        J.
    alpha : float

    References
    ----------
    Armitage, McPherson & Rowe (1969), Repeated significance tests on accumulating data, JRSS A 132: the integration.
    Jennison & Turnbull (1999), Group sequential methods with applications to clinical trials, Chapman & Hall.
    """
    from scipy.optimize import brentq
    from scipy.special import ndtr

    of_one = 1 - (1 - alpha) ** (1 / comparisons)
    # Of the sums B_k = Z_k·√S_k that no look has stopped yet: the density on a grid, times its step. At first B is 0.
    grid, weights = np.zeros(1), np.ones(1)
    found: list[float] = []
    before = 0
    for look in looks:
        step, scale = sqrt(look - before), sqrt(look)
        wanted = spent(look / looks[-1], of_one) - spent(before / looks[-1], of_one)
        critical = float(brentq(_surplus, 0.0, WIDEST, args=(grid / step, weights, scale / step, wanted)))
        found.append(1 - (1 - 2 * float(ndtr(-critical))) ** comparisons)
        inside = np.linspace(-critical * scale, critical * scale, GRID)
        kernel = np.exp(-((inside[:, None] - grid) ** 2) / (2 * step**2)) / (sqrt(2 * np.pi) * step)
        grid, weights, before = inside, kernel @ weights * (inside[1] - inside[0]), look
    return tuple(found)


def _surplus(critical: float, places: np.ndarray, weights: np.ndarray, scale: float, wanted: float) -> float:
    """How much more than is wanted lies beyond ±critical·scale after a standard normal step from the places."""
    from scipy.special import ndtr

    edge = critical * scale
    return float(weights @ (ndtr(places - edge) + ndtr(-places - edge))) - wanted
