"""What looks wrong with the data before a run: each concern one sentence that says what is off and what to do.

Checks are functions on plain data in the modules of this room. A scenario says which of them make sense for it
(`tlcore.scenarios.base.Scenario.concerns`). All thresholds and why they are so: docs/warnings.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from tlcore.datasets.own import OwnFile

SENTENCES = {
    "no_shared_classes": "Source and target have no label in common ({source} there, {target} here): if they mean the "
    "same, match them with source.rename; if not, only what a network has learned carries over.",
    "few_shared_classes": "Only {shared} of the target's {classes} labels are in the source, too: match those that are "
    "called otherwise with source.rename (not in the source: {names}).",
    "missing_in_source": "The source has no example of {names}, which the target has: match what is called otherwise "
    "with source.rename, or leave it out with target.rename.",
    "missing_in_target": "The target has no example of {names}, which the source has: match what is called otherwise "
    "with source.rename, or leave it out there.",
    "alike_labels": "{one} and {other} differ in case or blanks only and count as two labels: make them one with "
    "{which}.rename ({rename}).",
    "same_truths": "{source} in the source and {target} in the target look like the same yes and no: match them with "
    "source.rename ({rename}).",
    "rare_class": "{label} has {count} target examples to learn from, and a budget of {budget} asks for as many of "
    "each label: ask for {count} at most, bring more, or leave the label out with target.rename.",
    "rarest_class": "{label} has {count} target examples to learn from, where half of the labels have {usual} or "
    "more, so that no budget can go beyond {count}: bring more of it, or leave the label out with target.rename.",
    "small_test": "On {n} test examples a gap under about {points} points is more likely missed than seen: bring more "
    "labelled target examples, or take no small gap for a finding.",
    "small_test_of_a_class": "On {n} test examples, {fewest} of them {label}, a gap under about {points} points is "
    "more likely missed than seen, as each label counts the same: bring more of the rare ones, or leave them out.",
    "few_test_users": "On {n} test users a gap under about {points} points is more likely missed than seen: bring more "
    "users with two choices or more in the target.",
    "imbalance": "{share} % of the target are {label}, so that saying always that scores as much: judge by "
    "metric=balanced_accuracy, not by accuracy.",
    "quantities_apart": "Half of the source's answers lie between {source_low} and {source_high}, half of the target's "
    "between {target_low} and {target_high}: check that both are in the same unit, else the source misleads.",
    "few_quantities": "{n} test examples are few to say how well numbers are predicted: bring more labelled target "
    "examples, or take no small gap for a finding.",
    "label_numbers": "The labels are {n} different numbers and are taken for classes: if they say how much and not "
    "which, predict them as numbers with answers=numbers.",
    "in_both": "{n} examples of the source ({share} %) stand in the target, too, and were left out of the source: "
    "check that the two files are what you think.",
    "much_in_both": "{n} examples of the source ({share} %) stand in the target, too, and were left out of the source: "
    "the two domains are partly the same data, and a gain by transfer says little about a new one; bring files that "
    "do not overlap.",
    "alike_in_both": "{share} % of the source's rows have the same values as rows of the target, as their columns have "
    "few values, and none was left out: if some are copies, take them out of one file.",
    "target_doubles": "{n} examples of the target ({share} %) came twice and count once: if they are measured anew "
    "and no copies, add what tells them apart.",
    "target_alike": "{share} % of the target's rows have the same values as others of them, as their columns have few "
    "values, and none was left out: if some are copies, take them out of the file.",
    "held_out_in_source": "For {n} of {users} test users the choice that is held out stood in the source, too, and was "
    "left out there: the two files are partly the same data; bring files that do not overlap.",
    "groups_in_both": "{n} groups stand in the source and in the target's test, too: if they are the same and not "
    "only called the same, take them out of the source, else the test knows them.",
    "ungrouped": "The {which} looks grouped by {group}: what belongs together may stand in training and in the test, "
    "which flatters every method; set {which}.group to it.",
    "giveaway": "Column {column} of the {which} alone tells the label of {share} % of the rows, and no other column "
    "comes near: if it would not be known before the label is, leave it out with leave_out.",
    "id_column": "Column {column} of the {which} looks like a number of the row, not like a measurement: leave it out "
    "with leave_out.",
    "constant": "One value in both domains, so nothing to learn from: {names}; leave_out leaves such columns out.",
    "constant_in_one": "One value in the {which} but several in the other domain: {names}; what is learned from such "
    "columns does not carry over, so check them or leave them out with leave_out.",
    "ranges_apart": "Column {column} goes from {source_low} to {source_high} in the source and from {target_low} to "
    "{target_high} in the target, nine rows in ten: check that both are in the same unit.",
    "more_ranges_apart": "{n} further columns have ranges that do not overlap: {names}; check their units.",
    "odd_cells": "{n} cells in columns of numbers of the {which} are none, such as {such} in {column}, and count as "
    "missing: mend them, or say what the column is with {which}.kinds.",
    "mixed_columns": "Numbers in one domain and words in the other: {names}; their values count as names, of which "
    "the domains share few: write both alike, or leave them out with leave_out.",
    "missing_cells": "More than half of the cells are missing in {names} of the {which}, so that mostly filled-in "
    "values are learned: fill them in, or leave them out with leave_out.",
    "misread": "{n} lines of the {which} are in another encoding than the rest, so that some letters are wrong: save "
    "the file in UTF-8.",
    "short": "{n} rows of the {which} have fewer cells than the header, and the missing ones count as missing: check "
    "the separator, or mend them.",
    "broken": "{n} rows of the {which} have more cells than the header and were left out: put quotation marks around "
    "cells with a separator inside.",
    "swallowed": "{n} lines of the {which} may stand inside of a cell of another row, because of a lone quotation "
    "mark: close it, or take it away.",
    "corrupt": "{n} pictures of the {which} cannot be read and were left out: save them anew.",
    "unread_script": "The encoder {encoder} does not know {share} % of what the {which}'s texts are made of: choose "
    "one of their language with encoder=…, such as a multilingual one.",
    "spelled_script": "The encoder {encoder} has no words of the script of the {which}'s texts and reads {share} % of "
    "them letter by letter: choose one of their language with encoder=…, such as a multilingual one.",
    "nothing_shared": "The catalogues share neither users nor items, so that nothing can be carried over: check that "
    "the same users or items are called the same in both.",
    "little_shared": "{users} of the target's {target_users} users and {items} of its {target_items} items are in the "
    "source: little can be carried over; check that the same are called the same in both.",
}  # fmt: skip
"""What each kind of concern says, with the names of its values."""
MOST_NAMED = 3
LONGEST_NAME = 40
Value = str | int | float


@dataclass(frozen=True)
class Concern:
    """Something that looks wrong before a run.

    Attributes
    ----------
    kind : str
        One of `SENTENCES`.
    values : mapping of str to str, int or float
        What stands in its sentence. ``which`` is a domain: source or target.
    """

    kind: str
    values: Mapping[str, Value] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """What is off, and what to do."""
        return self.said()

    def said(self, translate: Callable[[str], str] = lambda text: text) -> str:
        """Return the sentence in another language, given how its template and the two domains are said there."""
        values = dict(self.values)
        if "which" in values:
            values["which"] = translate(str(values["which"]))
        return translate(SENTENCES[self.kind]).format(**values)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON can say it, with its sentence."""
        return {"kind": self.kind, "values": dict(self.values), "sentence": self.sentence}


