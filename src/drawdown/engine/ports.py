"""What the engine asks of the world: a store, a clock and fresh ids."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Hashable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeVar

import msgspec

from drawdown.core.claims import Bearer, Claimed
from drawdown.core.imported_ids import GrantKept
from drawdown.core.requests import ClaimRecord
from drawdown.core.schedules.terms import Schedule, ScheduleState
from drawdown.core.state import Name, State, Wallet, Wanted
from drawdown.core.types import (
    Alert,
    AlertRule,
    Balance,
    Customer,
    Document,
    Entitlement,
    Entry,
    Grant,
    GrantState,
    Hold,
    HoldState,
    Id,
    Instant,
    Operation,
    Overage,
    Reference,
    TestClock,
)
from drawdown.core.usage.records import Attachment, Catalog, Count, Event, Meter, ValueKey
from drawdown.core.usage.spans import Span, Use
from drawdown.core.watching.top_ups import RequestState, Standing, TopUp, TopUpRequest
from drawdown.engine.accounts import Account, ApiKey
from drawdown.engine.endpoints import EndpointStore
from drawdown.engine.positions import Position

#: What ``verify`` looks up by its id.
Sought = TypeVar("Sought", bound=Bearer | GrantKept)


class StoreUnavailable(Exception):
    """The database does not answer now; asking again later may help.

    Nothing was stored, or nobody knows: what has a key is safe to ask again.
    """


class StoreUnusable(Exception):
    """This release cannot use the database, however often it is asked."""


class SchemaNewer(StoreUnusable):
    """A newer release than this one has written to the database."""


class NotALedger(StoreUnusable):
    """The database is one of something else."""


class BatchConflict(Exception):
    """Another process came in between, or the connection broke before anything was stored.

    The same batch may be tried again at once: nothing of it has happened.
    """


class CursorInvalid(ValueError):
    """The place to go on in a list is none that the store has given."""


class Clock(Protocol):
    def now(self) -> Instant: ...


class Ids(Protocol):
    def new(self, slot: int | None = None) -> Id:
        """A fresh id in ``slot``, or in one drawn at random."""


class GrantFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which grants of a book to list, newest first.

    ``states`` are judged at ``now``. ``after``: older than that id. ``before``: the ``limit`` next newer
    than that id, still newest first. ``monetary``: of currencies only. ``made_by``: not those made after
    that instant. ``unspent``: only those with something remaining, as recorded. ``clocked``: of customers on
    test clocks states are judged at those clocks' time. ``by_creation``: newest first by their customer's
    time, a cycle's new credit before what was carried into it; for one wallet, without a cursor.
    """

    book: Id
    now: Instant
    limit: int
    customer: Id | None = None
    entitlement: Id | None = None
    states: frozenset[GrantState] = frozenset()
    monetary: bool = False
    made_by: Instant | None = None
    unspent: bool = False
    clocked: bool = False
    by_creation: bool = False
    after: Id | None = None
    before: Id | None = None
    offset: int = 0


class HoldFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which holds of a book to list, newest first. ``state``: at ``now``; ``clocked``: as of grants."""

    book: Id
    now: Instant
    limit: int
    customer: Id | None = None
    entitlement: Id | None = None
    state: HoldState | None = None
    clocked: bool = False
    after: Id | None = None


class ScheduleFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which schedules of a book to list, newest first. ``state`` is as it was recorded."""

    book: Id
    limit: int
    customer: Id | None = None
    entitlement: Id | None = None
    state: ScheduleState | None = None
    after: Id | None = None


class AlertFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which alerts of a book to list, newest first; of a customer: those that are on his alone."""

    book: Id
    limit: int
    customer: Id | None = None
    entitlement: Id | None = None
    meter: Id | None = None
    live: bool | None = None
    after: Id | None = None


class TopUpFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which top-up rules of a book to list, newest first. ``live``: those that are closed, or the others."""

    book: Id
    limit: int
    customer: Id | None = None
    entitlement: Id | None = None
    live: bool | None = None
    after: Id | None = None


class TopUpRequestFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which top-up requests of a book to list, newest first. ``state`` is as it was recorded."""

    book: Id
    limit: int
    customer: Id | None = None
    entitlement: Id | None = None
    state: RequestState | None = None
    after: Id | None = None


class CustomerFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which customers of a book to list, newest first.

    ``name`` is a part of theirs, in any case; they were made from ``since`` to ``until``, both included.
    ``before`` turns round: the oldest first of those that are newer than it.
    """

    book: Id
    limit: int
    email: str | None = None
    name: str | None = None
    since: Instant | None = None
    until: Instant | None = None
    after: Id | None = None
    before: Id | None = None
    offset: int = 0


class DocumentFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which documents of a kind to list, newest first: of a book all, or those of one owner.

    ``before`` turns round: the oldest first of those that are newer than it.
    """

    book: Id
    kind: str
    limit: int
    owner: Id | None = None
    deleted: bool | None = False
    after: Id | None = None
    before: Id | None = None


class EventFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which usage events of a book to list, the newest recorded first.

    ``since`` and ``until`` bound the time of use: from the one, before the other. ``offset``: so many of
    those after ``after`` are passed over; what is passed over is read, too. ``before`` turns round: the
    oldest first of those that are newer than it.
    """

    book: Id
    limit: int
    customer: Id | None = None
    name: str | None = None
    since: Instant | None = None
    until: Instant | None = None
    uncovered: bool = False
    after: Id | None = None
    before: Id | None = None
    offset: int = 0


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """One operation as it is kept, without its answer, and its entries."""

    book: Id
    operation: Operation
    entries: tuple[Entry, ...]

    @property
    def position(self) -> Position:
        return Position(self.operation.recorded_at, self.operation.id)


class FeedFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What to read of all that was recorded: after a place, up to an instant, about ``limit`` operations.

    ``books`` and ``customer`` choose among these: fewer are found, or none, though more may follow.
    """

    after: Position
    until: Instant
    limit: int
    books: frozenset[Id] | None = None
    customer: Id | None = None


class FeedPage(msgspec.Struct, frozen=True, kw_only=True):
    """``end`` is where to go on; ``more``: whether anything is known to follow."""

    found: list[Recorded]
    end: Position
    more: bool


class WalletAudit(msgspec.Struct, kw_only=True):
    """One wallet as kept, with all that belongs to it, to verify: entries oldest first, only open holds."""

    customer: Id
    entitlement: Id
    posted: int
    pending: int
    held: int
    overage: int
    granted: int
    used: int
    expired: int
    voided: int
    open_grants: int
    open_holds: int
    seq: int
    chain: bytes
    next_due_at: Instant | None
    overage_override: Overage | None
    code: str | None
    scale: int
    grants: list[Grant]
    holds: list[Hold]
    schedules: list[Schedule]
    entries: list[Entry]
    standing: Standing | None
    requests: list[TopUpRequest]
    documents: list[Document]


class StoredDebit(msgspec.Struct, kw_only=True):
    operation: Operation
    entries: tuple[Entry, ...]
    reversed: dict[Id, int]


class Audit(Protocol):
    """The whole store as of one moment."""

    @property
    def wallets(self) -> int:
        """How many wallets there are to walk."""

    def walk(self) -> AsyncIterator[WalletAudit]: ...
    def walk_events(self) -> AsyncIterator[Event | None]:
        """Every usage event, customer by customer, in the order of their ids; None after each one's last."""

    async def usage_of(self, customer: Id) -> tuple[list[Count], dict[ValueKey, int]]:
        """What is counted of the customer whose events have just been walked, and which values were seen."""

    async def watched_of(self, customer: Id) -> list[Document]:
        """What is kept of his use of the meters that are watched."""

    async def find_catalog(self, book: Id) -> Catalog: ...
    async def list_books(self) -> list[Id]: ...
    async def list_meters(self, book: Id) -> list[Meter]: ...
    async def list_customers(self, customers: CustomerFilter) -> list[Customer]: ...
    async def list_entitlements(
        self, book: Id, after: Id | None, limit: int
    ) -> list[Entitlement]: ...
    async def list_documents(self, documents: DocumentFilter) -> list[Document]: ...

    @property
    def claims_apart(self) -> bool:
        """Whether claims are apart from what is done under them, and may be ahead of it."""

    def walk_claims(self) -> AsyncIterator[list[Claimed]]:
        """Every claim, some at a time, in the order of their keys."""

    async def read_names(self, names: Sequence[Name]) -> Mapping[Name, Id]:
        """What those of the names lead to that are claimed."""

    async def find_bearers(self, kind: type[Sought], ids: Sequence[Id]) -> Mapping[Id, Sought]:
        """Those that are there, of one kind."""

    async def find_fault(self, entries_seen: int) -> str | None:
        """What is wrong with the store as a whole, given how many entries the wallets led to."""


