"""Runs carried out by a real engine process, and what it survives."""

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import psutil
import pytest
import sqlalchemy as sa

from tests.lab.conftest import environment, tiny, until
from tlcore import lab
from tlcore.errors import SpecificationError
from tlcore.evaluation.looks import LOOKS
from tlcore.experiment import Experiment, Trial
from tlcore.lab.schema import TRIALS

REPOSITORY = Path(__file__).parents[2]


def statuses(run_id):
    return [record.status for record in lab.results(run_id).records]


def running(run_id):
    return lab.read(run_id).counts["running"]


def worker_of(run_id):
    """The process that carries out a trial of the run now."""
    query = sa.select(TRIALS.c.pid).where(TRIALS.c.run_id == run_id, TRIALS.c.status == "running")
    with sa.create_engine(lab.store_url()).connect() as connection:
        return connection.scalars(query).first()


def slow_run(trials):
    """A run whose trials take seconds each, at work now."""
    run_id = lab.submit(tiny("from_scratch,slow", seeds=trials, epochs=20))
    until(lambda: lab.read(run_id).counts["done"] and running(run_id), 30)  # in this order: what runs then is slow
    return run_id


def test_a_run_gives_results_with_verdicts(engine):
    changes = []
    run_id = lab.submit(tiny("from_scratch,fine_tune", seeds=3))

    info = lab.wait(run_id, on_change=changes.append)

    assert (info.status, info.error, info.counts["done"]) == ("done", "", 6)
    assert changes[0].status == "queued"
    assert changes[-1] == info
    results = lab.results(run_id)
    assert [record.trial for record in results.records] == info.experiment.trials()
    assert results.trials["accuracy"].between(0, 1).all()
    assert list(results.verdicts["method"]) == ["fine_tune"]
    assert len(results.records[0].result.examples["truth"]) == 797


def test_the_same_experiment_gives_the_same_figures_again(engine):
    first, second = (lab.run(tiny("from_scratch,fine_tune"), workers=1) for _ in range(2))

    np.testing.assert_array_equal(first.trials["log_loss"], second.trials["log_loss"])


def test_a_failing_trial_leaves_the_others_alone(engine):
    results = lab.run(tiny("from_scratch,broken", seeds=2))

    trials = results.trials
    assert list(trials["status"]) == ["done", "failed"] * 2
    assert set(trials[trials["method"] == "broken"]["error"]) == {"RuntimeError: broken on purpose"}
    assert "Traceback" in Path(engine["log"]).read_text()


def test_a_trial_that_takes_its_worker_down_fails_alone_after_three_attempts(engine):
    run_id = lab.submit(tiny("from_scratch,deadly", seeds=2))

    info = lab.wait(run_id)

    assert info.status == "done"
    assert statuses(run_id) == ["done", "failed"] * 2
    assert info.error == "worker lost 3 times"


def test_a_killed_worker_costs_one_attempt(engine):
    run_id = slow_run(trials=1)
    worker = worker_of(run_id)

    os.kill(worker, signal.SIGKILL)

    assert lab.wait(run_id).counts["done"] == 2


def test_the_number_of_trials_at_once_is_kept(engine):
    most = []
    run_id = lab.submit(tiny("from_scratch,slow", seeds=2, epochs=5), workers=1)

    lab.wait(run_id, poll=0.02, on_change=lambda info: most.append(info.counts["running"]))

    assert max(most) == 1


def test_quick_trials_do_not_wait_for_slow_ones_of_which_that_is_known(engine):
    methods = [{"name": "slow", "settings": {"seconds": 0.4}}, {"name": "frozen"}]
    run_id = lab.submit(tiny(["from_scratch", *methods], seeds=3), workers=1)

    lab.wait(run_id)

    query = sa.select(TRIALS.c.method, TRIALS.c.seed).where(TRIALS.c.run_id == run_id).order_by(TRIALS.c.started)
    with sa.create_engine(lab.store_url()).connect() as connection:
        order = [(json.loads(method)["name"], seed) for method, seed in connection.execute(query)]
    assert {*order[:3]} == {("from_scratch", 0), ("slow", 0), ("frozen", 0)}
    assert order[3:] == [
        ("from_scratch", 1), ("from_scratch", 2), ("frozen", 1), ("frozen", 2), ("slow", 1), ("slow", 2),
    ]  # fmt: skip


