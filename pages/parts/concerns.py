"""What looks wrong with the data, before a run and above its results."""

import re
from collections.abc import Sequence

import streamlit as st

from pages.parts.language import _
from tlcore.concerns import Concern
from tlcore.experiment import Experiment


def concerns(experiment: Experiment) -> None:
    """Draw a warning for each concern about the data of an experiment."""
    for concern in _found(experiment):
        st.warning(_plain(concern.said(_)), icon=":material/warning:")


def concerns_of_run(sentences: Sequence[str]) -> None:
    """Draw what looked wrong with a run's data when it was submitted."""
    for sentence in sentences:
        st.warning(_plain(sentence), icon=":material/warning:")


def _plain(sentence: str) -> str:
    """Return a sentence whose signs are no Markdown: names of labels and columns may have any."""
    return re.sub(r"[\\`*_\[\]<>#$~|]|:(?=\S)", r"\\\g<0>", sentence)


@st.cache_data(ttl=300, max_entries=20, show_spinner=False, hash_funcs={Experiment: Experiment.model_dump_json})
def _found(experiment: Experiment) -> list[Concern]:
    return experiment.concerns()
