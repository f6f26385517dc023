"""Who is told of an import: the native feed of what it brought, the vendor's events of nothing."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import msgspec

from drawdown.core.amounts import Amount
from drawdown.core.commands import AmendGrant, Debit
from drawdown.core.types import Mode
from drawdown.dialects.native.events import FORMAT as NATIVE
from drawdown.dialects.stripe.webhooks.events import FORMAT as STRIPE
from drawdown.engine.ports import CustomerFilter
from drawdown.opening import open_ledger
from drawdown.webhooks.events import Event
from tests.importing.here import Here
from tests.importing.stripe.saved import an_account

ACCOUNT = an_account()
ADA = ACCOUNT.customers[1]["id"]


def test_an_import_is_news_of_the_native_feed_and_not_of_the_vendors(
    file: Here, saved: Path
) -> None:
    """The vendor told of it when it happened; what had ended since its pages were made is news.

    What happens here is told by the ids that it gave.
    """
    assert file.bring(saved).code == 0
    native, told = asyncio.run(_all_told(file.url))
    counted = Counter(each.type for each in native)
    assert counted["grant.created"] == 15
    assert counted["grant.voided"] == 1
    late, applied, updated = [msgspec.json.decode(each.body) for each in told]
    assert late["data"]["object"]["debit"]["type"] == "credits_expired"
    assert applied["type"] == "billing.credit_balance_transaction.created"
    grant = ACCOUNT.of(ADA)[2]
    assert applied["data"]["object"]["credit_grant"] == grant.id
    assert (updated["type"], updated["data"]["object"]["id"]) == (
        "billing.credit_grant.updated",
        grant.id,
    )
    assert updated["data"]["object"]["created"] == grant.shown["created"]


async def _all_told(url: str) -> tuple[list[Event], list[Event]]:
    """What each tells of all that ever happened, once some of a grant was used and its metadata changed."""
    native: list[Event] = []
    told: list[Event] = []
    async with open_ledger(url, jobs=False) as ledger:
        [account] = await ledger.accounts.accounts()
        book = await ledger.accounts.book(account.id, Mode.TEST)
        used = await ledger.apply(book, Debit(customer=ADA, entitlement="usd", amount=Amount(1)))
        amend = AmendGrant(grant=used.entries[0].grant, metadata={"note": "used"})
        await ledger.apply(book, amend)
        people = await ledger.customers(CustomerFilter(book=book, limit=100))
        async for each in ledger.store.walk_operations(book, [one.id for one in people]):
            native += await NATIVE.render(ledger, each)
            told += await STRIPE.render(ledger, each)
    told.sort(key=lambda each: each.position)
    return native, told
