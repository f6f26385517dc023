"""Many who send events and map aliases at once, on two workers, and on one that is killed."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from random import Random

import httpx

from drawdown.opening import open_ledger
from tests.conftest import StartServer
from tests.dialects.sequence.contract_usage import event_body, metric_body, send, units, value
from tests.dialects.sequence.support import client, new_customer, post_credit
from tests.support.books import verified
from tests.support.server import Server, Tenant
from tests.support.stores import SQLITE

NAMES = ("ada", "bob")
IDS = tuple(f"e-{number}" for number in range(12))
SENDERS, EACH = 8, 20
GRANTED = 1_000


class Asked:
    """What was answered to all who ask; ``enough`` once that is so many."""

    def __init__(self, enough: int) -> None:
        self.statuses: list[int] = []
        self.enough, self._most = threading.Event(), enough

    def add(self, status: int) -> None:
        self.statuses.append(status)
        if len(self.statuses) >= self._most:
            self.enough.set()


def request(sequence: httpx.Client, random: Random) -> int:
    path = "/usage-events"
    if random.random() < 0.1:
        customer = random.choice(NAMES)
        path, body = "/customer-aliases", {"customerId": customer, "value": f"{customer}-too"}
    else:
        alias = random.choice((*NAMES, "ada-too", "bob-too", "never", "VOID"))
        said = {"tokens": random.randint(1, 5)}
        body = event_body(alias, customerEventId=random.choice(IDS), eventProperties=said)
    return sequence.post(path, json=body).status_code


def ask(tenant: Tenant, number: int, asked: Asked) -> None:
    """Until the server is gone."""
    random = Random(number)
    with client(tenant) as sequence, suppress(httpx.TransportError):
        for _ in range(EACH):
            asked.add(request(sequence, random))


def begin(server: Server) -> tuple[Tenant, str]:
    """A metric of whose units each customer has many."""
    tenant = server.tenant()
    with client(tenant) as sequence:
        metric: str = sequence.post("/usage-metrics", json=metric_body()).json()["id"]
        for name in NAMES:
            new_customer(sequence, customerAliases=[name])
            body = units(name, metric, str(GRANTED))
            assert post_credit(sequence, body).status_code == 201
    return tenant, metric


def check(sequence: httpx.Client, metric: str) -> None:
    """Of each id no more than one counts or waits; what counts is drawn, and nothing else."""
    for own_id in IDS:
        found = sequence.get("/usage-events", params={"eventId": own_id}).json()["items"]
        assert len(found) <= 1, found
    for name in NAMES:
        [left] = sequence.get(f"/credits/{name}/grants").json()["items"]
        assert str(GRANTED - left["balance"]) == value(sequence, metric, name)


async def verify(url: str) -> None:
    async with open_ledger(url, jobs=False) as ledger:
        await verified(ledger)


def test_nothing_is_lost_and_nothing_counts_twice(
    database_url: str, database_kind: str, serve: StartServer
) -> None:
    """On two workers, where the database is not one file."""
    server = serve(*(() if database_kind == SQLITE else ("--workers", "2")), database=database_url)
    tenant, metric = begin(server)
    asked = Asked(SENDERS * EACH)
    with ThreadPoolExecutor(SENDERS) as pool:
        list(pool.map(lambda number: ask(tenant, number, asked), range(SENDERS)))
    assert asked.enough.is_set()
    assert set(asked.statuses) == {201, 400}  # 400: the alias was given before
    with client(tenant) as sequence:
        check(sequence, metric)
    asyncio.run(verify(database_url))


def test_whoever_sends_an_event_again_finds_it_counted_once(
    database_url: str, serve: StartServer
) -> None:
    """Whatever a server was doing with it when it was killed."""
    server = serve(database=database_url)
    tenant, metric = begin(server)
    asked = Asked(SENDERS * EACH // 2)
    with ThreadPoolExecutor(SENDERS) as pool:
        asking = [pool.submit(ask, tenant, number, asked) for number in range(SENDERS)]
        assert asked.enough.wait(60)
        server.kill()
        for each in asking:
            each.result()
    again = replace(tenant, url=serve(database=database_url).url)
    with client(again) as sequence:
        for own_id in IDS:
            send(sequence, "ada", "1", customerEventId=own_id)
        check(sequence, metric)
        assert value(sequence, metric, "ada") == str(len(IDS))
        assert value(sequence, metric, "bob") == "0"
    asyncio.run(verify(database_url))
