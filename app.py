"""The dashboard's server: `streamlit run app.py`.

The script that Streamlit runs for each visitor is `pages/router/main.py`. It does not lie here because Streamlit,
where it finds a folder `pages` beside its main script, treats the first visitor of a fresh server to its old automatic
pages: a deep link would meet "Page not found".
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import streamlit as st

from tlcore import lab


@asynccontextmanager
async def _warm(_app: st.App) -> AsyncIterator[None]:
    """Have workers and store ready before somebody comes; the engine stays when the dashboard goes."""
    lab.start_engine()
    lab.list_runs()
    yield


app = st.App("pages/router/main.py", lifespan=_warm)
