"""Dodo's endpoints of subscriptions. What each asks of the ledger happens in one transaction."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from drawdown.core import errors, types
from drawdown.core.commands import Command, CreateCustomer
from drawdown.core.requests import Answer
from drawdown.core.types import Id, Instant
from drawdown.dialects.dodo import documents, reading
from drawdown.dialects.dodo.answering import answer
from drawdown.dialects.dodo.credit.rows import brand_id
from drawdown.dialects.dodo.documents import Kept
from drawdown.dialects.dodo.errors import (
    ChangeWaits,
    NotAllowedNow,
    QueryInvalid,
    RecordNotFound,
)
from drawdown.dialects.dodo.selling import (
    held,
    products,
    subscription_changes,
    subscription_commands,
    subscription_rendering,
    subscriptions,
)
from drawdown.dialects.dodo.selling.plan_routes import (
    cancel_change_plan,
    change_plan,
    preview_change_plan,
)
from drawdown.dialects.dodo.selling.subscription_changes import confirm_payment, update_subscription
from drawdown.dialects.dodo.selling.subscription_wire import (
    ChangedPlan,
    ChangePlanRequest,
    ConfirmPaymentRequest,
    CreatedSubscription,
    CreateSubscriptionRequest,
    CreditUsage,
    ListSubscriptionsQuery,
    Plan,
    PlanPreview,
    RetrieveSubscriptionQuery,
    Subscription,
    SubscriptionPage,
    SubscriptionRecord,
    UpdateSubscriptionRequest,
    UsageHistory,
    UsageHistoryQuery,
    WhoSubscribes,
)
from drawdown.dialects.dodo.selling.subscriptions import SUBSCRIPTIONS
from drawdown.dialects.dodo.selling.usage_history import retrieve_usage_history
from drawdown.dialects.dodo.wire import CreateCustomerRequest
from drawdown.engine.accounts import Role
from drawdown.web import fields
from drawdown.web.endpoints import Call, Endpoint
from drawdown.web.errors import BadRequest

# Beginning ----------------------------------------------------------------------------------------


async def create_subscription(call: Call) -> Answer:
    """With nothing to pay, or in a trial, it begins at once; else it waits for its payment."""
    body: CreateSubscriptionRequest = call.body
    _check_sold(body)
    plan, days = await _plan(call, body)
    subscription_changes.check_details(body)
    record = SubscriptionRecord(
        plan=plan,
        billing=body.billing,
        trial_days=days,
        metadata=reading.metadata(body.metadata),
        customer_business_name=body.customer_business_name,
        tax_id=body.tax_id,
    )
    owner = await _customer(call, body.customer)
    now = await call.ledger.now_of(owner)
    begins = not plan.amount or record.trial_days > 0
    if begins:
        record = subscriptions.started(record, now)
    change = SUBSCRIPTIONS.new(call.ledger, owner.id, record)
    subscription = subscriptions.subscription_id(change.id)
    commands: list[Command] = []
    if begins:
        commands += subscription_commands.beginning(record, subscription, owner.id, now)
        commands += subscription_commands.meter_changes(None, record, subscription, owner.id)
    asked = held.together(owner, commands)
    made = await documents.submit(call.ledger, call.book, asked, change)
    kept = SUBSCRIPTIONS.read(made.documents[0])
    return answer(call, subscription_rendering.created(kept, owner))


def _check_sold(body: CreateSubscriptionRequest) -> None:
    """Raises ``BadRequest`` for what the vendor sells, and is not here."""
    subscriptions.check_not_sold(body)
    if body.on_demand is not None:
        raise BadRequest("on_demand", "left out: no subscription is charged on demand here")
    if body.one_time_product_cart:
        rule = "left out or empty: nothing is sold once here"
        raise BadRequest("one_time_product_cart", rule)


async def _plan(call: Call, body: CreateSubscriptionRequest) -> tuple[Plan, int]:
    """What is sold, and for how many days it is tried first."""
    product = await held.sold(call, body.product_id)
    plan = await held.plan_of(call, product, body.quantity)
    plan = subscriptions.with_amounts(plan, body.credit_entitlements or [], "credit_entitlements")
    days = body.trial_period_days
    return plan, products.trial_days_of(product.body.price) if days is None else days


async def _customer(call: Call, asked: WhoSubscribes) -> types.Customer:
    if asked.customer_id is not None:
        reference = fields.reference(asked.customer_id, "customer.customer_id")
        return await call.ledger.customer(call.book, reference)
    if asked.email is None:
        raise BadRequest("customer", "a customer_id, or the email of a new customer")
    details = CreateCustomerRequest(
        email=asked.email, name=asked.name or asked.email, phone_number=asked.phone_number
    )
    command: CreateCustomer = reading.create_customer(details)
    made = (await call.ledger.apply(call.book, command)).customer
    assert made is not None
    return made


# Showing ------------------------------------------------------------------------------------------


async def retrieve_subscription(call: Call) -> Answer:
    return await held.shown(call, await held.find(call))


async def retrieve_credit_usage(call: Call) -> Answer:
    found = await held.find(call)
    balances = await held.balances(call, found)
    return answer(call, subscription_rendering.credit_usage(found.kept, balances))


async def list_subscriptions(call: Call, *, page_base: int) -> Answer:
    """Each is looked at as it is for its customer, who may be on a clock of his own."""
    query: ListSubscriptionsQuery = call.query
    owner: types.Customer | None = None
    if query.customer_id is not None:
        reference = reading.query_reference(query.customer_id, "customer_id")
        owner = await call.ledger.customer(call.book, reference)
    whose = _Whose(call)
    keep = _filter(query, brand_id(call.principal.account))

    async def wanted(kept: Kept[SubscriptionRecord]) -> bool:
        owner, now = await whose.look(kept.document.owner)
        return keep(held.as_of(kept, owner, now), now)

    found = await SUBSCRIPTIONS.page(
        call.ledger,
        call.book,
        wanted,
        owner=None if owner is None else owner.id,
        offset=query.offset(page_base),
        limit=query.page_size,
    )
    items = []
    for kept in found:
        customer, now = await whose.look(kept.document.owner)
        items.append(subscription_rendering.item(held.as_of(kept, customer, now), customer, now))
    return answer(call, SubscriptionPage(items))


class _Whose:
    """The customers of a list and what time it is for each, asked for once."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._found: dict[Id, tuple[types.Customer, Instant]] = {}

    async def look(self, owner: Id) -> tuple[types.Customer, Instant]:
        if owner not in self._found:
            customer = await self._call.ledger.customer(self._call.book, owner)
            self._found[owner] = customer, await self._call.ledger.now_of(customer)
        return self._found[owner]


