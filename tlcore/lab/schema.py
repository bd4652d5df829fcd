"""The store's tables, and how an older store becomes a current one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from tlcore.errors import SpecificationError

BUSY_TIMEOUT = 30_000  # milliseconds

METADATA = sa.MetaData()

SCHEMA_VERSION = sa.Table("schema_version", METADATA, sa.Column("version", sa.Integer, primary_key=True))

RUNS = sa.Table(
    "runs",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("spec", sa.Text, nullable=False),
    sa.Column("workers", sa.Integer),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("error", sa.Text, nullable=False, default=""),
    sa.Column("created", sa.Double, nullable=False),
    sa.Column("started", sa.Double),
    sa.Column("finished", sa.Double),
    sa.Column("cancel_asked", sa.Double),
    sa.Column("lease_until", sa.Double, nullable=False),
    sa.Column("concerns", sa.Text, nullable=False, server_default="[]"),
)
"""A run. Times are seconds since 1970 in UTC; the lease is held by the engine that works on it. Concerns
are what looked wrong with its data, as JSON."""

TRIALS = sa.Table(
    "trials",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("run_id", sa.ForeignKey("runs.id", ondelete="CASCADE"), nullable=False),
    sa.Column("position", sa.Integer, nullable=False),
    sa.Column("method", sa.Text, nullable=False),
    sa.Column("budget", sa.Integer, nullable=False),
    sa.Column("seed", sa.Integer, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("error", sa.Text, nullable=False, default=""),
    sa.Column("attempt", sa.Integer, nullable=False, default=0),
    sa.Column("losses", sa.Integer, nullable=False, default=0),
    sa.Column("host", sa.Text),
    sa.Column("pid", sa.Integer),
    sa.Column("lease_until", sa.Double),
    sa.Column("progress", sa.Double, nullable=False, server_default="0"),
    sa.Column("started", sa.Double),
    sa.Column("finished", sa.Double),
    sa.UniqueConstraint("run_id", "position"),
    sa.Index("trials_by_status", "status", "lease_until"),
)
"""A trial; the lease is held by the worker process that carries it out. Progress is the share of its work done."""

RESULTS = sa.Table(
    "results",
    METADATA,
    sa.Column("trial_id", sa.ForeignKey("trials.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True),
    sa.Column("metrics", sa.Text, nullable=False),
    sa.Column("curves", sa.Text, nullable=False),
    sa.Column("examples", sa.LargeBinary, nullable=False),
    sa.Column("note", sa.Text, nullable=False, server_default=""),
    sa.UniqueConstraint("trial_id"),
)
"""What a trial left behind: one row a trial, whatever happened on the way there."""

EXPLANATIONS = sa.Table(
    "explanations",
    METADATA,
    sa.Column("trial_id", sa.ForeignKey("trials.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("row", sa.Integer, primary_key=True),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("error", sa.Text, nullable=False, default=""),
    sa.Column("value", sa.Text),
    sa.Column("asked", sa.Double, nullable=False),
)
"""What a trial's answer to a test example rests on: asked for by a person, worked out once."""


def _first_tables(connection: sa.Connection) -> None:
    METADATA.create_all(connection, tables=[RUNS, TRIALS, RESULTS])


def _notes(connection: sa.Connection) -> None:
    """What a trial says about itself. A store made today has the column from its first table on."""
    if "note" not in {column["name"] for column in sa.inspect(connection).get_columns("results")}:
        connection.execute(sa.text("ALTER TABLE results ADD COLUMN note TEXT NOT NULL DEFAULT ''"))


def _progress(connection: sa.Connection) -> None:
    if "progress" not in {column["name"] for column in sa.inspect(connection).get_columns("trials")}:
        connection.execute(sa.text("ALTER TABLE trials ADD COLUMN progress DOUBLE PRECISION NOT NULL DEFAULT 0"))


def _concerns(connection: sa.Connection) -> None:
    """What looked wrong with a run's data; of older runs nobody asked."""
    if "concerns" not in {column["name"] for column in sa.inspect(connection).get_columns("runs")}:
        connection.execute(sa.text("ALTER TABLE runs ADD COLUMN concerns TEXT NOT NULL DEFAULT '[]'"))


def _explanations(connection: sa.Connection) -> None:
    EXPLANATIONS.create(connection, checkfirst=True)


MIGRATIONS: list[Callable[[sa.Connection], None]] = [_first_tables, _notes, _explanations, _progress, _concerns]
"""In order; the store's version is how many of them it has seen. Add to the end, never change one.

The first makes the tables as they are now, so each later one must ask whether there is anything left to do.
"""


def open_database(url: str) -> sa.Engine:
    """Return the database at this URL with all tables in place, or say in one line why it cannot be had."""
    try:
        database = sa.create_engine(url)
        if database.dialect.name == "sqlite":
            _configure_sqlite(database)
        _migrate(database)
    except (sa.exc.ArgumentError, sa.exc.DBAPIError, ImportError) as error:
        reason = str(getattr(error, "orig", error)).splitlines()[0]
        raise SpecificationError(f"store: {_shown(url)} cannot be opened: {reason}.") from error
    return database


def _configure_sqlite(database: sa.Engine) -> None:
    @sa.event.listens_for(database, "connect")
    def settings(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver begins nothing by itself; `begin` below does
        for pragma in (
            f"busy_timeout={BUSY_TIMEOUT}",
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "foreign_keys=ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(database, "begin")
    def begin(connection: sa.Connection) -> None:
        # A transaction that reads first and writes later cannot wait for its turn: SQLite refuses it as stale,
        # whatever the timeout. So one that may write takes the lock before it reads.
        reading = connection.get_execution_options().get("reading", False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _migrate(database: sa.Engine) -> None:
    with database.begin() as connection:
        SCHEMA_VERSION.create(connection, checkfirst=True)
        version = connection.scalar(sa.select(SCHEMA_VERSION.c.version)) or 0
        if version > len(MIGRATIONS):
            raise SpecificationError(
                f"store: {_shown(database.url)} has schema version {version}, "
                f"and this Transfer Lab knows up to {len(MIGRATIONS)}; update Transfer Lab."
            )
        for migrate in MIGRATIONS[version:]:
            migrate(connection)
        if version < len(MIGRATIONS):
            connection.execute(SCHEMA_VERSION.delete())
            connection.execute(SCHEMA_VERSION.insert().values(version=len(MIGRATIONS)))


def _shown(url: str | sa.URL) -> str:
    try:
        return sa.make_url(url).render_as_string(hide_password=True)
    except sa.exc.ArgumentError:
        return repr(url)
