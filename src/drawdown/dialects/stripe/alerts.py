"""The endpoints of ``billing.alert``: to be told when a line is reached by a customer.

His credit in a currency falls to it, or what he ever used by a meter rises to it. As at Stripe the number of
a meter is that of all time, each customer is told of once, and what was used before an alert was made counts.

Each is a document, and while it is active an alert of the ledger that names it. A ledger's alert is closed
for good: one that is activated again is another one under the same id.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from drawdown.core import amounts, commands, currencies
from drawdown.core.amounts import Amount
from drawdown.core.commands import CloseAlert, KeepDocuments
from drawdown.core.identity import parse, spell
from drawdown.core.requests import Accepted, Answer
from drawdown.core.types import AlertKind, Customer, Document, Id, Metadata, Mode
from drawdown.dialects.stripe import customers, expansion, meters, wire, words
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
CREDIT, USAGE = "credit_balance_threshold", "usage_threshold"
#: The highest line of usage.
GTE_MAX = 10**15
ACTIVE, INACTIVE, ARCHIVED = "active", "inactive", "archived"
_NO_SPEND = f"alerts are on credit or on usage here: give {CREDIT} or {USAGE}."
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


class AskedUsageFilter(Parameters, kw_only=True):
    type: Literal["customer"]
    customer: str


class AskedUsage(Parameters, kw_only=True):
    gte: Annotated[int, Meta(ge=1, le=GTE_MAX)]
    meter: str
    recurrence: Literal["one_time"]
    filters: Annotated[list[AskedUsageFilter], Meta(max_length=1)] | None = None


class CreateAlert(Parameters, kw_only=True):
    unsupported: ClassVar[dict[str, str]] = {"spend_threshold": _NO_SPEND}

    title: Annotated[str, Meta(min_length=1, max_length=256)]
    alert_type: Literal["credit_balance_threshold", "usage_threshold"]
    credit_balance_threshold: AskedThreshold | None = None
    usage_threshold: AskedUsage | None = None
    expand: Expand | None = None


class ListAlerts(Page, kw_only=True):
    alert_type: Literal["credit_balance_threshold", "usage_threshold"] | UnsetType = UNSET
    customer: str | UnsetType = UNSET
    meter: str | UnsetType = UNSET


class AlertFilterShown(msgspec.Struct, kw_only=True):
    customer: str
    type: words.AlertFilter = "customer"


class AlertLine(msgspec.Struct, kw_only=True):
    balance_type: words.Monetary = "monetary"
    custom_pricing_unit: None = None
    monetary: wire.GrantMonetary


class AlertThreshold(msgspec.Struct, kw_only=True):
    filters: list[AlertFilterShown]
    lte: AlertLine


class UsageThreshold(msgspec.Struct, kw_only=True):
    filters: list[AlertFilterShown]
    gte: int
    meter: str
    recurrence: words.Recurrence = "one_time"


class Alert(msgspec.Struct, tag_field="object", tag="billing.alert", kw_only=True):
    """What the vendor's preview adds is shown of alerts on credit alone."""

    id: str
    alert_type: words.AlertType
    credit_balance_threshold: AlertThreshold | UnsetType = UNSET
    livemode: bool
    spend_threshold: UnsetType | None = UNSET
    status: words.AlertStatus
    title: str
    usage_threshold: UsageThreshold | None = None


class AlertList(wire.List, tag_field="object", tag="list", kw_only=True):
    data: list[Alert]


class AlertTriggered(
    msgspec.Struct, tag_field="object", tag="billing.alert_triggered", kw_only=True
):
    """``value``: what was available then, in minor units, or was used, rounded down.

    ``currency`` is of an alert on credit.
    """

    alert: Alert
    created: int
    currency: str | UnsetType = UNSET
    custom_pricing_unit: None = None
    customer: str
    livemode: bool
    value: int


