"""What CORAL adds to its covariances, where rows are few and columns many: accuracy in per cent, mean over draws.

python -m benchmarks.coral_ridge DIR [--rows 295] [--draws 3]

Of each pair of domains in DIR (see `benchmarks.published`) so many rows of the source and 500 of the target are drawn,
columns of each brought to mean 0 and variance 1. Beside shares of the mean variance stands Ledoit & Wolf's shrinkage.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.published import domains, known_pairs
from tlcore.classifiers import classify
from tlcore.datasets.features import FeatureFile
from tlcore.examples import Examples
from tlcore.methods.base import Seen
from tlcore.methods.features import CORAL

SHARES = (0.01, 0.1, 0.3, 1.0, 3.0)


class LedoitWolf(CORAL):
    """CORAL with covariances after Ledoit & Wolf (Journal of Multivariate Analysis 2004)."""

    def _covariance(self, rows: np.ndarray) -> np.ndarray:
        from sklearn.covariance import ledoit_wolf

        return np.asarray(ledoit_wolf(rows)[0])


def standardised(rows: np.ndarray) -> np.ndarray:
    """Bring columns to mean 0 and variance 1; constant ones to 0."""
    deviation = rows.std(0)
    return np.asarray((rows - rows.mean(0)) / np.where(deviation > 0, deviation, 1))


def main() -> None:
    """Print a row for each pair, answered by the nearest neighbour."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--rows", type=int, default=295)
    parser.add_argument("--draws", type=int, default=3)
    arguments = parser.parse_args()
    files = domains(arguments.folder)
    tables = {name: FeatureFile(path=str(place)).read() for name, place in files.items()}
    kinds = sorted({label for table in tables.values() for label in table.labels})
    variants = {"none": None, **{f"{share:g}": CORAL(shrinkage=share) for share in SHARES}, "Ledoit-Wolf": LedoitWolf()}
    print(f"| {arguments.rows} rows | " + " | ".join(variants) + " |\n" + "|---" * (1 + len(variants)) + "|")
    means: list[np.ndarray] = []
    for pair in known_pairs(files):
        found = []
        for draw in range(arguments.draws):
            rng, drawn = np.random.default_rng(draw), []
            for name, most in zip(pair.split(":"), (arguments.rows, 500), strict=True):
                some = rng.permutation(len(tables[name]))[:most]
                rows, labels = tables[name].rows[some].astype(float), tables[name].labels[some]
                drawn.append(Examples(standardised(rows), np.searchsorted(kinds, labels)))
            source, target = drawn
            seen = replace(Seen.labelled(source, target[:0], len(kinds), draw), unlabelled=target.inputs)
            moved = [
                source.inputs if one is None else one.feature_map(seen)[0](source.inputs) for one in variants.values()
            ]
            told = [classify("1nn", rows, source.answers, len(kinds))(target.inputs).argmax(1) for rows in moved]
            found.append([100 * float((one == target.answers).mean()) for one in told])
        means.append(np.mean(found, axis=0))
        print(f"| {pair} | " + " | ".join(f"{cell:.1f}" for cell in means[-1]) + " |", flush=True)
    print("| mean | " + " | ".join(f"{cell:.1f}" for cell in np.mean(means, axis=0)) + " |")


if __name__ == "__main__":
    main()
