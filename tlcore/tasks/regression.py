"""One number an example."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tlcore.evaluation.numbers import DECOMPOSABLE, REGRESSION, example_scores, regression_metrics
from tlcore.examples import Domains, Examples, Predict
from tlcore.tasks.base import Task, TaskLoss, large_enough

if TYPE_CHECKING:
    from tlcore.concerns import Concern, Plan
    from tlcore.methods.base import Classify

THIRDS = ("low answers", "middle answers", "high answers")


@dataclass(frozen=True, kw_only=True)
class Regression(Task):
    """Every example has one number as its answer.

    L is the squared error, in a unit in which the source's answers (or where there is no source, those that the budget
    bought) have mean 0 and variance 1; a budget counts labelled examples, and the head is linear.
    """

    name = "regression"
    gives = frozenset({"numbers", "labels", "rows", "linear head", "small network"})
    metrics = REGRESSION
    verdict_metrics = DECOMPOSABLE
    budget_of = "example"
    choose_from: ClassVar[int] = 20
    drawn = "numbers"

    headline: tuple[str, str] = ("r2", "rmse")
    baseline: str = "best_from_scratch"
    rivals: tuple[str, ...] = ("ridge_regression", "nearest_neighbours", "boosted_trees", "from_scratch")

    def loss(self, domains: Domains) -> TaskLoss:
        """Return the squared error  (output − y)²  of each example; (n, 1) and (n,) to (n,)."""
        return lambda outputs, answers: (outputs[:, 0] - answers.to(outputs.dtype)).square()

    def measured(self, domains: Domains, training: Examples) -> Domains:
        """Return the domains with answers (y − c)/s; c, s: mean and spread of the source's, else of those bought."""
        known = domains.source if len(domains.source) else training
        if not len(known):
            return domains
        centre, spread = float(np.nanmean(known.answers)), float(np.nanstd(known.answers))
        unit = centre, spread if spread > 0 else 1.0
        parts = ("source", "pool", "test", "source_aside")
        there = {name: part for name in parts if (part := getattr(domains, name)) is not None}
        changed = {name: replace(part, answers=(part.answers - unit[0]) / unit[1]) for name, part in there.items()}
        return replace(domains, unit=unit, **changed)

    def learner(self, name: str, domains: Domains, seed: int, setting: float | None = None, **how: Any) -> Classify:
        """Return one of `tlcore.regressors`, ridge regression where none is named."""
        from tlcore.regressors import Regressor

        return Regressor({"": "ridge", "logistic": "ridge"}.get(name, name), seed, setting, **how)

    def evaluate(
        self, predict: Predict, domains: Domains, training: Examples
    ) -> tuple[dict[str, float], dict[str, np.ndarray]]:
        """Return the metrics of the outputs in the answers' own unit, and what pairs the trials.

        Test examples without a known answer are answered and not scored; where all are, there is no metric.
        """
        (centre, spread), test = domains.unit, domains.test
        predicted = centre + spread * predict(test.inputs)[:, 0].astype(float)
        truth = centre + spread * test.answers
        examples = {"true_number": truth.astype(np.float32), "predicted_number": predicted.astype(np.float32)}
        if test.groups is not None and domains.group_names:
            examples["group"] = np.array(domains.group_names)[test.groups]
        known = test.known
        if not known.any():
            return {}, examples
        scores = example_scores(predicted[known], truth[known])
        metrics = regression_metrics(predicted[known], truth[known])
        return metrics, examples | {name: score.astype(np.float32) for name, score in scores.items()}

    def in_words(self, examples: dict[str, np.ndarray], names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray] | None:
        """The numbers; NaN where the truth is not known."""
        return examples["true_number"], examples["predicted_number"]

    def groups(self, examples: dict[str, np.ndarray], names: tuple[str, ...]) -> dict[str, np.ndarray]:
        """Return the test examples with low, middle and high answers, and of each group that has enough."""
        truth = examples["true_number"]
        known = ~np.isnan(truth)
        low, high = np.quantile(truth[known], [1 / 3, 2 / 3], method="lower")
        truth = truth[known]
        thirds = (truth <= low, (low < truth) & (truth <= high), truth > high)
        found = dict(zip(THIRDS, thirds, strict=True))
        if "group" in examples:
            of = examples["group"][known]
            found |= {f"group {name}": of == name for name in np.unique(of)}
        return large_enough(found)

    def examples_that_count(self, domains: Domains, metric: str) -> float | None:
        """Unknown: how much squared errors spread is not known before a run."""
        return None

    def concerns(self, domains: Domains, plan: Plan, names: tuple[str, ...]) -> list[Concern]:
        """Check whether the answers of both domains overlap, rows that stand twice, and how files were read."""
        from tlcore.concerns import quantities, rows

        there, here = domains.source.answers, np.concatenate([domains.pool.answers, domains.test.answers])
        found = quantities.apart(there[~np.isnan(there)], here[~np.isnan(here)])
        found += quantities.few_to_score(int(domains.test.known.sum()))
        of_target = domains.facts.get("target_rows", len(domains.pool) + len(domains.test))
        found += rows.shared(domains.facts, len(domains.source), of_target)
        return [*found, *rows.grouped(domains.facts), *rows.ungrouped(plan), *rows.misread(domains.facts)]
