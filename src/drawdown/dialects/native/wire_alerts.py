"""What is answered about alerts at ``/api/v1``."""

from __future__ import annotations

from msgspec import Struct

from drawdown.core.types import AlertKind, Metadata
from drawdown.dialects.native.asked_alerts import AlertState
from drawdown.dialects.native.scalars import AmountText, TimeText


class Alert(Struct, kw_only=True):
    """``customer`` null: on everybody's credit. Of ``amount``, ``percent`` and ``days`` one is the line."""

    id: str
    customer: str | None
    entitlement: str
    kind: AlertKind
    amount: AmountText | None
    percent: int | None
    days: int | None
    name: str | None
    metadata: Metadata
    state: AlertState
    created_at: TimeText
    closed_at: TimeText | None
