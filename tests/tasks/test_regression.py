"""Answers that are numbers: measured, learned and judged as scikit-learn and the papers do it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.cross_decomposition import PLSRegression
from sklearn.ensemble import AdaBoostRegressor
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score
from sklearn.model_selection import GridSearchCV, KFold

from tlcore.datasets.quantities import likely, quantities_of
from tlcore.errors import SpecificationError
from tlcore.evaluation.numbers import DECOMPOSABLE, example_scores, regression_metrics
from tlcore.examples import Examples
from tlcore.experiment import Experiment, applicable
from tlcore.methods import METHODS
from tlcore.methods.adaptive import JDOT
from tlcore.methods.base import Seen
from tlcore.methods.quantities import DomainInvariantPLS, TrAdaBoostR2, boosted, faded
from tlcore.regressors import FEWEST, Regressor
from tlcore.results import Results, TrialRecord
from tlcore.scenarios import SCENARIOS
from tlcore.trial import execute

DIABETES = SCENARIOS["diabetes"]
NUMBERS = arrays(np.float64, 20, elements=st.floats(-100, 100, width=32), unique=True)


@given(NUMBERS, NUMBERS)
def test_metrics_are_scikit_learns(predicted, truth):
    told = regression_metrics(predicted, truth)
    assert told["r2"] == pytest.approx(r2_score(truth, predicted))
    assert told["mse"] == pytest.approx(mean_squared_error(truth, predicted))
    assert told["rmse"] == pytest.approx(mean_squared_error(truth, predicted) ** 0.5)
    assert told["mae"] == pytest.approx(mean_absolute_error(truth, predicted))
    for name in DECOMPOSABLE:
        assert example_scores(predicted, truth)[name].mean() == pytest.approx(told[name])


def test_the_median_explains_no_absolute_error_and_a_line_ranks_all():
    truth = np.array([1.0, 2.0, 3.0, 10.0])
    assert regression_metrics(np.full(4, 2.5), truth)["explained_error"] == pytest.approx(0)
    assert regression_metrics(5 * truth - 9, truth)["rank_correlation"] == pytest.approx(1)
    assert regression_metrics(np.full(4, 2.5), truth)["rank_correlation"] == 0


@pytest.mark.parametrize(
    ("predicted", "truth", "words"),
    [
        ([1.0], [1.0, 2.0], "shape"),
        ([], [], "no test example"),
        ([np.nan, 1], [1.0, 2.0], "finite"),
        ([1, 2], [3, 3], "nothing to explain"),
    ],
)
def test_what_cannot_be_scored_is_said(predicted, truth, words):
    with pytest.raises(ValueError, match=words):
        regression_metrics(np.array(predicted, float), np.array(truth, float))


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        (["a", "b", "1"], "classes"),
        ([f"{i}" for i in range(10)], "classes"),
        ([f"{i}" for i in range(11)], "either"),
        ([f"{i}" for i in range(31)], "numbers"),
        (["0,5", "1,25", *(f"{i}" for i in range(9))], "numbers"),
        (["0.5", "1.5", ""], "either"),
        (["", ""], "classes"),
    ],
)
def test_whether_labels_say_which_or_how_much(labels, kind):
    assert likely(np.array(labels)) == kind


def test_numbers_are_read_as_they_are_written():
    found = quantities_of(np.array(["1.028,75", "", "0,5", "1.028,75", "word"]))
    np.testing.assert_array_equal(found, [1028.75, np.nan, 0.5, 1028.75, np.nan])


def rows_of(seed: int, n: int, shift: float = 0.0, noise: float = 0.3):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, 5)) + shift
    return rows, 10 + rows @ [2, -1, 0.5, 0, 0] + noise * rng.normal(size=n)


def seen(seed: int = 0, n: int = 60, m: int = 40, shift: float = 0.5, **parts) -> Seen:
    (s, ys), (t, yt) = rows_of(seed, n), rows_of(seed + 1, m, shift)
    return Seen(Examples(s, ys), Examples(t[:20], yt[:20]), 1, seed, t, Regressor("ridge", seed), **parts)


def test_ridge_is_scikit_learns_with_weights_and_chosen_like_its_grid_search():
    rows, answers = rows_of(0, 80)
    weights = np.random.default_rng(1).uniform(0.1, 2, 80)
    ours = Regressor("ridge", 0, setting=0.5)(rows, answers, weights)(rows)[:, 0]
    theirs = Ridge(alpha=2).fit(rows, answers, sample_weight=weights / weights.mean()).predict(rows)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    fit = Regressor("ridge", 3)
    fit(rows, answers)
    tried = {"alpha": [1 / 10.0**power for power in range(-3, 3)]}
    cv = KFold(5, shuffle=True, random_state=3)
    search = GridSearchCV(Ridge(), tried, scoring="neg_mean_squared_error", cv=cv).fit(rows, answers)
    assert fit.note == f"C = {1 / search.best_params_['alpha']:g} by 5-fold cross-validation"


@pytest.mark.parametrize("name", ["ridge", "svm", "neighbours", "trees", "1nn"])
def test_regressors_learn_whatever_the_answers_unit(name):
    rows, answers = rows_of(0, 200)
    fresh, truth = rows_of(5, 100)
    one, other = (
        Regressor(name, 0)(rows, unit * answers + shift)(fresh)[:, 0] for unit, shift in ((1, 0), (1000, -4e5))
    )
    assert r2_score(truth, one) > 0.6
    np.testing.assert_allclose(one, (other + 4e5) / 1000, atol=0.02 * truth.std())


def test_with_few_rows_nothing_is_chosen():
    fit = Regressor("ridge", 0)
    fit(*rows_of(0, FEWEST - 1))
    assert "too few labels" in fit.note


def test_pls_without_alignment_spans_what_scikit_learn_finds():
    here = seen()
    of_source, _ = DomainInvariantPLS(dimensions=3, alignment=0.0).feature_map(here)
    theirs = PLSRegression(3, scale=False).fit(here.source.inputs, here.source.answers)
    ours, known = of_source(here.source.inputs), theirs.transform(here.source.inputs)
    for direction, other in zip(ours.T, known.T, strict=True):
        assert abs(np.corrcoef(direction, other)[0, 1]) == pytest.approx(1, abs=1e-8)


def test_alignment_shuns_a_direction_that_varies_in_one_domain_alone():
    rng = np.random.default_rng(0)
    s, t = rng.normal(size=(300, 3)), rng.normal(size=(300, 3)) * [1, 8, 1]
    here = Seen(Examples(s, s[:, 0] + s[:, 1]), Examples(t[:0], t[:0, 0]), 1, 0, t, Regressor("ridge", 0))
    free, aligned = (DomainInvariantPLS(dimensions=1, alignment=a).feature_map(here) for a in (0.0, 1e4))
    spread = [float(np.std(maps[1](t)) / np.std(maps[0](s))) for maps in (free, aligned)]
    assert spread[0] > 3
    assert spread[1] < 1.5


def test_boosting_with_all_weights_free_is_adaboost_r2():
    """With trees so shallow that samples do not matter much, as scikit-learn's, which draws samples by the weights."""
    rows, answers = rows_of(0, 400, noise=0.05)
    fresh, truth = rows_of(9, 300)
    ours = boosted(rows, answers, np.ones(400), 0, 30, 3, 0)(fresh)
    theirs = AdaBoostRegressor(n_estimators=30, random_state=0).fit(rows, answers).predict(fresh)
    assert r2_score(truth, ours) == pytest.approx(r2_score(truth, theirs), abs=0.06)


