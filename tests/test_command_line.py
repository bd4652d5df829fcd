"""The contract that tools and scripts rely on: ``python -m tlcore``."""

import csv
import json
import math
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from tlcore.__main__ import _change
from tlcore.errors import SpecificationError
from tlcore.experiment import Experiment
from tlcore.report.export import rows
from tlcore.results import TRIAL_COLUMNS

REPOSITORY = Path(__file__).parents[1]
ODD_METHODS = "tests.lab.odd_methods"
QUICK = ("--set", "epochs=1", "--set", "budgets=1")
TINY = (*QUICK, "--set", "seeds=2", "--set", "until=seeds", "--set", "methods=from_scratch,fine_tune")
VERDICT_KEYS = ["method", "budget", "baseline", "metric", "gap", "ci_low", "ci_high", "p_value", "verdict", "sentence"]
VERDICTS = {"helps", "helps a little", "no evidence", "negative transfer", "strongly negative transfer"}


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """A home of its own, with an engine that is stopped at the end; methods that misbehave are known there."""
    folder = tmp_path_factory.mktemp("command-line")
    ours = {name: value for name, value in os.environ.items() if not name.startswith("TRANSFER_LAB_")}
    preload = dict.fromkeys(("DASK_DISTRIBUTED__WORKER__PRELOAD", "DASK_DISTRIBUTED__SCHEDULER__PRELOAD"), ODD_METHODS)
    settings = {**ours, **preload, "TRANSFER_LAB_HOME": str(folder), "TRANSFER_LAB_WORKERS": "2"}
    yield settings
    subprocess.run([sys.executable, "-m", "tlcore", "engine", "stop"], cwd=REPOSITORY, env=settings, check=True)


@pytest.fixture(scope="module")
def tlcore(environment):
    """Run the command line and return what came of it."""

    def call(*arguments, module=("-m", "tlcore")):
        command = [sys.executable, *module, *map(str, arguments)]
        return subprocess.run(
            command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=120, check=False
        )

    return call


@pytest.fixture(scope="module")
def finished(tlcore, tmp_path_factory):
    """A run that is done: what was printed, and its folder."""
    folder = tmp_path_factory.mktemp("out") / "made" / "on the way"
    return tlcore("run", "digits-quick", *TINY, "--out", folder, "--json"), folder


@pytest.mark.parametrize("kind", ["scenarios", "methods", "backbones", "datasets"])
def test_list(tlcore, kind):
    entries = json.loads(tlcore("list", kind, "--json").stdout)
    text = tlcore("list", kind)

    assert entries
    assert text.returncode == 0
    for entry in entries:
        assert {"name", "summary"} <= entry.keys()
        assert entry["name"] in text.stdout


def test_what_json_cannot_say_is_null():
    table = pd.DataFrame({"method": ["a", "b"], "ci_low": [-math.inf, 0.5], "p_value": [math.nan, np.float32(0.25)]})

    assert rows(table) == [
        {"method": "a", "ci_low": None, "p_value": None},
        {"method": "b", "ci_low": 0.5, "p_value": 0.25},
    ]


def test_a_run_that_is_done(finished):
    outcome, folder = finished
    printed = json.loads(outcome.stdout)

    assert (outcome.returncode, outcome.stderr) == (0, "")
    assert printed["status"] == "done"
    assert len(printed["trials"]) == 4
    assert sorted(path.name for path in folder.iterdir()) == [
        "environment.json",
        "group_verdicts.json",
        "spec.yaml",
        "trials.csv",
        "verdicts.json",
    ]


def test_the_trials_of_a_run(finished):
    with (finished[1] / "trials.csv").open(newline="") as file:
        trials = list(csv.DictReader(file))

    assert tuple(trials[0])[: len(TRIAL_COLUMNS)] == TRIAL_COLUMNS
    assert {"accuracy", "balanced_accuracy", "macro_recall", "macro_precision", "macro_f1", "log_loss"} <= {*trials[0]}
    assert [(trial["method"], trial["seed"]) for trial in trials] == [
        ("from_scratch", "0"),
        ("fine_tune", "0"),
        ("from_scratch", "1"),
        ("fine_tune", "1"),
    ]
    for trial in trials:
        assert [trial[name] for name in ("scenario", "source", "target")] == ["digits", "mnist", "uci"]
        assert trial["status"] == "done"
        assert 0 <= float(trial["accuracy"]) <= 1
        assert float(trial["seconds"]) > 0


