"""The endpoints of ``subscription``: prices that a customer is charged by, period by period."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from drawdown.core.billing import actions
from drawdown.core.billing.records import (
    SUBSCRIPTION,
    Item,
    Outcome,
    Pause,
    Subscription,
    subscription_of,
    unhexed,
)
from drawdown.core.commands import Act
from drawdown.core.errors import CustomerNotFound
from drawdown.core.identity import reference
from drawdown.core.requests import Accepted, Answer, Origin
from drawdown.core.schedules.calendar import CalendarUnit, Every
from drawdown.core.types import DAY, MICROSECONDS, Customer, Document, Instant, Mode
from drawdown.dialects.stripe import (
    expansion,
    items,
    kept,
    prices,
    test_clocks,
    wire,
    wire_billing,
    words,
)
from drawdown.dialects.stripe.errors import StripeError, missing_object
from drawdown.dialects.stripe.idempotency import Write
from drawdown.dialects.stripe.ids import invoice_id, seconds, subscription_id
from drawdown.dialects.stripe.invoices import SUBSCRIPTIONS, ItemProfile, Profile
from drawdown.dialects.stripe.kept import Kept
from drawdown.dialects.stripe.parameters import missing
from drawdown.dialects.stripe.requests_billing import (
    CancellationReasons,
    CancelSubscription,
    CreateSubscription,
    ListSubscriptions,
    PauseCollection,
    UpdateSubscription,
)
from drawdown.web.endpoints import Call

_BEHAVIORS: dict[Outcome, words.PauseBehavior] = {
    Outcome.KEEP: "keep_as_draft",
    Outcome.GIVE_UP: "mark_uncollectible",
    Outcome.VOID: "void",
}


async def create_subscription(call: Call, asked: CreateSubscription) -> Write:
    expansion.expansion(asked.expand, expansion.SUBSCRIPTION)
    if not asked.items:
        raise missing("items")
    found = [
        await prices.PRICES.find(call, each.price, f"items[{number}][price]")
        for number, each in enumerate(asked.items)
    ]
    terms = _terms(asked, found)
    charged = tuple(
        [
            await items.item_of(call, each, price, f"items[{number}]")
            for number, (each, price) in enumerate(zip(asked.items, found, strict=True))
        ]
    )
    customer = await _customer(call, asked.customer)
    await call.ledger.settle_due(call.book, customer.id)
    trial_end = await _trial_end(call, asked, customer)
    profile = Profile(
        collection_method=asked.collection_method,
        days_until_due=asked.days_until_due,
        description=asked.description,
        metadata=kept.merged({}, asked.metadata),
        billing_mode="classic" if asked.billing_mode is None else asked.billing_mode.type,
    )
    action = actions.Subscribe(
        currency=terms.currency,
        items=charged,
        every=Every(CalendarUnit(terms.interval), terms.interval_count),
        anchor=_instant(asked.billing_cycle_anchor),
        trial_end=trial_end,
        cancel_at_period_end=asked.cancel_at_period_end,
        cancel_at=_instant(asked.cancel_at),
        due_days=_due_days(profile),
        numbering=wire.numbering_of(customer),
        profile=msgspec.to_builtins(profile),
        invoice_profile=msgspec.to_builtins(profile),
    )
    command = Act(
        customer=customer.id,
        entitlement=terms.currency,
        kind=SUBSCRIPTION,
        action=action,
        begins=True,
    )
    by_id = {prices.price_id(each.id): each for each in found}
    return _write(call, command, by_id)


def _due_days(profile: Profile) -> int | None:
    """Within how many days an invoice is to be paid that is sent. Raises ``StripeError``."""
    if profile.collection_method != "send_invoice":
        if profile.days_until_due is not None:
            message = (
                "`days_until_due` can only be set where `collection_method` is `send_invoice`."
            )
            raise StripeError(message, param="days_until_due")
        return None
    if profile.days_until_due is None:
        raise missing("days_until_due")
    return profile.days_until_due


def _terms(asked: CreateSubscription, found: list[Kept[prices.Price]]) -> items.Terms:
    """Those of the first price, which all have in common."""
    first = found[0].body
    recurring = first.recurring or prices.KeptRecurring(interval="month")
    currency = first.currency if asked.currency is None else asked.currency.lower()
    terms = items.Terms(currency, recurring.interval, recurring.interval_count)
    for number, price in enumerate(found):
        items.check(price, terms, f"items[{number}][price]")
    if len({each.id for each in found}) < len(found):
        raise StripeError("A subscription has each price once.", param="items")
    return terms


async def _trial_end(call: Call, asked: CreateSubscription, customer: Customer) -> Instant | None:
    if asked.trial_period_days is not None and asked.trial_end is not None:
        raise StripeError(
            "You may only specify one of these parameters: trial_end, trial_period_days.",
            code="parameters_exclusive",
            param="trial_period_days",
        )
    if asked.trial_period_days is not None:
        now = await call.ledger.now_of(customer)
        whole = now - now % MICROSECONDS
        return Instant(whole + asked.trial_period_days * DAY)
    if asked.trial_end is None or asked.trial_end == "now":
        return None
    if not (asked.trial_end.isascii() and asked.trial_end.isdigit() and len(asked.trial_end) < 12):
        message = "Invalid trial_end: must be a timestamp or now"
        raise StripeError(message, code="parameter_invalid_integer", param="trial_end")
    return _instant(int(asked.trial_end))


async def _customer(call: Call, text: str) -> Customer:
    try:
        return await call.ledger.customer(call.book, reference(text))
    except CustomerNotFound:
        raise missing_object("customer", text, "customer") from None


def _instant(second: int | None) -> Instant | None:
    return None if second is None else Instant(second * MICROSECONDS)


def _write(
    call: Call,
    command: Act,
    by_id: items.Prices,
) -> Write:
    mode = call.principal.mode

    def show(accepted: Accepted) -> wire_billing.Subscription:
        assert accepted.customer is not None
        [document] = [each for each in accepted.documents if each.kind == SUBSCRIPTION]
        return shown(document, accepted.customer, mode, by_id)

    return Write(command=command, show=show)


def shown(
    document: Document,
    customer: Customer,
    mode: Mode,
    by_id: items.Prices,
) -> wire_billing.Subscription:
    body = subscription_of(document.body)
    profile = msgspec.convert(body.profile, Profile)
    latest = None if body.invoice is None else invoice_id(unhexed(body.invoice))
    shown_items = [_shown_item(each, document, body, mode, by_id) for each in body.items]
    name = subscription_id(document.id)
    started = body.started_at // MICROSECONDS
    url = f"/v1/subscription_items?subscription={name}"
    return wire_billing.Subscription(
        id=name,
        billing_cycle_anchor=body.anchor // MICROSECONDS,
        billing_mode=wire_billing.BillingModeShown(type=profile.billing_mode),
        cancel_at=seconds(
            body.period_end
            if body.cancel_at_period_end and body.ended_at is None
            else body.cancel_at
        ),
        cancel_at_period_end=body.cancel_at_period_end,
        canceled_at=seconds(body.canceled_at),
        cancellation_details=wire_billing.CancellationDetails(
            comment=profile.cancellation_comment,
            feedback=profile.cancellation_feedback,
            reason=None if body.canceled_at is None else "cancellation_requested",
        ),
        collection_method=profile.collection_method,
        created=started,
        currency=body.currency,
        customer=wire.customer_id(customer),
        days_until_due=profile.days_until_due,
        description=profile.description,
        ended_at=seconds(body.ended_at),
        items=wire_billing.SubscriptionItems(data=shown_items, has_more=False, url=url),
        latest_invoice=latest,
        livemode=mode is Mode.LIVE,
        metadata=profile.metadata,
        pause_collection=(
            None
            if body.pause is None
            else wire_billing.PausedCollection(
                behavior=_BEHAVIORS[body.pause.outcome], resumes_at=seconds(body.pause.until)
            )
        ),
        start_date=started,
        status=body.status.value,
        test_clock=wire.clock_of(customer),
        trial_end=seconds(body.trial_end),
        trial_start=None if body.trial_end is None else started,
    )


def _shown_item(
    item: Item, document: Document, body: Subscription, mode: Mode, by_id: items.Prices
) -> wire_billing.SubscriptionItem:
    profile = msgspec.convert(item.profile, ItemProfile)
    price = prices.shown(by_id[profile.price], mode, expansion.NOTHING)
    return wire_billing.SubscriptionItem(
        id=item.id,
        created=profile.created or body.started_at // MICROSECONDS,
        current_period_end=body.period_end // MICROSECONDS,
        current_period_start=body.period_start // MICROSECONDS,
        metadata=profile.metadata,
        plan=prices.as_plan(price),
        price=price,
        subscription=subscription_id(document.id),
        quantity=UNSET if item.metered is not None else item.quantity,
    )


async def find(call: Call, text: str, param: str = "id") -> Kept[Subscription]:
    """As it is once what is due of its customer has been recorded."""
    found = await SUBSCRIPTIONS.find(call, text, param)
    await call.ledger.settle_due(call.book, found.document.owner)
    return await SUBSCRIPTIONS.find(call, text, param)


async def _shown(call: Call, found: Kept[Subscription]) -> wire_billing.Subscription:
    customer = await call.ledger.customer(call.book, found.document.owner)
    by_id = await items.known(call, found.body)
    return shown(found.document, customer, call.principal.mode, by_id)


async def retrieve_subscription(call: Call) -> Answer:
    expansion.expansion(call.query.expand, expansion.SUBSCRIPTION)
    found = await find(call, call.path["subscription"])
    return _answer(call, await _shown(call, found))


async def update_subscription(call: Call, asked: UpdateSubscription) -> Write:
    expansion.expansion(asked.expand, expansion.SUBSCRIPTION)
    found = await find(call, call.path["subscription"])
    before = msgspec.convert(found.body.profile, Profile)
    given: dict[str, Any] = {
        name: value
        for name in ("collection_method", "days_until_due", "description")
        if (value := getattr(asked, name)) is not UNSET
    }
    if given.get("collection_method", "send_invoice") != "send_invoice":
        given.setdefault("days_until_due", None)
    metadata = kept.merged(before.metadata, asked.metadata)
    profile = msgspec.structs.replace(before, metadata=metadata, **given)
    profile = _with_reasons(profile, asked.cancellation_details)
    change, by_id = None, await items.known(call, found.body)
    begins_anew = _begins_anew(asked)
    if asked.items is not None or begins_anew:
        change, new = await items.change_of(
            call,
            found.body,
            asked.items or (),
            await _now(call, found),
            asked.proration_behavior,
            asked.proration_date,
        )
        by_id |= new
    at = asked.cancel_at
    at_end = asked.cancel_at_period_end
    action = actions.AmendSubscription(
        subscription=found.id,
        profile=msgspec.to_builtins(profile),
        invoice_profile=msgspec.to_builtins(profile),
        cancel_at_period_end=None if isinstance(at_end, UnsetType) else at_end,
        cancel_at=UNSET if isinstance(at, UnsetType) else _instant(at),
        due_days=_due_days(profile),
        items=change,
        pause=_pause(asked.pause_collection),
        begins_anew=begins_anew,
        ends_trial=asked.trial_end is not None,
        revision=found.document.revision,
    )
    return _write(call, _command(found, action), by_id)


def _begins_anew(asked: UpdateSubscription) -> bool:
    """As a word, as it was, or with a type, as it is."""
    name, said = "billing_cycle_anchor", asked.billing_cycle_anchor
    if isinstance(said, dict) and set(said) == {"type"}:
        name, said = f"{name}[type]", said["type"]
    if said not in (UNSET, "now", "unchanged"):
        raise StripeError(f"Invalid {name}: must be one of now or unchanged", param=name)
    return bool(said == "now")


async def _now(call: Call, found: Kept[Subscription]) -> Instant:
    customer = await call.ledger.customer(call.book, found.document.owner)
    return await call.ledger.now_of(customer)


def _pause(asked: PauseCollection | UnsetType | None) -> Pause | UnsetType | None:
    """An empty value: it collects again."""
    if not isinstance(asked, PauseCollection):
        return asked
    outcomes = {behavior: outcome for outcome, behavior in _BEHAVIORS.items()}
    return Pause(outcomes[asked.behavior], _instant(asked.resumes_at))


def _with_reasons(profile: Profile, given: CancellationReasons | None) -> Profile:
    """Why it is canceled; an empty value unsets."""
    if given is None:
        return profile
    said = {
        f"cancellation_{name}": value
        for name in ("comment", "feedback")
        if (value := getattr(given, name)) is not UNSET
    }
    return msgspec.structs.replace(profile, **said)


def _command(found: Kept[Subscription], action: Any) -> Act:
    return Act(
        customer=found.document.owner,
        entitlement=found.body.currency,
        kind=SUBSCRIPTION,
        action=action,
    )


async def cancel_subscription(call: Call) -> Answer:
    """End it now; with ``invoice_now`` what was used since the last invoice is charged."""
    asked: CancelSubscription = call.query
    expansion.expansion(asked.expand, expansion.SUBSCRIPTION)
    found = await find(call, call.path["subscription"])
    profile = msgspec.convert(found.body.profile, Profile)
    action = actions.CancelSubscription(
        subscription=found.id,
        invoice_now=asked.invoice_now,
        prorates=asked.prorate,
        profile=msgspec.to_builtins(_with_reasons(profile, asked.cancellation_details)),
        revision=found.document.revision,
    )
    write = _write(call, _command(found, action), await items.known(call, found.body))

    def render(accepted: Accepted) -> Answer:
        return _answer(call, write.show(accepted))

    asked_by = Origin(call.request_id)
    return await call.ledger.submit(call.book, write.command, render, asked_by=asked_by)


async def list_subscriptions(call: Call) -> Answer:
    asked: ListSubscriptions = call.query
    expansion.expansion(asked.expand, expansion.SUBSCRIPTION, of_list=True)
    created = kept.range_of(asked.created, "created")
    starts = kept.range_of(asked.current_period_start, "current_period_start")
    ends = kept.range_of(asked.current_period_end, "current_period_end")
    on_clock = None
    if isinstance(asked.test_clock, str):
        clock = await test_clocks.find(call, asked.test_clock, "test_clock")
        on_clock = await test_clocks.customers_on(call, clock.id)
    owner = None
    if isinstance(asked.customer, str):
        owner = (await _customer(call, asked.customer)).id
        await call.ledger.settle_due(call.book, owner)

    def keep(each: Kept[Subscription]) -> bool:
        profile = msgspec.convert(each.body.profile, Profile)
        method = asked.collection_method
        names = [item.name for item in each.body.items]
        return (
            _has_status(each.body, asked.status)
            and (asked.price is UNSET or asked.price in names)
            and (method is UNSET or profile.collection_method == method)
            and created(each.body.started_at)
            and starts(each.body.period_start)
            and ends(each.body.period_end)
            and (on_clock is None or each.document.owner in on_clock)
        )

    found, more = await SUBSCRIPTIONS.page(call, asked, keep, owner)
    data = [await _shown(call, each) for each in found]
    url = wire_billing.SUBSCRIPTIONS_URL
    return _answer(call, wire_billing.SubscriptionList(data=data, has_more=more, url=url))


def _has_status(body: Subscription, status: Any) -> bool:
    """Unless others are asked for, those that have not ended."""
    if status is UNSET:
        return body.ended_at is None
    wanted = "canceled" if status == "ended" else status
    return bool(wanted in {"all", body.status.value})


def _answer(call: Call, shown: Any) -> Answer:
    return Answer(status=200, body=msgspec.json.encode(shown), request_id=call.request_id)
