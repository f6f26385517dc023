"""The endpoints of ``billing.credit_balance_summary`` and ``billing.credit_balance_transaction``."""

from __future__ import annotations

import msgspec

from drawdown.core import currencies
from drawdown.core.billing.records import PRICE
from drawdown.core.errors import CustomerNotFound
from drawdown.core.identity import reference
from drawdown.core.requests import Answer
from drawdown.core.types import (
    Customer,
    Grant,
    Mode,
)
from drawdown.dialects.stripe import (
    book_transactions,
    expansion,
    grants,
    kept,
    wire,
    wire_billing,
)
from drawdown.dialects.stripe.errors import missing_object
from drawdown.dialects.stripe.parameters import missing
from drawdown.dialects.stripe.requests_billing import ListTransactions, RetrieveSummary
from drawdown.dialects.stripe.transactions import NOUN, grants_of, money_of, transactions_of
from drawdown.web.endpoints import Call


async def _customer(call: Call, text: str) -> Customer:
    try:
        return await call.ledger.customer(call.book, reference(text))
    except CustomerNotFound:
        raise missing_object("customer", text, "customer") from None


# The summary -------------------------------------------------------------------------------------


async def retrieve_summary(call: Call) -> Answer:
    asked: RetrieveSummary = call.query
    expansion.expansion(asked.expand, expansion.SUMMARY)
    customer = await _customer(call, asked.customer)
    if customer.closed_at is not None:
        raise missing_object("customer", asked.customer, "customer")
    await call.ledger.settle_due(call.book, customer.id)
    matching = await _matching(call, asked, customer)
    codes, mode = currencies.codes_by_id(call.book), call.principal.mode
    found: dict[str, tuple[int, int]] = {}
    for grant in matching:
        code = codes[grant.entitlement]
        ledger, available = found.get(code, (0, 0))
        if not grant.pending:
            ledger += currencies.minor_floor(grant.remaining, code)
            available += currencies.minor_floor(grant.free, code)
        found[code] = (ledger, available)
    shown = wire_billing.BalanceSummary(
        balances=[
            wire_billing.Balance(
                available_balance=money_of(available, code), ledger_balance=money_of(ledger, code)
            )
            for code, (ledger, available) in found.items()
        ],
        customer=wire.customer_id(customer),
        livemode=mode is Mode.LIVE,
    )
    return Answer(status=200, body=msgspec.json.encode(shown), request_id=call.request_id)


async def _matching(call: Call, asked: RetrieveSummary, customer: Customer) -> list[Grant]:
    """The grants that the filter is about, those without credit among them."""
    chosen = asked.filter
    if chosen.type == "credit_grant":
        if chosen.credit_grant is None:
            raise missing("filter[credit_grant]")
        grant = await grants.find(call, chosen.credit_grant)
        if grant is None or grant.customer != customer.id:
            raise missing_object(grants.NOUN, chosen.credit_grant, "filter[credit_grant]")
        return [grant]
    if chosen.applicability_scope is None:
        raise missing("filter[applicability_scope]")
    prices = await grants.scope_of(call, chosen.applicability_scope, "filter[applicability_scope]")
    return [
        grant
        async for grant in grants_of(call, customer)
        if not prices or not grant.scope.get(PRICE) or set(prices) & set(grant.scope[PRICE])
    ]


# Transactions ------------------------------------------------------------------------------------


async def list_transactions(call: Call) -> Answer:
    """Of a customer, of a grant, or of all customers: newest first."""
    asked: ListTransactions = call.query
    expansion.expansion(asked.expand, expansion.TRANSACTION, of_list=True)
    customer, grant = await _whose(call, asked)
    if customer is None:
        data, more = await _of_all(call, asked)
    else:
        data, more = await _of_one(call, asked, customer, grant)
    url = wire_billing.TRANSACTIONS_URL
    answer = wire_billing.TransactionList(data=data, has_more=more, url=url)
    return Answer(status=200, body=msgspec.json.encode(answer), request_id=call.request_id)


_Page = tuple[list[wire_billing.Transaction], bool]


async def _of_all(call: Call, asked: ListTransactions) -> _Page:
    async def cursor(text: str, param: str) -> book_transactions.Found:
        return await book_transactions.find(call, text, param)

    page, more = await book_transactions.page_of(call, asked, await kept.cursors(asked, cursor))
    return [each.shown for each in page], more


async def _of_one(
    call: Call, asked: ListTransactions, customer: Customer, grant: Grant | None
) -> _Page:
    shown = await transactions_of(call, customer, grant)
    places = {each.id: place for place, each in enumerate(shown)}

    async def cursor(text: str, param: str) -> int:
        if text not in places:
            raise missing_object(NOUN, text, param)
        return places[text]

    after, before = await kept.cursors(asked, cursor)
    some = shown[0 if after is None else after + 1 : before]
    page = some[: asked.limit] if before is None else some[-asked.limit :]
    return page, len(some) > asked.limit


async def _whose(call: Call, asked: ListTransactions) -> tuple[Customer | None, Grant | None]:
    grant = None
    if isinstance(asked.credit_grant, str):
        grant = await grants.find(call, asked.credit_grant)
        if grant is None:
            raise missing_object(grants.NOUN, asked.credit_grant, "credit_grant")
    if isinstance(asked.customer, str):
        customer = await _customer(call, asked.customer)
        if grant is not None and grant.customer != customer.id:
            raise missing_object(grants.NOUN, str(asked.credit_grant), "credit_grant")
        return customer, grant
    if grant is None:
        return None, None
    return await call.ledger.customer(call.book, grant.customer), grant


async def retrieve_transaction(call: Call) -> Answer:
    expansion.expansion(call.query.expand, expansion.TRANSACTION)
    found = await book_transactions.find(call, call.path["transaction"], "id")
    return Answer(status=200, body=msgspec.json.encode(found.shown), request_id=call.request_id)
