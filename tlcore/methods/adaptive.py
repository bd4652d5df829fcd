"""Classifiers that adapt as they learn: they answer the target's rows by a problem of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from tlcore.methods.base import Method, Seen, Solution
from tlcore.methods.components import balanced, class_differences, floored, mean_difference, of_norm_one, to_one_length
from tlcore.methods.features import CORAL, batches, flow_root
from tlcore.methods.kernels import gaussian, median_squared_distance, spread, squared_distances

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


class _Adaptive(Method):
    """A solver on φ = the source model's body, or on the rows of a table."""

    family = "feature"
    serves = ("transductive",)
    needs = frozenset({"classes", "rows"})
    trains_on = ("source",)
    on_features = True
    needs_unlabelled = True


class MEDA(_Adaptive):
    """min over f in a kernel's space of  Σ_source (y − f)² + η‖f‖² + λ·D_f(S, T) + ρ·fᵀLf, on rows in G^½.

    Manifold embedded distribution alignment: rows go through the geodesic flow kernel (`GFK`) and to length one; D_f
    is how far the means of f are apart in the domains as wholes and in each class, in a proportion estimated from how
    well the domains can be told apart, of norm one as in `JDA`; L is the Laplacian of the nearest neighbours, weighed
    by their cosines; f's kernel is exp(−‖a − b‖²/2). The proportion and the target's answers are guessed anew
    ``iterations`` times; the domains are told apart by ridge regression, in closed form, where the paper takes a linear
    SVM. f rests on at most ``landmarks`` rows, and on all of them it is the published problem. Use it where classes are
    shared and neighbours are mostly of one class; where the first guesses are poor, it confirms them.

    References
    ----------
    Wang, Feng, Chen, Yu, Huang & Yu, Visual domain adaptation with manifold embedded distribution alignment, ACM
    Multimedia 2018.
    """

    name = "meda"
    reference = "Wang et al., ACM MM 2018"

    dimensions: int = Field(20, ge=1, le=4096, description="Dimensions of each domain's subspace.")
    shrinkage: float = Field(0.1, gt=0, le=1e6, description="η, what keeps f small.")
    alignment: float = Field(10.0, ge=0, le=1e6, description="λ, how much the domains' agreement counts.")
    smoothness: float = Field(1.0, ge=0, le=1e6, description="ρ, how much neighbours' agreement counts.")
    neighbours: int = Field(10, ge=1, le=1000, description="Neighbours of a row in the Laplacian.")
    iterations: int = Field(10, ge=1, le=100, description="How often the target's answers are guessed anew.")
    landmarks: int = Field(2500, ge=2, le=20_000, description="Rows that f rests on, at most.")

    def solve(self, seen: Seen) -> Solution:
        """Iterate the closed form until the guesses stay."""
        from scipy.linalg import solve

        answers, n, m = seen.source.answers, len(seen.source), len(seen.unlabelled)
        root = flow_root(seen.source.inputs, seen.unlabelled, self.dimensions)
        lifted = np.concatenate([seen.source.inputs, seen.unlabelled]) @ root
        rows = to_one_length(lifted, 1.0)
        places = spread(n + m, self.landmarks)
        kernel, among = gaussian(rows, rows[places], WIDTH), gaussian(rows[places], rows[places], WIDTH)
        fixed = kernel[:n].T @ kernel[:n] + self.shrinkage * among
        if self.smoothness:
            fixed += self.smoothness * (kernel.T @ (laplacian(rows, self.neighbours) @ kernel))
        fixed = floored(fixed)  # landmarks may be alike
        right = kernel[:n].T @ np.eye(seen.answers)[answers]
        guessed = seen.classify(to_one_length(rows[:n]), answers, groups=seen.source.groups)(
            to_one_length(rows[n:])
        ).argmax(1)
        whole = np.sqrt(len(np.unique(answers))) * mean_difference(n, m)
        coefficients = np.zeros((len(places), seen.answers))
        for _ in range(self.iterations):
            balance = _balance(lifted[:n], lifted[n:], answers, guessed)
            apart = of_norm_one(balanced(whole, class_differences(answers, guessed, m), balance)).T @ kernel
            coefficients = solve(fixed + self.alignment * apart.T @ apart, right, assume_a="pos")
            previous, guessed = guessed, (kernel[n:] @ coefficients).argmax(1)
            if np.array_equal(previous, guessed):
                break

        def predict(inputs: np.ndarray) -> np.ndarray:
            asked = to_one_length(inputs @ root, 1.0)
            return np.asarray(gaussian(asked, rows[places], WIDTH) @ coefficients) * SHARPNESS

        landmarks = f"; approximate: {len(places):,} of {n + m:,} rows as landmarks" if n + m > len(places) else ""
        return Solution(predict, f"classes count {balance:.2f} of the alignment{landmarks}")


