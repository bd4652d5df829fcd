"""What a person sees of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from tlcore.experiment import Experiment, Trial

TRIAL_STATUSES = ("queued", "running", "done", "failed", "cancelled")
ACTIVE = ("queued", "running")
MOST_LOSSES = 3
"""How many workers a trial, or a look at a run's verdicts, may take down."""


@dataclass(frozen=True)
class RunInfo:
    """A run as it stands.

    Attributes
    ----------
    id, name : str
    experiment : Experiment
    status : str
        queued, running, done (every trial ended, at least one with a result), failed (every trial ended, none
        with a result), cancelled, or lost: nobody works on it any more; starting the engine takes it up again.
    stopping : bool
        Whether a person has cancelled it while some of its trials have not stopped yet.
    counts : dict of str to int
        Number of trials by status: queued, running, done, failed, cancelled.
    seeds : int
        Number of different seeds among its trials.
    at_work : float
        What the running trials have done, added up: half of one and a quarter of another are 0.75.
    created, started, finished : datetime
        In UTC.
    error : str
        The first error among its trials, or nothing.
    seconds_left : float or None
        Forecast for the trials there are, from its finished ones and those that have come some way; None before that,
        and once the run has ended.
    concerns : list of str
        What looked wrong with its data when it was submitted, in sentences.
    """

    id: str
    name: str
    experiment: Experiment
    status: str
    stopping: bool
    counts: dict[str, int]
    seeds: int
    at_work: float
    created: datetime
    started: datetime | None
    finished: datetime | None
    error: str
    seconds_left: float | None
    concerns: list[str] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        """Whether it has come to its end; a lost run has not."""
        return self.status in ("done", "failed", "cancelled")

    @property
    def look(self) -> tuple[int, int]:
        """Which look at its verdicts its trials lead to, and how many there are at most; from 1."""
        looks = self.experiment.looks
        return 1 + sum(look < self.seeds for look in looks[:-1]), len(looks)


@dataclass(frozen=True)
class Undecided:
    """What is open in a run, and what it would take to decide it.

    Attributes
    ----------
    verdicts : list of (str, int)
        Method and budget of each.
    trials : list of Trial
        Those that the next look at the verdicts needs; none after the last one, or while those of this one run.
    seconds, most_seconds : float or None
        Forecasts from the run's own trials: for the next look, and for all further ones if none decides a verdict.
    """

    verdicts: list[tuple[str, int]]
    trials: list[Trial]
    seconds: float | None
    most_seconds: float | None

    @property
    def names(self) -> str:
        """The verdicts as a person reads them, the budgets of a method together.

        >>> Undecided([("coral", 5), ("l2_sp", 5), ("coral", 20)], [], None, None).names
        'coral (5, 20), l2_sp (5)'
        """
        budgets: dict[str, list[str]] = {}
        for method, budget in self.verdicts:
            budgets.setdefault(method, []).append(str(budget))
        return ", ".join(f"{method} ({', '.join(of)})" for method, of in budgets.items())
