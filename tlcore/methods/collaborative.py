"""Networks for two catalogues: towers that look at each other, and choices as a graph. Loss and loop stay the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from tlcore.methods.base import Family, Method

if TYPE_CHECKING:
    from tlcore.examples import Examples
    from tlcore.network import Network


class LightGCN(Method):
    """f(u)ᵢ = ēᵤᵀēᵢ + bᵢ with  Ē = mean of E, ÂE, …, ÂᴴE:  vectors smoothed over the graph of who chose what.

    Â is the adjacency of users and items, each edge divided by the root of both ends' degrees. The target's graph
    alone. Helps where a user has few choices whose other admirers have more; too many hops make all alike.

    References
    ----------
    He, Deng, Wang, Li, Zhang & Wang, LightGCN: simplifying and powering graph convolution network for recommendation,
    SIGIR 2020.
    """

    name = "lightgcn"
    family: ClassVar[Family] = "baseline"
    serves = ("inductive",)
    needs = frozenset({"choices"})
    reference = "He et al., SIGIR 2020"

    hops: int = Field(3, ge=1, le=8, description="H, how far a choice is felt on the graph.")

    learning_rate: float = Field(0.01, gt=0, le=1, description="Step size at the start of training.")

    def network(self, network: Network, source: Examples | None, target: Examples) -> Network:
        """Smooth the network's user and item factors over the graph of the labelled examples."""
        from tlcore.methods.graph import SmoothedNetwork

        domains = [target] if source is None else [source, target]
        return SmoothedNetwork(network, domains, self.hops)


class JointLightGCN(LightGCN):
    """LightGCN on one graph of both catalogues, which meet in the users and items that are in both.

    BiTGCF keeps two graphs and mixes the shared users after each hop; here they are the same nodes from the start.

    References
    ----------
    Liu, Li, Li & Pan, Cross domain recommendation via bi-directional transfer graph collaborative filtering networks,
    CIKM 2020.
    """

    name = "joint_lightgcn"
    family = "parameter"
    reference = "Liu et al., CIKM 2020"
    trains_on = ("source", "target")


class CoNet(Method):
    """Two towers on one user vector, s and t, which see each other:  t′ = ReLU(W_t t + H s),  s′ = ReLU(W_s s + H t).

    H is shared by both directions, so what moves along it must serve both catalogues. The source's items meet s, the
    target's t. In the paper users and items enter the towers together; here items meet the user at the end, so that a
    full catalogue is ranked at once. Needs users in both domains.

    References
    ----------
    Hu, Zhang & Yang, CoNet: collaborative cross networks for cross-domain recommendation, CIKM 2018.
    """

    name = "conet"
    family = "parameter"
    serves = ("inductive",)
    needs = frozenset({"choices"})
    reference = "Hu, Zhang & Yang, CIKM 2018"
    trains_on = ("source", "target")

    learning_rate: float = Field(2e-3, gt=0, le=1, description="Step size at the start of training.")
    layers: int = Field(1, ge=1, le=4, description="How often the towers see each other.")

    @property
    def needs_shared_inputs(self) -> bool:
        """The towers meet in the user."""
        return True

    def network(self, network: Network, source: Examples | None, target: Examples) -> Network:
        """Put the two towers between the user's factors and the items."""
        from tlcore.methods.graph import CrossNetwork

        return CrossNetwork(network, int(target.answers.min()), self.layers)
