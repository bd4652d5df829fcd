"""The pages without a browser: a real store, a real run, real scripts."""

import json
import re
import shutil
import subprocess
import sys
import time
from gettext import NullTranslations
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from pages.parts import language
from tests.app.opened import ROOT, page
from tlcore import lab
from tlcore.datasets import interactions
from tlcore.experiment import Experiment
from tlcore.scenarios import recommendation

PAGES = sorted(path.stem for path in (ROOT / "pages/views").glob("*.py"))


@pytest.fixture(scope="module")
def finished() -> str:
    """A run with one verdict of each kind of method."""
    experiment = Experiment.build(
        {"name": "Small", "methods": "from_scratch,source_only,l2_sp", "budgets": "1,2", "seeds": 3, "epochs": 2}
    )
    run = lab.submit(experiment)
    assert lab.wait(run).status == "done"
    return run


@pytest.fixture(scope="module")
def films() -> str:
    """A run with people, some of them cold."""
    fields = {
        "name": "Small",
        "scenario": "films",
        "methods": "popularity,cmf,joint_ease",
        "budgets": "2,5",
        "seeds": 3,
    }
    run = lab.submit(Experiment.build({**fields, "cold_users": 0.3}))
    assert lab.wait(run).status == "done"
    return run


@pytest.fixture(scope="module")
def opinions() -> str:
    """A run about texts."""
    fields = {"scenario": "sentiment", "source": "product", "target": "drug-reviews", "encoder": "glove-6b-50d"}
    run = lab.submit(Experiment.build({**fields, "methods": "frozen,source_only", "budgets": "5", "seeds": 3}))
    assert lab.wait(run).status == "done"
    return run


@pytest.fixture
def tables(tmp_path) -> tuple[Path, Path]:
    """Two small tables of choices with the same thirty people."""
    rows = [(f"u{i}", f"{'ab'[j % 2]}{(i * 7 + j) % 9}") for i in range(30) for j in range(8)]
    paths = tmp_path / "there.csv", tmp_path / "here.csv"
    for path, letter in zip(paths, "ab", strict=True):
        lines = [f"{user},{item}" for user, item in rows if item[0] == letter]
        path.write_text("\n".join(["user,item", *lines]))
    return paths


def columns_of(app: AppTest, which: str) -> pd.DataFrame:
    """What the page says of the columns of a file."""
    (table,) = [table.value for table in app.data_editor if (table.key or "").startswith(f"{which}.columns.")]
    return table.set_index("column")


def choose(app: AppTest, which: str, column: str, **edit: str) -> None:
    """Change the role or kind of a column in the table, as a person does, who keeps what was changed before."""
    (table,) = [table for table in app.data_editor if (table.key or "").startswith(f"{which}.columns.")]
    row = [*table.value["column"]].index(column)
    edits = dict(app.session_state[table.key]["edited_rows"])
    edits[row] = {**edits.get(row, {}), **edit}
    app.session_state[table.key] = {"edited_rows": edits, "added_rows": [], "deleted_rows": []}
    app.run()
    assert not app.exception


def one(value: str | list[str]) -> str:
    return value if isinstance(value, str) else value[0]


@pytest.mark.parametrize("name", PAGES)
def test_every_page_shows_itself(name, finished):
    assert page(name).title


def test_no_folder_of_pages_lies_beside_the_main_script():
    """Streamlit would run it without the router on a fresh server; see app.py."""
    assert not list((ROOT / "pages").glob("*.py"))
    assert not (ROOT / "pages/router/pages").exists()


def test_a_run_without_a_result_yet_can_be_watched():
    run = lab.submit(Experiment.build({"methods": "from_scratch", "budgets": 1, "seeds": 1, "epochs": 1}))
    lab.cancel(run)
    lab.wait(run)
    page("run", run=run)
    page("compare", run=run)


def test_pages_load_no_torch():
    code = (
        "import sys, pages.parts.evidence, pages.parts.progress, tlcore.methods, tlcore.scenarios;"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)


