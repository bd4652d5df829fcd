"""Metrics of a detector, and the share that each test picture has in them.

What a detector says is right if it overlaps a true box of its class that no surer answer has taken; how well it does
is the area under precision over recall as the threshold on its confidence falls. That is of all pictures together, so a
picture's score is a jackknife pseudo-value (`tlcore.evaluation.pseudovalues`). A picture is what is drawn anew (boxes
in it share its light, its place, its photographer), so pictures and not boxes are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tlcore.evaluation.metrics import Metric
from tlcore.evaluation.pseudovalues import from_left_out

NO_BOX = -1.0
"""The class of a row that stands for no box: pictures have different numbers of them."""
OVERLAPS = np.linspace(0.5, 0.95, 10)
"""Intersections over union from which a box counts as found, as COCO has them."""
RECALLS = np.linspace(0.0, 1.0, 101)
"""Where precision is read."""
MOST_DETECTIONS = 100
"""Of a class on a picture; the surest count."""
AT_ONCE = 2_000_000
"""Numbers that are held at a time."""

DETECTION: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "ap50",
            "AP@50",
            True,
            "Precision averaged over all recalls, mean over classes; a box is found if it overlaps a true one by half.",
        ),
        Metric(
            "ap", "AP@[.5:.95]", True, "The same, averaged over overlaps from half to nearly all: boxes must fit, too."
        ),
        Metric("recall50", "recall", True, "Of the objects of a class, the share found at all; mean over classes."),
        Metric(
            "recall",
            "recall@[.5:.95]",
            True,
            "The same, averaged over overlaps from half to nearly all: boxes must fit, too.",
        ),
    )
}
"""The metrics of a detection task, in the order in which they are shown."""


def overlaps(boxes: np.ndarray, others: np.ndarray, crowd: np.ndarray) -> np.ndarray:
    """Return how much boxes (..., D, 4) overlap others (..., G, 4), as (..., D, G).

    Intersection over union of boxes x₁, y₁, x₂, y₂; over a box's own area where the other (..., G) stands for a crowd.
    """
    low = np.maximum(boxes[..., :, None, :2], others[..., None, :, :2])
    high = np.minimum(boxes[..., :, None, 2:4], others[..., None, :, 2:4])
    shared = np.clip(high - low, 0, None).prod(-1)
    own, their = ((part[..., 2:4] - part[..., :2]).prod(-1) for part in (boxes, others))
    beyond = np.where(np.asarray(crowd)[..., None, :], 0.0, their[..., None, :] - shared)
    together = own[..., :, None] + beyond
    return np.divide(shared, together, out=np.zeros_like(shared), where=together > 0)


@dataclass(frozen=True)
class Matches:
    """What every detection turned out to be, the surest first.

    Attributes
    ----------
    picture, kind : ndarray of int, shape (m,)
    found : ndarray of bool, shape (10, m)
        Whether it is right, at each of `OVERLAPS`.
    counted : ndarray of bool, shape (10, m)
        Whether it is right or wrong at all: what lies on a crowd is neither.
    confidence : ndarray, shape (m,)
    truths : ndarray of int, shape (n, K)
        How many objects of each class there are on each picture; those in crowds are not among them.
    """

    picture: np.ndarray
    kind: np.ndarray
    found: np.ndarray
    counted: np.ndarray
    confidence: np.ndarray
    truths: np.ndarray

    @classmethod
    def of(cls, detections: np.ndarray, truth: np.ndarray, classes: int) -> Matches:
        """Match detections to true boxes as COCO's evaluation does.

        On each picture, for each class and overlap, the surest detection takes the true box that it overlaps most; a
        box once taken is so for good. What overlaps no free box enough but lies in a crowd does not count.

        Parameters
        ----------
        detections : ndarray of shape (n, D, 6)
            x₁, y₁, x₂, y₂, class, confidence; class −1: no box.
        truth : ndarray of shape (n, M, 6)
            x₁, y₁, x₂, y₂, class, and 1 for a crowd; class −1: no box.
        classes : int
            K.

        Raises
        ------
        ValueError
            Where shapes do not fit, there is no picture, a class is not one of −1 to K−1, or a confidence is NaN.

        References
        ----------
        Lin et al. (2014), Microsoft COCO: common objects in context, ECCV.
        """
        detections, truth = _checked(detections, truth, classes)
        n = len(truth)
        said, where = _by_picture_and_class(detections, classes, detections[..., 5])
        surest = _rank(where) < MOST_DETECTIONS
        said, where = said[surest], where[surest]
        true, there = _by_picture_and_class(truth, classes, 1 - truth[..., 5])  # crowds last
        found = np.zeros((len(OVERLAPS), len(said)), bool)
        counted = np.ones_like(found)
        for rows, took, lost in _matched(said, where, true, there):
            found[:, rows], counted[:, rows] = took, ~lost
        order = np.lexsort((where // classes, -said[:, 5]))  # of equally sure ones the first picture's go first
        truths = np.bincount(there[true[:, 5] == 0], minlength=n * classes).reshape(n, classes)
        picture, kind = where[order] // classes, where[order] % classes
        return cls(picture, kind, found[:, order], counted[:, order], said[order, 5], truths)

    def metrics(self) -> dict[str, float]:
        """Return the metrics of `DETECTION`, then each by class as ``ap50_0`` to ``recall_{K-1}``.

        With precision pₖ(r) = max over recalls r' ≥ r, zero beyond the largest recall, and the means taken over the
        classes that there are objects of::

            ap50   = mean_k mean_{r = 0, 0.01, ..., 1} pₖ(r)       at overlap 0.5
            ap     = the same, mean over overlaps 0.5, 0.55, ..., 0.95
            recall = mean_k (found objects of k / objects of k),   recall50 at overlap 0.5

        nan for a class that no object is of. The conventions are those of COCO's evaluation: 101 recalls, at most 100
        detections of a class on a picture.
        """
        by_class = {name: whole.mean(0) for name, whole in self._whole.items()}
        means = {name: _mean_over_classes(values) for name, values in by_class.items()}
        single = {f"{name}_{k}": float(value) for name, values in by_class.items() for k, value in enumerate(values)}
        return {**{name: float(means[name]) for name in DETECTION}, **single}

    def scores(self) -> dict[str, np.ndarray]:
        """Return a score of each picture for each metric of `DETECTION`, whose mean is the metric.

        The pseudo-values n·T − (n − 1)·T₍₋ᵢ₎. Detections stay sorted, and without picture i each object found ranks
        higher by as many detections as were the picture's own above it, so all of T₍₋ᵢ₎ follow from one table of
        counts (pictures × objects found) and no picture is matched twice. That they cover is in benchmarks/boxes.py.

        Returns
        -------
        dict of str to ndarray of shape (n,)
        """
        whole, without = self._whole, self._without
        return {
            name: from_left_out(
                float(_mean_over_classes(whole[name].mean(0))), _mean_over_classes(without[name].mean(0))
            )
            for name in DETECTION
        }

    def balanced(self) -> float:
        """Return the confidence from which on misses and false alarms balance best: the largest F1 at overlap 0.5.

        Of all classes together, 2·found / (said + objects); 1 if nothing that is said is right.
        """
        found, counted = self.found[0].cumsum(), self.counted[0].cumsum()
        score = 2 * found / np.maximum(counted + self.truths.sum(), 1)
        return float(self.confidence[score.argmax()]) if found.any() else 1.0

    def mistakes(self, confidence: float) -> tuple[np.ndarray, np.ndarray]:
        """Return how many objects of each picture are missed, and how many false alarms raised, from a confidence on.

        Returns
        -------
        missed, false_alarms : ndarray of int, shape (n,)
        """
        n, sure = len(self.truths), self.confidence >= confidence
        found = np.bincount(self.picture[sure & self.found[0]], minlength=n)
        wrong = np.bincount(self.picture[sure & self.counted[0] & ~self.found[0]], minlength=n)
        return self.truths.sum(1) - found, wrong

    @cached_property
    def _whole(self) -> dict[str, np.ndarray]:
        """Each metric at each of its overlaps, for each class: (T, K)."""
        precision = np.full((len(OVERLAPS), self.truths.shape[1]), np.nan)
        recall = precision.copy()
        for t, k, _, hits in self._answers():
            ranks, objects = np.flatnonzero(hits) + 1, self.truths[:, k].sum()
            right = np.arange(1, len(ranks) + 1)
            precision[t, k] = _area(right / ranks, right / objects)
            recall[t, k] = len(ranks) / objects
        return _named(precision, recall)

    @cached_property
    def _without(self) -> dict[str, np.ndarray]:
        """The same without each picture: (T, K, n)."""
        n, classes = self.truths.shape
        precision = np.full((len(OVERLAPS), classes, n), np.nan)
        recall = precision.copy()
        for t, k, pictures, hits in self._answers():
            ranks = np.flatnonzero(hits) + 1
            objects = self.truths[:, k].sum() - self.truths[:, k]
            left = np.flatnonzero(objects)
            for some in np.array_split(left, 1 + len(left) * len(ranks) // AT_ONCE):
                above = _up_to_each(ranks, some, pictures, np.arange(1, len(pictures) + 1), n)
                own = _up_to_each(ranks, some, pictures[hits], ranks, n)
                right, said = np.arange(1, len(ranks) + 1) - own, ranks - above
                exact = np.divide(right, said, out=np.zeros(said.shape), where=said > 0)
                precision[t, k, some] = _area(exact, right / objects[some, None])
                recall[t, k, some] = (right[:, -1] if len(ranks) else 0) / objects[some]
        return _named(precision, recall)

    def _answers(self) -> Iterator[tuple[int, int, np.ndarray, np.ndarray]]:
        """For each overlap and class with objects: both, the pictures of the detections that count, which are right."""
        for k in np.flatnonzero(self.truths.sum(0)).tolist():
            of_class = self.kind == k
            for t in range(len(OVERLAPS)):
                rows = of_class & self.counted[t]
                yield t, k, self.picture[rows], self.found[t, rows]


def _named(precision: np.ndarray, recall: np.ndarray) -> dict[str, np.ndarray]:
    return {"ap50": precision[:1], "ap": precision, "recall50": recall[:1], "recall": recall}


def _mean_over_classes(values: np.ndarray) -> np.ndarray:
    """Return the mean over the first axis of what is known; nan where nothing is."""
    known = ~np.isnan(values)
    return np.divide(
        np.where(known, values, 0).sum(0), known.sum(0), out=np.full(values.shape[1:], np.nan), where=known.any(0)
    )


def _area(precision: np.ndarray, recall: np.ndarray) -> np.ndarray:
    """Return the mean over `RECALLS` of the largest precision at that recall or a larger one, over the last axis.

    Between two objects found recall does not change and precision falls, so the values where one is found are enough.
    """
    if not precision.shape[-1]:
        return np.zeros(precision.shape[:-1])
    best = np.maximum.accumulate(precision[..., ::-1], axis=-1)[..., ::-1]
    reached = np.searchsorted(RECALLS, recall, side="right")
    return (best * np.diff(reached, axis=-1, prepend=0)).sum(-1) / len(RECALLS)


def _up_to_each(marks: np.ndarray, some: np.ndarray, pictures: np.ndarray, ranks: np.ndarray, n: int) -> np.ndarray:
    """Return for each of some pictures how many of its detections rank no lower than each mark, (pictures, marks).

    ``pictures`` and ``ranks`` are those of all detections, ``marks`` and ``ranks`` ascend.
    """
    place = np.full(n, -1)
    place[some] = np.arange(len(some))
    rows, columns = place[pictures], np.searchsorted(marks, ranks)
    inside = (rows >= 0) & (columns < len(marks))
    cells = rows[inside] * len(marks) + columns[inside]
    return np.bincount(cells, minlength=len(some) * len(marks)).reshape(len(some), len(marks)).cumsum(1)


def _by_picture_and_class(boxes: np.ndarray, classes: int, first: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows that are boxes, and the number of picture and class of each, sorted by it.

    Within it the largest of ``first`` go first, and equal ones in the order in which they stand.
    """
    pictures, places = np.nonzero(boxes[..., 4] != NO_BOX)
    rows = boxes[pictures, places]
    where = pictures * classes + rows[:, 4].astype(int)
    order = np.lexsort((-first[pictures, places], where))
    return rows[order], where[order]


