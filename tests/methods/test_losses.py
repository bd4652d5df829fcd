"""Losses in training, starts learned from tasks, and choices without labels, against formulas written out again."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from tlcore.evaluation.unsupervised import deep_embedded, importance_weighted, soft_neighbourhood_density
from tlcore.examples import Examples
from tlcore.methods import METHODS
from tlcore.methods.base import Batch, Present
from tlcore.methods.meta import MAML, Prototypical, Reptile, Task, draw
from tlcore.methods.self_training import nearest_centre
from tlcore.network import Modulation, Network
from tlcore.objective import Labelled, Problem, Schedule, minimise


def batch(seed: int = 0, n: int = 9, features: int = 4, classes: int = 3, **changes) -> Batch:
    generator = torch.Generator().manual_seed(seed)

    def drawn(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.double)

    source, target = drawn(n, features), drawn(n + 2, features) + 1
    torch.manual_seed(seed)
    head = torch.nn.Linear(features, classes).double()
    made = Batch(
        source_features=source,
        target_features=target,
        source_outputs=head(source),
        target_outputs=head(target),
        source_answers=torch.arange(n) % classes,
        source_weights=torch.ones(n, dtype=torch.double),
        head=head,
        critic=None,
        progress=1.0,
    )
    return replace(made, **changes)


def test_deep_coral_is_the_distance_of_numpys_covariances():
    given = batch()
    between = np.cov(given.source_features.T) - np.cov(given.target_features.T)
    loss = METHODS["deep_coral"]().transfer_loss(given).item()
    assert loss == pytest.approx((between**2).sum() / (4 * 16))


def test_jmmd_is_mmd_where_all_is_answered_alike():
    given = batch()
    zeros = torch.zeros(9, 3).double()
    same = replace(given, source_outputs=zeros, target_outputs=torch.zeros(11, 3).double())
    plain = METHODS["mmd"]().transfer_loss(given).item()
    assert METHODS["jmmd"]().transfer_loss(same).item() == pytest.approx(plain, rel=1e-4)
    assert METHODS["jmmd"]().transfer_loss(given).item() != pytest.approx(plain, rel=1e-3)


def test_jmmd_multiplies_the_kernels_of_features_and_answers():
    given = batch()

    def kernel(rows, widths):
        squared = torch.cdist(rows, rows).square()
        return sum(torch.exp(-squared / (squared.mean() * width)) for width in widths) / len(widths)

    features = torch.cat([given.source_features, given.target_features])
    answers = torch.cat([given.source_outputs, given.target_outputs]).softmax(1)
    joint = kernel(features, (0.25, 0.5, 1, 2, 4)) * kernel(answers, (1,))
    wanted = joint[:9, :9].mean() + joint[9:, 9:].mean() - 2 * joint[:9, 9:].mean()
    assert METHODS["jmmd"]().transfer_loss(given).item() == pytest.approx(wanted.item())


def test_mcc_is_the_confusion_between_classes():
    given, method = batch(), METHODS["mcc"](temperature=2.0)
    answers = (given.target_outputs / 2).softmax(1).detach().numpy()
    entropy = -(answers * np.log(answers)).sum(1)
    weights = 1 + np.exp(-entropy)
    confusion = answers.T @ np.diag(weights / weights.mean()) @ answers
    confusion /= confusion.sum(1, keepdims=True)
    assert method.transfer_loss(given).item() == pytest.approx((confusion.sum() - np.trace(confusion)) / 3)


def test_no_class_is_confused_where_answers_are_sure():
    sure = batch(target_outputs=50 * torch.eye(3)[[0, 1, 2, 0, 1]])
    assert METHODS["mcc"]().transfer_loss(sure).item() == pytest.approx(0, abs=1e-6)


def test_afn_asks_each_row_to_be_longer_along_itself():
    rows = torch.tensor([[3.0, 4.0], [0.0, 2.0]], requires_grad=True)
    METHODS["afn"](step=0.5).transfer_loss(batch(source_features=rows[:1], target_features=rows[1:])).backward()
    torch.testing.assert_close(-rows.grad, 0.5 * torch.tensor([[0.6, 0.8], [0.0, 1.0]]))


def critic_of(inputs: int, outputs: int) -> torch.nn.Module:
    torch.manual_seed(7)
    return torch.nn.Linear(inputs, outputs).double()


def gradients(name: str, given: Batch):
    """The loss, and its gradients in target features and in the critic."""
    target = given.target_features.clone().requires_grad_()
    outputs = given.head(target)
    loss = METHODS[name]().transfer_loss(replace(given, target_features=target, target_outputs=outputs))
    grads = torch.autograd.grad(loss, [target, *given.critic.parameters()])
    return loss, grads[0], grads[1]


@pytest.mark.parametrize(("name", "share"), [("dann", 1.0), ("mdd", 0.1)])
def test_the_critics_gradient_arrives_in_the_features_reversed(name, share):
    """The loss falls along the critic's gradient, and rises along that of the features."""
    given = batch(critic=critic_of(4, 1 if name == "dann" else 3))
    loss, of_features, of_critic = gradients(name, given)
    step = 1e-2
    moved = replace(given, target_features=given.target_features - step * of_features)
    risen = METHODS[name]().transfer_loss(replace(moved, target_outputs=given.target_outputs)).item() - loss.item()
    assert risen == pytest.approx(step * of_features.square().sum().item() / share, rel=0.05)
    with torch.no_grad():
        given.critic.weight -= step * of_critic
    assert METHODS[name]().transfer_loss(given).item() < loss.item()


