"""Subscriptions: credit with every billing cycle; what is to be paid waits for the operator."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest

from tests.dialects.dodo.clocked import Clocked
from tests.dialects.dodo.sdk import Dodo
from tests.dialects.dodo.test_products import MONTHLY, product
from tests.support.server import Tenant

BILLING = {"country": "DE"}
NEW = {"email": "new@example.com", "name": "New"}


@pytest.fixture
def ada(tenant: Tenant) -> Iterator[Clocked]:
    found = Clocked(tenant)
    yield found
    found.http.close()


def subscribe(dodo: Dodo, customer: str, product_id: str, **more: Any) -> str:
    """Its id. ``subscriptions.create`` is deprecated at the vendor, which the SDK says each time."""
    given = {
        "billing": BILLING,
        "customer": {"customer_id": customer} if customer else NEW,
        "product_id": product_id,
        "quantity": 1,
    } | more

    def ask(client: Any) -> Any:
        with pytest.warns(DeprecationWarning, match="deprecated"):
            return client.subscriptions.create(**given)

    made: str = dodo(ask).subscription_id
    return made


def found(dodo: Dodo, subscription: str) -> Any:
    return dodo(lambda client: client.subscriptions.retrieve(subscription))


def update(dodo: Dodo, subscription: str, **changes: Any) -> Any:
    return dodo(lambda client: client.subscriptions.update(subscription, **changes))


def change_plan(dodo: Dodo, subscription: str, product_id: str, mode: str) -> Any:
    return dodo(
        lambda client: client.subscriptions.change_plan(
            subscription, product_id=product_id, proration_billing_mode=mode, quantity=1
        )
    )


def usage(dodo: Dodo, subscription: str) -> list[Any]:
    items: list[Any] = dodo(
        lambda client: client.subscriptions.retrieve_credit_usage(subscription)
    ).items
    return items


def attach(kind: str, amount: str = "100", **more: Any) -> dict[str, Any]:
    return {"credit_entitlement_id": kind, "credits_amount": amount} | more


def day(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}T00:00:00+00:00")


def confirm(ada: Clocked, tenant: Tenant, subscription: str, reference: str = "") -> Any:
    """The operator's call, which no SDK knows; each of a payment of its own, unless it is named."""
    with tenant.client(base="/dodo") as http:
        return http.post(
            f"/subscriptions/{subscription}/confirm-payment",
            json={"reference": reference or uuid4().hex},
        )


def test_with_nothing_to_pay_it_is_active_at_once_and_renews_by_itself(
    dodo: Dodo, ada: Clocked
) -> None:
    kind = dodo.entitlement(expires_after_days=40)
    plan = product(dodo, attach(kind.id))
    made = subscribe(dodo, ada.customer, plan.product_id, metadata={"seat": 3})
    shown = found(dodo, made)
    assert (shown.status, shown.metadata, shown.quantity) == ("active", {"seat": 3}, 1)
    assert (shown.previous_billing_date, shown.next_billing_date) == (
        day("2031-01-31"),
        day("2031-02-28"),
    )
    assert (shown.customer.customer_id, shown.customer.email) == (
        dodo(lambda client: client.customers.retrieve(ada.customer)).customer_id,
        "ada@example.com",
    )
    [cart] = shown.credit_entitlement_cart
    assert (cart.credits_amount, cart.remaining_balance, cart.overage_balance) == (
        "100",
        "100",
        "0",
    )
    ada.advance("2031-03-01T00:00:00Z")
    assert dodo.balance(ada.customer, kind.id).balance == "200"
    ada.advance("2031-03-13T00:00:00Z")  # 40 days after the first
    assert dodo.balance(ada.customer, kind.id).balance == "100"
    after = found(dodo, made)
    assert (after.previous_billing_date, after.next_billing_date) == (
        day("2031-02-28"),
        day("2031-03-31"),
    )


def test_a_trial_gives_its_own_credit(dodo: Dodo, ada: Clocked) -> None:
    kind = dodo.entitlement()
    attached = attach(kind.id, trial_credits="5", trial_credits_expire_after_trial=True)
    plan = product(dodo, attached, price=MONTHLY | {"trial_period_days": 14})
    made = subscribe(dodo, ada.customer, plan.product_id)
    shown = found(dodo, made)
    assert (shown.status, shown.trial_period_days) == ("active", 14)
    assert shown.next_billing_date == day("2031-02-14")
    assert dodo.balance(ada.customer, kind.id).balance == "5"
    ada.advance("2031-02-14T00:00:00Z")
    assert dodo.balance(ada.customer, kind.id).balance == "100"
    assert found(dodo, made).next_billing_date == day("2031-03-14")


