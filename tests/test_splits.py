"""What is scored is new in the way that matters: of other groups than the pool, or later than it."""

from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.model_selection import train_test_split

from pages.parts.words import fact
from tlcore.datasets.images import LabelledImages
from tlcore.datasets.texts import LabelledTexts
from tlcore.errors import SpecificationError
from tlcore.examples import UNKNOWN, Domains, Examples
from tlcore.scenarios import SCENARIOS
from tlcore.scenarios.text import _only, texts_together
from tlcore.scenarios.vision import pictures_together
from tlcore.splits import SPLIT_SEED, groups_aside, split_target
from tlcore.tasks.base import FOLDS
from tlcore.tasks.classification import Classification
from tlcore.trial.given import together

ROWS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 7)), min_size=2, max_size=40)


def examples(answers, groups=None) -> Examples:
    """Examples whose inputs are their places."""
    answers = np.asarray(answers, np.int64)
    return Examples(np.arange(len(answers)), answers, None if groups is None else np.asarray(groups))


NOTHING = examples([])


def sides(answers, groups, test_size) -> tuple[Examples, Examples]:
    domains = split_target(NOTHING, examples(answers, groups), test_size)
    return domains.pool, domains.test


def split_or_why_not(*arguments) -> Domains | str:
    try:
        return split_target(*arguments)
    except SpecificationError as error:
        return str(error)


def possible(answers: np.ndarray, groups: np.ndarray) -> bool:
    """Whether some of all ways to part the groups has every class on both sides."""
    kinds, members = np.unique(answers), np.unique(groups)
    for aside in product([False, True], repeat=len(members)):
        test = np.isin(groups, members[np.array(aside)])
        if all(0 < test[answers == kind].mean() < 1 for kind in kinds):
            return True
    return False


@given(ROWS, st.floats(0.02, 0.98))
@settings(max_examples=300, deadline=None)
def test_groups_never_meet_and_classes_are_on_both_sides_wherever_there_is_a_way(rows, share):
    answers, groups = np.array(rows).T
    size = max(1, round(share * len(rows)))
    domains = split_or_why_not(NOTHING, examples(answers, groups), size)
    if isinstance(domains, str):
        assert domains.startswith("target.group: ")
        assert not possible(answers, groups)
        return
    pool, test = domains.pool, domains.test
    assert not {*pool.groups} & {*test.groups}
    assert {*pool.answers} == {*test.answers} == {*answers}
    assert sorted([*pool.inputs, *test.inputs]) == [*range(len(rows))]
    for part in (pool, test):
        np.testing.assert_array_equal(part.inputs, np.sort(part.inputs))
        np.testing.assert_array_equal(part.answers, answers[part.inputs])
        np.testing.assert_array_equal(part.groups, groups[part.inputs])


@pytest.mark.parametrize("seed", range(10))
def test_a_way_is_found_where_every_group_is_bound_to_two_others(seed):
    names = np.random.default_rng(seed).permutation(14)
    ring = np.array([(kind, names[(kind + step) % 14]) for kind in range(14) for step in (0, 1)])
    pool, test = sides(*ring.T, 11)
    assert {*pool.answers} == {*test.answers} == {*range(14)}
    assert len(pool) == len(test) == 14


@given(ROWS, st.floats(0.02, 0.98))
@settings(max_examples=100, deadline=None)
def test_a_group_that_has_all_of_a_class_is_not_set_aside(rows, share):
    answers, groups = np.array(rows).T
    aside = groups_aside(answers, groups, share, np.random.default_rng(0))
    for kind in np.unique(answers):
        if len(np.unique(groups[answers == kind])) == 1:
            assert not aside[answers == kind].any()


@pytest.mark.parametrize("share", [0.1, 0.25, 0.4])
def test_about_the_asked_share_of_each_class_is_the_test_and_it_is_always_the_same(share):
    rng = np.random.default_rng(0)
    groups = rng.integers(120, size=3000)
    answers = (rng.random(3000) < 0.2).astype(int) + (groups % 3 == 0)  # some groups have more of a class than others
    pool, test = sides(answers, groups, round(share * 3000))
    assert abs(len(test) / 3000 - share) < 0.02
    for kind in range(3):
        assert abs((test.answers == kind).sum() / (answers == kind).sum() - share) < 0.05
    np.testing.assert_array_equal(test.inputs, sides(answers, groups, round(share * 3000))[1].inputs)
    assert len(pool) + len(test) == 3000


