"""Metrics of groups that were found without labels: against labels that were held back, and without any."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tlcore.evaluation.metrics import Metric
from tlcore.evaluation.pseudovalues import from_left_out

CLUSTERS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "matched_accuracy",
            "matched accuracy",
            True,
            "The share of test examples that are right once each group is called by the label that suits it best.",
        ),
        Metric(
            "adjusted_rand",
            "adjusted Rand index",
            True,
            "Of pairs of examples, how often groups and labels agree on together or apart; 0 is by chance.",
        ),
        Metric(
            "normalised_information",
            "normalised mutual information",
            True,
            "How much a group tells of the label, and a label of the group; 0 is nothing, 1 is all.",
        ),
        Metric(
            "stability",
            "stability",
            True,
            "Known without labels: how far groups found in two parts of the examples agree; 1 is wholly, 0 by chance.",
        ),
        Metric(
            "silhouette",
            "silhouette",
            True,
            "Known without labels: how much nearer examples are to their own group than to the next, in the space "
            "where the method looked for groups.",
        ),
    )
}
"""The metrics of groups, in the order in which they are shown."""
LABELLED = ("matched_accuracy", "adjusted_rand", "normalised_information")
"""Those that compare groups with labels: they have a score for each test example (`example_scores`)."""
UNLABELLED = ("stability", "silhouette")
"""Those that ask for no label."""
PART = 0.8
"""Share of the rows in which groups are looked for again, to see how stable they are."""
MOST_COMPARED = 1000
"""Examples between which a silhouette takes distances."""


def contingency(labels: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return how many examples of each label (n,) are in each group (n,), both whole numbers from 0; int64 (C, K)."""
    table = np.zeros((1 + int(labels.max()), 1 + int(groups.max())), np.int64)
    np.add.at(table, (labels, groups), 1)
    return table


def matching(table: np.ndarray) -> np.ndarray:
    """Return the label of each group (K,) under the best matching one to one; −1 of a group that is left over.

    The matching  argmax over one-to-one m of  Σ_k n[m(k), k],  by the Hungarian algorithm, from a contingency (C, K).

    References
    ----------
    Kuhn, The Hungarian method for the assignment problem, Naval Research Logistics Quarterly 1955.
    """
    from scipy.optimize import linear_sum_assignment

    label_of = np.full(table.shape[1], -1)
    labels, groups = linear_sum_assignment(table, maximize=True)
    label_of[groups] = labels
    return label_of


def adjusted_rand(tables: np.ndarray) -> np.ndarray:
    """Return the adjusted Rand index of contingencies (m, C, K), as (m,).

    With n[c, k] examples of label c in group k, its sums a over groups and b over labels, and (·) = x(x − 1)/2::

        ARI = (Σ (n[c, k]) − E) / (½(Σ (a[c]) + Σ (b[k])) − E),     E = Σ (a[c]) · Σ (b[k]) / (n)

    It is 1 where both parts are of one piece, or all of pieces of one.

    References
    ----------
    Hubert & Arabie, Comparing partitions, Journal of Classification 1985.
    """
    tables = np.asarray(tables, float)
    together, of_labels, of_groups = (
        _pairs(part).reshape(len(tables), -1).sum(1) for part in (tables, tables.sum(2), tables.sum(1))
    )
    all_pairs = _pairs(tables.sum((1, 2)))
    by_chance = of_labels * of_groups / np.maximum(all_pairs, 1)
    spread = (of_labels + of_groups) / 2 - by_chance
    found: np.ndarray = np.where(spread == 0, 1.0, (together - by_chance) / np.where(spread == 0, 1, spread))
    return found


def normalised_information(tables: np.ndarray) -> np.ndarray:
    """Return the normalised mutual information of contingencies (m, C, K), as (m,).

    NMI = I(label; group) / (½(H(label) + H(group))),  1 where neither has any entropy.

    References
    ----------
    Strehl & Ghosh, Cluster ensembles, JMLR 2002; with the arithmetic mean, Vinh, Epps & Bailey, Information theoretic
    measures for clusterings comparison, JMLR 2010.
    """
    shares = np.asarray(tables, float)
    shares = shares / shares.sum((1, 2), keepdims=True)
    of_labels, of_groups, of_both = (
        _entropy(part.reshape(len(part), -1)) for part in (shares.sum(2), shares.sum(1), shares)
    )
    mean = (of_labels + of_groups) / 2
    shared = np.maximum(of_labels + of_groups - of_both, 0.0)
    found: np.ndarray = np.where(mean < 1e-12, 1.0, shared / np.where(mean < 1e-12, 1, mean))
    return found


