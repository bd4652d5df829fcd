"""Run: choose, see what it will cost, start, watch."""

from typing import Any

import streamlit as st

from pages.parts import files, words
from pages.parts.concerns import concerns, concerns_of_run
from pages.parts.fields import changed
from pages.parts.language import _, ngettext
from pages.parts.progress import decide_what_is_open, results_so_far
from pages.parts.thumbnails import thumbnail
from tlcore import lab
from tlcore.errors import SpecificationError, one_of
from tlcore.evaluation.looks import LOOKS
from tlcore.examples import PRETRAINING
from tlcore.experiment import Experiment, applicable, first_methods, presets
from tlcore.methods import METHODS
from tlcore.report import pictures
from tlcore.scenarios import SCENARIOS
from tlcore.scenarios.base import Scenario


def watch(run_id: str) -> None:
    """Follow a run; everything shown is read from the store, so that a reload or another browser sees the same."""
    try:
        run = lab.read(run_id)
    except SpecificationError as error:
        st.error(str(error))
        st.page_link("../views/history.py", label=_("All runs"), icon=":material/history:")
        return
    st.title(words.title(run))
    if remark := run.experiment.where.remark:
        st.warning(_(remark), icon=":material/swap_horiz:")
    concerns_of_run(run.concerns)
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
            unfinished = run.status == "cancelled" or sum(run.counts.values()) > run.counts.get("done", 0)
            if unfinished and st.button(_("Run what is missing"), icon=":material/replay:", key="resume"):
                lab.resume(run_id)
                st.rerun()
        if st.button(_("New run"), icon=":material/add:", type="tertiary", key="new"):
            st.query_params.clear()
            st.rerun()

    decide_what_is_open(run)

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


def first_sentence(name: str) -> str:
    """Return the line that opens a method's docstring: its formula and what it is."""
    return _(" ".join((METHODS[name].__doc__ or "").strip().split("\n\n")[0].split()))


def choose_methods(
    scenario: Scenario, setting: str, chosen: dict[str, dict[str, Any]], refused: dict[str, str]
) -> list[dict[str, Any]]:
    """Offer the methods that can be run here, by family; those ``chosen`` with their settings to start with."""
    able = [name for name in applicable(scenario, setting) if name not in refused]
    picked: list[str] = []
    families = list(dict.fromkeys(METHODS[name].family for name in able))
    for family in families:
        members = [name for name in able if METHODS[name].family == family]
        picked += st.pills(
            words.family(family),
            members,
            selection_mode="multi",
            default=[name for name in members if name in chosen],
            key=f"methods.{scenario.name}.{scenario.task.name}.{setting}.{family}",
        )
    methods = []
    with st.expander(_("What they do, and their settings"), icon=":material/tune:"):
        if not picked:
            st.caption(_("Choose a method to see what it does."))
        for name in picked:
            st.markdown(f"**{name}** — {first_sentence(name)}")
            with st.container(horizontal=True):
                methods.append({"name": name, "settings": changed(METHODS[name].form(), name, chosen.get(name))})
    return methods


def configured(scenario: Scenario, options: dict[str, Any], source: Any, target: Any) -> Scenario:
    """Return the scenario with the options chosen so far, and those that the data propose.

    What is wrong with them is said once the run is built.
    """
    try:
        return scenario.configure(scenario.completed(options, source, target))
    except SpecificationError:
        return scenario


def choose_domains(scenario: Scenario, pair: tuple[Any, Any] | None) -> tuple[Any, Any]:
    """Ask from where to where: a pair by name, or a file for each domain."""
    if scenario.own is None:
        return st.selectbox(
            _("From where to where"),
            scenario.pairs,
            index=scenario.pairs.index(pair) if pair in scenario.pairs else 0,
            format_func=lambda pair: words.pair(scenario, *pair),
            key=f"pair.{scenario.name}",
        )
    source = files.bring(scenario.own, "source", _("Source: where much is known"))
    if scenario.pretrained and "path" not in source:
        st.caption(_("Without a file the source is what the network was pretrained on."))
        source = PRETRAINING
    return source, files.bring(scenario.own, "target", _("Target: where you want to know"))


