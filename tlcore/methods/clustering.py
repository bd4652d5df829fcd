"""Groups found without any label, in the target alone: what transfer without labels must beat.

Σ over target rows of  min over k of ‖φ(x) − c_k‖²  is what most of them minimise over centres c.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from tlcore.evaluation.clusters import silhouette, stability
from tlcore.methods.base import Family, FeatureMap, Method, Predict, Seen, Solution

MOST_COLUMNS = 2000
"""Columns of sparse rows, such as words, in which groups are looked for."""


class Grouping(Method):
    """argmin over c of  Σ_target min_k ‖φ(x) − c_k‖²;  a subclass says which φ, or how groups are found instead."""

    family: ClassVar[Family] = "feature"
    serves = ("unsupervised",)
    needs = frozenset({"groups"})
    on_raw = True
    takes_sparse = True
    needs_unlabelled = True

    starts: int = Field(10, ge=1, le=1000, description="Starts of k-means, of which the one of least inertia counts.")

    parts: int = Field(
        5, ge=1, le=100, description="Pairs of parts of the rows by which it is seen how stable they are."
    )

    def studied(self, seen: Seen) -> Seen:
        """Find out once about the source what `find` asks of it, in place of its rows and answers."""
        return seen

    def carried(self, seen: Seen) -> FeatureMap:
        """φ, learned once, from the source."""
        return as_it_is

    def find(self, rows: np.ndarray, seen: Seen) -> Predict:
        """Find groups in rows (m, F), and return what says of rows how well they suit each group: (n, F) to (n, K)."""
        return nearest(centres_of(rows, seen.answers, seen.seed, self.starts))

    def solve(self, seen: Seen) -> Solution:
        """Find groups in the unlabelled target, and say how stable and how far apart they are."""
        cells = in_cells(seen.unlabelled)
        source = replace(seen.source, inputs=cells(seen.source.inputs))
        seen = self.studied(replace(seen, source=source, unlabelled=cells(seen.unlabelled)))
        place = self.carried(seen)
        rows = place(seen.unlabelled)
        predict = self.find(rows, seen)
        groups = predict(rows).argmax(1)
        known = {
            "stability": stability(lambda some: self.find(some, seen), rows, seen.seed, self.parts),
            "silhouette": silhouette(rows, groups, seen.seed),
        }
        return Solution(lambda inputs: predict(place(cells(inputs))), metrics=known)


class KMeans(Grouping):
    """argmin over c of  Σ_target min_k ‖x − c_k‖²  on raw x: clustering from scratch, at its simplest.

    References
    ----------
    Lloyd, Least squares quantization in PCM, IEEE Transactions on Information Theory 1982; started as Arthur &
    Vassilvitskii, k-means++, SODA 2007.
    """

    name = "kmeans"
    family = "baseline"
    reference = "Lloyd, IEEE TIT 1982"


class PCAKMeans(KMeans):
    """argmin over c of  Σ_target min_k ‖P(x − x̄) − c_k‖²,  P the first principal components of the target's own rows.

    References
    ----------
    Ding & He, K-means clustering via principal component analysis, ICML 2004.
    """

    name = "pca_kmeans"
    reference = "Ding & He, ICML 2004"

    components: int = Field(32, ge=1, le=1000, description="How many principal components are kept, at most.")

    def find(self, rows: np.ndarray, seen: Seen) -> Predict:
        """In the components of these rows."""
        place = principal(rows, self.components, seen.seed)
        predict = super().find(place(rows), seen)
        return lambda more: predict(place(more))


class Spectral(KMeans):
    """k-means on the first K eigenvectors of D^(−½)·W·D^(−½), W the graph of nearest neighbours among target rows.

    Groups may have any shape that is densely connected, and hang on the graph: where noise ties groups together they
    fall to one. A new row lies at the mean of its neighbours.

    References
    ----------
    Ng, Jordan & Weiss, On spectral clustering: analysis and an algorithm, NIPS 2001.
    """

    name = "spectral"
    reference = "Ng, Jordan & Weiss, NIPS 2001"

    neighbours: int = Field(10, ge=2, le=100, description="With how many nearest rows a row is tied.")

    def find(self, rows: np.ndarray, seen: Seen) -> Predict:
        """In the eigenvectors of the rows' graph, each row of them of length one."""
        place, vectors = by_graph(rows, seen.answers, self.neighbours, seen.seed)
        predict = super().find(vectors, seen)
        return lambda more: predict(place(more))


RIVALS: tuple[type[Grouping], ...] = (KMeans, PCAKMeans, Spectral)


