"""What a person's tables become: honest splits, rows that domains share, roles, and numbers in every spelling."""

import io

import h5py
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import dump_svmlight_file

from tests.datasets.workbooks import workbook
from tlcore.errors import SpecificationError
from tlcore.experiment import Experiment
from tlcore.trial import execute


def frame(seed: int, n: int = 60, **columns) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    label = np.array(["k0", "k1"])[np.arange(n) % 2]
    return pd.DataFrame(
        {"a": rng.normal(size=n).round(4) + np.arange(n) % 2, "b": rng.normal(size=n).round(4), "label": label}
        | columns
    )


def domains(tmp_path, there, here, name: str = "csv", **fields):
    files = {}
    for which, content in (("source", there), ("target", here)):
        path = tmp_path / f"{which}.{name}"
        if isinstance(content, pd.DataFrame):
            content = content.to_csv(index=False)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        files[which] = {"path": str(path), **fields.pop(which, {})}
    fields = {"scenario": "features", "methods": "logistic_regression", "standardize": "none", **files, **fields}
    return Experiment.build(fields).domains()


def test_rows_in_both_leave_the_source(tmp_path):
    source, target = frame(0, 80), frame(1)
    source.iloc[:10] = target.iloc[20:30].to_numpy()
    found = domains(tmp_path, source, target)
    assert found.facts["in_both"] == 10
    assert found.facts["source_rows"] == len(found.source) == 70
    kept = {tuple(row) for row in found.source.inputs}
    assert kept.isdisjoint({tuple(row) for row in [*found.pool.inputs, *found.test.inputs]})


def test_a_row_is_the_same_however_its_numbers_are_written(tmp_path):
    target = frame(1)
    source = pd.concat(
        [frame(0), target.iloc[:5].map(lambda value: f"{value}00" if isinstance(value, float) else value)]
    )
    assert domains(tmp_path, source, target).facts["in_both"] == 5


@pytest.mark.parametrize("times", [2, 3])
def test_doubles_in_the_target_count_once(times, tmp_path):
    target = pd.concat([frame(1)] * times, ignore_index=True)
    found = domains(tmp_path, frame(0), target)
    assert found.facts["target_doubles"] == 60 * (times - 1)
    assert len(found.pool) + len(found.test) == 60


def test_without_target_labels_all_rows_are_answered(tmp_path):
    target = pd.concat([frame(1)] * 2, ignore_index=True)
    found = domains(
        tmp_path, pd.concat([frame(0), frame(1).iloc[:7]]), target, setting="transductive", methods="source_only"
    )
    assert len(found.test) == 120
    assert found.facts["in_both"] == 7


def test_rows_that_are_alike_by_chance_all_count(tmp_path):
    rng = np.random.default_rng(0)
    answers = {seed: rng.integers(0, 3, (200, 2)) for seed in (0, 1)}
    tables = [pd.DataFrame(answers[seed], columns=["a", "b"]).assign(label=answers[seed][:, 0] % 2) for seed in (0, 1)]
    found = domains(tmp_path, *tables)
    assert (found.facts["source_rows"], found.facts["target_rows"]) == (200, 200)
    assert found.facts["alike_in_both"] == 200
    assert found.facts["target_alike"] == 191  # nine rows are possible


def test_labels_by_the_toss_of_a_coin_are_not_learned_from_rows_in_both(tmp_path):
    rng = np.random.default_rng(7)
    everything = pd.DataFrame(rng.normal(size=(200, 6)).round(4), columns=list("abcdef"))
    everything["label"] = rng.integers(0, 2, 200)
    for name, part in (("S", everything), ("T", everything.sample(120, random_state=0))):
        part.to_csv(tmp_path / f"{name}.csv", index=False)
    spec = Experiment(
        scenario="features", source=str(tmp_path / "S.csv"), target=str(tmp_path / "T.csv"), classifier="1nn",
        methods="coral,subspace_alignment", budgets=[5], seeds=3,
    )  # fmt: skip
    scores = [execute(trial).metrics["accuracy"] for trial in spec.trials() if trial.method.name != spec.baseline]
    assert np.mean(scores) < 0.65  # with the rows in both it is 1


