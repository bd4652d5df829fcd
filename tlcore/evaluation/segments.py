"""Metrics of a segmentation, and the share that each test picture has in them.

All but the boundary follow from one table a picture, how many pixels of each class were said to be of each, so that a
picture is looked at once. Pixels of which the class is not known count nowhere.
"""

from __future__ import annotations

from collections.abc import Callable
from math import hypot

import numpy as np

from tlcore.evaluation.metrics import Metric
from tlcore.evaluation.pseudovalues import pseudo_values
from tlcore.examples import UNKNOWN

TOLERANCE = 0.0075
"""How far off a boundary may be, as a share of the picture's diagonal."""

SEGMENTATION: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "miou",
            "mean IoU",
            True,
            "Of the pixels that are of a class or are said to be, the share that both are; mean over classes.",
        ),
        Metric(
            "dice",
            "Dice",
            True,
            "The balance of precision and recall of a class's pixels; mean over classes.",
        ),
        Metric("picture_dice", "Dice a picture", True, "Dice of each picture by itself; mean over pictures."),
        Metric(
            "boundary_f1",
            "boundary F1",
            True,
            "How much of the outlines is found, and how much of what is drawn is one, within 0.75 % of the diagonal.",
        ),
        Metric("macro_recall", "macro recall", True, "Of the pixels of a class, the share found; mean over classes."),
        Metric(
            "pixel_accuracy",
            "pixel accuracy",
            True,
            "The share of pixels that are classified correctly; a large background alone makes it high.",
        ),
    )
}
"""The metrics of a segmentation task, in the order in which they are shown."""


def confusions(predicted: np.ndarray, truth: np.ndarray, classes: int) -> np.ndarray:
    """Count, for each picture, the pixels of each class that are said to be of each.

    Parameters
    ----------
    predicted : ndarray of int, shape (n, h, w)
        Classes, 0 to K−1.
    truth : ndarray of int, shape (n, h, w)
        Classes, or −1 where none is known.
    classes : int
        K.

    Returns
    -------
    ndarray of int64, shape (n, K, K)
        Row: the class that it is; column: the class that it is said to be.

    Raises
    ------
    ValueError
        Where shapes differ, there is no picture, one has no known pixel, or a class is not one of 0 to K−1.
    """
    predicted, truth = _checked(predicted, truth, classes)
    known = truth != UNKNOWN
    pictures = np.broadcast_to(np.arange(len(truth))[:, None, None], truth.shape)[known]
    cells = (pictures * classes + truth[known]) * classes + predicted[known]
    return np.bincount(cells, minlength=len(truth) * classes**2).reshape(len(truth), classes, classes)


def boundary_f1(predicted: np.ndarray, truth: np.ndarray, classes: int, tolerance: float = TOLERANCE) -> np.ndarray:
    """Score the outlines of each picture.

    With B_k the boundary of class k in the truth, B̂_k the one that is drawn, d the distance of a pixel to the nearest
    of a set, and θ the tolerance times the diagonal::

        precision_k = |{z ∈ B̂_k : d(z, B_k) < θ}| / |B̂_k|
        recall_k    = |{z ∈ B_k : d(z, B̂_k) < θ}| / |B_k|
        F1_k        = 2 · precision_k · recall_k / (precision_k + recall_k)

    and the mean over the classes that have a boundary in either. A class with a boundary in one alone scores 0.

    Parameters
    ----------
    predicted, truth : ndarray of int, shape (n, h, w)
        As of `confusions`.
    classes : int
        K.
    tolerance : float
        Of the picture's diagonal.

    Returns
    -------
    ndarray of float64, shape (n,)
        1 where there is no boundary and none is drawn.

    Raises
    ------
    ValueError
        As `confusions`.

    Notes
    -----
    A class's boundary are its pixels with one of another class above, below, left or right; the picture's edge is none,
    and so is the edge of what is not known.

    References
    ----------
    Csurka, Larlus & Perronnin (2013), What is a good evaluation measure for semantic segmentation?, BMVC.
    """
    predicted, truth = _checked(predicted, truth, classes)
    reach = tolerance * hypot(*truth.shape[1:])
    predicted = np.where(truth == UNKNOWN, UNKNOWN, predicted)
    drawn, there = _edges(predicted), _edges(truth)
    scores = np.ones(len(truth))
    for picture in range(len(truth)):
        of_drawn = np.where(drawn[picture], predicted[picture], UNKNOWN)
        of_truth = np.where(there[picture], truth[picture], UNKNOWN)
        kinds = np.union1d(of_drawn, of_truth)
        found = [_outline_f1(of_drawn == kind, of_truth == kind, reach) for kind in kinds[kinds != UNKNOWN]]
        if found:
            scores[picture] = np.mean(found)
    return scores


