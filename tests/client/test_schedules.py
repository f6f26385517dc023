"""Schedules by the client, on the real server."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from drawdown.client import Client, ScheduleNotFound, ScheduleOver

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
