"""Making and closing meters and rates. What they count never changes: they count the same way again."""

from __future__ import annotations

from collections.abc import Collection, Sized
from typing import Any

import msgspec

from drawdown.core.commands import (
    AmendMeter,
    AttachRate,
    CloseMeter,
    CloseRate,
    CreateMeter,
    CreateRate,
    DetachRate,
    ReopenMeter,
)
from drawdown.core.context import (
    encode_facts,
    find_customer,
    find_entitlement,
    given,
    written,
)
from drawdown.core.creation import check_own_id, claim_name, record
from drawdown.core.errors import (
    CustomerClosed,
    FieldInvalid,
    MeterNotFound,
    RateNotFound,
    TooManyMeters,
)
from drawdown.core.identity import relocate, slot_of
from drawdown.core.requests import Accepted, Request
from drawdown.core.schedules import calendar
from drawdown.core.state import METER_CODE, State
from drawdown.core.types import Customer, Entitlement, Id, Operation, Reference
from drawdown.core.usage import meters, rating
from drawdown.core.usage.meters import Measure
from drawdown.core.usage.rating import Price, Table
from drawdown.core.usage.records import (
    ATTACHMENTS_MAX,
    CLOSED_FACTOR,
    DEFINITION_BYTES_MAX,
    METERS_MAX,
    RATES_MAX,
    Attachment,
    Catalog,
    Customers,
    Meter,
    Rate,
)


def create_meter(request: Request, command: CreateMeter, state: State) -> Accepted:
    """One made by the same request before is answered.

    Raises ``FieldInvalid``, ``AlreadyExists``, ``MeterNotFound`` and ``TooManyMeters``.
    """
    catalog = state.catalogs[request.book]
    made = catalog.meters.get(request.id)
    if made is not None:
        return Accepted(meter=made)
    check_own_id("code", command.code)
    meters.check(command.measure, "")
    _check_size(command.measure, "filter")
    old = None if command.replaces is None else find_meter(request, command.replaces, state)
    more = METERS_MAX if old is not None and old.closed_at is None else 0
    _check_room(catalog.meters.values(), METERS_MAX, "meters", more)
    claim_name(request, (request.book, METER_CODE, command.code), "code", state)
    meter = Meter(
        id=request.id,
        book=request.book,
        code=command.code,
        name=command.code if command.name is None else command.name,
        measure=command.measure,
        debits=command.debits,
        created_at=request.at,
        updated_at=request.at,
        profiles=command.profiles,
    )
    catalog.add_meter(meter)
    state.changes.meters.append(meter)
    named = encode_facts({"name": [None, meter.name]})
    record(request, state, "meter", request.book, changed=named)
    return Accepted(meter=meter)


def create_rate(request: Request, command: CreateRate, state: State) -> Accepted:
    """One made by the same request before is answered.

    Raises ``FieldInvalid``, ``MeterNotFound``, ``RateNotFound``, ``EntitlementNotFound`` and
    ``TooManyMeters``.
    """
    catalog = state.catalogs[request.book]
    meter = find_meter(request, command.meter, state)
    if meter.closed_at is not None:
        raise FieldInvalid("meter", "one that is not closed")
    if meter.measure.window is not None:
        raise FieldInvalid("meter", "one that counts every event, not the latest of a time")
    entitlement = find_entitlement(request, command.entitlement, state)
    made = catalog.rates.get(request.id)
    if made is not None:
        return Accepted(meter=meter, rate=made, entitlement=entitlement)
    rating.check(command.price)
    _check_size(command.price, "price")
    _check_rest(command.rest_of, meter, entitlement, catalog)
    if command.period.unit is not None:
        calendar.zone_of(command.period.zone, "period.zone")
    old = [_find_rate(request, each, state) for each in command.replaces]
    old = [each for each in old if each.closed_at is None]
    _check_room(catalog.rates.values(), RATES_MAX, "rates", len(old))
    rate = Rate(
        id=request.id,
        book=request.book,
        meter=meter.id,
        entitlement=entitlement.id,
        price=command.price,
        period=command.period,
        customers=command.customers,
        created_at=request.at,
        rest_of=command.rest_of,
    )
    catalog.add_rate(rate)
    state.changes.rates.append(rate)
    record(request, state, "rate", request.book)
    for each in old:
        _close_rate(request, each, state, apart=each.id.hex())
    return Accepted(meter=meter, rate=rate, entitlement=entitlement)


