"""Names of documents in a store that is spread: a document is its owner's, and its name is elsewhere.

Three transactions, as with any claim (``spread``): the name, which leads to the document from now on; the
document; and that the name stands. A name that is given back is free once the document has let go of it. Who
dies in between leaves a name that leads to no document: after a minute another may have it; or to one that is
deleted: then at once. What a document had before it was called otherwise stays its own until it is deleted,
or is called so once more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from drawdown.core.commands import DocumentChange
from drawdown.core.errors import AlreadyExists, LedgerError
from drawdown.core.requests import Answer, ClaimRecord
from drawdown.core.state import Name, document_name
from drawdown.core.types import MICROSECONDS, Id
from drawdown.engine.ports import Clock, Placement, Store
from drawdown.engine.spread_claims import ClaimSteps

#: How long a name that leads to no document yet is somebody else's.
PATIENCE = 60 * MICROSECONDS


def has_names(changes: Sequence[DocumentChange]) -> bool:
    """Whether any of them takes a name, or gives one back."""
    return any((each.takes, each.gives_back) != (None, None) for each in changes)


def names_of(book: Id, changes: Iterable[DocumentChange]) -> Iterator[Name]:
    """Those that they take and give back."""
    for each in changes:
        for text in (each.takes, each.gives_back):
            if text is not None:
                yield document_name(book, each.kind, text)


class Named(msgspec.Struct):
    """The changes under the ids that their names lead to, what core knows of the names, and the claims."""

    documents: tuple[DocumentChange, ...] = ()
    names: dict[Name, Id | None] = {}
    taken: list[ClaimRecord] = []
    given_back: list[ClaimRecord] = []


class DocumentNames:
    """Claims the names that documents take, and says in the end what became of them."""

    def __init__(self, store: Store, placement: Placement, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._steps = ClaimSteps(placement)

    async def open(
        self, book: Id, changes: Sequence[DocumentChange], identifier: Id | None
    ) -> Named:
        """``identifier``: of a request that may be repeated: it goes on under the same documents.

        Raises ``AlreadyExists`` for the name of another document: then none is taken.
        """
        found = Named(documents=(), names={}, taken=[], given_back=[])
        for change in changes:
            document = change.id
            if change.takes is not None:
                name = document_name(book, change.kind, change.takes)
                try:
                    claim = await self._take(self._claim(name, document, identifier))
                except AlreadyExists:
                    await self._steps.leave(found.taken)
                    raise
                assert claim.target is not None, "a name leads to its document"
                document = found.names[name] = claim.target
                found.taken.append(claim)
            if change.gives_back is not None:
                name = document_name(book, change.kind, change.gives_back)
                found.names[name] = None
                found.given_back.append(self._claim(name, change.id, None))
            found.documents += (msgspec.structs.replace(change, id=document),)
        return found

    async def end(self, named: Named, outcome: Answer | Exception) -> None:
        """A refusal leaves everything as it was. What became of a failure nobody knows."""
        if isinstance(outcome, Answer):
            await self._steps.keep(named.taken)
            await self._steps.release(named.given_back)
        elif isinstance(outcome, LedgerError):
            await self._steps.leave(named.taken)

    def _claim(self, name: Name, document: Id, identifier: Id | None) -> ClaimRecord:
        book, space, key = name
        return ClaimRecord(
            book=book,
            space=space,
            key=key,
            created_at=self._clock.now(),
            fingerprint=identifier or document,
            target=document,
        )

    async def _take(self, asked: ClaimRecord) -> ClaimRecord:
        found = await self._open(asked)
        if found.fingerprint != asked.fingerprint and await self._is_abandoned(found):
            await self._steps.release([found])
            found = await self._open(asked)
        if found.fingerprint != asked.fingerprint and found.target != asked.target:
            raise AlreadyExists(field="id", value=asked.key)
        return found

    async def _open(self, asked: ClaimRecord) -> ClaimRecord:
        [(_, found)] = await self._steps.open([asked])
        return found

    async def _is_abandoned(self, claim: ClaimRecord) -> bool:
        """Whether somebody took the name a while ago and never made the document, or has deleted it since."""
        assert claim.target is not None, "a name leads to its document"
        document = await self._store.find_document(claim.target)
        if document is not None:
            return document.deleted_at is not None
        return bool(claim.fingerprint) and self._clock.now() - claim.created_at >= PATIENCE
