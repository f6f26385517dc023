"""Both clients offer the same, and say what it is."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest

from drawdown.client import AsyncClient, AsyncOpenHold, Client, OpenHold
from drawdown.client.requests import (
    ahead,
    alerts,
    balances,
    clocks,
    debits,
    directory,
    grants,
    holds,
    schedules,
    top_ups,
    usage,
    webhooks,
)

MODULES = (
    ahead,
    alerts,
    balances,
    clocks,
    debits,
    directory,
    grants,
    holds,
    schedules,
    top_ups,
    usage,
    webhooks,
)


def builders() -> Iterator[tuple[str, Any]]:
    for module in MODULES:
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if function.__module__ == module.__name__ and not name.startswith("_"):
                yield name, function


def methods(kind: type) -> dict[str, Any]:
    found = inspect.getmembers(kind, inspect.isfunction)
    return {name: method for name, method in found if not name.startswith("_")}


def test_every_request_is_a_method_of_both_clients() -> None:
    names = {name for name, _ in builders()}
    assert len(names) > 20
    for kind in (Client, AsyncClient):
        assert set(methods(kind)) - names == {"close", "request", "send"}
        assert names <= set(methods(kind))


@pytest.mark.parametrize(
    ("sync", "asynchronous"), [(Client, AsyncClient), (OpenHold, AsyncOpenHold)]
)
def test_both_clients_have_the_same_methods_with_the_same_parameters(
    sync: type, asynchronous: type
) -> None:
    mine, others = methods(sync), methods(asynchronous)
    assert set(mine) == set(others)
    for name, method in mine.items():
        here, there = inspect.signature(method), inspect.signature(others[name])
        assert here.parameters == there.parameters, name
        assert method.__doc__ == others[name].__doc__, name


def test_a_method_says_what_its_request_takes_and_answers() -> None:
    """So that ``help`` and editors do."""
    assert str(inspect.signature(Client.get_hold)) == "(self, hold: 'str') -> 'Hold'"
    assert str(inspect.signature(OpenHold.release)).startswith("(self, *, idempotency_key")
    assert inspect.signature(Client.grants).return_annotation == "Iterator[Grant]"
    assert inspect.signature(AsyncClient.grants).return_annotation == "AsyncIterator[Grant]"
    assert Client.debit.__qualname__ == "Client.debit"
    assert all(method.__doc__ for method in methods(Client).values())
