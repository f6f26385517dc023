"""Delivers events to endpoints: one process at a time does, whichever has the lease, and any may die.

What is kept is small: how far each endpoint has come, and a row for each event that has failed. An event is
sent at least once, and always under the same id. Every endpoint has its own queue and its own few
connections; they take turns, so that a slow one slows nobody else.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Iterator

import structlog

from drawdown.core.types import DAY, MICROSECONDS, Id, Instant
from drawdown.engine import tasks
from drawdown.engine.endpoints import Attempt, DeliveryObserver, Endpoint, Kept
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import FeedPage, Recorded, StoreUnavailable
from drawdown.engine.positions import Position
from drawdown.webhooks.events import Event, matches, spell_event
from drawdown.webhooks.formats import Formats, find_event
from drawdown.webhooks.outlet import RETRYING_MAX, Outlet, Pending
from drawdown.webhooks.sending import SECONDS_MAX, Sender, Sent

WORK = "webhooks"
TICK_SECONDS = 0.25
#: Endpoints are read again, and the lease is renewed.
LOOK_SECONDS = 1.0
#: Longer than an attempt may take: whoever takes over finds none of ours under way.
LEASE_SECONDS = 20.0
IN_FLIGHT_MAX = 128
#: Of those to endpoints that did not take what they were sent last, or have not been sent anything yet.
DOUBTFUL_MAX = 32
READ_AT_ONCE = 200
#: What of ours failed for an endpoint is tried again after so long.
REST_SECONDS = 1.0
CLOSE_SECONDS = 2.0
#: An endpoint that has answered nothing well for so long is disabled.
DISABLED_AFTER = 5 * DAY
#: Of an endpoint so many attempts and dead events are kept, the newest, and none for longer than that.
ATTEMPTS_KEPT = 1_000
DEAD_KEPT = 10_000
KEPT_FOR = 30 * DAY
TIDY_SECONDS = 15.0
#: Told to go away for good.
GONE = 410

log = structlog.get_logger("drawdown.webhooks")


class Deliverer:
    """The work of one process; it sleeps while another has the lease."""

    def __init__(
        self, ledger: Ledger, formats: Formats, sender: Sender, observer: DeliveryObserver
    ) -> None:
        self._ledger, self._formats = ledger, formats
        self._sender, self._observer = sender, observer
        self._holder = Id(secrets.token_bytes(16))
        self._outlets: dict[Id, Outlet] = {}
        self._flights: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._lease_until = self._look_at = self._tidy_at = 0.0
        self._pages: dict[Position, FeedPage] = {}
        self._rendered: dict[tuple[str, Position], list[Event]] = {}
        self._dead = 0

    def start(self) -> None:
        self._observer.opened(self._formats.names())
        self._task = asyncio.create_task(self._run(), name="drawdown-webhooks")

    async def close(self) -> None:
        """Let what is under way end, for a moment; what does not is sent again by whoever comes next."""
        if self._task is not None:
            await tasks.end(self._task)
        if self._flights:
            await asyncio.wait(self._flights, timeout=CLOSE_SECONDS)
        for flight in list(self._flights):
            flight.cancel()
        await asyncio.gather(*self._flights, return_exceptions=True)
        with contextlib.suppress(StoreUnavailable):
            await self._keep(all_of_it=True)
            if self._has_lease:
                now = self._ledger.clock.now()
                await self._ledger.store.lease(WORK, self._holder, now, now)
        await self._sender.close()

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            more = False
            try:
                more = await self.tick()
            except Exception as error:  # the next round may do better
                self._observer.failed(error)
            if more:
                await asyncio.sleep(0)
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), TICK_SECONDS)

    async def tick(self) -> bool:
        """One round: what is due is sent, what has been sent is kept. Whether more is there to be read."""
        looked = time.monotonic() >= self._look_at
        if looked:
            self._look_at = time.monotonic() + LOOK_SECONDS
            await self._look()
        if not self._has_lease:
            return False
        more = await self._read()
        self._send()
        await self._keep(all_of_it=looked)
        if looked:
            self._report()
        return more

    # Which endpoints there are -------------------------------------------------------------------

    @property
    def _has_lease(self) -> bool:
        return time.monotonic() < self._lease_until

    async def _look(self) -> None:
        asked_at = time.monotonic()
        now, store = self._ledger.clock.now(), self._ledger.store
        until = Instant(now + round(LEASE_SECONDS * MICROSECONDS))
        if not await store.lease(WORK, self._holder, now, until):
            self._lease_until = 0.0
            self._outlets.clear()
            self._observer.standing(0, 0, 0.0)  # another process tells how things stand
            return
        self._lease_until = asked_at + LEASE_SECONDS
        every = await store.list_endpoints(None)
        found = {
            each.id: each
            for each in every
            if each.enabled and each.settings.format in self._formats
        }
        for identifier, outlet in list(self._outlets.items()):
            endpoint = found.get(identifier)
            if endpoint is None or endpoint.revision != outlet.endpoint.revision:
                outlet.stopped = True
            if outlet.stopped and not outlet.in_flight:
                del self._outlets[identifier]
        for endpoint in found.values():
            if endpoint.id not in self._outlets:
                await self._open(endpoint)
        if time.monotonic() >= self._tidy_at:
            self._tidy_at = time.monotonic() + TIDY_SECONDS
            await self._tidy([each.id for each in every], now)

    async def _tidy(self, endpoints: list[Id], now: Instant) -> None:
        """What is kept of deliveries has an end, also of an endpoint that is disabled; count what is left."""
        kept = Kept(ATTEMPTS_KEPT, DEAD_KEPT, Instant(now - KEPT_FOR))
        await self._ledger.store.prune_deliveries(endpoints, kept)
        self._dead = (await self._ledger.store.count_retries()).get(True, 0)

    async def _open(self, endpoint: Endpoint) -> None:
        retries = await self._ledger.store.list_retries(endpoint.id, False, 2 * RETRYING_MAX)
        form = self._formats[endpoint.settings.format]
        self._outlets[endpoint.id] = Outlet(endpoint, form, retries)

    # What has happened ---------------------------------------------------------------------------

    async def _read(self) -> bool:
        """Endpoints that have come equally far share what is read and rendered. Whether there is more."""
        self._pages.clear()
        self._rendered.clear()
        more = False
        for outlet in list(self._outlets.values()):
            if outlet.wants_more(self._ledger.clock.now()):
                try:
                    more |= await self._read_for(outlet)
                except StoreUnavailable:
                    raise
                except (
                    Exception
                ) as error:  # it waits, for it may leave nothing out; the others go on
                    self._observer.failed(error)
                    outlet.rest(self._ledger.clock.now(), REST_SECONDS)
        return more

    async def _read_for(self, outlet: Outlet) -> bool:
        page = self._pages.get(outlet.scanned)
        if page is None:
            books = frozenset(each.endpoint.book for each in self._outlets.values())
            page = await self._ledger.feed(outlet.scanned, books=books, limit=READ_AT_ONCE)
            self._pages[outlet.scanned] = page
        if page.end != outlet.scanned:
            outlet.take(await self._events(outlet, page), page.end)
        return page.more

    async def _events(self, outlet: Outlet, page: FeedPage) -> list[Event]:
        endpoint, settings = outlet.endpoint, outlet.endpoint.settings
        found = []
        for recorded in page.found:
            if recorded.book == endpoint.book and settings.customer in (
                None,
                recorded.operation.customer,
            ):
                found += await self._render(outlet, recorded)
        return [event for event in found if matches(settings.types, event.type)]

    async def _render(self, outlet: Outlet, recorded: Recorded) -> list[Event]:
        key = (outlet.format.name, recorded.position)
        if key not in self._rendered:
            rendered = await outlet.format.render(self._ledger, recorded)
            self._rendered[key] = list(rendered)
            await asyncio.sleep(0)  # others have their turn
        return self._rendered[key]

    # Sending -------------------------------------------------------------------------------------

    def _send(self) -> None:
        """One of each endpoint in turn, until there is no room, or nothing to send.

        Who was served longest ago comes first. For endpoints in doubt there is less room, so that however
        many hang, the others do not wait for them.
        """
        now = self._ledger.clock.now()
        turns: list[tuple[Outlet, Iterator[Pending]]] = [
            (outlet, outlet.jobs(now)) for outlet in self._outlets.values()
        ]
        while turns and self._may_send():
            turns = [each for each in turns if self._sent_one(*each)]

    def _may_send(self) -> bool:
        ends = time.monotonic() + SECONDS_MAX + 1
        return len(self._flights) < IN_FLIGHT_MAX and ends < self._lease_until

    def _has_room(self, outlet: Outlet) -> bool:
        if outlet.trusted:
            return True
        doubtful = (each.in_flight for each in self._outlets.values() if not each.trusted)
        return sum(doubtful) < DOUBTFUL_MAX

    def _sent_one(self, outlet: Outlet, jobs: Iterator[Pending]) -> bool:
        if not self._may_send() or not self._has_room(outlet):
            return False
        pending = next(jobs, None)
        if pending is None:
            return False
        self._outlets[outlet.endpoint.id] = self._outlets.pop(outlet.endpoint.id)
        flight = asyncio.create_task(self._fly(outlet, pending))
        self._flights.add(flight)
        flight.add_done_callback(self._flights.discard)
        return True

    async def _fly(self, outlet: Outlet, pending: Pending) -> None:
        try:
            event = pending.event or await self._event_of(outlet, pending)
            if event is None:
                outlet.done(pending, None)
                return
            now = self._ledger.clock.now()
            headers = outlet.format.headers(outlet.endpoint, event, now)
            sent = await self._sender.post(outlet.endpoint.settings.url, headers, event.body)
            await self._landed(outlet, pending, event, sent, now)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # ours, not the endpoint's: it is tried again
            self._observer.failed(error)
            outlet.rest(self._ledger.clock.now(), REST_SECONDS)
        finally:
            outlet.back(pending)
            self._wake.set()

    async def _event_of(self, outlet: Outlet, pending: Pending) -> Event | None:
        """The event of a row, rendered again. One that says nothing of what happened is a test."""
        position, ordinal = pending.key
        if not position.recorded_at:
            return outlet.format.test(position.operation, self._ledger.clock.now())
        book = outlet.endpoint.book
        return await find_event(self._ledger, outlet.format, book, position, ordinal)

    async def _landed(
        self, outlet: Outlet, pending: Pending, event: Event, sent: Sent, at: Instant
    ) -> None:
        tried = 1 if pending.retry is None else pending.retry.attempts + 1
        is_last = tried > len(outlet.format.schedule)
        outcome = "delivered" if sent.arrived else "dead" if is_last else "failed"
        attempt = Attempt(
            id=self._ledger.ids.new(),
            endpoint=outlet.endpoint.id,
            event=spell_event(pending.key[0].operation, event.ordinal),
            type=event.type,
            attempt=tried,
            at=at,
            milliseconds=sent.milliseconds,
            outcome=outcome,
            status=sent.status,
            answer=sent.answer,
            error=sent.error,
        )
        now = self._ledger.clock.now()
        if sent.arrived:
            outlet.done(pending, attempt)
        else:
            outlet.failed(pending, attempt, now, sent.retry_after)
        self._observer.attempted(outlet.format.name, outcome)
        if not sent.arrived:
            await self._disable_if_hopeless(outlet, sent, now)

    async def _disable_if_hopeless(self, outlet: Outlet, sent: Sent, now: Instant) -> None:
        since = outlet.failing_since
        too_long = since is not None and now - since >= DISABLED_AFTER
        if outlet.stopped or not (too_long or sent.status == GONE):
            return
        outlet.stopped = True
        await self._keep_one(outlet, all_of_it=True)
        found = await self._ledger.store.find_endpoint(outlet.endpoint.id)
        if found is None or found.revision != outlet.endpoint.revision:
            return
        found.enabled, found.revision, found.updated_at = False, found.revision + 1, now
        found.disabled_for = "gone" if sent.status == GONE else "failing"
        if await self._ledger.store.update_endpoint(found):
            log.warning(
                "a webhook endpoint was disabled",
                endpoint=found.id.hex(),
                reason=found.disabled_for,
                status=sent.status,
            )
            self._observer.disabled()

    # What came of it -----------------------------------------------------------------------------

    async def _keep(self, *, all_of_it: bool) -> None:
        for outlet in list(self._outlets.values()):
            await self._keep_one(outlet, all_of_it=all_of_it)

    async def _keep_one(self, outlet: Outlet, *, all_of_it: bool) -> None:
        changes = outlet.changes(all_of_it=all_of_it)
        if changes is not None and not await self._ledger.store.note_delivered(changes):
            outlet.stopped = True  # it was changed: what is kept of it is the truth

    def _report(self) -> None:
        now = self._ledger.clock.now()
        waiting = sum(outlet.waiting for outlet in self._outlets.values())
        places = [each for outlet in self._outlets.values() if (each := outlet.oldest())]
        lag = max(0, now - min(places, default=now)) / MICROSECONDS
        self._observer.standing(waiting, self._dead, lag)
