"""Transfer components: a few directions in which the domains meet, from one symmetric eigenproblem.

Rows B (n, r) of both domains, source first, are either the features themselves or their kernel values with at most
``landmarks`` rows. With E (n, k) so that EᵀB are the k differences of means that should vanish, ‖EEᵀ‖ = 1, and H
centring::

    max over A (r, d) of  tr(Aᵀ BᵀHB A)   subject to   Aᵀ (BᵀE EᵀB + μI) A = I

The columns of A are then scaled to length one, as the authors' programs give them: the further a direction is from
agreement, the less it counts among the others. Scaled to one variance instead, all d count alike, noise as much as the
rest, and JDA's published accuracies fall by 25 to 32 points. Linear in the number of rows.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from tlcore.methods.base import FeatureMap, Method, Seen
from tlcore.methods.kernels import gaussian, median_squared_distance, spread

ZERO = 1e-10  # of the largest eigenvalue
TINY = 1e-300


class Moved(Method):
    """Σ_source L + Σ_target L on rows in closed form; a subclass says what φ is."""

    family = "feature"
    trains_on = ("source", "target")
    on_features = True
    needs_unlabelled = True
    data_alone = True
    needs = frozenset({"linear head"})

    learning_rate: float = Field(2e-2, gt=0, le=1, description="Step size at the start of training.")


class Mapped(Moved):
    """Σ_source L + Σ_target L on few numbers for each row; a subclass says which."""

    needs = frozenset({"rows", "linear head"})

    dimensions: int = Field(30, ge=1, le=4096, description="d, how many directions are kept, at most.")


class _Agreeing(Mapped):
    """φ(z) = Aᵀz or Aᵀk(z, ·) with this module's A; a subclass says which means should agree."""

    dimensions: int = Field(100, ge=1, le=4096, description="d, how many directions are kept, at most.")
    mu: float = Field(1.0, gt=0, le=1e6, description="μ, what keeps the directions short.")
    one_length: bool = Field(
        True, description="Whether rows are scaled to one length, before and after; off where few columns are sizes."
    )

    def prepared(self, rows: np.ndarray) -> np.ndarray:
        """Return rows (n, F) as the eigenproblem has them."""
        return to_one_length(rows, 1.0) if self.one_length else rows

    def finished(self, mapped: np.ndarray) -> FeatureMap:
        """Return the last step of φ for projected rows (n, d) of both domains, which makes their numbers about one."""
        if self.one_length:
            return to_one_length
        return of_size_one(mapped)


class TCA(_Agreeing):
    """φ(z) = Aᵀk(z, ·), the directions of largest variance in which the domains' means agree.

    Transfer component analysis: the two domains' mean embeddings coincide along A as far as μ lets them. k is a
    Gaussian kernel whose width is the median distance; with the inner product the columns themselves stand for k, the
    primal problem. Use it where the domains differ in their marginal distribution and share their classes; it knows
    no labels, so a direction that tells classes apart may go. The Gaussian kernel is taken with at most ``landmarks``
    rows: of both domains together so many are exact, more approximate.

    Rows have one length before and after, E is scaled, and d and μ are those of the comparison in Long et al. (ICCV
    2013). Pan et al. do neither: their μ is  μ/(1/n + 1/m)  here, with ``one_length`` off.

    References
    ----------
    Pan, Tsang, Kwok & Yang, Domain adaptation via transfer component analysis, IEEE Transactions on Neural Networks
    2011.
    """

    name = "tca"
    reference = "Pan et al., IEEE TNN 2011"

    kernel: Literal["linear", "rbf"] = Field("linear", description="k: the columns themselves, or a Gaussian.")
    landmarks: int = Field(1000, ge=2, le=20_000, description="Rows that the Gaussian is taken with, at most.")

    def feature_map(self, seen: Seen) -> tuple[FeatureMap, FeatureMap]:
        """Return one map for both domains, (n, F) to (n, d), rows of length √d unless ``one_length`` is off."""
        rows = self.prepared(np.concatenate([seen.source.inputs, seen.unlabelled]))
        basis = self.basis(rows)
        values = basis(rows)
        apart = of_norm_one(mean_difference(len(seen.source), len(seen.unlabelled)))
        directions = components(values, apart, self.mu, self.dimensions)
        finish = self.finished(values @ directions)

        def project(rows: np.ndarray) -> np.ndarray:
            return finish(basis(self.prepared(rows)) @ directions)

        return project, project

    def note(self, seen: Seen) -> str:
        """How many landmarks stand for how many rows, where not all do."""
        n = len(seen.source) + len(seen.unlabelled)
        approximate = self.kernel == "rbf" and n > self.landmarks
        return f"approximate: {self.landmarks:,} of {n:,} rows as landmarks" if approximate else ""

    def basis(self, rows: np.ndarray) -> FeatureMap:
        """Return the map from prepared rows (n, F) to what stands for k(z, ·), (n, r)."""
        if self.kernel == "linear":
            span = principal(rows, rows.shape[1])  # all that any row has, so that nothing is lost
            return lambda z: z @ span
        places, width = spread(len(rows), self.landmarks), median_squared_distance(rows)
        return lambda z: gaussian(z, rows[places], width)


