"""Run: choose, see what it will cost, start, watch."""

from typing import Any

import streamlit as st

from pages.parts import words
from pages.parts.language import _, ngettext
from pages.parts.progress import results_so_far
from tlcore import lab
from tlcore.errors import SpecificationError
from tlcore.experiment import Experiment, applicable, presets
from tlcore.methods import METHODS
from tlcore.scenarios import SCENARIOS


def watch(run_id: str) -> None:
    """Follow a run; everything shown is read from the store, so that a reload or another browser sees the same."""
    try:
        run = lab.read(run_id)
    except SpecificationError as error:
        st.error(str(error))
        st.page_link("../views/history.py", label=_("All runs"), icon=":material/history:")
        return
    st.title(words.title(run))
    with st.container(horizontal=True, vertical_alignment="center"):
        if not run.ended:
            if st.button(_("Cancel"), icon=":material/stop_circle:", disabled=run.stopping, key="cancel"):
                lab.cancel(run_id)
                st.rerun()
        else:
            st.page_link(
                "../views/compare.py",
                label=_("See the comparison"),
                icon=":material/compare_arrows:",
                query_params={"run": run_id},
            )
            unfinished = len(run.experiment.trials()) - run.counts.get("done", 0)
            if unfinished and st.button(_("Run what is missing"), icon=":material/replay:", key="resume"):
                lab.resume(run_id)
                st.rerun()
        if st.button(_("New run"), icon=":material/add:", type="tertiary", key="new"):
            st.query_params.clear()
            st.rerun()

    # The clock of a fragment starts when it is first drawn. If drawing takes longer than its interval, the first tick
    # interrupts the page's own run, which then never ends, and its buttons stay dead. So load what is slow before.
    lab.results(run_id).summary(run.experiment.metric)

    @st.fragment(run_every=None if run.ended else 2.0)
    def progress() -> None:
        now = lab.read(run_id)
        if now.ended and not run.ended:
            st.rerun()  # the whole page once more: buttons change, and nobody polls an ended run
        if now.status == "lost":
            lab.start_engine()
        results_so_far(now)

    progress()


def method_settings(name: str) -> dict[str, Any]:
    """Return the settings of a method that a person has changed."""
    changed: dict[str, Any] = {}
    for setting, field in METHODS[name].model_fields.items():
        value = st.number_input(
            setting,
            value=field.default,
            help=_(field.description or ""),
            key=f"{name}.{setting}",
            format=None if isinstance(field.default, int) else "%g",
        )
        if value != field.default:
            changed[setting] = value
    return changed


def first_sentence(name: str) -> str:
    """Return the line that opens a method's docstring: its formula and what it is."""
    return _(" ".join((METHODS[name].__doc__ or "").strip().split("\n\n")[0].split()))


def choose_methods(scenario: str, setting: str, chosen: list[str]) -> list[dict[str, Any]]:
    """Offer the methods that can be run here, by family."""
    able = applicable(scenario, setting)
    picked: list[str] = []
    families = list(dict.fromkeys(METHODS[name].family for name in able))
    for family in families:
        members = [name for name in able if METHODS[name].family == family]
        picked += st.pills(
            words.family(family),
            members,
            selection_mode="multi",
            default=[name for name in members if name in chosen],
            key=f"methods.{scenario}.{setting}.{family}",
        )
    methods = []
    with st.expander(_("What they do, and their settings"), icon=":material/tune:"):
        if not picked:
            st.caption(_("Choose a method to see what it does."))
        for name in picked:
            st.markdown(f"**{name}** — {first_sentence(name)}")
            with st.container(horizontal=True):
                methods.append({"name": name, "settings": method_settings(name)})
    return methods


