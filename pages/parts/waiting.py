"""What a page shows of work that the engine does when a person asks: the question, the waiting, what came of it."""

from collections.abc import Callable
from typing import Any, TypeGuard, TypeVar

import streamlit as st

from pages.parts import words
from pages.parts.language import _
from tlcore.errors import SpecificationError

SHORT = 30.0
"""Seconds of work that are not worth asking for."""
POLL = 1.0
T = TypeVar("T")


def asked(wanted: str, cost: float, short: float = SHORT) -> bool:
    """Whether work of that many seconds is wanted: what is short is; of the rest a person says so."""
    if cost <= short or st.session_state.get(wanted):
        return True
    ask = _("Work it out, about {time}").format(time=words.duration(cost))
    if st.button(ask, icon=":material/search:", key=f"{wanted}.ask"):
        st.session_state[wanted] = True
        st.rerun()
    return False


def known_or_why(ask: Callable[[], T | None]) -> T | str | None:
    """Return what is known, why nothing is, or None while it is worked out."""
    try:
        return ask()
    except SpecificationError as error:
        return str(error)


def when_known(known: Callable[[], list[Any]], draw: Callable[[list[Any]], None]) -> None:
    """Draw what is known, and look again from time to time as long as some of it is None."""
    waiting = None in known()

    @st.fragment(run_every=POLL if waiting else None)
    def drawn() -> None:
        found = known()
        if waiting and None not in found:
            st.rerun()  # the whole page once more: nobody polls what is there
        draw(found)

    drawn()


def there(found: T | str | None, again: Callable[[], Any], key: str) -> TypeGuard[T]:
    """Whether it is there to be drawn; if not, say that it is worked out, or why not, and offer to try again."""
    if found is None:
        st.caption(":material/hourglass_empty: " + _("The model is trained once more, to be asked …"))
    elif isinstance(found, str):
        st.error(found)
        if st.button(_("Try again"), icon=":material/replay:", key=key):
            again()
            st.rerun()
    return not (found is None or isinstance(found, str))
