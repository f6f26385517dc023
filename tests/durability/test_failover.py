"""A primary and a standby with quorum: the primary is lost under load, and nothing that was acknowledged."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from drawdown.store.postgres.durability import NO_STANDBY
from tests.conftest import StartServer
from tests.dialects.native.support import balance, customer_with, debit, debit_body
from tests.durability.operations import Operations
from tests.durability.test_parallel import connections
from tests.durability.torture_database import UNAVAILABLE, DatabaseTorture, readiness, until
from tests.support.postgres import VERSIONS
from tests.support.replication import Machine, url_of
from tests.support.server import Tenant

CONNECTIONS = 12
STALL_SECONDS = 0.3
#: Acknowledged before something happens; more than are asked for at once.
ENOUGH = 51
PATIENCE_SECONDS = 60
DATABASE = "ledger"


@dataclass
class FailoverTorture(DatabaseTorture):
    """The primary is lost under the load of two servers; the standby takes its place."""

    primary: Machine = field(kw_only=True)
    standby: Machine = field(kw_only=True)

    def _break(self) -> None:
        self.primary.lose()

    def _restore(self) -> None:
        self.standby.promote()


@pytest.fixture
def folder() -> Iterator[Path]:
    """Short, and open to the user that PostgreSQL runs as."""
    made = Path(tempfile.mkdtemp(prefix="drawdown-tests-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture
def pair(folder: Path) -> Iterator[tuple[Machine, Machine]]:
    """A primary with a ledger's database, and a standby that follows it."""
    with Machine(folder / "primary", VERSIONS[-1]) as primary:
        primary.sql(f"CREATE DATABASE {DATABASE}")
        with Machine(folder / "standby", VERSIONS[-1], primary=primary) as standby:
            standby.follow()
            yield primary, standby


def test_a_lost_primary_loses_nothing_it_acknowledged(
    pair: tuple[Machine, Machine], tmp_path: Path
) -> None:
    """Both servers go on with the standby by themselves; all that was answered is there once."""
    primary, standby = pair
    standby.demand_quorum()
    url = url_of([primary, standby], DATABASE)
    torture = FailoverTorture(
        tmp_path, seed=20_260_103, database=url, primary=primary, standby=standby
    )
    found = torture.round()
    torture.finish()
    assert found.acknowledged > 100, found
    assert found.unanswered > 0, found


