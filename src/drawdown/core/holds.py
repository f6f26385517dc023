"""Holds: credit set aside for work in progress, then captured bit by bit, and released."""

from __future__ import annotations

import msgspec

from drawdown.core import amounts, posting
from drawdown.core.commands import Authorize, Capture, Extend, OverCapture, Release
from drawdown.core.context import (
    Context,
    check_open,
    find_customer,
    find_entitlement,
    given,
    settled_context,
    written,
)
from drawdown.core.errors import (
    AmountTooLarge,
    CaptureTooLarge,
    ExpiryNotInFuture,
    FieldInvalid,
    HoldEnded,
    HoldNotFound,
    TooManyHolds,
)
from drawdown.core.identity import derive
from drawdown.core.posting import Posting
from drawdown.core.requests import Accepted, Request
from drawdown.core.spending import cover, pay, positive_units, use
from drawdown.core.standing import playing
from drawdown.core.state import DebitRecord, State
from drawdown.core.times import INSTANT_MAX
from drawdown.core.types import (
    HOLD_DEFAULT,
    HOLDS_OPEN_MAX,
    MICROSECONDS,
    UNITS_MAX,
    USES,
    Hold,
    HoldState,
    Id,
    Instant,
)

HOUR = 3_600 * MICROSECONDS
_ONE_END = "given instead of expires_at, not beside it"


def authorize(request: Request, command: Authorize, state: State) -> Accepted:
    """Set credit aside in burn-down order: all of it, or nothing and ``InsufficientCredit``."""
    customer = find_customer(request, command.customer, state)
    entitlement = find_entitlement(request, command.entitlement, state)
    units = positive_units(command.amount, entitlement)
    context = settled_context(request, customer, entitlement, state)
    started = context.begin("hold", _facts(command, units))
    check_open(customer, entitlement)
    expires_at = _first_end(command, context.at)
    wallet = context.wallet
    if wallet.open_holds >= HOLDS_OPEN_MAX:
        raise TooManyHolds(maximum=HOLDS_OPEN_MAX)
    draws = pay(context, units, context.at, command.attributes)
    made = Hold(
        id=derive(context.operation_id, "hold"),
        customer=customer.id,
        entitlement=entitlement.id,
        amount=units,
        held=units,
        slices=posting.hold(started, wallet, draws, context.at),
        created_at=context.at,
        recorded_at=request.recorded_at,
        expires_at=expires_at,
        attributes=command.attributes,
        metadata=command.metadata,
    )
    _register(context, made)
    return _finish(context, started, units, made)


def _facts(command: Authorize, units: int) -> dict[str, object]:
    facts = {"amount": units} | given(command, "expires_in", "attributes", "metadata")
    if isinstance(command.expires_at, msgspec.UnsetType):
        return facts
    return facts | {"expires_at": command.expires_at}


def _first_end(command: Authorize, at: Instant) -> Instant | None:
    """When the hold ends by itself: as asked, else in 15 minutes."""
    if command.expires_in is not None and not isinstance(command.expires_at, msgspec.UnsetType):
        raise FieldInvalid("expires_in", _ONE_END)
    if command.expires_at is None and command.expires_in is None:
        if command.hold_max is not None:
            raise FieldInvalid("expires_at", _life_rule(command.hold_max))
        return None
    if isinstance(command.expires_at, int):
        field, end = "expires_at", command.expires_at
    else:
        life = HOLD_DEFAULT if command.expires_in is None else command.expires_in
        field, end = "expires_in", Instant(at + life)
    return _checked_end(field, end, at, at, command.hold_max)


def _checked_end(
    field: str, end: Instant, at: Instant, born: Instant, life_max: int | None
) -> Instant:
    if end <= at:
        raise ExpiryNotInFuture(field=field)
    if life_max is not None and end > born + life_max:
        raise FieldInvalid(field, _life_rule(life_max))
    if end > INSTANT_MAX:
        raise FieldInvalid(field, "before the year 10000")
    return end


def _life_rule(life_max: int) -> str:
    return f"at most {life_max // HOUR} hours after the hold was made"


def _register(context: Context, made: Hold) -> None:
    context.wallet.holds[made.id] = made
    context.wallet.open_holds += 1
    context.state.changes.new_holds[made.id] = made
    context.state.hold_wallets[made.id] = context.key
    posting.note_due(context.state.changes, context.wallet, made)


