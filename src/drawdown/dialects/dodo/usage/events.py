"""Dodo's usage events: taken in batches, debited at once, found again."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec

from drawdown.core import errors
from drawdown.core.commands import RecordUsage
from drawdown.core.errors import EventReused, FieldInvalid, LedgerError
from drawdown.core.requests import Accepted, Answer
from drawdown.core.times import text_of
from drawdown.core.types import MICROSECONDS, Customer, Id, Instant
from drawdown.core.usage import meters, properties
from drawdown.core.usage.meters import Measure
from drawdown.core.usage.properties import Properties
from drawdown.core.usage.recording import AHEAD_MAX
from drawdown.core.usage.records import Catalog, Event
from drawdown.dialects.dodo import reading
from drawdown.dialects.dodo.answering import answer
from drawdown.dialects.dodo.errors import EventRefused, QueryConflict, TooManyPairs
from drawdown.dialects.dodo.rendering import business_id, customer_id
from drawdown.dialects.dodo.usage import event_pages, wire
from drawdown.dialects.dodo.usage.meters import exact_object
from drawdown.engine.accounts import Role
from drawdown.engine.ledger import Asked
from drawdown.web import fields
from drawdown.web.endpoints import Call, Endpoint
from drawdown.web.errors import BadRequest

#: How far back the time of an event may be.
BACK_MAX = 3_600 * MICROSECONDS
_WINDOW = f"at most {BACK_MAX // MICROSECONDS // 60} minutes back and {AHEAD_MAX // MICROSECONDS // 60} ahead"


async def ingest(call: Call) -> Answer:
    """All events are looked at before the first is taken, so that a bad one refuses them all."""
    body: wire.IngestRequest = call.body
    _check_ids(body.events)
    owners = await _owners(call, body.events)
    catalog = await call.ledger.catalog(call.book)
    asked = [
        _asked(given, f"events[{place}]", *owners[given.customer_id], catalog)
        for place, given in enumerate(body.events)
    ]
    answers = await call.ledger.submit_many(call.book, asked)
    return answer(call, wire.Ingested(sum(map(_is_new, answers))))


def _is_new(outcome: Answer | BaseException) -> bool:
    """An id that was seen before is ignored, whatever the event says. Raises what refused an event."""
    if isinstance(outcome, EventReused):
        return False
    if isinstance(outcome, BaseException):
        raise outcome
    return not outcome.replayed


def _check_ids(events: list[wire.EventGiven]) -> None:
    seen: set[str] = set()
    for place, given in enumerate(events):
        if given.event_id in seen:
            raise EventRefused(f"events[{place}].event_id", "used once in a request")
        seen.add(given.event_id)
        for name in ("event_id", "event_name"):
            if not getattr(given, name).isprintable():
                raise EventRefused(f"events[{place}].{name}", "printable characters")


async def _owners(call: Call, events: list[wire.EventGiven]) -> dict[str, tuple[Customer, Instant]]:
    """Each customer, and what time it is for him."""
    found: dict[str, tuple[Customer, Instant]] = {}
    for place, given in enumerate(events):
        if given.customer_id in found:
            continue
        field = f"events[{place}].customer_id"
        try:
            owner = await call.ledger.customer(
                call.book, fields.reference(given.customer_id, field)
            )
        except (errors.CustomerNotFound, BadRequest):
            raise EventRefused(field, "the id of a customer") from None
        if owner.closed_at is not None:
            raise EventRefused(field, "the id of a customer who is not closed")
        found[given.customer_id] = owner, await call.ledger.now_of(owner)
    return found


def _asked(
    given: wire.EventGiven, field: str, owner: Customer, now: Instant, catalog: Catalog
) -> Asked:
    time = None
    if given.timestamp is not None:
        time = fields.instant(given.timestamp, f"{field}.timestamp", assume_utc=True)
        if not now - BACK_MAX <= time <= now + AHEAD_MAX:
            raise EventRefused(f"{field}.timestamp", _WINDOW)
    command = RecordUsage(
        customer=owner.id,
        own_id=given.event_id,
        name=given.event_name,
        time=time,
        properties=_properties(given.metadata, f"{field}.metadata"),
    )
    _check_counted(command, field, time or now, catalog)
    return command, _taken, None


def _taken(accepted: Accepted) -> Answer:
    return Answer(status=200, body=b"", replayed=accepted.operation is None)


def _properties(raw: msgspec.Raw, field: str) -> Properties:
    given = exact_object(raw, field) or {}
    if len(given) > properties.PROPERTIES_MAX:
        raise TooManyPairs(field, f"at most {properties.PROPERTIES_MAX} key-value pairs")
    try:
        return properties.properties_of(given, field)
    except FieldInvalid as error:
        raise BadRequest(str(error.fields["field"]), str(error.fields["rule"])) from None


def _check_counted(command: RecordUsage, field: str, time: Instant, catalog: Catalog) -> None:
    """Whether the meters that count it can: a sum is of numbers."""
    for meter, rate in catalog.charges_of(command.name):
        if meter.closed_at is not None or rate.closed_at is not None:
            continue
        try:
            meters.contribution(meter.measure, time, b"", command.properties)
        except FieldInvalid as error:
            key = str(error.fields["field"]).replace("properties", "metadata", 1)
            raise EventRefused(f"{field}.{key}", str(error.fields["rule"])) from None


async def retrieve(call: Call) -> Answer:
    event = await call.ledger.usage_event(call.book, call.path["event_id"])
    owner = await call.ledger.customer(call.book, event.customer)
    return answer(call, _shown(event, owner, call.principal.account))


async def list_all(call: Call, *, page_base: int) -> Answer:
    """The newest recorded first. A customer whom nobody knows has no events."""
    query: wire.ListEventsQuery = call.query
    measure = await _measure(call)
    first = query.offset(page_base)
    asked: dict[str, Any] = {
        "name": query.event_name if measure is None else measure.event_name,
        "since": reading.query_instant(query.start, "start"),
        "until": reading.query_instant(query.end, "end"),
    }
    try:
        if query.customer_id is not None:
            reference = reading.query_reference(query.customer_id, "customer_id")
            asked["customer"] = (await call.ledger.customer(call.book, reference)).id
    except errors.CustomerNotFound:
        return answer(call, wire.EventPage([]))
    found = await event_pages.page_of(
        call.ledger, call.book, asked, measure, first=first, size=query.page_size
    )
    owners: dict[Id, Customer] = {}
    for event in found:
        if event.customer not in owners:
            owners[event.customer] = await call.ledger.customer(call.book, event.customer)
    account = call.principal.account
    return answer(
        call, wire.EventPage([_shown(each, owners[each.customer], account) for each in found])
    )


async def _measure(call: Call) -> Measure | None:
    """Of the meter that events are asked for. Raises ``MeterNotFound``."""
    query: wire.ListEventsQuery = call.query
    if query.meter_id is None:
        return None
    reference = reading.query_reference(query.meter_id, "meter_id")
    measure = (await call.ledger.meter(call.book, reference)).measure
    if query.event_name is not None and query.event_name != measure.event_name:
        raise QueryConflict(
            f"event_name must be left out, or the meter's own, {measure.event_name!r}."
        )
    return measure


def _shown(event: Event, owner: Customer, account: Id) -> wire.Event:
    return wire.Event(
        event_id=event.own_id,
        business_id=business_id(account),
        customer_id=customer_id(owner),
        event_name=event.name,
        timestamp=text_of(event.time),
        metadata=properties.document_of(event.properties),
    )


_REFUSED: tuple[type[LedgerError] | type[EventRefused], ...] = (
    EventRefused,
    errors.TooManyCounts,
)


def endpoints(page_base: int) -> tuple[Endpoint, ...]:
    """The table. ``page_base`` is the number of the first page: 0 as documented, or 1."""
    return (
        Endpoint(
            method="POST",
            path="/events/ingest",
            handler=ingest,
            summary="Take usage events, and draw at once what they cost",
            role=Role.EDITOR,
            body=wire.IngestRequest,
            answer=wire.Ingested,
            errors=_REFUSED,
            counted="usage",
        ),
        Endpoint(
            method="GET",
            path="/events",
            handler=partial(list_all, page_base=page_base),
            summary="List usage events, newest first",
            role=Role.VIEWER,
            query=wire.ListEventsQuery,
            answer=wire.EventPage,
            errors=(errors.MeterNotFound, QueryConflict),
        ),
        Endpoint(
            method="GET",
            path="/events/{event_id}",
            handler=retrieve,
            summary="Retrieve a usage event",
            role=Role.VIEWER,
            answer=wire.Event,
            errors=(errors.EventNotFound,),
        ),
    )
