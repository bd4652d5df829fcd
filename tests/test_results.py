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


# Whom a method helps and harms.


def of_groups() -> Results:
    """A method that is better on two labels and worse on the third; rows of two patients, and one without a label."""
    experiment = Experiment.build({"methods": "from_scratch,fine_tune", "budgets": "5", "seeds": 5})
    rng, records = np.random.default_rng(0), []
    truth = np.r_[np.repeat([0, 1, 2], 60), -1]
    gain = np.array([0.35, 0.35, -0.4])[truth[:-1]]
    for trial in experiment.trials():
        better = gain if trial.method.name == "fine_tune" else 0.0
        right = (rng.random(180) < 0.5 + better).astype(np.float32)
        examples = {
            "truth": truth,
            "predicted": truth,
            "accuracy": right,
            "group": np.array(["ann", "bob"] * 90 + ["c"]),
        }
        records.append(TrialRecord(trial, "done", "", TrialResult({"accuracy": right.mean()}, [], examples)))
    return Results(experiment, records)


def test_each_label_and_each_large_group_is_judged_among_its_own_examples():
    results = of_groups()
    table = results.group_verdicts.set_index("group")
    assert dict(table["members"]) == {"label 0": 60, "label 1": 60, "label 2": 60, "group ann": 90, "group bob": 90}
    scores = {
        (r.trial.method.name, r.trial.seed): r.result.examples["accuracy"] for r in results.records
    }  # fmt: skip
    gaps = [(scores["fine_tune", seed] - scores["from_scratch", seed])[120:180] for seed in range(5)]
    assert table.loc["label 2", "gap"] == pytest.approx(np.mean(gaps))
    assert (table["comparisons"] == 5).all()
    assert (table["p_adjusted"] >= table["p_value"]).all()


def test_a_method_that_helps_on_the_whole_and_harms_some_is_warned_of():
    results = of_groups()
    (whole,) = results.verdicts.to_dict("records")
    assert whole["verdict"].startswith("helps")
    (harmed,) = results.harmed.to_dict("records")
    assert harmed["group"] == "label 2"
    assert harmed["sentence"].startswith("Of label 2: With 5 labels a class, fine_tune costs ")


def test_a_method_that_harms_on_the_whole_is_not_warned_of_twice():
    results = of_groups()
    for record in results.records:
        if record.trial.method.name == "fine_tune":
            record.result.examples["accuracy"] = np.zeros(180, np.float32)
    assert len(results.group_verdicts) == 5
    assert results.harmed.empty
