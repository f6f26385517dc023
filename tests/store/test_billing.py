"""What the table of invoices and credit says is so on every store, and the ledger verifies."""

from __future__ import annotations

from typing import Any

import pytest

from drawdown.core.amounts import Amount
from drawdown.core.billing.actions import FinalizeInvoice, VoidInvoice
from drawdown.core.billing.records import INVOICE, invoice_of, unhexed
from drawdown.core.commands import (
    Act,
    AdvanceTestClock,
    Authorize,
    Capture,
    Command,
    CreateTestClock,
    Extend,
    Release,
    VoidGrant,
)
from drawdown.core.errors import FieldInvalid, GrantHeld, HoldEnded, KeyReused
from drawdown.core.fold import Fault
from drawdown.core.requests import Accepted, Answer, LedgerKey
from drawdown.core.types import DAY, Balance, Document, Instant, Mode
from drawdown.engine.clocks import ManualClock
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import DocumentFilter
from drawdown.store import usage_rows
from tests.core.test_billing import SCENARIOS
from tests.support.billing_play import CURRENCY, START, STEP, LedgerSubject, Step, read_step, run
from tests.support.books import SECOND, Book, open_book, open_ledger_on, verified
from tests.support.stores import Database, tamper

pytestmark = pytest.mark.anyio

ONE = Amount(1)


async def subject(ledger: Ledger, clock: ManualClock) -> LedgerSubject:
    book = await open_book(ledger)
    return await subject_of(ledger, clock, book, await book.customer())


async def subject_of(
    ledger: Ledger, clock: ManualClock, book: Book, customer: str
) -> LedgerSubject:
    owner = (await ledger.customer(book.id, customer)).id

    async def apply(command: Command, at: int) -> Accepted:
        clock.instant = Instant(at)
        return await ledger.apply(book.id, command)

    async def documents() -> list[Document]:
        asked = DocumentFilter(book=book.id, owner=owner, kind=INVOICE, deleted=None, limit=100)
        return await ledger.documents(asked)

    async def balance() -> Balance | None:
        return await book.balance(customer, CURRENCY)

    return LedgerSubject(customer, apply, documents, balance)


async def test_the_table_of_invoices_holds_on_every_store(
    ledger: Ledger, clock: ManualClock
) -> None:
    began = clock.instant
    for rule, steps in SCENARIOS:
        clock.instant = began
        own = await subject(ledger, clock)
        try:
            await run(own, steps)
        except AssertionError as error:
            raise AssertionError(rule) from error
    await verified(ledger)


async def test_a_subscription_is_played_by_a_test_clock_in_its_order(ledger: Ledger) -> None:
    """Six months at one go: each month's invoice with the use of that month, each final an hour later."""
    book = await open_book(ledger)
    made = await ledger.apply(book.id, CreateTestClock(frozen_at=Instant(START), mode=Mode.TEST))
    assert made.clock is not None
    customer = await book.customer(test_clock=made.clock.id)
    owner = (await ledger.customer(book.id, customer)).id

    async def apply(command: Command, at: int) -> Accepted:
        return await ledger.apply(book.id, command)

    async def documents() -> list[Document]:
        asked = DocumentFilter(book=book.id, owner=owner, kind=INVOICE, deleted=None, limit=100)
        return await ledger.documents(asked)

    async def balance() -> Balance | None:
        return await book.balance(customer, CURRENCY)

    own = LedgerSubject(customer, apply, documents, balance)
    for line in ("d0 grant A 10.00", "d0 subscribe S calls every=30", "d0 use calls 50"):
        assert await own.act(read_step(line)) is None
    for month in range(1, 7):
        to = Instant(START + month * 30 * DAY + 60 * SECOND)
        await ledger.apply(book.id, AdvanceTestClock(clock=made.clock.id, to=to))
        await ledger.test_clocks.play(book.id, made.clock.id, 60)
        assert await own.act(Step(to, "use", ["calls", str(month)], {}, {}, None)) is None
    facts = await own.facts(0)
    assert [facts[f"S{month}"] for month in range(1, 7)] == [
        "paid:2.50-2.50",
        "paid:0.05-0.05",
        "paid:0.10-0.10",
        "paid:0.15-0.15",
        "paid:0.20-0.20",
        "draft:0.25-0.25",
    ]
    assert (facts["ledger"], facts["available"]) == ("7.00", "6.75")
    ends = [invoice_of(each.body).period_end for each in (await own.invoices()).values()]
    assert ends == [START + month * 30 * DAY for month in range(1, 7)]
    await verified(ledger)


TAMPERINGS = {
    "UPDATE wallet SET next_due_at = next_due_at + 1": "the wallet is due later",
    "UPDATE document SET due_at = due_at - 1 WHERE due_at IS NOT NULL": "the wallet is due later",
    "UPDATE document SET body = '{}' WHERE kind = 'billing.subscription'": "cannot be read",
    'UPDATE document SET body = replace(body, \'"held":[[\', \'"held":[["00",0],[\') '
    "WHERE due_at IS NOT NULL": "does not name what is held",
    "UPDATE document SET deleted_at = 1 WHERE due_at IS NOT NULL": "was deleted",
    "UPDATE document SET body = replace(body, ',2500000000,', ',2400000000,')": "was debited",
    "UPDATE document SET body = replace(body, '\"returned\":[[', '\"given\":[[')": "went back",
}


async def test_much_usage_is_counted_a_part_at_a_time(
    ledger: Ledger, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage_rows, "COUNTED_AT_ONCE", 2)
    own = await subject(ledger, clock)
    uses = [f"d{day} use calls {day}" for day in range(1, 8)]
    for line in (
        "d0 subscribe S calls tokens every=30",
        *uses,
        "d30 use calls 5 time=d29",
        "d31 read",
    ):
        assert await own.act(read_step(line)) is None
    facts = await own.facts(0)
    assert (facts["S1"], facts["S1.lines"]) == ("open:1.65-0.00", "1.65/0.00")


