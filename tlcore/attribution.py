"""Which words an answer to a text rests on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from tlcore.backbones.text import Lookup
from tlcore.datasets.texts import WORD_OR_SIGN

if TYPE_CHECKING:
    from torch import Tensor, nn

Part = tuple[int, int, float]
STEPS = 32
"""Between no words and the text; of these many the sum is within a few per cent of the integral."""
AT_ONCE = 8
MOST_WORDS = 200
"""Words of a text that are looked at, from its beginning."""


def words_of(text: str) -> list[tuple[int, int]]:
    """Return from where to where the words and signs of a text stand."""
    return [word.span() for word in re.finditer(WORD_OR_SIGN, text)][:MOST_WORDS]


def without_each_word(text: str) -> list[str]:
    """Return the text once for each of `words_of`, without it."""
    return [text[:start] + text[end:] for start, end in words_of(text)]


def by_leaving_out(outputs: np.ndarray, text: str, answer: int) -> list[Part]:
    """Return for each word  m(text) − m(text without it),  m being `margin`.

    It needs no gradients, so it serves any model.

    Parameters
    ----------
    outputs : ndarray, shape (1 + words, K)
        Of the text, and of `without_each_word`.
    text : str
    answer : int
        The class whose margin is asked for.

    References
    ----------
    Li, Monroe & Jurafsky, Understanding neural networks through representation erasure, 2016.
    """
    margins = margin(outputs, answer)
    return [(*span, float(margins[0] - without)) for span, without in zip(words_of(text), margins[1:], strict=True)]


def by_gradients(layers: nn.Sequential, number: int, text: str, answer: int) -> list[Part]:
    """Return for each word  Σ (e − e₀)·∫₀¹ ∂m/∂e (e₀ + α(e − e₀)) dα  over its tokens; m is `margin`.

    e are the vectors of the tokens, e₀ that of the token that pads a text. The parts add up to the margin of the text
    less that of a text of padding, but for marks of beginning and end, which are no words.

    Parameters
    ----------
    layers : nn.Sequential
        From numbers of texts to outputs; the first is the look-up of their tokens.
    number : int
        Of the text.
    text : str
    answer : int
        The class whose margin is asked for.

    References
    ----------
    Sundararajan, Taly & Yan, Axiomatic attribution for deep networks, ICML 2017; captum.
    """
    import torch
    from captum.attr import LayerIntegratedGradients
    from torch import nn

    lookup, network = layers[0], layers[1:].eval()
    assert isinstance(lookup, Lookup)
    rows = lookup(torch.tensor([number], device=lookup.rows.device))
    vectors = next(module for module in network.modules() if isinstance(module, nn.Embedding))
    gradients = LayerIntegratedGradients(lambda some: margin(network(some), answer), vectors)
    found = gradients.attribute(rows, torch.zeros_like(rows), n_steps=STEPS, internal_batch_size=AT_ONCE)
    values = found.sum(-1)[0].detach().cpu().tolist()
    spans = words_of(text)
    parts = [0.0] * len(spans)
    for (start, end), value in zip(lookup.spans(text), values, strict=False):
        middle = (start + end) / 2
        place = next((i for i, (first, last) in enumerate(spans) if first <= middle < last), None)
        if place is not None and end > start:
            parts[place] += value
    return [(*span, value) for span, value in zip(spans, parts, strict=True)]


def margin(outputs: np.ndarray | Tensor, answer: int) -> np.ndarray | Tensor:
    """Return by how much the output of a class is above the mean of the others'; (n, K) to (n,).

    Of two classes that is the logarithm of their odds. What a softmax takes from all outputs alike cancels out.
    """
    others = (outputs.sum(1) - outputs[:, answer]) / (outputs.shape[1] - 1)
    return outputs[:, answer] - others
