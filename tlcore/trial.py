"""Carry out one trial: data, shared work, objective, metrics."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np

from tlcore.cancellation import never, unheard
from tlcore.classifiers import Classifier
from tlcore.errors import SpecificationError
from tlcore.forgotten import can_forget, score, set_aside
from tlcore.results import Explanation, FeatureMap, TrialResult
from tlcore.scenarios.splits import groups_of

if TYPE_CHECKING:
    from torch import Tensor, nn

    from tlcore.experiment import Experiment, Trial
    from tlcore.methods.base import Method, Predict, Seen
    from tlcore.network import Network
    from tlcore.objective import Labelled, Problem, Schedule
    from tlcore.scenarios.base import Domains, Examples, Scenario


BEFORE = "score on the source"
"""What the source model's own score is called beside its parameters."""
MOST_SHOWN = 300
"""Examples of a domain on the map of features."""
MOST_SECONDS = 60.0
"""What one candidate of a choice may take, by the scenario's forecast."""


def needs_source_model(trial: Trial) -> bool:
    """Whether `prepare` should come before this trial."""
    method, where = _method(trial), trial.experiment.where
    on_inputs = method.data_alone or method.on_features
    if method.overrides("meta_learn") or (method.chooses and where.classifies_with):
        return False
    return method.needs_source_model and not (where.classifies_with and on_inputs)


def prepare(experiment: Experiment, seed: int, should_stop: Callable[[], bool] = never) -> None:
    """Train the source model of this seed unless it is kept already; trials that need it then only load it."""
    _on_one_thread()
    _source_model(experiment, _domains(experiment), seed, should_stop)


def execute(
    trial: Trial, should_stop: Callable[[], bool] = never, report: Callable[[float], None] = unheard
) -> TrialResult:
    """Carry out a trial.

    Deterministic by specification and seed on a CPU: it computes on one thread, however many there are.

    Parameters
    ----------
    trial : Trial
    should_stop : callable
        Asked between batches.
    report : callable
        Told now and then how far the trial has come, up to 1.

    Returns
    -------
    TrialResult

    Raises
    ------
    Cancelled
        When ``should_stop`` said so.
    FloatingPointError
        When the objective diverges.
    """
    _on_one_thread()
    began = time.perf_counter()
    given = _given(trial, _domains(trial.experiment), should_stop, report)
    fitted = _fit(given)
    metrics, examples = given.scenario.evaluate(fitted.predict, given.domains, given.training)
    if fitted.source_before is not None and fitted.of_source:
        after = score(given.scenario, fitted.of_source, given.domains)
        metrics |= {"source_before": fitted.source_before, "source_after": after}
    if fitted.source_weights is not None:
        examples = {**examples, "source_weights": fitted.source_weights}
    metrics |= {
        "seconds": time.perf_counter() - began,
        "n_train": fitted.n_train,
        "trained_parameters": fitted.trained_parameters,
    }
    return TrialResult(metrics, fitted.curves, examples, fitted.note)


def explain(trial: Trial, row: int, should_stop: Callable[[], bool] = never) -> Explanation:
    """Say what a trial's answer to one test example rests on, where the scenario can (`Scenario.explains`).

    The trial is carried out again, as its model was not kept; being deterministic it gives the same answer.

    Parameters
    ----------
    trial : Trial
    row : int
        The example's place among the test examples.
    should_stop : callable
        Asked between batches.

    Raises
    ------
    SpecificationError
        If there is no such test example.
    """
    _on_one_thread()
    scenario, domains = trial.experiment.where, _domains(trial.experiment)
    if not 0 <= row < len(domains.test):
        raise SpecificationError(f"row: {row} is out of range. Allowed: 0 to {len(domains.test) - 1}.")
    domains = scenario.with_variants(domains, row)
    fitted = _fit(_given(trial, domains, should_stop))
    return scenario.explain(fitted.predict, fitted.layers, domains, row)


