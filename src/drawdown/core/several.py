"""One operation over several of a customer's wallets: units first, then cash, each at its price.

Nothing is rounded: a wallet pays the largest part of the quantity whose cost is a whole number of its
units, in steps of the quantity's last decimal place; what is left goes to the next.
"""

from __future__ import annotations

from math import gcd

import msgspec

from drawdown.core import amounts, burn, overage
from drawdown.core.amounts import Amount
from drawdown.core.commands import Spend
from drawdown.core.context import (
    Context,
    begin,
    check_open,
    commit,
    encode_facts,
    find_customer,
    find_entitlement,
    given,
    settled_context,
)
from drawdown.core.errors import (
    AmountNotPositive,
    AmountTooFine,
    FieldInvalid,
    InsufficientCredit,
)
from drawdown.core.identity import relocate, slot_of
from drawdown.core.posting import Posting
from drawdown.core.requests import Accepted, Part, Request
from drawdown.core.spending import payable, use
from drawdown.core.state import DebitRecord, State
from drawdown.core.types import Customer, Instant, Operation, OverageMode

WALLETS_MAX = 10


class Payer(msgspec.Struct):
    """A wallet and its price in lowest terms: ``steps`` of the quantity cost ``units`` exactly."""

    context: Context
    units: int
    steps: int

    def affordable(self, credit: int) -> int:
        """How many steps ``credit`` would pay, were units divisible."""
        return credit * self.steps // self.units

    def payable(self, credit: int) -> int:
        """How many steps ``credit`` pays exactly."""
        return self.affordable(credit) // self.steps * self.steps


class Share(msgspec.Struct):
    """What one wallet is to pay: so many steps of the quantity, for so many units."""

    payer: Payer
    steps: int

    @property
    def units(self) -> int:
        return self.steps // self.payer.steps * self.payer.units


def spend(request: Request, command: Spend, state: State) -> Accepted:
    """Pay a quantity from the wallets in their order: all of it, or as far as it goes where asked."""
    _check(command)
    customer = find_customer(request, command.customer, state)
    payers = _payers(request, command, customer, state)
    at = payers[0].context.at
    started = begin(request, state, _operation(request, command, customer, payers))
    for payer in payers:
        check_open(customer, payer.context.entitlement)
    valid_at = at if command.valid_at is None else command.valid_at
    shares = _shares(command, payers, valid_at)
    for share in shares:
        _draw(started, share, command, valid_at)
    operation = started.operation
    state.debits[operation.id] = DebitRecord(operation=operation, draws=tuple(started.entries))
    commit(state, started)
    return Accepted(
        operation=operation,
        entries=tuple(started.entries),
        customer=customer,
        parts=tuple(_part(share, command) for share in shares),
    )


def _check(command: Spend) -> None:
    if command.quantity.digits == 0:
        raise AmountNotPositive(field="quantity")
    if not 1 <= len(command.wallets) <= WALLETS_MAX:
        raise FieldInvalid("wallets", f"a list of 1 to {WALLETS_MAX} wallets")
    for number, wallet in enumerate(command.wallets):
        if wallet.price.digits == 0:
            raise AmountNotPositive(field=f"wallets[{number}].price")


def _payers(request: Request, command: Spend, customer: Customer, state: State) -> list[Payer]:
    """The wallets in their order, settled up to one instant: the latest that any of them has seen."""
    kinds = [find_entitlement(request, wallet.entitlement, state) for wallet in command.wallets]
    if len({kind.id for kind in kinds}) < len(kinds):
        raise FieldInvalid("wallets", "of different entitlements")
    known = [state.wallet((customer.id, kind.id)) for kind in kinds]
    now = state.now_of(customer.id, request.at)
    at = max(now, *(wallet.last_at for wallet in known if wallet is not None), Instant(0))
    payers = []
    for kind, wallet in zip(kinds, command.wallets, strict=True):
        units, steps = unit_price(wallet.price, command.quantity.places, kind.scale)
        payers.append(Payer(settled_context(request, customer, kind, state, at), units, steps))
    return payers


