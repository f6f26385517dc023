"""Loading what a batch needs and writing what it did, inside one SQLite transaction.

The state is kept from batch to batch as a cache of wallets, customers and names. It is dropped whenever a
transaction fails, and whenever another connection has written to the file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from itertools import islice
from typing import TypeVar

import apsw

from drawdown.core.identity import slot_of
from drawdown.core.requests import LedgerKey
from drawdown.core.schedules.terms import Schedule
from drawdown.core.state import (
    REPAYMENTS_MAX,
    Changes,
    DebitRecord,
    Name,
    State,
    Wallet,
    WalletKey,
    Wanted,
)
from drawdown.core.types import (
    DEBITS,
    USES,
    BurnOrder,
    Customer,
    Entry,
    Grant,
    Hold,
    HoldState,
    Id,
    Instant,
)
from drawdown.store import clock_rows, document_rows, rows
from drawdown.store.sqlite import operations, top_ups, usage

#: Most debits draw one grant, the first: of a wallet's grants no more is kept in memory until one needs it.
FIRST_GRANTS = 1
MORE_GRANTS = 8
WALLETS_CACHED_MAX = 50_000
NAMES_CACHED_MAX = 200_000
CATALOGS_CACHED_MAX = 1_000

#: A ledger key of a customer: (customer, namespace, key).
Key = tuple[Id, str, str]

K = TypeVar("K")
V = TypeVar("V")


class SqliteTransaction:
    """The writer's view of the file during one batch."""

    def __init__(self, connection: apsw.Connection, queries: dict[str, str]) -> None:
        self._connection = connection
        self._queries = queries
        self.state = State()
        self._committing = Changes()
        self._missed: list[Name] = []
        #: Of this batch's names, by what they stand for.
        self._texts: dict[Id, str] = {}
        self._hashes: dict[Key, int] = {}
        self._books: dict[Id, Id] = {}
        #: The last that were given out; none while they have to be asked for.
        self._numbers: dict[str, int] = {}

    def _last_numbers(self) -> dict[str, int]:
        names = ("operation", "entry", "wallet")
        return {name: self._connection.execute(self._queries[f"last_{name}"]).get for name in names}

    def _row(self, query: str, bindings: tuple[object, ...]) -> rows.Row | None:
        return self._connection.execute(self._queries[query], bindings).fetchone()

    def _rows(self, query: str, bindings: tuple[object, ...]) -> list[rows.Row]:
        return self._connection.execute(self._queries[query], bindings).fetchall()

    def _many(self, query: str, bindings: Iterable[tuple[object, ...]]) -> None:
        self._connection.executemany(self._queries[query], bindings)

    # Loading -------------------------------------------------------------------------------------

    async def load(self, wanted: Wanted) -> bool:
        """Load everything wanted. What is not there is loaded as None. It has waited before it began."""
        state = self.state
        for name in wanted.names:
            row = self._row("find_name", name)
            state.names[name] = None if row is None else row[0]
            if row is None:
                self._missed.append(name)
            else:
                self._texts[row[0]] = name[2]
        for customer in wanted.customers:
            row = self._row("find_customer", (customer,))
            state.customers[customer] = None if row is None else self._customer_of(customer, row)
        for entitlement in wanted.entitlements:
            self._load_entitlement(entitlement)
        for clock in wanted.clocks:
            row = self._row("find_clock", (clock,))
            state.clocks[clock] = None if row is None else clock_rows.clock_of(row)
        for claim in wanted.claims:
            row = self._row("find_claim", claim)
            state.claims[claim] = None if row is None else rows.claim_of(*claim, row)
        self._load_by_ids(wanted)
        state.locked |= wanted.entitlements_locked | wanted.customers_locked | wanted.meters_locked
        self._load_keys(wanted.keys)
        for customer in wanted.customer_wallets:
            found = self._rows("customer_wallets", (customer,))
            state.customer_wallets[customer] = tuple((customer, row[0]) for row in found)
        for debit in wanted.debits:
            state.debits[debit] = self._find_debit(debit)
        usage.load(self._connection, self._queries, state, wanted)
        await usage.count_spans(self._connection, self._queries, state, wanted.spans)
        top_ups.load(self._connection, self._queries, state, wanted)
        self._load_wallets(wanted)
        return False

    def _load_by_ids(self, wanted: Wanted) -> None:
        state = self.state
        for alert in wanted.alerts:
            row = self._row("find_alert", (alert,))
            state.alerts[alert] = None if row is None else rows.alert_of(row)
        for document in wanted.documents:
            row = self._row("find_document", (document,))
            state.documents[document] = None if row is None else document_rows.document_of(row)

    def _load_wallets(self, wanted: Wanted) -> None:
        for key in wanted.wallets:
            self._load_wallet(key)
        for key, at in wanted.wallets_due.items():
            self._load_due(key, at)
        for key, since in wanted.wallets_late.items():
            self._load_late(key, since)
        for key in wanted.wallets_longer:
            self._load_longer(key)
        for key, after in wanted.repayments.items():
            found = self._rows("open_repayments", (*key, after, REPAYMENTS_MAX))
            self.state.keep_repayments(key, after, (rows.repayment_of(*key, row) for row in found))
        for grant in wanted.grants:
            self._load_grant(grant)
        for hold in wanted.holds:
            self._load_hold(hold)
        for schedule in wanted.schedules:
            self._load_schedule(schedule)

    def _customer_of(self, customer: Id, row: rows.Row) -> Customer:
        """What is kept elsewhere, too, is one object, since there may be very many: ids, and the own id."""
        book = self._books.setdefault(row[1], row[1])
        own_id = row[3] if row[3] is None else self._texts.get(customer, row[3])
        return rows.customer_of((customer, book, row[2], own_id, *row[4:]))

    def _load_entitlement(self, entitlement: Id) -> None:
        row = self._row("find_entitlement", (entitlement,))
        self.state.entitlements[entitlement] = None if row is None else rows.entitlement_of(row)

    def _burn_order(self, entitlement: Id) -> BurnOrder:
        if entitlement not in self.state.entitlements:
            self._load_entitlement(entitlement)
        found = self.state.entitlements[entitlement]
        return BurnOrder.SOONEST_EXPIRY if found is None else found.burn_order

    def _load_wallet(self, key: WalletKey) -> None:
        row = self._row("find_wallet", key)
        if row is None:
            self.state.wallets[key] = None
            return
        wallet = wallet_of(key, self._burn_order(key[1]), row)
        self.state.wallets[key] = wallet
        self._fill_queue(wallet, FIRST_GRANTS)

    def _fill_queue(self, wallet: Wallet, length: int) -> None:
        """Load the first ``length`` grants in burn-down order; fewer rows mean these are all."""
        found = self._rows("first_grants", (wallet.number, length))
        wallet.queue = [self._keep_grant(wallet, row) for row in found]
        wallet.whole = len(found) < length

    def _keep_grant(self, wallet: Wallet, row: rows.Row) -> Grant:
        """The grant of a row, in the wallet; one that is there already stays as it is."""
        known = wallet.grants.get(row[0])
        if known is not None:
            return known
        grant = rows.grant_of(wallet.customer, wallet.entitlement, row)
        wallet.grants[grant.id] = grant
        return grant

    def _load_longer(self, key: WalletKey) -> None:
        wallet = self._wallet(key)
        self._fill_queue(wallet, max(FIRST_GRANTS, len(wallet.queue)) * MORE_GRANTS)

    def _load_late(self, key: WalletKey, since: Instant) -> None:
        """Grants that have expired since: noted as asked for, so that they are not kept in memory."""
        wallet = self._wallet(key)
        for row in self._rows("late_grants", (wallet.number, since)):
            self._keep_grant(wallet, row)
            self.state.grant_wallets[row[0]] = key
        self.state.late_from[key] = since

    def _load_due(self, key: WalletKey, at: Instant) -> None:
        wallet = self._wallet(key)
        bindings = (wallet.number, at)
        for row in self._rows("due_grants", bindings) + self._rows("next_due_grant", bindings):
            self._keep_grant(wallet, row)
        for row in self._rows("due_holds", bindings) + self._rows("next_due_hold", bindings):
            self._keep_hold(wallet, row)
        for row in self._rows("live_schedules", (wallet.number,)):
            self._keep_schedule(wallet, row)
        for row in self._rows("schedule_grants", (wallet.number,)):
            self._keep_grant(wallet, row)
        for row in self._rows("standing_documents", key):
            wallet.documents.setdefault(row[0], document_rows.document_of(row))
        self.state.due_until[key] = at

    @staticmethod
    def _keep_schedule(wallet: Wallet, row: rows.Row) -> None:
        if row[0] not in wallet.schedules:
            found = rows.schedule_of(wallet.customer, wallet.entitlement, row)
            wallet.schedules[found.id] = found

    def _keep_hold(self, wallet: Wallet, row: rows.Row) -> None:
        """The hold of a row, in the wallet, with its grants; one that is there already stays as it is."""
        if row[0] in wallet.holds:
            return
        hold = rows.hold_of(wallet.customer, wallet.entitlement, row)
        wallet.holds[hold.id] = hold
        for part in hold.slices:
            self._find_grant(wallet, part.grant)

    def _find_grant(self, wallet: Wallet, grant: Id) -> None:
        if grant not in wallet.grants:
            found = self._row("find_grant", (wallet.number, grant))
            assert found is not None
            self._keep_grant(wallet, found)

    def _wallet(self, key: WalletKey) -> Wallet:
        wallet = self.state.wallets[key]
        assert wallet is not None, "more is only wanted of wallets that are there"
        return wallet

    def _load_grant(self, grant: Id) -> None:
        wallet = self._wallet_with("grant_wallet", grant, self.state.grant_wallets)
        if wallet is not None:
            self._find_grant(wallet, grant)

    def _load_hold(self, hold: Id) -> None:
        wallet = self._wallet_with("hold_wallet", hold, self.state.hold_wallets)
        if wallet is not None:
            found = self._row("find_hold", (hold,))
            assert found is not None
            self._keep_hold(wallet, found)

    def _load_schedule(self, schedule: Id) -> None:
        wallet = self._wallet_with("schedule_wallet", schedule, self.state.schedule_wallets)
        if wallet is not None:
            found = self._row("find_schedule", (wallet.number, schedule))
            assert found is not None
            self._keep_schedule(wallet, found)

    def _wallet_with(
        self, query: str, thing: Id, places: dict[Id, WalletKey | None]
    ) -> Wallet | None:
        """The wallet that a grant or hold is in, loaded; None when there is no such thing."""
        row = self._row(query, (thing,))
        places[thing] = None if row is None else (row[0], row[1])
        if row is None:
            return None
        key = (row[0], row[1])
        if key not in self.state.wallets:
            self._load_wallet(key)
        return self._wallet(key)

    def _load_keys(self, keys: Collection[Key]) -> None:
        """Look all of them up at once; nearly all are new. The hashes are kept for those that are written."""
        if not keys:
            return
        hashes = {key: operations.key_hash(key[0], LedgerKey(key[1], key[2])) for key in keys}
        self._hashes.update(hashes)
        self.state.keys.update(dict.fromkeys(keys))
        for row in self._rows("find_keys", (str(list(hashes.values())),)):
            operation = operations.operation_of(row)
            if operation.namespace is not None and operation.key is not None:
                key = (operation.customer, operation.namespace, operation.key)
                if key in hashes:  # else it has the hash of another
                    self.state.keys[key] = operation

    def _hash_of(self, customer: Id, key: LedgerKey) -> int:
        known = self._hashes.get((customer, key.namespace, key.key))
        return operations.key_hash(customer, key) if known is None else known

    def _find_debit(self, debit: Id) -> DebitRecord | None:
        row = self._row("find_operation", (debit,))
        if row is None or row[3] not in DEBITS:
            return None
        operation = operations.operation_of(row)
        first, count = row[-2:]
        draws = [
            rows.entry_of(operation.customer, entry[0], operation.id, entry[1:])
            for entry in self._rows("entries_of_operation", (first, first + count))
        ]
        return DebitRecord(
            operation=operation,
            draws=tuple(draw for draw in draws if draw.kind in USES),
            reversed=dict(self._rows("find_reversals", (debit,))),
        )

    # Writing -------------------------------------------------------------------------------------

    async def write(self) -> None:
        """Write the batch's changes in a fixed number of statements, whatever its size."""
        changes = self.state.changes
        self._numbers = self._numbers or self._last_numbers()
        customers = ((slot_of(c.id), *rows.customer_row(c)) for c in changes.customers)
        self._many("insert_customer", customers)
        self._many("insert_entitlement", map(rows.entitlement_row, changes.entitlements))
        amended = changes.amended_entitlements.values()
        self._many(
            "amend_entitlement",
            ((*rows.amended_entitlement_row(each), each.id) for each in amended),
        )
        if changes.amended_customers:
            people = changes.amended_customers.values()
            amended_rows = ((*rows.amended_customer_row(each), each.id) for each in people)
            self._many("amend_customer", amended_rows)
        if changes.released:
            self._many("release_name", changes.released)
        self._many("insert_clock", map(clock_rows.clock_row, changes.new_clocks.values()))
        moved = ((each.target, each.deleted_at, each.id) for each in changes.clocks.values())
        self._many("change_clock", moved)
        self._many("insert_claim", map(rows.claim_row, changes.claims))
        self._number_wallets(changes)
        self._write_operations(changes)
        drawn = _drawn(changes)
        self._write_grants(changes, drawn)
        self._write_holds(changes)
        self._write_schedules(changes)
        self._write_wallets(changes, drawn)
        self._write_alerts(changes)
        self._write_documents(changes)
        reversals = [
            (debit, entitlement, units)
            for debit, record in changes.debits.items()
            for entitlement, units in record.reversed.items()
        ]
        self._many("upsert_reversal", reversals)
        repaid = (
            (slot_of(r.customer), r.customer, r.entitlement, *rows.repayment_row(r))
            for r in changes.repayments.values()
        )
        self._many("upsert_repayment", repaid)
        for query, written in (*usage.written(changes), *top_ups.written(changes, self.state)):
            self._many(query, written)

    def _number_wallets(self, changes: Changes) -> None:
        for wallet in changes.new_wallets.values():
            self._numbers["wallet"] += 1
            wallet.number = self._numbers["wallet"]

    def _write_operations(self, changes: Changes) -> None:
        rows_of_operations, entries, keys = [], [], []
        for operation, posted in changes.operations:
            self._numbers["operation"] += 1
            number, first = self._numbers["operation"], self._numbers["entry"] + 1
            row = operations.operation_row(operation, number, first, len(posted))
            rows_of_operations.append(row)
            if operation.namespace is not None and operation.key is not None:
                key = LedgerKey(operation.namespace, operation.key)
                keys.append((self._hash_of(operation.customer, key), number))
            entries.extend(self._entry_rows(posted, number))
        self._many("insert_operation", rows_of_operations)
        self._many("insert_entry", entries)
        self._many("insert_key", keys)

    def _entry_rows(self, entries: list[Entry], operation: int) -> list[rows.Row]:
        """Rows of one operation's entries; each becomes the head of its wallet's history."""
        found = []
        for entry in entries:
            wallet = self._wallet((entry.customer, entry.entitlement))
            self._numbers["entry"] += 1
            number = self._numbers["entry"]
            found.append((number, wallet.number, operation, wallet.head, *rows.entry_row(entry)))
            wallet.head = number
        return found

    def _write_grants(self, changes: Changes, drawn: dict[WalletKey, Grant]) -> None:
        """Write grants but those that ``drawn`` names: their wallets say what remains of them."""
        new = changes.new_grants
        self._many("insert_grant", [self._new_grant(grant) for grant in new.values()])
        changed = {key: grant for key, grant in changes.grants.items() if key not in new}
        shown = {grant.id for grant in drawn.values()}
        apart = changed.keys() | new.keys() | shown
        others = {key: grant for key, grant in changes.drawn_grants.items() if key not in apart}
        written = changed.keys() | others.keys() | shown
        behind = {
            wallet.number: wallet
            for wallets in (changes.wallets, changes.drawn_wallets)
            for wallet in wallets.values()
            if wallet.drawn is not None and wallet.drawn not in written
        }
        self._many("write_back_grant", ((number,) for number in behind))
        self._many("update_grant", map(self._grant_row, changed.values()))
        self._many(
            "draw_grant",
            ((*rows.drawn_grant_row(g), self._wallet_of(g).number, g.id) for g in others.values()),
        )

    def _write_holds(self, changes: Changes) -> None:
        new = changes.new_holds
        self._many(
            "insert_hold",
            [(*self._new_place(hold), *rows.new_hold_row(hold)) for hold in new.values()],
        )
        changed = [hold for key, hold in changes.holds.items() if key not in new]
        self._many(
            "update_hold", ((*rows.hold_row(h), self._wallet_of(h).number, h.id) for h in changed)
        )

    def _write_schedules(self, changes: Changes) -> None:
        new = changes.new_schedules
        self._many(
            "insert_schedule",
            [(*self._new_place(made), *rows.new_schedule_row(made)) for made in new.values()],
        )
        changed = [schedule for key, schedule in changes.schedules.items() if key not in new]
        self._many(
            "update_schedule",
            ((*rows.schedule_row(s), self._wallet_of(s).number, s.id) for s in changed),
        )

    def _wallet_of(self, thing: Grant | Hold | Schedule) -> Wallet:
        return self._wallet((thing.customer, thing.entitlement))

    def _book_of(self, thing: Grant | Hold | Schedule) -> Id:
        customer = self.state.customers[thing.customer]
        assert customer is not None
        return customer.book

    def _new_place(self, thing: Grant | Hold | Schedule) -> rows.Row:
        """Where a new row lies: its wallet, its id, its customer's slot, its book."""
        wallet = self._wallet_of(thing)
        return wallet.number, thing.id, slot_of(thing.customer), self._book_of(thing)

    def _new_grant(self, grant: Grant) -> rows.Row:
        burn_order = self._wallet_of(grant).burn_order
        return (*self._new_place(grant), *rows.new_grant_row(grant, burn_order))

    def _grant_row(self, grant: Grant) -> rows.Row:
        wallet = self._wallet_of(grant)
        return (*rows.grant_row(grant, wallet.burn_order), wallet.number, grant.id)

    def _write_wallets(self, changes: Changes, drawn: dict[WalletKey, Grant]) -> None:
        new, whole = changes.new_wallets, changes.wallets
        self._many("insert_wallet", map(_new_wallet, new.values()))
        placed = (new | changes.clocked_wallets).values()
        clocks = ((self.state.clock_of(w.customer), w.number) for w in placed)
        self._many("set_clock", ((clock.id, number) for clock, number in clocks if clock))
        changed = [wallet for key, wallet in whole.items() if key not in new and wallet.number]
        self._many("update_wallet", ((*rows.wallet_row(w), w.head, w.number) for w in changed))
        for wallet in changed:
            wallet.drawn = None
        only_drawn = [
            _drawn_wallet(wallet, drawn.get(key))
            for key, wallet in changes.drawn_wallets.items()
            if key not in whole and key not in new
        ]
        self._many("draw_wallet", only_drawn)

    def _write_documents(self, changes: Changes) -> None:
        made = changes.new_documents.values()
        if made:
            self._many("insert_document", map(document_rows.document_row, made))
        changed = changes.documents.values()
        if changed:
            rows_changed = [(*document_rows.changed_row(each), each.id) for each in changed]
            self._many("change_document", rows_changed)

    def _write_alerts(self, changes: Changes) -> None:
        """Few batches have any to do with alerts."""
        if changes.new_alerts:
            made = changes.new_alerts.values()
            self._many("insert_alert", ((a.id, slot_of(a.id), *rows.alert_row(a)) for a in made))
        if changes.closed_alerts:
            closed = changes.closed_alerts.values()
            self._many("close_alert", ((alert.closed_at, alert.id) for alert in closed))
        if changes.watches:
            wallets = changes.watches.values()
            self._many("set_watch", ((rows.watch_text(w.watch), w.number) for w in wallets))

    # Between batches -----------------------------------------------------------------------------

    def forget(self) -> None:
        """Drop everything: what was loaded may not be what is stored. Asks the file for nothing."""
        self.state = State()
        self._committing = Changes()
        self._missed, self._hashes, self._texts = [], {}, {}
        self._numbers = {}

    def is_in_flight(self, key: WalletKey) -> bool:
        """Whether what is kept of the wallet is ahead of what is committed."""
        return _changes_wallet(self.state.changes, key) or _changes_wallet(self._committing, key)

    def is_unwritten(self, made: Id) -> bool:
        """Whether the customer or entitlement is not committed yet, as it is."""
        for changes in (self.state.changes, self._committing):
            if changes.customers and made in {one.id for one in changes.customers}:
                return True
            if changes.entitlements and made in {one.id for one in changes.entitlements}:
                return True
            if made in changes.amended_entitlements or made in changes.amended_customers:
                return True
        return False

    def committed(self) -> None:
        """What is kept is what is committed, from here on."""
        self._committing = Changes()

    def carry_over(self) -> None:
        """Keep wallets, customers and names for the next batch; drop what only this one needed."""
        state = self.state
        self._committing = state.changes
        self._drop_named()
        for name in self._missed:  # names that nobody has are as many as anyone cares to ask for
            if state.names[name] is None:
                del state.names[name]
        self._missed, self._hashes, self._texts = [], {}, {}
        changes = state.changes
        # Nobody may have had one before either: what is given and taken back in one batch.
        for name in changes.released:
            if state.names.get(name) is None:
                state.names.pop(name, None)
        for changed in (changes.grants, changes.new_grants):
            for grant_record in changed.values():
                _drop_closed(self._wallet_of(grant_record), (grant_record.id,))
        for hold_record in changes.holds.values():
            _drop_ended(self._wallet_of(hold_record), hold_record.id)
        self.state = State(
            customers=_bounded(state.customers, NAMES_CACHED_MAX),
            entitlements=_bounded(state.entitlements, NAMES_CACHED_MAX),
            names=_bounded(state.names, NAMES_CACHED_MAX),
            wallets=_bounded(state.wallets, WALLETS_CACHED_MAX),
            catalogs=_bounded(state.catalogs, CATALOGS_CACHED_MAX),
        )

    def _drop_named(self) -> None:
        """What was loaded because somebody named it, and is over."""
        state = self.state
        for grant, key in state.grant_wallets.items():
            wallet = None if key is None else state.wallets.get(key)
            if wallet is not None:
                _drop_closed(wallet, (grant,))
        for hold, key in state.hold_wallets.items():
            wallet = None if key is None else state.wallets.get(key)
            if wallet is not None:
                _drop_ended(wallet, hold)
        for schedule in (*state.schedule_wallets, *state.changes.schedules):
            self._drop_over(schedule)

    def _drop_over(self, schedule: Id) -> None:
        made = self.state.changes.schedules.get(schedule)
        key = self.state.schedule_wallets.get(schedule)
        if made is not None:
            key = (made.customer, made.entitlement)
        wallet = None if key is None else self.state.wallets.get(key)
        known = None if wallet is None else wallet.schedules.get(schedule)
        if wallet is not None and known is not None and not known.is_live:
            del wallet.schedules[schedule]


