"""Schedules by the client, on the real server."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from drawdown.client import (
    Client,
    CostBasis,
    InsufficientCredit,
    Invalid,
    OverageRule,
    ScheduleNotFound,
    ScheduleOver,
    Trial,
)

BEGAN = datetime(2031, 1, 31, tzinfo=UTC)
LATER = datetime(2031, 3, 15, tzinfo=UTC)


def test_a_schedule_lives_its_life(client: Client) -> None:
    clock = client.create_test_clock(BEGAN)
    client.create_customer("renewed", test_clock=clock.id)
    client.create_entitlement("tokens", unit="token", scale=0)
    made = client.create_schedule(
        "renewed", "tokens", 100, "month", rollover={"percentage": 50, "maximum": "40"}
    )
    assert (made.state, made.cycle) == ("active", 1)
    assert made.available == Decimal(100)
    assert made.next_at == datetime(2031, 2, 28, tzinfo=UTC)
    assert made.rollover is not None
    assert made.rollover.maximum == Decimal(40)
    found = client.advance_test_clock(clock.id, LATER)
    while found.status == "advancing":
        found = client.get_test_clock(clock.id)
    assert client.balance("renewed", "tokens").available == 140
    now = client.get_schedule(made.id)
    assert (now.cycle, now.next_at) == (2, datetime(2031, 3, 31, tzinfo=UTC))
    assert client.amend_schedule(made.id, 300).next_amount == 300
    assert client.pause_schedule(made.id).state == "paused"
    assert client.resume_schedule(made.id).state == "active"
    assert client.cancel_schedule(made.id, expire_credit=True).available == 0
    assert [each.state for each in client.schedules(customer="renewed")] == ["cancelled"]
    with pytest.raises(ScheduleOver):
        client.pause_schedule(made.id)
    with pytest.raises(ScheduleNotFound):
        client.get_schedule(clock.id)


def test_a_schedule_says_what_was_paid_and_how_far_usage_may_go(client: Client) -> None:
    client.create_customer("owing")
    client.create_entitlement("calls", unit="call", scale=0)
    made = client.create_schedule(
        "owing",
        "calls",
        100,
        "week",
        count=2,
        cost_basis=("15", "usd"),
        overage=OverageRule(mode="limited", limit=50, behavior="carry_deficit"),
        trial={"amount": "10", "ends_at": LATER},
        priority=20,
        scope={"model": ["small"]},
        name="Pro",
        metadata={"plan": "pro"},
    )
    assert made.cost_basis == CostBasis(amount=Decimal(15), currency="usd")
    assert made.overage is not None
    assert (made.overage.limit, made.overage.behavior) == (Decimal(50), "carry_deficit")
    assert made.trial == Trial(amount=Decimal(10), ends_at=LATER, expires=True)
    assert (made.every.unit, made.every.count) == ("week", 2)
    assert (made.priority, made.name, made.metadata) == (20, "Pro", {"plan": "pro"})
    assert client.debit("owing", "calls", 60, attributes={"model": "small"}).overage_charged == 50
    [grant] = client.grants(customer="owing")
    assert (grant.schedule, grant.parent, grant.generation) == (made.id, None, 0)


def test_a_schedule_is_given_another_rule_for_overage_alone(client: Client) -> None:
    client.create_customer("limited")
    client.create_entitlement("images", unit="image", scale=0)
    made = client.create_schedule("limited", "images", 10, "month")
    assert made.overage is None
    amended = client.amend_schedule(made.id, overage=OverageRule(mode="unlimited"))
    assert amended.overage is not None
    assert (amended.amount, amended.overage.mode) == (Decimal(10), "unlimited")
    assert client.debit("limited", "images", 500).overage_charged == 490
    assert client.amend_schedule(made.id, overage=None).overage is None
    with pytest.raises(InsufficientCredit):
        client.debit("limited", "images", 1)
    with pytest.raises(Invalid):
        client.amend_schedule(made.id)


def test_what_was_carried_over_says_where_it_is_from(client: Client) -> None:
    clock = client.create_test_clock(BEGAN)
    client.create_customer("saver", test_clock=clock.id)
    client.create_entitlement("minutes", unit="minute", scale=0)
    made = client.create_schedule("saver", "minutes", 100, "month", rollover={"percentage": 50})
    found = client.advance_test_clock(clock.id, LATER)
    while found.status == "advancing":
        found = client.get_test_clock(clock.id)
    grants = {each.generation: each for each in client.grants(customer="saver", state="active")}
    [first] = client.grants(customer="saver", state="expired")
    assert (grants[1].parent, grants[1].schedule) == (first.id, made.id)
    assert grants[1].remaining == 50
    assert first.rolled_over == 50
