"""Catalogues that share their users: split, budget, loss."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tlcore.examples import Domains, Examples
from tlcore.scenarios import SCENARIOS
from tlcore.scenarios.recommendation import leave_last_out
from tlcore.tasks.ranking import interactions


def test_each_users_last_choice_is_the_test_and_the_pool_is_earlier():
    from tlcore.datasets import DATASETS

    domains = SCENARIOS["films"].domains("other-films", "scifi-fantasy")
    films = DATASETS["movielens-100k"].fetch()
    target = [{"Sci-Fi", "Fantasy"} & {*genres.split()} for genres in films["genres"]]
    rows = [i for i in range(100_000) if films["rating"][i] >= 4 and target[films["item"][i]]]
    latest: dict[int, int] = {}
    for i in rows:
        user = films["user"][i] - 1
        latest[user] = max(latest.get(user, 0), films["time"][i])
    counts = np.bincount([films["user"][i] - 1 for i in rows])
    tested = [int(domains.input_names[user]) - 1 for user in domains.test.inputs]
    assert tested == [user for user in sorted(latest) if counts[user] > 1]
    assert len(domains.pool) + len(domains.test) == counts[counts > 1].sum()
    assert domains.first_target_answer == sum(not genres for genres in target)


@given(data=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=40))
@settings(max_examples=50, deadline=None)
def test_leave_last_out_by_definition(data):
    user, time = np.array(data).T
    item = np.arange(len(data))
    pool, test = leave_last_out(user, item, time)
    for one in range(6):
        rows = [i for i in range(len(data)) if user[i] == one]
        last = max(rows, key=lambda i: (time[i], i), default=None)
        mine = test.answers[test.inputs == one]
        assert list(mine) == ([last] if len(rows) > 1 else [])
        assert set(pool.answers[pool.inputs == one]) == (set(rows) - {last} if len(rows) > 1 else set())


def test_a_budget_is_at_most_so_many_interactions_of_each_user():
    scenario = SCENARIOS["films"]
    pool = scenario.domains("other-films", "romance").pool
    training, validation = scenario.task.spend(pool, 3, 0)
    had, kept = (np.bincount(part.inputs, minlength=943) for part in (pool, training))
    np.testing.assert_array_equal(kept, had.clip(max=3))
    assert not len(validation)


def test_the_loss_is_a_softmax_over_the_items_own_catalogue():
    empty = Examples(np.zeros(1, int), np.zeros(1, int))
    domains = Domains(empty, empty, empty, answers=5, first_target_answer=2)
    outputs, answers = torch.randn(4, 5), torch.tensor([0, 1, 2, 4])
    ours = SCENARIOS["films"].task.loss(domains)(outputs, answers)
    source = torch.nn.functional.cross_entropy(outputs[:2, :2], answers[:2], reduction="none")
    target = torch.nn.functional.cross_entropy(outputs[2:, 2:], answers[2:] - 2, reduction="none")
    torch.testing.assert_close(ours, torch.cat([source, target]))


def test_interactions_have_the_targets_items_only():
    domains = SCENARIOS["films"].domains("other-films", "children")
    matrix = interactions(domains.test, domains)
    assert matrix.shape == (len(domains.input_names), domains.answers - domains.first_target_answer)
    assert matrix.sum() == len(domains.test)


@pytest.mark.parametrize("method", ["source_only", "nearest_neighbour_selection"])
def test_a_method_that_learns_nothing_of_the_targets_items_is_refused(method):
    from tlcore.errors import SpecificationError
    from tlcore.experiment import Experiment

    def build():
        return Experiment.build({"scenario": "films", "methods": method})

    if method == "source_only":
        with pytest.raises(SpecificationError, match="'source_only' does not apply to films"):
            build()
    else:
        assert build().baseline == SCENARIOS["films"].task.baseline
