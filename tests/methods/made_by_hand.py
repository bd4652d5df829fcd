"""What hooks in closed form look at, made by hand."""

import numpy as np

from tlcore.classifiers import Classifier
from tlcore.examples import Examples
from tlcore.methods.base import Seen


def seen(source, unlabelled=None, answers=None, target=None, kind="logistic", seed=0):
    """Return what a method sees of these rows; of a source without answers, zeros."""
    answers = np.zeros(len(source), np.int64) if answers is None else answers
    target = Examples(np.empty((0, *np.shape(source)[1:])), np.empty(0, np.int64)) if target is None else target
    number = 1 + int(max(answers.max(initial=0), target.answers.max(initial=0)))
    return Seen(
        Examples(np.asarray(source), answers),
        target,
        number,
        seed,
        np.empty((0, *np.shape(source)[1:])) if unlabelled is None else np.asarray(unlabelled),
        Classifier(kind, number, seed, setting=1.0),
    )


def of_items(source, target, items, seed=0):
    """Return what a recommender sees of the choices of both domains; ``source`` may be None."""
    return Seen.labelled(source, target, items, seed)