def form(preset: Experiment) -> dict[str, Any]:
    """Ask for the fields of an experiment, starting from a preset's."""
    fields: dict[str, Any] = {"name": preset.name, "description": preset.description}
    left, right = st.columns(2)
    with left:
        names = list(SCENARIOS)
        fields["scenario"] = st.selectbox(
            _("Scenario"),
            names,
            index=names.index(preset.scenario),
            format_func=lambda name: _(SCENARIOS[name].title),
            key="scenario",
        )
        scenario = SCENARIOS[fields["scenario"]]
        here = fields["scenario"] == preset.scenario
        pair = st.selectbox(
            _("From where to where"),
            scenario.pairs,
            index=scenario.pairs.index((preset.source, preset.target)) if here else 0,
            format_func=lambda pair: f"{pair[0]} → {pair[1]}",
            key=f"pair.{fields['scenario']}",
        )
        fields["source"], fields["target"] = pair
        st.caption(_(scenario.summary))
    with right:
        settings = list(scenario.settings)
        fields["setting"] = st.radio(
            _("Labels in the target"),
            settings,
            index=settings.index(preset.setting) if preset.setting in settings else 0,
            format_func=words.setting,
            key=f"setting.{fields['scenario']}",
        )
        if fields["setting"] == "inductive":
            fields["budgets"] = st.text_input(
                words.budget(fields["scenario"]),
                ", ".join(map(str, [budget for budget in preset.budgets if budget] or [5])),
                help=_("One or more numbers, up to {n}. Each is one point on the chart.").format(
                    n=scenario.largest_budget
                ),
                key="budgets",
            )
        fields["seeds"] = st.number_input(
            _("Seeds"),
            1,
            100,
            len(preset.seeds),
            help=_("How often everything is repeated with other labelled examples. A verdict needs at least three."),
            key="seeds",
        )
    st.subheader(_("Methods"), anchor=False)
    fields["methods"] = choose_methods(
        fields["scenario"], fields["setting"], [choice.name for choice in preset.methods]
    )
    with st.expander(_("More choices"), icon=":material/settings:"), st.container(horizontal=True):
        fields["margin"] = st.number_input(
            _("Gaps that do not matter (±)"),
            0.0,
            0.5,
            preset.margin,
            0.005,
            format="%.3f",
            help=_("The region of practical equivalence: a gap inside it is not worth acting on."),
            key="margin",
        )
        fields["lambda"] = st.number_input(
            "λ",
            0.0,
            None,
            preset.lambda_,
            format="%g",
            placeholder=_("each method's own"),
            help=_("Weight of R(θ), what keeps θ near its start."),
            key="lambda",
        )
        fields["beta"] = st.number_input(
            "β",
            0.0,
            None,
            preset.beta,
            format="%g",
            placeholder=_("each method's own"),
            help=_("Weight of L_T(θ), what pulls the domains together."),
            key="beta",
        )
        fields["epochs"] = st.number_input(
            _("Epochs at most"),
            1,
            10_000,
            preset.epochs,
            placeholder=str(scenario.epochs),
            help=_("Empty: the scenario's own."),
            key="epochs",
        )
    return fields


def new_run(preset_name: str) -> None:
    """Choose what to run, and start it."""
    st.title(_("New run"))
    try:
        preset = Experiment.load(preset_name)
    except SpecificationError as error:
        st.error(str(error))
        return
    fields = form(preset)
    try:
        experiment = Experiment.build(fields)
    except SpecificationError as error:
        st.error(str(error), icon=":material/error:")
        experiment = None
    with st.container(horizontal=True, vertical_alignment="center"):
        start = st.button(
            _("Run"), type="primary", icon=":material/play_arrow:", disabled=experiment is None, key="start"
        )
        if experiment is not None:
            trials = len(experiment.trials())
            cost = ngettext("{n} trial", "{n} trials", trials).format(n=trials)
            seconds = lab.forecast(experiment)
            st.caption(
                cost if seconds is None else _("{cost}, about {time}").format(cost=cost, time=words.duration(seconds))
            )
    if start and experiment is not None:
        run_id = lab.submit(experiment)
        st.query_params.from_dict({"run": run_id})
        st.rerun()


if "run" in st.query_params:
    watch(st.query_params["run"])
else:
    new_run(st.query_params.get("preset", presets()[0]))
