"""Losses in training that a critic of its own fights: the network learns what the critic cannot tell.

One pass serves both sides: the critic minimises the loss, and on its way to the body the gradient is reversed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from tlcore.methods.base import Batch, Seen
from tlcore.methods.discrepancy import FromSourceWithTarget
from tlcore.methods.instances import DensityRatio

if TYPE_CHECKING:
    from torch import Tensor, nn


class _Adversarial(FromSourceWithTarget):
    """A method with a critic of two hidden layers, which tells the domains apart."""

    learning_rate: float = Field(5e-4, gt=0, le=1, description="Step size at the start of training.")
    critic_width: int = Field(64, ge=1, le=4096, description="Hidden units in each of the critic's two layers.")

    def critic(self, features: int, classes: int) -> nn.Module:
        """Return two hidden layers and one output: how much a row looks like the source's."""
        return layers(features, self.critic_width, 1)


class DANN(_Adversarial):
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
    reference = "Ganin et al., JMLR 2016"

    def transfer_loss(self, batch: Batch) -> Tensor:
        """Cross-entropy of the critic, a scalar; its gradient arrives in the features reversed."""
        return told_apart(batch, batch.source_features, batch.target_features)


class CDAN(_Adversarial):
    """As `DANN`, where the critic sees φ(x) ⊗ p(x): the features once for each class, by how likely it is.

    Conditional adversarial adaptation: what is fooled is not "this row is of the source" but "this row, taken for a
    k, is of the source", so classes are not mixed up on the way. p is the softmax of the outputs. Use it where answers
    are mostly right to begin with; it is as moody as `DANN`.

    References
    ----------
    Long, Cao, Wang & Jordan, Conditional adversarial domain adaptation, NeurIPS 2018.
    """

    name = "cdan"
    needs = frozenset({"classes"})
    reference = "Long et al., NeurIPS 2018"

    def critic(self, features: int, classes: int) -> nn.Module:
        """Return the critic for features × classes numbers."""
        return layers(features * classes, self.critic_width, 1)

    def transfer_loss(self, batch: Batch) -> Tensor:
        """Cross-entropy of the critic, a scalar; its gradient arrives in the features reversed."""
        return told_apart(
            batch,
            outer(batch.source_features, batch.source_outputs.softmax(1).detach()),
            outer(batch.target_features, batch.target_outputs.softmax(1).detach()),
        )


class IWAN(_Adversarial):
    """As `DANN`, with wᵢ ≥ 0 for source rows in every sum: those that look like none of the target's count little.

    Importance weighted adversarial nets, for a target that lacks some of the source's classes: rows of a class that is
    not there would otherwise pull target rows to them. w is the odds of a domain classifier on the source model's
    features (`DensityRatio`), where the paper takes 1 − d from a second critic.

    References
    ----------
    Zhang, Ding, Li & Ogunbona, Importance weighted adversarial nets for partial domain adaptation, CVPR 2018.
    """

    name = "iwan"
    needs = frozenset({"classes"})
    family = "instance"
    reference = "Zhang et al., CVPR 2018"

    largest_weight: float = Field(5.0, ge=1, le=1e6, description="The most that one source example can count.")

    def weights(self, seen: Seen) -> np.ndarray:
        """Return the odds of the target, shape (n,)."""
        return DensityRatio(largest_weight=self.largest_weight).weights(seen)

    def transfer_loss(self, batch: Batch) -> Tensor:
        """Weighted cross-entropy of the critic, a scalar; its gradient arrives in the features reversed."""
        return told_apart(batch, batch.source_features, batch.target_features, batch.source_weights)


