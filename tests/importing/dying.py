"""A store that dies between two writes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from drawdown.engine.ports import Store, StoreUnavailable, Transaction


class Dying:
    """A store that dies after so many transactions; with ``unsaid`` before the last is answered."""

    def __init__(self, store: Store, transactions: int, *, unsaid: bool) -> None:
        self._store, self._left, self._unsaid = store, transactions, unsaid
        self.died = False

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        if self._left == 0 or self.died:
            self.died = True
            raise StoreUnavailable("It was killed.")
        async with self._store.transaction() as found:
            yield found
        self._left -= 1
        if self._left == 0 and self._unsaid:
            self.died = True
            raise StoreUnavailable("It was killed before it could say so.")
