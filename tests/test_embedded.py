"""``drawdown.open_ledger``: the client's own methods on a database, without a server between."""

from __future__ import annotations

import asyncio
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import pytest

import drawdown
from drawdown.cli.database import with_ledger
from drawdown.cli.verify import walk
from drawdown.client import Client, CustomerNotFound, InsufficientCredit
from tests.support.server import start_server


@pytest.fixture
def url(database_url: str) -> str:
    return database_url


def test_a_program_grants_holds_and_spends_in_its_own_process(url: str) -> None:
    """The database is made on the way; what was done is there when it is opened again."""
    with drawdown.open_ledger(url) as ledger:
        ledger.create_customer(id="ada")
        ledger.grant("ada", "usd", "10")
        with ledger.hold("ada", "usd", "2") as hold:
            hold.capture("0.75")
        with pytest.raises(InsufficientCredit) as refused:
            ledger.debit("ada", "usd", "9.26")
        assert refused.value.available == Decimal("9.25")
    with drawdown.open_ledger(url) as ledger:
        balance = ledger.balance("ada", "usd")
        assert (balance.posted, balance.held) == (Decimal("9.25"), Decimal(0))
        assert [entry.kind for entry in ledger.entries("ada")] == [
            "released",
            "captured",
            "held",
            "granted",
        ]


async def debits_at_once(url: str) -> int:
    async with drawdown.open_ledger(url) as ledger:
        await ledger.create_customer(id="ada")
        await ledger.grant("ada", "usd", "5")
        asked = [ledger.debit("ada", "usd", "0.1") for _ in range(80)]
        outcomes = await asyncio.gather(*asked, return_exceptions=True)
        refused = [outcome for outcome in outcomes if isinstance(outcome, InsufficientCredit)]
        assert (await ledger.balance("ada", "usd")).available == 0
    return len(outcomes) - len(refused)


def test_tasks_share_a_ledger(url: str) -> None:
    """Of 80 debits of 0.1 on 5, exactly 50 are taken."""
    assert asyncio.run(debits_at_once(url)) == 50
    assert with_ledger(url, walk).entries == 51


def test_threads_share_a_ledger_and_leave_none_behind(url: str) -> None:
    before = {*threading.enumerate()}
    with drawdown.open_ledger(url) as ledger:
        ledger.create_customer(id="ada")
        ledger.grant("ada", "usd", "1")
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: ledger.debit("ada", "usd", "0.01"), range(100)))
        assert ledger.balance("ada", "usd").available == 0
    assert {*threading.enumerate()} <= before


def test_a_used_key_replays(url: str) -> None:
    with drawdown.open_ledger(url) as ledger:
        ledger.create_customer(id="ada")
        ledger.grant("ada", "usd", "1")
        first = ledger.debit("ada", "usd", "0.5", idempotency_key="once")
        again = ledger.debit("ada", "usd", "0.5", idempotency_key="once")
        assert (again.id, again.replayed) == (first.id, True)


def test_a_mode_sees_only_its_own_book(url: str) -> None:
    with drawdown.open_ledger(url, mode="test") as ledger:
        ledger.create_customer(id="ada")
    with drawdown.open_ledger(url) as ledger, pytest.raises(CustomerNotFound):
        ledger.get_customer("ada")


def test_a_server_and_a_program_work_on_one_book(url: str, tmp_path: Path) -> None:
    """Each sees what the other did, at once."""
    server = start_server(tmp_path, database=url)
    first_key = re.search(r"sk_test_\w+", "\n".join(server.output))
    assert first_key is not None
    with (
        drawdown.open_ledger(server.database, mode="test") as inside,
        Client(server.url, first_key[0]) as outside,
    ):
        outside.create_customer(id="ada")
        inside.grant("ada", "usd", "3")
        outside.debit("ada", "usd", "1")
        inside.debit("ada", "usd", "1")
        assert outside.balance("ada", "usd").available == 1
    server.stop()


def test_an_account_that_is_not_there_is_told(url: str) -> None:
    with drawdown.open_ledger(url):
        pass
    unknown = drawdown.open_ledger(url, account="acme")
    with pytest.raises(drawdown.AccountUnknown, match="'acme'; the database has default"):
        unknown.__enter__()


def test_a_database_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    """Each in an error that the package offers, so that a program can tell them apart."""
    notes = tmp_path / "notes.txt"
    notes.write_text("no ledger")
    for url, error in (
        (f"sqlite:///{notes}", drawdown.StoreUnusable),
        (f"sqlite:///{tmp_path}/nowhere/ledger.db", drawdown.StoreUnavailable),
        ("mysql://host/name", drawdown.DatabaseUrlInvalid),
    ):
        with pytest.raises(error):
            drawdown.open_ledger(url).__enter__()


def test_a_ledger_is_of_no_use_before_it_is_entered(url: str) -> None:
    with pytest.raises(AttributeError, match=r"with drawdown\.open_ledger"):
        drawdown.open_ledger(url).balance  # noqa: B018


def test_nothing_else_is_offered() -> None:
    with pytest.raises(AttributeError, match="no attribute 'ledger'"):
        drawdown.ledger  # noqa: B018
