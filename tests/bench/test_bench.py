"""The benchmark still runs, and believes nothing that the books do not say. Times are never judged."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from bench import load
from bench.__main__ import default_directory
from bench.books import Books, file_copy
from bench.capacity import RATES, lines, medians
from bench.children import ROOT, BenchError, run_module
from bench.disk import appends
from bench.measures import run_load
from bench.reference import number_of
from bench.report import LINES, TARGETS, Report
from bench.requests import Ask, statuses
from bench.seed import GRANTS, seed
from bench.server import Server
from bench.traffic import AMOUNT, Traffic
from tests.support.places import quick_place

CUSTOMERS, MANY, HISTORY, EVENTS = 20, 40, 300, 200
SIZES = ("--customers", CUSTOMERS, "--many", MANY, "--history", HISTORY, "--connections", 4,
         "--events", EVENTS)  # fmt: skip


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Where other users may look: as root, PostgreSQL runs as one who cannot see pytest's folders."""
    with tempfile.TemporaryDirectory(dir=quick_place() or default_directory()) as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="module")
def report(folder: Path) -> Report:
    """What ``make bench`` prints as JSON for a tiny run."""
    options = ("--seconds", 0.2, "--repeats", 1, "--directory", folder, "--json")
    command = [sys.executable, "-m", "bench", *map(str, (*SIZES, *options))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert list(folder.iterdir()) == [], "the databases are removed"
    return msgspec.json.decode(done.stdout, type=Report)


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    """A copy of a seeded file."""
    seeded = asyncio.run(seed(f"sqlite:///{tmp_path}/seeded.db", CUSTOMERS, MANY, 100))
    with file_copy(seeded, tmp_path / "copy.db") as copied:
        yield copied


def test_every_measure_and_every_target_is_reported(report: Report) -> None:
    """A run with the reference leaves nothing out."""
    assert report.machine.postgres is not None
    assert [line.name for line in report.lines] == [name for name, *_ in LINES]
    assert [target.title for target in report.targets] == [title for title, *_ in TARGETS]
    assert [set(figures) for figures in report.rounds] == [{name for name, *_ in LINES}]


def test_what_was_acknowledged_is_what_the_books_say_was_used(report: Report) -> None:
    """Every database of the run is audited, and none is empty."""
    assert [audit.database for audit in report.audits] == [
        "engine.db",
        "http.db",
        "usage.db",
        "engine",
        "usage",
        "http",
        "memory.db",
        "grown.db",
    ]
    for audit in report.audits:
        assert audit.used == audit.drawn >= audit.acknowledged * AMOUNT > 0
        assert audit.entries >= audit.acknowledged
        assert (audit.events > 0) == (audit.drawn > audit.acknowledged * AMOUNT)
    assert report.audits[-1].acknowledged > HISTORY


def test_events_are_measured_beside_as_many_debits(report: Report) -> None:
    """Of both: the rate, what each took of the processor, and memory at the end and since the beginning."""
    (figures,) = report.rounds
    for name in ("usage", "postgres.usage"):
        for what in ("events", "debits"):
            assert figures[f"{name}.{what}"].value > 10
            assert 5 < figures[f"{name}.{what}_us"].value < 50_000
            memory, more = (figures[f"{name}.{what}{end}"].value for end in ("_mb", "_more_mb"))
            assert 10 < memory < 1_000
            assert more < memory
    found = {audit.database: audit for audit in report.audits}
    assert (found["usage.db"].events, found["usage"].events) == (EVENTS, EVENTS)


def test_what_a_debit_costs_is_counted(report: Report) -> None:
    """The statements of a batch are a fixed number; each debit writes its operation and its entry."""
    (figures,) = report.rounds
    found = {name: figure.value for name, figure in figures.items() if "costs." in name}
    assert 8 < found.pop("postgres.costs.statements") < 30
    assert 5 < found.pop("postgres.costs.pages") < 200
    assert found.pop("costs.written_bytes") > 500
    assert found.pop("postgres.costs.written_bytes") > 500
    assert found.pop("costs.kept_bytes") > 500
    assert found.pop("postgres.costs.kept_bytes") > 500
    assert len(found) == 3
    assert all(5 < microseconds < 50_000 for microseconds in found.values())


def test_the_processors_of_servers_and_database_are_counted_apart(report: Report) -> None:
    """What a debit takes of a machine is the sum of them."""
    (figures,) = report.rounds
    for name in ("http.uniform.server_us", "postgres.http.uniform.server_us"):
        assert 5 < figures[name].value < 50_000
    assert 5 < figures["postgres.http.uniform.database_us"].value < 50_000


def test_the_capacity_is_computed_from_what_a_run_prints(report: Report) -> None:
    """Every figure it needs is among those of a run with PostgreSQL."""
    found = lines(medians(report))
    assert [line.rate for line in found] == list(RATES)
    assert found[-1].rung == "Citus"


def test_memory_is_measured_with_one_debit_of_every_customer(report: Report) -> None:
    """Once over HTTP, once in the engine alone."""
    (memory,) = (audit for audit in report.audits if audit.database == "memory.db")
    assert memory.acknowledged == 2 * CUSTOMERS


def test_seeding_gives_every_customer_its_grants(books: Books) -> None:
    """Five grants each, and very many for one; nothing is used."""
    audit = books.check()
    assert audit.entries == CUSTOMERS * len(GRANTS) + MANY
    assert audit.used == audit.acknowledged == 0


def test_the_load_generator_stops_at_its_count(books: Books, tmp_path: Path) -> None:
    """So many requests are sent, each is acknowledged, and the books hold each of them once."""
    with Server(books.url, tmp_path / "server.log") as server:
        plan = plan_of(server, books.secret, requests_max=17)
        assert run_load(plan, books).acknowledged == 17
        batches = msgspec.structs.replace(plan, ask=Ask.BATCH, size=10, requests_max=3)
        assert run_load(batches, books).acknowledged == 30
    assert books.check().used == (17 + 30) * AMOUNT


def test_an_unexpected_status_ends_the_run_and_is_shown(books: Books, tmp_path: Path) -> None:
    """A customer whose credit runs out gets 402, which no measure expects."""
    with Server(books.url, tmp_path / "server.log") as server:
        plan = plan_of(server, books.secret, requests_max=2 + MANY * 100 // AMOUNT)
        plan = msgspec.structs.replace(plan, traffic=Traffic.MANY)
        with pytest.raises(BenchError, match=r"402.*insufficient"):
            run_load(plan, books)
        wrong = msgspec.structs.replace(plan, secret="sk_test_wrong", requests_max=1)
        with pytest.raises(BenchError, match="401"):
            run_load(wrong, books)
    assert books.check().used == MANY * 100 // AMOUNT * AMOUNT


def test_a_lost_connection_is_counted(tmp_path: Path) -> None:
    """A server that hangs up instead of answering is not taken for a fast one."""

    async def serve() -> load.Outcome:
        async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.close()

        server = await asyncio.start_server(hang_up, load.HOST, 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            plan = load.Plan(
                port=port,
                secret="none",
                ask=Ask.CONSTANT,
                customers=1,
                connections=3,
                warm_up=0.0,
                seconds=5.0,
            )
            return await load.generate(plan)

    outcome = asyncio.run(serve())
    assert (outcome.lost, outcome.acknowledged) == (3, 0)


def test_books_that_say_something_else_are_a_failure(books: Books) -> None:
    """One debit counted too many is found."""
    books.acknowledged = 1
    with pytest.raises(BenchError, match="1 debits of 3 were acknowledged"):
        books.check()


def test_every_debit_of_a_batch_has_its_own_status() -> None:
    """A refused batch counts as one answer."""
    body = b'{"results":[{"status":201,"debit":{}},{"status":402,"error":{}}]}'
    assert statuses(Ask.BATCH, 200, body) == [201, 402]
    assert statuses(Ask.BATCH, 400, b"") == [400]


def test_percentiles_are_by_nearest_rank() -> None:
    """Of nothing it is 0."""
    assert load.percentile([], 0.99) == 0.0
    assert load.percentile([1.0, 2.0, 3.0, 4.0], 0.5) == 3.0
    assert load.percentile([float(number) for number in range(100)], 0.99) == 99.0


def test_appends_leave_nothing_behind(tmp_path: Path) -> None:
    """The file that was appended to is removed."""
    rate, p50_ms, p99_ms = appends(tmp_path, 0.02)
    assert rate > 0
    assert 0 < p50_ms <= p99_ms
    assert list(tmp_path.iterdir()) == []


def test_a_child_that_fails_says_why() -> None:
    """Its standard error is in the message."""
    plan = load.Plan(
        port=1, secret="", ask=Ask.DEBIT, customers=1, connections=1, warm_up=0.0, seconds=0.1
    )
    with pytest.raises(BenchError, match="ConnectionRefusedError"):
        run_module("bench.load", plan, load.Outcome, 60)


def test_a_word_that_pgbench_did_not_say_is_a_failure() -> None:
    """A new wording must not become a rate of 0."""
    with pytest.raises(BenchError, match="did not say"):
        number_of(re.compile(r"^tps = ([\d.]+)"), "transactions per second: 5")


def plan_of(server: Server, secret: str, requests_max: int) -> load.Plan:
    """Single debits over two connections, bounded by their number."""
    return load.Plan(
        port=server.port,
        secret=secret,
        ask=Ask.DEBIT,
        customers=CUSTOMERS,
        connections=2,
        warm_up=0.0,
        seconds=120.0,
        requests_max=requests_max,
    )
