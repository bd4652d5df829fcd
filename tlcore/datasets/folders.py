"""Which class a picture is of, and what it belongs to, by the folders in its path."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np

from tlcore.errors import SpecificationError

BESIDE = "(?:seg|my|new|full|data|dataset|set|sets|split|images?|imgs?|pics?|pictures?|photos?|samples?)"
PART = re.compile(f"{BESIDE}*(train|training|val|valid|validation|dev|test|testing|eval){BESIDE}*", re.I)
KINDS = {"training": "train", "valid": "val", "validation": "val", "dev": "val", "testing": "test", "eval": "test"}
MATCHED = 0.9
"""Of the paths, in how many an expression must find a group."""
SERIES = re.compile(r"(?:img|dsc|image|photo|pic|picture|frame|scan|screenshot|p)[_-]?\d+", re.I)
"""What cameras call every picture."""
NUMBERED = (
    r"(?i)(?:^|[/_-])((?:patient|subject|subj|person|case|animal|machine|slide|donor|plant)[_-]?\d+)(?!\d)",
    r"(?:^|/)([A-Za-z]+[_-]?\d+)[_-][^/]*$",
)
"""Names of what pictures often belong to, in the name of a file or folder."""


def part_of(folder: str) -> str:
    """Return which part of a data set a folder of this name is: train, val, test; empty if it is called otherwise.

    >>> [part_of(name) for name in ("training_set", "seg_train", "val2017", "Test", "testimony", "cats")]
    ['train', 'train', 'val', 'test', '', '']
    """
    found = PART.fullmatch(re.sub(r"[\W\d_]+", "", folder))
    return KINDS.get(found[1].lower(), found[1].lower()) if found else ""


def classes_of(name: str, members: Sequence[str], level: str = "") -> list[str | None]:
    """Return the class of each picture: the first folder that is not the same for all, nor a part of a data set.

    Parameters
    ----------
    name : str
        What the folder or archive is called, for a message.
    members : sequence of str
        Paths of the pictures in it.
    level : str
        Which folder is the class, as a number; empty: found.

    Returns
    -------
    list of (str or None)
        None for what is left out, as it lies beside the parts of a data set: a folder of figures next to train.

    Raises
    ------
    SpecificationError
        If a picture is in no class folder, or it cannot be told which folders are classes.
    """
    paths = {member: PurePosixPath(member).parts[:-1] for member in members}
    if level:
        return [*_at_level("classes", name, members, level)]
    while paths and all(paths.values()):
        below: dict[str, list[tuple[str, ...]]] = {}
        for path in paths.values():
            below.setdefault(path[0], []).append(path[1:])
        parts = {one for one in below if part_of(one)}
        around_all = len(below) == 1 and any(map(any, below.values()))
        if parts == {*below} or around_all:
            # What a program packs into a folder of its own name is one folder: seg_train/seg_train.
            doubled = {one for one in below if {path[:1] for path in below[one]} == {(one,)}}
            paths = {member: path[1 + (path[0] in doubled) :] for member, path in paths.items()}
            continue
        parts = {one for one in parts if all(below[one])}
        if not parts:
            break
        others = {*below} - parts
        if len({part_of(one) for one in parts}) < 2 or any(len({*below[one]}) > 1 for one in others):
            member, path = next(iter(paths.items()))
            raise SpecificationError(
                f"path: {name!r} has {_listed(others)} beside {_listed(parts)}, and it cannot be told whether these "
                f"are classes or parts of a data set; take {_listed(others)} out, or say "
                f"classes={member.count('/') - len(path) + 1} to take {_listed({*below})} as the classes."
            )
        paths = {member: path for member, path in paths.items() if path[0] in parts}
    loose = [member for member, path in paths.items() if not path]
    if loose:
        raise SpecificationError(
            f"path: {name!r} has pictures in no class folder, such as {loose[0]!r}; put each into a folder with the "
            "name of its class."
        )
    return [paths[member][0] if member in paths else None for member in members]


def _listed(names: set[str]) -> str:
    shown = ", ".join(repr(name) for name in sorted(names)[:8])
    return shown + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _at_level(field: str, name: str, members: Sequence[str], level: str) -> list[str]:
    paths = [PurePosixPath(member).parts[:-1] for member in members]
    short = [member for member, path in zip(members, paths, strict=True) if not 1 <= int(level) <= len(path)]
    if short:
        raise SpecificationError(
            f"{field}: {int(level)} is no folder of {short[0]!r} in {name!r}. Allowed: 1, the first in the path, "
            f"up to {min(map(len, paths))}."
        )
    return [path[int(level) - 1] for path in paths]


def groups_of(name: str, members: Sequence[str], group: str) -> np.ndarray:
    """Return what each picture belongs to.

    Parameters
    ----------
    name : str
        What the folder or archive is called, for a message.
    members : sequence of str
        Paths of the pictures in it.
    group : str
        Which folder in the path names it, as a number, or an expression whose first bracketed group does. A picture in
        whose path it finds nothing belongs to itself.

    Raises
    ------
    SpecificationError
        If there is no such folder, or the expression is none, finds nothing in more than a tenth of the paths, or the
        same in all.
    """
    if group.isdecimal():
        found: list[str] = _at_level("group", name, members, group)
    else:
        try:
            expression = re.compile(group)
        except re.error as error:
            raise SpecificationError(f"group: {group!r} is no regular expression: {error}.") from None
        if not expression.groups:
            raise SpecificationError(f"group: {group!r} has no brackets; allowed: a number, or such as patient(\\d+).")
        hits = [expression.search(member) for member in members]
        missed = [member for member, hit in zip(members, hits, strict=True) if not (hit and hit[1])]
        if len(missed) > (1 - MATCHED) * len(members):
            raise SpecificationError(
                f"group: {group!r} finds nothing in {len(missed):,} of {len(members):,} paths in {name!r}, such as "
                f"{missed[0]!r}; it must find a group in nine of ten."
            )
        found = [hit[1] if hit and hit[1] else member for member, hit in zip(members, hits, strict=True)]
    if len({*found}) < 2:
        raise SpecificationError(f"group: {group!r} finds the same in all paths in {name!r}, {found[0]!r}.")
    return np.array(found)


def proposed_group(names: Sequence[str], labels: Sequence[str]) -> str:
    r"""Return what `groups_of` may be asked for, where names look as if pictures belonged together; empty: they do not.

    >>> names = [f"{kind}/s{n % 6}_{n}.png" for kind in ("a", "b") for n in range(24)]
    >>> proposed_group(names, ["a"] * 24 + ["b"] * 24)
    '(?:^|/)([A-Za-z]+[_-]?\\d+)[_-][^/]*$'
    """
    labels = [str(label) for label in labels]
    paths = [PurePosixPath(name).parts[:-1] for name in names]
    levels = {path.index(label) for path, label in zip(paths, labels, strict=True) if label in path}
    proposals: list[str] = []
    if len(levels) == 1 and all(label in path for path, label in zip(paths, labels, strict=True)):
        below = levels.pop() + 2
        if all(len(path) >= below for path in paths) and not any(part_of(path[below - 1]) for path in paths):
            proposals.append(str(below))
    for proposal in [*proposals, *NUMBERED]:
        found = (
            [path[int(proposal) - 1] for path in paths]
            if proposal.isdecimal()
            else [hit[1] if (hit := re.search(proposal, name)) else "" for name in names]
        )
        if all(found) and not all(SERIES.fullmatch(one) for one in found) and _belong_together(found, labels):
            return proposal
    return ""


def _belong_together(groups: Sequence[str], labels: Sequence[str]) -> bool:
    """Whether these are several groups, most of several pictures, that are not the classes by another name."""
    sizes = Counter(groups)
    several = sum(count > 1 for count in sizes.values())
    each = [len({group for group, label in zip(groups, labels, strict=True) if label == one}) for one in {*labels}]
    return len(sizes) >= 3 and several >= 0.8 * len(sizes) and len(sizes) <= len(groups) / 2 and min(each) > 1
