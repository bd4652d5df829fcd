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
