"""Events of alerts: one was made, or closed; and, after all else that an operation tells, one fired."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from drawdown.core.amounts import render as decimal
from drawdown.core.times import text_of
from drawdown.core.types import Alert, AlertKind, Entitlement, Entry, Operation
from drawdown.core.usage import quantities
from drawdown.core.usage.records import Meter
from drawdown.core.watching.usage_crossings import Reached
from drawdown.core.watching.watch import Notice
from drawdown.dialects.native import alerts as shapes
from drawdown.dialects.native import render, wire_alerts
from drawdown.dialects.native.render import ALERT_PREFIX, GRANT_PREFIX, spelled
from drawdown.dialects.native.telling import Tell, Telling, Told


class _Alerted(msgspec.Struct):
    alerts: tuple[list[Notice], list[Notice]] = ([], [])
    reached: tuple[list[Reached], list[Reached]] = ([], [])


_changed = msgspec.json.Decoder(_Alerted).decode


def notices_of(operation: Operation) -> list[Notice]:
    """What an operation has set off, in the order of the instants."""
    return _changed(operation.changed).alerts[1] if operation.changed else []


def reached_by(operation: Operation) -> list[Reached]:
    """Which lines of use by a meter it has reached."""
    return _changed(operation.changed).reached[1] if operation.changed else []


def triggered(telling: Telling) -> Iterator[Told]:
    """Each with the balance of its wallet right after what set it off, where that has an entry here."""
    for reached in reached_by(telling.operation):
        yield "alert.triggered", _of_use(telling, reached), ()
    for notice in notices_of(telling.operation):
        so_far = [entry for entry in telling.entries if _is_of(entry, notice)]
        yield "alert.triggered", _shown(telling, notice), so_far


def _is_of(entry: Entry, notice: Notice) -> bool:
    return entry.entitlement == notice.entitlement and entry.at <= notice.at


def _shown(telling: Telling, notice: Notice) -> wire_alerts.AlertTriggered:
    kind = telling.kinds[notice.entitlement]
    scale, threshold, remaining = kind.scale, notice.threshold, notice.remaining
    return wire_alerts.AlertTriggered(
        alert=spelled(ALERT_PREFIX, notice.alert),
        kind=notice.kind,
        name=notice.name,
        entitlement=kind.code,
        meter=None,
        at=text_of(notice.at),
        available=decimal(notice.available, scale),
        overage=decimal(notice.overage, scale),
        used=decimal(notice.used, scale),
        threshold=None if threshold is None else decimal(threshold, scale),
        percent=notice.percent,
        days=notice.days,
        grant=None if notice.grant is None else spelled(GRANT_PREFIX, notice.grant),
        remaining=None if remaining is None else decimal(remaining, scale),
        expires_at=render.optional_time(notice.expires_at),
    )


def _of_use(telling: Telling, reached: Reached) -> wire_alerts.AlertTriggered:
    assert telling.catalog is not None
    return wire_alerts.AlertTriggered(
        alert=spelled(ALERT_PREFIX, reached.alert),
        kind=AlertKind.METERED_ABOVE,
        name=reached.name,
        entitlement=None,
        meter=telling.catalog.meters[reached.meter].code,
        at=text_of(reached.at),
        available=None,
        overage=None,
        used=quantities.render(reached.used),
        threshold=quantities.render(reached.threshold),
        percent=None,
        days=None,
        grant=None,
        remaining=None,
        expires_at=None,
    )


def _watched(telling: Telling) -> Entitlement | Meter:
    """What the alert of an operation is on."""
    alert = _alert(telling)
    if alert.meter is None:
        return telling.kind
    assert telling.catalog is not None
    return telling.catalog.meters[alert.meter]


def _alert(telling: Telling) -> Alert:
    assert telling.alert is not None
    return telling.alert


def _created(telling: Telling) -> Iterator[Told]:
    """As it was made: it may have been closed since."""
    made = msgspec.structs.replace(_alert(telling), closed_at=None)
    yield "alert.created", shapes.shown_of(made, telling.owner, _watched(telling)), ()


def _closed(telling: Telling) -> Iterator[Told]:
    yield "alert.closed", shapes.shown_of(_alert(telling), telling.owner, _watched(telling)), ()


TOLD: dict[str, Tell] = {
    "create_alert": _created,
    "create_alert_for_all": _created,
    "close_alert": _closed,
    "close_alert_for_all": _closed,
}
