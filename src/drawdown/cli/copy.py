"""`drawdown copy`: a ledger moved from a file into PostgreSQL, while a server writes to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.table import Table

from drawdown.cli.database import existing, refusals, with_ledger
from drawdown.cli.failures import Failure
from drawdown.cli.options import Json
from drawdown.cli.output import (
    console,
    counted,
    progress_bar,
    show_failure,
    show_json,
    show_table,
)
from drawdown.cli.verify import as_document, table, walk

if TYPE_CHECKING:
    from rich.progress import Progress

    from drawdown.engine.ledger import Verified
    from drawdown.store.copier import Comparison, Told

#: How often it is looked whether the server has been stopped, and how long at most.
POLL_SECONDS = 0.1
STOP_SECONDS = 600.0
#: How often it is caught up while the server has not been stopped yet.
FOLLOW_SECONDS = 5.0
#: A pass that copies no more operations than this is the last one while the server works.
FEW_OPERATIONS = 500
PASSES_MAX = 20


class Outcome(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What the command did. ``stopped_seconds``: from when nobody had the source open to the finished copy.

    ``tables``: how many rows there are on both sides, where they were compared.
    """

    copied: int = 0
    seconds: float = 0.0
    passes: int = 0
    finished: bool = False
    stopped_seconds: float | None = None
    tables: dict[str, tuple[int, int]] = {}
    rows_compared: int = 0
    fault: str | None = None
    verified: dict[str, Any] | None = None


