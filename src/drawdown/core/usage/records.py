"""The records of usage: meters, rates, events, and what is counted of them for each customer.

What a meter and a rate count never changes once they are made: what was counted is counted by the same rule
again. To charge otherwise, close the rate and make another.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Iterator
from enum import StrEnum
from hashlib import sha256

import msgspec

from drawdown.core.schedules import calendar
from drawdown.core.schedules.calendar import CalendarUnit
from drawdown.core.types import AlertRule, Id, Instant, Profiles
from drawdown.core.usage.meters import Measure, Tally
from drawdown.core.usage.properties import Group, Properties, group_of
from drawdown.core.usage.quantities import Quantity
from drawdown.core.usage.rating import Price, Table

METERS_MAX = 200
RATES_MAX = 500
#: How many times as many there may be with those that are closed.
CLOSED_FACTOR = 10
#: Bytes of what a meter or a rate says, as JSON: all of a book's are loaded together.
DEFINITION_BYTES_MAX = 262_144
#: Over all that one customer's usage is counted by, for one rate and period.
GROUPS_MAX = 10_000
#: How many rates one event may be charged by.
CHARGES_MAX = 50
#: How many of the customer's latest events an override looks at, where the others matter.
LATEST_MAX = 10_000
EVENT_ID_MAX = 255
#: Stretches of time for which one customer is attached to rates, those that are over among them.
ATTACHMENTS_MAX = 2_000


def is_event_id(text: str) -> bool:
    """Whether an event may have ``text`` as its own id."""
    return 1 <= len(text) <= EVENT_ID_MAX and text.isprintable()


class Debits(StrEnum):
    """Whether a meter's usage is drawn as it arrives, or only counted until it is invoiced."""

    AT_ONCE = "at_once"
    ON_INVOICE = "on_invoice"


class Customers(StrEnum):
    """Whom a rate charges: every customer of the book, or those that it is attached to."""

    ALL = "all"
    ATTACHED = "attached"


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of time whose usage a rate charges a customer for, from ``starts_at`` to before ``ends_at``.

    None: without that bound. A customer may be attached to one rate under several ``name``s, each for a
    stretch of its own: usage is charged, once, if one of them covers its time.
    """

    customer: Id
    rate: Id
    name: str = ""
    starts_at: Instant | None = None
    ends_at: Instant | None = None

    def covers(self, time: Instant) -> bool:
        begun = self.starts_at is None or self.starts_at <= time
        return begun and (self.ends_at is None or time < self.ends_at)


#: A customer, a rate and the name under which he is attached to it.
AttachmentKey = tuple[Id, Id, str]


class MeterWatch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """That somebody watches a meter, ``since`` when. ``rules``: the live alerts on everybody's use.

    It stays when nobody does any more: what customers use is counted all along.
    """

    since: Instant
    rules: tuple[AlertRule, ...] = ()


class Meter(msgspec.Struct, frozen=True, kw_only=True):
    """Which events count, and how they become one number. ``code`` is unique in its book.

    ``profiles`` is what dialects know of it, each under its own name. ``watch`` None: nobody ever watched it.
    """

    id: Id
    book: Id
    code: str
    name: str
    measure: Measure
    created_at: Instant
    updated_at: Instant
    debits: Debits = Debits.AT_ONCE
    closed_at: Instant | None = None
    profiles: Profiles = {}
    watch: MeterWatch | None = None


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """Over what usage is summed up before it begins again: a calendar's unit in a zone; None: for ever.

    ``cycle``: where the customer has a schedule of the rate's entitlement, over its cycles instead.
    """

    unit: CalendarUnit | None = CalendarUnit.MONTH
    zone: str = "UTC"
    cycle: bool = False

    def start(self, at: Instant) -> Instant:
        """When the period that ``at`` lies in began."""
        if self.unit is None:
            return Instant(0)
        cycle = calendar.cycle_at(calendar.calendar_cadence(self.unit, self.zone), at)
        assert cycle is not None, "instants are from 1970 to 9999"
        return cycle.starts_at


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """What a meter's number costs, in credit of which entitlement.

    ``rest_of`` is another rate of the meter: then this one charges only what nothing pays for by that. What
    it counts is that rest, in whole credits of the other's entitlement and fractions of one. Both draw what
    there is, also of an entitlement that refuses where there is too little.
    """

    id: Id
    book: Id
    meter: Id
    entitlement: Id
    price: Price | Table
    created_at: Instant
    period: Period = Period()
    customers: Customers = Customers.ALL
    closed_at: Instant | None = None
    rest_of: Id | None = None

    def group(self, meter: Meter, properties: Properties) -> Group:
        """By what usage is counted apart: the meter's properties, and the one that prices differ by."""
        names = meter.measure.group_by
        if isinstance(self.price, Table):
            names = (*names, self.price.attribute)
        return group_of(names, properties)


