"""A subscription's usage by meters, billing period by billing period, counted from the events themselves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import NamedTuple

from drawdown.core.amounts import Amount
from drawdown.core.requests import Answer
from drawdown.core.schedules.calendar import Cycle
from drawdown.core.times import text_of
from drawdown.core.types import Id, Instant
from drawdown.core.usage import meters, quantities
from drawdown.core.usage.meters import Contribution
from drawdown.core.usage.quantities import Quantity
from drawdown.core.usage.rating import PerCredit
from drawdown.core.usage.records import Event, Meter, Rate
from drawdown.dialects.dodo import reading
from drawdown.dialects.dodo.answering import answer
from drawdown.dialects.dodo.errors import QueryInvalid
from drawdown.dialects.dodo.selling import held, subscription_commands, subscriptions
from drawdown.dialects.dodo.selling.held import Held
from drawdown.dialects.dodo.selling.product_wire import Link
from drawdown.dialects.dodo.selling.subscription_wire import (
    PeriodUsage,
    UsageHistory,
    UsageHistoryQuery,
    UsagePeriod,
)
from drawdown.web.endpoints import Call

_CHUNK = 1_000
#: So many events are counted for one page.
EVENTS_MAX = 100_000


class Charged(NamedTuple):
    """A meter of a plan, and the rate by which it draws."""

    link: Link
    rate: Rate
    meter: Meter

    @property
    def free(self) -> Amount:
        """How much of each period draws nothing."""
        price = self.rate.price
        return price.free if isinstance(price, PerCredit) else Amount(0)


async def retrieve_usage_history(call: Call, *, page_base: int) -> Answer:
    """The newest period first, with what its meters have charged; none without a meter."""
    query: UsageHistoryQuery = call.query
    found = await held.find(call)
    links = await _links(call, found, query)
    first, size = query.offset(page_base), query.page_size
    since, until = (
        reading.query_instant(query.start_date, "start_date"),
        reading.query_instant(query.end_date, "end_date"),
    )
    periods = _within(found, since, until) if links else iter(())
    page = [
        each for number, each in zip(range(first + size), periods, strict=False) if number >= first
    ]
    counted = Counted(call, found)
    return answer(call, UsageHistory([await counted.period(cycle, links) for cycle in page]))


async def _links(call: Call, found: Held, query: UsageHistoryQuery) -> list[Charged]:
    catalog = await call.ledger.catalog(call.book)
    wanted = None
    if query.meter_id is not None:
        reference = reading.query_reference(query.meter_id, "meter_id")
        wanted = (await call.ledger.meter(call.book, reference)).id
    rates = [
        (link, catalog.rates[subscription_commands.rate_of(link.rate)])
        for link in found.body.plan.links
    ]
    return [
        Charged(link, rate, catalog.meters[rate.meter])
        for link, rate in rates
        if wanted in (None, rate.meter)
    ]


def _within(found: Held, since: Instant | None, until: Instant | None) -> Iterator[Cycle]:
    """The billing periods that have begun and reach into that stretch of time, the newest first."""
    for cycle in subscriptions.cycles_to(found.body, found.now):
        if since is not None and cycle.ends_at is not None and cycle.ends_at <= since:
            return
        if until is None or cycle.starts_at <= until:
            yield cycle


class Counted:
    """Counts a subscription's usage, so many events of it in all."""

    def __init__(self, call: Call, found: Held) -> None:
        self._call = call
        self._found = found
        self._left = EVENTS_MAX

    async def period(self, cycle: Cycle, links: list[Charged]) -> UsagePeriod:
        ends_at = self._found.now if cycle.ends_at is None else cycle.ends_at
        return UsagePeriod(
            start_date=text_of(cycle.starts_at),
            end_date=text_of(ends_at),
            meters=[await self._usage(cycle, link) for link in links],
        )

    async def _usage(self, cycle: Cycle, charged: Charged) -> PeriodUsage:
        rate, meter = charged.rate.id.hex(), charged.meter
        found: list[Contribution] = []
        async for event in self._events(cycle, meter):
            if any(charge.rate == rate and not charge.left for charge in event.charges):
                each = meters.contribution(meter.measure, event.time, event.id, event.properties)
                found += [] if each is None else [each]
        consumed = meters.recount(meter.measure, found).quantity
        paid = max(consumed - quantities.of_amount(charged.free), 0)
        return PeriodUsage(
            id=charged.link.meter,
            name=meter.name,
            consumed_units=quantities.render(consumed),
            chargeable_units=quantities.render(Quantity(paid)),
            currency=self._found.body.plan.currency,
            free_threshold=charged.free.digits,
        )

    async def _events(self, cycle: Cycle, meter: Meter) -> AsyncIterator[Event]:
        after: Id | None = None
        while True:
            chunk = await self._call.ledger.usage_events(
                self._call.book,
                customer=self._found.owner.id,
                name=meter.measure.event_name,
                since=cycle.starts_at,
                until=cycle.ends_at,
                after=after,
                limit=_CHUNK,
            )
            self._left -= len(chunk)
            if self._left < 0:
                raise QueryInvalid(
                    f"page_size must be smaller: a page counts at most {EVENTS_MAX:,} events."
                )
            for event in chunk:
                yield event
            if len(chunk) < _CHUNK:
                return
            after = chunk[-1].id
