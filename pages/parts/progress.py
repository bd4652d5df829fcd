"""How a run stands, drawn from the store."""

import streamlit as st

from pages.parts import words
from pages.parts.language import _
from tlcore import lab
from tlcore.lab import RunInfo
from tlcore.scenarios import SCENARIOS


def results_so_far(run: RunInfo) -> None:
    """Draw progress, what is left, and the means of what is done."""
    total = sum(run.counts.values())
    ended = total - run.counts.get("queued", 0) - run.counts.get("running", 0)
    text = _("{ended} of {total} trials").format(ended=ended, total=total)
    if run.counts.get("failed"):
        text += " · " + _("{n} failed").format(n=run.counts["failed"])
    if run.seconds_left and not run.ended:
        text += " · " + _("about {time} left").format(time=words.duration(run.seconds_left))
    st.markdown(words.status(run.status) + (" · " + _("stopping") if run.stopping else ""))
    st.progress(min(1.0, (ended + run.at_work) / total) if total else 0.0, text=text)
    if run.error:
        st.warning(run.error)
    if not run.counts.get("done"):
        if not run.ended:
            st.caption(_("The first result appears here in a few seconds."))
        return
    results = lab.results(run.id)
    scenario = SCENARIOS[run.experiment.scenario]
    first, second = scenario.headline
    table = results.summary(first).merge(
        results.summary(second), on=["method", "family", "budget", "seeds"], suffixes=("", "_second")
    )
    labels = [words.capitalised(_(scenario.metrics[metric].label)) for metric in scenario.headline]
    st.dataframe(
        table[["method", "budget", "seeds", "mean", "mean_second"]],
        column_config={
            "method": st.column_config.TextColumn(_("Method")),
            "budget": st.column_config.NumberColumn(words.budget(run.experiment.scenario)),
            "seeds": st.column_config.NumberColumn(_("Trials done")),
            "mean": st.column_config.ProgressColumn(labels[0], format="%.3f", min_value=0, max_value=1),
            "mean_second": st.column_config.ProgressColumn(labels[1], format="%.3f", min_value=0, max_value=1),
        },
        hide_index=True,
        width="stretch",
        height="content",
    )
