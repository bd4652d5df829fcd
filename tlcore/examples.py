"""Examples, domains, and what is said about them: known to all, knowing nobody."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

UNKNOWN = -1
"""The answer of an example, or of a part of it, of which none is known, where answers are whole numbers."""
PRETRAINING = "pretraining"
"""The source without examples: all there is of it is what a network was pretrained on."""
Predict = Callable[["np.ndarray"], "np.ndarray"]
"""Inputs (n, ...) to outputs (n, ...), before any softmax."""


@dataclass(frozen=True)
class Examples:
    """Inputs (n, ...), float32 or for what is looked up int64, and what is known of their answers (n, ...).

    Classes and items are numbers from 0 as int64, `UNKNOWN` where there is none; quantities are float64, NaN where
    there is none. Groups (n,), where they are known, are numbers of what must not stand on both sides of a split. Rows
    of a table may be a sparse matrix (n, F); what is typed as an array then has fewer of its abilities.
    """

    inputs: np.ndarray
    answers: np.ndarray
    groups: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.answers)

    def __getitem__(self, rows: np.ndarray | slice) -> Examples:
        return Examples(self.inputs[rows], self.answers[rows], None if self.groups is None else self.groups[rows])

    @property
    def known(self) -> np.ndarray:
        """Of which examples an answer is known, or a part of it; bool, shape (n,)."""
        import numpy as np

        numbers = self.answers.dtype.kind == "f"
        known: np.ndarray = ~np.isnan(self.answers) if numbers else np.not_equal(self.answers, UNKNOWN)
        return np.asarray(known.reshape(len(known), -1).any(1)) if known.ndim > 1 else known


@dataclass(frozen=True)
class Domains:
    """A source and a target, the target split once for all methods, budgets and seeds.

    Attributes
    ----------
    source : Examples
    pool : Examples
        Target examples that may be labelled within a budget; without their answers, the unlabelled target data.
    test : Examples
        Target examples for scoring only.
    answers : int
        K, how many outputs an answer takes: one for each class or item of both domains together, one for a number.
    first_target_answer : int
        0 where the domains share their answers; else the answers below it are the source's alone, the others the
        target's.
    source_answers : int
        The answers below it are the source's; between `first_target_answer` and it they are in both. 0: all of them.
    answer_names, input_names : sequence of str
        What a person calls the answers, and where inputs are looked up (users) the inputs; empty where it is idle.
    group_names : tuple of str
        What a person calls the groups of examples, by their numbers (`Examples.groups`).
    looked_up : object
        Where inputs are numbers of what is looked up, such as pictures, these.
    source_aside : Examples or None
        Source examples that no trial learns from, to score what was forgotten (`tlcore.forgotten`).
    unit : (float, float)
        Where answers are numbers, c and s of  (y − c)/s : answers stand here in this unit.
    facts : dict of str to int
        What there is to know of the data before a run: how many examples, how much the domains share, what was left
        out.
    """

    source: Examples
    pool: Examples
    test: Examples
    answers: int
    first_target_answer: int = 0
    source_answers: int = 0
    answer_names: np.ndarray | tuple[str, ...] = ()
    input_names: np.ndarray | tuple[str, ...] = ()
    group_names: tuple[str, ...] = ()
    looked_up: Any = None
    source_aside: Examples | None = None
    unit: tuple[float, float] = (0.0, 1.0)
    facts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Explanation:
    """What an answer to one test example rests on.

    Attributes
    ----------
    by : str
        How that was found: of a text "integrated gradients" or "leaving out", of a picture "grad-cam" or "covering".
    probabilities : list of float
        Of each class.
    parts : list of (int, int, float)
        From where to where in the text, or row and column of a picture parted into cells; and by how much what is there
        raises the output of the true class above the mean of the others'.
    """

    by: str
    probabilities: list[float]
    parts: list[tuple[int, int, float]]


@dataclass(frozen=True)
class FeatureMap:
    """Where source and target examples lie in a plane: before a trial, by the source model, and after it.

    Attributes
    ----------
    before, after : list of (float, float)
        Of the same examples in the same order. Each is a picture of its own: nothing but who is near whom counts.
    domains : list of str
        Of each: "source" or "target".
    answers : list of int
        Of each, its true answer.
    """

    before: list[tuple[float, float]]
    after: list[tuple[float, float]]
    domains: list[str]
    answers: list[int]
