"""Where a method meets its examples: φ for each domain, and θ₀."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from tlcore.methods.base import Seen
from tlcore.trial.given import together
from tlcore.trial.source_model import below_the_head, features, from_source, tensor

if TYPE_CHECKING:
    from torch import Tensor, nn

    from tlcore.examples import Examples
    from tlcore.network import Network
    from tlcore.trial.given import Given


def seen_by(given: Given) -> tuple[Seen, Callable[[np.ndarray], np.ndarray]]:
    """Return what hooks in closed form may look at, and the map that turned inputs into its rows."""
    method, domains, scenario = given.method, given.domains, given.scenario
    rows_of = _rows_of(given)
    training = together(given.training, given.validation)
    none = rows_of(domains.test.inputs[:1])[:0]  # not every map takes no rows at all

    def shown(examples: Examples) -> Examples:
        return replace(examples, inputs=rows_of(examples.inputs) if len(examples) else none)

    source = shown(domains.source if method.needs_source_data else domains.source[:0])
    unlabelled = shown(domains.pool if method.needs_unlabelled else domains.pool[:0]).inputs

    lend = partial(given.task.learner, domains=domains, seed=given.trial.seed)
    classify = lend(scenario.classifies_with, setting=scenario.classifier_setting)
    seen = Seen(source, shown(training), domains.answers, given.trial.seed, unlabelled, classify, lend)
    return seen, rows_of


def _rows_of(given: Given) -> Callable[[np.ndarray], np.ndarray]:
    """Return the map from inputs to what hooks in closed form are given: φ, a classical learner's rows, or the same."""
    method, scenario = given.method, given.scenario
    if method.on_raw:
        raw = scenario.raw(given.domains)
        return (lambda inputs: _dense(raw(inputs))) if method.needs_every_cell else raw
    if scenario.classifies_with:
        return _dense if method.needs_every_cell else unchanged
    if method.on_features or method.overrides("weights"):
        model = from_source(given.trial.experiment, given.domains, given.trial.seed, given.should_stop, method)[0]
        size = _size(model, given)
        return lambda inputs: features(model, inputs) / size
    return unchanged


def _size(model: Network, given: Given) -> float:
    """How large the source model's features are.

    Divided by it, they fit the head's steps and any method's settings; being one number it leaves the geometry.
    """
    known = next(part for part in (given.domains.source, given.training, given.domains.pool) if len(part))
    return float(np.sqrt(np.mean(features(model, known.inputs) ** 2)))


def _dense(rows: Any) -> np.ndarray:
    """Return a table's rows as they are, in float64; of a sparse one all cells."""
    rows = rows.toarray() if hasattr(rows, "toarray") else rows
    return rows.astype(np.float64)


def unchanged(rows: np.ndarray) -> np.ndarray:
    """Return rows as they are."""
    return rows


@dataclass
class Space:
    """Where a method meets its examples: φ for each domain, and the network on top of it at θ₀.

    ``below`` are layers that compute the target's φ; None where it is a map outside any network.
    """

    of_source: Callable[[np.ndarray], Tensor]
    of_target: Callable[[np.ndarray], Tensor]
    below: nn.Sequential | None
    network: Network

    def above(self, network: Network, most: int, device: str, should_stop: Callable[[], bool]) -> Space:
        """Return the space in which only what trains is left of a network: what is frozen has become part of φ."""
        from torch import nn

        from tlcore.activations import activations

        frozen, rest = network.cut(most)

        def lifted(embed: Callable[[np.ndarray], Tensor]) -> Callable[[np.ndarray], Tensor]:
            return lambda inputs: activations(frozen, embed(inputs).to(device), should_stop)

        below = None if self.below is None else nn.Sequential(*self.below, *frozen)
        return Space(lifted(self.of_source), lifted(self.of_target), below, rest)

    @property
    def layers(self) -> nn.Sequential | None:
        """All that leads from the target's inputs to the outputs."""
        from torch import nn

        return None if self.below is None else nn.Sequential(*self.below, *self.network.body, self.network.head)


def space_of(given: Given, model: Network | None) -> Space:
    """Return φ and θ₀: the inputs themselves and a whole network, or the source model's features and a new head."""
    import torch
    from torch import nn

    from tlcore.network import Network, Scale

    method, domains = given.method, given.domains
    torch.manual_seed(given.trial.seed)
    if not (method.on_features and model):
        network = model if method.starts_from == "source" and model else None
        network = network or (given.scenario.small_network if method.small else given.scenario.network)(domains)
        return Space(tensor, tensor, nn.Sequential(), network)
    seen, rows_of = seen_by(given)
    maps = method.feature_map(seen) if method.overrides("feature_map") else None
    size = _size(model, given)

    def rows(place: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], Tensor]:
        return lambda inputs: torch.from_numpy(place(inputs).astype(np.float32))

    if maps is None:
        place = rows(lambda inputs: below_the_head(model, inputs) / size)
        return Space(place, place, nn.Sequential(*model.body, Scale(1 / size)), model.headed_anew())
    of_source, of_target = maps
    there, here = rows(lambda inputs: of_source(rows_of(inputs))), rows(lambda inputs: of_target(rows_of(inputs)))
    width = here(domains.test.inputs[:1]).shape[1]
    return Space(there, here, None, Network([nn.Identity()], given.task.head(width, domains)))
