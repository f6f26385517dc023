"""What every alert has in common, whatever it is on: it is kept as it was made, and closed for good."""

from __future__ import annotations

import msgspec

from drawdown.core.context import encode_facts
from drawdown.core.identity import derive, in_book
from drawdown.core.requests import Accepted, Request
from drawdown.core.state import State
from drawdown.core.types import Alert, Instant, Operation


def keep(alert: Alert, state: State) -> Alert:
    """One that was made."""
    state.alerts[alert.id] = state.changes.new_alerts[alert.id] = alert
    return alert


def close(alert: Alert, at: Instant, state: State) -> Alert:
    closed = msgspec.structs.replace(alert, closed_at=at)
    state.alerts[alert.id] = closed
    new = state.changes.new_alerts
    (new if alert.id in new else state.changes.closed_alerts)[alert.id] = closed
    return closed


def answer(accepted: Accepted, alert: Alert) -> Accepted:
    accepted.alert = alert
    return accepted


def record(request: Request, state: State, kind: str, alert: Alert) -> None:
    """So that what becomes of it is found where everything else is that happens in its book."""
    operation = Operation(
        id=derive(in_book(request.id, request.book), kind),
        customer=request.book,
        entitlement=None,
        kind=kind,
        at=request.at,
        recorded_at=request.recorded_at,
        facts=encode_facts(msgspec.to_builtins(alert.rule)),
        subject=alert.id,
    )
    state.changes.operations.append((operation, []))
