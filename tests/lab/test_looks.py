"""Runs that go on until decided, on real SQLite files; who looks at them here is no engine."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import sqlalchemy as sa

from tests.lab.conftest import claims, environment, result, tiny
from tlcore import lab
from tlcore.errors import SpecificationError
from tlcore.lab.schema import TRIALS
from tlcore.lab.worker import look
from tlcore.results import TrialResult


def look_at(store, run_id):
    """What the engine does with a run that rests."""
    look(store.url, run_id)
    return store.read(run_id)


def carry_out(store, run_id):
    """Finish all that is queued: fine_tune is clearly better, coral better with some seeds and worse with others."""
    for claim in claims(store, run_id):
        seed, name = claim.trial.seed, claim.trial.method.name
        right = {"from_scratch": 60, "fine_tune": 180, "coral": 90 if seed % 2 else 50}[name]
        scores = np.zeros(200)
        scores[np.random.default_rng([seed, len(name)]).permutation(200)[:right]] = 1
        assert store.finish(claim, TrialResult({"accuracy": scores.mean()}, [], {"accuracy": scores}))


@pytest.fixture
def until_decided(store):
    return store.add(tiny("from_scratch,fine_tune,coral", budgets=[1, 2], seeds=3, until="decided"))


def test_a_run_until_decided_rests_with_its_last_trial_and_a_look_gives_open_methods_and_their_baseline_new_seeds(
    store, until_decided
):
    carry_out(store, until_decided)
    info = store.read(until_decided)
    assert (info.status, info.ended, info.look) == ("running", False, (1, 5))
    assert [(run.trials, run.rests) for run in store.active()] == [(18, True)]

    info = look_at(store, until_decided)

    assert (info.status, info.counts["queued"], info.seeds, info.look) == ("running", 8, 5, (2, 5))
    added = [(t.seed, t.budget, t.method.name) for t in store.trials(until_decided)[18:]]
    assert added == [(s, b, m) for s in (3, 4) for b in (1, 2) for m in ("from_scratch", "coral")]
    assert [(run.trials, run.rests) for run in store.active()] == [(26, False)]


def test_a_run_until_decided_ends_when_nothing_is_open_or_after_the_last_look(store, until_decided):
    clear = store.add(tiny("from_scratch,fine_tune", seeds=3, until="decided"))
    carry_out(store, clear)
    assert look_at(store, clear).status == "done"
    assert store.read(clear).finished

    seeds = []
    while store.read(until_decided).status in ("queued", "running"):
        carry_out(store, until_decided)
        seeds.append(look_at(store, until_decided).seeds)

    assert seeds == [5, 8, 12, 20, 20]
    per_method = Counter(trial.method.name for trial in store.trials(until_decided))
    assert per_method == {"from_scratch": 40, "coral": 40, "fine_tune": 6}


def test_two_looks_at_once_add_the_trials_once(url, store, until_decided):
    carry_out(store, until_decided)

    with ThreadPoolExecutor(4) as pool:
        for _ in pool.map(lambda _: look(url, until_decided), range(4)):
            pass
    keys = [trial.key for trial in store.trials(until_decided)]
    assert len(keys) == len(set(keys)) == 26
    late = store.trials(until_decided)[18:]
    assert not store.extend(until_decided, 18, late)
    assert not store.conclude(until_decided, 18)
    carry_out(store, until_decided)
    assert not store.extend(until_decided, 18, late)  # a look that came from before the others had been carried out
    assert not store.conclude(until_decided, 18)
    assert store.read(until_decided).status == "running"


def test_a_method_that_fails_is_left_and_its_run_ends(store, until_decided):
    for claim in claims(store, until_decided):
        if claim.trial.method.name == "coral":
            store.give_up(claim, "failed", "RuntimeError: it broke")
        else:
            store.finish(claim, result())
    while store.read(until_decided).status == "running":
        carry_out(store, until_decided)
        look_at(store, until_decided)

    assert store.read(until_decided).error == "RuntimeError: it broke"
    assert {trial.seed for trial in store.trials(until_decided) if trial.method.name == "coral"} == {0, 1, 2}


def test_where_every_trial_fails_the_run_has_failed(store, until_decided):
    for claim in claims(store, until_decided):
        store.give_up(claim, "failed", "RuntimeError: it broke")
    assert look_at(store, until_decided).status == "failed"


def test_a_run_that_cannot_be_judged_ends_and_says_why(store, until_decided):
    for number, claim in enumerate(claims(store, until_decided)):
        store.finish(claim, TrialResult({}, [], {"accuracy": np.zeros(10 + number)}))

    info = look_at(store, until_decided)

    assert info.status == "done"
    assert "ValueError" in info.error


def test_cancel_before_a_look_ends_the_run_and_resume_goes_on_with_the_look(store, until_decided):
    carry_out(store, until_decided)

    store.cancel(until_decided)

    assert store.read(until_decided).status == "cancelled"
    look_at(store, until_decided)  # one that had begun before
    assert store.read(until_decided).counts["queued"] == 0
    store.resume(until_decided)
    assert store.active()[0].rests
    assert look_at(store, until_decided).counts["queued"] == 8


def test_cancel_after_a_look_cancels_what_it_added(store, until_decided, lab_alone):
    carry_out(store, until_decided)
    look_at(store, until_decided)

    store.cancel(until_decided)

    info = store.read(until_decided)
    assert (info.status, info.counts["done"], info.counts["cancelled"]) == ("cancelled", 18, 8)
    assert lab.undecided(until_decided).trials == []
    with pytest.raises(SpecificationError, match="was cancelled; resume it"):
        lab.decide(until_decided)
    store.resume(until_decided)
    carry_out(store, until_decided)
    assert look_at(store, until_decided).seeds == 8


def test_a_run_that_cannot_be_planned_ends_though_it_was_to_go_on_until_decided(store, until_decided):
    store.fail(until_decided, "KeyError: 'gone'")
    assert store.read(until_decided).status == "failed"
    assert not store.active()


@pytest.fixture
def lab_alone(url, monkeypatch):
    """The lab with the store and without an engine."""
    monkeypatch.setattr(lab, "start_engine", lambda: None)
    with environment({"TRANSFER_LAB_STORE": url}):
        yield


@pytest.fixture
def four_seeds(store, lab_alone):
    """A run with four seeds that has ended, of which each trial took two seconds and two were at work at once."""
    run_id = store.add(tiny("from_scratch,fine_tune,coral", seeds=4))
    carry_out(store, run_id)
    with sa.create_engine(store.url).begin() as connection:
        pair = TRIALS.c.position // 2
        connection.execute(TRIALS.update().values(started=100 + 2 * pair, finished=102 + 2 * pair))
    return run_id


def test_what_is_open_in_a_run_that_has_ended_is_said_with_what_it_would_take(four_seeds):
    undecided = lab.undecided(four_seeds)

    assert (undecided.verdicts, undecided.names) == ([("coral", 1)], "coral (1)")
    assert [(trial.seed, trial.method.name) for trial in undecided.trials] == [(4, "from_scratch"), (4, "coral")]
    assert undecided.seconds == pytest.approx(2 * 2 / 2)  # to 5 seeds
    assert undecided.most_seconds == pytest.approx(2 * 16 * 2 / 2)  # to 20


def test_a_run_that_has_ended_goes_on_when_a_person_asks_as_long_as_something_is_open(store, four_seeds):
    lab.decide(four_seeds)

    info = store.read(four_seeds)
    assert (info.status, info.finished, info.experiment.until, info.counts["queued"]) == ("queued", None, "decided", 2)
    assert info.experiment.looks == (4, 5, 8, 12, 20)
    with pytest.raises(SpecificationError, match="is at work"):
        lab.decide(four_seeds)
    while store.read(four_seeds).status in ("queued", "running"):
        carry_out(store, four_seeds)
        look_at(store, four_seeds)
    assert store.read(four_seeds).seeds == 20
    assert lab.undecided(four_seeds).trials == []
    with pytest.raises(SpecificationError, match="has no open verdict that further seeds may decide"):
        lab.decide(four_seeds)


def test_where_nothing_is_open_there_is_nothing_to_decide(store, lab_alone):
    run_id = store.add(tiny("from_scratch,fine_tune", seeds=3))
    carry_out(store, run_id)

    assert (lab.undecided(run_id).verdicts, lab.undecided(run_id).trials) == ([], [])
    with pytest.raises(SpecificationError, match="has no open verdict"):
        lab.decide(run_id)


def test_two_who_decide_a_run_add_its_trials_once(store, four_seeds):
    experiment, further = store.experiment(four_seeds).until_decided(), lab.undecided(four_seeds).trials
    store.decide(four_seeds, experiment, 12, further)
    with pytest.raises(SpecificationError, match="is at work"):
        store.decide(four_seeds, experiment, 12, further)
    assert store.read(four_seeds).counts["queued"] == 2
