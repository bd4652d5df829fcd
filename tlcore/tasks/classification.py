"""One class an example."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from tlcore.evaluation.metrics import CLASSIFICATION, DECOMPOSABLE, classification_metrics, example_scores
from tlcore.examples import UNKNOWN, Domains, Examples, Predict
from tlcore.splits import groups_aside, stratified_parts
from tlcore.tasks.base import FOLDS, Task, TaskLoss, large_enough
from tlcore.tasks.clusters import Clusters

if TYPE_CHECKING:
    from tlcore.concerns import Concern, Plan
    from tlcore.methods.base import Classify, Setting

VALIDATION_SHARE = 0.2


@dataclass(frozen=True, kw_only=True)
class Classification(Task):
    """Every example has one of K classes.

    L is the cross-entropy, a budget counts labels of each class, and the head is linear.

    Attributes
    ----------
    validate_from : int
        Labels a class; to hold out a share of fewer costs more than it helps (docs/evaluation.md).
    """

    name = "classification"
    settings = ("inductive", "transductive", "unsupervised")
    gives = frozenset({"classes", "one of K", "labels", "rows", "linear head", "small network"})
    metrics = CLASSIFICATION
    verdict_metrics = DECOMPOSABLE
    budget_of = "class"
    choose_from: ClassVar[int] = 8
    drawn = "classes"

    headline: tuple[str, str] = ("accuracy", "macro_recall")
    rivals: tuple[str, ...] = ("logistic_regression", "from_scratch")
    maps: bool = True
    spared: int = 200
    validate_from: int = 50

    def in_setting(self, setting: Setting, groups: int | None = None) -> Task:
        """Return the same; where no domain has labels, groups are to be found."""
        return Clusters(number=groups) if setting == "unsupervised" else super().in_setting(setting)

    def loss(self, domains: Domains) -> TaskLoss:
        """Return the cross-entropy  −log softmax(outputs)[y]  of each example; (n, K) and (n,) to (n,)."""
        from torch.nn.functional import cross_entropy

        return partial(cross_entropy, reduction="none")

    def learner(self, name: str, domains: Domains, seed: int, setting: float | None = None, **how: Any) -> Classify:
        """Return one of `tlcore.classifiers`, logistic regression where none is named."""
        from tlcore.classifiers import Classifier

        return Classifier(name or "logistic", domains.answers, seed, setting, **how)

    def spend(self, pool: Examples, budget: int, seed: int) -> tuple[Examples, Examples]:
        """Label ``budget`` examples of each class; from `validate_from` a class on, hold some of them out.

        Those held out are of groups that are not trained on, unless that would leave a class untrained.
        """
        held_out = round(budget * VALIDATION_SHARE) if budget >= self.validate_from else 0
        training, validation = [np.empty(0, int)], [np.empty(0, int)]
        for kind in np.unique(pool.answers[pool.answers != UNKNOWN]):
            order = np.random.default_rng([seed, kind]).permutation(np.flatnonzero(pool.answers == kind))
            training.append(order[: budget - held_out])
            validation.append(order[budget - held_out : budget])
        rows, rest = np.concatenate(training), np.concatenate(validation)
        if len(rest) and pool.groups is not None:
            bought = np.concatenate([rows, rest])
            answers, groups = pool.answers[bought], pool.groups[bought]
            aside = groups_aside(answers, groups, VALIDATION_SHARE, np.random.default_rng(seed))
            if aside.any() and len(np.unique(answers[~aside])) == len(np.unique(answers)):
                rows, rest = bought[~aside], bought[aside]
        return pool[rows], pool[rest]

    def folds(self, training: Examples, seed: int) -> list[tuple[Examples, Examples]]:
        """Leave out each third once, with its share of each class, where each class has `choose_from` or more.

        Where there are groups, each is on one side, and there are no thirds where a class would not be learned.
        """
        if np.unique(training.answers, return_counts=True)[1].min() < self.choose_from:
            return []
        parts = stratified_parts(training, FOLDS, seed)
        return [(training[learned], training[held_out]) for learned, held_out in parts] if len(parts) == FOLDS else []

    def affordable(self, domains: Domains) -> int:
        """As many as the rarest class has in the pool."""
        return min(self.largest_budget, int(np.unique(domains.pool.answers, return_counts=True)[1].min()))

    def strata(self, examples: Examples) -> np.ndarray:
        """Its class."""
        return examples.answers

    def concerns(self, domains: Domains, plan: Plan, names: tuple[str, ...]) -> list[Concern]:
        """Check labels, how many there are of each, rows that stand twice, and how files were read."""
        from tlcore.concerns import labels, power, rows

        names = tuple(domains.answer_names) or names
        names = tuple(map(str, names or range(domains.answers)))
        source, pool, test = (_counted(part, names) for part in (domains.source, domains.pool, domains.test))
        everything = {name: pool.get(name, 0) + test.get(name, 0) for name in names if name in pool or name in test}
        found = labels.of_both([*source], [*everything], bool(plan.files))
        if plan.setting == "inductive":
            found += labels.rare({name: pool.get(name, 0) for name in everything}, plan.budgets, self.largest_budget)
        found += labels.imbalance(everything, plan.metric)
        found += power.small_test(domains.test.answers[domains.test.answers != UNKNOWN], names, plan.metric)
        of_target = domains.facts.get("target_rows", len(domains.pool) + len(domains.test))  # it may be test as a whole
        found += rows.shared(domains.facts, len(domains.source), of_target)
        return [*found, *rows.grouped(domains.facts), *rows.ungrouped(plan), *rows.misread(domains.facts)]

    def examples_that_count(self, domains: Domains, metric: str) -> float | None:
        """As many as `tlcore.evaluation.power.counted` says, of metrics in points."""
        from tlcore.evaluation.power import counted

        if not self.metrics[metric].in_points:
            return None
        return counted(domains.test.answers[domains.test.known], metric)

    def evaluate(
        self, predict: Predict, domains: Domains, training: Examples
    ) -> tuple[dict[str, float], dict[str, np.ndarray]]:
        """Return the classification metrics of softmax(outputs), and what pairs the trials.

        Test examples without a known answer are answered and not scored; where all are, there is no metric.
        """
        from scipy.special import softmax

        test = domains.test
        probabilities = softmax(predict(test.inputs).astype(float), axis=1)
        examples = {
            "truth": test.answers.astype(np.int16),
            "predicted": probabilities.argmax(1).astype(np.int16),
        }
        known = test.answers != UNKNOWN
        if test.groups is not None and domains.group_names:
            examples["group"] = np.array(domains.group_names)[test.groups]
        if not known.any():
            return {}, examples
        probabilities, answers = probabilities[known], test.answers[known]
        scores = {name: score.astype(np.float32) for name, score in example_scores(probabilities, answers).items()}
        return classification_metrics(probabilities, answers), examples | scores

    def in_words(self, examples: dict[str, np.ndarray], names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray] | None:
        """The names of the classes; "" where the truth is not known."""
        called = np.array([*names, ""])
        return (called[examples["truth"]], called[examples["predicted"]]) if names else None  # unknown is -1, the last

    def groups(self, examples: dict[str, np.ndarray], names: tuple[str, ...]) -> dict[str, np.ndarray]:
        """Return the test examples of each label, and of each group (a patient, a machine) that has enough."""
        known = examples["truth"] >= 0
        truth = examples["truth"][known]
        names = names or tuple(map(str, range(1 + int(truth.max(initial=0)))))
        found = {f"label {names[kind]}": truth == kind for kind in np.unique(truth)}
        if "group" in examples:
            of = examples["group"][known]
            found |= {f"group {name}": of == name for name in np.unique(of)}
        return large_enough(found)

    def group_metric(self, metric: str) -> str:
        """Accuracy, which among the examples of one label is its recall; of the log loss itself."""
        return metric if metric == "log_loss" else "accuracy"


def _counted(part: Examples, names: tuple[str, ...]) -> dict[str, int]:
    """Return how many examples have each answer, of those that there are."""
    counts = np.bincount(part.answers[part.answers != UNKNOWN], minlength=len(names))
    return {name: int(count) for name, count in zip(names, counts, strict=True) if count}
