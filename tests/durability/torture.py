"""Kills a real server under load, again and again, and asks afterwards for everything it ever answered.

Workers on connections of their own send debits (one by one and in batches), spends, grants that stay and
grants that expire, holds with their captures and releases, reversals and new customers, in the native API
and in every dialect (``operations``), each under a key. The server is killed with SIGKILL at a random
moment and started again on the same file. Then every acknowledged operation must be there once, as it
was answered; every other one once or not at all, and once after it is repeated; ``drawdown verify`` clean;
and the balances the sum of it all.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.durability.operations import BATCH, FUNDS, Asked, Operations
from tests.support.server import COMMAND, Server, start_server

FUNDED = tuple(f"customer-{number}" for number in range(5))
#: Granted and voided in Stripe's dialect only, which refuses grants where a hundred are unused.
OTHERS = tuple(f"other-{number}" for number in range(2))
#: How often each kind of operation is asked for.
SHARES = {
    "debit": 34, "batch": 12, "spend": 4, "reversal": 8, "grant": 8, "short grant": 6, "capture": 4,
    "release": 4, "hold left alone": 4, "customer": 2, "dodo": 6, "sequence": 4, "stripe": 4,
}  # fmt: skip
WORKERS = 8
#: How much is acknowledged before a kill, however slow the machine: about one of each kind at least.
ACKNOWLEDGED_MIN = 300
PATIENCE_SECONDS = 60
#: What one check asks for again at most, beside everything of its own round.
SAMPLE = 400

Json = dict[str, Any]


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
        self._deck: list[str] = []
        self.path = self.folder / "ledger.db"
        self.database = self.database or f"sqlite:///{self.path}"
        with self._server() as server:
            self._tenant = server.tenant()
            self._operations = Operations(self._chance, self._tenant.test.editor)
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

    @property
    def kinds(self) -> Counter[str]:
        """How often each kind of operation was acknowledged, by the last word of its path."""
        return Counter(asked.path.rpartition("/")[2] for asked in self.asked if asked.acknowledged)

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
            base_url=server.url,
            headers={"authorization": f"Bearer {self._tenant.test.editor.secret}"},
            timeout=60,
            verify=False,
            limits=httpx.Limits(max_connections=1),
        )

    # The load ------------------------------------------------------------------------------------

    async def _fund(self, server: Server) -> None:
        make = self._operations
        async with self._client(server) as client:
            for customer in (*FUNDED, *OTHERS):
                await self._ask(client, make.customer(customer))
            for customer in FUNDED:
                await self._ask(client, make.grant(customer, FUNDS))

    async def _until_killed(self, server: Server) -> None:
        async with contextlib.AsyncExitStack() as stack:
            clients = [
                await stack.enter_async_context(self._client(server)) for _ in range(WORKERS)
            ]
            workers = [asyncio.create_task(self._work(client)) for client in clients]
            await self._until_acknowledged(self._acknowledged() + ACKNOWLEDGED_MIN)
            await asyncio.sleep(self._chance.uniform(0.02, self.load_seconds))
            server.process.kill()
            await asyncio.gather(*workers)
            server.kill()

    def _acknowledged(self) -> int:
        return sum(asked.acknowledged for asked in self.asked)

    async def _until_acknowledged(self, count: int) -> None:
        last = time.monotonic() + PATIENCE_SECONDS
        while self._acknowledged() < count:
            assert time.monotonic() < last, f"not {count} acknowledged within {PATIENCE_SECONDS} s"
            await asyncio.sleep(0.02)

    async def _work(self, client: httpx.AsyncClient) -> None:
        """One thing after the other, until the server is gone."""
        with contextlib.suppress(httpx.TransportError):
            while True:
                await self._one(client)

    async def _one(self, client: httpx.AsyncClient) -> None:
        """One operation, or two of which the second is about the first."""
        make, customer = self._operations, self._chance.choice(FUNDED)
        what = self._draw()
        if what == "batch":
            await self._ask_batch(client, [make.debit(customer) for _ in range(BATCH)])
        elif what == "reversal":
            await self._ask_both(client, make.debit(customer), make.reversal)
        elif what in ("capture", "release"):
            end = make.capture if what == "capture" else make.release
            await self._ask_both(client, make.hold(customer, 3_600), end)
        elif what == "stripe":
            grant = make.stripe_grant(self._chance.choice(OTHERS))
            await self._ask_both(client, grant, make.stripe_void)
        else:
            await self._ask(client, self._single(what, customer))

    def _draw(self) -> str:
        """Each kind as often as its share says, in an order of chance."""
        if not self._deck:
            self._deck = [kind for kind, share in SHARES.items() for _ in range(share)]
            self._chance.shuffle(self._deck)
        return self._deck.pop()

    def _single(self, what: str, customer: str) -> Asked:
        make = self._operations
        if what == "customer":
            return make.customer(f"late-{make.key()}")
        if what == "grant":
            return make.grant(customer, self._chance.randint(1, 9))
        if what == "hold left alone":
            return make.hold(customer, 1)
        alone = {
            "debit": make.debit,
            "spend": make.spend,
            "short grant": make.short_grant,
            "dodo": make.dodo_entry,
            "sequence": make.sequence_credit,
        }
        return alone[what](customer)

    async def _ask_both(
        self, client: httpx.AsyncClient, first: Asked, second: Callable[[Asked], Asked]
    ) -> None:
        await self._ask(client, first)
        if first.acknowledged:
            await self._ask(client, second(first))

    async def _ask(self, client: httpx.AsyncClient, asked: Asked) -> None:
        """Written down before it is sent, answered when the answer is whole."""
        self.asked.append(asked)
        response = await asked.send(client)
        if not asked.has_lapsed(response) and self._is_taken(response, asked.status):
            asked.take(response.content)

    def _is_taken(self, response: httpx.Response, status: int) -> bool:
        """Nothing keeps a server of its own from answering, until it is killed."""
        assert response.status_code == status, (response.request.content, response.text)
        return True

    async def _ask_batch(self, client: httpx.AsyncClient, batch: Sequence[Asked]) -> None:
        self.asked.extend(batch)
        bodies = {"debits": [asked.body for asked in batch]}
        response = await client.post("/api/v1/debits/batch", json=bodies)
        if not self._is_taken(response, 200):
            return
        for asked, result in zip(batch, response.json()["results"], strict=True):
            self._take_result(asked, result)

    def _take_result(self, asked: Asked, result: Json) -> None:
        assert result["status"] == 201, result
        asked.answer = result["debit"]

    # The check -----------------------------------------------------------------------------------

    async def _check(self, server: Server, before: int) -> int:
        """Returns how many of the unanswered operations had been done."""
        fresh = self.asked[before:]
        known = [asked for asked in fresh if asked.acknowledged]
        before_that = [asked for asked in self.asked[:before] if asked.acknowledged]
        older = self._chance.sample(before_that, min(SAMPLE, len(before_that)))
        unanswered = [asked for asked in fresh if not asked.acknowledged]
        await self._replay(server, known + older)
        done = 0
        async with self._client(server) as client:
            for asked in unanswered:
                done += asked.take_late(await asked.send(client))
                if asked.acknowledged:
                    asked.check_replay(await asked.send(client))
            await self._check_sums(client)
        return done

    async def _replay(self, server: Server, known: Sequence[Asked]) -> None:
        """Ask again for what was acknowledged, over several connections."""

        async def replay(some: Sequence[Asked]) -> None:
            async with self._client(server) as client:
                for asked in some:
                    asked.check_replay(await asked.send(client))

        await asyncio.gather(*(replay(known[start::WORKERS]) for start in range(WORKERS)))

    async def _check_sums(self, client: httpx.AsyncClient) -> None:
        """Everything asked for has been done by now, so the balances are the sums of it all."""
        sums = dict.fromkeys(("granted", "used", "voided"), 0)
        for customer in (*FUNDED, *OTHERS):
            response = await client.get(f"/api/v1/balances/{customer}/usd")
            balance = {name: response.json()[name] for name in (*sums, "expired", "posted")}
            shown = {name: int(amount) for name, amount in balance.items()}
            gone = shown["used"] + shown["voided"] + shown["expired"]
            assert shown["posted"] == shown["granted"] - gone, response.text
            sums = {name: amount + shown[name] for name, amount in sums.items()}
        for name, amount in sums.items():
            assert amount == sum(getattr(asked, name) for asked in self.asked), name
