"""Looking at verdicts more than once: the spending rule, what a look settles, and what more seeds would do."""

import numpy as np
import pytest
from scipy import stats

from benchmarks.verdicts import compared, drawn_experiment, scores, until_decided
from tlcore.evaluation.family import Joint, correlation, members
from tlcore.evaluation.looks import LOOKS, levels
from tlcore.evaluation.power import MOST_SEEDS, chance, more_seeds
from tlcore.evaluation.verdict import FUTILE, judge_together
from tlcore.results import Results, TrialRecord, TrialResult


def test_the_levels_are_the_published_ones_for_looks_at_equal_distances():
    """Lan-DeMets' spending function of Pocock's kind, five looks, 5 % in all: as gsDesign and others have it."""
    critical = stats.norm.isf(np.array(levels((1, 2, 3, 4, 5), 1)) / 2)
    assert critical == pytest.approx([2.4380, 2.4268, 2.4101, 2.3966, 2.3859], abs=0.0015)


def test_a_single_look_has_all_of_the_level():
    assert levels((20,), 14) == pytest.approx((0.05,))


@pytest.mark.parametrize("comparisons", [1, 14])
def test_over_all_looks_one_run_of_twenty_errs(comparisons):
    rng = np.random.default_rng(0)
    errs, runs, size = 0, 120_000 // comparisons, comparisons
    steps = np.sqrt(np.diff((0, *LOOKS)))[:, None, None]
    z = np.cumsum(rng.standard_normal((len(LOOKS), runs, size)) * steps, axis=0) / np.sqrt(LOOKS)[:, None, None]
    of_family = 1 - (1 - 2 * stats.norm.sf(np.abs(z).max(2))) ** size
    errs = (of_family < np.array(levels(LOOKS, size))[:, None]).any(0).mean()
    assert errs == pytest.approx(0.05, abs=3 * np.sqrt(0.05 * 0.95 / runs))


def ended(experiment, scores_of, trials=None) -> list[TrialRecord]:
    return [
        TrialRecord(trial, "done", "", TrialResult({}, [], {"accuracy": scores_of(trial)}))
        for trial in (experiment.trials() if trials is None else trials)
    ]


@pytest.fixture(scope="module")
def of_three():
    """A run of three methods: one clearly better, one like the baseline, one a little better than it scatters."""
    experiment = drawn_experiment(3, until="decided", seeds=3)
    table = scores(np.random.default_rng(7), 3, 20)
    table[0:3:2] = table[0:3:2]
    table[1] += 0.3
    table[3] += 0.035 - (table[3] - table[0])[:3].mean()

    def score(trial):
        return table[[choice.label for choice in experiment.methods].index(trial.method.label), trial.seed]

    return experiment, score


def test_a_look_gives_new_seeds_to_what_is_open_and_its_baseline_alone(of_three):
    experiment, score = of_three
    results = Results(experiment, ended(experiment, score))
    assert ("fine_tune", 5) not in results.open
    assert ("l2_sp", 5) in results.open
    added = results.wanted()
    assert {(trial.method.label, trial.seed) for trial in added} == {
        (name, seed) for name in ("from_scratch", *(name for name, _ in results.open)) for seed in (3, 4)
    }
    assert added[0].method.label == "from_scratch"


def test_while_trials_are_at_work_nothing_is_wanted(of_three):
    experiment, score = of_three
    records = ended(experiment, score)
    records[-1] = TrialRecord(records[-1].trial, "running")
    results = Results(experiment, records)
    assert results.wanted() == []


def test_what_a_look_decided_stays(of_three):
    """Whatever the later seeds of others say, and its own, if there are some."""
    experiment, score = of_three
    first = Results(experiment, ended(experiment, score)).verdicts.set_index("method").loc["fine_tune"]
    later = ended(experiment, lambda trial: -score(trial) if trial.seed > 2 else score(trial), experiment.trials(5))
    now = Results(experiment, later).verdicts.set_index("method").loc["fine_tune"]
    assert first["verdict"] == "helps"
    assert now.to_dict() == first.to_dict()
    assert (now["seeds"], now["level"]) == (3, levels(LOOKS, 3)[0])