def test_a_trials_credit_stays_unless_it_is_to_end_with_it_and_there_may_be_none(
    dodo: Dodo, ada: Clocked
) -> None:
    kind, other = dodo.entitlement(), dodo.entitlement(name="Images")
    attached = (attach(kind.id, trial_credits="5"), attach(other.id))
    plan = product(dodo, *attached, price=MONTHLY | {"trial_period_days": 14})
    made = subscribe(dodo, ada.customer, plan.product_id)
    assert [item.balance for item in usage(dodo, made)] == ["5", "0"]
    ada.advance("2031-02-14T00:00:00Z")
    assert [item.balance for item in usage(dodo, made)] == ["105", "100"]
    none = subscribe(dodo, ada.customer, plan.product_id, trial_period_days=0)
    assert found(dodo, none).trial_period_days == 0
    assert [item.balance for item in usage(dodo, none)] == ["205", "200"]


def test_what_is_to_be_paid_waits_for_the_operator_with_every_cycle(
    dodo: Dodo, ada: Clocked, tenant: Tenant
) -> None:
    kind = dodo.entitlement(expires_after_days=31)
    plan = product(dodo, attach(kind.id), price=MONTHLY | {"price": 900})
    made = subscribe(dodo, ada.customer, plan.product_id)
    assert found(dodo, made).status == "pending"
    assert usage(dodo, made)[0].balance == "0"
    paid = confirm(ada, tenant, made)
    assert (paid.status_code, paid.json()["status"]) == (200, "active")
    assert usage(dodo, made)[0].balance == "100"
    again = confirm(ada, tenant, made)
    assert (again.status_code, again.json()["code"]) == (400, "UNSUPPORTED_ACTION")
    assert usage(dodo, made)[0].balance == "100"
    ada.advance("2031-03-05T00:00:00Z")
    assert found(dodo, made).status == "on_hold"
    assert usage(dodo, made)[0].balance == "0"
    assert confirm(ada, tenant, made).json()["status"] == "active"
    assert usage(dodo, made)[0].balance == "100"
    assert found(dodo, made).next_billing_date == day("2031-03-31")
    ada.advance("2031-03-31T00:00:00Z")
    assert found(dodo, made).status == "on_hold"


def test_a_payment_that_is_told_of_again_later_pays_for_no_other_cycle(
    dodo: Dodo, ada: Clocked, tenant: Tenant
) -> None:
    kind = dodo.entitlement()
    plan = product(dodo, attach(kind.id), price=MONTHLY | {"price": 900})
    made = subscribe(dodo, ada.customer, plan.product_id)
    assert confirm(ada, tenant, made, "bank-7").status_code == 200
    ada.advance("2031-02-28T00:00:00Z")
    again = confirm(ada, tenant, made, "bank-7")
    assert (again.status_code, again.json()["code"]) == (400, "UNSUPPORTED_ACTION")
    assert (found(dodo, made).status, usage(dodo, made)[0].balance) == ("on_hold", "100")
    assert confirm(ada, tenant, made, "bank-8").status_code == 200
    assert usage(dodo, made)[0].balance == "200"


def test_a_payment_is_confirmed_without_a_word(dodo: Dodo, ada: Clocked) -> None:
    """As the SDK's own way to an endpoint sends what has no body."""
    plan = product(dodo, attach(dodo.entitlement().id), price=MONTHLY | {"price": 900})
    made = subscribe(dodo, ada.customer, plan.product_id)
    path = f"/subscriptions/{made}/confirm-payment"
    dodo(lambda client: client.post(path, cast_to=object))
    assert found(dodo, made).status == "active"


