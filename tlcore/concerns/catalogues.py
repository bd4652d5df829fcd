"""Whether two catalogues have anything in common."""

from __future__ import annotations

from collections.abc import Mapping

from tlcore.concerns import Concern

LITTLE = 0.1
"""Share of the target's users, and of its items, below which little can be carried over."""


def apart(facts: Mapping[str, int]) -> list[Concern]:
    """Return the concern about catalogues that share neither users nor items, or very few of both."""
    users, items = facts["shared_users"], facts["shared_items"]
    if not users and not items:
        return [Concern("nothing_shared")]
    if users < LITTLE * facts["target_users"] and items < LITTLE * facts["target_items"]:
        values = {
            "users": users,
            "items": items,
            "target_users": facts["target_users"],
            "target_items": facts["target_items"],
        }
        return [Concern("little_shared", values)]
    return []
