"""How far can the verdicts of a run be trusted, and how often do they decide?

    python -m benchmarks.verdicts [--runs 1000] [--looks 300]

Runs are drawn, not carried out: scores of J methods and a baseline on N test examples with S seeds, ::

    y[j, s, i] = gap_j + a[j, s] + b[j, i] + e[j, s, i],     all normal

such that gaps have spreads of 2 points between seeds, 10 between examples and 30 between cells (on digits:
2.1, 18 and 33), half of each variance the baseline's. Printed are

- false verdicts: the share of runs without any true gap in which some verdict says that something helps or harms, by
  the adjusted p-values and by the raw ones;
- coverage of the 95 % intervals; also where one method scatters five times as much as the others, between seeds alone,
  or in everything, and then of that method and of the others;
- power: how often a true gap of 5 points of one method is found, by the raw p-value and by the adjusted one;
- runs until decided: false verdicts over all looks, and trials, beside those of a fixed number of seeds of equal power.
"""

import argparse
from collections.abc import Iterable, Iterator

import numpy as np

from tlcore.evaluation.family import Gaps, members
from tlcore.evaluation.verdict import ALPHA, judge_together
from tlcore.experiment import Experiment
from tlcore.results import Results, TrialRecord, TrialResult

SPREADS = (0.02, 0.1, 0.3)
EXAMPLES = 200
GAP = 0.05
OUTLIERS = {"none": (1, 1, 1), "between seeds": (5, 1, 1), "in everything": (5, 5, 5)}


def scores(rng: np.random.Generator, methods: int, seeds: int, outlier: tuple[int, int, int] = (1, 1, 1)) -> np.ndarray:
    """Draw scores (1 + methods, seeds, EXAMPLES) without a gap, of the baseline first; one method may scatter more."""
    shapes = ((seeds, 1), (1, EXAMPLES), (seeds, EXAMPLES))
    total = np.zeros((1 + methods, seeds, EXAMPLES))
    for spread, shape, more in zip(SPREADS, shapes, outlier, strict=True):
        own = rng.standard_normal((1 + methods, *shape)) * spread / np.sqrt(2)
        own[1] *= more
        total += own
    return total


def compared(table: np.ndarray, gaps: np.ndarray | float = 0.0) -> list[Gaps]:
    """Return the gaps of each method to the baseline."""
    differences = table[1:] - table[0] + np.reshape(gaps, (-1, 1, 1))
    return [Gaps(f"method {j}", 5, tuple(range(table.shape[1])), one) for j, one in enumerate(differences)]


def of_one_run(rng: np.random.Generator, methods: int, seeds: int, outlier: tuple[int, int, int]) -> dict[str, float]:
    """Return what one drawn run gives to each column of the table."""
    table = scores(rng, methods, seeds, outlier)
    verdicts = judge_together(compared(table), "baseline", "accuracy")
    covered = np.array([one.ci_low <= 0 <= one.ci_high for one in verdicts])
    gaps = np.zeros(methods)
    gaps[-1] = GAP
    alone = judge_together(compared(table, gaps), "baseline", "accuracy")[-1]
    # By itself a gap is found whatever the others' gaps are, so that all of them tell.
    all_found = [one.estimate.p_value < ALPHA and one.estimate.gap > 0 for one in members(compared(table, GAP))]
    return {
        "false, adjusted": any(one.verdict != "no evidence" for one in verdicts),
        "false, raw": any(one.p_value < ALPHA for one in verdicts),
        "covered": covered[1:].mean(),
        "covered, first": covered[0],
        "found, raw": np.mean(all_found[1:]),
        "found, adjusted": alone.verdict in ("helps", "helps a little"),
    }


def shares(methods: int, seeds: int, outlier: str, runs: int) -> dict[str, float]:
    """Return the mean of each column over drawn runs."""
    rng = np.random.default_rng([methods, seeds])
    drawn = [of_one_run(rng, methods, seeds, OUTLIERS[outlier]) for _ in range(runs)]
    return {name: float(np.mean([one[name] for one in drawn])) for name in drawn[0]}


NAMES = [
    "fine_tune", "frozen", "l2_sp", "delta", "bss", "lora", "adapters",
    "bias_only", "coral", "tca", "mmd", "dann", "pooled", "kmm",
]  # fmt: skip


def drawn_experiment(methods: int, **fields: object) -> Experiment:
    """Return an experiment of so many methods whose trials are to be drawn."""
    return Experiment.build({"methods": ["from_scratch", *NAMES[:methods]], "budgets": [5], **fields})