def _rank(where: np.ndarray) -> np.ndarray:
    """Return the place of each entry among those of its number; equal numbers stand together."""
    return np.arange(len(where)) - np.searchsorted(where, where)


def _matched(
    said: np.ndarray, where: np.ndarray, true: np.ndarray, there: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """For some pictures and classes at a time: rows of detections, whether each took an object (T, m), or a crowd."""
    both = np.intersect1d(where, there)
    rank, place = _rank(where), _rank(there)
    if not len(both):
        return
    deep, wide = rank.max() + 1, place.max() + 1
    for some in np.array_split(both, 1 + len(both) * wide * max(deep, len(OVERLAPS)) // AT_ONCE):
        rows, columns = np.flatnonzero(np.isin(where, some)), np.flatnonzero(np.isin(there, some))
        mine, theirs = np.searchsorted(some, where[rows]), np.searchsorted(some, there[columns])
        boxes, objects = np.zeros((len(some), deep, 4)), np.zeros((len(some), wide, 4))
        boxes[mine, rank[rows]], objects[theirs, place[columns]] = said[rows, :4], true[columns, :4]
        real, crowd = np.zeros((2, len(some), wide), bool)
        real[theirs, place[columns]], crowd[theirs, place[columns]] = True, true[columns, 5] == 1
        overlap = np.where(real[:, None], overlaps(boxes, objects, crowd), -1.0)
        free = np.ones((len(OVERLAPS), len(some), wide), bool)
        took, lost = np.zeros((2, len(OVERLAPS), len(some), deep), bool)
        for d in range(deep):
            enough = free & (overlap[:, d] >= OVERLAPS[:, None, None])
            apart = enough & ~crowd
            # Of objects that it overlaps the same the last; a crowd is never used up.
            best = wide - 1 - np.where(apart, overlap[:, d], -1.0)[..., ::-1].argmax(-1)
            took[..., d] = apart.any(-1)
            lost[..., d] = ~took[..., d] & enough.any(-1)
            free &= ~((np.arange(wide) == best[..., None]) & took[..., d, None])
        yield rows, took[:, mine, rank[rows]], lost[:, mine, rank[rows]]


def _checked(detections: np.ndarray, truth: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    detections, truth = np.asarray(detections, float), np.asarray(truth, float)
    shapes = detections.shape, truth.shape
    if any(len(shape) != 3 or shape[2] != 6 for shape in shapes) or len(detections) != len(truth):
        raise ValueError(
            "Detections and true boxes must have shapes (n, D, 6) and (n, M, 6) with the same n, "
            f"but they have {shapes[0]} and {shapes[1]}."
        )
    if not len(truth):
        raise ValueError("There is no test picture, so there is nothing to score.")
    for boxes in (detections, truth):
        kinds = boxes[..., 4]
        if not np.isin(kinds, np.arange(NO_BOX, classes)).all():
            raise ValueError(f"Classes must be -1 to {classes - 1}, but they go from {kinds.min()} to {kinds.max()}.")
    if np.isnan(detections[..., 5]).any():
        raise ValueError("Confidences must be numbers, but some are NaN.")
    return detections, truth
