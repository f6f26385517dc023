"""What the server answers, as values. Amounts are exact decimals, times aware and in UTC.

Words such as ``state`` or ``kind`` are texts and unknown fields are ignored, so that a server that
is newer than this client is understood.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar

from msgspec import Struct, field

Metadata = dict[str, str | int | float | bool]
Item = TypeVar("Item")


class Record(Struct, frozen=True, kw_only=True):
    """An answer, or a part of one."""


class Written(Record, frozen=True, kw_only=True):
    """The answer to a write. ``replayed``: the key had been used, and nothing was done again."""

    replayed: bool = False


class Page(Record, Generic[Item], frozen=True, kw_only=True):
    """``next`` asks for the page after this one; None on the last."""

    data: list[Item]
    next: str | None = None


class Customer(Written, frozen=True, kw_only=True):
    """``id`` is your own where you gave one."""

    id: str
    name: str | None
    email: str | None
    metadata: Metadata
    test_clock: str | None
    created_at: datetime
    closed_at: datetime | None


class ClockProgress(Record, frozen=True, kw_only=True):
    """Of ``total`` wallets ``done`` have nothing more to be played; before ``at`` nothing is left in any."""

    done: int
    total: int
    at: datetime


class Cycle(Record, frozen=True, kw_only=True):
    """So many days, weeks, months or years."""

    unit: str
    count: int


class Trial(Record, frozen=True, kw_only=True):
    amount: Decimal
    ends_at: datetime
    expires: bool


class Rollover(Record, frozen=True, kw_only=True):
    """What of a cycle's credit is carried into the next, or of a grant's at its end."""

    percentage: int
    generations_max: int | None
    timeframe: Cycle | None
    minimum: Decimal | None
    maximum: Decimal | None


class Schedule(Written, frozen=True, kw_only=True):
    """A grant that recurs. ``cycle`` is the number of the one that runs, ``next_at`` when another begins.

    ``state``: active, paused, cancelled or ended. ``available``: in answers to writes only.
    """

    id: str
    customer: str
    entitlement: str
    state: str
    amount: Decimal
    next_amount: Decimal
    every: Cycle
    anchor: datetime
    zone: str
    starts_at: datetime
    ends_at: datetime | None
    trial: Trial | None
    expires: str
    expires_after_days: int | None
    rollover: Rollover | None
    overage: Overage | None
    priority: int
    category: str
    cost_basis: CostBasis | None
    name: str | None
    scope: dict[str, list[str]]
    metadata: Metadata
    cycle: int | None
    cycle_started_at: datetime | None
    next_at: datetime | None
    created_at: datetime
    updated_at: datetime
    ended_at: datetime | None
    available: Decimal | None = None


class Cap(Record, frozen=True, kw_only=True):
    """The most that is asked for in each day, week (from Monday) or month, in UTC."""

    amount: Decimal
    per: str


class TopUp(Written, frozen=True, kw_only=True):
    """When credit falls to ``threshold``, ``amount`` is asked for, or what lacks to ``target``.

    ``state``: active, stopped (no ``attempts_left``) or closed. ``request`` is in flight.
    """

    id: str
    customer: str
    entitlement: str
    state: str
    threshold: Decimal
    amount: Decimal | None
    target: Decimal | None
    cap: Cap | None
    cap_left: Decimal | None
    cool_down_seconds: int
    answer_within_seconds: int
    attempts_max: int
    attempts_left: int
    price_per_unit: UnitPrice | None
    priority: int | None
    expires_after_days: int | None
    name: str | None
    metadata: Metadata
    request: str | None
    created_at: datetime
    closed_at: datetime | None


class TopUpRequest(Written, frozen=True, kw_only=True):
    """That somebody take a payment. ``state``: open, confirmed, failed or expired.

    ``cost_basis`` is what is to be paid, where that is known; ``grant`` what was given for it.
    """

    id: str
    top_up: str
    customer: str
    entitlement: str
    state: str
    amount: Decimal
    available: Decimal
    cost_basis: CostBasis | None
    requested_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    reference: str | None
    reason: str | None
    grant: str | None


class Alert(Written, frozen=True, kw_only=True):
    """It tells when a line is crossed. ``customer`` None: on everybody's credit. ``state``: active or closed.

    It is on credit of an ``entitlement``, or on what is used by a ``meter``. Of ``amount``, ``percent`` and
    ``days`` one is the line; which, the ``kind`` says.
    """

    id: str
    customer: str | None
    entitlement: str | None
    meter: str | None
    kind: str
    amount: Decimal | None
    percent: int | None
    days: int | None
    name: str | None
    metadata: Metadata
    state: str
    created_at: datetime
    closed_at: datetime | None


class Clock(Written, frozen=True, kw_only=True):
    """A test clock. ``status`` is ready or advancing; ``target`` and ``progress`` are of an advance."""

    id: str
    name: str | None
    status: str
    frozen_at: datetime
    target: datetime | None
    progress: ClockProgress | None
    created_at: datetime


class DeletedClock(Record, frozen=True, kw_only=True):
    id: str
    deleted: bool


class UnitPrice(Record, frozen=True, kw_only=True):
    """What one of an entitlement costs in a currency."""

    amount: Decimal
    currency: str


class Overage(Record, frozen=True, kw_only=True):
    """The rule for usage past zero. ``mode``: off, limited (up to ``limit``) or unlimited."""

    mode: str
    limit: Decimal | None
    behavior: str
    price_per_unit: UnitPrice | None


class Entitlement(Written, frozen=True, kw_only=True):
    """What credit is counted in. ``scale``: how many decimal places are kept."""

    id: str
    code: str
    name: str
    unit: str
    scale: int
    burn_order: str
    currency: str | None
    expires_after_days: int | None
    shortfall: str
    late_usage_grace: int
    overage: Overage
    created_at: datetime
    updated_at: datetime
    closed_at: datetime | None


class Meter(Written, frozen=True, kw_only=True):
    """What usage events are counted by."""

    id: str
    code: str
    name: str
    event_name: str
    aggregation: str
    property: str | None
    filter: dict[str, Any] | None
    group_by: list[str]
    case_sensitive: bool
    debits: str
    created_at: datetime
    closed_at: datetime | None = None


class RatePeriod(Record, frozen=True, kw_only=True):
    """Over what usage is summed up; ``unit`` None: for ever. ``cycle``: a schedule's, if there is one."""

    unit: str | None
    zone: str
    cycle: bool = False


