"""Where does from scratch catch up? The label budget from which on a method that transfers is no longer ahead.

To the measured means of each, at three label budgets or more, a learning curve is fitted that can only rise, ::

    score(n) = c − a · z(n),     a ≥ 0,  c ≤ the best score there is,     z falling from about 1 to 0

and *caught up* is the budget n* after which the method is ahead by no more than the practical margin m::

    n* = sup { n : score_method(n) − score_baseline(n) > m },     n from the smallest budget to HORIZON · the largest

Nobody knows the shape z of a learning curve beforehand, so several with one parameter each are fitted, and what they
disagree about is part of the interval (`SHAPES`). The rest of it comes from a bootstrap over seeds and test examples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import floor, inf, isfinite, log10, sqrt

import numpy as np

from tlcore.evaluation.gap import CONFIDENCE, Spread
from tlcore.evaluation.metrics import Metric
from tlcore.evaluation.verdict import MARGIN, MINIMUM_SEEDS, BudgetOf

MINIMUM_BUDGETS = 3
HORIZON = 4.0
"""How far beyond the largest budget curves are drawn out, as a multiple of it; farther, nobody knows."""
DRAWS = 400
POINTS = 65
"""Budgets, evenly spaced in their logarithm, at which fitted curves are compared."""
CELLS_AT_ONCE = 2**22

Shape = Callable[[np.ndarray, np.ndarray], np.ndarray]
SHAPES: dict[str, tuple[Shape, Callable[[float], np.ndarray]]] = {
    "power law": (lambda n, p: n**-p, lambda _: np.geomspace(0.05, 3, 24)),
    "exponential": (lambda n, p: np.exp(-n / p), lambda most: np.geomspace(0.3, most, 24)),
    "sigmoid": (lambda n, p: 1 / (1 + (n / p) ** 2), lambda most: np.geomspace(0.3, most, 24)),
    "straight, then level": (
        lambda n, p: np.maximum(1 - np.log(n) / np.log(p), 0),
        lambda most: np.geomspace(1.2, most, 24),
    ),
}
"""z(n; p) of budgets n as multiples of the smallest one, and the values of p that are tried, up to a largest n."""

Table = Mapping[int, np.ndarray]
"""Label budget to the scores (S, N) by seed and test example, seeds and examples in the same order everywhere."""


@dataclass(frozen=True)
class Crossing:
    """Where the baseline catches up with a method; a row of ``crossings.json``.

    Attributes
    ----------
    method, baseline, metric : str
    budget_of : {"class", "user", "example", "picture"}
        What budgets count.
    case : str
        One of `SENTENCES`.
    at : float
        n*, in labels a class or interactions a user; 0 where the method is never ahead, infinite where it still is at
        the end of what curves are drawn out to.
    low, high : float
        The 95 % interval of n*, in the same sense.
    sentence : str
    seeds : int
    curves : list of (float, float, float)
        Budget, fitted score of the method and of the baseline, in the metric's own unit: to be drawn.
    """

    method: str
    baseline: str
    metric: str
    budget_of: BudgetOf
    case: str
    at: float
    low: float
    high: float
    sentence: str
    seeds: int
    curves: list[tuple[float, float, float]]


def crossing(
    method: str,
    baseline: str,
    metric: Metric,
    method_scores: Table,
    baseline_scores: Table,
    margin: float = MARGIN,
    *,
    budget_of: BudgetOf = "class",
) -> Crossing | None:
    """Say from which label budget on the baseline has caught up with a method, and how sure that is.

    Seeds and test examples are both samples of something larger (see `tlcore.evaluation.verdict`), so both are
    resampled, with the same draw for both methods and all budgets. The mean of a table y[s, i] in a draw is ::

        ȳ + k·Σₛ (uₛ − 1/S)·ȳₛ + λ·Σᵢ (vᵢ − 1/N)·ȳᵢ,     u = multinomial(S)/S,  v = multinomial(N)/N

        k = √(S/(S−1)) · t_{S−1} / z      of the 97.5 % quantiles of Student's t and of the normal distribution
        λ = √(1 − min(MSₐ, MSₑ)/MS_b)     of the mean squares of the gaps, summed over budgets

    k makes up for what a bootstrap of few seeds lacks: it draws from a variance that is too small by (S−1)/S, and does
    not know that this variance is estimated itself. λ takes out of the spread between examples what is noise of single
    cells, which the seeds show already: the variance of a gap is that of `gap_interval`, A + B.

    To the means of each draw each of `SHAPES` is fitted by weighted least squares, the weight of a budget
    1/(σ² + (0.02·range)²) with σ² the variance of its mean over draws: for each value of z's parameter on a grid, c and
    a are in closed form. A shape counts 1/(2F) + exp(−χ²/2)/(2 Σ exp(−χ²/2)), of F shapes, with χ² its least sum of
    squares for both measured curves: what fits better counts more, but as no shape is the true one, none is ruled out.
    The interval goes from the 2.5 % to the 97.5 % quantile of n* over all draws of all shapes, stretched where need be
    to hold the estimate, which comes from the curves fitted to the measured means, averaged over the shapes.

    Parameters
    ----------
    method, baseline : str
        As they should stand in the sentence.
    metric : Metric
        One of [0, 1] has its best score at 1, one of which less is better at 0, any other has none.
    method_scores, baseline_scores : mapping of int to ndarray of shape (S, N)
        By label budget.
    margin : float
        Gaps up to it do not matter, in the metric's own unit.
    budget_of : {"class", "user", "example", "picture"}

    Returns
    -------
    Crossing or None
        None where there are fewer than `MINIMUM_BUDGETS` budgets in both, or fewer than `MINIMUM_SEEDS` seeds.

    Raises
    ------
    ValueError
        If the tables do not have the same seeds and test examples at all budgets, or a score is not finite.

    References
    ----------
    Buckland, Burnham & Augustin (1997), Model selection: an integral part of inference, Biometrics 53: the weights of
    shapes.
    Viering & Loog (2023), The shape of learning curves: a review, IEEE TPAMI 45: which shapes there are, and that none
    fits all.
    Frey & Fisher (1999), Modeling decision tree performance with the power law, AISTATS; Hestness et al. (2017), Deep
    learning scaling is predictable, empirically, arXiv:1712.00409: the power law.
    Owen (2007), The pigeonhole bootstrap, Annals of Applied Statistics 1: resampling of crossed factors.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> def scores(end, short):
    ...     return {n: (rng.random((5, 500)) < end - short / n).astype(float) for n in (5, 20, 80)}
    >>> from tlcore.evaluation.metrics import CLASSIFICATION
    >>> found = crossing("fine_tune", "from_scratch", CLASSIFICATION["accuracy"], scores(0.8, 0.3), scores(0.9, 3.0))
    >>> found.low < 27 < found.high  # where 0.8 − 0.3/n is 0.9 − 3/n, or 0.01 above it: 25 and 27
    True
    """
    budgets = sorted(budget for budget in method_scores.keys() & baseline_scores.keys() if budget > 0)
    if len(budgets) < MINIMUM_BUDGETS:
        return None
    tables = np.stack([_checked(table, budgets) for table in (method_scores, baseline_scores)])
    seeds = tables.shape[2]
    if seeds < MINIMUM_SEEDS:
        return None
    sign = 1.0 if metric.higher_is_better else -1.0
    best = 1.0 if metric.in_points else 0.0 if not metric.higher_is_better else inf
    means, draws = _means(sign * tables)
    ends = budgets[0], HORIZON * budgets[-1]
    grid = np.geomspace(1.0, ends[1] / ends[0], POINTS)  # in multiples of the smallest budget
    known = np.array(budgets) / budgets[0]
    drawn, fitted, misfits = [], [], []
    for z, scales in SHAPES.values():
        both = [
            _fitted(np.vstack([mean, some]), known, _weights(some, mean), z, scales(grid[-1]), best, grid)
            for mean, some in zip(means, draws, strict=True)
        ]
        (of_method, misfit), (of_baseline, other) = both
        fitted.append([of_method[0], of_baseline[0]])
        drawn.append(_last_ahead(of_method[1:] - of_baseline[1:], grid, margin))
        misfits.append(misfit[0] + other[0])
    trust = np.exp((min(misfits) - np.array(misfits)) / 2)
    trust = trust / trust.sum() / 2 + 1 / (2 * len(trust))
    of_method, of_baseline = np.tensordot(trust, fitted, 1)
    at = float(_last_ahead((of_method - of_baseline)[None], grid, margin)[0])
    low, high = _middle(np.concatenate(drawn), np.repeat(trust / DRAWS, DRAWS))
    low, high = min(at, low), max(at, high)
    at, low, high = (value * budgets[0] for value in (at, low, high))
    case = _case(low, high, budgets[-1])
    said = sentence(
        method=method,
        baseline=baseline,
        metric=metric,
        case=case,
        at=at,
        low=low,
        high=high,
        margin=margin,
        budget_of=budget_of,
    )
    shown = np.round(np.stack([grid * budgets[0], sign * of_method, sign * of_baseline], axis=1), 5)
    curves = [(float(n), float(one), float(other)) for n, one, other in shown]
    return Crossing(method, baseline, metric.name, budget_of, case, at, low, high, said, seeds, curves)


def tables(scores: Mapping[tuple[str, int, int], np.ndarray], labels: Sequence[str]) -> list[Table]:
    """Return the tables of some methods, of the budgets and seeds that all of them have.

    Parameters
    ----------
    scores : mapping of (method, budget, seed) to ndarray of shape (N,)
    labels : sequence of str
        The methods that are compared.

    Returns
    -------
    list of mapping of int to ndarray of shape (S, N)
        One a method. Budgets of which a method has no seed are left out, then seeds that lack at one of the others.
    """
    cells = set.intersection(*({cell[1:] for cell in scores if cell[0] == label} for label in labels))
    budgets = sorted({budget for budget, _ in cells})
    seeds = sorted(seed for seed in {seed for _, seed in cells} if all((budget, seed) in cells for budget in budgets))
    if not seeds:
        return [{} for _ in labels]
    return [{n: np.stack([scores[label, n, seed] for seed in seeds]) for n in budgets} for label in labels]


# Whole sentences, one for each case, so that a translation can order the words as its language wants.
SENTENCES: dict[str, str] = {
    "between": "{baseline} catches up with {method} at about {at} ({confidence} % interval {low} to {high}; {within}).",
    "not yet": "{baseline} does not catch up with {method} within the budgets looked at, nor before {low} "
    "({confidence} % interval; {within}).",
    "after": "{baseline} does not catch up with {method} before {low} ({confidence} % interval; {within}); "
    "from where on it does, these budgets do not tell.",
    "before": "{baseline} has caught up with {method} at {high} at the latest ({confidence} % interval; {within}); "
    "it may never have been behind.",
    "never behind": "{baseline} is never behind {method} at the budgets looked at ({confidence} % interval; {within}).",
    "uncertain": "Whether {baseline} catches up with {method}, and where, is too uncertain to say ({within}).",
}

# The parts that vary inside a sentence.
PHRASES: dict[str, str] = {
    "one label a class": "1 label a class",
    "labels a class": "{budget} labels a class",
    "one label a user": "1 interaction a user",
    "labels a user": "{budget} interactions a user",
    "one label a example": "1 labelled example",
    "labels a example": "{budget} labelled examples",
    "one label a picture": "1 labelled picture",
    "labels a picture": "{budget} labelled pictures",
    "one point": "a gap of up to 1 point of {metric} counts as none",
    "points": "a gap of up to {margin} points of {metric} counts as none",
    "number": "a gap of up to {margin} of {metric} counts as none",
}


def sentence(
    *,
    method: str,
    baseline: str,
    metric: Metric,
    case: str,
    at: float,
    low: float,
    high: float,
    margin: float = MARGIN,
    budget_of: BudgetOf = "class",
    translate: Callable[[str], str] = lambda text: text,
    decimal_point: str = ".",
) -> str:
    """Say a crossing in one sentence, in any language.

    Parameters
    ----------
    method, baseline, metric, case, at, low, high
        The fields of a `Crossing`, so a page can say it again in the reader's language. Budgets are said with two
        digits that count, the bounds of the interval rounded away from each other.
    margin, budget_of
        As in `crossing`.
    translate : callable
        Given each template of `SENTENCES` and `PHRASES` and the metric's label; returns it in another language with
        the same named fields.
    decimal_point : str
        The one of the reader's language.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        For a case that is none of `SENTENCES`.
    """
    if case not in SENTENCES:
        raise ValueError(f"The case must be one of {', '.join(SENTENCES)}, but it is {case!r}.")

    def budget(value: float, side: int) -> str:
        number = _rounded(value, side)
        phrase = f"one label a {budget_of}" if number == 1 else f"labels a {budget_of}"
        return translate(PHRASES[phrase]).format(budget=number)

    amount = f"{margin * (100 if metric.in_points else 1):g}".replace(".", decimal_point)
    unit = ("one point" if amount == "1" else "points") if metric.in_points else "number"
    fields = {
        "method": method,
        "baseline": baseline,
        "confidence": f"{CONFIDENCE * 100:g}".replace(".", decimal_point),
        "within": translate(PHRASES[unit]).format(margin=amount, metric=translate(metric.label)),
        "at": budget(at, 0),
        "low": str(_rounded(low, -1)) if case == "between" else budget(low, -1),
        "high": str(_rounded(high, 1)) if case == "between" else budget(high, 1),
    }
    return translate(SENTENCES[case]).format(**fields)


def _case(low: float, high: float, largest: float) -> str:
    if low == 0:
        return "uncertain" if high == inf else "before" if high > 0 else "never behind"
    if high < inf:
        return "between"
    return "not yet" if low >= largest else "after"


def _rounded(value: float, side: int) -> int:
    """Two digits that count, of a whole number from 1 on; down, to the nearest or up. No sentence says an infinite."""
    if not isfinite(value) or value <= 1:
        return 1
    unit = 10 ** max(0, floor(log10(value)) - 1)
    steps = value / unit
    return unit * int(np.floor(steps) if side < 0 else np.ceil(steps) if side > 0 else np.round(steps))


def _checked(table: Table, budgets: Sequence[int]) -> np.ndarray:
    """Return the scores, shape (B, S, N)."""
    shapes = {np.shape(table[budget]) for budget in budgets}
    if len(shapes) > 1 or len(next(iter(shapes))) != 2:
        raise ValueError(
            f"The same seeds and test examples are needed at all budgets, but the scores have shapes {sorted(shapes)}."
        )
    scores = np.stack([np.asarray(table[budget], float) for budget in budgets])
    if not np.isfinite(scores).all():
        raise ValueError(f"Scores must be numbers, but {np.count_nonzero(~np.isfinite(scores))} are NaN or infinite.")
    return scores


def _means(tables: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the means (2, B) of tables (2, B, S, N), and those of each draw of seeds and examples, (2, R, B)."""
    from scipy.special import ndtri, stdtrit

    seeds, examples = tables.shape[2:]
    generator = np.random.default_rng(0)  # the same draw for whoever is compared
    level = (1 + CONFIDENCE) / 2
    wider = sqrt(seeds / (seeds - 1)) * float(stdtrit(seeds - 1, level)) / float(ndtri(level))
    of_seeds = generator.multinomial(seeds, np.full(seeds, 1 / seeds), size=DRAWS) / seeds - 1 / seeds
    by_seed, by_example = tables.mean(axis=3), tables.mean(axis=2).reshape(-1, examples)
    at_once = max(1, CELLS_AT_ONCE // examples)
    blocks = []
    for start in range(0, DRAWS, at_once):
        count = min(at_once, DRAWS - start)
        drawn = generator.multinomial(examples, np.full(examples, 1 / examples), size=count)
        blocks.append((drawn / examples - 1 / examples) @ by_example.T)
    shift = np.concatenate(blocks).reshape(DRAWS, *tables.shape[:2]) * _own_share(tables[0] - tables[1])
    means = tables.mean(axis=(2, 3))
    return means, means[:, None] + wider * np.einsum("rs,kbs->krb", of_seeds, by_seed) + np.moveaxis(shift, 0, 1)


def _own_share(gaps: np.ndarray) -> float:
    """Return what part of the spread between examples is theirs, of gaps (B, S, N): λ of `crossing`."""
    spreads = [Spread.of(table) for table in gaps]
    of_examples = sum(one.of_examples for one in spreads)
    noise = min(sum(one.of_seeds for one in spreads), sum(one.residual for one in spreads))
    return sqrt(max(0.0, 1 - noise / of_examples)) if of_examples else 0.0


def _weights(draws: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Return the weights (B,) of budgets: of what is measured exactly, none may count alone."""
    allowed = (0.02 * np.ptp(means)) ** 2 + 1e-6
    weights: np.ndarray = 1 / (draws.var(axis=0) + allowed)
    return weights


def _fitted(
    values: np.ndarray,
    budgets: np.ndarray,
    weights: np.ndarray,
    z: Shape,
    tried: np.ndarray,
    best: float,
    grid: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Fit c − a·z(n; p) to rows of values (R, B); return curves at the grid's budgets (R, P) and sums of squares (R,).

    For each p of those that are tried (G,) the minimum over a ≥ 0 and c ≤ best is in closed form: where the free one
    breaks a bound, the bound holds with equality. The p with the least sum of squares is taken.
    """
    at = z(budgets, tried[:, None])  # (G, B)
    total, at_sum, at_square = weights.sum(), at @ weights, at**2 @ weights
    y_sum, product = (values @ weights)[:, None], (values * weights) @ at.T
    spread = np.maximum(total * at_square - at_sum**2, 1e-12 * total * at_square + 1e-300)
    a = np.maximum((at_sum * y_sum - total * product) / spread, 0)  # (R, G)
    c = (y_sum + a * at_sum) / total
    above = c > best
    if above.any():
        a = np.where(above, np.maximum((best * at_sum - product) / np.maximum(at_square, 1e-300), 0), a)
        c = np.where(above, best, c)
    residuals = values[:, None, :] - c[..., None] + a[..., None] * at
    squares = (residuals**2) @ weights
    chosen, rows = squares.argmin(axis=1), np.arange(len(values))
    curves = c[rows, chosen, None] - a[rows, chosen, None] * z(grid, tried[:, None])[chosen]
    return curves, squares[rows, chosen]


def _middle(values: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Return between what the middle of values lies that have weights, of which there is one in all."""
    order = np.argsort(values)
    below = np.cumsum(weights[order])
    tail = (1 - CONFIDENCE) / 2
    first, last = np.searchsorted(below, [tail, 1 - tail])
    return float(values[order[first]]), float(values[order[min(last, len(values) - 1)]])


def _last_ahead(gaps: np.ndarray, grid: np.ndarray, margin: float) -> np.ndarray:
    """Return where rows of gaps (R, P) exceed the margin for the last time: 0 if never, infinite if at the end."""
    ahead = gaps > margin
    last = gaps.shape[1] - 1 - ahead[:, ::-1].argmax(axis=1)
    inside = np.minimum(last, gaps.shape[1] - 2)
    rows = np.arange(len(gaps))
    before, after = gaps[rows, inside] - margin, gaps[rows, inside + 1] - margin
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.clip(before / (before - after), 0, 1)
    found = grid[inside] * (grid[inside + 1] / grid[inside]) ** share
    found = np.where(ahead[:, -1], inf, found)
    last_ahead: np.ndarray = np.where(ahead.any(axis=1), found, 0.0)
    return last_ahead