def look_at(data: dict[str, Any]) -> dict[str, str]:
    """Show what there is to know of the data, and return the methods that cannot be used with them, and why.

    Raises
    ------
    SpecificationError
        If they cannot be used at all.
    """
    experiment = Experiment.build(data)
    scenario, found = experiment.where, experiment.domains().facts
    with st.container(horizontal=True):
        for name in [name for name in scenario.shown_facts if name in found]:
            st.metric(words.capitalised(words.fact(name)), f"{found[name]:,}")
    if remark := said_of(experiment):
        st.warning(_(remark), icon=":material/swap_horiz:")
    samples(experiment)
    rest = [name for name, count in found.items() if count and name not in scenario.shown_facts]
    st.caption(" · ".join(f"{found[name]:,} {words.fact(name)}" for name in rest))
    concerns(experiment)
    refused = experiment.refusals()
    for why in dict.fromkeys(refused.values()):
        names = [name for name in refused if refused[name] == why]
        st.info(
            _("Not to be used between these domains: {names}. Each {why}.").format(names=", ".join(names), why=_(why)),
            icon=":material/link_off:",
        )
    return refused


@st.cache_data(ttl=300, max_entries=20, show_spinner=False, hash_funcs={Experiment: Experiment.model_dump_json})
def said_of(experiment: Experiment) -> str:
    """Return what a person has to know about the way a scenario is set up here; not asked anew at every click."""
    return experiment.where.settled(experiment.domains()).remark


@st.cache_data(ttl=300, max_entries=50, show_spinner=False, hash_funcs={Experiment: Experiment.model_dump_json})
def smallest_gap(experiment: Experiment) -> float | None:
    """Return the smallest gap that will show; not asked anew at every click."""
    return experiment.smallest_gap()


def samples(experiment: Experiment) -> None:
    """Show some pictures of each domain, where the examples are pictures."""
    domains = experiment.domains()
    if domains.looked_up is None:
        return
    names = experiment.names
    with st.expander(_("Some of the pictures"), icon=":material/photo_library:"):
        for name, part in ((names[0], domains.source), (names[1], domains.pool)):
            if not len(part):
                continue
            st.markdown(f"**{name}**")
            with st.container(horizontal=True):
                for number in pictures.some_of_each(part.inputs, part.answers):
                    label = domains.looked_up.labels[number]
                    st.image(thumbnail(domains.looked_up, number), caption=str(label), width=pictures.SMALL)


