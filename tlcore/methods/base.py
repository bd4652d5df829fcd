"""What a method is: a choice of some parts of the transfer objective, and of nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tlcore.errors import SpecificationError, first_line

if TYPE_CHECKING:
    import numpy as np
    from pydantic.fields import FieldInfo
    from torch import Tensor, nn

    from tlcore.examples import Examples
    from tlcore.network import Network

Family = Literal["baseline", "parameter", "feature", "instance"]
Setting = Literal["inductive", "transductive", "unsupervised"]
Need = Literal[
    "classes",
    "choices",
    "numbers",
    "groups",
    "one of K",
    "labels",
    "rows",
    "linear head",
    "small network",
    "pixels",
    "pretraining",
]
"""What a method may need besides a network: answers that are classes of examples, items that users chose, numbers, or
groups that nobody has named; of these one of K (a class or an item) or one for each example (a class or a number);
examples that are rows of features, one each; a head that is linear in features; a network that few examples can teach;
answers that are one class for each pixel; a network that has learned elsewhere."""
PENALTY_LAMBDA = 1e-4
"""λ of a penalty when the experiment leaves it open."""
FeatureMap = Callable[["np.ndarray"], "np.ndarray"]
Predict = Callable[["np.ndarray"], "np.ndarray"]
"""Inputs (n, ...) to outputs (n, K), before any softmax."""


class Classify(Protocol):
    """A classifier that a scenario lends: it minimises  Σ wᵢ·L(yᵢ, f(rowᵢ))  in one go."""

    def __call__(
        self, rows: np.ndarray, answers: np.ndarray, weights: np.ndarray | None = None, groups: np.ndarray | None = None
    ) -> Predict:
        """Rows (n, F), answers (n,) and weights (n,), or all alike, to what predicts; outputs are (m, K).

        Groups (n,), where they are known, keep apart what must not stand on both sides where its setting is chosen.
        """
        ...


def no_classifier(*_: Any, **__: Any) -> Predict:
    """Refuse: nothing here learns from rows."""
    raise TypeError("no classifier was lent")


def _no_learner(*_: Any, **__: Any) -> Classify:
    return no_classifier


@dataclass(frozen=True)
class Seen:
    """What the hooks in closed form may look at: those for φ, for wᵢ and for a solver's whole answer.

    Attributes
    ----------
    source, target : Examples
        The labelled examples; of the target those that the label budget bought, perhaps none. A solver whose sum
        leaves the source out is shown none of it.
    answers : int
        K.
    seed : int
    unlabelled : np.ndarray, shape (m, ...)
        Target examples without their answers.
    classify : Classify
        The scenario's learner, for methods that need answers on the way.
    lend : callable
        Another learner by its name, for methods that are one.
    """

    source: Examples
    target: Examples
    answers: int
    seed: int
    unlabelled: np.ndarray
    classify: Classify
    lend: Callable[..., Classify] = _no_learner

    @property
    def wanted(self) -> np.ndarray:
        """What f should say of each source row, (n, K): 1 for its class and 0 for others, or its number, (n, 1)."""
        import numpy as np

        answers = self.source.answers
        return answers[:, None] if answers.dtype.kind == "f" else np.eye(self.answers)[answers]

    @classmethod
    def labelled(cls, source: Examples | None, target: Examples, answers: int, seed: int) -> Self:
        """Return what a solver sees that needs labelled examples and nothing else."""
        return cls(target[:0] if source is None else source, target, answers, seed, target.inputs[:0], no_classifier)


class Solution(NamedTuple):
    """What a solver found, what it wants to say about it, and metrics that it knows itself."""

    predict: Predict
    note: str = ""
    metrics: Mapping[str, float] = MappingProxyType({})


@dataclass
class Batch:
    """What the transfer loss L_T sees of one step; rows of source and target are not paired.

    Attributes
    ----------
    source_features, target_features : Tensor, shape (n, F)
        φ(x) of source examples and of unlabelled target examples.
    source_outputs, target_outputs : Tensor, shape (n, K)
        f(φ(x); θ), before the softmax.
    source_answers : Tensor, shape (n,)
        The answers of the source examples.
    source_weights : Tensor, shape (n,)
        Their wᵢ, with a mean of about one.
    head : nn.Module
        From features to outputs.
    critic : nn.Module or None
        What `Method.critic` returned; it trains along with the network.
    progress : float
        How far training has come, 0 to 1.
    """

    source_features: Tensor
    target_features: Tensor
    source_outputs: Tensor
    target_outputs: Tensor
    source_answers: Tensor
    source_weights: Tensor
    head: nn.Module
    critic: nn.Module | None
    progress: float


@dataclass
class Present:
    """What R sees of one step: the network, where it started, and the labelled rows it has just been through.

    Attributes
    ----------
    network : Network
    start : dict of str to Tensor
        θ₀ by parameter name.
    inputs : Tensor, shape (n, ...)
    features : Tensor, shape (n, F)
    answers : Tensor, shape (n,)
    """

    network: Network
    start: dict[str, Tensor]
    inputs: Tensor
    features: Tensor
    answers: Tensor

    def at_start(self) -> tuple[Tensor, Tensor]:
        """Return features (n, F) and outputs (n, K) of the same rows at θ₀, without gradients."""
        import torch
        from torch.func import functional_call

        with torch.no_grad():
            features, outputs = functional_call(self.network, self.start, (self.inputs,))
        return features, outputs


class Method(BaseModel):
    """One way of transferring: parts of  Σ wᵢ·L(yᵢ, f(φ(xᵢ); θ)) + λ·R(θ) + β·L_T(θ), from θ₀, some of θ frozen.

    A subclass states its facts as class variables, its hyper-parameters as pydantic fields (type, range, default,
    description: forms are built from these), and overrides the hook of each part it chooses. Every hook's
    default is "nothing". A method never knows whether its examples are images, words or users.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: ClassVar[str]
    family: ClassVar[Family]
    serves: ClassVar[tuple[Setting, ...]] = ("inductive", "transductive")
    needs: ClassVar[frozenset[Need]] = frozenset()
    """What a task must give for it to apply; nothing: a network is enough."""
    reference: ClassVar[str] = ""
    starts_from: ClassVar[Literal["random", "source"]] = "random"
    """θ₀: a random start, or the parameters of the model trained on the source."""
    trains_on: ClassVar[tuple[str, ...]] = ("target",)
    """Which labelled examples enter the sum: those of the "source", of the "target", or of both."""
    on_features: ClassVar[bool] = False
    """Whether φ is the source model's frozen body, so that only a new head is trained."""
    on_raw: ClassVar[bool] = False
    """Whether its solver is given raw features (`tlcore.scenarios.base.Scenario.raw`) instead of the inputs."""
    takes_sparse: ClassVar[bool] = False
    """Whether its solver takes sparse rows as they are."""
    data_alone: ClassVar[bool] = False
    """Whether it chooses nothing but examples, φ and wᵢ, so that any classifier can stand for the loop's network."""
    small: ClassVar[bool] = False
    """Whether it trains the scenario's small network instead of the usual one."""
    chooses: ClassVar[bool] = False
    """Whether it is the best of its `candidates`, chosen within the label budget."""
    needs_unlabelled: ClassVar[bool] = False
    """Whether it looks at unlabelled target examples."""
    head_moves: ClassVar[bool] = True
    """Whether the head trains where it may."""
    default_lambda: ClassVar[float] = 0.0
    """λ when the experiment leaves it open."""
    default_beta: ClassVar[float] = 0.0
    """β when the experiment leaves it open."""

    source_share: float = Field(
        0.5, ge=0, le=1, description="Share of the sum that source examples have where both domains are labelled."
    )
    learning_rate: float = Field(5e-3, gt=0, le=1, description="Step size at the start of training.")
    optimiser: Literal["adam", "sgd"] = Field(
        "adam", description="Adam, or stochastic gradient descent with momentum 0.9."
    )

    epochs: int | None = Field(
        None, ge=1, le=10_000, description="Cap on epochs of this method alone; empty: the experiment's."
    )
    penalty: Literal["none", "l1", "l2"] = Field(
        "none", description="A further R(θ): the sum of |θ|, or half that of θ², over what trains."
    )

    @classmethod
    def configure(cls, settings: dict[str, Any]) -> Self:
        """Return the method with these settings, or raise a `SpecificationError` naming the one that is off."""
        try:
            return cls(**settings)
        except ValidationError as error:
            raise SpecificationError(f"methods.{cls.name}.{first_line(error, list(cls.model_fields))}") from None

    @classmethod
    def form(cls) -> dict[str, FieldInfo]:
        """Return the hyper-parameters that have an effect here, by name, for a form to ask for."""
        looped = not (cls.chooses or cls.solve is not Method.solve)
        both = {"source", "target"} <= set(cls.trains_on) and "inductive" in cls.serves
        idle = {"source_share"} if not both else set()
        idle |= set() if looped else {"learning_rate", "optimiser", "epochs", "penalty", "source_share"}
        return {name: field for name, field in cls.model_fields.items() if name not in idle}

    @classmethod
    def facts(cls) -> dict[str, Any]:
        """Return what there is to know of the method without running it, as the command line lists it."""
        usual, schema = cls(), cls.model_json_schema()["properties"]
        return {
            "family": cls.family,
            "settings": list(cls.serves),
            "needs": sorted(cls.needs),
            "needs_source_data": usual.needs_source_data,
            "needs_target_labels": set(cls.serves) == {"inductive"},
            "needs_unlabelled": cls.needs_unlabelled,
            "parameters": {name: {k: v for k, v in schema[name].items() if k != "title"} for name in cls.form()},
            "reference": cls.reference,
        }

    @property
    def lambda_at_rest(self) -> float:
        """λ when the experiment leaves it open."""
        return self.default_lambda or (PENALTY_LAMBDA if self.penalty != "none" else 0.0)

    @property
    def needs_source_model(self) -> bool:
        """Whether a model trained on the source comes first."""
        return self.starts_from == "source" or self.on_features or self.overrides("weights")

    @property
    def needs_source_data(self) -> bool:
        """Whether source examples must be at hand; if not, the source model is enough (source-free)."""
        parts = ("weights", "feature_map", "transfer_loss")
        return "source" in self.trains_on or any(self.overrides(part) for part in parts)

    @property
    def transfers(self) -> bool:
        """Whether anything comes from the source at all; a verdict is about those that do."""
        return self.needs_source_model or self.needs_source_data

    @property
    def needs_every_cell(self) -> bool:
        """Whether sparse rows must be written out for it, where a classifier answers from rows."""
        in_closed_form = self.overrides("feature_map") or self.overrides("weights")
        return in_closed_form or not (self.data_alone or self.takes_sparse)

    @property
    def needs_shared_inputs(self) -> bool:
        """Whether the source model must know the target's inputs, which is a question where inputs are looked up.

        A user whom the source model has never seen has random features there: nothing to freeze or to compare.
        """
        frozen = self.starts_from == "source" and self.trainable_groups(10**6, 10**3) < 10**3
        return self.on_features or frozen or self.overrides("weights")

    def overrides(self, hook: str) -> bool:
        """Whether this method chooses the part behind a hook."""
        return getattr(type(self), hook) is not getattr(Method, hook)

    def candidates(self, own: dict[str, type[Method]], usable: dict[str, type[Method]]) -> dict[str, Method]:
        """Return the methods, by a name to report, of which one that ``chooses`` is the best.

        ``own`` are the scenario's baselines without the source, ``usable`` all that can be used here in decent time.
        """
        return {}

    @property
    def criterion(self) -> str:
        """By which of `tlcore.evaluation.unsupervised` it chooses where no labels are left to; empty: the first."""
        return ""

    # The hooks, one for each part of the objective.

    def meta_learn(
        self, network: Network, inputs: Tensor, answers: Tensor, seed: int, should_stop: Callable[[], bool]
    ) -> None:
        """θ₀: learn a start from the source in a way of its own, in place, instead of training it on the source."""

    def trainable_groups(self, epoch: int, groups: int) -> int:
        """θ, frozen or not: how many of the network's groups, counted from the head, train in this epoch."""
        return groups

    def moves(self, name: str) -> bool:
        """θ, frozen or not: whether a parameter of the body, by name, moves where its group trains."""
        return True

    def step_share(self, depth: int) -> float:
        """θ, frozen or not: how long a step of a group is, as a share of the head's, which has depth 0."""
        return 1.0

    def feature_map(self, seen: Seen) -> tuple[FeatureMap, FeatureMap] | None:
        """φ: maps for source and for target rows, in closed form from both domains' features (n, F)."""
        return None

    def weights(self, seen: Seen) -> np.ndarray | None:
        """wᵢ: one weight ≥ 0 for each source example, shape (n_source,), from both domains' features (n, F)."""
        return None

    def note(self, seen: Seen) -> str:
        """Say what a person should know of φ or wᵢ here, such as that they are approximate; empty: nothing."""
        return ""

    def regulariser(self, here: Present) -> Tensor | None:
        """R(θ), before its weight λ, a scalar."""
        return None

    def network(self, network: Network, source: Examples | None, target: Examples) -> Network:
        """f: the scenario's network at θ₀ as it is, or another one that is built on its parts.

        ``source`` and ``target`` are the labelled examples; ``source`` is None unless the method trains on it.
        """
        return network

    def solve(self, seen: Seen) -> Solution:
        """Return the minimiser where it has a closed form or a solver of its own, instead of the loop."""
        raise TypeError(f"{self.name} is minimised by the loop")

    def critic(self, features: int, classes: int) -> nn.Module | None:
        """Return a network of the method's own that trains along, such as a domain discriminator."""
        return None

    def transfer_loss(self, batch: Batch) -> Tensor | None:
        """L_T(θ), before its weight β, a scalar."""
        return None
