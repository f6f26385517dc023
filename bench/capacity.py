"""What a rate of debits takes, computed from what ``make bench`` measured: the table of ``docs/scale.md``.

    python -m bench.capacity figures.json

Single debits over HTTP, gathered into batches as they come: the dearest way to debit. Everything is
proportional to the rate, since customers are independent of each other; what is not measured here is said
in the constants below.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from math import ceil
from pathlib import Path

import msgspec

from bench.report import Report, read

#: Of a core only so much is planned for: bursts, reads, and the loss of a machine want the rest.
BUSY = 0.5
#: The largest primary that is planned for.
PRIMARY_CORES = 32
#: What a debit costs a database with Citus, in batches, beside the same without: 100–140 µs where plain
#: PostgreSQL took 43–51, on a prototype with Citus 13 (not measured again since).
CITUS_FACTOR = 2.6
#: Every primary has one standby that confirms what it commits.
COPIES = 2
RATES = (100, 1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
#: A working month in seconds, for what is kept.
MONTH_SECONDS = 30 * 86_400
HEADINGS = (
    "debits/s",
    "rung",
    "server cores",
    "database cores",
    "database machines",
    "log MB/s",
    "kept, TB a month",
)


class Costs(msgspec.Struct, frozen=True):
    """Of one debit: microseconds of a core in the server and the database, bytes logged and kept."""

    server_us: float
    database_us: float
    log_bytes: float
    kept_bytes: float


class Line(msgspec.Struct, frozen=True):
    """One rate. ``database_cores`` and ``machines`` are those of primaries and their standbys."""

    rate: int
    rung: str
    server_cores: int
    database_cores: int
    machines: int
    log_megabytes: float
    kept_terabytes: float

    def cells(self) -> tuple[str, ...]:
        cores = f"{self.database_cores:,}" if self.database_cores else "–"
        return (
            f"{self.rate:,}",
            self.rung,
            f"{self.server_cores:,}",
            cores,
            f"{self.machines:,}" if self.machines else "–",
            _short(self.log_megabytes),
            _short(self.kept_terabytes),
        )


def lines(values: Mapping[str, float]) -> list[Line]:
    """A line for each rate, on the lowest rung that carries it. ``values``: medians by their names."""
    alone = _costs(values, "", database=0.0)
    apart = _costs(values, "postgres.", database=values["postgres.http.uniform.database_us"])
    most = values["http.uniform"] * BUSY
    return [_on_file(rate, alone) if rate <= most else _on_servers(rate, apart) for rate in RATES]


def _costs(values: Mapping[str, float], store: str, database: float) -> Costs:
    return Costs(
        server_us=values[f"{store}http.uniform.server_us"],
        database_us=database,
        log_bytes=values[f"{store}costs.written_bytes"],
        kept_bytes=values[f"{store}costs.kept_bytes"],
    )


def _on_file(rate: int, costs: Costs) -> Line:
    return Line(rate, "SQLite", _cores(rate, costs.server_us), 0, 0, *_bytes(rate, costs))


def _on_servers(rate: int, costs: Costs) -> Line:
    """One primary while it is large enough, else as many as it takes, each with its standby."""
    rung, primaries, cores = "PostgreSQL", 1, _cores(rate, costs.database_us)
    if cores > PRIMARY_CORES:
        rung, cores = "Citus", _cores(rate, costs.database_us * CITUS_FACTOR)
        primaries = ceil(cores / PRIMARY_CORES)
    return Line(
        rate,
        rung,
        _cores(rate, costs.server_us),
        cores * COPIES,
        primaries * COPIES,
        *_bytes(rate, costs),
    )


def _cores(rate: int, microseconds: float) -> int:
    return ceil(rate * microseconds / 1e6 / BUSY)


def _bytes(rate: int, costs: Costs) -> tuple[float, float]:
    return rate * costs.log_bytes / 1e6, rate * costs.kept_bytes * MONTH_SECONDS / 1e12


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def table(found: list[Line]) -> str:
    """In Markdown."""
    aligned = ("--:", "---", "--:", "--:", "--:", "--:", "--:")
    rows = [HEADINGS, aligned, *(line.cells() for line in found)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def medians(document: Report) -> dict[str, float]:
    """The measures of a run by their names."""
    return {line.name: line.value for line in document.lines}


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: python -m bench.capacity figures.json   (make bench ARGS=--json)")
    sys.stdout.write(table(lines(medians(read(Path(sys.argv[1]))))) + "\n")


if __name__ == "__main__":
    main()
