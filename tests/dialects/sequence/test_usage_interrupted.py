"""What takes several steps goes on wherever a server stopped, on every store."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from inspect import iscoroutinefunction
from typing import Any

import pytest
from msgspec.structs import replace

from drawdown.core.amounts import Amount
from drawdown.core.commands import CreateCustomer, CreateEntitlement, IssueGrant
from drawdown.core.errors import CustomerNotFound
from drawdown.core.requests import Answer
from drawdown.core.times import text_of
from drawdown.core.types import Id, Instant
from drawdown.core.usage.records import Catalog, Event
from drawdown.dialects.sequence.customers import known
from drawdown.dialects.sequence.errors import TooManyUnmapped
from drawdown.dialects.sequence.usage import kept, received, standing, unmapped
from drawdown.dialects.sequence.usage.kept import METRICS
from drawdown.dialects.sequence.usage.measures import REPLACED
from drawdown.dialects.sequence.usage.received import Given
from drawdown.dialects.sequence.usage.wire import (
    AggregationType,
    Definition,
    MetricRecord,
    MetricType,
)
from drawdown.engine.clocks import ManualClock
from drawdown.engine.ledger import Ledger
from tests.support.books import START, open_book, open_ledger_on, verified
from tests.support.stores import SPREAD, SQLITE, Database, database, store

__all__ = ["database", "store"]

pytestmark = pytest.mark.anyio

TOKENS = Definition(
    name="Tokens",
    metric_type=MetricType.SIMPLE,
    event_type="call",
    aggregation_type=AggregationType.SUM,
    aggregation_property="tokens",
)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def ledger(database: Database) -> AsyncIterator[Ledger]:
    opened = open_ledger_on(await database.open(), ManualClock(START))
    yield opened
    await opened.close()


class Stopped(Exception):
    """The server is gone."""


class Stopping:
    """A ledger that carries out so many commands, and then nothing more."""

    def __init__(self, ledger: Ledger, commands: int) -> None:
        self._ledger, self._left = ledger, commands

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    async def submit(self, *asked: Any, **more: Any) -> Answer:
        if self._left == 0:
            raise Stopped
        self._left -= 1
        return await self._ledger.submit(*asked, **more)

    async def apply(self, book: Id, command: Any) -> Any:
        if self._left == 0:
            raise Stopped
        self._left -= 1
        return await self._ledger.apply(book, command)


async def change(ledger: Ledger, book: Id, record: MetricRecord, metric: Id) -> None:
    """Make a metric, or make it as the record says."""
    known = await METRICS.find(ledger, book, metric)
    if known is None:
        asked = METRICS.new(metric, book, record, takes=record.definition.name)
    else:
        gone = None if record.deleted_at is None else record.definition.name
        asked = METRICS.changed(known, record, gives_back=gone)
    begin = partial(standing.with_metric, metric)
    documents = await kept.wait(ledger, book, begin, asked)
    await standing.carry_out(ledger, book, METRICS.read(documents[0]))


def opened(catalog: Catalog) -> tuple[int, int]:
    """How many meters and rates count."""
    meters = sum(each.closed_at is None for each in catalog.meters.values())
    return meters, sum(each.closed_at is None for each in catalog.rates.values())


async def test_a_metric_is_finished_by_whoever_comes_next(ledger: Ledger) -> None:
    """Made, changed and deleted: each step may be the last."""
    book = (await open_book(ledger)).id
    other = replace(TOKENS, aggregation_property="n")
    deleted = text_of(START)
    for stop in range(12):
        name = f"Tokens {stop}"
        metric = kept.new_id(ledger, book)
        for record in (
            MetricRecord(replace(TOKENS, name=name)),
            MetricRecord(replace(other, name=name), generation=2),
            MetricRecord(replace(other, name=name), generation=2, deleted_at=deleted),
        ):
            try:
                await change(Stopping(ledger, stop), book, record, metric)  # type: ignore[arg-type]
            except Stopped:
                await standing.finish(ledger, book)
            found = await METRICS.find(ledger, book, metric)
            if found is None or found.body != record:  # stopped before anything was said
                await change(ledger, book, record, metric)
            one = (0, 0) if record.deleted_at else (1, 1)
            assert opened(await ledger.catalog(book)) == one, (stop, record)
            waiting = await kept.waiting(ledger, book)
            assert waiting is not None
            assert waiting.body.metrics == ()
    await verified(ledger)


async def test_what_cannot_be_finished_is_in_nobodys_way(ledger: Ledger) -> None:
    """Its name was taken while no server was there: nothing is left of it, and its own name is free."""
    book = (await open_book(ledger)).id
    metric = kept.new_id(ledger, book)
    with pytest.raises(Stopped):
        await change(Stopping(ledger, 2), book, MetricRecord(TOKENS), metric)  # type: ignore[arg-type]
    assert await METRICS.find(ledger, book, metric) is not None
    await ledger.apply(book, CreateEntitlement(name="Tokens", unit="token", scale=0))
    await standing.finish(ledger, book)
    assert await METRICS.find(ledger, book, metric) is None
    waiting = await kept.waiting(ledger, book)
    assert waiting is not None
    assert waiting.body.metrics == ()
    assert await METRICS.named(ledger, book, "Tokens") is None


async def test_a_definition_for_which_there_is_no_room_leaves_the_old_one_counting(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes next is not refused for it; once there is room it counts."""
    book, metric = await metered(ledger)
    other = MetricRecord(replace(TOKENS, aggregation_property="n"), generation=2)
    with pytest.raises(Stopped):
        await change(Stopping(ledger, 1), book, other, metric)  # type: ignore[arg-type]
    with monkeypatch.context() as full:
        full.setattr("drawdown.core.usage.catalog.METERS_MAX", 1)
        full.setattr("drawdown.core.usage.catalog.CLOSED_FACTOR", 1)
        await standing.finish(ledger, book)
        [meter] = (await ledger.catalog(book)).meters.values()
        assert (meter.closed_at, meter.measure.property) == (None, "tokens")
    await standing.finish(ledger, book)
    meters = (await ledger.catalog(book)).meters.values()
    assert [each.measure.property for each in meters if each.closed_at is None] == ["n"]


