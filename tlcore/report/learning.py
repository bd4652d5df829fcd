"""Learning curves over label budgets, and where from scratch catches up."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go

from tlcore.report.figures import GREY, quiet

if TYPE_CHECKING:
    import pandas as pd


def caught_up(
    summary: pd.DataFrame, crossing: dict[str, Any], looks: dict[str, dict[str, str]], label: str, budget_label: str
) -> go.Figure:
    """Draw a method and its baseline over label budgets, and the band in which the baseline catches up.

    Measured means with their intervals are signs, fitted curves lines: drawn out, dotted, beyond the largest budget.

    Parameters
    ----------
    summary : DataFrame
        As `tlcore.results.Results.summary`, of the metric that verdicts are about.
    crossing : dict
        A row of `tlcore.results.Results.crossings`.
    looks : dict
        As `tlcore.report.figures.look`.
    label, budget_label : str
        Titles of the axes.
    """
    figure = go.Figure()
    measured = summary[summary["budget"] > 0]
    largest = measured["budget"].max()
    budgets = [budget for budget, _, _ in crossing["curves"]]
    if (crossing["low"], crossing["high"]) != (0, float("inf")):  # else the band is everything there is
        low, high = max(crossing["low"], budgets[0]), min(crossing["high"], budgets[-1])
        figure.add_vrect(x0=low, x1=max(low, high), fillcolor=GREY, opacity=0.18, line_width=0)
    if isfinite(crossing["at"]) and crossing["at"] > 0:
        figure.add_vline(x=crossing["at"], line={"color": GREY, "width": 1})
    for place, method in ((2, crossing["baseline"]), (1, crossing["method"])):
        colour = looks[method]["color"]
        curve = [(row[0], row[place]) for row in crossing["curves"]]
        inside = [point for point in curve if point[0] <= largest]
        beyond = [inside[-1], *(point for point in curve if point[0] > largest)]
        for part, dash in ((inside, "solid"), (beyond, "dot")):
            figure.add_scatter(
                x=[budget for budget, _ in part],
                y=[score for _, score in part],
                mode="lines",
                line={"color": colour, "dash": dash, "width": 1.6},
                showlegend=False,
                hoverinfo="skip",
            )
        rows = measured[measured["method"] == method].sort_values("budget")
        figure.add_scatter(
            x=rows["budget"],
            y=rows["mean"],
            error_y={"array": (rows["ci_high"] - rows["mean"]).fillna(0), "thickness": 1.2, "width": 3},
            name=method,
            mode="markers",
            marker={**looks[method], "size": 9},
            customdata=rows[["method", "budget", "seeds"]].to_numpy(),
            hovertemplate="%{customdata[0]}, %{customdata[1]}: %{y:.3f} (%{customdata[2]} seeds)<extra></extra>",
        )
    figure.update_xaxes(title=budget_label, type="log", tickvals=sorted(measured["budget"].unique()))
    figure.update_yaxes(title=label)
    return quiet(figure, height=360)
