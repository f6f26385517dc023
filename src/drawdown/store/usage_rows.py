"""Rows of usage: meters, rates, events and counts, in the column order of every store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from functools import lru_cache
from typing import TypeVar

import msgspec

from drawdown.core.errors import LedgerError
from drawdown.core.fold import Fault
from drawdown.core.identity import slot_of
from drawdown.core.types import Id, Instant, Profiles
from drawdown.core.usage import meters
from drawdown.core.usage.meters import Measure
from drawdown.core.usage.properties import (
    Group,
    Properties,
    document_of,
    exact,
    kept_properties,
    properties_of,
)
from drawdown.core.usage.rating import Price, Table
from drawdown.core.usage.records import (
    METERS_MAX,
    RATES_MAX,
    Attachment,
    AttachmentKey,
    Catalog,
    Charge,
    Count,
    CountKey,
    Customers,
    Debits,
    Event,
    Meter,
    MeterWatch,
    Period,
    Rate,
    ValueKey,
    catalog_of,
)
from drawdown.core.usage.spans import Used
from drawdown.engine.ports import EventFilter
from drawdown.store.rows import Row

Given = TypeVar("Given")
Found = TypeVar("Found")
_encode = msgspec.json.Encoder().encode
_decode_measure = msgspec.json.Decoder(Measure).decode
_decode_price = msgspec.json.Decoder(Price | Table).decode
_decode_profiles = msgspec.json.Decoder(Profiles).decode
_decode_watch = msgspec.json.Decoder(MeterWatch).decode
_decode_period = msgspec.json.Decoder(Period).decode
_decode_group = msgspec.json.Decoder(Group).decode
_decode_charges = msgspec.json.Decoder(tuple[Charge, ...]).decode
_decode_properties = msgspec.json.Decoder(dict[str, object], float_hook=exact).decode


def _text(value: object) -> str:
    return _encode(value).decode()


def properties_text(properties: Properties) -> str:
    """The properties as the JSON that they came in: a number is a number."""
    return _text(document_of(properties))


@lru_cache(maxsize=2 * METERS_MAX)
def meter_of(row: Row) -> Meter:
    """Every batch reads all meters and rates of its book: what a row says is found out once."""
    return Meter(
        id=row[0],
        book=row[1],
        code=row[2],
        name=row[3],
        measure=_decode_measure(row[4]),
        debits=Debits(row[5]),
        created_at=Instant(row[6]),
        closed_at=row[7],
        updated_at=Instant(row[8]),
        profiles=_decode_profiles(row[9]),
        watch=None if row[10] is None else _decode_watch(row[10]),
    )


def meter_row(meter: Meter) -> Row:
    return (
        meter.id,
        meter.book,
        meter.code,
        meter.name,
        _text(meter.measure),
        meter.debits.value,
        meter.created_at,
        meter.closed_at,
        meter.updated_at,
        _text(meter.profiles),
    )


def watched_row(meter: Meter) -> Row:
    return None if meter.watch is None else _text(meter.watch), meter.id


def changed_meter_row(meter: Meter) -> Row:
    return meter.name, meter.updated_at, _text(meter.profiles), meter.closed_at, meter.id


@lru_cache(maxsize=2 * RATES_MAX)
def rate_of(row: Row) -> Rate:
    return Rate(
        id=row[0],
        book=row[1],
        meter=row[2],
        entitlement=row[3],
        price=_decode_price(row[4]),
        period=_decode_period(row[5]),
        created_at=Instant(row[6]),
        closed_at=row[7],
        customers=Customers(row[8]),
        rest_of=row[9],
    )


def rate_row(rate: Rate) -> Row:
    return (
        rate.id,
        rate.book,
        rate.meter,
        rate.entitlement,
        _text(rate.price),
        _text(rate.period),
        rate.created_at,
        rate.closed_at,
        rate.customers.value,
        rate.rest_of,
    )


def catalog(meters_found: Iterable[Row], rates_found: Iterable[Row]) -> Catalog:
    """The meters and rates of a book, in the order in which they were made."""
    return catalog_of(
        (meter_of(tuple(row)) for row in meters_found), (rate_of(tuple(row)) for row in rates_found)
    )


def event_of(row: Row) -> Event:
    return Event(
        id=Id(row[0]),
        customer=Id(row[1]),
        book=Id(row[2]),
        own_id=row[3],
        name=row[4],
        time=Instant(row[5]),
        recorded_at=Instant(row[6]),
        properties=properties_of(_decode_properties(row[7])),
        charges=_decode_charges(row[8]),
        overridden_by=row[9],
        revision=row[10],
    )


#: So many events are counted before others have their turn.
COUNTED_AT_ONCE = 5_000


def used_of(row: Row) -> Used:
    """Of a row of time, id, properties and charges."""
    properties = kept_properties(_decode_properties(row[2]))
    charges = () if row[3] == "[]" else _decode_charges(row[3])
    return Used(row[0], row[1], properties, charges)


def event_row(event: Event) -> Row:
    """Without its slot."""
    return (
        event.id,
        event.customer,
        event.book,
        event.own_id,
        event.name,
        event.time,
        event.recorded_at,
        properties_text(event.properties),
        _text(event.charges),
        event.is_uncovered,
    )


def amended_row(event: Event) -> Row:
    """What an override may change of an event, without its key."""
    return (
        event.name,
        event.time,
        properties_text(event.properties),
        _text(event.charges),
        event.is_uncovered,
        event.overridden_by,
        event.revision,
    )


def count_of(key: CountKey, row: Row) -> Count:
    """The count of a row's texts, tally and charged units."""
    return Count(
        key=key,
        group=_decode_group(row[0]),
        tally=meters.from_bytes(row[1].encode()),
        charged=row[2],
    )


