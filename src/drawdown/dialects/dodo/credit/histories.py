"""What happened in a wallet, newest first: its entries, by the operation that they are of.

Pages are numbered, entries lie in a chain: a page is reached by walking there, up to a depth.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import groupby

import msgspec

from drawdown.core.types import Entry, Id, Operation
from drawdown.dialects.dodo.errors import QueryInvalid
from drawdown.web.endpoints import Call

_CHUNK = 500
#: So many of a wallet's newest entries are looked at for one page.
DEPTH_MAX = 100_000


class Happened(msgspec.Struct, frozen=True):
    """One operation, with those of its entries that are of the wallet, in their order."""

    operation: Operation
    entries: tuple[Entry, ...]


async def walk(call: Call, customer: Id, entitlement: Id) -> AsyncIterator[Happened]:
    """What is due is recorded first. Raises ``QueryInvalid`` where the walk gets too long."""
    rest: list[Entry] = []
    async for chunk in _chunks(call, customer, entitlement):
        entries = rest + chunk
        groups = [list(group) for _, group in groupby(entries, key=lambda each: each.operation)]
        rest = groups.pop() if groups and len(chunk) == _CHUNK else []
        for happened in await _operations(call, groups):
            yield happened
    if rest:
        for happened in await _operations(call, [rest]):
            yield happened


async def _chunks(call: Call, customer: Id, entitlement: Id) -> AsyncIterator[list[Entry]]:
    after: str | None = None
    for _ in range(DEPTH_MAX // _CHUNK):
        found, after = await call.ledger.entries(
            call.book, customer, entitlement, after=after, limit=_CHUNK
        )
        yield found
        if after is None:
            return
    raise QueryInvalid(
        f"page_number must be within the newest {DEPTH_MAX:,} movements of the balance."
    )


async def _operations(call: Call, groups: list[list[Entry]]) -> list[Happened]:
    """The entries come newest first, and are turned round."""
    ids = [group[0].operation for group in groups]
    known = await call.ledger.store.find_operations(ids) if ids else {}
    return [Happened(known[group[0].operation], tuple(reversed(group))) for group in groups]