def segmentation_metrics(counts: np.ndarray, boundary: np.ndarray) -> dict[str, float]:
    """Score a segmentation.

    With C = Σᵢ Cᵢ over pictures, T_k = Σ_j C_kj pixels of class k and P_k = Σ_j C_jk pixels said to be::

        IoU_k          = C_kk / (T_k + P_k − C_kk)
        Dice_k         = 2 C_kk / (T_k + P_k)
        recall_k       = C_kk / T_k
        miou, dice     = their mean over classes with T_k + P_k > 0
        macro_recall   = mean over classes with T_k > 0
        pixel_accuracy = Σ_k C_kk / Σ_k T_k
        picture_dice   = mean over pictures i of dice(Cᵢ)
        boundary_f1    = mean over pictures

    Parameters
    ----------
    counts : ndarray of int, shape (n, K, K)
        As of `confusions`.
    boundary : ndarray of float, shape (n,)
        As of `boundary_f1`.

    Returns
    -------
    dict of str to float
        The metrics of `SEGMENTATION` in that order, then ``iou_0`` to ``iou_{K-1}`` and ``recall_0`` to
        ``recall_{K-1}``, nan for a class that there is not.

    Notes
    -----
    Equal to torchmetrics' JaccardIndex, F1Score and Recall with ``average="macro"``, its Accuracy with ``"micro"``, and
    its DiceScore a picture. A class that the truth has not and that is drawn nevertheless scores 0, as it does there.

    References
    ----------
    Jaccard (1912), The distribution of the flora in the alpine zone, New Phytologist 11.
    Dice (1945), Measures of the amount of ecologic association between species, Ecology 26.
    """
    whole = counts.sum(axis=0, keepdims=True)
    found = {name: float(statistic(whole)[0]) for name, statistic in _OF_SUMS.items()}
    found |= {name: float(scores.mean()) for name, scores in _of_pictures(counts, boundary).items()}
    of_classes = {"iou": _iou(whole)[0], "recall": _recall(whole)[0]}
    return {name: found[name] for name in SEGMENTATION} | {
        f"{name}_{kind}": float(value) for name, values in of_classes.items() for kind, value in enumerate(values)
    }


def example_scores(counts: np.ndarray, boundary: np.ndarray) -> dict[str, np.ndarray]:
    """Split each metric into one score a picture, whose mean is the metric.

    What is of the whole data set is split by `tlcore.evaluation.pseudovalues`; what is a mean over pictures by itself.

    Parameters
    ----------
    counts : ndarray of int, shape (n, K, K)
    boundary : ndarray of float, shape (n,)

    Returns
    -------
    dict of str to ndarray of float64, shape (n,)
        One entry for each of `SEGMENTATION`.
    """
    split = {name: pseudo_values(statistic, counts) for name, statistic in _OF_SUMS.items()}
    split |= _of_pictures(counts, boundary)
    return {name: split[name] for name in SEGMENTATION}


def _diagonal(counts: np.ndarray) -> np.ndarray:
    return np.diagonal(counts, axis1=1, axis2=2)


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return part / whole, nan where there is nothing."""
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0)


def _mean(shares: np.ndarray) -> np.ndarray:
    """Return the mean over classes (m, K) to (m,) of those that there are."""
    return _share(np.nansum(shares, axis=1), (~np.isnan(shares)).sum(axis=1))


def _iou(counts: np.ndarray) -> np.ndarray:
    right = _diagonal(counts)
    return _share(right, counts.sum(2) + counts.sum(1) - right)


def _dice(counts: np.ndarray) -> np.ndarray:
    return _share(2 * _diagonal(counts), counts.sum(2) + counts.sum(1))


def _recall(counts: np.ndarray) -> np.ndarray:
    return _share(_diagonal(counts), counts.sum(2))


_OF_SUMS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "miou": lambda counts: _mean(_iou(counts)),
    "dice": lambda counts: _mean(_dice(counts)),
    "macro_recall": lambda counts: _mean(_recall(counts)),
    "pixel_accuracy": lambda counts: _share(_diagonal(counts).sum(1), counts.sum((1, 2))),
}
"""Metrics of a data set as functions of its table (m, K, K) to (m,)."""


def _of_pictures(counts: np.ndarray, boundary: np.ndarray) -> dict[str, np.ndarray]:
    return {"picture_dice": _mean(_dice(counts)), "boundary_f1": np.asarray(boundary, float)}


def _edges(classes: np.ndarray) -> np.ndarray:
    """Return which pixels (n, h, w) have a neighbour of another class."""
    edges = np.zeros(classes.shape, bool)
    for axis in (1, 2):
        before, after = np.moveaxis(classes, axis, 0)[:-1], np.moveaxis(classes, axis, 0)[1:]
        differ = (before != after) & (before != UNKNOWN) & (after != UNKNOWN)
        along = np.moveaxis(edges, axis, 0)
        along[:-1] |= differ
        along[1:] |= differ
    return edges


def _outline_f1(drawn: np.ndarray, there: np.ndarray, reach: float) -> float:
    """Return F1 of one class's outline; nothing in either is not asked for."""
    from scipy.ndimage import distance_transform_edt

    if not drawn.any() or not there.any():
        return 0.0
    precision = float((distance_transform_edt(~there)[drawn] < reach).mean())
    recall = float((distance_transform_edt(~drawn)[there] < reach).mean())
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _checked(predicted: np.ndarray, truth: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    predicted, truth = np.asarray(predicted), np.asarray(truth)
    if truth.ndim != 3 or predicted.shape != truth.shape:
        raise ValueError(
            f"Predicted and true classes must have the same shape (n, h, w), but they have {predicted.shape} and "
            f"{truth.shape}."
        )
    if not len(truth):
        raise ValueError("There is no test picture, so there is nothing to score.")
    if not (truth != UNKNOWN).any(axis=(1, 2)).all():
        raise ValueError("A test picture has no pixel whose class is known, so it cannot be scored.")
    if predicted.min() < 0 or max(predicted.max(), truth.max()) >= classes or truth.min() < UNKNOWN:
        raise ValueError(f"Classes must lie in 0 to {classes - 1}, or in the truth be {UNKNOWN} where none is known.")
    return predicted.astype(np.int64), truth.astype(np.int64)
