"""Instance transfer: which source examples count, and how much."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from pydantic import Field

from tlcore.examples import Predict
from tlcore.methods.base import Method, Seen, Solution
from tlcore.methods.kernels import gaussian, mean_similarity, median_squared_distance, spread
from tlcore.splits import groups_of

EXACT_ROWS = 8000  # a kernel of all pairs then takes half a GB


class _Weighted(Method):
    """Σ_source wᵢ·L + Σ_target L from θ₀ = the source model; a subclass says what wᵢ is."""

    family = "instance"
    starts_from = "source"
    trains_on = ("source", "target")
    needs_unlabelled = True
    data_alone = True


class KMM(_Weighted):
    """wᵢ from  min over w of ‖mean wᵢ·ψ(sᵢ) − mean ψ(tⱼ)‖²  with 0 ≤ wᵢ ≤ B and |mean w − 1| ≤ ε.

    Kernel mean matching: source examples that look like target examples count more. ψ is the feature space of a
    Gaussian kernel on φ(x) whose width is the median distance. Right for covariate shift, where the domains overlap
    and an input has the same answer in both; of no use where they do not overlap. Beyond 8,000 source rows the kernel
    is K ≈ Z·Zᵀ, by Nyström's method with ``landmarks`` rows.

    References
    ----------
    Huang, Gretton, Borgwardt, Schölkopf & Smola, Correcting sample selection bias by unlabeled data, NeurIPS 2006.
    """

    name = "kmm"
    reference = "Huang et al., NeurIPS 2006"

    largest_weight: float = Field(1000.0, ge=1, le=1e4, description="B, the most that one source example can count.")
    slack: float | None = Field(
        None, ge=0, lt=1, description="ε, how far the mean weight may be from one; empty: (√n − 1)/√n of n examples."
    )
    iterations: int = Field(200, ge=1, le=10_000, description="Steps of the accelerated projected gradient.")
    landmarks: int = Field(1000, ge=2, le=8000, description="Rows that the kernel is taken with, of many.")

    def weights(self, seen: Seen) -> np.ndarray:
        """Solve  min ½ wᵀKw − κᵀw  by accelerated projected gradient (FISTA; Beck & Teboulle 2009); shape (n,)."""
        source, target = seen.source.inputs, seen.unlabelled
        width = median_squared_distance(np.concatenate([source, target]))
        product, largest = self._kernel(source, width)
        similarity = mean_similarity(source, target, width) * len(source)
        step = 1 / largest
        weights = previous = np.ones(len(source))
        momentum = 1.0
        for _ in range(self.iterations):
            following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
            ahead = weights + (momentum - 1) / following * (weights - previous)
            previous, momentum = weights, following
            weights = self._feasible(ahead - step * (product(ahead) - similarity))
        return weights

    def note(self, seen: Seen) -> str:
        """Whether the kernel is approximate."""
        n = len(seen.source)
        return f"approximate: {self.landmarks:,} of {n:,} source rows as landmarks" if n > EXACT_ROWS else ""

    def _kernel(self, source: np.ndarray, width: float) -> tuple[Callable[[np.ndarray], np.ndarray], float]:
        """Return w ↦ Kw and the largest eigenvalue of K."""
        if len(source) <= EXACT_ROWS:
            kernel = gaussian(source, source, width)
            return kernel.__matmul__, _largest_eigenvalue(kernel.__matmul__, len(source))
        chosen = source[spread(len(source), self.landmarks)]
        values, vectors = np.linalg.eigh(gaussian(chosen, chosen, width))
        keep = values > 1e-10 * values[-1]
        root = gaussian(source, chosen, width) @ (vectors[:, keep] / np.sqrt(values[keep]))

        def product(weights: np.ndarray) -> np.ndarray:
            return np.asarray(root @ (root.T @ weights))

        return product, _largest_eigenvalue(product, len(source))

    def _feasible(self, weights: np.ndarray) -> np.ndarray:
        """Project onto 0 ≤ w ≤ B with a mean within ε of one: shift all by one number, found by bisection."""
        clipped = weights.clip(0, self.largest_weight)
        slack = 1 - 1 / np.sqrt(len(weights)) if self.slack is None else self.slack
        mean = np.clip(clipped.mean(), 1 - slack, 1 + slack)
        if mean == clipped.mean():
            return clipped
        low, high = mean - weights.max() - 1, self.largest_weight + mean - weights.min() + 1
        for _ in range(60):
            shift = (low + high) / 2
            too_low = (weights + shift).clip(0, self.largest_weight).mean() < mean
            low, high = (shift, high) if too_low else (low, shift)
        return (weights + high).clip(0, self.largest_weight).astype(weights.dtype)


class KLIEP(_Weighted):
    """wᵢ = Σ_l α_l·k(sᵢ, c_l) from  max over α ≥ 0 of  mean log w(tⱼ)  with mean w(sᵢ) = 1.

    Kullback-Leibler importance estimation: w(x) approximates p_T(x)/p_S(x). k is a Gaussian whose centres c are target
    rows; its width, a share of the median squared distance, is the one with the largest mean log w at target rows that
    are held out, in five parts of at most 1,000 rows. The problem is that of a mixture's proportions, and is solved by
    their EM algorithm instead of the paper's projected gradient: no step size, and every step is feasible. In high
    dimensions few source rows get all the weight; look at how many count.

    References
    ----------
    Sugiyama, Suzuki, Nakajima, Kashima, von Bünau & Kawanabe, Direct importance estimation for covariate shift
    adaptation, Annals of the Institute of Statistical Mathematics 2008.
    """

    name = "kliep"
    reference = "Sugiyama et al., AISM 2008"

    width: float | None = Field(
        None,
        gt=0,
        le=1e3,
        description="Width of the kernel, a share of the median distance²; empty: held-out rows choose.",
    )
    centres: int = Field(100, ge=1, le=5000, description="Target rows that w rests on, at most.")
    iterations: int = Field(300, ge=1, le=10_000, description="Steps of the EM algorithm.")

    def weights(self, seen: Seen) -> np.ndarray:
        """Return w at the source rows, shape (n,), with mean one."""
        return self._ratio(seen)(seen.source.inputs)

    def _ratio(self, seen: Seen) -> Callable[[np.ndarray], np.ndarray]:
        """Return w."""
        source, target = seen.source.inputs, seen.unlabelled
        median = median_squared_distance(np.concatenate([source, target]))
        width = median * (self._chosen(source, target, median) if self.width is None else self.width)
        centres = target[spread(len(target), self.centres)]
        mass = gaussian(source, centres, width).mean(0).clip(1e-300)
        shares = proportions(gaussian(target, centres, width) / mass, self.iterations)
        return lambda rows: np.asarray(gaussian(rows, centres, width) @ (shares / mass))

    def _chosen(self, source: np.ndarray, target: np.ndarray, median: float) -> float:
        """Return the width of `WIDTHS` under which target rows that were held out are likeliest."""
        rows = target[np.lexsort(target.T)]  # whatever their order in a file, the parts are the same
        rows = rows[spread(len(rows), HELD_OUT)]
        places = spread(len(rows), self.centres)
        part, centre_part = np.arange(len(rows)) % PARTS, places % PARTS
        if len(rows) < 2 * PARTS:
            return 1.0

        def likelihood(width: float) -> float:
            mass = gaussian(source, rows[places], width * median).mean(0).clip(1e-300)
            densities = gaussian(rows, rows[places], width * median) / mass
            found = []
            for out in range(PARTS):
                known, asked = (densities[np.ix_(one, centre_part != out)] for one in (part != out, part == out))
                found.append(np.log((asked @ proportions(known, self.iterations)).clip(1e-300)).mean())
            return float(np.mean(found))

        return max(WIDTHS, key=likelihood)


WIDTHS, PARTS, HELD_OUT = (1.0, 0.5, 2.0, 0.2, 0.1), 5, 1000
"""Widths that `KLIEP` chooses from, in how many parts, from how many target rows at most."""


def proportions(densities: np.ndarray, iterations: int) -> np.ndarray:
    """Return the shares (c,) of a mixture that make rows (m, c) of its parts' densities likeliest, by EM."""
    shares = np.full(densities.shape[1], 1 / densities.shape[1])
    for _ in range(iterations):
        shares = shares * (densities / (densities @ shares).clip(1e-300)[:, None]).mean(0)
        shares /= max(shares.sum(), 1e-300)
    return np.asarray(shares)


