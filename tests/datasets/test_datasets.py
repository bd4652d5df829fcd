"""The data sets are the ones that their cards describe."""

import numpy as np
import pytest

from tlcore.datasets import DATASETS


@pytest.mark.parametrize("name", DATASETS)
def test_the_bytes_are_the_pinned_ones(name):
    dataset = DATASETS[name]
    arrays = dataset.fetch()
    assert dataset.verify()
    assert len(next(iter(arrays.values()))) == dataset.size
    assert dataset.licence
    assert dataset.source


def test_movielens_is_as_published():
    """The counts of GroupLens's own description: 943 users, 1,682 films, at least 20 ratings each, 1 to 5."""
    films = DATASETS["movielens-100k"].fetch()
    users, counts = np.unique(films["user"], return_counts=True)
    assert (len(users), counts.min(), len(films["title"])) == (943, 20, 1682)
    assert len(np.unique(films["item"])) == 1682
    assert set(films["rating"]) == {1, 2, 3, 4, 5}
    favourite = np.bincount(films["item"]).argmax()
    assert films["title"][favourite] == "Star Wars"
    assert np.bincount(films["item"]).max() == 583


@pytest.mark.parametrize("name", [name for name in DATASETS if name.startswith(("sentiment", "drug"))])
def test_texts_are_text_and_not_markup(name):
    arrays = DATASETS[name].fetch()
    texts, score = arrays["text"], arrays["score"]
    assert (np.char.str_len(texts) > 0).mean() > 0.999
    assert not [text for text in texts if "&amp;" in text or "&#039;" in text or "\ufffd" in text]
    assert -4 <= score.min() < -0.5 < 0.5 < score.max() <= 4


def test_scores_belong_to_their_texts():
    """Words that say it plainly must stand on the right side, in every domain."""
    for name in ("sentiment-movie", "sentiment-product", "sentiment-tweet", "drug-reviews"):
        arrays = DATASETS[name].fetch()
        lower = np.char.lower(arrays["text"])
        mean = {word: arrays["score"][np.char.find(lower, word) >= 0].mean() for word in ("love", "worst")}
        assert mean["love"] > mean["worst"] + 0.5
