"""``drawdown serve``: one process that answers every dialect until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
from collections.abc import Iterator

import structlog
import uvicorn
import uvloop
from rich.console import Console

from drawdown.app import Origin, create_app
from drawdown.cli.failures import Failure
from drawdown.cli.first import First, chosen, command, exports, introduction
from drawdown.config import Config, unknown_variables
from drawdown.opening import open_ledger
from drawdown.web.logs import configure_logs
from drawdown.web.metrics import Metrics
from drawdown.web.protocol import BoundedProtocol

CONNECTIONS_WAITING_MAX = 2048
GRACE_SECONDS = 30
KEEP_ALIVE_SECONDS = 75
#: A full collection walks every cached wallet; it is made rare, since requests leave no cycles behind.
COLLECTOR_THRESHOLDS = (50_000, 20, 100)

log = structlog.get_logger("drawdown.serve")


class Server(uvicorn.Server):
    """Stops on SIGTERM or SIGINT, and then ends like a program that did what it was asked to.

    That it listens is said once both hold: it answers, and a signal will be heeded.
    """

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or ():
            _say(f"listening on {_address(listener)}")

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)


def serve(config: Config) -> None:
    """Serve until a signal; returns when everything accepted has been answered and stored.

    Raises ``Failure`` when the address is taken, before the database is touched.
    """
    configure_logs(config)
    for name in unknown_variables(os.environ):
        log.warning("unknown setting, is it misspelt?", variable=name)
    with (
        _listen(config.host, config.port) as listener,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        runner.run(_serve(config, listener))


async def _serve(config: Config, listener: socket.socket) -> None:
    gc.freeze()
    gc.set_threshold(*COLLECTOR_THRESHOLDS)
    metrics = Metrics()
    async with open_ledger(
        config.database, observer=metrics, claims_kept_days=config.claims_kept_days
    ) as ledger:
        for weakness in await ledger.weaknesses():
            log.warning("the database keeps less than is promised", weakness=weakness)
        address = _address(listener)
        first = await ledger.accounts.first_start()
        if first is not None:
            _introduce(first, address, config.database)
        server = Server(_server_config(create_app(config, ledger, metrics)))
        await server.serve(sockets=[listener])
    _say("stopped")


def _server_config(app: Origin) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="none",
        http=BoundedProtocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        backlog=CONNECTIONS_WAITING_MAX,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=CONNECTIONS_WAITING_MAX)
    except OSError as error:
        cause = str(error.strerror).partition(" (while")[0]  # Python tells the address once more
        raise Failure(
            f"Cannot listen on {host} port {port}: {cause}.",
            "Choose another with --port; 0 takes any that is free.",
        ) from None


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _introduce(found: First, address: str, database: str) -> None:
    """What a person needs on the first start."""
    console = Console(highlight=False, soft_wrap=True, markup=False)
    console.print(introduction(found))
    console.print(
        "A first grant and debit, from another terminal:\n\n"
        f"  {exports(found, address)}\n{_first_steps()}\n\n"
        f"Base URLs of the others: Stripe {address}, Dodo {address}/dodo, Sequence {address}/sequence\n"
        f"More keys: {command()} keys create --mode test --role editor{chosen(database)}\n"
        "More to read: docs/quickstart.md, docs/dialects/README.md\n"
    )


def _first_steps() -> str:
    curl = "curl -u $DRAWDOWN_API_KEY: $DRAWDOWN_URL/api/v1"
    grant = '{"customer":"ada","entitlement":"usd","amount":"20"}'
    debit = '{"customer":"ada","entitlement":"usd","amount":"0.0042","idempotency_key":"call-1"}'
    return "\n".join(
        (
            f'  {curl}/customers -d \'{{"id":"ada"}}\'',
            f"  {curl}/grants -d '{grant}'",
            f"  {curl}/debits -d '{debit}'",
            f"  {curl}/balances/ada/usd",
        )
    )


def _say(line: str) -> None:
    """On stdout at once, also into a pipe: whoever started the server waits for it."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
