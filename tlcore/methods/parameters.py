"""Parameter transfer: what is carried over as θ₀, what stays frozen, and what keeps θ near."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from tlcore.methods.base import Method

if TYPE_CHECKING:
    from torch import Tensor

    from tlcore.network import Network


class FineTune(Method):
    """Σ_target L(y, f(x; θ)) from θ₀ = the source model, all of θ free.

    The first thing to try when source and target look alike and there are some labels. With very few labels
    it can forget what the source taught; then freeze (`Frozen`) or stay near (`L2SP`).

    References
    ----------
    Yosinski, Clune, Bengio & Lipson, How transferable are features in deep neural networks?, NeurIPS 2014.
    """

    name = "fine_tune"
    family = "parameter"
    serves = ("inductive",)
    reference = "Yosinski et al., NeurIPS 2014"
    starts_from = "source"


class Frozen(FineTune):
    """Σ_target L(y, f(x; θ)) from θ₀ = the source model, with all but the head frozen.

    Cheap, and hard to overfit; but the features stay the source's, so it trails fine-tuning once there are
    labels enough, and when the domains look different.

    References
    ----------
    Donahue et al., DeCAF: a deep convolutional activation feature for generic visual recognition, ICML 2014.
    """

    name = "frozen"
    reference = "Donahue et al., ICML 2014"

    learning_rate: float = Field(1e-2, gt=0, le=1, description="Step size of Adam at the start of training.")

    def trainable_groups(self, epoch: int, groups: int) -> int:
        """Only the head."""
        return 1


class GradualUnfreeze(FineTune):
    """Σ_target L(y, f(x; θ)) from θ₀ = the source model; the head trains first, then one group more at a time.

    After k stages of ``epochs_per_group`` epochs the k + 1 groups nearest to the head train. Lower layers move
    only once the head fits, so that its first, random steps do not damage them.

    References
    ----------
    Howard & Ruder, Universal language model fine-tuning for text classification, ACL 2018.
    """

    name = "gradual_unfreeze"
    reference = "Howard & Ruder, ACL 2018"

    epochs_per_group: int = Field(10, ge=1, le=1000, description="Epochs before the next group is unfrozen.")

    def trainable_groups(self, epoch: int, groups: int) -> int:
        """One group more after every stage."""
        return min(groups, 1 + epoch // self.epochs_per_group)


class L2SP(FineTune):
    """Σ_target L(y, f(x; θ)) + λ·½‖θ − θ₀‖²  from θ₀ = the source model: fine-tuning on a leash.

    Use it where fine-tuning forgets: few labels, similar domains. A large λ keeps the source model; λ = 0 is
    fine-tuning. All carried-over parameters are held, the head too.

    References
    ----------
    Li, Grandvalet & Davoine, Explicit inductive bias for transfer learning with convolutional networks, ICML 2018.
    """

    name = "l2_sp"
    reference = "Li, Grandvalet & Davoine, ICML 2018"
    default_lambda = 0.01

    def regulariser(self, network: Network, start: dict[str, Tensor]) -> Tensor:
        """½‖θ − θ₀‖², a scalar."""
        squares = [(now - start[name]).square().sum() for name, now in network.named_parameters()]
        total = squares[0]
        for square in squares[1:]:
            total = total + square
        return total / 2
