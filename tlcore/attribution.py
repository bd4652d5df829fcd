"""What an answer rests on: which words of a text, which parts of a picture."""

from __future__ import annotations

import re
from itertools import pairwise, product
from typing import TYPE_CHECKING

import numpy as np

from tlcore.backbones.text import Lookup
from tlcore.datasets.texts import WORD_OR_SIGN
from tlcore.network import size_of

if TYPE_CHECKING:
    from torch import Tensor, nn

Part = tuple[int, int, float]
STEPS = 32
"""Between no words and the text; of these many the sum is within a few per cent of the integral."""
AT_ONCE = 8
MOST_WORDS = 200
"""Words of a text that are looked at, from its beginning."""
CELLS = 7
"""Into so many rows and columns a picture is parted to be covered."""


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
    return _lost(outputs, words_of(text), answer)


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


def with_each_cell_covered(picture: np.ndarray) -> list[np.ndarray]:
    """Return a picture (S, S, 3) once for each cell of a grid, row by row, with its mean colour there."""
    grey = picture.mean((0, 1)).round().astype(np.uint8)
    edges = np.linspace(0, len(picture), CELLS + 1).round().astype(int)
    covered = []
    for top, bottom in pairwise(edges):
        for left, right in pairwise(edges):
            copy = picture.copy()
            copy[top:bottom, left:right] = grey
            covered.append(copy)
    return covered


def by_covering(outputs: np.ndarray, answer: int) -> list[Part]:
    """Return for each cell  m(picture) − m(picture with the cell covered),  m being `margin`; as (row, column, value).

    It needs no gradients, so it serves any model.

    Parameters
    ----------
    outputs : ndarray, shape (1 + cells, K)
        Of the picture, and of `with_each_cell_covered`.
    answer : int
        The class whose margin is asked for.

    References
    ----------
    Zeiler & Fergus, Visualizing and understanding convolutional networks, ECCV 2014.
    """
    return _lost(outputs, [*product(range(CELLS), range(CELLS))], answer)


def _lost(outputs: np.ndarray, places: list[tuple[int, int]], answer: int) -> list[Part]:
    """Return for each place by how much the margin of the whole, the first row, is above that without it."""
    margins = margin(outputs, answer)
    return [(*place, float(margins[0] - without)) for place, without in zip(places, margins[1:], strict=True)]


def by_maps(layers: nn.Sequential, number: int, answer: int) -> list[Part] | None:
    """Return for each place of the last maps A (channels, h, w)  Σ_c ᾱ_c·A_c,  ᾱ_c the mean over places of ∂m/∂A_c.

    As (row, column, value), m being `margin`. Grad-CAM without its ReLU, so that what speaks against the class is seen,
    too. None where a network has no maps near its end, as transformers have none.

    Parameters
    ----------
    layers : nn.Sequential
        From numbers of pictures to outputs.
    number : int
        Of the picture.
    answer : int
        The class whose margin is asked for.

    References
    ----------
    Selvaraju et al., Grad-CAM: visual explanations from deep networks via gradient-based localization, ICCV 2017;
    captum.
    """
    import torch
    from captum.attr import LayerGradCam

    layers.eval()
    numbers = torch.tensor([number], device=next(layers.parameters()).device)
    last = _last_maps(layers, numbers)
    if last is None:
        return None
    found = LayerGradCam(lambda some: margin(layers(some), answer), last).attribute(numbers)
    values = found[0, 0].detach().cpu().numpy()
    return [(row, column, float(value)) for (row, column), value in np.ndenumerate(values)]


def _last_maps(layers: nn.Sequential, numbers: Tensor) -> nn.Module | None:
    """Return the last layer that gives maps of more than one place, if less of the network comes after than before."""
    import torch

    called: list[tuple[nn.Module, bool]] = []

    def note(module: nn.Module, _inputs: object, output: object) -> None:
        called.append((module, isinstance(output, torch.Tensor) and output.ndim == 4 and output.shape[-1] > 1))

    handles = [part.register_forward_hook(note) for part in layers.modules() if not [*part.children()]]
    with torch.no_grad():
        layers(numbers)
    for handle in handles:
        handle.remove()
    place = max((index for index, (_, maps) in enumerate(called) if maps), default=None)
    if place is None:
        return None
    sizes = [size_of(module) for module, _ in called]
    return called[place][0] if sum(sizes[place + 1 :]) <= sum(sizes[: place + 1]) else None


def margin(outputs: np.ndarray | Tensor, answer: int) -> np.ndarray | Tensor:
    """Return by how much the output of a class is above the mean of the others'; (n, K) to (n,).

    Of two classes that is the logarithm of their odds. What a softmax takes from all outputs alike cancels out.
    """
    others = (outputs.sum(1) - outputs[:, answer]) / (outputs.shape[1] - 1)
    return outputs[:, answer] - others
