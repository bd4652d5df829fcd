"""What the facts of two domains say: examples in both, groups on both sides, lines that were not read as meant."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING

from tlcore.concerns import Concern, Plan, named, percent

if TYPE_CHECKING:
    from tlcore.datasets.own import OwnFile

SOME, MANY = 0.01, 0.2
"""Share of the source's examples from which on those that the target has, too, are worth a word, and are many."""
DOUBLES = 0.05
"""Share of the target's examples that come twice, which harms nothing as they count once."""
MOST_ALIKE = 0.5
"""Share of rows that are alike by chance, from which on few are told apart."""
MISREAD = ("misread", "short", "broken", "swallowed", "corrupt")


def shared(facts: Mapping[str, int], source: int, target: int) -> list[Concern]:
    """Return the concerns about examples that stand in both domains, or twice in the target.

    Parameters
    ----------
    facts : mapping of str to int
        `tlcore.examples.Domains.facts`.
    source, target : int
        How many examples each domain has, without those that were left out.
    """
    found = []
    in_both, doubles = facts.get("in_both", 0), facts.get("target_doubles", 0)
    if in_both >= SOME * (source + in_both) and in_both:
        share = in_both / (source + in_both)
        kind = "much_in_both" if share >= MANY else "in_both"
        found.append(Concern(kind, {"n": in_both, "share": percent(share)}))
    if doubles >= DOUBLES * (target + doubles) and doubles:
        found.append(Concern("target_doubles", {"n": doubles, "share": percent(doubles / (target + doubles))}))
    for kind, of in (("alike_in_both", source), ("target_alike", target)):
        if of and facts.get(kind, 0) >= MOST_ALIKE * of:
            found.append(Concern(kind, {"share": percent(facts[kind] / of)}))
    return found


def held_out(facts: Mapping[str, int]) -> list[Concern]:
    """Return the concern about choices of a catalogue that are held out and stood in the source, too."""
    users = facts.get("test_users", 0)
    n = facts.get("held_out_in_source", 0)
    return [Concern("held_out_in_source", {"n": n, "users": users})] if users and n >= MANY * users else []


def grouped(facts: Mapping[str, int]) -> list[Concern]:
    """Return the concern about groups in the source and in the target's test."""
    n = facts.get("groups_in_both", 0)
    return [Concern("groups_in_both", {"n": n})] if n else []


def misread(facts: Mapping[str, int]) -> list[Concern]:
    """Return how many lines, rows or files of each domain were not read as they were meant."""
    return [
        Concern(why, {"n": n, "which": which})
        for which in ("source", "target")
        for why in MISREAD
        if (n := facts.get(f"{which}_{why}", 0))
    ]


def ungrouped(plan: Plan) -> list[Concern]:
    """Return the concern about a target that looks grouped where no group is named."""
    if plan.target is None or plan.setting != "inductive":
        return []  # of own tables all of the target is the test
    group = _proposed(type(plan.target), plan.target.model_dump_json()).get("group")
    return [Concern("ungrouped", {"which": "target", "group": named([group])})] if group else []


@lru_cache(maxsize=4)
def _proposed(kind: type[OwnFile], file: str) -> dict[str, str]:
    return kind.model_validate_json(file).look().proposed
