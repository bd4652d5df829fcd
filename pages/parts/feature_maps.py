"""The part of the Compare page that shows where source and target lie in a model's features, before and after."""

from functools import partial

import streamlit as st

from pages.parts.language import _
from pages.parts.waiting import asked, known_or_why, there, when_known
from tlcore import lab
from tlcore.examples import FeatureMap
from tlcore.methods import METHODS
from tlcore.report import figures
from tlcore.results import Results, TrialRecord

TSNE = 5
"""Seconds that it takes to bring the features into the plane, twice."""


def before_and_after(run_id: str, results: Results, budget: int) -> None:
    """Ask of which method, and draw its map of features as soon as that is worked out."""
    experiment = results.experiment
    seed = experiment.seeds[0]
    records = {
        record.trial.method.label: record
        for record in results.records
        if record.result
        and (record.trial.budget, record.trial.seed) == (budget, seed)
        and METHODS[record.trial.method.name]().needs_source_model
    }
    if not experiment.task.maps or not records:
        return
    with st.expander(_("Where source and target lie, before and after"), icon=":material/scatter_plot:"):
        method = st.selectbox(_("Method"), list(records), key="map.method")
        st.caption(
            _(
                "Up to 300 examples of each domain in the features of the source model, and in those that {method} "
                "ended with, by t-SNE: who is near whom counts, nothing else. Domains that lie apart before and "
                "together after were brought together; whether class to class, the other colours tell."
            ).format(method=method)
        )
        record, key = records[method], f"map.{run_id}.{records[method].trial.key}"
        if record.result and asked(f"{key}.wanted", record.result.metrics["seconds"] + TSNE, short=0):
            _drawn(run_id, results, record, key)


def _drawn(run_id: str, results: Results, record: TrialRecord, key: str) -> None:
    experiment, ask = results.experiment, partial(lab.feature_map, run_id, record.trial)

    def draw(known: list[FeatureMap | str | None]) -> None:
        (found,) = known
        if not there(found, partial(ask, again=True), f"{key}.again"):
            return
        by = st.segmented_control(
            _("Colour"),
            ["domain", "class"],
            format_func={"domain": _("by domain"), "class": _("by class")}.__getitem__,
            default="domain" if len(set(found.domains)) > 1 else "class",
            required=True,
            key=f"{key}.by",
        )
        titles = _("before: the source model"), _("after: {method}").format(method=record.trial.method.label)
        st.plotly_chart(
            figures.feature_map(found, experiment.where.classes, by, titles, experiment.names), key=f"{key}.chart"
        )

    when_known(lambda: [known_or_why(ask)], draw)
