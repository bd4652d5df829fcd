"""Methods for answers that are numbers."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from tlcore.examples import Examples, Predict
from tlcore.methods.base import FeatureMap, Method, Seen, Solution
from tlcore.methods.components import Mapped
from tlcore.splits import groups_of, parts

HALVINGS = 60
"""Steps in which a share of the weights is found by halving an interval."""
SMALLEST_WEIGHT = 1e-6
"""Of the largest weight: what counts less does not count."""
SMALLEST = 1e-12
"""ε of a learner that makes no mistake."""


class TrAdaBoostR2(Method):
    """The boosted trees of that step t of S at which they answer held-out target examples best.

    Two-stage TrAdaBoost.R2: in each step the trees are boosted with the target's weights alone changing (`boosted`);
    then one tree learns from all, and  wᵢ ← wᵢ·β^(eᵢ)  for the source,  eᵢ = |yᵢ − h(xᵢ)| / max |y − h|,  with that β
    for which the target's share of the weights grows evenly, from m/(n + m) to 1 in S steps. For few target labels and
    a source of which a part misleads. Trees of a depth of up to ``depth`` where the paper has M5P, fewer steps, rounds
    and folds than its 30, 100 and 10.

    References
    ----------
    Pardoe & Stone, Boosting for regression transfer, ICML 2010; Drucker, Improving regressors using boosting
    techniques, ICML 1997 (AdaBoost.R2).
    """

    name = "tradaboost_r2"
    family = "instance"
    serves = ("inductive",)
    needs = frozenset({"numbers", "rows"})
    reference = "Pardoe & Stone, ICML 2010"
    trains_on = ("source", "target")
    on_features = True

    steps: int = Field(10, ge=2, le=100, description="S, how often the source's weights fall.")
    rounds: int = Field(20, ge=1, le=1000, description="N, how many trees vote.")
    folds: int = Field(5, ge=2, le=20, description="Parts of the target's labels, each of which is held out once.")
    depth: int = Field(3, ge=1, le=30, description="How deep a tree is, at most.")

    def solve(self, seen: Seen) -> Solution:
        """Let the source fade, and keep the step with the least held-out error."""
        n, m = len(seen.source), len(seen.target)
        rows = np.concatenate([seen.source.inputs, seen.target.inputs])
        answers = np.concatenate([seen.source.answers, seen.target.answers])
        labelled = Examples(np.arange(m), seen.target.answers, groups_of(seen.target))
        folds = parts(labelled, self.folds, seen.seed) if m >= self.folds else []
        weights = np.full(n + m, 1 / (n + m))
        best, chosen, last = np.inf, weights, self.steps if folds else 1
        for step in range(1, last + 1):
            error = sum(self._held_out(rows, answers, weights, n, *fold) for fold in folds)
            if error < best:
                best, chosen = error, weights
            missed = np.abs(answers - _tree(rows, answers, weights, self.depth, seen.seed)(rows))
            share = m / (n + m) + step / (self.steps - 1) * (1 - m / (n + m))
            weights = faded(weights, missed / max(missed.max(), SMALLEST), n, min(share, 1 - SMALLEST))
        predict = boosted(rows, answers, chosen, n, self.rounds, self.depth, seen.seed)
        return Solution(lambda inputs: predict(inputs)[:, None], f"the source counts {chosen[:n].sum():.0%}")

    def _held_out(
        self, rows: np.ndarray, answers: np.ndarray, weights: np.ndarray, n: int, learned: np.ndarray, rest: np.ndarray
    ) -> float:
        """Return the sum of squared errors on target rows that are left out."""
        kept = np.concatenate([np.arange(n), n + learned])
        predict = boosted(rows[kept], answers[kept], weights[kept], n, self.rounds, self.depth, 0)
        return float(np.square(predict(rows[n + rest]) - answers[n + rest]).sum())


def boosted(
    rows: np.ndarray, answers: np.ndarray, weights: np.ndarray, n: int, rounds: int, depth: int, seed: int
) -> Predict:
    """AdaBoost.R2 in which the weights of the first n rows stay: return the weighted median of up to N trees.

    With  eᵢ = |yᵢ − h(xᵢ)| / max |y − h|  and  ε = Σ wᵢeᵢ / Σ wᵢ, a target row is multiplied by  β^(1 − eᵢ),
    β = ε/(1 − ε),  and all of them by one number, so that they keep their share; a tree counts  log 1/β.  It ends at
    ε ≥ ½.
    """
    weights = weights / weights.sum()
    share = weights[n:].sum()
    trees: list[Predict] = []
    counts: list[float] = []
    for round_ in range(rounds):
        predict = _tree(rows, answers, weights, depth, seed + round_)
        missed = np.abs(answers - predict(rows))
        errors = missed / max(missed.max(), SMALLEST)
        error = float(weights @ errors)
        if error >= 0.5 and trees:
            break
        beta = max(error, SMALLEST) / max(1 - error, SMALLEST)
        trees.append(predict)
        counts.append(max(-np.log(beta), SMALLEST))
        if error >= 0.5 or missed.max() <= SMALLEST:
            break
        weights = weights.copy()
        weights[n:] *= beta ** (1 - errors[n:])
        weights[n:] *= share / max(weights[n:].sum(), SMALLEST)

    def median(inputs: np.ndarray) -> np.ndarray:
        said = np.stack([tree(inputs) for tree in trees], 1)
        order = said.argsort(1)
        reached = np.asarray(counts)[order].cumsum(1) >= sum(counts) / 2
        return np.take_along_axis(said, np.take_along_axis(order, reached.argmax(1)[:, None], 1), 1)[:, 0]

    return median


def faded(weights: np.ndarray, errors: np.ndarray, n: int, share: float) -> np.ndarray:
    """Return weights whose first n fell to  wᵢ·β^(eᵢ),  with the β for which the others have a share of the sum.

    Where rows without an error keep too much for any β, those have the rest evenly.
    """
    target = weights[n:].sum()

    def of_target(log_beta: float) -> float:
        return float(target / (target + weights[:n] @ np.exp(errors[:n] * log_beta)))

    low, high = -1e3, 0.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if of_target(middle) > share else (low, middle)
    found = weights.copy()
    found[:n] *= np.exp(errors[:n] * high)
    others = found[:n].sum()
    if others > 0 and target / (target + others) < share - 1e-6:
        found[:n] *= target * (1 - share) / (share * others)
    return np.asarray(found / found.sum())


def _tree(rows: np.ndarray, answers: np.ndarray, weights: np.ndarray, depth: int, seed: int) -> Predict:
    from sklearn.tree import DecisionTreeRegressor

    counts = weights > SMALLEST_WEIGHT * weights.max()  # a leaf of rows that do not count would be ruled by them
    fitted = DecisionTreeRegressor(max_depth=depth, random_state=seed)
    fitted.fit(rows[counts], answers[counts], sample_weight=weights[counts])
    return lambda inputs: np.asarray(fitted.predict(inputs))


class DomainInvariantPLS(Mapped):
    """φ(z) = (z − z̄)·W(PᵀW)⁻¹: few directions that covary with the source's numbers and vary alike in both domains.

    One by one,  w ∝ (I + λ/(yᵀy)·|Σ_S − Σ_T|)⁻¹·Xᵀy  of source rows X and numbers y, |·| of a symmetric matrix having
    the sizes of its eigenvalues; then what t = Xw explains leaves rows and numbers. λ = 0 is partial least squares on
    the source. z̄ is each domain's own mean. Where many columns move together, as spectra do, and an instrument has
    changed; of no use where the domains differ in how answers depend on rows.

    References
    ----------
    Nikzad-Langerodi, Zellinger, Lughofer & Saminger-Platz, Domain-invariant partial-least-squares regression,
    Analytical Chemistry 2018.
    """

    name = "di_pls"
    needs = frozenset({"numbers", "rows", "linear head"})
    reference = "Nikzad-Langerodi et al., Anal. Chem. 2018"

    dimensions: int = Field(10, ge=1, le=4096, description="d, how many directions are kept, at most.")
    alignment: float = Field(1.0, ge=0, le=1e9, description="λ, how much it counts that the domains vary alike.")

    def feature_map(self, seen: Seen) -> tuple[FeatureMap, FeatureMap]:
        """Return the maps of source and target rows, (n, F) to (n, d)."""
        source, target = seen.source.inputs, seen.unlabelled
        means = source.mean(0), target.mean(0)
        there, here, rest = source - means[0], target - means[1], seen.source.answers - seen.source.answers.mean()
        columns = there.shape[1]
        directions, loadings = np.zeros((0, columns)), np.zeros((0, columns))
        for _ in range(min(self.dimensions, columns, len(source) - 1)):
            values, vectors = np.linalg.eigh(there.T @ there / len(there) - here.T @ here / len(here))
            apart = (vectors * np.abs(values)) @ vectors.T
            size = float(rest @ rest)
            direction = np.linalg.solve(np.eye(columns) + self.alignment / max(size, SMALLEST) * apart, there.T @ rest)
            length = float(np.linalg.norm(direction))
            if size <= SMALLEST or length <= SMALLEST:
                break
            direction /= length
            scores, theirs = there @ direction, here @ direction
            loading = there.T @ scores / max(float(scores @ scores), SMALLEST)
            there = there - np.outer(scores, loading)
            here = here - np.outer(theirs, here.T @ theirs / max(float(theirs @ theirs), SMALLEST))
            rest = rest - scores * (scores @ rest) / max(float(scores @ scores), SMALLEST)
            directions, loadings = np.vstack([directions, direction]), np.vstack([loadings, loading])
        if not len(directions):
            directions = loadings = np.eye(1, columns)  # nothing covaries: any direction is as good
        turn = directions.T @ np.linalg.pinv(loadings @ directions.T)
        return lambda rows: (rows - means[0]) @ turn, lambda rows: (rows - means[1]) @ turn
