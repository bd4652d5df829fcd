"""Methods on feature tables with published answers, under the published protocols: ours beside what the papers say.

python -m benchmarks.published DIR [--pairs mnist:usps,coil1:coil2] [--methods jda,tca] [--classifier svm]

Each .npz or .mat file in DIR is a domain, called as the file is without what follows the first "_": all pairs within a
known set of domains, else all pairs. The files are a person's own. Digits and objects (Long et al. 2013): rows to
length one, the nearest neighbour. Office-Caltech (SURF, 800 columns): rows to sum one, columns of each domain to mean 0
and variance 1. All rows of the source are labelled, all of the target are seen unlabelled and scored.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np

from tlcore.datasets.features import FeatureFile
from tlcore.experiment import Experiment
from tlcore.trial import execute

METHODS = ("source_only", "pca", "subspace_alignment", "gfk", "coral", "tca", "jda", "bda", "jgsa", "meda", "easytl")
DIGITS: dict[str, dict[str, Any]] = {"tca": {"mu": 0.1}, "jda": {"mu": 0.1}, "bda": {"mu": 0.1}}
OFFICE = ("caltech10", "amazon", "webcam", "dslr")


@dataclass(frozen=True)
class Protocol:
    """How the domains of one set are prepared, and how methods are set there.

    ``shares`` is whether rows are divided by their sums first. ``published`` has accuracies in per cent by method, in
    the order of ``pairs``, and ``averages`` those over all pairs by classifier and method, where only they are known.
    """

    pairs: tuple[str, ...]
    standardize: str
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    published: dict[str, tuple[float, ...]] = field(default_factory=dict)
    averages: dict[tuple[str, str], float] = field(default_factory=dict)
    shares: bool = False


PROTOCOLS = (
    Protocol(
        ("mnist:usps", "usps:mnist"),
        "rows",
        {**DIGITS, "jgsa": {"dimensions": 100, "scatter": 0.01}},
        {  # Long et al., ICCV 2013; jgsa Zhang, Li & Ogunbona, CVPR 2017; meda Wang et al., ACM MM 2018
            "source_only": (65.94, 44.70),
            "pca": (66.22, 44.95),
            "gfk": (67.22, 46.45),
            "tca": (56.28, 51.05),
            "jda": (67.28, 59.65),
            "jgsa": (80.44, 68.15),
            "meda": (89.5, 72.1),
        },
    ),
    Protocol(
        ("coil1:coil2", "coil2:coil1"),
        "rows",
        DIGITS,
        {  # Long et al., ICCV 2013
            "source_only": (83.61, 82.78),
            "pca": (84.72, 84.03),
            "gfk": (72.50, 74.17),
            "tca": (88.47, 85.83),
            "jda": (89.31, 88.47),
        },
    ),
    Protocol(
        tuple(f"{source}:{target}" for source in OFFICE for target in OFFICE if source != target),
        "per_domain",
        {},
        {  # Long et al., ICCV 2013; jgsa Zhang, Li & Ogunbona, CVPR 2017
            "source_only": (23.70, 25.76, 25.48, 26.00, 29.83, 25.48, 19.86, 22.96, 59.24, 26.27, 28.50, 63.39),
            "gfk": (41.02, 40.68, 38.85, 40.25, 38.98, 36.31, 30.72, 29.75, 80.89, 30.28, 32.05, 75.59),
            "tca": (38.20, 38.64, 41.40, 37.76, 37.63, 33.12, 29.30, 30.06, 87.26, 31.70, 32.15, 86.10),
            "jda": (44.78, 41.69, 45.22, 39.36, 37.97, 39.49, 31.17, 32.78, 89.17, 31.52, 33.09, 89.49),
            "jgsa": (53.13, 48.47, 48.41, 41.50, 45.08, 45.22, 33.57, 40.81, 88.54, 30.28, 38.73, 93.22),
        },
        {  # as later papers list them; meda Wang et al., ACM MM 2018; the SVM is tuned
            ("1nn", "tca"): 46.2,
            ("1nn", "gfk"): 43.1,
            ("1nn", "jda"): 46.8,
            ("1nn", "jgsa"): 50.1,
            ("1nn", "meda"): 52.7,
            ("svm", "source_only"): 46.6,
            ("svm", "coral"): 47.8,
        },
        shares=True,
    ),
)
UNKNOWN = Protocol((), "per_domain")


def main() -> None:
    """Print a table of ours and the published, and their averages."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--pairs", default="", help="source:target, by file name; left out: all")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--classifier", default="1nn", choices=("1nn", "svm", "logistic"))
    parser.add_argument("--standardize", default="", help="for files of no known set: rows, joint, per_domain, none")
    parser.add_argument("--usual", action="store_true", help="methods as they come, instead of set as in the papers")
    arguments = parser.parse_args()
    files = domains(arguments.folder)
    pairs = [pair for pair in arguments.pairs.split(",") if pair] or list(known_pairs(files))
    if not pairs:
        parser.error(f"DIR: {arguments.folder} has fewer than two .npz or .mat files.")
    for name in {name for pair in pairs for name in pair.split(":")} - {*files}:
        parser.error(f"--pairs: {name!r} is none of the domains. Allowed: {', '.join(files)}.")
    methods = arguments.methods.split(",")
    print("| pair | " + " | ".join(methods) + " |\n" + "|---" * (1 + len(methods)) + "|")
    ours: dict[str, list[float]] = {name: [] for name in methods}
    theirs: dict[str, list[float]] = {name: [] for name in methods}
    for pair in pairs:
        protocol = next((one for one in PROTOCOLS if pair in one.pairs), UNKNOWN)
        cells = []
        for name in methods:
            settings = {} if arguments.usual else protocol.settings.get(name, {})
            how = arguments.standardize or protocol.standardize if protocol is UNKNOWN else protocol.standardize
            found = accuracy(files, pair, name, settings, arguments.classifier, how, protocol.shares)
            known = protocol.published.get(name) if arguments.classifier == "1nn" else None
            ours[name].append(found)
            theirs[name] += [known[protocol.pairs.index(pair)]] if known else []
            cells.append(f"{found:.2f} ({theirs[name][-1]:.2f})" if known else f"{found:.2f}")
        print(f"| {pair} | " + " | ".join(cells) + " |", flush=True)
    print("| average | " + " | ".join(average(ours[name], theirs[name]) for name in methods) + " |")
    for protocol in PROTOCOLS:
        if {*pairs} == {*protocol.pairs}:
            listed = [f"{n} {v}" for (kind, n), v in protocol.averages.items() if kind == arguments.classifier]
            print(f"\nAverages listed in later papers: {', '.join(listed)}." if listed else "")


