"""Where the tables are spread, an event is in its customer's shard and the claim on its id in another.

A server may die between any two of the three transactions: who sends the event again ends with one event,
counted once. Meters and rates are the same on every machine.
"""

from __future__ import annotations

import asyncio
from typing import Any
from unittest.mock import patch

import httpx
import pytest

from drawdown.core.state import USAGE_EVENT
from drawdown.core.types import Instant
from drawdown.engine.spread_events import EventIds
from drawdown.store.postgres.shard import ShardStore
from tests.store.postgres.test_claims_apart import Server, dies, servers
from tests.support.books import START
from tests.support.transactions import Recorder

pytestmark = pytest.mark.anyio

CUSTOMERS = ("ada", "grace", "mary", "joan", "edith", "emmy")
API = "/api/v1"
#: Where a process ends: what comes next is never begun.
DEATHS = {"after the claim": (EventIds, "open", True), "after the event": (EventIds, "end", False)}


def event(number: int | str, customer: str = "ada", calls: int = 1) -> dict[str, Any]:
    return {
        "id": f"e{number}",
        "customer": customer,
        "name": "call",
        "properties": {"calls": calls},
    }


async def metered(client: httpx.AsyncClient) -> None:
    """Every call costs a credit, of which each customer has 1,000."""
    await client.post(f"{API}/entitlements", json={"code": "credits", "unit": "credit", "scale": 0})
    meter = {"code": "calls", "event_name": "call", "aggregation": "sum", "property": "calls"}
    assert (await client.post(f"{API}/meters", json=meter)).status_code == 201
    price = {"model": "per_unit", "price": "1"}
    rate = {"meter": "calls", "entitlement": "credits", "price": price}
    assert (await client.post(f"{API}/rates", json=rate)).status_code == 201
    for customer in CUSTOMERS:
        await client.post(f"{API}/customers", json={"id": customer})
        grant = {"customer": customer, "entitlement": "credits", "amount": "1000"}
        assert (await client.post(f"{API}/grants", json=grant)).status_code == 201


async def send(server: Server, *events: dict[str, Any]) -> list[dict[str, Any]]:
    answer = await server.client.post(f"{API}/events", json={"events": list(events)})
    assert answer.status_code == 201, answer.text
    found: list[dict[str, Any]] = answer.json()["results"]
    return found


async def used(server: Server, customer: str = "ada") -> int:
    found = await server.client.get(f"{API}/balances/{customer}/credits")
    return int(found.json()["used"])


async def claims(server: Server) -> list[tuple[str, bool]]:
    """The ids of events that are claimed, and whether the claim stands for ever."""
    sql = "SELECT key, askers IS NULL FROM claim WHERE space = $1 ORDER BY key"
    store: Any = server.ledger.store
    return [(row[0], row[1]) for row in await store.fetch(sql, USAGE_EVENT)]


async def test_many_events_of_many_customers_are_recorded_each_in_its_shard(
    spread_url: str, recorder: Recorder
) -> None:
    """The recorder sees that no transaction is about two shards."""
    async with servers(spread_url, recorder) as (one, two):
        await metered(one.client)
        events = [event(n, CUSTOMERS[n % 6]) for n in range(300)]
        results = await send(two, *events)
        assert [(r["status"], r["event"]["id"]) for r in results] == [
            (201, each["id"]) for each in events
        ]
        assert [await used(one, customer) for customer in CUSTOMERS] == [50] * 6
        again = await send(one, *events)
        assert [r["event"] for r in again] == [r["event"] for r in results]
        assert [await used(two, customer) for customer in CUSTOMERS] == [50] * 6
        assert await claims(one) == sorted((each["id"], True) for each in events)
        listed = await two.client.get(f"{API}/events", params={"customer": "ada", "limit": 100})
        assert {each["customer"] for each in listed.json()["data"]} == {"ada"}
        assert len(listed.json()["data"]) == 50
        assert (await one.client.get(f"{API}/events/e7")).json() == results[7]["event"]


async def test_a_refused_event_leaves_its_id_free_and_its_neighbours_alone(
    spread_url: str, recorder: Recorder
) -> None:
    async with servers(spread_url, recorder) as (one, two):
        await metered(one.client)
        results = await send(
            one,
            event(1),
            event(2, "nobody"),
            event(3, calls=-1) | {"properties": {"calls": "many"}},
            event(1, calls=2),
            event(1, "grace"),
        )
        assert [each["status"] for each in results] == [201, 404, 422, 409, 409]
        assert await claims(two) == [("e1", True)]
        assert [each["status"] for each in await send(two, event(2), event(3, "mary"))] == [201] * 2
        assert [await used(one, customer) for customer in ("ada", "grace", "mary")] == [2, 0, 1]


