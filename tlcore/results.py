"""What a trial leaves behind, and the tidy tables and verdicts of a run."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from tlcore.experiment import Experiment, Trial

TRIAL_COLUMNS = (
    "scenario", "source", "target", "setting", "method", "family", "budget", "seed",
    "status", "error", "note", "seconds", "n_train", "trained_parameters", "source_before", "source_after",
)  # fmt: skip


@dataclass
class TrialResult:
    """What a finished trial leaves behind.

    Attributes
    ----------
    metrics : dict
        Metric name to value on the test examples, and ``seconds``, ``n_train``, ``trained_parameters``.
    curves : list of dict
        One row an epoch: ``epoch``, ``task_loss``, ``regulariser``, ``transfer_loss`` (the parts of the
        objective, each before its weight λ or β), ``validation_loss`` (nan where there is no validation data).
    examples : dict of str to ndarray, each of shape (n_test, ...)
        The per-example scores of the metrics that decompose, in the same order for every trial of an experiment, which
        is what pairs them. Of classification also ``truth`` and ``predicted`` (class indices); of ranking ``user``,
        ``known`` and ``elsewhere`` (choices of the user in training, in the target and in the source), and for the
        first test users ``shown`` (items, best first).
    note : str
        What the method wants to say about it, such as what it chose.
    """

    metrics: dict[str, float]
    curves: list[dict[str, float]] = field(default_factory=list)
    examples: dict[str, np.ndarray] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Explanation:
    """What an answer to one test example rests on.

    Attributes
    ----------
    by : str
        How that was found: of a text "integrated gradients" or "leaving out", of a picture "grad-cam" or "covering".
    probabilities : list of float
        Of each class.
    parts : list of (int, int, float)
        From where to where in the text, or row and column of a picture parted into cells; and by how much what is there
        raises the output of the true class above the mean of the others'.
    """

    by: str
    probabilities: list[float]
    parts: list[tuple[int, int, float]]


@dataclass(frozen=True)
class FeatureMap:
    """Where source and target examples lie in a plane: before a trial, by the source model, and after it.

    Attributes
    ----------
    before, after : list of (float, float)
        Of the same examples in the same order. Each is a picture of its own: nothing but who is near whom counts.
    domains : list of str
        Of each: "source" or "target".
    answers : list of int
        Of each, its true answer.
    """

    before: list[tuple[float, float]]
    after: list[tuple[float, float]]
    domains: list[str]
    answers: list[int]


@dataclass
class TrialRecord:
    """A trial of a run as it stands: its status and, once done, its result."""

    trial: Trial
    status: str  # queued | running | done | failed | cancelled
    error: str = ""
    result: TrialResult | None = None


@dataclass
class Results:
    """The trials of a run as tidy tables, with a verdict for each method and budget.

    Works on an unfinished run too: what is done is judged, the rest is listed with its status.
    """

    experiment: Experiment
    records: list[TrialRecord]

    @cached_property
    def trials(self) -> pd.DataFrame:
        """One row a trial: what it was, its status, then every metric (columns as in docs/results.md)."""
        import pandas as pd

        rows = [_trial_row(record) for record in self.records]
        metrics = dict.fromkeys(name for row in rows for name in row if name not in TRIAL_COLUMNS)
        return pd.DataFrame(rows, columns=[*TRIAL_COLUMNS, *metrics])

    @cached_property
    def curves(self) -> pd.DataFrame:
        """One row a trial and epoch: method, budget, seed, epoch, then the parts of the objective."""
        import pandas as pd

        columns = ["method", "budget", "seed", "epoch", "task_loss", "regulariser", "transfer_loss", "validation_loss"]
        rows = [
            {"method": r.trial.method.label, "budget": r.trial.budget, "seed": r.trial.seed, **row}
            for r in self.records
            if r.result
            for row in r.result.curves
        ]
        return pd.DataFrame(rows, columns=columns)

    @cached_property
    def verdicts(self) -> pd.DataFrame:
        """One row a method and budget: gap to the baseline with its interval, verdict and sentence.

        A pair of trials counts once both are done; a method with no such pair has no row, nor has one that takes
        nothing from the source: a verdict is about transfer.
        """
        import pandas as pd

        from tlcore.evaluation.verdict import Verdict

        return pd.DataFrame(self._judged(), columns=[f.name for f in fields(Verdict)])

    @cached_property
    def group_verdicts(self) -> pd.DataFrame:
        """One row a group of test examples, method and budget: ``group``, ``members``, then as `verdicts`.

        What helps on average may harm some. Each group is judged by itself, so that of twenty rows in which nothing
        happens one may still look as if; a group of one is not judged.
        """
        import pandas as pd

        from tlcore.evaluation.verdict import Verdict

        rows = []
        for budget, groups in self._groups.items():
            for group, members in groups.items():
                if members.sum() > 1:
                    found = {"group": group, "members": int(members.sum())}
                    rows += [found | row for row in self._judged({budget: members})]
        return pd.DataFrame(rows, columns=["group", "members", *(f.name for f in fields(Verdict))])

    def by_group(self, metric: str) -> pd.DataFrame:
        """One row a method, budget and group of test examples: the metric's mean over seeds, as `summary`.

        Columns: method, budget, group, members, seeds, mean, ci_low, ci_high. The metric is one of the scenario's
        ``verdict_metrics``.
        """
        import pandas as pd

        columns = ["method", "budget", "group", "members", "seed", metric]
        rows = [
            (r.trial.method.label, r.trial.budget, group, int(members.sum()), r.trial.seed, scores[members].mean())
            for r in self.records
            if r.result and metric in r.result.examples
            for scores in [r.result.examples[metric]]
            for group, members in self._groups[r.trial.budget].items()
        ]
        return _mean_over_seeds(pd.DataFrame(rows, columns=columns), ["method", "budget", "group", "members"], metric)

    @cached_property
    def _groups(self) -> dict[int, dict[str, np.ndarray]]:
        """The groups of the test examples at each budget; they are the same for each method and seed."""
        scenario, groups = self.experiment.where, {}
        for record in self.records:
            if record.result and record.trial.budget not in groups:
                groups[record.trial.budget] = scenario.groups(record.result.examples)
        return groups

    def _judged(self, among: dict[int, np.ndarray] | None = None) -> list[dict[str, Any]]:
        """Judge each method at each budget, or at some budgets among some test examples only."""
        from tlcore.evaluation.verdict import gap_table, judge
        from tlcore.methods import METHODS

        experiment = self.experiment
        scenario = experiment.where
        metric = scenario.metrics[experiment.metric]
        budgets = sorted(experiment.budgets) if among is None else sorted(among)
        scores = {
            (r.trial.method.label, r.trial.budget, r.trial.seed): r.result.examples[experiment.metric]
            for r in self.records
            if r.result and experiment.metric in r.result.examples  # without known answers nothing is scored
        }
        judged = [
            choice.label
            for choice in experiment.methods
            if choice.label != experiment.baseline and METHODS[choice.name].configure(choice.settings).transfers
        ]
        rows = []
        for budget in budgets:
            members = slice(None) if among is None else among[budget]
            for label in judged:
                seeds = [
                    seed
                    for seed in experiment.seeds
                    if {(label, budget, seed), (experiment.baseline, budget, seed)} <= scores.keys()
                ]
                if seeds:
                    gaps = gap_table(
                        [scores[label, budget, seed][members] for seed in seeds],
                        [scores[experiment.baseline, budget, seed][members] for seed in seeds],
                        higher_is_better=metric.higher_is_better,
                    )
                    names = (label, budget, experiment.baseline, metric)
                    verdict = judge(*names, gaps, experiment.margin, budget_of=scenario.budget_of)
                    rows.append(asdict(verdict))
        return rows

    @cached_property
    def crossings(self) -> pd.DataFrame:
        """One row a method that is judged at three budgets or more: where the baseline catches up with it."""
        import pandas as pd

        from tlcore.evaluation.crossing import Crossing, crossing, tables

        experiment = self.experiment
        scenario, metric = experiment.where, experiment.where.metrics[experiment.metric]
        scores = {
            (r.trial.method.label, r.trial.budget, r.trial.seed): r.result.examples[experiment.metric]
            for r in self.records
            if r.result and experiment.metric in r.result.examples
        }
        rows = []
        for label in dict.fromkeys(self.verdicts["method"]):
            names = label, experiment.baseline
            of_method, of_baseline = tables(scores, names)
            found = crossing(*names, metric, of_method, of_baseline, experiment.margin, budget_of=scenario.budget_of)
            rows += [asdict(found)] if found else []
        return pd.DataFrame(rows, columns=[f.name for f in fields(Crossing)])

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """One row a trial and test example: method, budget, seed, row, truth, predicted.

        ``row`` counts the test examples from 0; of feature tables in the transductive setting they are the target's
        file, row by row. ``truth`` is empty where it is not known. Without a row where the scenario has no classes.
        """
        import pandas as pd

        names = np.array([*self.experiment.where.classes, ""])
        columns = ["method", "budget", "seed", "row", "truth", "predicted"]
        parts = [
            {
                "method": record.trial.method.label,
                "budget": record.trial.budget,
                "seed": record.trial.seed,
                "row": np.arange(len(record.result.examples["predicted"])),
                "truth": names[record.result.examples["truth"]],  # unknown is -1, the last
                "predicted": names[record.result.examples["predicted"]],
            }
            for record in self.records
            if record.result and len(names) > 1
        ]
        frames = [pd.DataFrame(part, columns=columns) for part in parts]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)

    @cached_property
    def source_weights(self) -> pd.DataFrame:
        """One row a trial and source example, where a method weighs them: method, budget, seed, row, weight.

        Weights have a mean of one; 0 is not selected. ``row`` counts the source examples from 0.
        """
        import pandas as pd

        columns = ["method", "budget", "seed", "row", "weight"]
        parts = [
            pd.DataFrame(
                {
                    "method": record.trial.method.label,
                    "budget": record.trial.budget,
                    "seed": record.trial.seed,
                    "row": np.arange(len(record.result.examples["source_weights"])),
                    "weight": record.result.examples["source_weights"],
                }
            )
            for record in self.records
            if record.result and "source_weights" in record.result.examples
        ]
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)

    def summary(self, metric: str) -> pd.DataFrame:
        """One row a method and budget: the metric's mean over seeds with a 95 % Student t interval.

        Columns: method, family, budget, seeds, mean, ci_low, ci_high; the bounds are nan for one seed. The interval
        is about new seeds on these test examples; what tells methods apart is the paired gap of `verdicts`.
        """
        done = self.trials[self.trials["status"] == "done"]
        if metric not in done:  # nothing is done yet
            done = done.assign(**{metric: float("nan")})
        return _mean_over_seeds(done, ["method", "family", "budget"], metric)

    def along(self, curve: dict[int, str]) -> pd.DataFrame:
        """Return `summary` for each metric of a curve, with a column ``length``, which is its key."""
        import pandas as pd

        return pd.concat([self.summary(metric).assign(length=length) for length, metric in curve.items()])

    def confusion(self, method: str, budget: int) -> np.ndarray:
        """Return the confusion matrix summed over seeds, shape (classes, classes); rows are the truth."""
        classes = len(self.experiment.where.classes)
        matrix = np.zeros((classes, classes), dtype=int)
        for record in self.records:
            if record.result and (record.trial.method.label, record.trial.budget) == (method, budget):
                examples = record.result.examples
                known = examples["truth"] >= 0
                truth, predicted = (examples[name][known].astype(int) for name in ("truth", "predicted"))
                np.add.at(matrix, (truth, predicted), 1)
        return matrix


def _mean_over_seeds(trials: pd.DataFrame, by: list[str], metric: str) -> pd.DataFrame:
    """Return seeds, mean and its 95 % Student t interval for each group of rows."""
    from scipy.stats import t

    table = trials.groupby(by, sort=False)[metric].agg(seeds="count", mean="mean", error="sem").reset_index()
    half = t.ppf(0.975, (table["seeds"] - 1).clip(lower=1)) * table.pop("error")
    return table.assign(ci_low=table["mean"] - half, ci_high=table["mean"] + half)


def _trial_row(record: TrialRecord) -> dict[str, Any]:
    from tlcore.methods import METHODS

    trial, experiment = record.trial, record.trial.experiment
    return {
        "scenario": experiment.scenario,
        "source": experiment.names[0],
        "target": experiment.names[1],
        "setting": experiment.setting,
        "method": trial.method.label,
        "family": METHODS[trial.method.name].family,
        "budget": trial.budget,
        "seed": trial.seed,
        "status": record.status,
        "error": record.error,
        "note": record.result.note if record.result else "",
        **(record.result.metrics if record.result else {}),
    }
