"""The part of the Compare page about boxes: what is missed and what is a false alarm, without transfer and with it."""

from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from pages.parts import pictures_apart
from pages.parts.language import _
from pages.parts.pictures_apart import Looked
from tlcore.report import boxes
from tlcore.results import Results


def single_pictures(run_id: str, results: Results, budget: int) -> None:
    """List the test pictures, the most mistakes first, and draw over one what is there and what two models found."""
    looked = pictures_apart.look_at(
        run_id,
        results,
        "boxes",
        _("Misses and false alarms"),
        lambda method, seed: boxes.found(results, method, budget, seed),
        _orders,
        partial(_columns, results.experiment.baseline),
    )
    if looked is None:
        return
    _side_by_side(results, budget, looked)
    table = boxes.by_class(results, budget)
    if len(table.columns) > 1:
        pictures_apart.by_class(table, _("AP@50, mean over seeds."), "boxes.classes")


def _orders(table: pd.DataFrame) -> dict[str, tuple[str, pd.DataFrame]]:
    mistakes = table["missed"] + table["false"]
    by = {
        "worst": (_("▼ most mistakes"), -mistakes),
        "gained": (_("▲ most gained"), -table["gain"]),
        "lost": (_("▼ most lost"), table["gain"]),
    }
    return {name: (said, table.loc[key.sort_values(kind="stable").index]) for name, (said, key) in by.items()}


def _columns(baseline: str, method: str) -> dict[str, Any]:
    number = st.column_config.NumberColumn
    return {
        "name": st.column_config.TextColumn(_("Name")),
        "objects": number(_("Objects")),
        "missed_baseline": number(_("Missed by {name}").format(name=baseline)),
        "missed": number(_("Missed by {name}").format(name=method)),
        "false_baseline": number(_("False alarms of {name}").format(name=baseline)),
        "false": number(_("False alarms of {name}").format(name=method)),
    }


def _side_by_side(results: Results, budget: int, looked: Looked) -> None:
    """Draw the picture with what each model found, missed and made up."""
    row, pair = looked.row, results.pair(looked.method, budget, looked.seed)
    for column, record, which in zip(st.columns(len(pair)), pair, ("_baseline", ""), strict=True):
        with column:
            said = _("{missed} missed, {false} false alarms").format(
                missed=row[f"missed{which}"], false=row[f"false{which}"]
            )
            st.markdown(f"**{record.trial.method.label}** · {said}")
            st.image(boxes.over(results, looked.domains, record, row["row"]), width="content")
    st.caption(
        _(
            "Green: found. Yellow, broken: missed. Red: a false alarm. Grey: does not count: a crowd, or mostly "
            "out of sight. Each model is asked at the confidence at which its misses and false alarms balance best."
        )
    )
