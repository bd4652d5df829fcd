"""What scenarios share whose examples are rows of a table: who answers from rows, and how two tables are split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from tlcore.datasets.features import Aligned, FeatureTable, align
from tlcore.datasets.quantities import quantities_of
from tlcore.errors import SpecificationError
from tlcore.examples import UNKNOWN, Domains, Examples
from tlcore.scenarios.base import Scenario
from tlcore.scenarios.labels import Answers, check_quantities, facts_of_labels
from tlcore.splits import facts_of_groups, numbered, split_target
from tlcore.tasks.classification import Classification
from tlcore.tasks.regression import Regression

if TYPE_CHECKING:
    from tlcore.methods.base import Method, Setting
    from tlcore.network import Network
    from tlcore.tasks.base import Task

Standardize = Literal["none", "joint", "per_domain", "rows"]
MOST_TESTED = 2000
MOST_CELLS = 2**28
"""Numbers of a sparse table written out, at most: 2 GB."""
BY_CHANCE = 10.0
"""How many times as many rows as by chance must be alike to be taken for copies of each other."""
HIDDEN = 64


TASKS: dict[Answers, Task] = {
    "classes": Classification(
        largest_budget=10_000,
        baseline="best_from_scratch",
        rivals=("logistic_regression", "linear_svm", "nearest_neighbours", "boosted_trees"),
        maps=False,
        spared=0,  # all rows of the source are learned from, as in published protocols
    ),
    "numbers": Regression(
        largest_budget=10_000, rivals=("ridge_regression", "linear_svm", "nearest_neighbours", "boosted_trees")
    ),
}
"""What is to be answered of rows, by what the labels are."""


class Tables(Scenario):
    """A scenario in which an example is a row of numbers, and two tables have the same columns.

    Methods that choose nothing but examples, φ and wᵢ are answered by a classifier on the rows; others train a small
    network of two hidden layers, as all do where ``classifier`` is the network: a fair rival of theirs. In the
    transductive setting every target row is seen without its label, and those with a label are scored: the protocol
    of published results on feature tables.
    """

    first_methods: ClassVar[tuple[str, ...]] = ("source_only", "coral")
    shown_facts = ("source_rows", "target_rows", "columns", "shared_classes")
    epochs = 60
    max_steps = 1000
    batch_size = 64

    classifier: Literal["logistic", "svm", "1nn", "network"] = Field(
        "logistic",
        description="What answers from rows: logistic (of numbers ridge) regression, a linear SVM, the nearest "
        "neighbour, or a network.",
    )
    standardize: Standardize = Field(
        "joint",
        description="Columns to mean 0 and variance 1 over both domains or within each; rows to length one; nothing.",
    )

    C: float | None = Field(
        None,
        gt=0,
        le=1e9,
        description="What a mistake costs the linear ones against the size of W; empty: chosen by cross-validation.",
    )

    @property
    def classifier_setting(self) -> float | None:
        """As chosen."""
        return self.C

    @property
    def classifies_with(self) -> str:
        """The one that was chosen, unless that is the network, which the loop trains."""
        return "" if self.classifier == "network" else self.classifier

    def refusal(self, method: Method, domains: Domains) -> str:
        """Say where φ = the source model's body carries nothing over, and where a table is too wide."""
        maps = method.overrides("feature_map") or method.overrides("weights")
        maps = maps or (method.overrides("solve") and not method.overrides("meta_learn"))
        if self.classifies_with and method.on_features and not maps:
            return "takes nothing from the source here, as the rows are the features themselves"
        rows = len(domains.source) + max(len(domains.pool), len(domains.test))
        columns = domains.test.inputs.shape[1]
        in_cells = method.needs_every_cell or not self.classifies_with
        if in_cells and hasattr(domains.test.inputs, "toarray") and rows * columns > MOST_CELLS:
            return f"needs every cell of {rows:,} x {columns:,} sparse rows, which are more than {MOST_CELLS:,}"
        return ""

    def network(self, domains: Domains) -> Network:
        """Return two hidden layers."""
        from torch import nn

        from tlcore.network import Network

        body = [
            nn.Sequential(nn.Linear(domains.test.inputs.shape[1], HIDDEN), nn.ReLU()),
            nn.Sequential(nn.Linear(HIDDEN, HIDDEN), nn.ReLU()),
        ]
        return Network(body, self.task.head(HIDDEN, domains))

    def raw(self, domains: Domains) -> Callable[[np.ndarray], Any]:
        """The rows themselves."""
        return lambda inputs: inputs