class Transaction(Protocol):
    """One transaction over the ledger. Leaving it commits; leaving it by an exception undoes it all."""

    @property
    def state(self) -> State:
        """What is loaded so far. It may hold more than was asked for, never anything stale."""

    async def load(self, wanted: Wanted) -> bool:
        """Load what is wanted, or a part of it; whether another process may have been waited for."""

    async def write(self) -> None:
        """Write the state's changes."""


class Moment(Protocol):
    """One moment of the store: what is read of it stays the same, however long that takes."""

    async def find_grant(self, grant: Id) -> Grant | None: ...
    async def list_grants(self, grants: GrantFilter) -> list[Grant]: ...
    async def find_wallet(
        self, customer: Id, entitlement: Id, due_by: Instant
    ) -> Wallet | None: ...
    async def find_hold(self, hold: Id) -> Hold | None: ...
    async def find_debit(self, debit: Id) -> StoredDebit | None: ...
    async def walk_entries(
        self, customer: Id, entitlement: Id | None, after: str | None, limit: int
    ) -> tuple[list[Entry], str | None]: ...
    async def later_changes(self, subject: Id, after: Id) -> list[Operation]:
        """The operations that amended or expired a grant, or amended a customer, in any order.

        None after the operation ``after`` is missing; others of the same instant may be among them.
        """


class Part(Protocol):
    """What is kept together, so that one transaction may be about any of it."""

    @property
    def worth_waiting(self) -> float:
        """For how much of its last transaction's time the next may wait for more requests.

        0 where a transaction costs little beside what is in it.
        """

    def transaction(self) -> AbstractAsyncContextManager[Transaction]: ...
    async def due_wallets(self, now: Instant, limit: int) -> list[tuple[Id, Id, Id]]:
        """(book, customer, entitlement) of wallets in which something is due, the longest due first."""

    async def uncounted_wallets(
        self, entitlement: Id, alert: Id, after: Id | None, limit: int
    ) -> list[tuple[Id, Id]]:
        """(book, customer) of those with something that will fall due, which the alert is still new to.

        By the customers' slots and ids, from ``after`` on.
        """

    async def prune_claims(self, before: Instant, limit: int) -> int: ...


class ClaimingPart(Part, Protocol):
    """A part of a store that is spread. Claims are apart from what is done under them (``placed.py``)."""

    async def open_claims(self, claims: Sequence[ClaimRecord]) -> list[ClaimRecord]:
        """Keep claims without an answer, unless there are some on their keys; answers those that are there.

        Who is given one without an answer and with his fingerprint is counted among its askers. All are on
        different keys.
        """

    async def close_claim(self, claim: ClaimRecord) -> ClaimRecord:
        """Give a claim its answer, unless it has one; answers the claim as it is kept then."""

    async def keep_claims(self, claims: Sequence[ClaimRecord]) -> None:
        """What they lead to is there: they have no fingerprint any more, and stand for ever."""

    async def leave_claims(self, claims: Sequence[ClaimRecord]) -> None:
        """One asker less; of those without any, and without an answer, the key is free again."""

    async def release_claims(self, claims: Sequence[ClaimRecord]) -> None:
        """What they led to has let go of them: others may have the keys."""

    async def find_claim(self, name: Name) -> ClaimRecord | None: ...


#: A part's name: the same on every process, for as long as the same things are kept together.
Group = Hashable


