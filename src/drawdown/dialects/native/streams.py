"""Live balances: server-sent events with a customer's balances, at once and after each change.

One look a moment serves all streams of the process: it asks how many entries the wallets that are watched
have, and only those that have more are read.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from drawdown.core import identity
from drawdown.core.errors import CustomerNotFound
from drawdown.core.types import Id
from drawdown.dialects.native import errors, render, wire
from drawdown.engine.accounts import Role
from drawdown.engine.ledger import Ledger
from drawdown.web.endpoints import Call, Endpoint, Stream

LOOK_SECONDS = 0.25
HEARTBEAT_SECONDS = 15.0
STREAMS_MAX = 1_000
EVENT_STREAM = "text/event-stream"

Seqs = dict[Id, int]


class Watch:
    """Who watches which customers in this process; it looks as long as somebody does."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._watched: dict[Id, int] = {}
        self._seqs: dict[Id, Seqs] = {}
        self._looked: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def streams(self) -> int:
        return sum(self._watched.values())

    def begin(self, customer: Id) -> None:
        self._watched[customer] = self._watched.get(customer, 0) + 1
        if self._task is None or self._task.done():
            self._looked = asyncio.get_running_loop().create_future()
            self._task = asyncio.create_task(self._look(), name="drawdown-streams")

    def end(self, customer: Id) -> None:
        self._watched[customer] -= 1
        if not self._watched[customer]:
            del self._watched[customer]
            self._seqs.pop(customer, None)

    def seqs(self, customer: Id) -> Seqs:
        """As of the last look; nothing is known before the first."""
        return self._seqs.get(customer, {})

    async def next_look(self) -> None:
        assert self._looked is not None
        await asyncio.shield(self._looked)

    async def _look(self) -> None:
        while self._watched:
            with contextlib.suppress(Exception):  # what could not be seen now is seen the next time
                found = await self._ledger.seqs(list(self._watched))
                self._seqs = {each: found[each] for each in self._watched if each in found}
            looked, self._looked = self._looked, asyncio.get_running_loop().create_future()
            assert looked is not None
            looked.set_result(None)
            await asyncio.sleep(LOOK_SECONDS)


_watches: dict[int, Watch] = {}


def _watch(ledger: Ledger) -> Watch:
    """The one watch of a ledger. A process has one ledger, tests have many after each other."""
    watch = _watches.get(id(ledger))
    if watch is None or watch._ledger is not ledger:
        _watches.clear()
        watch = _watches[id(ledger)] = Watch(ledger)
    return watch


async def stream_balances(call: Call) -> Stream:
    owner = await call.ledger.customer(call.book, identity.reference(call.path["customer"]))
    watch = _watch(call.ledger)
    if watch.streams >= STREAMS_MAX:
        raise errors.TooManyStreams
    last = (call.headers.find(b"last-event-id") or b"").decode("ascii", "replace")
    parts = _parts(call, owner.id, render.name_of(owner), watch, last)
    return Stream(parts=parts, content_type=EVENT_STREAM.encode())


async def _parts(call: Call, owner: Id, name: str, watch: Watch, last: str) -> AsyncIterator[bytes]:
    """Balances of what has changed since ``last``, the id of the last event that the client has seen."""
    watch.begin(owner)
    try:
        shown: Seqs = {}
        known = (await call.ledger.seqs([owner]))[owner]
        if last == _id_of(known):
            shown = dict(known)
        yield b"retry: 2000\n\n"
        silent_until = asyncio.get_running_loop().time() + HEARTBEAT_SECONDS
        while True:
            changed = [kind for kind, seq in known.items() if shown.get(kind) != seq]
            for kind in changed:
                shown[kind] = known[kind]
                yield await _balance(call, owner, name, kind, _id_of(shown))
            now = asyncio.get_running_loop().time()
            if changed:
                silent_until = now + HEARTBEAT_SECONDS
            elif now >= silent_until:
                silent_until = now + HEARTBEAT_SECONDS
                yield b": still here\n\n"
            await watch.next_look()
            known = watch.seqs(owner) or known
    finally:
        watch.end(owner)


async def _balance(call: Call, owner: Id, name: str, kind: Id, event: str) -> bytes:
    found = await call.ledger.balance(call.book, owner, kind)
    code = (await call.ledger.entitlement(call.book, kind)).code
    body = wire.encode(render.balance(found, name, code))
    return b"event: balance\nid: %b\ndata: %b\n\n" % (event.encode(), body)


def _id_of(seqs: Seqs) -> str:
    """All entries of a customer so far: it rises with whatever changes one of his balances."""
    return str(sum(seqs.values()))


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/customers/{customer}/balances/stream",
        handler=stream_balances,
        summary="Stream a customer's balances: now, and after each change (server-sent events)",
        role=Role.VIEWER,
        stream=EVENT_STREAM,
        errors=(CustomerNotFound, errors.TooManyStreams),
    ),
)