@given(st.floats(0.3, 0.99), st.integers(0, 5))
def test_the_source_fades_to_the_share_that_is_left_for_it(share, seed):
    rng = np.random.default_rng(seed)
    weights, errors = rng.uniform(0.1, 1, 30), rng.uniform(0, 1, 30)
    before = weights[20:].sum() / weights.sum()
    found = faded(weights, errors, 20, max(share, before))
    assert found.sum() == pytest.approx(1)
    assert found[20:].sum() == pytest.approx(max(share, before), abs=1e-4)
    order = np.argsort(errors[:20])
    assert (np.diff((found[:20] / weights[:20])[order]) <= 1e-12).all()


def test_a_source_that_misleads_counts_little_and_one_that_helps_counts():
    good, bad = seen(), seen()
    bad = Seen(Examples(bad.source.inputs, -bad.source.answers), *list(vars(bad).values())[1:])
    fresh, truth = rows_of(7, 200, 0.5)
    scores = {}
    for name, here in (("good", good), ("bad", bad)):
        solution = TrAdaBoostR2(rounds=10, steps=5).solve(here)
        scores[name] = r2_score(truth, solution.predict(fresh)[:, 0])
        scores[name + " share"] = float(solution.note.split()[-1].rstrip("%"))
    assert scores["good"] > 0.5
    assert scores["bad"] > 0
    assert scores["bad share"] < scores["good share"]