LOSSES = [name for name, method in METHODS.items() if method().overrides("transfer_loss")]
REVERSED = {
    "dann": {"source_features": 1.0, "target_features": 1.0},
    "cdan": {"source_features": 1.0, "target_features": 1.0},
    "iwan": {"source_features": 1.0, "target_features": 1.0},
    "mcd": {"target_features": 1.0},
    "mdd": {"source_features": 0.1, "target_features": 0.1},
}
"""On the way to which features a gradient is turned round, and its share of the force that grows with progress."""


@pytest.mark.parametrize("name", LOSSES)
def test_the_gradient_of_l_t_is_right(name, monkeypatch):
    """In each of what L_T is made of, along some directions, the same as a difference of L_T on either side.

    What a loss holds fixed (``detach``) is held where it was when the gradient was taken; towards the features, a
    critic's method has the gradient reversed.
    """
    method, generator = METHODS[name](), torch.Generator().manual_seed(5)
    given = batch(critic=method.critic(4, 3), progress=0.5)
    parts = {"source_features": given.source_features, "target_features": given.target_features}
    parts |= {"source_outputs": 4 * given.source_outputs, "target_outputs": 4 * given.target_outputs}
    parts = {key: value.detach().clone().requires_grad_() for key, value in parts.items()}
    for module in filter(None, (given.head, given.critic)):
        parts |= {f"{type(module).__name__}.{key}": value for key, value in module.double().named_parameters()}

    fixed: list[torch.Tensor] = []
    held = torch.Tensor.detach

    def loss(replayed: bool) -> torch.Tensor:
        kept = iter(fixed)

        def detach(tensor: torch.Tensor) -> torch.Tensor:
            if not replayed:
                fixed.append(held(tensor).clone())
            return next(kept) if replayed else fixed[-1]

        with monkeypatch.context() as patched:
            patched.setattr(torch.Tensor, "detach", detach)
            return method.transfer_loss(replace(given, **{key: parts[key] for key in parts if "." not in key}))

    gradients = dict(zip(parts, torch.autograd.grad(loss(False), [*parts.values()], allow_unused=True), strict=True))
    force = 2 / (1 + np.exp(-10 * 0.5)) - 1
    assert any(gradient is not None and gradient.abs().sum() > 0 for gradient in gradients.values())
    for key, value in parts.items():
        along, step = torch.randn(value.shape, generator=generator, dtype=torch.double), 1e-6
        sides = []
        for move in (step, -2 * step, step):  # there, to the other side, and back
            with torch.no_grad():
                value += move * along
                sides.append(loss(True).item())
        told = 0.0 if gradients[key] is None else (gradients[key] * along).sum().item()
        turned = -REVERSED[name][key] * force if key in REVERSED.get(name, {}) else 1.0
        assert told == pytest.approx(turned * (sides[0] - sides[1]) / (2 * step), rel=1e-4, abs=1e-8), key


def test_cdans_critic_sees_features_once_for_each_class():
    given = batch(critic=critic_of(12, 1))
    seen = []
    given.critic.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    METHODS["cdan"]().transfer_loss(given)
    row = torch.outer(given.source_features[0], given.source_outputs.softmax(1)[0]).flatten()
    torch.testing.assert_close(seen[0][0], row)


