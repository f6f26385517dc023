"""Making and closing alerts: on one customer's credit, where his wallet keeps them, or on everybody's."""

from __future__ import annotations

import msgspec

from drawdown.core import amounts
from drawdown.core.commands import CloseAlert, CreateAlert
from drawdown.core.context import (
    Context,
    check_open,
    find_customer,
    find_entitlement,
    given,
    settled_context,
    written,
)
from drawdown.core.creation import replace_entitlement
from drawdown.core.errors import (
    AlertNotFound,
    AmountNotPositive,
    EntitlementClosed,
    FieldInvalid,
    TooManyAlerts,
)
from drawdown.core.identity import derive, in_book
from drawdown.core.requests import Accepted, Request
from drawdown.core.settling import settle
from drawdown.core.spending import register_wallet
from drawdown.core.state import State
from drawdown.core.types import (
    Alert,
    AlertKind,
    AlertRule,
    Entitlement,
    Id,
    Instant,
)
from drawdown.core.watching import alert_records
from drawdown.core.watching import crossings as alerts
from drawdown.core.watching.usage_alerts import close_usage_alert
from drawdown.core.watching.watch import Watch

#: On everybody's credit of one entitlement, and on one customer's beside them.
ALERTS_MAX = 100
OWN_ALERTS_MAX = 25
DAYS_MAX = 366
#: By which of its fields each kind of alert says where its line is.
_LINES: dict[AlertKind, tuple[str, ...]] = {
    AlertKind.AVAILABLE_BELOW: ("amount", "percent"),
    AlertKind.USED_ABOVE: ("amount",),
    AlertKind.DAYS_TO_EXPIRY: ("days",),
    AlertKind.DEPLETES_WITHIN: ("days",),
}


def create_alert(request: Request, command: CreateAlert, state: State) -> Accepted:
    """Watch one customer's credit of an entitlement, or everybody's. What it is now sets nothing off.

    Raises ``FieldInvalid`` and ``TooManyAlerts``.
    """
    if command.customer is None:
        return _create_for_all(request, command, state)
    customer = find_customer(request, command.customer, state)
    entitlement = find_entitlement(request, command.entitlement, state)
    context = settled_context(request, customer, entitlement, state)
    alert = derive(context.operation_id, "alert")
    rule = _rule(alert, command, entitlement)
    started = context.begin("create_alert", _facts(command, rule))
    started.operation.subject = alert
    check_open(customer, entitlement)
    watch = context.wallet.watch or Watch()
    if len(watch.rules) >= OWN_ALERTS_MAX:
        raise TooManyAlerts(maximum=OWN_ALERTS_MAX, kind="on this customer's credit")
    register_wallet(context)
    watch = msgspec.structs.replace(watch, rules=(*watch.rules, rule))
    alerts.keep(state.changes, context.wallet, watch)
    made = _keep(request, command, entitlement, rule, state, customer.id, context.at)
    accepted = context.finish(started)
    _look(context)
    return alert_records.answer(accepted, made)


def _look(context: Context) -> None:
    """Tell at once of what is near its end, and come back for what will be."""
    origin, recorded_at = derive(context.operation_id, "look"), context.request.recorded_at
    changes = context.state.changes
    if alerts.lead_of((), context.wallet.watch):
        settle(context.wallet, changes, origin, context.at, recorded_at, looks=True)


def _create_for_all(request: Request, command: CreateAlert, state: State) -> Accepted:
    before = find_entitlement(request, command.entitlement, state)
    alert = in_book(request.id, request.book)
    made = state.alerts.get(alert)
    if made is not None:  # by the same request, before
        return Accepted(alert=made, entitlement=before)
    rule = _rule(alert, command, before)
    if before.closed_at is not None:
        raise EntitlementClosed()
    if len(before.alerts) >= ALERTS_MAX:
        raise TooManyAlerts(maximum=ALERTS_MAX, kind="on everybody's credit of this entitlement")
    after = msgspec.structs.replace(before, alerts=(*before.alerts, rule))
    replace_entitlement(after, state)
    made = _keep(request, command, after, rule, state, None, request.at)
    alert_records.record(request, state, "create_alert_for_all", made)
    return Accepted(alert=made, entitlement=after)


