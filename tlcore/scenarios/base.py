"""What a scenario gives: domains, a network, a task loss and metrics."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from tlcore.datasets.own import OwnFile
from tlcore.errors import SpecificationError, first_line
from tlcore.evaluation.metrics import Metric
from tlcore.evaluation.verdict import BudgetOf
from tlcore.methods.base import Method, Predict, Setting, Task
from tlcore.written import left_open

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from tlcore.concerns import Concern, Plan
    from tlcore.datasets.images import LabelledImages
    from tlcore.network import Network
    from tlcore.results import Explanation


UNKNOWN = -1
"""The answer of an example of which none is known."""
PRETRAINING = "pretraining"
"""The source without examples: all there is of it is what a network was pretrained on."""
TaskLoss = Callable[["Tensor", "Tensor"], "Tensor"]


@dataclass(frozen=True)
class Examples:
    """Inputs (n, ...), float32 or for what is looked up int64, and what is known of their answers (n,) as int64.

    Groups (n,), where they are known, are numbers of what must not stand on both sides of a split. Rows of a table may
    be a sparse matrix (n, F); what is typed as an array then has fewer of its abilities.
    """

    inputs: np.ndarray
    answers: np.ndarray
    groups: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.answers)

    def __getitem__(self, rows: np.ndarray | slice) -> Examples:
        return Examples(self.inputs[rows], self.answers[rows], None if self.groups is None else self.groups[rows])


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
    answers : int
        K, how many answers there are in both domains together.
    first_target_answer : int
        0 where the domains share their answers; else the answers below it are the source's alone, the others the
        target's.
    source_answers : int
        The answers below it are the source's; between `first_target_answer` and it they are in both. 0: all of them.
    answer_names, input_names : sequence of str
        What a person calls the answers, and where inputs are looked up (users) the inputs; empty where it is idle.
    group_names : tuple of str
        What a person calls the groups of examples, by their numbers (`Examples.groups`).
    looked_up : LabelledImages or None
        Where inputs are numbers of pictures, the pictures.
    source_aside : Examples or None
        Source examples that no trial learns from, to score what was forgotten (`tlcore.forgotten`).
    facts : dict of str to int
        What there is to know of the data before a run: how many examples, how much the domains share, what was left
        out.
    """

    source: Examples
    pool: Examples
    test: Examples
    answers: int
    first_target_answer: int = 0
    source_answers: int = 0
    answer_names: np.ndarray | tuple[str, ...] = ()
    input_names: np.ndarray | tuple[str, ...] = ()
    group_names: tuple[str, ...] = ()
    looked_up: LabelledImages | None = None
    source_aside: Examples | None = None
    facts: dict[str, int] = field(default_factory=dict)


class Pace(NamedTuple):
    """How long training may take, when the experiment leaves it open."""

    epochs: int
    max_steps: int
    batch_size: int


