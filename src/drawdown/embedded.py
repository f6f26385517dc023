"""A ledger inside a Python program: the client, and the native API under it, without a server between.

What the client sends goes to the API in memory. So there is one way to speak to a ledger, and a program
that outgrows its own process changes one line.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any, TypeVar
from urllib.parse import urlencode

from drawdown.client import AsyncClient, Client
from drawdown.client.calls import Call
from drawdown.client.exchange import Server, read
from drawdown.config import Config
from drawdown.core.types import Mode
from drawdown.dialects.native import dialect as native
from drawdown.engine.accounts import FIRST_ACCOUNT, AccountExists, Principal, Role
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import StoreUnavailable, StoreUnusable
from drawdown.opening import DatabaseUrlInvalid
from drawdown.opening import open_ledger as open_engine
from drawdown.web.dispatch import DialectApp, ignore
from drawdown.web.endpoints import Limits

#: Nobody asks for it; the client wants an address.
_HERE = Server(url="http://in.this.process", key="none", attempts_max=1)

T = TypeVar("T")


class AccountUnknown(LookupError):
    """The database has accounts, and none of this name."""


def open_ledger(url: str, *, account: str = FIRST_ACCOUNT, mode: str = "live") -> OpenLedger:
    """A book of a ledger, to use within ``with`` or ``async with``; each gives the client of its kind.

    ``url`` as of `drawdown serve`: ``sqlite:///credits.db`` is in the working folder. The database is
    made when it is not there. ``account`` and ``mode`` (``live`` or ``test``) choose the book; an empty
    database gets the account. Entering it raises ``AccountUnknown``, ``DatabaseUrlInvalid``,
    ``StoreUnavailable`` and ``StoreUnusable``. Servers may use the same database meanwhile.
    """
    return OpenLedger(url, account, Mode(mode))


class OpenLedger:
    """What ``open_ledger`` answers: nothing is opened before it is entered."""

    def __init__(self, url: str, account: str, mode: Mode) -> None:
        self._asked = (url, account, mode)
        self._opened = AsyncExitStack()

    def __getattr__(self, name: str) -> object:
        raise AttributeError(
            f"There is no {name!r} before the ledger is entered: "
            "`with drawdown.open_ledger(…) as ledger:`, or `async with`."
        )

    async def __aenter__(self) -> AsyncClient:
        app = await self._open()
        return InProcessAsyncClient(app)

    async def __aexit__(self, *_: object) -> None:
        await self._opened.aclose()

    def __enter__(self) -> Client:
        self._thread = _LoopThread()
        try:
            app = self._thread.run(self._open())
        except BaseException:
            self._thread.close()
            raise
        return InProcessClient(app, self._thread)

    def __exit__(self, *_: object) -> None:
        try:
            self._thread.run(self._opened.aclose())
        finally:
            self._thread.close()

    async def _open(self) -> DialectApp:
        url, account, mode = self._asked
        ledger = await self._opened.enter_async_context(open_engine(url))
        try:
            principal = await _principal(ledger, account, mode)
        except BaseException:
            await self._opened.aclose()
            raise
        config = Config(database=url)

        async def authenticate(secret: str, key_id: str | None) -> Principal:
            return principal

        limits = Limits(body_bytes_max=config.body_bytes_max)
        return DialectApp(native.build(config), ledger, limits, ignore, authenticate)


async def _principal(ledger: Ledger, name: str, mode: Mode) -> Principal:
    """Everything that may be done in the account's book: who has the file needs no key."""
    accounts = await ledger.accounts.accounts()
    if not accounts:
        try:
            accounts = [await ledger.accounts.create_account(name)]
        except AccountExists:  # another process was first
            accounts = await ledger.accounts.accounts()
    for account in accounts:
        if account.name == name:
            book = await ledger.accounts.book(account.id, mode)
            return Principal(
                key_id=account.id, account=account.id, book=book, mode=mode, role=Role.ADMIN
            )
    known = ", ".join(account.name for account in accounts)
    raise AccountUnknown(f"There is no account {name!r}; the database has {known}.")


class InProcessAsyncClient(AsyncClient):
    """An ``AsyncClient`` whose requests never leave the process."""

    def __init__(self, app: DialectApp) -> None:
        self._app, self._server = app, _HERE

    async def close(self) -> None:
        """Nothing: the ledger is closed by whoever opened it."""

    async def send(self, call: Call[T]) -> T:
        return await _ask(self._app, call)


class InProcessClient(Client):
    """A ``Client`` whose requests never leave the process; they run on the ledger's own thread."""

    def __init__(self, app: DialectApp, thread: _LoopThread) -> None:
        self._app, self._thread, self._server = app, thread, _HERE

    def close(self) -> None:
        """Nothing: the ledger is closed by whoever opened it."""

    def send(self, call: Call[T]) -> T:
        return self._thread.run(_ask(self._app, call))


async def _ask(app: DialectApp, call: Call[T]) -> T:
    """The record that the API answers to one request. Raises the client's errors."""
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": call.body or b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = _HERE.headers(call)
    scope = {
        "type": "http",
        "method": call.method,
        "raw_path": call.path.encode("ascii"),
        "query_string": urlencode(call.query).encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    await app(scope, receive, send)
    start, body = sent
    answered = {name.decode(): value.decode() for name, value in start["headers"]}
    return read(_HERE, call, start["status"], answered, body["body"])


class _LoopThread:
    """An event loop on a thread of its own, for a caller that has none."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="drawdown", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What the coroutine returns, awaited on the thread's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


__all__ = [
    "AccountUnknown",
    "DatabaseUrlInvalid",
    "StoreUnavailable",
    "StoreUnusable",
    "open_ledger",
]
