"""Does a verdict on detection tell a source that must help from one that must harm?

    python -m benchmarks.found [--seeds 3]

Sheets of UCI digits, put together as in `found-digits`. The source are other sheets of the same, or these with each
sheet's boxes given to another one: boxes and classes are as frequent as before, and where digits are only by chance.
"""

import argparse

from tlcore.datasets.boxes import BoxedImages
from tlcore.datasets.sheets import sheets
from tlcore.examples import Domains
from tlcore.experiment import Experiment
from tlcore.results import Results, TrialRecord
from tlcore.scenarios import register
from tlcore.scenarios.detection import FoundDigits, boxes_together
from tlcore.trial import execute

SIZE, TARGET = 64, 250


@register
class Halves(FoundDigits):
    """Sheets to learn from and sheets to look at, of one kind."""

    name = "found-digits-halves"
    title = "Halves"
    pairs = (("the same", "here"), ("shuffled", "here"))
    max_steps = 150

    def domains(self, source: str, target: str) -> Domains:  # noqa: ARG002 - there is but one
        """The first are the target, the rest the source."""
        everything = sheets("uci", SIZE)
        there, here = everything[TARGET:], everything[:TARGET]
        return boxes_together(there if source == "the same" else shuffled(there), here, SIZE, self.classes)


def shuffled(pictures: BoxedImages) -> BoxedImages:
    boxes, kinds, crowd = (part[1:] + part[:1] for part in (pictures.boxes, pictures.kinds, pictures.crowd))
    return BoxedImages(pictures.images, boxes, kinds, crowd, pictures.sizes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    seeds = [*range(parser.parse_args().seeds)]
    methods = ["source_only", "pooled", "frozen", "fine_tune"]
    for source, _ in Halves.pairs:
        chosen = {"methods": methods, "budgets": [20], "seeds": seeds}
        experiment = Experiment.build({"scenario": Halves.name, "source": source, **chosen})
        records = [TrialRecord(trial, "done", result=execute(trial)) for trial in experiment.trials()]
        results = Results(experiment, records)
        print(f"source: {source}")
        for _, row in results.verdicts.iterrows():
            interval = f"[{row['ci_low']:+.3f}, {row['ci_high']:+.3f}]"
            print(f"  {row['method']:12s} {row['gap']:+.3f} {interval} {row['verdict']}")


if __name__ == "__main__":
    main()
