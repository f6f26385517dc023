"""Rows to records and back, in the column order that the statements of every store keep.

What a store keys its rows by (slots, numbers, ids) is its own: it stands before or after what is here.
"""

from __future__ import annotations

from base64 import b64encode
from sys import intern
from typing import Any

import msgspec

from drawdown.core import burn
from drawdown.core.requests import Answer, ClaimRecord
from drawdown.core.schedules.calendar import Cadence, Every
from drawdown.core.schedules.terms import CycleExpiry, Rollover, Schedule, ScheduleState, Trial
from drawdown.core.state import Repayment, Wallet, WalletKey
from drawdown.core.types import (
    Alert,
    AlertRule,
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
    Instant,
    Metadata,
    Mode,
    Overage,
    Scope,
    Shortfall,
    Slice,
)
from drawdown.core.watching.watch import Watch
from drawdown.engine.accounts import ApiKey, Role

Row = tuple[Any, ...]

_decode = msgspec.json.Decoder().decode
_decode_scope = msgspec.json.Decoder(Scope).decode
_decode_alerts = msgspec.json.Decoder(tuple[AlertRule, ...]).decode
_decode_rule = msgspec.json.Decoder(AlertRule).decode
_decode_watch = msgspec.json.Decoder(Watch).decode
_decode_rollover = msgspec.json.Decoder(Rollover).decode
_decode_overage = msgspec.json.Decoder(Overage).decode
_encode = msgspec.json.Encoder().encode
_CATEGORIES = {category.value: category for category in Category}
_KINDS = {kind.value: kind for kind in EntryKind}
_EMPTY = "{}"
_NO_OVERAGE = Overage()
_NO_ALERTS = "[]"
_NO_WATCH = Watch()
#: A wallet's grants by their customer's time, the newest first; a cycle's new credit before what it carried.
#: The ids of cycles' grants follow from their schedule's, and have no order in time.
GRANTS_BY_CREATION = "g.created_at DESC, g.generation, g.id DESC"
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
        test_clock=row[9],
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
        customer.test_clock,
    )


def amended_customer_row(customer: Customer) -> Row:
    """What of it may change."""
    return (
        customer.name,
        customer.email,
        json_text(customer.metadata),
        json_text(customer.profiles),
        customer.closed_at,
        customer.test_clock,
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
        overage=_overage(row[11]),
        profiles=_json(row[12]),
        closed_at=row[13],
        shortfall=Shortfall(row[14]),
        late_usage_grace=row[15],
        alerts=alerts_of(row[16]),
    )


def _overage(text: str) -> Overage:
    return _NO_OVERAGE if text == _EMPTY else _decode_overage(text)


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
        overage_text(entitlement.overage),
        json_text(entitlement.profiles),
        entitlement.created_at,
        entitlement.updated_at,
        entitlement.closed_at,
        entitlement.shortfall.value,
        entitlement.late_usage_grace,
        alerts_text(entitlement.alerts),
    )


def amended_entitlement_row(entitlement: Entitlement) -> Row:
    """What of it may change."""
    return (
        entitlement.name,
        entitlement.unit,
        entitlement.expires_after_days,
        overage_text(entitlement.overage),
        alerts_text(entitlement.alerts),
        json_text(entitlement.profiles),
        entitlement.shortfall.value,
        entitlement.late_usage_grace,
        entitlement.closed_at,
        entitlement.updated_at,
    )


def alerts_of(text: str) -> tuple[AlertRule, ...]:
    return () if text == _NO_ALERTS else _decode_alerts(text)


def alerts_text(alerts: tuple[AlertRule, ...]) -> str:
    return _encode(alerts).decode() if alerts else _NO_ALERTS


def in_watch(alert: Id) -> str:
    """As an alert's id stands in what a wallet remembers."""
    return b64encode(alert).decode()


def watch_text(watch: Watch | None) -> str | None:
    return None if watch is None or watch == _NO_WATCH else _encode(watch).decode()


def alert_of(row: Row) -> Alert:
    alert, owner, book, entitlement, rule, metadata, created_at, closed_at, meter = row
    return Alert(
        id=alert,
        book=book,
        customer=None if owner == book else owner,
        entitlement=entitlement,
        meter=meter,
        rule=_decode_rule(rule),
        metadata=_json(metadata),
        created_at=created_at,
        closed_at=closed_at,
    )


def alert_row(alert: Alert) -> Row:
    return (
        alert.owner,
        alert.book,
        alert.entitlement,
        _encode(alert.rule).decode(),
        json_text(alert.metadata),
        alert.created_at,
        alert.closed_at,
        alert.meter,
    )


def overage_text(rule: Overage) -> str:
    return _encode(rule).decode()


def optional_overage(text: str | None) -> Overage | None:
    return None if text is None else _overage(text)