def test_joint_optimal_transport_of_numbers_meets_rows_that_were_turned():
    """Turned and moved, the target keeps its numbers; what is learned from the source as it is does not know them."""
    rng = np.random.default_rng(0)
    s = rng.uniform(0, 1, size=(80, 1))
    here = Seen(Examples(s, np.sin(6 * s[:, 0])), Examples(s[:0], s[:0, 0]), 1, 0, s + 0.3, Regressor("ridge", 0))
    found = JDOT(shrinkage=0.01, distance_weight=0.1).solve(here).predict(s + 0.3)[:, 0]
    assert r2_score(np.sin(6 * s[:, 0]), found) > 0.8


ABLE = [name for name in applicable(DIABETES, "inductive") if name not in ("best_from_scratch", "feature_extraction")]


def test_at_least_twenty_five_methods_serve_numbers():
    assert len([name for name in ABLE if METHODS[name]().transfers]) >= 25


@pytest.mark.slow
@pytest.mark.parametrize("name", ABLE)
def test_every_method_that_serves_numbers_learns_some(name):
    fields = {"scenario": "diabetes", "methods": name, "budgets": [60], "seeds": [0], "epochs": 15}
    trial = next(t for t in Experiment.build(fields).trials() if t.method.name == name)
    found = execute(trial)
    assert found.metrics["r2"] > (-0.4 if METHODS[name]().overrides("transfer_loss") else 0)
    assert found.metrics["rmse"] == pytest.approx(found.metrics["mse"] ** 0.5)
    assert 20 < found.metrics["mae"] < 100  # in the answers' own unit


def test_without_target_labels_source_only_is_the_baseline_and_jdot_serves():
    able = applicable(DIABETES, "transductive")
    assert {"source_only", "coral", "kmm", "jdot", "di_pls", "dann"} <= {*able}
    fields = {"scenario": "diabetes", "setting": "transductive", "methods": "coral,jdot,di_pls", "seeds": [0]}
    run = Experiment.build(fields)
    results = Results(run, [TrialRecord(trial, "done", result=execute(trial)) for trial in run.trials()])
    assert run.baseline == "source_only"
    assert set(results.verdicts["method"]) == {"coral", "jdot", "di_pls"}
    assert len(results.records[0].result.examples["r2"]) == 207


def table(path, seed: int, n: int = 90, shift: float = 0.0, decimal: str = "."):
    rows, answers = rows_of(seed, n, shift)
    lines = [
        ";".join([*(f"{cell:.4f}" for cell in row), f"{answer:.2f}"]) for row, answer in zip(rows, answers, strict=True)
    ]
    path.write_text("\n".join(["a;b;c;d;e;price", *lines]).replace(".", decimal))
    return {"path": str(path), "label": "price"}


def test_a_column_of_numbers_is_recognised_and_learned(tmp_path):
    files = {"source": table(tmp_path / "there.csv", 0, 200), "target": table(tmp_path / "here.csv", 1, decimal=",")}
    run = Experiment.build(
        {"scenario": "features", **files, "methods": "source_only,pooled", "budgets": [20], "seeds": 3}
    )
    assert run.options["answers"] == "numbers"
    assert run.metric == "r2"
    checked = run.checked()
    again = Experiment.build(checked.model_dump(by_alias=True))
    assert again.where.answers == "numbers"
    trials = {trial.method.name: execute(trial).metrics for trial in checked.trials()}
    assert trials["source_only"]["r2"] > 0.9
    assert trials["best_from_scratch"]["rmse"] < 1.5
    said = Experiment.build({"scenario": "features", **files, "answers": "classes"})
    assert said.where.answers == "classes"
    assert Experiment.build(said.model_dump(by_alias=True)).where.answers == "classes"


def test_numbers_that_could_be_classes_are_asked_about(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("there.csv", "here.csv"):
        lines = [f"{rng.normal():.3f},{i % 15}" for i in range(300)]
        (tmp_path / name).write_text("\n".join(["a,y", *lines]))
    files = {"source": {"path": str(tmp_path / "there.csv")}, "target": {"path": str(tmp_path / "here.csv")}}
    run = Experiment.build({"scenario": "features", **files})
    assert run.where.kind == "classes"
    assert [concern for concern in run.concerns() if "answers=numbers" in concern.sentence]
    assert not Experiment.build({"scenario": "features", **files, "answers": "numbers"}).checked().concerns()


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (["1.5"] * 30, r"source.label: all of its 30 labels are 1\.5; there must be two different numbers"),
        (["1.5", "tall"] * 15, "source.label: 'tall' is no number. Allowed where answers=numbers: numbers"),
    ],
)
def test_labels_that_are_no_numbers_are_refused(tmp_path, labels, words):
    target = table(tmp_path / "here.csv", 1)
    lines = [f"{i % 7},{i % 5},{i},{i},{i},{label}" for i, label in enumerate(labels)]
    (tmp_path / "there.csv").write_text("\n".join(["a,b,c,d,e,price", *lines]))
    source = {"path": str(tmp_path / "there.csv"), "label": "price"}
    with pytest.raises(SpecificationError, match=words):
        Experiment.build({"scenario": "features", "source": source, "target": target, "answers": "numbers"}).checked()


