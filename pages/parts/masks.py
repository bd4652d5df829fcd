"""The part of the Compare page about masks: what was drawn without transfer and with it, the worst pictures first."""

from html import escape
from typing import Any

import pandas as pd
import streamlit as st

from pages.parts.language import _
from pages.parts.thumbnails import thumbnail
from tlcore.errors import SpecificationError
from tlcore.examples import Domains
from tlcore.report import masks, pictures
from tlcore.results import Results

MOST_PICTURES = 60
"""Rows of the table."""


def single_pictures(run_id: str, results: Results, budget: int) -> None:
    """List the test pictures, the worst first, and draw over one what is true and what two models said."""
    experiment = results.experiment
    methods = list(dict.fromkeys(results.verdicts["method"]))
    if experiment.task.drawn != "masks" or not methods:
        return
    st.subheader(_("Masks without transfer and with it"), anchor=False)
    try:
        domains = experiment.domains()
    except SpecificationError as error:
        st.caption(_("The examples cannot be shown any more: {error}").format(error=error))
        return
    method = st.selectbox(_("Method"), methods, key="masks.method")
    seed = experiment.seeds[0]
    table = masks.pictures(results, method, budget, seed)
    if not len(table):
        st.caption(_("The first results at this budget are still to come."))
        return
    orders = {
        "worst": (_("▼ worst first"), table),
        "gained": (_("▲ most gained"), table.sort_values("gain", ascending=False, kind="stable")),
        "lost": (_("▼ most lost"), table.sort_values("gain", kind="stable")),
    }
    order = st.segmented_control(
        _("{n} test pictures, with the labels of seed {seed}").format(n=len(table), seed=seed),
        list(orders),
        format_func=lambda name: orders[name][0],
        default="worst",
        required=True,
        key="masks.order",
    )
    row = _chosen(run_id, orders[order][1], experiment.baseline, method, domains)
    _side_by_side(results, method, budget, seed, row, domains)
    _by_class(results, budget)


def _chosen(run_id: str, table: pd.DataFrame, baseline: str, method: str, domains: Domains) -> dict[str, Any]:
    """Show the pictures with their scores, and return the one that is chosen: the first, unless a person says so."""
    shown = table.head(MOST_PICTURES)
    numbers = [int(number) for number in domains.test.inputs[shown["row"]]]
    shown = shown.assign(picture=[thumbnail(domains.looked_up, number) for number in numbers], gain=100 * shown["gain"])
    score = st.column_config.ProgressColumn
    columns: dict[str, Any] = {
        "picture": st.column_config.ImageColumn(_("Picture"), width="small"),
        "name": st.column_config.TextColumn(_("Name")),
        "baseline": score(baseline, help=_("Dice of the picture."), format="%.2f", min_value=0, max_value=1),
        "method": score(method, help=_("Dice of the picture."), format="%.2f", min_value=0, max_value=1),
        "gain": st.column_config.NumberColumn(_("Gap, points"), format="%+.1f"),
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
        key=f"masks.table.{run_id}.{method}.{shown['row'].iloc[0]}",
    )
    return shown.iloc[(picked["selection"]["rows"] or [0])[0]].to_dict()


def _side_by_side(results: Results, method: str, budget: int, seed: int, row: dict[str, Any], domains: Domains) -> None:
    """Draw the picture, the truth, and what each model drew."""
    images, number = domains.looked_up, int(domains.test.inputs[row["row"]])
    without, with_it = masks.pair_of(results, method, budget, seed)
    drawn = [(_("Picture"), pictures.small(images, number, pictures.LARGE))]
    drawn.append((_("Truth"), masks.over(images, number, masks.truth(domains.test.answers[row["row"]]))))
    for record, dice in ((without, row["baseline"]), (with_it, row["method"])):
        assert record.result
        said = masks.over(images, number, record.result.examples["drawn"][row["row"]])
        drawn.append((f"{record.trial.method.label} · Dice {dice:.2f}", said))
    for column, (title, picture) in zip(st.columns(len(drawn)), drawn, strict=True):
        with column:
            st.markdown(f"**{title}**")
            st.image(picture, width="stretch")
    names = results.experiment.where.classes
    swatches = [
        f'<span style="background:rgb{masks.colour_of(kind)};padding:0 .6em;margin:0 .3em 0 1em">&nbsp;</span>{name}'
        for kind, name in enumerate(map(escape, names))
        if kind
    ]
    st.html("".join(swatches))
    st.caption(_("Drawn small, 64 pixels of a side. What has no colour is *{first}*.").format(first=names[0]))


def _by_class(results: Results, budget: int) -> None:
    """Show how well each class is found by each method."""
    table = masks.by_class(results, budget)
    if len(table.columns):
        st.markdown("**" + _("By class") + "**")
        st.caption(_("Intersection over union, mean over seeds."))
        st.dataframe(table.style.format("{:.3f}").highlight_max(axis=0, props="font-weight:bold"), key="masks.classes")
