"""Whatever keeps PostgreSQL from answering is told in every dialect's own words, and harms nothing."""

from __future__ import annotations

import contextlib
import random
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
import pytest

from drawdown.store.postgres.connection import STATEMENT_SECONDS
from tests.conftest import StartServer
from tests.durability.operations import Asked, Json, Operations
from tests.durability.torture_database import UNAVAILABLE, expel, readiness, until
from tests.support.postgres import DURABLE, VERSIONS, Cluster, started
from tests.support.server import Server

CUSTOMER = "customer-0"
ROLE = "clerk"
#: What each dialect says, as far as it is its own.
SHAPES: dict[str, tuple[str, Json]] = {
    "api": ("application/problem+json", {"status": 503, "code": "unavailable"}),
    "dodo": ("application/json", {"code": "INTERNAL_SERVER_ERROR"}),
    "sequence": ("application/json", {"type": "ServiceUnavailable"}),
    "v1": ("application/json", {"type": "api_error"}),
}
READS = {
    "api": f"/api/v1/balances/{CUSTOMER}/usd",
    "dodo": f"/dodo/credit-entitlements/usd/balances/{CUSTOMER}",
    "sequence": f"/sequence/credits/{CUSTOMER}/grants",
    "v1": "/v1/billing/credit_grants",
}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    running = started(VERSIONS[-1], DURABLE)
    running.sql(f"CREATE ROLE {ROLE} LOGIN")
    yield running
    running.close()


class Everyone:
    """A client of each dialect on one server."""

    def __init__(self, server: Server) -> None:
        self.server = server
        tenant = server.tenant()
        self.make = Operations(random.Random(1), tenant.test.editor)
        basic = httpx.BasicAuth(tenant.test.editor.id, tenant.test.editor.secret)
        request = next(basic.auth_flow(httpx.Request("GET", server.url)))
        self.basic = {"authorization": request.headers["authorization"]}
        self.client = tenant.client(base="")
        self.done: list[tuple[Asked, httpx.Response]] = []
        with tenant.client() as client:
            client.post("/customers", json={"id": CUSTOMER}).raise_for_status()
            grant = {"customer": CUSTOMER, "entitlement": "usd", "amount": "1000"}
            client.post("/grants", json=grant).raise_for_status()

    def writes(self) -> dict[str, Asked]:
        """One of each dialect, with a key that was not used before."""
        return {
            "api": self.make.debit(CUSTOMER),
            "dodo": self.make.dodo_entry(CUSTOMER),
            "sequence": self.make.sequence_credit(CUSTOMER),
            "v1": self.make.stripe_grant(CUSTOMER),
        }

    def send(self, asked: Asked) -> httpx.Response:
        return asked.send_now(self.client)

    def read(self, name: str) -> httpx.Response:
        return self.client.get(READS[name], headers=self.basic if name == "sequence" else {})

    def are_refused(self) -> None:
        """Writes and reads, all at once; and readiness says so."""
        with ThreadPoolExecutor(2 * len(SHAPES)) as threads:
            written = {name: threads.submit(self.send, one) for name, one in self.writes().items()}
            read = {name: threads.submit(self.read, name) for name in READS}
        for name in SHAPES:
            is_unavailable(name, written[name].result())
            is_unavailable(name, read[name].result())
        assert readiness(self.server.url) == 503

    def are_served(self) -> None:
        until(self.server.url, 200)
        for name, asked in self.writes().items():
            answer = self.send(asked)
            assert answer.status_code == asked.status, answer.text
            self.done.append((asked, answer))
            assert self.read(name).status_code == 200

    def check(self) -> None:
        """All that was acknowledged is there once, and nothing else."""
        for asked, answer in self.done:
            asked.take(answer.content)
            asked.check_replay(self.send(asked))
        shown = self.client.get(READS["api"]).json()
        assert int(shown["used"]) == sum(asked.used for asked, _ in self.done)
        assert int(shown["granted"]) == 1000 + sum(asked.granted for asked, _ in self.done)
        self.client.close()
        self.server.stop(UNAVAILABLE)
        told = {line["event"] for line in self.server.log_lines()}
        assert told <= {"request", UNAVAILABLE, "the database keeps less than is promised"}, told


