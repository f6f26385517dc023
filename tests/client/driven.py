"""Both clients behind one face, so that one test tests both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast

from drawdown.client import AsyncClient, AsyncOpenHold, Client
from drawdown.client.asynchronous import Authorizing

T = TypeVar("T")
Connect = Callable[..., Client]
KINDS = ("sync", "async")


class Driven:
    """Something asynchronous whose methods are carried out when they are called."""

    def __init__(self, subject: Any, runner: asyncio.Runner) -> None:
        self._subject = subject
        self._runner = runner

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._subject, name)
        if not callable(found):
            return found
        return lambda *args, **kwargs: self._driven(found(*args, **kwargs))

    def __repr__(self) -> str:
        return repr(self._subject)

    def __enter__(self) -> Driven:
        self._driven(self._subject.__aenter__())
        return self

    def __exit__(self, *raised: Any) -> None:
        self._driven(self._subject.__aexit__(*raised))

    def _driven(self, result: Any) -> Any:
        if isinstance(result, AsyncIterator):
            return self._items(result)
        found = self._runner.run(_awaited(result))
        is_hold = isinstance(result, Authorizing) and isinstance(found, AsyncOpenHold)
        return Driven(found, self._runner) if is_hold else found

    def _items(self, items: AsyncIterator[Any]) -> Iterator[Any]:
        while True:
            try:
                yield self._runner.run(_awaited(anext(items)))
            except StopAsyncIteration:
                return


async def _awaited(awaitable: Awaitable[T]) -> T:
    return await awaitable


@contextmanager
def connecting(kind: str) -> Iterator[Connect]:
    """Makes clients of one kind, with the arguments of ``Client``; closes them in the end."""
    clients: list[Client] = []
    with asyncio.Runner() as runner:

        def connect(*args: Any, **kwargs: Any) -> Client:
            if kind == "sync":
                clients.append(Client(*args, **kwargs))
            else:
                clients.append(cast(Client, Driven(AsyncClient(*args, **kwargs), runner)))
            return clients[-1]

        yield connect
        for client in clients:
            client.close()
