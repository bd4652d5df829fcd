"""Parameter transfer: what is carried over as θ₀, what stays frozen, and what keeps θ near."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from tlcore.methods.base import Method, Present

if TYPE_CHECKING:
    from torch import Tensor

    from tlcore.examples import Examples
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
    """Σ_target L(y, f(x; θ)) from θ₀ = the source model, with all but the head, or the last few groups, frozen.

    Cheap, and hard to overfit; but the features stay the source's, so it trails fine-tuning once there are
    labels enough, and when the domains look different. What the frozen part makes of an input is computed once.

    References
    ----------
    Donahue et al., DeCAF: a deep convolutional activation feature for generic visual recognition, ICML 2014.
    """

    name = "frozen"
    reference = "Donahue et al., ICML 2014"

    learning_rate: float = Field(1e-2, gt=0, le=1, description="Step size at the start of training.")
    layers: int = Field(1, ge=1, le=1000, description="How many groups of layers train, the head being the first.")

    def trainable_groups(self, epoch: int, groups: int) -> int:
        """The head, and those next to it."""
        return min(self.layers, groups)


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


class DiscriminativeFineTune(FineTune):
    """Σ_target L(y, f(x; θ)) from θ₀ = the source model, with steps of size η·dᵏ for the group k from the head.

    Lower layers, which see what is common to all domains, move less than those near the head. Use it where fine-tuning
    forgets and freezing is too stiff; not where domains differ in what the lowest layers see, as with other sensors.

    References
    ----------
    Howard & Ruder, Universal language model fine-tuning for text classification, ACL 2018.
    """

    name = "discriminative_fine_tune"
    reference = "Howard & Ruder, ACL 2018"

    decay: float = Field(1 / 2.6, gt=0, le=1, description="d, how much shorter the steps get from group to group.")

    def step_share(self, depth: int) -> float:
        """dᵏ."""
        return float(self.decay**depth)


class ULMFiT(GradualUnfreeze):
    """Σ_target L(y, f(x; θ)) from θ₀ = the source model; one group more in every stage, with steps η·dᵏ in group k.

    Both of its authors' means against forgetting: `GradualUnfreeze` and `DiscriminativeFineTune`. The steps fall as a
    cosine, as everywhere here, where the paper's rise first. For deep networks and few labels; with many, plain
    fine-tuning is as good and simpler.

    References
    ----------
    Howard & Ruder, Universal language model fine-tuning for text classification, ACL 2018.
    """

    name = "ulmfit"

    epochs_per_group: int = Field(1, ge=1, le=1000, description="Epochs before the next group is unfrozen.")
    decay: float = Field(1 / 2.6, gt=0, le=1, description="d, how much shorter the steps get from group to group.")

    def step_share(self, depth: int) -> float:
        """dᵏ."""
        return float(self.decay**depth)


class BiasOnly(FineTune):
    """Σ_target L(y, f(x; θ)) from θ₀ = the source model; of its body only the biases move, one number in thousand.

    For large encoders and few labels: there is little to overfit, and little to keep for each target. A target that
    asks for new features leaves it behind `LoRA` and `FineTune`.

    References
    ----------
    Ben Zaken, Goldberg & Ravfogel, BitFit: simple parameter-efficient fine-tuning for transformer-based masked
    language-models, ACL 2022.
    """

    name = "bias_only"
    reference = "Ben Zaken, Goldberg & Ravfogel, ACL 2022"

    learning_rate: float = Field(5e-2, gt=0, le=1, description="Step size at the start of training.")

    def moves(self, name: str) -> bool:
        """Biases do."""
        return name.endswith("bias")


class LoRA(FineTune):
    """Σ_target L(y, f(x; θ)) from θ₀ = the source model; each layer's W becomes W + (α/r)·BA, and only A, B move.

    A is (r, in), B is (out, r) and starts at zero, so that training starts at the source model. A hundredth of the
    parameters, each free to take long steps. Linear and convolutional layers of the body. Use it for large encoders in
    the place of fine-tuning; in a small network there is nothing to save, and r may be all there is of a layer.

    References
    ----------
    Hu et al., LoRA: low-rank adaptation of large language models, ICLR 2022.
    """

    name = "lora"
    reference = "Hu et al., ICLR 2022"

    rank: int = Field(8, ge=1, le=512, description="r, the rank of what is added to each layer's matrix.")
    alpha: int = Field(16, ge=1, le=10_000, description="α: what is added counts α/r.")
    learning_rate: float = Field(1e-3, gt=0, le=1, description="Step size at the start of training.")

    def moves(self, name: str) -> bool:
        """A and B do."""
        return "lora_" in name

    def network(self, network: Network, source: Examples | None, target: Examples) -> Network:
        """Put A and B beside the layers of the body."""
        from peft import LoraConfig, inject_adapter_in_model

        from tlcore.methods.adapters import layers_of

        names = [name for name, _ in layers_of(network.body)]
        inject_adapter_in_model(LoraConfig(r=self.rank, lora_alpha=self.alpha, target_modules=names), network.body)
        return network


class Adapters(FineTune):
    """Σ_target L(y, f(x; θ)) from θ₀ = the source model; beside each layer W a bottleneck: Wx + U·ReLU(Dx).

    Only D (r, in) and U (out, r) move; U starts at zero. As LoRA, with a bend in it: use it where that would be used.
    The bend cannot be folded into W, so that each answer takes a little longer. Linear and convolutional layers of the
    body.

    References
    ----------
    Houlsby et al., Parameter-efficient transfer learning for NLP, ICML 2019; beside the layers as in He et al., Towards
    a unified view of parameter-efficient transfer learning, ICLR 2022.
    """

    name = "adapters"
    reference = "Houlsby et al., ICML 2019"

    width: int = Field(16, ge=1, le=4096, description="r, the width of the bottleneck.")
    learning_rate: float = Field(1e-3, gt=0, le=1, description="Step size at the start of training.")

    def moves(self, name: str) -> bool:
        """D and U do."""
        return ".beside_" in name or name.startswith("beside_")

    def network(self, network: Network, source: Examples | None, target: Examples) -> Network:
        """Put the bottlenecks beside the layers of the body."""
        from tlcore.methods.adapters import put_beside

        put_beside(network.body, self.width)
        return network


class LinearProbeThenFineTune(FineTune):
    """Σ_target L(y, f(x; θ)) from θ₀ = the source model; only the head for ``probe_epochs``, then all of θ.

    A head that fits first does not distort the features with large, random steps; keeps more of what the source
    taught than `FineTune`, most of all out of distribution. `GradualUnfreeze` with all groups at once.

    References
    ----------
    Kumar, Raghunathan, Jones, Ma & Liang, Fine-tuning can distort pretrained features and underperform
    out-of-distribution, ICLR 2022.
    """

    name = "linear_probe_then_fine_tune"
    reference = "Kumar et al., ICLR 2022"

    probe_epochs: int = Field(10, ge=1, le=1000, description="Epochs in which only the head trains.")

    def trainable_groups(self, epoch: int, groups: int) -> int:
        """The head, then all."""
        return 1 if epoch < self.probe_epochs else groups


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

    def regulariser(self, here: Present) -> Tensor:
        """½‖θ − θ₀‖², a scalar."""
        squares = [(now - here.start[name]).square().sum() for name, now in here.network.named_parameters()]
        total = squares[0]
        for square in squares[1:]:
            total = total + square
        return total / 2


class DELTA(FineTune):
    """Σ_target L + λ·½ Σ‖φ(x) − φ₀(x)‖² / Σ‖φ₀(x)‖²  from θ₀ = the source model, φ₀ its body.

    Holds behaviour, not parameters: features of the target's own rows stay near those of the source model. The paper
    weighs each channel by how much the source model needs it; here all count alike. Use it where `L2SP` would:
    few labels, similar domains.

    References
    ----------
    Li et al., DELTA: deep learning transfer using feature map with attention for convolutional networks, ICLR 2019.
    """

    name = "delta"
    reference = "Li et al., ICLR 2019"
    default_lambda = 0.1

    def regulariser(self, here: Present) -> Tensor:
        """½‖φ(x) − φ₀(x)‖² in units of φ₀'s mean square, a scalar."""
        start, _ = here.at_start()
        return (here.features - start).square().sum() / (2 * start.square().sum().clamp(min=1e-12))


