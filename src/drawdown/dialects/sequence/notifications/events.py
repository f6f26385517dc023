"""What is told, in the vendor's envelope and with its signature.

The vendor has no type for credit: those are ours, in its style, and sent to whoever asks for them by name.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence

import msgspec

from drawdown.core import amounts, types
from drawdown.core.identity import spell_uuid
from drawdown.core.types import AlertKind, EntryKind, Id, Instant
from drawdown.core.watching.watch import Notice
from drawdown.dialects.sequence import imported
from drawdown.dialects.sequence.credit import rendering as credit
from drawdown.dialects.sequence.credit.wire import Grant
from drawdown.dialects.sequence.customers import known
from drawdown.dialects.sequence.customers import rendering as customers
from drawdown.dialects.sequence.customers.wire import Customer
from drawdown.dialects.sequence.dates import Days
from drawdown.dialects.sequence.wire import Shown, UuidText
from drawdown.engine.endpoints import Endpoint
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import Recorded
from drawdown.engine.positions import Position
from drawdown.webhooks.events import Event
from drawdown.webhooks.formats import Format

HOUR = 3_600
#: What time or an operator did to a grant, by the kind of entry.
_OF_GRANTS: Mapping[EntryKind, str] = {
    EntryKind.GRANTED: "CREDIT_GRANT_CREATED",
    EntryKind.ROLLED_IN: "CREDIT_GRANT_CREATED",
    EntryKind.EXPIRED: "CREDIT_GRANT_EXPIRED",
    EntryKind.FORFEITED: "CREDIT_GRANT_EXPIRED",
    EntryKind.VOIDED: "CREDIT_GRANT_VOIDED",
}
_OF_CUSTOMERS: Mapping[str, str] = {
    "customer": "CUSTOMER_CREATED",
    "amend_customer": "CUSTOMER_UPDATED",
    "close_customer": "CUSTOMER_ARCHIVED",
}
BALANCE_LOW = "CREDIT_BALANCE_LOW"
OWN_TYPES = (*dict.fromkeys(_OF_GRANTS.values()), BALANCE_LOW)
TYPES = (*_OF_CUSTOMERS.values(), *OWN_TYPES)

_encode = msgspec.json.Encoder().encode


class LowBalance(Shown):
    """Which balance fell to its line; ``id`` as balances have it."""

    id: str
    balance: str
    threshold: str


class Notification(Shown):
    """``resource`` is the customer or grant as a list has it when this is sent."""

    notification_type: str
    sequence_account_id: UuidText
    resource_type: str | None = None
    resource_id: UuidText | None = None
    resource: Customer | Grant | LowBalance | None = None


class _Changed(msgspec.Struct):
    alerts: tuple[list[Notice], list[Notice]] = ([], [])
    closed_at: tuple[int | None, int | None] = (None, None)


_changed = msgspec.json.Decoder(_Changed).decode


class SequenceFormat(Format):
    """Eight tries within a day."""

    name = "sequence"
    schedule = (60, 5 * 60, 15 * 60, HOUR, 2 * HOUR, 5 * HOUR, 10 * HOUR)
    types = TYPES

    async def render(self, ledger: Ledger, recorded: Recorded) -> Sequence[Event]:
        account = await ledger.accounts.of_book(recorded.book)
        changed = _changed(recorded.operation.changed or b"{}")
        told = [
            *await _customers(ledger, recorded, changed, account),
            *await _grants(ledger, recorded, account),
        ]
        for notice in changed.alerts[1]:
            told += await _low(ledger, recorded, notice, account)
        return [_event(recorded, place, each) for place, each in enumerate(told)]

    def test(self, operation: Id, now: Instant) -> Event:
        """Of nobody: the vendor has no type that says nothing."""
        nobody = spell_uuid(Id(bytes(16)))
        told = Notification(notification_type="MERCHANT_UPDATED", sequence_account_id=nobody)
        position = Position(Instant(0), operation)
        return Event(
            position=position,
            ordinal=0,
            type=told.notification_type,
            body=_encode(told),
            customer=None,
        )

    def new_secret(self) -> str:
        return secrets.token_urlsafe(32)

    def headers(self, endpoint: Endpoint, event: Event, now: Instant) -> Mapping[str, str]:
        """The vendor's header has one signature: that of the secret as it is now."""
        return {"sequence-signature": signature(endpoint.secret, now // 1_000, event.body)}


FORMAT = SequenceFormat()


def signature(secret: str, milliseconds: int, body: bytes) -> str:
    signed = hmac.new(secret.encode(), f"{milliseconds}.".encode() + body, hashlib.sha256)
    return f"t={milliseconds},s={signed.hexdigest()}"


async def _customers(
    ledger: Ledger, recorded: Recorded, changed: _Changed, account: Id
) -> list[Notification]:
    """Of one who was brought over the vendor has told that he was made, and that he was archived there."""
    told = _OF_CUSTOMERS.get(recorded.operation.kind)
    if told is None or (told == "CUSTOMER_ARCHIVED" and changed.closed_at[1] is None):
        return []
    owner = await ledger.customer(recorded.book, recorded.operation.customer)
    if imported.was_told(owner, told == "CUSTOMER_CREATED", told == "CUSTOMER_ARCHIVED"):
        return []
    shown = customers.customer(owner, await known.texts_of(ledger, owner))
    return [_notification(told, account, "CUSTOMER", shown.id, shown)]


async def _grants(ledger: Ledger, recorded: Recorded, account: Id) -> list[Notification]:
    """What brought a grant over is no news; what had ended since its page was made is."""
    found = []
    for each in recorded.entries:
        grant = await ledger.store.find_grant(each.grant) if each.kind in _OF_GRANTS else None
        if grant is not None and not imported.is_known(each, grant):
            shown = await _shown(ledger, recorded.book, grant, account)
            told = _OF_GRANTS[each.kind]
            found.append(_notification(told, account, "CREDIT_GRANT", shown.id, shown))
    return found


async def _shown(ledger: Ledger, book: Id, grant: types.Grant, account: Id) -> Grant:
    kind = await ledger.entitlement(book, grant.entitlement)
    owner = imported.customer_id(await ledger.customer(book, grant.customer))
    days = Days(await ledger.accounts.zone_of(account))
    return credit.grant(grant, kind, account, owner, days)


def _notification(
    told: str, account: Id, kind: str, identifier: str, resource: Customer | Grant | LowBalance
) -> Notification:
    return Notification(
        notification_type=told,
        sequence_account_id=spell_uuid(account),
        resource_type=kind,
        resource_id=identifier,
        resource=resource,
    )


async def _low(
    ledger: Ledger, recorded: Recorded, notice: Notice, account: Id
) -> list[Notification]:
    """What an alert on what is available says; others are about no balance: of use, or of days."""
    if notice.kind is not AlertKind.AVAILABLE_BELOW or notice.threshold is None:
        return []
    kind = await ledger.entitlement(recorded.book, notice.entitlement)
    low = LowBalance(
        id=imported.metric_id(kind) if kind.currency is None else kind.currency.upper(),
        balance=amounts.render(notice.available, kind.scale),
        threshold=amounts.render(notice.threshold, kind.scale),
    )
    owner = await ledger.customer(recorded.book, recorded.operation.customer)
    return [_notification(BALANCE_LOW, account, "CUSTOMER", imported.customer_id(owner), low)]


def _event(recorded: Recorded, ordinal: int, told: Notification) -> Event:
    return Event(
        position=recorded.position,
        ordinal=ordinal,
        type=told.notification_type,
        body=_encode(told),
        customer=recorded.operation.customer,
    )
