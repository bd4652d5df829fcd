"""The part of the Compare page that shows where source and target lie in a model's features, before and after."""

import streamlit as st

from pages.parts.answers import POLL, asked
from pages.parts.language import _
from tlcore import lab
from tlcore.errors import SpecificationError
from tlcore.methods import METHODS
from tlcore.report import figures
from tlcore.results import FeatureMap, Results, TrialRecord


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
    if not experiment.where.maps or not records:
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
        wanted = f"{key}.wanted"
        if st.session_state.get(wanted):
            _drawn(run_id, results, record, key)
        elif record.result and asked(wanted, max(record.result.metrics["seconds"] + 5, 31)):
            st.rerun()


def _drawn(run_id: str, results: Results, record: TrialRecord, key: str) -> None:
    experiment = results.experiment

    def known(again: bool = False) -> FeatureMap | str | None:
        try:
            return lab.feature_map(run_id, record.trial, again)
        except SpecificationError as error:
            return str(error)

    waiting = known() is None

    @st.fragment(run_every=POLL if waiting else None)
    def drawn() -> None:
        found = known()
        if waiting and found is not None:
            st.rerun()  # the whole page once more: nobody polls what is there
        if found is None:
            st.caption(":material/hourglass_empty: " + _("The model is trained once more, to be asked …"))
        elif isinstance(found, str):
            st.error(found)
            if st.button(_("Try again"), icon=":material/replay:", key=f"{key}.again"):
                known(again=True)
                st.rerun()
        else:
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

    drawn()
