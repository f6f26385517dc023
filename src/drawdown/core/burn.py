"""Burn-down order: which grant is drawn first, and how an amount is split over grants.

The order ends in the grant's id, so it is total: two servers always choose the same grant. An id says more
than that only between what a cycle's end carries and what the next cycle gives, which begin at one instant
and are recorded at once: what was carried is drawn first, since its id comes first (``schedules.cycles``).
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from drawdown.core.times import text_of
from drawdown.core.types import Attributes, BurnOrder, Category, Grant, Instant

NEVER = 2**63 - 1

OrderKey = tuple[int, ...] | tuple[int | bytes, ...]
#: What each part of a grant's place is called, in the order of ``order_of``.
ORDER_NAMES = {
    BurnOrder.SOONEST_EXPIRY: (
        "priority",
        "expires_at",
        "category",
        "effective_at",
        "recorded_at",
        "id",
    ),
    BurnOrder.OLDEST_FIRST: ("priority", "effective_at", "recorded_at", "id"),
}


def order_of(grant: Grant, burn_order: BurnOrder) -> OrderKey:
    """The grant's place among its wallet's grants; lower is drawn first.

    ``soonest_expiry``: priority, expiry (never last), promotional before paid, effective, recorded, id.
    ``oldest_first``: priority, effective, recorded, id.
    """
    if burn_order is BurnOrder.OLDEST_FIRST:
        return (grant.priority, grant.effective_at, grant.recorded_at, grant.id)
    expires_at = NEVER if grant.expires_at is None else grant.expires_at
    paid = grant.category is Category.PAID
    return (grant.priority, expires_at, paid, grant.effective_at, grant.recorded_at, grant.id)


def decided_by(first: Grant, later: Grant, burn_order: BurnOrder) -> str:
    """What placed ``first`` before ``later``: the name of the first part in which they differ."""
    places = zip(order_of(first, burn_order), order_of(later, burn_order), strict=True)
    names = zip(ORDER_NAMES[burn_order], places, strict=True)
    return next(name for name, (one, other) in names if one != other)


def split(
    grants: Iterable[Grant], amount: int, valid_at: Instant, attributes: Attributes
) -> tuple[list[tuple[Grant, int]], int]:
    """Split ``amount`` over ``grants``, which come in burn-down order, as (grant, units) draws.

    Only grants effective at ``valid_at``, not expired by then and in scope pay, with what is not held.
    The draws and the shortfall, returned beside them, sum to ``amount``; what a shortfall means is
    decided in ``plan``.
    """
    draws: list[tuple[Grant, int]] = []
    for grant in grants:
        if amount == 0:
            break
        free = grant.remaining - grant.held
        if free > 0 and is_eligible(grant, valid_at, attributes):
            taken = amount if amount < free else free
            draws.append((grant, taken))
            amount -= taken
    return draws, amount


def is_eligible(grant: Grant, valid_at: Instant, attributes: Attributes) -> bool:
    return is_valid(grant, valid_at) and (not grant.scope or in_scope(grant, attributes))


def is_valid(grant: Grant, valid_at: Instant) -> bool:
    return grant.effective_at <= valid_at and (
        grant.expires_at is None or valid_at < grant.expires_at
    )


def in_scope(grant: Grant, attributes: Attributes) -> bool:
    """Every attribute of the scope is given with one of its values; one not given does not match."""
    for name, values in grant.scope.items():  # noqa: SIM110 - a generator takes twice as long
        if attributes.get(name) not in values:
            return False
    return True


class _OrderKeyText(msgspec.Struct):
    priority: int
    expires_at: str | None
    category: Category
    effective_at: str
    recorded_at: str


_encode = msgspec.json.Encoder().encode


def order_key(grant: Grant) -> str:
    """The facts that placed a grant, as JSON: kept with each draw, since an expiry may be amended later."""
    return _encode(
        _OrderKeyText(
            grant.priority,
            None if grant.expires_at is None else text_of(grant.expires_at),
            grant.category,
            text_of(grant.effective_at),
            text_of(grant.recorded_at),
        )
    ).decode()
