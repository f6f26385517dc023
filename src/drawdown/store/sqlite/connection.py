"""Opening the file: what SQLite must be and do so that a commit is on disk when it returns."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from importlib.resources import files

import apsw

from drawdown.engine.ports import NotALedger, SchemaNewer

#: The database cannot do it now: the disk is full or failing, the file is gone, locked or read-only.
UNAVAILABLE = (
    apsw.BusyError,
    apsw.CantOpenError,
    apsw.FullError,
    apsw.IOError,
    apsw.LockedError,
    apsw.ReadOnlyError,
)
#: Versions before this can corrupt a WAL when a second connection checkpoints.
SQLITE_VERSION_MIN = (3, 51, 3)
APPLICATION_ID = 0x44524457  # "DRDW"
BUSY_MILLISECONDS = 5_000
CACHE_KIB = 65_536
#: The log is written back into the file once it is this long: 16 MiB. Pages written again and again by
#: then are written back once.
CHECKPOINT_PAGES = 4_000
#: At twice that commits wait until it is written back (``checkpoints``).
LOG_PAGES_MAX = 8_000


def check_sqlite_version() -> None:
    """Raises ``RuntimeError`` when the SQLite at hand could harm the file."""
    version = tuple(int(part) for part in apsw.sqlite_lib_version().split("."))
    if version < SQLITE_VERSION_MIN:
        needed = ".".join(map(str, SQLITE_VERSION_MIN))
        raise RuntimeError(
            f"SQLite {apsw.sqlite_lib_version()} can corrupt its log; install apsw with {needed} or later."
        )


def open_writer(path: str, vfs: str | None = None) -> apsw.Connection:
    """The connection that writes: every commit is synced to disk before it returns."""
    if vfs is None:
        make_private(path)
    connection = apsw.Connection(path, vfs=vfs)
    _prepare(connection)
    schema_of(connection)  # refuses another program's file before it is touched
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", "full")
    return connection


def make_private(path: str) -> None:
    """Make a file that is not there yet for its owner alone; SQLite gives its log the same mode."""
    with suppress(OSError):  # there already, or cannot be made: SQLite says so in its own words
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def open_reader(path: str, vfs: str | None = None) -> apsw.Connection:
    """A connection that only reads what was committed."""
    connection = apsw.Connection(path, vfs=vfs)
    _prepare(connection)
    connection.pragma("query_only", True)
    return connection


def open_existing(path: str) -> apsw.Connection:
    """As ``open_reader``, of a file that must be there; its schema stays as it is."""
    connection = apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE)
    _prepare(connection)
    connection.pragma("query_only", True)
    return connection


def _prepare(connection: apsw.Connection) -> None:
    connection.set_busy_timeout(BUSY_MILLISECONDS)
    connection.pragma("foreign_keys", True)
    connection.pragma("cache_size", -CACHE_KIB)
    connection.pragma("temp_store", "memory")
    # Plans must not depend on what is bound, or SQLite would make a new one for every execution.
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    # SQLite's own knows the letters of English alone.
    connection.create_scalar_function("lower", _lower, 1, deterministic=True)


def _lower(*values: apsw.SQLiteValue) -> apsw.SQLiteValue:
    """What is no text is as it was."""
    [value] = values
    return value.lower() if isinstance(value, str) else value


def migrate(connection: apsw.Connection) -> int:
    """Bring the file to this release's schema, each step in a transaction. Returns how many were run.

    ``PRAGMA user_version`` holds the number of the last step. Raises ``NotALedger`` and ``SchemaNewer``.
    """
    run = 0
    for number, script in migrations():
        connection.execute("BEGIN IMMEDIATE")
        try:
            if schema_of(connection) < number:
                connection.execute(script)
                connection.pragma("user_version", number)
                connection.pragma("application_id", APPLICATION_ID)
                run += 1
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
    return run


def schema_of(connection: apsw.Connection) -> int:
    """The number of the last migration that the file has had; 0 for an empty one.

    Raises ``NotALedger`` and ``SchemaNewer``.
    """
    newest = len(migrations())
    version, application = connection.pragma("user_version"), connection.pragma("application_id")
    used = connection.execute("SELECT count(*) FROM sqlite_schema").get
    if application != APPLICATION_ID and (used or version):
        raise NotALedger("The file is a database, but not one of Drawdown's. Choose another file.")
    assert isinstance(version, int)
    if version > newest:
        raise SchemaNewer(
            f"The file has schema {version}, this release knows {newest}. Install the newer release."
        )
    return version


def migrations() -> list[tuple[int, str]]:
    """Every step as (number, SQL), in order; the number is what its file's name begins with."""
    folder = files("drawdown.store.sqlite").joinpath("migrations")
    matches = ((re.fullmatch(r"(\d{4})_\w+\.sql", file.name), file) for file in folder.iterdir())
    return sorted(
        (int(match[1]), file.read_text(encoding="utf-8")) for match, file in matches if match
    )
