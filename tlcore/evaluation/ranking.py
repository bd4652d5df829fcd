"""Metrics of a recommender that ranks the full catalogue, and each user's share in them.

Nothing is sampled: a held-out item is ranked among *all* items that the user has not seen in training. With sampled
negatives a comparison of two recommenders can come out the other way round (Krichene & Rendle 2020, On sampled
metrics for item recommendation, KDD).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tlcore.evaluation.metrics import Metric

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

K = 10
LENGTHS = (1, 5, 10, 20, 50)
"""Lengths of the list for which recall is told; the curve of recall@k is drawn from these."""
CELLS = 2**24  # scores at once: 64 MB of float32 however large the catalogue
TIE_SEED = 20_200_823

RANKING: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        *(
            Metric(f"recall@{k}", f"recall@{k}", True, f"Share of what a user really chose among the first {k} shown.")
            for k in LENGTHS
        ),
        Metric("ndcg@10", "NDCG@10", True, "As recall@10, and a hit counts more the higher it stands."),
        Metric("hit_rate@10", "hit rate@10", True, "Share of users with at least one hit among the ten shown."),
        Metric("mrr", "mean reciprocal rank", True, "One over the place of the first hit in the whole ranking."),
        Metric("coverage@10", "catalogue coverage", True, "Share of the catalogue that is shown to anybody."),
        Metric(
            "novelty@10", "novelty", True, "How rare what is shown is: mean −log₂ of an item's share of users, bits.",
            in_points=False,
        ),
    )
}  # fmt: skip
PER_USER = (*(f"recall@{k}" for k in LENGTHS), "ndcg@10", "hit_rate@10", "mrr")


@dataclass(frozen=True)
class Ranking:
    """What the users were shown, and how well it hit.

    Attributes
    ----------
    metrics : dict
        `RANKING`, over all users with something held out.
    per_user : dict of str to ndarray, each of shape (n,)
        The metrics that are means over users (`PER_USER`).
    top : ndarray, shape (n, K)
        Items shown, best first; −1 where a user has seen all others.
    """

    metrics: dict[str, float]
    per_user: dict[str, np.ndarray]
    top: np.ndarray


def rank(score: Callable[[np.ndarray], np.ndarray], seen: csr_matrix, held_out: csr_matrix) -> Ranking:
    """Rank the full catalogue for every user who has something held out.

    For a user with the set H of held-out items, of which the j-th shown is rel_j ∈ {0, 1} ::

        recall@k = |first k ∩ H| / |H|        hit_rate@K = [|shown ∩ H| > 0]          mrr = 1 / rank of H's first
        ndcg@K   = Σ_j rel_j / log₂(j + 1)  /  Σ_{j ≤ min(K, |H|)} 1 / log₂(j + 1)

    Ties go by one fixed random order of the items, so that a recommender gains nothing from the catalogue's order.

    Parameters
    ----------
    score : callable
        Users' rows (b,) to scores (b, items); larger is better. Called with blocks, so that memory stays bounded.
    seen : csr_matrix, shape (users, items)
        What was used in training; never recommended again.
    held_out : csr_matrix, shape (users, items)
        Without explicit zeros.

    Returns
    -------
    Ranking

    Raises
    ------
    ValueError
        If nobody has anything held out, if something held out was seen in training, or for scores that are NaN.
    """
    users = np.flatnonzero(np.diff(held_out.indptr))
    items = held_out.shape[1]
    if not len(users):
        raise ValueError("Nobody has anything held out, so there is nothing to rank.")
    if held_out.multiply(seen).nnz:
        raise ValueError("Some held-out items were seen in training; they would never be recommended.")
    order = np.random.default_rng(TIE_SEED).permutation(items)  # among equal scores, the smallest comes first
    block = max(1, CELLS // items)
    parts = [
        _rank_block(score(rows), seen[rows], held_out[rows], order)
        for rows in np.split(users, range(block, len(users), block))
    ]
    top = np.concatenate([part[0] for part in parts])[:, :K]
    per_user = {name: np.concatenate([part[1][name] for part in parts]) for name in PER_USER}
    shown = top[top >= 0]
    share = (np.asarray((seen > 0).sum(0)).ravel() + 1) / (seen.shape[0] + 1)  # + 1: nobody has seen some items
    metrics = {name: float(values.mean()) for name, values in per_user.items()}
    metrics["coverage@10"] = len(np.unique(shown)) / items
    metrics["novelty@10"] = float(-np.log2(share[shown]).mean())
    return Ranking(metrics, per_user, top)


def _rank_block(
    scores: np.ndarray, seen: csr_matrix, held_out: csr_matrix, order: np.ndarray
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return the items shown and the metrics of a block of users."""
    scores = np.array(scores, dtype=np.float32)
    if np.isnan(scores).any():
        raise ValueError("Scores must be numbers, but some are NaN.")
    hidden = seen.tocoo()
    scores[hidden.row, hidden.col] = -np.inf
    keys = _keys(scores, order)
    top = _largest(keys, min(max(LENGTHS), scores.shape[1]))
    nothing_left = np.isneginf(np.take_along_axis(scores, top, 1))
    wanted, rows = held_out.tocoo(), np.arange(len(top))[:, None]
    items = scores.shape[1]
    hits = np.isin(rows * items + top, wanted.row.astype(np.int64) * items + wanted.col) & ~nothing_left
    shown = hits[:, :K]
    per_place = 1 / np.log2(np.arange(2, shown.shape[1] + 2))
    count = np.diff(held_out.indptr)
    ideal = np.concatenate([[0], np.cumsum(per_place)])[np.minimum(count, len(per_place))]
    return np.where(nothing_left, -1, top), {
        **{f"recall@{k}": hits[:, :k].sum(1) / count for k in LENGTHS},
        "ndcg@10": shown @ per_place / ideal,
        "hit_rate@10": shown.any(1).astype(float),
        "mrr": 1 / _first_rank(keys, held_out),
    }


def _keys(scores: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Return int64 that sort like float32 scores, equal ones by ``order``, its smallest last: no more ties in a row."""
    bits = (scores + np.float32(0)).view(np.int32)  # + 0, as −0 and 0 are equal
    bits ^= (bits >> 31) & 0x7FFFFFFF  # the bits of floats sort like integers, those of negative ones backwards
    keys = bits.astype(np.int64)
    keys <<= 32
    keys += len(order) - 1 - order
    return keys


def _largest(keys: np.ndarray, k: int) -> np.ndarray:
    """Return the columns of each row's k largest keys, largest first.

    The k-th largest of the maxima of some groups of columns is no larger than the k-th largest of all, and hardly
    smaller: few columns remain to be sorted.
    """
    users, items = keys.shape
    groups = max(k, items // 16)
    each = items // groups
    maxima = keys[:, : each * groups].reshape(users, each, groups).max(1)
    bound = np.partition(maxima, groups - k, axis=1)[:, [groups - k]]
    rows, columns = np.nonzero(keys >= bound)
    best_first = np.lexsort((-keys[rows, columns], rows))
    starts = np.searchsorted(rows, np.arange(users))
    return columns[best_first[starts[:, None] + np.arange(k)]]


def _first_rank(keys: np.ndarray, held_out: csr_matrix) -> np.ndarray:
    """Return the place of each row's best held-out column, from 1."""
    wanted = held_out.tocoo()
    best = np.maximum.reduceat(keys[wanted.row, wanted.col], held_out.indptr[:-1])
    return 1 + (keys > best[:, None]).sum(1)