def test_the_verdicts_of_a_run(finished):
    verdicts = json.loads((finished[1] / "verdicts.json").read_text(), parse_constant=pytest.fail)

    assert [(entry["method"], entry["budget"], entry["baseline"]) for entry in verdicts] == [
        ("fine_tune", 1, "from_scratch")
    ]
    assert list(verdicts[0])[: len(VERDICT_KEYS)] == VERDICT_KEYS
    assert verdicts[0]["verdict"] in VERDICTS


def test_what_a_run_was_made_with(finished):
    made_with = json.loads((finished[1] / "environment.json").read_text())

    assert {"python", "torch", "numpy", "scikit-learn", "platform", "cpu_count", "tlcore"} <= made_with.keys()
    assert all(made_with.values())


def test_the_specification_of_a_run_runs_again(finished, tlcore, tmp_path):
    spec = yaml.safe_load((finished[1] / "spec.yaml").read_text())
    again = tlcore("run", finished[1] / "spec.yaml", "--out", tmp_path)

    assert (spec["seeds"], spec["epochs"]) == ([0, 1], 1)
    assert again.returncode == 0
    assert (tmp_path / "spec.yaml").read_text() == (finished[1] / "spec.yaml").read_text()
    assert "fine_tune" in again.stdout


def test_one_number_of_seeds_means_that_many(tlcore, tmp_path):
    outcome = tlcore("run", "digits-quick", *TINY, "--set", "methods=from_scratch", "--set", "seeds=5", "--json")

    assert [trial["seed"] for trial in json.loads(outcome.stdout)["trials"]] == [0, 1, 2, 3, 4]


def test_a_run_goes_on_until_decided_at_once_or_later(tlcore):
    def told(*arguments):
        outcome = tlcore(*arguments, "--json")
        assert (outcome.returncode, outcome.stderr) == (0, "")
        return json.loads(outcome.stdout)

    arguments = ("run", "digits-quick", *QUICK, "--set", "methods=source_only")
    at_once, later = told(*arguments), told(*arguments, "--set", "until=seeds", "--set", "seeds=1")
    assert (at_once["spec"]["until"], later["spec"]["until"]) == ("decided", "seeds")
    assert len(later["trials"]) == 2 < 6 < len(at_once["trials"])

    asked = tlcore("decide", later["run"])
    assert (asked.returncode, asked.stderr) == (0, "")
    assert re.match(r"1 open: source_only \(1\); 4 trials, about \d+ s to the next look\n", asked.stdout)
    while (now := told("show", later["run"]))["status"] != "done":
        assert now["status"] in ("queued", "running")

    def scores(run):
        return [(trial["method"], trial["seed"], trial["accuracy"]) for trial in run["trials"]]

    assert scores(now) == scores(at_once)


def test_what_was_found_in_files_of_ones_own_is_said_before_it_runs(tlcore, tmp_path):
    for which in ("there", "here"):
        rows = [f"{i % 7},{'' if i == 3 else i % 5},{'ab'[i % 2]}" for i in range(30)]
        (tmp_path / f"{which}.csv").write_text("\n".join(["f0,f1,y", *rows]))
    files = ("--set", f"source.path={tmp_path / 'there.csv'}", "--set", f"target.path={tmp_path / 'here.csv'}")
    done = tlcore("run", "features", *files, "--set", "setting=transductive", "--set", "seeds=1")
    assert done.returncode == 0
    assert all(line.startswith("warning: ") for line in done.stderr.splitlines())
    first, *files = done.stdout.splitlines()[:3]
    assert files == [
        f"{which}: {name}.csv: 30 rows, text, utf-8, comma; label y; feature: 2 number; 2 labels"
        for which, name in (("source", "there"), ("target", "here"))
    ]
    assert first.startswith("data: 30 source rows, 30 target rows, 2 columns, 2 shared classes")
    assert "2 missing cells" in first
    assert "source_only" in done.stdout
    assert "coral" in done.stdout


def test_what_cannot_be_used_between_these_data_is_left_out_and_said(tlcore, tmp_path):
    for which, user in (("there", "u"), ("here", "v")):
        rows = [f"{user}{i % 6},{which}{i * 7 % 5}" for i in range(30)]
        (tmp_path / f"{which}.csv").write_text("\n".join(["user,item", *rows]))
    files = ("--set", f"source.path={tmp_path / 'there.csv'}", "--set", f"target.path={tmp_path / 'here.csv'}")
    done = tlcore("run", "ratings", *files, "--set", "budgets=2", "--set", "seeds=1")
    assert done.returncode == 0
    [left_out] = [line for line in done.stderr.splitlines() if not line.startswith("warning: ")]
    assert left_out.startswith("left out: fine_tune, frozen, joint_ease, cmf (has nothing to carry over")
    assert done.stdout.startswith("data: 0 shared users, 0 shared items")
    refused = tlcore("run", "ratings", *files, "--set", "budgets=2", "--set", "methods=popularity,cmf")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "\nerror: methods: 'cmf' has nothing to carry over" in refused.stderr


