"""The modules behind `tlcore.methods.collaborative`, apart because they load torch."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from tlcore.network import Network

if TYPE_CHECKING:
    from tlcore.examples import Examples


class SmoothedNetwork(Network):
    """A factor model whose user and item vectors are means over their neighbourhood in the graph of choices.

    Parameters
    ----------
    network : Network
        Its body looks up a user's factors (U, F), its head has one row of factors for each item (K, F).
    domains : list of Examples
        Whose choices are the edges.
    hops : int
    """

    def __init__(self, network: Network, domains: list[Examples], hops: int) -> None:
        super().__init__(list(network.body), network.head)
        self.hops = hops
        users, items = (torch.cat([torch.from_numpy(part) for part in parts]) for parts in _columns(domains))
        size = self._factors.num_embeddings + network.linear.out_features
        ends = torch.stack([users, items + self._factors.num_embeddings]).unique(dim=1)
        ends = torch.cat([ends, ends.flip(0)], dim=1)
        degree = torch.bincount(ends[0], minlength=size).clamp(min=1).float()
        values = (degree[ends[0]] * degree[ends[1]]).rsqrt()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sparse (CSR tensor support is in beta|invariant checks)", UserWarning)
            self._graph = torch.sparse_coo_tensor(ends, values, (size, size)).coalesce().to_sparse_csr()

    @property
    def _factors(self) -> nn.Embedding:
        return next(module for module in self.body.modules() if isinstance(module, nn.Embedding))

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return the users' smoothed vectors (n, F) and their scores (n, K)."""
        nodes = total = torch.cat([self._factors.weight, self.linear.weight])
        for _hop in range(self.hops):
            nodes = _Smooth.apply(self._graph.to(nodes.device), nodes)
            total = total + nodes
        mean = total / (self.hops + 1)
        users, items = mean.split([self._factors.num_embeddings, self.linear.out_features])
        features = users[inputs]
        for module in self.body.modules():
            if isinstance(module, nn.Dropout):
                features = module(features)
        return features, linear(features, items, self.linear.bias)


class _Smooth(torch.autograd.Function):
    """Â times the nodes. Â is symmetric, so its gradient is the same product."""

    @staticmethod
    def forward(ctx: Any, graph: Tensor, nodes: Tensor) -> Tensor:
        ctx.graph = graph
        return graph @ nodes

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor]:
        return None, ctx.graph @ gradients[0]


class CrossNetwork(Network):
    """Two towers on the features of another network's body, one for each part of the answers, with shared bridges.

    Parameters
    ----------
    network : Network
    first_target : int
        The answers below meet the source's tower, the others the target's.
    layers : int
    """

    def __init__(self, network: Network, first_target: int, layers: int) -> None:
        width = network.features
        super().__init__([*network.body, _Towers(width, layers)], network.head)
        self.first_target = first_target

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return the target tower's features (n, F) and the scores (n, K) of both towers' answers."""
        of_source, of_target = self.body(inputs)
        weight, bias, first = self.linear.weight, self.linear.bias, self.first_target
        outputs = [linear(of_source, weight[:first], bias[:first]), linear(of_target, weight[first:], bias[first:])]
        return of_target, torch.cat(outputs, dim=1)


class _Towers(nn.Module):
    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.of_source = nn.ModuleList(nn.Linear(width, width) for _ in range(layers))
        self.of_target = nn.ModuleList(nn.Linear(width, width) for _ in range(layers))
        self.bridges = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(layers))

    def forward(self, users: Tensor) -> tuple[Tensor, Tensor]:
        s = t = users
        for to_s, to_t, bridge in zip(self.of_source, self.of_target, self.bridges, strict=True):
            s, t = (to_s(s) + bridge(t)).relu(), (to_t(t) + bridge(s)).relu()
        return s, t


def _columns(domains: list[Examples]) -> tuple[list[Any], list[Any]]:
    return [domain.inputs for domain in domains], [domain.answers for domain in domains]
