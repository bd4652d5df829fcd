"""What a run is said to take: by earlier runs of its like, and before the first by what the scenario knows."""

import pytest
import sqlalchemy as sa

from tests.lab.conftest import environment
from tlcore import lab
from tlcore.experiment import Experiment
from tlcore.lab.schema import TRIALS
from tlcore.lab.store import open_store
from tlcore.methods import METHODS

DIGITS = {"methods": "from_scratch,fine_tune", "budgets": [5, 20], "seeds": 4}
TEXTS = {"scenario": "sentiment", "source": "pretraining", "target": "tweet", "budgets": [4], "seeds": 1}


@pytest.fixture(autouse=True)
def own_store(tmp_path):
    settings = {"TRANSFER_LAB_STORE": f"sqlite:///{tmp_path / 'runs.sqlite'}", "TRANSFER_LAB_WORKERS": "2"}
    with environment(settings):
        yield


@pytest.fixture(autouse=True)
def two_workers(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setattr(lab, "engine_status", lambda: {"running": False})


def experiment(**fields):
    return Experiment.build({**DIGITS, **fields})


def took(seconds, **fields):
    """Keep a run whose trials took so long: seconds by method and budget."""
    store = open_store(lab.store_url())
    run_id = store.add(experiment(**fields))
    with sa.create_engine(lab.store_url()).begin() as connection:
        for row in connection.execute(sa.select(TRIALS).where(TRIALS.c.run_id == run_id)).all():
            label = next(
                t.method.label for t in experiment(**fields).trials() if t.method.model_dump_json() == row.method
            )
            connection.execute(
                TRIALS.update()
                .where(TRIALS.c.id == row.id)
                .values(status="done", started=100.0, finished=100.0 + seconds[label, row.budget])
            )


TIMES = {("from_scratch", 5): 1.0, ("from_scratch", 20): 2.0, ("fine_tune", 5): 4.0, ("fine_tune", 20): 9.0}


def test_nothing_is_said_of_what_nobody_knows():
    assert lab.forecast(experiment()) is None


def test_each_method_and_budget_takes_what_it_took_before():
    took(TIMES)
    assert lab.forecast(experiment()) == pytest.approx(4 * (1 + 2 + 4 + 9) / 2)
    assert lab.forecast(experiment(methods="from_scratch", budgets=20)) == pytest.approx(4 * 2 / 2)


def test_a_run_takes_no_less_than_its_longest_trial():
    took(TIMES)
    assert lab.forecast(experiment(seeds=1, methods="from_scratch,fine_tune", budgets=20)) == pytest.approx(9)


def test_what_is_unknown_takes_as_long_as_the_rest_on_average():
    took(TIMES)
    assert lab.forecast(experiment(methods="from_scratch,l2_sp", budgets=20)) == pytest.approx(4 * (2 + 2) / 2)


def test_runs_with_other_settings_count_less():
    took(TIMES)
    took({key: 10 * seconds for key, seconds in TIMES.items()}, epochs=50)
    assert lab.forecast(experiment(epochs=50)) == pytest.approx(10 * lab.forecast(experiment()))


@pytest.mark.parametrize(("method", "least", "most"), [("frozen", 1, 20), ("lora", 3, 60), ("small_network", 1, 20)])
def test_before_the_first_run_about_texts_the_multiplications_are_counted(method, least, most):
    said = lab.forecast(Experiment.build({**TEXTS, "methods": method}))
    assert least < said < most


def test_of_an_encoder_without_a_card_only_the_rest_is_forecast():
    build = Experiment.build({**TEXTS, "methods": "lora,frozen", "encoder": "/some/folder"})
    domains = build.domains()
    assert build.where.cost(METHODS["lora"](), 4, domains) is None
    assert build.where.cost(METHODS["frozen"](), 4, domains) is not None


def test_what_trains_the_encoder_takes_longer_with_labels_and_with_longer_texts():
    cost = {
        (target, method, budget): scenario.cost(METHODS[method](), budget, experiment.domains())
        for target in ("tweet", "drug-reviews")
        for experiment in [Experiment.build({**TEXTS, "target": target})]
        for scenario in [experiment.where]
        for method in ("lora", "fine_tune", "best_from_scratch", "frozen", "logistic_regression")
        for budget in (2, 10, 50)
    }
    for target in ("tweet", "drug-reviews"):
        for method in ("lora", "fine_tune", "best_from_scratch"):
            assert cost[target, method, 2] < cost[target, method, 10] < cost[target, method, 50]
    assert cost["drug-reviews", "lora", 10] > 3 * cost["tweet", "lora", 10]
    assert cost["tweet", "lora", 50] > 20 * cost["tweet", "frozen", 50]
