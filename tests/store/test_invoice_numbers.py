"""Numbers of invoices on every store: each is given once, whoever asks for it at the same time."""

from __future__ import annotations

import asyncio

import pytest

from drawdown.core.billing import actions
from drawdown.core.billing.records import INVOICE, Invoice, InvoiceStatus, invoice_of
from drawdown.core.commands import Act
from drawdown.core.schedules.calendar import CalendarUnit, Every
from drawdown.core.types import DAY, Document, Id, Instant
from drawdown.engine.clocks import ManualClock
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import DocumentFilter
from tests.support.billing_play import item_of
from tests.support.books import open_book, verified

pytestmark = pytest.mark.anyio

CURRENCIES = ("usd", "eur", "jpy")
#: In each currency.
SUBSCRIPTIONS = 4


async def test_drafts_in_several_currencies_become_final_at_once_without_a_gap(
    ledger: Ledger, clock: ManualClock
) -> None:
    """Each currency is a wallet of its own, so nothing else keeps them apart."""
    book = await open_book(ledger)
    customer = await book.customer()
    owner = (await ledger.customer(book.id, customer)).id

    async def act(currency: str, action: object) -> None:
        command = Act(customer=owner, entitlement=currency, kind=INVOICE, action=action)
        await ledger.apply(book.id, command)

    async def invoices() -> dict[Id, Invoice]:
        asked = DocumentFilter(book=book.id, owner=owner, kind=INVOICE, limit=100)
        found: list[Document] = await ledger.documents(asked)
        return {each.id: invoice_of(each.body) for each in found}

    def subscribed(currency: str) -> actions.Subscribe:
        every = Every(CalendarUnit.MONTH)
        return actions.Subscribe(currency=currency, items=(item_of("calls"),), every=every)

    asked = [(each, subscribed(each)) for each in CURRENCIES for _ in range(SUBSCRIPTIONS)]
    await asyncio.gather(*(act(*each) for each in asked))
    first = [each.number for each in (await invoices()).values()]
    prefix = str(first[0]).split("-", maxsplit=1)[0]
    assert sorted(map(str, first)) == [f"{prefix}-{n:04d}" for n in range(1, 13)]
    clock.instant = Instant(clock.instant + 31 * DAY)
    await asyncio.gather(*(ledger.settle_due(book.id, owner) for _ in range(3)))
    drafts = {
        name: each
        for name, each in (await invoices()).items()
        if each.status is InvoiceStatus.DRAFT
    }
    assert [each.number for each in drafts.values()] == [None] * 12
    await asyncio.gather(
        *(
            act(each.currency, actions.FinalizeInvoice(invoice=name))
            for name, each in drafts.items()
        )
    )
    after = await invoices()
    assert sorted(str(after[name].number) for name in drafts) == [
        f"{prefix}-{n:04d}" for n in range(13, 25)
    ]
    await verified(ledger)