@pytest.fixture(scope="module", params=["none", "joint", "per_domain"])
def unmoved(request, tmp_path_factory):
    """How tables are standardised, two of them, what comes of them, and as what the rows scored are found again."""
    how, folder = request.param, tmp_path_factory.mktemp("unmoved")
    source, target = frame(0), frame(1)
    target.loc[3, "a"] = np.nan
    target["c"] = np.array(["red", "blue", "green"])[np.arange(60) % 3]
    source["c"] = "red"
    before = domains(folder, source, target, standardize=how)
    plain = domains(folder, source, target.fillna(0), standardize="none").test.inputs
    return how, source, target, before, plain


@settings(max_examples=15, deadline=None)
@given(far=st.floats(-1e6, 1e6, allow_nan=False), row=st.integers(0, 23), missing=st.booleans())
@pytest.mark.slow
def test_nothing_is_learned_from_rows_that_are_scored(unmoved, far, row, missing, tmp_path_factory):
    how, source, target, before, plain = unmoved
    place = int(np.flatnonzero(np.isclose(target["a"].fillna(0), plain[row, 0], atol=1e-5))[0])
    target = target.copy()
    target.loc[place, "a"] = np.nan if missing else far
    target.loc[place, "c"] = "a colour of its own"
    after = domains(tmp_path_factory.mktemp("t"), source, target, standardize=how)
    np.testing.assert_array_equal(before.pool.inputs, after.pool.inputs)
    np.testing.assert_array_equal(before.source.inputs, after.source.inputs)


def test_groups_stand_on_one_side(tmp_path):
    patients = [f"p{i // 4}" for i in range(60)]
    target = frame(1, patient=patients)
    found = domains(
        tmp_path, frame(0, patient=["q"] * 60), target, source={"group": "patient"}, target={"group": "patient"}
    )
    assert not set(found.pool.groups) & set(found.test.groups)
    assert found.facts["groups"] == 15
    assert found.facts["columns"] == 2  # a group is no feature
    assert 12 <= len(found.test) <= 36


def test_the_test_is_what_came_last(tmp_path):
    days = pd.date_range("2024-01-01", periods=60).strftime("%d.%m.%Y")
    target = frame(1, when=days)
    found = domains(tmp_path, frame(0, when=days), target, source={"time": "when"}, target={"time": "when"})
    last = target["a"].to_numpy()[-len(found.test) :]
    np.testing.assert_allclose(sorted(found.test.inputs[:, 0]), sorted(last), atol=1e-6)
    assert len(found.test) == 24


def test_a_time_that_is_none_is_named(tmp_path):
    target = frame(1, when=["2024-01-01"] * 59 + ["soon"])
    with pytest.raises(SpecificationError, match=r"target\.time: 'soon' in data row 60 of 'target.csv' is neither"):
        domains(tmp_path, frame(0, when="2024-01-01"), target, source={"time": "when"}, target={"time": "when"})


@pytest.mark.parametrize("labelled", [False, True])
@pytest.mark.parametrize("name", ["y", "category", "class", "target", "stars", "topic"])
def test_a_feature_with_a_usual_name_of_labels_is_a_feature(name, labelled, tmp_path):
    source = frame(0, zone=frame(0)["label"]).drop(columns="label").rename(columns={"b": name})
    target = frame(1, zone=frame(1)["label"]).drop(columns="label").rename(columns={"b": name})
    found = domains(
        tmp_path, source, target if labelled else target.drop(columns="zone"), source={"label": "zone"},
        setting="transductive", methods="source_only",
    )  # fmt: skip
    assert found.facts["columns"] == 2
    assert len(found.test) == 60
    assert (found.test.answers == -1).all() != labelled


