"""What was recorded, read from an instant on: forwards, or backwards span by span.

A span in which much happened is halved until it is read at once; one in which little did is doubled, so that
years without anything are passed over in a few steps.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from drawdown.core.identity import made_at
from drawdown.core.types import MICROSECONDS, Id, Instant
from drawdown.engine.ports import FeedPage, Recorded
from drawdown.engine.positions import Position, since

#: For one page is looked so long, for one on which there is nothing yet longer; so many operations at a time.
LOOKED_AT_SECONDS, IN_VAIN_SECONDS = 2.0, 20.0
READ_AT_ONCE = 200
ONE_INSTANT_MAX = 10_000
_FIRST_SPAN = 60 * MICROSECONDS
#: So far a server's clock may have been put back since a book was made.
_PUT_BACK_MAX = 300 * MICROSECONDS

Item = TypeVar("Item")
#: What is read, the order being the walk's; None after each read.
Walk = AsyncIterator[Recorded | None]


class Read(Protocol):
    """What was recorded in a book after a place, up to an instant."""

    def __call__(
        self, after: Position, *, until: Instant | None = None, limit: int
    ) -> Awaitable[FeedPage]: ...


def beginning(book: Id, now: Instant) -> Instant:
    """Nothing of a book was recorded before: what others had done by then is not read for it.

    A book that seems to be made later than ``now`` tells nothing of when it began.
    """
    made = made_at(book)
    return Instant(made - _PUT_BACK_MAX if made <= now else 0)


async def forwards(read: Read, start: Position) -> Walk:
    """The oldest first, from the operation at ``start`` on."""
    place, more = since(start.recorded_at), True
    while more:
        page = await read(place, limit=READ_AT_ONCE)
        for recorded in page.found:
            if recorded.position >= start:
                yield recorded
        place, more = page.end, page.more
        yield None


async def backwards(read: Read, last: Position, oldest: Instant) -> Walk:
    """The newest first, from the operation at ``last`` on, of what was recorded after ``oldest``."""
    span, end = _FIRST_SPAN, last.recorded_at
    while end > oldest:
        start = max(end - span, oldest)
        page = await _between(read, start, end, READ_AT_ONCE)
        if page.more and span > 1:
            # All that is left out is no older than the last that was read.
            span = max(min(span // 2, end - page.end.recorded_at), 1)
        else:
            if page.more:  # all of one instant
                page = await _between(read, start, end, ONE_INSTANT_MAX)
            for recorded in reversed(page.found):
                if recorded.position <= last:
                    yield recorded
            end, span = Instant(start), span * 2
        yield None


async def _between(read: Read, start: int, end: int, limit: int) -> FeedPage:
    """What was recorded after ``start``, up to ``end``."""
    return await read(since(Instant(start + 1)), until=Instant(end), limit=limit)


async def collect(
    walk: Walk,
    told: Callable[[Recorded], Awaitable[Sequence[Item]]],
    limit: int,
    *,
    newest_first: bool,
) -> tuple[list[Item], bool, bool]:
    """A page, whether there is more, and whether the time was over before that was known.

    ``told`` is what an operation has for the page, in its own order.
    """
    begun = time.monotonic()
    found: list[Item] = []
    async for recorded in walk:
        some = [] if recorded is None else await told(recorded)
        found += some[::-1] if newest_first else some
        if len(found) > limit:
            return found[:limit], True, False
        if time.monotonic() - begun >= (LOOKED_AT_SECONDS if found else IN_VAIN_SECONDS):
            return found, True, True
        await asyncio.sleep(0)  # others have their turn
    return found, False, False
