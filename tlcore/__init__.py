"""Transfer Lab's core: run transfer-learning experiments and judge them beside from-scratch baselines.

>>> from tlcore import Experiment
>>> Experiment(scenario="digits", methods="from_scratch,fine_tune", budgets=[5], seeds=3).seeds
[0, 1, 2]
"""

from typing import TYPE_CHECKING, Any

from tlcore.version import VERSION

if TYPE_CHECKING:
    from tlcore.experiment import Experiment as Experiment
    from tlcore.lab import run as run

__version__ = VERSION
__all__ = ["Experiment", "run"]

_HOMES = {"Experiment": "tlcore.experiment", "run": "tlcore.lab"}


def __getattr__(name: str) -> Any:
    # Loaded on first use, so that ``import tlcore`` costs nothing.
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'tlcore' has no attribute {name!r}")