class Rate(Written, frozen=True, kw_only=True):
    """What a meter costs, in credit of which entitlement."""

    id: str
    meter: str
    entitlement: str
    price: dict[str, Any]
    period: RatePeriod
    created_at: datetime
    customers: str = "all"
    closed_at: datetime | None = None


class RateAttachment(Written, frozen=True, kw_only=True):
    """Whether a rate charges a customer because it is attached to them."""

    rate: str
    customer: str
    attached: bool


class UsageCharge(Record, frozen=True, kw_only=True):
    """``amount`` = ``drawn`` + ``overage`` + ``uncovered``: what could not be paid."""

    meter: str
    rate: str
    entitlement: str
    amount: Decimal
    drawn: Decimal
    overage: Decimal
    uncovered: Decimal


class UsageEvent(Written, frozen=True, kw_only=True):
    """Usage as it was sent, and what it cost. ``debit`` is what it drew, if it drew anything."""

    id: str
    customer: str
    name: str
    time: datetime
    recorded_at: datetime
    properties: dict[str, Any]
    charges: list[UsageCharge]
    debit: str | None = None
    overridden: bool = False


class CostBasis(Record, frozen=True, kw_only=True):
    """What was paid for all of a grant."""

    amount: Decimal
    currency: str | None


class Grant(Written, frozen=True, kw_only=True):
    """``amount`` = ``remaining`` + ``used`` + ``expired`` + ``voided`` + ``rolled_over``; ``held`` is a
    part of ``remaining``. ``state``: pending, active, depleted, expired or voided. ``schedule`` gave it;
    ``parent`` is the grant it was carried over from, ``generation`` how often its credit was, ``rollover``
    what is carried of it as it expires."""

    id: str
    customer: str
    entitlement: str
    name: str
    state: str
    amount: Decimal
    remaining: Decimal
    held: Decimal
    used: Decimal
    expired: Decimal
    voided: Decimal
    rolled_over: Decimal
    priority: int
    category: str
    scope: dict[str, list[str]]
    effective_at: datetime
    expires_at: datetime | None
    cost_basis: CostBasis | None
    metadata: Metadata
    created_at: datetime
    updated_at: datetime
    voided_at: datetime | None
    schedule: str | None
    parent: str | None
    generation: int
    rollover: Rollover | None


