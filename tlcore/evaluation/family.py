"""What the gaps of one run say together: spread that methods lend each other, and one family of tests.

A run compares many methods with one baseline, with few seeds. Judged one by one, they waste what they know together:
how much luck a seed brings can be learned from all of them. And they promise too much: of fourteen tests at 5 % one
errs about every third time. So

- the mean square between seeds, which three seeds tell poorly, is moderated by those of the other methods at the same
  label budget (`lent`); a method that scatters more than the others keeps its own;
- all gaps of a run are one family: its p-values are adjusted so that in at most 5 % of runs some hypothesis is
  rejected that is true (`adjusted`). The gaps share the baseline, the seeds and the test examples, so that they err
  together, and the adjustment by their joint distribution asks for less than one that knows nothing of it.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import sqrt

import numpy as np

from tlcore.evaluation.gap import GapEstimate, Spread, checked, estimate

FEWEST_LENDERS = 2
"""Other methods at a label budget from which on they say how much a seed's luck is."""
TRIMMED = 0.075
"""Share of the lenders, the most scattered ones, that are left out of what they say; at least one."""
DOUBT, TRUST = 0.05, 0.20
"""How likely it is, were its seeds' luck that of the others, that a method scatters as much as it does. Below the first
it keeps its own spread, from the second on it borrows in full, and in between in part."""
AT_LEAST = 2.0
"""Degrees of freedom that the others' spread is worth to who keeps its own: that it is a large one is known by them."""
ROUNDING = 1e-9
DRAWS, CELLS = 30_000, 3_000_000
"""Draws from the joint distribution, and numbers in them at most."""
COUNTED = 100
"""Of the draws beyond a p-value, below which Holm's bound is taken instead of their share."""


Likeness = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Gaps:
    """The gaps of one method to the baseline at one label budget.

    Attributes
    ----------
    method : str
    budget : int
    seeds : tuple of int
        One a row of the table.
    table : ndarray of shape (S, N)
        As from `tlcore.evaluation.gap.gap_table`.
    among : str
        The group of test examples; those of one group, and of one budget where ``apart``, are the same examples.
    """

    method: str
    budget: int
    seeds: tuple[int, ...]
    table: np.ndarray
    among: str = ""
    apart: bool = False

    def at(self, seeds: Sequence[int]) -> Gaps:
        """Return the same with some seeds alone."""
        rows = [row for row, seed in enumerate(self.seeds) if seed in seeds]
        return replace(self, seeds=tuple(self.seeds[row] for row in rows), table=self.table[rows])

    @property
    def examples(self) -> Hashable:
        """What tells whether two tables have the same columns."""
        return (self.among, self.budget if self.apart else None)

    @property
    def kin(self) -> Hashable:
        """What is alike in those that lend each other their spread."""
        return (self.among, self.budget)


@dataclass(frozen=True)
class Loan:
    """What a comparison borrowed.

    Attributes
    ----------
    lenders : int
        How many others there were.
    degrees : float
        What was borrowed, in degrees of freedom; 0 for nothing.
    trust : float
        Which share of what the others had to lend that is.
    ratio : float
        How much its seeds scatter over how much those of the others do, as variances; nan where there are too few.
    """

    lenders: int = 0
    degrees: float = 0.0
    trust: float = 0.0
    ratio: float = float("nan")


@dataclass(frozen=True)
class Member:
    """One comparison as the family sees it: the estimate of its gap, the parts of its variance, what was borrowed."""

    gaps: Gaps
    spread: Spread
    estimate: GapEstimate
    parts: tuple[float, float]
    degrees: tuple[float, float]
    loan: Loan


