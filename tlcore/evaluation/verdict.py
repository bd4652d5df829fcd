"""Does transfer help? A verdict on each method of a run that a stakeholder can read.

A verdict is about the gap of a method to its baseline (`tlcore.evaluation.gap`), as one of the family of comparisons
that a run makes (`tlcore.evaluation.family`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import isfinite, sqrt
from typing import Any, Literal

import numpy as np

from tlcore.evaluation.family import Gaps, Joint, Loan, alike, correlation, members
from tlcore.evaluation.gap import CONFIDENCE, checked
from tlcore.evaluation.looks import LOOKS
from tlcore.evaluation.metrics import CLASSIFICATION, Metric
from tlcore.evaluation.power import chance, more_seeds

VERDICTS = ("helps", "helps a little", "no evidence", "negative transfer", "strongly negative transfer")
MINIMUM_SEEDS = 3
ALPHA = 0.05
"""How often, at most, a run in which nothing helps or harms may say of anything that it does."""
MARGIN = 0.01
FUTILE = 0.03
"""Chance of a decision below which a run until decided spends no more seeds on a comparison."""

BudgetOf = Literal["class", "user", "example", "picture"]
UNITS: dict[BudgetOf, str] = {
    "class": "labels a class",
    "user": "interactions a user",
    "example": "labelled examples",
    "picture": "labelled pictures",
}
"""What a label budget counts."""


@dataclass(frozen=True)
class Verdict:
    """What the evidence says of one method at one label budget; a row of ``verdicts.json``.

    Attributes
    ----------
    method : str
    budget : int
    baseline, metric : str
    gap, ci_low, ci_high : float
        The mean gap and its 95 % interval, this comparison by itself.
    p_value : float
        Of the hypothesis that there is no gap, this comparison by itself.
    verdict : str
        One of `VERDICTS`, by the adjusted p-values.
    sentence : str
    seeds : int
    p_adjusted : float
        As the p-value, for all comparisons of the run at once.
    comparisons : int
        How many those are.
    p_worse, p_equal, p_better : float
        The probabilities that the true gap is below −margin, within, and above it.
    equal : bool
        Whether it was shown to be within the margin.
    level : float
        What an adjusted p-value had to be below; less than 0.05 where a run looks more than once.
    note : str
        What is known of the spread between seeds from the other methods, in words.
    chance : float
        Of an open verdict, how likely it is decided with as many seeds as a run until decided takes at most.
    more_seeds : int or None
        Of an open verdict, how many more seeds would decide it if the gap stayed as it is; 0 if it is decided, None
        if no number up to `tlcore.evaluation.power.MOST_SEEDS` would.
    """

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
    p_adjusted: float
    comparisons: int
    p_worse: float
    p_equal: float
    p_better: float
    equal: bool
    level: float
    note: str
    chance: float
    more_seeds: int | None

    @property
    def open(self) -> bool:
        """Whether nothing was shown, neither a gap nor that there is none, and more seeds may well do so."""
        return self.verdict == "no evidence" and not self.equal and self.chance >= FUTILE


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
    """Say whether a method helps, and how sure that is, as if nothing else had been compared.

    As `judge_together` of one comparison.

    Examples
    --------
    >>> gaps = np.array([[0, 0, 1, 0] * 50, [0, 0, 1, 0] * 50, [0, 1, 1, 0] * 50])
    >>> judge("fine_tune", 5, "from_scratch", "accuracy", gaps).verdict
    'no evidence'
    """
    table = checked(differences)
    alone = Gaps(method, budget, tuple(range(len(table))), table)
    return judge_together([alone], baseline, metric, margin, budget_of=budget_of)[0]


def judge_together(
    comparisons: Sequence[Gaps],
    baseline: str,
    metric: str | Metric,
    margin: float = MARGIN,
    *,
    budget_of: BudgetOf = "class",
    level: float = ALPHA,
    settled: Sequence[Verdict | None] = (),
) -> list[Verdict]:
    """Say of each method whether it helps, such that all verdicts of a run can be trusted at once.

    Each comparison is tested for three things, and the p-values of each are adjusted for all comparisons
    (`tlcore.evaluation.family.Joint.adjusted`). With m the margin and α the level::

        p(μ = 0) < α,  and  p(|μ| ≤ m) < α   →  helps            or  strongly negative transfer
        p(μ = 0) < α                         →  helps a little   or  negative transfer
        p(|μ| ≥ m) < α                       →  no evidence: practically equal

    by the sign of the gap, and *no evidence* otherwise, and always with fewer than `MINIMUM_SEEDS` seeds. At margin 0
    the first two are one. Of P(worse), P(equal), P(better) each is the probability of μ from Student's t around the
    gap, which is the posterior distribution from a flat prior.

    Parameters
    ----------
    comparisons : sequence of Gaps
        The family. Gaps are **positive where the method is better** whatever the metric: see
        `tlcore.evaluation.gap.gap_table`.
    baseline : str
        As it should stand in the sentence.
    metric : str or Metric
        A name of `tlcore.evaluation.metrics.CLASSIFICATION`, or the metric itself; an unknown name is taken
        as one in [0, 1] where higher is better.
    margin : float
        Gaps smaller than this do not matter in practice, in the metric's own unit (0.01 of accuracy is one
        point).
    budget_of : {"class", "user", "example", "picture"}
        What the budget counts: labels a class, or interactions a user.
    level : float
        α.
    settled : sequence of Verdict or None
        For each comparison the verdict that an earlier look left for good, and that is returned as it is. A hypothesis
        that was rejected there weighs no more on the others; one that was not goes on to, however little was hoped of
        it: to leave it out would make the most extreme of what remains look rare.

    Raises
    ------
    ValueError
        For a margin or a budget that is not a number from 0 on, and as `tlcore.evaluation.gap.gap_interval`.

    References
    ----------
    Kruschke (2018), Rejecting or accepting parameter values in Bayesian estimation, AMPPS 1: the region of
    practical equivalence.
    Benavoli, Corani, Demšar & Zaffalon (2017), Time for a change: a tutorial for comparing multiple classifiers through
    Bayesian analysis, JMLR 18: three probabilities.
    Wang, Dai, Póczos & Carbonell (2019), Characterizing and avoiding negative transfer, CVPR: negative
    transfer as a gap to the same learner without the source.
    """
    if not (isfinite(margin) and margin >= 0):
        raise ValueError(f"The practical margin must be 0 or more, but it is {margin}.")
    if not comparisons:
        return []
    known = metric if isinstance(metric, Metric) else _metric(metric)
    likeness = alike(comparisons)
    family = members(comparisons, likeness)
    joint = Joint(correlation(family, likeness))
    before = settled or [None] * len(family)
    rejected = np.array([_rejected(verdict) for verdict in before])

    def adjusted_for_all(p_values: list[float], column: int, two_sided: bool = True) -> np.ndarray:
        return joint.adjusted(np.where(rejected[:, column], 0.0, p_values), two_sided)

    estimates = [member.estimate for member in family]
    no_gap = adjusted_for_all([one.p_value for one in estimates], 0)
    no_matter = adjusted_for_all([one.beyond(margin) for one in estimates], 1)
    some_gap = adjusted_for_all([one.within(margin) for one in estimates], 2, two_sided=False)
    alone = joint.level(level)
    verdicts = []
    for member, earlier, *adjusted in zip(family, before, no_gap, no_matter, some_gap, strict=True):
        if earlier:
            verdicts.append(earlier)
            continue
        estimate, enough = member.estimate, member.estimate.seeds >= MINIMUM_SEEDS
        different, relevant, equal = (enough and bool(p < level) for p in adjusted)
        verdict = _verdict(estimate.gap, different, relevant)
        equal = equal and not different
        decided = different or equal
        said: dict[str, Any] = {
            "method": member.gaps.method,
            "budget": member.gaps.budget,
            "baseline": baseline,
            "gap": estimate.gap,
            "ci_low": estimate.ci_low,
            "ci_high": estimate.ci_high,
            "verdict": verdict,
            "seeds": estimate.seeds,
            "equal": equal,
            "comparisons": len(family),
        }
        worse, better = estimate.below(-margin), 1 - estimate.below(margin)
        verdicts.append(
            Verdict(
                metric=known.name,
                sentence=sentence(metric=known, among=member.gaps.among, margin=margin, budget_of=budget_of, **said),
                p_value=estimate.p_value,
                p_adjusted=float(adjusted[0]),
                p_worse=worse,
                p_equal=max(0.0, 1 - worse - better),
                p_better=better,
                level=level,
                note=borrowed(member.loan, estimate.seeds - 1),
                chance=0.0 if decided else chance(member, margin, alone, LOOKS[-1]) if enough else 1.0,
                more_seeds=0 if decided else more_seeds(member, margin, alone),
                **said,
            )
        )
    return verdicts


def _rejected(verdict: Verdict | None) -> tuple[bool, bool, bool]:
    """Which hypotheses a verdict has rejected: no gap, none that matters, one that does."""
    if verdict is None:
        return False, False, False
    return verdict.verdict != "no evidence", verdict.verdict in (VERDICTS[0], VERDICTS[-1]), verdict.equal


def _verdict(gap: float, different: bool, relevant: bool) -> str:
    if not different:
        return "no evidence"
    if gap > 0:
        return "helps" if relevant else "helps a little"
    return "strongly negative transfer" if relevant else "negative transfer"


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
    "one of several": "{opening}, {method} reaches {gap} more {metric} than {baseline} ({interval}, {seeds}), "
    "which {why}.",
    "one of several, lower": "{opening}, {method} reaches {gap} less {metric} than {baseline} ({interval}, {seeds}), "
    "which {why}.",
    "one of several, worse": "{opening}, {method} costs {gap} of {metric} against {baseline} ({interval}, {seeds}), "
    "which {why}.",
    "one of several, worse, lower": "{opening}, {method} adds {gap} of {metric} against {baseline} "
    "({interval}, {seeds}), which {why}.",
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
    "no labels a example": "Without target labels",
    "one label a example": "With 1 labelled example",
    "labels a example": "With {budget} labelled examples",
    "no labels a picture": "Without labelled pictures",
    "one label a picture": "With 1 labelled picture",
    "labels a picture": "With {budget} labelled pictures",
    "one point": "1 point",
    "points": "{value} points",
    "number": "{value}",
    "interval in points": "{confidence} % interval {low} to {high} points",
    "interval": "{confidence} % interval {low} to {high}",
    "one seed": "1 seed",
    "seeds": "{seeds} seeds",
    "of a group": "Of {group}: {sentence}",
    "of many": "would be evidence by itself, and is not yet among {comparisons} comparisons",
    "of looks": "would be evidence at the only look, and is not yet at one of several",
}

# What is said of the spread between seeds.
NOTES: dict[str, str] = {
    "borrowed": "How much a seed's luck is was learned from {lenders} other methods, too: they are worth {degrees} "
    "degrees of freedom beside its own {own}.",
    "own": "Its seeds scatter {ratio} times as much as the others', so that it keeps its own spread.",
    "partly": "Its seeds scatter {ratio} times as much as the others', so that it borrows their spread in part: "
    "{degrees} degrees of freedom beside its own {own}.",
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
    equal: bool = False,
    comparisons: int = 1,
    among: str = "",
    margin: float = MARGIN,
    budget_of: BudgetOf = "class",
    translate: Callable[[str], str] = lambda text: text,
    decimal_point: str = ".",
) -> str:
    """Say a verdict in one sentence, in any language.

    Metrics in [0, 1] are said in points (hundredths), others in their own unit. *No evidence* has four
    sentences: too few seeds, practically equal, too close to call, and what would do by itself but is one of several
    comparisons, or looks.

    Parameters
    ----------
    method, budget, baseline, metric, gap, ci_low, ci_high, verdict, seeds, equal, comparisons
        The fields of a `Verdict`, so a page can say a stored verdict again in the reader's language.
    among : str
        Whom it is about, if not about all test examples.
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
    low, high = (-ci_high, -ci_low) if ci_high < 0 else (ci_low, ci_high)
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
        "why": translate(PHRASES["of many" if comparisons > 1 else "of looks"]).format(comparisons=comparisons),
    }
    said = translate(SENTENCES[_case(verdict, known, ci_low, ci_high, seeds, equal)]).format(**fields)
    return translate(PHRASES["of a group"]).format(group=among, sentence=said) if among else said