def test_compare_warns_of_negative_transfer_before_all_else(finished):
    app = page("compare", run=finished)
    verdicts = lab.results(finished).verdicts
    harmful = verdicts[verdicts["verdict"].str.contains("negative")]
    assert len(harmful) == len(
        [line for line in (app.error[0].value if app.error else "").splitlines() if line.startswith("- ")]
    )
    table = app.dataframe[0].value
    assert list(table["gap"]) == pytest.approx([100 * gap for gap in verdicts.sort_values(["budget", "gap"])["gap"]])
    for (_, shown), (_, row) in zip(table.iterrows(), verdicts.sort_values(["budget", "gap"]).iterrows(), strict=True):
        assert row["verdict"] in shown["verdict"]
        assert shown["interval"] == f"{100 * row['ci_low']:+.1f} … {100 * row['ci_high']:+.1f}"


@pytest.mark.parametrize("name", ["compare", "run"])
def test_an_address_that_leads_nowhere_says_so(name, finished):
    app = page(name, run="20000101-000000-none")
    assert "20000101-000000-none" in app.error[0].value


def test_an_unknown_preset_names_those_there_are(finished):
    assert "digits-quick" in page("run", preset="digits-quik").error[0].value


def test_the_watch_view_shows_what_the_store_says(finished):
    app = page("run", run=finished)
    table = app.dataframe[0].value.set_index(["method", "budget"])
    summary = lab.results(finished).summary("accuracy").set_index(["method", "budget"])
    for key, row in summary.iterrows():
        assert table.loc[key, "mean"] == pytest.approx(row["mean"])


@pytest.mark.parametrize("budgets", ["0", "5, 5", "many", "999"])
def test_a_budget_that_cannot_be_is_refused_beside_the_form(budgets, finished):
    app = page("run", preset="digits-quick")
    app.text_input(key="budgets").set_value(budgets).run()
    assert not app.exception
    assert "budgets" in app.error[0].value
    assert app.button(key="start").disabled


def test_run_starts_what_the_form_says(finished):
    app = page("run", preset="digits-quick")
    app.text_input(key="budgets").set_value("3")
    app.number_input(key="seeds").set_value(1)
    app.toggle(key="until").set_value(False)
    app.number_input(key="epochs").set_value(1)
    app.number_input(key="l2_sp.learning_rate").set_value(0.001)
    app.run()
    app.button(key="start").click().run()
    assert not app.exception
    run = lab.read(one(app.query_params["run"]))
    lab.cancel(run.id)
    lab.wait(run.id)
    assert (run.experiment.budgets, run.experiment.seeds, run.experiment.epochs) == ([3], [0], 1)
    assert "l2_sp(learning_rate=0.001)" in [choice.label for choice in run.experiment.methods]


def test_a_run_goes_on_until_decided_where_the_form_says_so(finished):
    app = page("run", preset="digits-quick")
    assert app.toggle(key="until").value
    assert any(re.fullmatch(r"48 trials(, about .*)?; up to 320 if verdicts stay open", c.value) for c in app.caption)

    app.number_input(key="seeds").set_value(2).run()
    assert "Allowed: 3 to 20" in app.error[0].value
    assert app.button(key="start").disabled
    app.toggle(key="until").set_value(False).run()
    assert not app.error
    assert not any("up to" in caption.value for caption in app.caption)


def test_what_a_run_left_open_is_decided_by_a_button(finished):
    fields = {"methods": "from_scratch,source_only,frozen", "budgets": 1, "seeds": 3, "epochs": 1}
    run = lab.submit(Experiment.build(fields))
    lab.wait(run)
    for name in ("run", "compare"):
        app = page(name, run=run)
        assert re.fullmatch(r"Decide the (open one|\d open ones), about \d+ s", app.button(key="decide").label)

    app.button(key="decide").click().run()

    assert not app.exception
    assert lab.read(run).experiment.until == "decided"
    info = lab.wait(run)
    app = page("run", run=run)
    assert not any(button.key == "decide" for button in app.button)
    look = f"Look {info.look[0]} of 5"
    assert info.look > (1, 5)
    assert any(caption.value.startswith(look) for caption in app.caption)


