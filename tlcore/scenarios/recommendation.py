"""Recommendation scenarios: catalogues that share their users."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import TYPE_CHECKING

import numpy as np

from tlcore.evaluation.ranking import PER_USER, RANKING
from tlcore.scenarios.base import Domains, Examples, Predict, Scenario, TaskLoss

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix
    from torch import Tensor

    from tlcore.network import Network


class Recommendation(Scenario):
    """A scenario in which an example is an interaction: the input is a user, the answer an item that they chose.

    The network is matrix factorisation: the body looks up a user's factors, the head has one row of factors for each
    item of both catalogues. What the source model carries over is the users; the target's items start at random.
    """

    task = "ranking"
    settings = ("inductive",)
    shares_answers = False
    baseline = "als"
    metrics = RANKING
    verdict_metrics = PER_USER
    headline = ("recall@10", "ndcg@10")
    budget_of = "user"
    factors = 64
    dropout = 0.5

    def spend(self, pool: Examples, budget: int, seed: int) -> tuple[Examples, Examples]:
        """Keep at most ``budget`` interactions of each user, drawn at random; nothing is held out."""
        shuffled = np.random.default_rng(seed).permutation(len(pool))
        by_user = shuffled[np.argsort(pool.inputs[shuffled], kind="stable")]
        users = pool.inputs[by_user]
        place = np.arange(len(users)) - np.searchsorted(users, users)
        return pool[np.sort(by_user[place < budget])], pool[by_user[:0]]

    def network(self, domains: Domains) -> Network:
        """Return user factors with dropout, and item factors with a bias each, for both catalogues."""
        from torch import nn

        from tlcore.network import Network

        lookup = nn.Embedding(_users(domains), self.factors)
        nn.init.normal_(lookup.weight, std=0.1)
        return Network([nn.Sequential(lookup, nn.Dropout(self.dropout))], nn.Linear(self.factors, domains.answers))

    def task_loss(self, domains: Domains) -> TaskLoss:
        """Return −log softmax(outputs)[y] over the catalogue that the item is in: no sampled negatives."""
        return partial(_loss_in_catalogue, first_target=domains.first_target_answer)

    def evaluate(
        self, predict: Predict, domains: Domains, training: Examples
    ) -> tuple[dict[str, float], dict[str, np.ndarray]]:
        """Rank the target's full catalogue for every test user, without what the trial was trained on."""
        from tlcore.evaluation.ranking import rank

        seen, held_out = (interactions(part, domains) for part in (training, domains.test))
        ranking = rank(lambda users: predict(users)[:, domains.first_target_answer :], seen, held_out)
        return ranking.metrics, {name: values.astype(np.float32) for name, values in ranking.per_user.items()}


def interactions(examples: Examples, domains: Domains) -> csr_matrix:
    """Return the target's interactions as a matrix of users and the target's items."""
    from scipy.sparse import csr_matrix

    cells = (examples.inputs, examples.answers - domains.first_target_answer)
    shape = (_users(domains), domains.answers - domains.first_target_answer)
    return csr_matrix((np.ones(len(examples), np.float32), cells), shape)


def _users(domains: Domains) -> int:
    return 1 + max(int(part.inputs.max()) for part in (domains.source, domains.pool, domains.test))


def leave_last_out(user: np.ndarray, item: np.ndarray, time: np.ndarray) -> tuple[Examples, Examples]:
    """Split each user's interactions in time: all but the last into the pool, the last for scoring.

    Of interactions in the same second the one that stands later counts as later. Users with fewer than two are left
    out.
    """
    order = np.lexsort((np.arange(len(user)), time, user))
    user, item = user[order], item[order]
    last = np.r_[user[1:] != user[:-1], True]
    several = np.bincount(user)[user] > 1
    whole = Examples(user, item)
    return whole[several & ~last], whole[several & last]


class Films(Recommendation):
    """Films that a person liked: from the rest of the catalogue to one genre."""

    name = "films"
    title = "Films"
    summary = (
        "943 people and what they liked among 1,682 films. How much does what they like elsewhere help to recommend "
        "films of one genre, when only a few of their choices there are known?"
    )
    credit = (
        "MovieLens 100K (Harper & Konstan, The MovieLens datasets: history and context, ACM TiiS 2015; GroupLens "
        "terms: research use, no redistribution, no commercial use without permission)."
    )
    genres = {
        "children": ("Children's", "Animation"),
        "crime-mystery": ("Crime", "Mystery", "Film-Noir"),
        "scifi-fantasy": ("Sci-Fi", "Fantasy"),
        "romance": ("Romance",),
    }
    pairs = tuple(("other-films", target) for target in genres)
    largest_budget = 50
    epochs = 50
    max_steps = 1000
    batch_size = 1024
    liked = 4.0

    def domains(self, source: str, target: str) -> Domains:
        """Ratings of 4 and 5 are choices; each user's last one in the target is the test."""
        return _films(self.genres[target], self.liked)


@lru_cache(maxsize=4)
def _films(genres: tuple[str, ...], liked: float) -> Domains:
    from tlcore.datasets import DATASETS

    films = DATASETS["movielens-100k"].fetch()
    in_target = np.array([any(genre in of_film.split() for genre in genres) for of_film in films["genres"]])
    # Items anew: the source's first, then the target's.
    number = np.empty(len(in_target), np.int64)
    number[np.argsort(in_target, kind="stable")] = np.arange(len(in_target))
    chosen = films["rating"] >= liked
    user, item, time = films["user"][chosen] - 1, number[films["item"][chosen]], films["time"][chosen]
    first = int((~in_target).sum())
    source = Examples(user[item < first], item[item < first])
    pool, test = leave_last_out(user[item >= first], item[item >= first], time[item >= first])
    return Domains(source, pool, test, len(in_target), first)


def _loss_in_catalogue(outputs: Tensor, answers: Tensor, first_target: int) -> Tensor:
    import torch

    in_target = answers >= first_target
    total = torch.where(in_target, outputs[:, first_target:].logsumexp(1), outputs[:, :first_target].logsumexp(1))
    return total - outputs.gather(1, answers[:, None])[:, 0]
