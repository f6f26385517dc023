"""`drawdown copy` as an operator uses it: beside a server under load, killed, finished, served, refused."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import apsw
import httpx
import pytest

from drawdown.cli import copy
from drawdown.opening import open_store
from tests.cli.test_backup import Load, wait_for_more
from tests.cli.test_verify import fill
from tests.conftest import StartServer
from tests.support.commands import drawdown, sqlite_url
from tests.support.postgres import VERSIONS, Clusters
from tests.support.server import Server, Tenant

COMMAND = (sys.executable, "-m", "drawdown", "copy")
KILLS = 2


def copied(path: Path, target: str, *words: str) -> Any:
    return drawdown("copy", "--from", sqlite_url(path), "--to", target, *words, "--json").json()


def failure(source: str, target: str, *words: str) -> str:
    return drawdown("copy", "--from", source, "--to", target, *words).failure()


@pytest.fixture
def filled(path: Path) -> Path:
    """A ledger with one customer who was granted 20 USD and used 0.0042 of them."""

    asyncio.run(fill(sqlite_url(path)))
    return path


# Moving ------------------------------------------------------------------------------------------


class Holder:
    """A customer with a hold and a Stripe grant, made before the copy and used after it."""

    def __init__(self, tenant: Tenant) -> None:
        self._key = {"authorization": f"Bearer {tenant.test.editor.secret}"}
        with self._client(tenant.url) as client:
            client.post("/customers", json={"id": "lin", "name": "Lin"})
            grant = {"customer": "lin", "entitlement": "usd", "amount": "10"}
            assert client.post("/grants", json=grant).status_code == 201
            hold = {**grant, "amount": "4", "expires_in": 3600, "idempotency_key": "held"}
            held = client.post("/holds", json=hold)
            assert held.status_code == 201, held.text
            self.hold = held.json()["id"]
        self.stripe = self.stripe_customer(tenant.url)
        assert self.stripe.status_code == 200, self.stripe.text

    def _client(self, url: str) -> httpx.Client:
        return httpx.Client(base_url=url + "/api/v1", headers=self._key, verify=False)

    def stripe_customer(self, url: str) -> httpx.Response:
        headers = {**self._key, "idempotency-key": "made-once"}
        data = {"name": "Ada", "metadata[plan]": "pro"}
        return httpx.post(url + "/v1/customers", headers=headers, data=data, verify=False)

    def check(self, url: str) -> None:
        """The hold is captured, what Stripe's dialect answered once it answers again."""
        with self._client(url) as client:
            body = {"amount": "3", "final": True, "idempotency_key": "captured"}
            captured = client.post(f"/holds/{self.hold}/capture", json=body)
            assert captured.status_code in {200, 201}, captured.text
            balance = client.get("/balances/lin/usd").json()
            assert (balance["posted"], balance["held"]) == ("7", "0"), balance
        again = self.stripe_customer(url)
        assert again.content == self.stripe.content
        assert again.headers["idempotent-replayed"] == "true"