def test_a_class_of_one_group_is_refused_by_its_name():
    with pytest.raises(SpecificationError, match=r"target\.group: all examples of 'sick' are of one group, so .* two"):
        split_target(NOTHING, examples([0, 0, 0, 1, 1], [1, 2, 3, 4, 4]), 2, names=("well", "sick"))
    triangle = [(0, 0), (0, 1), (1, 1), (1, 2), (2, 2), (2, 0)]
    with pytest.raises(SpecificationError, match=r"target\.group: .* no way was found"):
        sides(*np.array(triangle).T, 2)


def test_without_groups_and_times_the_split_is_scikit_learns():
    answers = np.arange(50) % 3
    domains = split_target(NOTHING, examples(answers), 20)
    pool, test = train_test_split(np.arange(50), test_size=20, stratify=answers, random_state=SPLIT_SEED)
    np.testing.assert_array_equal(domains.pool.inputs, np.sort(pool))
    np.testing.assert_array_equal(domains.test.inputs, np.sort(test))
    assert domains.pool.groups is None


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 12)), min_size=2, max_size=40), st.integers(1, 30))
@settings(max_examples=200, deadline=None)
def test_the_test_is_what_came_last(rows, size):
    assume(size < len(rows))
    answers, times = np.array(rows, float).T
    domains = split_or_why_not(NOTHING, examples(answers), size, times)
    if isinstance(domains, str):
        assert domains.startswith("target.time: ")
        return
    pool, test = times[domains.pool.inputs], times[domains.test.inputs]
    assert pool.max() < test.min()
    assert {*domains.pool.answers} == {*answers}
    others = [abs((times >= cut).sum() - size) for cut in np.unique(times)[1:]]
    assert abs(len(test) - size) == min(others)


@pytest.mark.parametrize(
    ("answers", "times", "groups", "words"),
    [
        ([0, 1, 0, 1], [1, 1, 1, 1], None, r"target\.time: all of its 4 examples are of one time"),
        ([0, 1, 0, 2], [1, 2, 3, 4], None, r"target\.time: all examples of 'c' are among the last 1"),
        ([0, 1, 0, 1], [1, 2, 3, np.nan], None, r"target\.time: 1 of its 4 examples have no time"),
        ([0, 1, 0, 1], [1, 2, 3, 4], [1, 1, 2, 2], r"target\.time: .*leave target\.time or target\.group out"),
    ],
)
def test_what_cannot_be_split_in_time_is_said(answers, times, groups, words):
    with pytest.raises(SpecificationError, match=words):
        split_target(NOTHING, examples(answers, groups), 1, np.array(times, float), ["a", "b", "c"])


SMALL = Classification(validate_from=10, largest_budget=1000)


def pool_of(n_groups: int, n: int = 600) -> Examples:
    rng = np.random.default_rng(1)
    return examples(rng.integers(3, size=n), rng.integers(n_groups, size=n))


@pytest.mark.parametrize("n_groups", [4, 40, 600])
def test_what_is_held_out_of_a_budget_is_of_groups_that_are_not_trained_on(n_groups):
    pool, bought = pool_of(n_groups), set()
    for budget in (5, 10, 20, 100):
        training, validation = SMALL.spend(pool, budget, 0)
        assert (len(validation) > 0) == (budget >= 10)
        assert not {*training.groups} & {*validation.groups}
        assert {*training.answers} == {0, 1, 2}
        both = [*training.inputs, *validation.inputs]
        assert np.bincount(pool.answers[both]).tolist() == [budget] * 3
        assert bought < {*both}
        bought = {*both}
        if n_groups > 4 and len(validation):
            assert 0.15 < len(validation) / (3 * budget) < 0.25
        plain = SMALL.spend(Examples(pool.inputs, pool.answers), budget, 0)
        assert {*both} == {*plain[0].inputs, *plain[1].inputs}


def test_a_class_of_one_group_is_trained_on_and_one_group_in_all_is_held_out_in_part():
    answers, groups = np.repeat([0, 1], 50), np.r_[np.zeros(50, int), np.arange(50) % 10 + 1]
    training, validation = SMALL.spend(examples(answers, groups), 20, 0)
    assert {*training.answers} == {0, 1}
    assert {*validation.answers} == {1}
    assert not {*training.groups} & {*validation.groups}
    training, validation = SMALL.spend(examples(answers, np.zeros(100, int)), 20, 0)
    assert (len(training), len(validation)) == (32, 8)


def test_unlabelled_examples_are_not_spent():
    pool = pool_of(20)
    unlabelled = Examples(pool.inputs, np.where(pool.inputs % 2, UNKNOWN, pool.answers), pool.groups)
    assert not any((part.inputs % 2).any() for part in SMALL.spend(unlabelled, 20, 0))