def members(comparisons: Sequence[Gaps], likeness: Likeness | None = None) -> list[Member]:
    """Estimate every gap, with the spread between seeds borrowed among those of a budget.

    How much the seeds scatter is told in units of how much cells do, F = MSₐ / MSₑ: a method that answers much as the
    baseline does scatters less in both. With f = S − 1 degrees of freedom of its own, that of a method becomes ::

        F̃ = (d·F₀ + f·F) / (d + f)     with d + f degrees of freedom,     and MS̃ₐ = F̃·MSₑ

    F₀ is that of the other methods, a mean without the most scattered, and d what it is worth: see `lent`. Who scatters
    too much for them keeps F, with f + 2 degrees of freedom (`AT_LEAST`): that three seeds scatter much is rarely an
    accident of three that truly scatter little. All else is as in `tlcore.evaluation.gap.gap_interval`. A table in
    which all seeds say the same, or all examples, neither lends nor borrows.

    References
    ----------
    Smyth (2004), Linear models and empirical Bayes methods for assessing differential expression, Statistical
    Applications in Genetics and Molecular Biology 3: moderated t.
    Phipson, Lee, Majewski, Alexander & Smyth (2016), Robust hyperparameter estimation protects against hypervariable
    genes, Annals of Applied Statistics 10: who scatters too much borrows nothing. This is a variant: trust falls from 1
    to 0 between two p-values (`TRUST`, `DOUBT`), whatever the rank, as fourteen methods are no ten thousand genes.
    """
    spreads = [Spread.of(checked(one.table)) for one in comparisons]
    of_cells = (likeness or alike(comparisons))[0]
    loans: list[tuple[float, Loan]] = [(0.0, Loan())] * len(comparisons)
    kinships: dict[Hashable, list[int]] = {}
    for place, (one, spread) in enumerate(zip(comparisons, spreads, strict=True)):
        some = ROUNDING * max(spread.of_seeds, spread.of_examples, spread.residual)
        if 2 <= spread.seeds <= spread.examples and min(spread.of_seeds, spread.residual) > some:
            kinships.setdefault(one.kin, []).append(place)
    for places in kinships.values():
        squares = np.array([spreads[place].of_seeds / spreads[place].residual for place in places])
        degrees = np.array([spreads[place].seeds - 1 for place in places])
        for place, one_loan in zip(places, lent(squares, degrees, of_cells[np.ix_(places, places)]), strict=True):
            loans[place] = one_loan
    found = []
    for one, spread, (square, loan) in zip(comparisons, spreads, loans, strict=True):
        degrees_of = spread.degrees()
        if loan.lenders:
            own = degrees_of[0]
            moderated = (loan.degrees * square * spread.residual + own * spread.of_seeds) / (loan.degrees + own)
            spread = replace(spread, of_seeds=moderated)
            degrees_of = (max(loan.degrees, AT_LEAST) + own, degrees_of[1])
        parts = spread.parts()
        found.append(Member(one, spread, estimate(spread, parts, degrees_of), parts, degrees_of, loan))
    return found


def lent(squares: np.ndarray, degrees: np.ndarray, likeness: np.ndarray) -> list[tuple[float, Loan]]:
    """Return for each of several mean squares what the others say it should be, and what that is worth.

    What the others say is F₀, their mean weighted by degrees of freedom, without the largest (`TRIMMED`), divided by
    what such a mean of mean squares is for true ones of 1. As all of them hold the baseline's luck, J of them with f
    degrees of freedom are not worth J·f: with ρ the correlation of two, their mean squares have ρ², and F₀ has ::

        d = 2·(E F₀)² / Var F₀ = (Σf)² / (Σ_j f_j/q + Σ_{j≠k} ρ_jk²·min(f_j, f_k))

    where q < 1 is how much the mean without the largest is worth of one with them, were all independent. d is lent in
    full to who fits in, by the probability that one of theirs would be as large, P(F_{f,d} ≥ F/F₀) ≥ `TRUST`, and
    nothing to who does not (< `DOUBT`).

    Parameters
    ----------
    squares, degrees : ndarray of shape (J,)
        Mean squares, all above 0, and their degrees of freedom.
    likeness : ndarray of shape (J, J)
        ρ.

    Returns
    -------
    list of (float, Loan)
        F₀ and the loan of each; no loan where there are fewer than `FEWEST_LENDERS` others.
    """
    if len(squares) - 1 < FEWEST_LENDERS:
        return [(0.0, Loan())] * len(squares)
    from scipy.special import fdtrc

    shared = likeness**2 * np.minimum.outer(degrees, degrees)
    np.fill_diagonal(shared, 0.0)
    loans = []
    for j in range(len(squares)):
        others = np.delete(np.arange(len(squares)), j)
        calm = others[np.argsort(squares[others], kind="stable")][: len(others) - _left_out(len(others))]
        square = float(squares[calm] @ degrees[calm] / degrees[calm].sum())
        mean, share = _mean_of_the_calm(tuple(sorted(degrees[others].tolist())))
        square /= mean
        total = degrees[others].sum()
        d = float(total**2 / (total / share + shared[np.ix_(others, others)].sum()))
        ratio = float(squares[j]) / square
        fits = float(fdtrc(degrees[j], d, ratio))
        trust = min(1.0, max(0.0, (fits - DOUBT) / (TRUST - DOUBT)))
        loans.append((square, Loan(len(others), trust * d, trust, ratio)))
    return loans


