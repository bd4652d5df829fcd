"""Gaussian kernels between rows, and how wide they are."""

from __future__ import annotations

import numpy as np


def squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """‖aᵢ − bⱼ‖² for rows (n, F) and (m, F), shape (n, m)."""
    return ((a**2).sum(1)[:, None] + (b**2).sum(1)[None, :] - 2 * a @ b.T).clip(0)


def gaussian(a: np.ndarray, b: np.ndarray, width: float) -> np.ndarray:
    """exp(−‖aᵢ − bⱼ‖² / width) for rows (n, F) and (m, F), shape (n, m)."""
    return np.exp(squared_distances(a, b) / -width)


def mean_similarity(a: np.ndarray, b: np.ndarray, width: float, at_once: int = 2000) -> np.ndarray:
    """Mean over j of exp(−‖aᵢ − bⱼ‖² / width), shape (n,), for a part of a at a time."""
    parts = [gaussian(a[start : start + at_once], b, width).mean(1) for start in range(0, len(a), at_once)]
    return np.concatenate(parts)


def median_squared_distance(rows: np.ndarray, sample: int = 1000) -> float:
    """Median of the squared distances between evenly spread rows; at least a tiny positive number."""
    chosen = rows[spread(len(rows), sample)]
    distances = squared_distances(chosen, chosen)
    return max(float(np.median(distances[np.triu_indices(len(chosen), 1)])), 1e-12) if len(chosen) > 1 else 1.0


def spread(n: int, most: int) -> np.ndarray:
    """Return the places of evenly spread rows: all n, or so many at most."""
    return np.linspace(0, n - 1, min(most, n)).astype(int)
