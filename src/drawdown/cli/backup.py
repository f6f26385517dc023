"""`drawdown backup` and `drawdown restore`: a ledger copied while it is used, and put back."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from drawdown.cli.database import DEFAULT, Database, existing, file_of, refusals, with_ledger
from drawdown.cli.failures import Failure
from drawdown.cli.options import Json
from drawdown.cli.output import console, counted, minute, progress_bar, show_json, size
from drawdown.cli.verify import walk

if TYPE_CHECKING:
    from drawdown.engine.ledger import Verified
    from drawdown.store.sqlite.backup import Progress


class Copied(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was written. ``newest_record``: when its newest operation was recorded.

    ``wallets`` and ``entries`` are told when all of them were verified.
    """

    file: str
    bytes: int
    schema: int
    newest_record: str | None
    wallets: int | None = None
    entries: int | None = None
    kept: str | None = None


def backup(
    file: Annotated[
        Path, typer.Argument(help="Where to; its folder must be there.", metavar="FILE")
    ],
    force: Annotated[
        bool,
        typer.Option("--force", help="Replace a file of that name, once the new one is whole."),
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Also compute every wallet in it from its entries.")
    ] = False,
    database: Database = DEFAULT,
    as_json: Json = False,
) -> None:
    """Copy the ledger into FILE, as it is at one moment, while a server works on.

    SQLite then reads all of the copy, and it is on disk before it gets its name. Keep it on another
    machine, readable by you alone.

    Example: `drawdown backup backup-2026-01-31.db --verify`
    """
    from drawdown.store.sqlite import backup as files

    target = file.absolute()
    with refusals(database):
        source = existing(database)
        if verify:
            _check_current(source)
    _check_target(target, source, force)
    with _told(f"Cannot write {target}"), _partial_of(target) as partial:
        with refusals(database):
            _copy(source, partial, target)
        _check_whole(partial, f"The ledger at {source} is damaged")
        verified = _verified(partial, f"The ledger at {source}") if verify else None
        files.seal(partial)
        copied = _facts(partial, target, verified)
        files.put(partial, target)
    _show(copied, f"Backup of {source} in {target}", as_json)


def restore(
    file: Annotated[
        Path, typer.Argument(help="A backup, as `drawdown backup` wrote it.", metavar="FILE")
    ],
    force: Annotated[
        bool,
        typer.Option("--force", help="Put it in the place of a ledger, which is kept beside it."),
    ] = False,
    database: Database = DEFAULT,
    as_json: Json = False,
) -> None:
    """Put a backup in the place of the ledger. Stop the server first.

    The backup is copied, brought to this release's schema and verified, every entry of it; only then
    does the copy take the ledger's place, in one step. What was there is kept under a name that is told.

    Example: `drawdown restore backup-2026-01-31.db --force`
    """
    from drawdown.store.sqlite import backup as files

    source = file.absolute()
    with refusals(database):
        target = file_of(database).resolve()
    _check_source(source, target)
    with _told(f"Cannot write {target}"):
        _check_replaceable(target, force)
        with _partial_of(target) as partial:
            with refusals(f"sqlite:///{source}"):
                _copy(source, partial, target)
            _check_whole(partial, f"The backup {source} is damaged")
            verified = _verified(partial, f"The backup {source}")
            files.seal(partial)
            _check_replaceable(target, force)  # a server may have been started meanwhile
            there = target.exists() or files.logs_of(target)
            kept = _free_name(target) if there else None
            copied = _facts(partial, target, verified, kept)
            files.swap(partial, target, kept) if kept else files.put(partial, target)
    _show(copied, f"Restored {source} to {target}", as_json)


def _copy(source: Path, partial: Path, target: Path) -> None:
    """What a disk refuses meanwhile has no words of SQLite's own, so it gets its words here."""
    import apsw

    from drawdown.store.sqlite.backup import copy

    try:
        with progress_of("Copying") as progress:
            copy(source, partial, progress)
    except apsw.FullError:
        raise Failure(
            f"Cannot write {target}: the disk is full.", "Make room, or name a file on another."
        ) from None
    except apsw.IOError:
        raise Failure(
            f"Cannot copy {source} to {target}: the disk refuses to be read or written.",
            "Nothing was put in place; the system's log tells more.",
        ) from None


def _check_current(source: Path) -> None:
    from drawdown.store.sqlite.inspection import inspect

    with inspect(source) as found:
        if found.pending:
            raise Failure(
                f"The schema is {found.schema}, and this release verifies {found.schema_newest}.",
                "Back up without --verify, then run `drawdown migrate`.",
            )


