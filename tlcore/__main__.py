"""The command line: ``python -m tlcore``.

Exit status: 0 done, 1 some trials have no result (the others are kept), 2 a specification or input that cannot run.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from unicodedata import combining, east_asian_width

import typer

from tlcore.errors import SpecificationError, one_of

if TYPE_CHECKING:
    import pandas as pd

    from tlcore.datasets.look import Look
    from tlcore.experiment import Experiment
    from tlcore.lab import RunInfo
    from tlcore.results import Results

app = typer.Typer(
    help="Does transferring what a model already knows help on your data, by how much, and which way is best?",
    pretty_exceptions_enable=False,
    add_completion=False,
)
data = typer.Typer(help="The data sets: fetch, list, verify.")
engine = typer.Typer(help="The engine that carries out runs: start, stop, status.")
app.add_typer(data, name="data")
app.add_typer(engine, name="engine")

LONGEST_VALUE = 24  # signs of a value that stands in a table

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="A run's identifier: see `runs`.")]


def main() -> int:
    """Run the command line and return its exit status; what a person got wrong is said in one line."""
    try:
        return app(standalone_mode=False) or 0
    except SpecificationError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except typer.TyperException as error:
        print(f"error: {' '.join(error.format_message().split())}", file=sys.stderr)
        return 2
    except (typer.Abort, KeyboardInterrupt):
        return 1


@app.command("list")
def list_(
    what: Annotated[str, typer.Argument(metavar="KIND", help="scenarios, methods, backbones or datasets.")],
    as_json: Json = False,
) -> None:
    """List what there is: scenarios, methods, backbones or datasets."""
    if what not in CATALOGUES:
        raise one_of("list", what, CATALOGUES)
    entries = CATALOGUES[what]()
    if as_json:
        _print_json(entries)
    else:
        _print_table(("name", ""), ((entry["name"], entry["summary"]) for entry in entries))


@app.command()
def run(
    spec: Annotated[
        str, typer.Argument(metavar="SPEC", help="A YAML or JSON file, or a preset's or a scenario's name.")
    ],
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Change a field; text is taken as typed, lists are comma-separated."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for spec, environment, trials and verdicts.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="How many trials at once.")] = None,
    as_json: Json = False,
) -> None:
    """Run an experiment and judge each method beside the baseline."""
    from tlcore import lab
    from tlcore.experiment import Experiment
    from tlcore.report.export import make_folder

    asked = Experiment.load(spec, dict(map(_change, changes or [])))
    if out:
        make_folder(out)  # before the work, not after it
    lab.start_engine()  # its workers get ready while the data are looked at
    for concern in asked.concerns():  # before a run is refused, which one of them may explain
        print(f"warning: {concern.sentence}", file=sys.stderr)
    experiment = asked.checked()
    _print_left_out(asked, experiment)
    progress = _show_progress if sys.stderr.isatty() else None
    if progress and (seconds := lab.forecast(experiment)):
        most = f"; up to {experiment.most_trials()} if verdicts stay open" if experiment.until == "decided" else ""
        print(f"{len(experiment.trials())} trials, about {_time(seconds)}{most}", file=sys.stderr)
    if progress and (gap := experiment.smallest_gap()) is not None:
        print(f"gaps from about {100 * gap:.1f} points will show, for all methods at once", file=sys.stderr)
    run_id = lab.submit(experiment, workers)
    if experiment.where.own and not as_json:
        _print_data(experiment)
    try:
        info = lab.wait(run_id, on_change=progress)
    except KeyboardInterrupt:
        lab.cancel(run_id)
        info = lab.wait(run_id)
    if progress:
        print("\r\033[K", end="", file=sys.stderr)
    results = lab.results(run_id)
    if out:
        lab.save(results, out, info.concerns)
    _print_run(info, results, as_json)
    raise typer.Exit(int(info.counts["done"] < len(results.records)))


@app.command()
def show(run_id: RunId, as_json: Json = False) -> None:
    """Show a run: how it stands, its methods and verdicts."""
    from tlcore import lab

    _print_run(lab.read(run_id), lab.results(run_id), as_json)


@app.command()
def runs(as_json: Json = False) -> None:
    """List all runs, the newest first."""
    from tlcore import lab
    from tlcore.report.export import heading

    infos = lab.list_runs()
    if as_json:
        _print_json([heading(info) for info in infos])
    else:
        lines = ((info.id, _standing(info), f"{info.created:%Y-%m-%d %H:%M}", info.name) for info in infos)
        _print_table(("run", "status", "created (UTC)", "name"), lines)


@app.command()
def export(
    run_id: RunId,
    format: Annotated[str, typer.Option(help="html, csv, json or notebook.")],
    out: Annotated[Path, typer.Option(help="The file to write.")],
) -> None:
    """Write a run to a file."""
    from tlcore import lab

    print(lab.export(run_id, format, out))


@app.command()
def cancel(run_id: RunId) -> None:
    """Stop a run; what is done of it stays."""
    from tlcore import lab

    lab.cancel(run_id)
    print(_standing(lab.wait(run_id)))


@app.command()
def resume(run_id: RunId) -> None:
    """Carry out again what failed or was cancelled of a run, in the background."""
    from tlcore import lab

    lab.resume(run_id)
    print(_standing(lab.read(run_id)))


@app.command()
def decide(run_id: RunId) -> None:
    """Give the methods of a run whose verdict is open further seeds until it is decided, in the background."""
    from tlcore import lab

    before = lab.undecided(run_id)
    lab.decide(run_id)
    about = "" if before.seconds is None else f", about {_time(before.seconds)} to the next look"
    print(f"{len(before.verdicts)} open: {before.names}; {len(before.trials)} trials{about}")
    print(_standing(lab.read(run_id)))


@data.command("list")
def data_list(as_json: Json = False) -> None:
    """List the data sets."""
    list_("datasets", as_json)


@data.command("fetch")
def data_fetch(name: str) -> None:
    """Have a data set here, verified."""
    dataset = _dataset(name)
    dataset.fetch()
    print(f"{name}: {dataset.size} examples, verified")


@data.command("verify")
def data_verify(name: str) -> None:
    """Check a data set's bytes against the pinned checksum."""
    if not _dataset(name).verify():
        raise SpecificationError(f"dataset: {name!r} differs from the pinned checksum; fetch it again.")
    print(f"{name}: verified")


