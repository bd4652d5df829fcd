"""The dashboard: the router, and what every page shares."""

import streamlit as st

from pages.parts.language import _
from tlcore import lab

st.set_page_config(page_title="Transfer Lab", page_icon=":material/compare_arrows:", layout="wide")

page = st.navigation(
    [
        st.Page("pages/views/home.py", title=_("Home"), icon=":material/home:", url_path="home", default=True),
        st.Page("pages/views/run.py", title=_("Run"), icon=":material/play_circle:", url_path="run"),
        st.Page("pages/views/compare.py", title=_("Compare"), icon=":material/compare_arrows:", url_path="compare"),
        st.Page("pages/views/history.py", title=_("History"), icon=":material/history:", url_path="history"),
    ],
    position="top",
)


@st.cache_resource
def _warm_engine() -> None:
    """Once a server: have the workers ready before somebody presses Run."""
    lab.start_engine()


_warm_engine()
page.run()
