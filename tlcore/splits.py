"""Which groups, and which times, are set aside of a domain, so that what is scored is new in the way that matters."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from tlcore.errors import SpecificationError
from tlcore.examples import Domains, Examples

SPLIT_SEED = 20_100_410
"""The same for every method, budget and seed, so that all meet the same test examples."""
STEPS, TRIED, AT_RANDOM = 3000, 12, 0.3
"""Of the walk that brings every class to both sides: steps, groups that each looks at, how often it does not look.

With these it finds a way wherever there is one between up to eight groups (tests/test_splits.py).
"""


def groups_aside(answers: np.ndarray, groups: np.ndarray, share: float, generator: np.random.Generator) -> np.ndarray:
    """Set whole groups aside: about a share of each class, and of each class some on either side if there is a way.

    As long as a class is missing on a side, one of its groups is moved there (a walk as in Selman, Kautz & Cohen, Noise
    strategies for improving local search, AAAI 1994). Then each group is moved, large ones first, if that lessens
    Σ_k (t_k − share · n_k)² / n_k, with t_k of the n_k examples of class k set aside, and takes no class from a side. A
    group that has all examples of a class is never set aside.

    Parameters
    ----------
    answers, groups : ndarray of shape (n,)
        What class and what group each example is of.
    share : float
        Between 0 and 1.
    generator : numpy.random.Generator

    Returns
    -------
    ndarray of bool, shape (n,)
        Which examples are set aside.
    """
    _, kind = np.unique(answers, return_inverse=True)
    _, group = np.unique(groups, return_inverse=True)
    sides = _Sides(kind, group, share)
    for _ in range(STEPS):
        lacking = sides.lacking()
        if not len(lacking):
            break
        movable = sides.groups_of(generator.choice(lacking))
        tried = generator.permutation(movable)[:TRIED]
        sides.move(tried[0] if generator.random() < AT_RANDOM else min(tried, key=sides.change))
    order = generator.permutation(np.flatnonzero(~sides.stays))
    for one in order[np.argsort(-np.bincount(group)[order], kind="stable")]:
        if sides.change(one) < (0, 0.0):
            sides.move(one)
    aside: np.ndarray = sides.aside[group]
    return aside


class _Sides:
    """On which side each group is, and what of each class is set aside."""

    def __init__(self, kind: np.ndarray, group: np.ndarray, share: float) -> None:
        from scipy.sparse import csr_matrix

        counts = csr_matrix((np.ones(len(kind)), (group, kind)))
        counts.sum_duplicates()
        self._counts, self._columns, self._share = counts, counts.tocsc(), share
        self._all = np.bincount(kind).astype(float)
        self._there = np.zeros(len(self._all))
        self.aside = np.zeros(counts.shape[0], bool)
        self.stays = np.zeros(counts.shape[0], bool)
        for one in np.flatnonzero(np.diff(self._columns.indptr) == 1).tolist():
            self.stays[self._members(one)] = True
        self._divisible = counts.T @ ~self.stays > 0

    def _members(self, kind: int) -> np.ndarray:
        members: np.ndarray = self._columns.indices[self._columns.indptr[kind] : self._columns.indptr[kind + 1]]
        return members

    def _row(self, group: int) -> tuple[np.ndarray, np.ndarray]:
        """The classes of a group, and by how many examples of each what is set aside grows if the group is moved."""
        part = slice(self._counts.indptr[group], self._counts.indptr[group + 1])
        return self._counts.indices[part], self._counts.data[part] * (-1 if self.aside[group] else 1)

    def lacking(self) -> np.ndarray:
        """The classes that are missing on a side, of those that have groups which may be moved."""
        return np.flatnonzero(self._divisible & ((self._there == 0) | (self._there == self._all)))

    def groups_of(self, kind: int) -> np.ndarray:
        """The groups of a class that may be moved."""
        members = self._members(kind)
        movable: np.ndarray = members[~self.stays[members]]
        return movable

    def change(self, group: int) -> tuple[int, float]:
        """By how many classes missing on a side there are more, and how much farther the shares are, if it is moved."""
        kinds, more = self._row(group)
        total, divisible = self._all[kinds], self._divisible[kinds]

        def state(there: np.ndarray) -> tuple[int, float]:
            missing = divisible & ((there == 0) | (there == total))
            return int(missing.sum()), float(((there - self._share * total) ** 2 / total).sum())

        (missing, far), (then_missing, then_far) = state(self._there[kinds]), state(self._there[kinds] + more)
        return then_missing - missing, then_far - far

    def move(self, group: int) -> None:
        """Move a group to the other side."""
        kinds, more = self._row(group)
        self._there[kinds] += more
        self.aside[group] = not self.aside[group]


def last_aside(times: np.ndarray, size: int) -> np.ndarray:
    """Set aside what came last, about ``size`` examples; those of the same time are on one side.

    Returns
    -------
    ndarray of bool, shape (n,)
        Nothing is set aside where all is of one time.
    """
    in_order = np.sort(times)
    cuts = 1 + np.flatnonzero(in_order[1:] > in_order[:-1])
    if not len(cuts):
        return np.zeros(len(times), bool)
    cut = cuts[np.abs(cuts - (len(times) - size)).argmin()]
    aside: np.ndarray = times >= in_order[cut]
    return aside


def numbered(*parts: np.ndarray | None) -> tuple[list[np.ndarray | None], tuple[str, ...]]:
    """Number names, those that stand in several parts alike; a part of which none is known stays so.

    Returns the numbers of each part, and the names in their order.
    """
    names = np.unique(np.concatenate([part for part in parts if part is not None] or [np.empty(0, str)]))
    return [None if part is None else np.searchsorted(names, part) for part in parts], tuple(map(str, names))


def first_of_each(contents: Sequence[Hashable]) -> list[int]:
    """Return the rows of examples that are unlike all before them; what is alike has the same content."""
    first: dict[Hashable, int] = {}
    for row, content in enumerate(contents):
        first.setdefault(content, row)
    return [*first.values()]


def counted_once(source: Sequence[Hashable], target: Sequence[Hashable]) -> tuple[list[int], list[int], list[int]]:
    """Return the rows that count of two domains, by the contents of their examples.

    Of those that are alike the first counts, and the target's go before the source's.

    Returns
    -------
    list of int
        The source's that are unlike all before them, those in the target, too, among them.
    list of int
        Of these, the ones that the target has not: what counts of the source.
    list of int
        What counts of the target.
    """
    theirs, here = first_of_each(source), {*target}
    return theirs, [row for row in theirs if source[row] not in here], first_of_each(target)


def groups_of(*parts: Examples) -> np.ndarray | None:
    """Return the groups of all parts, one after the other, if any has some; an example of none is one by itself."""
    known = [part.groups for part in parts if part.groups is not None]
    if not known:
        return None
    free = 1 + max(int(groups.max(initial=-1)) for groups in known)
    found = []
    for part in parts:
        found.append(free + np.arange(len(part)) if part.groups is None else part.groups)
        free += len(part)
    return np.concatenate(found)


def facts_of_groups(split: Domains) -> dict[str, int]:
    """How many groups the target has, and how many of those among its test examples stand in the source, too."""
    source, pool, test = (part.groups for part in (split.source, split.pool, split.test))
    if pool is None or test is None:
        return {}
    many = {"groups": len(np.union1d(pool, test))}
    return many if source is None else many | {"groups_in_both": len(np.intersect1d(source, test))}


def stratified_parts(examples: Examples, folds: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return rows to learn from and rows to choose by, for each part that is left out once.

    Each part has its share of each class, and no group is on both sides. A part is not there whose others lack a class,
    so that there may be fewer than ``folds``, or none.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    answers, groups = examples.answers, examples.groups
    kind = StratifiedKFold
    if groups is not None:
        kind, folds = StratifiedGroupKFold, min(folds, len(np.unique(groups)))
    if folds < 2:
        return []
    every = len(np.unique(answers))
    parts = kind(folds, shuffle=True, random_state=seed).split(np.zeros(len(answers)), answers, groups)
    return [(learned, rest) for learned, rest in parts if len(rest) and len(np.unique(answers[learned])) == every]


def parts(examples: Examples, folds: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return rows to learn from and rows to choose by, for each part that is left out once; no group on both sides."""
    from sklearn.model_selection import GroupKFold, KFold

    rows, groups = np.zeros(len(examples)), examples.groups
    if groups is None:
        return [*KFold(folds, shuffle=True, random_state=seed).split(rows)]
    if len(np.unique(groups)) < folds:
        return []
    return [*GroupKFold(folds, shuffle=True, random_state=seed).split(rows, groups=groups)]


