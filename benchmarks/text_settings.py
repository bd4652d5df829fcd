"""Step sizes of the methods that move an encoder, chosen where no test text is: what the defaults rest on.

    python -m benchmarks.text_settings [--methods fine_tune,lora] [--targets product,tweet] [--budget 50] [--seeds 1]
        [--epochs 60]

Scored by balanced accuracy on one half of the pool, labels from the other; the test texts are not touched.
"""

import argparse

import numpy as np

from benchmarks.pool_only import pool_only
from tlcore.experiment import Experiment
from tlcore.trial import execute

GRIDS = {
    "frozen": [5e-3, 1e-2, 2e-2],
    "fine_tune": [1e-3, 5e-3, 1e-2],
    "ulmfit": [5e-3, 2e-2, 5e-2],
    "lora": [5e-4, 1e-3, 2e-3],
    "adapters": [5e-4, 1e-3, 2e-3],
    "bias_only": [2e-2, 5e-2, 1e-1],
    "small_network": [1e-3, 2e-3, 5e-3],
    "from_scratch": [2.5e-3, 5e-3, 1e-2],
    "logistic_regression": [5e-3],
}
"""Step sizes of the head; those of an encoder, pretrained or not, are 0.02 of them. TF-IDF is there to compare."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", default=",".join(GRIDS))
    parser.add_argument("--targets", default="product,tweet")
    parser.add_argument("--budget", type=int, default=50)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int)
    arguments = parser.parse_args()
    targets = arguments.targets.split(",")
    print("| method | learning_rate | " + " | ".join(targets) + " | seconds a trial |")
    print("|" + "---|" * (len(targets) + 3))
    with pool_only("sentiment"):
        for name in arguments.methods.split(","):
            for rate in GRIDS[name]:
                choice = {"name": name, "settings": {"learning_rate": rate}}
                cells, seconds = [], []
                for target in targets:
                    spec = {"scenario": "sentiment", "source": "pretraining", "target": target, "methods": [choice]}
                    rest = {"budgets": [arguments.budget], "seeds": arguments.seeds, "epochs": arguments.epochs}
                    trials = Experiment.build(spec | rest).trials()
                    found = [execute(trial).metrics for trial in trials if trial.method.name == name]
                    cells.append(float(np.mean([metrics["balanced_accuracy"] for metrics in found])))
                    seconds += [metrics["seconds"] for metrics in found]
                said = " | ".join(f"{cell:.3f}" for cell in cells)
                print(f"| {name} | {rate:g} | {said} | {np.mean(seconds):.0f} |", flush=True)


if __name__ == "__main__":
    main()
