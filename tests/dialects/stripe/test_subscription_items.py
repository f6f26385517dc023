"""Other items of a subscription, through Stripe's own SDK on a test clock: amounts are to the cent."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import stripe

from tests.dialects.stripe.test_billing import DAY, HOUR, START, Stage
from tests.dialects.stripe.test_catalog import make_meter, make_price, refused

JANUARY = 31 * DAY


@pytest.fixture
def stage(client: stripe.StripeClient) -> Stage:
    return Stage(client)


def licensed(stage: Stage, cents: int, **more: Any) -> stripe.Price:
    parameters: Any = {
        "currency": "usd",
        "unit_amount": cents,
        "recurring": {"interval": "month"},
        "product_data": {"name": "Seats"},
        **more,
    }
    return stage.client.v1.prices.create(parameters)


def update(stage: Stage, subscription: str, items: list[Any], **more: Any) -> stripe.Subscription:
    parameters: Any = {"items": items, **more}
    return stage.client.v1.subscriptions.update(subscription, parameters)


def items_of(subscription: stripe.Subscription) -> list[Any]:
    return list(subscription["items"].data)


def lines_of(invoice: stripe.Invoice) -> list[tuple[int, bool, str | None]]:
    found = []
    for line in invoice.lines.data:
        assert line.parent is not None
        assert line.parent.subscription_item_details is not None
        details = line.parent.subscription_item_details
        found.append((line.amount, details.proration, line.description))
    return found


def test_seats_are_added_within_a_period(stage: Stage) -> None:
    """10.00 a seat: from 1 to 3 on the eleventh of January, at midnight; 21 of 31 days are left."""
    seats = licensed(stage, 1000)
    made = stage.subscribe(seats.id)
    [item] = items_of(made)
    stage.advance(START + 10 * DAY)
    after = update(stage, made.id, [{"id": item.id, "quantity": 3}])
    [item] = items_of(after)
    assert (item.quantity, item.current_period_end) == (3, START + JANUARY)
    assert item.created == START
    assert len(stage.invoices()) == 1
    stage.advance(START + JANUARY + HOUR)
    invoice = stage.invoices()[-1]
    assert lines_of(invoice) == [
        (-677, True, "Unused time on 1 × Seats after 11 Jan 2030"),
        (2032, True, "Remaining time on 3 × Seats after 11 Jan 2030"),
        (3000, False, "3 × Seats"),
    ]
    assert (invoice.subtotal, invoice.total, invoice.amount_due) == (4355, 4355, 4355)
    assert (invoice.lines.data[0].period.start, invoice.lines.data[0].period.end) == (
        START + 10 * DAY,
        START + JANUARY,
    )


def test_a_price_is_swapped_with_an_invoice_at_once_and_the_rest_is_carried(stage: Stage) -> None:
    """From 30.00 to 10.00 half-way: 10.00 too much was paid, and February is 10.00 less."""
    large, small = licensed(stage, 3000), licensed(stage, 1000)
    made = stage.subscribe(large.id)
    [item] = items_of(made)
    stage.grant(5000)
    stage.advance(START + JANUARY // 2)
    after = update(
        stage,
        made.id,
        [{"id": item.id, "price": small.id}],
        proration_behavior="always_invoice",
    )
    assert [(each.id, each.price.id) for each in items_of(after)] == [(item.id, small.id)]
    own = stage.invoices()[-1]
    assert after.latest_invoice == own.id
    assert (own.billing_reason, own.status) == ("subscription_update", "paid")
    assert (own.total, own.amount_due, own.starting_balance) == (-1000, 0, 0)
    assert own.ending_balance == -1000
    stage.advance(START + JANUARY + HOUR)
    february = stage.invoices()[-1]
    assert (february.total, february.amount_due, february.status) == (1000, 0, "paid")
    assert (february.starting_balance, february.ending_balance) == (-1000, 0)
    assert stage.balance() == (5000, 5000)


def test_a_metered_price_comes_and_another_goes(stage: Stage) -> None:
    """What was used until then is on the period's invoice, before the others, and credit pays it."""
    other = make_price(stage.client, make_meter(stage.client, "other").id, unit_amount=100)
    made = stage.subscribe()
    [item] = items_of(made)
    stage.grant(10_000)
    stage.use(40)
    stage.advance(START + 10 * DAY)
    after = update(
        stage, made.id, [{"id": item.id, "deleted": True, "clear_usage": True}, {"price": other.id}]
    )
    [came] = items_of(after)
    assert (came.price.id, came.created) == (other.id, START + 10 * DAY)
    stage.use(1000)  # of the price that is gone
    stage.advance(START + JANUARY + HOUR)
    invoice = stage.invoices()[-1]
    assert [line.amount for line in invoice.lines.data] == [200, 0]
    assert [line.period.end for line in invoice.lines.data] == [
        START + 10 * DAY,
        START + JANUARY,
    ]
    assert (invoice.status, invoice.total) == ("paid", 0)
    assert stage.balance() == (9_800, 9_800)


