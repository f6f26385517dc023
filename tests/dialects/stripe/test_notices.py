"""Invoices that are to come, are sent, will be due and are overdue: as events, through Stripe's own SDK."""

from __future__ import annotations

import time

import pytest
import stripe

from tests.dialects.stripe.test_billing import DAY, HOUR, START, Stage
from tests.dialects.stripe.test_catalog import make_price, refused
from tests.dialects.stripe.test_webhooks import Told

JANUARY = START + 31 * DAY
SENT = {"collection_method": "send_invoice", "days_until_due": 10}


@pytest.fixture
def stage(client: stripe.StripeClient) -> Stage:
    return Stage(client)


def told(stage: Stage) -> list[Told]:
    """All there is so far, oldest first: a product that is made now is the last to be told."""
    last = stage.client.v1.products.create({"name": "Last"}).id
    until = time.monotonic() + 60
    while True:
        newest = stage.client.v1.events.list({"limit": 1}).data
        if newest and Told(newest[0]).object.get("id") == last:
            every = stage.client.v1.events.list({"limit": 100}).auto_paging_iter()
            return [Told(each) for each in every][:0:-1]
        assert time.monotonic() < until
        time.sleep(0.1)


def test_an_invoice_that_is_sent_is_told_of_until_it_is_paid(stage: Stage) -> None:
    subscription = stage.subscribe(**SENT)
    stage.use(40)
    due = JANUARY + HOUR + 10 * DAY
    stage.advance(due)
    invoice = stage.invoices()[-1]
    assert (invoice.status, invoice.due_date, invoice.total) == ("open", due, 200)
    subscriptions = stage.client.v1.subscriptions
    assert subscriptions.retrieve(subscription.id).status == "past_due"
    [late] = subscriptions.list({"status": "past_due", "customer": stage.customer.id}).data
    assert late.id == subscription.id
    stage.client.v1.invoices.pay(invoice.id, {"paid_out_of_band": True})
    assert subscriptions.retrieve(subscription.id).status == "active"
    found = [
        (each.type.removeprefix("invoice."), each.created)
        for each in told(stage)
        if each.object.get("id") == invoice.id
    ]
    assert found == [
        ("created", JANUARY),
        ("finalized", JANUARY + HOUR),
        ("sent", JANUARY + HOUR),
        ("updated", JANUARY + HOUR),
        ("will_be_due", due - 3 * DAY),
        ("overdue", due),
        ("paid", due),
        ("payment_succeeded", due),
        ("updated", due),
    ]


def test_a_subscription_that_is_past_due_is_told_with_what_it_was(stage: Stage) -> None:
    stage.subscribe(**SENT)
    stage.use(40)
    stage.advance(JANUARY + 12 * DAY)
    stage.client.v1.invoices.void_invoice(stage.invoices()[-1].id)
    changes = [
        (before["status"], each.object["status"])
        for each in told(stage)
        if each.type == "customer.subscription.updated"
        if (before := each.previous or {}).get("status")
    ]
    assert changes == [("active", "past_due"), ("past_due", "active")]


def test_what_is_charged_automatically_is_neither_sent_nor_overdue(stage: Stage) -> None:
    subscription = stage.subscribe()
    stage.use(40)
    stage.advance(JANUARY + 30 * DAY)
    [invoice] = [each for each in stage.invoices() if each.status == "open"]
    assert invoice.due_date is None
    assert stage.client.v1.subscriptions.retrieve(subscription.id).status == "active"
    kinds = {each.type for each in told(stage)}
    assert "invoice.finalized" in kinds
    assert not kinds & {"invoice.sent", "invoice.will_be_due", "invoice.overdue"}


def test_the_next_invoice_is_told_three_days_before_the_end_of_each_period(stage: Stage) -> None:
    """As a preview of it without an id; in order with the rest, also where all of it is played at once."""
    stage.grant(50)
    licensed = make_price(stage.client, None, unit_amount=1_000, recurring={"interval": "month"})
    stage.subscribe(stage.price.id, licensed.id)
    stage.use(40)
    stage.advance(JANUARY + 28 * DAY + HOUR)
    every = [each for each in told(stage) if each.type.startswith("invoice.")]
    first, second = [each for each in every if each.type == "invoice.upcoming"]
    assert (first.created, second.created) == (JANUARY - 3 * DAY, JANUARY + 25 * DAY)
    assert "id" not in first.object
    assert (first.object["subtotal"], first.object["total"]) == (1_200, 1_150)
    assert (first.object["status"], first.object["billing_reason"]) == ("draft", "upcoming")
    assert first.object["period_end"] == JANUARY
    assert [line["amount"] for line in first.object["lines"]["data"]] == [200, 1_000]
    assert (second.object["subtotal"], second.object["total"]) == (1_000, 1_000)
    created = [each.created for each in every]
    assert created == sorted(created)
    assert [each.object["object"] for each in (first, second)] == ["invoice"] * 2
    assert {each.whole["request"]["id"] for each in (first, second)} == {None}


def test_a_subscription_begins_to_send_its_invoices(stage: Stage) -> None:
    subscription = stage.subscribe()
    update = stage.client.v1.subscriptions.update
    refused(
        lambda: update(subscription.id, {"collection_method": "send_invoice"}),
        param="days_until_due",
        code="parameter_missing",
    )
    changed = update(subscription.id, {"collection_method": "send_invoice", "days_until_due": 1})
    assert (changed.collection_method, changed.days_until_due) == ("send_invoice", 1)
    stage.use(40)
    stage.advance(JANUARY + HOUR)
    assert stage.invoices()[-1].due_date == JANUARY + HOUR + DAY
    back = update(subscription.id, {"collection_method": "charge_automatically"})
    assert (back.collection_method, back.days_until_due) == ("charge_automatically", None)


def test_only_what_is_sent_is_due_on_a_day(stage: Stage) -> None:
    refused(lambda: stage.subscribe(days_until_due=5), param="days_until_due")
    subscription = stage.subscribe()
    update = stage.client.v1.subscriptions.update
    refused(lambda: update(subscription.id, {"days_until_due": 5}), param="days_until_due")


def test_to_pay_is_the_operators(stage: Stage) -> None:
    stage.subscribe()
    stage.use(40)
    stage.advance(JANUARY + HOUR)
    name = stage.invoices()[-1].id
    message = refused(lambda: stage.client.v1.invoices.pay(name), param="paid_out_of_band")
    assert "takes no payments" in message
    assert stage.client.v1.invoices.retrieve(name).status == "open"
