"""Subscriptions and invoices, as the documents that stand for them say it.

Amounts of money are whole minor units of the subscription's currency (cents); what credit pays is in units
of the currency's entitlement, of which a minor unit has ``step``. ``profile`` is what a dialect keeps beside,
and nothing here reads. Ids inside a document are in hexadecimal.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from drawdown.core import currencies
from drawdown.core.schedules.calendar import Every
from drawdown.core.types import Attributes, Id, Instant
from drawdown.core.usage import rating
from drawdown.core.usage.meters import Measure

SUBSCRIPTION, INVOICE = "billing.subscription", "billing.invoice"
#: The attribute of a grant's scope that names prices.
PRICE = "price"
ITEMS_MAX = 20
#: So many lines of one subscription may wait for its next invoice.
PENDING_MAX = 50

Profile = dict[str, Any]


class SubscriptionStatus(StrEnum):
    """Where a subscription is in its life. Past due: one of its invoices is overdue."""

    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"
    CANCELED = "canceled"


class InvoiceStatus(StrEnum):
    """Where an invoice is in its life. From draft it becomes open, or paid where nothing is due."""

    DRAFT = "draft"
    OPEN = "open"
    PAID = "paid"
    VOID = "void"
    UNCOLLECTIBLE = "uncollectible"


class Reason(StrEnum):
    """Why there is an invoice: a subscription was made, its period ended, or it was ended or changed."""

    CREATE = "create"
    CYCLE = "cycle"
    CANCEL = "cancel"
    UPDATE = "update"


class Outcome(StrEnum):
    """What becomes of an invoice that is drawn up while nothing is collected.

    It stays a draft, or is final in its time and given up at once, or void at once and takes no credit.
    """

    KEEP = "keep"
    GIVE_UP = "give_up"
    VOID = "void"


class Pause(msgspec.Struct, frozen=True):
    """Invoices are made, and nothing is collected by them, up to an instant or until somebody says so."""

    outcome: Outcome
    until: Instant | None = None


class Metered(msgspec.Struct, frozen=True, kw_only=True):
    """What an item counts."""

    meter: str
    measure: Measure


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One price of a subscription. ``name`` is what grants call the price in their scope.

    ``rate`` is in minor units. ``metered`` None: it is licensed, ``quantity`` of it for each period ahead.
    ``since``: it counts what was used from then on; None: from the beginning.
    """

    id: str
    name: str
    rate: rating.Price
    metered: Metered | None = None
    quantity: int = 1
    since: Instant | None = None
    profile: Profile = {}


class Applied(msgspec.Struct, frozen=True, array_like=True):
    """What one grant paid of a line, in units, and which entry of which operation drew it."""

    grant: str
    units: int
    operation: str
    ordinal: int


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One item over a time. ``quantity`` is in steps of 10**-12, ``amount`` is what it costs, rounded once.

    ``proration``: a part of a period that was charged ahead, less than nothing where it is given back.
    ``paid_at_once``: what of the cost was drawn as the usage came, in units; the amount is without it.
    ``hold`` is what a draft has set aside for it, ``held`` how much by which grant. ``returned``: by which
    entry of which operation each of ``applied`` went back, once the invoice is void.
    """

    id: str
    item: Item
    quantity: int
    amount: int
    start: Instant
    end: Instant
    proration: bool = False
    paid_at_once: int = 0
    hold: str | None = None
    held: tuple[tuple[str, int], ...] = ()
    applied: tuple[Applied, ...] = ()
    returned: tuple[tuple[str, int], ...] = ()


class Subscription(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a customer is charged for, period by period, counted from ``anchor`` in UTC.

    The running period is from ``period_start`` up to ``period_end``. ``cancel_at`` is when it ends at the
    latest, ``period_end`` where it ends with that. ``invoice`` is the one that was made last. ``pending`` are
    lines that wait for the next, the newest first; what has a meter is counted then. ``carried`` is what
    earlier invoices came to below nothing, which later ones are less by. ``due_days``: within how many days
    each is to be paid; None: nobody says. ``upcoming_at`` is when the next will be told; None: it has been,
    or never is. ``overdue`` is the invoice for which it is past due.
    """

    currency: str
    items: tuple[Item, ...]
    every: Every
    anchor: Instant
    started_at: Instant
    period_start: Instant
    period_end: Instant
    status: SubscriptionStatus = SubscriptionStatus.ACTIVE
    trial_end: Instant | None = None
    cancel_at_period_end: bool = False
    cancel_at: Instant | None = None
    canceled_at: Instant | None = None
    ended_at: Instant | None = None
    invoice: str | None = None
    pending: tuple[Line, ...] = ()
    carried: int = 0
    pause: Pause | None = None
    due_days: int | None = None
    upcoming_at: Instant | None = None
    overdue: str | None = None
    profile: Profile = {}
    invoice_profile: Profile = {}


class Invoice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a subscription's period costs. ``period_end`` decides which grants may pay for its lines.

    ``carried``: by how much earlier invoices came to less than nothing. ``notice_at`` is when it is told next
    that an open one will be due, or is overdue; it stands with the wallet until then.
    """

    subscription: str
    currency: str
    reason: Reason
    period_start: Instant
    period_end: Instant
    lines: tuple[Line, ...]
    outcome: Outcome | None = None
    number: str | None = None
    status: InvoiceStatus = InvoiceStatus.DRAFT
    finalizes_at: Instant | None = None
    finalized_at: Instant | None = None
    paid_at: Instant | None = None
    voided_at: Instant | None = None
    uncollectible_at: Instant | None = None
    paid_out_of_band: bool = False
    carried: int = 0
    due_days: int | None = None
    due_at: Instant | None = None
    notice_at: Instant | None = None
    profile: Profile = {}

    @property
    def subtotal(self) -> int:
        return sum(line.amount for line in self.lines)

    @property
    def credits(self) -> int:
        """What credit pays, in minor units: what was drawn, of a draft what is set aside."""
        return sum(credits_of(line) for line in self.lines) // step_of(self.currency)

    @property
    def total(self) -> int:
        return self.subtotal - self.credits

    @property
    def due(self) -> int:
        return max(self.total - self.carried, 0)

    @property
    def left(self) -> int:
        """What it came to below nothing, for later invoices."""
        return max(self.carried - self.total, 0)


def credits_of(line: Line) -> int:
    """What grants pay of a line, or would as things stand, in units: always whole minor units."""
    return sum(each.units for each in line.applied) or sum(units for _, units in line.held)


def step_of(currency: str) -> int:
    """How many units of its entitlement a currency's minor unit has."""
    step: int = 10 ** (currencies.scale_of(currency) - currencies.MINOR_PLACES[currency])
    return step


def attributes_of(line: Line) -> Attributes:
    return {PRICE: line.item.name}


def hexed(identifier: bytes) -> str:
    return identifier.hex()


def unhexed(text: str) -> Id:
    return Id(bytes.fromhex(text))


subscription_of = msgspec.json.Decoder(Subscription).decode
invoice_of = msgspec.json.Decoder(Invoice).decode
_encode = msgspec.json.Encoder().encode


def body_of(record: Subscription | Invoice) -> str:
    return _encode(record).decode()
