"""Pictures with boxes of one's own: three ways of writing them, and what cannot be meant."""

import json
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tlcore.datasets.boxes import BoxedImages, BoxFolder
from tlcore.errors import SpecificationError
from tlcore.scenarios import FILES


def picture(width: int = 40, height: int = 20, **options) -> bytes:
    content = BytesIO()
    Image.new("RGB", (width, height), "red").save(content, "PNG", **options)
    return content.getvalue()


def coco(images: list[dict], boxes: list[dict], kinds: tuple[str, ...] = ("cat", "dog")) -> bytes:
    known = [{"id": 10 + number, "name": name} for number, name in enumerate(kinds)]
    return json.dumps({"images": images, "annotations": boxes, "categories": known}).encode()


def voc(name: str, *objects: tuple[str, float, float, float, float], size: tuple[int, int] = (40, 20)) -> bytes:
    inside = "".join(
        f"<object><name>{kind}</name><bndbox><xmin>{x}</xmin><ymin>{y}</ymin><xmax>{right}</xmax><ymax>{low}</ymax>"
        "</bndbox></object>"
        for kind, x, y, right, low in objects
    )
    width, height = size
    head = f"<filename>{name}</filename><size><width>{width}</width><height>{height}</height></size>"
    return f"<annotation>{head}{inside}</annotation>".encode()


A, B = {"id": 1, "file_name": "a.png", "width": 40, "height": 20}, {"id": 2, "file_name": "b.png"}
CAT = {"id": 1, "image_id": 1, "category_id": 10, "bbox": [4, 2, 20, 10], "iscrowd": 0}
DOG = {"id": 2, "image_id": 1, "category_id": 11, "bbox": [0, 0, 40, 20], "iscrowd": 1}
PICTURES = {"images/a.png": picture(), "images/b.png": picture(80, 80)}
AS_COCO = {**PICTURES, "annotations/all.json": coco([A, B], [CAT, DOG])}
AS_YOLO = {
    **PICTURES,
    "data.yaml": b"names: [cat, dog]",
    "labels/a.txt": b"0 0.35 0.35 0.5 0.5\n1 0.5 0.5 1 1\n",
    "labels/b.txt": b"",
}
AS_VOC = {
    **PICTURES,
    "a.xml": voc("a.png", ("cat", 5, 3, 24, 12), ("dog", 1, 1, 40, 20)),
    "b.xml": voc("elsewhere/b.jpg", size=(80, 80)),
}
FORMS = {"COCO": AS_COCO, "YOLO": AS_YOLO, "Pascal VOC": AS_VOC}


def folder(place: Path, files: dict[str, bytes]) -> str:
    for name, content in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)
    return str(place)


def archive(place: Path, files: dict[str, bytes]) -> str:
    with zipfile.ZipFile(place.with_suffix(".zip"), "w") as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return str(place.with_suffix(".zip"))


@pytest.fixture
def own(tmp_path) -> Callable[..., BoxFolder]:
    return lambda files, **told: BoxFolder(path=folder(tmp_path / "own", files), **told)


def refusal(file: BoxFolder) -> str:
    with pytest.raises(SpecificationError) as refused:
        file.read()
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("packed", [folder, archive])
@pytest.mark.parametrize("form", FORMS)
def test_the_same_boxes_are_read_however_they_are_written(form, packed, tmp_path):
    file = BoxFolder(path=packed(tmp_path / "own", FORMS[form]))
    read = file.read()
    assert read.images.names == ["images/a.png", "images/b.png"]
    np.testing.assert_allclose(read.boxes[0], [[0.1, 0.1, 0.6, 0.6], [0, 0, 1, 1]])
    assert [kinds.tolist() for kinds in read.kinds] == [["cat", "dog"], []]
    assert read.crowd[0].tolist() == [False, form == "COCO"]
    assert read.sizes.tolist() == [[40, 20], [80, 80]]
    look = file.look()
    said = {"pictures": "2", "boxes": "2", "classes": "2", "empty": "1", "size": "40 × 20 to 80 × 80"}
    assert look.facts == {"format": form, **said}
    assert look.labels == {"cat": 1, "dog": 1}
    assert file.fits()


