"""The specification of an experiment, and the trials it stands for."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from tlcore.errors import SpecificationError, first_line, one_of
from tlcore.evaluation.looks import LOOKS
from tlcore.evaluation.verdict import UNITS
from tlcore.examples import PRETRAINING
from tlcore.methods.base import Setting
from tlcore.written import left_open, specification

if TYPE_CHECKING:
    from tlcore.concerns import Concern
    from tlcore.datasets.own import OwnFile
    from tlcore.examples import Domains
    from tlcore.scenarios.base import Scenario
    from tlcore.tasks.base import Task

PRESETS = Path(__file__).parent / "presets"
FIRST_PRESET = "digits-quick"


def _split(value: Any) -> Any:
    """Read ``"a,b"`` as a list, and one item as a list of one."""
    if isinstance(value, str):
        return [item.strip() for item in value.split(",") if item.strip()]
    return [value] if isinstance(value, (int, float, dict)) else value


def _seeds(value: Any) -> Any:
    """Read ``5`` as five seeds, 0 to 4."""
    if isinstance(value, str) and value.strip().isdigit():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return list(range(value))
    return _split(value)


class MethodChoice(BaseModel):
    """A method by name, with the settings that differ from its defaults."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    settings: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @property
    def label(self) -> str:
        """The name a person reads; settings that differ from the defaults are part of it."""
        settings = ", ".join(f"{key}={value}" for key, value in sorted(self.settings.items()))
        return f"{self.name}({settings})" if settings else self.name