def test_own_tables_are_looked_at_before_methods_are_offered(finished, tables):
    app = page("run", scenario="ratings")
    assert "Choose a file" in app.info[0].value
    assert app.button(key="start").disabled
    for which, path in zip(("source", "target"), tables, strict=True):
        app.text_input(key=f"{which}.path").set_value(str(path))
    app.run()
    assert not app.exception
    facts = {metric.label: metric.value for metric in app.metric}
    assert (facts["People in both"], facts["Items in both"]) == ("30", "0")
    assert not app.button(key="start").disabled


def test_own_tables_are_run(finished, tables):
    app = page("run", scenario="ratings")
    for which, path in zip(("source", "target"), tables, strict=True):
        app.text_input(key=f"{which}.path").set_value(str(path))
    app.number_input(key="seeds").set_value(1)
    app.text_input(key="budgets").set_value("2")
    app.number_input(key="ratings.cold_users").set_value(0.1)
    app.run()
    app.button(key="start").click().run()
    assert not app.exception
    run = lab.wait(one(app.query_params["run"]))
    assert run.status == "done"
    assert run.experiment.names == ("there.csv", "here.csv")
    assert run.experiment.options == {"cold_users": 0.1}


def work_out(app: AppTest) -> None:
    """Run the page once more; on a busy machine, where trials took long, say that explanations are wanted."""
    asked = [button for button in app.button if (button.key or "").startswith("why.")]
    (asked[0].click() if asked else app).run()


def turned_to(app: AppTest, which: str) -> pd.DataFrame:
    """The examples that transfer set right, or set wrong, or all mistakes."""
    app.button_group(key="turned.better").set_value(which).run()
    assert not app.exception
    return next(frame.value for frame in app.dataframe if {"truth", "name"} <= set(frame.value))


def test_texts_that_transfer_turned_round_are_shown_with_the_words_they_rest_on(opinions):
    app = page("compare", run=opinions)
    hardest, worse, better = (turned_to(app, which) for which in ("hardest", "worse", "better"))
    assert (worse["baseline"] == worse["truth"]).all()
    assert (better["method"] == better["truth"]).all()
    assert (hardest["method"] != hardest["truth"]).all()
    told = [option.content for option in app.button_group(key="turned.better").proto.options]
    assert [int(re.search(r"\d+", text)[0]) for text in told][:3] == [len(better), len(worse), len(hardest)]
    table = better
    for _ in range(100):
        work_out(app)
        assert not app.exception
        if len(app.get("html")) == 2:
            break
        time.sleep(0.2)
    first = table.iloc[0]
    shown = [re.sub("<[^>]+>", "", unescape(block.proto.body)) for block in app.get("html")]
    assert shown[0] == shown[1] == re.sub(r"\n+", "", first["name"])
    answers = [text.value for text in app.markdown if text.value[0] in "✔✘"]
    assert [answer.rpartition(",")[0][2:] for answer in answers] == [first["baseline"], first["method"]]
    words = [set(frame.value["word"]) for frame in app.dataframe if "word" in frame.value]
    assert "months" in words[0]
    assert "price" in words[1]


def test_before_the_first_run_about_texts_it_says_how_long_that_will_take():
    app = page("run", scenario="sentiment")
    methods = app.button_group(key="methods.sentiment.inductive.parameter")
    methods.set_value(["lora"])
    app.text_input(key="budgets").set_value("200")
    app.run()
    assert not app.exception
    assert re.search(r"trials, about \d+ min", next(text.value for text in app.caption if "trials" in text.value))


def test_what_is_looked_at_is_what_the_setting_asks_of_the_data(finished, tmp_path):
    """Without target labels all rows are answered, none needs a label, and other methods cannot be used."""
    rows = np.random.default_rng(0).normal(size=(40, 3))
    np.savez(tmp_path / "s.npz", X=rows, y=np.arange(40) % 2)
    np.savez(tmp_path / "t.npz", X=rows + 1)
    app = page("run", scenario="features")
    app.text_input(key="source.path").set_value(str(tmp_path / "s.npz"))
    app.text_input(key="target.path").set_value(str(tmp_path / "t.npz"))
    app.run()
    assert "needs labels" in app.error[0].value
    app.radio(key="setting.features").set_value("transductive")
    app.run()
    assert not app.exception
    assert not app.error
    assert any("40 rows to answer" in text.value for text in app.caption)
    app = page("run", scenario="sentiment")  # from pretraining alone
    app.radio(key="setting.sentiment").set_value("transductive")
    app.run()
    assert not app.exception
    assert "meda" in app.info[0].value
    assert "pooled" not in app.info[0].value