def _optional_overage_text(rule: Overage | None) -> str | None:
    return None if rule is None else overage_text(rule)


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
    """In the order of its fields, as whatever is read again and again: by name takes twice as long."""
    return Wallet(
        key[0],
        key[1],
        burn_order,
        row[0],  # created_at
        row[1],  # posted
        row[2],  # pending
        row[3],  # held
        row[4],  # overage
        row[5],  # granted
        row[6],  # used
        row[7],  # expired
        row[8],  # voided
        row[11],  # seq
        row[12],  # chain
        row[13],  # last_at
        row[14],  # next_due_at
        open_grants=row[9],
        open_holds=row[10],
        overage_override=optional_overage(row[15]),
        watch=None if row[16] is None else _decode_watch(row[16]),
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
        _optional_overage_text(wallet.overage_override),
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
    """Times that are equal are kept as one object, and so is the source: a sixth of a grant's memory."""
    recorded_at, created_at, updated_at = row[12:15]
    return Grant(
        row[0],  # id
        customer,
        entitlement,
        row[1],  # amount
        row[2],  # remaining
        row[8],  # priority
        _CATEGORIES[row[9]],
        recorded_at if row[10] == recorded_at else row[10],  # effective_at
        row[11],  # expires_at
        recorded_at,
        recorded_at if created_at == recorded_at else created_at,
        recorded_at if updated_at == recorded_at else updated_at,
        row[3],  # used
        row[4],  # expired
        row[5],  # voided
        row[6],  # rolled_over
        row[7],  # held
        bool(row[15]),  # pending
        bool(row[16]),  # drawn
        _scope(row[24]),
        row[17],  # expired_at
        row[18],  # voided_at
        intern(row[19]),  # source
        row[20],  # parent
        None if row[21] is None else CostBasis(row[21], row[22]),
        row[23],  # name
        _json(row[25]),  # metadata
        _json(row[26]),  # profiles
        row[27],  # schedule
        row[28],  # generation
        None if row[29] is None else _decode_rollover(row[29]),
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
        grant.rolled_over,
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
        grant.schedule,
        grant.generation,
        None if grant.rollover is None else _encode(grant.rollover).decode(),
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
        grant.rolled_over,
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


class _Terms(msgspec.Struct, omit_defaults=True):
    """What of a schedule never changes, as it is kept."""

    anchor: Instant
    zone: str
    every: Every
    first: int
    starts_at: Instant
    priority: int
    category: Category
    expires: CycleExpiry
    expires_after_days: int | None = None
    trial: Trial | None = None
    rollover: Rollover | None = None
    currency: str | None = None
    cost_basis: CostBasis | None = None
    scope: Scope = {}
    name: str | None = None
    metadata: Metadata = {}


_decode_terms = msgspec.json.Decoder(_Terms).decode
_SHARED_TERMS = tuple(
    field for field in _Terms.__struct_fields__ if field in Schedule.__struct_fields__
)


def _terms(schedule: Schedule) -> str:
    cadence = schedule.cadence
    shared = {field: getattr(schedule, field) for field in _SHARED_TERMS}
    terms = _Terms(anchor=cadence.anchor, zone=cadence.zone, every=cadence.every, **shared)
    return _encode(terms).decode()


def schedule_of(customer: Id, entitlement: Id, row: Row) -> Schedule:
    terms = _decode_terms(row[12])
    return Schedule(
        id=row[0],
        customer=customer,
        entitlement=entitlement,
        state=ScheduleState(row[1]),
        amount=row[2],
        change=row[3],
        cycle=row[4],
        cycle_at=row[5],
        next_at=row[6],
        ends_at=row[7],
        ended_at=row[8],
        updated_at=row[9],
        created_at=row[10],
        recorded_at=row[11],
        overage=optional_overage(row[13]),
        cadence=Cadence(terms.anchor, terms.zone, terms.every),
        **{field: getattr(terms, field) for field in _SHARED_TERMS},
    )


def new_schedule_row(schedule: Schedule) -> Row:
    made = (schedule.created_at, schedule.recorded_at, _terms(schedule))
    return (*schedule_row(schedule), *made)


def schedule_row(schedule: Schedule) -> Row:
    return (
        schedule.state.value,
        schedule.amount,
        schedule.change,
        schedule.cycle,
        schedule.cycle_at,
        schedule.next_at,
        schedule.ends_at,
        schedule.ended_at,
        schedule.updated_at,
        schedule.is_live,
        _optional_overage_text(schedule.overage),
    )


def entry_of(customer: Id, entitlement: Id, operation: Id, row: Row) -> Entry:
    ordinal, seq, grant, kind, *facts = row[:17]
    return Entry(customer, entitlement, operation, ordinal, seq, grant, _KINDS[kind], *facts)


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


def repayment_of(customer: Id, entitlement: Id, row: Row) -> Repayment:
    return Repayment(customer, entitlement, *row)


def repayment_row(repayment: Repayment) -> Row:
    """Behind its wallet."""
    return repayment.seq, repayment.grant, repayment.amount, repayment.returned


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
