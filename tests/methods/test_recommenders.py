"""The recommenders against independent implementations and closed forms."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from sklearn.linear_model import Ridge
from sklearn.metrics.pairwise import cosine_similarity

from tests.methods.made_by_hand import of_items
from tlcore.examples import Examples
from tlcore.experiment import Experiment
from tlcore.methods.recommenders import ALS, BPR, CMF, EASE, EMCDR, ItemKNN, JointEASE, Popularity
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
    return method.solve(of_items(source, target, ITEMS, 0)).predict(np.arange(USERS))


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


@pytest.mark.parametrize("damping", [0.0, 5.0])
@pytest.mark.parametrize("neighbours", [3, 9, 100])
def test_item_knn_weighs_the_nearest_items_by_their_damped_cosine(neighbours, damping):
    _, target, chosen = world(2)
    chosen[:, :SOURCE_ITEMS] = 0
    norms = np.linalg.norm(chosen, axis=0)
    cosines = cosine_similarity(chosen.T) * np.outer(norms, norms) / np.maximum(np.outer(norms, norms) + damping, 1e-9)
    np.fill_diagonal(cosines, 0)
    for column in cosines.T:
        column[column < np.sort(column)[-min(neighbours, len(column))] - 1e-6] = 0  # what is as near as the k-th stays
    ours = scores(ItemKNN(neighbours=neighbours, damping=damping), target=target)
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


def test_als_starts_where_its_seed_says():
    _, target, _ = world(4)
    first, again, other = (
        ALS(iterations=1).solve(of_items(None, target, ITEMS, seed)).predict(np.arange(USERS)) for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_user_of_whom_nothing_is_known_gets_an_answer():
    _, target, _ = world(5)
    few = target[target.inputs < 20]
    for method in (EASE(), ItemKNN(), Popularity()):
        predict = method.solve(of_items(None, few, ITEMS, 0)).predict
        np.testing.assert_array_equal(predict(np.array([35]))[0], np.bincount(few.answers, minlength=ITEMS))
        assert np.isfinite(predict(np.array([3, 35]))).all()


class MappedWorld:
    """Many users with factors that are given; the target's are a linear map of the source's, plus noise if wanted.

    Choices decide only how many are known: users 0–9 have none in the source, 10–19 none in the target, 20–29 none
    anywhere, the others some in both.
    """

    users, factors, first = 400, 3, 8

    def __init__(self, noise: float = 0.0, bend: float = 0.0):
        rng = np.random.default_rng(0)
        self.of_source = rng.normal(2.0, 3.0, (self.users, self.factors)).astype(np.float32)
        linear = self.of_source @ rng.normal(size=(self.factors, self.factors)) + [1.0, -2.0, 0.5]
        self.mapped = (linear + bend * np.tanh(self.of_source)).astype(np.float32)
        self.of_target = (self.mapped + noise * rng.normal(size=linear.shape)).astype(np.float32)
        self.of_items = rng.normal(size=(self.first + 6, self.factors)).astype(np.float32)
        chosen = rng.random((self.users, self.first + 6)) < 0.4
        chosen[:, [0, self.first]] = True
        chosen[:10, : self.first] = chosen[10:20, self.first :] = chosen[20:30] = False
        users, items = np.nonzero(chosen)
        self.source, self.target = (
            Examples(users[part], items[part]) for part in (items < self.first, items >= self.first)
        )
        self.known = chosen[:, self.first :].sum(1, keepdims=True)

    def scores(self, users=None, source=None, **settings):
        world = self

        class Given(EMCDR):
            def factorise(self, chosen, seed):
                of_source = chosen[:, : world.first].nnz > 0
                assert chosen.shape[0] == world.users
                assert not of_source or not chosen[:, world.first :].nnz  # each domain apart
                return (world.of_source, world.of_items[::-1]) if of_source else (world.of_target, world.of_items)

        solution = Given(**{"mapping": "linear", **settings}).solve(
            of_items(source or self.source, self.target, len(self.of_items), 0)
        )
        return solution.predict(np.arange(self.users) if users is None else users)


def test_emcdr_maps_cold_users_exactly_where_the_map_is_linear():
    world = MappedWorld()
    ours = world.scores(np.arange(10, 20))
    np.testing.assert_allclose(ours, world.mapped[10:20] @ world.of_items.T, atol=0.02)
    assert np.abs(ours).max() > 5


@pytest.mark.parametrize("weight", [0.5, 5.0])
def test_emcdr_mixes_by_how_much_is_known(weight):
    world = MappedWorld(noise=2.0)
    both = np.arange(30, world.users)
    mapping = np.linalg.lstsq(np.c_[world.of_source[both], np.ones(len(both))], world.of_target[both], rcond=None)[0]
    mapped = np.c_[world.of_source, np.ones(world.users)] @ mapping
    n = world.known
    mixed = (n * world.of_target + weight * mapped) / (n + weight)
    mixed[:10] = world.of_target[:10]  # nothing is known of them elsewhere
    rows = np.r_[0:20, both]
    ours = world.scores(rows, mapped_choices=weight)
    np.testing.assert_allclose(ours, mixed[rows] @ world.of_items.T, atol=0.1)
    assert np.abs(ours - world.of_target[rows] @ world.of_items.T).max() > 1


def test_emcdr_as_in_the_paper_maps_cold_users_only():
    world = MappedWorld(noise=2.0)
    ours, mixed = world.scores(mapped_choices=0), world.scores(mapped_choices=5.0)
    warm = np.r_[0:10, 30 : world.users]
    np.testing.assert_allclose(ours[warm], world.of_target[warm] @ world.of_items.T, atol=1e-4)
    np.testing.assert_allclose(ours[10:20], mixed[10:20], atol=1e-5)


def test_emcdr_bends_its_map_where_one_asks_for_a_hidden_layer():
    world = MappedWorld(bend=8.0)
    truth = world.mapped[10:20] @ world.of_items.T
    errors = {mapping: np.abs(world.scores(mapping=mapping)[10:20] - truth).mean() for mapping in ("linear", "mlp")}
    assert errors["mlp"] < 0.7 * errors["linear"]


def test_emcdr_gives_users_of_whom_nothing_is_known_what_is_popular():
    world = MappedWorld()
    popular = np.bincount(world.target.answers, minlength=len(world.of_items))
    np.testing.assert_array_equal(world.scores(np.array([20, 29])), [popular, popular])
    assert not (world.scores(np.array([0, 19])) == popular).all(1).any()


def test_emcdr_refuses_domains_that_no_user_connects():
    world = MappedWorld()
    apart = Examples(np.arange(10, 20), np.zeros(10, int))
    with pytest.raises(ValueError, match="users with choices in both domains; there is none") as refused:
        world.scores(source=apart)
    assert "\n" not in str(refused.value)


def test_emcdr_factorises_like_als():
    """A user with nothing in the source is what ALS on the target alone makes of them."""
    source, target, _ = world(6)
    settings = {"factors": 4, "ridge": 2.0, "confidence": 3.0}
    stays = source[source.inputs != 7]
    ours = scores(EMCDR(**settings), source=stays, target=target)
    alone = scores(ALS(**settings), target=target)
    np.testing.assert_allclose(ours[7], alone[7], atol=1e-5)
    assert np.abs(ours[8] - alone[8]).max() > 1e-3


def two_tastes(users: int = 60, items: int = 40, share: float = 0.4, seed: int = 0) -> Examples:
    """Even users chose some even items, odd users some odd ones; popular as may be."""
    rng = np.random.default_rng(seed)
    of_user, of_item = np.nonzero(rng.random((users, items)) < share * rng.uniform(0.3, 1.7, items))
    same = of_user % 2 == of_item % 2
    return Examples(of_user[same], of_item[same])


def test_bpr_ranks_what_a_users_kind_likes_first():
    target = two_tastes()
    predict = BPR().solve(of_items(None, target, 40, 0)).predict
    users = np.unique(target.inputs)
    ours = predict(users)
    ours[np.searchsorted(users, target.inputs), target.answers] = -np.inf
    best = np.argsort(-ours, axis=1)[:, :5]
    assert (best % 2 == users[:, None] % 2).mean() > 0.98


def test_bpr_separates_what_was_chosen_from_what_was_not():
    """Its objective, of all pairs and not of sampled ones: the area under each user's curve."""
    _, target, chosen = world(7)
    ours = scores(BPR(factors=8, ridge=0.001, iterations=300), target=target)[:, SOURCE_ITEMS:]
    yes = chosen[:, SOURCE_ITEMS:] > 0
    area = [(row[mask][:, None] > row[~mask]).mean() for row, mask in zip(ours, yes, strict=True) if not mask.all()]
    assert np.mean(area) > 0.95