def _filter(
    query: ListSubscriptionsQuery, brand: str
) -> Callable[[Kept[SubscriptionRecord], Instant], bool]:
    since = reading.query_instant(query.created_at_gte, "created_at_gte")
    until = reading.query_instant(query.created_at_lte, "created_at_lte")
    product = None
    if query.product_id is not None:
        found = fields.generated(query.product_id)
        product = "" if found is None else products.product_id(found)

    def keep(kept: Kept[SubscriptionRecord], now: Instant) -> bool:
        body, made_at = kept.body, kept.document.created_at
        ends = body.cancel_at is not None and body.cancelled_at is None
        return (
            (query.status is None or subscriptions.status_of(body, now) is query.status)
            and product in (None, body.plan.product_id)
            and query.brand_id in (None, brand)
            and (since is None or made_at >= since)
            and (until is None or made_at <= until)
            and query.cancel_at_next_billing_date in (None, ends)
        )

    return keep


async def refuse_charge(call: Call) -> Answer:
    raise NotAllowedNow(
        "Nothing is charged on demand here: confirm-payment tells of what was paid."
    )


async def refuse_payment_method(call: Call) -> Answer:
    raise NotAllowedNow("No payment is taken here, so that there is no payment method.")


_ONE = "/subscriptions/{subscription_id}"
_NO_CUSTOMER = errors.CustomerNotFound
_CHANGES = (RecordNotFound, NotAllowedNow)


