"""Maps, weights and solvers in closed form against independent implementations, closed forms and properties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import orth
from scipy.optimize import linear_sum_assignment, minimize
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid

from tests.methods.made_by_hand import seen
from tlcore.classifiers import classify
from tlcore.examples import Examples
from tlcore.methods import METHODS
from tlcore.methods.adaptive import JDOT, SHARPNESS, EasyTL, assignment, cheapest
from tlcore.methods.components import class_differences, components, mean_difference
from tlcore.methods.features import PCA, OptimalTransport, SubspaceAlignment, batches, geodesic_root
from tlcore.methods.instances import KLIEP, KMM, WIDTHS, DensityRatio, DensitySelection, TrAdaBoost
from tlcore.methods.kernels import median_squared_distance, squared_distances

MAPS = [name for name, method in METHODS.items() if method().overrides("feature_map")]
WEIGHTS = [name for name, method in METHODS.items() if method().overrides("weights")]


def two_classes(seed: int = 0, n: int = 60, features: int = 5, shift: float = 1.0, classes: int = 3):
    """Source rows with answers, and target rows with theirs: the same classes, turned and moved."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(classes, features)) * 3
    answers, truth = np.arange(n) % classes, np.arange(n + 6) % classes
    turn = np.eye(features) + 0.1 * rng.normal(size=(features, features))
    source = centres[answers] + rng.normal(size=(n, features))
    return source, answers, (centres[truth] + rng.normal(size=(n + 6, features))) @ turn + shift, truth


def domains_of(source, target):
    return np.concatenate([source, target]), np.r_[np.ones(len(source)), -2 * np.ones(len(target))]


def geometry(source, target):
    """What is left of mapped rows when directions may be turned round."""
    both = np.concatenate([source, target])
    return both @ both.T


def test_subspace_alignment_agrees_with_scikit_adaptation():
    from skada import SubspaceAlignmentAdapter

    source, _, target, _ = two_classes(n=40)
    of_source, of_target = SubspaceAlignment(dimensions=3).feature_map(seen(source, target))
    both, domain = domains_of(source, target)
    theirs = SubspaceAlignmentAdapter(n_components=3).fit(both, sample_domain=domain)
    told = theirs.transform(both, sample_domain=domain, allow_source=True)
    np.testing.assert_allclose(
        geometry(of_source(source), of_target(target)), geometry(told[:40], told[40:]), atol=1e-8
    )


def test_what_jda_sets_apart_are_the_means_of_domains_and_classes():
    source, answers, target, truth = two_classes()
    rows = np.concatenate([source, target])
    apart = np.column_stack([mean_difference(60, 66), class_differences(answers, np.where(truth == 2, 0, truth), 66)])
    wanted = [source.mean(0) - target.mean(0), source[answers == 0].mean(0) - target[truth != 1].mean(0)]
    wanted += [source[answers == 1].mean(0) - target[truth == 1].mean(0), source[answers == 2].mean(0)]
    np.testing.assert_allclose(apart.T @ rows, wanted, atol=1e-12)


def test_a_large_mu_gives_way_and_a_small_one_brings_the_means_together():
    source, _, target, _ = two_classes(shift=4.0)
    rows, apart = np.concatenate([source, target]), mean_difference(60, 66)

    def distance(mu: float) -> float:
        directions = components(rows, apart, mu, 2)
        return float(np.abs(apart.T @ (rows - rows.mean(0)) @ directions).max())

    assert distance(1e-6) < 0.05 * distance(1e6)


def test_gfk_is_the_integral_along_the_geodesic():
    rng = np.random.default_rng(1)
    start, end = (orth(rng.normal(size=(7, 3))) for _ in range(2))
    root = geodesic_root(start, end)
    left, cosines, right = np.linalg.svd(start.T @ end)
    angles, first = np.arccos(cosines), start @ left
    beside = (end @ right.T - first * cosines) / np.sin(angles)
    steps = (np.arange(4000) + 0.5) / 4000
    flow = (
        first[None] * np.cos(steps[:, None] * angles)[:, None] + beside[None] * np.sin(steps[:, None] * angles)[:, None]
    )
    np.testing.assert_allclose(flow[-1] @ flow[-1].T, end @ end.T, atol=1e-2)  # it does end there
    np.testing.assert_allclose(root @ root.T, np.einsum("sij,skj->ik", flow, flow) / 4000, atol=1e-6)


