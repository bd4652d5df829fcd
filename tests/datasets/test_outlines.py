"""Pictures with masks that come over a network: tiny files in the publishers' own formats, from a server here."""

import io
import tarfile

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import oxford_iiit_pet
from torchvision.datasets import voc as voc_of_torchvision

from tests.datasets.test_boxes import picture
from tests.datasets.test_remote import publisher  # noqa: F401
from tlcore.datasets.outlines import VOC_CLASSES, outlines
from tlcore.errors import SpecificationError
from tlcore.scenarios import SCENARIOS


@pytest.fixture(autouse=True)
def _forgotten():
    outlines.cache_clear()
    yield
    outlines.cache_clear()


def packed(files: dict[str, bytes], mode: str) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode=mode) as archive:
        for name, one in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(one)
            archive.addfile(info, io.BytesIO(one))
    return content.getvalue()


def mask(numbers: list[int], palette: bool = False) -> bytes:
    """A mask of 40 × 20 pixels in stripes of these numbers."""
    image = Image.fromarray(np.repeat(np.tile(np.repeat(numbers, 40 // len(numbers)), 1)[None], 20, 0).astype(np.uint8))
    if palette:
        image = image.convert("P")
        image.putpalette([*range(256)] * 3)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def test_voc_is_fetched_once_and_its_outlines_are_not_known(publisher, monkeypatch):  # noqa: F811
    there = "VOCdevkit/VOC2012"
    files = {f"{there}/ImageSets/Segmentation/trainval.txt": b"".join(b"00000%d\n" % n for n in range(6))}
    for n in range(7):  # the last is of no part
        files[f"{there}/JPEGImages/00000{n}.jpg"] = picture(40, 20)
        files[f"{there}/SegmentationClass/00000{n}.png"] = mask([0, 255, 12, 15], palette=True)
    known = {**voc_of_torchvision.DATASET_YEAR_DICT["2012"]}
    known |= {"md5": publisher.publish("voc.tar", packed(files, "w")), "filename": "voc.tar"}
    known["url"] = f"{publisher.address}/voc.tar"
    monkeypatch.setitem(voc_of_torchvision.DATASET_YEAR_DICT, "2012", known)
    read = outlines("voc2012")
    assert len(read) == 6
    assert read.classes == (VOC_CLASSES[0], VOC_CLASSES[12], VOC_CLASSES[15])  # those that there are
    np.testing.assert_array_equal(read.open(0)[0, ::10], [0, -1, 1, 2])
    publisher.cut_off()
    outlines.cache_clear()
    assert len(outlines("voc2012")) == 6


def test_pets_are_animal_and_background(publisher, monkeypatch):  # noqa: F811
    names = [f"cat_{n}" for n in range(5)]
    pictures = {f"images/{name}.jpg": picture(40, 20) for name in names}
    marked = {f"annotations/trimaps/{name}.png": mask([1, 3, 2, 2]) for name in names}
    marked["annotations/trainval.txt"] = "".join(f"{name} 1 1 1\n" for name in names).encode()
    resources = []
    for name, files in (("images", pictures), ("annotations", marked)):
        md5 = publisher.publish(f"{name}.tar.gz", packed(files, "w:gz"))
        resources.append((f"{publisher.address}/{name}.tar.gz", md5))
    monkeypatch.setattr(oxford_iiit_pet.OxfordIIITPet, "_RESOURCES", tuple(resources))
    read = outlines("pets")
    assert read.classes == ("background", "animal")
    np.testing.assert_array_equal(read.open(0)[0, ::10], [1, -1, 0, 0])


def test_without_a_network_it_says_what_to_use_instead(publisher):  # noqa: F811
    publisher.cut_off()
    with pytest.raises(SpecificationError, match=r"'pets' could not be had from .*use nuclei, or bring pictures"):
        SCENARIOS["outlines"].domains("pretraining", "pets")
