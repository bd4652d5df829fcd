"""Maps at several scales, carried from stage to stage as one tensor."""

import pytest
import torch
from torch import nn

from tlcore.backbones.image import body
from tlcore.backbones.maps import PooledLast, carried, in_groups, packed, pyramid, unpacked
from tlcore.errors import SpecificationError

SIZE = 64
STRIDES = (8, 16, 32)


def pictures(n: int = 2) -> torch.Tensor:
    return torch.randint(0, 256, (n, 3, SIZE, SIZE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_what_is_packed_is_unpacked():
    maps = [torch.rand(3, 4, 6, 5), torch.rand(3, 7, 2, 1)]
    again = unpacked(packed(maps), [(4, 6, 5), (7, 2, 1)])
    assert all(torch.equal(one, other) for one, other in zip(maps, again, strict=True))


@pytest.mark.parametrize("name", ["vgg16", "mobilenet_v2", "resnet18", "efficientnet-lite0"])
@pytest.mark.slow
def test_the_maps_are_the_last_of_the_network_at_each_stride(name):
    torch.manual_seed(0)
    built = pyramid(name, False, SIZE, STRIDES)
    assert [shape[1] for shape in built.shapes] == [SIZE // stride for stride in STRIDES]
    network = nn.Sequential(*built.stages).eval()
    with torch.no_grad():
        flat = network(pictures())
        maps = unpacked(flat, built.shapes)
        seen, by_side = pictures(), {}
        for stage in network:
            for layer in stage.stage:
                seen = layer(seen)
                if not isinstance(layer, (nn.MaxPool2d, nn.AvgPool2d)) or layer is stage.stage[-1]:
                    by_side[seen.shape[2]] = seen
    for one in maps:
        assert torch.allclose(one, by_side[one.shape[2]], atol=1e-6)
    assert torch.allclose(PooledLast(built.shapes)(flat), maps[-1].mean((2, 3)))


@pytest.mark.slow
def test_a_pretrained_network_gives_what_it_gives_without_its_top():
    whole, _ = body("efficientnet-lite0", True, SIZE)
    built = pyramid("efficientnet-lite0", True, SIZE, STRIDES)
    with torch.no_grad():
        expected = nn.Sequential(*whole[:-1]).eval()(pictures())
        found = unpacked(nn.Sequential(*built.stages).eval()(pictures()), built.shapes)
    assert torch.equal(found[-1], expected)


def test_every_stage_can_be_the_first_that_trains():
    built = pyramid("mobilenet_v2", False, SIZE, STRIDES)
    network = nn.Sequential(*built.stages).eval()
    with torch.no_grad():
        expected = network(pictures())
        for cut in range(1, len(network)):
            between = network[:cut](pictures())
            assert between.ndim == 2
            assert torch.equal(network[cut:](between), expected)


@pytest.mark.slow
def test_statistics_of_batches_stay_what_they_were_and_the_rest_trains():
    built = pyramid("efficientnet-lite0", True, SIZE, STRIDES)
    network = nn.Sequential(*built.stages).train()
    before = {name: value.clone() for name, value in network.named_buffers()}
    network(pictures()).square().mean().backward()
    assert all(torch.equal(before[name], value) for name, value in network.named_buffers())
    scale = next(module for module in network.modules() if isinstance(module, nn.BatchNorm2d)).weight
    assert scale.grad is not None


def test_from_a_random_start_groups_of_channels_are_normalised():
    built = pyramid("efficientnet-lite0", False, SIZE, STRIDES)
    kinds = {type(module) for module in nn.Sequential(*built.stages).modules()}
    assert nn.GroupNorm in kinds
    assert not any(issubclass(kind, nn.BatchNorm2d) for kind in kinds)
    first = in_groups(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)))
    assert isinstance(first[1], nn.GroupNorm)


@pytest.mark.slow
def test_a_network_without_maps_and_a_stride_that_it_lacks_are_refused():
    with pytest.raises(SpecificationError, match="backbone: 'vit_tiny_patch16_224' is no sequence of layers"):
        pyramid("vit_tiny_patch16_224", False, 224, STRIDES)
    with pytest.raises(SpecificationError, match="no map at stride 64 on pictures of 64 pixels"):
        pyramid("mobilenet_v2", False, SIZE, (8, 64))
    with pytest.raises(SpecificationError, match="no map at stride 4"):
        carried([nn.Sequential(nn.Flatten(2), nn.Unflatten(2, (SIZE, SIZE)))], SIZE, (4,))
