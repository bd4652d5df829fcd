"""Small pictures, made once for all reruns of a page."""

from typing import TYPE_CHECKING

import streamlit as st

from tlcore.report import pictures

if TYPE_CHECKING:
    from tlcore.datasets.images import LabelledImages


def thumbnail(images: "LabelledImages", number: int) -> str:
    """Return a picture at a small size, as an address that holds it."""
    return _made(images.contents[number], images, number)


@st.cache_data(max_entries=2000, show_spinner=False)
def _made(content: bytes, _images: "LabelledImages", _number: int) -> str:  # noqa: ARG001 - what tells pictures apart
    return pictures.small(_images, _number)
