"""What scenarios share whose labels are those of their data: which there are, and whether they say how much."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, ValidationError

from tlcore.errors import SpecificationError
from tlcore.scenarios.base import Scenario

if TYPE_CHECKING:
    from tlcore.concerns import Concern, Plan
    from tlcore.datasets.own import LabelledFile
    from tlcore.examples import Domains
    from tlcore.tasks.base import Task

Answers = Literal["classes", "numbers"]
FEWEST = 5
"""Target examples with a number, to learn from and to be scored on."""


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


class OwnLabels(LabelsFound):
    """A scenario with a person's own labels, which may be classes, or numbers that say how much."""

    tasks: ClassVar[Mapping[Answers, Task]]
    """What is to be answered, by what the labels are."""

    answers: Literal["", "classes", "numbers"] = Field(
        "",
        description="classes: labels say which. numbers: they say how much. Empty: the latter where a label has many "
        "different numbers, else the former.",
    )

    @property
    def task(self) -> Task:  # type: ignore[override]
        """By what the labels are."""
        return self.tasks[self.kind]

    @property
    def kind(self) -> Answers:
        """What the labels are taken for."""
        return self.answers or "classes"

    def completed(self, options: dict[str, Any], source: Any, target: Any) -> dict[str, Any]:
        """Propose numbers where the target's labels are surely no classes."""
        from tlcore.datasets.quantities import likely

        file, other = (self._file(told) if "answers" not in options else None for told in (target, source))
        if file is None:
            return options
        try:
            labels = (file.like(other) if other else file).read().labels
        except SpecificationError:
            return options  # what is wrong with the file is said where the data are checked
        return {**options, "answers": "numbers"} if labels is not None and likely(labels) == "numbers" else options

    def concerns(self, domains: Domains, plan: Plan) -> list[Concern]:
        """Ask besides about labels that may be numbers, where they are taken for classes."""
        from tlcore.concerns.quantities import perhaps_numbers
        from tlcore.datasets.quantities import likely

        found = super().concerns(domains, plan)
        names = np.array([str(name) for name in domains.answer_names])
        asked = not self.answers and len(names) and likely(names) != "classes"
        return [*([perhaps_numbers(len(names))] if asked else []), *found]

    def _file(self, told: Any) -> LabelledFile | None:
        """Return a file as a specification tells it; None where that is none yet."""
        from tlcore.datasets.own import LabelledFile
        from tlcore.written import left_open

        assert self.own
        if not told or not isinstance(told, (str, dict)):
            return None
        try:
            file = self.own.model_validate({"path": told} if isinstance(told, str) else left_open(told, self.own))
        except ValidationError:
            return None  # it is refused, with the reason, when the specification is built
        return file if isinstance(file, LabelledFile) else None


def check_quantities(labels: list[np.ndarray]) -> None:
    """Refuse labels of source and target, "" where there is none, that are no numbers, or that do not vary.

    Raises
    ------
    SpecificationError
        With the domain, a label, and what would be allowed.
    """
    from tlcore.datasets.quantities import quantities_of

    for which, part in zip(("source", "target"), labels, strict=True):
        known = part[part != ""]
        numbers = quantities_of(known)
        if np.isnan(numbers).any():
            raise SpecificationError(
                f"{which}.label: {str(known[np.isnan(numbers)][0])!r} is no number. Allowed where answers=numbers: "
                "numbers; answers=classes takes each label for a class."
            )
        if len(known) and np.ptp(numbers) == 0:
            raise SpecificationError(
                f"{which}.label: all of its {len(known)} labels are {known[0]}; there must be two different numbers."
            )
    here = labels[1][labels[1] != ""]
    if 0 < len(here) < FEWEST:
        raise SpecificationError(
            f"target.label: {len(here)} examples have a number; there must be {FEWEST}, to learn from and to be scored "
            "on."
        )


def facts_of_labels(names: list[str], source: np.ndarray, target: np.ndarray) -> dict[str, int]:
    """Return how many classes there are in all, and in both domains; nothing where labels are numbers."""
    if not names:
        return {}
    shared = {*source.tolist()} & {*target.tolist()} - {""}
    return {"classes": len(names), "shared_classes": len(shared)}
