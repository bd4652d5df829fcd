"""Our recommenders beside other libraries' on the same choices: do they say the same?

    python -m benchmarks.recommender_peers [--budget 5] [--seed 0] [--search]

Each peer is called directly on the matrix of what the trial may know, or is a formula written out; all are scored on
the test choices of the four targets of `films` by `tlcore.evaluation.ranking`, and recall@10 once more by a count that
shares no code with it. ``--search`` leaves the test choices alone and looks for settings of BPR, ours and the peers',
that are good on each user's last choice *in the pool*. Peers that are not installed are named in the table.
"""

import argparse
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.sparse import csr_matrix, hstack

from benchmarks.pool_only import pool_only
from tlcore.examples import Domains, Examples
from tlcore.methods import METHODS
from tlcore.methods.base import Seen
from tlcore.scenarios import SCENARIOS

Scores = np.ndarray
"""Of all users and the target's items."""


class Known(NamedTuple):
    """What a recommender may know: a matrix of users and the items of each catalogue, and where it starts from."""

    source: csr_matrix
    target: csr_matrix
    seed: int


def als(known: Known, **settings: Any) -> Scores:
    from implicit.als import AlternatingLeastSquares

    ours = METHODS["als"](**settings)
    model = AlternatingLeastSquares(
        ours.factors,
        ours.ridge,
        alpha=1 + ours.confidence,
        iterations=ours.iterations,
        random_state=known.seed,
        num_threads=1,
    )
    model.fit(known.target, show_progress=False)
    return model.user_factors @ model.item_factors.T


def stacked_als(known: Known) -> Scores:
    ours = METHODS["cmf"]()
    settings = {name: getattr(ours, name) for name in ("factors", "ridge", "confidence", "iterations")}
    stacked = known._replace(target=csr_matrix(hstack([known.source, known.target])))
    return als(stacked, **settings)[:, known.source.shape[1] :]


def dense_ease(known: Known) -> Scores:
    x = known.target.toarray().astype(float)
    inverse = np.linalg.inv(x.T @ x + METHODS["ease"]().ridge * np.eye(x.shape[1]))
    return x @ (np.eye(x.shape[1]) - inverse @ np.diag(1 / np.diag(inverse)))


def _cosines(target: csr_matrix) -> csr_matrix:
    from implicit.nearest_neighbours import CosineRecommender

    model = CosineRecommender(K=METHODS["item_knn"]().neighbours + 1)  # it counts the item itself
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Method expects CSR input")  # of its own doing
        model.fit(target, show_progress=False)
    similar = model.similarity.tolil()
    similar.setdiag(0)
    return similar.tocsr()


def cosine_of_shown(known: Known) -> Scores:
    """Score an item by those of *its* neighbours that a user chose, as Sarwar et al. and we do."""
    return (known.target @ _cosines(known.target).T).toarray()


def cosine_of_chosen(known: Known) -> Scores:
    """Score an item by the chosen items that have *it* as a neighbour, as Deshpande & Karypis and implicit do."""
    return (known.target @ _cosines(known.target)).toarray()


def implicit_bpr(known: Known, **settings: Any) -> Scores:
    from implicit.bpr import BayesianPersonalizedRanking

    ours = METHODS["bpr"](**settings)
    model = BayesianPersonalizedRanking(
        ours.factors, ours.step_size, ours.ridge, iterations=ours.iterations, random_state=known.seed, num_threads=1
    )
    model.fit(known.target, show_progress=False)
    return model.user_factors @ model.item_factors.T


def cornac_bpr(known: Known, **settings: Any) -> Scores:
    from cornac.data import Dataset
    from cornac.models import BPR

    ours = METHODS["bpr"](**settings)
    cells = known.target.tocoo()
    names = [{i: i for i in range(n)} for n in known.target.shape]
    data = Dataset(*known.target.shape, *names, (cells.row, cells.col, cells.data), seed=known.seed)
    model = BPR(
        k=ours.factors, max_iter=ours.iterations, learning_rate=ours.step_size, lambda_reg=ours.ridge, seed=known.seed
    )
    model.fit(data)
    return model.u_factors @ model.i_factors.T + model.i_biases


PEERS: list[tuple[str, dict[str, Any], str, str, Callable[..., Scores]]] = [
    ("als", {}, "implicit", "ALS", als),
    ("ease", {}, "numpy", "the formula, dense", dense_ease),
    ("item_knn", {"damping": 0}, "implicit", "cosine, neighbours of what is shown", cosine_of_shown),
    ("item_knn", {"damping": 0}, "implicit", "cosine, neighbours of what was chosen", cosine_of_chosen),
    ("bpr", {}, "implicit", "BPR", implicit_bpr),
    ("bpr", {}, "cornac", "BPR", cornac_bpr),
    ("cmf", {}, "implicit", "ALS, catalogues side by side", stacked_als),
]

BPR_GRID = {
    "factors": [32, 128],
    "ridge": [0.01, 0.02, 0.03, 0.1, 0.3],
    "step_size": [0.01, 0.03, 0.1],
    "iterations": [100, 300],
}


def known_of(domains: Domains, training: Examples, seed: int) -> Known:
    users = 1 + max(int(part.inputs.max()) for part in (domains.source, domains.pool, domains.test))
    first = domains.first_target_answer
    source, target = (
        csr_matrix((np.ones(len(part), np.float32), (part.inputs, part.answers - start)), (users, items))
        for part, start, items in ((domains.source, 0, first), (training, first, domains.answers - first))
    )
    return Known(source, target, seed)


