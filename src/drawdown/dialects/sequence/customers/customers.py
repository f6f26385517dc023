"""Customers: made, changed, archived, and found by their ids and aliases."""

from __future__ import annotations

from drawdown.core import errors, identity, types
from drawdown.core.commands import CloseCustomer, DocumentChange
from drawdown.core.errors import CustomerNotFound
from drawdown.core.requests import Accepted, Answer
from drawdown.core.types import Id
from drawdown.dialects.sequence import imported
from drawdown.dialects.sequence.answering import PROFILE, answer, optional_text
from drawdown.dialects.sequence.claims import claim
from drawdown.dialects.sequence.customers import known, reading, rendering, wire
from drawdown.dialects.sequence.paging import (
    Chunk,
    SortOrder,
    oldest_first,
    only,
    page,
    within,
)
from drawdown.dialects.sequence.usage import unmapped
from drawdown.engine.accounts import Role
from drawdown.engine.ports import CustomerFilter
from drawdown.web import fields
from drawdown.web.endpoints import Call, Endpoint
from drawdown.web.errors import BadRequest

#: How many customers may stand one above the other.
LEVELS_MAX = 50
CUSTOMER_RULE = "the id of a customer; there is none with this id"


async def create(call: Call) -> Answer:
    """With all of the aliases, or not at all."""
    body: wire.CreateCustomerRequest = call.body
    texts = _aliases(body.customer_aliases or [])
    new = call.ledger.ids.new()
    command = reading.create_customer(body, await _parent(call, body.parent_id, new))

    def render(accepted: Accepted) -> Answer:
        assert accepted.customer is not None
        return answer(call, 201, rendering.customer(accepted.customer, texts))

    made = await call.ledger.submit(
        call.book,
        command,
        render,
        claim=claim(call, (command, texts)),
        documents=known.given(call.ledger, new, texts),
        id=new,
    )
    await unmapped.map_aliases(call.ledger, call.book, texts)
    return made


async def _parent(call: Call, text: str | None, customer: Id) -> str | None:
    """The id of a parent, as it is shown. Nobody is below himself, and nobody too far below."""
    if text is None:
        return None
    try:
        found = await call.ledger.customer(call.book, fields.reference(text, "parentId"))
    except CustomerNotFound:
        raise BadRequest("parentId", CUSTOMER_RULE) from None
    above: types.Customer | None = found
    for _ in range(LEVELS_MAX):
        if above is None:
            return imported.customer_id(found)
        if above.id == customer:
            raise BadRequest("parentId", "another customer, who is not below this one")
        above = await _parent_of(call, above)
    raise BadRequest("parentId", f"a customer with fewer than {LEVELS_MAX} above him")


async def _parent_of(call: Call, customer: types.Customer) -> types.Customer | None:
    text = customer.profiles.get(PROFILE, {}).get("parentId")
    if text is None:
        return None
    try:
        return await _found(call, text)
    except CustomerNotFound:
        return None


def _aliases(given: list[str]) -> list[str]:
    texts = [reading.alias(each, f"customerAliases[{place}]") for place, each in enumerate(given)]
    if len(set(texts)) < len(texts):
        raise BadRequest("customerAliases", "a list of different aliases")
    if len(texts) > known.AT_ONCE:
        rule = f"a list of at most {known.AT_ONCE} aliases: others can be given one by one"
        raise BadRequest("customerAliases", rule)
    return texts


async def retrieve(call: Call) -> Answer:
    return await _shown(call, await _found(call, call.path["id"]))


async def retrieve_by_alias(call: Call) -> Answer:
    found = await _found(call, call.path["alias"])
    texts = await known.texts_of(call.ledger, found)
    return answer(call, 200, rendering.customer_by_alias(found, texts))


async def _found(call: Call, text: str) -> types.Customer:
    return await call.ledger.customer(call.book, identity.reference(text))


async def _shown(call: Call, found: types.Customer) -> Answer:
    texts = await known.texts_of(call.ledger, found)
    return answer(call, 200, rendering.customer(found, texts))


async def update(call: Call) -> Answer:
    """All of it in the place of what there was; aliases that are not among those given are taken back."""
    body: wire.UpdateCustomerRequest = call.body
    before = await _found(call, call.path["id"])
    if before.closed_at is not None:
        raise errors.CustomerClosed()
    parent = await _parent(call, body.parent_id, before.id)
    command = reading.amend_customer(before.id, body, parent)
    changes, texts = await _changed_aliases(call, before, body.customer_aliases)

    def render(accepted: Accepted) -> Answer:
        assert accepted.customer is not None
        return answer(call, 200, rendering.customer(accepted.customer, texts))

    changed = await call.ledger.submit(call.book, command, render, documents=changes)
    await unmapped.map_aliases(call.ledger, call.book, texts)
    return changed