def _check_target(target: Path, source: Path, force: bool) -> None:
    from drawdown.store.sqlite.backup import logs_of

    if target.exists() and target.samefile(source):
        raise Failure(f"{target} is the ledger itself.", "Name another file.")
    if target.is_dir():
        raise Failure(f"{target} is a folder.", "Name a file in it.")
    in_the_way = [path for path in (target, *logs_of(target)) if path.exists()]
    if in_the_way and not force:
        raise Failure(f"There is {in_the_way[0]} already.", "Name another file, or give --force.")


def _check_source(source: Path, target: Path) -> None:
    if not source.is_file():
        raise Failure(
            f"There is no backup at {source}.", "Name the file that `drawdown backup` wrote."
        )
    if target.exists() and source.samefile(target):
        raise Failure(f"{source} is the ledger itself.", "Name a backup.")
    if source.stat().st_size == 0:  # what a copy that was cut off leaves, and SQLite takes as new
        raise Failure(f"{source} is empty: it is no backup.", "Name another, or copy it again.")


def _check_replaceable(target: Path, force: bool) -> None:
    from drawdown.store.sqlite.backup import is_in_use, logs_of

    if is_in_use(target):
        raise Failure(f"{target} is in use.", "Stop the server, and whatever else has it open.")
    in_the_way = [path for path in (target, *logs_of(target)) if path.exists()]
    if in_the_way and not force:
        raise Failure(
            f"There is {in_the_way[0]} already.",
            "Give --force: it is kept beside the restored one, and its name is told.",
        )


def _check_whole(path: Path, said: str) -> None:
    from drawdown.store.sqlite.backup import Damaged, check

    with progress_of("Checking"):
        try:
            check(path)
        except Damaged as error:
            raise Failure(f"{said}: {error}.", "Nothing was written.") from None


def _verified(path: Path, what: str) -> Verified:
    """Every wallet of a copy, computed again. Its schema is brought up to date."""
    from drawdown.core.fold import Fault

    try:
        return with_ledger(f"sqlite:///{path}", walk)
    except Fault as fault:
        raise Failure(f"{what} does not add up: {fault}.", "Nothing was written.") from None


def _facts(path: Path, target: Path, verified: Verified | None, kept: Path | None = None) -> Copied:
    from drawdown.core.times import text_of
    from drawdown.store.sqlite.inspection import inspect

    with inspect(path) as found:
        newest = found.newest_record() if found.schema else None
        return Copied(
            file=str(target),
            bytes=path.stat().st_size,
            schema=found.schema,
            newest_record=None if newest is None else text_of(newest),
            wallets=None if verified is None else verified.wallets,
            entries=None if verified is None else verified.entries,
            kept=None if kept is None else str(kept),
        )


def _show(copied: Copied, title: str, as_json: bool) -> None:
    if as_json:
        show_json(copied)
        return
    out = console()
    newest = copied.newest_record
    until = "" if newest is None else f", newest record {minute(newest)} UTC"
    out.print(f"{title}: {size(copied.bytes)}, schema {copied.schema}{until}.", soft_wrap=True)
    if copied.wallets is None:
        out.print("SQLite finds it whole.")
    else:
        wallets = counted(copied.wallets, "wallet", "wallets")
        entries = counted(copied.entries or 0, "entry", "entries")
        out.print(f"Verified: {wallets}, {entries}, all in order.")
    if copied.kept is not None:
        out.print(f"What was there is kept as {copied.kept}", soft_wrap=True)


def _free_name(path: Path) -> Path:
    """What the replaced ledger is called from now on."""
    named = path.with_name(f"{path.name}.before-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}")
    while named.exists():
        named = named.with_name(f"{named.name}-{secrets.token_hex(2)}")
    return named


@contextmanager
def _partial_of(target: Path) -> Iterator[Path]:
    """A name beside ``target`` for what is not whole yet; what still has it at the end is removed."""
    from drawdown.store.sqlite.backup import logs_of

    partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
    try:
        yield partial
    finally:
        for path in (partial, *logs_of(partial)):
            path.unlink(missing_ok=True)


@contextmanager
def _told(what: str) -> Iterator[None]:
    """What the system or SQLite refuses, as a ``Failure`` that begins with ``what``."""
    import apsw

    try:
        yield
    except (OSError, apsw.Error) as error:
        cause = error.strerror if isinstance(error, OSError) else str(error)
        raise Failure(f"{what}: {cause}.") from None


@contextmanager
def progress_of(title: str) -> Iterator[Progress]:
    """A bar on standard error, of pages."""
    with progress_bar("pages") as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
