"""Self-training: what the model makes of unlabelled target examples teaches it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from tlcore.methods.base import Batch, Family, Method

if TYPE_CHECKING:
    from torch import Tensor


class PseudoLabel(Method):
    """Σ_target L + β·r(p)·mean over unlabelled xⱼ of  [max_k qⱼₖ ≥ τ]·(−log qⱼ,argmax)  from θ₀ = the source model.

    q is the softmax of the present model: where it is sure of an unlabelled target example, it takes its own answer for
    the truth. r rises from 0 to 1 with training progress p. Helps when the source model is mostly right; where it is
    wrong and sure, it only gets surer.

    References
    ----------
    Lee, Pseudo-label: the simple and efficient semi-supervised learning method for deep neural networks, ICML workshop
    on challenges in representation learning 2013.
    """

    name = "pseudo_label"
    family: ClassVar[Family] = "instance"
    serves = ("inductive",)
    starts_from = "source"
    reference = "Lee, ICML workshop 2013"
    needs_unlabelled = True
    default_beta = 1.0

    threshold: float = Field(0.9, ge=0, le=1, description="τ, how sure the model must be to believe itself.")

    @property
    def needs_source_data(self) -> bool:
        """Of the source only the model."""
        return False

    def transfer_loss(self, batch: Batch) -> Tensor:
        """Cross-entropy with the model's own sure answers, a scalar."""
        logs = batch.target_outputs.log_softmax(1)
        best = logs.max(1).values
        sure = best.detach().exp() >= self.threshold
        return min(1.0, 2 * batch.progress) * -(best * sure).mean()