def new_count_row(count: Count) -> Row:
    return (*count.key, _text(count.group), *_kept(count))


def count_row(count: Count) -> Row:
    return (*count.key, *_kept(count))


def _kept(count: Count) -> Row:
    return meters.to_bytes(count.tally).decode(), count.charged


def value_row(value: ValueKey, events: int) -> Row:
    key, hashed = value
    return (*key, hashed, events)


def readable(read: Callable[[Given], Found], given: Given) -> Found:
    """What is read of rows for ``verify``. Raises ``Fault`` for what was never written by a ledger."""
    try:
        return read(given)
    except (msgspec.MsgspecError, LookupError, LedgerError, TypeError, ValueError) as error:
        raise Fault(f"usage cannot be read: {error!r}") from error


async def with_ends(events: AsyncIterator[Event]) -> AsyncIterator[Event | None]:
    """Events that come customer by customer, with None after each customer's last."""
    last: Event | None = None
    async for event in events:
        if last is not None and last.customer != event.customer:
            yield None
        last = event
        yield event
    if last is not None:
        yield None


def values_of(customer: Id, found: Iterable[Row]) -> dict[ValueKey, int]:
    """Of rows of rate, period, grouping, value and how many events had it."""
    return {((customer, row[0], row[1], row[2]), row[3]): row[4] for row in found}


def counts_of(customer: Id, found: Iterable[Row]) -> list[Count]:
    """Of rows of rate, period and grouping, with what ``count_of`` takes."""
    return [count_of((customer, row[0], row[1], row[2]), tuple(row[3:])) for row in found]


def attachments_of(found: Iterable[Row]) -> dict[AttachmentKey, Attachment]:
    """Of rows of customer, rate, name and the two bounds."""
    return {
        (row[0], row[1], row[2]): Attachment(
            customer=row[0], rate=row[1], name=row[2], starts_at=row[3], ends_at=row[4]
        )
        for row in found
    }


def attached_rows(changed: dict[AttachmentKey, Attachment | None]) -> list[Row]:
    """What customers and rates are attached to each other for, from now on."""
    return [
        (slot_of(each.customer), each.customer, each.rate, each.name, each.starts_at, each.ends_at)
        for each in changed.values()
        if each is not None
    ]


def detached_rows(changed: dict[AttachmentKey, Attachment | None]) -> list[Row]:
    """Under which names they no longer are."""
    gone = (key for key, now in changed.items() if now is None)
    return [(slot_of(customer), customer, rate, name) for customer, rate, name in gone]


def event_list(
    select: str, asked: EventFilter, mark: Callable[[int], str], uncovered: str
) -> tuple[str, list[object]]:
    """The statement of a filter; ``mark`` writes the n-th parameter, ``uncovered`` what the index says."""
    bindings: list[object] = []

    def bound(value: object) -> str:
        bindings.append(value)
        return mark(len(bindings))

    if asked.customer is None:
        conditions = [f"e.book = {bound(asked.book)}"]
    else:  # without the book, which is his: else its index may be gone through for his events
        conditions = [f"e.slot = {bound(slot_of(asked.customer))}"]
        conditions.append(f"e.customer = {bound(asked.customer)}")
    if asked.name is not None:
        conditions.append(f"e.name = {bound(asked.name)}")
    if asked.since is not None:
        conditions.append(f"e.time >= {bound(asked.since)}")
    if asked.until is not None:
        conditions.append(f"e.time < {bound(asked.until)}")
    if asked.uncovered:
        conditions.append(uncovered)
    if asked.after is not None:
        conditions.append(f"e.id < {bound(asked.after)}")
    if asked.before is not None:
        conditions.append(f"e.id > {bound(asked.before)}")
    order = "DESC" if asked.before is None else "ASC"
    where = " AND ".join(conditions)
    page = f"LIMIT {bound(asked.limit)}"
    if asked.offset:
        page += f" OFFSET {bound(asked.offset)}"
    return f"{select} WHERE {where} ORDER BY e.id {order} {page}", bindings
