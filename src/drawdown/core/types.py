"""The records of the ledger: what exists, in the words of ``docs/glossary.md``.

Units are whole numbers at the entitlement's scale, instants are microseconds since the Unix epoch
in UTC, ids are the 16 bytes of a UUIDv7 (``identity``).
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, NewType

import msgspec

if TYPE_CHECKING:
    from drawdown.core.schedules.terms import Rollover

Id = NewType("Id", bytes)
Units = NewType("Units", int)
Instant = NewType("Instant", int)

MetadataValue = str | int | float | bool
Metadata = dict[str, MetadataValue]
#: What one dialect keeps beside an object and the ledger never reads, by the dialect's name.
Profiles = dict[str, dict[str, Any]]
#: What a debit or hold is for: ``{"model": "gpt-4o"}``.
Attributes = dict[str, str]
#: What a grant may pay for: ``{"model": ("gpt-4o", "o3")}``. All attributes must match, any of the values.
Scope = dict[str, tuple[str, ...]]
#: How an object is named from outside: a generated id, or the operator's own id or code.
Reference = Id | str

UNITS_MAX = 2**63 - 1
GRANTS_OPEN_MAX = 10_000
HOLDS_OPEN_MAX = 10_000
PRIORITY_MAX = 100
PRIORITY_DEFAULT = 50
MICROSECONDS = 1_000_000
DAY = 86_400 * MICROSECONDS
HOLD_MAX = DAY
HOLD_DEFAULT = 15 * 60 * MICROSECONDS


class Category(StrEnum):
    """Whether somebody paid for a grant. Promotional credit burns before paid credit."""

    PAID = "paid"
    PROMOTIONAL = "promotional"


class BurnOrder(StrEnum):
    """Which of a wallet's grants is drawn first, after priority (``burn``)."""

    SOONEST_EXPIRY = "soonest_expiry"
    OLDEST_FIRST = "oldest_first"


class Shortfall(StrEnum):
    """What becomes of metered usage that the credit does not cover. The event is kept in any case.

    ``refuse``: nothing is drawn for it. ``cap``: what there is, is. ``overage``: what there is, and the
    rest as overage, as far as the entitlement allows it.
    """

    REFUSE = "refuse"
    CAP = "cap"
    OVERAGE = "overage"


class GrantState(StrEnum):
    """Where a grant is in its life (``lifecycle.state_of``)."""

    PENDING = "pending"
    ACTIVE = "active"
    DEPLETED = "depleted"
    EXPIRED = "expired"
    VOIDED = "voided"


class EntryKind(StrEnum):
    """What an entry did to its grant. Each kind moves between two fixed accounts (``fold``)."""

    GRANTED = "granted"
    ACTIVATED = "activated"
    DEBITED = "debited"
    REVERSED = "reversed"
    EXPIRED = "expired"
    VOIDED = "voided"
    HELD = "held"
    RELEASED = "released"
    CAPTURED = "captured"
    OVERAGE_CHARGED = "overage_charged"
    OVERAGE_REVERSED = "overage_reversed"
    OVERAGE_REPAID = "overage_repaid"
    OVERAGE_FORGIVEN = "overage_forgiven"
    OVERAGE_INVOICED = "overage_invoiced"
    ROLLED_OUT = "rolled_out"
    ROLLED_IN = "rolled_in"
    FORFEITED = "forfeited"
    RESTORED = "restored"


