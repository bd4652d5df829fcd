"""The U-Net: an encoder that can be frozen and kept as every other, a decoder that answers for each pixel."""

import pytest
import torch
from torch import nn

from tlcore.backbones.maps import Pyramid, carried, packed, unpacked
from tlcore.backbones.unet import STRIDES, Adapter, Decoder, unet

SHAPES = ((3, 32, 32), (4, 16, 16), (8, 8, 8), (8, 4, 4), (8, 2, 2), (16, 1, 1))


@pytest.fixture
def flat() -> torch.Tensor:
    return torch.randn(3, sum(c * h * w for c, h, w in SHAPES), generator=torch.Generator().manual_seed(0))


def test_an_answer_for_each_pixel_and_each_map_counts(flat):
    torch.manual_seed(0)
    decoder = Decoder(SHAPES, 5)
    answers = decoder(flat)
    assert answers.shape == (3, 5, 32, 32)
    for number, one in enumerate(unpacked(flat, SHAPES)):
        others = unpacked(flat.clone(), SHAPES)
        others[number] = one + 1 + torch.randn(one.shape, generator=torch.Generator().manual_seed(number))
        assert not torch.allclose(decoder(packed(others)), answers), number


def test_an_answer_does_not_depend_on_what_else_is_in_the_batch(flat):
    torch.manual_seed(0)
    decoder = Decoder(SHAPES, 2).train()
    torch.testing.assert_close(decoder(flat)[:1], decoder(flat[:1]))


def test_places_stay_where_they_are(flat):
    """What stands in the upper left of the finest map changes the upper left of the answer most."""
    torch.manual_seed(0)
    decoder = Decoder(SHAPES, 2)
    first, *others = unpacked(flat, SHAPES)
    moved = first.clone()
    moved[:, :, :4, :4] += 3
    change = (decoder(packed([moved, *others])) - decoder(flat)).abs().mean((0, 1))
    assert change[:8, :8].mean() > 3 * change[16:, 16:].mean()


def tiny(size: int) -> Pyramid:
    """Five convolutions that each halve the picture."""
    torch.manual_seed(0)
    widths = [(3, 4), (4, 8), (8, 8), (8, 8), (8, 16)]
    first, *rest = (nn.Conv2d(before, after, 3, 2, 1) for before, after in widths)
    return carried([nn.Sequential(_Scaled(), first), *rest], size, STRIDES)


class _Scaled(nn.Module):
    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return pixels.float() / 255 - 0.5


def test_sizes_that_are_no_multiple_of_32_are_answered():
    body, head, pool = unet(tiny(72), 72, 3, 8)
    with torch.no_grad():
        flat = nn.Sequential(*body).eval()(torch.zeros(2, 3, 72, 72, dtype=torch.uint8))
        assert head(flat).shape == (2, 3, 72, 72)
        assert pool(flat).shape == (2, pool.features)


def test_the_picture_itself_reaches_the_decoder_and_the_maps_are_the_encoders():
    encoder = tiny(32)
    body, head, _ = unet(encoder, 32, 2, 8)
    pictures = torch.randint(0, 256, (2, 3, 32, 32), dtype=torch.uint8)
    with torch.no_grad():
        first, *maps = unpacked(nn.Sequential(*body)(pictures), head.shapes)
        expected = unpacked(nn.Sequential(*encoder.stages)(pictures), encoder.shapes)
    torch.testing.assert_close(first, pictures / 255 - 0.5)
    for one, other in zip(maps, expected, strict=True):
        torch.testing.assert_close(one, other)


def test_the_adapter_does_nothing_at_the_start_and_moves_the_deepest_map_alone(flat):
    adapter = Adapter(SHAPES, 4)
    torch.testing.assert_close(adapter(flat), flat)
    nn.init.ones_(adapter.up.weight)
    *before, deepest = unpacked(flat, SHAPES)
    *after, moved = unpacked(adapter(flat), SHAPES)
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    assert not torch.allclose(moved, deepest)


def test_learns_to_draw_what_stands_in_its_maps():
    """From the first channel of the finest map, a random blob, to that blob: in forty steps."""
    encoder = tiny(32)
    decoder = Decoder(((3, 32, 32), *encoder.shapes), 2)
    pictures = (torch.rand(4, 3, 4, 4) > 0.5).repeat_interleave(8, 2).repeat_interleave(8, 3)
    truth = pictures[:, 0].long()
    body = nn.Sequential(*unet(encoder, 32, 2, 8)[0])
    optimiser = torch.optim.Adam([*body.parameters(), *decoder.parameters()], 3e-3)
    for _ in range(40):
        loss = nn.functional.cross_entropy(decoder(body((255 * pictures).to(torch.uint8))), truth)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert (decoder(body((255 * pictures).to(torch.uint8))).argmax(1) == truth).float().mean() > 0.9
