"""Events of holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from drawdown.core.amounts import render as decimal
from drawdown.core.identity import derive, spell
from drawdown.core.times import text_of
from drawdown.core.types import HOLD_DEFAULT, EntryKind, Instant
from drawdown.dialects.native import render, wire, wire_events
from drawdown.dialects.native.render import HOLD_PREFIX
from drawdown.dialects.native.render_debits import DEBIT_PREFIX
from drawdown.dialects.native.telling import Tell, Telling, Told, grant_name, moves, total
from drawdown.dialects.native.telling_credit import Amended, debit


class HoldFacts(msgspec.Struct):
    amount: int
    expires_in: int | None = None
    expires_at: Instant | msgspec.UnsetType | None = msgspec.UNSET
    attributes: dict[str, str] = {}
    metadata: dict[str, Any] = {}


class CaptureFacts(msgspec.Struct):
    amount: int
    final: bool = False


def _hold(telling: Telling) -> Iterator[Told]:
    operation, kind = telling.operation, telling.kind
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
            wire.Slice(grant=grant_name(entry), amount=decimal(entry.amount, kind.scale))
            for entry in telling.entries
        ],
        expires_at=render.optional_time(expires_at),
        attributes=facts.attributes,
        metadata=facts.metadata,
    )
    yield "hold.created", shown, telling.entries


def _capture(telling: Telling) -> Iterator[Told]:
    """A capture is a debit, too; what became of the hold comes first."""
    operation, kind = telling.operation, telling.kind
    facts = msgspec.json.decode(operation.facts, type=CaptureFacts)
    shown = wire_events.HoldCaptured(
        hold=telling.subject(HOLD_PREFIX),
        debit=spell(DEBIT_PREFIX, operation.id),
        entitlement=kind.code,
        amount=decimal(facts.amount, kind.scale),
        final=facts.final,
        released=total(telling.entries, EntryKind.RELEASED, kind),
    )
    yield "hold.captured", shown, telling.entries
    yield from debit(telling)


def _release(telling: Telling) -> Iterator[Told]:
    """What a grant that has ended loses with it is written off, and told of."""
    shown = wire_events.HoldEnded(
        hold=telling.subject(HOLD_PREFIX),
        entitlement=telling.kind.code,
        amount=total(telling.entries, EntryKind.RELEASED, telling.kind),
        ended_at=text_of(telling.operation.at),
    )
    yield "hold.released", shown, telling.entries
    yield from moves(telling)


def _extend(telling: Telling) -> Iterator[Told]:
    changed = msgspec.json.decode(telling.operation.changed, type=Amended)
    assert isinstance(changed.expires_at, list)
    end = changed.expires_at[1]
    assert end is not None
    shown = wire_events.HoldExtended(
        hold=telling.subject(HOLD_PREFIX),
        entitlement=telling.kind.code,
        expires_at=text_of(end),
    )
    yield "hold.extended", shown, ()


TOLD: dict[str, Tell] = {
    "hold": _hold,
    "capture": _capture,
    "release": _release,
    "extend": _extend,
}