def test_cancel_ends_a_run_within_seconds_and_resume_carries_out_the_rest_only(engine):
    run_id = slow_run(trials=2)
    before, worker = lab.results(run_id), worker_of(run_id)

    lab.cancel(run_id)

    assert until(lambda: lab.read(run_id).ended, 5) < 5
    info = lab.read(run_id)
    assert info.status == "cancelled"
    assert info.counts["done"] + info.counts["cancelled"] == 4
    lab.resume(run_id)
    assert lab.wait(run_id).counts["done"] == 4
    for old, new in zip(before.records, lab.results(run_id).records, strict=True):
        if old.result:
            assert old.result.metrics == new.result.metrics  # its seconds, too
    assert psutil.pid_exists(worker)  # it had stopped when asked, and was not ended


def test_a_trial_that_does_not_answer_is_ended_with_its_process(engine):
    run_id = lab.submit(tiny("from_scratch,stubborn"))
    until(lambda: statuses(run_id) == ["done", "running"], 30)
    worker = worker_of(run_id)

    lab.cancel(run_id)

    assert until(lambda: lab.read(run_id).ended, 5) < 5
    assert statuses(run_id) == ["done", "cancelled"]
    until(lambda: not psutil.pid_exists(worker), 5)
    assert lab.run(tiny("from_scratch")).trials["status"].eq("done").all()


def test_a_run_survives_its_engine_and_leaves_no_process_behind(engine):
    run_id = slow_run(trials=2)
    family = [psutil.Process(engine["pid"]), *psutil.Process(engine["pid"]).children(recursive=True)]
    assert len(family) > 2

    os.kill(engine["pid"], signal.SIGKILL)

    until(lambda: not any(process.is_running() and process.status() != "zombie" for process in family), 20)
    assert not lab.engine_status()["running"]
    info = lab.wait(run_id)  # sees that the engine is gone, and starts one
    assert (info.status, info.counts["done"]) == ("done", 4)


def test_stopping_the_engine_puts_its_work_back_and_the_next_one_finishes_it(engine):
    run_id = slow_run(trials=2)

    lab.stop_engine()

    assert not lab.engine_status()["running"]
    assert running(run_id) == 0
    lab.start_engine()
    assert lab.wait(run_id).counts["done"] == 4


def test_starting_the_engine_twice_is_starting_it_once(engine):
    polite = [sys.executable, "-c", "from tlcore import lab; lab.start_engine()"]
    blunt = [sys.executable, "-m", "tlcore.lab.engine"]
    starters = [subprocess.Popen(command, cwd=REPOSITORY) for command in (polite, blunt, blunt)]

    assert [starter.wait(timeout=30) for starter in starters] == [0, 0, 0]
    assert lab.engine_status() == engine


def test_an_idle_engine_that_runs_older_code_is_replaced_and_a_busy_one_is_not(engine, home):
    run_id = slow_run(trials=1)
    record = json.loads((home / "engine.json").read_text())
    (home / "engine.json").write_text(json.dumps({**record, "code": "older"}))
    lab.start_engine()
    assert lab.engine_status()["pid"] == engine["pid"]
    lab.cancel(run_id)
    lab.wait(run_id)

    lab.submit(tiny("from_scratch"))

    assert lab.engine_status()["pid"] != engine["pid"]


def test_an_engine_that_finds_no_cluster_is_given_up(tmp_path):
    settings = {"TRANSFER_LAB_HOME": str(tmp_path), "TRANSFER_LAB_SCHEDULER": "nonsense://127.0.0.1:1"}
    with environment(settings):
        run_id = lab.submit(tiny("from_scratch"))
        with pytest.raises(SpecificationError, match=r"it ends again and again; see .*engine\.log"):
            lab.wait(run_id)


def test_an_engine_with_nothing_to_do_ends_by_itself(tmp_path):
    with environment({"TRANSFER_LAB_HOME": str(tmp_path), "TRANSFER_LAB_IDLE": "0.2", "TRANSFER_LAB_WORKERS": "1"}):
        lab.start_engine()
        until(lambda: not lab.engine_status()["running"], 40)
        assert not (tmp_path / "engine.json").exists()


