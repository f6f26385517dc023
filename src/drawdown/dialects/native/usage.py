"""Usage: meters, rates, and the events that they count."""

from __future__ import annotations

import msgspec

from drawdown.core import commands, identity
from drawdown.core.amounts import Amount
from drawdown.core.errors import (
    AlreadyExists,
    CustomerClosed,
    CustomerNotFound,
    EntitlementNotFound,
    EventNotFound,
    EventReused,
    FieldInvalid,
    KeyReused,
    LedgerError,
    MeterNotFound,
    RateNotFound,
    TooManyCounts,
    TooManyEvents,
    TooManyMeters,
)
from drawdown.core.requests import Accepted, Answer
from drawdown.core.types import Id
from drawdown.core.usage import filters, properties, rating
from drawdown.core.usage.meters import Measure
from drawdown.core.usage.properties import Properties
from drawdown.core.usage.records import Period
from drawdown.dialects.native import (
    asked,
    asked_usage,
    common,
    errors,
    render,
    render_usage,
    wire,
    wire_usage,
)
from drawdown.dialects.native.debits import told
from drawdown.dialects.native.directory import NAME_MAX, optional_text
from drawdown.dialects.native.render_usage import USAGE_PREFIX
from drawdown.engine.accounts import Role
from drawdown.engine.ledger import Asked
from drawdown.web import fields
from drawdown.web.decoding import decode_json, malformed
from drawdown.web.endpoints import Call, Endpoint
from drawdown.web.errors import BadRequest, MissingField, WebError

#: Of what is sent together, so many are handed to the ledger at once where there are overrides.
OVERRIDES_AT_ONCE = 4

_decode_event = decode_json(asked_usage.NewUsageEvent)
_decode_exact = msgspec.json.Decoder(float_hook=properties.exact).decode


async def create_meter(call: Call) -> Answer:
    body: asked_usage.CreateMeter = call.body
    tree = _exact(body.filter, "filter")
    measure = Measure(
        event_name=body.event_name,
        aggregation=body.aggregation,
        property=body.property,
        filter=None if tree is None else filters.filter_of(tree),
        group_by=tuple(body.group_by),
        case_sensitive=body.case_sensitive,
    )
    command = commands.CreateMeter(
        code=body.code,
        name=optional_text(body.name, "name", NAME_MAX),
        measure=measure,
        debits=body.debits,
    )
    written = common.created(_meter, call.request_id)
    claim = common.claim(call, body.idempotency_key)
    return await call.ledger.submit(call.book, command, written, claim=claim)


def _meter(accepted: Accepted) -> wire_usage.Meter:
    assert accepted.meter is not None
    return render_usage.meter(accepted.meter)


async def amend_meter(call: Call) -> Answer:
    body: asked_usage.AmendMeter = call.body
    command = commands.AmendMeter(
        meter=identity.reference(call.path["meter"]),
        name=optional_text(body.name, "name", NAME_MAX),
    )
    return await _change_meter(call, command, body.idempotency_key)


async def close_meter(call: Call) -> Answer:
    command = commands.CloseMeter(meter=identity.reference(call.path["meter"]))
    return await _change_meter(call, command, None)


async def reopen_meter(call: Call) -> Answer:
    body: asked.CloseOrReopen = call.body
    command = commands.ReopenMeter(meter=identity.reference(call.path["meter"]))
    return await _change_meter(call, command, body.idempotency_key)


async def _change_meter(call: Call, command: commands.Command, key: str | None) -> Answer:
    written = common.answered(200, _meter, call.request_id)
    claim = common.path_claim(call, key)
    return await call.ledger.submit(call.book, command, written, claim=claim)


async def list_meters(call: Call) -> Answer:
    """There are few, so they come in one page, the newest first."""
    found = list((await call.ledger.catalog(call.book)).meters.values())
    return common.ok(wire.Page(data=[render_usage.meter(m) for m in reversed(found)], next=None))


async def get_meter(call: Call) -> Answer:
    reference = identity.reference(call.path["meter"])
    return common.ok(render_usage.meter(await call.ledger.meter(call.book, reference)))


async def create_rate(call: Call) -> Answer:
    body: asked_usage.CreateRate = call.body
    command = commands.CreateRate(
        meter=fields.reference(body.meter, "meter"),
        entitlement=fields.reference(body.entitlement, "entitlement"),
        price=price_of(body.price, "price"),
        period=Period(unit=body.period.unit, zone=body.period.zone, cycle=body.period.cycle),
        customers=body.customers,
        rest_of=_rest_of(body.rest_of),
    )
    written = common.created(_rate, call.request_id)
    claim = common.claim(call, body.idempotency_key)
    return await call.ledger.submit(call.book, command, written, claim=claim)


