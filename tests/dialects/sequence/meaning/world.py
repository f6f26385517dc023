"""The dialect over a ledger in this process, on a clock that stands until it is set: no socket between."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec

from drawdown.core.types import Id, Instant
from drawdown.dialects.sequence.dialect import SequenceDialect
from drawdown.engine.clocks import ManualClock
from drawdown.engine.ledger import Ledger
from drawdown.web.dispatch import DialectApp, ignore
from drawdown.web.endpoints import Limits
from tests.dialects.sequence.support import BASE, CUSTOMER
from tests.support.books import open_ledger_on
from tests.support.stores import Database

SECOND = 1_000_000
DAY = 86_400 * SECOND
#: 2026-01-30T12:00:00Z: a month ends soon.
START = Instant(1_769_774_400_000_000)


class World:
    """A client of a fresh book; every call comes a second after the one before."""

    def __init__(self, ledger: Ledger, clock: ManualClock, client: httpx.AsyncClient, book: Id):
        self.ledger, self.clock, self.client, self.book = ledger, clock, client, book

    def pass_time(self, microseconds: int = SECOND) -> None:
        self.clock.instant = Instant(self.clock.instant + microseconds)

    async def ask(self, method: str, path: str, body: Any = None, **query: Any) -> httpx.Response:
        self.pass_time()
        content = None if body is None else msgspec.json.encode(body)
        return await self.client.request(method, path, content=content, params=query)

    async def made(self, path: str, body: Any) -> Any:
        response = await self.ask("POST", path, body)
        assert response.status_code == 201, response.text
        return response.json()

    async def read(self, path: str, **query: Any) -> Any:
        response = await self.ask("GET", path, **query)
        assert response.status_code == 200, response.text
        return json.loads(response.content, parse_float=str)

    async def new_customer(self, *aliases: str) -> str:
        body = CUSTOMER | {"customerAliases": list(aliases)}
        identifier: str = (await self.made("/customers", body))["id"]
        return identifier


@asynccontextmanager
async def opened_world(database: Database) -> AsyncIterator[World]:
    clock = ManualClock(START)
    ledger = open_ledger_on(await database.open(), clock)
    try:
        first = await ledger.accounts.first_start()
        assert first is not None
        principal = await ledger.authenticate(first[2])
        assert principal is not None
        async with _client(ledger, first[2]) as client:
            yield World(ledger, clock, client, principal.book)
    finally:
        await ledger.close()


def _client(ledger: Ledger, secret: str) -> httpx.AsyncClient:
    limits = Limits(body_bytes_max=1 << 20)
    app = DialectApp(SequenceDialect(allow_private=False), ledger, limits, ignore)
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=True),
        base_url=f"http://test{BASE}",
        headers={"authorization": f"Bearer {secret}"},
    )
