"""A Drawdown server asked over HTTP, from the command line."""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Self
from urllib.parse import urlsplit

import httpx
import msgspec

from drawdown.cli.failures import Failure

ATTEMPTS_MAX = 6
PAUSE_SECONDS = 0.1
TIMEOUT_SECONDS = 60.0
RETRIED = frozenset({429, 502, 503, 504})
#: A JSON number is read from its text: an amount never becomes a binary float.
_decode = msgspec.json.Decoder(float_hook=Decimal).decode
AGAIN = "Run the same command again: it goes on where it stopped, and debits nothing twice."


class Answer(msgspec.Struct, frozen=True):
    """An answer with its JSON. ``replayed``: to a write that had been carried out before."""

    status: int
    body: Any
    replayed: bool = False


class Client:
    """Speaks JSON with one key. A request that cannot be delivered is repeated a few times.

    So every write must carry an idempotency key of its own. ``direct`` ignores proxy settings.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        direct: bool = False,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = _checked(url)
        self._sleep = sleep
        if not key.isascii() or not key.isprintable():
            raise Failure("The API key has characters that no key has.", "Copy it again.")
        self._http = httpx.Client(
            base_url=self.url,
            headers={"authorization": f"Bearer {key}"},
            timeout=TIMEOUT_SECONDS,
            trust_env=not direct,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def get(self, path: str, **query: str) -> Any:
        """The JSON of a 2xx. Raises ``Failure`` with what the server says is wrong."""
        return self._accepted(self._send("GET", path, params=query or None))

    def post(self, path: str, body: Any) -> Any:
        """As ``get``, of a write."""
        return self._accepted(self.answer(path, body))

    def answer(self, path: str, body: Any) -> Answer:
        """What the server answers to a write; a refusal is an answer too."""
        return self._send(
            "POST",
            path,
            content=msgspec.json.encode(body),
            headers={"content-type": "application/json"},
        )

    def _send(self, method: str, path: str, **parts: Any) -> Answer:
        """The first answer that does not ask to come again. Raises ``Failure`` in the end."""
        problem = ""
        for attempt in range(ATTEMPTS_MAX):
            if attempt:
                self._sleep(PAUSE_SECONDS * 2**attempt)
            try:
                response = self._http.request(method, path, **parts)
            except httpx.TransportError as error:
                problem = str(error) or type(error).__name__
                continue
            if response.status_code not in RETRIED:
                return self._read(response)
            problem = f"it answered {response.status_code}"
        raise Failure(f"The server at {self.url} cannot be reached: {problem}.", AGAIN)

    def _read(self, response: httpx.Response) -> Answer:
        try:
            body = _decode(response.content)
        except msgspec.DecodeError:
            raise Failure(
                f"What answers at {self.url} is no Drawdown server.",
                "Give the URL that `drawdown serve` prints, with --url or DRAWDOWN_URL.",
            ) from None
        if response.status_code == 401:
            raise Failure(
                f"The server at {self.url} does not know this key.",
                "Give its secret (sk_test_… or sk_live_…) with --key or DRAWDOWN_API_KEY.",
            )
        if response.status_code == 403:
            raise self._refused(body)
        replayed = response.headers.get("idempotent-replayed") == "true"
        return Answer(status=response.status_code, body=body, replayed=replayed)

    def _accepted(self, answer: Answer) -> Any:
        if answer.status >= 400:
            raise self._refused(answer.body)
        return answer.body

    def _refused(self, problem: Any) -> Failure:
        return Failure(f"The server at {self.url} refused: {detail_of(problem)}.")


def detail_of(problem: Any) -> str:
    """What problem details say in words, without a full stop."""
    detail = problem.get("detail") if isinstance(problem, dict) else None
    return str(detail or problem).rstrip(".")


def _checked(url: str) -> str:
    """The URL without a slash at its end. Raises ``Failure`` when it names no server."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise Failure(f"{url!r} is no URL of a server.", "Such as http://127.0.0.1:8080.")
    return url.rstrip("/")
