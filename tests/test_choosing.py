"""The baseline that chooses: within the label budget, by the experiment's metric, and never by the test."""

import re
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from tlcore.examples import Examples
from tlcore.experiment import Experiment
from tlcore.methods import METHODS
from tlcore.methods.base import Seen
from tlcore.scenarios import SCENARIOS
from tlcore.tasks.base import FOLDS
from tlcore.tasks.classification import Classification
from tlcore.trial import execute

pytestmark = pytest.mark.slow


def trial(method: str, **fields):
    fields = {"scenario": "digits", "methods": [method], "budgets": [10], "seeds": [1], "epochs": 5, **fields}
    return next(t for t in Experiment.build(fields).trials() if t.method.name == method)


def told(note: str) -> tuple[str, str, dict[str, float]]:
    """The candidate that was chosen, by which metric, and what each reached, read from the note."""
    best, metric, rest = re.fullmatch(r"(\w+): held-out (\S+) ([^;]*)(?:; .*)?", note).groups()
    return best, metric, {name: float(value) for name, value in re.findall(r"(\w+) (-?[\d.]+)", rest)}


@pytest.mark.parametrize("fields", [{}, {"metric": "log_loss"}, {"scenario": "films", "budgets": [3]}])
def test_the_best_candidate_learns_from_the_whole_budget(fields):
    result = execute(trial("best_from_scratch", **fields))
    best, metric, found = told(result.note)
    scenario = SCENARIOS[fields.get("scenario", "digits")]
    assert found.keys() == set(scenario.task.rivals)
    assert metric == fields.get("metric", scenario.task.headline[0])
    by_value = sorted(found.values(), reverse=scenario.task.metrics[metric].higher_is_better)
    assert list(found.values()) == by_value
    assert best == next(iter(found))
    alone = execute(trial(best, **fields))
    for name, values in alone.examples.items():
        np.testing.assert_array_equal(values, result.examples[name])


def test_with_few_labels_it_is_the_first_candidate():
    result = execute(trial("best_from_scratch", budgets=[Classification.choose_from - 1]))
    assert re.fullmatch(r"logistic_regression, unchosen; C = [\d.]+ by 5-fold cross-validation", result.note)
    alone = execute(trial("logistic_regression", budgets=[Classification.choose_from - 1]))
    np.testing.assert_array_equal(alone.examples["predicted"], result.examples["predicted"])


def test_the_test_decides_nothing(monkeypatch, tmp_path):
    """With other answers in the test, the same candidate is chosen for the same reason."""
    honest = execute(trial("best_from_scratch"))
    monkeypatch.setenv("TRANSFER_LAB_HOME", str(tmp_path))  # where nothing is known of a choice
    kind = type(SCENARIOS["digits"])
    whole = kind.domains

    def other_answers(self, source, target):
        domains = whole(self, source, target)
        return replace(domains, test=Examples(domains.test.inputs, np.roll(domains.test.answers, 1)))

    monkeypatch.setattr(kind, "domains", other_answers)
    other = execute(trial("best_from_scratch"))
    assert other.note == honest.note
    np.testing.assert_array_equal(other.examples["predicted"], honest.examples["predicted"])


def test_nor_does_the_source(monkeypatch, tmp_path):
    honest = execute(trial("best_from_scratch"))
    monkeypatch.setenv("TRANSFER_LAB_HOME", str(tmp_path))
    kind = type(SCENARIOS["digits"])
    whole = kind.domains
    monkeypatch.setattr(
        kind, "domains", lambda *names: replace(whole(*names), source=whole(*names).source[np.arange(20)])
    )
    assert execute(trial("best_from_scratch")).note == honest.note


def pairs(examples: Examples) -> set:
    return {(x.tobytes(), y) for x, y in zip(examples.inputs, examples.answers, strict=True)}


