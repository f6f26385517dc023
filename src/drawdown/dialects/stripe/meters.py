"""The endpoints of ``billing.meter``, of what meters counted, and of ``billing.meter_event``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import msgspec
from msgspec import UNSET

from drawdown.core.commands import AmendMeter, CloseMeter, RecordUsage, ReopenMeter
from drawdown.core.commands import CreateMeter as CreateMeterCommand
from drawdown.core.errors import CustomerNotFound, EventNotFound, MeterNotFound
from drawdown.core.identity import dated, parse, reference, spell
from drawdown.core.requests import Accepted, Answer
from drawdown.core.types import DAY, MICROSECONDS, Customer, Id, Instant, Mode
from drawdown.core.usage import quantities, records
from drawdown.core.usage.meters import Aggregation, Measure
from drawdown.core.usage.spans import Span
from drawdown.dialects.stripe import expansion, kept, wire_catalog
from drawdown.dialects.stripe.errors import StripeError, missing_object
from drawdown.dialects.stripe.idempotency import Write
from drawdown.dialects.stripe.parameters import missing
from drawdown.dialects.stripe.requests_catalog import (
    CreateAdjustment,
    CreateMeter,
    CreateMeterEvent,
    ListMeters,
    ListSummaries,
    One,
    UpdateMeter,
)
from drawdown.dialects.stripe.wire import PROFILE
from drawdown.web.endpoints import Call
from drawdown.web.errors import echoed

NOUN = "billing meter"
#: What an event is called that was canceled: no meter counts it.
CANCELED = "stripe.canceled"
CUSTOMER_KEY, VALUE_KEY = "stripe_customer_id", "value"
#: How old a meter event may be, and how far ahead.
OLD_MAX, AHEAD_MAX = 35 * DAY, 5 * 60 * MICROSECONDS
MINUTE, HOUR = 60, 3_600
_FORMULAS = {
    "count": Aggregation.COUNT,
    "last": Aggregation.LAST,
    "sum": Aggregation.SUM,
}
_WINDOWS = {"hour": HOUR, "day": 24 * HOUR}
#: Of windows, in microseconds.
_LENGTHS = frozenset({None, *(length * MICROSECONDS for length in _WINDOWS.values())})


class Profile(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What Stripe knows of a meter beside what it counts."""

    customer_key: str = CUSTOMER_KEY
    value_key: str = VALUE_KEY


def profile_of(meter: records.Meter) -> Profile:
    return msgspec.convert(meter.profiles.get(PROFILE, {}), Profile)


def is_shown(meter: records.Meter) -> bool:
    """Whether this dialect has words for it, whoever made it."""
    measure = meter.measure
    plain = measure.filter is None and not measure.group_by
    plain = plain and measure.window in _LENGTHS
    return plain and measure.aggregation in _FORMULAS.values()


def meter_id(meter: Id, mode: Mode) -> str:
    return spell("mtr_test_" if mode is Mode.TEST else "mtr_", meter)


def shown(meter: records.Meter, mode: Mode) -> wire_catalog.Meter:
    profile, measure = profile_of(meter), meter.measure
    closed_at = meter.closed_at
    return wire_catalog.Meter(
        id=meter_id(meter.id, mode),
        created=meter.created_at // MICROSECONDS,
        customer_mapping=wire_catalog.MeterMapping(event_payload_key=profile.customer_key),
        default_aggregation=wire_catalog.MeterAggregation(measure.aggregation.value),
        display_name=meter.name,
        event_name=measure.event_name,
        event_time_window=_window_name(measure.window),
        livemode=mode is Mode.LIVE,
        status="active" if closed_at is None else "inactive",
        status_transitions=wire_catalog.MeterTransitions(
            None if closed_at is None else closed_at // MICROSECONDS
        ),
        updated=meter.updated_at // MICROSECONDS,
        value_settings=wire_catalog.MeterValue(measure.property or profile.value_key),
    )


def _window_name(window: int | None) -> str | None:
    names = {length * MICROSECONDS: name for name, length in _WINDOWS.items()}
    return None if window is None else names[window]


