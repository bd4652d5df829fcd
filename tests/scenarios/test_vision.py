"""Pictures: seen by any network, embedded once, explained by where they are looked at; presets of the seed."""

from zlib import crc32

import numpy as np
import pytest
import torch
from PIL import Image

from tlcore.backbones.image import Stage
from tlcore.datasets import DATASETS
from tlcore.errors import SpecificationError
from tlcore.examples import Explanation
from tlcore.experiment import Experiment
from tlcore.scenarios import SCENARIOS
from tlcore.scenarios.named import pixels_of
from tlcore.trial import execute, explain, locate

SIDE = 48


def picture(kind: str, seed: int) -> Image.Image:
    """Noise, and for a class a patch: 'left' a red one at the lower left, 'right' a blue one at the upper right."""
    values = np.random.default_rng(seed).integers(0, 80, (SIDE, SIDE, 3), dtype=np.uint8)
    if kind == "left":
        values[28:44, 4:20, 0] = 250
    elif kind == "right":
        values[4:20, 28:44, 2] = 250
    return Image.fromarray(values)


def folder(place, first: int, **counts: int) -> dict[str, str]:
    for kind, count in counts.items():
        (place / kind).mkdir(parents=True)
        for number in range(count):
            picture(kind, crc32(f"{kind} {first} {number}".encode())).save(place / kind / f"{number}.png")
    return {"path": str(place)}


@pytest.fixture
def own(tmp_path) -> dict:
    """Pictures of one's own from two domains, under the smallest network that there is."""
    return {
        "scenario": "images",
        "backbone": "test_efficientnet",  # timm's own for tests: a network of the same kind with a few thousand numbers
        "size": SIDE,
        "source": folder(tmp_path / "there", 1, left=20, right=20),
        "target": folder(tmp_path / "here", 2, left=30, right=30),
    }


@pytest.fixture(autouse=True)
def _random_as_published(monkeypatch):
    """Let the network for tests stand for its published self: no hub is asked."""
    from tlcore.backbones import image

    original = image._pretrained

    def pretrained(name, *rest):
        if name != "test_efficientnet":
            return original(name, *rest)
        torch.manual_seed(7)
        return image._built(name)

    monkeypatch.setattr(image, "_pretrained", pretrained)


def trial(fields: dict, method: str = "frozen", **settings):
    chosen = {"name": method, "settings": settings}
    experiment = Experiment.build({"budgets": [5], "seeds": [0], **fields, "methods": [chosen]})
    return next(one for one in experiment.trials() if one.method.name == method)


def test_the_textile_is_read_as_it_was_published():
    domains = SCENARIOS["inspection"].domains("pretraining", "textile")
    assert domains.facts["target_pictures"] == 2000 - domains.facts["target_doubles"]
    assert list(domains.answer_names) == list(SCENARIOS["inspection"].classes)
    for part in (domains.pool, domains.test):
        for number, answer in zip(part.inputs[::97], part.answers[::97], strict=True):
            assert domains.input_names[number].startswith(domains.answer_names[answer])
            assert domains.looked_up.labels[number] == domains.answer_names[answer]


def test_cells_of_which_the_expert_was_sure_are_two_domains():
    inspection = SCENARIOS["inspection"]
    domains = inspection.domains("mono-cells", "poly-cells")
    assert domains.answer_names == ("good", "defective")
    facts = ("source_pictures", "target_pictures", "test_pictures", "source_unsure", "target_unsure", "shared_classes")
    assert [domains.facts[name] for name in facts] == [901, 1322, 528, 173, 228, 2]
    assert np.bincount(domains.source.answers).tolist() == [588, 313]
    assert np.bincount([*domains.pool.answers, *domains.test.answers]).tolist() == [920, 402]
    grades = dict(zip(*(DATASETS["solar-cells"].fetch()[name] for name in ("name", "grade")), strict=True))
    for part in (domains.source, domains.test):
        for number, answer in zip(part.inputs[::53], part.answers[::53], strict=True):
            assert grades[domains.input_names[number]] == answer
    back = inspection.domains("poly-cells", "mono-cells")
    assert (len(back.source), len(back.pool) + len(back.test)) == (1322, 901)


