"""Subscriptions beside the table: trials, anchors, ends, licences, previews, use that was paid at once."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from drawdown.core.amounts import Amount
from drawdown.core.billing import actions
from drawdown.core.billing.records import (
    INVOICE,
    PENDING_MAX,
    SUBSCRIPTION,
    Invoice,
    Item,
    Subscription,
    invoice_of,
    subscription_of,
)
from drawdown.core.commands import (
    Act,
    CloseCustomer,
    CreateCustomer,
    CreateMeter,
    CreateRate,
    IssueGrant,
    RecordUsage,
    Settle,
)
from drawdown.core.errors import FieldInvalid
from drawdown.core.requests import Accepted, Refused
from drawdown.core.schedules.calendar import CalendarUnit, Every
from drawdown.core.types import DAY, Document, Id, Instant
from drawdown.core.usage import rating
from drawdown.core.usage.meters import Aggregation, Measure
from tests.support.billing_play import CURRENCY, START, STEP, item_of
from tests.support.memory import CoreLedger
from tests.support.naive_billing import HOUR

MONTH = Every(CalendarUnit.MONTH)
CALLS = item_of("calls")
SEATS = Item(id="seats", name="seats", rate=rating.PerUnit(price=Amount(250)), quantity=3)


class Customer:
    def __init__(self) -> None:
        self.core = CoreLedger()
        self.core.one(CreateCustomer(own_id="ann"), Instant(START))
        self.used = 0

    def act(self, action: object, at: int = START) -> Accepted:
        command = Act(customer="ann", entitlement=CURRENCY, kind=INVOICE, action=action)
        outcome = self.core.one(command, Instant(at))
        self.core.check()
        if isinstance(outcome, Refused):
            raise outcome.error
        assert isinstance(outcome, Accepted)
        return outcome

    def subscribe(self, *items: Item, **more: Any) -> Id:
        action = actions.Subscribe(currency=CURRENCY, items=items, every=MONTH, **more)
        made = self.act(action).documents
        [found] = [each.id for each in made if each.kind == SUBSCRIPTION]
        return found

    def settle(self, at: int) -> None:
        self.core.one(Settle(customer="ann", entitlement=CURRENCY), Instant(at))
        self.core.check()

    def use(self, name: str, quantity: int, at: int) -> None:
        self.used += 1
        command = RecordUsage(
            customer="ann",
            own_id=f"event-{self.used}",
            name=name,
            properties={"value": str(quantity)},
        )
        outcome = self.core.one(command, Instant(at))
        assert isinstance(outcome, Accepted), outcome

    def grant(self, cents: int) -> None:
        command = IssueGrant(customer="ann", entitlement=CURRENCY, amount=Amount(cents, 2))
        assert isinstance(self.core.one(command, Instant(START)), Accepted)

    def documents(self, kind: str) -> list[Document]:
        found = [each for each in self.core.state.documents.values() if each and each.kind == kind]
        return sorted(found, key=lambda each: each.id)

    @property
    def invoices(self) -> list[Invoice]:
        return [invoice_of(each.body) for each in self.documents(INVOICE)]

    def subscription(self, which: Id) -> Subscription:
        found = self.core.state.documents[which]
        assert found is not None
        return subscription_of(found.body)


@pytest.fixture
def ann() -> Customer:
    return Customer()


def days(instant: int | None) -> float | None:
    return None if instant is None else (instant - START) / DAY


def test_the_first_invoice_of_what_is_only_metered_is_over_nothing_and_paid(ann: Customer) -> None:
    made = ann.subscribe(CALLS)
    [first] = ann.invoices
    assert (first.reason, first.status, first.subtotal, first.lines) == ("create", "paid", 0, ())
    found = ann.subscription(made)
    assert (found.status, days(found.period_start), days(found.period_end)) == ("active", 0, 31)


def test_what_is_licensed_is_charged_ahead_and_takes_no_credit(ann: Customer) -> None:
    ann.grant(100_000)
    ann.subscribe(SEATS, CALLS)
    ann.use("calls", 2, START + DAY)
    ann.settle(START + 31 * DAY + HOUR)
    first, cycle = ann.invoices
    assert (first.status, first.subtotal, first.credits, first.total) == ("open", 750, 0, 750)
    assert [(line.item.name, line.amount, days(line.start)) for line in cycle.lines] == [
        ("seats", 750, 31),
        ("calls", 10, 0),
    ]
    assert (cycle.status, cycle.subtotal, cycle.credits) == ("open", 760, 10)


def test_a_trial_charges_nothing_and_periods_begin_as_it_ends(ann: Customer) -> None:
    made = ann.subscribe(CALLS, trial_end=Instant(START + 10 * DAY))
    assert ann.subscription(made).status == "trialing"
    ann.use("calls", 100, START + DAY)
    ann.settle(START + 10 * DAY)
    found = ann.subscription(made)
    assert (found.status, days(found.period_start), days(found.period_end)) == ("active", 10, 41)
    assert [invoice.subtotal for invoice in ann.invoices] == [0, 0]


def test_a_first_period_may_end_at_an_anchor(ann: Customer) -> None:
    made = ann.subscribe(CALLS, anchor=Instant(START + 4 * DAY))
    ann.use("calls", 3, START + DAY)
    ann.settle(START + 4 * DAY)
    found = ann.subscription(made)
    assert (days(found.period_start), days(found.period_end)) == (4, 35)
    assert ann.invoices[-1].subtotal == 15


def test_an_end_cuts_the_last_period_short(ann: Customer) -> None:
    made = ann.subscribe(CALLS, cancel_at=Instant(START + 40 * DAY))
    ann.use("calls", 3, START + 33 * DAY)
    ann.settle(START + 60 * DAY)
    found = ann.subscription(made)
    assert (found.status, days(found.ended_at)) == ("canceled", 40)
    assert [(invoice.subtotal, days(invoice.period_end)) for invoice in ann.invoices] == [
        (0, 0),
        (0, 31),
        (15, 40),
    ]


def test_an_end_that_is_taken_back_lets_it_go_on(ann: Customer) -> None:
    made = ann.subscribe(CALLS, cancel_at=Instant(START + 20 * DAY))
    assert days(ann.subscription(made).period_end) == 20
    ann.act(actions.AmendSubscription(subscription=made, cancel_at=None), START + DAY)
    found = ann.subscription(made)
    assert (days(found.period_end), found.canceled_at) == (31, None)
    ann.settle(START + 32 * DAY)
    assert ann.subscription(made).status == "active"


def test_a_preview_shows_what_would_be_and_keeps_nothing(ann: Customer) -> None:
    ann.grant(7)
    made = ann.subscribe(CALLS)
    ann.use("calls", 3, START + DAY)
    before = len(ann.core.state.changes.operations)
    accepted = ann.act(actions.Preview(subscription=made), START + DAY)
    [shown] = accepted.documents
    invoice = invoice_of(shown.body)
    assert (invoice.status, invoice.subtotal, invoice.credits) == ("draft", 15, 7)
    assert days(invoice.period_end) == 31
    assert accepted.operation is None
    assert len(ann.core.state.changes.operations) == before
    assert len(ann.invoices) == 1
    assert ann.core.wallets[0].held == 0


def test_what_was_drawn_as_it_was_used_is_not_charged_again(ann: Customer) -> None:
    """A rate of the same currency draws 3 of the 5 cents that a call costs by the subscription's price."""
    ann.grant(1_000)
    measure = Measure(event_name="calls", aggregation=Aggregation.SUM, property="value")
    ann.core.one(CreateMeter(code="calls", measure=measure), Instant(START))
    price = rating.PerUnit(price=Amount(3, 2))
    rate = CreateRate(meter="calls", entitlement=CURRENCY, price=price)
    assert isinstance(ann.core.one(rate, Instant(START)), Accepted)
    ann.subscribe(CALLS)
    ann.use("calls", 10, START + DAY)
    assert ann.core.wallets[0].used == 30 * STEP
    ann.settle(START + 31 * DAY + HOUR)
    [line] = ann.invoices[-1].lines
    assert (line.amount, line.paid_at_once) == (20, 30 * STEP)
    assert ann.core.wallets[0].used == 50 * STEP


