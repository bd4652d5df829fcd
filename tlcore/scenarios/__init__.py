"""The scenarios by name."""

from tlcore.scenarios.base import Scenario
from tlcore.scenarios.recommendation import Films, Ratings
from tlcore.scenarios.vision import Digits

SCENARIOS: dict[str, Scenario] = {scenario.name: scenario for scenario in (Digits(), Films(), Ratings())}
