"""Carry out one trial: data, shared work, objective, metrics."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from tlcore.cancellation import never, unheard
from tlcore.forgotten import score
from tlcore.results import TrialResult
from tlcore.trial.given import domains_of, given, method_of, on_one_thread
from tlcore.trial.learn import fit
from tlcore.trial.source_model import source_model

if TYPE_CHECKING:
    from tlcore.experiment import Experiment, Trial


def needs_source_model(trial: Trial) -> bool:
    """Whether `prepare` should come before this trial."""
    method, where = method_of(trial), trial.experiment.where
    on_inputs = method.data_alone or method.on_features
    if method.overrides("meta_learn") or (method.chooses and where.classifies_with):
        return False
    return method.needs_source_model and not (where.classifies_with and on_inputs)


def prepare(experiment: Experiment, seed: int, should_stop: Callable[[], bool] = never) -> None:
    """Train the source model of this seed unless it is kept already; trials that need it then only load it."""
    on_one_thread()
    domains = domains_of(experiment)
    source_model(experiment, experiment.task.measured(domains, domains.pool[:0]), seed, should_stop)


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
    on_one_thread()
    began = time.perf_counter()
    learning = given(trial, domains_of(trial.experiment), should_stop, report)
    fitted = fit(learning)
    task, domains = learning.task, learning.domains
    metrics, examples = task.evaluate(fitted.predict, domains, learning.training)
    if fitted.source_before is not None and fitted.of_source:
        after = score(task, fitted.of_source, domains)
        metrics |= {"source_before": fitted.source_before, "source_after": after}
    if fitted.source_weights is not None:
        examples = {**examples, "source_weights": fitted.source_weights}
    metrics |= {
        **fitted.metrics,
        "seconds": time.perf_counter() - began,
        "n_train": fitted.n_train,
        "trained_parameters": fitted.trained_parameters,
    }
    return TrialResult(metrics, fitted.curves, examples, fitted.note)
