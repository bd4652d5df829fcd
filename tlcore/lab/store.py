"""Runs, trials and results: the truth about what was asked for, what is at work and what is done.

A trial goes ::

    queued ──claim──▶ running ──finish──▶ done | failed | cancelled
       ▲                 │
       └──── sweep ──────┘   its worker's lease ran out: queued again, failed after `MOST_LOSSES`

and every arrow is a compare-and-swap: an UPDATE that names the status (and the attempt) it starts from, so that of
two who try, one wins. A trial may be carried out twice; its result is kept once.

A run ends with its last trial; one that goes on until decided rests there until somebody has looked at its verdicts,
and either adds trials (`Store.extend`) or ends it (`Store.conclude`).
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import string
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import lru_cache
from io import BytesIO
from typing import Any

import numpy as np
import sqlalchemy as sa

from tlcore.concerns import Concern
from tlcore.errors import SpecificationError
from tlcore.experiment import Experiment, MethodChoice, Trial
from tlcore.lab.runs import ACTIVE, MOST_LOSSES, TRIAL_STATUSES, RunInfo
from tlcore.lab.schema import EXPLANATIONS, RESULTS, RUNS, TRIALS, open_database
from tlcore.results import Explanation, FeatureMap, TrialRecord, TrialResult

WHOLE = -1
"""In the place of a test example: the trial as a whole, of which a map of features is asked."""
LEASE = 6.0
"""Seconds that a worker's claim on a trial outlives its last heartbeat, and an engine's its hold on a run."""
START_TIME = 30.0
"""Seconds that a new run may wait for an engine before it counts as lost."""
TOLD_ENOUGH = 0.1
"""Share of a trial from which on its time so far tells how long it takes."""


@dataclass(frozen=True)
class Claim:
    """The right of one process to carry out one attempt at a trial."""

    trial_id: str
    run_id: str
    attempt: int
    trial: Trial


@dataclass(frozen=True)
class ActiveRun:
    """A run with work left, as the engine needs to know it."""

    id: str
    workers: int | None
    cancel_asked: float | None
    trials: int
    rests: bool
    """Whether all its trials have ended, so that it is time for a look at its verdicts."""


class Store:
    """The run store at a database URL; use `open_store`, which keeps one a process."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._database = open_database(url)
        # A result never changes, and whoever watches a run reads all it has again and again.
        self._result = lru_cache(maxsize=1024)(self._read_result)

    # For people: pages and the command line, through `tlcore.lab`.

    def add(self, experiment: Experiment, workers: int | None = None, concerns: Sequence[Concern] = ()) -> str:
        """Keep a new run with its trials, all queued, and what looks wrong with its data; return its identifier."""
        now = time.time()
        run_id = _new_id(now)
        run = {
            "id": run_id,
            "name": experiment.name or f"{experiment.scenario}: {' → '.join(experiment.names)}",
            "spec": experiment.model_dump_json(),
            "workers": workers,
            "status": "queued",
            "created": now,
            "lease_until": now + START_TIME,
            "concerns": json.dumps([concern.as_json() for concern in concerns]),
        }
        with self._writing() as connection:
            connection.execute(RUNS.insert().values(run))
            connection.execute(TRIALS.insert(), _rows(run_id, experiment.trials()))
        return run_id

    def read(self, run_id: str) -> RunInfo:
        """Return the run as it stands."""
        with self._reading() as connection:
            return self._infos(connection, [_run(connection, run_id)])[0]

    def runs(self) -> list[RunInfo]:
        """Return all runs, the newest first."""
        with self._reading() as connection:
            rows = connection.execute(sa.select(RUNS).order_by(RUNS.c.created.desc(), RUNS.c.id)).all()
            return self._infos(connection, rows)

    def records(self, run_id: str) -> list[TrialRecord]:
        """Return the run's trials with their results, in the order of its experiment."""
        query = sa.select(TRIALS).where(TRIALS.c.run_id == run_id).order_by(TRIALS.c.position)
        with self._reading() as connection:
            experiment = _experiment(_run(connection, run_id).spec)
            rows = connection.execute(query).all()
        return [
            TrialRecord(
                _trial(experiment, row),
                row.status,
                row.error,
                self._result(row.id) if row.status == "done" else None,
            )
            for row in rows
        ]

    def rename(self, run_id: str, name: str) -> None:
        """Give the run another name."""
        with self._writing() as connection:
            _run(connection, run_id)
            connection.execute(RUNS.update().where(RUNS.c.id == run_id).values(name=name))

    def delete(self, run_id: str) -> None:
        """Forget the run and its results; refused while it is at work."""
        with self._writing() as connection:
            if _status(_run(connection, run_id)) in ACTIVE:
                raise SpecificationError(f"run: {run_id!r} is at work; cancel it before deleting it.")
            connection.execute(RUNS.delete().where(RUNS.c.id == run_id))

    def cancel(self, run_id: str) -> None:
        """Cancel what is queued now, and ask what is running to stop; what is done stays."""
        now = time.time()
        with self._writing() as connection:
            _run(connection, run_id)
            asked = sa.func.coalesce(RUNS.c.cancel_asked, now)
            connection.execute(
                RUNS.update().where(RUNS.c.id == run_id, RUNS.c.status.in_(ACTIVE)).values(cancel_asked=asked)
            )
            connection.execute(
                TRIALS.update()
                .where(TRIALS.c.run_id == run_id, TRIALS.c.status == "queued")
                .values(status="cancelled", finished=now)
            )
            _settle(connection, [run_id])

    def resume(self, run_id: str) -> None:
        """Queue again what failed or was cancelled; what is done stays.

        A run that was cancelled before a look at its verdicts has nothing to queue, and goes on with the look.
        """
        with self._writing() as connection:
            run = _run(connection, run_id)
            if run.cancel_asked is not None:
                raise SpecificationError(f"run: {run_id!r} is still stopping; resume it in a moment.")
            queued = connection.execute(
                TRIALS.update()
                .where(TRIALS.c.run_id == run_id, TRIALS.c.status.in_(("failed", "cancelled")))
                .values(status="queued", error="", losses=0, started=None, finished=None)
            )
            if queued.rowcount or run.status == "cancelled":
                connection.execute(
                    RUNS.update()
                    .where(RUNS.c.id == run_id, RUNS.c.status == run.status)
                    .values(status="queued", error="", finished=None, lease_until=time.time() + START_TIME)
                )

    def decide(self, run_id: str, experiment: Experiment, after: int, further: Sequence[Trial]) -> None:
        """Let a run that has ended go on until decided, with further trials; refused if it has changed meanwhile.

        Parameters
        ----------
        run_id : str
        experiment : Experiment
            What it was asked, until decided.
        after : int
            How many trials it had when its verdicts were looked at.
        further : sequence of Trial
        """
        values = {"spec": experiment.model_dump_json(), "status": "queued", "error": "", "finished": None}
        with self._writing() as connection:
            run = _run(connection, run_id)
            if run.status in ACTIVE or _number_of_trials(connection, run_id) != after:
                raise SpecificationError(f"run: {run_id!r} is at work; wait until it has ended.")
            connection.execute(TRIALS.insert(), _rows(run_id, further, after))
            connection.execute(
                RUNS.update()
                .where(RUNS.c.id == run_id, RUNS.c.status == run.status)
                .values(**values, lease_until=time.time() + START_TIME)
            )

    def explanation(self, run_id: str, trial: Trial, row: int, again: bool = False) -> dict[str, Any] | None:
        """Return what a done trial's answer to a test example rests on, or of `WHOLE` its map of features, by field.

        None: it is asked for, from now on at least.

        ``again`` asks once more for what was tried in vain.

        Raises
        ------
        SpecificationError
            If the trial is not done, or it was tried in vain.
        """
        this = (
            TRIALS.c.run_id == run_id,
            TRIALS.c.method == trial.method.model_dump_json(),
            TRIALS.c.budget == trial.budget,
            TRIALS.c.seed == trial.seed,
            TRIALS.c.status == "done",
        )
        with self._writing() as connection:
            done = connection.execute(sa.select(TRIALS.c.id).where(*this)).one_or_none()
            if done is None:
                raise SpecificationError(f"trial: {trial.key!r} is not done, so that there is nothing to explain yet.")
            known = (EXPLANATIONS.c.trial_id == done.id, EXPLANATIONS.c.row == row)
            found = connection.execute(sa.select(EXPLANATIONS).where(*known)).one_or_none()
            if found is None:
                asked = {"trial_id": done.id, "row": row, "status": "queued", "asked": time.time()}
                connection.execute(EXPLANATIONS.insert().values(asked))
                return None
            if found.status == "failed" and again:
                connection.execute(EXPLANATIONS.update().where(*known).values(status="queued", error=""))
                return None
        if found.status == "failed":
            raise SpecificationError(f"explanation: {trial.key!r} could not be explained: {found.error}")
        if found.value is None:
            return None
        value: dict[str, Any] = json.loads(found.value)
        return value

    # For the worker that carries out a trial.

    def claim(self, trial_id: str) -> Claim | None:
        """Make this process the one that carries out a queued trial, or return None: someone else has it."""
        now = time.time()
        with self._writing() as connection:
            row = connection.execute(
                TRIALS.update()
                .where(TRIALS.c.id == trial_id, TRIALS.c.status == "queued")
                .values(
                    status="running",
                    attempt=TRIALS.c.attempt + 1,
                    host=socket.gethostname(),
                    pid=os.getpid(),
                    lease_until=now + LEASE,
                    progress=0.0,
                    started=now,
                )
                .returning(TRIALS)
            ).one_or_none()
            if row is None:
                return None
            connection.execute(
                RUNS.update()
                .where(RUNS.c.id == row.run_id, RUNS.c.status == "queued")
                .values(status="running", started=sa.func.coalesce(RUNS.c.started, now))
            )
            experiment = _experiment(_run(connection, row.run_id).spec)
        return Claim(trial_id, row.run_id, row.attempt, _trial(experiment, row))

    def beat(self, claim: Claim, progress: float = 0.0) -> bool:
        """Extend the claim's lease and say how far the work has come; return whether the claim still holds."""
        values = {"lease_until": time.time() + LEASE, "progress": progress}
        with self._writing() as connection:
            beaten = connection.execute(TRIALS.update().where(*_held(claim)).values(values))
        return beaten.rowcount == 1

    def goes_on(self, run_id: str) -> bool:
        """Whether the run is at work, and nobody has asked it to stop."""
        wanted = (RUNS.c.id == run_id, RUNS.c.status.in_(ACTIVE), RUNS.c.cancel_asked.is_(None))
        with self._reading() as connection:
            return connection.execute(sa.select(RUNS.c.id).where(*wanted)).first() is not None

    def finish(self, claim: Claim, result: TrialResult) -> bool:
        """Keep the result of a claimed attempt; False, and nothing kept, where the claim no longer holds."""
        row = {"trial_id": claim.trial_id, "attempt": claim.attempt, **_packed(result)}
        with self._writing() as connection:
            won = _end(connection, claim, "done")
            if won:
                connection.execute(RESULTS.insert().values(row))
                _settle(connection, [claim.run_id])
        return won

    def give_up(self, claim: Claim, status: str, error: str = "") -> bool:
        """End a claimed attempt without a result, as failed or cancelled; False where it no longer holds."""
        with self._writing() as connection:
            won = _end(connection, claim, status, error)
            if won:
                _settle(connection, [claim.run_id])
        return won

    def trial(self, trial_id: str) -> Trial:
        """Return a trial by its identifier."""
        with self._reading() as connection:
            row = connection.execute(sa.select(TRIALS).where(TRIALS.c.id == trial_id)).one()
            return _trial(_experiment(_run(connection, row.run_id).spec), row)

    def explain(self, trial_id: str, row: int, explanation: Explanation | FeatureMap | None, error: str = "") -> None:
        """Keep an explanation that was asked for, or why there is none."""
        value = None if explanation is None else json.dumps(asdict(explanation))
        with self._writing() as connection:
            connection.execute(
                EXPLANATIONS.update()
                .where(EXPLANATIONS.c.trial_id == trial_id, EXPLANATIONS.c.row == row)
                .values(status="failed" if explanation is None else "done", value=value, error=error)
            )

    def extend(self, run_id: str, after: int, further: Sequence[Trial]) -> bool:
        """Add further trials to a run that rests, from a look at its first ``after`` ones; False if it has gone on."""
        with self._writing() as connection:
            rests = _rests(connection, run_id, after)
            if rests:
                connection.execute(TRIALS.insert(), _rows(run_id, further, after))
        return rests

    def conclude(self, run_id: str, after: int, error: str = "") -> bool:
        """End a run that rests, from a look at its first ``after`` trials; False if it has gone on."""
        with self._writing() as connection:
            rests = _rests(connection, run_id, after)
            if rests:
                _settle(connection, [run_id], looked_at=True)
                if error:
                    connection.execute(RUNS.update().where(RUNS.c.id == run_id).values(error=error))
        return rests

    # For the engine.

    def asked(self) -> list[tuple[str, str, int]]:
        """Return the explanations that people wait for, the oldest first: run, trial and test example."""
        columns = (TRIALS.c.run_id, EXPLANATIONS.c.trial_id, EXPLANATIONS.c.row)
        query = sa.select(*columns).join(TRIALS).where(EXPLANATIONS.c.status == "queued")
        with self._reading() as connection:
            return [tuple(row) for row in connection.execute(query.order_by(EXPLANATIONS.c.asked))]

    def active(self) -> list[ActiveRun]:
        """Return the runs with work left, the oldest first."""
        query = sa.select(RUNS.c.id, RUNS.c.workers, RUNS.c.cancel_asked).where(RUNS.c.status.in_(ACTIVE))
        with self._reading() as connection:
            runs = connection.execute(query.order_by(RUNS.c.created)).all()
            counts = _counts(connection, [run.id for run in runs])
        return [
            ActiveRun(
                *run,
                trials=sum(counts[run.id, status] for status in TRIAL_STATUSES),
                rests=not any(counts[run.id, status] for status in ACTIVE),
            )
            for run in runs
        ]

    def trials(self, run_id: str) -> list[Trial]:
        """Return the run's trials by position."""
        query = sa.select(TRIALS).where(TRIALS.c.run_id == run_id).order_by(TRIALS.c.position)
        with self._reading() as connection:
            experiment = _experiment(_run(connection, run_id).spec)
            return [_trial(experiment, row) for row in connection.execute(query)]

    def experiment(self, run_id: str) -> Experiment:
        """Return what the run was asked to do."""
        with self._reading() as connection:
            return _experiment(_run(connection, run_id).spec)

    def queued(self, run_id: str) -> dict[str, int]:
        """Return the run's queued trials in their order: identifier to position."""
        query = sa.select(TRIALS.c.id, TRIALS.c.position).where(TRIALS.c.run_id == run_id, TRIALS.c.status == "queued")
        with self._reading() as connection:
            return {row.id: row.position for row in connection.execute(query.order_by(TRIALS.c.position))}

    def hold(self) -> None:
        """Say that an engine is there for every run with work left."""
        with self._writing() as connection:
            connection.execute(RUNS.update().where(RUNS.c.status.in_(ACTIVE)).values(lease_until=time.time() + LEASE))

    def fail(self, run_id: str, error: str) -> None:
        """End the run's queued trials as failed, and the run with them: nobody could look at its verdicts either."""
        with self._writing() as connection:
            connection.execute(
                TRIALS.update()
                .where(TRIALS.c.run_id == run_id, TRIALS.c.status == "queued")
                .values(status="failed", error=error, finished=time.time())
            )
            _settle(connection, [run_id], looked_at=True)

    def release(self, trial_ids: Iterable[str]) -> None:
        """Queue running trials again whose worker was stopped on purpose."""
        with self._writing() as connection:
            connection.execute(
                TRIALS.update()
                .where(TRIALS.c.id.in_(list(trial_ids)), TRIALS.c.status == "running")
                .values(status="queued", lease_until=None)
            )

    def expire(self, trial_ids: Iterable[str]) -> None:
        """End the leases of running trials whose worker is known to be gone, for the next `sweep`."""
        with self._writing() as connection:
            connection.execute(
                TRIALS.update()
                .where(TRIALS.c.id.in_(list(trial_ids)), TRIALS.c.status == "running")
                .values(lease_until=0)
            )

    def sweep(self) -> int:
        """Take up the trials whose lease ran out: queue them again, cancel or fail them; return how many."""
        now = time.time()
        query = (
            sa.select(TRIALS.c.id, TRIALS.c.run_id, TRIALS.c.losses, RUNS.c.cancel_asked)
            .join(RUNS)
            .where(TRIALS.c.status == "running", TRIALS.c.lease_until < now)
        )
        with self._writing() as connection:
            lost = connection.execute(query).all()
            for row in lost:
                connection.execute(
                    TRIALS.update()
                    .where(TRIALS.c.id == row.id, TRIALS.c.status == "running", TRIALS.c.lease_until < now)
                    .values(losses=row.losses + 1, lease_until=None, **_after_loss(row, now))
                )
            _settle(connection, {row.run_id for row in lost})
        return len(lost)

    def overdue(self, grace: float) -> dict[str, int]:
        """Return trials on this machine that go on `grace` seconds after a cancel: identifier to process."""
        now = time.time()
        query = (
            sa.select(TRIALS.c.id, TRIALS.c.pid)
            .join(RUNS)
            .where(
                TRIALS.c.status == "running",
                TRIALS.c.host == socket.gethostname(),
                TRIALS.c.lease_until > now,  # an older lease may name a process that is gone
                RUNS.c.cancel_asked < now - grace,
            )
        )
        with self._reading() as connection:
            return {row.id: row.pid for row in connection.execute(query)}

    def seconds(self, run_ids: Sequence[str]) -> dict[tuple[str, int], float]:
        """Return how long a trial of these runs took on average, by the method's label and the budget."""
        mean = sa.func.avg(TRIALS.c.finished - TRIALS.c.started)
        query = (
            sa.select(TRIALS.c.method, TRIALS.c.budget, mean)
            .where(TRIALS.c.run_id.in_(run_ids), TRIALS.c.status == "done")
            .group_by(TRIALS.c.method, TRIALS.c.budget)
        )
        with self._reading() as connection:
            rows = connection.execute(query).all()
        return {(MethodChoice.model_validate_json(method).label, budget): seconds for method, budget, seconds in rows}

    def pace(self, run_id: str) -> float:
        """Return how many seconds went by for one second of a run's trials: less than one where some ran at once."""
        query = (
            sa.select(TRIALS.c.started, TRIALS.c.finished)
            .where(TRIALS.c.run_id == run_id, TRIALS.c.status == "done")
            .order_by(TRIALS.c.started)
        )
        with self._reading() as connection:
            rows = connection.execute(query).all()
        went_by, until = 0.0, 0.0
        for row in rows:
            went_by += max(0.0, row.finished - max(row.started, until))
            until = max(until, row.finished)
        work = sum(row.finished - row.started for row in rows)
        return went_by / work if work else 1.0

    # Inside.

    def _read_result(self, trial_id: str) -> TrialResult:
        with self._reading() as connection:
            row = connection.execute(sa.select(RESULTS).where(RESULTS.c.trial_id == trial_id)).one()
        return _unpacked(row)

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with self._database.begin() as connection:
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with self._database.connect().execution_options(reading=True) as connection:
            yield connection

    def _infos(self, connection: sa.Connection, runs: Sequence[Any]) -> list[RunInfo]:
        ids = [run.id for run in runs]
        counts, at_work, seeds = _counts(connection, ids), _at_work(connection, ids), _seeds(connection, ids)
        return [
            RunInfo(
                id=run.id,
                name=run.name,
                experiment=_experiment(run.spec),
                status=_status(run),
                stopping=run.cancel_asked is not None,
                counts={status: counts[run.id, status] for status in TRIAL_STATUSES},
                seeds=seeds[run.id],
                at_work=at_work.get(run.id, 0.0),
                created=_moment(run.created),
                started=_moment(run.started) if run.started else None,
                finished=_moment(run.finished) if run.finished else None,
                error=run.error,
                seconds_left=_seconds_left(connection, run) if run.status in ACTIVE else None,
                concerns=[concern["sentence"] for concern in json.loads(run.concerns)],
            )
            for run in runs
        ]


