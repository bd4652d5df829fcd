"""The parts of the Compare page, from the verdict down to the single trial."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import streamlit as st

from pages.parts import words
from pages.parts.forgotten import forgotten
from pages.parts.language import _, ngettext
from tlcore import lab
from tlcore.evaluation.verdict import VERDICTS
from tlcore.lab import RunInfo
from tlcore.report import figures
from tlcore.results import Results


def warnings(results: Results) -> None:
    """Say before anything else which methods do harm."""
    verdicts = results.verdicts
    verdicts = verdicts.assign(sentence=words.sentences(verdicts, results.experiment))
    harmful = verdicts[verdicts["verdict"].isin(["negative transfer", "strongly negative transfer"])]
    if len(harmful):
        methods = list(dict.fromkeys(harmful["method"]))
        st.error(
            "**"
            + ngettext(
                "Negative transfer: {names} does harm here.", "Negative transfer: {names} do harm here.", len(methods)
            ).format(names=", ".join(methods))
            + "**\n\n"
            + "\n".join(f"- {sentence}" for sentence in harmful["sentence"]),
            icon=":material/dangerous:",
        )
    helpful = verdicts[verdicts["verdict"].isin(["helps", "helps a little"])]
    if len(helpful):
        best = helpful.loc[helpful.groupby("budget")["gap"].idxmax()]
        st.success("\n\n".join(best["sentence"]), icon=":material/check_circle:")
    if len(verdicts) and not len(helpful) and not len(harmful):
        st.info(
            _("No method was shown to help or to harm. More seeds make small gaps visible."),
            icon=":material/horizontal_rule:",
        )


def verdict_table(results: Results) -> None:
    """Show every verdict with its gap and interval, worst first; the sentences one click below."""
    verdicts = results.verdicts
    if not len(verdicts):
        st.caption(_("No method has a finished trial beside its baseline yet."))
        return
    st.subheader(_("Verdicts against {baseline}").format(baseline=results.experiment.baseline), anchor=False)
    metric = results.experiment.task.metrics[results.experiment.metric]
    scale = 100 if metric.in_points else 1
    table = verdicts.sort_values(["budget", "gap"])
    table = table.assign(
        verdict=table["verdict"].map(words.verdict),
        sentence=words.sentences(table, results.experiment),
        gap=table["gap"] * scale,
        interval=words.intervals(table["ci_low"] * scale, table["ci_high"] * scale),
        more_seeds=words.more_seeds(table),
    )
    st.dataframe(
        table,
        column_order=[
            "verdict",
            "method",
            "budget",
            "gap",
            "interval",
            "p_adjusted",
            "seeds",
            "more_seeds",
            "sentence",
            "note",
        ],
        column_config={
            "verdict": st.column_config.TextColumn(_("Verdict"), width="medium"),
            "method": st.column_config.TextColumn(_("Method")),
            "budget": st.column_config.NumberColumn(words.budget(results.experiment.task)),
            "gap": st.column_config.NumberColumn(
                _("Gap, points of {metric}").format(metric=_(metric.label)), format="%+.1f"
            ),
            "interval": st.column_config.TextColumn(_("95 % interval")),
            "p_adjusted": st.column_config.NumberColumn(
                _("p, of all at once"),
                format="%.3f",
                help=_(
                    "How rarely so large a gap would come about anywhere in this run if no method had one. The "
                    "verdict goes by it; the interval is that of this method by itself."
                ),
            ),
            "seeds": st.column_config.NumberColumn(_("Seeds")),
            "more_seeds": st.column_config.TextColumn(
                _("More seeds to decide"),
                help=_("If the gap and its spread stay as they are. A dash: more test examples are needed, or none."),
            ),
            "sentence": st.column_config.TextColumn(_("In words"), width="large"),
            "note": st.column_config.TextColumn(_("What seeds scatter"), width="medium"),
        },
        hide_index=True,
        width="stretch",
        height="content",
    )


def charts(results: Results) -> None:
    """Draw metrics by budget beside the baseline, and the gaps over the region that does not matter."""
    experiment = results.experiment
    looks = figures.look([choice.label for choice in experiment.methods], experiment.baseline)
    budget_label = words.budget(experiment.task)
    left, right = st.columns(2)
    for column, default in zip((left, right), experiment.task.headline, strict=True):
        with column:
            names = list(experiment.task.metrics)
            metric = st.selectbox(
                _("Metric"),
                names,
                index=names.index(default),
                format_func=lambda name: words.capitalised(_(experiment.task.metrics[name].label)),
                help=_(experiment.task.metrics[default].description),
                key=f"metric.{default}",
                label_visibility="collapsed",
            )
            st.plotly_chart(
                figures.by_budget(
                    results.summary(metric),
                    looks,
                    _(experiment.task.metrics[metric].label),
                    budget_label.lower(),
                ),
                key=f"chart.{default}",
            )


def choose_budget(results: Results) -> int:
    """Ask at which of the run's label budgets to look closer."""
    budgets = sorted(results.experiment.budgets)
    if len(budgets) == 1:
        return budgets[0]
    label = words.budget(results.experiment.task)
    return st.segmented_control(label, budgets, default=budgets[-1], required=True, key="budget")


