"""What grows on a field, by the light of single pixels seen from the air."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import Field

from tlcore.datasets.features import FeatureTable
from tlcore.examples import Domains
from tlcore.scenarios.tables import TASKS, Standardize, Tables, tables_together

if TYPE_CHECKING:
    from tlcore.methods.base import Setting

MIDDLE = 72
"""The column of pixels at which the east begins."""
FEWEST_FIELDS = 2
"""Of a kind in either half: those that are learned from, and others to be scored on."""


class Fields(Tables):
    """What grows on a field, from the west of a picture in 200 colours to its east.

    Pixels are rows of a table: a picture of 145 × 145 pixels holds too few tiles to segment them as such. Neighbours of
    one field are nearly alike, so whole fields are scored, never some pixels of a field whose others are learned from.
    Of the 16 kinds of ground those count of which each half has two fields or more.
    """

    name = "fields"
    title = "Fields from the air"
    summary = (
        "What grows there: soybean tilled or not, corn, or grass and trees? Each pixel has 200 colours, most of them "
        "of infrared light. There are many labels in the west, and few in the east, where other fields are scored."
    )
    credit = (
        "Indian Pines (Baumgardner, Biehl & Landgrebe 2015, Purdue University Research Repository, CC BY 3.0; shipped "
        "in tensorly, BSD-3-Clause)."
    )
    task = TASKS["classes"]
    pairs = (("west", "east"), ("east", "west"))
    first_methods = ("source_only", "pooled", "coral", "kmm", "tradaboost")
    halves: ClassVar[dict[str, slice]] = {"west": slice(0, MIDDLE), "east": slice(MIDDLE, None)}

    whole_fields: bool = Field(
        True,
        description="Whether whole fields are scored. False: any pixels are, also neighbours of those that are learned "
        "from, which flatters whatever learns here.",
    )

    def domains(self, source: str, target: str) -> Domains:
        """The pixels of both halves; about two fifths of the target's, of fields of their own, are scored."""
        return _domains(source, target, self.standardize, "inductive", self.whole_fields)

    def transductive(self, source: str, target: str) -> Domains:
        """All of the target's pixels are scored."""
        return _domains(source, target, self.standardize, "transductive", self.whole_fields)


@lru_cache(maxsize=4)
def _domains(source: str, target: str, standardize: Standardize, setting: Setting, whole: bool) -> Domains:
    there, here = (_table(domain, whole) for domain in (source, target))
    return tables_together(there, here, standardize, setting, "classes")


def _table(half: str, whole: bool) -> FeatureTable:
    """Return the pixels of half the picture, with what grows there and, if fields stay whole, which field it is."""
    from tlcore.datasets import DATASETS

    dataset = DATASETS["indian-pines"]
    arrays = dataset.fetch()
    spectra, kinds = arrays["inputs"][0], arrays["answers"][0]
    fields = {name: _fields(kinds[:, columns]) for name, columns in Fields.halves.items()}
    shared = set.intersection(*({*_with_several(kinds[:, Fields.halves[name]], fields[name])} for name in fields))
    columns = Fields.halves[half]
    rows = np.isin(kinds[:, columns], [*shared])
    return FeatureTable(
        spectra[:, columns][rows].astype(np.float64),
        np.array(dataset.classes)[kinds[:, columns][rows]],
        groups=np.array([f"{half} {number}" for number in fields[half][rows]]) if whole else None,
    )


def _fields(kinds: np.ndarray) -> np.ndarray:
    """Return the number of each pixel's field: of pixels of one kind side by side; 0 where nobody knows the kind."""
    from scipy.ndimage import label

    fields, count = np.zeros(kinds.shape, int), 0
    for kind in np.unique(kinds[kinds >= 0]):
        found, more = label(kinds == kind)
        fields += np.where(found > 0, found + count, 0)
        count += more
    return fields


def _with_several(kinds: np.ndarray, fields: np.ndarray) -> list[int]:
    """Return the kinds of which there are several fields."""
    there = np.unique(kinds[kinds >= 0]).tolist()
    return [kind for kind in there if len(np.unique(fields[kinds == kind])) >= FEWEST_FIELDS]
