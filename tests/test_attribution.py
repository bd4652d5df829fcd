"""What is said of words agrees with gradients taken by hand, and with the model asked again."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from tlcore.attribution import by_gradients, by_leaving_out, margin, without_each_word, words_of
from tlcore.backbones.text import Lookup, WordCNN, hashed_words, read
from tlcore.experiment import Experiment
from tlcore.methods import METHODS
from tlcore.methods.base import Seen
from tlcore.trial import execute, explain

TEXT = "not good, I'd say 很好"


def test_words_and_signs_are_found_where_they_stand():
    assert [TEXT[start:end] for start, end in words_of(TEXT)] == ["not", "good", ",", "I'd", "say", "很", "好"]
    assert without_each_word("a b!") == [" b!", "a !", "a b"]


def test_the_margin_is_the_log_odds_of_two_classes_whatever_the_softmax_takes_off():
    outputs = np.array([[1.0, 3.0], [0.0, -1.0]])
    probability = np.exp(outputs)[:, 1] / np.exp(outputs).sum(1)
    np.testing.assert_allclose(margin(outputs, 1), np.log(probability / (1 - probability)))
    np.testing.assert_allclose(margin(outputs + 5, 1), margin(outputs, 1))
    assert margin(np.array([[1.0, 2.0, 6.0]]), 2) == pytest.approx(4.5)


@pytest.fixture
def network() -> nn.Sequential:
    torch.manual_seed(0)
    body = WordCNN()
    lookup = Lookup(*hashed_words(["of another length altogether, this one", TEXT], 128))
    return nn.Sequential(lookup, body, nn.Linear(body.features, 3))


def test_the_parts_add_up_to_the_margin_above_that_of_padding(network):
    parts = by_gradients(network, 1, TEXT, 2)
    rows = network[0](torch.tensor([1]))
    with torch.no_grad():
        full, empty = (margin(network[1:](some), 2) for some in (rows, torch.zeros_like(rows)))
    assert sum(value for *_, value in parts) == pytest.approx(float(full - empty), rel=0.05)
    assert [TEXT[start:end] for start, end, value in parts if value == 0] == [","]  # it has no vector


@pytest.mark.slow
def test_integrated_gradients_are_those_taken_by_hand():
    """A midpoint sum over many steps, with torch alone, through the pretrained encoder."""
    text = "An unwatchable film, and yet delightful."
    reading = read("minilm-l6", [text], 64)
    encoder = reading.encoder(True).eval()
    torch.manual_seed(0)
    layers = nn.Sequential(Lookup(reading.rows, reading.spans), encoder, nn.Linear(encoder.features, 2))
    parts = {text[start:end]: value for start, end, value in by_gradients(layers, 0, text, 1)}

    rows = torch.from_numpy(reading.rows).long()
    table = encoder.model.get_input_embeddings()
    vectors, padding = table(rows - 1).detach(), table(torch.zeros_like(rows)).detach()
    total = torch.zeros(rows.shape[1])
    for step in range(100):
        some = (padding + (step + 0.5) / 100 * (vectors - padding)).requires_grad_()
        states = encoder.model(inputs_embeds=some, attention_mask=(rows > 0).long()).last_hidden_state
        outputs = layers[2](nn.functional.normalize(states.mean(1), dim=1))
        (slope,) = torch.autograd.grad((outputs[:, 1] - outputs[:, 0]).sum(), some)
        total += ((vectors - padding) * slope).sum(-1)[0] / 100
    expected: dict[str, float] = {}
    for (start, end), value in zip(reading.spans(text), total.tolist(), strict=True):
        word = next((text[a:b] for a, b in words_of(text) if a <= (start + end) / 2 < b and end > start), "")
        expected[word] = expected.get(word, 0) + value
    expected.pop("")  # marks of beginning and end
    assert expected.keys() == parts.keys()
    assert len(reading.spans(text)) > len(parts) + 2  # a word of several tokens is among them
    largest = max(map(abs, expected.values()))
    for word, value in parts.items():
        assert value == pytest.approx(expected[word], abs=0.05 * largest)


def test_leaving_out_is_the_difference_to_the_text_without_the_word():
    outputs = np.array([[0.0, 2.0], [0.0, 0.5], [1.0, 2.0]])
    assert by_leaving_out(outputs, "a b", 1) == [(0, 1, 1.5), (2, 3, 1.0)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "how"),
    [("frozen", "integrated gradients"), ("feature_extraction", "integrated gradients"), ("coral", "leaving out")],
)
def test_the_answer_explained_is_the_one_that_was_given(method, how):
    spec = {"scenario": "sentiment", "source": "tweet", "target": "drug-reviews", "encoder": "glove-6b-50d"}
    experiment = Experiment.build({**spec, "methods": method, "budgets": 5, "seeds": 1})
    trial = experiment.trials()[-1]
    examples = execute(trial).examples
    truth, predicted = examples["truth"], examples["predicted"]
    row = int(np.flatnonzero(truth != predicted)[0])
    explanation = explain(trial, row)
    assert explanation.by == how
    assert np.argmax(explanation.probabilities) == predicted[row]
    assert -np.log(explanation.probabilities[truth[row]]) == pytest.approx(examples["log_loss"][row], rel=1e-4)
    domains = experiment.domains()
    text = domains.input_names[domains.test.inputs[row]]
    assert [part[:2] for part in explanation.parts] == words_of(text)


def test_each_word_left_out_is_asked_of_the_model_that_was_trained():
    spec = {"scenario": "sentiment", "source": "pretraining", "target": "tweet", "budgets": 50, "seeds": 1}
    experiment = Experiment.build({**spec, "methods": "logistic_regression"})
    trial, scenario, domains = experiment.trials()[-1], experiment.where, experiment.domains()
    row = next(
        row for row, number in enumerate(domains.test.inputs) if len(words_of(domains.input_names[number])) == 20
    )
    number, truth = int(domains.test.inputs[row]), int(domains.test.answers[row])
    explanation = explain(trial, row)

    text = domains.input_names[number]
    shorter = [text[:start] + text[end:] for start, end, _ in explanation.parts]
    raw = scenario.raw(replace(domains, input_names=(*domains.input_names, *shorter)))
    training, _ = scenario.task.spend(domains.pool, trial.budget, trial.seed)
    known = replace(training, inputs=raw(training.inputs))
    lend = partial(scenario.task.learner, domains=domains, seed=trial.seed)
    seen = replace(Seen.labelled(None, known, 2, trial.seed), lend=lend)
    learned = METHODS["logistic_regression"]().solve(seen)
    added = len(domains.input_names) + np.arange(len(shorter))
    outputs = learned.predict(raw(np.array([number, *added])))
    odds = outputs[:, truth] - outputs[:, 1 - truth]
    np.testing.assert_allclose([value for *_, value in explanation.parts], odds[0] - odds[1:], atol=1e-6)
    assert np.ptp(odds) > 0.01