@pytest.mark.parametrize("database", [SQLITE, SPREAD], indirect=True)
async def test_whenever_an_event_comes_while_its_metric_changes_it_draws_once(
    ledger: Ledger,
) -> None:
    """By the old definition or by the new one. Here both count it as it is."""
    book, metric = await metered(ledger)
    await ledger.apply(book, CreateCustomer(own_id="ada"))
    credit = IssueGrant(customer="ada", entitlement=metric, amount=Amount(1_000))
    await ledger.apply(book, credit)
    stop, sent_ones, has_come = 0, 0, True
    while has_come:
        record = MetricRecord(replace(TOKENS, case_sensitive=bool(stop % 2)), generation=stop + 2)
        event = partial(sent, ledger, book, "ada", f"e-{stop}", 1)
        between = Between(ledger, stop, event)
        await change(between, book, record, metric)  # type: ignore[arg-type]
        has_come = between.has_come
        sent_ones += has_come
        stop += 1
        balance = await ledger.balance(book, "ada", metric)
        assert balance.used == sent_ones * 10**standing.SCALE, stop
        assert opened(await ledger.catalog(book)) == (1, 1)
    assert sent_ones > 10
    await verified(ledger)


async def metered(ledger: Ledger) -> tuple[Id, Id]:
    book = (await open_book(ledger)).id
    metric = kept.new_id(ledger, book)
    await change(ledger, book, MetricRecord(TOKENS), metric)
    return book, metric


def given(alias: str, own_id: str, tokens: int) -> Given:
    said: dict[str, Any] = {"tokens": Amount(tokens)}
    return Given(alias, own_id, "call", Instant(START - 1_000), said)


async def counted(ledger: Ledger, book: Id) -> dict[str, int]:
    """What counts of each customer."""
    found: dict[str, int] = {}
    for event in await ledger.usage_events(book, limit=100):
        if event.name != REPLACED:
            whose = (await ledger.customer(book, event.customer)).own_id
            assert whose is not None
            found[whose] = found.get(whose, 0) + tokens_of(event)
    return found


def tokens_of(event: Event) -> int:
    tokens = event.properties["tokens"]
    assert isinstance(tokens, Amount)
    return tokens.digits


