"""Records of the ledger to records of the wire. Units become decimals at the entitlement's scale."""

from __future__ import annotations

from functools import lru_cache

import msgspec

from drawdown.core import currencies, lifecycle, types
from drawdown.core.amounts import render as decimal
from drawdown.core.identity import spell
from drawdown.core.schedules.calendar import Every
from drawdown.core.schedules.terms import Rollover
from drawdown.core.times import text_of
from drawdown.core.types import Id, Instant
from drawdown.dialects.native import wire, wire_rollover
from drawdown.engine.accounts import KEY_PREFIX, ApiKey

CUSTOMER_PREFIX = "cus_"
CLOCK_PREFIX = "clock_"
ENTITLEMENT_PREFIX = "ent_"
GRANT_PREFIX = "grant_"
SCHEDULE_PREFIX = "sched_"
ALERT_PREFIX = "alert_"
ADJUSTMENT_PREFIX = "adj_"
HOLD_PREFIX = "hold_"
INVOICE_PREFIX = "invoice_"
OPERATION_PREFIX = "op_"


@lru_cache(maxsize=1024)
def spelled(prefix: str, identifier: Id) -> str:
    """An id in its text form; those of busy customers and their grants come again and again.

    Spelling one takes no longer than finding it in a cache too large for the processor's own.
    """
    return spell(prefix, identifier)


def name_of(customer: types.Customer) -> str:
    """The operator's own id where there is one."""
    return customer.own_id or spelled(CUSTOMER_PREFIX, customer.id)


def customer(record: types.Customer) -> wire.Customer:
    return wire.Customer(
        id=name_of(record),
        name=record.name,
        email=record.email,
        metadata=record.metadata,
        test_clock=(
            None if record.test_clock is None else spelled(CLOCK_PREFIX, record.test_clock)
        ),
        created_at=text_of(record.created_at),
        closed_at=optional_time(record.closed_at),
    )


def entitlement(record: types.Entitlement) -> wire.Entitlement:
    return wire.Entitlement(
        id=spell(ENTITLEMENT_PREFIX, record.id),
        code=record.code,
        name=record.name,
        unit=record.unit,
        scale=record.scale,
        burn_order=record.burn_order,
        currency=record.currency,
        expires_after_days=record.expires_after_days,
        shortfall=record.shortfall,
        late_usage_grace=record.late_usage_grace // types.MICROSECONDS,
        overage=overage(record.overage, record.scale),
        created_at=text_of(record.created_at),
        updated_at=text_of(record.updated_at),
        closed_at=optional_time(record.closed_at),
    )


def overage(rule: types.Overage, scale: int) -> wire.Overage:
    return wire.Overage(
        mode=rule.mode,
        limit=None if rule.limit is None else decimal(rule.limit, scale),
        behavior=rule.behavior,
        price_per_unit=unit_price(rule.price_per_unit),
    )


def unit_price(price: types.UnitPrice | None) -> wire.UnitPrice | None:
    return None if price is None else wire.UnitPrice(amount=price.amount, currency=price.currency)


def grant(
    record: types.Grant, owner: types.Customer, kind: types.Entitlement, now: Instant
) -> wire.Grant:
    scale = kind.scale
    return wire.Grant(
        id=spelled(GRANT_PREFIX, record.id),
        customer=name_of(owner),
        entitlement=kind.code,
        name=record.name or kind.name,
        state=lifecycle.state_of(record, now),
        amount=decimal(record.amount, scale),
        remaining=decimal(record.remaining, scale),
        held=decimal(record.held, scale),
        used=decimal(record.used, scale),
        expired=decimal(record.expired, scale),
        voided=decimal(record.voided, scale),
        rolled_over=decimal(record.rolled_over, scale),
        priority=record.priority,
        category=record.category,
        scope={name: list(values) for name, values in record.scope.items()},
        effective_at=text_of(record.effective_at),
        expires_at=optional_time(record.expires_at),
        cost_basis=cost_basis(record.cost_basis),
        metadata=record.metadata,
        created_at=text_of(record.created_at),
        updated_at=text_of(record.updated_at),
        voided_at=optional_time(record.voided_at),
        schedule=None if record.schedule is None else spelled(SCHEDULE_PREFIX, record.schedule),
        parent=None if record.parent is None else spelled(GRANT_PREFIX, record.parent),
        generation=record.generation,
        rollover=rollover(record.rollover, scale),
    )