@pytest.mark.parametrize("weight", [0.0, 0.3])
def test_optimal_transport_agrees_with_pot(weight):
    from ot.da import sinkhorn_lpl1_mm

    source, _, target, _ = two_classes(n=30)
    answers = np.random.default_rng(0).permutation(30) % 3  # classes that lie apart would have the plan keep them so
    method = OptimalTransport(entropy=0.1, class_weight=weight)
    cost = squared_distances(source, target)
    margins = np.full(30, 1 / 30), np.full(36, 1 / 36)
    theirs = sinkhorn_lpl1_mm(margins[0], answers, margins[1], cost / cost.mean(), 0.1, weight, numItermax=11)
    ours = method.plan(source, target, answers)
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    moved = method.feature_map(seen(source, target, answers))[0](source)
    np.testing.assert_allclose(moved, (theirs / theirs.sum(1, keepdims=True)) @ target, atol=1e-4)


def test_a_row_that_was_not_there_moves_as_its_nearest_does():
    source, answers, target, _ = two_classes(n=30)
    transport, _ = OptimalTransport().feature_map(seen(source, target, answers))
    moved = transport(source)
    np.testing.assert_allclose(transport(source[:3] + 1e-3), moved[:3] + 1e-3, atol=1e-9)


@given(n=st.integers(1, 90), m=st.integers(1, 90), size=st.integers(1, 40), passes=st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_batches_hold_every_row_and_none_is_too_large(n, m, size, passes):
    pairs = batches(n, m, size, passes, 0)
    counts = np.bincount(np.concatenate([mine for mine, _ in pairs]), minlength=n)
    assert (counts == (1 if max(n, m) <= size else passes)).all()
    assert max(max(len(mine), len(theirs)) for mine, theirs in pairs) <= max(size, 1)


def test_jdots_plan_is_the_cheapest_there_is():
    cost = np.random.default_rng(0).random((12, 12))
    plan = cheapest(cost)
    mine, theirs = linear_sum_assignment(cost)
    assert (plan * cost).sum() == pytest.approx(cost[mine, theirs].mean())


def test_jdots_first_step_agrees_with_scikit_adaptation():
    """Before there are answers to compare, the plan is that of the rows, and f learns from what arrives."""
    from skada import JDOTRegressor
    from sklearn.kernel_ridge import KernelRidge

    source, answers, target, _ = two_classes(n=40, classes=2)
    ridge = KernelRidge(alpha=0.5, kernel="rbf", gamma=1 / median_squared_distance(target))
    both, domain = domains_of(source, target)
    known = np.r_[answers.astype(float), np.full(len(target), np.nan)]
    theirs = JDOTRegressor(ridge, n_iter_max=1)
    with pytest.warns(UserWarning, match="Maximum number of iterations"):
        theirs.fit(both, known, sample_domain=domain)
    ours = JDOT(iterations=1, shrinkage=0.5).solve(seen(source, target, answers)).predict(target) / SHARPNESS
    np.testing.assert_allclose(ours[:, 1], theirs.estimator_.predict(target), atol=1e-4)


def test_jdot_agrees_with_pots_plans_and_scikit_learns_ridge_in_turn():
    from ot import dist, solve
    from sklearn.kernel_ridge import KernelRidge

    rng = np.random.default_rng(3)
    source, target = rng.normal(size=(45, 2)), rng.normal(size=(51, 2)) + 0.5
    answers = np.digitize(source[:, 0] + rng.normal(size=45) / 3, [-0.4, 0.4])  # so that rows and answers do not agree
    ridge = KernelRidge(alpha=2.0, kernel="rbf", gamma=1 / median_squared_distance(target))
    apart, one_hot = dist(source, target), np.eye(3)[answers]
    rows, said = 0.3 * apart / apart.max(), []
    for step in range(3):
        plan = solve(rows + dist(one_hot, said[-1]) if step else rows).plan
        said.append(ridge.fit(target, plan.T @ one_hot * len(target)).predict(target))
    assert (said[1].argmax(1) != said[0].argmax(1)).any()  # or it would have stopped there
    method = JDOT(distance_weight=0.3, shrinkage=2.0, iterations=3)
    ours = method.solve(seen(source, target, answers)).predict(target) / SHARPNESS
    np.testing.assert_allclose(ours, said[-1], atol=1e-3)


@pytest.mark.parametrize(("method", "least"), [(JDOT(), 0.95), (EasyTL(), 0.9)])
def test_adaptive_classifiers_follow_classes_that_moved(method, least):
    source, answers, target, truth = two_classes(1, n=90, shift=4.0)
    unmoved = KNeighborsClassifier(1).fit(source, answers).score(target, truth)
    predicted = method.solve(seen(source, target, answers)).predict(target).argmax(1)
    assert unmoved < 0.9
    assert (predicted == truth).mean() > least


def test_easytl_is_the_nearest_centre_where_every_class_has_a_row():
    source, answers, target, _ = two_classes()
    theirs = NearestCentroid().fit(source, answers).predict(target)
    np.testing.assert_array_equal(
        EasyTL(align=False).solve(seen(source, target, answers)).predict(target).argmax(1), theirs
    )


def test_easytl_gives_each_class_a_row_at_the_least_cost():
    distances = np.array([[0.0, 1.0, 5.0], [0.0, 2.0, 5.0], [0.0, 3.0, 4.0]])
    np.testing.assert_allclose(assignment(distances), [[0, 1, 0], [1, 0, 0], [0, 0, 1]], atol=1e-9)


def test_kliep_is_at_the_optimum_and_no_worse_than_scikit_adaptations():
    from skada import KLIEPReweightAdapter

    source, _, target, _ = two_classes(n=50, features=2)
    both, domain = domains_of(source, target)
    method = KLIEP(iterations=5000, width=1.0)
    weights = method.weights(seen(source, target))
    assert weights.mean() == pytest.approx(1)
    width = median_squared_distance(both)
    there, here = (np.exp(-squared_distances(rows, target) / width) for rows in (source, target))

    def objective(alpha):
        return np.log(here @ alpha).mean()

    best = -np.inf
    for start in range(3):
        first = np.random.default_rng(start).random(len(target))
        found = minimize(
            lambda a: -objective(a),
            first / (there.mean(0) @ first),
            jac=lambda a: -(here / (here @ a)[:, None]).mean(0),
            bounds=[(0, None)] * len(target),
            constraints=[{"type": "eq", "fun": lambda a: there.mean(0) @ a - 1, "jac": lambda _: there.mean(0)}],
            method="SLSQP",
        )
        best = max(best, objective(found.x))
    at_target = method._ratio(seen(source, target))(target)
    assert np.log(at_target).mean() == pytest.approx(best, abs=1e-3)
    adapter = KLIEPReweightAdapter(gamma=1 / width, n_centers=len(target), random_state=0, max_iter=5000)
    adapter.fit(both, sample_domain=domain)
    theirs = np.exp(-squared_distances(target, adapter.centers_) / width) @ adapter.alpha_
    assert np.log(at_target).mean() >= np.log(theirs).mean() - 1e-6


def test_kliep_takes_the_width_that_is_likeliest_on_held_out_rows():
    """A narrow kernel where the ratio has peaks that many rows show, a wide one where it is flat and rows are few."""
    rng = np.random.default_rng(0)
    method = KLIEP()

    def chosen(source, target):
        return method._chosen(source, target, median_squared_distance(np.concatenate([source, target])))

    peaks = np.repeat([-3.0, 0, 3], 100)[:, None]  # of the target, where the source is flat
    narrow = chosen(rng.uniform(-5, 5, size=(600, 1)), peaks + 0.2 * rng.normal(size=(300, 1)))
    wide = chosen(rng.normal(size=(400, 5)), rng.normal(size=(40, 5)))
    assert (narrow, wide) == (min(WIDTHS), max(WIDTHS))


def test_density_selection_agrees_with_scikit_adaptations_ratio():
    from skada import DensityReweightAdapter
    from sklearn.neighbors import KernelDensity

    source, _, target, _ = two_classes(n=50, features=2)
    both, domain = domains_of(source, target)
    bandwidth = np.sqrt(0.25 * median_squared_distance(both))
    adapter = DensityReweightAdapter(weight_estimator=KernelDensity(bandwidth=bandwidth)).fit(
        both, sample_domain=domain
    )
    log_ratio = adapter.weight_estimator_target_.score_samples(source) - adapter.weight_estimator_source_.score_samples(
        source
    )
    np.testing.assert_allclose(DensitySelection().ratio(seen(source, target)), log_ratio, atol=1e-8)
    kept = DensitySelection(share=0.3).weights(seen(source, target))
    assert kept.sum() == 15
    assert log_ratio[kept == 1].min() > log_ratio[kept == 0].max()


def test_the_density_ratio_of_two_gaussians_is_found():
    """log p_T/p_S of N(½, I) and N(0, I) is linear: what logistic regression can say exactly."""
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(20_000, 2)), rng.normal([0.5, 0], size=(30_000, 2))
    weights = DensityRatio(strength=1e4).weights(seen(source, target))
    np.testing.assert_allclose(np.log(weights), source[:, 0] * 0.5 - 0.125, atol=0.1)