def until_decided(rng: np.random.Generator, methods: int, gaps: np.ndarray) -> Results:
    """Draw a run until decided, look by look."""
    experiment = drawn_experiment(methods, until="decided", seeds=3)
    table = scores(rng, methods, 20)
    table[1:] += np.reshape(gaps, (-1, 1, 1))
    place = {choice.label: number for number, choice in enumerate(experiment.methods)}
    results, wanted = Results(experiment, []), experiment.trials()
    while wanted:
        results = Results(experiment, results.records + [
            TrialRecord(one, "done", "", TrialResult({}, [], {"accuracy": table[place[one.method.label], one.seed]}))
            for one in wanted
        ])  # fmt: skip
        wanted = results.wanted()
    return results


def fixed(rng: np.random.Generator, methods: int, gaps: np.ndarray, seeds: int) -> list[str]:
    """Draw a run of so many seeds and return its verdicts."""
    drawn = compared(scores(rng, methods, seeds), gaps)
    return [one.verdict for one in judge_together(drawn, "baseline", "accuracy")]


EFFECTS = {"no gap": (0.0, 0.0), "5 points each": (GAP, 0.0), "normal, 5 points": (0.0, GAP), "normal, 10": (0.0, 0.1)}
"""Mean and spread of the true gaps of the methods of a run."""
FIXED = (3, 4, 5, 6, 7, 8, 10, 12, 14, 17, 20, 25, 30)


def found(verdicts: Iterable[str], gaps: np.ndarray) -> int:
    """Return how many true gaps were found with their sign."""
    signs = np.array([("help" in one) - ("negative" in one) for one in verdicts])
    return int(((signs == np.sign(gaps)) & (signs != 0)).sum())


def table_of_looks(methods: int, runs: int) -> Iterator[str]:
    """Yield the rows of the table of runs until decided."""
    for name, (mean, spread) in EFFECTS.items():
        rng = np.random.default_rng(methods)
        trials, hits, false = [], 0, 0
        drawn_runs = 4 * runs if mean == spread == 0 else runs  # a small share needs more of them
        for _ in range(drawn_runs):
            gaps = rng.normal(mean, spread, methods)
            results = until_decided(rng, methods, gaps)
            hits += found(results.verdicts["verdict"], gaps)
            false += bool((results.verdicts["verdict"] != "no evidence").any())
            trials.append(len(results.records))
        if mean == spread == 0:
            yield f"| {name} | {false / drawn_runs:.3f} | {np.mean(trials):.0f} | – | – | – |"
            continue
        power, of_fixed = hits / runs / methods, []
        for seeds in FIXED:
            rng = np.random.default_rng([methods, seeds])
            drawn = [rng.normal(mean, spread, methods) for _ in range(runs)]
            of_fixed.append(sum(found(fixed(rng, methods, gaps, seeds), gaps) for gaps in drawn) / runs / methods)
        as_good = float(np.interp(power, np.maximum.accumulate(of_fixed), FIXED))
        needed = as_good * (1 + methods)
        yield (
            f"| {name} | – | {np.mean(trials):.0f} | {power:.2f} | {as_good:.1f} seeds, {needed:.0f} trials | "
            f"{1 - np.mean(trials) / needed:.0%} |"
        )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1000, help="drawn runs a row")
    parser.add_argument(
        "--looks", type=int, default=300, help="drawn runs until decided a row, four times as many without a gap"
    )
    args = parser.parse_args()
    columns = ("false, adjusted", "false, raw", "covered", "covered, first", "found, raw", "found, adjusted")
    print("| methods | seeds | one method scatters more | " + " | ".join(columns) + " |")
    print("|" + "---|" * (len(columns) + 3))
    for outlier in OUTLIERS:
        for methods in (2, 8, 14):
            for seeds in (3, 5, 10):
                row = shares(methods, seeds, outlier, args.runs)
                cells = " | ".join(f"{row[name]:.3f}" for name in columns)
                print(f"| {methods} | {seeds} | {outlier} | {cells} |", flush=True)
    for methods in (2, 7, 14):
        print(f"\nUntil decided, {methods} methods:\n")
        print("| true gaps | runs with a false verdict | trials | found | a fixed number as good | fewer trials |")
        print("|---|---|---|---|---|---|")
        for row in table_of_looks(methods, args.looks):
            print(row, flush=True)


if __name__ == "__main__":
    main()
