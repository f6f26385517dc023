"""The endpoints of ``billing.alert``: to be told when a customer's credit in a currency falls to a line.

Each is a document, and while it is active an alert of the ledger that names it. A ledger's alert is closed
for good: one that is activated again is another one under the same id.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from drawdown.core import amounts, commands, currencies
from drawdown.core.commands import CloseAlert, KeepDocuments
from drawdown.core.identity import parse, spell
from drawdown.core.requests import Accepted, Answer
from drawdown.core.types import AlertKind, Customer, Document, Id, Mode
from drawdown.dialects.stripe import customers, expansion, wire
from drawdown.dialects.stripe.errors import StripeError, missing_object
from drawdown.dialects.stripe.grants import VALUE_MAX
from drawdown.dialects.stripe.idempotency import Write
from drawdown.dialects.stripe.kept import Kept, Records
from drawdown.dialects.stripe.parameters import Parameters, missing
from drawdown.dialects.stripe.requests import Expand
from drawdown.dialects.stripe.requests_catalog import One, Page
from drawdown.web.endpoints import Call
from drawdown.web.errors import echoed

ALERTS_URL = "/v1/billing/alerts"
NOUN = "alert"
#: Among the metadata of an alert of the ledger: which of these it is.
LINK = "stripe_alert"
CREDIT = "credit_balance_threshold"
ACTIVE, INACTIVE, ARCHIVED = "active", "inactive", "archived"
_NO_USAGE = f"alerts are on credit here: give {CREDIT}."
_LISTED_MAX = 1_000


# What is asked for and shown -------------------------------------------------------------------------


class AskedMonetary(Parameters, kw_only=True):
    currency: str
    value: Annotated[int, Meta(ge=0, le=VALUE_MAX)]


class AskedLine(Parameters, kw_only=True):
    unsupported: ClassVar[dict[str, str]] = {
        "custom_pricing_unit": "credit is in currencies here; give monetary."
    }

    balance_type: Literal["monetary"]
    monetary: AskedMonetary


class AskedFilter(Parameters, kw_only=True):
    unsupported: ClassVar[dict[str, str]] = {
        "credit_grants": "an alert is on all credit in a currency here; leave it out.",
        "tenant": "there are customers only; leave it out.",
    }

    type: Literal["customer"]
    customer: str


class AskedThreshold(Parameters, kw_only=True):
    lte: AskedLine
    filters: Annotated[list[AskedFilter], Meta(max_length=1)] | None = None


class CreateAlert(Parameters, kw_only=True):
    unsupported: ClassVar[dict[str, str]] = {
        "spend_threshold": _NO_USAGE,
        "usage_threshold": _NO_USAGE,
    }

    title: Annotated[str, Meta(min_length=1, max_length=256)]
    alert_type: Literal["credit_balance_threshold"]
    credit_balance_threshold: AskedThreshold | None = None
    expand: Expand | None = None


class ListAlerts(Page, kw_only=True):
    alert_type: Literal["credit_balance_threshold", "usage_threshold"] | UnsetType = UNSET
    customer: str | UnsetType = UNSET
    meter: str | UnsetType = UNSET


class AlertFilterShown(msgspec.Struct, kw_only=True):
    customer: str
    type: str = "customer"


class AlertLine(msgspec.Struct, kw_only=True):
    balance_type: str = "monetary"
    custom_pricing_unit: None = None
    monetary: wire.GrantMonetary


class AlertThreshold(msgspec.Struct, kw_only=True):
    filters: list[AlertFilterShown]
    lte: AlertLine


class Alert(msgspec.Struct, tag_field="object", tag="billing.alert", kw_only=True):
    id: str
    alert_type: str = CREDIT
    credit_balance_threshold: AlertThreshold
    livemode: bool
    spend_threshold: None = None
    status: str
    title: str
    usage_threshold: None = None


class AlertList(wire.List, tag_field="object", tag="list", kw_only=True):
    data: list[Alert]


class AlertTriggered(
    msgspec.Struct, tag_field="object", tag="billing.alert_triggered", kw_only=True
):
    """``value``: what was available then, in minor units, rounded down."""

    alert: Alert
    created: int
    currency: str
    custom_pricing_unit: None = None
    customer: str
    livemode: bool
    value: int


class KeptAlert(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``customer``: as he is shown; None: everybody."""

    title: str
    currency: str
    value: int
    customer: str | None = None
    status: str = ACTIVE


ALERTS = Records("stripe.alert", NOUN, KeptAlert)


def alert_id(found: Id) -> str:
    return spell("alrt_", found)


def shown(document: Document, body: KeptAlert, mode: Mode) -> Alert:
    filters = [] if body.customer is None else [AlertFilterShown(customer=body.customer)]
    return Alert(
        id=alert_id(document.id),
        credit_balance_threshold=AlertThreshold(
            filters=filters,
            lte=AlertLine(monetary=wire.GrantMonetary(body.currency, body.value)),
        ),
        livemode=mode is Mode.LIVE,
        status=body.status,
        title=body.title,
    )


# The endpoints ---------------------------------------------------------------------------------------


