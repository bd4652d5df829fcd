"""A form for the fields of a pydantic model: each by its type, with its default and description."""

from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import streamlit as st
from pydantic.fields import FieldInfo

from pages.parts.language import _


def changed(fields: dict[str, FieldInfo], key: str, values: dict[str, Any] | None = None) -> dict[str, Any]:
    """Ask for each field, starting from ``values`` or the defaults, and return those that are not at their default."""
    answers = {name: ask(name, field, f"{key}.{name}", (values or {}).get(name)) for name, field in fields.items()}
    return {
        name: answer
        for name, answer in answers.items()
        if answer != fields[name].get_default(call_default_factory=True)
    }


def ask(name: str, field: FieldInfo, key: str, value: Any = None) -> Any:
    """Ask for one field."""
    start = field.get_default(call_default_factory=True) if value is None else value
    kinds = get_args(field.annotation) if get_origin(field.annotation) in (Union, UnionType) else ()
    kind = next((kind for kind in kinds if kind is not NoneType), field.annotation)
    shared: dict[str, Any] = {"help": _(field.description or ""), "key": key}
    if get_origin(kind) is Literal:
        choices = list(get_args(kind))
        return st.selectbox(
            name, choices, index=choices.index(start), format_func=lambda choice: choice or _("empty"), **shared
        )
    if kind is bool:
        return st.toggle(name, start, **shared)
    if get_origin(kind) in (dict, tuple):  # written as the command line takes it: a=b, c=d
        text = (
            ", ".join(f"{one}={other}" for one, other in start.items()) if isinstance(start, dict) else ", ".join(start)
        )
        return st.text_input(name, text, **shared).strip() or type(start)()
    if kind is str:
        return st.text_input(name, start, **shared).strip()
    number = int if kind is int else float
    return st.number_input(  # without bounds: the model's own sentence says what is allowed, whoever asks
        name,
        value=None if start is None else number(start),
        format=None if number is int else "%g",
        placeholder=_("empty"),
        **shared,
    )
