"""Baselines: what a transfer method must beat."""

from tlcore.methods.base import Method


class FromScratch(Method):
    """Σ_target L(y, f(x; θ)) from a random θ₀: the same network, the same target labels, nothing transferred.

    The baseline of every verdict in the inductive setting. It is trained to convergence with its own step size.
    """

    name = "from_scratch"
    family = "baseline"
    serves = ("inductive",)


class SourceOnly(Method):
    """Σ_source L(y, f(x; θ)) from a random θ₀: the source model as it is, never adapted.

    The baseline of every verdict in the transductive setting. With target labels it shows how far apart the
    domains are. Its training is the one that other methods start from, so that it is done once a seed.
    """

    name = "source_only"
    family = "baseline"
    starts_from = "source"
    trains_on = ("source",)

    def trainable_groups(self, epoch: int, groups: int) -> int:
        """θ₀ is the minimum already."""
        return 0


class Pooled(Method):
    """Σ_source L + Σ_target L from a random θ₀: both domains' labels in one training set.

    Each domain counts one half by default. Use it when the domains differ little; when they differ much, the
    source examples pull the decision boundaries away from the target's.
    """

    name = "pooled"
    family = "baseline"
    serves = ("inductive",)
    trains_on = ("source", "target")