#: The kinds of entry that use credit up, and the kinds of operation that do: what can be reversed. Of usage
#: that is so where it cost something.
DRAWS = frozenset({EntryKind.DEBITED, EntryKind.CAPTURED})
#: What a debit consists of: what it drew, and what it went past zero.
USES = DRAWS | {EntryKind.OVERAGE_CHARGED}
#: The kinds of entry that move overage and no grant: they carry ``NOTHING`` for its id.
WITHOUT_GRANT = frozenset(
    {
        EntryKind.OVERAGE_CHARGED,
        EntryKind.OVERAGE_REVERSED,
        EntryKind.OVERAGE_FORGIVEN,
        EntryKind.OVERAGE_INVOICED,
    }
)
NOTHING = Id(bytes(16))
DEBITS = frozenset({"debit", "spend", "capture", "usage"})
#: What time does: whoever comes upon it records it, in some cases under an id that is the same for all.
OF_TIME = frozenset({"settle", "cycle", "play", "request_top_up", "expire_top_up", "cap_top_up"})
#: Operations of a book itself, which stands in the place of their customer.
OF_BOOK = frozenset(
    {
        "create_alert_for_all",
        "close_alert_for_all",
        "keep_book_documents",
        "entitlement",
        "amend_entitlement",
        "close_entitlement",
        "reopen_entitlement",
        "meter",
        "rate",
        "close_meter",
        "reopen_meter",
        "amend_meter",
        "close_rate",
        "test_clock",
        "advance_test_clock",
        "end_advance",
        "delete_test_clock",
    }
)


class OverageMode(StrEnum):
    """How far a wallet may be used past zero: not at all, up to a limit, or as far as it goes."""

    OFF = "off"
    LIMITED = "limited"
    UNLIMITED = "unlimited"


class OverageBehavior(StrEnum):
    """What becomes of overage: at a reset it is forgiven, taken to an invoice, or carried on.

    With ``carry_deficit_auto_repay`` it is also repaid by whatever credit becomes effective.
    """

    FORGIVE_AT_RESET = "forgive_at_reset"
    INVOICE_AT_BILLING = "invoice_at_billing"
    CARRY_DEFICIT = "carry_deficit"
    CARRY_DEFICIT_AUTO_REPAY = "carry_deficit_auto_repay"


class HoldState(StrEnum):
    """Where a hold is in its life. Every state but open is an end."""

    OPEN = "open"
    CAPTURED = "captured"
    RELEASED = "released"
    EXPIRED = "expired"


class Mode(StrEnum):
    """Which of an account's two books a key opens. They never see each other."""

    TEST = "test"
    LIVE = "live"


class Customer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Whose credits. ``own_id`` is the operator's name for it, unique among the book's customers.

    A customer on a ``test_clock`` is there for life: that clock's time is his.
    """

    id: Id
    book: Id
    created_at: Instant
    own_id: str | None = None
    name: str | None = None
    email: str | None = None
    metadata: Metadata = {}
    profiles: Profiles = {}
    closed_at: Instant | None = None
    test_clock: Id | None = None


class ClockStatus(StrEnum):
    """Whether all that comes due by a test clock's time has been played."""

    READY = "ready"
    ADVANCING = "advancing"


class TestClock(msgspec.Struct, frozen=True, kw_only=True):
    """What time it is for the customers on it, in a test book; it moves only when it is told to.

    ``target`` is where an advance under way is going. ``created_at`` and ``deleted_at`` are real time.
    """

    id: Id
    book: Id
    frozen_at: Instant
    created_at: Instant
    name: str | None = None
    target: Instant | None = None
    deleted_at: Instant | None = None

    @property
    def status(self) -> ClockStatus:
        return ClockStatus.READY if self.target is None else ClockStatus.ADVANCING


class UnitPrice(msgspec.Struct, frozen=True):
    """What one of an entitlement costs: an exact decimal in a currency (lower-case ISO 4217 code)."""

    amount: str
    currency: str


