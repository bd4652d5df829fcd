"""Own pictures: which class and group each is of, by names from any system and folders of any layout."""

import struct
import zipfile
import zlib
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tlcore.datasets.folders import classes_of, part_of, proposed_group
from tlcore.datasets.images import ImageFolder, LabelledImages, resized
from tlcore.errors import SpecificationError


def encoded(image: Image.Image, form: str = "PNG", **options) -> bytes:
    buffer = BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


DOT = encoded(Image.new("RGB", (4, 4), (255, 0, 0)))


def folder(place: Path, files: dict[str, bytes]) -> str:
    for name, content in files.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(content)
    return str(place)


def unmarked(place: Path, names: Sequence[bytes], again: Sequence[str] = (), wrong: bool = False) -> ImageFolder:
    """Write an archive whose names are these bytes, not marked as anything; ``again``: in UTF-8 beside, as Info-ZIP."""
    body = listing = b""
    for number, raw in enumerate(names):
        at, extra = len(body), b""
        if again:
            field = b"\1" + struct.pack("<I", zlib.crc32(raw) + wrong) + again[number].encode()
            extra = b"\x55\x54\x01\x00\x00" + struct.pack("<HH", 0x7075, len(field)) + field
        about = struct.pack("<HHHHIIIHH", 0, 0, 0, 33, zlib.crc32(DOT), len(DOT), len(DOT), len(raw), len(extra))
        body += b"PK\3\4" + struct.pack("<H", 20) + about + raw + extra + DOT
        listing += b"PK\1\2" + struct.pack("<HH", 20, 20) + about + struct.pack("<HHHII", 0, 0, 0, 0, at) + raw + extra
    end = struct.pack("<HHHHIIH", 0, 0, len(names), len(names), len(listing), len(body), 0)
    place.write_bytes(body + listing + b"PK\5\6" + end)
    return ImageFolder(path=str(place))


# --- Names in archives ---


@pytest.mark.parametrize(
    ("classes", "encoding"),
    [
        (("猫", "狗"), "gbk"), (("猫", "鹿"), "gbk"), (("昞品", "合格品"), "gb18030"), (("功能", "許願"), "big5"),
        (("ソ連", "表"), "cp932"), (("고양이", "개"), "cp949"), (("кошка", "собака"), "cp1251"),
        (("Größe", "Käse"), "cp850"), (("café", "thé"), "cp437"), (("Größe", "Käse"), "cp1252"),
        (("猫", "café"), "utf-8"),
        (("cats", "dogs"), "ascii"),
    ],
)  # fmt: skip
def test_names_are_as_they_were_meant_whatever_system_wrote_them(tmp_path, classes, encoding):
    names = [f"{label}/{n}.png".encode(encoding) for label in classes for n in range(3)]
    file = unmarked(tmp_path / "own.zip", names)
    assert {*file.labels()} == {*classes}
    assert file.read().open(0) == DOT


def test_a_byte_of_a_sign_is_no_folder_and_a_backslash_is(tmp_path):
    raw = "昞品".encode("gbk")
    assert b"\\" in raw
    file = unmarked(tmp_path / "own.zip", [raw + b"\\1.png", raw + b"/2.png", "合格\\1.png".encode("gbk")])
    assert file.read().names == ["合格/1.png", "昞品/1.png", "昞品/2.png"]


def test_the_same_classes_are_the_same_in_marked_and_unmarked_archives(tmp_path):
    with zipfile.ZipFile(tmp_path / "marked.zip", "w") as packed:
        for label in "猫狗":
            packed.writestr(f"{label}/1.png", DOT)
    other = unmarked(tmp_path / "own.zip", [f"{label}/1.png".encode("gbk") for label in "猫狗"])
    assert ImageFolder(path=str(tmp_path / "marked.zip")).labels() == other.labels()


def test_a_name_said_again_in_utf_8_is_believed_if_it_is_of_this_one(tmp_path):
    raw, said = [b"_1/1.png", b"_2/1.png"], ["猫/1.png", "狗/1.png"]
    assert {*unmarked(tmp_path / "a.zip", raw, said).labels()} == {"猫", "狗"}
    assert {*unmarked(tmp_path / "b.zip", raw, said, wrong=True).labels()} == {"_1", "_2"}


