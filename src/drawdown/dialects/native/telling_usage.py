"""Events of usage: what was counted and drawn, and what it is counted by."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from drawdown.core.amounts import render as decimal
from drawdown.core.identity import spell
from drawdown.core.times import text_of
from drawdown.core.types import DRAWS, EntryKind, Id, Instant
from drawdown.core.usage.records import Meter, Rate
from drawdown.dialects.native import render_usage, wire, wire_events
from drawdown.dialects.native.render_debits import DEBIT_PREFIX
from drawdown.dialects.native.telling import Tell, Telling, Told, grant_name, moves


class UsageFacts(msgspec.Struct):
    event: str
    name: str
    time: Instant | None = None


class UsageChanges(msgspec.Struct):
    """``uncovered``: nothing before, and units by the entitlement's id in hexadecimal."""

    uncovered: tuple[dict[str, int], dict[str, int]] = ({}, {})


def uncovered_of(changed: bytes) -> dict[Id, int]:
    """What of an event nothing paid for, by entitlement."""
    if not changed:
        return {}
    found = msgspec.json.decode(changed, type=UsageChanges).uncovered[1]
    return {Id(bytes.fromhex(kind)): units for kind, units in found.items()}


def _usage(telling: Telling) -> Iterator[Told]:
    """What it drew is a debit in all but its event; what nothing paid for is told apart."""
    operation = telling.operation
    facts = msgspec.json.decode(operation.facts, type=UsageFacts)
    draws = [entry for entry in telling.entries if entry.kind in DRAWS]
    recorded = wire_events.UsageRecorded(
        event=facts.event,
        name=facts.name,
        time=text_of(_now(telling) if facts.time is None else facts.time),
        debit=spell(DEBIT_PREFIX, operation.id) if telling.entries else None,
        charges=_charges(telling),
        draws=[
            wire.Return(
                grant=grant_name(entry), amount=decimal(entry.amount, telling.kind_of(entry).scale)
            )
            for entry in draws
        ],
    )
    yield "usage.recorded", recorded, telling.entries
    for kind, units in uncovered_of(operation.changed).items():
        shown = wire_events.UsageUncovered(
            event=facts.event,
            name=facts.name,
            entitlement=telling.kinds[kind].code,
            uncovered=decimal(units, telling.kinds[kind].scale),
        )
        yield "usage.uncovered", shown, telling.entries
    yield from moves(telling)


def _now(telling: Telling) -> Instant:
    """What time it was for the customer when the event came in, which may be behind his wallet's time."""
    on_clock = telling.owner is not None and telling.owner.test_clock is not None
    return telling.operation.at if on_clock else telling.operation.recorded_at


def _charges(telling: Telling) -> list[wire_events.UsageCharged]:
    """By entitlement: what was drawn, what went past zero, and what nothing paid for."""
    uncovered = uncovered_of(telling.operation.changed)
    found = []
    for identifier, kind in telling.kinds.items():
        own = [entry for entry in telling.entries if entry.entitlement == identifier]
        drawn = sum(entry.amount for entry in own if entry.kind in DRAWS)
        beyond = sum(entry.amount for entry in own if entry.kind is EntryKind.OVERAGE_CHARGED)
        found.append(
            wire_events.UsageCharged(
                entitlement=kind.code,
                drawn=decimal(drawn, kind.scale),
                overage=decimal(beyond, kind.scale),
                uncovered=decimal(uncovered.get(identifier, 0), kind.scale),
            )
        )
    return found


def _meter_of(telling: Telling) -> Meter:
    assert telling.catalog is not None
    assert telling.operation.subject is not None
    return telling.catalog.meters[telling.operation.subject]


def _rate_of(telling: Telling) -> Rate:
    assert telling.catalog is not None
    assert telling.operation.subject is not None
    return telling.catalog.rates[telling.operation.subject]


def _meter(telling: Telling) -> Iterator[Told]:
    made = msgspec.structs.replace(_meter_of(telling), closed_at=None)
    yield "meter.created", render_usage.meter(made), ()


def _rate(telling: Telling) -> Iterator[Told]:
    assert telling.catalog is not None
    rate = _rate_of(telling)
    kind = telling.kinds[rate.entitlement]
    made = msgspec.structs.replace(rate, closed_at=None)
    yield "rate.created", render_usage.rate(made, telling.catalog.meters[rate.meter], kind), ()


def _close_meter(telling: Telling) -> Iterator[Told]:
    meter = _meter_of(telling)
    shown = wire_events.MeterClosed(
        meter=spell(render_usage.METER_PREFIX, meter.id), code=meter.code
    )
    yield "meter.closed", shown, ()


def _close_rate(telling: Telling) -> Iterator[Told]:
    yield "rate.closed", _named_rate(telling), ()


def _attach_rate(telling: Telling) -> Iterator[Told]:
    yield "rate.attached", _named_rate(telling), ()


def _detach_rate(telling: Telling) -> Iterator[Told]:
    yield "rate.detached", _named_rate(telling), ()


def _named_rate(telling: Telling) -> wire_events.RateTold:
    assert telling.catalog is not None
    rate = _rate_of(telling)
    return wire_events.RateTold(
        rate=spell(render_usage.RATE_PREFIX, rate.id),
        meter=telling.catalog.meters[rate.meter].code,
        entitlement=telling.kinds[rate.entitlement].code,
    )


TOLD: dict[str, Tell] = {
    "usage": _usage,
    "meter": _meter,
    "rate": _rate,
    "close_meter": _close_meter,
    "close_rate": _close_rate,
    "attach_rate": _attach_rate,
    "detach_rate": _detach_rate,
}
