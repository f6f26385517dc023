"""Accounts in a copy: their days stay where they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from drawdown.engine.clocks import ManualClock
from drawdown.opening import open_store
from drawdown.store.copier import open_copier
from tests.copy.test_passes import finished, quiet
from tests.support.books import START, open_ledger_on

pytestmark = pytest.mark.anyio


async def test_the_zone_of_an_account_is_copied_also_when_it_changes_meanwhile(
    path: Path, target: str
) -> None:
    ledger = open_ledger_on(await open_store(f"sqlite:///{path}"), ManualClock(START))
    account = await ledger.accounts.create_account("abroad", "America/Havana")
    async with open_copier(path, target, quiet, begin=True) as copier:
        await copier.catch_up()
    await ledger.accounts.set_zone(account.id, "Asia/Kathmandu")
    await ledger.close()
    assert (await finished(path, target)).fault is None
    copied = open_ledger_on(await open_store(target), ManualClock(START))
    assert await copied.accounts.zone_of(account.id) == "Asia/Kathmandu"
    [found] = await copied.accounts.accounts()
    assert (found.id, found.zone) == (account.id, "Asia/Kathmandu")
    await copied.close()
