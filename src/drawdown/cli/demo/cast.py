"""Who is in the story: 50 customers, each with promotional and paid credit that burns in its order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from drawdown.cli.client import Client
from drawdown.cli.replay import customers
from drawdown.cli.replay.feeder import Progress
from drawdown.core.times import text_of
from drawdown.core.types import DAY, Instant

CUSTOMERS = 50
GRANTS_EACH = 4


def names() -> list[str]:
    """As `drawdown replay --customers 50` deals the rows round."""
    spelled = customers.dealt(CUSTOMERS)
    return [spelled(number, {}) for number in range(1, CUSTOMERS + 1)]


def enter(client: Client, now: Instant, progress: Progress) -> None:
    """Make every customer and its grants, through the native API."""
    for number, name in enumerate(names(), start=1):
        client.post("/api/v1/customers", {"id": name})
        for grant in grants(number, name, now):
            client.post("/api/v1/grants", grant)
        progress(1)


def grants(number: int, customer: str, now: Instant) -> Iterator[dict[str, Any]]:
    """Four grants, made in an order that is not the order they burn in.

    Odd customers burn the launch week first, even ones the welcome credit although it expires later:
    priority comes before expiry. At equal priority the starter pack, which expires, comes before the
    top-up, which never does. Amounts finer than a cent are on purpose.
    """
    odd = number % 2 == 1
    offers: tuple[tuple[str, str, str, int, int | None], ...] = (
        ("Top-up", "paid", "1", 50, None),
        ("Starter pack", "paid", f"0.5{number:02}5", 50, 365),
        ("Welcome credit", "promotional", "0.25", 20, 30 + number),
        ("Launch week", "promotional", f"0.1{number:02}25", 10 if odd else 30, 7),
    )
    for name, category, amount, priority, days in offers:
        yield {
            "customer": customer,
            "entitlement": "usd",
            "name": name,
            "category": category,
            "amount": amount,
            "priority": priority,
            "expires_at": None if days is None else text_of(now + days * DAY),
            "idempotency_key": f"demo:{name}",
        }
