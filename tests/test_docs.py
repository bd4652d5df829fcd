"""What the documents promise, executed."""

import re
from pathlib import Path

import pytest

from tlcore.methods import METHODS

ROOT = Path(__file__).parents[1]


def test_the_worked_example_of_a_new_method_runs():
    from tlcore.experiment import Experiment
    from tlcore.trial import execute

    code = re.search(r"```python\n(.*?)```", (ROOT / "docs/add-a-method.md").read_text(encoding="utf-8"), re.S)
    try:
        exec(code[1], {"__name__": "worked_example"})
        held = Experiment.build({"methods": "l1_sp", "lambda": 1.0, "epochs": 5, "seeds": [0]})
        free = Experiment.build({"methods": "l1_sp", "lambda": 0.0, "epochs": 5, "seeds": [0]})
        distance = {
            e.lambda_: execute(next(t for t in e.trials() if t.method.name == "l1_sp")).curves[-1]["regulariser"]
            for e in (held, free)
        }
        assert 0 < distance[1.0] < distance[0.0]
    finally:
        METHODS.pop("l1_sp", None)


def test_the_worked_example_of_a_new_scenario_runs():
    from tlcore.experiment import Experiment
    from tlcore.scenarios import SCENARIOS
    from tlcore.trial import execute

    code = re.search(r"```python\n(.*?)```", (ROOT / "docs/add-a-scenario.md").read_text(encoding="utf-8"), re.S)
    try:
        exec(code[1], {"__name__": "worked_example"})
        accuracy = {}
        for target in ("turned by 30°", "turned by 180°"):
            fields = {"scenario": "moons", "target": target, "methods": "source_only", "seeds": [0], "noise": 0.05}
            trials = Experiment.build(fields).trials()
            accuracy[target] = execute(trials[-1]).metrics["accuracy"]
        assert accuracy["turned by 180°"] < 0.5 < 0.8 < accuracy["turned by 30°"]
    finally:
        SCENARIOS.pop("moons", None)


@pytest.mark.slow
def test_the_worked_example_of_a_new_task_runs():
    """One file for the task, no method changed: those that apply follow from what they need."""
    from tlcore.experiment import Experiment, applicable
    from tlcore.results import Results, TrialRecord
    from tlcore.scenarios import SCENARIOS
    from tlcore.trial import execute

    code = re.search(r"```python\n(.*?)```", (ROOT / "docs/add-a-task.md").read_text(encoding="utf-8"), re.S)
    try:
        exec(code[1], {"__name__": "worked_example"})
        able = applicable(SCENARIOS["eggs"], "inductive")
        assert {"fine_tune", "l2_sp", "mmd", "coral", "kmm", "lora", "adapters", "dann", "pca"} <= {*able}
        assert not {"mcc", "logistic_regression", "tradaboost", "als", "shot"} & {*able}
        names = "source_only,fine_tune,l2_sp,mmd,coral"
        run = Experiment.build({"scenario": "eggs", "methods": names, "budgets": [50], "seeds": 3})
        assert run.trials()[0].method.name == "from_scratch"
        results = Results(run, [TrialRecord(trial, "done", result=execute(trial)) for trial in run.trials()])
        verdicts = results.verdicts.set_index(["method", "budget"])
        assert verdicts.loc[("source_only", 50), "verdict"] == "strongly negative transfer"
        assert verdicts.loc[("source_only", 50), "sentence"].startswith("With 50 labelled examples, source_only costs")
        assert results.trials.groupby(["method", "budget"])["explained"].mean()["fine_tune", 50] > 0.5
    finally:
        SCENARIOS.pop("eggs", None)


def test_every_requirement_says_why_it_is_there():
    reasons = (ROOT / "docs/dependencies.md").read_text(encoding="utf-8").lower()
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    names = [re.split(r"[<>=]", line)[0].strip().lower() for line in lines if line and not line.startswith("#")]
    missing = [name for name in names if not re.search(rf"\b{re.escape(name)}\b", reasons)]
    assert not missing


@pytest.mark.parametrize("page", [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"], ids=lambda p: p.name)
def test_links_between_documents_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_every_column_of_the_trials_is_explained():
    from tlcore.results import TRIAL_COLUMNS
    from tlcore.scenarios import SCENARIOS
    from tlcore.tasks.clusters import Clusters
    from tlcore.tasks.regression import Regression

    first_cells = re.findall(r"^\| ([\w@, …]+) \|", (ROOT / "docs/results.md").read_text(encoding="utf-8"), re.M)
    explained = {name for cell in first_cells for name in cell.split(", ")}
    tasks = [scenario.task for scenario in SCENARIOS.values()]
    metrics = {metric for task in (*tasks, Regression, Clusters) for metric in task.metrics}
    assert {*TRIAL_COLUMNS, *metrics} <= explained


def test_the_page_of_methods_has_them_all_with_what_they_need():
    from benchmarks.methods import facts

    assert facts() in (ROOT / "docs/methods.md").read_text(encoding="utf-8")