def _rest_of(text: str | None) -> Id | None:
    found = None if text is None else identity.parse(text)
    if text is not None and found is None:
        raise BadRequest("rest_of", "the id of an open rate of the same meter")
    return found


def _rate(accepted: Accepted) -> wire_usage.Rate:
    assert accepted.rate is not None
    assert accepted.meter is not None
    assert accepted.entitlement is not None
    return render_usage.rate(accepted.rate, accepted.meter, accepted.entitlement)


async def get_rate(call: Call) -> Answer:
    rate, meter = await call.ledger.rate(call.book, _named_rate(call))
    kind = await call.ledger.entitlement(call.book, rate.entitlement)
    return common.ok(render_usage.rate(rate, meter, kind))


async def close_rate(call: Call) -> Answer:
    command = commands.CloseRate(rate=_named_rate(call))
    written = common.answered(200, _rate, call.request_id)
    return await call.ledger.submit(call.book, command, written)


def _named_rate(call: Call) -> Id:
    found = identity.parse(call.path["rate"])
    if found is None:
        raise RateNotFound(call.path["rate"])
    return found


async def attach_rate(call: Call) -> Answer:
    return await _attach(call, commands.AttachRate, attached=True)


async def detach_rate(call: Call) -> Answer:
    return await _attach(call, commands.DetachRate, attached=False)


async def _attach(
    call: Call, kind: type[commands.AttachRate | commands.DetachRate], *, attached: bool
) -> Answer:
    body: asked_usage.AttachRate = call.body
    command = kind(rate=_named_rate(call), customer=fields.reference(body.customer, "customer"))

    def shape(accepted: Accepted) -> wire_usage.RateAttachment:
        assert accepted.rate is not None
        assert accepted.customer is not None
        return wire_usage.RateAttachment(
            rate=identity.spell(render_usage.RATE_PREFIX, accepted.rate.id),
            customer=render.name_of(accepted.customer),
            attached=attached,
        )

    return await call.ledger.submit(
        call.book, command, common.answered(200, shape, call.request_id)
    )


async def list_rates(call: Call) -> Answer:
    """There are few, so they come in one page, the newest first."""
    query: asked_usage.RatesQuery = call.query
    customer = common.optional_reference(query.customer, "customer")
    catalog = await call.ledger.catalog(call.book)
    shown = [
        render_usage.rate(
            rate,
            catalog.meters[rate.meter],
            await call.ledger.entitlement(call.book, rate.entitlement),
        )
        for rate in reversed(await call.ledger.rates(call.book, customer))
    ]
    return common.ok(wire.Page(data=shown, next=None))


async def record_usage(call: Call) -> Answer:
    """One event; or many, each by itself, in their order."""
    body: asked_usage.RecordUsage = call.body
    if body.events is None:
        command, written, _ = _asked(_one(body), call.request_id)
        return await call.ledger.submit(call.book, command, written)
    if _named(body):
        raise BadRequest("events", f"left out, or without {_named(body)[0]} beside it")
    return await _record_many(call, body.events)


async def _record_many(call: Call, elements: list[msgspec.Raw]) -> Answer:
    read = [_read(raw, call.request_id) for raw in elements]
    asked = [element for element in read if isinstance(element, tuple)]
    answers = iter(await _submitted(call, asked))
    shown = [
        _result(next(answers), call.request_id) if isinstance(element, tuple) else element
        for element in read
    ]
    return Answer(status=201, body=b'{"results":[' + b",".join(shown) + b"]}")


async def _submitted(call: Call, asked: list[Asked]) -> list[Answer | BaseException]:
    """A few at a time where some override others: each may count 10,000 events again while all wait."""
    overrides = any(
        isinstance(command, commands.RecordUsage) and command.override for command, *_ in asked
    )
    size = OVERRIDES_AT_ONCE if overrides else max(len(asked), 1)
    answers: list[Answer | BaseException] = []
    for start in range(0, len(asked), size):
        answers += await call.ledger.submit_many(call.book, asked[start : start + size])
    return answers


async def get_event(call: Call) -> Answer:
    event = await call.ledger.usage_event(call.book, call.path["event"])
    owner = await call.ledger.customer(call.book, event.customer)
    return common.ok(render_usage.event(event, owner))


