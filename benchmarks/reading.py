"""How long it takes to read a large table, beside bare pyarrow; and how much memory a column of many categories takes.

    python -m benchmarks.reading [--rows 1000000]

Each figure comes from a process of its own, the quickest of three. What is read is what a person's file goes through
before a run: unpacking, encoding, dialect, cells, and what is in each column. The second table goes all the way to what
methods are given: aligned, split and standardised.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

BARE = "import pyarrow.csv; n = pyarrow.csv.read_csv(path).num_rows"
OURS = """
from tlcore.datasets.features import FeatureFile
table = FeatureFile(path=path).read()
n = len(table)
kinds = [column.kind for column in table.rows]
values = [column.numbers() if column.kind == 'number' else column.counts for column in table.rows]
"""
WARM = "import pyarrow.csv, duckdb, pandas, tlcore.datasets.features, chardet"
DOMAINS = """
from tlcore.experiment import Experiment
spec = dict(scenario='features', source=path, target=path.replace('S.csv', 'T.csv'), methods='logistic_regression')
n = len(Experiment.build(spec).domains().source)
"""
TIMED = """
import json, resource, sys, time
path = sys.argv[1]
{warm}
began = time.perf_counter()
{code}
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(json.dumps([time.perf_counter() - began, peak, n]))
"""


def timed(code: str, path: Path, warm: str = WARM) -> tuple[float, float]:
    """Return seconds and GiB at the peak of a process that runs some code, the quickest of three."""
    command = [sys.executable, "-c", TIMED.format(code=code, warm=warm), str(path)]
    found = [json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout) for _ in range(3)]
    seconds, peak, _ = min(found)
    return seconds, peak


def main() -> None:
    """Make the files and print the figures."""
    import pyarrow as pa
    import pyarrow.csv

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows = parser.parse_args().rows
    rng = np.random.default_rng(0)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "large.csv"
        numbers = {f"f{i}": rng.normal(size=rows).round(4) for i in range(17)}
        words = {"colour": rng.choice(["red", "green", "blue"], rows), "count": rng.integers(0, 100, rows)}
        pyarrow.csv.write_csv(pa.table({**numbers, **words, "label": rng.choice(["a", "b"], rows)}), path)
        bare, ours = timed(BARE, path), timed(OURS, path)
        print(f"{rows:,} rows x 20 columns, {path.stat().st_size / 1e6:.0f} MB")
        print(f"  bare pyarrow  {bare[0]:6.2f} s  {bare[1]:5.2f} GiB")
        print(f"  here          {ours[0]:6.2f} s  {ours[1]:5.2f} GiB, {ours[0] / bare[0]:.2f} times as long")
        for name, many in (("S", 120_000), ("T", 2_000)):
            names = np.array([f"place {i}" for i in range(990)])
            table = {
                "place": rng.choice(names, many),
                "x": rng.normal(size=many),
                "label": rng.choice(["a", "b"], many),
            }
            pyarrow.csv.write_csv(pa.table(table), Path(folder) / f"{name}.csv")
        seconds, peak = timed(DOMAINS, Path(folder) / "S.csv", warm="")
        print(f"120,000 rows, a column of 990 categories, ready for methods: {seconds:.2f} s, {peak:.2f} GiB")


if __name__ == "__main__":
    main()
