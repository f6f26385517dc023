"""One round: everything measured once, in a fixed order, each figure under its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from bench import disk, engine, load, usage
from bench.books import Audit, Books, database_copy, file_copy, sync
from bench.children import BenchError, run_module
from bench.postgres import Postgres
from bench.reference import Reference
from bench.requests import Ask
from bench.seed import Seeded
from bench.server import Server
from bench.traffic import Traffic

#: Debits in one batch of the engine alone, and in one request to the batch endpoint.
ENGINE_BATCH, HTTP_BATCH = 128, 1_000
BATCH_CONNECTIONS = 4
#: Processes that serve PostgreSQL.
WORKERS = 2
DEBITS_MAX = 50_000_000
#: What a process of ours may take beside the time it measures.
PATIENCE_SECONDS = 120

DEBITED = (Traffic.UNIFORM, Traffic.HOT, Traffic.MANY)


class Figure(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one measure gave: a rate, and latencies where requests were timed; or just an amount."""

    value: float
    p50_ms: float | None = None
    p99_ms: float | None = None


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """How large a run is. ``many``: the grants of the one customer with very many."""

    customers: int
    many: int
    history: int
    events: int
    connections: int
    seconds: float
    warm_up: float


class Second(msgspec.Struct, frozen=True):
    """The same books in PostgreSQL, to be copied while it runs."""

    postgres: Postgres
    seeded: Seeded