async def _changed_aliases(
    call: Call, before: types.Customer, given: list[str] | None
) -> tuple[tuple[DocumentChange, ...], list[str]]:
    """What becomes of the aliases, and what they are then."""
    if given is None:
        return (), await known.texts_of(call.ledger, before)
    texts = _aliases(given)
    documents = await known.documents_of(call.ledger, call.book, before.id)
    there = {known.text_of(each): each for each in documents}
    gone = [each for text, each in there.items() if text not in texts]
    new = [text for text in texts if text not in there and text != before.own_id]
    if len(gone) + len(new) > known.AT_ONCE:
        raise BadRequest("customerAliases", f"a change of at most {known.AT_ONCE} aliases at once")
    changes = known.taken_back(gone) + known.given(call.ledger, before.id, new)
    own = [each for each in known.own_texts(before) if each not in texts]
    return changes, own + texts


async def archive(call: Call) -> Answer:
    """For good: nothing is granted or used any more. One who is archived already stays so."""
    found = await _found(call, call.path["id"])
    texts = await known.texts_of(call.ledger, found)

    def render(accepted: Accepted) -> Answer:
        assert accepted.customer is not None
        return answer(call, 200, rendering.customer(accepted.customer, texts))

    command = CloseCustomer(customer=found.id)
    return await call.ledger.submit(call.book, command, render, claim=claim(call, command))


async def list_all(call: Call) -> Answer:
    query: wire.CustomersQuery = call.query
    chunk = _listed(call, query) if query.alias is None else await _with_alias(call, query)
    if not query.include_archived:
        chunk = only(chunk, _id, lambda each: each.closed_at is None, "includeArchived")
    if query.sort_order is SortOrder.ASC:
        chunk = oldest_first(chunk)
    found, pagination = await page(call, query, chunk, _id)
    items = [rendering.customer(each, await known.texts_of(call.ledger, each)) for each in found]
    return answer(call, 200, wire.CustomerPage(items=items, pagination=pagination))


def _id(customer: types.Customer) -> Id:
    return customer.id


def _listed(call: Call, query: wire.CustomersQuery) -> Chunk[types.Customer]:
    name, email = optional_text(query.legal_name, "legalName"), optional_text(query.email, "email")

    async def chunk(after: Id | None, before: Id | None, limit: int) -> list[types.Customer]:
        asked = CustomerFilter(
            book=call.book, name=name, email=email, after=after, before=before, limit=limit
        )
        return await call.ledger.customers(asked)

    return chunk


async def _with_alias(call: Call, query: wire.CustomersQuery) -> Chunk[types.Customer]:
    """The one who has it, where the rest of the query is his, too."""
    assert query.alias is not None
    fields.reference(query.alias, "alias")
    try:
        found = await _found(call, query.alias)
    except CustomerNotFound:
        return within([], _id)
    next_above = Id((int.from_bytes(found.id, "big") + 1).to_bytes(16, "big"))
    same = await _listed(call, query)(next_above, None, 1)
    return within([each for each in same if each.id == found.id], _id)


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/customers",
        handler=create,
        summary="Create a customer",
        role=Role.EDITOR,
        body=wire.CreateCustomerRequest,
        answer=wire.Customer,
        status=201,
        errors=(errors.AlreadyExists, errors.KeyReused),
    ),
    Endpoint(
        method="GET",
        path="/customers",
        handler=list_all,
        summary="List customers, newest first",
        role=Role.VIEWER,
        query=wire.CustomersQuery,
        answer=wire.CustomerPage,
    ),
    Endpoint(
        method="GET",
        path="/customers/by-alias/{alias}",
        handler=retrieve_by_alias,
        summary="Get the customer who has an alias",
        role=Role.VIEWER,
        answer=wire.CustomerByAlias,
        errors=(errors.CustomerNotFound,),
    ),
    Endpoint(
        method="GET",
        path="/customers/{id}",
        handler=retrieve,
        summary="Get a customer",
        role=Role.VIEWER,
        answer=wire.Customer,
        errors=(errors.CustomerNotFound,),
    ),
    Endpoint(
        method="PUT",
        path="/customers/{id}",
        handler=known.decided_anew(update),
        summary="Change a customer",
        role=Role.EDITOR,
        body=wire.UpdateCustomerRequest,
        answer=wire.Customer,
        errors=(errors.CustomerNotFound, errors.CustomerClosed, errors.AlreadyExists),
    ),
    Endpoint(
        method="POST",
        path="/customers/{id}/archive",
        handler=archive,
        summary="Archive a customer",
        role=Role.EDITOR,
        answer=wire.Customer,
        errors=(errors.CustomerNotFound, errors.KeyReused, BadRequest),
    ),
)
