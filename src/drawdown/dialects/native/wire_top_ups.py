"""What is answered about top-ups at ``/api/v1``, and told in their events."""

from __future__ import annotations

from msgspec import Struct

from drawdown.core.types import Metadata
from drawdown.core.watching.top_ups import CapPeriod, RequestState, TopUpState
from drawdown.dialects.native.scalars import AmountText, TimeText
from drawdown.dialects.native.wire import CostBasis, UnitPrice


class Cap(Struct, kw_only=True):
    amount: AmountText
    per: CapPeriod


class TopUp(Struct, kw_only=True):
    """``attempts_left``: how many requests in a row may still go unpaid before it stops asking.

    ``cap_left`` is what may still be asked for in the period that runs, ``request`` the one in flight.
    """

    id: str
    customer: str
    entitlement: str
    state: TopUpState
    threshold: AmountText
    amount: AmountText | None
    target: AmountText | None
    cap: Cap | None
    cap_left: AmountText | None
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
    created_at: TimeText
    closed_at: TimeText | None


class TopUpRequest(Struct, kw_only=True):
    """``available`` is what there was when it was made, ``cost_basis`` what is to be paid, where it is known.

    ``ended_at``: when it was answered last, or expired. ``grant`` is what was given for it.
    """

    id: str
    top_up: str
    customer: str
    entitlement: str
    state: RequestState
    amount: AmountText
    available: AmountText
    cost_basis: CostBasis | None
    requested_at: TimeText
    expires_at: TimeText
    ended_at: TimeText | None
    reference: str | None
    reason: str | None
    grant: str | None


class Requested(Struct, kw_only=True):
    """Take a payment, and confirm the ``request`` by ``expires_at``, or later."""

    request: str
    top_up: str
    entitlement: str
    amount: AmountText
    available: AmountText
    cost_basis: CostBasis | None
    expires_at: TimeText


class Confirmed(Struct, kw_only=True):
    """``late``: it had failed or expired before."""

    request: str
    top_up: str
    entitlement: str
    amount: AmountText
    grant: str
    reference: str | None
    late: bool


class Unpaid(Struct, kw_only=True):
    """With no ``attempts_left`` nothing is asked for any more."""

    request: str
    top_up: str
    entitlement: str
    amount: AmountText
    reason: str | None
    attempts_left: int


class Capped(Struct, kw_only=True):
    """Nothing is left of the cap ``until`` the next period begins."""

    top_up: str
    entitlement: str
    available: AmountText
    cap: Cap
    until: TimeText | None


DATA = (Requested, Confirmed, Unpaid, Capped)