def test_one_meter_at_two_prices(stage: Stage) -> None:
    dear = make_price(stage.client, stage.meter.id, unit_amount=9)
    made = stage.subscribe()
    [item] = items_of(made)
    stage.use(40)
    stage.advance(START + 10 * DAY)
    update(stage, made.id, [{"id": item.id, "price": dear.id}])
    stage.use(10)
    stage.advance(START + JANUARY + HOUR)
    assert [line.amount for line in stage.invoices()[-1].lines.data] == [200, 90]


def test_a_change_is_previewed_and_made_as_it_was_shown(stage: Stage) -> None:
    seats = licensed(stage, 1000)
    made = stage.subscribe(seats.id)
    [item] = items_of(made)
    at = START + 10 * DAY
    stage.advance(at)
    change: Any = {
        "items": [{"id": item.id, "quantity": 3}],
        "proration_date": at,
        "proration_behavior": "always_invoice",
    }
    preview = stage.client.v1.invoices.create_preview(
        {"subscription": made.id, "subscription_details": change}
    )
    assert [line.amount for line in preview.lines.data] == [-677, 2032]
    change["proration_behavior"] = "create_prorations"
    later = stage.client.v1.invoices.create_preview(
        {"subscription": made.id, "subscription_details": change}
    )
    assert [line.amount for line in later.lines.data] == [-677, 2032, 3000]
    assert items_of(stage.client.v1.subscriptions.retrieve(made.id))[0].quantity == 1
    stage.advance(at + 5 * DAY)
    update(stage, made.id, change["items"], proration_date=at)
    stage.advance(START + JANUARY + HOUR)
    assert [line.amount for line in stage.invoices()[-1].lines.data] == [-677, 2032, 3000]


def test_an_update_that_is_repeated_is_made_once(stage: Stage) -> None:
    seats = licensed(stage, 1000)
    made = stage.subscribe()
    [item] = items_of(made)
    options: Any = {"idempotency_key": "swap"}
    asked: Any = {"items": [{"id": item.id, "deleted": True}, {"price": seats.id}]}
    one = stage.client.v1.subscriptions.update(made.id, asked, options)
    two = stage.client.v1.subscriptions.update(made.id, asked, options)
    assert one.to_dict() == two.to_dict()
    assert len(items_of(stage.client.v1.subscriptions.retrieve(made.id))) == 1


def test_metadata_of_an_item_is_merged(stage: Stage) -> None:
    made = stage.subscribe()
    [item] = items_of(made)
    update(stage, made.id, [{"id": item.id, "metadata": {"a": "1", "b": "2"}}])
    after = update(stage, made.id, [{"id": item.id, "metadata": {"a": ""}}])
    [item] = items_of(after)
    assert item.metadata.to_dict() == {"b": "2"}
    assert len(stage.invoices()) == 1