@lru_cache(maxsize=8)
def open_store(url: str) -> Store:
    """Return this process's store at the URL."""
    return Store(url)


def _new_id(now: float) -> str:
    tail = "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(4))
    return f"{_moment(now):%Y%m%d-%H%M%S}-{tail}"


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _run(connection: sa.Connection, run_id: str) -> Any:
    row = connection.execute(sa.select(RUNS).where(RUNS.c.id == run_id)).one_or_none()
    if row is None:
        raise SpecificationError(f"run: {run_id!r} is not known; see `python -m tlcore runs`.")
    return row


def _status(run: Any) -> str:
    """Return the run's status; a run that nobody holds any more must not say that it is at work."""
    return "lost" if run.status in ACTIVE and run.lease_until < time.time() else str(run.status)


def _experiment(spec: str) -> Experiment:
    # It was checked when it was submitted, and is not checked again: today's catalogue, or a machine without the
    # accelerator it ran on, must not make an old run unreadable.
    fields = json.loads(spec)
    fields["methods"] = [MethodChoice(**choice) for choice in fields["methods"]]
    return Experiment.model_construct(**fields)


def _trial(experiment: Experiment, row: Any) -> Trial:
    return Trial(experiment, MethodChoice.model_validate_json(row.method), row.budget, row.seed)