def gaps(results: Results, budget: int) -> None:
    """Draw the gaps at a budget over the region that does not matter."""
    experiment, verdicts = results.experiment, results.verdicts
    verdicts = verdicts[verdicts["budget"] == budget]
    if not len(verdicts):
        return
    st.subheader(_("Gap to {baseline}").format(baseline=experiment.baseline), anchor=False)
    left, right = st.columns([3, 2])
    with left:
        st.plotly_chart(
            figures.gaps(
                verdicts,
                experiment.margin,
                _("gap in {metric}; inside the band it does not matter").format(
                    metric=_(experiment.task.metrics[experiment.metric].label)
                ),
                {name: words.verdict(name) for name in VERDICTS},
            ),
            key="chart.gaps",
        )
    with right:
        st.plotly_chart(
            figures.probabilities(
                verdicts, (_("worse"), _("practically equal"), _("better")), _("how likely the true gap is")
            ),
            key="chart.probabilities",
        )


def unscored(results: Results) -> bool:
    """Where no answer of the target is known, say so, show what was answered, and return true."""
    predictions = results.predictions
    if not len(predictions) or (predictions["truth"].notna() & (predictions["truth"] != "")).any():
        return False
    st.info(
        _("The target's rows have no labels, so nothing can be scored: this is what each method answers."),
        icon=":material/help:",
    )
    task = results.experiment.task
    if task.known_without:
        tables = [results.summary(name).set_index("method")["mean"] for name in task.known_without]
        labels = [words.capitalised(_(task.metrics[name].label)) for name in task.known_without]
        known = pd.DataFrame(dict(zip(labels, tables, strict=True)))
        st.dataframe(known.style.format("{:.3f}"), key="known_without")
        st.caption(" ".join(_(task.metrics[name].description) for name in task.known_without))
    by_method = predictions.groupby("method", sort=False)["predicted"]
    if task.drawn == "numbers":
        st.dataframe(by_method.describe()[["min", "25%", "50%", "75%", "max"]], key="answers")
    else:
        share = by_method.value_counts(normalize=True).unstack(fill_value=0)
        st.dataframe(share.style.format("{:.0%}"), key="answers")
    st.download_button(
        _("All answers, row by row"),
        predictions.to_csv(index=False).encode(),
        "predictions.csv",
        "text/csv",
        icon=":material/download:",
    )
    return True


