"""Loading what a batch needs and writing what it did, inside one PostgreSQL transaction.

Every statement is about the whole batch, whatever its size. A wallet is locked when it is loaded, and what
belongs to it is read after that, so that nothing of it can change before the commit.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import asyncpg

from drawdown.core import burn
from drawdown.core.identity import slot_of
from drawdown.core.requests import ClaimRecord
from drawdown.core.state import (
    REPAYMENTS_MAX,
    Changes,
    Name,
    Repayment,
    State,
    Wallet,
    WalletKey,
    Wanted,
)
from drawdown.core.types import (
    OF_TIME,
    BurnOrder,
    Grant,
    Hold,
    Id,
    Instant,
    TestClock,
)
from drawdown.engine.ports import BatchConflict
from drawdown.store import clock_rows, document_rows, rows
from drawdown.store.postgres.facts import Facts
from drawdown.store.postgres.operations import (
    find_debits,
    is_of_book,
    operation_of,
    operation_row,
    spans,
)
from drawdown.store.postgres.reads import (
    Columns,
    Row,
    claims_columns,
    grant_of,
    hold_of,
    id_columns,
    schedule_of,
    wallet_columns,
    wallet_of,
)
from drawdown.store.postgres.slots import claim_slot
from drawdown.store.postgres.top_ups import TopUpRows
from drawdown.store.postgres.usage import UsageRows

#: Every grant is a row to send and to read, at 5 microseconds, and nearly every debit is paid by the first.
FIRST_GRANTS = 1
#: How many times more are loaded each time that they are not enough.
MORE_GRANTS = 4
#: Where the columns of the customer begin in a row of ``lock_wallet``.
_OWNER = 19


class Probe(NamedTuple):
    """A row, of whose columns the first ``key_length`` are its key."""

    table: str
    row: tuple[Any, ...]
    key_length: int


class PostgresTransaction:
    """One batch's view of the database. Nothing of it outlives the transaction but ``facts``."""

    def __init__(
        self, connection: asyncpg.Connection, queries: Mapping[str, str], facts: Facts
    ) -> None:
        self._connection = connection
        self._queries = queries
        self._facts = facts
        self._lengths: dict[WalletKey, int] = {}
        self._debit_wallets: dict[Id, set[WalletKey]] = {}
        self._top_ups = TopUpRows(self._fetch, self._write)
        self._usage = UsageRows(self._fetch, self._write, connection, queries)
        self._clocks: dict[Id, TestClock] = {}
        self.state = State()

    async def _fetch(self, query: str, columns: Columns, *more: object) -> list[Row]:
        """The rows of an array statement: its columns, what else it takes, and the distinct slots."""
        if not columns[0]:
            return []
        slots = sorted(set(columns[0]))
        found: list[Row] = await self._connection.fetch(
            self._queries[query], *columns, *more, slots
        )
        return found

    async def _write(self, query: str, found: Sequence[Row]) -> None:
        """Give an array statement its rows; nothing to write needs no statement."""
        if found:
            columns = list(zip(*found, strict=True))
            slots = sorted(set(columns[0]))
            await self._connection.execute(self._queries[query], *columns, slots)

    # Loading -------------------------------------------------------------------------------------

    async def load(self, wanted: Wanted) -> bool:
        """Load everything wanted; what is not there is loaded as None. Whether rows were locked for it.

        While something is still to be found that leads to wallets, only that is loaded: what is left out
        is wanted again. So a batch knows all its wallets before it locks them, in the order of their keys,
        and two processes do not wait for each other.
        """
        await self._load_names(wanted.names)
        await self._load_claims(wanted.claims)
        await self._load_entitlements(wanted.entitlements)
        await self._lock_entitlements(wanted.entitlements_locked)
        await self._lock_customers(wanted.customers_locked)
        await self._load_clocks(wanted.clocks)
        await self._load_customer_wallets(wanted.customer_wallets)
        found_places = await self._find_places(wanted)
        found_places |= await self._top_ups.find_places(self.state, wanted)
        # With a wallet comes its customer; whose wallets are not known yet is found first.
        alone = wanted.customers - {customer for customer, _ in wanted.wallets}
        await self._load_customers(alone)
        await self._usage.find(self.state, wanted)
        leads = wanted.names or wanted.clocks or wanted.customer_wallets or wanted.catalogs
        leads = leads or wanted.attached
        locked = wanted.entitlements_locked or wanted.customers_locked or wanted.meters_locked
        if found_places or alone or leads:
            return bool(locked)
        locked_wallets = await self._lock(wanted)
        await self._load_customers(wanted.customers - self.state.customers.keys())
        await self._load_keys(wanted.keys)
        await self._load_debits(wanted.debits)
        await self._load_due(wanted.wallets_due)
        await self._load_longer(wanted.wallets_longer)
        await self._load_late(wanted.wallets_late)
        await self._load_repayments(wanted.repayments)
        await self._load_grants(wanted.grants)
        await self._load_holds(wanted.holds)
        await self._load_schedules(wanted.schedules)
        await self._load_alerts(wanted.alerts)
        await self._load_documents(wanted.documents)
        await self._top_ups.load(self.state, wanted)
        await self._usage.lock(self.state, wanted)
        await self._usage.count_spans(self.state, wanted.spans)
        return bool(locked or locked_wallets or wanted.documents or wanted.counts)

    async def _load_names(self, names: Collection[Name]) -> None:
        for name in names:
            self.state.names[name] = self._facts.name(name)
        unknown = [name for name in names if self.state.names[name] is None]
        for book, space, text, target in await self._fetch("find_name", claims_columns(unknown)):
            self.state.names[(book, space, text)] = target
            self._facts.note_name((book, space, text), target)

    async def _load_claims(self, claims: Collection[Name]) -> None:
        for claim in claims:
            self.state.claims[claim] = None
        for row in await self._fetch("find_claim", claims_columns(claims)):
            book, space, key = row[:3]
            self.state.claims[(book, space, key)] = rows.claim_of(book, space, key, tuple(row[3:]))

    async def _load_customers(self, customers: Collection[Id]) -> None:
        for customer in customers:
            self.state.customers[customer] = None
        for row in await self._fetch("find_customer", id_columns(customers)):
            self.state.customers[row[0]] = rows.customer_of(tuple(row))

    async def _load_entitlements(self, entitlements: Collection[Id]) -> None:
        for entitlement in entitlements:
            self.state.entitlements[entitlement] = self._facts.entitlement(entitlement)
        unknown = [each for each in entitlements if self.state.entitlements[each] is None]
        if not unknown:
            return
        for row in await self._connection.fetch(self._queries["find_entitlement"], unknown):
            found = rows.entitlement_of(tuple(row))
            self.state.entitlements[found.id] = found
            self._facts.note_entitlement(found)

    async def _lock_entitlements(self, entitlements: Collection[Id]) -> None:
        """As they are, and not as they were a moment ago: they are about to be changed."""
        if not entitlements:
            return
        self.state.locked |= set(entitlements)
        self.state.entitlements |= dict.fromkeys(entitlements)
        asked = list(entitlements)
        for row in await self._connection.fetch(self._queries["lock_entitlement"], asked):
            self.state.entitlements[row[0]] = rows.entitlement_of(tuple(row))

    async def _lock_customers(self, customers: Collection[Id]) -> None:
        """As they are, to be changed."""
        self.state.locked |= set(customers)
        for row in await self._fetch("lock_customer", id_columns(customers)):
            self.state.customers[row[0]] = rows.customer_of(tuple(row))

    async def _load_clocks(self, clocks: Collection[Id]) -> None:
        if not clocks:
            return
        self.state.clocks |= dict.fromkeys(clocks)
        for row in await self._connection.fetch(self._queries["find_clock"], list(clocks)):
            self.state.clocks[row[0]] = self._clocks[row[0]] = clock_rows.clock_of(tuple(row))

    async def _load_customer_wallets(self, customers: Collection[Id]) -> None:
        found: dict[Id, list[WalletKey]] = {customer: [] for customer in customers}
        for customer, entitlement in await self._fetch("customer_wallets", id_columns(customers)):
            found[customer].append((customer, entitlement))
        for customer, keys in found.items():
            self.state.customer_wallets[customer] = tuple(keys)

    async def _lock(self, wanted: Wanted) -> bool:
        """Lock every wallet that is wanted, by itself or for something in it, in the order of their keys.

        Whether there was any that was not locked yet.
        """
        keys = set(wanted.wallets)
        keys |= {key for grant in wanted.grants if (key := self.state.grant_wallets[grant])}
        keys |= {key for hold in wanted.holds if (key := self.state.hold_wallets[hold])}
        keys |= {key for each in wanted.schedules if (key := self.state.schedule_wallets[each])}
        for debit in wanted.debits:
            keys |= self._debit_wallets[debit]
        keys |= self._top_ups.wallets(self.state, wanted)
        keys -= self.state.wallets.keys()
        if keys:
            await self._load_wallets(keys)
        return bool(keys)

    async def _find_places(self, wanted: Wanted) -> bool:
        """Find which wallets things are in that are named by their ids; whether any was to be found."""
        grants = wanted.grants - self.state.grant_wallets.keys()
        holds = wanted.holds - self.state.hold_wallets.keys()
        schedules = wanted.schedules - self.state.schedule_wallets.keys()
        debits = wanted.debits - self._debit_wallets.keys()
        await self._places("grant_wallet", grants, self.state.grant_wallets)
        await self._places("hold_wallet", holds, self.state.hold_wallets)
        await self._places("schedule_wallet", schedules, self.state.schedule_wallets)
        self._debit_wallets |= {debit: set() for debit in debits}
        for row in await self._fetch("debit_wallets", id_columns(debits)):
            self._debit_wallets[row[0]] = {(row[1], kind) for kind in spans(row[3])}
        return bool(grants or holds or schedules or debits)

    async def _places(
        self, query: str, things: Collection[Id], places: dict[Id, WalletKey | None]
    ) -> None:
        places |= dict.fromkeys(things)
        for thing, customer, entitlement in await self._fetch(query, id_columns(things)):
            places[thing] = (customer, entitlement)

    async def _load_wallets(self, keys: Collection[WalletKey]) -> None:
        kinds = {kind for _, kind in keys} - self.state.entitlements.keys()
        if kinds:
            await self._load_entitlements(kinds)
        for key in keys:
            self.state.wallets[key] = None
        locked = []
        for row in await self._fetch("lock_wallet", wallet_columns(sorted(keys))):
            key = (row[0], row[1])
            self.state.wallets[key] = wallet_of(row, self._burn_order(key[1]))
            if key[0] not in self.state.customers:
                self.state.customers[key[0]] = rows.customer_of((key[0], *row[_OWNER:]))
            locked.append(key)
        if locked:
            await self._fill_queues(locked, FIRST_GRANTS)

    def _burn_order(self, entitlement: Id) -> BurnOrder:
        found = self.state.entitlements[entitlement]
        return BurnOrder.SOONEST_EXPIRY if found is None else found.burn_order

    async def _fill_queues(self, keys: Collection[WalletKey], length: int) -> None:
        """Load the first ``length`` grants in burn-down order; fewer rows mean these are all."""
        queues: dict[WalletKey, list[Grant]] = {key: [] for key in keys}
        for row in await self._fetch("first_grants", wallet_columns(keys), length):
            key = (row[0], row[1])
            queues[key].append(self._keep_grant(row))
        for key, queue in queues.items():
            wallet = self._wallet(key)
            queue.sort(key=lambda grant: burn.order_of(grant, wallet.burn_order))
            wallet.queue, wallet.whole = queue, len(queue) < length
            self._lengths[key] = length

    async def _load_longer(self, keys: Collection[WalletKey]) -> None:
        by_length: dict[int, list[WalletKey]] = {}
        for key in keys:
            by_length.setdefault(self._lengths[key] * MORE_GRANTS, []).append(key)
        for length, wallets in by_length.items():
            await self._fill_queues(wallets, length)

    def _keep_grant(self, row: Row) -> Grant:
        """The grant of a row, in its wallet; one that is there already stays as it is."""
        wallet = self._wallet((row[0], row[1]))
        known = wallet.grants.get(row[2])
        if known is not None:
            return known
        grant = grant_of(row)
        wallet.grants[grant.id] = grant
        return grant

    def _keep_hold(self, row: Row) -> Hold:
        wallet = self._wallet((row[0], row[1]))
        known = wallet.holds.get(row[2])
        if known is not None:
            return known
        hold = hold_of(row)
        wallet.holds[hold.id] = hold
        return hold

    def _wallet(self, key: WalletKey) -> Wallet:
        wallet = self.state.wallets[key]
        assert wallet is not None, "more is only wanted of wallets that are there"
        return wallet

    async def _load_grants(self, grants: Iterable[Id]) -> None:
        missing = []
        for grant in grants:
            key = self.state.grant_wallets[grant]
            if key is not None and grant not in self._wallet(key).grants:
                missing.append(grant)
        if missing:
            for row in await self._fetch("find_grant", id_columns(missing)):
                self._keep_grant(row)

    async def _load_holds(self, holds: Collection[Id]) -> None:
        found = [self._keep_hold(row) for row in await self._fetch("find_hold", id_columns(holds))]
        await self._load_slices(found)

    async def _load_slices(self, holds: Iterable[Hold]) -> None:
        """The grants that holds name."""
        for hold in holds:
            for part in hold.slices:
                self.state.grant_wallets.setdefault(part.grant, (hold.customer, hold.entitlement))
        await self._load_grants([part.grant for hold in holds for part in hold.slices])

    async def _load_late(self, late: Mapping[WalletKey, Instant]) -> None:
        """Grants that have expired since."""
        for row in await self._fetch("late_grants", [*wallet_columns(late), tuple(late.values())]):
            self._keep_grant(row)
        self.state.late_from |= late

    async def _load_repayments(self, after: Mapping[WalletKey, int]) -> None:
        columns = [*wallet_columns(after), tuple(after.values())]
        found: dict[WalletKey, list[Repayment]] = {key: [] for key in after}
        for row in await self._fetch("open_repayments", columns, REPAYMENTS_MAX):
            found[(row[0], row[1])].append(rows.repayment_of(row[0], row[1], tuple(row[2:])))
        for key, repayments in found.items():
            self.state.keep_repayments(key, after[key], repayments)

    async def _load_due(self, due: Mapping[WalletKey, Instant]) -> None:
        columns = [*wallet_columns(due), tuple(due.values())]
        for query in ("due_grants", "next_due_grant"):
            for row in await self._fetch(query, columns):
                self._keep_grant(row)
        holds = [
            self._keep_hold(row)
            for query in ("due_holds", "next_due_hold")
            for row in await self._fetch(query, columns)
        ]
        await self._load_slices(holds)
        for row in await self._fetch("live_schedules", columns[:3]):
            self._keep_schedule(row)
        for row in await self._fetch("schedule_grants", columns[:3]):
            self._keep_grant(row)
        for row in await self._fetch("standing_documents", columns[:3]):
            found = document_rows.document_of(tuple(row))
            assert found.entitlement is not None
            known = self._wallet((found.owner, found.entitlement)).documents
            known.setdefault(found.id, found)
        self.state.due_until |= due

    def _keep_schedule(self, row: Row) -> None:
        known = self._wallet((row[0], row[1])).schedules
        if row[2] not in known:
            known[row[2]] = schedule_of(row)

    async def _load_schedules(self, schedules: Collection[Id]) -> None:
        for row in await self._fetch("find_schedule", id_columns(schedules)):
            self._keep_schedule(row)

    async def _load_documents(self, documents: Collection[Id]) -> None:
        self.state.documents |= dict.fromkeys(documents)
        for row in await self._fetch("lock_document", id_columns(documents)):
            self.state.documents[row[0]] = document_rows.document_of(tuple(row))

    async def _load_alerts(self, alerts: Collection[Id]) -> None:
        self.state.alerts |= dict.fromkeys(alerts)
        for row in await self._fetch("find_alert", id_columns(alerts)):
            self.state.alerts[row[0]] = rows.alert_of(tuple(row))

    async def _load_keys(self, keys: Collection[tuple[Id, str, str]]) -> None:
        columns = [
            tuple(slot_of(customer) for customer, _, _ in keys),
            tuple(customer for customer, _, _ in keys),
            tuple(namespace for _, namespace, _ in keys),
            tuple(key.encode() for _, _, key in keys),
        ]
        for wanted in keys:
            self.state.keys[wanted] = None
        for row in await self._fetch("find_keys", columns):
            operation = operation_of(tuple(row))
            assert operation.namespace is not None
            assert operation.key is not None
            self.state.keys[(operation.customer, operation.namespace, operation.key)] = operation

    async def _load_debits(self, debits: Collection[Id]) -> None:
        for debit in debits:
            self.state.debits[debit] = None
        if not debits:
            return
        for record in await find_debits(self._connection, self._queries, debits):
            self.state.debits[record.operation.id] = record

    # Writing -------------------------------------------------------------------------------------

    async def write(self) -> None:
        """Write the batch's changes in a fixed number of statements, whatever its size."""
        changes = self.state.changes
        await self._write(
            "insert_customer",
            [(slot_of(c.id), *rows.customer_row(c)) for c in changes.customers],
        )
        for entitlement in changes.entitlements:
            await self._connection.execute(
                self._queries["insert_entitlement"], *rows.entitlement_row(entitlement)
            )
        for entitlement in changes.amended_entitlements.values():
            await self._connection.execute(
                self._queries["amend_entitlement"],
                *rows.amended_entitlement_row(entitlement),
                entitlement.id,
            )
        people = changes.amended_customers.values()
        await self._write(
            "amend_customer", [(slot_of(c.id), c.id, *rows.amended_customer_row(c)) for c in people]
        )
        await self._write_clocks(changes)
        # In one order, as the wallets: processes that insert the same rows wait, and not for each other.
        released = [(claim_slot(*name), *name) for name in changes.released]
        await self._write("release_name", sorted(released))
        await self._write("insert_claim", sorted(map(_claim_row, changes.claims), key=_by_key))
        await self._write_wallets(changes)
        await self._write_grants(changes)
        await self._write_holds(changes)
        await self._write_schedules(changes)
        await self._write_alerts(changes)
        await self._write_documents(changes)
        await self._write_operations(changes)

    def probe(self) -> Probe | None:
        """One row that tells whether the batch was stored; None when it changed nothing.

        Its id is this batch's own: what time does, another process may have recorded under the same id as
        soon as this one's locks were gone. A batch of that alone, of claims alone, which are refusals kept,
        or of test clocks, is taken for one that was not stored: it is tried again, and finds it or makes it.
        """
        changes = self.state.changes
        own = next((each for each in changes.operations if each[0].kind not in OF_TIME), None)
        if own is not None:
            return Probe("operation", operation_row(*own), 2)
        if changes.customers:
            customer = changes.customers[0]
            return Probe("customer", (slot_of(customer.id), *rows.customer_row(customer)), 2)
        if changes.entitlements:
            return Probe("entitlement", rows.entitlement_row(changes.entitlements[0]), 1)
        if changes.operations or changes.claims or changes.clocks or changes.new_clocks:
            raise BatchConflict(
                "The connection broke while it committed; the batch may be repeated."
            )
        return None

    async def _write_clocks(self, changes: Changes) -> None:
        """Raises ``BatchConflict`` where somebody else was first to change one."""
        for clock in changes.new_clocks.values():
            row = clock_rows.clock_row(clock)
            await self._connection.execute(self._queries["insert_clock"], *row)
        for clock in changes.clocks.values():
            read = self._clocks[clock.id]
            said: str = await self._connection.execute(
                self._queries["change_clock"],
                clock.target,
                clock.deleted_at,
                clock.id,
                read.frozen_at,
                read.target,
            )
            if said.endswith(" 0"):
                raise BatchConflict("The test clock was moved meanwhile.")

    async def _write_wallets(self, changes: Changes) -> None:
        new, whole = changes.new_wallets, changes.wallets
        await self._write(
            "insert_wallet",
            [
                (*_place(key), self._book_of(key[0]), wallet.created_at, *rows.wallet_row(wallet))
                for key, wallet in sorted(new.items(), key=itemgetter(0))
            ],
        )
        clocks = [
            (*_place(key), clock.id)
            for key in sorted(new.keys() | changes.clocked_wallets.keys())
            if (clock := self.state.clock_of(key[0]))
        ]
        await self._write("set_clock", clocks)
        changed = [
            (*_place(key), *rows.wallet_row(wallet))
            for key, wallet in whole.items()
            if key not in new and self.state.wallets[key] is not None
        ]
        await self._write("update_wallet", changed)
        drawn = [
            (*_place(key), *rows.drawn_wallet_row(wallet))
            for key, wallet in changes.drawn_wallets.items()
            if key not in whole and key not in new
        ]
        await self._write("draw_wallet", drawn)

    def _book_of(self, customer: Id) -> Id:
        found = self.state.customers[customer]
        assert found is not None
        return found.book

    async def _write_grants(self, changes: Changes) -> None:
        new = changes.new_grants
        await self._write(
            "insert_grant",
            [
                (
                    *_place((g.customer, g.entitlement)),
                    g.id,
                    self._book_of(g.customer),
                    *rows.new_grant_row(g, self._wallet_of(g).burn_order),
                )
                for g in new.values()
            ],
        )
        changed = [
            (slot_of(g.id), g.id, *rows.grant_row(g, self._wallet_of(g).burn_order))
            for key, g in changes.grants.items()
            if key not in new
        ]
        await self._write("update_grant", changed)
        drawn = [
            (slot_of(g.id), g.id, *rows.drawn_grant_row(g))
            for key, g in changes.drawn_grants.items()
            if key not in new and key not in changes.grants
        ]
        await self._write("draw_grant", drawn)

    async def _write_schedules(self, changes: Changes) -> None:
        new = changes.new_schedules
        made = [
            (
                *_place((s.customer, s.entitlement)),
                s.id,
                self._book_of(s.customer),
                *rows.new_schedule_row(s),
            )
            for s in new.values()
        ]
        await self._write("insert_schedule", made)
        changed = [
            (slot_of(s.id), s.id, *rows.schedule_row(s))
            for key, s in changes.schedules.items()
            if key not in new
        ]
        await self._write("update_schedule", changed)

    async def _write_documents(self, changes: Changes) -> None:
        made = [document_rows.document_row(each) for each in changes.new_documents.values()]
        await self._write("insert_document", made)
        changed = [
            (slot_of(each.owner), each.id, *document_rows.changed_row(each))
            for each in changes.documents.values()
        ]
        await self._write("change_document", changed)

    async def _write_alerts(self, changes: Changes) -> None:
        made = [(slot_of(a.id), a.id, *rows.alert_row(a)) for a in changes.new_alerts.values()]
        await self._write("insert_alert", made)
        closed = [(slot_of(a.id), a.id, a.closed_at) for a in changes.closed_alerts.values()]
        await self._write("close_alert", closed)
        watches = [(*_place(key), rows.watch_text(w.watch)) for key, w in changes.watches.items()]
        await self._write("set_watch", watches)

    def _wallet_of(self, thing: Grant | Hold) -> Wallet:
        return self._wallet((thing.customer, thing.entitlement))

    async def _write_holds(self, changes: Changes) -> None:
        new = changes.new_holds
        await self._write(
            "insert_hold",
            [
                (
                    *_place((h.customer, h.entitlement)),
                    h.id,
                    self._book_of(h.customer),
                    *rows.new_hold_row(h),
                )
                for h in new.values()
            ],
        )
        changed = [
            (slot_of(h.id), h.id, *rows.hold_row(h))
            for key, h in changes.holds.items()
            if key not in new
        ]
        await self._write("update_hold", changed)

    async def _write_operations(self, changes: Changes) -> None:
        made = [each for each in changes.operations if is_of_book(each[0])]
        await self._write("insert_book_operation", [operation_row(*each) for each in made])
        of_customers = [each for each in changes.operations if not is_of_book(each[0])]
        await self._write("insert_operation", [operation_row(*each) for each in of_customers])
        await self._write(
            "insert_entry",
            [
                (*_place((e.customer, e.entitlement)), e.operation, *rows.entry_row(e))
                for _, entries in changes.operations
                for e in entries
            ],
        )
        reversals = [
            (slot_of(debit), debit, entitlement, units)
            for debit, record in changes.debits.items()
            for entitlement, units in record.reversed.items()
        ]
        await self._write("upsert_reversal", reversals)
        repaid = [
            (*_place(key[:2]), *rows.repayment_row(each))
            for key, each in changes.repayments.items()
        ]
        await self._write("upsert_repayment", repaid)
        await self._top_ups.write(changes, self.state)
        await self._usage.write(changes)


def _place(key: WalletKey) -> tuple[int, Id, Id]:
    return slot_of(key[0]), *key


def _by_key(row: Row) -> tuple[Any, ...]:
    return tuple(row[:4])


def _claim_row(claim: ClaimRecord) -> Row:
    return (claim_slot(claim.book, claim.space, claim.key), *rows.claim_row(claim))
