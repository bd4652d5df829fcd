"""What was forgotten of the source."""

from collections.abc import Iterator
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pytest

from tlcore import forgotten, trial
from tlcore.examples import Domains, Examples
from tlcore.experiment import Experiment
from tlcore.methods import METHODS
from tlcore.scenarios import SCENARIOS
from tlcore.scenarios.vision import Digits
from tlcore.tasks.classification import Classification

SHORT = {"budgets": "5", "seeds": [0], "epochs": 8}
FEW = 1200
"""Source examples, enough to learn a lot from in a second."""


def a_source(n: int, kinds: int = 4, groups: int | None = None) -> Domains:
    answers = np.arange(n) % kinds
    inputs = np.random.default_rng(0).random((n, 3)).astype(np.float32)
    source = Examples(inputs, answers, None if groups is None else np.arange(n) * groups // n)
    return Domains(source, source[:20], source[:20], kinds)


@pytest.fixture(scope="module", autouse=True)
def digits() -> Iterator[Domains]:
    """Some MNIST digits, and scans."""
    whole = Digits().domains("mnist", "uci")
    few = replace(whole, source=whole.source[:: len(whole.source) // FEW][:FEW], test=whole.test[:200])
    with patch.object(Digits, "domains", lambda *_: few):
        yield few


@pytest.fixture(scope="module")
def results() -> dict[str, dict[str, float]]:
    methods = "source_only,fine_tune,frozen,pooled,feature_extraction"
    trials = Experiment.build({"methods": methods, **SHORT}).trials()
    return {one.method.name: trial.execute(one).metrics for one in trials}


def test_the_source_model_as_it_is_forgets_nothing(results):
    assert results["source_only"]["source_after"] == results["source_only"]["source_before"] > 0.7


def test_fine_tuning_on_another_domain_forgets(results):
    before, after = (results["fine_tune"][name] for name in ("source_before", "source_after"))
    assert before == results["source_only"]["source_before"]
    assert before - after > 0.05


def test_a_new_head_has_no_answers_for_the_source(results):
    """Nor has what does not start from the source model."""
    without = {name for name, metrics in results.items() if "source_after" not in metrics}
    assert without == {"from_scratch", "pooled", "feature_extraction"}


def test_what_learns_a_start_of_its_own_has_no_head_for_the_source():
    able = {name for name, method in METHODS.items() if forgotten.can_forget(method())}
    assert {"fine_tune", "source_only", "l2_sp", "tent", "dann"} <= able
    assert not {"prototypical", "maml", "reptile", "coral", "from_scratch"} & able


@pytest.mark.parametrize("method", ["fine_tune", "mmd"])
def test_what_is_set_aside_is_never_learned_from(method, digits):
    """With its answers and inputs turned round, a trial answers the same bits; what it scores there alone changes."""
    spec = {"methods": method, **SHORT, "epochs": 3}
    (one,) = [each for each in Experiment.build(spec).trials() if each.method.name == method]
    first = trial.execute(one)
    aside = Digits.task.aside(digits.source, forgotten.SHARE, forgotten.SEED)
    answers = np.where(aside, 9 - digits.source.answers, digits.source.answers)
    inputs = np.where(aside[:, None, None, None], digits.source.inputs[..., ::-1], digits.source.inputs)
    turned = replace(digits, source=Examples(inputs, answers))
    with (
        patch.object(Digits, "domains", lambda *_: turned),
        patch.object(Classification, "aside", lambda *_: aside),
        patch("tlcore.artefacts.code_version", lambda *_: f"nothing kept from before {method}"),
    ):
        second = trial.execute(one)
    assert np.array_equal(first.examples["log_loss"], second.examples["log_loss"])
    assert first.metrics["source_before"] - second.metrics["source_before"] > 0.2


def test_each_class_spares_its_share():
    domains = forgotten.set_aside(Digits.task, a_source(2000))
    assert domains.source_aside is not None
    assert np.bincount(domains.source_aside.answers).tolist() == [25] * 4
    rows = [{*map(bytes, part.inputs)} for part in (domains.source, domains.source_aside)]
    assert not rows[0] & rows[1]
    assert len(rows[0] | rows[1]) == 2000


@pytest.mark.parametrize("n", [10_000, 50_000])
def test_of_a_large_source_no_more_is_spared_than_is_quickly_scored(n):
    aside = forgotten.set_aside(Digits.task, a_source(n)).source_aside
    assert len(aside) == Digits.task.spared


def test_groups_are_spared_whole_or_not_at_all():
    domains = forgotten.set_aside(Digits.task, a_source(2000, groups=100))
    assert 0 < len(domains.source_aside) <= 200
    assert not np.intersect1d(domains.source.groups, domains.source_aside.groups).size
    assert forgotten.set_aside(Digits.task, a_source(2000, groups=3)).source_aside is None


@pytest.mark.parametrize("scenario", ["features", "films"])
def test_where_no_network_has_a_head_for_both_domains_nothing_is_set_aside(scenario):
    domains = a_source(2000)
    assert forgotten.set_aside(SCENARIOS[scenario].task, domains) is domains


def test_a_small_source_needs_all_of_its_examples():
    domains = a_source(forgotten.SET_ASIDE_FROM - 1)
    assert forgotten.set_aside(Digits.task, domains) is domains
