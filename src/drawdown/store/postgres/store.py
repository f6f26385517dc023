"""The ledger in PostgreSQL. No state outlives a transaction: other processes write to the same tables."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg

from drawdown.core.state import Wallet
from drawdown.core.types import Balance, Customer, Entitlement, Id, Instant, Reference
from drawdown.engine.accounts import Account, AccountExists, ApiKey
from drawdown.engine.ports import Audit, BatchConflict, Placement, StoreUnavailable
from drawdown.store import rows
from drawdown.store.postgres import connection as opening
from drawdown.store.postgres import pooler
from drawdown.store.postgres.audit import PostgresAudit
from drawdown.store.postgres.clocks import PostgresClocks
from drawdown.store.postgres.connection import CONNECT_SECONDS
from drawdown.store.postgres.distribution import has_citus
from drawdown.store.postgres.durability import weaknesses
from drawdown.store.postgres.endpoints import Step
from drawdown.store.postgres.facts import Facts
from drawdown.store.postgres.faults import (
    ELSEWHERE,
    FAILURES,
    RETRIED,
    before_the_commit,
    check_confirmed,
    code_of,
    told,
    translated,
    warnings_of,
)
from drawdown.store.postgres.gathering import Gatherer
from drawdown.store.postgres.inspection import inspection_queries, read_settings
from drawdown.store.postgres.limits import shortage
from drawdown.store.postgres.reads import PostgresReads, wallet_of
from drawdown.store.postgres.slots import lease_slot
from drawdown.store.postgres.statements import on_one_server
from drawdown.store.postgres.transaction import PostgresTransaction, Probe
from drawdown.store.queries import load_queries

#: One always stays for those who write, and one for short reads.
CONNECTIONS_MAX = 8
#: How often, and after which first pause, a commit without an answer is looked for.
PROBES_MAX = 7
PROBE_SECONDS = 0.05
#: A revoked key may open a book for so long still, on a process that has just seen it.
KEY_SECONDS = 1.0
KEYS_KEPT = 10_000
CLOSE_SECONDS = 10.0
#: Who asks whether a server is ready soon gives up.
READY_SECONDS = 3.0
#: The lease that is taken to see whether anything can be written, and who has it.
TRIED, NOBODY = "ready", Id(bytes(16))

#: With a number from its first moment, by which the feed sees it before it has written (``oldest_writer``).
_BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SELECT pg_current_xact_id()"
_COMMITTED = "COMMIT"
#: Every request reads the keys.
_READY = "SELECT pg_is_in_recovery(), EXISTS (SELECT 1 FROM api_key)"


class PostgresStore(PostgresClocks):
    """The store of any number of processes on one database."""

    placement: Placement | None = None
    worth_waiting = 0.25

    def __init__(self, pool: Any, connections: int = CONNECTIONS_MAX) -> None:
        super().__init__(self, load_queries("drawdown.store.postgres"))
        self._pool = pool
        self._connections = connections
        self._snapshots = asyncio.Semaphore(max(1, connections - 2))
        self._facts = Facts()
        self._keys: dict[Id, tuple[float, tuple[ApiKey, bytes] | None]] = {}
        self._names = Gatherer(self.read_names)
        self._customers = Gatherer(self.read_customers)
        self._entitlements = Gatherer(self.read_entitlements)
        self._wallets = Gatherer(self.read_wallets)
        self._api_keys = Gatherer(self._read_keys)
        self.migrations_run = 0

    @classmethod
    async def open(cls, url: str, connections: int = CONNECTIONS_MAX) -> PostgresStore:
        """Connect, and bring the schema up to date. Raises ``StoreUnavailable`` and ``StoreUnusable``."""
        pool = await opening.open_pool(url, connections)
        store = cls(pool, connections)
        try:
            async with opening.lent(pool) as connection:
                if await pooler.is_between(connection):
                    await pooler.check(url)
                store.migrations_run = await opening.migrate(connection)
                if not await has_citus(connection):
                    store._queries = on_one_server(store._queries)
        except BaseException as error:
            pool.terminate()
            if isinstance(error, FAILURES):
                raise opening.unreachable(error) from error
            raise
        return store

    # Reads ---------------------------------------------------------------------------------------

    async def fetch(self, query: str, *args: object, seconds: float | None = None) -> list[Any]:
        """The rows of one statement; it is tried anew, once, when its connection had been cut."""
        with translated():
            try:
                return await self._fetch_once(query, *args, seconds=seconds)
            except FAILURES as error:
                if isinstance(error, TimeoutError) or not code_of(error).startswith(("08", "57P")):
                    raise
            return await self._fetch_once(query, *args, seconds=seconds)

    async def _fetch_once(
        self, query: str, *args: object, seconds: float | None = None
    ) -> list[Any]:
        """``seconds``: how long to wait for the answer, when that is to be less than usual."""
        async with opening.lent(self._pool, seconds or CONNECT_SECONDS) as connection:
            try:
                found: list[Any] = await connection.fetch(query, *args, timeout=seconds)
            except TimeoutError as error:
                await self._throw_away(connection, error)
                raise
        return found

    def known_balance(
        self, book: Id, customer: Reference, entitlement: Reference, now: Instant
    ) -> Balance | None:
        """None: other processes write to the same wallets."""
        return None

    async def find_name(self, book: Id, space: str, text: str) -> Id | None:
        name = (book, space, text)
        found = self._facts.name(name)
        if found is None:
            found = await self._names.find(name)
            if found is not None:
                self._facts.note_name(name, found)
        return found

    async def find_customer(self, customer: Id) -> Customer | None:
        return await self._customers.find(customer)

    async def find_entitlement(self, entitlement: Id) -> Entitlement | None:
        found = self._facts.entitlement(entitlement)
        if found is None:
            found = await self._entitlements.find(entitlement)
            if found is not None:
                self._facts.note_entitlement(found)
        return found

    async def find_wallet(self, customer: Id, entitlement: Id, due_by: Instant) -> Wallet | None:
        """What time makes due is read in the same moment as the wallet it is due in."""
        row = await self._wallets.find((customer, entitlement))
        if row is None:
            return None
        wallet = wallet_of(row)
        if wallet.next_due_at is None or wallet.next_due_at > due_by:
            return wallet
        async with self.moment(customer) as moment:
            return await moment.find_wallet(customer, entitlement, due_by)

    @asynccontextmanager
    async def moment(self, of: Id) -> AsyncIterator[PostgresReads]:
        """Reads of one snapshot."""
        async with self._snapshot() as connection:
            yield PostgresReads(connection, self._queries)

    @asynccontextmanager
    async def audit(self) -> AsyncIterator[Audit]:
        async with self._snapshot() as connection:
            audit = PostgresAudit(connection, self._queries)
            await audit.begin()
            yield audit

    @asynccontextmanager
    async def _snapshot(self) -> AsyncIterator[Any]:
        with translated():
            async with (
                self._snapshots,
                opening.lent(self._pool) as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                yield connection

    # Writes --------------------------------------------------------------------------------------

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[PostgresTransaction]:
        """Raises ``BatchConflict`` when nothing was stored and trying again may do."""
        with translated():
            connection = await self._pool.acquire(timeout=CONNECT_SECONDS)
        current = PostgresTransaction(connection, self._queries, self._facts)
        try:
            with before_the_commit():
                await connection.execute(_BEGIN)
                yield current
            committed = await self._commit(connection)
        except BaseException as error:
            cause = error.__cause__
            if isinstance(cause, TimeoutError) or (cause and code_of(cause) in ELSEWHERE):
                await self._throw_away(connection, cause)
            await self._undo(connection)
            raise
        finally:
            await opening.give_back(self._pool, connection)
        if not committed and not await self._was_stored(current):
            raise BatchConflict("The connection broke while it committed; nothing was stored.")
        for entitlement in current.state.changes.amended_entitlements.values():
            self._facts.note_entitlement(entitlement)

    async def _commit(self, connection: Any) -> bool:
        """Whether the commit was confirmed. Where it was not, nobody knows yet what became of it."""
        try:
            with warnings_of(connection) as warnings:
                said = await _to_its_end(connection.execute("COMMIT"))
        except Exception as error:  # whatever it was, only these say that nothing was stored
            if code_of(error) in RETRIED:
                raise told(error) from error
            await self._throw_away(connection, error)
            return False
        assert said == _COMMITTED, "a failed transaction is never committed"
        check_confirmed(warnings)
        return True

    async def _was_stored(self, current: PostgresTransaction) -> bool:
        """Look for what a commit without an answer would have stored. Raises ``StoreUnavailable``.

        A batch is stored whole or not at all, so one row of it tells.
        """
        probe = current.probe()
        for attempt in range(PROBES_MAX):
            try:
                return probe is None or await self._is_there(probe)
            except TimeoutError:  # who asks has waited long enough
                break
            except FAILURES:
                await asyncio.sleep(PROBE_SECONDS * 2**attempt)
        raise StoreUnavailable(
            "The database went away during a commit; ask again with the same key."
        )

    async def _is_there(self, probe: Probe) -> bool:
        """Insert a row once more, which waits until the first one is either stored or gone.

        What comes of it is undone. A row that is there is locked in a transaction that commits: so this
        one waits, as the lost one would have, until standbys have what came before it.
        """
        table, row, key_length = probe
        async with opening.lent(self._pool) as connection:
            transaction = connection.transaction()
            await transaction.start()
            try:
                if await connection.fetch(self._queries[f"probe_{table}"], *row):
                    await transaction.rollback()
                    return False
                await connection.fetch(self._queries[f"confirm_{table}"], *row[:key_length])
            except BaseException:
                await transaction.rollback()
                raise
            with warnings_of(connection) as warnings:
                await transaction.commit()
        check_confirmed(warnings)
        return True

    @staticmethod
    async def _undo(connection: Any) -> None:
        """Whatever is left of a transaction is undone; a connection that cannot is thrown away."""
        try:
            await connection.execute("ROLLBACK")
        except FAILURES:
            _cut(connection)

    async def _throw_away(self, connection: Any, error: BaseException) -> None:
        """Where one did not answer in time, the others lead to the same server: they are made anew."""
        _cut(connection)
        if isinstance(error, TimeoutError):
            await self._pool.expire_connections()

    async def prune_claims(self, before: Instant, limit: int) -> int:
        old = await self._fetch("prunable_claims", before, limit)
        if not old:
            return 0
        columns = list(zip(*old, strict=True))
        return await self._change("prune_claims", *columns, sorted(set(columns[0])))

    async def lease(self, name: str, holder: Id, now: Instant, until: Instant) -> bool:
        return await self._change("take_lease", lease_slot(name), name, holder, now, until) > 0

    async def _steps(self, *steps: Step, guarded: bool = False) -> list[int]:
        changed: list[int] = []
        with translated():
            async with opening.lent(self._pool) as connection:
                transaction = connection.transaction()
                await transaction.start()
                try:
                    for query, bindings in steps:
                        said = "0"
                        for row in bindings:
                            said = await connection.execute(self._queries[query], *row)
                        changed.append(int(said.rpartition(" ")[2]))
                        if guarded and not changed[0]:
                            break
                except BaseException:
                    await transaction.rollback()
                    raise
                await transaction.commit()
        return changed

    async def _change(self, query: str, *bindings: object) -> int:
        """Run one statement; returns the rows it changed."""
        with translated():
            async with opening.lent(self._pool) as connection:
                said: str = await connection.execute(self._queries[query], *bindings)
        return int(said.rpartition(" ")[2])

    # Accounts and keys ---------------------------------------------------------------------------

    async def create_account(self, account: Account, books: Sequence[tuple[Id, str]]) -> None:
        row = (account.id, account.name, account.zone, account.created_at)
        with translated():
            async with (
                opening.lent(self._pool) as connection,
                connection.transaction(),
            ):
                try:
                    await connection.execute(self._queries["insert_account"], *row)
                except asyncpg.UniqueViolationError:
                    raise AccountExists(f"There is an account {account.name!r} already.") from None
                for book, mode in books:
                    await connection.execute(self._queries["insert_book"], book, account.id, mode)

    async def list_accounts(self) -> list[Account]:
        found = await self._fetch("list_accounts")
        return [Account(id=row[0], name=row[1], zone=row[2], created_at=row[3]) for row in found]

    async def set_zone(self, account: Id, zone: str) -> None:
        await self._change("set_zone", zone, account)

    async def find_zone(self, account: Id) -> str:
        return str((await self._fetch("find_zone", account))[0][0])

    async def find_book(self, account: Id, mode: str) -> Id | None:
        found = await self._fetch("find_book", account, mode)
        return found[0][0] if found else None

    async def account_of(self, book: Id) -> Id:
        return Id((await self._fetch("account_of_book", book))[0][0])

    async def create_key(self, key: ApiKey, digest: bytes) -> None:
        row = (key.id, key.book, key.role.value, key.name, digest, key.created_at)
        await self._change("insert_api_key", *row)

    async def list_keys(self) -> list[ApiKey]:
        return [rows.api_key_of(tuple(row)) for row in await self._fetch("list_api_keys")]

    async def _read_keys(self, keys: Sequence[Id]) -> dict[Id, tuple[ApiKey, bytes]]:
        found = await self._fetch("find_api_key", keys)
        return {row[0]: (rows.api_key_of(tuple(row)), row[-1]) for row in found}

    async def find_key(self, key: Id) -> tuple[ApiKey, bytes] | None:
        """Every request asks for its key: what was found is taken for true for a second."""
        now = time.monotonic()
        known = self._keys.get(key)
        if known is not None and now < known[0]:
            return known[1]
        if len(self._keys) > KEYS_KEPT:
            self._keys.clear()
        found = await self._api_keys.find(key)
        self._keys[key] = (now + KEY_SECONDS, found)
        return found

    async def revoke_key(self, key: Id, at: Instant) -> bool:
        self._keys.pop(key, None)
        return await self._change("revoke_api_key", at, key) > 0

    async def touch_keys(self, used: Collection[tuple[Id, Instant]]) -> None:
        for key, at in used:
            await self._change("touch_api_key", at, key, at)

    # The database itself -------------------------------------------------------------------------

    async def weaknesses(self) -> list[str]:
        with translated():
            async with opening.lent(self._pool) as connection:
                short = await shortage(connection, self._connections)
        return [*weaknesses(await read_settings(self, inspection_queries())), *short]

    async def ready(self) -> None:
        """Raises ``StoreUnavailable`` when the database does not answer soon, or only reads."""
        [(only_reads, _)] = await self.fetch(_READY, seconds=READY_SECONDS)
        if only_reads:
            raise StoreUnavailable("The database only reads: it is a standby.")

    async def try_write(self) -> None:
        """A lease that nobody wants, given back at once. Waits for standbys as every commit does."""
        row = (lease_slot(TRIED), TRIED, NOBODY, Instant(0), Instant(0))
        with translated():
            async with opening.lent(self._pool, READY_SECONDS) as connection:
                try:
                    with warnings_of(connection) as warnings:
                        await connection.execute(
                            self._queries["take_lease"], *row, timeout=READY_SECONDS
                        )
                except TimeoutError as error:
                    await self._throw_away(connection, error)
                    raise
        check_confirmed(warnings)

    async def close(self) -> None:
        await self._close_gatherers()
        try:
            await asyncio.wait_for(self._pool.close(), CLOSE_SECONDS)
        except FAILURES:
            self._pool.terminate()

    async def _close_gatherers(self) -> None:
        """Wait for what is under way."""
        gatherers = (self._names, self._customers, self._entitlements, self._wallets)
        for gatherer in (*gatherers, self._api_keys):
            await gatherer.close()


async def _to_its_end(commit: Coroutine[Any, Any, str]) -> str:
    """A commit that was begun is not broken off, although whoever waits for it is."""
    task = asyncio.ensure_future(commit)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


def _cut(connection: Any) -> None:
    """Throw a connection away; the pool may have taken back one that broke by itself."""
    with suppress(asyncpg.InterfaceError):
        connection.terminate()
