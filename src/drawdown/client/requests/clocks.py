"""Test clocks: what time it is for some customers of a test book."""

from __future__ import annotations

from datetime import datetime

from drawdown.client.calls import API, PAGE_SIZE, Call, Listing, get, given, reader, write
from drawdown.client.records import Clock, DeletedClock, Page
from drawdown.client.values import in_path, time_text


def create_test_clock(
    frozen_at: datetime,
    *,
    name: str | None = None,
    customer: str | None = None,
    idempotency_key: str | None = None,
) -> Call[Clock]:
    """Make a test clock that begins at any time and stands still there. In test mode only.

    Customers that are made with ``test_clock`` live by it; so does a ``customer`` who is there already, from
    then on, for good.
    """
    asked = given({"name": name, "customer": customer})
    body = {"frozen_at": time_text(frozen_at, "frozen_at"), **asked}
    return write("/test-clocks", Clock, body, idempotency_key)


def get_test_clock(clock: str) -> Call[Clock]:
    """A test clock, and how far its advance is."""
    return get(_path(clock), Clock)


def test_clocks(*, page_size: int = PAGE_SIZE) -> Listing[Clock]:  # noqa: PT028 - it is none
    """Every test clock, newest first."""
    return Listing(path="/test-clocks", query={}, page=Page[Clock], page_size=page_size)


def advance_test_clock(
    clock: str, to: datetime, *, idempotency_key: str | None = None
) -> Call[Clock]:
    """Move a test clock forward, and have everything played that falls due on the way.

    After two seconds it may still be ``advancing``: ask ``get_test_clock`` until it is ``ready``.
    """
    body = {"to": time_text(to, "to")}
    return write(_path(clock) + "/advance", Clock, body, idempotency_key)


def delete_test_clock(clock: str) -> Call[DeletedClock]:
    """Stop a test clock for good; its customers take no grants or debits any more."""
    return Call(method="DELETE", path=API + _path(clock), read=reader(DeletedClock))


def _path(clock: str) -> str:
    return f"/test-clocks/{in_path(clock, 'clock')}"
