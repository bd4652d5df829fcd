"""What all scenarios with one class per example share: the task loss, the split, the metrics."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from pydantic import Field

from tlcore.errors import SpecificationError
from tlcore.evaluation.metrics import CLASSIFICATION, DECOMPOSABLE, classification_metrics, example_scores
from tlcore.methods.base import Predict
from tlcore.scenarios.base import UNKNOWN, Domains, Examples, Scenario, TaskLoss
from tlcore.scenarios.splits import groups_aside, last_aside, stratified_parts

if TYPE_CHECKING:
    from tlcore.concerns import Concern, Plan
    from tlcore.datasets.own import OwnFile

SPLIT_SEED = 20_100_410  # the same for every method, budget and seed, so that all meet the same test examples
VALIDATION_SHARE = 0.2
CHOOSE_FROM = 8  # labels a class; with fewer, a choice between methods is a toss of a coin
FOLDS = 3
MOST_GROUPS = 30
FEWEST_MEMBERS = 10
"""Groups that are judged by themselves: the largest, each with so many test examples."""


class Classification(Scenario):
    """A scenario in which every example has one of K classes."""

    task = "classification"
    metrics = CLASSIFICATION
    verdict_metrics = DECOMPOSABLE
    headline = ("accuracy", "macro_recall")
    maps = True
    spared = 200
    validate_from: ClassVar[int] = 50
    """Labels a class; to hold out a share of fewer costs more than it helps (docs/evaluation.md)."""

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
        """Leave out each third once, with its share of each class, where each class has `CHOOSE_FROM` or more.

        Where there are groups, each is on one side, and there are no thirds where a class would not be learned.
        """
        if np.unique(training.answers, return_counts=True)[1].min() < CHOOSE_FROM:
            return []
        parts = stratified_parts(training, FOLDS, seed)
        return [(training[learned], training[held_out]) for learned, held_out in parts] if len(parts) == FOLDS else []

    def affordable(self, domains: Domains) -> int:
        """As many as the rarest class has in the pool."""
        return min(self.largest_budget, int(np.unique(domains.pool.answers, return_counts=True)[1].min()))

    def concerns(self, domains: Domains, plan: Plan) -> list[Concern]:
        """Check labels, how many there are of each, rows that stand twice, and how files were read."""
        from tlcore.concerns import labels, power, rows

        names = self._names_of(domains)
        source, pool, test = (_counted(part, names) for part in (domains.source, domains.pool, domains.test))
        everything = {name: pool.get(name, 0) + test.get(name, 0) for name in names if name in pool or name in test}
        found: list[Concern] = []
        if self.own and source and everything:
            found += labels.different([*source], [*everything])
        if self.own:
            found += labels.alike([*source], [*everything])
        if plan.setting == "inductive":
            found += labels.rare({name: pool.get(name, 0) for name in everything}, plan.budgets, self.largest_budget)
        found += labels.imbalance(everything, plan.metric)
        found += power.small_test(domains.test.answers[domains.test.answers != UNKNOWN], names, plan.metric)
        of_target = domains.facts.get("target_rows", len(domains.pool) + len(domains.test))  # it may be test as a whole
        found += rows.shared(domains.facts, len(domains.source), of_target)
        return [*found, *rows.grouped(domains.facts), *_ungrouped(plan), *rows.misread(domains.facts)]

    def _names_of(self, domains: Domains) -> tuple[str, ...]:
        """Return what a person calls each answer."""
        names = tuple(domains.answer_names) or self.classes
        return tuple(map(str, names or range(domains.answers)))

    def task_loss(self, domains: Domains) -> TaskLoss:
        """Return the cross-entropy  −log softmax(outputs)[y]  of each example; (n, K) and (n,) to (n,)."""
        from torch.nn.functional import cross_entropy

        return partial(cross_entropy, reduction="none")

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

    def groups(self, examples: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the test examples of each label, and of each group (a patient, a machine) that has enough."""
        known = examples["truth"] >= 0
        truth = examples["truth"][known]
        names = self.classes or tuple(map(str, range(1 + int(truth.max(initial=0)))))
        found = {f"label {names[kind]}": truth == kind for kind in np.unique(truth)}
        if "group" in examples:
            of = examples["group"][known]
            found |= {f"group {name}": of == name for name in np.unique(of)}
        sizes = {name: int(members.sum()) for name, members in found.items()}
        largest = sorted(found, key=lambda name: -sizes[name])[:MOST_GROUPS]
        return {name: found[name] for name in found if name in largest and sizes[name] >= FEWEST_MEMBERS}

    def group_metric(self, metric: str) -> str:
        """Accuracy, which among the examples of one label is its recall; of the log loss itself."""
        return metric if metric == "log_loss" else "accuracy"


