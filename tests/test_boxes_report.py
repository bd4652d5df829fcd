"""What is said of a run's boxes: which pictures transfer changed, and what is drawn over one."""

import base64
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from tlcore.experiment import Experiment
from tlcore.report.boxes import CROWD, FALSE, FOUND, MISSED, SIDE, by_class, found, over, told_apart
from tlcore.results import Results, TrialRecord, TrialResult


@pytest.fixture(scope="module")
def results() -> Results:
    """Of a baseline that says nothing, and a method that says all but the first object and one that is not there."""
    experiment = Experiment.build({"scenario": "found-digits", "methods": "fine_tune", "budgets": [5], "seeds": [0]})
    truth = experiment.domains().test.answers
    there = (truth[..., 4] >= 0).sum(1)
    silent, said = np.full_like(truth, -1.0), np.concatenate([truth, np.full_like(truth[:, :1], -1.0)], axis=1)
    said[..., 5] = 0.5
    said[0, 0, 4] = -1
    said[0, -1] = [60, 60, 64, 64, 3, 0.4]
    none = np.zeros(len(truth), np.int16)
    mistakes = none.copy()
    mistakes[0] = 1
    examples = [
        {"said": silent, "missed": there.astype(np.int16), "false_alarms": none},
        {"said": said.astype(np.float16), "missed": mistakes, "false_alarms": mistakes},
    ]
    scores = [{"ap50_3": 0.0, "ap50": 0.0}, {"ap50_3": 0.75, "ap50": 0.5}]
    records = [
        TrialRecord(trial, "done", result=TrialResult(metrics, examples=each))
        for trial, metrics, each in zip(experiment.trials(), scores, examples, strict=True)
    ]
    return Results(experiment, records)


def test_a_picture_says_how_many_mistakes_transfer_spares_it(results):
    table = found(results, "fine_tune", 5, 0)
    first = table.iloc[0]
    assert (
        first["missed_baseline"] == first["objects"] == (results.experiment.domains().test.answers[0, :, 4] >= 0).sum()
    )
    assert (first["missed"], first["false"], first["false_baseline"]) == (1, 1, 0)
    assert first["gain"] == first["objects"] - 2
    assert (table["gain"].iloc[1:] == table["objects"].iloc[1:]).all()
    domains = results.experiment.domains()
    assert table["name"].tolist() == [domains.input_names[number] for number in domains.test.inputs]
    assert not len(found(results, "fine_tune", 6, 0))


def test_classes_stand_by_their_names(results):
    table = by_class(results, 5)
    assert table.loc["fine_tune", "3"] == 0.75


def test_what_is_found_missed_false_and_of_no_account_is_told_apart():
    truth = np.array([[0, 0, 10, 10, 1, 0], [20, 20, 30, 30, 1, 0], [40, 40, 80, 80, 1, 1], [0, 0, 0, 0, -1, 0]])
    said = np.array(
        [[1, 0, 10, 10, 1, 0.9], [0, 0, 10, 10, 1, 0.8], [50, 50, 60, 60, 1, 0.7], [20, 20, 30, 30, 0, 0.6]]
    )
    colours = [
        (colour, broken, box[:4].tolist()) for box, colour, broken in told_apart(truth.astype(float), np.array(said))
    ]
    assert colours == [
        (CROWD, False, [50, 50, 60, 60]),
        (CROWD, True, [40, 40, 80, 80]),
        (FOUND, False, [1, 0, 10, 10]),
        (MISSED, True, [20, 20, 30, 30]),
        (FALSE, False, [0, 0, 10, 10]),  # the object was taken
        (FALSE, False, [20, 20, 30, 30]),  # of another class
    ]
    assert told_apart(truth[3:].astype(float), np.zeros((0, 6))) == []


def test_boxes_are_drawn_where_they_are(results):
    domains = results.experiment.domains()
    address = over(results, domains, results.records[1], 0)
    picture = np.asarray(Image.open(BytesIO(base64.b64decode(address.partition(",")[2]))))
    assert picture.shape == (SIDE, SIDE, 3)
    x, y = (domains.test.answers[0, 0, :2] * SIDE / 64).round().astype(int)
    assert (picture[y, x : x + 5] == MISSED).all()
    assert (picture[SIDE * 62 // 64, SIDE * 60 // 64] == FALSE).all()
    x, y = (domains.test.answers[1, 0, :2] * SIDE / 64).round().astype(int)
    silent = over(results, domains, results.records[0], 1)
    picture = np.asarray(Image.open(BytesIO(base64.b64decode(silent.partition(",")[2]))))
    assert (picture[y, x : x + 5] == MISSED).all()
