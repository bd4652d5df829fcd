"""Files damaged at random, and what every reader says to them: a clear line, or a table.

    python -m tests.datasets.damaged [--files 500] [--first 0]

prints what went otherwise: a traceback, more than five seconds, more than a gigabyte.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import time
import zipfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from tlcore.datasets.boxes import BoxFolder
from tlcore.datasets.features import FeatureFile
from tlcore.datasets.images import ImageFolder
from tlcore.datasets.interactions import InteractionFile
from tlcore.datasets.own import OwnFile
from tlcore.datasets.texts import TextFile
from tlcore.errors import SpecificationError

KINDS: tuple[type[OwnFile], ...] = (FeatureFile, TextFile, InteractionFile, ImageFolder, BoxFolder)
SLOW, LARGE = 5.0, 2**30


def _npz() -> bytes:
    rng = np.random.default_rng(0)
    content = io.BytesIO()
    np.savez_compressed(content, X=rng.normal(size=(40, 5)), y=rng.integers(0, 2, 40))
    return content.getvalue()


def _mat() -> bytes:
    from scipy.io import savemat

    content = io.BytesIO()
    savemat(content, {"fts": np.random.default_rng(0).normal(size=(40, 5)), "labels": np.arange(40) % 2})
    return content.getvalue()


def _hdf5() -> bytes:
    import h5py

    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        file["X"] = np.random.default_rng(0).normal(size=(5, 40))
        file["y"] = (np.arange(40) % 2)[None].astype(float)
    return content.getvalue()


def _frame(form: str) -> bytes:
    import pandas as pd

    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(40, 3)).round(3), columns=["a", "b", "c"])
    frame["label"] = rng.choice(["yes", "no"], 40)
    frame["text"] = [f"the lamp number {i}, and more" for i in range(40)]
    frame["user"], frame["item"] = rng.integers(0, 9, 40), rng.integers(0, 9, 40)
    content = io.BytesIO()
    match form:
        case "parquet":
            frame.to_parquet(content)
        case "jsonl":
            return "\n".join(map(json.dumps, frame.to_dict("records"))).encode()
        case "xlsx":
            return _xlsx([[*frame.columns], *frame.to_numpy().tolist()])
        case _:
            return frame.to_csv(index=False, sep={"tsv": "\t", "ssv": ";"}.get(form, ",")).encode()
    return content.getvalue()


def _xlsx(rows: list[list[object]]) -> bytes:
    from tests.datasets.workbooks import workbook

    return workbook(rows)


def _svmlight() -> bytes:
    rng = np.random.default_rng(0)
    return "\n".join(f"{i % 2} 1:{rng.normal():.3f} 3:{rng.normal():.3f}" for i in range(40)).encode()


def _pictures() -> bytes:
    from PIL import Image

    content = io.BytesIO()
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(content, "w") as archive:
        for i in range(12):
            picture = io.BytesIO()
            Image.fromarray(rng.integers(0, 255, (12, 12, 3), dtype=np.uint8)).save(
                picture, ("PNG", "JPEG", "TIFF")[i % 3]
            )
            archive.writestr(f"{('cats', 'dogs')[i % 2]}/{i}.{('png', 'jpg', 'tif')[i % 3]}", picture.getvalue())
    return content.getvalue()


def _zipped() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("t.csv", _frame("csv"))
    return content.getvalue()


MAKERS: dict[str, Callable[[], bytes]] = {
    "csv": lambda: _frame("csv"), "tsv": lambda: _frame("tsv"), "ssv": lambda: _frame("ssv"),
    "utf-16": lambda: _frame("csv").decode().encode("utf-16"), "jsonl": lambda: _frame("jsonl"),
    "parquet": lambda: _frame("parquet"), "xlsx": lambda: _frame("xlsx"), "npz": _npz, "mat": _mat, "hdf5": _hdf5,
    "svmlight": _svmlight, "gz": lambda: gzip.compress(_frame("csv")), "zip": _zipped, "pictures": _pictures,
}  # fmt: skip


@lru_cache
def whole(form: str) -> bytes:
    """Return a file as it should be."""
    return MAKERS[form]()


def damaged(seed: int) -> tuple[str, bytes]:
    """Return a file of some format with some damage, by name of the format."""
    rng = np.random.default_rng(seed)
    form = [*MAKERS][seed % len(MAKERS)]
    content = bytearray(whole(form))
    n = len(content)
    for _ in range(int(rng.integers(1, 4))):
        start, length = int(rng.integers(0, n)), int(rng.integers(1, max(2, n // 8)))
        match rng.integers(0, 8):
            case 0:
                content = content[: max(1, start)]
            case 1:
                del content[start : start + length]
            case 2:
                content[start : start + length] = rng.bytes(length)
            case 3:
                content[start : start + 1] = bytes([int(rng.integers(0, 256))])
            case 4:
                content[start:start] = content[start : start + length]
            case 5:
                content[start : start + length] = bytes(length)
            case 6:
                head = int(rng.integers(0, min(64, n)))
                content[head : head + 2] = rng.bytes(2)
            case 7:
                content = content[::-1] if rng.random() < 0.1 else bytearray(rng.bytes(8)) + content
        n = max(2, len(content))
    return form, bytes(content)


def warm(folder: Path) -> None:
    """Read each format once, so that no damaged file pays for what is loaded the first time."""
    for form in MAKERS:
        (folder / form).write_bytes(whole(form))
        kind = ImageFolder if form == "pictures" else FeatureFile
        assert kind(path=str(folder / form)).look().facts


def outcome(seed: int, folder: Path) -> list[str]:
    """Return what is wrong with what the readers say to a damaged file; empty if nothing is."""
    import tracemalloc

    form, content = damaged(seed)
    place = folder / f"{seed}.{form}"
    place.write_bytes(content)
    wrong = []
    for kind in KINDS:
        tracemalloc.start()
        began = time.perf_counter()
        said = ""
        try:
            kind(path=str(place)).look()
        except SpecificationError as error:
            said = str(error)
            if "\n" in said or len(said) > 700 or not said.strip():
                wrong.append(f"{seed} {form} {kind.__name__}: no clear line: {said[:200]!r}")
        except Exception as error:  # noqa: BLE001  this is what is looked for
            wrong.append(f"{seed} {form} {kind.__name__}: {type(error).__name__}: {str(error)[:200]}")
        seconds, peak = time.perf_counter() - began, tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        if seconds > SLOW or peak > LARGE:
            wrong.append(f"{seed} {form} {kind.__name__}: {seconds:.1f} s, {peak / 2**20:.0f} MiB")
    place.unlink()
    return wrong


def main() -> None:
    """Look at many, and print what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--first", type=int, default=0)
    told = parser.parse_args()
    bad = 0
    with TemporaryDirectory() as folder:
        warm(Path(folder))
        for seed in range(told.first, told.first + told.files):
            for line in outcome(seed, Path(folder)):
                bad += 1
                print(line, flush=True)
    print(f"{told.files} files, {len(KINDS)} readers each: {bad} answers that should be otherwise")


if __name__ == "__main__":
    main()
