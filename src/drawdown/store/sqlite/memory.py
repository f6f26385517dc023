"""What of the ledger the process keeps, for reads that then need no statement: what is committed, never more.

The writer keeps wallets, customers and names from batch to batch. They are what is committed but for what the
batch on its way changes; and only as long as no other connection has written.
"""

from __future__ import annotations

import asyncio
from copy import copy
from enum import Enum, auto

import apsw

from drawdown.core.state import Name, Wallet, WalletKey
from drawdown.core.types import Balance, Customer, Entitlement, Id, Instant, Reference
from drawdown.engine.accounts import ApiKey
from drawdown.store.sqlite.connection import UNAVAILABLE
from drawdown.store.sqlite.transaction import NAMES_CACHED_MAX, SqliteTransaction


class Phase(Enum):
    """Where the writer is. Once a transaction is open, nobody else can commit until it has."""

    IDLE = auto()
    OPEN = auto()
    COMMITTING = auto()


class Memory:
    """Reads of what the writer keeps; None where it does not know."""

    def __init__(
        self,
        writer: apsw.Connection,
        reader: apsw.Connection,
        queries: dict[str, str],
        transaction: SqliteTransaction,
    ) -> None:
        self._writer = writer
        self._reader = reader
        self._query = queries["data_version"]
        self._transaction = transaction
        self._phase = Phase.IDLE
        self._seen = self._version_of(writer)
        self._before_commit: object = None
        self._is_known = False
        self._keys: dict[Id, tuple[ApiKey, bytes]] = {}

    def _version_of(self, connection: apsw.Connection) -> object:
        """Differs from before when another connection, of whatever process, has committed since."""
        return connection.execute(self._query).get

    def opened(self) -> None:
        """A transaction has begun: drop everything if another connection has written."""
        self._phase = Phase.OPEN
        version = self._version_of(self._writer)
        if version != self._seen:
            self._seen = version
            self._transaction.forget()
            self.forget_keys()

    def committing(self) -> None:
        """COMMIT is about to be handed to a thread, which has the writer until ``ended``."""
        self._before_commit = self._version_of(self._reader)
        self._phase = Phase.COMMITTING

    def ended(self) -> None:
        self._phase = Phase.IDLE
        self._is_known = False

    def is_current(self, *, again: bool = False) -> bool:
        """Whether what is kept is what is committed: in this turn of the loop; ``again``: at this moment.

        Between transactions the writer's ``data_version`` says whether another connection has written.
        While COMMIT is on its way, the reader's says whether anything was committed since it began.
        """
        if self._phase is Phase.OPEN or (self._is_known and not again):
            return True
        try:
            if self._phase is Phase.IDLE:
                is_current = self._version_of(self._writer) == self._seen
            else:
                is_current = self._version_of(self._reader) == self._before_commit
        except UNAVAILABLE:  # the statement that is needed then says why
            is_current = False
        if is_current and not self._is_known:
            asyncio.get_running_loop().call_soon(self._turned)
        self._is_known = is_current
        return is_current

    def _turned(self) -> None:
        self._is_known = False

    def keys(self) -> dict[Id, tuple[ApiKey, bytes]]:
        """API keys that were read, with the hashes of their secrets, as they are at this moment."""
        if not self.is_current(again=True):
            self.forget_keys()
        return self._keys

    def forget_keys(self) -> None:
        """A key was written."""
        self._keys = {}

    def target(self, name: Name) -> Id | None:
        """What a name stands for."""
        found = self._transaction.state.names.get(name)
        if found is None or self._transaction.is_unwritten(found) or not self.is_current():
            return None
        return found

    def customer(self, customer: Id) -> Customer | None:
        found = self._transaction.state.customers.get(customer)
        if found is None or self._transaction.is_unwritten(customer) or not self.is_current():
            return None
        return found

    def entitlement(self, entitlement: Id) -> Entitlement | None:
        found = self._transaction.state.entitlements.get(entitlement)
        if found is None or self._transaction.is_unwritten(entitlement) or not self.is_current():
            return None
        return found

    def balance(
        self, book: Id, customer: Reference, entitlement: Reference, now: Instant
    ) -> Balance | None:
        """Of a wallet in which nothing is due, and of nobody on a test clock, for whom it is not ``now``.

        Its customer is of the book that its entitlement is of.
        """
        state = self._transaction.state
        owner = state.customer_id(book, customer)
        kind = state.entitlement_id(book, entitlement)
        if owner is None or kind is None:
            return None
        wallet, known = self._wallet((owner, kind), now), state.entitlements.get(kind)
        if wallet is None or known is None or known.book != book:
            return None
        whose = state.customers.get(owner)
        if whose is None or whose.test_clock is not None:
            return None
        return wallet.balance(known.scale, max(now, wallet.last_at))

    def wallet(self, key: WalletKey, due_by: Instant) -> Wallet | None:
        """A wallet in which nothing is due: without grants, as it is then read."""
        found = self._wallet(key, due_by)
        if found is None:
            return None
        bare = copy(found)
        bare.grants, bare.holds, bare.schedules, bare.queue = {}, {}, {}, []
        bare.documents = {}
        return bare

    def _wallet(self, key: WalletKey, due_by: Instant) -> Wallet | None:
        """The writer's own wallet, if nothing in it is due and all of it is committed."""
        found = self._transaction.state.wallets.get(key)
        if found is None or found.is_due(due_by) or self._transaction.is_in_flight(key):
            return None
        return found if self.is_current() else None

    def keep_target(self, name: Name, target: Id) -> None:
        """Remember what was read: an own id or a code, which stays what it was once made."""
        names = self._transaction.state.names
        if len(names) < NAMES_CACHED_MAX:
            names[name] = target

    def keep_customer(self, customer: Customer) -> None:
        customers = self._transaction.state.customers
        if len(customers) < NAMES_CACHED_MAX:
            customers.setdefault(customer.id, customer)  # he may have been amended since

    def keep_entitlement(self, entitlement: Entitlement) -> None:
        entitlements = self._transaction.state.entitlements
        if len(entitlements) < NAMES_CACHED_MAX:
            entitlements.setdefault(entitlement.id, entitlement)  # it may have been amended since
