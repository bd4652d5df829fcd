"""The interval must cover what it promises, and the verdict must say what the interval supports."""

from dataclasses import fields
from importlib.util import find_spec
from inspect import signature
from math import inf, isinf, sqrt
from string import Formatter

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from tlcore.evaluation.gap import gap_interval, gap_table
from tlcore.evaluation.metrics import CLASSIFICATION, Metric
from tlcore.evaluation.verdict import (
    MINIMUM_SEEDS,
    PHRASES,
    SENTENCES,
    VERDICTS,
    Verdict,
    judge,
    sentence,
)

EXAMPLES = 200
MIRRORED = dict(zip(VERDICTS, reversed(VERDICTS), strict=True))

# Gaps in hundredths, as coarse as those of accuracy are.
tables = st.tuples(st.integers(2, 5), st.integers(2, 12)).flatmap(
    lambda shape: arrays(int, shape, elements=st.integers(-100, 100)).map(lambda table: table / 100)
)


def crossed(rng, trials: int, seeds: int, spread: tuple[float, float, float]) -> np.ndarray:
    """Draw tables with mean 0: spreads of the seed effect, the example effect and the residual."""
    of_seed, of_example, residual = spread
    return (
        of_seed * rng.standard_normal((trials, seeds, 1))
        + of_example * rng.standard_normal((trials, 1, EXAMPLES))
        + residual * rng.standard_normal((trials, seeds, EXAMPLES))
    )


def zero_one(rng, trials: int, seeds: int) -> np.ndarray:
    """Draw gaps in {−1, 0, 1} with mean 0: two equally good classifiers whose errors agree in part."""
    hardness = rng.standard_normal((trials, 1, EXAMPLES))

    def right():
        own = 0.5 * rng.standard_normal((trials, 1, EXAMPLES)) + 0.15 * rng.standard_normal((trials, seeds, 1))
        return (hardness + own + 0.6 * rng.standard_normal((trials, seeds, EXAMPLES)) > -0.6).astype(float)

    return right() - right()


def coverage(tables: np.ndarray, interval) -> float:
    return float(np.mean([low <= 0 <= high for low, high in map(interval, tables)]))


def ours(table: np.ndarray) -> tuple[float, float]:
    estimate = gap_interval(table)
    return estimate.ci_low, estimate.ci_high


def paired_t_over_all_cells(table: np.ndarray) -> tuple[float, float]:
    half = stats.t.ppf(0.975, table.size - 1) * table.std(ddof=1) / sqrt(table.size)
    return table.mean() - half, table.mean() + half


def paired_t_over_examples(table: np.ndarray) -> tuple[float, float]:
    return paired_t_over_all_cells(table.mean(axis=0))


def paired_t_over_seeds(table: np.ndarray) -> tuple[float, float]:
    return paired_t_over_all_cells(table.mean(axis=1))


SPREADS = {
    "only noise": (0.0, 0.0, 1.0),
    "only examples": (0.0, 1.0, 0.0),
    "only seeds": (1.0, 0.0, 0.0),
    "examples and noise": (0.0, 1.0, 1.0),
    "some of each": (0.1, 1.0, 0.5),
    "seeds a little more": (0.2, 1.0, 0.5),
    "seeds about twice examples": (0.4, 1.0, 0.1),
    "mostly seeds": (1.0, 0.5, 0.5),
}


@pytest.mark.parametrize("spread", SPREADS.values(), ids=SPREADS.keys())
@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.slow
def test_the_interval_covers(seeds, spread):
    # 2,000 draws at a true 0.95 stray by 0.005: 0.935 is three of these away, and Satterthwaite's 0.92 fails.
    tables = crossed(np.random.default_rng(7), 2000, seeds, spread)
    assert coverage(tables, ours) >= 0.935


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_the_interval_covers_for_right_and_wrong_answers(seeds):
    assert coverage(zero_one(np.random.default_rng(8), 2000, seeds), ours) >= 0.935


@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize(
    ("wrong", "spread"),
    [
        (paired_t_over_all_cells, "some of each"),
        (paired_t_over_examples, "mostly seeds"),
        (paired_t_over_seeds, "examples and noise"),
    ],
)
def test_an_interval_that_forgets_an_effect_would_not_cover(wrong, spread, seeds):
    tables = crossed(np.random.default_rng(7), 500, seeds, SPREADS[spread])
    assert coverage(tables, wrong) < 0.9


