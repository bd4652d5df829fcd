"""Feature tables of one's own: what is read, what is refused, and what a classifier makes of it."""

import gzip

import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat
from scipy.sparse import csr_matrix
from sklearn.datasets import dump_svmlight_file
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from tlcore.classifiers import chosen
from tlcore.datasets.features import FeatureFile
from tlcore.errors import SpecificationError
from tlcore.experiment import Experiment, applicable
from tlcore.methods import METHODS
from tlcore.scenarios import SCENARIOS
from tlcore.trial import execute

CLOSED = [
    name
    for name in applicable(SCENARIOS["features"], "transductive")
    if METHODS[name].data_alone or METHODS[name]().overrides("solve")
]


def rows_of(seed: int, n: int, shift: float, classes: int = 3):
    rng = np.random.default_rng(seed)
    answers = rng.permutation(np.arange(n) % classes)
    centres = np.random.default_rng(99).normal(size=(classes, 6)) * 1.5
    return (centres[answers] + rng.normal(size=(n, 6)) + shift).astype(np.float32), answers


SOURCE, TARGET = rows_of(0, 90, 0.0), rows_of(1, 75, 0.8)


def written(tmp_path, kind: str, name: str, rows, answers):
    """The same table in another format."""
    path = tmp_path / f"{name}.{kind}"
    names = [f"f{i}" for i in range(rows.shape[1])]
    frame = pd.DataFrame(rows, columns=names).assign(label=answers)
    match kind:
        case "csv":
            frame.to_csv(path, index=False)
        case "csv.gz":
            path.write_bytes(gzip.compress(frame.to_csv(index=False, sep=";").encode()))
        case "parquet":
            frame.to_parquet(path)
        case "npz":
            np.savez(path, X=rows, y=answers)
        case "mat":
            savemat(path, {"fts": rows, "labels": answers[:, None]})
        case "svm":
            dump_svmlight_file(csr_matrix(rows), answers, str(path))
    return {"path": str(path)}


def experiment(source, target, **fields):
    fields = {"methods": "source_only", "setting": "transductive", "seeds": [0], **fields}
    return Experiment.build({"scenario": "features", "source": source, "target": target, **fields})


def npz(tmp_path, name="table", **arrays):
    np.savez(tmp_path / f"{name}.npz", **arrays)
    return {"path": str(tmp_path / f"{name}.npz")}


@pytest.fixture
def pair(tmp_path):
    return npz(tmp_path, "s", X=SOURCE[0], y=SOURCE[1]), npz(tmp_path, "t", X=TARGET[0], y=TARGET[1])


def first(spec, name):
    return execute(next(trial for trial in spec.trials() if trial.method.name == name))


@pytest.mark.parametrize("kind", ["csv", "csv.gz", "parquet", "npz", "mat", "svm"])
def test_every_format_holds_the_same_table(tmp_path, kind):
    files = [written(tmp_path, kind, name, *part) for name, part in (("s", SOURCE), ("t", TARGET))]
    domains = experiment(*files, standardize="none").domains()
    inputs = domains.source.inputs
    np.testing.assert_allclose(inputs.toarray() if kind == "svm" else inputs, SOURCE[0], atol=1e-5)
    np.testing.assert_array_equal(domains.source.answers, SOURCE[1])
    np.testing.assert_array_equal(domains.test.answers, TARGET[1])  # all of them, in the file's order
    assert domains.answer_names == ("0", "1", "2")
    assert domains.facts["columns"] == 6


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("1nn", KNeighborsClassifier(1)),
        ("svm", LinearSVC(random_state=0, dual="auto")),
        ("logistic", LogisticRegression(max_iter=1000)),
    ],
)
@pytest.mark.parametrize("standardize", ["none", "joint", "per_domain"])
def test_source_only_is_scikit_learns_classifier(pair, name, reference, standardize):
    told = first(experiment(*pair, classifier=name, standardize=standardize, C=1), "source_only")
    source, target = SOURCE[0].astype(float), TARGET[0].astype(float)
    if standardize == "joint":
        source, target = map(StandardScaler().fit(np.concatenate([source, target])).transform, (source, target))
    if standardize == "per_domain":
        source, target = (StandardScaler().fit_transform(rows) for rows in (source, target))
    predicted = reference.fit(source.astype(np.float32), SOURCE[1]).predict(target.astype(np.float32))
    assert (told.examples["predicted"] == predicted).mean() > 0.98
    assert told.metrics["accuracy"] == pytest.approx((predicted == TARGET[1]).mean(), abs=0.02)