def test_labels_have_other_names_here_and_are_left_out(own):
    assert own(AS_COCO).labels() == ("cat", "dog")
    read = own(AS_COCO, rename={"cat": "animal", "dog": ""}).read()
    assert [kinds.tolist() for kinds in read.kinds] == [["animal"], []]
    assert len(read.boxes[0]) == 1


def test_a_picture_of_which_nothing_is_said_is_left_out_unless_it_is_said_to_be_empty(own):
    files = {name: content for name, content in AS_YOLO.items() if name != "labels/b.txt"}
    assert own(files).read().images.names == ["images/a.png"]
    assert own(files).look().left_out == {"unmarked": 1}
    told = own(files, unmarked="empty")
    assert told.read().images.names == ["images/a.png", "images/b.png"]
    assert told.look().facts["empty"] == "1"


def test_labels_of_yolo_lie_beside_the_picture_of_their_part_or_in_a_folder_of_their_own(own):
    files = {
        "images/train/1.png": picture(),
        "images/val/1.png": picture(),
        "labels/val/1.txt": b"3 0.5 0.5 0.2 0.2",
        "labels/train/1.txt": b"2 0.5 0.5 0.2 0.2",
        "classes.txt": b"w\nx\ny\nz\n",
        "train.txt": b"images/train/1.png",
    }
    read = own(files).read()
    assert dict(zip(read.images.names, [kinds.tolist() for kinds in read.kinds], strict=True)) == {
        "images/train/1.png": ["y"],
        "images/val/1.png": ["z"],
    }


def test_an_outline_of_yolo_has_a_box_and_a_class_without_a_name_its_number(own):
    read = own({"a.png": picture(), "a.txt": b"7 0.1 0.2 0.5 0.1 0.3 0.9"}).read()
    np.testing.assert_allclose(read.boxes[0], [[0.1, 0.1, 0.5, 0.9]])
    assert read.kinds[0].tolist() == ["7"]


def test_pixels_of_voc_count_from_one_unless_one_is_zero(own):
    from_one = own({"a.png": picture(), "a.xml": voc("a.png", ("cat", 1, 1, 20, 10))}).read()
    np.testing.assert_allclose(from_one.boxes[0], [[0, 0, 0.5, 0.5]])
    from_zero = own({"a.png": picture(), "a.xml": voc("a.png", ("cat", 0, 4, 20, 10))}).read()
    np.testing.assert_allclose(from_zero.boxes[0], [[0, 0.2, 0.5, 0.5]])


def test_a_picture_turned_by_the_camera_is_seen_upright(own):
    note = Image.Exif()
    note[0x0112] = 6
    assert own({"a.png": picture(40, 20, exif=note), "a.txt": b"0 .5 .5 .2 .2"}).read().sizes.tolist() == [[20, 40]]


def test_a_box_partly_outside_is_clipped_and_counted(own):
    files = {**PICTURES, "all.json": coco([A, B], [{**CAT, "bbox": [30, -5, 20, 20]}])}
    read = own(files).read()
    np.testing.assert_allclose(read.boxes[0], [[0.75, 0, 1, 0.75]])
    assert own(files).look().left_out == {"boxes_clipped": 1}


