"""`verify` finds what only PostgreSQL could have lost: entries apart from their operations."""

from __future__ import annotations

import pytest

from drawdown.core.fold import Fault
from tests.store.test_tampering import busy
from tests.support.books import verified
from tests.support.stores import OpenedByUrl, tamper

pytestmark = pytest.mark.anyio

#: What is done to the database, and what the fault must speak of.
TAMPERINGS = {
    "UPDATE operation SET spans = '{}' WHERE kind = 'hold'": "other entries than they say",
    "UPDATE operation SET id = gen_random_uuid() WHERE kind = 'debit'": "of no operation",
    "DELETE FROM operation WHERE kind = 'reverse'": "of no operation",
    "INSERT INTO entry SELECT slot, gen_random_uuid(), entitlement, seq, operation, ordinal, grant_id,"
    " kind, amount, posted_before, posted_after, held_before, held_after, overage_before,"
    " overage_after, grant_before, grant_after, at, recorded_at, hash, order_key FROM entry"
    " WHERE seq = 1": "entries are kept",
}


@pytest.mark.parametrize("tampering", TAMPERINGS)
async def test_a_change_behind_its_back_is_found(url: str, tampering: str) -> None:
    ledger = await busy(OpenedByUrl(url))
    await tamper(url, tampering)
    with pytest.raises(Fault, match=TAMPERINGS[tampering]):
        await verified(ledger)
    await ledger.close()