def test_runs_without_texts_say_nothing_of_them(finished):
    app = page("compare", run=finished)
    assert not [frame for frame in app.dataframe if "truth" in frame.value or "word" in frame.value]


def test_own_texts_are_looked_at_and_their_labels_called_alike(finished, tmp_path):
    for which, labels in (("there", ("1", "0")), ("here", ("good", "bad"))):
        rows = [f"{which} text {i},{labels[i % 2]}" for i in range(40)]
        (tmp_path / f"{which}.csv").write_text("\n".join(["text,label", *rows]))
    app = page("run", scenario="texts")
    app.text_input(key="source.path").set_value(str(tmp_path / "there.csv"))
    app.text_input(key="target.path").set_value(str(tmp_path / "here.csv"))
    app.run()
    assert not app.exception
    assert not [error.value for error in app.error]
    facts = {metric.label: metric.value for metric in app.metric}
    assert (facts["Texts in the source"], facts["Labels in all"], facts["Labels in both"]) == ("40", "4", "0")
    for label, name in (("1", "good"), ("0", "bad")):
        box = app.selectbox(key=f"same.{label}")
        assert box.options == ["a label of its own", "bad", "good", "left out"]
        box.set_value(box.options.index(name))
    app.run()
    assert not app.exception
    facts = {metric.label: metric.value for metric in app.metric}
    assert (facts["Labels in all"], facts["Labels in both"]) == ("2", "2")
    app.selectbox(key="same.0").set_value(3).run()
    facts = {metric.label: metric.value for metric in app.metric}
    assert (facts["Texts in the source"], facts["Labels in both"]) == ("20", "1")
    app.text_input(key="source.rename").set_value("1=good, 0=bad").run()  # or written, and then there is nothing to ask
    assert not app.exception
    facts = {metric.label: metric.value for metric in app.metric}
    assert (facts["Labels in all"], facts["Labels in both"]) == ("2", "2")
    assert not [box for box in app.selectbox if (box.key or "").startswith("same.")]


def test_labels_that_differ_in_capitals_are_taken_for_the_same_and_run(finished, tmp_path):
    for which, labels in (("there", ("Good", "Bad", "Odd")), ("here", ("good", "bad"))):
        rows = [f"{which} text {i} is {labels[i % len(labels)]},{labels[i % len(labels)]}" for i in range(42)]
        (tmp_path / f"{which}.csv").write_text("\n".join(["text,label", *rows]))
    app = page("run", scenario="texts")
    for which, name in (("source", "there"), ("target", "here")):
        app.text_input(key=f"{which}.path").set_value(str(tmp_path / f"{name}.csv"))
    app.text_input(key="texts.encoder").set_value("glove-6b-50d")
    app.text_input(key="budgets").set_value("2")
    app.run()
    app.selectbox(key="same.Odd").set_value(3).run()
    app.button(key="start").click().run()
    assert not app.exception
    run = lab.wait(one(app.query_params["run"]))
    assert run.status == "done"
    assert run.experiment.source["rename"] == {"Good": "good", "Bad": "bad", "Odd": ""}
    assert run.experiment.where.classes == ("bad", "good")


