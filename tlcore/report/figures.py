"""Tables of a run to plotly figures. One colour and one sign a method, the baseline grey, in every figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import plotly.graph_objects as go

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from tlcore.examples import FeatureMap

# Okabe & Ito 2008: told apart with any kind of colour vision; the marker says the same once more.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#B59F00")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star", "hexagon", "triangle-down", "pentagon")
GREY = "#8A8F98"
VERDICT_COLOURS = {
    "helps": "#009E73",
    "helps a little": "#56B4E9",
    "no evidence": GREY,
    "negative transfer": "#E69F00",
    "strongly negative transfer": "#D55E00",
}


def look(methods: list[str], baseline: str) -> dict[str, dict[str, str]]:
    """Return colour and symbol of each method, by its place among the experiment's methods."""
    others = [method for method in methods if method != baseline]
    signs = {
        method: {"color": COLOURS[i % len(COLOURS)], "symbol": SYMBOLS[i % len(SYMBOLS)]}
        for i, method in enumerate(others)
    }
    return {baseline: {"color": GREY, "symbol": "circle-open"}, **signs}


def by_budget(summary: pd.DataFrame, looks: dict[str, dict[str, str]], label: str, budget_label: str) -> go.Figure:
    """Draw a metric by label budget with its intervals, methods beside the baseline (dashed)."""
    return _along("budget", summary, looks, label, budget_label)


def by_length(summaries: pd.DataFrame, looks: dict[str, dict[str, str]], label: str, length_label: str) -> go.Figure:
    """Draw a metric by the length of the list shown; rows as of `Results.summary`, with a column ``length``."""
    return _along("length", summaries, looks, label, length_label)


def _along(
    column: str, summary: pd.DataFrame, looks: dict[str, dict[str, str]], label: str, column_label: str
) -> go.Figure:
    """Draw means with their intervals along a column of few values, evenly spaced."""
    figure = go.Figure()
    positions = {value: i for i, value in enumerate(sorted(summary[column].unique()))}
    methods = [method for method in looks if method in set(summary["method"])]
    for i, method in enumerate(methods):
        rows = summary[summary["method"] == method].sort_values(column)
        nudge = _nudge(i, len(methods))
        figure.add_scatter(
            x=[positions[value] + nudge for value in rows[column]],
            y=rows["mean"],
            error_y={"array": (rows["ci_high"] - rows["mean"]).fillna(0), "thickness": 1.2, "width": 3},
            name=method,
            mode="lines+markers",
            marker={**looks[method], "size": 9},
            line={"color": looks[method]["color"], "dash": "dash" if i == 0 else "solid", "width": 1.6},
            customdata=rows[["method", column, "seeds"]].to_numpy(),
            hovertemplate="%{customdata[0]}<br>%{y:.3f} (%{customdata[2]} seeds)<extra></extra>",
        )
    figure.update_xaxes(title=column_label, tickvals=list(positions.values()), ticktext=[str(v) for v in positions])
    figure.update_yaxes(title=label)
    return quiet(figure)


def by_group(table: pd.DataFrame, looks: dict[str, dict[str, str]], label: str, groups: dict[str, str]) -> go.Figure:
    """Draw a metric's mean in each group of test examples, with its interval.

    Parameters
    ----------
    table : DataFrame
        Rows of one budget, as `tlcore.results.Results.by_group`.
    looks : dict
    label : str
        Title of the axis.
    groups : dict
        The groups as a person reads them, from the top to the bottom.
    """
    figure = go.Figure()
    methods = [method for method in looks if method in set(table["method"])]
    positions = {group: -i for i, group in enumerate(groups)}
    for i, method in enumerate(methods):
        rows = table[table["method"] == method]
        nudge = _nudge(i, len(methods), most=0.7)
        figure.add_scatter(
            x=rows["mean"],
            y=[positions[group] - nudge for group in rows["group"]],
            error_x={"array": (rows["ci_high"] - rows["mean"]).fillna(0), "thickness": 1.2, "width": 3},
            name=method,
            mode="markers",
            marker={**looks[method], "size": 9},
            customdata=rows[["method", "group"]].to_numpy(),
            hovertemplate="%{customdata[0]}, %{customdata[1]}: %{x:.3f}<extra></extra>",
        )
    figure.update_xaxes(title=label)
    figure.update_yaxes(tickvals=list(positions.values()), ticktext=list(groups.values()), zeroline=False)
    return quiet(figure, height=160 + 70 * len(groups))


def _nudge(place: int, places: int, most: float = 0.4) -> float:
    """How far a method stands from the middle, so that intervals stand side by side."""
    return (place - (places - 1) / 2) * min(0.08, most / places)


