"""`drawdown dodo`: what an operator confirms by hand."""

from __future__ import annotations

from collections.abc import Mapping

import httpx
import pytest

from tests.support.commands import Ran, drawdown
from tests.support.server import Tenant

PRICE = {
    "type": "recurring_price",
    "currency": "USD",
    "price": 900,
    "payment_frequency_count": 1,
    "payment_frequency_interval": "Month",
    "subscription_period_count": 20,
    "subscription_period_interval": "Year",
}


@pytest.fixture
def waiting(tenant: Tenant) -> str:
    """A subscription that waits for its first payment."""
    with tenant.client(base="/dodo") as http:
        product = {"name": "Pro", "price": PRICE, "tax_category": "saas"}
        sold = ask(http, "/products", product)["product_id"]
        asked = {
            "product_id": sold,
            "customer": {"email": "ada@example.com"},
            "quantity": 1,
            "billing": {"country": "DE"},
        }
        return ask(http, "/subscriptions", asked)["subscription_id"]


def ask(http: httpx.Client, path: str, body: Mapping[str, object]) -> dict[str, str]:
    answer = http.post(path, json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, str] = answer.json()
    return found


def confirm(tenant: Tenant, *words: str) -> Ran:
    secret = tenant.test.editor.secret
    return drawdown("dodo", "confirm", *words, url=tenant.url, api_key=secret)


def test_a_payment_is_confirmed_once(tenant: Tenant, waiting: str) -> None:
    ran = confirm(tenant, waiting, "--reference", "transfer-7")
    assert ran.code == 0, ran.err
    assert "active" in ran.out
    assert "Pro" in ran.out
    again = confirm(tenant, waiting)
    assert again.code == 1
    assert "nothing to pay" in again.err


def test_what_a_change_of_plan_costs_is_confirmed_likewise(tenant: Tenant, waiting: str) -> None:
    assert confirm(tenant, waiting, "--reference", "transfer-7").code == 0
    with tenant.client(base="/dodo") as http:
        larger = {"name": "Max", "price": PRICE | {"price": 2_900}, "tax_category": "saas"}
        change = {
            "product_id": ask(http, "/products", larger)["product_id"],
            "proration_billing_mode": "difference_immediately",
            "quantity": 1,
        }
        asked = ask(http, f"/subscriptions/{waiting}/change-plan", change)
        assert asked["payment_id"].startswith("pay_")
    again = confirm(tenant, waiting, "--reference", "transfer-7")
    assert (again.code, "was confirmed before" in again.err) == (1, True)
    ran = confirm(tenant, waiting, "--reference", "transfer-8")
    assert (ran.code, "Max" in ran.out) == (0, True), ran.err


def test_an_unknown_subscription_is_told_as_such(tenant: Tenant) -> None:
    ran = confirm(tenant, "sub_unknown")
    assert (ran.code, "no subscription with this id" in ran.err) == (1, True)
