"""Paying for usage: what is due is drawn in burn-down order, as far as the entitlement's rule allows it.

Usage that comes late, within the entitlement's grace, is paid first by what was valid when it was and has
expired since. What an override has just returned to a grant that has expired may pay for the event again.

An entitlement that is closed pays for no usage that comes after that. An event that was taken before is paid
by it whatever it is overridden to since, as if it had said so from the beginning.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from drawdown.core import burn, posting
from drawdown.core.commands import RecordUsage
from drawdown.core.context import Context, encode_facts, find_entitlement, given, settled_context
from drawdown.core.overage import headroom
from drawdown.core.posting import Posting
from drawdown.core.requests import Request
from drawdown.core.spending import payable, use
from drawdown.core.state import DebitRecord, State
from drawdown.core.types import (
    USES,
    Attributes,
    Customer,
    EntryKind,
    Grant,
    Id,
    Instant,
    Shortfall,
)
from drawdown.core.usage.counting import attributes_of
from drawdown.core.usage.quantities import Quantity
from drawdown.core.usage.records import Charge, Count, CountKey, Meter, Rate

#: Which expired grants may be restored, each by how many units, in burn-down order.
Restorable = list[tuple[Grant, int]]


class Due(msgspec.Struct):
    """What one rate asks for: its count as it is from now on, and the units that are due by that.

    ``time`` and ``attributes`` are those of the usage. ``left``: the event is not in the count any more.
    ``rest``: what is counted of the rest of another rate. ``in_part``: too little credit pays what it can.
    ``taken_at``: when the event was taken that is overridden; None: it is taken now.
    """

    meter: Meter
    rate: Rate
    key: CountKey
    context: Context
    time: Instant
    attributes: Attributes
    after: Count
    amount: int
    left: bool = False
    rest: Quantity = Quantity(0)
    in_part: bool = False
    taken_at: Instant | None = None


def pays_in_part(rate: Rate, rates: Iterable[Rate]) -> bool:
    """Whether credit that is too little pays what it can: something else pays the rest.

    ``rates`` are those that charge the event, also where they are closed by now.
    """
    return rate.rest_of is not None or any(each.rest_of == rate.id for each in rates)


def settled_wallets(
    request: Request, customer: Customer, kinds: Iterable[Id], state: State
) -> dict[Id, Context]:
    """The wallets of entitlements, settled up to one instant: the latest that any of them has seen."""
    kinds = dict.fromkeys(kinds)
    known = [state.wallet((customer.id, kind)) for kind in kinds]
    now = state.now_of(customer.id, request.at)
    at = max((wallet.last_at for wallet in known if wallet is not None), default=now)
    return {
        kind: settled_context(
            request, customer, find_entitlement(request, kind, state), state, max(now, at)
        )
        for kind in kinds
    }


def usage_facts(command: RecordUsage, contexts: Iterable[Context]) -> bytes:
    """What an operation keeps of an event: with its attributes only where a grant asks for some."""
    facts: dict[str, object] = {"event": command.own_id, "name": command.name}
    facts |= given(command, "time")
    if any(grant.scope for context in contexts for grant in context.wallet.grants.values()):
        facts["attributes"] = attributes_of(command.properties)
    return encode_facts(facts)


def uncovered(charges: Iterable[Charge], book: Id, state: State) -> dict[str, int]:
    """What nothing paid for, by the entitlement's id in hexadecimal: no entry tells of it."""
    rates = state.catalogs[book].rates
    found: dict[str, int] = {}
    for charge in charges:
        if charge.uncovered:
            kind = rates[Id(bytes.fromhex(charge.rate))].entitlement.hex()
            found[kind] = found.get(kind, 0) + charge.uncovered
    return found


def keep_debit(started: Posting, state: State) -> None:
    """What was drawn can be reversed, also within the batch."""
    draws = tuple(entry for entry in started.entries if entry.kind in USES)
    record = DebitRecord(operation=started.operation, draws=draws)
    state.debits[started.operation.id] = record


def draw(started: Posting, due: Due, returned: dict[Id, int] | None = None) -> Charge:
    """Draw what is due.

    ``returned``: by grant, what the same operation has given back before; what pays again is taken off.
    """
    returned = {} if returned is None else returned
    if due.amount == 0:
        return _charge(due, 0, 0)
    context, attributes = due.context, due.attributes
    expired = _restorable(due, attributes, returned)
    restorable = sum(units for _, units in expired)
    credit = restorable + payable(context.wallet, context.at, attributes)
    drawn, beyond = _split(due, credit)
    if drawn or beyond:
        restored = min(drawn, restorable)
        _restore(started, context, expired, restored, returned)
        queue, units = context.wallet.queue, drawn - restored
        draws, shortfall = burn.split(queue, units, context.at, attributes)
        assert shortfall == 0, "no more is drawn than the wallet can pay"
        use(started, context, draws, beyond)
        context.reach()
    return _charge(due, drawn, beyond)


def _charge(due: Due, drawn: int, beyond: int) -> Charge:
    entitlement = due.context.entitlement
    return Charge(
        due.rate.id.hex(),
        due.meter.code,
        entitlement.code,
        entitlement.scale,
        due.amount,
        drawn,
        beyond,
        due.key[2],
        due.key[3].hex(),
        due.left,
        due.rest,
    )


def _restorable(due: Due, attributes: Attributes, returned: Mapping[Id, int]) -> Restorable:
    """What has expired, and may pay all the same; a grant that was voided does not come back.

    Nor does what had been written off by the time of the usage: a schedule may do so before it expires.
    """
    context, time = due.context, due.time
    is_late = 0 < context.at - time <= context.entitlement.late_usage_grace
    found = []
    for grant in context.wallet.grants.values():
        if grant.expired == 0 or grant.expired_at is None or grant.voided_at is not None:
            continue
        if is_late and grant.expired_at > time and burn.is_eligible(grant, time, attributes):
            found.append((grant, grant.expired))
            continue
        units = min(returned.get(grant.id, 0), grant.expired)
        if units and burn.in_scope(grant, attributes):
            found.append((grant, units))
    return sorted(found, key=lambda each: burn.order_of(each[0], context.wallet.burn_order))


def _restore(
    started: Posting, context: Context, expired: Restorable, units: int, returned: dict[Id, int]
) -> None:
    """Draw ``units`` on what has expired: each part is restored, and drawn at once."""
    left, wallet = units, context.wallet
    for grant, most in expired:
        part = min(most, left)
        if part:
            wallet.open_grants += grant.remaining == 0
            posting.post(started, wallet, grant, EntryKind.RESTORED, part, context.at)
            posting.draw(started, wallet, [(grant, part)], context.at)
            returned[grant.id] = max(returned.get(grant.id, 0) - part, 0)
        left -= part


def _split(due: Due, credit: int) -> tuple[int, int]:
    """How much of what is due ``credit`` pays, and how much more is overage."""
    kind, amount = due.context.entitlement, due.amount
    if kind.closed_at is not None and (due.taken_at is None or kind.closed_at <= due.taken_at):
        return 0, 0
    if credit >= amount:
        return amount, 0
    if kind.shortfall is Shortfall.REFUSE and not due.in_part:
        return 0, 0
    if kind.shortfall is not Shortfall.OVERAGE:
        return credit, 0
    return credit, min(amount - credit, headroom(due.context.wallet))