class Placement(Protocol):
    """Where things are in a store that is spread: a transaction stays within one group."""

    def groups(self) -> Sequence[Group]: ...
    def of(self, identifier: Id) -> Group:
        """The group of a customer, and of all that is his, from any of their ids."""

    def slot_of_name(self, name: Name) -> int:
        """Where a name or another claim is, since it belongs to nobody."""

    def of_name(self, name: Name) -> Group: ...
    def part(self, group: Group) -> ClaimingPart: ...


class ClockStore(Protocol):
    """Test clocks. They are few, and what is asked of them here is asked while one is being advanced."""

    async def find_clock(self, clock: Id) -> TestClock | None:
        """Also one that was deleted: its customers are still there."""

    async def list_clocks(self, book: Id, after: Id | None, limit: int) -> list[TestClock]:
        """Newest first, without those deleted."""

    async def has_clocks(self, book: Id) -> bool:
        """Whether any was ever made in the book."""

    async def advancing_clocks(self) -> list[TestClock]:
        """Of all books: those on their way."""

    async def clock_due(
        self, clock: Id, until: Instant, limit: int
    ) -> list[tuple[Id, Id, Instant]]:
        """(customer, entitlement, instant) of its wallets in which something is due, the first due first."""

    async def count_clock(self, clock: Id, until: Instant) -> tuple[int, int]:
        """How many wallets it has, and in how many of them something is due."""

    async def reach_target(self, clock: Id, target: Instant) -> bool:
        """Let it be ``target`` from now on; False when the clock is not on its way there any more."""