class Overage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The rule for usage past zero. ``limit``, in units, is given with the mode ``limited`` and only then."""

    mode: OverageMode = OverageMode.OFF
    limit: int | None = None
    behavior: OverageBehavior = OverageBehavior.FORGIVE_AT_RESET
    price_per_unit: UnitPrice | None = None


class AlertKind(StrEnum):
    """What an alert waits for (``watching.crossings``, and ``watching.usage_crossings`` for the last)."""

    AVAILABLE_BELOW = "available_below"
    USED_ABOVE = "used_above"
    DAYS_TO_EXPIRY = "days_to_expiry"
    DEPLETES_WITHIN = "depletes_within"
    METERED_ABOVE = "metered_above"


class AlertRule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An alert as it is looked at with every movement.

    Its threshold is ``amount``, in units, or ``percent`` of the credit that came last, or ``days``; which of
    them, the kind says. Of an alert on a meter the amount is a quantity, in steps of 10**-12.
    """

    alert: Id
    kind: AlertKind
    amount: int | None = None
    percent: int | None = None
    days: int | None = None
    name: str | None = None


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """An alert on one customer's credit of an entitlement, or on everybody's (``customer`` None).

    Or on what is used by a ``meter``: one of the two. It never changes, and is closed for good.
    """

    id: Id
    book: Id
    rule: AlertRule
    created_at: Instant
    entitlement: Id | None = None
    meter: Id | None = None
    customer: Id | None = None
    metadata: Metadata = {}
    closed_at: Instant | None = None

    @property
    def owner(self) -> Id:
        """In whose slot it lives."""
        return self.book if self.customer is None else self.customer


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """What a dialect keeps and the ledger never reads: ``body`` is JSON, of the dialect's own ``kind``.

    It belongs to a customer, or to nobody in particular: then ``owner`` is the book. ``revision`` counts its
    changes, from 1. With an ``entitlement`` it stands with the wallet of the two, and only its player changes
    it (``players``), among other times at ``due_at``.
    """

    id: Id
    book: Id
    owner: Id
    kind: str
    body: str
    created_at: Instant
    updated_at: Instant
    revision: int = 1
    deleted_at: Instant | None = None
    entitlement: Id | None = None
    due_at: Instant | None = None


