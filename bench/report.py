"""The figures of all rounds as a table beside the reference, the targets, and as JSON."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import median

import msgspec
from rich.console import Console
from rich.table import Table

from bench.books import Audit
from bench.measures import Figure

Rounds = list[dict[str, Figure]]


class Machine(msgspec.Struct, kw_only=True):
    """What it ran on, as far as it matters to the figures."""

    cores: int
    system: str
    python: str
    sqlite: str
    postgres: str | None


class Line(msgspec.Struct, kw_only=True):
    """One measure over all rounds: medians, the extremes of ``value``, and ratios within each round."""

    name: str
    title: str
    unit: str
    value: float
    lowest: float
    highest: float
    p50_ms: float | None
    p99_ms: float | None
    to_reference: float | None


class Target(msgspec.Struct, kw_only=True):
    """``reached``: "aim", "least" or "missed"; lower is better where ``is_ceiling``."""

    title: str
    unit: str
    value: float
    least: float
    aim: float | None
    is_ceiling: bool
    reached: str


class Report(msgspec.Struct, kw_only=True):
    """All of a run. ``rounds`` holds every figure that the lines are medians of."""

    machine: Machine
    rounds: Rounds
    lines: list[Line]
    targets: list[Target]
    audits: list[Audit]


DEBITS, EVENTS, READS = "debits/s", "events/s", "reads/s"
#: Of processor time.
MICROSECONDS = "µs"

#: name, title, unit, and the measure of the reference to compare with.
LINES: tuple[tuple[str, str, str, str | None], ...] = (
    ("reference.uniform", "PL/pgSQL debit(), 16 clients", DEBITS, None),
    ("reference.hot", "  one customer takes a fifth", DEBITS, None),
    ("reference.many", "  one customer with very many grants", DEBITS, None),
    ("engine.uniform", "Engine alone, batches of 128", DEBITS, "reference.uniform"),
    ("engine.hot", "  one customer takes a fifth", DEBITS, "reference.hot"),
    ("engine.many", "  one customer with very many grants", DEBITS, "reference.many"),
    ("grown.engine", "  after earlier debits", DEBITS, "reference.uniform"),
    ("http.uniform", "HTTP, single debits", DEBITS, "reference.uniform"),
    ("http.hot", "  one customer takes a fifth", DEBITS, "reference.hot"),
    ("http.many", "  one customer with very many grants", DEBITS, "reference.many"),
    ("grown.http", "  after earlier debits", DEBITS, "reference.uniform"),
    ("http.batch", "HTTP, batches of 1,000", DEBITS, "reference.uniform"),
    ("http.balance", "HTTP, GET balance", READS, None),
    ("http.constant", "HTTP, GET /health/live", READS, None),
    ("postgres.engine.uniform", "On PostgreSQL: engine alone", DEBITS, "reference.uniform"),
    ("postgres.engine.hot", "  one customer takes a fifth", DEBITS, "reference.hot"),
    ("postgres.engine.many", "  one customer with very many grants", DEBITS, "reference.many"),
    ("postgres.http.uniform", "On PostgreSQL: HTTP, 2 workers", DEBITS, "reference.uniform"),
    ("postgres.http.hot", "  one customer takes a fifth", DEBITS, "reference.hot"),
    ("postgres.http.many", "  one customer with very many grants", DEBITS, "reference.many"),
    ("postgres.http.batch", "  batches of 1,000", DEBITS, "reference.uniform"),
    ("postgres.http.balance", "  GET balance", READS, None),
    ("postgres.http.constant", "  GET /health/live", READS, None),
    ("costs.process_us", "Each debit of the engine alone: process", MICROSECONDS, None),
    ("costs.written_bytes", "  written to the log and the database", "bytes", None),
    ("costs.kept_bytes", "  kept", "bytes", None),
    ("postgres.costs.process_us", "  on PostgreSQL: process", MICROSECONDS, None),
    ("postgres.costs.database_us", "  … the database's session", MICROSECONDS, None),
    ("postgres.costs.statements", "  … statements, each sent and answered", "per batch", None),
    ("postgres.costs.pages", "  … pages touched", "pages", None),
    ("postgres.costs.written_bytes", "  … written to the log", "bytes", None),
    ("postgres.costs.kept_bytes", "  … kept", "bytes", None),
    ("usage.events", "Usage events through two meters, batches of 128", EVENTS, None),
    ("usage.debits", "  plain debits of the same customers", DEBITS, None),
    ("usage.events_us", "  each event: process", MICROSECONDS, None),
    ("usage.debits_us", "  each debit: process", MICROSECONDS, None),
    ("usage.events_mb", "  memory after the events", "MB", None),
    ("usage.events_more_mb", "  … more than after a tenth of them", "MB", None),
    ("usage.debits_mb", "  memory after the debits", "MB", None),
    ("usage.debits_more_mb", "  … more than after a tenth of them", "MB", None),
    ("postgres.usage.events", "On PostgreSQL: usage events through two meters", EVENTS, None),
    ("postgres.usage.debits", "  plain debits of the same customers", DEBITS, None),
    ("postgres.usage.events_us", "  each event: process", MICROSECONDS, None),
    ("postgres.usage.debits_us", "  each debit: process", MICROSECONDS, None),
    ("postgres.usage.events_mb", "  memory after the events", "MB", None),
    ("postgres.usage.events_more_mb", "  … more than after a tenth of them", "MB", None),
    ("postgres.usage.debits_mb", "  memory after the debits", "MB", None),
    ("postgres.usage.debits_more_mb", "  … more than after a tenth of them", "MB", None),
    ("http.uniform.server_us", "Each single debit over HTTP: server", MICROSECONDS, None),
    ("postgres.http.uniform.server_us", "  on PostgreSQL: servers", MICROSECONDS, None),
    ("postgres.http.uniform.database_us", "  … database", MICROSECONDS, None),
    ("memory.idle_mb", "Memory of an idle server", "MB", None),
    ("memory.wallet_kb", "  more per cached wallet: Python's objects", "kB", None),
    ("memory.resident_kb", "  more per cached wallet: the process", "kB", None),
    ("disk", "Disk: appends of 4 KiB, each made durable", "appends/s", None),
)

#: title, unit, measure, what it is divided by, at least, aim; a ceiling where lower is better.
TARGETS: tuple[tuple[str, str, str, str | None, float, float | None, bool], ...] = (
    (
        "single debits over HTTP ÷ debit()",
        "×",
        "http.uniform",
        "reference.uniform",
        1.2,
        2.0,
        False,
    ),
    ("  their p99", "ms", "http.uniform", None, 25.0, 12.0, True),
    ("batches over HTTP ÷ debit()", "×", "http.batch", "reference.uniform", 4.0, 6.0, False),
    (
        "PostgreSQL, single debits over HTTP ÷ debit()",
        "×",
        "postgres.http.uniform",
        "reference.uniform",
        0.8,
        1.5,
        False,
    ),
    (
        "PostgreSQL, batches over HTTP ÷ debit()",
        "×",
        "postgres.http.batch",
        "reference.uniform",
        1.5,
        3.0,
        False,
    ),
    ("hot customer ÷ uniform", "×", "http.hot", "http.uniform", 1.0, 1.5, False),
    ("customer with very many grants ÷ uniform", "×", "http.many", "http.uniform", 1.0, 2.0, False),
    ("GET balance ÷ constant answer", "×", "http.balance", "http.constant", 0.8, None, False),
    ("after earlier debits ÷ empty, HTTP", "×", "grown.http", "http.uniform", 0.75, 0.9, False),
    (
        "after earlier debits ÷ empty, engine",
        "×",
        "grown.engine",
        "engine.uniform",
        0.75,
        0.9,
        False,
    ),
    ("memory of an idle server", "MB", "memory.idle_mb", None, 60.0, None, True),
    ("memory per cached wallet", "kB", "memory.wallet_kb", None, 1.5, None, True),
)


def report(machine: Machine, rounds: Rounds, audits: list[Audit]) -> Report:
    return Report(
        machine=machine,
        rounds=rounds,
        lines=[_line(rounds, *each) for each in LINES if each[0] in rounds[0]],
        targets=[
            _target(rounds, *each)
            for each in TARGETS
            if each[2] in rounds[0] and (each[3] is None or each[3] in rounds[0])
        ],
        audits=audits,
    )


def _line(rounds: Rounds, name: str, title: str, unit: str, reference: str | None) -> Line:
    values = [figures[name].value for figures in rounds]
    compared = reference is not None and reference in rounds[0]
    return Line(
        name=name,
        title=title,
        unit=unit,
        value=median(values),
        lowest=min(values),
        highest=max(values),
        p50_ms=_median(rounds, name, lambda figure: figure.p50_ms),
        p99_ms=_median(rounds, name, lambda figure: figure.p99_ms),
        to_reference=_ratio(rounds, name, reference) if compared and reference else None,
    )


def _median(rounds: Rounds, name: str, part: Callable[[Figure], float | None]) -> float | None:
    found = [part(figures[name]) for figures in rounds]
    known = [each for each in found if each is not None]
    return median(known) if known else None


def _ratio(rounds: Rounds, name: str, other: str) -> float:
    """The median of the ratios within each round, since the rounds themselves drift."""
    return median(figures[name].value / (figures[other].value or 1.0) for figures in rounds)


def _target(
    rounds: Rounds,
    title: str,
    unit: str,
    name: str,
    other: str | None,
    least: float,
    aim: float | None,
    is_ceiling: bool,
) -> Target:
    if other is not None:
        value = _ratio(rounds, name, other)
    elif unit == "ms":
        value = _median(rounds, name, lambda figure: figure.p99_ms) or 0.0
    else:
        value = median(figures[name].value for figures in rounds)
    return Target(
        title=title,
        unit=unit,
        value=value,
        least=least,
        aim=aim,
        is_ceiling=is_ceiling,
        reached=_reached(value, least, aim, is_ceiling),
    )


def _reached(value: float, least: float, aim: float | None, is_ceiling: bool) -> str:
    sign = -1 if is_ceiling else 1
    if aim is not None and value * sign >= aim * sign:
        return "aim"
    return "least" if value * sign >= least * sign else "missed"


def show(document: Report, console: Console) -> None:
    machine = document.machine
    postgres = "no PostgreSQL" if machine.postgres is None else f"PostgreSQL {machine.postgres}"
    console.print(
        f"{machine.cores} cores, {machine.system}, Python {machine.python}, "
        f"SQLite {machine.sqlite}, {postgres}; medians of {len(document.rounds)}"
    )
    console.print(_figures(document.lines))
    console.print(_targets(document.targets))
    debits = sum(audit.acknowledged for audit in document.audits)
    events = sum(audit.events for audit in document.audits)
    console.print(
        f"{debits:,} debits and {events:,} usage events were acknowledged; each is in the books of one of "
        f"{len(document.audits)} databases, and drawdown verify found nothing amiss."
    )


def _figures(lines: list[Line]) -> Table:
    table = Table("Measure", box=None, header_style="bold", pad_edge=False)
    for heading in ("median", "lowest–highest", "", "p50 ms", "p99 ms", "÷ debit()"):
        table.add_column(heading, justify="left" if heading == "" else "right")
    for line in lines:
        table.add_row(
            line.title,
            number(line.value),
            f"{number(line.lowest)}–{number(line.highest)}",
            line.unit,
            number(line.p50_ms),
            number(line.p99_ms),
            "" if line.to_reference is None else f"{line.to_reference:.2f}×",
        )
    return table


def _targets(targets: list[Target]) -> Table:
    table = Table("Target", box=None, header_style="bold", pad_edge=False)
    for heading in ("found", "at least", "aim", ""):
        table.add_column(heading, justify="right")
    for target in targets:
        bound = "≤ " if target.is_ceiling else "≥ "
        table.add_row(
            target.title,
            f"{target.value:.2f} {target.unit}",
            f"{bound}{target.least:g}",
            "" if target.aim is None else f"{bound}{target.aim:g}",
            {"aim": "aim reached", "least": "reached", "missed": "missed"}[target.reached],
        )
    return table


def number(value: float | None) -> str:
    """As people read it; nothing where there is no figure."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def read(path: Path) -> Report:
    """What ``make bench ARGS="--json"`` printed into a file."""
    return msgspec.json.decode(path.read_bytes(), type=Report)
