"""One class for each pixel of a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tlcore.evaluation.segments import SEGMENTATION, boundary_f1, confusions, example_scores, segmentation_metrics
from tlcore.examples import UNKNOWN, Domains, Examples, Predict
from tlcore.tasks.base import Task, TaskLoss, large_enough

if TYPE_CHECKING:
    from torch import Tensor

    from tlcore.concerns import Concern, Plan
    from tlcore.methods.base import Classify

AT_ONCE = 32
"""Pictures that are answered together: their outputs, a number for each pixel and class, are large."""
REMEMBERED = 64
"""Pixels of a side at which a trial remembers what it drew."""
FEWEST_MEMBERS = 5
"""Test pictures of a group that is judged by itself."""


@dataclass(frozen=True, kw_only=True)
class Segmentation(Task):
    """Every pixel of a picture has one of K classes, or none that is known.

    Answers are classes (n, S, S), outputs (n, K, S, S). L is the cross-entropy of a picture's pixels, a budget counts
    labelled pictures, and the head is whatever decodes the body's maps: the scenario's network brings it.
    """

    name = "segmentation"
    gives = frozenset({"pixels"})
    metrics = SEGMENTATION
    verdict_metrics = tuple(SEGMENTATION)
    budget_of = "picture"
    choose_from: ClassVar[int] = 6
    drawn = "masks"

    headline: tuple[str, str] = ("miou", "boundary_f1")
    rivals: tuple[str, ...] = ("pixel_forest", "from_scratch")

    def loss(self, domains: Domains) -> TaskLoss:
        """Return the mean of  −log softmax(outputs)[y]  over the known pixels of each picture; 0 where none is."""
        return _cross_entropy

    def folds(self, training: Examples, seed: int) -> list[tuple[Examples, Examples]]:
        """Hold out one third, once: a network that answers for each pixel takes a minute, not a second."""
        return super().folds(training, seed)[:1]

    def learner(self, name: str, domains: Domains, seed: int, setting: float | None = None, **how: Any) -> Classify:
        """Return a random forest on features of pixels."""
        from tlcore.pixels import PixelForest

        return PixelForest(domains.answers, seed, **how)

    def concerns(self, domains: Domains, plan: Plan, names: tuple[str, ...]) -> list[Concern]:
        """Check that both domains have the same classes, and that groups are named where there are some."""
        from tlcore.concerns import labels, rows

        names = tuple(map(str, domains.answer_names)) or names
        source, pool, test = (
            {names[kind]: int(there) for kind, there in enumerate(_within(part.answers, len(names)).sum(0)) if there}
            for part in (domains.source, domains.pool, domains.test)
        )
        found = labels.of_both([*source], [*(pool | test)], bool(plan.files))
        return [*found, *rows.grouped(domains.facts), *rows.ungrouped(plan)]

    def evaluate(
        self, predict: Predict, domains: Domains, training: Examples
    ) -> tuple[dict[str, float], dict[str, np.ndarray]]:
        """Return the metrics of the likeliest classes, each picture's scores, and small what was drawn.

        Besides the scores: ``drawn`` (n, 64, 64), the class of every so many-th pixel; ``within`` (n, K), which classes
        are in the truth; ``confusion`` (n, K, K), how many pixels of each class were said to be of each.
        """
        test, classes = domains.test, domains.answers
        if not len(test):
            return {}, {}
        counts, boundary, drawn = [], [], []
        for first in range(0, len(test), AT_ONCE):
            some = test[first : first + AT_ONCE]
            predicted = predict(some.inputs).argmax(1)
            counts.append(confusions(predicted, some.answers, classes))
            boundary.append(boundary_f1(predicted, some.answers, classes))
            drawn.append(smaller(predicted.astype(np.int8)))
        together, outlines = np.concatenate(counts), np.concatenate(boundary)
        scores = {name: one.astype(np.float32) for name, one in example_scores(together, outlines).items()}
        examples = {
            **scores,
            "drawn": np.concatenate(drawn),
            "within": _within(test.answers, classes),
            "confusion": together.astype(np.int32),
        }
        if test.groups is not None and domains.group_names:
            examples["group"] = np.array(domains.group_names)[test.groups]
        return segmentation_metrics(together, outlines), examples

    def groups(self, examples: dict[str, np.ndarray], names: tuple[str, ...]) -> dict[str, np.ndarray]:
        """Return the test pictures in which each class is, unless all have it, and those of each group."""
        within = examples["within"]
        names = names or tuple(map(str, range(within.shape[1])))
        found = {f"with {name}": within[:, kind] for kind, name in enumerate(names) if not within[:, kind].all()}
        if "group" in examples:
            found |= {f"group {name}": examples["group"] == name for name in np.unique(examples["group"])}
        return large_enough(found, FEWEST_MEMBERS)

    def group_metric(self, metric: str) -> str:
        """Dice a picture, which is of each picture by itself; so is the boundary."""
        return metric if metric == "boundary_f1" else "picture_dice"


def smaller(classes: np.ndarray) -> np.ndarray:
    """Return classes (n, S, S) at `REMEMBERED` pixels of a side, those in the middle of each new one."""
    side = classes.shape[1]
    middle = ((np.arange(REMEMBERED) + 0.5) * side / REMEMBERED).astype(int)
    return classes[:, middle][:, :, middle]


def _within(answers: np.ndarray, classes: int) -> np.ndarray:
    """Return which classes are in each picture, bool (n, K)."""
    return np.stack([(answers == kind).any((1, 2)) for kind in range(classes)], axis=1)


def _cross_entropy(outputs: Tensor, answers: Tensor) -> Tensor:
    from torch.nn.functional import cross_entropy

    answers = answers.long()
    losses = cross_entropy(outputs, answers, ignore_index=UNKNOWN, reduction="none")
    known = (answers != UNKNOWN).sum((1, 2)).clamp(min=1)
    return losses.sum((1, 2)) / known
