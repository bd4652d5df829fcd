"""What a scenario gives: domains, a network, and the name of its task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from tlcore.datasets.own import OwnFile
from tlcore.errors import SpecificationError, first_line
from tlcore.tasks.base import Task
from tlcore.written import left_open

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from tlcore.concerns import Concern, Plan
    from tlcore.examples import Domains, Explanation, Predict
    from tlcore.methods.base import Method
    from tlcore.network import Network


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
    """What an answer is, and all that follows from it."""
    first_methods: ClassVar[tuple[str, ...]] = ("fine_tune",)
    """What is compared with the baseline unless the experiment says otherwise."""
    shown_facts: ClassVar[tuple[str, ...]] = ()
    """Which of `Domains.facts` a person sees first, before a run; empty: the data need no look."""
    forecasts: ClassVar[bool] = False
    """Whether it can say what a trial costs: see `cost`."""
    explains: ClassVar[bool] = False
    """Whether it can say what an answer rests on."""
    epochs: ClassVar[int]
    """Cap on epochs when the experiment leaves it open."""
    max_steps: ClassVar[int]
    """Cap on batches, whatever the epochs: it ends training on a large source."""
    batch_size: ClassVar[int]
    longer: ClassVar[int] = 1
    """How many times as long a network trains that starts at random where others start pretrained: it needs that, and
    would be a rival of straw without (He, Girshick & Dollár, Rethinking ImageNet pre-training, ICCV 2019)."""

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

    def completed(self, options: dict[str, Any], source: Any, target: Any) -> dict[str, Any]:
        """Return options, and those besides that files of one's own propose where a person left them open."""
        return options

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

    def unsupervised(self, source: Any, target: Any) -> Domains:
        """Load both domains for the unsupervised setting: as `domains`, unless there labels may be missing."""
        return self.domains(source, target)

    def refusal(self, method: Method, domains: Domains) -> str:
        """Return why a method cannot be used between these domains, in half a sentence; empty if it can."""
        return ""

    def concerns(self, domains: Domains, plan: Plan) -> list[Concern]:
        """Return what looks wrong with the data before a run: by the task's checks, and by those of its own."""
        return self.task.in_setting(plan.setting).concerns(domains, plan, self.classes)

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
        """Return those of the task's ``rivals`` that can be the best at a label budget: all, unless it was measured."""
        return self.task.rivals

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
