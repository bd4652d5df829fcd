"""Where from scratch catches up."""

from math import inf

import numpy as np
import pytest
from scipy.optimize import minimize

from tlcore.evaluation import crossing as room
from tlcore.evaluation.crossing import SENTENCES, SHAPES, crossing, sentence, tables
from tlcore.evaluation.metrics import CLASSIFICATION, Metric

ACCURACY = CLASSIFICATION["accuracy"]
LOG_LOSS = CLASSIFICATION["log_loss"]
BUDGETS = (5, 20, 80, 320)


def leads(n):
    return 0.9 - 0.5 / n


def catches_up(n):
    """What it leads by is 0.01, the margin, at n = 44."""
    return 0.97 - 4 / n


def scores(curve, budgets=BUDGETS, seeds=5, examples=1000, seed=0, draw=9):
    difficulty = np.random.default_rng(draw).random(examples)  # the same for all who are compared
    rng = np.random.default_rng(seed)
    effects = 0.01 * rng.standard_normal((seeds, 1))
    return {n: (0.7 * difficulty + 0.3 * rng.random((seeds, examples)) < curve(n) + effects) * 1.0 for n in budgets}


def found(method, baseline, metric=ACCURACY, **how):
    return crossing("fine_tune", "from_scratch", metric, scores(method, **how), scores(baseline, **how, seed=1))


def test_a_crossing_within_the_budgets_is_found_with_its_interval():
    one = found(leads, catches_up)
    assert one.case == "between"
    assert one.low < 44 < one.high < 320
    assert one.low <= one.at <= one.high


def test_who_stays_ahead_is_not_caught_up_with():
    one = found(lambda n: 0.9 - 0.1 / n, lambda n: 0.8 - 1 / n)
    assert (one.case, one.at, one.high) == ("not yet", inf, inf)
    assert one.low >= 320


def test_who_never_was_ahead_is_not_caught_up_with_either():
    one = found(lambda n: 0.7 - 0.2 / n, lambda n: 0.9 - 0.2 / n)
    assert (one.case, one.low, one.at, one.high) == ("never behind", 0, 0, 0)


def test_of_two_that_are_alike_nothing_can_be_said():
    rng = np.random.default_rng(0)
    noisy = [{n: (rng.random((3, 40)) < 0.8) * 1.0 for n in BUDGETS[:3]} for _ in range(2)]
    one = crossing("fine_tune", "from_scratch", ACCURACY, *noisy)
    assert one.case == "uncertain"


def test_a_loss_is_turned_round():
    """A log loss of 2 − s is as good as a score of s, and has its best value at 0."""
    pair = scores(leads), scores(catches_up, seed=1)
    of_scores = crossing("a", "b", Metric("gain", "gain", True, ""), *pair)
    of_losses = crossing("a", "b", LOG_LOSS, *({n: 2 - rows for n, rows in table.items()} for table in pair))
    assert of_losses.at == pytest.approx(of_scores.at, rel=0.05)
    falls = [losses for _, losses, _ in of_losses.curves]
    assert falls[0] > falls[-1] >= 0


def test_a_larger_margin_is_reached_sooner():
    pair = scores(leads), scores(catches_up, seed=1)
    at = [crossing("a", "b", ACCURACY, *pair, margin).at for margin in (0.0, 0.02, 0.1)]
    assert at[0] > at[1] > at[2]


def test_more_seeds_and_examples_narrow_the_interval():
    def width(**how):
        one = found(leads, catches_up, **how)
        return np.log(one.high / one.low)

    assert width(seeds=20, examples=4000) < 0.7 * width(seeds=3, examples=500)  # the rest is what shapes disagree about


@pytest.mark.parametrize(("budgets", "seeds"), [((5, 20), 5), ((0, 5, 20), 5), ((5, 20, 80), 2)])
def test_with_too_little_nothing_is_said(budgets, seeds):
    assert found(lambda n: 0.9, lambda n: 0.8, budgets=budgets, seeds=seeds) is None


def test_scores_that_do_not_fit_are_refused():
    good = scores(lambda n: 0.9)
    with pytest.raises(ValueError, match=r"same seeds and test examples .* \[\(4, 1000\), \(5, 1000\)\]"):
        crossing("a", "b", ACCURACY, good, {**good, 20: good[20][:4]})
    with pytest.raises(ValueError, match="1 are NaN or infinite"):
        crossing("a", "b", ACCURACY, good, {**good, 20: np.where(np.arange(5000).reshape(5, 1000) == 7, np.nan, 1.0)})


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("best", [1.0, inf])
def test_the_closed_form_is_the_least_sum_of_squares(shape, best):
    """Against a general optimiser, for each of the values that are tried, both bounds among those that hold."""
    z, tried = SHAPES[shape][0], SHAPES[shape][1](256.0)[::6]
    rng, budgets = np.random.default_rng(0), np.array([1.0, 4.0, 16.0, 64.0])
    values = np.array([[0.5, 0.7, 0.8, 0.85], [0.8, 0.7, 0.6, 0.6], [0.5, 0.9, 0.99, 1.0], [0.2, 0.5, 0.8, 1.2]])
    values, weights = values + 0.01 * rng.standard_normal(values.shape), rng.uniform(1, 3, 4)
    grid = budgets
    fitted = room._fitted(values, budgets, weights, z, tried, best, grid)[0]
    for row, curve in zip(values, fitted, strict=True):

        def misfit(ca, p, row=row):
            return np.sum(weights * (row - ca[0] + ca[1] * z(budgets, p)) ** 2)

        bounds = [(None, None if best == inf else best), (0, None)]
        least = min(minimize(misfit, [0.5, 0.5], (p,), bounds=bounds).fun for p in tried)
        assert np.sum(weights * (row - curve) ** 2) == pytest.approx(least, rel=1e-3, abs=1e-7)
        assert np.all(np.diff(curve) >= -1e-12)
        assert curve.max() <= best + 1e-9


