"""Events of customers, kinds of credit, grants and debits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from drawdown.core.amounts import Amount
from drawdown.core.amounts import render as decimal
from drawdown.core.commands import Direction
from drawdown.core.identity import spell
from drawdown.core.times import text_of
from drawdown.core.types import (
    PRIORITY_DEFAULT,
    Category,
    EntryKind,
    Instant,
    Overage,
)
from drawdown.dialects.native import render, render_debits, wire, wire_events
from drawdown.dialects.native.render import ADJUSTMENT_PREFIX, GRANT_PREFIX
from drawdown.dialects.native.render_debits import DEBIT_PREFIX, REVERSAL_PREFIX
from drawdown.dialects.native.telling import Tell, Telling, Told, grant_name, moves, total
from drawdown.engine.reading.credit import Spent


class CostFacts(msgspec.Struct):
    amount: Amount
    currency: str


class GrantFacts(msgspec.Struct):
    amount: int
    priority: int = PRIORITY_DEFAULT
    category: Category = Category.PAID
    effective_at: Instant | None = None
    expires_at: Instant | None = None
    cost_basis: CostFacts | None = None
    name: str | None = None
    scope: dict[str, list[str]] = {}
    metadata: dict[str, Any] = {}


class AdjustFacts(msgspec.Struct):
    direction: Direction
    amount: int
    reason: str | None = None


class Amended(msgspec.Struct):
    metadata: list[Any] | msgspec.UnsetType = msgspec.UNSET
    expires_at: list[Instant | None] | msgspec.UnsetType = msgspec.UNSET


class AmendedKind(msgspec.Struct):
    overage: tuple[Overage, Overage] | None = None


def _customer(telling: Telling) -> Iterator[Told]:
    assert telling.owner is not None
    yield "customer.created", render.customer(telling.owner), ()


def _entitlement(telling: Telling) -> Iterator[Told]:
    yield "entitlement.created", render.entitlement(telling.kind), ()


def _amend_entitlement(telling: Telling) -> Iterator[Told]:
    kind = telling.kind
    changed = msgspec.json.decode(telling.operation.changed, type=AmendedKind)
    shown: dict[str, list[Any]] = {}
    if changed.overage is not None:
        shown["overage"] = [render.overage(rule, kind.scale) for rule in changed.overage]
    if shown:
        told = wire_events.EntitlementAmended(entitlement=kind.code, changed=shown)
        yield "entitlement.amended", told, ()


def _grant(telling: Telling) -> Iterator[Told]:
    """Of its own entry; what it repaid at once comes after that."""
    operation, entry, kind = telling.operation, telling.entries[0], telling.kind
    facts = msgspec.json.decode(operation.facts, type=GrantFacts)
    expires_at = facts.expires_at
    if operation.changed:
        changed = msgspec.json.decode(operation.changed, type=Amended)
        if isinstance(changed.expires_at, list):
            expires_at = changed.expires_at[1]
    shown = wire_events.GrantCreated(
        grant=grant_name(entry),
        entitlement=kind.code,
        amount=decimal(facts.amount, kind.scale),
        priority=facts.priority,
        category=facts.category,
        name=facts.name,
        scope=facts.scope,
        effective_at=text_of(facts.effective_at or operation.at),
        expires_at=render.optional_time(expires_at),
        cost_basis=_cost(facts.cost_basis),
        metadata=facts.metadata,
        schedule=None,
        cycle=None,
    )
    yield "grant.created", shown, telling.entries[:1]
    yield from moves(telling, but=(EntryKind.GRANTED,))


def _cost(given: CostFacts | None) -> wire.CostBasis | None:
    if given is None:
        return None
    amount = decimal(given.amount.digits, given.amount.places)
    return wire.CostBasis(amount=amount, currency=given.currency)


def debit(telling: Telling) -> Iterator[Told]:
    yield "debit.created", _shown_debit(telling), telling.entries
    yield from moves(telling)


def _shown_debit(telling: Telling) -> wire.Debit:
    assert telling.owner is not None
    drawn = dict.fromkeys(entry.entitlement for entry in telling.entries)
    spent = Spent(
        operation=telling.operation,
        entries=tuple(telling.entries),
        customer=telling.owner,
        entitlements=tuple(telling.kinds[kind] for kind in drawn),
        reversed={},
    )
    shown = render_debits.debit(spent, None)
    shown.reversed = None
    for part in shown.parts or ():
        part.reversed = None
    return shown


def _reverse(telling: Telling) -> Iterator[Told]:
    returned = [entry for entry in telling.entries if entry.kind is EntryKind.REVERSED]
    undone = [entry for entry in telling.entries if entry.kind is EntryKind.OVERAGE_REVERSED]
    shown = wire_events.DebitReversed(
        reversal=spell(REVERSAL_PREFIX, telling.operation.id),
        debit=telling.subject(DEBIT_PREFIX),
        returns=[
            wire.Return(
                grant=grant_name(entry), amount=decimal(entry.amount, telling.kind_of(entry).scale)
            )
            for entry in returned
        ],
        overage_reversed=[
            wire_events.OverageUndone(
                entitlement=telling.kind_of(entry).code,
                amount=decimal(entry.amount, telling.kind_of(entry).scale),
            )
            for entry in undone
        ],
    )
    yield "debit.reversed", shown, telling.entries
    yield from moves(telling)


def _amend(telling: Telling) -> Iterator[Told]:
    changed = msgspec.json.decode(telling.operation.changed or b"{}", type=Amended)
    shown: dict[str, list[Any]] = {}
    if isinstance(changed.expires_at, list):
        shown["expires_at"] = [render.optional_time(each) for each in changed.expires_at]
    if isinstance(changed.metadata, list):
        shown["metadata"] = changed.metadata
    told = wire_events.GrantAmended(
        grant=telling.subject(GRANT_PREFIX), entitlement=telling.kind.code, changed=shown
    )
    yield "grant.amended", told, ()


def _adjust(telling: Telling) -> Iterator[Told]:
    operation, kind = telling.operation, telling.kind
    facts = msgspec.json.decode(operation.facts, type=AdjustFacts)
    shown = wire_events.GrantAdjusted(
        adjustment=spell(ADJUSTMENT_PREFIX, operation.id),
        grant=telling.subject(GRANT_PREFIX),
        entitlement=kind.code,
        direction=facts.direction,
        amount=decimal(facts.amount, kind.scale),
        reason=facts.reason,
    )
    yield "grant.adjusted", shown, telling.entries
    yield from moves(telling)


def _ended(name: str, entry_kind: EntryKind) -> Tell:
    """A grant that somebody ended: also one of which everything is held, so that nothing moved yet."""

    def tell(telling: Telling) -> Iterator[Told]:
        shown = wire_events.GrantMoved(
            grant=telling.subject(GRANT_PREFIX),
            entitlement=telling.kind.code,
            amount=total(telling.entries, entry_kind, telling.kind),
        )
        yield name, shown, telling.entries

    return tell


TOLD: dict[str, Tell] = {
    "customer": _customer,
    "entitlement": _entitlement,
    "amend_entitlement": _amend_entitlement,
    "grant": _grant,
    "amend": _amend,
    "adjust": _adjust,
    "expire": _ended("grant.expired", EntryKind.EXPIRED),
    "void": _ended("grant.voided", EntryKind.VOIDED),
    "debit": debit,
    "spend": debit,
    "reverse": _reverse,
    "reset": moves,
}
