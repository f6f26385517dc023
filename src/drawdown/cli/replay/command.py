"""The command: its options, a first reading that finds every fault, the feeding, the report."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from drawdown.cli.client import asking
from drawdown.cli.failures import Failure
from drawdown.cli.options import URL_DEFAULT, Json
from drawdown.cli.output import console, counted, progress_bar, show_json
from drawdown.cli.replay import customers, feeder, prices
from drawdown.cli.replay.customers import Rule
from drawdown.cli.replay.feeder import Misses, Plan, Report
from drawdown.cli.replay.job import Job, Survey, survey
from drawdown.cli.replay.prices import Price
from drawdown.cli.replay.usage import Columns, TimeUnit
from drawdown.client import Client
from drawdown.core.amounts import render

#: The columns of the Azure LLM inference traces, one of which ships with Drawdown.
TIME, INPUT, OUTPUT = "TIMESTAMP", "ContextTokens", "GeneratedTokens"
MODEL = "gpt-4o"
BATCH = 500
AGAIN = "Run the same command again: it goes on where it stopped, and debits nothing twice."
NEW_RUN = "To feed the file once more as something new, give it a name with --run."

_RUN = re.compile(r"[A-Za-z0-9._-]{0,64}", re.ASCII)
_WHOSE, _COST, _WHERE, _PACE = "Whose usage", "What it costs", "Which columns", "Where to, and how"

File = Annotated[
    Path, typer.Argument(help="CSV with a header, or JSON lines; plain or gzipped.", metavar="FILE")
]
CustomerName = Annotated[
    str | None,
    typer.Option("--customer", help="All of it is this customer's.", rich_help_panel=_WHOSE),
]
CustomerColumn = Annotated[
    str | None,
    typer.Option("--customer-column", help="This column says.", rich_help_panel=_WHOSE),
]
CustomerCount = Annotated[
    int | None,
    typer.Option(
        "--customers",
        help="Deal the rows round to so many: row r is customer (r - 1) mod N + 1's.",
        metavar="N",
        rich_help_panel=_WHOSE,
    ),
]
CustomerFormat = Annotated[
    str,
    typer.Option("--customer-format", help="What customer n is called.", rich_help_panel=_WHOSE),
]
Model = Annotated[
    str, typer.Option("--model", help="The model whose prices count.", rich_help_panel=_COST)
]
Prices = Annotated[
    Path | None,
    typer.Option(
        "--prices",
        help="A price file in LiteLLM's form, instead of the one that ships with Drawdown.",
        rich_help_panel=_COST,
    ),
]
EntitlementCode = Annotated[
    str, typer.Option("--entitlement", help="The credit that pays.", rich_help_panel=_COST)
]
TimeColumn = Annotated[
    str, typer.Option("--time-column", help="When it was.", rich_help_panel=_WHERE)
]
TimeUnitOption = Annotated[
    TimeUnit,
    typer.Option("--time-unit", help="What a bare number counts.", rich_help_panel=_WHERE),
]
InputColumn = Annotated[
    str, typer.Option("--input-column", help="Tokens read.", rich_help_panel=_WHERE)
]
OutputColumn = Annotated[
    str, typer.Option("--output-column", help="Tokens written.", rich_help_panel=_WHERE)
]
Url = Annotated[
    str,
    typer.Option("--url", envvar="DRAWDOWN_URL", help="The server.", rich_help_panel=_PACE),
]
Key = Annotated[
    str | None,
    typer.Option(
        "--key",
        envvar="DRAWDOWN_API_KEY",
        help="The secret of a key that may write; the variable is the safer place.",
        rich_help_panel=_PACE,
    ),
]
RealTime = Annotated[
    bool,
    typer.Option(
        "--real-time",
        help="One debit a row with the gaps of the file, not as fast as it goes.",
        rich_help_panel=_PACE,
    ),
]
Speed = Annotated[
    float,
    typer.Option(
        "--speed",
        min=0.001,
        max=1_000_000,
        help="With --real-time: so many times as fast.",
        rich_help_panel=_PACE,
    ),
]
BatchSize = Annotated[
    int,
    typer.Option(
        "--batch-size",
        min=1,
        max=feeder.BATCH_MAX,
        help="Rows in one request.",
        rich_help_panel=_PACE,
    ),
]
Run = Annotated[
    str,
    typer.Option(
        "--run",
        help="Sets this feeding apart from others of the same file, which it would repeat.",
        rich_help_panel=_PACE,
    ),
]


def replay(
    file: File,
    customer: CustomerName = None,
    customer_column: CustomerColumn = None,
    count: CustomerCount = None,
    customer_format: CustomerFormat = customers.FORMAT,
    model: Model = MODEL,
    price_file: Prices = None,
    entitlement: EntitlementCode = "usd",
    time_column: TimeColumn = TIME,
    time_unit: TimeUnitOption = TimeUnit.SECONDS,
    input_column: InputColumn = INPUT,
    output_column: OutputColumn = OUTPUT,
    url: Url = URL_DEFAULT,
    key: Key = None,
    real_time: RealTime = False,
    speed: Speed = 1.0,
    batch_size: BatchSize = BATCH,
    run: Run = "",
    as_json: Json = False,
) -> None:
    """Feed a file of usage to a server as debits.

    Run it again after an interruption: rows that were fed are recognised and not debited twice. What
    is finer than the entitlement's scale is carried on per customer, so the sum is exact.

    Example: `drawdown replay usage.csv.gz --customers 50 --model gpt-4o`
    """
    if not _RUN.fullmatch(run):
        raise Failure("--run has up to 64 characters of A-Z a-z 0-9 . _ -.")
    columns = Columns(
        time=time_column,
        input=input_column,
        output=output_column,
        customer=customer_column,
        time_unit=time_unit,
    )
    rule = _rule(customer, customer_column, count, customer_format)
    price = _price(price_file, model)
    with asking(url, key, again=AGAIN) as client:
        job = Job(
            file=file, columns=columns, rule=rule, price=price, plan=_plan(client, entitlement, run)
        )
        found = survey(job)
        pace = speed if real_time else None
        report = _fed(client, job, found, pace, batch_size)
    if as_json:
        show_json(_document(job, found, report))
    else:
        _show(job, found, report)
    if report.misses:
        raise SystemExit(1)


def _rule(name: str | None, column: str | None, count: int | None, template: str) -> Rule:
    if [name, column, count].count(None) != 2:
        raise Failure(
            "Whose usage is it?",
            "Say one of --customers N, --customer-column COLUMN or --customer NAME.",
        )
    if name is not None:
        return customers.one(name)
    if column is not None:
        return customers.column(column)
    assert count is not None
    return customers.dealt(count, template)


def _price(file: Path | None, model: str) -> Price:
    if file is None:
        return prices.load(prices.shipped(), model, prices.SHIPPED)
    return prices.load(file, model, str(file))


def _plan(client: Client, entitlement: str, run: str) -> Plan:
    """The scale is the server's to say."""
    found = client.get_entitlement(entitlement)
    return Plan(entitlement=found.code, scale=found.scale, run=run)


