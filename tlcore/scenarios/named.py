"""Scenarios whose network is one that others published, by name, and sees pictures at one size."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from pydantic import Field

from tlcore.datasets.images import Fit
from tlcore.errors import SpecificationError
from tlcore.examples import Domains
from tlcore.scenarios.base import Scenario


class NamedNetwork(Scenario):
    """A scenario in which an example is a picture: the input is its number, looked up by whatever sees it."""

    pretrained = True

    backbone: str = Field(
        "efficientnet-lite0",
        min_length=1,
        description="efficientnet-lite0, -lite1 or -lite2; vgg16, resnet50 and others of torchvision's or timm's by "
        "name; a folder with a model of Hugging Face's format, or NAME/NAME on its hub.",
    )
    instead: str = Field("", description="The network to take where the weights of the first cannot be had.")
    weights: str = Field("", description="A checkpoint of it here, .safetensors or .pth, in place of the published.")
    size: int = Field(128, ge=32, le=1024, description="Height and width at which pictures are seen, in pixels.")
    asked: str = Field(
        "", description="The network that was asked for and could not be had.", json_schema_extra={"found": True}
    )
    why: str = Field("", description="Why it could not be had.", json_schema_extra={"found": True})
    weights_sha256: str = Field("", description="Of the checkpoint's bytes.", json_schema_extra={"found": True})

    def settled(self, domains: Domains) -> Self:
        """Return the same with the network that can be had, and the checksum of a checkpoint.

        Raises
        ------
        SpecificationError
            If there is no such network, it takes no pictures of this size, or nobody can have its weights here.
        """
        from tlcore.backbones import IMAGE_NETWORKS

        card = IMAGE_NETWORKS.get(self.backbone)
        if card and card.embedded and not self.weights:
            return self  # before torch is loaded, which a page need not wait for
        from tlcore.backbones.image import checksum, why_not

        changes: dict[str, Any] = {"weights_sha256": checksum(self.weights)} if self.weights else {}
        if not self.weights and (why := why_not(self.backbone)):
            if not self.instead:
                raise SpecificationError(
                    f"backbone: the weights of {self.backbone!r} could not be had: {why}. With a network, try again; "
                    "without one, use efficientnet-lite0, or name a network to take instead."
                )
            changes = {"backbone": self.instead, "instead": "", "asked": self.backbone, "why": why}
        settled = self.model_copy(update=changes)
        settled.check_network()
        return settled

    def check_network(self) -> None:
        """Build the network once, so that it says what it does not take.

        Raises
        ------
        SpecificationError
            If there is no such network, or it takes no pictures of this size.
        """
        from tlcore.backbones.image import body

        body(self.backbone, False, self.size)

    @property
    def remark(self) -> str:
        """Which network stands for which."""
        if not self.asked:
            return ""
        return f"{self.backbone} stands in for {self.asked}, whose weights could not be had here: {self.why}."


def pixels_of(domains: Domains, size: int, fit: Fit = "squash") -> list[np.ndarray]:
    """Return the pixels of each domain, as they are kept on disk, whatever other domain it meets."""
    from tlcore.datasets.images import pixels

    pictures = domains.looked_up
    assert pictures
    return [pixels(part, size, fit) for part in pictures.parts or (pictures,)]
