"""Every method that needs no target label, on embedded pairs of domains: the table of docs/methods.md.

python -m benchmarks.methods            about half an hour on two cores; rewrites the table in docs/methods.md
"""

from __future__ import annotations

import platform
from datetime import date
from pathlib import Path

import pandas as pd

from tlcore import Experiment, run
from tlcore.experiment import applicable
from tlcore.methods import METHODS
from tlcore.results import Results

PAIRS = (
    ("digits", "mnist", "uci"),
    ("topics", "newsgroups-a", "newsgroups-b"),
    ("sentiment", "movie", "product"),
)
SEEDS = 3
DOCUMENT = Path(__file__).parent.parent / "docs" / "methods.md"
BEGIN, END = "<!-- begin: python -m benchmarks.methods -->", "<!-- end -->"


def measure(scenario: str, source: str, target: str) -> Results:
    """Run all methods that can be used between these domains."""
    asked = {"scenario": scenario, "source": source, "target": target, "setting": "transductive", "seeds": SEEDS}
    experiment = Experiment.build({**asked, "methods": "source_only"})
    refused = experiment.refusals()
    names = [name for name in applicable(scenario, "transductive") if name not in refused]
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
        "| method | family | without target labels | source at home | unlabelled target | reference |",
        "|" + "---|" * 6,
    ]
    for name, method in METHODS.items():
        if not method.__module__.startswith("tlcore."):
            continue  # somebody's own
        known = method.facts()
        marks = (
            "transductive" in known["settings"],
            method.configure({}).transfers and not known["needs_source_data"],
            known["needs_unlabelled"],
        )
        cells = [name, known["family"], *("yes" if mark else "" for mark in marks), known["reference"]]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measure and write."""
    write([measure(*pair) for pair in PAIRS])


def write(found: list[Results]) -> None:
    """Rewrite what stands between the marks."""
    tables = {f"{r.experiment.source} → {r.experiment.target}, {r.experiment.metric}": summary(r) for r in found}
    heads = ["method", "family", *tables]
    lines = [
        facts(),
        "",
        "## Without target labels, measured",
        "",
        "| " + " | ".join(heads) + " |",
        "|" + "---|" * len(heads),
    ]
    for name, method in METHODS.items():
        found = [cell(table.loc[name]) if name in table.index else "" for table in tables.values()]
        if any(found):
            lines.append(" | ".join([f"| {name}", method.family, *found]) + " |")
    lines += [
        "",
        f"{date.today()}, {platform.machine()}, two cores, Python {platform.python_version()}, {SEEDS} seeds.",
    ]
    text = DOCUMENT.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    DOCUMENT.write_text(f"{before}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