def test_mdds_margin_weighs_agreement_on_the_source_alone():
    given = batch(critic=critic_of(4, 3))
    there, here = (given.critic(rows).softmax(1) for rows in (given.source_features, given.target_features))
    said = given.source_outputs.argmax(1), given.target_outputs.argmax(1)
    agreed = -there[torch.arange(9), said[0]].log().mean()
    apart = -(1 - here[torch.arange(11), said[1]]).log().mean()
    for margin in (1.0, 3.0):
        loss = METHODS["mdd"](margin=margin).transfer_loss(given)
        assert loss.item() == pytest.approx((margin * agreed + apart).item())


def test_mcds_second_head_learns_the_source_and_parts_from_the_first_on_the_target():
    given = batch(critic=critic_of(4, 3))
    learned = torch.nn.functional.cross_entropy(given.critic(given.source_features), given.source_answers)
    one, other = (head(given.target_features).softmax(1) for head in (given.head, given.critic))
    loss = METHODS["mcd"]().transfer_loss(given)
    assert loss.item() == pytest.approx((learned - (one - other).abs().mean()).item())


def test_iwan_counts_a_source_row_by_its_weight():
    weights = torch.tensor([2.0, 0, 1, 1, 1, 1, 1, 1, 1], dtype=torch.double)
    given = batch(critic=critic_of(4, 1), source_weights=weights)
    alike = batch(critic=critic_of(4, 1))
    logits = given.critic(torch.cat([given.source_features, given.target_features])).squeeze(1).detach()
    losses = torch.cat([-logits[:9].sigmoid().log(), -(-logits[9:]).sigmoid().log()])
    wanted = (torch.cat([weights, torch.ones(11)]) * losses).mean()
    assert METHODS["iwan"]().transfer_loss(given).item() == pytest.approx(wanted.item())
    assert METHODS["iwan"]().transfer_loss(alike).item() == pytest.approx(losses.mean().item())


def test_mcds_heads_part_on_the_target_and_its_features_bring_them_together():
    given = batch(critic=critic_of(4, 3))

    def discrepancy(features):
        return (given.head(features).softmax(1) - given.critic(features).softmax(1)).abs().mean().item()

    _, of_features, _ = gradients("mcd", given)
    assert discrepancy(given.target_features - 0.1 * of_features) < discrepancy(given.target_features)
    before = discrepancy(given.target_features)
    target = given.target_features
    loss = METHODS["mcd"]().transfer_loss(replace(given, source_features=given.source_features[:0].new_zeros(9, 4)))
    of_head = torch.autograd.grad(loss, [given.head.weight])[0]
    with torch.no_grad():
        given.head.weight -= 0.1 * of_head
    assert discrepancy(target) > before


def test_shot_is_sure_of_each_row_and_varied_over_all():
    """Mean entropy, less that of the mean, and cross-entropy with the answers by centres."""
    given = batch()
    answers = given.target_outputs.softmax(1).detach()
    guessed = nearest_centre(given.target_features, answers)
    each, mean = -(answers * answers.log()).sum(1).mean(), answers.mean(0)
    by_centres = -given.target_outputs.log_softmax(1)[torch.arange(11), guessed].mean()
    for weight in (0.0, 0.7):
        loss = METHODS["shot"](centre_weight=weight).transfer_loss(given)
        assert loss.item() == pytest.approx((each + (mean * mean.log()).sum() + weight * by_centres).item())
    assert METHODS["tent"]().transfer_loss(given).item() == pytest.approx(each.item())


def test_shots_answers_by_centres_are_those_of_the_nearest():
    features = torch.tensor([[1.0, 0.1], [0.9, 0.0], [0.1, 1.0], [0.0, 0.8], [0.8, 0.4]])
    answers = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.2, 0.8], [0.1, 0.9]])  # the last is wrong
    assert nearest_centre(features, answers).tolist() == [0, 0, 1, 1, 0]


def network(*sizes: int) -> Network:
    torch.manual_seed(0)
    body = [torch.nn.Sequential(torch.nn.Linear(a, b), torch.nn.Tanh()) for a, b in pairwise(sizes)]
    return Network(body, torch.nn.Linear(sizes[-1], 3)).double()


def moved(seed: int = 4) -> Present:
    """A network some way from its start, and nine rows that it has been through."""
    given, generator = network(4, 5), torch.Generator().manual_seed(seed)
    start = {name: value.detach().clone() for name, value in given.named_parameters()}
    with torch.no_grad():
        for value in given.parameters():
            value += 0.3 * torch.randn(value.shape, generator=generator, dtype=torch.double)
    rows = torch.randn(9, 4, generator=generator, dtype=torch.double)
    return Present(given, start, rows, given(rows)[0], torch.arange(9) % 3)


