"""Events as the ledger takes them: the last one received under an id is the one that counts.

An event of the ledger stays its customer's. What is sent again for another customer is an event of its own,
under an id that is the first with a number behind it; what was sent before counts nothing any more, under
``REPLACED``. What an event said before it was replaced is kept, for lists, as a document.

Each step may be the last before a server stops: whoever sends the event again goes on from there.
"""

from __future__ import annotations

import msgspec

from drawdown.core.commands import RecordUsage
from drawdown.core.errors import (
    AlreadyExists,
    DocumentChanged,
    EventNotFound,
    EventReused,
    FieldInvalid,
)
from drawdown.core.identity import derive, spell_uuid
from drawdown.core.times import text_of
from drawdown.core.types import Id, Instant, Reference
from drawdown.core.usage import properties
from drawdown.core.usage.properties import Properties
from drawdown.core.usage.records import Event
from drawdown.dialects.sequence.usage import kept
from drawdown.dialects.sequence.usage.kept import MOVED, SUPERSEDED, Kept
from drawdown.dialects.sequence.usage.measures import REPLACED
from drawdown.dialects.sequence.usage.wire import EventRecord, MovedRecord
from drawdown.engine.ledger import Ledger
from drawdown.web.errors import BadRequest

#: Between an event's id and the number of its move. No id that is sent has it.
MOVE = "\N{SYMBOL FOR UNIT SEPARATOR}"
_FIELDS = {"id": "customerEventId", "name": "eventType", "time": "eventTimestamp"}
_encode = msgspec.json.Encoder().encode


class Given(msgspec.Struct, frozen=True):
    """An event as it was sent. ``time`` None: now, or when the one before it was."""

    alias: str
    own_id: str
    name: str
    time: Instant | None
    properties: Properties


async def take(ledger: Ledger, book: Id, customer: Reference, given: Given) -> Event:
    """Count an event, in the place of one that had its id before.

    Raises ``CustomerNotFound`` where the alias is nobody's, ``CustomerClosed``, ``TooManyEvents``,
    ``TooManyCounts``, and ``BadRequest`` for what a metric cannot count.
    """
    try:
        try:
            return await _record(ledger, book, customer, given)
        except EventReused:
            owner = (await ledger.customer(book, customer)).id
            return await _replace(ledger, book, owner, given)
    except FieldInvalid as error:
        first, dot, rest = str(error.fields["field"]).partition(".")
        field = "eventProperties" if first == "properties" else _FIELDS.get(first, first)
        raise BadRequest(field + dot + rest, str(error.fields["rule"])) from None


async def _record(
    ledger: Ledger,
    book: Id,
    customer: Reference,
    given: Given,
    own_id: str | None = None,
    *,
    override: bool = False,
) -> Event:
    command = RecordUsage(
        customer=customer,
        own_id=own_id or given.own_id,
        name=given.name,
        time=given.time,
        properties=given.properties,
        override=override,
    )
    event = (await ledger.apply(book, command)).event
    assert event is not None, "usage is an event"
    return event


async def _replace(ledger: Ledger, book: Id, customer: Id, given: Given) -> Event:
    for _ in range(kept.ATTEMPTS):
        moved = await MOVED.named(ledger, book, given.own_id)
        ids = [given.own_id] if moved is None else moved.body.ids
        await _void_earlier(ledger, book, ids)
        current = await found(ledger, book, ids[-1])
        try:
            if current is None:
                return await _record(ledger, book, customer, given, ids[-1])
            if current.customer == customer:
                return await _override(ledger, book, current, given)
            await _move(ledger, book, moved, given.own_id, ids[-1])
        except (AlreadyExists, DocumentChanged, EventReused):
            continue  # somebody else was faster
    raise DocumentChanged


async def void(ledger: Ledger, book: Id, own_id: str) -> None:
    """What was received under an id counts nothing any more."""
    moved = await MOVED.named(ledger, book, own_id)
    ids = [own_id] if moved is None else moved.body.ids
    await _void_earlier(ledger, book, [*ids, own_id])


async def found(ledger: Ledger, book: Id, own_id: str) -> Event | None:
    try:
        return await ledger.usage_event(book, own_id)
    except EventNotFound:
        return None


async def current(ledger: Ledger, book: Id, own_id: str) -> Event | None:
    """The one that counts of those that were received under an id."""
    moved = await MOVED.named(ledger, book, own_id)
    event = await found(ledger, book, own_id if moved is None else moved.body.ids[-1])
    return None if event is None or event.name == REPLACED else event


async def _void_earlier(ledger: Ledger, book: Id, ids: list[str]) -> None:
    """Only the last of the earlier ones can still count."""
    event = None if len(ids) < 2 else await found(ledger, book, ids[-2])
    if event is None or event.name == REPLACED:
        return
    nothing = Given("", event.own_id, REPLACED, event.time, {})
    await _override(ledger, book, event, nothing)


async def _override(ledger: Ledger, book: Id, event: Event, given: Given) -> Event:
    said = (given.name, given.properties, event.time if given.time is None else given.time)
    if said == (event.name, event.properties, event.time):
        return event
    if event.name != REPLACED:
        identifier = derive(event.id, f"sequence.superseded:{event.revision}")
        change = SUPERSEDED.new(identifier, event.customer, record_of(event))
        await kept.keep(ledger, book, change, customer=event.customer)
    return await _record(ledger, book, event.customer, given, event.own_id, override=True)


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


def record_of(event: Event) -> EventRecord:
    return EventRecord(
        customer_alias=spell_uuid(event.customer),
        event_type=event.name,
        customer_event_id=event.own_id.partition(MOVE)[0],
        event_timestamp=text_of(event.time),
        event_properties=written(event.properties),
    )


def written(said: Properties) -> msgspec.Raw:
    """As JSON, digit by digit."""
    return msgspec.Raw(_encode(properties.document_of(said)))
