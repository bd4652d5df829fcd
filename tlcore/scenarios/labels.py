"""What scenarios share whose labels are those of their data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from pydantic import Field

from tlcore.scenarios.base import Scenario

if TYPE_CHECKING:
    from tlcore.examples import Domains


class LabelsFound(Scenario):
    """A scenario whose labels are those of its data, known once these were looked at."""

    labels: tuple[str, ...] = Field((), description="The labels, found in the data.", json_schema_extra={"found": True})

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels."""
        return self.labels

    def settled(self, domains: Domains) -> Self:
        """Return the same scenario with the labels that there are."""
        return super().settled(domains).model_copy(update={"labels": tuple(domains.answer_names)})