def test_a_name_said_again_cannot_lead_out(tmp_path):
    with pytest.raises(SpecificationError, match="leads out of the archive"):
        unmarked(tmp_path / "a.zip", [b"a/1.png", b"b/1.png"], ["a/1.png", "../b/1.png"]).read()


# --- Folders ---


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("training_set", "train"), ("test_set", "test"), ("seg_train", "train"), ("Train", "train"), ("val2017", "val"),
        ("train_images", "train"), ("testing-data", "test"), ("valid_set", "val"), ("TrainingSet", "train"),
        ("images_test", "test"), ("dev", "val"), ("cats", ""), ("tested", ""), ("invalid", ""), ("trainers", ""),
        ("data", ""), ("", ""), ("测试", ""), ("crash test", ""),
    ],
)  # fmt: skip
def test_what_a_folder_is_called_tells_which_part_it_is(name, part):
    assert part_of(name) == part


def layout(*parts: str) -> list[str]:
    return [f"{part}/{label}/{n}.png" for part in parts for label in ("cats", "dogs") for n in range(2)]


@pytest.mark.parametrize(
    "members",
    [
        layout("dataset/training_set", "dataset/test_set"),
        layout("seg_train/seg_train", "seg_test/seg_test"),
        layout("archive/seg_train/seg_train", "archive/seg_test/seg_test"),
        layout("images/train", "images/val"),
        layout("Train", "Valid"),
        layout("train_images", "test_images"),
        layout("train2017", "val2017"),
        layout("training-data", "testing-data"),
        layout("d/train_set", "d/valid_set", "d/test_set"),
        layout("train/images", "test/images"),
        layout("training_set/training_set", "test_set/test_set"),
    ],
)
def test_parts_of_a_data_set_are_no_classes_at_any_depth(members):
    assert {*classes_of("own", members)} == {"cats", "dogs"}


@pytest.mark.parametrize(
    "beside", [["d/figures/1.png"], ["d/figures/1.png", "d/docs/1.png"], ["d/pred/pred/1.png", "d/pred/pred/2.png"]]
)
def test_pictures_beside_the_parts_are_left_out_and_counted(tmp_path, beside):
    read = ImageFolder(
        path=folder(tmp_path / "own", dict.fromkeys([*layout("d/train", "d/test"), *beside], DOT))
    ).read()
    assert {*read.labels} == {"cats", "dogs"}
    assert read.dropped == {"beside": len(beside)}
    assert not {*read.names} & {*beside}


def test_a_class_called_as_a_part_is_one():
    members = [f"{part}/{label}/1.png" for part in ("train", "test") for label in ("train", "car", "bus")]
    assert {*classes_of("own", members)} == {"train", "car", "bus"}
    assert {*classes_of("own", ["train/1.png", "car/1.png"])} == {"train", "car"}


@pytest.mark.parametrize(
    ("members", "classes"),
    [
        (["train/steam/1.png", "train/diesel/1.png", "car/1.png"], "'car', 'train'"),
        ([*layout("train", "test"), "more/cats/1.png", "more/dogs/1.png"], "'more', 'test', 'train'"),
    ],
)
def test_where_it_cannot_be_told_the_classes_are_listed_and_a_person_says(members, classes):
    with pytest.raises(SpecificationError, match=rf"cannot be told .* classes=1 to take {classes} as the classes\.$"):
        classes_of("own", members)
    assert {*classes_of("own", members, "1")} == {*classes.replace("'", "").split(", ")}


@pytest.mark.parametrize("members", [["train/cats/1.png", "test/test/1.png"], ["seg_train/a/1.png", "seg_test/1.png"]])
def test_a_part_without_classes_is_refused(members):
    with pytest.raises(SpecificationError, match="in no class folder"):
        classes_of("own", members)


def test_a_person_says_which_folder_is_the_class(tmp_path):
    path = folder(tmp_path / "own", {f"site{n % 3}/{label}/{n}.png": DOT for label in "ab" for n in range(6)})
    assert ImageFolder(path=path).labels() == ("site0", "site1", "site2")
    assert ImageFolder(path=path, classes="2").labels() == ("a", "b")
    with pytest.raises(
        SpecificationError, match=r"classes: 3 is no folder of 'site0/a/0.png' in 'own'. Allowed: 1, .*to 2"
    ):
        ImageFolder(path=path, classes="3").read()


# --- Groups ---


def patients(place: Path) -> str:
    return folder(place, {f"{kind}/patient{n % 3}/{n}_x.png": DOT for kind in ("cats", "dogs") for n in range(6)})


