"""How long it takes to embed pictures here and in a bare loop over timm's model, and how long the second time.

python -m benchmarks.embedding [--size 128] [--pictures 2000] [--rounds 3]

Both see the same pixels in batches of the same size, with the same number of threads, in turns.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn


def bare(model: nn.Module, pixels: np.ndarray, batch: int) -> torch.Tensor:
    with torch.no_grad():
        parts = [
            model((torch.from_numpy(pixels[i : i + batch]).permute(0, 3, 1, 2).float() / 255 - 0.498) / 0.502)
            for i in range(0, len(pixels), batch)
        ]
    return torch.cat(parts)


def seconds(work: Callable[[], torch.Tensor]) -> tuple[float, torch.Tensor]:
    began = time.perf_counter()
    found = work()
    return time.perf_counter() - began, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    import timm

    from tlcore.activations import activations
    from tlcore.backbones.image import AT_ONCE, Pixels, body
    from tlcore.scenarios import SCENARIOS
    from tlcore.scenarios.named import pixels_of

    domains = SCENARIOS["inspection"].domains("pretraining", "textile")
    stages, _ = body("efficientnet-lite0", True, arguments.size)
    (pixels,) = pixels_of(domains, arguments.size)
    pixels = np.ascontiguousarray(pixels[: arguments.pictures])
    model = timm.create_model("tf_efficientnet_lite0", num_classes=0).eval()
    state = nn.Sequential(*stages).state_dict()
    values = [value for key, value in state.items() if not key.startswith(("0.0.mean", "0.0.std"))]
    model.load_state_dict(dict(zip(model.state_dict(), values, strict=True)))
    frozen = nn.Sequential(Pixels(pixels), *stages)
    numbers = torch.arange(len(pixels))
    rows = []
    for number in range(arguments.rounds + 1):  # the first warms up
        with tempfile.TemporaryDirectory() as home:
            os.environ["TRANSFER_LAB_HOME"] = home
            plain, expected = seconds(lambda: bare(model, pixels, AT_ONCE))
            first, found = seconds(lambda: activations(frozen, numbers))
            second, again = seconds(lambda: activations(frozen, numbers))
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
        assert torch.equal(found, again)
        if number:
            rows.append((plain, first, second))
    plain, first, second = np.median(rows, axis=0)
    print(f"{len(pixels)} pictures of {arguments.size} px, batches of {AT_ONCE}, {arguments.threads} threads:")
    print(f"bare loop {plain:.1f} s, first time here {first:.1f} s ({first / plain:.2f} times), again {second:.2f} s")


if __name__ == "__main__":
    main()
