"""Losses in training that measure how far apart the domains are, or how unsure the network is, and lessen it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from tlcore.methods.base import Batch, Family, Method

if TYPE_CHECKING:
    from torch import Tensor


class FromSourceWithTarget(Method):
    """Σ_source L + Σ_target L + β·L_T from θ₀ = the source model; a subclass says what L_T is."""

    family: ClassVar[Family] = "feature"
    starts_from = "source"
    trains_on = ("source", "target")
    needs_unlabelled = True
    default_beta = 1.0


class MMD(FromSourceWithTarget):
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
    reference = "Long et al., ICML 2015"

    def transfer_loss(self, batch: Batch) -> Tensor:
        """MMD² of the batch's features, a scalar ≥ 0."""
        return squared_mmd(batch.source_features, batch.target_features)


class JMMD(FromSourceWithTarget):
    """Σ L + β·JMMD²: as `MMD`, of features and answers together, with the kernel k(φ, φ′)·k(p, p′).

    p is the softmax of the outputs. Draws together not the domains as wholes but what is answered alike, so it bears
    other class frequencies better than `MMD`, as long as the answers are mostly right.

    References
    ----------
    Long, Zhu, Wang & Jordan, Deep transfer learning with joint adaptation networks, ICML 2017.
    """

    name = "jmmd"
    needs = frozenset({"classes"})
    reference = "Long et al., ICML 2017"

    def transfer_loss(self, batch: Batch) -> Tensor:
        """JMMD² of the batch, a scalar ≥ 0."""
        import torch

        features = torch.cat([batch.source_features, batch.target_features])
        answers = torch.cat([batch.source_outputs, batch.target_outputs]).softmax(1)
        return difference(gaussians(features) * gaussians(answers, widths=(1.0,)), len(batch.source_features))


class DeepCORAL(FromSourceWithTarget):
    """Σ L + β·‖C_S − C_T‖²_F / 4F²: draw the covariances C (F, F) of the domains' features together.

    What `CORAL` does once for frozen features, in training. As the features are free to shrink, which lessens the loss
    too, look at accuracy and not at L_T alone. Batches should have more rows than there are features.

    References
    ----------
    Sun & Saenko, Deep CORAL: correlation alignment for deep domain adaptation, ECCV workshops 2016.
    """

    name = "deep_coral"
    reference = "Sun & Saenko, ECCV workshops 2016"
    default_beta = 10.0

    def transfer_loss(self, batch: Batch) -> Tensor:
        """Squared distance of the covariances, a scalar ≥ 0."""
        width = batch.source_features.shape[1]
        between = covariance(batch.source_features) - covariance(batch.target_features)
        return between.square().sum() / (4 * width**2)


class MCC(FromSourceWithTarget):
    """Σ L + β·mean over classes k of  Σ_{l≠k} C_kl / Σ_l C_kl,  C = P̂ᵀ·diag(w)·P̂: confuse no two classes.

    Minimum class confusion: P̂ (m, K) are the answers to target rows, softened by ``temperature``; w counts sure rows
    more. It compares no domains, so it minds neither a missing class nor other frequencies. One of the strongest
    simple losses; it can settle for one answer where the source model is weak.

    References
    ----------
    Jin, Wang, Long & Wang, Minimum class confusion for versatile domain adaptation, ECCV 2020.
    """

    name = "mcc"
    needs = frozenset({"classes"})
    reference = "Jin et al., ECCV 2020"

    temperature: float = Field(2.5, gt=0, le=100, description="What outputs are divided by before the softmax.")

    def transfer_loss(self, batch: Batch) -> Tensor:
        """The confusion, a scalar between 0 and 1."""
        answers = (batch.target_outputs / self.temperature).softmax(1)
        entropy = -(answers * answers.clamp(min=1e-9).log()).sum(1).detach()
        sureness = 1 + (-entropy).exp()
        weights = len(answers) * sureness / sureness.sum()
        confusion = (answers * weights[:, None]).T @ answers
        confusion = confusion / confusion.sum(1, keepdim=True)
        return (confusion.sum() - confusion.trace()) / len(confusion)


class AFN(FromSourceWithTarget):
    """Σ L + β·mean over all rows of  (‖φ(x)‖ − (‖φ(x)‖ + r) held fixed)²: make features longer, step by step.

    Adaptive feature norm: features of the target are short where a network does not know what it sees; each step asks
    all of them to be a little longer. The squared difference is always r²; what counts is its gradient, −2r along the
    length. It minds no missing class. Not for networks without normalisation, where features may grow without end.

    References
    ----------
    Xu, Li, Yang & Lin, Larger norm more transferable: an adaptive feature norm approach, ICCV 2019.
    """

    name = "afn"
    reference = "Xu et al., ICCV 2019"
    default_beta = 0.05

    step: float = Field(1.0, gt=0, le=1e3, description="r, how much longer each step asks features to be.")

    def transfer_loss(self, batch: Batch) -> Tensor:
        """The squared difference, a scalar; its gradient makes features longer."""
        import torch

        lengths = torch.cat([batch.source_features, batch.target_features]).norm(dim=1)
        step = self.step
        return (lengths - (lengths.detach() + step)).square().mean()


def squared_mmd(source: Tensor, target: Tensor) -> Tensor:
    """Biased estimate of MMD² between rows (n, F) and (m, F), ≥ 0.

    References
    ----------
    Gretton, Borgwardt, Rasch, Schölkopf & Smola, A kernel two-sample test, JMLR 2012.
    """
    import torch

    return difference(gaussians(torch.cat([source, target])), len(source))


def gaussians(rows: Tensor, widths: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0, 4.0)) -> Tensor:
    """Mean of Gaussian kernels (n, n) between rows (n, F), of so many times the mean squared distance."""
    import torch

    norms = rows.square().sum(1)
    distances = (norms[:, None] + norms[None, :] - 2 * rows @ rows.T).clamp(min=0)
    # Where all rows are alike their distances are rounding errors: the floor keeps the kernel at one.
    mean = distances.detach().mean().clamp(min=1e-12 + 1e-5 * float(norms.detach().mean()))
    return torch.stack([torch.exp(-distances / (mean * width)) for width in widths]).mean(0)


def difference(kernel: Tensor, n: int) -> Tensor:
    """MMD² of the first n rows and the others, from the kernel of all."""
    return kernel[:n, :n].mean() + kernel[n:, n:].mean() - 2 * kernel[:n, n:].mean()


def covariance(rows: Tensor) -> Tensor:
    """Unbiased covariance (F, F) of rows (n, F); of one row, zeros."""
    centred = rows - rows.mean(0)
    return centred.T @ centred / max(len(rows) - 1, 1)
