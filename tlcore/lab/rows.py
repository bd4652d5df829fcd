"""The rows of the store: what they say of runs and trials, and how one moves on."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import numpy as np
import sqlalchemy as sa

from tlcore.errors import SpecificationError
from tlcore.experiment import Experiment, MethodChoice, Trial
from tlcore.lab.runs import ACTIVE, MOST_LOSSES
from tlcore.lab.schema import RUNS, TRIALS
from tlcore.results import TrialResult

TOLD_ENOUGH = 0.1
"""Share of a trial from which on its time so far tells how long it takes."""


@dataclass(frozen=True)
class Claim:
    """The right of one process to carry out one attempt at a trial."""

    trial_id: str
    run_id: str
    attempt: int
    trial: Trial


def moment(seconds: float) -> datetime:
    """Return a moment, in UTC, of seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC)


def run_of(connection: sa.Connection, run_id: str) -> Any:
    """Return the row of a run, or say that there is none."""
    row = connection.execute(sa.select(RUNS).where(RUNS.c.id == run_id)).one_or_none()
    if row is None:
        raise SpecificationError(f"run: {run_id!r} is not known; see `python -m tlcore runs`.")
    return row


def status_of(run: Any) -> str:
    """Return the run's status; a run that nobody holds any more must not say that it is at work."""
    return "lost" if run.status in ACTIVE and run.lease_until < time.time() else str(run.status)


def experiment_of(spec: str) -> Experiment:
    """Return the experiment of a stored specification."""
    # It was checked when it was submitted, and is not checked again: today's catalogue, or a machine without the
    # accelerator it ran on, must not make an old run unreadable.
    fields = json.loads(spec)
    fields["methods"] = [MethodChoice(**choice) for choice in fields["methods"]]
    return Experiment.model_construct(**fields)


def trial_of(experiment: Experiment, row: Any) -> Trial:
    """Return the trial of a row."""
    return Trial(experiment, MethodChoice.model_validate_json(row.method), row.budget, row.seed)


def queued_rows(run_id: str, trials: Sequence[Trial], first: int = 0) -> list[dict[str, Any]]:
    """Return the rows of queued trials; a position that is taken is refused, so that none is added twice."""
    return [
        {
            "id": f"{run_id}.{position}",
            "run_id": run_id,
            "position": position,
            "method": trial.method.model_dump_json(),
            "budget": trial.budget,
            "seed": trial.seed,
            "status": "queued",
        }
        for position, trial in enumerate(trials, first)
    ]


def held_by(claim: Claim) -> tuple[sa.ColumnElement[bool], ...]:
    """Return the conditions under which an attempt still holds its trial."""
    return (
        TRIALS.c.id == claim.trial_id,
        TRIALS.c.attempt == claim.attempt,
        TRIALS.c.status == "running",
    )


def end(connection: sa.Connection, claim: Claim, status: str, error: str = "") -> bool:
    """End a trial, if the claim still holds it."""
    ended = connection.execute(
        TRIALS.update()
        .where(*held_by(claim))
        .values(status=status, error=error, finished=time.time(), lease_until=None)
    )
    return ended.rowcount == 1


def after_loss(row: Any, now: float) -> dict[str, Any]:
    """Return what becomes of a trial whose worker was lost."""
    if row.cancel_asked is not None:
        return {"status": "cancelled", "finished": now}
    if row.losses + 1 >= MOST_LOSSES:
        return {"status": "failed", "error": f"worker lost {MOST_LOSSES} times", "finished": now}
    return {"status": "queued"}


def settle(connection: sa.Connection, run_ids: Iterable[str], looked_at: bool = False) -> None:
    """End each of these runs whose trials have all ended; one until decided once its verdicts were looked at."""
    for run_id in run_ids:
        # Where writers are not alone, as they are in SQLite, two that end the last two trials must not miss each other.
        run = connection.execute(sa.select(RUNS).where(RUNS.c.id == run_id).with_for_update()).one()
        counts = counts_of(connection, [run_id])
        if any(counts[run_id, status] for status in ACTIVE):
            continue
        status = next((s for s in ("cancelled", "done") if counts[run_id, s]), "failed")
        if not looked_at and experiment_of(run.spec).until == "decided":
            if run.cancel_asked is None:
                continue
            status = "cancelled"  # though its trials be done: it would have gone on
        error = connection.scalar(
            sa.select(TRIALS.c.error)
            .where(TRIALS.c.run_id == run_id, TRIALS.c.status == "failed")
            .order_by(TRIALS.c.position)
            .limit(1)
        )
        connection.execute(
            RUNS.update()
            .where(RUNS.c.id == run_id, RUNS.c.status.in_(ACTIVE))
            .values(status=status, error=error or "", finished=time.time(), cancel_asked=None)
        )


