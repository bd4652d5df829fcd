"""The loop minimises what the objective says, and nothing else."""

import math

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch.nn.functional import cross_entropy

from tlcore.cancellation import Cancelled
from tlcore.methods.baselines import FromScratch, Pooled
from tlcore.methods.parameters import L2SP, FineTune, Frozen, GradualUnfreeze
from tlcore.network import Network
from tlcore.objective import Labelled, Problem, Schedule, minimise, outputs_of


def loss(outputs, answers):
    return cross_entropy(outputs, answers, reduction="none")


def blobs(n=60, seed=0, weights=None, share=1.0):
    rng = np.random.default_rng(seed)
    answers = np.arange(n) % 3
    inputs = rng.normal(size=(n, 4)) + 1.0 * np.eye(3, 4)[answers]
    weights = np.ones(n) if weights is None else weights
    tensors = (
        torch.tensor(inputs, dtype=torch.float32),
        torch.tensor(answers),
        torch.tensor(weights, dtype=torch.float32),
    )
    return Labelled(*tensors, share)


def deep(seed=0):
    torch.manual_seed(seed)
    first = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh())
    second = torch.nn.Sequential(torch.nn.Linear(8, 6), torch.nn.Tanh())
    return Network([first, torch.nn.Flatten(), second], torch.nn.Linear(6, 3))


def schedule(**changes):
    return Schedule(**{"epochs": 30, "max_steps": 10_000, "batch_size": 64, "lambda_": 0.0, "beta": 0.0, **changes})


def problem(target=None, **parts):
    return Problem(
        **{"source": None, "target": target or blobs(), "unlabelled": None, "validation": None, **parts}, task_loss=loss
    )


def test_a_linear_head_reaches_the_minimum_that_scikit_learn_finds():
    data, network = blobs(), Network([torch.nn.Identity()], torch.nn.Linear(4, 3))
    minimise(network, FromScratch(learning_rate=0.1), problem(data), schedule(epochs=2000), seed=0)
    reference = LogisticRegression(C=np.inf, max_iter=5000, tol=1e-10).fit(data.inputs.numpy(), data.answers.numpy())
    ours = outputs_of(network, data.inputs)[1].softmax(1).numpy()
    np.testing.assert_allclose(ours, reference.predict_proba(data.inputs.numpy()), atol=5e-3)


@pytest.mark.slow
def test_weights_count_as_repeated_rows():
    """Weight 3 is the same as standing there three times (in one batch); weight 0 as not being there."""
    weights = np.where(np.arange(60) < 20, 3.0, np.where(np.arange(60) < 40, 1.0, 0.0))
    weighted = blobs(weights=weights / weights.mean())
    rows = np.repeat(np.arange(60), weights.astype(int))
    repeated = Labelled(weighted.inputs[rows], weighted.answers[rows], torch.ones(len(rows)), 1.0)
    fits = []
    for data in (weighted, repeated):
        torch.manual_seed(1)
        network = Network([torch.nn.Identity()], torch.nn.Linear(4, 3))
        minimise(network, FromScratch(learning_rate=0.1), problem(data), schedule(epochs=1500, batch_size=128), seed=0)
        fits.append(outputs_of(network, weighted.inputs)[1].softmax(1))
    torch.testing.assert_close(*fits, atol=5e-3, rtol=0)


@pytest.mark.slow
def test_each_domain_counts_its_share():
    """With contradicting domains of very different size, the answer follows the shares and not the sizes."""
    inputs = torch.ones(400, 1)
    for share in (0.2, 0.7):
        source = Labelled(inputs, torch.zeros(400, dtype=torch.long), torch.ones(400), share)
        target = Labelled(inputs[:10], torch.ones(10, dtype=torch.long), torch.ones(10), 1 - share)
        network = Network([torch.nn.Identity()], torch.nn.Linear(1, 2))
        parts = problem(target, source=source)
        minimise(network, Pooled(learning_rate=0.05), parts, schedule(epochs=300), seed=0)
        probability = outputs_of(network, inputs[:1])[1].softmax(1)[0, 0].item()
        assert probability == pytest.approx(share, abs=0.02)


@pytest.mark.parametrize(
    ("method", "moved"), [(Frozen(), 1), (FineTune(), 3), (GradualUnfreeze(epochs_per_group=1000), 1)]
)
def test_what_is_frozen_does_not_move_and_the_rest_does(method, moved):
    network = deep()
    before = [torch.cat([p.detach().flatten().clone() for p in g.parameters()]) for g in network.groups]
    minimise(network, method, problem(), schedule(), seed=0)
    after = [torch.cat([p.detach().flatten() for p in g.parameters()]) for g in network.groups]
    assert [not torch.equal(a, b) for a, b in zip(before, after, strict=True)] == [i < moved for i in range(3)]


