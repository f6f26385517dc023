"""Reading what acts on credit by itself: schedules, alerts, top-ups, meters and rates."""

from __future__ import annotations

from drawdown.core.context import written
from drawdown.core.errors import (
    AlertNotFound,
    EventNotFound,
    MeterNotFound,
    RateNotFound,
    ScheduleNotFound,
    TopUpNotFound,
    TopUpRequestNotFound,
)
from drawdown.core.schedules.terms import Schedule, ScheduleState
from drawdown.core.types import Alert, Id, Instant, Reference
from drawdown.core.usage.records import Catalog, Customers, Event, Meter, Rate
from drawdown.core.usage.spans import Span, Use
from drawdown.core.watching import top_ups
from drawdown.core.watching.top_ups import RequestState, Standing, TopUp, TopUpRequest
from drawdown.engine import history
from drawdown.engine.ports import (
    AlertFilter,
    EventFilter,
    ScheduleFilter,
    TopUpFilter,
    TopUpRequestFilter,
)
from drawdown.engine.reading.directory import DirectoryReads


class PlanReads(DirectoryReads):
    """What was made to go on, and usage, which it goes on from."""

    async def schedule(self, book: Id, schedule: Id) -> Schedule:
        """The schedule as it is now. Raises ``ScheduleNotFound``."""
        found = await self._store.find_schedule(schedule)
        owner = None if found is None else await self._store.find_customer(found.customer)
        if found is None or owner is None or owner.book != book:
            raise ScheduleNotFound(written(schedule))
        return await history.schedule_now(self._store, found, await self._now(found.customer))

    async def schedules(
        self,
        book: Id,
        *,
        customer: Reference | None = None,
        entitlement: Reference | None = None,
        state: ScheduleState | None = None,
        after: Id | None = None,
        limit: int,
    ) -> list[Schedule]:
        """Schedules as they were recorded last, newest first.

        Raises ``CustomerNotFound`` and ``EntitlementNotFound``.
        """
        owner = None if customer is None else await self.customer(book, customer)
        kind = None if entitlement is None else await self.entitlement(book, entitlement)
        return await self._store.list_schedules(
            ScheduleFilter(
                book=book,
                limit=limit,
                customer=None if owner is None else owner.id,
                entitlement=None if kind is None else kind.id,
                state=state,
                after=after,
            )
        )

    async def alert(self, book: Id, alert: Id) -> Alert:
        """Raises ``AlertNotFound``."""
        found = await self._store.find_alert(alert)
        if found is None or found.book != book:
            raise AlertNotFound(written(alert))
        return found

    async def alerts(
        self,
        book: Id,
        *,
        customer: Reference | None = None,
        entitlement: Reference | None = None,
        meter: Reference | None = None,
        live: bool | None = None,
        after: Id | None = None,
        limit: int,
    ) -> list[Alert]:
        """Newest first (``ports.AlertFilter``).

        Raises ``CustomerNotFound``, ``EntitlementNotFound`` and ``MeterNotFound``.
        """
        owner = None if customer is None else await self.customer(book, customer)
        kind = None if entitlement is None else await self.entitlement(book, entitlement)
        counted = None if meter is None else await self.meter(book, meter)
        return await self._store.list_alerts(
            AlertFilter(
                book=book,
                limit=limit,
                customer=None if owner is None else owner.id,
                entitlement=None if kind is None else kind.id,
                meter=None if counted is None else counted.id,
                live=live,
                after=after,
            )
        )

    async def top_up(self, book: Id, top_up: Id) -> tuple[TopUp, Standing]:
        """A rule, and where its wallet's top-up stands. Raises ``TopUpNotFound``."""
        found = await self._store.find_top_up(top_up)
        owner = None if found is None else await self._store.find_customer(found[0].customer)
        if found is None or owner is None or owner.book != book:
            raise TopUpNotFound(written(top_up))
        return found

    async def top_ups(
        self,
        book: Id,
        *,
        customer: Reference | None = None,
        entitlement: Reference | None = None,
        live: bool | None = None,
        after: Id | None = None,
        limit: int,
    ) -> list[tuple[TopUp, Standing]]:
        """Newest first (``ports.TopUpFilter``). Raises ``CustomerNotFound`` and ``EntitlementNotFound``."""
        owner = None if customer is None else await self.customer(book, customer)
        kind = None if entitlement is None else await self.entitlement(book, entitlement)
        return await self._store.list_top_ups(
            TopUpFilter(
                book=book,
                limit=limit,
                customer=None if owner is None else owner.id,
                entitlement=None if kind is None else kind.id,
                live=live,
                after=after,
            )
        )

    async def top_up_request(self, book: Id, request: Id) -> TopUpRequest:
        """The request as it is now. Raises ``TopUpRequestNotFound``."""
        found = await self._store.find_top_up_request(request)
        owner = None if found is None else await self._store.find_customer(found.customer)
        if found is None or owner is None or owner.book != book:
            raise TopUpRequestNotFound(written(request))
        return top_ups.seen(found, await self._now(found.customer))

    async def top_up_requests(
        self,
        book: Id,
        *,
        customer: Reference | None = None,
        entitlement: Reference | None = None,
        state: RequestState | None = None,
        after: Id | None = None,
        limit: int,
    ) -> list[TopUpRequest]:
        """Chosen as they were recorded last, shown as they are now, newest first.

        Raises ``CustomerNotFound`` and ``EntitlementNotFound``.
        """
        owner = None if customer is None else await self.customer(book, customer)
        kind = None if entitlement is None else await self.entitlement(book, entitlement)
        found = await self._store.list_top_up_requests(
            TopUpRequestFilter(
                book=book,
                limit=limit,
                customer=None if owner is None else owner.id,
                entitlement=None if kind is None else kind.id,
                state=state,
                after=after,
            )
        )
        return [top_ups.seen(each, await self._now(each.customer)) for each in found]

    async def use(self, span: Span) -> Use:
        """What a customer used in a time."""
        return await self._store.find_use(span)

    async def catalog(self, book: Id) -> Catalog:
        """The book's meters and rates."""
        return await self._store.find_catalog(book)

    async def meter(self, book: Id, reference: Reference) -> Meter:
        """By id or code. Raises ``MeterNotFound``."""
        for meter in (await self.catalog(book)).meters.values():
            if reference in (meter.id, meter.code):
                return meter
        raise MeterNotFound(written(reference))

    async def rates(self, book: Id, customer: Reference | None = None) -> list[Rate]:
        """In the order in which they were made; ``customer``: the open ones that charge him."""
        catalog = await self.catalog(book)
        if customer is None:
            return list(catalog.rates.values())
        whose = await self.customer(book, customer)
        found, now = await self._store.customer_rates(whose.id), await self.now_of(whose)
        attached = {each.rate for each in found if each.covers(now)}
        return [
            rate
            for rate in catalog.rates.values()
            if rate.closed_at is None and catalog.meters[rate.meter].closed_at is None
            if rate.customers is Customers.ALL or rate.id in attached
        ]

    async def rate(self, book: Id, rate: Id) -> tuple[Rate, Meter]:
        """With its meter. Raises ``RateNotFound``."""
        catalog = await self.catalog(book)
        if rate not in catalog.rates:
            raise RateNotFound(written(rate))
        found = catalog.rates[rate]
        return found, catalog.meters[found.meter]

    async def usage_event(self, book: Id, own_id: str) -> Event:
        """Raises ``EventNotFound``."""
        event = await self._store.find_event(book, own_id)
        if event is None:
            raise EventNotFound(own_id)
        return event

    async def usage_events(
        self,
        book: Id,
        *,
        customer: Reference | None = None,
        name: str | None = None,
        since: Instant | None = None,
        until: Instant | None = None,
        uncovered: bool = False,
        after: Id | None = None,
        before: Id | None = None,
        offset: int = 0,
        limit: int,
    ) -> list[Event]:
        """The newest recorded first (``ports.EventFilter``). Raises ``CustomerNotFound``."""
        owner = None if customer is None else (await self.customer(book, customer)).id
        return await self._store.list_events(
            EventFilter(
                book=book,
                limit=limit,
                customer=owner,
                name=name,
                since=since,
                until=until,
                uncovered=uncovered,
                after=after,
                before=before,
                offset=offset,
            )
        )
