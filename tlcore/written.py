"""What a person writes, in a specification or behind ``--set``, and what it means."""

from __future__ import annotations

from types import NoneType
from typing import Any, get_args

import yaml
from pydantic import BaseModel

FILES = ("source", "target")
"""The fields that may be files of one's own, whose columns and labels are called 3, Yes or 007 as well as anything."""
NOTHING = ("", "~", "null", "Null", "NULL")
KEPT_TAGS = ("tag:yaml.org,2002:null", "tag:yaml.org,2002:merge")


class _Words(yaml.SafeLoader):
    """YAML in which 3, Yes and 007 are the text that they look like; only null stays what it is."""

    yaml_implicit_resolvers = {
        sign: [(tag, form) for tag, form in resolvers if tag in KEPT_TAGS]
        for sign, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def specification(text: str) -> Any:
    """Return what YAML or JSON says; inside source and target everything is text.

    >>> specification("{seeds: 3, target: {path: t.csv, label: 007, rename: {1: Yes}}}")
    {'seeds': 3, 'target': {'path': 't.csv', 'label': '007', 'rename': {'1': 'Yes'}}}
    """
    fields = yaml.safe_load(text)
    if not isinstance(fields, dict):
        return fields
    words = yaml.load(text, _Words)
    return fields | {which: words[which] for which in FILES if isinstance(fields.get(which), dict)}


def value(key: str, text: str) -> Any:
    """Return what stands behind ``key=``: the text as it was typed, unless it is in brackets, braces or quotes.

    A field that is no text reads it by itself.

    >>> value("target.label", "007"), value("seeds", "[3, 7]"), value("source.rename", "{1: Yes}")
    ('007', [3, 7], {'1': 'Yes'})
    """
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    if not (quoted or text[:1] in ("[", "{")):
        return text
    which, inside, _ = key.partition(".")
    try:
        return yaml.load(text, _Words if which in FILES else yaml.SafeLoader)
    except yaml.YAMLError:
        if which in FILES and inside:
            return text  # a file or a column may be called so
        raise


def left_open(fields: dict[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """Return the fields with None for ``null`` or nothing at all, where a field may be None and is no text."""
    known = {key: field for name, field in model.model_fields.items() for key in (name, field.alias)}

    def may_be_open(key: str) -> bool:
        kinds = get_args(known[key].annotation) if key in known else ()
        return NoneType in kinds and str not in kinds

    return {
        key: None if isinstance(given, str) and given in NOTHING and may_be_open(key) else given
        for key, given in fields.items()
    }