def test_there_can_be_no_label_though_a_name_is_usual(tmp_path):
    found = domains(
        tmp_path, frame(0).rename(columns={"b": "y"}), frame(1).rename(columns={"b": "y", "label": "kind"})[["a", "y"]],
        source={"label": "label"}, target={"label": "none"}, setting="transductive", methods="source_only",
    )  # fmt: skip
    assert found.facts["columns"] == 2


@pytest.mark.parametrize(("first", "other"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_svmlight_files_begin_to_count_alike(first, other, tmp_path):
    """The first column is missing from one of them: what the other says holds for both."""
    rng = np.random.default_rng(0)
    answers = np.arange(60) % 2
    source = np.column_stack([rng.random(60) + 0.1, 1 + answers + rng.random(60) / 9, rng.random(60) + 0.1])
    target = source[::-1] * 1.01
    target[:, 0] = 0 if not first else target[:, 0]
    contents = []
    for rows, labels in ((source, answers), (target, answers[::-1])):
        content = io.BytesIO()
        dump_svmlight_file(rows, labels, content, zero_based=first == 0)
        contents.append(content.getvalue())
    contents = contents[::-1] if other else contents
    found = domains(tmp_path, *contents, name="svm", setting="transductive", methods="source_only")
    assert found.facts["columns"] == 3
    middle = found.test.inputs.toarray()[:, 1]
    np.testing.assert_array_equal(middle > 1.5, found.test.answers == 1)


def mat_7_3(rows, labels, cells: bool = False) -> bytes:
    """As MATLAB writes it: dimensions turned round, text as numbers, cells as references."""
    content = io.BytesIO()
    with h5py.File(content, "w", userblock_size=512) as file:
        file["fts"] = rows.T
        if cells:
            words = [
                file.create_dataset(f"#refs#/{i}", data=np.array([*map(ord, word)], np.uint16)[:, None])
                for i, word in enumerate(labels)
            ]
            for word in words:
                word.attrs["MATLAB_class"] = np.bytes_("char")
            file.create_dataset("labels", data=np.array([[word.ref for word in words]], h5py.ref_dtype))
        else:
            file["labels"] = np.asarray(labels, float)[None]
    written = content.getvalue()
    return b"MATLAB 7.3 MAT-file, Platform: GLNXA64" + written[38:]


@pytest.mark.parametrize("cells", [False, True])
def test_mat_files_of_the_newest_version(cells, tmp_path):
    table = frame(0)
    labels = table["label"].tolist() if cells else (np.arange(60) % 2).tolist()
    content = mat_7_3(table[["a", "b"]].to_numpy(), labels, cells)
    other = mat_7_3(frame(1)[["a", "b"]].to_numpy(), labels, cells)
    found = domains(tmp_path, content, other, name="mat")
    assert found.answer_names == (("k0", "k1") if cells else ("0", "1"))
    np.testing.assert_allclose(found.source.inputs, table[["a", "b"]].to_numpy(), atol=1e-6)


def test_lists_in_cells_are_columns(tmp_path):
    for name, write in (("parquet", "to_parquet"), ("jsonl", "to_json")):
        contents = []
        for seed in (0, 1):
            table = frame(seed)
            table["v"] = table[["a", "b"]].to_numpy().tolist()
            content = io.BytesIO()
            options = {"orient": "records", "lines": True} if name == "jsonl" else {}
            getattr(table[["v", "label"]], write)(content, **options)
            contents.append(content.getvalue())
        found = domains(tmp_path, *contents, name=name)
        assert found.facts["columns"] == 2
        np.testing.assert_allclose(found.source.inputs, frame(0)[["a", "b"]].to_numpy(), atol=1e-6)


def test_lists_of_different_lengths_are_refused(tmp_path):
    ragged = frame(0).assign(v=[str([1] * (1 + i % 2)) for i in range(60)])
    with pytest.raises(
        SpecificationError, match=r"source\.path: column 'v' of 'source.csv' holds lists of different lengths"
    ):
        domains(tmp_path, ragged, frame(1, v="[1]"))
    assert (
        domains(tmp_path, ragged, frame(1, v="[1]"), source={"leave_out": "v"}, target={"leave_out": "v"}).facts[
            "columns"
        ]
        == 2
    )


@pytest.mark.parametrize(
    "write",
    [lambda x: f"{x:.3f}".replace(".", ","), lambda x: f"{x:.3f} €", lambda x: f"${x:,.3f}", lambda x: f"{x:.3f} %"],
)
def test_numbers_in_any_spelling_are_numbers(write, tmp_path):
    tables = [frame(seed).assign(a=[write(1000 + x) for x in frame(seed)["a"]]) for seed in (0, 1)]
    found = domains(tmp_path, *(table.to_csv(index=False, sep=";") for table in tables))
    assert found.facts["columns"] == 2
    assert found.facts["category_columns"] == 0
    np.testing.assert_allclose(found.source.inputs[:, 0], 1000 + frame(0)["a"], atol=1e-3)


def test_what_is_no_feature_is_left_out_and_said(tmp_path):
    extra = {
        "name": [f"person {i}" for i in range(60)], "born": pd.date_range("1990-01-01", periods=60).astype(str),
        "said": ["something rather long about the weather, and what became of it"] * 60, "": range(60), "id": range(60),
    }  # fmt: skip
    found = domains(tmp_path, frame(0, **extra), frame(1, **extra))
    assert found.facts["columns"] == 2
    assert found.facts["columns_left_out"] == 3
    assert found.facts["source_unnamed_columns"] == found.facts["source_row_number_columns"] == 1
    dated = domains(
        tmp_path, frame(0, **extra), frame(1, **extra), source={"kinds": "born=number"}, target={"kinds": "born=number"}
    )
    assert dated.facts["columns"] == 3


def test_many_categories_stay_small(tmp_path):
    rng = np.random.default_rng(0)
    names = np.array([f"place {i}" for i in range(900)])
    big = pd.DataFrame(
        {"place": rng.choice(names, 40_000), "x": rng.normal(size=40_000), "label": rng.choice(["a", "b"], 40_000)}
    )
    found = domains(tmp_path, big, big.sample(500, random_state=0).assign(x=lambda t: t["x"] + 1), standardize="joint")
    assert found.facts["columns"] == 901
    assert found.source.inputs.nnz <= 80_000  # dense they would be 36 million numbers


def test_labels_are_matched_by_renaming(tmp_path):
    target = frame(1).replace({"k0": "K0", "k1": " k1 "})
    assert domains(tmp_path, frame(0), target).facts["shared_classes"] == 1
    matched = domains(tmp_path, frame(0), target, source={"rename": "k0=K0"})
    assert matched.facts["shared_classes"] == 2


def test_a_sheet_is_a_feature_table(tmp_path):
    books = [workbook([[*frame(seed).columns], *frame(seed).to_numpy().tolist()]) for seed in (0, 1)]
    found = domains(tmp_path, *books, name="xlsx")
    np.testing.assert_allclose(found.source.inputs, frame(0)[["a", "b"]].to_numpy(), atol=1e-6)


def test_a_specification_repeats_what_was_chosen(tmp_path):
    frame(0, extra=1).to_csv(tmp_path / "s.csv", index=False)
    frame(1, extra=2).to_csv(tmp_path / "t.csv", index=False)
    said = {"leave_out": "extra", "kinds": "b=category", "decimal": ".", "separator": "comma", "not_missing": "NA"}
    spec = Experiment.build({
        "scenario": "features", "source": {"path": str(tmp_path / "s.csv"), **said},
        "target": {"path": str(tmp_path / "t.csv"), **said}, "methods": "logistic_regression", "budgets": 3,
    }).checked()  # fmt: skip
    (tmp_path / "spec.yaml").write_text(spec.to_yaml())
    again = Experiment.load(tmp_path / "spec.yaml")
    assert again == spec
    np.testing.assert_array_equal(again.domains().pool.inputs, spec.domains().pool.inputs)
