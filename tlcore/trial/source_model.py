"""θ₀ of what starts from the source, and what it makes of an input."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from tlcore.forgotten import score

if TYPE_CHECKING:
    from torch import Tensor

    from tlcore.examples import Domains
    from tlcore.experiment import Experiment
    from tlcore.methods.base import Method
    from tlcore.network import Network

BEFORE = "score on the source"
"""What the source model's own score is called beside its parameters."""


def source_model(experiment: Experiment, domains: Domains, seed: int, should_stop: Callable[[], bool]) -> Network:
    """Return the model of the source."""
    return from_source(experiment, domains, seed, should_stop)[0]


def from_source(
    experiment: Experiment, domains: Domains, seed: int, should_stop: Callable[[], bool], method: Method | None = None
) -> tuple[Network, float | None]:
    """Return θ₀ of what starts from the source: the scenario's start trained on it, from the artefacts if it is there.

    And what it scores on the source examples set aside, if there are any.

    A method may learn it in a way of its own (`Method.meta_learn`).
    Where there is nothing to learn it from, as the source is a pretraining of others without an example here, or its
    examples have no labels, it is the start itself.
    """
    import torch

    from tlcore.activations import activations
    from tlcore.artefacts import kept
    from tlcore.methods.baselines import FromScratch
    from tlcore.objective import Labelled, Problem, Schedule, minimise, outputs_of

    scenario, task, before = experiment.where, experiment.task, None
    own = method if method and method.overrides("meta_learn") else None
    torch.manual_seed(seed)
    network = scenario.start(domains).to(experiment.device)
    free = scenario.free_groups(len(network.groups))
    pace = scenario.pace(free)
    schedule = Schedule(experiment.epochs or pace.epochs, pace.max_steps, pace.batch_size, 0.0, 0.0)
    frozen, rest = network.cut(free)

    def train() -> dict[str, Tensor]:
        source = domains.source
        inputs = activations(frozen, tensor(source.inputs).to(experiment.device), should_stop)
        if own:
            answers = torch.from_numpy(source.answers).to(experiment.device)
            own.meta_learn(rest, inputs, answers, seed, should_stop)
            return rest.state_dict()
        everything = Labelled(inputs, torch.from_numpy(source.answers), torch.ones(len(source)), share=1.0)
        problem = Problem(everything.to(experiment.device), None, None, None, task.loss(domains))
        minimise(rest, FromScratch(), problem, schedule, seed, should_stop)
        return rest.state_dict() | known()

    def known() -> dict[str, Tensor]:
        if domains.source_aside is None:
            return {}

        def predict(inputs: np.ndarray) -> np.ndarray:
            below = activations(frozen, torch.from_numpy(inputs).to(experiment.device), should_stop)
            return outputs_of(rest, below)[1].numpy()

        return {BEFORE: torch.tensor(score(task, predict, domains), dtype=torch.float64)}

    if len(domains.source) and (own or domains.source.known.any()):
        parts = (
            "source model",
            repr(scenario),
            experiment.source,
            experiment.target,
            len(domains.source),
            schedule,
            seed,
            experiment.device,
            *([own.name, own.model_dump()] if own else []),
        )
        found = kept(parts, train)
        before = found.pop(BEFORE, None)
        rest.load_state_dict(found)
    return network.cpu(), None if before is None else float(before)


def features(model: Network, inputs: np.ndarray) -> np.ndarray:
    """φ(x) of the source model, one row of features an example, float64 (n, F)."""
    return model.pooled(_activations(model, inputs)).double().numpy()


def below_the_head(model: Network, inputs: np.ndarray) -> np.ndarray:
    """What the source model's head is given, float64 (n, ...)."""
    return _activations(model, inputs).double().numpy()


def _activations(model: Network, inputs: np.ndarray) -> Tensor:
    from tlcore.activations import activations

    return activations(model.body, tensor(inputs))


def tensor(inputs: Any) -> Tensor:
    """Return what a network is given; of sparse rows all cells."""
    import torch

    return torch.from_numpy(inputs.toarray() if hasattr(inputs, "toarray") else inputs)