def test_a_payment_that_is_confirmed_by_many_at_once_counts_once(
    dodo: Dodo, ada: Clocked, tenant: Tenant
) -> None:
    kind = dodo.entitlement()
    plan = product(dodo, attach(kind.id), price=MONTHLY | {"price": 900})
    made = subscribe(dodo, ada.customer, plan.product_id)
    with ThreadPoolExecutor(4) as threads:
        asked = [threads.submit(confirm, ada, tenant, made) for _ in range(8)]
    assert sorted(each.result().status_code for each in asked) == [200] + [400] * 7
    assert usage(dodo, made)[0].balance == "100"


def test_low_credit_is_watched_while_the_subscription_lives(dodo: Dodo, ada: Clocked) -> None:
    kind = dodo.entitlement()
    attached = attach(kind.id, "50", low_balance_threshold_percent=20)
    made = subscribe(dodo, ada.customer, product(dodo, attached).product_id)
    [alert] = ada.ask("GET", "/alerts")["data"]
    assert (alert["name"], alert["amount"], alert["closed_at"]) == (made, "10", None)
    update(dodo, made, status="cancelled")
    [closed] = ada.ask("GET", "/alerts")["data"]
    assert (closed["id"], closed["closed_at"] is None) == (alert["id"], False)


def test_cancelled_at_once_nothing_more_is_given(dodo: Dodo, ada: Clocked) -> None:
    kind = dodo.entitlement()
    made = subscribe(dodo, ada.customer, product(dodo, attach(kind.id)).product_id)
    after = update(dodo, made, status="cancelled", cancellation_comment="Too much")
    assert (after.status, after.cancellation_comment) == ("cancelled", "Too much")
    assert after.cancelled_at == day("2031-01-31")
    ada.advance("2031-06-01T00:00:00Z")
    assert dodo.balance(ada.customer, kind.id).balance == "100"
    twice = dodo.refused(lambda client: client.subscriptions.update(made, status="cancelled"))
    assert (twice.status, twice.code) == (400, "UNSUPPORTED_ACTION")


def test_cancelled_with_the_next_billing_date_its_cycle_goes_on(dodo: Dodo, ada: Clocked) -> None:
    kind = dodo.entitlement()
    made = subscribe(dodo, ada.customer, product(dodo, attach(kind.id)).product_id)
    after = update(dodo, made, cancel_at_next_billing_date=True)
    assert (after.status, after.cancel_at_next_billing_date) == ("active", True)
    ada.advance("2031-02-28T00:00:00Z")
    ended = found(dodo, made)
    assert (after.cancelled_at, ended.status) == (None, "cancelled")
    assert ended.cancelled_at == day("2031-02-28")
    assert dodo.balance(ada.customer, kind.id).balance == "100"


def test_who_takes_the_cancellation_back_goes_on(dodo: Dodo, ada: Clocked) -> None:
    kind = dodo.entitlement()
    made = subscribe(dodo, ada.customer, product(dodo, attach(kind.id)).product_id)
    update(dodo, made, cancel_at_next_billing_date=True)
    assert update(dodo, made, cancel_at_next_billing_date=False).status == "active"
    ada.advance("2031-04-01T00:00:00Z")
    assert found(dodo, made).status == "active"
    assert dodo.balance(ada.customer, kind.id).balance == "300"


def test_details_stay_but_for_a_business_name_that_is_cleared(dodo: Dodo, ada: Clocked) -> None:
    made = subscribe(dodo, ada.customer, product(dodo).product_id)
    details = {
        "customer_business_name": "Ada Ltd",
        "tax_id": "DE1",
        "metadata": {"seat": 3},
        "billing": {"country": "FR", "city": "Lyon"},
        "cancellation_feedback": "unused",
    }
    update(dodo, made, **details)
    after = update(dodo, made, tax_id=None, metadata=None, billing=None)
    assert (after.customer_business_name, after.tax_id, after.metadata) == (
        "Ada Ltd",
        "DE1",
        {"seat": 3},
    )
    assert (after.billing.country, after.billing.city) == ("FR", "Lyon")
    assert after.cancellation_feedback == "unused"
    assert update(dodo, made, customer_business_name=None).customer_business_name is None


