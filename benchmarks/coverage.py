"""How often does a verdict's 95 % interval cover the truth, and what would simpler intervals do?

    python -m benchmarks.coverage [--draws 4000]

Gaps are drawn as d[s, i] = aₛ + bᵢ + eₛᵢ with mean 0, for several mixtures of the three spreads. The same draws go to

- ours: `tlcore.evaluation.gap.gap_interval`;
- Satterthwaite: the same variance, with Satterthwaite's degrees of freedom for the sum of mean squares;
- over seeds, over examples, over all cells: a paired t-test that knows one kind of replication only.
"""

import argparse
from math import sqrt

import numpy as np
from scipy import stats

from tlcore.evaluation.gap import gap_interval

SPREADS = {  # of the seed effect, the example effect, and the residual
    "only noise": (0.0, 0.0, 1.0),
    "only examples": (0.0, 1.0, 0.0),
    "only seeds": (1.0, 0.0, 0.0),
    "examples and noise": (0.0, 1.0, 1.0),
    "seeds a tenth of examples": (0.1, 1.0, 0.5),
    "seeds a fifth of examples": (0.2, 1.0, 0.5),
    "mostly seeds": (1.0, 0.5, 0.5),
}


def ours(table: np.ndarray) -> bool:
    estimate = gap_interval(table)
    return estimate.ci_low <= 0 <= estimate.ci_high


def satterthwaite(table: np.ndarray) -> bool:
    seeds, examples = table.shape
    centred = table - table.mean()
    of_seeds, of_examples = centred.mean(1, keepdims=True), centred.mean(0, keepdims=True)
    residual = centred - of_seeds - of_examples
    squares = np.array([examples * np.sum(of_seeds**2), seeds * np.sum(of_examples**2), np.sum(residual**2)])
    degrees = np.array([seeds - 1, examples - 1, (seeds - 1) * (examples - 1)])
    means = squares / degrees
    variance = (means[0] + means[1] - means[2]) / table.size
    if variance <= 0:
        return bool(table.mean() == 0)
    effective = (means[0] + means[1] - means[2]) ** 2 / np.sum(means**2 / degrees)
    return bool(abs(table.mean()) <= stats.t.ppf(0.975, effective) * sqrt(variance))


def paired_t(values: np.ndarray) -> bool:
    half = stats.t.ppf(0.975, values.size - 1) * values.std(ddof=1) / sqrt(values.size)
    return bool(abs(values.mean()) <= half)


INTERVALS = {
    "ours": ours,
    "Satterthwaite": satterthwaite,
    "over seeds": lambda table: paired_t(table.mean(1)),
    "over examples": lambda table: paired_t(table.mean(0)),
    "over all cells": paired_t,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=4000)
    draws = parser.parse_args().draws
    print("| seeds | examples | spread | " + " | ".join(INTERVALS) + " |")
    print("|" + "---|" * (len(INTERVALS) + 3))
    for seeds in (3, 5, 10):
        for examples in (30, 200):
            for name, (of_seed, of_example, residual) in SPREADS.items():
                rng = np.random.default_rng([seeds, examples])
                covered = np.zeros(len(INTERVALS))
                for _ in range(draws):
                    table = of_seed * rng.standard_normal((seeds, 1)) + of_example * rng.standard_normal((1, examples))
                    table = table + residual * rng.standard_normal((seeds, examples))
                    covered += [interval(table) for interval in INTERVALS.values()]
                cells = " | ".join(f"{share:.3f}" for share in covered / draws)
                print(f"| {seeds} | {examples} | {name} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
