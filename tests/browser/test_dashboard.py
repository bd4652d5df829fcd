"""The main job in a real browser, with a real server that dies on the way."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tlcore import lab
from tlcore.experiment import Experiment

ROOT = Path(__file__).parents[2]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine and none could be installed"),
]


class Dashboard:
    """The server as `make app` starts it, on a port of its own."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.port", str(self.port)]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True)
        for _ in range(300):
            try:
                with urlopen(f"{self.address}/_stcore/health", timeout=1):
                    return
            except OSError:
                time.sleep(0.1)
        raise RuntimeError("the dashboard did not start within 30 s")

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def dashboard() -> Iterator[Dashboard]:
    server = Dashboard()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    yield context.new_page()
    context.close()


LEFT_OUT = {42: "l2_sp", 36: "feature_extraction", 30: "nearest_neighbour_selection"}
"""Methods that a person turns off on the form, by the number of trials that are left then."""


def test_a_run_outlives_a_reload_and_a_killed_dashboard(dashboard, page):
    page.goto(dashboard.address)
    expect(page.get_by_role("heading", name="Does transfer help here?")).to_be_visible(timeout=30_000)
    page.get_by_test_id("stPageLink").filter(has_text="Open").first.click()
    expect(page.get_by_role("heading", name="New run")).to_be_visible(
        timeout=30_000
    )  # cards on the first page say 48, too
    expect(page.get_by_text(re.compile("48 trials.*; up to 320 if verdicts stay open"))).to_be_visible(timeout=30_000)
    page.get_by_text("Until decided").click()
    expect(page.get_by_text("up to 320")).to_have_count(0)
    expect(page.get_by_text("48 trials")).to_be_visible()
    for left, method in LEFT_OUT.items():
        page.get_by_test_id("stButtonGroup").get_by_text(method, exact=True).click()
        expect(page.get_by_text(f"{left} trials")).to_be_visible(timeout=30_000)
    page.get_by_test_id("stButton").filter(has_text="Run").get_by_role("button").click()
    expect(page.get_by_text(re.compile(r"of 30 trials"))).to_be_visible(timeout=30_000)
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()
    run = re.search(r"run=([\w-]+)", page.url)[1]

    page.reload()
    expect(page.get_by_text(re.compile(r"of 30 trials"))).to_be_visible(timeout=30_000)
    assert run in page.url
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()

    before = lab.read(run).counts["done"]
    dashboard.kill()
    deadline = time.monotonic() + 60
    while lab.read(run).counts["done"] <= before and time.monotonic() < deadline:
        time.sleep(0.2)
    assert lab.read(run).counts["done"] > before, "the run stood still while the dashboard was down"
    dashboard.start()
    page.goto(f"{dashboard.address}/run?run={run}")
    expect(page.get_by_text(re.compile(r"of 30 trials"))).to_be_visible(timeout=30_000)
    comparison = page.get_by_test_id("stPageLink").filter(has_text="See the comparison")
    expect(comparison).to_be_visible(timeout=400_000)
    expect(page.get_by_test_id("stProgress").get_by_text("30 of 30 trials")).to_be_visible(timeout=30_000)
    assert lab.read(run).status == "done"

    comparison.click()
    expect(page.get_by_role("heading", name="Compare")).to_be_visible(timeout=30_000)
    verdicts = lab.results(run).verdicts
    expect(page.get_by_text("Negative transfer: source_only")).to_be_visible(timeout=30_000)
    for sentence in verdicts.loc[verdicts["method"] == "source_only", "sentence"]:
        expect(page.get_by_test_id("stAlertContentError").get_by_text(sentence)).to_be_visible()
    expect(page.get_by_test_id("stPlotlyChart").first).to_be_visible(timeout=30_000)
    table = lab.results(run).trials
    means = table.groupby(["method", "budget"])[["accuracy", "macro_recall"]].mean()
    assert {method for method, _ in means.index}.isdisjoint(LEFT_OUT.values())
    assert means.loc[("fine_tune", 5), "accuracy"] > 0.86
    assert means.loc[("fine_tune", 20), "accuracy"] > 0.94
    assert means.loc[("from_scratch", 5), "accuracy"] > 0.80
    assert means.loc[("from_scratch", 20), "accuracy"] > 0.91
    shown = drawn(page)
    for metric in ("accuracy", "macro_recall"):
        for (method, budget), mean in means[metric].items():
            assert shown[metric][method][sorted({5, 20}).index(budget)] == pytest.approx(mean), (metric, method)


def drawn(page: Page) -> dict[str, dict[str, list[float]]]:
    """Return what the two charts by budget show: metric, method, one value a budget."""
    charts = {}
    for metric in ("accuracy", "macro_recall"):
        plot = page.locator(f".st-key-chart-{metric} .js-plotly-plot")
        expect(plot).to_be_visible(timeout=30_000)
        charts[metric] = plot.evaluate(
            "plot => Object.fromEntries(plot._fullData.map(trace => [trace.name, Array.from(trace.y)]))"
        )
    return charts


