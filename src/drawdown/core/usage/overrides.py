"""Overriding an earlier event: what it drew is returned, it is counted as it is now, and that is drawn.

Of what a count was charged, the event's own part is returned first. What is charged still, above the cost as
it is now, is returned from the count's latest charges; one that lies further back than ``LATEST_MAX`` of the
customer's events stays, and pays for usage to come. What an operator had returned is not returned again.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from drawdown.core.commands import RecordUsage
from drawdown.core.context import Context, begin, commit
from drawdown.core.errors import CustomerClosed
from drawdown.core.identity import derive, relocate, slot_of
from drawdown.core.posting import Posting
from drawdown.core.requests import Accepted, Request
from drawdown.core.reversal import give_back, to_return
from drawdown.core.state import State
from drawdown.core.types import Customer, Id, Operation
from drawdown.core.usage.counting import (
    attributes_of,
    keep_count,
    keep_value,
    latest_of,
)
from drawdown.core.usage.paying import (
    Due,
    draw,
    keep_debit,
    pays_in_part,
    settled_wallets,
    uncovered,
    usage_facts,
)
from drawdown.core.usage.properties import document_of
from drawdown.core.usage.quantities import Quantity
from drawdown.core.usage.records import (
    Charge,
    CountKey,
    Event,
    Rate,
)
from drawdown.core.usage.recounts import (
    Change,
    Touched,
    as_asked,
    change_of,
    changes_of,
    touched_by,
)
from drawdown.core.watching import usage_crossings


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
    changes = changes_of(request, found, event, state)
    kinds = [each.rate.entitlement for each in found]
    contexts = settled_wallets(request, customer, kinds, state)
    operation = _operation(request, command, event, contexts, state)
    asked = as_asked(command, event)
    looks = usage_crossings.looks(
        request, asked, customer.id, event.id, operation.at, state, before=event
    )
    started = begin(request, state, operation)
    returned = _return(started, event, contexts, state)
    for lowered in _lowered(changes, event, state):
        _lower(started, lowered, contexts, state)
    charges = _pay(request, started, changes, contexts, event, returned, state)
    kept = _overridden(command, event, started.operation, charges)
    started.note_changes(_told(event, kept, state) | usage_crossings.told(looks))
    usage_crossings.keep_looks(request, customer.id, looks, operation.at, state)
    _keep(started, kept, changes, state)
    return Accepted(
        operation=started.operation,
        entries=tuple(started.entries),
        customer=customer,
        event=kept,
    )


# What is returned -------------------------------------------------------------------------------------


def _lowered(changes: Sequence[Change], event: Event, state: State) -> list[Lowered]:
    """From which other events' charges a surplus is returned: each count's latest first.

    What is not found there stays charged.
    """
    left = {
        change.touched.key: change.surplus
        for change in changes
        if change.surplus and not change.touched.is_rest
    }
    found = []
    for other in latest_of(event.customer, state) if left else ():
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
    changes = changes_of(request, touched_by(request, command, event, state), event, state)
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


def _pay(
    request: Request,
    started: Posting,
    changes: list[Change],
    contexts: dict[Id, Context],
    event: Event,
    returned: dict[Id, int],
    state: State,
) -> tuple[Charge, ...]:
    """Draw what is asked for: in every count that the event is in, and where the cost of another rose."""
    charges: list[Charge] = []
    rates = [each.touched.rate for each in changes]
    for place, asked in enumerate(changes):
        change = asked
        if asked.touched.is_rest:
            change = changes[place] = _of_rest(request, asked.touched, charges, event, state)
        if change.touched.new is not None or change.due:
            due = _due(change, contexts[change.touched.rate.entitlement], event, rates)
            charges.append(draw(started, due, returned))
    return tuple(charges)


def _of_rest(
    request: Request, touched: Touched, charges: Sequence[Charge], event: Event, state: State
) -> Change:
    """What becomes of a count of the rest of another rate, once that is paid.

    Where the event was charged more by it before, and others of its count were charged after that, theirs
    stands: what it is too much pays for usage to come.
    """
    for first in charges:
        if touched.rate.rest_of == Id(bytes.fromhex(first.rate)) and not first.left:
            touched.leave(first.uncovered, first.scale)
    change = change_of(request, touched, event, state)
    charged = change.after.charged + change.surplus
    return msgspec.structs.replace(
        change, after=msgspec.structs.replace(change.after, charged=charged)
    )


def _due(change: Change, context: Context, event: Event, rates: list[Rate]) -> Due:
    touched = change.touched
    new = touched.new
    return Due(
        touched.meter,
        touched.rate,
        touched.key,
        context,
        event.time if new is None else new.time,
        attributes_of(touched.properties),
        change.after,
        change.due,
        left=new is None,
        rest=Quantity(0) if new is None or not touched.is_rest else new.quantity,
        in_part=pays_in_part(touched.rate, rates),
        taken_at=event.recorded_at,
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
        id=_operation_id(request, event),
        customer=event.customer,
        entitlement=next(iter(contexts)) if len(contexts) == 1 else None,
        kind="usage",
        at=state.now_of(event.customer, request.at) if at is None else at,
        recorded_at=request.recorded_at,
        facts=usage_facts(as_asked(command, event), contexts.values()),
        subject=event.id,
    )


def _operation_id(request: Request, event: Event) -> Id:
    """The request's id, unless that is the one which was claimed for the event, and it has used it."""
    identifier = relocate(request.id, slot_of(event.customer))
    if identifier != event.id:
        return identifier
    return derive(event.id, f"override:{event.revision + 1}")


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
    asked = as_asked(command, event)
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
