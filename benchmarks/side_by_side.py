"""Methods on texts or pictures side by side, without the baseline that chooses: balanced accuracy, mean over seeds.

python -m benchmarks.side_by_side [--scenario sentiment] [--source pretraining] [--targets movie,product]
    [--methods frozen] [--budgets 10,50] [--set size=224] [--pool]
"""

import argparse
from contextlib import nullcontext

import numpy as np

from benchmarks.pool_only import pool_only
from tlcore.experiment import Experiment
from tlcore.trial import execute


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenario", default="sentiment")
    parser.add_argument("--source", default="pretraining")
    parser.add_argument("--targets", default="movie,product,news,tweet")
    parser.add_argument("--methods", default="logistic_regression,small_network,frozen")
    parser.add_argument("--budgets", default="10,50,200")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", action="append", default=[], help="an option of the scenario, name=value")
    parser.add_argument("--step", type=float, help="step size of the methods, in place of their own")
    parser.add_argument("--pool", action="store_true", help="score on half of the pool, so that no test is looked at")
    arguments = parser.parse_args()
    budgets = arguments.budgets.split(",")
    print("| source | target | method | " + " | ".join(budgets) + " | seconds a trial |")
    print("|" + "---|" * (len(budgets) + 4))
    with pool_only(arguments.scenario) if arguments.pool else nullcontext():
        measure(arguments)


def measure(arguments: argparse.Namespace) -> None:
    budgets = arguments.budgets.split(",")
    options = dict(option.split("=", 1) for option in arguments.set)
    settings = {"learning_rate": arguments.step} if arguments.step else {}
    for target in arguments.targets.split(","):
        spec = {"scenario": arguments.scenario, "source": arguments.source, "target": target}
        methods = [{"name": name, "settings": settings} for name in arguments.methods.split(",")]
        rest = {"methods": methods, "budgets": arguments.budgets, "seeds": arguments.seeds}
        trials = Experiment.build(spec | rest | options).trials()
        for name in arguments.methods.split(","):
            found = [(str(trial.budget), execute(trial).metrics) for trial in trials if trial.method.name == name]
            cells = [np.mean([m["balanced_accuracy"] for budget, m in found if budget == each]) for each in budgets]
            seconds = " to ".join(f"{f([m['seconds'] for _, m in found]):.1f}" for f in (min, max))
            said = " | ".join(f"{cell:.3f}" for cell in cells)
            print(f"| {arguments.source} | {target} | {name} | {said} | {seconds} |", flush=True)


if __name__ == "__main__":
    main()
