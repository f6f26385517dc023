"""Credit balance transactions: the ledger's entries of a customer, in Stripe's words, and what they paid.

A transaction is an entry that moved credit of a grant, whichever dialect made it. Shown is what changed
of the grant in whole minor units, so that a grant's transactions add up to what it has; one that changed none
of them is left out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

from drawdown.core import currencies
from drawdown.core.billing.records import INVOICE, Invoice, invoice_of
from drawdown.core.types import (
    MICROSECONDS,
    Customer,
    Entry,
    EntryKind,
    Grant,
    Id,
    Mode,
)
from drawdown.dialects.stripe import imported, wire, wire_billing
from drawdown.dialects.stripe.ids import invoice_id, line_id, transaction_id
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


async def grants_of(call: Call, customer: Customer) -> AsyncIterator[Grant]:
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


def money_of(value: int, code: str) -> wire.GrantAmount:
    return wire.GrantAmount(monetary=wire.GrantMonetary(code, value))


async def transactions_of(
    call: Call, customer: Customer, grant: Grant | None
) -> list[wire_billing.Transaction]:
    """Newest first, those that he had at the vendor among them."""
    known = {each.id: each async for each in grants_of(call, customer)}
    entries = [
        entry
        for entry in await _entries(call, customer)
        if grant is None or entry.grant == grant.id
        if not imported.is_of_import(entry, known[entry.grant])
    ]
    entries.sort(
        key=lambda each: (each.recorded_at, each.at, each.entitlement, each.seq), reverse=True
    )
    lines = await _lines(call, customer)
    mode, codes = call.principal.mode, currencies.codes_by_id(call.book)
    clock = None if customer.test_clock is None else clock_id(customer.test_clock)
    found = []
    for entry in entries:
        code, of = codes[entry.entitlement], known[entry.grant]
        after = currencies.minor_floor(entry.grant_after, code)
        value = abs(after - currencies.minor_floor(entry.grant_before, code))
        if value:
            each = shown(entry, of, money_of(value, code), lines, mode, clock)
            if each.credit is not None and each.credit.type == "credits_granted":
                each.effective_at = max(each.effective_at, of.effective_at // MICROSECONDS)
            found.append(each)
    before = await imported.transactions_there(call.ledger, customer)
    wanted = None if grant is None else imported.grant_id(grant, mode)
    found += [shown_there(each, mode) for each in before if wanted in (None, each.grant)]
    return sorted(found, key=lambda each: each.created, reverse=True) if before else found


def shown_there(there: imported.TransactionThere, mode: Mode) -> wire_billing.Transaction:
    """One that was made at the vendor."""
    money, line = money_of(there.value, there.currency), None
    if there.invoice is not None and there.line is not None:
        line = wire_billing.OfInvoice(there.invoice, there.line)
    credit = debit = None
    if there.is_credit:
        credit = wire_billing.Credit(
            amount=money, type=there.kind, credits_application_invoice_voided=line
        )
    else:
        debit = wire_billing.Debit(amount=money, type=there.kind, credits_applied=line)
    return wire_billing.Transaction(
        id=there.id,
        created=there.created,
        credit=credit,
        credit_grant=there.grant,
        debit=debit,
        effective_at=there.effective_at,
        livemode=mode is Mode.LIVE,
        test_clock=None,
        type="debit" if credit is None else "credit",
    )


def is_shown(entry: Entry) -> bool:
    return entry.kind in _CREDITS or entry.kind in _DEBITS


def shown(
    entry: Entry,
    grant: Grant,
    money: wire.GrantAmount,
    lines: Lines,
    mode: Mode,
    clock: str | None,
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
        credit_grant=imported.grant_id(grant, mode),
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
        found += [entry for entry in some if entry.entitlement in codes and is_shown(entry)]
        if after is None:
            break
    return found


async def _lines(call: Call, customer: Customer) -> Lines:
    """What each entry was for: what invoices say that they took, and gave back when they were void."""
    found: Lines = {}
    listed = DocumentFilter(book=call.book, kind=INVOICE, owner=customer.id, limit=_CHUNK)
    for _ in range(LOOKED_AT_MAX // _CHUNK):
        documents = await call.ledger.documents(listed)
        for document in documents:
            found |= lines_of(invoice_id(document.id), invoice_of(document.body))
        if len(documents) < _CHUNK:
            break
        listed = msgspec.structs.replace(listed, after=documents[-1].id)
    return found


def lines_of(name: str, invoice: Invoice) -> Lines:
    """Which entries an invoice names, and for which of its lines."""
    found: Lines = {}
    for line in invoice.lines:
        place = wire_billing.OfInvoice(name, line_id(line))
        took = [(each.operation, each.ordinal) for each in line.applied]
        for operation, ordinal in (*took, *line.returned):
            found[(Id(bytes.fromhex(operation)), ordinal)] = place
    return found