def test_own_feature_tables_are_looked_at_run_and_compared(finished, tmp_path):
    rng = np.random.default_rng(0)
    for which, shift in (("there", 0.0), ("here", 1.0)):
        answers = np.arange(60) % 2
        rows = rng.normal(size=(60, 3)) + 3 * answers[:, None] + shift
        np.savez(tmp_path / f"{which}.npz", X=rows, y=answers)
    app = page("run", scenario="features")
    app.text_input(key="source.path").set_value(str(tmp_path / "there.npz"))
    app.text_input(key="target.path").set_value(str(tmp_path / "here.npz"))
    app.radio(key="setting.features").set_value("transductive")
    app.run()
    assert not app.exception
    assert not [error.value for error in app.error]
    facts = {metric.label: metric.value for metric in app.metric}
    assert (facts["Rows in the source"], facts["Columns"], facts["Labels in both"]) == ("60", "3", "2")
    app.selectbox(key="features.classifier").set_value("1nn")
    app.button_group(key="methods.features.transductive.instance").set_value(["kmm"])
    app.run()
    app.button(key="start").click().run()
    assert not app.exception
    run = lab.wait(one(app.query_params["run"]))
    assert run.status == "done"
    assert run.experiment.options["classifier"] == "1nn"
    compared = page("compare", run=run.id)
    assert not compared.exception
    assert "Which source examples counted" in {header.value for header in compared.subheader}


def test_answers_without_a_truth_are_shown_and_not_scored(finished, tmp_path):
    rows = np.random.default_rng(0).normal(size=(40, 2)) + 3 * (np.arange(40) % 2)[:, None]
    np.savez(tmp_path / "there.npz", X=rows, y=np.arange(40) % 2)
    np.savez(tmp_path / "here.npz", X=rows + 0.01)
    spec = {"source": str(tmp_path / "there.npz"), "target": str(tmp_path / "here.npz"), "setting": "transductive"}
    experiment = Experiment.build({"scenario": "features", "methods": "source_only", "seeds": [0], **spec})
    compared = page("compare", run=lab.wait(lab.submit(experiment)).id)
    assert not compared.exception
    assert "have no labels" in compared.info[0].value
    np.testing.assert_allclose(compared.dataframe[0].value.to_numpy(float), [[0.5, 0.5]], atol=0.05)


def test_a_column_that_is_not_there_is_said_beside_the_form_and_chosen_there(finished, tables):
    app = page("run", scenario="ratings")
    for which, path in zip(("source", "target"), tables, strict=True):
        app.text_input(key=f"{which}.path").set_value(str(path))
    tables[1].write_text(tables[1].read_text().replace("item", "thing", 1))
    app.run()
    assert not app.exception
    assert [error.value.partition(";")[0] for error in app.error] == [
        "target.item: no column of 'here.csv' is called item"
    ]
    assert app.button(key="start").disabled
    choose(app, "target", "thing", role="item")
    assert not app.error
    assert not app.button(key="start").disabled
    app.text_input(key="target.separator").set_value("tab").run()
    assert app.error[0].value.startswith("target.path: 'here.csv' cannot be read as a table")


def measurements(folder: Path, name: str, labels: tuple[str, str] = ("good", "bad")) -> Path:
    """A table of features with a group, a category, and a column that cannot be a feature."""
    rng = np.random.default_rng([*name.encode()])
    lines = ["length;width;colour;patient;note;label"]
    for i in range(48):
        length = f"{rng.normal() + 2 * (i % 2):.2f}".replace(".", ",")
        note = f"number {i} was measured twice, with another device each time"
        lines.append(f"{length};{i % 7};{['red', 'green', 'blue'][i % 3]};p{i // 4};{note};{labels[i % 2]}")
    (folder / name).write_text("\n".join(lines))
    return folder / name


