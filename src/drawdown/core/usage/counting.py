"""What a usage event is to the meters and rates of its book, before anything is decided on it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from drawdown.core.commands import RecordUsage
from drawdown.core.errors import EventReused, FieldInvalid, LedgerError, TooManyCounts
from drawdown.core.identity import relocate, slot_of
from drawdown.core.requests import Request
from drawdown.core.schedules.terms import Schedule, number_at
from drawdown.core.state import State
from drawdown.core.types import UNITS_MAX, Attributes, Id, Instant
from drawdown.core.usage import meters, rating
from drawdown.core.usage.meters import Aggregation, Contribution, Measure
from drawdown.core.usage.properties import Properties, text_of
from drawdown.core.usage.quantities import ONE, Quantity
from drawdown.core.usage.records import (
    CHARGES_MAX,
    GROUPS_MAX,
    Charge,
    Count,
    CountKey,
    Customers,
    Debits,
    Event,
    Meter,
    Rate,
    group_hash,
)


class Unforeseen(Exception):
    """What a request needs follows from what is before it in its batch: it must be decided by itself."""


def latest_of(customer: Id, state: State) -> Sequence[Event]:
    """The customer's latest events, the last first: few overrides need them, so few load them."""
    if customer not in state.latest_events:
        raise Unforeseen
    return state.latest_events[customer]


#: What a rate counts that charges the rest of another: a sum of what that left.
_REST = Measure(event_name="rest", aggregation=Aggregation.SUM, property="rest")


def measure_of(meter: Meter, rate: Rate) -> Measure:
    return meter.measure if rate.rest_of is None else _REST


class Counted(msgspec.Struct, frozen=True):
    """What one rate counts of an event; of the rest of another rate nothing, until that is paid."""

    meter: Meter
    rate: Rate
    key: CountKey
    contribution: Contribution

    @property
    def measure(self) -> Measure:
        return measure_of(self.meter, self.rate)

    def rest(self, units: int, scale: int) -> Counted:
        """As it is when another rate has left so many units uncovered."""
        contribution = msgspec.structs.replace(self.contribution, quantity=rest_of(units, scale))
        return msgspec.structs.replace(self, contribution=contribution)