class Experiment(BaseModel):
    """What to run: a scenario's source and target, methods, label budgets and seeds.

    Raises
    ------
    SpecificationError
        From `Experiment.load` and `Experiment.build`: one line that names the field and what is allowed.
    """

    model_config = ConfigDict(extra="forbid", populate_by_name=True, validate_default=True)

    name: str = Field("", description="What a person calls this experiment.")
    description: str = Field("", description="What it is meant to show, in a sentence.")
    scenario: str = Field("digits", description="Which problem: see `python -m tlcore list scenarios`.")
    options: dict[str, Any] = Field(
        default_factory=dict, description="The scenario's own choices; each may also stand beside the other fields."
    )
    source: str | dict[str, Any] = Field(
        "", description="Source domain by name, empty: the scenario's first; or a file: source.path and its columns."
    )
    target: str | dict[str, Any] = Field("", description="Target domain, as the source.")
    setting: Setting = Field(
        "inductive",
        description="inductive: a few target labels; transductive: none; unsupervised: none in the source either.",
    )
    methods: Annotated[list[MethodChoice], BeforeValidator(_split)] = Field(
        min_length=1,
        description="Methods to compare, left out: those of the scenario's first ones that can be used between these "
        "data; the verdict's baseline is added.",
    )
    budgets: Annotated[list[int], BeforeValidator(_split)] = Field(
        default_factory=lambda: [5], min_length=1, description="Labelled target examples per class."
    )
    seeds: Annotated[list[int], BeforeValidator(_seeds)] = Field(
        default_factory=lambda: [0, 1, 2],
        min_length=1,
        description="5 means five seeds, 0 to 4; until decided, those of the first look at the verdicts.",
    )
    until: Literal["seeds", "decided"] = Field(
        "seeds",
        description="seeds: each method gets these seeds and no more; decided: after them, and then at "
        f"{', '.join(map(str, LOOKS[1:-1]))} and {LOOKS[-1]} seeds, methods whose verdict is open get further ones.",
    )
    lambda_: float | None = Field(
        None, alias="lambda", ge=0, description="Weight of R(θ); empty: each method's own default."
    )
    beta: float | None = Field(None, ge=0, description="Weight of L_T(θ); empty: each method's own default.")
    epochs: int | None = Field(None, ge=1, le=10_000, description="Cap on epochs; empty: the scenario's own.")
    groups: int | None = Field(
        None,
        ge=2,
        le=1000,
        description="How many groups to look for in the unsupervised setting; empty: as many as the target has labels.",
    )
    device: Literal["cpu", "cuda"] = Field("cpu", description="Where the networks train.")
    metric: str = Field("", description="The metric that the verdicts are about; empty: the scenario's first.")
    margin: float = Field(
        0.01, ge=0, lt=1, description="Region of practical equivalence: gaps within ± this do not matter."
    )

    @model_validator(mode="before")
    @classmethod
    def _of_the_scenario(cls, fields: Any) -> Any:
        """Gather the scenario's own choices from beside the other fields, and fill in its methods."""
        from tlcore.scenarios import SCENARIOS

        name = fields.get("scenario", cls.model_fields["scenario"].default) if isinstance(fields, dict) else None
        if not isinstance(name, str) or not isinstance(fields.get("options", {}), dict):
            return fields
        fields = left_open(fields, cls)
        if name not in SCENARIOS:
            raise one_of("scenario", name, SCENARIOS)
        known = type(SCENARIOS[name]).model_fields
        beside = {key: fields[key] for key in fields if key in known}
        rest = {key: value for key, value in fields.items() if key not in known}
        said = {**rest.get("options", {}), **beside}
        options = SCENARIOS[name].completed(said, rest.get("source"), rest.get("target"))
        if "methods" not in rest:
            where = SCENARIOS[name].configure(options)
            rest["methods"] = first_methods(where, rest.get("setting", cls.model_fields["setting"].default))
        return rest | {"options": options}

    @model_validator(mode="after")
    def _possible(self) -> Experiment:
        from tlcore.methods import METHODS

        scenario = self.where
        self.options = scenario.model_dump(mode="json", include={*self.options})  # as they were read, not as typed
        self._find_domains(scenario)
        if self.setting not in scenario.task.settings:
            raise one_of("setting", self.setting, scenario.task.settings)
        task = self.task
        self.metric = self.metric or task.headline[0]
        if self.metric not in task.verdict_metrics:
            raise one_of("metric", self.metric, task.verdict_metrics)
        for choice in self.methods:
            if choice.name not in METHODS:
                raise one_of("methods", choice.name, METHODS)
            METHODS[choice.name].configure(choice.settings)
            able = applicable(scenario, self.setting)
            if choice.name not in able:
                raise SpecificationError(
                    f"methods: {choice.name!r} does not apply to {self.scenario} in the {self.setting} setting. "
                    f"Allowed there: {', '.join(able)}."
                )
        labels = [choice.label for choice in self.methods]
        for label in labels:
            if labels.count(label) > 1:
                raise SpecificationError(f"methods: {label!r} is named twice; name it once or vary its settings.")
        if self.baseline not in labels:
            self.methods = [MethodChoice(name=self.baseline), *self.methods]
        labelled = self.setting == "inductive"
        if not labelled:
            self.budgets = [0]
        for budget in self.budgets:
            if labelled and not (1 <= budget <= task.largest_budget):
                raise SpecificationError(
                    f"budgets: {budget} is out of range. Allowed: 1 to {task.largest_budget} {UNITS[task.budget_of]}."
                )
        for field, values in (("budgets", self.budgets), ("seeds", self.seeds)):
            if len(set(values)) < len(values):
                raise SpecificationError(f"{field}: {values} repeats a value; name each once.")
        if min(self.seeds) < 0 or max(self.seeds) >= 2**31:
            raise SpecificationError(f"seeds: {self.seeds} is out of range. Allowed: 0 to {2**31 - 1}.")
        if self.until == "decided" and not LOOKS[0] <= len(self.seeds) <= LOOKS[-1]:
            raise SpecificationError(
                f"seeds: {len(self.seeds)} is out of range where a run goes on until decided. "
                f"Allowed: {LOOKS[0]} to {LOOKS[-1]} for the first look; further ones come as they are needed."
            )
        if self.device == "cuda":
            import torch

            if not torch.cuda.is_available():
                raise SpecificationError("device: 'cuda' was asked for and this machine has none. Allowed: cpu.")
        return self

    def _find_domains(self, scenario: Scenario) -> None:
        """Fill in the domains that were left open, and refuse those that the scenario does not have."""
        if scenario.own:
            if scenario.pretrained and not self.source:
                self.source = PRETRAINING
            for which in ("source", "target"):
                self._own_file(which)
            return
        for which, domain in (("source", self.source), ("target", self.target)):
            if isinstance(domain, dict):
                raise SpecificationError(f"{which}: {self.scenario} has its own data and takes no file.")
        pairs = scenario.pairs
        self.source = self.source or next((s for s, t in pairs if self.target in ("", t)), pairs[0][0])
        self.target = self.target or next((t for s, t in pairs if s == self.source), pairs[0][1])
        if self.source not in {source for source, _ in pairs}:
            raise one_of("source", self.source, dict.fromkeys(source for source, _ in pairs))
        if (self.source, self.target) not in pairs:
            raise one_of("target", self.target, [target for source, target in pairs if source == self.source])

    def _own_file(self, which: str) -> OwnFile | None:
        """Return the file of a domain, None for a pretraining; whether it is there is looked at in `checked`."""
        kind, fields = self.where.own, getattr(self, which)
        assert kind
        if which == "source" and fields == PRETRAINING and self.where.pretrained:
            return None
        if not fields:
            raise SpecificationError(f"{which}.path: missing; {self.scenario} needs a file of yours for the {which}.")
        try:
            return kind.model_validate({"path": fields} if isinstance(fields, str) else left_open(fields, kind))
        except ValidationError as error:
            raise SpecificationError(f"{which}.{first_line(error, list(kind.model_fields))}") from None

    @property
    def where(self) -> Scenario:
        """The scenario with the options chosen here."""
        from tlcore.scenarios import SCENARIOS

        return SCENARIOS[self.scenario].configure(self.options)

    @property
    def task(self) -> Task:
        """What an answer is, in this setting."""
        return self.where.task.in_setting(self.setting, self.groups)

    def files(self) -> dict[str, OwnFile]:
        """Return the files of a person's own by domain, none for a pretraining."""
        found = {which: self._own_file(which) for which in ("source", "target")} if self.where.own else {}
        return {which: file for which, file in found.items() if file}

    def domains(self) -> Domains:
        """Load the domains; what a file of one's own lacks is said with the name of the field."""
        scenario = self.where
        loaders = {
            "inductive": scenario.domains,
            "transductive": scenario.transductive,
            "unsupervised": scenario.unsupervised,
        }
        load = loaders[self.setting]
        if not scenario.own:
            return load(self.source, self.target)
        files = {which: self._own_file(which) for which in ("source", "target")}
        for which, file in files.items():
            if file and not file.sha256:  # what is kept of a file is kept by its content
                files[which] = self._pinned(which)
        return load(*files.values())

    def _pinned(self, which: str) -> OwnFile | None:
        """Return the file of a domain with its checksum; why it cannot be had is said with the domain's name."""
        try:
            return file.pinned() if (file := self._own_file(which)) else None
        except SpecificationError as error:
            raise SpecificationError(f"{which}.{error}") from None

    @property
    def names(self) -> tuple[str, str]:
        """What a person calls the source and the target."""
        if not self.where.own:
            return str(self.source), str(self.target)
        source, target = (self._own_file(which) for which in ("source", "target"))
        return source.name if source else PRETRAINING, target.name if target else ""

    def checked(self) -> Experiment:
        """Return the same experiment after a look at the data, files pinned by path and checksum.

        Methods that nobody named, the scenario's first ones, are left out where they cannot be used between these
        domains.

        Raises
        ------
        SpecificationError
            If a file cannot be used, or a method that was named cannot be used between these domains, or none of the
            first ones but the baseline can.
        """
        scenario, experiment = self.where, self
        if scenario.own:
            files = {which: file for which in ("source", "target") if (file := self._pinned(which))}
            said = {which: file.model_dump(mode="json", exclude_defaults=True) for which, file in files.items()}
            experiment = self.model_copy(update=said)
        domains = experiment.domains()
        options = scenario.settled(domains).model_dump(mode="json", exclude_defaults=True)
        experiment = experiment.model_copy(update={"options": options})
        task = experiment.task
        affordable = task.affordable(task.measured(domains, domains.pool[:0]))
        if max(experiment.budgets) > affordable:
            unit = UNITS[task.budget_of]
            raise SpecificationError(
                f"budgets: {max(experiment.budgets)} {unit} are more than these data have to give. Allowed: up to "
                f"{affordable}."
            )
        refused = experiment.refusals()
        usable = [choice for choice in self.methods if choice.name not in refused]
        if self._names_no_method() and self.baseline not in refused and len(usable) > 1:
            experiment = experiment.model_copy(update={"methods": usable})
        for choice in experiment.methods:
            if choice.name in refused:
                able = [name for name in applicable(self.where, self.setting) if name not in refused]
                raise SpecificationError(
                    f"methods: {choice.name!r} {refused[choice.name]}. Allowed here: {', '.join(able)}."
                )
        return experiment

    def _names_no_method(self) -> bool:
        """Whether the methods are those that a specification gets which names none."""
        first = first_methods(self.where, self.setting)
        return {choice.label for choice in self.methods} == {self.baseline, *first}

    def concerns(self) -> list[Concern]:
        """Return what looks wrong with the data, most of it before a run would be refused for it."""
        from tlcore.concerns import Plan

        scenario, domains = self.where, self.domains()
        files = {which: self._pinned(which) for which in ("source", "target")} if scenario.own else {}
        return scenario.concerns(domains, Plan(self.setting, self.metric, tuple(self.budgets), **files))

    def refusals(self) -> dict[str, str]:
        """Return the methods that cannot be used between these domains, with the reason in half a sentence."""
        from tlcore.methods import METHODS

        scenario, domains = self.where, self.domains()
        reasons = {
            name: scenario.refusal(METHODS[name].configure({}), domains) for name in applicable(scenario, self.setting)
        }
        return {name: why for name, why in reasons.items() if why}

    @property
    def baseline(self) -> str:
        """What the verdicts compare with: from scratch, or with no target label the untouched source model."""
        return self.task.baseline

    def trials(self, seeds: int | None = None) -> list[Trial]:
        """Return one trial for each method, budget and seed, in the order in which they should run.

        The baseline comes first, and within it the smallest budget: a person sees a result within seconds,
        and a run that is cancelled early has whole pairs to compare.

        Parameters
        ----------
        seeds : int, optional
            How many, at a later look of a run until decided (`seeds_up_to`); None: those of the specification.
        """
        methods = sorted(self.methods, key=lambda choice: choice.label != self.baseline)
        return [
            Trial(self, choice, budget, seed)
            for seed in (self.seeds if seeds is None else self.seeds_up_to(seeds))
            for budget in sorted(self.budgets)
            for choice in methods
        ]

    @property
    def looks(self) -> tuple[int, ...]:
        """How many seeds there are at each look at the verdicts: those asked for, then as many as `LOOKS` says."""
        first = len(self.seeds)
        return (first, *(look for look in LOOKS if look > first and self.until == "decided"))

    def seeds_up_to(self, number: int) -> list[int]:
        """Return so many seeds: those asked for, then the smallest numbers that are not among them.

        >>> Experiment(methods="coral", seeds=[0, 2, 7]).seeds_up_to(5)
        [0, 2, 7, 1, 3]
        """
        further = (seed for seed in count() if seed not in self.seeds)
        return [*self.seeds, *islice(further, max(0, number - len(self.seeds)))]

    def smallest_gap(self) -> float | None:
        """Return about the smallest gap that these seeds and test examples show; None where nothing is known of it.

        With all seeds that there may be, for all comparisons at once: `tlcore.evaluation.power.smallest_gap`.
        """
        from tlcore.evaluation.looks import levels
        from tlcore.evaluation.power import smallest_gap
        from tlcore.methods import METHODS

        examples = self.task.examples_that_count(self.domains(), self.metric)
        judged = sum(
            choice.label != self.baseline and METHODS[choice.name].configure(choice.settings).transfers
            for choice in self.methods
        )
        if not judged or examples is None or examples < 2:
            return None
        comparisons = judged * len(self.budgets)
        return smallest_gap(self.looks[-1], examples, comparisons, levels(self.looks, comparisons)[-1])

    def most_trials(self) -> int:
        """Return how many trials there are if no verdict is decided before the last look."""
        from tlcore.methods import METHODS

        open_to_the_end = [
            choice
            for choice in self.methods
            if choice.label == self.baseline or METHODS[choice.name].configure(choice.settings).transfers
        ]
        further = (self.looks[-1] - len(self.seeds)) * len(self.budgets) * len(open_to_the_end)
        return len(self.trials()) + further

    def until_decided(self) -> Experiment:
        """Return the same experiment going on until its verdicts are decided, with as many seeds as a look needs."""
        return self.model_copy(update={"until": "decided", "seeds": self.seeds_up_to(LOOKS[0])})

    @classmethod
    def build(cls, fields: dict[str, Any]) -> Experiment:
        """Return the experiment of these fields, or raise a `SpecificationError` of one line."""
        if not isinstance(fields, dict):
            raise SpecificationError(f"specification: {fields!r} is not a mapping of fields to values.")
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            raise SpecificationError(first_line(error, list(cls.model_json_schema()["properties"]))) from None

    @classmethod
    def load(cls, spec: str | Path, changes: dict[str, Any] | None = None) -> Experiment:
        """Read a YAML or JSON file, a preset or a scenario by name, and apply ``{"dotted.field": value}`` changes."""
        from tlcore.scenarios import SCENARIOS

        path = Path(spec)
        if path.suffix not in (".yaml", ".yml", ".json"):
            path = PRESETS / f"{spec}.yaml"
        if str(spec) in SCENARIOS and not path.is_file():
            fields: Any = {"scenario": str(spec)}
        else:
            fields = _read(path, str(spec))
        for dotted, value in (changes or {}).items():
            fields = _changed(fields, dotted.split("."), value)
        return cls.build(fields)

    def to_yaml(self) -> str:
        """Return the specification as YAML that `load` reads back to an equal experiment."""
        import yaml

        return yaml.safe_dump(self.model_dump(by_alias=True), sort_keys=False, allow_unicode=True)