def capture(request: Request, command: Capture, state: State) -> Accepted:
    """Use up held credit; more than is held is drawn too, or refused. ``final`` ends the hold."""
    context, held = _hold_context(request, command.hold, state)
    units = positive_units(command.amount, context.entitlement)
    facts = {"amount": units, "final": command.final, "over_capture": command.over_capture}
    started = context.begin("capture", facts, command.hold)
    check_hold_open(held)
    _check_captured(context, held, units)
    excess = max(units - held.held, 0)
    if excess and command.over_capture is OverCapture.REFUSE:
        scale = context.entitlement.scale
        raise CaptureTooLarge(
            amount=amounts.render(units, scale), held=amounts.render(held.held, scale)
        )
    wallet, at = context.wallet, context.at
    draws, beyond = cover(context, excess, at, held.attributes)
    posting.capture(started, wallet, held, units - excess, at)
    use(started, context, draws, beyond)
    held.captured += units
    if command.final:
        posting.end_hold(started, wallet, held, HoldState.CAPTURED, at)
    drawn = tuple(entry for entry in started.entries if entry.kind in USES)
    operation = started.operation
    state.debits[operation.id] = DebitRecord(operation=operation, draws=drawn)
    return _finish(context, started, units, held)


def _check_captured(context: Context, held: Hold, units: int) -> None:
    """What a hold captures in all, reversed since or not, stays within 64 bits."""
    if held.captured + units > UNITS_MAX:
        scale = context.entitlement.scale
        raise AmountTooLarge(field="amount", maximum=amounts.render(UNITS_MAX, scale))


def release(request: Request, command: Release, state: State) -> Accepted:
    """End a hold: what it still holds is available again, unless its grant has ended meanwhile."""
    context, held = _hold_context(request, command.hold, state)
    started = context.begin("release", {}, command.hold)
    check_hold_open(held)
    units = held.held
    posting.end_hold(started, context.wallet, held, HoldState.RELEASED, context.at)
    return _finish(context, started, units, held)


def extend(request: Request, command: Extend, state: State) -> Accepted:
    """Let an open hold end later, within the longest life since it was made."""
    context, held = _hold_context(request, command.hold, state)
    facts = {"expires_at": command.expires_at, "expires_in": command.expires_in}
    started = context.begin("extend", facts, command.hold)
    check_hold_open(held)
    end, field = _later_end(command, context.at)
    _checked_end(field, end, context.at, held.created_at, command.hold_max)
    if held.expires_at is None or end < held.expires_at:
        raise FieldInvalid(field, "no earlier than the hold's present end")
    started.note_changes({"expires_at": [held.expires_at, end]})
    held.expires_at = end
    posting.note_due(state.changes, context.wallet, held)
    state.changes.holds[held.id] = held
    return _finish(context, started, 0, held)


def _later_end(command: Extend, at: Instant) -> tuple[Instant, str]:
    if (command.expires_at is None) == (command.expires_in is None):
        raise FieldInvalid("expires_in", _ONE_END)
    if command.expires_at is not None:
        return command.expires_at, "expires_at"
    assert command.expires_in is not None
    return Instant(at + command.expires_in), "expires_in"


def check_hold_open(held: Hold) -> None:
    if held.state is not HoldState.OPEN:
        raise HoldEnded(state=held.state.value)


def _hold_context(request: Request, hold_id: Id, state: State) -> tuple[Context, Hold]:
    """The settled wallet of a hold named by its id, and the hold in it."""
    key = state.hold_wallets[hold_id]
    customer = None if key is None else state.customers[key[0]]
    if key is None or customer is None or customer.book != request.book:
        raise HoldNotFound(written(hold_id))
    entitlement = find_entitlement(request, key[1], state)
    context = settled_context(request, customer, entitlement, state)
    if hold_id in playing.reserved(context.wallet, state):
        raise FieldInvalid("hold", "one of work in progress; this one is a draft invoice's own")
    return context, context.wallet.holds[hold_id]


def _finish(context: Context, started: Posting, units: int, held: Hold) -> Accepted:
    accepted = context.finish(started, units)
    accepted.hold = msgspec.structs.replace(held)
    return accepted
