"""What is told beside what is charged: what is to come, and what is overdue."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from drawdown.core.billing import actions, notices
from drawdown.core.billing.records import Invoice, Subscription, hexed, invoice_of
from drawdown.core.commands import CloseCustomer
from drawdown.core.types import DAY, Id, Instant
from tests.core.test_subscriptions import CALLS, SEATS, Customer, days
from tests.support.billing_play import START
from tests.support.naive_billing import HOUR

JANUARY = START + 31 * DAY


@pytest.fixture
def ann() -> Customer:
    return Customer()


def told(ann: Customer) -> list[tuple[float | None, Invoice]]:
    """When it was told which invoices are to come."""
    found = []
    for operation, _ in ann.core.state.changes.operations:
        said: dict[str, Any] = msgspec.json.decode(operation.changed or b"{}")
        for _, _, body in said.get("shown", []):
            found.append((days(operation.at), invoice_of(body)))
    return found


def test_an_invoice_that_is_to_come_is_told_once_three_days_before(ann: Customer) -> None:
    ann.grant(20)
    ann.subscribe(CALLS, SEATS)
    ann.use("calls", 10, START + DAY)
    ann.settle(START + 28 * DAY - 1)
    assert told(ann) == []
    ann.settle(START + 28 * DAY)
    ann.settle(START + 30 * DAY)
    [(at, invoice)] = told(ann)
    assert (at, invoice.status, invoice.subtotal, invoice.credits) == (28, "draft", 800, 20)
    assert [(days(line.start), days(line.end)) for line in invoice.lines] == [(0, 31), (31, 59)]
    assert len(ann.invoices) == 1, "nothing is kept of it"


def test_it_counts_what_was_used_by_then_however_late_it_is_told(ann: Customer) -> None:
    ann.subscribe(CALLS)
    ann.use("calls", 10, START + DAY)
    ann.use("calls", 20, START + 30 * DAY)
    ann.use("calls", 40, JANUARY + DAY)
    ann.settle(JANUARY + 40 * DAY)
    found = [(at, invoice.subtotal) for at, invoice in told(ann)]
    assert found == [(28, 50), (56, 200)]
    assert [invoice.subtotal for invoice in ann.invoices] == [0, 150, 200]


def test_of_a_short_period_or_of_one_that_ends_a_trial_for_good_nothing_is_told(
    ann: Customer,
) -> None:
    ann.subscribe(CALLS, trial_end=Instant(START + 10 * DAY), cancel_at_period_end=True)
    ann.subscribe(SEATS, cancel_at=Instant(START + 3 * DAY))
    ann.settle(START + 20 * DAY)
    assert told(ann) == []


def test_where_the_end_is_put_off_it_is_told_again(ann: Customer) -> None:
    made = ann.subscribe(SEATS, cancel_at=Instant(START + 10 * DAY))
    ann.settle(START + 8 * DAY)
    ann.act(amended(made, cancel_at=Instant(START + 20 * DAY)), START + 9 * DAY)
    ann.act(amended(made, profile={"a": "b"}), START + 18 * DAY)
    ann.settle(START + 40 * DAY)
    assert [at for at, _ in told(ann)] == [7, 17]


def amended(made: Id, **more: Any) -> actions.AmendSubscription:
    return actions.AmendSubscription(subscription=made, **more)


def owing(ann: Customer, **more: Any) -> tuple[Id, Id]:
    """A subscription, and its first invoice of a period: open at the end of January and an hour."""
    made = ann.subscribe(CALLS, due_days=10, **more)
    ann.use("calls", 10, START + DAY)
    ann.settle(JANUARY + HOUR)
    [invoice] = [
        each.id
        for each in ann.documents("billing.invoice")
        if invoice_of(each.body).reason != "create"
    ]
    return made, invoice


def subscription(ann: Customer, made: Id) -> tuple[Subscription, str | None]:
    found = ann.subscription(made)
    return found, found.overdue


@pytest.mark.parametrize(
    "answer", [actions.PayInvoice, actions.VoidInvoice, actions.MarkUncollectible]
)
def test_a_subscription_is_past_due_until_its_invoice_is_owed_no_more(
    ann: Customer, answer: Any
) -> None:
    made, invoice = owing(ann)
    ann.settle(JANUARY + HOUR + 10 * DAY - 1)
    assert subscription(ann, made)[0].status == "active"
    ann.settle(JANUARY + HOUR + 10 * DAY)
    found, overdue = subscription(ann, made)
    assert (found.status, overdue) == ("past_due", hexed(invoice))
    ann.act(answer(invoice=invoice), JANUARY + 20 * DAY)
    found, overdue = subscription(ann, made)
    assert (found.status, overdue) == ("active", None)


def test_past_due_lasts_over_the_end_of_a_period_and_follows_the_last_that_is_overdue(
    ann: Customer,
) -> None:
    made, first = owing(ann)
    ann.use("calls", 10, JANUARY + DAY)
    ann.settle(JANUARY + 30 * DAY)
    assert subscription(ann, made)[0].status == "past_due"
    ann.settle(JANUARY + 50 * DAY)
    second = ann.subscription(made).invoice
    assert subscription(ann, made)[1] == second != hexed(first)
    ann.act(actions.PayInvoice(invoice=first), JANUARY + 51 * DAY)
    assert subscription(ann, made)[0].status == "past_due"
    assert second is not None
    ann.act(actions.PayInvoice(invoice=Id(bytes.fromhex(second))), JANUARY + 52 * DAY)
    assert subscription(ann, made)[0].status == "active"


def test_an_invoice_that_is_amended_waits_for_its_due_date_all_the_same(ann: Customer) -> None:
    made, invoice = owing(ann)
    ann.act(actions.AmendInvoice(invoice=invoice, profile={"a": "b"}), JANUARY + DAY)
    ann.settle(JANUARY + 20 * DAY)
    assert subscription(ann, made)[0].status == "past_due"
    ann.act(actions.AmendInvoice(invoice=invoice, profile={}), JANUARY + 21 * DAY)
    ann.act(actions.PayInvoice(invoice=invoice), JANUARY + 22 * DAY)
    assert subscription(ann, made)[0].status == "active"


def test_what_a_closed_customer_owes_becomes_overdue_too(ann: Customer) -> None:
    made, _ = owing(ann)
    ann.core.one(CloseCustomer(customer="ann"), Instant(JANUARY + DAY))
    ann.settle(JANUARY + 20 * DAY)
    [invoice] = [each for each in ann.invoices if each.reason != "create"]
    assert (invoice.status, invoice.notice_at) == ("open", None)
    assert ann.subscription(made).status == "canceled"


def test_one_that_has_ended_stays_so(ann: Customer) -> None:
    made, invoice = owing(ann)
    ann.act(actions.CancelSubscription(subscription=made), JANUARY + DAY)
    ann.settle(JANUARY + 20 * DAY)
    assert (ann.subscription(made).status, ann.subscription(made).overdue) == ("canceled", None)
    ann.act(actions.PayInvoice(invoice=invoice), JANUARY + 21 * DAY)
    assert ann.subscription(made).status == "canceled"


def test_what_is_told_of_due_dates_has_a_limit(
    ann: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where so many documents stand already, an invoice waits for nothing, and is due all the same."""
    monkeypatch.setattr(notices, "STANDING_MAX", 3)
    ann.subscribe(SEATS, due_days=100)
    ann.settle(JANUARY + 60 * DAY)
    assert [invoice.notice_at is not None for invoice in ann.invoices] == [True, *[False] * 3]
    assert [invoice.due_at is not None for invoice in ann.invoices] == [True] * 4
