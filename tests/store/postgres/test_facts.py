"""What a process keeps of the database is what cannot change, and nothing else for longer than a second."""

from __future__ import annotations

import asyncio
from unittest.mock import patch

import asyncpg
import pytest

from drawdown.core.errors import CustomerNotFound
from drawdown.core.state import CUSTOMER_OWN_ID, ENTITLEMENT_CODE, ENTITLEMENT_NAME
from drawdown.core.types import Id
from drawdown.store.postgres import facts
from drawdown.store.postgres.facts import Facts
from drawdown.store.postgres.store import PostgresStore
from tests.support.books import CREDITS, open_book, open_ledger_on

pytestmark = pytest.mark.anyio

BOOK, TARGET = Id(bytes(16)), Id(b"\1" * 16)


def test_a_name_that_may_lead_elsewhere_one_day_is_not_kept() -> None:
    known = Facts()
    for space in (CUSTOMER_OWN_ID, ENTITLEMENT_CODE, ENTITLEMENT_NAME):
        known.note_name((BOOK, space, "x"), TARGET)
    kept = [known.name((BOOK, space, "x")) for space in (CUSTOMER_OWN_ID, ENTITLEMENT_CODE)]
    assert kept == [TARGET, TARGET]
    assert known.name((BOOK, ENTITLEMENT_NAME, "x")) is None


def test_so_many_names_are_kept_and_the_oldest_go_first() -> None:
    known = Facts()
    with patch.object(facts, "NAMES_KEPT", 3):
        for number in range(5):
            known.note_name((BOOK, CUSTOMER_OWN_ID, str(number)), TARGET)
    found = [known.name((BOOK, CUSTOMER_OWN_ID, str(number))) for number in range(5)]
    assert found == [None, None, TARGET, TARGET, TARGET]


async def test_a_name_that_leads_nowhere_is_asked_for_again(url: str) -> None:
    """Another process may have given it meanwhile."""
    ours, theirs = [open_ledger_on(await PostgresStore.open(url)) for _ in range(2)]
    book = await open_book(ours)
    other = type(book)(theirs, book.id)
    with pytest.raises(CustomerNotFound):
        await other.balance("late")
    with pytest.raises(CustomerNotFound):
        await other.debit("late", 1)
    await book.customer(own_id="late")
    await book.grant("late", 5)
    await other.debit("late", 1)
    assert (await other.balance("late")).posted == 4
    for ledger in (ours, theirs):
        await ledger.close()


async def test_an_entitlement_is_seen_as_it_is_within_a_second(url: str) -> None:
    ledger = open_ledger_on(await PostgresStore.open(url))
    book = await open_book(ledger)
    before = await ledger.entitlement(book.id, CREDITS)
    connection = await asyncpg.connect(url)
    await connection.execute("UPDATE entitlement SET name = 'changed'")
    await connection.close()
    assert before.name != "changed"
    await asyncio.sleep(facts.ENTITLEMENT_SECONDS)
    assert (await ledger.entitlement(book.id, CREDITS)).name == "changed"
    await ledger.close()