def test_folds_keep_groups_apart_or_there_are_none():
    training = pool_of(9, 120)
    folds = SMALL.folds(training, 0)
    assert len(folds) == FOLDS
    for learned, held_out in folds:
        assert not {*learned.groups} & {*held_out.groups}
        assert {*learned.answers} == {0, 1, 2}
    assert sorted(np.concatenate([held_out.inputs for _, held_out in folds])) == [*range(120)]
    assert SMALL.folds(pool_of(2, 120), 0) == []
    one_group = np.where(training.answers == 0, 99, training.groups)
    assert SMALL.folds(Examples(training.inputs, training.answers, one_group), 0) == []
    assert len(SMALL.folds(Examples(training.inputs, training.answers), 0)) == FOLDS


def test_what_a_budget_bought_keeps_its_groups():
    pool = pool_of(40)
    training, validation = SMALL.spend(pool, 20, 0)
    both = together(training, validation)
    np.testing.assert_array_equal(both.groups, pool.groups[both.inputs])


WRITERS = np.array([f"w{i % 9}" for i in range(60)])
KINDS = np.array(["good", "bad"])[np.arange(60) // 9 % 2]


def test_texts_of_one_writer_stand_on_one_side_and_writers_are_known_by_name_in_the_source():
    target = LabelledTexts([f"t{i}" for i in range(60)], KINDS, groups=WRITERS)
    source = LabelledTexts(["t1", "s", "S ", "u"], KINDS[:4], groups=np.array(["w1", "a", "b", "w0"]))
    domains = texts_together(source, target)
    of = {f"t{i}": WRITERS[i] for i in range(60)} | {"s": "a", "u": "w0"}
    names: dict[int, str] = {}
    for part in (domains.source, domains.pool, domains.test):
        for number, group in zip(part.inputs, part.groups, strict=True):
            assert names.setdefault(group, of[domains.input_names[number]]) == of[domains.input_names[number]]
    assert not {*domains.pool.groups} & {*domains.test.groups}
    tested = {names[group] for group in domains.test.groups}
    assert domains.facts["groups"] == 9
    assert domains.facts["groups_in_both"] == len(tested & {"a", "w0"})
    assert all(fact(name) for name in domains.facts)
    unknown = texts_together(LabelledTexts(["s"], KINDS[:1]), target)
    assert unknown.source.groups is None
    assert "groups" in unknown.facts
    assert "groups_in_both" not in unknown.facts


def test_texts_with_times_are_tested_on_the_last_ones():
    times = np.random.default_rng(0).permutation(60).astype(float)
    target = LabelledTexts([f"t{i}" for i in range(60)] + ["T59"], np.r_[KINDS, KINDS[:1]], times=np.r_[times, 0.0])
    domains = texts_together(LabelledTexts([], np.empty(0, str)), target)
    assert times[domains.test.inputs].min() == 36 > times[domains.pool.inputs].max()
    assert "groups" not in domains.facts
    late = LabelledTexts(target.texts[:60], np.where(times > 55, "new", KINDS), times=times)
    with pytest.raises(SpecificationError, match=r"target\.time: all examples of 'new' are among the last 24"):
        texts_together(LabelledTexts([], np.empty(0, str)), late)


def test_labels_that_do_not_count_take_their_groups_and_times_with_them():
    table = LabelledTexts([f"t{i}" for i in range(60)], KINDS, groups=WRITERS, times=np.arange(60.0))
    kept = _only("target", table, ("good",))
    np.testing.assert_array_equal(kept.groups, WRITERS[KINDS == "good"])
    np.testing.assert_array_equal(kept.times, np.flatnonzero(KINDS == "good"))


def test_pictures_of_one_patient_stand_on_one_side():
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 255, (60, 4, 4), dtype=np.uint8)
    made = LabelledImages.of([f"p{i}" for i in range(60)], KINDS, pictures)
    target = LabelledImages(made.names, made.labels, made.open, made.checksum, made.contents, groups=WRITERS)
    domains = pictures_together(target[:0], target)
    assert made.times is None
    assert not {*domains.pool.groups} & {*domains.test.groups}
    assert domains.facts["groups"] == 9
    few = target[np.flatnonzero((KINDS == "good") | (WRITERS == "w0"))]
    with pytest.raises(SpecificationError, match=r"target\.group: all examples of 'bad' are of one group"):
        pictures_together(target[:0], few)


def test_a_scenario_as_it_was_has_no_groups():
    domains = SCENARIOS["digits"].domains("mnist", "uci")
    assert domains.pool.groups is None
