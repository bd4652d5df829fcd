"""What the core's names are called on a page, in the visitor's language."""

from typing import Any

import pandas as pd

from pages.parts.language import _
from tlcore.evaluation.verdict import sentence
from tlcore.experiment import Experiment
from tlcore.lab import RunInfo
from tlcore.scenarios.base import Scenario
from tlcore.tasks.base import Task


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
    task = experiment.task
    said = ["method", "budget", "baseline", "gap", "ci_low", "ci_high", "verdict", "seeds", "equal", "comparisons"]
    rows: list[dict[str, Any]] = verdicts[said].to_dict("records")
    shared = {
        "metric": task.metrics[experiment.metric],
        "margin": experiment.margin,
        "budget_of": task.budget_of,
        "translate": _,
        "decimal_point": _("."),
    }
    return [sentence(**row, **shared) for row in rows]


def more_seeds(verdicts: pd.DataFrame) -> list[str]:
    """Return how many more seeds would decide each verdict; nothing where it is decided, a dash where none would."""
    return [
        "–" if pd.isna(more) else "" if more == 0 else f"+{int(more)}" for more in verdicts["more_seeds"].astype(float)
    ]


def intervals(low: pd.Series, high: pd.Series) -> list[str]:
    """Return intervals as a person reads them."""
    return [f"{one:+.1f} … {other:+.1f}" for one, other in zip(low, high, strict=True)]


def budget(task: Task) -> str:
    """Return what a label budget counts."""
    return {
        "class": _("Labels a class"),
        "user": _("Interactions a user"),
        "example": _("Labelled examples"),
        "picture": _("Labelled pictures"),
    }[task.budget_of]


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
        "unsupervised": _("No labels in either domain (unsupervised)"),
    }[name]


def family(name: str) -> str:
    """Return the name of a family of methods."""
    return {
        "baseline": _("Baselines"),
        "parameter": _("Parameters"),
        "feature": _("Features"),
        "instance": _("Instances"),
    }[name]


def group(name: str) -> str:
    """Return the name of a group of test examples."""
    known = {
        "cold": _("people of whom nothing is known here"),
        "warm": _("people with known choices here"),
        "few elsewhere": _("people with few choices elsewhere"),
        "some elsewhere": _("people with some choices elsewhere"),
        "many elsewhere": _("people with many choices elsewhere"),
        "low answers": _("examples with low numbers"),
        "middle answers": _("examples with numbers in the middle"),
        "high answers": _("examples with high numbers"),
    }
    if name in known:
        return known[name]
    kind, of = name.split(" ", 1)
    return {"label": _("label {name}"), "group": _("group {name}"), "with": _("pictures with {name}")}[kind].format(
        name=of
    )


def pair(scenario: Scenario, source: str, target: str) -> str:
    """Return from where to where, and what has to be fetched for it."""
    host = scenario.remote(source, target)
    fetched = " " + _("(from {host}, over a network)").format(host=host) if host else ""
    return f"{source} → {target}{fetched}"


def fact(name: str) -> str:
    """Return what a fact about the data says."""
    known = {
        "shared_users": _("people in both"),
        "shared_items": _("items in both"),
        "source_interactions": _("choices in the source"),
        "target_interactions": _("choices in the target"),
        "source_users": _("people in the source"),
        "target_users": _("people in the target"),
        "source_items": _("items in the source"),
        "target_items": _("items in the target"),
        "test_users": _("people to test on"),
        "held_out_in_source": _("left out of the source, as they are in the test"),
        "source_incomplete": _("rows of the source without user, item or rating"),
        "target_incomplete": _("rows of the target without user, item or rating"),
        "source_duplicates": _("repeated choices in the source, of which the latest counts"),
        "target_duplicates": _("repeated choices in the target, of which the latest counts"),
        "source_not_liked": _("ratings in the source below what counts as a choice"),
        "target_not_liked": _("ratings in the target below what counts as a choice"),
        "source_texts": _("texts in the source"),
        "target_texts": _("texts in the target"),
        "test_texts": _("texts to test on"),
        "classes": _("labels in all"),
        "shared_classes": _("labels in both"),
        "source_pictures": _("pictures in the source"),
        "target_pictures": _("pictures in the target"),
        "test_pictures": _("pictures to test on"),
        "source_boxes": _("boxes in the source"),
        "target_boxes": _("boxes in the target"),
        "source_unmarked": _("pictures in the source of which nothing is said, left out"),
        "target_unmarked": _("pictures in the target of which nothing is said, left out"),
        "source_other": _("files of the source that are no pictures"),
        "target_other": _("files of the target that are no pictures"),
        "source_link": _("links in the source that lead out of it, left out"),
        "target_link": _("links in the target that lead out of it, left out"),
        "source_corrupt": _("pictures of the source that cannot be read, left out"),
        "target_corrupt": _("pictures of the target that cannot be read, left out"),
        "source_huge": _("pictures of the source that are too large, left out"),
        "target_huge": _("pictures of the target that are too large, left out"),
        "source_doubles": _("examples that came twice in the source"),
        "target_doubles": _("examples that came twice in the target"),
        "in_both": _("examples of the source that are in the target too, left out"),
        "groups": _("groups in the target, each either to learn from or to test on"),
        "groups_in_both": _("groups to test on that are in the source, too"),
        "source_unsure": _("pictures in the source of which their expert was not sure, left out"),
        "target_unsure": _("pictures in the target of which their expert was not sure, left out"),
        "source_neutral": _("neutral texts in the source, left out"),
        "target_neutral": _("neutral texts in the target, left out"),
        "source_empty": _("empty examples of the source, left out"),
        "target_empty": _("empty examples of the target, left out"),
        "source_unlabelled": _("examples of the source without a label"),
        "target_unlabelled": _("examples of the target without a label"),
        "source_rows": _("rows in the source"),
        "target_rows": _("rows in the target"),
        "test_rows": _("rows to answer and score"),
        "columns": _("columns"),
        "columns_left_out": _("columns that are no features, left out"),
        "mixed_columns": _("columns of numbers in one domain and of words in the other"),
        "alike_in_both": _("rows of the source that are like one of the target by chance"),
        "target_alike": _("rows of the target that are alike by chance"),
        "category_columns": _("columns of categories"),
        "missing_cells": _("missing cells, filled in"),
        "source_cut": _("very long texts in the source, cut"),
        "target_cut": _("very long texts in the target, cut"),
        "source_misread": _("lines of the source in another encoding than the rest"),
        "target_misread": _("lines of the target in another encoding than the rest"),
        "source_other_labels": _("texts of the source with a label that does not count"),
        "target_other_labels": _("texts of the target with a label that does not count"),
    }
    if name in known:
        return known[name]
    which, _underscore, why = name.partition("_")
    if which in ("source", "target"):
        return _("{what} in the {domain}").format(what=left_out(why), domain=domain(which).lower())
    return left_out(name)


