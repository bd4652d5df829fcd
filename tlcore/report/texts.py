"""Texts of a run: which words set the domains apart, and which an answer rests on."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from tlcore.examples import Domains, Explanation

FAINTEST = 0.1
"""Share of the strongest word's weight below which a word is not marked."""


def shifted_words(domains: Domains, most: int = 15) -> pd.DataFrame:
    """Return the words whose share of all words differs most surely between source and target.

    Columns: word, source, target (its share of the domain's words), z. A word counts once a text, however often it
    comes there. With a of the source's n words and b of the target's m::

        z = (log odds(a, n) − log odds(b, m)) / √(1/a' + 1/(n−a)' + 1/b' + 1/(m−b)'),   odds(a, n) = a'/(n−a)'

    where x' = x + ½ (Haldane 1956; Anscombe 1956). A share of words, not of texts, does not grow with a text's length.
    First the target's words, then the source's, ``most`` of each, the surest first. The test texts are not looked at.
    Empty where the source has no texts.
    """
    import pandas as pd
    from sklearn.feature_extraction.text import CountVectorizer

    from tlcore.datasets.texts import WORD

    columns = ["word", "source", "target", "z"]
    if not len(domains.source):
        return pd.DataFrame(columns=columns)
    counter = CountVectorizer(token_pattern=WORD, binary=True)
    rows = np.concatenate([domains.source.inputs, domains.pool.inputs])
    has = counter.fit_transform([domains.input_names[row] for row in rows])
    parts = has[: len(domains.source)], has[len(domains.source) :]
    (a, n), (b, m) = ((np.asarray(part.sum(0)).ravel(), part.sum()) for part in parts)
    logs = np.log((a + 0.5) / (n - a + 0.5)) - np.log((b + 0.5) / (m - b + 0.5))
    z = logs / np.sqrt(1 / (a + 0.5) + 1 / (n - a + 0.5) + 1 / (b + 0.5) + 1 / (m - b + 0.5))
    order = np.argsort(z, kind="stable")
    targets, sources = order[:most], order[::-1][:most]
    chosen = np.concatenate([targets[z[targets] < 0], sources[z[sources] > 0]])
    values = (counter.get_feature_names_out()[chosen], (a / n)[chosen], (b / m)[chosen], z[chosen])
    return pd.DataFrame(dict(zip(columns, values, strict=True)))


def marked(text: str, explanation: Explanation) -> str:
    """Return the text as HTML: what speaks for the true answer green and underlined, what speaks against it red and
    underlined twice; the stronger, the more colour.

    The strongest word has all the colour, so that two models are compared by where they look, not by how sure they are.
    """
    strongest = max((abs(value) for *_, value in explanation.parts), default=0.0)
    pieces, at = [], 0
    for start, end, value in explanation.parts:
        pieces.append(escape(text[at:start]))
        word, at = escape(text[start:end]), end
        share = abs(value) / strongest if strongest else 0.0
        if share >= FAINTEST:
            colour, line = ("46, 160, 67", "solid") if value > 0 else ("218, 54, 51", "double")
            style = f"background: rgba({colour}, {0.6 * share:.2f}); text-decoration: underline {line} rgb({colour})"
            word = f'<span style="{style}" title="{value:+.2f}">{word}</span>'
        pieces.append(word)
    rest = "".join([*pieces, escape(text[at:])])
    return re.sub(r"\n+", "<br>", rest)
