"""Self-training: what the model makes of unlabelled target examples teaches it; the source's data stay at home."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from tlcore.methods.base import Batch, Family, Method, Need

if TYPE_CHECKING:
    from torch import Tensor

    from tlcore.examples import Examples
    from tlcore.network import Network


class _SourceFree(Method):
    """Σ_target L + β·L_T from θ₀ = the source model, of which nothing but the parameters travel."""

    family: ClassVar[Family] = "instance"
    needs: ClassVar[frozenset[Need]] = frozenset({"classes"})
    starts_from = "source"
    needs_unlabelled = True
    default_beta = 1.0

    @property
    def needs_source_data(self) -> bool:
        """Of the source only the model."""
        return False


class PseudoLabel(_SourceFree):
    """Σ_target L + β·r(p)·mean over unlabelled xⱼ of  [max_k qⱼₖ ≥ τ]·(−log qⱼ,argmax)  from θ₀ = the source model.

    q is the softmax of the present model: where it is sure of an unlabelled target example, it takes its own answer for
    the truth. r rises from 0 to 1 with training progress p. Helps when the source model is mostly right; where it is
    wrong and sure, it only gets surer: without any target label it soon gives one answer to all.

    References
    ----------
    Lee, Pseudo-label: the simple and efficient semi-supervised learning method for deep neural networks, ICML workshop
    on challenges in representation learning 2013.
    """

    name = "pseudo_label"
    serves = ("inductive",)
    needs = frozenset({"one of K"})
    reference = "Lee, ICML workshop 2013"

    threshold: float = Field(0.9, ge=0, le=1, description="τ, how sure the model must be to believe itself.")

    def transfer_loss(self, batch: Batch) -> Tensor:
        """Cross-entropy with the model's own sure answers, a scalar."""
        logs = batch.target_outputs.log_softmax(1)
        best = logs.max(1).values
        sure = best.detach().exp() >= self.threshold
        return min(1.0, 2 * batch.progress) * -(best * sure).mean()


class SHOT(_SourceFree):
    """Σ_target L + β·(mean H(qⱼ) − H(mean qⱼ) + α·mean −log qⱼ,ŷⱼ)  from θ₀ = the source model, its head fixed.

    Source hypothesis transfer: the body learns features on which the source's head is sure of each row and varied over
    all of them. ŷⱼ is the class whose centre, the mean of features weighted by q, has the smallest angle to φ(xⱼ);
    found in each batch, where the paper takes all rows once an epoch. It expects about equally frequent classes.

    References
    ----------
    Liang, Hu & Feng, Do we really need to access the source data? Source hypothesis transfer for unsupervised domain
    adaptation, ICML 2020.
    """

    name = "shot"
    reference = "Liang, Hu & Feng, ICML 2020"
    head_moves = False

    learning_rate: float = Field(1e-3, gt=0, le=1, description="Step size at the start of training.")
    centre_weight: float = Field(0.3, ge=0, le=100, description="α, how much the answers by centres count.")

    def transfer_loss(self, batch: Batch) -> Tensor:
        """Information to be lost, and cross-entropy with the answers by centres, a scalar."""
        from torch.nn.functional import cross_entropy

        answers = batch.target_outputs.softmax(1)
        information = entropy(answers).mean() - entropy(answers.mean(0, keepdim=True)).mean()
        guessed = nearest_centre(batch.target_features.detach(), answers.detach())
        return information + self.centre_weight * cross_entropy(batch.target_outputs, guessed)


class Tent(_SourceFree):
    """Σ_target L + β·mean H(qⱼ)  from θ₀ = the source model; only a scale and a shift of each feature move.

    Test entropy minimisation: the model is tuned to be sure of the target's rows by so few numbers that it can hardly
    go astray. They stand behind the body: the networks here have no normalisation layers, whose numbers the paper
    moves. Cheap; where shifts are large, surer and wrong.

    References
    ----------
    Wang, Shelhamer, Liu, Olshausen & Darrell, Tent: fully test-time adaptation by entropy minimization, ICLR 2021.
    """

    name = "tent"
    reference = "Wang et al., ICLR 2021"
    head_moves = False

    learning_rate: float = Field(1e-3, gt=0, le=1, description="Step size at the start of training.")

    def trainable_groups(self, epoch: int, groups: int) -> int:
        """The head, which does not move, and what stands before it."""
        return 2

    def network(self, network: Network, source: Examples | None, target: Examples) -> Network:
        """Put a scale and a shift of each feature behind the body."""
        from tlcore.network import Modulation, Network

        return Network([*network.body, Modulation(network.features)], network.head, network.rates)

    def transfer_loss(self, batch: Batch) -> Tensor:
        """Mean entropy of the answers, a scalar ≥ 0."""
        return entropy(batch.target_outputs.softmax(1)).mean()


def entropy(answers: Tensor) -> Tensor:
    """H(q) = −Σ_k q_k·log q_k  of rows (n, K), shape (n,)."""
    return -(answers * answers.clamp(min=1e-9).log()).sum(1)


def nearest_centre(features: Tensor, answers: Tensor) -> Tensor:
    """The class whose centre has the smallest angle to each row, twice: centres by (n, K) answers, then by these."""
    from torch.nn.functional import normalize, one_hot

    rows = normalize(features, dim=1)
    guessed = answers.argmax(1)
    for weights in (answers, None):
        by = one_hot(guessed, answers.shape[1]).to(rows.dtype) if weights is None else weights
        centres = normalize((by.T @ rows) / by.sum(0).clamp(min=1e-9)[:, None], dim=1)
        nearness = rows @ centres.T
        guessed = nearness.masked_fill(by.sum(0) < 1e-6, -2.0).argmax(1)
    return guessed
