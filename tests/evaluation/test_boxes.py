"""The metrics of a detector against faster-coco-eval and cases made by hand, and the scores of pictures."""

import numpy as np
import pytest

from tlcore.evaluation.boxes import DETECTION, OVERLAPS, Matches, overlaps

SIDE = 100.0


def some_boxes(rng: np.random.Generator, n: int, most: int, classes: int) -> np.ndarray:
    """Whole numbers, so that overlaps are often equal, and an empty row now and then."""
    corner = rng.integers(0, 60, (n, most, 2))
    boxes = np.concatenate([corner, corner + rng.integers(1, 40, (n, most, 2))], axis=2)
    kinds = np.where(rng.random((n, most)) < 0.2, -1, rng.integers(0, classes, (n, most)))
    return np.concatenate([boxes, kinds[..., None], np.zeros((n, most, 1))], axis=2).astype(float)


def case(seed: int, n: int = 12, crowds: float = 0.1, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """True boxes, and detections that are near some of them; of confidences that are often equal."""
    rng = np.random.default_rng(seed)
    truth = some_boxes(rng, n, 7, classes)
    truth[..., 5] = rng.random((n, 7)) < crowds
    near = np.repeat(truth, 2, axis=1)
    near[..., :4] += rng.integers(-6, 7, (n, 14, 4))
    near[..., 2:4] = np.maximum(near[..., 2:4], near[..., :2] + 1)
    near[..., 4] = np.where(rng.random((n, 14)) < 0.2, rng.integers(0, classes, (n, 14)), near[..., 4])
    detections = np.concatenate([near, some_boxes(rng, n, 20, classes)], axis=1)
    detections[..., 5] = rng.integers(1, 15, detections.shape[:2]) / 15
    truth[0, :, 4] = -1  # a picture without objects
    detections[1, :, 4] = -1
    return detections, truth


def of_coco(detections: np.ndarray, truth: np.ndarray, classes: int) -> dict[str, float]:
    """What COCO's evaluation says of the same, as faster-coco-eval has it."""
    from faster_coco_eval import COCO, COCOeval_faster

    def record(picture: int, row: np.ndarray) -> dict:
        x, y, right, low, kind, last = row.tolist()
        box = {"image_id": picture, "category_id": int(kind) + 1, "bbox": [x, y, right - x, low - y]}
        return {**box, "area": (right - x) * (low - y), "iscrowd": int(last == 1), "score": last}

    def records(boxes: np.ndarray) -> list[dict]:
        rows = [(picture, row) for picture, each in enumerate(boxes) for row in each if row[4] >= 0]
        return [{"id": number, **record(*row)} for number, row in enumerate(rows, 1)]

    pictures = [{"id": number, "width": SIDE, "height": SIDE} for number in range(len(truth))]
    kinds = [{"id": k + 1, "name": str(k)} for k in range(classes)]
    known = COCO({"images": pictures, "annotations": records(truth), "categories": kinds})
    said = known.loadRes([{**one, "iscrowd": 0} for one in records(detections)])
    evaluation = COCOeval_faster(known, said, "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    precision, recall = evaluation.eval["precision"][..., 0, 2], evaluation.eval["recall"][..., 0, 2]
    precision, recall = (np.where(values < 0, np.nan, values) for values in (precision, recall))
    found = {"ap": evaluation.stats[0], "ap50": evaluation.stats[1], "recall": evaluation.stats[8]}
    for k in range(classes):
        found |= {f"ap_{k}": precision[..., k].mean(), f"ap50_{k}": precision[0, :, k].mean()}
        found |= {f"recall_{k}": recall[:, k].mean(), f"recall50_{k}": recall[0, k]}
    return {**found, "recall50": np.nanmean(recall[0])}


@pytest.mark.parametrize("seed", range(12))
def test_agrees_with_coco(seed):
    classes = 1 + seed % 4
    detections, truth = case(seed, classes=classes, crowds=0.3 if seed % 2 else 0)
    ours, expected = Matches.of(detections, truth, classes).metrics(), of_coco(detections, truth, classes)
    assert ours.keys() == expected.keys()
    for name, value in expected.items():
        assert ours[name] == pytest.approx(value, abs=1e-9, nan_ok=True), name


def test_agrees_with_coco_where_a_class_is_missing_and_a_picture_has_more_than_a_hundred():
    detections, truth = case(3, n=3, classes=2)
    truth[truth[..., 4] == 1, 4] = 0
    detections = np.concatenate([detections] * 5, axis=1)
    detections[..., 4] = np.where(detections[..., 4] < 0, -1, 0)
    detections[..., 5] = np.random.default_rng(0).random(detections.shape[:2])
    ours, expected = Matches.of(detections, truth, 2).metrics(), of_coco(detections, truth, 2)
    assert (detections[..., 4] == 0).sum(1).max() > 100
    assert np.isnan(ours["ap_1"])
    for name, value in expected.items():
        assert ours[name] == pytest.approx(value, abs=1e-9, nan_ok=True), name


@pytest.mark.parametrize(("seed", "at_once"), [(0, 300), (1, 2_000_000), (2, 2_000_000)])
def test_the_scores_are_those_of_evaluating_again_without_each_picture(seed, at_once, monkeypatch):
    monkeypatch.setattr("tlcore.evaluation.boxes.AT_ONCE", at_once)
    detections, truth = case(seed, n=8, classes=2, crowds=0.2)
    truth[truth[..., 4] == 1, 4] = 0
    truth[2, 0, 4:] = 1, 0  # the only object of its class, so that it is missing without this picture
    matches = Matches.of(detections, truth, 2)
    whole, scores = matches.metrics(), matches.scores()
    for name in DETECTION:
        without = [Matches.of(np.delete(detections, i, 0), np.delete(truth, i, 0), 2).metrics()[name] for i in range(8)]
        values = 8 * whole[name] - 7 * np.array(without)
        assert scores[name] == pytest.approx(values + whole[name] - values.mean(), abs=1e-9)
        assert scores[name].mean() == pytest.approx(whole[name])


def boxed(*rows: list[float]) -> np.ndarray:
    return np.array([rows], float)


def test_what_is_found_and_what_is_not_by_hand():
    truth = boxed([0, 0, 10, 10, 0, 0], [20, 20, 30, 30, 0, 0])
    found = Matches.of(boxed([0, 0, 10, 8, 0, 0.9], [50, 50, 60, 60, 0, 0.8]), truth, 1)
    metrics = found.metrics()
    assert metrics["recall50"] == 0.5
    assert metrics["recall"] == pytest.approx(0.5 * 7 / 10)  # it overlaps by 0.8, enough at seven of ten
    assert metrics["ap50"] == pytest.approx(51 / 101)
    twice = Matches.of(boxed([0, 0, 10, 10, 0, 0.9], [0, 0, 10, 10, 0, 0.8]), truth, 1)
    assert twice.found[0].tolist() == [True, False]


def test_of_two_objects_that_it_overlaps_the_same_a_detection_takes_the_last_as_with_coco():
    truth = boxed([0, 0, 10, 10, 0, 0], [5, 0, 15, 10, 0, 0])
    said = boxed([2.5, 0, 12.5, 10, 0, 0.9], [0, 0, 10, 10, 0, 0.8])
    ours = Matches.of(said, truth, 1).metrics()
    assert ours["recall50"] == of_coco(said, truth, 1)["recall50"] == 1


def test_only_the_hundred_surest_of_a_class_on_a_picture_count():
    truth = boxed([0, 0, 10, 10, 0, 0])
    wrong = [[50.0, 50, 60, 60, 0, 0.9]] * 100
    assert Matches.of(boxed(*wrong[1:], [0, 0, 10, 10, 0, 0.5]), truth, 1).metrics()["recall50"] == 1
    assert Matches.of(boxed(*wrong, [0, 0, 10, 10, 0, 0.5]), truth, 1).metrics()["recall50"] == 0


def test_on_a_crowd_nothing_is_wrong():
    truth = boxed([0, 0, 10, 10, 0, 0], [20, 20, 90, 90, 0, 1])
    in_it = boxed([0, 0, 10, 10, 0, 0.5], [21, 21, 25, 25, 0, 0.9], [30, 30, 40, 40, 0, 0.8])
    assert Matches.of(in_it, truth, 1).metrics()["ap50"] == pytest.approx(1)
    beside = boxed([0, 0, 10, 10, 0, 0.5], [0, 80, 10, 90, 0, 0.9])
    assert Matches.of(beside, truth, 1).metrics()["ap50"] == pytest.approx(0.5)


def test_misses_and_false_alarms_balance_best_by_hand():
    truth = boxed([0, 0, 10, 10, 0, 0], [20, 20, 30, 30, 0, 0], [40, 40, 90, 90, 0, 1])
    right, wrong, also = [0, 0, 10, 10, 0, 0.9], [60, 0, 70, 10, 0, 0.5], [20, 20, 30, 30, 0, 0.3]
    on_crowd, more = [41, 41, 50, 50, 0, 0.4], [0, 60, 10, 70, 0, 0.2]
    matches = Matches.of(boxed(right, wrong, also, on_crowd, more), truth, 1)
    assert matches.balanced() == 0.3  # F1 is 2/3 from 0.9 on, 4/5 from 0.3 on, and less with what comes after
    assert [each.tolist() for each in matches.mistakes(0.3)] == [[0], [1]]
    assert [each.tolist() for each in matches.mistakes(0.6)] == [[1], [0]]
    assert Matches.of(boxed(wrong), truth, 1).balanced() == 1


def test_nothing_said_and_nothing_there():
    nothing = np.full((3, 0, 6), -1.0)
    truth = np.concatenate([boxed([0, 0, 1, 1, 0, 0])] * 3)
    silent = Matches.of(nothing, truth, 1)
    assert silent.metrics()["ap"] == silent.metrics()["recall"] == 0
    assert silent.scores()["ap"].tolist() == [0, 0, 0]
    assert np.isnan(Matches.of(nothing, nothing, 1).metrics()["ap"])


def test_what_does_not_fit_is_said():
    box = boxed([0, 0, 1, 1, 0, 0])
    with pytest.raises(ValueError, match="same n, but they have"):
        Matches.of(box, np.concatenate([box, box]), 1)
    with pytest.raises(ValueError, match="Classes must be -1 to 0"):
        Matches.of(box, boxed([0, 0, 1, 1, 1, 0]), 1)
    with pytest.raises(ValueError, match="there is nothing to score"):
        Matches.of(box[:0], box[:0], 1)


def test_overlaps_do_not_change_with_the_shape_of_a_picture():
    one, other = case(0)
    assert overlaps(one, other, other[..., 5] == 1) == pytest.approx(
        overlaps(one * [3, 0.5, 3, 0.5, 1, 1], other * [3, 0.5, 3, 0.5, 1, 1], other[..., 5] == 1)
    )
    assert len(OVERLAPS) == 10