def locate(trial: Trial, should_stop: Callable[[], bool] = never) -> FeatureMap:
    """Say where source and target examples lie in the source model's features, and in those that a trial ended with.

    The trial is carried out again, as its model was not kept. Up to 300 examples of the source and of the test, drawn
    by the trial's seed, are brought into the plane by t-SNE, once for each of the two feature spaces.

    Raises
    ------
    SpecificationError
        If there are no such features: nothing was carried over, or the method has no space of its own.

    References
    ----------
    van der Maaten & Hinton, Visualizing data using t-SNE, JMLR 2008.
    """
    _on_one_thread()
    given = _given(trial, _domains(trial.experiment), should_stop)
    domains, generator = given.domains, np.random.default_rng(trial.seed)
    some = [part[np.sort(generator.permutation(len(part))[:MOST_SHOWN])] for part in (domains.source, domains.test)]
    fitted = _fit(given) if given.method.needs_source_model else None
    if fitted is None or fitted.embed is None:
        raise SpecificationError(f"trial: {trial.key!r} has no features that began as the source model's.")
    model = _source_model(trial.experiment, domains, trial.seed, should_stop)
    before = [_features(model, part.inputs) for part in some if len(part)]
    after = [embed(part.inputs) for embed, part in zip(fitted.embed, some, strict=True) if len(part)]
    names = [name for name, part in zip(("source", "target"), some, strict=True) for _ in range(len(part))]
    answers = np.concatenate([part.answers for part in some]).tolist()
    planes = [_in_the_plane(np.concatenate(rows), trial.seed) for rows in (before, after)]
    return FeatureMap(planes[0], planes[1], names, answers)


def _in_the_plane(rows: np.ndarray, seed: int) -> list[tuple[float, float]]:
    from sklearn.manifold import TSNE

    near = min(30.0, (len(rows) - 1) / 3)
    places = TSNE(perplexity=near, init="pca", random_state=seed, n_jobs=1).fit_transform(rows.astype(np.float32))
    return [(float(x), float(y)) for x, y in places]


def _on_one_thread() -> None:
    import scipy.linalg  # noqa: F401
    import sklearn.utils  # noqa: F401
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(1)
    threadpool_limits(1)  # linear algebra too: numpy's, and those that the first two imports just brought along


def _domains(experiment: Experiment) -> Domains:
    """Return the domains of all of an experiment's trials, the same source examples set aside in each."""
    return set_aside(experiment.where, experiment.domains())


@dataclass(frozen=True)
class _Given:
    """What a method has to learn with."""

    method: Method
    trial: Trial
    scenario: Scenario
    domains: Domains
    training: Examples
    validation: Examples
    should_stop: Callable[[], bool]
    report: Callable[[float], None]

    def part(self, number: int, of: int, **changes: Any) -> _Given:
        """Return the same with changes, for one of several pieces of work that follow each other."""
        return replace(self, report=lambda share: self.report((number + share) / of), **changes)


def _given(
    trial: Trial, domains: Domains, should_stop: Callable[[], bool], report: Callable[[float], None] = unheard
) -> _Given:
    scenario = trial.experiment.where
    training, validation = scenario.spend(domains.pool, trial.budget, trial.seed)
    return _Given(_method(trial), trial, scenario, domains, training, validation, should_stop, report)


@dataclass
class _Fitted:
    """What a method made of its labelled examples.

    ``layers`` compute what ``predict`` does with gradients all the way; None where the method's answers have none.
    ``embed`` takes inputs of the source, and of the target, to the features (n, F) that the answers rest on.
    ``source_before`` is what the source model that it began as scores on the source, ``of_source`` answers to inputs of
    the source as ``predict`` to the target's.
    """

    predict: Predict
    n_train: int
    layers: nn.Sequential | None = None
    trained_parameters: int = 0
    curves: list[dict[str, float]] = field(default_factory=list)
    note: str = ""
    source_weights: np.ndarray | None = None
    embed: tuple[Callable[[np.ndarray], np.ndarray], Callable[[np.ndarray], np.ndarray]] | None = None
    source_before: float | None = None
    of_source: Predict | None = None

    def weighted(self, weights: np.ndarray | None, n: int) -> _Fitted:
        """Return the same with the weights that n source examples had, and how many those are worth."""
        if weights is None:
            return self
        weights = weights / weights.mean()
        effective = f"worth {weights.sum() ** 2 / (weights**2).sum():,.0f} of {n:,} source examples"
        note = "; ".join(filter(None, [f"{effective}, the heaviest {weights.max():.1f}", self.note]))
        return replace(self, note=note, source_weights=weights.astype(np.float32))


def _fit(given: _Given) -> _Fitted:
    """Let a method learn: by choosing another, by its own solver, by the scenario's classifier or by the one loop."""
    method = given.method
    if method.chooses:
        return _choose(given)
    if method.overrides("solve"):
        return _solve(given)
    return _classify(given) if given.scenario.classifies_with and method.data_alone else _train(given)


