"""Tables of patients that packages ship."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from tlcore.datasets.features import FeatureTable
from tlcore.examples import Domains
from tlcore.scenarios.tables import TASKS, Standardize, Tables, tables_together

if TYPE_CHECKING:
    from tlcore.methods.base import Setting


class Diabetes(Tables):
    """How far diabetes will have gone in a year: from the patients of one sex or age to those of the other."""

    name = "diabetes"
    title = "Course of a disease"
    summary = (
        "How far will a patient's diabetes have gone in a year, by age, weight, blood pressure and blood serum? There "
        "are many records of one sex, or of people under fifty, and few of those to be predicted."
    )
    credit = (
        "442 patients (Efron, Hastie, Johnstone & Tibshirani 2004, Least angle regression; no licence stated; shipped "
        "in scikit-learn)."
    )
    task = TASKS["numbers"]
    pairs = (("sex 1", "sex 2"), ("sex 2", "sex 1"), ("under 50", "from 50"), ("from 50", "under 50"))
    first_methods = ("source_only", "pooled", "coral", "kliep", "tradaboost_r2", "fine_tune")
    parts: ClassVar[dict[str, tuple[str, float, float]]] = {
        "sex 1": ("sex", 1, 1.5),
        "sex 2": ("sex", 1.5, 2.5),
        "under 50": ("age", 0, 50),
        "from 50": ("age", 50, 200),
    }
    """Of a domain, the column that tells its patients, and from where to where it goes; the data call the sexes so."""

    def domains(self, source: str, target: str) -> Domains:
        """The patients of both domains; two fifths of the target's are scored."""
        return _domains(source, target, self.standardize, "inductive")

    def transductive(self, source: str, target: str) -> Domains:
        """All of the target's patients are scored."""
        return _domains(source, target, self.standardize, "transductive")


@lru_cache(maxsize=4)
def _domains(source: str, target: str, standardize: Standardize, setting: Setting) -> Domains:
    there, here = (_table(*Diabetes.parts[domain]) for domain in (source, target))
    return tables_together(there, here, standardize, setting, "numbers")


def _table(column: str, low: float, high: float) -> FeatureTable:
    """Return the patients whose value in a column is from low to below high; where it is their sex, without that."""
    from tlcore.datasets import DATASETS

    arrays = DATASETS["diabetes"].fetch()
    names = arrays["names"].tolist()
    cells = arrays["inputs"]
    value = cells[:, names.index(column)]
    rows = (low <= value) & (value < high)
    kept = [place for place, name in enumerate(names) if name != column or column != "sex"]
    return FeatureTable(cells[rows][:, kept], np.array([f"{answer:g}" for answer in arrays["answers"][rows]]))
