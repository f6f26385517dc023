"""What is asked at ``/api/v1``: bodies and queries."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from drawdown.core.commands import Direction, OverCapture
from drawdown.core.schedules.calendar import EVERY_MAX, CalendarUnit
from drawdown.core.schedules.terms import GENERATIONS_MAX
from drawdown.core.several import WALLETS_MAX
from drawdown.core.types import (
    BurnOrder,
    Category,
    GrantState,
    HoldState,
    Mode,
    OverageBehavior,
    OverageMode,
    Shortfall,
)
from drawdown.dialects.native.scalars import (
    BATCH_MAX,
    PAGE_DEFAULT,
    REASON_MAX,
    SEGMENTS_DEFAULT,
    AmendedMetadata,
    AmountText,
    AtText,
    Attributes,
    EmailText,
    KeyText,
    Limit,
    MetadataMap,
    NameText,
    OwnIdText,
    ReferenceText,
    ScopeMap,
    Seconds,
    SegmentLimit,
    TimeText,
)
from drawdown.engine.accounts import Role


class Request(Struct, forbid_unknown_fields=True, kw_only=True):
    """A body or query; unknown fields are refused."""


class CreateCustomer(Request):
    id: OwnIdText | None = None
    name: NameText | None = None
    email: EmailText | None = None
    metadata: MetadataMap = {}
    test_clock: ReferenceText | None = None
    idempotency_key: KeyText | None = None


class CreateTestClock(Request):
    """``customer``: who is there already, and lives by it from then on."""

    frozen_at: TimeText
    name: NameText | None = None
    customer: ReferenceText | None = None
    idempotency_key: KeyText | None = None


class AdvanceTestClock(Request):
    """``to``: any instant from the clock's own time on."""

    to: TimeText
    idempotency_key: KeyText | None = None


class UnitPrice(Request):
    amount: AmountText
    currency: str


class OverageRequest(Request):
    """``limit`` comes with the mode ``limited``, and only then."""

    mode: OverageMode
    limit: AmountText | None = None
    behavior: OverageBehavior = OverageBehavior.FORGIVE_AT_RESET
    price_per_unit: UnitPrice | None = None


LateUsage = Annotated[
    int,
    Meta(
        ge=0,
        le=366 * 86_400,
        description="For how many seconds late usage may be paid by what has expired since.",
    ),
]


class CreateEntitlement(Request):
    code: OwnIdText
    unit: NameText
    scale: Annotated[int, Meta(ge=0, le=10, description="Decimal places that are kept.")]
    name: NameText | None = None
    burn_order: BurnOrder = BurnOrder.SOONEST_EXPIRY
    expires_after_days: Annotated[int, Meta(ge=1, le=36_500)] | None = None
    shortfall: Shortfall = Shortfall.REFUSE
    late_usage_grace: LateUsage = 0
    overage: OverageRequest | None = None
    idempotency_key: KeyText | None = None


class AmendCustomer(Request):
    """What is left out stays; null: nothing any more. A null in ``metadata`` deletes its key."""

    name: NameText | UnsetType | None = UNSET
    email: EmailText | UnsetType | None = UNSET
    metadata: AmendedMetadata = {}
    idempotency_key: KeyText | None = None


class AmendEntitlement(Request):
    """What is left out stays. ``overage`` stands whole in the place of the rule before it."""

    name: NameText | None = None
    unit: NameText | None = None
    expires_after_days: Annotated[int, Meta(ge=1, le=36_500)] | UnsetType | None = UNSET
    shortfall: Shortfall | None = None
    late_usage_grace: LateUsage | None = None
    overage: OverageRequest | None = None
    idempotency_key: KeyText | None = None


class CloseOrReopen(Request):
    """It may be empty."""

    idempotency_key: KeyText | None = None


class ResetOverage(Request):
    customer: ReferenceText
    entitlement: ReferenceText
    idempotency_key: KeyText


class CostBasisRequest(Request):
    amount: AmountText
    currency: str


Count = Annotated[int, Meta(ge=1, le=EVERY_MAX)]


class Span(Request):
    """So many days, weeks, months or years of the calendar."""

    unit: CalendarUnit
    count: Count = 1


class RolloverRequest(Request):
    """``timeframe`` left out: what is carried lives by the entitlement's rule."""

    percentage: Annotated[int, Meta(ge=1, le=100)] = 100
    generations_max: Annotated[int, Meta(ge=1, le=GENERATIONS_MAX)] | None = None
    timeframe: Span | None = None
    minimum: AmountText | None = None
    maximum: AmountText | None = None


