"""Answers of a run to single test examples: those that transfer turned round, and the worst mistakes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from tlcore.results import Results


COLUMNS = ["row", "name", "truth", "baseline", "method", "better", "gain", "loss"]


def answers(results: Results, method: str, budget: int, seed: int) -> pd.DataFrame:
    """Return what a method and the baseline answered to each test example, in their order.

    Columns: row (the example's place among the test examples), name (the text itself, or what a picture is called),
    truth, baseline, method (what each says, by name), better (whether the method is right and the baseline wrong: True;
    the other way round: False; neither: None), gain (by how much the method's log loss is below the baseline's), loss
    (the method's log loss). Empty until both are done.
    """
    import pandas as pd

    examples = {
        record.trial.method.label: record.result.examples
        for record in results.records
        if record.result and (record.trial.budget, record.trial.seed) == (budget, seed)
    }
    if not {method, results.experiment.baseline} <= examples.keys():
        return pd.DataFrame(columns=COLUMNS)
    without, with_it = examples[results.experiment.baseline], examples[method]
    truth = with_it["truth"]
    right, was_right = with_it["predicted"] == truth, without["predicted"] == truth
    domains = results.experiment.domains()
    inputs, names = np.asarray(domains.input_names, object), np.asarray(domains.answer_names, object)
    return pd.DataFrame(
        {
            "row": np.arange(len(truth)),
            "name": inputs[domains.test.inputs],
            "truth": names[truth],
            "baseline": names[without["predicted"]],
            "method": names[with_it["predicted"]],
            "better": np.where(right == was_right, None, right),
            "gain": (without["log_loss"] - with_it["log_loss"]).astype(float),
            "loss": with_it["log_loss"].astype(float),
        },
        columns=COLUMNS,
    )


def turned(table: pd.DataFrame) -> pd.DataFrame:
    """Return those of `answers` that the method has right and the baseline wrong, or the other way round.

    First those for the better, and within each kind the largest change of the log loss.
    """
    turned = table[table["better"].notna()].astype({"better": bool})
    turned = turned.assign(size=turned["gain"].abs())
    return turned.sort_values(["better", "size"], ascending=False, kind="stable")[COLUMNS]


def hardest(table: pd.DataFrame) -> pd.DataFrame:
    """Return those of `answers` that the method has wrong, the surest mistakes first."""
    return table[table["method"] != table["truth"]].sort_values("loss", ascending=False, kind="stable")
