"""The command: seed, measure in rounds, check the books, print the table or JSON."""

from __future__ import annotations

import asyncio
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from math import ceil
from pathlib import Path
from typing import Annotated

import apsw
import msgspec
import typer
from rich.console import Console

from bench.books import SQLITE, file_copy
from bench.children import BenchError
from bench.measures import Round, Second, Size, grow
from bench.postgres import OWNER, Postgres, PostgresMissing
from bench.reference import Reference
from bench.report import Machine, Report, report, show
from bench.seed import seed
from bench.traffic import AMOUNT

Say = Callable[[str], None]

#: The width of what goes into a file or a pipe, where there is no terminal to ask.
PIPE_WIDTH = 120
#: So many debits a second would not use up the grants of the customer with very many.
RATE_MAX = 40_000
#: The database of Drawdown's that the measures on PostgreSQL copy.
SEEDED = "drawdown_seeded"
#: Where files survive a restart, so that making them durable means what it says.
PERSISTENT = "/var/tmp"  # noqa: S108 - a folder of its own is made in it


def main(
    seconds: Annotated[
        float, typer.Option(min=0.1, max=60, help="How long each measure takes.")
    ] = 5.0,
    repeats: Annotated[int, typer.Option(min=1, max=20, help="Rounds; the medians are shown.")] = 3,
    customers: Annotated[
        int, typer.Option(min=2, max=1_000_000, help="Customers with five grants each.")
    ] = 10_000,
    many: Annotated[
        int, typer.Option(min=1, max=10_000, help="Grants of the one customer with very many.")
    ] = 1_000,
    history: Annotated[
        int,
        typer.Option(min=1, max=100_000_000, help="Earlier debits that growth is measured at."),
    ] = 100_000,
    events: Annotated[
        int,
        typer.Option(min=1, max=100_000_000, help="Usage events, and plain debits beside them."),
    ] = 50_000,
    connections: Annotated[
        int, typer.Option(min=1, max=1_000, help="Keep-alive connections of single requests.")
    ] = 64,
    directory: Annotated[
        Path | None,
        typer.Option(
            exists=True, file_okay=False, help="Where the databases lie meanwhile; a real disk."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Measure Drawdown beside a ledger written by hand in PL/pgSQL. Loopback only."""
    size = Size(
        customers=customers,
        many=many,
        history=history,
        events=events,
        connections=connections,
        seconds=seconds,
        warm_up=seconds / 5,
    )
    progress = Console(stderr=True, highlight=False)
    try:
        found = measure(size, repeats, directory or default_directory(), progress)
    except BenchError as error:
        progress.print(f"The benchmark failed: {error}", markup=False)
        raise SystemExit(1) from None
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n")
    else:
        show(found, Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False))


def default_directory() -> Path:
    return Path(PERSISTENT if os.path.isdir(PERSISTENT) else tempfile.gettempdir())


def measure(size: Size, repeats: int, directory: Path, progress: Console) -> Report:
    """All rounds in a folder that is removed at the end. Raises ``BenchError``."""
    with (
        tempfile.TemporaryDirectory(prefix="drawdown-bench-", dir=directory) as folder,
        progress.status("seeding") as status,
    ):
        place = Path(folder)
        place.chmod(0o711)  # PostgreSQL's user must be able to reach its own folder in it

        def say(what: str) -> None:
            if progress.is_terminal:
                status.update(what)
            else:
                progress.print(what)

        return _rounds(size, repeats, place, say)


def _rounds(size: Size, repeats: int, place: Path, say: Say) -> Report:
    # Debits of one measure on the customer with very many grants must not use them up.
    enough = ceil(RATE_MAX * (size.seconds + size.warm_up) * AMOUNT / size.many)
    say("seeding")
    seeded = asyncio.run(seed(f"{SQLITE}{place}/seeded.db", size.customers, size.many, enough))
    with ExitStack() as stack:
        postgres = _postgres(place, stack, say)
        reference, second = None, None
        if postgres is not None:
            reference = Reference(postgres, size.customers, size.many, enough)
            second = _second(postgres, size, enough)
        say(f"making {size.history:,} earlier debits")
        grown = stack.enter_context(file_copy(seeded, place / "grown.db"))
        grow(grown, place / "grown.db", size.customers, size.history)
        done: list[Round] = []
        for number in range(1, repeats + 1):
            done.append(Round(size, place, seeded, _numbered(say, number, repeats)))
            done[-1].measure(reference, grown, second)
        say("checking the books with the earlier debits")
        audits = [audit for one in done for audit in one.audits] + [grown.check()]
    version = None if postgres is None else postgres.version
    return report(_machine(version), [one.figures for one in done], audits)


def _second(postgres: Postgres, size: Size, many_amount: int) -> Second:
    """Drawdown's own database in the cluster of the reference, seeded as SQLite's file is."""
    with postgres.running():
        postgres.psql(OWNER, "-c", f"CREATE DATABASE {SEEDED}")
        url = postgres.url(SEEDED)
        return Second(postgres, asyncio.run(seed(url, size.customers, size.many, many_amount)))


def _postgres(place: Path, stack: ExitStack, say: Say) -> Postgres | None:
    try:
        postgres = Postgres(place / "postgres")
    except PostgresMissing as missing:
        say(f"without the reference: {missing}")
        return None
    stack.callback(postgres.close)
    return postgres


def _numbered(say: Say, number: int, repeats: int) -> Say:
    return lambda what: say(f"round {number} of {repeats}: {what}")


def _machine(postgres: str | None) -> Machine:
    return Machine(
        cores=os.cpu_count() or 1,
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        sqlite=apsw.sqlite_lib_version(),
        postgres=postgres,
    )


if __name__ == "__main__":
    typer.run(main)