def source_weights(results: Results, budget: int) -> None:
    """Draw how much the source's examples counted, where a method weighs them."""
    table = results.source_weights
    table = table[table["budget"] == budget]
    if not len(table):
        return
    st.subheader(_("Which source examples counted"), anchor=False)
    looks = figures.look([choice.label for choice in results.experiment.methods], results.experiment.baseline)
    st.plotly_chart(
        figures.weights(table, looks, _("weight; 1 is the mean"), _("source examples, the heaviest first")),
        key="chart.weights",
    )


def methods_apart(results: Results, budget: int) -> None:
    """Look into one method: how it learned, what it confuses, which classes it finds."""
    experiment = results.experiment
    scenario = experiment.where  # its options say what the labels of own data are
    trials = results.trials
    done = trials[(trials["status"] == "done") & (trials["budget"] == budget)]
    if not len(done):
        return
    st.subheader(_("Look into a method"), anchor=False)
    methods = list(dict.fromkeys(done["method"]))
    judged = dict.fromkeys(results.verdicts.sort_values("gap", ascending=False)["method"])
    best_first = list(judged | dict.fromkeys(methods))
    method = st.selectbox(_("Method"), best_first, key="method", bind="query-params")
    of_this = done[done["method"] == method]
    for note in dict.fromkeys(of_this["note"]):
        if note:
            st.caption(note)
    forgotten(results, method, budget)
    curves = results.curves
    chosen = curves[(curves["method"] == method) & (curves["budget"] == budget)]
    if len(chosen):
        st.plotly_chart(
            figures.learning_curves(
                chosen,
                {
                    "task_loss": _("task loss L"),
                    "regulariser": _("regulariser R(θ)"),
                    "transfer_loss": _("transfer loss L_T(θ)"),
                    "validation_loss": _("validation loss"),
                },
                _("epoch"),
            ),
            key="chart.curves",
        )
    else:
        st.caption(_("This method has no learning curve: nothing of it is trained step by step."))
    pair = (
        [experiment.baseline, method] if experiment.baseline in methods and method != experiment.baseline else [method]
    )
    if experiment.task.drawn == "numbers":
        answers = results.predictions[results.predictions["budget"] == budget]
        for column, name in zip(st.columns(len(pair)), pair, strict=True):
            with column:
                st.markdown(f"**{name}**")
                figure = figures.numbers(answers[answers["method"] == name], _("true number"), _("predicted number"))
                st.plotly_chart(figure, key=f"chart.numbers.{name}")
    if not scenario.classes or scenario.task.drawn not in ("classes", "masks"):
        return
    for column, name in zip(st.columns(len(pair)), pair, strict=True):
        with column:
            st.markdown(f"**{name}**")
            st.plotly_chart(
                figures.confusion(results.confusion(name, budget), scenario.classes, _("truth"), _("predicted")),
                key=f"chart.confusion.{name}",
            )
    looks = figures.look([choice.label for choice in experiment.methods], experiment.baseline)
    st.plotly_chart(
        figures.recall_by_class(done, pair, scenario.classes, looks, _("recall")),
        key="chart.recall",
    )


def downloads(run: RunInfo, results: Results) -> None:
    """Show every trial, those that failed with their error, and offer the files."""
    with st.expander(_("All trials"), icon=":material/table_rows:"):
        st.dataframe(results.trials, hide_index=True, width="stretch")
    with st.container(horizontal=True):
        for format, suffix in (("html", "html"), ("csv", "csv"), ("json", "json"), ("notebook", "ipynb")):
            st.download_button(
                {"html": _("Report"), "csv": "CSV", "json": "JSON", "notebook": _("Notebook")}[format],
                data=lambda format=format, suffix=suffix: exported(run.id, format, suffix),
                file_name=f"{run.id}.{suffix}",
                icon=":material/download:",
                key=f"download.{format}",
                on_click="ignore",
            )


def exported(run_id: str, format: str, suffix: str) -> bytes:
    """Return the file of an export."""
    with TemporaryDirectory() as folder:
        return lab.export(run_id, format, Path(folder) / f"{run_id}.{suffix}").read_bytes()
