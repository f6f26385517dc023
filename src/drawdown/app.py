"""The composition root: which dialects there are, where each is mounted, what stands beside them."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from functools import partial
from importlib.metadata import version
from typing import Any

import msgspec

from drawdown.config import Config
from drawdown.core.requests import Answer
from drawdown.dialects.dodo import dialect as dodo
from drawdown.dialects.dodo.webhooks import events as dodo_events
from drawdown.dialects.native import dialect as native
from drawdown.dialects.native import events as native_events
from drawdown.dialects.sequence import dialect as sequence
from drawdown.dialects.sequence.notifications import events as sequence_events
from drawdown.dialects.stripe import dialect as stripe
from drawdown.dialects.stripe.webhooks import events as stripe_events
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import StoreUnavailable
from drawdown.web import metrics as web_metrics
from drawdown.web.access import access_log
from drawdown.web.dispatch import DialectApp, Observe, Receive, Scope, Send
from drawdown.web.endpoints import Context, Dialect, Limits
from drawdown.web.metrics import Metrics
from drawdown.web.rate_limits import RateLimiter, Rates
from drawdown.webhooks.deliver import Deliverer
from drawdown.webhooks.formats import Formats
from drawdown.webhooks.sending import Sender

#: Whose events can be delivered.
FORMATS = Formats(
    [native_events.FORMAT, stripe_events.FORMAT, dodo_events.FORMAT, sequence_events.FORMAT]
)
BUILDERS: tuple[Callable[[Config], Dialect], ...] = (
    partial(native.build, formats=FORMATS),
    stripe.build,
    dodo.build,
    sequence.build,
)
#: One vendor's SDKs take no path in their base URL: its paths begin at the origin.
ORIGIN_ROOTS = ("/v1", "/v2")
JSON = b"application/json"

Page = Callable[[], Awaitable[tuple[bytes, Answer]]]

_DOUBLED = re.compile(r"//+")
_encode = msgspec.json.Encoder().encode


def create_app(config: Config, ledger: Ledger, metrics: Metrics) -> Origin:
    """The ASGI app of one server over one open ledger."""
    dialects = [build(config) for build in BUILDERS]
    limits = Limits(body_bytes_max=config.body_bytes_max)
    observe = _observe(config, metrics)
    limiter = _rate_limiter(config, ledger, metrics)
    apps = {
        dialect: DialectApp(dialect, ledger, limits, observe, limiter=limiter)
        for dialect in dialects
    }
    return Origin(apps, ledger, metrics)


def _rate_limiter(config: Config, ledger: Ledger, metrics: Metrics) -> RateLimiter | None:
    """None where no limit is set: then no request is looked at for one."""
    accounts = Rates(
        per_second=config.rate_limit_per_second, per_minute=config.rate_limit_per_minute
    )
    addresses = Rates(
        per_second=config.rate_limit_unauthenticated_per_second,
        per_minute=config.rate_limit_unauthenticated_per_minute,
    )
    usage = Rates(
        per_second=config.rate_limit_usage_per_second,
        per_minute=config.rate_limit_usage_per_minute,
    )
    if accounts == addresses == usage == Rates():
        return None
    return RateLimiter(accounts, addresses, usage, ledger.clock, metrics.limited)


def create_deliverer(config: Config, ledger: Ledger, metrics: Metrics) -> Deliverer:
    """What delivers events to webhook endpoints; to be started and closed."""
    sender = Sender(allow_private=config.webhooks_allow_private)
    return Deliverer(ledger, FORMATS, sender, metrics)


def _observe(config: Config, metrics: Metrics) -> Observe:
    log = access_log(config)
    if log is None:
        return metrics.answered

    def observe(dialect: str, context: Context, status: int, seconds: float) -> None:
        metrics.answered(dialect, context, status, seconds)
        log(dialect, context, status, seconds)

    return observe


class Origin:
    """Gives each request to the dialect whose base its path begins with; keeps a few pages itself."""

    def __init__(self, apps: dict[Dialect, DialectApp], ledger: Ledger, metrics: Metrics) -> None:
        self._ledger, self._metrics = ledger, metrics
        self._mounts = sorted(
            ((base + "/", app) for dialect, app in apps.items() for base in _roots(dialect)),
            key=lambda mount: -len(mount[0]),
        )
        self._welcome = _welcome(list(apps))
        self._pages: dict[str, Page] = {
            "/": self._front,
            "/health/live": self._live,
            "/health/ready": self._ready,
            "/metrics": self._scrape,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http", "the server is started without lifespan and web sockets"
        path = scope["raw_path"].decode("ascii", "replace")
        if "//" in path:
            path = _DOUBLED.sub("/", path)
            scope["raw_path"] = path.encode()
        for base, app in self._mounts:
            if path.startswith(base):
                await app(scope, receive, send)
                return
        page = self._pages.get(path) if scope["method"] in {"GET", "HEAD"} else None
        content_type, answer = await (self._nowhere if page is None else page)()
        await _send(send, content_type, answer)

    async def _front(self) -> tuple[bytes, Answer]:
        return JSON, Answer(status=200, body=_encode(self._welcome))

    async def _nowhere(self) -> tuple[bytes, Answer]:
        message = "There is nothing at this address. The APIs are at the URLs below."
        body = {"error": {"type": "not_found", "message": message}, **self._welcome}
        return JSON, Answer(status=404, body=_encode(body))

    async def _live(self) -> tuple[bytes, Answer]:
        return JSON, Answer(status=200, body=_encode({"status": "live"}))

    async def _ready(self) -> tuple[bytes, Answer]:
        """Whether the database answers; a load balancer asks this one."""
        try:
            await self._ledger.ready()
        except StoreUnavailable:
            return JSON, Answer(status=503, body=_encode({"status": "unavailable"}))
        return JSON, Answer(status=200, body=_encode({"status": "ready"}))

    async def _scrape(self) -> tuple[bytes, Answer]:
        return web_metrics.CONTENT_TYPE, Answer(status=200, body=self._metrics.exposition())


def _roots(dialect: Dialect) -> tuple[str, ...]:
    """Where a dialect's paths begin; the one whose base is the origin itself has these."""
    return tuple(root for base in dialect.bases for root in ((base,) if base else ORIGIN_ROOTS))


def _welcome(dialects: list[Dialect]) -> dict[str, Any]:
    return {
        "name": "Drawdown",
        "version": version("drawdown"),
        "apis": {
            dialect.name: {
                "base": dialect.bases[0] or "/",
                "openapi": dialect.bases[0] + dialect.openapi_path,
            }
            for dialect in dialects
        },
        "health": ["/health/live", "/health/ready"],
        "metrics": "/metrics",
    }


async def _send(send: Send, content_type: bytes, answer: Answer) -> None:
    headers = [
        (b"content-type", content_type),
        (b"content-length", b"%d" % len(answer.body)),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
