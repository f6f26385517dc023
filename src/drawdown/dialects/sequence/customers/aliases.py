"""Aliases: given, exchanged, taken back."""

from __future__ import annotations

from drawdown.core import errors, identity, types
from drawdown.core.commands import DocumentChange, KeepDocuments
from drawdown.core.errors import CustomerNotFound
from drawdown.core.requests import Accepted, Answer, Claim
from drawdown.core.state import CUSTOMER_ALIAS
from drawdown.core.types import Document, Id
from drawdown.dialects.sequence import imported
from drawdown.dialects.sequence.answering import answer, check_account, optional_text
from drawdown.dialects.sequence.claims import answered, claim
from drawdown.dialects.sequence.customers import known, reading, rendering, wire
from drawdown.dialects.sequence.customers.customers import CUSTOMER_RULE
from drawdown.dialects.sequence.errors import AliasNotFound, NotAllowed
from drawdown.dialects.sequence.paging import Chunk, page, within
from drawdown.dialects.sequence.usage import unmapped
from drawdown.engine.accounts import Role
from drawdown.engine.ports import DocumentFilter
from drawdown.web import fields
from drawdown.web.endpoints import Call, Endpoint
from drawdown.web.errors import BadRequest


async def create(call: Call) -> Answer:
    body: wire.CreateAliasRequest = call.body
    check_account(body.sequence_account_id, call.principal.account)
    text = reading.alias(body.value, "value")
    label = optional_text(body.label, "label")
    owner = await _owner(call, body.customer_id)
    once = claim(call, (owner.id, text, label))
    if (before := await answered(call, once)) is not None:
        return before
    _check_open(owner)
    there = await known.documents_of(call.ledger, call.book, owner.id)
    known.check_room(len(there) + 1, "value")
    changes = known.given(call.ledger, owner.id, [text], label)
    kept = await _keep(call, owner, changes, 201, once)
    await unmapped.map_aliases(call.ledger, call.book, [text])
    return kept


async def _owner(call: Call, text: str) -> types.Customer:
    """Raises ``BadRequest``."""
    try:
        return await call.ledger.customer(call.book, fields.reference(text, "customerId"))
    except CustomerNotFound:
        raise BadRequest("customerId", CUSTOMER_RULE) from None


def _check_open(owner: types.Customer) -> None:
    """Raises ``CustomerClosed`` for one who is archived."""
    if owner.closed_at is not None:
        raise errors.CustomerClosed()


async def _keep(
    call: Call,
    owner: types.Customer,
    changes: tuple[DocumentChange, ...],
    status: int = 200,
    once: Claim | None = None,
) -> Answer:
    def render(accepted: Accepted) -> Answer:
        return answer(call, status, _shown(call, accepted.documents[-1], owner))

    command = KeepDocuments(customer=owner.id)
    return await call.ledger.submit(call.book, command, render, claim=once, documents=changes)


async def update(call: Call) -> Answer:
    """It stays its customer's: to give it to another, take it back first."""
    body: wire.UpdateAliasRequest = call.body
    document = await _found(call)
    before = known.record_of(document)
    text = before.value if body.value is None else reading.alias(body.value, "value")
    label = optional_text(body.label, "label")
    owner = await call.ledger.customer(call.book, document.owner)
    if body.customer_id is not None and (await _owner(call, body.customer_id)).id != owner.id:
        raise BadRequest("customerId", "that of the alias, or left out")
    _check_open(owner)
    if (text, label) == (before.value, before.label):
        return answer(call, 200, _shown(call, document, owner))
    after = await _keep(call, owner, (known.changed(document, text, label),))
    await unmapped.map_aliases(call.ledger, call.book, [text])
    return after


def _shown(call: Call, document: Document, owner: types.Customer) -> wire.Alias:
    record, account = known.record_of(document), call.principal.account
    return rendering.alias(document, record, account, imported.customer_id(owner))


async def delete(call: Call) -> Answer:
    """What was used under it stays the customer's; what comes from now on is nobody's."""
    document = await _found(call)
    owner = await call.ledger.customer(call.book, document.owner)
    return await _keep(call, owner, known.taken_back([document]))


async def _found(call: Call) -> Document:
    return await known.find(call.ledger, call.book, call.path["id"])


async def list_all(call: Call) -> Answer:
    query: wire.AliasesQuery = call.query

    chunk = _listed(call) if query.value is None else within(await _saying(call, query.value), _id)
    found, pagination = await page(call, query, chunk, _id)
    owners = await imported.customer_ids(call.ledger, call.book, (each.owner for each in found))
    account = call.principal.account
    items = [
        rendering.alias(each, known.record_of(each), account, owners[each.owner]) for each in found
    ]
    return answer(call, 200, wire.AliasPage(items=items, pagination=pagination))


def _listed(call: Call) -> Chunk[Document]:
    async def chunk(after: Id | None, before: Id | None, limit: int) -> list[Document]:
        asked = DocumentFilter(
            book=call.book, kind=CUSTOMER_ALIAS, after=after, before=before, limit=limit
        )
        return await call.ledger.documents(asked)

    return chunk


async def _saying(call: Call, text: str) -> list[Document]:
    fields.reference(text, "value")
    try:
        return [await call.ledger.document_named(call.book, text, CUSTOMER_ALIAS)]
    except errors.DocumentNotFound:
        return []


def _id(document: Document) -> Id:
    return document.id


async def list_of_customer(call: Call) -> Answer:
    """All of them. His own id is the last: it came with him."""
    owner = await call.ledger.customer(call.book, identity.reference(call.path["id"]))
    documents = await known.documents_of(call.ledger, call.book, owner.id)
    account = call.principal.account
    items = [_shown(call, each, owner) for each in documents]
    items += [rendering.own_alias(owner, text, account) for text in known.own_texts(owner)]
    return answer(call, 200, wire.Aliases(items=items))


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/customers/{id}/aliases",
        handler=list_of_customer,
        summary="List all of a customer's aliases, newest first",
        role=Role.VIEWER,
        answer=wire.Aliases,
        errors=(errors.CustomerNotFound,),
    ),
    Endpoint(
        method="POST",
        path="/customer-aliases",
        handler=create,
        summary="Give a customer an alias",
        role=Role.EDITOR,
        body=wire.CreateAliasRequest,
        answer=wire.Alias,
        status=201,
        errors=(errors.AlreadyExists, errors.CustomerClosed, errors.KeyReused),
    ),
    Endpoint(
        method="GET",
        path="/customer-aliases",
        handler=list_all,
        summary="List all customers' aliases, newest first",
        role=Role.VIEWER,
        query=wire.AliasesQuery,
        answer=wire.AliasPage,
    ),
    Endpoint(
        method="PUT",
        path="/customer-aliases/{id}",
        handler=known.decided_anew(update),
        summary="Label an alias, or exchange it for another",
        role=Role.EDITOR,
        body=wire.UpdateAliasRequest,
        answer=wire.Alias,
        errors=(AliasNotFound, NotAllowed, errors.AlreadyExists, errors.CustomerClosed),
    ),
    Endpoint(
        method="DELETE",
        path="/customer-aliases/{id}",
        handler=known.decided_anew(delete),
        summary="Take an alias back",
        role=Role.EDITOR,
        answer=wire.Alias,
        errors=(AliasNotFound, NotAllowed),
    ),
)
