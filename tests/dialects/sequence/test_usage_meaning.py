"""What usage means where several rules meet: overrides, moves, aliases and metrics that change between."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from drawdown.dialects.sequence.usage import kept, unmapped
from tests.dialects.sequence.contract_usage import event_body, metric_body, units
from tests.dialects.sequence.in_process import World, opened_world
from tests.support.books import verified
from tests.support.postgres import Clusters
from tests.support.stores import SPREAD, SQLITE, Database, new_database

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=(SQLITE, SPREAD))
def database(
    request: pytest.FixtureRequest, tmp_path: Path, clusters: Clusters
) -> Iterator[Database]:
    with new_database(request.param, tmp_path, clusters) as found:
        yield found


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    async with opened_world(database) as found:
        yield found
        await verified(found.ledger)


async def send(world: World, alias: str, own_id: str, tokens: Any = None, **more: Any) -> Any:
    said = {} if tokens is None else {"tokens": tokens}
    body = event_body(alias, customerEventId=own_id, eventProperties=said, **more)
    return await world.ask("POST", "/usage-events", body)


async def taken(world: World, *sent: Any, **more: Any) -> Any:
    response = await send(world, *sent, **more)
    assert response.status_code == 201, response.text
    return response.json()


async def left(world: World, customer: str) -> str:
    found = await world.read(f"/credits/{customer}/grants")
    return "+".join(str(each["balance"]) for each in found["items"])


async def value(world: World, metric: str, alias: str) -> str:
    found = await world.read(
        f"/usage-metrics/{metric}/calculate",
        customerAliases=alias,
        periodStart="2025-01-01",
        periodEnd="2031-12-31",
    )
    return str(found["value"])


async def metered(world: World, *aliases: str, **more: Any) -> str:
    """A metric of whose units each alias has 100; the customers are made."""
    metric: str = (await world.made("/usage-metrics", metric_body(**more)))["id"]
    for alias in aliases:
        await world.new_customer(alias)
        await world.made("/credits", units(alias, metric, "100") | {"amount": 100})
    return metric


async def test_an_override_is_counted_by_the_definition_of_its_event(world: World) -> None:
    """Once: not by that which the metric was given since as well."""
    metric = await metered(world, "ada")
    await taken(world, "ada", "e-1", 10)
    other = metric_body(description="The same, of fewer", propertyFilters={"n": [1, 2]})
    assert (await world.ask("PUT", f"/usage-metrics/{metric}", other)).status_code == 200
    body = event_body("ada", customerEventId="e-1", eventProperties={"tokens": 12, "n": 1})
    assert (await world.ask("POST", "/usage-events", body)).status_code == 201
    assert await left(world, "ada") == "88"


async def shown(world: World, own_id: str) -> list[tuple[str, str]]:
    """Whose event counts under an id, or waits, and of how many tokens."""
    found = await world.read("/usage-events", eventId=own_id)
    return [
        (each["customerAlias"], str(each["eventProperties"]["tokens"])) for each in found["items"]
    ]


@pytest.mark.parametrize("why", ["what it lacks", "who is archived", "the time"])
async def test_an_event_that_is_refused_leaves_the_earlier_one_counted(
    world: World, why: str
) -> None:
    """Whatever it is refused for, where it would have gone to another customer."""
    await metered(world, "ada")
    ada = (await world.read("/customers/ada"))["id"]
    bob = await world.new_customer("bob")
    await taken(world, "ada", "e-1", 10)
    if why == "who is archived":
        await world.ask("POST", f"/customers/{bob}/archive")
        response = await send(world, "bob", "e-1", 5)
    elif why == "the time":
        response = await send(world, "bob", "e-1", 5, eventTimestamp="2999-01-01T00:00:00Z")
    else:
        response = await send(world, "bob", "e-1")
    assert response.status_code == 400
    assert await left(world, "ada") == "90"
    assert await shown(world, "e-1") == [(ada, "10")]


async def test_an_event_for_which_there_is_no_room_leaves_the_earlier_one_counted(
    world: World,
) -> None:
    await metered(world, "ada")
    await taken(world, "ada", "e-1", 10)
    full = partial(replace, events=unmapped.UNMAPPED_MAX)
    await kept.wait(world.ledger, world.book, full)
    response = await send(world, "later", "e-1", 5)
    assert (response.status_code, response.json()["error"]["type"]) == (400, "InvalidState")
    assert await left(world, "ada") == "90"


async def test_a_time_that_is_left_out_is_that_of_the_event_before(world: World) -> None:
    """Whether it goes to another customer, waits, or has waited."""
    await metered(world, "ada", "bob")
    then = "2026-01-15T00:00:00Z"
    for number, aliases in enumerate((["bob"], ["later"], ["VOID", "ada"], ["later", "bob"])):
        own_id = f"e-{number}"
        await taken(world, "ada", own_id, 1, eventTimestamp=then)
        for size, alias in enumerate(aliases):
            answered = await taken(world, alias, own_id, size)
            assert answered["eventTimestamp"] == then, (number, alias)


async def test_an_event_that_waited_is_found_by_the_id_that_it_was_answered_with(
    world: World,
) -> None:
    """Once it counts it has another one."""
    await metered(world, "ada")
    waits = await taken(world, "later", "e-1", 1)
    later = await world.new_customer("later")
    for text in ("e-1", waits["id"]):
        assert await shown(world, text) == [(later, "1")]