def rest_of(units: int, scale: int) -> Quantity:
    """Units of credit as a quantity of usage: exactly, since none has more places than a quantity."""
    return Quantity(units * (ONE // 10**scale))


def contribution_to(
    meter: Meter, rate: Rate, event: Event, charge: Charge | None = None
) -> Contribution | None:
    """What an event that is kept means to a rate; ``charge`` is what it costs by that."""
    if rate.rest_of is not None:
        rest = Quantity(0) if charge is None else charge.rest
        return Contribution(rest, event.time, event.id)
    return meters.contribution(meter.measure, event.time, event.id, event.properties)


def counted_by(
    request: Request,
    command: RecordUsage,
    customer: Id,
    event: bytes,
    state: State,
    before: Event | None = None,
) -> list[Counted]:
    """Which rates count an event, in the order in which they were made, and what it is to each.

    ``before``: what it takes the place of; who counted that counts it, too, and in its period where the time
    is the same; and so does who counted everybody's when that was taken. Raises ``FieldInvalid`` for an event
    that lacks what a meter is about.
    """
    found: list[Counted] = []
    time = usage_time(request, command, customer, state)
    known = _periods(before)
    for meter, rate in state.catalogs[request.book].charges_of(command.name):
        if rate.id not in known and not _charges(meter, rate, customer, time, state, before):
            continue
        contribution = meters.contribution(meter.measure, time, event, command.properties)
        if rate.rest_of is not None:
            if all(each.rate.id != rate.rest_of for each in found):
                continue
            contribution = Contribution(Quantity(0), time, event)
        if contribution is not None:
            group = group_hash(rate.group(meter, command.properties))
            stays = before is not None and before.time == time and rate.id in known
            start = known[rate.id] if stays else _period_start(rate, customer, time, state)
            found.append(Counted(meter, rate, (customer, rate.id, start, group), contribution))
    if len(found) > CHARGES_MAX:
        raise FieldInvalid("name", f"charged by at most {CHARGES_MAX} rates")
    return found


def most_due(counted: Counted, attributes: Attributes, scale: int) -> int:
    """What an event may ask for at most by a rate, in units, whatever was counted before it.

    A price that is the same for each unit lets the cost rise by no more than that of the event alone, and
    the carry by one more. Any other price may make much of little: then there is no bound. What is counted of
    the rest of another rate must be the most that this may leave.
    """
    if counted.meter.debits is Debits.ON_INVOICE:
        return 0
    try:
        price = rating.price_for(counted.rate.price, attributes)
        if not isinstance(price, rating.PerUnit | rating.PerCredit):
            return UNITS_MAX
        quantity = Quantity(max(counted.contribution.quantity, 0))
        return rating.units(msgspec.structs.replace(price, free=rating.ZERO), quantity, scale) + 1
    except LedgerError:
        return UNITS_MAX


def _charges(
    meter: Meter, rate: Rate, customer: Id, time: Instant, state: State, before: Event | None
) -> bool:
    """Whether a rate counts usage of the customer at ``time``, new or in the place of what was ``before``."""
    if rate.customers is Customers.ALL and before is not None:
        return _was_open(meter, rate, before.recorded_at)
    if meter.closed_at is not None or rate.closed_at is not None:
        return False
    if rate.customers is Customers.ALL:
        return True
    found = state.attached[customer].values()
    return any(each.rate == rate.id and each.covers(time) for each in found)


def _was_open(meter: Meter, rate: Rate, at: Instant) -> bool:
    """One that was made since counts no event that was taken then, nor one that was closed before."""
    ends = (each.closed_at for each in (meter, rate))
    return rate.created_at <= at and all(end is None or at < end for end in ends)


def _periods(event: Event | None) -> dict[Id, Instant]:
    """The rates that count an event, and in which period."""
    charges = () if event is None else event.charges
    return {Id(bytes.fromhex(charge.rate)): charge.period for charge in charges if not charge.left}


def _period_start(rate: Rate, customer: Id, time: Instant, state: State) -> Instant:
    """When the period began in which usage of a time is counted."""
    schedule = None
    if rate.period.cycle:
        wallet = state.wallets.get((customer, rate.entitlement))
        schedule = None if wallet is None else _newest(wallet.schedules.values(), time)
    if schedule is None:
        return rate.period.start(time)
    start = schedule.begins_at(number_at(schedule, time))
    assert start is not None, "the cycle at an instant has begun"
    return start


def _newest(schedules: Iterable[Schedule], time: Instant) -> Schedule | None:
    """Of the live schedules that run at a time, the one that was made last."""
    running = [
        each
        for each in schedules
        if each.is_live and each.starts_at <= time and not each.is_over_by(time)
    ]
    return max(running, key=lambda each: (each.created_at, each.id), default=None)


def new_event_id(request: Request, command: RecordUsage, customer: Id, state: State) -> Id:
    """The id of an event that is to be kept, and of its operation: the request's, or one claimed for it."""
    claimed = state.event_ids.get((request.book, command.own_id))
    return relocate(request.id, slot_of(customer)) if claimed is None else claimed


def usage_time(request: Request, command: RecordUsage, customer: Id, state: State) -> Instant:
    """When the usage was."""
    return state.now_of(customer, request.at) if command.time is None else command.time


def attributes_of(properties: Properties) -> Attributes:
    """What a debit of the usage is for: by it grants are in scope, and prices differ."""
    return {name: text_of(value) for name, value in properties.items()}


def known_event(request: Request, command: RecordUsage, state: State) -> Event | None:
    """The event that was taken for the id before; None also where the id was claimed, and no more."""
    found = state.event_ids[(request.book, command.own_id)]
    return None if found is None else state.events[found]


def is_same(command: RecordUsage, customer: Id, event: Event) -> bool:
    """Whether the event that is there is the one that is asked for. A time left out is any.

    Raises ``EventReused`` when it is another, unless it is to be overridden as it is; it stays with its
    customer.
    """
    asked = (customer, command.name, command.properties)
    same = asked == (event.customer, event.name, event.properties)
    if same and command.time in (None, event.time):
        return True
    if not command.override or command.revision not in (None, event.revision):
        raise EventReused(event=command.own_id)
    if customer != event.customer:
        raise FieldInvalid("customer", "that of the event that is overridden")
    return False


def count_of(
    key: CountKey, rate: Rate, meter: Meter, properties: Properties, state: State
) -> Count:
    """The count as it is before the event. Raises ``TooManyCounts`` for a new one that is too much."""
    if key not in state.counts:
        raise Unforeseen
    before = state.counts[key]
    if before is not None:
        return before
    if state.groups.get(key[:3], 0) >= GROUPS_MAX:
        raise TooManyCounts(maximum=GROUPS_MAX)
    return Count(key=key, group=rate.group(meter, properties))


def keep_count(count: Count, state: State) -> None:
    if state.counts[count.key] is None:
        place = count.key[:3]
        state.groups[place] = state.groups.get(place, 0) + 1
    state.counts[count.key] = state.changes.counts[count.key] = count


def keep_value(key: CountKey, contribution: Contribution, step: int, state: State) -> None:
    """One event more, or one less, has the value that ``unique`` counts."""
    if contribution.value:
        place = (key, contribution.value)
        state.values[place] = state.changes.values[place] = state.values.get(place, 0) + step