@pytest.mark.parametrize(("seeds", "at_most"), [(3, 1.7), (5, 1.25), (10, 1.1)])
def test_the_interval_is_not_wide_without_need(seeds, at_most):
    of_seed, of_example, residual = spread = SPREADS["some of each"]
    ideal = 1.96 * sqrt(of_seed**2 / seeds + of_example**2 / EXAMPLES + residual**2 / seeds / EXAMPLES)
    tables = crossed(np.random.default_rng(9), 500, seeds, spread)
    widths = [(high - low) / 2 for low, high in map(ours, tables)]
    assert np.mean(widths) < at_most * ideal


def test_the_p_value_is_uniform_where_there_is_no_gap():
    tables = crossed(np.random.default_rng(10), 2000, 5, SPREADS["only seeds"])
    p_values = [gap_interval(table).p_value for table in tables]
    assert stats.kstest(p_values, "uniform").pvalue > 0.001


def test_the_formula_by_its_definition():
    """Mean squares written out cell by cell, and both forms of the half width."""
    table = np.random.default_rng(3).normal(0.3, 1, (4, 9)) + np.linspace(0, 2, 9) + np.array([[0], [1], [0], [2]])
    s, n = table.shape
    grand, rows, columns = table.mean(), table.mean(axis=1), table.mean(axis=0)
    ms_seed = sum(n * (row - grand) ** 2 for row in rows) / (s - 1)
    ms_example = sum(s * (column - grand) ** 2 for column in columns) / (n - 1)
    ms_residual = sum((table[i, j] - rows[i] - columns[j] + grand) ** 2 for i in range(s) for j in range(n)) / (
        (s - 1) * (n - 1)
    )
    assert ms_residual < min(ms_seed, ms_example)  # the textbook case, with nothing to clamp

    estimate = gap_interval(table)
    assert estimate.standard_error == pytest.approx(sqrt((ms_seed + ms_example - ms_residual) / (s * n)))
    t_seed, t_example = stats.t.ppf(0.975, s - 1), stats.t.ppf(0.975, n - 1)
    half = sqrt((ms_seed * t_seed**2 + (ms_example - ms_residual) * t_example**2) / (s * n))
    assert (estimate.ci_low, estimate.ci_high) == pytest.approx((grand - half, grand + half))
    assert s - 1 < estimate.degrees_of_freedom < n - 1
    t = abs(grand) / estimate.standard_error
    assert estimate.p_value == pytest.approx(2 * stats.t.sf(t, estimate.degrees_of_freedom))


@given(tables)
def test_the_standard_error_is_never_below_what_one_effect_shows_alone(table):
    estimate = gap_interval(table)
    for axis in (0, 1):
        means = table.mean(axis=axis)
        assert estimate.standard_error >= means.std(ddof=1) / sqrt(len(means)) - 1e-12


