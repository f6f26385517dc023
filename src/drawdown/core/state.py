"""What a batch of requests is decided on: the part of the ledger that ``needs`` asked for.

A store fills it, ``plan`` changes it and writes down in ``changes`` what must be stored.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from drawdown.core import burn, currencies
from drawdown.core.chain import GENESIS
from drawdown.core.requests import ClaimRecord
from drawdown.core.schedules.terms import Schedule
from drawdown.core.types import (
    Alert,
    AlertRule,
    Attributes,
    Balance,
    BurnOrder,
    Customer,
    Document,
    Entitlement,
    Entry,
    Grant,
    Hold,
    Id,
    Instant,
    Operation,
    Overage,
    Reference,
    TestClock,
)
from drawdown.core.usage.records import (
    Attachment,
    AttachmentKey,
    Catalog,
    Count,
    CountKey,
    CountPlace,
    Event,
    Meter,
    Rate,
    ValueKey,
)
from drawdown.core.usage.spans import Span, Use
from drawdown.core.watching.top_ups import TopUp, TopUpRequest
from drawdown.core.watching.watch import Watch

if TYPE_CHECKING:
    from drawdown.core.standing.players import Player

WalletKey = tuple[Id, Id]
#: A wallet's repayment of overage: its key, and the seq of the entry.
RepaymentKey = tuple[Id, Id, int]
#: Of the repayments after a debit so many, the oldest, are considered when it is reversed.
REPAYMENTS_MAX = 1_000
#: A usage event as its sender names it: (book, own id).
EventName = tuple[Id, str]
#: A name in a book: (book, space, text). Spaces are the claims on own ids, codes and names.
Name = tuple[Id, str, str]
#: A ledger key of a customer's: (customer, namespace, key).
KeyPlace = tuple[Id, str, str]

CUSTOMER_OWN_ID = "customer.own_id"
ENTITLEMENT_CODE = "entitlement.code"
ENTITLEMENT_NAME = "entitlement.name"
METER_CODE = "meter.code"
USAGE_EVENT = "usage.event"
#: Before the kind of a document: the space of the names of those.
DOCUMENT_NAME = "document."
#: The kind of document by whose names customers are known, beside their own ids.
CUSTOMER_ALIAS = "customer.alias"


def document_name(book: Id, kind: str, text: str) -> Name:
    """The name by which one document of a kind is known in its book."""
    return book, DOCUMENT_NAME + kind, text


class Wallet(msgspec.Struct, gc=False):
    """One customer's credit of one entitlement, with as many of its open grants as were loaded.

    ``overage_default`` is the entitlement's rule, as whoever decides or looks ahead knows it;
    ``overage_override`` what its schedules say instead. ``closed``: its customer is, or its entitlement, as
    whoever decides knows: time goes on for it, but nobody is told of it, or asked for a payment.
    ``queue`` holds active grants in burn-down order: all of them when ``whole``, else the first ones.
    ``grants``, ``holds`` and ``schedules`` have every loaded one by id; with a hold come the grants it names.
    ``schedules`` has all that are live, with their open grants, once what is due is loaded, and ``documents``
    all that stand with it. ``number``, ``head`` and ``drawn`` belong to the store.
    """

    customer: Id
    entitlement: Id
    burn_order: BurnOrder
    created_at: Instant
    posted: int = 0
    pending: int = 0
    held: int = 0
    overage: int = 0
    granted: int = 0
    used: int = 0
    expired: int = 0
    voided: int = 0
    seq: int = 0
    chain: bytes = GENESIS
    last_at: Instant = Instant(0)
    next_due_at: Instant | None = None
    open_grants: int = 0
    open_holds: int = 0
    grants: dict[Id, Grant] = {}
    holds: dict[Id, Hold] = {}
    schedules: dict[Id, Schedule] = {}
    documents: dict[Id, Document] = {}
    queue: list[Grant] = []
    whole: bool = True
    overage_default: Overage = Overage()
    overage_override: Overage | None = None
    alerts: tuple[AlertRule, ...] = ()
    watch: Watch | None = None
    closed: bool = False
    number: int = 0
    head: int = 0
    drawn: Id | None = None

    def enqueue(self, grant: Grant) -> None:
        """Put an active grant in its place; one beyond the loaded part stays to be loaded."""
        key = self._key()
        if self.whole or (self.queue and key(grant) < key(self.queue[-1])):
            insort(self.queue, grant, key=key)

    def dequeue(self, grant: Grant) -> None:
        """Take a grant out of the order; one that is not in the loaded part is not there to take."""
        if self.queue and self.queue[0] is grant:
            del self.queue[0]
            return
        key = self._key()
        place = bisect_left(self.queue, key(grant), key=key)
        if place < len(self.queue) and self.queue[place] is grant:
            del self.queue[place]

    def _key(self) -> Callable[[Grant], burn.OrderKey]:
        return lambda grant: burn.order_of(grant, self.burn_order)

    @property
    def overage_rule(self) -> Overage:
        """How far it may be used past zero, and what becomes of that."""
        return self.overage_default if self.overage_override is None else self.overage_override

    @property
    def available(self) -> int:
        return self.posted - self.held

    def is_due(self, at: Instant) -> bool:
        """Whether time alone may have changed something by ``at``. ``next_due_at`` is never too late."""
        return self.next_due_at is not None and self.next_due_at <= at

    def covers(self, amount: int, now: Instant, valid_at: Instant, attributes: Attributes) -> bool:
        """Whether the loaded grants can pay ``amount``, or loading more would not help.

        What is over by ``now`` pays nothing, though it may have been valid at ``valid_at``.
        """
        if self.whole or (self.queue and self._pays_alone(self.queue[0], amount, now, valid_at)):
            return True
        living = (g for g in self.queue if g.expires_at is None or now < g.expires_at)
        return burn.split(living, amount, valid_at, attributes)[1] == 0

    @staticmethod
    def _pays_alone(grant: Grant, amount: int, now: Instant, valid_at: Instant) -> bool:
        """Whether that is plain: what ``covers`` finds nearly always, in a third of the time."""
        return (
            amount <= grant.remaining - grant.held
            and not grant.scope
            and grant.effective_at <= valid_at
            and (grant.expires_at is None or max(now, valid_at) < grant.expires_at)
        )

    def balance(self, scale: int, as_of: Instant) -> Balance:
        return Balance(
            customer=self.customer,
            entitlement=self.entitlement,
            scale=scale,
            posted=self.posted,
            held=self.held,
            pending=self.pending,
            overage=self.overage,
            granted=self.granted,
            used=self.used,
            expired=self.expired,
            voided=self.voided,
            seq=self.seq,
            as_of=as_of,
            created_at=self.created_at,
            last_at=self.last_at,
        )


class DebitRecord(msgspec.Struct, kw_only=True):
    """A debit as a reversal sees it: its draws in the order they were made, and what was returned.

    ``reversed`` is in units by the entitlement of the wallet they went back to; it counts in what an
    adjustment had returned of a draw before a reversal went past it.
    """

    operation: Operation
    draws: tuple[Entry, ...]
    reversed: dict[Id, int] = {}


class Repayment(msgspec.Struct):
    """What the entry ``seq`` of a wallet repaid of its overage with a grant's credit.

    ``returned`` of it has gone back to the grant, since a debit that it had paid for was reversed.
    """

    customer: Id
    entitlement: Id
    seq: int
    grant: Id
    amount: int
    returned: int = 0

    @property
    def open(self) -> int:
        return self.amount - self.returned


class Changes(msgspec.Struct, kw_only=True):
    """What a batch did, for the store to write. Operations carry their entries, in order.

    A drawn wallet differs in posted, held, used, open grants, seq, chain and last_at at most, a drawn grant
    in remaining, held and used; one that also stands in ``wallets`` or ``grants`` may differ in anything.
    The customers of ``clocked_wallets`` live by another time from now on.
    What a wallet watches for is written only where it stands in ``watches``. Names are ``released`` before
    any is claimed.
    """

    operations: list[tuple[Operation, list[Entry]]] = []
    customers: list[Customer] = []
    entitlements: list[Entitlement] = []
    amended_entitlements: dict[Id, Entitlement] = {}
    amended_customers: dict[Id, Customer] = {}
    new_clocks: dict[Id, TestClock] = {}
    clocks: dict[Id, TestClock] = {}
    claims: list[ClaimRecord] = []
    released: set[Name] = set()
    new_wallets: dict[WalletKey, Wallet] = {}
    wallets: dict[WalletKey, Wallet] = {}
    drawn_wallets: dict[WalletKey, Wallet] = {}
    clocked_wallets: dict[WalletKey, Wallet] = {}
    new_grants: dict[Id, Grant] = {}
    grants: dict[Id, Grant] = {}
    drawn_grants: dict[Id, Grant] = {}
    new_holds: dict[Id, Hold] = {}
    holds: dict[Id, Hold] = {}
    new_schedules: dict[Id, Schedule] = {}
    watches: dict[WalletKey, Wallet] = {}
    new_alerts: dict[Id, Alert] = {}
    closed_alerts: dict[Id, Alert] = {}
    new_documents: dict[Id, Document] = {}
    documents: dict[Id, Document] = {}
    new_top_ups: dict[Id, TopUp] = {}
    closed_top_ups: dict[Id, TopUp] = {}
    new_top_up_requests: dict[Id, TopUpRequest] = {}
    top_up_requests: dict[Id, TopUpRequest] = {}
    schedules: dict[Id, Schedule] = {}
    debits: dict[Id, DebitRecord] = {}
    repayments: dict[RepaymentKey, Repayment] = {}
    meters: list[Meter] = []
    rates: list[Rate] = []
    changed_meters: list[Meter] = []
    watched_meters: dict[Id, Meter] = {}
    closed_rates: list[Rate] = []
    attachments: dict[AttachmentKey, Attachment | None] = {}
    events: dict[Id, Event] = {}
    amended_events: dict[Id, Event] = {}
    counts: dict[CountKey, Count] = {}
    values: dict[ValueKey, int] = {}


class State(msgspec.Struct, kw_only=True):
    """Everything loaded for a batch. A key that is absent has not been asked for; None: not there.

    ``top_up_wallets``: of rules and of their requests, which come with their wallet locked.
    ``locked``: entitlements, customers and meters that nobody else can change before the batch is committed.
    ``late_from``: since when expired grants are loaded, which late usage may draw on.
    ``due_until`` says up to when a wallet's due grants and holds (and the next ones after them) are loaded,
    and with them its live schedules. A new count comes with how many ``groups`` there are in its place.
    ``attached``: by customer, for when rates are for him. ``latest_events``: by customer, at most
    ``LATEST_MAX``, the last taken first. ``spans``: what was used in a time. ``players``: by the kind of
    document, who knows what becomes of it; whoever opens the ledger says so.
    """

    customers: dict[Id, Customer | None] = {}
    entitlements: dict[Id, Entitlement | None] = {}
    clocks: dict[Id, TestClock | None] = {}
    names: dict[Name, Id | None] = {}
    wallets: dict[WalletKey, Wallet | None] = {}
    grant_wallets: dict[Id, WalletKey | None] = {}
    hold_wallets: dict[Id, WalletKey | None] = {}
    schedule_wallets: dict[Id, WalletKey | None] = {}
    alerts: dict[Id, Alert | None] = {}
    documents: dict[Id, Document | None] = {}
    top_up_wallets: dict[Id, WalletKey | None] = {}
    top_ups: dict[Id, TopUp | None] = {}
    top_up_requests: dict[Id, TopUpRequest | None] = {}
    locked: set[Id] = set()
    due_until: dict[WalletKey, Instant] = {}
    late_from: dict[WalletKey, Instant] = {}
    customer_wallets: dict[Id, tuple[WalletKey, ...]] = {}
    keys: dict[KeyPlace, Operation | None] = {}
    claims: dict[Name, ClaimRecord | None] = {}
    debits: dict[Id, DebitRecord | None] = {}
    repaid_after: dict[WalletKey, int] = {}
    repayments: dict[RepaymentKey, Repayment] = {}
    catalogs: dict[Id, Catalog] = {}
    event_ids: dict[EventName, Id | None] = {}
    events: dict[Id, Event | None] = {}
    latest_events: dict[Id, Sequence[Event]] = {}
    attached: dict[Id, dict[AttachmentKey, Attachment]] = {}
    counts: dict[CountKey, Count | None] = {}
    groups: dict[CountPlace, int] = {}
    values: dict[ValueKey, int] = {}
    spans: dict[Span, Use] = {}
    players: Mapping[str, Player] = {}
    changes: Changes = msgspec.field(default_factory=Changes)

    def customer_id(self, book: Id, reference: Reference) -> Id | None:
        """The id named; for an own id or an alias, what the loaded names say."""
        if isinstance(reference, bytes):
            return reference
        found = self.names.get((book, CUSTOMER_OWN_ID, reference))
        return self.aliased(book, reference) if found is None else found

    def aliased(self, book: Id, text: str) -> Id | None:
        """Whose alias it is, once that is loaded: an alias is a document of its customer's."""
        found = self.names.get(document_name(book, CUSTOMER_ALIAS, text))
        document = None if found is None else self.documents.get(found)
        return None if document is None or document.deleted_at is not None else document.owner

    def entitlement_id(self, book: Id, reference: Reference) -> Id | None:
        """The id named; currencies are known without being loaded."""
        if isinstance(reference, bytes):
            return reference
        if reference in currencies.MINOR_PLACES:
            return currencies.entitlement_id(book, reference)
        return self.names.get((book, ENTITLEMENT_CODE, reference))

    def clock_of(self, customer: Id) -> TestClock | None:
        """The test clock that a loaded customer is on."""
        owner = self.customers.get(customer)
        if owner is None or owner.test_clock is None:
            return None
        clock = self.clocks[owner.test_clock]
        assert clock is not None, "clocks stay as long as their customers"
        return clock

    def now_of(self, customer: Id, now: Instant) -> Instant:
        """What time it is for a loaded customer, when it is ``now`` for everybody else."""
        owner = self.customers.get(customer)
        if owner is None or owner.test_clock is None:  # every debit asks, and nearly nobody has one
            return now
        clock = self.clock_of(customer)
        return now if clock is None else clock.frozen_at

    def wallet(self, key: WalletKey) -> Wallet | None:
        """A wallet that was asked for; None: not there. A customer made in this batch has none to load."""
        if key in self.wallets:
            return self.wallets[key]
        assert any(made.id == key[0] for made in self.changes.customers), (
            "needs must load the wallet"
        )
        return None

    def keep_repayments(self, key: WalletKey, after: int, found: Iterable[Repayment]) -> None:
        """Repayments of which something is open, from behind an entry on; those known stay as they are."""
        self.repaid_after[key] = after
        for repayment in found:
            self.repayments.setdefault((*key, repayment.seq), repayment)

    def repayments_after(self, key: WalletKey, seq: int) -> list[Repayment]:
        """The wallet's repayments behind an entry, the oldest first: what was loaded, and this batch's."""
        known = self.repayments | self.changes.repayments
        return [known[place] for place in sorted(known) if place[:2] == key and place[2] > seq]

    def forget_spans(self, customer: Id, *names: str) -> None:
        """More was used than was loaded, by events of these names: whoever wants to know asks again."""
        for span in [each for each in self.spans if each.customer == customer]:
            if span.measure.event_name in names:
                del self.spans[span]

    def knows_due(self, key: WalletKey, at: Instant) -> bool:
        """Whether all of the wallet that is due by ``at``, and what comes after it, is loaded."""
        return key in self.changes.new_wallets or at <= self.due_until.get(key, -1)


