"""Usage: an event is counted by its meters, and what it costs is drawn in one operation.

Every rate of the event's name whose meter counts the event moves the customer's count of the period, and
asks for the increase of the truncated cumulative cost. All that is decided before anything moves. Then the
wallets pay, each settled up to one instant, in their burn-down order. The event is kept whatever they can
pay: what they cannot is ``uncovered``, by the rule of the entitlement, and asked for by the rate that charges
the rest, if there is one.
"""

from __future__ import annotations

import msgspec

from drawdown.core.commands import RecordUsage
from drawdown.core.context import Context, begin, commit, find_customer
from drawdown.core.errors import CustomerClosed, FieldInvalid
from drawdown.core.posting import Posting
from drawdown.core.requests import Accepted, ClaimRecord, Request
from drawdown.core.state import USAGE_EVENT, State
from drawdown.core.types import MICROSECONDS, Customer, Id, Instant, Operation
from drawdown.core.usage import meters, rating
from drawdown.core.usage.counting import (
    Counted,
    attributes_of,
    count_of,
    counted_by,
    is_same,
    keep_count,
    keep_value,
    known_event,
    new_event_id,
    usage_time,
)
from drawdown.core.usage.overrides import override_usage
from drawdown.core.usage.paying import (
    Due,
    draw,
    keep_debit,
    pays_in_part,
    settled_wallets,
    uncovered,
    usage_facts,
)
from drawdown.core.usage.quantities import Quantity
from drawdown.core.usage.records import EVENT_ID_MAX, Charge, Debits, Event, is_event_id
from drawdown.core.watching import usage_crossings

#: How far ahead of the ledger's clock an asker's may be.
AHEAD_MAX = 5 * 60 * MICROSECONDS


def record_usage(request: Request, command: RecordUsage, state: State) -> Accepted:
    """Keep an event, count it and draw what it costs. One that is kept already is answered as it is.

    Raises ``EventReused`` when it was another one, and ``FieldInvalid`` for what cannot be counted: then
    nothing is kept.
    """
    customer = find_customer(request, command.customer, state)
    now = state.now_of(customer.id, request.at)
    time = _time_of(request, command, customer.id, state)
    known = known_event(request, command, state)
    if known is not None and is_same(command, customer.id, known):
        return Accepted(customer=customer, event=known)
    if known is not None:
        return override_usage(request, command, customer, known, state)
    if customer.closed_at is not None:
        raise CustomerClosed()
    identifier = new_event_id(request, command, customer.id, state)
    counted = counted_by(request, command, customer.id, identifier, state)
    kinds = [each.rate.entitlement for each in counted]
    contexts = settled_wallets(request, customer, kinds, state)
    dues = _asked(counted, command, contexts, state)
    at = next((due.context.at for due in dues), now)
    looks = usage_crossings.looks(request, command, customer.id, identifier, at, state)
    started = begin(request, state, _operation(request, identifier, command, customer, dues, at))
    charges = _pay(started, counted, dues, command, state)
    changed = usage_crossings.told(looks)
    if any(charge.uncovered for charge in charges):
        changed["uncovered"] = [{}, uncovered(charges, request.book, state)]
    if changed:
        started.note_changes(changed)
    event = _event(request, command, customer, started.operation, time, charges)
    usage_crossings.keep_looks(request, customer.id, looks, at, state)
    _keep(started, event, counted, dues, state)
    return Accepted(
        operation=started.operation,
        entries=tuple(started.entries),
        customer=customer,
        event=event,
    )


def _time_of(request: Request, command: RecordUsage, customer: Id, state: State) -> Instant:
    latest = state.now_of(customer, request.at) + AHEAD_MAX
    if command.time is not None and command.time > latest:
        raise FieldInvalid("time", f"at most {AHEAD_MAX // MICROSECONDS} seconds in the future")
    if not is_event_id(command.own_id):
        raise FieldInvalid("id", f"1 to {EVENT_ID_MAX} printable characters")
    return usage_time(request, command, customer, state)


