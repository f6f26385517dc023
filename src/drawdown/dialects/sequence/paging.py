"""Pages: newest first, with opaque cursors in either direction.

A cursor names the item at an end of the page it came with. There is none in a direction in which there is no
page.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from drawdown.core.types import Id
from drawdown.dialects.sequence.wire import Pagination
from drawdown.web.errors import BadRequest

LIMIT = 20
LIMIT_MAX = 100

Item = TypeVar("Item")
Chunk = Callable[[Id | None, Id | None, int], Awaitable[list[Item]]]


class Page(msgspec.Struct, rename="camel", kw_only=True, forbid_unknown_fields=True):
    """``after`` and ``before`` are cursors of an earlier page; at most one of them is given."""

    limit: Annotated[int, Meta(ge=1, le=LIMIT_MAX)] = LIMIT
    after: str | None = None
    before: str | None = None


async def page(
    asked: Page,
    chunk: Chunk[Item],
    id_of: Callable[[Item], Id],
) -> tuple[list[Item], Pagination]:
    """One page of what ``chunk`` lists.

    That is called with the id after which to go on, or before which, and how many are wanted: newest first,
    or from ``before`` on the oldest first.
    """
    if asked.after is not None and asked.before is not None:
        raise BadRequest("before", "left out where after is given: a page goes one way")
    after, before = _id(asked.after, "after"), _id(asked.before, "before")
    found = await chunk(after, before, asked.limit + 1)
    more = len(found) > asked.limit
    items = found[: asked.limit]
    if before is not None:
        items.reverse()
    return items, _pagination(items, id_of, more, after, before)


def within(items: list[Item], id_of: Callable[[Item], Id]) -> Chunk[Item]:
    """Pages of what is short enough to be all there, newest first."""

    async def chunk(after: Id | None, before: Id | None, limit: int) -> list[Item]:
        if before is not None:
            return [each for each in reversed(items) if id_of(each) > before][:limit]
        return [each for each in items if after is None or id_of(each) < after][:limit]

    return chunk


def _pagination(
    items: list[Item],
    id_of: Callable[[Item], Id],
    more: bool,
    after: Id | None,
    before: Id | None,
) -> Pagination:
    if not items:
        return Pagination()
    older = more or before is not None
    newer = after is not None if before is None else more
    return Pagination(
        after=_cursor(id_of(items[-1])) if older else None,
        before=_cursor(id_of(items[0])) if newer else None,
    )


def _cursor(identifier: Id) -> str:
    return base64.b64encode(identifier).decode("ascii")


def _id(text: str | None, field: str) -> Id | None:
    if text is None:
        return None
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if len(found) != 16:
        raise BadRequest(field, "a cursor as a page of this list has given it")
    return Id(found)
