"""How good a model is on the target, estimated without a label of it.

Each takes 0/1 losses on held-out source examples and how much these look like the target's, or the answers to
unlabelled target examples alone.
"""

from __future__ import annotations

import numpy as np


def importance_weighted(losses: np.ndarray, weights: np.ndarray) -> float:
    """Risk on the target  mean wᵢ·ℓᵢ / mean wᵢ  from held-out source examples, w ≈ p_T/p_S.

    Right under covariate shift, and of large variance where a few weights rule.

    References
    ----------
    Sugiyama, Krauledat & Müller, Covariate shift adaptation by importance weighted cross validation, JMLR 2007.
    """
    return float(np.average(losses, weights=weights))


def deep_embedded(losses: np.ndarray, weights: np.ndarray) -> float:
    """Risk on the target  mean wℓ + η·mean w − η,  η = −cov(wℓ, w)/var(w), weights scaled to a mean of one.

    As `importance_weighted` with w itself as a control variate, which lessens the variance; η·(mean w − 1) is then zero
    where the mean is exactly one, so weights are scaled on all source examples and losses known on some.

    Parameters
    ----------
    losses : np.ndarray, shape (n,)
    weights : np.ndarray, shape (n,)
        wᵢ ≥ 0, whose expectation over the source is one.

    References
    ----------
    You, Wang, Long & Jordan, Towards accurate model selection in deep unsupervised domain adaptation, ICML 2019.
    """
    weighted = weights * losses
    variance = float(np.var(weights, ddof=1)) if len(weights) > 1 else 0.0
    eta = -float(np.cov(weighted, weights)[0, 1]) / variance if variance > 0 else 0.0
    return float(weighted.mean() + eta * weights.mean() - eta)


def soft_neighbourhood_density(answers: np.ndarray, temperature: float = 0.05, sample: int = 2000) -> float:
    """Mean entropy of whom each target row takes for its neighbours, by the answers (m, K) to them: large is good.

    Rows that are answered alike should be many and close. It can be fooled by one answer to all; so the density of a
    model whose answers are all of one class is −∞.

    References
    ----------
    Saito, Kim, Teterwak, Sclaroff, Darrell & Saenko, Tune it the right way: unsupervised validation of domain
    adaptation via soft neighborhood density, ICCV 2021.
    """
    from scipy.special import log_softmax

    if len(np.unique(answers.argmax(1))) < 2:
        return -np.inf
    rows = answers[np.linspace(0, len(answers) - 1, min(sample, len(answers))).astype(int)]
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    similarity = rows @ rows.T / temperature
    np.fill_diagonal(similarity, -np.inf)
    logs = log_softmax(similarity, axis=1)
    shares = np.exp(logs)
    return float(-(shares * np.where(shares > 0, logs, 0)).sum(1).mean())
