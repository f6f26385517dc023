"""Any instant and explanations on every store: what was read then is what is said of then."""

from __future__ import annotations

import asyncio
import contextlib
import copy
from typing import Any

import pytest

from drawdown.core import lifecycle
from drawdown.core.amounts import Amount
from drawdown.core.commands import (
    AmendGrant,
    CreateCustomer,
    CreateEntitlement,
    Debit,
    ExpireGrant,
)
from drawdown.core.errors import LedgerError
from drawdown.core.types import BurnOrder, Grant, Id, Instant
from drawdown.engine import history
from drawdown.engine.clocks import ManualClock
from drawdown.engine.history import CHUNK
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import Store
from tests.simulation.servers import RisingIds
from tests.support.books import CREDITS, HOUR, START, Book, open_book, open_ledger_on
from tests.support.random_play import CUSTOMER, RandomPlay
from tests.support.stores import Database, opened

pytestmark = pytest.mark.anyio


def shown(grant: Grant, at: Instant) -> dict[str, Any]:
    names = ("amount", "remaining", "used", "expired", "voided", "held", "pending", "voided_at")
    return {name: getattr(grant, name) for name in names} | {"state": lifecycle.state_of(grant, at)}


async def read(ledger: Ledger, book: Id, at: Instant | None) -> tuple[Any, ...]:
    """The balance and every grant, now or at an instant."""
    balance = await ledger.balance(book, CUSTOMER, "e", at=at)
    now = ledger.clock.now() if at is None else at
    grants = await ledger.grants(book, customer=CUSTOMER, entitlement="e", at=at, limit=100)
    numbers = (balance.posted, balance.held, balance.pending, balance.used, balance.expired)
    return numbers, {grant.id: shown(grant, now) for grant in grants}