def endpoints(page_base: int) -> tuple[Endpoint, ...]:
    return (*_reading(page_base), *_writing(), *_payments())


def _reading(page_base: int) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            method="GET",
            path="/subscriptions",
            handler=partial(list_subscriptions, page_base=page_base),
            summary="List subscriptions, newest first",
            role=Role.VIEWER,
            query=ListSubscriptionsQuery,
            answer=SubscriptionPage,
            errors=(_NO_CUSTOMER,),
        ),
        Endpoint(
            method="GET",
            path=_ONE,
            handler=retrieve_subscription,
            summary="Retrieve a subscription",
            role=Role.VIEWER,
            query=RetrieveSubscriptionQuery,
            answer=Subscription,
            errors=(RecordNotFound,),
        ),
        Endpoint(
            method="GET",
            path=f"{_ONE}/credit-usage",
            handler=retrieve_credit_usage,
            summary="Retrieve what is left of a subscription's credit, and its overage",
            role=Role.VIEWER,
            answer=CreditUsage,
            errors=(RecordNotFound,),
        ),
        Endpoint(
            method="GET",
            path=f"{_ONE}/usage-history",
            handler=partial(retrieve_usage_history, page_base=page_base),
            summary="Retrieve what a subscription's meters counted in each billing period",
            role=Role.VIEWER,
            query=UsageHistoryQuery,
            answer=UsageHistory,
            errors=(RecordNotFound, errors.MeterNotFound, QueryInvalid),
        ),
    )


def _writing() -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            method="POST",
            path="/subscriptions",
            handler=create_subscription,
            summary="Subscribe a customer to a product",
            role=Role.EDITOR,
            body=CreateSubscriptionRequest,
            answer=CreatedSubscription,
            errors=(*_CHANGES, _NO_CUSTOMER, errors.EntitlementClosed, errors.TooManySchedules),
        ),
        Endpoint(
            method="PATCH",
            path=_ONE,
            handler=update_subscription,
            summary="Change or cancel a subscription",
            role=Role.EDITOR,
            body=UpdateSubscriptionRequest,
            answer=Subscription,
            errors=_CHANGES,
        ),
        Endpoint(
            method="POST",
            path=f"{_ONE}/change-plan",
            handler=change_plan,
            summary="Change a subscription to another product",
            role=Role.EDITOR,
            body=ChangePlanRequest,
            answer=ChangedPlan,
            errors=(*_CHANGES, ChangeWaits),
        ),
        Endpoint(
            method="POST",
            path=f"{_ONE}/change-plan/preview",
            handler=preview_change_plan,
            summary="Look at what a change to another product would cost and be",
            role=Role.EDITOR,
            body=ChangePlanRequest,
            answer=PlanPreview,
            errors=(*_CHANGES, ChangeWaits),
        ),
        Endpoint(
            method="DELETE",
            path=f"{_ONE}/change-plan/scheduled",
            handler=cancel_change_plan,
            summary="Take back a change of plan that is scheduled",
            role=Role.EDITOR,
            errors=_CHANGES,
        ),
    )


def _payments() -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            method="POST",
            path=f"{_ONE}/confirm-payment",
            handler=confirm_payment,
            summary="Say that what a subscription waits for was paid",
            role=Role.EDITOR,
            body=ConfirmPaymentRequest,
            answer=Subscription,
            errors=_CHANGES,
        ),
        Endpoint(
            method="POST",
            path=f"{_ONE}/charge",
            handler=refuse_charge,
            summary="Refused: nothing is charged on demand",
            role=Role.EDITOR,
            errors=(NotAllowedNow,),
        ),
        Endpoint(
            method="POST",
            path=f"{_ONE}/update-payment-method",
            handler=refuse_payment_method,
            summary="Refused: no payment is taken here",
            role=Role.EDITOR,
            errors=(NotAllowedNow,),
        ),
    )
