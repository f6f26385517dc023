"""Where requests go, when they are sent again, and what an answer means; without any sending."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from random import SystemRandom
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from drawdown.client import errors
from drawdown.client.calls import API, Call

URL = "http://127.0.0.1:8080"
REPEATED = frozenset({429, 502, 503, 504})
PAUSE_SECONDS = 0.1
PAUSE_SECONDS_MAX = 5.0
#: A server may ask for a longer pause than our own, but not for any.
RETRY_AFTER_SECONDS_MAX = 30.0

T = TypeVar("T")
_random = SystemRandom()


class Server(Struct, frozen=True, kw_only=True):
    """A server and the key to one book in it. The key is in no text that is made of this."""

    url: str
    key: str
    attempts_max: int

    def __repr__(self) -> str:
        return f"Server({self.url!r})"

    def headers(self, call: Call[Any]) -> dict[str, str]:
        headers = {
            "authorization": f"Bearer {self.key}",
            "accept": "application/json",
            "user-agent": "drawdown-python",
        }
        return headers if call.body is None else headers | {"content-type": "application/json"}


def server(url: str | None, key: str | None, attempts_max: int) -> Server:
    """What was given, or what ``DRAWDOWN_URL`` and ``DRAWDOWN_API_KEY`` say.

    Raises ``ValueError`` for what can be no URL or no key, without repeating a secret.
    """
    if attempts_max < 1:
        raise ValueError("attempts_max is at least 1")
    secret = key or os.environ.get("DRAWDOWN_API_KEY", "")
    if not secret:
        raise ValueError("A key is needed: give key, or put its secret into DRAWDOWN_API_KEY.")
    if not secret.isascii() or not secret.isprintable() or " " in secret:
        raise ValueError("The API key has characters that no key has: copy it again.")
    address = checked(url or os.environ.get("DRAWDOWN_URL", "") or URL)
    return Server(url=address, key=secret, attempts_max=attempts_max)


def checked(url: str) -> str:
    """The URL without a slash at its end. Raises ``ValueError`` when it names no server."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    else:
        if "@" in parts.netloc:
            raise ValueError("The URL has a name or password in it: the key is given apart.")
        usable = usable and not parts.query and not parts.fragment
    if not usable:
        raise ValueError(f"{url!r} is no URL of a server, such as {URL}.")
    return url.rstrip("/")


class Attempts:
    """The sending of one call, again and again until it is answered or given up."""

    def __init__(self, server: Server, call: Call[T]) -> None:
        self._server = server
        self._call = call
        self._left = server.attempts_max if call.repeatable else 1
        self._made = 0

    def after_no_answer(self, problem: Exception) -> float:
        """Seconds to wait before the next attempt. Raises ``NoAnswer`` when there is none."""
        if self._has_another():
            return self._pause()
        why = str(problem) or type(problem).__name__
        raise errors.NoAnswer(
            f"The server at {self._server.url} does not answer: {why}.",
            code="no_answer",
            idempotency_key=self._call.key,
        ) from problem

    def after_answer(self, status: int, headers: Mapping[str, str]) -> float | None:
        """Seconds to wait before the next attempt, or None: this answer is the last."""
        if status in REPEATED and self._has_another():
            return max(self._pause(), retry_after(headers.get("retry-after", "")))
        return None

    def _has_another(self) -> bool:
        self._made += 1
        return self._made < self._left

    def _pause(self) -> float:
        """Twice as long each time, and never quite the same, so that callers do not come at once."""
        longest = min(PAUSE_SECONDS * 2**self._made, PAUSE_SECONDS_MAX)
        return _random.uniform(longest / 2, longest)


def retry_after(text: str) -> float:
    """Seconds that a ``Retry-After`` asks for, within bounds; 0 where it says nothing clear."""
    try:
        seconds = int(text) if text.strip().isdecimal() else _until(text)
    except ValueError:
        return 0.0
    return float(min(max(seconds, 0), RETRY_AFTER_SECONDS_MAX))


def _until(date: str) -> float:
    instant = parsedate_to_datetime(date)
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    return (instant - datetime.now(UTC)).total_seconds()


def read(server: Server, call: Call[T], status: int, headers: Mapping[str, str], body: bytes) -> T:
    """The record that was answered. Raises the error that was."""
    if status >= 400:
        raise _refusal(server, call, status, body)
    if status >= 300:
        raise _unexpected(server, call, status, f"it answered {status}, which leads elsewhere")
    try:
        return call.read(body, headers.get("idempotent-replayed") == "true")
    except (msgspec.DecodeError, ValueError) as error:
        raise _unexpected(server, call, status, f"its answer cannot be read: {error}") from None


def _refusal(server: Server, call: Call[T], status: int, body: bytes) -> errors.DrawdownError:
    try:
        problem = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        problem = None
    # Another dialect's refusal has another shape; the native API's always has a code.
    if isinstance(problem, dict) and ("code" in problem or not call.path.startswith(API)):
        return errors.of_problem(problem, status, call.key)
    if status in REPEATED or status >= 500:
        detail = f"The server at {server.url} answered {status}."
        return errors.of_problem({"detail": detail}, status, call.key)
    return _unexpected(server, call, status, f"it answered {status} without saying why")


def _unexpected(server: Server, call: Call[T], status: int, what: str) -> errors.UnexpectedAnswer:
    return errors.UnexpectedAnswer(
        f"What answers at {server.url} is no Drawdown server: {what}.",
        code="unexpected_answer",
        status=status,
        idempotency_key=call.key,
    )
