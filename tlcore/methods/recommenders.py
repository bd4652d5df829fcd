"""Recommenders with a solver of their own: what a factor model must beat, and what two catalogues give them jointly."""

from __future__ import annotations

from abc import abstractmethod
from functools import reduce
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from pydantic import Field

from tlcore.examples import Predict
from tlcore.methods.base import Family, Method, Seen, Solution

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix
    from sklearn.base import RegressorMixin

    from tlcore.examples import Examples

BATCH = 1024  # pairs between two steps of `BPR`
CELLS = 2**24  # similarities at once, at most: 128 MB however large the catalogue


class _Recommender(Method):
    """Fits X (users, items), ones where a user chose an item; a subclass says how.

    Users of whom nothing is known get what is popular in the target: no recommender has better to offer them.
    """

    family: ClassVar[Family] = "baseline"
    serves = ("inductive",)
    needs = frozenset({"choices"})

    def solve(self, seen: Seen) -> Solution:
        """Fit the choices of the domains that the method trains on."""
        chosen = self.choices(seen.source, seen.target, seen.answers)
        return Solution(_or_popular(self.fit(chosen, seen.seed), np.diff(chosen.indptr), seen.target, seen.answers))

    def choices(self, source: Examples, target: Examples, answers: int) -> csr_matrix:
        """Return X."""
        return _matrix([source, target], answers)

    @abstractmethod
    def fit(self, chosen: csr_matrix, seed: int) -> Predict:
        """Return the scores of users with at least one choice in X."""


