"""Carry out one trial: data, shared work, objective, metrics."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np

from tlcore.cancellation import never, unheard
from tlcore.errors import SpecificationError
from tlcore.results import Explanation, TrialResult

if TYPE_CHECKING:
    from torch import Tensor, nn

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
    _on_one_thread()
    _source_model(experiment, experiment.domains(), seed, should_stop)


def execute(
    trial: Trial, should_stop: Callable[[], bool] = never, report: Callable[[float], None] = unheard
) -> TrialResult:
    """Carry out a trial.

    Deterministic by specification and seed on a CPU: it computes on one thread, however many there are.

    Parameters
    ----------
    trial : Trial
    should_stop : callable
        Asked between batches.
    report : callable
        Told now and then how far the trial has come, up to 1.

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
    _on_one_thread()
    began = time.perf_counter()
    given = _given(trial, trial.experiment.domains(), should_stop, report)
    fitted = _fit(given)
    metrics, examples = given.scenario.evaluate(fitted.predict, given.domains, given.training)
    metrics |= {
        "seconds": time.perf_counter() - began,
        "n_train": fitted.n_train,
        "trained_parameters": fitted.trained_parameters,
    }
    return TrialResult(metrics, fitted.curves, examples, fitted.note)


def explain(trial: Trial, row: int, should_stop: Callable[[], bool] = never) -> Explanation:
    """Say what a trial's answer to one test example rests on, where the scenario can (`Scenario.explains`).

    The trial is carried out again, as its model was not kept; being deterministic it gives the same answer.

    Parameters
    ----------
    trial : Trial
    row : int
        The example's place among the test examples.
    should_stop : callable
        Asked between batches.

    Raises
    ------
    SpecificationError
        If there is no such test example.
    """
    _on_one_thread()
    scenario, domains = trial.experiment.where, trial.experiment.domains()
    if not 0 <= row < len(domains.test):
        raise SpecificationError(f"row: {row} is out of range. Allowed: 0 to {len(domains.test) - 1}.")
    domains = scenario.with_variants(domains, row)
    fitted = _fit(_given(trial, domains, should_stop))
    return scenario.explain(fitted.predict, fitted.layers, domains, row)


def _on_one_thread() -> None:
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(1)
    threadpool_limits(1)  # numpy's linear algebra too


@dataclass(frozen=True)
class _Given:
    """What a method has to learn with."""

    method: Method
    trial: Trial
    scenario: Scenario
    domains: Domains
    training: Examples
    validation: Examples
    should_stop: Callable[[], bool]
    report: Callable[[float], None]

    def part(self, number: int, of: int, **changes: Any) -> _Given:
        """Return the same with changes, for one of several pieces of work that follow each other."""
        return replace(self, report=lambda share: self.report((number + share) / of), **changes)


def _given(
    trial: Trial, domains: Domains, should_stop: Callable[[], bool], report: Callable[[float], None] = unheard
) -> _Given:
    scenario = trial.experiment.where
    training, validation = scenario.spend(domains.pool, trial.budget, trial.seed)
    return _Given(_method(trial), trial, scenario, domains, training, validation, should_stop, report)


@dataclass
class _Fitted:
    """What a method made of its labelled examples.

    ``layers`` compute what ``predict`` does with gradients all the way; None where the method's answers have none.
    """

    predict: Predict
    n_train: int
    layers: nn.Sequential | None = None
    trained_parameters: int = 0
    curves: list[dict[str, float]] = field(default_factory=list)
    note: str = ""


def _fit(given: _Given) -> _Fitted:
    """Let a method learn: by choosing another, by its own solver, or by the one loop."""
    if given.method.chooses:
        return _choose(given)
    return _solve(given) if given.method.overrides("solve") else _train(given)


def _choose(given: _Given) -> _Fitted:
    """Let the scenario's candidates learn from parts of the budget; the best on the rest learns from all of it."""
    from tlcore.methods import METHODS

    scenario, metric = given.scenario, given.scenario.metrics[given.trial.experiment.metric]
    names = scenario.contenders(given.trial.budget)
    candidates = {name: replace(given, method=METHODS[name]()) for name in names}
    folds = scenario.folds(_together(given.training, given.validation), given.trial.seed)
    best, note = names[0], f"{names[0]}, unchosen"
    if folds:
        found = _held_out_scores(given, candidates, folds)
        ranked = sorted(found, key=lambda name: -found[name] if metric.higher_is_better else found[name])
        best = ranked[0]
        note = f"{best}: held-out {metric.name} " + ", ".join(f"{name} {found[name]:.3f}" for name in ranked)
    pieces = len(candidates) * len(folds)
    return replace(_fit(candidates[best].part(pieces, pieces + 1)), note=note)


