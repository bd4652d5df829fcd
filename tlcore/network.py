"""The shape of every network here: a body in groups, and a head."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

AT_ONCE = 1024
"""Rows that go through layers together, unless these say otherwise."""


def _every(_name: str) -> bool:
    return True


class Network(nn.Module):
    """A body that computes features φ(x), and a head that answers from them.

    Parameters
    ----------
    body : sequence of nn.Module
        Groups of layers, input first; what "unfreeze one more group" counts. A module that is several groups itself
        lists them as its ``groups``, input first.
    head : nn.Module
        From what the body makes of inputs to outputs (n, ...): a linear layer from features (n, F) to (n, K), or what
        reads the body's maps, packed into one row (n, P).
    rates : mapping of int to float
        How long a step of some parameters is, by their ``id``, as a share of the others': what is pretrained wants
        small steps.
    pool : nn.Module, optional
        From what the body makes of inputs to one row of features an example (n, F), with their number as ``features``;
        None: it is that already.
    """

    def __init__(
        self,
        body: Sequence[nn.Module],
        head: nn.Module,
        rates: Mapping[int, float] | None = None,
        pool: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.body = nn.Sequential(*body)
        self.head = head
        self.rates = dict(rates or {})
        self.pooled = nn.Identity() if pool is None else pool

    @property
    def features(self) -> int:
        """F, how many features there are."""
        if isinstance(self.pooled, nn.Identity):
            return self.linear.in_features
        assert isinstance(self.pooled.features, int)
        return self.pooled.features

    @property
    def linear(self) -> nn.Linear:
        """The head, for whoever needs it to be linear in features."""
        assert isinstance(self.head, nn.Linear)
        return self.head

    @property
    def groups(self) -> list[nn.Module]:
        """The groups that can be frozen apart, head first. Those without parameters are left out."""
        within = [group for module in self.body for group in getattr(module, "groups", [module])]
        return [self.head, *(group for group in reversed(within) if next(group.parameters(), None) is not None)]

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return features (n, F) and outputs (n, ...)."""
        made = self.body(inputs)
        return self.pooled(made), self.head(made)

    def train_groups(self, count: int, moves: Callable[[str], bool] = _every, head: bool = True) -> None:
        """Let the first ``count`` groups from the head train, and freeze the others.

        A frozen group is in evaluation mode, so that batch statistics do not drift either. Of the body's groups only
        the parameters train whose name ``moves``; the head does unless ``head`` is off.
        """
        for index, group in enumerate(self.groups):
            group.train(index < count)
            for name, parameter in group.named_parameters():
                parameter.requires_grad_(index < count and (head if group is self.head else moves(name)))

    def cut(self, count: int) -> tuple[nn.Sequential, Network]:
        """Cut off the part of the body that stays frozen when ``count`` groups from the head train.

        Returns
        -------
        nn.Sequential
            The frozen part; its outputs are what the other takes.
        Network
            The rest. It shares its parameters with this one, so training it trains both.
        """
        if count >= len(self.groups):
            return nn.Sequential(), self
        trained = {id(group) for group in self.groups[1:count]}
        mine = [any(id(group) in trained for group in getattr(module, "groups", [module])) for module in self.body]
        first = mine.index(True) if any(mine) else len(mine)
        rest = [*self.body[first:]] or [nn.Identity()]
        return self.body[:first], Network(rest, self.head, self.rates, self.pooled)

    def headed_anew(self) -> Network:
        """Return what is left when the body is frozen: the same head, randomly started, on what the body makes."""
        head = copy.deepcopy(self.head)
        for part in [head] if hasattr(head, "reset_parameters") else head.modules():
            if callable(start := getattr(part, "reset_parameters", None)):
                start()
        return Network([nn.Identity()], head, pool=self.pooled)


def size_of(module: nn.Module) -> int:
    """Return how many parameters a module has."""
    return sum(parameter.numel() for parameter in module.parameters())


def at_once(modules: Iterable[nn.Module]) -> int:
    """Return how many rows should go through layers together where no gradient is asked for, as they say themselves."""
    return min([getattr(module, "at_once", AT_ONCE) for module in modules], default=AT_ONCE)


class Residual(nn.Module):
    """z + U·ReLU(D·z): a bottleneck beside the identity, which it is as long as U is zero, at the start.

    Houlsby et al., Parameter-efficient transfer learning for NLP, ICML 2019.
    """

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(features, width), nn.Linear(width, features, bias=False)
        nn.init.zeros_(self.up.weight)

    def forward(self, features: Tensor) -> Tensor:
        """From (n, ..., F) to the same shape."""
        return features + self.up(self.down(features).relu())


class Modulation(nn.Module):
    """γ ⊙ z + δ, which is z at the start."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.scale, self.shift = nn.Parameter(torch.ones(features)), nn.Parameter(torch.zeros(features))

    def forward(self, features: Tensor) -> Tensor:
        """From (n, F) to the same shape."""
        return features * self.scale + self.shift


class Scale(nn.Module):
    """s·z, for one number s."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, features: Tensor) -> Tensor:
        """From (n, F) to the same shape."""
        return features * self.scale