def split_target(
    source: Examples,
    target: Examples,
    test_size: int,
    times: np.ndarray | None = None,
    names: Sequence[str] = (),
    kinds: np.ndarray | None = None,
) -> Domains:
    """Set aside about ``test_size`` target examples for scoring; the rest is the pool for labels.

    They are drawn at random, with each class's share of them. Where the target's examples are of groups, no group is on
    both sides; where there are times, the test is what came last. All methods, budgets and seeds meet the same test.

    Parameters
    ----------
    source, target : Examples
    test_size : int
    times : ndarray of float64, shape (n,), optional
        When each target example came about.
    names : sequence of str
        What a person calls the answers, for what cannot be split.
    kinds : ndarray of int, shape (n,), optional
        Of what kind each target example is, where answers are no classes; each side gets its share of each.

    Raises
    ------
    SpecificationError
        If groups and times are both given, if groups leave a class in the pool or in the test alone, or if times leave
        it in the test alone.
    """
    from sklearn.model_selection import train_test_split

    number = 1 if kinds is not None else 1 + int(max(source.answers.max(initial=0), target.answers.max()))
    kinds = target.answers if kinds is None else kinds
    if times is not None and target.groups is not None:
        raise SpecificationError(
            "target.time: the test is either what came last or of other groups than the pool; leave target.time or "
            "target.group out."
        )
    if times is not None:
        test = _last(kinds, times, test_size, names)
    elif target.groups is not None:
        test = _of_other_groups(kinds, target.groups, test_size, names)
    else:
        rows = np.arange(len(target))
        test = np.zeros(len(target), bool)
        test[train_test_split(rows, test_size=test_size, stratify=kinds, random_state=SPLIT_SEED)[1]] = True
    return Domains(source, target[np.flatnonzero(~test)], target[np.flatnonzero(test)], number)