def test_seeds_of_a_look_that_is_not_complete_are_not_looked_at(of_three):
    experiment, score = of_three
    results = Results(experiment, ended(experiment, score))
    more = ended(experiment, score, results.wanted())
    more[-1] = TrialRecord(more[-1].trial, "queued")
    assert Results(experiment, [*results.records, *more]).verdicts.equals(results.verdicts)


def test_a_run_until_decided_ends_and_its_verdicts_say_with_how_many_seeds():
    results = until_decided(np.random.default_rng(3), 4, np.array([0.3, 0.12, 0.05, 0.0]))
    verdicts = results.verdicts
    assert verdicts["seeds"].isin(LOOKS).all()
    assert verdicts["seeds"].iloc[0] == 3
    seeds = results.trials.groupby("method", sort=False)["seed"].count()
    assert (verdicts.set_index("method")["seeds"] == seeds[verdicts["method"]]).all()
    assert seeds["from_scratch"] == verdicts["seeds"].max()
    assert not results.open or verdicts["seeds"].max() == LOOKS[-1]


@pytest.mark.slow
def test_no_gap_is_called_one_more_often_than_promised_over_all_looks():
    rng, runs = np.random.default_rng(11), 60
    false = sum((until_decided(rng, 7, np.zeros(7)).verdicts["verdict"] != "no evidence").any() for _ in range(runs))
    assert false <= 0.05 * runs + 3 * np.sqrt(0.05 * 0.95 * runs)


def test_what_was_not_rejected_counts_at_later_looks_too():
    """To leave out those of which little is hoped would make the largest of the rest look rare."""
    table = scores(np.random.default_rng(0), 14, 5)
    gaps = compared(table)
    before = judge_together(gaps, "baseline", "accuracy")
    settled = [None if number == 3 else verdict for number, verdict in enumerate(before)]
    again = judge_together(gaps, "baseline", "accuracy", settled=settled)[3]
    assert again.p_adjusted == before[3].p_adjusted > before[3].p_value


def test_more_seeds_are_as_many_as_decide_if_all_stays_as_it_is():
    """Seeds repeated say the same gap and spreads; with as many as were said the verdict is there, and not before."""
    table = compared(scores(np.random.default_rng(4), 1, 6))[0].table
    table = table - table.mean() + 0.022
    (member,) = members([compared_alone(table)])
    needed = more_seeds(member, 0.01, 0.05)
    assert needed is not None
    assert needed > 1
    parts, (few, many) = member.parts, member.degrees
    for more, decided in ((needed, True), (needed - 1, False)):
        share = 6 / (6 + more)
        error = np.sqrt(parts[0] * share + parts[1])
        t = [stats.t.ppf(0.975, degrees) for degrees in (few + more, many)]
        half = np.sqrt(parts[0] * share * t[0] ** 2 + parts[1] * t[1] ** 2)
        assert (half < 0.022) == decided
        assert error < half


def compared_alone(table):
    from tlcore.evaluation.family import Gaps

    return Gaps("m", 5, tuple(range(len(table))), table)


def test_where_examples_are_too_few_no_number_of_seeds_does():
    table = np.tile(np.random.default_rng(0).standard_normal(40) * 0.5, (5, 1)) + 0.001 * np.random.default_rng(
        1
    ).standard_normal((5, 40))
    (member,) = members([compared_alone(table - table.mean() + 0.05)])
    assert more_seeds(member, 0.01, 0.05) is None
    assert chance(member, 0.01, 0.05, 20) < FUTILE
    assert LOOKS[-1] < MOST_SEEDS


def test_the_chance_of_a_decision_is_how_often_there_is_one():
    """By drawing the gap that is there at the end, with what is known at the start."""
    rng = np.random.default_rng(5)
    (member,) = members([compared_alone(compared(scores(rng, 1, 4))[0].table)])
    level = Joint(correlation([member])).level(0.02)
    before = sum(member.parts)
    after = member.parts[0] * 4 / 20 + member.parts[1]
    for margin in (0.0, 0.01, 0.08):
        ends = rng.normal(member.estimate.gap, np.sqrt(before - after), 40_000)
        reach = stats.norm.isf(level / 2) * np.sqrt(after)
        decided = (np.abs(ends) > reach) | (np.abs(ends) < margin - reach)
        assert chance(member, margin, level, 20) == pytest.approx(decided.mean(), abs=0.01)
    assert chance(member, 0.01, level, 4) == 0
