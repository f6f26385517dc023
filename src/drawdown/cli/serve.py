"""``drawdown serve``: answers every dialect, in one process or several, until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gc
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Coroutine, Iterator
from pathlib import Path
from typing import Any

import structlog
import uvloop
from rich.console import Console

from drawdown.app import create_app, create_deliverer
from drawdown.cli.failures import Failure
from drawdown.cli.first import First, chosen, command, exports, introduction
from drawdown.cli.group import READY, Group
from drawdown.cli.server import Server, SharingServer, address_of, listen
from drawdown.config import Config, unknown_variables
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import StoreUnavailable, StoreUnusable
from drawdown.opening import is_postgres, open_ledger
from drawdown.web.logs import configure_logs, name_process
from drawdown.web.metrics import Metrics
from drawdown.web.shared_metrics import PUBLISH_SECONDS, SharedMetrics, worker_ended

#: A full collection walks every cached wallet; it is made rare, since requests leave no cycles behind.
COLLECTOR_THRESHOLDS = (50_000, 20, 100)
#: What a worker needs to write, to read, and to read several things of one moment.
CONNECTIONS_MIN = 4

log = structlog.get_logger("drawdown.serve")


def serve(config: Config) -> None:
    """Serve until a signal; returns when everything accepted has been answered and stored.

    Raises ``Failure`` for settings that do not go together, or when the address is taken, before the
    database is touched.
    """
    configure_logs(config)
    for name in unknown_variables(os.environ):
        log.warning("unknown setting, is it misspelt?", variable=name)
    _check_workers(config)
    gc.set_threshold(*COLLECTOR_THRESHOLDS)
    with listen(config.host, config.port) as listener:
        if config.workers == 1:
            _run(_serve_alone(config, listener))
        else:
            _serve_together(config, listener)
    _say("stopped")


def _check_workers(config: Config) -> None:
    if config.workers == 1:
        return
    if not is_postgres(config.database):
        raise Failure(
            f"{config.workers} workers cannot share {config.database}: SQLite has one writer, so they "
            "would only wait for each other.",
            "Leave --workers and DRAWDOWN_WORKERS out, or give a --database in PostgreSQL.",
        )
    if config.database_connections_max < CONNECTIONS_MIN * config.workers:
        raise Failure(
            f"DRAWDOWN_DATABASE_CONNECTIONS_MAX is {config.database_connections_max}, too few for "
            f"{config.workers} workers: each needs {CONNECTIONS_MIN}.",
            f"Set it to {CONNECTIONS_MIN * config.workers} or more, or start fewer workers.",
        )


def _run(main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


def _open(
    config: Config, metrics: Metrics, workers: int = 1
) -> contextlib.AbstractAsyncContextManager[Ledger]:
    """The ledger of one of so many workers, which share the connections among them."""
    return open_ledger(
        config.database,
        observer=metrics,
        claims_kept_days=config.claims_kept_days,
        connections=config.database_connections_max // workers,
    )


async def _prepare(config: Config, ledger: Ledger, address: str) -> None:
    """What is done once, however many workers there are."""
    for weakness in await ledger.weaknesses():
        log.warning("the database keeps less than is promised", weakness=weakness)
    if ledger.shards:
        log.info("the tables are spread", shards=ledger.shards)
    first = await ledger.accounts.first_start()
    if first is not None:
        _introduce(first, address, config.database)


async def _serve_alone(config: Config, listener: socket.socket) -> None:
    gc.freeze()
    metrics = Metrics()
    address = address_of(listener)
    async with _open(config, metrics) as ledger:
        await _prepare(config, ledger, address)
        app = create_app(config, ledger, metrics)
        listening = functools.partial(_say, f"listening on {address}")
        server = Server(app, listening, config.request_seconds_max)
        async with _delivering(config, ledger, metrics):
            await server.serve(sockets=[listener])


@contextlib.asynccontextmanager
async def _delivering(config: Config, ledger: Ledger, metrics: Metrics) -> AsyncIterator[None]:
    """Within, events go out, unless another process sees to that."""
    deliverer = create_deliverer(config, ledger, metrics)
    deliverer.start()
    try:
        yield
    finally:
        await deliverer.close()


# Several workers ---------------------------------------------------------------------------------


def _serve_together(config: Config, listener: socket.socket) -> None:
    """The parent's life: it prepares the database, and then only looks after the workers."""
    address = address_of(listener)
    asyncio.run(_prepare_for_workers(config, address))
    gc.freeze()
    with tempfile.TemporaryDirectory(prefix="drawdown-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        group = Group(
            config.workers,
            functools.partial(_work, config, listener, folder),
            listening=lambda: _say(f"listening on {address}"),
            stopping=listener.close,
            ended=functools.partial(worker_ended, folder),
        )
        all_well = group.run()
    if not all_well:
        raise Failure("A worker did not finish what it had accepted.", "The log says which.")


async def _prepare_for_workers(config: Config, address: str) -> None:
    connections = config.database_connections_max
    async with open_ledger(config.database, jobs=False, connections=connections) as ledger:
        await _prepare(config, ledger, address)


def _work(
    config: Config, listener: socket.socket, folder: Path, number: int, channel: socket.socket
) -> int:
    """The life of a worker; its exit status."""
    name_process(worker=number, pid=os.getpid())
    parent = os.getppid()
    try:
        _run(_serve_as_worker(config, listener, Metrics(SharedMetrics(folder, number)), channel))
    except (StoreUnavailable, StoreUnusable) as error:
        log.error("the database is unavailable", cause=str(error))
        return 1
    finally:
        if os.getppid() != parent:  # it was killed, and can tidy up no more
            shutil.rmtree(folder, ignore_errors=True)
    return 0


async def _serve_as_worker(
    config: Config, listener: socket.socket, metrics: Metrics, channel: socket.socket
) -> None:
    async with _open(config, metrics, config.workers) as ledger:
        app = create_app(config, ledger, metrics)
        listening = functools.partial(_tell_parent, channel)
        server = SharingServer(app, listening, config.request_seconds_max, listener)
        publishing = asyncio.create_task(_publish(metrics))
        with _stopped_by(channel, server):
            async with _delivering(config, ledger, metrics):
                await server.serve(sockets=[])
        publishing.cancel()
    metrics.close()


def _tell_parent(channel: socket.socket) -> None:
    with contextlib.suppress(OSError):  # a parent that has gone is heard of soon enough
        channel.sendall(READY)


@contextlib.contextmanager
def _stopped_by(channel: socket.socket, server: Server) -> Iterator[None]:
    """Within, the channel's end stops the server as a signal does."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        loop.remove_reader(channel)
        server.should_exit = True

    loop.add_reader(channel, stop)
    try:
        yield
    finally:
        loop.remove_reader(channel)


async def _publish(metrics: Metrics) -> None:
    while True:
        metrics.publish()
        await asyncio.sleep(PUBLISH_SECONDS)


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
