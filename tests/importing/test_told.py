"""Who is told of an import: the native feed of what it brought, the vendor's webhooks of nothing."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import msgspec

from drawdown.core.amounts import Amount
from drawdown.core.commands import Debit
from drawdown.core.types import Mode
from drawdown.dialects.dodo.webhooks.events import FORMAT as DODO
from drawdown.dialects.native.events import FORMAT as NATIVE
from drawdown.opening import open_ledger
from drawdown.webhooks.events import Event
from tests.importing.here import Here
from tests.importing.saved import Wallet, an_account

ACCOUNT = an_account()


def test_an_import_is_news_of_the_native_feed_and_not_of_the_vendors(
    file: Here, saved: Path
) -> None:
    """The vendor told of it when it happened; of what happens here it is told by the ids that it gave."""
    assert file.bring(saved).code == 0
    wallet = ACCOUNT.wallets[1]
    native, told = asyncio.run(_use_one(file.url, wallet))
    counted = Counter(each.type for each in native)
    assert counted["grant.created"] == 6
    assert counted["grant.expired"] == 1
    assert counted["debit.created"] == 2
    [event] = [msgspec.json.decode(each.body) for each in told]
    assert event["type"] == "credit.deducted"
    assert event["data"]["customer_id"] == wallet.customer
    assert event["data"]["credit_entitlement_id"] == wallet.kind
    assert event["data"]["grant_id"] == wallet.grants[2]["id"]


async def _use_one(url: str, wallet: Wallet) -> tuple[list[Event], list[Event]]:
    """What each tells of all that a customer ever did, once he has used one."""
    native: list[Event] = []
    told: list[Event] = []
    async with open_ledger(url, jobs=False) as ledger:
        [account] = await ledger.accounts.accounts()
        book = await ledger.accounts.book(account.id, Mode.TEST)
        command = Debit(customer=wallet.customer, entitlement=wallet.kind, amount=Amount(1))
        await ledger.apply(book, command)
        person = await ledger.customer(book, wallet.customer)
        async for each in ledger.store.walk_operations(book, [person.id]):
            native += await NATIVE.render(ledger, each)
            told += await DODO.render(ledger, each)
    return native, told
