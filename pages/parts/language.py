"""Every visible string goes through here; catalogues lie in ``locale/<language>/LC_MESSAGES/transferlab.mo``."""

from functools import lru_cache
from gettext import NullTranslations, translation
from pathlib import Path

import streamlit as st

LOCALE = Path(__file__).parents[2] / "locale"


@lru_cache(maxsize=8)
def _catalogue(language: str) -> NullTranslations:
    return translation("transferlab", LOCALE, languages=[language], fallback=True)


def _language() -> str:
    return (st.context.locale or "en").replace("-", "_")


def _(message: str) -> str:
    """Return the message in the visitor's language, or as it is where there is no translation."""
    return _catalogue(_language()).gettext(message)


def ngettext(one: str, many: str, n: int) -> str:
    """Return the form of a message that fits the number."""
    return _catalogue(_language()).ngettext(one, many, n)
