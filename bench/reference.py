"""The reference: the same debit as one call of a PL/pgSQL function, driven by pgbench.

The SQL in ``sql/`` is what a strong user of PostgreSQL would write by hand: one debit, one call, one
transaction. It starts with the same customers and grants as Drawdown does.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from pathlib import Path

import msgspec

from bench.children import BenchError
from bench.load import percentile
from bench.postgres import Postgres
from bench.seed import GRANTS, MANY_DAYS
from bench.traffic import AMOUNT, CODE, MANY, Traffic

CLIENTS = 16
OWN_DATABASE, SEEDED, MEASURED = "postgres", "seeded", "measured"
SQL = Path(__file__).parent / "sql"

_RATE = re.compile(r"^tps = ([\d.]+)", re.MULTILINE)
_DONE = re.compile(r"^number of transactions actually processed: (\d+)", re.MULTILINE)
_FAILED = re.compile(r"^number of failed transactions: (\d+)", re.MULTILINE)


class Debits(msgspec.Struct, kw_only=True):
    """What pgbench says of one run."""

    count: int
    per_second: float
    p50_ms: float
    p99_ms: float


class ReferenceBooks(msgspec.Struct, kw_only=True):
    """What the reference's own tables say, as ``books.sql`` asks them."""

    debits: int
    events: int
    drawn: int
    faults: int


class Reference:
    """The reference's databases: one to copy, and one copy while it is measured."""

    def __init__(self, postgres: Postgres, customers: int, many: int, many_amount: int) -> None:
        self._postgres, self._customers = postgres, customers
        self._directory = postgres.directory
        # The server's own user reads them, and need not be able to reach the project.
        self._sql = shutil.copytree(SQL, self._directory / "sql")
        given = {
            "customers": customers,
            "code": CODE,
            "grants": msgspec.json.encode(GRANTS).decode(),
            "name": MANY,
            "many": many,
            "many_amount": many_amount,
            "many_days": MANY_DAYS,
        }
        variables = [part for name in given for part in ("-v", f"{name}={given[name]}")]
        with postgres.running():
            postgres.psql(OWN_DATABASE, "-c", f"CREATE DATABASE {SEEDED}")
            postgres.psql(SEEDED, "-f", self._file("schema"), "-f", self._file("debit"))
            postgres.psql(SEEDED, *variables, "-f", self._file("seed"))

    def _file(self, name: str) -> str:
        return str(self._sql / f"{name}.sql")

    @contextmanager
    def database(self) -> Iterator[None]:
        """A fresh copy to ``measure`` within. Its books are checked at the end."""
        with self._postgres.running():
            self._counted = 0
            self._postgres.psql(
                OWN_DATABASE,
                "-c",
                f"CREATE DATABASE {MEASURED} TEMPLATE {SEEDED}",
                "-c",
                "CHECKPOINT",
            )
            yield
            self._check()
            self._postgres.psql(OWN_DATABASE, "-c", f"DROP DATABASE {MEASURED}")

    def measure(self, traffic: Traffic, warm_up: float, seconds: float) -> Debits:
        """Debits for ``seconds`` after a ``warm_up``; pgbench knows only whole seconds."""
        if round(warm_up):
            self._run(traffic, round(warm_up))
        return self._run(traffic, ceil(seconds))

    def _run(self, traffic: Traffic, seconds: int) -> Debits:
        logged = ("-l", "--log-prefix", str(self._directory / "log"))
        bounds = ("-T", str(seconds), "-c", str(CLIENTS), "-j", "2")
        script = ("-D", f"customers={self._customers}", "-f", self._file(traffic.value))
        call = ("-n", "-M", "prepared", *bounds, *logged, *script, MEASURED)
        said = self._postgres.call("pgbench", *call)
        if number_of(_FAILED, said):
            raise BenchError(f"The reference refused debits: {said}")
        count = int(number_of(_DONE, said))
        self._counted += count
        latencies = sorted(_latencies_ms(self._directory))
        return Debits(
            count=count,
            per_second=number_of(_RATE, said),
            p50_ms=percentile(latencies, 0.50),
            p99_ms=percentile(latencies, 0.99),
        )

    def _check(self) -> None:
        said = self._postgres.psql(MEASURED, "-f", self._file("books"))
        books = msgspec.json.decode(said, type=ReferenceBooks)
        counted = self._counted
        wanted = ReferenceBooks(debits=counted, events=counted, drawn=counted * AMOUNT, faults=0)
        if books != wanted:
            raise BenchError(f"The reference's books say {books}, pgbench {wanted}.")


def number_of(pattern: re.Pattern[str], said: str) -> float:
    found = pattern.search(said)
    if found is None:
        raise BenchError(f"pgbench did not say what was expected: {said[-2000:]}")
    return float(found[1])


def _latencies_ms(directory: Path) -> Iterator[float]:
    """The third field of every line that pgbench logged is the latency in microseconds."""
    for path in directory.glob("log.*"):
        for line in path.read_text().splitlines():
            yield int(line.split()[2]) / 1000
        path.unlink()
