"""Ranking metrics against their definitions, item by item, and against scikit-learn."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from sklearn.metrics import label_ranking_average_precision_score, ndcg_score

from tlcore.evaluation import ranking
from tlcore.evaluation.ranking import LENGTHS, PER_USER, RANKING, K, rank


def world(seed: int, users: int = 12, items: int = 30):
    """Scores without ties, some items seen, others held out; the first user has nothing held out."""
    rng = np.random.default_rng(seed)
    state = rng.choice([0, 1, 2], size=(users, items), p=[0.7, 0.2, 0.1])
    state[0, state[0] == 2] = 0
    state[1:, 0] = 2
    return rng.normal(size=(users, items)), csr_matrix(state == 1), csr_matrix(state == 2)


def by_definition(scores: np.ndarray, seen: csr_matrix, held_out: csr_matrix) -> dict[str, list[float]]:
    values: dict[str, list[float]] = {name: [] for name in PER_USER}
    for user in range(len(scores)):
        wanted = set(held_out[user].indices)
        if not wanted:
            continue
        order = sorted(set(range(scores.shape[1])) - set(seen[user].indices), key=lambda item: -scores[user, item])
        hits = [item in wanted for item in order[:K]]
        gain = sum(hit / math.log2(place + 2) for place, hit in enumerate(hits))
        for k in LENGTHS:
            values[f"recall@{k}"].append(len(wanted.intersection(order[:k])) / len(wanted))
        values["ndcg@10"].append(gain / sum(1 / math.log2(place + 2) for place in range(min(K, len(wanted)))))
        values["hit_rate@10"].append(float(any(hits)))
        values["mrr"].append(1 / (1 + min(order.index(item) for item in wanted)))
    return values


@given(seed=st.integers(0, 10_000), items=st.integers(K, 120))
@settings(max_examples=25, deadline=None)
def test_every_metric_is_its_definition(seed, items):
    scores, seen, held_out = world(seed, items=items)
    ranked = rank(lambda rows: scores[rows], seen, held_out)
    for name, values in by_definition(scores.astype(np.float32), seen, held_out).items():
        np.testing.assert_allclose(ranked.per_user[name], values, err_msg=name)
        assert ranked.metrics[name] == pytest.approx(np.mean(values))
    assert ranked.metrics.keys() == RANKING.keys()


def test_recall_is_told_at_each_length():
    """One user, whose three held-out items stand at places 1, 6 and 50 of what is left of the catalogue."""
    scores = -np.arange(60.0)[None]
    seen, held_out = csr_matrix((1, 60)), csr_matrix(np.isin(np.arange(60), [0, 5, 49])[None])
    told = rank(lambda rows: scores[rows], seen, held_out).metrics
    assert {k: told[f"recall@{k}"] for k in LENGTHS} == pytest.approx({1: 1 / 3, 5: 1 / 3, 10: 2 / 3, 20: 2 / 3, 50: 1})
    seen = csr_matrix(np.eye(60)[[1]])  # one fewer above the second and the third
    told = rank(lambda rows: scores[rows], seen, held_out).metrics
    assert {k: told[f"recall@{k}"] for k in LENGTHS} == pytest.approx({1: 1 / 3, 5: 2 / 3, 10: 2 / 3, 20: 2 / 3, 50: 1})


@given(seed=st.integers(0, 10_000), items=st.integers(3, 120), values=st.integers(1, 5))
@settings(max_examples=25, deadline=None)
def test_a_longer_list_recalls_no_less_even_with_ties(seed, items, values):
    scores, seen, held_out = world(seed, items=items)
    ranked = rank(lambda rows: np.floor(values * scores[rows]), seen, held_out)
    by_length = np.array([ranked.per_user[f"recall@{k}"] for k in LENGTHS])
    assert (np.diff(by_length, axis=0) >= 0).all()
    assert (by_length[-1] == 1).all() or items > max(LENGTHS)  # all that is left fits into the longest list
    np.testing.assert_array_equal(by_length[LENGTHS.index(K)] > 0, ranked.per_user["hit_rate@10"])
    np.testing.assert_array_equal(by_length[0] > 0, ranked.per_user["mrr"] == 1)


@pytest.mark.parametrize("items", [4, K, 49])
def test_a_catalogue_may_be_shorter_than_the_list(items):
    scores, seen, held_out = world(6, items=items)
    ranked = rank(lambda rows: scores[rows], seen, held_out)
    assert ranked.top.shape == (11, min(K, items))
    for name, values in by_definition(scores.astype(np.float32), seen, held_out).items():
        np.testing.assert_allclose(ranked.per_user[name], values, err_msg=name)
    assert ranked.metrics["recall@50"] == 1


def test_ndcg_and_mrr_are_scikit_learns():
    scores, seen, held_out = world(1)
    hidden = np.where(seen.toarray(), -100.0, scores)[1:]
    ranked = rank(lambda rows: scores[rows], seen, held_out)
    assert ranked.metrics["ndcg@10"] == pytest.approx(ndcg_score(held_out.toarray()[1:], hidden, k=K))
    first_only = csr_matrix(np.eye(30)[[0] * 12] * held_out.toarray())
    alone = rank(lambda rows: scores[rows], seen, first_only)
    theirs = label_ranking_average_precision_score(first_only.toarray()[1:], hidden)
    assert alone.metrics["mrr"] == pytest.approx(theirs)  # of one relevant item, the two are the same


def test_what_was_seen_is_never_shown_and_short_lists_are_filled_up():
    scores, seen, held_out = world(2, items=K + 2)
    ranked = rank(lambda rows: scores[rows], seen, held_out)
    for row, shown in zip(range(1, 12), ranked.top, strict=True):
        shown = shown[shown >= 0]
        assert not set(shown) & set(seen[row].indices)
        assert len(set(shown)) == min(K, K + 2 - seen[row].nnz)


def test_what_a_recommender_rules_out_is_not_shown_and_no_hit():
    scores, seen, held_out = world(7)
    scores[:, 0] = -np.inf  # everybody's held-out item
    ranked = rank(lambda rows: scores[rows], seen, held_out)
    rest = held_out.toarray()[1:, 1:].sum(1)
    assert 0 not in ranked.top
    np.testing.assert_allclose(ranked.per_user["recall@50"], rest / (rest + 1))


def test_blocks_change_nothing(monkeypatch):
    scores, seen, held_out = world(3)
    whole = rank(lambda rows: scores[rows], seen, held_out)
    monkeypatch.setattr(ranking, "CELLS", 60)  # two users at a time
    sizes = []
    parts = rank(lambda rows: sizes.append(len(rows)) or scores[rows], seen, held_out)
    assert max(sizes) == 2
    np.testing.assert_array_equal(whole.top, parts.top)
    assert whole.metrics == parts.metrics


def test_ties_gain_nothing_from_the_catalogues_order():
    """One score for all: a held-out item has the chance K / items, wherever it stands in the catalogue."""
    items = 200
    held_out = csr_matrix(np.eye(items))
    ranked = rank(lambda rows: np.zeros((len(rows), items)), csr_matrix((items, items)), held_out)
    assert ranked.metrics["recall@10"] == pytest.approx(K / items)
    assert ranked.metrics["mrr"] == pytest.approx(np.mean(1 / np.arange(1, items + 1)))
    assert ranked.per_user["recall@10"][:K].sum() < K


@pytest.mark.parametrize("items", [50, 51, 799, 800, 1703])
@pytest.mark.parametrize("values", [2, 10, 10**6])
def test_every_place_in_a_catalogue_of_any_size(items, values):
    """Against a full sort, with few or many ties, of which zeros with a sign are some."""
    rng = np.random.default_rng(items)
    scores = (rng.integers(-values, values + 1, (20, items)) * rng.choice([-0.5, 0.5], (20, items))).astype(np.float32)
    scores[rng.random(scores.shape) < 0.05] = -0.0
    order = np.random.default_rng(ranking.TIE_SEED).permutation(items)
    best_first = np.array([np.lexsort((order, -row)) for row in scores])
    held_out = rng.integers(items, size=20)
    place = 1 + np.argmax(best_first == held_out[:, None], axis=1)
    ranked = rank(lambda rows: scores[rows], csr_matrix((20, items)), csr_matrix(np.eye(items)[held_out]))
    np.testing.assert_array_equal(ranked.top, best_first[:, :K])
    np.testing.assert_allclose(ranked.per_user["mrr"], 1 / place)
    for k in LENGTHS:
        np.testing.assert_array_equal(ranked.per_user[f"recall@{k}"], place <= k)


def test_coverage_and_novelty():
    """Everybody is shown the same ten of 40 items, which half the users know."""
    scores = np.tile(np.r_[np.ones(K), np.zeros(30)], (4, 1))
    seen = csr_matrix(np.r_[np.ones((3, 40)) * np.r_[np.zeros(K + 1), np.ones(29)], np.zeros((1, 40))])
    held_out = csr_matrix(np.eye(40)[[K] * 4])
    ranked = rank(lambda rows: scores[rows], seen, held_out)
    assert ranked.metrics["coverage@10"] == K / 40
    assert ranked.metrics["novelty@10"] == pytest.approx(math.log2(5))  # nobody of four: (0 + 1) / (4 + 1)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda scores, seen, held: (scores, seen, held * 0), "Nobody has anything held out"),
        (lambda scores, seen, held: (scores, seen + held, held), "seen in training"),
        (lambda scores, seen, held: (scores * np.nan, seen, held), "NaN"),
    ],
)
def test_what_cannot_be_ranked_is_refused(change, complaint):
    scores, seen, held_out = change(*world(4))
    held_out.eliminate_zeros()
    with pytest.raises(ValueError, match=complaint):
        rank(lambda rows: scores[rows], seen, held_out)