async def test_an_id_that_another_customer_asked_for_in_vain_is_the_next_ones(
    spread_url: str, recorder: Recorder
) -> None:
    """In one request, too: what comes later is decided after what comes before it."""
    async with servers(spread_url, recorder) as (one, _):
        await metered(one.client)
        results = await send(one, event(1, "nobody"), event(1, "ada"), event(1, "grace"))
        assert [each["status"] for each in results] == [404, 201, 409]


@pytest.mark.parametrize("death", DEATHS)
async def test_who_sends_an_event_again_that_died_finds_it_or_makes_it(
    spread_url: str, recorder: Recorder, death: str
) -> None:
    place, name, after = DEATHS[death]
    real = getattr(place, name)

    async def does_and_dies(*args: Any) -> Any:
        await real(*args)
        await dies()

    async with servers(spread_url, recorder) as (one, two):
        await metered(one.client)
        with patch.object(place, name, does_and_dies if after else dies):
            died = await send(one, event(1), event(2, "grace"))
        assert [each["status"] for each in died] == [503, 503]
        assert await claims(one) == [("e1", False), ("e2", False)]
        done = death == "after the event"
        assert [await used(two, customer) for customer in ("ada", "grace")] == [done, done]
        other = await send(two, event(1, "mary"))
        assert [each["status"] for each in other] == [409]
        again = await send(two, event(1), event(2, "grace"), event(3))
        assert [each["status"] for each in again] == [201] * 3
        assert await send(one, event(1)) == [again[0] | {"replayed": True}]
        assert [await used(one, customer) for customer in ("ada", "grace", "mary")] == [2, 1, 0]
        assert await claims(one) == [("e1", True), ("e2", True), ("e3", True)]


async def test_of_many_who_send_an_event_at_once_one_makes_it(
    spread_url: str, recorder: Recorder
) -> None:
    async with servers(spread_url, recorder) as both:
        await metered(both[0].client)
        events = [event(n, CUSTOMERS[n % 6]) for n in range(20)]
        said = await asyncio.gather(*(send(server, *events) for server in both * 4))
        assert {each["status"] for results in said for each in results} == {201}
        assert len({str([each["event"] for each in results]) for results in said}) == 1
        assert sum([await used(both[1], customer) for customer in CUSTOMERS]) == 20
        assert {is_kept for _, is_kept in await claims(both[0])} == {True}


async def test_an_id_of_an_event_that_may_be_there_is_never_given_free(
    spread_url: str, recorder: Recorder
) -> None:
    """However old the claim is: once per id means for ever."""
    async with servers(spread_url, recorder) as (one, two):
        await metered(one.client)
        with patch.object(EventIds, "end", dies):
            await send(one, event(1))
        store = one.ledger.store
        assert await store.prune_claims(Instant(START + 1), 10) == 0
        [again] = await send(two, event(1))
        assert (again["status"], again["replayed"]) == (201, True)
        assert await used(two) == 1


async def test_an_id_of_which_one_request_was_refused_stays_whose_event_it_is(
    spread_url: str, recorder: Recorder
) -> None:
    """Both were at it; the one who is refused does not take the claim from the other."""
    async with servers(spread_url, recorder) as (one, two):
        await metered(one.client)
        leave, kept, left = ShardStore.leave_claims, asyncio.Event(), asyncio.Event()

        async def late(*args: Any) -> None:
            left.set()
            await kept.wait()
            await leave(*args)

        bad = event(1) | {"properties": {"calls": "many"}}
        with patch.object(ShardStore, "leave_claims", late):
            refused = asyncio.ensure_future(send(one, bad))
            await left.wait()
            [made] = await send(two, event(1))
            kept.set()
            assert [each["status"] for each in await refused] == [422]
        assert made["status"] == 201
        assert await claims(one) == [("e1", True)]


async def test_an_event_is_overridden_where_it_is(spread_url: str, recorder: Recorder) -> None:
    """Also one whose claim nobody finished, and twice in one request. Nobody overrides another's event."""
    async with servers(spread_url, recorder) as (one, two):
        await metered(one.client)
        with patch.object(EventIds, "end", dies):
            await send(one, event(1))
        override = {"override": True}
        results = await send(
            two,
            event(1, calls=5) | override,
            event(2, calls=2) | override,
            event(2, calls=3) | override,
            event(1, "grace") | override,
        )
        assert [each["status"] for each in results] == [201, 201, 201, 422]
        assert await used(one) == 8
        assert await claims(one) == [("e1", True), ("e2", True)]
        assert (await send(one, event(2, calls=3)))[0]["replayed"]
        assert await used(one) == 8
