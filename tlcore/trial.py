"""Carry out one trial: data, shared work, objective, metrics."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from tlcore.cancellation import never
from tlcore.results import TrialResult

if TYPE_CHECKING:
    from torch import Tensor

    from tlcore.experiment import Experiment, Trial
    from tlcore.methods.base import Method, Predict
    from tlcore.network import Network
    from tlcore.objective import Labelled, Problem, Schedule
    from tlcore.scenarios.base import Domains, Examples, Scenario


def needs_source_model(trial: Trial) -> bool:
    """Whether `prepare` should come before this trial."""
    return _method(trial).needs_source_model


def prepare(experiment: Experiment, seed: int, should_stop: Callable[[], bool] = never) -> None:
    """Train the source model of this seed unless it is kept already; trials that need it then only load it."""
    _source_model(experiment, seed, should_stop)


def execute(trial: Trial, should_stop: Callable[[], bool] = never) -> TrialResult:
    """Carry out a trial.

    Deterministic by specification and seed on a CPU: it computes on one thread, however many there are.

    Parameters
    ----------
    trial : Trial
    should_stop : callable
        Asked between batches.

    Returns
    -------
    TrialResult

    Raises
    ------
    Cancelled
        When ``should_stop`` said so.
    FloatingPointError
        When the objective diverges.
    """
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(1)
    threadpool_limits(1)  # numpy's linear algebra too
    began = time.perf_counter()
    experiment, method = trial.experiment, _method(trial)
    scenario = experiment.where
    domains = experiment.domains()
    training, validation = scenario.spend(domains.pool, trial.budget, trial.seed)
    if method.overrides("solve"):
        source = domains.source if "source" in method.trains_on else None
        solution = method.solve(source, training, domains.answers, trial.seed)
        fitted = _Fitted(solution.predict, len(training) + len(source or ()), note=solution.note)
    else:
        fitted = _train(method, scenario, domains, training, validation, trial, should_stop)
    metrics, examples = scenario.evaluate(fitted.predict, domains, training)
    metrics |= {
        "seconds": time.perf_counter() - began,
        "n_train": fitted.n_train,
        "trained_parameters": fitted.trained_parameters,
    }
    return TrialResult(metrics, fitted.curves, examples, fitted.note)


@dataclass
class _Fitted:
    """What a method made of its labelled examples."""

    predict: Predict
    n_train: int
    trained_parameters: int = 0
    curves: list[dict[str, float]] = field(default_factory=list)
    note: str = ""


def _train(
    method: Method,
    scenario: Scenario,
    domains: Domains,
    training: Examples,
    validation: Examples,
    trial: Trial,
    should_stop: Callable[[], bool],
) -> _Fitted:
    """Minimise the objective with the one loop."""
    from tlcore.objective import minimise, outputs_of

    device = trial.experiment.device
    source_model = _source_model(trial.experiment, trial.seed, should_stop) if method.needs_source_model else None
    space = _space(method, scenario, domains, source_model, trial)
    space.network = method.network(space.network, domains.source if "source" in method.trains_on else None, training)
    problem = _problem(method, scenario, domains, training, validation, source_model, space, device)
    network = space.network.to(device)
    curves = minimise(network, method, problem, _schedule(trial, method, scenario), trial.seed, should_stop)

    def predict(inputs: np.ndarray) -> np.ndarray:
        return outputs_of(network, space.of_target(inputs).to(device))[1].numpy()

    n_train = sum(len(domain) for domain in problem.labelled)
    return _Fitted(predict, n_train, _trained_parameters(network, method, len(curves)), curves)


@dataclass
class _Space:
    """Where a method meets its examples: φ for each domain, and the network on top of it at θ₀."""

    of_source: Callable[[np.ndarray], Tensor]
    of_target: Callable[[np.ndarray], Tensor]
    network: Network


def _space(method: Method, scenario: Scenario, domains: Domains, source_model: Network | None, trial: Trial) -> _Space:
    """Return φ and θ₀: the inputs themselves and a whole network, or the source model's features and a new head."""
    import torch

    from tlcore.network import linear_head

    torch.manual_seed(trial.seed)
    if not (method.on_features and source_model):
        network = source_model if method.starts_from == "source" and source_model else scenario.network(domains)
        return _Space(torch.from_numpy, torch.from_numpy, network)
    source, target = (_features(source_model, x) for x in (domains.source.inputs, domains.pool.inputs))
    of_source, of_target = method.feature_map(source, target) or (_unchanged, _unchanged)
    scale = np.sqrt(np.mean(source**2))  # one number: the head's step size then fits, and the geometry stays

    def mapped(rows_to_rows: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], Tensor]:
        return lambda inputs: torch.from_numpy(
            (rows_to_rows(_features(source_model, inputs)) / scale).astype(np.float32)
        )

    return _Space(mapped(of_source), mapped(of_target), linear_head(source.shape[1], source_model.head.out_features))


