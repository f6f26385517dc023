"""What is answered at ``/api/v1``."""

from __future__ import annotations

from typing import Annotated, Any, Generic, TypeVar

import msgspec
from msgspec import Meta, Struct

from drawdown.core.commands import Direction
from drawdown.core.hindsight.explain import Ineligible
from drawdown.core.types import (
    BurnOrder,
    Category,
    ClockStatus,
    EntryKind,
    GrantState,
    HoldState,
    Mode,
    OverageBehavior,
    OverageMode,
    Shortfall,
)
from drawdown.dialects.native.scalars import AmountText, TimeText
from drawdown.dialects.native.wire_rollover import Rollover
from drawdown.engine.accounts import Role

Item = TypeVar("Item")


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
    test_clock: str | None
    created_at: TimeText
    closed_at: TimeText | None


class ClockProgress(Struct, kw_only=True):
    """Of ``total`` wallets on the clock, ``done`` have nothing more to be played.

    Before ``at`` nothing is left to be played in any of them.
    """

    done: int
    total: int
    at: TimeText


class Clock(Struct, kw_only=True):
    """What time it is for its customers. ``target`` and ``progress``: of an advance under way."""

    id: str
    name: str | None
    status: ClockStatus
    frozen_at: TimeText
    target: TimeText | None
    progress: ClockProgress | None
    created_at: TimeText


class UnitPrice(Struct, kw_only=True):
    amount: AmountText
    currency: str


class Overage(Struct, kw_only=True):
    """The rule for usage past zero."""

    mode: OverageMode
    limit: AmountText | None
    behavior: OverageBehavior
    price_per_unit: UnitPrice | None


class Entitlement(Struct, kw_only=True):
    id: str
    code: str
    name: str
    unit: str
    scale: int
    burn_order: BurnOrder
    currency: str | None
    expires_after_days: int | None
    shortfall: Shortfall
    late_usage_grace: int
    overage: Overage
    created_at: TimeText
    updated_at: TimeText
    closed_at: TimeText | None


class CostBasis(Struct, kw_only=True):
    amount: AmountText
    currency: str | None


class Grant(Struct, kw_only=True):
    """``amount`` = ``remaining`` + ``used`` + ``expired`` + ``voided`` + ``rolled_over``.

    ``remaining`` includes ``held``. ``schedule`` gave it; ``parent`` is the grant that it was carried over
    from, ``generation`` how often its credit was. ``rollover`` is what is carried of it as it expires.
    """

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
    rolled_over: AmountText
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
    schedule: str | None
    parent: str | None
    generation: int
    rollover: Rollover | None


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


OrderKeyRaw = Annotated[
    msgspec.Raw, Meta(extra_json_schema={"$ref": "#/components/schemas/OrderKey"})
]


class Draw(Struct, kw_only=True):
    grant: str
    amount: AmountText
    order_key: OrderKeyRaw


class SpendPart(Struct, kw_only=True, omit_defaults=True):
    """What one wallet paid. ``reversed`` is shown when the spend is read again; usage has no ``quantity``.

    ``overage_charged`` is what of ``amount`` went past zero, where something did.
    """

    entitlement: str
    quantity: AmountText | None = None
    amount: AmountText
    draws: list[Draw]
    available: AmountText
    overage_charged: AmountText | None = None
    reversed: AmountText | None = None


class Debit(Struct, kw_only=True, omit_defaults=True):
    """``available`` is what was left right after it. ``reversed`` is shown when it is read again.

    ``overage_charged`` is what of ``amount`` went past zero, where something did; ``overage`` is the
    wallet's right after it. ``hold`` is of a capture. ``parts`` are of a spend, and of usage that drew on
    several wallets; it has no one entitlement then: what is counted in one is null beside them.
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
    overage_charged: AmountText | None = None
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


class ReversalPart(Struct, kw_only=True, omit_defaults=True):
    entitlement: str
    amount: AmountText
    returns: list[Return]
    available: AmountText
    overage_reversed: AmountText | None = None


class Reversal(Struct, kw_only=True, omit_defaults=True):
    """``available`` is what was left right after it.

    ``overage_reversed`` is what of ``amount`` was overage that is undone, where something was.
    ``parts`` are of a spend that several wallets get back: what is counted in one is null beside them.
    """

    id: str
    debit: str
    entitlement: str | None
    amount: AmountText | None
    returns: list[Return]
    available: AmountText | None
    overage_reversed: AmountText | None = None
    parts: list[ReversalPart] | None = None


class OverageReset(Struct, kw_only=True):
    """``amount`` was forgiven or taken to an invoice, as ``behavior`` says; what is carried on is not in it.

    ``price_per_unit`` and ``behavior`` are the rule's as it was then. ``overage`` is what is left.
    """

    id: str
    customer: str
    entitlement: str
    behavior: OverageBehavior
    amount: AmountText
    price_per_unit: UnitPrice | None
    overage: AmountText
    available: AmountText
    at: TimeText


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
    """``reason`` follows "because"."""

    grant: str
    name: str
    entitlement: str
    amount: AmountText
    order_key: OrderKeyRaw
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


class ExplainedOverage(Struct, kw_only=True):
    """``reason`` follows "because"."""

    entitlement: str
    amount: AmountText
    reason: str


class Explanation(Struct, kw_only=True):
    """Why a debit drew on the grants it drew on. At most ten ``later`` and ten ``ineligible`` grants.

    ``overage`` is what went past zero in each wallet where something did.
    """

    debit: str
    sentence: str
    draws: list[ExplainedDraw]
    later: list[LaterGrant]
    ineligible: list[IneligibleGrant]
    overage: list[ExplainedOverage]


class Entry(Struct, kw_only=True):
    """One movement of one grant. ``seq`` counts the wallet's entries; ``hash`` chains them.

    ``grant`` is null where overage moves and no grant does.
    """

    operation: str
    ordinal: int
    seq: int
    customer: str
    entitlement: str
    grant: str | None
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
    overage_available: AmountText | None = None


def encode(record: Any) -> bytes:
    return _encoder.encode(record)


_encoder = msgspec.json.Encoder()
