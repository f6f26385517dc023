"""Lists of events: those of the ledger, those that wait for their alias, and what was said before.

Each of the three is in the order of ids, so a page is merged from them as far as it reaches.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import msgspec

from drawdown.core import identity
from drawdown.core.errors import CustomerNotFound
from drawdown.core.identity import spell_uuid
from drawdown.core.types import Document, Id, Instant
from drawdown.dialects.sequence import imported
from drawdown.dialects.sequence.customers.reading import NOBODY
from drawdown.dialects.sequence.paging import LOOKED_AT_MAX, Page, SortOrder, page
from drawdown.dialects.sequence.usage import received, unmapped, wire
from drawdown.dialects.sequence.usage.kept import SUPERSEDED, UNMAPPED, Records
from drawdown.dialects.sequence.usage.measures import REPLACED, event_type
from drawdown.dialects.sequence.usage.wire import EventRecord
from drawdown.dialects.sequence.wire import Pagination
from drawdown.engine.ports import DocumentFilter
from drawdown.web import fields
from drawdown.web.endpoints import Call
from drawdown.web.errors import BadRequest

_BEGINNING = Id(bytes(16))
_CHUNK = 100


class Item(NamedTuple):
    id: Id
    record: EventRecord


class Asked(msgspec.Struct, frozen=True):
    """What is listed. ``customer`` None: everybody's, unless there is an ``alias`` that nobody has."""

    customer: Id | None
    alias: str | None
    event_type: str | None
    since: Instant | None
    until: Instant | None
    unmapped_only: bool

    def admits(self, record: EventRecord) -> bool:
        time = fields.instant(record.event_timestamp, "")
        return (
            self.event_type in (None, record.event_type)
            and (self.since is None or self.since <= time)
            and (self.until is None or time < self.until)
        )

    def names(self, record: EventRecord) -> bool:
        """Of what has no customer."""
        return self.alias in (None, record.customer_alias)


class Place(NamedTuple):
    """Where a list begins: at older ids than ``after``, or, oldest first, at newer ones than ``before``.

    What lies behind ``end`` is not asked for.
    """

    after: Id | None
    before: Id | None
    end: Id | None = None

    def is_passed_by(self, identifier: Id) -> bool:
        if self.end is None:
            return False
        return identifier <= self.end if self.before is None else identifier >= self.end

    def behind(self, identifier: Id) -> Place:
        if self.before is None:
            return self._replace(after=identifier)
        return self._replace(before=identifier)


#: The next of a list from a place on, in its order: so many.
Next = Callable[[Place, int], Awaitable[list[Item]]]


def shown(identifier: Id, record: EventRecord, account: Id, alias: str) -> wire.UsageEvent:
    return wire.UsageEvent(
        id=spell_uuid(identifier),
        sequence_account_id=spell_uuid(account),
        customer_alias=alias,
        event_type=record.event_type,
        customer_event_id=record.customer_event_id,
        event_timestamp=record.event_timestamp,
        event_properties=record.event_properties,
    )


async def page_of(call: Call, query: wire.EventsQuery) -> wire.EventPage:
    asked = await _asked(call, query)
    account = call.principal.account
    if query.event_id is not None:
        fields.reference(query.event_id, "eventId")
        found, pagination = await _one(call, query.event_id, asked), Pagination()
    else:
        found, pagination = await _page(call, query, asked)
    names = await _names(call, found)
    items = [
        shown(each.id, each.record, account, asked.alias or names[each.record.customer_alias])
        for each in found
    ]
    return wire.EventPage(items=items, pagination=pagination)


async def _names(call: Call, found: list[Item]) -> dict[str, str]:
    """What is shown for each alias: for the id of one who came from the vendor, the one that he had there."""
    names: dict[str, str] = {}
    for text in {each.record.customer_alias for each in found}:
        names[text], identifier = text, identity.parse(text)
        if identifier is not None:
            with contextlib.suppress(CustomerNotFound):
                owner = await call.ledger.customer(call.book, identifier)
                names[text] = imported.customer_id(owner)
    return names


async def _asked(call: Call, query: wire.EventsQuery) -> Asked:
    customer = None
    if query.customer_alias is not None:
        reference = fields.reference(query.customer_alias, "customerAlias")
        try:
            customer = (await call.ledger.customer(call.book, reference)).id
        except CustomerNotFound:
            customer = None
    return Asked(
        customer=customer,
        alias=query.customer_alias,
        event_type=None if query.event_type is None else event_type(query.event_type),
        since=_instant(query.event_timestamp_after, "eventTimestampAfter"),
        until=_instant(query.event_timestamp_before, "eventTimestampBefore"),
        unmapped_only=query.unmapped_aliases_only,
    )


def _instant(text: str | None, field: str) -> Instant | None:
    return None if text is None else fields.instant(text, field, assume_utc=True)


async def _page(call: Call, query: wire.EventsQuery, asked: Asked) -> tuple[list[Item], Pagination]:
    ascending = query.sort_order is SortOrder.ASC
    parts = _parts(call, asked)

    async def chunk(after: Id | None, before: Id | None, limit: int) -> list[Item]:
        if not ascending:
            place = Place(after, before)
        elif before is not None:
            place = Place(before, None)
        else:
            place = Place(None, after or _BEGINNING)
        found = await _merged(parts, place, query.offset + limit)
        return found[query.offset :]

    listed = Page(limit=query.limit, after=query.after, before=query.before)
    return await page(call, listed, chunk, lambda each: each.id)


