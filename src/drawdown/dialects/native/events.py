"""Native events: each operation in the words of this API. Their types and ordinals never change.

An operation's events stand in a fixed order; what a later release tells of beside them comes after them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from drawdown.core.amounts import Amount
from drawdown.core.amounts import render as decimal
from drawdown.core.commands import Direction
from drawdown.core.identity import derive, spell
from drawdown.core.times import text_of
from drawdown.core.types import (
    DRAWS,
    HOLD_DEFAULT,
    MICROSECONDS,
    PRIORITY_DEFAULT,
    Category,
    Customer,
    Entitlement,
    Entry,
    EntryKind,
    Id,
    Instant,
    Operation,
)
from drawdown.dialects.native import render, render_debits, wire, wire_events
from drawdown.dialects.native.render import ADJUSTMENT_PREFIX, GRANT_PREFIX, HOLD_PREFIX, spelled
from drawdown.dialects.native.render_debits import DEBIT_PREFIX, REVERSAL_PREFIX
from drawdown.engine.endpoints import Endpoint
from drawdown.engine.ledger import Ledger, Spent
from drawdown.engine.ports import Recorded
from drawdown.engine.positions import Position
from drawdown.webhooks import signing
from drawdown.webhooks.events import Event, spell_event
from drawdown.webhooks.formats import Format

MINUTE, HOUR = 60, 3_600
_END: dict[EntryKind, str] = {
    EntryKind.ACTIVATED: "grant.activated",
    EntryKind.EXPIRED: "grant.expired",
}

#: A type, what it tells, and the entries up to which the balances beside it are.
Told = tuple[str, Any, Sequence[Entry]]


class Names(msgspec.Struct):
    """What the ids of an operation stand for."""

    owner: Customer | None
    kinds: dict[Id, Entitlement]

    def kind(self, entry: Entry) -> Entitlement:
        return self.kinds[entry.entitlement]


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


class HoldFacts(msgspec.Struct):
    amount: int
    expires_in: int | None = None
    expires_at: Instant | msgspec.UnsetType | None = msgspec.UNSET
    attributes: dict[str, str] = {}
    metadata: dict[str, Any] = {}


class CaptureFacts(msgspec.Struct):
    amount: int
    final: bool = False


class AdjustFacts(msgspec.Struct):
    direction: Direction
    amount: int
    reason: str | None = None


class SettleFacts(msgspec.Struct):
    """``holds``: by the id in hexadecimal, when it ended and how much it held."""

    holds: dict[str, tuple[Instant, int]] = {}


class Amended(msgspec.Struct):
    metadata: list[Any] | msgspec.UnsetType = msgspec.UNSET
    expires_at: list[Instant | None] | msgspec.UnsetType = msgspec.UNSET


class NativeFormat(Format):
    """Standard Webhooks; the pauses are those that its authors propose, and add up to three days."""

    name = "native"
    schedule = (
        5,
        5 * MINUTE,
        30 * MINUTE,
        2 * HOUR,
        5 * HOUR,
        10 * HOUR,
        14 * HOUR,
        20 * HOUR,
        24 * HOUR,
    )
    types = (
        "customer.created",
        "entitlement.created",
        "grant.created",
        "grant.activated",
        "grant.amended",
        "grant.adjusted",
        "grant.depleted",
        "grant.expired",
        "grant.voided",
        "debit.created",
        "debit.reversed",
        "hold.created",
        "hold.captured",
        "hold.extended",
        "hold.released",
        "hold.expired",
        "webhook.test",
    )

    async def render(self, ledger: Ledger, recorded: Recorded) -> list[Event]:
        tell = _TOLD.get(recorded.operation.kind)
        if tell is None:
            return []
        names = await _names(ledger, recorded)
        told = enumerate(tell(recorded, names))
        return [_event(recorded, names, ordinal, each) for ordinal, each in told]

    def test(self, operation: Id, now: Instant) -> Event:
        at = text_of(now)
        told = wire_events.Event(
            id=spell_event(operation, 0),
            type="webhook.test",
            created_at=at,
            recorded_at=at,
            operation=spell(render.OPERATION_PREFIX, operation),
            customer=None,
            data=wire_events.Tested(message="The endpoint can be reached."),
            balances=[],
        )
        return Event(
            position=Position(Instant(0), operation),
            ordinal=0,
            type=told.type,
            body=wire.encode(told),
            customer=None,
        )

    def new_secret(self) -> str:
        return signing.new_secret()

    def headers(self, endpoint: Endpoint, event: Event, now: Instant) -> Mapping[str, str]:
        seconds = now // MICROSECONDS
        return signing.standard_headers(event.id, seconds, event.body, endpoint.secrets(now))


FORMAT = NativeFormat()


async def _names(ledger: Ledger, recorded: Recorded) -> Names:
    operation = recorded.operation
    owner = None
    if operation.customer != recorded.book:
        owner = await ledger.customer(recorded.book, operation.customer)
    wanted = dict.fromkeys(entry.entitlement for entry in recorded.entries)
    if operation.entitlement is not None:
        wanted[operation.entitlement] = None
    if operation.kind == "entitlement" and operation.subject is not None:
        wanted[operation.subject] = None
    return Names(owner, {kind: await ledger.entitlement(recorded.book, kind) for kind in wanted})


def _event(recorded: Recorded, names: Names, ordinal: int, told: Told) -> Event:
    name, data, entries = told
    operation = recorded.operation
    shown = wire_events.Event(
        id=spell_event(operation.id, ordinal),
        type=name,
        created_at=text_of(entries[-1].at if entries else operation.at),
        recorded_at=text_of(operation.recorded_at),
        operation=spell(render.OPERATION_PREFIX, operation.id),
        customer=None if names.owner is None else render.name_of(names.owner),
        data=data,
        balances=_balances(entries, names),
    )
    return Event(
        position=recorded.position,
        ordinal=ordinal,
        type=name,
        body=wire.encode(shown),
        customer=None if names.owner is None else operation.customer,
    )


def _balances(entries: Sequence[Entry], names: Names) -> list[wire_events.BalanceAfter]:
    """Each wallet as the last of these entries left it."""
    last = {entry.entitlement: entry for entry in entries}
    return [_balance(entry, names.kind(entry)) for entry in last.values()]


def _balance(entry: Entry, kind: Entitlement) -> wire_events.BalanceAfter:
    scale = kind.scale
    return wire_events.BalanceAfter(
        entitlement=kind.code,
        posted=decimal(entry.posted_after, scale),
        held=decimal(entry.held_after, scale),
        available=decimal(entry.posted_after - entry.held_after, scale),
        overage=decimal(entry.overage_after, scale),
        seq=entry.seq,
    )


# What each kind of operation tells -----------------------------------------------------------------


def _customer(recorded: Recorded, names: Names) -> Iterator[Told]:
    assert names.owner is not None
    yield "customer.created", render.customer(names.owner), ()


def _entitlement(recorded: Recorded, names: Names) -> Iterator[Told]:
    [kind] = names.kinds.values()
    yield "entitlement.created", render.entitlement(kind), ()


def _grant(recorded: Recorded, names: Names) -> Iterator[Told]:
    """Of its own entry; what it repaid at once comes after that."""
    operation, entry = recorded.operation, recorded.entries[0]
    kind = names.kind(entry)
    facts = msgspec.json.decode(operation.facts, type=GrantFacts)
    expires_at = facts.expires_at
    if operation.changed:
        changed = msgspec.json.decode(operation.changed, type=Amended)
        assert isinstance(changed.expires_at, list)
        expires_at = changed.expires_at[1]
    yield (
        "grant.created",
        wire_events.GrantCreated(
            grant=spelled(GRANT_PREFIX, entry.grant),
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
        ),
        recorded.entries,
    )


def _cost(given: CostFacts | None) -> wire.CostBasis | None:
    if given is None:
        return None
    return wire.CostBasis(amount=_written(given.amount), currency=given.currency)


def _written(amount: Amount) -> str:
    return decimal(amount.digits, amount.places)


def _debit(recorded: Recorded, names: Names) -> Iterator[Told]:
    yield "debit.created", _shown_debit(recorded, names), recorded.entries
    yield from _depleted(recorded.entries, names)


def _shown_debit(recorded: Recorded, names: Names) -> wire.Debit:
    assert names.owner is not None
    drawn = dict.fromkeys(entry.entitlement for entry in recorded.entries)
    spent = Spent(
        operation=recorded.operation,
        entries=recorded.entries,
        customer=names.owner,
        entitlements=tuple(names.kinds[kind] for kind in drawn),
        reversed={},
    )
    shown = render_debits.debit(spent, None)
    shown.reversed = None
    for part in shown.parts or ():
        part.reversed = None
    return shown


def _depleted(entries: Sequence[Entry], names: Names) -> Iterator[Told]:
    for place, entry in enumerate(entries):
        if entry.kind in DRAWS and entry.grant_after == 0:
            shown = wire_events.GrantDepleted(
                grant=spelled(GRANT_PREFIX, entry.grant), entitlement=names.kind(entry).code
            )
            yield "grant.depleted", shown, entries[: place + 1]


def _reverse(recorded: Recorded, names: Names) -> Iterator[Told]:
    operation = recorded.operation
    assert operation.subject is not None
    shown = wire_events.DebitReversed(
        reversal=spell(REVERSAL_PREFIX, operation.id),
        debit=spell(DEBIT_PREFIX, operation.subject),
        returns=[
            wire.Return(
                grant=spelled(GRANT_PREFIX, entry.grant),
                amount=decimal(entry.amount, names.kind(entry).scale),
            )
            for entry in recorded.entries
            if entry.kind is EntryKind.REVERSED
        ],
    )
    yield "debit.reversed", shown, recorded.entries


def _hold(recorded: Recorded, names: Names) -> Iterator[Told]:
    operation, kind = recorded.operation, _one_kind(names)
    facts = msgspec.json.decode(operation.facts, type=HoldFacts)
    expires_at = facts.expires_at
    if isinstance(expires_at, msgspec.UnsetType):
        life = HOLD_DEFAULT if facts.expires_in is None else facts.expires_in
        expires_at = Instant(operation.at + life)
    shown = wire_events.HoldCreated(
        hold=spell(HOLD_PREFIX, derive(operation.id, "hold")),
        entitlement=kind.code,
        amount=decimal(facts.amount, kind.scale),
        slices=[
            wire.Slice(
                grant=spelled(GRANT_PREFIX, entry.grant), amount=decimal(entry.amount, kind.scale)
            )
            for entry in recorded.entries
        ],
        expires_at=render.optional_time(expires_at),
        attributes=facts.attributes,
        metadata=facts.metadata,
    )
    yield "hold.created", shown, recorded.entries


def _one_kind(names: Names) -> Entitlement:
    [kind] = names.kinds.values()
    return kind


def _subject(operation: Operation, prefix: str) -> str:
    assert operation.subject is not None
    return spell(prefix, operation.subject)


def _capture(recorded: Recorded, names: Names) -> Iterator[Told]:
    """A capture is a debit, too; what became of the hold comes first."""
    operation, kind = recorded.operation, _one_kind(names)
    facts = msgspec.json.decode(operation.facts, type=CaptureFacts)
    shown = wire_events.HoldCaptured(
        hold=_subject(operation, HOLD_PREFIX),
        debit=spell(DEBIT_PREFIX, operation.id),
        entitlement=kind.code,
        amount=decimal(facts.amount, kind.scale),
        final=facts.final,
        released=_sum(recorded.entries, EntryKind.RELEASED, kind),
    )
    yield "hold.captured", shown, recorded.entries
    yield from _debit(recorded, names)


def _sum(entries: Iterable[Entry], kind: EntryKind, of: Entitlement) -> str:
    return decimal(sum(entry.amount for entry in entries if entry.kind is kind), of.scale)


def _release(recorded: Recorded, names: Names) -> Iterator[Told]:
    kind = _one_kind(names)
    shown = wire_events.HoldEnded(
        hold=_subject(recorded.operation, HOLD_PREFIX),
        entitlement=kind.code,
        amount=_sum(recorded.entries, EntryKind.RELEASED, kind),
        ended_at=text_of(recorded.operation.at),
    )
    yield "hold.released", shown, recorded.entries


def _extend(recorded: Recorded, names: Names) -> Iterator[Told]:
    changed = msgspec.json.decode(recorded.operation.changed, type=Amended)
    assert isinstance(changed.expires_at, list)
    end = changed.expires_at[1]
    assert end is not None
    shown = wire_events.HoldExtended(
        hold=_subject(recorded.operation, HOLD_PREFIX),
        entitlement=_one_kind(names).code,
        expires_at=text_of(end),
    )
    yield "hold.extended", shown, ()


def _amend(recorded: Recorded, names: Names) -> Iterator[Told]:
    changed = msgspec.json.decode(recorded.operation.changed or b"{}", type=Amended)
    shown: dict[str, list[Any]] = {}
    if isinstance(changed.expires_at, list):
        shown["expires_at"] = [render.optional_time(each) for each in changed.expires_at]
    if isinstance(changed.metadata, list):
        shown["metadata"] = changed.metadata
    told = wire_events.GrantAmended(
        grant=_subject(recorded.operation, GRANT_PREFIX),
        entitlement=_one_kind(names).code,
        changed=shown,
    )
    yield "grant.amended", told, ()


def _adjust(recorded: Recorded, names: Names) -> Iterator[Told]:
    operation, kind = recorded.operation, _one_kind(names)
    facts = msgspec.json.decode(operation.facts, type=AdjustFacts)
    shown = wire_events.GrantAdjusted(
        adjustment=spell(ADJUSTMENT_PREFIX, operation.id),
        grant=_subject(operation, GRANT_PREFIX),
        entitlement=kind.code,
        direction=facts.direction,
        amount=decimal(facts.amount, kind.scale),
        reason=facts.reason,
    )
    yield "grant.adjusted", shown, recorded.entries
    yield from _depleted(recorded.entries, names)


def _ended(name: str, entry_kind: EntryKind) -> Callable[[Recorded, Names], Iterator[Told]]:
    def tell(recorded: Recorded, names: Names) -> Iterator[Told]:
        kind = _one_kind(names)
        shown = wire_events.GrantMoved(
            grant=_subject(recorded.operation, GRANT_PREFIX),
            entitlement=kind.code,
            amount=_sum(recorded.entries, entry_kind, kind),
        )
        yield name, shown, recorded.entries

    return tell


def _settle(recorded: Recorded, names: Names) -> Iterator[Told]:
    """What time did: grants in the order of their instants, then the holds that came to their end."""
    kind = _one_kind(names)
    for place, entry in enumerate(recorded.entries):
        if entry.kind in _END:
            moved = wire_events.GrantMoved(
                grant=spelled(GRANT_PREFIX, entry.grant),
                entitlement=kind.code,
                amount=decimal(entry.amount, kind.scale),
            )
            yield _END[entry.kind], moved, recorded.entries[: place + 1]
    facts = msgspec.json.decode(recorded.operation.facts, type=SettleFacts)
    for hold, (at, held) in facts.holds.items():
        shown = wire_events.HoldEnded(
            hold=spell(HOLD_PREFIX, Id(bytes.fromhex(hold))),
            entitlement=kind.code,
            amount=decimal(held, kind.scale),
            ended_at=text_of(at),
        )
        yield "hold.expired", shown, [entry for entry in recorded.entries if entry.at <= at]


_TOLD: dict[str, Callable[[Recorded, Names], Iterator[Told]]] = {
    "customer": _customer,
    "entitlement": _entitlement,
    "grant": _grant,
    "amend": _amend,
    "adjust": _adjust,
    "expire": _ended("grant.expired", EntryKind.EXPIRED),
    "void": _ended("grant.voided", EntryKind.VOIDED),
    "debit": _debit,
    "spend": _debit,
    "reverse": _reverse,
    "hold": _hold,
    "capture": _capture,
    "release": _release,
    "extend": _extend,
    "settle": _settle,
}
