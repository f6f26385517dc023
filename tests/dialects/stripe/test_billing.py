"""Subscriptions, invoices and the credit that pays them, through Stripe's own SDK on a test clock."""

from __future__ import annotations

import time
from typing import Any

import pytest
import stripe

from tests.dialects.stripe.conftest import METERED, MakeGrant, asked, usd
from tests.dialects.stripe.test_catalog import make_meter, make_price, refused, use

Client = stripe.StripeClient
#: 2030-01-01T00:00:00Z
START = 1_893_456_000
DAY, HOUR = 86_400, 3_600


class Stage:
    """A customer on a test clock, with a metered price of five cents."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.clock = client.v1.test_helpers.test_clocks.create({"frozen_time": START})
        self.customer = client.v1.customers.create({"test_clock": self.clock.id, "name": "Ann"})
        self.meter = make_meter(client)
        self.price = make_price(client, self.meter.id, unit_amount=5)

    def grant(self, cents: int, **more: Any) -> stripe.billing.CreditGrant:
        parameters: Any = {"amount": usd(cents), **more}
        return self.client.v1.billing.credit_grants.create(asked(self.customer.id, **parameters))

    def subscribe(self, *prices: str, **more: Any) -> stripe.Subscription:
        items = [{"price": price} for price in prices or (self.price.id,)]
        parameters: Any = {"customer": self.customer.id, "items": items, **more}
        return self.client.v1.subscriptions.create(parameters)

    def use(self, quantity: int, **more: Any) -> None:
        use(self.client, self.customer.id, str(quantity), **more)

    def advance(self, to: int) -> None:
        begun = self.client.v1.test_helpers.test_clocks.advance(self.clock.id, {"frozen_time": to})
        assert begun.status in ("advancing", "ready")
        until = time.monotonic() + 60
        while self.client.v1.test_helpers.test_clocks.retrieve(self.clock.id).status != "ready":
            assert time.monotonic() < until
            time.sleep(0.05)

    def invoices(self) -> list[stripe.Invoice]:
        """Oldest first."""
        found = self.client.v1.invoices.list({"customer": self.customer.id, "limit": 2})
        return list(found.auto_paging_iter())[::-1]

    def balance(self, **more: Any) -> tuple[int, int]:
        """Ledger and available."""
        chosen: Any = more or {
            "type": "applicability_scope",
            "applicability_scope": METERED["scope"],
        }
        found = self.client.v1.billing.credit_balance_summary.retrieve(
            {"customer": self.customer.id, "filter": chosen}
        )
        if not found.balances:
            return (0, 0)
        [only] = found.balances
        assert only.ledger_balance.monetary is not None
        assert only.available_balance.monetary is not None
        return only.ledger_balance.monetary.value, only.available_balance.monetary.value

    def transactions(self, **more: Any) -> list[tuple[str, int]]:
        """Newest first: what kind, and how much."""
        found = self.client.v1.billing.credit_balance_transactions.list(
            {"customer": self.customer.id, "limit": 3, **more}  # type: ignore[arg-type]
        )
        shown = []
        for each in found.auto_paging_iter():
            moved: Any = each.credit or each.debit
            shown.append((moved.type, moved.amount.monetary.value))
        return shown


@pytest.fixture
def stage(client: Client) -> Stage:
    return Stage(client)


def test_a_transaction_names_the_line_that_it_paid(stage: Stage) -> None:
    grant = stage.grant(100)
    stage.subscribe()
    stage.use(40)
    stage.advance(START + 31 * DAY + HOUR)
    invoice = stage.invoices()[-1]
    [line] = stage.client.v1.invoices.line_items.list(invoice.id).data
    assert (line.amount, line.quantity, line.subtotal) == (200, 40, 200)
    assert line.pricing is not None
    assert line.pricing.price_details is not None
    assert line.pricing.price_details.price == stage.price.id
    assert (line.period.start, line.period.end) == (START, START + 31 * DAY)
    [credit] = line.pretax_credit_amounts or []
    assert (credit.amount, credit.type) == (100, "credit_balance_transaction")
    assert invoice.total_pretax_credit_amounts is not None
    assert [each.amount for each in invoice.total_pretax_credit_amounts] == [100]
    transactions = stage.client.v1.billing.credit_balance_transactions
    found = transactions.retrieve(str(credit.credit_balance_transaction))
    assert (found.credit_grant, found.type, found.credit) == (grant.id, "debit", None)
    assert found.debit is not None
    assert found.debit.credits_applied is not None
    assert found.debit.credits_applied.invoice == invoice.id
    assert found.debit.credits_applied.invoice_line_item == line.id
    assert (found.effective_at, found.test_clock) == (START + 31 * DAY + HOUR, stage.clock.id)
    stage.client.v1.invoices.void_invoice(invoice.id)
    newest = transactions.list({"credit_grant": grant.id, "limit": 1}).data[0]
    assert newest.credit is not None
    assert newest.credit.credits_application_invoice_voided is not None
    assert newest.credit.credits_application_invoice_voided.invoice_line_item == line.id
    assert transactions.retrieve(newest.id).to_dict() == newest.to_dict()


def test_what_an_id_leads_to_is_put_in_its_place(stage: Stage) -> None:
    grant = stage.grant(100)
    stage.subscribe()
    stage.use(40)
    stage.advance(START + 31 * DAY + HOUR)
    name = stage.invoices()[-1].id
    path = "pretax_credit_amounts.credit_balance_transaction"
    invoice = stage.client.v1.invoices.retrieve(
        name, {"expand": [f"lines.data.{path}", f"total_{path}", "customer"]}
    )
    assert isinstance(invoice.customer, stripe.Customer)
    [credit] = invoice.lines.data[0].pretax_credit_amounts or []
    assert isinstance(credit.credit_balance_transaction, stripe.billing.CreditBalanceTransaction)
    [total] = invoice.total_pretax_credit_amounts or []
    assert isinstance(total.credit_balance_transaction, stripe.billing.CreditBalanceTransaction)
    lines = stage.client.v1.invoices.line_items.list(name, {"expand": [f"data.{path}"]})
    [credit] = lines.data[0].pretax_credit_amounts or []
    assert isinstance(credit.credit_balance_transaction, stripe.billing.CreditBalanceTransaction)
    found = stage.client.v1.billing.credit_balance_transactions.retrieve(
        credit.credit_balance_transaction.id,
        {"expand": ["credit_grant", "debit.credits_applied.invoice"]},
    )
    assert isinstance(found.credit_grant, stripe.billing.CreditGrant)
    assert found.credit_grant.id == grant.id
    assert found.debit is not None
    assert found.debit.credits_applied is not None
    assert isinstance(found.debit.credits_applied.invoice, stripe.Invoice)
    refused(
        lambda: stage.client.v1.invoices.retrieve(name, {"expand": ["lines.data.nothing"]}),
        param="expand[0]",
    )


def test_a_preview_shows_what_is_used_so_far_and_keeps_nothing(stage: Stage) -> None:
    stage.grant(100)
    subscription = stage.subscribe()
    stage.use(30)
    preview = stage.client.v1.invoices.create_preview({"subscription": subscription.id})
    assert preview.id.startswith("upcoming_in_")
    assert (preview.status, preview.subtotal, preview.total) == ("draft", 150, 50)
    assert stage.balance() == (100, 100)
    assert len(stage.invoices()) == 1
    create = stage.client.v1.invoices.create_preview
    assert create({"customer": stage.customer.id}).total == 50
    refused(lambda: create({}), param="customer", code="parameter_missing")
    other = stage.subscribe()
    refused(lambda: create({"customer": stage.customer.id}), param="subscription")
    stage.client.v1.subscriptions.cancel(other.id)
    refused(lambda: create({"subscription": other.id}), param=None, code="invoice_upcoming_none")


def test_an_open_invoice_is_paid_out_of_band_or_given_up(stage: Stage) -> None:
    stage.subscribe()
    stage.use(30)
    stage.advance(START + 31 * DAY)
    draft = stage.invoices()[-1]
    assert (draft.status, draft.number) == ("draft", None)
    assert draft.automatically_finalizes_at == START + 31 * DAY + HOUR
    invoices = stage.client.v1.invoices
    final = invoices.finalize_invoice(draft.id)
    assert (final.status, final.amount_due, final.amount_remaining) == ("open", 150, 150)
    assert final.number is not None
    refused(lambda: invoices.pay(draft.id), param="paid_out_of_band")
    gone = invoices.mark_uncollectible(draft.id)
    assert gone.status == "uncollectible"
    paid = invoices.pay(draft.id, {"paid_out_of_band": True})
    assert (paid.status, paid.amount_paid, paid.amount_remaining) == ("paid", 150, 0)
    refused(lambda: invoices.void_invoice(draft.id), param=None, code="status_transition_invalid")
    refused(lambda: invoices.delete(draft.id), param=None, code="status_transition_invalid")


def test_a_draft_may_wait_until_it_is_told(stage: Stage) -> None:
    stage.subscribe(metadata={"a": "1"})
    stage.use(10)
    stage.advance(START + 31 * DAY)
    draft = stage.invoices()[-1]
    invoices = stage.client.v1.invoices
    changed = invoices.update(
        draft.id, {"auto_advance": False, "metadata": {"b": "2"}, "description": "January"}
    )
    assert (changed.auto_advance, changed.automatically_finalizes_at) == (False, None)
    assert (changed.metadata or {}).to_dict() == {"b": "2"}  # type: ignore[union-attr]
    assert changed.description == "January"
    stage.advance(START + 33 * DAY)
    assert invoices.retrieve(draft.id).status == "draft"
    assert invoices.finalize_invoice(draft.id).status == "open"
    assert invoices.update(draft.id, {"metadata": {"b": ""}}).status == "open"
    refused(
        lambda: invoices.update(draft.id, {"auto_advance": True}),
        param=None,
        code="status_transition_invalid",
    )


def test_a_draft_that_is_deleted_is_gone_and_lets_go_of_its_credit(stage: Stage) -> None:
    stage.grant(100)
    stage.subscribe()
    stage.use(10)
    stage.advance(START + 31 * DAY)
    assert stage.balance() == (100, 50)
    draft = stage.invoices()[-1]
    assert stage.client.v1.invoices.delete(draft.id).deleted is True
    assert stage.balance() == (100, 100)
    refused(
        lambda: stage.client.v1.invoices.retrieve(draft.id), param="id", code="resource_missing"
    )


def test_a_subscription_ends_now_or_with_its_period(stage: Stage) -> None:
    subscriptions = stage.client.v1.subscriptions
    ended = stage.subscribe(metadata={"a": "1"})
    stage.use(10)
    stage.advance(START + DAY)
    found = subscriptions.cancel(ended.id, {"invoice_now": True})
    assert (found.status, found.ended_at) == ("canceled", START + DAY)
    assert stage.invoices()[-1].subtotal == 50
    refused(lambda: subscriptions.cancel(ended.id), param=None, code="status_transition_invalid")
    other = stage.subscribe()
    changed = subscriptions.update(
        other.id, {"cancel_at_period_end": True, "metadata": {"b": "2"}, "description": "last"}
    )
    assert (changed.cancel_at_period_end, changed.description) == (True, "last")
    assert changed.cancel_at == START + 32 * DAY
    stage.advance(START + 40 * DAY)
    assert subscriptions.retrieve(other.id).status == "canceled"
    assert [each.id for each in subscriptions.list({"customer": stage.customer.id}).data] == []
    everything = subscriptions.list({"customer": stage.customer.id, "status": "all", "limit": 1})
    assert [each.id for each in everything.auto_paging_iter()] == [other.id, ended.id]


def test_a_trial_charges_nothing(stage: Stage) -> None:
    made = stage.subscribe(trial_period_days=7, expand=["latest_invoice"])
    assert (made.status, made.trial_end) == ("trialing", START + 7 * DAY)
    assert isinstance(made.latest_invoice, stripe.Invoice)
    assert (made.latest_invoice.status, made.latest_invoice.total) == ("paid", 0)
    stage.use(10)
    stage.advance(START + 7 * DAY + HOUR)
    found = stage.client.v1.subscriptions.retrieve(made.id)
    assert found.status == "active"
    assert [each.subtotal for each in stage.invoices()] == [0, 0]


@pytest.mark.parametrize(
    ("said", "param", "code"),
    [
        ({"items": []}, "items", "parameter_missing"),
        ({"customer": "cus_no"}, "customer", "resource_missing"),
        ({"items": [{"price": "price_no"}]}, "items[0][price]", "resource_missing"),
        ({"trial_end": "soon"}, "trial_end", "parameter_invalid_integer"),
        ({"trial_end": START, "trial_period_days": 3}, "trial_period_days", "parameters_exclusive"),
        ({"cancel_at": START - 1}, "cancel_at", None),
        ({"collection_method": "send_invoice"}, "days_until_due", "parameter_missing"),
    ],
)
def test_a_subscription_that_cannot_be_is_refused(
    stage: Stage, said: dict[str, Any], param: str, code: str | None
) -> None:
    base = {"customer": stage.customer.id, "items": [{"price": stage.price.id}]}
    refused(
        lambda: stage.client.v1.subscriptions.create({**base, **said}),  # type: ignore[arg-type]
        param=param,
        code=code,
    )


def test_a_metered_item_takes_no_quantity(stage: Stage) -> None:
    refused(
        lambda: stage.client.v1.subscriptions.create(
            {
                "customer": stage.customer.id,
                "items": [{"price": stage.price.id, "quantity": 2}],
            }
        ),
        param="items[0][quantity]",
    )


def test_a_clock_says_what_time_it_is_for_its_customers(stage: Stage) -> None:
    clocks = stage.client.v1.test_helpers.test_clocks
    assert stage.clock.status == "ready"
    assert stage.customer.test_clock == stage.clock.id
    refused(lambda: stage.use(1, timestamp=START - 36 * DAY), param="timestamp")
    refused(lambda: stage.use(1, timestamp=START + 600), param="timestamp")
    stage.use(1, timestamp=START - 34 * DAY)
    refused(lambda: clocks.advance(stage.clock.id, {"frozen_time": START - 5}), param="frozen_time")
    assert [each.id for each in clocks.list().data] == [stage.clock.id]
    assert clocks.delete(stage.clock.id).deleted is True
    refused(lambda: clocks.retrieve(stage.clock.id), param="id", code="resource_missing")


def test_a_customer_who_is_there_lives_by_a_clock_from_then_on(
    client: Client, customer: stripe.Customer, make_grant: MakeGrant
) -> None:
    """For good; and by none that begins before what he has."""
    grant = make_grant(expires_at=4_000_000_000)
    clocks = client.v1.test_helpers.test_clocks
    before, began = grant.created - DAY, grant.created + 10 * DAY

    def create(frozen_time: int, name: str = customer.id) -> Any:
        return clocks.create({"frozen_time": frozen_time, "customer": name})

    refused(lambda: create(before), param="frozen_time")
    refused(lambda: create(began, "cus_none"), param="customer", code="resource_missing")
    made = create(began)
    assert (made.status, made.frozen_time) == ("ready", began)
    assert client.v1.customers.retrieve(customer.id).test_clock == made.id
    assert client.v1.billing.credit_grants.retrieve(grant.id).test_clock == made.id
    clocks.advance(made.id, {"frozen_time": 4_000_000_000})
    while clocks.retrieve(made.id).status != "ready":
        time.sleep(0.02)
    moved = client.v1.billing.credit_balance_transactions.list({"customer": customer.id}).data[0]
    assert moved.debit is not None
    assert (moved.debit.type, moved.effective_at) == ("credits_expired", 4_000_000_000)
    refused(lambda: create(4_000_000_001), param="customer")


def test_a_period_ends_with_the_last_instant_there_is(client: Client) -> None:
    last = 253_402_300_799
    clock = client.v1.test_helpers.test_clocks.create({"frozen_time": last - DAY})
    customer = client.v1.customers.create({"test_clock": clock.id})
    price = make_price(client, make_meter(client).id, unit_amount=5)
    made = client.v1.subscriptions.create({"customer": customer.id, "items": [{"price": price.id}]})
    assert made["items"].data[0].current_period_end == last
    clocks = client.v1.test_helpers.test_clocks
    clocks.advance(clock.id, {"frozen_time": last})
    while clocks.retrieve(clock.id).status != "ready":
        time.sleep(0.02)
    assert client.v1.subscriptions.retrieve(made.id).status == "active"


def test_credit_that_is_not_there_yet_is_in_no_balance(stage: Stage) -> None:
    grant = stage.grant(100, effective_at=START + DAY)
    assert stage.balance() == (0, 0)
    assert stage.transactions() == [("credits_granted", 100)]
    stage.advance(START + DAY)
    assert stage.balance() == (100, 100)
    stage.client.v1.billing.credit_grants.expire(grant.id)
    assert stage.balance(type="credit_grant", credit_grant=grant.id) == (0, 0)
    assert stage.transactions() == [("credits_expired", 100), ("credits_granted", 100)]
    other = stage.grant(50)
    stage.client.v1.billing.credit_grants.void_grant(other.id)
    assert stage.transactions(credit_grant=other.id) == [
        ("credits_voided", 50),
        ("credits_granted", 50),
    ]


def test_a_balance_is_asked_for_by_price_and_by_grant(stage: Stage) -> None:
    other = make_price(stage.client, make_meter(stage.client, "other").id, unit_amount=100)
    stage.grant(100)
    scoped = stage.grant(30, applicability_config={"scope": {"prices": [{"id": other.id}]}})
    prices: Any = {"prices": [{"id": stage.price.id}]}
    assert stage.balance(type="applicability_scope", applicability_scope=prices) == (100, 100)
    prices = {"prices": [{"id": other.id}]}
    assert stage.balance(type="applicability_scope", applicability_scope=prices) == (130, 130)
    assert stage.balance() == (130, 130)
    assert stage.balance(type="credit_grant", credit_grant=scoped.id) == (30, 30)
    refused(
        lambda: stage.balance(type="credit_grant"),
        param="filter[credit_grant]",
        code="parameter_missing",
    )
    refused(
        lambda: stage.balance(type="credit_grant", credit_grant="credgr_no"),
        param="filter[credit_grant]",
        code="resource_missing",
    )


def test_a_customer_s_currency_is_that_of_the_first_invoice(stage: Stage) -> None:
    customers = stage.client.v1.customers
    assert customers.retrieve(stage.customer.id).currency is None
    euros = make_price(stage.client, stage.meter.id, unit_amount=5, currency="eur")
    stage.subscribe(euros.id)
    assert customers.retrieve(stage.customer.id).currency == "eur"
    stage.subscribe()
    assert customers.retrieve(stage.customer.id).currency == "eur"
