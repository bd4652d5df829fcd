"""The battery that every method must pass; a new method is tested by being registered."""

from collections.abc import Iterable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from tlcore.examples import Examples
from tlcore.experiment import Experiment
from tlcore.methods import METHODS
from tlcore.methods.base import Batch, Method, Present
from tlcore.network import Network
from tlcore.scenarios import SCENARIOS, register
from tlcore.scenarios.vision import Digits
from tlcore.trial import execute


class FewDigits(Digits):
    """Digits of which there are few, so that every method is soon through them."""

    name = "few_digits"

    def domains(self, source, target):
        whole = super().domains(source, target)
        return replace(whole, source=whole.source[::5], pool=whole.pool[:300], test=whole.test[:200])


@pytest.fixture(scope="module", autouse=True)
def few_digits():
    """They are known while these tests run, and to no others."""
    register(FewDigits)
    yield
    del SCENARIOS[FewDigits.name]


QUICK = {
    "optimal_transport": {"batch": 200, "entropy": 1.0},
    "kmm": {"iterations": 5, "landmarks": 200},
    "jdot": {"batch": 200, "iterations": 2},
    **{name: {"tasks_seen": 20} for name in ("maml", "reptile", "prototypical")},
    **{name: {"starts": 1, "parts": 1} for name, method in METHODS.items() if "starts" in method.model_fields},
    "self_taught": {"starts": 1, "parts": 1, "passes": 1, "atoms": 16},
    "autoencoder": {"starts": 1, "parts": 1, "steps": 20},
    "contrastive": {"starts": 1, "parts": 1, "steps": 5},
    "joint_kmeans": {"starts": 1, "parts": 1, "most": 300},
    "co_clustering": {"starts": 1, "parts": 1, "most": 300, "columns": 16, "rounds": 3},
}
"""Settings with which the slowest finish sooner."""
DATA = {
    "classification": {"scenario": "few_digits"},
    "ranking": {"scenario": "films", "source": "musicals", "target": "children"},  # of all pairs the smallest
    "regression": {"scenario": "diabetes"},
    "segmentation": {"scenario": "nuclei", "tile": 128, "size": 32},
    "pretraining": {"scenario": "sentiment", "target": "drug-reviews", "encoder": "glove-6b-50d"},
}
OF_NEED = {"choices": "ranking", "numbers": "regression", "pixels": "segmentation", "pretraining": "pretraining"}
EVERY = pytest.mark.parametrize("name", METHODS)
FIRST = {method.__module__: name for name, method in reversed(METHODS.items()) if not method.chooses}
"""Of each file of methods the first: their trials are carried out where slow tests are left out."""


def tried(names: Iterable[str]) -> pytest.MarkDecorator:
    """Mark a test as being for each of these methods, and as one that carries out trials."""
    slow = {name: () if name in FIRST.values() else pytest.mark.slow for name in names}
    return pytest.mark.parametrize("name", [pytest.param(name, marks=mark) for name, mark in slow.items()])


def task_of(name: str) -> str:
    return next((OF_NEED[need] for need in METHODS[name].needs if need in OF_NEED), "classification")


def trial(name: str, **fields):
    fields = {
        **DATA[task_of(name)],
        "methods": [{"name": name, "settings": QUICK.get(name, {})}],
        "setting": first_setting(name),
        "budgets": [2],
        "epochs": 2,
        **fields,
    }
    fields["seeds"] = [0]
    return next(t for t in Experiment.build(fields).trials() if t.method.name == name)


def first_setting(name: str) -> str:
    return METHODS[name].serves[0]


def result(name: str, setting: str = ""):
    """What its trial gives; carried out once for all tests that look at it."""
    return _result(name, setting or first_setting(name))


@cache
def _result(name: str, setting: str):
    return execute(trial(name, setting=setting))


@EVERY
def test_it_says_what_it_is(name):
    method = METHODS[name]
    assert method.name == name
    assert method.family in ("baseline", "parameter", "feature", "instance")
    assert set(method.serves) <= {"inductive", "transductive", "unsupervised"}
    assert method.serves
    assert method.family == "baseline" or method.reference
    first = method.__doc__.strip().splitlines()[0]
    assert first.endswith(".") or ":" in first or "=" in first
    for field in method.model_fields.values():
        assert field.description
        assert field.description.endswith(".")