def test_kmm_by_landmarks_is_near_kmm_by_all_rows(monkeypatch):
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(400, 2)), rng.normal(size=(300, 2)) * 0.6 + 0.7
    exact = KMM().weights(seen(source, target))
    monkeypatch.setattr("tlcore.methods.instances.EXACT_ROWS", 100)
    near = KMM(landmarks=120).weights(seen(source, target))
    assert KMM(landmarks=120).note(seen(source, target)).startswith("approximate: 120 of 400")
    assert np.corrcoef(exact, near)[0, 1] > 0.95


def test_tradaboost_lets_what_misleads_fade():
    source, answers, target, truth = two_classes(1, n=120, shift=0.0, classes=2)
    misleading = np.arange(120) % 4 == 0
    wrong = np.where(misleading, 1 - answers, answers)
    known = Examples(np.repeat(target[:20], 1, axis=0), np.where(np.arange(20) == 7, 1 - truth[:20], truth[:20]))
    shown = seen(source, target, wrong, target=known, kind="logistic")
    solution = TrAdaBoost(rounds=10).solve(shown)
    assert (solution.predict(target[20:]).argmax(1) == truth[20:]).mean() > 0.9
    assert "rounds vote" in solution.note


def test_tradaboost_is_the_published_algorithm():
    """Written out again: source rows by βᵉ, target rows by β_t⁻ᵉ, and the rounds from ⌈N/2⌉ to N vote."""
    rng = np.random.default_rng(5)
    rows = rng.normal(size=(90, 2))
    answers = np.digitize(rows[:, 0] + np.repeat([0.4, 0], [60, 30]) + rng.normal(size=90) / 3, [-0.5, 0.5])
    known = Examples(rows[60:], answers[60:])
    solution = TrAdaBoost(rounds=6).solve(seen(rows[:60], rows, answers[:60], target=known))
    asked, votes = rng.normal(size=(200, 2)), np.zeros((200, 3))
    weights, fade = np.r_[np.full(60, 0.5 / 60), np.full(30, 0.5 / 30)], 1 / (1 + np.sqrt(2 * np.log(60) / 6))
    for step in range(6):
        told = classify("logistic", rows, answers, 3, weights)
        wrong = told(rows).argmax(1) != answers
        beta = (weights[60:] * wrong[60:]).sum() / (weights[60:] * ~wrong[60:]).sum()
        assert 0 < beta < 1
        weights = weights * np.r_[fade ** wrong[:60], beta ** -wrong[60:].astype(float)]
        weights /= weights.sum()
        if step >= 2:
            votes += np.log(1 / beta) * np.eye(3)[told(asked).argmax(1)]
    shares = votes / votes.sum(1, keepdims=True)
    assert (shares.max(1) < 1).any()
    ours = solution.predict(asked)
    np.testing.assert_allclose(ours / ours.sum(1, keepdims=True), shares, atol=1e-6)


