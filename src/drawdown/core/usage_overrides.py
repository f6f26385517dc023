"""Overriding an earlier event: what it drew is returned, it is counted as it is now, and that is drawn.

Afterwards every count is what it would be, had the event said so from the beginning: it keeps its place in
the order in which events were taken. Where a cost can only have risen, the count alone says what it is;
else, as for a last value or a price by volume, its events are counted once more.

Of what a count was charged, the event's own part is returned first. What is charged still, above the cost as
it is now, is returned from the count's latest charges; one that lies further back than ``LATEST_MAX`` of the
customer's events stays, and pays for usage to come. What an operator had returned is not returned again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence

import msgspec

from drawdown.core import meters, rating
from drawdown.core.commands import RecordUsage
from drawdown.core.context import Context, begin, commit, find_entitlement
from drawdown.core.errors import CustomerClosed, TooManyEvents
from drawdown.core.identity import relocate, slot_of
from drawdown.core.meters import Aggregation, Contribution, Tally
from drawdown.core.posting import Posting
from drawdown.core.properties import Properties, document_of
from drawdown.core.rating import Price, Volume
from drawdown.core.requests import Accepted, Request
from drawdown.core.reversal import give_back, to_return
from drawdown.core.state import State
from drawdown.core.types import Customer, Id, Operation
from drawdown.core.usage_counting import (
    attributes_of,
    count_of,
    counted_by,
    keep_count,
    keep_value,
)
from drawdown.core.usage_paying import (
    Due,
    draw,
    keep_debit,
    settled_wallets,
    uncovered,
    usage_facts,
)
from drawdown.core.usage_records import (
    LATEST_MAX,
    Charge,
    Count,
    CountKey,
    Debits,
    Event,
    Meter,
    Rate,
)


class Touched(msgspec.Struct):
    """A count that an override touches: what of it was the event's, and what the event is to it now.

    ``own``: the units that the event was charged in it. ``old`` None: it was not counted here, ``new`` None:
    it is not any more.
    """

    meter: Meter
    rate: Rate
    key: CountKey
    properties: Properties
    own: int = 0
    old: Contribution | None = None
    new: Contribution | None = None


class Change(msgspec.Struct):
    """What becomes of a count; ``due``: what the event is charged in it now."""

    touched: Touched
    before: Count
    after: Count

    @property
    def due(self) -> int:
        return max(self.after.charged - self.before.charged + self.touched.own, 0)

    @property
    def surplus(self) -> int:
        """What is charged too much, when what the event itself was charged is returned."""
        return max(self.before.charged - self.touched.own - self.after.charged, 0)


class Lowered(msgspec.Struct):
    """An event that is charged less by another's override: by how many units in each of its charges."""

    event: Event
    units: list[int]

    @property
    def charges(self) -> tuple[Charge, ...]:
        """What was not paid goes first. Of what was, overage does: whichever of its charges it was for."""
        found: list[Charge] = []
        overage: dict[str, int] = {}
        for charge, units in zip(self.event.charges, self.units, strict=True):
            amount = charge.amount - units
            drawn = min(charge.paid, amount)
            returned = charge.paid - drawn
            kind = charge.entitlement
            overage[kind] = overage.get(kind, 0) + charge.overage - returned
            found.append(msgspec.structs.replace(charge, amount=amount, drawn=drawn, overage=0))
        for place in reversed(range(len(found))):
            charge = found[place]
            beyond = min(max(overage[charge.entitlement], 0), charge.drawn)
            overage[charge.entitlement] -= beyond
            drawn = charge.drawn - beyond
            found[place] = msgspec.structs.replace(charge, drawn=drawn, overage=beyond)
        return tuple(found)

    @property
    def returned(self) -> dict[CountKey, int]:
        """What of that had been drawn, or was overage."""
        pairs = zip(self.event.charges, self.charges, strict=True)
        found = ((old.key(self.event.customer), old.paid - new.paid) for old, new in pairs)
        return {key: units for key, units in found if units}


def override_usage(
    request: Request, command: RecordUsage, customer: Customer, event: Event, state: State
) -> Accepted:
    """Put an event in the place of one that was taken under its id before.

    Raises ``FieldInvalid`` and ``TooManyEvents``: then nothing has changed.
    """
    if customer.closed_at is not None:
        raise CustomerClosed()
    found = touched_by(request, command, event, state)
    changes = [_change(request, each, event, state) for each in found]
    kinds = [each.rate.entitlement for each in found]
    contexts = settled_wallets(request, customer, kinds, state)
    started = begin(request, state, _operation(request, command, event, contexts, state))
    returned = _return(started, event, contexts, state)
    for lowered in _lowered(changes, event, state):
        _lower(started, lowered, contexts, state)
    charges = tuple(
        draw(started, due, returned) for due in _dues(changes, contexts, command, event)
    )
    kept = _overridden(command, event, started.operation, charges)
    started.note_changes(_told(event, kept, state))
    _keep(started, kept, changes, state)
    return Accepted(
        operation=started.operation,
        entries=tuple(started.entries),
        customer=customer,
        event=kept,
    )


