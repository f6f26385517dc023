"""A used key takes the same command again, and no other: whatever was given is part of what was asked."""

from __future__ import annotations

import pytest

from drawdown.core.amounts import Amount
from drawdown.core.commands import (
    Authorize,
    Command,
    CreateCustomer,
    Debit,
    IssueGrant,
    Price,
    Spend,
)
from drawdown.core.errors import KeyReused
from drawdown.core.requests import Accepted, LedgerKey, Refused, Replayed
from drawdown.core.types import HOLD_DEFAULT, MICROSECONDS, Instant
from tests.support.memory import CoreLedger

NOW = Instant(1_800_000_000 * MICROSECONDS)
EPOCH = Instant(0)
DEBIT = Debit(customer="ada", entitlement="usd", amount=Amount(1))
HOLD = Authorize(customer="ada", entitlement="usd", amount=Amount(1))
SPEND = Spend(customer="ada", quantity=Amount(1), wallets=(Price("usd", Amount(1)),))
CHANGES: list[tuple[Command, dict[str, object]]] = [
    (DEBIT, {"amount": Amount(2)}),
    (DEBIT, {"attributes": {"model": "o3"}}),
    (DEBIT, {"occurred_at": EPOCH}),
    (DEBIT, {"valid_at": EPOCH}),
    (DEBIT, {"metadata": {"run": 0}}),
    (DEBIT, {"reason": ""}),
    (HOLD, {"expires_in": 0}),
    (HOLD, {"expires_in": HOLD_DEFAULT}),
    (HOLD, {"expires_at": None}),
    (HOLD, {"metadata": {"run": False}}),
    (SPEND, {"partial": True}),
    (SPEND, {"occurred_at": EPOCH}),
    (SPEND, {"wallets": (Price("usd", Amount(2)),)}),
    (SPEND, {"wallets": (Price("usd", Amount(1)), Price("eur", Amount(1)))}),
]


def ledger_with_credit() -> CoreLedger:
    ledger = CoreLedger()
    ledger.one(CreateCustomer(own_id="ada"), NOW)
    ledger.one(IssueGrant(customer="ada", entitlement="usd", amount=Amount(9)), NOW)
    return ledger


@pytest.mark.parametrize(("command", "change"), CHANGES)
def test_a_used_key_is_refused_for_a_command_in_which_anything_else_is_given(
    command: Command, change: dict[str, object]
) -> None:
    ledger, key = ledger_with_credit(), LedgerKey("test", "once")
    assert isinstance(ledger.one(command, NOW, key), Accepted)
    assert isinstance(ledger.one(command, NOW, key), Replayed)
    fields = {name: getattr(command, name) for name in command.__struct_fields__}
    refused = ledger.one(type(command)(**fields | change), NOW, key)
    assert isinstance(refused, Refused)
    assert isinstance(refused.error, KeyReused)