def test_credit_pays_whole_minor_units_only(ann: Customer) -> None:
    """Of 1.5 cents that are left, one pays: what is shown in cents adds up."""
    command = IssueGrant(customer="ann", entitlement=CURRENCY, amount=Amount(15, 3))
    ann.core.one(command, Instant(START))
    ann.subscribe(CALLS)
    ann.use("calls", 1, START + DAY)
    ann.settle(START + 31 * DAY + HOUR)
    assert (ann.invoices[-1].subtotal, ann.invoices[-1].total) == (5, 4)
    assert ann.core.wallets[0].posted == STEP // 2


def test_a_draft_that_does_not_advance_waits_until_it_is_told(ann: Customer) -> None:
    ann.subscribe(CALLS)
    ann.use("calls", 1, START + DAY)
    ann.settle(START + 31 * DAY)
    draft = ann.documents(INVOICE)[-1]
    ann.act(actions.AmendInvoice(invoice=draft.id, advances=False), START + 31 * DAY)
    ann.settle(START + 40 * DAY)
    assert ann.invoices[-1].status == "draft"
    ann.act(actions.FinalizeInvoice(invoice=draft.id), START + 40 * DAY)
    assert (ann.invoices[-1].status, days(ann.invoices[-1].finalized_at)) == ("open", 40)


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"items": ()}, "items"),
        ({"trial_end": Instant(START)}, "trial_end"),
        ({"cancel_at": Instant(START - 1)}, "cancel_at"),
        ({"anchor": Instant(START + 40 * DAY)}, "anchor"),
        ({"anchor": Instant(START + DAY), "trial_end": Instant(START + DAY)}, "anchor"),
        ({"anchor": Instant(START + DAY), "items": (SEATS,)}, "anchor"),
        ({"every": Every(CalendarUnit.MONTH, 0)}, "every.count"),
    ],
)
def test_a_subscription_that_cannot_be_is_refused_and_nothing_is_kept(
    ann: Customer, said: dict[str, Any], field: str
) -> None:
    asked: dict[str, Any] = {"currency": CURRENCY, "items": (CALLS,), "every": MONTH} | said
    command = Act(
        customer="ann", entitlement=CURRENCY, kind=INVOICE, action=actions.Subscribe(**asked)
    )
    outcome = ann.core.one(command, Instant(START))
    assert isinstance(outcome, Refused)
    assert outcome.error.fields["field"] == field
    assert ann.documents(INVOICE) == ann.documents(SUBSCRIPTION) == []


