"""The part of the Compare page that only runs about texts have."""

import pandas as pd
import streamlit as st

from pages.parts.language import _
from tlcore.errors import SpecificationError
from tlcore.report.texts import shifted_words
from tlcore.results import Results


def shifted(run_id: str, results: Results) -> None:
    """Show the words that set the domains apart."""
    experiment = results.experiment
    if not (experiment.where.explains and experiment.task.drawn == "classes"):
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
    domains = _results.experiment.domains()
    return pd.DataFrame() if domains.looked_up else shifted_words(domains)