async def list_events(call: Call) -> Answer:
    query: asked_usage.UsageQuery = call.query
    found = await call.ledger.usage_events(
        call.book,
        customer=common.optional_reference(query.customer, "customer"),
        name=optional_text(query.name, "name", NAME_MAX),
        since=common.optional_instant(query.since, "since"),
        until=common.optional_instant(query.until, "until"),
        uncovered=query.uncovered,
        after=common.after(query.after),
        limit=query.limit + 1,
    )
    owners = {event.customer: event for event in found}
    customers = {one: await call.ledger.customer(call.book, one) for one in owners}
    return common.page(
        found,
        query.limit,
        lambda event: render_usage.event(event, customers[event.customer]),
        USAGE_PREFIX,
    )


def _named(body: asked_usage.RecordUsage) -> list[str]:
    names = ("id", "customer", "name", "time")
    given = [name for name in names if getattr(body, name) is not None]
    return [*given, "override"] if body.override else given


def _one(body: asked_usage.RecordUsage) -> asked_usage.NewUsageEvent:
    if body.id is None:
        raise MissingField("id")
    if body.customer is None:
        raise MissingField("customer")
    if body.name is None:
        raise MissingField("name")
    return asked_usage.NewUsageEvent(
        id=body.id,
        customer=body.customer,
        name=body.name,
        time=body.time,
        properties=body.properties,
        override=body.override,
    )


def _asked(body: asked_usage.NewUsageEvent, request_id: str) -> Asked:
    command = commands.RecordUsage(
        customer=fields.reference(body.customer, "customer"),
        own_id=fields.key(body.id, "id"),
        name=fields.text(body.name, "name"),
        time=common.optional_instant(body.time, "time"),
        properties=_properties(body.properties),
        override=body.override,
    )
    return command, lambda accepted: render_usage.recorded(accepted, request_id), None


def _read(raw: msgspec.Raw, request_id: str) -> Asked | bytes:
    """What an element asks for, or its result."""
    try:
        return _asked(_decode_event(raw), request_id)
    except (WebError, LedgerError) as error:
        return _result(error, request_id)


def _result(outcome: Answer | BaseException, request_id: str) -> bytes:
    if isinstance(outcome, Answer):
        replayed = b'"replayed":true,' if outcome.replayed else b""
        return b'{"status":%d,%b"event":%b}' % (outcome.status, replayed, outcome.body)
    error = told(outcome, request_id)
    problem = wire.encode(errors.problem(error, request_id))
    return b'{"status":%d,"error":%b}' % (errors.status_of(error), problem)


def _properties(raw: msgspec.Raw) -> Properties:
    return properties.properties_of(_exact(raw, "properties") or {})


