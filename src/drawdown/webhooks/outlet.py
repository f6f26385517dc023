"""One endpoint's deliveries: what is sent next, what waits, how far it has come. It sends nothing itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from random import SystemRandom

import msgspec

from drawdown.core.types import MICROSECONDS, Id, Instant
from drawdown.engine.endpoints import Attempt, Delivered, Endpoint, Retry
from drawdown.engine.positions import Position
from drawdown.webhooks.events import Event
from drawdown.webhooks.formats import Format

#: With so many events in retry nothing new is read: the rest waits in the ledger, which is its place anyway.
RETRYING_MAX = 1_000
#: On their way to one endpoint at once; to one that did not take what it was sent last, a single one.
IN_FLIGHT_MAX = 4
#: For longer nobody is left alone who asks for it (``Retry-After``), in seconds.
QUIET_MAX = 3_600.0
#: Retries are put off by up to so much of their pause again.
JITTER = 0.25

_random = SystemRandom()
Key = tuple[Position, int]


class Pending(msgspec.Struct):
    """An event that was read and not yet handled; or one in retry, which is read when its time comes."""

    key: Key
    customer: Id | None
    type: str
    event: Event | None = None
    retry: Retry | None = None
    handled: bool = False


class Outlet:
    """The state of one endpoint in the process that delivers. What is to be kept gathers in ``changes``.

    ``trusted``: the last attempt arrived. ``stopped``: the endpoint was changed, this is no longer it.
    """

    def __init__(self, endpoint: Endpoint, form: Format, retries: list[Retry]) -> None:
        self.endpoint, self.format = endpoint, form
        self.scanned = endpoint.cursor
        self.failing_since = endpoint.failing_since
        self.stopped = False
        self.trusted = False
        self._quiet_until = Instant(0)
        self._cursor = self._kept = endpoint.cursor
        self._window: deque[Pending] = deque()
        self._retries = {retry.key: retry for retry in retries}
        self._flying: dict[Key, Pending] = {}
        self._rate_limit = form.rate_limit(endpoint)
        self._begun: deque[Instant] = deque()
        self._changes = self._no_changes()

    # What is to be sent --------------------------------------------------------------------------

    @property
    def in_flight(self) -> int:
        return len(self._flying)

    @property
    def waiting(self) -> int:
        return len(self._retries)

    def wants_more(self, now: Instant) -> bool:
        if self._window or self.stopped or now < self._quiet_until:
            return False
        return len(self._retries) < RETRYING_MAX

    def oldest(self) -> Instant | None:
        """When the oldest event was recorded that is still to be delivered; None: there is none."""
        places = [key[0].recorded_at for key in self._retries if key[0].recorded_at]
        places += [self._window[0].key[0].recorded_at] if self._window else []
        return min(places, default=None)

    def take(self, events: list[Event], end: Position) -> None:
        """What was read next, up to ``end``; the endpoint's own events of it."""
        self.scanned = end
        self._window.extend(
            Pending((event.position, event.ordinal), event.customer, event.type, event)
            for event in events
        )
        if not self._window:
            self._cursor = end

    def jobs(self, now: Instant) -> Iterator[Pending]:
        """What may be sent now, one after the other, as long as there is room.

        What had failed comes first. Where order is kept, each customer has one event on its way at most:
        the oldest; those behind one that has failed are put beside it.
        """
        if self.stopped or now < self._quiet_until:
            return
        taken = {each.customer for each in self._flying.values()}
        yield from self._again(now, taken)
        failed = {each.customer for each in self._retries.values()}
        for pending in list(self._window):
            if pending.handled or pending.key in self._flying:
                continue
            if self._is_free(pending.customer, taken):
                yield from self._launch(pending, now)
            elif pending.customer in failed and len(self._retries) < RETRYING_MAX:
                self._put(self._row(pending, attempts=0, next_at=now))
                pending.handled = True
            taken.add(pending.customer)
        self._advance()

    def _again(self, now: Instant, taken: set[Id | None]) -> Iterator[Pending]:
        for key in sorted(self._retries):
            retry = self._retries[key]
            is_due = key not in self._flying and retry.next_at <= now
            if is_due and self._is_free(retry.customer, taken):
                pending = Pending(key, retry.customer, retry.type, retry=retry)
                yield from self._launch(pending, now)
            taken.add(retry.customer)

    def _is_free(self, customer: Id | None, taken: set[Id | None]) -> bool:
        return not self.endpoint.settings.ordered or customer not in taken

    def _launch(self, pending: Pending, now: Instant) -> Iterator[Pending]:
        has_room = len(self._flying) < (IN_FLIGHT_MAX if self.trusted else 1)
        if has_room and self._is_within_rate(now):
            self._flying[pending.key] = pending
            yield pending

    def _is_within_rate(self, now: Instant) -> bool:
        """Whether one more may begin; then it counts for a second. A clock that was put back begins anew."""
        if self._rate_limit is None:
            return True
        while self._begun and not now - MICROSECONDS < self._begun[0] <= now:
            self._begun.popleft()
        if len(self._begun) >= self._rate_limit:
            return False
        self._begun.append(now)
        return True

    # What came of it -----------------------------------------------------------------------------

    def back(self, pending: Pending) -> None:
        """It was not sent after all."""
        self._flying.pop(pending.key, None)

    def done(self, pending: Pending, attempt: Attempt | None) -> None:
        """It has arrived, or there is nothing to send any more (no ``attempt``)."""
        if attempt is not None:
            self.trusted, self.failing_since = True, None
            self._changes.attempts.append(attempt)
        if pending.retry is not None:
            self._retries.pop(pending.key, None)
            self._changes.put = [each for each in self._changes.put if each.key != pending.key]
            self._changes.removed.append(pending.key)
        self._landed(pending)

    def failed(
        self, pending: Pending, attempt: Attempt, now: Instant, retry_after: float = 0
    ) -> None:
        """It did not arrive. ``retry_after``: for so many seconds nothing more is to be sent."""
        self.trusted = False
        if self.failing_since is None:
            self.failing_since = now
        self._changes.attempts.append(attempt)
        pending.type = attempt.type  # of one that was queued by its id, it is known only now
        schedule = self.format.schedule
        tried = attempt.attempt
        dead = tried > len(schedule)
        pause = 0.0 if dead else schedule[tried - 1] * (1 + _random.random() * JITTER)
        next_at = Instant(now + round(pause * MICROSECONDS))
        self.rest(now, min(retry_after, QUIET_MAX))
        self._put(self._row(pending, attempts=tried, next_at=next_at, dead=dead))
        self._landed(pending)

    def rest(self, now: Instant, seconds: float) -> None:
        """Neither read nor send anything for so long."""
        self._quiet_until = max(self._quiet_until, Instant(now + round(seconds * MICROSECONDS)))

    def _row(
        self, pending: Pending, *, attempts: int, next_at: Instant, dead: bool = False
    ) -> Retry:
        return Retry(
            endpoint=self.endpoint.id,
            position=pending.key[0],
            ordinal=pending.key[1],
            customer=pending.customer,
            type=pending.type,
            attempts=attempts,
            next_at=next_at,
            dead=dead,
        )

    def _put(self, retry: Retry) -> None:
        if retry.dead:
            self._retries.pop(retry.key, None)
        else:
            self._retries[retry.key] = retry
        self._changes.put = [each for each in self._changes.put if each.key != retry.key]
        self._changes.put.append(retry)

    def _landed(self, pending: Pending) -> None:
        pending.handled = True
        self._flying.pop(pending.key, None)
        self._advance()

    def _advance(self) -> None:
        """The cursor follows once all events of an operation are handled."""
        window = self._window
        while window and window[0].handled:
            position = window.popleft().key[0]
            if not window:
                self._cursor = self.scanned
            elif window[0].key[0] != position:
                self._cursor = position

    # What is kept --------------------------------------------------------------------------------

    def _no_changes(self) -> Delivered:
        return Delivered(
            endpoint=self.endpoint.id,
            revision=self.endpoint.revision,
            cursor=self.endpoint.cursor,
            failing_since=self.endpoint.failing_since,
        )

    def changes(self, *, all_of_it: bool) -> Delivered | None:
        """What is to be kept now; where only the cursor has moved, None unless ``all_of_it`` is."""
        found = self._changes
        moved = all_of_it and self._cursor != self._kept
        if not (found.put or found.removed or found.attempts or moved):
            return None
        self._changes = self._no_changes()
        found.cursor = self._kept = self._cursor
        found.failing_since = self.failing_since
        return found