WIDTH = 2.0
"""Of MEDA's kernel: 2σ² with σ the mean length of its rows, which is one."""

SHARPNESS = 5.0
"""What answers that were fitted to 0 and 1 are multiplied by before the softmax."""


def laplacian(rows: np.ndarray, neighbours: int) -> csr_matrix:
    """Return  I − D^(−½)·W·D^(−½)  of the nearest neighbours' graph of rows of length one, W their cosines.

    A row is its own neighbour besides the others, as in the authors' program; a negative cosine counts nothing.
    """
    from scipy.sparse import diags_array, eye_array
    from sklearn.neighbors import kneighbors_graph

    graph: Any = kneighbors_graph(rows, min(neighbours, len(rows) - 1), mode="distance")
    graph.data = (1 - graph.data**2 / 2).clip(0)
    graph = graph.maximum(graph.T) + diags_array((rows**2).sum(1))
    degrees = np.asarray(graph.sum(1)).ravel()
    scale = diags_array(1 / np.sqrt(np.where(degrees > 0, degrees, 1)))
    return (eye_array(len(rows)) - scale @ graph @ scale).tocsr()


def _balance(source: np.ndarray, target: np.ndarray, answers: np.ndarray, guessed: np.ndarray) -> float:
    """Estimate how much classes should count: the share that the distances within classes have of all."""
    whole = proxy_distance(source, target)
    within = [
        proxy_distance(source[answers == kind], target[guessed == kind])
        for kind in np.intersect1d(answers, guessed)
        if min((answers == kind).sum(), (guessed == kind).sum()) > 1
    ]
    apart = float(np.mean(within)) if within else 0.0
    return apart / (whole + apart) if whole + apart > 0 else 0.5


def proxy_distance(source: np.ndarray, target: np.ndarray) -> float:
    """Return the proxy A-distance  2·(1 − 2ε), ε the error of ridge regression in telling the domains apart.

    References
    ----------
    Ben-David, Blitzer, Crammer & Pereira, Analysis of representations for domain adaptation, NeurIPS 2006.
    """
    from sklearn.linear_model import RidgeClassifier

    rows = np.concatenate([source, target])
    domain = np.concatenate([np.ones(len(source)), -np.ones(len(target))])
    weights = np.where(domain > 0, 1 / len(source), 1 / len(target))
    right = RidgeClassifier().fit(rows, domain, sample_weight=weights).predict(rows) == domain
    return max(0.0, 2 * (2 * float(np.average(right, weights=weights)) - 1))


class EasyTL(_Adaptive):
    """min over M of  Σ_cj D_cj·M_cj  with Σ_c M_cj = 1, Σ_j M_cj ≥ 1, 0 ≤ M ≤ 1: target row j belongs to class c.

    Easy transfer learning: D is the distance of a target row to the mean of a class of the source. A linear program
    without a parameter; each class gets some target row. Works best on rows that were aligned; here they are first
    given the target's covariance (`CORAL`) unless ``align`` is off. A class that the target lacks is forced on it.

    References
    ----------
    Wang, Chen, Yu, Huang & Yang, Easy transfer learning by exploiting intra-domain structures, ICME 2019.
    """

    name = "easytl"
    reference = "Wang et al., ICME 2019"

    align: bool = Field(True, description="Whether source rows are given the target's covariance first.")

    def solve(self, seen: Seen) -> Solution:
        """Solve the program for the rows that are asked about, all at once."""
        rows, answers = seen.source.inputs, seen.source.answers
        if self.align:
            rows = CORAL().feature_map(seen)[0](rows)
        kinds, counts = np.unique(answers, return_counts=True)
        centres = np.eye(seen.answers)[answers].T[kinds] @ rows / counts[:, None]

        def predict(inputs: np.ndarray) -> np.ndarray:
            distances = np.sqrt(squared_distances(inputs, centres))
            shares = assignment(distances) if len(inputs) >= len(kinds) else np.eye(len(kinds))[distances.argmin(1)]
            outputs = np.full((len(inputs), seen.answers), -SHARPNESS * 2)
            nearness = -distances / max(float(distances.std()), 1e-12)
            outputs[:, kinds] = nearness - nearness.max(1, keepdims=True) + SHARPNESS * shares
            return outputs

        return Solution(predict)


