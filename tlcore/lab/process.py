"""The engine's process: found, started, replaced when the code has changed, stopped."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from tlcore.artefacts import home
from tlcore.errors import SpecificationError
from tlcore.version import VERSION

STARTING = 30.0
"""Seconds that a new engine may take to say that it is there."""
STOPPING = 10.0
"""Seconds that an engine may take to stop before it is killed."""
LARGEST_LOG = 2_000_000


@dataclass(frozen=True)
class EngineProcess:
    """The engine of this home, as it describes itself in ``engine.json``.

    Attributes
    ----------
    pid : int
    started : float
        When the process began, in seconds since 1970 in UTC; with the pid it names one process for good.
    code : str
        What code it runs: see `code_at_hand`.
    address : str
        Of its Dask scheduler; empty until its workers are there.
    workers : int
    """

    pid: int
    started: float
    code: str
    address: str = ""
    workers: int = 0

    @classmethod
    def current(cls) -> EngineProcess:
        """Describe this process."""
        return cls(os.getpid(), psutil.Process().create_time(), code_at_hand())

    def alive(self) -> bool:
        """Whether this very process is there."""
        try:
            process = psutil.Process(self.pid)
            return process.create_time() == self.started and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def register(self, address: str = "", workers: int = 0) -> None:
        """Write ``engine.json``."""
        record = replace(self, address=address, workers=workers)
        partial = _record_path().with_suffix(f".{os.getpid()}.partial")
        partial.write_text(json.dumps(asdict(record)), encoding="utf-8")
        partial.replace(_record_path())

    def deregister(self) -> None:
        """Remove ``engine.json``."""
        _record_path().unlink(missing_ok=True)


def find() -> EngineProcess | None:
    """Return the engine of this home if it is alive."""
    try:
        record = EngineProcess(**json.loads(_record_path().read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    return record if record.alive() else None


def start(busy: bool) -> None:
    """Start the engine unless it is there; an idle one that runs other code than what is at hand is replaced.

    Parameters
    ----------
    busy : bool
        Whether runs are at work, which an engine is not taken away from.
    """
    worker_count(), idle_seconds()  # a wrong setting is said here, not in the engine's log
    engine = find()
    if engine and (busy or engine.code == code_at_hand()):
        return
    if engine:
        stop()
    process = _launch()
    deadline = time.monotonic() + STARTING
    while find() is None:
        if process.poll() or time.monotonic() > deadline:
            lines = log_path().read_text(encoding="utf-8", errors="replace").splitlines()
            reason = lines[-1] if lines else "it said nothing"
            raise SpecificationError(f"engine: it did not start: {reason} (more in {log_path()})")
        time.sleep(0.02)


def stop() -> None:
    """Stop the engine of this home and wait until it is gone; what it was doing is queued again."""
    engine = find()
    if engine is None:
        return
    deadline = time.monotonic() + STOPPING
    with suppress(ProcessLookupError):  # it may end by itself at any moment
        os.kill(engine.pid, signal.SIGTERM)
        while engine.alive():
            if time.monotonic() > deadline:
                os.kill(engine.pid, signal.SIGKILL)
            time.sleep(0.02)


def worker_count() -> int:
    """Return how many worker processes an embedded engine has: ``TRANSFER_LAB_WORKERS``, or one for each core."""
    value = os.environ.get("TRANSFER_LAB_WORKERS") or str(os.cpu_count() or 1)
    if not value.isdigit() or int(value) < 1:
        raise SpecificationError(f"TRANSFER_LAB_WORKERS: {value!r} is not allowed; a number from 1 on is.")
    return int(value)


def idle_seconds() -> float:
    """Return how long an engine waits for a next run: ``TRANSFER_LAB_IDLE``, or half an hour."""
    value = os.environ.get("TRANSFER_LAB_IDLE") or "1800"
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < math.inf:
        raise SpecificationError(f"TRANSFER_LAB_IDLE: {value!r} is not allowed; a number of seconds from 0 on is.")
    return seconds


def code_at_hand() -> str:
    """Return what tells this code from other code: the version, and when a file of it changed last."""
    files = Path(__file__).parents[1].rglob("*.py")
    return f"{VERSION} {max(path.stat().st_mtime_ns for path in files)}"


def log_path() -> Path:
    """Return the file that the engine and its workers write to."""
    return home() / "engine.log"


def _record_path() -> Path:
    return home() / "engine.json"


def _launch() -> subprocess.Popen[bytes]:
    if log_path().exists() and log_path().stat().st_size > LARGEST_LOG:
        log_path().replace(log_path().with_suffix(".log.1"))
    package = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
    with log_path().open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "tlcore.lab.engine"],
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,  # it outlives the page or command that needed it first
        )
