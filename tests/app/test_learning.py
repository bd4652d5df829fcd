"""Where from scratch catches up, and what was forgotten, as they are shown and written: made-up trials, real rooms."""

import json

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from tlcore.experiment import Experiment
from tlcore.report import figures, learning
from tlcore.report.export import save_folder
from tlcore.results import Results, TrialRecord, TrialResult


def made_up(budgets: str = "2,10,50") -> Results:
    """Five seeds of fine-tuning, which leads by little labels, and of two that do not start from the source model."""
    experiment = Experiment.build({"methods": "from_scratch,fine_tune,pooled", "budgets": budgets, "seeds": 5})
    rng, records = np.random.default_rng(0), []
    difficulty = rng.random(500)
    for trial in experiment.trials():
        ends, falls = {"from_scratch": (0.97, 0.8), "fine_tune": (0.9, 0.1), "pooled": (0.4, 0.0)}[trial.method.name]
        right = (0.8 * difficulty + 0.2 * rng.random(500) < ends - falls / trial.budget).astype(float)
        examples = {"truth": np.arange(500) % 10, "predicted": np.arange(500) % 10, "accuracy": right}
        metrics = {"accuracy": right.mean(), **{f"recall_{kind}": 1.0 for kind in range(10)}}
        if trial.method.name == "fine_tune":
            metrics |= {"source_before": 0.95, "source_after": 0.71}
        records.append(TrialRecord(trial, "done", "", TrialResult(metrics, [], examples)))
    return Results(experiment, records)


@pytest.fixture(scope="module")
def results() -> Results:
    return made_up()


def test_results_have_a_row_for_each_method_that_is_judged(results):
    table = results.crossings.set_index("method")
    assert list(table.index) == ["fine_tune", "pooled"]
    assert table.loc["fine_tune", "low"] < 8.75 < table.loc["fine_tune", "high"]  # 0.9 − 0.1/n is 0.98 − 0.8/n
    assert table.loc["pooled", "case"] in ("never behind", "before")


def test_with_two_budgets_there_is_no_row_and_no_file(tmp_path):
    few = made_up("2,10")
    assert len(few.crossings) == 0
    assert "crossings.json" not in {path.name for path in save_folder(few, tmp_path).iterdir()}


def test_the_folder_has_them_as_json(results, tmp_path):
    rows = json.loads((save_folder(results, tmp_path) / "crossings.json").read_text())
    assert [row["method"] for row in rows] == ["fine_tune", "pooled"]
    assert rows[0]["sentence"] == results.crossings["sentence"][0]
    budgets = [budget for budget, _, _ in rows[0]["curves"]]
    assert (budgets[0], budgets[-1]) == (2, 200)


def test_the_figure_shows_what_was_measured_and_the_band(results):
    looks = figures.look(["from_scratch", "fine_tune", "pooled"], "from_scratch")
    row = results.crossings.to_dict("records")[0]
    figure = learning.caught_up(results.summary("accuracy"), row, looks, "accuracy", "labels a class")
    measured = {trace.name: trace for trace in figure.data if trace.name}
    assert measured.keys() == {"from_scratch", "fine_tune"}
    assert list(measured["fine_tune"].x) == [2, 10, 50]
    assert (
        measured["fine_tune"].y[0]
        == results.summary("accuracy").set_index(["method", "budget"])["mean"]["fine_tune", 2]
    )
    (band,) = [shape for shape in figure.layout.shapes if shape.type == "rect"]
    assert (band.x0, band.x1) == (row["low"], row["high"])
    dotted = [trace for trace in figure.data if trace.mode == "lines" and trace.line.dash == "dot"]
    assert all(50 >= trace.x[0] > 40 and trace.x[-1] == 200 for trace in dotted)


def shown() -> None:
    from pages.parts.crossing import caught_up
    from pages.parts.forgotten import forgotten
    from tests.app.test_learning import made_up

    results = made_up()
    caught_up(results)
    for method in ("fine_tune", "pooled"):
        forgotten(results, method, 10)


def test_the_page_says_it_in_the_same_words_and_what_was_forgotten(results):
    app = AppTest.from_function(shown, default_timeout=60).run()
    assert not app.exception
    (said,) = [part.value for part in app.markdown if "catches up" in part.value]
    assert said == "\n".join(f"- {sentence}" for sentence in results.crossings["sentence"])
    (metric,) = app.metric
    assert (metric.label, metric.value, metric.delta) == (
        "Accuracy on the source, before → after",
        "0.95 → 0.71",
        "-0.24",
    )
