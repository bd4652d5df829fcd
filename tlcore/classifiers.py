"""Classifiers on rows that stay as they are: each minimises  Σ wᵢ·L(yᵢ, f(rowᵢ; θ))  in one go, without the loop.

Rows are (n, F), dense or sparse; outputs are (m, K), and an answer that no row has gets `NEVER`. How smooth f is, such
as C of a linear one, is chosen by cross-validation of the rows it is about to learn from: the same for baselines and
methods (`Classifier`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tlcore.examples import Predict

NEVER = -30.0
SMALLEST = 1e-9  # of the largest weight: what counts less does not count
FOLDS = 5
FEWEST = 3
"""Labels a class, and parts of a cross-validation: with fewer nothing is chosen."""
MOST_ROWS = 2000
"""Rows that a choice looks at, so that it costs no more on a large table."""
WORSE = 2
"""Settings in a row worse than the best so far after which rougher ones are not tried."""
WIDE = 200
"""Columns from which a linear SVM is cheaper by its dual: with 800 and C = 1 by a factor of sixty."""
MOST_COLUMNS_OF_TREES = 400_000
"""Columns times classes times trees above which there are fewer than a hundred trees, down to thirty."""
NEIGHBOURS = (25, 15, 9, 5, 3, 1)

Fitted = tuple["np.ndarray", "Predict"]
Fit = Callable[[Any, "np.ndarray", "np.ndarray | None", float], Fitted]


def nearest_neighbours(rows: Any, answers: np.ndarray, _weights: np.ndarray | None, number: float) -> Fitted:
    """The shares of the answers of the k nearest rows. Rows of weight zero are left out, others count alike."""
    from sklearn.neighbors import KNeighborsClassifier

    fitted = KNeighborsClassifier(int(number)).fit(rows, answers)
    return fitted.classes_, lambda rows: np.log(fitted.predict_proba(rows).clip(1e-2, 1))


def linear_svm(rows: Any, answers: np.ndarray, weights: np.ndarray | None, strength: float) -> Fitted:
    """Min over W, b of  ½‖W‖² + C·Σ wᵢ·max(0, 1 − yᵢ·f(rowᵢ))²,  one class against the rest; outputs are f."""
    from sklearn.svm import LinearSVC

    dual = rows.shape[1] > min(WIDE, rows.shape[0])
    fitted = LinearSVC(C=strength, random_state=0, dual=dual).fit(rows, answers, sample_weight=weights)
    return fitted.classes_, lambda rows: _of_two(fitted.decision_function(rows))


def logistic(rows: Any, answers: np.ndarray, weights: np.ndarray | None, strength: float) -> Fitted:
    """Min over W, b of  ½‖W‖² − C·Σ wᵢ·log softmax(W·rowᵢ + b)[yᵢ];  outputs are log-probabilities."""
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(C=strength, max_iter=1000).fit(rows, answers, sample_weight=weights)
    return fitted.classes_, lambda rows: np.log(fitted.predict_proba(rows).clip(np.exp(NEVER)))


def boosted_trees(rows: np.ndarray, answers: np.ndarray, weights: np.ndarray | None, _: float) -> Fitted:
    """A sum of trees, each fitted to what those before it got wrong; outputs are log-probabilities.

    Leaves hold a twentieth of the rows, at most 20: with scikit-learn's own 20 few rows would make no tree at all. 63
    steps of a column instead of 255 take a fifth of the time on 800 columns; there, fewer trees take longer steps.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    trees = min(100, max(30, MOST_COLUMNS_OF_TREES // (rows.shape[1] * len(np.unique(answers)))))
    fitted = HistGradientBoostingClassifier(
        max_iter=trees,
        learning_rate=10 / trees,
        max_bins=63,
        min_samples_leaf=min(20, max(1, len(answers) // 20)),
        early_stopping=False,
        random_state=0,
    ).fit(rows, answers, sample_weight=weights)
    return fitted.classes_, lambda rows: np.log(fitted.predict_proba(rows).clip(np.exp(NEVER)))


def mistakes(outputs: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """1 where the largest output is not the answer's, else 0; (n, K) and (n,) to (n,)."""
    return (outputs.argmax(1) != answers).astype(float)


def surprise(outputs: np.ndarray, answers: np.ndarray) -> np.ndarray:
    """−outputs[y], of outputs that are log-probabilities; (n, K) and (n,) to (n,)."""
    return np.asarray(-outputs[np.arange(len(answers)), answers])


def strengths(rows: Any) -> tuple[float, ...]:
    """Return the C that are tried: the power of ten next to 1/v, from two below it to three above.

    v is the rows' total variance, the sum of their columns'. A table in other units, or of other size, then has the
    same choices. Of texts as TF-IDF v is about one, of F columns of variance one it is F.
    """
    from scipy.sparse import issparse
    from sklearn.utils.sparsefuncs import mean_variance_axis

    variances = mean_variance_axis(rows, 0)[1] if issparse(rows) else rows.var(0, dtype=np.float64)
    total = float(variances.sum())
    middle = -round(np.log10(total)) if total > 0 else 0
    return tuple(10.0**power for power in range(middle - 2, middle + 4))


def numbers_of_neighbours(rows: Any) -> tuple[float, ...]:
    """Return the k that are tried, the smoothest first."""
    return tuple(number for number in NEIGHBOURS if number <= max(1, rows.shape[0] // 2))


@dataclass(frozen=True)
class Kind:
    """A classifier: how it is fitted and, where its smoothness can be chosen, among what and by which loss.

    ``settings`` gives from rows what is tried, the smoothest first, of which the one at ``usual`` is taken where
    nothing can be chosen. Outputs that are probabilities are told apart by their held-out log loss, as it knows
    more of few rows than a count of mistakes; margins by the mistakes.
    """

    fit: Fit
    letter: str = ""
    settings: Callable[[Any], tuple[float, ...]] = lambda _: (1.0,)
    usual: int = 0
    loss: Callable[[np.ndarray, np.ndarray], np.ndarray] = mistakes


CLASSIFIERS: dict[str, Kind] = {
    "1nn": Kind(nearest_neighbours),
    "svm": Kind(linear_svm, "C", strengths, 3),
    "logistic": Kind(logistic, "C", strengths, 3, surprise),
    "neighbours": Kind(nearest_neighbours, "k", numbers_of_neighbours, -1),
    "trees": Kind(boosted_trees),
}


def classify(
    name: str,
    rows: Any,
    answers: np.ndarray,
    number: int,
    weights: np.ndarray | None = None,
    setting: float = 1.0,
) -> Predict:
    """Fit a classifier by its name in `CLASSIFIERS`.

    Parameters
    ----------
    name : str
    rows : np.ndarray or sparse matrix, shape (n, F)
    answers : np.ndarray, shape (n,)
    number : int
        K.
    weights : np.ndarray, shape (n,), optional
        wᵢ ≥ 0; only their proportions matter, as they are scaled to a mean of one.
    setting : float
        C of a linear one, k of nearest neighbours; others have none.

    Returns
    -------
    callable
        Rows (m, F) to outputs (m, K).
    """
    rows, answers, weights, _ = counting(rows, answers, weights, None)
    kinds = np.unique(answers)
    if len(kinds) == 1:
        return lambda rows: np.where(np.arange(number) == kinds[0], 0.0, NEVER) * np.ones((rows.shape[0], 1))
    return _for_all_answers(CLASSIFIERS[name].fit(rows, answers, weights, setting), number)


def _for_all_answers(fitted: Fitted, number: int) -> Predict:
    """Return what gives outputs for each of K answers; those that no row has get `NEVER`."""
    known, predict = fitted

    def outputs(rows: np.ndarray) -> np.ndarray:
        found = np.full((rows.shape[0], number), NEVER)
        found[:, known] = predict(rows)
        return found

    return outputs


class Learner(ABC):
    """What learns from rows in one go, with a setting that a person chose or that is chosen by cross-validation.

    It is chosen when rows of a shape come for the first time, and kept: a method that guesses the target's answers ten
    times, or boosts for twenty rounds, chooses once. The note says with which setting, and how that was chosen.
    """

    setting: float | None
    note: str
    known: dict[tuple[int, ...], tuple[float, str]]

    def __call__(
        self, rows: Any, answers: np.ndarray, weights: np.ndarray | None = None, groups: np.ndarray | None = None
    ) -> Predict:
        """Fit; as `tlcore.methods.base.Classify`."""
        setting = self.setting
        if setting is None:
            if rows.shape not in self.known:
                self.known[rows.shape] = self.chosen(rows, answers, weights, groups)
            setting, self.note = self.known[rows.shape]
        return self.fitted(rows, answers, weights, setting)

    @abstractmethod
    def chosen(
        self, rows: Any, answers: np.ndarray, weights: np.ndarray | None, groups: np.ndarray | None
    ) -> tuple[float, str]:
        """Return a setting, and a word on how it was found."""

    @abstractmethod
    def fitted(self, rows: Any, answers: np.ndarray, weights: np.ndarray | None, setting: float) -> Predict:
        """Fit with a setting."""


@dataclass
class Classifier(Learner):
    """A classifier by its name in `CLASSIFIERS`, whose setting is chosen by `chosen` unless a person did."""

    name: str
    number: int
    seed: int
    setting: float | None = None
    folds: int = FOLDS
    note: str = ""
    known: dict[tuple[int, ...], tuple[float, str]] = field(default_factory=dict)

    def chosen(
        self, rows: Any, answers: np.ndarray, weights: np.ndarray | None, groups: np.ndarray | None
    ) -> tuple[float, str]:
        """As this module's `chosen`."""
        return chosen(self.name, rows, answers, self.number, self.seed, weights, groups, self.folds)

    def fitted(self, rows: Any, answers: np.ndarray, weights: np.ndarray | None, setting: float) -> Predict:
        """As `classify`."""
        return classify(self.name, rows, answers, self.number, weights, setting)


def chosen(
    name: str,
    rows: Any,
    answers: np.ndarray,
    number: int,
    seed: int,
    weights: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    folds: int = FOLDS,
) -> tuple[float, str]:
    """Return a classifier's setting  argmin over c of  Σ wᵢ·ℓ(yᵢ, f_c(rowᵢ)) / Σ wᵢ,  and a word on how it was found.

    f_c has learned from the parts that rowᵢ is not in; each part has its share of each class, and no group is on both
    sides. Of equals the smoothest is taken. From the smoothest on, a search ends with two settings in a row worse than
    the best. Above `MOST_ROWS` some rows of each class stand for all. Classes of fewer than three rows have no say;
    where they hold half of the rows, or no three parts are left, the setting is the usual one: C = 10/v, v as in
    `strengths` to a power of ten, or k = 1.

    Parameters
    ----------
    name, rows, answers, number, weights
        As `classify`.
    seed : int
        Decides the parts.
    groups : np.ndarray, shape (n,), optional
    folds : int

    References
    ----------
    Stone, Cross-validatory choice and assessment of statistical predictions, Journal of the Royal Statistical Society B
    1974; with weights, Sugiyama, Krauledat & Müller, Covariate shift adaptation by importance weighted cross
    validation, JMLR 2007.
    """
    from tlcore.examples import Examples
    from tlcore.splits import stratified_parts

    kind = CLASSIFIERS[name]
    rows, answers, weights, groups = counting(rows, answers, weights, groups)
    settings = kind.settings(rows)
    if len(settings) == 1:
        return settings[0], ""
    usual = settings[kind.usual], f"{kind.letter} = {settings[kind.usual]:g}: too few labels to choose it"
    counts = np.bincount(answers, minlength=number)
    frequent = counts[answers] >= FEWEST
    if frequent.mean() <= 0.5 or np.count_nonzero(counts >= FEWEST) < 2:
        return usual
    some = _some_of_each(answers, frequent, seed)
    rows, answers = rows[some], answers[some]
    groups = None if groups is None else groups[some]
    weights = np.ones(len(answers)) if weights is None else weights[some]
    rarest = int(np.unique(answers, return_counts=True)[1].min())
    parts = stratified_parts(Examples(rows, answers, groups), min(folds, rarest), seed)
    if len(parts) < FEWEST:
        return usual
    found = _losses(kind, settings, turned(rows), answers, weights, parts, number)
    best = settings[int(np.argmin(found))]
    return best, f"{kind.letter} = {best:g} by {len(parts)}-fold cross-validation"


def _losses(
    kind: Kind,
    settings: tuple[float, ...],
    rows: Any,
    answers: np.ndarray,
    weights: np.ndarray,
    parts: list[tuple[np.ndarray, np.ndarray]],
    number: int,
) -> list[float]:
    """Return the weighted mean of the held-out losses of each setting, up to where the search ends."""

    def losses(learned: np.ndarray, held_out: np.ndarray, setting: float) -> np.ndarray:
        fitted = kind.fit(rows[learned], answers[learned], weights[learned], setting)
        return kind.loss(_for_all_answers(fitted, number)(rows[held_out]), answers[held_out])

    return searched(losses, settings, weights, parts)


def searched(
    losses: Callable[[np.ndarray, np.ndarray, float], np.ndarray],
    settings: tuple[float, ...],
    weights: np.ndarray,
    parts: list[tuple[np.ndarray, np.ndarray]],
) -> list[float]:
    """Return the weighted mean of the held-out losses of each setting, up to where `WORSE` in a row were worse.

    ``losses`` has, from the rows that are learned from, those that are held out and a setting, the latter's losses.
    """
    import warnings

    from sklearn.exceptions import ConvergenceWarning

    found: list[float] = []
    for setting in settings:
        total = 0.0
        for learned, held_out in parts:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # of a setting that is only tried
                total += float(weights[held_out] @ losses(learned, held_out, setting))
        found.append(total / weights[np.concatenate([held_out for _, held_out in parts])].sum())
        best = int(np.argmin(found))
        if len(found) - 1 - best >= WORSE and min(found[best + 1 :]) > found[best]:
            break
    return found


def turned(rows: Any) -> Any:
    """Return rows of no more columns than there are rows, with the same inner products and distances.

    With rowsᵀ = QR, Q orthonormal, they are Rᵀ. To ‖W‖² and to neighbours it is all the same, to time it is not.
    """
    if not isinstance(rows, np.ndarray) or rows.shape[1] <= rows.shape[0]:
        return rows
    of_rows: np.ndarray = np.linalg.qr(rows.T.astype(np.float64))[1].T
    return of_rows


def _some_of_each(answers: np.ndarray, allowed: np.ndarray, seed: int) -> np.ndarray:
    """Return the allowed rows, in order, or where they are more than `MOST_ROWS` about so many: a share of a class."""
    rows = np.flatnonzero(allowed)
    share = MOST_ROWS / len(rows)
    if share >= 1:
        return rows
    generator, parts = np.random.default_rng(seed), []
    for kind in np.unique(answers[rows]):
        members = rows[answers[rows] == kind]
        parts.append(generator.permutation(members)[: max(FOLDS, round(share * len(members)))])
    return np.sort(np.concatenate(parts))


def counting(
    rows: Any, answers: np.ndarray, weights: np.ndarray | None, groups: np.ndarray | None
) -> tuple[Any, np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Return what has a weight, and weights with a mean of one."""
    if weights is None:
        return rows, answers, None, groups
    counts = weights > SMALLEST * weights.max()
    weights = weights[counts]
    return rows[counts], answers[counts], weights / weights.mean(), None if groups is None else groups[counts]


def _of_two(margins: np.ndarray) -> np.ndarray:
    """The margins of both classes, where there are only two and scikit-learn gives one."""
    return np.column_stack([-margins, margins]) if margins.ndim == 1 else margins
