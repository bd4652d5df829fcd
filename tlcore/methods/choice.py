"""The method that is a choice among methods."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from tlcore.errors import one_of
from tlcore.methods.base import Method

PORTFOLIO = ("source_only", "coral", "mmd", "mcc", "shot", "fine_tune", "frozen", "feature_extraction", "l2_sp")
"""One or two of each family, quick ones: what is tried unless a person says otherwise."""


class Auto(Method):
    """The best of several methods and settings, chosen without a look at the target's test labels.

    With labels enough to hold some out, by cross-validation within the budget; the scenario's baselines without the
    source are candidates too, so that it can say that transfer does not pay. With fewer or none, by what can be known
    without target labels (``by``, see `tlcore.evaluation.unsupervised`): candidates then learn from four fifths of the
    source, and the best learns again from all; those that know no source cannot be judged so and are left out. The note
    says what was tried and what each reached. No criterion without labels is reliable: it can choose what hurts.

    References
    ----------
    You, Wang, Long & Jordan, Towards accurate model selection in deep unsupervised domain adaptation, ICML 2019;
    Saito, Kim, Teterwak, Sclaroff, Darrell & Saenko, Tune it the right way: unsupervised validation of domain
    adaptation via soft neighborhood density, ICCV 2021.
    """

    name = "auto"
    family = "parameter"
    needs = frozenset({"classes"})
    reference = "You et al., ICML 2019"
    chooses = True
    needs_unlabelled = True

    among: tuple[str, ...] = Field((), description="Methods to choose among, comma-separated; empty: a quick few.")
    by: Literal["dev", "iwv", "snd"] = Field("dev", description="The criterion where no target labels can be spared.")
    rates: Literal[1, 3] = Field(
        1, description="Step sizes tried of each: 1, its default; 3, a third and three times too."
    )

    @field_validator("among", mode="before")
    @classmethod
    def _known(cls, value: object) -> object:
        from tlcore.methods.registry import METHODS

        names = [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value
        for name in names if isinstance(names, (list, tuple)) else ():
            if name not in METHODS or METHODS[name].chooses:
                raise one_of("among", str(name), [known for known, one in METHODS.items() if not one.chooses])
        return names

    @property
    def needs_source_model(self) -> bool:
        """Candidates do."""
        return True

    @property
    def needs_source_data(self) -> bool:
        """Candidates do."""
        return True

    @property
    def needs_every_cell(self) -> bool:
        """The criteria without labels do, and most candidates."""
        return True

    @property
    def criterion(self) -> str:
        """As chosen."""
        return self.by

    def candidates(self, own: dict[str, type[Method]], usable: dict[str, type[Method]]) -> dict[str, Method]:
        """Those of ``among``, or of the portfolio and the scenario's own, that can be used here."""
        names = [name for name in dict.fromkeys(self.among or (*own, *PORTFOLIO)) if name in usable]
        found = {}
        for name in names:
            usual = usable[name]()
            found[name] = usual
            for factor in (1 / 3, 3.0) if self.rates == 3 and not usual.overrides("solve") else ():
                rate = min(1.0, round(usual.learning_rate * factor, 6))
                found[f"{name}(learning_rate={rate:g})"] = usable[name].configure({"learning_rate": rate})
        return found
