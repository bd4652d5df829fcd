"""The gap of a method to its baseline, and how sure one can be of it by its own data alone.

For one method and one label budget, ::

    d[s, i] = score of the method − score of the baseline,     same seed s, same test example i

with the sign turned where lower is better, so that a positive gap always speaks for the method. Seeds (which
target examples were labelled, how the network started) and test examples are both samples of something
larger, and both return in many cells of the table d: cells are not independent, and S·N of them are far fewer
than S·N pieces of evidence. `gap_interval` says how sure one can be of the mean gap over *new seeds and new
examples*; `tlcore.evaluation.family` says it of all methods of a run together.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf, sqrt

import numpy as np

CONFIDENCE = 0.95


@dataclass(frozen=True)
class GapEstimate:
    """The mean gap and how sure one can be of it.

    Attributes
    ----------
    gap, ci_low, ci_high : float
        In the metric's own unit; positive speaks for the method. Infinite bounds where the data say nothing
        of spread.
    p_value : float
        Two-sided, of the hypothesis that the gap is 0. Below 1 − confidence exactly when 0 is outside the
        interval.
    seeds : int
    standard_error : float
    degrees_of_freedom : float
        Of the Student t distribution with which interval and p-value were made.
    """

    gap: float
    ci_low: float
    ci_high: float
    p_value: float
    seeds: int
    standard_error: float
    degrees_of_freedom: float

    def below(self, value: float) -> float:
        """Return P(μ < value) as Student's t has it: a p-value of "not below", a posterior from a flat prior."""
        if not 0 < self.standard_error < inf:
            return 0.5 if self.gap == value or self.standard_error == inf else float(self.gap < value)
        from scipy.special import stdtr

        return float(stdtr(self.degrees_of_freedom, (value - self.gap) / self.standard_error))

    def beyond(self, margin: float) -> float:
        """Return the p-value of the hypothesis |μ| ≤ margin; of margin 0 it is `p_value`.

        Both tails at the end of the hypothesis that is nearest to the gap::

            p = P(T > (|d̄| − m) / se) + P(T > (|d̄| + m) / se)

        References
        ----------
        McCarthy & Smyth (2009), Testing significance relative to a fold-change threshold is a TREAT, Bioinformatics 25.
        """
        if not 0 < self.standard_error < inf:
            return 1.0 if self.standard_error == inf else float(abs(self.gap) <= margin)
        from scipy.special import stdtr

        ends = np.array([margin - abs(self.gap), -margin - abs(self.gap)]) / self.standard_error
        return float(min(1.0, stdtr(self.degrees_of_freedom, ends).sum()))

    def within(self, margin: float) -> float:
        """Return the p-value of the hypothesis |μ| ≥ margin: the larger of two one-sided tests.

        References
        ----------
        Schuirmann (1987), A comparison of the two one-sided tests procedure and the power approach, Journal of
        Pharmacokinetics and Biopharmaceutics 15.
        """
        return max(self.below(-margin), 1 - self.below(margin))


def gap_table(
    method_scores: Iterable[np.ndarray],
    baseline_scores: Iterable[np.ndarray],
    *,
    higher_is_better: bool = True,
) -> np.ndarray:
    """Pair the scores of a method with those of its baseline: d[s, i], positive where the method is better.

    Parameters
    ----------
    method_scores, baseline_scores : iterable of ndarray of shape (N,), one a seed
        Scores of the same test examples in the same order, as from
        `tlcore.evaluation.metrics.example_scores`.
    higher_is_better : bool
        False turns the sign, for losses.

    Returns
    -------
    ndarray of shape (S, N)

    Raises
    ------
    ValueError
        Where the two do not have the same seeds or test examples, or a score is NaN.
    """
    method, baseline = checked(method_scores), checked(baseline_scores)
    if method.shape != baseline.shape:
        raise ValueError(
            "A method and its baseline need the same seeds and test examples, but they have "
            f"{method.shape[0]} x {method.shape[1]} and {baseline.shape[0]} x {baseline.shape[1]} scores."
        )
    table: np.ndarray = method - baseline
    return table if higher_is_better else -table


