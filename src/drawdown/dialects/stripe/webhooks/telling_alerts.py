"""Events of alerts that were made here: that credit has fallen to a line."""

from __future__ import annotations

import msgspec

from drawdown.core import currencies
from drawdown.core.types import MICROSECONDS, Mode
from drawdown.core.watching.watch import Notice
from drawdown.dialects.stripe import alerts, wire
from drawdown.dialects.stripe.webhooks.telling import Telling, Told

TRIGGERED = "billing.alert.triggered"


class _Alerted(msgspec.Struct):
    alerts: tuple[list[Notice], list[Notice]] = ([], [])


_notices = msgspec.json.Decoder(_Alerted).decode


async def triggered(telling: Telling) -> list[Told]:
    """In the order of the instants."""
    found: list[Told] = []
    for notice in _notices(telling.operation.changed or b"{}").alerts[1]:
        found += await _told(telling, notice)
    return found


async def _told(telling: Telling, notice: Notice) -> list[Told]:
    """Nothing of one that somebody made elsewhere."""
    alert = await telling.ledger.alert(telling.book, notice.alert)
    named, code = alerts.named_in(alert.metadata), telling.currency_of(notice.entitlement)
    document = None if named is None else await telling.ledger.store.find_document(named)
    if code is None or document is None or document.kind != alerts.ALERTS.kind:
        return []
    if document.book != telling.book:
        return []
    body = msgspec.structs.replace(alerts.ALERTS.read(document).body, status=alerts.ACTIVE)
    shown = alerts.AlertTriggered(
        alert=alerts.shown(document, body, telling.mode),
        created=notice.at // MICROSECONDS,
        currency=code,
        customer=wire.customer_id(telling.customer),
        livemode=telling.mode is Mode.LIVE,
        value=currencies.minor_floor(notice.available, code),
    )
    return [Told(TRIGGERED, shown)]
