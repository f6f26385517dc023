"""Events, endpoints and what becomes of deliveries, as they are answered and sent."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from drawdown.core.commands import Direction
from drawdown.core.types import Category
from drawdown.dialects.native.scalars import AmountText, TimeText
from drawdown.dialects.native.wire import CostBasis, Return, Slice, UnitPrice


class BalanceAfter(Struct, kw_only=True):
    """A wallet right after what the event tells of. ``seq`` counts its entries."""

    entitlement: str
    posted: AmountText
    held: AmountText
    available: AmountText
    overage: AmountText
    seq: int


class Event(Struct, kw_only=True):
    """``created_at`` is when it took effect, ``recorded_at`` when it was written down.

    ``data`` depends on ``type``. ``customer`` is null for what is nobody's.
    """

    id: str
    type: str
    created_at: TimeText
    recorded_at: TimeText
    operation: str
    customer: str | None
    data: Any
    balances: list[BalanceAfter]


class EventsPage(Struct, kw_only=True):
    """Oldest first. ``next`` goes into ``after``, always: also of a page that is empty.

    ``has_more``: whether more is known to follow. A page may be empty, and more follow, where a filter
    passed over all that was looked at.
    """

    data: list[msgspec.Raw]
    next: str
    has_more: bool


class GrantCreated(Struct, kw_only=True):
    grant: str
    entitlement: str
    amount: AmountText
    priority: int
    category: Category
    name: str | None
    scope: dict[str, list[str]]
    effective_at: TimeText
    expires_at: TimeText | None
    cost_basis: CostBasis | None
    metadata: dict[str, str | int | float | bool]
    schedule: str | None
    cycle: int | None


class GrantMoved(Struct, kw_only=True):
    """``amount`` is what became effective, was written off, taken, or came back to be used at once."""

    grant: str
    entitlement: str
    amount: AmountText


class GrantRolledOver(Struct, kw_only=True):
    """``grant`` is the new one, with what was carried of ``parent``: by a ``schedule``, or its own terms."""

    grant: str
    parent: str
    entitlement: str
    amount: AmountText
    expires_at: TimeText | None
    schedule: str | None


class CustomerAmended(Struct, kw_only=True):
    """``changed``: by field, what was and what is."""

    customer: str
    changed: dict[str, list[Any]]


class CustomerClosed(Struct, kw_only=True):
    customer: str


class EntitlementClosed(Struct, kw_only=True):
    """Or opened again."""

    entitlement: str


class EntitlementAmended(Struct, kw_only=True):
    """``changed``: by field, what was and what is."""

    entitlement: str
    changed: dict[str, list[Any]]


class GrantAmended(Struct, kw_only=True):
    """``changed``: by field, what was and what is."""

    grant: str
    entitlement: str
    changed: dict[str, list[Any]]


class GrantAdjusted(Struct, kw_only=True):
    adjustment: str
    grant: str
    entitlement: str
    direction: Direction
    amount: AmountText
    reason: str | None


class GrantDepleted(Struct, kw_only=True):
    """The last of it was used."""

    grant: str
    entitlement: str


class OverageUndone(Struct, kw_only=True):
    entitlement: str
    amount: AmountText


class DebitReversed(Struct, kw_only=True):
    """``returns``: what went back to which grant, of whatever entitlement; overage has no grant."""

    reversal: str
    debit: str
    returns: list[Return]
    overage_reversed: list[OverageUndone]


class InvoiceMoved(Struct, kw_only=True):
    """``amount`` was drawn for an invoice, or returned as it became void: of which grant how much."""

    invoice: str
    entitlement: str
    amount: AmountText
    grants: list[Return]


class OverageRepaid(Struct, kw_only=True):
    """``grant`` paid for what had been used past zero."""

    grant: str
    entitlement: str
    amount: AmountText


class OverageReset(Struct, kw_only=True):
    """``amount`` of overage was forgiven, or is to be invoiced at the price that it had."""

    entitlement: str
    amount: AmountText
    price_per_unit: UnitPrice | None


class HoldCreated(Struct, kw_only=True):
    hold: str
    entitlement: str
    amount: AmountText
    slices: list[Slice]
    expires_at: TimeText | None
    attributes: dict[str, str]
    metadata: dict[str, str | int | float | bool]


class HoldCaptured(Struct, kw_only=True):
    """``debit`` is the capture's own. ``released`` is what a final capture let go."""

    hold: str
    debit: str
    entitlement: str
    amount: AmountText
    final: bool
    released: AmountText


class HoldEnded(Struct, kw_only=True):
    """``amount`` is what was still held."""

    hold: str
    entitlement: str
    amount: AmountText
    ended_at: TimeText


