"""What a metric comes to for some customers, in some days: their events, counted anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator

import msgspec

from drawdown.core import identity
from drawdown.core.errors import CustomerNotFound, FieldInvalid
from drawdown.core.types import Id, Instant
from drawdown.core.usage import meters, quantities
from drawdown.core.usage.meters import Contribution, Measure, Tally
from drawdown.core.usage.properties import Group, group_of
from drawdown.core.usage.records import Event
from drawdown.dialects.sequence.answering import days_of
from drawdown.dialects.sequence.usage.measures import measure_of
from drawdown.dialects.sequence.usage.wire import Calculated, CalculateQuery, Definition
from drawdown.web import fields
from drawdown.web.endpoints import Call
from drawdown.web.errors import BadRequest

ALIASES_MAX = 100
EVENTS_MAX = 100_000
_CHUNK = 1_000


class _Groups:
    """A tally for each group; their sum is what the metric comes to."""

    def __init__(self, measure: Measure) -> None:
        self._measure = measure
        self._tallies: dict[Group, Tally] = {}
        self._seen: dict[Group, Counter[bytes]] = {}
        #: The least and the greatest id of what counted.
        self.ends: tuple[Id, ...] = ()
        self.count = 0

    def add(self, event: Event) -> None:
        contribution = self._contribution(event)
        if contribution is None:
            return
        group = group_of(self._measure.group_by, event.properties)
        seen = self._seen.setdefault(group, Counter())
        before = self._tallies.get(group, Tally())
        self._tallies[group] = meters.add(self._measure, before, contribution, seen)
        seen[contribution.value] += bool(contribution.value)
        ends = sorted((*self.ends, event.id))
        self.ends, self.count = (ends[0], ends[-1]), self.count + 1

    def _contribution(self, event: Event) -> Contribution | None:
        """An event from before the metric may lack what it sums: it counts nothing."""
        try:
            return meters.contribution(self._measure, event.time, event.id, event.properties)
        except FieldInvalid:
            return None

    @property
    def total(self) -> int:
        return sum(each.quantity for each in self._tallies.values())


async def calculate(call: Call, definition: Definition, query: CalculateQuery) -> Calculated:
    """Raises ``BadRequest`` for an alias that is nobody's, and for more than ``EVENTS_MAX`` events."""
    if query.custom_parameters:
        raise BadRequest("customParameters", "left out: no metric here has parameters")
    days = await days_of(call)
    start = days.first_instant(query.period_start, "periodStart")
    end = days.end(query.period_end, "periodEnd")
    if end <= start:
        raise BadRequest("periodEnd", "the day of periodStart or later")
    groups = _Groups(measure_of(definition))
    looked_at = 0
    for customer in await _customers(call, query.customer_aliases):
        async for event in _events(call, customer, definition.event_type, start, end):
            looked_at += 1
            if looked_at > EVENTS_MAX:
                rule = f"near enough to periodStart for at most {EVENTS_MAX:,} events"
                raise BadRequest("periodEnd", rule)
            groups.add(event)
    ends = [identity.spell_uuid(each) for each in groups.ends]
    return Calculated(
        name=definition.name,
        metric_type=definition.metric_type,
        event_type=definition.event_type,
        aggregation_type=definition.aggregation_type,
        value=_number(groups.total),
        event_count=groups.count,
        unit=definition.unit,
        min_event_id=ends[0] if ends else None,
        max_event_id=ends[-1] if ends else None,
    )


def _number(total: int) -> msgspec.Raw:
    return msgspec.Raw(quantities.render(quantities.Quantity(total)).encode("ascii"))


async def _customers(call: Call, aliases: list[str]) -> list[Id]:
    """Each once, however many of his aliases were given."""
    if not 1 <= len(aliases) <= ALIASES_MAX:
        raise BadRequest("customerAliases", f"a list of 1 to {ALIASES_MAX} aliases")
    found: dict[Id, None] = {}
    for text in aliases:
        reference = fields.reference(text, "customerAliases")
        try:
            found[(await call.ledger.customer(call.book, reference)).id] = None
        except CustomerNotFound:
            rule = f"aliases that customers have; {text!r} is nobody's"
            raise BadRequest("customerAliases", rule) from None
    return list(found)


async def _events(
    call: Call, customer: Id, name: str, start: Instant, end: Instant
) -> AsyncIterator[Event]:
    after: Id | None = None
    while True:
        found = await call.ledger.usage_events(
            call.book,
            customer=customer,
            name=name,
            since=start,
            until=end,
            after=after,
            limit=_CHUNK,
        )
        for event in found:
            yield event
        if len(found) < _CHUNK:
            return
        after = found[-1].id