@pytest.fixture(scope="module")
def small() -> str:
    experiment = Experiment.build({"name": "Small", "methods": "source_only", "budgets": "1", "seeds": 3, "epochs": 1})
    run = lab.submit(experiment)
    assert lab.wait(run).status == "done"
    return run


@pytest.mark.parametrize(
    ("path", "heading"),
    [("/compare?run={run}", "Compare"), ("/history", "History"), ("/run?run={run}", "Small"), ("/run", "New run")],
)
def test_a_fresh_server_answers_a_deep_link_with_router_and_page(dashboard, page, small, path, heading):
    page.goto(dashboard.address + path.format(run=small))
    expect(page.get_by_role("heading", name=heading)).to_be_visible(timeout=30_000)
    page.wait_for_timeout(1000)  # a "Page not found" would come within it
    expect(page.get_by_role("dialog")).to_have_count(0)
    for name in ("Home", "Run", "Compare", "History"):
        expect(page.get_by_role("link", name=name, exact=True).first).to_be_visible()


def test_cancel_from_the_page(dashboard, page):
    run = lab.submit(Experiment.load("digits-quick"))
    page.goto(f"{dashboard.address}/run?run={run}")
    page.get_by_role("button", name="Cancel").click(timeout=30_000)
    expect(page.get_by_role("button", name="Run what is missing")).to_be_visible(timeout=15_000)
    assert lab.read(run).status == "cancelled"


def test_a_run_that_is_not_there(dashboard, page):
    page.goto(f"{dashboard.address}/compare?run=20000101-000000-none")
    expect(page.get_by_text("'20000101-000000-none' is not known")).to_be_visible(timeout=30_000)
    expect(page.get_by_test_id("stPageLink").filter(has_text="All runs")).to_be_visible()


def bring(page, which, file):
    """Upload a file; one that a page lost, as it was being drawn anew at that moment, is given again."""
    upload = page.locator(f".st-key-{which}-upload")
    there = upload.get_by_text(file.name)
    for _ in range(3):
        expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning", timeout=30_000)
        upload.locator("input[type=file]").set_input_files(file)
        with suppress(AssertionError):
            expect(there).to_be_visible(timeout=10_000)
            break
    expect(there).to_be_visible(timeout=30_000)


def test_own_tables_from_upload_to_a_person_s_list(dashboard, page, tmp_path):
    rng = np.random.default_rng(0)
    taste = rng.integers(0, 2, 60)  # whoever likes one half of a catalogue likes the same half of the other
    for name, prefix in (("source.csv", "book"), ("target.csv", "film")):
        lines = ["customer,product,stars"]
        for user, kind in enumerate(taste):
            lines += [f"c{user},{prefix} {2 * item + kind},5" for item in rng.permutation(12)[:6]]
        (tmp_path / name).write_text("\n".join(lines))
    page.goto(f"{dashboard.address}/run?scenario=ratings")
    expect(page.get_by_text("Choose a file for each domain")).to_be_visible(timeout=30_000)
    for which in ("source", "target"):
        bring(page, which, tmp_path / f"{which}.csv")
    expect(page.get_by_test_id("stMetric").filter(has_text="People in both")).to_contain_text("60", timeout=30_000)
    budgets = page.get_by_role("textbox", name="Interactions a user")
    budgets.fill("1")
    budgets.press("Enter")
    expect(page.get_by_text("18 trials")).to_be_visible(timeout=30_000)
    page.get_by_test_id("stButton").filter(has_text="Run").get_by_role("button").click()
    comparison = page.get_by_test_id("stPageLink").filter(has_text="See the comparison")
    expect(comparison).to_be_visible(timeout=120_000)
    comparison.click()
    expect(page.get_by_role("heading", name="Look at a person")).to_be_visible(timeout=30_000)
    run = re.search(r"run=([\w-]+)", page.url)[1]
    assert lab.read(run).status == "done"
    results = lab.results(run)
    assert set(results.trials.loc[results.trials["status"] == "done", "budget"]) == {1}
    best = results.summary("recall@10").set_index("method")["mean"]
    assert best["cmf"] > best["popularity"] + 0.1, "what people like elsewhere tells which half they like"
    expect(page.get_by_text("Liked in the source")).to_be_visible()
    expect(page.get_by_text(re.compile(r"^book \d+")).first).to_be_visible()


def measured(label: str, shift: float) -> list[list[str | float]]:
    """Rows of a Chinese table: two numbers, a colour, a label."""
    rng = np.random.default_rng([round(shift)])
    rows: list[list[str | float]] = [["长度", "宽度", "颜色", label]]
    for i in range(60):
        length, width = rng.normal(size=2)
        rows.append(
            [round(length + 4 * (i % 2) + shift, 2), round(width, 3), "红绿"[i % 3 % 2], ("恶性", "良性")[i % 2]]
        )
    return rows


