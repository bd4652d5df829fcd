"""The pages without a browser: a real store, a real run, real scripts."""

import json
import re
import subprocess
import sys
import time
from gettext import NullTranslations
from html import unescape

import pytest

from pages.parts import language
from tests.app.opened import ROOT, one, page, turned_to, work_out
from tlcore import lab
from tlcore.experiment import Experiment

PAGES = sorted(path.stem for path in (ROOT / "pages/views").glob("*.py"))


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
    methods = app.button_group(key="methods.sentiment.classification.inductive.parameter")
    methods.set_value(["lora"])
    app.text_input(key="budgets").set_value("200")
    app.run()
    assert not app.exception
    assert re.search(r"trials, about \d+ min", next(text.value for text in app.caption if "trials" in text.value))


def test_runs_without_texts_say_nothing_of_them(finished):
    app = page("compare", run=finished)
    assert not [frame for frame in app.dataframe if "truth" in frame.value or "word" in frame.value]


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
    app = page("run", preset="recipe-resnet50")
    assert any("efficientnet-lite0 stands in for resnet50" in warning.value for warning in app.warning)
    assert app.number_input(key="frozen.epochs").value == 10  # the preset's own settings, too
    assert app.number_input(key="frozen.learning_rate").value == 0.001
