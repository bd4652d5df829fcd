"""Instance transfer: which source examples count, and how much."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from tlcore.methods.base import Method

MOST_ROWS = 20_000  # a kernel of all pairs then takes 3.2 GB


class _Weighted(Method):
    """Σ_source wᵢ·L + Σ_target L from θ₀ = the source model; a subclass says what wᵢ is."""

    family = "instance"
    starts_from = "source"
    trains_on = ("source", "target")
    needs_unlabelled = True


class KMM(_Weighted):
    """wᵢ from  min over w of ‖mean wᵢ·ψ(sᵢ) − mean ψ(tⱼ)‖²  with 0 ≤ wᵢ ≤ B and |mean w − 1| ≤ ε.

    Kernel mean matching: source examples that look like target examples count more. ψ is the feature space of a
    Gaussian kernel on φ(x) whose width is the median distance. Right for covariate shift, where the domains overlap
    and an input has the same answer in both; of no use where they do not overlap.

    References
    ----------
    Huang, Gretton, Borgwardt, Schölkopf & Smola, Correcting sample selection bias by unlabeled data, NeurIPS 2006.
    """

    name = "kmm"
    reference = "Huang et al., NeurIPS 2006"

    largest_weight: float = Field(10.0, ge=1, le=1e4, description="B, the most that one source example can count.")
    slack: float = Field(0.05, ge=0, lt=1, description="ε, how far the mean weight may be from one.")
    iterations: int = Field(200, ge=1, le=10_000, description="Steps of the accelerated projected gradient.")

    def weights(self, source: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Solve  min ½ wᵀKw − κᵀw  by accelerated projected gradient (FISTA; Beck & Teboulle 2009); shape (n,)."""
        if len(source) > MOST_ROWS:
            raise ValueError(
                f"kmm: {len(source)} source examples are too many for all their pairs; at most {MOST_ROWS}."
            )
        bandwidth = _median_squared_distance(np.concatenate([source, target]))
        kernel = np.exp(-_squared_distances(source, source) / bandwidth)
        similarity = np.exp(-_squared_distances(source, target) / bandwidth).mean(1) * len(source)
        step = 1 / _largest_eigenvalue(kernel)
        weights = previous = np.ones(len(source), dtype=kernel.dtype)
        momentum = 1.0
        for _ in range(self.iterations):
            following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
            ahead = weights + (momentum - 1) / following * (weights - previous)
            previous, momentum = weights, following
            weights = self._feasible(ahead - step * (kernel @ ahead - similarity))
        return weights

    def _feasible(self, weights: np.ndarray) -> np.ndarray:
        """Project onto 0 ≤ w ≤ B with a mean within ε of one: shift all by one number, found by bisection."""
        clipped = weights.clip(0, self.largest_weight)
        mean = np.clip(clipped.mean(), 1 - self.slack, 1 + self.slack)
        if mean == clipped.mean():
            return clipped
        low, high = mean - weights.max() - 1, self.largest_weight + mean - weights.min() + 1
        for _ in range(60):
            shift = (low + high) / 2
            too_low = (weights + shift).clip(0, self.largest_weight).mean() < mean
            low, high = (shift, high) if too_low else (low, shift)
        return (weights + high).clip(0, self.largest_weight).astype(weights.dtype)


class NearestNeighbourSelection(_Weighted):
    """wᵢ = 1 for source examples among the k nearest of some target example in φ, 0 for all others.

    A blunt, robust way to leave out source examples that look like nothing in the target. When k is large all are
    selected and it becomes fine-tuning on both domains.

    References
    ----------
    Ruder & Plank, Learning to select data for transfer learning with Bayesian optimization, EMNLP 2017 (selection by
    similarity, its baseline).
    """

    name = "nearest_neighbour_selection"
    reference = "Ruder & Plank, EMNLP 2017"

    neighbours: int = Field(5, ge=1, le=10_000, description="k, how many source examples each target example picks.")

    def weights(self, source: np.ndarray, target: np.ndarray) -> np.ndarray:
        """1 where a source row is among the k nearest of some target row, else 0; shape (n,)."""
        from sklearn.neighbors import NearestNeighbors

        index = NearestNeighbors(n_neighbors=min(self.neighbours, len(source))).fit(source)
        selected = np.zeros(len(source))
        selected[np.unique(index.kneighbors(target, return_distance=False))] = 1
        return selected


def _squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """‖aᵢ − bⱼ‖² for rows (n, F) and (m, F), shape (n, m)."""
    return ((a**2).sum(1)[:, None] + (b**2).sum(1)[None, :] - 2 * a @ b.T).clip(0)


def _median_squared_distance(rows: np.ndarray, sample: int = 1000) -> float:
    """Median of the squared distances between evenly spread rows; at least a tiny positive number."""
    spread = rows[np.linspace(0, len(rows) - 1, min(sample, len(rows))).astype(int)]
    distances = _squared_distances(spread, spread)
    return max(float(np.median(distances[np.triu_indices(len(spread), 1)])), 1e-12) if len(spread) > 1 else 1.0


def _largest_eigenvalue(kernel: np.ndarray, iterations: int = 20) -> float:
    """Power iteration on a positive matrix; a bound from above by its largest row sum is far too wide here."""
    vector = np.full(len(kernel), 1 / np.sqrt(len(kernel)), dtype=kernel.dtype)
    value = 1.0
    for _ in range(iterations):
        vector = kernel @ vector
        value = float(np.linalg.norm(vector))
        vector /= value
    return 1.01 * value