def test_candidates_are_told_apart_by_what_they_did_not_learn_from():
    _, _, found = told(execute(trial("best_from_scratch")).note)
    scenario, domains = SCENARIOS["digits"], SCENARIOS["digits"].domains("mnist", "uci")
    training, _ = scenario.task.spend(domains.pool, 10, 1)
    raw, right = scenario.raw(domains), []
    for learned, held_out in scenario.task.folds(training, 1):
        known = replace(learned, inputs=raw(learned.inputs))
        lend = partial(scenario.task.learner, domains=domains, seed=1)
        seen = replace(Seen.labelled(None, known, domains.answers, 1), lend=lend)
        model = METHODS["logistic_regression"]().solve(seen)
        right.append((model.predict(raw(held_out.inputs)).argmax(1) == held_out.answers).mean())
    assert found["logistic_regression"] == pytest.approx(np.mean(right), abs=1e-3)
    assert np.mean(right) < 1


@pytest.mark.parametrize("name", ["digits", "films"])
def test_what_is_held_out_is_part_of_the_budget(name):
    scenario = SCENARIOS[name]
    domains = scenario.domains(*scenario.pairs[0])
    training, _ = scenario.task.spend(domains.pool, 10, 0)
    for learned, held_out in scenario.task.folds(training, 0):
        assert not pairs(learned) & pairs(held_out)
        assert pairs(learned) | pairs(held_out) == pairs(training)
    assert pairs(scenario.task.folds(training, 1)[0][1]) != pairs(scenario.task.folds(training, 0)[0][1])


def test_one_choice_of_whoever_has_two_is_held_out():
    scenario = SCENARIOS["films"]
    users = np.repeat(np.arange(30), np.arange(30) % 4)
    ((learned, held_out),) = scenario.task.folds(Examples(users, np.arange(len(users))), 0)
    several = [user for user in range(30) if user % 4 > 1]
    assert sorted(held_out.inputs) == several
    assert set(learned.inputs) == {user for user in range(30) if user % 4}
    assert not scenario.task.folds(Examples(np.arange(12), np.arange(12) % 5), 0)


def test_each_example_is_held_out_once_and_each_class_in_its_share():
    scenario = SCENARIOS["digits"]
    answers = np.repeat([0, 1], [21, 42])
    folds = scenario.task.folds(Examples(np.arange(63, dtype=np.float32)[:, None], answers), 0)
    assert [np.bincount(held_out.answers).tolist() for _, held_out in folds] == [[7, 14]] * 3
    assert sorted(np.concatenate([held_out.inputs[:, 0] for _, held_out in folds])) == list(range(63))
    assert not scenario.task.folds(Examples(np.zeros((60, 1), np.float32), np.repeat([0, 1], [7, 53])), 0)


def test_a_choice_is_made_once_for_all_runs(monkeypatch):
    first = execute(trial("best_from_scratch", seeds=[7], name="One"))
    asked: list[object] = []
    kind = Classification
    whole = kind.evaluate
    monkeypatch.setattr(kind, "evaluate", lambda *given: asked.append(given) or whole(*given))
    again = execute(trial("best_from_scratch", seeds=[7], name="Another", budgets=[10, 20]))
    assert again.note == first.note
    assert len(asked) == 1  # of the one that was chosen, on the test
    asked.clear()
    assert execute(trial("best_from_scratch", seeds=[7], metric="log_loss")).note != first.note
    assert len(asked) == 1 + FOLDS * len(SCENARIOS["digits"].task.rivals)


@pytest.mark.parametrize("method", ["fine_tune", "best_from_scratch"])
def test_a_trial_tells_how_far_it_has_come(method):
    told: list[float] = []
    execute(trial(method, seeds=[11]), report=told.append)
    assert len(told) >= 5
    assert told == sorted(told)
    assert 0 < told[0] < 0.5
    assert told[-1] <= 1


