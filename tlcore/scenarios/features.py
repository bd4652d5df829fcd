"""Feature tables: rows of numbers that somebody has made of images, texts, sensors, patients."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from tlcore.datasets.features import FeatureFile, FeatureTable, align
from tlcore.datasets.own import read_both
from tlcore.errors import SpecificationError
from tlcore.scenarios.base import UNKNOWN, Domains, Examples
from tlcore.scenarios.classification import LabelsFound, split_target

if TYPE_CHECKING:
    from tlcore.methods.base import Method
    from tlcore.network import Network

Standardize = Literal["none", "joint", "per_domain"]
MOST_TESTED = 2000
HIDDEN = 64


class OwnFeatures(LabelsFound):
    """Two feature tables of your own, the source's with labels.

    Methods that choose nothing but examples, φ and wᵢ are answered by a classifier on the rows; others train a small
    network of two hidden layers, as all do where ``classifier`` is the network: a fair rival of theirs. In the
    transductive setting every target row is seen without its label, and those with a label are scored: the protocol
    of published results on feature tables.
    """

    name = "features"
    title = "Your own feature tables"
    summary = (
        "Bring rows of numbers with labels, such as measurements, patients or the features of a network, from a domain "
        "where you have many labels and from the one where you have few or none."
    )
    credit = "Your own data; it stays on this machine."
    own = FeatureFile
    largest_budget = 10_000
    maps = False
    first_methods = ("source_only", "coral")
    shown_facts = ("source_rows", "target_rows", "columns", "shared_classes")
    epochs = 60
    max_steps = 1000
    batch_size = 64

    classifier: Literal["logistic", "svm", "1nn", "network"] = Field(
        "logistic",
        description="What answers from rows: logistic regression, a linear SVM, the nearest neighbour, or a network.",
    )
    standardize: Standardize = Field(
        "joint",
        description="Columns to mean 0 and variance 1: over both domains, within each domain, or not at all.",
    )

    @property
    def classifies_with(self) -> str:
        """The one that was chosen, unless that is the network, which the loop trains."""
        return "" if self.classifier == "network" else self.classifier

    def domains(self, source: FeatureFile, target: FeatureFile) -> Domains:
        """Labelled rows of both; two fifths of the target's, at most 2,000, are scored."""
        return _domains(source.model_dump_json(), target.model_dump_json(), self.standardize, False)

    def transductive(self, source: FeatureFile, target: FeatureFile) -> Domains:
        """All rows of the target, in the file's order, are answered; those with a label are scored."""
        return _domains(source.model_dump_json(), target.model_dump_json(), self.standardize, True)

    def refusal(self, method: Method, domains: Domains) -> str:
        """Nothing is carried over by φ = the source model's body where there is no such body."""
        maps = method.overrides("feature_map") or method.overrides("weights") or method.overrides("solve")
        if self.classifies_with and method.on_features and not maps:
            return "takes nothing from the source here, as the rows are the features themselves"
        return ""

    def network(self, domains: Domains) -> Network:
        """Return two hidden layers."""
        from torch import nn

        from tlcore.network import Network

        body = [
            nn.Sequential(nn.Linear(domains.test.inputs.shape[1], HIDDEN), nn.ReLU()),
            nn.Sequential(nn.Linear(HIDDEN, HIDDEN), nn.ReLU()),
        ]
        return Network(body, nn.Linear(HIDDEN, domains.answers))

    def raw(self, domains: Domains) -> Callable[[np.ndarray], Any]:
        """The rows themselves."""
        return lambda inputs: inputs


