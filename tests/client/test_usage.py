"""Usage by the client, on the real server: meters, rates, events and their overrides."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from drawdown.client import (
    Client,
    CustomerNotFound,
    EventReused,
    Invalid,
    MeterNotFound,
    NewEvent,
    RateNotFound,
    UsageEventNotFound,
)

JANUARY = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
def metered(ada: Client) -> Client:
    """Each token of a call costs half a credit of ada's 100."""
    ada.create_meter("calls", event_name="call", aggregation="sum", property="tokens")
    ada.create_rate("calls", "tokens", price={"model": "per_unit", "price": "0.5"})
    return ada


def test_an_event_is_recorded_once_and_overridden(metered: Client) -> None:
    first = metered.record_event("e1", "ada", "call", time=JANUARY, properties={"tokens": 7})
    assert (first.time, first.overridden) == (JANUARY, False)
    [charge] = first.charges
    assert charge.amount == charge.drawn == Decimal("3.5")
    assert charge.uncovered == 0
    again = metered.record_event("e1", "ada", "call", properties={"tokens": 7})
    assert (again.debit, again.charges, again.replayed) == (first.debit, first.charges, True)
    with pytest.raises(EventReused):
        metered.record_event("e1", "ada", "call", properties={"tokens": 8})
    other = metered.record_event("e1", "ada", "call", properties={"tokens": 8}, override=True)
    assert other.overridden
    assert other.time == JANUARY
    assert other.charges[0].drawn == 4
    assert metered.get_usage_event("e1") == other
    assert metered.balance("ada", "tokens").available == 96


def test_what_an_event_drew_is_a_debit(metered: Client) -> None:
    event = metered.record_event("e1", "ada", "call", properties={"tokens": 10})
    assert event.debit is not None
    assert metered.get_debit(event.debit).amount == 5
    assert metered.explain(event.debit).draws[0].amount == 5
    assert metered.reverse(event.debit, amount=2).amount == 2
    free = metered.record_event("e2", "ada", "call", properties={"tokens": 0})
    assert free.debit is None


def test_many_events_are_recorded_each_for_itself(metered: Client) -> None:
    events = [NewEvent(f"e{n}", "ada", "call", properties={"tokens": n}) for n in range(3)]
    events += [
        NewEvent("e2", "ada", "call", properties={"tokens": 6}, override=True),
        NewEvent("e3", "nobody", "call", properties={"tokens": 1}),
    ]
    *recorded, overridden, refused = metered.record_events(events)
    assert not any(isinstance(each, Exception) for each in (*recorded, overridden))
    assert isinstance(refused, CustomerNotFound)
    assert [event.id for event in metered.usage_events(customer="ada")] == ["e2", "e1", "e0"]
    assert metered.balance("ada", "tokens").available == Decimal("96.5")


def test_a_rate_is_attached_detached_and_closed(metered: Client) -> None:
    price = {"model": "per_unit", "price": "1"}
    rate = metered.create_rate("calls", "tokens", price=price, customers="attached")
    assert metered.get_rate(rate.id) == rate
    assert rate not in list(metered.rates(customer="ada"))
    attached = metered.attach_rate(rate.id, "ada")
    assert (attached.rate, attached.customer, attached.attached) == (rate.id, "ada", True)
    assert rate in list(metered.rates(customer="ada"))
    assert not metered.detach_rate(rate.id, "ada").attached
    assert metered.close_rate(rate.id).closed_at is not None
    with pytest.raises(Invalid) as caught:
        metered.attach_rate(rate.id, "ada")
    assert caught.value.field == "rate"
    with pytest.raises(RateNotFound):
        metered.get_rate("none")


def test_a_closed_meter_counts_nothing(metered: Client) -> None:
    assert metered.close_meter("calls").closed_at is not None
    assert metered.record_event("e1", "ada", "call", properties={"tokens": 7}).charges == []
    assert [meter.code for meter in metered.meters()] == ["calls"]
    assert metered.reopen_meter("calls").closed_at is None
    [charge] = metered.record_event("e2", "ada", "call", properties={"tokens": 7}).charges
    assert charge.amount == Decimal("3.5")
    assert metered.amend_meter("calls", name="Calls").name == "Calls"
    with pytest.raises(MeterNotFound):
        metered.close_meter("none")
    with pytest.raises(UsageEventNotFound):
        metered.get_usage_event("none")


def test_a_rate_may_be_of_a_schedules_cycles(metered: Client) -> None:
    price = {"model": "per_unit", "price": "1"}
    rate = metered.create_rate("calls", "tokens", price=price, period={"cycle": True})
    assert (rate.period.cycle, rate.period.unit, rate.customers) == (True, "month", "all")
