"""What is asked about top-ups at ``/api/v1``."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, field

from drawdown.core.types import MICROSECONDS
from drawdown.core.watching import top_ups
from drawdown.core.watching.top_ups import CapPeriod, RequestState
from drawdown.dialects.native.asked import PageQuery, Request, UnitPrice
from drawdown.dialects.native.asked_alerts import AlertState
from drawdown.dialects.native.scalars import (
    REASON_MAX,
    AmountText,
    KeyText,
    MetadataMap,
    NameText,
    ReferenceText,
)

PAYMENT_MAX = 255

CoolDown = Annotated[
    int,
    Meta(
        ge=top_ups.COOL_DOWN_MIN // MICROSECONDS,
        le=top_ups.COOL_DOWN_MAX // MICROSECONDS,
        description="How long nothing is asked for once a request has ended.",
    ),
]
AnswerWithin = Annotated[
    int,
    Meta(
        ge=top_ups.ANSWER_WITHIN_MIN // MICROSECONDS,
        le=top_ups.ANSWER_WITHIN_MAX // MICROSECONDS,
        description="After how long a request that nobody has answered expires.",
    ),
]


class CapRequest(Request):
    """At most so much is asked for in a day, a week (from Monday) or a month, in UTC."""

    amount: AmountText
    per: CapPeriod


class CreateTopUp(Request):
    """``threshold`` is reached at it. Of ``amount`` and ``target`` one is given.

    ``price_per_unit`` is for credit that is no money. ``attempts_max``: after so many requests in a row that
    were not paid it stops asking. ``priority``, ``expires_after_days``, ``name`` and ``metadata`` are of the
    grants that are paid for.
    """

    customer: ReferenceText
    entitlement: ReferenceText
    threshold: AmountText
    amount: AmountText | None = None
    target: AmountText | None = None
    cap: CapRequest | None = None
    cool_down_seconds: CoolDown = top_ups.COOL_DOWN_DEFAULT // MICROSECONDS
    answer_within_seconds: AnswerWithin = top_ups.ANSWER_WITHIN_DEFAULT // MICROSECONDS
    attempts_max: Annotated[int, Meta(ge=1, le=top_ups.ATTEMPTS_MAX)] = top_ups.ATTEMPTS_DEFAULT
    price_per_unit: UnitPrice | None = None
    priority: Annotated[int, Meta(ge=0, le=100)] | None = None
    expires_after_days: Annotated[int, Meta(ge=1, le=36_500)] | None = None
    name: NameText | None = None
    metadata: MetadataMap = field(default_factory=dict)
    idempotency_key: KeyText | None = None


class ConfirmTopUp(Request):
    """It may be empty. ``reference`` names the payment: another one for the same request is refused."""

    reference: Annotated[str, Meta(min_length=1, max_length=PAYMENT_MAX)] | None = None
    idempotency_key: KeyText | None = None


class FailTopUp(Request):
    """It may be empty. ``reason`` is told with the event."""

    reason: Annotated[str, Meta(min_length=1, max_length=REASON_MAX)] | None = None
    idempotency_key: KeyText | None = None


class TopUpsQuery(PageQuery):
    """``state`` ``active``: those that are not closed, also those that have stopped."""

    customer: ReferenceText | None = None
    entitlement: ReferenceText | None = None
    state: AlertState | None = None


class TopUpRequestsQuery(PageQuery):
    customer: ReferenceText | None = None
    entitlement: ReferenceText | None = None
    state: RequestState | None = None