def form(preset: Experiment, wanted: str) -> dict[str, Any] | None:
    """Ask for the fields of an experiment, starting from a preset's, in the scenario that is wanted.

    Returns None as long as files are missing or cannot be read; raises a `SpecificationError` if the data cannot be
    used.
    """
    fields: dict[str, Any] = {}
    left, right = st.columns(2)
    with left:
        names = list(SCENARIOS)
        fields["scenario"] = st.selectbox(
            _("Scenario"),
            names,
            index=names.index(wanted),
            format_func=lambda name: _(SCENARIOS[name].title),
            key="scenario",
        )
        scenario = SCENARIOS[fields["scenario"]]
        here = fields["scenario"] == preset.scenario
        if here:
            fields |= {"name": preset.name, "description": preset.description}
        st.caption(_(scenario.summary))
        fields["source"], fields["target"] = choose_domains(scenario, (preset.source, preset.target) if here else None)
        asked = {
            name: field
            for name, field in type(scenario).model_fields.items()
            if field.json_schema_extra != {"found": True}
        }
        if asked:
            with st.container(horizontal=True):
                fields["options"] = changed(asked, scenario.name, preset.options if here else None)
            scenario = configured(scenario, fields["options"], fields["source"], fields["target"])
    with right:
        settings = list(scenario.task.settings)
        fields["setting"] = st.radio(
            _("Labels in the target"),
            settings,
            index=settings.index(preset.setting) if preset.setting in settings else 0,
            format_func=words.setting,
            key=f"setting.{fields['scenario']}",
        )
        if fields["setting"] == "inductive":
            fields["budgets"] = st.text_input(
                words.budget(scenario.task),
                ", ".join(map(str, [budget for budget in preset.budgets if budget] or [5])),
                help=_("One or more numbers, up to {n}. Each is one point on the chart.").format(
                    n=scenario.task.largest_budget
                ),
                key="budgets",
            )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            fields["seeds"] = st.number_input(
                _("Seeds"),
                1,
                100,
                len(preset.seeds),
                help=_(
                    "How often everything is repeated with other labelled examples. A verdict needs at least three."
                ),
                key="seeds",
            )
            decided = st.toggle(
                _("Until decided"),
                here and preset.until == "decided",
                help=_(
                    "Methods whose verdict is open after these seeds get further ones, up to {n}, together with the "
                    "baseline; those that are decided get none. Each look at the verdicts asks for a little more."
                ).format(n=LOOKS[-1]),
                key="until",
            )
            fields["until"] = "decided" if decided else "seeds"
    refused: dict[str, str] = {}
    readable = files.look_over(scenario.own, fields) if scenario.own else True
    given = [fields[which] == PRETRAINING or "path" in fields[which] for which in ("source", "target")]
    if scenario.own and not all(given):
        st.info(_("Choose a file for each domain to go on."), icon=":material/upload_file:")
        return None
    if not readable:
        return None
    if scenario.shown_facts:
        asked_of_data = ("scenario", "options", "source", "target", "setting", "budgets")
        refused = look_at({key: fields[key] for key in asked_of_data if key in fields})
    st.subheader(_("Methods"), anchor=False)
    task = scenario.task.in_setting(fields["setting"])
    usual = (task.baseline, *first_methods(scenario, fields["setting"]))
    first: dict[str, dict[str, Any]] = {name: {} for name in usual}
    if here and fields["setting"] == preset.setting:
        first = {choice.name: choice.settings for choice in preset.methods}
    fields["methods"] = choose_methods(scenario, fields["setting"], first, refused)
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
        fields["groups"] = st.number_input(
            _("Groups"),
            2,
            1000,
            preset.groups,
            placeholder=_("as many as labels"),
            help=_("How many to look for where no domain has labels."),
            key="groups",
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


def new_run(preset_name: str, scenario: str | None) -> None:
    """Choose what to run, and start it."""
    st.title(_("New run"))
    try:
        preset = Experiment.load(preset_name)
        if scenario is not None and scenario not in SCENARIOS:
            raise one_of("scenario", scenario, SCENARIOS)
    except SpecificationError as error:
        st.error(str(error))
        return
    experiment = None
    try:
        fields = form(preset, scenario or preset.scenario)
        experiment = Experiment.build(fields) if fields else None
    except SpecificationError as error:
        st.error(str(error), icon=":material/error:")
    with st.container(horizontal=True, vertical_alignment="center"):
        start = st.button(
            _("Run"), type="primary", icon=":material/play_arrow:", disabled=experiment is None, key="start"
        )
        if experiment is not None:
            trials = len(experiment.trials())
            cost = ngettext("{n} trial", "{n} trials", trials).format(n=trials)
            seconds = lab.forecast(experiment)
            if seconds is not None:
                cost = _("{cost}, about {time}").format(cost=cost, time=words.duration(seconds))
            if experiment.until == "decided":
                cost = _("{cost}; up to {n} if verdicts stay open").format(cost=cost, n=experiment.most_trials())
            st.caption(cost)
            if (gap := smallest_gap(experiment)) is not None:
                st.caption(
                    _(
                        "Gaps from about {points:.1f} points will show, in all methods at once; smaller ones hardly."
                    ).format(points=100 * gap)
                )
    if start and experiment is not None:
        try:
            run_id = lab.submit(experiment)
        except SpecificationError as error:  # a file may have gone since the form was drawn
            st.error(str(error), icon=":material/error:")
            return
        st.query_params.from_dict({"run": run_id})
        st.rerun()


if "run" in st.query_params:
    watch(st.query_params["run"])
else:
    new_run(st.query_params.get("preset", presets()[0]), st.query_params.get("scenario"))
