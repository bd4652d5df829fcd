"""Text scenarios: what people say, and what it is about."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

import numpy as np
from pydantic import BeforeValidator, Field, field_validator

from tlcore.datasets.own import read_both
from tlcore.datasets.texts import LabelledTexts, TextFile
from tlcore.errors import SpecificationError, one_of
from tlcore.scenarios.base import Domains, Examples, Pace
from tlcore.scenarios.classification import CHOOSE_FROM, FOLDS, SPLIT_SEED, Classification, split_target

if TYPE_CHECKING:
    from collections.abc import Callable

    from scipy.sparse import csr_matrix
    from torch import nn

    from tlcore.backbones.text import Reading, Spans
    from tlcore.methods.base import Method, Predict
    from tlcore.network import Network
    from tlcore.results import Explanation

PRETRAINING = "pretraining"
"""The source without examples: all there is of it is what the encoder has read."""
TOP = 2
"""Groups above the encoder: the head, and the adapter below it."""
MOST_TESTED = 1000
ENCODER_FROM = 200
"""Labels a class from which the randomly started encoder is among the baselines that are chosen from."""
TRAINING_SPEED, READING_SPEED = 3.3e10, 1e11
"""Multiplications and additions a second of one core of an AMD EPYC, in training and where no gradient is asked for."""
SIGNS_OF_A_TOKEN = 4.2


def _split(value: object) -> object:
    """Read ``"a, b"`` as two names."""
    return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_split)]


class Texts(Classification):
    """A scenario in which an example is a text: the input is its number, looked up by whatever reads it.

    The network is an encoder, pretrained or not, a residual layer above it in which domains may be brought together,
    and a head. Where the source's examples pass through the network the encoder is fixed, so that sentence vectors are
    computed once.
    """

    headline = ("balanced_accuracy", "macro_f1")
    baseline = "best_from_scratch"
    candidates = ("logistic_regression", "small_network", "from_scratch")
    first_methods = ("source_only", "frozen", "fine_tune")
    shown_facts = ("source_texts", "target_texts", "test_texts", "classes", "shared_classes")
    largest_budget = 500
    validate_from = 10**9  # heads on unit vectors, and a few epochs of small steps, do not overfit (docs/text.md)
    forecasts = True
    explains = True
    epochs = 80
    max_steps = 800
    batch_size = 64
    width: ClassVar[int] = 64

    encoder: str = Field(
        "minilm-l6",
        min_length=1,
        description="minilm-l6, glove-6b-50d, a folder with a model of Hugging Face's format, or a name on its hub.",
    )
    length: int = Field(128, ge=4, le=8192, description="How many tokens of a text are read.")
    whole: bool = Field(
        False,
        description="Whether the encoder trains, too, where the source's texts pass through it: hours, not minutes.",
    )

    def network(self, domains: Domains) -> Network:
        """Return the encoder at random, an adapter that does nothing yet, and a head."""
        return self._network(domains, pretrained=False)

    def start(self, domains: Domains) -> Network:
        """Return the pretrained encoder, an adapter that does nothing yet, and a head."""
        return self._network(domains, pretrained=True)

    def small_network(self, domains: Domains) -> Network:
        """Return a convolutional network over words."""
        from torch import nn

        from tlcore.backbones.text import Lookup, WordCNN
        from tlcore.network import Network

        body = WordCNN()
        lookup = Lookup(*_hashed(tuple(domains.input_names), self.length))
        return Network([lookup, body], nn.Linear(body.features, domains.answers))

    def raw(self, domains: Domains) -> Callable[[np.ndarray], Any]:
        """Return TF-IDF of words and pairs of words; which there are, and how rare, the unlabelled pool says."""
        vectors = _tf_idf(tuple(domains.input_names), domains.pool.inputs.tobytes())
        return lambda inputs: vectors[inputs]

    def contenders(self, budget: int) -> tuple[str, ...]:
        """Leave the randomly started encoder out where TF-IDF is ahead of it and it takes minutes (docs/text.md)."""
        return self.candidates if budget >= ENCODER_FROM else self.candidates[:2]

    def free_groups(self, groups: int) -> int:
        """Only what is above the encoder, unless ``whole``."""
        return groups if self.whole else min(TOP, groups)

    def pace(self, groups: int) -> Pace:
        """Return few epochs of small batches where the encoder trains."""
        return super().pace(groups) if groups <= TOP else Pace(epochs=15, max_steps=600, batch_size=16)

    def refusal(self, method: Method, domains: Domains) -> str:
        """Return what is missing: source texts, or the days that it would take."""
        if method.needs_source_data and not len(domains.source):
            return "needs source texts, and pretraining is all there is of the source"
        if "target" not in method.trains_on and not len(domains.source):
            return "learns its answers from source texts, and pretraining is all there is of the source"
        if "source" in method.trains_on and method.starts_from == "random" and not (self.whole or method.on_features):
            return "trains the encoder from a random start on both domains; say whole=true if the hours are there"
        by_itself = method.overrides("transfer_loss") and "source" not in method.trains_on
        trains_body = method.trainable_groups(10**6, 10**3) > 2
        if by_itself and trains_body and "transductive" in method.serves and not self.whole:
            return "trains the encoder on all unlabelled target texts; say whole=true if the hours are there"
        return ""

    def cost(self, method: Method, budget: int, domains: Domains) -> float | None:
        """Return seconds where the encoder stays fixed, and what its multiplications take where it trains."""
        from tlcore.backbones import ENCODERS
        from tlcore.methods import METHODS

        if method.chooses:
            costs = [self.cost(METHODS[name](), budget, domains) for name in self.contenders(budget)]
            known = [cost for cost in costs if cost is not None]
            tried = sum(known) * (FOLDS - 1) if budget >= CHOOSE_FROM else 0.0  # each time on what is left of a fold
            return tried + max(known) if len(known) == len(costs) else None
        examples = budget * domains.answers
        if method.small:
            return 1 + 0.03 * examples
        fixed = method.overrides("solve") or method.on_features or method.trainable_groups(10**6, 10**3) <= TOP
        if fixed or ("source" in method.trains_on and not self.whole):
            return 1.0
        if self.encoder not in ENCODERS:
            return None
        examples += len(domains.source) if "source" in method.trains_on else 0
        pace = self.pace(10**6)
        passes = min(pace.epochs * examples, pace.max_steps * pace.batch_size)
        return 1 + passes * 6 * ENCODERS[self.encoder].layers * self._tokens(domains.pool, domains) / TRAINING_SPEED

    def shared_cost(self, domains: Domains) -> float:
        """Return what it takes to read the texts of the source, and of the test, once."""
        from tlcore.backbones import ENCODERS

        if self.encoder not in ENCODERS:
            return 0.0
        tokens = sum(len(part) * self._tokens(part, domains) for part in (domains.source, domains.test))
        return tokens * 2 * ENCODERS[self.encoder].layers / READING_SPEED

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
        from tlcore.results import Explanation

        number, truth = int(domains.test.inputs[row]), int(domains.test.answers[row])
        text = domains.input_names[number]
        variants = np.arange(len(domains.input_names))[-len(words_of(text)) :]
        outputs = predict(np.array([number, *variants])).astype(float)
        parts = by_gradients(layers, number, text, truth) if layers else by_leaving_out(outputs, text, truth)
        return Explanation("integrated gradients" if layers else "leaving out", softmax(outputs[0]).tolist(), parts)

    def _network(self, domains: Domains, pretrained: bool) -> Network:
        from torch import nn

        from tlcore.backbones.text import Lookup
        from tlcore.network import Network, Residual

        reading = self._reading(domains)
        encoder = reading.encoder(pretrained)
        body = [Lookup(reading.rows, reading.spans), encoder, Residual(encoder.features, self.width)]
        rates = {id(parameter): encoder.rate for parameter in encoder.parameters()}
        return Network(body, nn.Linear(encoder.features, domains.answers), rates)

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


class OwnTexts(Texts):
    """Two tables of your own: texts with a label each, from the source and from the target."""

    name = "texts"
    title = "Your own texts"
    summary = (
        "Bring texts with labels, such as support tickets or reviews, from a domain where you have many and from the "
        "one where you have few."
    )
    credit = "Your own data; it stays on this machine."
    own = TextFile

    labels: Names = Field((), description="The labels that count, in this order; empty: all.")

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels; known once the files were looked at."""
        return self.labels

    def settled(self, domains: Domains) -> Self:
        """Return the same scenario with the labels that the files have."""
        return self.model_copy(update={"labels": tuple(domains.answer_names)})

    def domains(self, source: TextFile, target: TextFile) -> Domains:
        """Texts that are in both are taken out of the source, double ones out of each."""
        return _own(source.model_dump_json(), target.model_dump_json(), self.labels)


