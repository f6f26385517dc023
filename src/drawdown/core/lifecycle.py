"""A grant over time: pending, active, depleted, expired, voided; and what time has made due."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from drawdown.core.types import Balance, EntryKind, Grant, GrantState, Instant


class Due(NamedTuple):
    """What time does to a grant, and when. Expiry comes before activation at the same instant."""

    at: Instant
    rank: int
    grant: Grant
    kind: EntryKind


def state_of(grant: Grant, now: Instant) -> GrantState:
    """Where ``grant`` is in its life at ``now``, whether or not what is due has been recorded.

    A grant that was used up before it expired is depleted, one that lost credit to expiry is expired.
    """
    if grant.voided_at is not None:
        return GrantState.VOIDED
    if grant.expired > 0 or (grant.remaining > 0 and _is_over(grant, now)):
        return GrantState.EXPIRED
    if grant.remaining == 0:
        return GrantState.DEPLETED
    return GrantState.PENDING if grant.effective_at > now else GrantState.ACTIVE


def is_ended(grant: Grant, now: Instant) -> bool:
    """Whether credit returned to the grant at ``now`` could not be used any more."""
    return grant.voided_at is not None or grant.expired_at is not None or _is_over(grant, now)


def _is_over(grant: Grant, now: Instant) -> bool:
    return grant.expires_at is not None and grant.expires_at <= now


def due(grants: Iterable[Grant], at: Instant) -> list[Due]:
    """Activations and expiries that have come by ``at``, in the order of their instants."""
    found = []
    for grant in grants:
        if grant.remaining == 0:
            continue
        if grant.pending and grant.effective_at <= at:
            found.append(Due(grant.effective_at, 1, grant, EntryKind.ACTIVATED))
        if grant.expires_at is not None and grant.expires_at <= at:
            found.append(Due(grant.expires_at, 0, grant, EntryKind.EXPIRED))
    found.sort(key=lambda item: (item.at, item.rank, item.grant.id))
    return found


def next_due_at(grants: Iterable[Grant]) -> Instant | None:
    """The next instant at which time alone changes one of ``grants``."""
    return min((grant.due_at for grant in grants if grant.due_at is not None), default=None)


def settled(grant: Grant, now: Instant) -> Grant:
    """The grant as it is at ``now``: what is due is shown as done. For reads; nothing is recorded."""
    if grant.remaining == 0:
        return grant
    if _is_over(grant, now):
        return msgspec.structs.replace(
            grant,
            remaining=0,
            expired=grant.expired + grant.remaining,
            expired_at=grant.expires_at,
            pending=False,
        )
    if grant.pending and grant.effective_at <= now:
        return msgspec.structs.replace(grant, pending=False)
    return grant


def settled_balance(balance: Balance, due_grants: Iterable[Grant], now: Instant) -> Balance:
    """The balance as it is at ``now``, given every grant of its wallet that is due by then."""
    posted, pending, expired = balance.posted, balance.pending, balance.expired
    for item in due(due_grants, now):
        if item.kind is EntryKind.ACTIVATED:
            pending, posted = pending - item.grant.remaining, posted + item.grant.remaining
        else:
            posted, expired = posted - item.grant.remaining, expired + item.grant.remaining
    return msgspec.structs.replace(
        balance, posted=posted, pending=pending, expired=expired, as_of=now
    )