def test_bss_counts_the_smallest_singular_values():
    here = moved()
    values = np.linalg.svd(here.features.detach().numpy(), compute_uv=False)
    for k in (1, 2):
        assert METHODS["bss"](smallest=k).regulariser(here).item() == pytest.approx((values[-k:] ** 2).sum())


def test_delta_is_how_far_features_have_moved():
    here, start = moved(), network(4, 5)
    before = start(here.inputs)[0]
    wanted = ((here.features - before) ** 2).sum() / (2 * (before**2).sum())
    assert METHODS["delta"]().regulariser(here).item() == pytest.approx(wanted.item())


def test_co_tuning_asks_the_sources_head_for_what_it_said_of_each_answer():
    here, start = moved(), network(4, 5)
    said = start(here.inputs)[1].softmax(1)
    logs = start.head(here.features).log_softmax(1)
    of_answer = torch.stack([said[here.answers == kind].mean(0) for kind in range(3)])
    wanted = -(of_answer[here.answers] * logs).sum(1).mean()
    assert METHODS["co_tuning"]().regulariser(here).item() == pytest.approx(wanted.item())


@pytest.mark.parametrize("name", ["shot", "tent"])
def test_of_a_source_that_stays_at_home_the_head_stays_too(name):
    """Nothing is labelled, and the entropy of the answers falls."""
    method, given = METHODS[name](learning_rate=0.05), network(4, 5).float()
    given = method.network(given, None, None) if method.overrides("network") else given
    rows = torch.randn(90, 4, generator=torch.Generator().manual_seed(2))
    problem = Problem(None, None, rows, None, lambda outputs, answers: outputs.sum(1))
    before = {key: value.clone() for key, value in given.state_dict().items()}
    curves = minimise(given, method, problem, Schedule(8, 100, 30, 0.0, 1.0), seed=0)
    assert curves[-1]["transfer_loss"] < curves[0]["transfer_loss"]
    assert curves[-1]["task_loss"] == 0
    moved = {key for key, value in given.state_dict().items() if not torch.equal(value, before[key])}
    assert not {"head.weight", "head.bias"} & moved
    if name == "tent":
        assert isinstance(given.body[-1], Modulation)
        assert moved == {"body.1.scale", "body.1.shift"}


def a_task(seed: int = 0) -> Task:
    rng = torch.Generator().manual_seed(seed)
    inputs = torch.randn(12, 4, generator=rng, dtype=torch.double)
    answers = torch.arange(12) % 3
    return Task(inputs[:6], answers[:6], inputs[6:], answers[6:])


@pytest.mark.parametrize("first_order", [False, True])
def test_mamls_gradient_goes_through_the_steps(first_order):
    """As a difference of the queries' loss after the steps, from starts on either side; the first order is another."""
    given, task = network(4, 5), a_task()
    MAML(steps=2, task_rate=0.5, first_order=first_order).step(given, task)

    def after(start: Network) -> float:
        for _ in range(2):
            loss = torch.nn.functional.cross_entropy(start(task.inputs)[1], task.answers)
            slopes = torch.autograd.grad(loss, list(start.parameters()))
            with torch.no_grad():
                for value, slope in zip(start.parameters(), slopes, strict=True):
                    value -= 0.5 * slope
        return torch.nn.functional.cross_entropy(start(task.query_inputs)[1], task.query_answers).item()

    sides = []
    for step in (1e-5, -1e-5):
        other = network(4, 5)
        with torch.no_grad():
            other.body[0][0].weight[1, 2] += step
        sides.append(after(other))
    told = given.body[0][0].weight.grad[1, 2].item()
    slope = (sides[0] - sides[1]) / 2e-5
    assert (told == pytest.approx(slope, rel=1e-4)) is not first_order


def test_reptile_moves_to_where_the_task_leads():
    given, task = network(4, 5), a_task()
    Reptile(steps=1, task_rate=0.5).step(given, task)
    inputs, answers = torch.cat([task.inputs, task.query_inputs]), torch.cat([task.answers, task.query_answers])
    loss = torch.nn.functional.cross_entropy(given(inputs)[1], answers)
    slope = torch.autograd.grad(loss, given.head.weight)[0]
    torch.testing.assert_close(given.head.weight.grad, 0.5 * slope)


