"""Recommendation scenarios: from one catalogue to another that shares users or items with it."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from tlcore.datasets.interactions import InteractionFile, Interactions
from tlcore.datasets.own import read_both
from tlcore.errors import SpecificationError
from tlcore.examples import Domains, Examples
from tlcore.scenarios.base import Scenario
from tlcore.tasks.ranking import Ranking, users_of

if TYPE_CHECKING:
    from tlcore.methods.base import Method
    from tlcore.network import Network

SPLIT_SEED = 20_260_201


class Recommendation(Scenario):
    """A scenario in which an example is an interaction: the input is a user, the answer an item that they chose.

    The network is matrix factorisation: the body looks up a user's factors, the head has one row of factors for each
    item of both catalogues. What the source model carries over are the users, and the items that both catalogues have.
    """

    task = Ranking()
    first_methods = ("popularity", "fine_tune", "frozen", "joint_ease", "cmf")
    shown_facts = ("shared_users", "shared_items", "source_interactions", "target_interactions", "test_users")
    epochs = 50
    max_steps = 1000
    batch_size = 1024
    factors: ClassVar[int] = 64
    dropout: ClassVar[float] = 0.5

    split: Literal["last", "random"] = Field(
        "last", description="What is held out for scoring: each user's last choice in the target, or a random one."
    )
    cold_users: float = Field(
        0.0, ge=0, lt=1, description="Share of the test users of whom no choice in the target is known in training."
    )

    def network(self, domains: Domains) -> Network:
        """Return user factors with dropout, and item factors with a bias each, for both catalogues."""
        from torch import nn

        from tlcore.network import Network

        lookup = nn.Embedding(users_of(domains), self.factors)
        nn.init.normal_(lookup.weight, std=0.1)
        body = nn.Sequential(lookup, nn.Dropout(self.dropout))
        return Network([body], self.task.head(self.factors, domains))

    def refusal(self, method: Method, domains: Domains) -> str:
        """Refuse what would carry over nothing: methods that need shared users or items where there are none."""
        if domains.facts["shared_users"] or not method.transfers:
            return ""
        if not domains.facts["shared_items"]:
            return "has nothing to carry over: the two domains share neither users nor items"
        if method.needs_shared_inputs:
            return "needs users in both domains, and these share items only"
        return ""


def catalogues(source: Interactions, target: Interactions, split: str, cold_users: float) -> Domains:
    """Bring two tables of choices together: users and items with the same name are the same.

    Items are numbered so that those of the source alone come first, then the shared ones, then the target's own. A
    choice in the source that is also held out in the target is left out of the source.

    Raises
    ------
    SpecificationError
        If fewer than two users have two choices or more in the target: nobody could be tested.
    """
    users, (user_in_source, user_in_target) = _union(source.users, target.users)
    both = np.isin(source.items, target.items)
    items = np.concatenate([source.items[~both], source.items[both], np.setdiff1d(target.items, source.items)])
    first = int((~both).sum())
    sorter = np.argsort(items)
    in_source, in_target = (sorter[np.searchsorted(items, part.items, sorter=sorter)] for part in (source, target))
    names = items.astype(object)
    for part, place in ((source, in_source), (target, in_target)):
        names[place] = part.names
    user, item = user_in_target[target.user], in_target[target.item]
    time = np.arange(len(target)) if target.time is None else target.time
    pool, test = leave_last_out(user, item, time) if split == "last" else leave_one_out(user, item)
    if len(test) < 2:
        raise SpecificationError(
            f"target: {len(test)} of its {len(target.users)} users have two choices or more; at least 2 must, so that "
            "one can be learned from and one held out."
        )
    if cold_users:
        shuffled = np.random.default_rng(SPLIT_SEED).permutation(test.inputs)
        cold = shuffled[: round(cold_users * len(shuffled))]
        pool = pool[~np.isin(pool.inputs, cold)]
    whole = Examples(user_in_source[source.user], in_source[source.item])
    held_out = np.isin(whole.inputs * len(items) + whole.answers, test.inputs * len(items) + test.answers)
    facts = {
        "source_interactions": int((~held_out).sum()),
        "target_interactions": len(target),
        "source_users": len(source.users),
        "target_users": len(target.users),
        "shared_users": len(np.intersect1d(source.users, target.users)),
        "source_items": len(source.items),
        "target_items": len(target.items),
        "shared_items": int(both.sum()),
        "test_users": len(test),
        "held_out_in_source": int(held_out.sum()),
        **{f"source_{why}": count for why, count in source.dropped.items()},
        **{f"target_{why}": count for why, count in target.dropped.items()},
    }
    return Domains(
        source=whole[~held_out],
        pool=pool,
        test=test,
        answers=len(items),
        first_target_answer=first,
        source_answers=len(source.items),
        answer_names=names.astype(str),
        input_names=users,
        facts=facts,
    )


def _union(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Return all names of two lists, and where in it each of the two is."""
    union = np.union1d(first, second)
    return union, (np.searchsorted(union, first), np.searchsorted(union, second))


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


