"""The ledger in one SQLite file: one writer, committing in a thread; reads on a second connection.

Planning and writing happen on the event loop, where they take microseconds; only COMMIT, which waits for
the disk, is handed to a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

import apsw

from drawdown.core.state import Wallet
from drawdown.core.types import Balance, Customer, Entitlement, Id, Instant, Reference
from drawdown.engine.accounts import Account, AccountExists, ApiKey
from drawdown.engine.ports import Placement, StoreUnavailable, StoreUnusable
from drawdown.store import rows
from drawdown.store.queries import load_queries
from drawdown.store.sqlite import connection as opening
from drawdown.store.sqlite.audit import SqliteAudit
from drawdown.store.sqlite.checkpoints import Checkpoints
from drawdown.store.sqlite.clocks import SqliteClocks
from drawdown.store.sqlite.connection import UNAVAILABLE
from drawdown.store.sqlite.endpoints import Step
from drawdown.store.sqlite.memory import Memory
from drawdown.store.sqlite.reads import SqliteReads
from drawdown.store.sqlite.transaction import SqliteTransaction

BEGIN_TRIES = 200
BEGIN_WAIT_SECONDS = 0.025
MOMENTS_MAX = 4


class SqliteStore(SqliteClocks):
    """The store of a complete installation in one process."""

    placement: Placement | None = None
    worth_waiting = 0.0

    def __init__(self, path: str, vfs: str | None = None) -> None:
        """Open the file, or make it; bring its schema up to date."""
        opening.check_sqlite_version()
        self._path, self._vfs = path, vfs
        queries = load_queries("drawdown.store.sqlite")
        self._writer = opening.open_writer(path, vfs)
        self.migrations_run = opening.migrate(self._writer)
        super().__init__(opening.open_reader(path, vfs), queries)
        self._transaction = SqliteTransaction(self._writer, queries)
        self._memory = Memory(self._writer, self._connection, queries, self._transaction)
        self._checkpoints = Checkpoints(self._writer, opening.open_reader(path, vfs))
        self._committer = ThreadPoolExecutor(1, "drawdown-commit")
        self._turn = asyncio.Lock()
        self._moments = asyncio.Semaphore(MOMENTS_MAX)

    @classmethod
    def open(cls, path: Path) -> SqliteStore:
        """Raises ``StoreUnavailable`` and ``StoreUnusable``."""
        try:
            return cls(str(path))
        except UNAVAILABLE as error:
            raise StoreUnavailable(str(error)) from error
        except apsw.Error as error:  # not a database at all, or a damaged one
            raise StoreUnusable(str(error)) from error

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[SqliteTransaction]:
        async with self._turn:
            await self._begin()
            try:
                self._refresh()
                yield self._transaction
                self._transaction.carry_over()  # nothing may fail once the commit is through
                self._memory.committing()
                await self._commit()
                self._transaction.committed()
            except UNAVAILABLE as error:
                self._undo()
                raise StoreUnavailable(str(error)) from error
            except BaseException:
                self._undo()
                raise
            finally:
                self._memory.ended()

    @asynccontextmanager
    async def moment(self, of: Id) -> AsyncIterator[SqliteReads]:
        """A read transaction on a connection of its own: what is committed meanwhile is not seen."""
        async with self._moments:
            try:
                connection = opening.open_reader(self._path, self._vfs)
            except UNAVAILABLE as error:
                raise StoreUnavailable(str(error)) from error
            try:
                connection.execute("BEGIN")
                yield SqliteReads(connection, self._queries)
            finally:
                connection.close()

    @asynccontextmanager
    async def audit(self) -> AsyncIterator[SqliteAudit]:
        audit = SqliteAudit(opening.open_reader(self._path, self._vfs), self._queries)
        try:
            yield audit
        finally:
            audit.close()

    async def _begin(self) -> None:
        """Take the write lock; another process may hold it for a moment, so ask again for a while."""
        self._writer.set_busy_timeout(0)
        for _ in range(BEGIN_TRIES):
            try:
                self._writer.execute("BEGIN IMMEDIATE")
                return
            except apsw.BusyError:
                await asyncio.sleep(BEGIN_WAIT_SECONDS)
            except UNAVAILABLE as error:
                raise StoreUnavailable(str(error)) from error
        raise StoreUnavailable("Another process keeps the database locked.")

    def _refresh(self) -> None:
        self._memory.opened()

    async def _commit(self) -> None:
        loop = asyncio.get_running_loop()
        commit = loop.run_in_executor(self._committer, self._writer.execute, "COMMIT")
        try:
            await asyncio.shield(commit)
        except asyncio.CancelledError:
            await asyncio.wait([commit])  # the writer is in use until the commit is through
            raise

    def _undo(self) -> None:
        if self._writer.in_transaction:
            self._writer.execute("ROLLBACK")
        self._transaction.forget()

    # What is kept in memory needs no statement -----------------------------------------------------

    def known_balance(
        self, book: Id, customer: Reference, entitlement: Reference, now: Instant
    ) -> Balance | None:
        return self._memory.balance(book, customer, entitlement, now)

    async def find_name(self, book: Id, space: str, text: str) -> Id | None:
        found = self._memory.target((book, space, text))
        if found is None:
            found = await super().find_name(book, space, text)
            if found is not None:
                self._memory.keep_target((book, space, text), found)
        return found

    async def find_customer(self, customer: Id) -> Customer | None:
        found = self._memory.customer(customer)
        if found is None:
            found = await super().find_customer(customer)
            if found is not None:
                self._memory.keep_customer(found)
        return found

    async def find_entitlement(self, entitlement: Id) -> Entitlement | None:
        found = self._memory.entitlement(entitlement)
        if found is None:
            found = await super().find_entitlement(entitlement)
            if found is not None:
                self._memory.keep_entitlement(found)
        return found

    async def find_wallet(self, customer: Id, entitlement: Id, due_by: Instant) -> Wallet | None:
        found = self._memory.wallet((customer, entitlement), due_by)
        if found is None:
            found = await super().find_wallet(customer, entitlement, due_by)
        return found

    async def _write(self, query: str, *bindings: tuple[object, ...]) -> int:
        """Run one statement for each of ``bindings`` in a transaction; returns the rows changed."""
        async with self.transaction():
            before = self._writer.total_changes()
            self._writer.executemany(self._queries[query], bindings)
            changed = self._writer.total_changes() - before
        self._memory.forget_keys()
        return changed

    async def _steps(self, *steps: Step) -> list[int]:
        changed = []
        async with self.transaction():
            for query, bindings in steps:
                before = self._writer.total_changes()
                self._writer.executemany(self._queries[query], bindings)
                changed.append(self._writer.total_changes() - before)
        return changed

    async def prune_claims(self, before: Instant, limit: int) -> int:
        return await self._write("prune_claims", (before, limit))

    async def lease(self, name: str, holder: Id, now: Instant, until: Instant) -> bool:
        """Always: one server has the file. A second one beside it finds nothing left to do."""
        return True

    # Accounts and keys ---------------------------------------------------------------------------

    async def create_account(self, account: Account, books: Sequence[tuple[Id, str]]) -> None:
        async with self.transaction():
            row = (account.id, account.name, account.zone, account.created_at)
            try:
                self._writer.execute(self._queries["insert_account"], row)
            except apsw.ConstraintError:
                raise AccountExists(f"There is an account {account.name!r} already.") from None
            books_of_account = [(book, account.id, mode) for book, mode in books]
            self._writer.executemany(self._queries["insert_book"], books_of_account)

    async def list_accounts(self) -> list[Account]:
        found = self._rows("list_accounts")
        return [Account(id=row[0], name=row[1], zone=row[2], created_at=row[3]) for row in found]

    async def set_zone(self, account: Id, zone: str) -> None:
        await self._write("set_zone", (zone, account))

    async def find_zone(self, account: Id) -> str:
        row = self._row("find_zone", (account,))
        assert row is not None, "accounts stay"
        return str(row[0])

    async def find_book(self, account: Id, mode: str) -> Id | None:
        row = self._row("find_book", (account, mode))
        return None if row is None else row[0]

    async def account_of(self, book: Id) -> Id:
        row = self._row("account_of_book", (book,))
        assert row is not None, "every book is an account's"
        return Id(row[0])

    async def create_key(self, key: ApiKey, digest: bytes) -> None:
        row = (key.id, key.book, key.role.value, key.name, digest, key.created_at)
        await self._write("insert_api_key", row)

    async def list_keys(self) -> list[ApiKey]:
        return [rows.api_key_of(row) for row in self._rows("list_api_keys")]

    async def find_key(self, key: Id) -> tuple[ApiKey, bytes] | None:
        """Every request asks for its key: it is kept until a key is written, or another connection writes."""
        keys = self._memory.keys()
        found = keys.get(key)
        if found is None:
            row = self._row("find_api_key", (key,))
            if row is None:
                return None
            found = keys[key] = (rows.api_key_of(row), row[-1])
        return found

    async def revoke_key(self, key: Id, at: Instant) -> bool:
        return await self._write("revoke_api_key", (at, key)) > 0

    async def touch_keys(self, used: Collection[tuple[Id, Instant]]) -> None:
        await self._write("touch_api_key", *[(at, key, at) for key, at in used])

    # The file itself -----------------------------------------------------------------------------

    async def weaknesses(self) -> list[str]:
        """None: every connection sets what its durability needs."""
        return []

    async def ready(self) -> None:
        """Raises ``StoreUnavailable`` when the file cannot be read."""
        try:
            self._row("last_wallet")
        except apsw.Error as error:
            raise StoreUnavailable(str(error)) from error

    async def try_write(self) -> None:
        """The schema's number as it is: a page of the log, as small as a commit can be."""
        async with self.transaction():
            self._writer.pragma("user_version", self._writer.pragma("user_version"))

    async def close(self) -> None:
        async with self._turn:
            self._committer.shutdown()
            self._checkpoints.close()
            self._connection.close()
            self._writer.close()
