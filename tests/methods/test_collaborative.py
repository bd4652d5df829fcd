"""Networks on catalogues against their formulas, written out in numpy and with dense matrices."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from tlcore.examples import Examples
from tlcore.methods.collaborative import CoNet, JointLightGCN, LightGCN
from tlcore.methods.graph import CrossNetwork, SmoothedNetwork
from tlcore.network import Network
from tlcore.objective import Labelled, Problem, Schedule, minimise, outputs_of
from tlcore.tasks.ranking import _loss_in_catalogue

USERS, SOURCE_ITEMS, ITEMS, FACTORS = 9, 5, 12, 4


def factor_model(users: int = USERS, items: int = ITEMS, factors: int = FACTORS, dropout: float = 0.0) -> Network:
    torch.manual_seed(0)
    lookup = nn.Embedding(users, factors)
    nn.init.normal_(lookup.weight, std=0.1)
    return Network([nn.Sequential(lookup, nn.Dropout(dropout))], nn.Linear(factors, items))


def choices(seed: int = 0, share: float = 0.3) -> tuple[Examples, Examples]:
    """Source and target; the last user and the last item are in neither."""
    chosen = np.random.default_rng(seed).random((USERS, ITEMS)) < share
    chosen[0, [0, SOURCE_ITEMS]] = True
    chosen[-1] = chosen[:, -1] = False
    users, items = np.nonzero(chosen)
    in_source = items < SOURCE_ITEMS
    return Examples(users[in_source], items[in_source]), Examples(users[~in_source], items[~in_source])


def dense_graph(domains: list[Examples], users: int = USERS, items: int = ITEMS) -> np.ndarray:
    """D^-1/2 A D^-1/2; a node without edges is connected to nothing, itself included."""
    adjacency = np.zeros((users + items, users + items))
    for domain in domains:
        adjacency[domain.inputs, users + domain.answers] = 1
    adjacency += adjacency.T
    root = np.diag([1 / np.sqrt(degree) if degree else 0 for degree in adjacency.sum(0)])
    return root @ adjacency @ root


def dense_scores(network: Network, graph: np.ndarray, hops: int) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """All users' scores by the closed form, and the parameters they come from, in double precision."""
    lookup = network.body[0][0]
    weights = [p.detach().double().requires_grad_() for p in (lookup.weight, network.head.weight, network.head.bias)]
    nodes = torch.cat(weights[:2])
    powers = [torch.from_numpy(np.linalg.matrix_power(graph, hop)) for hop in range(hops + 1)]
    smoothed = torch.stack([power @ nodes for power in powers]).mean(0)
    users = len(weights[0])
    return smoothed[:users] @ smoothed[users:].T + weights[2], weights


@pytest.mark.parametrize("hops", [1, 2, 5])
@pytest.mark.parametrize("joint", [False, True])
def test_lightgcn_is_the_mean_over_powers_of_the_normalised_graph(hops, joint):
    source, target = choices()
    network, domains = factor_model(), [source, target] if joint else [target]
    expected, _ = dense_scores(network, dense_graph(domains), hops)
    method = (JointLightGCN if joint else LightGCN)(hops=hops)
    smoothed = method.network(network, source if joint else None, target)
    rows = np.array([3, 0, USERS - 1, 3])
    features, scores = smoothed(torch.from_numpy(rows))
    assert features.shape == (4, FACTORS)
    np.testing.assert_allclose(scores.detach(), expected.detach()[rows], atol=1e-6)


def test_its_gradient_is_that_of_the_closed_form():
    source, target = choices(1)
    network, domains = factor_model(), [source, target]
    ours = SmoothedNetwork(network, domains, hops=3)
    dense, weights = dense_scores(network, dense_graph(domains), hops=3)
    users, answers = torch.arange(USERS), torch.arange(USERS) % ITEMS
    torch.nn.functional.cross_entropy(ours(users)[1], answers).backward()
    torch.nn.functional.cross_entropy(dense, answers).backward()
    parameters = network.body[0][0].weight, network.head.weight, network.head.bias
    for parameter, weight in zip(parameters, weights, strict=True):
        assert weight.grad.abs().max() > 1e-3
        np.testing.assert_allclose(parameter.grad, weight.grad, atol=1e-6)


