"""Usage: an event is counted by its meters, and what it costs is drawn in one operation.

Every rate of the event's name whose meter counts the event moves the customer's count of the period, and
asks for the increase of the truncated cumulative cost. All that is decided before anything moves. Then the
wallets pay, each settled up to one instant, in their burn-down order. The event is kept whatever they can
pay: what they cannot is ``uncovered``, by the rule of the entitlement.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from drawdown.core import burn, meters, posting, rating
from drawdown.core.commands import RecordUsage
from drawdown.core.context import (
    Context,
    begin,
    commit,
    encode_facts,
    find_customer,
    find_entitlement,
    given,
    settled_context,
)
from drawdown.core.errors import CustomerClosed, EventReused, FieldInvalid, TooManyCounts
from drawdown.core.overage import headroom
from drawdown.core.posting import Posting
from drawdown.core.properties import Properties
from drawdown.core.requests import Accepted, ClaimRecord, Request
from drawdown.core.spending import payable, use
from drawdown.core.state import USAGE_EVENT, State
from drawdown.core.types import (
    MICROSECONDS,
    Attributes,
    Customer,
    EntryKind,
    Grant,
    Id,
    Instant,
    Operation,
    Shortfall,
)
from drawdown.core.usage_counting import (
    Counted,
    attributes_of,
    counted_by,
    new_event_id,
    usage_time,
)
from drawdown.core.usage_records import (
    EVENT_ID_MAX,
    GROUPS_MAX,
    Charge,
    Count,
    CountKey,
    Debits,
    Event,
    is_event_id,
)

#: How far ahead of the ledger's clock an asker's may be.
AHEAD_MAX = 5 * 60 * MICROSECONDS


class Due(msgspec.Struct):
    """What one rate asks for: the count after the event, and the units that are due by it."""

    counted: Counted
    context: Context
    after: Count
    amount: int


def record_usage(request: Request, command: RecordUsage, state: State) -> Accepted:
    """Keep an event, count it and draw what it costs. One that is kept already is answered as it is.

    Raises ``EventReused`` when it was another one, and ``FieldInvalid`` for what cannot be counted: then
    nothing is kept.
    """
    customer = find_customer(request, command.customer, state)
    now = state.now_of(customer.id, request.at)
    time = _time_of(request, command, customer.id, state)
    known = _known(request, command, customer, state)
    if known is not None:
        return Accepted(customer=customer, event=known)
    if customer.closed_at is not None:
        raise CustomerClosed()
    identifier = new_event_id(request, command, customer.id, state)
    counted = counted_by(request, command, customer.id, identifier, state)
    contexts = _settled(request, customer, counted, state)
    dues = _dues(counted, contexts, command.properties, state)
    at = next((due.context.at for due in dues), now)
    started = begin(request, state, _operation(request, identifier, command, customer, dues, at))
    charges = tuple(_draw(started, due, command.properties) for due in dues)
    _note_uncovered(started, dues, charges)
    event = _event(request, command, customer, started.operation, time, charges)
    _keep(started, event, dues, state)
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


def _known(
    request: Request, command: RecordUsage, customer: Customer, state: State
) -> Event | None:
    """The event of that id, if there is one and it is the same. A time left out is any."""
    found = state.event_ids[(request.book, command.own_id)]
    if found is None:
        return None
    event = state.events[found]
    if event is None:  # its id was claimed, and no more
        return None
    asked = (customer.id, command.name, command.properties)
    same = asked == (event.customer, event.name, event.properties)
    if not same or (command.time is not None and command.time != event.time):
        raise EventReused(event=command.own_id)
    return event


def _settled(
    request: Request, customer: Customer, counted: Iterable[Counted], state: State
) -> dict[Id, Context]:
    """The wallets of the rates, settled up to one instant: the latest that any of them has seen."""
    kinds = dict.fromkeys(each.rate.entitlement for each in counted)
    known = [state.wallet((customer.id, kind)) for kind in kinds]
    now = state.now_of(customer.id, request.at)
    at = max((wallet.last_at for wallet in known if wallet is not None), default=now)
    return {
        kind: settled_context(
            request, customer, find_entitlement(request, kind, state), state, max(now, at)
        )
        for kind in kinds
    }


def _dues(
    counted: list[Counted], contexts: dict[Id, Context], properties: Properties, state: State
) -> list[Due]:
    return [_due(each, contexts[each.rate.entitlement], properties, state) for each in counted]


def _due(counted: Counted, context: Context, properties: Properties, state: State) -> Due:
    """What the count is after the event, and what of its cost was not asked for yet."""
    meter, rate = counted.meter, counted.rate
    before = state.counts[counted.key]
    if before is None:
        _check_room(counted.key, state)
        before = Count(key=counted.key, group=rate.group(meter, properties))
    value = (counted.key, counted.contribution.value)
    seen = {counted.contribution.value: state.values.get(value, 0)}
    tally = meters.add(meter.measure, before.tally, counted.contribution, seen)
    attributes = attributes_of(properties)
    price = rating.price_for(rate.price, attributes)
    charge = rating.charge(price, tally.quantity, context.entitlement.scale, before.charged)
    if meter.debits is Debits.ON_INVOICE:
        return Due(counted, context, msgspec.structs.replace(before, tally=tally), 0)
    after = msgspec.structs.replace(before, tally=tally, charged=charge.charged)
    return Due(counted, context, after, charge.debit)


def _check_room(key: CountKey, state: State) -> None:
    """A customer's usage is counted apart for a bounded number of groups."""
    if state.groups.get(key[:3], 0) >= GROUPS_MAX:
        raise TooManyCounts(maximum=GROUPS_MAX)


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
        facts=encode_facts(
            {"event": command.own_id, "name": command.name} | given(command, "time")
        ),
        subject=identifier,
    )