class Catalog(msgspec.Struct, kw_only=True):
    """Every meter and rate of a book. There are few, so they are loaded together."""

    meters: dict[Id, Meter] = {}
    rates: dict[Id, Rate] = {}
    by_event: dict[str, list[tuple[Meter, Rate]]] = {}
    watched: dict[str, list[Id]] = {}

    def add_meter(self, meter: Meter) -> None:
        self.meters[meter.id] = meter
        self._note_watched(meter)

    def add_rate(self, rate: Rate) -> None:
        """Its meter must be there."""
        self.rates[rate.id] = rate
        meter = self.meters[rate.meter]
        self.by_event.setdefault(meter.measure.event_name, []).append((meter, rate))

    def charges_of(self, name: str) -> Iterator[tuple[Meter, Rate]]:
        """The rates of an event's name, in the order in which they were made, closed ones among them."""
        return iter(self.by_event.get(name, ()))

    def watched_of(self, name: str) -> Iterator[Meter]:
        """The meters of an event's name that somebody watches, in the order of their ids."""
        return (self.meters[meter] for meter in self.watched.get(name, ()))

    def watched_meters(self) -> Iterator[Meter]:
        """All that somebody watches, or has."""
        return (meter for name in sorted(self.watched) for meter in self.watched_of(name))

    def change_meter(self, meter: Meter) -> None:
        self.meters[meter.id] = meter
        self._replace(meter, None)
        self._note_watched(meter)

    def _note_watched(self, meter: Meter) -> None:
        if meter.watch is not None:
            known = self.watched.setdefault(meter.measure.event_name, [])
            if meter.id not in known:
                insort(known, meter.id)

    def close_rate(self, rate: Rate) -> None:
        self.rates[rate.id] = rate
        self._replace(None, rate)

    def _replace(self, meter: Meter | None, rate: Rate | None) -> None:
        """Put a record as it is now in the place of the one before."""
        for pairs in self.by_event.values():
            for place, (old_meter, old_rate) in enumerate(pairs):
                if meter is not None and old_meter.id == meter.id:
                    pairs[place] = (meter, old_rate)
                if rate is not None and old_rate.id == rate.id:
                    pairs[place] = (old_meter, rate)


def catalog_of(found: Iterable[Meter], rates: Iterable[Rate]) -> Catalog:
    catalog = Catalog()
    for meter in found:
        catalog.add_meter(meter)
    for rate in rates:
        catalog.add_rate(rate)
    return catalog


#: What is counted together: (customer, rate, start of the period, hash of the group).
CountKey = tuple[Id, Id, Instant, bytes]
#: A customer, a rate and a period: what groups are counted in.
CountPlace = tuple[Id, Id, Instant]
#: One of the values that ``unique`` counts.
ValueKey = tuple[CountKey, bytes]


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """A customer's usage by one rate in one period and group; ``charged`` units of it were asked for.

    What was asked for and could not be drawn stays in ``charged``: it is the event's ``uncovered``.
    """

    key: CountKey
    group: Group
    tally: Tally = Tally()
    charged: int = 0


class Charge(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """What one event costs by one rate, in units at ``scale``: ``drawn``, or taken as ``overage``, or not.

    ``amount`` is the increase of the cost of the whole period, so it may be 0. ``rate`` is the id in
    hexadecimal digits, ``meter`` and ``entitlement`` are codes. ``period`` and ``grouping`` (hexadecimal) say
    which count it is of: what all its events were charged adds up to what the count was. ``left``: of one
    that an override took the event out of, and whose cost rose by that. ``rest``: what a rate counted that
    charges what another leaves (``Rate.rest_of``), in steps of 10**-12 of a credit.
    """

    rate: str
    meter: str
    entitlement: str
    scale: int
    amount: int
    drawn: int
    overage: int
    period: Instant
    grouping: str = ""
    left: bool = False
    rest: Quantity = Quantity(0)

    @property
    def uncovered(self) -> int:
        return self.amount - self.drawn - self.overage

    @property
    def paid(self) -> int:
        return self.drawn + self.overage

    def key(self, customer: Id) -> CountKey:
        rate, grouping = bytes.fromhex(self.rate), bytes.fromhex(self.grouping)
        return (customer, Id(rate), self.period, grouping)


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A usage event as it was taken: once for its ``own_id`` in its book. ``time`` is that of the use.

    ``id`` is that of the operation that recorded it, ``overridden_by`` that of the last one that overrode it.
    ``revision`` counts how often it has changed since: overridden, or charged less by another's override.
    """

    id: Id
    book: Id
    customer: Id
    own_id: str
    name: str
    time: Instant
    recorded_at: Instant
    properties: Properties = {}
    charges: tuple[Charge, ...] = ()
    overridden_by: Id | None = None
    revision: int = 0

    @property
    def drawn_by(self) -> Id:
        """The operation that drew what it is charged."""
        return self.id if self.overridden_by is None else self.overridden_by

    @property
    def is_paid(self) -> bool:
        """Whether something was drawn for it, or taken as overage."""
        return any(charge.paid for charge in self.charges)

    @property
    def is_uncovered(self) -> bool:
        return any(charge.uncovered for charge in self.charges)


def group_hash(group: Group) -> bytes:
    """16 bytes that stand for a group; that of no group is empty."""
    if not group:
        return b""
    return sha256(msgspec.json.encode(group)).digest()[:16]