def test_draws_spread_as_the_mean_does():
    """The standard deviation of a gap over draws is that of the gap over new seeds and new examples, times k."""
    rng = np.random.default_rng(0)
    spread, estimated = [], []
    for _ in range(60):
        of_seeds, of_examples = 0.02 * rng.standard_normal((20, 1)), 0.3 * rng.standard_normal((1, 300))
        table = of_seeds + of_examples + 0.4 * rng.standard_normal((20, 300))
        tables = np.zeros((2, 3, 20, 300))
        tables[0] = table
        means, draws = room._means(tables)
        spread.append(means[0, 0] - means[1, 0])
        estimated.append((draws[0] - draws[1])[:, 0].std())
    assert np.mean(estimated) == pytest.approx(np.std(spread), rel=0.25)


def test_the_interval_holds_the_truth():
    """In at least 17 of 20 draws of curves that cross at 44; docs/crossing.md has thousands of several shapes."""

    def holds(draw):
        pair = [scores(curve, seed=[draw, i], draw=draw) for i, curve in enumerate((leads, catches_up))]
        one = crossing("fine_tune", "from_scratch", ACCURACY, *pair)
        return one.low < 44 < one.high

    assert sum(map(holds, range(20))) >= 17


def test_the_middle_counts_weights():
    values = np.random.default_rng(0).permutation(np.arange(1.0, 1001.0))
    assert room._middle(values, np.full(1000, 1e-3)) == pytest.approx((25, 975), abs=1)
    light = np.where(values <= 500, 1e-5, 0.995 / 500)
    assert room._middle(values, light) == pytest.approx((511, 987), abs=2)  # 0.5 % lie below 500
    assert room._middle(np.array([inf, 0.0, 3.0]), np.array([0.03, 0.03, 0.94])) == (0.0, inf)


def test_where_rows_are_ahead_for_the_last_time():
    grid = np.array([1.0, 2.0, 4.0, 8.0])
    gaps = [[0.3, 0.1, -0.1, -0.2], [-0.1, 0.1, -0.1, -0.3], [-0.1] * 4, [0.1, -0.1, -0.1, 0.2]]
    at = room._last_ahead(np.array(gaps), grid, 0.0)
    assert at == pytest.approx([2 * np.sqrt(2), 2 * np.sqrt(2), 0.0, inf])


def test_budgets_and_seeds_that_both_have_are_compared():
    cells = [("a", 5, 0), ("a", 5, 1), ("a", 20, 0), ("a", 20, 1), ("b", 5, 0), ("b", 5, 1), ("b", 20, 1), ("b", 80, 1)]
    given = {cell: np.full(3, float(index)) for index, cell in enumerate(cells)}
    a, b = tables(given, ("a", "b"))
    assert a.keys() == b.keys() == {5, 20}
    assert (a[20].tolist(), b[20].tolist()) == ([[3.0] * 3], [[6.0] * 3])


SAID = {"method": "fine_tune", "baseline": "from_scratch", "metric": ACCURACY}


@pytest.mark.parametrize(
    ("case", "at", "low", "high", "start"),
    [
        (
            "between",
            84.6,
            61.2,
            138.1,
            "from_scratch catches up with fine_tune at about 85 labels a class (95 % interval 61 to 140",
        ),
        (
            "not yet",
            inf,
            207.0,
            inf,
            "from_scratch does not catch up with fine_tune within the budgets looked at, nor before 200 labels a class",
        ),
        ("after", 30, 7.7, inf, "from_scratch does not catch up with fine_tune before 7 labels a class"),
        ("before", 0, 0, 1.0, "from_scratch has caught up with fine_tune at 1 label a class at the latest"),
        ("never behind", 0, 0, 0, "from_scratch is never behind fine_tune at the budgets looked at"),
        ("uncertain", 9, 0, inf, "Whether from_scratch catches up with fine_tune, and where, is too uncertain to say"),
    ],
)
def test_each_case_is_said(case, at, low, high, start):
    text = sentence(**SAID, case=case, at=at, low=low, high=high)
    assert text.startswith(start)
    assert "a gap of up to 1 point of accuracy counts as none" in text


def test_a_sentence_can_be_said_in_another_language():
    said = {"case": "between", "at": 3.0, "low": 2.0, "high": 5.0, "margin": 0.005, "budget_of": "user"}
    text = sentence(**SAID, **said, translate=lambda template: f"<{template}>", decimal_point=",")
    assert "<3 interactions a user>" in text
    assert "0,5 points of <accuracy>" in text


def test_an_unknown_case_is_refused():
    with pytest.raises(ValueError, match=r"must be one of between, .*'soon'"):
        sentence(**SAID, case="soon", at=1, low=1, high=1)
    assert all("{within}" in template for template in SENTENCES.values())
