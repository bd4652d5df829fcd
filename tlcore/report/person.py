"""One person of a recommendation run: what they like elsewhere, what each method showed, what they really chose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from tlcore.results import Results


@dataclass(frozen=True)
class Person:
    """What is known of a test user, and what they were shown; items by name.

    Attributes
    ----------
    elsewhere : list of str
        Their choices in the source.
    known : list of str
        Their choices in the target that the methods learned from.
    held_out : list of str
        What they really chose, which no method knew.
    shown : dict of str to list of str
        What each method showed them, best first.
    """

    elsewhere: list[str]
    known: list[str]
    held_out: list[str]
    shown: dict[str, list[str]]


def people(results: Results, budget: int, seed: int) -> pd.DataFrame:
    """Return one row a test user of whom it is remembered what they were shown; first those whom transfer served best.

    Columns: row (their place among the test users), user, name, known, elsewhere, gain (the share of transferring
    methods that showed what they really chose, less whether the baseline did). Empty where nothing was shown to
    anybody.
    """
    import pandas as pd

    columns = ["row", "user", "name", "known", "elsewhere", "gain"]
    shown = _examples(results, budget, seed)
    if not shown:
        return pd.DataFrame(columns=columns)
    first = next(iter(shown.values()))
    rows = np.arange(len(first["shown"]))
    hits = {method: examples["hit_rate@10"][rows] for method, examples in shown.items()}
    baseline = results.experiment.baseline
    transferring = [hits[method] for method in set(results.verdicts["method"]) & hits.keys()]
    gain = np.mean(transferring or [np.zeros(len(rows))], axis=0) - hits.get(baseline, 0)
    names = np.asarray(results.experiment.domains().input_names)
    user = first["user"][rows]
    values = (rows, user, names[user], first["known"][rows], first["elsewhere"][rows], gain)
    table = pd.DataFrame(dict(zip(columns, values, strict=True)))
    return table.sort_values(["gain", "elsewhere"], ascending=False, kind="stable", ignore_index=True)


def person(results: Results, budget: int, seed: int, row: int) -> Person:
    """Return what is known of the test user in a row of `people`."""
    experiment = results.experiment
    domains, shown = experiment.domains(), _examples(results, budget, seed)
    user = int(next(iter(shown.values()))["user"][row])
    training, _ = experiment.task.spend(domains.pool, budget, seed)
    names = np.asarray(domains.answer_names)
    elsewhere, known, held_out = (
        names[part.answers[part.inputs == user]].tolist() for part in (domains.source, training, domains.test)
    )
    lists = {
        method: names[items[items >= 0] + domains.first_target_answer].tolist()
        for method, items in ((method, examples["shown"][row]) for method, examples in shown.items())
    }
    return Person(elsewhere, known, held_out, lists)


def _examples(results: Results, budget: int, seed: int) -> dict[str, dict[str, np.ndarray]]:
    return {
        record.trial.method.label: record.result.examples
        for record in results.records
        if record.result
        and (record.trial.budget, record.trial.seed) == (budget, seed)
        and "shown" in record.result.examples
    }