@pytest.mark.parametrize(
    ("starts", "of", "left", "given_back", "charged"),
    [
        (0, 31, 21, -508, 1016),  # January: 750 * 21 / 31 = 508.06
        (31, 28, 18, -482, 964),  # February: 482.14
        (90, 30, 20, -500, 1000),  # April
    ],
)
def test_a_proration_is_by_the_second_of_a_month_as_long_as_it_is(
    ann: Customer, starts: int, of: int, left: int, given_back: int, charged: int
) -> None:
    """From three seats to six on the eleventh, at midnight."""
    made = ann.subscribe(SEATS)
    at = START + (starts + of - left) * DAY
    more = msgspec.structs.replace(SEATS, quantity=6)
    change = actions.ItemChange(changed=(more,), invoices_now=True)
    ann.act(actions.AmendSubscription(subscription=made, items=change), at)
    last = ann.invoices[-1]
    assert (last.reason, last.status, last.due) == ("update", "open", charged + given_back)
    assert [(line.amount, line.proration) for line in last.lines] == [
        (given_back, True),
        (charged, True),
    ]
    assert {(days(line.start), days(line.end)) for line in last.lines} == {
        (starts + of - left, starts + of)
    }
    found = ann.subscription(made)
    assert (found.items[0].quantity, found.pending, days(found.period_end)) == (6, (), starts + of)