def test_sparse_stays_sparse_and_answers_the_same(tmp_path):
    sparse = [written(tmp_path, "svm", name, *part) for name, part in (("s", SOURCE), ("t", TARGET))]
    dense = [written(tmp_path, "npz", name, *part) for name, part in (("s", SOURCE), ("t", TARGET))]
    one, other = (
        experiment(*files, standardize="none", methods="source_only,coral,kmm", classifier="svm")
        for files in (sparse, dense)
    )
    assert one.domains().source.inputs.format == "csr"
    assert one.domains().source.inputs.indices.dtype == np.int32
    for name in ("source_only", "coral", "kmm"):
        agreed = first(one, name).examples["predicted"] == first(other, name).examples["predicted"]
        assert agreed.mean() > 0.97


@pytest.mark.parametrize(
    ("name", "setting"),
    [
        *[(name, "transductive") for name in ("auto", "mmd", "jda", "kmm", "meda", "tent")],
        *[(name, "inductive") for name in ("auto", "fine_tune", "prototypical", "boosted_trees", "tradaboost")],
    ],
)
def test_methods_of_every_kind_take_sparse_tables(tmp_path, name, setting):
    files = [written(tmp_path, "svm", which, *part) for which, part in (("s", SOURCE), ("t", TARGET))]
    fields = {"setting": setting, "budgets": [8], "epochs": 20}
    if name == "auto":
        fields["methods"] = [{"name": "auto", "settings": {"among": "source_only,coral,mmd,shot,fine_tune"}}]
    spec = experiment(*files, **{"methods": name, **fields}).checked()
    assert first(spec, name).metrics["accuracy"] > 0.5


def test_c_is_chosen_and_said_unless_a_person_says_it(pair):
    told, fixed = (first(experiment(*pair, classifier="svm", C=c), "source_only") for c in ("", 0.5))
    assert told.note == f"C = {chosen('svm', *learned(pair), 3, 0)[0]:g} by 5-fold cross-validation"
    assert fixed.note == ""
    rows, answers = learned(pair)
    asked = experiment(*pair).domains().test.inputs
    theirs = LinearSVC(C=0.5, random_state=0).fit(rows, answers).predict(asked)
    np.testing.assert_array_equal(fixed.examples["predicted"], theirs)
    with pytest.raises(SpecificationError, match="C: 0 is not allowed"):
        experiment(*pair, C=0)


def learned(pair):
    source = experiment(*pair).domains().source
    return source.inputs, source.answers


def test_a_sparse_file_may_lack_its_last_columns(tmp_path):
    (tmp_path / "s.svm").write_text("0 1:1 3:2\n1 2:1\n0 1:2\n1 2:3\n")
    (tmp_path / "t.svm").write_text("0 1:1\n1 2:2\n")
    told = first(experiment({"path": str(tmp_path / "s.svm")}, {"path": str(tmp_path / "t.svm")}), "source_only")
    assert told.metrics["accuracy"] == 1


def test_without_target_labels_there_are_answers_and_no_scores(tmp_path, pair):
    from tlcore import run

    blind = experiment(pair[0], npz(tmp_path, "blind", X=TARGET[0]), methods="source_only,coral")
    seen = experiment(*pair, methods="source_only,coral")
    results = run(blind)
    assert (results.trials["status"] == "done").all()
    assert results.verdicts.empty
    assert results.summary("accuracy")["mean"].isna().all()
    predicted = results.predictions.query("method == 'coral'")
    assert len(predicted) == 75
    assert (predicted["truth"] == "").all()
    np.testing.assert_array_equal(predicted["predicted"].astype(int), first(seen, "coral").examples["predicted"])


def test_some_rows_without_a_label_are_answered_and_not_scored(tmp_path):
    frame = pd.DataFrame(TARGET[0]).assign(label=[str(a) if i % 3 else "" for i, a in enumerate(TARGET[1])])
    frame.to_csv(tmp_path / "t.csv", index=False)
    pd.DataFrame(SOURCE[0]).assign(label=SOURCE[1]).to_csv(tmp_path / "s.csv", index=False)
    told = first(experiment({"path": str(tmp_path / "s.csv")}, {"path": str(tmp_path / "t.csv")}), "source_only")
    known = np.arange(75) % 3 > 0
    assert len(told.examples["predicted"]) == 75
    right = told.examples["predicted"][known] == TARGET[1][known]
    assert told.metrics["accuracy"] == pytest.approx(right.mean())
    np.testing.assert_array_equal(told.examples["truth"] == -1, ~known)


