"""What this dialect keeps as documents: found by their ids, listed by cursors, changed as they were read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar

import msgspec

from drawdown.core.commands import DocumentChange
from drawdown.core.errors import DocumentNotFound
from drawdown.core.identity import parse, relocate, slot_of
from drawdown.core.types import MICROSECONDS, Document, Id, Instant
from drawdown.dialects.stripe.errors import StripeError, missing_object
from drawdown.dialects.stripe.parameters import below
from drawdown.engine.ports import DocumentFilter
from drawdown.web.endpoints import Call

CHUNK = 100
#: So many are looked at for one page of what a filter keeps.
LOOKED_AT_MAX = 10_000

Body = TypeVar("Body", bound=msgspec.Struct)
Item = TypeVar("Item")


class Kept(msgspec.Struct, Generic[Body]):
    """A document and what it says."""

    document: Document
    body: Body

    @property
    def id(self) -> Id:
        return self.document.id


class Records(Generic[Body]):
    """One kind of documents. ``noun`` is the vendor's word for one."""

    def __init__(self, kind: str, noun: str, body: type[Body]) -> None:
        self.kind, self.noun = kind, noun
        self._decode = msgspec.json.Decoder(body).decode
        self._encode = msgspec.json.Encoder().encode

    def read(self, document: Document) -> Kept[Body]:
        return Kept(document, self._decode(document.body))

    def new(self, call: Call, body: Body, owner: Id | None = None) -> DocumentChange:
        """Of a customer's, or the book's."""
        owner = call.book if owner is None else owner
        return DocumentChange(
            id=relocate(call.ledger.ids.new(), slot_of(owner)),
            owner=owner,
            kind=self.kind,
            body=self._encode(body).decode(),
        )

    def changed(self, kept: Kept[Body], body: Body | None) -> DocumentChange:
        """None: it is deleted."""
        document = kept.document
        return DocumentChange(
            id=document.id,
            owner=document.owner,
            kind=self.kind,
            body=None if body is None else self._encode(body).decode(),
            revision=document.revision,
        )

    async def find(self, call: Call, text: str, param: str = "id") -> Kept[Body]:
        """By its id in any spelling. Raises ``StripeError``."""
        found = parse(text)
        try:
            if found is not None:
                return self.read(await call.ledger.document(call.book, found, self.kind))
        except DocumentNotFound:
            pass
        raise missing_object(self.noun, text, param)

    async def page(
        self, call: Call, asked: Any, keep: Callable[[Kept[Body]], bool], owner: Id | None = None
    ) -> tuple[list[Kept[Body]], bool]:
        """A page of those that ``keep`` keeps, newest first, and whether there are more."""

        async def cursor(text: str, param: str) -> Id:
            return (await self.find(call, text, param)).id

        async def chunk(after: Id | None, before: Id | None) -> list[Kept[Body]]:
            listed = DocumentFilter(
                book=call.book,
                kind=self.kind,
                owner=owner,
                after=after,
                before=before,
                limit=CHUNK,
            )
            return [self.read(each) for each in await call.ledger.documents(listed)]

        return await page_of(asked, cursor, chunk, lambda each: each.id, keep)


async def page_of(
    asked: Any,
    cursor: Callable[[str, str], Awaitable[Id]],
    chunk: Callable[[Id | None, Id | None], Awaitable[list[Item]]],
    id_of: Callable[[Item], Id],
    keep: Callable[[Item], bool],
) -> tuple[list[Item], bool]:
    """A page by ``starting_after`` or ``ending_before``: newest first, and whether there are more.

    Where that has not been looked for to the end, there are: from the last that was found it goes on.
    """
    after, before = await cursors(asked, cursor)
    found: list[Item] = []
    looked_at, ended = 0, False
    backwards = before is not None
    while len(found) <= asked.limit and looked_at < LOOKED_AT_MAX:
        some = await chunk(after, before)
        found += [each for each in some if keep(each)]
        looked_at += len(some)
        if ended := len(some) < CHUNK:
            break
        after, before = (None, id_of(some[-1])) if backwards else (id_of(some[-1]), None)
    page = found[: asked.limit]
    more = len(found) > asked.limit or not (ended or not found)
    return (page[::-1] if backwards else page), more


async def cursors(
    asked: Any, cursor: Callable[[str, str], Awaitable[Item]]
) -> tuple[Item | None, Item | None]:
    after, before = asked.starting_after, asked.ending_before
    if isinstance(after, str) and isinstance(before, str):
        raise StripeError(
            "You may only specify one of these parameters: starting_after, ending_before.",
            code="parameters_exclusive",
            param="starting_after",
        )
    return (
        await cursor(after, "starting_after") if isinstance(after, str) else None,
        await cursor(before, "ending_before") if isinstance(before, str) else None,
    )


def merged(
    kept: dict[str, str], given: dict[str, str] | msgspec.UnsetType | None
) -> dict[str, str]:
    """Metadata as an update leaves it: an empty value deletes its key, none at all every key."""
    if given is None:
        return {}
    if isinstance(given, msgspec.UnsetType):
        return kept
    return {name: value for name, value in {**kept, **given}.items() if value}


def range_of(value: Any, name: str) -> Callable[[int], bool]:
    """Whether an instant is in a range: a second, or bounds of it."""
    since, until = span_of(value, name)
    return lambda instant: (
        (since is None or instant >= since) and (until is None or instant <= until)
    )


def span_of(value: Any, name: str) -> tuple[Instant | None, Instant | None]:
    """The first and the last instant of a range: of a second, or of bounds of it; None: there is none."""
    if not isinstance(value, str | dict):
        return None, None
    if isinstance(value, str):
        return _whole(_second(value, name))
    unknown = [key for key in value if key not in ("gt", "gte", "lt", "lte")]
    if unknown:
        message = f"Received unknown parameter: {below(name, unknown[0])}"
        raise StripeError(message, code="parameter_unknown", param=below(name, unknown[0]))
    spans = {key: _whole(_second(each, below(name, key))) for key, each in value.items()}
    firsts = [
        first if key == "gte" else last + 1 for key, (first, last) in spans.items() if key[0] == "g"
    ]
    lasts = [
        last if key == "lte" else first - 1 for key, (first, last) in spans.items() if key[0] == "l"
    ]
    since, until = max(firsts, default=None), min(lasts, default=None)
    return None if since is None else Instant(since), None if until is None else Instant(until)


def _whole(second: int) -> tuple[Instant, Instant]:
    return Instant(second * MICROSECONDS), Instant((second + 1) * MICROSECONDS - 1)


def _second(value: Any, name: str) -> int:
    if not (isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 13):
        raise StripeError(
            "Invalid timestamp: must be an integer Unix timestamp.",
            code="parameter_invalid_integer",
            param=name,
        )
    return int(value)
