"""Files of a person's own on the pages, without a browser: looked at, corrected, run and compared."""

import shutil
import time
from pathlib import Path

import numpy as np

from tests.app.opened import choose, columns_of, one, page, work_out
from tlcore import lab
from tlcore.datasets import interactions
from tlcore.experiment import Experiment
from tlcore.scenarios import recommendation


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
    app.button_group(key="methods.features.classification.transductive.instance").set_value(["kmm"])
    app.run()
    app.button(key="start").click().run()
    assert not app.exception
    run = lab.wait(one(app.query_params["run"]))
    assert run.status == "done"
    assert run.experiment.options["classifier"] == "1nn"
    compared = page("compare", run=run.id)
    assert not compared.exception
    assert "Which source examples counted" in {header.value for header in compared.subheader}


def test_labels_that_say_how_much_are_predicted_as_numbers(finished, tmp_path):
    rng = np.random.default_rng(0)
    for which, n in (("there", 120), ("here", 80)):
        rows = rng.normal(size=(n, 3))
        np.savez(tmp_path / f"{which}.npz", X=rows, y=rows @ [2, -1, 0.5] + 0.1 * rng.normal(size=n))
    app = page("run", scenario="features")
    app.text_input(key="source.path").set_value(str(tmp_path / "there.npz"))
    app.text_input(key="target.path").set_value(str(tmp_path / "here.npz"))
    app.run()
    assert not app.exception
    assert not [error.value for error in app.error]
    assert app.text_input(key="budgets").label == "Labelled examples"
    offered = app.button_group(key="methods.features.regression.inductive.instance").options
    assert any("tradaboost_r2" in option for option in offered)
    app.button_group(key="methods.features.regression.inductive.instance").set_value(["kliep"])
    app.button_group(key="methods.features.regression.inductive.feature").set_value([])
    app.text_input(key="budgets").set_value("20").run()
    app.button(key="start").click().run()
    assert not app.exception
    run = lab.wait(one(app.query_params["run"]))
    assert (run.status, run.experiment.metric, run.experiment.options["answers"]) == ("done", "r2", "numbers")
    compared = page("compare", run=run.id)
    assert not compared.exception
    assert "Which source examples counted" in {header.value for header in compared.subheader}
    classes = page("run", scenario="features")
    classes.text_input(key="source.path").set_value(str(tmp_path / "there.npz"))
    classes.text_input(key="target.path").set_value(str(tmp_path / "here.npz"))
    classes.selectbox(key="features.answers").set_value("classes").run()
    assert classes.text_input(key="budgets").label == "Labels a class"


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
    app.button_group(key="methods.images.classification.inductive.baseline").set_value([])
    app.button_group(key="methods.images.classification.inductive.parameter").set_value(["frozen"])
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
