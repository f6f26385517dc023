"""How many endpoints still wait for an event, and whether it was delivered: judged without a server."""

from __future__ import annotations

from typing import Any

import pytest

from drawdown.core.types import Id, Instant
from drawdown.dialects.stripe.webhooks.feed import Waiting
from drawdown.engine.endpoints import Endpoint, Settings
from drawdown.engine.positions import Position
from drawdown.webhooks.events import Event

BOOK, HERE, THERE = (Id(bytes([number] * 16)) for number in range(3))


def place(second: int) -> Position:
    return Position(Instant(second), BOOK)


def endpoint(name: Id, cursor: int, *, enabled: bool = True, **more: Any) -> Endpoint:
    """One that has come to ``cursor``."""
    settings = Settings(url="https://example.com", format="stripe", **more)
    return Endpoint(
        id=name,
        book=BOOK,
        settings=settings,
        secret="whsec_1",
        created_at=Instant(0),
        updated_at=Instant(0),
        cursor=place(cursor),
        enabled=enabled,
    )


def event(second: int, ordinal: int = 0) -> Event:
    return Event(
        position=place(second), ordinal=ordinal, type="invoice.paid", body=b"", customer=BOOK
    )


def waiting(*endpoints: Endpoint, failed: Any = (), dead: Any = ()) -> Waiting:
    """``failed`` and ``dead``: of which endpoint which event."""

    def by_endpoint(told: Any) -> Any:
        return {
            each.id: {(found.position, found.ordinal) for name, found in told if name == each.id}
            for each in endpoints
        }

    return Waiting(endpoints, by_endpoint(failed), by_endpoint(dead))


@pytest.mark.parametrize(("second", "pending"), [(1, 0), (2, 0), (3, 1), (4, 2)])
def test_an_endpoint_waits_for_what_comes_after_its_cursor(second: int, pending: int) -> None:
    both = waiting(endpoint(HERE, 2), endpoint(THERE, 3))
    assert both.pending(event(second)) == pending
    assert both.is_delivered(event(second)) is (pending == 0)


def test_it_waits_for_what_it_asked_for_alone() -> None:
    some = waiting(endpoint(HERE, 0, types=("invoice.*",)), endpoint(THERE, 0, types=("price.*",)))
    assert some.pending(event(1)) == 1
    of_one = waiting(endpoint(HERE, 0, customer=BOOK), endpoint(THERE, 0, customer=THERE))
    assert of_one.pending(event(1)) == 1


def test_what_failed_counts_once_for_each_endpoint_also_ahead_of_its_cursor() -> None:
    """While an operation's second event is on its way, its first, which failed, is still ahead."""
    one = waiting(endpoint(HERE, 2), failed=[(HERE, event(3, 0))])
    assert [one.pending(event(3, ordinal)) for ordinal in (0, 1)] == [1, 1]
    two = waiting(
        endpoint(HERE, 5), endpoint(THERE, 5), failed=[(HERE, event(3)), (THERE, event(3))]
    )
    assert two.pending(event(3)) == 2
    assert (two.pending(event(3, 1)), two.is_delivered(event(3, 1))) == (0, True)


def test_what_was_given_up_is_not_pending_and_was_not_delivered() -> None:
    one = waiting(endpoint(HERE, 5), dead=[(HERE, event(3))])
    assert (one.pending(event(3)), one.is_delivered(event(3))) == (0, False)


def test_nothing_is_pending_at_an_endpoint_that_is_disabled() -> None:
    """What it did not get before is not delivered for that; what comes after is no question to it."""
    one = waiting(endpoint(HERE, 2, enabled=False), failed=[(HERE, event(1))])
    assert (one.pending(event(1)), one.is_delivered(event(1))) == (0, False)
    assert (one.pending(event(3)), one.is_delivered(event(3))) == (0, True)
