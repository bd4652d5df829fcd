"""The store on real SQLite files."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from tests.lab.conftest import claims, result, tiny
from tlcore.concerns import Concern
from tlcore.errors import SpecificationError
from tlcore.lab import schema
from tlcore.lab.runs import MOST_LOSSES
from tlcore.lab.schema import RESULTS, RUNS, TRIALS
from tlcore.lab.store import Store
from tlcore.results import Results, TrialResult

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def database(url, store):
    return sa.create_engine(url)


def test_a_new_run_is_queued_and_reads_back_as_it_was_asked_for(store):
    experiment = tiny("from_scratch,fine_tune", seeds=2, name="mine", beta=0.5, **{"lambda": 0.25})

    run_id = store.add(experiment, workers=3)

    info = store.read(run_id)
    assert (info.id, info.name, info.status, info.ended) == (run_id, "mine", "queued", False)
    assert info.counts == {"queued": 4, "running": 0, "done": 0, "failed": 0, "cancelled": 0}
    assert info.experiment == experiment
    assert [record.trial for record in store.records(run_id)] == experiment.trials()
    assert store.active()[0].workers == 3


def test_the_newest_run_is_listed_first(store):
    run_ids = [store.add(tiny()) for _ in range(3)]

    assert [info.id for info in store.runs()] == run_ids[::-1]


def test_a_result_comes_back_whole(store):
    run_id = store.add(tiny())
    claim = store.claim(next(iter(store.queued(run_id))))

    assert store.finish(claim, result())

    kept = store.records(run_id)[0].result
    assert kept.metrics["accuracy"] == 0.5
    assert np.isnan(kept.metrics["recall_9"])
    assert np.isnan(kept.curves[0]["validation_loss"])
    assert kept.examples.keys() == result().examples.keys()
    for name, values in result().examples.items():
        np.testing.assert_array_equal(kept.examples[name], values)
        assert kept.examples[name].dtype == values.dtype


def test_an_array_of_objects_is_refused_since_reading_it_back_could_run_code(store):
    claim = claims(store, store.add(tiny()))[0]

    with pytest.raises(ValueError, match=r"[Oo]bject"):
        store.finish(claim, TrialResult({}, [], {"truth": np.array([object()])}))


def test_of_many_who_claim_a_trial_one_gets_it(url, store):
    trial_id = next(iter(store.queued(store.add(tiny()))))
    stores = [Store(url) for _ in range(8)]

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda each: each.claim(trial_id), stores))

    assert sum(claim is not None for claim in outcomes) == 1


def test_how_far_a_trial_has_come_is_told_before_it_is_done(store, database):
    run_id = store.add(tiny())
    first, second = claims(store, run_id)
    assert (store.read(run_id).at_work, store.read(run_id).seconds_left) == (0, None)

    assert store.beat(first, 0.25)
    assert store.beat(second, 0.5)
    with database.begin() as connection:
        connection.execute(TRIALS.update().values(started=time.time() - 10))
    info = store.read(run_id)
    assert info.at_work == 0.75
    assert info.seconds_left == pytest.approx((30 + 10) / 2, rel=0.1)  # both are at work at once

    store.finish(first, result())
    assert store.read(run_id).at_work == 0.5
    store.expire([second.trial_id])
    store.sweep()
    assert store.claim(second.trial_id)
    assert store.read(run_id).at_work == 0  # it begins anew


def test_a_run_has_ended_when_its_last_trial_has(store):
    run_id = store.add(tiny())
    first, second = claims(store, run_id)
    assert store.read(run_id).status == "running"

    store.finish(first, result())
    assert store.read(run_id).status == "running"
    assert store.read(run_id).seconds_left is not None
    store.give_up(second, "failed", "RuntimeError: it broke")

    info = store.read(run_id)
    assert (info.status, info.error, info.seconds_left) == ("done", "RuntimeError: it broke", None)
    assert info.started <= info.finished


def test_a_run_of_which_nothing_is_done_has_failed(store):
    run_id = store.add(tiny())

    for claim in claims(store, run_id):
        store.give_up(claim, "failed", "RuntimeError: it broke")

    assert store.read(run_id).status == "failed"


def test_an_expired_lease_is_swept_and_the_late_result_is_not_kept(store):
    run_id = store.add(tiny())
    late = store.claim(next(iter(store.queued(run_id))))
    assert store.sweep() == 0
    store.expire([late.trial_id])

    assert store.sweep() == 1

    assert not store.beat(late)
    again = store.claim(late.trial_id)
    assert again.attempt == late.attempt + 1
    assert not store.finish(late, result(0.1))
    assert store.finish(again, result(0.9))
    assert not store.finish(again, result(0.2))
    assert store.records(run_id)[0].result.metrics["accuracy"] == 0.9


def test_a_lease_that_is_kept_alive_does_not_expire(store, database):
    claim = claims(store, store.add(tiny()))[0]
    with database.begin() as connection:
        connection.execute(TRIALS.update().values(lease_until=time.time() + 0.05))

    assert store.beat(claim)

    time.sleep(0.1)
    assert store.beat(claim)
    assert store.sweep() == 1  # the other trial's, which nobody kept alive


def test_a_trial_whose_worker_is_lost_again_and_again_fails(store):
    run_id = store.add(tiny())
    trial_id = next(iter(store.queued(run_id)))

    for _ in range(MOST_LOSSES):
        store.claim(trial_id)
        store.expire([trial_id])
        store.sweep()

    record = store.records(run_id)[0]
    assert (record.status, record.error) == ("failed", "worker lost 3 times")


def test_a_released_trial_has_lost_nothing(store):
    run_id = store.add(tiny())
    trial_id = next(iter(store.queued(run_id)))

    for _ in range(MOST_LOSSES + 1):
        store.claim(trial_id)
        store.release([trial_id])
    store.claim(trial_id)
    store.expire([trial_id])
    store.sweep()

    assert store.records(run_id)[0].status == "queued"


def test_cancel_ends_what_is_queued_and_asks_what_runs_to_stop(store):
    run_id = store.add(tiny(seeds=2))
    done, running, *_ = [store.claim(trial_id) for trial_id in list(store.queued(run_id))[:2]]
    store.finish(done, result())
    assert store.goes_on(run_id)

    store.cancel(run_id)

    info = store.read(run_id)
    assert (info.status, info.stopping, info.counts["cancelled"]) == ("running", True, 2)
    assert not store.goes_on(run_id)
    store.give_up(running, "cancelled")
    info = store.read(run_id)
    assert (info.status, info.stopping, info.counts["done"]) == ("cancelled", False, 1)


def test_a_cancelled_trial_whose_worker_is_lost_is_cancelled(store):
    run_id = store.add(tiny())
    claim = claims(store, run_id)[0]
    store.cancel(run_id)
    store.expire([claim.trial_id])

    store.sweep()

    assert store.records(run_id)[0].status == "cancelled"


def test_resume_queues_what_is_not_done_and_keeps_the_rest(store, database):
    run_id = store.add(tiny(seeds=2))
    first, second = (store.claim(trial_id) for trial_id in list(store.queued(run_id))[:2])
    store.finish(first, result(0.75))
    store.give_up(second, "failed", "RuntimeError: it broke")
    store.cancel(run_id)
    assert store.read(run_id).status == "cancelled"

    store.resume(run_id)

    info = store.read(run_id)
    assert (info.status, info.error, info.finished) == ("queued", "", None)
    assert info.counts == {"queued": 3, "running": 0, "done": 1, "failed": 0, "cancelled": 0}
    for claim in claims(store, run_id):
        store.finish(claim, result())
    assert store.records(run_id)[0].result.metrics["accuracy"] == 0.75
    with database.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(RESULTS)) == 4


def test_resume_of_a_run_that_is_still_stopping_is_refused(store):
    run_id = store.add(tiny())
    claims(store, run_id)
    store.cancel(run_id)

    with pytest.raises(SpecificationError, match="still stopping"):
        store.resume(run_id)


def test_resume_of_a_run_that_is_done_changes_nothing(store):
    run_id = store.add(tiny())
    for claim in claims(store, run_id):
        store.finish(claim, result())

    store.resume(run_id)

    assert store.read(run_id).status == "done"


def test_a_run_that_no_engine_holds_is_lost_until_one_does(store, database):
    run_id = store.add(tiny())
    with database.begin() as connection:
        connection.execute(RUNS.update().values(lease_until=time.time() - 1))
    assert store.read(run_id).status == "lost"

    store.hold()

    assert store.read(run_id).status == "queued"


def test_a_run_at_work_is_not_deleted_and_an_ended_one_goes_with_all_that_is_its(store, database):
    run_id = store.add(tiny())
    for claim in claims(store, run_id):
        with pytest.raises(SpecificationError, match="at work"):
            store.delete(run_id)
        store.finish(claim, result())

    store.delete(run_id)

    with database.connect() as connection:
        for table in (RUNS, TRIALS, RESULTS):
            assert connection.scalar(sa.select(sa.func.count()).select_from(table)) == 0


def test_rename(store):
    run_id = store.add(tiny())

    store.rename(run_id, "Better name")

    assert store.read(run_id).name == "Better name"


@pytest.mark.parametrize("act", ["read", "records", "cancel", "resume", "delete", "experiment"])
def test_a_run_that_is_not_there_is_said_in_one_line(store, act):
    with pytest.raises(SpecificationError, match="run: 'nope' is not known") as caught:
        getattr(store, act)("nope")
    assert "\n" not in str(caught.value)


def test_results_of_an_unfinished_run_are_tables_too(store):
    run_id = store.add(tiny())
    store.finish(claims(store, run_id)[0], result())

    results = Results(store.experiment(run_id), store.records(run_id))

    assert list(results.trials["status"]) == ["done", "running"]
    assert results.verdicts.empty


WRITER = """
import sys
import tests.lab.odd_methods
from tests.lab.conftest import result, tiny
from tlcore.lab.store import Store
store = Store(sys.argv[1])
mine = store.add(tiny(seeds=5))
for trial_id in [*store.queued(mine), *store.queued(sys.argv[2])]:
    claim = store.claim(trial_id)
    if claim:
        assert store.beat(claim) and store.finish(claim, result())
        store.rename(sys.argv[2], trial_id)  # reads first, then writes