class Adjustment(Written, frozen=True, kw_only=True):
    """A grant moved ``up`` or ``down`` by hand; ``available`` is the wallet's right after."""

    id: str
    grant: Grant
    direction: str
    amount: Decimal
    available: Decimal


class OrderKey(Record, frozen=True, kw_only=True):
    """What placed a grant in the burn-down order."""

    priority: int
    expires_at: datetime | None
    category: str
    effective_at: datetime
    recorded_at: datetime


class Draw(Record, frozen=True, kw_only=True):
    """How much came from which grant, and why from it."""

    grant: str
    amount: Decimal
    order_key: OrderKey


class Slice(Record, frozen=True, kw_only=True):
    """What a hold still sets aside of one grant."""

    grant: str
    amount: Decimal


class Hold(Written, frozen=True, kw_only=True):
    """``state``: open, captured, released or expired. ``held`` is what is still set aside.

    ``available`` is the wallet's, right after a write; None when the hold was only read.
    """

    id: str
    customer: str
    entitlement: str
    state: str
    amount: Decimal
    held: Decimal
    captured: Decimal
    slices: list[Slice]
    attributes: dict[str, str]
    metadata: Metadata
    created_at: datetime
    expires_at: datetime | None
    ended_at: datetime | None
    available: Decimal | None = None


class SpendPart(Record, frozen=True, kw_only=True):
    """What one wallet paid of a spend: ``quantity`` of it, for ``amount`` of the wallet's credit.

    Of usage that drew on several wallets there is no quantity.

    ``overage_charged`` is what of the amount went past zero, if something did.
    """

    entitlement: str
    amount: Decimal
    draws: list[Draw]
    available: Decimal
    quantity: Decimal | None = None
    overage_charged: Decimal | None = None
    reversed: Decimal | None = None


class AnyDebit(Written, frozen=True, kw_only=True):
    """A debit as it is read again, whatever made it; ``reversed`` is how much was returned since.

    ``overage_charged`` is what of the amount went past zero, if something did; ``overage`` is the wallet's
    right after it. A capture has its ``hold``. A spend has ``parts``, and None for what is counted in one
    wallet.
    """

    id: str
    customer: str
    entitlement: str | None
    amount: Decimal | None
    draws: list[Draw]
    available: Decimal | None
    overage: Decimal | None
    overage_charged: Decimal | None = None
    at: datetime
    attributes: dict[str, str]
    metadata: Metadata
    occurred_at: datetime | None = None
    reversed: Decimal | None = None
    hold: Hold | None = None
    parts: list[SpendPart] | None = None


class Debit(AnyDebit, frozen=True, kw_only=True):
    """A debit that was just made; ``available`` is what was left right after it."""

    entitlement: str
    amount: Decimal
    available: Decimal
    overage: Decimal


class Capture(Debit, frozen=True, kw_only=True):
    """A debit that a hold paid for, and the hold after it."""

    hold: Hold


class Spend(Written, frozen=True, kw_only=True):
    """``quantity`` = ``spent`` + ``unpaid``; the parts are in the order of the wallets."""

    id: str
    customer: str
    quantity: Decimal
    spent: Decimal
    unpaid: Decimal
    parts: list[SpendPart]
    at: datetime
    attributes: dict[str, str]
    metadata: Metadata
    occurred_at: datetime | None = None


class Return(Record, frozen=True, kw_only=True):
    """How much went back to which grant."""

    grant: str
    amount: Decimal


class ReversalPart(Record, frozen=True, kw_only=True):
    """What one wallet got back of a spend."""

    entitlement: str
    amount: Decimal
    returns: list[Return]
    available: Decimal
    overage_reversed: Decimal | None = None


class Reversal(Written, frozen=True, kw_only=True):
    """``available`` is what was left right after it.

    Where a spend went back to several wallets there are ``parts``, and None for what is counted in one.
    """

    id: str
    debit: str
    entitlement: str | None
    amount: Decimal | None
    returns: list[Return]
    available: Decimal | None
    overage_reversed: Decimal | None = None
    parts: list[ReversalPart] | None = None


class Balance(Record, frozen=True, kw_only=True):
    """``posted`` = ``held`` + ``available``; ``pending`` is not in it."""

    customer: str
    entitlement: str
    scale: int
    posted: Decimal
    held: Decimal
    available: Decimal
    pending: Decimal
    overage: Decimal
    granted: Decimal
    used: Decimal
    expired: Decimal
    voided: Decimal
    as_of: datetime
    seq: int


