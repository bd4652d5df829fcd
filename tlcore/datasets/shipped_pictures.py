"""Pictures in published distributions: cells, trees with boxes, nuclei with a mask, fields in many bands."""

from __future__ import annotations

import numpy as np

from tlcore.datasets.distribution import Distribution

ELPV = Distribution(
    "elpv-dataset", "1.0.0.post1", "85e31c1126ee9b48e62d3a0232c58f58b2d189b0814a45c13642fa0415af4a4c", "91 MB"
)


def solar_cells() -> dict[str, np.ndarray]:
    """Cells by electroluminescence: the file of each, its name, its grade and its crystal."""
    files = ELPV.files("elpv_dataset/data/")
    rows = [line.split() for line in files["labels.csv"].decode().splitlines()]
    names, grades, crystals = zip(*rows, strict=True)
    inputs = np.empty(len(names), object)
    inputs[:] = [files[name] for name in names]
    return {
        "inputs": inputs,
        "name": np.array(names),
        "grade": np.array(grades, np.float32),
        "crystal": np.array(crystals),
    }


DEEPFOREST = Distribution(
    "deepforest", "2.1.0", "8c2798d8e9be7f0004b194fe207b76c1d9fff6e711b3db67b9508dcd5d00ae54", "21 MB"
)
CROWNS = {
    "OSBS_029": "OSBS",
    "SOAP_061": "SOAP",
    "2019_YELL_2_541000_4977000_image_crop": "YELL",
    "2019_YELL_2_528000_4978000_image_crop2": "YELL",
}
"""At which of the observatory's places each picture with boxes was taken."""
BOUNDS = ("xmin", "ymin", "xmax", "ymax")
"""What Pascal VOC calls the sides of a box: left, top, right, bottom."""


def tree_crowns() -> dict[str, np.ndarray]:
    """Trees from the air, and the boxes around them."""
    from xml.etree import ElementTree

    pictures = np.empty(len(CROWNS), object)
    boxes, labels, numbers = [], [], []
    for number, name in enumerate(CROWNS):
        pictures[number] = _pixels(DEEPFOREST.file(f"deepforest/data/{name}.png"))
        trees = ElementTree.fromstring(DEEPFOREST.file(f"deepforest/data/{name}.xml")).findall("object")
        for tree in trees:
            boxes.append([int(tree.findtext(f"bndbox/{side}", "")) for side in BOUNDS])
            labels.append(tree.findtext("name", ""))
            numbers.append(number)
    return {
        "inputs": pictures,
        "name": np.array([*CROWNS]),
        "place": np.array([*CROWNS.values()]),
        # Their pixels count from 1, the last one included: 1 to 400 is all of a side of 400.
        "boxes": np.array(boxes, np.float32) - np.array([1, 1, 0, 0], np.float32),
        "picture": np.array(numbers, np.int64),
        "label": np.array(labels),
    }


def _pixels(file: bytes) -> np.ndarray:
    from io import BytesIO

    from PIL import Image

    with Image.open(BytesIO(file)) as picture:
        return np.asarray(picture)


STARDIST = Distribution(
    "stardist",
    "0.9.2",
    "2316c0feb7bd5621e7a277cb3868df475c338943c591925c420ee3622c42f023",
    "3 MB",
    archive="stardist-0.9.2-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl",
)


def nuclei() -> dict[str, np.ndarray]:
    """One field of fluorescent nuclei, and which pixels are of which."""
    picture, mask = (_pixels(STARDIST.file(f"stardist/data/images/{name}2d.tif")) for name in ("img", "mask"))
    return {"inputs": picture.astype(np.uint8)[None], "answers": mask.astype(np.int64)[None]}  # 16 bits, up to 235


GROUNDS = (
    "Alfalfa", "Corn, no till", "Corn, minimum till", "Corn", "Grass, pasture", "Grass, trees", "Grass, pasture mowed",
    "Hay, windrowed", "Oats", "Soybean, no till", "Soybean, minimum till", "Soybean, clean", "Wheat", "Woods",
    "Buildings, grass, trees, drives", "Stone, steel towers",
)  # fmt: skip
"""What grows in Indian Pines, as its authors number it."""
TENSORLY = Distribution(
    "tensorly", "0.10.0", "90becb3d28023638ec60d19fbf8d87735b4ce1537fe3eb881897d69e107b882d", "7 MB"
)


def indian_pines() -> dict[str, np.ndarray]:
    """Fields from the air in 200 bands, and what grows on them."""
    from io import BytesIO

    def array(name: str) -> np.ndarray:
        return np.load(BytesIO(TENSORLY.file(f"tensorly/datasets/data/Indian_pines_{name}.npy")), allow_pickle=False)

    # Theirs count from 1, and 0 is where nobody knows.
    return {"inputs": array("corrected")[None], "answers": array("gt").astype(np.int64)[None] - 1}
