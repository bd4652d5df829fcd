"""Methods on texts side by side, without the baseline that chooses: balanced accuracy on the test, mean over seeds.

python -m benchmarks.text_methods [--scenario sentiment] [--source pretraining] [--targets movie,product]
    [--methods frozen] [--budgets 10,50]
"""

import argparse

import numpy as np

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
    arguments = parser.parse_args()
    budgets = arguments.budgets.split(",")
    print("| source | target | method | " + " | ".join(budgets) + " | seconds a trial |")
    print("|" + "---|" * (len(budgets) + 4))
    for target in arguments.targets.split(","):
        spec = {"scenario": arguments.scenario, "source": arguments.source, "target": target}
        rest = {"methods": arguments.methods, "budgets": arguments.budgets, "seeds": arguments.seeds}
        trials = Experiment.build(spec | rest).trials()
        for name in arguments.methods.split(","):
            found = [(str(trial.budget), execute(trial).metrics) for trial in trials if trial.method.name == name]
            cells = [np.mean([m["balanced_accuracy"] for budget, m in found if budget == each]) for each in budgets]
            seconds = " to ".join(f"{f([m['seconds'] for _, m in found]):.1f}" for f in (min, max))
            said = " | ".join(f"{cell:.3f}" for cell in cells)
            print(f"| {arguments.source} | {target} | {name} | {said} | {seconds} |", flush=True)


if __name__ == "__main__":
    main()