class IssueGrant(Request):
    """``expires_at`` left out: by the entitlement's rule; null: never.

    ``rollover``: what of it is carried on as it expires.
    """

    customer: ReferenceText
    entitlement: ReferenceText
    amount: AmountText
    priority: Annotated[int, Meta(ge=0, le=100)] | None = None
    category: Category | None = None
    effective_at: TimeText | None = None
    expires_at: TimeText | UnsetType | None = UNSET
    cost_basis: CostBasisRequest | None = None
    name: NameText | None = None
    scope: ScopeMap = {}
    metadata: MetadataMap = {}
    rollover: RolloverRequest | None = None
    idempotency_key: KeyText | None = None


class AmendGrant(Request):
    """``expires_at`` left out: as it is; null: never. A null in ``metadata`` deletes its key."""

    expires_at: TimeText | UnsetType | None = UNSET
    metadata: AmendedMetadata = {}
    idempotency_key: KeyText | None = None


class AdjustGrant(Request):
    direction: Direction
    amount: AmountText
    idempotency_key: KeyText
    reason: Annotated[str, Meta(min_length=1, max_length=REASON_MAX)] | None = None


class EndGrant(Request):
    """The body of expire and void; it may be empty."""

    idempotency_key: KeyText | None = None


class CreateHold(Request):
    """It ends at ``expires_at``, or ``expires_in`` seconds from now; in 15 minutes by default."""

    customer: ReferenceText
    entitlement: ReferenceText
    amount: AmountText
    idempotency_key: KeyText
    expires_in: Seconds | None = None
    expires_at: TimeText | UnsetType | None = UNSET
    attributes: Attributes = {}
    metadata: MetadataMap = {}


class CaptureHold(Request):
    amount: AmountText
    idempotency_key: KeyText
    final: bool = False
    over_capture: OverCapture = OverCapture.DRAW


class ReleaseHold(Request):
    """It may be empty."""

    idempotency_key: KeyText | None = None


class ExtendHold(Request):
    """One of ``expires_in``, counted from now, and ``expires_at``."""

    expires_in: Seconds | None = None
    expires_at: TimeText | None = None
    idempotency_key: KeyText | None = None


class CreateDebit(Request):
    customer: ReferenceText
    entitlement: ReferenceText
    amount: AmountText
    idempotency_key: KeyText
    attributes: Attributes = {}
    occurred_at: TimeText | None = None
    metadata: MetadataMap = {}


class CreateDebits(Request):
    """Each element is read by itself, so that a bad one affects only itself."""

    debits: Annotated[
        list[msgspec.Raw],
        Meta(
            max_length=BATCH_MAX,
            extra_json_schema={"items": {"$ref": "#/components/schemas/CreateDebit"}},
        ),
    ]


class ReverseDebit(Request):
    idempotency_key: KeyText
    entitlement: ReferenceText | None = None
    amount: AmountText | None = None


class Price(Request):
    """What one of the quantity costs in credit of an entitlement."""

    entitlement: ReferenceText
    price: AmountText


class CreateSpend(Request):
    customer: ReferenceText
    quantity: AmountText
    wallets: Annotated[list[Price], Meta(min_length=1, max_length=WALLETS_MAX)]
    idempotency_key: KeyText
    partial: bool = False
    attributes: Attributes = {}
    occurred_at: TimeText | None = None
    metadata: MetadataMap = {}


class CreateKey(Request):
    """It takes no idempotency key: the answer holds a secret, and those answers would be stored."""

    role: Role
    mode: Mode | None = None
    name: str | None = None


class PageQuery(Request):
    """``after`` is the ``next`` of the page before."""

    limit: Limit = PAGE_DEFAULT
    after: str | None = None


class GrantsQuery(PageQuery):
    customer: ReferenceText | None = None
    entitlement: ReferenceText | None = None
    state: GrantState | None = None
    at: AtText | None = None


class InstantQuery(Request):
    """``at`` left out: now."""

    at: AtText | None = None


class HistoryQuery(Request):
    """``from`` left out: the beginning; ``to`` left out: now."""

    since: AtText | None = msgspec.field(name="from", default=None)
    until: AtText | None = msgspec.field(name="to", default=None)
    limit: SegmentLimit = SEGMENTS_DEFAULT
    after: str | None = None


class HoldsQuery(PageQuery):
    customer: ReferenceText | None = None
    entitlement: ReferenceText | None = None
    state: HoldState | None = None


class EntriesQuery(PageQuery, kw_only=True):
    customer: ReferenceText
    entitlement: ReferenceText | None = None
