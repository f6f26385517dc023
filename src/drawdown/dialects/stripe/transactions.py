"""Credit balance transactions: the ledger's entries of a customer, in Stripe's words, and what they paid.

A transaction is an entry that moved credit of a grant, whichever dialect made it. Shown is what changed
of the grant in whole minor units, so that a grant's transactions add up to what it has; one that changed none
of them is left out.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

import msgspec

from drawdown.core import currencies
from drawdown.core.billing.records import INVOICE, Invoice, Line, invoice_of
from drawdown.core.identity import spell
from drawdown.core.types import (
    MICROSECONDS,
    Customer,
    Entry,
    EntryKind,
    Grant,
    Id,
    Mode,
)
from drawdown.dialects.stripe import wire, wire_billing
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


async def with_transactions(
    call: Call, customer: Customer, credits: Iterable[wire_billing.CreditApplied]
) -> None:
    """Put in place of their ids the transactions that paid a line."""
    booked = [each for each in credits if each.credit_balance_transaction is not None]
    if booked:
        known = {each.id: each for each in await transactions_of(call, customer, None)}
        for each in booked:
            each.credit_balance_transaction = known[str(each.credit_balance_transaction)]


async def transactions_of(
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
            money = money_of(value, code)
            found.append(shown(entry, money, lines, mode, clock))
    begin = {each.id: each.effective_at async for each in grants_of(call, customer)}
    named = {spell(_prefix(mode), each): at for each, at in begin.items()}
    for each in found:
        if each.credit is not None and each.credit.type == "credits_granted":
            begins = named[str(each.credit_grant)] // MICROSECONDS
            each.effective_at = max(each.effective_at, begins)
    return found


def _prefix(mode: Mode) -> str:
    return "credgr_test_" if mode is Mode.TEST else "credgr_"


def is_shown(entry: Entry) -> bool:
    return entry.kind in _CREDITS or entry.kind in _DEBITS


def shown(
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
        found += [entry for entry in some if entry.entitlement in codes and is_shown(entry)]
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
            note_lines(found, invoice_id(document.id), invoice, voided.get(document.id, []))
        if len(documents) < _CHUNK:
            break
        listed = msgspec.structs.replace(listed, after=documents[-1].id)
    return found


def note_lines(found: Lines, name: str, invoice: Invoice, back: list[Entry]) -> None:
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
