"""Events for an alias that nobody has. They wait, and count from when somebody has it.

``map_aliases`` records them, oldest first, at their own times, and takes them away in pieces. Where a server
stops before the end, the book's ``sequence.waiting`` names the alias, and whoever sends an event goes on. An
event that was recorded and not taken away is recorded again: that changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from functools import partial

import msgspec

from drawdown.core.commands import DocumentChange
from drawdown.core.errors import (
    AlreadyExists,
    DocumentChanged,
    DocumentNotFound,
    LedgerError,
)
from drawdown.core.identity import derive
from drawdown.core.times import text_of
from drawdown.core.types import MICROSECONDS, Document, Id, Instant
from drawdown.dialects.sequence.customers.reading import NOBODY
from drawdown.dialects.sequence.errors import TooManyUnmapped
from drawdown.dialects.sequence.usage import kept, received
from drawdown.dialects.sequence.usage.kept import SUPERSEDED, UNMAPPED, Kept
from drawdown.dialects.sequence.usage.measures import properties_of, written
from drawdown.dialects.sequence.usage.received import Given
from drawdown.dialects.sequence.usage.wire import EventRecord, WaitingRecord
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import DocumentFilter
from drawdown.web import fields
from drawdown.web.errors import BadRequest

#: So many wait in a book. Those that are cancelled do not: there is room for as many as are sent.
UNMAPPED_MAX = 10_000
#: So many are taken away at once.
PIECE = 25
#: Who records what waits says so more often; after so long another goes on.
PATIENCE = 60 * MICROSECONDS
_CHUNK = 100
_BEGINNING = Id(bytes(16))


async def keep_waiting(ledger: Ledger, book: Id, given: Given) -> Document:
    """Raises ``TooManyUnmapped``. What was received under its id before counts nothing any more."""
    for _ in range(kept.ATTEMPTS):
        known = await UNMAPPED.named(ledger, book, given.own_id)
        if given.alias != NOBODY and (known is None or _is_cancelled(known.body)):
            await _check_room(ledger, book)
        last = await received.void(ledger, book, given.own_id)
        if known is not None:
            last = time_of(known)
        record = record_of(given, last or ledger.clock.now())
        try:
            document = await _put(ledger, book, known, record)
        except (AlreadyExists, DocumentChanged, DocumentNotFound):
            continue  # somebody else was faster
        await _give_way(ledger, book, UNMAPPED.read(document), known)
        return document
    raise DocumentChanged


async def _put(
    ledger: Ledger, book: Id, known: Kept[EventRecord] | None, record: EventRecord
) -> Document:
    if known is None:
        name = record.customer_event_id
        new = UNMAPPED.new(kept.new_id(ledger, book), book, record, takes=name)
        return (await kept.wait(ledger, book, partial(_one_more, record), new))[0]
    if known.body == record:
        return known.document
    changes = UNMAPPED.changed(known, record), _as_it_was(known)
    if _is_cancelled(known.body) == _is_cancelled(record):
        return (await kept.keep(ledger, book, *changes))[0]
    instead = partial(_one_instead, known.body, record)
    return (await kept.wait(ledger, book, instead, *changes))[0]


async def _give_way(
    ledger: Ledger, book: Id, now: Kept[EventRecord], before: Kept[EventRecord] | None
) -> None:
    """To what has come to count meanwhile, unless that is what was just replaced: it was being recorded."""
    if before is None or not await _uncount(ledger, book, before.body):
        await forget(ledger, book, now)


async def _uncount(ledger: Ledger, book: Id, said: EventRecord) -> bool:
    """Whether this very event counted; then it does not any more."""
    event = await received.current(ledger, book, said.customer_event_id)
    is_it = event is not None and received.record_of(event, said.customer_alias) == said
    if is_it:
        await received.void(ledger, book, said.customer_event_id)
    return is_it


async def _check_room(ledger: Ledger, book: Id) -> None:
    waiting = await kept.waiting(ledger, book)
    if waiting is not None and waiting.body.events >= UNMAPPED_MAX:
        raise TooManyUnmapped(UNMAPPED_MAX)


def _as_it_was(known: Kept[EventRecord]) -> DocumentChange:
    document = known.document
    identifier = derive(document.id, f"sequence.superseded:{document.revision}")
    return SUPERSEDED.new(identifier, document.owner, known.body)


def record_of(given: Given, time: Instant) -> EventRecord:
    """``time``: where the event says none."""
    return EventRecord(
        customer_alias=given.alias,
        event_type=given.name,
        customer_event_id=given.own_id,
        event_timestamp=text_of(time if given.time is None else given.time),
        event_properties=written(given.properties),
    )


def time_of(event: Kept[EventRecord]) -> Instant:
    return fields.instant(event.body.event_timestamp, "")


def _is_cancelled(record: EventRecord) -> bool:
    return record.customer_alias == NOBODY


def _one_more(record: EventRecord, body: WaitingRecord) -> WaitingRecord:
    if _is_cancelled(record):
        return msgspec.structs.replace(body, cancelled=body.cancelled + 1)
    if body.events >= UNMAPPED_MAX:
        raise TooManyUnmapped(UNMAPPED_MAX)
    return msgspec.structs.replace(body, events=body.events + 1)


def _fewer(records: Collection[EventRecord], body: WaitingRecord) -> WaitingRecord:
    cancelled = sum(map(_is_cancelled, records))
    return msgspec.structs.replace(
        body,
        events=max(body.events - len(records) + cancelled, 0),
        cancelled=max(body.cancelled - cancelled, 0),
    )


def _one_instead(gone: EventRecord, record: EventRecord, body: WaitingRecord) -> WaitingRecord:
    return _one_more(record, _fewer([gone], body))


async def forget(ledger: Ledger, book: Id, known: Kept[EventRecord]) -> None:
    """Where an event counts that came after it: unless another, later still, has taken its place."""
    if await received.current(ledger, book, known.body.customer_event_id) is None:
        return
    with suppress(DocumentChanged, DocumentNotFound):
        await _take_away(ledger, book, [known], _as_it_was(known))


async def map_aliases(ledger: Ledger, book: Id, aliases: Collection[str]) -> None:
    """Somebody has these aliases now: what waits for them counts."""
    waiting = await kept.waiting(ledger, book)
    if waiting is None or not waiting.body.events or not aliases:
        return
    await kept.wait(ledger, book, partial(_with_aliases, tuple(aliases)))
    await go_on(ledger, book, aliases)


async def go_on(ledger: Ledger, book: Id, aliases: Collection[str]) -> None:
    """Record what waits for aliases that somebody has."""
    for _ in range(kept.ATTEMPTS):
        try:
            await _pass(ledger, book, aliases)
        except (DocumentChanged, DocumentNotFound):
            continue  # somebody else does the same
        await kept.wait(ledger, book, partial(_without_aliases, frozenset(aliases)))
        return
    raise DocumentChanged


def _with_aliases(aliases: Collection[str], body: WaitingRecord) -> WaitingRecord:
    both = tuple(dict.fromkeys((*body.aliases, *aliases)))
    return msgspec.structs.replace(body, aliases=both)


def _without_aliases(aliases: Collection[str], body: WaitingRecord) -> WaitingRecord:
    left = tuple(each for each in body.aliases if each not in aliases)
    return msgspec.structs.replace(body, aliases=left)


async def _pass(ledger: Ledger, book: Id, aliases: Collection[str]) -> None:
    done: list[Kept[EventRecord]] = []
    before = _BEGINNING
    while True:
        asked = DocumentFilter(book=book, kind=UNMAPPED.kind, before=before, limit=_CHUNK)
        documents = await ledger.documents(asked)
        for document in documents:
            event = UNMAPPED.read(document)
            if event.body.customer_alias in aliases and await _is_taken(ledger, book, event):
                done.append(event)
            if len(done) == PIECE:
                await _take_away(ledger, book, done)
                done = []
        if len(documents) < _CHUNK:
            break
        before = documents[-1].id
    if done:
        await _take_away(ledger, book, done)


async def _is_taken(ledger: Ledger, book: Id, event: Kept[EventRecord]) -> bool:
    """What the customer's metrics cannot count goes on waiting, to be sent again as it should be."""
    given = _given(event.body)

    async def waits() -> bool:
        now = await UNMAPPED.named(ledger, book, given.own_id)
        return now is not None and now.document.revision == event.document.revision

    try:
        await received.take_waiting(ledger, book, given.alias, given, waits)
    except DocumentChanged:
        raise
    except (LedgerError, BadRequest):
        return False
    now = await UNMAPPED.named(ledger, book, given.own_id)
    if now is not None and now.body != event.body:
        await _uncount(ledger, book, event.body)
        raise DocumentChanged
    return True


def _given(record: EventRecord) -> Given:
    return Given(
        alias=record.customer_alias,
        own_id=record.customer_event_id,
        name=record.event_type,
        time=fields.instant(record.event_timestamp, ""),
        properties=properties_of(record.event_properties),
    )


async def _take_away(
    ledger: Ledger, book: Id, events: list[Kept[EventRecord]], *beside: DocumentChange
) -> None:
    changes = [
        UNMAPPED.changed(each, None, gives_back=each.body.customer_event_id) for each in events
    ]
    fewer = partial(_fewer, [each.body for each in events])
    await kept.wait(ledger, book, fewer, *changes, *beside)
