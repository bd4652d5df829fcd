"""The modules behind `tlcore.methods.parameters.Adapters`, apart because they load torch."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


class _Beside(nn.Module):
    """A layer with a bottleneck beside it."""

    def __init__(self, layer: nn.Linear | nn.Conv2d, width: int) -> None:
        super().__init__()
        self.layer = layer
        if isinstance(layer, nn.Linear):
            self.beside_down: nn.Module = nn.Linear(layer.in_features, width)
            self.beside_up: nn.Linear | nn.Conv2d = nn.Linear(width, layer.out_features, bias=False)
        else:
            shape: dict[str, Any] = {
                part: getattr(layer, part) for part in ("kernel_size", "stride", "padding", "dilation")
            }
            self.beside_down = nn.Conv2d(layer.in_channels, width, **shape)
            self.beside_up = nn.Conv2d(width, layer.out_channels, 1, bias=False)
        nn.init.zeros_(self.beside_up.weight)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.layer(inputs) + self.beside_up(self.beside_down(inputs).relu())


def layers_of(body: nn.Module) -> list[tuple[str, nn.Linear | nn.Conv2d]]:
    """Return the linear and convolutional layers by name, those that mix all channels.

    One that treats each channel apart has hardly a number to save; one of a subclass, such as timm's that pads as it
    goes, may compute otherwise than its numbers say.
    """
    plain = ((name, module) for name, module in body.named_modules() if type(module) in (nn.Linear, nn.Conv2d))
    return [(name, module) for name, module in plain if getattr(module, "groups", 1) == 1]


def put_beside(body: nn.Module, width: int) -> None:
    """Put a bottleneck beside each of the body's layers, in place."""
    for name, layer in layers_of(body):
        parent, _, last = name.rpartition(".")
        setattr(body.get_submodule(parent), last, _Beside(layer, width))