def test_labels_are_those_of_what_is_inspected_and_older_runs_keep_theirs():
    inspection = SCENARIOS["inspection"]
    cells = inspection.settled(inspection.domains("pretraining", "mono-cells"))
    assert cells.classes == ("good", "defective")
    textile = Experiment.build({"scenario": "inspection"})
    assert (textile.source, textile.target) == ("pretraining", "textile")
    stored = textile.checked().model_dump(by_alias=True)
    for options in (stored["options"], {}):  # runs were stored without labels while there was textile alone
        again = Experiment.model_validate({**stored, "options": options})
        assert again.where.classes == again.checked().where.classes == ("nominal", "local", "global")


@pytest.mark.slow
def test_a_network_learns_from_pictures_of_ones_own(own):
    result = execute(trial(own, "fine_tune", learning_rate=0.2))  # whose body is not really pretrained here
    assert result.metrics["accuracy"] > 0.8
    assert execute(trial(own, "small_network")).metrics["accuracy"] > 0.9


def test_without_a_source_the_pretraining_is_the_source(own, tmp_path):
    del own["source"]
    experiment = Experiment.build({**own, "methods": "frozen", "budgets": [5]})
    assert (experiment.source, experiment.names) == ("pretraining", ("pretraining", "here"))
    assert Experiment.build(experiment.model_dump(by_alias=True)) == experiment
    checked = experiment.checked()
    assert checked.source == "pretraining"
    assert len(checked.target["sha256"]) == 64
    assert checked.where.classes == ("left", "right")
    with pytest.raises(SpecificationError, match="methods: 'coral' needs source examples"):
        Experiment.build({**own, "methods": "coral", "budgets": [5]}).checked()
    (tmp_path / "here" / "left" / "0.png").unlink()
    with pytest.raises(SpecificationError, match=r"target.path: .* has changed"):
        checked.checked()


def test_one_picture_of_a_class_is_refused_and_a_class_missing_in_one_domain_is_not(own, tmp_path):
    own["target"] = folder(tmp_path / "few", 3, left=10, right=1)
    with pytest.raises(
        SpecificationError, match=r"target.label: 1 of its pictures are 'right'; each label needs three"
    ):
        Experiment.build({**own, "methods": "frozen"}).checked()
    own["target"] = folder(tmp_path / "one", 4, left=10)
    with pytest.raises(SpecificationError, match=r"target.label: all of its 10 pictures are 'left'"):
        Experiment.build({**own, "methods": "frozen"}).checked()
    own["target"] = folder(tmp_path / "other", 5, left=10, middle=10)
    checked = Experiment.build({**own, "methods": "frozen", "budgets": [2]}).checked()
    domains = checked.domains()
    assert list(domains.answer_names) == ["left", "middle", "right"]
    assert domains.facts["shared_classes"] == 1


def test_a_picture_in_both_domains_is_the_targets(own, tmp_path):
    for name in ("0.png", "1.png"):
        (tmp_path / "there" / "left" / f"copy{name}").write_bytes((tmp_path / "here" / "left" / name).read_bytes())
    (tmp_path / "here" / "right" / "twice.png").write_bytes((tmp_path / "here" / "right" / "0.png").read_bytes())
    domains = Experiment.build({**own, "methods": "frozen"}).domains()
    assert (domains.facts["in_both"], domains.facts["target_doubles"]) == (2, 1)
    assert (domains.facts["source_pictures"], domains.facts["target_pictures"]) == (40, 60)
    contents = domains.looked_up.contents
    seen = [{contents[number] for number in part.inputs} for part in (domains.source, domains.pool, domains.test)]
    assert sum(map(len, seen)) == len(seen[0] | seen[1] | seen[2])


def test_what_is_frozen_sees_a_picture_once(own, monkeypatch):
    seen = []
    forward = Stage.forward
    monkeypatch.setattr(Stage, "forward", lambda self, inputs: seen.append(len(inputs)) or forward(self, inputs))
    first = execute(trial(own))
    assert sum(seen)
    sizing = len([n for n in seen if n == 1])  # a single picture says how many features there are
    seen.clear()
    again = execute(trial(own))
    assert [n for n in seen if n > 1] == []
    assert len(seen) <= sizing
    np.testing.assert_array_equal(first.examples["predicted"], again.examples["predicted"])
    seen.clear()
    execute(trial(own, layers=3))  # the last block trains: what is kept is what reaches it
    assert [n for n in seen if n > 1]


