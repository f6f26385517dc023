"""Wallets: real money of a customer's, in dollars or rupees: his credit in that currency, in whole cents.

What other dialects keep of it in parts of a cent is there, too, and not shown.
"""

from __future__ import annotations

from functools import partial

from drawdown.core import amounts, currencies
from drawdown.core.amounts import Amount
from drawdown.core.commands import Debit, IssueGrant
from drawdown.core.currencies import minor_floor
from drawdown.core.errors import CustomerNotFound, InsufficientCredit, KeyReused
from drawdown.core.identity import spell
from drawdown.core.requests import Accepted, Answer, LedgerKey
from drawdown.core.times import text_of
from drawdown.core.types import Customer, Entry, Operation
from drawdown.dialects.dodo import reading
from drawdown.dialects.dodo.answering import answer, customer_named
from drawdown.dialects.dodo.credit.histories import walk
from drawdown.dialects.dodo.credit.rows import ROW_PREFIX, facts_of
from drawdown.dialects.dodo.credit.wire import (
    CreateWalletEntryRequest,
    ListWalletEntriesQuery,
    Wallet,
    WalletCurrency,
    WalletEntry,
    WalletEntryPage,
    Wallets,
)
from drawdown.dialects.dodo.errors import InsufficientWalletFunds
from drawdown.dialects.dodo.rendering import business_id, customer_id
from drawdown.dialects.dodo.wire import EntryType
from drawdown.engine.accounts import Role
from drawdown.web import fields
from drawdown.web.endpoints import Call, Endpoint


async def list_wallets(call: Call) -> Answer:
    """Those that were ever used. Nothing is converted: the total in dollars is that of dollars."""
    owner = await call.ledger.customer(call.book, customer_named(call))
    found = [await _wallet(call, owner, each) for each in WalletCurrency]
    items = [each for each in found if each is not None]
    total = sum(each.balance for each in items if each.currency is WalletCurrency.USD)
    return answer(call, Wallets(items, total))


async def _wallet(call: Call, owner: Customer, currency: WalletCurrency) -> Wallet | None:
    code = currency.value.lower()
    balance = await call.ledger.balance(call.book, owner.id, code)
    if balance.created_at is None:
        return None
    last_at = balance.created_at if balance.last_at is None else balance.last_at
    return Wallet(
        customer_id=customer_id(owner),
        currency=currency,
        balance=minor_floor(balance.posted, currency.value.lower()),
        created_at=text_of(balance.created_at),
        updated_at=text_of(last_at),
    )


async def create_entry(call: Call) -> Answer:
    """A key that was used for the same answers the same, as the vendor's does."""
    body: CreateWalletEntryRequest = call.body
    code = body.currency.value.lower()
    amount = amounts.normalised(body.amount, currencies.MINOR_PLACES[code])
    reason = reading.optional_text(body.reason, "reason", reading.REASON_MAX, shortest=0)
    key = None
    if body.idempotency_key is not None:
        key = LedgerKey(f"dodo.wallet_entry:{code}", fields.key(body.idempotency_key))
    command = _command(call, body.entry_type, amount, code, reason)

    def render(accepted: Accepted) -> Answer:
        return answer(call, _after(accepted, body.currency))

    try:
        return await call.ledger.submit(call.book, command, render, key=key)
    except InsufficientCredit:
        raise InsufficientWalletFunds() from None


def _command(
    call: Call, entry_type: EntryType, amount: Amount, code: str, reason: str | None
) -> IssueGrant | Debit:
    """Money never expires."""
    named = customer_named(call)
    if entry_type is EntryType.DEBIT:
        return Debit(
            customer=named, entitlement=code, amount=amount, reason=reason, within_credit=True
        )
    return IssueGrant(
        customer=named, entitlement=code, amount=amount, expires_at=None, reason=reason
    )


def _after(accepted: Accepted, currency: WalletCurrency) -> Wallet:
    owner, balance = accepted.customer, accepted.balance
    assert owner is not None
    assert balance is not None
    assert balance.created_at is not None
    assert balance.last_at is not None
    return Wallet(
        customer_id=customer_id(owner),
        currency=currency,
        balance=minor_floor(balance.posted, currency.value.lower()),
        created_at=text_of(balance.created_at),
        updated_at=text_of(balance.last_at),
    )


async def list_entries(call: Call, *, page_base: int) -> Answer:
    """Newest first, of both currencies unless one is named."""
    query: ListWalletEntriesQuery = call.query
    owner = await call.ledger.customer(call.book, customer_named(call))
    end = query.offset(page_base) + query.page_size
    found: list[tuple[int, WalletEntry]] = []
    for currency in WalletCurrency:
        if query.page_size and query.currency in (None, currency):
            found += await _newest(call, owner, currency, end)
    found.sort(key=lambda each: each[0], reverse=True)
    shown = [entry for _, entry in found[end - query.page_size : end]]
    return answer(call, WalletEntryPage(shown))


async def _newest(
    call: Call, owner: Customer, currency: WalletCurrency, count: int
) -> list[tuple[int, WalletEntry]]:
    """As many as may be needed, each with when it was."""
    kind = await call.ledger.entitlement(call.book, currency.value.lower())
    found: list[tuple[int, WalletEntry]] = []
    async for happened in walk(call, owner.id, kind.id):
        first, last = happened.entries[0], happened.entries[-1]
        if first.posted_before != last.posted_after:
            entry = _entry(call, owner, currency, happened.operation, first, last)
            found.append((last.at, entry))
        if len(found) == count:
            break
    return found


def _entry(
    call: Call,
    owner: Customer,
    currency: WalletCurrency,
    operation: Operation,
    first: Entry,
    last: Entry,
) -> WalletEntry:
    code = currency.value.lower()
    before, after = minor_floor(first.posted_before, code), minor_floor(last.posted_after, code)
    return WalletEntry(
        id=spell(ROW_PREFIX, operation.id),
        business_id=business_id(call.principal.account),
        customer_id=customer_id(owner),
        currency=currency,
        amount=abs(after - before),
        is_credit=last.posted_after > first.posted_before,
        before_balance=before,
        after_balance=after,
        created_at=text_of(last.at),
        reason=facts_of(operation).reason,
    )


_PATH = "/customers/{customer_id}/wallets"


def endpoints(page_base: int) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            method="GET",
            path=_PATH,
            handler=list_wallets,
            summary="List a customer's wallets",
            role=Role.VIEWER,
            answer=Wallets,
            errors=(CustomerNotFound,),
        ),
        Endpoint(
            method="POST",
            path=f"{_PATH}/ledger-entries",
            handler=create_entry,
            summary="Put money into a customer's wallet, or take some out",
            role=Role.EDITOR,
            body=CreateWalletEntryRequest,
            answer=Wallet,
            errors=(CustomerNotFound, InsufficientWalletFunds, KeyReused),
        ),
        Endpoint(
            method="GET",
            path=f"{_PATH}/ledger-entries",
            handler=partial(list_entries, page_base=page_base),
            summary="List what happened in a customer's wallets, newest first",
            role=Role.VIEWER,
            query=ListWalletEntriesQuery,
            answer=WalletEntryPage,
            errors=(CustomerNotFound,),
        ),
    )
