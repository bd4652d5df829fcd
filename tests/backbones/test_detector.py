"""The detector's loss and boxes against torchvision's FCOS on the same weights."""

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models.detection.fcos import FCOS, FCOSHead

from tlcore.backbones.detector import AROUND, CONVOLUTIONS, WIDTH, Detector, detection_loss, detections, small_stages
from tlcore.backbones.maps import PooledLast, carried, unpacked

SIZE, CLASSES = 64, 3
STRIDES = (4, 8, 16)


@pytest.fixture(scope="module")
def network() -> nn.Sequential:
    torch.manual_seed(0)
    pyramid = carried(small_stages(), SIZE, STRIDES)
    head = Detector(pyramid.shapes, SIZE, CLASSES)
    for part in (head.classification.cls_logits, head.regression.bbox_reg, head.regression.bbox_ctrness):
        nn.init.normal_(part.weight, std=0.1)  # or everything is said everywhere alike
    nn.init.constant_(head.regression.bbox_reg.bias, 1.5)
    nn.init.constant_(head.classification.cls_logits.bias, -1.0)
    return nn.Sequential(*pyramid.stages, head).eval()


def pictures(n: int) -> torch.Tensor:
    return torch.randint(0, 256, (n, 3, SIZE, SIZE), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def some_answers(n: int = 4, most: int = 6) -> torch.Tensor:
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 40, (n, most, 2))
    answers = np.concatenate([corner, corner + rng.uniform(3, 50, (n, most, 2))], axis=2).clip(0, SIZE)
    answers = np.concatenate([answers, rng.integers(0, CLASSES, (n, most, 1)), np.zeros((n, most, 1))], axis=2)
    answers[0, 3:, 4] = -1
    answers[1, :, 4] = -1  # nothing on it
    answers[2, 0, 5] = 1
    return torch.from_numpy(answers).float()


def torchvisions(head: Detector) -> FCOS:
    backbone = nn.Identity()
    backbone.out_channels = WIDTH
    theirs = FCOSHead(WIDTH, 1, CLASSES, CONVOLUTIONS)
    theirs.classification_head, theirs.regression_head = head.classification, head.regression
    return FCOS(backbone, CLASSES, head=theirs, score_thresh=0.05)


def its_parts(network: nn.Sequential, n: int) -> tuple[FCOS, dict, list[torch.Tensor], list[int]]:
    head = network[-1]
    maps = {str(i): one for i, one in enumerate(unpacked(network[:-1](pictures(n)), head.shapes))}
    levels = [*head.pyramid(maps).values()]
    fcos = torchvisions(head)
    middle, stride = head.places[:, :2], head.places[:, 2:]
    anchors = torch.cat([middle - stride / 2, middle + stride / 2], dim=1)
    return fcos, fcos.head(levels), [anchors] * n, [one.shape[2] * one.shape[3] for one in levels]


def test_the_loss_of_a_picture_is_torchvisions_of_it_alone(network):
    answers = some_answers()
    fcos, outputs, anchors, counts = its_parts(network, len(answers))
    ours = detection_loss(network(pictures(len(answers))), answers)
    for row, answer in enumerate(answers):
        real = answer[(answer[:, 4] >= 0) & (answer[:, 5] == 0)]
        target = {"boxes": real[:, :4], "labels": real[:, 4].long()}
        alone = {name: value[row : row + 1] for name, value in outputs.items()}
        theirs = sum(fcos.compute_loss([target], alone, anchors[:1], counts).values())
        assert ours[row].item() == pytest.approx(theirs.item(), rel=1e-5)


def test_its_gradient_is_torchvisions(network):
    answers = some_answers()[:1]
    real = answers[0][answers[0, :, 4] >= 0]
    parameters = [*network.parameters()]
    ours = torch.autograd.grad(detection_loss(network(pictures(4)[:1]), answers).sum(), parameters)
    fcos, outputs, anchors, counts = its_parts(network, 4)
    alone = {name: value[:1] for name, value in outputs.items()}
    losses = fcos.compute_loss([{"boxes": real[:, :4], "labels": real[:, 4].long()}], alone, anchors[:1], counts)
    theirs = torch.autograd.grad(sum(losses.values()), parameters)
    for mine, expected in zip(ours, theirs, strict=True):
        assert torch.allclose(mine, expected, atol=1e-4, rtol=1e-3)


