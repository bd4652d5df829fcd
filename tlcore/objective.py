"""The transfer objective, and the one loop that minimises it for every method and every scenario.

    min over θ of   Σ wᵢ · L(yᵢ, f(φ(xᵢ); θ))  +  λ · R(θ)  +  β · L_T(θ),     starting at θ₀, with some of θ frozen

The sum is a weighted mean: within a domain the weights are scaled to a mean of one, and where both domains are
labelled the source's mean counts ``source_share`` and the target's the rest, so that five thousand source
examples do not drown fifty target ones.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tlcore.cancellation import Cancelled, never, unheard
from tlcore.methods.base import Batch, Method, Present
from tlcore.network import Network, at_once

PATIENCE = 20  # epochs without a lower validation loss before training stops


@dataclass
class Labelled:
    """Labelled examples of one domain.

    Attributes
    ----------
    inputs : Tensor, shape (n, ...)
    answers : Tensor, shape (n, ...)
    weights : Tensor, shape (n,)
        wᵢ ≥ 0, not all zero.
    share : float
        How much this domain's weighted mean counts in the sum; the shares of all domains add up to one.
    """

    inputs: Tensor
    answers: Tensor
    weights: Tensor
    share: float

    def __len__(self) -> int:
        return len(self.answers)

    def to(self, device: str) -> Labelled:
        """Return the same examples on another device."""
        return Labelled(self.inputs.to(device), self.answers.to(device), self.weights.to(device), self.share)


@dataclass
class Problem:
    """All that the objective needs besides a network and a method.

    Attributes
    ----------
    source, target : Labelled or None
        What the sum runs over; None where a domain has no labelled examples or the method does not use them.
    unlabelled : Tensor or None
        Inputs of the target for L_T, which compares them with the source examples of the same step.
    validation : Labelled or None
        Labelled target examples that decide when to stop; None: train to the end.
    task_loss : callable
        L for each example: outputs (n, ...) and answers (n, ...) to (n,).
    """

    source: Labelled | None
    target: Labelled | None
    unlabelled: Tensor | None
    validation: Labelled | None
    task_loss: Callable[[Tensor, Tensor], Tensor]

    @property
    def labelled(self) -> list[Labelled]:
        """The domains with labelled examples, source first."""
        return [domain for domain in (self.source, self.target) if domain is not None]


@dataclass(frozen=True)
class Schedule:
    """How long and with what weights to minimise.

    An epoch is one pass over the largest labelled domain, or over what is unlabelled if nothing is. Training ends after
    ``epochs`` of them or ``max_steps`` batches, whichever comes first; the step size falls to zero along half a cosine
    (Loshchilov & Hutter 2017), so training converges rather than being cut off.
    """

    epochs: int
    max_steps: int
    batch_size: int
    lambda_: float
    beta: float


def minimise(
    network: Network,
    method: Method,
    problem: Problem,
    schedule: Schedule,
    seed: int,
    should_stop: Callable[[], bool] = never,
    report: Callable[[float], None] = unheard,
) -> list[dict[str, float]]:
    """Minimise the objective in place and return its parts, epoch by epoch.

    Parameters
    ----------
    network : Network
        At θ₀; at the minimum on return.
    method : Method
        Supplies R, L_T, what is frozen, and the step size.
    problem, schedule : Problem, Schedule
    seed : int
        Decides the order of the batches and the critic's start; the same seed gives the same bits on one thread.
    should_stop : callable
        Asked before every batch.
    report : callable
        Told after every epoch how far training has come, up to 1.

    Returns
    -------
    list of dict
        As `tlcore.results.TrialResult.curves`: each part before its weight λ or β.

    Raises
    ------
    Cancelled
        When ``should_stop`` said so.
    FloatingPointError
        When the objective is no longer finite.
    """
    rows = [len(domain) for domain in problem.labelled]
    if not rows and problem.unlabelled is not None:
        rows = [len(problem.unlabelled)]
    steps = math.ceil(max(rows) / schedule.batch_size)
    steps = min(steps, schedule.max_steps)
    epochs = max(1, min(schedule.epochs, schedule.max_steps // steps))
    groups = len(network.groups)
    most = max(method.trainable_groups(epoch, groups) for epoch in range(epochs))
    if most == 0:
        return []
    start = {name: value.detach().clone() for name, value in network.named_parameters()}
    zero = torch.zeros((), device=next(network.parameters()).device)
    critic = method.critic(network.features, getattr(network.head, "out_features", 0))
    critic = None if critic is None else critic.to(zero.device)
    optimiser = _optimiser(_steps(network, critic, method), method)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs * steps)
    batches = _Batches(problem, schedule.batch_size, torch.Generator().manual_seed(seed))
    curves: list[dict[str, float]] = []
    best, best_epoch, best_state = math.inf, 0, None

    for epoch in range(epochs):
        network.train_groups(method.trainable_groups(epoch, groups), method.moves, method.head_moves)
        sums = zero.repeat(3)
        for step in range(steps):
            if should_stop():
                raise Cancelled
            optimiser.zero_grad()
            task, batch, here = _forward(
                network, start, critic, problem, batches, (epoch * steps + step) / (epochs * steps)
            )
            penalty = _regulariser(method, here)
            transfer = None if batch is None else method.transfer_loss(batch)
            objective = task
            if penalty is not None:
                objective = objective + schedule.lambda_ * penalty
            if transfer is not None:
                objective = objective + schedule.beta * transfer
            objective.backward()
            optimiser.step()
            falling.step()
            sums += torch.stack([zero if part is None else part.detach() for part in (task, penalty, transfer)])
        task_mean, penalty_mean, transfer_mean = (sums / steps).tolist()
        if not math.isfinite(task_mean + penalty_mean + transfer_mean):
            raise FloatingPointError(
                f"the objective is not finite after epoch {epoch + 1}; lower learning_rate "
                f"({method.learning_rate}), lambda ({schedule.lambda_}) or beta ({schedule.beta})"
            )
        report((epoch + 1) / epochs)
        validation = _validation_loss(network, problem)
        curves.append(
            {
                "epoch": epoch + 1,
                "task_loss": task_mean,
                "regulariser": penalty_mean,
                "transfer_loss": transfer_mean,
                "validation_loss": validation,
            }
        )
        if validation < best:
            best, best_epoch, best_state = validation, epoch, copy.deepcopy(network.state_dict())
        elif best_state is not None and epoch - best_epoch >= PATIENCE:
            break
    if best_state is not None:
        network.load_state_dict(best_state)
    network.train_groups(0)
    return curves


def outputs_of(network: Network, inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Return features (n, F) and outputs (n, ...) of all inputs, on the CPU and without gradients."""
    network.train_groups(0)
    with torch.no_grad():
        parts = [network(rows) for rows in inputs.split(at_once([*network.body, network.head]))]
    features, outputs = zip(*parts, strict=True)
    return torch.cat(features).cpu(), torch.cat(outputs).cpu()


