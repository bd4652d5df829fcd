"""A scenario's double in which nothing but the pool is there, so that choices can be made without a test example."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split

from tlcore.examples import Domains
from tlcore.scenarios import SCENARIOS
from tlcore.scenarios.base import Scenario
from tlcore.scenarios.recommendation import leave_last_out


@contextmanager
def pool_only(name: str) -> Iterator[None]:
    """For a while, trials of this scenario label one part of the pool and are scored on the other.

    The parts are halves where examples are classified; of interactions, each user's last one in the pool is scored.
    """
    scenario = SCENARIOS[name]

    class PoolOnly(type(scenario)):  # type: ignore[misc]
        def domains(self, source: Any, target: Any) -> Domains:
            whole = scenario.domains(source, target)
            if scenario.task.name == "ranking":
                pool, test = leave_last_out(whole.pool.inputs, whole.pool.answers, np.arange(len(whole.pool)))
                return replace(whole, pool=pool, test=test)
            rows = np.arange(len(whole.pool))
            chosen, scored = train_test_split(rows, test_size=0.5, stratify=whole.pool.answers, random_state=0)
            scored = scored[:1000]  # of a large pool, as many as a test has
            return replace(whole, pool=whole.pool[np.sort(chosen)], test=whole.pool[np.sort(scored)])

    double: Scenario = PoolOnly()
    SCENARIOS[name] = double
    try:
        yield
    finally:
        SCENARIOS[name] = scenario
