"""Own pictures with masks: which mask belongs to which picture, what its pixels stand for, and what is refused."""

import json
import sys
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from tlcore.__main__ import main
from tlcore.datasets.masks import MaskedImages, MaskFolder, classes_at
from tlcore.datasets.pairs import looks_paired, paired
from tlcore.errors import SpecificationError

SIZE = 24


def picture(number: int, size: tuple[int, int] = (SIZE, SIZE), form: str = "PNG", **options) -> bytes:
    values = np.random.default_rng(number).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return encoded(Image.fromarray(values), form, **options)


def encoded(image: Image.Image, form: str = "PNG", **options) -> bytes:
    buffer = BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def marks(number: int, values: tuple[int, ...] = (0, 1), size: int = SIZE) -> np.ndarray:
    return np.random.default_rng([7, number]).choice(np.array(values, np.uint8), (size, size))


def coloured(numbers: np.ndarray, colours: list[tuple[int, int, int]]) -> Image.Image:
    return Image.fromarray(np.array(colours, np.uint8)[numbers])


def folder(place: Path, files: dict[str, bytes]) -> MaskFolder:
    for name, content in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)
    return MaskFolder(path=str(place))


def usual(masks: list[bytes], ending: str = "png") -> dict[str, bytes]:
    return {f"images/{n}.png": picture(n) for n in range(len(masks))} | {
        f"masks/{n}.{ending}": mask for n, mask in enumerate(masks)
    }


def grey(values: np.ndarray) -> bytes:
    return encoded(Image.fromarray(values))


def refused(file: MaskFolder) -> str:
    with pytest.raises(SpecificationError) as error:
        file.read()
    assert "\n" not in str(error.value)
    return str(error.value)


def test_pictures_and_masks_are_what_is_in_the_files(tmp_path):
    numbers = [marks(n, (0, 1, 2)) for n in range(3)]
    files = usual([grey(one) for one in numbers])
    read = folder(tmp_path, files).read()
    assert (len(read), read.classes) == (3, ("0", "1", "2"))
    assert read.pictures.names == ["images/0.png", "images/1.png", "images/2.png"]
    for number, expected in enumerate(numbers):
        assert read.open(number).dtype == np.int8
        assert (read.open(number) == expected).all()
        assert read.pictures.open(number) == files[f"images/{number}.png"]
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as packed:
        for name, content in files.items():
            packed.writestr(f"mine/{name}", content)
    archived = MaskFolder(path=str(tmp_path / "all.zip")).read()
    assert archived.pictures.checksum == read.pictures.checksum
    assert (archived.open(2) == numbers[2]).all()


@pytest.mark.parametrize(
    ("form", "ending", "options"),
    [("PNG", "png", {}), ("TIFF", "tif", {"compression": "tiff_lzw"}), ("BMP", "bmp", {})],
)
def test_numbers_colours_palettes_and_deep_masks_give_the_same_classes(tmp_path, form, ending, options):
    numbers = [marks(n, (0, 1, 2)) for n in range(3)]
    colours = [(0, 0, 0), (255, 0, 0), (0, 128, 64)]
    indexed = []
    for one in numbers:
        image = Image.fromarray(one)
        image.putpalette(np.array(colours).ravel().tolist())
        indexed.append(encoded(image, form, **options))
    kinds = {
        "grey": [encoded(Image.fromarray(one), form, **options) for one in numbers],
        "equal channels": [encoded(Image.fromarray(one).convert("RGB"), form, **options) for one in numbers],
        "palette": indexed,
    }
    for kind, masks in kinds.items():
        read = folder(tmp_path / kind, usual(masks, ending)).read()
        assert read.classes == ("0", "1", "2"), kind
        assert all((read.open(n) == one).all() for n, one in enumerate(numbers)), kind
    read = folder(
        tmp_path / "colours", usual([encoded(coloured(one, colours), form, **options) for one in numbers], ending)
    ).read()
    assert read.classes == ("#000000", "#008040", "#ff0000")
    order = np.array([0, 2, 1])
    assert all((read.open(n) == order[one]).all() for n, one in enumerate(numbers))


def test_deep_masks_and_transparent_ones(tmp_path):
    deep = [marks(n).astype(np.uint16) * 300 for n in range(2)]
    read = folder(tmp_path / "deep", usual([encoded(Image.fromarray(one)) for one in deep])).read()
    assert read.classes == ("0", "300")
    floats = [encoded(Image.fromarray(one.astype(np.float32)), "TIFF") for one in deep]
    assert folder(tmp_path / "floats", usual(floats, "tif")).read().classes == ("0", "300")
    halves = [encoded(Image.fromarray(one.astype(np.float32) + 0.5), "TIFF") for one in deep]
    assert "no whole numbers" in refused(folder(tmp_path / "halves", usual(halves, "tif")))
    clear = [np.dstack([np.full((SIZE, SIZE, 3), (255, 0, 0)), 255 * marks(n)]).astype(np.uint8) for n in range(2)]
    read = folder(tmp_path / "clear", usual([grey(one) for one in clear])).read()
    assert read.classes == ("#000000", "#ff0000")
    assert (read.open(1) == marks(1)).all()


