"""What a batch needs loaded before it can be decided. Asked again until it wants nothing more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from drawdown.core import currencies
from drawdown.core.commands import (
    AdjustGrant,
    AmendGrant,
    Authorize,
    Capture,
    CreateCustomer,
    CreateEntitlement,
    Debit,
    ExpireGrant,
    Extend,
    IssueGrant,
    Release,
    ReverseDebit,
    Settle,
    Spend,
    VoidGrant,
)
from drawdown.core.demand import Demand, cost_of, enough_grants, scale_of, shared_times, units_of
from drawdown.core.requests import Request
from drawdown.core.state import (
    CUSTOMER_OWN_ID,
    ENTITLEMENT_CODE,
    ENTITLEMENT_NAME,
    Name,
    State,
    Wallet,
    WalletKey,
    Wanted,
)
from drawdown.core.types import Id, Instant, Reference


def needs(batch: Sequence[Request], state: State) -> Wanted:
    """What of ``batch`` cannot be decided yet: first the named rows, then what those name, then grants."""
    wanted, demand = Wanted(), Demand(times=shared_times(batch, state))
    for request in batch:
        if request.claim is not None:
            _claim((request.book, request.claim.space, request.claim.key), state, wanted)
        command = request.command
        if isinstance(command, Debit | Authorize | IssueGrant | Settle):
            _wallet_command(request, command, state, wanted, demand)
        elif isinstance(command, Capture | Release | Extend):
            _hold(request, command, state, wanted, demand)
        elif isinstance(command, ExpireGrant | VoidGrant | AmendGrant | AdjustGrant):
            _grant(request, command.grant, state, wanted, demand)
        elif isinstance(command, ReverseDebit):
            _debit(request, command, state, wanted, demand)
        elif isinstance(command, Spend):
            _spend(request, command, state, wanted, demand)
        elif isinstance(command, CreateCustomer):
            _names(((request.book, CUSTOMER_OWN_ID, command.own_id),), state, wanted)
        else:
            _names(entitlement_names(request.book, command), state, wanted)
    enough_grants(demand, state, wanted)
    return wanted


def entitlement_names(
    book: Id, command: CreateEntitlement
) -> tuple[tuple[Id, str, str | None], ...]:
    """The names a new entitlement claims; without a name it is called by its code."""
    name = command.name if command.name is not None else command.code
    return ((book, ENTITLEMENT_CODE, command.code), (book, ENTITLEMENT_NAME, name))


def _claim(name: Name, state: State, wanted: Wanted) -> None:
    if name not in state.claims:
        wanted.claims.add(name)


def _names(names: Iterable[tuple[Id, str, str | None]], state: State, wanted: Wanted) -> None:
    for book, space, text in names:
        if text is not None and (book, space, text) not in state.names:
            wanted.names.add((book, space, text))


def _wallet_command(
    request: Request,
    command: Debit | Authorize | IssueGrant | Settle,
    state: State,
    wanted: Wanted,
    demand: Demand,
) -> None:
    customer = _customer(request, command.customer, state, wanted)
    entitlement = _entitlement(request.book, command.entitlement, state, wanted)
    if customer is not None:
        _key(request, customer, state, wanted)
    if customer is None or entitlement is None:
        return
    if isinstance(command, IssueGrant) and command.unused_max is not None:
        _every_wallet(request, customer, state, wanted, demand)
    key = (customer, entitlement)
    wallet = _wallet(request.at, key, state, wanted, demand)
    if isinstance(command, IssueGrant):
        demand.grown.add(key)
    elif wallet is not None and isinstance(command, Debit | Authorize):
        valid_at = command.valid_at if isinstance(command, Debit) else None
        units = units_of(command.amount, scale_of(key[1], state, request.book))
        demand.draw(wallet, units, request.at, command.attributes, valid_at)


def _spend(request: Request, command: Spend, state: State, wanted: Wanted, demand: Demand) -> None:
    """Every wallet named; each may have to pay all of the quantity."""
    customer = _customer(request, command.customer, state, wanted)
    kinds = [
        _entitlement(request.book, price.entitlement, state, wanted) for price in command.wallets
    ]
    if customer is None:
        return
    _key(request, customer, state, wanted)
    for kind, price in zip(kinds, command.wallets, strict=True):
        key = None if kind is None else (customer, kind)
        wallet = None if key is None else _wallet(request.at, key, state, wanted, demand)
        if key is not None and wallet is not None:
            units = cost_of(command.quantity, price.price, scale_of(key[1], state, request.book))
            demand.draw(wallet, units, request.at, command.attributes, command.valid_at)


def _customer(request: Request, reference: Reference, state: State, wanted: Wanted) -> Id | None:
    """The customer's id once its row is loaded; None while it is not, or when there is none."""
    if isinstance(reference, str):
        _names(((request.book, CUSTOMER_OWN_ID, reference),), state, wanted)
    found = state.customer_id(request.book, reference)
    if found is None:
        return None
    if found not in state.customers:
        wanted.customers.add(found)
        return None
    customer = state.customers[found]
    return found if customer is not None and customer.book == request.book else None