def test_other_terms_hold_from_the_next_billing_date_on(dodo: Dodo, ada: Clocked) -> None:
    kind = dodo.entitlement()
    made = subscribe(dodo, ada.customer, product(dodo, attach(kind.id)).product_id)
    cart = [attach(kind.id, "30", expires_after_days=10)]
    after = update(dodo, made, credit_entitlement_cart=cart)
    [shown] = after.credit_entitlement_cart
    assert (shown.credits_amount, shown.expires_after_days) == ("30", 10)
    assert dodo.balance(ada.customer, kind.id).balance == "100"
    ada.advance("2031-02-28T00:00:00Z")
    assert dodo.balance(ada.customer, kind.id).balance == "130"
    ada.advance("2031-03-10T00:00:00Z")
    assert dodo.balance(ada.customer, kind.id).balance == "100"
    update(dodo, made, status="cancelled")
    ada.advance("2031-05-01T00:00:00Z")
    assert dodo.balance(ada.customer, kind.id).balance == "100"


@pytest.mark.parametrize(
    ("behavior", "first"), [("prorate", "100"), ("no_prorate", "200")], ids=["part", "whole"]
)
def test_the_credit_of_another_plan_is_for_what_is_left_of_the_cycle(
    dodo: Dodo, ada: Clocked, behavior: str, first: str
) -> None:
    kind, other = dodo.entitlement(), dodo.entitlement(name="Images")
    made = subscribe(dodo, ada.customer, product(dodo, attach(kind.id)).product_id)
    larger = product(dodo, attach(other.id, "200", proration_behavior=behavior), name="Max")
    ada.advance("2031-02-14T00:00:00Z")  # half of 28 days
    change_plan(dodo, made, larger.product_id, "prorated_immediately_keep_cycle")
    after = found(dodo, made)
    assert (after.product_id, after.status) == (larger.product_id, "active")
    assert after.next_billing_date == day("2031-02-28")
    assert dodo.balance(ada.customer, kind.id).balance == "100"
    assert dodo.balance(ada.customer, other.id).balance == first
    ada.advance("2031-02-28T00:00:00Z")
    assert dodo.balance(ada.customer, kind.id).balance == "100"
    assert dodo.balance(ada.customer, other.id).balance == str(int(first) + 200)


def test_a_change_of_plan_may_wait_for_the_next_billing_date(dodo: Dodo, ada: Clocked) -> None:
    kind = dodo.entitlement()
    made = subscribe(dodo, ada.customer, product(dodo, attach(kind.id)).product_id)
    larger = product(dodo, attach(kind.id, "400"), name="Max").product_id
    largest = product(dodo, attach(kind.id, "900"), name="Ultra", price=MONTHLY | {"price": 5})

    def later(product_id: str) -> Any:
        return lambda client: client.subscriptions.change_plan(
            made,
            product_id=product_id,
            proration_billing_mode="do_not_bill",
            quantity=2,
            effective_at="next_billing_date",
        )

    dodo(later(larger))
    shown = found(dodo, made)
    assert shown.scheduled_change.product_id == larger
    assert shown.scheduled_change.effective_at == day("2031-02-28")
    dodo(lambda client: client.subscriptions.cancel_change_plan(made))
    assert found(dodo, made).scheduled_change is None
    ada.advance("2031-02-28T00:00:00Z")
    assert dodo.balance(ada.customer, kind.id).balance == "200"
    dodo(later(larger))
    ada.advance("2031-03-31T00:00:00Z")
    after = found(dodo, made)
    assert (after.product_id, after.quantity, after.scheduled_change) == (larger, 2, None)
    assert dodo.balance(ada.customer, kind.id).balance == "600"
    dodo(later(largest.product_id))
    ada.advance("2031-04-30T00:00:00Z")
    assert found(dodo, made).status == "on_hold"
    assert dodo.balance(ada.customer, kind.id).balance == "600"
    refusal = dodo.refused(later(larger))
    assert (refusal.status, refusal.code) == (400, "UNSUPPORTED_ACTION")


def test_a_plan_that_is_billed_in_full_begins_a_new_cycle(dodo: Dodo, ada: Clocked) -> None:
    kind = dodo.entitlement()
    made = subscribe(dodo, ada.customer, product(dodo, attach(kind.id)).product_id)
    larger = product(dodo, attach(kind.id, "200", proration_behavior="prorate"), name="Max")
    ada.advance("2031-02-14T00:00:00Z")
    change_plan(dodo, made, larger.product_id, "full_immediately")
    after = found(dodo, made)
    assert (after.previous_billing_date, after.next_billing_date) == (
        day("2031-02-14"),
        day("2031-03-14"),
    )
    assert dodo.balance(ada.customer, kind.id).balance == "300"


