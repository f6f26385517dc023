"""What is made in a batch can be used in it, on every store that keeps everything together."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from drawdown.core.amounts import Amount
from drawdown.core.commands import (
    CreateCustomer,
    CreateEntitlement,
    Debit,
    IssueGrant,
    Price,
    Spend,
)
from drawdown.core.requests import Accepted, Answer
from drawdown.engine.ledger import Ledger
from tests.support.books import Observed, open_book, verified
from tests.support.postgres import Clusters
from tests.support.stores import TOGETHER, Database, new_database

pytestmark = pytest.mark.anyio


@pytest.fixture(params=TOGETHER)
def database(
    request: pytest.FixtureRequest, tmp_path: Path, clusters: Clusters
) -> Iterator[Database]:
    with new_database(request.param, tmp_path, clusters) as found:
        yield found


def render(accepted: Accepted) -> Answer:
    return Answer(status=200, body=b"{}")


async def test_a_customer_is_made_granted_and_debited_in_one_batch(
    ledger: Ledger, observed: Observed
) -> None:
    """A kind of credit as well; and Stripe's limit counts the grants that the batch itself has made."""
    book = await open_book(ledger)
    observed.sizes.clear()
    grant = IssueGrant(customer="ada", entitlement="tokens", amount=Amount(5), unused_max=2)
    spend = Spend(
        customer="ada",
        quantity=Amount(3),
        wallets=(Price("tokens", Amount(1)), Price("usd", Amount(1))),
        partial=True,
    )
    commands = (
        CreateEntitlement(code="tokens", unit="token", scale=0),
        CreateCustomer(own_id="ada"),
        grant,
        grant,
        Debit(customer="ada", entitlement="tokens", amount=Amount(4)),
        spend,
    )
    answers = await asyncio.gather(*(ledger.submit(book.id, each, render) for each in commands))
    assert [answer.status for answer in answers] == [200] * 6
    assert (observed.sizes, observed.errors) == ([6], [])
    assert (await book.balance("ada", "tokens")).posted == 3
    await verified(ledger)
