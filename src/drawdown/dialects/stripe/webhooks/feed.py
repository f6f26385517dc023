"""The endpoints of ``event``: what happened in a book in the last 30 days, newest first.

Nothing is kept as events: they are rendered of what was recorded, which is read from its end backwards.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import msgspec

from drawdown.core.requests import Answer
from drawdown.core.types import DAY, MICROSECONDS, Id, Instant
from drawdown.dialects.stripe import kept, recorded
from drawdown.dialects.stripe.errors import StripeError, missing_object
from drawdown.dialects.stripe.webhooks import wire
from drawdown.dialects.stripe.webhooks.events import FORMAT
from drawdown.dialects.stripe.webhooks.requests import ListEvents
from drawdown.engine.endpoints import Endpoint
from drawdown.engine.ports import Recorded
from drawdown.engine.positions import LAST, Position
from drawdown.web.endpoints import Call
from drawdown.webhooks.events import Event, matches, parse_event
from drawdown.webhooks.formats import find_event
from drawdown.webhooks.outlet import RETRYING_MAX

KEPT_FOR = 30 * DAY
_LAST = Id(b"\xff" * 16)
Place = tuple[Position, int]


async def retrieve_event(call: Call) -> Answer:
    _, found = await _find(call, call.path["event"], "id")
    waiting = await Waiting.of(call)
    return _answer(call, waiting.shown(found))


async def list_events(call: Call) -> Answer:
    asked: ListEvents = call.query
    waiting = await Waiting.of(call)
    keep = _filter(asked, waiting)
    after, before = await kept.cursors(asked, _cursor(call))
    read = partial(call.ledger.feed, books=frozenset({call.book}))
    if before is not None:
        walk = recorded.forwards(read, before[0].recorded_at)
        kept_there = _both(keep, lambda place: place > before)
    else:
        end = (Position(call.now, _LAST), LAST) if after is None else after
        walk = recorded.backwards(read, end[0].recorded_at, _oldest(call))
        kept_there = _both(keep, lambda place: place < end)

    async def told(each: Recorded) -> list[Event]:
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


def _filter(asked: ListEvents, waiting: Waiting) -> Keep:
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
    """To which endpoints events are still to be delivered, and what did not reach one."""

    def __init__(
        self, endpoints: list[Endpoint], failed: dict[Place, int], dead: set[Place]
    ) -> None:
        self._endpoints, self._failed, self._dead = endpoints, failed, dead

    @classmethod
    async def of(cls, call: Call) -> Waiting:
        store = call.ledger.store
        every = await store.list_endpoints(call.book)
        ours = [each for each in every if each.settings.format == FORMAT.name]
        failed: dict[Place, int] = {}
        dead: set[Place] = set()
        for endpoint in ours:
            for each in await store.list_retries(endpoint.id, False, RETRYING_MAX):
                failed[each.key] = failed.get(each.key, 0) + 1
            dead |= {each.key for each in await store.list_retries(endpoint.id, True, RETRYING_MAX)}
        return cls(ours, failed, dead)

    def pending(self, event: Event) -> int:
        ahead = sum(
            each.enabled
            and event.position > each.cursor
            and matches(each.settings.types, event.type)
            for each in self._endpoints
        )
        return ahead + self._failed.get((event.position, event.ordinal), 0)

    def is_delivered(self, event: Event) -> bool:
        place = (event.position, event.ordinal)
        return place not in self._dead and not self.pending(event)

    def shown(self, event: Event) -> wire.EventObject:
        shown = _event_of(event.body)
        shown.pending_webhooks = self.pending(event)
        return shown


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
    return Instant(call.now - KEPT_FOR)


def _answer(call: Call, shown: Any) -> Answer:
    return Answer(status=200, body=msgspec.json.encode(shown), request_id=call.request_id)