def assignment(distances: np.ndarray) -> np.ndarray:
    """Return M (m, K) of `EasyTL` for distances (m, K)."""
    from scipy.optimize import linprog
    from scipy.sparse import eye_array, kron

    m, number = distances.shape
    one_each: Any = kron(eye_array(m), np.ones((1, number)), format="csr")
    some_each: Any = kron(np.ones((1, m)), -eye_array(number), format="csr")
    found = linprog(distances.ravel(), some_each, -np.ones(number), one_each, np.ones(m), bounds=(0, 1), method="highs")
    return np.asarray(found.x).reshape(m, number)


class JDOT(_Adaptive):
    """min over f, γ of  Σᵢⱼ γᵢⱼ·(α·‖sᵢ − tⱼ‖² + ‖yᵢ − f(tⱼ)‖²) + η‖f‖²: source pairs move to target pairs (t, f(t)).

    Joint distribution optimal transport: rows and answers together take the cheapest plan γ, and f learns from the
    answers that arrive; in turn, ``iterations`` times. f is a ridge regression, to 0 and 1 where answers are classes,
    on a Gaussian kernel with at most ``landmarks`` rows of the target. Distances are divided by their largest. It needs
    about equal class frequencies. Beyond ``batch`` rows plans are between random batches.

    References
    ----------
    Courty, Flamary, Habrard & Rakotomamonjy, Joint distribution optimal transportation for domain adaptation, NeurIPS
    2017.
    """

    name = "jdot"
    needs = frozenset({"labels", "rows"})
    reference = "Courty et al., NeurIPS 2017"

    distance_weight: float = Field(1.0, gt=0, le=1e6, description="α, how much the rows' distance counts.")
    shrinkage: float = Field(1.0, gt=0, le=1e6, description="η, what keeps f small.")
    iterations: int = Field(10, ge=1, le=100, description="How often plan and f are found in turn.")
    landmarks: int = Field(1000, ge=2, le=20_000, description="Rows that f rests on, at most.")
    batch: int = Field(2000, ge=10, le=20_000, description="Rows of a domain in one plan, at most.")

    def solve(self, seen: Seen) -> Solution:
        """Alternate between the plan and f."""
        from scipy.linalg import solve

        source, target = seen.source.inputs, seen.unlabelled
        wanted, m = seen.wanted, len(target)
        width = median_squared_distance(target)
        places = spread(m, self.landmarks)
        kernel, among = gaussian(target, target[places], width), gaussian(target[places], target[places], width)
        fixed = kernel.T @ kernel + self.shrinkage * among
        fixed[np.diag_indices(len(fixed))] += 1e-6 * fixed.diagonal().mean()
        pairs = batches(m, len(source), self.batch, 1, seen.seed)
        answered = np.zeros((m, seen.answers))
        coefficients = np.zeros((len(places), seen.answers))
        for step in range(self.iterations):
            arrived = np.zeros_like(answered)
            for mine, theirs in pairs:
                cost = self.costs(source[theirs], target[mine])
                if step:
                    cost += squared_distances(wanted[theirs], answered[mine])
                plan = cheapest(cost)
                arrived[mine] = (plan / plan.sum(0)).T @ wanted[theirs]
            coefficients = solve(fixed, kernel.T @ arrived, assume_a="pos")
            previous, answered = answered, kernel @ coefficients
            if step and _same_answers(previous, answered):
                break

        sharpness = SHARPNESS if seen.answers > 1 else 1.0

        def predict(inputs: np.ndarray) -> np.ndarray:
            return np.asarray(gaussian(inputs, target[places], width) @ coefficients) * sharpness

        several = f"approximate: plans between batches of {self.batch:,} rows" if len(pairs) > 1 else ""
        return Solution(predict, several)

    def costs(self, source: np.ndarray, target: np.ndarray) -> np.ndarray:
        """α times the squared distances (n, m), the largest of which is one."""
        distances = squared_distances(source, target)
        return np.asarray(self.distance_weight * distances / max(distances.max(), 1e-300))


def _same_answers(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether guesses (m, K) have stayed: the classes, or the numbers to a thousandth of their spread."""
    if after.shape[1] > 1:
        return np.array_equal(before.argmax(1), after.argmax(1))
    return bool(np.abs(before - after).max() <= 1e-3 * after.std())


def cheapest(cost: np.ndarray) -> np.ndarray:
    """Return the plan γ (n, m) of least cost with uniform margins, by the network simplex."""
    from ot import emd

    one, other = (np.full(size, 1 / size) for size in cost.shape)
    return np.asarray(emd(one, other, cost, numItermax=1_000_000))
