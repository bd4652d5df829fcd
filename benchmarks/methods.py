"""Every method that needs no target label, on embedded pairs of domains: the table of docs/methods.md.

python -m benchmarks.methods [--pairs digits:mnist:uci,sentiment:movie:product] [--methods coral,meda]

About half an hour on two cores for three pairs. What was measured takes its place in the table; the rest of it stays.
"""

from __future__ import annotations

import argparse
import platform
import re
from datetime import date
from pathlib import Path

import pandas as pd

from tlcore import Experiment, run
from tlcore.experiment import applicable
from tlcore.methods import METHODS
from tlcore.results import Results

PAIRS = "digits:mnist:uci,topics:newsgroups-a:newsgroups-b,sentiment:movie:product"
SEEDS = 3
DOCUMENT = Path(__file__).parent.parent / "docs" / "methods.md"
BEGIN, END = "<!-- begin: python -m benchmarks.methods -->", "<!-- end -->"
MEASURED = "## Without target labels, measured"


def measure(scenario: str, source: str, target: str, wanted: list[str]) -> Results:
    """Run the methods that are wanted, or all, as far as they can be used between these domains."""
    asked = {"scenario": scenario, "source": source, "target": target, "setting": "transductive", "seeds": SEEDS}
    experiment = Experiment.build({**asked, "methods": "source_only"})
    refused = experiment.refusals()
    names = [name for name in applicable(experiment.where, "transductive") if name not in refused]
    names = [name for name in names if not wanted or name in wanted or name == "source_only"]
    return run(Experiment.build({**asked, "methods": names}))


def summary(results: Results) -> pd.DataFrame:
    """Return one row a method: the scenario's metric, its gap to source_only with the interval, and the verdict."""
    done = results.trials[results.trials.status == "done"]
    means = done.groupby("method")[[results.experiment.metric, "seconds"]].mean()
    means = means.rename(columns={results.experiment.metric: "metric"})
    return means.join(results.verdicts.set_index("method")[["gap", "ci_low", "ci_high", "verdict"]])


def cell(row: pd.Series) -> str:
    """Write the metric, and gap and interval in points."""
    if pd.isna(row.gap):
        return f"{row.metric:.3f}"
    return f"{row.metric:.3f} ({100 * row.gap:+.1f}: {100 * row.ci_low:+.1f} to {100 * row.ci_high:+.1f}) {row.verdict}"


def facts() -> str:
    """Return the table of what each method is and needs; `tests/test_docs.py` looks that the document has it."""
    lines = [
        "| method | family | needs | without target labels | source at home | unlabelled target | reference |",
        "|" + "---|" * 7,
    ]
    for name, method in METHODS.items():
        if not method.__module__.startswith("tlcore."):
            continue  # somebody's own
        known = method.facts()
        marks = (
            known["settings"] != ["inductive"],
            method.configure({}).transfers and not known["needs_source_data"],
            known["needs_unlabelled"],
        )
        cells = [
            name,
            known["family"],
            ", ".join(known["needs"]),
            *("yes" if mark else "" for mark in marks),
            known["reference"],
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", default=PAIRS)
    parser.add_argument("--methods", default="")
    arguments = parser.parse_args()
    wanted = [name for name in arguments.methods.split(",") if name]
    for pair in arguments.pairs.split(","):
        write(measure(*pair.split(":"), wanted))


def write(found: Results) -> None:
    """Put what was found into its column of the table between the marks."""
    before, rest = DOCUMENT.read_text(encoding="utf-8").split(BEGIN)
    old, after = rest.split(END)
    columns, cells = known(old.partition(MEASURED)[2])
    pair, metric = f"{found.experiment.source} → {found.experiment.target}", found.experiment.metric
    column, table = f"{pair}, {metric}", summary(found)
    columns = list(dict.fromkeys([*columns, column]))
    cells |= {(name, column): cell(row) for name, row in table.iterrows()}
    lines = [
        facts(),
        "",
        MEASURED,
        "",
        "| " + " | ".join(["method", "family", *columns]) + " |",
        "|" + "---|" * (2 + len(columns)),
    ]
    for name, method in METHODS.items():
        row = [cells.get((name, column), "") for column in columns]
        if any(row):
            lines.append(" | ".join([f"| {name}", method.family, *row]) + " |")
    said = (
        f"{platform.machine()}, two cores, Python {platform.python_version()}, {SEEDS} seeds; last on {date.today()}."
    )
    text = "\n".join([*lines, "", said])
    DOCUMENT.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


def known(text: str) -> tuple[list[str], dict[tuple[str, str], str]]:
    """Read the columns of pairs, and the cells by method and column, of the table as it stands."""
    rows = [re.split(r" ?\| ?", line)[1:-1] for line in text.splitlines() if line.startswith("| ")]
    columns = rows[0][2:] if rows else []
    cells = {(row[0], column): said for row in rows[1:] for column, said in zip(columns, row[2:], strict=True)}
    return columns, cells


if __name__ == "__main__":
    main()