async def test_events_that_waited_are_recorded_by_whoever_comes_next(ledger: Ledger) -> None:
    book, _ = await metered(ledger)
    for stop in range(8):
        alias = f"later-{stop}"
        for number in range(3):
            await unmapped.keep_waiting(ledger, book, given(alias, f"{alias}-{number}", 5))
        await ledger.apply(book, CreateCustomer(own_id=alias))
        try:
            await unmapped.map_aliases(Stopping(ledger, stop), book, [alias])  # type: ignore[arg-type]
        except Stopped:
            waiting = await kept.waiting(ledger, book)
            assert waiting is not None
            if waiting.body.aliases:  # as an event does
                await unmapped.go_on(ledger, book, waiting.body.aliases)
            else:  # stopped before it was said: as a list does
                await unmapped.map_aliases(ledger, book, [alias])
        waiting = await kept.waiting(ledger, book)
        assert waiting is not None
        assert (waiting.body.events, waiting.body.aliases) == (0, ()), stop
    assert await counted(ledger, book) == {f"later-{stop}": 15 for stop in range(8)}
    await verified(ledger)


async def test_an_event_that_moves_counts_once_when_it_is_sent_again(ledger: Ledger) -> None:
    book, _ = await metered(ledger)
    for name in ("ada", "bob"):
        await ledger.apply(book, CreateCustomer(own_id=name))
    for stop in range(6):
        own_id = f"event-{stop}"
        await received.take(ledger, book, "ada", given("ada", own_id, 7))
        moved = given("bob", own_id, 2)
        try:
            await received.take(Stopping(ledger, stop), book, "bob", moved)  # type: ignore[arg-type]
        except Stopped:
            await received.take(ledger, book, "bob", moved)
        assert await counted(ledger, book) == {"bob": 2 * (stop + 1)}, stop
    await verified(ledger)


class Between:
    """A ledger at whose n-th call somebody else comes first, and does all that he has to do."""

    def __init__(self, ledger: Ledger, number: int, other: Callable[[], Awaitable[object]]) -> None:
        self._ledger, self._left, self._other = ledger, number, other

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._ledger, name)
        if not iscoroutinefunction(found):
            return found

        async def called(*asked: Any, **more: Any) -> Any:
            if self._left == 0:
                self._left = -1
                await self._other()
            self._left -= 1
            return await found(*asked, **more)

        return called

    @property
    def has_come(self) -> bool:
        return self._left < 0


async def sent(ledger: Ledger, book: Id, alias: str, own_id: str, tokens: int) -> None:
    """As the endpoint does it."""
    try:
        await received.take(ledger, book, alias, given(alias, own_id, tokens))
    except CustomerNotFound:
        await unmapped.keep_waiting(ledger, book, given(alias, own_id, tokens))
        return
    before = await kept.UNMAPPED.named(ledger, book, own_id)
    if before is not None:
        await unmapped.forget(ledger, book, before)


async def standing_of(ledger: Ledger, book: Id, own_id: str) -> set[tuple[str, int]]:
    """Of whom an event counts, and for which alias it waits; each with its tokens."""
    found: set[tuple[str, int]] = set()
    for event in await ledger.usage_events(book, limit=100):
        if event.name != REPLACED and received.record_of(event).customer_event_id == own_id:
            whose = (await ledger.customer(book, event.customer)).own_id
            found.add((f"counts for {whose}", tokens_of(event)))
    waits = await kept.UNMAPPED.named(ledger, book, own_id)
    if waits is not None:
        tokens = json.loads(bytes(waits.body.event_properties))["tokens"]
        found.add((f"waits for {waits.body.customer_alias}", tokens))
    return found


@pytest.mark.parametrize("database", [SQLITE, SPREAD], indirect=True)
async def test_what_is_mapped_takes_the_place_of_nothing_that_came_after_it(ledger: Ledger) -> None:
    """Whenever it comes: sent again for the same customer, for another, for nobody, or cancelled."""
    book, _ = await metered(ledger)
    await ledger.apply(book, CreateCustomer(own_id="bob"))
    ada = (await ledger.apply(book, CreateCustomer(own_id="ada"))).customer
    assert ada is not None
    aliases = known.given(ledger, ada.id, ["ada-too"])
    await kept.keep(ledger, book, *aliases, customer=ada.id)
    after = {"ada": "counts for ada", "bob": "counts for bob", "VOID": "waits for VOID"}
    for alias, expected in after.items():
        stop, has_come = 0, True
        while has_come:
            own_id = f"{alias}-{stop}"
            await unmapped.keep_waiting(ledger, book, given("ada-too", own_id, 1))
            between = Between(ledger, stop, partial(sent, ledger, book, alias, own_id, 2))
            await unmapped.map_aliases(between, book, ["ada-too"])  # type: ignore[arg-type]
            has_come = between.has_come
            if has_come:
                assert await standing_of(ledger, book, own_id) == {(expected, 2)}, (alias, stop)
                await received.void(ledger, book, own_id)
            stop += 1
        assert stop > 5
    await verified(ledger)


