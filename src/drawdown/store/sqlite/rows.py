"""Rows to records and back, in the column order of ``queries.sql``."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from drawdown.core import burn
from drawdown.core.identity import slot_of
from drawdown.core.requests import Answer, ClaimRecord, LedgerKey
from drawdown.core.state import Wallet, WalletKey
from drawdown.core.types import (
    BurnOrder,
    Category,
    CostBasis,
    Customer,
    Entitlement,
    Entry,
    EntryKind,
    Grant,
    Id,
    Operation,
)

Row = tuple[Any, ...]

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_CATEGORIES = {category.value: category for category in Category}
_KINDS = {kind.value: kind for kind in EntryKind}
_EMPTY = "{}"
#: Most maps are empty: they are all this one, which nothing changes.
_NOTHING: dict[str, Any] = {}


def json_text(value: dict[str, Any]) -> str:
    return _encode(value).decode() if value else _EMPTY


def _json(text: str) -> dict[str, Any]:
    found: dict[str, Any] = _NOTHING if text == _EMPTY else _decode(text)
    return found


def customer_of(row: Row) -> Customer:
    return Customer(
        id=row[0],
        book=row[1],
        created_at=row[2],
        own_id=row[3],
        name=row[4],
        email=row[5],
        metadata=_json(row[6]),
        profiles=_json(row[7]),
        closed_at=row[8],
    )


def customer_row(customer: Customer) -> Row:
    return (
        customer.id,
        slot_of(customer.id),
        customer.book,
        customer.own_id,
        customer.name,
        customer.email,
        json_text(customer.metadata),
        json_text(customer.profiles),
        customer.created_at,
        customer.closed_at,
    )


def entitlement_of(row: Row) -> Entitlement:
    return Entitlement(
        id=row[0],
        book=row[1],
        created_at=row[2],
        updated_at=row[3],
        code=row[4],
        name=row[5],
        unit=row[6],
        scale=row[7],
        burn_order=BurnOrder(row[8]),
        currency=row[9],
        expires_after_days=row[10],
        profiles=_json(row[11]),
        closed_at=row[12],
    )


def entitlement_row(entitlement: Entitlement) -> Row:
    return (
        entitlement.id,
        entitlement.book,
        entitlement.code,
        entitlement.name,
        entitlement.unit,
        entitlement.scale,
        entitlement.burn_order.value,
        entitlement.currency,
        entitlement.expires_after_days,
        json_text(entitlement.profiles),
        entitlement.created_at,
        entitlement.updated_at,
        entitlement.closed_at,
    )


def claim_of(book: Id, space: str, key: str, row: Row) -> ClaimRecord:
    created_at, fingerprint, target, status, body, request_id = row
    answer = None
    if status is not None:
        answer = Answer(status=status, body=body, request_id=request_id)
    return ClaimRecord(
        book=book,
        space=space,
        key=key,
        created_at=created_at,
        fingerprint=fingerprint or b"",
        target=target,
        answer=answer,
    )


def claim_row(claim: ClaimRecord) -> Row:
    answer = claim.answer
    kept = (None, None, None) if answer is None else (answer.status, answer.body, answer.request_id)
    return (
        claim.book,
        claim.space,
        claim.key,
        claim.created_at,
        claim.fingerprint,
        claim.target,
        *kept,
    )


def wallet_of(key: WalletKey, burn_order: BurnOrder, row: Row) -> Wallet:
    return Wallet(
        customer=key[0],
        entitlement=key[1],
        burn_order=burn_order,
        number=row[0],
        created_at=row[1],
        posted=row[2],
        pending=row[3],
        held=row[4],
        overage=row[5],
        granted=row[6],
        used=row[7],
        expired=row[8],
        voided=row[9],
        open_grants=row[10],
        seq=row[11],
        chain=row[12],
        last_at=row[13],
        next_due_at=row[14],
        head=row[15],
    )


def new_wallet_row(wallet: Wallet) -> Row:
    return (
        wallet.number,
        slot_of(wallet.customer),
        wallet.customer,
        wallet.entitlement,
        wallet.created_at,
        *wallet_row(wallet)[:-1],
    )


def wallet_row(wallet: Wallet) -> Row:
    return (
        wallet.posted,
        wallet.pending,
        wallet.held,
        wallet.overage,
        wallet.granted,
        wallet.used,
        wallet.expired,
        wallet.voided,
        wallet.open_grants,
        wallet.seq,
        wallet.chain,
        wallet.last_at,
        wallet.next_due_at,
        wallet.head,
        wallet.number,
    )


def drawn_wallet_row(wallet: Wallet) -> Row:
    return (
        wallet.posted,
        wallet.used,
        wallet.open_grants,
        wallet.seq,
        wallet.chain,
        wallet.last_at,
        wallet.head,
        wallet.number,
    )


def grant_of(customer: Id, entitlement: Id, row: Row) -> Grant:
    basis = None if row[19] is None else CostBasis(row[19], row[20])
    return Grant(
        id=row[0],
        customer=customer,
        entitlement=entitlement,
        amount=row[1],
        remaining=row[2],
        used=row[3],
        expired=row[4],
        voided=row[5],
        priority=row[6],
        category=_CATEGORIES[row[7]],
        effective_at=row[8],
        expires_at=row[9],
        recorded_at=row[10],
        created_at=row[11],
        updated_at=row[12],
        pending=bool(row[13]),
        drawn=bool(row[14]),
        expired_at=row[15],
        voided_at=row[16],
        source=row[17],
        parent=row[18],
        cost_basis=basis,
        name=row[21],
        metadata=_json(row[22]),
        profiles=_json(row[23]),
    )


def new_grant_row(grant: Grant, wallet: Wallet, book: Id) -> Row:
    basis = grant.cost_basis
    active, burn_expires, burn_paid, due_at = _places(grant, wallet.burn_order)
    return (
        wallet.number,
        grant.id,
        slot_of(grant.id),
        book,
        grant.amount,
        grant.remaining,
        grant.used,
        grant.expired,
        grant.voided,
        grant.priority,
        grant.category.value,
        grant.effective_at,
        grant.expires_at,
        grant.recorded_at,
        grant.created_at,
        grant.updated_at,
        grant.pending,
        grant.drawn,
        grant.expired_at,
        grant.voided_at,
        grant.source,
        grant.parent,
        None if basis is None else basis.amount,
        None if basis is None else basis.currency,
        grant.name,
        json_text(grant.metadata),
        json_text(grant.profiles),
        active,
        burn_expires,
        burn_paid,
        due_at,
    )


def grant_row(grant: Grant, wallet: Wallet) -> Row:
    active, burn_expires, _, due_at = _places(grant, wallet.burn_order)
    return (
        grant.remaining,
        grant.used,
        grant.expired,
        grant.voided,
        grant.expires_at,
        grant.updated_at,
        grant.pending,
        grant.drawn,
        grant.expired_at,
        grant.voided_at,
        json_text(grant.metadata),
        active,
        burn_expires,
        due_at,
        wallet.number,
        grant.id,
    )


def drawn_grant_row(grant: Grant, wallet: Wallet) -> Row:
    return (grant.remaining, grant.used, wallet.number, grant.id)


def _places(grant: Grant, burn_order: BurnOrder) -> tuple[bool, int, bool, int | None]:
    """What the burn-down and due indices hold: the columns by which SQL sorts as ``burn`` does."""
    active = grant.remaining > 0 and not grant.pending
    if burn_order is BurnOrder.OLDEST_FIRST:
        return active, 0, False, grant.due_at
    expires = burn.NEVER if grant.expires_at is None else grant.expires_at
    return active, expires, grant.category is Category.PAID, grant.due_at


def operation_of(row: Row) -> Operation:
    return Operation(
        id=row[0],
        customer=row[1],
        entitlement=row[2],
        kind=row[3],
        at=row[4],
        recorded_at=row[5],
        subject=row[6],
        facts=row[7].encode(),
        changed=(row[8] or "").encode(),
        namespace=row[9],
        key=row[10],
        status=row[11] or 0,
        answer=row[12] or b"",
    )


def operation_row(operation: Operation, number: int, first_entry: int, entries: int) -> Row:
    return (
        number,
        operation.id,
        slot_of(operation.customer),
        operation.customer,
        operation.entitlement,
        operation.kind,
        operation.at,
        operation.recorded_at,
        operation.subject,
        operation.facts.decode(),
        operation.changed.decode() or None,
        operation.namespace,
        operation.key,
        operation.status or None,
        operation.answer or None,
        first_entry,
        entries,
    )


def entry_of(customer: Id, entitlement: Id, operation: Id, row: Row) -> Entry:
    return Entry(
        customer=customer,
        entitlement=entitlement,
        operation=operation,
        ordinal=row[0],
        seq=row[1],
        grant=row[2],
        kind=_KINDS[row[3]],
        amount=row[4],
        posted_before=row[5],
        posted_after=row[6],
        overage_before=row[7],
        overage_after=row[8],
        grant_before=row[9],
        grant_after=row[10],
        at=row[11],
        recorded_at=row[12],
        hash=row[13],
        order_key=row[14],
    )


def entry_row(entry: Entry, number: int, wallet: int, operation: int, previous: int) -> Row:
    return (
        number,
        wallet,
        operation,
        previous,
        entry.ordinal,
        entry.seq,
        entry.grant,
        entry.kind.value,
        entry.amount,
        entry.posted_before,
        entry.posted_after,
        entry.overage_before,
        entry.overage_after,
        entry.grant_before,
        entry.grant_after,
        entry.at,
        entry.recorded_at,
        entry.hash,
        entry.order_key,
    )


def key_hash(customer: Id, key: LedgerKey) -> int:
    """The first 8 bytes of a hash over a ledger key: where its operation is looked for."""
    text = f"{key.namespace}\0{key.key}".encode()
    digest = hashlib.blake2b(customer + text, digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