def test_a_proration_is_rounded_half_up_and_taken_at_whole_seconds(ann: Customer) -> None:
    """Half of 31 days after the start 2.50 is half of 1.25, and a fraction of a second changes nothing."""
    made = ann.subscribe(CALLS)
    one = Item(id="one", name="one", rate=rating.PerUnit(price=Amount(25)))
    half = START + 31 * DAY // 2
    change = actions.ItemChange(added=(one,))
    ann.act(actions.AmendSubscription(subscription=made, items=change), half + 999_999)
    [line] = ann.subscription(made).pending
    assert (line.amount, line.start) == (13, half)  # 12.5


def test_as_if_a_change_had_been_at_another_time(ann: Customer) -> None:
    made = ann.subscribe(SEATS)
    more = msgspec.structs.replace(SEATS, quantity=6)
    change = actions.ItemChange(changed=(more,), prorated_from=Instant(START))
    ann.act(actions.AmendSubscription(subscription=made, items=change), START + 20 * DAY)
    assert [line.amount for line in ann.subscription(made).pending] == [-750, 1500]
    for wrong in (START - 1, START + 31 * DAY):
        change = actions.ItemChange(added=(CALLS,), prorated_from=Instant(wrong))
        with pytest.raises(FieldInvalid, match="prorated_from"):
            ann.act(actions.AmendSubscription(subscription=made, items=change), START + 20 * DAY)


def test_two_prices_of_one_meter_share_its_usage_at_the_second_of_the_change(
    ann: Customer,
) -> None:
    dear = msgspec.structs.replace(CALLS, name="dear", rate=rating.PerUnit(price=Amount(7)))
    made = ann.subscribe(CALLS)
    ann.use("calls", 3, START + 10 * DAY - 1)
    ann.use("calls", 100, START + 10 * DAY)
    change = actions.ItemChange(changed=(dear,))
    ann.act(actions.AmendSubscription(subscription=made, items=change), START + 10 * DAY + 5)
    ann.settle(START + 31 * DAY + HOUR)
    assert [(line.item.name, line.amount) for line in ann.invoices[-1].lines] == [
        ("calls", 15),
        ("dear", 700),
    ]


def test_a_change_in_a_trial_charges_nothing(ann: Customer) -> None:
    made = ann.subscribe(CALLS, trial_end=Instant(START + 10 * DAY))
    ann.use("calls", 100, START + DAY)
    change = actions.ItemChange(added=(SEATS,), removed=("calls",), invoices_now=True)
    ann.act(actions.AmendSubscription(subscription=made, items=change), START + 2 * DAY)
    assert (ann.subscription(made).pending, len(ann.invoices)) == ((), 1)
    ann.settle(START + 10 * DAY)
    assert [line.amount for line in ann.invoices[-1].lines] == [750]


def test_a_preview_of_a_change_keeps_nothing(ann: Customer) -> None:
    made = ann.subscribe(CALLS)
    ann.use("calls", 3, START + DAY)
    more = actions.ItemChange(added=(SEATS,), removed=("calls",))
    at = START + 31 * DAY // 2
    [next_one] = ann.act(actions.Preview(subscription=made, items=more), at).documents
    shown = invoice_of(next_one.body)
    assert [line.amount for line in shown.lines] == [375, 15, 750]
    assert (shown.total, days(shown.period_end)) == (1140, 31)
    more = msgspec.structs.replace(more, invoices_now=True)
    [own] = ann.act(actions.Preview(subscription=made, items=more), at).documents
    assert [line.amount for line in invoice_of(own.body).lines] == [375, 15]
    found = ann.subscription(made)
    assert (found.items[0].name, found.pending, len(ann.invoices)) == ("calls", (), 1)