def kill_some(path: Path, target: str, load: Load) -> None:
    """Copies that are killed a moment after they began, each a little later."""
    chance = random.Random(11)
    for number in range(KILLS):
        before = len(load.acknowledged)
        copy = subprocess.Popen(
            [*COMMAND, "--from", sqlite_url(path), "--to", target],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(0.35 + 0.1 * number + chance.random() / 10)
        copy.kill()
        copy.wait(60)
        wait_for_more(load, before)


def finish_while_it_stops(path: Path, target: str, server: Server, load: Load) -> str:
    """The last pass waits for the server, which is stopped as an operator stops it."""
    finish = subprocess.Popen(
        [*COMMAND, "--from", sqlite_url(path), "--to", target, "--finish"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert finish.stderr is not None
    assert "Stop the server now" in finish.stderr.readline()
    wait_for_more(load, len(load.acknowledged))
    server.stop()
    out, errors = finish.communicate(timeout=180)
    assert finish.returncode == 0, errors
    return out


def test_a_ledger_moves_to_postgres_under_load_and_nothing_is_lost(
    path: Path, target: str, serve: StartServer
) -> None:
    """Killed on the way; then keys, holds and stored answers do on the new database what they did."""
    server = serve(database=sqlite_url(path))
    tenant = server.tenant()
    load, holder = Load(tenant), Holder(tenant)
    load.grow(2)
    with load.running():
        kill_some(path, target, load)
        said = finish_while_it_stops(path, target, server, load)
    assert "DIFFERENT" not in said
    assert "every wallet is the same in both" in said
    compared = copied(path, target, "--check")
    assert compared["rows_compared"] == sum(there for _, there in compared["tables"].values())
    moved = serve(database=target)
    check_moved(moved, tenant, load, holder)
    assert drawdown("verify", "--database", target, "--json").json()["ok"] is True
    ran = drawdown("copy", "--from", sqlite_url(path), "--to", target, "--check")
    assert "is not the same in both" in ran.err


def check_moved(server: Server, tenant: Tenant, load: Load, holder: Holder) -> None:
    holder.check(server.url)
    headers = {"authorization": f"Bearer {tenant.test.editor.secret}"}
    with httpx.Client(base_url=server.url + "/api/v1", headers=headers, verify=False) as client:
        for body, answered in (
            random.Random(3).sample(load.acknowledged, 60) + load.acknowledged[-5:]
        ):
            again = client.post("/debits", json=body)
            assert again.headers.get("idempotent-replayed") == "true", f"lost: {body}"
            assert again.content == answered
        body = {"customer": "ada", "entitlement": "usd", "amount": "1", "idempotency_key": "new"}
        assert client.post("/debits", json=body).status_code == 201


def test_while_it_waits_for_the_server_the_copy_follows(
    path: Path, target: str, serve: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that little is left for the stop, however long the operator takes."""
    monkeypatch.setattr(copy, "FOLLOW_SECONDS", 0.05)
    caught_up = counting(monkeypatch)
    server = serve(database=sqlite_url(path))
    load = Load(server.tenant())
    load.grow(1)
    with ThreadPoolExecutor(1) as thread:
        finishing = thread.submit(copied, path, target, "--finish")
        wait_for(caught_up, 2)
        load.grow(1)
        while caught_up.acquire(blocking=False):
            pass  # that was before
        wait_for(caught_up, 2)  # one may be under way
        server.stop()
        done = finishing.result(60)
    assert done["finished"] is True
    assert done["passes"] > 3
    assert done["tables"]["entry"] == [2_002, 2_002]


def counting(monkeypatch: pytest.MonkeyPatch) -> threading.Semaphore:
    """Let go once each time that a copy has caught up."""
    caught_up, catch_up = threading.Semaphore(0), copy._catch_up

    async def counted(*given: Any) -> None:
        await catch_up(*given)
        caught_up.release()

    monkeypatch.setattr(copy, "_catch_up", counted)
    return caught_up


def wait_for(caught_up: threading.Semaphore, times: int) -> None:
    for _ in range(times):
        assert caught_up.acquire(timeout=60)


def test_a_second_copy_goes_on_where_the_first_one_was(filled: Path, target: str) -> None:
    first, second = copied(filled, target), copied(filled, target)
    assert first["copied"] > 0
    assert second["copied"] < first["copied"]
    done = copied(filled, target, "--finish")
    assert done["finished"] is True
    assert done["tables"]["entry"] == [2, 2]
    assert done["verified"]["totals"]["usd"]["used"] == "0.0042"


# Refusals ----------------------------------------------------------------------------------------


def test_no_server_opens_what_is_not_wholly_copied(filled: Path, target: str) -> None:
    copied(filled, target)
    said = drawdown("verify", "--database", target).failure()
    assert "A ledger is being copied into the database" in said
    assert "`drawdown copy --finish` ends the copy" in drawdown("doctor", "--database", target).out
    copied(filled, target, "--finish")
    assert drawdown("verify", "--database", target).code == 0
    assert "being copied" not in drawdown("doctor", "--database", target).out


def test_a_database_with_another_ledger_is_refused(filled: Path, target: str) -> None:
    assert drawdown("init", "--database", target).code == 0
    assert "another ledger in the database" in failure(sqlite_url(filled), target)


def test_a_copy_goes_on_with_its_own_ledger_only(filled: Path, target: str, tmp_path: Path) -> None:

    other = tmp_path / "other.db"
    asyncio.run(fill(sqlite_url(other)))
    copied(filled, target)
    assert "of another ledger" in failure(sqlite_url(other), target)


def test_a_copy_does_not_go_on_with_an_earlier_state(filled: Path, target: str) -> None:
    copied(filled, target)
    with apsw.Connection(str(filled)) as file:
        file.execute("DELETE FROM operation WHERE number = (SELECT max(number) FROM operation)")
    assert "a later state of this one" in failure(sqlite_url(filled), target)


def test_a_row_that_is_not_the_same_is_named(filled: Path, target: str, clusters: Clusters) -> None:
    copied(filled, target, "--finish")
    name = target.partition("?")[0].rpartition("/")[2]
    clusters.of(VERSIONS[-1]).sql("UPDATE entry SET order_key = 'x' WHERE seq = 2", name)
    ran = drawdown("copy", "--from", sqlite_url(filled), "--to", target, "--check")
    assert ran.code == 1
    assert "entry" in ran.err
    assert "is not the same in both" in ran.err


def test_a_finished_copy_is_not_gone_on_with(filled: Path, target: str) -> None:
    copied(filled, target, "--finish")
    assert "The copy is finished" in failure(sqlite_url(filled), target)
    assert "The copy is finished" in failure(sqlite_url(filled), target, "--finish")


def test_a_newer_schema_is_refused(filled: Path, target: str, clusters: Clusters) -> None:
    name = target.partition("?")[0].rpartition("/")[2]
    cluster = clusters.of(VERSIONS[-1])
    cluster.sql("CREATE TABLE drawdown_schema (step int PRIMARY KEY, name text NOT NULL)", name)
    cluster.sql("INSERT INTO drawdown_schema VALUES (999, 'later.post')", name)
    assert "Install the newer release" in failure(sqlite_url(filled), target)


def test_finishing_and_comparing_are_two_commands(filled: Path, target: str) -> None:
    ran = drawdown("copy", "--from", sqlite_url(filled), "--to", target, "--finish", "--check")
    assert ran.code == 2
    assert "when it is done --check" in ran.err


def test_an_empty_ledger_is_not_copied(path: Path, target: str) -> None:
    with pytest.raises(AssertionError, match="There is no ledger"):
        copied(path, target)
    asyncio.run(_made(sqlite_url(path)))
    assert "There is nothing to copy" in failure(sqlite_url(path), target)


async def _made(url: str) -> None:
    await (await open_store(url)).close()


@pytest.mark.parametrize(
    ("source", "to", "said"),
    [
        ("postgresql://x/a", "postgresql://x/b", "only a ledger in SQLite is copied"),
        ("sqlite:////nowhere/ledger.db", "postgresql://x/b", "There is no ledger at"),
        ("sqlite:///{path}", "sqlite:////tmp/b.db", "`drawdown backup` and `drawdown restore`"),
        ("sqlite:///{path}", "postgresql://127.0.0.1:1/b", "cannot be reached"),
    ],
)
def test_what_cannot_be_copied_is_said(filled: Path, source: str, to: str, said: str) -> None:
    assert said in drawdown("copy", "--from", source.format(path=filled), "--to", to).failure()