@pytest.mark.parametrize("database", [SQLITE, SPREAD], indirect=True)
async def test_of_two_that_are_sent_at_once_one_stands(ledger: Ledger) -> None:
    """Whichever: to one customer or two, to somebody and to nobody. Never both, and never none."""
    book, _ = await metered(ledger)
    for name in ("ada", "bob"):
        await ledger.apply(book, CreateCustomer(own_id=name))
    for first, second in (("ada", "ada"), ("ada", "bob"), ("later", "never"), ("ada", "later")):
        stop, has_come = 0, True
        while has_come:
            own_id = f"{first}-{second}-{stop}"
            await sent(ledger, book, "bob", own_id, 1)
            between = Between(ledger, stop, partial(sent, ledger, book, second, own_id, 3))
            await sent(between, book, first, own_id, 2)  # type: ignore[arg-type]
            has_come = between.has_come
            if has_come:
                found = await standing_of(ledger, book, own_id)
                assert {tokens for _, tokens in found} <= {2, 3}, (first, second, stop)
                assert len(found) == 1, (first, second, stop, found)
            stop += 1
        assert stop > 3
    await verified(ledger)


async def test_any_number_may_wait_at_once(ledger: Ledger) -> None:
    """However many change what waits, none is forgotten, and none is refused for it."""
    book, _ = await metered(ledger)
    asked = [
        unmapped.keep_waiting(ledger, book, given("later", f"event-{number}", 1))
        for number in range(80)
    ]
    await asyncio.gather(*asked)
    waiting = await kept.waiting(ledger, book)
    assert waiting is not None
    assert waiting.body.events == 80


async def test_so_many_may_wait_and_no_more(ledger: Ledger) -> None:
    """What waits already may still be replaced."""
    book, _ = await metered(ledger)
    first = await unmapped.keep_waiting(ledger, book, given("later", "first", 1))
    many = partial(replace, events=unmapped.UNMAPPED_MAX)
    await kept.wait(ledger, book, many)
    with pytest.raises(TooManyUnmapped, match="10,000 events wait"):
        await unmapped.keep_waiting(ledger, book, given("later", "second", 1))
    assert await kept.UNMAPPED.named(ledger, book, "second") is None
    again = await unmapped.keep_waiting(ledger, book, given("later", "first", 2))
    assert (again.id, again.revision) == (first.id, 2)


async def test_what_is_cancelled_waits_for_nobody_and_takes_no_room(ledger: Ledger) -> None:
    """Whether it had counted, waited, or was never there; it counts, or waits, when it is sent again."""
    book, _ = await metered(ledger)
    await ledger.apply(book, CreateCustomer(own_id="ada"))
    await unmapped.keep_waiting(ledger, book, given("later", "waits", 1))
    await sent(ledger, book, "ada", "counts", 1)

    async def counted() -> tuple[int, int]:
        waiting = await kept.waiting(ledger, book)
        assert waiting is not None
        return waiting.body.events, waiting.body.cancelled

    many = partial(replace, events=unmapped.UNMAPPED_MAX)
    await kept.wait(ledger, book, many)
    full = unmapped.UNMAPPED_MAX
    for own_id in ("counts", "unknown"):
        for tokens in (1, 2):
            await sent(ledger, book, "VOID", own_id, tokens)
            assert await standing_of(ledger, book, own_id) == {("waits for VOID", tokens)}
    assert await counted() == (full, 2)
    with pytest.raises(TooManyUnmapped):
        await unmapped.keep_waiting(ledger, book, given("later", "unknown", 1))
    assert await standing_of(ledger, book, "unknown") == {("waits for VOID", 2)}
    await sent(ledger, book, "VOID", "waits", 1)
    assert await counted() == (full - 1, 3)
    await sent(ledger, book, "later", "unknown", 3)
    assert await counted() == (full, 2)
    for own_id in ("waits", "counts"):
        await sent(ledger, book, "ada", own_id, 4)
        assert await standing_of(ledger, book, own_id) == {("counts for ada", 4)}
    assert await counted() == (full, 0)