@dataclass(frozen=True)
class Spread:
    """What a table of gaps says of its mean and of the spread around it.

    Attributes
    ----------
    gap : float
        d̄, the mean over all cells.
    seeds, examples : int
        S and N.
    of_seeds, of_examples, residual : float
        The mean squares of the two-way analysis of variance, MSₐ with S − 1 degrees of freedom, MS_b with N − 1, and
        MSₑ with (S − 1)(N − 1); 0 where there is no such degree of freedom.
    """

    gap: float
    seeds: int
    examples: int
    of_seeds: float
    of_examples: float
    residual: float

    @classmethod
    def of(cls, table: np.ndarray) -> Spread:
        """Return the spread of a table (S, N) as `checked` gives it."""
        seeds, examples = table.shape
        gap = float(table.mean())
        if np.ptp(table) == 0:  # exactly; the mean squares of equal numbers are not, after rounding
            return cls(gap, seeds, examples, 0.0, 0.0, 0.0)
        centred = table - gap
        rows, columns = centred.mean(axis=1), centred.mean(axis=0)
        residual = float(((centred - rows[:, None] - columns) ** 2).sum())
        return cls(
            gap,
            seeds,
            examples,
            examples * float(rows @ rows) / max(seeds - 1, 1),
            seeds * float(columns @ columns) / max(examples - 1, 1),
            residual / max((seeds - 1) * (examples - 1), 1),
        )

    def parts(self) -> tuple[float, float]:
        """Return A and B of `gap_interval`: what the factor with fewer levels shows of Var d̄, what the other adds."""
        few, many = self.of_seeds, self.of_examples
        if self.seeds > self.examples:
            few, many = many, few
        cells = self.seeds * self.examples
        if 1 in (self.seeds, self.examples):
            return 0.0, many / cells
        return few / cells, max(0.0, many - min(few, self.residual)) / cells

    def degrees(self) -> tuple[float, float]:
        """Return the degrees of freedom of both parts."""
        few, many = sorted((self.seeds, self.examples))
        return float(max(few - 1, 0)), float(many - 1)


def gap_interval(differences: np.ndarray | Iterable[np.ndarray], confidence: float = CONFIDENCE) -> GapEstimate:
    """Estimate the mean gap over new seeds and new test examples, with a confidence interval.

    Seeds and examples are crossed random effects, d[s, i] = μ + aₛ + bᵢ + eₛᵢ with variances σ²ₐ, σ²_b, σ²ₑ.
    The grand mean d̄ estimates μ, with ::

        Var d̄ = σ²ₐ/S + σ²_b/N + σ²ₑ/(S·N) = (E MSₐ + E MS_b − E MSₑ) / (S·N)

    in the mean squares of the two-way analysis of variance (MSₐ between seeds, MS_b between examples, MSₑ
    residual). It splits into the part A that the factor with fewer levels (nearly always seeds, and so
    written here) shows together with the residual, and the part B that the other factor adds::

        A = MSₐ / (S·N)    B = max(0, MS_b − min(MSₐ, MSₑ)) / (S·N)    standard error = √(A + B)

    so A + B is the usual estimate, and never below what either factor shows alone. Each part brings the
    uncertainty of its own few degrees of freedom, as in Cochran's approximation to the Behrens-Fisher
    problem::

        interval = d̄ ± √(A·t²_{S−1} + B·t²_{N−1}) = d̄ ± t_ν · √(A + B)

    and the second equality defines ν between S−1 and N−1, with which the p-value is made too.

    Parameters
    ----------
    differences : array of shape (S, N), or one sequence of N gaps for each of S seeds
        With N = 1 (a metric that exists for a whole test set only) the interval is about new seeds and *this*
        test set; with S = 1 about new examples and *this* seed, which says nothing of how much luck a seed
        brings: a verdict therefore asks for more.
    confidence : float in (0, 1)

    Returns
    -------
    GapEstimate
        One seed with one example tells nothing of spread: the interval is then infinite and the p-value 1.
        Where all differences are equal, the interval is that one value.

    Raises
    ------
    ValueError
        For no seed or no example, seeds with different numbers of examples, NaN or infinite differences, and
        a confidence outside (0, 1).

    Notes
    -----
    Why not Satterthwaite's degrees of freedom for the sum of mean squares? With three seeds they are
    themselves estimated from three numbers: when MSₐ comes out small by luck, they come out large by the same
    luck. In simulation of Gaussian effects a 95 % interval then covers as little as 92 % at S = 3; the one
    used here covers at least 94 % for S = 3, 5, 10 and N = 30, 200 at every mixture of the variances tried.
    The price is a wider interval where examples matter more than seeds: by up to 40 % at S = 3, by 15 % at
    S = 5. A plain t-test over all S·N cells covers from 95 % down to 9 %. (`python -m benchmarks.coverage`)

    References
    ----------
    Searle, Casella & McCulloch (1992), Variance Components: the mean squares of the crossed design.
    Satterthwaite (1946), An approximate distribution of estimates of variance components, Biometrics
    Bulletin 2.
    Cochran (1964), Approximate significance levels of the Behrens-Fisher test, Biometrics 20: weighted t².
    Owen (2007), The pigeonhole bootstrap, Annals of Applied Statistics 1: why crossed effects need this.

    Examples
    --------
    >>> estimate = gap_interval([[0, 1, 0, 1], [0, 1, 1, 1], [0, 1, 0, 0]])
    >>> round(estimate.gap, 3), round(estimate.ci_low, 3), round(estimate.ci_high, 3)
    (0.5, -0.359, 1.359)
    """
    spread = Spread.of(checked(differences))
    return estimate(spread, spread.parts(), spread.degrees(), confidence)


