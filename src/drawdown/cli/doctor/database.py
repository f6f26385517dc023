"""The checks of a ledger's file, and of the folder and disk it is on. The file is not changed."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw

from drawdown.cli.doctor import checks, postgres
from drawdown.cli.doctor.checks import Check, fault, ok, warning
from drawdown.cli.doctor.ledger import due_work, keys, late_before, schema
from drawdown.cli.output import size
from drawdown.core.types import Instant
from drawdown.engine.ports import NotALedger, SchemaNewer
from drawdown.opening import DatabaseUrlInvalid, is_postgres, sqlite_path
from drawdown.store.sqlite.backup import is_in_use
from drawdown.store.sqlite.connection import open_writer
from drawdown.store.sqlite.inspection import Inspection, inspect

MOUNTS = Path("/proc/self/mounts")
RESTORE = "`drawdown verify` tells more; `drawdown restore` puts a backup in its place."


def examine(url: str, *, named: bool) -> Iterator[Check]:
    """The checks of the ledger at ``url``. ``named``: someone said it is there."""
    if is_postgres(url):
        yield from postgres.examine(url, named=named)
        return
    try:
        path = sqlite_path(url).absolute().resolve()
    except DatabaseUrlInvalid as error:
        yield fault("database", str(error), "Correct --database or DRAWDOWN_DATABASE.")
        return
    if not path.is_file():
        kind = fault if named else warning
        fix = "`drawdown init` prepares one; --database or DRAWDOWN_DATABASE names another."
        yield kind("database", f"There is no ledger at {path}", fix)
        return
    yield from _files(path)
    try:
        used = is_in_use(path)
        with inspect(path) as found:
            yield ok("database", f"{path}, {size(path.stat().st_size)}")
            yield from _contents(found, used)
    except (apsw.Error, NotALedger, SchemaNewer, OSError) as error:
        yield _unreadable(path, error)


def _unreadable(path: Path, error: Exception) -> Check:
    if isinstance(error, SchemaNewer):
        return fault("schema", str(error), "Or restore a backup of this release's time.")
    if isinstance(error, NotALedger):
        return fault("database", f"{path}: {error}", "Correct --database or DRAWDOWN_DATABASE.")
    if isinstance(error, apsw.CantOpenError | apsw.ReadOnlyError | PermissionError):
        fix = "Run this as the server's user; give that user the file and its folder."
        return fault("database", f"{path} cannot be opened: {error}", fix)
    return fault("database", f"{path} cannot be read: {error}", RESTORE)


def _files(path: Path) -> Iterator[Check]:
    """What can be told without opening it."""
    log = Path(f"{path}-wal")
    log_size = log.stat().st_size if log.exists() else 0
    yield _permissions(path)
    yield _durability(path.parent)
    mounts = MOUNTS.read_text("utf-8") if MOUNTS.exists() else ""
    yield checks.file_system(checks.kind_of_file_system(path, mounts))
    yield checks.disk(shutil.disk_usage(path.parent).free, path.stat().st_size + log_size)
    yield checks.log(log_size)


def _permissions(path: Path) -> Check:
    """Only what everybody may do is judged: whoever shares a file with a group means it."""
    folder, file = path.parent.stat().st_mode, path.stat().st_mode
    if file & stat.S_IWOTH or (folder & stat.S_IWOTH and not folder & stat.S_ISVTX):
        fix = f"`chmod o-rwx {path}*`, and `chmod o-w {path.parent}`."
        return fault("permissions", "everybody on this machine may change the ledger", fix)
    if file & stat.S_IROTH:
        found = "everybody on this machine may read the ledger, names and e-mail addresses too"
        return warning("permissions", found, f"`chmod o-r {path}*`.")
    return ok("permissions", f"{stat.S_IMODE(file):o}, of {_owner(path)}")


def _owner(path: Path) -> str:
    try:
        return path.owner()
    except KeyError:  # a container's user may have no name
        return str(path.stat().st_uid)


def _contents(found: Inspection, used: bool) -> Iterator[Check]:
    if found.schema == 0:
        yield fault("schema", "The file is empty.", "`drawdown init` makes a ledger of it.")
        return
    yield schema(found.schema, found.pending)
    yield _writable(found)
    now = Instant(time.time_ns() // 1_000)
    yield checks.clock(found.newest_record(), now)
    yield keys(found.keys(), found.accounts())
    yield due_work(found.late(late_before(now)), now, used)


def _writable(found: Inspection) -> Check:
    try:
        found.check_writable()
    except apsw.BusyError:
        fix = (
            "Find what else has it open and end it; a server takes the lock for milliseconds only."
        )
        return fault("writable", "Another program has kept the ledger locked for 5 seconds.", fix)
    except apsw.ReadOnlyError:
        fix = f"Run this as the server's user, not {os.geteuid()}, or give that user the file."
        return fault("writable", "The ledger cannot be written.", fix)
    except apsw.Error as error:
        return fault("writable", f"The ledger cannot be written: {error}.", "See the disk.")
    return ok("writable", "yes")


def _durability(folder: Path) -> Check:
    """How a ledger in this folder is written, tried on one that is thrown away."""
    try:
        with (
            tempfile.TemporaryDirectory(prefix=".drawdown-doctor-", dir=folder) as scratch,
            closing(open_writer(str(Path(scratch, "scratch.db")))) as writer,
        ):
            writer.execute("CREATE TABLE scratch (a); INSERT INTO scratch VALUES (1)")
            return checks.durability(writer.pragma("journal_mode"), writer.pragma("synchronous"))
    except (OSError, apsw.Error) as error:
        fix = "Give the server's user the folder: SQLite keeps its log beside the ledger."
        return fault("durability", f"Nothing can be written in {folder}: {error}", fix)
