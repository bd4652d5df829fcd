"""The parts of the Compare page that only runs with people and a catalogue have."""

import streamlit as st

from pages.parts.language import _, ngettext
from tlcore.errors import SpecificationError
from tlcore.report import figures
from tlcore.report.person import people, person
from tlcore.results import Results

LONGEST = 15


def lengths(results: Results, budget: int) -> None:
    """Draw how much is found by the length of the list shown."""
    task = results.experiment.task
    done = results.trials[results.trials["status"] == "done"]
    if not (task.curve and len(done)):
        return
    st.subheader(_("By the length of the list"), anchor=False)
    table = results.along(task.curve)
    st.plotly_chart(
        figures.by_length(
            table[table["budget"] == budget],
            figures.look([choice.label for choice in results.experiment.methods], results.experiment.baseline),
            _("recall@k"),
            _("k, so many items are shown"),
        ),
        key="chart.lengths",
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
