"""Own pictures: right pixels from every kind of file, classes from folders, and what is refused in one line."""

import struct
import unicodedata
import warnings
import zlib
from io import BytesIO
from time import perf_counter

import numpy as np
import pytest
from PIL import Image

from tests.datasets.pictures import BLUE, RED, WHITE, archive, encoded, folder, noise, peak, plain, refusal
from tlcore.artefacts import home
from tlcore.datasets import images, members
from tlcore.datasets.images import LabelledImages, pixels, resized


def centre(picture: bytes) -> tuple[int, ...]:
    return tuple(resized(picture, 8, "squash")[4, 4].tolist())


# --- Pixels ---


def test_grey_gets_three_equal_channels():
    assert centre(encoded(Image.new("L", (8, 8), 100))) == (100, 100, 100)
    assert centre(encoded(Image.new("L", (8, 8), 100), "PPM")) == (100, 100, 100)


def test_one_bit_is_black_and_white():
    half = Image.new("1", (8, 8), 0)
    half.paste(1, (4, 0, 8, 8))
    read = resized(encoded(half), 8, "squash")
    assert read[:, 0].max() == 0
    assert read[:, -1].min() == 255


@pytest.mark.parametrize("form", ["PNG", "TIFF", "PPM"])
@pytest.mark.parametrize(("grey", "expected"), [(0, 0), (200, 1), (25_700, 100), (65_535, 255)])
def test_sixteen_bits_become_eight_however_dark(form, grey, expected):
    picture = encoded(Image.fromarray(np.full((8, 8), grey, np.uint16)), form)
    assert centre(picture) == (expected,) * 3


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),
        ([0.0, 51.0, 255.0], [0, 51, 255]),
        ([-1.0, 0.0, 1.0], [0, 128, 255]),
        ([0.0, 50_000.0, 100_000.0], [0, 128, 255]),
        ([0.0, float("nan"), float("inf")], [0, 0, 0]),
    ],
)
def test_of_real_numbers_their_range_tells_what_white_is(values, expected):
    picture = encoded(Image.fromarray(np.array([values], np.float32)), "TIFF")
    assert images._decoded(picture, 8).getchannel(0).tobytes() == bytes(expected)


def test_a_mask_of_32_bits_is_seen():
    picture = encoded(Image.fromarray(np.array([[0, 1]], np.int32)), "TIFF")
    assert images._decoded(picture, 8).getchannel(0).tobytes() == b"\0\xff"


def test_what_is_transparent_becomes_white():
    half = Image.new("RGBA", (8, 8), (*RED, 255))
    half.paste((0, 0, 0, 0), (0, 0, 4, 8))
    palette = half.convert("RGB").quantize(4)
    transparent = int(np.asarray(palette)[0, 0])
    for picture in (
        encoded(half),
        encoded(half, "WEBP", lossless=True),
        encoded(palette, transparency=transparent),
        encoded(palette, "GIF", transparency=transparent),
        encoded(half.convert("RGB"), transparency=(0, 0, 0)),
    ):
        read = resized(picture, 8, "squash")
        assert tuple(read[0, 0]) == WHITE
        assert tuple(read[0, -1]) == RED
    assert centre(encoded(Image.new("LA", (8, 8), (0, 127)))) == (128, 128, 128)


def test_cmyk_is_not_inverted():
    cyan, paper = (255, 0, 0, 0), (0, 0, 0, 0)
    assert np.allclose(centre(encoded(Image.new("CMYK", (8, 8), cyan), "JPEG")), (0, 255, 255), atol=3)
    assert np.allclose(centre(encoded(Image.new("CMYK", (8, 8), paper), "JPEG")), WHITE, atol=3)
    assert centre(encoded(Image.new("CMYK", (8, 8), cyan), "TIFF")) == (0, 255, 255)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize(("orientation", "corner"), [(1, (0, 0)), (3, (1, 1)), (6, (0, 1)), (8, (1, 0))])
def test_a_cameras_note_which_way_is_up_is_followed(form, orientation, corner):
    """The stored picture is red above on the left alone; turned as noted, red is in another corner."""
    stored = Image.new("RGB", (64, 32), BLUE)
    stored.paste(RED, (0, 0, 32, 16))
    note = Image.Exif()
    note[0x0112] = orientation
    read = resized(encoded(stored, form, exif=note), 32, "squash").astype(int)
    reds = {(row, column): read[4 + 24 * row, 4 + 24 * column, 0] for row in (0, 1) for column in (0, 1)}
    assert max(reds, key=reds.__getitem__) == corner
    assert sorted(reds.values())[2] < 20 < 235 < max(reds.values())


