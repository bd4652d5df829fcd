"""The part of the Compare page about boxes: what is missed and what is a false alarm, without transfer and with it."""

from typing import Any

import pandas as pd
import streamlit as st

from pages.parts.language import _
from pages.parts.thumbnails import thumbnail
from tlcore.errors import SpecificationError
from tlcore.examples import Domains
from tlcore.report import boxes
from tlcore.results import Results

MOST_PICTURES = 60
"""Rows of the table."""


def single_pictures(run_id: str, results: Results, budget: int) -> None:
    """List the test pictures, the most mistakes first, and draw over one what is there and what two models found."""
    experiment = results.experiment
    methods = list(dict.fromkeys(results.verdicts["method"]))
    if experiment.task.drawn != "boxes" or not methods:
        return
    st.subheader(_("Misses and false alarms"), anchor=False)
    try:
        domains = experiment.domains()
    except SpecificationError as error:
        st.caption(_("The examples cannot be shown any more: {error}").format(error=error))
        return
    method = st.selectbox(_("Method"), methods, key="boxes.method")
    seed = experiment.seeds[0]
    table = boxes.found(results, method, budget, seed)
    if not len(table):
        st.caption(_("The first results at this budget are still to come."))
        return
    orders = {
        "worst": (_("▼ most mistakes"), table.assign(by=-table["missed"] - table["false"])),
        "gained": (_("▲ most gained"), table.assign(by=-table["gain"])),
        "lost": (_("▼ most lost"), table.assign(by=table["gain"])),
    }
    order = st.segmented_control(
        _("{n} test pictures, with the labels of seed {seed}").format(n=len(table), seed=seed),
        list(orders),
        format_func=lambda name: orders[name][0],
        default="worst",
        required=True,
        key="boxes.order",
    )
    shown = orders[order][1].sort_values("by", kind="stable")
    row = _chosen(run_id, shown, experiment.baseline, method, domains)
    _side_by_side(results, method, budget, seed, row, domains)
    _by_class(results, budget)


def _chosen(run_id: str, table: pd.DataFrame, baseline: str, method: str, domains: Domains) -> dict[str, Any]:
    """Show the pictures with their mistakes, and return the one that is chosen: the first, unless a person says so."""
    shown = table.head(MOST_PICTURES)
    numbers = [int(number) for number in domains.test.inputs[shown["row"]]]
    shown = shown.assign(picture=[thumbnail(domains.looked_up, number) for number in numbers])
    number = st.column_config.NumberColumn
    columns: dict[str, Any] = {
        "picture": st.column_config.ImageColumn(_("Picture"), width="small"),
        "name": st.column_config.TextColumn(_("Name")),
        "objects": number(_("Objects")),
        "missed_baseline": number(_("Missed by {name}").format(name=baseline)),
        "missed": number(_("Missed by {name}").format(name=method)),
        "false_baseline": number(_("False alarms of {name}").format(name=baseline)),
        "false": number(_("False alarms of {name}").format(name=method)),
    }
    picked = st.dataframe(
        shown[list(columns)],
        column_config=columns,
        hide_index=True,
        width="stretch",
        height=340,
        row_height=64,
        on_select="rerun",
        selection_mode="single-row",
        key=f"boxes.table.{run_id}.{method}.{shown['row'].iloc[0]}",
    )
    return shown.iloc[(picked["selection"]["rows"] or [0])[0]].to_dict()


def _side_by_side(results: Results, method: str, budget: int, seed: int, row: dict[str, Any], domains: Domains) -> None:
    """Draw the picture with what each model found, missed and made up."""
    pair = boxes.pair_of(results, method, budget, seed)
    for column, record, which in zip(st.columns(len(pair)), pair, ("_baseline", ""), strict=True):
        with column:
            said = _("{missed} missed, {false} false alarms").format(
                missed=row[f"missed{which}"], false=row[f"false{which}"]
            )
            st.markdown(f"**{record.trial.method.label}** · {said}")
            st.image(boxes.over(results, domains, record, row["row"]), width="content")
    st.caption(
        _(
            "Green: found. Yellow, broken: missed. Red: a false alarm. Grey: does not count: a crowd, or mostly "
            "out of sight. Each model is asked at the confidence at which its misses and false alarms balance best."
        )
    )


def _by_class(results: Results, budget: int) -> None:
    """Show how well each class is found by each method."""
    table = boxes.by_class(results, budget)
    if len(table.columns) > 1:
        st.markdown("**" + _("By class") + "**")
        st.caption(_("AP@50, mean over seeds."))
        st.dataframe(table.style.format("{:.3f}").highlight_max(axis=0, props="font-weight:bold"), key="boxes.classes")
