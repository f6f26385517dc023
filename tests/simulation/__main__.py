"""Simulate for as long as one likes: ``make sim``. Ends at the first fault, with the play that shows it."""

from __future__ import annotations

import contextlib
import itertools
import logging
import random
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from enum import StrEnum
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.live import Live

from tests.simulation import billing
from tests.simulation.billing_plays import BillingPlay
from tests.simulation.coverage import commands_in, counts_table, outcomes_table, paths_table
from tests.simulation.plays import Play, write
from tests.simulation.running import Failed, run_seed, smallest
from tests.support.postgres import VERSIONS
from tests.support.stores import SQLITE

CORE = "core"
DATABASES = (SQLITE, *(f"postgres-{version}" for version in VERSIONS))
#: Of plays about invoices.
BILLING = "billing on "
#: Plays on the core take a tenth of the time of those on SQLite, and these a fifth of those on PostgreSQL.
PLAYS = {CORE: 30, SQLITE: 3, BILLING + CORE: 6, BILLING + SQLITE: 2}
POSTGRES_PLAYS = 1
LOG_SECONDS = 30.0


class Depth(StrEnum):
    CORE = "core"
    ENGINE = "engine"
    BOTH = "both"


class About(StrEnum):
    CREDIT = "credit"
    BILLING = "billing"
    ALL = "all"


class Database(StrEnum):
    SQLITE = "sqlite"
    POSTGRES_16 = "postgres-16"
    POSTGRES_18 = "postgres-18"
    ALL = "all"


class Piece(msgspec.Struct, frozen=True):
    """Some plays that one process runs at a time, on the core or on the engine with a database."""

    place: str
    first: int
    count: int


class Result(msgspec.Struct):
    piece: Piece
    counts: Counter[str]
    fault: str = ""
    play: Play | BillingPlay | None = None


def run_piece(piece: Piece) -> Result:
    """Run plays of consecutive seeds; at a fault, cut the play down and stop."""
    counts: Counter[str] = Counter()
    for seed in range(piece.first, piece.first + piece.count):
        try:
            if piece.place.startswith(BILLING):
                billing.run_seed(seed, piece.place.removeprefix(BILLING), counts)
            elif piece.place == CORE:
                run_seed(seed, "core", counts)
            else:
                run_seed(seed, "engine", counts, piece.place)
        except Failed as failed:
            found = smallest(failed)
            return Result(piece, counts, str(found), found.play)
        except billing.Failed as failure:
            shown = billing.smallest(failure)
            return Result(piece, counts, str(shown), shown.play)
    return Result(piece, counts)


def pieces(places: Sequence[str], first: int) -> Iterator[Piece]:
    """Seeds from ``first`` on, at each place; the same ones for the same ``first``."""
    for number in itertools.count():
        for place in places:
            count = PLAYS.get(place, POSTGRES_PLAYS)
            yield Piece(place, first + number * count, count)


def places_of(depth: Depth, database: Database, about: About) -> list[str]:
    engine = DATABASES if database is Database.ALL else (database.value,)
    places = [
        *((CORE,) if depth is not Depth.ENGINE else ()),
        *(engine if depth is not Depth.CORE else ()),
    ]
    return [
        *(places if about is not About.BILLING else ()),
        *(BILLING + place for place in places if about is not About.CREDIT),
    ]


class Simulation:
    """How far it has come. It ends after so many commands or seconds, or at a fault."""

    def __init__(self, commands: int | None, seconds: float | None) -> None:
        self.counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.seeds: Counter[str] = Counter()
        self.failed: Result | None = None
        self._commands, self._seconds = commands, seconds
        self._started = time.monotonic()

    @property
    def commands(self) -> int:
        return sum(commands_in(counts) for counts in self.counts.values())

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    @property
    def is_over(self) -> bool:
        return (
            self.failed is not None
            or (self._commands is not None and self.commands >= self._commands)
            or (self._seconds is not None and self.seconds >= self._seconds)
        )

    def take(self, result: Result) -> None:
        self.counts[result.piece.place] += result.counts
        self.seeds[result.piece.place] += result.piece.count
        if result.play is not None and self.failed is None:
            self.failed = result

    def line(self) -> str:
        """One line for people who wait."""
        rate = self.commands / max(self.seconds, 0.001)
        parts = ", ".join(
            f"{commands_in(counts):,} on {place} ({self.seeds[place]:,} seeds)"
            for place, counts in self.counts.items()
        )
        return f"{self.commands:,} commands in {self.seconds:,.0f} s, {rate:,.0f} a second: {parts}"