def is_unavailable(name: str, answer: httpx.Response) -> None:
    kind, words = SHAPES[name]
    assert answer.status_code == 503, (name, answer.text)
    assert answer.headers["content-type"] == kind
    assert int(answer.headers["retry-after"]) >= 1
    body = answer.json()
    body = body.get("error", body)
    assert words.items() <= body.items(), body


@pytest.fixture
def everyone(cluster: Cluster, serve: StartServer) -> Iterator[Everyone]:
    """As a role that limits hold for, with few connections of its own."""
    with cluster.database("template0") as url:
        cluster.sql(f"ALTER DATABASE {name_of(url)} OWNER TO {ROLE}")
        server = serve(database=url.replace("postgres@", f"{ROLE}@"), database_connections_max="4")
        found = Everyone(server)
        found.are_served()
        yield found
        found.are_served()
        found.check()


def name_of(url: str) -> str:
    return urlsplit(url).path[1:]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT, signal.SIGKILL])
def test_a_server_that_is_stopped_and_started(
    everyone: Everyone, cluster: Cluster, number: signal.Signals
) -> None:
    """Fast, immediately, and as a crash."""
    cluster.postgres.stop(number)
    everyone.are_refused()
    cluster.postgres.start()


def test_a_server_that_waits_for_its_clients_to_leave(everyone: Everyone, cluster: Cluster) -> None:
    """It stops smartly: connections that there are go on, and nobody is given a new one."""
    cluster.postgres.send(signal.SIGTERM)
    time.sleep(0.2)
    for asked in everyone.writes().values():
        answer = everyone.send(asked)
        assert answer.status_code in (asked.status, 503), answer.text
        if answer.status_code == asked.status:
            everyone.done.append((asked, answer))
    cluster.postgres.stop()
    everyone.are_refused()
    cluster.postgres.start()


def test_a_database_that_gives_no_connection(everyone: Everyone, cluster: Cluster) -> None:
    """Others have all there may be (53300)."""
    name = name_of(everyone.server.database)
    cluster.sql(f"ALTER DATABASE {name} CONNECTION LIMIT 0")
    expel(cluster, "datname", name)
    everyone.are_refused()
    cluster.sql(f"ALTER DATABASE {name} CONNECTION LIMIT -1")


@pytest.mark.parametrize("timeout", ["300ms", "0"], ids=["statement_timeout", "our own patience"])
def test_tables_that_stay_locked(everyone: Everyone, cluster: Cluster, timeout: str) -> None:
    """Every connection of the pool waits for them: who asks is told within seconds, not whenever."""
    name = name_of(everyone.server.database)
    with patience(cluster, everyone.server, timeout), locked(cluster, name):
        began = time.monotonic()
        everyone.are_refused()
        assert time.monotonic() - began < 6 * STATEMENT_SECONDS


@contextlib.contextmanager
def patience(cluster: Cluster, server: Server, timeout: str) -> Iterator[None]:
    """No statement of the server's takes longer than an operator lets it, until the block is left."""
    cluster.sql(f"ALTER ROLE {ROLE} SET statement_timeout = '{timeout}'")
    expel(cluster, "usename", ROLE)
    until(server.url, 200)
    yield
    cluster.sql(f"ALTER ROLE {ROLE} RESET statement_timeout")
    expel(cluster, "usename", ROLE)


@contextlib.contextmanager
def locked(cluster: Cluster, database: str) -> Iterator[None]:
    """A stranger has locked every table of a database; who waits in a circle with him gives in first."""
    listed = (
        "SELECT string_agg(quote_ident(tablename), ', ') FROM pg_tables WHERE schemaname = 'public'"
    )
    tables = cluster.sql(listed, database).strip()
    lock = f"SET deadlock_timeout = '10min'; LOCK TABLE {tables}; SELECT pg_sleep(600)"
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(cluster.sql, lock, database)
        sleeping = "pg_stat_activity WHERE wait_event = 'PgSleep'"
        while cluster.sql(f"SELECT count(*) FROM {sleeping}").strip() == "0":
            time.sleep(0.05)
        try:
            yield
        finally:
            cluster.sql(f"SELECT pg_cancel_backend(pid) FROM {sleeping}")
        assert "canceling" in str(waiting.exception())
