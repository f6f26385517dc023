"""Several processes of one server on PostgreSQL: as exact as one, and any of them may die at any time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.parser import text_string_to_metric_families

from drawdown.core.types import MICROSECONDS
from tests.conftest import StartServer
from tests.dialects.native.support import balance, customer_with, debit_body, grant
from tests.support.postgres import VERSIONS, Cluster, Clusters
from tests.support.server import COMMAND, LISTENING, Server, Tenant

WORKERS = 2
CONNECTIONS = 12
#: So many debits are a load.
ENOUGH = 30
PATIENCE_SECONDS = 60


@pytest.fixture
def cluster(clusters: Clusters) -> Cluster:
    return clusters.of(VERSIONS[-1])


@pytest.fixture
def url(cluster: Cluster) -> Iterator[str]:
    with cluster.database() as found:
        yield found


@pytest.fixture
def temporary(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a server's folder with the figures is, and nothing else: the database is there by then."""
    made = tmp_path / "temporary"
    made.mkdir()
    monkeypatch.setenv("TMPDIR", str(made))
    return made


@pytest.fixture
def group(url: str, serve: StartServer) -> Server:
    """A server of two workers; it must end well."""
    return serve("--workers", str(WORKERS), database=url)


def children(server: Server) -> list[int]:
    """The process ids of the workers that live."""
    said = subprocess.run(
        ["ps", "-o", "pid=,stat=", "--ppid", str(server.process.pid)],
        capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip
    rows = [line.split() for line in said.splitlines()]
    return [int(pid) for pid, state in rows if not state.startswith("Z")]


def wait_until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.05)


def figures(server: Server) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = httpx.get(server.url + "/metrics", timeout=60, verify=False).text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def figure(server: Server, name: str, **labels: str) -> float:
    return figures(server).get((name, tuple(sorted(labels.items()))), 0.0)


def answered(server: Server, status: int) -> float:
    """Debits that all workers together have answered with a status."""
    labels = {"dialect": "native", "route": "/debits", "method": "POST", "status": str(status)}
    return figure(server, "drawdown_requests_total", **labels)


def client_of(tenant: Tenant) -> httpx.AsyncClient:
    """One connection of its own."""
    return httpx.AsyncClient(
        base_url=tenant.url + "/api/v1",
        headers={"authorization": f"Bearer {tenant.test.editor.secret}"},
        limits=httpx.Limits(max_connections=1),
        timeout=60,
        verify=False,
    )


async def at_once(tenant: Tenant, bodies: list[object], connections: int) -> list[int]:
    """The statuses of debits that are asked for all at once."""
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(client_of(tenant)) for _ in range(connections)]
        asked = [
            clients[n % connections].post("/debits", json=body) for n, body in enumerate(bodies)
        ]
        return [response.status_code for response in await asyncio.gather(*asked)]


def have_all_answered(server: Server, tenant: Tenant, customer: str) -> bool:
    """Whether each worker has answered something; the system may give one of them a crowd of connections."""

    async def ask() -> None:
        async with contextlib.AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(client_of(tenant)) for _ in range(20)]
            await asyncio.gather(*(c.get(f"/customers/{customer}") for c in clients))

    asyncio.run(ask())
    requests = [line for line in server.log_lines() if line["event"] == "request"]
    return {line["pid"] for line in requests} == set(children(server))


def counted(server: Server) -> list[float]:
    """What whoever answers knows of all debits, in one scrape: how they ended, how many they were."""
    found, one = figures(server), {"dialect": "native", "route": "/debits", "method": "POST"}
    wanted: list[tuple[str, dict[str, str]]] = [
        ("drawdown_requests_total", {**one, "status": "201"}),
        ("drawdown_requests_total", {**one, "status": "402"}),
        ("drawdown_debits_total", {"outcome": "accepted"}),
        ("drawdown_request_seconds_count", one),
        ("drawdown_request_seconds_bucket", {**one, "le": "+Inf"}),
        ("drawdown_workers", {}),
    ]
    return [found.get((name, tuple(sorted(labels.items()))), 0.0) for name, labels in wanted]


