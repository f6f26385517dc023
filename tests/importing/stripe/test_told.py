"""Who is told of an import: the native feed of what it brought, the vendor's events of nothing."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

from drawdown.core.types import Mode
from drawdown.dialects.native.events import FORMAT as NATIVE
from drawdown.dialects.stripe.webhooks.events import FORMAT as STRIPE
from drawdown.engine.ports import CustomerFilter
from drawdown.opening import open_ledger
from drawdown.webhooks.events import Event
from tests.importing.here import Here


def test_an_import_is_news_of_the_native_feed_and_not_of_the_vendors(
    file: Here, saved: Path
) -> None:
    """The vendor told of it when it happened; what had ended since its pages were made is news."""
    assert file.bring(saved).code == 0
    native, told = asyncio.run(_all_told(file.url))
    counted = Counter(each.type for each in native)
    assert counted["grant.created"] == 15
    assert counted["grant.voided"] == 1
    assert [each.type for each in told] == ["billing.credit_balance_transaction.created"]
    assert b'"credits_expired"' in told[0].body


async def _all_told(url: str) -> tuple[list[Event], list[Event]]:
    native: list[Event] = []
    told: list[Event] = []
    async with open_ledger(url, jobs=False) as ledger:
        [account] = await ledger.accounts.accounts()
        book = await ledger.accounts.book(account.id, Mode.TEST)
        people = await ledger.customers(CustomerFilter(book=book, limit=100))
        async for each in ledger.store.walk_operations(book, [one.id for one in people]):
            native += await NATIVE.render(ledger, each)
            told += await STRIPE.render(ledger, each)
    return native, told
