"""What an event is made of: an operation with its entries, the names in it, and what its entries say.

Each kind of operation tells its own events first (``telling_credit``, ``telling_holds``, ``telling_time``,
``telling_usage``); what it did to grants and overage beside that, its entries tell in order (``moves``).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from drawdown.core import types
from drawdown.core.amounts import render as decimal
from drawdown.core.identity import spell
from drawdown.core.schedules import terms as schedules
from drawdown.core.schedules.terms import Schedule
from drawdown.core.times import text_of
from drawdown.core.types import (
    DRAWS,
    Alert,
    Customer,
    Entitlement,
    Entry,
    EntryKind,
    Grant,
    Id,
    Operation,
)
from drawdown.core.usage.records import Catalog
from drawdown.core.watching.top_ups import TopUp
from drawdown.dialects.native import render, wire_events
from drawdown.dialects.native.render import GRANT_PREFIX, SCHEDULE_PREFIX, spelled

#: A type, what it tells, and the entries up to which the balances beside it are.
Told = tuple[str, Any, Sequence[Entry]]


class Telling(msgspec.Struct):
    """An operation, and what the ids in it stand for.

    ``granted`` are the grants that it made, unless it is one that its own facts describe. ``schedule`` is the
    one that it is about: of it only that is told which never changes, or what the operation itself says.
    """

    operation: Operation
    entries: Sequence[Entry]
    owner: Customer | None
    kinds: dict[Id, Entitlement]
    schedule: Schedule | None = None
    granted: dict[Id, Grant] = {}
    catalog: Catalog | None = None
    alert: Alert | None = None
    top_up: TopUp | None = None

    def kind_of(self, entry: Entry) -> Entitlement:
        return self.kinds[entry.entitlement]

    @property
    def kind(self) -> Entitlement:
        """Of an operation that is about one."""
        [kind] = self.kinds.values()
        return kind

    def subject(self, prefix: str) -> str:
        assert self.operation.subject is not None
        return spell(prefix, self.operation.subject)


Tell = Callable[[Telling], Iterator[Told]]


def grant_name(entry: Entry) -> str:
    return spelled(GRANT_PREFIX, entry.grant)


def total(entries: Iterable[Entry], kind: EntryKind, of: Entitlement) -> str:
    return decimal(sum(entry.amount for entry in entries if entry.kind is kind), of.scale)


def moves(telling: Telling, *, but: Collection[EntryKind] = ()) -> Iterator[Told]:
    """What became of grants and of overage, entry by entry, each with the balances right after it."""
    entries = telling.entries
    for place, entry in enumerate(entries):
        so_far = entries[: place + 1]
        tell = None if entry.kind in but else _MOVES.get(entry.kind)
        if tell is not None:
            yield tell(telling, so_far)
        if _is_depleted(so_far):
            shown = wire_events.GrantDepleted(
                grant=grant_name(entry), entitlement=telling.kind_of(entry).code
            )
            yield "grant.depleted", shown, so_far


def _is_depleted(entries: Sequence[Entry]) -> bool:
    """Whether the last entry used up the last of a grant; of one that had expired, nothing was there."""
    last = entries[-1]
    if last.grant_after or last.kind not in _USES_UP:
        return False
    before = entries[-2] if len(entries) > 1 else None
    return before is None or (before.kind, before.grant) != (EntryKind.RESTORED, last.grant)


_USES_UP = DRAWS | {EntryKind.OVERAGE_REPAID}


def _moved(name: str) -> Callable[[Telling, Sequence[Entry]], Told]:
    def tell(telling: Telling, entries: Sequence[Entry]) -> Told:
        entry = entries[-1]
        kind = telling.kind_of(entry)
        shown = wire_events.GrantMoved(
            grant=grant_name(entry),
            entitlement=kind.code,
            amount=decimal(entry.amount, kind.scale),
        )
        return name, shown, entries

    return tell


def _granted(telling: Telling, entries: Sequence[Entry]) -> Told:
    """A grant that came with something else: a schedule's cycle, or its amendment."""
    entry = entries[-1]
    grant, kind = telling.granted[entry.grant], telling.kind_of(entry)
    expires_at, metadata, number = grant.expires_at, grant.metadata, None
    schedule = telling.schedule
    if schedule is not None:  # the grant itself may have been amended since
        number = schedules.number_at(schedule, entry.at)
        expires_at = schedules.grant_expires_at(schedule, number, entry.at)
        metadata = schedule.metadata
    shown = wire_events.GrantCreated(
        grant=grant_name(entry),
        entitlement=kind.code,
        amount=decimal(entry.amount, kind.scale),
        priority=grant.priority,
        category=grant.category,
        name=grant.name,
        scope={name: list(values) for name, values in grant.scope.items()},
        effective_at=text_of(grant.effective_at),
        expires_at=render.optional_time(expires_at),
        cost_basis=render.cost_basis(grant.cost_basis),
        metadata=metadata,
        schedule=None if schedule is None else spell(SCHEDULE_PREFIX, schedule.id),
        cycle=number,
    )
    return "grant.created", shown, entries


