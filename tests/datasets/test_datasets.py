"""The data sets are the ones that their cards describe."""

import numpy as np
import pytest

from tlcore import datasets
from tlcore.datasets import DATASETS

EMBEDDED = [name for name, dataset in DATASETS.items() if not dataset.remote]


@pytest.mark.parametrize("name", EMBEDDED)
@pytest.mark.slow
def test_the_bytes_are_the_pinned_ones(name):
    dataset = DATASETS[name]
    arrays = dataset.fetch()
    assert dataset.verify()
    assert len(next(iter(arrays.values()))) == dataset.size
    assert dataset.licence
    assert dataset.source


def test_textile_is_as_described():
    """The counts and the size that its authors state."""
    from io import BytesIO

    from PIL import Image

    textile = DATASETS["textile"].fetch()
    names, counts = np.unique(textile["label"], return_counts=True)
    assert dict(zip(names, counts, strict=True)) == {"nominal": 1000, "local": 500, "global": 500}
    assert set(names) == set(DATASETS["textile"].classes)
    assert len(set(textile["inputs"])) == 2000
    assert [name.partition("/")[0] for name in textile["name"]] == [*textile["label"]]
    for file in textile["inputs"][::100]:
        assert Image.open(BytesIO(file)).size == (250, 250)


def test_a_checksum_of_files_tells_where_each_ends():
    def checksum(*files: bytes) -> str:
        inputs = np.empty(len(files), object)
        inputs[:] = files
        return datasets._checksum({"inputs": inputs})

    assert checksum(b"ab\0", b"c") == checksum(b"ab\0", b"c")
    assert len({checksum(b"ab\0", b"c"), checksum(b"ab", b"\0c"), checksum(b"c", b"ab\0"), checksum(b"ab\0c")}) == 4


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


def test_solar_cells_are_as_published():
    """The counts of its labels, and the size that its authors state."""
    from io import BytesIO

    from PIL import Image

    cells = DATASETS["solar-cells"].fetch()
    kinds, counts = np.unique([cells["crystal"], (3 * cells["grade"]).round().astype(str)], axis=1, return_counts=True)
    assert kinds[0].tolist() == ["mono"] * 4 + ["poly"] * 4
    assert counts.tolist() == [588, 117, 56, 313, 920, 178, 50, 402]
    for number in (0, 1300, 2623):
        assert cells["name"][number] == f"images/cell{number + 1:04}.png"
        assert Image.open(BytesIO(cells["inputs"][number])).size == (300, 300)


def test_crowns_are_marked_where_trees_are():
    """The counts of the files, and boxes that lie in their pictures."""
    from io import BytesIO

    import pandas as pd

    crowns = DATASETS["tree-crowns"].fetch()
    assert [*crowns["place"]] == ["OSBS", "SOAP", "YELL", "YELL"]
    assert np.bincount(crowns["picture"]).tolist() == [61, 37, 279, 574]
    assert {*crowns["label"]} == {*DATASETS["tree-crowns"].classes}
    assert {*crowns["place"][crowns["picture"]][crowns["label"] != "Tree"]} == {"SOAP"}
    left, top, right, bottom = crowns["boxes"].T
    assert min((right - left).min(), (bottom - top).min()) >= 8
    for number, picture in enumerate(crowns["inputs"]):
        mine = crowns["picture"] == number
        assert (picture.dtype, picture.shape[2]) == (np.uint8, 3)
        assert min(left[mine].min(), top[mine].min()) >= 0
        assert right[mine].max() <= picture.shape[1]
        assert bottom[mine].max() <= picture.shape[0]

    file = BytesIO(
        datasets.shipped_pictures.DEEPFOREST.file("deepforest/data/OSBS_029.csv")
    )  # the package says these a second time
    table = pd.read_csv(file)[["xmin", "ymin", "xmax", "ymax"]].to_numpy()
    np.testing.assert_array_equal(crowns["boxes"][crowns["picture"] == 0], table - [1, 1, 0, 0])


def test_nuclei_are_brighter_than_what_lies_between_them():
    nuclei = DATASETS["nuclei"].fetch()
    assert nuclei["inputs"].shape == nuclei["answers"].shape == (1, 512, 512)
    assert nuclei["inputs"].dtype == np.uint8
    marked = nuclei["answers"] > 0
    assert len(np.unique(nuclei["answers"][marked])) == 125
    assert nuclei["inputs"][marked].mean() > 2.5 * nuclei["inputs"][~marked].mean()


def test_indian_pines_is_as_published():
    """The counts of its authors' ground truth."""
    fields = DATASETS["indian-pines"].fetch()
    assert fields["inputs"].shape == (1, 145, 145, 200)
    kinds, counts = np.unique(fields["answers"], return_counts=True)
    named = dict(zip(DATASETS["indian-pines"].classes, counts[1:].tolist(), strict=True))
    assert (kinds[0], counts[0]) == (-1, 10_776)
    assert (named["Alfalfa"], named["Oats"], named["Soybean, minimum till"], named["Woods"]) == (46, 20, 2455, 1265)


def test_a_checksum_of_pictures_of_many_sizes_tells_them_apart():
    def checksum(*pictures: np.ndarray) -> str:
        inputs = np.empty(len(pictures), object)
        inputs[:] = pictures
        return datasets._checksum({"inputs": inputs})

    one, other = np.zeros((2, 3), np.uint8), np.ones((3, 3), np.uint8)
    assert checksum(one, other) == checksum(one.copy(), other.copy())
    assert len({checksum(one, other), checksum(other, one), checksum(one), checksum(one, one)}) == 4
