"""What goes over the wire at ``/api/v1``: amounts are decimal strings, times RFC 3339 with a zone."""

from __future__ import annotations

from typing import Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from drawdown.core.commands import Direction, OverCapture
from drawdown.core.explain import Ineligible
from drawdown.core.identity import OWN_ID, OWN_ID_RULE
from drawdown.core.several import WALLETS_MAX
from drawdown.core.types import (
    HOLD_MAX,
    MICROSECONDS,
    BurnOrder,
    Category,
    EntryKind,
    GrantState,
    HoldState,
    Mode,
)
from drawdown.engine.accounts import Role

PAGE_MAX = 100
PAGE_DEFAULT = 20
BATCH_MAX = 1000
SEGMENTS_MAX = 1000
SEGMENTS_DEFAULT = 100
SCOPE_MAX = 20
SCOPE_VALUES_MAX = 100
SCOPE_TEXT_MAX = 255
REASON_MAX = 500

AmountText = Annotated[
    str,
    Meta(
        description="An exact decimal: digits, and after a point at most as many as the scale has.",
        extra_json_schema={"pattern": r"^\d{1,19}(\.\d{1,12})?$", "examples": ["12.5"]},
    ),
]
TimeText = Annotated[
    str,
    Meta(
        description="RFC 3339 with a zone.",
        extra_json_schema={"format": "date-time", "examples": ["2026-01-31T12:00:00Z"]},
    ),
]
KeyText = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=255,
        description="Asking again with the same key and body gets the first answer again.",
    ),
]
OwnIdText = Annotated[
    str,
    Meta(
        max_length=64,
        description=f"Your own: {OWN_ID_RULE}.",
        extra_json_schema={"pattern": f"^{OWN_ID.pattern}$", "examples": ["user_42"]},
    ),
]
NameText = Annotated[str, Meta(min_length=1, max_length=255)]
EmailText = Annotated[str, Meta(min_length=1, max_length=320)]
ReferenceText = Annotated[str, Meta(min_length=1, max_length=255)]
Attributes = Annotated[dict[str, str], Meta(max_length=50)]
MetadataMap = Annotated[dict[str, str | int | float | bool], Meta(max_length=50)]
AmendedMetadata = Annotated[dict[str, str | int | float | bool | None], Meta(max_length=50)]
ScopeText = Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": SCOPE_TEXT_MAX})]
ScopeValues = Annotated[
    list[ScopeText], Meta(extra_json_schema={"minItems": 1, "maxItems": SCOPE_VALUES_MAX})
]
#: The lengths inside are checked by the handler, which can name the attribute.
ScopeMap = Annotated[
    dict[str, ScopeValues],
    Meta(
        max_length=SCOPE_MAX,
        description="Which debits a grant may pay for: every attribute named, with any of its values.",
        extra_json_schema={"examples": [{"model": ["gpt-4o", "o3"]}]},
    ),
]
Seconds = Annotated[
    int,
    Meta(ge=1, le=HOLD_MAX // MICROSECONDS, description="Whole seconds, counted from now."),
]
Limit = Annotated[int, Meta(ge=1, le=PAGE_MAX)]
SegmentLimit = Annotated[int, Meta(ge=1, le=SEGMENTS_MAX)]
AtText = Annotated[
    str,
    Meta(
        description="An instant in the past, or at most 10 years ahead: RFC 3339 with a zone.",
        extra_json_schema={"format": "date-time", "examples": ["2026-01-31T12:00:00Z"]},
    ),
]

Item = TypeVar("Item")


class Request(Struct, forbid_unknown_fields=True, kw_only=True):
    """A body or query; unknown fields are refused."""


class CreateCustomer(Request):
    id: OwnIdText | None = None
    name: NameText | None = None
    email: EmailText | None = None
    metadata: MetadataMap = {}
    idempotency_key: KeyText | None = None


class CreateEntitlement(Request):
    code: OwnIdText
    unit: NameText
    scale: Annotated[int, Meta(ge=0, le=10, description="Decimal places that are kept.")]
    name: NameText | None = None
    burn_order: BurnOrder = BurnOrder.SOONEST_EXPIRY
    expires_after_days: Annotated[int, Meta(ge=1, le=36_500)] | None = None
    idempotency_key: KeyText | None = None


class CostBasisRequest(Request):
    amount: AmountText
    currency: str


class IssueGrant(Request):
    """``expires_at`` left out: by the entitlement's rule; null: never."""

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


class Page(Struct, Generic[Item], kw_only=True):
    """Newest first. ``next`` goes into ``after``; null on the last page."""

    data: list[Item]
    next: str | None


class Customer(Struct, kw_only=True):
    """``id`` is the operator's own where one was given."""

    id: str
    name: str | None
    email: str | None
    metadata: dict[str, str | int | float | bool]
    created_at: TimeText


class Entitlement(Struct, kw_only=True):
    id: str
    code: str
    name: str
    unit: str
    scale: int
    burn_order: BurnOrder
    currency: str | None
    expires_after_days: int | None
    created_at: TimeText
    updated_at: TimeText


class CostBasis(Struct, kw_only=True):
    amount: AmountText
    currency: str | None


class Grant(Struct, kw_only=True):
    """``amount`` = ``remaining`` + ``used`` + ``expired`` + ``voided``; ``remaining`` includes ``held``."""

    id: str
    customer: str
    entitlement: str
    name: str
    state: GrantState
    amount: AmountText
    remaining: AmountText
    held: AmountText
    used: AmountText
    expired: AmountText
    voided: AmountText
    priority: int
    category: Category
    scope: dict[str, list[str]]
    effective_at: TimeText
    expires_at: TimeText | None
    cost_basis: CostBasis | None
    metadata: dict[str, str | int | float | bool]
    created_at: TimeText
    updated_at: TimeText
    voided_at: TimeText | None


class Adjustment(Struct, kw_only=True):
    """``grant`` and ``available`` are as they were right after it."""

    id: str
    grant: Grant
    direction: Direction
    amount: AmountText
    available: AmountText


class Slice(Struct, kw_only=True):
    grant: str
    amount: AmountText


class Hold(Struct, kw_only=True, omit_defaults=True):
    """``held`` is the sum of ``slices``. ``available`` is the wallet's, in answers to writes only."""

    id: str
    customer: str
    entitlement: str
    state: HoldState
    amount: AmountText
    held: AmountText
    captured: AmountText
    slices: list[Slice]
    attributes: dict[str, str]
    metadata: dict[str, str | int | float | bool]
    created_at: TimeText
    expires_at: TimeText | None
    ended_at: TimeText | None
    available: AmountText | None = None


class OrderKey(Struct, kw_only=True):
    """Why a grant was chosen: what placed it in the burn-down order."""

    priority: int
    expires_at: TimeText | None
    category: Category
    effective_at: TimeText
    recorded_at: TimeText


_ORDER_KEY = {"$ref": "#/components/schemas/OrderKey"}
OrderKeyRaw = Annotated[msgspec.Raw, Meta(extra_json_schema=_ORDER_KEY)]


class Draw(Struct, kw_only=True):
    grant: str
    amount: AmountText
    order_key: OrderKeyRaw


class SpendPart(Struct, kw_only=True, omit_defaults=True):
    """What one wallet paid. ``reversed`` is shown when the spend is read again."""

    entitlement: str
    quantity: AmountText
    amount: AmountText
    draws: list[Draw]
    available: AmountText
    reversed: AmountText | None = None


class Debit(Struct, kw_only=True, omit_defaults=True):
    """``available`` is what was left right after it. ``reversed`` is shown when it is read again.

    ``hold`` is of a capture. ``parts`` are of a spend, which has no one entitlement: what is counted in
    one is null beside them.
    """

    id: str
    customer: str
    entitlement: str | None
    amount: AmountText | None
    draws: list[Draw]
    available: AmountText | None
    overage: AmountText | None
    at: TimeText
    attributes: dict[str, str]
    metadata: dict[str, str | int | float | bool]
    occurred_at: TimeText | None = None
    hold: Hold | None = None
    parts: list[SpendPart] | None = None
    reversed: AmountText | None = None


class Spend(Struct, kw_only=True, omit_defaults=True):
    """``quantity`` = ``spent`` + ``unpaid``. The parts are in the order of the wallets."""

    id: str
    customer: str
    quantity: AmountText
    spent: AmountText
    unpaid: AmountText
    parts: list[SpendPart]
    at: TimeText
    attributes: dict[str, str]
    metadata: dict[str, str | int | float | bool]
    occurred_at: TimeText | None = None


class Return(Struct, kw_only=True):
    grant: str
    amount: AmountText


class ReversalPart(Struct, kw_only=True):
    entitlement: str
    amount: AmountText
    returns: list[Return]
    available: AmountText


class Reversal(Struct, kw_only=True, omit_defaults=True):
    """``available`` is what was left right after it.

    ``parts`` are of a spend that several wallets get back: what is counted in one is null beside them.
    """

    id: str
    debit: str
    entitlement: str | None
    amount: AmountText | None
    returns: list[Return]
    available: AmountText | None
    parts: list[ReversalPart] | None = None


class Balance(Struct, kw_only=True):
    """``posted`` = ``held`` + ``available``; ``pending`` is not in it."""

    customer: str
    entitlement: str
    scale: int
    posted: AmountText
    held: AmountText
    available: AmountText
    pending: AmountText
    overage: AmountText
    granted: AmountText
    used: AmountText
    expired: AmountText
    voided: AmountText
    as_of: TimeText
    seq: int


class Segment(Struct, kw_only=True):
    """A stretch of time in which a balance is constant: from ``from``, up to but without ``to``."""

    start: TimeText = msgspec.field(name="from")
    end: TimeText = msgspec.field(name="to")
    posted: AmountText
    held: AmountText
    available: AmountText
    pending: AmountText
    overage: AmountText


class ExplainedDraw(Struct, kw_only=True):
    """``reason`` follows "because". ``order_key`` is null for what a hold had set aside."""

    grant: str
    name: str
    entitlement: str
    amount: AmountText
    order_key: Annotated[
        msgspec.Raw,
        Meta(extra_json_schema={"anyOf": [_ORDER_KEY, {"type": "null"}]}),
    ]
    reason: str


class LaterGrant(Struct, kw_only=True):
    """A grant that could have paid, but came after the last one drawn.

    ``decided_by`` names what decided, in which ``own_key`` comes after ``drawn_key``.
    """

    grant: str
    name: str
    entitlement: str
    available: AmountText
    order_key: OrderKeyRaw
    decided_by: str
    drawn_key: str | int | None
    own_key: str | int | None
    reason: str


class IneligibleGrant(Struct, kw_only=True):
    """A grant that could not pay. ``detail`` follows "because"."""

    grant: str
    name: str
    entitlement: str
    reason: Ineligible
    detail: str


class Explanation(Struct, kw_only=True):
    """Why a debit drew on the grants it drew on. At most ten ``later`` and ten ``ineligible`` grants."""

    debit: str
    sentence: str
    draws: list[ExplainedDraw]
    later: list[LaterGrant]
    ineligible: list[IneligibleGrant]


class Entry(Struct, kw_only=True):
    """One movement of one grant. ``seq`` counts the wallet's entries; ``hash`` chains them."""

    operation: str
    ordinal: int
    seq: int
    customer: str
    entitlement: str
    grant: str
    kind: EntryKind
    amount: AmountText
    posted_before: AmountText
    posted_after: AmountText
    held_before: AmountText
    held_after: AmountText
    overage_before: AmountText
    overage_after: AmountText
    grant_before: AmountText
    grant_after: AmountText
    at: TimeText
    recorded_at: TimeText
    hash: str


class Key(Struct, kw_only=True):
    id: str
    mode: Mode
    role: Role
    name: str | None
    created_at: TimeText
    last_used_at: TimeText | None
    revoked_at: TimeText | None


class NewKey(Key):
    """The secret is shown this once."""

    secret: str


class BatchResult(Struct, kw_only=True, omit_defaults=True):
    """``debit`` with 201, otherwise ``error``. ``replayed``: it had been carried out before."""

    status: int
    replayed: bool = False
    debit: Debit | None = None
    error: Problem | None = None


class BatchResults(Struct, kw_only=True):
    """In the order of the debits."""

    results: list[BatchResult]


class Problem(Struct, kw_only=True, omit_defaults=True):
    """Problem details (RFC 9457). ``code`` is stable; further members depend on it."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    field: str | None = None
    rule: str | None = None
    needed: AmountText | None = None
    available: AmountText | None = None
    available_total: AmountText | None = None


def encode(record: Any) -> bytes:
    return _encoder.encode(record)


_encoder = msgspec.json.Encoder()