def _rows(run_id: str, trials: Sequence[Trial], first: int = 0) -> list[dict[str, Any]]:
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


def _held(claim: Claim) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        TRIALS.c.id == claim.trial_id,
        TRIALS.c.attempt == claim.attempt,
        TRIALS.c.status == "running",
    )


def _end(connection: sa.Connection, claim: Claim, status: str, error: str = "") -> bool:
    ended = connection.execute(
        TRIALS.update().where(*_held(claim)).values(status=status, error=error, finished=time.time(), lease_until=None)
    )
    return ended.rowcount == 1


def _after_loss(row: Any, now: float) -> dict[str, Any]:
    if row.cancel_asked is not None:
        return {"status": "cancelled", "finished": now}
    if row.losses + 1 >= MOST_LOSSES:
        return {"status": "failed", "error": f"worker lost {MOST_LOSSES} times", "finished": now}
    return {"status": "queued"}


def _settle(connection: sa.Connection, run_ids: Iterable[str], looked_at: bool = False) -> None:
    """End each of these runs whose trials have all ended; one until decided once its verdicts were looked at."""
    for run_id in run_ids:
        # Where writers are not alone, as they are in SQLite, two that end the last two trials must not miss each other.
        run = connection.execute(sa.select(RUNS).where(RUNS.c.id == run_id).with_for_update()).one()
        counts = _counts(connection, [run_id])
        if any(counts[run_id, status] for status in ACTIVE):
            continue
        status = next((s for s in ("cancelled", "done") if counts[run_id, s]), "failed")
        if not looked_at and _experiment(run.spec).until == "decided":
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