async def find(call: Call, text: str, param: str = "id") -> records.Meter:
    found = parse(text)
    try:
        meter = None if found is None else await call.ledger.meter(call.book, found)
    except MeterNotFound:
        meter = None
    if meter is None or not is_shown(meter):
        raise missing_object(NOUN, text, param)
    return meter


async def named(call: Call, event_name: str) -> records.Meter | None:
    """The active meter of an event's name."""
    catalog = await call.ledger.catalog(call.book)
    for meter in catalog.meters.values():
        fits = meter.measure.event_name == event_name and is_shown(meter)
        if fits and meter.closed_at is None:
            return meter
    return None


def _write(call: Call, command: Any) -> Write:
    mode = call.principal.mode

    def show(accepted: Accepted) -> wire_catalog.Meter:
        assert accepted.meter is not None
        return shown(accepted.meter, mode)

    return Write(command=command, show=show)


async def create_meter(call: Call, asked: CreateMeter) -> Write:
    expansion.expansion(asked.expand, expansion.METER)
    await _check_name_free(call, asked.event_name)
    aggregation = _FORMULAS[asked.default_aggregation.formula]
    value = VALUE_KEY if asked.value_settings is None else asked.value_settings.event_payload_key
    mapping = asked.customer_mapping
    profile = Profile(
        customer_key=CUSTOMER_KEY if mapping is None else mapping.event_payload_key,
        value_key=value,
    )
    window = asked.event_time_window
    counts = aggregation is Aggregation.COUNT
    measure = Measure(
        event_name=asked.event_name,
        aggregation=aggregation,
        property=None if counts else value,
        window=None if window is None else _WINDOWS[window] * MICROSECONDS,
    )
    command = CreateMeterCommand(
        code=f"stripe:{uuid4().hex}",
        name=asked.display_name,
        measure=measure,
        debits=records.Debits.ON_INVOICE,
        profiles={PROFILE: msgspec.to_builtins(profile)},
    )
    return _write(call, command)


async def _check_name_free(call: Call, event_name: str) -> None:
    if await named(call, event_name) is not None:
        raise StripeError("A meter with this event name already exists.", param="event_name")


async def update_meter(call: Call, asked: UpdateMeter) -> Write:
    expansion.expansion(asked.expand, expansion.METER)
    meter = await find(call, call.path["meter"])
    name = asked.display_name if isinstance(asked.display_name, str) else None
    return _write(call, AmendMeter(meter=meter.id, name=name))


async def deactivate_meter(call: Call, asked: One) -> Write:
    expansion.expansion(asked.expand, expansion.METER)
    meter = await find(call, call.path["meter"])
    if meter.closed_at is not None:
        raise StripeError("This meter is already inactive.")
    return _write(call, CloseMeter(meter=meter.id))


async def reactivate_meter(call: Call, asked: One) -> Write:
    expansion.expansion(asked.expand, expansion.METER)
    meter = await find(call, call.path["meter"])
    if meter.closed_at is None:
        raise StripeError("This meter is already active.")
    await _check_name_free(call, meter.measure.event_name)
    return _write(call, ReopenMeter(meter=meter.id))


async def retrieve_meter(call: Call) -> Answer:
    expansion.expansion(call.query.expand, expansion.METER)
    return _answer(call, shown(await find(call, call.path["meter"]), call.principal.mode))


async def list_meters(call: Call) -> Answer:
    asked: ListMeters = call.query
    expansion.expansion(asked.expand, expansion.METER, of_list=True)
    catalog = await call.ledger.catalog(call.book)
    known = sorted((each for each in catalog.meters.values() if is_shown(each)), key=lambda m: m.id)

    async def cursor(text: str, param: str) -> Id:
        return (await find(call, text, param)).id

    async def chunk(after: Id | None, before: Id | None) -> list[records.Meter]:
        if before is not None:
            return [each for each in known if each.id > before]
        return [each for each in reversed(known) if after is None or each.id < after]

    def keep(meter: records.Meter) -> bool:
        return asked.status is UNSET or (meter.closed_at is None) is (asked.status == "active")

    found, more = await kept.page_of(asked, cursor, chunk, lambda each: each.id, keep)
    data = [shown(each, call.principal.mode) for each in found]
    return _answer(
        call, wire_catalog.MeterList(data=data, has_more=more, url=wire_catalog.METERS_URL)
    )


