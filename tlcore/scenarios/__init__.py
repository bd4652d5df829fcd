"""The scenarios by name."""

from tlcore.scenarios.base import Scenario
from tlcore.scenarios.features import OwnFeatures
from tlcore.scenarios.recommendation import Films, Ratings
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


for _scenario in (Digits, Inspection, Pictures, Sentiment, Topics, Films, OwnImages, OwnTexts, Ratings, OwnFeatures):
    register(_scenario)
