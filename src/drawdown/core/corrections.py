"""Undoing and changing a grant: adjust, expire, void, amend."""

from __future__ import annotations

import contextlib

import msgspec

from drawdown.core import amounts, lifecycle, posting
from drawdown.core.amending import merged
from drawdown.core.commands import AdjustGrant, AmendGrant, Direction, ExpireGrant, VoidGrant
from drawdown.core.context import Context, given, grant_context
from drawdown.core.errors import (
    AdjustmentTooLarge,
    GrantExpired,
    GrantHeld,
    GrantPending,
    GrantUsed,
    GrantVoided,
)
from drawdown.core.requests import Accepted, Request
from drawdown.core.spending import check_expiry, positive_units
from drawdown.core.standing import playing
from drawdown.core.standing.desk import Desk
from drawdown.core.state import State
from drawdown.core.types import EntryKind, Grant, Instant
from drawdown.core.watching import crossings as alerts


def adjust_grant(request: Request, command: AdjustGrant, state: State) -> Accepted:
    """Take free credit from a grant, or return to it some of what was used of it."""
    context, grant = grant_context(request, command.grant, state)
    units = positive_units(command.amount, context.entitlement)
    facts = {"direction": command.direction, "amount": units, "reason": command.reason}
    facts |= given(command, "metadata")
    started = context.begin("adjust", facts, command.grant)
    down = command.direction is Direction.DOWN
    if down:
        _check_living(context, grant)
        if grant.pending:
            raise GrantPending()
    maximum = grant.free if down else grant.used
    if units > maximum:
        scale = context.entitlement.scale
        raise AdjustmentTooLarge(
            amount=amounts.render(units, scale), maximum=amounts.render(maximum, scale)
        )
    if down:
        posting.draw(started, context.wallet, [(grant, units)], context.at)
    else:
        posting.give_back(started, context.wallet, grant, units, context.at)
    grant.updated_at = context.at
    state.changes.grants[grant.id] = grant
    return context.finish(started, units, grant)


def expire_grant(request: Request, command: ExpireGrant, state: State) -> Accepted:
    """End a grant now and write off what remains and is not held. Nothing moves when nothing does."""
    context, grant = grant_context(request, command.grant, state)
    started = context.begin("expire", {}, command.grant)
    _check_living(context, grant)
    free = grant.free
    started.note_changes(_changed_expiry(context, grant, context.at))
    posting.write_off(started, context.wallet, grant, EntryKind.EXPIRED, context.at)
    grant.expires_at = grant.updated_at = context.at
    return context.finish(started, free, grant)


def void_grant(request: Request, command: VoidGrant, state: State) -> Accepted:
    """Undo a grant: take what remains. One that is used up, or held, cannot be voided.

    What only documents have set aside of it, drafts of invoices, is let go for that; they set aside anew from
    what is left.
    """
    context, grant = grant_context(request, command.grant, state)
    started = context.begin("void", {"only_unused": command.only_unused}, command.grant)
    _check_living(context, grant)
    held = _held_for_work(context, grant)
    if held > 0:
        raise GrantHeld(held=amounts.render(held, context.entitlement.scale))
    if grant.remaining == 0 or (command.only_unused and grant.drawn):
        raise GrantUsed(left=grant.remaining > 0)
    remaining = grant.remaining
    desk = Desk(started, context.wallet, state, request.book, context.at)
    with playing.anew(desk) if grant.held else contextlib.nullcontext():
        posting.write_off(started, context.wallet, grant, EntryKind.VOIDED, context.at)
    grant.updated_at = context.at
    return context.finish(started, remaining, grant)


def _held_for_work(context: Context, grant: Grant) -> int:
    """What is held of a grant, without what documents have set aside."""
    wallet = context.wallet
    ours = playing.reserved(wallet, context.state) if grant.held else ()
    slices = [part for hold in ours for part in wallet.holds[hold].slices]
    return grant.held - sum(part.amount for part in slices if part.grant == grant.id)


def _changed_expiry(
    context: Context, grant: Grant, expiry: Instant | None
) -> dict[str, list[object]]:
    """The change of an expiry, and after which entry of the wallet it came: no clock tells that for sure."""
    seq = context.wallet.seq
    return {"expires_at": [grant.expires_at, expiry], "seq": [seq, seq]}


def amend_grant(request: Request, command: AmendGrant, state: State) -> Accepted:
    """Change a living grant's expiry, and any grant's metadata."""
    context, grant = grant_context(request, command.grant, state)
    facts: dict[str, object] = {"metadata": command.metadata, "clear": command.clear_metadata}
    expiry = command.expires_at
    if not isinstance(expiry, msgspec.UnsetType):
        facts["expires_at"] = expiry
    started = context.begin("amend", facts, command.grant)
    metadata = merged(grant.metadata, command.metadata, clear=command.clear_metadata)
    changed: dict[str, list[object]] = {}
    if metadata != grant.metadata:
        changed["metadata"] = [grant.metadata, metadata]
    if not isinstance(expiry, msgspec.UnsetType):
        before = grant.expires_at
        changed |= _changed_expiry(context, grant, expiry)
        _move_expiry(context, grant, expiry)
        wallet, operation = context.wallet, started.operation
        started.notices += alerts.moved(state.changes, wallet, grant, before, operation)
    started.note_changes(changed)
    grant.metadata = metadata
    grant.updated_at = context.at
    state.changes.grants[grant.id] = grant
    return context.finish(started, 0, grant)


def _move_expiry(context: Context, grant: Grant, expires_at: Instant | None) -> None:
    """Give a living grant another expiry, and with it another place in the burn-down order."""
    _check_living(context, grant)
    check_expiry(expires_at, grant.effective_at, context.at)
    wallet = context.wallet
    wallet.dequeue(grant)
    grant.expires_at = expires_at
    if grant.remaining > 0 and not grant.pending:
        wallet.enqueue(grant)
    posting.note_due(context.state.changes, wallet, grant)


def _check_living(context: Context, grant: Grant) -> None:
    """Raises ``GrantVoided`` or ``GrantExpired`` for a grant that has ended."""
    if grant.voided_at is not None:
        raise GrantVoided()
    if lifecycle.is_ended(grant, context.at):
        raise GrantExpired()
