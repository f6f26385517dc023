"""What the engine decided, decided again by the core alone: all chains must have the same heads."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from unittest.mock import patch

import msgspec

from drawdown.core.plan import plan
from drawdown.core.requests import Outcome, Request
from drawdown.core.state import State
from drawdown.core.types import Id
from drawdown.engine import batcher
from drawdown.engine.ports import Store
from tests.simulation.plays import Difference
from tests.support.memory import CoreLedger

TIME_BYTES = 8
Heads = dict[tuple[Id, Id], bytes]


class Planned:
    """Remembers every request that the engine decides between ``begin`` and ``end``.

    What comes of a request has an id that begins as its own does, with a time that no other has
    (``RisingIds``).
    """

    def __init__(self) -> None:
        self._requests: dict[bytes, Request] = {}
        self._stack = contextlib.ExitStack()

    def begin(self) -> None:
        self._stack.enter_context(patch.object(batcher, "plan", self._plan))

    def end(self) -> None:
        self._stack.close()

    def _plan(self, request: Request, state: State) -> Outcome:
        self._requests[request.id[:TIME_BYTES]] = request
        return plan(request, state)

    async def check(self, store: Store, kept: Collection[Id]) -> None:
        """Those of which the ids were ``kept``, one by one on the core.

        A customer's commits have come in the order of the ids: one server at a time works for him.
        """
        core = CoreLedger()
        for begin in sorted({identifier[:TIME_BYTES] for identifier in kept}):
            core.run([msgspec.structs.replace(self._requests[begin], claim=None)])
        expected = {(wallet.customer, wallet.entitlement): wallet.chain for wallet in core.wallets}
        found = await heads_of(store)
        if found != expected:
            wrong = [key for key in found | expected if found.get(key) != expected.get(key)]
            raise Difference(
                f"the chains of {len(wrong)} wallets have other heads than on the core"
            )


async def heads_of(store: Store) -> Heads:
    async with store.audit() as audit:
        return {(found.customer, found.entitlement): found.chain async for found in audit.walk()}
