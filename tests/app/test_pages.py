"""The pages without a browser: a real store, a real run, real scripts."""

import re
import subprocess
import sys
from gettext import NullTranslations
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from pages.parts import language
from tlcore import lab
from tlcore.experiment import Experiment

ROOT = Path(__file__).parents[2]
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


def page(name: str, **query: str) -> AppTest:
    app = AppTest.from_file(str(ROOT / "pages/router/main.py"), default_timeout=60)
    app.switch_page(f"../views/{name}.py")
    for key, value in query.items():
        app.query_params[key] = value
    app.run()
    assert not app.exception
    return app


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


class Bracketed(NullTranslations):
    """A language in which every message stands in brackets, so that what is not translated can be seen."""

    def gettext(self, message: str) -> str:
        return f"⟦{message}⟧"

    def ngettext(self, one: str, many: str, n: int) -> str:
        return f"⟦{one if n == 1 else many}⟧"


NAMES = re.compile(r"λ|β|CSV|JSON|(\*\*)?[a-z0-9_]+(\*\*)?|\*\*Small\*\* · .* UTC")  # the same in every language


@pytest.mark.parametrize("name", PAGES)
def test_every_visible_string_goes_through_gettext(name, finished, monkeypatch):
    monkeypatch.setattr(language, "_catalogue", lambda _: Bracketed())
    app = page(name, **({"run": finished} if name in ("compare",) else {}))
    texts = [
        text
        for element in app.main
        for text in (
            getattr(element, "label", None),
            None if hasattr(element, "label") else getattr(element, "value", None),
        )
        if isinstance(text, str) and text
    ]
    assert any("⟦" in text for text in texts)
    assert [text for text in texts if "⟦" not in text and not NAMES.fullmatch(text)] == []
