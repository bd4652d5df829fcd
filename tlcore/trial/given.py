"""What a method has to learn with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tlcore.cancellation import unheard
from tlcore.forgotten import set_aside

if TYPE_CHECKING:
    from tlcore.examples import Domains, Examples
    from tlcore.experiment import Experiment, Trial
    from tlcore.methods.base import Method
    from tlcore.scenarios.base import Scenario
    from tlcore.tasks.base import Task


def on_one_thread() -> None:
    """Compute on one thread, so that the same trial gives the same bits whatever the machine."""
    import scipy.linalg  # noqa: F401
    import sklearn.utils  # noqa: F401
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(1)
    threadpool_limits(1)  # linear algebra too: numpy's, and those that the first two imports just brought along


def domains_of(experiment: Experiment) -> Domains:
    """Return the domains of all of an experiment's trials, the same source examples set aside in each."""
    return set_aside(experiment.task, experiment.domains())


@dataclass(frozen=True)
class Given:
    """What a method has to learn with."""

    method: Method
    trial: Trial
    scenario: Scenario
    domains: Domains
    training: Examples
    validation: Examples
    should_stop: Callable[[], bool]
    report: Callable[[float], None]

    @property
    def task(self) -> Task:
        """What an answer is."""
        return self.trial.experiment.task

    def part(self, number: int, of: int, **changes: Any) -> Given:
        """Return the same with changes, for one of several pieces of work that follow each other."""
        return replace(self, report=lambda share: self.report((number + share) / of), **changes)


def given(
    trial: Trial, domains: Domains, should_stop: Callable[[], bool], report: Callable[[float], None] = unheard
) -> Given:
    """Return what a trial's method has to learn with: spend the label budget."""
    scenario, task = trial.experiment.where, trial.experiment.task
    training, validation = task.spend(domains.pool, trial.budget, trial.seed)
    measured = task.measured(domains, training)
    if measured is not domains:
        training, validation = task.spend(measured.pool, trial.budget, trial.seed)
    return Given(method_of(trial), trial, scenario, measured, training, validation, should_stop, report)


def together(training: Examples, validation: Examples) -> Examples:
    """Return all that the budget bought, for a method that does not stop early."""
    if not len(validation):
        return training
    parts = (training, validation)
    return replace(
        training,
        inputs=stacked([part.inputs for part in parts]),
        answers=np.concatenate([part.answers for part in parts]),
        groups=None if training.groups is None else np.concatenate([part.groups for part in parts]),
    )


def stacked(parts: list[Any]) -> Any:
    """Return rows one below the other, sparse ones as such."""
    from scipy.sparse import issparse, vstack

    return vstack(parts, format="csr") if issparse(parts[0]) else np.concatenate(parts)


def method_of(trial: Trial) -> Method:
    """Return the method with its settings."""
    from tlcore.methods import METHODS

    return METHODS[trial.method.name].configure(trial.method.settings)