def tables_together(
    there: FeatureTable, here: FeatureTable, standardize: Standardize, setting: Setting, kind: Answers
) -> Domains:
    """Bring the rows of two tables into the same columns, split the target, and only then fill in and standardise.

    Parameters
    ----------
    there, here : FeatureTable
        Of the source and of the target.
    standardize : {"none", "joint", "per_domain", "rows"}
    setting : {"inductive", "transductive", "unsupervised"}
        In the second, all target rows are answered, and scored where they have a label; in the third, none needs one.
    kind : {"classes", "numbers"}
        What the labels are.

    Raises
    ------
    SpecificationError
        If the tables do not match, or their labels cannot be learned or split, with the domain's name before the field.
    """
    taught, all_scored = setting != "unsupervised", setting != "inductive"
    facts = {
        f"{which}_{why}": n
        for which, table in (("source", there), ("target", here))
        for why, n in table.dropped.items()
    }
    labels = [_labels_of("source", there, needed=taught), _labels_of("target", here, needed=not all_scored)]
    if kind == "numbers":
        check_quantities(labels)
    known = [part != "" for part in labels]
    facts["source_unlabelled"] = int((~known[0]).sum())
    facts |= {} if all_scored else {"target_unlabelled": int((~known[1]).sum())}
    both = align(there, here)
    mine = np.flatnonzero(known[0] | (not taught))
    theirs = len(there) + (np.arange(len(here)) if all_scored else np.flatnonzero(known[1]))
    mine, theirs, copies = _once(both, mine, theirs, keep_doubles=all_scored)
    if not len(mine):
        raise SpecificationError("source.path: all of its rows are in the target, too; nothing is left to transfer.")
    called = np.concatenate(labels)
    if kind == "numbers":
        names, answers = [], np.concatenate([quantities_of(part) for part in labels])
    else:
        names = _answers(called[mine], called[theirs], setting)
        number = {name: place for place, name in enumerate(names)}
        answers = np.array([number.get(label, UNKNOWN) for label in called.tolist()], np.int64)
    groups, group_names = numbered(there.groups, here.groups)
    inputs = np.arange(len(called))
    left = Examples(inputs[mine], answers[mine], None if groups[0] is None else groups[0][mine])
    of_target = theirs - len(there)
    right = Examples(inputs[theirs], answers[theirs], None if groups[1] is None else groups[1][of_target])
    if all_scored:
        split = Domains(left, right, right, len(names) or 1)
    else:
        split = _split(left, right, names, None if here.times is None else here.times[of_target])
    learned = np.zeros(len(inputs), bool)
    learned[np.concatenate([split.source.inputs, split.pool.inputs])] = True
    rows = _standardized(both.numbers(learned), learned, len(there), standardize)
    facts = {
        "source_rows": len(mine),
        "target_rows": len(theirs),
        "test_rows": len(split.test),
        "columns": int(rows.shape[1]),
        **facts_of_labels(names, called[mine], called[theirs]),
        **copies,
        **facts_of_groups(split),
        **both.facts,
        **facts,
    }
    learned_there, pool, test = (
        replace(part, inputs=rows[part.inputs]) for part in (split.source, split.pool, split.test)
    )
    parts = learned_there, pool, test
    return Domains(*parts, split.answers, answer_names=tuple(names), group_names=group_names, facts=facts)


def _labels_of(which: str, table: FeatureTable, needed: bool) -> np.ndarray:
    """Return the labels (n,), "" where there is none."""
    if table.labels is not None and (not needed or (table.labels != "").any()):
        return table.labels
    if not needed:
        return np.full(len(table), "")
    if table.labels is not None:
        raise SpecificationError(
            f"{which}.label: none of its {len(table)} rows has a label; {which}.not_missing names words, such as NA, "
            "that are labels."
        )
    raise SpecificationError(
        f"{which}.label: the {which} needs labels, and no column or key has a usual name, such as y; say which one "
        "it is."
    )


