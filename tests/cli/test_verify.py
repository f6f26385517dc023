"""`drawdown verify`: what it finds, and that it finds it."""

from __future__ import annotations

import asyncio

import pytest

from drawdown.core.amounts import Amount
from drawdown.core.commands import CreateCustomer, CreateEntitlement, Debit, IssueGrant
from drawdown.core.types import Mode
from drawdown.opening import open_ledger
from tests.support.commands import drawdown
from tests.support.stores import tamper


async def fill(url: str) -> None:
    """A ledger with one customer who was granted 20 USD and used 0.0042 of them."""
    async with open_ledger(url, jobs=False) as ledger:
        account = await ledger.accounts.create_account("default")
        book = await ledger.accounts.book(account.id, Mode.TEST)
        await ledger.apply(book, CreateCustomer(own_id="ada"))
        await ledger.apply(book, IssueGrant(customer="ada", entitlement="usd", amount=Amount(20)))
        spend = Debit(customer="ada", entitlement="usd", amount=Amount(42, 4))
        await ledger.apply(book, spend)


def test_a_ledger_in_order_verifies(database_url: str) -> None:
    """The totals are double entry: what was granted is all somewhere."""
    asyncio.run(fill(database_url))
    ran = drawdown("verify", "--database", database_url, "--json")
    assert ran.json() == {
        "ok": True,
        "wallets": 1,
        "entries": 2,
        "usage_events": 0,
        "totals": {
            "usd": {
                "granted": "20",
                "posted": "19.9958",
                "pending": "0",
                "used": "0.0042",
                "expired": "0",
                "voided": "0",
            }
        },
    }
    shown = drawdown("verify", "--database", database_url)
    assert shown.code == 0
    assert "1 wallet, 2 entries: all in order." in shown.out
    assert "19.9958" in shown.out


def test_an_empty_ledger_verifies(database_url: str) -> None:
    """Nothing is in order too."""
    drawdown("accounts", "create", "north", "--database", database_url)
    assert drawdown("verify", "--database", database_url, "--json").json()["wallets"] == 0


def test_totals_of_one_code_at_two_scales_are_not_mixed_up(database_url: str) -> None:
    """Books are apart: each may have tokens of its own, and the sums are of amounts, not of units."""

    async def fill_both() -> None:
        async with open_ledger(database_url, jobs=False) as ledger:
            account = await ledger.accounts.create_account("default")
            for mode, scale in ((Mode.TEST, 0), (Mode.LIVE, 2)):
                book = await ledger.accounts.book(account.id, mode)
                kind = CreateEntitlement(code="tokens", unit="token", scale=scale)
                await ledger.apply(book, kind)
                await ledger.apply(book, CreateCustomer(own_id="ada"))
                amount = Amount(5) if scale == 0 else Amount(125, 2)
                grant = IssueGrant(customer="ada", entitlement="tokens", amount=amount)
                await ledger.apply(book, grant)

    asyncio.run(fill_both())
    totals = drawdown("verify", "--database", database_url, "--json").json()["totals"]["tokens"]
    assert (totals["granted"], totals["posted"]) == ("6.25", "6.25")


TAMPERED = {
    "an amount": "UPDATE entry SET amount = amount + 1 WHERE seq = 2",
    "a balance": "UPDATE wallet SET posted = posted + 1, used = used - 1",
    "a total": "UPDATE wallet SET granted = granted + 1, used = used + 1",
    "what a grant was": "UPDATE credit_grant SET amount = amount - 1, remaining = remaining - 1",
    "a time": "UPDATE entry SET at = at - 1 WHERE seq = 1",
    "a missing entry": "DELETE FROM entry WHERE seq = 2",
    "a missing wallet": "DELETE FROM wallet",
    "a missing claim": "DELETE FROM claim WHERE space = 'customer.own_id'",
    "a missing operation": "DELETE FROM operation WHERE kind = 'debit'",
}


@pytest.mark.parametrize("what", TAMPERED)
def test_a_changed_database_does_not_verify(database_url: str, what: str) -> None:
    """Exits 1 and names the first fault, for people and for programs."""
    asyncio.run(fill(database_url))
    asyncio.run(tamper(database_url, TAMPERED[what]))
    failure = drawdown("verify", "--database", database_url).failure()
    assert "does not add up" in failure
    ran = drawdown("verify", "--database", database_url, "--json")
    assert ran.code == 1
    assert '"ok": false' in ran.out
    assert '"fault"' in ran.out