async def create_alert(call: Call, asked: CreateAlert) -> Write:
    expansion.expansion(asked.expand, expansion.ALERT)
    given = asked.credit_balance_threshold
    if given is None:
        raise missing(CREDIT)
    money = given.lte.monetary
    currency = money.currency.lower()
    if currency not in currencies.MINOR_PLACES:
        raise StripeError(
            f"Invalid currency: {echoed(money.currency)}. It must be a three-letter ISO 4217 code.",
            param=f"{CREDIT}[lte][monetary][currency]",
        )
    owner = None
    for each in given.filters or ():
        owner = await customers.find(call, each.customer, f"{CREDIT}[filters][0][customer]")
    body = KeptAlert(
        title=asked.title,
        currency=currency,
        value=money.value,
        customer=None if owner is None else wire.customer_id(owner),
    )
    change = ALERTS.new(call, body, None if owner is None else owner.id)
    return _write(call, _watch(change.id, body, owner), change)


def _watch(alert: Id, body: KeptAlert, owner: Customer | None) -> commands.CreateAlert:
    return commands.CreateAlert(
        entitlement=body.currency,
        kind=AlertKind.AVAILABLE_BELOW,
        customer=None if owner is None else owner.id,
        amount=amounts.normalised(body.value, currencies.MINOR_PLACES[body.currency]),
        metadata={LINK: alert_id(alert)},
    )


def _write(call: Call, command: commands.Command, change: commands.DocumentChange) -> Write:
    mode = call.principal.mode

    def show(accepted: Accepted) -> Alert:
        read = ALERTS.read(accepted.documents[0])
        return shown(read.document, read.body, mode)

    return Write(command=command, show=show, documents=(change,))


async def activate_alert(call: Call, asked: One) -> Write:
    found = await _found(call, asked)
    _check_status(found, ACTIVE, INACTIVE)
    owner = None
    if found.document.owner != call.book:
        owner = await call.ledger.customer(call.book, found.document.owner)
    body = msgspec.structs.replace(found.body, status=ACTIVE)
    return _write(call, _watch(found.id, body, owner), ALERTS.changed(found, body))


async def deactivate_alert(call: Call, asked: One) -> Write:
    found = await _found(call, asked)
    _check_status(found, INACTIVE, ACTIVE)
    return await _end(call, found, INACTIVE)


async def archive_alert(call: Call, asked: One) -> Write:
    """For good: it is not shown any more."""
    return await _end(call, await _found(call, asked), ARCHIVED)


async def _end(call: Call, found: Kept[KeptAlert], status: str) -> Write:
    watching = await _watching(call, found)
    owner = None if found.document.owner == call.book else found.document.owner
    command: commands.Command = KeepDocuments(customer=owner)
    if watching is not None:
        command = CloseAlert(alert=watching)
    body = msgspec.structs.replace(found.body, status=status)
    return _write(call, command, ALERTS.changed(found, body))


async def _watching(call: Call, found: Kept[KeptAlert]) -> Id | None:
    """The alert of the ledger that is live for it."""
    owner = None if found.document.owner == call.book else found.document.owner
    after: Id | None = None
    while True:
        some = await call.ledger.alerts(
            call.book,
            customer=owner,
            entitlement=found.body.currency,
            live=True,
            after=after,
            limit=_LISTED_MAX,
        )
        for each in some:
            if each.metadata.get(LINK) == alert_id(found.id):
                return each.id
        if len(some) < _LISTED_MAX:
            return None
        after = some[-1].id


def _check_status(found: Kept[KeptAlert], to: str, since: str) -> None:
    if found.body.status != since:
        message = f"This alert is already {to}."
        raise StripeError(message, code="status_transition_invalid")


async def _found(call: Call, asked: One) -> Kept[KeptAlert]:
    expansion.expansion(asked.expand, expansion.ALERT)
    return await find(call, call.path["alert"])


async def find(call: Call, text: str, param: str = "id") -> Kept[KeptAlert]:
    found = await ALERTS.find(call, text, param)
    if found.body.status == ARCHIVED:
        raise missing_object(NOUN, text, param)
    return found


async def retrieve_alert(call: Call) -> Answer:
    found = await _found(call, call.query)
    return _answer(call, shown(found.document, found.body, call.principal.mode))


async def list_alerts(call: Call) -> Answer:
    asked: ListAlerts = call.query
    expansion.expansion(asked.expand, expansion.ALERT, of_list=True)
    owner = None
    if isinstance(asked.customer, str):
        owner = (await customers.find(call, asked.customer, "customer")).id

    def keep(each: Kept[KeptAlert]) -> bool:
        return (
            each.body.status != ARCHIVED
            and asked.meter is UNSET
            and (asked.alert_type is UNSET or asked.alert_type == CREDIT)
        )

    found, more = await ALERTS.page(call, asked, keep, owner)
    data = [shown(each.document, each.body, call.principal.mode) for each in found]
    return _answer(call, AlertList(data=data, has_more=more, url=ALERTS_URL))


def named_in(metadata: dict[str, Any]) -> Id | None:
    """The alert here that an alert of the ledger is of."""
    text = metadata.get(LINK)
    return parse(text) if isinstance(text, str) else None


def _answer(call: Call, shown: Any) -> Answer:
    return Answer(status=200, body=msgspec.json.encode(shown), request_id=call.request_id)