@pytest.mark.parametrize("name", WEIGHTS)
@given(seed=st.integers(0, 1000))
@settings(max_examples=5, deadline=None)
def test_weights_are_no_less_than_nothing_and_follow_their_rows(name, seed):
    source, answers, target, _ = two_classes(seed, n=40, features=3, shift=0.5)
    method = METHODS[name]()
    weights = method.weights(seen(source, target, answers))
    assert weights.shape == (40,)
    assert weights.min() >= 0
    assert weights.max() > 0
    order, other = (np.random.default_rng(seed).permutation(size) for size in (40, 46))
    shuffled = method.weights(seen(source[order], target[other], answers[order]))
    tolerance = 0.3 if name == "kmm" else 1e-3  # its solver stops early, its optimum is flat
    np.testing.assert_allclose(shuffled, weights[order], atol=tolerance * weights.max())


@pytest.mark.parametrize("name", WEIGHTS)
@given(seed=st.integers(0, 1000))
@settings(max_examples=5, deadline=None)
def test_weights_sum_to_what_their_formula_says(name, seed):
    source, answers, target, _ = two_classes(seed, n=40, features=3, shift=0.5)
    method = METHODS[name]()
    weights = method.weights(seen(source, target, answers))
    match name:
        case "kmm":
            assert abs(weights.mean() - 1) <= 1 - 1 / np.sqrt(40) + 1e-6
        case "kliep":
            assert weights.mean() == pytest.approx(1)
        case "density_selection":
            assert sorted({*weights}) == [0, 1]
            assert weights.sum() == 40 * method.share
        case "nearest_neighbour_selection":
            assert {*weights} <= {0, 1}
            assert 1 <= weights.sum() <= len(target) * method.neighbours
        case _:  # odds, of no fixed sum: each at most B
            assert weights.max() <= method.largest_weight * (1 + 1e-9)


