"""What segmentation costs, and whether verdicts say what is known: a source like the target helps, a wrong one harms.

    python -m benchmarks.segmentation frozen      60 pictures of 256 px, a fixed encoder, 5 seeds: processor time
    python -m benchmarks.segmentation sources     the same tiles with their own masks, and with those of others

For the second, tiles of one field of nuclei that are not scored are the source, all but sixteen. The encoder starts at
random in either case, so that nothing but the source's masks tells the two apart.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace

import numpy as np

from tlcore.examples import Domains
from tlcore.experiment import Experiment
from tlcore.network import Network
from tlcore.results import Results, TrialRecord
from tlcore.scenarios import register
from tlcore.scenarios.segmentation import Nuclei
from tlcore.trial import execute


def frozen(seeds: int = 5) -> None:
    """Print what each trial of a fixed encoder takes of a processor."""
    experiment = Experiment.build(
        {"scenario": "nuclei", "tile": 32, "size": 256, "methods": "frozen", "budgets": [60], "seeds": seeds}
    )
    spent = []
    for trial in experiment.trials():
        if trial.method.name == "frozen":
            began = time.process_time()
            metrics = execute(trial).metrics
            spent.append(time.process_time() - began)
            print(f"seed {trial.seed}: {spent[-1]:.0f} s of one core, mean IoU {metrics['miou']:.3f}", flush=True)
    print(f"all {seeds} seeds: {sum(spent):.0f} s of one core, {sum(spent) / 2:.0f} s with two at work")


@register
class Tiles(Nuclei):
    """Tiles of the field as the source: with their own masks, or each with another's."""

    name = "nuclei-from-nuclei"
    pairs = (("own masks", "few tiles"), ("shuffled masks", "few tiles"))
    task = replace(Nuclei.task, baseline="from_scratch")
    tile: int = 32
    size: int = 32
    whole: bool = True

    def domains(self, source: str, target: str) -> Domains:
        """Sixteen tiles of the pool may be labelled; the others of it are the source."""
        found = super().domains(source, target)
        there, here = found.pool[16:], found.pool[:16]
        if source == "shuffled masks":
            there = replace(there, answers=np.roll(there.answers, len(there) // 2, axis=0))
        return replace(found, source=there, pool=here)

    def start(self, domains: Domains) -> Network:
        """At random, as from scratch."""
        return self.network(domains)


def sources(seeds: int = 5) -> None:
    """Print the verdicts on a source like the target, and on one whose masks are of other tiles."""
    for source in ("own masks", "shuffled masks"):
        experiment = Experiment.build(
            {
                "scenario": Tiles.name, "source": source, "target": "few tiles", "budgets": [2],
                "methods": "source_only,fine_tune", "seeds": seeds,
            }
        )  # fmt: skip
        records = [TrialRecord(trial, "done", result=execute(trial)) for trial in experiment.trials()]
        results = Results(experiment, records)
        print(f"\n{source}: baseline {experiment.baseline}")
        for row in results.verdicts.itertuples():
            print(f"  {row.verdict}: {row.sentence}", flush=True)


if __name__ == "__main__":
    {"frozen": frozen, "sources": sources}[sys.argv[1]](*map(int, sys.argv[2:]))