def changed(spec: str, *changes: str) -> Experiment:
    """The experiment of ``run SPEC --set CHANGE ...``."""
    return Experiment.load(spec, dict(map(_change, changes)))


FILES = ("source.path=a.csv", "target.path=b.csv")


@pytest.mark.parametrize("typed", ["3", "Yes", "0", "007", "null", "1e3", "2024-05-31", "a, b", "~", "1=2", "#1", "on"])
def test_a_text_is_the_text_that_was_typed(typed):
    experiment = changed("texts", *FILES, f"source.label={typed}", f"target.label={typed}", f"target.path={typed}")
    assert experiment.source == {"path": "a.csv", "label": typed}
    assert experiment.target == {"path": typed, "label": typed}
    assert changed("digits", f"name={typed}").name == typed
    assert changed("ratings", *FILES, f"source.user={typed}").source["user"] == typed


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ('"3"', "3"),
        ("'Yes'", "Yes"),
        ('"[label]"', "[label]"),
        ("[a] b.csv", "[a] b.csv"),
        ("{", "{"),
        ("'tis", "'tis"),
    ],
)
def test_what_looks_like_a_structure_can_be_a_text(typed, text):
    assert changed("texts", *FILES, f"source.label={typed}").source["label"] == text


@pytest.mark.parametrize(
    ("typed", "rename"),
    [
        ("1=positive, 0=negative", {"1": "positive", "0": "negative"}),
        ("1=positive", {"1": "positive"}),
        ("3=", {"3": ""}),
        ("{1: positive, 0: no}", {"1": "positive", "0": "no"}),
        ("{yes: 1, '007': null_}", {"yes": "1", "007": "null_"}),
    ],
)
def test_labels_are_renamed_as_typed(typed, rename):
    experiment = changed("texts", *FILES, f"source.rename={typed}")
    assert experiment._own_file("source").rename == rename


def test_a_file_can_be_set_as_a_whole():
    experiment = changed("texts", "source=pretraining", "target={path: 7, label: 007, rename: {1: Yes}}")
    assert experiment.source == "pretraining"
    assert experiment.target == {"path": "7", "label": "007", "rename": {"1": "Yes"}}
    assert changed("texts", "source=", "target=b.csv").source == "pretraining"


@pytest.mark.parametrize("nothing", ["null", "~", ""])
def test_a_number_that_may_be_left_open_can_be_set_open(nothing, tmp_path):
    (tmp_path / "spec.yaml").write_text("scenario: ratings\nsource: a\ntarget: b\nbeta: 2\nlambda: 3\nliked: 4\n")
    spec = str(tmp_path / "spec.yaml")
    assert (changed(spec).beta, changed(spec).lambda_, changed(spec).where.liked) == (2, 3, 4)
    keys = ("beta", "lambda", "epochs", "liked")
    experiment = changed(spec, *(f"{key}={nothing}" for key in keys))
    assert (experiment.beta, experiment.lambda_, experiment.epochs, experiment.where.liked) == (None,) * 4
    with pytest.raises(SpecificationError, match="margin: "):
        changed(spec, f"margin={nothing}")


def test_numbers_lists_and_choices_are_read_by_their_fields():
    experiment = changed(
        "digits", "seeds=5", "budgets=1,5", "lambda=0.5", "beta=1e-3", "epochs=7", "margin=.02",
        "methods=[{name: l2_sp, settings: {learning_rate: 0.001}}]",
    )  # fmt: skip
    assert (experiment.seeds, experiment.budgets) == ([0, 1, 2, 3, 4], [1, 5])
    assert (experiment.lambda_, experiment.beta, experiment.epochs, experiment.margin) == (0.5, 1e-3, 7, 0.02)
    assert experiment.methods[1].settings == {"learning_rate": 0.001}
    assert [choice.name for choice in changed("digits", "methods=coral,tca").methods[1:]] == ["coral", "tca"]
    assert [choice.name for choice in changed("digits", "methods=coral").methods[1:]] == ["coral"]
    assert (changed("digits", "seeds=[3, 7]").seeds, changed("digits", "budgets=[2]").budgets) == ([3, 7], [2])
    assert changed("digits", "methods={name: l2_sp, settings: {learning_rate: 0.001}}").methods == experiment.methods


