"""Events of alerts that were made here: that credit has fallen to a line, or usage has risen to one."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from drawdown.core import currencies
from drawdown.core.types import MICROSECONDS, Mode
from drawdown.core.usage.quantities import ONE
from drawdown.core.watching.usage_crossings import Reached
from drawdown.core.watching.watch import Notice
from drawdown.dialects.stripe import alerts, wire
from drawdown.dialects.stripe.webhooks.telling import Telling, Told

TRIGGERED = "billing.alert.triggered"


class _Alerted(msgspec.Struct):
    alerts: tuple[list[Notice], list[Notice]] = ([], [])
    reached: tuple[list[Reached], list[Reached]] = ([], [])


_alerted = msgspec.json.Decoder(_Alerted).decode


async def triggered(telling: Telling) -> list[Told]:
    """On usage first, then those on credit, in the order of the instants."""
    said = _alerted(telling.operation.changed or b"{}")
    found: list[Told] = []
    for reached in said.reached[1]:
        found += await _told(telling, reached, reached.used // ONE)
    for notice in said.alerts[1]:
        code = telling.currency_of(notice.entitlement)
        if code is not None:
            value = currencies.minor_floor(notice.available, code)
            found += await _told(telling, notice, value, code)
    return found


async def _told(
    telling: Telling, fired: Notice | Reached, value: int, currency: str | UnsetType = UNSET
) -> list[Told]:
    """Nothing of one that somebody made elsewhere."""
    alert = await telling.ledger.alert(telling.book, fired.alert)
    named = alerts.named_in(alert.metadata)
    document = None if named is None else await telling.ledger.store.find_document(named)
    if document is None or document.kind != alerts.ALERTS.kind or document.book != telling.book:
        return []
    body = msgspec.structs.replace(alerts.ALERTS.read(document).body, status=alerts.ACTIVE)
    shown = alerts.AlertTriggered(
        alert=alerts.shown(document, body, telling.mode),
        created=fired.at // MICROSECONDS,
        currency=currency,
        customer=wire.customer_id(telling.customer),
        livemode=telling.mode is Mode.LIVE,
        value=value,
    )
    return [Told(TRIGGERED, shown)]
