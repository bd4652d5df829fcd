"""A method learns: by choosing another, by its own solver, by the scenario's classifier or by the one loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tlcore.forgotten import can_forget
from tlcore.splits import groups_of
from tlcore.trial.choose import choose
from tlcore.trial.fitted import Fitted
from tlcore.trial.given import stacked
from tlcore.trial.source_model import from_source
from tlcore.trial.space import seen_by, space_of, unchanged

if TYPE_CHECKING:
    from torch import Tensor

    from tlcore.examples import Examples, Predict
    from tlcore.methods.base import Method, Seen
    from tlcore.network import Network
    from tlcore.objective import Labelled, Problem, Schedule
    from tlcore.trial.given import Given
    from tlcore.trial.space import Space


def fit(given: Given) -> Fitted:
    """Let a method learn: by choosing another, by its own solver, by the scenario's classifier or by the one loop."""
    method = given.method
    if method.chooses:
        return choose(given, fit)
    if method.overrides("solve"):
        return _solve(given)
    return _classify(given) if given.scenario.classifies_with and method.data_alone else _train(given)


def _solve(given: Given) -> Fitted:
    """Let a method's own solver learn."""
    seen, rows_of = seen_by(given)
    solution = given.method.solve(seen)
    n_train = len(seen.source) + len(seen.target)
    note = _noted(solution.note, seen)
    return Fitted(lambda inputs: solution.predict(rows_of(inputs)), n_train, note=note, metrics=solution.metrics)


def _noted(said: str, seen: Seen) -> str:
    """Return a note with what the lent learner has to say, if it was asked for anything."""
    return "; ".join(filter(None, [said, getattr(seen.classify, "note", "")]))


def _classify(given: Given) -> Fitted:
    """Let the scenario's classifier learn from what a method chooses: examples, φ and wᵢ."""
    method = given.method
    seen, rows_of = seen_by(given)
    of_source, of_target = (method.feature_map(seen) if method.overrides("feature_map") else None) or (unchanged,) * 2
    parts = [(seen.target, of_target, np.ones(len(seen.target)), 1 - method.source_share)]
    if "target" not in method.trains_on:
        parts = []
    weights = _weights(method, seen)
    if "source" in method.trains_on:
        counts = np.ones(len(seen.source)) if weights is None else weights
        parts.append((seen.source, of_source, counts, method.source_share))
    parts = [part for part in parts if len(part[0])]
    rows = stacked([of_domain(examples.inputs) for examples, of_domain, _, _ in parts])
    answers = np.concatenate([examples.answers for examples, *_ in parts])
    shares = [counts / counts.sum() * share for _, _, counts, share in parts]
    groups = groups_of(*(examples for examples, *_ in parts))
    predict = seen.classify(rows, answers, np.concatenate(shares), groups)
    n_train = sum(int((one > 0).sum()) for one in shares)
    note = _noted(method.note(seen), seen)
    fitted = Fitted(lambda inputs: predict(of_target(rows_of(inputs))), n_train, note=note)
    return fitted.weighted(weights, len(seen.source))


def _train(given: Given) -> Fitted:
    """Minimise the objective with the one loop."""
    from tlcore.objective import minimise, outputs_of

    method, trial, scenario = given.method, given.trial, given.scenario
    device = trial.experiment.device
    source_model = before = None
    if method.needs_source_model:
        source_model, before = from_source(trial.experiment, given.domains, trial.seed, given.should_stop, method)
    space = space_of(given, source_model)
    source = _in_cells(given.domains.source) if "source" in method.trains_on else None
    network = method.network(space.network, source, _in_cells(given.training))
    groups = len(network.groups)
    most = min(
        method.trainable_groups(10**6, groups),
        scenario.free_groups(groups) if source_model and "source" in method.trains_on else groups,
    )
    space = space.above(network.to(device), most, device, given.should_stop)
    looks = any(method.overrides(hook) for hook in ("weights", "note"))
    seen = seen_by(given)[0] if looks else None
    weights = None if seen is None else _weights(method, seen)
    problem = _problem(given, weights, space)
    schedule = _schedule(given, most)
    curves = minimise(space.network, method, problem, schedule, trial.seed, given.should_stop, given.report)

    def answers(place: Callable[[np.ndarray], Tensor]) -> Predict:
        return lambda inputs: outputs_of(space.network, place(inputs))[1].numpy()

    def embedded(place: Callable[[np.ndarray], Tensor]) -> Callable[[np.ndarray], np.ndarray]:
        return lambda inputs: outputs_of(space.network, place(inputs))[0].numpy()

    embed = embedded(space.of_source), embedded(space.of_target)
    n_train = sum(len(domain) for domain in problem.labelled)
    trained = _trained_parameters(space.network, method, len(curves))
    note = method.note(seen) if seen else ""
    fitted = Fitted(answers(space.of_target), n_train, space.layers, trained, curves, note, embed=embed)
    if can_forget(method):
        fitted = replace(fitted, source_before=before, of_source=answers(space.of_source))
    return fitted.weighted(weights, len(given.domains.source))


def _problem(given: Given, source_weights: np.ndarray | None, space: Space) -> Problem:
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
        if source_weights is not None:
            examples, weights = examples[source_weights > 0], source_weights[source_weights > 0]
        source = labelled(examples, space.of_source(examples.inputs), weights, method.source_share if both else 1.0)
    if "target" in method.trains_on and len(training):
        ones = np.ones(len(training))
        target = labelled(training, space.of_target(training.inputs), ones, 1 - method.source_share if both else 1.0)
    if method.overrides("transfer_loss"):
        unlabelled = space.of_target(domains.pool.inputs).to(device)
    if len(validation):
        held_out = labelled(validation, space.of_target(validation.inputs), np.ones(len(validation)), 1.0)
    return Problem(source, target, unlabelled, held_out, given.task.loss(domains))


def _weights(method: Method, seen: Seen) -> np.ndarray | None:
    return checked_weights(method.weights(seen), len(seen.source)) if method.overrides("weights") else None


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


def _schedule(given: Given, groups: int) -> Schedule:
    from tlcore.objective import Schedule

    method, experiment, pace = given.method, given.trial.experiment, given.scenario.pace(groups)
    longer = given.scenario.longer if method.starts_from == "random" and not method.needs_source_model else 1
    return Schedule(
        epochs=method.epochs or experiment.epochs or longer * pace.epochs,
        max_steps=longer * pace.max_steps,
        batch_size=pace.batch_size,
        lambda_=method.lambda_at_rest if experiment.lambda_ is None else experiment.lambda_,
        beta=method.default_beta if experiment.beta is None else experiment.beta,
    )


def _trained_parameters(network: Network, method: Method, epochs: int) -> int:
    """How many numbers of the network this trial moved."""
    groups = network.groups
    most = max((method.trainable_groups(epoch, len(groups)) for epoch in range(epochs)), default=0)
    return sum(
        parameter.numel()
        for group in groups[:most]
        for name, parameter in group.named_parameters()
        if (method.head_moves if group is network.head else method.moves(name))
    )


def _in_cells(examples: Examples) -> Examples:
    """Return examples whose rows, if they are sparse, are written out."""
    rows: Any = examples.inputs
    return replace(examples, inputs=rows.toarray()) if hasattr(rows, "toarray") else examples