def wallet_of(key: WalletKey, burn_order: BurnOrder, row: rows.Row) -> Wallet:
    """The wallet of a row of ``find_wallet``: its number comes first, what only the file knows last."""
    wallet = rows.wallet_of(key, burn_order, row[1:])
    wallet.number, wallet.drawn, wallet.head = row[0], row[-2], row[-1]
    return wallet


def _changes_wallet(changes: Changes, key: WalletKey) -> bool:
    return key in changes.drawn_wallets or key in changes.wallets or key in changes.new_wallets


def _drawn(changes: Changes) -> dict[WalletKey, Grant]:
    """The grants of which only the wallet's row needs to say what remains: debits drew one of its wallet."""
    found: dict[WalletKey, Grant] = {}
    others = {(hold.customer, hold.entitlement) for hold in changes.holds.values()}
    for grant in changes.drawn_grants.values():
        key = (grant.customer, grant.entitlement)
        is_whole = grant.id in changes.grants or grant.id in changes.new_grants
        if is_whole or key in changes.wallets or key in changes.new_wallets:
            continue
        if found.setdefault(key, grant) is not grant:
            others.add(key)
    for key in others:
        found.pop(key, None)
    return found


def _drawn_wallet(wallet: Wallet, grant: Grant | None) -> rows.Row:
    wallet.drawn = None if grant is None else grant.id
    remaining = None if grant is None else grant.remaining
    return (*rows.drawn_wallet_row(wallet), wallet.head, wallet.drawn, remaining, wallet.number)


def _new_wallet(wallet: Wallet) -> rows.Row:
    key = (wallet.number, slot_of(wallet.customer), wallet.customer, wallet.entitlement)
    return (*key, wallet.created_at, *rows.wallet_row(wallet), wallet.head)


def _drop_closed(wallet: Wallet, grants: Iterable[Id]) -> None:
    for grant_id in grants:
        grant = wallet.grants.get(grant_id)
        if grant is not None and grant.remaining == 0:
            del wallet.grants[grant_id]


def _drop_ended(wallet: Wallet, hold_id: Id) -> None:
    hold = wallet.holds.get(hold_id)
    if hold is not None and hold.state is not HoldState.OPEN:
        del wallet.holds[hold_id]


def _bounded(cache: dict[K, V], length: int) -> dict[K, V]:
    """The cache; past its limit, without the quarter that has been in it longest."""
    if len(cache) > length:
        for key in list(islice(cache, len(cache) // 4)):
            del cache[key]
    return cache