def test_palettes_that_differ_are_told_apart_by_their_colours(tmp_path):
    """An editor orders a palette as it likes: the same number is another colour in the next mask."""
    first, second = marks(0), marks(1)
    masks = []
    for one, palette in ((first, [0, 0, 0, 255, 0, 0]), (1 - second, [255, 0, 0, 0, 0, 0])):
        image = Image.fromarray(one)
        image.putpalette(palette)
        masks.append(encoded(image))
    read = folder(tmp_path, usual(masks)).read()
    assert read.classes == ("#000000", "#ff0000")
    assert (read.open(0) == first).all()
    assert (read.open(1) == second).all()


def test_some_masks_without_colour_among_coloured_ones_are_colours_too(tmp_path):
    masks = [encoded(coloured(marks(0), [(0, 0, 0), (9, 0, 0)])), grey(np.zeros((SIZE, SIZE), np.uint8))]
    read = folder(tmp_path, usual(masks)).read()
    assert read.classes == ("#000000", "#090000")
    assert (read.open(1) == 0).all()


def test_what_is_not_known_by_convention_by_name_and_by_what_a_person_says(tmp_path):
    numbers = [marks(n, (0, 1, 255)) for n in range(2)]
    file = folder(tmp_path / "convention", usual([grey(one) for one in numbers]))
    assert file.read().classes == ("0", "1")
    assert (file.read().open(0) == numbers[0].view(np.int8)).all()
    assert file.model_copy(update={"rename": {"255": "border"}}).read().classes == ("0", "1", "border")
    both = folder(tmp_path / "both", usual([grey(marks(n, (0, 255))) for n in range(2)]))
    assert both.read().classes == ("0", "255")
    levels = folder(tmp_path / "levels", usual([grey(marks(n, (0, 128, 255))) for n in range(2)]))
    assert levels.read().classes == ("0", "128", "255")
    said = levels.model_copy(update={"rename": {"128": "", "255": "cell"}}).read()
    assert said.classes == ("0", "cell")
    assert ((said.open(0) == -1) == (marks(0, (0, 128, 255)) == 128)).all()
    assert "no label '7'" in refused(levels.model_copy(update={"rename": {"7": "x"}}))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("labelmap.txt", "# label:color_rgb:parts:actions\nground:0,0,0::\nroad:128,64,128::\nsea:0,0,255::\n"),
        ("class_dict.csv", "name,r,g,b\nground,0,0,0\nroad,128,64,128\nsea,0,0,255\n"),
        ("label_colors.txt", "0 0 0\tground\n128 64 128\troad\n0 0 255 sea\n"),
    ],
)
def test_a_list_of_colours_names_classes_and_what_is_not_in_it_is_said(tmp_path, name, text):
    colours = [(0, 0, 0), (128, 64, 128)]
    files = usual([encoded(coloured(marks(n), colours)) for n in range(3)]) | {name: text.encode()}
    read = folder(tmp_path, files).read()
    assert read.classes == ("ground", "road")
    assert (read.open(1) == marks(1)).all()
    assert "other" not in read.pictures.dropped
    strange = marks(2).astype(int)
    strange[:4] = 2
    files["masks/2.png"] = encoded(coloured(strange, [*colours, (1, 2, 3)]))
    error = refused(folder(tmp_path, files))
    assert "masks/2.png" in error
    assert "#010203" in error
    assert "#804080 (road)" in error
    assert folder(tmp_path, files).model_copy(update={"rename": {"#010203": ""}}).read().classes == ("ground", "road")


def test_a_list_of_names_counts_from_nought_and_void_is_not_known(tmp_path):
    files = usual([grey(marks(n, (0, 1, 2))) for n in range(2)]) | {"classes.txt": b"ground\nvessel\nVoid\n"}
    assert folder(tmp_path, files).read().classes == ("ground", "vessel")
    renamed = folder(tmp_path, files).model_copy(update={"rename": {"vessel": "vein", "2": "edge"}})
    assert renamed.read().classes == ("ground", "vein", "edge")


def test_numbered_objects_are_one_class_when_a_person_says_so(tmp_path):
    numbers = np.arange(SIZE * SIZE, dtype=np.uint16).reshape(SIZE, SIZE)
    file = folder(tmp_path, usual([encoded(Image.fromarray(numbers)) for _ in range(3)]))
    assert "instances=true" in refused(file)
    read = file.model_copy(update={"instances": True}).read()
    assert read.classes == ("background", "object")
    assert read.open(0).sum() == SIZE * SIZE - 1