def test_200_debits_of_1_on_50_succeed_50_times_and_every_worker_counts_them_all(
    group: Server,
) -> None:
    """Both workers take part, and whichever is asked shows the sum, a second later at most."""
    tenant = group.tenant()
    with tenant.client() as client:
        customer = customer_with(client, [("50", "paid")])
        bodies: list[object] = [debit_body(customer, "1") for _ in range(200)]
        statuses = Counter(asyncio.run(at_once(tenant, bodies, 40)))
        assert statuses == {201: 50, 402: 150}
        assert balance(client, customer)["available"] == "0"
    wait_until(partial(have_all_answered, group, tenant, customer))
    requests = [line for line in group.log_lines() if line["event"] == "request"]
    assert {line["worker"] for line in requests} == {1, 2}
    whole = [50, 150, 50, 200, 200, WORKERS]
    wait_until(lambda: all(counted(group) == whole for _ in range(10)))
    for _ in range(10):  # each on a new connection, so that both are asked
        assert counted(group) == whole


class Load:
    """Debits of 1 from several connections until told to stop; each is repeated until it is answered."""

    def __init__(self, tenant: Tenant, customer: str) -> None:
        self.tenant, self.customer = tenant, customer
        self.answers: list[tuple[object, bytes]] = []
        self.broken = 0
        self.stopped = False

    async def run(self, connections: int, meanwhile: Callable[[], object]) -> None:
        """``ENOUGH`` are answered before it and, while there is a server, after it."""
        self._loop = asyncio.get_running_loop()
        workers = [asyncio.create_task(self._work(n)) for n in range(connections)]
        await self._until_answered(workers)
        await asyncio.to_thread(meanwhile)
        await self._until_answered(workers)
        self.stopped = True
        await asyncio.gather(*workers)

    async def _until_answered(self, workers: list[asyncio.Task[None]]) -> None:
        wanted, until = len(self.answers) + ENOUGH, time.monotonic() + PATIENCE_SECONDS
        while len(self.answers) < wanted and not all(worker.done() for worker in workers):
            assert time.monotonic() < until, f"{len(self.answers)} answers, not {wanted}"
            await asyncio.sleep(0.02)

    def until_all_have_asked(self) -> None:
        """Whoever has been answered has read that and asked again. From another thread."""

        async def turns() -> None:
            for _ in range(50):
                await asyncio.sleep(0.01)

        asyncio.run_coroutine_threadsafe(turns(), self._loop).result(PATIENCE_SECONDS)

    async def _work(self, number: int) -> None:
        asked = 0
        async with client_of(self.tenant) as client:
            while not self.stopped:
                asked += 1
                key = f"{self.customer}-{number}-{asked}"
                body = debit_body(self.customer, "1", idempotency_key=key)
                if not await self._ask(client, body):
                    return

    async def _ask(self, client: httpx.AsyncClient, body: object) -> bool:
        """Whether the server is still there."""
        for _ in range(100):
            try:
                response = await client.post("/debits", json=body)
            except httpx.ConnectError:
                return False
            except httpx.TransportError:
                self.broken += 1
                continue
            assert response.status_code in (201, 503), response.text
            if response.status_code == 201:
                self.answers.append((body, response.content))
                return True
            await asyncio.sleep(0.02)
        raise AssertionError("never answered")


def check_kept(server: Server, load: Load) -> None:
    """All that was answered is there once, as it was answered, and nothing else."""
    check_replays(load)
    with load.tenant.client() as client:
        assert int(balance(client, load.customer)["used"]) == len(load.answers)
    check_verify(server)


