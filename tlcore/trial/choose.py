"""The best of several methods, chosen by what is held out or by what can be known without labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

import numpy as np

from tlcore.trial.given import together
from tlcore.trial.space import seen_by

if TYPE_CHECKING:
    from torch import Tensor

    from tlcore.examples import Examples
    from tlcore.methods.base import Method
    from tlcore.trial.fitted import Fitted
    from tlcore.trial.given import Given

    Fit = Callable[[Given], Fitted]

MOST_SECONDS = 60.0
"""What one candidate of a choice may take, by the scenario's forecast."""


def choose(given: Given, fit: Fit) -> Fitted:
    """Let the candidates learn from parts of what there is; the best on the rest learns from all of it."""
    task, metric = given.task, given.task.metrics[given.trial.experiment.metric]
    own, left_out = _contenders(given)
    methods = given.method.candidates(own, _usable(given))
    if not methods:
        raise ValueError(f"{given.method.name}: none of its candidates can be used here")
    candidates = {name: replace(given, method=method) for name, method in methods.items()}
    folds = task.folds(together(given.training, given.validation), given.trial.seed) if len(given.training) else []
    best = next(iter(candidates))
    note, pieces = f"{best}, unchosen", 0
    if folds:
        found, higher, what = _held_out_scores(given, candidates, folds, fit), metric.higher_is_better, metric.name
        what, pieces = f"held-out {what}", len(candidates) * len(folds)
    elif given.method.criterion:
        candidates = {name: one for name, one in candidates.items() if one.method.transfers} or candidates
        best = next(iter(candidates))
        found, pieces = _scores_without_labels(given, candidates, fit), len(candidates)
        what, higher = given.method.criterion, given.method.criterion == "snd"
    if pieces:
        ranked = sorted(found, key=lambda name: -found[name] if higher else found[name])
        best = ranked[0]
        note = f"{best}: {what} " + ", ".join(f"{name} {found[name]:.3f}" for name in ranked)
    fitted = fit(candidates[best].part(pieces, pieces + 1))
    return replace(fitted, note="; ".join(filter(None, [note, fitted.note, left_out])))


def _contenders(given: Given) -> tuple[dict[str, type[Method]], str]:
    """Return the scenario's baselines that can be used between these domains, and a word on those that cannot."""
    from tlcore.methods import METHODS

    own = given.scenario.contenders(given.trial.budget) if given.trial.budget else ()
    refused = {name: why for name in own if (why := given.scenario.refusal(METHODS[name](), given.domains))}
    said = ", ".join(f"{name}, which {why}" for name, why in refused.items())
    return {name: METHODS[name] for name in own if name not in refused}, f"without {said}" if said else ""


def _usable(given: Given) -> dict[str, type[Method]]:
    """Return the methods that can be used between these domains, in a time that several of them may take."""
    from tlcore.experiment import applicable
    from tlcore.methods import METHODS

    experiment, scenario, domains = given.trial.experiment, given.scenario, given.domains

    def quick(method: Method) -> bool:
        return (scenario.cost(method, given.trial.budget, domains) or 0.0) <= MOST_SECONDS

    methods = {name: METHODS[name]() for name in applicable(scenario, experiment.setting)}
    return {
        name: METHODS[name]
        for name, method in methods.items()
        if not method.chooses and not scenario.refusal(method, domains) and quick(method)
    }


def _scores_without_labels(given: Given, candidates: dict[str, Given], fit: Fit) -> dict[str, float]:
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
    like_target = seen_by(replace(given, method=ratio, domains=replace(domains, source=known)))[0]
    weights = ratio.weights(like_target)
    weights = weights / weights.mean()
    found = {}
    for number, (name, candidate) in enumerate(candidates.items()):
        predict = fit(candidate.part(number, 1 + len(candidates), domains=rest)).predict
        if given.method.criterion == "snd":
            answers = softmax(predict(domains.pool.inputs).astype(float), axis=1)
            found[name] = unsupervised.soft_neighbourhood_density(answers)
        else:
            losses = (predict(known.inputs).argmax(1) != known.answers).astype(float)
            risk = {"iwv": unsupervised.importance_weighted, "dev": unsupervised.deep_embedded}
            found[name] = risk[given.method.criterion](losses, weights)
    return found


def _held_out_scores(
    given: Given, candidates: dict[str, Given], folds: list[tuple[Examples, Examples]], fit: Fit
) -> dict[str, float]:
    """Return what each candidate reaches on what is held out, from the artefacts if it was found out before."""
    import torch

    from tlcore.artefacts import kept

    scenario, experiment, none = given.scenario, given.trial.experiment, given.validation[np.empty(0, int)]

    def score(candidate: Given, learned: Examples, held_out: Examples) -> float:
        fitted = fit(candidate.part(next(number), 1 + len(candidates) * len(folds), training=learned, validation=none))
        rest = replace(given.domains, test=held_out)
        return given.task.evaluate(fitted.predict, rest, learned)[0][experiment.metric]

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