def leave_one_out(user: np.ndarray, item: np.ndarray) -> tuple[Examples, Examples]:
    """Split each user's interactions at random, always the same way: one for scoring, the others into the pool."""
    return leave_last_out(user, item, np.random.default_rng(SPLIT_SEED).permutation(len(user)))


class Films(Recommendation):
    """Films that a person liked: from the rest of the catalogue, or one kind of film, to one genre."""

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
    sources: ClassVar[dict[str, tuple[str, ...]]] = {
        "other-films": (),
        "documentaries": ("Documentary",),
        "musicals": ("Musical",),
        "westerns": ("Western",),
    }
    genres: ClassVar[dict[str, tuple[str, ...]]] = {
        "children": ("Children's", "Animation"),
        "crime-mystery": ("Crime", "Mystery", "Film-Noir"),
        "scifi-fantasy": ("Sci-Fi", "Fantasy"),
        "romance": ("Romance",),
    }
    pairs = tuple(product(sources, genres))

    liked: float = Field(4.0, ge=1, le=5, description="From which rating on a film counts as a choice.")

    def domains(self, source: str, target: str) -> Domains:
        """Ratings of 4 and 5 are choices; what is in the target is not in the source."""
        return _films(self.sources[source], self.genres[target], self.liked, self.split, self.cold_users)


class Ratings(Recommendation):
    """Two tables of your own: who chose what in the source, and in the target."""

    name = "ratings"
    title = "Your own catalogues"
    summary = (
        "Bring two tables of users and items, such as what people bought in two shops. Users or items with the same "
        "name in both are the bridge."
    )
    credit = "Your own data; it stays on this machine."
    own = InteractionFile

    liked: float | None = Field(
        None,
        ge=0,
        description="From which rating on a row is a choice; empty: each file's median rating, of two "
        "different ratings the larger.",
    )

    def domains(self, source: InteractionFile, target: InteractionFile) -> Domains:
        """Rows with a rating below ``liked`` are no choices; where there are no ratings all rows are."""
        return _ratings(source.model_dump_json(), target.model_dump_json(), self.liked, self.split, self.cold_users)


@lru_cache(maxsize=4)
def _films(source: tuple[str, ...], target: tuple[str, ...], liked: float, split: str, cold_users: float) -> Domains:
    from tlcore.datasets import DATASETS

    films = DATASETS["movielens-100k"].fetch()
    of_film = [set(genres.split()) for genres in films["genres"]]
    in_target = np.array([not genres.isdisjoint(target) for genres in of_film])
    in_source = ~in_target & np.array([not source or not genres.isdisjoint(source) for genres in of_film])
    there, here = (_chosen_films(films, catalogue, liked) for catalogue in (in_source, in_target))
    return catalogues(there, here, split, cold_users)


def _chosen_films(films: dict[str, Any], catalogue: np.ndarray, liked: float) -> Interactions:
    """Return the choices among some films, told apart by their number, as some share their title."""
    rows = (films["rating"] >= liked) & catalogue[films["item"]]
    items = np.flatnonzero(catalogue)
    users, user = np.unique(films["user"][rows], return_inverse=True)
    return Interactions(
        user,
        np.searchsorted(items, films["item"][rows]),
        np.char.zfill(users.astype(str), 4),
        np.char.zfill(items.astype(str), 4),
        films["rating"][rows],
        films["time"][rows].astype(float),
        films["title"][items],
    )


@lru_cache(maxsize=2)
def _ratings(source: str, target: str, liked: float | None, split: str, cold_users: float) -> Domains:
    there, here = read_both(*map(InteractionFile.model_validate_json, (source, target)))
    return catalogues(_choices("source", there, liked), _choices("target", here, liked), split, cold_users)


def _choices(which: str, table: Interactions, liked: float | None) -> Interactions:
    """Return the rows that are choices and their users; an item that nobody likes stays in the catalogue."""
    if table.rating is None:
        return table
    from_rating = _usual(table.rating) if liked is None else liked
    rows = table.rating >= from_rating
    if not rows.any():
        raise SpecificationError(
            f"liked: no row of the {which} has a rating of {from_rating:g} or more. Allowed: up to "
            f"{table.rating.max():g}."
        )
    users, user = np.unique(table.user[rows], return_inverse=True)
    return replace(
        table,
        user=user,
        item=table.item[rows],
        users=table.users[users],
        rating=table.rating[rows],
        time=None if table.time is None else table.time[rows],
        dropped=table.dropped | {"not_liked": int((~rows).sum())},
    )


def _usual(rating: np.ndarray) -> float:
    """Return from which rating on a row counts, unless a person says it: the median, of two values the larger."""
    values = np.unique(rating)
    return float(values[1] if len(values) == 2 else np.median(rating))  # of clicks as 0 and 1 the median is often 0