@lru_cache(maxsize=2)
def _domains(source: str, target: str, standardize: Standardize, transductive: bool) -> Domains:
    there, here = read_both(FeatureFile.model_validate_json(source), FeatureFile.model_validate_json(target))
    facts = {
        f"{which}_{why}": n
        for which, table in (("source", there), ("target", here))
        for why, n in table.dropped.items()
    }
    there, facts["source_unlabelled"] = _labelled("source", there)
    if not transductive:
        here, facts["target_unlabelled"] = _labelled("target", here)
    of_source, of_target, about = align(there, here)
    of_source, of_target = _standardized(of_source, of_target, standardize)
    assert there.labels is not None
    known = here.labels[here.labels != ""] if here.labels is not None else np.empty(0, str)
    mine = sorted({*there.labels.tolist()})
    unknown = sorted({*known.tolist()} - {*mine})
    if len(mine) < 2:
        raise SpecificationError(
            f"source.label: all of its {len(there)} rows are {mine[0]!r}; there must be two labels."
        )
    if transductive and unknown:
        raise SpecificationError(
            f"target.label: {unknown[0]!r} is not a label of the source, so nothing there can teach it. Allowed: "
            f"{', '.join(mine[:20])}."
        )
    names = _in_order([*mine, *unknown])
    number = {name: index for index, name in enumerate(names)}

    def answers(labels: np.ndarray | None, n: int) -> np.ndarray:
        if labels is None:
            return np.full(n, UNKNOWN)
        return np.array([number.get(label, UNKNOWN) for label in labels.tolist()], np.int64)

    left = Examples(of_source, answers(there.labels, len(there)))
    right = Examples(of_target, answers(here.labels, len(here)))
    facts = {
        "source_rows": len(left),
        "target_rows": len(right),
        "columns": of_source.shape[1],
        "classes": len(names),
        "shared_classes": len({*mine} & {*known.tolist()}),
        **about,
        **facts,
    }
    if transductive:
        everything = Domains(left, right, right, len(names))
    else:
        kinds, counts = np.unique(right.answers, return_counts=True)
        if len(kinds) < 2:
            raise SpecificationError(
                f"target.label: all of its {len(right)} rows are {names[kinds[0]]!r}; there must be two labels."
            )
        if counts.min() < 3:
            raise SpecificationError(
                f"target.label: {counts.min()} of its rows are {names[kinds[counts.argmin()]]!r}; each label needs "
                "three, to learn from and to be scored on."
            )
        tested = int(min(MOST_TESTED, max(len(kinds), 0.4 * len(right))))
        everything = split_target(left, right, tested)
    facts["test_rows"] = len(everything.test)
    return Domains(
        everything.source, everything.pool, everything.test, len(names), answer_names=tuple(names), facts=facts
    )


def _labelled(which: str, table: FeatureTable) -> tuple[FeatureTable, int]:
    """Return the rows with a label, and how many have none."""
    if table.labels is None:
        raise SpecificationError(
            f"{which}.label: the {which} needs labels, and no column or key has a usual name, such as y; say which one "
            "it is."
        )
    keep = table.labels != ""
    if not keep.any():
        raise SpecificationError(f"{which}.label: none of its {len(table)} rows has a label.")
    return table[keep], int((~keep).sum())


def _in_order(names: list[str]) -> list[str]:
    """Sort labels, numbers by their size."""
    try:
        return sorted(names, key=float)
    except ValueError:
        return sorted(names)


def _standardized(source: Any, target: Any, how: Standardize) -> tuple[Any, Any]:
    """Return rows whose columns have mean 0 and variance 1; those of sparse rows are scaled and not shifted.

    Float32 from here on, as everywhere.
    """
    from scipy.sparse import issparse, vstack
    from sklearn.preprocessing import StandardScaler

    sparse = issparse(source)
    if how == "none":
        return source.astype(np.float32), target.astype(np.float32)
    both = [vstack([source, target]) if sparse else np.concatenate([source, target])] * 2
    parts = both if how == "joint" else [source, target]
    scaled = (
        StandardScaler(with_mean=not sparse).fit(part).transform(rows)
        for part, rows in zip(parts, (source, target), strict=True)
    )
    there, here = (rows.astype(np.float32) for rows in scaled)
    return there, here