def _exact(raw: msgspec.Raw, field: str) -> dict[str, object] | None:
    """A JSON object whose numbers are exact; None for null."""
    try:
        found = _decode_exact(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(error) from None
    if found is not None and not isinstance(found, dict):
        raise BadRequest(field, "an object")
    return found


def price_of(
    given: asked_usage.RatePrice | asked_usage.Table, field: str
) -> rating.Price | rating.Table:
    if not isinstance(given, asked_usage.Table):
        return _simple(given, field)
    prices = {
        value: _simple(price, f"{field}.prices.{value}") for value, price in given.prices.items()
    }
    default = None if given.default is None else _simple(given.default, f"{field}.default")
    return rating.Table(attribute=given.attribute, prices=prices, default=default)


def _simple(given: asked_usage.RatePrice, field: str) -> rating.Price:
    def amount(text: str, name: str) -> Amount:
        return fields.amount(text, f"{field}.{name}")

    free = amount(given.free, "free")
    match given:
        case asked_usage.PerCredit():
            units = amount(given.units_per_credit, "units_per_credit")
            return rating.PerCredit(free=free, units_per_credit=units)
        case asked_usage.PerUnit():
            return rating.PerUnit(free=free, price=amount(given.price, "price"))
        case asked_usage.Package():
            size, price = amount(given.size, "size"), amount(given.price, "price")
            return rating.Package(free=free, size=size, price=price, rounding=given.rounding)
        case asked_usage.Graduated():
            return rating.Graduated(free=free, tiers=_tiers(given.tiers, field))
        case asked_usage.Volume():
            return rating.Volume(free=free, tiers=_tiers(given.tiers, field))


def _tiers(given: list[asked_usage.Tier], field: str) -> tuple[rating.Tier, ...]:
    def tier(number: int, each: asked_usage.Tier) -> rating.Tier:
        here = f"{field}.tiers[{number}]"
        up_to = None if each.up_to is None else fields.amount(each.up_to, f"{here}.up_to")
        price = fields.amount(each.price, f"{here}.price")
        return rating.Tier(up_to=up_to, price=price, flat=fields.amount(each.flat, f"{here}.flat"))

    return tuple(tier(number, each) for number, each in enumerate(given))


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/meters",
        handler=create_meter,
        summary="Make a meter: which usage events count, and how",
        role=Role.EDITOR,
        body=asked_usage.CreateMeter,
        answer=wire_usage.Meter,
        status=201,
        errors=(FieldInvalid, AlreadyExists, KeyReused, TooManyMeters),
    ),
    Endpoint(
        method="GET",
        path="/meters",
        handler=list_meters,
        summary="List meters, newest first",
        role=Role.VIEWER,
        answer=wire.Page[wire_usage.Meter],
    ),
    Endpoint(
        method="GET",
        path="/meters/{meter}",
        handler=get_meter,
        summary="Get a meter by code or id",
        role=Role.VIEWER,
        answer=wire_usage.Meter,
        errors=(MeterNotFound,),
    ),
    Endpoint(
        method="PATCH",
        path="/meters/{meter}",
        handler=amend_meter,
        summary="Call a meter otherwise; what it counts never changes",
        role=Role.EDITOR,
        body=asked_usage.AmendMeter,
        answer=wire_usage.Meter,
        errors=(MeterNotFound, KeyReused),
    ),
    Endpoint(
        method="DELETE",
        path="/meters/{meter}",
        handler=close_meter,
        summary="Close a meter: it counts nothing more, and neither do its rates",
        role=Role.EDITOR,
        answer=wire_usage.Meter,
        errors=(MeterNotFound,),
    ),
    Endpoint(
        method="POST",
        path="/meters/{meter}/reopen",
        handler=reopen_meter,
        summary="Undo the closing of a meter: its rates that are open charge again",
        role=Role.EDITOR,
        body=asked.CloseOrReopen,
        answer=wire_usage.Meter,
        errors=(MeterNotFound, TooManyMeters, KeyReused),
    ),
    Endpoint(
        method="POST",
        path="/rates",
        handler=create_rate,
        summary="Make a rate: what a meter costs, in credit of which entitlement",
        role=Role.EDITOR,
        body=asked_usage.CreateRate,
        answer=wire_usage.Rate,
        status=201,
        errors=(FieldInvalid, MeterNotFound, EntitlementNotFound, KeyReused, TooManyMeters),
    ),
    Endpoint(
        method="GET",
        path="/rates",
        handler=list_rates,
        summary="List rates, newest first",
        role=Role.VIEWER,
        query=asked_usage.RatesQuery,
        answer=wire.Page[wire_usage.Rate],
        errors=(CustomerNotFound,),
    ),
    Endpoint(
        method="GET",
        path="/rates/{rate}",
        handler=get_rate,
        summary="Get a rate",
        role=Role.VIEWER,
        answer=wire_usage.Rate,
        errors=(RateNotFound,),
    ),
    Endpoint(
        method="DELETE",
        path="/rates/{rate}",
        handler=close_rate,
        summary="Close a rate: it charges nothing more",
        role=Role.EDITOR,
        answer=wire_usage.Rate,
        errors=(RateNotFound,),
    ),
    Endpoint(
        method="POST",
        path="/rates/{rate}/attach",
        handler=attach_rate,
        summary="Charge a customer by a rate, from now on",
        role=Role.EDITOR,
        body=asked_usage.AttachRate,
        answer=wire_usage.RateAttachment,
        errors=(RateNotFound, CustomerNotFound, CustomerClosed, FieldInvalid),
    ),
    Endpoint(
        method="POST",
        path="/rates/{rate}/detach",
        handler=detach_rate,
        summary="Charge a customer by a rate no more",
        role=Role.EDITOR,
        body=asked_usage.AttachRate,
        answer=wire_usage.RateAttachment,
        errors=(RateNotFound, CustomerNotFound),
    ),
    Endpoint(
        method="POST",
        path="/events",
        handler=record_usage,
        summary="Record one usage event, or up to 1,000, each for itself, in their order",
        role=Role.EDITOR,
        body=asked_usage.RecordUsage,
        answer=wire_usage.RecordedUsage,
        status=201,
        errors=(
            CustomerNotFound,
            CustomerClosed,
            FieldInvalid,
            EventReused,
            TooManyCounts,
            TooManyEvents,
        ),
        counted="usage",
    ),
    Endpoint(
        method="GET",
        path="/events",
        handler=list_events,
        summary="List usage events, the last recorded first",
        role=Role.VIEWER,
        query=asked_usage.UsageQuery,
        answer=wire.Page[wire_usage.UsageEvent],
        errors=(CustomerNotFound,),
    ),
    Endpoint(
        method="GET",
        path="/events/{event}",
        handler=get_event,
        summary="Get a usage event by its own id",
        role=Role.VIEWER,
        answer=wire_usage.UsageEvent,
        errors=(EventNotFound,),
    ),
)
