"""Is a fifth of a small label budget better spent on early stopping, or on training?

    python -m benchmarks.early_stopping [--seeds 5] [--budgets 5,20,40]

Every choice is scored on the half of the pool that no trial may label; the test examples are not touched.
"""

import argparse
from unittest.mock import patch

import numpy as np

from benchmarks.pool_only import pool_only
from tlcore.experiment import Experiment
from tlcore.scenarios import classification
from tlcore.trial import execute

METHODS = ("from_scratch", "fine_tune")


def accuracy(method: str, budget: int, seeds: int, hold_out_from: int) -> np.ndarray:
    """Return the accuracy of each seed where budgets of ``hold_out_from`` labels a class and more are validated."""
    experiment = Experiment.build({"methods": method, "budgets": [budget], "seeds": seeds})
    with patch.object(classification.Classification, "validate_from", hold_out_from):
        return np.array(
            [execute(each).metrics["accuracy"] for each in experiment.trials() if each.method.name == method]
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--budgets", default="5,20,40")
    arguments = parser.parse_args()
    print("| labels a class | method | all for training | a fifth held out | difference (sd over seeds) |")
    print("|---|---|---|---|---|")
    with pool_only("digits"):
        for budget in map(int, arguments.budgets.split(",")):
            for method in METHODS:
                whole = accuracy(method, budget, arguments.seeds, hold_out_from=10_000)
                held = accuracy(method, budget, arguments.seeds, hold_out_from=1)
                change = held - whole
                print(
                    f"| {budget} | {method} | {whole.mean():.3f} | {held.mean():.3f} "
                    f"| {change.mean():+.3f} ({change.std(ddof=1):.3f}) |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
