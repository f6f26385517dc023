"""What commands about credit need: the wallet, and of it the grants that may pay."""

from __future__ import annotations

from drawdown.core.asking import standing
from drawdown.core.asking.asking import Asking
from drawdown.core.clocks import played_until
from drawdown.core.commands import (
    AdjustGrant,
    AmendGrant,
    Authorize,
    Capture,
    Debit,
    ExpireGrant,
    Extend,
    IssueGrant,
    Release,
    ResetOverage,
    ReverseDebit,
    Settle,
    Spend,
    VoidGrant,
)
from drawdown.core.demand import cost_of, scale_of, units_of
from drawdown.core.requests import Request
from drawdown.core.state import WalletKey
from drawdown.core.types import NOTHING, Id


def draw(asking: Asking, request: Request, command: Debit | Authorize) -> None:
    key = asking.wallet_key(request, command.customer, command.entitlement)
    now = asking.now(request, key)
    wallet = None if key is None else asking.wallet(now, key)
    if key is None or wallet is None or wallet.whole:
        return
    valid_at = command.valid_at if isinstance(command, Debit) else None
    units = units_of(command.amount, scale_of(key[1], asking.state, request.book))
    asking.demand.draw(wallet, units, now, command.attributes, valid_at)


def issue(asking: Asking, request: Request, command: IssueGrant) -> None:
    key = asking.wallet_key(request, command.customer, command.entitlement)
    if key is None:
        return
    if command.unused_max is not None:
        asking.every_wallet(request, key[0])
    asking.wallet(asking.now(request, key), key)
    asking.demand.grown.add(key)


def settle(asking: Asking, request: Request, command: Settle | ResetOverage) -> None:
    key = asking.wallet_key(request, command.customer, command.entitlement)
    if key is not None:
        at = command.at if isinstance(command, Settle) else None
        played = played_until(asking.state.clock_of(key[0]), at)
        asking.wallet(asking.now(request, key) if played is None else played, key)


def spend(asking: Asking, request: Request, command: Spend) -> None:
    """Every wallet named; each may have to pay all of the quantity."""
    customer = asking.customer(request.book, command.customer)
    kinds = [asking.entitlement(request.book, price.entitlement) for price in command.wallets]
    if customer is None:
        return
    asking.key(request, customer)
    now = asking.state.now_of(customer, request.at)
    for kind, price in zip(kinds, command.wallets, strict=True):
        wallet = None if kind is None else asking.wallet(now, (customer, kind))
        if kind is not None and wallet is not None:
            scale = scale_of(kind, asking.state, request.book)
            units = cost_of(command.quantity, price.price, scale)
            asking.demand.draw(wallet, units, now, command.attributes, command.valid_at)


def hold(asking: Asking, request: Request, command: Capture | Release | Extend) -> None:
    """A hold named by its id brings its wallet and its grants. A capture may draw all of it anew."""
    if command.hold not in asking.state.hold_wallets:
        asking.want(asking.wanted.holds, command.hold)
        return
    key = asking.state.hold_wallets[command.hold]
    wallet = None if key is None else asking.owned(request, key)
    if key is None or wallet is None:
        return
    held = wallet.holds.get(command.hold)
    if held is None:
        asking.want(asking.wanted.holds, command.hold)
        return
    if held.expires_at is None and not standing.reserved(asking, request, key):
        return
    asking.demand.grown.add(key)
    if isinstance(command, Capture):
        units = units_of(command.amount, scale_of(key[1], asking.state, request.book))
        asking.demand.draw(wallet, units, asking.now(request, key), held.attributes)


def grant(
    asking: Asking, request: Request, command: AdjustGrant | AmendGrant | ExpireGrant | VoidGrant
) -> None:
    asking.named_grant(request, command.grant)
    key = asking.state.grant_wallets.get(command.grant)
    if isinstance(command, VoidGrant) and key is not None:
        wallet = asking.state.wallets.get(key)
        found = None if wallet is None else wallet.grants.get(command.grant)
        if found is not None and found.held:
            standing.reserved(asking, request, key)


def reverse(asking: Asking, request: Request, command: ReverseDebit) -> None:
    """A debit named by its id brings the grants it drew on, wherever they are."""
    if command.entitlement is not None:
        asking.entitlement(request.book, command.entitlement)
    debit(asking, request, command.debit)


def debit(asking: Asking, request: Request, debit: Id) -> None:
    if debit not in asking.state.debits:
        asking.want(asking.wanted.debits, debit)
        return
    record = asking.state.debits[debit]
    for draw in () if record is None else record.draws:
        if draw.grant == NOTHING:
            repaid(asking, request, (draw.customer, draw.entitlement), draw.seq)
        else:
            asking.named_grant(request, draw.grant)


def repaid(asking: Asking, request: Request, key: WalletKey, seq: int) -> None:
    """What was charged as overage may have been repaid since: it goes back to the grants that did."""
    if asking.owned(request, key) is None:
        return
    if asking.state.repaid_after.get(key, seq + 1) > seq:
        after = asking.wanted.repayments
        after[key] = min(seq, after.get(key, seq))
        asking.waits = True
        return
    for repayment in asking.state.repayments_after(key, seq):
        asking.named_grant(request, repayment.grant)