def test_grey_of_16_bits_is_turned_too():
    stored = Image.fromarray(np.array([[0, 0], [0, 0], [65_535, 65_535]], np.uint16))
    note = Image.Exif()
    note[0x0112] = 3
    assert images._decoded(encoded(stored, exif=note), 2).getchannel(0).tobytes() == bytes([255, 255, 0, 0, 0, 0])


def test_of_a_moving_picture_the_first_frame_is_taken():
    frames = [Image.new("RGB", (8, 8), colour) for colour in (RED, BLUE, WHITE)]
    for form in ("GIF", "WEBP", "PNG", "TIFF"):
        options = {"lossless": True} if form == "WEBP" else {}
        moving = encoded(frames[0], form, save_all=True, append_images=frames[1:], **options)
        assert Image.open(BytesIO(moving)).n_frames == 3
        assert centre(moving) == RED


def test_squash_keeps_all_and_crop_keeps_the_shape():
    wide = Image.new("RGB", (90, 30), BLUE)
    wide.paste(RED, (30, 0, 60, 30))
    for picture in (encoded(wide), np.asarray(wide)):
        squashed, cropped = (resized(picture, 30, fit) for fit in ("squash", "crop"))
        assert [tuple(squashed[15, column]) for column in (5, 15, 25)] == [BLUE, RED, BLUE]
        assert (cropped[:, 3:-3] == RED).all()
        assert squashed.shape == cropped.shape == (30, 30, 3)
    line = encoded(Image.new("RGB", (1, 1000), RED))
    assert (resized(line, 8, "crop") == RED).all()


def test_a_large_jpeg_is_decoded_at_a_fraction_and_looks_the_same():
    gradient = np.tile(np.linspace(0, 255, 2048).astype(np.uint8)[:, None, None], (1, 2048, 3))
    large = encoded(Image.fromarray(gradient), "JPEG", quality=95)
    assert images._decoded(large, 64).size == (256, 256)
    exact = Image.fromarray(gradient).resize((64, 64), Image.Resampling.BICUBIC)
    assert np.abs(resized(large, 64, "squash").astype(int) - np.asarray(exact).astype(int)).max() <= 3


def test_pixels_at_hand_are_taken_grey_and_in_colour():
    grey = np.full((8, 8), 7, np.uint8)
    assert (resized(grey, 8, "squash") == 7).all()
    assert (resized(noise(0, 8), 8, "squash") == noise(0, 8)).all()


# --- Kept pixels ---


def counted(pictures: list[bytes] | list[np.ndarray]) -> tuple[LabelledImages, list[int]]:
    """Return labelled pictures, and the list of those that were opened so far."""
    opened: list[int] = []
    made = LabelledImages.of([*map(str, range(len(pictures)))], np.array(["a"] * len(pictures)), pictures)

    def look(number: int) -> bytes | np.ndarray:
        opened.append(number)
        return pictures[number]

    return LabelledImages(made.names, made.labels, look, made.checksum, made.contents), opened


def test_pixels_are_decoded_once_for_each_size_and_fit():
    made, opened = counted([encoded(Image.fromarray(noise(n, 24)[:12])) for n in range(3)])
    first = pixels(made, 16, "squash")
    assert first.shape == (3, 16, 16, 3)
    assert first.dtype == np.uint8
    assert sorted(opened) == [0, 1, 2]
    assert (pixels(made, 16, "squash") == first).all()
    assert len(opened) == 3
    cropped = pixels(made, 16, "crop")
    assert len(opened) == 6
    assert (cropped != first).any()
    assert pixels(made, 17, "squash").shape == (3, 17, 17, 3)
    assert len(opened) == 9
    for number in range(3):
        assert (first[number] == resized(made.open(number), 16, "squash")).all()


def test_pixels_are_kept_by_content_in_order():
    made, opened = counted([noise(10, 16), noise(11, 16)])
    again, opened_again = counted([noise(10, 16), noise(11, 16)])
    turned, _ = counted([noise(11, 16), noise(10, 16)])
    assert made.checksum == again.checksum != turned.checksum
    assert (pixels(made, 16, "crop") == pixels(again, 16, "crop")).all()
    assert (len(opened), len(opened_again)) == (2, 0)
    assert (pixels(turned, 16, "crop") == pixels(made, 16, "crop")[::-1]).all()


def test_equal_bytes_in_another_shape_are_other_pictures():
    flat = noise(12, 16)
    made, turned = (LabelledImages.of(["x"], np.array(["a"]), [one]) for one in (flat[:8], flat[:8].reshape(16, 8, 3)))
    assert made.checksum != turned.checksum


