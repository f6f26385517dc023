"""PostgreSQL killed under load, stopped, and used up: nothing acknowledged is lost, nothing is done twice.

The database writes to the disk as in production. Two servers work on it at once.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.conftest import StartServer
from tests.dialects.native.support import balance, customer_with, debit, debit_body, hold
from tests.durability.operations import Json
from tests.durability.test_kill import KINDS
from tests.durability.test_parallel import at_once, drawdown
from tests.durability.torture_database import UNAVAILABLE, DatabaseTorture, expel, readiness, until
from tests.support.postgres import DURABLE, VERSIONS, Cluster, Clusters, started
from tests.support.server import Server

ROUNDS = 2
CONNECTIONS = 20


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    running = started(VERSIONS[-1], DURABLE)
    yield running
    running.close()


def test_a_killed_database_loses_nothing_it_acknowledged(cluster: Cluster, tmp_path: Path) -> None:
    """Killed twice under two servers, one of which is killed, too; the other goes on by itself."""
    with cluster.database() as url:
        torture = DatabaseTorture(tmp_path, seed=20_260_102, database=url, cluster=cluster)
        for _ in range(ROUNDS):
            torture.round()
        torture.finish()
        assert torture.kinds.keys() >= KINDS
        assert sum(one.acknowledged for one in torture.rounds) > 200, torture.rounds
        assert sum(one.unanswered for one in torture.rounds) > 0, torture.rounds


def test_a_stopped_database_is_503_and_service_returns_by_itself(
    cluster: Cluster, serve: StartServer
) -> None:
    """Reads and writes say when to ask again; readiness tells the truth, life does not depend on it."""
    with cluster.database() as url:
        server = serve(database=url)
        with server.tenant().client() as client:
            customer = customer_with(client, [("50", "paid")])
            body = debit_body(customer, "1")
            before = client.post("/debits", json=body)
            cluster.postgres.stop()
            for method, path, sent in (
                ("POST", "/debits", body),
                ("POST", "/debits", debit_body(customer, "1")),
                ("GET", f"/balances/{customer}/usd", None),
                ("GET", "/customers", None),
            ):
                answer = client.request(method, path, json=sent)
                assert answer.status_code == 503, answer.text
                assert int(answer.headers["retry-after"]) >= 1
                assert answer.json()["code"]
            assert readiness(server.url) == 503
            assert httpx.get(f"{server.url}/health/live", timeout=60).status_code == 200
            cluster.postgres.start()
            until(server.url, 200)
            assert client.post("/debits", json=body).content == before.content
            assert debit(client, customer, "1").status_code == 201
            assert balance(client, customer)["used"] == "2"
        server.stop(UNAVAILABLE)


def test_a_database_that_takes_no_connection_is_503(cluster: Cluster, serve: StartServer) -> None:
    """Others use them all: who asks is told to come back, and is served once there is one."""
    cluster.sql("CREATE ROLE clerk LOGIN")
    with cluster.database("template0") as url:
        name = urlsplit(url).path[1:]
        cluster.sql(f"ALTER DATABASE {name} OWNER TO clerk")
        server = serve(database=url.replace("postgres@", "clerk@"))
        with server.tenant().client() as client:
            customer = customer_with(client, [("50", "paid")])
            cluster.sql(f"ALTER DATABASE {name} CONNECTION LIMIT 0")
            expel(cluster, "datname", name)
            until(server.url, 503)
            answer = debit(client, customer, "1")
            assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
            cluster.sql(f"ALTER DATABASE {name} CONNECTION LIMIT 20")
            until(server.url, 200)
            assert debit(client, customer, "1").status_code == 201
            assert balance(client, customer)["used"] == "1"
        server.stop(UNAVAILABLE)


# Two servers on one database -------------------------------------------------------------------------


class Two:
    """Two servers and one customer with 50; what is asked goes to one and the other, at once."""

    def __init__(self, servers: list[Server], cluster: Cluster) -> None:
        self.servers, self.cluster = servers, cluster
        tenant = servers[0].tenant()
        self.tenants = [replace(tenant, url=server.url) for server in servers]
        with tenant.client() as self.client:
            self.customer = customer_with(self.client, [("20", "paid"), ("30", "promotional")])
        self.client = tenant.client()

    def ask(self, path: str, bodies: list[Json]) -> Counter[int]:
        """How often each status was answered."""

        async def both() -> list[list[httpx.Response]]:
            halves = zip(self.tenants, (bodies[::2], bodies[1::2]), strict=True)
            return await asyncio.gather(
                *(at_once(tenant, path, half, CONNECTIONS) for tenant, half in halves)
            )

        self.answers = [answer for half in asyncio.run(both()) for answer in half]
        return Counter(answer.status_code for answer in self.answers)

    def deadlocks(self) -> int:
        database = urlsplit(self.servers[0].database).path[1:]
        seen = f"SELECT deadlocks FROM pg_stat_database WHERE datname = '{database}'"
        return int(self.cluster.sql(seen))

    def balance(self) -> tuple[str, str]:
        shown = balance(self.client, self.customer)
        return shown["available"], shown["used"]


@pytest.fixture(params=VERSIONS)
def two(request: pytest.FixtureRequest, clusters: Clusters, serve: StartServer) -> Iterator[Two]:
    cluster = clusters.of(request.param)
    with cluster.database() as url:
        found = Two([serve(database=url), serve(database=url)], cluster)
        yield found
        found.client.close()
        for server in found.servers:
            assert "all in order" in drawdown(server, "verify").stdout
            server.stop()


def test_two_servers_never_overdraw(two: Two) -> None:
    """Two hundred debits of 1 on 50 succeed fifty times."""
    bodies = [debit_body(two.customer, "1") for _ in range(200)]
    assert two.ask("/debits", bodies) == {201: 50, 402: 150}
    assert two.balance() == ("0", "50")


def test_two_servers_do_what_is_asked_of_both_once(two: Two) -> None:
    """One ledger key, one claim on a name, reversals of one debit, captures of one hold."""
    assert two.ask("/debits", [debit_body(two.customer, "1", idempotency_key="k")] * 40) == {
        201: 40
    }
    assert len({answer.content for answer in two.answers}) == 1
    assert two.balance() == ("49", "1")
    assert two.ask("/customers", [{"id": "the-one"}] * 40) == {201: 1, 409: 39}
    made = debit(two.client, two.customer, "10").json()["id"]
    bodies: list[Json] = [{"amount": "1", "idempotency_key": f"r{n}"} for n in range(40)]
    assert two.ask(f"/debits/{made}/reverse", bodies)[201] == 10
    assert two.balance() == ("49", "1")
    held = hold(two.client, two.customer, "9")["id"]
    bodies = [{"amount": "1", "idempotency_key": f"c{n}"} for n in range(40)]
    two.ask(f"/holds/{held}/capture", [{**body, "over_capture": "refuse"} for body in bodies])
    assert Counter(answer.status_code for answer in two.answers)[201] == 9
    assert two.balance() == ("40", "10")


def test_two_servers_make_one_wallet_of_first_grants(two: Two) -> None:
    """Each finds no wallet and makes one: all grants are in the same."""
    grants: list[Json] = [
        {"customer": two.customer, "entitlement": "eur", "amount": "1", "idempotency_key": f"g{n}"}
        for n in range(40)
    ]
    assert two.ask("/grants", grants) == {201: 40}
    assert balance(two.client, two.customer, "eur")["granted"] == "40"


def test_two_servers_that_need_the_same_wallets_do_not_wait_in_circles(two: Two) -> None:
    """Debits over the same twenty customers in any order: the database has seen no deadlock."""
    customers = [customer_with(two.client, [("1000000", "paid")]) for _ in range(20)]
    chance = random.Random(7)
    bodies = [debit_body(chance.choice(customers), "1") for _ in range(600)]
    assert two.ask("/debits", bodies) == {201: 600}
    used = sum(int(balance(two.client, customer)["used"]) for customer in customers)
    assert used == 600
    assert two.deadlocks() == 0