class Load:
    """Debits of 1 over several connections, each under a key of its own, until told to stop."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self.acknowledged = 0
        self.stopped = False
        with tenant.client() as client:
            self.customer = customer_with(client, [("1000000", "paid")])

    async def run(self, meanwhile: Callable[[], None]) -> None:
        async with connections(self.tenant, CONNECTIONS) as clients:
            working = [asyncio.create_task(self._work(client)) for client in clients]
            await asyncio.to_thread(self.until_acknowledged, ENOUGH)
            await asyncio.to_thread(meanwhile)
            self.stopped = True
            await asyncio.gather(*working)

    def until_acknowledged(self, more: int) -> None:
        """Until so many more are than now."""
        wanted, last = self.acknowledged + more, time.monotonic() + PATIENCE_SECONDS
        while self.acknowledged < wanted:
            assert time.monotonic() < last, f"{self.acknowledged} acknowledged, not {wanted}"
            time.sleep(0.02)

    async def _work(self, client: httpx.AsyncClient) -> None:
        while not self.stopped:
            answer = await client.post("/debits", json=debit_body(self.customer, "1"))
            assert answer.status_code in (201, 503), answer.text
            self.acknowledged += answer.status_code == 201

    def used(self) -> int:
        with self.tenant.client() as client:
            return int(balance(client, self.customer)["used"])


@pytest.mark.parametrize("quorum", [True, False], ids=["quorum", "asynchronous"])
def test_only_a_quorum_keeps_what_the_standby_had_not_got_yet(
    pair: tuple[Machine, Machine], serve: StartServer, quorum: bool
) -> None:
    """Replication stalls, and then the primary is lost: of what is acknowledged meanwhile that loses some
    where commits did not wait for the standby, and start-up has warned of that."""
    primary, standby = pair
    if quorum:
        standby.demand_quorum()
    server = serve(database=url_of([primary, standby], DATABASE))
    load = Load(server.tenant())

    def fail_over() -> None:
        primary.stall_replication()
        if quorum:
            time.sleep(STALL_SECONDS)
        else:
            load.until_acknowledged(ENOUGH)
        primary.lose()
        standby.promote()

    asyncio.run(load.run(fail_over))
    until(server.url, 200)
    lost = load.acknowledged - load.used()
    warned = [line for line in server.log_lines() if line.get("weakness") == NO_STANDBY]
    if quorum:
        assert (lost <= 0, warned) == (True, [])
    else:
        assert (lost > 0, len(warned)) == (True, 1)
    server.stop(UNAVAILABLE)


def test_a_primary_that_hangs_is_left_for_the_one_that_was_promoted(
    pair: tuple[Machine, Machine], serve: StartServer
) -> None:
    """It takes connections and answers none: readiness says so, and service goes on at the standby."""
    primary, standby = pair
    standby.demand_quorum()
    server = serve(database=url_of([primary, standby], DATABASE))
    load = Load(server.tenant())

    def fail_over() -> None:
        primary.freeze()
        until(server.url, 503)
        standby.promote()
        until(server.url, 200)

    asyncio.run(load.run(fail_over))
    before = load.used()
    assert before >= load.acknowledged >= ENOUGH
    with load.tenant.client() as client:
        assert debit(client, load.customer, "1").status_code == 201
    assert load.used() == before + 1
    server.stop(UNAVAILABLE)


@pytest.mark.parametrize("impatient", [True, False], ids=["cancelled", "waited for"])
def test_what_no_standby_has_confirmed_is_not_acknowledged(
    pair: tuple[Machine, Machine], serve: StartServer, impatient: bool
) -> None:
    """PostgreSQL calls a commit a success whose wait for a standby an operator breaks off. We do not: not
    when it is asked for, nor when it is asked for again, until a standby has it; readiness says so."""
    primary, standby = pair
    standby.demand_quorum()
    server = serve(database=url_of([primary, standby], DATABASE))
    tenant = server.tenant()
    make = Operations(random.Random(1), tenant.test.editor)
    with tenant.client(base="") as client:
        with tenant.client() as native:
            customer = customer_with(native, [("50", "paid")])
        asked = [make.debit(customer)]  # each takes as long as the patience there is
        if impatient:
            asked.append(make.stripe_grant(customer))
        primary.stall_replication()
        with cancelling(primary) if impatient else contextlib.nullcontext():
            for one in asked * 2 if impatient else asked:
                refused = one.send_now(client)
                assert refused.status_code == 503, (one, refused.text)
                assert int(refused.headers["retry-after"]) >= 1
            assert readiness(server.url) == 503
        primary.resume()
        until(server.url, 200)
        for one in asked:
            assert one.take_late(one.send_now(client))
            one.check_replay(one.send_now(client))
        with tenant.client() as native:
            shown = balance(native, customer)
        assert shown["used"] == str(sum(one.used for one in asked))
        assert shown["granted"] == str(50 + sum(one.granted for one in asked))
    server.stop(UNAVAILABLE)


@contextlib.contextmanager
def cancelling(primary: Machine) -> Iterator[None]:
    """Whoever waits for a standby is told to go on without."""
    waiting = "pg_stat_activity WHERE wait_event = 'SyncRep'"
    stopped = threading.Event()

    def cancel() -> None:
        while not stopped.wait(0.05):
            primary.sql(f"SELECT pg_cancel_backend(pid) FROM {waiting}")

    with ThreadPoolExecutor(1) as thread:
        working = thread.submit(cancel)
        try:
            yield
        finally:
            stopped.set()
        working.result()