def _choose(given: _Given) -> _Fitted:
    """Let the candidates learn from parts of what there is; the best on the rest learns from all of it."""
    scenario, metric = given.scenario, given.scenario.metrics[given.trial.experiment.metric]
    own, left_out = _contenders(given)
    methods = given.method.candidates(own, _usable(given))
    if not methods:
        raise ValueError(f"{given.method.name}: none of its candidates can be used here")
    candidates = {name: replace(given, method=method) for name, method in methods.items()}
    folds = scenario.folds(_together(given.training, given.validation), given.trial.seed) if len(given.training) else []
    best = next(iter(candidates))
    note, pieces = f"{best}, unchosen", 0
    if folds:
        found, higher, what = _held_out_scores(given, candidates, folds), metric.higher_is_better, metric.name
        what, pieces = f"held-out {what}", len(candidates) * len(folds)
    elif given.method.criterion:
        candidates = {name: one for name, one in candidates.items() if one.method.transfers} or candidates
        best = next(iter(candidates))
        found, pieces = _scores_without_labels(given, candidates), len(candidates)
        what, higher = given.method.criterion, given.method.criterion == "snd"
    if pieces:
        ranked = sorted(found, key=lambda name: -found[name] if higher else found[name])
        best = ranked[0]
        note = f"{best}: {what} " + ", ".join(f"{name} {found[name]:.3f}" for name in ranked)
    fitted = _fit(candidates[best].part(pieces, pieces + 1))
    return replace(fitted, note="; ".join(filter(None, [note, fitted.note, left_out])))


def _contenders(given: _Given) -> tuple[tuple[str, ...], str]:
    """Return the scenario's baselines that can be used between these domains, and a word on those that cannot."""
    from tlcore.methods import METHODS

    own = given.scenario.contenders(given.trial.budget) if given.trial.budget else ()
    refused = {name: why for name in own if (why := given.scenario.refusal(METHODS[name](), given.domains))}
    said = ", ".join(f"{name}, which {why}" for name, why in refused.items())
    return tuple(name for name in own if name not in refused), f"without {said}" if said else ""


def _usable(given: _Given) -> tuple[str, ...]:
    """Return the methods that can be used between these domains, in a time that several of them may take."""
    from tlcore.experiment import applicable
    from tlcore.methods import METHODS

    experiment, scenario, domains = given.trial.experiment, given.scenario, given.domains

    def quick(method: Method) -> bool:
        return (scenario.cost(method, given.trial.budget, domains) or 0.0) <= MOST_SECONDS

    methods = {name: METHODS[name]() for name in applicable(experiment.scenario, experiment.setting)}
    return tuple(
        name
        for name, method in methods.items()
        if not method.chooses and not scenario.refusal(method, domains) and quick(method)
    )


