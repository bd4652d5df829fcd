"""Two tables brought together: who and what is the same, what is held out, what can be carried over."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tlcore.__main__ import _print_left_out
from tlcore.datasets.interactions import Interactions
from tlcore.errors import SpecificationError
from tlcore.experiment import Experiment
from tlcore.methods import METHODS
from tlcore.scenarios import SCENARIOS
from tlcore.scenarios.recommendation import Ratings, _choices, catalogues
from tlcore.trial import execute

CHOICES = st.sets(st.tuples(st.sampled_from("pqrstu"), st.sampled_from("abcdefgh")), min_size=1, max_size=25)


def table(choices: list[tuple[str, str]]) -> Interactions:
    """Choices in the order in which they were made."""
    users, user = np.unique([u for u, _ in choices], return_inverse=True)
    items, item = np.unique([i for _, i in choices], return_inverse=True)
    return Interactions(user, item, users, items, None, None, items)


def named(part, domains) -> list[tuple[str, str]]:
    pairs = zip(part.inputs, part.answers, strict=True)
    return [(str(domains.input_names[u]), str(domains.answer_names[i])) for u, i in pairs]


@given(CHOICES, CHOICES, st.randoms(use_true_random=False), st.sampled_from(["last", "random"]))
@settings(max_examples=150, deadline=None)
@pytest.mark.slow
def test_tables_are_brought_together_by_name(there, here, random, split):
    there, here = (random.sample(sorted(part), len(part)) for part in (there, here))
    mine = {user: [item for one, item in here if one == user] for user, _ in here}
    assume(sum(len(items) > 1 for items in mine.values()) > 1)
    domains = catalogues(table(there), table(here), split, 0.0)
    test = dict(named(domains.test, domains))
    assert test.keys() == {user for user, items in mine.items() if len(items) > 1}
    if split == "last":
        assert test == {user: mine[user][-1] for user in test}
    assert all(item in mine[user] for user, item in test.items())
    rest = {(user, item) for user in test for item in mine[user]} - set(test.items())
    assert sorted(named(domains.pool, domains)) == sorted(rest)
    assert sorted(named(domains.source, domains)) == sorted(set(there) - set(test.items()))
    of_source, of_target = ({item for _, item in part} for part in (there, here))
    names = list(domains.answer_names)
    first, last = domains.first_target_answer, domains.source_answers
    assert set(names[:first]) == of_source - of_target
    assert set(names[first:last]) == of_source & of_target
    assert set(names[last:]) == of_target - of_source
    assert domains.answers == len(names) == len(of_source | of_target)
    assert list(domains.input_names) == sorted({user for user, _ in [*there, *here]})
    facts = domains.facts
    assert facts["shared_users"] == len({u for u, _ in there} & {u for u, _ in here})
    assert facts["shared_items"] == len(of_source & of_target)
    assert facts["held_out_in_source"] == len(set(there) & set(test.items()))
    assert facts["source_interactions"] == len(domains.source)
    assert (facts["target_interactions"], facts["test_users"]) == (len(here), len(test))


def test_times_go_before_the_order_of_the_rows():
    here = table([("p", "a"), ("p", "b"), ("q", "a"), ("q", "b")])
    times = np.array([9.0, 1.0, 1.0, 9.0])
    domains = catalogues(here, Interactions(**{**vars(here), "time": times}), "last", 0.0)
    assert sorted(named(domains.test, domains)) == [("p", "a"), ("q", "b")]


@pytest.mark.parametrize("share", [0.1, 0.3, 0.9])
def test_so_many_users_are_cold(share):
    domains, warm = (
        SCENARIOS["films"].configure({"cold_users": cold}).domains("other-films", "romance") for cold in (share, 0.0)
    )
    known = np.isin(domains.test.inputs, domains.pool.inputs)
    assert (~known).sum() == round(share * len(domains.test))
    np.testing.assert_array_equal(domains.test.answers, warm.test.answers)
    of_warm = np.isin(warm.pool.inputs, domains.test.inputs[known])
    assert (of_warm.sum(), len(domains.source)) == (len(domains.pool), len(warm.source))


def test_a_random_split_holds_out_other_choices_than_the_last():
    last, random = (
        SCENARIOS["films"].configure({"split": split}).domains("other-films", "romance") for split in ("last", "random")
    )
    assert set(last.test.inputs) == set(random.test.inputs)
    assert 0.2 < np.mean(last.test.answers != random.test.answers) < 0.99


@pytest.mark.parametrize("here", [[("p", "a"), ("p", "b")], [("p", "a"), ("q", "a"), ("r", "b")]])
def test_without_two_users_to_test_there_is_one_clear_line(here):
    with pytest.raises(SpecificationError, match=r"target: .* two choices or more") as refused:
        catalogues(table([("p", "z")]), table(here), "last", 0.0)
    assert "\n" not in str(refused.value)


HERE = [(user, item) for user in "pqr" for item in "abc"]


@pytest.mark.parametrize(
    ("there", "method", "reason"),
    [
        ([("p", "z")], "frozen", ""),
        ([("x", "a")], "cmf", ""),
        ([("x", "a")], "fine_tune", ""),
        ([("x", "a")], "frozen", "needs users in both"),
        ([("x", "a")], "feature_extraction", "needs users in both"),
        ([("x", "a")], "emcdr", "needs users in both"),
        ([("x", "a")], "conet", "needs users in both"),
        ([("x", "z")], "cmf", "neither users nor items"),
        ([("x", "z")], "fine_tune", "neither users nor items"),
        ([("x", "z")], "ease", ""),
        ([("x", "z")], "best_from_scratch", ""),
    ],
)
def test_what_cannot_carry_anything_over_is_refused(there, method, reason):
    domains = catalogues(table(there), table(HERE), "last", 0.0)
    why = SCENARIOS["ratings"].refusal(METHODS[method].configure({}), domains)
    assert reason in why
    assert bool(reason) == bool(why)


@pytest.fixture
def fields(tmp_path: Path) -> dict:
    """Thirty people who like the same half of both catalogues."""
    rng = np.random.default_rng(0)
    for name in ("there", "here"):
        lines = ["user,item,rating"]
        for user in range(30):
            liked = rng.permutation(8)[:5] * 2 + user % 2
            lines += [f"u{user},{name}{item},5" for item in liked] + [f"u{user},{name}99,1"]
        (tmp_path / f"{name}.csv").write_text("\n".join(lines))
    return {
        "scenario": "ratings",
        "source": {"path": str(tmp_path / "there.csv")},
        "target": {"path": str(tmp_path / "here.csv"), "user": "user"},
        "budgets": [1],
        "seeds": 1,
        "epochs": 5,
    }


def test_own_tables_run_from_end_to_end(fields):
    experiment = Experiment.build({**fields, "methods": "popularity,cmf,fine_tune,frozen,joint_ease"}).checked()
    recall = {trial.method.name: execute(trial).metrics["recall@5"] for trial in experiment.trials()}
    assert recall["cmf"] > recall["popularity"] + 0.1
    assert experiment.domains().facts["source_not_liked"] == 30


@pytest.fixture
def strangers(fields, tmp_path) -> dict:
    """The same catalogues, in which nobody of the source is known in the target."""
    here = tmp_path / "here.csv"
    here.write_text(here.read_text().replace("\nu", "\nv"))
    return fields


def test_methods_that_nobody_named_are_left_out_where_they_cannot_be_used(strangers, monkeypatch, capsys):
    asked = Experiment.build(strangers)
    checked = asked.checked()
    assert [choice.name for choice in asked.methods] == [
        "best_from_scratch", "popularity", "fine_tune", "frozen", "joint_ease", "cmf",
    ]  # fmt: skip
    assert [choice.name for choice in checked.methods] == ["best_from_scratch", "popularity"]
    assert checked.checked() == checked
    _print_left_out(asked, checked)
    told = capsys.readouterr()
    assert told.err == (
        "left out: fine_tune, frozen, joint_ease, cmf "
        "(has nothing to carry over: the two domains share neither users nor items)\n"
    )
    _print_left_out(checked, checked)
    assert capsys.readouterr() == ("", "")
    for named in ("popularity,cmf", "cmf"):
        with pytest.raises(SpecificationError, match="methods: 'cmf' has nothing to carry over"):
            Experiment.build({**strangers, "methods": named}).checked()
    monkeypatch.setattr(Ratings, "first_methods", ("fine_tune", "cmf"))
    with pytest.raises(SpecificationError, match="methods: 'fine_tune' has nothing to carry over"):
        Experiment.build(strangers).checked()


def test_methods_that_can_be_used_are_not_left_out(fields):
    asked = Experiment.build(fields)
    assert asked.checked().methods == asked.methods


@pytest.mark.parametrize(
    ("ratings", "chosen"),
    [
        ([0, 0, 0, 0, 0, 1, 0, 1], [5, 7]),  # clicks: the median is 0
        ([1, 1, 1, 1, 1, 1, 0, 1], [0, 1, 2, 3, 4, 5, 7]),
        ([4, 5, 4, 4, 4, 4, 4, 4], [1]),
        ([1, 1, 1, 1, 1, 1, 1, 1], range(8)),
        ([0, 0, 0, 0, 0, 0, 0, 0], range(8)),
        ([1, 2, 3, 4, 5, 5, 5, 1], [3, 4, 5, 6]),  # of more than two the median, here 3.5
        ([0, 0, 0, 0, 0, 7, 9, 5], range(8)),  # Book-Crossing's 0 is a choice without a rating
    ],
)
def test_of_two_different_ratings_the_larger_is_a_choice(ratings, chosen):
    items = np.array([f"i{i}" for i in range(8)])
    both = Interactions(
        np.arange(8), np.arange(8), items, items, np.array(ratings, np.float32), None, items, {"duplicates": 2}
    )
    table = _choices("target", both, None)
    assert [str(table.users[user]) for user in table.user] == [f"i{i}" for i in chosen]
    assert table.item.tolist() == [*chosen]
    assert table.dropped == {"duplicates": 2, "not_liked": 8 - len([*chosen])}
    liked = _choices("target", both, float(max(ratings)))
    assert len(liked) == ratings.count(max(ratings))


def test_a_checked_experiment_is_pinned_and_can_be_written_down(fields, tmp_path):
    checked = Experiment.build({**fields, "liked": 4.5}).checked()
    assert len(checked.source["sha256"]) == len(checked.target["sha256"]) == 64
    assert checked.target["user"] == "user"
    (tmp_path / "spec.yaml").write_text(checked.to_yaml())
    assert Experiment.load(tmp_path / "spec.yaml") == checked
    (tmp_path / "here.csv").write_text("user,item\np,a\np,b\nq,a\nq,b\n")
    with pytest.raises(SpecificationError, match=r"target\.path: .* has changed"):
        Experiment.load(tmp_path / "spec.yaml").checked()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"source": ""}, ["source.path", "missing"]),
        ({"source": {"path": "x", "usr": "y"}}, ["source.field", "usr", "user"]),
        ({"target": {"path": ""}}, ["target.path"]),
        ({"target": {"path": "nowhere.csv"}}, ["target.path", "nowhere.csv", "not there"]),
        ({"target": {"path": "here", "item": "good"}}, ["target.item", "'good'", "user, item, rating"]),
        ({"liked": -1}, ["liked", "-1"]),
        ({"liked": 6}, ["liked", "6", "up to 5"]),
        ({"split": "first"}, ["split", "first", "last"]),
        ({"cold_users": 1}, ["cold_users", "1"]),
        ({"scenario": "films", "source": {"path": "x"}}, ["source", "takes no file"]),
        ({"scenario": "digits", "cold_users": 0.5}, ["cold_users"]),
    ],
)
def test_what_cannot_be_is_said_in_one_line(change, words, fields, tmp_path):
    change = {key: dict(value) if isinstance(value, dict) else value for key, value in change.items()}
    for domain in change.values():
        if isinstance(domain, dict) and domain.get("path") == "here":
            domain["path"] = str(tmp_path / "here.csv")
    with pytest.raises(SpecificationError) as refused:
        Experiment.build({**fields, **change}).checked()
    message = str(refused.value)
    assert "\n" not in message
    assert all(word in message for word in words), message