class Wanted(msgspec.Struct, kw_only=True):
    """What ``needs`` asks a store to load. Empty when nothing is missing.

    A wallet comes with its first grants in burn-down order; ``wallets_longer`` asks for more of them,
    ``entitlements_locked``, ``customers_locked`` and ``meters_locked``, of loaded catalogs, for what is to be
    changed, as it is,
    ``wallets_due`` for every grant and hold due by an instant and the next ones after it, for every live
    schedule with its open grants, and for every document that stands with the wallet.
    """

    names: set[Name] = set()
    customers: set[Id] = set()
    clocks: set[Id] = set()
    entitlements: set[Id] = set()
    wallets: set[WalletKey] = set()
    wallets_due: dict[WalletKey, Instant] = {}
    wallets_longer: set[WalletKey] = set()
    wallets_late: dict[WalletKey, Instant] = {}
    customer_wallets: set[Id] = set()
    grants: set[Id] = set()
    holds: set[Id] = set()
    schedules: set[Id] = set()
    alerts: set[Id] = set()
    documents: set[Id] = set()
    top_ups: set[Id] = set()
    top_up_requests: set[Id] = set()
    entitlements_locked: set[Id] = set()
    customers_locked: set[Id] = set()
    keys: set[KeyPlace] = set()
    claims: set[Name] = set()
    debits: set[Id] = set()
    repayments: dict[WalletKey, int] = {}
    catalogs: set[Id] = set()
    meters_locked: set[Id] = set()
    event_ids: set[EventName] = set()
    events: set[Id] = set()
    latest_events: set[Id] = set()
    attached: set[Id] = set()
    counts: set[CountKey] = set()
    values: set[ValueKey] = set()
    spans: set[Span] = set()

    def __bool__(self) -> bool:
        return bool(
            self.names
            or self.customers
            or self.clocks
            or self.entitlements
            or self.wallets
            or self.wallets_due
            or self.wallets_longer
            or self.wallets_late
            or self.customer_wallets
            or self.grants
            or self.holds
            or self.schedules
            or self.alerts
            or self.documents
            or self.top_ups
            or self.top_up_requests
            or self.entitlements_locked
            or self.customers_locked
            or self.keys
            or self.claims
            or self.debits
            or self.repayments
            or self.catalogs
            or self.meters_locked
            or self.event_ids
            or self.events
            or self.latest_events
            or self.attached
            or self.counts
            or self.values
            or self.spans
        )
