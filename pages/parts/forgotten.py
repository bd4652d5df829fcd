"""The part of the Compare page that says what a method forgot of the source."""

from math import isnan

import streamlit as st

from pages.parts import words
from pages.parts.language import _
from tlcore.results import Results


def forgotten(results: Results, method: str, budget: int) -> None:
    """Show the score on source examples that nothing learned from, before and after; nothing where there is none."""
    trials = results.trials
    here = trials[(trials["method"] == method) & (trials["budget"] == budget)][["source_before", "source_after"]]
    before, after = here.astype(float).mean()
    if isnan(after):  # it has no answers for the source
        return
    metric = results.experiment.task.metrics[results.experiment.task.headline[0]]
    st.metric(
        _("{metric} on the source, before → after").format(metric=words.capitalised(_(metric.label))),
        f"{before:.2f} → {after:.2f}",
        f"{after - before:+.2f}",
        help=_(
            "On source examples that no trial learned from: of the source model, and of what this method made of it; "
            "the mean over seeds. The difference is what was forgotten."
        ),
        border=True,
    )
