"""One request to somebody else's server, bounded in every way: time, size, addresses, connections."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Iterable, Mapping
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpcore
import msgspec

from drawdown.webhooks import addresses
from drawdown.webhooks.addresses import AddressRefused, Resolve

#: From the look-up of the name to the end of what is read of the answer.
SECONDS_MAX = 15.0
#: More of an answer is not read.
ANSWER_BYTES_MAX = 1_024
#: Statuses with which Retry-After means something here: too many requests, and not available.
LEAVE_ALONE = frozenset({429, 503})
#: As many as deliveries may be under way (``deliver.IN_FLIGHT_MAX``).
CONNECTIONS_MAX = 128
KEPT_OPEN_SECONDS = 15.0
USER_AGENT = "Drawdown-Webhooks/1"


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. ``status`` None: no answer, and ``error`` says why in a word or a few.

    ``retry_after``: for how many seconds the other side asked to be left alone.
    """

    milliseconds: int
    retry_after: float = 0
    status: int | None = None
    answer: str | None = None
    error: str | None = None

    @property
    def arrived(self) -> bool:
        """Only 2xx says so. A redirect is not followed: it would lead where nobody has checked."""
        return self.status is not None and 200 <= self.status < 300


class CheckedNetwork(httpcore.AsyncNetworkBackend):
    """Connects to the addresses that were checked, and to no others that the name may lead to next."""

    def __init__(self, resolve: Resolve, allow_private: bool) -> None:
        self._resolve, self._allow_private = resolve, allow_private
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """The name stays what TLS is checked against."""
        found = addresses.check_addresses(await self._resolve(host, port), self._allow_private)
        problem: Exception | None = None
        for address in found[:4]:
            try:
                return await self._network.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                problem = error
        assert problem is not None
        raise problem

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 - the library's signature
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        raise AddressRefused("Events are not sent to files.")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Sender:
    """Sends bodies to URLs. It follows nothing, unpacks nothing, and reads little."""

    def __init__(
        self,
        *,
        allow_private: bool,
        resolve: Resolve = addresses.resolve,
        trusted: ssl.SSLContext | None = None,
        seconds_max: float = SECONDS_MAX,
    ) -> None:
        self._allow_private, self._seconds_max = allow_private, seconds_max
        self._resolve, self._trusted = resolve, trusted
        self._pool: httpcore.AsyncConnectionPool | None = None

    def _opened(self) -> httpcore.AsyncConnectionPool:
        """With the first event: reading the certificates of the world takes a moment."""
        if self._pool is None:
            self._pool = httpcore.AsyncConnectionPool(
                ssl_context=self._trusted or httpcore.default_ssl_context(),
                max_connections=CONNECTIONS_MAX,
                max_keepalive_connections=CONNECTIONS_MAX,
                keepalive_expiry=KEPT_OPEN_SECONDS,
                network_backend=CheckedNetwork(self._resolve, self._allow_private),
            )
        return self._pool

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Sent:
        """Send it, once. Never raises for what the other side does."""
        began = time.monotonic()
        found: dict[str, object] = {}
        try:
            async with asyncio.timeout(self._seconds_max):
                await self._exchange(url, headers, body, found)
        except TimeoutError:
            found.setdefault("error", f"no answer within {self._seconds_max:g} seconds")
        except AddressRefused as error:
            found["error"] = str(error)
        except (OSError, httpcore.NetworkError, httpcore.TimeoutException) as error:
            found.setdefault("error", _reason(error))
        except (httpcore.ProtocolError, httpcore.UnsupportedProtocol, ValueError):
            found.setdefault("error", "the answer is not whole, or not HTTP")
        if "status" in found:
            found.pop("error", None)
        milliseconds = round((time.monotonic() - began) * 1_000)
        return msgspec.convert({"milliseconds": milliseconds, **found}, Sent)

    async def _exchange(
        self, url: str, headers: Mapping[str, str], body: bytes, found: dict[str, object]
    ) -> None:
        addresses.check_url(url, self._allow_private)
        sent = {
            "user-agent": USER_AGENT,
            "content-type": "application/json",
            "accept-encoding": "identity",
            **headers,
            "host": _authority(url),
            "content-length": str(len(body)),
        }
        request = [(name.encode(), value.encode()) for name, value in sent.items()]
        async with self._opened().stream("POST", url, headers=request, content=body) as response:
            found["status"] = response.status
            found["answer"] = ""
            if response.status in LEAVE_ALONE:
                found["retry_after"] = _retry_after(response.headers)
            parts = b""
            async for part in response.aiter_stream():
                parts += part[: ANSWER_BYTES_MAX - len(parts)]
                found["answer"] = parts.decode("utf-8", "replace").replace("\0", "�")
                if len(parts) >= ANSWER_BYTES_MAX:
                    return

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.aclose()


def _authority(url: str) -> str:
    return urlsplit(url).netloc


def _retry_after(headers: Iterable[tuple[bytes, bytes]]) -> float:
    """Seconds, of a number of them or a date (RFC 9110, 10.2.3); 0 for what is neither, or past."""
    text = next((value for name, value in headers if name.lower() == b"retry-after"), b"")
    if text.isdigit():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text.decode("ascii"))
    except ValueError:
        return 0
    return max(0.0, at.timestamp() - time.time())


def _reason(error: Exception) -> str:
    """In our own words: what the system says may name files and addresses of this machine."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return f"TLS failed: {getattr(cause, 'verify_message', None) or 'no secure connection'}"
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpcore.ConnectError | httpcore.ConnectTimeout):
        return "no connection"
    if isinstance(error, httpcore.NetworkError):
        return "the connection broke"
    return "no address for the name"