class Round:
    """Measures once and keeps the ``figures`` and the ``audits`` of every database it wrote to."""

    def __init__(
        self, size: Size, folder: Path, seeded: Seeded, say: Callable[[str], None]
    ) -> None:
        self.size, self.folder, self.seeded, self.say = size, folder, seeded, say
        self.figures: dict[str, Figure] = {}
        self.audits: list[Audit] = []

    def measure(self, reference: Reference | None, grown: Books, second: Second | None) -> None:
        """``grown`` is the database with the earlier debits; without ``reference`` there are no ratios."""
        self._disk()
        if reference is not None:
            self._reference(reference)
        # What is compared is measured one right after the other: the speed of a machine drifts.
        self._engine("grown.engine", grown, Traffic.UNIFORM)
        with self._fresh("engine") as books:
            for traffic in DEBITED:
                self._engine(f"engine.{traffic}", books, traffic)
            self._costs("costs", books)
        with Server(grown.url, self.folder / "server.log") as server:
            self._load("grown.http", server, grown, Ask.DEBIT)
        with self._fresh("http") as books:
            self._http("http", books)
        with self._fresh("usage") as books:
            self._usage("usage", books)
        if second is not None:
            self._second(second)
        with self._fresh("memory") as books:
            self._memory(books)

    @contextmanager
    def _fresh(self, name: str) -> Iterator[Books]:
        """A copy of the seeded database, whose books are checked at the end."""
        with file_copy(self.seeded, self.folder / f"{name}.db") as books:
            yield books
            self._check(books)

    def _check(self, books: Books) -> None:
        self.say(f"{books.name}: checking the books")
        self.audits.append(books.check())

    def _second(self, second: Second) -> None:
        """The same on PostgreSQL; over HTTP with as many workers as there are cores in the targets."""
        with second.postgres.running():
            with database_copy(second.postgres, second.seeded, "engine") as books:
                for traffic in DEBITED:
                    self._engine(f"postgres.engine.{traffic}", books, traffic)
                self._costs("postgres.costs", books)
                self._check(books)
            with database_copy(second.postgres, second.seeded, "usage") as books:
                self._usage("postgres.usage", books)
                self._check(books)
            with database_copy(second.postgres, second.seeded, "http") as books:
                options = ("--workers", str(WORKERS))
                self._http("postgres.http", books, *options, postgres=second.postgres)
                self._check(books)

    def _disk(self) -> None:
        self.say("disk: appends of 4 KiB")
        self.figures["disk"] = Figure(*disk.appends(self.folder, min(self.size.seconds, 2.0)))

    def _reference(self, reference: Reference) -> None:
        with reference.database():
            for traffic in DEBITED:
                self.say(f"reference: {traffic}")
                found = reference.measure(traffic, self.size.warm_up, self.size.seconds)
                figure = Figure(found.per_second, found.p50_ms, found.p99_ms)
                self.figures[f"reference.{traffic}"] = figure

    def _engine(self, name: str, books: Books, traffic: Traffic) -> None:
        self.say(name.replace(".", ": "))
        self.figures[name] = Figure(run_engine(self._plan(books, traffic), books).per_second)

    def _costs(self, name: str, books: Books) -> None:
        """What of the engine's uniform debits is counted, as far as the system tells it."""
        self.say(name.replace(".", ": "))
        plan = self._plan(books, Traffic.UNIFORM)
        plan.costs = True
        found = msgspec.to_builtins(run_engine(plan, books).costs)
        self.figures |= {f"{name}.{what}": Figure(value) for what, value in found.items()}

    def _usage(self, name: str, books: Books) -> None:
        """So many events through meters, right after as many plain debits of the same customers."""
        for what, plain in (("debits", True), ("events", False)):
            self.say(f"{name}: {what}".replace(".", ": "))
            plan = usage.Plan(
                database=books.url,
                book=books.book,
                customers=self.size.customers,
                size=ENGINE_BATCH,
                events=self.size.events,
                plain=plain,
            )
            found = run_usage(plan, books)
            self.figures |= {
                f"{name}.{what}": Figure(found.acknowledged / found.seconds),
                f"{name}.{what}_us": Figure(found.process_us),
                f"{name}.{what}_mb": Figure(found.resident_kb / 1024),
                f"{name}.{what}_more_mb": Figure((found.resident_kb - found.early_kb) / 1024),
            }

    def _plan(self, books: Books, traffic: Traffic) -> engine.Plan:
        return engine.Plan(
            database=books.url,
            book=books.book,
            traffic=traffic,
            customers=self.size.customers,
            size=ENGINE_BATCH,
            warm_up=self.size.warm_up,
            seconds=self.size.seconds,
            debits_max=DEBITS_MAX,
        )

    def _http(
        self, name: str, books: Books, *options: str, postgres: Postgres | None = None
    ) -> None:
        with Server(books.url, self.folder / "server.log", *options) as server:
            with self._processors(f"{name}.uniform", books, server, postgres):
                self._load(f"{name}.uniform", server, books, Ask.DEBIT)
            for traffic in DEBITED[1:]:
                self._load(f"{name}.{traffic}", server, books, Ask.DEBIT, traffic)
            self._load(f"{name}.batch", server, books, Ask.BATCH)
            self._load(f"{name}.balance", server, books, Ask.BALANCE)
            self._load(f"{name}.constant", server, books, Ask.CONSTANT)

    @contextmanager
    def _processors(
        self, name: str, books: Books, server: Server, postgres: Postgres | None
    ) -> Iterator[None]:
        """What each debit takes of the processors: the server's, and the database's where it is apart."""
        measured: list[tuple[str, Server | Postgres]] = [("server", server)]
        if postgres is not None:
            measured.append(("database", postgres))
        before = [each.processor_seconds for _, each in measured]
        acknowledged = books.acknowledged
        yield
        for (what, each), first in zip(measured, before, strict=True):
            last = each.processor_seconds
            if first is not None and last is not None:
                spent = (last - first) / (books.acknowledged - acknowledged)
                self.figures[f"{name}.{what}_us"] = Figure(1e6 * spent)

    def _load(
        self,
        name: str,
        server: Server,
        books: Books,
        ask: Ask,
        traffic: Traffic = Traffic.UNIFORM,
    ) -> None:
        self.say(name.replace(".", ": "))
        is_batch = ask is Ask.BATCH
        plan = load.Plan(
            port=server.port,
            secret=books.secret,
            ask=ask,
            traffic=traffic,
            customers=self.size.customers,
            connections=BATCH_CONNECTIONS if is_batch else self.size.connections,
            warm_up=self.size.warm_up,
            seconds=self.size.seconds,
            size=HTTP_BATCH if is_batch else 1,
        )
        found = run_load(plan, books)
        self.figures[name] = Figure(found.per_second, found.p50_ms, found.p99_ms)

    def _memory(self, books: Books) -> None:
        """Idle, and what a debit of every customer adds: to the process, and in Python's objects."""
        self.say("memory")
        with Server(books.url, self.folder / "server.log") as server:
            idle = server.resident_kilobytes
            run_load(self._each(server, books), books)
            cached = server.resident_kilobytes
        customers = self.size.customers
        self.figures["memory.idle_mb"] = Figure(idle / 1024)
        self.figures["memory.resident_kb"] = Figure((cached - idle) / customers)
        plan = engine.Plan(
            database=books.url,
            book=books.book,
            traffic=Traffic.EACH,
            customers=customers,
            size=ENGINE_BATCH,
            seconds=PATIENCE_SECONDS,
            debits_max=customers,
            memory=True,
        )
        traced = run_engine(plan, books).traced_bytes
        self.figures["memory.wallet_kb"] = Figure(traced / 1024 / customers)

    def _each(self, server: Server, books: Books) -> load.Plan:
        """One debit of every customer."""
        return load.Plan(
            port=server.port,
            secret=books.secret,
            ask=Ask.DEBIT,
            traffic=Traffic.EACH,
            customers=self.size.customers,
            connections=self.size.connections,
            warm_up=0.0,
            seconds=PATIENCE_SECONDS,
            requests_max=self.size.customers,
        )