class JDA(_Agreeing):
    """φ(z) = Aᵀz, where the domains' means agree, and the means of each class: those of the target are guessed.

    Joint distribution adaptation, the primal problem: E holds the difference of the domains, √K times, and one for
    each of the K classes, that of a class which no target row is taken for being the source's mean; guessed anew
    ``iterations`` times. Rows have one length before and after. Use it where classes moved each in its own way; where
    the first guesses are poor it goes astray with them. The paper takes μ = 1 for photographs and 0.1 for digits.

    References
    ----------
    Long, Wang, Ding, Sun & Yu, Transfer feature learning with joint distribution adaptation, ICCV 2013; √K is in the
    authors' program alone.
    """

    name = "jda"
    needs = frozenset({"classes", "rows", "linear head"})
    reference = "Long et al., ICCV 2013"

    iterations: int = Field(10, ge=1, le=100, description="How often the target's answers are guessed anew.")

    @property
    def balance(self) -> float:
        """How much the classes count against the domains as wholes."""
        return 0.5

    def feature_map(self, seen: Seen) -> tuple[FeatureMap, FeatureMap]:
        """Return one map for both domains, (n, F) to (n, d), rows of length √d unless ``one_length`` is off."""
        answers, n, m = seen.source.answers, len(seen.source), len(seen.unlabelled)
        rows = self.prepared(np.concatenate([seen.source.inputs, seen.unlabelled]))
        span = principal(rows, rows.shape[1])  # all that any row has, so that nothing is lost
        inside = rows @ span
        whole = np.sqrt(len(np.unique(answers))) * mean_difference(n, m)
        guessed = np.empty(0, int)
        for _ in range(self.iterations):
            apart = balanced(whole, class_differences(answers, guessed, m), self.balance)
            directions = components(inside, of_norm_one(apart), self.mu, self.dimensions)
            mapped = inside @ directions
            finish = self.finished(mapped)
            lifted = finish(mapped)
            previous, guessed = (
                guessed,
                seen.classify(lifted[:n], answers, groups=seen.source.groups)(lifted[n:]).argmax(1),
            )
            if np.array_equal(previous, guessed):
                break
        directions = span @ directions

        def project(rows: np.ndarray) -> np.ndarray:
            return finish(self.prepared(rows) @ directions)

        return project, project


class BDA(JDA):
    """φ(z) = Aᵀz as `JDA`, with a balance b between the domains' means (1 − b) and those of the classes (b).

    Balanced distribution adaptation. b = 0 is transfer component analysis with the inner product, b = ½ is `JDA`; 1
    trusts the guessed classes alone. A large b is for classes that moved each in its own way, a small one for first
    guesses that are poor. The paper searches b with target labels; there is no published default.

    References
    ----------
    Wang, Chen, Hao, Feng & Shen, Balanced distribution adaptation for transfer learning, ICDM 2017.
    """

    name = "bda"
    reference = "Wang et al., ICDM 2017"

    class_share: float = Field(0.75, ge=0, le=1, description="b, how much the classes' means count.")

    @property
    def balance(self) -> float:
        """As chosen."""
        return self.class_share