async def drafted(ledger: Ledger, clock: ManualClock) -> tuple[LedgerSubject, str]:
    """A draft that has set aside 6.00 of a grant over 10.00; and its one hold, as it is written."""
    own = await subject(ledger, clock)
    for line in (
        "d0 grant A 10.00",
        "d0 subscribe S calls every=30",
        "d1 use calls 120",
        "d30 read",
    ):
        assert await own.act(read_step(line)) is None
    [charged] = invoice_of((await own.invoices())["S1"].body).lines
    assert charged.hold is not None
    return own, charged.hold


async def test_what_a_draft_has_set_aside_is_nobody_elses_to_use_or_to_let_go(
    ledger: Ledger, clock: ManualClock
) -> None:
    own, name = await drafted(ledger, clock)
    hold = unhexed(name)
    for command in (
        Release(hold=hold),
        Capture(hold=hold, amount=ONE),
        Extend(hold=hold, expires_in=9),
    ):
        with pytest.raises(FieldInvalid, match="a draft invoice's own"):
            await own.apply(command, clock.instant)
    await own.act(read_step("d31 read"))
    assert (await own.facts(0))["S1"] == "paid:6.00-6.00"
    with pytest.raises(HoldEnded):
        await own.apply(Release(hold=hold), clock.instant)
    await verified(ledger)


async def test_what_is_asked_again_under_its_key_is_answered_and_not_done_again(
    ledger: Ledger, clock: ManualClock
) -> None:
    own, _ = await drafted(ledger, clock)
    draft = (await own.invoices())["S1"].id
    place: dict[str, Any] = {"customer": own.customer, "entitlement": CURRENCY, "kind": INVOICE}
    finalize = Act(**place, action=FinalizeInvoice(invoice=draft))
    [book] = {each.book for each in await own.documents()}
    key = LedgerKey("test", "one")

    def render(accepted: Accepted) -> Answer:
        assert accepted.operation is not None
        return Answer(status=200, body=accepted.operation.id)

    first, again = [await ledger.submit(book, finalize, render, key=key) for _ in range(2)]
    assert (first.body, first.replayed, again.replayed) == (again.body, False, True)
    other = Act(**place, action=VoidInvoice(invoice=draft))
    with pytest.raises(KeyReused):
        await ledger.submit(book, other, render, key=key)
    await verified(ledger)


async def test_a_grant_of_somebody_on_a_test_clock_can_be_voided_though_a_draft_waits(
    database: Database, clock: ManualClock
) -> None:
    """By a process that has heard of nothing yet, neither of the clock."""
    ledger = open_ledger_on(await database.open(), clock)
    book = await open_book(ledger)
    made = await ledger.apply(book.id, CreateTestClock(frozen_at=Instant(START), mode=Mode.TEST))
    assert made.clock is not None
    customer = await book.customer(test_clock=made.clock.id)
    own = await subject_of(ledger, clock, book, customer)
    for line in ("d0 grant A 10.00", "d0 subscribe S calls every=30", "d0 use calls 50"):
        assert await own.act(read_step(line)) is None
    to = Instant(START + 30 * DAY)
    await ledger.apply(book.id, AdvanceTestClock(clock=made.clock.id, to=to))
    await ledger.test_clocks.play(book.id, made.clock.id, 60)
    await ledger.close()
    ledger = open_ledger_on(await database.open(), clock)
    again = await subject_of(ledger, clock, Book(ledger, book.id), customer)
    again.grants, again.subscriptions = own.grants, own.subscriptions
    await again.apply(VoidGrant(grant=own.grants["A"]), to)
    assert (await again.facts(0))["S1"] == "draft:2.50-0.00"
    await verified(ledger)
    await ledger.close()


async def test_a_grant_that_is_held_for_work_cannot_be_voided_whatever_drafts_have_set_aside(
    ledger: Ledger, clock: ManualClock
) -> None:
    own, _ = await drafted(ledger, clock)
    asked = Authorize(customer=own.customer, entitlement=CURRENCY, amount=ONE)
    held = (await own.apply(asked, clock.instant)).hold
    assert held is not None
    void = VoidGrant(grant=own.grants["A"])
    with pytest.raises(GrantHeld, match=r"^1 of the grant is held"):
        await own.apply(void, clock.instant)
    await own.apply(Release(hold=held.id), clock.instant)
    voided = await own.apply(void, clock.instant)
    assert voided.amount == 1000 * STEP
    facts = await own.facts(0)
    assert (facts["S1"], facts["ledger"]) == ("draft:6.00-0.00", "0.00")
    await verified(ledger)


@pytest.mark.parametrize(("statement", "fault"), TAMPERINGS.items())
async def test_verify_finds_a_document_that_was_changed_by_hand(
    database: Database, clock: ManualClock, statement: str, fault: str
) -> None:
    ledger = open_ledger_on(await database.open(), clock)
    own = await subject(ledger, clock)
    for line in (
        "d0 grant A 10.00",
        "d0 subscribe S calls every=30",
        "d0 use calls 50",
        "d31 use calls 250",
        "d60+1h read",
        "d61 void S2",
        "d61 use calls 50",
        "d90 read",
    ):
        assert await own.act(read_step(line)) is None
    await verified(ledger)
    await ledger.close()
    await tamper(database.url, statement)
    ledger = open_ledger_on(await database.open(), clock)
    with pytest.raises(Fault, match=fault):
        await verified(ledger)
    await ledger.close()
