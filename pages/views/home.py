"""Home: what this is, where to start, what was found last."""

import streamlit as st

from pages.parts import words
from pages.parts.language import _, ngettext
from tlcore import lab
from tlcore.experiment import Experiment, presets
from tlcore.scenarios import SCENARIOS

st.title(_("Does transfer help here?"))
st.markdown(
    _(
        "You have little labelled data. A model trained elsewhere might help, do nothing, or do harm. "
        "Transfer Lab runs each way of transferring beside a model trained **from scratch** on the same labels, "
        "and says with evidence which it is."
    )
)


def preset_card(name: str) -> None:
    """Show a preset with what it is meant to show, and the way to run it."""
    experiment = Experiment.load(name)
    trials = len(experiment.trials())
    with st.container(border=True, height="stretch"):
        st.subheader(_(experiment.name), anchor=False)
        st.markdown(_(experiment.description))
        methods = len(experiment.methods)
        st.caption(
            ngettext("{n} method", "{n} methods", methods).format(n=methods)
            + " · "
            + ngettext("{n} trial", "{n} trials", trials).format(n=trials)
        )
        st.page_link(
            "../views/run.py",
            label=_("Open"),
            icon=":material/play_circle:",
            query_params={"preset": name},
        )


st.header(_("Start with a preset"), anchor=False)
A_ROW = 3
for start in range(0, len(presets()), A_ROW):
    for column, name in zip(st.columns(A_ROW), presets()[start : start + A_ROW], strict=False):
        with column:
            preset_card(name)

st.header(_("Bring your own data"), anchor=False)
for scenario in SCENARIOS.values():
    if scenario.own is not None:
        with st.container(border=True):
            st.subheader(_(scenario.title), anchor=False)
            st.markdown(_(scenario.summary))
            st.page_link(
                "../views/run.py",
                label=_("Bring files"),
                icon=":material/upload_file:",
                query_params={"scenario": scenario.name},
            )

st.header(_("Latest result"), anchor=False)
finished = next((run for run in lab.list_runs() if run.status == "done"), None)
if finished is None:
    st.info(_("Nothing has been run yet. The first preset takes about a minute."), icon=":material/rocket_launch:")
else:
    results = lab.results(finished.id)
    gaps = results.verdicts["gap"]
    extremes = results.verdicts[gaps.isin([gaps.min(), gaps.max()])].sort_values("gap")
    st.markdown(f"**{words.title(finished)}** · {finished.created:%Y-%m-%d %H:%M} UTC")
    for verdict, sentence in zip(extremes["verdict"], words.sentences(extremes, results.experiment), strict=True):
        st.markdown(f"{words.verdict(verdict)} — {sentence}")
    st.page_link(
        "../views/compare.py",
        label=_("See the comparison"),
        icon=":material/compare_arrows:",
        query_params={"run": finished.id},
    )
