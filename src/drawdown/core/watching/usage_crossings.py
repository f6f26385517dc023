"""When use by a meter reaches a line: decided with the operation that records the usage.

The number is that of all a customer ever used by the meter, of every group, by the meter's own formula: there
is no period in which it begins again, and what was used before the alert was made counts. So says Stripe of
the alerts it calls one-time, which tell when a customer passes a level for the first time. An alert is looked
at when usage comes that the meter counts, and tells once of each customer for good: also when less was used
after all, since usage was cancelled, and the line is reached again. A meter that is closed counts on here, as
it does for whoever asks what was used, but tells nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from drawdown.core.commands import RecordUsage
from drawdown.core.identity import derive
from drawdown.core.requests import Request
from drawdown.core.state import State
from drawdown.core.types import AlertRule, Document, Id, Instant
from drawdown.core.usage import totals
from drawdown.core.usage.counting import Unforeseen, usage_time
from drawdown.core.usage.meters import Contribution
from drawdown.core.usage.quantities import Quantity
from drawdown.core.usage.records import Event, Meter
from drawdown.core.usage.spans import Span, contribution
from drawdown.core.usage.totals import Moved, Total, Uncounted
from drawdown.core.watching.crossings import HEARD_WITHIN, living

#: The kind of document that keeps what a customer used by a meter, and what was told of it.
KIND = "usage.watched"


class Watched(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One customer's use of a meter. ``rules``: the live alerts on his alone; ``told``: which have told."""

    total: Total | None = None
    rules: tuple[AlertRule, ...] = ()
    told: tuple[Id, ...] = ()


class Reached(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """That an alert on a meter has told: the operation in which it did keeps it.

    ``used`` is the meter's number right after it, and ``threshold`` the line, in steps of 10**-12.
    """

    alert: Id
    meter: Id
    at: Instant
    used: Quantity
    threshold: Quantity
    name: str | None = None


class Look(msgspec.Struct, frozen=True):
    """What becomes of a customer's use of a meter with an event."""

    meter: Meter
    after: Watched
    reached: tuple[Reached, ...] = ()


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Watched).decode


def place_of(customer: Id, meter: Id) -> Id:
    """The id of the document."""
    return derive(customer, f"watched:{meter.hex()}")


def watched_by(customer: Id, meter: Id, state: State) -> Watched:
    """As it is; it must be loaded."""
    document = state.documents[place_of(customer, meter)]
    return Watched() if document is None else read(document)


def read(document: Document) -> Watched:
    return _decode(document.body)


def keep(
    request: Request, customer: Id, meter: Id, after: Watched, at: Instant, state: State
) -> None:
    place, body = place_of(customer, meter), _encode(after).decode()
    before, changes = state.documents[place], state.changes
    if before is None:
        document = Document(
            id=place,
            book=request.book,
            owner=customer,
            kind=KIND,
            body=body,
            created_at=at,
            updated_at=at,
        )
        changes.new_documents[place] = document
    else:
        revision = before.revision + 1
        document = msgspec.structs.replace(before, body=body, revision=revision, updated_at=at)
        made = changes.new_documents if place in changes.new_documents else changes.documents
        made[place] = document
    state.documents[place] = document


# What an event does --------------------------------------------------------------------------------


def looks(
    request: Request,
    command: RecordUsage,
    customer: Id,
    event: Id,
    at: Instant,
    state: State,
    before: Event | None = None,
) -> list[Look]:
    """What an event does to the customer's use of every meter that is watched.

    ``before``: what it takes the place of. Nothing is kept yet. Raises ``FieldInvalid`` when a sum would
    leave the bounds of quantities, and ``Unforeseen``.
    """
    try:
        return [
            _look(request, meter, moved, at, state)
            for meter, moved in _moves(request, command, customer, event, state, before)
        ]
    except Uncounted as uncounted:
        raise Unforeseen from uncounted


def uncounted(
    request: Request,
    command: RecordUsage,
    customer: Id,
    event: Id,
    state: State,
    before: Event | None = None,
) -> set[Span]:
    """Which spans ``looks`` must find counted, as far as it is known yet. The documents must be loaded."""
    found = set()
    for meter, moved in _moves(request, command, customer, event, state, before):
        try:
            _total(request, meter, moved, watched_by(customer, meter.id, state).total, state)
        except Uncounted as missing:
            found.add(missing.span)
    return found


def meters_of(
    command: RecordUsage, book: Id, state: State, before: Event | None = None
) -> list[Meter]:
    """The watched meters that an event may be of, now or before."""
    catalog = state.catalogs[book]
    names = dict.fromkeys((command.name,) if before is None else (before.name, command.name))
    return [meter for name in names for meter in catalog.watched_of(name)]


def keep_looks(
    request: Request, customer: Id, found: Sequence[Look], at: Instant, state: State
) -> None:
    for look in found:
        keep(request, customer, look.meter.id, look.after, at, state)


def told(found: Sequence[Look]) -> dict[str, list[object]]:
    """What an operation keeps of it: nothing, mostly."""
    reached = [each for look in found for each in look.reached]
    return {"reached": [[], reached]} if reached else {}


def _moves(
    request: Request,
    command: RecordUsage,
    customer: Id,
    event: Id,
    state: State,
    before: Event | None,
) -> Iterator[tuple[Meter, Moved]]:
    """The meters to which the event is something, or was."""
    time = usage_time(request, command, customer, state)
    for meter in meters_of(command, request.book, state, before):
        measure, new, old = totals.measure_of(meter.measure), None, None
        if measure.event_name == command.name:
            new = contribution(measure, time, event, command.properties)
        if before is not None and measure.event_name == before.name:
            old = contribution(measure, before.time, before.id, before.properties)
        if new is not None or old is not None:
            known = None if before is None else before.id
            yield meter, Moved(customer=customer, measure=measure, old=old, new=new, known=known)


def _total(
    request: Request, meter: Meter, moved: Moved, total: Total | None, state: State
) -> Total:
    assert meter.watch is not None
    sure = request.recorded_at >= meter.watch.since + HEARD_WITHIN
    return totals.after(total, moved, state.spans, sure=sure)


def _look(request: Request, meter: Meter, moved: Moved, at: Instant, state: State) -> Look:
    assert meter.watch is not None
    before = watched_by(moved.customer, meter.id, state)
    total = _total(request, meter, moved, before.total, state)
    rules = (*meter.watch.rules, *before.rules)
    known = list(living(before.told, rules, request.recorded_at))
    reached = tuple(
        _reached(rule, meter, total, at)
        for rule in rules
        if _is_reached(rule, meter, moved.new, total) and rule.alert not in known
    )
    names = tuple(sorted({*known, *(each.alert for each in reached)}))
    return Look(meter, msgspec.structs.replace(before, total=total, told=names), reached)


def _is_reached(rule: AlertRule, meter: Meter, new: Contribution | None, total: Total) -> bool:
    """Usage that came leaves it there; what was taken back sets nothing off."""
    assert rule.amount is not None
    return new is not None and meter.closed_at is None and total.quantity >= rule.amount


def _reached(rule: AlertRule, meter: Meter, total: Total, at: Instant) -> Reached:
    assert rule.amount is not None
    return Reached(
        alert=rule.alert,
        meter=meter.id,
        at=at,
        used=total.quantity,
        threshold=Quantity(rule.amount),
        name=rule.name,
    )
