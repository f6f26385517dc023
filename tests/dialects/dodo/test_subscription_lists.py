"""Lists of products and subscriptions: each filter, in each subscription's own customer's time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.dialects.dodo.clocked import Clocked
from tests.dialects.dodo.sdk import Dodo
from tests.dialects.dodo.test_products import MONTHLY, product
from tests.dialects.dodo.test_subscriptions import attach, confirm, subscribe, update
from tests.support.server import Tenant


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


def listed(sdk: Dodo, **query: Any) -> list[str]:
    page = sdk(lambda client: client.subscriptions.list(**query))
    return [each.subscription_id for each in page.items]


def test_a_status_is_that_of_each_customers_own_time(
    sdk: Dodo, ada: Clocked, tenant: Tenant
) -> None:
    """Ada's clock is years ahead of everybody's."""
    kind = sdk.entitlement().id
    term = {"subscription_period_count": 1, "subscription_period_interval": "Month"}
    plan = product(sdk, attach(kind), price=MONTHLY | term).product_id
    priced = product(sdk, attach(kind), name="Paid", price=MONTHLY | {"price": 9}).product_id
    other = sdk.customer(email="bob@example.com")
    made = {
        "expired": subscribe(sdk, ada.customer, plan),
        "on_hold": subscribe(sdk, ada.customer, priced),
        "paused": subscribe(sdk, other, plan),
        "pending": subscribe(sdk, other, priced),
        "cancelled": subscribe(sdk, other, plan),
        "active": subscribe(sdk, other, plan),
    }
    confirm(ada, tenant, made["on_hold"])
    update(sdk, made["paused"], status="paused")
    update(sdk, made["cancelled"], status="cancelled")
    ada.advance("2031-03-05T00:00:00Z")
    for status, subscription in made.items():
        assert listed(sdk, status=status) == [subscription]
    assert listed(sdk, status="failed") == []
    assert listed(sdk, status="expired", customer_id=other) == []
    assert len(listed(sdk)) == 6


def test_each_filter_leaves_what_it_names(sdk: Dodo) -> None:
    kind, ada, bob = sdk.entitlement().id, sdk.customer(), sdk.customer(email="bob@example.com")
    plans = [product(sdk, attach(kind), name=name) for name in ("One", "Two")]
    first = subscribe(sdk, ada, plans[0].product_id)
    second = subscribe(sdk, bob, plans[1].product_id)
    update(sdk, second, cancel_at_next_billing_date=True)
    brand = plans[0].brand_id
    soon = datetime.now(UTC) + timedelta(hours=1)
    found = {
        "customer": listed(sdk, customer_id=ada),
        "product": listed(sdk, product_id=plans[1].product_id),
        "ends": listed(sdk, cancel_at_next_billing_date=True),
        "goes on": listed(sdk, cancel_at_next_billing_date=False),
        "brand": listed(sdk, brand_id=brand),
        "other brand": listed(sdk, brand_id="brd_other"),
        "since": listed(sdk, created_at_gte=soon),
        "until": listed(sdk, created_at_lte=soon),
        "several": listed(sdk, customer_id=bob, cancel_at_next_billing_date=False),
    }
    assert found == {
        "customer": [first],
        "product": [second],
        "ends": [second],
        "goes on": [first],
        "brand": [second, first],
        "other brand": [],
        "since": [],
        "until": [second, first],
        "several": [],
    }
    refusal = sdk.refused(lambda client: client.subscriptions.list(created_at_gte="yesterday"))
    assert (refusal.status, refusal.code) == (422, "INVALID_QUERY_PARAMS")


def test_products_are_listed_by_what_they_are(sdk: Dodo) -> None:
    once = {"type": "one_time_price", "currency": "USD", "price": 100}
    bought = product(sdk, name="Once", price=once)
    plan = product(sdk)

    def products(**query: Any) -> list[str]:
        page = sdk(lambda client: client.products.list(**query))
        return [each.product_id for each in page.items]

    assert products() == [plan.product_id, bought.product_id]
    assert products(recurring=True) == [plan.product_id]
    assert products(recurring=False) == [bought.product_id]
    assert products(brand_id=plan.brand_id, page_size=1) == [plan.product_id]
    assert products(brand_id="brd_other") == []
    sdk(lambda client: client.products.archive(plan.product_id))
    assert products(archived=True) == [plan.product_id]
    assert products(archived=True, recurring=False) == []
