"""A run as files: a folder of tables, one self-contained page, CSV, JSON, a notebook."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Sequence
from html import escape
from importlib.metadata import PackageNotFoundError, version
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlcore.errors import SpecificationError, one_of
from tlcore.version import VERSION

if TYPE_CHECKING:
    import pandas as pd

    from tlcore.lab.runs import RunInfo
    from tlcore.results import Results

PACKAGES = (
    "torch",
    "torchvision",
    "numpy",
    "scipy",
    "scikit-learn",
    "pandas",
    "pydantic",
    "distributed",
    "sqlalchemy",
)
"""The distributions whose versions may change a figure."""

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; }
.verdicts li { font-size: 1.1rem; margin: .4rem 0; }
.bar { display: flex; height: .5rem; max-width: 24rem; margin: .2rem 0; }
.bar .worse { background: #D55E00; } .bar .equal { background: #8A8F98; } .bar .better { background: #009E73; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid #ddd; text-align: left; }
.wide { overflow-x: auto; }
@media (prefers-color-scheme: dark) { body { background: #14161a; color: #e8e8e8; } th, td { border-color: #444; } }
"""


def save_folder(results: Results, folder: Path, concerns: Sequence[str] = ()) -> Path:
    """Write ``spec.yaml``, ``environment.json``, ``trials.csv`` and ``verdicts.json``, and return the folder.

    Where there are groups of test examples, ``group_verdicts.json`` says whom each method helps and harms.
    With three label budgets or more, ``crossings.json`` says where from scratch catches up; where a person brought the
    data, ``predictions.csv`` what each trial answered to each test example; where there are ``concerns``, they stand in
    ``warnings.json``.
    """
    make_folder(folder)
    _write(folder / "spec.yaml", results.experiment.to_yaml())
    _write(folder / "environment.json", _json(environment()))
    _write(folder / "trials.csv", results.trials.to_csv(index=False))
    _write(folder / "verdicts.json", _json(rows(results.verdicts)))
    if len(results.group_verdicts):
        _write(folder / "group_verdicts.json", _json(rows(results.group_verdicts)))
    if len(results.crossings):
        _write(folder / "crossings.json", _json(rows(results.crossings)))
    if concerns:
        _write(folder / "warnings.json", _json([*concerns]))
    if results.experiment.where.own and len(results.predictions):
        _write(folder / "predictions.csv", results.predictions.to_csv(index=False))
    return folder


def make_folder(folder: Path) -> None:
    """Make the folder, or say in one line why it cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SpecificationError(f"out: {str(folder)!r} cannot be made: {error.strerror}.") from None


def write(info: RunInfo, results: Results, format: str, out: Path) -> Path:
    """Write a run to one file in one of the `FORMATS`, and return its path."""
    if format not in FORMATS:
        raise one_of("format", format, FORMATS)
    make_folder(out.parent)
    _write(out, FORMATS[format](info, results))
    return out


def document(info: RunInfo, results: Results) -> dict[str, Any]:
    """Return all of a run that JSON can say: what was asked, how it stands, trials and verdicts."""
    return {
        **heading(info),
        "spec": info.experiment.model_dump(by_alias=True, mode="json"),
        "trials": rows(results.trials),
        "verdicts": rows(results.verdicts),
        "group_verdicts": rows(results.group_verdicts),
        "crossings": rows(results.crossings),
    }


def heading(info: RunInfo) -> dict[str, Any]:
    """Return how a run stands, for JSON."""
    moments = {"created": info.created, "started": info.started, "finished": info.finished}
    return {
        "run": info.id,
        "name": info.name,
        "status": info.status,
        "counts": info.counts,
        "error": info.error,
        "remark": info.experiment.where.remark,
        "warnings": info.concerns,
        **{name: moment and moment.isoformat(timespec="seconds") for name, moment in moments.items()},
    }


def environment() -> dict[str, Any]:
    """Return what the figures were made with: versions, platform and number of cores."""
    return {
        "tlcore": VERSION,
        "python": platform.python_version(),
        **{name: _version(name) for name in PACKAGES},
        "platform": platform.platform(),
        "cpu_count": os.cpu_count(),
    }


def summary(results: Results) -> pd.DataFrame:
    """Return one row a method and budget: trials done, mean of the metric, gap to the baseline, verdict."""
    import pandas as pd

    metric, trials = results.experiment.metric, results.trials
    scores = trials[metric] if metric in trials else pd.Series(float("nan"), trials.index)
    means = (
        trials.assign(score=scores, done=trials["status"] == "done")
        .groupby(["method", "budget"], sort=False)
        .agg(done=("done", "sum"), mean=("score", "mean"))
        .reset_index()
    )
    verdicts = results.verdicts[["method", "budget", "gap", "ci_low", "ci_high", "verdict"]]
    table = means.merge(verdicts, how="left", on=["method", "budget"]).sort_values("budget", kind="stable")
    table["verdict"] = table["verdict"].astype(object).where(table["verdict"].notna(), "")
    table.loc[table["method"] == results.experiment.baseline, "verdict"] = "baseline"
    return table.rename(columns={"mean": f"mean {metric}"})


def rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a table's rows for JSON, which knows no nan and no infinity: they become null."""
    return [{str(name): _plain(value) for name, value in row.items()} for row in table.to_dict("records")]


