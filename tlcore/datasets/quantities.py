"""Labels that are numbers: whether they say which, or how much."""

from __future__ import annotations

from typing import Literal

import numpy as np

from tlcore.datasets.numerals import numbers_in

FEW, MANY = 10, 30
"""So many different numbers are surely classes where they are whole, or surely quantities."""


def quantities_of(labels: np.ndarray) -> np.ndarray:
    """Return labels (n,) as float64, NaN where one is missing ("") or no number."""
    names, places = np.unique(labels, return_inverse=True)
    return numbers_in(names.tolist())[places]


def likely(labels: np.ndarray) -> Literal["classes", "numbers", "either"]:
    """Return what labels (n,) probably are: classes, numbers that say how much, or what a person has to say.

    Words are classes. More than `MANY` different numbers are quantities, or more than `FEW` where some are fractions;
    up to `FEW` whole numbers are classes; in between nobody can know.
    """
    known = labels[labels != ""]
    if not len(known):
        return "classes"
    numbers = quantities_of(known)
    if np.isnan(numbers).any():
        return "classes"
    different = np.unique(numbers)
    whole = bool((different == np.round(different)).all())
    if len(different) > MANY or (len(different) > FEW and not whole):
        return "numbers"
    return "classes" if whole and len(different) <= FEW else "either"