def test_a_choice_that_is_listed_twice_is_one_edge():
    source, target = choices(2)
    twice = Examples(np.tile(target.inputs, 2), np.tile(target.answers, 2))
    users = torch.arange(USERS)
    once = SmoothedNetwork(factor_model(), [source, target], 2)(users)[1]
    again = SmoothedNetwork(factor_model(), [source, twice, target[:3]], 2)(users)[1]
    np.testing.assert_array_equal(once.detach(), again.detach())


@pytest.mark.parametrize("hops", [1, 2, 3, 4])
def test_a_choice_is_felt_just_so_many_hops_away(hops):
    """On the path u0 – i0 – u1 – i1 – u2 – i2 the first user feels those within ``hops`` steps, and nobody else."""
    network = factor_model(users=3, items=3)
    path = Examples(np.array([0, 1, 1, 2, 2]), np.array([0, 0, 1, 1, 2]))
    SmoothedNetwork(network, [path], hops)(torch.tensor([0]))[0].sum().backward()
    felt_by = {f"u{i}": network.body[0][0].weight.grad[i] for i in range(3)}
    felt_by |= {f"i{i}": network.head.weight.grad[i] for i in range(3)}
    felt = {name for name, gradient in felt_by.items() if gradient.abs().max() > 0}
    assert felt == set(["u0", "i0", "u1", "i1", "u2", "i2"][: hops + 1])


def test_the_source_reaches_the_target_through_shared_users_only_in_the_joint_graph():
    source, target = choices(3)
    in_source_alone = torch.arange(SOURCE_ITEMS)
    users = torch.from_numpy(np.intersect1d(source.inputs, target.inputs))
    for method, felt in ((LightGCN(), False), (JointLightGCN(), True)):
        network = factor_model()
        smoothed = method.network(network, source if "source" in method.trains_on else None, target)
        smoothed(users)[1][:, SOURCE_ITEMS:].sum().backward()
        assert bool(network.head.weight.grad[in_source_alone].abs().max() > 0) == felt


def test_dropout_falls_on_smoothed_users_and_only_while_training():
    _, target = choices()
    smoothed, users = SmoothedNetwork(factor_model(dropout=0.5), [target], 2), torch.arange(USERS)
    whole = smoothed.eval()(users)[0].detach()
    np.testing.assert_array_equal(whole, smoothed(users)[0].detach())
    dropped = smoothed.train()(users)[0].detach()
    kept = dropped != 0
    assert 0 < kept.float().mean() < 1
    np.testing.assert_allclose(dropped[kept], 2 * whole[kept], rtol=1e-6)