def _last(answers: np.ndarray, times: np.ndarray, size: int, names: Sequence[str]) -> np.ndarray:
    """Return which examples came last, if each class came before, too."""
    if np.isnan(times).any():
        raise SpecificationError(f"target.time: {np.isnan(times).sum()} of its {len(times)} examples have no time.")
    test = last_aside(times, size)
    if not test.any():
        raise SpecificationError(f"target.time: all of its {len(times)} examples are of one time, so none came last.")
    if len(late := np.setdiff1d(answers[test], answers[~test])):
        raise SpecificationError(
            f"target.time: all examples of {_called(late[0], names)!r} are among the last {test.sum()}, which are the "
            "test, so there is none to learn from; each label must be among the earlier ones, too."
        )
    return test


def _of_other_groups(answers: np.ndarray, groups: np.ndarray, size: int, names: Sequence[str]) -> np.ndarray:
    """Return which examples are of groups that are set aside, if each class is on both sides."""
    kinds = np.unique(answers)
    for kind in kinds:
        if len(np.unique(groups[answers == kind])) < 2:
            raise SpecificationError(
                f"target.group: all examples of {_called(kind, names)!r} are of one group, so they cannot be learned "
                "from and scored on, too; each label needs two groups."
            )
    test = groups_aside(answers, groups, size / len(answers), np.random.default_rng(SPLIT_SEED))
    for kind in kinds:
        if test[answers == kind].all() or not test[answers == kind].any():
            raise SpecificationError(
                f"target.group: the few groups of {_called(kind, names)!r} are those of other labels, too, and no way "
                "was found to have every label both in the pool and in the test; each label needs more groups."
            )
    return test


def _called(answer: int, names: Sequence[str]) -> str:
    return str(names[answer] if len(names) else answer)