class Entitlement(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of credit. ``scale`` (0-10) says how many decimal places one unit is kept at.

    ``alerts``: the live ones on everybody's credit of it.
    ``late_usage_grace``: for how many microseconds after it was used, usage may still be paid by what has
    expired since.
    """

    id: Id
    book: Id
    created_at: Instant
    updated_at: Instant
    code: str
    name: str
    unit: str
    scale: int
    burn_order: BurnOrder = BurnOrder.SOONEST_EXPIRY
    currency: str | None = None
    expires_after_days: int | None = None
    overage: Overage = Overage()
    profiles: Profiles = {}
    shortfall: Shortfall = Shortfall.REFUSE
    late_usage_grace: int = 0
    alerts: tuple[AlertRule, ...] = ()
    closed_at: Instant | None = None


class CostBasis(msgspec.Struct, frozen=True, gc=False):
    """What was paid for a whole grant: units at the scale of ``currency``'s entitlement.

    ``currency`` is a lower-case ISO 4217 code; None only for a promotional grant that names none.
    """

    amount: int
    currency: str | None


class Grant(msgspec.Struct, gc=False):
    """Credit with its own effective and expiry time.

    ``amount`` = ``remaining`` + ``used`` + ``expired`` + ``voided`` + ``rolled_over``, always. Active while
    ``effective_at <= now < expires_at`` and something remains. ``expires_at`` None: never. ``held`` is the
    part of ``remaining`` that holds have set aside; it outlives the grant's end until its hold ends.
    ``scope`` says which debits the grant may pay for (``burn.in_scope``); empty: any.
    ``pending`` says that its activation has not been recorded yet. ``drawn`` stays true once any
    debit has touched it, even when every debit was reversed. ``schedule`` made it; ``generation`` says how
    often its credit has been carried over. ``rollover`` is what is carried of it at ``expires_at``, by terms
    of its own.
    """

    id: Id
    customer: Id
    entitlement: Id
    amount: int
    remaining: int
    priority: int
    category: Category
    effective_at: Instant
    expires_at: Instant | None
    recorded_at: Instant
    created_at: Instant
    updated_at: Instant
    used: int = 0
    expired: int = 0
    voided: int = 0
    rolled_over: int = 0
    held: int = 0
    pending: bool = False
    drawn: bool = False
    scope: Scope = {}
    expired_at: Instant | None = None
    voided_at: Instant | None = None
    source: str = "api"
    parent: Id | None = None
    cost_basis: CostBasis | None = None
    name: str | None = None
    metadata: Metadata = {}
    profiles: Profiles = {}
    schedule: Id | None = None
    generation: int = 0
    rollover: Rollover | None = None

    @property
    def due_at(self) -> Instant | None:
        """The instant at which time alone changes this grant next; None when it never will."""
        if self.remaining == 0 or self.expired_at is not None:
            return None
        return self.effective_at if self.pending else self.expires_at

    @property
    def free(self) -> int:
        """What remains and is not held."""
        return self.remaining - self.held


class Slice(msgspec.Struct, frozen=True, gc=False):
    """What a hold has set aside of one grant."""

    grant: Id
    amount: int


class Hold(msgspec.Struct, kw_only=True):
    """Credit set aside for work in progress. ``slices`` name its grants, in burn-down order.

    ``amount`` was set aside at first, ``held`` still is (the sum of ``slices``), ``captured`` became debits
    and may exceed ``amount``. ``expires_at`` None: it stands until somebody ends it.
    """

    id: Id
    customer: Id
    entitlement: Id
    amount: int
    held: int
    slices: tuple[Slice, ...]
    created_at: Instant
    recorded_at: Instant
    expires_at: Instant | None
    captured: int = 0
    state: HoldState = HoldState.OPEN
    ended_at: Instant | None = None
    attributes: Attributes = {}
    metadata: Metadata = {}

    @property
    def due_at(self) -> Instant | None:
        """The instant at which the hold ends by itself; None when it has ended, or never does."""
        return self.expires_at if self.state is HoldState.OPEN else None


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """One customer's credit of one entitlement at ``as_of``, in units at ``scale``.

    ``posted`` includes what is ``held``; ``available`` is what a debit could draw now. ``seq`` counts
    the wallet's entries; two reads with one ``seq`` and no due grant between them are equal.
    """

    customer: Id
    entitlement: Id
    scale: int
    posted: int = 0
    held: int = 0
    pending: int = 0
    overage: int = 0
    granted: int = 0
    used: int = 0
    expired: int = 0
    voided: int = 0
    seq: int = 0
    as_of: Instant = Instant(0)
    created_at: Instant | None = None
    last_at: Instant | None = None

    @property
    def available(self) -> int:
        return self.posted - self.held


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One movement of one grant, or of overage, in one operation; never changed once written.

    ``amount`` is positive, ``kind`` gives the direction. ``seq`` counts the wallet's entries from 1
    without a gap. ``grant_before``/``grant_after`` are the grant's remaining credit, pending included.
    An entry that moves overage alone has the grant ``NOTHING``, whose credit is 0.
    ``at`` is when it took effect for the customer, ``recorded_at`` when it was written.
    ``order_key`` says, for a draw, why this grant was chosen (``burn.order_key``).
    """

    customer: Id
    entitlement: Id
    operation: Id
    ordinal: int
    seq: int
    grant: Id
    kind: EntryKind
    amount: int
    posted_before: int
    posted_after: int
    held_before: int
    held_after: int
    overage_before: int
    overage_after: int
    grant_before: int
    grant_after: int
    at: Instant
    recorded_at: Instant
    hash: bytes = b""
    order_key: str | None = None


class Operation(msgspec.Struct, gc=False):
    """One accepted command of one customer. ``facts`` is the command as JSON, free of any dialect.

    What makes an entitlement is nobody's: its ``customer`` is the book.

    ``changed`` is what it changed beside credit, as JSON: ``{field: [old, new]}``.
    ``namespace`` and ``key`` are the ledger key it was asked under, if any; ``status`` and ``answer``
    what the asker got, so that asking again gets the same. ``subject`` is the grant, hold or debit it names.
    ``entitlement`` is None where it moved several of the customer's wallets.
    """

    id: Id
    customer: Id
    entitlement: Id | None
    kind: str
    at: Instant
    recorded_at: Instant
    facts: bytes
    subject: Id | None = None
    changed: bytes = b""
    namespace: str | None = None
    key: str | None = None
    status: int = 0
    answer: bytes = b""
