"""The story, scene by scene."""

from __future__ import annotations

import time
from decimal import Decimal
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from drawdown.cli.client import asking
from drawdown.cli.demo import cast, show, totals
from drawdown.cli.demo.server import throwaway
from drawdown.cli.failures import Failure
from drawdown.cli.output import console, progress_bar
from drawdown.cli.replay import command, customers, feeder, prices
from drawdown.cli.replay.feeder import Plan, Report
from drawdown.cli.replay.job import Job, Survey, survey
from drawdown.cli.replay.usage import Columns
from drawdown.client import Client, Grant, InsufficientCredit
from drawdown.core.amounts import render
from drawdown.core.currencies import scale_of
from drawdown.core.types import Instant

if TYPE_CHECKING:
    from rich.console import Console

TRACE = "azure_llm_2023_code.csv.gz"
#: Whose credit is looked at closely: its usage went through every one of its grants.
HEROINE = "customer-07"
SCALE = scale_of("usd")


class Stage(msgspec.Struct, frozen=True):
    """Where the story is told: a terminal, a server, the file on its disk, and what is replayed."""

    out: Console
    client: Client
    database: str
    job: Job
    found: Survey
    names: list[str]


def demo() -> None:
    """See the ledger work: real usage drawn down from prepaid credit, on a server thrown away.

    Takes seconds, needs no network and leaves nothing behind.

    Example: `drawdown demo`
    """
    out = console()
    with as_file(files("drawdown") / "data" / TRACE) as trace:
        job = _job(trace)
        found = survey(job)
        out.print(show.opening(found.rows, found.customers))
        with throwaway() as server, asking(server.url, server.secret, direct=True) as client:
            out.print(
                f"\nA server of its own listens on {server.url}, its file in a temporary folder."
            )
            _tell(Stage(out, client, server.database, job, found, cast.names()))
    out.print("\nThe server has stopped and its files are gone. Your own: `drawdown serve`.")


def _job(trace: Path) -> Job:
    return Job(
        file=trace,
        columns=Columns(time=command.TIME, input=command.INPUT, output=command.OUTPUT),
        rule=customers.dealt(cast.CUSTOMERS),
        price=prices.load(prices.shipped(), command.MODEL, prices.SHIPPED),
        plan=Plan(entitlement="usd", scale=SCALE),
    )


def _tell(stage: Stage) -> None:
    scenes = (
        ("Credit is granted", _granting),
        ("Usage draws it down", _replaying),
        ("Where the credit went", _burning),
        ("One debit, explained", _explaining),
        ("One truth, many mouths", _adding_up),
        ("What Stripe can show", _showing_cents),
        ("No more than there is", _refusing),
        ("Nothing happens twice", _repeating),
    )
    for number, (title, scene) in enumerate(scenes, start=1):
        stage.out.print(show.heading(number, title))
        scene(stage)


def _granting(stage: Stage) -> None:
    with progress_bar("customers") as bar:
        task = bar.add_task("Granting", total=len(stage.names))
        cast.enter(stage.client, _now(), lambda made: bar.advance(task, made))
    granted = cast.GRANTS_EACH * len(stage.names)
    stage.out.print(
        f"{len(stage.names)} customers, {granted} grants: promotional and paid credit in USD, of "
        "differing priority and expiry."
    )


def _replaying(stage: Stage) -> None:
    started = time.monotonic()
    report = _fed(stage, "Drawing down")
    seconds = time.monotonic() - started
    if report.misses or report.units != stage.found.units:
        raise Failure(
            f"{stage.found.rows - report.new} calls were not debited, a fault of Drawdown."
        )
    stage.out.print(
        f"{report.new:,} calls at {command.MODEL} prices, each a debit of its own, each on disk: "
        f"{seconds:.1f} s, {report.new / seconds:,.0f} a second."
    )