def _check_rest(
    rest_of: Id | None, meter: Meter, entitlement: Entitlement, catalog: Catalog
) -> None:
    """What is left is of another kind of credit, and nobody's rest in its turn."""
    if rest_of is None:
        return
    first = catalog.rates.get(rest_of)
    if first is None or first.meter != meter.id or first.closed_at is not None:
        raise FieldInvalid("rest_of", "the id of an open rate of the same meter")
    if first.rest_of is not None or first.entitlement == entitlement.id:
        raise FieldInvalid("rest_of", "a rate of another entitlement, and not itself of a rest")


def close_meter(request: Request, command: CloseMeter, state: State) -> Accepted:
    """Its rates count nothing any more. Raises ``MeterNotFound``."""
    meter = find_meter(request, command.meter, state)
    if meter.closed_at is None:
        meter = _change(request, meter, state, closed_at=request.at)
        record(request, state, "close_meter", request.book, subject=meter.id)
    return Accepted(meter=meter)


def reopen_meter(request: Request, command: ReopenMeter, state: State) -> Accepted:
    """What was used while it was closed stays uncounted. Raises ``MeterNotFound`` and ``TooManyMeters``."""
    meter = find_meter(request, command.meter, state)
    if meter.closed_at is not None:
        open_ones = state.catalogs[request.book].meters.values()
        if sum(each.closed_at is None for each in open_ones) >= METERS_MAX:
            raise TooManyMeters(maximum=METERS_MAX, kind="meters")
        meter = _change(request, meter, state, closed_at=None)
        record(request, state, "reopen_meter", request.book, subject=meter.id)
    return Accepted(meter=meter)


def amend_meter(request: Request, command: AmendMeter, state: State) -> Accepted:
    """Call it otherwise; what is equal changes nothing. Raises ``MeterNotFound``."""
    meter = find_meter(request, command.meter, state)
    name = meter.name if command.name is None else command.name
    profiles = {**meter.profiles, **command.profiles}
    if (name, profiles) != (meter.name, meter.profiles):
        changed = b"" if name == meter.name else encode_facts({"name": [meter.name, name]})
        meter = _change(request, meter, state, name=name, profiles=profiles)
        record(request, state, "amend_meter", request.book, subject=meter.id, changed=changed)
    return Accepted(meter=meter)


def _change(request: Request, before: Meter, state: State, **to: Any) -> Meter:
    after = msgspec.structs.replace(before, updated_at=request.at, **to)
    state.catalogs[request.book].change_meter(after)
    state.changes.changed_meters.append(after)
    return after


def close_rate(request: Request, command: CloseRate, state: State) -> Accepted:
    """Raises ``RateNotFound``."""
    rate = _find_rate(request, command.rate, state)
    if rate.closed_at is None:
        rate = _close_rate(request, rate, state)
    return _accepted(request, rate, state)


def _close_rate(request: Request, before: Rate, state: State, apart: str = "") -> Rate:
    after = msgspec.structs.replace(before, closed_at=request.at)
    state.catalogs[request.book].close_rate(after)
    state.changes.closed_rates.append(after)
    record(request, state, "close_rate", request.book, subject=after.id, apart=apart)
    return after


