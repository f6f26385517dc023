"""What a usage event is to the meters and rates of its book, before anything is decided on it."""

from __future__ import annotations

import msgspec

from drawdown.core import meters
from drawdown.core.commands import RecordUsage
from drawdown.core.errors import EventReused, FieldInvalid, TooManyCounts
from drawdown.core.identity import relocate, slot_of
from drawdown.core.meters import Contribution
from drawdown.core.properties import Properties, text_of
from drawdown.core.requests import Request
from drawdown.core.state import State
from drawdown.core.types import Attributes, Id, Instant
from drawdown.core.usage_records import (
    CHARGES_MAX,
    GROUPS_MAX,
    Count,
    CountKey,
    Event,
    Meter,
    Rate,
    count_key,
)


class Counted(msgspec.Struct, frozen=True):
    """What one rate counts of an event."""

    meter: Meter
    rate: Rate
    key: CountKey
    contribution: Contribution


def counted_by(
    request: Request, command: RecordUsage, customer: Id, event: bytes, state: State
) -> list[Counted]:
    """Which rates count an event, in the order in which they were made, and what it is to each.

    Raises ``FieldInvalid`` for an event that lacks what a meter is about.
    """
    found = []
    time = usage_time(request, command, customer, state)
    for meter, rate in state.catalogs[request.book].charges_of(command.name):
        contribution = meters.contribution(meter.measure, time, event, command.properties)
        if contribution is not None:
            key = count_key(customer, rate, time, rate.group(meter, command.properties))
            found.append(Counted(meter, rate, key, contribution))
    if len(found) > CHARGES_MAX:
        raise FieldInvalid("name", f"charged by at most {CHARGES_MAX} rates")
    return found


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

    Raises ``EventReused`` when it is another, unless it is to be overridden; it stays with its customer.
    """
    asked = (customer, command.name, command.properties)
    same = asked == (event.customer, event.name, event.properties)
    if same and command.time in (None, event.time):
        return True
    if not command.override:
        raise EventReused(event=command.own_id)
    if customer != event.customer:
        raise FieldInvalid("customer", "that of the event that is overridden")
    return False


def count_of(
    key: CountKey, rate: Rate, meter: Meter, properties: Properties, state: State
) -> Count:
    """The count as it is before the event. Raises ``TooManyCounts`` for a new one that is too much."""
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