def copy(
    source: Annotated[
        str, typer.Option("--from", metavar="URL", help="The ledger: sqlite:////absolute/file.")
    ],
    target: Annotated[
        str, typer.Option("--to", metavar="URL", help="An empty database: postgresql://…")
    ],
    finish: Annotated[
        bool,
        typer.Option(
            "--finish", help="Wait for the server to be stopped, copy the last of it, and compare."
        ),
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; compare every row of both.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Copy a ledger from a file into PostgreSQL, while a server writes to it.

    Without an option it copies until it has caught up; run it again as often as you like: it goes on where
    it was, also after it was killed. Then `--finish`: it says when to stop the server, copies what is left,
    and compares both sides; from then on servers use the new database, and none the file.

    Exits 1, and names the first difference, where the two are not the same.

    Example: `drawdown copy --from sqlite:////var/lib/drawdown/drawdown.db --to postgresql://db/drawdown`
    """
    from drawdown.opening import shown

    if finish and check:
        raise typer.BadParameter(
            "Give --finish, and when it is done --check.", param_hint="--check"
        )
    path = _checked(source, target)
    with _told(shown(target)):
        outcome = asyncio.run(_run(path, target, finish, check))
    verified = _verify(outcome, source, target) if outcome.finished else None
    if verified is not None:
        outcome.verified = as_document(verified)
    if as_json:
        show_json(outcome)
    else:
        _show(outcome, source, target, check)
        if verified is not None:
            show_table(table(verified.totals))
    if outcome.fault is not None:
        raise typer.Exit(1)


def _checked(source: str, target: str) -> Path:
    """The file to copy. Raises ``Failure`` for a pair that cannot be copied."""
    from drawdown.opening import is_postgres, shown

    if is_postgres(source):
        raise Failure(
            f"{shown(source)} is no file: only a ledger in SQLite is copied.",
            "PostgreSQL's own tools move one of PostgreSQL.",
        )
    with refusals(source):
        path = existing(source)
    if not is_postgres(target):
        raise Failure(
            f"{shown(target)} is no database of PostgreSQL.",
            "`drawdown backup` and `drawdown restore` move a ledger to another file.",
        )
    return path


@contextmanager
def _told(target: str) -> Iterator[None]:
    """What either side refuses, as a ``Failure``."""
    import asyncpg

    from drawdown.store.copying import CopyRefused

    try:
        with refusals(target):
            yield
    except CopyRefused as error:
        raise Failure(str(error), error.fix) from None
    except asyncpg.PostgresError as error:
        raise Failure(
            f"{target} refuses a row: {error}.", "What was copied before stays."
        ) from None


# Copying -----------------------------------------------------------------------------------------


async def _run(path: Path, target: str, finish: bool, check: bool) -> Outcome:
    outcome = Outcome()
    if check:
        await _check(path, target, outcome)
        return outcome
    began = time.monotonic()
    with progress_bar("rows") as bar:
        await _catch_up(path, target, bar, outcome)
        outcome.seconds = time.monotonic() - began
        if finish:
            await _finish(path, target, bar, outcome)
    return outcome


async def _catch_up(path: Path, target: str, bar: Progress, outcome: Outcome) -> None:
    """Passes until one has little to do."""
    from drawdown.store.copier import open_copier

    with _chunks(bar, "Copying") as told:
        async with open_copier(path, target, told, begin=True) as copier:
            bar.update(bar.task_ids[-1], total=copier.remaining())
            for _ in range(PASSES_MAX):
                copied = await copier.catch_up()
                outcome.copied, outcome.passes = outcome.copied + copied.rows, outcome.passes + 1
                if copied.operations <= FEW_OPERATIONS:
                    break
            await copier.analyze()


async def _finish(path: Path, target: str, bar: Progress, outcome: Outcome) -> None:
    from drawdown.store.copier import open_copier
    from drawdown.store.sqlite.backup import is_in_use

    await _follow_until_stopped(path, target, bar, outcome)
    began = time.monotonic()
    with _chunks(bar, "The last of it") as told:
        async with open_copier(path, target, told, begin=True) as copier:
            with copier.fenced():
                _note(outcome, await copier.finish())
                if outcome.fault is None:
                    await copier.seal()
    outcome.stopped_seconds = time.monotonic() - began
    outcome.finished = outcome.fault is None
    if is_in_use(path):
        raise Failure(
            f"Something has opened {path} again: what it writes there is in no copy.",
            "Stop it; `--check` says whether both are still the same.",
        )


async def _follow_until_stopped(path: Path, target: str, bar: Progress, outcome: Outcome) -> None:
    """Wait until nobody has the file open, and let no more than a few seconds' worth gather meanwhile."""
    from drawdown.store.sqlite.backup import is_in_use

    if is_in_use(path):
        console(errors=True).print("Caught up. Stop the server now; the rest follows by itself.")
    began = followed = time.monotonic()
    while is_in_use(path):
        if time.monotonic() - began > STOP_SECONDS:
            raise Failure(f"{path} is still in use.", "Stop the server, and run this again.")
        await asyncio.sleep(POLL_SECONDS)
        if time.monotonic() - followed > FOLLOW_SECONDS:
            await _catch_up(path, target, bar, outcome)
            followed = time.monotonic()


@contextmanager
def _chunks(bar: Progress, title: str) -> Iterator[Told]:
    """A line of the bar, which what is copied moves on."""
    task = bar.add_task(title, total=None)
    yield lambda _, rows: bar.update(task, advance=rows)


# Comparing ---------------------------------------------------------------------------------------


async def _check(path: Path, target: str, outcome: Outcome) -> None:
    from drawdown.store.copier import open_copier

    with progress_bar("rows") as bar, _chunks(bar, "Comparing") as told:
        async with open_copier(path, target, told, begin=False) as copier:
            with copier.moment():
                _note(outcome, await copier.compare())


def _note(outcome: Outcome, found: Comparison) -> None:
    outcome.tables, outcome.rows_compared = found.tables, found.rows
    outcome.fault = found.fault


def _verify(outcome: Outcome, source: str, target: str) -> Verified | None:
    """Both sides computed from their entries; the new database may be in use already.

    Returns what the source adds up to; None for a fault.
    """
    from drawdown.core.fold import Fault
    from drawdown.opening import shown

    console(errors=True).print(
        "Copied and compared: servers may be started on the new database. Verifying both."
    )
    verified = None
    for url in (target, source):
        try:
            verified = with_ledger(url, walk)
        except Fault as fault:
            outcome.fault = f"the ledger at {shown(url)} does not add up: {fault}"
            return None
    return verified


# What is shown -----------------------------------------------------------------------------------


def _show(outcome: Outcome, source: str, target: str, check: bool) -> None:
    from drawdown.opening import shown

    out = console()
    if outcome.tables:
        show_table(_beside(outcome.tables))
    if outcome.fault is not None:
        show_failure(Failure(f"The copy is not the same: {outcome.fault}."))
    elif check:
        rows = counted(outcome.rows_compared, "row", "rows")
        out.print(f"The same in both: {rows}, each compared.")
    elif outcome.finished:
        stopped = f"{outcome.stopped_seconds:.1f} s after the source was let go"
        out.print(
            f"Finished {stopped}: every wallet is the same in both, with its chain of hashes, and "
            "both verify. From now on use the new database, and the file no more: put it away.\n"
            f"drawdown serve --database '{shown(target)}'",
            soft_wrap=True,
        )
    else:
        rows = counted(outcome.copied, "row", "rows")
        out.print(
            f"Caught up: {rows} in {outcome.seconds:.1f} s. To move over:\n"
            f"drawdown copy --from '{shown(source)}' --to '{shown(target)}' --finish",
            soft_wrap=True,
        )


def _beside(tables: dict[str, tuple[int, int]]) -> Table:
    shown = Table("Rows of", box=None, header_style="bold")
    for side in ("Source", "Target"):
        shown.add_column(side, justify="right")
    shown.add_column("")
    for name, (here, there) in tables.items():
        shown.add_row(name, f"{here:,}", f"{there:,}", "equal" if here == there else "DIFFERENT")
    return shown
