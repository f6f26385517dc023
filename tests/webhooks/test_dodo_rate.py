"""Dodo's endpoints on their way: as many deliveries a second as were asked for, and made once for a key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from drawdown.dialects.dodo.webhooks.events import FORMAT, RATE_LIMIT
from drawdown.engine.endpoints import DeliveryObserver, Settings
from drawdown.webhooks.deliver import Deliverer
from drawdown.webhooks.desk import Desk
from drawdown.webhooks.formats import Formats
from tests.support.books import open_ledger_on
from tests.support.receiver import Receiver, answering, receiver
from tests.support.stores import Database
from tests.webhooks.world import World, patient_sender, world

pytestmark = pytest.mark.anyio


@pytest.fixture
async def here(database: Database) -> AsyncIterator[World]:
    async with world(database) as made:
        await made.deliverer.close()
        formats = Formats([FORMAT])
        made.deliverer = Deliverer(made.ledger, formats, patient_sender(), DeliveryObserver())
        yield made


@pytest.fixture
async def server() -> AsyncIterator[Receiver]:
    async with receiver() as made:
        yield made


def settings(url: str = "https://example.com", **more: object) -> Settings:
    return Settings(url=url, format="dodo", profile=more)


async def sent(here: World, server: Receiver) -> int:
    """How many deliveries there have been once nothing more is sent at this instant."""
    before = -1
    while len(server.received) != before:
        before = len(server.received)
        here.deliverer._look_at = 0
        await here.deliverer.tick()
        if here.deliverer._flights:
            await asyncio.wait(here.deliverer._flights)
    return before


async def happen(here: World, events: int) -> None:
    customer = await here.book.customer()
    for _ in range(events):
        await here.book.grant(customer, 1)
    here.move(3)


async def test_no_more_begin_within_a_second_than_the_rate_limit_says(
    here: World, server: Receiver
) -> None:
    """What is held back comes later, in its order."""
    await here.desk.create(settings(server.url, **{RATE_LIMIT: 3}), FORMAT.new_secret())
    here.move(1)
    await happen(here, 8)
    counts = []
    for seconds in (0.0, 0.5, 0.25, 0.25, 1.0, 0.5, 0.5):
        here.move(seconds)
        counts.append(await sent(here, server))
    assert counts == [3, 3, 3, 6, 8, 8, 8]
    assert len(set(server.ids)) == 8


async def test_an_attempt_that_failed_counts_as_well(here: World, server: Receiver) -> None:
    await here.desk.create(settings(server.url, **{RATE_LIMIT: 1}), FORMAT.new_secret())
    here.move(1)
    await happen(here, 2)
    server.behaviour = answering(503)
    assert await sent(here, server) == 1
    here.move(0.9)
    assert await sent(here, server) == 1
    here.move(0.1)
    assert await sent(here, server) == 2


async def test_without_a_rate_limit_all_of_it_is_sent(here: World, server: Receiver) -> None:
    """To another endpoint it is no matter that one is slow."""
    await here.desk.create(settings(server.url), FORMAT.new_secret())
    await here.desk.create(settings(server.url + "/slow", **{RATE_LIMIT: 1}), FORMAT.new_secret())
    here.move(1)
    await happen(here, 8)
    await sent(here, server)
    paths = [each.path for each in server.received]
    assert (paths.count("/hooks"), paths.count("/hooks/slow")) == (8, 1)


async def test_an_endpoint_that_asks_for_no_type_is_sent_nothing(
    here: World, server: Receiver
) -> None:
    asked = Settings(url=server.url, format="dodo", types=())
    await here.desk.create(asked, FORMAT.new_secret())
    here.move(1)
    await happen(here, 2)
    assert await sent(here, server) == 0


async def test_one_endpoint_is_made_for_a_key_whoever_asks_at_once(
    database: Database, here: World
) -> None:
    """Also where several processes do."""
    other = open_ledger_on(await database.open(), here.clock)
    desks = [here.desk, Desk(other, here.book.id)]
    asked = [
        desk.create(settings(), FORMAT.new_secret(), key=key)
        for desk in desks
        for key in ("one", "two", "one", "one")
    ]
    made = {each.id for each in await asyncio.gather(*asked)}
    assert made == {each.id for each in await here.desk.endpoints()}
    assert len(made) == 2
    await other.close()


async def test_a_key_is_free_again_once_its_endpoint_is_deleted(here: World) -> None:
    first = await here.desk.create(settings(), FORMAT.new_secret(), key="one")
    assert (await here.desk.create(settings(), FORMAT.new_secret(), key="one")).id == first.id
    await here.desk.delete(first.id)
    assert (await here.desk.create(settings(), FORMAT.new_secret(), key="one")).id != first.id


async def test_what_never_arrives_is_tried_eight_times_more_under_its_id(
    here: World, server: Receiver
) -> None:
    """After 5 s, 5 min, 30 min, 2 h, 5 h and three times 10 h, each lengthened by up to a quarter."""
    made = await here.desk.create(settings(server.url), FORMAT.new_secret())
    here.move(1)
    await happen(here, 1)
    server.behaviour = answering(500)
    assert await sent(here, server) == 1
    for number, pause in enumerate((5, 300, 1_800, 7_200, 18_000, 36_000, 36_000, 36_000), 1):
        here.move(pause - 1)
        assert await sent(here, server) == number
        here.move(pause / 4 + 1)
        assert await sent(here, server) == number + 1
    here.move(36_000 * 10)
    assert await sent(here, server) == 9
    assert len(set(server.ids)) == 1
    stamps = [each.headers["webhook-timestamp"] for each in server.received]
    assert len(set(stamps)) == len({each.headers["webhook-signature"] for each in server.received})
    assert len(set(stamps)) == 9
    assert len(await here.desk.dead(made.id, None, 10)) == 1
