"""What is answered about alerts at ``/api/v1``."""

from __future__ import annotations

from msgspec import Struct

from drawdown.core.types import AlertKind, Metadata
from drawdown.dialects.native.asked_alerts import AlertState
from drawdown.dialects.native.scalars import AmountText, TimeText


class Alert(Struct, kw_only=True):
    """``customer`` null: on everybody's credit. Of ``amount``, ``percent`` and ``days`` one is the line.

    It is on credit of an ``entitlement``, or on what is used by a ``meter``.
    """

    id: str
    customer: str | None
    entitlement: str | None
    meter: str | None
    kind: AlertKind
    amount: AmountText | None
    percent: int | None
    days: int | None
    name: str | None
    metadata: Metadata
    state: AlertState
    created_at: TimeText
    closed_at: TimeText | None


class AlertTriggered(Struct, kw_only=True):
    """``available``, ``overage`` and ``used``, which counts overage in, are the wallet's right after it.

    ``threshold`` is the line in credit, where the alert has one. Of an alert on expiry: the ``grant``, what
    ``remaining`` of it is, and its end. Of one on a ``meter``: ``used`` is what was ever used by it, with the
    line as a ``threshold`` of that.
    """

    alert: str
    kind: AlertKind
    name: str | None
    entitlement: str | None
    meter: str | None
    at: TimeText
    available: AmountText | None
    overage: AmountText | None
    used: AmountText
    threshold: AmountText | None
    percent: int | None
    days: int | None
    grant: str | None
    remaining: AmountText | None
    expires_at: TimeText | None


#: What events tell in these words.
DATA = (AlertTriggered,)