def _asked(
    counted: list[Counted],
    command: RecordUsage,
    contexts: dict[Id, Context],
    state: State,
) -> list[Due]:
    """What each rate asks for; one that charges the rest of another, as if that left everything.

    Whatever of it is left then can be asked for: what is refused is refused here.
    """
    dues: dict[Id, Due] = {}
    rates = [each.rate for each in counted]
    for each in counted:
        first = None if each.rate.rest_of is None else dues[each.rate.rest_of]
        if first is not None:
            each = each.rest(first.amount, first.context.entitlement.scale)  # noqa: PLW2901
        context, in_part = contexts[each.rate.entitlement], pays_in_part(each.rate, rates)
        due = dues[each.rate.id] = _due(each, command, context, state, in_part=in_part)
        if first is not None:
            price = rating.price_for(each.rate.price, due.attributes)
            rating.check_parts(price, due.after.tally.quantity, due.context.entitlement.scale)
    return list(dues.values())


def _pay(
    started: Posting, counted: list[Counted], dues: list[Due], command: RecordUsage, state: State
) -> tuple[Charge, ...]:
    """Draw what is due, in order. What is left of one rate is known when that is paid."""
    charges: dict[Id, Charge] = {}
    for place, each in enumerate(counted):
        due = dues[place]
        if each.rate.rest_of is not None:
            first = charges[each.rate.rest_of]
            left = each.rest(first.uncovered, first.scale)
            due = dues[place] = _due(left, command, due.context, state, in_part=due.in_part)
        charges[each.rate.id] = draw(started, due)
    return tuple(charges.values())


def _due(
    counted: Counted, command: RecordUsage, context: Context, state: State, *, in_part: bool
) -> Due:
    """What the count is after the event, and what of its cost was not asked for yet."""
    attributes = attributes_of(command.properties)
    meter, rate = counted.meter, counted.rate
    before = count_of(counted.key, rate, meter, command.properties, state)
    value = (counted.key, counted.contribution.value)
    seen = {counted.contribution.value: state.values.get(value, 0)}
    tally = meters.add(counted.measure, before.tally, counted.contribution, seen)
    price = rating.price_for(rate.price, attributes)
    charge = rating.charge(price, tally.quantity, context.entitlement.scale, before.charged)
    after, amount = msgspec.structs.replace(before, tally=tally), 0
    if meter.debits is Debits.AT_ONCE:
        after, amount = msgspec.structs.replace(after, charged=charge.charged), charge.debit
    rest = Quantity(0) if rate.rest_of is None else counted.contribution.quantity
    time = counted.contribution.time
    return Due(
        meter,
        rate,
        counted.key,
        context,
        time,
        attributes,
        after,
        amount,
        rest=rest,
        in_part=in_part,
    )


def _operation(
    request: Request,
    identifier: Id,
    command: RecordUsage,
    customer: Customer,
    dues: list[Due],
    at: Instant,
) -> Operation:
    kinds = {due.context.entitlement.id for due in dues}
    return Operation(
        id=identifier,
        customer=customer.id,
        entitlement=kinds.pop() if len(kinds) == 1 else None,
        kind="usage",
        at=at,
        recorded_at=request.recorded_at,
        facts=usage_facts(command, [due.context for due in dues]),
        subject=identifier,
    )


def _event(
    request: Request,
    command: RecordUsage,
    customer: Customer,
    operation: Operation,
    time: Instant,
    charges: tuple[Charge, ...],
) -> Event:
    return Event(
        id=operation.id,
        book=request.book,
        customer=customer.id,
        own_id=command.own_id,
        name=command.name,
        time=time,
        recorded_at=request.recorded_at,
        properties=command.properties,
        charges=charges,
    )


def _keep(
    started: Posting, event: Event, counts: list[Counted], dues: list[Due], state: State
) -> None:
    """From here on it has happened."""
    changes = state.changes
    _claim(event, state)
    if state.spans:
        state.forget_spans(event.customer, event.name)
    state.events[event.id] = changes.events[event.id] = event
    for counted, due in zip(counts, dues, strict=True):
        keep_count(due.after, state)
        keep_value(counted.key, counted.contribution, 1, state)
    commit(state, started)
    keep_debit(started, state)


def _claim(event: Event, state: State) -> None:
    """Its id leads to it, unless it was claimed before."""
    name = (event.book, event.own_id)
    if state.event_ids[name] is None:
        state.event_ids[name] = event.id
        state.changes.claims.append(
            ClaimRecord(
                book=event.book,
                space=USAGE_EVENT,
                key=event.own_id,
                created_at=event.recorded_at,
                target=event.id,
            )
        )