# What was counted --------------------------------------------------------------------------------


async def list_summaries(call: Call) -> Answer:
    """Newest first. Without a window one summary, of all the time asked for."""
    asked: ListSummaries = call.query
    expansion.expansion(asked.expand, expansion.METER, of_list=True)
    meter = await find(call, call.path["meter"])
    customer = await _customer(call, asked.customer)
    windows = list(_windows(asked))

    async def cursor(text: str, param: str) -> Id:
        found = parse(text)
        for start, _ in windows:
            if _summary_id(meter.id, customer.id, start) == found:
                return Id(str(start).encode())
        raise missing_object("meter event summary", text, param)

    after, before = await kept.cursors(asked, cursor)
    if after is not None:
        windows = [each for each in windows if each[0] < int(after)]
    if before is not None:
        windows = [each for each in windows if each[0] > int(before)]
    page = windows[: asked.limit] if before is None else windows[-asked.limit :]
    data = [await _summary(call, meter, customer, start, end) for start, end in page]
    url = f"{wire_catalog.METERS_URL}/{call.path['meter']}/event_summaries"
    more = len(windows) > asked.limit
    return _answer(call, wire_catalog.SummaryList(data=data, has_more=more, url=url))


def _windows(asked: ListSummaries) -> Iterator[tuple[int, int]]:
    """Newest first, in seconds."""
    length = MINUTE
    if asked.value_grouping_window is not None:
        length = _WINDOWS[asked.value_grouping_window]
    for name in ("start_time", "end_time"):
        if getattr(asked, name) % length:
            unit = {MINUTE: "minute", HOUR: "hour"}.get(length, "day")
            raise StripeError(f"{name} must be aligned with {unit} boundaries.", param=name)
    if asked.end_time <= asked.start_time:
        raise StripeError("end_time must be later than start_time.", param="end_time")
    if asked.value_grouping_window is None:
        yield asked.start_time, asked.end_time
        return
    if (asked.end_time - asked.start_time) // length > 10_000:
        raise StripeError("At most 10000 windows at once.", param="end_time")
    for start in range(asked.end_time - length, asked.start_time - 1, -length):
        yield start, start + length


def _summary_id(meter: Id, customer: Id, start: int) -> Id:
    """The same each time: of the window's own time, so that they sort as it does."""
    return dated(customer, meter.hex(), Instant(start * MICROSECONDS))


async def _summary(
    call: Call, meter: records.Meter, customer: Customer, start: int, end: int
) -> wire_catalog.Summary:
    span = Span(
        customer.id,
        meter.measure,
        Instant(start * MICROSECONDS),
        Instant(end * MICROSECONDS),
    )
    use = await call.ledger.use(span)
    mode = call.principal.mode
    prefix = "mtrusg_test_" if mode is Mode.TEST else "mtrusg_"
    return wire_catalog.Summary(
        id=spell(prefix, _summary_id(meter.id, customer.id, start)),
        aggregated_value=msgspec.Raw(quantities.render(use.quantity).encode()),
        end_time=end,
        livemode=mode is Mode.LIVE,
        meter=meter_id(meter.id, mode),
        start_time=start,
    )


async def _customer(call: Call, text: str, param: str = "customer") -> Customer:
    try:
        return await call.ledger.customer(call.book, reference(text))
    except CustomerNotFound:
        raise missing_object("customer", text, param) from None


# Meter events ------------------------------------------------------------------------------------