def test_prototypes_answer_as_the_nearest_mean_does():
    from sklearn.neighbors import NearestCentroid

    given, rows = network(4, 5).float(), np.random.default_rng(0).normal(size=(30, 4)).astype(np.float32)
    answers = np.arange(30) % 2  # of the third class there is no example
    ready = Prototypical().network(given, None, Examples(rows, answers))
    asked = torch.randn(50, 4, generator=torch.Generator().manual_seed(1))
    features = given.body(torch.from_numpy(rows)).detach().numpy()
    theirs = NearestCentroid().fit(features, answers).predict(given.body(asked).detach().numpy())
    np.testing.assert_array_equal(ready(asked)[1].argmax(1).numpy(), theirs)


def test_a_task_asks_about_other_rows_than_it_shows_and_calls_classes_otherwise():
    inputs, answers = torch.arange(60.0)[:, None], torch.arange(60) % 3
    task = draw(inputs, answers, 3, shots=4, queries=6, generator=torch.Generator().manual_seed(3))
    assert len(task.inputs) == 12
    assert len(task.query_inputs) == 18
    assert not set(task.inputs.flatten().tolist()) & set(task.query_inputs.flatten().tolist())
    names = {(int(row) % 3, int(name)) for row, name in zip(task.inputs, task.answers, strict=True)}
    names |= {(int(row) % 3, int(name)) for row, name in zip(task.query_inputs, task.query_answers, strict=True)}
    assert len(names) == 3  # one name for each class, in both parts
    tasks = [draw(inputs, answers, 3, 4, 6, torch.Generator().manual_seed(seed)) for seed in range(8)]
    assert len({tuple(task.answers.tolist()) for task in tasks}) > 1


@pytest.mark.parametrize("kind", ["l1", "l2"])
def test_any_method_can_be_penalised(kind):
    """A penalty that rules all else leaves nothing; λ weighs it."""
    rows = torch.randn(40, 4, generator=torch.Generator().manual_seed(0))
    labelled = Labelled(rows, torch.arange(40) % 3, torch.ones(40), 1.0)
    losses = torch.nn.functional.cross_entropy
    problem = Problem(None, labelled, None, None, lambda out, answers: losses(out, answers, reduction="none"))
    sizes = []
    for lambda_ in (0.0, 10.0):
        given = network(4, 5).float()
        method = METHODS["from_scratch"](penalty=kind, learning_rate=0.02)
        curves = minimise(given, method, problem, Schedule(100, 200, 40, lambda_, 0.0), seed=0)
        sizes.append(sum(value.abs().sum().item() for value in given.parameters()))
        start = network(4, 5).float()
        values = [value.abs().sum() if kind == "l1" else value.square().sum() / 2 for value in start.parameters()]
        assert curves[0]["regulariser"] == pytest.approx(sum(values).item(), rel=1e-4)
    assert sizes[1] < 0.05 * sizes[0]


def test_the_risk_on_the_target_is_estimated_from_the_source():
    """Covariate shift: x ~ N(0, 1) there and N(1, 1) here; wrong where x > 1, which is half of the target."""
    rng = np.random.default_rng(0)
    estimates = []
    for _ in range(200):
        rows = rng.normal(size=500)
        losses, weights = (rows > 1).astype(float), np.exp(rows - 0.5)
        estimates.append([importance_weighted(losses, weights), deep_embedded(losses, weights), losses.mean()])
    means, spreads = np.mean(estimates, axis=0), np.std(estimates, axis=0)
    assert means[:2] == pytest.approx([0.5, 0.5], abs=0.02)
    assert means[2] == pytest.approx(0.159, abs=0.01)
    plain = [np.mean(np.exp(r - 0.5) * (r > 1)) for r in rng.normal(size=(200, 500))]
    assert spreads[1] < 0.7 * np.std(plain)  # what the control variate is for


def test_neighbours_that_are_answered_alike_are_dense():
    rng = np.random.default_rng(0)
    sure = np.repeat(np.eye(3), 40, axis=0) * 0.97 + 0.01
    unsure = rng.dirichlet(np.ones(3), size=120)
    assert soft_neighbourhood_density(sure) > soft_neighbourhood_density(unsure)
    assert soft_neighbourhood_density(np.tile([[0.9, 0.1]], (50, 1))) == -np.inf
    wanted = np.log(39)  # each row has 39 just like it
    assert soft_neighbourhood_density(sure, temperature=0.01) == pytest.approx(wanted, abs=1e-6)
