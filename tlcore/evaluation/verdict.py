"""Does transfer help? The gap to the baseline, its interval, and a verdict that a stakeholder can read.

Everything here is about the *gap*: for one method and one label budget, ::

    d[s, i] = score of the method − score of the baseline,     same seed s, same test example i

with the sign turned where lower is better, so that a positive gap always speaks for the method. Seeds (which
target examples were labelled, how the network started) and test examples are both samples of something
larger, and both return in many cells of the table d: cells are not independent, and S·N of them are far fewer
than S·N pieces of evidence. `gap_interval` says how sure one can be of the mean gap over *new seeds and new
examples*.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import inf, isfinite, sqrt
from typing import Literal

import numpy as np

from tlcore.evaluation.metrics import CLASSIFICATION, Metric

VERDICTS = ("helps", "helps a little", "no evidence", "negative transfer", "strongly negative transfer")
MINIMUM_SEEDS = 3
CONFIDENCE = 0.95
MARGIN = 0.01

BudgetOf = Literal["class", "user"]


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


@dataclass(frozen=True)
class Verdict:
    """What the evidence says of one method at one label budget; a row of ``verdicts.json``."""

    method: str
    budget: int
    baseline: str
    metric: str
    gap: float
    ci_low: float
    ci_high: float
    p_value: float
    verdict: str
    sentence: str
    seeds: int


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
    method, baseline = _table(method_scores), _table(baseline_scores)
    if method.shape != baseline.shape:
        raise ValueError(
            "A method and its baseline need the same seeds and test examples, but they have "
            f"{method.shape[0]} x {method.shape[1]} and {baseline.shape[0]} x {baseline.shape[1]} scores."
        )
    table: np.ndarray = method - baseline
    return table if higher_is_better else -table


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
        brings: `judge` therefore asks for `MINIMUM_SEEDS`.
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
    if not 0 < confidence < 1:
        raise ValueError(f"The confidence must lie between 0 and 1, but it is {confidence}.")
    table = _table(differences)
    seeds, examples = table.shape
    gap = float(table.mean())
    if seeds == examples == 1:
        return GapEstimate(gap, -inf, inf, 1.0, 1, inf, 0.0)

    few_part, many_part = _variance_parts(table, gap)
    standard_error = sqrt(few_part + many_part)
    few, many = sorted((seeds, examples))
    degrees = _effective_degrees(few_part, many_part, max(few - 1, 0), many - 1, confidence)
    if standard_error == 0:
        return GapEstimate(gap, gap, gap, 1.0 if gap == 0 else 0.0, seeds, 0.0, degrees)

    from scipy.special import stdtr, stdtrit

    half_width = float(stdtrit(degrees, (1 + confidence) / 2)) * standard_error
    p_value = 2 * float(stdtr(degrees, -abs(gap) / standard_error))
    return GapEstimate(gap, gap - half_width, gap + half_width, p_value, seeds, standard_error, degrees)


def judge(
    method: str,
    budget: int,
    baseline: str,
    metric: str | Metric,
    differences: np.ndarray | Iterable[np.ndarray],
    margin: float = MARGIN,
    *,
    budget_of: BudgetOf = "class",
) -> Verdict:
    """Say whether a method helps, and how sure that is.

    With [low, high] the 95 % interval of `gap_interval` and m the practical margin::

        low  >  m  →  helps                              high < −m  →  strongly negative transfer
        low  >  0  →  helps a little                     high <  0  →  negative transfer

    and *no evidence* in between, and always with fewer than `MINIMUM_SEEDS` seeds.

    Parameters
    ----------
    method, baseline : str
        As they should stand in the sentence.
    budget : int
        Labelled target examples a class (or interactions a user); 0 means none.
    metric : str or Metric
        A name of `tlcore.evaluation.metrics.CLASSIFICATION`, or the metric itself; an unknown name is taken
        as one in [0, 1] where higher is better.
    differences : array of shape (S, N)
        Gaps by seed and test example, **positive where the method is better** whatever the metric: see
        `gap_table`.
    margin : float
        Gaps smaller than this do not matter in practice, in the metric's own unit (0.01 of accuracy is one
        point).
    budget_of : {"class", "user"}
        What the budget counts: labels a class, or interactions a user.

    Returns
    -------
    Verdict

    Raises
    ------
    ValueError
        For a margin or a budget that is not a number from 0 on, and as `gap_interval`.

    References
    ----------
    Kruschke (2018), Rejecting or accepting parameter values in Bayesian estimation, AMPPS 1: the region of
    practical equivalence.
    Wang, Dai, Póczos & Carbonell (2019), Characterizing and avoiding negative transfer, CVPR: negative
    transfer as a gap to the same learner without the source.

    Examples
    --------
    >>> gaps = np.array([[0, 0, 1, 0] * 50, [0, 0, 1, 0] * 50, [0, 1, 1, 0] * 50])
    >>> judge("fine_tune", 5, "from_scratch", "accuracy", gaps).verdict
    'no evidence'
    """
    estimate = gap_interval(differences)
    verdict = _verdict(estimate, margin)
    known = metric if isinstance(metric, Metric) else _metric(metric)
    text = sentence(
        method=method,
        budget=budget,
        baseline=baseline,
        metric=known,
        gap=estimate.gap,
        ci_low=estimate.ci_low,
        ci_high=estimate.ci_high,
        verdict=verdict,
        seeds=estimate.seeds,
        margin=margin,
        budget_of=budget_of,
    )
    return Verdict(
        method=method,
        budget=budget,
        baseline=baseline,
        metric=known.name,
        gap=estimate.gap,
        ci_low=estimate.ci_low,
        ci_high=estimate.ci_high,
        p_value=estimate.p_value,
        verdict=verdict,
        sentence=text,
        seeds=estimate.seeds,
    )


# Whole sentences, one for each case, so that a translation can order the words as its language wants. Where a
# case has two, the second is for metrics of which less is better.
SENTENCES: dict[str, str] = {
    "helps": "{opening}, {method} reaches {gap} more {metric} than {baseline} ({interval}, {seeds}): transfer helps.",
    "helps, lower": "{opening}, {method} reaches {gap} less {metric} than {baseline} "
    "({interval}, {seeds}): transfer helps.",
    "helps a little": "{opening}, {method} reaches {gap} more {metric} than {baseline} "
    "({interval}, {seeds}): transfer helps a little.",
    "helps a little, lower": "{opening}, {method} reaches {gap} less {metric} than {baseline} "
    "({interval}, {seeds}): transfer helps a little.",
    "negative transfer": "{opening}, {method} costs {gap} of {metric} against {baseline} "
    "({interval}, {seeds}): negative transfer. Do not transfer this way here.",
    "negative transfer, lower": "{opening}, {method} adds {gap} of {metric} against {baseline} "
    "({interval}, {seeds}): negative transfer. Do not transfer this way here.",
    "strongly negative transfer": "{opening}, {method} costs {gap} of {metric} against {baseline} "
    "({interval}, {seeds}): strongly negative transfer. Do not transfer this way here.",
    "strongly negative transfer, lower": "{opening}, {method} adds {gap} of {metric} against {baseline} "
    "({interval}, {seeds}): strongly negative transfer. Do not transfer this way here.",
    "practically equal": "{opening}, {method} is between {worse} worse and {better} better than {baseline} "
    "in {metric} ({confidence} % interval, {seeds}), within the margin of {margin}: practically equal.",
    "too close to call": "{opening}, {method} is between {worse} worse and {better} better than {baseline} "
    "in {metric} ({confidence} % interval, {seeds}): too close to call, "
    "no evidence that transfer helps or harms.",
    "too few seeds": "{opening}, there is too little evidence to judge {method} against {baseline} "
    "in {metric}: {seeds}, at least {minimum} needed.",
}

# The parts that vary inside a sentence.
PHRASES: dict[str, str] = {
    "no labels a class": "Without target labels",
    "one label a class": "With 1 label a class",
    "labels a class": "With {budget} labels a class",
    "no labels a user": "Without target interactions",
    "one label a user": "With 1 interaction a user",
    "labels a user": "With {budget} interactions a user",
    "one point": "1 point",
    "points": "{value} points",
    "number": "{value}",
    "interval in points": "{confidence} % interval {low} to {high} points",
    "interval": "{confidence} % interval {low} to {high}",
    "one seed": "1 seed",
    "seeds": "{seeds} seeds",
}


def sentence(
    *,
    method: str,
    budget: int,
    baseline: str,
    metric: str | Metric,
    gap: float,
    ci_low: float,
    ci_high: float,
    verdict: str,
    seeds: int,
    margin: float = MARGIN,
    budget_of: BudgetOf = "class",
    translate: Callable[[str], str] = lambda text: text,
    decimal_point: str = ".",
) -> str:
    """Say a verdict in one sentence, in any language.

    Metrics in [0, 1] are said in points (hundredths), others in their own unit. *No evidence* has three
    sentences: too few seeds, practically equal (the whole interval within ± margin), and too close to call.

    Parameters
    ----------
    method, budget, baseline, metric, gap, ci_low, ci_high, verdict, seeds
        The fields of a `Verdict`, so a page can say a stored verdict again in the reader's language.
    margin, budget_of
        As in `judge`.
    translate : callable
        Given each template of `SENTENCES` and `PHRASES` and the metric's label; returns it in another
        language with the same named fields.
    decimal_point : str
        The one of the reader's language.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        For a verdict that is none of `VERDICTS`, and a negative budget.
    """
    if verdict not in VERDICTS:
        raise ValueError(f"The verdict must be one of {', '.join(VERDICTS)}, but it is {verdict!r}.")
    if budget < 0:
        raise ValueError(f"A label budget is 0 or more, but it is {budget}.")
    known = metric if isinstance(metric, Metric) else _metric(metric)
    scale, digits = (100, 1) if known.in_points else (1, 3)
    # So that a small but certain gap is not said to be 0.0 points.
    while verdict != "no evidence" and digits < 6 and round(abs(gap) * scale, digits) == 0:
        digits += 1

    def number(value: float, places: int = digits) -> str:
        return f"{value * scale + 0.0:.{places}f}".replace(".", decimal_point)

    def amount(text: str) -> str:
        phrase = ("one point" if text == "1" else "points") if known.in_points else "number"
        return translate(PHRASES[phrase]).format(value=text)

    how_many = {0: "no labels", 1: "one label"}.get(budget, "labels")
    confidence = f"{CONFIDENCE * 100:g}".replace(".", decimal_point)
    # A loss is said as a positive amount, smallest first.
    low, high = (-ci_high, -ci_low) if "negative" in verdict else (ci_low, ci_high)
    fields = {
        "opening": translate(PHRASES[f"{how_many} a {budget_of}"]).format(budget=budget),
        "method": method,
        "baseline": baseline,
        "metric": translate(known.label),
        "gap": amount(number(abs(gap))),
        "interval": translate(PHRASES["interval in points" if known.in_points else "interval"]).format(
            confidence=confidence, low=number(low), high=number(high)
        ),
        "worse": amount(number(max(-ci_low, 0.0))),
        "better": amount(number(max(ci_high, 0.0))),
        "confidence": confidence,
        "margin": amount(f"{margin * scale:g}".replace(".", decimal_point)),
        "seeds": translate(PHRASES["one seed" if seeds == 1 else "seeds"]).format(seeds=seeds),
        "minimum": MINIMUM_SEEDS,
    }
    return translate(SENTENCES[_case(verdict, known, ci_low, ci_high, seeds, margin)]).format(**fields)


def _case(verdict: str, metric: Metric, ci_low: float, ci_high: float, seeds: int, margin: float) -> str:
    if verdict != "no evidence":
        return verdict if metric.higher_is_better else f"{verdict}, lower"
    if seeds < MINIMUM_SEEDS:
        return "too few seeds"
    return "practically equal" if -margin <= ci_low and ci_high <= margin else "too close to call"


def _verdict(estimate: GapEstimate, margin: float) -> str:
    if not (isfinite(margin) and margin >= 0):
        raise ValueError(f"The practical margin must be 0 or more, but it is {margin}.")
    if estimate.seeds < MINIMUM_SEEDS:
        return "no evidence"
    if estimate.ci_low > 0:
        return "helps" if estimate.ci_low > margin else "helps a little"
    if estimate.ci_high < 0:
        return "strongly negative transfer" if estimate.ci_high < -margin else "negative transfer"
    return "no evidence"


def _metric(name: str) -> Metric:
    return CLASSIFICATION.get(name) or Metric(name, name.replace("_", " "), True, "")


def _variance_parts(table: np.ndarray, gap: float) -> tuple[float, float]:
    """Return A and B of `gap_interval`: A of the factor with fewer levels, B of the other one."""
    if np.ptp(table) == 0:  # exactly; the mean squares of equal numbers are not, after rounding
        return 0.0, 0.0
    centred = table - gap if table.shape[0] <= table.shape[1] else (table - gap).T
    few, many = centred.shape
    few_means, many_means = centred.mean(axis=1, keepdims=True), centred.mean(axis=0, keepdims=True)
    many_square = few * float((many_means**2).sum()) / (many - 1)
    if few == 1:
        return 0.0, many_square / many
    few_square = many * float((few_means**2).sum()) / (few - 1)
    residual = float(((centred - few_means - many_means) ** 2).sum()) / ((few - 1) * (many - 1))
    return few_square / centred.size, max(0.0, many_square - min(few_square, residual)) / centred.size


def _effective_degrees(few_part: float, many_part: float, few_df: int, many_df: int, confidence: float) -> float:
    """Return ν with (A + B)·t²_ν = A·t²_few + B·t²_many, between the two."""
    if few_part == 0 or few_df == many_df:
        return float(many_df)
    if many_part == 0:
        return float(few_df)
    from scipy.optimize import brentq
    from scipy.special import stdtrit

    level = (1 + confidence) / 2
    t_few, t_many = float(stdtrit(few_df, level)), float(stdtrit(many_df, level))
    wanted = sqrt((few_part * t_few**2 + many_part * t_many**2) / (few_part + many_part))
    if not t_many < wanted < t_few:  # rounding, where one part is next to nothing
        return float(few_df if wanted >= t_few else many_df)
    # In 1/ν, in which t is nearly a straight line.
    return 1 / float(brentq(lambda inverse: float(stdtrit(1 / inverse, level)) - wanted, 1 / many_df, 1 / few_df))


def _table(rows: np.ndarray | Iterable[np.ndarray]) -> np.ndarray:
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