def _counts(connection: sa.Connection, run_ids: list[str]) -> Counter[tuple[str, str]]:
    query = (
        sa.select(TRIALS.c.run_id, TRIALS.c.status, sa.func.count())
        .where(TRIALS.c.run_id.in_(run_ids))
        .group_by(TRIALS.c.run_id, TRIALS.c.status)
    )
    return Counter({(run_id, status): count for run_id, status, count in connection.execute(query)})


def _number_of_trials(connection: sa.Connection, run_id: str) -> int:
    query = sa.select(sa.func.count()).select_from(TRIALS).where(TRIALS.c.run_id == run_id)
    return connection.scalar(query) or 0


def _rests(connection: sa.Connection, run_id: str, after: int) -> bool:
    """Whether a run of so many trials waits for a look; from here on nobody else changes that."""
    active = (RUNS.c.id == run_id, RUNS.c.status.in_(ACTIVE))
    if connection.execute(sa.select(RUNS.c.id).where(*active).with_for_update()).first() is None:
        return False
    counts = _counts(connection, [run_id])
    return sum(counts.values()) == after and not any(counts[run_id, status] for status in ACTIVE)


def _seeds(connection: sa.Connection, run_ids: list[str]) -> dict[str, int]:
    """Return how many different seeds the trials have, by run."""
    query = sa.select(TRIALS.c.run_id, sa.func.count(TRIALS.c.seed.distinct())).group_by(TRIALS.c.run_id)
    return dict(tuple(row) for row in connection.execute(query.where(TRIALS.c.run_id.in_(run_ids))))


def _at_work(connection: sa.Connection, run_ids: list[str]) -> dict[str, float]:
    """Return what the trials at work have done, added up, by run."""
    query = sa.select(TRIALS.c.run_id, sa.func.sum(TRIALS.c.progress)).group_by(TRIALS.c.run_id)
    rows = connection.execute(query.where(TRIALS.c.run_id.in_(run_ids), TRIALS.c.status == "running"))
    return dict(tuple(row) for row in rows)


def _seconds_left(connection: sa.Connection, run: Any) -> float | None:
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


def _packed(result: TrialResult) -> dict[str, Any]:
    file = BytesIO()
    np.savez_compressed(file, allow_pickle=False, **result.examples)
    return {
        "metrics": json.dumps(result.metrics, default=float),  # numpy's scalars are numbers too
        "curves": json.dumps(result.curves, default=float),
        "examples": file.getvalue(),
        "note": result.note,
    }


def _unpacked(row: Any) -> TrialResult:
    with np.load(BytesIO(row.examples), allow_pickle=False) as arrays:
        examples = {name: arrays[name] for name in arrays.files}
    return TrialResult(json.loads(row.metrics), json.loads(row.curves), examples, row.note)
