"""What a scenario gives: domains, a network, a task loss and metrics."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tlcore.evaluation.metrics import CLASSIFICATION, DECOMPOSABLE, Metric

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from tlcore.network import Network


@dataclass(frozen=True)
class Examples:
    """Inputs (n, ...) as float32 and what is known of their answers (n,) as int64."""

    inputs: np.ndarray
    answers: np.ndarray

    def __len__(self) -> int:
        return len(self.answers)

    def __getitem__(self, rows: np.ndarray) -> Examples:
        return Examples(self.inputs[rows], self.answers[rows])


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
    """

    source: Examples
    pool: Examples
    test: Examples


class Scenario(ABC):
    """A problem to transfer in. It knows nothing of methods."""

    name: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    """One or two plain sentences for a newcomer."""
    credit: ClassVar[str]
    """Where the data come from, and their licence."""
    pairs: ClassVar[tuple[tuple[str, str], ...]]
    """(source, target) domains by name; the first pair is the default."""
    classes: ClassVar[tuple[str, ...]]
    metrics: ClassVar[dict[str, Metric]] = CLASSIFICATION
    """What a trial is measured by."""
    verdict_metrics: ClassVar[tuple[str, ...]] = DECOMPOSABLE
    """What a verdict can be about: metrics with a score for each test example, which is what pairs trials."""
    largest_budget: ClassVar[int]
    epochs: ClassVar[int]
    """Cap on epochs when the experiment leaves it open."""
    max_steps: ClassVar[int]
    """Cap on batches, whatever the epochs: it ends training on a large source."""
    batch_size: ClassVar[int]

    @abstractmethod
    def domains(self, source: str, target: str) -> Domains:
        """Load both domains and split the target, the same way each time."""

    @abstractmethod
    def network(self) -> Network:
        """Return the scenario's network, randomly started from torch's current seed."""

    @abstractmethod
    def task_loss(self, outputs: Tensor, answers: Tensor) -> Tensor:
        """L for each example, shape (n,)."""

    @abstractmethod
    def evaluate(self, outputs: Tensor, answers: np.ndarray) -> tuple[dict[str, float], dict[str, np.ndarray]]:
        """Return the metrics, and the arrays of `tlcore.results.TrialResult.examples`."""