def test_computing_frozen_activations_once_changes_nothing():
    short, long = deep(), deep()
    minimise(short, Frozen(), problem(), schedule(), seed=0)
    long.train_groups(1)
    optimiser = torch.optim.Adam(long.head.parameters(), lr=Frozen().learning_rate, fused=True)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 30)
    generator, data = torch.Generator().manual_seed(0), blobs()
    for _ in range(30):
        rows = torch.randperm(60, generator=generator)
        optimiser.zero_grad()
        loss(long(data.inputs[rows])[1], data.answers[rows]).mean().backward()
        optimiser.step()
        falling.step()
    torch.testing.assert_close(outputs_of(short, data.inputs)[1], outputs_of(long, data.inputs)[1])


def test_a_large_lambda_keeps_theta_at_the_start_and_zero_is_fine_tuning():
    def distance(method, lambda_):
        network = deep()
        start = torch.cat([p.detach().flatten().clone() for p in network.parameters()])
        minimise(network, method, problem(), schedule(lambda_=lambda_, epochs=200), seed=0)
        return float((torch.cat([p.detach().flatten() for p in network.parameters()]) - start).norm())

    assert distance(L2SP(), 0.0) == distance(FineTune(), 0.0)
    assert distance(L2SP(), 10.0) < 0.2 * distance(L2SP(), 0.1) < 0.2 * distance(L2SP(), 0.0)


def test_training_stops_early_and_keeps_the_best_network():
    noise = blobs(seed=1)
    noise.answers = noise.answers[torch.randperm(60, generator=torch.Generator().manual_seed(0))]
    network = deep()
    parts = problem(noise, validation=blobs(seed=2))
    curves = minimise(network, FromScratch(learning_rate=0.05), parts, schedule(epochs=400), seed=0)
    validation = [row["validation_loss"] for row in curves]
    assert len(curves) < 400
    kept = float(loss(outputs_of(network, parts.validation.inputs)[1], parts.validation.answers).mean())
    assert kept == pytest.approx(min(validation))
    assert len(curves) - 1 - int(np.argmin(validation)) == 20


def test_without_validation_data_training_goes_to_the_end():
    curves = minimise(deep(), FromScratch(), problem(), schedule(epochs=7), seed=0)
    assert [row["epoch"] for row in curves] == list(range(1, 8))
    assert all(math.isnan(row["validation_loss"]) for row in curves)


def test_the_cap_on_steps_ends_training():
    curves = minimise(deep(), FromScratch(), problem(), schedule(epochs=50, batch_size=10, max_steps=20), seed=0)
    assert len(curves) == 3  # six batches an epoch: three whole epochs fit into twenty batches


def test_cancel_is_heard_between_batches():
    asked = []

    def should_stop():
        asked.append(1)
        return len(asked) == 5

    with pytest.raises(Cancelled):
        minimise(deep(), FromScratch(), problem(), schedule(batch_size=10), seed=0, should_stop=should_stop)
    assert len(asked) == 5


def test_a_diverging_objective_is_an_error_that_says_what_to_do():
    data = blobs()
    data.inputs[0, 0] = math.inf
    with pytest.raises(FloatingPointError, match="learning_rate"):
        minimise(deep(), FromScratch(), problem(data), schedule(), seed=0)


def test_batch_statistics_of_what_is_frozen_do_not_drift():
    torch.manual_seed(0)
    network = Network([torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 6)], torch.nn.Linear(6, 3))
    minimise(network, Frozen(), problem(), schedule(), seed=0)
    assert network.body[0].running_mean.eq(0).all()
    minimise(network, FineTune(), problem(), schedule(), seed=0)
    assert network.body[0].running_mean.ne(0).all()


class Small(FineTune):
    """L_T is the size of the target's features."""

    def transfer_loss(self, batch):
        return batch.target_features.square().mean()


def test_beta_weighs_l_t():
    def size(beta):
        network, data = deep(), blobs()
        curves = minimise(network, Small(), problem(data, unlabelled=data.inputs), schedule(beta=beta), seed=0)
        return curves[-1]["transfer_loss"]

    assert size(100.0) < 0.5 * size(1.0) < 0.5 * size(0.0)