class Segment(Record, frozen=True, kw_only=True):
    """A time in which a balance did not change: ``start`` <= t < ``end``."""

    start: datetime = field(name="from")
    end: datetime = field(name="to")
    posted: Decimal
    held: Decimal
    available: Decimal
    pending: Decimal
    overage: Decimal


class RecentUsage(Record, frozen=True, kw_only=True):
    """What was used from ``since`` on. ``per_day`` is not rounded up."""

    since: datetime
    used: Decimal
    per_day: Decimal


class Expiring(Record, frozen=True, kw_only=True):
    """What of a grant will come to its end unused."""

    grant: str
    amount: Decimal
    at: datetime


class Point(Record, frozen=True, kw_only=True):
    """How a balance will stand at an instant."""

    at: datetime
    available: Decimal
    posted: Decimal
    held: Decimal
    pending: Decimal
    overage: Decimal


class Forecast(Record, frozen=True, kw_only=True):
    """``depletes_at``: from when nothing is available; None: ``reason`` says why, a word.

    ``shortfall`` is the use up to ``until`` that nothing will pay. ``expiring`` has the first hundred losses,
    ``expires_unused`` is the sum of all. ``points`` are a day apart.
    """

    customer: str
    entitlement: str
    as_of: datetime
    until: datetime
    usage: RecentUsage
    available: Decimal
    depletes_at: datetime | None
    reason: str | None
    shortfall: Decimal
    expires_unused: Decimal
    expiring: list[Expiring]
    points: list[Point]


class CategoryDrawn(Record, frozen=True, kw_only=True):
    """``cost`` is what was paid for it; of ``without_cost`` nobody knows. Below zero: more came back."""

    category: str
    drawn: Decimal
    cost: list[CostBasis]
    without_cost: Decimal


class Figures(Record, frozen=True, kw_only=True):
    """What came of past usage. ``available`` and ``owed``, the open overage, are as of the end."""

    drawn: Decimal
    categories: list[CategoryDrawn]
    expired: Decimal
    rolled_over: Decimal
    overage: Decimal
    shortfall: Decimal
    available: Decimal
    owed: Decimal


class DrawnGrant(Record, frozen=True, kw_only=True):
    """What of a grant; below zero where it came back."""

    grant: str
    amount: Decimal


class Effect(Record, frozen=True, kw_only=True):
    """What came of one operation. ``refused`` is the code of a refusal."""

    drawn: list[DrawnGrant]
    overage: Decimal
    uncovered: Decimal
    expired: Decimal
    rolled_over: Decimal
    refused: str | None


class Difference(Record, frozen=True, kw_only=True):
    """What would have ended otherwise. ``operation`` None: time did it, to ``grant``."""

    customer: str
    operation: str | None
    grant: str | None
    kind: str
    at: datetime
    cause: str
    because: str
    before: Effect
    after: Effect


class CustomerDryRun(Record, frozen=True, kw_only=True):
    """``differences`` are the first twenty of ``different``."""

    customer: str
    operations: int
    before: Figures
    after: Figures
    different: int
    differences: list[Difference]


class SkippedCustomer(Record, frozen=True, kw_only=True):
    """Of whom nothing is said: ``reason`` is ``too_long`` or ``not_reproducible``."""

    customer: str
    reason: str


class DryRun(Record, frozen=True, kw_only=True):
    """What another rule would have made of past usage. ``before`` and ``after`` are sums over ``data``.

    ``next``: what to give as ``after`` for the customers that follow; None: there are no more.
    """

    entitlement: str
    start: datetime = field(name="from")
    end: datetime | None = field(name="to")
    before: Figures
    after: Figures
    data: list[CustomerDryRun]
    skipped: list[SkippedCustomer]
    next: str | None


class OverageReset(Written, frozen=True, kw_only=True):
    """``amount`` was forgiven or taken to an invoice, as ``behavior`` says; ``overage`` is what is left."""

    id: str
    customer: str
    entitlement: str
    behavior: str
    amount: Decimal
    price_per_unit: UnitPrice | None
    overage: Decimal
    available: Decimal
    at: datetime