def test_smoothed_masks_are_refused_until_it_is_said_which_values_there_are(tmp_path):
    rows, columns = np.ogrid[:240, :240]
    large = [255 * (np.hypot(rows - 97.3, columns - 131.8) < 70 + n).astype(np.uint8) for n in range(2)]
    soft = [Image.fromarray(one).filter(ImageFilter.GaussianBlur(1)) for one in large]
    files = {f"images/{n}.png": picture(n, (240, 240)) for n in range(2)}
    file = folder(tmp_path / "soft", files | {f"masks/{n}.png": encoded(one) for n, one in enumerate(soft)})
    assert "nearest=0,255 to" in refused(file).replace("255,0", "0,255")
    read = file.model_copy(update={"nearest": "0,255"}).read()
    assert read.classes == ("0", "255")
    assert (read.open(0) == (np.asarray(soft[0]) > 127)).all()
    jpeg = folder(tmp_path / "jpeg", files | {f"masks/{n}.jpg": encoded(one, "JPEG") for n, one in enumerate(soft)})
    assert "masks/0.jpg" in refused(jpeg)
    assert "JPEG" in refused(jpeg)
    assert jpeg.model_copy(update={"nearest": "0,255"}).read().classes == ("0", "255")
    colour = encoded(coloured(marks(0, size=240), [(0, 0, 0), (255, 0, 0)]), "JPEG", quality=95, subsampling=0)
    file = folder(tmp_path / "colour", files | {f"masks/{n}.jpg": colour for n in range(2)})
    read = file.model_copy(update={"nearest": "#000000,#ff0000"}).read()
    assert (read.open(0) == marks(0, size=240)).mean() > 0.95
    assert "'0' is not allowed, as the masks have colours" in refused(file.model_copy(update={"nearest": "0,1"}))
    with pytest.raises(ValueError, match=r"nearest: .red. is neither"):
        MaskFolder.model_validate({"path": "x", "nearest": "red,blue"})


def test_a_slip_of_the_pen_is_no_class(tmp_path):
    masks = [np.zeros((100, 100), np.uint8) + (np.arange(100) < 50) for _ in range(3)]
    masks[1][0, :3] = 9
    files = {f"images/{n}.png": picture(n, (100, 100)) for n in range(3)}
    file = folder(tmp_path, files | {f"masks/{n}.png": grey(one.astype(np.uint8)) for n, one in enumerate(masks)})
    error = refused(file)
    assert "masks/1.png" in error
    assert "3 pixels of 9" in error
    assert file.model_copy(update={"rename": {"9": ""}}).read().classes == ("0", "1")
    assert file.model_copy(update={"rename": {"9": "dot"}}).read().classes == ("0", "1", "dot")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"masks/1.png": None}, "1 of 3 pictures in 'own' have no mask, such as 'images/1.png'"),
        ({"masks/1.png": b""}, "mask 'masks/1.png' in 'own' is none: it is empty"),
        ({"masks/1.png": b"no picture at all"}, "mask 'masks/1.png' in 'own' is none: it cannot be read"),
        (
            {"masks/1.png": grey(marks(1, size=20))},
            "'masks/1.png' in 'own' has 20 × 20 pixels and its picture 'images/1.png' 24 × 24",
        ),
        ({f"masks/{n}.png": grey(np.zeros((SIZE, SIZE), np.uint8)) for n in range(3)}, "nothing but '0'"),
        ({f"masks/{n}.png": None for n in range(3)}, "'own' has no masks"),
        ({"masks/1.tif": grey(marks(1))}, "two masks of one picture, 'masks/1.png' and 'masks/1.tif'"),
        ({f"images/{n}.png": b"broken" for n in range(3)}, "no picture that can be read"),
    ],
)
def test_what_is_wrong_with_pictures_and_masks_is_said_in_one_line(tmp_path, change, said):
    files = usual([grey(marks(n)) for n in range(3)]) | change
    assert said in refused(
        folder(tmp_path / "own", {name: content for name, content in files.items() if content is not None})
    )


