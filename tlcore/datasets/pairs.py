"""Which mask belongs to which picture, by their names and folders."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from tlcore.errors import SpecificationError

OF_PICTURES = re.compile(r"(jpeg|input|original|rgb|raw)?[ _-]?(images?|imgs?|pictures?|photos?|scans?|frames?)", re.I)
OF_MASKS = re.compile(
    r"(binary|semantic|png)?[ _-]?(masks?|labels?|annotations?|annots?|trimaps?|gts?|ground[ _-]?truths?|targets?|"
    r"segs?|segmentations?|segmentation[ _-]?(class|masks?|labels?)|(1st[ _-]?)?manual)",
    re.I,
)
"""What the folders of either are called."""
TAIL_OF_MASK = re.compile(
    r"[ _.-](masks?|labels?|labelids|gts?|ground[ _-]?truth|segs?|segmentation|annotations?|trimap|manual\d?)$", re.I
)
TAIL_OF_PICTURE = re.compile(r"[ _.-](images?|imgs?|picture|photo|sat|rgb|leftimg8bit|training|test)$", re.I)
"""How names of either may end."""


def paired(name: str, members: Sequence[str]) -> tuple[list[tuple[int, int]], list[int]]:
    """Return which of the members are pictures with their masks, and which are masks without a picture.

    Parameters
    ----------
    name : str
        What the folder or archive is called, for a message.
    members : sequence of str
        Paths of all pictures and masks.

    Returns
    -------
    list of (int, int)
        The places of each picture and its mask.
    list of int
        The places of masks whose picture is not there.

    Raises
    ------
    SpecificationError
        If there is no mask, a picture has none, or one has two.

    Examples
    --------
    >>> paired("mine", ["images/1.jpg", "images/2.jpg", "masks/1.png", "masks/2_mask.png", "masks/3.png"])
    ([(0, 2), (1, 3)], [4])
    """
    pictures: dict[tuple[str, ...], int] = {}
    masks: dict[tuple[str, ...], int] = {}
    for place, member in enumerate(members):
        key, is_mask = _key(member)
        of = masks if is_mask else pictures
        if key in of:
            what = "masks of one picture" if is_mask else "pictures for one mask"
            raise SpecificationError(
                f"path: {name!r} has two {what}, {members[of[key]]!r} and {member!r}; take one of them out."
            )
        of[key] = place
    if not masks:
        raise SpecificationError(
            f"path: {name!r} has no masks. Allowed: pictures in a folder images and masks of the same names in a "
            "folder masks, or names that end in _mask."
        )
    without = [members[place] for key, place in pictures.items() if key not in masks]
    if without:
        raise SpecificationError(
            f"path: {len(without):,} of {len(pictures):,} pictures in {name!r} have no mask, such as {without[0]!r}; "
            "each needs one of the same name in the folder masks."
        )
    return (
        [(place, masks[key]) for key, place in pictures.items()],
        [place for key, place in masks.items() if key not in pictures],
    )


def looks_paired(members: Sequence[str]) -> bool:
    """Whether at least half of the pictures among these paths have a mask."""
    keys = [_key(member) for member in members]
    masks = {key for key, is_mask in keys if is_mask}
    pictures = {key for key, is_mask in keys if not is_mask}
    return bool(masks) and 2 * len(pictures & masks) >= max(1, len(pictures))


def _key(member: str) -> tuple[tuple[str, ...], bool]:
    """Return what a picture and its mask have in common, and whether it is the mask.

    The last folder in the path that is called so decides, or if none is how the name ends.
    """
    path = PurePosixPath(member)
    folders, stem = [*path.parts[:-1]], path.stem
    for level in reversed(range(len(folders))):
        is_mask = bool(OF_MASKS.fullmatch(folders[level]))
        if is_mask or OF_PICTURES.fullmatch(folders[level]):
            tail = TAIL_OF_MASK if is_mask else TAIL_OF_PICTURE
            return (*folders[:level], *folders[level + 1 :], tail.sub("", stem)), is_mask
    is_mask = bool(TAIL_OF_MASK.search(stem))
    return (*folders, (TAIL_OF_MASK if is_mask else TAIL_OF_PICTURE).sub("", stem)), is_mask
