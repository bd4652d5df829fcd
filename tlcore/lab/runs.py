"""What a person sees of a run."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from tlcore.experiment import Experiment

TRIAL_STATUSES = ("queued", "running", "done", "failed", "cancelled")
ACTIVE = ("queued", "running")


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
    at_work : float
        What the running trials have done, added up: half of one and a quarter of another are 0.75.
    created, started, finished : datetime
        In UTC.
    error : str
        The first error among its trials, or nothing.
    seconds_left : float or None
        Forecast from its finished trials, and from those that have come some way; None before that, and once the run
        has ended.
    concerns : list of str
        What looked wrong with its data when it was submitted, in sentences.
    """

    id: str
    name: str
    experiment: Experiment
    status: str
    stopping: bool
    counts: dict[str, int]
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
