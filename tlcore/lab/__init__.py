"""Run experiments and keep what comes of them: the one door for pages, the command line and scripts.

The store is the truth; the engine, a process of its own, carries out what is queued there. Importing this costs
next to nothing, and what a function needs it loads when it is called.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlcore.artefacts import home
from tlcore.lab.runs import RunInfo, Undecided

if TYPE_CHECKING:
    from tlcore.examples import Explanation, FeatureMap
    from tlcore.experiment import Experiment, Trial
    from tlcore.lab.store import Store
    from tlcore.results import Results

__all__ = [
    "RunInfo", "Undecided", "cancel", "decide", "delete", "engine_status", "explain", "export", "feature_map",
    "forecast", "home", "list_runs", "read", "rename", "results", "resume", "run", "save", "start_engine",
    "stop_engine", "store_url", "submit", "undecided", "wait",
]  # fmt: skip


RUNS_REMEMBERED = 20
"""Runs of a scenario, the newest, from which a forecast is made."""
MOST_RESTARTS = 3
"""How many engines `wait` starts that bring a run no further."""


def store_url() -> str:
    """Return the database URL of the run store: ``TRANSFER_LAB_STORE``, or a SQLite file in `home`."""
    return os.environ.get("TRANSFER_LAB_STORE") or f"sqlite:///{home() / 'runs.sqlite'}"


def submit(experiment: Experiment, workers: int | None = None) -> str:
    """Queue an experiment, see that the engine is there, and return the run's identifier.

    Parameters
    ----------
    experiment : Experiment
    workers : int, optional
        How many of its trials may be at work at once; None: as many as there are workers.

    Raises
    ------
    SpecificationError
        If its data cannot be used: see `Experiment.checked`.
    """
    from tlcore.errors import SpecificationError

    if workers is not None and workers < 1:
        raise SpecificationError(f"workers: {workers} is out of range. Allowed: 1 and more.")
    checked = experiment.checked()
    start_engine()  # before the run is there, so that an idle engine with older code does not count as busy
    run_id = _store().add(checked, workers, checked.concerns())
    start_engine()  # and after, as it may have ended by itself in between
    return run_id


def cancel(run_id: str) -> None:
    """Stop a run; what is done of it stays. Returns at once, and the run says so within two seconds."""
    _store().cancel(run_id)
    if not read(run_id).ended:
        start_engine()


def resume(run_id: str) -> None:
    """Queue the trials of a run again that failed or were cancelled, or take up a run that was lost."""
    _store().resume(run_id)
    if not read(run_id).ended:
        start_engine()


def undecided(run_id: str) -> Undecided:
    """Return which verdicts of a run are open, and what it would take to decide them.

    A trial takes as long as the run's own of that method and budget did, and as many are at work at once as were.
    """
    return _undecided(_store(), read(run_id), results(run_id))


def decide(run_id: str) -> None:
    """Let a run that has ended go on until its verdicts are decided, and queue the trials of its next look.

    Its specification says so from now on, and the rule for several looks holds for all of them, the first included.

    Raises
    ------
    SpecificationError
        If it is at work or was cancelled, or no verdict of it is open that further seeds may decide.
    """
    from tlcore.errors import SpecificationError

    store, info, now = _store(), read(run_id), results(run_id)
    if not info.ended:
        raise SpecificationError(f"run: {run_id!r} is at work; wait until it has ended.")
    if info.status == "cancelled":
        raise SpecificationError(f"run: {run_id!r} was cancelled; resume it before its verdicts are decided.")
    further = now.wanted()
    if not further:
        raise SpecificationError(f"run: {run_id!r} has no open verdict that further seeds may decide.")
    start_engine()  # as in `submit`
    store.decide(run_id, now.experiment.until_decided(), len(now.records), further)
    start_engine()


def _undecided(store: Store, info: RunInfo, now: Results) -> Undecided:
    verdicts, further = now.open, [] if info.status == "cancelled" else now.wanted()
    known, each = {record.trial.key for record in now.records}, store.seconds([info.id])
    usual, pace = sum(each.values()) / max(1, len(each)), store.pace(info.id)

    def seconds(trials: Sequence[Trial]) -> float | None:
        return sum(each.get((trial.method.label, trial.budget), usual) for trial in trials) * pace if each else None

    experiment = now.experiment.until_decided()
    most = [trial for trial in experiment.trials(experiment.looks[-1]) if trial.key not in known]
    if info.ended or info.look[0] > 1:  # before that all may be open
        pairs = {*verdicts, *((experiment.baseline, budget) for _, budget in verdicts)}
        most = [trial for trial in most if (trial.method.label, trial.budget) in pairs]
    return Undecided(verdicts, further, seconds(further), seconds(most))


def delete(run_id: str) -> None:
    """Forget a run and its results; refused while it is at work."""
    _store().delete(run_id)


def rename(run_id: str, name: str) -> None:
    """Give a run another name."""
    _store().rename(run_id, name)


def forecast(experiment: Experiment) -> float | None:
    """Return about how many seconds an experiment will take here; None where nothing is known of its like.

    What earlier runs between the same domains took counts first, then what the scenario says (`Scenario.cost`), then
    other runs of the scenario; for a trial of which nobody knows, the mean of the others.
    """
    from tlcore.methods import METHODS

    store, scenario = _store(), experiment.where
    runs = [run for run in store.runs() if run.experiment.scenario == experiment.scenario][:RUNS_REMEMBERED]
    alike = [run.id for run in runs if _between_the_same(run.experiment, experiment)]
    here, elsewhere = store.seconds(alike), store.seconds([run.id for run in runs])
    domains = experiment.domains() if scenario.forecasts else None
    said: dict[tuple[str, int], float | None] = {}
    for choice in experiment.methods:
        for budget in experiment.budgets:
            key, method = (choice.label, budget), METHODS[choice.name].configure(choice.settings)
            cost = scenario.cost(method, budget, domains) if domains else None
            said[key] = here.get(key, elsewhere.get(key) if cost is None else cost)
    known = [seconds for seconds in said.values() if seconds is not None]
    if not known:
        return None
    usual = sum(known) / len(known)
    each = [usual if seconds is None else seconds for seconds in said.values()]
    workers = engine_status().get("workers") or os.cpu_count() or 1
    shared = scenario.shared_cost(domains) if domains and not here else 0.0
    return shared + max(sum(each) * len(experiment.seeds) / workers, *each)


def _between_the_same(one: Experiment, other: Experiment) -> bool:
    return (one.names, one.options, one.epochs) == (other.names, other.options, other.epochs)


def explain(run_id: str, trial: Trial, row: int, again: bool = False) -> Explanation | None:
    """Return what a done trial's answer to a test example rests on; None while the engine works it out.

    The first call asks for it, and what is known is kept with the run; what was tried in vain is tried ``again``.

    Raises
    ------
    SpecificationError
        If the trial is not done, or it was tried in vain.
    """
    from tlcore.examples import Explanation

    found = _worked_out(run_id, trial, row, again)
    if found is None:
        return None
    return Explanation(found["by"], found["probabilities"], [(*part,) for part in found["parts"]])


def feature_map(run_id: str, trial: Trial, again: bool = False) -> FeatureMap | None:
    """Return where examples lie in the features before and after a done trial; None while the engine works it out.

    As `explain`.
    """
    from tlcore.examples import FeatureMap
    from tlcore.lab.store import WHOLE

    found = _worked_out(run_id, trial, WHOLE, again)
    return None if found is None else FeatureMap(**found)


def _worked_out(run_id: str, trial: Trial, row: int, again: bool) -> dict[str, Any] | None:
    found = _store().explanation(run_id, trial, row, again)
    if found is None:
        start_engine()
    return found


def list_runs() -> list[RunInfo]:
    """Return all runs, the newest first."""
    return _store().runs()


def read(run_id: str) -> RunInfo:
    """Return a run as it stands."""
    return _store().read(run_id)


def results(run_id: str) -> Results:
    """Return the trials of a run as they stand, with tables and verdicts of what is done."""
    from tlcore.results import Results

    store = _store()
    return Results(store.experiment(run_id), store.records(run_id))


def wait(run_id: str, poll: float = 0.1, on_change: Callable[[RunInfo], None] | None = None) -> RunInfo:
    """Wait until a run has ended, with a new engine should the present one be lost, and return how it stands.

    Parameters
    ----------
    run_id : str
    poll : float
        Seconds between two looks.
    on_change : callable, optional
        Called with the run at the start and whenever its status or counts have changed.
    """
    from tlcore.errors import SpecificationError

    seen: tuple[str, dict[str, int]] | None = None
    restarts = 0
    while True:
        info = read(run_id)
        if seen != (info.status, info.counts):
            seen, restarts = (info.status, info.counts), 0
            if on_change:
                on_change(info)
        if info.ended:
            return info
        if not engine_status()["running"]:
            if restarts == MOST_RESTARTS:
                raise SpecificationError(f"engine: it ends again and again; see {engine_status()['log']}")
            restarts += 1
            start_engine()
        time.sleep(poll)


def run(experiment: Experiment, workers: int | None = None) -> Results:
    """Carry out an experiment and return its results; an interrupt cancels it, and keeps what is done."""
    run_id = submit(experiment, workers)
    try:
        wait(run_id)
    except KeyboardInterrupt:
        cancel(run_id)
        raise
    return results(run_id)


def export(run_id: str, format: str, out: str | Path) -> Path:
    """Write a run to a file as ``html``, ``csv``, ``json`` or ``notebook``, and return its path."""
    from tlcore.report.export import write

    return write(read(run_id), results(run_id), format, Path(out))


def save(results: Results, directory: str | Path, concerns: Sequence[str] = ()) -> Path:
    """Write ``spec.yaml``, ``environment.json``, ``trials.csv`` and ``verdicts.json`` into a folder.

    ``concerns`` are those of a run (`RunInfo`); where there are any, they stand in ``warnings.json``.
    """
    from tlcore.report.export import save_folder

    return save_folder(results, Path(directory), concerns)


def engine_status() -> dict[str, Any]:
    """Return how the engine is: running, ready (its workers are there), pid, started, address, workers, log."""
    from datetime import UTC, datetime

    from tlcore.lab.process import find, log_path

    engine = find()
    if engine is None:
        return {"running": False, "ready": False, "log": str(log_path())}
    return {
        "running": True,
        "ready": bool(engine.address),
        "pid": engine.pid,
        "started": datetime.fromtimestamp(engine.started, UTC).isoformat(timespec="seconds"),
        "address": engine.address,
        "workers": engine.workers,
        "log": str(log_path()),
    }


def start_engine() -> None:
    """See that the engine is there, and runs the code at hand; call it early, so that its workers are warm."""
    from tlcore.lab.process import start

    start(busy=bool(_store().active() or _store().asked()))


def stop_engine() -> None:
    """Stop the engine; runs at work wait for the next one."""
    from tlcore.lab.process import stop

    stop()


def _store() -> Store:
    from tlcore.lab.store import open_store

    return open_store(store_url())
