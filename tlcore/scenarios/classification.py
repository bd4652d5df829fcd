"""What all scenarios with one class per example share: the task loss, the split, the metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tlcore.evaluation.metrics import classification_metrics, example_scores
from tlcore.scenarios.base import Domains, Examples, Scenario

if TYPE_CHECKING:
    from torch import Tensor

SPLIT_SEED = 20_100_410  # the same for every method, budget and seed, so that all meet the same test examples


class Classification(Scenario):
    """A scenario in which every example has one of K classes."""

    def task_loss(self, outputs: Tensor, answers: Tensor) -> Tensor:
        """Cross-entropy  −log softmax(outputs)[y]  for each example; (n, K) and (n,) to (n,)."""
        from torch.nn.functional import cross_entropy

        return cross_entropy(outputs, answers, reduction="none")

    def evaluate(self, outputs: Tensor, answers: np.ndarray) -> tuple[dict[str, float], dict[str, np.ndarray]]:
        """Return the classification metrics of softmax(outputs), and what pairs the trials."""
        probabilities = outputs.double().softmax(1).numpy()
        examples = {
            "truth": answers.astype(np.int16),
            "predicted": probabilities.argmax(1).astype(np.int16),
            **{name: score.astype(np.float32) for name, score in example_scores(probabilities, answers).items()},
        }
        return classification_metrics(probabilities, answers), examples


def split_target(source: Examples, target: Examples, test_size: int) -> Domains:
    """Set aside ``test_size`` stratified target examples for scoring; the rest is the pool for labels."""
    from sklearn.model_selection import train_test_split

    pool, test = train_test_split(
        np.arange(len(target)), test_size=test_size, stratify=target.answers, random_state=SPLIT_SEED
    )
    return Domains(source, target[np.sort(pool)], target[np.sort(test)])