@pytest.mark.parametrize("seed", range(6))
async def test_the_past_reads_as_it_was_read(
    ledger: Ledger, clock: ManualClock, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each of many random commands, and an hour later; asked again at the end, in small pieces."""
    book = (await open_book(ledger)).id
    await ledger.apply(book, CreateCustomer(own_id=CUSTOMER))
    for code in "ef":
        await ledger.apply(book, CreateEntitlement(code=code, unit=code, scale=0))
    play = RandomPlay(seed, START)
    seen: dict[Instant, tuple[Any, ...]] = {}
    for _ in range(60):
        command, at = play.next()
        clock.instant = max(at, clock.instant)
        with contextlib.suppress(LedgerError):
            play.tell(await ledger.apply(book, command))
        seen[clock.instant] = await read(ledger, book, None)
        clock.instant = play.now = Instant(clock.instant + HOUR // 2)
        seen[clock.instant] = await read(ledger, book, None)
    clock.instant = Instant(clock.instant + 100 * HOUR)
    monkeypatch.setattr(history, "CHUNK", 7)
    for at, then in seen.items():
        assert await read(ledger, book, at) == then
        for grant, numbers in list(then[1].items())[:3]:
            assert shown(await ledger.grant(book, grant, at=at), at) == numbers


async def test_a_moment_stays_while_others_write(database: Database, clock: ManualClock) -> None:
    """What is committed after its first read is not seen in it."""
    async with opened(database) as store:
        ledger = open_ledger_on(store, clock)
        book = await open_book(ledger)
        customer = await book.customer()
        grant = await book.grant(customer, 10)
        async with store.moment(grant.id) as moment:
            first = copy.copy(await moment.find_grant(grant.id))
            await book.debit(customer, 4)
            await ledger.apply(book.id, AmendGrant(grant=grant.id, metadata={"a": 1}))
            assert await moment.find_grant(grant.id) == first
            entries, _ = await moment.walk_entries(grant.customer, grant.entitlement, None, 10)
            assert [entry.seq for entry in entries] == [1]
        async with store.moment(grant.id) as moment:
            found = await moment.find_grant(grant.id)
            assert found is not None
            assert found.remaining == 6


async def test_changes_of_a_grant_since_an_operation(
    store: Store, ledger: Ledger, clock: ManualClock
) -> None:
    """Only those of this grant, by amending or expiring it, and none that came earlier."""
    book = await open_book(ledger)
    customer = await book.customer()
    grant, other = [await book.grant(customer, 10) for _ in range(2)]
    early = await _amend(ledger, book, grant, START + 9 * HOUR)
    clock.instant = Instant(START + 1)
    middle = await _amend(ledger, book, grant, START + 8 * HOUR)
    await _amend(ledger, book, other, START + 8 * HOUR)
    debit = await _debit(ledger, book, customer)
    clock.instant = Instant(START + 2)
    last = (await ledger.apply(book.id, ExpireGrant(grant=grant.id))).operation
    assert last is not None
    async with store.moment(grant.id) as moment:
        found = await moment.later_changes(grant.id, debit)
        assert last.id in {operation.id for operation in found}
        assert early not in {operation.id for operation in found}
        found = await moment.later_changes(grant.id, early)
        assert {middle, last.id} <= {operation.id for operation in found}
        assert {operation.kind for operation in found} == {"expire", "amend"}


async def test_what_a_debit_found_is_told_by_the_order_of_records(
    database: Database, clock: ManualClock
) -> None:
    """Not by clocks or ids, of which those of two processes may differ: here one is an hour behind."""
    behind = Ledger(await database.open(), clock, RisingIds())
    behind.open(jobs=False)
    ahead = open_ledger_on(await database.open(), ManualClock(Instant(START + HOUR)))
    book = await open_book(ahead)
    customer = await book.customer()
    grant = await book.grant(customer, 10, expires_at=Instant(START + 20 * HOUR))
    found: dict[Id, int] = {}
    hours = 20
    for number, (debiting, amending) in enumerate([(ahead, behind), (behind, ahead)] * 2):
        found[await _debit(debiting, book, customer)] = hours
        hours = 19 - number
        await _amend(amending, book, grant, START + hours * HOUR)
        await _amend(debiting, book, grant, START + 30 * HOUR)
        await _amend(amending, book, grant, START + hours * HOUR)
    for debit, hour in found.items():
        [drawn] = (await ahead.explain(book.id, debit)).parts[0].draws
        assert drawn.grant.expires_at == START + hour * HOUR
    await behind.close()
    await ahead.close()


async def _debit(ledger: Ledger, book: Book, customer: str) -> Id:
    command = Debit(customer=customer, entitlement=CREDITS, amount=Amount(1))
    operation = (await ledger.apply(book.id, command)).operation
    assert operation is not None
    return operation.id


async def _amend(ledger: Ledger, book: Book, grant: Grant, expires_at: int) -> Id:
    command = AmendGrant(grant=grant.id, expires_at=Instant(expires_at))
    operation = (await ledger.apply(book.id, command)).operation
    assert operation is not None
    return operation.id


async def test_many_grants_are_foreseen_and_explained(ledger: Ledger, clock: ManualClock) -> None:
    """More than are read at once: each expires at its instant, and the ten next are named."""
    book = await open_book(ledger, burn_order=BurnOrder.SOONEST_EXPIRY)
    customer = await book.customer()
    count = CHUNK + 100
    for number in range(count):
        await book.grant(customer, 1, expires_at=Instant(START + (number + 10) * HOUR))
    answer = await book.debit(customer, 1)
    debit = Id(bytes.fromhex(answer.body.decode().split('"')[3]))
    [part] = (await ledger.explain(book.id, debit)).parts
    assert part.later_count == count - 1
    assert [later.grant.expires_at for later in part.later] == [
        START + (number + 11) * HOUR for number in range(10)
    ]
    end = Instant(START + (count // 2 + 10) * HOUR)
    then = await ledger.balance(book.id, customer, "credits", at=end)
    assert (then.posted, then.expired) == (count - 1 - count // 2, count // 2)


async def test_others_are_served_while_a_long_history_is_walked(
    ledger: Ledger, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is read chunk by chunk, and between two of them the event loop turns."""
    monkeypatch.setattr(history, "CHUNK", 2)
    book = await open_book(ledger)
    customer = await book.customer()
    await book.grant(customer, 1000)
    for _ in range(200):
        await book.debit(customer, 1)
    clock.instant = Instant(clock.instant + HOUR)
    walk = asyncio.create_task(ledger.balance(book.id, customer, "credits", at=Instant(START - 1)))
    turns = 0
    while not walk.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns >= 50
    assert (await walk).posted == 0