def _parts(call: Call, asked: Asked) -> list[Next]:
    """Which lists there are of what is asked for."""
    unmapped_ones = _documents(call, UNMAPPED, None, asked, asked.names)
    if asked.unmapped_only:
        return [unmapped_ones]
    if asked.customer is not None:
        return [_events(call, asked), _documents(call, SUPERSEDED, asked.customer, asked)]
    if asked.alias is not None:
        return [unmapped_ones, _documents(call, SUPERSEDED, call.book, asked, asked.names)]
    return [_events(call, asked), unmapped_ones, _documents(call, SUPERSEDED, None, asked)]


def _events(call: Call, asked: Asked) -> Next:
    async def following(place: Place, count: int) -> list[Item]:
        found = await call.ledger.usage_events(
            call.book,
            customer=asked.customer,
            name=asked.event_type,
            since=asked.since,
            until=asked.until,
            after=place.after,
            before=place.before,
            limit=count,
        )
        return [Item(each.id, received.record_of(each)) for each in found]

    return _filtered(following, lambda record: record.event_type != REPLACED)


def _documents(
    call: Call,
    records: Records[EventRecord],
    owner: Id | None,
    asked: Asked,
    names: Callable[[EventRecord], bool] = lambda _: True,
) -> Next:
    async def following(place: Place, count: int) -> list[Item]:
        listed = DocumentFilter(
            book=call.book,
            kind=records.kind,
            owner=owner,
            after=place.after,
            before=place.before,
            limit=count,
        )
        found = await call.ledger.documents(listed)
        return [Item(each.id, records.read(each).body) for each in found]

    return _filtered(following, lambda record: asked.admits(record) and names(record))


def _filtered(following: Next, admits: Callable[[EventRecord], bool]) -> Next:
    """What no index knows of: each is looked at, up to ``LOOKED_AT_MAX``."""

    async def chosen(place: Place, count: int) -> list[Item]:
        kept_ones: list[Item] = []
        looked_at = 0
        while len(kept_ones) < count:
            found = await following(place, _CHUNK)
            kept_ones += [each for each in found if admits(each.record)]
            looked_at += len(found)
            if len(found) < _CHUNK or place.is_passed_by(found[-1].id):
                break
            if looked_at >= LOOKED_AT_MAX:
                raise BadRequest("customerAlias", "given, or a cursor: too many events lie between")
            place = place.behind(found[-1].id)
        return kept_ones[:count]

    return chosen


async def _merged(parts: list[Next], place: Place, count: int) -> list[Item]:
    """The first of all parts together. Where one has filled the page no other is looked at behind its end."""
    found: list[Item] = []
    for following in parts:
        found += await following(place, count)
        found.sort(key=lambda each: each.id, reverse=place.before is None)
        found = found[:count]
        if len(found) == count:
            place = place._replace(end=found[-1].id)
    return found


async def _one(call: Call, text: str, asked: Asked) -> list[Item]:
    """By the id of an event, or by what its sender calls it."""
    ledger, book = call.ledger, call.book
    event = await received.current(ledger, book, text)
    found = [] if event is None else [Item(event.id, received.record_of(event))]
    waiting = await UNMAPPED.named(ledger, book, text)
    if waiting is not None:
        found.append(Item(waiting.document.id, waiting.body))
    identifier = identity.parse(text)
    if identifier is not None:
        found += await _by_id(call, identifier)
    return [each for each in found if _is_asked(each.record, asked)]


def _is_asked(record: EventRecord, asked: Asked) -> bool:
    whose = asked.alias if asked.customer is None else spell_uuid(asked.customer)
    is_his = whose is None or record.customer_alias == whose
    return is_his and record.event_type != REPLACED and asked.admits(record)


async def _by_id(call: Call, identifier: Id) -> list[Item]:
    number = int.from_bytes(identifier, "big")
    if number + 1 < 1 << 128:
        above = Id((number + 1).to_bytes(16, "big"))
        events = await call.ledger.usage_events(call.book, after=above, limit=1)
        if events and events[0].id == identifier:
            return [Item(identifier, received.record_of(events[0]))]
    document = await call.ledger.store.find_document(identifier)
    if document is None or document.book != call.book:
        return []
    return await _kept_one(call, document)


async def _kept_one(call: Call, document: Document) -> list[Item]:
    """One that has waited, and counts now, has another id; it is found by the one that it had."""
    if document.kind not in (UNMAPPED.kind, SUPERSEDED.kind):
        return []
    record = UNMAPPED.read(document).body
    if document.deleted_at is None:
        return [Item(document.id, record)]
    event = await received.current(call.ledger, call.book, record.customer_event_id)
    return [] if event is None else [Item(event.id, received.record_of(event))]


async def unmapped_page_of(call: Call, query: wire.EventsQuery) -> wire.EventPage:
    """Some of those may have got their customer elsewhere: they count from now on, and are not on it."""
    tried: set[str] = set()
    while True:
        found = await page_of(call, query)
        aliases = sorted({each.customer_alias for each in found.items} - tried)
        known = [each for each in aliases if await _is_known(call, each)]
        if not known:
            return found
        await unmapped.map_aliases(call.ledger, call.book, known)
        tried.update(known)


async def _is_known(call: Call, alias: str) -> bool:
    if alias == NOBODY:
        return False
    try:
        await call.ledger.customer(call.book, fields.reference(alias, "customerAlias"))
    except CustomerNotFound:
        return False
    return True
