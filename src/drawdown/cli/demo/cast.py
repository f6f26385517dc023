"""Who is in the story: 50 customers, each with promotional and paid credit that burns in its order."""

from __future__ import annotations

from typing import Literal

from drawdown.cli.replay import customers
from drawdown.cli.replay.feeder import Progress
from drawdown.client import Client
from drawdown.core.times import moment_of
from drawdown.core.types import DAY, Instant

Category = Literal["paid", "promotional"]

CUSTOMERS = 50
GRANTS_EACH = 4


def names() -> list[str]:
    """As `drawdown replay --customers 50` deals the rows round."""
    spelled = customers.dealt(CUSTOMERS)
    return [spelled(number, {}) for number in range(1, CUSTOMERS + 1)]


def enter(client: Client, now: Instant, progress: Progress) -> None:
    """Make every customer and its grants, through the native API."""
    for number, name in enumerate(names(), start=1):
        client.create_customer(name)
        give(client, number, name, now)
        progress(1)


def give(client: Client, number: int, customer: str, now: Instant) -> None:
    """Four grants, made in an order that is not the order they burn in.

    Odd customers burn the launch week first, even ones the welcome credit although it expires later:
    priority comes before expiry. At equal priority the starter pack, which expires, comes before the
    top-up, which never does. Amounts finer than a cent are on purpose.
    """
    odd = number % 2 == 1
    offers: tuple[tuple[str, Category, str, int, int | None], ...] = (
        ("Top-up", "paid", "1", 50, None),
        ("Starter pack", "paid", f"0.5{number:02}5", 50, 365),
        ("Welcome credit", "promotional", "0.25", 20, 30 + number),
        ("Launch week", "promotional", f"0.1{number:02}25", 10 if odd else 30, 7),
    )
    for name, category, amount, priority, days in offers:
        client.grant(
            customer,
            "usd",
            amount,
            name=name,
            category=category,
            priority=priority,
            expires_at=None if days is None else moment_of(now + days * DAY),
            idempotency_key=f"demo:{name}",
        )
