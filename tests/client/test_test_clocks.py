"""Test clocks by the client, on the real server."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from drawdown.client import Client, ClockNotFound, CustomerClosed, Invalid

BEGAN = datetime(2031, 1, 31, tzinfo=UTC)
SOON, LATER = datetime(2031, 2, 1, tzinfo=UTC), datetime(2031, 3, 1, tzinfo=UTC)


def test_time_passes_when_it_is_told_to(client: Client) -> None:
    clock = client.create_test_clock(BEGAN, name="Renewal")
    assert (clock.frozen_at, clock.status, clock.name) == (BEGAN, "ready", "Renewal")
    customer = client.create_customer("clocked", test_clock=clock.id)
    assert (customer.test_clock, customer.created_at) == (clock.id, BEGAN)
    client.create_entitlement("tokens", unit="token", scale=0)
    client.grant("clocked", "tokens", 10, expires_at=SOON)
    assert client.balance("clocked", "tokens").available == 10
    found = client.advance_test_clock(clock.id, LATER)
    while found.status == "advancing":
        found = client.get_test_clock(clock.id)
    assert (found.frozen_at, found.target, found.progress) == (LATER, None, None)
    assert client.balance("clocked", "tokens").available == 0
    assert [each.id for each in client.test_clocks()] == [clock.id]
    with pytest.raises(Invalid):
        client.advance_test_clock(clock.id, SOON)
    assert client.delete_test_clock(clock.id).deleted
    with pytest.raises(ClockNotFound):
        client.get_test_clock(clock.id)
    with pytest.raises(CustomerClosed):
        client.grant("clocked", "tokens", 1)