class BSS(FineTune):
    """Σ_target L + λ·Σ of the k smallest σ² of the batch's features (n, F) from θ₀ = the source model.

    Batch spectral shrinkage: directions in which features hardly vary carry what the target cannot use; they are shrunk
    away rather than fine-tuned. Adds to any fine-tuning, most with few labels.

    References
    ----------
    Chen, Wang, Fu, Long & Wang, Catastrophic forgetting meets negative transfer: batch spectral shrinkage for safe
    transfer learning, NeurIPS 2019.
    """

    name = "bss"
    reference = "Chen et al., NeurIPS 2019"
    default_lambda = 1e-3

    smallest: int = Field(1, ge=1, le=1000, description="k, how many singular values are shrunk.")

    def regulariser(self, here: Present) -> Tensor:
        """Σ of the k smallest squared singular values, a scalar."""
        import torch

        return torch.linalg.svdvals(here.features)[-self.smallest :].square().sum()


class CoTuning(FineTune):
    """Σ_target L + λ·mean of  −Σ_k p(k | y)·log softmax(W₀φ(x) + b₀)_k  from θ₀ = the source model.

    The source's own head W₀, which fine-tuning forgets, goes on answering: features must keep to what the source model
    says of each target answer y. p(k | y) is the mean of the source model's answers to the batch's rows of y. For
    targets with other classes than the source's. The paper trains W₀ along and calibrates p; here both stay.

    References
    ----------
    You, Kou, Long & Wang, Co-tuning for transfer learning, NeurIPS 2020.
    """

    name = "co_tuning"
    reference = "You et al., NeurIPS 2020"
    needs = frozenset({"classes", "linear head"})
    default_lambda = 1.0

    def regulariser(self, here: Present) -> Tensor:
        """The cross-entropy, a scalar."""
        import torch
        from torch.nn.functional import linear

        told = here.at_start()[1].softmax(1)
        same = (here.answers[:, None] == here.answers[None, :]).to(told.dtype)
        related = (same / same.sum(1, keepdim=True)) @ told
        logs = linear(here.features, here.start["head.weight"], here.start["head.bias"]).log_softmax(1)
        return -torch.sum(related * logs, dim=1).mean()
