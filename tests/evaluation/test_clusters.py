"""Groups against labels: by scikit-learn, by trying every matching, and by leaving each example out in earnest."""

from itertools import permutations

import numpy as np
import pytest

from tlcore.evaluation import clusters
from tlcore.evaluation.clusters import LABELLED, cluster_metrics, example_scores, silhouette, stability

CASES = {
    "alike": lambda draw: (draw.integers(0, 4, 60),) * 2,
    "by chance": lambda draw: (draw.integers(0, 3, 80), draw.integers(0, 5, 80)),
    "half right": lambda draw: (
        (labels := draw.integers(0, 4, 90)),
        np.where(draw.random(90) < 0.5, labels, draw.integers(0, 3, 90)),
    ),
    "one group": lambda draw: (draw.integers(0, 3, 30), np.zeros(30, int)),
    "each its own": lambda draw: (draw.integers(0, 3, 12), np.arange(12)),
    "a label without examples": lambda draw: (draw.integers(0, 2, 40) * 2, draw.integers(0, 3, 40)),
    "two examples": lambda draw: (np.array([0, 1]), np.array([0, 0])),
}


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param](np.random.default_rng(0))


def test_they_are_those_of_scikit_learn(case):
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    found = cluster_metrics(*case)
    assert found["adjusted_rand"] == pytest.approx(adjusted_rand_score(*case), abs=1e-12)
    assert found["normalised_information"] == pytest.approx(normalized_mutual_info_score(*case), abs=1e-12)


@pytest.mark.parametrize(("labels", "groups"), [(3, 3), (4, 3), (3, 5)])
def test_no_matching_is_better(labels, groups):
    draw = np.random.default_rng(labels + groups)
    truth, said = draw.integers(0, labels, 50), draw.integers(0, groups, 50)
    most = max(labels, groups)
    best = max(float(np.mean(np.array(names)[said] == truth)) for names in permutations(range(most)))
    assert cluster_metrics(truth, said)["matched_accuracy"] == pytest.approx(best)


def test_the_names_of_groups_do_not_matter(case):
    labels, groups = case
    renamed = np.random.default_rng(1).permutation(1 + groups.max())[groups]
    one, other = cluster_metrics(labels, groups), cluster_metrics(labels, renamed)
    for name in LABELLED:
        assert one[name] == pytest.approx(other[name], abs=1e-12)


@pytest.mark.slow
def test_scores_of_examples_are_what_leaving_each_out_gives(case):
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    labels, groups = case
    scores, metrics, n = example_scores(labels, groups), cluster_metrics(labels, groups), len(labels)
    for name, by_hand in (
        ("adjusted_rand", adjusted_rand_score),
        ("normalised_information", normalized_mutual_info_score),
    ):
        rest = [np.arange(n) != left_out for left_out in range(n)]
        values = np.array([n * by_hand(labels, groups) - (n - 1) * by_hand(labels[r], groups[r]) for r in rest])
        np.testing.assert_allclose(scores[name], values + by_hand(labels, groups) - values.mean(), atol=1e-9)
    for name in LABELLED:
        assert scores[name].shape == (n,)
        assert scores[name].mean() == pytest.approx(metrics[name], abs=1e-12)


def test_of_one_example_there_is_one_score():
    scores = example_scores(np.array([2]), np.array([1]))
    assert {name: score.tolist() for name, score in scores.items()} == {key: [1.0] for key in LABELLED}


def test_recall_is_of_the_group_that_was_matched():
    labels, groups = np.repeat([0, 1, 3], [4, 3, 2]), np.array([1, 1, 1, 0, 0, 0, 1, 1, 1])
    found = cluster_metrics(labels, groups)
    assert [found[f"recall_{label}"] for label in (0, 1, 3)] == [0.75, pytest.approx(2 / 3), 0]
    assert np.isnan(found["recall_2"])


@pytest.mark.parametrize(("labels", "groups"), [([], []), ([0, 1], [0])])
def test_nothing_to_compare_is_refused(labels, groups):
    with pytest.raises(ValueError, match="as many labels as groups"):
        cluster_metrics(np.array(labels, int), np.array(groups, int))


def nearest_of(centres):
    return lambda rows: -np.square(rows[:, None] - centres[None]).sum(2)


def test_stability_tells_groups_that_are_there_from_cuts_that_are_not():
    from sklearn.cluster import KMeans

    draw = np.random.default_rng(0)

    def find(rows):
        return nearest_of(KMeans(3, n_init=3, random_state=0).fit(rows).cluster_centers_)

    apart = np.repeat(10 * np.eye(3, 4), 30, axis=0) + draw.normal(size=(90, 4))
    assert stability(find, apart, 0) == 1
    assert stability(find, draw.normal(size=(90, 4)), 0) < 0.6
    assert stability(lambda rows: nearest_of(rows[:3]), draw.normal(size=(90, 4)), 0) < 0.4


def test_the_silhouette_is_by_hand_and_of_as_many_as_can_be_compared(monkeypatch):
    rows = np.array([[0.0], [1.0], [5.0], [7.0]])
    nearer = [(6 - 1) / 6, (5 - 1) / 5, (4.5 - 2) / 4.5, (6.5 - 2) / 6.5]
    assert silhouette(rows, np.array([0, 0, 1, 1]), 0) == pytest.approx(np.mean(nearer))
    assert np.isnan(silhouette(rows, np.zeros(4, int), 0))
    assert np.isnan(silhouette(rows, np.arange(4), 0))
    monkeypatch.setattr(clusters, "MOST_COMPARED", 50)
    many = np.random.default_rng(0).normal(size=(300, 2))
    assert silhouette(many, (many[:, 0] > 0).astype(int), 0) != silhouette(many, (many[:, 0] > 0).astype(int), 1)
