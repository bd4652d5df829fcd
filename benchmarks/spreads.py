"""How much do gaps scatter between seeds, between test examples, and from cell to cell?

    python -m benchmarks.spreads [SPEC] [--set key=value ...]

Carries out a run of many seeds (digits, thirteen methods, 12 seeds: about 4 minutes on two cores) and prints for each
method the spreads of its gaps, and how much its seeds scatter in units of its cells, which is what methods lend each
other (`tlcore.evaluation.family.members`).
"""

import argparse
from math import sqrt

from tlcore import Experiment, run
from tlcore.evaluation.gap import Spread

METHODS = "source_only,fine_tune,frozen,l2_sp,feature_extraction,coral,mmd,dann,delta,lora,tca,pooled,kmm"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("spec", nargs="?", default="digits")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    args = parser.parse_args()
    changes = {"methods": METHODS, "budgets": "5", "seeds": "12"} | dict(text.split("=", 1) for text in args.set)
    results = run(Experiment.load(args.spec, changes))
    print("| method | budget | gap | between seeds | between examples | between cells | seeds / cells, mean squares |")
    print("|---|---|---|---|---|---|---|")
    for one in results.comparisons:
        spread = Spread.of(one.table)
        of_seeds = sqrt(max(0.0, spread.of_seeds - spread.residual) / spread.examples)
        of_examples = sqrt(max(0.0, spread.of_examples - spread.residual) / spread.seeds)
        cells = f"{of_seeds:.3f} | {of_examples:.3f} | {sqrt(spread.residual):.3f}"
        ratio = spread.of_seeds / spread.residual
        print(f"| {one.method} | {one.budget} | {spread.gap:+.3f} | {cells} | {ratio:.1f} |")


if __name__ == "__main__":
    main()