def _counted(part: Examples, names: tuple[str, ...]) -> dict[str, int]:
    """Return how many examples have each answer, of those that there are."""
    counts = np.bincount(part.answers[part.answers != UNKNOWN], minlength=len(names))
    return {name: int(count) for name, count in zip(names, counts, strict=True) if count}


def _ungrouped(plan: Plan) -> list[Concern]:
    """Return the concern about a target that looks grouped where no group is named."""
    from tlcore.concerns import Concern, named

    if plan.target is None or plan.setting == "transductive":
        return []  # all of the target is the test
    group = _proposed(type(plan.target), plan.target.model_dump_json()).get("group")
    return [Concern("ungrouped", {"which": "target", "group": named([group])})] if group else []


@lru_cache(maxsize=4)
def _proposed(kind: type[OwnFile], file: str) -> dict[str, str]:
    return kind.model_validate_json(file).look().proposed


class LabelsFound(Classification):
    """A scenario whose labels are those of its data, known once these were looked at."""

    labels: tuple[str, ...] = Field((), description="The labels, found in the data.", json_schema_extra={"found": True})

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels."""
        return self.labels

    def settled(self, domains: Domains) -> Self:
        """Return the same scenario with the labels that there are."""
        return super().settled(domains).model_copy(update={"labels": tuple(domains.answer_names)})


def split_target(
    source: Examples, target: Examples, test_size: int, times: np.ndarray | None = None, names: Sequence[str] = ()
) -> Domains:
    """Set aside about ``test_size`` target examples for scoring; the rest is the pool for labels.

    They are drawn at random, with each class's share of them. Where the target's examples are of groups, no group is on
    both sides; where there are times, the test is what came last. All methods, budgets and seeds meet the same test.

    Parameters
    ----------
    source, target : Examples
    test_size : int
    times : ndarray of float64, shape (n,), optional
        When each target example came about.
    names : sequence of str
        What a person calls the answers, for what cannot be split.

    Raises
    ------
    SpecificationError
        If groups and times are both given, if groups leave a class in the pool or in the test alone, or if times leave
        it in the test alone.
    """
    from sklearn.model_selection import train_test_split

    if times is not None and target.groups is not None:
        raise SpecificationError(
            "target.time: the test is either what came last or of other groups than the pool; leave target.time or "
            "target.group out."
        )
    if times is not None:
        test = _last(target.answers, times, test_size, names)
    elif target.groups is not None:
        test = _of_other_groups(target.answers, target.groups, test_size, names)
    else:
        rows = np.arange(len(target))
        test = np.zeros(len(target), bool)
        test[train_test_split(rows, test_size=test_size, stratify=target.answers, random_state=SPLIT_SEED)[1]] = True
    answers = 1 + int(max(source.answers.max(initial=0), target.answers.max()))
    return Domains(source, target[np.flatnonzero(~test)], target[np.flatnonzero(test)], answers)


def _last(answers: np.ndarray, times: np.ndarray, size: int, names: Sequence[str]) -> np.ndarray:
    """Return which examples came last, if each class came before, too."""
    if np.isnan(times).any():
        raise SpecificationError(f"target.time: {np.isnan(times).sum()} of its {len(times)} examples have no time.")
    test = last_aside(times, size)
    if not test.any():
        raise SpecificationError(f"target.time: all of its {len(times)} examples are of one time, so none came last.")
    if len(late := np.setdiff1d(answers[test], answers[~test])):
        raise SpecificationError(
            f"target.time: all examples of {_called(late[0], names)!r} are among the last {test.sum()}, which are the "
            "test, so there is none to learn from; each label must be among the earlier ones, too."
        )
    return test


def _of_other_groups(answers: np.ndarray, groups: np.ndarray, size: int, names: Sequence[str]) -> np.ndarray:
    """Return which examples are of groups that are set aside, if each class is on both sides."""
    kinds = np.unique(answers)
    for kind in kinds:
        if len(np.unique(groups[answers == kind])) < 2:
            raise SpecificationError(
                f"target.group: all examples of {_called(kind, names)!r} are of one group, so they cannot be learned "
                "from and scored on, too; each label needs two groups."
            )
    test = groups_aside(answers, groups, size / len(answers), np.random.default_rng(SPLIT_SEED))
    for kind in kinds:
        if test[answers == kind].all() or not test[answers == kind].any():
            raise SpecificationError(
                f"target.group: the few groups of {_called(kind, names)!r} are those of other labels, too, and no way "
                "was found to have every label both in the pool and in the test; each label needs more groups."
            )
    return test


def _called(answer: int, names: Sequence[str]) -> str:
    return str(names[answer] if len(names) else answer)
