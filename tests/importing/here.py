"""A book to move into, and the command as a person runs it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from drawdown.core.commands import Command
from drawdown.core.types import Mode
from drawdown.engine.ports import CustomerFilter
from drawdown.opening import open_ledger
from tests.dialects.dodo.sdk import Dodo
from tests.support.commands import Ran, drawdown
from tests.support.server import start_server


@dataclass(frozen=True)
class Here:
    """``secret`` opens the test book of the only account."""

    url: str
    secret: str
    folder: Path
    vendor: str = "dodo"

    def bring(self, pages: Path, *words: object, key: str | None = None) -> Ran:
        """`drawdown import` into the test book."""
        if key is not None:
            path = self.folder / "vendors.key"
            path.write_text(key + "\n")
            words = (*words, "--key-file", path)
        given = ("--pages", pages, "--mode", "test", "--database", self.url)
        return drawdown("import", self.vendor, *given, *words)

    def report(self, pages: Path, *words: object) -> Any:
        """What it found, however it ended."""
        ran = self.bring(pages, "--json", *words)
        assert ran.out, ran.err
        return json.loads(ran.out)

    def verified(self) -> Any:
        return drawdown("verify", "--database", self.url, "--json").json()

    def is_empty(self) -> bool:
        """Whether the book has nobody and nothing."""
        return asyncio.run(self._is_empty())

    async def _is_empty(self) -> bool:
        async with open_ledger(self.url, jobs=False) as ledger:
            [account] = await ledger.accounts.accounts()
            book = await ledger.accounts.book(account.id, Mode.TEST)
            people = await ledger.customers(CustomerFilter(book=book, limit=1))
            return not people and not await ledger.entitlements(book, limit=1)

    def apply(self, command: Command) -> None:
        asyncio.run(self._apply(command))

    async def _apply(self, command: Command) -> None:
        async with open_ledger(self.url, jobs=False) as ledger:
            [account] = await ledger.accounts.accounts()
            await ledger.apply(await ledger.accounts.book(account.id, Mode.TEST), command)

    @contextmanager
    def served(self) -> Iterator[tuple[Dodo, httpx.Client]]:
        """The vendor's SDK, and a plain client, of a server on the book."""
        with (
            self.serving() as http,
            closing(Dodo(str(http.base_url), self.secret, blocking=True)) as sdk,
        ):
            yield sdk, http

    @contextmanager
    def serving(self) -> Iterator[httpx.Client]:
        """A plain client of a server on the book."""
        server = start_server(self.folder, database=self.url)
        headers = {"authorization": f"Bearer {self.secret}"}
        with httpx.Client(base_url=server.url, headers=headers, timeout=30, verify=False) as http:
            yield http
        server.stop()


def a_book(url: str, folder: Path, vendor: str = "dodo") -> Here:
    return Here(url, asyncio.run(_first_key(url)), folder, vendor)


async def _first_key(url: str) -> str:
    async with open_ledger(url, jobs=False) as ledger:
        first = await ledger.accounts.first_start()
        assert first is not None
        return first[2]