def estimate(
    spread: Spread, parts: tuple[float, float], degrees: tuple[float, float], confidence: float = CONFIDENCE
) -> GapEstimate:
    """Estimate a gap from the two parts A and B of its variance, each with its degrees of freedom.

    See `gap_interval`, in which both are the table's own; `tlcore.evaluation.family` knows A better.

    Raises
    ------
    ValueError
        For a confidence outside (0, 1).
    """
    if not 0 < confidence < 1:
        raise ValueError(f"The confidence must lie between 0 and 1, but it is {confidence}.")
    gap, seeds = spread.gap, spread.seeds
    if seeds == spread.examples == 1:
        return GapEstimate(gap, -inf, inf, 1.0, 1, inf, 0.0)
    standard_error = sqrt(sum(parts))
    freedom = _effective_degrees(parts, degrees, confidence)
    if standard_error == 0:
        return GapEstimate(gap, gap, gap, 1.0 if gap == 0 else 0.0, seeds, 0.0, freedom)

    from scipy.special import stdtr, stdtrit

    half_width = float(stdtrit(freedom, (1 + confidence) / 2)) * standard_error
    p_value = 2 * float(stdtr(freedom, -abs(gap) / standard_error))
    return GapEstimate(gap, gap - half_width, gap + half_width, p_value, seeds, standard_error, freedom)


def _effective_degrees(parts: tuple[float, float], degrees: tuple[float, float], confidence: float) -> float:
    """Return ν with (A + B)·t²_ν = A·t²_few + B·t²_many, between the two."""
    (few_part, many_part), (few, many) = parts, degrees
    if few_part == 0 or few == many:
        return many
    if many_part == 0:
        return few
    from scipy.optimize import brentq
    from scipy.special import stdtrit

    level = (1 + confidence) / 2
    t_few, t_many = float(stdtrit(few, level)), float(stdtrit(many, level))
    wanted = sqrt((few_part * t_few**2 + many_part * t_many**2) / (few_part + many_part))
    if not min(t_few, t_many) < wanted < max(t_few, t_many):  # rounding, where one part is next to nothing
        return few if abs(wanted - t_few) < abs(wanted - t_many) else many
    # In 1/ν, in which t is nearly a straight line.
    return 1 / float(brentq(lambda inverse: float(stdtrit(1 / inverse, level)) - wanted, 1 / many, 1 / few))


def checked(rows: np.ndarray | Iterable[np.ndarray]) -> np.ndarray:
    """Return a table (S, N) of float64.

    Raises
    ------
    ValueError
        If there is no seed or no example, seeds have different numbers of examples, or a number is NaN or infinite.
    """
    seeds = [np.asarray(row, dtype=float) for row in rows]
    if not seeds:
        raise ValueError("There is no seed, so there is no gap to judge.")
    if any(row.ndim != 1 for row in seeds):
        raise ValueError(f"Gaps must have shape (seeds, examples), but one seed's have shape {seeds[0].shape}.")
    counts = sorted({len(row) for row in seeds})
    if len(counts) > 1:
        raise ValueError(
            f"Every seed needs the same test examples, but their numbers go from {counts[0]} to {counts[-1]}."
        )
    if counts[0] == 0:
        raise ValueError("There is no test example, so there is no gap to judge.")
    table = np.stack(seeds)
    if not np.isfinite(table).all():
        missing = np.count_nonzero(~np.isfinite(table))
        raise ValueError(f"Scores must be numbers, but {missing} of {table.size} are NaN or infinite.")
    return table