@pytest.mark.parametrize(
    ("said", "param"),
    [
        ({"items": [{"quantity": 2}]}, "items[0][price]"),
        ({"items": [{"id": "si_no", "deleted": True}]}, "items"),
        ({"items": [{"id": "si_no", "quantity": 2}]}, "items"),
        ({"items": [{"id": "OWN", "deleted": True}]}, "items"),
        ({"items": [{"id": "OWN", "quantity": 2}]}, "items[0][quantity]"),
        ({"items": [{"price": "PRICE"}]}, "items"),
        ({"items": [{"price": "price_no"}]}, "items[0][price]"),
        ({"items": [{"price": "YEARLY"}]}, "items[0][price]"),
        ({"items": [{"price": "EURO"}]}, "items[0][price]"),
        ({"items": [{"id": "OWN", "plan": "gold"}]}, "items[0][plan]"),
        ({"items": [{"price": "SEATS"}], "proration_date": START - 1}, "proration_date"),
        ({"items": [{"price": "SEATS"}], "proration_date": START + JANUARY}, "proration_date"),
    ],
)
def test_items_that_cannot_be_are_refused(stage: Stage, said: dict[str, Any], param: str) -> None:
    made, said = stage.subscribe(), copy.deepcopy(said)
    names: dict[str, Callable[[], str]] = {
        "OWN": lambda: items_of(made)[0].id,
        "PRICE": lambda: stage.price.id,
        "SEATS": lambda: licensed(stage, 1000).id,
        "EURO": lambda: licensed(stage, 1000, currency="eur").id,
        "YEARLY": lambda: licensed(stage, 1000, recurring={"interval": "year"}).id,
    }
    for item in said["items"]:
        for name, value in item.items():
            item[name] = names[value]() if value in names else value
    update_it: Any = stage.client.v1.subscriptions.update
    with pytest.raises(stripe.InvalidRequestError) as error:
        update_it(made.id, said)
    assert error.value.param == param
    after = stage.client.v1.subscriptions.retrieve(made.id)
    assert [each.id for each in items_of(after)] == [items_of(made)[0].id]


def test_a_preview_of_other_items_names_its_subscription(stage: Stage) -> None:
    stage.subscribe()
    change: Any = {"items": [{"price": stage.price.id}]}
    asked: Any = {"customer": stage.customer.id, "subscription_details": change}
    refused(
        lambda: stage.client.v1.invoices.create_preview(asked),
        param="subscription",
        code="parameter_missing",
    )


def test_a_period_begins_anew_with_an_invoice_at_once(stage: Stage) -> None:
    """Ten of 31 days are over: 21 of them are given back, and a whole month is charged."""
    seats = licensed(stage, 1000)
    made = stage.subscribe(seats.id, stage.price.id)
    stage.use(40)
    stage.advance(START + 10 * DAY)
    change: Any = {"billing_cycle_anchor": "now"}
    after = stage.client.v1.subscriptions.update(made.id, change)
    assert after.billing_cycle_anchor == START + 10 * DAY
    assert [each.current_period_end for each in items_of(after)] == [START + 41 * DAY] * 2
    invoice = stage.invoices()[-1]
    assert invoice.billing_reason == "subscription_update"
    assert [line.amount for line in invoice.lines.data] == [-677, 1000, 200]
    assert (invoice.status, invoice.amount_due) == ("open", 523)
    same: Any = {"billing_cycle_anchor": {"type": "unchanged"}}
    assert stage.client.v1.subscriptions.update(made.id, same).billing_cycle_anchor == (
        START + 10 * DAY
    )
    typed: Any = {"billing_cycle_anchor": {"type": "now"}, "proration_behavior": "none"}
    stage.client.v1.subscriptions.update(made.id, typed)
    assert [line.amount for line in stage.invoices()[-1].lines.data] == [1000]
    for wrong in ("later", {"type": "later"}, {"at": "now"}):
        asked: Any = {"billing_cycle_anchor": wrong}
        with pytest.raises(stripe.InvalidRequestError) as error:
            stage.client.v1.subscriptions.update(made.id, asked)
        assert str(error.value.param).startswith("billing_cycle_anchor")


def test_a_trial_is_ended_now(stage: Stage) -> None:
    made = stage.subscribe(licensed(stage, 1000).id, trial_period_days=14)
    stage.advance(START + 3 * DAY)
    after = stage.client.v1.subscriptions.update(made.id, {"trial_end": "now"})
    assert (after.status, after.trial_end) == ("active", START + 3 * DAY)
    assert after.billing_cycle_anchor == START + 3 * DAY
    assert (stage.invoices()[-1].status, stage.invoices()[-1].amount_due) == ("open", 1000)
    refused(
        lambda: stage.client.v1.subscriptions.update(made.id, {"trial_end": START + 9 * DAY}),
        param="trial_end",
    )