def test_other_units_in_the_source_are_pointed_at(tmp_path):
    files = {"source": table(tmp_path / "there.csv", 0), "target": table(tmp_path / "here.csv", 1)}
    text = (tmp_path / "there.csv").read_text().splitlines()
    cells = [line.rpartition(";") for line in text[1:]]
    (tmp_path / "there.csv").write_text(
        "\n".join([text[0], *(f"{rest};{1000 * float(last):.1f}" for rest, _, last in cells)])
    )
    (concern,) = Experiment.build({"scenario": "features", **files}).concerns()
    assert "same unit" in concern.sentence


@pytest.mark.slow
def test_texts_with_numbers(tmp_path):
    rng = np.random.default_rng(0)
    for name, n in (("there.csv", 120), ("here.csv", 80)):
        stars = rng.uniform(0, 10, n)
        words = [
            f"{'very ' * int(star > 5)}{'good' if star > 3 else 'bad'} food number {i}" for i, star in enumerate(stars)
        ]
        (tmp_path / name).write_text(
            "\n".join(["text,label", *(f"{w},{s:.2f}" for w, s in zip(words, stars, strict=True))])
        )
    files = {"source": {"path": str(tmp_path / "there.csv")}, "target": {"path": str(tmp_path / "here.csv")}}
    run = Experiment.build(
        {
            "scenario": "texts",
            "encoder": "glove-6b-50d",
            **files,
            "methods": "frozen,mmd",
            "budgets": [30],
            "seeds": [0],
            "epochs": 20,
        }
    )
    assert run.where.answers == "numbers"
    found = {trial.method.name: execute(trial).metrics["r2"] for trial in run.checked().trials()}
    assert found["best_from_scratch"] > 0.3
    assert found["frozen"] > 0.3


@pytest.mark.slow
def test_pictures_in_folders_called_by_numbers(tmp_path):
    from PIL import Image

    for domain, n in (("there", 12), ("here", 12)):
        for value in range(n):
            place = tmp_path / domain / f"{value * 2.5:g}"
            place.mkdir(parents=True)
            for copy in range(3):
                noise = np.random.default_rng([value, copy, len(domain)]).integers(0, 20, (24, 24, 3))
                Image.fromarray((noise + 18 * value).astype(np.uint8)).save(place / f"{copy}.png")
    files = {"source": {"path": str(tmp_path / "there")}, "target": {"path": str(tmp_path / "here")}}
    run = Experiment.build(
        {
            "scenario": "images",
            "size": 32,
            **files,
            "methods": "small_network,fine_tune",
            "budgets": [20],
            "seeds": [0],
            "epochs": 2,
        }
    )
    assert run.where.answers == "numbers"
    trial = next(t for t in run.checked().trials() if t.method.name == "small_network")
    assert np.isfinite(execute(trial).metrics["r2"])


@pytest.mark.parametrize(("shuffled", "verdict"), [(False, "helps"), (True, "strongly negative transfer")])
def test_a_source_of_the_same_kind_helps_and_a_shuffled_one_harms(shuffled, verdict, tmp_path):
    files = {"source": table(tmp_path / "there.csv", 0, 300), "target": table(tmp_path / "here.csv", 1, 300)}
    if shuffled:
        header, *lines = (tmp_path / "there.csv").read_text().splitlines()
        labels = np.random.default_rng(0).permutation([line.rpartition(";")[2] for line in lines])
        rows = [line.rpartition(";")[0] for line in lines]
        (tmp_path / "there.csv").write_text("\n".join([header, *map(";".join, zip(rows, labels, strict=True))]))
    fields = {"scenario": "features", **files, "methods": "source_only", "budgets": [4], "seeds": 5}
    run = Experiment.build({**fields, "metric": "explained_error"})
    results = Results(run, [TrialRecord(trial, "done", result=execute(trial)) for trial in run.trials()])
    assert results.verdicts.loc[0, "verdict"] == verdict
