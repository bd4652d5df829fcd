"""Feature tables of your own: rows of numbers that somebody has made of images, texts, sensors, patients."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from tlcore.datasets.features import FeatureFile
from tlcore.datasets.own import read_both
from tlcore.errors import SpecificationError
from tlcore.scenarios.labels import Answers, OwnLabels
from tlcore.scenarios.tables import TASKS, Standardize, Tables, tables_together

if TYPE_CHECKING:
    from tlcore.concerns import Concern, Plan
    from tlcore.examples import Domains
    from tlcore.methods.base import Setting


class OwnFeatures(OwnLabels, Tables):
    """Two feature tables of your own, the source's with labels (`Tables`)."""

    name = "features"
    title = "Your own feature tables"
    summary = (
        "Bring rows of numbers with labels, such as measurements, patients or the features of a network, from a domain "
        "where you have many labels and from the one where you have few or none."
    )
    credit = "Your own data; it stays on this machine."
    own = FeatureFile
    tasks = TASKS

    def domains(self, source: FeatureFile, target: FeatureFile) -> Domains:
        """Labelled rows of both; two fifths of the target's, at most 2,000, are scored."""
        return _domains(source.model_dump_json(), target.model_dump_json(), self.standardize, "inductive", self.kind)

    def transductive(self, source: FeatureFile, target: FeatureFile) -> Domains:
        """All rows of the target, in the file's order, are answered; those with a label are scored."""
        return _domains(source.model_dump_json(), target.model_dump_json(), self.standardize, "transductive", self.kind)

    def unsupervised(self, source: FeatureFile, target: FeatureFile) -> Domains:
        """All rows of both, labelled or not; groups are found in all rows of the target, those with a label scored."""
        return _domains(source.model_dump_json(), target.model_dump_json(), self.standardize, "unsupervised", self.kind)

    def concerns(self, domains: Domains, plan: Plan) -> list[Concern]:
        """Check the raw columns besides, where they have names."""
        files = [file.model_dump_json() for file in plan.files.values()]
        return [*super().concerns(domains, plan), *_column_concerns(*files)]


@lru_cache(maxsize=2)
def _domains(source: str, target: str, standardize: Standardize, setting: Setting, kind: Answers) -> Domains:
    files = (FeatureFile.model_validate_json(source), FeatureFile.model_validate_json(target))
    there, here = read_both(*_alike(*files))
    return tables_together(there, here, standardize, setting, kind)


@lru_cache(maxsize=4)
def _column_concerns(source: str, target: str) -> tuple[Concern, ...]:
    from tlcore.concerns.columns import of_tables

    files = (FeatureFile.model_validate_json(source), FeatureFile.model_validate_json(target))
    there, here = read_both(*_alike(*files))
    if not (isinstance(there.rows, tuple) and isinstance(here.rows, tuple)):
        return ()
    mine, theirs = ({column.name: column for column in table.rows} for table in (there, here))
    return tuple(of_tables(mine, theirs, there.labels, here.labels))


def _alike(source: FeatureFile, target: FeatureFile) -> tuple[FeatureFile, FeatureFile]:
    """Return both files, each with the label that was named for the other alone, where it has such a column."""
    try:
        return source.like(target), target.like(source)
    except SpecificationError:
        return source, target  # what is wrong is said with its domain where they are read
