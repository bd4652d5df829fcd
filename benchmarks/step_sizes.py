"""Each method's own step size, chosen where no test example is: what the defaults in the catalogue rest on.

    python -m benchmarks.step_sizes [--methods from_scratch,fine_tune] [--seeds 3]

Trials label one half of the pool and are scored on the other; the test examples are not touched.
"""

import argparse

import numpy as np

from benchmarks.pool_only import pool_only
from tlcore.experiment import Experiment
from tlcore.methods import METHODS
from tlcore.trial import execute


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", default=",".join(name for name in METHODS if name != "source_only"))
    parser.add_argument("--budgets", default="5,20")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rates", default="5e-4,1e-3,2e-3,5e-3,1e-2,2e-2")
    parser.add_argument("--setting", default="inductive", choices=["inductive", "transductive"])
    arguments = parser.parse_args()
    rates = [float(rate) for rate in arguments.rates.split(",")]
    print("| method | labels a class | " + " | ".join(f"{rate:g}" for rate in rates) + " | default |")
    print("|" + "---|" * (len(rates) + 3))
    with pool_only("digits"):
        for name in arguments.methods.split(","):
            for budget in map(int, arguments.budgets.split(",") if arguments.setting == "inductive" else "0"):
                cells = []
                for rate in rates:
                    choice = {"name": name, "settings": {"learning_rate": rate}}
                    spec = {
                        "methods": [choice],
                        "budgets": [budget],
                        "seeds": arguments.seeds,
                        "setting": arguments.setting,
                    }
                    trials = [each for each in Experiment.build(spec).trials() if each.method.settings]
                    cells.append(np.mean([execute(each).metrics["accuracy"] for each in trials]))
                default = METHODS[name]().learning_rate
                print(
                    f"| {name} | {budget} | " + " | ".join(f"{cell:.3f}" for cell in cells) + f" | {default:g} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