def _entitlement(book: Id, reference: Reference, state: State, wanted: Wanted) -> Id | None:
    if isinstance(reference, str) and reference not in currencies.MINOR_PLACES:
        _names(((book, ENTITLEMENT_CODE, reference),), state, wanted)
    found = state.entitlement_id(book, reference)
    if found is None:
        return None
    if found not in state.entitlements:
        wanted.entitlements.add(found)
        return None
    return found


def _key(request: Request, customer: Id, state: State, wanted: Wanted) -> None:
    if request.key is not None:
        key = (customer, request.key.namespace, request.key.key)
        if key not in state.keys:
            wanted.keys.add(key)


def _wallet(
    now: Instant, key: WalletKey, state: State, wanted: Wanted, demand: Demand
) -> Wallet | None:
    """The wallet once it is loaded with all that may fall due in the batch; None before that, or when new.

    Where another wallet's time may carry over, what the batch itself adds may fall due as well, and then
    what follows it must be known.
    """
    if key not in state.wallets:
        wanted.wallets.add(key)
        return None
    wallet = state.wallets[key]
    if wallet is None:
        return None
    at = demand.time_of(wallet, now)
    is_later = at > max(now, wallet.last_at)
    if (wallet.is_due(at) or is_later) and state.due_until.get(key, -1) < at:
        wanted.wallets_due[key] = max(at, wanted.wallets_due.get(key, at))
        return None
    return wallet


def _every_wallet(
    request: Request, customer: Id, state: State, wanted: Wanted, demand: Demand
) -> None:
    if customer not in state.customer_wallets:
        wanted.customer_wallets.add(customer)
        return
    for key in state.customer_wallets[customer]:
        _entitlement(request.book, key[1], state, wanted)
        _wallet(request.at, key, state, wanted, demand)


def _hold(
    request: Request,
    command: Capture | Release | Extend,
    state: State,
    wanted: Wanted,
    demand: Demand,
) -> None:
    """A hold named by its id brings its wallet and its grants. A capture may draw all of it anew."""
    if command.hold not in state.hold_wallets:
        wanted.holds.add(command.hold)
        return
    key = state.hold_wallets[command.hold]
    wallet = None if key is None else _owned(request, key, state, wanted, demand)
    if key is None or wallet is None:
        return
    held = wallet.holds.get(command.hold)
    if held is None:
        wanted.holds.add(command.hold)
        return
    demand.grown.add(key)
    if isinstance(command, Capture):
        units = units_of(command.amount, scale_of(key[1], state, request.book))
        demand.draw(wallet, units, request.at, held.attributes)


def _owned(
    request: Request, key: WalletKey, state: State, wanted: Wanted, demand: Demand
) -> Wallet | None:
    """The wallet of a thing named by its id, with its customer, its entitlement and the request's key."""
    customer = _customer(request, key[0], state, wanted)
    _entitlement(request.book, key[1], state, wanted)
    if customer is None:
        return None
    _key(request, customer, state, wanted)
    return _wallet(request.at, key, state, wanted, demand)


def _grant(request: Request, grant: Id, state: State, wanted: Wanted, demand: Demand) -> None:
    """A grant named by its id brings its wallet, its customer and its entitlement."""
    if grant not in state.grant_wallets:
        wanted.grants.add(grant)
        return
    key = state.grant_wallets[grant]
    if key is None:
        return
    demand.changed.add(key)
    wallet = _owned(request, key, state, wanted, demand)
    if wallet is not None and grant not in wallet.grants:
        wanted.grants.add(grant)


def _debit(
    request: Request, command: ReverseDebit, state: State, wanted: Wanted, demand: Demand
) -> None:
    """A debit named by its id brings the grants it drew on, wherever they are."""
    if command.debit not in state.debits:
        wanted.debits.add(command.debit)
        return
    record = state.debits[command.debit]
    if command.entitlement is not None:
        _entitlement(request.book, command.entitlement, state, wanted)
    if record is None:
        return
    for draw in record.draws:
        _grant(request, draw.grant, state, wanted, demand)