def test_how_a_file_was_read_is_shown_and_corrected_by_choosing(finished, tmp_path):
    app = page("run", scenario="features")
    for which in ("source", "target"):
        app.text_input(key=f"{which}.path").set_value(str(measurements(tmp_path, f"{which}.csv")))
    app.run()
    assert not app.exception
    assert not app.error
    assert any("separator: semicolon" in caption.value for caption in app.caption)
    before = columns_of(app, "source")
    assert dict(before["role"]) == {
        "length": "feature", "width": "feature", "colour": "feature", "patient": "feature", "note": "left out",
        "label": "label",
    }  # fmt: skip
    assert before.loc["length", "kind"] == "number"
    assert "a value of its own" in before.loc["note", "why"]
    counts = next(table.value for table in app.dataframe if "label" in table.value)
    assert [*counts.itertuples(index=False)] == [("good", 24, 24), ("bad", 24, 24)]

    choose(app, "source", "colour", role="label")
    assert dict(columns_of(app, "source")["role"]) == {**before["role"], "colour": "label", "label": "feature"}
    choose(app, "source", "label", role="label")  # the table still holds that colour is: the later choice counts
    assert dict(columns_of(app, "source")["role"]) == dict(before["role"])
    choose(app, "source", "note", role="feature")  # it cannot be one, and says why
    assert dict(columns_of(app, "source")["role"]) == dict(before["role"])
    choose(app, "source", "colour", role="left out")
    choose(app, "source", "width", kind="category")
    app.button(key="source.propose.group").click().run()
    for which in ("source", "target"):  # both need the same columns
        table = columns_of(app, which)
        assert [*table.index] == [*before.index]
        assert dict(table["role"]) == {**before["role"], "colour": "left out", "patient": "group"}
        assert table.loc["colour", "kind"] == "category"
    app.text_input(key="budgets").set_value("1")
    app.number_input(key="seeds").set_value(1)
    app.run()
    app.button(key="start").click().run()
    assert not app.exception
    run = lab.wait(one(app.query_params["run"]))
    assert run.status == "done"
    said = {"leave_out": ["colour"], "kinds": {"width": "category"}, "group": "patient"}
    assert {key: run.experiment.source[key] for key in said} == said
    (tmp_path / "again.yaml").write_text(run.experiment.to_yaml())
    assert Experiment.load(tmp_path / "again.yaml") == run.experiment