@pytest.mark.parametrize("group", ["2", r"patient(\d+)", r"/(patient\d)/"])
def test_a_group_is_a_folder_or_what_an_expression_finds(tmp_path, group):
    read = ImageFolder(path=patients(tmp_path / "own"), group=group).read()
    assert {*read.labels} == {"cats", "dogs"}
    assert read.groups is not None
    assert [str(one)[-1] for one in read.groups] == [name.split("/")[1][-1] for name in read.names]
    assert ImageFolder(path=patients(tmp_path / "own")).read().groups is None


@pytest.mark.parametrize(
    ("group", "said"),
    [
        ("(", r"group: '\(' is no regular expression"),
        ("patient", "has no brackets"),
        (r"nurse(\d+)", "finds nothing in 12 of 12 paths in 'own', such as 'cats/patient0/0_x.png'"),
        (r"patient([01])", "finds nothing in 4 of 12"),
        (r"(patient)", "finds the same in all paths"),
        ("3", "group: 3 is no folder of 'cats/patient0/0_x.png' in 'own'. Allowed: 1, the first .*to 2"),
        ("0", "group: 0 is no folder"),
    ],
)
def test_a_group_that_is_not_there_is_refused(tmp_path, group, said):
    with pytest.raises(SpecificationError, match=said) as refused:
        ImageFolder(path=patients(tmp_path / "own"), group=group).read()
    assert "\n" not in str(refused.value)


def test_a_picture_in_which_no_group_is_found_belongs_to_itself(tmp_path):
    files = {f"a/p{n % 5}_{n}.png": DOT for n in range(28)} | {"a/x.png": DOT, "a/y.png": DOT}
    read = ImageFolder(path=folder(tmp_path / "own", files), group=r"p(\d)_").read()
    assert read.groups is not None
    assert read.groups[-2:].tolist() == ["a/x.png", "a/y.png"]


def test_groups_are_carried_when_domains_are_joined_and_parted():
    made = [LabelledImages.of([f"{n}" for n in range(3)], np.array(["a"] * 3), [np.zeros((2, 2), np.uint8)] * 3)] * 2
    grouped = LabelledImages(**{**vars(made[0]), "groups": np.array(["p", "p", "q"])})
    assert LabelledImages.joined(*made).groups is None
    for both, at in ((LabelledImages.joined(grouped, made[1]), 0), (LabelledImages.joined(made[1], grouped), 3)):
        assert both.groups is not None
        assert both.groups[at : at + 3].tolist() == ["p", "p", "q"]
        assert len({*both.groups}) == 5
        assert both[at : at + 2].groups.tolist() == ["p", "p"]
    twice = LabelledImages.joined(grouped, grouped)
    assert twice.groups is not None
    assert len({*twice.groups}) == 2


def two_kinds(pattern: str, groups: int = 4, each: int = 5) -> tuple[list[str], list[str]]:
    names = [pattern.format(kind=kind, group=g, n=n) for kind in "ab" for g in range(groups) for n in range(each)]
    return names, [next(kind for kind in name.split("/") if kind in ("a", "b")) for name in names]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("{kind}/mouse{group}/{n}.png", ["mouse0", "mouse1", "mouse2", "mouse3"]),
        ("set/{kind}/{group}/{n}.png", ["0", "1", "2", "3"]),
        ("{kind}/patient{group}2_{n}.png", ["patient02", "patient12", "patient22", "patient32"]),
        ("{kind}/{n}-Subject_{group}.png", ["Subject_0", "Subject_1", "Subject_2", "Subject_3"]),
        ("{kind}/s0{group}-{n}.png", ["s00", "s01", "s02", "s03"]),
    ],
)
def test_groups_are_proposed_where_names_look_like_it(tmp_path, pattern, found):
    names, labels = two_kinds(pattern)
    read = ImageFolder(
        path=folder(tmp_path / "own", dict.fromkeys(names, DOT)), group=proposed_group(names, labels)
    ).read()
    assert read.groups is not None
    assert sorted({*read.groups}) == found