class JGSA(Mapped):
    """φ(z) = Aᵀz for the source, Bᵀz for the target: two subspaces, near each other, in which the domains agree.

    Joint geometrical and statistical alignment:  max over A, B of  ::

        tr(β·Aᵀ S_b A + μ·Bᵀ S_t B)  /  (means apart as in `JDA` + λ‖A − B‖² + β·tr(Aᵀ S_w A) + μ‖B‖²)

    S_b and S_w are the source's scatter between and within classes, S_t is the target's, all sums over rows of length
    one; each column of A above B has length one. Use it where one subspace for both is too much to ask; with poor first
    guesses two subspaces go further astray than one. The paper takes d = 30 and β = 0.1 for photographs, d = 100 and
    β = 0.01 for digits. Where rows span more than ``widest`` directions, those of the largest sums of squares count.

    References
    ----------
    Zhang, Li & Ogunbona, Joint geometrical and statistical alignment for visual domain adaptation, CVPR 2017.
    """

    name = "jgsa"
    needs = frozenset({"classes", "rows", "linear head"})
    reference = "Zhang, Li & Ogunbona, CVPR 2017"

    nearness: float = Field(1.0, ge=0, le=1e6, description="λ, what keeps the two subspaces near.")
    mu: float = Field(1.0, gt=0, le=1e6, description="μ, how much the target's variance counts.")
    scatter: float = Field(0.1, ge=0, le=1e6, description="β, how much the source's classes count.")
    iterations: int = Field(10, ge=1, le=100, description="How often the target's answers are guessed anew.")
    widest: int = Field(800, ge=1, le=4096, description="Directions that rows may span without being reduced.")

    def feature_map(self, seen: Seen) -> tuple[FeatureMap, FeatureMap]:
        """Return the maps of source and target rows, both (n, F) to (n, d)."""
        from scipy.linalg import eigh

        answers, n, m = seen.source.answers, len(seen.source), len(seen.unlabelled)
        rows = to_one_length(np.concatenate([seen.source.inputs, seen.unlabelled]), 1.0)
        span = principal(rows, self.widest)
        of_source, of_target = rows[:n] @ span, rows[n:] @ span
        width = span.shape[1]
        kinds, place, counts = np.unique(answers, return_inverse=True, return_counts=True)
        centres = np.eye(len(kinds))[place].T @ of_source / counts[:, None]
        away = (centres - of_source.mean(0)) * np.sqrt(counts)[:, None]
        within = of_source - centres[place]
        centred = of_target - of_target.mean(0)
        eye = np.eye(width)
        above = np.zeros((2 * width, 2 * width))
        above[:width, :width] = self.scatter * away.T @ away
        above[width:, width:] = self.mu * centred.T @ centred
        fixed = np.zeros_like(above)
        fixed[:width, :width] = self.nearness * eye + self.scatter * within.T @ within
        fixed[width:, width:] = (self.nearness + self.mu) * eye
        fixed[:width, width:] = fixed[width:, :width] = -self.nearness * eye
        whole = np.sqrt(len(kinds)) * mean_difference(n, m)
        size = np.linalg.norm(whole)  # the authors divide by the norm of this part alone
        count = min(self.dimensions, width)
        guessed = seen.classify(to_one_length(rows[:n]), answers, groups=seen.source.groups)(
            to_one_length(rows[n:])
        ).argmax(1)
        for _ in range(self.iterations):
            apart = np.column_stack([whole, class_differences(answers, guessed, m)]) / size
            means = np.hstack([apart[:n].T @ of_source, apart[n:].T @ of_target])
            below = floored(fixed + means.T @ means)
            vectors = eigh(above, below, subset_by_index=(2 * width - count, 2 * width - 1))[1][:, ::-1]
            vectors = _signed(vectors / np.linalg.norm(vectors, axis=0))
            a, b = vectors[:width], vectors[width:]
            mapped = np.concatenate([of_source @ a, of_target @ b])
            finish = of_size_one(mapped)
            lifted = finish(mapped)
            previous, guessed = (
                guessed,
                seen.classify(lifted[:n], answers, groups=seen.source.groups)(lifted[n:]).argmax(1),
            )
            if np.array_equal(previous, guessed):
                break
        return _onto(span @ a, finish), _onto(span @ b, finish)


def _onto(directions: np.ndarray, finish: FeatureMap) -> FeatureMap:
    return lambda rows: finish(to_one_length(rows, 1.0) @ directions)


def mean_difference(n: int, m: int) -> np.ndarray:
    """Return e (n + m, 1) so that eᵀB is the mean of the first n rows of B less that of the other m."""
    return np.concatenate([np.full(n, 1 / n), np.full(m, -1 / m)])[:, None]


