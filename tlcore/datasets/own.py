"""Files of a person's own: where they are, and that they are still the same."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from hashlib import sha256 as digest_of
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator

from tlcore.artefacts import home
from tlcore.datasets.unpacking import BEGINNING
from tlcore.errors import SpecificationError

if TYPE_CHECKING:
    import numpy as np
    from pydantic.fields import FieldInfo

    from tlcore.datasets.look import Look

LARGEST = 2 * 2**30
"""Bytes that a file may have, unpacked."""
HUB = "hf://datasets/"
"""How the address of a data set on Hugging Face's hub begins."""


class OwnFile(BaseModel):
    """A file of one domain; a subclass says what is in it and reads it.

    Making one touches no disk, so that a run whose file has gone can still be shown.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    allowed: ClassVar[str] = "a file, or an https address"

    path: str = Field(
        min_length=1,
        description="A file here, or from where it is fetched once: an https address, or hf://datasets/NAME, a data "
        "set of Hugging Face's hub, and if need be /SUBSET/SPLIT.",
    )
    sha256: str = Field("", pattern="^([0-9a-f]{64})?$", description="What its bytes must sum up to; empty: anything.")

    @property
    def name(self) -> str:
        """What a person calls it: the file's name, or the data set's on the hub."""
        if self.path.startswith(HUB):
            return self.path.removeprefix(HUB).strip("/")
        return self.path.rstrip("/").rpartition("/")[2] or self.path

    def pinned(self) -> Self:
        """Return the same file by its absolute path and with its checksum, so that a run cannot mix two versions.

        Raises
        ------
        SpecificationError
            If it is not there, too large, or not the one that the checksum is of.
        """
        place = _fetched(self.path) if "://" in self.path else Path(self.path).expanduser().resolve()
        if not place.is_file():
            what = "is a folder" if place.is_dir() else "is not there"
            raise SpecificationError(f"path: {self.path!r} {what}; give {self.allowed}.")
        status = place.stat()
        if status.st_size > LARGEST:
            raise SpecificationError(f"path: {self.name!r} has {status.st_size:,} bytes. Allowed: up to {LARGEST:,}.")
        if not status.st_size:
            raise SpecificationError(f"path: {self.name!r} has 0 bytes; it is empty.")
        return self._pinned_to(place, _sum(place, status.st_mtime_ns, status.st_size))

    def _pinned_to(self, place: Path, found: str) -> Self:
        if self.sha256 not in ("", found):
            raise SpecificationError(
                f"path: {self.path!r} has changed since its sha256 was written down; leave sha256 out to take it as it "
                "is now."
            )
        return self.model_copy(update={"path": str(place), "sha256": found})

    def read(self) -> Any:
        """Return what is in it."""
        raise NotImplementedError

    def beginning(self, prefer: tuple[str, ...] = ()) -> bytes:
        """Return the first bytes of what `content` returns, without reading all of a file that is not packed."""
        from tlcore.datasets.unpacking import may_be_packed

        with Path(self.pinned().path).open("rb") as file:
            start = file.read(BEGINNING)
        return self.content(prefer)[:BEGINNING] if may_be_packed(start) else start

    def look(self) -> Look:
        """Return how it is understood, for a person to see before it is believed."""
        raise NotImplementedError

    def glance(self) -> Look:
        """Return what can be said of it though something is missing or wrong that `look` needs."""
        return self.look()

    def like(self, other: Self) -> Self:  # noqa: ARG002
        """Return this file with what was said of the other domain's and goes for both."""
        return self

    def fits(self) -> bool:
        """Whether what is in the file shows that it is of this kind and no other."""
        return False

    @classmethod
    def written(cls) -> dict[str, FieldInfo]:
        """Return the fields that a person writes; what is chosen for a column is not among them."""
        return {name: field for name, field in cls.model_fields.items() if name not in OwnFile.model_fields}

    def labels(self) -> tuple[str, ...]:
        """Return the names of the answers in it, where these are what a person may call otherwise in the other file."""
        return ()

    def content(self, prefer: tuple[str, ...] = ()) -> bytes:
        """Return the bytes, unpacked, whatever the file is called; of an archive those of the only file that counts.

        Parameters
        ----------
        prefer : tuple of str
            Patterns; the first that any name matches decides which files are looked at.

        Raises
        ------
        SpecificationError
            As `pinned`, or if it cannot be unpacked.
        """
        from tlcore.datasets.unpacking import unpacked

        try:
            return unpacked(Path(self.pinned().path), prefer, LARGEST)
        except ValueError as error:
            if isinstance(error, SpecificationError):
                raise
            raise SpecificationError(f"path: {self.name!r} {error}.") from None


