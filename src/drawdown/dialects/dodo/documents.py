"""What Dodo keeps as documents: found, listed by pages, and changed as they were read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import msgspec

from drawdown.core.commands import Command, DocumentChange, KeepDocuments
from drawdown.core.errors import DocumentChanged, DocumentNotFound
from drawdown.core.identity import parse, relocate, slot_of
from drawdown.core.requests import Accepted, Answer
from drawdown.core.types import Document, Id
from drawdown.dialects.dodo.errors import RecordNotFound
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import DocumentFilter

_CHUNK = 100
#: How often one who comes upon another's change reads again and decides anew.
_ATTEMPTS = 5

Body = TypeVar("Body", bound=msgspec.Struct)


class Kept(msgspec.Struct, Generic[Body]):
    """A document and what it says."""

    document: Document
    body: Body


class Records(Generic[Body]):
    """One kind of documents. ``called`` is the vendor's word for one, in refusals."""

    def __init__(self, kind: str, called: str, body: type[Body]) -> None:
        self.kind, self.called = kind, called
        self._decode = msgspec.json.Decoder(body).decode
        self._encode = msgspec.json.Encoder().encode

    def read(self, document: Document) -> Kept[Body]:
        return Kept(document, self._decode(document.body))

    def new(self, ledger: Ledger, owner: Id, body: Body) -> DocumentChange:
        return DocumentChange(
            id=relocate(ledger.ids.new(), slot_of(owner)),
            owner=owner,
            kind=self.kind,
            body=self._encode(body).decode(),
        )

    def changed(self, kept: Kept[Body], body: Body) -> DocumentChange:
        document = kept.document
        return DocumentChange(
            id=document.id,
            owner=document.owner,
            kind=self.kind,
            body=self._encode(body).decode(),
            revision=document.revision,
        )

    async def find(self, ledger: Ledger, book: Id, text: str) -> Kept[Body]:
        """By its id in any spelling. Raises ``RecordNotFound``."""
        found = parse(text)
        try:
            if found is not None:
                return self.read(await ledger.document(book, found, self.kind))
        except DocumentNotFound:
            pass
        raise RecordNotFound(self.called)

    async def page(
        self,
        ledger: Ledger,
        book: Id,
        keep: Callable[[Kept[Body]], Awaitable[bool]],
        *,
        owner: Id | None = None,
        offset: int,
        limit: int,
    ) -> list[Kept[Body]]:
        """Those that ``keep`` keeps, newest first, from the ``offset``-th on."""
        found: list[Kept[Body]] = []
        passed_over = 0
        after: Id | None = None
        while len(found) < limit:
            asked = DocumentFilter(
                book=book, kind=self.kind, owner=owner, after=after, limit=_CHUNK
            )
            documents = await ledger.documents(asked)
            for each in documents:
                kept = self.read(each)
                if not await keep(kept):
                    continue
                if passed_over < offset:
                    passed_over += 1
                else:
                    found.append(kept)
            if len(documents) < _CHUNK:
                break
            after = documents[-1].id
        return found[:limit]


async def submit(
    ledger: Ledger, book: Id, command: Command | None, *changes: DocumentChange
) -> Accepted:
    """Carry out a command with changes of documents; None: the book's documents change alone."""
    kept: list[Accepted] = []

    def render(accepted: Accepted) -> Answer:
        kept.append(accepted)
        return Answer(status=200, body=b"")

    await ledger.submit(book, command or KeepDocuments(), render, documents=changes)
    return kept[-1]


async def again(attempt: Callable[[], Awaitable[Accepted]]) -> Accepted:
    """``attempt``, once more whenever somebody else has changed what it had read."""
    for _ in range(_ATTEMPTS - 1):
        try:
            return await attempt()
        except DocumentChanged:
            continue
    return await attempt()