@given(tables, st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_p_value_and_interval_agree(table, confidence):
    estimate = gap_interval(table, confidence)
    outside = estimate.ci_low > 0 or estimate.ci_high < 0
    assume(abs(estimate.p_value - (1 - confidence)) > 1e-9)
    assert outside == (estimate.p_value < 1 - confidence)
    assert estimate.ci_low <= estimate.gap <= estimate.ci_high
    assert 0 <= estimate.p_value <= 1


@given(tables)
def test_more_confidence_needs_a_wider_interval(table):
    narrow, wide = gap_interval(table, 0.9), gap_interval(table, 0.99)
    assert wide.ci_low <= narrow.ci_low
    assert narrow.ci_high <= wide.ci_high


@given(tables, st.sampled_from([0.0, 0.01, 0.2]))
def test_swapping_method_and_baseline_mirrors_everything(table, margin):
    there, back = (
        judge("a", 5, "b", "accuracy", table, margin),
        judge("b", 5, "a", "accuracy", -table, margin),
    )
    assert back.gap == -there.gap
    assert (back.ci_low, back.ci_high) == (-there.ci_high, -there.ci_low)
    assert back.p_value == there.p_value
    assert back.verdict == MIRRORED[there.verdict]


@given(tables, st.randoms(use_true_random=False))
def test_order_of_seeds_and_examples_does_not_matter(table, random):
    seeds, examples = (list(range(size)) for size in table.shape)
    random.shuffle(seeds)
    random.shuffle(examples)
    before, after = gap_interval(table), gap_interval(table[seeds][:, examples])
    for field in fields(before):
        assert getattr(after, field.name) == pytest.approx(getattr(before, field.name), abs=1e-9, rel=1e-6)


@given(tables)
def test_a_change_of_unit_changes_the_unit_only(table):
    assume(np.ptp(table) > 0)
    one, hundred = gap_interval(table), gap_interval(100 * table)
    assert (100 * one.ci_low, 100 * one.ci_high) == pytest.approx((hundred.ci_low, hundred.ci_high), abs=1e-6)
    assert one.p_value == pytest.approx(hundred.p_value, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("shape", [(1, 30), (30, 1)])
def test_with_one_seed_or_one_example_it_is_a_paired_t_test_over_the_other(shape):
    gaps = np.random.default_rng(2).normal(0.2, 1, 30)
    estimate, test = gap_interval(gaps.reshape(shape)), stats.ttest_1samp(gaps, 0)
    assert (estimate.ci_low, estimate.ci_high) == pytest.approx(tuple(test.confidence_interval()))
    assert estimate.p_value == pytest.approx(test.pvalue)
    assert estimate.degrees_of_freedom == 29
    assert estimate.seeds == shape[0]


def test_one_seed_and_one_example_say_nothing_of_spread():
    estimate = gap_interval([[0.3]])
    assert (estimate.gap, estimate.ci_low, estimate.ci_high, estimate.p_value) == (0.3, -inf, inf, 1.0)


@pytest.mark.parametrize("shape", [(1, 5), (3, 1), (3, 200), (200, 3)])
def test_no_difference_anywhere(shape):
    estimate = gap_interval(np.zeros(shape))
    assert (estimate.gap, estimate.ci_low, estimate.ci_high, estimate.p_value) == (0, 0, 0, 1)


def test_the_same_difference_everywhere():
    estimate = gap_interval(np.full((3, 7), 0.1))
    assert estimate.ci_low == estimate.gap == estimate.ci_high == pytest.approx(0.1)
    assert estimate.p_value == 0


@pytest.mark.parametrize(
    ("differences", "message"),
    [
        ([], "no seed"),
        (np.empty((0, 5)), "no seed"),
        (np.empty((3, 0)), "no test example"),
        ([np.zeros(5), np.zeros(4)], "from 4 to 5"),
        ([[0.0, np.nan], [0.0, 0.0]], "1 of 4"),
        ([[0.0, inf], [0.0, 0.0]], "1 of 4"),
        (np.zeros(5), "shape"),
        (np.zeros((2, 3, 4)), "shape"),
    ],
)
def test_gaps_that_cannot_be_judged_are_refused(differences, message):
    for call in (lambda: gap_interval(differences), lambda: judge("a", 5, "b", "accuracy", differences)):
        with pytest.raises(ValueError, match=message) as refusal:
            call()
        assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("confidence", [0, 1, -0.5, 95, float("nan")])
def test_an_impossible_confidence_is_refused(confidence):
    with pytest.raises(ValueError, match="confidence"):
        gap_interval(np.zeros((3, 3)), confidence)


@pytest.mark.parametrize("margin", [-0.01, float("nan"), inf])
def test_an_impossible_margin_is_refused(margin):
    with pytest.raises(ValueError, match="margin"):
        judge("a", 5, "b", "accuracy", np.zeros((3, 3)), margin)


def test_a_negative_budget_is_refused():
    with pytest.raises(ValueError, match="budget"):
        judge("a", -1, "b", "accuracy", np.zeros((3, 3)))


def test_scores_are_paired_and_turned_so_that_positive_is_better():
    method, baseline = (
        [np.array([0.9, 0.1]), np.array([0.5, 0.5])],
        [np.array([0.4, 0.4]), np.array([0.5, 0.7])],
    )
    np.testing.assert_allclose(gap_table(method, baseline), [[0.5, -0.3], [0.0, -0.2]])
    np.testing.assert_allclose(gap_table(method, baseline, higher_is_better=False), [[-0.5, 0.3], [0.0, 0.2]])


def test_scores_of_other_seeds_or_examples_are_refused():
    for other in ([np.zeros(3)], [np.zeros(4), np.zeros(4)]):
        with pytest.raises(ValueError, match="same seeds and test examples"):
            gap_table([np.zeros(3), np.zeros(3)], other)


def centred(gap: float, half_width: float, seeds: int = 5) -> np.ndarray:
    """Make gaps whose interval is exactly gap ± half_width: a seed effect of that size and nothing else."""
    pattern = np.linspace(-1, 1, seeds)
    scale = half_width / (stats.t.ppf(0.975, seeds - 1) * pattern.std(ddof=1) / sqrt(seeds))
    return np.repeat((gap + scale * pattern)[:, None], 6, axis=1)


@pytest.mark.parametrize(
    ("gap", "half_width", "margin", "expected"),
    [
        (0.041, 0.018, 0.01, "helps"),
        (0.020, 0.015, 0.01, "helps a little"),
        (0.041, 0.032, 0.0, "helps"),
        (0.041, 0.050, 0.01, "no evidence"),
        (0.000, 0.005, 0.01, "no evidence"),
        (-0.041, 0.050, 0.01, "no evidence"),
        (-0.020, 0.015, 0.01, "negative transfer"),
        (-0.041, 0.018, 0.01, "strongly negative transfer"),
        (-0.041, 0.018, 0.03, "negative transfer"),
    ],
)
def test_the_verdict_follows_the_interval(gap, half_width, margin, expected):
    verdict = judge("fine_tune", 5, "from_scratch", "accuracy", centred(gap, half_width), margin)
    assert (verdict.ci_low, verdict.ci_high) == pytest.approx((gap - half_width, gap + half_width))
    assert verdict.verdict == expected
    assert verdict.seeds == 5


@pytest.mark.parametrize("seeds", range(1, MINIMUM_SEEDS))
def test_too_few_seeds_are_no_evidence_however_large_the_gap(seeds):
    verdict = judge("fine_tune", 5, "from_scratch", "accuracy", np.full((seeds, 50), 0.9))
    assert verdict.verdict == "no evidence"
    noun = "1 seed" if seeds == 1 else f"{seeds} seeds"
    assert verdict.sentence == (
        "With 5 labels a class, there is too little evidence to judge fine_tune against from_scratch "
        f"in accuracy: {noun}, at least 3 needed."
    )
    assert judge("fine_tune", 5, "from_scratch", "accuracy", np.full((3, 50), 0.9)).verdict == "helps"


def test_one_seed_with_one_example_is_judged_without_falling_over():
    verdict = judge("fine_tune", 5, "from_scratch", "accuracy", [[0.9]])
    assert verdict.verdict == "no evidence"
    assert isinf(verdict.ci_high)


@pytest.mark.parametrize(
    ("budget", "metric", "gap", "half_width", "expected"),
    [
        (
            5,
            "accuracy",
            0.041,
            0.018,
            (
                "With 5 labels a class, fine_tune reaches 4.1 points more accuracy than from_scratch "
                "(95 % interval 2.3 to 5.9 points, 5 seeds): transfer helps."
            ),
        ),
        (
            1,
            "balanced_accuracy",
            0.020,
            0.015,
            (
                "With 1 label a class, fine_tune reaches 2.0 points more balanced accuracy than from_scratch "
                "(95 % interval 0.5 to 3.5 points, 5 seeds): transfer helps a little."
            ),
        ),
        (
            0,
            "macro_f1",
            -0.041,
            0.018,
            (
                "Without target labels, fine_tune costs 4.1 points of macro F1 against from_scratch "
                "(95 % interval 2.3 to 5.9 points, 5 seeds): "
                "strongly negative transfer. Do not transfer this way here."
            ),
        ),
        (
            5,
            "accuracy",
            -0.020,
            0.015,
            (
                "With 5 labels a class, fine_tune costs 2.0 points of accuracy against from_scratch "
                "(95 % interval 0.5 to 3.5 points, 5 seeds): "
                "negative transfer. Do not transfer this way here."
            ),
        ),
        (
            5,
            "accuracy",
            0.011,
            0.023,
            (
                "With 5 labels a class, fine_tune is between 1.2 points worse and 3.4 points better "
                "than from_scratch in accuracy (95 % interval, 5 seeds): "
                "too close to call, no evidence that transfer helps or harms."
            ),
        ),
        (
            5,
            "accuracy",
            0.02,
            0.025,
            (
                "With 5 labels a class, fine_tune is between 0.5 points worse and 4.5 points better "
                "than from_scratch in accuracy (95 % interval, 5 seeds): "
                "too close to call, no evidence that transfer helps or harms."
            ),
        ),
        (
            5,
            "accuracy",
            -0.02,
            0.025,
            (
                "With 5 labels a class, fine_tune is between 4.5 points worse and 0.5 points better "
                "than from_scratch in accuracy (95 % interval, 5 seeds): "
                "too close to call, no evidence that transfer helps or harms."
            ),
        ),
        (
            5,
            "accuracy",
            0.001,
            0.004,
            (
                "With 5 labels a class, fine_tune is between 0.3 points worse and 0.5 points better "
                "than from_scratch in accuracy (95 % interval, 5 seeds), "
                "within the margin of 1 point: practically equal."
            ),
        ),
        (
            5,
            "log_loss",
            0.25,
            0.125,
            (
                "With 5 labels a class, fine_tune reaches 0.250 less log loss than from_scratch "
                "(95 % interval 0.125 to 0.375, 5 seeds): transfer helps."
            ),
        ),
        (
            5,
            "log_loss",
            -0.25,
            0.125,
            (
                "With 5 labels a class, fine_tune adds 0.250 of log loss against from_scratch "
                "(95 % interval 0.125 to 0.375, 5 seeds): "
                "strongly negative transfer. Do not transfer this way here."
            ),
        ),
        (
            5,
            "accuracy",
            0.0002,
            0.0001,
            (
                "With 5 labels a class, fine_tune reaches 0.02 points more accuracy than from_scratch "
                "(95 % interval 0.01 to 0.03 points, 5 seeds): transfer helps a little."
            ),
        ),
        (
            5,
            "recall@10",
            0.041,
            0.018,
            (
                "With 5 labels a class, fine_tune reaches 4.1 points more recall@10 than from_scratch "
                "(95 % interval 2.3 to 5.9 points, 5 seeds): transfer helps."
            ),
        ),
    ],
)
def test_the_sentence(budget, metric, gap, half_width, expected):
    verdict = judge("fine_tune", budget, "from_scratch", metric, centred(gap, half_width))
    assert verdict.sentence == expected
    assert (verdict.method, verdict.budget, verdict.baseline) == ("fine_tune", budget, "from_scratch")
    assert verdict.metric == metric


def test_interactions_are_counted_by_user():
    metric = Metric("rmse", "error", False, "", in_points=False)
    verdict = judge("cotrain", 5, "from_scratch", metric, centred(0.25, 0.125), budget_of="user")
    assert verdict.metric == "rmse"
    assert verdict.sentence.startswith("With 5 interactions a user, cotrain reaches 0.250 less error than")


def test_nothing_different_is_practically_equal():
    verdict = judge("a", 5, "b", "accuracy", np.zeros((3, 20)))
    assert verdict.verdict == "no evidence"
    assert "between 0.0 points worse and 0.0 points better" in verdict.sentence
    assert verdict.sentence.endswith("practically equal.")


def test_a_stored_verdict_can_be_said_again_in_another_language():
    german = {
        SENTENCES["helps"]: "{opening} bringt {method} {gap} mehr {metric} als {baseline} ({interval}, {seeds}): "
        "Transfer hilft.",
        PHRASES["labels a class"]: "Mit {budget} Labels je Klasse",
        PHRASES["points"]: "{value} Punkte",
        PHRASES["interval in points"]: "{confidence}-%-Intervall {low} bis {high} Punkte",
        PHRASES["seeds"]: "{seeds} Startwerte",
        CLASSIFICATION["accuracy"].label: "Genauigkeit",
    }
    stored = judge("fine_tune", 5, "from_scratch", "accuracy", centred(0.041, 0.018))
    kept = {f.name: getattr(stored, f.name) for f in fields(Verdict) if f.name in signature(sentence).parameters}
    assert sentence(**kept) == stored.sentence
    assert sentence(**kept, translate=lambda text: german.get(text, text), decimal_point=",") == (
        "Mit 5 Labels je Klasse bringt fine_tune 4,1 Punkte mehr Genauigkeit als from_scratch "
        "(95-%-Intervall 2,3 bis 5,9 Punkte, 5 Startwerte): Transfer hilft."
    )


def test_an_unknown_verdict_is_refused():
    with pytest.raises(ValueError, match="one of helps"):
        sentence(
            method="a",
            budget=5,
            baseline="b",
            metric="accuracy",
            gap=0.0,
            ci_low=0.0,
            ci_high=0.0,
            verdict="maybe",
            seeds=5,
        )


def test_every_template_says_who_against_whom():
    for template in SENTENCES.values():
        named = {name for _, name, _, _ in Formatter().parse(template) if name}
        assert {"opening", "method", "baseline", "metric", "seeds"} <= named


# Against the margin.


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("margin", [0.01, 0.03])
def test_the_three_probabilities_are_baycomp_s_where_there_is_one_number_a_seed(seed, margin):
    """By its posterior of mean, variance and degrees of freedom, and its own code where that is installed.

    Its correction for folds that share what is trained on, 1/n + 1/(n − 1) in place of 1/n, is left out: seeds are no
    folds.
    """
    rng = np.random.default_rng(seed)
    baseline, method = 0.8 + 0.03 * rng.standard_normal(7), 0.82 + 0.03 * rng.standard_normal(7)
    gaps = method - baseline
    posterior = stats.t(6, gaps.mean(), gaps.std(ddof=1) / sqrt(7))
    theirs = (posterior.cdf(-margin), posterior.cdf(margin) - posterior.cdf(-margin), posterior.sf(margin))
    verdict = judge("fine_tune", 5, "from_scratch", "accuracy", gaps[:, None], margin)
    assert (verdict.p_worse, verdict.p_equal, verdict.p_better) == pytest.approx(theirs, abs=1e-6)
    if find_spec("baycomp"):
        from baycomp.single import Posterior

        assert Posterior(gaps.mean(), gaps.var(ddof=1) / 7, 6, margin).probs() == pytest.approx(theirs, abs=1e-6)


@given(tables, st.floats(0, 0.5))
def test_the_three_probabilities_are_all_there_is_and_those_of_the_mirror(table, margin):
    verdict, mirrored = (judge("m", 5, "b", "accuracy", sign * table, margin) for sign in (1, -1))
    assert verdict.p_worse + verdict.p_equal + verdict.p_better == pytest.approx(1)
    assert (mirrored.p_worse, mirrored.p_better) == pytest.approx((verdict.p_better, verdict.p_worse), abs=1e-9)


@pytest.mark.parametrize(("gap", "margin"), [(0.03, 0.01), (0.06, 0.02), (-0.05, 0.01), (0.004, 0.01)])
def test_more_than_the_margin_is_tested_at_its_nearer_end(gap, margin):
    """Closed form: limma's treat with the error and degrees of freedom of the gap."""
    table = centred(gap, 0.03)
    estimate = gap_interval(table)
    t = stats.t(estimate.degrees_of_freedom)
    by_hand = t.sf((abs(gap) - margin) / estimate.standard_error) + t.sf((abs(gap) + margin) / estimate.standard_error)
    assert estimate.beyond(margin) == pytest.approx(by_hand)
    assert estimate.beyond(0) == pytest.approx(estimate.p_value)


@pytest.mark.slow
def test_at_the_margin_itself_helps_is_said_in_one_of_twenty():
    rng, margin, draws = np.random.default_rng(0), 0.05, 1500
    drawn = margin + 0.02 * rng.standard_normal((draws, 5, 1)) * np.ones((1, 1, 6))
    said = np.mean([judge("m", 5, "b", "accuracy", table, margin).verdict == "helps" for table in drawn])
    assert said == pytest.approx(0.05, abs=0.02)


@pytest.mark.parametrize(("gap", "half_width"), [(0.001, 0.004), (0.0, 0.011), (-0.004, 0.007), (0.009, 0.004)])
def test_practically_equal_is_what_two_one_sided_tests_say(gap, half_width):
    table = centred(gap, half_width)
    by_hand = max(
        stats.ttest_1samp(table[:, 0], -0.01, alternative="greater").pvalue,
        stats.ttest_1samp(table[:, 0], 0.01, alternative="less").pvalue,
    )
    assert gap_interval(table).within(0.01) == pytest.approx(by_hand)
    verdict = judge("fine_tune", 5, "from_scratch", "accuracy", table)
    assert verdict.equal == (by_hand < 0.05 and verdict.verdict == "no evidence")
    assert ("practically equal" in verdict.sentence) == verdict.equal