def test_categories_and_missing_cells(tmp_path):
    (tmp_path / "s.csv").write_text("size,colour,open,y\n1,red,true,a\n2,blue,false,b\n,red,TRUE,a\n4,,False,b\n")
    (tmp_path / "t.csv").write_text("colour,y,size,open\nred,a,NaN,no\nblue,b,3,no\ngreen,b,4,No\n")
    domains = experiment(
        {"path": str(tmp_path / "s.csv")}, {"path": str(tmp_path / "t.csv")}, standardize="none"
    ).domains()
    middle = np.median([1, 2, 4, 3, 4])
    wanted = [[1, 0, 0, 1, 1], [2, 1, 0, 0, 0], [middle, 0, 0, 1, 1], [4, 0, 0, 0, 0]]  # size, blue, green, red, open
    np.testing.assert_allclose(domains.source.inputs, wanted)
    np.testing.assert_allclose(domains.test.inputs[0], [middle, 0, 0, 1, 0])
    assert domains.facts["category_columns"] == 1
    assert domains.facts["missing_cells"] == 3


@pytest.mark.parametrize("name", CLOSED)
def test_a_result_does_not_hang_on_row_order_label_names_or_number_type(tmp_path, name):
    plain = [npz(tmp_path, which, X=part[0], y=part[1]) for which, part in (("s", SOURCE), ("t", TARGET))]
    orders = [np.random.default_rng(i).permutation(len(part[1])) for i, part in enumerate((SOURCE, TARGET))]
    called = np.array(["pear", "apple", "fig"])
    other = [
        npz(tmp_path, f"other-{which}", X=part[0][order].astype(np.float64), y=called[part[1]][order])
        for which, part, order in zip("st", (SOURCE, TARGET), orders, strict=True)
    ]
    one, two = (first(experiment(*files, methods=name, classifier="1nn"), name) for files in (plain, other))
    names = np.array(sorted(called))
    expected = called[one.examples["predicted"]][orders[1]]
    agreed = (names[two.examples["predicted"]] == expected).mean()
    assert agreed >= (0.9 if name in ("kmm", "auto") else 0.97)


@pytest.mark.parametrize("name", ["mmd", "dann", "shot", "mcc"])
def test_losses_in_training_serve_tables_too(pair, name):
    told = first(experiment(*pair, methods=name, classifier="network", epochs=3), name)
    assert told.metrics["accuracy"] > 0.5
    assert told.curves


def test_the_inductive_setting_spends_labels_and_scores_the_rest(pair):
    spec = experiment(*pair, methods="from_scratch,pooled,tradaboost,fine_tune", setting="inductive", budgets=[2])
    told = first(spec, "from_scratch")
    domains = spec.domains()
    assert told.metrics["n_train"] == 6
    assert len(domains.test) == len(told.examples["truth"]) == 30
    assert len(domains.pool) == 45
    assert first(spec, "pooled").metrics["n_train"] == 96


def test_what_takes_nothing_from_the_source_here_is_refused(pair):
    spec = experiment(*pair, setting="inductive", methods="feature_extraction", budgets=[2])
    with pytest.raises(SpecificationError, match="'feature_extraction' takes nothing from the source here"):
        spec.checked()


def test_weights_can_be_seen(pair):
    from tlcore import run

    results = run(experiment(*pair, methods="kmm,nearest_neighbour_selection"))
    weights = results.source_weights.groupby("method")["weight"]
    assert weights.size().to_dict() == {"kmm": 90, "nearest_neighbour_selection": 90}
    np.testing.assert_allclose(weights.mean(), 1, atol=1e-5)
    notes = results.trials.set_index("method")["note"]
    assert "of 90 source examples" in notes["kmm"]