def run_load(plan: load.Plan, books: Books) -> load.Outcome:
    """Run the load generator. What it did not expect ends the benchmark."""
    seconds = plan.warm_up + plan.seconds + PATIENCE_SECONDS
    found = run_module("bench.load", plan, load.Outcome, seconds)
    if plan.ask in {Ask.DEBIT, Ask.BATCH}:
        books.acknowledged += found.acknowledged
    if found.unexpected or found.lost:
        raise BenchError(
            f"{plan.ask} {plan.traffic}: unexpected statuses {found.unexpected}, "
            f"{found.lost} connections lost. One answer: {found.sample}"
        )
    return found


def run_engine(plan: engine.Plan, books: Books) -> engine.Outcome:
    """Run the engine alone. A refusal ends the benchmark."""
    seconds = plan.warm_up + plan.seconds + PATIENCE_SECONDS
    found = run_module("bench.engine", plan, engine.Outcome, seconds)
    books.acknowledged += found.acknowledged
    if found.refused:
        raise BenchError(f"engine {plan.traffic}: {found.refused} debits were refused")
    return found


def run_usage(plan: usage.Plan, books: Books) -> usage.Outcome:
    """Run events, or the debits beside them. A refusal ends the benchmark."""
    found = run_module("bench.usage", plan, usage.Outcome, PATIENCE_SECONDS + plan.events / 500)
    if found.refused:
        raise BenchError(f"usage: {found.refused} of {plan.events} were refused")
    if plan.plain:
        books.acknowledged += found.acknowledged
    else:
        books.events += found.acknowledged
        books.used_by_events += found.used
    return found


def grow(books: Books, path: Path, customers: int, history: int) -> None:
    """Give the books, whose file is at ``path``, so many earlier debits."""
    plan = engine.Plan(
        database=books.url,
        book=books.book,
        traffic=Traffic.UNIFORM,
        customers=customers,
        size=1_000,
        seconds=PATIENCE_SECONDS + history / 1_000,
        debits_max=history,
    )
    found = run_engine(plan, books)
    if found.acknowledged < history:
        raise BenchError(f"only {found.acknowledged} of {history} earlier debits could be made")
    sync(path)
