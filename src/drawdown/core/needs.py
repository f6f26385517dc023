"""What a batch needs loaded before it can be decided. Asked again until it wants nothing more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from drawdown.core import currencies
from drawdown.core.amounts import Amount
from drawdown.core.commands import (
    AmendGrant,
    CreateCustomer,
    CreateEntitlement,
    Debit,
    ExpireGrant,
    IssueGrant,
    ReverseDebit,
    Settle,
    VoidGrant,
)
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
from drawdown.core.types import Entitlement, Id, Instant, Reference


class Demand(msgspec.Struct):
    """What a batch draws from each wallet, and which wallets it also grants to or corrects."""

    draws: dict[WalletKey, list[tuple[Request, Amount]]] = {}
    granted: set[WalletKey] = set()
    corrected: set[WalletKey] = set()


def needs(batch: Sequence[Request], state: State) -> Wanted:
    """What of ``batch`` cannot be decided yet: first the named rows, then what those name, then grants."""
    wanted, demand = Wanted(), Demand()
    for request in batch:
        if request.claim is not None:
            _claim((request.book, request.claim.space, request.claim.key), state, wanted)
        command = request.command
        if isinstance(command, Debit | IssueGrant | Settle):
            _wallet_command(request, command, state, wanted, demand)
        elif isinstance(command, ExpireGrant | VoidGrant | AmendGrant):
            _grant(request, command.grant, state, wanted, demand)
        elif isinstance(command, ReverseDebit):
            _debit(request, command.debit, state, wanted, demand)
        elif isinstance(command, CreateCustomer):
            _names(((request.book, CUSTOMER_OWN_ID, command.own_id),), state, wanted)
        else:
            _names(entitlement_names(request.book, command), state, wanted)
    _enough_grants(demand, state, wanted)
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
    command: Debit | IssueGrant | Settle,
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
        _every_wallet(request, customer, state, wanted)
    key = (customer, entitlement)
    wallet = _wallet(request, key, state, wanted)
    if isinstance(command, IssueGrant):
        demand.granted.add(key)
    elif wallet is not None and isinstance(command, Debit):
        demand.draws.setdefault(key, []).append((request, command.amount))


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


def _wallet(request: Request, key: WalletKey, state: State, wanted: Wanted) -> Wallet | None:
    if key not in state.wallets:
        wanted.wallets.add(key)
        return None
    wallet = state.wallets[key]
    if wallet is None:
        return None
    at = max(request.at, wallet.last_at)
    is_due = wallet.next_due_at is not None and wallet.next_due_at <= at
    if is_due and state.due_until.get(key, -1) < at:
        wanted.wallets_due[key] = max(at, wanted.wallets_due.get(key, at))
        return None
    return wallet


def _every_wallet(request: Request, customer: Id, state: State, wanted: Wanted) -> None:
    if customer not in state.customer_wallets:
        wanted.customer_wallets.add(customer)
        return
    for key in state.customer_wallets[customer]:
        _wallet(request, key, state, wanted)


def _grant(request: Request, grant: Id, state: State, wanted: Wanted, demand: Demand) -> None:
    """A grant named by its id brings its wallet, its customer and its entitlement."""
    if grant not in state.grant_wallets:
        wanted.grants.add(grant)
        return
    key = state.grant_wallets[grant]
    if key is None:
        return
    customer = _customer(request, key[0], state, wanted)
    _entitlement(request.book, key[1], state, wanted)
    if customer is None:
        return
    _key(request, customer, state, wanted)
    demand.corrected.add(key)
    wallet = _wallet(request, key, state, wanted)
    if wallet is not None and grant not in wallet.grants:
        wanted.grants.add(grant)


def _debit(request: Request, debit: Id, state: State, wanted: Wanted, demand: Demand) -> None:
    """A debit named by its id brings the grants it drew on."""
    if debit not in state.debits:
        wanted.debits.add(debit)
        return
    record = state.debits[debit]
    if record is not None:
        for draw in record.draws:
            _grant(request, draw.grant, state, wanted, demand)


def _enough_grants(demand: Demand, state: State, wanted: Wanted) -> None:
    """Ask for longer chunks of grants while what is loaded cannot pay what the batch draws.

    A wallet can pay no more than is posted, unless the batch adds to it: by a grant, or by one that has
    become effective. Where the batch also ends or changes grants, the loaded ones may not be those drawn:
    then all of them are asked for.
    """
    for key, draws in demand.draws.items():
        wallet, entitlement = state.wallets[key], state.entitlements.get(key[1])
        if wallet is None or wallet.whole or key in wanted.wallets_due:
            continue
        scale = _scale(key[1], entitlement, draws[0][0].book)
        total = sum(_units(amount, scale) for _, amount in draws)
        grows = key in demand.granted or key in state.due_until
        payable = total if grows else min(total, wallet.posted)
        instants = {_valid_at(request, wallet) for request, _ in draws}
        covered = all(wallet.covers(payable, valid_at) for valid_at in instants)
        if key in demand.corrected or not covered:
            wanted.wallets_longer.add(key)


def _valid_at(request: Request, wallet: Wallet) -> Instant:
    assert isinstance(request.command, Debit)
    return request.command.valid_at or max(request.at, wallet.last_at)


def _scale(entitlement_id: Id, entitlement: Entitlement | None, book: Id) -> int:
    if entitlement is not None:
        return entitlement.scale
    code = currencies.codes_by_id(book).get(entitlement_id)
    return 0 if code is None else currencies.scale_of(code)


def _units(amount: Amount, scale: int) -> int:
    """Units for an estimate: an amount that will be refused for its scale counts as nothing."""
    return amount.digits * 10 ** (scale - amount.places) if amount.places <= scale else 0
