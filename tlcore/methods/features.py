"""Feature transfer: a space φ in which the domains meet, found in closed form."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from tlcore.methods.base import FeatureMap, Method, Seen
from tlcore.methods.components import Mapped, Moved, principal
from tlcore.methods.kernels import squared_distances


class FeatureExtraction(Method):
    """Σ_target L(y, f(φ(x); θ)) from a random head, φ = the source model's body.

    As `Frozen`, but the head starts anew: for targets with other classes than the source's, or where the source's
    answers mislead.

    References
    ----------
    Sharif Razavian et al., CNN features off-the-shelf: an astounding baseline for recognition, CVPR workshops 2014.
    """

    name = "feature_extraction"
    data_alone = True
    family = "feature"
    serves = ("inductive",)
    reference = "Sharif Razavian et al., CVPR workshops 2014"
    on_features = True

    learning_rate: float = Field(2e-2, gt=0, le=1, description="Step size at the start of training.")


INNER, OUTER = 200, 10
"""Steps of Sinkhorn's algorithm, and how often what keeps classes apart is found anew."""


class PCA(Mapped):
    """φ(z) = Pᵀ(z − μ), the d directions of largest variance of both domains together.

    Knows of no domains; what it leaves out is noise, if one is lucky. The plain rival of every map here.

    References
    ----------
    Hotelling, Analysis of a complex of statistical variables into principal components, Journal of Educational
    Psychology 1933.
    """

    name = "pca"
    reference = "Hotelling, J. Educ. Psychol. 1933"

    def feature_map(self, seen: Seen) -> tuple[FeatureMap, FeatureMap]:
        """Return one map for both domains, (n, F) to (n, d)."""
        both = np.concatenate([seen.source.inputs, seen.unlabelled])
        mean = both.mean(0)
        directions = principal(both - mean, self.dimensions)
        return (lambda rows: (rows - mean) @ directions,) * 2


class SubspaceAlignment(Mapped):
    """φ(z) = (z − μ_S)·P_S·P_Sᵀ·P_T for the source, (z − μ_T)·P_T for the target.

    P are a domain's d principal directions (F, d); the source's are turned into those of the target. Cheap, with one
    number to choose: large d keeps noise, small d loses classes.

    References
    ----------
    Fernando, Habrard, Sebban & Tuytelaars, Unsupervised visual domain adaptation using subspace alignment, ICCV 2013.
    """

    name = "subspace_alignment"
    reference = "Fernando et al., ICCV 2013"

    def feature_map(self, seen: Seen) -> tuple[FeatureMap, FeatureMap]:
        """Return the maps of source and target rows, both (n, F) to (n, d)."""
        mean_source, mean_target = seen.source.inputs.mean(0), seen.unlabelled.mean(0)
        of_source = principal(seen.source.inputs - mean_source, self.dimensions)
        of_target = principal(seen.unlabelled - mean_target, self.dimensions)
        aligned = of_source @ of_source.T @ of_target
        return lambda rows: (rows - mean_source) @ aligned, lambda rows: (rows - mean_target) @ of_target


class GFK(Mapped):
    """φ(z) = z·G^½,  G = ∫₀¹ Φ(t)Φ(t)ᵀ dt  along the geodesic Φ from the source's to the target's subspace.

    The geodesic flow kernel compares two rows in all subspaces between those of the two domains' d principal
    directions at once. In closed form from the angles between them. Use it where the domains are turned against each
    other, as between cameras; it knows no classes, and d may be at most half the columns. It leaves the domains' means
    where they are, which the paper's columns, standardised in each domain, do not have: where they differ, take them
    away by ``centred``, a variant of ours.

    References
    ----------
    Gong, Shi, Sha & Grauman, Geodesic flow kernel for unsupervised domain adaptation, CVPR 2012.
    """

    name = "gfk"
    reference = "Gong et al., CVPR 2012"

    dimensions: int = Field(20, ge=1, le=4096, description="d, dimensions of each domain's subspace; at most F/2.")
    centred: bool = Field(False, description="Whether each domain's own mean is taken away first.")

    def feature_map(self, seen: Seen) -> tuple[FeatureMap, FeatureMap]:
        """Return the maps of source and target rows, both (n, F) to (n, 2d)."""
        source, target = seen.source.inputs, seen.unlabelled
        root = flow_root(source, target, self.dimensions)
        of_source, of_target = (rows.mean(0) if self.centred else np.zeros(rows.shape[1]) for rows in (source, target))
        return lambda rows: (rows - of_source) @ root, lambda rows: (rows - of_target) @ root


