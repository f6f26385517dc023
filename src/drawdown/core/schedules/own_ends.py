"""Grants with terms of their own for rollover: at its end, what is free of one is carried on.

Each is an operation, whose id follows from the grant: it happens once, at the grant's end, whenever it is
recorded. What was carried has the same terms, and its turn at its own end.
"""

from __future__ import annotations

from collections.abc import Iterable

from drawdown.core.identity import derive
from drawdown.core.posting import Posting
from drawdown.core.schedules import cycles, rollover
from drawdown.core.schedules.terms import carried_expires_at
from drawdown.core.state import Changes, Wallet
from drawdown.core.types import EntryKind, Grant, Id, Instant, Operation

#: A grant's end, and its id: in this order they have their turns.
Place = tuple[Instant, Id]


def place_of(grant: Grant, at: Instant) -> Place | None:
    """Where a grant has its turn by ``at``; None where it has none: it has no terms, or nothing to carry."""
    if grant.rollover is None or grant.remaining == 0 or grant.expired_at is not None:
        return None
    if grant.voided_at is not None or grant.expires_at is None or grant.expires_at > at:
        return None
    return grant.expires_at, grant.id


def places(grants: Iterable[Grant], at: Instant) -> list[Place]:
    """The turns that have come by ``at``, in their order."""
    return sorted(place for grant in grants if (place := place_of(grant, at)) is not None)


def operation_id(grant: Id) -> Id:
    """The id of the operation that carries a grant on."""
    return derive(grant, "rollover")


def play(wallet: Wallet, grant: Grant, changes: Changes, recorded_at: Instant) -> Grant | None:
    """Carry what is free of a grant that has its turn; the rest expires. What it was carried into."""
    at = grant.expires_at
    assert at is not None, "it has its turn"
    operation = Operation(
        id=operation_id(grant.id),
        customer=wallet.customer,
        entitlement=wallet.entitlement,
        kind="settle",
        at=at,
        recorded_at=recorded_at,
        facts=b"{}",
    )
    started = Posting(operation, changes)
    found = rollover.turn_by(grant.rollover, grant, EntryKind.EXPIRED)
    expires_at = carried_expires_at(grant.rollover, at)
    carried = cycles.carry(started, wallet, grant, found, expires_at, at)
    started.commit()
    return carried