def counts_of(connection: sa.Connection, run_ids: list[str]) -> Counter[tuple[str, str]]:
    """Return how many trials there are, by run and status."""
    query = (
        sa.select(TRIALS.c.run_id, TRIALS.c.status, sa.func.count())
        .where(TRIALS.c.run_id.in_(run_ids))
        .group_by(TRIALS.c.run_id, TRIALS.c.status)
    )
    return Counter({(run_id, status): count for run_id, status, count in connection.execute(query)})


def number_of_trials(connection: sa.Connection, run_id: str) -> int:
    """Return how many trials a run has."""
    query = sa.select(sa.func.count()).select_from(TRIALS).where(TRIALS.c.run_id == run_id)
    return connection.scalar(query) or 0


def at_rest(connection: sa.Connection, run_id: str, after: int) -> bool:
    """Whether a run of so many trials waits for a look; from here on nobody else changes that."""
    active = (RUNS.c.id == run_id, RUNS.c.status.in_(ACTIVE))
    if connection.execute(sa.select(RUNS.c.id).where(*active).with_for_update()).first() is None:
        return False
    counts = counts_of(connection, [run_id])
    return sum(counts.values()) == after and not any(counts[run_id, status] for status in ACTIVE)


def seeds_of(connection: sa.Connection, run_ids: list[str]) -> dict[str, int]:
    """Return how many different seeds the trials have, by run."""
    query = sa.select(TRIALS.c.run_id, sa.func.count(TRIALS.c.seed.distinct())).group_by(TRIALS.c.run_id)
    return dict(tuple(row) for row in connection.execute(query.where(TRIALS.c.run_id.in_(run_ids))))


def work_done(connection: sa.Connection, run_ids: list[str]) -> dict[str, float]:
    """Return what the trials at work have done, added up, by run."""
    query = sa.select(TRIALS.c.run_id, sa.func.sum(TRIALS.c.progress)).group_by(TRIALS.c.run_id)
    rows = connection.execute(query.where(TRIALS.c.run_id.in_(run_ids), TRIALS.c.status == "running"))
    return dict(tuple(row) for row in rows)


def seconds_left(connection: sa.Connection, run: Any) -> float | None:
    """Forecast what is left: a trial takes as long as its method's finished ones did, or as all did.

    One at work that has come some way takes as long for the rest as it took so far.
    """
    columns = (TRIALS.c.method, TRIALS.c.status, TRIALS.c.started, TRIALS.c.finished, TRIALS.c.progress)
    trials = connection.execute(sa.select(*columns).where(TRIALS.c.run_id == run.id)).all()
    seconds: dict[str, list[float]] = {}
    for trial in trials:
        if trial.status == "done":
            seconds.setdefault(trial.method, []).append(trial.finished - trial.started)
    now, left = time.time(), 0.0
    for trial in trials:
        if trial.status == "running" and trial.progress >= TOLD_ENOUGH and trial.method not in seconds:
            seconds[trial.method] = [(now - trial.started) / trial.progress]
    if not seconds:
        return None
    usual = float(np.mean([value for values in seconds.values() for value in values]))
    for trial in trials:
        expected = float(np.mean(seconds.get(trial.method, usual)))
        if trial.status == "queued":
            left += expected
        elif trial.status == "running":
            so_far = now - trial.started
            told = trial.progress >= TOLD_ENOUGH
            left += so_far * (1 / trial.progress - 1) if told else max(0.0, expected - so_far)
    at_once = sum(trial.status == "running" for trial in trials)
    return left / max(at_once, 1)


def packed(result: TrialResult) -> dict[str, Any]:
    """Return the columns of a result."""
    file = BytesIO()
    np.savez_compressed(file, allow_pickle=False, **result.examples)
    return {
        "metrics": json.dumps(result.metrics, default=float),  # numpy's scalars are numbers too
        "curves": json.dumps(result.curves, default=float),
        "examples": file.getvalue(),
        "note": result.note,
    }


def unpacked(row: Any) -> TrialResult:
    """Return the result in some columns."""
    with np.load(BytesIO(row.examples), allow_pickle=False) as arrays:
        examples = {name: arrays[name] for name in arrays.files}
    return TrialResult(json.loads(row.metrics), json.loads(row.curves), examples, row.note)