async def create_meter_event(call: Call, asked: CreateMeterEvent) -> Write:
    time = None if asked.timestamp is None else Instant(asked.timestamp * MICROSECONDS)
    command = await usage_of(call, asked, time)
    mode = call.principal.mode

    def show(accepted: Accepted) -> wire_catalog.MeterEvent:
        event = recorded_anew(accepted)
        return wire_catalog.MeterEvent(
            created=event.recorded_at // MICROSECONDS,
            event_name=event.name,
            identifier=event.own_id,
            livemode=mode is Mode.LIVE,
            payload=asked.payload,
            timestamp=event.time // MICROSECONDS,
        )

    return Write(command=command, show=show)


def recorded_anew(accepted: Accepted) -> records.Event:
    """Raises ``StripeError`` for one whose identifier was used before."""
    event = accepted.event
    assert event is not None
    if accepted.operation is None:
        raise StripeError(f"An event already exists with identifier {echoed(event.own_id)}.")
    return event


async def usage_of(call: Call, asked: CreateMeterEvent, time: Instant | None) -> RecordUsage:
    """What Stripe finds out later is refused at once: an unknown customer, a value that is no number."""
    meter = await named(call, asked.event_name)
    if meter is None:
        message = f'No active meter found for event name "{echoed(asked.event_name)}".'
        raise StripeError(message)
    customer = await _who(call, asked, meter)
    now = await call.ledger.now_of(customer)
    if time is not None and not now - OLD_MAX <= time <= now + AHEAD_MAX:
        raise StripeError(
            "The timestamp must be within the past 35 calendar days and up to 5 minutes in the future.",
            param="timestamp",
        )
    _check_value(asked, meter)
    await call.ledger.settle_due(call.book, customer.id)
    return RecordUsage(
        customer=customer.id,
        own_id=asked.identifier or str(uuid4()),
        name=asked.event_name,
        time=time,
        properties={**asked.payload},
    )


async def create_adjustment(call: Call, asked: CreateAdjustment) -> Write:
    expansion.expansion(asked.expand, expansion.METER)
    if asked.cancel is None:
        raise missing("cancel[identifier]")
    identifier, mode = asked.cancel.identifier, call.principal.mode
    command = await cancelling(call, asked.event_name, identifier)

    def show(accepted: Accepted) -> wire_catalog.Adjustment:
        return wire_catalog.Adjustment(
            cancel=wire_catalog.Canceled(identifier),
            event_name=asked.event_name,
            livemode=mode is Mode.LIVE,
        )

    return Write(command=command, show=show)


async def cancelling(call: Call, event_name: str, identifier: str) -> RecordUsage:
    """Cancel an event: it is as if it had not been, but that its identifier stays used."""
    event = await _event(call, identifier)
    if event is None or event.name != event_name:
        raise missing_object("meter event", identifier, "cancel[identifier]")
    if call.now - event.recorded_at > DAY:
        raise StripeError(
            "A meter event can be canceled within 24 hours of when it was received.",
            param="cancel[identifier]",
        )
    await call.ledger.settle_due(call.book, event.customer)
    return RecordUsage(
        customer=event.customer,
        own_id=identifier,
        name=CANCELED,
        time=event.time,
        properties=event.properties,
        override=True,
    )


async def _event(call: Call, identifier: str) -> records.Event | None:
    try:
        return await call.ledger.usage_event(call.book, identifier)
    except EventNotFound:
        return None


async def _who(call: Call, asked: CreateMeterEvent, meter: records.Meter) -> Customer:
    key = profile_of(meter).customer_key
    text = asked.payload.get(key, "")
    if not text:
        raise missing(f"payload[{key}]")
    return await _customer(call, text, f"payload[{key}]")


def _check_value(asked: CreateMeterEvent, meter: records.Meter) -> None:
    key = meter.measure.property
    if key is None:
        return
    if key not in asked.payload:
        raise missing(f"payload[{key}]")
    if quantities.parse(asked.payload[key]) is None:
        raise StripeError(
            f"Invalid value: {echoed(asked.payload[key])}; it must be a number with at most 12 decimal "
            "places.",
            param=f"payload[{key}]",
        )


def _answer(call: Call, shown: Any) -> Answer:
    return Answer(status=200, body=msgspec.json.encode(shown), request_id=call.request_id)