def _case(verdict: str, metric: Metric, ci_low: float, ci_high: float, seeds: int, equal: bool) -> str:
    lower = "" if metric.higher_is_better else ", lower"
    if verdict != "no evidence":
        return verdict + lower
    if seeds < MINIMUM_SEEDS:
        return "too few seeds"
    if equal:
        return "practically equal"
    if ci_low <= 0 <= ci_high:
        return "too close to call"
    return "one of several" + (", worse" if ci_high < 0 else "") + lower


def borrowed(loan: Loan, own: int, translate: Callable[[str], str] = lambda text: text) -> str:
    """Say what is known of the spread between seeds from other methods; nothing where nothing is.

    Parameters
    ----------
    loan : Loan
    own : int
        Degrees of freedom of the comparison itself: its seeds less one.
    translate : callable
        As in `sentence`, of each template of `NOTES`.
    """
    if not loan.lenders:
        return ""
    case = "own" if not loan.degrees else "partly" if loan.trust < 1 else "borrowed"
    fields = {"lenders": loan.lenders, "degrees": f"{loan.degrees:.1f}", "own": own, "ratio": f"{sqrt(loan.ratio):.1f}"}
    return translate(NOTES[case]).format(**fields)


def _metric(name: str) -> Metric:
    return CLASSIFICATION.get(name) or Metric(name, name.replace("_", " "), True, "")
