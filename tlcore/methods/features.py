"""Feature transfer: a space φ in which the domains meet, found in closed form or by a loss during training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from tlcore.methods.base import Batch, FeatureMap, Method

if TYPE_CHECKING:
    from torch import Tensor, nn


class FeatureExtraction(Method):
    """Σ_target L(y, f(φ(x); θ)) from a random head, φ = the source model's body.

    As `Frozen`, but the head starts anew: for targets with other classes than the source's, or where the source's
    answers mislead.

    References
    ----------
    Sharif Razavian et al., CNN features off-the-shelf: an astounding baseline for recognition, CVPR workshops 2014.
    """

    name = "feature_extraction"
    family = "feature"
    serves = ("inductive",)
    reference = "Sharif Razavian et al., CVPR workshops 2014"
    on_features = True

    learning_rate: float = Field(2e-2, gt=0, le=1, description="Step size of Adam at the start of training.")


class CORAL(Method):
    """φ(z) = (z − μ_S)·C_S^(−½)·C_T^(½) + μ_T for source features z, φ(z) = z for the target's.

    Source features take the target's mean and covariance, then a new head learns from them (and from target labels,
    if any). C is a domain's covariance plus ``shrinkage`` times its mean variance on the diagonal. In closed form and
    linear in the number of rows; it cannot mend a shift that differs from class to class.

    References
    ----------
    Sun, Feng & Saenko, Return of frustratingly easy domain adaptation, AAAI 2016.
    """

    name = "coral"
    family = "feature"
    reference = "Sun, Feng & Saenko, AAAI 2016"
    trains_on = ("source", "target")
    on_features = True
    needs_unlabelled = True

    learning_rate: float = Field(2e-2, gt=0, le=1, description="Step size of Adam at the start of training.")
    shrinkage: float = Field(0.01, gt=0, le=1, description="Share of the mean variance added to each variance.")

    def feature_map(self, source: np.ndarray, target: np.ndarray) -> tuple[FeatureMap, FeatureMap]:
        """Return the map of source rows and the identity for target rows, both (n, F) to (n, F)."""
        mean_source, mean_target = source.mean(0), target.mean(0)
        colouring = _power(self._covariance(source), -0.5) @ _power(self._covariance(target), 0.5)
        return lambda rows: (rows - mean_source) @ colouring + mean_target, lambda rows: rows

    def _covariance(self, rows: np.ndarray) -> np.ndarray:
        covariance = np.cov(rows, rowvar=False).reshape(rows.shape[1], -1)
        ridge = self.shrinkage * np.trace(covariance) / len(covariance)
        return covariance + ridge * np.eye(len(covariance))


def _power(covariance: np.ndarray, exponent: float) -> np.ndarray:
    """C to a real power, for a symmetric positive definite C (F, F)."""
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * values.clip(1e-12) ** exponent) @ vectors.T


class MMD(Method):
    """Σ L(y, f(φ(x); θ)) + β·MMD²(φ(X_S), φ(X_T)) from θ₀ = the source model: draw the domains' features together.

    With a kernel k,  MMD² = mean k(s, s′) + mean k(t, t′) − 2·mean k(s, t): zero exactly when the domains share one
    feature distribution. k is a sum of Gaussian kernels whose widths are ``2^i`` times the mean squared distance in
    the batch, i = −2 … 2. Use it when the classes are shared and about equally frequent in both domains; with other
    class frequencies, aligning the domains as wholes mixes up classes.

    References
    ----------
    Long, Cao, Wang & Jordan, Learning transferable features with deep adaptation networks, ICML 2015.
    """

    name = "mmd"
    family = "feature"
    reference = "Long et al., ICML 2015"
    starts_from = "source"
    trains_on = ("source", "target")
    needs_unlabelled = True
    default_beta = 1.0

    def transfer_loss(self, batch: Batch) -> Tensor:
        """MMD² of the batch's features, a scalar ≥ 0."""
        return squared_mmd(batch.source_features, batch.target_features)


def squared_mmd(source: Tensor, target: Tensor) -> Tensor:
    """Biased estimate of MMD² between rows (n, F) and (m, F), ≥ 0.

    References
    ----------
    Gretton, Borgwardt, Rasch, Schölkopf & Smola, A kernel two-sample test, JMLR 2012.
    """
    import torch

    both = torch.cat([source, target])
    norms = both.square().sum(1)
    distances = (norms[:, None] + norms[None, :] - 2 * both @ both.T).clamp(min=0)
    width = distances.detach().mean().clamp(min=1e-12)
    kernel = torch.stack([torch.exp(-distances / (width * 2.0**i)) for i in range(-2, 3)]).mean(0)
    n = len(source)
    return kernel[:n, :n].mean() + kernel[n:, n:].mean() - 2 * kernel[:n, n:].mean()


class DANN(Method):
    """Σ L(y, f(φ(x); θ)) + β·L_T,  L_T = −min over critics of the error in telling the domains apart by φ(x).

    A critic d learns to tell source from target features; the network learns to fool it through a reversed gradient,
    whose strength grows with training progress p as  2/(1 + e^(−10p)) − 1. The recorded L_T is the critic's
    cross-entropy: near log 2 = 0.69, the domains can no longer be told apart. Powerful on large shifts, but moody:
    look at several seeds.

    References
    ----------
    Ganin et al., Domain-adversarial training of neural networks, JMLR 2016.
    """

    name = "dann"
    family = "feature"
    reference = "Ganin et al., JMLR 2016"
    starts_from = "source"
    trains_on = ("source", "target")
    needs_unlabelled = True
    default_beta = 1.0

    learning_rate: float = Field(5e-4, gt=0, le=1, description="Step size of Adam at the start of training.")
    critic_width: int = Field(64, ge=1, le=4096, description="Hidden units in each of the critic's two layers.")

    def critic(self, features: int, classes: int) -> nn.Module:
        """Return two hidden layers and one output: how much a row looks like the source's."""
        from torch import nn

        width = self.critic_width
        return nn.Sequential(
            nn.Linear(features, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1)
        )

    def transfer_loss(self, batch: Batch) -> Tensor:
        """Cross-entropy of the critic, a scalar; its gradient arrives in the features reversed."""
        import torch
        from torch.nn.functional import binary_cross_entropy_with_logits

        from tlcore.gradient import reverse_gradient

        assert batch.critic is not None
        strength = 2 / (1 + np.exp(-10 * batch.progress)) - 1
        features = reverse_gradient(torch.cat([batch.source_features, batch.target_features]), float(strength))
        domain = torch.cat([torch.ones(len(batch.source_features)), torch.zeros(len(batch.target_features))])
        return binary_cross_entropy_with_logits(batch.critic(features).squeeze(1), domain.to(features.device))