class DensityRatio(_Weighted):
    """wᵢ = p(target | sᵢ)/p(source | sᵢ)·n/m, at most B: how much a domain classifier takes sᵢ for a target row.

    The classifier is logistic regression on columns of variance 1, with the domains counted alike; the paper has no
    bound. Linear in rows, hard to beat for covariate shift, as long as the domains overlap: where they can be told
    apart without error, every ratio is 0 or B.

    References
    ----------
    Bickel, Brückner & Scheffer, Discriminative learning under covariate shift, JMLR 2009.
    """

    name = "density_ratio"
    reference = "Bickel, Brückner & Scheffer, JMLR 2009"

    largest_weight: float = Field(20.0, ge=1, le=1e6, description="B, the most that one source example can count.")
    strength: float = Field(1.0, gt=0, le=1e6, description="C of the logistic regression: large is less smooth.")

    def weights(self, seen: Seen) -> np.ndarray:
        """Return the odds of the target, shape (n,)."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        source, target = seen.source.inputs, seen.unlabelled
        rows = np.concatenate([source, target])
        domain = np.repeat([0, 1], [len(source), len(target)])
        told = make_pipeline(
            StandardScaler(), LogisticRegression(C=self.strength, class_weight="balanced", max_iter=500)
        ).fit(rows, domain)
        return np.asarray(np.exp(told.decision_function(source).clip(-50, np.log(self.largest_weight))))


class DensitySelection(_Weighted):
    """wᵢ = 1 for the share q of source examples with the largest p_T(sᵢ)/p_S(sᵢ), 0 for the others.

    Both densities are Gaussian kernel estimates of one width h² = ``width``·median distance², each from at most
    ``centres`` rows. Selecting is more robust than weighing by the ratio itself, which a few rows would rule.

    References
    ----------
    Axelrod, He & Gao, Domain adaptation via pseudo in-domain data selection, EMNLP 2011 (selection by how likely an
    example is in each domain); Rosenblatt, Annals of Mathematical Statistics 1956 (the estimate).
    """

    name = "density_selection"
    reference = "Axelrod, He & Gao, EMNLP 2011"

    share: float = Field(0.5, gt=0, le=1, description="q, how many source examples are kept.")
    width: float = Field(0.25, gt=0, le=1e3, description="h², as a share of the median squared distance.")
    centres: int = Field(2000, ge=1, le=20_000, description="Rows of a domain that its density rests on, at most.")

    def weights(self, seen: Seen) -> np.ndarray:
        """1 where the ratio is among the largest, else 0; shape (n,)."""
        ratio = self.ratio(seen)
        kept = np.zeros(len(ratio))
        kept[np.argsort(-ratio, kind="stable")[: max(1, round(self.share * len(ratio)))]] = 1
        return kept

    def ratio(self, seen: Seen) -> np.ndarray:
        """Return  log p_T(sᵢ) − log p_S(sᵢ),  shape (n,)."""
        source, target = seen.source.inputs, seen.unlabelled
        width = self.width * median_squared_distance(np.concatenate([source, target]))
        there, here = (
            mean_similarity(source, rows[spread(len(rows), self.centres)], 2 * width) for rows in (source, target)
        )
        return np.log(here.clip(1e-300)) - np.log(there.clip(1e-300))


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

    def weights(self, seen: Seen) -> np.ndarray:
        """1 where a source row is among the k nearest of some target row, else 0; shape (n,)."""
        source, target = seen.source.inputs, seen.unlabelled
        from sklearn.neighbors import NearestNeighbors

        index = NearestNeighbors(n_neighbors=min(self.neighbours, len(source))).fit(source)
        selected = np.zeros(len(source))
        selected[np.unique(index.kneighbors(target, return_distance=False))] = 1
        return selected


class TrAdaBoost(Method):
    """A vote of classifiers, trained one after the other on weights that make source examples count less when wrong.

    After each of N rounds a source example that was got wrong is multiplied by  β = 1/(1 + √(2 ln n / N)),  a target
    example that was got wrong by  (1 − ε)/ε,  ε the weighted error on the target. The later half of the rounds votes,
    each with log((1 − ε)/ε). For few target labels and a source of which a part misleads; with a handful of labels ε
    is soon zero, and boosting stops.

    References
    ----------
    Dai, Yang, Xue & Yu, Boosting for transfer learning, ICML 2007.
    """

    name = "tradaboost"
    family = "instance"
    serves = ("inductive",)
    needs = frozenset({"classes", "rows"})
    reference = "Dai et al., ICML 2007"
    trains_on = ("source", "target")
    on_features = True

    rounds: int = Field(20, ge=1, le=1000, description="N, how many classifiers are trained.")

    def solve(self, seen: Seen) -> Solution:
        """Boost."""
        n = len(seen.source)
        rows = np.concatenate([seen.source.inputs, seen.target.inputs])
        answers = np.concatenate([seen.source.answers, seen.target.answers])
        groups = groups_of(seen.source, seen.target)
        weights = np.concatenate([np.full(part, 0.5 / part) for part in (n, len(seen.target))])
        fade = 1 / (1 + np.sqrt(2 * np.log(n) / self.rounds))
        voters: list[tuple[float, Predict]] = []
        for _ in range(self.rounds):
            predict = seen.classify(rows, answers, weights, groups)
            wrong = predict(rows).argmax(1) != answers
            error = float(np.average(wrong[n:], weights=weights[n:]))
            odds = (1 - error) / max(error, 1e-3)
            voters.append((np.log(max(odds, 1.001)), predict))
            if error == 0:
                break
            weights[:n] *= np.where(wrong[:n], fade, 1)
            weights[n:] *= np.where(wrong[n:], max(odds, 1.001), 1)
            weights /= weights.sum()
        late = voters[(len(voters) + 1) // 2 - 1 :]  # the rounds from the ⌈N/2⌉-th on
        share = weights[:n].sum() / weights.sum()

        def predict_all(inputs: np.ndarray) -> np.ndarray:
            votes = sum(vote * np.eye(seen.answers)[one(inputs).argmax(1)] for vote, one in late)
            return np.asarray(votes / sum(vote for vote, _ in late) * SHARPNESS)

        return Solution(predict_all, f"{len(late)} of {len(voters)} rounds vote; the source ended with {share:.0%}")


SHARPNESS = 5.0
"""What shares of votes are multiplied by before the softmax."""


def _largest_eigenvalue(product: Callable[[np.ndarray], np.ndarray], n: int, iterations: int = 20) -> float:
    """Power iteration on a positive matrix; a bound from above by its largest row sum is far too wide here."""
    vector = np.full(n, 1 / np.sqrt(n))
    value = 1.0
    for _ in range(iterations):
        vector = product(vector)
        value = float(np.linalg.norm(vector))
        vector /= value
    return 1.01 * value