def _once(
    both: Aligned, source: np.ndarray, target: np.ndarray, keep_doubles: bool
) -> tuple[np.ndarray, np.ndarray, dict[str, int]]:
    """Return the rows of both domains that count, and how many do not.

    A row of the source that the target has, too, would be learned from and met again in the test: it leaves the source.
    Of rows that the target has twice the first counts, unless all are to be answered. Where columns have so few values
    that rows are alike by chance, all rows count, and how many are alike is said.
    """
    alike = both.alike()
    chance = both.pairs_by_chance()
    counts = np.bincount(alike[target], minlength=alike.max() + 1).astype(float)
    within, across = float((counts * (counts - 1)).sum() / 2), float(counts[alike[source]].sum())
    facts = {}
    in_both = np.isin(alike[source], alike[target])
    if across > BY_CHANCE * chance * len(source) * len(target):
        facts["in_both"] = int(in_both.sum())
        source = source[~in_both]
    else:
        facts["alike_in_both"] = int(in_both.sum())
    if within and not keep_doubles:
        first = np.unique(alike[target], return_index=True)[1]
        copies = within > BY_CHANCE * chance * len(target) ** 2 / 2
        facts["target_doubles" if copies else "target_alike"] = len(target) - len(first)
        target = target[np.sort(first)] if copies else target
    return source, target, facts


def _answers(source: np.ndarray, target: np.ndarray, setting: Setting) -> list[str]:
    """Return the labels of both domains in order; none where there is none and none is needed.

    Raises
    ------
    SpecificationError
        If the source has one label only, or the target one that nothing could teach.
    """
    mine, known = sorted({*source.tolist()} - {""}), {*target.tolist()} - {""}
    if setting == "unsupervised":
        return _in_order(sorted({*mine, *known}))
    unknown = sorted(known - {*mine})
    if len(mine) < 2:
        raise SpecificationError(
            f"source.label: all of its {len(source)} rows are {mine[0]!r}; there must be two labels."
        )
    if setting == "transductive" and unknown:
        raise SpecificationError(
            f"target.label: {unknown[0]!r} is not a label of the source, so nothing there can teach it. Allowed: "
            f"{', '.join(mine[:20])}."
        )
    return _in_order([*mine, *unknown])


def _split(source: Examples, target: Examples, names: list[str], times: np.ndarray | None) -> Domains:
    """Set aside two fifths of the target's rows, at most 2,000."""
    if not names:
        size = int(min(MOST_TESTED, 0.4 * len(target)))
        return split_target(source, target, size, times, kinds=np.zeros(len(target), np.int64))
    kinds, counts = np.unique(target.answers, return_counts=True)
    if len(kinds) < 2:
        raise SpecificationError(
            f"target.label: all of its {len(target)} rows are {names[kinds[0]]!r}; there must be two labels."
        )
    if counts.min() < 3:
        raise SpecificationError(
            f"target.label: {counts.min()} of its rows are {names[kinds[counts.argmin()]]!r}; each label needs "
            "three, to learn from and to be scored on."
        )
    return split_target(source, target, int(min(MOST_TESTED, max(len(kinds), 0.4 * len(target)))), times, names)


def _in_order(names: list[str]) -> list[str]:
    """Sort labels, numbers by their size."""
    try:
        return sorted(names, key=float)
    except ValueError:
        return sorted(names)


def _standardized(rows: Any, learned: np.ndarray, of_source: int, how: Standardize) -> Any:
    """Return rows (n, F) whose columns have mean 0 and variance 1, or rows of length one.

    Columns of sparse rows are scaled and not shifted. Means and variances are those of the rows of a mask; the first
    rows are the source's. Float32 from here on, as everywhere.
    """
    from scipy.sparse import issparse, vstack
    from sklearn.preprocessing import StandardScaler, normalize

    sparse = issparse(rows)
    if how == "none":
        return rows.astype(np.float32)
    if how == "rows":
        return normalize(rows).astype(np.float32)

    def scaled(part: slice, by: np.ndarray) -> Any:
        return StandardScaler(with_mean=not sparse).fit(rows[by]).transform(rows[part]).astype(np.float32)

    if how == "joint":
        return scaled(slice(None), learned)
    of_target = np.arange(len(learned)) >= of_source
    parts = [scaled(slice(of_source), learned & ~of_target), scaled(slice(of_source, None), learned & of_target)]
    return vstack(parts, format="csr") if sparse else np.concatenate(parts)
