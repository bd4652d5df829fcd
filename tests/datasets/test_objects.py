"""Pictures with boxes that come over a network: tiny files in the publishers' own formats, from a server here."""

import io
import tarfile

import numpy as np
import pytest
from torchvision.datasets import voc as voc_of_torchvision
from torchvision.datasets import widerface

from tests.datasets.test_boxes import picture, voc
from tests.datasets.test_remote import publisher  # noqa: F401
from tlcore.datasets.objects import objects
from tlcore.errors import SpecificationError
from tlcore.scenarios import SCENARIOS


@pytest.fixture(autouse=True)
def _forgotten():
    objects.cache_clear()
    yield
    objects.cache_clear()


def test_voc_is_fetched_once_and_read_with_its_boxes(publisher, monkeypatch):  # noqa: F811
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as packed:
        files = {"ImageSets/Main/trainval.txt": b"".join(b"00000%d\n" % n for n in range(5))}
        for n in range(6):  # the last is of no part
            files[f"JPEGImages/00000{n}.jpg"] = picture(40 + n, 20)
            files[f"Annotations/00000{n}.xml"] = voc(f"00000{n}.jpg", ("car", 5, 3, 24, 12), size=(40 + n, 20))
        for name, one in files.items():
            info = tarfile.TarInfo(f"VOCdevkit/VOC2007/{name}")
            info.size = len(one)
            packed.addfile(info, io.BytesIO(one))
    known = {**voc_of_torchvision.DATASET_YEAR_DICT["2007"]}
    known |= {"md5": publisher.publish("voc.tar", content.getvalue()), "filename": "voc.tar"}
    known["url"] = f"{publisher.address}/voc.tar"
    monkeypatch.setitem(voc_of_torchvision.DATASET_YEAR_DICT, "2007", known)
    read = objects("voc2007")
    assert len(read) == 5
    np.testing.assert_allclose(read.boxes[0], [[4 / 40, 2 / 20, 24 / 40, 12 / 20]])
    publisher.cut_off()
    objects.cache_clear()
    assert len(objects("voc2007")) == 5
    domains = SCENARIOS["objects"].domains("pretraining", "voc2007")
    assert domains.answer_names == ("car",)
    assert (len(domains.pool), len(domains.test)) == (3, 2)


def test_faces_are_read_as_torchvision_has_them_and_invalid_ones_do_not_count(publisher, tmp_path, monkeypatch):  # noqa: F811
    def download(self) -> None:  # its pictures come from Google's drive, by a package that is not here
        root = tmp_path / "faces"
        (root / "wider_face_split").mkdir(parents=True)
        said = "0--Parade/a.jpg\n2\n1 2 10 8 0 0 0 0 0 0\n20 2 5 5 0 0 0 1 0 0\n"
        (root / "wider_face_split" / "wider_face_val_bbx_gt.txt").write_text(said)
        (root / "WIDER_val" / "images" / "0--Parade").mkdir(parents=True)
        (root / "WIDER_val" / "images" / "0--Parade" / "a.jpg").write_bytes(picture(40, 20))
        self.root = str(root)

    monkeypatch.setattr(widerface.WIDERFace, "download", download)
    monkeypatch.setattr(widerface.WIDERFace, "_check_integrity", lambda self: True)
    read = objects("wider-face")
    np.testing.assert_allclose(read.boxes[0], [[1 / 40, 2 / 20, 11 / 40, 10 / 20], [20 / 40, 2 / 20, 25 / 40, 7 / 20]])
    assert read.kinds[0].tolist() == ["face", "face"]


def test_what_cannot_be_had_is_one_line_and_nothing_is_left_of_it(publisher, monkeypatch):  # noqa: F811
    known = {**voc_of_torchvision.DATASET_YEAR_DICT["2012"], "url": f"{publisher.address}/missing.tar"}
    monkeypatch.setitem(voc_of_torchvision.DATASET_YEAR_DICT, "2012", known)
    with pytest.raises(SpecificationError, match="dataset: 'voc2012' could not be had from thor"):
        objects("voc2012")
    with pytest.raises(SpecificationError, match="could not be had"):
        objects("voc2012")
