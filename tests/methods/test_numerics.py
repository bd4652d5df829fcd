"""Methods against independent implementations, closed forms and properties."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from tests.methods.made_by_hand import seen
from tlcore.gradient import reverse_gradient
from tlcore.methods.base import Present
from tlcore.methods.discrepancy import squared_mmd
from tlcore.methods.features import CORAL
from tlcore.methods.instances import KMM, NearestNeighbourSelection
from tlcore.methods.parameters import L2SP, GradualUnfreeze
from tlcore.network import Network


def two_domains(seed: int, n: int = 60, features: int = 4, shift: float = 1.0):
    rng = np.random.default_rng(seed)
    source = rng.normal(size=(n, features)) @ rng.normal(size=(features, features))
    return source, rng.normal(size=(n + 7, features)) @ rng.normal(size=(features, features)) + shift


def test_coral_agrees_with_scikit_adaptation():
    from skada import CORALAdapter

    source, target = two_domains(0, n=400)
    of_source, of_target = CORAL(shrinkage=1e-9).feature_map(seen(source, target))
    both = np.concatenate([source, target])
    domain = np.r_[np.ones(len(source)), -2 * np.ones(len(target))]
    adapter = CORALAdapter(reg=1e-9, assume_centered=False).fit(both, sample_domain=domain)
    theirs = adapter.fit_transform(both, sample_domain=domain)[: len(source)]
    ours = of_source(source)
    np.testing.assert_allclose(ours - ours.mean(0), theirs - theirs.mean(0), rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(of_target(target), target)


@given(seed=st.integers(0, 10_000), features=st.integers(1, 6))
@settings(max_examples=25, deadline=None)
def test_coral_gives_the_source_the_targets_mean_and_covariance(seed, features):
    """Exactly so for the shrunk covariances C: the linear part A of the map has  Aᵀ C_S A = C_T."""
    source, target = two_domains(seed, n=80, features=features)
    shrinkage = 1e-6
    of_source, _ = CORAL(shrinkage=shrinkage).feature_map(seen(source, target))

    def shrunk(rows):
        covariance = np.atleast_2d(np.cov(rows, rowvar=False))
        return covariance + shrinkage * np.trace(covariance) / features * np.eye(features)

    linear = of_source(np.eye(features)) - of_source(np.zeros((1, features)))
    np.testing.assert_allclose(of_source(source).mean(0), target.mean(0), atol=1e-8)
    wanted = shrunk(target)
    np.testing.assert_allclose(linear.T @ shrunk(source) @ linear, wanted, atol=1e-6 * np.abs(wanted).max())


@given(seed=st.integers(0, 10_000))
@settings(max_examples=10, deadline=None)
def test_coral_leaves_equal_domains_alone(seed):
    source, _ = two_domains(seed)
    np.testing.assert_allclose(CORAL().feature_map(seen(source, source))[0](source), source, atol=1e-6)


def naive_mmd(source: np.ndarray, target: np.ndarray) -> float:
    """The definition, pair by pair."""
    both = np.concatenate([source, target])
    width = np.mean([[((a - b) ** 2).sum() for b in both] for a in both])

    def k(a, b):
        return np.mean([np.exp(-((a - b) ** 2).sum() / (width * 2.0**i)) for i in range(-2, 3)])

    def mean(left, right):
        return np.mean([[k(a, b) for b in right] for a in left])

    return mean(source, source) + mean(target, target) - 2 * mean(source, target)


def test_mmd_is_its_definition():
    source, target = two_domains(2, n=9)
    ours = float(squared_mmd(torch.from_numpy(source), torch.from_numpy(target)))
    assert ours == pytest.approx(naive_mmd(source, target), rel=1e-9)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_mmd_is_symmetric_not_negative_and_zero_for_equal_domains(seed):
    source, target = (torch.from_numpy(rows) for rows in two_domains(seed, n=20))
    there, back = float(squared_mmd(source, target)), float(squared_mmd(target, source))
    assert there == pytest.approx(back, rel=1e-9)
    assert there > 0
    assert float(squared_mmd(source, source[torch.randperm(len(source))])) == pytest.approx(0, abs=1e-12)


def test_the_gradient_of_mmd_is_right():
    source, target = (torch.from_numpy(rows).requires_grad_() for rows in two_domains(3, n=6))
    # The kernel width is a constant of each batch, as in the literature; hold it where it is for the check.
    with torch.no_grad():
        both = torch.cat([source, target])
        width = torch.cdist(both, both).square().mean()

    def fixed(a, b):
        rows = torch.cat([a, b])
        kernel = torch.stack([torch.exp(-torch.cdist(rows, rows).square() / (width * 2.0**i)) for i in range(-2, 3)])
        kernel, n = kernel.mean(0), len(a)
        return kernel[:n, :n].mean() + kernel[n:, n:].mean() - 2 * kernel[:n, n:].mean()

    ours = torch.autograd.grad(squared_mmd(source, target), (source, target))
    theirs = torch.autograd.grad(fixed(source, target), (source, target))
    for left, right in zip(ours, theirs, strict=True):
        torch.testing.assert_close(left, right)


def test_the_reversed_gradient_is_minus_strength_times_the_gradient():
    rows = torch.randn(3, 2, dtype=torch.double, requires_grad=True)
    (reverse_gradient(rows, 0.3) ** 2).sum().backward()
    torch.testing.assert_close(rows.grad, -0.3 * 2 * rows.detach())


def test_l2_sp_is_half_the_squared_distance_from_the_start():
    network = Network([torch.nn.Identity()], torch.nn.Linear(2, 2))
    start = {name: torch.zeros_like(value) for name, value in network.named_parameters()}
    total = sum(float((value.detach() ** 2).sum()) for value in network.parameters())
    here = Present(network, start, *(torch.empty(0, 2) for _ in range(3)))
    assert L2SP().regulariser(here).item() == pytest.approx(total / 2)


def test_groups_are_unfrozen_one_by_one():
    method = GradualUnfreeze(epochs_per_group=3)
    assert [method.trainable_groups(epoch, 3) for epoch in range(12)] == [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3, 3]


def test_kmm_reaches_the_optimum_that_a_general_solver_finds():
    source, target = two_domains(4, n=25, features=2, shift=0.5)
    method = KMM(largest_weight=3, slack=0.1, iterations=3000)
    ours = method.weights(seen(source, target))
    both = np.concatenate([source, target])
    squared = ((both[:, None] - both[None]) ** 2).sum(-1)
    bandwidth = np.median(squared[np.triu_indices(len(both), 1)])
    kernel = np.exp(-squared[:25, :25] / bandwidth)
    kappa = np.exp(-squared[:25, 25:] / bandwidth).mean(1) * 25

    def objective(weights):
        return weights @ kernel @ weights / 2 - kappa @ weights

    band = {"type": "ineq", "fun": lambda w: 0.1 - abs(w.mean() - 1)}
    reference = minimize(objective, np.ones(25), bounds=[(0, 3)] * 25, constraints=[band], method="SLSQP")
    assert objective(ours) <= objective(reference.x) + 1e-3 * abs(objective(reference.x))


@pytest.mark.parametrize(("bound", "slack", "shift"), [(4, 0.2, 0.5), (1000, None, 2.5)])
def test_kmm_is_no_worse_than_scikit_adaptations_and_weighs_alike(bound, slack, shift):
    """With bounds of our own, and as it comes: with those of the paper."""
    from skada import KMMReweightAdapter

    source, target = two_domains(6, n=40, features=2, shift=shift)
    bounds = {} if slack is None else {"largest_weight": bound, "slack": slack}
    ours = KMM(iterations=5000, **bounds).weights(seen(source, target))
    both = np.concatenate([source, target])
    squared = ((both[:, None] - both[None]) ** 2).sum(-1)
    gamma = 1 / np.median(squared[np.triu_indices(len(both), 1)])
    adapter = KMMReweightAdapter(gamma=gamma, B=bound, eps=slack, solver="scipy", max_iter=5000)
    domain = np.r_[np.ones(len(source)), -2 * np.ones(len(target))]
    theirs = adapter.fit(both, sample_domain=domain).source_weights_
    kernel = np.exp(-gamma * squared)

    def distance(weights):
        """Of the weighted mean of the source from that of the target, in the kernel's space, squared."""
        means = np.r_[weights / 40, np.full(len(target), -1 / len(target))]
        return means @ kernel @ means

    assert distance(ours) <= distance(theirs) + 1e-6
    assert distance(ours) < 0.5 * distance(np.ones(40))
    assert np.corrcoef(ours, theirs)[0, 1] > 0.95


