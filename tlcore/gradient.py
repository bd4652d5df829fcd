"""Gradients that are not those of the forward pass."""

from __future__ import annotations

from typing import Any

from torch import Tensor, autograd


class _Reversed(autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return rows.view_as(rows)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * gradient, None


def reverse_gradient(rows: Tensor, strength: float) -> Tensor:
    """Return the rows unchanged; on the way back their gradient is multiplied by −strength.

    References
    ----------
    Ganin & Lempitsky, Unsupervised domain adaptation by backpropagation, ICML 2015.
    """
    return _Reversed.apply(rows, strength)