@data.command("look")
def data_look(
    path: Annotated[str, typer.Argument(metavar="PATH", help="A file, a folder of pictures, or an address.")],
    kind: Annotated[
        str, typer.Option("--as", metavar="KIND", help="features, texts, ratings or images; left out: found.")
    ] = "",
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Say how it is read, such as encoding=gb18030 or label=grade."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show how a file of your own is understood, before it is run."""
    from tlcore.scenarios import file_of

    told = {"path": path}
    for text in changes or []:
        key, equals, value = text.partition("=")
        if not (key and equals):
            raise SpecificationError(f"--set: {text!r} is not of the form key=value.")
        told[key] = value
    name, file = file_of(told, kind)
    look = file.look()
    if as_json:
        _print_json({"as": name, **look.as_json()})
    else:
        _print_look(name, look)


@engine.command("start")
def engine_start() -> None:
    """Start the engine, so that its workers are warm when a run comes."""
    from tlcore import lab

    lab.start_engine()
    _print_json(lab.engine_status())


@engine.command("stop")
def engine_stop() -> None:
    """Stop the engine; runs at work wait for the next one."""
    from tlcore import lab

    lab.stop_engine()


@engine.command("status")
def engine_status() -> None:
    """Say whether the engine is there, and where."""
    from tlcore import lab

    _print_json(lab.engine_status())


def _scenarios() -> list[dict[str, Any]]:
    from tlcore.scenarios import SCENARIOS

    return [
        {
            "name": name,
            "title": scenario.title,
            "summary": scenario.summary,
            "credit": scenario.credit,
            "pairs": [{"source": source, "target": target} for source, target in scenario.pairs],
            "own": list(scenario.own.model_fields) if scenario.own else [],
            "options": {key: field.default for key, field in type(scenario).model_fields.items()},
            "classes": list(scenario.classes),
            "metrics": list(scenario.task.metrics),
            "largest_budget": scenario.task.largest_budget,
        }
        for name, scenario in SCENARIOS.items()
    ]


def _methods() -> list[dict[str, Any]]:
    from tlcore.methods import METHODS

    return [
        {
            "name": name,
            "summary": _first_line(method),
            **method.facts(),
        }
        for name, method in METHODS.items()
    ]


def _backbones() -> list[dict[str, Any]]:
    from tlcore.backbones import BACKBONES, ENCODERS, IMAGE_NETWORKS

    built = [{"name": name, "summary": _first_line(backbone)} for name, backbone in BACKBONES.items()]
    texts = [{"name": name, "summary": card.text} for name, card in ENCODERS.items()]
    pictures = [
        {
            "name": name,
            "summary": card.summary,
            **{fact: getattr(card, fact) for fact in ("size", "mean", "std", "megabytes", "licence", "source")},
        }
        for name, card in IMAGE_NETWORKS.items()
    ]
    return [*built, *pictures, *texts]


def _datasets() -> list[dict[str, Any]]:
    from tlcore.datasets import DATASETS

    return [
        {
            "name": name,
            "summary": f"{dataset.title}: {dataset.size} examples, {dataset.licence}"
            + (f"; needs a network the first time ({dataset.remote})" if dataset.remote else ""),
            "title": dataset.title,
            "licence": dataset.licence,
            "source": dataset.source,
            "size": dataset.size,
            "classes": list(dataset.classes),
            "remote": dataset.remote,
        }
        for name, dataset in DATASETS.items()
    ]


CATALOGUES = {"scenarios": _scenarios, "methods": _methods, "backbones": _backbones, "datasets": _datasets}


def _first_line(thing: object) -> str:
    return (thing.__doc__ or "").strip().partition("\n")[0]


def _dataset(name: str) -> Any:
    from tlcore.datasets import DATASETS

    if name not in DATASETS:
        raise one_of("dataset", name, DATASETS)
    return DATASETS[name]


def _change(text: str) -> tuple[str, Any]:
    """Read ``key=value`` of ``--set``; what a text with commas means the specification says itself."""
    import yaml

    from tlcore.written import value

    key, equals, typed = text.partition("=")
    if not (key and equals):
        raise SpecificationError(f"--set: {text!r} is not of the form key=value.")
    try:
        return key, value(key, typed)
    except yaml.YAMLError:
        raise SpecificationError(f"--set: the value of {text!r} cannot be read.") from None


def _standing(info: RunInfo) -> str:
    counts = ", ".join(f"{count} {status}" for status, count in info.counts.items() if count)
    return f"{info.status} ({counts})"


def _time(seconds: float) -> str:
    return f"{max(1, round(seconds))} s" if seconds < 90 else f"{round(seconds / 60)} min"


def _show_progress(info: RunInfo) -> None:
    look = "look {} of {}, ".format(*info.look) if info.experiment.until == "decided" else ""
    left = f", {info.seconds_left:.0f} s left" if info.seconds_left else ""
    print(f"\r\033[K{info.id}: {look}{_standing(info)}{left}", end="", file=sys.stderr, flush=True)


def _print_run(info: RunInfo, results: Results, as_json: bool) -> None:
    from tlcore.report.export import document, summary

    if as_json:
        _print_json(document(info, results))
        return
    table = summary(results).drop(columns=["done", "ci_low", "ci_high"])
    print(f"{info.id}  {info.name}: {_standing(info)}")
    print(results.experiment.where.remark)
    _print_table(table.columns, ([_cell(value) for value in row] for row in table.itertuples(index=False)))
    print("".join(f"\n{sentence}" for sentence in [*results.verdicts["sentence"], *results.harmed["sentence"]]))
    _print_errors(results.trials)


def _print_data(experiment: Experiment) -> None:
    """Say what was found in somebody's own files, and how much of it was left out."""
    facts = experiment.domains().facts
    shown = {name: facts[name] for name in experiment.where.shown_facts if name in facts}
    told = {**shown, **{k: n for k, n in facts.items() if n}}
    print("data: " + ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in told.items()), flush=True)
    for which, file in experiment.files().items():
        print(f"{which}: {file.look().in_brief()}", flush=True)


