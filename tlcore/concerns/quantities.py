"""Whether the numbers of two domains are of one kind, and there are enough to score."""

from __future__ import annotations

import numpy as np

from tlcore.concerns import Concern

FEWEST = 30
"""Test examples below which a verdict about numbers rests on luck."""


def apart(source: np.ndarray, target: np.ndarray) -> list[Concern]:
    """Return the concern about answers of two domains (n,), (m,) whose middle halves do not overlap: in one unit?"""
    if not (len(source) and len(target)):
        return []
    there, here = (np.quantile(answers, [0.25, 0.75]) for answers in (source, target))
    if there[0] <= here[1] and here[0] <= there[1]:
        return []
    ends = {"source_low": there[0], "source_high": there[1], "target_low": here[0], "target_high": here[1]}
    return [Concern("quantities_apart", {name: f"{value:g}" for name, value in ends.items()})]


def few_to_score(n: int) -> list[Concern]:
    """Return the concern about test examples that are too few."""
    return [Concern("few_quantities", {"n": n})] if n < FEWEST else []


def perhaps_numbers(n: int) -> Concern:
    """Return the question whether n different labels say which, or how much."""
    return Concern("label_numbers", {"n": n})