def _page(info: RunInfo, results: Results) -> str:
    sentences = "".join(f"<li>{escape(str(row.sentence))}{_bar(row)}</li>" for row in results.verdicts.itertuples())
    harmed = "".join(f"<li>{escape(sentence)}</li>" for sentence in results.harmed["sentence"])
    crossings = "".join(f"<li>{escape(sentence)}</li>" for sentence in results.crossings["sentence"])
    concerns = "".join(f"<li>{escape(sentence)}</li>" for sentence in info.concerns)
    remark = escape(info.experiment.where.remark)
    title, counts = escape(info.name), ", ".join(f"{n} {status}" for status, n in info.counts.items() if n)
    return f"""<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>
<style>{STYLE}</style></head>
<body>
<h1>{title}</h1>
<p>Run {escape(info.id)}, {info.created:%Y-%m-%d %H:%M} UTC: {info.status} ({counts} trials).</p>
{remark and f"<p><strong>{remark}</strong></p>"}
{concerns and f'<h2>Warnings</h2>{chr(10)}<ul class="warnings">{concerns}</ul>'}
<h2>Verdicts</h2>
<ul class="verdicts">{sentences or "<li>No method can be judged yet.</li>"}</ul>
{harmed and f"<h2>Whom a method harms though it does no harm on the whole</h2>{chr(10)}<ul>{harmed}</ul>"}
{crossings and f'<h2>Where from scratch catches up</h2>{chr(10)}<ul class="crossings">{crossings}</ul>'}
<h2>Methods</h2>
{_html(summary(results))}
<h2>Trials</h2>
{_html(results.trials)}
<h2>Specification</h2>
<pre>{escape(results.experiment.to_yaml())}</pre>
<h2>Environment</h2>
<pre>{escape(_json(environment()))}</pre>
</body>
</html>
"""


def _bar(verdict: Any) -> str:
    """Return P(worse), P(equal) and P(better) of a verdict as one bar."""
    shares = {"worse": verdict.p_worse, "equal": verdict.p_equal, "better": verdict.p_better}
    said = ", ".join(f"{label} {share:.0%}" for label, share in shares.items())
    parts = "".join(f'<i class="{label}" style="width:{share:.1%}"></i>' for label, share in shares.items())
    return f'<span class="bar" role="img" aria-label="{said}" title="{said}">{parts}</span>'


def _notebook(info: RunInfo, results: Results) -> str:
    spec = results.experiment.to_yaml()
    concerns = "".join(f"\n\n**Warning:** {sentence}" for sentence in info.concerns)
    cells = [
        _cell("markdown", f"# {info.name}\n\nReproduces run {info.id} from its specification.{concerns}"),
        _cell("code", f"import yaml\n\nfrom tlcore import Experiment, run\n\nspec = yaml.safe_load({spec!r})"),
        _cell("code", "results = run(Experiment.build(spec))"),
        _cell("code", "for sentence in results.verdicts.sentence:\n    print(sentence)"),
        _cell("code", "results.verdicts"),
        _cell("code", "results.trials"),
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return _json({"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 4})


def _cell(kind: str, source: str) -> dict[str, Any]:
    code: dict[str, Any] = {"execution_count": None, "outputs": []} if kind == "code" else {}
    return {"cell_type": kind, "metadata": {}, "source": source, **code}


FORMATS: dict[str, Callable[[RunInfo, Results], str]] = {
    "html": _page,
    "csv": lambda _, results: results.trials.to_csv(index=False),
    "json": lambda info, results: _json(document(info, results)),
    "notebook": _notebook,
}


def _html(table: pd.DataFrame) -> str:
    body = table.to_html(index=False, border=0, na_rep="", float_format=lambda value: f"{value:.3f}")
    return f'<div class="wide">{body}</div>'


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not isfinite(value) else value


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SpecificationError(f"out: {str(path)!r} cannot be written: {error.strerror}.") from None
