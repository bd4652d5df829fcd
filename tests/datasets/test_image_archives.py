"""Own pictures in archives and folders: names, limits, what is damaged, and what leads out of them."""

import os
import struct
import sys
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from tests.datasets.pictures import BLUE, archive, encoded, folder, noise, peak, plain, refusal
from tlcore.artefacts import home
from tlcore.datasets import images
from tlcore.datasets.images import ImageFolder, pixels
from tlcore.datasets.own import keep_upload
from tlcore.errors import SpecificationError

# --- Archives that were made to harm, or by chance ---


def test_a_zip_of_macos_says_not_that_its_names_are_utf_8(tmp_path):
    file = archive(tmp_path, {"chats-café/1.png": plain()})
    content = bytearray(Path(file.path).read_bytes())
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = content.index(signature) + at
        assert content[place + 1] & 8
        content[place + 1] &= ~8
    Path(file.path).write_bytes(content)
    assert ImageFolder(path=file.path).labels() == ("chats-café",)


def test_backslashes_are_folders(tmp_path):
    file = archive(tmp_path, {"own\\cats\\1.png": plain(), "own\\dogs\\1.png": plain(), "own\\dogs\\": b""})
    assert file.labels() == ("cats", "dogs")


@pytest.mark.parametrize(
    "member",
    ["../a/1.png", "a/../../1.png", "/etc/1.png", "C:/a/1.png", "c:1.png", "a\\..\\..\\1.png", "\\\\host\\a.png"],
)
def test_an_archive_that_leads_out_of_itself_is_refused(tmp_path, member):
    said = refusal(archive(tmp_path / "in", {"a/1.png": plain(), member: plain()}))
    assert "leads out of the archive" in said
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / "in" / "own.zip"]


def test_an_archive_in_an_archive_is_refused(tmp_path):
    inner = Path(archive(tmp_path, {"a/1.png": plain()}, "inner.zip").path).read_bytes()
    said = refusal(archive(tmp_path, {"a/1.png": plain(), "more/Inner.ZIP": inner}))
    assert "holds another archive, 'more/Inner.ZIP'" in said
    assert archive(tmp_path, {"a/1.png": plain(), "__MACOSX/x.zip": inner}, "hidden.zip").labels() == ("a",)


def test_an_encrypted_archive_is_refused(tmp_path):
    file = archive(tmp_path, {"a/1.png": plain()})
    content = bytearray(Path(file.path).read_bytes())
    for signature, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + at] |= 1
    Path(file.path).write_bytes(content)
    assert "is encrypted" in refusal(file)


@pytest.mark.parametrize("content", [b"no archive", b"PK\x03\x04 cut off", plain(), b"PK\x05\x06" + b"\xff" * 18])
def test_what_is_no_archive_is_refused(tmp_path, content):
    (tmp_path / "own.zip").write_bytes(content)
    said = refusal(ImageFolder(path=str(tmp_path / "own.zip")))
    assert "cannot be read as a .zip" in said
    assert "Allowed: a folder, a .zip" in said


def test_a_cut_off_archive_is_refused(tmp_path):
    whole = Path(archive(tmp_path, {f"a/{n}.png": plain() for n in range(9)}).path).read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: len(whole) * 2 // 3])
    assert "cannot be read as a .zip" in refusal(ImageFolder(path=str(tmp_path / "cut.zip")))


def test_empty_archives_and_folders_are_refused(tmp_path):
    assert "it holds nothing" in refusal(archive(tmp_path, {}))
    (tmp_path / "empty").mkdir()
    assert "it holds nothing" in refusal(ImageFolder(path=str(tmp_path / "empty")))
    (tmp_path / "zero.zip").touch()
    assert "0 bytes" in refusal(ImageFolder(path=str(tmp_path / "zero.zip")))
    assert "is not there; give a folder, a .zip" in refusal(ImageFolder(path=str(tmp_path / "nowhere")))


