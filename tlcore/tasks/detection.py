"""Boxes around the objects in a picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tlcore.evaluation.boxes import DETECTION, NO_BOX, Matches
from tlcore.examples import Domains, Examples, Predict
from tlcore.tasks.base import Task, TaskLoss

if TYPE_CHECKING:
    from tlcore.concerns import Concern, Plan

MOST_KEPT = 40
"""Boxes of a picture that stay with a result."""


@dataclass(frozen=True, kw_only=True)
class Detection(Task):
    """Every picture has some objects of K classes, each with a box around it.

    An answer is (M, 6): x₁, y₁, x₂, y₂ in pixels as the network sees them, class, and 1 for a crowd; rows of class −1
    stand for no box, as pictures have different numbers of them. The network says something at each of its places
    (`tlcore.backbones.detector`), L is FCOS's loss of a picture, and a budget counts labelled pictures: who marks one
    marks all objects in it.
    """

    name = "detection"
    gives = frozenset({"small network"})
    metrics = DETECTION
    verdict_metrics = tuple(DETECTION)
    budget_of = "picture"
    drawn = "boxes"

    headline: tuple[str, str] = ("ap50", "ap")

    def loss(self, domains: Domains) -> TaskLoss:
        """Return the focal loss, one minus generalised overlap, and cross-entropy of centredness, of each picture."""
        from tlcore.backbones.detector import detection_loss

        return detection_loss

    def strata(self, examples: Examples) -> np.ndarray:
        """Whether there is an object on it at all."""
        return (examples.answers[..., 4] != NO_BOX).any(1).astype(np.int64)

    def concerns(self, domains: Domains, plan: Plan, names: tuple[str, ...]) -> list[Concern]:
        """Check that the classes of both domains are the same, and that groups are named where there are some."""
        from tlcore.concerns import labels, rows

        names = tuple(map(str, domains.answer_names)) or names
        source, pool, test = (_counted(part, names) for part in (domains.source, domains.pool, domains.test))
        found = labels.of_both([*source], [*(pool | test)], bool(plan.files))
        return [*found, *rows.grouped(domains.facts), *rows.ungrouped(plan)]

    def evaluate(
        self, predict: Predict, domains: Domains, training: Examples
    ) -> tuple[dict[str, float], dict[str, np.ndarray]]:
        """Return the metrics of `tlcore.evaluation.boxes`, the score of each picture, and what was said of it.

        ``said`` (n, D, 6) are the boxes from the confidence on at which misses and false alarms balance best, which is
        the metric ``confidence``; ``missed`` and ``false_alarms`` count them on each picture.
        """
        from tlcore.backbones.detector import detections

        found = detections(predict(domains.test.inputs))
        matches = Matches.of(found, domains.test.answers, domains.answers)
        confidence = matches.balanced()
        missed, false_alarms = matches.mistakes(confidence)
        scores = {name: score.astype(np.float32) for name, score in matches.scores().items()}
        counts = {"missed": missed.astype(np.int16), "false_alarms": false_alarms.astype(np.int16)}
        metrics = matches.metrics() | {"confidence": confidence}
        return metrics, {**counts, "said": _surest(found, confidence), **scores}


def _surest(found: np.ndarray, confidence: float) -> np.ndarray:
    """Return the boxes of a confidence, at most so many of a picture, in numbers of which a result can keep many."""
    kept = np.where((found[..., 5] >= confidence)[..., None], found, NO_BOX)  # the surest go first already
    most = min(MOST_KEPT, int((kept[..., 4] != NO_BOX).sum(1).max(initial=0)))
    return kept[:, :most].astype(np.float16)


def _counted(part: Examples, names: tuple[str, ...]) -> dict[str, int]:
    """Return how many objects there are of each class, of those that there are."""
    kinds = part.answers[..., 4]
    counts = np.bincount(kinds[kinds != NO_BOX].astype(int), minlength=len(names))
    return {name: int(count) for name, count in zip(names, counts, strict=True) if count}
