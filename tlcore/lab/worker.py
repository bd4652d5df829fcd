"""What runs inside a worker process: a trial, the source model that trials share, a look at a run, an explanation."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from distributed import Worker, WorkerPlugin

from tlcore.cancellation import Cancelled
from tlcore.lab.rows import Claim
from tlcore.lab.store import WHOLE, Store, open_store
from tlcore.results import Results

log = logging.getLogger(__name__)

HEARTBEAT = 1.0
"""Seconds between two heartbeats."""
GLANCE = 0.2
"""Seconds between two looks at whether the run goes on."""
GRACE = 1.0
"""Seconds that work may take to stop once it is asked to."""


class Warm(WorkerPlugin):
    """Loads what every trial needs before the first one comes."""

    name = "transfer-lab-warm"

    def setup(self, worker: Worker) -> None:  # noqa: ARG002
        """Called by Dask in each new worker process."""
        import tlcore.lab.warm  # noqa: F401


class Watch:
    """Stands beside work in progress: keeps its lease alive, and ends it when its run is to stop.

    Work that does not stop within `GRACE` of being asked takes this process with it: a thread cannot be ended.
    The process is replaced, and the claim is marked cancelled first.

    Parameters
    ----------
    store : Store
    run_id : str
        The run that the work belongs to.
    claim : Claim, optional
        The claim to keep alive; a source model has none.
    """

    def __init__(self, store: Store, run_id: str, claim: Claim | None = None) -> None:
        self._store, self._run_id, self._claim = store, run_id, claim
        self._stop, self._over = threading.Event(), threading.Event()
        self._share = 0.0
        self._thread = threading.Thread(target=self._watch, name="watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    @property
    def should_stop(self) -> Callable[[], bool]:
        """What the work asks between two steps."""
        return self._stop.is_set

    def report(self, share: float) -> None:
        """Take in how far the work has come; it does not go back."""
        self._share = max(self._share, share)

    def _watch(self) -> None:
        beaten = time.monotonic()
        while not self._over.wait(GLANCE):
            held = True
            if self._claim and time.monotonic() - beaten >= HEARTBEAT:
                held, beaten = self._store.beat(self._claim, self._share), time.monotonic()
            if not (held and self._store.goes_on(self._run_id)):
                break
        self._stop.set()
        if not self._over.wait(GRACE):
            self._end_process()

    def _end_process(self) -> None:
        log.warning("%s did not stop when asked; its process ends", self._claim or self._run_id)
        if self._claim:
            self._store.give_up(self._claim, "cancelled")
        os.kill(os.getpid(), signal.SIGKILL)


def carry_out(store_url: str, trial_id: str) -> None:
    """Claim a queued trial, execute it and keep what comes of it: a result, or an error of one line."""
    from tlcore.trial import execute

    store = open_store(store_url)
    claim = store.claim(trial_id)
    if claim is None:
        return
    try:
        with Watch(store, claim.run_id, claim) as watch:
            result = execute(claim.trial, watch.should_stop, watch.report)
        store.finish(claim, result)
    except Cancelled:
        store.give_up(claim, "cancelled")
    except Exception as error:  # whatever a method throws is this trial's result; the others go on
        log.exception("trial %s (%s) failed", trial_id, claim.trial.key)
        store.give_up(claim, "failed", one_line(error))


def prepare_source(store_url: str, run_id: str, seed: int) -> None:
    """Train the source model of a seed ahead of its trials, which find it among the artefacts."""
    from tlcore.trial import prepare

    store = open_store(store_url)
    try:
        with Watch(store, run_id) as watch:
            prepare(store.experiment(run_id), seed, watch.should_stop)
    except Cancelled:
        log.info("source model of run %s, seed %d: stopped", run_id, seed)


def look(store_url: str, run_id: str) -> None:
    """Look at the verdicts of a run that rests: add the trials that open ones need, or end it.

    Killed anywhere, it is done again: nothing is kept but one of the two, and that once.
    """
    store = open_store(store_url)
    records = store.records(run_id)
    try:
        further = Results(store.experiment(run_id), records).wanted()
    except Exception as error:  # a run that cannot be judged must not wait for ever
        log.exception("run %s cannot be judged", run_id)
        store.conclude(run_id, len(records), one_line(error))
        return
    if further:
        store.extend(run_id, len(records), further)
    else:
        store.conclude(run_id, len(records))


def work_out(store_url: str, trial_id: str, row: int) -> None:
    """Find out what a trial's answer to a test example rests on, or of the whole its map of features, and keep it."""
    from tlcore.trial import explain, locate

    store = open_store(store_url)
    try:
        trial = store.trial(trial_id)
        store.explain(trial_id, row, locate(trial) if row == WHOLE else explain(trial, row))
    except Exception as error:  # a person waits for an answer, and is told
        log.exception("trial %s, example %d could not be explained", trial_id, row)
        store.explain(trial_id, row, None, one_line(error))


def one_line(error: BaseException) -> str:
    """Return type and message of an error in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())