def test_why_a_subscription_was_canceled_is_kept(stage: Stage) -> None:
    made = stage.subscribe(licensed(stage, 3100).id)
    subscriptions = stage.client.v1.subscriptions
    said: Any = {"comment": "Too dear", "feedback": "too_expensive"}
    asked: Any = {"cancel_at_period_end": True, "cancellation_details": said}
    kept = subscriptions.update(made.id, asked).cancellation_details
    assert kept is not None
    assert (kept.comment, kept.feedback) == ("Too dear", "too_expensive")
    stage.advance(START + 21 * DAY)
    last: Any = {
        "cancellation_details": {"comment": "", "feedback": "unused"},
        "invoice_now": True,
        "prorate": True,
    }
    kept = subscriptions.cancel(made.id, last).cancellation_details
    assert kept is not None
    assert (kept.comment, kept.feedback, kept.reason) == (None, "unused", "cancellation_requested")
    invoice = stage.invoices()[-1]
    assert [line.amount for line in invoice.lines.data] == [-1000]
    assert (invoice.status, invoice.amount_due) == ("draft", 0)
    asked = {"cancellation_details": {"feedback_option": "x"}}
    refused(
        lambda: subscriptions.cancel(stage.subscribe().id, asked),
        param="cancellation_details[feedback_option]",
    )


def test_subscriptions_are_listed_by_their_periods_and_clocks(stage: Stage) -> None:
    one = stage.subscribe()
    stage.advance(START + 10 * DAY)
    two = stage.subscribe()
    stage.customer = stage.client.v1.customers.create({"name": "Bob"})
    bob = stage.subscribe()

    def listed(**asked: Any) -> list[str]:
        parameters: Any = {"status": "all", **asked}
        found = stage.client.v1.subscriptions.list(parameters)
        return [each.id for each in found.data]

    assert listed(test_clock=stage.clock.id) == [two.id, one.id]
    assert bob.id in listed()
    mine: Any = {"test_clock": stage.clock.id}
    assert listed(current_period_start=START, **mine) == [one.id]
    assert listed(current_period_start={"gt": START}, **mine) == [two.id]
    assert listed(current_period_end={"lte": START + JANUARY}, **mine) == [one.id]
    refused(lambda: listed(test_clock="clock_no"), param="test_clock", code="resource_missing")
    refused(
        lambda: listed(current_period_end="soon"),
        param="current_period_end",
        code="parameter_invalid_integer",
    )


def test_invoices_are_listed_by_their_due_dates(stage: Stage) -> None:
    sent: Any = {"collection_method": "send_invoice", "days_until_due": 7}
    made = stage.subscribe(licensed(stage, 1000).id, **sent)
    stage.subscribe(licensed(stage, 1000).id)
    due = START + 7 * DAY
    found = stage.client.v1.invoices.list({"due_date": due}).data
    assert [(each.id, each.due_date) for each in found] == [(made.latest_invoice, due)]
    bounds: Any = {"due_date": {"gte": due + 1}}
    assert stage.client.v1.invoices.list(bounds).data == []


def test_collecting_is_paused_and_goes_on(stage: Stage) -> None:
    made = stage.subscribe()
    subscriptions = stage.client.v1.subscriptions
    february = START + JANUARY + 28 * DAY
    asked: Any = {"pause_collection": {"behavior": "void", "resumes_at": START + JANUARY + DAY}}
    paused = subscriptions.update(made.id, asked).pause_collection
    assert paused is not None
    assert (paused.behavior, paused.resumes_at) == ("void", START + JANUARY + DAY)
    stage.grant(10_000)
    stage.use(10)
    stage.advance(START + JANUARY + HOUR)
    assert (stage.invoices()[-1].status, stage.balance()) == ("void", (10_000, 10_000))
    stage.advance(START + JANUARY + DAY)
    assert subscriptions.retrieve(made.id).pause_collection is None
    stage.use(10)
    asked = {"pause_collection": {"behavior": "keep_as_draft"}}
    assert subscriptions.update(made.id, asked).status == "active"
    stage.advance(february + DAY)
    kept = stage.invoices()[-1]
    assert (kept.status, kept.auto_advance, kept.automatically_finalizes_at) == (
        "draft",
        False,
        None,
    )
    unset: Any = {"pause_collection": ""}
    assert subscriptions.update(made.id, unset).pause_collection is None
    stage.advance(february + 2 * DAY)
    assert stage.client.v1.invoices.retrieve(kept.id).status == "draft"
    assert stage.client.v1.invoices.finalize_invoice(kept.id).status == "paid"
    asked = {"pause_collection": {"behavior": "void", "resumes_at": START}}
    refused(lambda: subscriptions.update(made.id, asked), param="pause_collection[resumes_at]")
    asked = {"pause_collection": {"resumes_at": february + 9 * DAY}}
    refused(
        lambda: subscriptions.update(made.id, asked),
        param="pause_collection[behavior]",
        code="parameter_missing",
    )
