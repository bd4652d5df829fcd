"""What the core's names are called on a page, in the visitor's language."""

from typing import Any

import pandas as pd

from pages.parts.language import _
from tlcore.evaluation.verdict import sentence
from tlcore.lab import RunInfo


def verdict(name: str) -> str:
    """Return a verdict with its sign, so that it is never told by colour alone."""
    return {
        "helps": "▲▲ " + _("helps"),
        "helps a little": "▲ " + _("helps a little"),
        "no evidence": "– " + _("no evidence"),
        "negative transfer": "▼ " + _("negative transfer"),
        "strongly negative transfer": "▼▼ " + _("strongly negative transfer"),
    }[name]


def sentences(verdicts: pd.DataFrame, margin: float) -> list[str]:
    """Say each verdict in one sentence, in the visitor's language."""
    said = ["method", "budget", "baseline", "metric", "gap", "ci_low", "ci_high", "verdict", "seeds"]
    rows: list[dict[str, Any]] = verdicts[said].to_dict("records")
    return [sentence(**row, margin=margin, translate=_, decimal_point=_(".")) for row in rows]


def status(name: str) -> str:
    """Return the status of a run with its sign, as Markdown."""
    return {
        "queued": ":material/hourglass_empty: " + _("queued"),
        "running": ":material/play_circle: " + _("running"),
        "done": ":material/check_circle: " + _("done"),
        "failed": ":material/error: " + _("failed"),
        "cancelled": ":material/stop_circle: " + _("cancelled"),
        "lost": ":material/power_off: " + _("interrupted"),
    }[name]


def setting(name: str) -> str:
    """Return a setting with what it means."""
    return {
        "inductive": _("A few target labels (inductive)"),
        "transductive": _("No target labels (transductive)"),
    }[name]


def family(name: str) -> str:
    """Return the name of a family of methods."""
    return {
        "baseline": _("Baselines"),
        "parameter": _("Parameters"),
        "feature": _("Features"),
        "instance": _("Instances"),
    }[name]


def title(run: RunInfo) -> str:
    """Return what a person calls a run."""
    return run.name or run.experiment.scenario


def duration(seconds: float) -> str:
    """Return a length of time in the largest unit that fits."""
    if seconds < 90:
        return _("{n} s").format(n=max(1, round(seconds)))
    return _("{n} min").format(n=round(seconds / 60))