def bad(tmp_path, **arrays):
    return npz(tmp_path, "bad", **{"X": TARGET[0], "y": TARGET[1], **arrays})


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"X": TARGET[0][:, :4]}, r"target\.path: it has 4 columns and the source has 6"),
        (
            {"X": np.where(np.arange(6) == 2, np.nan, TARGET[0])},
            "'bad.npz' has 75 cells that are not finite",
        ),
        ({"X": TARGET[0][:0], "y": TARGET[1][:0]}, r"target\.path: 'bad.npz' has no row"),
        ({"X": TARGET[0].ravel()}, r"target\.rows: X of 'bad.npz' has shape \(450,\)"),
        ({"X": TARGET[0].astype(str)}, r"target\.rows: X of 'bad.npz' has type"),
        ({"y": TARGET[1] + 1}, r"target\.label: '3' is not a label of the source.*Allowed: 0, 1, 2"),
        ({"y": TARGET[1][:70]}, r"target\.label: y of 'bad.npz' has 70 labels for the 75 rows of X"),
        ({"X": np.array([None])}, r"target\.path: 'bad.npz' cannot be read as NPZ: it holds Python objects"),
    ],
)
def test_a_target_that_cannot_be_used_is_refused_in_one_line(tmp_path, pair, arrays, message):
    with pytest.raises(SpecificationError, match=message) as caught:
        experiment(pair[0], bad(tmp_path, **arrays)).checked()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("file", "fields", "message"),
    [
        ({"X": SOURCE[0]}, {}, r"source\.label: the source needs labels"),
        ({"X": SOURCE[0], "y": SOURCE[1] * 0}, {}, r"source\.label: all of its 90 rows are '0'; there must be two"),
        ({"X": SOURCE[0], "y": SOURCE[1]}, {"label": "z"}, r"source\.label: 's2.npz' has no 'z'. Allowed: X, y"),
        ({"X": SOURCE[0], "y": SOURCE[1]}, {"rows": "Z"}, r"source\.rows: 's2.npz' has no 'Z'. Allowed: X, y"),
        ({"Q": SOURCE[0]}, {}, r"source\.rows: 's2.npz' has none of X, .* which of these it is: Q"),
    ],
)
def test_a_source_that_cannot_be_used_is_refused_in_one_line(tmp_path, pair, file, fields, message):
    with pytest.raises(SpecificationError, match=message):
        experiment({**npz(tmp_path, "s2", **file), **fields}, pair[1]).checked()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"0 bytes"),
        ("f0,y\n", r"has no row"),
        ("f0,f1\n1,2\n", r"needs labels"),
        ("f0,y,label\n1,a,b\n", r"label: 's.csv' has columns y, label; say which one it is"),
        ("y\na\n", r"one column"),
        ("f0,f0,y\n1,2,a\n", r"two columns|lacks column"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_in_one_line(tmp_path, pair, text, message):
    (tmp_path / "s.csv").write_text(text)
    (tmp_path / "t.csv").write_text("f0,f1,y\n1,2,a\n3,4,b\n")
    with pytest.raises(SpecificationError, match=message) as caught:
        experiment({"path": str(tmp_path / "s.csv")}, {"path": str(tmp_path / "t.csv")}).checked()
    assert "\n" not in str(caught.value)


def test_columns_are_matched_by_name_or_refused(tmp_path):
    (tmp_path / "s.csv").write_text("f0,f1,y\n1,2,a\n3,4,b\n")
    (tmp_path / "t.csv").write_text("f0,g,y\n1,2,a\n3,4,b\n")
    with pytest.raises(SpecificationError, match=r"source\.path: it lacks column 'g' of the other file"):
        experiment({"path": str(tmp_path / "s.csv")}, {"path": str(tmp_path / "t.csv")}).checked()


def test_a_damaged_mat_file_of_the_newest_version_is_refused(tmp_path):
    (tmp_path / "x.mat").write_bytes(b"MATLAB 7.3 MAT-file" + b" " * 200)
    with pytest.raises(SpecificationError, match=r"x.mat' cannot be read as MAT 7.3"):
        FeatureFile(path=str(tmp_path / "x.mat")).read()


def test_too_many_columns_of_a_sparse_table_are_refused_where_all_cells_are_needed(pair, monkeypatch, tmp_path):
    """Before the run, in one sentence; what takes sparse rows runs, and a choice leaves out what does not."""
    monkeypatch.setattr("tlcore.scenarios.tables.MOST_CELLS", 100)
    files = [written(tmp_path, "svm", name, *part) for name, part in (("a", SOURCE), ("b", TARGET))]
    for setting in ("transductive", "inductive"):
        refused = experiment(*files, setting=setting).refusals()
        wide = {name for name, why in refused.items() if "needs every cell of 1" in why}
        taken = {"source_only", "from_scratch", "pooled", "logistic_regression", "linear_svm", "nearest_neighbours"}
        taken |= {"best_from_scratch", "feature_extraction"}
        assert wide == {*applicable(SCENARIOS["features"], setting)} - taken
    with pytest.raises(SpecificationError, match=r"'coral' needs every cell of 165 x 6 sparse rows, .* more than 100"):
        experiment(*files, methods="coral").checked()
    spec = experiment(*files, setting="inductive", methods="from_scratch,pooled,linear_svm", budgets=[8]).checked()
    for choice in spec.methods:
        assert first(spec, choice.name).metrics["accuracy"] > 0.5
    note = first(spec, "best_from_scratch").note
    assert "boosted_trees 0" not in note
    assert note.endswith(
        "; without boosted_trees, which needs every cell of 135 x 6 sparse rows, which are more than 100"
    )
