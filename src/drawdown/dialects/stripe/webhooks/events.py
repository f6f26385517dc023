"""Stripe's events: what happened, in the vendor's types and objects, signed as it signs.

An operation's events stand in a fixed order: what it was about, the documents that it changed, the credit
that it moved, the alerts that it set off.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Mapping, Sequence

import msgspec

from drawdown.core.requests import Origin
from drawdown.core.types import MICROSECONDS, ClockStatus, Id, Instant, Mode
from drawdown.dialects.stripe.test_clocks import clock_id
from drawdown.dialects.stripe.versions import VERSION
from drawdown.dialects.stripe.webhooks import (
    telling_alerts,
    telling_credit,
    telling_documents,
    telling_others,
    wire,
)
from drawdown.dialects.stripe.webhooks.telling import Tell, Telling, Told
from drawdown.dialects.stripe.wire import ClockDetails, TestClock
from drawdown.engine.endpoints import Endpoint
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import Recorded
from drawdown.engine.positions import Position
from drawdown.webhooks import signing
from drawdown.webhooks.events import Event, spell_event
from drawdown.webhooks.formats import Format

MINUTE, HOUR = 60, 3_600
READY = "test_helpers.test_clock.ready"
_TOLD: dict[str, Tell] = {**telling_credit.TOLD, **telling_others.TOLD}
_NOBODY = Id(bytes(16))
_encode = msgspec.json.Encoder().encode


_NOTHING = msgspec.Raw()


class _Said(msgspec.Struct):
    """``request``: which one it was. Of the others, whether there are any."""

    request: tuple[None, Origin | None] = (None, None)
    documents: msgspec.Raw = _NOTHING
    alerts: msgspec.Raw = _NOTHING
    reached: msgspec.Raw = _NOTHING

    @property
    def tells(self) -> bool:
        said = (self.documents, self.alerts, self.reached)
        return any(each is not _NOTHING for each in said)


_said = msgspec.json.Decoder(_Said).decode


#: What the types of events begin with that tell of an operation itself, by what its kind ends with, and of
#: what it says beside that.
_OF_KINDS = {
    "customer": "customer.",
    "meter": "billing.meter.",
    "clock": "test_helpers.",
    "advance": "test_helpers.",
}
_OF_CREDIT = ("billing.credit_",)
_OF_DOCUMENTS = ("customer.subscription.", "invoice.", "price.", "product.")
_OF_ALERTS = ("billing.alert.",)


def could_tell(recorded: Recorded, types: Collection[str]) -> bool:
    """Whether an operation may have events of some types: without looking up anything."""
    operation = recorded.operation
    said = _said(operation.changed or b"{}")
    begins: tuple[str, ...] = ()
    if recorded.entries or operation.kind in telling_credit.TOLD:
        begins += _OF_CREDIT
    if operation.kind in telling_others.TOLD:
        begins += (_OF_KINDS[operation.kind.rpartition("_")[2]],)
    if said.documents is not _NOTHING:
        begins += _OF_DOCUMENTS
    if said.alerts is not _NOTHING or said.reached is not _NOTHING:
        begins += _OF_ALERTS
    return any(each.startswith(begins) for each in types)


class StripeFormat(Format):
    """Tried again for three days, as the vendor does."""

    name = "stripe"
    schedule = (
        5,
        5 * MINUTE,
        30 * MINUTE,
        2 * HOUR,
        5 * HOUR,
        10 * HOUR,
        14 * HOUR,
        20 * HOUR,
        20 * HOUR,
    )
    types = (
        telling_alerts.TRIGGERED,
        "billing.credit_balance_transaction.created",
        "billing.credit_grant.created",
        "billing.credit_grant.updated",
        "billing.meter.created",
        "billing.meter.deactivated",
        "billing.meter.reactivated",
        "billing.meter.updated",
        "customer.created",
        "customer.deleted",
        "customer.subscription.created",
        "customer.subscription.deleted",
        "customer.subscription.updated",
        "customer.updated",
        "invoice.created",
        "invoice.deleted",
        "invoice.finalized",
        "invoice.marked_uncollectible",
        "invoice.overdue",
        "invoice.paid",
        "invoice.payment_succeeded",
        "invoice.sent",
        "invoice.upcoming",
        "invoice.updated",
        "invoice.voided",
        "invoice.will_be_due",
        "price.created",
        "price.updated",
        "product.created",
        "product.deleted",
        "product.updated",
        "test_helpers.test_clock.advancing",
        "test_helpers.test_clock.created",
        "test_helpers.test_clock.deleted",
        READY,
    )

    async def render(self, ledger: Ledger, recorded: Recorded) -> Sequence[Event]:
        operation, book = recorded.operation, recorded.book
        said = _said(operation.changed or b"{}")
        if not (operation.kind in _TOLD or recorded.entries or said.tells):
            return []  # usage that draws nothing, as most is
        telling = Telling(
            ledger=ledger,
            book=book,
            mode=await ledger.accounts.mode_of(book),
            operation=operation,
            entries=recorded.entries,
            owner=None,
        )
        if operation.customer != book:
            telling.owner = await ledger.customer(book, operation.customer)
        told = await _told(telling)
        request = _request_of(said.request[1])
        return [_event(recorded, telling, place, each, request) for place, each in enumerate(told)]

    def test(self, operation: Id, now: Instant) -> Event:
        """Of nobody's test clock, that it is ready: the vendor has no type that says nothing."""
        seconds = now // MICROSECONDS
        clock = TestClock(
            id=clock_id(_NOBODY),
            created=seconds,
            deletes_after=seconds,
            frozen_time=seconds,
            livemode=False,
            name="The endpoint can be reached",
            status=ClockStatus.READY.value,
            status_details=ClockDetails(),
        )
        position = Position(Instant(0), operation)
        told = Told(READY, clock)
        return _written(position, 0, told, seconds, Mode.TEST, None, _request_of(None))

    def new_secret(self) -> str:
        return signing.new_secret()

    def headers(self, endpoint: Endpoint, event: Event, now: Instant) -> Mapping[str, str]:
        """By each secret that is valid now, as a whole, over the second and the body."""
        seconds = now // MICROSECONDS
        signed = f"{seconds}.".encode() + event.body
        signatures = [
            "v1=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
            for secret in endpoint.secrets(now)
        ]
        return {"stripe-signature": ",".join([f"t={seconds}", *signatures])}


