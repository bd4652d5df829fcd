"""Text scenarios: what people say, and what it is about."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import numpy as np
from pydantic import BeforeValidator, Field, field_validator

from tlcore.datasets.own import read_both
from tlcore.datasets.texts import LabelledTexts, TextFile
from tlcore.errors import SpecificationError, one_of
from tlcore.examples import PRETRAINING, Domains, Examples
from tlcore.scenarios.base import Pace
from tlcore.scenarios.encoded import NUMBERS, Encoded, bring_together
from tlcore.scenarios.labels import Answers, OwnLabels
from tlcore.splits import SPLIT_SEED

if TYPE_CHECKING:
    from collections.abc import Callable

    from scipy.sparse import csr_matrix
    from torch import nn

    from tlcore.backbones.text import Reading, Spans
    from tlcore.concerns import Concern, Plan
    from tlcore.examples import Explanation, Predict
    from tlcore.network import Network

SIGNS_OF_A_TOKEN = 4.2
NO_TEXTS = LabelledTexts([], np.empty(0, str))


def _split(value: object) -> object:
    """Read ``"a, b"`` as two names."""
    return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_split)]


class Texts(Encoded):
    """A scenario in which an example is a text: the input is its number, looked up by whatever reads it."""

    shown_facts = ("source_texts", "target_texts", "test_texts", "classes", "shared_classes")
    pace_of_encoder = Pace(epochs=15, max_steps=600, batch_size=16)
    encoder_from = 200  # where TF-IDF is no longer ahead of it for certain (docs/text.md)
    small_cost = 0.03
    training_speed, reading_speed = 3.3e10, 1e11

    encoder: str = Field(
        "minilm-l6",
        min_length=1,
        description="minilm-l6, glove-6b-50d, a folder with a model of Hugging Face's format, or a name on its hub.",
    )
    length: int = Field(128, ge=4, le=8192, description="How many tokens of a text are read.")

    def reader(self, domains: Domains, pretrained: bool) -> tuple[list[nn.Module], int, float]:
        """Return the look-up of tokens, and the encoder."""
        from tlcore.backbones.text import Lookup

        reading = self._reading(domains)
        encoder = reading.encoder(pretrained)
        return [Lookup(reading.rows, reading.spans), encoder], encoder.features, encoder.rate

    def concerns(self, domains: Domains, plan: Plan) -> list[Concern]:
        """Check besides whether the encoder knows the script of the texts."""
        from tlcore.concerns.scripts import unread

        found = super().concerns(domains, plan)
        for which, numbers in (("source", domains.source.inputs), ("target", domains.pool.inputs)):
            found += unread(self.encoder, [domains.input_names[number] for number in numbers], which)
        return found

    def multiplications(self, part: Examples, domains: Domains) -> float | None:
        """Return those of a token, times the tokens of a text."""
        from tlcore.backbones import ENCODERS

        known = self.encoder in ENCODERS
        return ENCODERS[self.encoder].layers * self._tokens(part, domains) if known else None

    def small_network(self, domains: Domains) -> Network:
        """Return a convolutional network over words."""
        from tlcore.backbones.text import Lookup, WordCNN
        from tlcore.network import Network

        body = WordCNN()
        lookup = Lookup(*_hashed(tuple(domains.input_names), self.length))
        return Network([lookup, body], self.task.head(body.features, domains))

    def raw(self, domains: Domains) -> Callable[[np.ndarray], Any]:
        """Return TF-IDF of words and pairs of words; which there are, and how rare, the unlabelled pool says."""
        vectors = _tf_idf(tuple(domains.input_names), domains.pool.inputs.tobytes())
        return lambda inputs: vectors[inputs]

    def _tokens(self, part: Examples, domains: Domains) -> float:
        """About how many tokens a text has, of those that are read."""
        some = part.inputs[:: max(1, len(part) // 200)]
        signs = [len(domains.input_names[number]) / SIGNS_OF_A_TOKEN for number in some]
        return float(np.minimum(signs, self.length).mean()) if signs else 0.0

    def with_variants(self, domains: Domains, row: int) -> Domains:
        """Add the test text without each of its words."""
        from tlcore.attribution import without_each_word

        text = domains.input_names[domains.test.inputs[row]]
        return replace(domains, input_names=(*domains.input_names, *without_each_word(text)))

    def explain(self, predict: Predict, layers: nn.Sequential | None, domains: Domains, row: int) -> Explanation:
        """Say what each word adds: by integrated gradients, or where there are none by leaving it out."""
        from scipy.special import softmax

        from tlcore.attribution import by_gradients, by_leaving_out, words_of
        from tlcore.examples import Explanation

        number, truth = int(domains.test.inputs[row]), int(domains.test.answers[row])
        text = domains.input_names[number]
        variants = np.arange(len(domains.input_names))[-len(words_of(text)) :]
        outputs = predict(np.array([number, *variants])).astype(float)
        parts = by_gradients(layers, number, text, truth) if layers else by_leaving_out(outputs, text, truth)
        return Explanation("integrated gradients" if layers else "leaving out", softmax(outputs[0]).tolist(), parts)

    def _reading(self, domains: Domains) -> Reading:
        return _read(self.encoder, tuple(domains.input_names), self.length)


class Sentiment(Texts):
    """Whether a sentence is for or against: films, goods, news, tweets, and drugs that people took."""

    name = "sentiment"
    title = "Sentiment"
    summary = (
        "Is a sentence positive or negative? An encoder that has read a billion sentences, and the opinions of one "
        "domain, meet another: reviews of films and goods, news editorials, tweets, and what patients say of drugs."
    )
    credit = (
        "Sentences with human scores (Hutto & Gilbert 2014, VADER, MIT); drug reviews (Gräßer et al. 2018, UCI, CC BY "
        "4.0); MiniLM-L6 (Wang et al. 2020; sentence-transformers, Apache-2.0)."
    )
    sources: ClassVar[tuple[str, ...]] = (PRETRAINING, "movie", "product", "news", "tweet")
    targets: ClassVar[tuple[str, ...]] = ("product", "movie", "news", "tweet", "drug-reviews")
    pairs = tuple(pair for pair in product(sources, targets) if pair[0] != pair[1])
    kinds: ClassVar[tuple[str, ...]] = ("negative", "positive")

    clear: float = Field(
        0.5,
        ge=0,
        le=4,
        description="From which mean score on, out of 4, a sentence is for or against; others are left out.",
    )

    @property
    def classes(self) -> tuple[str, ...]:
        """Against, and for."""
        return self.kinds

    def domains(self, source: str, target: str) -> Domains:
        """Sentences on either side of zero; neutral ones and double ones are left out."""
        return _sentiment(source, target, self.clear)


class Topics(Texts):
    """What a post is about, among newsgroups whose posts no model has seen.

    Each topic has groups in both domains, never the same ones (as in Dai, Xue, Yang & Yu, KDD 2007): who has read of
    cars and motorcycles is asked about baseball and hockey, and both are recreation.
    """

    name = "topics"
    title = "Topics"
    summary = (
        "What is a post about: computers, recreation, science or politics? Posts to some newsgroups are labelled; the "
        "posts to be sorted were sent to others."
    )
    credit = (
        "20 newsgroups (Lang 1995, as prepared by Cardoso-Cachopo 2007; no licence stated); MiniLM-L6 (Wang et al. "
        "2020; sentence-transformers, Apache-2.0)."
    )
    groups_of: ClassVar[dict[str, tuple[str, ...]]] = {
        "newsgroups-a": (
            "comp.graphics", "comp.os.ms-windows.misc", "rec.autos", "rec.motorcycles", "sci.crypt", "sci.electronics",
            "talk.politics.guns", "talk.politics.misc",
        ),
        "newsgroups-b": (
            "comp.sys.ibm.pc.hardware", "comp.sys.mac.hardware", "comp.windows.x", "rec.sport.baseball",
            "rec.sport.hockey", "sci.med", "sci.space", "talk.politics.mideast", "talk.religion.misc",
        ),
    }  # fmt: skip
    pairs = (
        ("newsgroups-a", "newsgroups-b"),
        ("newsgroups-b", "newsgroups-a"),
        (PRETRAINING, "newsgroups-b"),
        (PRETRAINING, "newsgroups-a"),
    )
    known: ClassVar[tuple[str, ...]] = ("comp", "rec", "sci", "talk")

    topics: Names = Field(known, min_length=2, description="The topics that are told apart: comp, rec, sci, talk.")
    group_size: int = Field(250, ge=10, le=1000, description="Posts taken from each newsgroup, at most.")

    @field_validator("topics")
    @classmethod
    def _are_known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [name for name in value if name not in cls.known]:
            raise one_of("topics", unknown[0], cls.known)
        return tuple(name for name in cls.known if name in value)

    @property
    def classes(self) -> tuple[str, ...]:
        """The topics."""
        return self.topics

    def domains(self, source: str, target: str) -> Domains:
        """Posts to groups of the source and of the target, the same share of them each time."""
        return _topics(source, target, self.topics, self.group_size)


class OwnTexts(OwnLabels, Texts):  # type: ignore[misc]
    """Two tables of your own: texts with a label each, from the source and from the target."""

    name = "texts"
    title = "Your own texts"
    summary = (
        "Bring texts with labels, such as support tickets or reviews, from a domain where you have many and from the "
        "one where you have few."
    )
    credit = "Your own data; it stays on this machine."
    own = TextFile
    tasks = {"classes": Encoded.task, "numbers": NUMBERS}

    labels: Names = Field((), description="The labels that count, in this order; empty: all.")

    def domains(self, source: TextFile | None, target: TextFile) -> Domains:
        """Texts that are in both are taken out of the source, double ones out of each."""
        return _own(source and source.model_dump_json(), target.model_dump_json(), self.labels, self.kind)


@lru_cache(maxsize=8)
def _sentiment(source: str, target: str, clear: float) -> Domains:
    there = NO_TEXTS if source == PRETRAINING else _opinions(source, clear)
    return texts_together(there, _opinions(target, clear), Sentiment.kinds)


def _opinions(domain: str, clear: float) -> LabelledTexts:
    from tlcore.datasets import DATASETS

    drugs = domain == "drug-reviews"
    table = DATASETS[domain if drugs else f"sentiment-{domain}"].fetch()
    score = table["score"]
    keep = (np.abs(score) >= (0.5 if drugs else clear)) & (score != 0)
    labels = np.where(score[keep] > 0, "positive", "negative")
    return LabelledTexts(table["text"][keep].tolist(), labels, {"neutral": int((~keep).sum())})


@lru_cache(maxsize=4)
def _topics(source: str, target: str, topics: tuple[str, ...], group_size: int) -> Domains:
    there = NO_TEXTS if source == PRETRAINING else _posts(source, topics, group_size)
    return texts_together(there, _posts(target, topics, group_size), topics)


def _posts(domain: str, topics: tuple[str, ...], group_size: int) -> LabelledTexts:
    from tlcore.datasets import DATASETS

    table = DATASETS["newsgroups"].fetch()
    generator = np.random.default_rng(SPLIT_SEED)
    rows: list[int] = []
    for group in Topics.groups_of[domain]:
        members = generator.permutation(np.flatnonzero(table["group"] == group))  # drawn for each, wanted or not
        rows += members[:group_size].tolist() if group.partition(".")[0] in topics else []
    labels = np.char.partition(table["group"][rows], ".")[:, 0]
    return LabelledTexts(table["text"][rows].tolist(), labels)


@lru_cache(maxsize=2)
def _own(source: str | None, target: str, labels: tuple[str, ...], kind: Answers) -> Domains:
    file = TextFile.model_validate_json(source) if source else None
    there, here = read_both(file, TextFile.model_validate_json(target), NO_TEXTS)
    if labels and kind == "classes":
        found = {*there.labels.tolist(), *here.labels.tolist()}
        if missing := [name for name in labels if name not in found]:
            raise one_of("labels", missing[0], sorted(found))
        there, here = _only("source", there, labels) if source else there, _only("target", here, labels)
    return texts_together(there, here, labels, kind)


def _only(which: str, table: LabelledTexts, labels: tuple[str, ...]) -> LabelledTexts:
    keep = np.isin(table.labels, labels)
    if not keep.any():
        raise SpecificationError(
            f"labels: the {which} has none of {', '.join(labels)}; it has {', '.join(sorted({*table.labels}))}. "
            f"{which}.rename calls them otherwise."
        )
    return LabelledTexts(
        [text for text, kept in zip(table.texts, keep, strict=True) if kept],
        table.labels[keep],
        table.dropped | {"other_labels": int((~keep).sum())},
        None if table.groups is None else table.groups[keep],
        None if table.times is None else table.times[keep],
    )


def texts_together(
    source: LabelledTexts, target: LabelledTexts, classes: tuple[str, ...] = (), kind: Answers = "classes"
) -> Domains:
    """Bring two domains of texts together (`bring_together`); those that differ in case and spacing only are alike."""
    domains, there, here = bring_together(source, target, classes, "texts", kind)
    texts = (*(source.texts[row] for row in there), *(target.texts[row] for row in here))
    return replace(domains, input_names=texts)


@lru_cache(maxsize=4)
def _read(encoder: str, texts: tuple[str, ...], length: int) -> Reading:
    from tlcore.backbones.text import read

    return read(encoder, texts, length)


@lru_cache(maxsize=4)
def _hashed(texts: tuple[str, ...], length: int) -> tuple[np.ndarray, Spans]:
    from tlcore.backbones.text import hashed_words

    return hashed_words(texts, length)


@lru_cache(maxsize=4)
def _tf_idf(texts: tuple[str, ...], pool: bytes) -> csr_matrix:
    from sklearn.feature_extraction.text import TfidfVectorizer

    from tlcore.datasets.texts import WORD

    known = [texts[number] for number in np.frombuffer(pool, np.int64)]
    vectoriser = TfidfVectorizer(token_pattern=WORD, ngram_range=(1, 2), sublinear_tf=True, dtype=np.float32)
    return vectoriser.fit(known).transform(texts)