def _burning(stage: Stage) -> None:
    """In the order in which they were drawn, as the entries tell it; untouched ones last."""
    grants = _grants(stage)
    order = {grant: place for place, grant in enumerate(_drawn(stage))}
    grants.sort(key=lambda grant: order.get(grant.id, len(order)))
    stage.out.print(f"The grants of {HEROINE}, in the order in which they burned:\n")
    stage.out.print(show.burn_down(grants))


def _explaining(stage: Stage) -> None:
    """A debit that one grant could not pay alone is the interesting one."""
    by_operation: dict[str, int] = {}
    for entry in totals.draws(stage.client, HEROINE):
        by_operation[entry.operation] = by_operation.get(entry.operation, 0) + 1
    debit = stage.client.get_debit(max(by_operation, key=by_operation.__getitem__))
    stage.out.print(
        f"The call of {debit.occurred_at:%Y-%m-%d %H:%M:%S} cost {debit.amount} USD, more than the "
        "first grant still had:\n"
    )
    stage.out.print(show.draws(debit, {grant.id: grant.name for grant in _grants(stage)}))


def _adding_up(stage: Stage) -> None:
    expected = Decimal(render(stage.found.units, SCALE))
    stage.out.print(
        f"The calls cost {show.exact(expected)} USD. What does the ledger say was used?\n"
    )
    found = list(totals.every(stage.client, stage.database, stage.names))
    stage.out.print(show.totals(found, expected))
    wrong = [total.where for total in found if total.amount != expected]
    if wrong:
        raise Failure(f"{', '.join(wrong)} does not agree, a fault of Drawdown.")


def _showing_cents(stage: Stage) -> None:
    shown = {
        grant["name"]: grant["amount"]["monetary"]["value"]
        for grant in totals.stripe_grants(stage.client, customer=HEROINE)
    }
    rows = [(grant.name, grant.amount, shown[grant.name]) for grant in _grants(stage)]
    stage.out.print(
        "Stripe speaks whole cents. It shows the floor; what is kept is never rounded.\n"
    )
    stage.out.print(show.cents(rows))


def _refusing(stage: Stage) -> None:
    try:
        stage.client.debit(HEROINE, "usd", 1000)
    except InsufficientCredit as refusal:
        stage.out.print(f"A debit of 1000 USD is refused with {refusal.status}. {refusal.detail}")
    else:
        raise Failure("A debit of more than there is was made, a fault of Drawdown.")
    available = totals.balance(stage.client, HEROINE).available
    stage.out.print(f"Nothing was drawn: {available} USD are still available.")


def _repeating(stage: Stage) -> None:
    """The whole file again, as after a crash of whoever feeds it."""
    before = totals.balance(stage.client, HEROINE)
    report = _fed(stage, "Once more")
    after = totals.balance(stage.client, HEROINE)
    stage.out.print(
        f"The same {stage.found.rows:,} calls fed once more: {report.replayed:,} recognised by their "
        f"idempotency keys, {report.new} debited."
    )
    stage.out.print(
        f"{HEROINE} had used {before.used} USD before and has used {after.used} USD now; its "
        f"last entry is still number {after.seq}."
    )


def _fed(stage: Stage, title: str) -> Report:
    with progress_bar("calls") as bar:
        task = bar.add_task(title, total=stage.found.rows)
        plan, debits = stage.job.plan, stage.job.debits()
        return feeder.feed(
            stage.client, plan, debits, lambda rows: bar.advance(task, rows), command.BATCH
        )


def _grants(stage: Stage) -> list[Grant]:
    return list(stage.client.grants(customer=HEROINE, entitlement="usd"))


def _drawn(stage: Stage) -> dict[str, None]:
    """The grants that were drawn on, the first drawn first."""
    newest_first = list(totals.draws(stage.client, HEROINE))
    return {entry.grant: None for entry in reversed(newest_first) if entry.grant is not None}


def _now() -> Instant:
    return Instant(time.time_ns() // 1_000)
