"""Getting pages from a live account: a few at once, as fast as it likes, and again when it was busy."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

import httpx
import msgspec

from drawdown.importing.pages import PAGE_BYTES_MAX, PAGES_MAX, Folder
from drawdown.importing.problems import ImportRefused

AT_ONCE = 4
ATTEMPTS_MAX = 10
#: Where nothing was ever answered, it is rather the address that is wrong.
ATTEMPTS_AT_FIRST_MAX = 3
#: The first pause, which doubles up to the longest; what the vendor asks for is kept up to that, too.
PAUSE_SECONDS, PAUSE_SECONDS_MAX = 0.5, 120.0
#: Whoever says that it may be at once has a clock of its own.
PAUSE_SECONDS_MIN = 0.05
YEAR_SECONDS = 366 * 86_400
TIMEOUT_SECONDS = 60.0

_BUSY = frozenset({408, 409, 425, 429})
Told = Callable[[str, int], None]


class NotThere(ImportRefused):
    """The account has no such list."""


class NoAnswer(Exception):
    """Nothing came back, for whatever reason."""


class Answered(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport(Protocol):
    """How an account is asked, at its base URL and with its key."""

    base_url: str

    async def get(self, path: str, query: dict[str, str]) -> Answered:
        """Raises ``NoAnswer``, and ``ImportRefused`` for an answer that is too large."""

    async def close(self) -> None: ...


class Http:
    """Plain requests, each with the same headers: those that the key is in among them."""

    def __init__(self, base_url: str, headers: Mapping[str, str]) -> None:
        self.base_url = base_url.rstrip("/")
        self._http = httpx.AsyncClient(
            headers={"accept": "application/json", **headers}, timeout=TIMEOUT_SECONDS
        )

    async def get(self, path: str, query: dict[str, str]) -> Answered:
        try:
            async with self._http.stream("GET", f"{self.base_url}{path}", params=query) as response:
                body = b""
                async for chunk in response.aiter_bytes():
                    body += chunk
                    check_size(path, body)
                return Answered(response.status_code, response.headers, body)
        except httpx.RequestError as error:
            raise NoAnswer(f"{type(error).__name__}: {error}") from None

    async def close(self) -> None:
        await self._http.aclose()


class Fetcher:
    """Gets pages of one account. ``told`` hears of each: of which list, how many records."""

    def __init__(
        self,
        transport: Transport,
        folder: Folder,
        told: Told,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._transport, self._folder, self._told, self._sleep = transport, folder, told, sleep
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._quiet_until, self._answered = 0.0, False

    async def __aenter__(self) -> Fetcher:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._transport.close()

    async def get_list(self, name: str, path: str, **query: str) -> None:
        """Keep the pages of a list that are not there yet, up to the last.

        Raises ``NotThere`` and ``ImportRefused``.
        """
        folder = self._folder
        before = folder.last(name)
        for number in range(len(folder.numbers(name)), PAGES_MAX):
            if before is not None and before.is_last:
                return
            body = await self._get(path, {**query, **folder.pages.query(number, before)})
            try:
                before = folder.pages.read(body)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise ImportRefused(f"{path} did not answer a list: {error}.") from None
            folder.keep(name, number, body)
            self._told(name, len(before.items))
        raise ImportRefused(f"{path} has more than {PAGES_MAX:,} pages.")

    async def get_object(self, name: str, path: str, **query: str) -> None:
        """Keep what is no list, unless it is there. Raises as ``get_list``."""
        if not self._folder.numbers(name):
            self._folder.keep(name, 0, await self._get(path, query))
            self._told(name, 1)

    async def _get(self, path: str, query: dict[str, str]) -> bytes:
        """The body of a 200, however often it has to be asked for."""
        said, attempt = "", 0
        while attempt < (ATTEMPTS_MAX if self._answered else ATTEMPTS_AT_FIRST_MAX):
            pause, attempt = PAUSE_SECONDS * 2**attempt, attempt + 1
            async with self._slots:
                await self._be_quiet()
                try:
                    status, headers, body = await self._transport.get(path, query)
                except NoAnswer as error:
                    said = str(error)
                    self._wait(pause)
                    continue
            self._answered = True
            if status == 200:
                return body
            if status not in _BUSY and status < 500:
                raise _refusal(path, status, body)
            said = f"status {status}"
            asked = _asked_pause(headers, time.time())
            self._wait(max(asked or pause, PAUSE_SECONDS_MIN))
        raise ImportRefused(
            f"{self._transport.base_url}{path} did not answer, {attempt} times over ({said}).",
            "Run it again later: what is there is not fetched again.",
        )

    def _wait(self, seconds: float) -> None:
        """Nobody asks for a while: what is too much is so for all."""
        until = time.monotonic() + min(seconds, PAUSE_SECONDS_MAX)
        self._quiet_until = max(self._quiet_until, until)

    async def _be_quiet(self) -> None:
        left = self._quiet_until - time.monotonic()
        if left > 0:
            await self._sleep(left)


def check_size(path: str, body: bytes) -> None:
    """Raises ``ImportRefused``."""
    if len(body) > PAGE_BYTES_MAX:
        raise ImportRefused(f"{path} answered more than {PAGE_BYTES_MAX:,} bytes.")


def check_url(text: str, example: str) -> None:
    """Raises ``ImportRefused``."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise ImportRefused(f"{text} is no base URL.", f"Give one such as {example}.")


async def few_at_once(work: Sequence[Callable[[], Awaitable[None]]]) -> None:
    """All of it, a few at a time; the first that fails ends the rest."""
    waiting = iter(work)

    async def worker() -> None:
        for each in waiting:
            await each()

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(worker())
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None


def _asked_pause(headers: Mapping[str, str], now: float) -> float | None:
    """How many seconds the answer asks to wait; None where it does not, or not in whole numbers.

    ``X-RateLimit-Reset`` is not said to be a time or a span: what is too long for a span is a time.
    """
    for name, unit in (("retry-after-ms", 1_000), ("retry-after", 1), ("x-ratelimit-reset", 1)):
        text = headers.get(name, "")
        if text.isascii() and text.isdigit() and len(text) < 12:
            asked = int(text) / unit
            return max(asked - now, 0.0) if asked > YEAR_SECONDS else asked
    return None


def _refusal(path: str, status: int, body: bytes) -> Exception:
    if status == 404:
        return NotThere(f"The account has no {path} (status 404).", "Is it the base URL?")
    if status in (401, 403):
        return ImportRefused(
            f"The account refuses the key (status {status}).", "Give one that may read everything."
        )
    said = body[:200].decode("utf-8", "replace")
    return ImportRefused(f"{path} answered status {status}: {said}")