def correlation(family: Sequence[Member], likeness: Likeness | None = None) -> np.ndarray:
    """Return the correlations (J, J) of estimated gaps, as those of the parts of their variance.

    What varies from cell to cell, and from example to example, tells how two gaps go together; of the seeds, which are
    too few to tell, the correlation is taken to be that of the cells: in all three the shared baseline is the reason.
    Comparisons on other test examples count as independent, which asks for more.
    """
    comparisons = [member.gaps for member in family]
    of_cells, of_examples = likeness or alike(comparisons)
    few, many = (np.sqrt([member.parts[part] for member in family]) for part in (0, 1))
    seeds = [set(one.seeds) for one in comparisons]
    shared = np.array([[len(one & other) / sqrt(len(one) * len(other)) for other in seeds] for one in seeds])
    covariance = of_cells * shared * np.outer(few, few) + of_examples * np.outer(many, many)
    spread = np.sqrt(np.diag(covariance))
    spread[spread == 0] = 1.0
    matrix = covariance / np.outer(spread, spread)
    np.fill_diagonal(matrix, 1.0)
    return np.asarray(matrix)


class Joint:
    """The joint distribution of a family's tests, were all hypotheses true.

    Each p-value is 2·Φ(−|z|) of a normal z, or Φ(−z) of a one-sided test, and the z have the correlation of the gaps
    (a Gaussian copula: the tails of Student's t are in the p-values already).

    Parameters
    ----------
    correlation : ndarray of shape (J, J)
    """

    def __init__(self, correlation: np.ndarray) -> None:
        values, vectors = np.linalg.eigh(correlation)
        root = vectors * np.sqrt(values.clip(0))  # put together pair by pair, the matrix may miss being one by a little
        root /= np.linalg.norm(root, axis=1, keepdims=True)
        self._z = root.astype(np.float32) @ _normal(len(correlation))

    def adjusted(self, p_values: np.ndarray, two_sided: bool = True) -> np.ndarray:
        """Return p-values (J,) adjusted so that one below α errs anywhere in the family in at most α of runs.

        Step-down: with the p-values in order, p₍₁₎ ≤ … ≤ p₍J₎, the j-th becomes P(min over j, …, J of P ≤ p₍ⱼ₎), made
        monotone. Not above Holm's (J − j + 1)·p₍ⱼ₎, which stands where fewer than `COUNTED` draws are beyond.

        References
        ----------
        Dunnett (1955), A multiple comparison procedure for comparing several treatments with a control, JASA 50.
        Westfall & Young (1993), Resampling-based multiple testing, Wiley: step-down minimal p.
        Holm (1979), A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6.
        """
        from scipy.special import ndtri

        size = len(p_values)
        order = np.argsort(p_values, kind="stable")
        ordered = p_values[order]
        holm = (size - np.arange(size)) * ordered
        z = np.abs(self._z) if two_sided else self._z
        bounds = -ndtri(np.clip(ordered / 2 if two_sided else ordered, 1e-300, 1.0))
        beyond, largest = np.zeros(size), np.full(z.shape[1], -np.inf, np.float32)
        for place in reversed(range(size)):
            np.maximum(largest, z[order[place]], out=largest)
            beyond[place] = np.count_nonzero(largest >= bounds[place])
        joint = np.where(beyond >= COUNTED, beyond / z.shape[1], 1.0)
        adjusted = np.empty(size)
        adjusted[order] = np.maximum.accumulate(np.clip(np.minimum(holm, joint), ordered, 1.0))
        return adjusted

    def level(self, alpha: float) -> float:
        """Return the p-value of one test at which the smallest of the family is as rare as ``alpha``."""
        from scipy.special import ndtr

        return 2 * float(ndtr(-np.quantile(np.abs(self._z).max(axis=0), 1 - alpha)))


