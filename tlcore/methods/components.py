"""Transfer components: a few directions in which the domains meet, from one symmetric eigenproblem.

Rows B (n, r) of both domains, source first, are either the features themselves or their kernel values with at most
``landmarks`` rows. With E (n, k) so that EᵀB are the k differences of means that should vanish, and H centring::

    max over A (r, d) of  tr(Aᵀ BᵀHB A)   subject to   Aᵀ (BᵀE EᵀB + μI) A = I

Linear in the number of rows. With all rows as landmarks it is the published problem exactly; with fewer it is its
Nyström approximation, and the trial's note says so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from pydantic import Field

from tlcore.methods.base import FeatureMap, Method, Seen
from tlcore.methods.kernels import gaussian, median_squared_distance, spread

ZERO = 1e-10  # of the largest eigenvalue


class Moved(Method):
    """Σ_source L + Σ_target L on rows in closed form; a subclass says what φ is."""

    family = "feature"
    trains_on = ("source", "target")
    on_features = True
    needs_unlabelled = True
    data_alone = True

    learning_rate: float = Field(2e-2, gt=0, le=1, description="Step size at the start of training.")


class Mapped(Moved):
    """Σ_source L + Σ_target L on few numbers for each row; a subclass says which."""

    tasks = ("classification",)

    dimensions: int = Field(30, ge=1, le=4096, description="d, how many directions are kept, at most.")


class TCA(Mapped):
    """φ(z) = Aᵀk(z, ·), the directions of largest variance in which the domains' means agree.

    Transfer component analysis: the two domains' mean embeddings coincide along A as far as μ lets them. k is a
    Gaussian kernel whose width is the median distance, or the inner product. Use it where the domains differ in their
    marginal distribution and share their classes; it knows no labels, so a direction that tells classes apart may go.
    Exact up to ``landmarks`` rows of both domains together, approximate beyond.

    References
    ----------
    Pan, Tsang, Kwok & Yang, Domain adaptation via transfer component analysis, IEEE Transactions on Neural Networks
    2011.
    """

    name = "tca"
    reference = "Pan et al., IEEE TNN 2011"

    kernel: Literal["linear", "rbf"] = Field("rbf", description="k: the inner product, or a Gaussian.")
    mu: float = Field(1.0, gt=0, le=1e6, description="μ, what keeps the directions short.")
    landmarks: int = Field(1000, ge=2, le=20_000, description="Rows that the kernel is taken with, at most.")

    def feature_map(self, seen: Seen) -> tuple[FeatureMap, FeatureMap]:
        """Return one map for both domains, (n, F) to (n, d); over both, each column has mean 0 and variance 1."""
        source, target = seen.source.inputs, seen.unlabelled
        basis = self.basis(np.concatenate([source, target]))
        rows = basis(np.concatenate([source, target]))
        directions = components(rows, mean_difference(len(source), len(target)), self.mu, self.dimensions)
        mean = rows.mean(0)

        def project(rows: np.ndarray) -> np.ndarray:
            return (basis(rows) - mean) @ directions

        return project, project

    def note(self, seen: Seen) -> str:
        """How many landmarks stand for how many rows, where not all do."""
        n = len(seen.source) + len(seen.unlabelled)
        return f"approximate: {self.landmarks:,} of {n:,} rows as landmarks" if n > self.landmarks else ""

    def basis(self, rows: np.ndarray) -> FeatureMap:
        """Return the map from rows (n, F) to kernel values (n, r) with the landmarks."""
        places = spread(len(rows), self.landmarks)
        if self.kernel == "linear":
            return lambda z: z @ rows[places].T
        width = median_squared_distance(rows)
        return lambda z: gaussian(z, rows[places], width)


class JDA(Mapped):
    """φ(z) = Aᵀz, where the domains' means agree, and the means of each class: those of the target are guessed.

    Joint distribution adaptation, the primal problem: E holds the difference of the domains and one for each class
    with target rows that the classifier takes for it; guessed anew ``iterations`` times. Rows are scaled to one
    length. Use it where classes moved each in its own way; where the first guesses are poor it goes astray with them.

    References
    ----------
    Long, Wang, Ding, Sun & Yu, Transfer feature learning with joint distribution adaptation, ICCV 2013.
    """

    name = "jda"
    reference = "Long et al., ICCV 2013"

    mu: float = Field(1.0, gt=0, le=1e6, description="μ, what keeps the directions short.")
    iterations: int = Field(10, ge=1, le=100, description="How often the target's answers are guessed anew.")

    @property
    def balance(self) -> float:
        """How much the classes count against the domains as wholes."""
        return 0.5

    def feature_map(self, seen: Seen) -> tuple[FeatureMap, FeatureMap]:
        """Return one map for both domains, (n, F) to (n, d), rows of length √d."""
        source, target, answers = seen.source.inputs, seen.unlabelled, seen.source.answers
        rows = np.concatenate([source, target])
        mean, guessed, n = rows.mean(0), np.empty(0, int), len(source)
        whole = mean_difference(n, len(target)) * np.sqrt(2 * (1 - self.balance))
        for _ in range(self.iterations):
            apart = class_differences(answers, guessed, len(target), seen.answers) * np.sqrt(2 * self.balance)
            differences = np.column_stack([whole, apart])
            gram = differences.T @ differences
            directions = components(rows, differences / np.sqrt(np.linalg.norm(gram)), self.mu, self.dimensions)
            lifted = to_one_length((rows - mean) @ directions)
            told = seen.classify(lifted[:n], answers, groups=seen.source.groups)
            previous, guessed = guessed, told(lifted[n:]).argmax(1)
            if np.array_equal(previous, guessed):
                break

        def project(rows: np.ndarray) -> np.ndarray:
            return to_one_length((rows - mean) @ directions)

        return project, project


class BDA(JDA):
    """φ(z) = Aᵀz as `JDA`, with a balance b between the domains' means (1 − b) and those of the classes (b).

    Balanced distribution adaptation. b = 0 is transfer component analysis with the inner product, b = ½ is `JDA`; 1
    trusts the guessed classes alone. A large b is for classes that moved each in its own way, a small one for first
    guesses that are poor.

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

    S_b and S_w are the source's covariance between and within classes, S_t is the target's (the paper sums over rows;
    means do not depend on how many there are). Use it where one subspace for both is too much to ask; with poor first
    guesses two subspaces go further astray than one. Columns beyond ``widest`` are first reduced by principal
    components.

    References
    ----------
    Zhang, Li & Ogunbona, Joint geometrical and statistical alignment for visual domain adaptation, CVPR 2017.
    """

    name = "jgsa"
    reference = "Zhang, Li & Ogunbona, CVPR 2017"

    nearness: float = Field(1.0, ge=0, le=1e6, description="λ, what keeps the two subspaces near.")
    mu: float = Field(1.0, gt=0, le=1e6, description="μ, how much the target's variance counts.")
    scatter: float = Field(0.1, ge=0, le=1e6, description="β, how much the source's classes count.")
    iterations: int = Field(10, ge=1, le=100, description="How often the target's answers are guessed anew.")
    widest: int = Field(300, ge=1, le=4096, description="Columns that are not reduced first.")

    def feature_map(self, seen: Seen) -> tuple[FeatureMap, FeatureMap]:
        """Return the maps of source and target rows, both (n, F) to (n, d)."""
        from scipy.linalg import eigh

        source, target, answers = seen.source.inputs, seen.unlabelled, seen.source.answers
        mean = np.concatenate([source, target]).mean(0)
        reduced = principal(np.concatenate([source, target]) - mean, self.widest)
        of_source, of_target = (source - mean) @ reduced, (target - mean) @ reduced
        n, m, width = len(source), len(target), reduced.shape[1]
        one_hot = np.eye(seen.answers)[answers]
        counts = one_hot.sum(0)
        centres = (one_hot.T @ of_source) / counts.clip(1)[:, None]
        away = (centres - of_source.mean(0)) * np.sqrt(counts)[:, None]
        within = of_source - centres[answers]
        centred = of_target - of_target.mean(0)
        eye = np.eye(width)
        above = np.zeros((2 * width, 2 * width))
        above[:width, :width] = self.scatter * away.T @ away / n
        above[width:, width:] = self.mu * centred.T @ centred / m
        guessed = seen.classify(of_source, answers, groups=seen.source.groups)(of_target).argmax(1)
        for _ in range(self.iterations):
            differences = np.column_stack([mean_difference(n, m), class_differences(answers, guessed, m, seen.answers)])
            differences /= np.sqrt(np.linalg.norm(differences.T @ differences))
            means = np.hstack([differences[:n].T @ of_source, differences[n:].T @ of_target])
            below = means.T @ means
            below[:width, :width] += self.nearness * eye + self.scatter * within.T @ within / n
            below[width:, width:] += (self.nearness + self.mu) * eye
            below[:width, width:] -= self.nearness * eye
            below[width:, :width] -= self.nearness * eye
            below += 1e-9 * np.trace(below) / len(below) * np.eye(len(below))
            count = min(self.dimensions, width)
            vectors = _signed(eigh(above, below, subset_by_index=(2 * width - count, 2 * width - 1))[1][:, ::-1])
            a, b = vectors[:width], vectors[width:]
            lifted = [to_one_length(rows @ part) for rows, part in ((of_source, a), (of_target, b))]
            told = seen.classify(lifted[0], answers, groups=seen.source.groups)
            previous, guessed = guessed, told(lifted[1]).argmax(1)
            if np.array_equal(previous, guessed):
                break
        return _onto(mean, reduced @ a), _onto(mean, reduced @ b)


def _onto(mean: np.ndarray, directions: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    return lambda rows: to_one_length((rows - mean) @ directions)


def mean_difference(n: int, m: int) -> np.ndarray:
    """Return e (n + m, 1) so that eᵀB is the mean of the first n rows of B less that of the other m."""
    return np.concatenate([np.full(n, 1 / n), np.full(m, -1 / m)])[:, None]


def class_differences(answers: np.ndarray, guessed: np.ndarray, m: int, number: int) -> np.ndarray:
    """E (n + m, k): as `mean_difference`, for each class that both domains have; none as long as nothing is guessed."""
    if not len(guessed):
        return np.empty((len(answers) + m, 0))
    source, target = np.eye(number)[answers], np.eye(number)[guessed]
    both = (source.sum(0) > 0) & (target.sum(0) > 0)
    source, target = source[:, both], target[:, both]
    return np.concatenate([source / source.sum(0), -target / target.sum(0)])


def components(rows: np.ndarray, differences: np.ndarray, mu: float, dimensions: int) -> np.ndarray:
    """Return A (r, d) of this module's problem, scaled so that the columns of (B − mean)·A have variance 1.

    Parameters
    ----------
    rows : np.ndarray, shape (n, r)
        B.
    differences : np.ndarray, shape (n, k)
        E.
    mu : float
    dimensions : int
        d, fewer where B has fewer directions with any variance.
    """
    from scipy.linalg import eigh

    width = rows.shape[1]
    centred = rows - rows.mean(0)
    means = differences.T @ rows
    below = means.T @ means
    below[np.diag_indices(width)] += mu
    above = centred.T @ centred
    count = min(dimensions, width, len(rows))
    values, vectors = eigh(above, below, subset_by_index=(width - count, width - 1))
    keep = values[::-1] > ZERO * max(values[-1], 1e-300)
    values, vectors = values[::-1][keep], vectors[:, ::-1][:, keep]
    return np.asarray(_signed(vectors) * np.sqrt(len(rows) / values))


def principal(centred: np.ndarray, dimensions: int) -> np.ndarray:
    """Return the directions (F, d) of largest variance of centred rows, orthonormal."""
    from scipy.linalg import eigh

    width = centred.shape[1]
    count = min(dimensions, width)
    vectors = eigh(centred.T @ centred, subset_by_index=(width - count, width - 1))[1]
    return _signed(vectors[:, ::-1])


def to_one_length(rows: np.ndarray) -> np.ndarray:
    """Scale each row (n, d) to length √d, so that its numbers are about one; a row of zeros stays."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows * (np.sqrt(rows.shape[1]) / np.where(lengths > 0, lengths, 1)))


def _signed(vectors: np.ndarray) -> np.ndarray:
    """Turn each column so that its largest entry is positive: what an eigenproblem leaves open, decided."""
    largest = vectors[np.abs(vectors).argmax(0), np.arange(vectors.shape[1])]
    return np.asarray(vectors * np.where(largest < 0, -1, 1))