@dataclass(frozen=True)
class Trial:
    """One method, one label budget, one seed."""

    experiment: Experiment
    method: MethodChoice
    budget: int
    seed: int

    @property
    def key(self) -> str:
        """Its name within the experiment, unique there."""
        return f"{self.method.label}/{self.budget}/{self.seed}"


def first_methods(scenario: Scenario, setting: Setting) -> list[str]:
    """Return what is compared unless a person says otherwise: the first methods that serve the setting."""
    able = applicable(scenario, setting)
    usual = scenario.task.in_setting(setting).first_methods
    return [name for name in scenario.first_methods if name in able] or [name for name in usual if name in able]


def applicable(scenario: Scenario, setting: Setting) -> list[str]:
    """Return the methods that can be run in a scenario and a setting.

    They serve the setting and need nothing but what the task or the scenario gives; where the domains have no answer in
    common, they learn from the target too.
    """
    from tlcore.methods import METHODS

    task = scenario.task.in_setting(setting)
    gives = task.gives | ({"pretraining"} if scenario.pretrained else set())
    return [
        name
        for name, method in METHODS.items()
        if setting in method.serves and method.needs <= gives and (task.shares_answers or "target" in method.trains_on)
    ]


def presets() -> list[str]:
    """Return the names of the presets: first the one to start with, then the others in alphabetical order."""
    return sorted((path.stem for path in PRESETS.glob("*.yaml")), key=lambda name: (name != FIRST_PRESET, name))


def _read(path: Path, spec: str) -> Any:
    """Return what a specification's file says."""
    import yaml

    from tlcore.scenarios import SCENARIOS

    if not path.is_file():
        if path.parent == PRESETS:
            raise one_of("SPEC", spec, dict.fromkeys([*presets(), *SCENARIOS, "a .yaml or .json file"]))
        raise SpecificationError(f"SPEC: there is no file {str(path)!r}; presets: {', '.join(presets())}.")
    try:
        return specification(path.read_text(encoding="utf-8"))  # JSON is YAML
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise SpecificationError(f"SPEC: {str(path)!r} is not YAML or JSON: {reason}.") from None


def _changed(fields: Any, path: list[str], value: Any) -> Any:
    """Return the fields with the one at this path replaced."""
    if not isinstance(fields, dict):
        raise SpecificationError(f"--set: {'.'.join(path)!r} does not name a field inside a mapping.")
    rest = _changed(fields.get(path[0]) or {}, path[1:], value) if path[1:] else value
    return {**fields, path[0]: rest}