@pytest.mark.parametrize(
    ("pattern", "groups", "each"),
    [
        ("{kind}/{group}{n}.png", 4, 5),
        ("{kind}/IMG_{group}_{n}.png", 4, 5),
        ("{kind}/IMG_{group}{n}.png", 4, 5),
        ("{kind}/mouse{group}/{n}.png", 2, 5),  # too few to split
        ("{kind}/train/{group}{n}.png", 4, 5),
        ("{kind}/{kind}1_{group}{n}.png", 4, 5),  # the class again
    ],
)
def test_nothing_is_proposed_where_they_do_not(pattern, groups, each):
    assert proposed_group(*two_kinds(pattern, groups, each)) == ""


def test_nothing_is_proposed_where_each_has_one_picture():
    assert proposed_group([f"{'ab'[n % 2]}/patient{n}.png" for n in range(40)], ["a", "b"] * 20) == ""


def test_a_class_by_another_name_is_no_group():
    names = [f"{kind}/{kind}1_{n}.png" for kind in "abcd" for n in range(6)]
    assert proposed_group(names, [name[0] for name in names]) == ""


# --- What is in a file ---


@pytest.mark.parametrize("ending", ["jfif", "jpe", "pjpeg", "JFIF"])
def test_a_jpeg_by_any_name_is_read(tmp_path, ending):
    path = folder(tmp_path / "own", {f"a/1.{ending}": encoded(Image.new("RGB", (8, 8), (255, 0, 0)), "JPEG")})
    assert len(ImageFolder(path=path).read()) == 1


@pytest.mark.parametrize(("form", "ending"), [("HEIF", "heic"), ("HEIF", "heif"), ("AVIF", "avif")])
def test_photographs_of_phones_are_read(tmp_path, form, ending):
    if form == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    content = encoded(Image.new("RGB", (64, 64), (0, 0, 255)), form)
    read = ImageFolder(path=folder(tmp_path / "own", {f"a/1.{ending}": content, f"a/2.{ending}": content[:200]})).read()
    assert read.dropped == {"corrupt": 1}
    assert np.allclose(resized(read.open(0), 8, "squash"), (0, 0, 255), atol=6)


def grey(*values: int, form: str = "PNG") -> bytes:
    return encoded(Image.fromarray(np.full((4, 4), 0, np.uint16) + np.array(values, np.uint16)[:, None]), form)


def greys(place: Path, files: dict[str, bytes]) -> list[list[int]]:
    read = ImageFolder(path=folder(place, files)).read()
    return [resized(read.open(n), 4, "squash")[:, 0, 0].tolist() for n in range(len(read))]


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
@pytest.mark.parametrize(
    ("largest", "white"), [(1000, 1023), (1023, 1023), (1024, 4095), (4095, 4095), (4096, 65535), (65535, 65535)]
)
def test_what_white_is_tells_the_brightest_of_all_pictures(tmp_path, form, largest, white):
    ending = form.lower()
    dark, bright = grey(0, 100, 200, 300, form=form), grey(0, largest, 0, largest, form=form)
    found = greys(tmp_path / "own", {f"a/1.{ending}": dark, f"b/2.{ending}": bright})
    assert found[0] == [round(255 * value / white) for value in (0, 100, 200, 300)]
    assert found[1][1] == round(255 * largest / white)


def test_equal_files_are_other_pictures_where_white_is_another(tmp_path):
    alone = ImageFolder(path=folder(tmp_path / "one", {"a/1.png": grey(0, 1, 2, 900)})).read()
    beside = {"a/1.png": grey(0, 1, 2, 900), "a/2.png": grey(0, 1, 2, 60000)}
    other = ImageFolder(path=folder(tmp_path / "other", beside)).read()
    assert alone.contents[0] != other.contents[0]
    assert (resized(alone.open(0), 4, "squash") != resized(other.open(0), 4, "squash")).any()


def test_a_tiff_that_says_what_white_is_is_believed(tmp_path):
    said = encoded(Image.fromarray(np.full((4, 4), 500, np.uint16)), "TIFF", tiffinfo={281: 1000})
    assert greys(tmp_path / "own", {"a/1.tif": said, "a/2.tif": grey(1, 1, 1, 60000, form="TIFF")})[0] == [128] * 4


def test_grey_of_other_depths_is_as_before(tmp_path):
    files = {"a/1.png": encoded(Image.new("L", (4, 4), 100)), "a/2.pgm": grey(0, 0, 0, 25700, form="PPM")}
    assert greys(tmp_path / "own", files)[0] == [100] * 4
    assert greys(tmp_path / "own", files)[1][3] == 100
