"""The only door to the ledger, for HTTP, the command line and jobs.

Every call begins with a book; what belongs to another book is not there. Amounts are whole units at the
entitlement's scale. A write is on disk when it returns.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence

import msgspec

from drawdown.core import invariants
from drawdown.core.commands import Command, CreateTestClock, DocumentChange, Settle
from drawdown.core.context import written
from drawdown.core.errors import FieldInvalid, LedgerError
from drawdown.core.fold import Fault, WalletFold, fold
from drawdown.core.players import PLAYERS
from drawdown.core.requests import Accepted, Answer, Claim, LedgerKey, Origin
from drawdown.core.schedules.invariants import check_schedules
from drawdown.core.standing.invariants import check_documents
from drawdown.core.standing.players import Players
from drawdown.core.types import Entry, Id, Instant, Reference
from drawdown.core.watching.top_up_invariants import check_top_up
from drawdown.engine.access import Accounts
from drawdown.engine.accounts import Principal
from drawdown.engine.batcher import BATCH_MAX, BatchObserver, Refuse, Render, Submission, Waiter
from drawdown.engine.claims_audit import ClaimsAudit, Naming
from drawdown.engine.jobs import CLAIMS_KEPT_DAYS, Jobs
from drawdown.engine.ports import (
    Clock,
    CursorInvalid,
    FeedFilter,
    FeedPage,
    Ids,
    Recorded,
    Store,
    StoreUnavailable,
    WalletAudit,
)
from drawdown.engine.positions import Position
from drawdown.engine.readiness import Readiness
from drawdown.engine.reading.credit import CreditReads
from drawdown.engine.reading.plans import PlanReads
from drawdown.engine.sessions import Sessions
from drawdown.engine.spread import open_writer
from drawdown.engine.test_clocks import TestClocks
from drawdown.engine.usage_audit import verify_usage

Asked = tuple[Command, Render, LedgerKey | None]


class Verified(msgspec.Struct, kw_only=True):
    """How far ``verify`` has come: wallets done of all, entries and usage events seen; totals by code."""

    wallets: int
    wallets_total: int
    entries: int
    totals: dict[str, Totals]
    events: int = 0


class Totals(msgspec.Struct, kw_only=True):
    """The accounts of one entitlement over all its wallets, in units at ``scale``."""

    scale: int
    granted: int = 0
    posted: int = 0
    pending: int = 0
    used: int = 0
    expired: int = 0
    voided: int = 0

    def add(self, wallet: WalletFold, scale: int) -> None:
        """Two books may keep credit of one code at different scales; the sums are at the finer."""
        finer = max(self.scale, scale)
        for account in ("granted", *invariants.ACCOUNTS):
            so_far = getattr(self, account) * 10 ** (finer - self.scale)
            setattr(self, account, so_far + getattr(wallet, account) * 10 ** (finer - scale))
        self.scale = finer


class Ledger(CreditReads, PlanReads):
    """One ledger over one store. ``open`` before the first write, ``close`` at the end."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        ids: Ids,
        observer: BatchObserver | None = None,
        claims_kept_days: int = CLAIMS_KEPT_DAYS,
        players: Players = PLAYERS,
    ) -> None:
        super().__init__(store, clock)
        self.accounts = Accounts(store, clock, ids)
        self.ids = ids
        self._players = players
        observer = self._readiness = Readiness(store, observer or BatchObserver())
        self._batcher = open_writer(store, clock, ids, observer, players)
        self.sessions = Sessions(store, clock, self.submit)
        self.test_clocks = TestClocks(store, clock, self.submit_many, observer)
        self._jobs = Jobs(store, clock, self.accounts, self._settle, observer, claims_kept_days)

    def open(self, *, jobs: bool = True) -> None:
        """Begin to take writes; ``jobs``: and to do what time makes due."""
        self._batcher.start()
        if jobs:
            self._jobs.start()
            self.test_clocks.start()

    async def close(self) -> None:
        """Finish what was accepted, then let go of the store."""
        await self.test_clocks.close()
        await self._jobs.close()
        await self._batcher.close()
        await self._store.close()

    @property
    def shards(self) -> int:
        """Over how many groups the store is spread; 0 where it keeps everything together."""
        placement = self._store.placement
        return 0 if placement is None else len(placement.groups())

    async def ready(self) -> None:
        """Raises ``StoreUnavailable`` when the database does not answer, or takes no writes."""
        await self._readiness.check()

    async def weaknesses(self) -> list[str]:
        """Why what is answered could be lost after all, as the database is set up; in words."""
        return await self._store.weaknesses()

    async def authenticate(self, secret: str, key_id: str | None = None) -> Principal | None:
        return await self.accounts.authenticate(secret, key_id)

    @property
    def store(self) -> Store:
        """For what has a door of its own: endpoints and their deliveries."""
        return self._store

    # Writes --------------------------------------------------------------------------------------

    async def submit(
        self,
        book: Id,
        command: Command,
        render: Render,
        *,
        key: LedgerKey | None = None,
        claim: Claim | None = None,
        refuse: Refuse | None = None,
        asked_by: Origin | None = None,
        documents: tuple[DocumentChange, ...] = (),
        id: Id | None = None,
    ) -> Answer:
        """Carry out one command and answer what ``render`` writes, or what was answered before.

        ``documents`` change with it, or not at all. ``asked_by`` is kept with what it records. ``id``, with a
        ``key``: what a customer or an entitlement that it makes is to be called by, since that is its id
        elsewhere.

        ``render`` is called inside the transaction; a repetition under the same key gets its bytes.
        Raises ``LedgerError`` when refused, unless ``refuse`` writes an answer to be kept with ``claim``.
        """
        answer = await self._batcher.submit(
            Submission(
                book=book,
                command=command,
                render=render,
                key=key,
                claim=claim,
                refuse=refuse if claim is not None else None,
                asked_by=asked_by,
                documents=documents,
                id=id,
                waiter=Waiter(1),
            )
        )
        if isinstance(command, CreateTestClock):
            self._unclocked = {}  # who is being looked at now is noted in the one before
        return answer

    async def submit_many(self, book: Id, asked: Sequence[Asked]) -> list[Answer | BaseException]:
        """Carry out many commands in their order, each for itself. A refusal stands in its place.

        They enter the queue piece by piece, so that others' commands come in between. When the store
        cannot take a later piece, that stands in the place of all that were not tried.
        """
        answers: list[Answer | BaseException] = []
        for start in range(0, len(asked), BATCH_MAX):
            piece = self._submissions(book, asked[start : start + BATCH_MAX])
            try:
                self._batcher.enqueue(piece)
            except StoreUnavailable as error:
                if not answers:
                    raise
                return answers + [error] * (len(asked) - start)
            await piece[0].waiter.woken
            answers.extend([submission.result() for submission in piece])
        return answers

    @staticmethod
    def _submissions(book: Id, asked: Sequence[Asked]) -> list[Submission]:
        waiter = Waiter(len(asked))
        return [
            Submission(book=book, command=command, render=render, key=key, waiter=waiter)
            for command, render, key in asked
        ]

    async def apply(self, book: Id, command: Command) -> Accepted:
        """Carry out one command and return what came of it. Raises ``LedgerError`` when refused."""
        kept: list[Accepted] = []

        def render(accepted: Accepted) -> Answer:
            kept.append(accepted)
            return Answer(status=200, body=b"")

        await self.submit(book, command, render)
        return kept[-1]

    async def _settle(self, book: Id, command: Settle) -> object:
        return await self.submit(book, command, lambda _: Answer(status=200, body=b""))

    # Reads ---------------------------------------------------------------------------------------

    async def feed(
        self,
        after: Position,
        *,
        books: frozenset[Id] | None,
        customer: Id | None = None,
        until: Instant | None = None,
        limit: int,
    ) -> FeedPage:
        """What was recorded after a place, in its order, as far as it can be seen (``read_feed``).

        ``until``: at that instant at the latest.
        """
        seen = await self._store.recorded_until(self.clock.now())
        until = seen if until is None else min(until, seen)
        asked = FeedFilter(after=after, until=until, limit=limit, books=books, customer=customer)
        return await self._store.read_feed(asked)

    async def recorded(
        self, after: Position, *, book: Id, until: Instant | None = None, limit: int
    ) -> FeedPage:
        """What was recorded in a book after a place, in its order, as far as it is there.

        Not for whoever follows: what is being written now may still come in between (``feed``).
        """
        until = self.clock.now() if until is None else until
        return await self._store.read_feed(
            FeedFilter(after=after, until=until, limit=limit, books=frozenset({book}))
        )

    async def operation(self, book: Id, operation: Id) -> Recorded | None:
        """One of the book's operations, and what it moved."""
        found = await self._store.find_position(book, operation)
        if found is None:
            return None
        before = Id((int.from_bytes(operation, "big") - 1).to_bytes(16, "big"))
        place = Position(found.recorded_at, before)
        page = await self.recorded(place, book=book, until=found.recorded_at, limit=1)
        return next((each for each in page.found if each.position == found), None)

    async def position(self, book: Id, operation: Id) -> Position | None:
        """Where one of the book's operations stands in the feed, once it can be seen there."""
        found = await self.operation(book, operation)
        if found is None:
            return None
        seen = await self._store.recorded_until(self.clock.now())
        return found.position if found.position.recorded_at <= seen else None

    async def seqs(self, customers: Collection[Id]) -> dict[Id, dict[Id, int]]:
        """How many entries the wallets of some customers have: whatever moves credit adds to one."""
        return await self._store.wallet_seqs(customers)

    async def entries(
        self,
        book: Id,
        customer: Reference,
        entitlement: Reference | None = None,
        *,
        after: str | None = None,
        limit: int,
    ) -> tuple[list[Entry], str | None]:
        """A customer's entries, wallet by wallet, newest first; and where the next page goes on.

        What is due is recorded first, so that the list is complete. ``after`` is where the page before
        said to go on. Raises ``FieldInvalid`` for any other text.
        """
        owner = await self.customer(book, customer)
        kind = None if entitlement is None else await self.entitlement(book, entitlement)
        if after is None:
            await self.settle_due(book, owner.id)
        try:
            return await self._store.walk_entries(
                owner.id, None if kind is None else kind.id, after, limit
            )
        except CursorInvalid:
            raise FieldInvalid("after", "the `next` of an earlier page") from None

    async def settle_due(self, book: Id, customer: Id) -> None:
        """Record what time has made due for a customer: what is asked for next comes after that."""
        now = await self._now(customer)
        for entitlement in await self._store.due_entitlements(customer, now):
            await self._settle(book, Settle(customer=customer, entitlement=entitlement))

    # Audit ---------------------------------------------------------------------------------------

    async def verify(self, naming: Naming) -> AsyncIterator[Verified]:
        """Compute every wallet again from its entries; yields after each. Raises ``Fault`` at the first.

        Checks the chain, the invariants, double entry, that each cycle has one grant and what rolled over
        is somewhere, that each payment for a top-up has one, that invoices say what credit paid, that no
        entry or operation stands alone, and that names and ids from elsewhere lead to what is called so.
        Of documents whose kind ``naming`` leaves out only where their names lead to is looked at.
        """
        progress = Verified(wallets=0, wallets_total=0, entries=0, totals={})
        async with self._store.audit() as audit:
            progress.wallets_total = audit.wallets
            async for wallet in audit.walk():
                _verify_wallet(wallet, progress, self._players)
                yield progress
            claims = ClaimsAudit(audit, naming)
            async for progress.events in verify_usage(audit, claims):
                yield progress
            fault = await audit.find_fault(progress.entries)
            if fault is not None:
                raise Fault(fault)
            await claims.verify()
        yield progress


def _verify_wallet(wallet: WalletAudit, progress: Verified, players: Players) -> None:
    """Fold one wallet's entries, compare, and add its accounts to the totals."""
    try:
        folded = fold(wallet.entries)
        invariants.check_wallet(folded, wallet, wallet.grants, wallet.holds)
        check_schedules(wallet, wallet.schedules, wallet.grants, wallet.entries)
        check_top_up(wallet, wallet.standing, wallet.requests, wallet.grants)
        check_documents(wallet, players)
    except Fault as fault:
        where = f"customer {written(wallet.customer)}, entitlement {wallet.code}"
        raise Fault(f"{where}: {fault}") from None
    totals = progress.totals.setdefault(wallet.code or "?", Totals(scale=wallet.scale))
    totals.add(folded, wallet.scale)
    progress.wallets += 1
    progress.entries += len(wallet.entries)


__all__ = ["Ledger", "LedgerError", "Totals", "Verified"]