@given(seed=st.integers(0, 10_000), bound=st.floats(1, 20), slack=st.floats(0, 0.5))
@settings(max_examples=25, deadline=None)
def test_kmm_weights_are_feasible_and_follow_the_rows(seed, bound, slack):
    source, target = two_domains(seed, n=30, features=3)
    method = KMM(largest_weight=bound, slack=slack, iterations=50)
    weights = method.weights(seen(source, target))
    assert weights.min() >= 0
    assert weights.max() <= bound + 1e-9
    assert abs(weights.mean() - 1) <= slack + 1e-6
    order = np.random.default_rng(seed).permutation(len(source))
    np.testing.assert_allclose(method.weights(seen(source[order], target)), weights[order], atol=0.05 * bound)


def test_kmm_prefers_source_examples_where_the_target_is():
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(300, 1)), rng.normal(loc=1, size=(300, 1))
    weights = KMM().weights(seen(source, target))
    assert np.average(source[:, 0], weights=weights) == pytest.approx(1, abs=0.15)


def test_nearest_neighbours_are_selected():
    source = np.array([[0.0], [1.0], [10.0], [11.0]])
    np.testing.assert_array_equal(
        NearestNeighbourSelection(neighbours=1).weights(seen(source, np.array([[0.9], [10.2]]))), [0, 1, 1, 0]
    )
    np.testing.assert_array_equal(NearestNeighbourSelection(neighbours=9).weights(seen(source, np.zeros((1, 1)))), 1)