def attach_rate(request: Request, command: AttachRate, state: State) -> Accepted:
    """Raises ``RateNotFound``, ``CustomerNotFound``, ``CustomerClosed``, ``FieldInvalid``, ``TooManyMeters``.

    There is room for ``ATTACHMENTS_MAX`` of one customer.
    """
    rate = _find_rate(request, command.rate, state)
    customer = find_customer(request, command.customer, state)
    if customer.closed_at is not None:
        raise CustomerClosed()
    if rate.customers is not Customers.ATTACHED or rate.closed_at is not None:
        raise FieldInvalid("rate", "open, and one for customers that it is attached to")
    asked = _attachment(customer, rate, command)
    key, found = (customer.id, rate.id, command.name), state.attached[customer.id]
    if found.get(key) != asked:
        if key not in found and len(found) >= ATTACHMENTS_MAX:
            raise TooManyMeters(maximum=ATTACHMENTS_MAX, kind="rates of the customer")
        found[key] = state.changes.attachments[key] = asked
        facts = given(command, "name", "starts_at", "ends_at")
        _record(request, customer, rate, state, "attach_rate", encode_facts(facts))
    return _accepted(request, rate, state, customer)


def _attachment(customer: Customer, rate: Rate, command: AttachRate) -> Attachment:
    starts_at, ends_at = command.starts_at, command.ends_at
    if starts_at is not None and ends_at is not None and ends_at < starts_at:
        raise FieldInvalid("ends_at", "no earlier than starts_at")
    return Attachment(
        customer=customer.id,
        rate=rate.id,
        name=command.name,
        starts_at=starts_at,
        ends_at=ends_at,
    )


def detach_rate(request: Request, command: DetachRate, state: State) -> Accepted:
    """Raises ``RateNotFound`` and ``CustomerNotFound``."""
    rate = _find_rate(request, command.rate, state)
    customer = find_customer(request, command.customer, state)
    key = (customer.id, rate.id, command.name)
    if state.attached[customer.id].pop(key, None) is not None:
        state.changes.attachments[key] = None
        facts = given(command, "name")
        _record(request, customer, rate, state, "detach_rate", encode_facts(facts))
    return _accepted(request, rate, state, customer)


def _record(
    request: Request, customer: Customer, rate: Rate, state: State, kind: str, facts: bytes
) -> None:
    operation = Operation(
        id=relocate(request.id, slot_of(customer.id)),
        customer=customer.id,
        entitlement=rate.entitlement,
        kind=kind,
        at=state.now_of(customer.id, request.at),
        recorded_at=request.recorded_at,
        facts=facts,
        subject=rate.id,
    )
    state.changes.operations.append((operation, []))


def _accepted(
    request: Request, rate: Rate, state: State, customer: Customer | None = None
) -> Accepted:
    entitlement = find_entitlement(request, rate.entitlement, state)
    meter = state.catalogs[request.book].meters[rate.meter]
    return Accepted(meter=meter, rate=rate, entitlement=entitlement, customer=customer)


def _find_rate(request: Request, rate: Id, state: State) -> Rate:
    found = state.catalogs[request.book].rates.get(rate)
    if found is None:
        raise RateNotFound(written(rate))
    return found


def _check_size(definition: Measure | Price | Table, field: str) -> None:
    if len(msgspec.json.encode(definition)) > DEFINITION_BYTES_MAX:
        raise FieldInvalid(field, f"shorter: at most {DEFINITION_BYTES_MAX:,} bytes are kept")


def check_rates(catalog: Catalog) -> None:
    """That there can be one more in the place of another. Raises ``TooManyMeters``."""
    _check_ever_made(catalog.rates, RATES_MAX, "rates")


def _check_room(made: Collection[Meter | Rate], maximum: int, kind: str, more: int) -> None:
    """Few enough are open, and few enough were ever made. ``more`` may be open while they are replaced."""
    if sum(each.closed_at is None for each in made) >= maximum + more:
        raise TooManyMeters(maximum=maximum, kind=kind)
    _check_ever_made(made, maximum, kind)


def _check_ever_made(made: Sized, maximum: int, kind: str) -> None:
    if len(made) >= maximum * CLOSED_FACTOR:
        raise TooManyMeters(maximum=maximum * CLOSED_FACTOR, kind=f"{kind}, with closed ones")


def find_meter(request: Request, reference: Reference, state: State) -> Meter:
    if isinstance(reference, str):
        found = state.names[(request.book, METER_CODE, reference)]
    else:
        found = reference
    meter = None if found is None else state.catalogs[request.book].meters.get(found)
    if meter is None:
        raise MeterNotFound(written(reference))
    return meter
