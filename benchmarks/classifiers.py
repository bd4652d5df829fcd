"""What it costs, and what it brings, to choose C and to choose among baselines: the tables of docs/classifiers.md.

    python -m benchmarks.classifiers cost
    python -m benchmarks.classifiers gain [--seeds 5]

On one thread. `cost` compares with the same fit at C = 1. `gain` learns from few rows: of digits, whose
pixels have mean 0 and variance 1, and of made tables; what is scored is other rows, of digits also those of another
domain.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from tlcore.classifiers import CLASSIFIERS, Classifier

Table = tuple[Any, np.ndarray]


def main() -> None:
    """Measure what is asked for."""
    import sklearn.utils  # noqa: F401 - brings along what is limited to one thread
    from threadpoolctl import threadpool_limits

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["cost", "gain"])
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    threadpool_limits(1)
    warnings.simplefilter("ignore")  # of C = 1, where liblinear does not come to an end
    if arguments.what == "cost":
        cost()
    else:
        gain(arguments.seeds)


def cost() -> None:
    """Print processor seconds to fit at C = 1, to choose C and fit, and of the trees, by size of a table."""
    print("| rows x columns | classes | classifier | C = 1, s | C chosen, s | ratio | |\n|" + "---|" * 7)
    for (rows, answers), sparse in sizes():
        number = 1 + int(answers.max())
        shape = f"{rows.shape[0]:,} x {rows.shape[1]:,}" + (" sparse" if sparse else "")
        for name in ("svm", "logistic"):
            plain, choosing = Classifier(name, number, 0, setting=1.0), Classifier(name, number, 0)
            before, after = (seconds(one, rows, answers) for one in (plain, choosing))
            cells = f"{before:.2f} | {after:.2f} | {after / before:.1f} | {choosing.note}"
            print(f"| {shape} | {number} | {name} | {cells} |", flush=True)
        if not sparse:
            trees = seconds(Classifier("trees", number, 0), rows, answers)
            print(f"| {shape} | {number} | trees | | {trees:.2f} | | |", flush=True)


def seconds(fit: Classifier, rows: Any, answers: np.ndarray) -> float:
    """Return how long a processor takes to fit; other work on the machine does not count."""
    began = time.process_time()
    fit(rows, answers)
    return time.process_time() - began


def sizes() -> Iterator[tuple[Table, bool]]:
    """Yield tables of the sizes that people bring."""
    from scipy.sparse import random

    for n, columns, classes in ((300, 800, 10), (1000, 800, 10), (20_000, 100, 2)):
        yield noisy(0, n, columns, classes, columns), False
    rng = np.random.default_rng(0)
    rows = random(5000, 20_000, 0.005, format="csr", random_state=0)
    yield (rows, (rows @ rng.normal(size=20_000) + 0.3 * rng.normal(size=5000) > 0).astype(int)), True


def noisy(seed: int, n: int, columns: int, classes: int, telling: int, shift: float = 0.15) -> Table:
    """Classes with other means in some of the columns, each of variance about one."""
    centres = np.zeros((classes, columns))
    centres[:, :telling] = np.random.default_rng(99).normal(size=(classes, telling)) * shift
    rng = np.random.default_rng(seed)
    answers = rng.permutation(np.arange(n) % classes)
    return centres[answers] + rng.normal(size=(n, columns)), answers


def exclusive_or(seed: int, n: int) -> Table:
    """Class 1 where the first two of ten columns have different signs."""
    rows = np.random.default_rng(seed).normal(size=(n, 10))
    return rows, ((rows[:, 0] > 0) != (rows[:, 1] > 0)).astype(int)


def gain(seeds: int) -> None:
    """Print the accuracy with C = 1 and with C chosen, and of the other baselines, in percent."""
    names = ("svm", "logistic", "neighbours", "trees")
    print("| table | rows | svm, C = 1 | svm | logistic, C = 1 | logistic | neighbours | trees |\n|" + "---|" * 8)
    for called, learn, score in tables():
        found = []
        for seed in range(seeds):
            (rows, answers), (asked, truth) = learn(seed), score(seed)
            number, cells = 1 + int(answers.max()), []
            for name in names:
                settings = (1.0, None) if CLASSIFIERS[name].letter == "C" else (None,)
                told = [Classifier(name, number, seed, one)(rows, answers)(asked).argmax(1) for one in settings]
                cells += [100 * float((one == truth).mean()) for one in told]
            found.append(cells)
        print(f"| {called} | {len(answers)} | " + " | ".join(f"{v:.1f}" for v in np.mean(found, 0)) + " |", flush=True)


def tables() -> Iterator[tuple[str, Callable[[int], Table], Callable[[int], Table]]]:
    """Yield a name, rows to learn from by seed, and rows to score."""
    from tlcore.scenarios import SCENARIOS

    domains = SCENARIOS["digits"].domains("mnist", "uci")
    flat = [(part.inputs.reshape(len(part), -1), part.answers) for part in (domains.source, domains.test)]
    (there, of_source), (here, of_target) = ((standard(rows), answers) for rows, answers in flat)

    def drawn(each: int, seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        return np.concatenate([rng.permutation(np.flatnonzero(of_source == k))[:each] for k in range(10)])

    def some(each: int, seed: int) -> Table:
        return there[drawn(each, seed)], of_source[drawn(each, seed)]

    def others(each: int, seed: int) -> Table:
        rest = np.setdiff1d(np.arange(len(there)), drawn(each, seed))
        return there[rest], of_source[rest]

    for each in (1, 2, 5, 30):
        yield f"mnist, {each} a class", partial(some, each), partial(others, each)
    yield "mnist, 30 a class, scored on uci", partial(some, 30), lambda _: (here, of_target)
    made = partial(noisy, columns=800, classes=2, telling=20, shift=0.4)
    for n in (40, 300):
        yield "800 columns, 20 of which tell 2 classes", partial(made, n=n), lambda seed: made(seed + 1000, n=2000)
    yield "exclusive or in 10 columns", partial(exclusive_or, n=300), lambda seed: exclusive_or(seed + 1000, 2000)


def standard(rows: np.ndarray) -> np.ndarray:
    """Bring columns to mean 0 and variance 1."""
    return (rows - rows.mean(0)) / np.where(rows.std(0) > 0, rows.std(0), 1)


if __name__ == "__main__":
    main()
