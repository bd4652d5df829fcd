"""What a trial forgot of the source: its score on source examples that nothing learned from, before and after.

    forgotten = score of the source model − score of what a method made of it,     on the same source examples

A method that starts from the source model and trains some of it answers for the source, too, with the head that both
domains share: better than before, as well, or worse, up to having forgotten all of it.

Kirkpatrick et al. (2017), Overcoming catastrophic forgetting in neural networks, PNAS 114. Lopez-Paz & Ranzato (2017),
Gradient episodic memory for continual learning, NeurIPS: backward transfer, which is the same with the sign turned.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from tlcore.examples import Domains, Predict
    from tlcore.methods.base import Method
    from tlcore.tasks.base import Task

SET_ASIDE_FROM = 1000
"""Source examples; a smaller source needs all of its own."""
SHARE = 0.05
SEED = 20_170_314  # the same source examples for every method, budget and seed


def set_aside(task: Task, domains: Domains) -> Domains:
    """Return the domains with some source examples set aside, from which no trial learns anything.

    A twentieth of each class's, at most `Task.spared` together, of a source of `SET_ASIDE_FROM` or more; where
    examples are of groups, whole groups. Nothing where forgetting cannot be said: where no network has a head for the
    classes of both domains (tables of features, catalogues), or the source is a pretraining.
    """
    source = domains.source
    if not task.spared or len(source) < SET_ASIDE_FROM:
        return domains
    aside = task.aside(source, min(SHARE, task.spared / len(source)), SEED)
    if not aside.any():
        return domains
    return replace(domains, source=source[np.flatnonzero(~aside)], source_aside=source[np.flatnonzero(aside)])


def can_forget(method: Method) -> bool:
    """Whether a method starts from the source model, head and all; what is meta-learned has no head for the source."""
    return method.starts_from == "source" and not (method.on_features or method.overrides("meta_learn"))


def score(task: Task, predict: Predict, domains: Domains) -> float:
    """Return the task's first headline metric on the source examples set aside."""
    aside = domains.source_aside
    assert aside is not None
    return task.evaluate(predict, replace(domains, test=aside), aside[:0])[0][task.headline[0]]
