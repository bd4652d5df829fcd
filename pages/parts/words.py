"""What the core's names are called on a page, in the visitor's language."""

from typing import Any

import pandas as pd

from pages.parts.language import _
from tlcore.evaluation.verdict import sentence
from tlcore.experiment import Experiment
from tlcore.lab import RunInfo
from tlcore.scenarios import SCENARIOS


def verdict(name: str) -> str:
    """Return a verdict with its sign, so that it is never told by colour alone."""
    return {
        "helps": "▲▲ " + _("helps"),
        "helps a little": "▲ " + _("helps a little"),
        "no evidence": "– " + _("no evidence"),
        "negative transfer": "▼ " + _("negative transfer"),
        "strongly negative transfer": "▼▼ " + _("strongly negative transfer"),
    }[name]


def sentences(verdicts: pd.DataFrame, experiment: Experiment) -> list[str]:
    """Say each verdict in one sentence, in the visitor's language."""
    scenario = SCENARIOS[experiment.scenario]
    said = ["method", "budget", "baseline", "gap", "ci_low", "ci_high", "verdict", "seeds"]
    rows: list[dict[str, Any]] = verdicts[said].to_dict("records")
    shared = {
        "metric": scenario.metrics[experiment.metric],
        "margin": experiment.margin,
        "budget_of": scenario.budget_of,
        "translate": _,
        "decimal_point": _("."),
    }
    return [sentence(**row, **shared) for row in rows]


def budget(scenario: str) -> str:
    """Return what a label budget counts."""
    return {"class": _("Labels a class"), "user": _("Interactions a user")}[SCENARIOS[scenario].budget_of]


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


def capitalised(text: str) -> str:
    """Return the text with its first letter large, the others as they are: NDCG stays NDCG."""
    return text[:1].upper() + text[1:]
