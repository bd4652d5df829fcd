"""The part of the Compare page that says at which label budget from scratch catches up."""

import streamlit as st

from pages.parts import words
from pages.parts.language import _
from tlcore.evaluation.crossing import sentence
from tlcore.report import figures, learning
from tlcore.results import Results


def caught_up(results: Results) -> None:
    """Say of each method where the baseline catches up with it, and draw one; nothing with fewer than three budgets."""
    found = results.crossings.to_dict("records")
    if not found:
        return
    experiment = results.experiment
    metric = experiment.task.metrics[experiment.metric]
    st.subheader(_("Where {baseline} catches up").format(baseline=experiment.baseline), anchor=False)
    said = ("method", "baseline", "case", "at", "low", "high", "budget_of")
    shared = {"metric": metric, "margin": experiment.margin, "translate": _, "decimal_point": _(".")}
    st.markdown("\n".join(f"- {sentence(**{name: row[name] for name in said}, **shared)}" for row in found))
    by_name = {row["method"]: row for row in found}
    method = st.selectbox(_("Method"), list(by_name), key="crossing.method")
    st.plotly_chart(
        learning.caught_up(
            results.summary(experiment.metric),
            by_name[method],
            figures.look([choice.label for choice in experiment.methods], experiment.baseline),
            _(metric.label),
            words.budget(experiment.task).lower(),
        ),
        key="chart.crossing",
    )
    st.caption(
        _(
            "Signs are what was measured, lines the curves fitted to it, dotted where they are drawn out beyond the "
            "largest budget. The band is the 95 % interval of the budget from which on {baseline} has caught up."
        ).format(baseline=experiment.baseline)
    )