def table(tmp_path, which: str, seed: int, rule: str, n: int = 200, **arrays):
    """Ten columns; the answer is a threshold of their sum, or whether the first two have different signs."""
    rows = np.random.default_rng(seed).normal(size=(n, 10)).astype(np.float32)
    answers = {"sum": rows.sum(1) > 0, "exclusive or": (rows[:, 0] > 0) != (rows[:, 1] > 0)}[rule].astype(int)
    np.savez(tmp_path / f"{which}.npz", **{"X": rows, "y": answers, **arrays})
    return {"path": str(tmp_path / f"{which}.npz")}


def of_tables(tmp_path, method: str = "best_from_scratch", rule: str = "sum", **fields):
    files = {which: table(tmp_path, which, seed, rule) for seed, which in enumerate(("source", "target"))}
    return trial(method, **{"scenario": "features", "budgets": [30], "epochs": None, **files, **fields})


@pytest.mark.parametrize(
    ("rule", "wanted"), [("sum", {"logistic_regression", "linear_svm"}), ("exclusive or", {"boosted_trees"})]
)
def test_on_tables_the_rival_is_the_one_that_suits_the_rule(tmp_path, rule, wanted):
    chosen = of_tables(tmp_path, rule=rule)
    assert chosen.experiment.baseline == "best_from_scratch"
    result = execute(chosen)
    best, _, found = told(result.note)
    assert best in wanted
    assert found.keys() == {"logistic_regression", "linear_svm", "nearest_neighbours", "boosted_trees"}
    assert result.metrics["accuracy"] > 0.7
    assert ("C = " in result.note) == (rule == "sum")


@pytest.mark.parametrize("method", ["from_scratch", "pooled", "best_from_scratch"])
def test_no_answer_of_the_test_chooses_c(tmp_path, monkeypatch, method):
    honest = execute(of_tables(tmp_path, method))
    assert "C = " in honest.note
    monkeypatch.setenv("TRANSFER_LAB_HOME", str(tmp_path))
    kind = type(SCENARIOS["features"])
    whole = kind.domains

    def other_answers(self, source, target):
        domains = whole(self, source, target)
        return replace(domains, test=Examples(domains.test.inputs, 1 - domains.test.answers))

    monkeypatch.setattr(kind, "domains", other_answers)
    other = execute(of_tables(tmp_path, method))
    assert other.note == honest.note
    np.testing.assert_array_equal(other.examples["predicted"], honest.examples["predicted"])
    assert other.metrics["accuracy"] == pytest.approx(1 - honest.metrics["accuracy"])


def test_a_method_that_guesses_for_ten_rounds_chooses_c_twice(tmp_path, monkeypatch):
    from tlcore import classifiers

    asked, whole = [], classifiers.chosen
    monkeypatch.setattr(classifiers, "chosen", lambda *parts: asked.append(parts[1].shape) or whole(*parts))
    execute(of_tables(tmp_path, "jda"))
    assert asked == [(200, 10), (260, 10)]  # the source's rows for the guesses, then both domains' for the answer


def test_the_groups_of_both_domains_are_kept_apart_where_c_is_chosen(tmp_path, monkeypatch):
    from tlcore import classifiers

    asked, whole = [], classifiers.chosen
    monkeypatch.setattr(classifiers, "chosen", lambda *parts: asked.append(parts) or whole(*parts))
    files = {}
    for seed, which in enumerate(("source", "target")):
        rows = np.random.default_rng(seed).normal(size=(200, 3))
        cells = [f"{x},{y},{z},{int(x > 0)},{which}{i // 4}" for i, (x, y, z) in enumerate(rows)]
        (tmp_path / f"{which}.csv").write_text("\n".join(["a,b,c,label,patient", *cells]))
        files[which] = {"path": str(tmp_path / f"{which}.csv"), "group": "patient"}
    for method in ("pooled", "jda", "tradaboost", "logistic_regression"):
        execute(trial(method, scenario="features", budgets=[20], **files))
    assert [parts[1].shape[0] for parts in asked] == [240, 200, 240, 240, 40]
    for _, rows, _, _, _, _, groups, _ in asked:
        assert len(groups) == rows.shape[0]
        assert len(np.unique(groups)) < len(groups)