@pytest.mark.parametrize("packed_by", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_member_is_left_out(tmp_path, packed_by):
    """Of a picture as it is (BMP), whose own reader would not notice."""
    two = {"a/1.png": plain(), "a/2.bmp": encoded(Image.fromarray(noise(3, 64)), "BMP")}
    file = archive(tmp_path, two, packed_by=packed_by)
    assert len(file.read()) == 2
    content = bytearray(Path(file.path).read_bytes())
    place = content.index(b"a/2.bmp") + 3000
    content[place : place + 50] = bytes(50)
    Path(file.path).write_bytes(content)
    read = file.read()
    assert read.names == ["a/1.png"]
    assert read.dropped == {"corrupt": 1}


@pytest.mark.parametrize(("says", "reason"), [(1000, "corrupt"), (2**31, "huge")])
def test_an_archive_that_lies_about_sizes_is_not_unpacked_beyond_them(tmp_path, says, reason):
    """50 MB of a picture's ending, packed to 50 kB, that the list calls smaller or larger."""
    file = archive(tmp_path, {"a/1.png": plain(), "a/2.png": plain() + bytes(50_000_000)})
    content = bytearray(Path(file.path).read_bytes())
    place = content.rindex(b"PK\x01\x02") + 24
    content[place : place + 4] = struct.pack("<I", says)
    Path(file.path).write_bytes(content)
    with peak() as most:
        read = file.read()
    assert most[0] < 10e6
    assert read.names == ["a/1.png"]
    assert read.dropped == {reason: 1}


def test_an_archive_that_unpacks_to_too_much_is_refused_unread(tmp_path):
    file = archive(tmp_path, {f"a/{n}.png": plain() for n in range(3)})
    content = bytearray(Path(file.path).read_bytes())
    place = -1
    for _ in range(3):
        place = content.index(b"PK\x01\x02", place + 1)
        content[place + 24 : place + 28] = struct.pack("<I", 2**31)
    Path(file.path).write_bytes(content)
    assert "bytes together" in refusal(file)


@pytest.mark.slow
def test_reading_holds_a_few_pictures_at_a_time(tmp_path):
    large = encoded(Image.fromarray(noise(5, 500)))
    files = {f"a/{n}.png": large for n in range(40)}
    file = archive(tmp_path, files)
    with peak() as most:
        read = file.read()
    assert most[0] < (images.THREADS + 2) * 3 * len(large) < sum(map(len, files.values()))
    assert len(read) == 40


# --- Folders ---


def test_links_that_lead_out_of_a_folder_are_not_followed(tmp_path):
    secret = folder(tmp_path / "elsewhere", {"secret.png": plain(BLUE), "more/secret.png": plain(BLUE)})
    file = folder(tmp_path / "own", {"a/1.png": plain(), "b/1.png": plain()})
    inside = Path(file.path)
    (inside / "a" / "2.png").symlink_to(Path(secret.path) / "secret.png")
    (inside / "c").symlink_to(secret.path)
    (inside / "a" / "gone.png").symlink_to("nowhere.png")
    (inside / "b" / "same.png").symlink_to("1.png")
    (inside / "b" / "round").symlink_to(inside)
    read = file.read()
    assert read.names == ["a/1.png", "b/1.png", "b/same.png"]
    assert read.dropped == {"link": 4}


def test_a_folder_is_pinned_by_what_its_pictures_are(tmp_path, monkeypatch):
    file = folder(tmp_path / "own", {"a/1.png": plain(), "b/1.png": plain(BLUE), "notes.txt": b"x"})
    monkeypatch.chdir(tmp_path)
    pinned = ImageFolder(path="own").pinned()
    assert pinned == file.pinned() == pinned.pinned()
    assert pinned.path == str(tmp_path / "own")
    (tmp_path / "own" / "notes.txt").write_bytes(b"no picture")
    os.utime(tmp_path / "own" / "a" / "1.png", (1, 1))
    assert pinned.pinned() == pinned
    (tmp_path / "own" / "a").rename(tmp_path / "own" / "aa")
    with pytest.raises(SpecificationError, match="has changed since its sha256"):
        pinned.read()
    assert file.read().labels.tolist() == ["aa", "b"]


def test_a_picture_that_changes_while_it_is_used_is_refused(tmp_path):
    file = folder(tmp_path / "own", {"a/1.png": plain(), "b/1.png": plain()})
    read = file.read()
    (tmp_path / "own" / "b" / "1.png").write_bytes(plain(BLUE))
    assert read.open(0) == plain()
    with pytest.raises(SpecificationError, match=r"'b/1\.png' in 'own' has changed since it was first read"):
        read.open(1)
    (tmp_path / "own" / "a" / "1.png").unlink()
    with pytest.raises(SpecificationError, match="has changed"):
        pixels(read, 8, "squash")
    assert tuple(pixels(folder(tmp_path / "own", {"a/1.png": plain()}).read(), 8, "crop")[1, 0, 0]) == BLUE


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_a_name_that_is_no_text_is_read(tmp_path):
    place = tmp_path / "own" / os.fsdecode(b"caf\xe9")
    place.mkdir(parents=True)
    (place / "1.png").write_bytes(plain())
    file = ImageFolder(path=str(tmp_path / "own"))
    assert file.labels() == ("caf\ufffd",)
    assert file.read().open(0) == plain()


def test_an_upload_is_read_wherever_it_was_made(tmp_path):
    made = Path(archive(tmp_path, {"cats/1.png": plain(), "dogs/1.png": plain(BLUE)}).path)
    place = keep_upload("..\\my pictures.zip", made.read_bytes())
    made.unlink()
    file = ImageFolder(path=str(place)).pinned()
    assert place.is_relative_to(home() / "uploads")
    assert file.name == "my pictures.zip"
    assert file.labels() == ("cats", "dogs")
    assert file.read().open(1) == plain(BLUE)