class LabelledFile(OwnFile):
    """A file whose examples have labels, which may be called otherwise in the other domain."""

    rename: dict[str, str] = Field(
        default_factory=dict,
        description="What labels of this file are called here, such as 1=positive, 0=negative; 3= leaves 3 out.",
    )

    @field_validator("rename", mode="before")
    @classmethod
    def _labels_from_text(cls, value: object) -> object:
        return mapping("rename", value, "label=name")

    def relabelled(self, names: dict[str, str]) -> dict[str, str]:
        """Return ``rename`` followed by another, from the names given here to others; nothing leaves a label out."""
        plain = self.model_copy(update={"rename": {}})
        both = {
            label: names.get(self.rename.get(label, label), self.rename.get(label, label)) for label in plain.labels()
        }
        return {label: name for label, name in both.items() if name != label}

    def renamed(self, labels: np.ndarray) -> np.ndarray:
        """Return labels (n,) by their names here, "" for those left out.

        Raises
        ------
        SpecificationError
            If a label is renamed that is not there.
        """
        import numpy as np

        if not self.rename:
            return labels
        there, places = np.unique(labels, return_inverse=True)
        if unknown := [name for name in self.rename if name not in {*there.tolist()}]:
            known = ", ".join([name for name in there.tolist() if name][:20])
            raise SpecificationError(f"rename: {self.name!r} has no label {unknown[0]!r}. Allowed: {known}.")
        return np.array([self.rename.get(name, name) for name in there.tolist()], dtype=str)[places]


def mapping(name: str, value: object, form: str) -> object:
    """Read ``"a=b, c="`` as a mapping."""
    if not isinstance(value, str):
        return value
    parts = [part.partition("=") for part in value.split(",") if part.strip()]
    if not all(equals for _, equals, _ in parts):
        raise SpecificationError(f"{name}: {value!r} is not allowed; write {form}, separated by commas.")
    return {label.strip(): said.strip() for label, _, said in parts}


def keep_upload(name: str, content: bytes) -> Path:
    """Keep an uploaded file under its content's checksum and a harmless name, and return where it is."""
    if len(content) > LARGEST:
        raise SpecificationError(f"path: {name!r} has {len(content):,} bytes. Allowed: up to {LARGEST:,}.")
    harmless = re.sub(r"[^\w.\- ]", "_", Path(name.replace("\\", "/")).name).lstrip(".")[-100:] or "upload"
    place = home() / "uploads" / digest_of(content).hexdigest()[:16] / harmless
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        partial = place.with_suffix(f"{place.suffix}.{os.getpid()}.partial")
        partial.write_bytes(content)
        partial.replace(place)
    return place


@lru_cache(maxsize=64)
def _sum(place: Path, _modified: int, _size: int) -> str:
    import hashlib

    with place.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetched(address: str) -> Path:
    """Return the file of an address, downloaded the first time, complete or not at all."""
    if not address.startswith(("https://", HUB)):
        raise SpecificationError(f"path: {address!r} is not safe on its way. Allowed: https://, {HUB} or a file here.")
    name = address.rstrip("/").rpartition("/")[2]
    if address.startswith(HUB):
        name = re.sub(r"\W+", "-", address.removeprefix(HUB).strip("/")) + ".parquet"
    place = home() / "downloads" / digest_of(address.encode()).hexdigest()[:16] / name
    if not place.exists():
        place.parent.mkdir(parents=True, exist_ok=True)
        partial = place.with_name(f"{place.name}.{os.getpid()}.partial")
        try:
            _download(_on_the_hub(address) if address.startswith(HUB) else address, partial)
            partial.replace(place)
        except OSError as error:
            reason = getattr(error, "reason", error)
            raise SpecificationError(
                f"path: {address!r} cannot be had: {reason}. Fetch it where there is a network and give the file."
            ) from None
        finally:
            partial.unlink(missing_ok=True)
    return place


def _download(address: str, place: Path) -> None:
    import urllib.request

    with urllib.request.urlopen(address, timeout=30) as answer, place.open("wb") as file:
        size = 0
        while chunk := answer.read(2**20):
            size += len(chunk)
            if size > LARGEST:
                raise SpecificationError(f"path: {address!r} has more than {LARGEST:,} bytes.")
            file.write(chunk)


def _on_the_hub(path: str) -> str:
    """Return the address of a data set's first Parquet file: of the subset and split named, or of those it begins with.

    The hub keeps every public data set as Parquet, whatever it was made of. ``HF_ENDPOINT`` names a mirror.
    """
    import json
    import urllib.request

    found = re.fullmatch(r"((?:[\w.-]+/)?[\w.-]+?)(?:/([\w.-]+)/([\w.-]+))?/?", path.removeprefix(HUB))
    if not found:
        raise SpecificationError(f"path: {path!r} is not allowed; write {HUB}NAME or {HUB}NAME/SUBSET/SPLIT.")
    name, subset, split = found.groups()
    hub = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    with urllib.request.urlopen(f"{hub}/api/datasets/{name}/parquet", timeout=30) as answer:
        files: dict[str, dict[str, list[str]]] = json.load(answer)
    if subset is None:
        subset, splits = next(iter(files.items()))
        split = "train" if "train" in splits else next(iter(splits))
    if split not in files.get(subset, {}):
        known = [f"{one}/{other}" for one, splits in files.items() for other in splits]
        raise SpecificationError(f"path: {name} has no {subset}/{split}. Allowed: {', '.join(known[:20])}.")
    return files[subset][split][0]


def read_both(source: OwnFile | None, target: OwnFile, nothing: Any = None) -> list[Any]:
    """Read the files of both domains; what one lacks is said with the domain's name before the field.

    ``nothing`` stands for a source without a file.
    """
    tables = []
    for which, file in (("source", source), ("target", target)):
        try:
            tables.append(nothing if file is None else file.read())
        except SpecificationError as error:
            raise SpecificationError(f"{which}.{error}") from None
    return tables
