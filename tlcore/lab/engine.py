"""The engine: a process of its own that hands queued trials to worker processes, until there are none for long.

Everything it must know is in the store; killed at any moment, the next engine goes on where this one was.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing import forkserver
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from tlcore.artefacts import home
from tlcore.lab import process, store_url
from tlcore.lab.runs import MOST_LOSSES

if TYPE_CHECKING:
    from distributed import Client, Future, LocalCluster

    from tlcore.experiment import Experiment, Trial
    from tlcore.lab.store import ActiveRun, Store

log = logging.getLogger(__name__)

BUSY_PAUSE = 0.1
"""Seconds between two looks at the store while runs are active; a task that ends is noticed at once."""
IDLE_PAUSE = 0.3
UPKEEP = 1.0
"""Seconds between two rounds of heartbeat and sweep."""
CANCEL_GRACE = 1.5
"""Seconds after a cancel at which a worker that has not even ended itself is killed."""

CONNECTING = 10.0
"""Seconds that an existing cluster's scheduler may take to answer."""
THREAD_SETTINGS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass
class Plan:
    """What the engine keeps in mind of an active run.

    Attributes
    ----------
    source_seeds : list of int or None
        For each trial by position, the seed of the source model that should be there first.
    judged : list of ((str, int) or None)
        For each trial by position, method and budget; None of the baseline.
    seconds : dict of (str, int) to float
        How long the trials of a method and budget took that are done.
    ahead : list of int
        The seeds of the next look, whose source models are made while a worker has nothing else to do.
    prepared : set of int
        The seeds whose source model was made, or was tried in vain: a trial then makes it, or fails by it.
    lost_looks : int
        How often a worker was lost that looked at its verdicts.
    """

    source_seeds: list[int | None] = field(default_factory=list)
    judged: list[tuple[str, int] | None] = field(default_factory=list)
    seconds: dict[tuple[str, int], float] = field(default_factory=dict)
    ahead: list[int] = field(default_factory=list)
    prepared: set[int] = field(default_factory=set)
    lost_looks: int = 0

    def expected(self, position: int) -> float:
        """Return about how long a trial takes; 0 where nobody knows, and of the baseline, for which the others wait."""
        judged = self.judged[position]
        return self.seconds.get(judged, 0.0) if judged else 0.0


@dataclass(frozen=True)
class Task:
    """Work that a worker has: a trial, the source model of a seed, the explanation of a trial's answer in a row.

    None of these: a look at the verdicts of a run that rests.
    """

    run_id: str
    trial_id: str | None = None
    seed: int | None = None
    explained: tuple[str, int] | None = None

    @property
    def looks(self) -> bool:
        """Whether it is a look at the verdicts."""
        return self == Task(self.run_id)


