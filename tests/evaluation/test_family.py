"""A family of comparisons: what methods lend each other, and how many tests there are."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from benchmarks.verdicts import compared, scores, shares
from tlcore.evaluation.family import FEWEST_LENDERS, Gaps, Joint, correlation, lent, members
from tlcore.evaluation.gap import gap_interval
from tlcore.evaluation.verdict import judge_together


def equal_correlation(size: int, rho: float) -> np.ndarray:
    return np.full((size, size), rho) + (1 - rho) * np.eye(size)


def holm(p_values: np.ndarray) -> np.ndarray:
    order = np.argsort(p_values)
    steps = (len(p_values) - np.arange(len(p_values))) * p_values[order]
    adjusted = np.empty(len(p_values))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(steps))
    return adjusted


@pytest.fixture(scope="module")
def drawn():
    return [scores(np.random.default_rng(seed), 14, 3) for seed in range(40)]


# The adjustment.


def test_of_one_comparison_nothing_is_adjusted():
    assert Joint(np.eye(1)).adjusted(np.array([0.03])) == pytest.approx([0.03], rel=0.05)


def test_independent_tests_are_adjusted_as_sidak_does_step_by_step():
    p_values = np.array([0.02, 0.2, 0.05, 0.01])
    by_hand = [1 - (1 - p) ** left for p, left in ((0.01, 4), (0.02, 3), (0.05, 2), (0.2, 1))]
    adjusted = Joint(np.eye(4)).adjusted(p_values)
    assert adjusted[[3, 0, 2, 1]] == pytest.approx(np.maximum.accumulate(by_hand), abs=0.006)


def test_the_same_test_many_times_is_one_test():
    adjusted = Joint(np.ones((9, 9))).adjusted(np.full(9, 0.04))
    assert adjusted == pytest.approx(np.full(9, 0.04), abs=0.004)


def test_the_smallest_is_adjusted_as_dunnett_s_test_does():
    rng = np.random.default_rng(0)
    groups = [rng.standard_normal(2000) + shift for shift in (0.10, 0.06, 0.09, 0.0)]
    theirs = stats.dunnett(*groups, control=rng.standard_normal(2000), rng=np.random.default_rng(0))
    ours = Joint(equal_correlation(4, 0.5)).adjusted(2 * stats.norm.sf(abs(theirs.statistic)))
    smallest = theirs.pvalue.argmin()
    assert 0.003 < theirs.pvalue[smallest] < 0.2
    assert ours[smallest] == pytest.approx(theirs.pvalue[smallest], rel=0.15)
    assert (ours <= theirs.pvalue + 0.005).all()  # step by step, the others are asked for less


@given(
    st.lists(st.floats(1e-12, 1), min_size=1, max_size=8).map(np.array),
    st.floats(0, 1),
    st.booleans(),
)
def test_adjusted_p_values_lie_between_raw_ones_and_holm_s_and_keep_their_order(p_values, rho, two_sided):
    adjusted = Joint(equal_correlation(len(p_values), rho)).adjusted(p_values, two_sided)
    assert (adjusted >= p_values).all()
    assert (adjusted <= np.maximum(holm(p_values), p_values) + 1e-12).all()
    assert all(one <= other for one, other in pairwise(adjusted[np.argsort(p_values)]))


def test_the_level_of_one_test_is_that_of_the_family():
    joint = Joint(equal_correlation(14, 0.5))
    level = joint.level(0.05)
    assert joint.adjusted(np.array([level] + [1.0] * 13))[0] == pytest.approx(0.05, abs=0.003)
    assert 0.05 / 14 < level < 0.05


def test_gaps_to_one_baseline_go_together_by_half(drawn):
    matrices = [correlation(members(compared(table))) for table in drawn]
    found = np.mean(matrices, axis=0)[np.triu_indices(14, 1)]
    assert found.mean() == pytest.approx(0.5, abs=0.03)
    assert found.min() > 0.4


def test_comparisons_on_other_examples_or_seeds_are_taken_for_independent():
    table = scores(np.random.default_rng(0), 2, 4)
    of_one, other = compared(table)
    apart = [of_one, Gaps("other", 5, of_one.seeds, other.table[:, :90], "label b")]
    assert correlation(members(apart))[0, 1] == 0
    later = [of_one, Gaps("later", 5, (7, 8, 9, 10), other.table)]
    assert abs(correlation(members(later))[0, 1]) < correlation(members([of_one, other]))[0, 1] / 2


# The loan.


def test_one_method_alone_is_estimated_by_its_own_data():
    table = compared(scores(np.random.default_rng(1), 1, 3))[0].table
    assert members([Gaps("m", 5, (0, 1, 2), table)])[0].estimate == gap_interval(table)


def test_too_few_others_lend_nothing():
    for many in range(1, FEWEST_LENDERS + 1):
        family = members(compared(scores(np.random.default_rng(1), many, 3)))
        assert all(one.loan.degrees == 0 for one in family)
    assert members(compared(scores(np.random.default_rng(1), 1 + FEWEST_LENDERS, 3)))[0].loan.lenders == FEWEST_LENDERS


def test_budgets_and_groups_lend_each_other_nothing():
    drawn = compared(scores(np.random.default_rng(1), 6, 3))
    twice = [*drawn, *(Gaps(one.method, 20, one.seeds, one.table * 7) for one in drawn)]
    assert [one.estimate for one in members(twice)][:6] == [one.estimate for one in members(drawn)]


def test_a_moderated_spread_lies_between_one_s_own_and_that_of_the_others():
    drawn = compared(scores(np.random.default_rng(3), 10, 3))
    for one, own in zip(members(drawn), drawn, strict=True):
        alone = members([own])[0]
        assert one.loan.degrees > 0 or one.loan.ratio > 1
        low, high = sorted((alone.spread.of_seeds, alone.spread.of_seeds / one.loan.ratio))
        assert low <= one.spread.of_seeds <= high * (1 + 1e-9)


def test_with_a_loan_a_gap_is_known_better(drawn):
    wide = [gap_interval(one.table) for table in drawn for one in compared(table)]
    narrow = [one.estimate for table in drawn for one in members(compared(table))]
    half = [np.median([one.ci_high - one.gap for one in which]) for which in (wide, narrow)]
    assert half[1] < 0.7 * half[0]


def test_the_others_are_worth_less_for_the_luck_that_they_share():
    ones, three = np.ones(15), np.full(15, 2)
    independent, alike = (lent(ones, three, equal_correlation(15, rho))[0][1].degrees for rho in (0.0, 0.5))
    assert 20 < independent < 2 * 14  # less what is left out
    # Var s² = 2/f·(1/J + (1 − 1/J)·ρ²) where none is left out
    assert alike == pytest.approx(2 / (1 / 14 + 13 / 14 * 0.25), rel=0.06)
    assert lent(ones, three, equal_correlation(15, 1.0))[0][1].degrees == pytest.approx(2, rel=0.02)


def test_what_others_say_is_right_on_average():
    rng = np.random.default_rng(0)
    squares = rng.chisquare(2, (3000, 8)) / 2
    said = [lent(row, np.full(8, 2), np.eye(8))[0][0] for row in squares]
    assert np.mean(said) == pytest.approx(1, abs=0.03)


def test_who_scatters_more_than_the_others_keeps_its_own_spread():
    table = scores(np.random.default_rng(5), 10, 5)
    table[3] += np.linspace(-0.5, 0.5, 5)[:, None]
    family, own = members(compared(table)), gap_interval(compared(table)[2].table)
    assert family[2].estimate.standard_error == own.standard_error
    assert own.degrees_of_freedom < family[2].estimate.degrees_of_freedom < own.degrees_of_freedom + 3
    assert (family[2].loan.degrees, family[2].loan.lenders) == (0, 9)
    others = members(compared(np.delete(table, 3, axis=0)))
    changed = [one.estimate.standard_error for number, one in enumerate(family) if number != 2]
    assert changed == pytest.approx([one.estimate.standard_error for one in others], rel=0.2)


def test_tables_without_spread_neither_lend_nor_borrow():
    drawn = compared(scores(np.random.default_rng(5), 4, 3))
    still = Gaps("still", 5, (0, 1, 2), np.tile(drawn[0].table[:1], (3, 1)))
    with_it = members([*drawn, still])
    assert [one.estimate for one in with_it[:4]] == [one.estimate for one in members(drawn)]
    assert with_it[4].estimate == gap_interval(still.table)


# The verdicts of a family, in short; `python -m benchmarks.verdicts` has more.


@pytest.mark.slow
def test_some_false_verdict_stands_in_at_most_one_run_of_twenty():
    found = shares(14, 3, "none", 150)
    assert found["false, adjusted"] <= 0.05 + 3 * (0.05 * 0.95 / 150) ** 0.5
    assert found["false, raw"] > 0.12
    assert 0.93 <= found["covered"] <= 0.97
    assert found["found, raw"] > 0.55


@pytest.mark.slow
def test_five_seeds_find_five_points_among_fourteen_methods():
    found = shares(14, 5, "none", 100)
    assert found["found, raw"] > 0.8
    assert found["found, adjusted"] > 0.45


@pytest.mark.slow
def test_a_method_that_scatters_five_times_as_much_is_still_covered():
    found = shares(14, 5, "in everything", 100)
    assert found["covered, first"] > 0.9
    assert 0.93 <= found["covered"] <= 0.985


def test_a_verdict_among_many_asks_for_more_and_says_so():
    table = scores(np.random.default_rng(2), 14, 5)
    known = members(compared(table))[4].estimate
    shift = 1.2 * (known.ci_high - known.gap) - known.gap
    gaps = compared(table, np.where(np.arange(14) == 4, shift, 0.0))
    family = judge_together(gaps, "from_scratch", "accuracy")
    assert family[4].p_value < 0.05 < family[4].p_adjusted
    assert family[4].verdict == "no evidence"
    assert family[4].sentence.endswith("which would be evidence by itself, and is not yet among 14 comparisons.")
    assert family[4].comparisons == 14