def test_a_picture_that_a_camera_noted_as_lying_has_its_mask_upright(tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    files = {f"images/{n}.jpg": picture(n, (30, 20), "JPEG", exif=exif.tobytes()) for n in range(2)}
    upright = [marks(n, size=30)[:, :20] for n in range(2)]
    read = folder(tmp_path, files | {f"masks/{n}.png": grey(one) for n, one in enumerate(upright)}).read()
    assert (read.open(0) == upright[0]).all()
    lying = {f"masks/{n}.png": grey(one.T.copy()) for n, one in enumerate(upright)}
    assert "30 × 20 pixels and its picture 'images/0.jpg' 20 × 30" in refused(folder(tmp_path, lying))


def test_masks_are_found_by_folders_and_by_names():
    pairs = {
        ("train/images/a.jpg", "train/masks/a.png", "val/images/a.jpg", "val/masks/a.png"): [(0, 1), (2, 3)],
        ("JPEGImages/2007_1.jpg", "SegmentationClass/2007_1.png"): [(0, 1)],
        ("a.tif", "a_mask.tif", "b.tif", "b_mask.tif"): [(0, 1), (2, 3)],
        ("training/images/21_training.tif", "training/1st_manual/21_manual1.gif"): [(0, 1)],
        ("leftImg8bit/x_leftImg8bit.png", "gt/x_labelIds.png"): None,
        ("patient1/images/1.png", "patient1/labels/1.png", "patient2/images/1.png", "patient2/labels/1.png"): [
            (0, 1),
            (2, 3),
        ],
    }
    for members, expected in pairs.items():
        if expected is None:
            assert not looks_paired(members)
            continue
        assert paired("own", members) == (expected, []), members
        assert looks_paired(members)
    assert not looks_paired(["cats/1.png", "dogs/2.png"])
    assert not looks_paired(["masks/1.png", "faces/2.png"])


def test_a_changed_mask_is_another_checksum_and_other_pixels(tmp_path):
    file = folder(tmp_path, usual([grey(marks(n)) for n in range(2)]))
    before, pinned = classes_at(file.read(), 16, "squash"), file.pinned()
    (tmp_path / "masks/0.png").write_bytes(grey(1 - marks(0)))
    after = classes_at(file.read(), 16, "squash")
    assert (after[0] == 1 - before[0]).all()
    with pytest.raises(SpecificationError, match="has changed"):
        pinned.pinned()


def test_masks_lie_as_the_pixels_of_their_pictures_do():
    from tlcore.datasets.images import pixels

    mask = np.zeros((40, 60), np.int8)
    mask[10:25, 30:50] = 1
    mask[:5] = -1
    shown = np.repeat(np.where(mask == 1, 255, 0).astype(np.uint8)[..., None], 3, axis=2)
    images = MaskedImages.of(["one"], [shown], [mask], ("ground", "thing"))
    for fit in ("squash", "crop"):
        classes, seen = classes_at(images, 80, fit)[0], pixels(images.pictures, 80, fit)[0, :, :, 0]
        assert {*np.unique(classes)} == {-1, 0, 1}
        sure = (seen == 0) | (seen == 255)
        assert ((classes == 1) == (seen > 127))[sure].mean() > 0.99, fit


def test_tiles_leave_nothing_out_and_stay_with_their_picture():
    rng = np.random.default_rng(0)
    shown = [rng.integers(0, 256, (50, 75, 3), dtype=np.uint8) for _ in range(2)]
    masks = [rng.integers(0, 2, (50, 75)).astype(np.int8) for _ in range(2)]
    tiles = MaskedImages.of(["a", "b"], shown, masks, ("0", "1")).in_tiles(25)
    assert len(tiles) == 12
    assert tiles.pictures.groups.tolist() == ["a"] * 6 + ["b"] * 6
    whole = np.block([[tiles.open(3 * row + column) for column in range(3)] for row in range(2)])
    assert (whole == masks[0]).all()
    assert (tiles.pictures.open(6) == shown[1][:25, :25]).all()
    assert len({*tiles.pictures.contents}) == 12
    some = tiles[[7, 0]]
    assert some.pictures.names == [tiles.pictures.names[7], tiles.pictures.names[0]]
    assert (some.open(1) == tiles.open(0)).all()
    assert some.checksum != tiles.checksum


def test_classes_are_shown_before_a_run_with_their_shares(tmp_path, monkeypatch, capsys):
    numbers = [np.zeros((20, 20), np.uint8) for _ in range(2)]
    numbers[0][:5] = 1
    numbers[1][:2] = 255
    files = {f"images/patient{n}_a.png": picture(n, (20, 20)) for n in range(2)}
    files |= {f"masks/patient{n}_a.png": grey(one) for n, one in enumerate(numbers)}
    folder(tmp_path, files)
    monkeypatch.setattr(sys, "argv", ["tlcore", "data", "look", str(tmp_path), "--set", "rename=1=vessel", "--json"])
    assert main() == 0
    told = json.loads(capsys.readouterr().out)
    assert told["as"] == "masks"
    assert told["classes"] == [
        {"name": "0", "written": "0", "share": 0.825, "pictures": 2},
        {"name": "vessel", "written": "1", "share": 0.125, "pictures": 1},
        {"name": "not known", "written": "255", "share": 0.05, "pictures": 1},
    ]
    assert told["labels"] == {"0": 2, "vessel": 1}
    monkeypatch.setattr(sys, "argv", ["tlcore", "data", "look", str(tmp_path)])
    assert main() == 0
    assert "12.5%" in capsys.readouterr().out