def gaps(verdicts: pd.DataFrame, margin: float, label: str, words: dict[str, str]) -> go.Figure:
    """Draw each method's gap to the baseline with its interval, over the band of practical equivalence.

    Parameters
    ----------
    verdicts : DataFrame
        Rows of one budget, as `tlcore.results.Results.verdicts`.
    margin : float
        Half the width of the band.
    label : str
        Title of the axis.
    words : dict
        The verdicts as a person reads them.
    """
    figure = go.Figure()
    rows = verdicts.sort_values("gap")
    figure.add_vrect(x0=-margin, x1=margin, fillcolor=GREY, opacity=0.18, line_width=0)
    figure.add_vline(x=0, line={"color": GREY, "width": 1})
    for verdict, colour in VERDICT_COLOURS.items():
        group = rows[rows["verdict"] == verdict]
        if len(group):
            figure.add_scatter(
                x=group["gap"],
                y=group["method"],
                error_x={
                    "array": group["ci_high"] - group["gap"],
                    "arrayminus": group["gap"] - group["ci_low"],
                    "width": 4,
                },
                mode="markers",
                marker={"color": colour, "size": 11},
                name=words[verdict],
                customdata=group[["method", "budget"]].to_numpy(),
                hovertemplate="%{customdata[0]}: %{x:+.3f}<extra></extra>",
            )
    figure.update_xaxes(title=label.replace("; ", ";<br>"), tickformat="+.2f")  # on a phone one line is too long
    figure.update_yaxes(categoryorder="array", categoryarray=list(rows["method"]))
    return quiet(figure, height=140 + 34 * len(rows))


def probabilities(verdicts: pd.DataFrame, labels: tuple[str, str, str], title: str) -> go.Figure:
    """Draw how likely each method is worse, practically equal, or better, as one bar.

    Parameters
    ----------
    verdicts : DataFrame
        Rows of one budget, as `tlcore.results.Results.verdicts`; in the order of `gaps`.
    labels : tuple of str
        Worse, equal, better, as a person reads them.
    title : str
        Of the axis.
    """
    figure = go.Figure()
    rows = verdicts.sort_values("gap")
    colours = (VERDICT_COLOURS["strongly negative transfer"], GREY, VERDICT_COLOURS["helps"])
    for column, label, colour in zip(("p_worse", "p_equal", "p_better"), labels, colours, strict=True):
        figure.add_bar(
            x=rows[column],
            y=rows["method"],
            orientation="h",
            name=label,
            marker_color=colour,
            text=[f"{share:.0%}" if share >= 0.08 else "" for share in rows[column]],
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            hovertemplate=f"%{{y}}: {label} %{{x:.1%}}<extra></extra>",
        )
    figure.update_layout(barmode="stack", bargap=0.45, legend_traceorder="normal")
    figure.update_xaxes(title=title, tickformat=".0%", range=[0, 1])
    figure.update_yaxes(categoryorder="array", categoryarray=list(rows["method"]))
    return quiet(figure, height=140 + 34 * len(rows))


def learning_curves(curves: pd.DataFrame, labels: dict[str, str], epoch_label: str) -> go.Figure:
    """Draw the parts of the objective apart, one panel a part, the mean over seeds; only parts that act are shown.

    Parameters
    ----------
    curves : DataFrame
        Rows of one method and budget, as `tlcore.results.Results.curves`.
    labels : dict
        Column to title, in the order of the panels.
    epoch_label : str
        Title of the horizontal axis.
    """
    from plotly.subplots import make_subplots

    mean = curves.groupby("epoch")[list(labels)].mean()
    shown = [part for part in labels if (mean[part].fillna(0) != 0).any()]
    figure = make_subplots(rows=1, cols=max(1, len(shown)), subplot_titles=[labels[part] for part in shown])
    for i, part in enumerate(shown):
        figure.add_scatter(
            x=mean.index,
            y=mean[part],
            line={"color": COLOURS[i]},
            name=labels[part],
            row=1,
            col=i + 1,
            showlegend=False,
        )
        figure.update_xaxes(title=epoch_label, row=1, col=i + 1)
    return quiet(figure, height=300)


def weights(table: pd.DataFrame, looks: dict[str, dict[str, str]], label: str, share_label: str) -> go.Figure:
    """Draw the weight of source examples, the heaviest first, over the share of them: where it is one, all count alike.

    Parameters
    ----------
    table : DataFrame
        Rows of one budget, as `tlcore.results.Results.source_weights`; seeds are taken together.
    looks : dict
        As `look`.
    label, share_label : str
        Titles of the axes.
    """
    import numpy as np

    figure = go.Figure()
    for method, rows in table.groupby("method", sort=False):
        heaviest = np.sort(rows["weight"].to_numpy(float))[::-1]
        shares = np.linspace(0, 1, min(len(heaviest), 400))
        figure.add_scatter(
            x=shares,
            y=heaviest[np.round(shares * (len(heaviest) - 1)).astype(int)],
            name=str(method),
            mode="lines",
            line={"color": looks[str(method)]["color"], "shape": "hv"},
        )
    figure.add_hline(1, line={"color": GREY, "dash": "dot", "width": 1})
    figure.update_yaxes(title=label, rangemode="tozero")
    figure.update_xaxes(title=share_label, tickformat=".0%")
    return quiet(figure, height=320)


