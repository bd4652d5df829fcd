"""The parts of the Compare page that only runs with people and a catalogue have."""

import streamlit as st

from pages.parts import words
from pages.parts.language import _, ngettext
from tlcore.errors import SpecificationError
from tlcore.report import figures
from tlcore.report.person import people, person
from tlcore.results import Results

LONGEST = 15


def lengths(results: Results, budget: int) -> None:
    """Draw how much is found by the length of the list shown."""
    scenario = results.experiment.where
    done = results.trials[results.trials["status"] == "done"]
    if not (scenario.curve and len(done)):
        return
    st.subheader(_("By the length of the list"), anchor=False)
    table = results.along(scenario.curve)
    st.plotly_chart(
        figures.by_length(
            table[table["budget"] == budget],
            figures.look([choice.label for choice in results.experiment.methods], results.experiment.baseline),
            _("recall@k"),
            _("k, so many items are shown"),
        ),
        key="chart.lengths",
    )


def groups(results: Results, budget: int) -> None:
    """Show whom each method serves, and whom it harms though it helps on average."""
    experiment = results.experiment
    table = results.by_group(experiment.metric)
    if not len(table):
        return
    metric = experiment.where.metrics[experiment.metric]
    st.subheader(_("For whom"), anchor=False)
    verdicts = results.group_verdicts
    verdicts = verdicts[verdicts["budget"] == budget]
    harmed = verdicts[verdicts["verdict"].str.contains("negative")]
    for method, rows in harmed.groupby("method", sort=False):
        st.warning(
            _("Negative transfer for some: {method} does harm to {groups}.").format(
                method=method, groups=", ".join(map(words.group, rows["group"]))
            ),
            icon=":material/group_off:",
        )
    table = table[table["budget"] == budget]
    sizes = table.drop_duplicates("group").set_index("group")["members"]
    named = {group: f"{words.group(group)} ({size})" for group, size in sizes.items()}
    looks = figures.look([choice.label for choice in experiment.methods], experiment.baseline)
    st.plotly_chart(figures.by_group(table, looks, _(metric.label), named), key="chart.groups")
    scale = 100 if metric.in_points else 1
    with st.expander(_("Verdicts by group"), icon=":material/groups:"):
        st.caption(_("Each group is judged by itself; of twenty without any effect, one may still look as if."))
        st.dataframe(
            verdicts.assign(
                group=verdicts["group"].map(words.group),
                verdict=verdicts["verdict"].map(words.verdict),
                gap=verdicts["gap"] * scale,
                interval=words.intervals(verdicts["ci_low"] * scale, verdicts["ci_high"] * scale),
            )[["group", "members", "verdict", "method", "gap", "interval"]],
            column_config={
                "group": st.column_config.TextColumn(_("Group")),
                "members": st.column_config.NumberColumn(_("People")),
                "verdict": st.column_config.TextColumn(_("Verdict")),
                "method": st.column_config.TextColumn(_("Method")),
                "gap": st.column_config.NumberColumn(
                    _("Gap, points of {metric}").format(metric=_(metric.label)), format="%+.1f"
                ),
                "interval": st.column_config.TextColumn(_("95 % interval")),
            },
            hide_index=True,
            width="stretch",
        )


def one_person(results: Results, budget: int) -> None:
    """Pick a person: what they like elsewhere, what each method showed them, what they really chose."""
    experiment = results.experiment
    if "shown" not in next((record.result.examples for record in results.records if record.result), {}):
        return
    st.subheader(_("Look at a person"), anchor=False)
    try:
        table = people(results, budget, experiment.seeds[0])
    except SpecificationError as error:
        st.caption(_("Who they are cannot be shown any more: {error}").format(error=error))
        return
    if not len(table):
        st.caption(_("The first results at this budget are still to come."))
        return
    known = dict(zip(table["row"], table.to_dict("records"), strict=True))
    chosen = st.selectbox(
        _("Person"),
        list(known),
        format_func=lambda row: _("{name}: {n} choices known here, {m} elsewhere").format(
            name=known[row]["name"], n=known[row]["known"], m=known[row]["elsewhere"]
        ),
        help=_("First those to whom transfer showed what they really chose, and the baseline did not."),
        key="person",
    )
    one = person(results, budget, experiment.seeds[0], chosen)
    for column, title, items in zip(
        st.columns([2, 1, 1]),
        (_("Liked in the source"), _("Known in the target"), _("Really chosen next")),
        (one.elsewhere, one.known, one.held_out),
        strict=True,
    ):
        with column:
            st.markdown(f"**{title}**")
            if not items:
                st.caption(_("nothing"))
            rest = len(items) - LONGEST
            st.text("\n".join(items[:LONGEST]))
            if rest > 0:
                st.caption(ngettext("and {n} more", "and {n} more", rest).format(n=rest))
    st.markdown("**" + _("Shown by each method; ✔ is what they really chose") + "**")
    longest = max(map(len, one.shown.values()))
    st.dataframe(
        {
            "place": list(range(1, longest + 1)),
            **{
                method: [("✔ " if item in one.held_out else "") + item for item in items]
                + [""] * (longest - len(items))
                for method, items in one.shown.items()
            },
        },
        column_config={"place": st.column_config.NumberColumn(_("Place"), width="small", pinned=True)},
        hide_index=True,
        width="stretch",
        height="content",
    )