def recall_counted(scores: Scores, known: csr_matrix, test: Examples, k: int = 10) -> float:
    """Return the mean chance of each user's one held-out item to be among the first k, ties in random order."""
    hits = []
    for user, item in zip(test.inputs, test.answers, strict=True):
        left = np.setdiff1d(np.arange(scores.shape[1]), known[user].indices)
        own, others = np.float32(scores[user, item]), scores[user, left].astype(np.float32)
        above, level = (others > own).sum(), (others == own).sum()
        hits.append(np.clip((k - above) / level, 0, 1))
    return float(np.mean(hits))


def compare(budget: int, seed: int) -> None:
    print(
        "| ours | peer | target | recall@10: ours | peer | counted: ours | peer | ndcg@10: ours | peer | peer / ours |"
    )
    print("|" + "---|" * 10)
    films = SCENARIOS["films"]
    for name, settings, library, what, peer in PEERS:
        if find_spec(library) is None:
            print(f"| {name} | {library}: {what} | not installed |" + " |" * 7)
            continue
        method = METHODS[name](**settings)
        for target in films.genres:
            domains = films.domains("other-films", target)
            training, _ = films.spend(domains.pool, budget, seed)
            known = known_of(domains, training, seed)
            test = Examples(domains.test.inputs, domains.test.answers - domains.first_target_answer)
            users = np.arange(known.target.shape[0])
            source = domains.source if method.transfers else None
            solution = method.solve(Seen.labelled(source, training, domains.answers, seed))
            told = []
            for scores in (solution.predict(users)[:, domains.first_target_answer :], peer(known)):
                wide = np.pad(scores, ((0, 0), (domains.first_target_answer, 0)))
                metrics, _ = films.evaluate(wide.__getitem__, domains, training)
                told.append((metrics["recall@10"], recall_counted(scores, known.target, test), metrics["ndcg@10"]))
            cells = " | ".join(f"{value:.3f}" for pair in zip(*told, strict=True) for value in pair)
            print(f"| {name} | {library}: {what} | {target} | {cells} | {told[1][0] / told[0][0]:.3f} |", flush=True)


def search(budget: int, seeds: int, best: int) -> None:
    """Print each BPR's best settings on the pool, and what popularity reaches there."""
    print("| recommender | settings | mean recall@10 on the pool | " + " | ".join(SCENARIOS["films"].genres) + " |")
    print("|" + "---|" * (3 + len(SCENARIOS["films"].genres)))
    with pool_only("films"):
        films = SCENARIOS["films"]
        worlds = []
        for target, seed in product(films.genres, range(seeds)):
            domains = films.domains("other-films", target)
            training, _ = films.spend(domains.pool, budget, seed)
            worlds.append((domains, training, seed))

        def recall(scores_of: Callable[[Domains, Examples, int], Scores]) -> np.ndarray:
            """Return the mean over seeds for each target."""
            scored = []
            for domains, training, seed in worlds:
                wide = np.pad(scores_of(domains, training, seed), ((0, 0), (domains.first_target_answer, 0)))
                scored.append(films.evaluate(wide.__getitem__, domains, training)[0]["recall@10"])
            return np.reshape(scored, (len(films.genres), seeds)).mean(1)

        def ours(name: str, **settings: Any) -> Callable[[Domains, Examples, int], Scores]:
            def scores(domains: Domains, training: Examples, seed: int) -> Scores:
                users = np.arange(known_of(domains, training, seed).target.shape[0])
                solution = METHODS[name](**settings).solve(Seen.labelled(None, training, domains.answers, seed))
                return solution.predict(users)[:, domains.first_target_answer :]

            return scores

        def theirs(peer: Callable[..., Scores], **settings: Any) -> Callable[[Domains, Examples, int], Scores]:
            return lambda domains, training, seed: peer(known_of(domains, training, seed), **settings)

        rows = {"popularity": [(recall(ours("popularity")), {})]}
        for what, library, of in (
            ("bpr (ours)", "torch", lambda **settings: ours("bpr", **settings)),
            ("BPR of implicit", "implicit", lambda **settings: theirs(implicit_bpr, **settings)),
            ("BPR of cornac", "cornac", lambda **settings: theirs(cornac_bpr, **settings)),
        ):
            if find_spec(library) is not None:
                grid = [dict(zip(BPR_GRID, values, strict=True)) for values in product(*BPR_GRID.values())]
                rows[what] = sorted(((recall(of(**s)), s) for s in grid), key=lambda row: -row[0].mean())
        for what, tried in rows.items():
            for by_target, settings in tried[:best]:
                said = ", ".join(f"{key} {value}" for key, value in settings.items()) or "–"
                cells = " | ".join(f"{value:.3f}" for value in by_target)
                print(f"| {what} | {said} | {by_target.mean():.3f} | {cells} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--budget", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--search", action="store_true", help="settings of BPR on the pool, instead")
    parser.add_argument("--seeds", type=int, default=2, help="of the search")
    parser.add_argument("--best", type=int, default=3, help="how many settings of the search to print")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # as in a trial
    if arguments.search:
        search(arguments.budget, arguments.seeds, arguments.best)
    else:
        compare(arguments.budget, arguments.seed)


if __name__ == "__main__":
    main()