def _print_look(kind: str, look: Look) -> None:
    """Print how a file was understood: facts, columns, labels, what was left out, what is proposed."""
    _print_table(("file", look.file), {"as": kind, **look.facts}.items())
    if look.columns:
        print()
        lines = (
            (column.name, column.role, column.kind, f"{column.missing:.0%}", _values(column.examples), column.why)
            for column in look.columns
        )
        _print_table(("column", "role", "kind", "missing", "values", "why"), lines)
    if look.classes:
        print()
        shares = ((one.name, one.written, f"{one.share:.1%}", f"{one.pictures:,}") for one in look.classes)
        _print_table(("class", "in the masks", "of pixels", "pictures"), shares)
    labels = {} if look.classes else look.labels
    for header, counts in ((("label", "examples"), labels), (("left out or mended", "how many"), look.left_out)):
        if counts:
            print()
            _print_table(header, ((name.replace("_", " "), f"{count:,}") for name, count in counts.items()))
    for field, value in look.proposed.items():
        print(f"\n{field}: {value} looks like a {field}; say {field}={value}.")


def _values(examples: Iterable[str]) -> str:
    plain = (" ".join(text.split()) for text in examples)
    return " | ".join(text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…" for text in plain)


def _print_left_out(asked: Experiment, checked: Experiment) -> None:
    """Say which methods that nobody named were left out, as they cannot be used between these data."""
    names = [choice.name for choice in asked.methods if choice not in checked.methods]
    if names:
        refused = checked.refusals()
        of_reason = {why: [name for name in names if refused[name] == why] for why in map(refused.__getitem__, names)}
        told = "; ".join(f"{', '.join(those)} ({why})" for why, those in of_reason.items())
        print(f"left out: {told}", file=sys.stderr)


def _print_errors(trials: pd.DataFrame) -> None:
    for trial in trials[trials["error"] != ""].itertuples():
        print(f"{trial.method}, budget {trial.budget}, seed {trial.seed}: {trial.error}", file=sys.stderr)


def _print_table(header: Iterable[str], lines: Iterable[Iterable[str]]) -> None:
    table = [tuple(header), *map(tuple, lines)]
    widths = [max(map(_width, column)) for column in zip(*table, strict=True)]
    for line in table:
        cells = (cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True))
        print("  ".join(cells).rstrip())


def _width(text: str) -> int:
    """Return how many places of a terminal a text takes: a Chinese sign takes two."""
    return sum(0 if combining(sign) else 1 + (east_asian_width(sign) in "WF") for sign in text)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "" if value != value else f"{value:.3f}"
    return str(value)


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    sys.exit(main())