@lru_cache(maxsize=8)
def _sentiment(source: str, target: str, clear: float) -> Domains:
    there = LabelledTexts([], np.empty(0, str)) if source == PRETRAINING else _opinions(source, clear)
    return bring_together(there, _opinions(target, clear), Sentiment.kinds)


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
    there = LabelledTexts([], np.empty(0, str)) if source == PRETRAINING else _posts(source, topics, group_size)
    return bring_together(there, _posts(target, topics, group_size), topics)


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
def _own(source: str, target: str, labels: tuple[str, ...]) -> Domains:
    there, here = read_both(TextFile.model_validate_json(source), TextFile.model_validate_json(target))
    if labels:
        found = {*there.labels.tolist(), *here.labels.tolist()}
        if missing := [name for name in labels if name not in found]:
            raise one_of("labels", missing[0], sorted(found))
        there, here = _only("source", there, labels), _only("target", here, labels)
    return bring_together(there, here, labels)


def _only(which: str, table: LabelledTexts, labels: tuple[str, ...]) -> LabelledTexts:
    keep = np.isin(table.labels, labels)
    if not keep.any():
        raise SpecificationError(
            f"labels: the {which} has none of {', '.join(labels)}; it has {', '.join(sorted({*table.labels}))}. "
            f"{which}.rename calls them otherwise."
        )
    texts = [text for text, kept in zip(table.texts, keep, strict=True) if kept]
    return LabelledTexts(texts, table.labels[keep], table.dropped | {"other_labels": int((~keep).sum())})