class Scheduling:
    """Hands out work so that every worker has one task and the next follows at once.

    In each run trials go in their order, but once it is known how long a method takes with a budget, the quick ones go
    first, so that most verdicts need not wait for the slowest; the baseline, for which all wait, counts as quick.
    A trial that builds on a source model waits for it, and those that do not go ahead meanwhile; so a from-scratch
    result is there first, and no worker waits for a lock. Between runs, the one with the fewest tasks at work is next.
    Where none has any, source models of a next look are made, which are wanted unless every verdict is clear by then.
    """

    def __init__(self, store: Store, client: Client, wake: threading.Event) -> None:
        self._store, self._client, self._wake = store, client, wake
        self._plans: dict[str, Plan] = {}
        self._tasks: dict[Task, Future] = {}
        self._slots = 0
        self._upkeep_due = 0.0

    def step(self) -> bool:
        """Take in what ended and hand out what is next; return whether there is a run with work left."""
        self._collect()
        active = [run for run in self._store.active() if self._planned(run)]
        if time.monotonic() >= self._upkeep_due:
            self._upkeep()
        if any(run.cancel_asked for run in active):
            self._end_overdue()
        self._plans = {run.id: self._plans[run.id] for run in active}
        explanations = [Task(run, explained=(trial, row)) for run, trial, row in self._store.asked()]
        waiting = [task for task in explanations if task not in self._tasks]  # a person waits: they go first
        while len(self._tasks) < self._slots and (task := waiting.pop(0) if waiting else self._next(active)):
            self._submit(task)
        return bool(active or explanations)

    def trials_at_work(self) -> list[str]:
        """Return the trials that were handed out and have not come back."""
        return [task.trial_id for task in self._tasks if task.trial_id]

    def _collect(self) -> None:
        for task, future in list(self._tasks.items()):
            if not future.done():
                continue
            del self._tasks[task]
            if future.status != "finished":
                log.warning("%s was lost: %r", task, future.exception())
                if task.trial_id:
                    self._store.expire([task.trial_id])
                    self._upkeep_due = 0.0
                if task.looks and task.run_id in self._plans:
                    self._look_was_lost(task.run_id)
                if task.explained:
                    self._store.explain(*task.explained, None, "its process was lost")
            if task.trial_id and task.run_id in self._plans:
                self._plans[task.run_id].seconds = self._store.seconds([task.run_id])
            if task.seed is not None and task.run_id in self._plans:
                self._plans[task.run_id].prepared.add(task.seed)

    def _look_was_lost(self, run_id: str) -> None:
        plan = self._plans[run_id]
        plan.lost_looks += 1
        if plan.lost_looks >= MOST_LOSSES:
            self._store.conclude(run_id, len(plan.source_seeds), f"worker lost {MOST_LOSSES} times at a look")

    def _planned(self, run: ActiveRun) -> bool:
        plan = self._plans.get(run.id)
        if plan is None or len(plan.source_seeds) < run.trials:
            from tlcore.lab.worker import one_line
            from tlcore.trial import needs_source_model

            try:
                trials, experiment = self._store.trials(run.id), self._store.experiment(run.id)
                plan = self._plans.setdefault(run.id, Plan())
                plan.source_seeds = [t.seed if needs_source_model(t) else None for t in trials]
                plan.judged = [_judged(trial) for trial in trials]
                plan.seconds = self._store.seconds([run.id])
                plan.ahead = _seeds_ahead(experiment, trials) if trials[-1].seed in plan.source_seeds else []
                self._upkeep_due = 0.0  # from now on it is held
            except Exception as error:  # a run of another version's methods must not stop the others
                log.exception("run %s cannot be planned", run.id)
                self._store.fail(run.id, one_line(error))
                return False
        return True

    def _upkeep(self) -> None:
        self._store.hold()
        self._store.sweep()
        self._slots = sum(self._client.nthreads().values())
        self._upkeep_due = time.monotonic() + UPKEEP

    def _end_overdue(self) -> None:
        for trial_id, pid in self._store.overdue(CANCEL_GRACE).items():
            log.warning("trial %s did not stop when asked; process %d is killed", trial_id, pid)
            with suppress(ProcessLookupError):  # it ended in this very moment
                os.kill(pid, signal.SIGKILL)
            self._store.expire([trial_id])
            self._upkeep_due = 0.0

    def _next(self, active: list[ActiveRun]) -> Task | None:
        """Return the next task of the run with the fewest at work that has one."""

        def at_work(run: ActiveRun) -> int:
            return sum(task.run_id == run.id for task in self._tasks)

        free = [run for run in active if not run.cancel_asked and at_work(run) < (run.workers or self._slots)]
        free.sort(key=at_work)
        tasks = (find(run) for find in (self._next_of, self._ahead_of) for run in free)
        return next((task for task in tasks if task), None)

    def _next_of(self, run: ActiveRun) -> Task | None:
        plan = self._plans[run.id]
        known = len(plan.source_seeds)  # another home's engine with the same store may add some in this very moment
        queued = [(trial_id, at) for trial_id, at in self._store.queued(run.id).items() if at < known]
        for trial_id, position in sorted(queued, key=lambda one: plan.expected(one[1])):
            seed = plan.source_seeds[position]
            ready = seed is None or seed in plan.prepared
            task = Task(run.id, trial_id) if ready else Task(run.id, seed=seed)
            if task not in self._tasks:
                return task
        look = Task(run.id)
        return look if run.rests and look not in self._tasks else None

    def _ahead_of(self, run: ActiveRun) -> Task | None:
        plan = self._plans[run.id]
        models = (Task(run.id, seed=seed) for seed in plan.ahead if seed not in plan.prepared)
        return next((task for task in models if task not in self._tasks), None)

    def _submit(self, task: Task) -> None:
        from tlcore.lab.worker import carry_out, look, prepare_source, work_out

        work: tuple[Any, ...]
        if task.trial_id:
            work = (carry_out, self._store.url, task.trial_id)
        elif task.explained:
            work = (work_out, self._store.url, *task.explained)
        elif task.looks:
            work = (look, self._store.url, task.run_id)
        else:
            work = (prepare_source, self._store.url, task.run_id, task.seed)
        future = self._client.submit(*work, pure=False, retries=0)
        future.add_done_callback(lambda _: self._wake.set())
        self._tasks[task] = future


