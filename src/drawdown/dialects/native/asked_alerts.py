"""What is asked about alerts at ``/api/v1``."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, field

from drawdown.core.types import AlertKind
from drawdown.core.watching.alerts import DAYS_MAX
from drawdown.dialects.native.asked import PageQuery, Request
from drawdown.dialects.native.scalars import (
    AmountText,
    KeyText,
    MetadataMap,
    NameText,
    ReferenceText,
)


class AlertState(StrEnum):
    """Whether it is still watching."""

    ACTIVE = "active"
    CLOSED = "closed"


class CreateAlert(Request):
    """Without ``customer`` it is on everybody's credit. The kind says where the line is.

    ``available_below``: an ``amount``, or a ``percent`` of the credit that came last; at the line is below
    it, so 0 is: used up. ``used_above``: an ``amount`` of all that was ever used. ``days_to_expiry`` and
    ``depletes_within``: ``days``. ``metered_above`` is on what was ever used by a ``meter``, which stands in
    the place of the ``entitlement``: an ``amount`` of that.
    """

    kind: AlertKind
    entitlement: ReferenceText | None = None
    meter: ReferenceText | None = None
    customer: ReferenceText | None = None
    amount: AmountText | None = None
    percent: Annotated[int, Meta(ge=0, le=100)] | None = None
    days: Annotated[int, Meta(ge=1, le=DAYS_MAX)] | None = None
    name: NameText | None = None
    metadata: MetadataMap = field(default_factory=dict)
    idempotency_key: KeyText | None = None


class AlertsQuery(PageQuery):
    customer: ReferenceText | None = None
    entitlement: ReferenceText | None = None
    meter: ReferenceText | None = None
    state: AlertState | None = None