def test_bpr_knows_what_is_popular():
    """Without any taste there is nothing else to learn; with gaps drawn by popularity it would be lost."""
    rng = np.random.default_rng(3)
    chosen = rng.random((200, 30)) < np.linspace(0.02, 0.5, 30)
    ours = (
        BPR().solve(of_items(None, Examples(*np.nonzero(chosen)), 30, 0)).predict(np.flatnonzero(chosen.any(1))).mean(0)
    )
    assert spearmanr(ours, chosen.sum(0)).statistic > 0.9


@pytest.mark.parametrize("ridge", [0.0, 0.7])
def test_steps_of_bpr_are_gradients_of_its_objective(ridge):
    """One user, one choice, one gap: two steps, worked out by automatic differentiation from the same start."""
    seed, factors, step = 5, 3, 0.2
    random = torch.Generator().manual_seed(seed)
    u, v = (torch.randn(size, factors, generator=random) * 0.1 for size in (1, 2))
    b = torch.zeros(2)
    for _pass in range(2):
        assert torch.randint(2, (1,), generator=random).item() == 1  # the gap that is drawn: 0 was chosen, 1 was not
        torch.randperm(1, generator=random)
        u, v, b = (part.detach().requires_grad_() for part in (u, v, b))
        f = v @ u[0] + b
        objective = torch.sigmoid(f[0] - f[1]).log() - ridge / 2 * sum(part.square().sum() for part in (u, v, b))
        objective.backward()
        u, v, b = (part + step * part.grad for part in (u, v, b))
    method = BPR(factors=factors, ridge=ridge, step_size=step, iterations=2)
    ours = method.solve(of_items(None, Examples(np.array([0]), np.array([0])), 2, seed)).predict(np.array([0]))[0]
    np.testing.assert_allclose(ours, (v @ u[0] + b).detach(), atol=1e-6)


