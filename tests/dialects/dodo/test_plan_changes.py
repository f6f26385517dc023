"""Changes of plan: what they cost, what is waited for, and what is credited when it was paid."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.dialects.dodo.clocked import Clocked
from tests.dialects.dodo.sdk import Dodo
from tests.dialects.dodo.test_products import MONTHLY, product
from tests.dialects.dodo.test_subscriptions import attach, confirm, day, found, subscribe, update
from tests.support.server import Tenant

HALF = "2031-02-14T00:00:00Z"  # of the 28 days from 31 January on


@pytest.fixture
def ada(tenant: Tenant) -> Iterator[Clocked]:
    made = Clocked(tenant)
    yield made
    made.http.close()


@pytest.fixture
def sdk(tenant: Tenant) -> Iterator[Dodo]:
    made = Dodo(tenant.url, tenant.test.editor.secret, blocking=True)
    yield made
    made.close()


class Sold:
    """A plan of 100 credits for 9 dollars a month, and one of 400 for 29, prorated."""

    def __init__(self, sdk: Dodo, **smaller: Any) -> None:
        self.sdk = sdk
        self.kind: str = sdk.entitlement().id
        self.small = self._plan("Pro", 900, "100", **smaller)
        self.large = self._plan("Max", 2_900, "400")

    def _plan(self, name: str, price: int, credit: str, **more: Any) -> str:
        attached = attach(self.kind, credit, proration_behavior="prorate")
        made = product(self.sdk, attached, name=name, price=MONTHLY | {"price": price} | more)
        found: str = made.product_id
        return found

    def change(self, made: str, product_id: str, mode: str, **more: Any) -> Any:
        return self.sdk(self.asking("change_plan", made, product_id, mode, **more))

    def preview(self, made: str, product_id: str, mode: str, **more: Any) -> Any:
        return self.sdk(self.asking("preview_change_plan", made, product_id, mode, **more))

    def asking(self, call: str, made: str, product_id: str, mode: str, **more: Any) -> Any:
        given = {"product_id": product_id, "proration_billing_mode": mode, "quantity": 1} | more
        return lambda client: getattr(client.subscriptions, call)(made, **given)

    def balance(self, ada: Clocked) -> str:
        left: str = self.sdk.balance(ada.customer, self.kind).balance
        return left


def awaited(tenant: Tenant, made: str) -> Any:
    """What is waited for, which no model of the SDK has."""
    with tenant.client(base="/dodo") as http:
        return http.get(f"/subscriptions/{made}").json()["awaited_payment"]


def paid(sdk: Dodo, ada: Clocked, tenant: Tenant, sold: Sold) -> str:
    made = subscribe(sdk, ada.customer, sold.small)
    assert confirm(ada, tenant, made).status_code == 200
    return made


def test_what_a_change_costs_is_waited_for_and_the_rest_follows(
    sdk: Dodo, ada: Clocked, tenant: Tenant
) -> None:
    sold = Sold(sdk)
    made = paid(sdk, ada, tenant, sold)
    ada.advance(HALF)
    asked = sold.change(made, sold.large, "prorated_immediately")
    assert asked.expires_on == day("2031-02-28")
    waits = {"payment_id": asked.payment_id, "amount": 1_000, "currency": "USD"}
    assert awaited(tenant, made) == waits | {"product_id": sold.large}
    before = found(sdk, made)
    assert (before.product_id, before.status) == (sold.small, "active")
    assert sold.balance(ada) == "100"
    confirmed = confirm(ada, tenant, made)
    assert (confirmed.status_code, confirmed.json()["product_id"]) == (200, sold.large)
    assert awaited(tenant, made) is None
    after = found(sdk, made)
    assert (after.status, after.next_billing_date) == ("active", day("2031-02-28"))
    assert sold.balance(ada) == "300"  # half of 400
    again = confirm(ada, tenant, made)
    assert (again.status_code, again.json()["code"]) == (400, "UNSUPPORTED_ACTION")
    ada.advance("2031-02-28T00:00:00Z")
    assert found(sdk, made).status == "on_hold"
    assert awaited(tenant, made)["amount"] == 2_900
    confirm(ada, tenant, made)
    assert sold.balance(ada) == "700"


def test_a_change_that_was_not_paid_for_lapses_with_the_cycle(
    sdk: Dodo, ada: Clocked, tenant: Tenant
) -> None:
    sold = Sold(sdk)
    made = paid(sdk, ada, tenant, sold)
    sold.change(made, sold.large, "difference_immediately", on_payment_failure="prevent_change")
    assert awaited(tenant, made)["amount"] == 2_000
    ada.advance("2031-02-28T00:00:00Z")
    assert awaited(tenant, made)["amount"] == 900
    confirm(ada, tenant, made)
    after = found(sdk, made)
    assert (after.status, after.product_id) == ("active", sold.small)
    assert sold.balance(ada) == "200"


@pytest.mark.parametrize(
    ("mode", "amount", "factors", "next_date"),
    [
        ("prorated_immediately", 1_000, [0.5, 0.5], "2031-02-28"),
        ("prorated_immediately_keep_cycle", 1_000, [0.5, 0.5], "2031-02-28"),
        ("difference_immediately", 2_000, [1, 1], "2031-02-28"),
        ("full_immediately", 2_900, [1], "2031-03-14"),
        ("do_not_bill", 0, [0], "2031-02-28"),
    ],
)
def test_a_preview_says_what_each_mode_costs_and_changes_nothing(
    sdk: Dodo,
    ada: Clocked,
    tenant: Tenant,
    mode: str,
    amount: int,
    factors: list[float],
    next_date: str,
) -> None:
    sold = Sold(sdk)
    made = paid(sdk, ada, tenant, sold)
    ada.advance(HALF)
    before = found(sdk, made)
    shown = sold.preview(made, sold.large, mode)
    charge, plan = shown.immediate_charge, shown.new_plan
    assert charge.effective_at == day("2031-02-14")
    assert [each.proration_factor for each in charge.line_items] == factors
    assert [each.unit_price for each in charge.line_items] == [2_900, -900][: len(factors)]
    assert (charge.summary.total_amount, charge.summary.customer_credits) == (amount, 0)
    assert (plan.product_id, plan.recurring_pre_tax_amount) == (sold.large, 2_900)
    assert plan.next_billing_date == day(next_date)
    assert found(sdk, made) == before
    assert sold.balance(ada) == "100"


def test_a_preview_of_the_next_billing_date_is_of_a_whole_cycle(
    sdk: Dodo, ada: Clocked, tenant: Tenant
) -> None:
    sold = Sold(sdk)
    made = paid(sdk, ada, tenant, sold)
    later = {"effective_at": "next_billing_date"}
    shown = sold.preview(made, sold.large, "prorated_immediately", **later)
    assert shown.immediate_charge.effective_at == day("2031-02-28")
    assert shown.immediate_charge.summary.total_amount == 2_900
    assert found(sdk, made).scheduled_change is None


def test_what_costs_nothing_changes_at_once(sdk: Dodo, ada: Clocked, tenant: Tenant) -> None:
    """A smaller plan, one that is not billed, and one whose payment is not to be waited for."""
    sold = Sold(sdk)
    made = paid(sdk, ada, tenant, sold)
    ada.advance(HALF)
    apply = {"on_payment_failure": "apply_change"}
    assert sold.change(made, sold.large, "prorated_immediately", **apply).payment_id is None
    assert (found(sdk, made).product_id, sold.balance(ada)) == (sold.large, "300")
    assert sold.change(made, sold.small, "prorated_immediately").payment_id is None
    assert (found(sdk, made).product_id, sold.balance(ada)) == (sold.small, "350")
    assert sold.change(made, sold.large, "do_not_bill").payment_id is None
    assert (found(sdk, made).product_id, sold.balance(ada)) == (sold.large, "550")
    assert found(sdk, made).status == "active"


def test_in_a_trial_nothing_was_paid_and_another_plan_costs_nothing_until_its_end(
    sdk: Dodo, ada: Clocked, tenant: Tenant
) -> None:
    sold = Sold(sdk, trial_period_days=14)
    made = subscribe(sdk, ada.customer, sold.small)
    assert sold.change(made, sold.large, "prorated_immediately").payment_id is None
    after = found(sdk, made)
    assert (after.status, after.next_billing_date) == ("active", day("2031-02-14"))
    ada.advance(HALF)
    assert (found(sdk, made).status, awaited(tenant, made)["amount"]) == ("on_hold", 2_900)
    confirm(ada, tenant, made)
    assert sold.balance(ada) == "400"


def test_a_plan_with_other_cycles_begins_one_and_what_is_unused_is_taken_off(
    sdk: Dodo, ada: Clocked, tenant: Tenant
) -> None:
    sold = Sold(sdk)
    made = paid(sdk, ada, tenant, sold)
    ada.advance(HALF)
    yearly = MONTHLY | {"price": 20_000, "payment_frequency_interval": "Year"}
    attached = attach(sold.kind, "5000", proration_behavior="prorate")
    year = product(sdk, attached, name="Year", price=yearly).product_id
    sold.change(made, year, "prorated_immediately")
    assert awaited(tenant, made)["amount"] == 20_000 - 450
    confirm(ada, tenant, made)
    assert found(sdk, made).next_billing_date == day("2032-02-14")
    assert sold.balance(ada) == "5100"


def test_one_change_at_a_time_waits_unless_it_is_to_be_replaced(
    sdk: Dodo, ada: Clocked, tenant: Tenant
) -> None:
    sold = Sold(sdk)
    made = paid(sdk, ada, tenant, sold)
    first = sold.change(made, sold.large, "full_immediately")
    sent = len(sdk.sent)
    refusal = sdk.refused(sold.asking("change_plan", made, sold.large, "do_not_bill"))
    assert (refusal.status, refusal.code, refusal.should_retry) == (
        409,
        "UNSUPPORTED_ACTION",
        "false",
    )
    assert len(sdk.sent) == sent + 1
    replace = {"cancel_older_payment_link": True}
    second = sold.change(made, sold.large, "difference_immediately", **replace)
    assert (second.payment_id == first.payment_id, awaited(tenant, made)["amount"]) == (
        False,
        2_000,
    )
    later = {"effective_at": "next_billing_date"}
    sold.change(made, sold.large, "do_not_bill", **replace, **later)
    assert awaited(tenant, made) is None
    refusal = sdk.refused(sold.asking("change_plan", made, sold.small, "do_not_bill"))
    assert refusal.status == 409
    scheduled = found(sdk, made).scheduled_change.id
    replace = {"cancel_scheduled_change_plan": True}
    sold.change(made, sold.large, "do_not_bill", **replace, **later)
    assert found(sdk, made).scheduled_change.id != scheduled
    sold.change(made, sold.large, "do_not_bill", **replace)
    after = found(sdk, made)
    assert (after.scheduled_change, after.product_id) == (None, sold.large)
    assert sold.balance(ada) == "500"
    ada.advance("2031-02-28T00:00:00Z")
    assert sold.balance(ada) == "500"
    confirm(ada, tenant, made)
    assert sold.balance(ada) == "900"


def test_what_is_not_sold_here_is_refused_by_name(sdk: Dodo, ada: Clocked, tenant: Tenant) -> None:
    sold = Sold(sdk)
    made = paid(sdk, ada, tenant, sold)
    asked: list[dict[str, Any]] = [
        {"addons": [{"addon_id": "adn_1", "quantity": 1}]},
        {"discount_code": "HALF"},
        {"discount_codes": ["HALF"]},
        {"collect_via_payment_link": True},
        {"return_url": "https://example.com"},
    ]
    for more in asked:
        refusal = sdk.refused(sold.asking("change_plan", made, sold.large, "do_not_bill", **more))
        [name] = more
        assert (refusal.status, refusal.code) == (422, "INVALID_REQUEST_BODY")
        assert refusal.message.startswith(f"{name} must be ")
    other = product(sdk, name="Euro", price=MONTHLY | {"price": 100, "currency": "EUR"})
    refusal = sdk.refused(
        sold.asking("change_plan", made, other.product_id, "prorated_immediately")
    )
    assert (refusal.status, refusal.code) == (400, "UNSUPPORTED_ACTION")
    sold.change(made, sold.large, "do_not_bill", addons=[], discount_codes=[])
    update(sdk, made, status="cancelled")
    refusal = sdk.refused(sold.asking("preview_change_plan", made, sold.small, "do_not_bill"))
    assert (refusal.status, refusal.code) == (400, "UNSUPPORTED_ACTION")