def as_text(rows: list[list[str | float]]) -> bytes:
    """Return rows as an office with decimal commas writes them."""
    lines = (";".join(str(cell).replace(".", ",") for cell in row) for row in rows)
    return "\r\n".join(lines).encode("gb18030")


def as_workbook(rows: list[list[str | float]]) -> bytes:
    """Return rows as the only sheet of an .xlsx file, no more of which is written than has to be there."""
    cells = "".join(
        "<row>"
        + "".join(
            f'<c t="inlineStr"><is><t>{cell}</t></is></c>' if isinstance(cell, str) else f"<c><v>{cell}</v></c>"
            for cell in row
        )
        + "</row>"
        for row in rows
    )
    kinds = "http://schemas.openxmlformats.org"
    sheets, relations = f"{kinds}/spreadsheetml/2006/main", f"{kinds}/officeDocument/2006/relationships"
    related = f'<Relationships xmlns="{kinds}/package/2006/relationships"><Relationship Id="r1" Type="{relations}'
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{kinds}/package/2006/content-types"/>',
        "_rels/.rels": f'{related}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{sheets}" xmlns:r="{relations}"><sheets>'
        '<sheet name="测量" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'{related}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{sheets}"><sheetData>{cells}</sheetData></worksheet>',
    }
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue()


def choose_role(page: Page, which: str, row: int, role: str) -> None:
    """Choose another role for a column in the table, by keyboard once the cell is selected."""
    grid = page.locator(f"[class*=st-key-{which}-columns]").get_by_test_id("data-grid-canvas")
    grid.scroll_into_view_if_needed()
    box = grid.bounding_box()
    assert box
    page.mouse.click(box["x"] + 150, box["y"] + 35 * (row + 1) + 17)
    expect(grid.locator("td[aria-selected=true]")).to_have_count(1)
    page.keyboard.press("Enter")
    choice = page.locator("#portal")
    expect(choice.locator("input")).to_be_focused()
    page.keyboard.type(role)
    expect(choice.get_by_text(role, exact=True).last).to_be_visible()
    page.keyboard.press("Enter")


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_own_measurements_are_looked_at_corrected_and_run(dashboard, page, tmp_path, ending):
    write = {"csv": as_text, "xlsx": as_workbook}[ending]
    for which, shift in (("source", 0.0), ("target", 1.0)):
        (tmp_path / f"{which}.{ending}").write_bytes(write(measured("标签", shift)))
    page.goto(f"{dashboard.address}/run?scenario=features")
    expect(page.get_by_text("Choose a file for each domain")).to_be_visible(timeout=30_000)
    for which in ("source", "target"):
        bring(page, which, tmp_path / f"{which}.{ending}")
    facts = {"csv": "encoding: gb18030 · separator: semicolon · decimal mark: comma", "xlsx": "sheet: 测量"}[ending]
    expect(page.get_by_text(facts)).to_have_count(2, timeout=30_000)
    for which in ("source", "target"):
        cells = page.locator(f"[class*=st-key-{which}-columns] td[role=gridcell]")
        expect(cells.nth(2)).to_have_text("number", timeout=30_000)
        assert cells.all_inner_texts()[:3] == ["长度", "feature", "number"]
    expect(page.get_by_test_id("stMetric").filter(has_text="Columns")).to_contain_text("4", timeout=30_000)
    choose_role(page, "source", 2, "left out")
    expect(page.get_by_test_id("stMetric").filter(has_text="Columns")).to_contain_text("2", timeout=30_000)
    cells = page.locator("[class*=st-key-source-columns] td[role=gridcell]").filter(has_text="left out by you")
    expect(cells).to_have_count(1)
    budgets = page.get_by_role("textbox", name="Labels a class")
    budgets.fill("1")
    budgets.press("Enter")
    seeds = page.get_by_role("spinbutton", name="Seeds")
    seeds.fill("1")
    seeds.press("Enter")
    expect(page.get_by_text("3 trials")).to_be_visible(timeout=30_000)  # from_scratch, source_only, coral
    page.get_by_test_id("stButton").filter(has_text="Run").get_by_role("button").click()
    expect(page.get_by_test_id("stPageLink").filter(has_text="See the comparison")).to_be_visible(timeout=120_000)
    run = re.search(r"run=([\w-]+)", page.url)[1]
    experiment = lab.results(run).experiment
    assert lab.read(run).status == "done"
    assert experiment.source["leave_out"] == ["颜色"]
    (tmp_path / "again.yaml").write_text(experiment.to_yaml())
    assert Experiment.load(tmp_path / "again.yaml") == experiment
