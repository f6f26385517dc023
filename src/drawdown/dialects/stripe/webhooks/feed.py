"""The endpoints of ``event``: what happened in a book in the last 30 days, newest first.

Nothing is kept as events: they are rendered of what was recorded, which is read from its end backwards.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec

from drawdown.core.requests import Answer
from drawdown.core.types import DAY, MICROSECONDS, Id, Instant
from drawdown.dialects.stripe import expansion, kept, recorded
from drawdown.dialects.stripe.errors import StripeError, missing_object
from drawdown.dialects.stripe.webhooks import wire
from drawdown.dialects.stripe.webhooks.events import FORMAT, could_tell
from drawdown.dialects.stripe.webhooks.requests import ListEvents
from drawdown.engine.endpoints import Endpoint
from drawdown.engine.ports import Recorded, Store
from drawdown.engine.positions import LAST, Position
from drawdown.web.endpoints import Call
from drawdown.webhooks.events import Event, matches, parse_event
from drawdown.webhooks.formats import find_event

KEPT_FOR = 30 * DAY
RETRIES_AT_ONCE = 1_000
_LAST = Id(b"\xff" * 16)
Place = tuple[Position, int]


async def retrieve_event(call: Call) -> Answer:
    expansion.expansion(call.query.expand, expansion.METER)
    _, found = await _find(call, call.path["event"], "id")
    waiting = await Waiting.of(call)
    return _answer(call, waiting.shown(found))


async def list_events(call: Call) -> Answer:
    asked: ListEvents = call.query
    expansion.expansion(asked.expand, expansion.METER, of_list=True)
    waiting = await Waiting.of(call)
    patterns = _patterns(asked)
    keep = _filter(asked, patterns, waiting)
    after, before = await kept.cursors(asked, _cursor(call))
    read = partial(call.ledger.feed, books=frozenset({call.book}))
    if before is not None:
        walk = recorded.forwards(read, before[0])
        kept_there = _both(keep, lambda place: place > before)
    else:
        end = (Position(call.now, _LAST), LAST) if after is None else after
        walk = recorded.backwards(read, end[0], _oldest(call))
        kept_there = _both(keep, lambda place: place < end)

    types = [each for each in FORMAT.types if matches(patterns, each)]

    async def told(each: Recorded) -> list[Event]:
        if not could_tell(each, types):
            return []
        events = await FORMAT.render(call.ledger, each)
        return [event for event in events if kept_there(event)]

    page, more, _ = await recorded.collect(walk, told, asked.limit, newest_first=before is None)
    data = [waiting.shown(each) for each in (page if before is None else page[::-1])]
    more = more and bool(data)
    return _answer(call, wire.EventList(data=data, has_more=more, url=wire.EVENTS_URL))


# What is asked for ---------------------------------------------------------------------------------

Keep = Callable[[Event], bool]


def _both(keep: Keep, is_within: Callable[[Place], bool]) -> Keep:
    return lambda event: is_within((event.position, event.ordinal)) and keep(event)


def _patterns(asked: ListEvents) -> tuple[str, ...]:
    """Of the types that are asked for. Raises ``StripeError``."""
    if isinstance(asked.type, str) and isinstance(asked.types, list):
        raise StripeError(
            "You may only specify one of these parameters: type, types.",
            code="parameters_exclusive",
            param="type",
        )
    patterns: tuple[str, ...] = ("*",)
    if isinstance(asked.types, list):
        patterns = tuple(asked.types)
    elif isinstance(asked.type, str):
        patterns = (asked.type,)
    for pattern in patterns:
        _check_type(pattern, "types" if isinstance(asked.types, list) else "type")
    return patterns


def _filter(asked: ListEvents, patterns: tuple[str, ...], waiting: Waiting) -> Keep:
    created = kept.range_of(asked.created, "created")

    def keep(event: Event) -> bool:
        if not matches(patterns, event.type):
            return False
        if asked.created is not msgspec.UNSET and not created(
            _event_of(event.body).created * MICROSECONDS
        ):
            return False
        delivered = asked.delivery_success
        return isinstance(delivered, msgspec.UnsetType) or waiting.is_delivered(event) is delivered

    return keep


def _check_type(pattern: str, param: str) -> None:
    """A ``*`` stands for what follows a dot."""
    if "*" in pattern and not (
        pattern == "*" or (pattern.endswith(".*") and "*" not in pattern[:-1])
    ):
        raise StripeError("A * may only stand at the end, after a dot: customer.*", param=param)


_event_of = msgspec.json.Decoder(wire.EventObject).decode


class Waiting:
    """To which endpoints events are still to be delivered, and what did not reach one.

    ``failed`` and ``dead``, by endpoint: what did not arrive, and will be tried again, or not any more.
    """

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        failed: Mapping[Id, Collection[Place]],
        dead: Mapping[Id, Collection[Place]],
    ) -> None:
        self._endpoints, self._failed, self._dead = endpoints, failed, dead

    @classmethod
    async def of(cls, call: Call) -> Waiting:
        store = call.ledger.store
        every = await store.list_endpoints(call.book)
        ours = [each for each in every if each.settings.format == FORMAT.name]
        failed = {each.id: await _places(store, each.id, dead=False) for each in ours}
        dead = {each.id: await _places(store, each.id, dead=True) for each in ours}
        return cls(ours, failed, dead)

    def pending(self, event: Event) -> int:
        """None of it is for an endpoint that is disabled: nothing is sent there."""
        return sum(each.enabled and self._waits(each, event) for each in self._endpoints)

    def _waits(self, endpoint: Endpoint, event: Event) -> bool:
        if (event.position, event.ordinal) in self._failed[endpoint.id]:
            return True
        settings = endpoint.settings
        if settings.customer is not None and settings.customer != event.customer:
            return False
        return event.position > endpoint.cursor and matches(settings.types, event.type)

    def is_delivered(self, event: Event) -> bool:
        """What an endpoint did not get before it was disabled is not."""
        place = (event.position, event.ordinal)
        missed = (*self._failed.values(), *self._dead.values())
        return not self.pending(event) and not any(place in each for each in missed)

    def shown(self, event: Event) -> wire.EventObject:
        shown = _event_of(event.body)
        shown.pending_webhooks = self.pending(event)
        return shown


async def _places(store: Store, endpoint: Id, *, dead: bool) -> set[Place]:
    """All of them, read so many at a time."""
    found: set[Place] = set()
    after = None
    while True:
        some = await store.list_retries(endpoint, dead, RETRIES_AT_ONCE, after)
        found |= {each.key for each in some}
        if len(some) < RETRIES_AT_ONCE:
            return found
        after = some[-1].key


# What was recorded ---------------------------------------------------------------------------------


async def _find(call: Call, text: str, param: str) -> tuple[Place, Event]:
    named = parse_event(text)
    position = None if named is None else await call.ledger.position(call.book, named[0])
    if named is not None and position is not None and position.recorded_at > _oldest(call):
        found = await find_event(call.ledger, FORMAT, call.book, position, named[1])
        if found is not None:
            return (position, named[1]), found
    raise missing_object("event", text, param)


def _cursor(call: Call) -> Callable[[str, str], Awaitable[Place]]:
    async def find(text: str, param: str) -> Place:
        place, _ = await _find(call, text, param)
        return place

    return find


def _oldest(call: Call) -> Instant:
    return max(Instant(call.now - KEPT_FOR), recorded.beginning(call.book, call.now))


def _answer(call: Call, shown: Any) -> Answer:
    return Answer(status=200, body=msgspec.json.encode(shown), request_id=call.request_id)
