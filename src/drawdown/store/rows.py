"""Rows to records and back, in the column order that the statements of every store keep.

What a store keys its rows by (slots, numbers, ids) is its own: it stands before or after what is here.
"""

from __future__ import annotations

from typing import Any

import msgspec

from drawdown.core import burn
from drawdown.core.requests import Answer, ClaimRecord
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
    Hold,
    HoldState,
    Id,
    Mode,
    Scope,
    Slice,
)
from drawdown.engine.accounts import ApiKey, Role

Row = tuple[Any, ...]

_decode = msgspec.json.Decoder().decode
_decode_scope = msgspec.json.Decoder(Scope).decode
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
        created_at=row[0],
        posted=row[1],
        pending=row[2],
        held=row[3],
        overage=row[4],
        granted=row[5],
        used=row[6],
        expired=row[7],
        voided=row[8],
        open_grants=row[9],
        open_holds=row[10],
        seq=row[11],
        chain=row[12],
        last_at=row[13],
        next_due_at=row[14],
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
        wallet.open_holds,
        wallet.seq,
        wallet.chain,
        wallet.last_at,
        wallet.next_due_at,
    )


def drawn_wallet_row(wallet: Wallet) -> Row:
    return (
        wallet.posted,
        wallet.held,
        wallet.used,
        wallet.open_grants,
        wallet.seq,
        wallet.chain,
        wallet.last_at,
    )


def grant_of(customer: Id, entitlement: Id, row: Row) -> Grant:
    basis = None if row[20] is None else CostBasis(row[20], row[21])
    return Grant(
        id=row[0],
        customer=customer,
        entitlement=entitlement,
        amount=row[1],
        remaining=row[2],
        used=row[3],
        expired=row[4],
        voided=row[5],
        held=row[6],
        priority=row[7],
        category=_CATEGORIES[row[8]],
        effective_at=row[9],
        expires_at=row[10],
        recorded_at=row[11],
        created_at=row[12],
        updated_at=row[13],
        pending=bool(row[14]),
        drawn=bool(row[15]),
        expired_at=row[16],
        voided_at=row[17],
        source=row[18],
        parent=row[19],
        cost_basis=basis,
        name=row[22],
        scope=_scope(row[23]),
        metadata=_json(row[24]),
        profiles=_json(row[25]),
    )


def _scope(text: str) -> Scope:
    if text == _EMPTY:
        return _NOTHING
    return _decode_scope(text)


def new_grant_row(grant: Grant, burn_order: BurnOrder) -> Row:
    basis = grant.cost_basis
    active, burn_expires, burn_paid, due_at = _places(grant, burn_order)
    return (
        grant.amount,
        grant.remaining,
        grant.used,
        grant.expired,
        grant.voided,
        grant.held,
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
        json_text(grant.scope),
        json_text(grant.metadata),
        json_text(grant.profiles),
        active,
        burn_expires,
        burn_paid,
        due_at,
    )


def grant_row(grant: Grant, burn_order: BurnOrder) -> Row:
    active, burn_expires, _, due_at = _places(grant, burn_order)
    return (
        grant.remaining,
        grant.used,
        grant.expired,
        grant.voided,
        grant.held,
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
    )


def drawn_grant_row(grant: Grant) -> Row:
    return (grant.remaining, grant.used, grant.held, grant.drawn)


def _places(grant: Grant, burn_order: BurnOrder) -> tuple[bool, int, bool, int | None]:
    """What the burn-down and due indices hold: the columns by which SQL sorts as ``burn`` does."""
    active = grant.remaining > 0 and not grant.pending and grant.expired_at is None
    if burn_order is BurnOrder.OLDEST_FIRST:
        return active, 0, False, grant.due_at
    expires = burn.NEVER if grant.expires_at is None else grant.expires_at
    return active, expires, grant.category is Category.PAID, grant.due_at


def hold_of(customer: Id, entitlement: Id, row: Row) -> Hold:
    slices: dict[str, int] = _json(row[4])
    return Hold(
        id=row[0],
        customer=customer,
        entitlement=entitlement,
        amount=row[1],
        held=row[2],
        captured=row[3],
        slices=tuple(Slice(Id(bytes.fromhex(grant)), units) for grant, units in slices.items()),
        state=HoldState(row[5]),
        created_at=row[6],
        recorded_at=row[7],
        expires_at=row[8],
        ended_at=row[9],
        attributes=_json(row[10]),
        metadata=_json(row[11]),
    )


def new_hold_row(hold: Hold) -> Row:
    return (
        hold.amount,
        hold.held,
        hold.captured,
        _slices(hold),
        hold.state.value,
        hold.created_at,
        hold.recorded_at,
        hold.expires_at,
        hold.ended_at,
        json_text(hold.attributes),
        json_text(hold.metadata),
        _hold_due(hold),
    )


def hold_row(hold: Hold) -> Row:
    return (
        hold.held,
        hold.captured,
        _slices(hold),
        hold.state.value,
        hold.expires_at,
        hold.ended_at,
        _hold_due(hold),
    )


def _hold_due(hold: Hold) -> int | None:
    """Null for a hold that has ended, and for no other."""
    if hold.state is not HoldState.OPEN:
        return None
    return burn.NEVER if hold.expires_at is None else hold.expires_at


def _slices(hold: Hold) -> str:
    return json_text({part.grant.hex(): part.amount for part in hold.slices})


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
        held_before=row[7],
        held_after=row[8],
        overage_before=row[9],
        overage_after=row[10],
        grant_before=row[11],
        grant_after=row[12],
        at=row[13],
        recorded_at=row[14],
        hash=row[15],
        order_key=row[16],
    )


def entry_row(entry: Entry) -> Row:
    return (
        entry.ordinal,
        entry.seq,
        entry.grant,
        entry.kind.value,
        entry.amount,
        entry.posted_before,
        entry.posted_after,
        entry.held_before,
        entry.held_after,
        entry.overage_before,
        entry.overage_after,
        entry.grant_before,
        entry.grant_after,
        entry.at,
        entry.recorded_at,
        entry.hash,
        entry.order_key,
    )


def api_key_of(row: Row) -> ApiKey:
    key, account, book, mode, role, name, created_at, last_used_at, revoked_at = row[:9]
    return ApiKey(
        id=key,
        account=account,
        book=book,
        mode=Mode(mode),
        role=Role(role),
        name=name,
        created_at=created_at,
        last_used_at=last_used_at,
        revoked_at=revoked_at,
    )