def _scores_without_labels(given: _Given, candidates: dict[str, _Given]) -> dict[str, float]:
    """Return what each candidate reaches by a criterion that asks for no target label."""
    from scipy.special import softmax

    from tlcore.evaluation import unsupervised
    from tlcore.methods.instances import DensityRatio

    domains = given.domains
    order = np.random.default_rng(given.trial.seed).permutation(len(domains.source))
    held_out, learned = np.split(order, [len(order) // 5])
    rest = replace(domains, source=domains.source[np.sort(learned)])
    known = domains.source[np.sort(held_out)]
    ratio = DensityRatio()
    like_target = _seen(replace(given, method=ratio, domains=replace(domains, source=known)))[0]
    weights = ratio.weights(like_target)
    weights = weights / weights.mean()
    found = {}
    for number, (name, candidate) in enumerate(candidates.items()):
        predict = _fit(candidate.part(number, 1 + len(candidates), domains=rest)).predict
        if given.method.criterion == "snd":
            answers = softmax(predict(domains.pool.inputs).astype(float), axis=1)
            found[name] = unsupervised.soft_neighbourhood_density(answers)
        else:
            losses = (predict(known.inputs).argmax(1) != known.answers).astype(float)
            risk = {"iwv": unsupervised.importance_weighted, "dev": unsupervised.deep_embedded}
            found[name] = risk[given.method.criterion](losses, weights)
    return found


def _held_out_scores(
    given: _Given, candidates: dict[str, _Given], folds: list[tuple[Examples, Examples]]
) -> dict[str, float]:
    """Return what each candidate reaches on what is held out, from the artefacts if it was found out before."""
    import torch

    from tlcore.artefacts import kept

    scenario, experiment, none = given.scenario, given.trial.experiment, given.validation[np.empty(0, int)]

    def score(candidate: _Given, learned: Examples, held_out: Examples) -> float:
        fitted = _fit(candidate.part(next(number), 1 + len(candidates) * len(folds), training=learned, validation=none))
        rest = replace(given.domains, test=held_out)
        return scenario.evaluate(fitted.predict, rest, learned)[0][experiment.metric]

    number = count()

    def scores() -> dict[str, Tensor]:
        return {
            name: torch.tensor(np.mean([score(candidate, *fold) for fold in folds]))
            for name, candidate in candidates.items()
        }

    of_experiment = experiment.model_dump(
        exclude={"name", "description", "methods", "budgets", "seeds", "until", "margin"}
    )
    parts = ("choice", repr(scenario), of_experiment, [*candidates], given.trial.budget, given.trial.seed)
    found = kept(parts, scores)
    return {name: float(found[name]) for name in candidates}


def _solve(given: _Given) -> _Fitted:
    """Let a method's own solver learn."""
    seen, rows_of = _seen(given)
    solution = given.method.solve(seen)
    n_train = len(seen.source) + len(seen.target)
    return _Fitted(lambda inputs: solution.predict(rows_of(inputs)), n_train, note=_noted(solution.note, seen))


def _classify(given: _Given) -> _Fitted:
    """Let the scenario's classifier learn from what a method chooses: examples, φ and wᵢ."""
    method = given.method
    seen, rows_of = _seen(given)
    of_source, of_target = (method.feature_map(seen) if method.overrides("feature_map") else None) or (_unchanged,) * 2
    parts = [(seen.target, of_target, np.ones(len(seen.target)), 1 - method.source_share)]
    if "target" not in method.trains_on:
        parts = []
    weights = _weights(method, seen)
    if "source" in method.trains_on:
        counts = np.ones(len(seen.source)) if weights is None else weights
        parts.append((seen.source, of_source, counts, method.source_share))
    parts = [part for part in parts if len(part[0])]
    rows = _stacked([of_domain(examples.inputs) for examples, of_domain, _, _ in parts])
    answers = np.concatenate([examples.answers for examples, *_ in parts])
    shares = [counts / counts.sum() * share for _, _, counts, share in parts]
    groups = groups_of(*(examples for examples, *_ in parts))
    predict = seen.classify(rows, answers, np.concatenate(shares), groups)
    n_train = sum(int((one > 0).sum()) for one in shares)
    note = _noted(method.note(seen), seen)
    fitted = _Fitted(lambda inputs: predict(of_target(rows_of(inputs))), n_train, note=note)
    return fitted.weighted(weights, len(seen.source))


def _seen(given: _Given) -> tuple[Seen, Callable[[np.ndarray], np.ndarray]]:
    """Return what hooks in closed form may look at, and the map that turned inputs into its rows."""
    from tlcore.methods.base import Seen

    method, domains, scenario = given.method, given.domains, given.scenario
    rows_of = _rows_of(given)
    training = _together(given.training, given.validation)
    none = rows_of(domains.test.inputs[:1])[:0]  # not every map takes no rows at all

    def shown(examples: Examples) -> Examples:
        return replace(examples, inputs=rows_of(examples.inputs) if len(examples) else none)

    source = shown(domains.source if method.needs_source_data else domains.source[:0])
    unlabelled = shown(domains.pool if method.needs_unlabelled else domains.pool[:0]).inputs

    name = scenario.classifies_with or "logistic"
    classifier = Classifier(name, domains.answers, given.trial.seed, scenario.classifier_setting)
    return Seen(source, shown(training), domains.answers, given.trial.seed, unlabelled, classifier), rows_of


def _noted(said: str, seen: Seen) -> str:
    """Return a note with what the lent classifier has to say, if it was asked for anything."""
    setting = seen.classify.note if isinstance(seen.classify, Classifier) else ""
    return "; ".join(filter(None, [said, setting]))


def _rows_of(given: _Given) -> Callable[[np.ndarray], np.ndarray]:
    """Return the map from inputs to what hooks in closed form are given: φ, a classical learner's rows, or the same."""
    method, scenario = given.method, given.scenario
    if method.on_raw:
        raw = scenario.raw(given.domains)
        return (lambda inputs: _dense(raw(inputs))) if method.needs_every_cell else raw
    if scenario.classifies_with:
        return _dense if method.needs_every_cell else _unchanged
    if method.on_features or method.overrides("weights"):
        model = _source_model(given.trial.experiment, given.domains, given.trial.seed, given.should_stop)
        size = _size(model, given)
        return lambda inputs: _features(model, inputs) / size
    return _unchanged


def _size(model: Network, given: _Given) -> float:
    """How large the source model's features are.

    Divided by it, they fit the head's steps and any method's settings; being one number it leaves the geometry.
    """
    known = given.domains.source if len(given.domains.source) else given.training
    return float(np.sqrt(np.mean(_features(model, known.inputs) ** 2)))


def _dense(rows: Any) -> np.ndarray:
    """Return a table's rows as they are, in float64; of a sparse one all cells."""
    rows = rows.toarray() if hasattr(rows, "toarray") else rows
    return rows.astype(np.float64)


def _in_cells(examples: Examples) -> Examples:
    """Return examples whose rows, if they are sparse, are written out."""
    rows: Any = examples.inputs
    return replace(examples, inputs=rows.toarray()) if hasattr(rows, "toarray") else examples


def _tensor(inputs: Any) -> Tensor:
    """Return what a network is given; of sparse rows all cells."""
    import torch

    return torch.from_numpy(inputs.toarray() if hasattr(inputs, "toarray") else inputs)


def _stacked(parts: list[Any]) -> Any:
    from scipy.sparse import issparse, vstack

    return vstack(parts, format="csr") if issparse(parts[0]) else np.concatenate(parts)


def _together(training: Examples, validation: Examples) -> Examples:
    """Return all that the budget bought, for a method that does not stop early."""
    if not len(validation):
        return training
    parts = (training, validation)
    return replace(
        training,
        inputs=_stacked([part.inputs for part in parts]),
        answers=np.concatenate([part.answers for part in parts]),
        groups=None if training.groups is None else np.concatenate([part.groups for part in parts]),
    )


def _train(given: _Given) -> _Fitted:
    """Minimise the objective with the one loop."""
    from tlcore.objective import minimise, outputs_of

    method, trial, scenario = given.method, given.trial, given.scenario
    device = trial.experiment.device
    source_model = before = None
    if method.needs_source_model:
        source_model, before = _from_source(trial.experiment, given.domains, trial.seed, given.should_stop, method)
    space = _space(given, source_model)
    source = _in_cells(given.domains.source) if "source" in method.trains_on else None
    network = method.network(space.network, source, _in_cells(given.training))
    groups = len(network.groups)
    most = min(
        method.trainable_groups(10**6, groups),
        scenario.free_groups(groups) if source_model and "source" in method.trains_on else groups,
    )
    space = space.above(network.to(device), most, device, given.should_stop)
    looks = any(method.overrides(hook) for hook in ("weights", "note"))
    seen = _seen(given)[0] if looks else None
    weights = None if seen is None else _weights(method, seen)
    problem = _problem(given, weights, space)
    schedule = _schedule(given, most)
    curves = minimise(space.network, method, problem, schedule, trial.seed, given.should_stop, given.report)

    def answers(place: Callable[[np.ndarray], Tensor]) -> Predict:
        return lambda inputs: outputs_of(space.network, place(inputs))[1].numpy()

    def embedded(place: Callable[[np.ndarray], Tensor]) -> Callable[[np.ndarray], np.ndarray]:
        return lambda inputs: outputs_of(space.network, place(inputs))[0].numpy()

    embed = embedded(space.of_source), embedded(space.of_target)
    n_train = sum(len(domain) for domain in problem.labelled)
    trained = _trained_parameters(space.network, method, len(curves))
    note = method.note(seen) if seen else ""
    fitted = _Fitted(answers(space.of_target), n_train, space.layers, trained, curves, note, embed=embed)
    if can_forget(method):
        fitted = replace(fitted, source_before=before, of_source=answers(space.of_source))
    return fitted.weighted(weights, len(given.domains.source))


@dataclass
class _Space:
    """Where a method meets its examples: φ for each domain, and the network on top of it at θ₀.

    ``below`` are layers that compute the target's φ; None where it is a map outside any network.
    """

    of_source: Callable[[np.ndarray], Tensor]
    of_target: Callable[[np.ndarray], Tensor]
    below: nn.Sequential | None
    network: Network

    def above(self, network: Network, most: int, device: str, should_stop: Callable[[], bool]) -> _Space:
        """Return the space in which only what trains is left of a network: what is frozen has become part of φ."""
        from torch import nn

        from tlcore.activations import activations

        frozen, rest = network.cut(most)

        def lifted(embed: Callable[[np.ndarray], Tensor]) -> Callable[[np.ndarray], Tensor]:
            return lambda inputs: activations(frozen, embed(inputs).to(device), should_stop)

        below = None if self.below is None else nn.Sequential(*self.below, *frozen)
        return _Space(lifted(self.of_source), lifted(self.of_target), below, rest)

    @property
    def layers(self) -> nn.Sequential | None:
        """All that leads from the target's inputs to the outputs."""
        from torch import nn

        return None if self.below is None else nn.Sequential(*self.below, *self.network.body, self.network.head)


def _space(given: _Given, source_model: Network | None) -> _Space:
    """Return φ and θ₀: the inputs themselves and a whole network, or the source model's features and a new head."""
    import torch
    from torch import nn

    from tlcore.network import Scale, linear_head

    method, domains = given.method, given.domains
    torch.manual_seed(given.trial.seed)
    if not (method.on_features and source_model):
        network = source_model if method.starts_from == "source" and source_model else None
        network = network or (given.scenario.small_network if method.small else given.scenario.network)(domains)
        return _Space(_tensor, _tensor, nn.Sequential(), network)
    seen, rows_of = _seen(given)
    maps = method.feature_map(seen) if method.overrides("feature_map") else None
    of_source, of_target = maps or (_unchanged, _unchanged)

    def mapped(rows_to_rows: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], Tensor]:
        return lambda inputs: torch.from_numpy(rows_to_rows(rows_of(inputs)).astype(np.float32))

    features = of_target(rows_of(domains.test.inputs[:1])).shape[1]
    size = _size(source_model, given)
    below = nn.Sequential(*source_model.body, Scale(1 / size)) if maps is None else None
    return _Space(mapped(of_source), mapped(of_target), below, linear_head(features, domains.answers))


def _problem(given: _Given, source_weights: np.ndarray | None, space: _Space) -> Problem:
    """Gather what the objective sums over, with the weights that the method gives."""
    import torch

    from tlcore.objective import Labelled, Problem

    method, domains, training, validation = given.method, given.domains, given.training, given.validation
    device = given.trial.experiment.device

    def labelled(examples: Examples, inputs: Tensor, weights: np.ndarray, share: float) -> Labelled:
        mean_one = torch.from_numpy((weights / weights.mean()).astype(np.float32))
        return Labelled(inputs, torch.from_numpy(examples.answers), mean_one, share).to(device)

    both = {"source", "target"} <= set(method.trains_on) and len(training) > 0
    source = target = unlabelled = held_out = None
    if "source" in method.trains_on:
        examples, weights = domains.source, np.ones(len(domains.source))
        if source_weights is not None:
            examples, weights = examples[source_weights > 0], source_weights[source_weights > 0]
        source = labelled(examples, space.of_source(examples.inputs), weights, method.source_share if both else 1.0)
    if "target" in method.trains_on and len(training):
        ones = np.ones(len(training))
        target = labelled(training, space.of_target(training.inputs), ones, 1 - method.source_share if both else 1.0)
    if method.overrides("transfer_loss"):
        unlabelled = space.of_target(domains.pool.inputs).to(device)
    if len(validation):
        held_out = labelled(validation, space.of_target(validation.inputs), np.ones(len(validation)), 1.0)
    return Problem(source, target, unlabelled, held_out, given.scenario.task_loss(domains))


def _weights(method: Method, seen: Seen) -> np.ndarray | None:
    return checked_weights(method.weights(seen), len(seen.source)) if method.overrides("weights") else None


def checked_weights(weights: np.ndarray | None, n: int) -> np.ndarray:
    """Return instance weights that the objective can use.

    Raises
    ------
    ValueError
        If they are not one finite number ≥ 0 for each source example, or all are zero.
    """
    weights = np.asarray(weights, dtype=float)
    if weights.shape != (n,) or not np.isfinite(weights).all() or weights.min() < 0 or weights.max() == 0:
        raise ValueError(f"weights: need {n} finite numbers >= 0, not all zero; got shape {weights.shape}")
    return weights


def _schedule(given: _Given, groups: int) -> Schedule:
    from tlcore.objective import Schedule

    method, experiment, pace = given.method, given.trial.experiment, given.scenario.pace(groups)
    return Schedule(
        epochs=method.epochs or experiment.epochs or pace.epochs,
        max_steps=pace.max_steps,
        batch_size=pace.batch_size,
        lambda_=method.lambda_at_rest if experiment.lambda_ is None else experiment.lambda_,
        beta=method.default_beta if experiment.beta is None else experiment.beta,
    )


def _source_model(experiment: Experiment, domains: Domains, seed: int, should_stop: Callable[[], bool]) -> Network:
    """Return the model of the source."""
    return _from_source(experiment, domains, seed, should_stop)[0]


def _from_source(
    experiment: Experiment, domains: Domains, seed: int, should_stop: Callable[[], bool], method: Method | None = None
) -> tuple[Network, float | None]:
    """Return θ₀ of what starts from the source: the scenario's start trained on it, from the artefacts if it is there.

    And what it scores on the source examples set aside, if there are any.

    A method may learn it in a way of its own (`Method.meta_learn`).
    Where the source is a pretraining of others, without an example here, it is the start itself.
    """
    import torch

    from tlcore.activations import activations
    from tlcore.artefacts import kept
    from tlcore.methods.baselines import FromScratch
    from tlcore.objective import Labelled, Problem, Schedule, minimise, outputs_of

    scenario, before = experiment.where, None
    own = method if method and method.overrides("meta_learn") else None
    torch.manual_seed(seed)
    network = scenario.start(domains).to(experiment.device)
    free = scenario.free_groups(len(network.groups))
    pace = scenario.pace(free)
    schedule = Schedule(experiment.epochs or pace.epochs, pace.max_steps, pace.batch_size, 0.0, 0.0)
    frozen, rest = network.cut(free)

    def train() -> dict[str, Tensor]:
        source = domains.source
        inputs = activations(frozen, _tensor(source.inputs).to(experiment.device), should_stop)
        if own:
            own.meta_learn(rest, inputs, torch.from_numpy(source.answers), seed, should_stop)
            return rest.state_dict()
        everything = Labelled(inputs, torch.from_numpy(source.answers), torch.ones(len(source)), share=1.0)
        problem = Problem(everything.to(experiment.device), None, None, None, scenario.task_loss(domains))
        minimise(rest, FromScratch(), problem, schedule, seed, should_stop)
        return rest.state_dict() | known()

    def known() -> dict[str, Tensor]:
        if domains.source_aside is None:
            return {}

        def predict(inputs: np.ndarray) -> np.ndarray:
            below = activations(frozen, torch.from_numpy(inputs).to(experiment.device), should_stop)
            return outputs_of(rest, below)[1].numpy()

        return {BEFORE: torch.tensor(score(scenario, predict, domains), dtype=torch.float64)}

    if len(domains.source):
        parts = (
            "source model",
            repr(scenario),
            experiment.source,
            experiment.target,
            len(domains.source),
            schedule,
            seed,
            experiment.device,
            *([own.name, own.model_dump()] if own else []),
        )
        found = kept(parts, train)
        before = found.pop(BEFORE, None)
        rest.load_state_dict(found)
    return network.cpu(), None if before is None else float(before)


def _features(model: Network, inputs: np.ndarray) -> np.ndarray:
    """φ(x) of the source model, float64 (n, F)."""
    from tlcore.activations import activations

    return activations(model.body, _tensor(inputs)).double().numpy()


def _trained_parameters(network: Network, method: Method, epochs: int) -> int:
    """How many numbers of the network this trial moved."""
    groups = network.groups
    most = max((method.trainable_groups(epoch, len(groups)) for epoch in range(epochs)), default=0)
    return sum(
        parameter.numel()
        for group in groups[:most]
        for name, parameter in group.named_parameters()
        if (method.head_moves if group is network.head else method.moves(name))
    )


def _method(trial: Trial) -> Method:
    from tlcore.methods import METHODS

    return METHODS[trial.method.name].configure(trial.method.settings)


def _unchanged(rows: np.ndarray) -> np.ndarray:
    return rows
