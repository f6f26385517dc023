"""What is needed to make and to change customers, kinds of credit and test clocks."""

from __future__ import annotations

from drawdown.core.asking.asking import Asking
from drawdown.core.commands import (
    AdvanceTestClock,
    AmendCustomer,
    AmendEntitlement,
    CloseCustomer,
    CloseEntitlement,
    CreateCustomer,
    CreateEntitlement,
    CreateTestClock,
    DeleteTestClock,
    DocumentChange,
    EndAdvance,
    KeepDocuments,
    ReopenEntitlement,
    Together,
)
from drawdown.core.identity import relocate, slot_of
from drawdown.core.requests import Request
from drawdown.core.standing import playing
from drawdown.core.state import (
    CUSTOMER_ALIAS,
    CUSTOMER_OWN_ID,
    ENTITLEMENT_CODE,
    ENTITLEMENT_NAME,
    Name,
    document_name,
)
from drawdown.core.types import Id
from drawdown.core.watching.usage_crossings import place_of, watched_by


def entitlement_names(
    book: Id, command: CreateEntitlement
) -> tuple[tuple[Id, str, str | None], ...]:
    """The names a new entitlement claims; without a name it is called by its code."""
    name = command.name if command.name is not None else command.code
    return ((book, ENTITLEMENT_CODE, command.code), (book, ENTITLEMENT_NAME, name))


def names_of_customer(book: Id, text: str) -> tuple[Name, Name]:
    """As an own id, and as an alias. An own id is both: so it is no other's alias, whoever comes first."""
    return (book, CUSTOMER_OWN_ID, text), document_name(book, CUSTOMER_ALIAS, text)


def create_customer(asking: Asking, request: Request, command: CreateCustomer) -> None:
    """Under a key it may have been made before, with the request's id."""
    if command.own_id is not None:
        asking.names(names_of_customer(request.book, command.own_id))
    if command.test_clock is not None:
        asking.clock(command.test_clock)
    if request.key is not None and request.id not in asking.state.customers:
        asking.want(asking.wanted.customers, request.id)


def create_entitlement(asking: Asking, request: Request, command: CreateEntitlement) -> None:
    asking.names(entitlement_names(request.book, command))
    if request.key is not None and request.id not in asking.state.entitlements:
        asking.want(asking.wanted.entitlements, request.id)


def amend_entitlement(asking: Asking, request: Request, command: AmendEntitlement) -> None:
    asking.locked_entitlement(request, command.entitlement)
    asking.names(((request.book, ENTITLEMENT_NAME, command.name),))


def close_entitlement(
    asking: Asking, request: Request, command: CloseEntitlement | ReopenEntitlement
) -> None:
    """With its name, which it gives back or takes."""
    asking.locked_entitlement(request, command.entitlement)
    found = asking.state.entitlement_id(request.book, command.entitlement)
    kind = None if found is None else asking.state.entitlements.get(found)
    if kind is not None and kind.book == request.book:
        asking.names(((kind.book, ENTITLEMENT_NAME, kind.name),))


def amend_customer(asking: Asking, request: Request, command: AmendCustomer) -> None:
    _changed_customer(asking, request, command)


def _changed_customer(
    asking: Asking, request: Request, command: AmendCustomer | CloseCustomer
) -> Id | None:
    """Who is to be changed, once he is known."""
    customer = asking.customer(request.book, command.customer)
    if customer is not None:
        asking.key(request, customer)
        asking.lock_customer(customer)
    return customer


def close_customer(asking: Asking, request: Request, command: CloseCustomer) -> None:
    """With every wallet of his, and what in each goes on by itself."""
    customer = _changed_customer(asking, request, command)
    if customer is None:
        return
    if asking.catalog(request):
        usage_alerts(asking, request, customer)
    asking.every_wallet(request, customer)
    for key in asking.state.customer_wallets.get(customer, ()):
        asking.demand.changed.add(key)
        wallet = asking.due(asking.now(request, key), key)
        if wallet is None:
            continue
        for rule in () if wallet.watch is None else wallet.watch.rules:
            if rule.alert not in asking.state.alerts:
                asking.want(asking.wanted.alerts, rule.alert)
        for _, player in playing.players_of(wallet, asking.state):
            at, known = asking.now(request, key), asking.state.documents
            standing = wallet.documents.values()
            asking.met(
                key, wallet, player.wants_to_act(customer, standing, player.ending, at, known)
            )


def usage_alerts(asking: Asking, request: Request, customer: Id) -> None:
    """What is kept of his use of every meter that is watched, and the alerts on that."""
    for meter in asking.state.catalogs[request.book].watched_meters():
        place = place_of(customer, meter.id)
        if place not in asking.state.documents:
            asking.want(asking.wanted.documents, place)
            continue
        for rule in watched_by(customer, meter.id, asking.state).rules:
            if rule.alert not in asking.state.alerts:
                asking.want(asking.wanted.alerts, rule.alert)


def create_clock(asking: Asking, request: Request, command: CreateTestClock) -> None:
    """It may have been made before, with the request's id; and all that is of whom it is for."""
    if command.customer is None:
        asking.clock(request.id)
        return
    customer = asking.customer(request.book, command.customer)
    if customer is None:
        return
    asking.clock(relocate(request.id, slot_of(customer)))
    asking.lock_customer(customer)
    if customer not in asking.state.latest_events:
        asking.want(asking.wanted.latest_events, customer)
    if customer not in asking.state.customer_wallets:
        asking.want(asking.wanted.customer_wallets, customer)
        return
    for key in asking.state.customer_wallets[customer]:
        asking.entitlement(request.book, key[1])
        asking.wallet(command.frozen_at, key)


def change_clock(
    asking: Asking, request: Request, command: AdvanceTestClock | EndAdvance | DeleteTestClock
) -> None:
    asking.clock(command.clock)


def document(asking: Asking, book: Id, change: DocumentChange) -> None:
    """With the names that it takes and gives back."""
    for text in (change.takes, change.gives_back):
        if text is not None:
            asking.names((document_name(book, change.kind, text),))
    if change.id not in asking.state.documents:
        asking.want(asking.wanted.documents, change.id)


def group(asking: Asking, request: Request, command: KeepDocuments | Together) -> None:
    """The customer, with the key. What the commands of a group need, they ask for themselves."""
    if command.customer is None:
        asking.key(request, request.book)
        return
    customer = asking.customer(request.book, command.customer)
    if customer is not None:
        asking.key(request, customer)