def test_a_meter_charges_while_the_subscription_lives(dodo: Dodo, ada: Clocked) -> None:
    kind = dodo.entitlement()
    link = {
        "meter_id": ada.meter(),
        "credit_entitlement_id": kind.id,
        "meter_units_per_credit": "1000",
    }
    price = {key: value for key, value in MONTHLY.items() if key != "price"}
    price |= {"type": "usage_based_price", "fixed_price": 0, "meters": [link]}
    plan = product(dodo, attach(kind.id), price=price)
    ada.use(5_000)
    made = subscribe(dodo, ada.customer, plan.product_id)
    [shown] = found(dodo, made).meter_credit_entitlement_cart
    assert (shown.meter_name, shown.meter_units_per_credit) == ("tokens", "1000")
    ada.use(2_500)
    assert dodo.balance(ada.customer, kind.id).balance == "97.5"
    update(dodo, made, status="cancelled")
    ada.use(2_500)
    assert dodo.balance(ada.customer, kind.id).balance == "97.5"


def test_a_subscription_makes_its_customer_where_it_has_none(dodo: Dodo) -> None:
    kind = dodo.entitlement()
    plan = product(dodo, attach(kind.id))
    made = subscribe(dodo, "", plan.product_id)
    shown = found(dodo, made)
    assert (shown.customer.email, shown.customer.name) == ("new@example.com", "New")
    assert dodo.balance(shown.customer.customer_id, kind.id).balance == "100"


def test_subscriptions_are_listed_newest_first_by_what_they_are(dodo: Dodo, ada: Clocked) -> None:
    kind = dodo.entitlement()
    plan = product(dodo, attach(kind.id))
    made = [subscribe(dodo, ada.customer, plan.product_id) for _ in range(3)]
    update(dodo, made[1], status="cancelled")

    def listed(**query: Any) -> list[str]:
        page = dodo(lambda client: client.subscriptions.list(**query))
        return [each.subscription_id for each in page.items]

    assert listed() == [made[2], made[1], made[0]]
    assert listed(status="active", customer_id=ada.customer) == [made[2], made[0]]
    assert listed(status="cancelled", product_id=plan.product_id) == [made[1]]
    assert listed(product_id="pdt_unknown") == []
    assert listed(page_size=2, page_number=1) == [made[0]]
    assert listed(created_at_gte=day("2032-01-01")) == []


def test_what_cannot_be_subscribed_to_is_refused(dodo: Dodo, ada: Clocked) -> None:
    kind = dodo.entitlement()
    once = {"type": "one_time_price", "currency": "USD", "price": 100}
    bought = product(dodo, attach(kind.id), price=once)
    plan = product(dodo, attach(kind.id))

    def refused(product_id: str, **more: Any) -> tuple[int, str]:
        given = {"billing": BILLING, "customer": {"customer_id": ada.customer}, "quantity": 1}

        def ask(client: Any) -> Any:
            with pytest.warns(DeprecationWarning, match="deprecated"):
                return client.subscriptions.create(product_id=product_id, **given | more)

        refusal = dodo.refused(ask)
        return refusal.status, refusal.code

    assert refused(bought.product_id) == (400, "UNSUPPORTED_ACTION")
    assert refused("pdt_unknown") == (404, "NOT_FOUND")
    assert refused(plan.product_id, customer={"customer_id": "cus_unknown"}) == (404, "NOT_FOUND")
    assert refused(plan.product_id, customer={}) == (422, "INVALID_REQUEST_BODY")
    for more in ({"tax_id": "x" * 1001}, {"billing": {"country": "DE", "city": "\x00"}}):
        asked = {"customer": NEW} | more
        assert refused(plan.product_id, **asked) == (422, "INVALID_REQUEST_BODY")
    assert len(dodo(lambda client: client.customers.list()).items) == 1
    assert refused(plan.product_id, billing={"country": "Germany"})[0] == 422
    assert refused(plan.product_id, quantity=0) == (422, "INVALID_REQUEST_BODY")
    dodo(lambda client: client.products.archive(plan.product_id))
    assert refused(plan.product_id) == (400, "UNSUPPORTED_ACTION")
    assert dodo(lambda client: client.subscriptions.list()).items == []
