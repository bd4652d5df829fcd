"""Objects of a run: which pictures transfer changed, and boxes drawn over them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tlcore.evaluation.boxes import NO_BOX, overlaps
from tlcore.report.pictures import address
from tlcore.scenarios.detection import Found

if TYPE_CHECKING:
    import pandas as pd

    from tlcore.datasets.images import LabelledImages
    from tlcore.examples import Domains
    from tlcore.results import Results, TrialRecord

SIDE = 320
"""Pixels of a side of a picture under boxes."""
FOUND, MISSED, FALSE, CROWD = (46, 160, 67), (255, 191, 0), (218, 54, 51), (150, 150, 150)
WIDTH, DASH, TEXT = 3, 7, 15
"""Pixels of a line, of a part of one that is broken, and of a letter."""
ENOUGH = 0.5
"""Overlap from which an object is found."""
COLUMNS = ["row", "name", "objects", "missed_baseline", "missed", "false_baseline", "false", "gain"]


def found(results: Results, method: str, budget: int, seed: int) -> pd.DataFrame:
    """Return how a method and the baseline did on each test picture, in their order.

    Columns: row (the picture's place among the test examples), name, objects (how many there are), missed_baseline,
    missed (how many each overlooked), false_baseline, false (how many false alarms each raised), gain (by how many
    mistakes the method has fewer). Each model is asked at the confidence at which its misses and false alarms balance
    best. Empty until both are done.
    """
    import pandas as pd

    pair = [record.result for record in results.pair(method, budget, seed) if record.result]
    if len(pair) < 2:
        return pd.DataFrame(columns=COLUMNS)
    without, with_it = (result.examples for result in pair)
    domains = results.experiment.domains()
    answers = domains.test.answers
    mistakes = [one["missed"].astype(int) + one["false_alarms"] for one in (without, with_it)]
    return pd.DataFrame(
        {
            "row": np.arange(len(answers)),
            "name": np.asarray(domains.input_names, object)[domains.test.inputs],
            "objects": ((answers[..., 4] != NO_BOX) & (answers[..., 5] == 0)).sum(1),
            "missed_baseline": without["missed"].astype(int),
            "missed": with_it["missed"].astype(int),
            "false_baseline": without["false_alarms"].astype(int),
            "false": with_it["false_alarms"].astype(int),
            "gain": mistakes[0] - mistakes[1],
        },
        columns=COLUMNS,
    )


def by_class(results: Results, budget: int) -> pd.DataFrame:
    """Return the mean AP@50 of each class over seeds: one row a method, one column a class."""
    done = results.trials[(results.trials["status"] == "done") & (results.trials["budget"] == budget)]
    classes = results.experiment.where.classes
    columns = {f"ap50_{kind}": name for kind, name in enumerate(classes) if f"ap50_{kind}" in done}
    return done.groupby("method", sort=False)[[*columns]].mean().rename(columns=columns)


def over(results: Results, domains: Domains, record: TrialRecord, row: int) -> str:
    """Return a test picture under what is on it and what a trial said, as an address that holds it."""
    where = results.experiment.where
    assert isinstance(where, Found)
    assert record.result
    said, number = record.result.examples["said"][row], int(domains.test.inputs[row])
    return marked(domains.looked_up, number, domains.test.answers[row], said, where.side, where.classes)


def marked(
    images: LabelledImages, number: int, truth: np.ndarray, said: np.ndarray, size: int, classes: Sequence[str] = ()
) -> str:
    """Return a picture under the boxes on it, as an address that holds it.

    What is found is green, what is missed yellow and broken, a false alarm red; what does not count, at an edge or in a
    crowd, grey. Of a found object the box that was said is drawn.

    Parameters
    ----------
    images, number
        The picture.
    truth : ndarray, shape (M, 6)
        As `tlcore.tasks.detection.Detection` has answers.
    said : ndarray, shape (D, 6)
        The boxes that a model says, the surest first.
    size : int
        Pixels of a side in which boxes are.
    classes : sequence of str
        What classes are called, written beside boxes where there are several.
    """
    from PIL import Image, ImageDraw

    from tlcore.datasets.images import resized

    picture = Image.fromarray(resized(images.open(number), SIDE, "squash"))
    draw = ImageDraw.Draw(picture)
    for box, colour, broken in told_apart(truth.astype(float), said.astype(float)):
        corners = (box[:4] * SIDE / size).clip(0, SIDE - 1)
        _outline(draw, corners, colour, broken)
        if len(classes) > 1:
            place = (corners[0] + 2 * WIDTH, corners[1] + WIDTH)
            draw.text(place, classes[int(box[4])], colour, font_size=TEXT, stroke_width=1, stroke_fill="black")
    return address(np.asarray(picture))


def told_apart(truth: np.ndarray, said: np.ndarray) -> list[tuple[np.ndarray, tuple[int, int, int], bool]]:
    """Return boxes (6,) to draw, in which colour, and whether the line is broken; what matters most last."""
    truth, said = truth[truth[:, 4] != NO_BOX], said[said[:, 4] != NO_BOX]
    crowd = truth[:, 5] == 1
    shares = np.where(said[:, None, 4] == truth[None, :, 4], overlaps(said, truth, crowd), 0.0)
    taken = np.zeros(len(truth), bool)
    drawn: list[list[tuple[np.ndarray, tuple[int, int, int], bool]]] = [[], [], [], []]
    for box, share in zip(said, shares, strict=True):
        free = np.where(taken | crowd, 0.0, share)
        if len(free) and free.max() >= ENOUGH:
            taken[free.argmax()] = True
            drawn[1].append((box, FOUND, False))
        elif (share[crowd] >= ENOUGH).any():
            drawn[0].append((box, CROWD, False))
        else:
            drawn[3].append((box, FALSE, False))
    drawn[0] += [(box, CROWD, True) for box in truth[crowd]]
    drawn[2] += [(box, MISSED, True) for box in truth[~crowd & ~taken]]
    return [each for part in drawn for each in part]


def _outline(draw: object, box: np.ndarray, colour: tuple[int, int, int], broken: bool) -> None:
    x, y, right, low = box.tolist()
    for start, end in (((x, y), (right, y)), ((right, y), (right, low)), ((right, low), (x, low)), ((x, low), (x, y))):
        length = max(abs(end[0] - start[0]), abs(end[1] - start[1]))
        parts = np.arange(0, length, 2 * DASH) / max(length, 1) if broken else np.zeros(1)
        step = DASH / max(length, 1) if broken else 1.0
        for part in parts.tolist():
            ends = [
                tuple(a + (b - a) * min(share, 1.0) for a, b in zip(start, end, strict=True))
                for share in (part, part + step)
            ]
            draw.line(ends, fill=colour, width=WIDTH)  # type: ignore[attr-defined]