class BestGrouping(Grouping):
    """Of k-means, k-means on principal components and spectral clustering of the target, the most stable one.

    The baseline of verdicts where no domain has labels. It is chosen without any: by how far groups that are found in
    two parts of the rows agree (`tlcore.evaluation.clusters.stability`), which can be wrong, too.

    References
    ----------
    Ben-Hur, Elisseeff & Guyon, A stability based method for discovering structure in clustered data, Pacific Symposium
    on Biocomputing 2002.
    """

    name = "best_grouping"
    family = "baseline"
    reference = "Ben-Hur, Elisseeff & Guyon, PSB 2002"

    def solve(self, seen: Seen) -> Solution:
        """Let each find groups."""
        found = {rival.name: rival(starts=self.starts, parts=self.parts).solve(seen) for rival in RIVALS}
        ranked = sorted(found, key=lambda name: -found[name].metrics["stability"])
        said = ", ".join(f"{name} {found[name].metrics['stability']:.3f}" for name in ranked)
        return found[ranked[0]]._replace(note=f"{ranked[0]}: stability {said}")


def in_cells(unlabelled: Any) -> FeatureMap:
    """Return the map from rows to float64 cells (n, F): of sparse rows, the `MOST_COLUMNS` columns that weigh most.

    Those with the largest sums of squares in unlabelled target rows, be they seen beside a source or alone.
    """
    if not hasattr(unlabelled, "toarray"):
        return lambda rows: np.asarray(rows, float)
    weights = np.asarray(unlabelled.multiply(unlabelled).sum(0)).ravel()
    columns = np.sort(np.argsort(-weights, kind="stable")[:MOST_COLUMNS])

    def cells(rows: Any) -> np.ndarray:
        written: np.ndarray = rows[:, columns].toarray().astype(float)
        return written

    return cells


def by_graph(rows: np.ndarray, number: int, neighbours: int, seed: int) -> tuple[FeatureMap, np.ndarray]:
    """Return the map to eigenvectors of the graph of nearest neighbours among rows (n, F), and those rows there (n, K).

    The first of D^(−½)·W·D^(−½), each row of them brought to length one; a new row lies at its neighbours' mean.
    """
    from scipy.sparse.linalg import eigsh
    from sklearn.neighbors import NearestNeighbors

    near = NearestNeighbors(n_neighbors=min(neighbours, len(rows) - 1)).fit(rows)
    graph = near.kneighbors_graph()
    graph = (graph + graph.T) / 2
    root = 1 / np.sqrt(np.asarray(graph.sum(1)).ravel())
    start = np.random.default_rng(seed).uniform(size=len(rows))
    normed = graph.multiply(root[:, None]).multiply(root).tocsr()
    vectors = of_length_one(eigsh(normed, min(number, len(rows) - 1), which="LA", v0=start)[1])

    def place(more: np.ndarray) -> np.ndarray:
        means: np.ndarray = near.kneighbors_graph(more).multiply(1 / near.n_neighbors) @ vectors
        return means

    return place, vectors


def principal(rows: np.ndarray, components: int, seed: int) -> FeatureMap:
    """Return the map  x ↦ P(x − x̄)  onto the first principal components of rows (n, F), at most n − 1 and F of them."""
    from sklearn.decomposition import PCA

    most = max(1, min(components, len(rows) - 1, rows.shape[1]))
    found = PCA(most, svd_solver="randomized", random_state=seed).fit(rows)
    return lambda some: found.transform(some)


def nearest(centres: np.ndarray) -> Predict:
    """Return what says  −‖x − c_k‖²  of rows (n, F) and centres (K, F), as (n, K)."""
    sizes = np.square(centres).sum(1)
    return lambda rows: 2 * rows @ centres.T - sizes - np.square(rows).sum(1, keepdims=True)


def centres_of(rows: np.ndarray, number: int, seed: int, starts: int, weights: np.ndarray | None = None) -> np.ndarray:
    """Return the centres (K, F) of least inertia among some starts of k-means++; fewer where rows are that few."""
    from sklearn.cluster import KMeans as Lloyd

    found = Lloyd(min(number, len(rows)), n_init=starts, random_state=seed).fit(rows, sample_weight=weights)
    centres: np.ndarray = found.cluster_centers_
    return centres


def of_length_one(rows: np.ndarray) -> np.ndarray:
    """Return rows (n, F) scaled to length one; a row of zeros stays as it is."""
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def as_it_is(rows: np.ndarray) -> np.ndarray:
    """Return rows as they are."""
    return rows
