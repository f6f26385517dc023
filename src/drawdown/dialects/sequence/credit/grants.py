"""Credit grants: made, and listed as long as something is left of them."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from drawdown.core import errors, identity
from drawdown.core.errors import CustomerNotFound, EntitlementNotFound
from drawdown.core.requests import Accepted, Answer
from drawdown.core.types import Entitlement, Grant, Id
from drawdown.dialects.sequence import dates, numbers
from drawdown.dialects.sequence.answering import answer, check_account
from drawdown.dialects.sequence.claims import claim
from drawdown.dialects.sequence.credit import reading, rendering, wire
from drawdown.dialects.sequence.customers.customers import CUSTOMER_RULE
from drawdown.dialects.sequence.paging import Page, page
from drawdown.engine.accounts import Role
from drawdown.web.endpoints import Call, Endpoint
from drawdown.web.errors import BadRequest

_METRIC_RULE = "the id of a metric; there is none with this id"


async def create(call: Call) -> Answer:
    """A grant without ``effectiveDate`` can be used from its day of issue, the whole of it."""
    body: wire.CreateCreditRequest = call.body
    account = call.principal.account
    check_account(body.sequence_account_id, account)
    asked = reading.create_credit(body, call.book)
    cost = numbers.read_optional(body.cost_of_credit, "costOfCredit")

    def render(accepted: Accepted) -> Answer:
        assert accepted.grant is not None
        assert accepted.entitlement is not None
        grant, kind = accepted.grant, accepted.entitlement
        return answer(call, 201, rendering.created_credit(grant, kind, body, cost, account))

    try:
        command = asked
        if asked.effective_at is None:
            day = dates.start_of_day(await call.ledger.time_of(call.book, asked.customer))
            command = msgspec.structs.replace(asked, effective_at=day)
        return await call.ledger.submit(call.book, command, render, claim=claim(call, asked))
    except CustomerNotFound:
        raise BadRequest("customerId", CUSTOMER_RULE) from None
    except EntitlementNotFound:
        raise BadRequest("metricId", _METRIC_RULE) from None


async def list_outstanding(call: Call) -> Answer:
    """All of them on one page, pending grants included."""
    owner = identity.reference(call.path["customerId"])
    found = await call.ledger.outstanding(call.book, owner)
    kinds = await _kinds(call, found)
    items = [
        rendering.outstanding_grant(grant, kinds[grant.entitlement])
        for grant in rendering.in_burn_order(found, kinds)
    ]
    return answer(call, 200, wire.OutstandingGrants(items=items))


async def list_all(call: Call) -> Answer:
    """Of all customers, in every state."""
    query: Page = call.query

    async def chunk(after: Id | None, before: Id | None, limit: int) -> list[Grant]:
        found = await call.ledger.grants(call.book, after=after, before=before, limit=limit)
        return found if before is None else found[::-1]

    found, pagination = await page(query, chunk, lambda each: each.id)
    kinds = await _kinds(call, found)
    account = call.principal.account
    items = [rendering.grant(each, kinds[each.entitlement], account) for each in found]
    return answer(call, 200, wire.GrantPage(items=items, pagination=pagination))


async def retrieve(call: Call) -> Answer:
    identifier = identity.parse(call.path["id"])
    if identifier is None:
        raise errors.GrantNotFound(call.path["id"])
    found = await call.ledger.grant(call.book, identifier)
    kind = await call.ledger.entitlement(call.book, found.entitlement)
    return answer(call, 200, rendering.one_grant(found, kind, call.principal.account))


async def _kinds(call: Call, grants: Iterable[Grant]) -> dict[Id, Entitlement]:
    return {
        each: await call.ledger.entitlement(call.book, each)
        for each in {grant.entitlement for grant in grants}
    }


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/credits",
        handler=list_all,
        summary="List credit grants, newest first",
        role=Role.VIEWER,
        query=Page,
        answer=wire.GrantPage,
    ),
    Endpoint(
        method="GET",
        path="/credits/{id}",
        handler=retrieve,
        summary="Get a credit grant",
        role=Role.VIEWER,
        answer=wire.OneGrant,
        errors=(errors.GrantNotFound,),
    ),
    Endpoint(
        method="POST",
        path="/credits",
        handler=create,
        summary="Create a credit grant",
        role=Role.EDITOR,
        body=wire.CreateCreditRequest,
        answer=wire.CreatedCredit,
        status=201,
        errors=(
            errors.AmountTooFine,
            errors.AmountTooLarge,
            errors.AmountNotPositive,
            errors.ExpiryNotInFuture,
            errors.ExpiryBeforeEffective,
            errors.CustomerClosed,
            errors.EntitlementClosed,
            errors.TooManyGrants,
            errors.KeyReused,
        ),
    ),
    Endpoint(
        method="GET",
        path="/credits/{customerId}/grants",
        handler=list_outstanding,
        summary="List a customer's outstanding credit grants, in burn-down order",
        role=Role.VIEWER,
        answer=wire.OutstandingGrants,
        errors=(errors.CustomerNotFound,),
    ),
)
