"""A full disk: writes are 503, reads go on, readiness says so, and service returns with the room."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import StartServer
from tests.dialects.native.support import balance, customer_with, debit_body
from tests.durability.test_parallel import drawdown
from tests.durability.torture_database import UNAVAILABLE, readiness, until
from tests.support.disk import Disk, small_disk
from tests.support.postgres import VERSIONS
from tests.support.replication import Machine
from tests.support.server import Server

#: Each debit carries so much, that the room of a table's last page is soon used up.
ATTRIBUTES = {f"name-{number}": "x" * 400 for number in range(10)}
TRIES_MAX = 400


@pytest.fixture
def folder() -> Iterator[Path]:
    """Open to the user that PostgreSQL runs as."""
    made = Path(tempfile.mkdtemp(prefix="drawdown-tests-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


class Asked:
    """Debits of 1 of one customer on one server, and what was answered."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.client = server.tenant().client()
        self.customer = customer_with(self.client, [("1000000", "paid")])
        self.acknowledged: list[tuple[dict[str, Any], bytes]] = []

    def debit(self, body: dict[str, Any]) -> httpx.Response:
        answer = self.client.post("/debits", json=body)
        if answer.status_code == 201:
            self.acknowledged.append((body, answer.content))
        return answer

    def until_refused(self) -> dict[str, Any]:
        """The debit that was the first to be refused, for want of room."""
        for _ in range(TRIES_MAX):
            body = debit_body(self.customer, "1", attributes=ATTRIBUTES)
            answer = self.debit(body)
            if answer.status_code != 201:
                assert answer.status_code == 503, answer.text
                assert int(answer.headers["retry-after"]) >= 1
                return body
        raise AssertionError("the disk was not full")

    def check(self) -> None:
        """All that was acknowledged is there once, and nothing else."""
        assert balance(self.client, self.customer)["used"] == str(len(self.acknowledged))
        for body, content in self.acknowledged:
            again = self.client.post("/debits", json=body)
            assert (again.status_code, again.content) == (201, content)
            assert again.headers["idempotent-replayed"] == "true"
        assert json.loads(drawdown(self.server, "verify", "--json").stdout)["ok"] is True
        self.client.close()
        self.server.stop(UNAVAILABLE)


def fill_and_make_room(asked: Asked, disk: Disk, ending: Machine | None = None) -> None:
    """``ending``: the server that is brought to its end meanwhile."""
    disk.fill()
    refused = asked.until_refused()
    assert balance(asked.client, asked.customer)["used"] == str(len(asked.acknowledged))
    assert readiness(asked.server.url) == 503
    if ending is not None:
        ending.begin_log_file()
    disk.make_room()
    if ending is not None:
        ending.revive()
    until(asked.server.url, 200)
    again = asked.debit(refused)
    assert again.status_code == 201
    assert "idempotent-replayed" not in again.headers
    assert asked.debit(debit_body(asked.customer, "1")).status_code == 201


def test_a_file_on_a_full_disk(folder: Path, serve: StartServer) -> None:
    """SQLite: readiness is 503 until something could be written again."""
    with small_disk(folder / "disk", 8) as disk:
        server = serve(database=f"sqlite:///{disk.path / 'ledger.db'}")
        asked = Asked(server)
        fill_and_make_room(asked, disk)
        asked.check()


def test_a_database_on_a_full_disk(folder: Path, serve: StartServer) -> None:
    """PostgreSQL cannot make a table longer (53100). Then it wants to go on with its log in a new file,
    ends itself because there is no room for one, and is started again once there is."""
    with (
        small_disk(folder / "disk", 192) as disk,
        Machine(disk.path / "machine", VERSIONS[-1]) as machine,
    ):
        machine.sql("CREATE DATABASE ledger")
        machine.sql("CREATE TABLE told AS SELECT 0 AS number")
        asked = Asked(serve(database=machine.url("ledger")))
        fill_and_make_room(asked, disk)
        fill_and_make_room(asked, disk, machine)
        asked.check()