def test_some_of_the_pictures_and_both_sets_joined():
    made, opened = counted([noise(n, 16) for n in range(20, 24)])
    other, other_opened = counted([noise(24, 16)])
    whole = pixels(made, 16, "squash")
    for rows in (np.array([3, 1]), [3, 1], slice(None, None, -2), np.array([False, True, False, True])):
        some = made[rows]
        places = np.arange(4)[rows]
        assert some.names == [str(place) for place in places]
        assert some.labels.shape == (2,)
        assert some.contents == [made.contents[place] for place in places]
        assert (pixels(some, 16, "squash") == whole[places]).all()
        assert (some.open(0) == noise(20 + places[0], 16)).all()
    assert made[[]].checksum != made.checksum
    assert pixels(made[[]], 16, "squash").shape == (0, 16, 16, 3)

    pixels(other, 16, "squash")
    opened.clear()
    other_opened.clear()
    both = LabelledImages.joined(made, other)
    assert len(both) == len(both.labels) == len(both.contents) == 5
    kept = np.concatenate([pixels(part, 16, "squash") for part in both.parts])
    assert (kept[[0, 4]] == np.stack([noise(20, 16), noise(24, 16)])).all()
    assert (pixels(both, 16, "squash") == kept).all()
    opened.clear(), other_opened.clear()
    for part in LabelledImages.joined(both, other).parts:
        pixels(part, 16, "squash")
    assert not opened + other_opened  # the pixels of the parts were there
    assert (both.open(3) == noise(23, 16)).all()
    assert (both.open(4) == noise(24, 16)).all()
    tail = both[[4, 0]]
    assert (pixels(tail, 16, "squash")[0] == noise(24, 16)).all()
    with_nothing = LabelledImages.joined(made, other[[]])
    assert with_nothing.checksum == made.checksum
    assert len(pixels(with_nothing, 16, "crop")) == 4


def test_a_failure_leaves_nothing_behind():
    made = LabelledImages.of(["x"], np.array(["a"]), [b"no picture"])
    with pytest.raises(OSError, match="cannot identify"):
        pixels(made, 16, "crop")
    assert not list((home() / "artefacts").glob("*.partial"))


# --- Reading ---


def test_pictures_are_read_in_order_with_the_names_of_their_folders(own):
    read = own(
        {"cats/2.png": plain(RED), "cats/1.jpg": plain(BLUE, form="JPEG"), "dogs/1.bmp": plain(form="BMP")}
    ).read()
    assert read.names == ["cats/1.jpg", "cats/2.png", "dogs/1.bmp"]
    assert read.labels.tolist() == ["cats", "cats", "dogs"]
    assert read.open(1) == plain(RED)
    assert read.dropped == {}
    assert tuple(pixels(read, 8, "squash")[1, 0, 0]) == RED


def test_a_folder_and_an_archive_of_it_share_their_pixels(tmp_path):
    files = {"a/1.png": plain(RED), "b/2.png": plain(BLUE)}
    one, other = folder(tmp_path / "own", files), archive(tmp_path, files)
    assert one.read().checksum == other.read().checksum
    assert one.pinned().sha256 != other.pinned().sha256


def test_a_class_of_one_picture_and_equal_pictures_are_read(own):
    read = own({"a/1.png": plain(), "b/1.png": plain(), "b/2.png": plain(), "b/3.png": plain(BLUE)}).read()
    assert read.labels.tolist() == ["a", "b", "b", "b"]
    assert read.contents[0] == read.contents[1] == read.contents[2] != read.contents[3]


@pytest.mark.parametrize(
    ("members", "labels"),
    [
        (["data/cats/1", "data/dogs/1"], ["cats", "dogs"]),
        (["a/b/cats/1", "a/b/dogs/1"], ["cats", "dogs"]),
        (["train/cats/1", "test/cats/2", "test/dogs/1"], ["cats", "cats", "dogs"]),
        (["data/Train/cats/1", "data/Valid/dogs/1"], ["cats", "dogs"]),
        (["train/images/cats/1", "test/images/dogs/1"], ["cats", "dogs"]),
        (["train/cats/1", "train/dogs/1"], ["cats", "dogs"]),
        (["cats/1", "cats/2"], ["cats", "cats"]),
        (["train/cats/1", "test/cats/2"], ["cats", "cats"]),
        (["cats/tabby/1", "cats/2", "dogs/pug/1"], ["cats", "cats", "dogs"]),
        (["train/1", "car/1", "bus/1"], ["bus", "car", "train"]),
    ],
)
def test_a_class_is_the_first_folder_that_tells(own, members, labels):
    read = own({f"{member}.png": plain() for member in members}).read()
    assert sorted(read.labels) == labels


