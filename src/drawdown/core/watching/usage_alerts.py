"""Making and closing alerts on what is used by a meter: on one customer's use of it, or on everybody's."""

from __future__ import annotations

import msgspec

from drawdown.core.commands import CreateUsageAlert
from drawdown.core.context import begin, commit, encode_facts, find_customer, given
from drawdown.core.errors import (
    AmountNotPositive,
    CustomerClosed,
    FieldInvalid,
    TooManyAlerts,
)
from drawdown.core.identity import derive, in_book, relocate, slot_of
from drawdown.core.requests import Accepted, Request
from drawdown.core.state import State
from drawdown.core.types import Alert, AlertKind, AlertRule, Customer, Id, Operation
from drawdown.core.usage import quantities
from drawdown.core.usage.catalog import find_meter
from drawdown.core.usage.meters import Aggregation
from drawdown.core.usage.records import Meter, MeterWatch
from drawdown.core.watching import alert_records
from drawdown.core.watching.usage_crossings import keep, watched_by

#: On everybody's use of one meter, and on one customer's beside them.
USAGE_ALERTS_MAX = 25
OWN_USAGE_ALERTS_MAX = 25


def create_usage_alert(request: Request, command: CreateUsageAlert, state: State) -> Accepted:
    """Watch one customer's use of a meter, or everybody's. What was used so far sets nothing off.

    Raises ``CustomerNotFound``, ``CustomerClosed``, ``MeterNotFound``, ``FieldInvalid``, and
    ``AmountNotPositive`` and ``TooManyAlerts``.
    """
    if command.customer is None:
        return _create_for_all(request, command, state)
    customer = find_customer(request, command.customer, state)
    meter = find_meter(request, command.meter, state)
    facts = given(command, "name", "metadata") | {
        "meter": meter.code,
        "amount": str(command.amount),
    }
    operation = _operation(request, "create_alert", customer, facts, state)
    started = begin(request, state, operation)
    alert = operation.subject = derive(operation.id, "alert")
    rule = _rule(alert, command)
    if customer.closed_at is not None:
        raise CustomerClosed()
    _check_meter(meter)
    watched = watched_by(customer.id, meter.id, state)
    if len(watched.rules) >= OWN_USAGE_ALERTS_MAX:
        raise TooManyAlerts(
            maximum=OWN_USAGE_ALERTS_MAX, kind="on this customer's use of the meter"
        )
    watched = msgspec.structs.replace(watched, rules=(*watched.rules, rule))
    keep(request, customer.id, meter.id, watched, operation.at, state)
    if meter.watch is None:
        meter = _watch(meter, MeterWatch(since=request.recorded_at), state)
    made = Alert(
        id=alert,
        book=request.book,
        meter=meter.id,
        rule=rule,
        created_at=operation.at,
        customer=customer.id,
        metadata=command.metadata,
    )
    commit(state, started)
    accepted = Accepted(operation=operation, customer=customer, meter=meter)
    return alert_records.answer(accepted, alert_records.keep(made, state))


def _create_for_all(request: Request, command: CreateUsageAlert, state: State) -> Accepted:
    meter = find_meter(request, command.meter, state)
    alert = in_book(request.id, request.book)
    made = state.alerts.get(alert)
    if made is not None:  # by the same request, before
        return Accepted(alert=made, meter=meter)
    rule = _rule(alert, command)
    _check_meter(meter)
    watch = meter.watch or MeterWatch(since=request.recorded_at)
    if len(watch.rules) >= USAGE_ALERTS_MAX:
        raise TooManyAlerts(maximum=USAGE_ALERTS_MAX, kind="on everybody's use of the meter")
    meter = _watch(meter, msgspec.structs.replace(watch, rules=(*watch.rules, rule)), state)
    made = Alert(
        id=alert,
        book=request.book,
        meter=meter.id,
        rule=rule,
        created_at=request.at,
        metadata=command.metadata,
    )
    alert_records.keep(made, state)
    alert_records.record(request, state, "create_alert_for_all", made)
    return Accepted(alert=made, meter=meter)


def close_usage_alert(request: Request, alert: Alert, state: State) -> Accepted:
    """Watch no more, for good. One that is closed stays as it is."""
    assert alert.meter is not None
    meter = find_meter(request, alert.meter, state)
    customer = None if alert.customer is None else state.customers[alert.customer]
    if alert.closed_at is not None:
        return Accepted(alert=alert, customer=customer, meter=meter)
    if customer is None:
        assert meter.watch is not None, "it is watched by the alert"
        rules = tuple(rule for rule in meter.watch.rules if rule.alert != alert.id)
        meter = _watch(meter, msgspec.structs.replace(meter.watch, rules=rules), state)
        closed = alert_records.close(alert, request.at, state)
        alert_records.record(request, state, "close_alert_for_all", closed)
        return Accepted(alert=closed, meter=meter)
    operation = _operation(request, "close_alert", customer, {}, state)
    operation.subject = alert.id
    started = begin(request, state, operation)
    watched = watched_by(customer.id, meter.id, state)
    watched = msgspec.structs.replace(
        watched,
        rules=tuple(rule for rule in watched.rules if rule.alert != alert.id),
        told=tuple(told for told in watched.told if told != alert.id),
    )
    keep(request, customer.id, meter.id, watched, operation.at, state)
    commit(state, started)
    accepted = Accepted(operation=operation, customer=customer, meter=meter)
    return alert_records.answer(accepted, alert_records.close(alert, operation.at, state))


def _operation(
    request: Request, kind: str, customer: Customer, facts: dict[str, object], state: State
) -> Operation:
    return Operation(
        id=relocate(request.id, slot_of(customer.id)),
        customer=customer.id,
        entitlement=None,
        kind=kind,
        at=state.now_of(customer.id, request.at),
        recorded_at=request.recorded_at,
        facts=encode_facts(facts),
    )


def _watch(meter: Meter, watch: MeterWatch, state: State) -> Meter:
    after = msgspec.structs.replace(meter, watch=watch)
    state.catalogs[meter.book].change_meter(after)
    state.changes.watched_meters[meter.id] = after
    return after


def _check_meter(meter: Meter) -> None:
    if meter.closed_at is not None:
        raise FieldInvalid("meter", "one that is not closed")
    if meter.measure.aggregation is Aggregation.UNIQUE:
        raise FieldInvalid("meter", "one of a count, a sum, a greatest or a last value")


def _rule(alert: Id, command: CreateUsageAlert) -> AlertRule:
    amount = quantities.of_amount(command.amount)
    if amount == 0:
        raise AmountNotPositive(field="amount")
    return AlertRule(alert=alert, kind=AlertKind.METERED_ABOVE, amount=amount, name=command.name)