def cluster_metrics(labels: np.ndarray, groups: np.ndarray) -> dict[str, float]:
    """Score groups against labels that were held back.

    Parameters
    ----------
    labels, groups : ndarray of int, shape (n,)
        Numbers from 0; which group has which number does not matter.

    Returns
    -------
    dict of str to float
        The metrics of `LABELLED`, and ``recall_0``, … : the share of each label's examples that are in the group
        matched with it (nan of a label that no example has).

    Raises
    ------
    ValueError
        Where there is no example, or there are more of one than of the other.

    Examples
    --------
    >>> found = cluster_metrics(np.array([0, 0, 1, 1]), np.array([1, 1, 0, 1]))
    >>> found["matched_accuracy"], found["recall_0"], found["recall_1"]
    (0.75, 1.0, 0.5)
    """
    table = _checked(labels, groups)
    right = np.zeros(len(table))
    label_of = matching(table)
    right[label_of[label_of >= 0]] = table[label_of[label_of >= 0], np.flatnonzero(label_of >= 0)]
    sizes = table.sum(1)
    recalls = np.where(sizes > 0, right / np.maximum(sizes, 1), np.nan)
    return {
        "matched_accuracy": float(right.sum() / table.sum()),
        "adjusted_rand": float(adjusted_rand(table[None])[0]),
        "normalised_information": float(normalised_information(table[None])[0]),
        **{f"recall_{label}": float(recall) for label, recall in enumerate(recalls)},
    }


def example_scores(labels: np.ndarray, groups: np.ndarray) -> dict[str, np.ndarray]:
    """Return for each metric of `LABELLED` the score of each example (n,), whose mean it is.

    An example is right or wrong under the matching of all. The two that are no mean over examples get jackknife
    pseudo-values (`tlcore.evaluation.pseudovalues`): to leave an example out is to take one from its cell of the
    contingency, so that there are no more than C·K of them to find.
    """
    table = _checked(labels, groups)
    cells = np.ravel_multi_index((labels, groups), table.shape)
    some = np.unique(cells)
    without = np.repeat(table[None], len(some), axis=0)
    without.reshape(len(some), -1)[np.arange(len(some)), some] -= 1
    place = np.searchsorted(some, cells)

    def scores(statistic: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        left_out = statistic(without) if len(labels) > 1 else np.full(1, np.nan)
        return from_left_out(float(statistic(table[None])[0]), left_out[place])

    return {
        "matched_accuracy": (matching(table)[groups] == labels).astype(float),
        "adjusted_rand": scores(adjusted_rand),
        "normalised_information": scores(normalised_information),
    }


def stability(
    find: Callable[[np.ndarray], Callable[[np.ndarray], np.ndarray]], rows: np.ndarray, seed: int, times: int = 5
) -> float:
    """Return how far groups that are found in one part of the rows agree with those found in another.

    The mean over ``times`` pairs A, B, each four fifths of the rows at random, of  ARI(f_A(rows), f_B(rows)):  groups
    that are only a matter of which examples one happens to have say nothing about others.

    Parameters
    ----------
    find : callable
        From rows (m, F) to what says of rows (n, F) how well they suit each group, (n, K).
    rows : ndarray, shape (n, F)
    seed, times : int

    References
    ----------
    Ben-Hur, Elisseeff & Guyon, A stability based method for discovering structure in clustered data, Pacific Symposium
    on Biocomputing 2002; its limits: von Luxburg, Clustering stability: an overview, Foundations and Trends in Machine
    Learning 2010.
    """
    generator, found = np.random.default_rng(seed), []
    for _ in range(times):
        parts = [np.sort(generator.permutation(len(rows))[: max(1, int(PART * len(rows)))]) for _ in range(2)]
        one, other = (find(rows[part])(rows).argmax(1) for part in parts)
        found.append(adjusted_rand(contingency(one, other)[None])[0])
    return float(np.mean(found))


def silhouette(rows: np.ndarray, groups: np.ndarray, seed: int) -> float:
    """Return the mean of (b − a)/max(a, b), a: mean distance to one's own group, b: to the nearest other; in [−1, 1].

    Of at most `MOST_COMPARED` rows (n, F), drawn by the seed; nan where all are in one group, or each in one of its
    own. It is a matter of the space, too: between methods that look in different spaces it decides nothing.

    References
    ----------
    Rousseeuw, Silhouettes: a graphical aid, Journal of Computational and Applied Mathematics 1987.
    """
    from sklearn.metrics import silhouette_score

    some = np.sort(np.random.default_rng(seed).permutation(len(rows))[:MOST_COMPARED])
    rows, groups = rows[some], groups[some]
    if not 1 < len(np.unique(groups)) < len(rows):
        return float("nan")
    return float(silhouette_score(rows, groups))


def _checked(labels: np.ndarray, groups: np.ndarray) -> np.ndarray:
    if len(labels) != len(groups) or not len(labels):
        raise ValueError(f"There must be as many labels as groups, at least one, but there are {len(labels)} and "
                         f"{len(groups)}.")  # fmt: skip
    return contingency(labels, groups)


def _pairs(counts: np.ndarray) -> np.ndarray:
    pairs: np.ndarray = counts * (counts - 1) / 2
    return pairs


def _entropy(shares: np.ndarray) -> np.ndarray:
    from scipy.special import entr

    entropy: np.ndarray = entr(shares).sum(1)
    return entropy