def _rolled_over(telling: Telling, entries: Sequence[Entry]) -> Told:
    """Right before credit comes into a grant it goes out of the one before."""
    parent, entry = entries[-2], entries[-1]
    kind, schedule = telling.kind_of(entry), telling.schedule
    if schedule is None:  # the grant itself may have been amended since
        expires_at = schedules.carried_expires_at(telling.granted[entry.grant].rollover, entry.at)
    else:
        zone = schedule.cadence.zone
        expires_at = schedules.carried_expires_at(schedule.rollover, entry.at, zone)
    shown = wire_events.GrantRolledOver(
        grant=grant_name(entry),
        parent=grant_name(parent),
        entitlement=kind.code,
        amount=decimal(entry.amount, kind.scale),
        expires_at=render.optional_time(expires_at),
        schedule=None if schedule is None else spell(SCHEDULE_PREFIX, schedule.id),
    )
    return "grant.rolled_over", shown, entries


def _repaid(telling: Telling, entries: Sequence[Entry]) -> Told:
    entry = entries[-1]
    kind = telling.kind_of(entry)
    shown = wire_events.OverageRepaid(
        grant=grant_name(entry),
        entitlement=kind.code,
        amount=decimal(entry.amount, kind.scale),
    )
    return "overage.repaid", shown, entries


class _Reset(msgspec.Struct):
    """What an operation that resets overage keeps of the price: as it was, twice."""

    price_per_unit: tuple[types.UnitPrice | None, types.UnitPrice | None]


def _reset(name: str) -> Callable[[Telling, Sequence[Entry]], Told]:
    def tell(telling: Telling, entries: Sequence[Entry]) -> Told:
        entry = entries[-1]
        kind = telling.kind_of(entry)
        price = msgspec.json.decode(telling.operation.changed, type=_Reset).price_per_unit[0]
        shown = wire_events.OverageReset(
            entitlement=kind.code,
            amount=decimal(entry.amount, kind.scale),
            price_per_unit=render.unit_price(price),
        )
        return name, shown, entries

    return tell


_MOVES: dict[EntryKind, Callable[[Telling, Sequence[Entry]], Told]] = {
    EntryKind.GRANTED: _granted,
    EntryKind.ACTIVATED: _moved("grant.activated"),
    EntryKind.EXPIRED: _moved("grant.expired"),
    EntryKind.FORFEITED: _moved("grant.forfeited"),
    EntryKind.VOIDED: _moved("grant.voided"),
    EntryKind.RESTORED: _moved("grant.restored"),
    EntryKind.ROLLED_IN: _rolled_over,
    EntryKind.OVERAGE_REPAID: _repaid,
    EntryKind.OVERAGE_FORGIVEN: _reset("overage.forgiven"),
    EntryKind.OVERAGE_INVOICED: _reset("overage.invoiced"),
}