OF_COCO = {
    "outside": ([A], [{**CAT, "bbox": [50, 0, 5, 5]}], "box 1 of 'images/a.png' in 'all.json', 50, 0 to 55, 5, has"),
    "no_area": ([A], [{**CAT, "bbox": [5, 5, 0, 5]}], "5, 5 to 5, 10, has no area"),
    "unknown": ([A], [{**CAT, "category_id": 3}], "is of the category 3, which is not listed; allowed: 10, 11"),
    "no_picture": ([A, {"id": 3, "file_name": "c.png"}], [CAT], "'all.json' speaks of 'c.png', which is not there"),
    "not listed": ([A], [{**CAT, "image_id": 9}], "entry 0 of annotations in 'all.json' is of the image 9, which"),
    "incomplete": ([A], [{"image_id": 1, "bbox": [0] * 4}], "entry 0 of annotations in 'all.json' has no 'cat"),
    "no name": ([A, {"id": 3}], [CAT], "entry 1 of images in 'all.json' has no 'file_name'"),
    "other_size": ([{**A, "width": 20, "height": 40}], [CAT], "has 20 × 40 pixels, and it has 40 × 20"),
    "no numbers": ([A], [{**CAT, "bbox": [1, None, 3, 4]}], "has a bbox that is not x, y, width, height"),
}  # fmt: skip
OF_YOLO = {
    "beyond": (b"0 0.5 0.5 20 10", "line 1 of 'labels/a.txt' has the value 20; allowed: 0 to 1, as shares of"),
    "unknown": (b"0 .5 .5 .1 .1\n5 .5 .5 .1 .1", "line 2 of 'labels/a.txt' is of the class 5; allowed: 0 to 1"),
    "incomplete": (b"0 .5 .5 .1", "line 1 of 'labels/a.txt' is not a class and four numbers"),
    "words": (b"0 .5 .5 .1 .1\ncat .5 .5 .1 .1", "line 2 of 'labels/a.txt' is not a class and four numbers"),
}
OF_VOC = {
    "no_area": (("cat", 5, 5, 4, 4), "box 1 of 'images/a.png' in 'a.xml', 4, 4 to 4, 4, has no area"),
    "incomplete": (("", 5, 5, 9, 9), "object 1 of 'a.xml' has no name"),
    "no number": (("cat", "x", 5, 9, 9), "object 1 of 'a.xml' has no box of xmin, ymin, xmax, ymax"),
}
FAULTY = {
    **{f"coco {name}": ({**PICTURES, "all.json": coco(*wrong[:2])}, wrong[2]) for name, wrong in OF_COCO.items()},
    **{f"yolo {name}": ({**AS_YOLO, "labels/a.txt": wrong}, words) for name, (wrong, words) in OF_YOLO.items()},
    **{f"voc {name}": ({**AS_VOC, "a.xml": voc("a.png", wrong)}, words) for name, (wrong, words) in OF_VOC.items()},
}


@pytest.mark.parametrize("name", FAULTY)
def test_what_cannot_be_meant_is_one_clear_line_and_can_be_left_out(name, own):
    files, words = FAULTY[name]
    said = refusal(own(files))
    assert said.startswith("path: ")
    assert words in said
    assert said.endswith("faulty=left-out goes on without.")
    right = {**files, "images/z.png": picture()}
    if "coco" in name:
        right["z.json"] = coco([{"id": 1, "file_name": "z.png"}], [CAT])
    elif "yolo" in name:
        right["labels/z.txt"] = b"0 .5 .5 .1 .1"
    else:
        right["z.xml"] = voc("z.png", ("cat", 5, 5, 9, 9))
    told = own(right, faulty="left-out")
    assert len(told.read().boxes[-1]) == 1
    assert sum(told.look().left_out.values()) >= 1


