"""How far back a grant may become effective is the asker's rule; the core applies it."""

from __future__ import annotations

import pytest

from drawdown.core.amounts import Amount
from drawdown.core.commands import CreateCustomer, IssueGrant
from drawdown.core.errors import FieldInvalid
from drawdown.core.requests import Accepted, Refused
from drawdown.core.types import MICROSECONDS, Instant
from tests.support.memory import CoreLedger

NOW = Instant(1_800_000_000 * MICROSECONDS)
MINUTE = 60 * MICROSECONDS


def effective_at(asked: int | None, late_max: int | None) -> int | str:
    """When a grant asked for at ``NOW`` becomes effective, or the field it is refused for."""
    ledger = CoreLedger()
    ledger.one(CreateCustomer(own_id="ada"), NOW)
    command = IssueGrant(
        customer="ada",
        entitlement="usd",
        amount=Amount(1),
        effective_at=None if asked is None else Instant(asked),
        late_max=late_max,
    )
    outcome = ledger.one(command, NOW)
    if isinstance(outcome, Refused):
        assert isinstance(outcome.error, FieldInvalid)
        return str(outcome.error.field)
    assert isinstance(outcome, Accepted)
    assert outcome.grant is not None
    return outcome.grant.effective_at


@pytest.mark.parametrize(
    ("asked", "late_max", "expected"),
    [
        (None, None, NOW),
        (None, MINUTE, NOW),
        (NOW - 10 * MINUTE, None, NOW - 10 * MINUTE),
        (NOW - MINUTE, MINUTE, NOW),
        (NOW - MINUTE - 1, MINUTE, "effective_at"),
        (NOW - 1, 0, "effective_at"),
        (NOW + MINUTE, MINUTE, NOW + MINUTE),
    ],
)
def test_a_past_effective_time_is_now_within_the_rule_and_refused_beyond_it(
    asked: int | None, late_max: int | None, expected: int | str
) -> None:
    assert effective_at(asked, late_max) == expected