def _fed(client: Client, job: Job, found: Survey, speed: float | None, size: int) -> Report:
    with progress_bar("rows") as bar:
        task = bar.add_task(f"Replaying {job.file.name}", total=found.rows)

        def progress(rows: int) -> None:
            bar.advance(task, rows)

        if speed is not None:
            return feeder.feed_in_time(client, job.plan, job.debits(), progress, speed)
        return feeder.feed(client, job.plan, job.debits(), progress, size)


def _document(job: Job, found: Survey, report: Report) -> dict[str, object]:
    """What became of the rows, for programs. ``misses`` by the code of the refusal."""
    return {
        "rows": found.rows,
        "customers": found.customers,
        "entitlement": job.plan.entitlement,
        "amount": render(found.units, job.plan.scale),
        "debited": report.new,
        "replayed": report.replayed,
        "carried": report.skipped,
        "misses": report.misses,
        "debited_amount": render(report.units, job.plan.scale),
    }


def _show(job: Job, found: Survey, report: Report) -> None:
    """What became of the rows, and of the amount they add up to."""
    out, code, scale = console(), job.plan.entitlement, job.plan.scale
    out.print(
        f"{job.file.name}: {counted(found.rows, 'row', 'rows')} of "
        f"{counted(found.customers, 'customer', 'customers')}, {render(found.units, scale)} {code}"
    )
    table = Table(box=None, show_header=False, padding=(0, 2))
    table.add_column()
    table.add_column(justify="right")
    table.add_row("debited now", f"{report.new:,}")
    table.add_row("debited before", f"{report.replayed:,}")
    if report.skipped:
        table.add_row("too small by themselves, carried on", f"{report.skipped:,}")
    for name, misses in report.misses.items():
        table.add_row(f"not debited: {name}", f"{misses.count:,}")
    table.add_row(f"{code} debited in all", render(report.units, scale))
    out.print(table)
    for name, misses in report.misses.items():
        out.print(_told(name, misses), soft_wrap=True)


def _told(code: str, misses: Misses) -> str:
    """The first few rows of one kind of miss, the first one's words, and what to do."""
    rows = ", ".join(map(str, misses.rows)) + (", …" if misses.count > len(misses.rows) else "")
    fix = {
        "insufficient_credit": "Grant more and run the same command again.",
        "key_reused": "These rows were fed before with other prices or options. " + NEW_RUN,
        "customer_not_found": "Create the customers first.",
    }.get(code, "")
    noun = "row" if misses.count == 1 else "rows"
    return f"{code}: {noun} {rows}. {misses.detail}. {fix}".rstrip()
