"""What an answer rests on, and where examples lie in the features that it came from."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from tlcore.cancellation import never
from tlcore.errors import SpecificationError
from tlcore.examples import Explanation, FeatureMap
from tlcore.trial.given import domains_of, given, on_one_thread
from tlcore.trial.learn import fit
from tlcore.trial.source_model import features, source_model

if TYPE_CHECKING:
    from tlcore.experiment import Trial

MOST_SHOWN = 300
"""Examples of a domain on the map of features."""


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
    on_one_thread()
    scenario, domains = trial.experiment.where, domains_of(trial.experiment)
    if not 0 <= row < len(domains.test):
        raise SpecificationError(f"row: {row} is out of range. Allowed: 0 to {len(domains.test) - 1}.")
    domains = scenario.with_variants(domains, row)
    fitted = fit(given(trial, domains, should_stop))
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
    on_one_thread()
    learning = given(trial, domains_of(trial.experiment), should_stop)
    domains, generator = learning.domains, np.random.default_rng(trial.seed)
    some = [part[np.sort(generator.permutation(len(part))[:MOST_SHOWN])] for part in (domains.source, domains.test)]
    fitted = fit(learning) if learning.method.needs_source_model else None
    if fitted is None or fitted.embed is None:
        raise SpecificationError(f"trial: {trial.key!r} has no features that began as the source model's.")
    model = source_model(trial.experiment, domains, trial.seed, should_stop)
    before = [features(model, part.inputs) for part in some if len(part)]
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