def bring_together(source: LabelledTexts, target: LabelledTexts, classes: tuple[str, ...] = ()) -> Domains:
    """Number texts and labels of both domains, and set aside what the target is scored on.

    A text that comes twice in the target could be learned in training and met again in the test: of texts that differ
    in nothing but case and spacing the first counts, and the target's go before the source's.

    Raises
    ------
    SpecificationError
        If the target has fewer than two labels, or one of a single text.
    """
    mine, theirs = _first_of_each(target.texts), _first_of_each(source.texts)
    known = {_plain(target.texts[row]) for row in mine}
    alone = [row for row in theirs if _plain(source.texts[row]) not in known]
    if classes:
        names = list(classes)
    else:
        names = sorted({*target.labels.tolist(), *source.labels.tolist()})
    number = {name: index for index, name in enumerate(names)}
    answers = np.array([number[name] for name in [*source.labels[alone], *target.labels[mine]]], np.int64)
    texts = (*(source.texts[row] for row in alone), *(target.texts[row] for row in mine))
    inputs = np.arange(len(texts))
    here = Examples(inputs[len(alone) :], answers[len(alone) :])
    kinds, counts = np.unique(here.answers, return_counts=True)
    if len(kinds) < 2:
        raise SpecificationError(
            f"target.label: all of its {len(here)} texts are {names[kinds[0]]!r}; there must be two labels."
        )
    if counts.min() < 3:
        rare = names[kinds[counts.argmin()]]
        raise SpecificationError(
            f"target.label: {counts.min()} of its texts are {rare!r}; each label needs three, to learn from and to "
            "be scored on. rename leaves a label out."
        )
    split = split_target(Examples(inputs[: len(alone)], answers[: len(alone)]), here, _tested(counts))
    shared = set(source.labels[alone].tolist()) & set(target.labels.tolist())
    facts = {
        "source_texts": len(alone),
        "target_texts": len(mine),
        "test_texts": len(split.test),
        "classes": len(names),
        "shared_classes": len(shared),
        "source_doubles": len(source) - len(theirs),
        "target_doubles": len(target) - len(mine),
        "in_both": len(theirs) - len(alone),
        **{f"source_{why}": count for why, count in source.dropped.items()},
        **{f"target_{why}": count for why, count in target.dropped.items()},
    }
    return Domains(
        split.source, split.pool, split.test, len(names), answer_names=tuple(names), input_names=texts, facts=facts
    )


def _first_of_each(texts: list[str]) -> list[int]:
    first: dict[str, int] = {}
    for row, text in enumerate(texts):
        first.setdefault(_plain(text), row)
    return [*first.values()]


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _tested(counts: np.ndarray) -> int:
    """Two fifths of the texts, at most so many as tell a gap of a few points, at least one of each class."""
    return int(min(MOST_TESTED, max(len(counts), 0.4 * counts.sum())))


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