def _draw(started: Posting, due: Due, properties: Properties) -> Charge:
    """Draw what is due as far as the rule of the entitlement allows it."""
    context = due.context
    attributes = attributes_of(properties)
    late = _expired_since(due, attributes)
    restorable = sum(grant.expired for grant in late)
    credit = restorable + payable(context.wallet, context.at, attributes)
    drawn, beyond = _split(due, credit)
    if drawn or beyond:
        restored = _restore(started, context, late, min(drawn, restorable))
        queue, units = context.wallet.queue, drawn - restored
        draws, shortfall = burn.split(queue, units, context.at, attributes)
        assert shortfall == 0, "no more is drawn than the wallet can pay"
        use(started, context, draws, beyond)
        context.reach()
    return Charge(
        due.counted.rate.id.hex(),
        due.counted.meter.code,
        context.entitlement.code,
        context.entitlement.scale,
        due.amount,
        drawn,
        beyond,
    )


def _expired_since(due: Due, attributes: Attributes) -> list[Grant]:
    """Of usage that comes late, within the grace: what was valid when it was, and has expired since.

    In burn-down order; a grant that was voided does not come back.
    """
    context, time = due.context, due.counted.contribution.time
    if not 0 < context.at - time <= context.entitlement.late_usage_grace:
        return []
    found = [
        grant
        for grant in context.wallet.grants.values()
        if grant.expired > 0
        and grant.expired_at is not None
        and grant.voided_at is None
        and burn.is_eligible(grant, time, attributes)
    ]
    return sorted(found, key=lambda grant: burn.order_of(grant, context.wallet.burn_order))


def _restore(started: Posting, context: Context, late: list[Grant], units: int) -> int:
    """Draw ``units`` on what has expired: each part is restored, and drawn at once."""
    left, wallet = units, context.wallet
    for grant in late:
        part = min(grant.expired, left)
        if part:
            wallet.open_grants += grant.remaining == 0
            posting.post(started, wallet, grant, EntryKind.RESTORED, part, context.at)
            posting.draw(started, wallet, [(grant, part)], context.at)
        left -= part
    return units


def _split(due: Due, credit: int) -> tuple[int, int]:
    """How much of what is due ``credit`` pays, and how much more is overage."""
    kind, amount = due.context.entitlement, due.amount
    if kind.closed_at is not None:
        return 0, 0
    if credit >= amount:
        return amount, 0
    if kind.shortfall is Shortfall.REFUSE:
        return 0, 0
    if kind.shortfall is Shortfall.CAP:
        return credit, 0
    return credit, min(amount - credit, headroom(due.context.wallet))


def _note_uncovered(started: Posting, dues: list[Due], charges: tuple[Charge, ...]) -> None:
    """Keep with the operation what nothing paid for, by the entitlement's id: no entry tells of it."""
    uncovered: dict[str, int] = {}
    for due, charge in zip(dues, charges, strict=True):
        kind = due.context.entitlement.id.hex()
        if charge.uncovered:
            uncovered[kind] = uncovered.get(kind, 0) + charge.uncovered
    if uncovered:
        started.note_changes({"uncovered": [{}, uncovered]})


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


def _keep(started: Posting, event: Event, dues: list[Due], state: State) -> None:
    """From here on it has happened."""
    changes = state.changes
    _claim(event, state)
    state.events[event.id] = changes.events[event.id] = event
    for due in dues:
        _count(due, state)
    commit(state, started)


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


def _count(due: Due, state: State) -> None:
    key, value = due.counted.key, due.counted.contribution.value
    if state.counts[key] is None:
        state.groups[key[:3]] = state.groups.get(key[:3], 0) + 1
    state.counts[key] = state.changes.counts[key] = due.after
    if value:
        place = (key, value)
        state.values[place] = state.changes.values[place] = state.values.get(place, 0) + 1