def _judged(trial: Trial) -> tuple[str, int] | None:
    label = trial.method.label
    return None if label == trial.experiment.baseline else (label, trial.budget)


def _seeds_ahead(experiment: Experiment, trials: list[Trial]) -> list[int]:
    """Return the seeds that the next look adds to these trials; none where there is no next look."""
    there = {trial.seed for trial in trials}
    look = next((look for look in experiment.looks if look > len(there)), 0)
    return [seed for seed in experiment.seeds_up_to(look) if seed not in there]


def main() -> None:
    """Run the engine of this home until it is told to stop or has had nothing to do for long."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(process)d %(name)s %(levelname)s %(message)s")
    logging.getLogger("distributed").setLevel(logging.WARNING)
    stopping, wake = threading.Event(), threading.Event()

    def stop(*_: object) -> None:
        stopping.set()
        wake.set()

    signal.signal(signal.SIGTERM, stop)
    lock = FileLock(home() / "engine.lock")
    if not _only_one(lock):
        return
    this = process.EngineProcess.current()
    this.register()
    try:
        with _cluster() as client:
            _announce(this, client)
            _serve(client, stopping, wake, this)
    finally:
        this.deregister()
        lock.release()


def _announce(this: process.EngineProcess, client: Client) -> None:
    this.register(client.scheduler_info()["address"], sum(client.nthreads().values()))


def _only_one(lock: FileLock) -> bool:
    """Take the lock of the home's one engine; False where another engine is there and stays."""
    while True:
        try:
            lock.acquire(timeout=0.2)
        except Timeout:
            if process.find():
                return False
        else:
            return True  # one that was on its way out is gone now


@contextmanager
def _cluster() -> Iterator[Client]:
    """Connect to the workers: those of ``TRANSFER_LAB_SCHEDULER``, or some of this engine's own."""
    address = os.environ.get("TRANSFER_LAB_SCHEDULER")
    if not address:
        _start_fork_server()  # loads torch while this process loads Dask

    import dask
    from distributed import Client, LocalCluster

    from tlcore.lab.worker import Warm

    if address:
        with Client(address, timeout=CONNECTING, set_as_default=False) as client:
            client.register_plugin(Warm())
            yield client
        return
    dask.config.set(
        {
            # A task that takes its worker down is not tried on the neighbours; the store counts its losses.
            "distributed.scheduler.allowed-failures": 0,
            "distributed.worker.multiprocessing-method": "forkserver",
        }
    )
    with (
        LocalCluster(
            n_workers=process.worker_count(),
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            memory_limit=0,  # a worker's memory is the system's concern; being ended at a guess would lose work
            local_directory=str(home() / "scratch"),
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client
        _end_workers(cluster)


def _start_fork_server() -> None:
    os.environ.update(dict.fromkeys(THREAD_SETTINGS, "1"))
    multiprocessing.set_forkserver_preload(["tlcore.lab.warm", "tlcore.lab.worker"])
    forkserver.ensure_running()


def _end_workers(cluster: LocalCluster) -> None:
    # Their trials are queued again already; asking politely takes Dask up to four seconds.
    for nanny in cluster.workers.values():
        nanny.auto_restart = False
        if nanny.pid:
            os.kill(nanny.pid, signal.SIGKILL)


def _serve(client: Client, stopping: threading.Event, wake: threading.Event, this: process.EngineProcess) -> None:
    from tlcore.lab.store import open_store

    patience = process.idle_seconds()
    store = open_store(store_url())
    scheduling = Scheduling(store, client, wake)
    last_busy = time.monotonic()
    while not stopping.is_set():
        busy = scheduling.step()
        if busy:
            last_busy = time.monotonic()
        elif time.monotonic() - last_busy > patience:
            this.deregister()  # from here on, who submits a run starts an engine; one submitted before is seen
            if not (store.active() or store.asked()):
                return
            _announce(this, client)
        wake.wait(BUSY_PAUSE if busy else IDLE_PAUSE)
        wake.clear()
    store.release(scheduling.trials_at_work())


if __name__ == "__main__":
    main()
