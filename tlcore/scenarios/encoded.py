"""What scenarios share whose network is a large encoder, of texts or of pictures, with something small on top."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Protocol

import numpy as np
from pydantic import Field

from tlcore.datasets.quantities import quantities_of
from tlcore.errors import SpecificationError
from tlcore.examples import Domains, Examples
from tlcore.scenarios.base import Pace, Scenario
from tlcore.scenarios.labels import Answers, check_quantities, facts_of_labels
from tlcore.splits import counted_once, facts_of_groups, numbered, split_target
from tlcore.tasks.base import FOLDS
from tlcore.tasks.classification import Classification
from tlcore.tasks.regression import Regression

if TYPE_CHECKING:
    from torch import nn

    from tlcore.methods.base import Method
    from tlcore.network import Network

TOP = 2
"""Groups above the encoder: the head, and the one below it."""
MOST_TESTED = 1000
NUMBERS = Regression(
    largest_budget=5000, rivals=("ridge_regression", "small_network", "from_scratch"), maps=False, spared=50
)
"""What is to be answered where labels are numbers."""


class Encoded(Scenario):
    """A scenario in which an input is the number of an example, looked up by whatever reads it.

    The network is an encoder, pretrained or not, a residual layer above it in which domains may be brought together,
    and a head. Where the source's examples pass through the network the encoder is fixed, so that its features are
    computed once.
    """

    task = Classification(
        headline=("balanced_accuracy", "macro_f1"),
        largest_budget=500,
        baseline="best_from_scratch",
        rivals=("logistic_regression", "small_network", "from_scratch"),
        spared=50,  # an encoder that trained reads them anew after each trial
        validate_from=10**9,  # a linear head, and a few epochs of small steps, do not overfit (docs/text.md)
    )
    first_methods = ("source_only", "frozen", "fine_tune")
    forecasts = True
    explains = True
    pretrained = True
    epochs = 80
    max_steps = 800
    batch_size = 64
    width: ClassVar[int] = 64
    pace_of_encoder: ClassVar[Pace]
    """How long training takes where the encoder trains."""
    encoder_from: ClassVar[int]
    """Labels a class from which the randomly started encoder is among the baselines that are chosen from."""
    small_cost: ClassVar[float]
    """Seconds that the small network takes for a labelled example."""
    training_speed: ClassVar[float]
    reading_speed: ClassVar[float]
    """Multiplications and additions a second of one core of an AMD EPYC, in training and where no gradient is asked."""

    whole: bool = Field(
        False,
        description="Whether the encoder trains, too, where the source's examples pass through it: hours, not minutes.",
    )

    @abstractmethod
    def reader(self, domains: Domains, pretrained: bool) -> tuple[list[nn.Module], int, float]:
        """Return the encoder from numbers (n,) to features (n, F), as layers; F; and how long its steps are.

        The latter as a share of those of a new layer, for parameters that are pretrained or many.
        """

    @abstractmethod
    def multiplications(self, part: Examples, domains: Domains) -> float | None:
        """Return about how many the encoder needs for an example; None where nobody knows."""

    def network(self, domains: Domains) -> Network:
        """Return the encoder at random, an adapter that does nothing yet, and a head."""
        return self._network(domains, pretrained=False)

    def start(self, domains: Domains) -> Network:
        """Return the pretrained encoder, an adapter that does nothing yet, and a head."""
        return self._network(domains, pretrained=True)

    def above(self, features: int) -> nn.Module:
        """Return the layer between encoder and head: one that does nothing at the start."""
        from tlcore.network import Residual

        return Residual(features, self.width)

    def _network(self, domains: Domains, pretrained: bool) -> Network:
        import torch

        from tlcore.network import Network

        encoder, features, rate = self.reader(domains, pretrained)
        above = self.above(features)
        with torch.no_grad():
            features = above(torch.zeros(1, features)).shape[1]
        rates = {id(parameter): rate for layer in encoder for parameter in layer.parameters()}
        return Network([*encoder, above], self.task.head(features, domains), rates)

    def contenders(self, budget: int) -> tuple[str, ...]:
        """Leave the randomly started encoder out where others are ahead of it and it takes minutes."""
        return self.task.rivals if budget >= self.encoder_from else self.task.rivals[:2]

    def free_groups(self, groups: int) -> int:
        """Only what is above the encoder, unless ``whole``."""
        return groups if self.whole else min(TOP, groups)

    def pace(self, groups: int) -> Pace:
        """Return few epochs of small batches where the encoder trains."""
        return super().pace(groups) if groups <= TOP else self.pace_of_encoder

    def refusal(self, method: Method, domains: Domains) -> str:
        """Return what is missing: source examples, or the hours that it would take."""
        if method.needs_source_data and not len(domains.source):
            return "needs source examples, and pretraining is all there is of the source"
        if "target" not in method.trains_on and not len(domains.source):
            return "learns its answers from source examples, and pretraining is all there is of the source"
        loops = not (method.on_features or method.overrides("solve"))
        if "source" in method.trains_on and method.starts_from == "random" and loops and not self.whole:
            return "trains the encoder from a random start on both domains; say whole=true if the hours are there"
        by_itself = method.overrides("transfer_loss") and "source" not in method.trains_on
        trains_body = method.trainable_groups(10**6, 10**3) > TOP
        if by_itself and trains_body and "transductive" in method.serves and not self.whole:
            return "trains the encoder on all unlabelled target examples; say whole=true if the hours are there"
        return ""

    def cost(self, method: Method, budget: int, domains: Domains) -> float | None:
        """Return seconds where the encoder stays fixed, and what its multiplications take where it trains."""
        from tlcore.methods import METHODS

        if method.chooses:
            costs = [self.cost(METHODS[name](), budget, domains) for name in self.contenders(budget)]
            known = [cost for cost in costs if cost is not None]
            folds = FOLDS - 1 if budget >= self.task.choose_from else 0  # each time on what is left of a fold
            return sum(known) * folds + max(known) if len(known) == len(costs) else None
        examples = budget * domains.answers
        if method.small:
            return 1 + self.small_cost * examples
        fixed = method.overrides("solve") or method.on_features or method.trainable_groups(10**6, 10**3) <= TOP
        if fixed or ("source" in method.trains_on and not self.whole):
            return 1.0
        each = self.multiplications(domains.pool, domains)
        if each is None:
            return None
        examples += len(domains.source) if "source" in method.trains_on else 0
        pace = self.pace(10**6)
        passes = min(pace.epochs * examples, pace.max_steps * pace.batch_size)
        return 1 + passes * 6 * each / self.training_speed

    def shared_cost(self, domains: Domains) -> float:
        """Return what it takes to read the examples of the source, and of the test, once."""
        parts = [(len(part), self.multiplications(part, domains)) for part in (domains.source, domains.test)]
        return sum(n * 2 * (each or 0.0) for n, each in parts) / self.reading_speed


class Labelled(Protocol):
    """Examples of one domain as they were read, each with a label."""

    @property
    def labels(self) -> np.ndarray:
        """Of str, shape (n,)."""
        ...

    @property
    def contents(self) -> Sequence[Hashable]:
        """Of examples that are alike, the same."""
        ...

    @property
    def dropped(self) -> dict[str, int]:
        """How many were left out, and why."""
        ...

    @property
    def groups(self) -> np.ndarray | None:
        """What must not stand on both sides of a split, by name, of str, shape (n,); None: each stands for itself."""
        ...

    @property
    def times(self) -> np.ndarray | None:
        """When each came about, of float64, shape (n,), if what came last is the test."""
        ...

    def __len__(self) -> int: ...


def bring_together(
    source: Labelled, target: Labelled, classes: tuple[str, ...], unit: str, kind: Answers = "classes"
) -> tuple[Domains, list[int], list[int]]:
    """Number examples and labels of both domains, and set aside what the target is scored on.

    An example that comes twice in the target could be learned in training and met again in the test: of those that are
    alike the first counts, and the target's go before the source's. Groups of the same name are the same in both
    domains.

    Parameters
    ----------
    source, target : Labelled
    classes : tuple of str
        The labels that there are, in order; empty: those that are found.
    unit : str
        What the examples are, as the names of facts say it: texts, or pictures.
    kind : {"classes", "numbers"}
        What the labels are.

    Returns
    -------
    Domains
        Whose inputs are the places of examples in the lists below, one after the other.
    list of int
        Which examples of the source count.
    list of int
        Which of the target.

    Raises
    ------
    SpecificationError
        If the target has fewer than two labels, or one of fewer than three examples, or cannot be split by its groups
        or times (`split_target`).
    """
    theirs, alone, mine = counted_once(source.contents, target.contents)
    called = np.concatenate([source.labels[alone], target.labels[mine]])
    if kind == "numbers":
        parts = [source.labels[alone], target.labels[mine]]
        check_quantities(parts)
        names, answers = [], np.concatenate([quantities_of(part) for part in parts])
    else:
        names = [*classes] or sorted({*called.tolist()})
        number = {name: index for index, name in enumerate(names)}
        answers = np.array([number[name] for name in called.tolist()], np.int64)
    groups, group_names = numbered(*(_of(rows, part.groups) for part, rows in ((source, alone), (target, mine))))
    everything = Examples(np.arange(len(answers)), answers)
    there = replace(everything[: len(alone)], groups=groups[0])
    here = replace(everything[len(alone) :], groups=groups[1])
    strata = here.answers if names else np.zeros(len(here), np.int64)
    kinds, counts = np.unique(strata, return_counts=True)
    if names and len(kinds) < 2:
        raise SpecificationError(
            f"target.label: all of its {len(here)} {unit} are {names[kinds[0]]!r}; there must be two labels."
        )
    if counts.min() < 3:
        rare = names[kinds[counts.argmin()]]
        raise SpecificationError(
            f"target.label: {counts.min()} of its {unit} are {rare!r}; each label needs three, to learn from and to "
            "be scored on. rename leaves a label out."
        )
    split = split_target(there, here, _tested(counts), _of(mine, target.times), names, None if names else strata)
    facts = {
        f"source_{unit}": len(alone),
        f"target_{unit}": len(mine),
        f"test_{unit}": len(split.test),
        **facts_of_labels(names, source.labels[alone], target.labels),
        "source_doubles": len(source) - len(theirs),
        "target_doubles": len(target) - len(mine),
        "in_both": len(theirs) - len(alone),
        **facts_of_groups(split),
        **{f"source_{why}": count for why, count in source.dropped.items()},
        **{f"target_{why}": count for why, count in target.dropped.items()},
    }
    together = replace(split, answers=len(names) or 1, answer_names=tuple(names), group_names=group_names, facts=facts)
    return together, alone, mine


def _of(rows: list[int], known: np.ndarray | None) -> np.ndarray | None:
    return None if known is None else known[rows]


def _tested(counts: np.ndarray) -> int:
    """Two fifths of the examples, at most so many as tell a gap of a few points, at least one of each class."""
    return int(min(MOST_TESTED, max(len(counts), 0.4 * counts.sum())))
