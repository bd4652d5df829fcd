"""The part of the Compare page about single answers: which ones transfer turned round, and what they rest on."""

from functools import partial
from typing import Any

import pandas as pd
import streamlit as st

from pages.parts.language import _
from pages.parts.pictures_apart import MOST_PICTURES, picked, with_pictures
from pages.parts.waiting import asked, known_or_why, there, when_known
from tlcore import lab
from tlcore.errors import SpecificationError
from tlcore.examples import Domains, Explanation
from tlcore.report import pictures, texts
from tlcore.report.answers import answers, hardest, turned
from tlcore.results import Results, TrialRecord


def single_answers(run_id: str, results: Results, budget: int) -> None:
    """List the examples whose answer transfer turned round, and the worst mistakes; say of one what it rests on."""
    experiment = results.experiment
    if not (experiment.where.explains and experiment.task.drawn == "classes"):
        return
    methods = list(dict.fromkeys(results.verdicts["method"]))
    seed = experiment.seeds[0]
    if not methods:
        return
    try:
        domains = experiment.domains()
    except SpecificationError as error:
        st.subheader(_("Answers that transfer turned round"), anchor=False)
        st.caption(_("The examples cannot be shown any more: {error}").format(error=error))
        return
    of_pictures = domains.looked_up is not None
    title = _("Pictures") if of_pictures else _("Texts")
    st.subheader(_("{what} whose answer transfer turned round").format(what=title), anchor=False)
    method = st.selectbox(_("Method"), methods, key="turned.method")
    pair = results.pair(method, budget, seed)
    if len(pair) < 2:
        st.caption(_("The first results at this budget are still to come."))
        return
    table = _chosen_answers(results, method, budget, seed, len(domains.test))
    if not len(table):
        st.caption(_("There is none."))
        return
    row = _choose_row(run_id, table, experiment.baseline, method, domains)
    heading = _("On which parts the answers rest") if of_pictures else _("On which words the answers rest")
    st.markdown("**" + heading + "**")
    if of_pictures:
        said = _(
            "Green speaks for *{truth}*, the true answer; red speaks against it; grey does not matter. Choose a "
            "picture in the table."
        )
    else:
        said = _(
            "Green and underlined speaks for *{truth}*, the true answer; red and underlined twice speaks against it. "
            "Choose a text in the table."
        )
    st.caption(said.format(truth=row["truth"]))
    _why(run_id, pair, row, domains)


def _chosen_answers(results: Results, method: str, budget: int, seed: int, tested: int) -> pd.DataFrame:
    """Ask which answers to look at, and return them."""
    everything = answers(results, method, budget, seed)
    other = turned(everything)
    parts = {
        "better": other[other["better"]],
        "worse": other[~other["better"]],
        "hardest": hardest(everything),
        "all": everything,
    }
    names = {
        "better": _("▲ set right: {n}"),
        "worse": _("▼ set wrong: {n}"),
        "hardest": _("✘ all mistakes, the surest first: {n}"),
        "all": _("all: {n}"),
    }
    chosen = st.segmented_control(
        _("Of {n} test examples, with the labels of seed {seed}").format(n=tested, seed=seed),
        list(parts),
        format_func=lambda part: names[part].format(n=len(parts[part])),
        default="better" if len(parts["better"]) >= len(parts["worse"]) else "worse",
        required=True,
        key="turned.better",
    )
    return parts[chosen]


def _choose_row(run_id: str, table: pd.DataFrame, baseline: str, method: str, domains: Domains) -> dict[str, Any]:
    """Show the answers, and return the one that is chosen: the first, unless a person says otherwise."""
    columns: dict[str, Any] = {
        "name": st.column_config.TextColumn(_("Text"), width="large"),
        "truth": st.column_config.TextColumn(_("Truth")),
        "baseline": st.column_config.TextColumn(baseline),
        "method": st.column_config.TextColumn(method),
    }
    shown, images = table, domains.looked_up
    if images:
        shown = with_pictures(table, domains)
        columns = {"picture": st.column_config.ImageColumn(_("Picture"), width="small"), **columns}
        columns["name"] = st.column_config.TextColumn(_("Name"))
        if len(shown) < len(table):
            st.caption(_("The first {n}.").format(n=MOST_PICTURES))
    return picked(shown, columns, f"turned.table.{run_id}.{method}.{shown['row'].sum()}")


def _why(run_id: str, records: list[TrialRecord], row: dict[str, Any], domains: Domains) -> None:
    """Show an example as each model sees it, as soon as that is worked out."""
    wanted = f"why.{run_id}.{records[-1].trial.key}.{row['row']}"
    if not asked(wanted, sum(record.result.metrics["seconds"] for record in records if record.result)):
        return

    def known() -> list[Explanation | str | None]:
        return [known_or_why(partial(lab.explain, run_id, record.trial, row["row"])) for record in records]

    def side_by_side(explanations: list[Explanation | str | None]) -> None:
        for column, record, explanation in zip(st.columns(len(records)), records, explanations, strict=True):
            with column, st.container(border=True):
                st.markdown(f"**{record.trial.method.label}**")
                again = partial(lab.explain, run_id, record.trial, row["row"], again=True)
                if there(explanation, again, f"{wanted}.{record.trial.key}.again"):
                    _one_model(explanation, row, domains)

    when_known(known, side_by_side)


def _one_model(explanation: Explanation, row: dict[str, Any], domains: Domains) -> None:
    classes = domains.answer_names
    said = max(range(len(classes)), key=explanation.probabilities.__getitem__)
    sign = "✔" if classes[said] == row["truth"] else "✘"
    st.markdown(f"{sign} {classes[said]}, {explanation.probabilities[said]:.0%}")
    if domains.looked_up:
        number = int(domains.test.inputs[row["row"]])
        plain, marked = st.columns(2)
        plain.image(pictures.small(domains.looked_up, number, pictures.LARGE))
        marked.image(pictures.marked(domains.looked_up, number, explanation))
    else:
        st.html(texts.marked(row["name"], explanation))
    st.caption(
        {
            "integrated gradients": _("By integrated gradients."),
            "leaving out": _("By leaving out each word in turn."),
            "grad-cam": _("By Grad-CAM."),
            "covering": _("By covering each part in turn."),
        }[explanation.by]
    )