def test_pictures_without_objects_have_a_loss_and_no_box_teaches_nothing(network):
    outputs = network(pictures(2))
    nothing = detection_loss(outputs, torch.zeros(2, 0, 6))
    padded = detection_loss(outputs, torch.full((2, 3, 6), -1.0))
    assert torch.allclose(nothing, padded)
    assert torch.isfinite(nothing).all()


@pytest.mark.parametrize("candidates", [1000, 20])
def test_the_boxes_are_torchvisions(network, candidates):
    fcos, outputs, anchors, counts = its_parts(network, 3)
    fcos.topk_candidates = candidates
    apart = {name: [*value.split(counts, dim=1)] for name, value in outputs.items()}
    theirs = fcos.postprocess_detections(apart, [[*each.split(counts)] for each in anchors], [(SIZE, SIZE)] * 3)
    ours = detections(network(pictures(3)).detach().numpy(), candidates=candidates)
    assert max(len(one["boxes"]) for one in theirs) > 5
    for mine, expected in zip(ours, theirs, strict=True):
        mine = mine[mine[:, 4] >= 0]
        np.testing.assert_allclose(mine[:, :4], expected["boxes"].detach(), atol=1e-4)
        np.testing.assert_allclose(mine[:, 5], expected["scores"].detach(), rtol=1e-5)
        assert mine[:, 4].tolist() == expected["labels"].tolist()


def test_answers_that_say_the_truth_have_nearly_no_loss_and_are_its_boxes():
    head = Detector([(8, 16, 16), (8, 8, 8), (8, 4, 4)], SIZE, 2)
    truth = torch.tensor([[[4.0, 6, 24, 30, 1, 0], [30, 30, 62, 60, 0, 0]]])
    outputs = torch.zeros(1, len(head.places), 2 + AROUND)
    outputs[..., -3:] = head.places
    outputs[..., :3] = -9
    middle, stride = head.places[:, :2], head.places[:, 2:]
    for box in truth[0]:
        inside = ((middle > box[:2]) & (middle < box[2:4])).all(1)
        ways = torch.cat([middle - box[:2], box[2:4] - middle], dim=1)
        outputs[0, inside, 3:7] = (ways / stride)[inside]
        central = ((middle - (box[:2] + box[2:4]) / 2).abs() < 1.5 * stride).all(1)
        outputs[0, central, int(box[4])] = 9
        outputs[0, central, 2] = 9
    said = detections(outputs.numpy())[0]
    for box in truth[0]:
        mine = said[said[:, 4] == box[4].item()]
        assert np.abs(mine[0, :4] - box[:4].numpy()).max() < 1e-3
    assert len(detections(outputs[:0].numpy())) == 0


@pytest.mark.slow
def test_it_learns_to_find_a_square():
    torch.manual_seed(0)
    pyramid = carried(small_stages(8), SIZE, STRIDES)
    network = nn.Sequential(*pyramid.stages, Detector(pyramid.shapes, SIZE, 1, width=32, convolutions=1))
    rng = np.random.default_rng(0)
    corner = rng.integers(4, 40, (16, 2))
    inputs = torch.full((16, 3, SIZE, SIZE), 30, dtype=torch.uint8)
    for picture, (x, y) in zip(inputs, corner, strict=True):
        picture[:, y : y + 16, x : x + 16] = 220
    answers = torch.zeros(16, 1, 6)
    answers[:, 0, :2], answers[:, 0, 2:4] = torch.from_numpy(corner), torch.from_numpy(corner + 16)
    optimiser = torch.optim.Adam(network.parameters(), lr=0.003)
    for _ in range(25):
        optimiser.zero_grad()
        detection_loss(network(inputs), answers).mean().backward()
        optimiser.step()
    said = detections(network.eval()(inputs).detach().numpy())[:, 0]
    assert np.abs(said[:, :4] - answers[:, 0, :4].numpy()).max(1).mean() < 5


def test_the_pool_is_the_mean_of_the_deepest_map(network):
    flat = network[:-1](pictures(2))
    assert PooledLast(network[-1].shapes)(flat).shape == (2, 64)