class KeptAlert(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``value``: the line, of credit in a ``currency`` or of what a ``meter`` counts, as that is shown.

    ``customer``: as he is shown; None: everybody.
    """

    title: str
    value: int
    currency: str | None = None
    meter: str | None = None
    customer: str | None = None
    status: str = ACTIVE


ALERTS = Records("stripe.alert", NOUN, KeptAlert)


def alert_id(found: Id) -> str:
    return spell("alrt_", found)


def shown(document: Document, body: KeptAlert, mode: Mode) -> Alert:
    filters = [] if body.customer is None else [AlertFilterShown(customer=body.customer)]
    alert = Alert(
        id=alert_id(document.id),
        alert_type=CREDIT if body.meter is None else USAGE,
        livemode=mode is Mode.LIVE,
        status=body.status,
        title=body.title,
    )
    if body.meter is not None:
        alert.usage_threshold = UsageThreshold(filters=filters, gte=body.value, meter=body.meter)
    if body.currency is not None:
        line = AlertLine(monetary=wire.GrantMonetary(body.currency, body.value))
        alert.credit_balance_threshold = AlertThreshold(filters=filters, lte=line)
        alert.spend_threshold = None
    return alert


# The endpoints ---------------------------------------------------------------------------------------


async def create_alert(call: Call, asked: CreateAlert) -> Write:
    expansion.expansion(asked.expand, expansion.ALERT)
    for name in (CREDIT, USAGE):
        given = getattr(asked, name)
        if given is None and name == asked.alert_type:
            raise missing(name)
        if given is not None and name != asked.alert_type:
            message = f"You may only specify {name} with alert_type={name}."
            raise StripeError(message, code="parameters_exclusive", param=name)
    body, owner = await _body(call, asked)
    change = ALERTS.new(call, body, None if owner is None else owner.id)
    return _write(call, _watch(change.id, body, owner), change)


async def _body(call: Call, asked: CreateAlert) -> tuple[KeptAlert, Customer | None]:
    if asked.usage_threshold is not None:
        usage = asked.usage_threshold
        meter = await meters.find(call, usage.meter, f"{USAGE}[meter]")
        if meter.closed_at is not None:
            message = "This meter is inactive: it cannot be watched."
            raise StripeError(message, param=f"{USAGE}[meter]")
        owner = await _owner(call, usage.filters, USAGE)
        body = KeptAlert(
            title=asked.title,
            value=usage.gte,
            meter=meters.meter_id(meter.id, call.principal.mode),
            customer=None if owner is None else wire.customer_id(owner),
        )
        return body, owner
    assert asked.credit_balance_threshold is not None
    return await _credit_body(call, asked.title, asked.credit_balance_threshold)


async def _credit_body(
    call: Call, title: str, given: AskedThreshold
) -> tuple[KeptAlert, Customer | None]:
    money = given.lte.monetary
    currency = money.currency.lower()
    if currency not in currencies.MINOR_PLACES:
        raise StripeError(
            f"Invalid currency: {echoed(money.currency)}. It must be a three-letter ISO 4217 code.",
            param=f"{CREDIT}[lte][monetary][currency]",
        )
    owner = await _owner(call, given.filters, CREDIT)
    body = KeptAlert(
        title=title,
        currency=currency,
        value=money.value,
        customer=None if owner is None else wire.customer_id(owner),
    )
    return body, owner


async def _owner(
    call: Call, filters: Sequence[AskedFilter | AskedUsageFilter] | None, threshold: str
) -> Customer | None:
    """On whose credit or usage it is; None: everybody's."""
    owner = None
    for each in filters or ():
        owner = await customers.find(call, each.customer, f"{threshold}[filters][0][customer]")
    return owner


def _watch(alert: Id, body: KeptAlert, owner: Customer | None) -> commands.Command:
    customer, meter = None if owner is None else owner.id, _meter_of(body)
    metadata: Metadata = {LINK: alert_id(alert)}
    if meter is not None:
        amount = Amount(body.value)
        return commands.CreateUsageAlert(
            meter=meter, amount=amount, customer=customer, metadata=metadata
        )
    assert body.currency is not None
    return commands.CreateAlert(
        entitlement=body.currency,
        kind=AlertKind.AVAILABLE_BELOW,
        customer=customer,
        amount=amounts.normalised(body.value, currencies.MINOR_PLACES[body.currency]),
        metadata=metadata,
    )


def _meter_of(body: KeptAlert) -> Id | None:
    return None if body.meter is None else parse(body.meter)


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
            meter=_meter_of(found.body),
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

    meter = None
    if isinstance(asked.meter, str):
        meter = (await meters.find(call, asked.meter, "meter")).id

    def keep(each: Kept[KeptAlert]) -> bool:
        of_usage = each.body.meter is not None
        return (
            each.body.status != ARCHIVED
            and (meter is None or _meter_of(each.body) == meter)
            and (asked.alert_type is UNSET or (asked.alert_type == USAGE) is of_usage)
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
