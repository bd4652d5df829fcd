"""The shape of every network here: a body in groups, and a head."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn


class Network(nn.Module):
    """A body that computes features φ(x), and a head that answers from them.

    Parameters
    ----------
    body : sequence of nn.Module
        Groups of layers, input first; what "unfreeze one more group" counts.
    head : nn.Linear
        From (n, F) features to (n, K) outputs.
    """

    def __init__(self, body: Sequence[nn.Module], head: nn.Linear) -> None:
        super().__init__()
        self.body = nn.Sequential(*body)
        self.head = head

    @property
    def groups(self) -> list[nn.Module]:
        """The groups that can be frozen apart, head first. Those without parameters are left out."""
        return [self.head, *(g for g in reversed(self.body) if next(g.parameters(), None) is not None)]

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return features (n, F) and outputs (n, K)."""
        features = self.body(inputs)
        return features, self.head(features)

    def train_groups(self, count: int) -> None:
        """Let the first ``count`` groups from the head train, and freeze the others.

        A frozen group is in evaluation mode, so that batch statistics do not drift either.
        """
        for index, group in enumerate(self.groups):
            group.requires_grad_(index < count)
            group.train(index < count)


def linear_head(features: int, classes: int) -> Network:
    """Return the network that is left when the body is frozen: its input is the features themselves."""
    return Network([nn.Identity()], nn.Linear(features, classes))
