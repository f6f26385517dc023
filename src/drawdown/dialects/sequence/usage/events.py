"""Usage events: taken one by one, and listed."""

from __future__ import annotations

import msgspec

from drawdown.core import errors
from drawdown.core.errors import CustomerNotFound
from drawdown.core.identity import spell_uuid
from drawdown.core.requests import Answer
from drawdown.core.types import MICROSECONDS, Document
from drawdown.core.usage.recording import AHEAD_MAX
from drawdown.core.usage.records import Event
from drawdown.dialects.sequence.answering import answer, check_account
from drawdown.dialects.sequence.customers.reading import NOBODY
from drawdown.dialects.sequence.errors import TooManyUnmapped
from drawdown.dialects.sequence.usage import kept, listing, received, standing, unmapped, wire
from drawdown.dialects.sequence.usage.kept import UNMAPPED, Kept
from drawdown.dialects.sequence.usage.measures import event_type, properties_of
from drawdown.dialects.sequence.usage.received import MOVE, Given
from drawdown.dialects.sequence.usage.reserving import reserve
from drawdown.dialects.sequence.usage.wire import EventRecord
from drawdown.engine.accounts import Role
from drawdown.web import fields
from drawdown.web.endpoints import Call, Endpoint
from drawdown.web.errors import BadRequest

EVENT_ID_MAX = 200
_ID_RULE = f"1 to {EVENT_ID_MAX} printable characters"


async def create(call: Call) -> Answer:
    """What an event is charged is drawn with it; for an alias that nobody has it waits."""
    given, repeated = await _given(call)
    there = await _there(call, given.own_id) if repeated else None
    if there is not None:
        return msgspec.structs.replace(answer(call, 201, _shown(call, given, there)), replayed=True)
    if given.time is None and call.body.customer_event_id is not None:
        before = await _waiting(call, given.own_id)
        time = None if before is None else unmapped.time_of(before)
        given = msgspec.structs.replace(given, time=time)
    taken = await _taken(call, given)
    if taken is None:
        return answer(call, 201, _shown(call, given, await _kept(call, given)))
    replaced = await _waiting(call, given.own_id)
    if replaced is not None:
        await unmapped.forget(call.ledger, call.book, replaced)
    return answer(call, 201, _shown(call, given, taken))


async def _waiting(call: Call, own_id: str) -> Kept[EventRecord] | None:
    """What waits under an id, when all that others began and did not end is done."""
    waiting = await kept.waiting(call.ledger, call.book)
    if waiting is None:
        return None
    if waiting.body.metrics:
        await standing.finish(call.ledger, call.book)
    if waiting.body.aliases and waiting.document.updated_at + unmapped.PATIENCE < call.now:
        await unmapped.go_on(call.ledger, call.book, waiting.body.aliases)
    if not waiting.body.events and not waiting.body.cancelled:
        return None
    return await UNMAPPED.named(call.ledger, call.book, own_id)


async def _given(call: Call) -> tuple[Given, bool]:
    """Without an id of its own it has a new one; or, True, the one that its idempotency key stands for."""
    body: wire.EventRequest = call.body
    check_account(body.sequence_account_id, call.principal.account)
    fields.reference(body.customer_alias, "customerAlias")
    own_id = body.customer_event_id
    if own_id is not None and not _is_own_id(own_id):
        raise BadRequest("customerEventId", _ID_RULE)
    time = None
    if body.event_timestamp is not None:
        time = fields.instant(body.event_timestamp, "eventTimestamp", assume_utc=True)
    given = Given(
        alias=body.customer_alias,
        own_id=own_id or "",
        name=event_type(body.event_type),
        time=time,
        properties=properties_of(body.event_properties),
    )
    new = own_id or spell_uuid(call.ledger.ids.new())
    own_id, repeated = await reserve(call, given, new)
    return msgspec.structs.replace(given, own_id=own_id), repeated


def _is_own_id(text: str) -> bool:
    return 1 <= len(text) <= EVENT_ID_MAX and text.isprintable() and MOVE not in text


async def _there(call: Call, own_id: str) -> Event | Document | None:
    """What was received under an id last: a repetition takes no later one's place."""
    waiting = await UNMAPPED.named(call.ledger, call.book, own_id)
    if waiting is not None:
        return waiting.document
    return await received.current(call.ledger, call.book, own_id)


async def _taken(call: Call, given: Given) -> Event | None:
    """None where the alias is nobody's."""
    if given.alias == NOBODY:
        return None
    reference = fields.reference(given.alias, "customerAlias")
    try:
        return await received.take(call.ledger, call.book, reference, given)
    except CustomerNotFound:
        return None


async def _kept(call: Call, given: Given) -> Event | Document:
    """It may be that somebody has been given the alias meanwhile."""
    if given.time is not None and given.time > call.now + AHEAD_MAX:
        rule = f"at most {AHEAD_MAX // MICROSECONDS} seconds in the future"
        raise BadRequest("eventTimestamp", rule)
    document = await unmapped.keep_waiting(call.ledger, call.book, given)
    taken = await _taken(call, given)
    if taken is None:
        return document
    await unmapped.forget(call.ledger, call.book, UNMAPPED.read(document))
    return taken


def _shown(call: Call, given: Given, taken: Event | Document) -> wire.UsageEvent:
    """As it was sent: where it is answered again, another may have taken its place."""
    time = taken.time if isinstance(taken, Event) else unmapped.time_of(UNMAPPED.read(taken))
    record = unmapped.record_of(given, time)
    return listing.shown(taken.id, record, call.principal.account, given.alias)


async def list_all(call: Call) -> Answer:
    query: wire.EventsQuery = call.query
    if query.unmapped_aliases_only:
        return answer(call, 200, await listing.unmapped_page_of(call, query))
    return answer(call, 200, await listing.page_of(call, query))


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/usage-events",
        handler=create,
        summary="Take a usage event, and draw at once what it costs",
        role=Role.EDITOR,
        body=wire.EventRequest,
        answer=wire.UsageEvent,
        status=201,
        errors=(
            errors.CustomerClosed,
            errors.TooManyCounts,
            errors.TooManyEvents,
            errors.KeyReused,
            TooManyUnmapped,
        ),
        counted="usage",
    ),
    Endpoint(
        method="GET",
        path="/usage-events",
        handler=list_all,
        summary="List usage events, newest first",
        role=Role.VIEWER,
        query=wire.EventsQuery,
        answer=wire.EventPage,
    ),
)