FORMAT = StripeFormat()


async def _told(telling: Telling) -> list[Told]:
    tell = _TOLD.get(telling.operation.kind)
    told = [] if tell is None else await tell(telling)
    told += telling_documents.upcoming(telling)
    turns = await telling_documents.turns(telling)
    for turn in turns:
        told += await telling_documents.told(telling, turn)
    lines = telling_documents.lines_of(turns)
    told += await telling_credit.credit(telling, lines)
    return told + await telling_alerts.triggered(telling)


def _request_of(origin: Origin | None) -> wire.EventRequest:
    """Null for what no request of this dialect did: time, or another dialect."""
    if origin is None:
        return wire.EventRequest()
    return wire.EventRequest(id=origin.request_id, idempotency_key=origin.key)


def _event(
    recorded: Recorded, telling: Telling, ordinal: int, told: Told, request: wire.EventRequest
) -> Event:
    """For a customer on a test clock it happened when the clock said so."""
    operation, owner = telling.operation, telling.owner
    on_clock = owner is not None and owner.test_clock is not None
    seconds = (operation.at if on_clock else operation.recorded_at) // MICROSECONDS
    customer = None if owner is None else owner.id
    return _written(recorded.position, ordinal, told, seconds, telling.mode, customer, request)


def _written(
    position: Position,
    ordinal: int,
    told: Told,
    seconds: int,
    mode: Mode,
    customer: Id | None,
    request: wire.EventRequest,
) -> Event:
    shown = wire.EventObject(
        id=spell_event(position.operation, ordinal),
        api_version=VERSION,
        created=seconds,
        data=wire.EventData(
            object=told.object,
            previous_attributes=msgspec.UNSET if told.previous is None else told.previous,
        ),
        livemode=mode is Mode.LIVE,
        pending_webhooks=1,
        request=request,
        type=told.type,
    )
    return Event(
        position=position,
        ordinal=ordinal,
        type=told.type,
        body=_encode(shown),
        customer=customer,
    )
