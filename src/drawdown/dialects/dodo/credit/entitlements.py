"""Credit entitlements: made, listed, changed, deleted and brought back."""

from __future__ import annotations

from functools import partial

from drawdown.core.commands import CloseEntitlement, Command, ReopenEntitlement
from drawdown.core.errors import AlreadyExists, EntitlementClosed, EntitlementNotFound, FieldInvalid
from drawdown.core.requests import Accepted, Answer
from drawdown.core.types import BurnOrder, Entitlement, Id
from drawdown.dialects.dodo import reading, rendering
from drawdown.dialects.dodo.answering import answer, entitlement_named
from drawdown.dialects.dodo.credit import changes
from drawdown.dialects.dodo.credit.wire import (
    EntitlementPage,
    ListEntitlementsQuery,
    UpdateEntitlementRequest,
)
from drawdown.dialects.dodo.errors import NotRestored, message_of
from drawdown.dialects.dodo.wire import (
    CreateEntitlementRequest,
    CreditEntitlement,
    RetrieveEntitlementQuery,
)
from drawdown.engine.accounts import Role
from drawdown.web.endpoints import Call, Endpoint

_CHUNK = 100


async def live(call: Call) -> Entitlement:
    """The entitlement named. One that is deleted is not found, as at the vendor."""
    found = await call.ledger.entitlement(call.book, entitlement_named(call))
    if found.closed_at is not None:
        raise EntitlementNotFound(call.path["credit_entitlement_id"])
    return found


async def create_entitlement(call: Call, *, burn_order: BurnOrder) -> Answer:
    command = reading.create_entitlement(call.body, burn_order)

    def render(accepted: Accepted) -> Answer:
        assert accepted.entitlement is not None
        found = rendering.entitlement(accepted.entitlement, call.principal.account)
        return answer(call, found, 201)

    return await call.ledger.submit(call.book, command, render)


async def retrieve_entitlement(call: Call) -> Answer:
    return answer(call, rendering.entitlement(await live(call), call.principal.account))


async def list_entitlements(call: Call, *, page_base: int) -> Answer:
    """Those that live, or those that are deleted. Currencies are in the wallets."""
    query: ListEntitlementsQuery = call.query
    offset = query.offset(page_base)
    found: list[Entitlement] = []
    after: Id | None = None
    while query.page_size and len(found) < offset + query.page_size:
        chunk = await call.ledger.entitlements(call.book, after=after, limit=_CHUNK)
        found.extend(
            each
            for each in chunk
            if each.currency is None and (each.closed_at is not None) is query.deleted
        )
        if len(chunk) < _CHUNK:
            break
        after = chunk[-1].id
    page = found[offset : offset + query.page_size]
    account = call.principal.account
    return answer(call, EntitlementPage([rendering.entitlement(each, account) for each in page]))


async def update_entitlement(call: Call) -> Answer:
    """What was granted keeps its terms."""
    return await _carry_out(call, changes.amend_entitlement(call.body, await live(call)))


async def delete_entitlement(call: Call) -> Answer:
    """Nothing more is given or drawn; what there is can be read, and expires."""
    found = await call.ledger.entitlement(call.book, entitlement_named(call))
    if found.closed_at is not None:
        raise EntitlementClosed()
    return await _carry_out(call, CloseEntitlement(entitlement=found.id))


async def undelete_entitlement(call: Call) -> Answer:
    """The vendor answers 500 for what is not there, or not deleted."""
    try:
        found = await call.ledger.entitlement(call.book, entitlement_named(call))
    except EntitlementNotFound as error:
        raise NotRestored(message_of(error)) from None
    if found.closed_at is None:
        raise NotRestored("The credit entitlement is not deleted.")
    return await _carry_out(call, ReopenEntitlement(entitlement=found.id))


async def _carry_out(call: Call, command: Command) -> Answer:
    return await call.ledger.submit(call.book, command, lambda _: answer(call, None))


_PATH = "/credit-entitlements/{credit_entitlement_id}"


def endpoints(page_base: int, burn_order: BurnOrder) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            method="POST",
            path="/credit-entitlements",
            handler=partial(create_entitlement, burn_order=burn_order),
            summary="Create a credit entitlement",
            role=Role.EDITOR,
            body=CreateEntitlementRequest,
            answer=CreditEntitlement,
            status=201,
            errors=(AlreadyExists,),
        ),
        Endpoint(
            method="GET",
            path=_PATH,
            handler=retrieve_entitlement,
            summary="Retrieve a credit entitlement",
            role=Role.VIEWER,
            query=RetrieveEntitlementQuery,
            answer=CreditEntitlement,
            errors=(EntitlementNotFound,),
        ),
        Endpoint(
            method="GET",
            path="/credit-entitlements",
            handler=partial(list_entitlements, page_base=page_base),
            summary="List credit entitlements, newest first",
            role=Role.VIEWER,
            query=ListEntitlementsQuery,
            answer=EntitlementPage,
        ),
        Endpoint(
            method="PATCH",
            path=_PATH,
            handler=update_entitlement,
            summary="Change a credit entitlement, for what is granted from now on",
            role=Role.EDITOR,
            body=UpdateEntitlementRequest,
            errors=(EntitlementNotFound, AlreadyExists, FieldInvalid),
        ),
        Endpoint(
            method="DELETE",
            path=_PATH,
            handler=delete_entitlement,
            summary="Delete a credit entitlement; it can be brought back",
            role=Role.EDITOR,
            errors=(EntitlementNotFound, EntitlementClosed, FieldInvalid),
        ),
        Endpoint(
            method="POST",
            path=f"{_PATH}/undelete",
            handler=undelete_entitlement,
            summary="Bring a deleted credit entitlement back",
            role=Role.EDITOR,
            errors=(NotRestored, AlreadyExists),
        ),
    )
