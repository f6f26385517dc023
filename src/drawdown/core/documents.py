"""Documents: what a dialect keeps beside the ledger, which never reads it: products, prices, subscriptions.

A document belongs to a customer, or to nobody in particular: then to the book. It is changed as it was read:
who has read an earlier revision is refused, reads it again and decides anew. Changes come beside any command
and are made with it, or not at all. A document may have names, each its own among those of its kind.
"""

from __future__ import annotations

import msgspec

from drawdown.core.amending import release_name
from drawdown.core.commands import DocumentChange, KeepDocuments
from drawdown.core.context import begin, commit, encode_facts, find_customer
from drawdown.core.creation import claim_name
from drawdown.core.errors import AlreadyExists, DocumentChanged, DocumentNotFound, FieldInvalid
from drawdown.core.identity import relocate, slot_of, spell
from drawdown.core.requests import Accepted, Request
from drawdown.core.state import State, document_name
from drawdown.core.types import Document, Instant, Operation

BODY_BYTES_MAX = 65_536
#: So many may be changed at once.
DOCUMENTS_MAX = 32


def keep_documents(request: Request, command: KeepDocuments, state: State) -> Accepted:
    """Record that documents change, and what they were; ``keep`` then changes them."""
    customer = None
    if command.customer is not None:
        customer = find_customer(request, command.customer, state)
    at = request.at if customer is None else state.now_of(customer.id, request.at)
    owner = request.book if customer is None else customer.id
    operation = Operation(
        id=relocate(request.id, slot_of(owner)),
        customer=owner,
        entitlement=None,
        kind="keep_book_documents" if customer is None else "keep_documents",
        at=at,
        recorded_at=request.recorded_at,
        facts=encode_facts({"documents": {each.id.hex(): each.kind for each in request.documents}}),
        subject=request.documents[0].id if len(request.documents) == 1 else None,
    )
    started = begin(request, state, operation)
    told: list[object] = [
        (each.id.hex(), each.kind, _body(state.documents[each.id]), each.body)
        for each in request.documents
    ]
    started.note_changes({"documents": told})
    commit(state, started)
    return Accepted(operation=operation, customer=customer)


def _body(document: Document | None) -> str | None:
    return None if document is None else document.body


def check(request: Request, state: State) -> None:
    """Refuse what cannot be changed, before anything is.

    Raises ``DocumentNotFound``, ``DocumentChanged``, ``AlreadyExists`` for a name that another has, and
    ``FieldInvalid`` for what is too large.
    """
    if len(request.documents) > DOCUMENTS_MAX:
        raise FieldInvalid("documents", f"at most {DOCUMENTS_MAX} at once")
    for change in request.documents:
        known = state.documents[change.id]
        if change.body is not None and len(change.body.encode()) > BODY_BYTES_MAX:
            raise FieldInvalid("document", f"at most {BODY_BYTES_MAX} bytes as JSON")
        assert known is None or known.entitlement is None, "what stands is changed by its player"
        _check_name(request, change, state)
        if change.revision == 0:
            continue
        if known is None or known.book != request.book or known.deleted_at is not None:
            raise DocumentNotFound(spell("", change.id))
        elif known.revision != change.revision:
            raise DocumentChanged()


def _check_name(request: Request, change: DocumentChange, state: State) -> None:
    if change.takes is None:
        return
    found = state.names[document_name(request.book, change.kind, change.takes)]
    if found not in (None, change.id):
        raise AlreadyExists(field="id", value=change.takes)


def _change_names(request: Request, change: DocumentChange, state: State) -> None:
    """Where the store is spread, names are changed before and after this: nothing is to be done here."""
    if change.gives_back is not None:
        name = document_name(request.book, change.kind, change.gives_back)
        if state.names[name] == change.id:
            release_name(name, state)
    if change.takes is not None:
        name = document_name(request.book, change.kind, change.takes)
        if state.names[name] is None:
            claim_name(request, name, "name", state, change.id)


def keep(request: Request, at: Instant, state: State) -> tuple[Document, ...]:
    """Make the changes. A document that the same request has made before stays as it is."""
    return tuple(_change(request, each, at, state) for each in request.documents)


def _change(request: Request, change: DocumentChange, at: Instant, state: State) -> Document:
    known = state.documents[change.id]
    _change_names(request, change, state)
    if known is None:
        return _make(request, change, at, state)
    if change.revision == 0:
        return known
    after = msgspec.structs.replace(
        known,
        body=known.body if change.body is None else change.body,
        revision=known.revision + 1,
        updated_at=at,
        deleted_at=at if change.body is None else None,
    )
    changes = state.changes
    made = changes.new_documents if after.id in changes.new_documents else changes.documents
    state.documents[after.id] = made[after.id] = after
    return after


def _make(request: Request, change: DocumentChange, at: Instant, state: State) -> Document:
    assert change.body is not None, "what is not there is not deleted"
    made = Document(
        id=change.id,
        book=request.book,
        owner=change.owner,
        kind=change.kind,
        body=change.body,
        created_at=at,
        updated_at=at,
    )
    state.documents[made.id] = state.changes.new_documents[made.id] = made
    return made
