import subprocess
import sys

import pytest

from tlcore.errors import SpecificationError
from tlcore.experiment import Experiment, applicable, presets
from tlcore.scenarios import SCENARIOS


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"scenario": "digit"}, ["scenario", "'digit'", "digits"]),
        ({"methods": "fine_tun"}, ["methods", "'fine_tun'", "did you mean 'fine_tune'"]),
        ({"methods": [{"name": "kmm", "settings": {"slack": 2}}]}, ["methods.kmm.slack", "2", "less than 1"]),
        ({"methods": [{"name": "kmm", "settings": {"slak": 0.1}}]}, ["slak", "slack"]),
        ({"methods": "fine_tune,fine_tune"}, ["methods", "twice"]),
        ({"methods": "fine_tune", "setting": "transductive"}, ["fine_tune", "transductive", "mmd"]),
        ({"methods": []}, ["methods"]),
        ({"budgets": [0]}, ["budgets", "0", "1 to 50"]),
        ({"budgets": [51]}, ["budgets", "51", "1 to 50"]),
        ({"budgets": [5, 5]}, ["budgets", "repeats"]),
        ({"seeds": 0}, ["seeds"]),
        ({"seeds": [-1]}, ["seeds", "-1"]),
        ({"seeds": 2, "until": "decided"}, ["seeds", "2", "3 to 20"]),
        ({"seeds": 21, "until": "decided"}, ["seeds", "21", "3 to 20"]),
        ({"until": "certain"}, ["until", "seeds", "decided"]),
        ({"source": "usps"}, ["source", "'usps'", "mnist"]),
        ({"target": "emnist"}, ["target", "'emnist'", "uci"]),
        ({"metric": "speed"}, ["metric", "accuracy"]),
        ({"metric": "macro_f1"}, ["metric", "accuracy"]),
        ({"lambda": -1}, ["lambda", "-1"]),
        ({"device": "tpu"}, ["device", "cpu"]),
        ({"epoch": 3}, ["epoch", "did you mean 'epochs'"]),
    ],
)
def test_a_specification_that_cannot_run_is_refused_in_one_line(fields, words):
    with pytest.raises(SpecificationError) as refused:
        Experiment.build(fields)
    message = str(refused.value)
    assert "\n" not in message
    assert all(word in message for word in words), message


def test_what_is_left_open_gets_the_scenarios_own():
    experiment = Experiment.build({"methods": "fine_tune", "seeds": "5", "budgets": "1,5"})
    assert (experiment.source, experiment.target) == ("mnist", "uci")
    assert [choice.name for choice in experiment.methods] == ["from_scratch", "fine_tune"]
    assert (experiment.seeds, experiment.budgets) == ([0, 1, 2, 3, 4], [1, 5])


def test_without_target_labels_the_baseline_is_the_source_model():
    experiment = Experiment.build({"methods": "mmd", "setting": "transductive", "budgets": [5]})
    assert experiment.baseline == "source_only"
    assert experiment.budgets == [0]
    assert {trial.method.name for trial in experiment.trials()} == {"source_only", "mmd"}


def test_yaml_comes_back_equal(tmp_path):
    experiment = Experiment.build(
        {"methods": ["coral", {"name": "kmm", "settings": {"slack": 0.2}}], "lambda": 0.5, "seeds": [3, 7]}
    )
    path = tmp_path / "spec.yaml"
    path.write_text(experiment.to_yaml(), encoding="utf-8")
    assert Experiment.load(path) == experiment


def test_changes_reach_nested_fields(tmp_path):
    path = tmp_path / "spec.json"
    path.write_text('{"scenario": "digits", "methods": ["l2_sp"]}')
    changed = Experiment.load(path, {"methods": "coral,mmd", "seeds": "2", "lambda": 0.5})
    assert [choice.name for choice in changed.methods] == ["from_scratch", "coral", "mmd"]
    assert (changed.seeds, changed.lambda_) == ([0, 1], 0.5)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("spec.yaml", "{source: {path: 1.csv, label: %s}, target: {path: b.csv, label: Yes, rename: {1: No, 007: 2}}}"),
        ("spec.json", '{"source": {"path": "1.csv", "label": "%s"}, "target": '
         '{"path": "b.csv", "label": "Yes", "rename": {"1": "No", "007": 2}}}'),
    ],
)  # fmt: skip
@pytest.mark.parametrize("label", ["3", "on", "007", "1.0", "2024-05-31"])
def test_words_about_a_file_are_text_without_quotes(tmp_path, name, text, label):
    path = tmp_path / name
    path.write_text(text % label)
    experiment = Experiment.load(path, {"scenario": "texts", "seeds": 2})
    assert experiment.source == {"path": "1.csv", "label": label}
    assert experiment.target == {"path": "b.csv", "label": "Yes", "rename": {"1": "No", "007": "2"}}
    (tmp_path / "again.yaml").write_text(experiment.to_yaml())
    assert Experiment.load(tmp_path / "again.yaml") == experiment


