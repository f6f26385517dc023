"""Who is told of an import: the native feed of what it brought, the vendor's webhooks of nothing."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import msgspec

from drawdown.core.amounts import Amount
from drawdown.core.commands import AmendCustomer, IssueGrant, VoidGrant
from drawdown.core.types import Mode
from drawdown.dialects.native.events import FORMAT as NATIVE
from drawdown.dialects.sequence import imported
from drawdown.dialects.sequence.notifications.events import FORMAT as SEQUENCE
from drawdown.engine.ports import CustomerFilter
from drawdown.opening import open_ledger
from drawdown.webhooks.events import Event
from tests.importing.here import Here
from tests.importing.sequence.saved import an_account

ACCOUNT = an_account()
ADA = ACCOUNT.customers[0]["id"]


def test_an_import_is_news_of_the_native_feed_and_not_of_the_vendors(
    file: Here, saved: Path
) -> None:
    """The vendor told of it when it happened; what had ended since its pages were made is news.

    What happens here is told by the ids that it gave.
    """
    assert file.bring(saved).code == 0
    native, told = asyncio.run(_all_told(file.url))
    counted = Counter(each.type for each in native)
    assert counted["grant.created"] == len(ACCOUNT.grants) + 1
    assert counted["grant.voided"] == 2
    shown = [msgspec.json.decode(each.body) for each in told]
    types = Counter(each["notificationType"] for each in shown)
    assert types == {
        "CREDIT_GRANT_EXPIRED": 3,
        "CREDIT_GRANT_CREATED": 1,
        "CREDIT_GRANT_VOIDED": 1,
        "CUSTOMER_UPDATED": 1,
    }
    ended = {each["resourceId"] for each in shown if "EXPIRED" in each["notificationType"]}
    assert ended < {each.id for each in ACCOUNT.grants}
    [updated] = [each for each in shown if each["notificationType"] == "CUSTOMER_UPDATED"]
    assert updated["resourceId"] == ADA
    [voided] = [each for each in shown if each["notificationType"] == "CREDIT_GRANT_VOIDED"]
    assert voided["resourceId"] == ACCOUNT.of(ADA)[0].id


async def _all_told(url: str) -> tuple[list[Event], list[Event]]:
    """What each tells of all that ever happened, once a customer was changed, a grant made and one voided."""
    native: list[Event] = []
    told: list[Event] = []
    async with open_ledger(url, jobs=False) as ledger:
        [account] = await ledger.accounts.accounts()
        book = await ledger.accounts.book(account.id, Mode.TEST)
        old = await imported.find(ledger, book, ACCOUNT.of(ADA)[0].id)
        assert old is not None
        await ledger.apply(book, AmendCustomer(customer=ADA, name="Ada L."))
        await ledger.apply(book, IssueGrant(customer=ADA, entitlement="usd", amount=Amount(1)))
        await ledger.apply(book, VoidGrant(grant=old))
        people = await ledger.customers(CustomerFilter(book=book, limit=100))
        async for each in ledger.store.walk_operations(book, [one.id for one in people]):
            native += await NATIVE.render(ledger, each)
            told += await SEQUENCE.render(ledger, each)
    return native, told
