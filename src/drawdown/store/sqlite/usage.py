"""What usage needs of the file within a batch, and what is written of it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Sequence
from itertools import islice

import apsw

from drawdown.core.identity import slot_of
from drawdown.core.state import USAGE_EVENT, Changes, State, Wanted
from drawdown.core.usage.records import LATEST_MAX, CountKey
from drawdown.core.usage.spans import Counting, Span
from drawdown.store import rows, usage_rows


def load(
    connection: apsw.Connection, queries: dict[str, str], state: State, wanted: Wanted
) -> None:
    """Load what is wanted of usage. What is not there is loaded as None, or counted as 0."""

    def row(query: str, bindings: Sequence[object]) -> rows.Row | None:
        return connection.execute(queries[query], bindings).fetchone()

    for book in wanted.catalogs:
        meters = connection.execute(queries["book_meters"], (book,))
        rates = connection.execute(queries["book_rates"], (book,))
        state.catalogs[book] = usage_rows.catalog(meters.fetchall(), rates.fetchall())
    for name in wanted.event_ids:
        found = row("find_name", (name[0], USAGE_EVENT, name[1]))
        state.event_ids[name] = None if found is None else found[0]
    for event in wanted.events:
        found = row("find_event", (event,))
        state.events[event] = None if found is None else usage_rows.event_of(found)
    for customer in wanted.attached:
        attached = connection.execute(queries["customer_rates"], (customer,))
        state.attached[customer] = usage_rows.attachments_of(attached)
    for customer in wanted.latest_events:
        latest = connection.execute(queries["latest_events"], (customer, LATEST_MAX))
        state.latest_events[customer] = [usage_rows.event_of(each) for each in latest]
    for key in wanted.counts:
        found = row("find_count", key)
        state.counts[key] = None if found is None else usage_rows.count_of(key, found)
        place = key[:3]
        if found is None and place not in state.groups:
            tallied = row("tally_groups", place)
            assert tallied is not None
            state.groups[place] = tallied[0]
    for value in wanted.values:
        found = row("find_value", (*value[0], value[1]))
        state.values[value] = 0 if found is None else found[0]


async def count_spans(
    connection: apsw.Connection, queries: dict[str, str], state: State, wanted: Collection[Span]
) -> None:
    """What was used in some times. Of much, a part at a time, so that reads have their turn in between."""
    for span in wanted:
        bindings = (span.customer, span.measure.event_name, span.start, span.end)
        used = iter(connection.execute(queries["used_between"], bindings))
        counting = Counting(span)
        while some := list(islice(used, usage_rows.COUNTED_AT_ONCE)):
            counting.take(map(usage_rows.used_of, some))
            if len(some) == usage_rows.COUNTED_AT_ONCE:
                await asyncio.sleep(0)
        state.spans[span] = counting.use()


def written(changes: Changes) -> Iterator[tuple[str, list[rows.Row]]]:
    """The statements that write what a batch changed, each with its rows."""
    yield "insert_meter", [usage_rows.meter_row(each) for each in changes.meters]
    yield "insert_rate", [usage_rows.rate_row(each) for each in changes.rates]
    yield "change_meter", [usage_rows.changed_meter_row(each) for each in changes.changed_meters]
    watched = changes.watched_meters.values()
    yield "watch_meter", [usage_rows.watched_row(each) for each in watched]
    yield "close_rate", [(each.closed_at, each.id) for each in changes.closed_rates]
    yield "attach_rate", usage_rows.attached_rows(changes.attachments)
    yield "detach_rate", usage_rows.detached_rows(changes.attachments)
    events = changes.events.values()
    yield "insert_event", [(slot_of(e.customer), *usage_rows.event_row(e)) for e in events]
    amended = changes.amended_events.values()
    yield "amend_event", [(*usage_rows.amended_row(each), each.id) for each in amended]
    counts = changes.counts.items()
    yield "upsert_count", [(_slot(key), *usage_rows.new_count_row(each)) for key, each in counts]
    values = changes.values.items()
    yield (
        "upsert_value",
        [(_slot(key[0]), *usage_rows.value_row(key, events)) for key, events in values],
    )


def _slot(key: CountKey) -> int:
    return slot_of(key[0])