class Store(Part, EndpointStore, ClockStore, Protocol):
    """One database. Reads see what was committed; what belongs to another book they leave to the caller."""

    @property
    def placement(self) -> Placement | None:
        """None where everything is kept together: then the store itself is the one part."""

    def moment(self, of: Id) -> AbstractAsyncContextManager[Moment]:
        """Read several things of one moment, the present one. At most a few at a time; more wait.

        All of them belong to one customer; ``of`` is his id, or that of anything of his.
        """

    def known_balance(
        self, book: Id, customer: Reference, entitlement: Reference, now: Instant
    ) -> Balance | None:
        """A balance as of ``now`` of which all is known, without waiting; None: it has to be found out."""

    async def find_name(self, book: Id, space: str, text: str) -> Id | None: ...
    async def find_claim(self, name: Name) -> ClaimRecord | None: ...
    async def find_customer(self, customer: Id) -> Customer | None: ...
    async def find_entitlement(self, entitlement: Id) -> Entitlement | None: ...
    async def list_customers(self, customers: CustomerFilter) -> list[Customer]: ...
    async def list_entitlements(
        self, book: Id, after: Id | None, limit: int
    ) -> list[Entitlement]: ...
    async def find_grant(self, grant: Id) -> Grant | None: ...
    async def list_grants(self, grants: GrantFilter) -> list[Grant]: ...
    async def outstanding_grants(self, customer: Id) -> list[Grant]: ...
    async def find_wallet(self, customer: Id, entitlement: Id, due_by: Instant) -> Wallet | None:
        """The wallet as recorded, with every grant and hold due by an instant; the caller may change it."""

    async def find_hold(self, hold: Id) -> Hold | None: ...
    async def list_holds(self, holds: HoldFilter) -> list[Hold]: ...
    async def find_schedule(self, schedule: Id) -> Schedule | None: ...
    async def list_schedules(self, schedules: ScheduleFilter) -> list[Schedule]: ...
    async def find_top_up(self, top_up: Id) -> tuple[TopUp, Standing] | None:
        """A rule, and where its wallet's top-up stands as it was recorded."""

    async def list_top_ups(self, top_ups: TopUpFilter) -> list[tuple[TopUp, Standing]]: ...
    async def find_top_up_request(self, request: Id) -> TopUpRequest | None: ...
    async def list_top_up_requests(self, requests: TopUpRequestFilter) -> list[TopUpRequest]: ...
    async def watched_entitlements(self) -> list[tuple[Id, tuple[AlertRule, ...]]]:
        """Those on which there are alerts for everybody, with these."""

    async def find_alert(self, alert: Id) -> Alert | None: ...
    async def list_alerts(self, alerts: AlertFilter) -> list[Alert]: ...
    async def find_document(self, document: Id) -> Document | None: ...
    async def list_documents(self, documents: DocumentFilter) -> list[Document]: ...

    async def find_debit(self, debit: Id) -> StoredDebit | None: ...
    async def walk_entries(
        self, customer: Id, entitlement: Id | None, after: str | None, limit: int
    ) -> tuple[list[Entry], str | None]:
        """Entries of a customer's wallets, wallet by wallet, newest first; and where to go on.

        The place to go on is text that only the store reads. Raises ``CursorInvalid`` for what it never
        wrote; at the place of another customer's list there is nothing.
        """

    async def customer_rates(self, customer: Id) -> list[Attachment]:
        """Those that the customer is attached to, and for when."""

    async def find_catalog(self, book: Id) -> Catalog:
        """All meters and rates of the book."""

    async def find_event(self, book: Id, own_id: str) -> Event | None: ...
    async def list_events(self, events: EventFilter) -> list[Event]: ...
    async def find_use(self, span: Span) -> Use:
        """What a customer used in a time."""

    async def find_operations(self, operations: Collection[Id]) -> dict[Id, Operation]:
        """Those that are there, by id. All are of one customer."""

    async def entitlement_wallets(
        self, book: Id, entitlement: Id, offset: int, limit: int
    ) -> list[Id]:
        """The customers who have a wallet of the entitlement, the newest wallet first."""

    async def due_entitlements(self, customer: Id, now: Instant) -> list[Id]: ...
    async def lease(self, name: str, holder: Id, now: Instant, until: Instant) -> bool:
        """Whether ``holder`` is the one process that does the work ``name`` from ``now`` until ``until``.

        Its own lease is renewed, another's is taken once it has run out; ``until`` = ``now`` gives it
        back. The times are the caller's clock: clocks that differ make work late or done twice by as
        much, so it must be work that doing twice does not harm.
        """

    async def recorded_until(self, now: Instant) -> Instant:
        """Up to when all that was recorded can be seen: nothing will be recorded before it any more."""

    async def read_feed(self, asked: FeedFilter) -> FeedPage:
        """What was recorded, in the order of ``Position``. ``until`` must be seen (``recorded_until``)."""

    def walk_operations(self, book: Id, owners: Collection[Id]) -> AsyncIterator[Recorded]:
        """All that some customers of a book, or it itself, ever did: of each in the order it was recorded in.

        They come as they are found, those of one owner among others'. Others are served in between.
        """

    async def find_position(self, book: Id, operation: Id) -> Position | None:
        """Where an operation stands in the feed. ``book`` says where to look: it need not be of it."""

    async def wallet_seqs(self, customers: Collection[Id]) -> dict[Id, dict[Id, int]]:
        """How many entries each wallet of some customers has, by customer and entitlement."""

    def audit(self) -> AbstractAsyncContextManager[Audit]: ...

    async def create_account(self, account: Account, books: Sequence[tuple[Id, str]]) -> None: ...
    async def list_accounts(self) -> list[Account]: ...
    async def set_zone(self, account: Id, zone: str) -> None: ...
    async def find_zone(self, account: Id) -> str:
        """Of an account that there is."""

    async def find_book(self, account: Id, mode: str) -> Id | None: ...
    async def account_of(self, book: Id) -> Id:
        """Whose book it is."""

    async def create_key(self, key: ApiKey, digest: bytes) -> None: ...
    async def list_keys(self) -> list[ApiKey]: ...
    async def find_key(self, key: Id) -> tuple[ApiKey, bytes] | None: ...
    async def revoke_key(self, key: Id, at: Instant) -> bool: ...
    async def touch_keys(self, used: Collection[tuple[Id, Instant]]) -> None: ...
    async def weaknesses(self) -> list[str]:
        """What of the database's settings makes less of the promise that a write is not lost, in words."""

    async def ready(self) -> None:
        """Raises ``StoreUnavailable`` when the database cannot be read, or is one that only reads."""

    async def try_write(self) -> None:
        """Write something that means nothing. Raises ``StoreUnavailable`` when that does not go through."""

    async def close(self) -> None: ...
