"""Copying a ledger while a server writes to it, and putting a copy in the place of another file."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import apsw

from drawdown.engine.ports import NotALedger, SchemaNewer
from drawdown.store.sqlite.connection import open_existing, schema_of

#: 8 MiB of the usual pages between two reports of progress.
PAGES_AT_ONCE = 2_000
#: What SQLite keeps beside a file of its own. A log that stays beside another file would be read into it.
LOGS = ("-wal", "-shm", "-journal")
#: Where every connection has a shared lock for as long as it uses a file with a write-ahead log
#: (https://www.sqlite.org/fileformat2.html#the_lock_byte_page): so many bytes, from this one on.
_SHARED_LOCKS, _FIRST_SHARED_LOCK = 510, 0x4000_0002

#: Pages copied, of so many.
Progress = Callable[[int, int], None]


class Damaged(Exception):
    """SQLite finds that a file is not whole."""


def copy(source: Path, target: Path, progress: Progress) -> None:
    """Write the ledger at ``source`` as it is at one moment into ``target``, which must not be there yet.

    Whoever writes to ``source`` is not held up: the copy reads from one snapshot from its first page to
    its last. Raises ``NotALedger`` and ``SchemaNewer`` before anything is written.
    """
    with closing(open_existing(str(source))) as origin:
        schema_of(origin)
        os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        origin.execute("BEGIN")
        origin.execute("SELECT count(*) FROM sqlite_schema").fetchall()  # the snapshot begins
        with closing(apsw.Connection(str(target))) as copied:
            copied.pragma("synchronous", "off")  # ``seal`` syncs once, when all is there
            with copied.backup("main", origin, "main") as backup:
                while not backup.done:
                    backup.step(PAGES_AT_ONCE)
                    progress(backup.page_count - backup.remaining, backup.page_count)


def check(path: Path) -> None:
    """Have SQLite read every table and index. Raises ``Damaged`` when one is not whole."""
    with closing(open_existing(str(path))) as connection:
        schema_of(connection)
        try:
            found = connection.pragma("integrity_check")
        except apsw.CorruptError as error:
            raise Damaged(str(error)) from None
    if found != "ok":
        raise Damaged(str(found))


def seal(path: Path) -> None:
    """Make it one file without a log beside it, and have it on disk when this returns."""
    with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)) as connection:
        connection.pragma("journal_mode", "delete")
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def logs_of(path: Path) -> list[Path]:
    """The logs that lie beside the file."""
    return [log for log in (Path(f"{path}{suffix}") for suffix in LOGS) if log.exists()]


def is_in_use(path: Path) -> bool:
    """Whether another process has the ledger open.

    Not to be asked while this process has it open: closing a file gives up all locks of a process on it.
    """
    if not path.exists():
        return False
    with path.open("rb+") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, _SHARED_LOCKS, _FIRST_SHARED_LOCK)
        except OSError as error:
            if error.errno in {errno.EACCES, errno.EAGAIN}:
                return True
            raise
    return False


def put(new: Path, path: Path) -> None:
    """Give ``new``, a sealed file, the name ``path``; what had it is gone."""
    for log in logs_of(path):
        log.unlink()
    new.replace(path)
    _sync_folder(path.parent)


def swap(new: Path, path: Path, aside: Path) -> None:
    """As ``put``, but what had the name is kept as ``aside``, whole: with the log it may need.

    Where the file there can be read, its log is written into it first; then there is no moment at which
    ``path`` names nothing, or a file with another's log.
    """
    _fold_log(path)
    for log in logs_of(path):
        log.rename(f"{aside}{log.name.removeprefix(path.name)}")
    if path.exists():
        _belong_alike(new, path)
        os.link(path, aside)
    new.replace(path)
    _sync_folder(path.parent)


def _fold_log(path: Path) -> None:
    """Write the log into the file and remove it; what is damaged or another program's stays as it is."""
    unreadable = (apsw.CorruptError, apsw.IOError, apsw.NotADBError, NotALedger, SchemaNewer)
    if path.exists():
        with suppress(*unreadable), closing(open_existing(str(path))) as old:
            schema_of(old)
            old.pragma("query_only", False)
            old.pragma("journal_mode", "delete")


def _belong_alike(new: Path, old: Path) -> None:
    """Who restores may be root; the server's own user must be able to write the file."""
    shutil.copymode(old, new)
    owner = old.stat()
    if (owner.st_uid, owner.st_gid) != (new.stat().st_uid, new.stat().st_gid):
        os.chown(new, owner.st_uid, owner.st_gid)


def _sync_folder(folder: Path) -> None:
    """A name is on disk when its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
