"""How often does an interval from the scores of pictures cover the true gap in average precision?

    python -m benchmarks.boxes [--draws 400]

Two detectors see the same pictures. A picture is easy or hard for both, has a few objects or many, and each detector
finds an object, and raises a false alarm, with chances that differ from picture to picture; so AP is a function of all
pictures together, and boxes in a picture belong together. The truth is the gap over 20,000 pictures. The interval is
that of one seed: about new pictures alone (`tlcore.evaluation.gap`; benchmarks/coverage.py tries it for seeds).
"""

import argparse

import numpy as np

from tlcore.evaluation.boxes import Matches
from tlcore.evaluation.gap import gap_interval


def pictures(rng: np.random.Generator, n: int, objects: float, skill: float) -> tuple[list[np.ndarray], np.ndarray]:
    """Return what two detectors say of n pictures, the second the better by ``skill``, and the truth."""
    most = int(objects * 4) + 8
    count = np.minimum(1 + rng.poisson(rng.gamma(2, objects / 2, n)), most)
    truth = np.zeros((n, most, 6))
    grid = np.arange(most) * 10.0
    truth[..., 0], truth[..., 2], truth[..., 3] = grid, grid + 8, 8.0
    truth[..., 4] = np.where(np.arange(most) < count[:, None], 0, -1)
    hardness = rng.normal(0, 0.8, n)
    both = []
    for better in (0.0, skill):
        ease = better - hardness - rng.normal(0, 0.4, n)
        found = truth.copy()
        found[..., 2] += rng.normal(0, 1.2, (n, most)) * np.exp(-ease / 2)[:, None]
        found[..., 5] = rng.normal(ease[:, None] + 1, 1, (n, most))
        found[rng.random((n, most)) > 1 / (1 + np.exp(-1 - ease))[:, None], 4] = -1
        false = truth.copy()
        false[..., 1:4:2] += 50
        false[..., 4] = np.where(np.arange(most) < rng.poisson(count * np.exp(-ease / 2) * 0.6)[:, None], 0, -1)
        false[..., 5] = rng.normal(0, 1, (n, most))
        both.append(np.concatenate([found, false], axis=1))
    return both, truth


def scored(said: list[np.ndarray], truth: np.ndarray) -> list[Matches]:
    return [Matches.of(one, truth, 1) for one in said]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=400)
    draws = parser.parse_args().draws
    print("objects  skill  pictures  metric    gap    covered  width")
    for objects, skill in ((2.0, 0.0), (2.0, 0.5), (12.0, 0.0), (12.0, 0.5)):
        large = [one.metrics() for one in scored(*pictures(np.random.default_rng(0), 20_000, objects, skill))]
        for n in (12, 30, 100):
            rng = np.random.default_rng(n)
            covered: dict[str, list[bool]] = {"ap50": [], "ap": []}
            widths: dict[str, list[float]] = {"ap50": [], "ap": []}
            for _ in range(draws):
                said, truth = pictures(rng, n, objects, skill)
                one, other = (each.scores() for each in scored(said, truth))
                for metric in covered:
                    gap = large[1][metric] - large[0][metric]
                    found = gap_interval([other[metric] - one[metric]])
                    covered[metric].append(found.ci_low <= gap <= found.ci_high)
                    widths[metric].append(found.ci_high - found.ci_low)
            for metric in covered:
                gap = large[1][metric] - large[0][metric]
                line = f"{objects:7.0f}  {skill:5.1f}  {n:8d}  {metric:6s}  {gap:6.3f}  {np.mean(covered[metric]):7.3f}"
                print(f"{line}  {np.mean(widths[metric]):5.3f}", flush=True)


if __name__ == "__main__":
    main()