def test_only_so_many_lines_wait_for_an_invoice(ann: Customer) -> None:
    made = ann.subscribe(SEATS)
    for number in range(PENDING_MAX // 2):
        more = msgspec.structs.replace(SEATS, quantity=number + 4)
        change = actions.ItemChange(changed=(more,))
        ann.act(actions.AmendSubscription(subscription=made, items=change), START + DAY)
    assert len(ann.subscription(made).pending) == PENDING_MAX
    change = actions.ItemChange(changed=(SEATS,))
    with pytest.raises(FieldInvalid, match="less often"):
        ann.act(actions.AmendSubscription(subscription=made, items=change), START + DAY)


def test_a_trial_that_is_ended_is_followed_by_a_period_that_is_charged(ann: Customer) -> None:
    """What was used in the trial costs nothing, also where the day is the same."""
    made = ann.subscribe(SEATS, CALLS, trial_end=Instant(START + 10 * DAY))
    ann.use("calls", 100, START + DAY)
    at = START + 2 * DAY
    ann.act(actions.AmendSubscription(subscription=made, ends_trial=True), at + 5)
    found, invoice = ann.subscription(made), ann.invoices[-1]
    assert (found.status, found.trial_end, found.anchor) == ("active", at, at)
    assert (days(found.period_start), days(found.period_end)) == (2, 33)
    assert (invoice.reason, invoice.status, invoice.due) == ("update", "open", 750)
    assert [(line.amount, days(line.start), days(line.end)) for line in invoice.lines] == [
        (750, 2, 33)
    ]
    ann.use("calls", 2, at + DAY)
    ann.act(actions.AmendSubscription(subscription=made, ends_trial=True), at + DAY)
    assert (len(ann.invoices), ann.subscription(made).anchor) == (2, at)
    ann.settle(START + 33 * DAY + HOUR)
    assert [line.amount for line in ann.invoices[-1].lines] == [750, 10]


def test_periods_are_counted_from_where_one_began_anew(ann: Customer) -> None:
    """On 31 January: February is short, and March is not."""
    made = ann.subscribe(CALLS)
    ann.use("calls", 2, START + 29 * DAY)
    at = START + 30 * DAY
    ann.act(actions.AmendSubscription(subscription=made, begins_anew=True), at)
    assert [line.amount for line in ann.invoices[-1].lines] == [10]
    ends = []
    for _ in range(3):
        ends.append(days(ann.subscription(made).period_end))
        ann.settle(ann.subscription(made).period_end)
    assert ends == [58, 89, 119]  # 28 February, 31 March, 30 April


def test_in_a_trial_no_period_begins_anew(ann: Customer) -> None:
    made = ann.subscribe(CALLS, trial_end=Instant(START + 10 * DAY))
    with pytest.raises(FieldInvalid, match="anchor"):
        ann.act(actions.AmendSubscription(subscription=made, begins_anew=True), START + DAY)


def test_an_item_that_comes_as_a_period_begins_anew_is_charged_once(ann: Customer) -> None:
    made = ann.subscribe(CALLS)
    more = actions.ItemChange(added=(SEATS,))
    action = actions.AmendSubscription(subscription=made, items=more, begins_anew=True)
    ann.act(action, START + 10 * DAY)
    assert [line.amount for line in ann.invoices[-1].lines] == [0, 750]


def test_with_a_customer_end_his_subscriptions_and_drafts(ann: Customer) -> None:
    ann.grant(100)
    made = ann.subscribe(CALLS)
    ann.use("calls", 3, START + DAY)
    ann.settle(START + 31 * DAY)
    assert ann.core.wallets[0].held == 15 * STEP
    ann.core.one(CloseCustomer(customer="ann"), Instant(START + 31 * DAY))
    ann.core.check()
    assert ann.core.wallets[0].held == 0
    assert ann.subscription(made).status == "canceled"
    ann.settle(START + 100 * DAY)
    assert [each.status for each in ann.invoices] == ["paid", "draft"]
    assert [each.deleted_at for each in ann.documents(INVOICE)] == [None, START + 31 * DAY]
