"""The parts of the Compare page that only runs about texts have."""

from typing import Any

import pandas as pd
import streamlit as st

from pages.parts import words
from pages.parts.language import _
from tlcore import lab
from tlcore.errors import SpecificationError
from tlcore.experiment import Trial
from tlcore.report.texts import marked, shifted_words, turned
from tlcore.results import Explanation, Results, TrialRecord

SHORT = 30.0
"""Seconds of work that are not worth asking for."""
POLL = 1.0


def turned_texts(run_id: str, results: Results, budget: int) -> None:
    """List the texts whose answer transfer turned round, and say of one what it rests on, before and after."""
    experiment = results.experiment
    if not experiment.where.explains:
        return
    methods = list(dict.fromkeys(results.verdicts["method"]))
    seed = experiment.seeds[0]
    if not methods:
        return
    st.subheader(_("Texts whose answer transfer turned round"), anchor=False)
    method = st.selectbox(_("Method"), methods, key="turned.method")
    try:
        table = turned(results, method, budget, seed)
    except SpecificationError as error:
        st.caption(_("The texts cannot be shown any more: {error}").format(error=error))
        return
    done = {
        record.trial.method.label: record
        for record in results.records
        if record.result and (record.trial.budget, record.trial.seed) == (budget, seed)
    }
    pair = [done.get(name) for name in (experiment.baseline, method)]
    if not all(pair):
        st.caption(_("The first results at this budget are still to come."))
        return
    if not len(table):
        st.caption(_("No answer was turned round."))
        return
    counts = {right: int((table["better"] == right).sum()) for right in (True, False)}
    better = st.segmented_control(
        _("Of {n} test texts, with the labels of seed {seed}").format(n=len(experiment.domains().test), seed=seed),
        list(counts),
        format_func=lambda right: (
            _("▲ set right: {n}").format(n=counts[right]) if right else _("▼ set wrong: {n}").format(n=counts[right])
        ),
        default=counts[True] >= counts[False],
        required=True,
        key="turned.better",
    )
    table = table[table["better"] == better]
    if not len(table):
        return
    chosen = st.dataframe(
        table[["text", "truth", "baseline", "method"]],
        column_config={
            "text": st.column_config.TextColumn(_("Text"), width="large"),
            "truth": st.column_config.TextColumn(_("Truth")),
            "baseline": st.column_config.TextColumn(experiment.baseline),
            "method": st.column_config.TextColumn(method),
        },
        hide_index=True,
        width="stretch",
        height=280,
        on_select="rerun",
        selection_mode="single-row",
        key=f"turned.table.{run_id}.{method}.{budget}.{better}",
    )
    places = chosen["selection"]["rows"] or [0]
    text = table.iloc[places[0]]
    st.markdown("**" + _("On which words the answers rest") + "**")
    st.caption(
        _(
            "Green and underlined speaks for *{truth}*, the true answer; red and underlined twice speaks against it. "
            "Choose a text in the table."
        ).format(truth=text["truth"])
    )
    _why(run_id, results, [record for record in pair if record], text.to_dict())


def _why(run_id: str, results: Results, records: list[TrialRecord], text: dict[str, Any]) -> None:
    """Show the words of a text as each model sees them, as soon as that is worked out."""
    cost = sum(record.result.metrics["seconds"] for record in records if record.result)
    wanted = f"why.{run_id}.{records[-1].trial.key}.{text['row']}"
    if cost > SHORT and not st.session_state.get(wanted):
        ask = _("Work it out, about {time}").format(time=words.duration(cost))
        if st.button(ask, icon=":material/search:", key=f"{wanted}.ask"):
            st.session_state[wanted] = True
            st.rerun()
        return

    def known() -> list[Explanation | str | None]:
        return [_explanation(run_id, record.trial, text["row"]) for record in records]

    waiting = None in known()

    @st.fragment(run_every=POLL if waiting else None)
    def side_by_side() -> None:
        explanations = known()
        if waiting and None not in explanations:
            st.rerun()  # the whole page once more: nobody polls what is there
        for column, record, explanation in zip(st.columns(len(records)), records, explanations, strict=True):
            with column, st.container(border=True):
                st.markdown(f"**{record.trial.method.label}**")
                _one_model(explanation, text, results.experiment.where.classes)
                again = {"icon": ":material/replay:", "key": f"{wanted}.{record.trial.key}.again"}
                if isinstance(explanation, str) and st.button(_("Try again"), **again):
                    lab.explain(run_id, record.trial, text["row"], again=True)
                    st.rerun()

    side_by_side()


def _explanation(run_id: str, trial: Trial, row: int) -> Explanation | str | None:
    """Return an explanation, why there is none, or None while it is worked out."""
    try:
        return lab.explain(run_id, trial, row)
    except SpecificationError as error:
        return str(error)


def _one_model(explanation: Explanation | str | None, text: dict[str, Any], classes: tuple[str, ...]) -> None:
    if explanation is None:
        st.caption(":material/hourglass_empty: " + _("The model is trained once more, to be asked …"))
    elif isinstance(explanation, str):
        st.error(explanation)
    else:
        said = max(range(len(classes)), key=explanation.probabilities.__getitem__)
        sign = "✔" if classes[said] == text["truth"] else "✘"
        st.markdown(f"{sign} {classes[said]}, {explanation.probabilities[said]:.0%}")
        st.html(marked(text["text"], explanation))
        st.caption(
            {
                "integrated gradients": _("By integrated gradients."),
                "leaving out": _("By leaving out each word in turn."),
            }[explanation.by]
        )


def shifted(run_id: str, results: Results) -> None:
    """Show the words that set the domains apart."""
    experiment = results.experiment
    if not experiment.where.explains:
        return
    try:
        table = _shifted(run_id, results)
    except SpecificationError:  # said above already
        return
    if not len(table):
        return
    with st.expander(_("Words that set the domains apart"), icon=":material/swap_horiz:"):
        st.caption(
            _("How many of a thousand words it is. What a word tells in one domain it may not tell in the other.")
        )
        source, target = experiment.names
        parts = {target: table[table["z"] < 0], source: table[table["z"] > 0]}
        for column, (name, part) in zip(st.columns(2), parts.items(), strict=True):
            column.markdown("**" + _("More in {name}").format(name=name) + "**")
            column.dataframe(
                part.assign(source=1000 * part["source"], target=1000 * part["target"])[["word", "source", "target"]],
                column_config={
                    "word": st.column_config.TextColumn(_("Word")),
                    "source": st.column_config.NumberColumn(_("in the source"), format="%.1f"),
                    "target": st.column_config.NumberColumn(_("in the target"), format="%.1f"),
                },
                hide_index=True,
                width="stretch",
                height="content",
            )


@st.cache_data(max_entries=8, show_spinner=False)
def _shifted(run_id: str, _results: Results) -> pd.DataFrame:  # noqa: ARG001
    return shifted_words(_results.experiment.domains())
