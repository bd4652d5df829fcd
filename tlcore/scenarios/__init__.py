"""The scenarios by name."""

from pydantic import ValidationError

from tlcore.datasets.own import OwnFile
from tlcore.errors import SpecificationError, first_line, one_of
from tlcore.scenarios.base import Scenario
from tlcore.scenarios.detection import FoundDigits, Objects, OwnBoxes, TreeCrowns
from tlcore.scenarios.features import OwnFeatures
from tlcore.scenarios.fields import Fields
from tlcore.scenarios.patients import Diabetes
from tlcore.scenarios.recommendation import Films, Ratings
from tlcore.scenarios.segmentation import Nuclei, Outlined, OwnMasks
from tlcore.scenarios.text import OwnTexts, Sentiment, Topics
from tlcore.scenarios.vision import Digits, Inspection, OwnImages, Pictures

SCENARIOS: dict[str, Scenario] = {}


def register(scenario: type[Scenario]) -> type[Scenario]:
    """Add a scenario, with its options at their defaults, to the catalogue; usable as a decorator.

    Raises
    ------
    ValueError
        If the name is taken by another class.
    """
    if type(SCENARIOS.setdefault(scenario.name, scenario())) is not scenario:
        raise ValueError(f"scenario name {scenario.name!r} is taken by {type(SCENARIOS[scenario.name]).__qualname__}")
    return scenario


for _scenario in (
    Digits,
    Inspection,
    Pictures,
    TreeCrowns,
    FoundDigits,
    Objects,
    Sentiment,
    Topics,
    Films,
    Diabetes,
    Fields,
    Nuclei,
    Outlined,
    OwnImages,
    OwnBoxes,
    OwnMasks,
    OwnTexts,
    Ratings,
    OwnFeatures,
):
    register(_scenario)

FILES: dict[str, type[OwnFile]] = {
    scenario.name: scenario.own
    for scenario in (OwnBoxes, OwnMasks, OwnImages, Ratings, OwnTexts, OwnFeatures)
    if scenario.own
}
"""What a file of one's own may be, by the name of the scenario that takes it; the last reads what no other fits."""


def file_of(told: dict[str, str], kind: str = "") -> tuple[str, OwnFile]:
    """Return a file and the name of its kind: the one that is named, or else the first that fits what is in it.

    Parameters
    ----------
    told : dict of str to str
        The file's fields, as they are written on the command line.
    kind : str

    Raises
    ------
    SpecificationError
        If there is no such kind or field.
    """
    if kind and kind not in FILES:
        raise one_of("as", kind, FILES)
    for name, file_class in FILES.items():
        last = name == [*FILES][-1]
        if kind in ("", name):
            try:
                file = file_class.model_validate(told)
            except ValidationError as error:
                if kind or last:
                    raise SpecificationError(first_line(error, [*file_class.model_fields])) from None
                continue
            if kind or last or file.fits():
                return name, file
    raise AssertionError("the last kind takes every file")
