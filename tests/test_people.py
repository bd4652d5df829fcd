"""One person of a run, and groups of people: what is shown is what the data and the trials say."""

import numpy as np
import pytest

from tlcore.experiment import Experiment
from tlcore.report.person import people, person
from tlcore.results import Results, TrialRecord
from tlcore.trial import execute

pytestmark = pytest.mark.slow

METHODS = ["best_from_scratch", "popularity", "joint_ease", "cmf"]


@pytest.fixture(scope="module")
def results() -> Results:
    """Three seeds on films, three in ten of the test users without any known choice."""
    experiment = Experiment.build(
        {
            "scenario": "films",
            "target": "scifi-fantasy",
            "methods": METHODS,
            "budgets": [2, 5],
            "seeds": 3,
            "cold_users": 0.3,
        }
    )
    return Results(experiment, [TrialRecord(trial, "done", "", execute(trial)) for trial in experiment.trials()])


def examples(results: Results, method: str, budget: int, seed: int) -> dict[str, np.ndarray]:
    (found,) = (r for r in results.records if r.trial.key == f"{method}/{budget}/{seed}")
    return found.result.examples


def test_groups_part_the_test_users_twice(results):
    table = results.by_group("recall@10")
    sizes = table[(table["method"] == "cmf") & (table["budget"] == 5)].set_index("group")["members"]
    domains = results.experiment.domains()
    assert sizes["cold"] == round(0.3 * len(domains.test))
    assert sizes["cold"] + sizes["warm"] == len(domains.test)
    assert sizes[["few elsewhere", "some elsewhere", "many elsewhere"]].sum() == len(domains.test)


def test_the_mean_in_a_group_is_that_of_its_members(results):
    domains = results.experiment.domains()
    cold = ~np.isin(domains.test.inputs, domains.pool.inputs)
    table = results.by_group("ndcg@10").set_index(["method", "budget", "group"])
    for method in METHODS:
        seeds = [examples(results, method, 2, seed)["ndcg@10"][cold].mean() for seed in range(3)]
        row = table.loc[method, 2, "cold"]
        assert row["mean"] == pytest.approx(np.mean(seeds))
        assert row["ci_high"] - row["mean"] == pytest.approx(4.302652730 * np.std(seeds, ddof=1) / 3**0.5, abs=1e-6)


def test_a_group_is_judged_by_its_members_alone(results):
    domains = results.experiment.domains()
    elsewhere = np.bincount(domains.source.inputs, minlength=len(domains.input_names))[domains.test.inputs]
    few = elsewhere <= np.quantile(elsewhere, 1 / 3, method="lower")
    verdicts = results.group_verdicts.set_index(["group", "method", "budget"])
    gaps = [
        (examples(results, "cmf", 5, s)["recall@10"] - examples(results, "best_from_scratch", 5, s)["recall@10"])[few]
        for s in range(3)
    ]
    assert verdicts.loc[("few elsewhere", "cmf", 5), "gap"] == pytest.approx(np.mean(gaps))
    assert verdicts.loc[("few elsewhere", "cmf", 5), "members"] == few.sum()
    assert set(results.group_verdicts["method"]) == {"joint_ease", "cmf"}


def test_groups_together_weigh_up_to_the_whole(results):
    whole = results.verdicts.set_index(["method", "budget"])["gap"]
    parts = results.group_verdicts[results.group_verdicts["group"].isin(["cold", "warm"])]
    for key, rows in parts.groupby(["method", "budget"]):
        assert np.average(rows["gap"], weights=rows["members"]) == pytest.approx(whole[key])


def test_recall_grows_with_the_length_of_the_list(results):
    table = results.along(results.experiment.where.task.curve)
    means = table[table["budget"] == 5].pivot(index="length", columns="method", values="mean")
    assert list(means.index) == [1, 5, 10, 20, 50]
    assert (means.diff().iloc[1:] >= 0).all(axis=None)
    assert means.loc[10, "cmf"] == pytest.approx(
        results.summary("recall@10").set_index(["method", "budget"]).loc[("cmf", 5), "mean"]
    )


def test_first_come_those_whom_transfer_served_and_the_baseline_did_not(results):
    table = people(results, 5, 0)
    assert table["gain"].is_monotonic_decreasing
    assert table["gain"].iloc[0] == 1
    row = table["row"].iloc[0]
    hits = {method: examples(results, method, 5, 0)["hit_rate@10"][row] for method in METHODS}
    assert (hits["cmf"], hits["joint_ease"], hits["best_from_scratch"]) == (1, 1, 0)


def test_a_person_is_what_the_data_say_of_them(results):
    from tlcore.datasets import DATASETS

    films = DATASETS["movielens-100k"].fetch()
    table = people(results, 5, 0)
    for chosen in table.iloc[[0, 100, -1]].to_dict("records"):
        one = person(results, 5, 0, chosen["row"])
        liked = (films["user"] == int(chosen["name"])) & (films["rating"] >= 4)
        target = [not {"Sci-Fi", "Fantasy"}.isdisjoint(films["genres"][i].split()) for i in films["item"][liked]]
        titles = films["title"][films["item"][liked]]
        assert set(one.known + one.held_out) <= set(titles[target])
        assert set(one.elsewhere) <= set(titles[~np.array(target)])
        assert len(one.elsewhere) == chosen["elsewhere"]
        assert len(one.known) == chosen["known"] <= 5
        assert not set(one.known) & set(one.held_out)
        for method, items in one.shown.items():
            assert len(items) == len(set(items)) == 10
            assert not set(items) & set(one.known)
            hit = examples(results, method, 5, 0)["hit_rate@10"][chosen["row"]]
            assert bool(set(items) & set(one.held_out)) == bool(hit)


def test_where_nothing_was_shown_there_is_nobody(results):
    assert people(results, 5, 99).empty
