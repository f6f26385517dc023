"""What had to wait for another process happened after what that one did, and its time says so."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from drawdown.core.amounts import Amount
from drawdown.core.commands import (
    AmendCustomer,
    Command,
    CreateMeter,
    CreateRate,
    Debit,
    RecordUsage,
)
from drawdown.core.requests import Accepted
from drawdown.core.types import Instant
from drawdown.core.usage.meters import Aggregation, Measure
from drawdown.core.usage.rating import PerUnit
from drawdown.engine.clocks import ManualClock
from drawdown.store.postgres.store import PostgresStore
from tests.support.books import CREDITS, HOUR, START, Book, open_book, open_ledger_on
from tests.support.waiting import until_one_waits

pytestmark = pytest.mark.anyio

CUSTOMER = "ada"
#: What is asked for while a stranger has a row locked, by the table of that row.
ASKED: dict[str, Command] = {
    "wallet": Debit(customer=CUSTOMER, entitlement=CREDITS, amount=Amount(1)),
    "usage_count": RecordUsage(customer=CUSTOMER, own_id="2", name="call"),
    "customer": AmendCustomer(customer=CUSTOMER, name="Ada"),
}


async def prepared(book: Book) -> None:
    """A customer with credit, and usage that is counted and charged."""
    await book.grant(await book.customer(CUSTOMER), 100)
    measure = Measure(event_name="call", aggregation=Aggregation.COUNT)
    price = PerUnit(price=Amount(1))
    await book.ledger.apply(book.id, CreateMeter(code="calls", measure=measure))
    charge = CreateRate(meter="calls", entitlement=CREDITS, price=price)
    await book.ledger.apply(book.id, charge)
    await book.ledger.apply(book.id, RecordUsage(customer=CUSTOMER, own_id="1", name="call"))


def time_of(accepted: Accepted) -> Instant:
    assert accepted.operation is not None
    assert accepted.operation.at == accepted.operation.recorded_at
    return accepted.operation.at


@pytest.mark.parametrize(("table", "command"), ASKED.items(), ids=ASKED)
async def test_its_time_is_when_it_need_not_wait_any_more(
    url: str, table: str, command: Command
) -> None:
    clock = ManualClock(START)
    ledger = open_ledger_on(await PostgresStore.open(url), clock)
    book = await open_book(ledger)
    await prepared(book)
    stranger = await asyncpg.connect(url)
    await stranger.execute(f"BEGIN; SELECT 1 FROM {table} FOR UPDATE")
    waiting = asyncio.create_task(ledger.apply(book.id, command))
    await until_one_waits(stranger)
    clock.instant = Instant(START + HOUR)
    await stranger.execute("COMMIT")
    assert time_of(await waiting) == START + HOUR
    await stranger.close()
    await ledger.close()
