"""The part of the Compare page about masks: what was drawn without transfer and with it, the worst pictures first."""

from functools import partial
from html import escape
from typing import Any

import pandas as pd
import streamlit as st

from pages.parts import pictures_apart
from pages.parts.language import _
from pages.parts.pictures_apart import Looked
from tlcore.report import masks, pictures
from tlcore.results import Results


def single_pictures(run_id: str, results: Results, budget: int) -> None:
    """List the test pictures, the worst first, and draw over one what is true and what two models said."""
    looked = pictures_apart.look_at(
        run_id,
        results,
        "masks",
        _("Masks without transfer and with it"),
        lambda method, seed: masks.pictures(results, method, budget, seed),
        _orders,
        partial(_columns, results.experiment.baseline),
    )
    if looked is None:
        return
    _side_by_side(results, budget, looked)
    table = masks.by_class(results, budget)
    if len(table.columns):
        pictures_apart.by_class(table, _("Intersection over union, mean over seeds."), "masks.classes")


def _orders(table: pd.DataFrame) -> dict[str, tuple[str, pd.DataFrame]]:
    points = table.assign(gain=100 * table["gain"])
    return {
        "worst": (_("▼ worst first"), points),
        "gained": (_("▲ most gained"), points.sort_values("gain", ascending=False, kind="stable")),
        "lost": (_("▼ most lost"), points.sort_values("gain", kind="stable")),
    }


def _columns(baseline: str, method: str) -> dict[str, Any]:
    score = st.column_config.ProgressColumn
    return {
        "name": st.column_config.TextColumn(_("Name")),
        "baseline": score(baseline, help=_("Dice of the picture."), format="%.2f", min_value=0, max_value=1),
        "method": score(method, help=_("Dice of the picture."), format="%.2f", min_value=0, max_value=1),
        "gain": st.column_config.NumberColumn(_("Gap, points"), format="%+.1f"),
    }


def _side_by_side(results: Results, budget: int, looked: Looked) -> None:
    """Draw the picture, the truth, and what each model drew."""
    row, domains = looked.row, looked.domains
    images, number = domains.looked_up, int(domains.test.inputs[row["row"]])
    without, with_it = results.pair(looked.method, budget, looked.seed)
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
