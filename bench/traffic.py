"""Who is asked about: the customers of the benchmark, and how the requests fall on them."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from enum import StrEnum

#: The only entitlement: whole credits.
CODE = "api"
#: Every debit draws this much.
AMOUNT = 3
HOT_SHARE = 0.2
#: The customer with very many grants.
MANY = "cus_many"


class Traffic(StrEnum):
    """``hot``: one customer takes a fifth, the others share the rest. ``many``: only the one customer
    with very many grants. ``each``: every customer in turn."""

    UNIFORM = "uniform"
    HOT = "hot"
    MANY = "many"
    EACH = "each"


def own_id(number: int) -> str:
    return f"cus_{number:08d}"


def chance() -> random.Random:
    """Different in every run, so that no two runs send the same keys."""
    return random.Random()  # noqa: S311 - it guards nothing


def chooser(traffic: Traffic, customers: int, source: random.Random) -> Callable[[], str]:
    """Picks the next customer. ``customers`` does not count the one with very many grants."""
    names = [own_id(number) for number in range(customers)]
    if traffic is Traffic.MANY:
        return lambda: MANY
    if traffic is Traffic.EACH:
        return itertools.cycle(names).__next__
    if traffic is Traffic.UNIFORM:
        return lambda: names[int(source.random() * customers)]
    return lambda: names[
        0 if source.random() < HOT_SHARE else 1 + int(source.random() * (customers - 1))
    ]


def keys(source: random.Random) -> Callable[[], str]:
    """Fresh idempotency keys that arrive in no order, as UUIDs do."""
    salt, numbers = f"{source.getrandbits(48):012x}", itertools.count()
    return lambda: f"{source.getrandbits(32):08x}{salt}{next(numbers):010x}"
