"""The endpoints of ``billing.credit_balance_summary`` and ``billing.credit_balance_transaction``.

A transaction is an entry of the ledger that moved credit of a grant, whichever dialect made it. What is shown
is what changed of the grant in whole minor units, so that a grant's transactions add up to what it has; one
that changed none of them is left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from drawdown.core import currencies
from drawdown.core.billing.records import INVOICE, PRICE, Invoice, Line, invoice_of
from drawdown.core.errors import CustomerNotFound
from drawdown.core.identity import parse, reference, spell
from drawdown.core.requests import Answer
from drawdown.core.types import (
    MICROSECONDS,
    Customer,
    Entry,
    EntryKind,
    Grant,
    Id,
    Mode,
)
from drawdown.dialects.stripe import expansion, grants, kept, wire, wire_billing
from drawdown.dialects.stripe.errors import StripeError, missing_object
from drawdown.dialects.stripe.invoices import invoice_id, line_id, transaction_id
from drawdown.dialects.stripe.parameters import missing
from drawdown.dialects.stripe.requests_billing import ListTransactions, RetrieveSummary
from drawdown.dialects.stripe.test_clocks import clock_id
from drawdown.engine.ports import DocumentFilter
from drawdown.web.endpoints import Call

NOUN = "billing credit balance transaction"
#: So many of a customer's entries, invoices or grants are looked at; the newest.
LOOKED_AT_MAX = 100_000
_CHUNK = 1_000

_CREDITS = {
    EntryKind.GRANTED: "credits_granted",
    EntryKind.ROLLED_IN: "credits_granted",
    EntryKind.RESTORED: "credits_granted",
    EntryKind.REVERSED: "credits_application_invoice_voided",
}
_DEBITS = {
    EntryKind.DEBITED: "credits_applied",
    EntryKind.CAPTURED: "credits_applied",
    EntryKind.OVERAGE_REPAID: "credits_applied",
    EntryKind.EXPIRED: "credits_expired",
    EntryKind.FORFEITED: "credits_expired",
    EntryKind.ROLLED_OUT: "credits_expired",
    EntryKind.VOIDED: "credits_voided",
}
#: Which line of which invoice an entry was for, by its operation and ordinal.
Lines = dict[tuple[Id, int], wire_billing.OfInvoice]


async def _customer(call: Call, text: str) -> Customer:
    try:
        return await call.ledger.customer(call.book, reference(text))
    except CustomerNotFound:
        raise missing_object("customer", text, "customer") from None


# The summary -------------------------------------------------------------------------------------


async def retrieve_summary(call: Call) -> Answer:
    asked: RetrieveSummary = call.query
    expand = expansion.expansion(asked.expand, expansion.SUMMARY)
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
                available_balance=_money(available, code), ledger_balance=_money(ledger, code)
            )
            for code, (ledger, available) in found.items()
        ],
        customer=(
            wire.customer_object(customer, mode, expand.below("customer"))
            if expand.wants("customer")
            else wire.customer_id(customer)
        ),
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
        async for grant in _grants_of(call, customer)
        if not prices or not grant.scope.get(PRICE) or set(prices) & set(grant.scope[PRICE])
    ]


async def _grants_of(call: Call, customer: Customer) -> Any:
    after = None
    for _ in range(LOOKED_AT_MAX // _CHUNK):
        found = await call.ledger.grants(
            call.book, customer=customer.id, monetary=True, after=after, limit=_CHUNK
        )
        for grant in found:
            yield grant
        if len(found) < _CHUNK:
            return
        after = found[-1].id


def _money(value: int, code: str) -> wire.GrantAmount:
    return wire.GrantAmount(monetary=wire.GrantMonetary(code, value))


# Transactions ------------------------------------------------------------------------------------


async def list_transactions(call: Call) -> Answer:
    """Of a customer, or of a grant: newest first."""
    asked: ListTransactions = call.query
    expansion.expansion(asked.expand, expansion.METER, of_list=True)
    customer, grant = await _whose(call, asked)
    shown = await _transactions(call, customer, grant)
    places = {each.id: place for place, each in enumerate(shown)}

    async def cursor(text: str, param: str) -> Id:
        if text not in places:
            raise missing_object(NOUN, text, param)
        return Id(str(places[text]).encode())

    after, before = await kept.cursors(asked, cursor)
    some = shown[0 if after is None else int(after) + 1 : None if before is None else int(before)]
    page = some[: asked.limit] if before is None else some[-asked.limit :]
    url = wire_billing.TRANSACTIONS_URL
    answer = wire_billing.TransactionList(data=page, has_more=len(some) > asked.limit, url=url)
    return Answer(status=200, body=msgspec.json.encode(answer), request_id=call.request_id)


async def _whose(call: Call, asked: ListTransactions) -> tuple[Customer, Grant | None]:
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
        raise StripeError(
            "Name a customer or a credit_grant: transactions are listed for one of them.",
            code="parameter_missing",
            param="customer",
        )
    return await call.ledger.customer(call.book, grant.customer), grant


async def retrieve_transaction(call: Call) -> Answer:
    expansion.expansion(call.query.expand, expansion.METER)
    text = call.path["transaction"]
    found = None
    operation = parse(text.rpartition("_")[0])
    recorded = None
    if operation is not None:
        recorded = (await call.ledger.store.find_operations({operation})).get(operation)
    if recorded is not None:
        try:
            customer = await call.ledger.customer(call.book, recorded.customer)
            shown = await _transactions(call, customer, None)
            found = next((each for each in shown if each.id == text), None)
        except CustomerNotFound:
            found = None
    if found is None:
        raise missing_object(NOUN, text, "id")
    return Answer(status=200, body=msgspec.json.encode(found), request_id=call.request_id)


async def _transactions(
    call: Call, customer: Customer, grant: Grant | None
) -> list[wire_billing.Transaction]:
    entries = [
        entry
        for entry in await _entries(call, customer)
        if grant is None or entry.grant == grant.id
    ]
    entries.sort(
        key=lambda each: (each.recorded_at, each.at, each.entitlement, each.seq), reverse=True
    )
    lines = await _lines(call, customer, entries)
    mode, codes = call.principal.mode, currencies.codes_by_id(call.book)
    clock = None if customer.test_clock is None else clock_id(customer.test_clock)
    found = []
    for entry in entries:
        code = codes[entry.entitlement]
        after = currencies.minor_floor(entry.grant_after, code)
        value = abs(after - currencies.minor_floor(entry.grant_before, code))
        if value:
            money = _money(value, code)
            found.append(_shown(entry, money, lines, mode, clock))
    begin = {each.id: each.effective_at async for each in _grants_of(call, customer)}
    named = {spell(_prefix(mode), each): at for each, at in begin.items()}
    for each in found:
        if each.credit is not None and each.credit.type == "credits_granted":
            each.effective_at = max(each.effective_at, named[each.credit_grant] // MICROSECONDS)
    return found


def _prefix(mode: Mode) -> str:
    return "credgr_test_" if mode is Mode.TEST else "credgr_"


def _shown(
    entry: Entry, money: wire.GrantAmount, lines: Lines, mode: Mode, clock: str | None
) -> wire_billing.Transaction:
    line = lines.get((entry.operation, entry.ordinal))
    credit = debit = None
    if entry.kind in _CREDITS:
        kind = _CREDITS[entry.kind]
        credit = wire_billing.Credit(
            amount=money, type=kind, credits_application_invoice_voided=line
        )
    else:
        debit = wire_billing.Debit(amount=money, type=_DEBITS[entry.kind], credits_applied=line)
    return wire_billing.Transaction(
        id=transaction_id(entry.operation, entry.ordinal, mode),
        created=entry.recorded_at // MICROSECONDS,
        credit=credit,
        credit_grant=spell(_prefix(mode), entry.grant),
        debit=debit,
        effective_at=entry.at // MICROSECONDS,
        livemode=mode is Mode.LIVE,
        test_clock=clock,
        type="debit" if credit is None else "credit",
    )


async def _entries(call: Call, customer: Customer) -> list[Entry]:
    """All that moved credit of his in currencies."""
    codes = currencies.codes_by_id(call.book)
    found: list[Entry] = []
    after: str | None = None
    for _ in range(LOOKED_AT_MAX // _CHUNK):
        some, after = await call.ledger.entries(call.book, customer.id, after=after, limit=_CHUNK)
        found += [
            entry
            for entry in some
            if entry.entitlement in codes and (entry.kind in _CREDITS or entry.kind in _DEBITS)
        ]
        if after is None:
            break
    return found


async def _lines(call: Call, customer: Customer, entries: Iterable[Entry]) -> Lines:
    """What each entry was for: what invoices say that they took, and got back when they were void."""
    found: Lines = {}
    returned: dict[Id, list[Entry]] = {}
    for entry in entries:
        if entry.kind is EntryKind.REVERSED:
            returned.setdefault(entry.operation, []).append(entry)
    operations = await call.ledger.store.find_operations(returned.keys()) if returned else {}
    voided = {
        each.subject: returned[each.id] for each in operations.values() if each.subject is not None
    }
    listed = DocumentFilter(book=call.book, kind=INVOICE, owner=customer.id, limit=_CHUNK)
    for _ in range(LOOKED_AT_MAX // _CHUNK):
        documents = await call.ledger.documents(listed)
        for document in documents:
            invoice = invoice_of(document.body)
            _note(found, invoice_id(document.id), invoice, voided.get(document.id, []))
        if len(documents) < _CHUNK:
            break
        listed = msgspec.structs.replace(listed, after=documents[-1].id)
    return found


def _note(found: Lines, name: str, invoice: Invoice, back: list[Entry]) -> None:
    """A void invoice gave back the last first."""
    shares: list[Line] = []
    for line in invoice.lines:
        place = wire_billing.OfInvoice(name, line_id(line))
        for each in line.applied:
            found[(Id(bytes.fromhex(each.operation)), each.ordinal)] = place
            shares.append(line)
    ordered = sorted(back, key=lambda each: each.ordinal)
    for line, entry in zip(reversed(shares), ordered, strict=False):
        found[(entry.operation, entry.ordinal)] = wire_billing.OfInvoice(name, line_id(line))