def left_out(why: str) -> str:
    """Return what was left out or mended."""
    known = {
        "misread": _("lines in another encoding than the rest"),
        "short": _("rows with too few cells, completed"),
        "broken": _("rows with too many cells, left out"),
        "swallowed": _("rows that may stand inside a quoted cell of another"),
        "unnamed_columns": _("columns without a name, left out"),
        "row_number_columns": _("columns of row numbers, left out"),
        "columns_left_out": _("columns left out"),
        "odd_cells": _("cells that are no number or date, counted as missing"),
        "other_sheets": _("other sheets, not read"),
        "empty": _("empty ones, left out"),
        "unlabelled": _("without a label"),
        "cut": _("very long texts, cut"),
        "incomplete": _("rows without user, item or rating, left out"),
        "duplicates": _("repeated choices, of which the latest counts"),
        "other": _("files that are no pictures"),
        "link": _("links that lead out of the folder, left out"),
        "corrupt": _("pictures that cannot be read, left out"),
        "huge": _("pictures that are too large, left out"),
        "beside": _("pictures beside the parts of the data set, left out"),
        "no_picture": _("masks without a picture, left out"),
        "unmarked": _("pictures of which nothing is said, left out"),
        "boxes_clipped": _("boxes partly outside their picture, clipped"),
        "boxes_outside": _("boxes outside their picture, left out"),
        "boxes_no_area": _("boxes of no area, left out"),
        "boxes_unknown": _("boxes of unknown classes, left out"),
        "boxes_incomplete": _("entries that are not complete, left out"),
        "boxes_beyond": _("boxes of which a value is not a share, left out"),
        "boxes_no_picture": _("entries whose picture is not there, left out"),
        "boxes_other_size": _("pictures of another size than is said, their boxes left out"),
        "not_known": _("pictures without a pixel whose class is known, left out"),
    }
    return known.get(why) or _(why.replace("_", " "))


def domain(which: str) -> str:
    """Return the name of a domain."""
    return {"source": _("Source"), "target": _("Target")}[which]


def reading(fact: str) -> str:
    """Return what a fact about a file says."""
    return {
        "format": _("format"),
        "encoding": _("encoding"),
        "separator": _("separator"),
        "decimal": _("decimal mark"),
        "header": _("header"),
        "skipped lines": _("lines above it"),
        "sheet": _("sheet"),
        "quotation marks": _("quotation marks"),
        "rows": _("rows"),
        "columns": _("columns"),
        "pictures": _("pictures"),
        "boxes": _("boxes"),
        "empty": _("empty pictures"),
        "size": _("size"),
        "classes": _("classes"),
        "groups": _("groups"),
    }.get(fact) or _(fact)


def role(name: str) -> str:
    """Return what a column is for."""
    return {
        "label": _("label"),
        "text": _("text"),
        "group": _("group"),
        "time": _("time"),
        "user": _("user"),
        "item": _("item"),
        "rating": _("rating"),
        "feature": _("feature"),
        "not used": _("not used"),
        "left out": _("left out"),
    }.get(name) or _(name)


def kind(name: str) -> str:
    """Return what is in a column."""
    return {
        "number": _("number"),
        "boolean": _("yes or no"),
        "category": _("category"),
        "text": _("text"),
        "date": _("date"),
        "list": _("list"),
        "empty": _("empty"),
    }.get(name) or name


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