class Scenario(BaseModel, ABC):
    """A problem to transfer in: facts as class variables, what a person may choose about it as pydantic fields.

    It knows no method by name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: ClassVar[str]
    title: ClassVar[str]
    summary: ClassVar[str]
    """One or two plain sentences for a newcomer."""
    credit: ClassVar[str]
    """Where the data come from, and their licence."""
    pairs: ClassVar[tuple[tuple[str, str], ...]] = ()
    """(source, target) domains by name; the first pair is the default."""
    own: ClassVar[type[OwnFile] | None] = None
    """What a domain is read from where a person brings the data; then there are no ``pairs``."""
    pretrained: ClassVar[bool] = False
    """Whether ``PRETRAINING`` can stand for the source's file, as its network has learned elsewhere."""
    task: ClassVar[Task]
    settings: ClassVar[tuple[Setting, ...]] = ("inductive", "transductive")
    baseline: ClassVar[str] = "from_scratch"
    """What verdicts compare with where there are target labels: the strongest without the source."""
    candidates: ClassVar[tuple[str, ...]] = ("logistic_regression", "from_scratch")
    """The baselines among which `best_from_scratch` chooses; the first where too few labels are there to choose."""
    shares_answers: ClassVar[bool] = True
    """Whether both domains have the same answers; if not, the source alone teaches no answer of the target."""
    metrics: ClassVar[dict[str, Metric]]
    """What a trial is measured by."""
    verdict_metrics: ClassVar[tuple[str, ...]]
    """What a verdict can be about: metrics with a score for each test example, which is what pairs trials."""
    headline: ClassVar[tuple[str, str]]
    """The two metrics that a person sees first; verdicts are about the first unless the experiment says otherwise."""
    budget_of: ClassVar[BudgetOf] = "class"
    """What a label budget counts: labels a class, or interactions a user."""
    largest_budget: ClassVar[int]
    first_methods: ClassVar[tuple[str, ...]] = ("fine_tune",)
    """What is compared with the baseline unless the experiment says otherwise."""
    curve: ClassVar[dict[int, str]] = {}
    """Metrics that are one metric at several lengths of the list shown, by length."""
    shown_facts: ClassVar[tuple[str, ...]] = ()
    """Which of `Domains.facts` a person sees first, before a run; empty: the data need no look."""
    forecasts: ClassVar[bool] = False
    """Whether it can say what a trial costs: see `cost`."""
    explains: ClassVar[bool] = False
    """Whether it can say what an answer rests on."""
    maps: ClassVar[bool] = False
    """Whether features are worth a map: examples have classes, and a network sees them."""
    spared: ClassVar[int] = 0
    """Source examples, at most, that no trial learns from, to score what was forgotten; 0 where no network has a head
    for the answers of both domains."""
    epochs: ClassVar[int]
    """Cap on epochs when the experiment leaves it open."""
    max_steps: ClassVar[int]
    """Cap on batches, whatever the epochs: it ends training on a large source."""
    batch_size: ClassVar[int]

    @classmethod
    def configure(cls, options: dict[str, Any]) -> Self:
        """Return the scenario with these options, or raise a `SpecificationError` naming the one that is off."""
        try:
            return cls(**left_open(options, cls))
        except ValidationError as error:
            raise SpecificationError(first_line(error, list(cls.model_fields))) from None

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the answers, where they are few."""
        return ()

    @property
    def classifies_with(self) -> str:
        """Which of `tlcore.classifiers` answers from a method's φ; empty: the loop's network does.

        Named where the inputs are features already: then φ starts at the inputs, not at a source model's body.
        """
        return ""

    @property
    def classifier_setting(self) -> float | None:
        """That classifier's C, also where it is lent for guesses on the way; None: chosen by cross-validation.

        One is what suits the features of a network, as those are scaled to a size of one.
        """
        return 1.0

    def settled(self, domains: Domains) -> Self:
        """Return the same scenario with what the data decide about it, so that a run can be shown without them."""
        return self

    @property
    def remark(self) -> str:
        """What a person has to know about the way it is set up here; empty: nothing."""
        return ""

    def remote(self, source: str, target: str) -> str:
        """Return the host from which domains come over a network the first time; empty: none is needed."""
        return ""

    @abstractmethod
    def domains(self, source: Any, target: Any) -> Domains:
        """Load both domains, given by name or as `own` files, and split the target, the same way each time."""

    def transductive(self, source: Any, target: Any) -> Domains:
        """Load both domains for the transductive setting: as `domains`, unless there all of the target is scored."""
        return self.domains(source, target)

    def refusal(self, method: Method, domains: Domains) -> str:
        """Return why a method cannot be used between these domains, in half a sentence; empty if it can."""
        return ""

    def concerns(self, domains: Domains, plan: Plan) -> list[Concern]:
        """Return what looks wrong with the data before a run, of the checks that make sense here."""
        return []

    def groups(self, examples: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return groups of test examples worth a look of their own, by name, as masks over those that are scored.

        ``examples`` are those of a trial (`tlcore.results.TrialResult`); the groups may depend on the label budget, not
        on method or seed.
        """
        return {}

    def group_metric(self, metric: str) -> str:
        """Return the metric by which a group is judged where a run is judged by this one."""
        return metric

    @abstractmethod
    def spend(self, pool: Examples, budget: int, seed: int) -> tuple[Examples, Examples]:
        """Spend a label budget: return what to train on and what to validate on, the latter part of the budget.

        A larger budget of the same seed contains the smaller one; of budget 0, both are empty.
        """

    @abstractmethod
    def folds(self, training: Examples, seed: int) -> list[tuple[Examples, Examples]]:
        """Part what a budget bought into examples to learn from and others to choose by, in one way or in several.

        None at all where there are too few.
        """

    @abstractmethod
    def network(self, domains: Domains) -> Network:
        """Return the scenario's network for these domains, randomly started from torch's current seed."""

    def start(self, domains: Domains) -> Network:
        """Return the network before it sees the source: a pretrained one where there is one, else at random."""
        return self.network(domains)

    def small_network(self, domains: Domains) -> Network:
        """Return a network that few examples can teach, randomly started; the usual one where that is small."""
        return self.network(domains)

    def raw(self, domains: Domains) -> Callable[[np.ndarray], Any]:
        """Return a map from inputs (n, ...) to what a classical learner is given, (n, F), dense or sparse."""
        return lambda inputs: inputs.reshape(len(inputs), -1)

    def contenders(self, budget: int) -> tuple[str, ...]:
        """Return those of the ``candidates`` that can be the best at a label budget: all, unless it was measured."""
        return self.candidates

    def affordable(self, domains: Domains) -> int:
        """Return the largest label budget that the pool can meet."""
        return self.largest_budget

    def free_groups(self, groups: int) -> int:
        """Return how many of a network's groups, from the head, train where the source's examples pass through it.

        All of them, unless the body is too heavy for that.
        """
        return groups

    def pace(self, groups: int) -> Pace:
        """Return how long a network trains of which so many groups, from the head, do."""
        return Pace(self.epochs, self.max_steps, self.batch_size)

    def cost(self, method: Method, budget: int, domains: Domains) -> float | None:
        """Return about how many seconds a trial takes on one core; None where nobody knows."""
        return None

    def shared_cost(self, domains: Domains) -> float:
        """Return about how many seconds of work trials share, that the first between these domains does."""
        return 0.0

    @abstractmethod
    def task_loss(self, domains: Domains) -> TaskLoss:
        """Return L: outputs (n, K) and answers (n,) to one loss an example (n,)."""

    @abstractmethod
    def evaluate(
        self, predict: Predict, domains: Domains, training: Examples
    ) -> tuple[dict[str, float], dict[str, np.ndarray]]:
        """Return the metrics, and the arrays of `tlcore.results.TrialResult.examples`.

        Parameters
        ----------
        predict : callable
            Inputs (n, ...) to outputs (n, K), before any softmax.
        domains : Domains
        training : Examples
            The labelled target examples that the trial was trained on.
        """

    def with_variants(self, domains: Domains, row: int) -> Domains:
        """Return the domains with inputs besides, to ask of them what the answer to a test example rests on."""
        return domains

    def explain(self, predict: Predict, layers: nn.Sequential | None, domains: Domains, row: int) -> Explanation:
        """Say what the answer to a test example rests on.

        Parameters
        ----------
        predict : callable
            Inputs (n, ...) to outputs (n, K).
        layers : nn.Sequential or None
            The same as layers, where there are gradients all the way.
        domains : Domains
            As `with_variants` returned them.
        row : int
            The example's place among the test examples.
        """
        raise TypeError(f"{self.name} cannot say what an answer rests on")
