"""What the page on operations says about standbys, failover, backup and recovery is done, as it stands."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from bench.postgres import Postgres, PostgresMissing, find_binaries
from tests.conftest import StartServer
from tests.dialects.native.support import Json, balance, customer_with, debit_body
from tests.docs.pages import ROOT, Block, blocks
from tests.durability.torture_database import UNAVAILABLE, until
from tests.support.postgres import VERSIONS
from tests.support.replication import keep_port
from tests.support.server import Tenant

PAGE = ROOT / "docs/operations.md"
#: The loopback addresses that stand for the machines.
ADDRESSES = {"db1": "127.0.0.1", "db2": "127.0.0.2"}
LEDGER = f"postgresql://drawdown@{ADDRESSES['db1']},{ADDRESSES['db2']}/drawdown?sslmode=disable"
#: The moment that the page goes back to.
MOMENT = "2026-11-21 10:30:00+00"
PATIENCE_SECONDS = 60
SECONDS_MAX = 180


def section(title: str) -> list[Block]:
    """The commands under a heading, up to the next."""
    text = PAGE.read_text("utf-8")
    start = text.index(f"\n### {title}\n") + 1
    first = text[:start].count("\n")
    last = text[: text.index("\n### ", start)].count("\n")
    found = [block for block in blocks(PAGE) if first < block.line <= last]
    assert found
    return found


class Site:
    """Two machines for PostgreSQL, of which the first has a database, and a disk for backups."""

    def __init__(self, folder: Path, port: str) -> None:
        self.folder = folder
        self._port = port
        for name in (*ADDRESSES, "backup", "backup/wal"):
            (folder / name).mkdir()
        first = Postgres(folder / "db1", find_binaries(VERSIONS[-1]))  # as a package would make it
        first.close()
        self._programs, self._user = first.programs, first.user
        for name in (*ADDRESSES, "backup", "backup/wal"):
            if self._user is not None:
                shutil.chown(folder / name, self._user)
        self._make_pg_ctl()
        self.run("db1", 'pg_ctl start -l "$PGDATA/server.log"')
        self.run("db1", 'psql -c "CREATE ROLE drawdown LOGIN"')
        self.run("db1", "createdb -O drawdown -E UTF8 -T template0 drawdown")

    def _make_pg_ctl(self) -> None:
        """Each server listens on its own machine's address only; here that has to be said."""
        commands = self.folder / "commands"
        commands.mkdir()
        address = "-c listen_addresses=$PGHOST -c port=$PGPORT -c unix_socket_directories="
        script = f'#!/bin/sh\nexec "{self._programs}/pg_ctl" -o "{address}" "$@"\n'
        (commands / "pg_ctl").write_text(script)
        (commands / "pg_ctl").chmod(0o755)

    def run(self, where: str, text: str) -> str:
        """As PostgreSQL's user of one machine, or on one with Drawdown."""
        text = text.replace("/backup", f"{self.folder}/backup")
        text = text.replace(".venv/bin/drawdown", f"{sys.executable} -m drawdown")
        for name, address in ADDRESSES.items():
            text = text.replace(f"{name}.internal", address)
        is_database = where in ADDRESSES
        path = f"{self.folder}/commands:{self._programs}:{os.environ['PATH']}"
        own = (
            {"PATH": path, "PGHOST": ADDRESSES[where], "PGUSER": "postgres"} if is_database else {}
        )
        done = subprocess.run(
            ["sh", "-ec", text],
            check=False,
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
            cwd=self.folder,
            user=self._user if is_database else None,
            env={
                **os.environ,
                "PGPORT": self._port,
                "PGDATA": f"{self.folder}/{where}/data",
                **own,
            },
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
        return done.stdout

    def follow(self, block: Block) -> str:
        return self.run(block.words.removeprefix("on "), block.text)

    def wait_for(self, where: str, query: str, answer: str) -> None:
        last = time.monotonic() + PATIENCE_SECONDS
        while self.run(where, f'psql -At -c "{query}"').strip() != answer:
            assert time.monotonic() < last, f"{query} is not {answer}"
            time.sleep(0.1)

    def wait_for_quorum(self, where: str, standby: str) -> None:
        seen = "SELECT application_name, sync_state FROM pg_stat_replication"
        self.wait_for(where, seen, f"{standby}|quorum")

    def close(self) -> None:
        for where in ADDRESSES:
            self.run(where, 'test ! -f "$PGDATA/postmaster.pid" || pg_ctl stop -m immediate')


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """In a folder whose name is short, and which PostgreSQL's user can reach."""
    first = keep_port(ADDRESSES["db1"])
    port = first.getsockname()[1]
    try:
        second = keep_port(ADDRESSES["db2"], port)
    except OSError:
        first.close()
        pytest.skip(f"this machine has no {ADDRESSES['db2']} to stand for a second one")
    with first, second:
        monkeypatch.setenv("PGPORT", str(port))
        folder = Path(tempfile.mkdtemp(prefix="drawdown-tests-"))
        folder.chmod(0o755)
        try:
            made = Site(folder, str(port))
        except PostgresMissing as missing:
            pytest.skip(str(missing))
        yield made
        made.close()
        shutil.rmtree(folder)


class Customer:
    """One with 1000, whose debits of 1 are remembered with their answers."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        with tenant.client() as client:
            self.id = customer_with(client, [("1000", "paid")])

    def debit(self) -> tuple[Json, httpx.Response]:
        body = debit_body(self.id, "1")
        return body, self.ask(body)

    def ask(self, body: Json) -> httpx.Response:
        with self.tenant.client() as client:
            answer = client.post("/debits", json=body)
        assert answer.status_code == 201, answer.text
        return answer

    def used(self) -> str:
        with self.tenant.client() as client:
            return str(balance(client, self.id)["used"])


def is_replay(answer: httpx.Response, first: httpx.Response) -> bool:
    replayed = bool(answer.headers.get("idempotent-replayed") == "true")
    assert replayed == (answer.content == first.content)
    return replayed


def test_a_standby_is_made_and_takes_over(site: Site, serve: StartServer) -> None:
    """A server follows by itself; then the old machine is the standby of the new primary."""
    for block in section("A standby"):
        site.follow(block)
    site.wait_for_quorum("db1", "db2")
    server = serve(database=LEDGER)
    customer = Customer(server.tenant())
    body, before = customer.debit()
    site.run("db1", "pg_ctl stop -m immediate")
    until(server.url, 503)
    promote, *rest = section("Failover")
    site.follow(promote)
    until(server.url, 200)
    assert is_replay(customer.ask(body), before)
    for block in rest:
        site.follow(block)
    site.wait_for_quorum("db2", "db1")
    customer.debit()
    assert customer.used() == "2"
    server.stop(UNAVAILABLE)


def test_a_copy_is_restored_and_proved(site: Site, serve: StartServer) -> None:
    server = serve(database=LEDGER)
    customer = Customer(server.tenant())
    customer.debit()
    *others, proof = section("A copy of the database")
    for block in others:
        site.follow(block)
    assert "all in order" in site.follow(proof)
    assert customer.used() == "1"


def test_a_moment_is_gone_back_to_and_gone_on_from(site: Site, serve: StartServer) -> None:
    """What was done before it is replayed; what was done after it is done again, under the same keys."""
    archive, stop, restore, proof = section("Back to any moment")
    site.follow(archive)
    server = serve(database=LEDGER)
    customer = Customer(server.tenant())
    kept = [customer.debit() for _ in range(3)]
    time.sleep(0.5)
    moment = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S.%f+00")
    time.sleep(0.5)
    undone = [customer.debit() for _ in range(2)]
    server.stop(UNAVAILABLE)
    site.follow(stop)
    assert MOMENT in restore.text
    site.follow(replace(restore, text=restore.text.replace(MOMENT, moment)))
    site.wait_for("db1", "SELECT pg_is_in_recovery()", "f")
    assert "all in order" in site.follow(proof)
    again = serve(database=LEDGER)
    customer.tenant = replace(customer.tenant, url=again.url)
    assert customer.used() == "3"
    assert all(is_replay(customer.ask(body), first) for body, first in kept)
    assert not any(is_replay(customer.ask(body), first) for body, first in undone)
    assert customer.used() == "5"