def flow_root(source: np.ndarray, target: np.ndarray, dimensions: int) -> np.ndarray:
    """Return `geodesic_root` (F, 2d) between the principal directions of rows (n, F) and (m, F).

    d is less than ``dimensions`` where a domain varies in fewer directions or has fewer than twice as many columns.
    """
    most = min(dimensions, max(1, target.shape[1] // 2))
    start, end = (principal(rows - rows.mean(0), most) for rows in (source, target))
    both = min(start.shape[1], end.shape[1])
    return geodesic_root(start[:, :both], end[:, :both])


def geodesic_root(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return R (F, 2d) with R·Rᵀ = ∫₀¹ Φ(t)Φ(t)ᵀ dt between two subspaces with orthonormal columns (F, d).

    With principal angles θ, P₁ = start·U the principal vectors and Q those orthogonal to the start::

        G = [P₁ Q] ½·[[1 + sin2θ/2θ, (1 − cos2θ)/2θ], [(1 − cos2θ)/2θ, 1 − sin2θ/2θ]] [P₁ Q]ᵀ
    """
    left, cosines, right = np.linalg.svd(start.T @ end)
    angles = np.arccos(cosines.clip(-1, 1))
    first = start @ left
    beside = end @ right.T - first * cosines
    second = beside / np.maximum(np.linalg.norm(beside, axis=0), 1e-12)
    ratio = np.sinc(2 * angles / np.pi)  # sin2θ / 2θ
    mixed = np.sin(angles) * np.sinc(angles / np.pi)  # (1 − cos2θ) / 2θ
    blocks = np.stack([np.stack([1 + ratio, mixed], -1), np.stack([mixed, 1 - ratio], -1)], -2) / 2
    values, vectors = np.linalg.eigh(blocks)
    roots = vectors * np.sqrt(values.clip(0))[:, None, :]
    one, two = (first * roots[:, 0, k] + second * roots[:, 1, k] for k in (0, 1))
    return np.concatenate([one, two], axis=1)


class CORAL(Moved):
    """φ(z) = (z − μ_S)·C_S^(−½)·C_T^(½) + μ_T for source features z, φ(z) = z for the target's.

    Source features take the target's mean and covariance, then a new head learns from them (and from target labels,
    if any). C is a domain's covariance plus ``shrinkage`` times its mean variance on the diagonal: at 1 the paper's
    cov + I, as its columns have variance 1, and the same map whatever the columns are measured in. Less makes noise
    of what few rows say of many columns. In closed form and linear in the number of rows; it cannot mend a shift that
    differs from class to class.

    References
    ----------
    Sun, Feng & Saenko, Return of frustratingly easy domain adaptation, AAAI 2016.
    """

    name = "coral"
    reference = "Sun, Feng & Saenko, AAAI 2016"
    shrinkage: float = Field(1.0, gt=0, le=1e3, description="Share of the mean variance added to each variance.")

    def feature_map(self, seen: Seen) -> tuple[FeatureMap, FeatureMap]:
        """Return the map of source rows and the identity for target rows, both (n, F) to (n, F)."""
        source, target = seen.source.inputs, seen.unlabelled
        mean_source, mean_target = source.mean(0), target.mean(0)
        colouring = _power(self._covariance(source), -0.5) @ _power(self._covariance(target), 0.5)
        return lambda rows: (rows - mean_source) @ colouring + mean_target, lambda rows: rows

    def _covariance(self, rows: np.ndarray) -> np.ndarray:
        """Return C; of rows that do not vary, which have no covariance to take or give, the identity."""
        centred = rows - rows.mean(0)
        covariance = centred.T @ centred / max(1, len(rows) - 1)
        size = float(np.trace(covariance)) / len(covariance)
        return covariance + self.shrinkage * (size or 1.0) * np.eye(len(covariance))


def _power(covariance: np.ndarray, exponent: float) -> np.ndarray:
    """C to a real power, for a symmetric positive definite C (F, F)."""
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * values.clip(1e-12 * values[-1]) ** exponent) @ vectors.T


class OptimalTransport(Moved):
    """φ(sᵢ) = Σⱼ γᵢⱼ·tⱼ / Σⱼ γᵢⱼ: each source row moves to where the cheapest plan γ takes it; target rows stay.

    γ = argmin  Σ γᵢⱼ·‖sᵢ − tⱼ‖² + ε·Σ γ·log γ + η·Σⱼ Σ_c ‖γ(rows of class c, j)‖₁^½  over plans with uniform
    margins; costs are divided by their mean. The last part keeps source rows of different classes from meeting in
    one target row. A row that was not there moves as its nearest does. It needs about equal class frequencies in both
    domains. Up to ``batch`` rows of a domain exact, beyond from plans between random batches, each row in
    ``passes`` of them, which is an approximation and blurs (Fatras et al., AISTATS 2020).

    References
    ----------
    Courty, Flamary, Tuia & Rakotomamonjy, Optimal transport for domain adaptation, IEEE TPAMI 2017.
    """

    name = "optimal_transport"
    needs = frozenset({"classes", "rows", "linear head"})
    reference = "Courty et al., IEEE TPAMI 2017"

    entropy: float = Field(0.05, gt=0, le=1e3, description="ε, how blurred the plan is, as a share of the mean cost.")
    class_weight: float = Field(0.1, ge=0, le=1e3, description="η, what keeps classes apart, as a share of it.")
    batch: int = Field(2000, ge=10, le=20_000, description="Rows of a domain in one plan, at most.")
    passes: int = Field(1, ge=1, le=100, description="Random batches that a source row is in, where there are several.")

    def note(self, seen: Seen) -> str:
        """Whether the plan is put together from batches."""
        most = max(len(seen.source), len(seen.unlabelled))
        return f"approximate: plans between batches of {self.batch:,} rows" if most > self.batch else ""

    def feature_map(self, seen: Seen) -> tuple[FeatureMap, FeatureMap]:
        """Return the map of source rows and the identity for target rows, both (n, F) to (n, F)."""
        source, target = seen.source.inputs, seen.unlabelled
        moved = np.zeros_like(source)
        pairs = batches(len(source), len(target), self.batch, self.passes, seen.seed)
        for mine, theirs in pairs:
            plan = self.plan(source[mine], target[theirs], seen.source.answers[mine])
            moved[mine] += plan @ target[theirs] / plan.sum(1, keepdims=True)
        moved /= np.bincount(np.concatenate([mine for mine, _ in pairs]), minlength=len(source))[:, None]

        def transport(rows: np.ndarray) -> np.ndarray:
            if np.array_equal(rows, source):
                return moved
            from sklearn.neighbors import NearestNeighbors

            nearest = NearestNeighbors(n_neighbors=1).fit(source).kneighbors(rows, return_distance=False)[:, 0]
            return np.asarray(rows + moved[nearest] - source[nearest])

        return transport, lambda rows: rows

    def plan(self, source: np.ndarray, target: np.ndarray, answers: np.ndarray) -> np.ndarray:
        """Return γ (n, m)."""
        from ot import sinkhorn

        cost = squared_distances(source, target)
        cost /= max(cost.mean(), 1e-300)
        one, other = (np.full(len(rows), 1 / len(rows)) for rows in (source, target))
        kinds = np.eye(1 + answers.max())[answers]
        plan = sinkhorn(one, other, cost, self.entropy, numItermax=INNER, warn=False)
        for _ in range(OUTER if self.class_weight else 0):  # the concave last part, linear about the plan so far
            together = kinds.T @ plan + 1e-3
            plan = sinkhorn(
                one,
                other,
                cost + self.class_weight * (kinds @ (0.5 / np.sqrt(together))),
                self.entropy,
                numItermax=INNER,
                warn=False,
            )
        return np.asarray(plan)


def batches(n: int, m: int, size: int, passes: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return pairs of source and target rows so that no part is larger than ``size``: all of both if they fit.

    Each source row is in ``passes`` of them.
    """
    if max(n, m) <= size:
        return [(np.arange(n), np.arange(m))]
    rng = np.random.default_rng(seed)
    pairs = []
    for _ in range(passes):
        for mine in np.array_split(rng.permutation(n), -(-n // size)):
            pairs.append((mine, rng.choice(m, min(size, m), replace=False)))
    return pairs
