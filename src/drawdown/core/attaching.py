"""Putting a customer who is there already on a test clock: from then on, and for life, that is his now."""

from __future__ import annotations

import msgspec

from drawdown.core import clocks
from drawdown.core.amending import record, stored_customer
from drawdown.core.commands import CreateTestClock
from drawdown.core.context import find_entitlement, settled_context
from drawdown.core.errors import CustomerClosed, FieldInvalid
from drawdown.core.identity import relocate, slot_of
from drawdown.core.requests import Accepted, Request
from drawdown.core.state import State
from drawdown.core.times import text_of
from drawdown.core.types import Customer, Id, Instant, TestClock


def id_of(request: Request, customer: Id) -> Id:
    """The clock's id: it is made where its customer lives."""
    return relocate(request.id, slot_of(customer))


def create_clock(request: Request, command: CreateTestClock, state: State) -> Accepted:
    """A clock, and who is to live by it. One made by the same request before is answered.

    Raises ``CustomerNotFound``, ``CustomerClosed``, and ``FieldInvalid`` for a customer who is on a clock
    already, and for a time before something of his.
    """
    if command.customer is None:
        return clocks.create_clock(request, command, state)
    clocks.check_mode(command)
    customer = stored_customer(request, command.customer, state)
    made = state.clocks.get(id_of(request, customer.id))
    if made is None:
        _check(customer, command.frozen_at, state)
        made = clocks.new_clock(request, command, id_of(request, customer.id), state)
        _attach(request, customer, made, state)
    return Accepted(clock=made)


def _check(customer: Customer, frozen_at: Instant, state: State) -> None:
    if customer.closed_at is not None:
        raise CustomerClosed()
    if customer.test_clock is not None:
        raise FieldInvalid("customer", "one who is on no test clock; he stays on his for life")
    latest = max((event.time for event in state.latest_events[customer.id]), default=Instant(0))
    for key in state.customer_wallets[customer.id]:
        wallet = state.wallets[key]
        assert wallet is not None
        latest = max(latest, wallet.last_at)
    if latest > frozen_at:
        rule = f"no earlier than what was last recorded of the customer, at {text_of(latest)}"
        raise FieldInvalid("frozen_at", rule)


def _attach(request: Request, customer: Customer, clock: TestClock, state: State) -> None:
    """What falls due by the clock's time is done at once: nothing waits for it that does not move."""
    after = msgspec.structs.replace(customer, test_clock=clock.id)
    state.customers[customer.id] = after
    told = record(
        request,
        customer,
        "test_clock_for",
        {"test_clock": clock.id},
        clocks.facts_of(clock),
        state,
    )
    assert told.operation is not None
    told.operation.subject = clock.id
    for key in state.customer_wallets[customer.id]:
        wallet = state.wallets[key]
        assert wallet is not None
        state.changes.clocked_wallets[key] = wallet
        entitlement = find_entitlement(request, key[1], state)
        settled_context(request, after, entitlement, state)
