"""Many who look for one thing each become one statement about all of them.

While one statement is under way, those who arrive gather into the next: no timer, nothing to tune. Nobody
is given what was read before he asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from itertools import islice
from typing import Generic, TypeVar

AT_ONCE_MAX = 1_000

Key = TypeVar("Key", bound=Hashable)
Found = TypeVar("Found")


class Gatherer(Generic[Key, Found]):
    """``read`` finds many by their keys; what it leaves out is not there."""

    def __init__(self, read: Callable[[Sequence[Key]], Awaitable[Mapping[Key, Found]]]) -> None:
        self._read = read
        self._waiting: dict[Key, asyncio.Future[Found | None]] = {}
        self._task: asyncio.Task[None] | None = None

    async def find(self, key: Key) -> Found | None:
        """What is there now. Those who ask for one key at once are given the same thing."""
        waiter = self._waiting.get(key)
        if waiter is None:
            waiter = self._waiting[key] = asyncio.get_running_loop().create_future()
            if self._task is None:
                self._task = asyncio.create_task(self._run())
        return await asyncio.shield(waiter)  # one who hangs up takes it from nobody else

    async def _run(self) -> None:
        while self._waiting:
            some = dict(islice(self._waiting.items(), AT_ONCE_MAX))
            for key in some:
                del self._waiting[key]
            try:
                found = await self._read(list(some))
            except Exception as error:  # each of those who wait is told
                for waiter in some.values():
                    waiter.set_exception(error)
                    waiter.exception()
            else:
                for key, waiter in some.items():
                    waiter.set_result(found.get(key))
        self._task = None

    async def close(self) -> None:
        """Wait for what is under way."""
        if self._task is not None:
            await self._task
