"""How long do recommenders take, and how much memory, on catalogues of a size that people have?

    python -m benchmarks.recommender_scale [--methods als,cmf] [--users 50000] [--interactions 1100000]

First two made-up catalogues that share their users: items are popular by a power law, users like a few topics that
both catalogues have. Each method fits them and ranks the target's catalogue for every test user, on one thread as in a
trial, in a process of its own, so that its peak of memory is its own. Then the ranking alone, of 100,000 users by
50,000 items.
"""

import argparse
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from tlcore.evaluation.ranking import rank
from tlcore.examples import Examples
from tlcore.methods import METHODS
from tlcore.methods.base import Seen
from tlcore.scenarios.recommendation import leave_last_out

NAMES = ("popularity", "item_knn", "ease", "als", "bpr", "joint_ease", "cmf", "emcdr")
TOPICS = 100
SOURCE_SHARE = 0.7  # of the interactions


def interactions(users: int, items: int, many: int, likes: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw who chose what: four choices in five are of a topic that the user likes, the others of any."""
    rng = np.random.default_rng(seed)
    activity = rng.lognormal(sigma=1.0, size=users)
    user = rng.choice(users, size=many, p=activity / activity.sum())
    topic = likes[user, rng.integers(likes.shape[1], size=many)]
    topic = np.where(rng.random(many) < 0.8, topic, rng.integers(TOPICS, size=many))
    each = items // TOPICS
    weights = 1 / np.arange(1, each + 1) ** 0.9
    place = rng.choice(each, size=many, p=weights / weights.sum())
    pairs = np.unique(user * items + rng.permutation(items)[topic * each + place])
    return pairs // items, pairs % items


def catalogues(users: int, source_items: int, target_items: int, many: int) -> tuple[Examples, Examples, Examples]:
    """Return the source, what is known of the target, and one held-out choice of each user with two."""
    likes = np.random.default_rng(0).integers(TOPICS, size=(users, 3))
    in_source = interactions(users, source_items, round(many * SOURCE_SHARE), likes, seed=1)
    user, item = interactions(users, target_items, round(many * (1 - SOURCE_SHARE)), likes, seed=2)
    time = np.random.default_rng(3).permutation(len(user))
    return Examples(*in_source), *leave_last_out(user, item + source_items, time)


def fit_and_rank(name: str, users: int, source_items: int, target_items: int, many: int) -> tuple[float, ...]:
    """Return the seconds of fitting and of ranking, the recall@10, and how many users were ranked."""
    source, known, test = catalogues(users, source_items, target_items, many)
    seen, wanted = (
        csr_matrix((np.ones(len(part), np.float32), (part.inputs, part.answers - source_items)), (users, target_items))
        for part in (known, test)
    )
    method = METHODS[name]()
    start = time.perf_counter()
    solution = method.solve(Seen.labelled(source if method.transfers else None, known, source_items + target_items, 0))
    fitted = time.perf_counter()
    told = rank(lambda rows: solution.predict(rows)[:, source_items:], seen, wanted)
    return fitted - start, time.perf_counter() - fitted, told.metrics["recall@10"], len(test)


def only_rank(users: int, items: int, factors: int) -> tuple[float]:
    """Return the seconds of ranking everybody by factors."""
    rng = np.random.default_rng(0)
    of_users, of_items = (rng.normal(size=(n, factors)).astype(np.float32) for n in (users, items))
    seen, held_out = (
        csr_matrix((np.ones(users * each, np.float32), (np.repeat(np.arange(users), each), chosen.ravel())))
        for each, chosen in (
            (20, 1 + np.arange(20) + rng.integers(items - 21, size=(users, 1))),
            (1, np.zeros(users, int)),
        )
    )
    held_out.resize(users, items)
    seen.resize(users, items)
    start = time.perf_counter()
    rank(lambda rows: of_users[rows] @ of_items.T, seen, held_out)
    return (time.perf_counter() - start,)


def measured(work: Callable[..., tuple[float, ...]], *arguments: Any) -> tuple[tuple[float, ...], float]:
    """Return what some work tells, done in a new process on one thread, and the process' peak of memory in GB."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_on_one_thread, work, arguments).result()


def _on_one_thread(work: Callable[..., tuple[float, ...]], arguments: tuple[Any, ...]) -> Any:
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(1)
    with threadpool_limits(1):
        told = work(*arguments)
    return told, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", default=",".join(NAMES))
    parser.add_argument("--users", type=int, default=50_000)
    parser.add_argument("--source-items", type=int, default=20_000)
    parser.add_argument("--target-items", type=int, default=10_000)
    parser.add_argument("--interactions", type=int, default=1_100_000)
    arguments = parser.parse_args()
    size = (arguments.users, arguments.source_items, arguments.target_items, arguments.interactions)
    source, known, test = catalogues(*size)
    print(
        f"{arguments.users:,} users, {arguments.source_items:,} + {arguments.target_items:,} items, "
        f"{len(source) + len(known) + len(test):,} interactions\n"
    )
    print("| method | fit, s | rank, s | together, s | peak memory, GB | recall@10 |")
    print("|---|---|---|---|---|---|")
    for name in filter(None, arguments.methods.split(",")):
        (fit, ranking, recall, _), peak = measured(fit_and_rank, name, *size)
        print(f"| {name} | {fit:.1f} | {ranking:.1f} | {fit + ranking:.1f} | {peak:.1f} | {recall:.3f} |", flush=True)
    (seconds,), peak = measured(only_rank, 100_000, 50_000, 32)
    print(f"\nRanking 100,000 users by 50,000 items: {seconds:.0f} s, {peak:.1f} GB")


if __name__ == "__main__":
    main()
