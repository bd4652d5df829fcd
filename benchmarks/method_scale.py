"""Seconds and memory of what is found in closed form, on many rows; each in a process of its own, on one thread.

python -m benchmarks.method_scale
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time

import numpy as np

LINEAR = ("pca", "subspace_alignment", "coral", "gfk", "density_ratio", "easytl")
KERNELS = ("tca", "jda", "jgsa", "meda", "kmm", "kliep", "density_selection", "optimal_transport", "jdot")
COLUMNS, CLASSES = 256, 10


def one(name: str, rows: int) -> None:
    """Print the seconds that a method takes, the memory at its most in MB, and the memory of the rows themselves."""
    from threadpoolctl import threadpool_limits

    from tlcore.classifiers import Classifier
    from tlcore.examples import Examples
    from tlcore.methods import METHODS
    from tlcore.methods.base import Seen

    threadpool_limits(1)
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(CLASSES, COLUMNS))
    answers = rng.integers(0, CLASSES, rows)
    source = centres[answers] + rng.normal(size=(rows, COLUMNS))
    target = centres[rng.integers(0, CLASSES, rows)] + rng.normal(size=(rows, COLUMNS)) + 0.3
    none = Examples(source[:0], answers[:0])
    seen = Seen(
        Examples(source, answers),
        none,
        CLASSES,
        0,
        target,
        Classifier("logistic", CLASSES, 0, setting=1.0),
    )
    method = METHODS[name]()
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    if method.overrides("solve"):
        method.solve(seen).predict(target)
    elif method.overrides("weights"):
        method.weights(seen)
    else:
        of_source, of_target = method.feature_map(seen)
        of_source(source), of_target(target)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"| {name} | {rows:,} | {time.perf_counter() - began:.1f} | {most / 1024:,.0f} | {before / 1024:,.0f} |",
        flush=True,
    )


def main() -> None:
    """Measure all, each apart."""
    print(
        f"| method | rows of each domain, {COLUMNS} columns | seconds | MB at most | MB before |\n|---|---|---|---|---|"
    )
    for names, rows in ((LINEAR, 100_000), (KERNELS, 20_000)):
        for name in names:
            subprocess.run([sys.executable, "-m", "benchmarks.method_scale", name, str(rows)], check=False)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        one(sys.argv[1], int(sys.argv[2]))
    else:
        main()
