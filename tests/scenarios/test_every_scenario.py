"""The battery that every scenario must pass; a new scenario is tested by being registered."""

import numpy as np
import pytest
import torch

from tlcore.examples import PRETRAINING
from tlcore.scenarios import SCENARIOS

PAIRS = [
    (name, *pair)
    for name, scenario in SCENARIOS.items()
    for pair in scenario.pairs
    if not scenario.remote(*pair)  # what comes over a network: tests/datasets/test_remote.py
]


def each(pairs: list[tuple[str, str, str]]) -> pytest.MarkDecorator:
    """Mark a test as being for each of these pairs; all tests of a pair follow each other, while its data are there.

    Slow are those of a scenario that can start from a pretraining: its network and its data are large.
    """
    large = {name for name, source, _ in PAIRS if source == PRETRAINING}
    marked = [pytest.param(*pair, marks=pytest.mark.slow if pair[0] in large else ()) for pair in pairs]
    return pytest.mark.parametrize(("name", "source", "target"), marked, scope="module")


def every_domain_once() -> list[tuple[str, str, str]]:
    """Pairs in which each domain of a scenario stands at least once on each side that it can stand on."""
    chosen, met = [], set()
    for name, source, target in PAIRS:
        sides = {(name, "source", source), (name, "target", target)}
        if not sides <= met:
            chosen.append((name, source, target))
            met |= sides
    return chosen


EVERY_PAIR = each(PAIRS)
EVERY_DOMAIN = each(every_domain_once())  # networks of texts and pictures read all of both domains first
CLASSIFICATION = each([pair for pair in PAIRS if SCENARIOS[pair[0]].task.name == "classification"])


@EVERY_PAIR
def test_the_split_is_always_the_same(name, source, target):
    domains, again = (SCENARIOS[name].domains(source, target) for _ in range(2))
    np.testing.assert_array_equal(domains.test.inputs, again.test.inputs)
    np.testing.assert_array_equal(domains.pool.answers, again.pool.answers)
    assert domains.test.inputs.dtype in (np.float32, np.int64)
    if not len(domains.source):
        assert SCENARIOS[name].start(domains).cut(1)[0]  # what is pretrained stands for the source
    if SCENARIOS[name].task.name in ("classification", "ranking"):
        for examples, answers in (
            (domains.source, range(domains.first_target_answer or domains.answers)),
            (domains.pool, range(domains.first_target_answer, domains.answers)),
            (domains.test, range(domains.first_target_answer, domains.answers)),
        ):
            assert set(np.unique(examples.answers)) <= set(answers)


@EVERY_DOMAIN
def test_the_network_answers_for_every_answer_there_is(name, source, target):
    scenario = SCENARIOS[name]
    domains = scenario.domains(source, target)
    domains = scenario.task.measured(domains, domains.pool)
    features, outputs = scenario.network(domains)(torch.from_numpy(domains.test.inputs[:5]))
    assert features.ndim == 2
    assert len(features) == len(outputs) == 5
    losses = scenario.task.loss(domains)(outputs, torch.from_numpy(domains.test.answers[:5]))
    assert losses.shape == (5,)
    assert (losses > 0).all()
    if scenario.task.name not in ("ranking", "detection"):  # a perfect answer costs least
        perfect = torch.from_numpy(perfect_outputs(scenario, domains)[:5]).float()
        assert (scenario.task.loss(domains)(perfect, torch.from_numpy(domains.test.answers[:5])) < losses).all()


def perfect_outputs(scenario, domains) -> np.ndarray:
    """Outputs (n, ...) that say exactly what is true of the test examples."""
    answers = domains.test.answers
    if scenario.task.drawn == "boxes":
        return outputs_of_boxes(scenario, domains)
    return (
        answers[:, None] if answers.dtype.kind == "f" else 50.0 * np.moveaxis(np.eye(domains.answers)[answers], -1, 1)
    )


def outputs_of_boxes(scenario, domains) -> np.ndarray:
    """What a detector says that knows the boxes: at one place for each, one on top of the other."""
    answers, size = domains.test.answers, scenario.size
    outputs = np.zeros((*answers.shape[:2], domains.answers + 8), np.float32)
    outputs[..., : domains.answers + 1] = -50.0
    outputs[..., -3:-1], outputs[..., -1] = size / 2, size  # one place for all of the picture
    picture, row = np.nonzero((answers[..., 4] >= 0) & (answers[..., 5] == 0))
    kinds = answers[picture, row, 4].astype(int)
    outputs[picture, row, kinds] = outputs[picture, row, domains.answers] = 50.0
    outputs[picture, row, -7:-5] = 0.5 - answers[picture, row, :2] / size
    outputs[picture, row, -5:-3] = answers[picture, row, 2:4] / size - 0.5
    return outputs


@EVERY_PAIR
def test_a_perfect_answer_scores_perfectly(name, source, target):
    scenario = SCENARIOS[name]
    domains = scenario.domains(source, target)
    domains = scenario.task.measured(domains, domains.pool)
    outputs = perfect_outputs(scenario, domains)
    row = {inputs.tobytes(): outputs[i] for i, inputs in enumerate(domains.test.inputs)}
    training, _ = scenario.task.spend(domains.pool, 1, 0)
    metrics, examples = scenario.task.evaluate(
        lambda inputs: np.array([row[one.tobytes()] for one in inputs]), domains, training
    )
    best = {True: 1.0, False: 0.0}
    for metric in scenario.task.headline:
        known = scenario.task.metrics[metric]
        assert metrics[metric] == pytest.approx(best[known.higher_is_better], abs=1e-9)
    assert metrics.keys() >= scenario.task.metrics.keys()
    for metric in scenario.task.verdict_metrics:
        assert examples[metric].mean() == pytest.approx(metrics[metric], abs=1e-6)


@EVERY_PAIR
def test_a_budget_is_nested_and_a_seeds_own(name, source, target):
    scenario = SCENARIOS[name]
    domains = scenario.domains(source, target)
    pool, most = domains.pool, scenario.task.affordable(domains)

    def spent(budget, seed):
        parts = scenario.task.spend(pool, budget, seed)
        return {(x.tobytes(), y.tobytes()) for part in parts for x, y in zip(part.inputs, part.answers, strict=True)}

    assert not spent(0, 0)
    assert spent(1, 0) < spent(5, 0) < spent(most, 0)
    assert spent(5, 0) != spent(5, 1)


@CLASSIFICATION
def test_a_budget_is_spent_class_by_class(name, source, target):
    scenario = SCENARIOS[name]
    domains = scenario.domains(source, target)
    pool, most = domains.pool, scenario.task.affordable(domains)
    for budget in (1, 5, 50, most):
        training, validation = scenario.task.spend(pool, budget, 0)
        counts = np.bincount(np.concatenate([training.answers, validation.answers]))
        assert set(counts[counts > 0]) == {budget}
        assert (len(validation) > 0) == (budget >= scenario.task.validate_from)


def test_digits_share_no_image_between_pool_and_test():
    domains = SCENARIOS["digits"].domains("mnist", "uci")
    assert (len(domains.source), len(domains.pool), len(domains.test)) == (5000, 1000, 797)
    assert domains.source.inputs.shape[1:] == domains.test.inputs.shape[1:] == (1, 16, 16)
    assert 0 <= domains.test.inputs.min() < domains.test.inputs.max() <= 1
    both = {x.tobytes() for x in domains.pool.inputs} & {x.tobytes() for x in domains.test.inputs}
    assert not both