def class_differences(answers: np.ndarray, guessed: np.ndarray, m: int) -> np.ndarray:
    """E (n + m, K): as `mean_difference`, for each class of the source; none as long as nothing is guessed.

    Of a class that no target row is taken for only the source's mean is there, as in the authors' programs.
    """
    kinds = np.unique(answers)
    if not len(guessed):
        return np.empty((len(answers) + m, 0))
    source, target = ((one[:, None] == kinds).astype(float) for one in (answers, guessed))
    return np.concatenate([source / source.sum(0), -target / target.sum(0).clip(1)])


def balanced(whole: np.ndarray, classes: np.ndarray, balance: float) -> np.ndarray:
    """E whose EEᵀ has a share b from the classes' differences and 1 − b from that of the domains as wholes."""
    return np.column_stack([whole * np.sqrt(1 - balance), classes * np.sqrt(balance)])


def of_norm_one(differences: np.ndarray) -> np.ndarray:
    """Scale E (n, k) so that ‖EEᵀ‖ = 1, in Frobenius' norm; zeros stay."""
    size = np.sqrt(np.linalg.norm(differences.T @ differences))
    return np.asarray(differences / max(float(size), TINY))


def components(rows: np.ndarray, differences: np.ndarray, mu: float, dimensions: int) -> np.ndarray:
    """Return A (r, d) of this module's problem, its columns of length one, the best first.

    Parameters
    ----------
    rows : np.ndarray, shape (n, r)
        B.
    differences : np.ndarray, shape (n, k)
        E.
    mu : float
    dimensions : int
        d, fewer where B has fewer directions with any variance; one at least.
    """
    from scipy.linalg import eigh

    width = rows.shape[1]
    centred = rows - rows.mean(0)
    means = differences.T @ rows
    below = means.T @ means
    below[np.diag_indices(width)] += mu
    count = min(dimensions, width)
    values, vectors = eigh(centred.T @ centred, floored(below), subset_by_index=(width - count, width - 1))
    keep = values[::-1] > ZERO * max(values[-1], TINY)
    keep[0] = True
    vectors = vectors[:, ::-1][:, keep]
    return _signed(vectors / np.linalg.norm(vectors, axis=0))


def floored(matrix: np.ndarray) -> np.ndarray:
    """Add so little to the diagonal that a semidefinite matrix is positive definite for a computer, too."""
    floor = ZERO * max(float(np.trace(matrix)) / len(matrix), TINY)
    return np.asarray(matrix + floor * np.eye(len(matrix)))


def principal(rows: np.ndarray, most: int) -> np.ndarray:
    """Return the orthonormal directions (F, d) in which rows (n, F) have the largest sums of squares.

    Of centred rows these are the principal components. Directions in which no row goes are left out, so d may be less
    than ``most``; one is left at least.
    """
    from scipy.linalg import eigh

    n, width = rows.shape
    wide = width > n
    gram = rows @ rows.T if wide else rows.T @ rows
    count = min(most, len(gram))
    values, vectors = eigh(gram, subset_by_index=(len(gram) - count, len(gram) - 1))
    if values[-1] <= 0:
        return np.eye(width, 1)
    vectors = vectors[:, ::-1][:, values[::-1] > ZERO * values[-1]]
    if wide:
        vectors = rows.T @ vectors
        vectors /= np.linalg.norm(vectors, axis=0)
    return _signed(vectors)


def to_one_length(rows: np.ndarray, length: float | None = None) -> np.ndarray:
    """Scale each row (n, d) to one length, √d if left out, so that its numbers are about one; a row of zeros stays."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    wanted = np.sqrt(rows.shape[1]) if length is None else length
    return np.asarray(rows * (wanted / np.where(lengths > 0, lengths, 1)))


def of_size_one(mapped: np.ndarray) -> FeatureMap:
    """Return the division by one number that makes these rows' mean square one; the geometry stays."""
    size = float(np.sqrt(np.mean(mapped**2))) or 1.0
    return lambda rows: np.asarray(rows / size)


def _signed(vectors: np.ndarray) -> np.ndarray:
    """Turn each column so that its largest entry is positive: what an eigenproblem leaves open, decided."""
    largest = vectors[np.abs(vectors).argmax(0), np.arange(vectors.shape[1])]
    return np.asarray(vectors * np.where(largest < 0, -1, 1))
