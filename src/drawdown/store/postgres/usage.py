"""What usage needs of the database within a batch, and what is written of it.

Counts are locked after the wallets, in the order of their keys. One that is new is inserted, so that of two
processes that begin it at once the later fails, and finds it when it tries again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import asyncpg

from drawdown.core.identity import slot_of
from drawdown.core.state import USAGE_EVENT, Changes, EventName, State, Wanted
from drawdown.core.types import Id
from drawdown.core.usage.records import LATEST_MAX, Catalog, CountKey, Event, ValueKey, catalog_of
from drawdown.core.usage.spans import Counting, Span
from drawdown.engine.ports import BatchConflict
from drawdown.store import usage_rows
from drawdown.store.postgres.reads import Columns, Row, claims_columns, id_columns

Fetch = Callable[[str, Columns], Awaitable[list[Row]]]
Write = Callable[[str, Sequence[Row]], Awaitable[None]]


class UsageRows:
    """One transaction's view of usage."""

    def __init__(
        self,
        fetch: Fetch,
        write: Write,
        connection: asyncpg.Connection,
        queries: Mapping[str, str],
    ) -> None:
        self._fetch, self._write = fetch, write
        self._connection, self._queries = connection, queries
        self._new: set[CountKey] = set()

    async def find(self, state: State, wanted: Wanted) -> None:
        """What leads to more: meters and rates, and the events that are known."""
        if wanted.catalogs:
            state.catalogs |= await catalogs(self._connection, self._queries, wanted.catalogs)
        await self._lock_meters(state, wanted.meters_locked)
        state.attached |= {customer: {} for customer in wanted.attached}
        rows_found = await self._fetch("customer_rates", id_columns(wanted.attached))
        for key, each in usage_rows.attachments_of(tuple(row) for row in rows_found).items():
            state.attached[each.customer][key] = each
        await self._find_ids(state, wanted.event_ids)
        state.events |= dict.fromkeys(wanted.events)
        for row in await self._fetch("find_event", id_columns(wanted.events)):
            state.events[row[0]] = usage_rows.event_of(tuple(row))

    async def _lock_meters(self, state: State, meters: Collection[Id]) -> None:
        """As they are, and not as they were a moment ago: they are about to be changed."""
        if not meters:
            return
        state.locked |= set(meters)
        for row in await self._connection.fetch(self._queries["lock_meter"], list(meters)):
            meter = usage_rows.meter_of(tuple(row))
            state.catalogs[meter.book].change_meter(meter)

    async def _find_ids(self, state: State, wanted: Collection[EventName]) -> None:
        state.event_ids |= dict.fromkeys(wanted)
        names = [(book, USAGE_EVENT, own_id) for book, own_id in wanted]
        for book, _, own_id, target in await self._fetch("find_name", claims_columns(names)):
            state.event_ids[(book, own_id)] = target

    async def lock(self, state: State, wanted: Wanted) -> None:
        """The counts, which nobody else changes before the commit, and what they have seen."""
        keys = sorted(wanted.counts)
        state.counts |= dict.fromkeys(keys)
        for row in await self._fetch("lock_count", _columns(keys)):
            key = (row[0], row[1], row[2], row[3])
            state.counts[key] = usage_rows.count_of(key, tuple(row[4:]))
        missing = [key for key in keys if state.counts[key] is None]
        self._new.update(missing)
        places = sorted({key[:3] for key in missing} - state.groups.keys())
        state.groups |= dict.fromkeys(places, 0)
        for row in await self._fetch("tally_groups", _columns(places, 3)):
            state.groups[(row[0], row[1], row[2])] = row[3]
        await self._find_values(state, list(wanted.values))
        if keys or wanted.latest_events:
            await self._check_current(state)
        for customer in wanted.latest_events:
            bindings = (slot_of(customer), customer, LATEST_MAX)
            latest = await self._connection.fetch(self._queries["latest_events"], *bindings)
            state.latest_events[customer] = [usage_rows.event_of(tuple(row)) for row in latest]

    async def count_spans(self, state: State, wanted: Collection[Span]) -> None:
        """What was used, as far as it is committed: an event on its way comes after whatever this decides."""
        for span in wanted:
            place = (slot_of(span.customer), span.customer, span.measure.event_name)
            bindings = (*place, span.start, span.end)
            text, counting = self._queries["used_between"], Counting(span)
            cursor = await self._connection.cursor(text, *bindings)
            while some := await cursor.fetch(usage_rows.COUNTED_AT_ONCE):
                counting.take(usage_rows.used_of(tuple(row)) for row in some)
            state.spans[span] = counting.use()

    async def _find_values(self, state: State, wanted: list[ValueKey]) -> None:
        state.values |= dict.fromkeys(wanted, 0)
        columns = [*_columns([key for key, _ in wanted]), tuple(value for _, value in wanted)]
        for row in await self._fetch("find_value", columns):
            state.values[((row[0], row[1], row[2], row[3]), row[4])] = row[5]

    async def write(self, changes: Changes) -> None:
        for meter in changes.meters:
            await self._connection.execute(
                self._queries["insert_meter"], *usage_rows.meter_row(meter)
            )
        for rate in changes.rates:
            await self._connection.execute(self._queries["insert_rate"], *usage_rows.rate_row(rate))
        for meter in changes.changed_meters:
            await self._connection.execute(
                self._queries["change_meter"], *usage_rows.changed_meter_row(meter)
            )
        for meter in changes.watched_meters.values():
            await self._connection.execute(
                self._queries["watch_meter"], *usage_rows.watched_row(meter)
            )
        for rate in changes.closed_rates:
            await self._connection.execute(self._queries["close_rate"], rate.closed_at, rate.id)
        for row in usage_rows.attached_rows(changes.attachments):
            await self._connection.execute(self._queries["attach_rate"], *row)
        for row in usage_rows.detached_rows(changes.attachments):
            await self._connection.execute(self._queries["detach_rate"], *row)
        events = changes.events.values()
        await self._write(
            "insert_event", [(slot_of(e.customer), *usage_rows.event_row(e)) for e in events]
        )
        await self._amend(changes.amended_events.values())
        counts = sorted(changes.counts.items(), key=lambda each: each[0])
        new = [(_slot(key), *usage_rows.new_count_row(c)) for key, c in counts if key in self._new]
        kept = [(_slot(key), *usage_rows.count_row(c)) for key, c in counts if key not in self._new]
        await self._write("insert_count", new)
        await self._write("update_count", kept)
        await self._write(
            "upsert_value",
            [
                (_slot(value[0]), *usage_rows.value_row(value, events))
                for value, events in changes.values.items()
            ],
        )

    async def _check_current(self, state: State) -> None:
        """Raises ``BatchConflict`` where an event that was read has changed before its counts were locked."""
        known = [event.id for event in state.events.values() if event is not None]
        if not known:
            return
        for row in await self._fetch("find_event", id_columns(known)):
            event, read = usage_rows.event_of(tuple(row)), state.events[row[0]]
            if read is None or read.revision != event.revision:
                raise BatchConflict("The usage event was changed meanwhile.")

    async def _amend(self, events: Iterable[Event]) -> None:
        """Raises ``BatchConflict`` where somebody else was first to change one."""
        for event in events:
            said: str = await self._connection.execute(
                self._queries["amend_event"],
                slot_of(event.id),
                event.id,
                *usage_rows.amended_row(event),
            )
            if said.endswith(" 0"):
                raise BatchConflict("The usage event was changed meanwhile.")


async def catalogs(
    connection: Any, queries: Mapping[str, str], books: Collection[Id]
) -> dict[Id, Catalog]:
    """The meters and rates of some books, in the order in which they were made."""
    asked = list(books)
    meters = [
        usage_rows.meter_of(tuple(row))
        for row in await connection.fetch(queries["book_meters"], asked)
    ]
    rates = [
        usage_rows.rate_of(tuple(row))
        for row in await connection.fetch(queries["book_rates"], asked)
    ]
    return {
        book: catalog_of(
            [meter for meter in meters if meter.book == book],
            [rate for rate in rates if rate.book == book],
        )
        for book in asked
    }


def _columns(keys: Sequence[tuple[Any, ...]], length: int = 4) -> Columns:
    """The slots of keys that begin with a customer, and their parts."""
    slots = tuple(slot_of(key[0]) for key in keys)
    return [slots, *(tuple(key[place] for key in keys) for place in range(length))]


def _slot(key: CountKey) -> int:
    return slot_of(key[0])