@dataclass(frozen=True)
class Plan:
    """What is to be done with two domains, as far as a concern may depend on it.

    Attributes
    ----------
    setting : {"inductive", "transductive", "unsupervised"}
    metric : str
    budgets : tuple of int
    source, target : OwnFile or None
        The files, where a person brings them.
    """

    setting: Literal["inductive", "transductive", "unsupervised"]
    metric: str
    budgets: tuple[int, ...]
    source: OwnFile | None = None
    target: OwnFile | None = None

    @property
    def files(self) -> dict[str, OwnFile]:
        """The files that there are, by the domain."""
        both = {"source": self.source, "target": self.target}
        return {which: file for which, file in both.items() if file is not None}


def named(names: Iterable[object]) -> str:
    """Return some names as they stand in a sentence.

    >>> named(["good", "bad"]), named("abcdef")
    ("'good', 'bad'", "'a', 'b', 'c', … (6)")
    """
    said = [str(name) for name in names]
    some = [f"'{name if len(name) <= LONGEST_NAME else f'{name[: LONGEST_NAME - 1]}…'}'" for name in said[:MOST_NAMED]]
    return ", ".join([*some, f"… ({len(said)})"] if len(said) > MOST_NAMED else some)


def percent(share: float) -> int:
    """Return a share in percent: 100 only where it is all, 0 only where it is nothing.

    >>> percent(0.999), percent(1.0), percent(0.001), percent(0.254)
    (99, 100, 1, 25)
    """
    if share in (0, 1):
        return round(100 * share)
    return min(99, max(1, round(100 * share)))