@pytest.mark.parametrize("name", WEIGHTS)
@given(seed=st.integers(0, 1000))
@settings(max_examples=5, deadline=None)
def test_of_two_equal_domains_no_row_counts_much_more(name, seed):
    source, answers, _, _ = two_classes(seed, n=60, features=2)
    weights = METHODS[name]().weights(seen(source, source, answers))
    if name == "density_selection":
        assert weights.sum() == 30
    else:
        np.testing.assert_allclose(weights / weights.mean(), 1, atol=0.3)


@pytest.mark.parametrize("name", MAPS)
@given(seed=st.integers(0, 1000))
@settings(max_examples=5, deadline=None)
def test_two_equal_domains_stay_equal(name, seed):
    """Where nothing is to be mended, source and target rows go the same way, and the nearest neighbour stays it."""
    source, answers, _, _ = two_classes(seed, n=60)
    settings = {"entropy": 0.001} if name == "optimal_transport" else {}
    of_source, of_target = METHODS[name](**settings).feature_map(seen(source, source.copy(), answers, kind="1nn"))
    mapped, other = of_source(source), of_target(source)
    answered = KNeighborsClassifier(1).fit(mapped, answers).predict(other)
    assert (answered == answers).mean() > (0.85 if name in ("jgsa",) else 0.95)
    if name not in ("jgsa", "optimal_transport"):
        np.testing.assert_allclose(mapped, other, atol=1e-5 * np.abs(mapped).max())


@pytest.mark.parametrize("name", MAPS)
@given(seed=st.integers(0, 1000))
@settings(max_examples=5, deadline=None)
def test_a_map_follows_its_rows(name, seed):
    source, answers, target, _ = two_classes(seed, n=40)
    order, other = (np.random.default_rng(seed).permutation(size) for size in (40, 46))
    method = METHODS[name]()
    one = method.feature_map(seen(source, target, answers, kind="1nn"))
    two = method.feature_map(seen(source[order], target[other], answers[order], kind="1nn"))
    expected = geometry(one[0](source)[order], one[1](target)[other])
    found = geometry(two[0](source[order]), two[1](target[other]))
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_pca_keeps_what_varies_most():
    source, _, target, _ = two_classes()
    of_source, of_target = PCA(dimensions=2).feature_map(seen(source, target))
    from sklearn.decomposition import PCA as Reference

    theirs = Reference(2).fit_transform(np.concatenate([source, target]))
    np.testing.assert_allclose(
        geometry(of_source(source), of_target(target)), theirs @ theirs.T, atol=1e-8 * np.abs(theirs).max()
    )
