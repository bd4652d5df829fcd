"""For whom transfer helps: the examples of each label, and groups of people, patients or machines."""

import streamlit as st

from pages.parts import words
from pages.parts.language import _
from tlcore.report import figures
from tlcore.results import Results


def harmed(results: Results) -> None:
    """Warn of methods that do no harm on the whole, and harm some."""
    for (method, budget), rows in results.harmed.groupby(["method", "budget"], sort=False):
        st.warning(
            _("Negative transfer for some ({budget}): {method} does harm to {groups}.").format(
                method=method,
                budget=f"{words.budget(results.experiment.task).lower()}: {budget}",
                groups=", ".join(map(words.group, rows["group"])),
            ),
            icon=":material/group_off:",
        )


def groups(results: Results, budget: int) -> None:
    """Show what each method reaches in each group, with a verdict on each."""
    experiment = results.experiment
    metric = experiment.task.metrics[experiment.task.group_metric(experiment.metric)]
    table = results.by_group(metric.name)
    table = table[table["budget"] == budget]
    if not len(table):
        return
    st.subheader(_("For whom"), anchor=False)
    verdicts = results.group_verdicts
    verdicts = verdicts[verdicts["budget"] == budget]
    sizes = table.drop_duplicates("group").set_index("group")["members"]
    named = {group: f"{words.group(group)} ({size})" for group, size in sizes.items()}
    looks = figures.look([choice.label for choice in experiment.methods], experiment.baseline)
    st.plotly_chart(figures.by_group(table, looks, _(metric.label), named), key="chart.groups")
    scale = 100 if metric.in_points else 1
    with st.expander(_("Verdicts by group"), icon=":material/groups:"):
        st.caption(_("All groups, methods and budgets are judged as one family, apart from the verdicts on the whole."))
        st.dataframe(
            verdicts.assign(
                group=verdicts["group"].map(words.group),
                verdict=verdicts["verdict"].map(words.verdict),
                gap=verdicts["gap"] * scale,
                interval=words.intervals(verdicts["ci_low"] * scale, verdicts["ci_high"] * scale),
            )[["group", "members", "verdict", "method", "gap", "interval", "p_adjusted"]],
            column_config={
                "group": st.column_config.TextColumn(_("Group")),
                "members": st.column_config.NumberColumn(_("Test examples")),
                "verdict": st.column_config.TextColumn(_("Verdict")),
                "method": st.column_config.TextColumn(_("Method")),
                "gap": st.column_config.NumberColumn(
                    _("Gap, points of {metric}").format(metric=_(metric.label)), format="%+.1f"
                ),
                "interval": st.column_config.TextColumn(_("95 % interval")),
                "p_adjusted": st.column_config.NumberColumn(_("p, of all at once"), format="%.3f"),
            },
            hide_index=True,
            width="stretch",
        )
