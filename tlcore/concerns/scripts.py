"""Whether an encoder knows the script that texts are written in."""

from __future__ import annotations

from collections.abc import Sequence

from tlcore.concerns import Concern, named, percent

SAMPLE = 200
"""Texts of a domain that are looked at."""
UNKNOWN, SPELLED = 0.2, 0.5
"""Share of the signs in unknown tokens, and of tokens that are one letter, from which on a script is not known."""


def unread(encoder: str, texts: Sequence[str], which: str) -> list[Concern]:
    """Return the concern about texts that an encoder does not know the script of; none where it is not at hand."""
    from tlcore.backbones.tokens import split_of

    if not len(texts):
        return []
    split = split_of(encoder, tuple(texts[:: max(1, len(texts) // SAMPLE)][:SAMPLE]))
    if split is None:
        return []
    for kind, share, most in (
        ("unread_script", split.unknown, UNKNOWN),
        ("spelled_script", split.spelled, SPELLED),
    ):
        if share >= most:
            return [Concern(kind, {"encoder": named([encoder]), "share": percent(share), "which": which})]
    return []
