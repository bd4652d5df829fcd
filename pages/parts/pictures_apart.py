"""What the parts of Compare about single examples share: the one a person looks at, and how each class is found."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pandas as pd
import streamlit as st

from pages.parts.language import _
from pages.parts.thumbnails import thumbnail
from tlcore.errors import SpecificationError
from tlcore.examples import Domains
from tlcore.results import Results

MOST_PICTURES = 60
"""Rows of a table with pictures."""


class Looked(NamedTuple):
    """What a person looks at: a method, with the labels of a seed, and a row of the table of test pictures."""

    method: str
    seed: int
    row: dict[str, Any]
    domains: Domains


def look_at(
    run_id: str,
    results: Results,
    kind: str,
    title: str,
    table_of: Callable[[str, int], pd.DataFrame],
    orders: Callable[[pd.DataFrame], dict[str, tuple[str, pd.DataFrame]]],
    columns_of: Callable[[str], dict[str, Any]],
) -> Looked | None:
    """List the test pictures of a run whose answers are drawn as a ``kind``, and return the one that is chosen.

    ``table_of`` has the table of a method and a seed, ``orders`` its orders by name, of which "worst" goes first, each
    with what it is called, and ``columns_of`` what its columns are called, besides the picture.
    """
    experiment = results.experiment
    methods = list(dict.fromkeys(results.verdicts["method"]))
    if experiment.task.drawn != kind or not methods:
        return None
    st.subheader(title, anchor=False)
    try:
        domains = experiment.domains()
    except SpecificationError as error:
        st.caption(_("The examples cannot be shown any more: {error}").format(error=error))
        return None
    method = st.selectbox(_("Method"), methods, key=f"{kind}.method")
    seed = experiment.seeds[0]
    table = table_of(method, seed)
    if not len(table):
        st.caption(_("The first results at this budget are still to come."))
        return None
    ordered = orders(table)
    order = st.segmented_control(
        _("{n} test pictures, with the labels of seed {seed}").format(n=len(table), seed=seed),
        list(ordered),
        format_func=lambda name: ordered[name][0],
        default="worst",
        required=True,
        key=f"{kind}.order",
    )
    shown = with_pictures(ordered[order][1], domains)
    columns = {"picture": st.column_config.ImageColumn(_("Picture"), width="small"), **columns_of(method)}
    row = picked(shown, columns, f"{kind}.table.{run_id}.{method}.{shown['row'].iloc[0]}")
    return Looked(method, seed, row, domains)


def with_pictures(table: pd.DataFrame, domains: Domains) -> pd.DataFrame:
    """Return the first rows of a table of test examples, each with its picture."""
    shown = table.head(MOST_PICTURES)
    numbers = [int(number) for number in domains.test.inputs[shown["row"]]]
    return shown.assign(picture=[thumbnail(domains.looked_up, number) for number in numbers])


def picked(shown: pd.DataFrame, columns: dict[str, Any], key: str) -> dict[str, Any]:
    """Show a table, and return the row that is chosen: the first, unless a person says otherwise."""
    of_pictures = "picture" in columns
    chosen = st.dataframe(
        shown[list(columns)],
        column_config=columns,
        hide_index=True,
        width="stretch",
        height=340 if of_pictures else 280,
        row_height=64 if of_pictures else None,
        on_select="rerun",
        selection_mode="single-row",
        key=key,
    )
    return shown.iloc[(chosen["selection"]["rows"] or [0])[0]].to_dict()


def by_class(table: pd.DataFrame, said: str, key: str) -> None:
    """Show how well each class is found by each method: a row a method, a column a class."""
    st.markdown("**" + _("By class") + "**")
    st.caption(said)
    st.dataframe(table.style.format("{:.3f}").highlight_max(axis=0, props="font-weight:bold"), key=key)