def towers_in_numpy(network: CrossNetwork, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both towers as in the paper's equations, layer by layer."""
    lookup, towers = network.body[0], network.body[1]
    s = t = lookup[0].weight.detach().numpy()[users]
    for to_s, to_t, bridge in zip(towers.of_source, towers.of_target, towers.bridges, strict=True):
        w_s, b_s, w_t, b_t, h = (p.detach().numpy() for p in (*to_s.parameters(), *to_t.parameters(), bridge.weight))
        next_s = np.maximum(s @ w_s.T + b_s + t @ h.T, 0)
        next_t = np.maximum(t @ w_t.T + b_t + s @ h.T, 0)
        s, t = next_s, next_t
    return s, t


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_conet_is_its_formula(layers):
    source, target = choices()
    network = CoNet(layers=layers).network(factor_model(), source, target)
    rows = np.array([2, 7, 0])
    s, t = towers_in_numpy(network, rows)
    weight, bias = network.head.weight.detach().numpy(), network.head.bias.detach().numpy()
    first = target.answers.min()
    expected = np.concatenate([s @ weight[:first].T, t @ weight[first:].T], axis=1) + bias
    features, scores = network(torch.from_numpy(rows))
    np.testing.assert_allclose(features.detach(), t, atol=1e-6)
    np.testing.assert_allclose(scores.detach(), expected, atol=1e-6)


@pytest.mark.parametrize("layers", [1, 2])
def test_each_catalogue_meets_its_own_tower(layers):
    """Last layers see one tower, earlier ones both: what one catalogue teaches crosses at the bridge."""
    network = CrossNetwork(factor_model(), SOURCE_ITEMS, layers)
    nn.init.constant_(network.body[0][0].weight, 1.0)  # all units are alive, so that a zero says something
    for parameter in network.body[1].parameters():
        nn.init.constant_(parameter, 0.1)
    towers = network.body[1]
    for items, own, other in (
        (slice(0, SOURCE_ITEMS), towers.of_source, towers.of_target),
        (slice(SOURCE_ITEMS, ITEMS), towers.of_target, towers.of_source),
    ):
        network.zero_grad()
        network(torch.arange(USERS))[1][:, items].square().sum().backward()
        assert own[-1].weight.grad.abs().min() > 0
        assert other[-1].weight.grad is None or not other[-1].weight.grad.any()
        assert towers.bridges[-1].weight.grad.abs().min() > 0
        if layers > 1:
            assert other[0].weight.grad.abs().min() > 0


def test_without_the_bridge_the_towers_are_strangers():
    network = CrossNetwork(factor_model(), SOURCE_ITEMS, layers=2)
    users = torch.arange(USERS)
    with torch.no_grad():
        joined = network(users)[1]
        for bridge in network.body[1].bridges:
            bridge.weight.zero_()
        alone = network(users)[1]
        for layer in network.body[1].of_source:
            layer.weight.add_(1.0)
        changed = network(users)[1]
    for items in (slice(0, SOURCE_ITEMS), slice(SOURCE_ITEMS, ITEMS)):  # one H for both directions
        assert not torch.equal(joined[:, items], alone[:, items])
    assert not torch.equal(alone[:, :SOURCE_ITEMS], changed[:, :SOURCE_ITEMS])
    assert torch.equal(alone[:, SOURCE_ITEMS:], changed[:, SOURCE_ITEMS:])


def test_conet_has_one_bridge_a_layer():
    network = CoNet(layers=3).network(factor_model(), *choices())
    of_towers = sum(p.numel() for p in network.body[1].parameters())
    assert of_towers == 3 * (2 * (FACTORS**2 + FACTORS) + FACTORS**2)
    assert [group is network.head for group in network.groups] == [True, False, False]


def two_tastes() -> tuple[Examples, Examples]:
    """Even users like even items, odd users odd ones; of every fourth pair of users nothing is known in the target."""
    rng = np.random.default_rng(0)
    users, items = np.nonzero(rng.random((80, 20)) < 0.6)
    same = users % 2 == items % 2
    users, items = users[same], items[same]
    source, warm = items < 10, users % 8 > 1
    return Examples(users[source], items[source]), Examples(users[~source & warm], items[~source & warm])


@pytest.mark.parametrize("method", [LightGCN(), JointLightGCN(), CoNet()], ids=lambda method: method.name)
def test_what_the_source_tells_of_cold_users_reaches_the_target(method):
    """Trained by the one loop; without the source nothing tells one cold user from another."""
    source, target = two_tastes()
    joint = "source" in method.trains_on
    network = method.network(factor_model(users=80, items=20, factors=16), source if joint else None, target)
    labelled = [
        Labelled(torch.from_numpy(part.inputs), torch.from_numpy(part.answers), torch.ones(len(part)), share)
        for part, share in ((source, 0.5), (target, 0.5 if joint else 1.0))
    ]
    problem = Problem(
        labelled[0] if joint else None, labelled[1], None, None, partial(_loss_in_catalogue, first_target=10)
    )
    minimise(network, method, problem, Schedule(100, 200, 128, 0.0, 0.0), seed=0)
    cold = np.setdiff1d(np.arange(80), target.inputs)
    scores = outputs_of(network, torch.from_numpy(cold))[1][:, 10:].numpy()
    shown = np.argsort(-scores, axis=1)[:, :5]
    liked = (shown % 2 == cold[:, None] % 2).mean()
    assert liked > 0.95 if joint else 0.3 < liked < 0.7
