"""What a trial leaves behind, and the tidy tables and verdicts of a run."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from tlcore.evaluation.family import Gaps
    from tlcore.evaluation.verdict import Verdict
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
        nothing from the source: a verdict is about transfer. All rows are one family
        (`tlcore.evaluation.verdict.judge_together`). Of a run until decided each row is of the look that decided it, or
        of the last one.
        """
        if self.experiment.until == "decided":
            return _table_of([*self._looked[0].values()])
        return _table_of(self._verdicts_on(self.experiment.metric, self.comparisons))

    @cached_property
    def comparisons(self) -> list[Gaps]:
        """The gaps of each method to the baseline at each budget, by seed and test example: what is judged."""
        return self._comparisons(self.experiment.metric, sorted(self.experiment.budgets))

    @cached_property
    def open(self) -> list[tuple[str, int]]:
        """Method and budget of the verdicts that the next look of a run until decided may decide; none after its last.

        Of a run with a fixed number of seeds, those that would be open if it went on until decided: under the rule of
        such a run, in which every look counts, a verdict that was won by a hair may be open again.
        """
        verdicts, look = self._looked
        return [key for key, verdict in verdicts.items() if verdict.open and look < self._rule.looks[-1]]

    def wanted(self) -> list[Trial]:
        """Return the trials that the next look of a run until decided needs, in the order in which they should run.

        Those of the open verdicts and of their baselines; none while trials of the present look are at work.
        """
        if not self.open or any(record.status in ("queued", "running") for record in self.records):
            return []
        known = {record.trial.key for record in self.records}
        pairs = {*self.open, *((self.experiment.baseline, budget) for _, budget in self.open)}
        after = next(look for look in self._rule.looks if look > self._looked[1])
        trials = self._rule.trials(after)
        return [t for t in trials if (t.method.label, t.budget) in pairs and t.key not in known]

    @cached_property
    def _rule(self) -> Experiment:
        """The experiment as it is, or as it would be, until decided."""
        return self.experiment if self.experiment.until == "decided" else self.experiment.until_decided()

    @cached_property
    def _looked(self) -> tuple[dict[tuple[str, int], Verdict], int]:
        """The verdicts as one look after the other left them, and how many seeds the last complete one had.

        Every look is repeated from the trials, so that nothing about it needs to be kept: what it decided stays, and
        what it left open is judged again with the seeds of the next.
        """
        from tlcore.evaluation.looks import levels

        metric, baseline, looks = self.experiment.metric, self.experiment.baseline, self._rule.looks
        ended = {
            (record.trial.method.label, record.trial.budget, record.trial.seed)
            for record in self.records
            if record.status in ("done", "failed")
        }
        everything = self.comparisons
        undecided, complete = {(one.method, one.budget) for one in everything}, 0
        verdicts: dict[tuple[str, int], Verdict] = {}
        for number, look in enumerate(looks):
            if not undecided:
                break
            seeds = self._rule.seeds_up_to(look)
            pairs = {(label, budget) for one, budget in undecided for label in (one, baseline)}
            all_there = {(*pair, seed) for pair in pairs for seed in seeds} <= ended
            if number and not all_there:
                break
            here = [part for one in everything if (part := one.at(seeds)).seeds]
            keys = [(one.method, one.budget) for one in here]
            settled = [None if key in undecided else verdicts.get(key) for key in keys]
            found = self._verdicts_on(metric, here, levels(looks, len(everything))[number], settled)
            verdicts |= dict(zip(keys, found, strict=True))
            if not all_there:
                break
            undecided, complete = {key for key in undecided if key in verdicts and verdicts[key].open}, look
        return verdicts, complete

    @cached_property
    def group_verdicts(self) -> pd.DataFrame:
        """One row a group of test examples, method and budget: ``group``, ``members``, then as `verdicts`.

        What helps on average may harm some. The rows are a family of their own: of twenty in which nothing happens, one
        that looks as if is not taken for a finding. A group of one is not judged. By `Task.group_metric`.
        """
        metric = self.experiment.task.group_metric(self.experiment.metric)
        found = [
            comparison
            for budget, groups in self._groups.items()
            for group, members in groups.items()
            if members.sum() > 1
            for comparison in self._comparisons(metric, [budget], group, members)
        ]
        table = _table_of(self._verdicts_on(metric, found))
        table.insert(0, "group", [comparison.among for comparison in found])
        table.insert(1, "members", [comparison.table.shape[1] for comparison in found])
        return table

    @cached_property
    def harmed(self) -> pd.DataFrame:
        """The rows of `group_verdicts` that say negative transfer where the method's verdict as a whole does not."""
        keys = ["method", "budget"]
        whole = self.verdicts[self.verdicts["verdict"].str.contains("negative")]
        rows = self.group_verdicts[self.group_verdicts["verdict"].str.contains("negative")]
        return rows[~rows.set_index(keys).index.isin(whole.set_index(keys).index)]

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
        task, names, groups = self.experiment.task, self.experiment.where.classes, {}
        for record in self.records:
            if record.result and record.trial.budget not in groups:
                groups[record.trial.budget] = task.groups(record.result.examples, names)
        return groups

    def _verdicts_on(
        self, metric: str, comparisons: list[Gaps], level: float | None = None, settled: Sequence[Verdict | None] = ()
    ) -> list[Verdict]:
        from tlcore.evaluation.verdict import ALPHA, judge_together

        experiment, task = self.experiment, self.experiment.task
        return judge_together(
            comparisons,
            experiment.baseline,
            task.metrics[metric],
            experiment.margin,
            budget_of=task.budget_of,
            level=level or ALPHA,
            settled=settled,
        )

    def _comparisons(
        self, metric: str, budgets: list[int], group: str = "", members: np.ndarray | None = None
    ) -> list[Gaps]:
        """Return the gaps of each method at each of some budgets, among all test examples or the members of a group."""
        from tlcore.evaluation.family import Gaps
        from tlcore.evaluation.gap import gap_table
        from tlcore.methods import METHODS

        experiment = self.experiment
        higher_is_better = experiment.task.metrics[metric].higher_is_better
        scores = self._scores(metric)
        some = slice(None) if members is None else members
        judged = [
            choice.label
            for choice in experiment.methods
            if choice.label != experiment.baseline and METHODS[choice.name].configure(choice.settings).transfers
        ]
        found = []
        for budget in budgets:
            for label in judged:
                mine, its = scores.get((label, budget), {}), scores.get((experiment.baseline, budget), {})
                if seeds := [seed for seed in mine if seed in its]:
                    gaps = gap_table(
                        [mine[seed][some] for seed in seeds],
                        [its[seed][some] for seed in seeds],
                        higher_is_better=higher_is_better,
                    )
                    found.append(Gaps(label, budget, tuple(seeds), gaps, group, apart=bool(group)))
        return found

    def _scores(self, metric: str) -> dict[tuple[str, int], dict[int, np.ndarray]]:
        """Return the scores of the test examples in a metric, by method and budget, then by seed."""
        found: dict[tuple[str, int], dict[int, np.ndarray]] = {}
        for record in self.records:
            # Without known answers nothing is scored.
            if record.result and metric in record.result.examples:
                key = (record.trial.method.label, record.trial.budget)
                found.setdefault(key, {})[record.trial.seed] = record.result.examples[metric]
        return found

    @cached_property
    def crossings(self) -> pd.DataFrame:
        """One row a method that is judged at three budgets or more: where the baseline catches up with it."""
        import pandas as pd

        from tlcore.evaluation.crossing import Crossing, crossing, tables

        experiment = self.experiment
        task, metric = experiment.task, experiment.task.metrics[experiment.metric]
        by_seed = self._scores(experiment.metric).items()
        scores = {(*key, seed): of_examples for key, seeds in by_seed for seed, of_examples in seeds.items()}
        rows = []
        for label in dict.fromkeys(self.verdicts["method"]):
            names = label, experiment.baseline
            of_method, of_baseline = tables(scores, names)
            found = crossing(*names, metric, of_method, of_baseline, experiment.margin, budget_of=task.budget_of)
            rows += [asdict(found)] if found else []
        return pd.DataFrame(rows, columns=[f.name for f in fields(Crossing)])

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """One row a trial and test example: method, budget, seed, row, truth, predicted.

        ``row`` counts the test examples from 0; of feature tables in the transductive setting they are the target's
        file, row by row. ``truth`` is empty, or of numbers NaN, where it is not known. Without a row where answers are
        neither classes nor numbers.
        """
        import pandas as pd

        task, names = self.experiment.task, self.experiment.where.classes
        columns = ["method", "budget", "seed", "row", "truth", "predicted"]
        parts = [
            {
                "method": record.trial.method.label,
                "budget": record.trial.budget,
                "seed": record.trial.seed,
                "row": np.arange(len(said[0])),
                "truth": said[0],
                "predicted": said[1],
            }
            for record in self.records
            if record.result and (said := task.in_words(record.result.examples, names))
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

    def pair(self, method: str, budget: int, seed: int) -> list[TrialRecord]:
        """Return the finished trials of the baseline and of a method, in this order, those that there are."""
        done = {
            record.trial.method.label: record
            for record in self.records
            if record.result and (record.trial.budget, record.trial.seed) == (budget, seed)
        }
        return [done[name] for name in (self.experiment.baseline, method) if name in done]

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
        """Return the confusion matrix summed over seeds, shape (classes, classes); rows are the truth.

        Where parts of examples are answered, such as pixels, it counts these.
        """
        classes = len(self.experiment.where.classes)
        matrix = np.zeros((classes, classes), dtype=int)
        for record in self.records:
            if record.result and (record.trial.method.label, record.trial.budget) == (method, budget):
                examples = record.result.examples
                if "confusion" in examples:
                    matrix += examples["confusion"].sum(0)
                    continue
                known = (examples["truth"] >= 0) & (examples["predicted"] >= 0)
                truth, predicted = (examples[name][known].astype(int) for name in ("truth", "predicted"))
                np.add.at(matrix, (truth, predicted), 1)
        return matrix


def _table_of(verdicts: list[Verdict]) -> pd.DataFrame:
    import pandas as pd

    from tlcore.evaluation.verdict import Verdict

    table = pd.DataFrame([asdict(verdict) for verdict in verdicts], columns=[f.name for f in fields(Verdict)])
    return table.assign(more_seeds=pd.Series([verdict.more_seeds for verdict in verdicts], dtype=object))


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
