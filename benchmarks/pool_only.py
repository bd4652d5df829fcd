"""A scenario's double in which nothing but the pool is there, so that choices can be made without a test example."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from sklearn.model_selection import train_test_split

from tlcore.scenarios import SCENARIOS
from tlcore.scenarios.base import Domains, Scenario


@contextmanager
def pool_only(name: str) -> Iterator[None]:
    """For a while, trials of this scenario label one half of the pool and are scored on the other."""
    scenario = SCENARIOS[name]

    class PoolOnly(type(scenario)):  # type: ignore[misc]
        def domains(self, source: str, target: str) -> Domains:
            whole = scenario.domains(source, target)
            rows = np.arange(len(whole.pool))
            pool, test = train_test_split(rows, test_size=0.5, stratify=whole.pool.answers, random_state=0)
            return replace(whole, pool=whole.pool[np.sort(pool)], test=whole.pool[np.sort(test)])

    double: Scenario = PoolOnly()
    SCENARIOS[name] = double
    try:
        yield
    finally:
        SCENARIOS[name] = scenario