def test_an_engine_that_cannot_start_says_why(tmp_path):
    (tmp_path / "runs.sqlite").write_text("not a database " * 1000)
    with (
        environment({"TRANSFER_LAB_HOME": str(tmp_path)}),
        pytest.raises(SpecificationError, match="not a database"),
    ):
        lab.start_engine()


@pytest.mark.parametrize(
    ("name", "value"),
    [("TRANSFER_LAB_WORKERS", "0"), ("TRANSFER_LAB_WORKERS", "many"), ("TRANSFER_LAB_IDLE", "-1")],
)
def test_a_setting_that_cannot_be_is_said_in_one_line(tmp_path, name, value):
    with environment({"TRANSFER_LAB_HOME": str(tmp_path), name: value}), pytest.raises(SpecificationError, match=name):
        lab.start_engine()


def test_the_facade_and_the_command_line_are_there_without_torch():
    check = (
        "import sys, tlcore.lab, tlcore.__main__; assert not {'torch', 'distributed', 'sqlalchemy'} & {*sys.modules}"
    )
    assert subprocess.run([sys.executable, "-c", check], cwd=REPOSITORY, check=False).returncode == 0


def open_at_first(methods="from_scratch,source_only,frozen", **fields):
    """An experiment of which three seeds show that frozen helps, and not whether source_only does."""
    return tiny(methods, **{"seeds": 3, **fields})


def seeds_of(run_id):
    """How many seeds each method has, none of them twice."""
    trials = [record.trial for record in lab.results(run_id).records]
    assert len({trial.key for trial in trials}) == len(trials)
    return Counter(trial.method.name for trial in trials)


def decided_as_it_should(run_id):
    """Whether each method has the seeds of the look that decided it and no more, and no look wants further ones."""
    info, results, seeds = lab.read(run_id), lab.results(run_id), seeds_of(run_id)
    judged = dict(zip(results.verdicts["method"], results.verdicts["seeds"], strict=True))
    return (
        (info.status, info.counts["done"]) == ("done", sum(seeds.values()))
        and not results.wanted()
        and seeds == judged | {"from_scratch": info.seeds}
        and info.seeds == max(judged.values())
        and info.seeds in LOOKS[1:]
    )


def test_a_run_until_decided_goes_on_with_what_is_open_and_ends(engine):
    looks = []
    run_id = lab.submit(open_at_first(until="decided"))

    lab.wait(run_id, on_change=lambda info: looks.append(info.look))

    assert decided_as_it_should(run_id)
    assert max(seeds_of(run_id).values()) > 3
    assert looks[0] == (1, 5)
    assert looks == sorted(looks)
    assert looks[-1] > (1, 5)


@pytest.fixture
def pondering(engine, home, request):
    """A run whose trials have ended, and whose verdicts somebody looks at for as long as the file is there."""
    file, epochs = home / "ponder", getattr(request, "param", 1)
    file.touch()
    run_id = lab.submit(open_at_first("from_scratch,source_only,pensive", until="decided", epochs=epochs))
    until(lambda: lab.read(run_id).counts["done"] == 9, 30)
    assert lab.read(run_id).status == "running"
    yield run_id, file
    file.unlink(missing_ok=True)


def test_an_engine_killed_while_it_looks_leaves_the_look_to_the_next_one(engine, pondering):
    run_id, file = pondering
    os.kill(lab.engine_status()["pid"], signal.SIGKILL)
    until(lambda: not lab.engine_status()["running"], 20)
    file.unlink()

    lab.wait(run_id)

    assert decided_as_it_should(run_id)


@pytest.fixture
def artefacts(home):
    """The artefacts that are there, and how many have come since the test began."""
    before = {*(home / "artefacts").glob("*.safetensors")}
    return lambda: len({*(home / "artefacts").glob("*.safetensors")} - before)


