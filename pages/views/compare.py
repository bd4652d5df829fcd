"""Compare: the warning first, then the verdicts, then the evidence."""

import streamlit as st

from pages.parts import answers, boxes, catalogue, crossing, feature_maps, masks, texts, whom, words
from pages.parts.concerns import concerns_of_run
from pages.parts.evidence import (
    charts,
    choose_budget,
    downloads,
    gaps,
    methods_apart,
    source_weights,
    unscored,
    verdict_table,
    warnings,
)
from pages.parts.language import _
from pages.parts.progress import decide_what_is_open, results_so_far
from tlcore import lab
from tlcore.errors import SpecificationError


def choose_run() -> str | None:
    """Return the run in the address, or the newest with a result; a selectbox changes it."""
    runs = {run.id: run for run in lab.list_runs() if run.counts.get("done")}
    wanted = st.query_params.get("run")
    if wanted is not None and wanted not in runs:
        try:
            run = lab.read(wanted)
        except SpecificationError as error:
            st.error(str(error))
            st.page_link("../views/history.py", label=_("All runs"), icon=":material/history:")
            return None
        results_so_far(run)
        return None
    if not runs:
        st.info(_("There is nothing to compare yet."), icon=":material/rocket_launch:")
        st.page_link("../views/run.py", label=_("Start a run"), icon=":material/play_circle:")
        return None
    names = list(runs)
    chosen = st.selectbox(
        _("Run"),
        names,
        index=names.index(wanted) if wanted else 0,
        format_func=lambda run: f"{words.title(runs[run])} · {runs[run].created:%Y-%m-%d %H:%M}",
        label_visibility="collapsed",
    )
    if chosen != wanted:
        st.query_params["run"] = chosen
    return chosen


st.title(_("Compare"))
chosen = choose_run()
if chosen is not None:
    run, results = lab.read(chosen), lab.results(chosen)
    if not run.ended:
        st.page_link(
            "../views/run.py",
            label=_("Still running: watch it"),
            icon=":material/play_circle:",
            query_params={"run": chosen},
        )
    if remark := results.experiment.where.remark:
        st.warning(_(remark), icon=":material/swap_horiz:")
    concerns_of_run(run.concerns)
    blind = unscored(results)
    if not blind:
        warnings(results)
        whom.harmed(results)
        verdict_table(results)
        decide_what_is_open(run)
        charts(results)
        crossing.caught_up(results)
    budget = choose_budget(results)
    if not blind:
        gaps(results, budget)
        whom.groups(results, budget)
        catalogue.lengths(results, budget)
        catalogue.one_person(results, budget)
        answers.single_answers(chosen, results, budget)
        masks.single_pictures(chosen, results, budget)
        boxes.single_pictures(chosen, results, budget)
        texts.shifted(chosen, results)
        feature_maps.before_and_after(chosen, results, budget)
    source_weights(results, budget)
    if not blind:
        methods_apart(results, budget)
    downloads(run, results)