class HoldExtended(Struct, kw_only=True):
    hold: str
    entitlement: str
    expires_at: TimeText


class ScheduleAmended(Struct, kw_only=True):
    """``changed``: by field, what was and what is. ``next_amount`` is of the next cycle on."""

    schedule: str
    entitlement: str
    changed: dict[str, list[Any]]


class ScheduleTurned(Struct, kw_only=True):
    schedule: str
    entitlement: str


class ScheduleCancelled(Struct, kw_only=True):
    """``ends_at``: at once, or with the cycle that runs."""

    schedule: str
    entitlement: str
    ends_at: TimeText


class ScheduleCycle(Struct, kw_only=True):
    """``amount`` is what the cycle gave, ``ends_at`` when the next one begins."""

    schedule: str
    entitlement: str
    cycle: int
    amount: AmountText
    ends_at: TimeText | None


class ScheduleEnded(Struct, kw_only=True):
    """``cycle`` was the last; null: there was none."""

    schedule: str
    entitlement: str
    cycle: int | None


class UsageCharged(Struct, kw_only=True):
    """Of one entitlement: drawn, gone past zero, and paid for by nothing."""

    entitlement: str
    drawn: AmountText
    overage: AmountText
    uncovered: AmountText


class UsageRecorded(Struct, kw_only=True):
    """``event`` is the id that it came with. ``debit``: what it drew, under this id; null: nothing."""

    event: str
    name: str
    time: TimeText
    debit: str | None
    charges: list[UsageCharged]
    draws: list[Return]


class UsageUncovered(Struct, kw_only=True):
    event: str
    name: str
    entitlement: str
    uncovered: AmountText


class MeterAmended(Struct, kw_only=True):
    """``changed``: the old and the new, by field."""

    meter: str
    code: str
    changed: dict[str, list[Any]]


class MeterClosed(Struct, kw_only=True):
    """It was closed, or opened again."""

    meter: str
    code: str


class RateTold(Struct, kw_only=True):
    """``meter`` is its code."""

    rate: str
    meter: str
    entitlement: str


class ClockTold(Struct, kw_only=True):
    """``target``: where the clock is on its way to."""

    test_clock: str
    name: str | None
    frozen_at: TimeText
    target: TimeText | None


class Tested(Struct, kw_only=True):
    message: str


class Endpoint(Struct, kw_only=True):
    """``disabled_for``: ``request``, ``failing`` (for days), or ``gone`` (it said so, with 410)."""

    id: str
    url: str
    format: str
    description: str | None
    types: list[str]
    customer: str | None
    ordered: bool
    enabled: bool
    disabled_for: str | None
    failing_since: TimeText | None
    metadata: dict[str, str | int | float | bool]
    created_at: TimeText
    updated_at: TimeText


class NewEndpoint(Endpoint):
    """The secret is shown this once."""

    secret: str


class Rotated(Struct, kw_only=True):
    """Until ``previous_valid_until`` deliveries are signed with both."""

    id: str
    secret: str
    previous_valid_until: TimeText


class Deleted(Struct, kw_only=True):
    id: str
    deleted: bool


class Queued(Struct, kw_only=True):
    """``event``: the one that will be sent; null where it is all since a time."""

    id: str
    event: str | None


class Delivery(Struct, kw_only=True):
    """One attempt. ``outcome``: delivered, failed (another follows), or dead (none does)."""

    id: str
    event: str
    type: str
    attempt: int
    at: TimeText
    outcome: str
    status: int | None
    milliseconds: int
    answer: str | None
    error: str | None


class DeadLetter(Struct, kw_only=True):
    """``dead_at``: when it was tried for the last time."""

    event: str
    type: str
    attempts: int
    recorded_at: TimeText
    dead_at: TimeText


#: What ``data`` may be.
DATA = (
    GrantCreated,
    GrantMoved,
    GrantRolledOver,
    CustomerAmended,
    CustomerClosed,
    EntitlementAmended,
    EntitlementClosed,
    GrantAmended,
    GrantAdjusted,
    GrantDepleted,
    DebitReversed,
    InvoiceMoved,
    OverageRepaid,
    OverageReset,
    HoldCreated,
    HoldCaptured,
    HoldEnded,
    HoldExtended,
    ScheduleAmended,
    ScheduleTurned,
    ScheduleCancelled,
    ScheduleCycle,
    ScheduleEnded,
    UsageRecorded,
    UsageUncovered,
    MeterAmended,
    MeterClosed,
    RateTold,
    ClockTold,
    Tested,
)