def _held_out_scores(
    given: _Given, candidates: dict[str, _Given], folds: list[tuple[Examples, Examples]]
) -> dict[str, float]:
    """Return what each candidate reaches on what is held out, from the artefacts if it was found out before."""
    import torch

    from tlcore.artefacts import kept

    scenario, experiment, none = given.scenario, given.trial.experiment, given.validation[np.empty(0, int)]

    def score(candidate: _Given, learned: Examples, held_out: Examples) -> float:
        fitted = _fit(candidate.part(next(number), 1 + len(candidates) * len(folds), training=learned, validation=none))
        rest = replace(given.domains, test=held_out)
        return scenario.evaluate(fitted.predict, rest, learned)[0][experiment.metric]

    number = count()

    def scores() -> dict[str, Tensor]:
        return {
            name: torch.tensor(np.mean([score(candidate, *fold) for fold in folds]))
            for name, candidate in candidates.items()
        }

    of_experiment = experiment.model_dump(exclude={"name", "description", "methods", "budgets", "seeds", "margin"})
    parts = ("choice", repr(scenario), of_experiment, [*candidates], given.trial.budget, given.trial.seed)
    found = kept(parts, scores)
    return {name: float(found[name]) for name in candidates}


def _solve(given: _Given) -> _Fitted:
    """Let a method's own solver learn."""
    method, domains = given.method, given.domains
    training = _together(given.training, given.validation)
    seen = given.scenario.raw(domains) if method.on_raw else _unchanged
    source = domains.source if "source" in method.trains_on else None
    solution = method.solve(
        source and replace(source, inputs=seen(source.inputs)),
        replace(training, inputs=seen(training.inputs)),
        domains.answers,
        given.trial.seed,
    )
    return _Fitted(lambda inputs: solution.predict(seen(inputs)), len(training) + len(source or ()), note=solution.note)


def _together(training: Examples, validation: Examples) -> Examples:
    """Return all that the budget bought, for a method that does not stop early."""
    if not len(validation):
        return training
    parts = (training, validation)
    return replace(
        training,
        inputs=np.concatenate([part.inputs for part in parts]),
        answers=np.concatenate([part.answers for part in parts]),
    )


def _train(given: _Given) -> _Fitted:
    """Minimise the objective with the one loop."""
    from tlcore.objective import minimise, outputs_of

    method, trial, scenario = given.method, given.trial, given.scenario
    device = trial.experiment.device
    source_model = None
    if method.needs_source_model:
        source_model = _source_model(trial.experiment, given.domains, trial.seed, given.should_stop)
    space = _space(given, source_model)
    source = given.domains.source if "source" in method.trains_on else None
    network = method.network(space.network, source, given.training)
    groups = len(network.groups)
    most = min(
        method.trainable_groups(10**6, groups),
        scenario.free_groups(groups) if source_model and "source" in method.trains_on else groups,
    )
    space = space.above(network.to(device), most, device, given.should_stop)
    problem = _problem(given, source_model, space)
    schedule = _schedule(given, most)
    curves = minimise(space.network, method, problem, schedule, trial.seed, given.should_stop, given.report)

    def predict(inputs: np.ndarray) -> np.ndarray:
        return outputs_of(space.network, space.of_target(inputs))[1].numpy()

    n_train = sum(len(domain) for domain in problem.labelled)
    trained = _trained_parameters(space.network, method, len(curves))
    return _Fitted(predict, n_train, space.layers, trained, curves)


@dataclass
class _Space:
    """Where a method meets its examples: φ for each domain, and the network on top of it at θ₀.

    ``below`` are layers that compute the target's φ; None where it is a map outside any network.
    """

    of_source: Callable[[np.ndarray], Tensor]
    of_target: Callable[[np.ndarray], Tensor]
    below: nn.Sequential | None
    network: Network

    def above(self, network: Network, most: int, device: str, should_stop: Callable[[], bool]) -> _Space:
        """Return the space in which only what trains is left of a network: what is frozen has become part of φ."""
        from torch import nn

        from tlcore.activations import activations

        frozen, rest = network.cut(most)

        def lifted(embed: Callable[[np.ndarray], Tensor]) -> Callable[[np.ndarray], Tensor]:
            return lambda inputs: activations(frozen, embed(inputs).to(device), should_stop)

        below = None if self.below is None else nn.Sequential(*self.below, *frozen)
        return _Space(lifted(self.of_source), lifted(self.of_target), below, rest)

    @property
    def layers(self) -> nn.Sequential | None:
        """All that leads from the target's inputs to the outputs."""
        from torch import nn

        return None if self.below is None else nn.Sequential(*self.below, *self.network.body, self.network.head)


