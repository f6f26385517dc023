"""Credit grants: made, and listed as long as something is left of them."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from drawdown.core import errors, identity
from drawdown.core.commands import IssueGrant
from drawdown.core.errors import CustomerNotFound, EntitlementNotFound, GrantNotFound
from drawdown.core.requests import Accepted, Answer, Claim
from drawdown.core.types import Entitlement, Grant, Id
from drawdown.dialects.sequence import dates, imported, numbers
from drawdown.dialects.sequence.answering import answer, check_account, days_of
from drawdown.dialects.sequence.claims import claim
from drawdown.dialects.sequence.credit import reading, rendering, wire
from drawdown.dialects.sequence.customers.customers import CUSTOMER_RULE
from drawdown.dialects.sequence.paging import Page, page
from drawdown.engine.accounts import Role
from drawdown.engine.batcher import Render
from drawdown.web.endpoints import Call, Endpoint
from drawdown.web.errors import BadRequest

_METRIC_RULE = "the id of a metric; there is none with this id"


async def create(call: Call) -> Answer:
    """A grant without ``effectiveDate`` can be used from its day of issue, the whole of it.

    What was asked for are days: it stays the same when the account's zone changes.
    """
    body: wire.CreateCreditRequest = call.body
    account, days = call.principal.account, await days_of(call)
    check_account(body.sequence_account_id, account)
    asked = reading.create_credit(body, call.book, days)
    once = claim(call, reading.create_credit(body, call.book, dates.UTC))
    cost = numbers.read_optional(body.cost_of_credit, "costOfCredit")

    def render(accepted: Accepted) -> Answer:
        assert accepted.grant is not None
        assert accepted.entitlement is not None
        assert accepted.customer is not None
        owner = imported.customer_id(accepted.customer)
        grant, kind = accepted.grant, accepted.entitlement
        shown = rendering.created_credit(grant, kind, body, cost, account, owner, days)
        return answer(call, 201, shown)

    try:
        command = asked
        if asked.effective_at is None:
            day = days.start_of_day(await call.ledger.time_of(call.book, asked.customer))
            command = msgspec.structs.replace(asked, effective_at=day)
        return await _issue(call, command, render, once)
    except CustomerNotFound:
        raise BadRequest("customerId", CUSTOMER_RULE) from None
    except EntitlementNotFound:
        raise BadRequest("metricId", _METRIC_RULE) from None


async def _issue(call: Call, command: IssueGrant, render: Render, once: Claim | None) -> Answer:
    """Of a metric by its id or code, or by what the vendor called it. Raises ``EntitlementNotFound``."""
    try:
        return await call.ledger.submit(call.book, command, render, claim=once)
    except EntitlementNotFound:
        metric = await imported.find(call.ledger, call.book, call.body.metric_id or "")
        if metric is None:
            raise
    command = msgspec.structs.replace(command, entitlement=metric)
    return await call.ledger.submit(call.book, command, render, claim=once)


async def list_outstanding(call: Call) -> Answer:
    """All of them on one page, pending grants included."""
    owner = identity.reference(call.path["customerId"])
    found = await call.ledger.outstanding(call.book, owner)
    kinds, days = await _kinds(call, found), await days_of(call)
    items = [
        rendering.outstanding_grant(grant, kinds[grant.entitlement], days)
        for grant in rendering.in_burn_order(found, kinds)
    ]
    return answer(call, 200, wire.OutstandingGrants(items=items))


async def list_all(call: Call) -> Answer:
    """Of all customers, in every state."""
    query: Page = call.query

    async def chunk(after: Id | None, before: Id | None, limit: int) -> list[Grant]:
        found = await call.ledger.grants(call.book, after=after, before=before, limit=limit)
        return found if before is None else found[::-1]

    found, pagination = await page(call, query, chunk, lambda each: each.id)
    kinds = await _kinds(call, found)
    account, days = call.principal.account, await days_of(call)
    owners = await imported.customer_ids(call.ledger, call.book, (each.customer for each in found))
    items = [
        rendering.grant(each, kinds[each.entitlement], account, owners[each.customer], days)
        for each in found
    ]
    return answer(call, 200, wire.GrantPage(items=items, pagination=pagination))


async def retrieve(call: Call) -> Answer:
    found = await find(call, call.path["id"])
    kind = await call.ledger.entitlement(call.book, found.entitlement)
    owner = imported.customer_id(await call.ledger.customer(call.book, found.customer))
    account, days = call.principal.account, await days_of(call)
    return answer(call, 200, rendering.one_grant(found, kind, account, owner, days))


async def find(call: Call, text: str) -> Grant:
    """By its id, or by what the vendor called it. Raises ``GrantNotFound``."""
    identifier = identity.parse(text)
    try:
        if identifier is not None:
            return await call.ledger.grant(call.book, identifier)
    except GrantNotFound:
        pass
    identifier = await imported.find(call.ledger, call.book, text)
    if identifier is None:
        raise GrantNotFound(text)
    return await call.ledger.grant(call.book, identifier)


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
