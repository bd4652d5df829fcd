"""What a task says: the kind of answers, their head, L, what a label budget buys, what counts, and its rivals."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from tlcore.evaluation.verdict import BudgetOf

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from tlcore.concerns import Concern, Plan
    from tlcore.evaluation.metrics import Metric
    from tlcore.examples import Domains, Examples, Predict
    from tlcore.methods.base import Classify, Need, Setting

FOLDS = 3
"""Parts of what a budget bought, of which each is left out once to choose by."""
MOST_GROUPS = 30
FEWEST_MEMBERS = 10
"""Groups that are judged by themselves: the largest, each with so many test examples."""
TaskLoss = Callable[["Tensor", "Tensor"], "Tensor"]


@dataclass(frozen=True, kw_only=True)
class Task(ABC):
    """What an answer is: facts as class variables, and what differs from scenario to scenario as fields.

    It knows neither the data nor the network, nor any method but by name, as a rival.

    Attributes
    ----------
    headline : (str, str)
        The two metrics that a person sees first; verdicts are about the first unless the experiment says otherwise.
    largest_budget : int
    baseline : str
        What verdicts compare with: the strongest without the source, where there are target labels.
    rivals : tuple of str
        The baselines among which `best_from_scratch` chooses; the first where too few labels are there to choose.
    first_methods : tuple of str
        What is compared with the baseline where the scenario names nothing that can be used.
    maps : bool
        Whether features are worth a map: examples have classes, and a network sees them.
    spared : int
        Source examples, at most, that no trial learns from, to score what was forgotten; 0 where no network has a head
        for the answers of both domains.
    """

    name: ClassVar[str]
    gives: ClassVar[frozenset[Need]] = frozenset()
    """What a method may need and gets here (`tlcore.methods.base.Need`)."""
    settings: ClassVar[tuple[Setting, ...]] = ("inductive", "transductive")
    shares_answers: ClassVar[bool] = True
    """Whether both domains have the same answers; if not, the source alone teaches no answer of the target."""
    metrics: ClassVar[dict[str, Metric]]
    """What a trial is measured by."""
    verdict_metrics: ClassVar[tuple[str, ...]]
    """What a verdict can be about: metrics with a score for each test example, which is what pairs trials."""
    known_without: ClassVar[tuple[str, ...]] = ()
    """Metrics that are known where no answer of a test example is."""
    budget_of: ClassVar[BudgetOf] = "example"
    """What a label budget counts: labels a class, interactions a user, or labelled examples."""
    curve: ClassVar[dict[int, str]] = {}
    """Metrics that are one metric at several lengths of the list shown, by length."""
    choose_from: ClassVar[int] = 12
    """Labelled examples, or labels a class; with fewer, a choice between methods is a toss of a coin."""
    drawn: ClassVar[Literal["classes", "numbers", "masks", "boxes", ""]] = ""
    """How answers to single examples are drawn; empty: they are not."""

    headline: tuple[str, str]
    largest_budget: int
    baseline: str = "from_scratch"
    rivals: tuple[str, ...] = ("from_scratch",)
    first_methods: tuple[str, ...] = ("source_only", "coral")
    maps: bool = False
    spared: int = 0

    def in_setting(self, setting: Setting, groups: int | None = None) -> Task:
        """Return what is left to answer in a setting: without target labels the rival is the source model as it is.

        Where no domain has labels another task may take its place; ``groups`` is how many of them to find.
        """
        return replace(self, baseline="source_only") if setting == "transductive" else self

    @abstractmethod
    def loss(self, domains: Domains) -> TaskLoss:
        """Return L: outputs (n, ...) and answers (n, ...) to one loss an example (n,)."""

    def spend(self, pool: Examples, budget: int, seed: int) -> tuple[Examples, Examples]:
        """Spend a label budget: return what to train on and what to validate on, the latter part of the budget.

        A larger budget of the same seed contains the smaller one; of budget 0, both are empty. Unless a task says
        otherwise so many examples are drawn, and none is held out.
        """
        import numpy as np

        order = np.random.default_rng(seed).permutation(np.flatnonzero(pool.known))
        return pool[order[:budget]], pool[order[:0]]

    def folds(self, training: Examples, seed: int) -> list[tuple[Examples, Examples]]:
        """Part what a budget bought into examples to learn from and others to choose by, in one way or in several.

        None at all where there are too few. Unless a task says otherwise each third is left out once, whole groups
        where there are groups, from `choose_from` examples on.
        """
        from tlcore.splits import parts

        if len(training) < self.choose_from:
            return []
        found = parts(training, FOLDS, seed)
        return [(training[learned], training[held_out]) for learned, held_out in found]

    @abstractmethod
    def evaluate(
        self, predict: Predict, domains: Domains, training: Examples
    ) -> tuple[dict[str, float], dict[str, np.ndarray]]:
        """Return the metrics, and the arrays of `tlcore.results.TrialResult.examples`.

        Of each of the `verdict_metrics` the latter have the score of each test example; their mean is the metric.

        Parameters
        ----------
        predict : callable
            Inputs (n, ...) to outputs (n, ...), before any softmax.
        domains : Domains
        training : Examples
            The labelled target examples that the trial was trained on.
        """

    def head(self, features: int, domains: Domains) -> nn.Module:
        """Return the head, randomly started: from features (n, F) to outputs (n, K)."""
        from torch import nn

        return nn.Linear(features, domains.answers)

    def learner(self, name: str, domains: Domains, seed: int, setting: float | None = None, **how: Any) -> Classify:
        """Return what is lent to methods in closed form: a learner from rows (n, F), by name; empty: the usual one."""
        from tlcore.methods.base import no_classifier

        return no_classifier

    def measured(self, domains: Domains, training: Examples) -> Domains:
        """Return the domains as methods see them: answers in a unit that suits L (`Domains.unit`), or hidden.

        Whatever is found for that is found without the test's answers.
        """
        return domains

    def affordable(self, domains: Domains) -> int:
        """Return the largest label budget that the pool can meet."""
        return min(self.largest_budget, int(domains.pool.known.sum()))

    def aside(self, examples: Examples, share: float, seed: int) -> np.ndarray:
        """Return about a share of examples, whole groups where there are groups, as a mask: those set aside."""
        import numpy as np

        from tlcore.splits import groups_aside

        generator = np.random.default_rng(seed)
        kinds, aside = self.strata(examples), np.zeros(len(examples), bool)
        if examples.groups is not None:
            aside = groups_aside(kinds, examples.groups, share, generator)
            return aside & (aside.mean() <= 2 * share)  # of few large groups none can be spared
        for kind in np.unique(kinds[examples.known]):
            members = generator.permutation(np.flatnonzero(kinds == kind))
            aside[members[: int(share * len(members))]] = True
        return aside

    def strata(self, examples: Examples) -> np.ndarray:
        """Return of what kind each example is, (n,); a split gives each side its share of each. One kind by default."""
        import numpy as np

        return np.zeros(len(examples), np.int64)

    def concerns(self, domains: Domains, plan: Plan, names: tuple[str, ...]) -> list[Concern]:
        """Return what looks wrong with the data before a run, of the checks that make sense for such answers.

        ``names`` are what a person calls the answers.
        """
        return []

    def examples_that_count(self, domains: Domains, metric: str) -> float | None:
        """Return how many test examples count for a metric, to say which gaps will show; None: nobody knows."""
        return None

    def in_words(self, examples: dict[str, np.ndarray], names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the true and the predicted answer of each test example (n,) as a person reads them; None: neither."""
        return None

    def groups(self, examples: dict[str, np.ndarray], names: tuple[str, ...]) -> dict[str, np.ndarray]:
        """Return groups of test examples worth a look of their own, by name, as masks over those that are scored.

        ``examples`` are those of a trial (`tlcore.results.TrialResult`), ``names`` what a person calls the answers; the
        groups may depend on the label budget, not on method or seed.
        """
        return {}

    def group_metric(self, metric: str) -> str:
        """Return the metric by which a group is judged where a run is judged by this one."""
        return metric


def large_enough(groups: dict[str, np.ndarray], fewest: int = FEWEST_MEMBERS) -> dict[str, np.ndarray]:
    """Return those of some groups of test examples, masks by name, that are judged by themselves."""
    sizes = {name: int(members.sum()) for name, members in groups.items()}
    largest = sorted(groups, key=lambda name: -sizes[name])[:MOST_GROUPS]
    return {name: groups[name] for name in groups if name in largest and sizes[name] >= fewest}