def check_replays(load: Load) -> None:
    with load.tenant.client() as client:
        for body, content in load.answers[:: max(1, len(load.answers) // 100)]:
            again = client.post("/debits", json=body)
            assert (again.status_code, again.content) == (201, content)
            assert again.headers["idempotent-replayed"] == "true"


def check_verify(server: Server) -> None:
    verify = [sys.executable, "-m", "drawdown", "verify", "--database", server.database]
    ended = subprocess.run(verify, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def busiest(server: Server) -> int:
    """The worker that has answered most debits: the system may have given all connections to one."""

    def pids() -> list[int]:
        requests = [line for line in server.log_lines() if line["event"] == "request"]
        return [int(str(line["pid"])) for line in requests if line.get("route") == "/debits"]

    wait_until(lambda: bool(pids()))
    [(pid, _)] = Counter(pids()).most_common(1)
    return pid


def test_a_worker_that_is_killed_under_load_loses_nothing_and_is_replaced(group: Server) -> None:
    """Those on its connections ask again with their keys; everybody else does not notice."""
    tenant = group.tenant()
    with tenant.client() as client:
        customer = customer_with(client, [("1000000", "paid")])
    before = set(children(group))
    killed: list[int] = []

    def kill() -> None:
        """Stopped first, so that something is asked of it that it does not answer."""
        killed.append(busiest(group))
        os.kill(killed[0], signal.SIGSTOP)
        load.until_all_have_asked()
        os.kill(killed[0], signal.SIGKILL)

    load = Load(tenant, customer)
    asyncio.run(load.run(CONNECTIONS, kill))
    [victim] = killed
    assert load.broken > 0
    assert len(load.answers) >= 2 * ENOUGH
    check_kept(group, load)
    wait_until(lambda: len(children(group)) == WORKERS)
    assert len(set(children(group)) - before) == 1
    [told] = [line for line in group.log_lines() if "started again" in str(line["event"])]
    assert (told["pid"], told["status"], told["level"]) == (victim, -signal.SIGKILL, "warning")
    wait_until(lambda: figure(group, "drawdown_workers") == WORKERS)


def are_replaced(server: Server, killed: set[int]) -> bool:
    return len(set(children(server)) - killed) == WORKERS


def written_down(folder: Path) -> float:
    """As ``answered`` with 201: what is there of it though every worker should die now."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(folder))  # type: ignore[no-untyped-call]
    labels = {"dialect": "native", "route": "/debits", "method": "POST", "status": "201"}
    return registry.get_sample_value("drawdown_requests_total", labels) or 0.0


def test_a_worker_that_keeps_dying_is_started_again_more_and_more_slowly(
    temporary: Path, group: Server
) -> None:
    """And nothing of what those before it have counted is forgotten."""
    [folder] = temporary.iterdir()
    tenant = group.tenant()
    with tenant.client() as client:
        customer = customer_with(client, [("10", "paid")])
        for _ in range(10):
            assert client.post("/debits", json=debit_body(customer, "1")).status_code == 201
    wait_until(lambda: written_down(folder) == 10)
    for _ in range(3):
        wait_until(lambda: len(children(group)) == WORKERS)
        killed = set(children(group))
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        wait_until(partial(are_replaced, group, killed))
    told = [line for line in group.log_lines() if "started again" in str(line["event"])]
    pauses = [line["seconds"] for line in told if line["worker"] == 1]
    assert pauses[:3] == [0.1, 0.2, 0.4]
    wait_until(lambda: figure(group, "drawdown_workers") == WORKERS)
    assert answered(group, 201) == 10


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_under_load_ends_it_when_everything_accepted_is_answered(
    group: Server, serve: StartServer, number: signal.Signals
) -> None:
    """What was answered is kept; the parent ends last, with all its workers, and leaves no folder."""
    tenant = group.tenant()
    with tenant.client() as client:
        customer = customer_with(client, [("1000000", "paid")])
    pids = children(group)
    load = Load(tenant, customer)

    def stop() -> None:
        group.process.send_signal(number)
        assert group.wait() == 0

    asyncio.run(load.run(CONNECTIONS, stop))
    assert len(load.answers) >= ENOUGH
    assert group.output[-1] == "stopped"
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
    assert not [line for line in group.log_lines() if line["level"] == "error"]
    again = serve("--workers", "2", database=group.database)
    load.tenant = Tenant(again.url, tenant.account, tenant.test, tenant.live)
    check_kept(again, load)
    again.stop()


def test_a_parent_that_is_killed_under_load_loses_nothing(
    group: Server, serve: StartServer
) -> None:
    """Its workers end with it; what was answered is there once, and of the rest each at most once."""
    tenant = group.tenant()
    with tenant.client() as client:
        customer = customer_with(client, [("1000000", "paid")])
    pids = children(group)
    load = Load(tenant, customer)
    asyncio.run(load.run(CONNECTIONS, group.kill))
    assert len(load.answers) >= ENOUGH
    wait_until(lambda: not any(alive(pid) for pid in pids))
    again = serve("--workers", "2", database=group.database)
    load.tenant = Tenant(again.url, tenant.account, tenant.test, tenant.live)
    check_replays(load)
    with load.tenant.client() as client:
        unanswered = int(balance(client, customer)["used"]) - len(load.answers)
    assert 0 <= unanswered <= CONNECTIONS
    check_verify(again)
    again.stop()


def test_a_signal_to_all_processes_at_once_ends_it_well(group: Server) -> None:
    """As a terminal sends it, or a service manager: nobody is started again."""
    pids = children(group)
    group.process.send_signal(
        signal.SIGSTOP
    )  # at once for it, however long the others take to be told
    for pid in (*pids, group.process.pid):
        os.kill(pid, signal.SIGINT)
    group.process.send_signal(signal.SIGCONT)
    assert group.wait() == 0
    assert group.output[-1] == "stopped"
    assert not [line for line in group.log_lines() if "worker ended" in str(line["event"])]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_however_the_parent_ends_the_workers_end_too_and_nothing_is_left(
    temporary: Path, url: str, serve: StartServer, number: signal.Signals
) -> None:
    """Nobody holds the address any more, and the folder with the figures is gone."""
    server = serve("--workers", "2", database=url)
    pids = children(server)
    assert len(pids) == WORKERS
    [folder] = temporary.iterdir()
    assert folder.stat().st_mode & 0o077 == 0
    server.process.send_signal(number)
    server.process.wait(60)
    wait_until(lambda: not any(alive(pid) for pid in pids))
    assert not list(temporary.iterdir())
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url, verify=False)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_when_the_process_that_settles_is_killed_another_goes_on(
    url: str, cluster: Cluster, serve: StartServer
) -> None:
    """What falls due meanwhile is recorded at its instant."""
    database = urlsplit(url).path[1:]

    def ask(statement: str) -> str:
        return cluster.sql(statement, database).strip()

    holder = "SELECT holder FROM lease WHERE name = 'settle'"
    first = serve(database=url)
    wait_until(lambda: bool(ask(holder)))
    settling = ask(holder)
    second = serve(database=url)
    tenant = second.tenant()
    expires_at = int(time.time()) + 8
    with tenant.client() as client:
        customer = customer_with(client, [])
        text = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(expires_at))
        grant(client, customer, "5", expires_at=text)
    assert ask(holder) == settling
    time.sleep(max(0.0, expires_at - 4 - time.time()))
    first.kill()
    wait_until(lambda: ask("SELECT count(*) FROM wallet WHERE next_due_at IS NOT NULL") == "0")
    assert ask(holder) != settling
    rows = ask("SELECT at FROM entry WHERE kind = 'expired'").split()
    assert rows == [str(expires_at * MICROSECONDS)]
    second.stop()


async def connections_to(connection: asyncpg.Connection) -> int:
    """How many others are on its database; what they have it do in parallel is not one more."""
    found: int = await connection.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    return found


def test_the_workers_share_the_connections(url: str, serve: StartServer) -> None:
    """Eight for two: never more, however much is read at once."""
    server = serve("--workers", "2", database=url, database_connections_max="8")
    tenant = server.tenant()
    with tenant.client() as client:
        customer = customer_with(client, [("5", "paid")])

    async def read() -> int:
        async with contextlib.AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(client_of(tenant)) for _ in range(30)]
            at = "2020-01-01T00:00:00Z"
            asked = [c.get(f"/balances/{customer}/usd", params={"at": at}) for c in clients]
            watching = await asyncpg.connect(url)
            most = 0
            reading = asyncio.gather(*asked)
            while not reading.done():
                most = max(most, await connections_to(watching))
            await watching.close()
            for response in await reading:
                assert response.status_code in (200, 503), response.text
            return most

    assert 2 <= asyncio.run(read()) <= 8
    server.stop()


def refused(*options: str, **settings: str) -> str:
    """What a start says that is expected to fail."""
    environment = {f"DRAWDOWN_{name.upper()}": value for name, value in settings.items()}
    ended = subprocess.run(
        [*COMMAND, "--port", "0", *options],
        env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 1
    assert LISTENING not in ended.stdout
    return " ".join(ended.stderr.split())


def test_sqlite_has_one_worker(tmp_path: Path) -> None:
    """It is said why, and what to do; no file is made."""
    path = tmp_path / "ledger.db"
    said = refused("--workers", "2", "--database", f"sqlite:///{path}")
    assert "SQLite has one writer" in said
    assert "--workers" in said
    assert not path.exists()


def test_too_few_connections_for_the_workers_are_refused(url: str) -> None:
    said = refused("--workers", "3", "--database", url, database_connections_max="11")
    assert re.search(r"DRAWDOWN_DATABASE_CONNECTIONS_MAX is 11.*Set it to 12", said)


def test_the_first_key_is_printed_once(cluster: Cluster, serve: StartServer) -> None:
    """On an empty database, however many workers there are; the second start prints none."""
    with cluster.database("template0") as url:
        first = serve("--workers", "3", database=url)
        assert "\n".join(first.output).count("not shown again") == 1
        first.stop()
        second = serve("--workers", "3", database=url)
        assert second.output == [f"{LISTENING}{second.url}"]
        second.stop()