def _problem(
    method: Method,
    scenario: Scenario,
    domains: Domains,
    training: Examples,
    validation: Examples,
    source_model: Network | None,
    space: _Space,
    device: str,
) -> Problem:
    """Gather what the objective sums over, with the weights that the method gives."""
    import torch

    from tlcore.objective import Labelled, Problem

    def labelled(examples: Examples, inputs: Tensor, weights: np.ndarray, share: float) -> Labelled:
        mean_one = torch.from_numpy((weights / weights.mean()).astype(np.float32))
        return Labelled(inputs, torch.from_numpy(examples.answers), mean_one, share).to(device)

    both = {"source", "target"} <= set(method.trains_on) and len(training) > 0
    source = target = unlabelled = held_out = None
    if "source" in method.trains_on:
        examples, weights = domains.source, np.ones(len(domains.source))
        if source_model and method.overrides("weights"):
            seen = (_features(source_model, domain.inputs) for domain in (domains.source, domains.pool))
            weights = checked_weights(method.weights(*seen), len(examples))
            examples, weights = examples[weights > 0], weights[weights > 0]
        source = labelled(examples, space.of_source(examples.inputs), weights, method.source_share if both else 1.0)
    if "target" in method.trains_on and len(training):
        ones = np.ones(len(training))
        target = labelled(training, space.of_target(training.inputs), ones, 1 - method.source_share if both else 1.0)
    if method.overrides("transfer_loss"):
        unlabelled = space.of_target(domains.pool.inputs).to(device)
    if len(validation):
        held_out = labelled(validation, space.of_target(validation.inputs), np.ones(len(validation)), 1.0)
    return Problem(source, target, unlabelled, held_out, scenario.task_loss(domains))


def checked_weights(weights: np.ndarray | None, n: int) -> np.ndarray:
    """Return instance weights that the objective can use.

    Raises
    ------
    ValueError
        If they are not one finite number ≥ 0 for each source example, or all are zero.
    """
    weights = np.asarray(weights, dtype=float)
    if weights.shape != (n,) or not np.isfinite(weights).all() or weights.min() < 0 or weights.max() == 0:
        raise ValueError(f"weights: need {n} finite numbers >= 0, not all zero; got shape {weights.shape}")
    return weights


def _schedule(trial: Trial, method: Method, scenario: Scenario) -> Schedule:
    from tlcore.objective import Schedule

    experiment = trial.experiment
    return Schedule(
        epochs=experiment.epochs or scenario.epochs,
        max_steps=scenario.max_steps,
        batch_size=scenario.batch_size,
        lambda_=method.default_lambda if experiment.lambda_ is None else experiment.lambda_,
        beta=method.default_beta if experiment.beta is None else experiment.beta,
    )


def _source_model(experiment: Experiment, seed: int, should_stop: Callable[[], bool]) -> Network:
    """Return the scenario's network trained from scratch on the source, from the artefacts if it is there."""
    import torch

    from tlcore.artefacts import kept
    from tlcore.methods.baselines import FromScratch
    from tlcore.objective import Labelled, Problem, Schedule, minimise

    scenario = experiment.where
    schedule = Schedule(experiment.epochs or scenario.epochs, scenario.max_steps, scenario.batch_size, 0.0, 0.0)
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    domains = experiment.domains()
    network = scenario.network(domains).to(experiment.device)

    def train() -> dict[str, Tensor]:
        source = domains.source
        inputs, answers = torch.from_numpy(source.inputs), torch.from_numpy(source.answers)
        everything = Labelled(inputs, answers, torch.ones(len(source)), share=1.0).to(experiment.device)
        problem = Problem(everything, None, None, None, scenario.task_loss(domains))
        minimise(network, FromScratch(), problem, schedule, seed, should_stop)
        return network.state_dict()

    parts = (
        "source model",
        repr(scenario),
        experiment.source,
        experiment.target,
        schedule,
        seed,
        experiment.device,
    )
    network.load_state_dict(kept(parts, train))
    return network.cpu()


def _features(model: Network, inputs: np.ndarray) -> np.ndarray:
    """φ(x) of the source model, float64 (n, F)."""
    import torch

    from tlcore.objective import outputs_of

    return outputs_of(model, torch.from_numpy(inputs))[0].double().numpy()


def _trained_parameters(network: Network, method: Method, epochs: int) -> int:
    """How many numbers of the network this trial moved."""
    groups = network.groups
    most = max((method.trainable_groups(epoch, len(groups)) for epoch in range(epochs)), default=0)
    return sum(parameter.numel() for group in groups[:most] for parameter in group.parameters())


def _method(trial: Trial) -> Method:
    from tlcore.methods import METHODS

    return METHODS[trial.method.name].configure(trial.method.settings)


def _unchanged(rows: np.ndarray) -> np.ndarray:
    return rows