def test_the_seeds_first_recipe_trains_a_hidden_layer_and_the_head(own):
    result = execute(trial({**own, "hidden": 32}, layers=2, epochs=10))
    domains = Experiment.build({**own, "methods": "frozen"}).domains()
    features = SCENARIOS["images"].configure({"backbone": "test_efficientnet", "size": SIDE}).network(domains)
    width = features.head.in_features
    assert result.metrics["trained_parameters"] == (width + 1) * 32 + 33 * 2
    assert len(result.curves) == 10
    preset = Experiment.load("recipe-vgg16")
    assert (preset.where.backbone, preset.where.instead, preset.where.hidden) == ("vgg16", "", 1024)
    assert preset.methods[-1].settings == {"layers": 2, "learning_rate": 0.001, "epochs": 10}
    assert preset.epochs is None  # ten epochs are the recipe's; its rival trains as long as it wants


@pytest.mark.slow
@pytest.mark.parametrize("method", ["lora", "adapters", "bias_only", "ulmfit", "l2_sp", "bss", "delta", "co_tuning"])
def test_methods_on_parameters_train_networks_with_channels_apart(own, method):
    result = execute(trial({**own, "epochs": 2}, method))
    assert np.isfinite([row["task_loss"] for row in result.curves]).all()
    assert result.metrics["trained_parameters"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("method", ["coral", "mmd", "dann", "kmm", "nearest_neighbour_selection", "pooled"])
def test_methods_between_domains_see_pictures_as_they_see_anything(own, method):
    result = execute(trial({**own, "epochs": 3, **({"whole": True} if method == "pooled" else {})}, method))
    assert result.metrics["accuracy"] > 0.4


def test_sgd_takes_the_steps_of_its_rule():
    """θ₁ = θ₀ − η·g;  θ₂ = θ₁ − η·(0.9·g + g′)."""
    from tlcore.methods import METHODS
    from tlcore.objective import _optimiser

    value = torch.nn.Parameter(torch.tensor([1.0]))
    optimiser = _optimiser([{"params": [value], "lr": 0.1}], METHODS["frozen"](optimiser="sgd", learning_rate=0.1))
    for gradient, expected in ((2.0, 0.8), (1.0, 0.8 - 0.1 * (0.9 * 2 + 1))):
        value.grad = torch.tensor([gradient])
        optimiser.step()
        assert value.item() == pytest.approx(expected)
    assert "optimiser" in METHODS["fine_tune"].form()
    assert "optimiser" not in METHODS["logistic_regression"].form()


def is_in_the_patch(explanation: Explanation, kind: str) -> bool:
    """Whether the cell that speaks most for the answer touches the patch."""
    side = 1 + max(row for row, _, _ in explanation.parts)
    place = ((28, 44), (4, 20)) if kind == "left" else ((4, 20), (28, 44))
    row, column, _ = max(explanation.parts, key=lambda part: part[2])
    return all(
        low < (cell + 1) * SIDE / side and cell * SIDE / side < high
        for cell, (low, high) in zip((row, column), place, strict=True)
    )


@pytest.mark.slow
@pytest.mark.parametrize(("method", "by"), [("small_network", "grad-cam"), ("logistic_regression", "covering")])
def test_an_answer_rests_on_the_part_that_decides(own, method, by):
    one = trial(own, method)
    domains = one.experiment.domains()
    result = execute(one)
    for row in range(4):
        explanation = explain(one, row)
        assert explanation.by == by
        assert np.argmax(explanation.probabilities) == result.examples["predicted"][row]
        assert is_in_the_patch(explanation, domains.answer_names[domains.test.answers[row]])


def test_grad_cam_is_that_taken_by_hand(own):
    from tlcore.attribution import by_maps, margin
    from tlcore.backbones.image import Pixels, SmallCNN

    domains = Experiment.build({**own, "methods": "frozen"}).domains()
    torch.manual_seed(0)
    pixels = pixels_of(domains, SIDE)
    cnn = SmallCNN().eval()
    head = torch.nn.Linear(cnn.features, 2)
    layers = torch.nn.Sequential(Pixels(*pixels), cnn, head)
    parts = by_maps(layers, 3, 1)
    maps = cnn.layers[:-2](Pixels(*pixels)(torch.tensor([3]))).detach().requires_grad_()
    margin(head(cnn.layers[-2:](maps)), 1).sum().backward()
    expected = (maps.grad.mean((2, 3), keepdim=True) * maps).sum(1)[0]
    found = np.zeros(expected.shape)
    for row, column, value in parts:
        found[row, column] = value
    np.testing.assert_allclose(found, expected.detach(), rtol=1e-4, atol=1e-6)


def test_a_network_without_maps_near_its_end_is_asked_by_covering():
    from tlcore.attribution import by_maps

    layers = torch.nn.Sequential(
        torch.nn.Embedding(5, 3 * 8 * 8), torch.nn.Unflatten(1, (3, 8, 8)), torch.nn.Conv2d(3, 4, 4, 4),
        torch.nn.Flatten(), torch.nn.Linear(16, 300), torch.nn.Linear(300, 2),
    )  # fmt: skip
    with torch.no_grad():
        layers[0].weight.normal_()
    small = torch.nn.Sequential(*layers[:4], torch.nn.Linear(16, 2))
    assert by_maps(small, 0, 1)
    heavy = torch.nn.Sequential(*layers[:4], torch.nn.Linear(16, 3000), torch.nn.Linear(3000, 2))
    assert by_maps(heavy, 0, 1) is None


@pytest.mark.slow
def test_a_map_of_features_shows_what_moved(own):
    stayed, moved = locate(trial(own, "frozen")), locate(trial(own, "fine_tune", learning_rate=0.2))
    assert stayed.before == stayed.after == moved.before  # frozen: the features are the source model's
    assert moved.after != moved.before
    assert stayed.domains == ["source"] * 40 + ["target"] * len(Experiment.build({**own}).domains().test)
    places, kinds = np.array(moved.after), np.array(moved.answers)
    middles = np.stack([places[kinds == kind].mean(0) for kind in (0, 1)])
    nearest = np.linalg.norm(places[:, None] - middles, axis=2).argmin(1)
    assert (nearest == kinds).mean() > 0.9  # classes lie apart once the network has learned them
    with pytest.raises(SpecificationError, match="'logistic_regression/5/0' has no features"):
        locate(trial(own, "logistic_regression"))


@pytest.mark.slow
def test_a_network_that_cannot_be_had_is_stood_in_for_and_that_is_said(own, monkeypatch):
    from tlcore.backbones import image

    fields = {**own, "backbone": "resnet50", "instead": "test_efficientnet", "methods": "frozen"}
    monkeypatch.setattr(image, "why_not", lambda name: "nobody answers" if name == "resnet50" else "")
    checked = Experiment.build(fields).checked()
    assert checked.where.backbone == "test_efficientnet"
    assert checked.where.remark == (
        "test_efficientnet stands in for resnet50, whose weights could not be had here: nobody answers."
    )
    assert checked.checked().where.remark == checked.where.remark  # what was settled stays
    with pytest.raises(
        SpecificationError, match="backbone: the weights of 'resnet50' could not be had: nobody answers"
    ):
        Experiment.build({**fields, "instead": ""}).checked()
    monkeypatch.setattr(image, "why_not", lambda name: "")
    for backbone, words in (("resnet999", "'resnet999' is not known"), ("vit_b_16", "takes no pictures of 48 pixels")):
        with pytest.raises(SpecificationError, match=words):
            Experiment.build({**fields, "backbone": backbone}).checked()
    assert Experiment.build(fields).checked().where.backbone == "resnet50"


def test_digits_go_both_ways():
    there, back = (SCENARIOS["digits"].domains(*pair) for pair in (("mnist", "uci"), ("uci", "mnist")))
    assert (len(there.source), len(back.source)) == (5000, 1797)
    assert (len(back.pool), len(back.test)) == (3000, 2000)
    assert SCENARIOS["digits"].remote("mnist", "svhn")
