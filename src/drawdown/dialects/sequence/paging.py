"""Pages: newest first, with opaque cursors in either direction.

A cursor names the item at an end of the page it came with, and is sealed for the list that this is of: no
other list takes it, nor that of another book, nor is it taken changed. There is none in a direction in which
there is no page.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from drawdown.core.types import Id
from drawdown.dialects.sequence.wire import Pagination
from drawdown.web.endpoints import Call
from drawdown.web.errors import BadRequest

LIMIT = 20
LIMIT_MAX = 100
#: So many are looked at for one page of what no index knows of, in pieces.
LOOKED_AT_MAX = 20_000
_PIECE = 100
_BEGINNING = Id(bytes(16))
#: The bytes with which a cursor begins: so many that, with an id, it is written without padding.
_SEAL_BYTES = 5

Item = TypeVar("Item")
Chunk = Callable[[Id | None, Id | None, int], Awaitable[list[Item]]]


class SortBy(StrEnum):
    CREATED_AT = "createdAt"


class SortOrder(StrEnum):
    DESC = "DESC"
    ASC = "ASC"


class Page(msgspec.Struct, rename="camel", kw_only=True, forbid_unknown_fields=True):
    """``after`` and ``before`` are cursors of an earlier page; at most one of them is given."""

    limit: Annotated[int, Meta(ge=1, le=LIMIT_MAX)] = LIMIT
    after: str | None = None
    before: str | None = None


async def page(
    call: Call,
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
    after, before = _id(call, asked.after, "after"), _id(call, asked.before, "before")
    found = await chunk(after, before, asked.limit + 1)
    more = len(found) > asked.limit
    items = found[: asked.limit]
    if before is not None:
        items.reverse()
    if not items:
        return items, Pagination()
    older = more or before is not None
    newer = after is not None if before is None else more
    return items, Pagination(
        after=_cursor(call, id_of(items[-1])) if older else None,
        before=_cursor(call, id_of(items[0])) if newer else None,
    )


def within(items: list[Item], id_of: Callable[[Item], Id]) -> Chunk[Item]:
    """Pages of what is short enough to be all there, newest first."""

    async def chunk(after: Id | None, before: Id | None, limit: int) -> list[Item]:
        if before is not None:
            return [each for each in reversed(items) if id_of(each) > before][:limit]
        return [each for each in items if after is None or id_of(each) < after][:limit]

    return chunk


def oldest_first(chunk: Chunk[Item]) -> Chunk[Item]:
    """The same list, turned round."""

    async def turned(after: Id | None, before: Id | None, limit: int) -> list[Item]:
        if before is not None:
            return await chunk(before, None, limit)
        return await chunk(None, after or _BEGINNING, limit)

    return turned


def only(
    chunk: Chunk[Item], id_of: Callable[[Item], Id], admits: Callable[[Item], bool], field: str
) -> Chunk[Item]:
    """Those of a list that are admitted: each is looked at, up to ``LOOKED_AT_MAX``.

    Raises ``BadRequest`` for the field that asks for them, where more lie between.
    """

    async def chosen(after: Id | None, before: Id | None, limit: int) -> list[Item]:
        kept: list[Item] = []
        for _ in range(LOOKED_AT_MAX // _PIECE):
            found = await chunk(after, before, _PIECE)
            kept += [each for each in found if admits(each)]
            if len(found) < _PIECE or len(kept) >= limit:
                return kept[:limit]
            last = id_of(found[-1])
            after, before = (last, None) if before is None else (None, last)
        raise BadRequest(field, "left out, or a cursor given: too many others lie between")

    return chosen


def _seal(call: Call, identifier: bytes) -> bytes:
    listed = call.book + call.endpoint.path.encode()
    return hashlib.sha256(listed + identifier).digest()[:_SEAL_BYTES]


def _cursor(call: Call, identifier: Id) -> str:
    return base64.urlsafe_b64encode(_seal(call, identifier) + identifier).decode("ascii")


def _id(call: Call, text: str | None, field: str) -> Id | None:
    if text is None:
        return None
    try:
        found = base64.b64decode(text, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        found = b""
    identifier = Id(found[_SEAL_BYTES:])
    if len(identifier) != 16 or _cursor(call, identifier) != text:
        raise BadRequest(field, "a cursor as a page of this list has given it")
    return identifier