def test_two_faults_are_one_line_that_says_that_there_are_more(own):
    boxes = [{**CAT, "bbox": [5, 5, 0, 5]}, {**CAT, "bbox": [5, 5, 0, 5]}]
    assert "and 1 more are at fault" in refusal(own({**PICTURES, "all.json": coco([A], boxes)}))


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (PICTURES, "holds no boxes; put COCO's JSON"),
        ({"a.txt": b"0 .5 .5 .1 .1"}, "has boxes and no picture"),
        ({**AS_COCO, **AS_YOLO}, "holds boxes as COCO and as YOLO; say form=coco or form=yolo"),
        ({**PICTURES, "all.json": coco([A, B], [])}, "has 2 pictures and not one box"),
        ({**AS_COCO, "more.json": coco([A], [CAT])}, "both speak of 'images/a.png' in 'own'; take one out"),
        ({"x/a.png": picture(), "y/a.png": picture(), "z.json": coco([A], [CAT])}, "which could be 'x/a.png' or"),
        ({**PICTURES, "all.json": b'{"images": 3, "annotations": [], "categories": []}'}, "has no list of images"),
        ({**PICTURES, "all.json": b'{"images": [], "annotations": [], "categories"'}, "'all.json' is no JSON of COCO"),
        ({**PICTURES, "a.xml": b"<annotation><object></annotation>"}, "'a.xml' is no XML"),
        ({**PICTURES, "a.xml": b'<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>'}, "declares entities"),
        ({**PICTURES, "a.txt": b"0 .5 .5 .1 .1" * 1, "images/a.png": b"no picture"}, "has no picture that can be read"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_said(files, words, own):
    assert words in refusal(own(files))


def test_form_chooses_and_what_is_not_there_is_refused(own):
    assert refusal(own(AS_COCO, form="voc")) == "form: 'own' holds nothing of Pascal VOC. Allowed: coco."
    both = {**AS_COCO, **AS_YOLO}
    assert own(both, form="yolo").read().form == "yolo"
    assert own(both).fits()


def test_class_folders_are_no_boxes_and_a_change_of_a_box_is_another_checksum(own, tmp_path):
    assert not own({"cat/a.png": picture(), "dog/b.png": picture(), "readme.txt": b"hello"}).fits()
    pinned = BoxFolder(path=folder(tmp_path / "other", AS_YOLO)).pinned()
    (tmp_path / "other" / "labels" / "a.txt").write_bytes(b"1 0.35 0.35 0.5 0.5\n")
    with pytest.raises(SpecificationError, match="has changed since"):
        pinned.pinned()


# --- Tiles ---


def large(own) -> BoxedImages:
    marks = [("cat", 1, 1, 10, 10), ("cat", 91, 41, 120, 60), ("dog", 101, 101, 110, 110), ("dog", 241, 1, 250, 10)]
    pixels = np.arange(250 * 120, dtype=np.uint32).reshape(120, 250)
    content = BytesIO()
    Image.fromarray((pixels % 251).astype(np.uint8)).save(content, "PNG")
    return own({"a.png": content.getvalue(), "a.xml": voc("a.png", *marks, size=(250, 120))}).read()


def test_tiles_are_parts_of_the_picture_with_what_lies_in_them(own):
    whole = large(own)
    tiles = whole.tiles(100)
    assert tiles.images.names == ["a.png at 0, 0", "a.png at 100, 0"]
    assert tiles.sizes.tolist() == [[100, 100]] * 2
    np.testing.assert_allclose(tiles.boxes[0], [[0, 0, 0.1, 0.1], [0.9, 0.4, 1, 0.6]])
    assert tiles.crowd[0].tolist() == [False, True]  # a third of it is in this tile, the rest in the next
    np.testing.assert_allclose(tiles.boxes[1], [[0, 0.4, 0.2, 0.6]])
    assert tiles.crowd[1].tolist() == [False]
    assert len(set(tiles.images.groups)) == 1
    assert (tiles.images.open(1)[5, 7] == (5 * 250 + 107) % 251).all()
    assert len(whole.tiles(400)) == 1


def test_some_of_them_and_two_domains_together(own):
    tiles = large(own).tiles(60)
    some = tiles[[2, 0]]
    assert some.images.names == [tiles.images.names[2], tiles.images.names[0]]
    np.testing.assert_array_equal(some.boxes[1], tiles.boxes[0])
    both = BoxedImages.joined(some, tiles)
    assert len(both) == 2 + len(tiles)
    assert (both.images.open(3) == tiles.images.open(1)).all()


def test_it_is_a_kind_of_file_before_folders_of_classes(own):
    assert [*FILES].index("boxes") < [*FILES].index("images")
