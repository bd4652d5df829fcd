"""Recommenders with a solver of their own: what a factor model must beat, and what two catalogues give them jointly."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import Field

from tlcore.methods.base import Family, Method

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from tlcore.scenarios.base import Examples, Predict


class _Recommender(Method):
    """Fits X (users, items), ones where a user chose an item; a subclass says how."""

    family: ClassVar[Family] = "baseline"
    serves = ("inductive",)
    tasks = ("ranking",)


class Popularity(_Recommender):
    """score(u, i) = how many users chose i: the same list for everybody.

    What a recommender must beat before it may call itself personal.
    """

    name = "popularity"

    def solve(self, source: Examples | None, target: Examples, answers: int, seed: int) -> Predict:
        """Count."""
        counts = np.bincount(target.answers, minlength=answers).astype(np.float32)
        return lambda users: np.broadcast_to(counts, (len(users), answers))


class ItemKNN(_Recommender):
    """score(u, ·) = x_u S,  S = the k largest cosines of each item with others, damped: xᵢᵀxⱼ / (‖xᵢ‖‖xⱼ‖ + h).

    Robust with few interactions; it cannot recommend an item that shares no user with what the user chose.

    References
    ----------
    Sarwar, Karypis, Konstan & Riedl, Item-based collaborative filtering recommendation algorithms, WWW 2001.
    """

    name = "item_knn"
    reference = "Sarwar et al., WWW 2001"

    neighbours: int = Field(50, ge=1, le=10_000, description="k, how many similar items count for each item.")
    damping: float = Field(20.0, ge=0, le=1e4, description="h, which keeps rare items from being similar by chance.")

    def solve(self, source: Examples | None, target: Examples, answers: int, seed: int) -> Predict:
        """Keep the k largest cosines of each column."""
        chosen = _matrix([target], answers)
        gram = (chosen.T @ chosen).toarray()
        norms = np.sqrt(gram.diagonal())
        cosines = gram / np.maximum(np.outer(norms, norms) + self.damping, 1e-12)
        np.fill_diagonal(cosines, 0)
        k = min(self.neighbours, answers)
        smallest_kept = np.partition(cosines, answers - k, axis=0)[answers - k]
        cosines[cosines < smallest_kept] = 0
        return lambda users: np.asarray(_rows(chosen, users) @ cosines)


class EASE(_Recommender):
    """min over B of  ‖X − XB‖² + λ‖B‖²  with a zero diagonal: each item from all the others, in closed form.

    With G = XᵀX + λ·1 and P = G⁻¹,  B = 1 − P·diag(1/P).  One inverse of (items, items), then no more training: hard to
    beat with some thousand items. λ is large because each item is explained by all others at once.

    References
    ----------
    Steck, Embarrassingly shallow autoencoders for sparse data, WWW 2019.
    """

    name = "ease"
    reference = "Steck, WWW 2019"

    ridge: float = Field(200.0, gt=0, le=1e6, description="λ, the weight of ‖B‖².")

    def solve(self, source: Examples | None, target: Examples, answers: int, seed: int) -> Predict:
        """Solve for B on the catalogue of the target."""
        return _ease(_matrix([target], answers), self.ridge)


class JointEASE(EASE):
    """EASE on both catalogues, the source's columns times w: target items also from what a user chose elsewhere.

    w = 1 pools both; w = 0 is `EASE` on the target alone. It needs users that are in both domains.

    References
    ----------
    Steck, Embarrassingly shallow autoencoders for sparse data, WWW 2019.
    """

    name = "joint_ease"
    family = "instance"
    trains_on = ("source", "target")

    source_weight: float = Field(0.5, ge=0, le=10, description="w, how much an interaction of the source counts.")

    def solve(self, source: Examples | None, target: Examples, answers: int, seed: int) -> Predict:
        """Solve for B on both catalogues."""
        assert source is not None
        return _ease(_matrix([source, target], answers, [self.source_weight, 1.0]), self.ridge)


class ALS(_Recommender):
    """min over U, V of  Σ c_ui (x_ui − uᵤᵀvᵢ)² + λ(‖U‖² + ‖V‖²),  c = 1 + α where chosen: alternating least squares.

    Every item that was not chosen counts as a weak no. The `implicit` library solves it.

    References
    ----------
    Hu, Koren & Volinsky, Collaborative filtering for implicit feedback datasets, ICDM 2008.
    """

    name = "als"
    reference = "Hu, Koren & Volinsky, ICDM 2008"

    factors: int = Field(32, ge=1, le=1024, description="Length of each user's and each item's vector.")
    ridge: float = Field(40.0, gt=0, le=1e6, description="λ, the weight of ‖U‖² + ‖V‖².")
    confidence: float = Field(10.0, gt=0, le=1e4, description="α, how much more a choice counts than a gap.")
    iterations: int = Field(15, ge=1, le=1000, description="Rounds of solving for users, then for items.")

    def solve(self, source: Examples | None, target: Examples, answers: int, seed: int) -> Predict:
        """Alternate, on the catalogues that the method trains on."""
        from implicit.als import AlternatingLeastSquares

        chosen = _matrix([target] if source is None else [source, target], answers)
        model = AlternatingLeastSquares(
            factors=self.factors,
            regularization=self.ridge,
            alpha=1 + self.confidence,
            iterations=self.iterations,
            random_state=seed,
            num_threads=1,
            use_gpu=False,
        )
        model.fit(chosen, show_progress=False)
        return lambda users: model.user_factors[users] @ model.item_factors.T


class CMF(ALS):
    """ALS on both catalogues with one vector a user: collective matrix factorisation.

    What a user chose in the source shapes the vector that meets the target's items. Needs users in both domains.

    References
    ----------
    Singh & Gordon, Relational learning via collective matrix factorization, KDD 2008.
    """

    name = "cmf"
    family = "parameter"
    reference = "Singh & Gordon, KDD 2008"
    trains_on = ("source", "target")

    factors: int = Field(64, ge=1, le=1024, description="Length of each user's and each item's vector.")
    ridge: float = Field(80.0, gt=0, le=1e6, description="λ, the weight of ‖U‖² + ‖V‖².")
    confidence: float = Field(20.0, gt=0, le=1e4, description="α, how much more a choice counts than a gap.")


def _ease(chosen: csr_matrix, ridge: float) -> Predict:
    """Return the scores of EASE; an item that nobody chose gets none."""
    columns = np.flatnonzero(np.asarray(chosen.sum(0)).ravel())
    known = chosen[:, columns]
    gram = (known.T @ known).toarray().astype(float)
    gram[np.diag_indices_from(gram)] += ridge
    inverse = np.linalg.inv(gram)
    weights = -inverse / inverse.diagonal()
    np.fill_diagonal(weights, 0)

    def predict(users: np.ndarray) -> np.ndarray:
        scores = np.zeros((len(users), chosen.shape[1]), np.float32)
        scores[:, columns] = _rows(known, users) @ weights
        return scores

    return predict


def _matrix(domains: list[Examples], answers: int, weights: list[float] | None = None) -> csr_matrix:
    """Return X (users, items) of some domains, each times its weight."""
    from scipy.sparse import csr_matrix

    users = np.concatenate([domain.inputs for domain in domains])
    items = np.concatenate([domain.answers for domain in domains])
    values = np.repeat(weights or [1.0] * len(domains), [len(domain) for domain in domains]).astype(np.float32)
    return csr_matrix((values, (users, items)), (int(users.max()) + 1, answers))


def _rows(chosen: csr_matrix, users: np.ndarray) -> csr_matrix:
    """Return some users' rows; a user of whom nothing is known has none."""
    from scipy.sparse import csr_matrix

    known = users < chosen.shape[0]
    rows = chosen[np.where(known, users, 0)]
    return csr_matrix(rows.multiply(known[:, None]))
