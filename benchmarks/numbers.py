"""Answers that are numbers: what transfers between patients, and from how many labels on a setting is worth choosing.

python -m benchmarks.numbers                 diabetes, each pair of domains, budgets 10 and 40
python -m benchmarks.numbers settings        ridge and support vector regression: chosen against the usual setting
"""

from __future__ import annotations

import sys

import numpy as np

from tlcore import regressors
from tlcore.experiment import Experiment
from tlcore.regressors import REGRESSORS, Regressor
from tlcore.results import Results, TrialRecord
from tlcore.scenarios import SCENARIOS
from tlcore.trial import execute

METHODS = "source_only,pooled,fine_tune,l2_sp,coral,di_pls,kliep,density_selection,tradaboost_r2"


def pairs(seeds: int = 5) -> None:
    """Print the mean R² of each method, and its verdict."""
    for source, target in SCENARIOS["diabetes"].pairs:
        fields = {"scenario": "diabetes", "source": source, "target": target, "methods": METHODS}
        run = Experiment.build({**fields, "budgets": [10, 40], "seeds": seeds})
        results = Results(run, [TrialRecord(trial, "done", result=execute(trial)) for trial in run.trials()])
        verdicts = results.verdicts.set_index(["method", "budget"])
        print(f"\n{source} to {target}")
        for (method, budget), mean in results.trials.groupby(["method", "budget"], sort=False)["r2"].mean().items():
            said = ""
            if (method, budget) in verdicts.index:
                one = verdicts.loc[(method, budget)]
                said = f"  gap {one.gap:+.3f} [{one.ci_low:+.3f}, {one.ci_high:+.3f}]  {one.verdict}"
            print(f"{method:20s} {budget:3d} labels  R² {mean:+.3f}{said}")


def settings(draws: int = 20) -> None:
    """Print the mean R² over draws of a budget, with the setting that is chosen and with the usual one."""
    regressors.FEWEST = 6  # so that it chooses from few rows on
    for source, target in SCENARIOS["diabetes"].pairs[::2]:
        scenario = SCENARIOS["diabetes"]
        domains = scenario.domains(source, target)
        truth = domains.test.answers
        for budget in (5, 10, 15, 20, 30, 40):
            found: dict[str, list[float]] = {}
            for seed in range(draws):
                bought, _ = scenario.task.spend(domains.pool, budget, seed)
                guess = np.full(len(truth), bought.answers.mean())
                found.setdefault("mean", []).append(1 - float(np.mean((guess - truth) ** 2) / truth.var()))
                for name in ("ridge", "svm"):
                    kind = REGRESSORS[name]
                    usual = kind.settings(bought.inputs)[kind.usual]
                    for how, setting in (("chosen", None), ("usual", usual)):
                        predict = Regressor(name, seed, setting)(bought.inputs, bought.answers)
                        errors = predict(domains.test.inputs)[:, 0] - truth
                        found.setdefault(f"{name} {how}", []).append(1 - float(np.mean(errors**2) / truth.var()))
            print(
                f"{target:9s} {budget:3d}",
                *(f"{name} {np.mean(values):+.2f}" for name, values in found.items()),
                sep="  ",
            )


if __name__ == "__main__":
    settings() if "settings" in sys.argv[1:] else pairs()