def test_bpr_takes_no_step_where_the_gap_that_was_drawn_is_a_choice():
    random = torch.Generator().manual_seed(0)
    u, v = (torch.randn(size, 3, generator=random) * 0.1 for size in (1, 2))
    everything = Examples(np.zeros(2, int), np.arange(2))
    ours = BPR(factors=3, iterations=1).solve(of_items(None, everything, 2, 0)).predict(np.array([0]))
    np.testing.assert_allclose(ours[0], v @ u[0], atol=1e-6)


def test_bpr_makes_fewer_passes_over_many_choices():
    target = two_tastes()
    few, one = (
        BPR(**settings).solve(of_items(None, target, 40, 0)).predict(np.arange(60))
        for settings in ({"most_samples": len(target) * 2 - 1}, {"iterations": 1})
    )
    np.testing.assert_array_equal(few, one)


def test_a_choice_in_both_catalogues_counts_once():
    _, target, _ = world(9)
    alone, twice = (
        EASE(ridge=3.0).solve(of_items(source, target, ITEMS, 0)).predict(np.arange(USERS)) for source in (None, target)
    )
    np.testing.assert_allclose(twice, alone, atol=1e-6)


def test_bpr_of_a_seed_is_the_same_again():
    target = two_tastes()
    first, again, other = (
        BPR(iterations=5).solve(of_items(None, target, 40, seed)).predict(np.arange(60)) for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_on_films_the_source_helps():
    """With two choices known of each user, what they like elsewhere is worth more than a tenth of recall."""
    fields = {"scenario": "films", "target": "scifi-fantasy", "budgets": [2], "seeds": 1}
    trials = Experiment.build({**fields, "methods": "popularity,ease,joint_ease,cmf"}).trials()
    recall = {trial.method.name: execute(trial).metrics["recall@10"] for trial in trials}
    assert recall["popularity"] < recall["ease"] + 0.02
    assert min(recall["joint_ease"], recall["cmf"]) > recall["ease"] + 0.05


@pytest.mark.parametrize("method", ["fine_tune", "frozen", "mmd"])
def test_the_one_loop_serves_catalogues_too(method):
    pair = {"source": "musicals", "target": "children"}
    fields = {"scenario": "films", **pair, "methods": method, "budgets": [5], "seeds": 1, "epochs": 2}
    trial = next(trial for trial in Experiment.build(fields).trials() if trial.method.name == method)
    metrics = execute(trial).metrics
    assert 0 < metrics["recall@10"] <= metrics["hit_rate@10"] <= 1