class Progress:
    """One line that is kept up to date; in a log, a new one now and then."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=4, transient=True)
        self._next = time.monotonic() + LOG_SECONDS

    def __enter__(self) -> Progress:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, line: str) -> None:
        if self._console.is_terminal:
            self._live.update(line)
        elif time.monotonic() >= self._next:
            self._next = time.monotonic() + LOG_SECONDS
            self._console.print(line, soft_wrap=True)


def simulate(
    simulation: Simulation, work: Iterator[Piece], processes: int, progress: Progress
) -> None:
    """Keep every process busy until it is over."""
    ignore = (signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who shows the results
    with ProcessPoolExecutor(processes, initializer=signal.signal, initargs=ignore) as pool:
        running: set[Future[Result]] = set()
        try:
            while not simulation.is_over:
                while len(running) <= processes:
                    running.add(pool.submit(run_piece, next(work)))
                done, running = wait(running, timeout=1, return_when=FIRST_COMPLETED)
                for future in done:
                    simulation.take(future.result())
                progress.show(simulation.line())
        finally:
            pool.shutdown(cancel_futures=True)


def report(simulation: Simulation, console: Console) -> None:
    """What was covered, and the play that failed, ready to be kept as a test."""
    total, billed = Counter[str](), Counter[str]()
    for place, counts in simulation.counts.items():
        (billed if place.startswith(BILLING) else total).update(counts)
    if total:
        console.print(outcomes_table(total))
        console.print(paths_table(total))
    if billed:
        console.print(counts_table(billed, "Invoices"))
    failed = simulation.failed
    if failed is None or failed.play is None:
        console.print("No fault.")
        return
    play = failed.play
    if isinstance(play, BillingPlay):
        console.print(
            f"[bold red]Seed {play.seed}, {BILLING}{play.place}:[/bold red] {failed.fault}"
        )
        console.print("The play, cut down; its steps may become a row of tests/tables/billing.txt:")
        console.print(billing.write(play), markup=False, soft_wrap=True)
        return
    console.print(f"[bold red]Seed {play.seed} on {play.place}:[/bold red] {failed.fault}")
    name = f"tests/simulation/regressions/{play.place}-{play.seed}.json"
    console.print(f"The play, cut down to {play.size} requests; keep it as {name}:")
    console.print(write(play), markup=False, soft_wrap=True)


def main(
    seed: Annotated[int | None, typer.Option(help="The first seed; random when not given.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0, help="How long; until stopped.")] = None,
    commands: Annotated[int | None, typer.Option(min=1, help="How many; until stopped.")] = None,
    processes: Annotated[int, typer.Option(min=1, max=64, help="How many at once.")] = 1,
    depth: Annotated[Depth, typer.Option(help="The core alone, the engine, or both.")] = Depth.BOTH,
    database: Annotated[Database, typer.Option(help="The one for the engine.")] = Database.ALL,
    about: Annotated[
        About, typer.Option(help="Plays of credit, of invoices, or both.")
    ] = About.ALL,
) -> None:
    """Random requests, batches, faults and clocks against the naive ledger, until something differs."""
    console = Console(highlight=False)
    first = random.randrange(2**40) if seed is None else seed
    console.print(f"seeds from {first} on; stop with Ctrl-C")
    logging.getLogger("asyncpg").setLevel(logging.CRITICAL)  # broken connections are what it plays
    simulation = Simulation(commands, seconds)
    with Progress(console) as progress, contextlib.suppress(KeyboardInterrupt):
        simulate(simulation, pieces(places_of(depth, database, about), first), processes, progress)
    console.print(simulation.line(), soft_wrap=True)
    report(simulation, console)
    if simulation.failed is not None:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