def average(ours: list[float], theirs: list[float]) -> str:
    """Write the mean of ours, and of the published where all are known."""
    return f"{np.mean(ours):.2f}" + (f" ({np.mean(theirs):.2f})" if len(theirs) == len(ours) else "")


def domains(folder: Path) -> dict[str, Path]:
    """Return the files of a folder by the name of their domain."""
    return {
        file.stem.split("_")[0].lower(): file for file in sorted(folder.iterdir()) if file.suffix in (".npz", ".mat")
    }


def known_pairs(files: dict[str, Path]) -> Iterator[str]:
    """Give the pairs within known sets of domains, and all pairs of the files that are of none."""
    of_sets = [pair for protocol in PROTOCOLS for pair in protocol.pairs]
    yield from (pair for pair in of_sets if {*pair.split(":")} <= {*files})
    rest = [name for name in files if all(name not in pair.split(":") for pair in of_sets)]
    yield from (":".join(pair) for pair in permutations(rest, 2))


def accuracy(
    files: dict[str, Path],
    pair: str,
    method: str,
    settings: dict[str, Any],
    classifier: str,
    standardize: str,
    shares: bool,
) -> float:
    """Carry out the trial of one method between two domains, as a person's own run would; per cent."""
    with tempfile.TemporaryDirectory() as folder:
        places = [files[name] for name in pair.split(":")]
        if shares:
            places = [_of_sum_one(place, Path(folder) / f"{place.stem}.npz") for place in places]
        spec = {
            "scenario": "features",
            "setting": "transductive",
            "source": {"path": str(places[0])},
            "target": {"path": str(places[1])},
            "methods": [{"name": method, "settings": settings}],
            "classifier": classifier,
            "standardize": standardize,
            "seeds": 1,
        }
        trial = next(one for one in Experiment.build(spec).trials() if one.method.name == method)
        return 100 * float(execute(trial).metrics["accuracy"])


def _of_sum_one(place: Path, written: Path) -> Path:
    table = FeatureFile(path=str(place)).read()
    rows = np.asarray(table.rows, float)
    sums = rows.sum(1, keepdims=True)
    np.savez(written, X=rows / np.where(sums > 0, sums, 1), y=table.labels)
    return written


if __name__ == "__main__":
    main()
