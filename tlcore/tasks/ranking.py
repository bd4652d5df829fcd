"""A ranking of all items for each user; an answer is one item that was chosen."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from tlcore.evaluation.ranking import LENGTHS, PER_USER, RANKING
from tlcore.examples import Domains, Examples, Predict
from tlcore.tasks.base import Task, TaskLoss

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix
    from torch import Tensor

    from tlcore.concerns import Concern, Plan

REMEMBERED = 1000
"""For so many test users a trial remembers what it showed them."""


@dataclass(frozen=True, kw_only=True)
class Ranking(Task):
    """An example is an interaction: the input is a user, the answer an item that they chose.

    L is the cross-entropy over a whole catalogue, a budget counts each user's interactions, and the head has one row of
    factors for each item of both catalogues.
    """

    name = "ranking"
    gives = frozenset({"choices", "one of K", "linear head"})
    settings = ("inductive",)
    shares_answers = False
    metrics = RANKING
    verdict_metrics = PER_USER
    budget_of = "user"
    curve: ClassVar[dict[int, str]] = {k: f"recall@{k}" for k in LENGTHS}

    headline: tuple[str, str] = ("recall@10", "ndcg@10")
    largest_budget: int = 50
    baseline: str = "best_from_scratch"
    rivals: tuple[str, ...] = ("als", "ease", "item_knn", "bpr", "popularity")

    def loss(self, domains: Domains) -> TaskLoss:
        """Return −log softmax(outputs)[y] over the catalogue that the item is in: no sampled negatives.

        Catalogues with items in common are one.
        """
        first = domains.first_target_answer
        return partial(_loss_in_catalogue, first_target=first if domains.source_answers <= first else 0)

    def spend(self, pool: Examples, budget: int, seed: int) -> tuple[Examples, Examples]:
        """Keep at most ``budget`` interactions of each user, drawn at random; nothing is held out."""
        shuffled = np.random.default_rng(seed).permutation(len(pool))
        by_user = shuffled[np.argsort(pool.inputs[shuffled], kind="stable")]
        users = pool.inputs[by_user]
        place = np.arange(len(users)) - np.searchsorted(users, users)
        return pool[np.sort(by_user[place < budget])], pool[by_user[:0]]

    def folds(self, training: Examples, seed: int) -> list[tuple[Examples, Examples]]:
        """Leave out one choice, drawn at random, of each user with two or more."""
        shuffled = training[np.random.default_rng(seed).permutation(len(training))]
        by_user = shuffled[np.argsort(shuffled.inputs, kind="stable")]
        first = np.r_[True, by_user.inputs[1:] != by_user.inputs[:-1]]
        held_out = first & (np.bincount(by_user.inputs)[by_user.inputs] > 1)
        return [(by_user[~held_out], by_user[held_out])] if held_out.any() else []

    def affordable(self, domains: Domains) -> int:
        """Users with fewer interactions give what they have."""
        return self.largest_budget

    def evaluate(
        self, predict: Predict, domains: Domains, training: Examples
    ) -> tuple[dict[str, float], dict[str, np.ndarray]]:
        """Rank the target's full catalogue for every test user, without what the trial was trained on."""
        from tlcore.evaluation.ranking import rank

        seen, held_out = (interactions(part, domains) for part in (training, domains.test))
        ranking = rank(lambda users: predict(users)[:, domains.first_target_answer :], seen, held_out)
        users = np.unique(domains.test.inputs)
        many = users_of(domains)
        return ranking.metrics, {
            **{name: values.astype(np.float32) for name, values in ranking.per_user.items()},
            "user": users.astype(np.int32),
            "known": np.bincount(training.inputs, minlength=many)[users].astype(np.int32),
            "elsewhere": np.bincount(domains.source.inputs, minlength=many)[users].astype(np.int32),
            "shown": ranking.top[:REMEMBERED].astype(np.int32),
        }

    def groups(self, examples: dict[str, np.ndarray], names: tuple[str, ...]) -> dict[str, np.ndarray]:
        """Return the test users with and without known choices in the target, and thirds by choices elsewhere."""
        known, elsewhere = examples["known"], examples["elsewhere"]
        low, high = np.quantile(elsewhere, [1 / 3, 2 / 3], method="lower")
        groups = {
            "cold": known == 0,
            "warm": known > 0,
            "few elsewhere": elsewhere <= low,
            "some elsewhere": (low < elsewhere) & (elsewhere <= high),
            "many elsewhere": elsewhere > high,
        }
        return {name: members for name, members in groups.items() if members.any()}

    def concerns(self, domains: Domains, plan: Plan, names: tuple[str, ...]) -> list[Concern]:
        """Check what the catalogues share, how many users are tested, and how files were read."""
        from tlcore.concerns import catalogues, power, rows

        facts = domains.facts
        found = [*catalogues.apart(facts), *power.few_test_users(facts["test_users"]), *rows.held_out(facts)]
        return [*found, *rows.misread(facts)]


def interactions(examples: Examples, domains: Domains) -> csr_matrix:
    """Return the target's interactions as a matrix of users and the target's items."""
    from scipy.sparse import csr_matrix

    cells = (examples.inputs, examples.answers - domains.first_target_answer)
    shape = (users_of(domains), domains.answers - domains.first_target_answer)
    return csr_matrix((np.ones(len(examples), np.float32), cells), shape)


def users_of(domains: Domains) -> int:
    """Return how many users both domains have together."""
    return 1 + max(int(part.inputs.max()) for part in (domains.source, domains.pool, domains.test))


def _loss_in_catalogue(outputs: Tensor, answers: Tensor, first_target: int) -> Tensor:
    import torch

    chosen = outputs.gather(1, answers[:, None])[:, 0]
    if not first_target:
        return outputs.logsumexp(1) - chosen
    in_target = answers >= first_target
    total = torch.where(in_target, outputs[:, first_target:].logsumexp(1), outputs[:, :first_target].logsumexp(1))
    return total - chosen