def test_options_are_kept_as_they_were_read():
    assert changed("films", "cold_users=0.3").options == {"cold_users": 0.3}
    assert changed("films", "options.cold_users=0.3").options == {"cold_users": 0.3}
    texts = changed("texts", *FILES, "labels=a,b", "whole=true", "length=64")
    assert texts.options == {"labels": ["a", "b"], "whole": True, "length": 64}
    assert texts.where.labels == ("a", "b")
    assert changed("texts", *FILES, "labels=yes").options == {"labels": ["yes"]}
    with pytest.raises(SpecificationError, match="cold_users: 'many'"):
        changed("films", "cold_users=many")


@pytest.mark.parametrize("change", ["methods=[coral", "epochs={", "seeds=[1"])
def test_a_structure_that_cannot_be_read_is_said(change):
    with pytest.raises(SpecificationError, match="--set: the value of"):
        _change(change)


@pytest.fixture
def doubtful(tmp_path):
    """Two small tables whose labels differ in case; what `run` is told of them."""
    rng = np.random.default_rng(0)
    for which, names in (("there", ["Good", "bad"]), ("here", ["good", "bad"])):
        rows_ = [f"{x:.4f},{y:.4f},{names[i % 2]}" for i, (x, y) in enumerate(rng.normal(size=(40, 2)))]
        (tmp_path / f"{which}.csv").write_text("\n".join(["f0,f1,y", *rows_]))
    return ("--set", f"source.path={tmp_path / 'there.csv'}", "--set", f"target.path={tmp_path / 'here.csv'}")


def test_warnings_stand_before_a_run_and_are_kept_with_it(tlcore, doubtful, tmp_path):
    done = tlcore("run", "features", *doubtful, "--set", "budgets=3", "--set", "seeds=1", "--out", tmp_path, "--json")
    printed = json.loads(done.stdout)

    assert done.returncode == 0
    assert done.stderr.splitlines() == [f"warning: {sentence}" for sentence in printed["warnings"]]
    assert any("'good' and 'Good' differ in case" in sentence for sentence in printed["warnings"])
    assert json.loads((tmp_path / "warnings.json").read_text()) == printed["warnings"]
    for format in ("html", "notebook"):
        out = tmp_path / f"run.{format}"
        tlcore("export", printed["run"], "--format", format, "--out", out)
        assert "differ in case or blanks only" in out.read_text()


def test_a_warning_may_explain_why_a_run_is_refused(tlcore, doubtful):
    refused = tlcore("run", "features", *doubtful, "--set", "budgets=30")

    assert refused.returncode == 2
    *warnings, error = refused.stderr.splitlines()
    assert error.startswith("error: budgets: 30")
    assert any("a budget of 30 asks for as many of each label" in line for line in warnings)


def test_a_run_without_a_method_to_judge_is_shown_too(tlcore):
    outcome = tlcore("run", "digits-quick", *TINY, "--set", "methods=from_scratch")

    assert (outcome.returncode, outcome.stderr) == (0, "")
    assert "baseline" in outcome.stdout


def test_show_and_runs(finished, tlcore):
    run_id = json.loads(finished[0].stdout)["run"]

    assert json.loads(tlcore("show", run_id, "--json").stdout) == json.loads(finished[0].stdout)
    shown = tlcore("show", run_id)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "With 1 label a class" in shown.stdout
    assert run_id in tlcore("runs").stdout
    assert run_id in [run["run"] for run in json.loads(tlcore("runs", "--json").stdout)]


@pytest.mark.parametrize("format", ["html", "csv", "json", "notebook"])
def test_export(finished, tlcore, tmp_path, format):
    run_id, out = json.loads(finished[0].stdout)["run"], tmp_path / "a folder" / f"run.{format}"

    outcome = tlcore("export", run_id, "--format", format, "--out", out)

    assert (outcome.returncode, outcome.stdout.strip()) == (0, str(out))
    text = out.read_text()
    assert "fine_tune" in text
    if format == "html":
        assert text.index("With 1 label a class") < text.index("<table")
        assert "http" not in text  # nothing from elsewhere
    if format == "csv":
        assert text == (finished[1] / "trials.csv").read_text()
    if format == "json":
        assert json.loads(text) == json.loads(finished[0].stdout)


