"""Dodo's webhooks: what became of credit, in the vendor's types, fields and signature.

Only types that the vendor has are sent: its SDKs read any other as some event of theirs. What moves no
balance and no overage is not told, nor is what a carried grant loses to the one after it, nor money.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from drawdown.core import currencies
from drawdown.core.amounts import render as decimal
from drawdown.core.identity import spell
from drawdown.core.schedules import changes as recurring
from drawdown.core.times import text_of
from drawdown.core.types import (
    MICROSECONDS,
    Entitlement,
    Id,
    Instant,
    Metadata,
    Operation,
)
from drawdown.core.watching.watch import Notice
from drawdown.dialects.dodo.credit.imported import entitlement_id, grant_ids
from drawdown.dialects.dodo.credit.row_wire import (
    BalanceLow,
    LedgerRow,
    LedgerRowTold,
    TransactionType,
    WebhookEvent,
)
from drawdown.dialects.dodo.credit.rows import Names, brand_id, rows_of
from drawdown.dialects.dodo.errors import RecordNotFound
from drawdown.dialects.dodo.rendering import business_id, customer_id
from drawdown.dialects.dodo.selling import links, subscriptions
from drawdown.engine.endpoints import Endpoint
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import Recorded
from drawdown.engine.positions import Position
from drawdown.webhooks import signing
from drawdown.webhooks.events import Event
from drawdown.webhooks.formats import Format

MINUTE, HOUR = 60, 3_600
BALANCE_LOW = "credit.balance_low"
#: Under these names an endpoint's profile keeps the headers that are sent with each delivery, and how many
#: of those may begin within a second.
HEADERS, RATE_LIMIT = "headers", "rate_limit"
_NOBODY = Id(bytes(16))
_TYPES: dict[TransactionType, str] = {
    TransactionType.CREDIT_ADDED: "credit.added",
    TransactionType.CREDIT_DEDUCTED: "credit.deducted",
    TransactionType.CREDIT_EXPIRED: "credit.expired",
    TransactionType.CREDIT_ROLLED_OVER: "credit.rolled_over",
    TransactionType.ROLLOVER_FORFEITED: "credit.rollover_forfeited",
    TransactionType.OVERAGE_CHARGED: "credit.overage_charged",
    TransactionType.OVERAGE_RESET: "credit.overage_reset",
    TransactionType.MANUAL_ADJUSTMENT: "credit.manual_adjustment",
}
#: Kinds of operation whose subject is a schedule.
_OF_SCHEDULES = frozenset({"cycle", "amend_schedule", "cancel_schedule", "resume_schedule"})
#: And all that are about one.
ABOUT_SCHEDULES = _OF_SCHEDULES | {"create_schedule"}
_encode = msgspec.json.Encoder().encode


class _Alerted(msgspec.Struct):
    alerts: tuple[list[Notice], list[Notice]] = ([], [])


_notices = msgspec.json.Decoder(_Alerted).decode


class DodoFormat(Format):
    """Standard Webhooks; the pauses are the vendor's, eight of them."""

    name = "dodo"
    schedule = (5, 5 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR, 10 * HOUR, 10 * HOUR)
    types = (*_TYPES.values(), BALANCE_LOW)

    async def render(self, ledger: Ledger, recorded: Recorded) -> Sequence[Event]:
        operation, book = recorded.operation, recorded.book
        notices = _notices(operation.changed).alerts[1] if operation.changed else []
        if operation.customer == book or not (recorded.entries or notices):
            return []
        names = await _names(ledger, recorded, notices)
        credit = [each for each in recorded.entries if not _is_money(names.kinds[each.entitlement])]
        rows = rows_of(operation, credit, names)
        told = [_row_told(row) for row in rows if _is_told(row)]
        told += [
            shown for notice in notices for shown in await _low(ledger, recorded, notice, names)
        ]
        return [_event(recorded, place, each) for place, each in enumerate(told)]

    def test(self, operation: Id, now: Instant) -> Event:
        """A low balance of nobody's: the vendor has no type that says nothing."""
        data = BalanceLow(
            customer_id=spell("cus_", _NOBODY),
            subscription_id=spell("sub_", _NOBODY),
            brand_id=brand_id(_NOBODY),
            credit_entitlement_id=spell("cde_", _NOBODY),
            credit_entitlement_name="The endpoint can be reached",
            available_balance="0",
            subscription_credits_amount="0",
            threshold_percent=0,
            threshold_amount="0",
        )
        told = WebhookEvent(
            business_id=business_id(_NOBODY), type=BALANCE_LOW, timestamp=text_of(now), data=data
        )
        return Event(
            position=Position(Instant(0), operation),
            ordinal=0,
            type=told.type,
            body=_encode(told),
            customer=None,
        )

    def new_secret(self) -> str:
        return signing.new_secret()

    def rate_limit(self, endpoint: Endpoint) -> int | None:
        found: int | None = endpoint.settings.profile.get(RATE_LIMIT)
        return found

    def headers(self, endpoint: Endpoint, event: Event, now: Instant) -> Mapping[str, str]:
        """The endpoint's own headers are beside the signature, and never in its place."""
        seconds = now // MICROSECONDS
        signed = signing.standard_headers(event.id, seconds, event.body, endpoint.secrets(now))
        own: Mapping[str, str] = endpoint.settings.profile.get(HEADERS, {})
        return {**own, **signed}


