"""A grant over time: pending, active, depleted, expired, voided; and what time has made due."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from drawdown.core.schedules.terms import Schedule
from drawdown.core.types import Document, EntryKind, Grant, GrantState, Hold, HoldState, Instant
from drawdown.core.watching.top_ups import Standing

#: At one instant a hold ends, then a cycle, then grants roll over, others expire, others become active; then
#: documents have their turn, which so find the grants that are valid then; then one is told of what is near
#: its end.
(
    HOLD_RANK,
    CYCLE_RANK,
    ROLLOVER_RANK,
    EXPIRY_RANK,
    ACTIVATION_RANK,
    DOCUMENT_RANK,
    WARNING_RANK,
    RANKS,
) = range(8)


class Due(NamedTuple):
    """What time does, and when: a hold ends, a grant expires or becomes active.

    At one instant they come in the order of their ranks, so that what was held until its grant's end rolls
    over or expires with it.
    """

    at: Instant
    rank: int
    what: Grant | Hold
    kind: EntryKind


def state_of(grant: Grant, now: Instant) -> GrantState:
    """Where ``grant`` is in its life at ``now``, whether or not what is due has been recorded.

    A grant that was used up before it expired is depleted, one that lost credit to expiry is expired.
    """
    if grant.voided_at is not None:
        return GrantState.VOIDED
    ended = grant.expired_at is not None or _is_over(grant, now)
    if grant.expired > 0 or (grant.remaining > 0 and ended):
        return GrantState.EXPIRED
    if grant.remaining == 0:
        return GrantState.DEPLETED
    return GrantState.PENDING if grant.effective_at > now else GrantState.ACTIVE


def is_ended(grant: Grant, now: Instant) -> bool:
    """Whether credit returned to the grant at ``now`` could not be used any more."""
    return grant.voided_at is not None or grant.expired_at is not None or _is_over(grant, now)


def _is_over(grant: Grant, now: Instant) -> bool:
    return grant.expires_at is not None and grant.expires_at <= now


def due(
    grants: Iterable[Grant], holds: Iterable[Hold], at: Instant, rank: int = RANKS
) -> list[Due]:
    """Ends of holds, expiries and activations that have come by ``at``, in order of their instants.

    Of those at ``at`` itself, the ones that come before ``rank``.
    """
    found = [
        Due(hold.due_at, HOLD_RANK, hold, EntryKind.RELEASED)
        for hold in holds
        if hold.due_at is not None and hold.due_at <= at
    ]
    for grant in grants:
        if grant.due_at is None:
            continue
        if grant.expires_at is not None and grant.expires_at <= at:
            found.append(Due(grant.expires_at, EXPIRY_RANK, grant, EntryKind.EXPIRED))
        if grant.pending and grant.effective_at <= at:
            found.append(Due(grant.effective_at, ACTIVATION_RANK, grant, EntryKind.ACTIVATED))
    found.sort(key=lambda item: (item.at, item.rank, item.what.id))
    return found if rank == RANKS else [item for item in found if item[:2] < (at, rank)]


def next_due_at(things: Iterable[Grant | Hold | Schedule | Standing | Document]) -> Instant | None:
    """The next instant at which time alone changes one of ``things``."""
    return min((thing.due_at for thing in things if thing.due_at is not None), default=None)


def settled(grant: Grant, now: Instant) -> Grant:
    """The grant as it is at ``now``, its holds aside: what is due is shown as done; nothing is recorded."""
    if grant.due_at is None:
        return grant
    if _is_over(grant, now):
        return msgspec.structs.replace(
            grant,
            remaining=grant.held,
            expired=grant.expired + grant.free,
            expired_at=grant.expires_at,
            pending=False,
        )
    if grant.pending and grant.effective_at <= now:
        return msgspec.structs.replace(grant, pending=False)
    return grant


def settled_hold(hold: Hold, now: Instant) -> Hold:
    """The hold as it is at ``now``: one whose end has come is shown as expired; nothing is recorded."""
    if hold.due_at is None or hold.due_at > now:
        return hold
    return msgspec.structs.replace(
        hold, slices=(), held=0, state=HoldState.EXPIRED, ended_at=hold.due_at
    )