def _optimiser(steps: list[dict[str, Any]], method: Method) -> torch.optim.Optimizer:
    if method.optimiser == "sgd":
        return torch.optim.SGD(steps, lr=method.learning_rate, momentum=0.9, fused=True)
    return torch.optim.Adam(steps, lr=method.learning_rate, fused=True)


def _steps(network: Network, critic: nn.Module | None, method: Method) -> list[dict[str, Any]]:
    """Return the parameters with their step sizes, group by group."""
    steps: list[dict[str, Any]] = []
    for depth, group in enumerate(network.groups):
        of_rate: dict[float, list[nn.Parameter]] = {}
        for parameter in group.parameters():
            of_rate.setdefault(network.rates.get(id(parameter), 1.0), []).append(parameter)
        size = method.learning_rate * method.step_share(depth)
        steps += [{"params": parameters, "lr": size * rate} for rate, parameters in of_rate.items()]
    return [*steps, {"params": [*critic.parameters()]}] if critic else steps


def _regulariser(method: Method, here: Present) -> Tensor | None:
    """Return R(θ): the method's own, and the penalty that a person added."""
    own = method.regulariser(here)
    if method.penalty == "none":
        return own
    trained = [parameter for parameter in here.network.parameters() if parameter.requires_grad]
    sizes = [value.abs().sum() if method.penalty == "l1" else value.square().sum() / 2 for value in trained]
    return torch.stack(sizes if own is None else [own, *sizes]).sum()


class _Batches:
    """Rows of each domain, step by step; a domain smaller than the others is passed through more often."""

    def __init__(self, problem: Problem, size: int, generator: torch.Generator) -> None:
        def rows(n: int) -> Iterator[Tensor]:
            while True:
                yield from torch.randperm(n, generator=generator).split(size)

        self.labelled = [rows(len(domain)) for domain in problem.labelled]
        self.unlabelled = None if problem.unlabelled is None else rows(len(problem.unlabelled))


def _forward(
    network: Network,
    start: dict[str, Tensor],
    critic: nn.Module | None,
    problem: Problem,
    batches: _Batches,
    progress: float,
) -> tuple[Tensor, Batch | None, Present]:
    """Return  Σ wᵢ·L(yᵢ, f(φ(xᵢ); θ))  of one step, and what L_T and R see of it, all of one pass.

    The sum is zero where nothing is labelled, as of a source that stays at home.
    """
    zero = torch.zeros((), device=next(network.parameters()).device)
    chosen = [(domain, next(rows)) for domain, rows in zip(problem.labelled, batches.labelled, strict=True)]
    inputs = [domain.inputs[rows] for domain, rows in chosen]
    if problem.unlabelled is not None and batches.unlabelled is not None:
        inputs.append(problem.unlabelled[next(batches.unlabelled)])
    features, outputs = network(torch.cat(inputs))
    answers = torch.cat(
        [domain.answers[rows] for domain, rows in chosen] or [torch.empty(0, dtype=torch.int64, device=zero.device)]
    )
    weights = torch.cat(
        [domain.weights[rows] * (domain.share / len(rows)) for domain, rows in chosen] or [zero[None][:0]]
    )
    task = (weights * problem.task_loss(outputs[: len(answers)], answers)).sum() if len(answers) else zero
    seen = inputs[: len(chosen)]
    here = Present(network, start, torch.cat(seen) if seen else inputs[-1][:0], features[: len(answers)], answers)
    if problem.unlabelled is None:
        return task, None, here
    n_source = len(chosen[0][1]) if problem.source is not None else 0
    n = len(answers)
    source_weights = chosen[0][0].weights[chosen[0][1]] if n_source else weights[:0]
    batch = Batch(
        source_features=features[:n_source],
        target_features=features[n:],
        source_outputs=outputs[:n_source],
        target_outputs=outputs[n:],
        source_answers=answers[:n_source],
        source_weights=source_weights,
        head=network.head,
        critic=critic,
        progress=progress,
    )
    return task, batch, here


def _validation_loss(network: Network, problem: Problem) -> float:
    if problem.validation is None:
        return math.nan
    _, outputs = outputs_of(network, problem.validation.inputs)
    return float(problem.task_loss(outputs, problem.validation.answers.cpu()).mean())
