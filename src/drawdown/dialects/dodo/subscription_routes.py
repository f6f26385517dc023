"""Dodo's endpoints of subscriptions. What each asks of the ledger happens in one transaction."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from functools import partial

import msgspec

from drawdown.core import errors, types
from drawdown.core.commands import (
    CancelSchedule,
    CloseAlert,
    Command,
    CreateCustomer,
    DetachRate,
    KeepDocuments,
    Together,
)
from drawdown.core.identity import spell
from drawdown.core.requests import Accepted, Answer
from drawdown.core.schedules.terms import Schedule, ScheduleState
from drawdown.core.types import Id, Instant
from drawdown.dialects.dodo import (
    product_routes,
    products,
    reading,
    records,
    subscription_rendering,
    subscriptions,
)
from drawdown.dialects.dodo.errors import NotAllowedNow, RecordNotFound
from drawdown.dialects.dodo.links import subscription_in
from drawdown.dialects.dodo.product_wire import Link, OneTimePrice, ProductRecord
from drawdown.dialects.dodo.products import PRODUCTS
from drawdown.dialects.dodo.records import Kept
from drawdown.dialects.dodo.subscription_wire import (
    CartRequest,
    ChangedPlan,
    ChangePlanRequest,
    ConfirmPaymentRequest,
    CreatedSubscription,
    CreateSubscriptionRequest,
    CreditUsage,
    EffectiveAt,
    ListSubscriptionsQuery,
    Plan,
    ProrationMode,
    RetrieveSubscriptionQuery,
    Scheduled,
    Status,
    Subscription,
    SubscriptionPage,
    SubscriptionRecord,
    UpdateSubscriptionRequest,
    WhoSubscribes,
)
from drawdown.dialects.dodo.subscriptions import SUBSCRIPTIONS
from drawdown.dialects.dodo.wire import CreateCustomerRequest
from drawdown.engine.accounts import Role
from drawdown.web import fields
from drawdown.web.endpoints import Call, Endpoint
from drawdown.web.errors import BadRequest

_encode = msgspec.json.Encoder().encode
#: Live schedules and alerts of one wallet are fewer.
_LIVE_MAX = 200
_REFERENCE_MAX = 255


class Held(msgspec.Struct):
    """A subscription with its customer, and what time it is for him."""

    kept: Kept[SubscriptionRecord]
    owner: types.Customer
    now: Instant

    @property
    def id(self) -> str:
        return subscriptions.subscription_id(self.kept.document.id)

    @property
    def body(self) -> SubscriptionRecord:
        return self.kept.body


# Beginning ----------------------------------------------------------------------------------------


async def create_subscription(call: Call) -> Answer:
    """With nothing to pay, or in a trial, it begins at once; else it waits for its payment."""
    body: CreateSubscriptionRequest = call.body
    product = await _sold(call, body.product_id)
    plan = await _plan(call, product, body.quantity)
    days = body.trial_period_days
    _check_details(body)
    record = SubscriptionRecord(
        plan=plan,
        billing=body.billing,
        trial_days=products.trial_days_of(product.body.price) if days is None else days,
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
    commands = list(_beginning(record, subscription, owner.id, now)) if begins else []
    made = await records.submit(call.ledger, call.book, _together(owner, commands), change)
    kept = SUBSCRIPTIONS.read(made.documents[0])
    return _answer(call, subscription_rendering.created(kept, owner))


def _check_details(body: CreateSubscriptionRequest | UpdateSubscriptionRequest) -> None:
    products.check_texts(customer_business_name=body.customer_business_name, tax_id=body.tax_id)
    if body.billing is not None:
        products.check_texts("billing", **msgspec.structs.asdict(body.billing))


def _beginning(
    record: SubscriptionRecord, subscription: str, customer: Id, now: Instant
) -> Iterable[Command]:
    stretch = subscriptions.now_to(record, now)
    yield from subscriptions.begin(record, subscription, customer, stretch)
    yield from subscriptions.watch(record, subscription, customer)
    yield from subscriptions.attach(record.plan.links, customer)


def _together(owner: types.Customer, commands: list[Command]) -> Command:
    if not commands:
        return KeepDocuments(customer=owner.id)
    return Together(customer=owner.id, commands=tuple(commands))


async def _sold(call: Call, product_id: str) -> Kept[ProductRecord]:
    product = await PRODUCTS.find(call.ledger, call.book, product_id)
    if product.body.archived:
        raise NotAllowedNow("The product is archived: POST /products/{id}/unarchive first.")
    if isinstance(product.body.price, OneTimePrice):
        raise NotAllowedNow("The product has a one-time price: a subscription's is recurring.")
    return product


async def _plan(call: Call, product: Kept[ProductRecord], quantity: int) -> Plan:
    found = {}
    for number, each in enumerate(product.body.attachments):
        field = f"credit_entitlements[{number}]"
        found[each.entitlement] = await product_routes.live_entitlement(
            call, each.entitlement, field
        )
    return subscriptions.plan_of(product, found, quantity)


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
    return await _shown(call, await _held(call))


async def retrieve_credit_usage(call: Call) -> Answer:
    held = await _held(call)
    found = await _balances(call, held)
    return _answer(call, subscription_rendering.credit_usage(held.kept, found))


async def list_subscriptions(call: Call, *, page_base: int) -> Answer:
    query: ListSubscriptionsQuery = call.query
    owner: types.Customer | None = None
    if query.customer_id is not None:
        reference = reading.path_reference(query.customer_id, "customer_id")
        owner = await call.ledger.customer(call.book, reference)
    now = call.now if owner is None else await call.ledger.now_of(owner)
    found = await SUBSCRIPTIONS.page(
        call.ledger,
        call.book,
        _filter(query, now),
        owner=None if owner is None else owner.id,
        offset=max(query.page_number - page_base, 0) * query.page_size,
        limit=query.page_size,
    )
    items = []
    for kept in found:
        whose = owner or await call.ledger.customer(call.book, kept.document.owner)
        at = await call.ledger.now_of(whose)
        items.append(subscription_rendering.item(_as_of(kept, at), whose, at))
    return _answer(call, SubscriptionPage(items))


def _filter(
    query: ListSubscriptionsQuery, now: Instant
) -> Callable[[Kept[SubscriptionRecord]], bool]:
    since, until = (
        None if text is None else fields.instant(text, name, assume_utc=True)
        for name, text in (
            ("created_at_gte", query.created_at_gte),
            ("created_at_lte", query.created_at_lte),
        )
    )
    product = None
    if query.product_id is not None:
        found = fields.generated(query.product_id)
        product = "" if found is None else products.product_id(found)

    def keep(kept: Kept[SubscriptionRecord]) -> bool:
        body, made_at = subscriptions.as_of(kept.body, now), kept.document.created_at
        ends = body.cancel_at is not None and body.cancelled_at is None
        return (
            (query.status is None or subscriptions.status_of(body, now) is query.status)
            and product in (None, body.plan.product_id)
            and (since is None or made_at >= since)
            and (until is None or made_at <= until)
            and query.cancel_at_next_billing_date in (None, ends)
        )

    return keep


async def _held(call: Call) -> Held:
    kept = await SUBSCRIPTIONS.find(call.ledger, call.book, call.path["subscription_id"])
    owner = await call.ledger.customer(call.book, kept.document.owner)
    now = await call.ledger.now_of(owner)
    return Held(_as_of(kept, now), owner, now)


def _as_of(kept: Kept[SubscriptionRecord], now: Instant) -> Kept[SubscriptionRecord]:
    return Kept(kept.document, subscriptions.as_of(kept.body, now))


async def _balances(call: Call, held: Held) -> dict[str, types.Balance]:
    return {
        each.terms.credit_entitlement_id: await call.ledger.balance(
            call.book, held.owner.id, subscriptions.entitlement_of(each.terms)
        )
        for each in held.body.plan.cart
    }


async def _shown(call: Call, held: Held) -> Answer:
    meters: dict[str, str] = {}
    if held.body.plan.links:
        catalog = await call.ledger.catalog(call.book)
        meters = {spell("mtr_", each.id): each.name for each in catalog.meters.values()}
    shown = subscription_rendering.subscription(
        held.kept,
        held.owner,
        await _balances(call, held),
        meters,
        call.principal.account,
        held.now,
    )
    return _answer(call, shown)


# Changing -----------------------------------------------------------------------------------------

Decide = Callable[[Held], Awaitable[tuple[SubscriptionRecord, list[Command]]]]


async def _change(call: Call, decide: Decide) -> Held:
    """Change a subscription and what the ledger does for it, as both are when it happens."""

    async def attempt() -> Accepted:
        held = await _held(call)
        after, commands = await decide(held)
        change = SUBSCRIPTIONS.changed(held.kept, after)
        return await records.submit(call.ledger, call.book, _together(held.owner, commands), change)

    await records.again(attempt)
    return await _held(call)


async def confirm_payment(call: Call) -> Answer:
    """What is waited for was paid: the subscription begins, or its next cycle does. Nothing is taken here."""
    body: ConfirmPaymentRequest = call.body
    reference = "" if body.reference is None else _reference(body.reference)

    async def decide(held: Held) -> tuple[SubscriptionRecord, list[Command]]:
        record, now = held.body, held.now
        status = subscriptions.status_of(record, now)
        if status is Status.PENDING:
            after = subscriptions.started(record, now)
            commands = list(_beginning(after, held.id, held.owner.id, now))
        elif status is Status.ON_HOLD:
            ends_at = subscriptions.cycle_of(record, now).ends_at
            after = msgspec.structs.replace(record, paid_to=ends_at)
            stretch = subscriptions.now_to(after, now)
            commands = list(subscriptions.begin(after, held.id, held.owner.id, stretch))
        else:
            raise NotAllowedNow(f"There is nothing to pay: the subscription is {status.value}.")
        payments = [*record.payments, reference][-_PAYMENTS_KEPT:]
        return msgspec.structs.replace(after, payments=payments), commands

    return await _shown(call, await _change(call, decide))


_PAYMENTS_KEPT = 100


def _reference(text: str) -> str:
    return fields.text(text, "reference", longest=_REFERENCE_MAX)


async def update_subscription(call: Call) -> Answer:
    """Change details, cancel now or with the next billing date, or change the credit from then on."""
    body: UpdateSubscriptionRequest = call.body
    if body.status not in (None, Status.CANCELLED):
        raise BadRequest("status", "cancelled, the only one that can be set")
    _check_details(body)
    products.check_texts(cancellation_comment=body.cancellation_comment)

    async def decide(held: Held) -> tuple[SubscriptionRecord, list[Command]]:
        record, commands = _with_details(held.body, body), list[Command]()
        if body.credit_entitlement_cart or body.cancel_at_next_billing_date is not None:
            _check_live(held)
        if body.credit_entitlement_cart:
            record, more = await _with_cart(call, held, record, body.credit_entitlement_cart)
            commands += more
        if body.status is Status.CANCELLED:
            return await _cancelled(call, held, record)
        if body.cancel_at_next_billing_date is not None:
            record, more = await _with_end(call, held, record, body.cancel_at_next_billing_date)
            commands += more
        return record, commands

    return await _shown(call, await _change(call, decide))


def _with_details(
    record: SubscriptionRecord, body: UpdateSubscriptionRequest
) -> SubscriptionRecord:
    said = {
        "billing": body.billing,
        "cancellation_comment": body.cancellation_comment,
        "cancellation_feedback": body.cancellation_feedback,
        "customer_business_name": body.customer_business_name,
        "tax_id": body.tax_id,
        "metadata": None if body.metadata is None else reading.metadata(body.metadata),
    }
    given = {name: value for name, value in said.items() if value is not None}
    return msgspec.structs.replace(record, **given)


def _check_live(held: Held) -> None:
    status = subscriptions.status_of(held.body, held.now)
    if status in (Status.CANCELLED, Status.EXPIRED):
        raise NotAllowedNow(f"The subscription is {status.value}: make a new one.")


async def _cancelled(
    call: Call, held: Held, record: SubscriptionRecord
) -> tuple[SubscriptionRecord, list[Command]]:
    """At once: nothing more is given or charged. Credit that was given stays until it expires."""
    _check_live(held)
    commands = [
        *await _end_schedules(call, held, at_cycle_end=False),
        *await _close_alerts(call, held),
        *await _detach(call, held, []),
    ]
    return msgspec.structs.replace(record, cancelled_at=held.now, scheduled=None), commands


async def _with_end(
    call: Call, held: Held, record: SubscriptionRecord, ends: bool
) -> tuple[SubscriptionRecord, list[Command]]:
    """Cancel with the next billing date, or go on after all."""
    if ends is (record.cancel_at is not None):
        return record, []
    if not ends:
        record = msgspec.structs.replace(record, cancel_at=None)
        return record, _from_next(record, held)
    cancel_at = subscriptions.cycle_of(record, held.now).ends_at
    commands = await _end_schedules(call, held, at_cycle_end=True)
    return msgspec.structs.replace(record, cancel_at=cancel_at, scheduled=None), commands


async def _with_cart(
    call: Call, held: Held, record: SubscriptionRecord, cart: list[CartRequest]
) -> tuple[SubscriptionRecord, list[Command]]:
    """Other terms from the next billing date on: the schedules end with their cycles, new ones follow."""
    plan = record.plan
    for number, asked in enumerate(cart):
        field = f"credit_entitlement_cart[{number}]"
        plan = subscriptions.overridden(plan, asked, field)
    record = msgspec.structs.replace(record, plan=plan)
    if record.cancel_at is not None or record.started_at is None:
        return record, []
    if record.scheduled is not None:
        raise NotAllowedNow("A change of the plan is scheduled: take it back first.")
    ended = await _end_schedules(call, held, at_cycle_end=True)
    alerts = await _close_alerts(call, held)
    watched = subscriptions.watch(record, held.id, held.owner.id)
    return record, [*ended, *alerts, *watched, *_from_next(record, held)]


def _from_next(record: SubscriptionRecord, held: Held) -> list[Command]:
    stretch = subscriptions.from_next(record, held.now)
    if stretch is None or record.started_at is None:
        return []
    return list(subscriptions.begin(record, held.id, held.owner.id, stretch))


async def change_plan(call: Call) -> Answer:
    """Another product from now on. What the old plan gave stays until it expires."""
    body: ChangePlanRequest = call.body
    product = await _sold(call, body.product_id)
    plan = await _plan(call, product, body.quantity)

    async def decide(held: Held) -> tuple[SubscriptionRecord, list[Command]]:
        _check_changeable(held)
        if body.effective_at is EffectiveAt.NEXT_BILLING_DATE:
            return await _scheduled(call, held, plan)
        anew = body.proration_billing_mode is ProrationMode.FULL
        after = subscriptions.changed_plan(held.body, plan, held.now, anew=anew)
        if body.metadata is not None:
            after = msgspec.structs.replace(after, metadata=reading.metadata(body.metadata))
        stretch = subscriptions.stretch_of_change(after, held.now)
        commands = [
            *await _end_schedules(call, held, at_cycle_end=False),
            *await _close_alerts(call, held),
            *await _detach(call, held, plan.links),
            *subscriptions.begin(after, held.id, held.owner.id, stretch),
            *subscriptions.watch(after, held.id, held.owner.id),
            *subscriptions.attach(plan.links, held.owner.id),
        ]
        return after, commands

    await _change(call, decide)
    return _answer(call, ChangedPlan())


def _check_changeable(held: Held) -> None:
    if subscriptions.status_of(held.body, held.now) is not Status.ACTIVE:
        raise NotAllowedNow("Only an active subscription's plan can be changed.")
    if held.body.cancel_at is not None:
        raise NotAllowedNow("The subscription ends: set cancel_at_next_billing_date to false.")


async def _scheduled(
    call: Call, held: Held, plan: Plan
) -> tuple[SubscriptionRecord, list[Command]]:
    """The schedules end with their cycles; those of the new plan begin then, unless it is to be paid."""
    if {each.rate for each in plan.links} != {each.rate for each in held.body.plan.links}:
        raise NotAllowedNow("The plans differ in their meters: such a change is immediate.")
    effective_at = subscriptions.cycle_of(held.body, held.now).ends_at
    if effective_at is None:
        raise NotAllowedNow("There is no further billing date.")
    scheduled = Scheduled(
        id=spell("pch_", call.ledger.ids.new()),
        plan=plan,
        created_at=held.now,
        effective_at=effective_at,
    )
    record = msgspec.structs.replace(held.body, scheduled=scheduled)
    commands = await _end_schedules(call, held, at_cycle_end=True)
    if not plan.amount:
        after = subscriptions.as_of(record, effective_at)
        stretch = subscriptions.Stretch(starts_at=effective_at, ends_at=record.ends_at)
        commands += subscriptions.begin(after, held.id, held.owner.id, stretch)
    return record, commands


async def cancel_change_plan(call: Call) -> Answer:
    """The plan that runs goes on."""

    async def decide(held: Held) -> tuple[SubscriptionRecord, list[Command]]:
        if held.body.scheduled is None:
            raise NotAllowedNow("No change of the plan is scheduled.")
        record = msgspec.structs.replace(held.body, scheduled=None)
        ended = await _end_schedules(call, held, at_cycle_end=True)
        return record, [*ended, *_from_next(record, held)]

    await _change(call, decide)
    return Answer(status=200, body=b"", request_id=call.request_id)


async def _schedules(call: Call, held: Held) -> list[Schedule]:
    """Those of the subscription that are live now."""
    found: list[Schedule] = []
    body = held.body
    plans = [body.plan] if body.scheduled is None else [body.plan, body.scheduled.plan]
    kinds = [subscriptions.entitlement_of(item.terms) for plan in plans for item in plan.cart]
    for kind in dict.fromkeys(kinds):
        listed = await call.ledger.schedules(
            call.book,
            customer=held.owner.id,
            entitlement=kind,
            state=ScheduleState.ACTIVE,
            limit=_LIVE_MAX,
        )
        found += [each for each in listed if subscription_in(each.metadata) == held.id]
    now = [await call.ledger.schedule(call.book, each.id) for each in found]
    return [each for each in now if each.is_live]


async def _end_schedules(call: Call, held: Held, *, at_cycle_end: bool) -> list[Command]:
    """End what runs, and what was to begin with the next billing date."""
    return [
        CancelSchedule(schedule=each.id, at_cycle_end=at_cycle_end and each.cycle_at is not None)
        for each in await _schedules(call, held)
    ]


async def _close_alerts(call: Call, held: Held) -> list[Command]:
    found = await call.ledger.alerts(call.book, customer=held.owner.id, live=True, limit=_LIVE_MAX)
    return [
        CloseAlert(alert=each.id) for each in found if subscription_in(each.metadata) == held.id
    ]


async def _detach(call: Call, held: Held, stay: list[Link]) -> list[Command]:
    """Charge by the plan's meters no more, unless another subscription of the customer does."""
    rates = {each.rate for each in held.body.plan.links} - {each.rate for each in stay}
    if not rates:
        return []

    def keep(kept: Kept[SubscriptionRecord]) -> bool:
        other = kept.document.id != held.kept.document.id
        return other and not subscriptions.is_over(kept.body, held.now)

    others = await SUBSCRIPTIONS.page(
        call.ledger, call.book, keep, owner=held.owner.id, offset=0, limit=_LIVE_MAX
    )
    rates -= {link.rate for each in others for link in each.body.plan.links}
    return [
        DetachRate(rate=subscriptions.rate_of(link), customer=held.owner.id)
        for link in held.body.plan.links
        if link.rate in rates
    ]


def _answer(call: Call, record: msgspec.Struct) -> Answer:
    return Answer(status=200, body=_encode(record), request_id=call.request_id)


_ONE = "/subscriptions/{subscription_id}"
_NO_CUSTOMER = errors.CustomerNotFound
_CHANGES = (RecordNotFound, NotAllowedNow)


def endpoints(page_base: int) -> tuple[Endpoint, ...]:
    return (*_reading(page_base), *_writing())


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
            errors=_CHANGES,
        ),
        Endpoint(
            method="DELETE",
            path=f"{_ONE}/change-plan/scheduled",
            handler=cancel_change_plan,
            summary="Take back a change of plan that is scheduled",
            role=Role.EDITOR,
            errors=_CHANGES,
        ),
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
    )