class Popularity(_Recommender):
    """score(u, i) = how many users chose i: the same list for everybody.

    What a recommender must beat before it may call itself personal.
    """

    name = "popularity"

    def fit(self, chosen: csr_matrix, seed: int) -> Predict:
        """Count."""
        counts = np.asarray(chosen.sum(0), np.float32).ravel()
        return lambda users: np.broadcast_to(counts, (len(users), len(counts)))


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

    def fit(self, chosen: csr_matrix, seed: int) -> Predict:
        """Keep the k largest cosines of each item, some items at a time."""
        from scipy.sparse import csr_matrix, vstack

        items = chosen.shape[1]
        by_item = csr_matrix(chosen.T)
        norms = np.sqrt(np.asarray(by_item.multiply(by_item).sum(1)).ravel())
        size = max(1, CELLS // items)
        nearest = []
        for start in range(0, items, size):
            cosines = by_item[start : start + size] @ chosen
            rows = start + np.repeat(np.arange(cosines.shape[0]), np.diff(cosines.indptr))
            scale = np.maximum(norms[rows] * norms[cosines.indices] + self.damping, 1e-12)
            cosines.data /= scale.astype(np.float32)
            cosines.data[cosines.indices == rows] = 0
            for row in np.flatnonzero(np.diff(cosines.indptr) > self.neighbours):
                of_item = cosines.data[cosines.indptr[row] : cosines.indptr[row + 1]]
                of_item[of_item < np.partition(of_item, -self.neighbours)[-self.neighbours]] = 0
            cosines.eliminate_zeros()
            nearest.append(cosines)
        similar = csr_matrix(vstack(nearest).T)
        return lambda users: (chosen[users] @ similar).toarray()


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
    most_items: int = Field(
        8000, ge=1, le=30_000, description="Only so many items, the most chosen, are in B, which is dense."
    )

    def fit(self, chosen: csr_matrix, seed: int) -> Predict:
        """Solve for B; an item that nobody chose, or beyond the most chosen, gets no score."""
        counts = chosen.getnnz(axis=0)
        columns = np.sort(np.argsort(-counts, kind="stable")[: min(self.most_items, int((counts > 0).sum()))])
        known = chosen[:, columns]
        gram = (known.T @ known).toarray().astype(float)
        gram[np.diag_indices_from(gram)] += self.ridge
        inverse = np.linalg.inv(gram)
        weights = (-inverse / inverse.diagonal()).astype(np.float32)
        np.fill_diagonal(weights, 0)

        def predict(users: np.ndarray) -> np.ndarray:
            scores = np.zeros((len(users), chosen.shape[1]), np.float32)
            scores[:, columns] = known[users] @ weights
            return scores

        return predict


class JointEASE(EASE):
    """EASE on both catalogues, the source's columns times w: target items also from what a user chose elsewhere.

    w = 1 pools both; w = 0 is `EASE` on the target alone. It needs users or items that are in both domains.

    References
    ----------
    Steck, Embarrassingly shallow autoencoders for sparse data, WWW 2019.
    """

    name = "joint_ease"
    family = "instance"
    trains_on = ("source", "target")

    source_weight: float = Field(0.5, ge=0, le=10, description="w, how much an interaction of the source counts.")

    def choices(self, source: Examples, target: Examples, answers: int) -> csr_matrix:
        """Return X with the source's choices as w."""
        return _matrix([source, target], answers, [self.source_weight, 1.0])


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

    def fit(self, chosen: csr_matrix, seed: int) -> Predict:
        """Alternate."""
        user_factors, item_factors = self.factorise(chosen, seed)
        return lambda users: user_factors[users] @ item_factors.T

    def factorise(self, chosen: csr_matrix, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Return U (users, factors) and V (items, factors)."""
        from implicit.als import AlternatingLeastSquares
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1, "blas"):  # once more, as the import above may just have brought a BLAS along
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
        return model.user_factors, model.item_factors


class CMF(ALS):
    """ALS on both catalogues with one vector a user: collective matrix factorisation.

    What a user chose in the source shapes the vector that meets the target's items; items in both catalogues have one
    vector too. Needs users or items in both domains.

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


class EMCDR(ALS):
    """Factorise both domains apart, learn g: U_source → U_target on users in both, and recommend to g(u_source).

    With n known choices in the target a user's vector is  (n·u_target + h·g(u_source)) / (n + h).  h = 0 is the
    paper's, where only users without any choice in the target are mapped. Made for cold users; needs users in both
    domains.

    References
    ----------
    Man, Shen, Jin & Cheng, Cross-domain recommendation: an embedding and mapping approach, IJCAI 2017.
    """

    name = "emcdr"
    family = "feature"
    reference = "Man et al., IJCAI 2017"
    trains_on = ("source", "target")

    mapping: Literal["linear", "mlp"] = Field("mlp", description="g: a ridge regression, or one hidden layer.")
    mapped_choices: float = Field(10.0, ge=0, le=1e4, description="h, how many choices the mapped vector is worth.")

    @property
    def needs_shared_inputs(self) -> bool:
        """The mapping is learned on users in both domains."""
        return True

    def solve(self, seen: Seen) -> Solution:
        """Factorise, map, mix."""
        source, target, answers, seed = seen.source, seen.target, seen.answers, seen.seed
        users = 1 + int(max(source.inputs.max(), target.inputs.max()))
        there, here = (_matrix([domain], answers, users=users) for domain in (source, target))
        elsewhere, known = np.diff(there.indptr), np.diff(here.indptr)
        both = (elsewhere > 0) & (known > 0)
        if not both.any():
            raise ValueError("emcdr learns its mapping from users with choices in both domains; there is none")
        of_source, _ = self.factorise(there, seed)
        of_target, item_factors = self.factorise(here, seed)
        mapped = self._mapping(seed).fit(of_source[both], of_target[both]).predict(of_source).astype(np.float32)
        trust = np.where(elsewhere > 0, self.mapped_choices or (known == 0), 0.0)[:, None]
        n = known[:, None]
        mixed = (n * of_target + trust * mapped) / np.maximum(n + trust, 1e-9)
        mixed = mixed.astype(np.float32)
        return Solution(
            _or_popular(lambda rows: mixed[rows] @ item_factors.T, elsewhere + known, target, answers),
            f"mapped on {both.sum()} users with choices in both domains",
        )

    def _mapping(self, seed: int) -> RegressorMixin:
        from sklearn.linear_model import RidgeCV
        from sklearn.neural_network import MLPRegressor
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        if self.mapping == "linear":
            return make_pipeline(StandardScaler(), RidgeCV(np.logspace(-1, 5, 13)))
        hidden = MLPRegressor(
            hidden_layer_sizes=(2 * self.factors,),
            activation="tanh",
            early_stopping=True,
            max_iter=2000,  # steps are few where users are
            random_state=seed,
        )
        return make_pipeline(StandardScaler(), hidden)


class BPR(_Recommender):
    """max over U, V, b of  Σ log σ(f(u)ᵢ − f(u)ⱼ) − ½λ(‖u‖² + ‖vᵢ‖² + ‖vⱼ‖² + bᵢ² + bⱼ²),  f(u)ᵢ = uᵀvᵢ + bᵢ.

    The sum runs over users u with pairs of an item i that they chose and one j that they did not. It learns an order,
    not values. Stochastic gradient ascent; each j is drawn uniformly from the catalogue: drawn by popularity, as some
    libraries do, it costs a third of recall here (docs/recommendation.md).

    References
    ----------
    Rendle, Freudenthaler, Gantner & Schmidt-Thieme, BPR: Bayesian personalized ranking from implicit feedback, UAI
    2009.
    """

    name = "bpr"
    reference = "Rendle et al., UAI 2009"

    factors: int = Field(128, ge=1, le=1024, description="Length of each user's and each item's vector.")
    ridge: float = Field(0.01, ge=0, le=10, description="λ, the weight of the squares of what a pair touches.")
    step_size: float = Field(0.1, gt=0, le=1, description="Length of a gradient step.")
    iterations: int = Field(200, ge=1, le=10_000, description="Passes over the choices.")
    most_samples: int = Field(10_000_000, ge=1, description="Pairs i, j at most: many choices get fewer passes.")

    def fit(self, chosen: csr_matrix, seed: int) -> Predict:
        """Climb, a thousand pairs at a time."""
        import torch

        random = torch.Generator().manual_seed(seed)
        users, items = (torch.from_numpy(part.astype(np.int64)) for part in chosen.nonzero())
        many_users, many_items = chosen.shape
        u = torch.randn(many_users, self.factors, generator=random) * 0.1
        v = torch.randn(many_items, self.factors, generator=random) * 0.1
        b = torch.zeros(many_items, 1)
        cells = (users * many_items + items).sort().values
        for _pass in range(max(1, min(self.iterations, self.most_samples // len(users)))):
            others = torch.randint(many_items, (len(users),), generator=random)
            drawn = users * many_items + others
            unchosen = cells[torch.searchsorted(cells, drawn).clamp(max=len(cells) - 1)] != drawn
            for rows in torch.randperm(len(users), generator=random).split(BATCH):
                rows = rows[unchosen[rows]]
                of, i, j = users[rows], items[rows], others[rows]
                # index_select, as u[of] takes five times as long
                wants, apart = u.index_select(0, of), v.index_select(0, i) - v.index_select(0, j)
                pull = torch.sigmoid(b[j] - b[i] - (wants * apart).sum(1, keepdim=True))
                u.index_add_(0, of, pull * apart - self.ridge * wants, alpha=self.step_size)
                for item, sign in ((i, 1), (j, -1)):
                    towards = sign * pull * wants - self.ridge * v.index_select(0, item)
                    v.index_add_(0, item, towards, alpha=self.step_size)
                    b.index_add_(0, item, sign * pull - self.ridge * b[item], alpha=self.step_size)
        return lambda rows: (u[torch.from_numpy(rows)] @ v.T + b.T).numpy()


def _or_popular(scores: Predict, choices: np.ndarray, target: Examples, answers: int) -> Predict:
    """Return the scores of users with choices, and of all others what is popular in the target."""
    popular = np.bincount(target.answers, minlength=answers).astype(np.float32)

    def predict(users: np.ndarray) -> np.ndarray:
        known = choices[np.minimum(users, len(choices) - 1)] * (users < len(choices)) > 0
        if known.all():
            return scores(users)
        everybody = np.tile(popular, (len(users), 1))
        if known.any():
            everybody[known] = scores(users[known])
        return everybody

    return predict


def _matrix(
    domains: list[Examples], answers: int, weights: list[float] | None = None, users: int | None = None
) -> csr_matrix:
    """Return X (users, items) of some domains, each times its weight; a choice in both counts once, as the larger."""
    from scipy.sparse import csr_matrix

    rows = max(1 + int(domain.inputs.max(initial=0)) for domain in domains) if users is None else users
    parts = [
        csr_matrix((np.full(len(domain), weight, np.float32), (domain.inputs, domain.answers)), (rows, answers))
        for domain, weight in zip(domains, weights or [1.0] * len(domains), strict=True)
    ]
    return reduce(lambda one, other: one.maximum(other), parts)