# What is counted --------------------------------------------------------------------------------------


def touched_by(request: Request, command: RecordUsage, event: Event, state: State) -> list[Touched]:
    """The counts in which the event was charged, and those in which it is counted from now on."""
    catalog = state.catalogs[request.book]
    found: dict[CountKey, Touched] = {}
    for charge in event.charges:
        key = charge.key(event.customer)
        rate = catalog.rates[key[1]]
        meter = catalog.meters[rate.meter]
        each = found.setdefault(key, Touched(meter, rate, key, event.properties))
        each.own += charge.amount
        if not charge.left:
            each.old = meters.contribution(meter.measure, event.time, event.id, event.properties)
    asked = _asked(command, event)
    for counted in counted_by(request, asked, event.customer, event.id, state, event):
        key = counted.key
        each = found.setdefault(key, Touched(counted.meter, counted.rate, key, asked.properties))
        each.new, each.properties = counted.contribution, asked.properties
    return list(found.values())


def _asked(command: RecordUsage, event: Event) -> RecordUsage:
    """The event as it is now: a time left out is the one it had."""
    time = event.time if command.time is None else command.time
    return msgspec.structs.replace(command, time=time)


def _change(request: Request, touched: Touched, event: Event, state: State) -> Change:
    """Raises ``FieldInvalid``, ``AmountTooLarge``, ``TooManyCounts`` and ``TooManyEvents``."""
    meter, rate = touched.meter, touched.rate
    before = count_of(touched.key, rate, meter, touched.properties, state)
    if touched.old is None and touched.new is None:
        return Change(touched, before, before)
    scale = find_entitlement(request, rate.entitlement, state).scale
    price = rating.price_for(rate.price, attributes_of(touched.properties))
    tally = _moved(touched, before, price, state)
    if tally is None:
        tally, charged = _counted_again(touched, before, price, scale, event, state)
    else:
        charged = rating.units(price, tally.quantity, scale)
    if meter.debits is Debits.ON_INVOICE:
        charged = 0
    return Change(touched, before, msgspec.structs.replace(before, tally=tally, charged=charged))


def _moved(touched: Touched, before: Count, price: Price, state: State) -> Tally | None:
    """The tally with the new contribution in the old one's place; None where its events must say.

    They must where the cost may have been higher on the way than it is now.
    """
    measure, old, new = touched.meter.measure, touched.old, touched.new
    if touched.meter.debits is Debits.AT_ONCE and _may_have_fallen(touched, before, price):
        return None
    values = {each.value for each in (old, new) if each is not None}
    seen = {value: state.values.get((touched.key, value), 0) for value in values}
    if old is None:
        assert new is not None
        return meters.add(measure, before.tally, new, seen)
    if new is None:
        return meters.remove(measure, before.tally, old, seen)
    return meters.replace(measure, before.tally, old, new, seen)


def _may_have_fallen(touched: Touched, before: Count, price: Price) -> bool:
    aggregation = touched.meter.measure.aggregation
    if aggregation is Aggregation.LAST or isinstance(price, Volume):
        return True
    both = (touched.old, touched.new)
    below_zero = before.tally.holders or any(each and each.quantity < 0 for each in both)
    return aggregation is Aggregation.SUM and bool(below_zero)


def _counted_again(
    touched: Touched, before: Count, price: Price, scale: int, event: Event, state: State
) -> tuple[Tally, int]:
    """The tally of all of the count's events, and the highest cost on the way."""
    found = list(_contributions(touched, event, state))
    if len(found) < before.tally.events - (touched.old is not None):
        raise TooManyEvents(event=event.own_id, maximum=LATEST_MAX)
    if touched.new is not None:
        found.append(touched.new)
    tally, charged, seen = Tally(), 0, Counter[bytes]()
    for each in sorted(found, key=lambda one: one.event):
        tally = meters.add(touched.meter.measure, tally, each, seen)
        seen[each.value] += bool(each.value)
        charged = max(charged, rating.units(price, tally.quantity, scale))
    return tally, charged


def _contributions(touched: Touched, event: Event, state: State) -> Iterator[Contribution]:
    """What the customer's other events contribute to the count."""
    measure = touched.meter.measure
    for other in state.latest_events[event.customer]:
        counts = any(
            charge.key(other.customer) == touched.key and not charge.left
            for charge in other.charges
        )
        if counts and other.id != event.id:
            found = meters.contribution(measure, other.time, other.id, other.properties)
            assert found is not None, "what was counted is counted the same way again"
            yield found


# What is returned -------------------------------------------------------------------------------------


def _lowered(changes: Sequence[Change], event: Event, state: State) -> list[Lowered]:
    """From which other events' charges a surplus is returned: each count's latest first.

    What is not found there stays charged.
    """
    left = {change.touched.key: change.surplus for change in changes if change.surplus}
    found = []
    for other in state.latest_events[event.customer] if left else ():
        if other.id == event.id:
            continue
        lowered = Lowered(other, [])
        for charge in other.charges:
            key = charge.key(other.customer)
            units = min(left.get(key, 0), charge.amount)
            lowered.units.append(units)
            if units:
                left[key] -= units
        if any(lowered.units):
            found.append(lowered)
        if not any(left.values()):
            break
    for change in changes:
        if units := left.get(change.touched.key, 0):
            charged = change.after.charged + units
            change.after = msgspec.structs.replace(change.after, charged=charged)
    return found


