"""The router: what every page shares, and which pages there are."""

import streamlit as st

from pages.parts.language import _

st.set_page_config(page_title="Transfer Lab", page_icon=":material/compare_arrows:", layout="wide")
st.navigation(
    [
        st.Page("../views/home.py", title=_("Home"), icon=":material/home:", url_path="home", default=True),
        st.Page("../views/run.py", title=_("Run"), icon=":material/play_circle:", url_path="run"),
        st.Page("../views/compare.py", title=_("Compare"), icon=":material/compare_arrows:", url_path="compare"),
        st.Page("../views/history.py", title=_("History"), icon=":material/history:", url_path="history"),
    ],
    position="top",
).run()
