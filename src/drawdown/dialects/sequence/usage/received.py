"""Events as the ledger takes them: the last one received under an id is the one that counts.

An event of the ledger stays its customer's. What is sent again for another customer is an event of its own,
under an id that is the first with a number behind it; what was sent before counts nothing any more, under
``REPLACED``. What an event said before it was replaced is kept, for lists, as a document.

Each step may be the last before a server stops: whoever sends the event again goes on from there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

import msgspec

from drawdown.core.commands import DocumentChange, RecordUsage
from drawdown.core.errors import (
    AlreadyExists,
    CustomerClosed,
    DocumentChanged,
    EventNotFound,
    EventReused,
    FieldInvalid,
)
from drawdown.core.identity import derive, spell_uuid
from drawdown.core.requests import Accepted, Answer
from drawdown.core.times import text_of
from drawdown.core.types import Customer, Id, Instant, Reference
from drawdown.core.usage import meters
from drawdown.core.usage.properties import Properties
from drawdown.core.usage.records import Event
from drawdown.dialects.sequence.usage import kept
from drawdown.dialects.sequence.usage.kept import MOVED, SUPERSEDED, Kept
from drawdown.dialects.sequence.usage.measures import REPLACED, written
from drawdown.dialects.sequence.usage.wire import EventRecord, MovedRecord
from drawdown.engine.ledger import Ledger
from drawdown.web.errors import BadRequest

#: Between an event's id and the number of its move. No id that is sent has it.
MOVE = "\N{SYMBOL FOR UNIT SEPARATOR}"
_FIELDS = {"id": "customerEventId", "name": "eventType", "time": "eventTimestamp"}


class Given(msgspec.Struct, frozen=True):
    """An event as it was sent. ``time`` None: now, or when the one before it was."""

    alias: str
    own_id: str
    name: str
    time: Instant | None
    properties: Properties


class Place(msgspec.Struct, frozen=True):
    """Where events of one id are in the ledger: ``ids`` are the last two, the one that counts last.

    ``earlier`` is the first of these; ``current`` the last: of ``ids[-1]``, None where that is not there yet.
    """

    moved: Kept[MovedRecord] | None
    ids: list[str]
    earlier: Event | None
    current: Event | None

    @property
    def counting(self) -> Event | None:
        """The one that counts. While an event moves it may be the earlier one still."""
        both = (self.current, self.earlier)
        return next((each for each in both if each is not None and each.name != REPLACED), None)

    @property
    def time(self) -> Instant | None:
        """When the last of them was, whether it counts or not."""
        last = self.current or self.earlier
        return None if last is None else last.time


async def place_of(ledger: Ledger, book: Id, own_id: str) -> Place:
    """As it was at one time: what is read of an event that has moved meanwhile is read again."""
    moved = await MOVED.named(ledger, book, own_id)
    for _ in range(kept.ATTEMPTS):
        ids = [own_id] if moved is None else moved.body.ids
        earlier = await _find(ledger, book, ids[-2]) if len(ids) > 1 else None
        found = Place(moved, ids, earlier, await _find(ledger, book, ids[-1]))
        moved = await MOVED.named(ledger, book, own_id)
        if moved == found.moved:
            return found
    raise DocumentChanged


async def _find(ledger: Ledger, book: Id, own_id: str) -> Event | None:
    try:
        return await ledger.usage_event(book, own_id)
    except EventNotFound:
        return None


async def take(ledger: Ledger, book: Id, reference: Reference, given: Given) -> Event:
    """Count an event, in the place of one that had its id before.

    Raises ``CustomerNotFound`` where the alias is nobody's, ``CustomerClosed``, ``TooManyEvents``,
    ``TooManyCounts``, and ``BadRequest`` for what a metric cannot count.
    """
    with _named_as_sent():
        try:
            return await _record(ledger, book, reference, given, given.own_id)
        except EventReused:
            customer = await ledger.customer(book, reference)
        return await _replace(ledger, book, customer, given)


async def take_waiting(
    ledger: Ledger,
    book: Id,
    reference: Reference,
    given: Given,
    waits: Callable[[], Awaitable[bool]],
) -> None:
    """Count an event that has waited. One that counts under its id was received after it, and stays.

    Raises as ``take``, and ``DocumentChanged`` where it does not wait any more.
    """
    with _named_as_sent():
        customer = await ledger.customer(book, reference)
        await _replace(ledger, book, customer, given, waits)


@contextmanager
def _named_as_sent() -> Iterator[None]:
    """What the core refuses is told by the fields of the request."""
    try:
        yield
    except FieldInvalid as error:
        first, dot, rest = str(error.fields["field"]).partition(".")
        field = "eventProperties" if first == "properties" else _FIELDS.get(first, first)
        raise BadRequest(field + dot + rest, str(error.fields["rule"])) from None


async def _record(
    ledger: Ledger, book: Id, customer: Reference, given: Given, own_id: str
) -> Event:
    command = RecordUsage(
        customer=customer,
        own_id=own_id,
        name=given.name,
        time=given.time,
        properties=given.properties,
    )
    return await _carried_out(ledger, book, command)


async def _carried_out(
    ledger: Ledger, book: Id, command: RecordUsage, *beside: DocumentChange
) -> Event:
    found: list[Event] = []

    def render(accepted: Accepted) -> Answer:
        assert accepted.event is not None, "usage is an event"
        found.append(accepted.event)
        return Answer(status=200, body=b"")

    await ledger.submit(book, command, render, documents=beside)
    return found[-1]


async def _replace(
    ledger: Ledger,
    book: Id,
    customer: Customer,
    given: Given,
    waits: Callable[[], Awaitable[bool]] | None = None,
) -> Event:
    """``waits``: asked whether it is still to be counted, when it is known that nothing else is."""
    for _ in range(kept.ATTEMPTS):
        place = await place_of(ledger, book, given.own_id)
        if waits is not None:
            if place.counting is not None:
                return place.counting
            if not await waits():
                raise DocumentChanged
        try:
            taken = await _step(ledger, book, customer, given, place)
        except (AlreadyExists, DocumentChanged, EventReused):
            continue  # somebody else was faster
        if taken is not None:
            return taken
    raise DocumentChanged


async def _step(
    ledger: Ledger, book: Id, customer: Customer, given: Given, place: Place
) -> Event | None:
    """None: the event is to be another one from now on, which is not there yet."""
    current = place.current
    if current is not None and current.customer == customer.id:
        return await _override(ledger, book, current, given)
    await _check(ledger, book, customer, given)
    if current is not None:
        await _move(ledger, book, place.moved, given.own_id, place.ids[-1])
        return None
    if place.earlier is not None:
        await _seal(ledger, book, place.earlier)
    timed = msgspec.structs.replace(given, time=given.time or place.time)
    return await _record(ledger, book, customer.id, timed, place.ids[-1])


async def _check(ledger: Ledger, book: Id, customer: Customer, given: Given) -> None:
    """What would be refused in its new place is refused before the earlier event is touched."""
    if customer.closed_at is not None:
        raise CustomerClosed
    catalog = await ledger.catalog(book)
    for meter, rate in catalog.charges_of(given.name):
        if meter.closed_at is None and rate.closed_at is None:
            meters.contribution(meter.measure, Instant(0), b"", given.properties)


async def void(ledger: Ledger, book: Id, own_id: str) -> Instant | None:
    """What was received under an id counts nothing any more. When that was; None: there was nothing."""
    for _ in range(kept.ATTEMPTS):
        place = await place_of(ledger, book, own_id)
        with suppress(EventReused):  # somebody else was faster
            await _void(ledger, book, place)
            return place.time
    raise DocumentChanged


async def current(ledger: Ledger, book: Id, own_id: str) -> Event | None:
    """The one that counts of those that were received under an id."""
    return (await place_of(ledger, book, own_id)).counting


async def _void(ledger: Ledger, book: Id, place: Place) -> None:
    for event in (place.earlier, place.current):
        if event is not None and event.name != REPLACED:
            nothing = Given("", event.own_id, REPLACED, event.time, {})
            await _override(ledger, book, event, nothing)


async def _seal(ledger: Ledger, book: Id, event: Event) -> None:
    """It has moved away. That is another revision, even of one that counted nothing: who has read it sees."""
    gone = Given("", event.own_id, REPLACED, event.time, {"moved": True})
    await _override(ledger, book, event, gone)


async def _override(ledger: Ledger, book: Id, event: Event, given: Given) -> Event:
    """Raises ``EventReused`` where it is not as it was read."""
    said = (given.name, given.properties, event.time if given.time is None else given.time)
    if said == (event.name, event.properties, event.time):
        return event
    command = RecordUsage(
        customer=event.customer,
        own_id=event.own_id,
        name=given.name,
        time=given.time,
        properties=given.properties,
        override=True,
        revision=event.revision,
    )
    beside = () if event.name == REPLACED else (_as_it_was(event),)
    return await _carried_out(ledger, book, command, *beside)


def _as_it_was(event: Event) -> DocumentChange:
    identifier = derive(event.id, f"sequence.superseded:{event.revision}")
    return SUPERSEDED.new(identifier, event.customer, record_of(event))


async def _move(
    ledger: Ledger, book: Id, moved: Kept[MovedRecord] | None, own_id: str, last: str
) -> None:
    """From now on the event is another one, which is not there yet."""
    number = int(last.partition(MOVE)[2] or 0) + 1
    body = MovedRecord(ids=[last, f"{own_id}{MOVE}{number}"])
    if moved is None:
        change = MOVED.new(kept.new_id(ledger, book), book, body, takes=own_id)
    else:
        change = MOVED.changed(moved, body)
    await kept.keep(ledger, book, change)


def record_of(event: Event, alias: str | None = None) -> EventRecord:
    return EventRecord(
        customer_alias=spell_uuid(event.customer) if alias is None else alias,
        event_type=event.name,
        customer_event_id=event.own_id.partition(MOVE)[0],
        event_timestamp=text_of(event.time),
        event_properties=written(event.properties),
    )