class Entry(Record, frozen=True, kw_only=True):
    """One movement of one grant. ``seq`` counts the wallet's entries; ``hash`` chains them."""

    operation: str
    ordinal: int
    seq: int
    customer: str
    entitlement: str
    grant: str | None
    kind: str
    amount: Decimal
    posted_before: Decimal
    posted_after: Decimal
    held_before: Decimal
    held_after: Decimal
    overage_before: Decimal
    overage_after: Decimal
    grant_before: Decimal
    grant_after: Decimal
    at: datetime
    recorded_at: datetime
    hash: str


class ExplainedDraw(Record, frozen=True, kw_only=True):
    """A draw, and in words why this grant came when it did; ``reason`` follows "because"."""

    grant: str
    name: str
    entitlement: str
    amount: Decimal
    order_key: OrderKey | None
    reason: str


class LaterGrant(Record, frozen=True, kw_only=True):
    """A grant that could have paid and was not needed.

    ``decided_by`` names what placed it later: in it, ``own_key`` comes after ``drawn_key``.
    """

    grant: str
    name: str
    entitlement: str
    available: Decimal
    order_key: OrderKey
    decided_by: str
    drawn_key: str | int | None
    own_key: str | int | None
    reason: str


class IneligibleGrant(Record, frozen=True, kw_only=True):
    """A grant that could not pay; ``detail`` follows "because"."""

    grant: str
    name: str
    entitlement: str
    reason: str
    detail: str


class ExplainedOverage(Record, frozen=True, kw_only=True):
    """What went past zero in a wallet; ``reason`` follows "because"."""

    entitlement: str
    amount: Decimal
    reason: str


class Explanation(Record, frozen=True, kw_only=True):
    """Why a debit drew on the grants it drew on; ``sentence`` says it for people."""

    debit: str
    sentence: str
    draws: list[ExplainedDraw]
    later: list[LaterGrant]
    ineligible: list[IneligibleGrant]
    overage: list[ExplainedOverage]


class Key(Record, frozen=True, kw_only=True):
    """An API key, without its secret."""

    id: str
    mode: str
    role: str
    name: str | None
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class NewKey(Key, frozen=True, kw_only=True):
    """The secret is answered this once, and left out when the record is printed."""

    secret: str

    def __repr__(self) -> str:
        return f"NewKey(id={self.id!r}, mode={self.mode!r}, role={self.role!r}, name={self.name!r})"


class BalanceAfter(Record, frozen=True, kw_only=True):
    """A wallet right after what an event tells of."""

    entitlement: str
    posted: Decimal
    held: Decimal
    available: Decimal
    overage: Decimal
    seq: int


class Event(Record, frozen=True, kw_only=True):
    """What happened. ``data`` depends on ``type``."""

    id: str
    type: str
    created_at: datetime
    recorded_at: datetime
    operation: str
    customer: str | None
    data: dict[str, Any]
    balances: list[BalanceAfter]


class EventsPage(Record, frozen=True, kw_only=True):
    """Oldest first. ``next`` asks for what follows, always; ``has_more``: something is known to."""

    data: list[Event]
    next: str
    has_more: bool


class WebhookEndpoint(Record, frozen=True, kw_only=True):
    """``disabled_for``: request, failing or gone."""

    id: str
    url: str
    format: str
    description: str | None
    types: list[str]
    customer: str | None
    ordered: bool
    enabled: bool
    disabled_for: str | None
    failing_since: datetime | None
    metadata: Metadata
    created_at: datetime
    updated_at: datetime


class NewWebhookEndpoint(WebhookEndpoint, frozen=True, kw_only=True):
    """With the secret, which is answered this once."""

    secret: str


class RotatedSecret(Record, frozen=True, kw_only=True):
    id: str
    secret: str
    previous_valid_until: datetime


class DeletedEndpoint(Record, frozen=True, kw_only=True):
    id: str
    deleted: bool


class QueuedDelivery(Record, frozen=True, kw_only=True):
    """``event`` is None where everything since a time is sent again."""

    id: str
    event: str | None


class Delivery(Record, frozen=True, kw_only=True):
    """One attempt. ``outcome``: delivered, failed or dead."""

    id: str
    event: str
    type: str
    attempt: int
    at: datetime
    outcome: str
    status: int | None
    milliseconds: int
    answer: str | None
    error: str | None


class DeadLetter(Record, frozen=True, kw_only=True):
    """An event that was given up. ``dead_at``: when it was tried for the last time."""

    event: str
    type: str
    attempts: int
    recorded_at: datetime
    dead_at: datetime
