"""What the frozen part of a network makes of its inputs: computed once for each input, whoever asks."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

import torch
from torch import Tensor, nn

from tlcore.artefacts import code_version, kept_rows
from tlcore.cancellation import never
from tlcore.network import at_once, size_of

KEPT_FROM = 1_000_000  # parameters; a smaller module computes as fast as its outputs are looked up
BLOCK = 1024


def activations(frozen: nn.Sequential, inputs: Tensor, should_stop: Callable[[], bool] = never) -> Tensor:
    """Return the outputs (n, ...) of modules that do not train, on the inputs' device.

    Up to the last module that is large, or says that it is ``costly``, they are kept on disk, by the content of its
    parameters and of each input, so that other trials, seeds, budgets and pairs of domains with the same inputs find
    them. What comes before the first parameter, such as a look-up of a text's tokens, is part of the input.

    Raises
    ------
    Cancelled
        When ``should_stop`` said so; what was computed before is kept.
    """
    frozen.eval()
    large = [
        index for index, module in enumerate(frozen) if getattr(module, "costly", False) or size_of(module) >= KEPT_FROM
    ]
    first = next((index for index, module in enumerate(frozen) if size_of(module)), len(frozen))
    last = large[-1] + 1 if large else first
    with torch.no_grad():
        if large:
            costly = frozen[first:last]
            parts = ("activations", _digest(costly), code_version("activations.py", "network.py", "backbones"))
            blocks = [_kept(parts, costly, frozen[:first](some), should_stop) for some in inputs.split(BLOCK)]
            rows = torch.cat(blocks)
        else:  # all at once: a look-up is cut to the longest text of those that it is given
            rows = frozen[:first](inputs)
        return _in_blocks(frozen[last:], rows)


def _kept(parts: tuple[object, ...], costly: nn.Sequential, rows: Tensor, should_stop: Callable[[], bool]) -> Tensor:
    contents = [row.tobytes().rstrip(b"\0") for row in rows.cpu().numpy()]  # however far texts were padded

    def compute(missing: list[int]) -> Tensor:
        return torch.cat([costly(some).cpu() for some in rows[missing].split(at_once(costly))])

    # Pictures of different shape could be of the same bytes; of texts the length alone differs, by what pads them.
    return kept_rows((*parts, tuple(rows.shape[2:])), contents, compute, should_stop).to(rows.device)


def _in_blocks(modules: nn.Sequential, rows: Tensor) -> Tensor:
    return torch.cat([modules(block) for block in rows.split(at_once(modules))]) if len(modules) else rows


def _digest(module: nn.Module) -> str:
    """Return a checksum of what a module computes: its layers, parameters and running statistics."""
    digest = sha256(repr(module).encode())
    for name, value in module.state_dict().items():
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy())
    return digest.hexdigest()