@pytest.mark.parametrize(
    ("members", "loose"),
    [
        (["1.png", "cats/1.png"], "1.png"),
        (["1.png"], "1.png"),
        (["data/1.png", "data/cats/1.png"], "data/1.png"),
        (["train/cats/1.png", "test/1.png"], "test/1.png"),  # a test part without labels
        (["train/1.png", "test/1.png"], "t/1.png"),
        (["Train/1.png"], "Train/1.png"),
    ],
)
def test_pictures_in_no_class_folder_are_refused(own, members, loose):
    said = refusal(own({member: plain() for member in members}))
    assert "in no class folder" in said
    assert loose.removeprefix("t/") in said


def test_hidden_files_are_not_seen(own):
    read = own(
        {
            "__MACOSX/cats/._1.png": b"x",
            "cats/._1.png": b"x",
            "cats/.thumbs/1.png": plain(),
            ".git/2.png": plain(),
            "cats/1.png": plain(),
        }
    ).read()
    assert read.names == ["cats/1.png"]
    assert read.dropped == {}


def damaged() -> dict[str, bytes]:
    colours = Image.fromarray(noise(1, 64))
    png, jpeg = encoded(colours), encoded(colours, "JPEG")
    return {
        "a/half.png": png[: len(png) // 2],
        "a/half.jpg": jpeg[: len(jpeg) // 2],
        "a/no-end.jpg": jpeg[:-200],
        "a/head.png": png[:20],
        "a/text.png": b"this is text",
        "a/page.jpg": b"<html></html>",
        "a/other.png": encoded(colours, "PCX"),  # which Pillow could read, as it could run a program
        "a/program.png": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n",
    }


def test_what_is_damaged_empty_or_no_picture_is_left_out_and_counted(own):
    bad = damaged()
    read = own(
        {**bad, "a/empty.png": b"", "a/note.txt": b"x", "readme.md": b"x", "a/1.png": plain(), "b/1.png": plain()}
    ).read()
    assert read.names == ["a/1.png", "b/1.png"]
    assert read.dropped == {"corrupt": len(bad), "empty": 1, "other": 2}
    assert len(pixels(read, 8, "crop")) == 2


def test_where_nothing_can_be_read_it_says_what_there_is(own):
    said = refusal(own({**damaged(), "a/empty.png": b"", "a/note.txt": b"x"}))
    assert "no picture that can be read" in said
    assert "8 corrupt" in said
    assert "1 empty" in said
    assert "1 other" in said


def bomb(width: int, height: int) -> bytes:
    """Return a PNG of a few hundred bytes that says it is as large as this."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(10**6))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(9_000, 9_000), (10_000, 10_000), (20_000, 20_000), (2**31 - 1, 2**31 - 1)])
def test_a_decompression_bomb_is_left_out_undecoded_and_unwarned(own, size):
    file = own({"a/bomb.png": bomb(*size), "a/1.png": plain()})
    start = perf_counter()
    with warnings.catch_warnings(record=True) as said, peak() as most:
        warnings.simplefilter("always")
        read = file.read()
    assert perf_counter() - start < 1
    assert most[0] < 20e6
    assert not said
    assert read.names == ["a/1.png"]
    assert read.dropped == {"huge": 1}


def test_the_largest_picture_allowed_is_below_what_pillow_warns_of():
    assert Image.MAX_IMAGE_PIXELS is not None
    assert images.MOST_PIXELS < Image.MAX_IMAGE_PIXELS


def test_a_file_of_too_many_bytes_is_left_out_unopened(own, monkeypatch):
    monkeypatch.setattr(images, "MOST_BYTES", 5000)
    read = own({"a/1.png": plain(), "a/2.png": encoded(Image.fromarray(noise(2, 64)))}).read()
    assert read.names == ["a/1.png"]
    assert read.dropped == {"huge": 1}


@pytest.mark.parametrize(
    ("limit", "value", "words"),
    [
        ("MOST", 2, "holds 3 pictures. Allowed: up to 2"),
        ("MOST_FILES", 2, "more files than 2"),
        ("MOST_LABELS", 2, "3 class folders, such as 'a'. Allowed: up to 2"),
        ("MOST_TOGETHER", 100, "more than 100 bytes together"),
    ],
)
def test_too_much_is_refused(own, limit, value, words, monkeypatch):
    monkeypatch.setattr(images if limit in ("MOST", "MOST_LABELS") else members, limit, value)
    monkeypatch.setattr(images, "_decoded", None)  # nothing is decoded before it is known how much there is
    assert words in refusal(own({f"{name}/1.png": plain() for name in "abc"}))


def test_names_of_any_script_are_kept_and_accents_are_one_whatever_they_are_made_of(own):
    apart = unicodedata.normalize("NFD", "café")
    read = own({"猫/一.png": plain(), "café/1.png": plain(), f"{apart}/2.png": plain(), "ü b/✔.png": plain()}).read()
    assert sorted(set(read.labels)) == ["café", "ü b", "猫"]
    assert "猫/一.png" in read.names
    assert len(read) == 4
