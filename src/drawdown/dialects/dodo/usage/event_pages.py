"""A numbered page of a book's usage events, the newest first.

Pages are numbered and events are kept in a chain of ids, so a page is reached by walking there: in steps,
between which others have their turn, and up to a depth.
"""

from __future__ import annotations

from typing import Any

from drawdown.core.types import Id
from drawdown.core.usage.filters import matches
from drawdown.core.usage.meters import Measure
from drawdown.core.usage.records import Event
from drawdown.dialects.dodo.errors import QueryInvalid
from drawdown.engine.ledger import Ledger

#: One statement passes over no more events than so many; of what a filter looks at, it reads a tenth.
STEP = 10_000
#: So many of the newest events that are asked for are looked at for one page.
DEPTH_MAX = 1_000_000


async def page_of(
    ledger: Ledger,
    book: Id,
    asked: dict[str, Any],
    measure: Measure | None,
    *,
    first: int,
    size: int,
    step: int = STEP,
    depth: int = DEPTH_MAX,
) -> list[Event]:
    """The events from the ``first``-th on, of those ``asked`` for that ``measure``'s filter lets pass.

    Raises ``QueryInvalid`` where they begin deeper than ``depth``: no page leaves out what belongs to it.
    """
    if not size:
        return []
    if measure is None or measure.filter is None:
        return await _passed_over(ledger, book, asked, first, size, step, depth)
    return await _filtered(ledger, book, asked, measure, first, size, step // 10, depth)


async def _passed_over(
    ledger: Ledger, book: Id, asked: dict[str, Any], first: int, size: int, step: int, depth: int
) -> list[Event]:
    """The store passes over what is before the page."""
    after: Id | None = None
    for _ in range(first // step):
        if depth <= 0:
            raise _too_deep()
        last = await ledger.usage_events(book, **asked, after=after, offset=step - 1, limit=1)
        if not last:
            return []
        after = last[0].id
        depth -= step
    return await ledger.usage_events(book, **asked, after=after, offset=first % step, limit=size)


async def _filtered(
    ledger: Ledger,
    book: Id,
    asked: dict[str, Any],
    measure: Measure,
    first: int,
    size: int,
    chunk: int,
    depth: int,
) -> list[Event]:
    """What a filter says of properties no index knows: each event is looked at."""
    after: Id | None = None
    kept: list[Event] = []
    passed = 0
    while len(kept) < size:
        if depth <= 0:
            raise _too_deep()
        found = await ledger.usage_events(book, **asked, after=after, limit=chunk)
        matching = [each for each in found if _passes(measure, each)]
        kept += matching[max(first - passed, 0) :]
        passed += len(matching)
        if len(found) < chunk:
            break
        after = found[-1].id
        depth -= chunk
    return kept[:size]


def _passes(measure: Measure, event: Event) -> bool:
    assert measure.filter is not None
    return matches(measure.filter, event.properties, case_sensitive=measure.case_sensitive)


def _too_deep() -> QueryInvalid:
    return QueryInvalid(
        f"page_number must end within the newest {DEPTH_MAX:,} events: narrow them down by customer_id, "
        "start or end."
    )