@pytest.mark.parametrize("pondering", [2], indirect=True)
def test_a_run_whose_verdicts_are_looked_at_has_its_next_source_models_made_and_can_be_cancelled(
    artefacts, engine, pondering
):
    run_id, file = pondering
    until(lambda: artefacts() == 5, 30)  # of seeds 0, 1, 2, and of those that the next look adds

    lab.cancel(run_id)

    assert lab.read(run_id).status == "cancelled"
    file.unlink()
    lab.resume(run_id)
    lab.wait(run_id)
    assert decided_as_it_should(run_id)


def test_looks_that_take_their_worker_down_end_the_run_after_three_of_them(engine, pondering, home):
    run_id, _ = pondering
    (home / "die").touch()

    info = lab.wait(run_id)

    (home / "die").unlink()
    assert (info.status, info.error, info.counts["done"]) == ("done", "worker lost 3 times at a look", 9)


@pytest.fixture
def sentences(engine, tmp_path):
    """A finished run about texts, of which the good ones say so."""
    texts = {name: tmp_path / f"{name}.csv" for name in ("source", "target")}
    for name, path in texts.items():
        lines = [f"{name} {i} is {word},{word}" for i in range(20) for word in ("good", "bad")]
        path.write_text("\n".join(["text,label", *lines]))
    fields = {name: {"path": str(path)} for name, path in texts.items()}
    spec = {"scenario": "texts", **fields, "methods": "logistic_regression,small_network", "budgets": 6, "seeds": 1}
    run_id = lab.submit(Experiment.build(spec))
    assert lab.wait(run_id).status == "done"
    return run_id


def explained(run_id, name, row):
    trial = next(record.trial for record in lab.results(run_id).records if record.trial.method.name == name)
    found = []
    until(lambda: found.append(lab.explain(run_id, trial, row)) or found[-1], 60)
    return found[-1]


def test_what_an_answer_rests_on_is_worked_out_once_and_kept(sentences, monkeypatch):
    results = lab.results(sentences)
    domains, words = results.experiment.domains(), {}
    for name in ("logistic_regression", "small_network"):
        explanation = explained(sentences, name, 2)
        text = domains.input_names[domains.test.inputs[2]]
        words[name] = {text[start:end]: value for start, end, value in explanation.parts}
        record = next(record for record in results.records if record.trial.method.name == name)
        assert np.argmax(explanation.probabilities) == record.result.examples["predicted"][2]  # the same answer again
        said = "good" if "good" in text else "bad"
        assert max(words[name], key=words[name].get) == said
        assert abs(words[name]["target"]) < words[name][said] / 2
    lab.stop_engine()
    monkeypatch.setattr("tlcore.lab.start_engine", lambda: pytest.fail("it was there"))
    assert explained(sentences, "small_network", 2)


def test_an_explanation_outlives_its_engine(sentences):
    trial = lab.results(sentences).records[0].trial
    assert lab.explain(sentences, trial, 0) is None
    lab.stop_engine()
    assert explained(sentences, trial.method.name, 0)
    assert not lab._store().asked()


def test_what_cannot_be_explained_is_said_and_may_be_asked_again(sentences):
    trial = lab.results(sentences).records[0].trial
    for _ in range(2):
        with pytest.raises(
            SpecificationError, match=r"could not be explained: .*row: 999 is out of range. Allowed: 0 to"
        ):
            explained(sentences, trial.method.name, 999)
    undone = Trial(trial.experiment, trial.method, trial.budget, seed=77)
    with pytest.raises(SpecificationError, match="is not done"):
        lab.explain(sentences, undone, 0)
    lab.delete(sentences)
    assert not lab._store().asked()


def test_an_explanation_that_takes_its_worker_down_is_given_up(engine):
    run_id = lab.submit(tiny("from_scratch,deadly"))
    lab.wait(run_id)
    trial = next(trial for trial in lab.read(run_id).experiment.trials() if trial.method.name == "deadly")
    with sa.create_engine(lab.store_url()).begin() as connection:  # as if it had gone well the first time
        connection.execute(TRIALS.update().where(TRIALS.c.run_id == run_id).values(status="done"))
    assert lab.explain(run_id, trial, 0) is None
    with pytest.raises(SpecificationError, match="its process was lost"):
        until(lambda: lab.explain(run_id, trial, 0), 60)
    assert not lab._store().asked()
