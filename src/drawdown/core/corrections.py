"""Undoing and changing: reverse a debit, expire, void and amend a grant."""

from __future__ import annotations

import msgspec

from drawdown.core import amounts, lifecycle, posting
from drawdown.core.commands import AmendGrant, ExpireGrant, ReverseDebit, VoidGrant
from drawdown.core.context import (
    Context,
    find_entitlement,
    grant_context,
    settled_context,
    written,
)
from drawdown.core.errors import (
    DebitNotFound,
    FieldInvalid,
    GrantExpired,
    GrantUsed,
    GrantVoided,
    ReversalTooLarge,
)
from drawdown.core.posting import Posting
from drawdown.core.requests import Accepted, Request
from drawdown.core.spending import check_expiry, positive_units
from drawdown.core.state import DebitRecord, State
from drawdown.core.types import Entry, EntryKind, Grant, Instant

METADATA_KEYS_MAX = 50


def reverse_debit(request: Request, command: ReverseDebit, state: State) -> Accepted:
    """Return part or all of a debit to the grants it came from, last drawn first."""
    record = state.debits[command.debit]
    context = None if record is None else _debit_context(request, record, state)
    if record is None or context is None:
        raise DebitNotFound(written(command.debit))
    left = record.amount - record.reversed
    units = left if command.amount is None else positive_units(command.amount, context.entitlement)
    facts = {"amount": None if command.amount is None else units}
    started = context.begin("reverse", facts, command.debit)
    if units > left or units == 0:
        scale = context.entitlement.scale
        raise ReversalTooLarge(
            amount=amounts.render(units or record.amount, scale),
            reversible=amounts.render(left, scale),
        )
    for draw, returned in returns(record, units):
        grant = context.wallet.grants[draw.grant]
        posting.give_back(started, context.wallet, grant, returned, context.at)
    record.reversed += units
    state.changes.debits[command.debit] = record
    return context.finish(started, units)


def _debit_context(request: Request, record: DebitRecord, state: State) -> Context | None:
    """The settled wallet of a debit; None when it is of another book."""
    customer = state.customers[record.operation.customer]
    if customer is None or customer.book != request.book:
        return None
    entitlement = find_entitlement(request, record.operation.entitlement, state)
    return settled_context(request, customer, entitlement, state)


def returns(record: DebitRecord, units: int) -> list[tuple[Entry, int]]:
    """Which draws get back how much when ``units`` more are reversed: the last drawn first."""
    skipped, found = record.reversed, []
    for draw in reversed(record.draws):
        open_units = max(draw.amount - skipped, 0)
        skipped = max(skipped - draw.amount, 0)
        returned = min(open_units, units)
        if returned:
            found.append((draw, returned))
            units -= returned
    return found


def expire_grant(request: Request, command: ExpireGrant, state: State) -> Accepted:
    """End a grant now and write off what remains. Nothing moves when nothing does."""
    context, grant = grant_context(request, command.grant, state)
    started = context.begin("expire", {}, command.grant)
    check_living(context, grant)
    remaining = grant.remaining
    note_changes(started, {"expires_at": [grant.expires_at, context.at]})
    posting.write_off(started, context.wallet, grant, EntryKind.EXPIRED, context.at)
    grant.expires_at = grant.updated_at = context.at
    return context.finish(started, remaining, grant)


def void_grant(request: Request, command: VoidGrant, state: State) -> Accepted:
    """Undo a grant: take what remains. One that is used up, or held, cannot be voided."""
    context, grant = grant_context(request, command.grant, state)
    started = context.begin("void", {"only_unused": command.only_unused}, command.grant)
    check_living(context, grant)
    if grant.remaining == 0 or (command.only_unused and grant.drawn):
        raise GrantUsed()
    remaining = grant.remaining
    posting.write_off(started, context.wallet, grant, EntryKind.VOIDED, context.at)
    grant.updated_at = context.at
    return context.finish(started, remaining, grant)


def amend_grant(request: Request, command: AmendGrant, state: State) -> Accepted:
    """Change a living grant's expiry, and any grant's metadata."""
    context, grant = grant_context(request, command.grant, state)
    facts: dict[str, object] = {"metadata": command.metadata, "clear": command.clear_metadata}
    expiry = command.expires_at
    if not isinstance(expiry, msgspec.UnsetType):
        facts["expires_at"] = expiry
    started = context.begin("amend", facts, command.grant)
    metadata = merged_metadata(grant, command)
    changed: dict[str, list[object]] = {}
    if metadata != grant.metadata:
        changed["metadata"] = [grant.metadata, metadata]
    if not isinstance(expiry, msgspec.UnsetType):
        changed["expires_at"] = [grant.expires_at, expiry]
        move_expiry(context, grant, expiry)
    note_changes(started, changed)
    grant.metadata = metadata
    grant.updated_at = context.at
    state.changes.grants[grant.id] = grant
    return context.finish(started, 0, grant)


def move_expiry(context: Context, grant: Grant, expires_at: Instant | None) -> None:
    """Give a living grant another expiry, and with it another place in the burn-down order."""
    check_living(context, grant)
    check_expiry(expires_at, grant.effective_at, context.at)
    wallet = context.wallet
    wallet.dequeue(grant)
    grant.expires_at = expires_at
    if grant.remaining > 0 and not grant.pending:
        wallet.enqueue(grant)
    posting.note_due(wallet, grant)


def note_changes(started: Posting, changed: dict[str, list[object]]) -> None:
    started.operation.changed = msgspec.json.encode(changed)


def merged_metadata(grant: Grant, command: AmendGrant) -> dict[str, str | int | float | bool]:
    """The grant's metadata with what was given laid over it; None deletes a key."""
    merged = {} if command.clear_metadata else dict(grant.metadata)
    for name, value in command.metadata.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = value
    if len(merged) > METADATA_KEYS_MAX:
        raise FieldInvalid("metadata", f"at most {METADATA_KEYS_MAX} keys")
    return merged


def check_living(context: Context, grant: Grant) -> None:
    """Raises ``GrantVoided`` or ``GrantExpired`` for a grant that has ended."""
    if grant.voided_at is not None:
        raise GrantVoided()
    if lifecycle.is_ended(grant, context.at):
        raise GrantExpired()