def rollover(terms: Rollover | None, scale: int) -> wire_rollover.Rollover | None:
    if terms is None:
        return None
    return wire_rollover.Rollover(
        percentage=terms.percentage,
        generations_max=terms.generations_max,
        timeframe=None if terms.timeframe is None else span(terms.timeframe),
        minimum=None if terms.minimum is None else decimal(terms.minimum, scale),
        maximum=None if terms.maximum is None else decimal(terms.maximum, scale),
    )


def span(every: Every) -> wire_rollover.Span:
    return wire_rollover.Span(unit=every.unit, count=every.count)


def cost_basis(basis: types.CostBasis | None) -> wire.CostBasis | None:
    if basis is None:
        return None
    scale = 0 if basis.currency is None else currencies.scale_of(basis.currency)
    return wire.CostBasis(amount=decimal(basis.amount, scale), currency=basis.currency)


def optional_time(instant: Instant | None) -> str | None:
    return None if instant is None else text_of(instant)


def hold(
    record: types.Hold,
    owner: types.Customer,
    kind: types.Entitlement,
    available: int | None = None,
) -> wire.Hold:
    """``available``: the wallet's right after a write; None in a read."""
    scale = kind.scale
    return wire.Hold(
        id=spell(HOLD_PREFIX, record.id),
        customer=name_of(owner),
        entitlement=kind.code,
        state=record.state,
        amount=decimal(record.amount, scale),
        held=decimal(record.held, scale),
        captured=decimal(record.captured, scale),
        slices=[
            wire.Slice(grant=spelled(GRANT_PREFIX, part.grant), amount=decimal(part.amount, scale))
            for part in record.slices
        ],
        attributes=record.attributes,
        metadata=record.metadata,
        created_at=text_of(record.created_at),
        expires_at=optional_time(record.expires_at),
        ended_at=optional_time(record.ended_at),
        available=None if available is None else decimal(available, scale),
    )


def balance(record: types.Balance, owner: str, code: str) -> wire.Balance:
    scale = record.scale
    return wire.Balance(
        customer=owner,
        entitlement=code,
        scale=scale,
        posted=decimal(record.posted, scale),
        held=decimal(record.held, scale),
        available=decimal(record.available, scale),
        pending=decimal(record.pending, scale),
        overage=decimal(record.overage, scale),
        granted=decimal(record.granted, scale),
        used=decimal(record.used, scale),
        expired=decimal(record.expired, scale),
        voided=decimal(record.voided, scale),
        as_of=text_of(record.as_of),
        seq=record.seq,
    )


def entry(record: types.Entry, owner: str, kind: types.Entitlement) -> wire.Entry:
    scale = kind.scale
    return wire.Entry(
        operation=spell(OPERATION_PREFIX, record.operation),
        ordinal=record.ordinal,
        seq=record.seq,
        customer=owner,
        entitlement=kind.code,
        grant=None if record.grant == types.NOTHING else spelled(GRANT_PREFIX, record.grant),
        kind=record.kind,
        amount=decimal(record.amount, scale),
        posted_before=decimal(record.posted_before, scale),
        posted_after=decimal(record.posted_after, scale),
        held_before=decimal(record.held_before, scale),
        held_after=decimal(record.held_after, scale),
        overage_before=decimal(record.overage_before, scale),
        overage_after=decimal(record.overage_after, scale),
        grant_before=decimal(record.grant_before, scale),
        grant_after=decimal(record.grant_after, scale),
        at=text_of(record.at),
        recorded_at=text_of(record.recorded_at),
        hash=record.hash.hex(),
    )


def key(record: ApiKey) -> wire.Key:
    return wire.Key(
        id=spell(KEY_PREFIX, record.id),
        mode=record.mode,
        role=record.role,
        name=record.name,
        created_at=text_of(record.created_at),
        last_used_at=optional_time(record.last_used_at),
        revoked_at=optional_time(record.revoked_at),
    )


def new_key(record: ApiKey, secret: str) -> wire.NewKey:
    shown = msgspec.structs.asdict(key(record))
    return wire.NewKey(**shown, secret=secret)