"""


@pytest.mark.slow
def test_eight_processes_write_at_once(url, tmp_path):
    store = Store(url)
    shared = store.add(tiny(seeds=20))
    command = [sys.executable, "-c", WRITER, url, shared]

    writers = [
        subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(8)
    ]
    complaints = [writer.communicate(timeout=60)[1].decode() for writer in writers]

    assert complaints == [""] * 8
    infos = store.runs()
    assert len(infos) == 9
    assert all(info.status == "done" and info.counts["done"] == len(info.experiment.trials()) for info in infos)


@pytest.mark.slow
def test_eight_processes_make_a_new_store_at_once(url):
    command = [sys.executable, "-c", "import sys; from tlcore.lab.store import Store; Store(sys.argv[1]).runs()", url]

    makers = [subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.PIPE) for _ in range(8)]

    assert [maker.communicate(timeout=60)[1].decode() for maker in makers] == [""] * 8


def test_a_store_of_an_older_version_is_migrated_once_and_keeps_its_runs(url, store, monkeypatch):
    run_id = store.add(tiny())

    def add_notes(connection):
        connection.execute(sa.text("ALTER TABLE runs ADD COLUMN notes TEXT"))

    monkeypatch.setattr(schema, "MIGRATIONS", [*schema.MIGRATIONS, add_notes])
    Store(url)

    assert Store(url).read(run_id).status == "queued"
    with sa.create_engine(url).connect() as connection:
        assert "notes" in {column["name"] for column in sa.inspect(connection).get_columns("runs")}


def test_what_looked_wrong_is_kept_with_a_run(store):
    concern = Concern("misread", {"n": 3, "which": "source"})

    run_id, other = store.add(tiny(), concerns=[concern]), store.add(tiny())

    assert store.read(run_id).concerns == [concern.sentence]
    assert store.read(other).concerns == []


def test_a_store_from_before_warnings_opens_and_its_runs_have_none(url, store, database):
    run_id = store.add(tiny())
    with database.begin() as connection:
        connection.execute(sa.text("ALTER TABLE runs DROP COLUMN concerns"))
        connection.execute(sa.text("UPDATE schema_version SET version = 4"))

    older = Store(url)

    assert older.read(run_id).concerns == []
    new = older.add(tiny(), concerns=[Concern("misread", {"n": 3, "which": "source"})])
    assert len(older.read(new).concerns) == 1


def test_a_store_of_a_newer_version_is_refused_in_one_line(url, database):
    with database.begin() as connection:
        connection.execute(sa.text("UPDATE schema_version SET version = 99"))

    with pytest.raises(SpecificationError, match=r"schema version 99.*update Transfer Lab\.$"):
        Store(url)


@pytest.mark.parametrize(
    "bad", ["nonsense", "sqlite:////nowhere/at/all/runs.sqlite", "postgresql+none://me:secret@x/y"]
)
def test_a_store_that_cannot_be_opened_is_said_in_one_line_without_its_password(bad):
    with pytest.raises(SpecificationError, match=r"^store: ") as caught:
        Store(bad)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_database_is_said_in_one_line(tmp_path):
    (tmp_path / "notes.txt").write_text("not a database " * 1000)

    with pytest.raises(SpecificationError, match="not a database"):
        Store(f"sqlite:///{tmp_path / 'notes.txt'}")