@lru_cache(maxsize=4)
def _normal(size: int) -> np.ndarray:
    """Return independent normal draws (size, draws), always the same ones."""
    draws = max(1000, min(DRAWS, CELLS // size))
    return np.random.default_rng(0).standard_normal((size, draws), np.float32)


def alike(comparisons: Sequence[Gaps]) -> Likeness:
    """Return the correlations (J, J) of the residuals of the cells that two tables share, and of their examples.

    `members` and `correlation` both rest on them; who asks for both finds them once.
    """
    tables = [checked(one.table) for one in comparisons]
    size = len(tables)
    of_cells, of_examples = np.eye(size), np.eye(size)
    same: dict[Hashable, list[int]] = {}
    for place, one in enumerate(comparisons):
        same.setdefault(one.examples, []).append(place)
    for places in same.values():
        seeds = sorted({seed for place in places for seed in comparisons[place].seeds})
        columns = tables[places[0]].shape[1]
        cells = np.zeros((len(places), len(seeds), columns), np.float32)
        examples = np.zeros((len(places), columns))
        there = np.zeros((len(places), len(seeds)))
        for row, place in enumerate(places):
            table = tables[place] - tables[place].mean()
            examples[row] = table.mean(axis=0)
            at = [seeds.index(seed) for seed in comparisons[place].seeds]
            there[row, at] = 1.0
            cells[row, at] = table - table.mean(axis=1, keepdims=True) - examples[row]
        where = np.ix_(places, places)
        of_each_seed = (cells.astype(float) ** 2).sum(axis=2)
        flat = cells.reshape(len(places), -1)
        of_cells[where] = _cosines((flat @ flat.T).astype(float), of_each_seed @ there.T)
        of_examples[where] = _cosines(examples @ examples.T, np.diag(examples @ examples.T)[:, None] * there.any(1))
    return of_cells, of_examples


def _cosines(products: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """Return products over lengths, the squared length of j where k is, too, in row j; 0 where there is none."""
    lengths = np.sqrt(squares * squares.T)
    cosines = np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 1e-12)
    np.fill_diagonal(cosines, 1.0)
    return np.asarray(cosines.clip(-1.0, 1.0))


def _left_out(lenders: int) -> int:
    return int(np.ceil(TRIMMED * lenders))


@lru_cache(maxsize=256)
def _mean_of_the_calm(degrees: tuple[int, ...]) -> tuple[float, float]:
    """What the mean of `lent` is for independent mean squares that are truly 1, and q.

    It is below 1, as the largest are left out.
    """
    freedom = np.array(degrees)
    squares = np.random.default_rng(0).chisquare(freedom, (20_000, len(degrees))) / freedom
    order = np.argsort(squares, axis=1)[:, : len(degrees) - _left_out(len(degrees))]
    weights = freedom[order]
    means = (np.take_along_axis(squares, order, 1) * weights).sum(1) / weights.sum(1)
    mean = float(means.mean())
    return mean, min(1.0, 2 * mean**2 / float(means.var()) / float(freedom.sum()))