def _space(given: _Given, source_model: Network | None) -> _Space:
    """Return φ and θ₀: the inputs themselves and a whole network, or the source model's features and a new head."""
    import torch
    from torch import nn

    from tlcore.network import linear_head

    method, domains = given.method, given.domains
    torch.manual_seed(given.trial.seed)
    if not (method.on_features and source_model):
        network = source_model if method.starts_from == "source" and source_model else None
        network = network or (given.scenario.small_network if method.small else given.scenario.network)(domains)
        return _Space(torch.from_numpy, torch.from_numpy, nn.Sequential(), network)
    seen = _features(source_model, (domains.source if len(domains.source) else given.training).inputs)
    maps = None
    if method.overrides("feature_map"):
        maps = method.feature_map(seen, _features(source_model, domains.pool.inputs))
    of_source, of_target = maps or (_unchanged, _unchanged)

    def mapped(rows_to_rows: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], Tensor]:
        return lambda inputs: torch.from_numpy(rows_to_rows(_features(source_model, inputs)).astype(np.float32))

    # Divided by their size: the head's steps then fit, and being one number it leaves the geometry.
    head = linear_head(seen.shape[1], source_model.head.out_features, scale=1 / np.sqrt(np.mean(seen**2)))
    return _Space(mapped(of_source), mapped(of_target), source_model.body if maps is None else None, head)


def _problem(given: _Given, source_model: Network | None, space: _Space) -> Problem:
    """Gather what the objective sums over, with the weights that the method gives."""
    import torch

    from tlcore.objective import Labelled, Problem

    method, domains, training, validation = given.method, given.domains, given.training, given.validation
    device = given.trial.experiment.device

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
    return Problem(source, target, unlabelled, held_out, given.scenario.task_loss(domains))


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


def _schedule(given: _Given, groups: int) -> Schedule:
    from tlcore.objective import Schedule

    method, experiment, pace = given.method, given.trial.experiment, given.scenario.pace(groups)
    return Schedule(
        epochs=experiment.epochs or pace.epochs,
        max_steps=pace.max_steps,
        batch_size=pace.batch_size,
        lambda_=method.default_lambda if experiment.lambda_ is None else experiment.lambda_,
        beta=method.default_beta if experiment.beta is None else experiment.beta,
    )


def _source_model(experiment: Experiment, domains: Domains, seed: int, should_stop: Callable[[], bool]) -> Network:
    """Return θ₀ of what starts from the source: the scenario's start trained on it, from the artefacts if it is there.

    Where the source is a pretraining of others, without an example here, it is the start itself.
    """
    import torch

    from tlcore.activations import activations
    from tlcore.artefacts import kept
    from tlcore.methods.baselines import FromScratch
    from tlcore.objective import Labelled, Problem, Schedule, minimise

    scenario = experiment.where
    torch.manual_seed(seed)
    network = scenario.start(domains).to(experiment.device)
    free = scenario.free_groups(len(network.groups))
    pace = scenario.pace(free)
    schedule = Schedule(experiment.epochs or pace.epochs, pace.max_steps, pace.batch_size, 0.0, 0.0)
    frozen, rest = network.cut(free)

    def train() -> dict[str, Tensor]:
        source = domains.source
        inputs = activations(frozen, torch.from_numpy(source.inputs).to(experiment.device), should_stop)
        everything = Labelled(inputs, torch.from_numpy(source.answers), torch.ones(len(source)), share=1.0)
        problem = Problem(everything.to(experiment.device), None, None, None, scenario.task_loss(domains))
        minimise(rest, FromScratch(), problem, schedule, seed, should_stop)
        return rest.state_dict()

    if len(domains.source):
        parts = (
            "source model",
            repr(scenario),
            experiment.source,
            experiment.target,
            schedule,
            seed,
            experiment.device,
        )
        rest.load_state_dict(kept(parts, train))
    return network.cpu()


def _features(model: Network, inputs: np.ndarray) -> np.ndarray:
    """φ(x) of the source model, float64 (n, F)."""
    import torch

    from tlcore.activations import activations

    return activations(model.body, torch.from_numpy(inputs)).double().numpy()


def _trained_parameters(network: Network, method: Method, epochs: int) -> int:
    """How many numbers of the network this trial moved."""
    groups = network.groups
    most = max((method.trainable_groups(epoch, len(groups)) for epoch in range(epochs)), default=0)
    return sum(
        parameter.numel()
        for group in groups[:most]
        for name, parameter in group.named_parameters()
        if group is network.head or method.moves(name)
    )


def _method(trial: Trial) -> Method:
    from tlcore.methods import METHODS

    return METHODS[trial.method.name].configure(trial.method.settings)


def _unchanged(rows: np.ndarray) -> np.ndarray:
    return rows
