"""Groups that nobody has named."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tlcore.errors import SpecificationError
from tlcore.evaluation.clusters import CLUSTERS, LABELLED, UNLABELLED, cluster_metrics, example_scores
from tlcore.examples import UNKNOWN, Domains, Examples, Predict
from tlcore.tasks.base import Task, TaskLoss

if TYPE_CHECKING:
    from tlcore.concerns import Concern, Plan


@dataclass(frozen=True, kw_only=True)
class Clusters(Task):
    """Every example is in one of K groups, and no label of any domain says in which.

    Labels that there are, are held back: their number in the target is K, unless a person says otherwise, and those of
    test examples score what was found. Groups are found in the pool, test examples are assigned to them; of own feature
    tables the pool and the test are all rows of the target.

    Attributes
    ----------
    number : int or None
        K; None: as many as the target's examples have labels.
    """

    name = "clusters"
    settings = ("unsupervised",)
    gives = frozenset({"groups", "rows"})
    metrics = CLUSTERS
    verdict_metrics = LABELLED
    known_without = UNLABELLED

    headline: tuple[str, str] = ("matched_accuracy", "adjusted_rand")
    largest_budget: int = 0
    baseline: str = "best_grouping"
    rivals: tuple[str, ...] = ("kmeans", "pca_kmeans", "spectral")
    first_methods: tuple[str, ...] = ("source_pca", "source_centres", "co_clustering", "contrastive", "pretrained_body")
    number: int | None = None

    def loss(self, domains: Domains) -> TaskLoss:
        """Refuse: without answers there is no L; a method finds groups in a way of its own."""
        raise TypeError("groups have no loss of an answer: nothing is labelled")

    def measured(self, domains: Domains, training: Examples) -> Domains:
        """Return the domains with K for the number of answers, and no answer but those of test examples.

        Raises
        ------
        SpecificationError
            If nothing says how many groups there are, or there are fewer examples in which to find them.
        """
        kinds = np.unique(domains.pool.answers[domains.pool.known])
        number, there = self.number or len(kinds), len(domains.pool)
        if number < 2:
            raise SpecificationError(
                "groups: missing; no labels of the target say how many groups to look for. Allowed: 2 to "
                f"{min(1000, there)}."
            )
        if number > there:
            raise SpecificationError(f"groups: {number} are more than the target has examples. Allowed: 2 to {there}.")

        def hidden(part: Examples) -> Examples:
            return replace(part, answers=np.full(len(part), UNKNOWN))

        source, pool = hidden(domains.source), hidden(domains.pool)
        return replace(domains, source=source, pool=pool, answers=number, first_target_answer=0, source_answers=0)

    def affordable(self, domains: Domains) -> int:
        """No label at all."""
        return 0

    def concerns(self, domains: Domains, plan: Plan, names: tuple[str, ...]) -> list[Concern]:
        """Check how many examples score what is found, rows that stand twice, and how files were read."""
        from tlcore.concerns import power, rows

        known = domains.test.answers[domains.test.known]
        found = power.small_test(known, tuple(map(str, domains.answer_names)) or names, "accuracy")
        of_target = domains.facts.get("target_rows", len(domains.pool) + len(domains.test))
        found += rows.shared(domains.facts, len(domains.source), of_target)
        return [*found, *rows.grouped(domains.facts), *rows.misread(domains.facts)]

    def examples_that_count(self, domains: Domains, metric: str) -> float | None:
        """Each once for the matched accuracy; how pseudo-values spread is not known before a run."""
        return float(domains.test.known.sum()) if metric == "matched_accuracy" else None

    def in_words(self, examples: dict[str, np.ndarray], names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray] | None:
        """The label that was matched with an example's group, or else the group's number; "" for an unknown truth."""
        called = np.array([*names, ""])  # unknown is -1, the last
        matched = called[examples["predicted"]]
        numbers = np.array([f"group {number + 1}" for number in examples["found"]])
        return called[examples["truth"]], np.where(matched == "", numbers, matched)

    def evaluate(
        self, predict: Predict, domains: Domains, training: Examples
    ) -> tuple[dict[str, float], dict[str, np.ndarray]]:
        """Return the metrics of the groups against the labels, and what pairs the trials.

        ``found`` is the number of an example's group, ``predicted`` the label that was matched with it, `UNKNOWN` where
        none was. Test examples without a known label are assigned and not scored; where all are, there is no metric.
        """
        from tlcore.evaluation.clusters import contingency, matching

        test = domains.test
        found = predict(test.inputs).argmax(1)
        known, label_of = test.known, np.full(domains.answers, UNKNOWN)
        examples = {"truth": test.answers.astype(np.int16), "found": found.astype(np.int16)}
        metrics: dict[str, float] = {}
        if known.any():
            labels, groups = test.answers[known], found[known]
            matched = matching(contingency(labels, groups))
            label_of[: len(matched)] = matched
            examples |= {name: score.astype(np.float32) for name, score in example_scores(labels, groups).items()}
            metrics = cluster_metrics(labels, groups)
        return metrics, {**examples, "predicted": label_of[found].astype(np.int16)}