def test_the_notebook_runs(finished, tlcore, tmp_path):
    run_id, out = json.loads(finished[0].stdout)["run"], tmp_path / "run.ipynb"
    tlcore("export", run_id, "--format", "notebook", "--out", out)

    cells = json.loads(out.read_text())["cells"]
    code = "\n".join(cell["source"] for cell in cells if cell["cell_type"] == "code")
    outcome = tlcore(code, module=("-c",))

    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.startswith("With 1 label a class")


def test_a_failing_trial_is_status_1_and_the_others_are_kept(tlcore, tmp_path):
    arguments = ["run", "digits-quick", *TINY, "--set", "methods=from_scratch,broken", "--out", str(tmp_path), "--json"]
    program = f"import sys, {ODD_METHODS}, tlcore.__main__ as m; sys.exit(m.main())"

    outcome = tlcore(*arguments, module=("-c", program))

    assert outcome.returncode == 1
    assert outcome.stderr == ""
    trials = json.loads(outcome.stdout, parse_constant=pytest.fail)["trials"]
    assert [(trial["error"], trial["accuracy"] is None) for trial in trials[:2]] == [
        ("", False),
        ("RuntimeError: broken on purpose", True),
    ]
    with (tmp_path / "trials.csv").open(newline="") as file:
        assert [trial["status"] for trial in csv.DictReader(file)] == ["done", "failed"] * 2


def test_an_interrupt_cancels_the_run_and_keeps_what_is_done(environment, tlcore, tmp_path):
    arguments = [
        "run",
        "digits-quick",
        *TINY,
        "--set",
        "seeds=40",
        "--set",
        "epochs=30",
        "--out",
        str(tmp_path),
        "--json",
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "tlcore", *arguments],
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )
    while not any(run["status"] == "running" for run in json.loads(tlcore("runs", "--json").stdout)):
        assert process.poll() is None

    process.send_signal(signal.SIGINT)
    out, complaints = process.communicate(timeout=120)

    assert (process.returncode, complaints.decode()) == (1, "")
    assert json.loads(out)["status"] == "cancelled"
    assert (tmp_path / "trials.csv").exists()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["run", "digit-quick"], "SPEC: 'digit-quick' is not known; did you mean 'digits-quick'?"),
        (["run", "missing.yaml"], "missing.yaml"),
        (["run", "digits-quick", "--set", "methods=corall"], "did you mean 'coral'?"),
        (["run", "digits-quick", "--set", "metod=coral"], "metod"),
        (["run", "digits-quick", "--set", "budgets=1,x"], "budgets"),
        (["run", "digits-quick", "--set", "epochs"], "--set"),
        (["run", "digits-quick", "--set", "epochs={"], "--set"),
        (["run", "digits-quick", "--workers", "0"], "--workers"),
        (["run", "digits-quick", "--out", "/dev/null/x"], "/dev/null/x"),
        (["run"], "SPEC"),
        (["run", "digits-quick", "--nonsense"], "--nonsense"),
        (["list", "method"], "did you mean 'methods'?"),
        (["show", "nope"], "nope"),
        (["cancel", "nope"], "nope"),
        (["resume", "nope"], "nope"),
        (["decide", "nope"], "nope"),
        (["run", "digits-quick", "--set", "seeds=2"], "seeds: 2 is out of range where a run goes on until decided"),
        (["export", "nope", "--format", "csv", "--out", "x"], "nope"),
        (["data", "fetch", "mnist-5"], "did you mean 'mnist-5k'?"),
        (["nonsense"], "nonsense"),
    ],
)
def test_what_cannot_run_is_status_2_and_one_line(tlcore, arguments, named):
    outcome = tlcore(*arguments)

    assert outcome.returncode == 2
    assert outcome.stdout == ""
    assert outcome.stderr.count("\n") == 1
    assert named in outcome.stderr


def test_an_unknown_format_is_status_2(finished, tlcore, tmp_path):
    outcome = tlcore("export", json.loads(finished[0].stdout)["run"], "--format", "pdf", "--out", tmp_path / "x")

    assert (outcome.returncode, outcome.stderr.count("\n")) == (2, 1)
    assert "html, csv, json, notebook" in outcome.stderr


def test_data(tlcore):
    assert "mnist-5k" in tlcore("data", "list").stdout
    assert tlcore("data", "fetch", "uci-digits").stdout == "uci-digits: 1797 examples, verified\n"
    assert tlcore("data", "verify", "uci-digits").stdout == "uci-digits: verified\n"


def test_engine(tlcore):
    assert json.loads(tlcore("engine", "start").stdout)["running"]
    assert json.loads(tlcore("engine", "status").stdout)["running"]
