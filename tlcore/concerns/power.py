"""How small a gap a test set can show."""

from __future__ import annotations

from math import sqrt

import numpy as np

from tlcore.concerns import Concern, named
from tlcore.evaluation.gap import CONFIDENCE
from tlcore.evaluation.power import counted

DISAGREEMENT = 0.2
"""The share of test examples of which a method and its baseline are taken to be right on one alone."""
LARGEST_GAP = 0.05
"""Of the gaps that a test set shows as often as not; a larger one is worth a word."""


def smallest_gap(n: float, disagreement: float = DISAGREEMENT) -> float:
    """Return the gap that n test examples show in half of the cases; smaller ones are rather missed.

    On a test example the gap d is −1, 0 or 1, and other than 0 on a share q of them: Var d = q − g² for a mean gap g.
    With seeds that all agree, which is the best that seeds can do, the interval of a verdict
    (`tlcore.evaluation.gap.gap_interval`) is d̄ ± t·√(Var d / n) with t of n − 1 degrees of freedom. It leaves out 0
    in half of the cases where g = t·√((q − g²) / n), that is ::

        g = t · √(q / (n + t²))

    A gap of one and a half times as much is seen in about five cases of six.

    >>> [round(smallest_gap(n), 3) for n in (50, 300, 1000)]
    [0.122, 0.05, 0.028]
    """
    from scipy.special import stdtrit

    if n < 2:
        return sqrt(disagreement)
    t = float(stdtrit(n - 1, (1 + CONFIDENCE) / 2))
    return t * sqrt(disagreement / (n + t**2))


def small_test(answers: np.ndarray, names: tuple[str, ...], metric: str) -> list[Concern]:
    """Return the concern about test examples with known answers (n,) that are too few, as many as they count for."""
    kinds, counts = np.unique(answers, return_counts=True)
    if not len(kinds):
        return []
    gap = smallest_gap(counted(answers, metric))
    if gap <= LARGEST_GAP:
        return []
    values = {"n": len(answers), "points": round(100 * gap)}
    if smallest_gap(len(answers)) > LARGEST_GAP:
        return [Concern("small_test", values)]
    rare = int(counts.argmin())
    return [
        Concern(
            "small_test_of_a_class",
            {**values, "fewest": int(counts[rare]), "label": named([names[kinds[rare]]])},
        )
    ]


def few_test_users(users: int) -> list[Concern]:
    """Return the concern about a catalogue's test users that are too few: one held-out choice each is hit or not."""
    gap = smallest_gap(users)
    return [Concern("few_test_users", {"n": users, "points": round(100 * gap)})] if gap > LARGEST_GAP else []