def test_a_file_that_cannot_be_read_is_mended_where_that_is_said(finished, tmp_path):
    (tmp_path / "none.csv").write_text("")
    (tmp_path / "some.pdf").write_bytes(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\n" + bytes(range(32)))
    app = page("run", scenario="features")
    app.text_input(key="target.path").set_value(str(measurements(tmp_path, "target.csv")))
    for name, said in (("none.csv", "it is empty"), ("some.pdf", "cannot be read as a table")):
        app.text_input(key="source.path").set_value(str(tmp_path / name)).run()
        assert not app.exception
        (error,) = app.error
        assert error.value.startswith("source.path: ")
        assert said in error.value
        for field in ("encoding", "separator", "sheet"):
            assert app.text_input(key=f"source.{field}").value == ""
        assert len(app.data_editor) == 1, "the other file is shown all the same"
    app.text_input(key="source.path").set_value(str(tmp_path / "target.csv")).run()
    app.text_input(key="source.encoding").set_value("klingon").run()
    assert not app.exception
    assert app.error[0].value.startswith("source.")
    app.text_input(key="source.encoding").set_value("utf-8").run()
    assert not [error.value for error in app.error if "encoding" in error.value]


def test_labels_that_differ_in_case_or_blanks_are_taken_for_the_same(finished, tmp_path, pictures):
    app = page("run", scenario="features")
    app.text_input(key="source.path").set_value(str(measurements(tmp_path, "s.csv", ("Very  Good", "bad"))))
    app.text_input(key="target.path").set_value(str(measurements(tmp_path, "target.csv", ("very good", "BAD"))))
    app.run()
    assert not app.exception
    assert {metric.label: metric.value for metric in app.metric}["Labels in both"] == "2"
    renamed = tmp_path / "RIPE"
    shutil.copytree(pictures["there"], renamed)
    (renamed / "ripe").rename(renamed / "Ripe")
    app = page("run", scenario="images")
    app.text_input(key="source.path").set_value(str(renamed))
    app.text_input(key="target.path").set_value(str(pictures["here"]))
    app.run()
    assert not app.exception
    assert app.selectbox(key="same.Ripe").value == 1
    assert {metric.label: metric.value for metric in app.metric}["Labels in both"] == "1"


def test_keys_of_arrays_are_written_as_they_have_no_columns_to_choose_in(finished, tmp_path):
    rows = np.random.default_rng(0).normal(size=(40, 3))
    for which in ("source", "target"):
        np.savez(tmp_path / f"{which}.npz", X=rows + (which == "target"), answer=np.arange(40) % 2)
    app = page("run", scenario="features")
    for which in ("source", "target"):
        app.text_input(key=f"{which}.path").set_value(str(tmp_path / f"{which}.npz"))
    app.run()
    assert app.error
    for which in ("source", "target"):
        app.text_input(key=f"{which}.label").set_value("answer")
    app.run()
    assert not app.exception
    assert not app.error
    assert {metric.label: metric.value for metric in app.metric}["Labels in both"] == "2"


def test_methods_that_need_what_is_not_shared_are_not_offered(finished, tables):
    strangers = tables[1].read_text().replace("u", "v").replace("vser", "user")
    tables[1].write_text(strangers + "\nv1,a1\n")
    app = page("run", scenario="ratings")
    for which, path in zip(("source", "target"), tables, strict=True):
        app.text_input(key=f"{which}.path").set_value(str(path))
    app.run()
    assert not app.exception
    assert any("frozen" in info.value for info in app.info)
    offered = {option for pills in app.button_group for option in pills.options}
    assert "cmf" in offered
    assert not {"frozen", "emcdr"} & offered


def test_compare_shows_whom_transfer_serves(films):
    app = page("compare", run=films)
    results = lab.results(films)
    table = next(frame.value for frame in app.dataframe if "members" in frame.value)
    verdicts = results.group_verdicts[results.group_verdicts["budget"] == 5]
    assert list(table["gap"]) == pytest.approx([100 * gap for gap in verdicts["gap"]])
    assert len([w for w in app.warning if "does harm to" in w.value]) == len(
        set(verdicts.loc[verdicts["verdict"].str.contains("negative"), "method"])
    )


def test_a_person_s_hits_are_marked(films):
    from tlcore.report.person import people, person

    app = page("compare", run=films)
    shown = next(frame.value for frame in app.dataframe if "place" in frame.value)
    results = lab.results(films)
    one_ = person(results, 5, 0, people(results, 5, 0)["row"].iloc[0])
    assert [item for item in shown["cmf"] if item.startswith("✔")] == [f"✔ {item}" for item in one_.held_out]
    assert not [item for item in shown["best_from_scratch"] if item.startswith("✔")]


def test_a_run_whose_files_have_gone_can_still_be_looked_at(tables):
    fields = {"source": str(tables[0]), "target": str(tables[1]), "methods": "popularity", "budgets": 2, "seeds": 1}
    run = lab.submit(Experiment.build({"name": "Small", "scenario": "ratings", **fields}))
    assert lab.wait(run).status == "done"
    tables[1].unlink()
    for remembered in (interactions._read, recommendation._ratings):
        remembered.cache_clear()
    for name in ("compare", "run"):
        page(name, run=run)
    assert any("here.csv" in caption.value for caption in page("compare", run=run).caption)


class Bracketed(NullTranslations):
    """A language in which every message stands in brackets, so that what is not translated can be seen."""

    def gettext(self, message: str) -> str:
        return f"⟦{message}⟧"

    def ngettext(self, one: str, many: str, n: int) -> str:
        return f"⟦{one if n == 1 else many}⟧"


NAMES = re.compile(  # the same in every language
    r"λ|β|CSV|JSON|recall@k|(\*\*)?[a-z0-9_]+(\*\*)?|\*\*Small\*\* · .* UTC"
)


@pytest.mark.parametrize("name", [*PAGES, "compare films", "run films"])
def test_every_visible_string_goes_through_gettext(name, finished, films, monkeypatch):
    monkeypatch.setattr(language, "_catalogue", lambda _: Bracketed())
    name, _, scenario = name.partition(" ")
    query = {"run": films if scenario else finished} if name == "compare" else {"preset": "films"} if scenario else {}
    app = page(name, **query)
    texts = [
        text
        for element in app.main
        if element.type != "text"  # names of items
        for text in (
            getattr(element, "label", None),
            None if hasattr(element, "label") else getattr(element, "value", None),
        )
        if isinstance(text, str) and text
    ]
    assert any("⟦" in text for text in texts)
    assert [text for text in texts if "⟦" not in text and not NAMES.fullmatch(text)] == []


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> dict[str, Path]:
    """Two folders of pictures; of the target a red one is ripe, of the source also, and a blue one has gone bad."""
    folders = {}
    for which, kinds in (("there", ("ripe", "bad")), ("here", ("ripe", "unripe"))):
        folders[which] = tmp_path_factory.mktemp("pictures") / which
        for kind in kinds:
            (folders[which] / kind).mkdir(parents=True)
            for number in range(12):
                generator = np.random.default_rng([len(which), len(kind), number])
                values = generator.integers(0, 100, (40, 40, 3), dtype=np.uint8)
                values[..., {"ripe": 0, "unripe": 1, "bad": 2}[kind]] += generator.integers(20, 100, dtype=np.uint8)
                Image.fromarray(values).save(folders[which] / kind / f"{number}.png")
    return folders


def test_own_pictures_from_the_form_to_where_the_answers_rest(finished, pictures):
    app = page("run", scenario="images")
    app.text_input(key="target.path").set_value(str(pictures["here"])).run()
    assert not app.exception
    facts = {metric.label: metric.value for metric in app.metric}
    assert (facts["Pictures in the target"], facts["Labels in all"]) == ("24", "2")  # the pretraining is the source
    assert len(app.get("image")) == 12
    app.text_input(key="source.path").set_value(str(pictures["there"])).run()
    facts = {metric.label: metric.value for metric in app.metric}
    assert (facts["Pictures in the source"], facts["Labels in both"]) == ("24", "1")
    app.number_input(key="images.size").set_value(32)
    app.text_input(key="budgets").set_value("2")
    app.number_input(key="seeds").set_value(2)
    app.button_group(key="methods.images.inductive.baseline").set_value([])
    app.button_group(key="methods.images.inductive.parameter").set_value(["frozen"])
    app.run()
    app.button(key="start").click().run()
    assert not app.exception
    run_id = one(app.query_params["run"])
    assert lab.wait(run_id).status == "done"

    app = page("compare", run=run_id)
    app.button_group(key="turned.better").set_value("all").run()
    (table,) = [frame.value for frame in app.dataframe if {"truth", "picture"} <= set(frame.value)]
    assert len(table) == len(lab.results(run_id).experiment.domains().test)
    assert table["picture"].str.startswith("data:image/png;base64,").all()
    for _ in range(150):
        work_out(app)
        assert not app.exception
        if len(app.get("image")) == 4:  # of the baseline and of the method: the picture, and where the answer rests
            break
        time.sleep(0.2)
    assert len(app.get("image")) == 4
    assert sum(caption.value in ("By Grad-CAM.", "By covering each part in turn.") for caption in app.caption) == 2


def test_a_map_of_features_is_drawn_once_a_person_asks(finished):
    app = page("compare", run=finished)
    app.selectbox(key="map.method").set_value("l2_sp").run()
    charts = len(app.get("plotly_chart"))
    (ask,) = [button for button in app.button if (button.key or "").startswith("map.")]
    ask.click().run()
    for _ in range(150):
        app.run()
        assert not app.exception
        if len(app.get("plotly_chart")) > charts:
            break
        time.sleep(0.2)
    assert len(app.get("plotly_chart")) == charts + 1
    drawn = [json.loads(chart.proto.spec)["data"] for chart in app.get("plotly_chart")]
    assert {"mnist", "uci"} in [{trace.get("name") for trace in traces} for traces in drawn]


def test_a_preset_whose_network_cannot_be_had_says_what_stands_in(monkeypatch):
    from tlcore.backbones import image

    monkeypatch.setattr(image, "reachable", lambda _: False)
    app = page("run", preset="recipe-vgg16")
    assert any("efficientnet-lite0 stands in for vgg16" in warning.value for warning in app.warning)
    assert app.number_input(key="frozen.layers").value == 2  # the preset's own settings, too
    assert app.number_input(key="frozen.learning_rate").value == 0.001
