"""Alerts on a real store: kept whole, decided by whoever is asked, told once, carried by every process."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from drawdown.core.amounts import Amount
from drawdown.core.commands import (
    AmendGrant,
    CloseAlert,
    CreateAlert,
    IssueGrant,
    Settle,
)
from drawdown.core.errors import AlertNotFound, FieldInvalid, TooManyAlerts
from drawdown.core.types import DAY, Alert, AlertKind, AlertRule, Id, Instant
from drawdown.core.watching.watch import Notice
from drawdown.engine.clocks import ManualClock
from drawdown.engine.jobs import Jobs
from drawdown.engine.ledger import Ledger
from drawdown.engine.positions import BEGINNING
from tests.support.books import (
    CREDITS,
    SECOND,
    START,
    Book,
    Observed,
    open_book,
    open_ledger_on,
    verified,
    worked_off,
)
from tests.support.stores import Database

pytestmark = pytest.mark.anyio

BELOW, NEAR = AlertKind.AVAILABLE_BELOW, AlertKind.DAYS_TO_EXPIRY


class _Changed(msgspec.Struct):
    alerts: tuple[list[Notice], list[Notice]] = ([], [])


async def alert(book: Book, kind: AlertKind, customer: str | None = None, **line: Any) -> Alert:
    if "amount" in line:
        line["amount"] = Amount(line["amount"])
    command = CreateAlert(entitlement=CREDITS, kind=kind, customer=customer, **line)
    made = (await book.ledger.apply(book.id, command)).alert
    assert made is not None
    return made


async def told(book: Book, clock: ManualClock) -> list[tuple[Id, int, int]]:
    """What the feed tells of alerts, in its order: which, on which day, and what was available."""
    clock.instant = Instant(clock.instant + 3 * SECOND)
    page = await book.ledger.feed(BEGINNING, books=frozenset({book.id}), limit=1_000)
    assert not page.more
    notices = [
        notice
        for recorded in page.found
        if recorded.operation.changed
        for notice in msgspec.json.decode(recorded.operation.changed, type=_Changed).alerts[1]
    ]
    return [(each.alert, (each.at - START) // DAY, each.available) for each in notices]


async def test_an_alert_is_kept_whole(ledger: Ledger) -> None:
    book = await open_book(ledger)
    customer = await book.customer()
    made = await alert(book, BELOW, customer, percent=20, name="Low", metadata={"team": "a"})
    for_all = await alert(book, AlertKind.USED_ABOVE, amount=500)
    assert made.rule == AlertRule(alert=made.id, kind=BELOW, percent=20, name="Low")
    assert await ledger.alert(book.id, made.id) == made
    assert await ledger.alerts(book.id, limit=5) == sorted(
        [made, for_all], key=lambda each: each.id, reverse=True
    )
    assert await ledger.alerts(book.id, customer=customer, limit=5) == [made]
    assert (await ledger.entitlement(book.id, CREDITS)).alerts == (for_all.rule,)
    assert (await verified(ledger)).wallets == 1


async def test_a_closed_alert_can_still_be_read_and_sets_off_nothing(
    ledger: Ledger, clock: ManualClock
) -> None:
    book = await open_book(ledger)
    customer = await book.customer()
    made = [await alert(book, BELOW, whose, amount=90) for whose in (customer, None)]
    await book.grant(customer, 100)
    for each in made:
        for _ in range(2):
            closed = (await ledger.apply(book.id, CloseAlert(alert=each.id))).alert
            assert closed is not None
            assert closed.closed_at is not None
            assert await ledger.alert(book.id, each.id) == closed
    await book.debit(customer, 50)
    assert await told(book, clock) == []
    assert await ledger.alerts(book.id, live=True, limit=5) == []
    assert len(await ledger.alerts(book.id, live=False, limit=5)) == 2


async def test_everybodys_alerts_and_a_customers_own_fire_once_for_each_crossing(
    ledger: Ledger, clock: ManualClock
) -> None:
    book = await open_book(ledger)
    ada, bob = await book.customer(), await book.customer()
    for_all = await alert(book, BELOW, amount=50)
    own = await alert(book, BELOW, ada, amount=20)
    for customer in (ada, bob):
        await book.grant(customer, 100)
    for amount in (50, 30, 10):
        await book.debit(ada, amount)
    await book.debit(bob, 49)
    assert await told(book, clock) == [(for_all.id, 0, 50), (own.id, 0, 20)]
    await book.grant(ada, 41)  # 51: above the one, and above the other
    await book.debit(ada, 1)
    await book.debit(ada, 1)
    await book.debit(bob, 1)
    assert (await told(book, clock))[2:] == [(for_all.id, 0, 50), (for_all.id, 0, 50)]


async def test_another_process_knows_what_has_fired(database: Database, clock: ManualClock) -> None:
    first = open_ledger_on(await database.open(), clock)
    book = await open_book(first)
    customer = await book.customer()
    made = await alert(book, BELOW, customer, percent=50)
    await book.grant(customer, 100)
    await book.debit(customer, 50)
    await first.close()
    second = open_ledger_on(await database.open(), clock)
    again = Book(second, book.id)
    await again.debit(customer, 10)
    await again.grant(customer, 20)  # 60 is now all there is: half of it is 30
    await again.debit(customer, 29)
    assert await told(again, clock) == [(made.id, 0, 50)]
    await again.debit(customer, 1)
    assert (await told(again, clock))[1:] == [(made.id, 0, 30)]
    await second.close()


async def test_a_process_that_has_yet_to_hear_of_an_alert_does_not_forget_that_it_fired(
    database: Database, clock: ManualClock
) -> None:
    first = open_ledger_on(await database.open(), clock)
    second = open_ledger_on(await database.open(), clock)
    book = await open_book(first)
    customer = await book.customer()
    await book.grant(customer, 100)
    other = Book(second, book.id)
    await other.debit(
        customer, 1
    )  # from here on it takes for true what it knows of the entitlement
    made = await alert(book, BELOW, amount=50)
    await book.debit(customer, 50)
    await other.debit(customer, 1)
    await book.debit(customer, 1)
    assert await told(book, clock) == [(made.id, 0, 49)]
    await first.close()
    await second.close()


async def test_a_grant_near_its_end_is_told_of_by_time_alone(
    database: Database, clock: ManualClock
) -> None:
    """Also of one that another process has to load, and of one that is near as the alert is made."""
    first = open_ledger_on(await database.open(), clock)
    book = await open_book(first)
    customer = await book.customer()
    await book.grant(customer, 5, expires_at=Instant(START + 3 * DAY))
    await book.grant(customer, 7, expires_at=Instant(START + 30 * DAY))
    made = await alert(book, NEAR, customer, days=7)
    assert await told(book, clock) == [(made.id, 0, 12)]
    await first.close()
    clock.instant = Instant(START + 23 * DAY - SECOND)
    observed = Observed()
    second = open_ledger_on(await database.open(), clock, observer=observed)
    again = Book(second, book.id)
    jobs = Jobs(second.store, clock, second.accounts, second._settle, observed)
    await worked_off(jobs)
    assert len(await told(again, clock)) == 1
    clock.instant = Instant(START + 23 * DAY)
    await worked_off(jobs)
    assert (await told(again, clock))[1:] == [(made.id, 23, 7)]
    assert (await verified(second)).wallets == 1
    await jobs.close()
    await second.close()


async def test_a_new_alert_for_everybody_is_looked_at_with_the_next_thing_that_happens(
    ledger: Ledger, clock: ManualClock
) -> None:
    book = await open_book(ledger)
    customer = await book.customer()
    grant = await book.grant(customer, 7, expires_at=Instant(START + 3 * DAY))
    await book.grant(customer, 7, expires_at=Instant(START + 20 * DAY))
    made = await alert(book, NEAR, days=5)
    await book.debit(customer, 1)
    assert await told(book, clock) == [(made.id, 0, 14)]
    await ledger.apply(book.id, AmendGrant(grant=grant.id, expires_at=Instant(START + 9 * DAY)))
    clock.instant = Instant(START + 4 * DAY)
    await ledger.apply(book.id, Settle(customer=customer, entitlement=CREDITS))
    assert (await told(book, clock))[1:] == [(made.id, 4, 13)]


async def test_wallets_in_which_nothing_happens_hear_of_a_new_alert_for_everybody(
    ledger: Ledger, clock: ManualClock, observed: Observed
) -> None:
    """A job brings it to them; then time alone does."""
    book = await open_book(ledger)
    customers = [await book.customer() for _ in range(5)]
    for customer in customers:
        await book.grant(customer, 7, expires_at=Instant(START + 30 * DAY))
    near = await book.customer()
    await book.grant(near, 5, expires_at=Instant(START + 3 * DAY))
    made = await alert(book, NEAR, days=7)
    jobs = Jobs(ledger.store, clock, ledger.accounts, ledger._settle, observed)
    for _ in range(3):
        await worked_off(jobs)
        clock.instant = Instant(clock.instant + 11 * SECOND)
    assert await told(book, clock) == [(made.id, 0, 5)]
    clock.instant = Instant(START + 23 * DAY - SECOND)
    await worked_off(jobs)
    assert len(await told(book, clock)) == 1
    clock.instant = Instant(START + 23 * DAY)
    await worked_off(jobs)
    assert (await told(book, clock))[1:] == [(made.id, 23, 7)] * 5
    assert not observed.errors


async def test_there_are_only_so_many_alerts(ledger: Ledger) -> None:
    book = await open_book(ledger)
    customer = await book.customer()
    made = [await alert(book, BELOW, customer, amount=1) for _ in range(25)]
    with pytest.raises(TooManyAlerts):
        await alert(book, BELOW, customer, amount=1)
    await ledger.apply(book.id, CloseAlert(alert=made[0].id))
    await alert(book, BELOW, customer, amount=1)
    for _ in range(100):
        await alert(book, BELOW, amount=1)
    with pytest.raises(TooManyAlerts):
        await alert(book, BELOW, amount=1)


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ({"kind": BELOW}, "amount"),
        ({"kind": BELOW, "amount": Amount(1), "percent": 3}, "amount"),
        ({"kind": BELOW, "percent": 101}, "percent"),
        ({"kind": BELOW, "amount": Amount(1), "days": 3}, "days"),
        ({"kind": NEAR, "days": 367}, "days"),
        ({"kind": NEAR, "amount": Amount(3)}, "amount"),
        ({"kind": AlertKind.USED_ABOVE, "percent": 3}, "percent"),
    ],
)
async def test_a_line_must_be_one_that_the_kind_has(
    ledger: Ledger, line: dict[str, Any], field: str
) -> None:
    book = await open_book(ledger)
    with pytest.raises(FieldInvalid) as refused:
        await ledger.apply(book.id, CreateAlert(entitlement=CREDITS, **line))
    assert refused.value.field == field
    assert await ledger.alerts(book.id, limit=5) == []


async def test_an_alert_of_another_book_is_not_there(ledger: Ledger) -> None:
    ours, theirs = await open_book(ledger), await open_book(ledger)
    made = await alert(theirs, BELOW, amount=1)
    with pytest.raises(AlertNotFound):
        await ledger.alert(ours.id, made.id)
    with pytest.raises(AlertNotFound):
        await ledger.apply(ours.id, CloseAlert(alert=made.id))


async def test_what_nobody_watches_is_written_as_before(ledger: Ledger) -> None:
    """A wallet without alerts remembers nothing."""
    book = await open_book(ledger)
    customer = await book.customer()
    await book.grant(customer, 10)
    await book.debit(customer, 10)
    kind = await ledger.entitlement(book.id, CREDITS)
    owner = await ledger.customer(book.id, customer)
    wallet = await ledger.store.find_wallet(owner.id, kind.id, START)
    assert wallet is not None
    assert wallet.watch is None


async def test_alerts_of_one_batch_are_decided_as_if_each_had_come_alone(
    ledger: Ledger, clock: ManualClock
) -> None:
    """An alert, a grant and debits that are asked for at once."""
    book = await open_book(ledger)
    customer = await book.customer()
    place: dict[str, Any] = {"customer": customer, "entitlement": CREDITS}
    await asyncio.gather(
        ledger.apply(book.id, CreateAlert(kind=NEAR, days=5, **place)),
        ledger.apply(book.id, CreateAlert(entitlement=CREDITS, kind=NEAR, days=9)),
        ledger.apply(book.id, CreateAlert(entitlement=CREDITS, kind=BELOW, amount=Amount(7))),
        ledger.apply(
            book.id, IssueGrant(amount=Amount(10), expires_at=Instant(START + DAY), **place)
        ),
        ledger.apply(book.id, Settle(**place)),
    )
    await book.debit(customer, 3)
    await book.debit(customer, 3)
    assert sorted(available for _, _, available in await told(book, clock)) == [7, 10, 10]