@EVERY
def test_it_refuses_a_setting_out_of_range(name):
    with pytest.raises(ValueError, match=rf"methods\.{name}\.learning_rate: -1.0"):
        METHODS[name].configure({"learning_rate": -1.0})


@tried(METHODS)
def test_a_seed_reproduces_bit_for_bit(name):
    once, again = result(name), execute(trial(name))
    assert {k: v for k, v in once.metrics.items() if k != "seconds"} == {
        k: v for k, v in again.metrics.items() if k != "seconds"
    }
    np.testing.assert_equal(once.curves, again.curves)
    for key, value in once.examples.items():
        np.testing.assert_array_equal(value, again.examples[key])


@tried(METHODS)
def test_its_test_examples_are_everyones(name):
    examples, test = result(name).examples, trial(name).experiment.domains().test
    if "truth" in examples:
        np.testing.assert_allclose(examples["truth"], test.answers, rtol=1e-12)
    of_source = {"source_weights"}
    assert {len(values) for key, values in examples.items() if key not in of_source} == {len(test)}


@tried(METHODS)
def test_the_part_it_chooses_shows_in_the_curves(name):
    method = METHODS[name]
    curves = result(name).curves
    for row in curves:
        assert np.isfinite(row["task_loss"])
        if name != "pseudo_label" and not method.chooses:  # not yet sure of a label; shows the chosen one's
            assert (row["transfer_loss"] != 0) == method().overrides("transfer_loss")
    for row in () if method.chooses else curves[1:]:  # at θ₀ itself, R is zero
        assert (row["regulariser"] > 0) == method().overrides("regulariser")


WITHOUT_LABELS = [(n, s) for n, m in METHODS.items() for s in ("transductive", "unsupervised") if s in m.serves]


@pytest.mark.parametrize(
    ("name", "setting"),
    [pytest.param(n, s, marks=() if n in FIRST.values() else pytest.mark.slow) for n, s in WITHOUT_LABELS],
)
def test_it_asks_for_the_labels_it_needs_only(name, setting, monkeypatch):
    """Without labels of the pool, a transductive method computes just the same; another without the source's, too."""
    run = trial(name, setting=setting)
    honest = result(name, setting)
    run.experiment.groups = run.experiment.domains().answers  # else the labels of the pool say how many
    kind = type(run.experiment.where)
    whole = getattr(kind, setting)

    def without_labels(self, source, target):
        domains = whole(self, source, target)
        parts = ("pool", "source") if setting == "unsupervised" else ("pool",)
        unknown = {part: getattr(domains, part) for part in parts}
        hidden = {part: Examples(known.inputs, np.zeros_like(known.answers)) for part, known in unknown.items()}
        return replace(domains, **hidden)

    monkeypatch.setattr(kind, setting, without_labels)
    said = "predicted" if "predicted" in honest.examples else "predicted_number"
    np.testing.assert_array_equal(execute(run).examples[said], honest.examples[said])


@tried(n for n, m in METHODS.items() if m().overrides("weights"))
def test_its_weights_enter_the_sum_with_a_mean_of_one(name, monkeypatch):
    from tlcore import objective

    problems = []
    minimise = objective.minimise
    monkeypatch.setattr(objective, "minimise", lambda *parts: problems.append(parts[2]) or minimise(*parts))
    execute(trial(name, epochs=1))
    assert problems[-1].source.weights.mean().item() == pytest.approx(1, abs=1e-4)


def present(network: Network, start: dict[str, torch.Tensor]) -> Present:
    inputs = torch.randn(7, 4, generator=torch.Generator().manual_seed(3), dtype=torch.double)
    return Present(network, start, inputs, network(inputs)[0], torch.tensor([0, 1, 2, 0, 1, 2, 0]))


def small_network() -> Network:
    torch.manual_seed(0)
    body = [torch.nn.Sequential(torch.nn.Linear(4, 5), torch.nn.Tanh())]
    return Network(body, torch.nn.Linear(5, 3)).double()