class MCD(FromSourceWithTarget):
    """Σ L + β·(Σ_source L(y, f′) − mean over target rows and classes of |p − p′|), p′ = softmax f′(φ(x)).

    Maximum classifier discrepancy: two heads f and f′ answer the source alike and disagree on the target as much as
    they can; the body learns features on which they cannot. Each step does with a reversed gradient what the paper does
    in three. Use it where target rows lie near the boundaries between classes; where the source model is far off, both
    heads are wrong alike.

    References
    ----------
    Saito, Watanabe, Ushiku & Harada, Maximum classifier discrepancy for unsupervised domain adaptation, CVPR 2018.
    """

    name = "mcd"
    needs = frozenset({"classes"})
    reference = "Saito et al., CVPR 2018"

    critic_width: int = Field(64, ge=1, le=4096, description="Hidden units in each of the second head's two layers.")

    def critic(self, features: int, classes: int) -> nn.Module:
        """Return f′."""
        return layers(features, self.critic_width, classes)

    def transfer_loss(self, batch: Batch) -> Tensor:
        """Error of f′ on the source less the discrepancy on the target, a scalar."""
        from torch.nn.functional import cross_entropy

        from tlcore.gradient import reverse_gradient

        assert batch.critic is not None
        learned = cross_entropy(batch.critic(batch.source_features), batch.source_answers)
        features = reverse_gradient(batch.target_features, strength(batch.progress))
        one, other = batch.head(features).softmax(1), batch.critic(features).softmax(1)
        return learned - (one - other).abs().mean()


class MDD(FromSourceWithTarget):
    """Σ L + β·(γ·Σ_source L(ŷ, f′) − Σ_target log(1 − p′_ŷ)),  ŷ = the answer of f: f′ disagrees with f on the target.

    Margin disparity discrepancy: a critic f′ agrees with f on the source and disagrees on the target; the body
    learns features on which it cannot. γ is e to the margin. Its bound on the target's error is tighter than those
    behind `DANN` and `MCD`; use it as those, on large shifts with classes alike, and look at several seeds.

    References
    ----------
    Zhang, Liu, Long & Jordan, Bridging theory and algorithm for domain adaptation, ICML 2019.
    """

    name = "mdd"
    needs = frozenset({"classes"})
    reference = "Zhang et al., ICML 2019"

    margin: float = Field(4.0, ge=1, le=100, description="γ, how much agreement on the source counts.")
    critic_width: int = Field(64, ge=1, le=4096, description="Hidden units in each of the critic's two layers.")

    def critic(self, features: int, classes: int) -> nn.Module:
        """Return f′."""
        return layers(features, self.critic_width, classes)

    def transfer_loss(self, batch: Batch) -> Tensor:
        """The disparity that the critic minimises, a scalar; its gradient arrives in the features reversed."""
        from torch.nn.functional import cross_entropy

        from tlcore.gradient import reverse_gradient

        assert batch.critic is not None
        force = 0.1 * strength(batch.progress)  # as the authors' code has it: f′ must be ahead of the body
        there = batch.critic(reverse_gradient(batch.source_features, force))
        here = batch.critic(reverse_gradient(batch.target_features, force))
        agreed = cross_entropy(there, batch.source_outputs.argmax(1))
        said = here.softmax(1).gather(1, batch.target_outputs.argmax(1, keepdim=True)).squeeze(1)
        return self.margin * agreed - (1 - said).clamp(min=1e-6).log().mean()


def layers(features: int, width: int, outputs: int) -> nn.Module:
    """Return two hidden layers from (n, features) to (n, outputs)."""
    from torch import nn

    return nn.Sequential(
        nn.Linear(features, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, outputs)
    )


def strength(progress: float) -> float:
    """How strong the reversed gradient is:  2/(1 + e^(−10p)) − 1,  from 0 to 1."""
    return float(2 / (1 + np.exp(-10 * progress)) - 1)


def outer(features: Tensor, answers: Tensor) -> Tensor:
    """Rows φ ⊗ p, from (n, F) and (n, K) to (n, F·K)."""
    return (features[:, :, None] * answers[:, None, :]).flatten(1)


def told_apart(batch: Batch, source: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
    """Cross-entropy of the critic on rows of both domains, its gradient reversed behind it."""
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits

    from tlcore.gradient import reverse_gradient

    assert batch.critic is not None
    features = reverse_gradient(torch.cat([source, target]), strength(batch.progress))
    domain = torch.cat([features.new_ones(len(source)), features.new_zeros(len(target))])
    counts = None if weights is None else torch.cat([weights.to(features), features.new_ones(len(target))])
    return binary_cross_entropy_with_logits(batch.critic(features).squeeze(1), domain, weight=counts)
