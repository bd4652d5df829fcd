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
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from tlcore.concerns import Concern
from tlcore.errors import SpecificationError
from tlcore.examples import Explanation, FeatureMap
from tlcore.experiment import Experiment, MethodChoice, Trial
from tlcore.lab.rows import (
    Claim,
    after_loss,
    at_rest,
    counts_of,
    end,
    experiment_of,
    held_by,
    moment,
    number_of_trials,
    packed,
    queued_rows,
    run_of,
    seconds_left,
    seeds_of,
    settle,
    status_of,
    trial_of,
    unpacked,
    work_done,
)
from tlcore.lab.runs import ACTIVE, TRIAL_STATUSES, RunInfo
from tlcore.lab.schema import EXPLANATIONS, RESULTS, RUNS, TRIALS, open_database
from tlcore.results import TrialRecord, TrialResult

WHOLE = -1
"""In the place of a test example: the trial as a whole, of which a map of features is asked."""
LEASE = 6.0
"""Seconds that a worker's claim on a trial outlives its last heartbeat, and an engine's its hold on a run."""
START_TIME = 30.0
"""Seconds that a new run may wait for an engine before it counts as lost."""


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
            connection.execute(TRIALS.insert(), queued_rows(run_id, experiment.trials()))
        return run_id

    def read(self, run_id: str) -> RunInfo:
        """Return the run as it stands."""
        with self._reading() as connection:
            return self._infos(connection, [run_of(connection, run_id)])[0]

    def runs(self) -> list[RunInfo]:
        """Return all runs, the newest first."""
        with self._reading() as connection:
            rows = connection.execute(sa.select(RUNS).order_by(RUNS.c.created.desc(), RUNS.c.id)).all()
            return self._infos(connection, rows)

    def records(self, run_id: str) -> list[TrialRecord]:
        """Return the run's trials with their results, in the order of its experiment."""
        query = sa.select(TRIALS).where(TRIALS.c.run_id == run_id).order_by(TRIALS.c.position)
        with self._reading() as connection:
            experiment = experiment_of(run_of(connection, run_id).spec)
            rows = connection.execute(query).all()
        return [
            TrialRecord(
                trial_of(experiment, row),
                row.status,
                row.error,
                self._result(row.id) if row.status == "done" else None,
            )
            for row in rows
        ]

    def rename(self, run_id: str, name: str) -> None:
        """Give the run another name."""
        with self._writing() as connection:
            run_of(connection, run_id)
            connection.execute(RUNS.update().where(RUNS.c.id == run_id).values(name=name))

    def delete(self, run_id: str) -> None:
        """Forget the run and its results; refused while it is at work."""
        with self._writing() as connection:
            if status_of(run_of(connection, run_id)) in ACTIVE:
                raise SpecificationError(f"run: {run_id!r} is at work; cancel it before deleting it.")
            connection.execute(RUNS.delete().where(RUNS.c.id == run_id))

    def cancel(self, run_id: str) -> None:
        """Cancel what is queued now, and ask what is running to stop; what is done stays."""
        now = time.time()
        with self._writing() as connection:
            run_of(connection, run_id)
            asked = sa.func.coalesce(RUNS.c.cancel_asked, now)
            connection.execute(
                RUNS.update().where(RUNS.c.id == run_id, RUNS.c.status.in_(ACTIVE)).values(cancel_asked=asked)
            )
            connection.execute(
                TRIALS.update()
                .where(TRIALS.c.run_id == run_id, TRIALS.c.status == "queued")
                .values(status="cancelled", finished=now)
            )
            settle(connection, [run_id])

    def resume(self, run_id: str) -> None:
        """Queue again what failed or was cancelled; what is done stays.

        A run that was cancelled before a look at its verdicts has nothing to queue, and goes on with the look.
        """
        with self._writing() as connection:
            run = run_of(connection, run_id)
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
            run = run_of(connection, run_id)
            if run.status in ACTIVE or number_of_trials(connection, run_id) != after:
                raise SpecificationError(f"run: {run_id!r} is at work; wait until it has ended.")
            connection.execute(TRIALS.insert(), queued_rows(run_id, further, after))
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
            experiment = experiment_of(run_of(connection, row.run_id).spec)
        return Claim(trial_id, row.run_id, row.attempt, trial_of(experiment, row))

    def beat(self, claim: Claim, progress: float = 0.0) -> bool:
        """Extend the claim's lease and say how far the work has come; return whether the claim still holds."""
        values = {"lease_until": time.time() + LEASE, "progress": progress}
        with self._writing() as connection:
            beaten = connection.execute(TRIALS.update().where(*held_by(claim)).values(values))
        return beaten.rowcount == 1

    def goes_on(self, run_id: str) -> bool:
        """Whether the run is at work, and nobody has asked it to stop."""
        wanted = (RUNS.c.id == run_id, RUNS.c.status.in_(ACTIVE), RUNS.c.cancel_asked.is_(None))
        with self._reading() as connection:
            return connection.execute(sa.select(RUNS.c.id).where(*wanted)).first() is not None

    def finish(self, claim: Claim, result: TrialResult) -> bool:
        """Keep the result of a claimed attempt; False, and nothing kept, where the claim no longer holds."""
        row = {"trial_id": claim.trial_id, "attempt": claim.attempt, **packed(result)}
        with self._writing() as connection:
            won = end(connection, claim, "done")
            if won:
                connection.execute(RESULTS.insert().values(row))
                settle(connection, [claim.run_id])
        return won

    def give_up(self, claim: Claim, status: str, error: str = "") -> bool:
        """End a claimed attempt without a result, as failed or cancelled; False where it no longer holds."""
        with self._writing() as connection:
            won = end(connection, claim, status, error)
            if won:
                settle(connection, [claim.run_id])
        return won

    def trial(self, trial_id: str) -> Trial:
        """Return a trial by its identifier."""
        with self._reading() as connection:
            row = connection.execute(sa.select(TRIALS).where(TRIALS.c.id == trial_id)).one()
            return trial_of(experiment_of(run_of(connection, row.run_id).spec), row)

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
            rests = at_rest(connection, run_id, after)
            if rests:
                connection.execute(TRIALS.insert(), queued_rows(run_id, further, after))
        return rests

    def conclude(self, run_id: str, after: int, error: str = "") -> bool:
        """End a run that rests, from a look at its first ``after`` trials; False if it has gone on."""
        with self._writing() as connection:
            rests = at_rest(connection, run_id, after)
            if rests:
                settle(connection, [run_id], looked_at=True)
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
            counts = counts_of(connection, [run.id for run in runs])
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
            experiment = experiment_of(run_of(connection, run_id).spec)
            return [trial_of(experiment, row) for row in connection.execute(query)]

    def experiment(self, run_id: str) -> Experiment:
        """Return what the run was asked to do."""
        with self._reading() as connection:
            return experiment_of(run_of(connection, run_id).spec)

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
            settle(connection, [run_id], looked_at=True)

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
                    .values(losses=row.losses + 1, lease_until=None, **after_loss(row, now))
                )
            settle(connection, {row.run_id for row in lost})
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
        return unpacked(row)

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
        counts, at_work, seeds = counts_of(connection, ids), work_done(connection, ids), seeds_of(connection, ids)
        return [
            RunInfo(
                id=run.id,
                name=run.name,
                experiment=experiment_of(run.spec),
                status=status_of(run),
                stopping=run.cancel_asked is not None,
                counts={status: counts[run.id, status] for status in TRIAL_STATUSES},
                seeds=seeds[run.id],
                at_work=at_work.get(run.id, 0.0),
                created=moment(run.created),
                started=moment(run.started) if run.started else None,
                finished=moment(run.finished) if run.finished else None,
                error=run.error,
                seconds_left=seconds_left(connection, run) if run.status in ACTIVE else None,
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
    return f"{moment(now):%Y%m%d-%H%M%S}-{tail}"