@pytest.mark.parametrize("name", [n for n, m in METHODS.items() if m().overrides("regulariser")])
def test_the_gradient_of_r_is_right(name):
    """Along some directions, the same as a difference of R on either side."""
    network, generator = small_network(), torch.Generator().manual_seed(1)
    start = {
        key: value.detach() + torch.randn(value.shape, generator=generator, dtype=torch.double)
        for key, value in network.named_parameters()
    }
    values = [*network.parameters()]

    def penalty() -> torch.Tensor:
        return METHODS[name]().regulariser(present(network, start))

    gradients = torch.autograd.grad(penalty(), values, allow_unused=True)
    for _ in range(3):
        along = [torch.randn(value.shape, generator=generator, dtype=torch.double) for value in values]
        sides = []
        for step in (1e-5, -2e-5):  # there, and back to the other side
            with torch.no_grad():
                for value, direction in zip(values, along, strict=True):
                    value += step * direction
            sides.append(penalty().item())
        with torch.no_grad():
            for value, direction in zip(values, along, strict=True):
                value += 1e-5 * direction
        told = sum((g * d).sum().item() for g, d in zip(gradients, along, strict=True) if g is not None)
        assert (sides[0] - sides[1]) / 2e-5 == pytest.approx(told, rel=1e-4, abs=1e-7)
        assert told != 0


def batch_of(source: torch.Tensor, target: torch.Tensor, method: Method) -> Batch:
    torch.manual_seed(0)
    critic = method.critic(source.shape[1], 3)
    head = Network([torch.nn.Identity()], torch.nn.Linear(source.shape[1], 3)).double()
    return Batch(
        source_features=source,
        target_features=target,
        source_outputs=head(source)[1],
        target_outputs=head(target)[1],
        source_answers=torch.arange(len(source)) % 3,
        source_weights=torch.ones(len(source), dtype=source.dtype),
        head=head.head,
        critic=critic and critic.double(),
        progress=0.5,
    )


@pytest.mark.parametrize("name", ["mmd", "jmmd", "dann", "cdan", "iwan", "mdd"])
def test_l_t_pulls_apart_domains_together(name):
    """A step against L_T's gradient brings the domains' means closer.

    A critic must have learnt to tell the domains apart first: it is trained until it does.
    """
    method = METHODS[name]()
    generator = torch.Generator().manual_seed(1)
    source = torch.randn(64, 4, generator=generator, dtype=torch.double)
    target = (torch.randn(64, 4, generator=generator, dtype=torch.double) + 2).requires_grad_()
    batch = batch_of(source, target, method)
    if batch.critic is not None:
        optimiser = torch.optim.Adam(batch.critic.parameters(), lr=0.01)
        for _ in range(50):
            optimiser.zero_grad()
            method.transfer_loss(batch).backward()
            optimiser.step()
        target.grad = None
    method.transfer_loss(batch).backward()
    direction = -target.grad.mean(0)
    assert float(direction @ (source.mean(0) - target.detach().mean(0))) > 0


def test_a_pseudo_label_is_the_models_own_sure_answer():
    outputs = torch.tensor([[4.0, 0.0, 0.0], [0.1, 0.0, 0.0], [0.0, 0.0, 3.0]], requires_grad=True)
    head = torch.nn.Linear(3, 3)
    batch = Batch(outputs[:0], outputs, outputs[:0], outputs, torch.empty(0), torch.empty(0), head, None, progress=0.25)
    loss = METHODS["pseudo_label"](threshold=0.6).transfer_loss(batch)
    sure = torch.softmax(outputs.detach(), 1)[[0, 2], [0, 2]]
    torch.testing.assert_close(loss, 0.5 * -sure.log().sum() / 3)
    loss.backward()
    assert not outputs.grad[1].any()  # of what it is not sure, it learns nothing
    assert outputs.grad[0, 0] < 0


@pytest.mark.parametrize("name", ["discriminative_fine_tune", "ulmfit"])
def test_steps_get_shorter_from_the_head_down(name):
    from tlcore.objective import _steps

    method = METHODS[name](learning_rate=0.1, decay=0.5)
    network = small_network()
    network.rates = {id(network.body[0][0].weight): 0.01}
    sizes = {id(p): part["lr"] for part in _steps(network, None, method) for p in part["params"]}
    assert len(sizes) == len(list(network.parameters()))
    for depth, group in enumerate(network.groups):
        for parameter in group.parameters():
            rate = 0.01 if parameter is network.body[0][0].weight else 1
            assert sizes[id(parameter)] == pytest.approx(0.1 * 0.5**depth * rate)


def test_both_means_against_forgetting_together():
    method = METHODS["ulmfit"](epochs_per_group=2)
    assert [method.trainable_groups(epoch, 4) for epoch in range(8)] == [1, 1, 2, 2, 3, 3, 4, 4]
