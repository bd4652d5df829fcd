"""Whether the labels of two domains are the same, and there are enough of each."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from tlcore.concerns import Concern, Value, named, percent
from tlcore.datasets.columns import TRUTHS

FEW_SHARED = 0.5
"""Share of the target's labels below which those in the source are few."""
RARE = 20
"""Examples of a label below which it ends the budgets too early, if others have far more."""
FAR_MORE = 4
LARGE_SHARE = 0.7
"""Of the largest class: from here on accuracy is rather about that class."""
LARGE_SHARE_OF_MANY, MANY = 0.5, 5
"""The same where there are so many classes or more."""
MOST_ALIKE = 3
_TRUTHS = [*TRUTHS, ("1", "0")]


def of_both(source: Collection[str], target: Collection[str], own: bool) -> list[Concern]:
    """Return what is wrong with the labels of two domains where a person brings them: which there are, how written."""
    if not own:
        return []
    return [*(different(source, target) if source and target else []), *alike(source, target)]


def different(source: Collection[str], target: Collection[str]) -> list[Concern]:
    """Return what is wrong with the labels of two domains that both have examples: none shared, few, or some not."""
    shared = [name for name in target if name in source]
    only_here = [name for name in target if name not in source]
    only_there = [name for name in source if name not in target]
    if truths := _same_truths(source, target):
        return [truths]
    if not shared:
        return [Concern("no_shared_classes", {"source": named(source), "target": named(target)})]
    if len(shared) < FEW_SHARED * len(target):
        few: dict[str, Value] = {"shared": len(shared), "classes": len(target), "names": named(only_here)}
        return [Concern("few_shared_classes", few)]
    return [
        Concern(kind, {"names": named(names)})
        for kind, names in (("missing_in_source", only_here), ("missing_in_target", only_there))
        if names
    ]


def _same_truths(source: Collection[str], target: Collection[str]) -> Concern | None:
    """Return the concern about yes and no that the two domains say otherwise; case is `alike`'s."""
    mine, theirs = ({name.casefold(): name for name in names} for names in (target, source))
    here = next((pair for pair in _TRUTHS if {*mine} == {*pair}), None)
    there = next((pair for pair in _TRUTHS if {*theirs} == {*pair}), None)
    if here is None or there is None or here == there:
        return None
    rename = ", ".join(f"{theirs[said]}={mine[other]}" for said, other in zip(there, here, strict=True))
    return Concern("same_truths", {"source": named(source), "target": named(target), "rename": rename})


def alike(source: Collection[str], target: Collection[str]) -> list[Concern]:
    """Return the labels that differ in case or blanks only, within a domain or between the two."""
    spellings: dict[str, list[str]] = {}
    for name in dict.fromkeys([*target, *source]):
        spellings.setdefault("".join(name.casefold().split()), []).append(name)
    found = []
    for one, *others in spellings.values():
        for other in others:
            which = "source" if other in source else "target"
            values = {"one": named([one]), "other": named([other]), "which": which, "rename": f"{other}={one}"}
            found.append(Concern("alike_labels", values))
    return found[:MOST_ALIKE]


def rare(pool: Mapping[str, int], budgets: Collection[int], most: int) -> list[Concern]:
    """Return the labels of which the target has too few.

    Parameters
    ----------
    pool : mapping of str to int
        How many target examples of each label may be learned from.
    budgets : collection of int
        Labels a class.
    most : int
        The largest budget that the scenario allows.
    """
    if not pool:
        return []
    asked = max(budgets, default=0)
    short = sorted((count, label) for label, count in pool.items() if count < asked)
    if short:
        return [
            Concern("rare_class", {"label": named([label]), "count": count, "budget": asked})
            for count, label in short[:MOST_ALIKE]
        ]
    count, label = min((count, label) for label, count in pool.items())
    usual = int(np.median([*pool.values()]))
    if count < min(RARE, most) and usual >= FAR_MORE * count:
        return [Concern("rarest_class", {"label": named([label]), "count": count, "usual": usual})]
    return []


def imbalance(target: Mapping[str, int], metric: str) -> list[Concern]:
    """Return the concern about a class so large that accuracy is about it alone."""
    total = sum(target.values())
    if metric != "accuracy" or len(target) < 2:
        return []
    label, count = max(target.items(), key=lambda entry: entry[1])
    large = LARGE_SHARE_OF_MANY if len(target) >= MANY else LARGE_SHARE
    if count < large * total:
        return []
    return [Concern("imbalance", {"share": percent(count / total), "label": named([label])})]
