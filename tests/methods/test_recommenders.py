"""The recommenders against independent implementations and closed forms."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.metrics.pairwise import cosine_similarity

from tlcore.experiment import Experiment
from tlcore.methods.recommenders import ALS, CMF, EASE, ItemKNN, JointEASE, Popularity
from tlcore.scenarios.base import Examples
from tlcore.trial import execute

USERS, SOURCE_ITEMS, ITEMS = 40, 9, 21


def world(seed: int = 0):
    """Source and target interactions of the same users, and the target's matrix."""
    rng = np.random.default_rng(seed)
    chosen = rng.random((USERS, ITEMS)) < 0.3
    chosen[:, 0] |= True  # nobody is left out in either catalogue, and no item is
    chosen[np.arange(USERS), rng.integers(SOURCE_ITEMS, ITEMS, USERS)] |= True
    chosen[0] |= True
    pairs = np.nonzero(chosen)
    in_source = pairs[1] < SOURCE_ITEMS
    source, target = (Examples(pairs[0][part], pairs[1][part]) for part in (in_source, ~in_source))
    return source, target, chosen.astype(float)


def scores(method, *, source=None, target):
    return method.solve(source, target, ITEMS, 0).predict(np.arange(USERS))


def test_ease_is_a_ridge_regression_of_each_item_on_the_others():
    _, target, chosen = world()
    chosen[:, :SOURCE_ITEMS] = 0
    ours = scores(EASE(ridge=7.0), target=target)
    for item in range(SOURCE_ITEMS, ITEMS):
        others = np.delete(chosen, item, axis=1)
        ridge = Ridge(alpha=7.0, fit_intercept=False).fit(others, chosen[:, item])
        np.testing.assert_allclose(ours[:, item], ridge.predict(others), atol=1e-5)


def test_joint_ease_is_the_same_regression_on_both_catalogues():
    source, target, chosen = world()
    chosen[:, :SOURCE_ITEMS] *= 0.5
    ours = scores(JointEASE(ridge=7.0, source_weight=0.5), source=source, target=target)
    for item in range(SOURCE_ITEMS, ITEMS):
        others = np.delete(chosen, item, axis=1)
        ridge = Ridge(alpha=7.0, fit_intercept=False).fit(others, chosen[:, item])
        np.testing.assert_allclose(ours[:, item], ridge.predict(others), atol=1e-5)


def test_joint_ease_without_the_source_is_ease():
    source, target, _ = world(1)
    alone = scores(EASE(ridge=3.0), target=target)
    joint = scores(JointEASE(ridge=3.0, source_weight=0.0), source=source, target=target)
    np.testing.assert_allclose(joint[:, SOURCE_ITEMS:], alone[:, SOURCE_ITEMS:], atol=1e-5)


@pytest.mark.parametrize("neighbours", [3, 100])
def test_item_knn_weighs_the_nearest_items_by_their_cosine(neighbours):
    _, target, chosen = world(2)
    chosen[:, :SOURCE_ITEMS] = 0
    cosines = cosine_similarity(chosen.T)
    np.fill_diagonal(cosines, 0)
    for column in cosines.T:
        column[np.argsort(-column)[neighbours:]] = 0
    ours = scores(ItemKNN(neighbours=neighbours, damping=0.0), target=target)
    np.testing.assert_allclose(ours, chosen @ cosines, atol=1e-5)


def test_popularity_counts():
    _, target, chosen = world(3)
    np.testing.assert_array_equal(
        scores(Popularity(), target=target)[5, SOURCE_ITEMS:], chosen[:, SOURCE_ITEMS:].sum(0)
    )


@pytest.mark.parametrize("joint", [False, True])
def test_als_reaches_a_minimum_of_its_objective(joint):
    """No small step of the scores' factors can be told from here, so a dense solver starts where ours ended."""
    source, target, chosen = world(4)
    if not joint:
        chosen[:, :SOURCE_ITEMS] = 0
    settings = {"factors": 4, "ridge": 2.0, "confidence": 3.0}
    method = CMF(**settings, iterations=200) if joint else ALS(**settings, iterations=200)
    ours = scores(method, source=source if joint else None, target=target)

    def loss(users, items):
        residual = (1 + 3.0 * chosen) * (chosen - users @ items.T) ** 2
        return residual.sum() + 2.0 * ((users**2).sum() + (items**2).sum())

    left, singular, right = np.linalg.svd(ours, full_matrices=False)
    users, items = left[:, :4] * np.sqrt(singular[:4]), right[:4].T * np.sqrt(singular[:4])
    before = loss(users, items)
    for _ in range(200):
        for rows, columns, cells in ((users, items, chosen), (items, users, chosen.T)):
            for i in range(len(rows)):
                weights = 1 + 3.0 * cells[i]
                rows[i] = np.linalg.solve(
                    columns.T * weights @ columns + 2.0 * np.eye(4), columns.T @ (weights * cells[i])
                )
    assert loss(users, items) == pytest.approx(before, rel=0.01)


def test_a_user_of_whom_nothing_is_known_gets_an_answer():
    _, target, _ = world(5)
    few = target[target.inputs < 20]
    for method in (EASE(), ItemKNN(), Popularity()):
        predict = method.solve(None, few, ITEMS, 0).predict
        np.testing.assert_array_equal(predict(np.array([35]))[0], np.bincount(few.answers, minlength=ITEMS))
        assert np.isfinite(predict(np.array([3, 35]))).all()


def test_on_films_the_source_helps():
    """With two choices known of each user, what they like elsewhere is worth more than a tenth of recall."""
    fields = {"scenario": "films", "target": "scifi-fantasy", "budgets": [2], "seeds": 1}
    trials = Experiment.build({**fields, "methods": "popularity,ease,joint_ease,cmf"}).trials()
    recall = {trial.method.name: execute(trial).metrics["recall@10"] for trial in trials}
    assert recall["popularity"] < recall["ease"] + 0.02
    assert min(recall["joint_ease"], recall["cmf"]) > recall["ease"] + 0.05


@pytest.mark.parametrize("method", ["fine_tune", "frozen", "mmd"])
def test_the_one_loop_serves_catalogues_too(method):
    fields = {"scenario": "films", "methods": method, "budgets": [5], "seeds": 1, "epochs": 2}
    trial = next(trial for trial in Experiment.build(fields).trials() if trial.method.name == method)
    metrics = execute(trial).metrics
    assert 0 < metrics["recall@10"] <= metrics["hit_rate@10"] <= 1
