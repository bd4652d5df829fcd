"""Masks of a run: which pictures went worst, and what was drawn over each, beside the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tlcore.report.pictures import LARGE, address
from tlcore.tasks.segmentation import smaller

if TYPE_CHECKING:
    import pandas as pd

    from tlcore.datasets.images import LabelledImages
    from tlcore.results import Results

COLUMNS = ["row", "name", "baseline", "method", "gain"]
COLOURS = (
    (230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167),
)  # fmt: skip
"""Of the classes from the second on, over and over: Okabe & Ito's, which people of all colour visions tell apart."""
TINT, NOT_KNOWN = 0.45, (128, 128, 128)
"""How much of a pixel is its class's colour; the colour of what is not known."""


def pictures(results: Results, method: str, budget: int, seed: int) -> pd.DataFrame:
    """Return how well each test picture was segmented with and without transfer, the worst of the method's first.

    Columns: row (the picture's place among the test examples), name, baseline and method (Dice of the picture), gain
    (the method's less the baseline's). Empty until both are done.
    """
    import pandas as pd

    done = results.pair(method, budget, seed)
    if len(done) < 2:
        return pd.DataFrame(columns=COLUMNS)
    without, with_it = (record.result.examples["picture_dice"].astype(float) for record in done if record.result)
    domains = results.experiment.domains()
    names = np.asarray(domains.input_names, object)[domains.test.inputs]
    table = pd.DataFrame(
        {
            "row": np.arange(len(names)),
            "name": names,
            "baseline": without,
            "method": with_it,
            "gain": with_it - without,
        },
        columns=COLUMNS,
    )
    return table.sort_values("method", kind="stable", ignore_index=True)


def by_class(results: Results, budget: int) -> pd.DataFrame:
    """Return the mean intersection over union of each class over seeds: one row a method, one column a class."""
    done = results.trials[(results.trials["status"] == "done") & (results.trials["budget"] == budget)]
    classes = results.experiment.where.classes
    columns = {f"iou_{kind}": name for kind, name in enumerate(classes) if f"iou_{kind}" in done}
    return done.groupby("method", sort=False)[[*columns]].mean().rename(columns=columns)


def colour_of(kind: int) -> tuple[int, int, int] | None:
    """Return the colour of a class; None of the first, which stays as it is in the picture."""
    return COLOURS[(kind - 1) % len(COLOURS)] if kind > 0 else None


def over(images: LabelledImages, number: int, classes: np.ndarray) -> str:
    """Return a picture in grey under the colours of its classes (s, s), as an address that holds it."""
    from PIL import Image

    from tlcore.datasets.images import resized

    picture = resized(images.open(number), LARGE, "squash").astype(np.float32)
    mixed = picture.mean(2, keepdims=True).repeat(3, 2)
    shown = Image.fromarray(classes.astype(np.int8).view(np.uint8)).resize((LARGE, LARGE), Image.Resampling.NEAREST)
    found = np.asarray(shown).view(np.int8)
    for kind in np.unique(found).tolist():
        colour = NOT_KNOWN if kind < 0 else colour_of(kind)
        if colour is not None:
            here = found == kind
            mixed[here] = (1 - TINT) * mixed[here] + TINT * np.array(colour, np.float32)
    return address(mixed.round().astype(np.uint8))


def truth(answers: np.ndarray) -> np.ndarray:
    """Return true classes (S, S) at the size at which a trial remembers what it drew."""
    return smaller(answers[None])[0]
