"""What is done to credit beyond debits: scopes, corrections, several wallets, other instants."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from drawdown.client import (
    AdjustmentTooLarge,
    Client,
    GrantHeld,
    GrantPending,
    HoldEnded,
    InsufficientCredit,
    OverageRule,
)

LATER = datetime(2090, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def first(ada: Client) -> str:
    """Her grant of 100 tokens."""
    [grant] = ada.grants(customer="ada")
    return grant.id


def test_scoped_credit_pays_only_for_what_it_is_for(ada: Client) -> None:
    """A refusal tells what this debit could draw, and what is there in all."""
    scope = {"model": ["gpt-4o", "o3"], "region": ("eu",)}
    scoped = ada.grant("ada", "tokens", 50, scope=scope, expires_at=LATER)
    assert scoped.scope == {"model": ["gpt-4o", "o3"], "region": ["eu"]}
    with pytest.raises(InsufficientCredit) as caught:
        ada.debit("ada", "tokens", 120, attributes={"model": "o3"})
    assert (caught.value.needed, caught.value.available, caught.value.available_total) == (
        Decimal(120),
        Decimal(100),
        Decimal(150),
    )
    made = ada.debit("ada", "tokens", 120, attributes={"model": "o3", "region": "eu"})
    assert [draw.amount for draw in made.draws] == [50, 70]


def test_a_grant_is_amended(ada: Client, first: str) -> None:
    """What is left out stays; a None deletes a key, and lets a grant live for ever."""
    amended = ada.amend_grant(first, expires_at=LATER, metadata={"a": 1, "b": 2})
    assert (amended.expires_at, amended.metadata) == (LATER, {"a": 1, "b": 2})
    amended = ada.amend_grant(first, metadata={"a": None})
    assert (amended.expires_at, amended.metadata) == (LATER, {"b": 2})
    assert ada.amend_grant(first, expires_at=None).expires_at is None
    assert ada.get_grant(first).metadata == {"b": 2}


def test_a_grant_is_given_with_what_is_carried_of_it(ada: Client) -> None:
    terms = {"percentage": 75, "timeframe": {"unit": "month", "count": 3}, "maximum": "50"}
    made = ada.grant("ada", "tokens", 9, expires_at=LATER, rollover=terms)
    assert made.rollover is not None
    assert made.rollover.timeframe is not None
    assert (made.rollover.percentage, made.rollover.maximum) == (75, Decimal(50))
    assert (made.rollover.timeframe.unit, made.rollover.timeframe.count) == ("month", 3)
    assert ada.get_grant(made.id).rollover == made.rollover


def test_a_grant_is_adjusted(ada: Client, first: str) -> None:
    """Down by free credit, up by what was used; more is refused with what would be right."""
    down = ada.adjust_grant(first, "down", "40.5", reason="sent twice")
    assert (down.direction, down.amount, down.available) == (
        "down",
        Decimal("40.5"),
        Decimal("59.5"),
    )
    assert down.grant.used == Decimal("40.5")
    up = ada.adjust_grant(first, "up", "0.5")
    assert up.grant.remaining == up.available == 60
    with pytest.raises(AdjustmentTooLarge) as caught:
        ada.adjust_grant(first, "down", 61)
    assert caught.value.maximum == 60


def test_what_is_held_or_pending_has_rules_of_its_own(ada: Client, first: str) -> None:
    pending = ada.grant("ada", "tokens", 5, effective_at=LATER, expires_at=None)
    with pytest.raises(GrantPending):
        ada.adjust_grant(pending.id, "down", 1)
    with ada.hold("ada", "tokens", 30):
        assert ada.get_grant(first).held == 30
        with pytest.raises(GrantHeld):
            ada.void_grant(first)
    assert ada.void_grant(first).state == "voided"


def test_a_spend_goes_over_several_wallets(ada: Client) -> None:
    """The first pays as far as it goes, each at its own price."""
    ada.grant("ada", "usd", 1)
    made = ada.spend("ada", 110, [("tokens", 1), ("usd", "0.04")], attributes={"job": "render"})
    assert (made.quantity, made.spent, made.unpaid) == (Decimal(110), Decimal(110), Decimal(0))
    assert [(part.entitlement, part.quantity, part.amount) for part in made.parts] == [
        ("tokens", Decimal(100), Decimal(100)),
        ("usd", Decimal(10), Decimal("0.4")),
    ]
    assert made.parts[1].available == Decimal("0.6")
    found = ada.get_spend(made.id)
    assert (found.quantity, found.attributes) == (Decimal(110), {"job": "render"})
    read = ada.get_debit(made.id)
    assert read.amount is None
    assert read.parts is not None
    assert [part.amount for part in read.parts] == [100, Decimal("0.4")]


def test_a_spend_is_all_or_nothing_unless_it_may_be_partial(ada: Client) -> None:
    """What a refusal names are quantities."""
    with pytest.raises(InsufficientCredit) as caught:
        ada.spend("ada", 60, [("tokens", 2)])
    assert (caught.value.needed, caught.value.available) == (Decimal(60), Decimal(50))
    made = ada.spend("ada", 60, [("tokens", 2)], partial=True)
    assert (made.spent, made.unpaid) == (Decimal(50), Decimal(10))


def test_a_spend_is_reversed_whole_or_one_wallets_part(ada: Client) -> None:
    ada.grant("ada", "usd", 1)
    made = ada.spend("ada", 110, [("tokens", 1), ("usd", "0.04")])
    part = ada.reverse(made.id, entitlement="usd", amount="0.1")
    assert (part.entitlement, part.amount, part.available) == (
        "usd",
        Decimal("0.1"),
        Decimal("0.7"),
    )
    rest = ada.reverse(made.id)
    assert rest.parts is not None
    assert {part.entitlement: part.amount for part in rest.parts} == {
        "tokens": Decimal(100),
        "usd": Decimal("0.3"),
    }
    assert ada.balance("ada", "usd").available == 1


def test_the_end_of_a_hold_frees_its_grant(ada: Client) -> None:
    hold = ada.hold("ada", "tokens", 30, expires_at=datetime.now(UTC) + timedelta(hours=1))
    ada.capture(hold.id, 10, final=True)
    with pytest.raises(HoldEnded):
        ada.release(hold.id)
    assert ada.balance("ada", "tokens").available == 90


def test_usage_goes_past_zero_as_far_as_the_rule_says(ada: Client) -> None:
    rule = OverageRule(mode="limited", limit=20, price_per_unit=("0.5", "usd"))
    overage = ada.amend_entitlement("tokens", overage=rule).overage
    assert overage.price_per_unit is not None
    assert (overage.mode, overage.behavior) == ("limited", "forgive_at_reset")
    assert overage.limit == 20
    made = ada.debit("ada", "tokens", 105)
    assert made.overage == made.overage_charged == 5
    with pytest.raises(InsufficientCredit) as caught:
        ada.debit("ada", "tokens", 16)
    assert caught.value.available == 0
    assert caught.value.overage_available == 15
    undone = ada.reverse(made.id, amount=6)
    assert undone.amount == 6
    assert undone.overage_reversed == 5
    ada.debit("ada", "tokens", 4)
    ended = ada.reset_overage("ada", "tokens")
    assert ended.amount == 3
    assert ended.overage == 0
    assert [entry.grant for entry in ada.entries("ada")][:2] == [None, None]
    ada.amend_entitlement("tokens", overage=OverageRule(mode="off"))
    with pytest.raises(InsufficientCredit) as caught:
        ada.debit("ada", "tokens", 1)
    assert caught.value.overage_available is None
