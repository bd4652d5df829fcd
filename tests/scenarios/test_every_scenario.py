"""The battery that every scenario must pass; a new scenario is tested by being registered."""

import numpy as np
import pytest
import torch

from tlcore.scenarios import SCENARIOS
from tlcore.scenarios.classification import VALIDATE_FROM

PAIRS = [(name, *pair) for name, scenario in SCENARIOS.items() for pair in scenario.pairs]
EVERY_PAIR = pytest.mark.parametrize(("name", "source", "target"), PAIRS)


@EVERY_PAIR
def test_the_split_is_always_the_same_and_shares_no_example(name, source, target):
    domains, again = (SCENARIOS[name].domains(source, target) for _ in range(2))
    np.testing.assert_array_equal(domains.test.inputs, again.test.inputs)
    np.testing.assert_array_equal(domains.pool.answers, again.pool.answers)
    assert set(np.unique(domains.test.answers)) == set(np.unique(domains.pool.answers))
    assert domains.test.inputs.dtype == np.float32


@EVERY_PAIR
def test_the_network_answers_for_every_class(name, source, target):
    scenario = SCENARIOS[name]
    domains = scenario.domains(source, target)
    features, outputs = scenario.network(domains)(torch.from_numpy(domains.test.inputs[:5]))
    assert outputs.shape == (5, len(scenario.classes))
    assert features.shape[0] == 5
    losses = scenario.task_loss(outputs, torch.from_numpy(domains.test.answers[:5]))
    assert losses.shape == (5,)
    assert (losses > 0).all()


@EVERY_PAIR
def test_a_perfect_answer_scores_perfectly(name, source, target):
    scenario = SCENARIOS[name]
    test = scenario.domains(source, target).test
    outputs = 50.0 * np.eye(len(scenario.classes))[test.answers]
    metrics, examples = scenario.evaluate(lambda _: outputs, test, test)
    assert metrics["accuracy"] == metrics["macro_recall"] == 1
    assert metrics["log_loss"] == pytest.approx(0, abs=1e-6)
    for metric in scenario.verdict_metrics:
        assert examples[metric].mean() == pytest.approx(metrics[metric], abs=1e-6)


@EVERY_PAIR
def test_a_budget_is_spent_class_by_class_and_nested(name, source, target):
    pool = SCENARIOS[name].domains(source, target).pool
    largest, spend = SCENARIOS[name].largest_budget, SCENARIOS[name].spend
    for seed in (0, 1):
        smaller: set[bytes] = set()
        for budget in (1, 5, VALIDATE_FROM, largest):
            training, validation = spend(pool, budget, seed)
            counts = np.bincount(training.answers) + np.bincount(
                validation.answers, minlength=len(np.bincount(training.answers))
            )
            assert set(counts[counts > 0]) == {budget}
            assert (len(validation) > 0) == (budget >= VALIDATE_FROM)
            rows = {x.tobytes() for part in (training, validation) for x in part.inputs}
            assert smaller <= rows
            smaller = rows
    assert {x.tobytes() for x in spend(pool, 5, 0)[0].inputs} != {x.tobytes() for x in spend(pool, 5, 1)[0].inputs}


def test_digits_share_no_image_between_pool_and_test():
    domains = SCENARIOS["digits"].domains("mnist", "uci")
    assert (len(domains.source), len(domains.pool), len(domains.test)) == (5000, 1000, 797)
    assert domains.source.inputs.shape[1:] == domains.test.inputs.shape[1:] == (1, 16, 16)
    assert 0 <= domains.test.inputs.min() < domains.test.inputs.max() <= 1
    both = {x.tobytes() for x in domains.pool.inputs} & {x.tobytes() for x in domains.test.inputs}
    assert not both
