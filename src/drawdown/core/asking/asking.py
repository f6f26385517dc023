"""What is wanted of a store, and the ways to want it: by names, ids and wallets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from drawdown.core.demand import Demand
from drawdown.core.requests import Request
from drawdown.core.standing import playing
from drawdown.core.standing.players import Wants
from drawdown.core.state import (
    CUSTOMER_ALIAS,
    CUSTOMER_OWN_ID,
    ENTITLEMENT_CODE,
    Name,
    State,
    Wallet,
    WalletKey,
    Wanted,
    document_name,
)
from drawdown.core.types import Id, Instant, Reference
from drawdown.core.usage.counting import Counted
from drawdown.core.watching.crossings import is_uncounted, lead_of


class Asking(msgspec.Struct):
    """What the requests of a batch want so far. ``waits``: the one being asked has to be asked again.

    ``usages``: by the request, what is counted of its event.
    """

    state: State
    wanted: Wanted = msgspec.field(default_factory=Wanted)
    demand: Demand = msgspec.field(default_factory=Demand)
    waits: bool = False
    usages: dict[int, list[Counted]] = msgspec.field(default_factory=dict)

    def due(self, now: Instant, key: WalletKey, lead: int = 0) -> Wallet | None:
        """The wallet with its live schedules and their grants, whether or not any of them is due.

        ``lead``: and with what falls due within so many microseconds more.
        """
        wallet = self.wallet(now, key)
        if wallet is None:
            return None
        at = Instant(self.demand.time_of(wallet, now) + lead)
        if self.state.knows_due(key, at):
            return wallet
        due = self.wanted.wallets_due
        due[key] = max(at, due.get(key, at))
        self.waits = True
        return None

    def locked_entitlement(self, request: Request, reference: Reference) -> None:
        """One that is to be changed."""
        kind = self.entitlement(request.book, reference)
        if kind is not None and kind not in self.state.locked:
            self.want(self.wanted.entitlements_locked, kind)

    def lock_customer(self, customer: Id) -> None:
        """Nobody else changes him until the batch is done, or closes him."""
        if customer not in self.state.locked:
            self.want(self.wanted.customers_locked, customer)

    def catalog(self, request: Request) -> bool:
        """The book's meters and rates; whether they are loaded."""
        if request.book in self.state.catalogs:
            return True
        self.want(self.wanted.catalogs, request.book)
        return False

    def want(self, things: set[Any], thing: object) -> None:
        """Want what may lead to more."""
        things.add(thing)
        self.waits = True

    def claim(self, name: Name) -> None:
        if name not in self.state.claims:
            self.wanted.claims.add(name)

    def key(self, request: Request, customer: Id) -> None:
        if request.key is not None:
            key = (customer, request.key.namespace, request.key.key)
            if key not in self.state.keys:
                self.wanted.keys.add(key)

    def clock(self, clock: Id) -> bool:
        """Whether the clock is loaded, if there is one of that id."""
        if clock in self.state.clocks:
            return True
        self.want(self.wanted.clocks, clock)
        return False

    def now(self, request: Request, key: WalletKey | None) -> Instant:
        """What time it is for whom a wallet belongs to."""
        return request.at if key is None else self.state.now_of(key[0], request.at)

    def names(self, names: Iterable[tuple[Id, str, str | None]]) -> None:
        for name in names:
            if name[2] is not None and name not in self.state.names:
                self.want(self.wanted.names, name)

    def customer(self, book: Id, reference: Reference) -> Id | None:
        """The customer's id once its row and its clock are loaded; None before, or where there is none."""
        found = self.state.customer_id(book, reference)
        if found is None:
            if isinstance(reference, str):
                self._name_of_customer(book, reference)
            return None
        if found not in self.state.customers:
            self.want(self.wanted.customers, found)
            return None
        customer = self.state.customers[found]
        if customer is None or customer.book != book:
            return None
        if customer.test_clock is not None and not self.clock(customer.test_clock):
            return None
        return found

    def _name_of_customer(self, book: Id, text: str) -> None:
        """First as an own id; only where nobody has that, as an alias, with what it is a name of."""
        own_id, alias = (book, CUSTOMER_OWN_ID, text), document_name(book, CUSTOMER_ALIAS, text)
        if own_id not in self.state.names:
            self.names((own_id,))
        elif alias not in self.state.names:
            self.names((alias,))
        else:
            document = self.state.names[alias]
            if document is not None and document not in self.state.documents:
                self.want(self.wanted.documents, document)

    def entitlement(self, book: Id, reference: Reference) -> Id | None:
        """The same of an entitlement, but it may be a currency that has no row yet, or another book's."""
        found = self.state.entitlement_id(book, reference)
        if found is None:
            if isinstance(reference, str):
                self.names(((book, ENTITLEMENT_CODE, reference),))
            return None
        if found not in self.state.entitlements:
            self.want(self.wanted.entitlements, found)
            return None
        return found

    def wallet_key(
        self, request: Request, customer: Reference, entitlement: Reference
    ) -> WalletKey | None:
        """The wallet of the two once both are known; the customer brings the request's key."""
        owner = self.customer(request.book, customer)
        kind = self.entitlement(request.book, entitlement)
        if owner is None:
            self.ahead(request, customer, entitlement)
            return None
        self.key(request, owner)
        return None if kind is None else (owner, kind)

    def ahead(self, request: Request, customer: Reference, entitlement: Reference) -> None:
        """Whom the book has a name for is there, and his: what else is wanted of him need not wait."""
        owner = self.state.customer_id(request.book, customer)
        kind = self.state.entitlement_id(request.book, entitlement)
        if isinstance(customer, str) and owner is not None:
            self.key(request, owner)
            if kind is not None and (owner, kind) not in self.state.wallets:
                self.wanted.wallets.add((owner, kind))

    def wallet(self, now: Instant, key: WalletKey) -> Wallet | None:
        """The wallet once it is loaded with all that may fall due in the batch; None before that, or new.

        Where another wallet's time may carry over, what the batch itself adds may fall due as well, and
        then what follows it must be known.
        """
        if key not in self.state.wallets:
            self.want(self.wanted.wallets, key)
            return None
        wallet = self.state.wallets[key]
        if wallet is None:
            return None
        at = self.demand.time_of(wallet, now)
        may_be_due = wallet.is_due(at) or at > max(now, wallet.last_at)
        until = at
        kind = self.state.entitlements.get(key[1])
        if (kind is not None and kind.alerts) or wallet.watch is not None:
            watching = () if kind is None else kind.alerts
            may_be_due = may_be_due or is_uncounted(watching, wallet.watch)
            until = Instant(at + lead_of(watching, wallet.watch))
        if may_be_due and self.state.due_until.get(key, -1) < until:
            due = self.wanted.wallets_due
            due[key] = max(until, due.get(key, until))
            self.waits = True
            return None
        if wallet.schedules and any(
            each.next_at is not None and each.next_at <= at for each in wallet.schedules.values()
        ):
            self.demand.changed.add(key)  # a cycle takes and adds grants anywhere in the order
        if wallet.documents:
            wants = playing.wants(wallet, at, self.state)
            if wants is not None and not self.met(key, wallet, wants):
                return None
        return wallet

    def met(self, key: WalletKey, wallet: Wallet, wants: Wants) -> bool:
        """Whether all is loaded that a player needs, and every grant in burn-down order."""
        found: list[tuple[set[Any], set[Any]]] = [
            (self.wanted.spans, wants.spans - self.state.spans.keys()),
            (self.wanted.holds, wants.holds - wallet.holds.keys()),
            (self.wanted.grants, wants.grants - wallet.grants.keys()),
            (self.wanted.documents, wants.documents - self.state.documents.keys()),
        ]
        missing = [(wanted, things) for wanted, things in found if things]
        for wanted, things in missing:
            wanted.update(things)
        if not wallet.whole:
            self.wanted.wallets_longer.add(key)
        self.waits = self.waits or bool(missing) or not wallet.whole
        return not missing and wallet.whole

    def every_wallet(self, request: Request, customer: Id) -> None:
        if customer not in self.state.customer_wallets:
            self.want(self.wanted.customer_wallets, customer)
            return
        for key in self.state.customer_wallets[customer]:
            self.entitlement(request.book, key[1])
            self.wallet(self.now(request, key), key)

    def owned(self, request: Request, key: WalletKey) -> Wallet | None:
        """The wallet of a thing named by its id, with its customer, its entitlement and the request's key."""
        customer = self.customer(request.book, key[0])
        self.entitlement(request.book, key[1])
        if customer is None:
            return None
        self.key(request, customer)
        return self.wallet(self.now(request, key), key)

    def named_grant(self, request: Request, grant: Id) -> None:
        """A grant named by its id brings its wallet, its customer and its entitlement."""
        if grant not in self.state.grant_wallets:
            self.want(self.wanted.grants, grant)
            return
        key = self.state.grant_wallets[grant]
        if key is None:
            return
        self.demand.changed.add(key)
        wallet = self.owned(request, key)
        if wallet is not None and grant not in wallet.grants:
            self.want(self.wanted.grants, grant)