FORMAT = DodoFormat()


async def _names(ledger: Ledger, recorded: Recorded, notices: Sequence[Notice]) -> Names:
    operation, book = recorded.operation, recorded.book
    kinds = [entry.entitlement for entry in recorded.entries]
    kinds += [notice.entitlement for notice in notices]
    owner = await ledger.customer(book, operation.customer)
    return Names(
        owner=owner,
        account=await ledger.accounts.of_book(book),
        kinds={each: await ledger.entitlement(book, each) for each in dict.fromkeys(kinds)},
        subscription=links.subscription_in(await schedule_metadata(ledger, operation)),
        grants=await grant_ids(ledger, owner, recorded.entries),
    )


async def schedule_metadata(ledger: Ledger, operation: Operation) -> Metadata:
    """Of the schedule that an operation is about; it never changes."""
    if operation.kind == "create_schedule":
        schedule = await ledger.store.find_schedule(recurring.made_by(operation.id))
    elif operation.kind in _OF_SCHEDULES and operation.subject is not None:
        schedule = await ledger.store.find_schedule(operation.subject)
    else:
        return {}
    return {} if schedule is None else schedule.metadata


def _is_money(kind: Entitlement) -> bool:
    """A currency is a customer's wallet, and the vendor tells nothing of wallets."""
    return kind.code in currencies.MINOR_PLACES


def _is_told(row: LedgerRow) -> bool:
    """Of what is carried, only what comes into the new grant is."""
    return row.is_credit or row.transaction_type is not TransactionType.CREDIT_ROLLED_OVER


def _row_told(row: LedgerRow) -> WebhookEvent:
    return WebhookEvent(
        business_id=row.business_id,
        type=_TYPES[row.transaction_type],
        timestamp=row.created_at,
        data=LedgerRowTold(**msgspec.structs.asdict(row)),
    )


async def _low(
    ledger: Ledger, recorded: Recorded, notice: Notice, names: Names
) -> list[WebhookEvent]:
    """What an alert of a subscription says; nothing of one that somebody made elsewhere."""
    alert = await ledger.alert(recorded.book, notice.alert)
    link = links.low_balance_in(alert.metadata)
    kind = names.kinds[notice.entitlement]
    if link is None or notice.threshold is None:
        return []
    if not await _is_watched(ledger, recorded.book, link, notice, kind):
        return []
    data = BalanceLow(
        customer_id=customer_id(names.owner),
        subscription_id=link.subscription,
        brand_id=brand_id(names.account),
        credit_entitlement_id=entitlement_id(kind),
        credit_entitlement_name=kind.name,
        available_balance=decimal(notice.available, kind.scale),
        subscription_credits_amount=link.credits,
        threshold_percent=link.percent,
        threshold_amount=decimal(notice.threshold, kind.scale),
    )
    business = business_id(names.account)
    return [
        WebhookEvent(
            business_id=business, type=BALANCE_LOW, timestamp=text_of(notice.at), data=data
        )
    ]


async def _is_watched(
    ledger: Ledger, book: Id, link: links.LowBalance, notice: Notice, kind: Entitlement
) -> bool:
    """Whether the subscription was not over then, and its plan the one whose credit the alert is about.

    An alert that somebody made elsewhere may name one that never was.
    """
    try:
        kept = await subscriptions.SUBSCRIPTIONS.find(ledger, book, link.subscription)
    except RecordNotFound:
        return False
    kinds = (kind.id, kind.code)
    return subscriptions.watches(kept.body, link, kinds, notice.at)


def _event(recorded: Recorded, ordinal: int, told: WebhookEvent) -> Event:
    return Event(
        position=recorded.position,
        ordinal=ordinal,
        type=told.type,
        body=_encode(told),
        customer=recorded.operation.customer,
    )
