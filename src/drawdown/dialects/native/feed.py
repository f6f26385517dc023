"""All that happened in a book, in the order in which it was recorded: to be read at one's own pace."""

from __future__ import annotations

import asyncio
import time

import msgspec

from drawdown.core.errors import CustomerNotFound
from drawdown.core.requests import Answer
from drawdown.core.types import Id
from drawdown.dialects.native import asked_webhooks, common, wire_events
from drawdown.dialects.native.events import FORMAT
from drawdown.engine.accounts import Role
from drawdown.engine.ledger import Ledger
from drawdown.engine.positions import BEGINNING, LAST, Position, read_token, token
from drawdown.web import fields
from drawdown.web.endpoints import Call, Endpoint
from drawdown.web.errors import BadRequest
from drawdown.webhooks.events import matches

#: Operations that are looked at for one page: with a filter, it may find nothing among so many. Those of
#: other customers are passed over without being rendered.
LOOKED_AT_MAX = 2_000
OF_CUSTOMER_LOOKED_AT_MAX = 20_000
READ_AT_ONCE = 500
#: And for so long, since rendering an operation may read what it names: a page ends after that.
LOOKED_AT_SECONDS = 1.0


async def list_events(call: Call) -> Answer:
    query: asked_webhooks.FeedQuery = call.query
    owner = None
    if query.customer is not None:
        reference = fields.reference(query.customer, "customer")
        owner = (await call.ledger.customer(call.book, reference)).id
    return common.ok(await read_page(call.ledger, call.book, query, owner, LOOKED_AT_SECONDS))


async def read_page(
    ledger: Ledger, book: Id, query: asked_webhooks.FeedQuery, owner: Id | None, seconds: float
) -> wire_events.EventsPage:
    """A page ends with ``limit`` events, with the feed, or where enough was looked at for one request.

    At least one operation is looked at, however few ``seconds`` there are.
    """
    until = time.monotonic() + seconds
    place = _place(query.after)
    bodies: list[msgspec.Raw] = []
    more, left = True, LOOKED_AT_MAX if owner is None else OF_CUSTOMER_LOOKED_AT_MAX
    while more and len(bodies) < query.limit and left > 0:
        place, more = await _add(ledger, book, query, owner, place, bodies, until)
        left = left - READ_AT_ONCE if time.monotonic() < until else 0
        await asyncio.sleep(0)  # others have their turn
    return wire_events.EventsPage(data=bodies, next=token(*place), has_more=more)


async def _add(
    ledger: Ledger,
    book: Id,
    query: asked_webhooks.FeedQuery,
    owner: Id | None,
    place: tuple[Position, int],
    bodies: list[msgspec.Raw],
    until: float,
) -> tuple[tuple[Position, int], bool]:
    """Add what comes next, up to the limit or the time; where to go on, and whether more follows."""
    position, last = place
    patterns = ("*",) if query.type is None else (query.type,)
    # Some events of the last operation may be left: it is read once more.
    after = position if last == LAST else _before(position)
    page = await ledger.feed(after, books=frozenset({book}), customer=owner, limit=READ_AT_ONCE)
    for recorded in page.found:
        for event in await FORMAT.render(ledger, recorded):
            if event.position == position and event.ordinal <= last:
                continue
            if not matches(patterns, event.type):
                continue
            if len(bodies) == query.limit:
                return place, True
            bodies.append(msgspec.Raw(event.body))
            place = (event.position, event.ordinal)
        if time.monotonic() >= until:  # this operation was looked at whole
            return (recorded.position, LAST), True
    moved = page.end != after  # the feed's own order decides, not the clocks it was recorded by
    return ((page.end, LAST) if moved else place), page.more


def _place(after: str | None) -> tuple[Position, int]:
    if after is None:
        return BEGINNING, LAST
    found = read_token(after)
    if found is None:
        raise BadRequest("after", "the `next` of an earlier page")
    return found


def _before(position: Position) -> Position:
    """Right before an operation."""
    number = int.from_bytes(position.operation, "big")
    return Position(position.recorded_at, Id(max(number - 1, 0).to_bytes(16, "big")))


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/events-feed",
        handler=list_events,
        summary="List what happened, in the order in which it was recorded",
        role=Role.VIEWER,
        query=asked_webhooks.FeedQuery,
        answer=wire_events.EventsPage,
        errors=(CustomerNotFound,),
    ),
)
