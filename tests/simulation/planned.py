"""What the engine decided, decided again by the core alone: all chains must have the same heads."""

from __future__ import annotations

import contextlib
from collections.abc import Set
from unittest.mock import patch

import msgspec

from drawdown.core.plan import plan
from drawdown.core.requests import Outcome, Request
from drawdown.core.state import State
from drawdown.core.types import Id, Instant, TestClock
from drawdown.engine import batcher
from drawdown.engine.ports import Store
from tests.simulation.plays import Difference
from tests.support.memory import CoreLedger

TIME_BYTES = 8
#: An operation, and when it was recorded: one of a cycle has the same id whoever records it.
Recorded = tuple[Id, Instant]
Heads = dict[tuple[Id, Id], bytes]


class Decided(msgspec.Struct):
    """A request that the engine decided, what it recorded then, and where the test clocks stood."""

    request: Request
    recorded: set[Recorded]
    clocks: dict[Id, TestClock | None]

    def is_kept(self, kept: Set[Recorded]) -> bool:
        """Ids begin with the time of the request they come from, which no other has (``RisingIds``).

        Only what a schedule gives has the same ids, whoever comes upon it.
        """
        time = self.request.id[:TIME_BYTES]
        own = {each for each in self.recorded if each[0].startswith(time)}
        return not kept.isdisjoint(own or self.recorded)


class Planned:
    """Remembers every request that the engine decides between ``begin`` and ``end``."""

    def __init__(self) -> None:
        self._decided: dict[Id, Decided] = {}
        self._stack = contextlib.ExitStack()

    def begin(self) -> None:
        self._stack.enter_context(patch.object(batcher, "plan", self._plan))

    def end(self) -> None:
        self._stack.close()

    def _plan(self, request: Request, state: State) -> Outcome:
        operations = state.changes.operations
        before, clocks = len(operations), dict(state.clocks)
        outcome = plan(request, state)
        made = {(operation.id, operation.recorded_at) for operation, _ in operations[before:]}
        if request.id in self._decided:
            made |= self._decided[request.id].recorded
        self._decided[request.id] = Decided(request, made, clocks)
        return outcome

    async def check(self, store: Store, kept: Set[Recorded]) -> None:
        """Those of which something was ``kept``, one by one on the core.

        A customer's commits have come in the order of the ids: one server at a time works for him.
        """
        core = CoreLedger()
        for _, decided in sorted(self._decided.items()):
            if decided.is_kept(kept):
                core.state.clocks |= decided.clocks
                core.run([msgspec.structs.replace(decided.request, claim=None)])
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