def confusion(matrix: np.ndarray, classes: tuple[str, ...], truth_label: str, predicted_label: str) -> go.Figure:
    """Draw a confusion matrix (K, K) as shares of each true class, the counts in the cells."""
    shares = matrix / matrix.sum(1, keepdims=True).clip(1)
    figure = go.Figure(
        go.Heatmap(
            z=shares,
            x=list(classes),
            y=list(classes),
            text=matrix,
            texttemplate="%{text}" if len(classes) <= 12 else None,
            colorscale=[[0, "#d9e8f2"], [1, "#0072b2"]],  # opaque: counts are written in what stands out from them
            zmin=0,
            zmax=1,
            showscale=False,
            hovertemplate=f"{truth_label} %{{y}}, {predicted_label} %{{x}}: %{{text}}<extra></extra>",
        )
    )
    figure.update_xaxes(title=predicted_label, type="category")
    figure.update_yaxes(title=truth_label, type="category", autorange="reversed")
    return quiet(figure, height=420)


def numbers(answers: pd.DataFrame, truth_label: str, predicted_label: str) -> go.Figure:
    """Draw predicted over true numbers, a point for each test example, the mean over seeds; on the line they are equal.

    Parameters
    ----------
    answers : DataFrame
        Rows of one method and budget, as `tlcore.results.Results.predictions`.
    truth_label, predicted_label : str
        Titles of the axes.
    """
    mean = answers.groupby("row")[["truth", "predicted"]].mean().dropna()
    ends = [float(mean.min().min()), float(mean.max().max())]
    figure = go.Figure()
    figure.add_scatter(x=ends, y=ends, mode="lines", line={"color": GREY, "dash": "dot"}, hoverinfo="skip")
    figure.add_scatter(
        x=mean["truth"],
        y=mean["predicted"],
        mode="markers",
        marker={"color": COLOURS[0], "size": 6, "opacity": 0.7},
        hovertemplate=f"{truth_label} %{{x:.4g}}, {predicted_label} %{{y:.4g}}<extra></extra>",
    )
    figure.update_xaxes(title=truth_label)
    figure.update_yaxes(title=predicted_label)
    return quiet(figure, height=420).update_layout(showlegend=False)


def recall_by_class(
    trials: pd.DataFrame, methods: list[str], classes: tuple[str, ...], looks: dict[str, dict[str, str]], label: str
) -> go.Figure:
    """Draw the recall of each class, the mean over seeds, for a few methods side by side."""
    figure = go.Figure()
    for method in methods:
        rows = trials[trials["method"] == method]
        figure.add_bar(
            x=list(classes),
            y=[rows[f"recall_{i}"].mean() for i in range(len(classes))],
            name=method,
            marker_color=looks[method]["color"],
        )
    figure.update_xaxes(type="category")
    figure.update_yaxes(title=label, range=[0, 1])
    return quiet(figure, height=320)


def quiet(figure: go.Figure, height: int = 420) -> go.Figure:
    """Leave colours of paper and text to the page's theme, and the room to the data."""
    return figure.update_layout(
        height=height,
        margin={"l": 10, "r": 10, "t": 30, "b": 10},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        legend={"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom"},
    )


def feature_map(
    found: FeatureMap, classes: tuple[str, ...], by: str, titles: tuple[str, str], domain_names: tuple[str, str]
) -> go.Figure:
    """Draw where examples lie before and after, side by side: domains by sign, and by colour ``by`` class or domain."""
    from plotly.subplots import make_subplots

    figure = make_subplots(1, 2, subplot_titles=titles, horizontal_spacing=0.04)
    for column, places in enumerate((found.before, found.after), start=1):
        for domain, symbol, place in (("source", "circle-open", 0), ("target", "x-thin-open", 1)):
            for answer in sorted(set(found.answers)):
                here = [
                    where
                    for where, of, its in zip(places, found.domains, found.answers, strict=True)
                    if (of, its) == (domain, answer)
                ]
                if not here:
                    continue
                colour = COLOURS[(answer if by == "class" else 3 * place) % len(COLOURS)]
                group = f"{domain_names[place]}, {classes[answer]}" if by == "class" else domain_names[place]
                shown = column == 1 and group not in {trace.name for trace in figure.data}
                figure.add_scatter(
                    x=[x for x, _ in here],
                    y=[y for _, y in here],
                    mode="markers",
                    marker={"symbol": symbol, "color": colour, "size": 7},
                    name=group,
                    legendgroup=group,
                    showlegend=shown,
                    hovertemplate=f"{domain_names[place]}, {classes[answer]}<extra></extra>",
                    row=1,
                    col=column,
                )
    figure.update_xaxes(showticklabels=False, showgrid=False, zeroline=False)
    figure.update_yaxes(showticklabels=False, showgrid=False, zeroline=False)
    return figure.update_layout(height=420, margin={"l": 10, "r": 10, "t": 40, "b": 10})
