"""Two servers on one PostgreSQL, and the one that delivers events is killed: none is lost or out of order."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from drawdown.webhooks.deliver import LEASE_SECONDS
from tests.conftest import StartServer
from tests.dialects.native.test_events import events, post
from tests.dialects.native.test_webhooks import make
from tests.support.postgres import VERSIONS, Clusters
from tests.support.receiver import Received, Receiver, answering, receiver
from tests.support.server import Server, Tenant

CUSTOMERS = ("ada", "bob", "eve")
GRANTS = 8
#: The takeover, and the pauses of an endpoint that now and then fails.
PATIENCE_SECONDS = LEASE_SECONDS + 60


@pytest.fixture
def two(clusters: Clusters, serve: StartServer) -> Iterator[list[Server]]:
    with clusters.of(VERSIONS[-1]).database() as url:
        found = [serve(database=url, webhooks_allow_private="true") for _ in range(2)]
        yield found
        for server in found:
            if server.process.poll() is None:
                server.stop()


@pytest.fixture
def listening() -> Iterator[tuple[Receiver, asyncio.Runner]]:
    """A receiver that refuses one event in ten when it comes; it runs while ``run`` waits."""
    chance = random.Random(20_261_121)

    async def behave(received: Received, writer: asyncio.StreamWriter) -> None:
        await answering(500 if chance.random() < 0.1 else 200)(received, writer)

    with asyncio.Runner() as runner:
        opened = receiver(behave)
        made = runner.run(opened.__aenter__())
        yield made, runner
        runner.run(opened.__aexit__(None, None, None))


def test_who_is_killed_while_it_delivers_is_followed_by_one_that_leaves_nothing_out(
    two: list[Server], listening: tuple[Receiver, asyncio.Runner]
) -> None:
    """What is written after the death arrives, too, and each customer's events in their order."""
    got, runner = listening
    tenant = two[0].tenant()
    tenants = [replace(tenant, url=server.url) for server in two]
    with tenant.client() as client:
        make(client, url=got.url, ordered=True)
        post(client, "/entitlements", code="images", unit="image", scale=0)
        for name in CUSTOMERS:
            post(client, "/customers", id=name)
    grant_to_all(tenants)
    runner.run(got.wait(5))
    [victim] = [server for server in two if delivers(server)]
    victim.kill()
    [survivor] = [each for server, each in zip(two, tenants, strict=True) if server is not victim]
    grant_to_all([survivor])
    told = whole_feed(survivor, 1 + len(CUSTOMERS) * (1 + 2 * GRANTS))
    runner.run(until_all(got, {event["id"] for event in told}))
    assert set(got.ids) == {event["id"] for event in told}
    assert len(got.ids) > len(set(got.ids))
    for owner in (*CUSTOMERS, None):
        of_one = [event["id"] for event in told if event["customer"] == owner]
        arrived = [each for each in dict.fromkeys(got.ids) if each in of_one]
        assert arrived == of_one


def grant_to_all(tenants: list[Tenant]) -> None:
    """Several grants to every customer, asked of one server and the other in turn."""
    for number in range(GRANTS):
        with tenants[number % len(tenants)].client() as client:
            for name in CUSTOMERS:
                post(client, "/grants", customer=name, entitlement="images", amount="1")


def delivers(server: Server) -> bool:
    text = httpx.get(server.url + "/metrics", verify=False).text
    return 'drawdown_webhook_attempts_total{format="native",outcome="delivered"} 0.0' not in text


def whole_feed(tenant: Tenant, count: int) -> list[Any]:
    """The feed once it shows so many events."""
    deadline = time.monotonic() + 60
    with tenant.client() as client:
        while len(found := events(client, limit=100)) < count:
            assert time.monotonic() < deadline, len(found)
            time.sleep(0.1)
    assert len(found) == count
    return found


async def until_all(got: Receiver, expected: set[str]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS), got.arrived:
        await got.arrived.wait_for(lambda: set(got.ids) >= expected)
