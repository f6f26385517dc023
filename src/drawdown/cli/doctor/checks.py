"""What a check answers, and what to make of the numbers and names that a machine tells."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

import msgspec

from drawdown.cli.output import counted, size
from drawdown.core.types import MICROSECONDS, Instant

PYTHON_MIN = (3, 11)
#: Writes are refused when the disk is full; the log alone may take tens of megabytes.
FREE_BYTES_MIN = 128 * 1024 * 1024
FREE_BYTES_WANTED = 1024 * 1024 * 1024
#: Four times what the log is usually written back at.
LOG_BYTES_MAX = 64 * 1024 * 1024
#: So much may a clock be behind the newest record: what it was set back by, and no more than that.
CLOCK_BEHIND_MAX = 2 * MICROSECONDS
NETWORK_FILE_SYSTEMS = frozenset(
    "9p afs ceph cifs fuse.glusterfs fuse.s3fs fuse.sshfs gfs2 glusterfs lustre ncpfs nfs nfs4 smb3 "
    "smbfs virtiofs".split()
)
PASSING_FILE_SYSTEMS = {
    "tmpfs": "memory: it is gone when the machine restarts",
    "ramfs": "memory: it is gone when the machine restarts",
    "overlay": "a container's own layer: it is gone with the container",
    "aufs": "a container's own layer: it is gone with the container",
}


class State(StrEnum):
    """Ok: nothing to do. Warning: look at it. Fault: something does not work, or is about to break."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


class Check(msgspec.Struct, frozen=True):
    """One thing that was looked at. ``fix`` says what to do, and is empty when there is nothing to do."""

    check: str
    state: State
    found: str
    fix: str = ""


def ok(check: str, found: str) -> Check:
    return Check(check, State.OK, found)


def warning(check: str, found: str, fix: str) -> Check:
    return Check(check, State.WARNING, found, fix)


def fault(check: str, found: str, fix: str) -> Check:
    return Check(check, State.FAULT, found, fix)


def python() -> Check:
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < PYTHON_MIN:
        needed = ".".join(map(str, PYTHON_MIN))
        return fault("python", found, f"Install Python {needed} or newer, then `make setup`.")
    return ok("python", found)


def sqlite() -> Check:
    import apsw

    from drawdown.store.sqlite.connection import check_sqlite_version

    try:
        check_sqlite_version()
    except RuntimeError as error:
        return fault("sqlite", str(error), "`make setup` installs the locked one.")
    return ok("sqlite", apsw.sqlite_lib_version())


def settings(environment: Mapping[str, str]) -> list[Check]:
    """The ``DRAWDOWN_`` variables: each must keep its rule, and be one that is read."""
    from drawdown.config import ConfigError, read_config, unknown_variables

    checks = []
    try:
        read_config(environment)
    except ConfigError as error:
        checks.append(fault("settings", str(error), "Correct or unset the variable."))
    unknown = ", ".join(unknown_variables(environment))
    if unknown:
        checks.append(
            warning(
                "settings", f"{unknown}: no such setting.", "Is it misspelt? Correct or unset it."
            )
        )
    return checks or [ok("settings", "every DRAWDOWN_ variable is known and in order")]


def disk(free: int, database: int) -> Check:
    """``free`` bytes on the disk of a database of ``database`` bytes."""
    found = f"{size(free)} free"
    if free < FREE_BYTES_MIN:
        return fault("disk", found, "Make room: on a full disk every write is refused.")
    if free < max(FREE_BYTES_WANTED, database):
        return warning("disk", found, "Make room: a backup beside the ledger needs as much again.")
    return ok("disk", found)


def log(count: int) -> Check:
    """``count`` bytes of write-ahead log."""
    if count <= LOG_BYTES_MAX:
        return ok("log", size(count))
    fix = (
        "Whatever reads for long (a backup, `drawdown verify`) holds it: let it end. Then restart the "
        "server when it suits, which writes the log back and removes it."
    )
    return warning("log", f"{size(count)} of write-ahead log, which makes reads slow", fix)


def durability(journal_mode: object, synchronous: object) -> Check:
    """What SQLite says when it is opened as the server opens it; ``synchronous`` 2 is FULL."""
    if (journal_mode, synchronous) == ("wal", 2):
        return ok("durability", "a write-ahead log, synced at every commit")
    found = f"The journal's mode is {journal_mode}, synchronous {synchronous}: commits may be lost."
    return fault("durability", found, "Move the ledger to a local disk that can share memory.")


def clock(newest: Instant | None, now: Instant) -> Check:
    """``newest``: the time of the newest record, by the clock of whoever wrote it."""
    behind = 0 if newest is None else newest - now
    if behind <= CLOCK_BEHIND_MAX:
        return ok("clock", "not behind the newest record")
    found = f"{span(behind)} behind the newest record"
    return fault(
        "clock", found, "Set the clock (NTP): until then the time of wallets stands still."
    )


def file_system(kind: str | None) -> Check:
    """``kind``: what the system calls the file system of the database; None where it does not say."""
    if kind in NETWORK_FILE_SYSTEMS:
        fix = "Move the ledger to a local disk: SQLite's log does not work on a network's."
        return fault("file system", f"{kind}, over a network", fix)
    if kind in PASSING_FILE_SYSTEMS:
        found = f"{kind}, {PASSING_FILE_SYSTEMS[kind]}"
        return warning("file system", found, "Put the ledger on a disk, or a volume, that stays.")
    return ok("file system", kind or "not told by this system")


def kind_of_file_system(path: Path, mounts: str) -> str | None:
    """What ``mounts`` (the text of ``/proc/self/mounts``) says of the file system that ``path`` is on."""
    best, kind = Path(), None
    for line in mounts.splitlines():
        _, point, found, *_ = line.split(" ")
        folder = Path(point.encode().decode("unicode_escape"))  # a space is written \040
        if path.is_relative_to(folder) and len(folder.parts) >= len(best.parts):
            best, kind = folder, found
    return kind


def span(microseconds: int) -> str:
    """A length of time in the largest unit that it has two of."""
    seconds = microseconds // MICROSECONDS
    for length, one, many in (
        (86_400, "day", "days"),
        (3_600, "hour", "hours"),
        (60, "minute", "minutes"),
    ):
        if seconds >= 2 * length:
            return counted(seconds // length, one, many)
    return counted(seconds, "second", "seconds")