def unit_price(price: Amount, places: int, scale: int) -> tuple[int, int]:
    """(units, steps) in lowest terms: so many steps of 10**-``places`` cost so many units."""
    units, steps = price.digits * 10**scale, 10 ** (price.places + places)
    common = gcd(units, steps)
    return units // common, steps // common


def _operation(
    request: Request, command: Spend, customer: Customer, payers: list[Payer]
) -> Operation:
    facts: dict[str, object] = {
        "quantity": str(command.quantity),
        "wallets": [
            {"entitlement": payer.context.entitlement.id.hex(), "price": str(wallet.price)}
            for payer, wallet in zip(payers, command.wallets, strict=True)
        ],
    }
    facts |= given(
        command, "partial", "attributes", "occurred_at", "valid_at", "metadata", "reason"
    )
    return Operation(
        id=relocate(request.id, slot_of(customer.id)),
        customer=customer.id,
        entitlement=None,
        kind="spend",
        at=payers[0].context.at,
        recorded_at=request.recorded_at,
        facts=encode_facts(facts),
    )


def _shares(command: Spend, payers: list[Payer], valid_at: Instant) -> list[Share]:
    """What each wallet pays. Raises ``InsufficientCredit``, or ``AmountTooFine`` when only that is why."""
    credits = [payable(p.context.wallet, valid_at, command.attributes) for p in payers]
    beyond = overage.headroom(payers[-1].context.wallet)
    shares = _cover(command, payers, [*credits[:-1], credits[-1] + beyond])
    covered, wanted = sum(share.steps for share in shares), command.quantity.digits
    if covered == wanted or (command.partial and covered):
        return [share for share in shares if share.steps]
    last, left = shares[-1], wanted - covered
    if last.payer.affordable(credits[-1] + beyond) >= last.steps + left:
        cost = f"{command.quantity} × {command.wallets[-1].price}"
        scale = last.payer.context.entitlement.scale
        raise AmountTooFine(field="quantity", amount=cost, scale=scale)
    raise _insufficient(command, payers, credits)


def _insufficient(command: Spend, payers: list[Payer], credits: list[int]) -> InsufficientCredit:
    """With what of the quantity credit pays, and what overage could where that has a limit."""
    covered = sum(share.steps for share in _cover(command, payers, credits))
    total = sum(payer.payable(payer.context.wallet.available) for payer in payers)
    places, last = command.quantity.places, payers[-1]
    further = {}
    if last.context.wallet.overage_rule.mode is OverageMode.LIMITED:
        left = last.payable(overage.headroom(last.context.wallet))
        further["overage_available"] = amounts.render(left, places)
    return InsufficientCredit(
        needed=str(command.quantity),
        available=amounts.render(covered, places),
        available_total=amounts.render(total, places),
        **further,
    )


def _cover(command: Spend, payers: list[Payer], credits: list[int]) -> list[Share]:
    """How far the wallets go with ``credits`` in each, every one paying all it can before the next.

    The last one's may be more than it has, by as much as it may be used past zero.
    """
    left, shares = command.quantity.digits, []
    for payer, credit in zip(payers, credits, strict=True):
        paid = min(left, payer.affordable(credit)) // payer.steps * payer.steps
        shares.append(Share(payer, paid))
        left -= paid
    return shares


def _draw(started: Posting, share: Share, command: Spend, valid_at: Instant) -> None:
    context = share.payer.context
    queue = context.wallet.queue
    draws, beyond = burn.split(queue, share.units, valid_at, command.attributes)
    assert beyond <= overage.headroom(context.wallet), "a share is no more than its wallet can pay"
    use(started, context, draws, beyond)
    context.reach()


def _part(share: Share, command: Spend) -> Part:
    context = share.payer.context
    return Part(
        entitlement=context.entitlement,
        quantity=amounts.normalised(share.steps, command.quantity.places),
        amount=share.units,
        balance=context.wallet.balance(context.entitlement.scale, context.at),
    )
