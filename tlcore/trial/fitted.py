"""What a method made of its labelled examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import nn

    from tlcore.examples import Predict


@dataclass
class Fitted:
    """What a method made of its labelled examples.

    ``layers`` compute what ``predict`` does with gradients all the way; None where the method's answers have none.
    ``embed`` takes inputs of the source, and of the target, to the features (n, F) that the answers rest on.
    ``source_before`` is what the source model that it began as scores on the source, ``of_source`` answers to inputs of
    the source as ``predict`` to the target's. ``metrics`` are those that the method knows itself.
    """

    predict: Predict
    n_train: int
    layers: nn.Sequential | None = None
    trained_parameters: int = 0
    curves: list[dict[str, float]] = field(default_factory=list)
    note: str = ""
    source_weights: np.ndarray | None = None
    embed: tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray]] | None = None
    source_before: float | None = None
    of_source: Predict | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)

    def weighted(self, weights: np.ndarray | None, n: int) -> Fitted:
        """Return the same with the weights that n source examples had, and how many those are worth."""
        if weights is None:
            return self
        weights = weights / weights.mean()
        effective = f"worth {weights.sum() ** 2 / (weights**2).sum():,.0f} of {n:,} source examples"
        note = "; ".join(filter(None, [f"{effective}, the heaviest {weights.max():.1f}", self.note]))
        return replace(self, note=note, source_weights=weights.astype(np.float32))