def test_null_about_a_file_is_no_text(tmp_path):
    (tmp_path / "spec.yaml").write_text("{scenario: texts, source: pretraining, target: {path: b.csv, label: null}}")
    with pytest.raises(SpecificationError, match=r"target\.label: None is not allowed"):
        Experiment.load(tmp_path / "spec.yaml")


def test_what_a_specification_says_elsewhere_is_yaml(tmp_path):
    (tmp_path / "spec.yaml").write_text("{source: mnist, seeds: 2, epochs: 3, beta: null, options: {}, margin: 0.02}")
    experiment = Experiment.load(tmp_path / "spec.yaml")
    assert (experiment.seeds, experiment.epochs, experiment.beta, experiment.margin) == ([0, 1], 3, None, 0.02)


@pytest.mark.parametrize("spec", ["nowhere.yaml", "digits-quik"])
def test_a_specification_that_is_not_there_names_the_presets(spec):
    with pytest.raises(SpecificationError, match="digits-quick"):
        Experiment.load(spec)


def test_a_file_that_is_no_yaml_is_refused(tmp_path):
    path = tmp_path / "broken.yaml"
    path.write_text("methods: [a, b")
    with pytest.raises(SpecificationError, match=r"broken\.yaml"):
        Experiment.load(path)


@pytest.mark.parametrize("preset", presets())
def test_every_preset_can_run(preset):
    trials = Experiment.load(preset).trials()
    assert len({trial.key for trial in trials}) == len(trials)


def test_the_baseline_runs_first():
    for scenario, baseline in (("digits", "from_scratch"), ("films", "best_from_scratch")):
        methods = applicable(SCENARIOS[scenario], "inductive")
        trials = Experiment.build({"scenario": scenario, "methods": methods, "budgets": [20, 5]}).trials()
        assert (trials[0].method.name, trials[0].budget) == (baseline, 5)


@pytest.mark.parametrize(
    ("seeds", "looks", "further"),
    [
        (3, (3, 5, 8, 12, 20), [3, 4]),
        ([1, 9, 4], (3, 5, 8, 12, 20), [0, 2]),
        (4, (4, 5, 8, 12, 20), [4]),
        (20, (20,), []),
    ],
)
def test_further_seeds_of_a_run_until_decided_are_the_next_unused_numbers(seeds, looks, further):
    fields = {"methods": "coral,logistic_regression", "budgets": [1, 5], "seeds": seeds}
    experiment = Experiment.build({**fields, "until": "decided"})
    first = len(experiment.seeds)

    assert experiment.looks == looks
    assert Experiment.build(fields).looks == (first,)
    assert experiment.trials() == experiment.trials(first)
    assert [trial.seed for trial in experiment.trials(first + len(further))[first * 6 :: 6]] == further
    of_verdicts = 2 * 2 * (20 - first)  # coral and the baseline; logistic_regression takes nothing from the source
    assert experiment.most_trials() == first * 6 + of_verdicts


def test_an_experiment_until_decided_has_the_seeds_that_a_look_needs():
    experiment = Experiment.build({"methods": "coral", "seeds": [7]})
    assert (experiment.until_decided().seeds, experiment.until_decided().until) == ([7, 0, 1], "decided")
    assert Experiment.build(experiment.until_decided().model_dump(by_alias=True)) == experiment.until_decided()


@pytest.mark.parametrize("setting", ["inductive", "transductive"])
@pytest.mark.parametrize("scenario", ["digits", "sentiment"])
def test_left_out_methods_are_some_that_serve_the_setting(scenario, setting):
    chosen = Experiment.build({"scenario": scenario, "setting": setting}).methods
    assert chosen
    assert {choice.name for choice in chosen} <= {*applicable(SCENARIOS[scenario], setting)}


def test_no_method_at_all_is_too_few():
    with pytest.raises(SpecificationError, match=r"methods: \[\] is too few; at least 1 must be there"):
        Experiment.build({"methods": []})


def test_the_unlabelled_setting_is_refused_where_the_catalogues_differ():
    with pytest.raises(SpecificationError, match=r"setting: 'transductive' is not known.*inductive"):
        Experiment.build({"scenario": "films", "setting": "transductive", "methods": "cmf"})


def test_the_core_is_imported_without_torch():
    code = (
        "import sys, tlcore; tlcore.Experiment.load('digits-quick').trials();"
        "heavy = {'torch', 'sklearn', 'streamlit', 'distributed'} & set(sys.modules); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
