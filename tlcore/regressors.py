"""Numbers from rows that stay as they are: each minimises  Σ wᵢ·(yᵢ − f(rowᵢ; θ))²  in one go, without the loop.

Rows are (n, F), dense or sparse; outputs are (m, 1). How smooth f is, is chosen by cross-validation of the rows it is
about to learn from, as `tlcore.classifiers` does: the same for baselines and methods (`Regressor`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from tlcore.classifiers import FOLDS, MOST_ROWS, Learner, counting, numbers_of_neighbours, searched, strengths, turned

if TYPE_CHECKING:
    from tlcore.examples import Predict

Fit = Callable[[Any, "np.ndarray", "np.ndarray | None", float], Callable[[Any], "np.ndarray"]]
FEWEST = 20
"""Rows from which on anything is chosen: of fewer, a choice is worse than the usual setting (docs/regression.md)."""


def ridge(rows: Any, answers: np.ndarray, weights: np.ndarray | None, strength: float) -> Callable[[Any], np.ndarray]:
    """Min over w, b of  ½‖w‖² + C/2·Σ wᵢ·(yᵢ − w·rowᵢ − b)²;  with the weights' mean one, C = 1/α."""
    from sklearn.linear_model import Ridge

    solver = "sparse_cg" if hasattr(rows, "toarray") else "auto"
    return Ridge(alpha=1 / strength, solver=solver).fit(rows, answers, sample_weight=weights).predict


def linear_svm(
    rows: Any, answers: np.ndarray, weights: np.ndarray | None, strength: float
) -> Callable[[Any], np.ndarray]:
    """Min over w, b of  ½‖w‖² + C·Σ wᵢ·max(0, |yᵢ − w·rowᵢ − b| − ε)²,  ε a tenth of the answers' spread."""
    from sklearn.svm import LinearSVR

    centre = float(np.average(answers, weights=weights))  # as liblinear keeps b small, too
    fitted = LinearSVR(
        epsilon=0.1 * float(answers.std()),
        C=strength,
        loss="squared_epsilon_insensitive",
        dual=rows.shape[1] > rows.shape[0],
        random_state=0,
        max_iter=5000,
    )
    fitted.fit(rows, answers - centre, sample_weight=weights)
    return lambda rows: np.asarray(fitted.predict(rows) + centre)


def nearest_neighbours(
    rows: Any, answers: np.ndarray, _weights: np.ndarray | None, number: float
) -> Callable[[Any], np.ndarray]:
    """The mean of the answers of the k nearest rows. Rows of weight zero are left out, others count alike."""
    from sklearn.neighbors import KNeighborsRegressor

    return KNeighborsRegressor(int(number)).fit(rows, answers).predict


def boosted_trees(
    rows: np.ndarray, answers: np.ndarray, weights: np.ndarray | None, _: float
) -> Callable[[Any], np.ndarray]:
    """A sum of a hundred trees, each fitted to what those before it left; leaves as in `tlcore.classifiers`."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    return (
        HistGradientBoostingRegressor(
            max_iter=100,
            max_bins=63,
            min_samples_leaf=min(20, max(1, len(answers) // 20)),
            early_stopping=False,
            random_state=0,
        )
        .fit(rows, answers, sample_weight=weights)
        .predict
    )


@dataclass(frozen=True)
class Kind:
    """How one is fitted and, where its smoothness can be chosen, among what: the smoothest first.

    The setting at ``usual`` is taken where nothing can be chosen.
    """

    fit: Fit
    letter: str = ""
    settings: Callable[[Any], tuple[float, ...]] = lambda _: (1.0,)
    usual: int = 0


REGRESSORS: dict[str, Kind] = {
    "ridge": Kind(ridge, "C", strengths, 2),
    "svm": Kind(linear_svm, "C", strengths, 2),
    "neighbours": Kind(nearest_neighbours, "k", numbers_of_neighbours, -1),
    "1nn": Kind(nearest_neighbours),
    "trees": Kind(boosted_trees),
}


@dataclass
class Regressor(Learner):
    """A regressor by its name in `REGRESSORS`, whose setting is chosen by `chosen` unless a person did."""

    name: str
    seed: int
    setting: float | None = None
    folds: int = FOLDS
    note: str = ""
    known: dict[tuple[int, ...], tuple[float, str]] = field(default_factory=dict)

    def chosen(
        self, rows: Any, answers: np.ndarray, weights: np.ndarray | None, groups: np.ndarray | None
    ) -> tuple[float, str]:
        """As this module's `chosen`."""
        return chosen(self.name, rows, answers, self.seed, weights, groups, self.folds)

    def fitted(self, rows: Any, answers: np.ndarray, weights: np.ndarray | None, setting: float) -> Predict:
        """Fit; answers are numbers, outputs (m, 1)."""
        rows, answers, weights, _ = counting(rows, answers, weights, None)
        predict = REGRESSORS[self.name].fit(rows, answers, weights, setting)
        return lambda rows: np.asarray(predict(rows), float)[:, None]


def chosen(
    name: str,
    rows: Any,
    answers: np.ndarray,
    seed: int,
    weights: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    folds: int = FOLDS,
) -> tuple[float, str]:
    """Return a regressor's setting  argmin over c of  Σ wᵢ·(yᵢ − f_c(rowᵢ))² / Σ wᵢ,  and a word on how it was found.

    f_c has learned from the parts that rowᵢ is not in; no group is on both sides. From the smoothest on, a search ends
    with two settings in a row worse than the best. Above two thousand rows some stand for all. With fewer than `FEWEST`
    rows, or than three groups, the setting is the usual one.

    References
    ----------
    Stone, Cross-validatory choice and assessment of statistical predictions, Journal of the Royal Statistical Society B
    1974.
    """
    from tlcore.examples import Examples
    from tlcore.splits import parts

    kind = REGRESSORS[name]
    rows, answers, weights, groups = counting(rows, answers, weights, groups)
    settings = kind.settings(rows)
    if len(settings) == 1:
        return settings[0], ""
    if len(answers) > MOST_ROWS:
        some = np.sort(np.random.default_rng(seed).permutation(len(answers))[:MOST_ROWS])
        rows, answers = rows[some], answers[some]
        weights, groups = (None if one is None else one[some] for one in (weights, groups))
    many = min(folds, len(answers) // 2, len(answers) if groups is None else len(np.unique(groups)))
    if len(answers) < FEWEST or many < 3:
        return settings[kind.usual], f"{kind.letter} = {settings[kind.usual]:g}: too few labels to choose it"
    counts = np.ones(len(answers)) if weights is None else weights
    split = parts(Examples(np.arange(len(answers)), answers, groups), many, seed)
    rows = turned(rows)

    def squares(learned: np.ndarray, held_out: np.ndarray, setting: float) -> np.ndarray:
        predict = kind.fit(rows[learned], answers[learned], counts[learned], setting)
        return np.square(predict(rows[held_out]) - answers[held_out])

    best = int(np.argmin(searched(squares, settings, counts, split)))
    return settings[best], f"{kind.letter} = {settings[best]:g} by {many}-fold cross-validation"
