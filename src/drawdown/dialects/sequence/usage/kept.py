"""What usage keeps beside the ledger: documents, read and changed as they were read.

sequence.metric            a metric; its id is that of the entitlement whose units it counts
sequence.unmapped_event    an event for an alias that nobody has, named by its customerEventId
sequence.superseded_event  what an event said before it was replaced
sequence.moved_event       an event that went to another customer, named by its customerEventId
sequence.waiting           one of a book: what is not done yet
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar
from weakref import WeakValueDictionary

import msgspec

from drawdown.core.commands import DocumentChange, KeepDocuments
from drawdown.core.errors import DocumentChanged, DocumentNotFound
from drawdown.core.identity import derive, relocate, slot_of
from drawdown.core.requests import Accepted, Answer, Claim
from drawdown.core.types import Document, Id
from drawdown.dialects.sequence.usage.wire import (
    EventRecord,
    MetricRecord,
    MovedRecord,
    WaitingRecord,
)
from drawdown.engine.ledger import Ledger

#: How often one who comes upon another's change reads again and decides anew.
ATTEMPTS = 50

#: Who changes what waits in a book; there for as long as somebody does.
_turns: WeakValueDictionary[tuple[int, Id], asyncio.Lock] = WeakValueDictionary()

Body = TypeVar("Body", bound=msgspec.Struct)


class Kept(msgspec.Struct, Generic[Body]):
    """A document and what it says."""

    document: Document
    body: Body


class Records(Generic[Body]):
    """One kind of documents."""

    def __init__(self, kind: str, body: type[Body]) -> None:
        self.kind = kind
        self._decode = msgspec.json.Decoder(body).decode
        self._encode = msgspec.json.Encoder().encode

    def read(self, document: Document) -> Kept[Body]:
        return Kept(document, self._decode(document.body))

    def new(
        self, identifier: Id, owner: Id, body: Body, *, takes: str | None = None
    ) -> DocumentChange:
        return DocumentChange(
            id=identifier, owner=owner, kind=self.kind, body=self._written(body), takes=takes
        )

    def changed(
        self,
        kept: Kept[Body],
        body: Body | None,
        *,
        takes: str | None = None,
        gives_back: str | None = None,
    ) -> DocumentChange:
        """None: it is not there any more."""
        document = kept.document
        return DocumentChange(
            id=document.id,
            owner=document.owner,
            kind=self.kind,
            body=None if body is None else self._written(body),
            revision=document.revision,
            takes=takes,
            gives_back=gives_back,
        )

    def _written(self, body: Body) -> str:
        return self._encode(body).decode()

    async def named(self, ledger: Ledger, book: Id, name: str) -> Kept[Body] | None:
        try:
            return self.read(await ledger.document_named(book, name, self.kind))
        except DocumentNotFound:
            return None

    async def find(self, ledger: Ledger, book: Id, identifier: Id) -> Kept[Body] | None:
        try:
            return self.read(await ledger.document(book, identifier, self.kind))
        except DocumentNotFound:
            return None


METRICS = Records("sequence.metric", MetricRecord)
UNMAPPED = Records("sequence.unmapped_event", EventRecord)
SUPERSEDED = Records("sequence.superseded_event", EventRecord)
MOVED = Records("sequence.moved_event", MovedRecord)
WAITING = Records("sequence.waiting", WaitingRecord)


def new_id(ledger: Ledger, book: Id) -> Id:
    """Of a document of the book's."""
    return relocate(ledger.ids.new(), slot_of(book))


async def keep(
    ledger: Ledger, book: Id, *changes: DocumentChange, customer: Id | None = None
) -> tuple[Document, ...]:
    """Raises ``DocumentChanged`` where another was faster, and ``AlreadyExists`` for a name."""
    kept: list[tuple[Document, ...]] = []

    def render(accepted: Accepted) -> Answer:
        kept.append(accepted.documents)
        return Answer(status=200, body=b"")

    await ledger.submit(book, KeepDocuments(customer=customer), render, documents=changes)
    return kept[-1]


async def waiting(ledger: Ledger, book: Id) -> Kept[WaitingRecord] | None:
    """One look by id, for every event."""
    return await WAITING.find(ledger, book, _waiting_id(book))


async def wait(
    ledger: Ledger,
    book: Id,
    change: Callable[[WaitingRecord], WaitingRecord],
    *beside: DocumentChange,
) -> tuple[Document, ...]:
    """Change what waits, and other documents of the book with it. Raises ``AlreadyExists`` for their names.

    Two at once change it one after the other: those of one server take turns, or each would be refused for
    all before it, and those of several decide anew.
    """
    turn = _turns.setdefault((id(ledger), book), asyncio.Lock())
    async with turn:
        return await _wait(ledger, book, change, beside)


async def _wait(
    ledger: Ledger,
    book: Id,
    change: Callable[[WaitingRecord], WaitingRecord],
    beside: tuple[DocumentChange, ...],
) -> tuple[Document, ...]:
    for _ in range(ATTEMPTS):
        found = await waiting(ledger, book)
        if found is None:
            await _begin(ledger, book)
            continue
        try:
            return await keep(ledger, book, *beside, WAITING.changed(found, change(found.body)))
        except DocumentChanged:
            if await waiting(ledger, book) == found:  # so it was one of the others
                raise
    raise DocumentChanged


async def _begin(ledger: Ledger, book: Id) -> None:
    """Once in a book, whoever else does so at the same time: a second beginning would forget the first."""
    nothing = WAITING.new(_waiting_id(book), book, WaitingRecord())
    once = Claim(WAITING.kind, "begun", b"begun")
    await ledger.submit(
        book,
        KeepDocuments(),
        lambda _: Answer(status=200, body=b""),
        claim=once,
        documents=(nothing,),
    )


def _waiting_id(book: Id) -> Id:
    return derive(book, "sequence.waiting")
