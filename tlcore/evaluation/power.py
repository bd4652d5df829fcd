"""How small a gap can be seen: before a run, and by how many more seeds after it."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from tlcore.evaluation.gap import Spread, estimate

if TYPE_CHECKING:
    from tlcore.evaluation.family import Member

MOST_SEEDS = 100
SPREADS = (0.021, 0.18, 0.33)
"""Of gaps in accuracy: between seeds, between examples, and between cells; as digits have it at 5 labels a class
(`python -m benchmarks.spreads`)."""
BALANCED = ("balanced_accuracy", "macro_recall")


def smallest_gap(seeds: int, examples: float, comparisons: int, level: float = 0.05) -> float:
    """Return the gap that so many seeds and test examples show in half of the cases; smaller ones are rather missed.

    It is t·√Var d̄ with the spreads `SPREADS`, at the level of one test among so many comparisons whose gaps are
    correlated by ½ (`tlcore.evaluation.family.Joint.level`), and with what those lend each other.

    >>> [round(smallest_gap(seeds, 800, 7), 3) for seeds in (3, 5, 20)]
    [0.053, 0.037, 0.022]
    """
    from tlcore.evaluation.family import Joint, lent

    of_seed, of_example, of_cell = SPREADS
    likeness = np.full((comparisons, comparisons), 0.5) + 0.5 * np.eye(comparisons)
    own = np.full(comparisons, seeds - 1.0)
    few = seeds - 1 + lent(np.ones(comparisons), own, likeness)[0][1].degrees if seeds > 1 else 1.0
    parts = (of_seed**2 / seeds + of_cell**2 / (seeds * examples), of_example**2 / examples)
    alone = Joint(likeness).level(level)
    found = estimate(Spread(0.0, seeds, int(examples), 0.0, 0.0, 0.0), parts, (few, examples - 1), 1 - alone)
    return found.ci_high


def counted(answers: np.ndarray, metric: str) -> float:
    """Return for how many test examples those with known answers (n,) count: n, or where each class counts the same ::

    Var d̄ = q/K² · Σ 1/n_k,     K² / Σ 1/n_k
    """
    counts = np.unique(answers, return_counts=True)[1]
    return len(counts) ** 2 / float((1 / counts).sum()) if metric in BALANCED and len(counts) else float(len(answers))


def chance(member: Member, margin: float, level: float, seeds: int) -> float:
    """Return how likely a comparison is decided once it has so many seeds, by what is known now.

    With v the variance of its gap d̄ now and v′ then, the gap then is normal around d̄ with variance v − v′. It is
    decided if it is more than c·√v′ from 0, or less than m − c·√v′, where c is the critical value of the level.
    """
    from scipy.special import ndtr, ndtri

    now = member.estimate
    if now.seeds >= seeds:
        return 0.0
    of_seeds, of_examples = member.parts
    before = of_seeds + of_examples
    after = of_seeds * now.seeds / seeds + of_examples
    moves, width = sqrt(max(before - after, 0.0)), -float(ndtri(level / 2)) * sqrt(after)
    if moves == 0:
        return float(abs(now.gap) > width or abs(now.gap) < margin - width)

    def within(reach: float) -> float:
        return float(ndtr((reach - now.gap) / moves) - ndtr((-reach - now.gap) / moves)) if reach > 0 else 0.0

    return 1.0 - within(width) + within(min(width, margin - width))


def more_seeds(member: Member, margin: float, level: float) -> int | None:
    """Return how many more seeds would decide a comparison, if its gap and spreads stayed as they are.

    Seeds lessen the part A of the variance of its gap (`tlcore.evaluation.gap.gap_interval`), by S/S′, and add to its
    degrees of freedom; part B is the test examples' own and stays.

    Parameters
    ----------
    member : Member
    margin : float
    level : float
        What its p-value has to be below, for one comparison: `tlcore.evaluation.family.Joint.level`.

    Returns
    -------
    int or None
        None if even `MOST_SEEDS` seeds would not do: then it takes more test examples, or there is no gap.
    """
    now = member.estimate.seeds

    def decides(seeds: int) -> bool:
        (of_seeds, of_examples), (few, many) = member.parts, member.degrees
        parts, degrees = (of_seeds * now / seeds, of_examples), (few + seeds - now, many)
        then = estimate(member.spread, parts, degrees)
        return min(then.p_value, then.within(margin)) < level

    if now >= MOST_SEEDS or not decides(MOST_SEEDS):
        return None
    low, high = now, MOST_SEEDS  # undecided, decided: more seeds never lessen what is known
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if decides(middle) else (middle, high)
    return high - now