def close_alert(request: Request, command: CloseAlert, state: State) -> Accepted:
    """Watch no more, for good. One that is closed stays as it is. Raises ``AlertNotFound``."""
    alert = state.alerts[command.alert]
    if alert is None or alert.book != request.book:
        raise AlertNotFound(written(command.alert))
    if alert.entitlement is None:
        return close_usage_alert(request, alert, state)
    entitlement = find_entitlement(request, alert.entitlement, state)
    customer = None if alert.customer is None else state.customers[alert.customer]
    if alert.closed_at is not None:
        return Accepted(alert=alert, customer=customer, entitlement=entitlement)
    if customer is None:
        return _close_for_all(request, alert, entitlement, state)
    context = settled_context(request, customer, entitlement, state)
    started = context.begin("close_alert", {}, alert.id)
    watch = context.wallet.watch or Watch()
    rules = tuple(rule for rule in watch.rules if rule.alert != alert.id)
    watch = msgspec.structs.replace(
        watch,
        rules=rules,
        fired=tuple(fired for fired in watch.fired if fired != alert.id),
        counted=tuple(counted for counted in watch.counted if counted != alert.id),
    )
    alerts.keep(state.changes, context.wallet, watch)
    closed = alert_records.close(alert, context.at, state)
    return alert_records.answer(context.finish(started), closed)


def _close_for_all(
    request: Request, alert: Alert, entitlement: Entitlement, state: State
) -> Accepted:
    rules = tuple(rule for rule in entitlement.alerts if rule.alert != alert.id)
    after = msgspec.structs.replace(entitlement, alerts=rules)
    replace_entitlement(after, state)
    closed = alert_records.close(alert, request.at, state)
    alert_records.record(request, state, "close_alert_for_all", closed)
    return Accepted(alert=closed, entitlement=after)


def _keep(
    request: Request,
    command: CreateAlert,
    entitlement: Entitlement,
    rule: AlertRule,
    state: State,
    customer: Id | None,
    at: Instant,
) -> Alert:
    made = Alert(
        id=rule.alert,
        book=request.book,
        entitlement=entitlement.id,
        rule=rule,
        created_at=at,
        customer=customer,
        metadata=command.metadata,
    )
    return alert_records.keep(made, state)


def _rule(alert: Id, command: CreateAlert, entitlement: Entitlement) -> AlertRule:
    """The line as it is looked at. Raises ``FieldInvalid`` for one that the kind does not have."""
    _check_line(command)
    amount = None
    if command.amount is not None:
        amount = amounts.to_units(command.amount, entitlement.scale)
        if amount == 0 and command.kind is AlertKind.USED_ABOVE:
            raise AmountNotPositive(field="amount")
    return AlertRule(
        alert=alert,
        kind=command.kind,
        amount=amount,
        percent=command.percent,
        days=command.days,
        name=command.name,
    )


def _check_line(command: CreateAlert) -> None:
    lines = _LINES.get(command.kind)
    if lines is None:
        raise FieldInvalid("kind", f"one on credit: {', '.join(_LINES)}")
    for field in ("amount", "percent", "days"):
        if getattr(command, field) is not None and field not in lines:
            raise FieldInvalid(field, f"left out: the kind {command.kind} has no such line")
    if sum(getattr(command, field) is not None for field in lines) != 1:
        others = f", or {lines[1]} in its place" if len(lines) > 1 else ""
        raise FieldInvalid(lines[0], f"given with the kind {command.kind}{others}")
    if command.percent is not None and not 0 <= command.percent <= 100:
        raise FieldInvalid("percent", "a whole number from 0 to 100")
    if command.days is not None and not 1 <= command.days <= DAYS_MAX:
        raise FieldInvalid("days", f"a whole number from 1 to {DAYS_MAX}")


def _facts(command: CreateAlert, rule: AlertRule) -> dict[str, object]:
    return given(command, "kind", "percent", "days", "name", "metadata") | {"amount": rule.amount}
