"""The tidy tables of a run."""

import numpy as np
import pytest
from scipy import stats

from tlcore.experiment import Experiment
from tlcore.results import Results, TrialRecord, TrialResult


@pytest.fixture
def results() -> Results:
    """Five seeds of two methods; one trial of each, of different seeds, has no result."""
    experiment = Experiment.build({"methods": "from_scratch,fine_tune", "budgets": "5", "seeds": 5})
    rng, records = np.random.default_rng(0), []
    for trial in experiment.trials():
        right = (rng.random(50) < 0.6).astype(float)
        examples = {"truth": np.arange(50) % 10, "predicted": np.arange(50) % 7, "accuracy": right}
        records.append(TrialRecord(trial, "done", "", TrialResult({"accuracy": right.mean()}, [], examples)))
    for broken in (2, -1):
        records[broken] = TrialRecord(records[broken].trial, "failed", "RuntimeError: it broke")
    return Results(experiment, records)


def test_a_summary_has_the_interval_of_student_s_t(results):
    table = results.summary("accuracy").set_index("method")
    for method, row in table.iterrows():
        values = results.trials.loc[results.trials["method"] == method, "accuracy"].dropna()
        low, high = stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))
        assert (row["seeds"], row["mean"]) == (len(values), pytest.approx(values.mean()))
        assert (row["ci_low"], row["ci_high"]) == (pytest.approx(low), pytest.approx(high))


def test_a_verdict_counts_the_pairs_that_are_done(results):
    trials = results.trials.pivot(index="seed", columns="method", values="accuracy").dropna()
    (verdict,) = results.verdicts.to_dict("records")
    assert (verdict["method"], verdict["seeds"]) == ("fine_tune", 3)
    assert verdict["gap"] == pytest.approx((trials["fine_tune"] - trials["from_scratch"]).mean())


def test_a_confusion_matrix_counts_each_test_example_once_a_seed(results):
    matrix = results.confusion("fine_tune", 5)
    assert matrix.sum() == 4 * 50
    assert matrix[8, 1] == 4 * sum(i % 10 == 8 and i % 7 == 1 for i in range(50))


def test_a_verdict_is_about_transfer():
    """Whoever takes nothing from the source cannot be told that transfer harms."""
    experiment = Experiment.build({"scenario": "films", "methods": "popularity,from_scratch,cmf,frozen", "seeds": 3})
    examples = {"recall@10": np.linspace(0, 1, 20)}
    records = [TrialRecord(trial, "done", "", TrialResult({}, [], examples)) for trial in experiment.trials()]
    assert set(Results(experiment, records).verdicts["method"]) == {"cmf", "frozen"}
