"""Classifiers on rows that stay as they are: each minimises  Σ wᵢ·L(yᵢ, f(rowᵢ; θ))  in one go, without the loop.

Rows are (n, F), dense or sparse; outputs are (m, K), and an answer that no row has gets `NEVER`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tlcore.methods.base import Predict

NEVER = -30.0
SMALLEST = 1e-9  # of the largest weight: what counts less does not count

Fit = Callable[["np.ndarray", "np.ndarray", "np.ndarray | None"], tuple[np.ndarray, "Predict"]]


def nearest_neighbour(rows: np.ndarray, answers: np.ndarray, _weights: np.ndarray | None) -> tuple[np.ndarray, Predict]:
    """The answer of the nearest row. It has no sum to weigh: rows of weight zero are left out, others count alike."""
    from sklearn.neighbors import KNeighborsClassifier

    fitted = KNeighborsClassifier(1).fit(rows, answers)
    return fitted.classes_, lambda rows: np.log(fitted.predict_proba(rows).clip(1e-2, 1))


def linear_svm(rows: np.ndarray, answers: np.ndarray, weights: np.ndarray | None) -> tuple[np.ndarray, Predict]:
    """Min over W, b of  ½‖W‖² + Σ wᵢ·max(0, 1 − yᵢ·f(rowᵢ))²,  one class against the rest; outputs are f."""
    from sklearn.svm import LinearSVC

    fitted = LinearSVC(random_state=0, dual="auto").fit(rows, answers, sample_weight=weights)
    return fitted.classes_, lambda rows: _of_two(fitted.decision_function(rows))


def logistic(rows: np.ndarray, answers: np.ndarray, weights: np.ndarray | None) -> tuple[np.ndarray, Predict]:
    """Min over W, b of  ½‖W‖² − Σ wᵢ·log softmax(W·rowᵢ + b)[yᵢ];  outputs are log-probabilities."""
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(max_iter=1000).fit(rows, answers, sample_weight=weights)
    return fitted.classes_, lambda rows: fitted.predict_log_proba(rows).clip(NEVER)


CLASSIFIERS: dict[str, Fit] = {"1nn": nearest_neighbour, "svm": linear_svm, "logistic": logistic}


def classify(name: str, rows: Any, answers: np.ndarray, number: int, weights: np.ndarray | None = None) -> Predict:
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

    Returns
    -------
    callable
        Rows (m, F) to outputs (m, K).
    """
    if weights is not None:
        counts = weights > SMALLEST * weights.max()
        rows, answers, weights = rows[counts], answers[counts], weights[counts]
        weights = weights / weights.mean()
    kinds = np.unique(answers)
    if len(kinds) == 1:
        return lambda rows: np.where(np.arange(number) == kinds[0], 0.0, NEVER) * np.ones((rows.shape[0], 1))
    known, predict = CLASSIFIERS[name](rows, answers, weights)

    def outputs(rows: np.ndarray) -> np.ndarray:
        found = np.full((rows.shape[0], number), NEVER)
        found[:, known] = predict(rows)
        return found

    return outputs


def _of_two(margins: np.ndarray) -> np.ndarray:
    """The margins of both classes, where there are only two and scikit-learn gives one."""
    return np.column_stack([-margins, margins]) if margins.ndim == 1 else margins
