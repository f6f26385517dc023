"""Kills a real server under load, again and again, and asks afterwards for everything it ever answered.

Workers on connections of their own send debits (one by one and in batches), grants, reversals and new
customers, each under a key. The server is killed with SIGKILL at a random moment and started again on
the same file. Then every acknowledged operation must be there once, as it was answered; every other one
once or not at all, and once after it is repeated; ``drawdown verify`` clean; and the balances the sum of
it all.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.support.server import COMMAND, Server, start_server

FUNDS = 10**9
CUSTOMERS = 5
WORKERS = 8
BATCH = 20
#: What one check asks for again at most, beside everything of its own round.
SAMPLE = 400

Json = dict[str, Any]


@dataclass
class Asked:
    """One operation: how it was asked for, what it does to the sums, and the answer, once there was one."""

    path: str
    body: Json
    granted: int = 0
    used: int = 0
    answer: Json | None = None
    bytes_answered: bytes | None = None

    @property
    def acknowledged(self) -> bool:
        return self.answer is not None

    def take(self, content: bytes) -> None:
        self.answer, self.bytes_answered = json.loads(content), content

    def check_replay(self, response: httpx.Response) -> None:
        """What was acknowledged is answered again: replayed, and byte for byte where bytes were seen."""
        assert response.status_code == 201, (self, response.text)
        assert response.headers.get("idempotent-replayed") == "true", f"lost: {self}"
        assert response.json() == self.answer, f"changed: {self} {response.text}"
        assert self.bytes_answered in (None, response.content), f"changed: {self}"


@dataclass
class Round:
    """What became of one life of the server."""

    acknowledged: int
    unanswered: int
    of_those_done: int


@dataclass
class Torture:
    """One database, a file unless it is named, and everything that was ever asked of the servers on it.

    A kill comes at most ``load_seconds`` after the load has begun.
    """

    folder: Path
    seed: int
    load_seconds: float = 0.7
    database: str = ""
    asked: list[Asked] = field(default_factory=list)
    rounds: list[Round] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self._keys = 0
        self.path = self.folder / "ledger.db"
        self.database = self.database or f"sqlite:///{self.path}"
        with self._server() as server:
            self._tenant = server.tenant()
            asyncio.run(self._fund(server))
            server.stop()

    def round(self) -> Round:
        """Load, kill, perhaps kill again while starting, start, and check everything."""
        before = self.load_and_kill()
        if self._chance.random() < 0.5:
            self._kill_while_starting()
        if self._chance.random() < 0.5:
            self.verify()
        return self.check(before)

    def load_and_kill(self) -> int:
        """One life of a server. Returns how much had been asked before it."""
        before = len(self.asked)
        with self._server() as server:
            asyncio.run(self._until_killed(server))
        return before

    def check(self, before: int) -> Round:
        """Start a server on what the kill left, and look for everything asked since ``before``."""
        fresh = self.asked[before:]
        unanswered = [asked for asked in fresh if not asked.acknowledged]
        with self._server() as server:
            done = asyncio.run(self._check(server, before))
            server.stop()
        self.verify()
        found = Round(len(fresh) - len(unanswered), len(unanswered), done)
        self.rounds.append(found)
        return found

    def finish(self) -> None:
        """Ask again for everything there ever was."""
        with self._server() as server:
            asyncio.run(self._replay(server, [asked for asked in self.asked if asked.acknowledged]))
            server.stop()

    def verify(self) -> None:
        """``drawdown verify``, as an operator runs it."""
        command = [sys.executable, "-m", "drawdown", "verify", "--json"]
        command += ["--database", self.database]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert ended.returncode == 0, (ended.stdout, ended.stderr)
        assert json.loads(ended.stdout)["ok"] is True

    # The server ----------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _server(self) -> Iterator[Server]:
        server = start_server(self.folder, database=self.database, access_log="false")
        try:
            yield server
        finally:
            if server.process.poll() is None:
                server.kill()

    def _kill_while_starting(self) -> None:
        """It is killed before it listens, most likely while the file is read or recovered."""
        environment = os.environ | {
            "DRAWDOWN_PORT": "0",
            "DRAWDOWN_DATABASE": self.database,
        }
        process = subprocess.Popen(
            COMMAND, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(self._chance.uniform(0.2, 0.8))
        process.kill()
        process.wait()

    def _client(self, server: Server) -> httpx.AsyncClient:
        """A connection of its own."""
        return httpx.AsyncClient(
            base_url=server.url + "/api/v1",
            headers={"authorization": f"Bearer {self._tenant.test.editor.secret}"},
            timeout=30,
            verify=False,
            limits=httpx.Limits(max_connections=1),
        )

    # The load ------------------------------------------------------------------------------------

    async def _fund(self, server: Server) -> None:
        async with self._client(server) as client:
            for number in range(CUSTOMERS):
                await self._ask(client, self._customer(f"customer-{number}"))
                await self._ask(client, self._grant(f"customer-{number}", FUNDS))

    async def _until_killed(self, server: Server) -> None:
        async with contextlib.AsyncExitStack() as stack:
            clients = [
                await stack.enter_async_context(self._client(server)) for _ in range(WORKERS)
            ]
            workers = [asyncio.create_task(self._work(client)) for client in clients]
            await asyncio.sleep(self._chance.uniform(0.02, self.load_seconds))
            server.process.kill()
            await asyncio.gather(*workers)
            server.kill()

    async def _work(self, client: httpx.AsyncClient) -> None:
        """One thing after the other, until the server is gone."""
        with contextlib.suppress(httpx.TransportError):
            while True:
                await self._one(client)

    async def _one(self, client: httpx.AsyncClient) -> None:
        what, customer = self._chance.random(), f"customer-{self._chance.randrange(CUSTOMERS)}"
        if what < 0.6:
            debit = self._debit(customer)
            await self._ask(client, debit)
            if what < 0.1 and debit.acknowledged:
                await self._ask(client, self._reversal(debit))
        elif what < 0.8:
            await self._ask(client, self._grant(customer, self._chance.randint(1, 9)))
        elif what < 0.85:
            await self._ask(client, self._customer(f"late-{self._key()}"))
        else:
            await self._ask_batch(client, [self._debit(customer) for _ in range(BATCH)])

    async def _ask(self, client: httpx.AsyncClient, asked: Asked) -> None:
        """Written down before it is sent, answered when the answer is whole."""
        self.asked.append(asked)
        response = await client.post(asked.path, json=asked.body)
        if self._is_taken(response, 201):
            asked.take(response.content)

    def _is_taken(self, response: httpx.Response, status: int) -> bool:
        """Nothing keeps a server of its own from answering, until it is killed."""
        assert response.status_code == status, (response.request.content, response.text)
        return True

    async def _ask_batch(self, client: httpx.AsyncClient, batch: Sequence[Asked]) -> None:
        self.asked.extend(batch)
        bodies = {"debits": [asked.body for asked in batch]}
        response = await client.post("/debits/batch", json=bodies)
        if not self._is_taken(response, 200):
            return
        for asked, result in zip(batch, response.json()["results"], strict=True):
            self._take_result(asked, result)

    def _take_result(self, asked: Asked, result: Json) -> None:
        assert result["status"] == 201, result
        asked.answer = result["debit"]

    def _key(self) -> str:
        self._keys += 1
        return f"key-{self._keys}"

    def _debit(self, customer: str) -> Asked:
        amount = self._chance.randint(2, 9)
        body = {"customer": customer, "amount": str(amount), "attributes": {"model": "m"}}
        return Asked("/debits", self._keyed(body), used=amount)

    def _grant(self, customer: str, amount: int) -> Asked:
        body = {
            "customer": customer,
            "amount": str(amount),
            "priority": self._chance.randint(0, 99),
        }
        return Asked("/grants", self._keyed(body), granted=amount)

    def _keyed(self, body: Json) -> Json:
        return body | {"entitlement": "usd", "idempotency_key": self._key()}

    def _reversal(self, debit: Asked) -> Asked:
        assert debit.answer is not None
        body = {"amount": "1", "idempotency_key": self._key()}
        return Asked(f"/debits/{debit.answer['id']}/reverse", body, used=-1)

    def _customer(self, own_id: str) -> Asked:
        return Asked("/customers", {"id": own_id, "idempotency_key": self._key()})

    # The check -----------------------------------------------------------------------------------

    async def _check(self, server: Server, before: int) -> int:
        """Returns how many of the unanswered operations had been done."""
        fresh = self.asked[before:]
        known = [asked for asked in fresh if asked.acknowledged]
        older = self._chance.sample(self.asked[:before], min(SAMPLE, before))
        unanswered = [asked for asked in fresh if not asked.acknowledged]
        await self._replay(server, known + older)
        done = 0
        async with self._client(server) as client:
            for asked in unanswered:
                response = await client.post(asked.path, json=asked.body)
                assert response.status_code == 201, (asked, response.text)
                done += response.headers.get("idempotent-replayed") == "true"
                asked.take(response.content)
                asked.check_replay(await client.post(asked.path, json=asked.body))
            await self._check_sums(client)
        return done

    async def _replay(self, server: Server, known: Sequence[Asked]) -> None:
        """Ask again for what was acknowledged, over several connections."""

        async def replay(some: Sequence[Asked]) -> None:
            async with self._client(server) as client:
                for asked in some:
                    asked.check_replay(await client.post(asked.path, json=asked.body))

        await asyncio.gather(*(replay(known[start::WORKERS]) for start in range(WORKERS)))

    async def _check_sums(self, client: httpx.AsyncClient) -> None:
        """Everything asked for has been done by now, so the balances are the sums of it all."""
        granted = used = 0
        for number in range(CUSTOMERS):
            response = await client.get(f"/balances/customer-{number}/usd")
            balance = response.json()
            granted, used = granted + int(balance["granted"]), used + int(balance["used"])
            assert int(balance["posted"]) == int(balance["granted"]) - int(balance["used"])
        assert granted == sum(asked.granted for asked in self.asked)
        assert used == sum(asked.used for asked in self.asked)
