"""What does it cost a trial to say what it forgot of the source? CPU seconds, and their share of the trial's.

    python -m benchmarks.forgotten [--scenario digits] [--source mnist] [--target uci] [--methods fine_tune,frozen]
        [--budgets 5,20,50] [--set encoder=minilm-l6]

The source model is there before the first trial; what sets source examples aside, and what scores them, is timed within
each trial.
"""

import argparse
import time
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import numpy as np

from tlcore import trial as room
from tlcore.experiment import Experiment


class Clock:
    """Adds up the CPU time of the calls of a function."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, timed."""

        def timed(*given: Any) -> Any:
            began = time.process_time()
            try:
                return function(*given)
            finally:
                self.seconds += time.process_time() - began

        return timed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenario", default="digits")
    parser.add_argument("--source", default="mnist")
    parser.add_argument("--target", default="uci")
    parser.add_argument("--methods", default="source_only,fine_tune,frozen,l2_sp,mmd")
    parser.add_argument("--budgets", default="5,20,50")
    parser.add_argument("--set", action="append", default=[], help="an option of the scenario, name=value")
    arguments = parser.parse_args()
    options = dict(option.split("=", 1) for option in arguments.set)
    names = ("scenario", "source", "target", "methods", "budgets")
    experiment = Experiment.build({name: getattr(arguments, name) for name in names} | {"seeds": [0]} | options)
    trials = [trial for trial in experiment.trials() if trial.method.name != experiment.baseline]
    everything = np.zeros(2)
    room.prepare(experiment, 0)
    room.execute(trials[0])  # what is loaded or computed once in a process
    print("| method | budget | before | after | seconds | of them for what was forgotten | share |")
    print("|---|---|---|---|---|---|---|")
    for trial in trials:
        clock = Clock()
        timed = {name: clock.around(getattr(room, name)) for name in ("score", "set_aside")}
        with patch.multiple(room, **timed):
            began = time.process_time()
            metrics = room.execute(trial).metrics
            seconds = time.process_time() - began
        everything += [seconds - clock.seconds, clock.seconds]
        scores = " | ".join(f"{metrics.get(name, float('nan')):.3f}" for name in ("source_before", "source_after"))
        share = clock.seconds / (seconds - clock.seconds)
        print(
            f"| {trial.method.label} | {trial.budget} | {scores} | {seconds:.2f} | {clock.seconds:.3f} | {share:.1%} |",
            flush=True,
        )
    print(f"All of them: {everything[1]:.2f} of {everything.sum():.1f} s, {everything[1] / everything[0]:.1%} more.")


if __name__ == "__main__":
    main()