def returned_debits(
    request: Request, command: RecordUsage, event: Event, state: State
) -> Collection[Id]:
    """The operations that an override returns something of, for whoever loads them."""
    changes = [
        _change(request, each, event, state) for each in touched_by(request, command, event, state)
    ]
    others = _lowered(changes, event, state)
    found = [each.event.drawn_by for each in others if each.returned]
    if event.is_paid:
        found.append(event.drawn_by)
    return found


def _return(
    started: Posting, event: Event, contexts: dict[Id, Context], state: State
) -> dict[Id, int]:
    """Return all that is left of what the event drew, the last drawn first: to which grants how much."""
    returned: dict[Id, int] = {}
    if not event.is_paid:
        return returned
    record = state.debits[event.drawn_by]
    assert record is not None, "what is charged was drawn"
    for kind in reversed(dict.fromkeys(each.entitlement for each in record.draws)):
        each = to_return(record, contexts[kind], None)
        give_back(started, record, each)
        for piece, units in each.pieces:
            grant = piece.grant
            if grant is not None:
                returned[grant.id] = returned.get(grant.id, 0) + units
    state.changes.debits[event.drawn_by] = record
    return returned


def _lower(started: Posting, lowered: Lowered, contexts: dict[Id, Context], state: State) -> None:
    """Charge another event less, and return what that had drawn."""
    event = lowered.event
    for key, units in lowered.returned.items():
        record = state.debits[event.drawn_by]
        assert record is not None, "what is charged was drawn"
        kind = state.catalogs[event.book].rates[key[1]].entitlement
        give_back(started, record, to_return(record, contexts[kind], units, at_most=True))
        state.changes.debits[event.drawn_by] = record
    revision = event.revision + 1
    _amend(msgspec.structs.replace(event, charges=lowered.charges, revision=revision), state)


def _amend(event: Event, state: State) -> None:
    """Keep an event as it is now."""
    state.events[event.id] = state.changes.amended_events[event.id] = event


# What is drawn, and kept ------------------------------------------------------------------------------


def _dues(
    changes: Sequence[Change], contexts: dict[Id, Context], command: RecordUsage, event: Event
) -> Iterator[Due]:
    """What is asked for: in every count that the event is in, and in one it is not where the cost rose."""
    for change in changes:
        touched = change.touched
        if touched.new is not None or change.due:
            yield Due(
                touched.meter,
                touched.rate,
                touched.key,
                contexts[touched.rate.entitlement],
                event.time if touched.new is None else touched.new.time,
                attributes_of(touched.properties),
                change.after,
                change.due,
                left=touched.new is None,
            )


def _operation(
    request: Request,
    command: RecordUsage,
    event: Event,
    contexts: dict[Id, Context],
    state: State,
) -> Operation:
    at = next((context.at for context in contexts.values()), None)
    return Operation(
        id=relocate(request.id, slot_of(event.customer)),
        customer=event.customer,
        entitlement=next(iter(contexts)) if len(contexts) == 1 else None,
        kind="usage",
        at=state.now_of(event.customer, request.at) if at is None else at,
        recorded_at=request.recorded_at,
        facts=usage_facts(_asked(command, event), contexts.values()),
        subject=event.id,
    )


def _told(event: Event, kept: Event, state: State) -> dict[str, list[object]]:
    """What the event said, and what it says now, where that differs; and what was not paid for it."""
    told: dict[str, list[object]] = {}
    if kept.name != event.name:
        told["name"] = [event.name, kept.name]
    if kept.time != event.time:
        told["time"] = [event.time, kept.time]
    if kept.properties != event.properties:
        told["properties"] = [document_of(event.properties), document_of(kept.properties)]
    if event.is_uncovered or kept.is_uncovered:
        both = (uncovered(each.charges, event.book, state) for each in (event, kept))
        told["uncovered"] = list(both)
    return told


def _overridden(
    command: RecordUsage,
    event: Event,
    operation: Operation,
    charges: tuple[Charge, ...],
) -> Event:
    asked = _asked(command, event)
    assert asked.time is not None
    return msgspec.structs.replace(
        event,
        name=asked.name,
        time=asked.time,
        properties=asked.properties,
        charges=charges,
        overridden_by=operation.id,
        revision=event.revision + 1,
    )


def _keep(started: Posting, event: Event, changes: Sequence[Change], state: State) -> None:
    _amend(event, state)
    for change in changes:
        touched = change.touched
        keep_count(change.after, state)
        if touched.old is not None:
            keep_value(touched.key, touched.old, -1, state)
        if touched.new is not None:
            keep_value(touched.key, touched.new, 1, state)
    commit(state, started)
    keep_debit(started, state)
