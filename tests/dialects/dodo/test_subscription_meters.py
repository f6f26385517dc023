"""For when the meters of a subscription's plan charge its customer, and what is shown of that afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.dialects.dodo.clocked import Clocked
from tests.dialects.dodo.sdk import Dodo
from tests.dialects.dodo.test_products import MONTHLY, product
from tests.dialects.dodo.test_subscriptions import attach, confirm, day, found, subscribe, update
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


def meter(sdk: Dodo, name: str) -> str:
    """Sums the ``n`` of the events of its name."""
    made: str = sdk(
        lambda client: client.meters.create(
            name=name,
            event_name=name,
            measurement_unit="piece",
            aggregation={"type": "sum", "key": "n"},
        )
    ).id
    return made


def metered(kind: str, *meters: str, fixed: int = 0, **more: Any) -> dict[str, Any]:
    """A price of no money whose meters draw a credit for each ten pieces."""
    links = [
        {"meter_id": each, "credit_entitlement_id": kind, "meter_units_per_credit": "10"}
        for each in meters
    ]
    price = {key: value for key, value in MONTHLY.items() if key != "price"}
    return price | {"type": "usage_based_price", "fixed_price": fixed, "meters": links} | more


def use(sdk: Dodo, ada: Clocked, name: str, n: int, at: datetime | None = None) -> None:
    event: dict[str, Any] = {
        "event_id": f"{name}-{len(sdk.sent)}",
        "customer_id": ada.customer,
        "event_name": name,
        "metadata": {"n": n},
    }
    if at is not None:
        event["timestamp"] = at
    taken = sdk(lambda client: client.usage_events.ingest(events=[event]))
    assert taken.ingested_count == 1


def balance(sdk: Dodo, ada: Clocked, kind: str) -> str:
    left: str = sdk.balance(ada.customer, kind).balance
    return left


def test_meters_charge_until_the_term_ends_by_itself(sdk: Dodo, ada: Clocked) -> None:
    """Usage of before that is told afterwards is charged, too."""
    kind = sdk.entitlement().id
    term: dict[str, Any] = {
        "subscription_period_count": 2,
        "subscription_period_interval": "Month",
    }
    plan = product(sdk, attach(kind), price=metered(kind, meter(sdk, "pages"), **term))
    made = subscribe(sdk, ada.customer, plan.product_id)
    use(sdk, ada, "pages", 100)
    ada.advance("2031-03-31T00:30:00Z")
    assert (found(sdk, made).status, found(sdk, made).expires_at) == (
        "expired",
        day("2031-03-31"),
    )
    assert balance(sdk, ada, kind) == "190"
    use(sdk, ada, "pages", 100)
    assert balance(sdk, ada, kind) == "190"
    use(sdk, ada, "pages", 50, datetime(2031, 3, 30, 23, 59, tzinfo=UTC))
    assert balance(sdk, ada, kind) == "185"


def test_meters_charge_until_a_cancellation_is_due_unless_it_is_taken_back(
    sdk: Dodo, ada: Clocked
) -> None:
    kind = sdk.entitlement().id
    plan = product(sdk, attach(kind), price=metered(kind, meter(sdk, "pages")))
    made = subscribe(sdk, ada.customer, plan.product_id)
    update(sdk, made, cancel_at_next_billing_date=True)
    use(sdk, ada, "pages", 100)
    assert balance(sdk, ada, kind) == "90"
    update(sdk, made, cancel_at_next_billing_date=False)
    ada.advance("2031-03-01T00:00:00Z")
    use(sdk, ada, "pages", 100)
    assert balance(sdk, ada, kind) == "180"
    update(sdk, made, cancel_at_next_billing_date=True)
    ada.advance("2031-03-31T00:00:00Z")
    use(sdk, ada, "pages", 100)
    assert (found(sdk, made).status, balance(sdk, ada, kind)) == ("cancelled", "180")


def test_of_two_subscriptions_to_one_meter_either_is_enough_and_usage_is_charged_once(
    sdk: Dodo, ada: Clocked
) -> None:
    kind = sdk.entitlement().id
    price = metered(kind, meter(sdk, "pages"))
    plans = [product(sdk, attach(kind), price=price, name=name) for name in ("One", "Two")]
    first, second = (subscribe(sdk, ada.customer, plan.product_id) for plan in plans)
    use(sdk, ada, "pages", 100)
    assert balance(sdk, ada, kind) == "190"
    update(sdk, first, status="cancelled")
    use(sdk, ada, "pages", 100)
    assert balance(sdk, ada, kind) == "180"
    update(sdk, second, cancel_at_next_billing_date=True)
    ada.advance("2031-02-28T00:00:00Z")
    use(sdk, ada, "pages", 100)
    assert balance(sdk, ada, kind) == "180"


def test_a_change_of_plan_that_is_scheduled_changes_the_meters_with_it(
    sdk: Dodo, ada: Clocked
) -> None:
    kind = sdk.entitlement().id
    pages, calls, both = meter(sdk, "pages"), meter(sdk, "calls"), meter(sdk, "both")
    plan = product(sdk, attach(kind), price=metered(kind, pages, both))
    other = product(sdk, attach(kind, "50"), price=metered(kind, calls, both), name="Max")
    made = subscribe(sdk, ada.customer, plan.product_id)

    def schedule() -> None:
        sdk(
            lambda client: client.subscriptions.change_plan(
                made,
                product_id=other.product_id,
                proration_billing_mode="do_not_bill",
                quantity=1,
                effective_at="next_billing_date",
            )
        )

    def use_all() -> None:
        for name, n in (("pages", 10), ("calls", 200), ("both", 100)):
            use(sdk, ada, name, n)

    schedule()
    use_all()
    assert balance(sdk, ada, kind) == "89"  # 1 for pages, 10 for both
    sdk(lambda client: client.subscriptions.cancel_change_plan(made))
    ada.advance("2031-02-28T00:00:00Z")
    use_all()
    assert balance(sdk, ada, kind) == "178"
    schedule()
    ada.advance("2031-03-31T00:00:00Z")
    assert balance(sdk, ada, kind) == "228"
    use_all()
    assert balance(sdk, ada, kind) == "198"  # 20 for calls, 10 for both
    [one, two] = found(sdk, made).meter_credit_entitlement_cart
    assert {one.meter_id, two.meter_id} == {calls, both}
    update(sdk, made, status="cancelled")
    use_all()
    assert balance(sdk, ada, kind) == "198"


def test_the_largest_plans_there_are_can_be_changed_for_one_another(
    sdk: Dodo, ada: Clocked
) -> None:
    """Five credits with thresholds, other terms to come, and twenty meters, on both sides."""
    kinds = [sdk.entitlement(name=f"Kind {number}").id for number in range(5)]
    attached = [attach(kind, low_balance_threshold_percent=10) for kind in kinds]

    def largest(name: str) -> str:
        meters = [meter(sdk, f"{name}-{number}") for number in range(20)]
        sold = product(sdk, *attached, price=metered(kinds[0], *meters), name=name)
        made: str = sold.product_id
        return made

    plans = [largest("one"), largest("two")]
    made = subscribe(sdk, ada.customer, plans[0])
    cart = [attach(kind, "50", low_balance_threshold_percent=20) for kind in kinds]
    update(sdk, made, credit_entitlement_cart=cart)
    sdk(
        lambda client: client.subscriptions.change_plan(
            made, product_id=plans[1], proration_billing_mode="do_not_bill", quantity=1
        )
    )
    use(sdk, ada, "two-19", 10)
    use(sdk, ada, "one-19", 10)
    assert [balance(sdk, ada, kind) for kind in kinds] == ["199", "200", "200", "200", "200"]
    assert len(found(sdk, made).meters) == 20


def test_a_subscription_that_is_paid_for_is_metered_from_its_first_payment_on(
    sdk: Dodo, ada: Clocked, tenant: Tenant
) -> None:
    kind = sdk.entitlement().id
    plan = product(sdk, attach(kind), price=metered(kind, meter(sdk, "pages"), fixed=500))
    made = subscribe(sdk, ada.customer, plan.product_id)
    use(sdk, ada, "pages", 100)
    confirm(ada, tenant, made)
    assert balance(sdk, ada, kind) == "100"
    use(sdk, ada, "pages", 100)
    assert balance(sdk, ada, kind) == "90"


def test_usage_is_not_charged_while_a_subscription_is_paused(sdk: Dodo, ada: Clocked) -> None:
    kind = sdk.entitlement().id
    plan = product(sdk, attach(kind), price=metered(kind, meter(sdk, "pages")))
    made = subscribe(sdk, ada.customer, plan.product_id)
    assert update(sdk, made, status="paused").paused_at == day("2031-01-31")
    use(sdk, ada, "pages", 100)
    assert balance(sdk, ada, kind) == "100"
    assert update(sdk, made, status="active").paused_at is None
    use(sdk, ada, "pages", 100)
    assert balance(sdk, ada, kind) == "90"


def test_a_subscription_shows_the_meters_of_its_price(sdk: Dodo, ada: Clocked) -> None:
    """With what the price says of them, and else what the meter does."""
    kind = sdk.entitlement().id
    pages, calls = meter(sdk, "pages"), meter(sdk, "calls")
    price = metered(kind, pages)
    price["meters"][0] |= {"free_threshold": 5}
    price["meters"].append(
        {
            "meter_id": calls,
            "price_per_unit": "0.02",
            "name": "API calls",
            "measurement_unit": "call",
        }
    )
    shown = found(sdk, subscribe(sdk, ada.customer, product(sdk, price=price).product_id))
    assert [
        (each.meter_id, each.name, each.measurement_unit, each.free_threshold, each.price_per_unit)
        for each in shown.meters
    ] == [
        (pages, "pages", "piece", 5, None),
        (calls, "API calls", "call", 0, "0.02"),
    ]
    [credit] = shown.meter_credit_entitlement_cart
    assert (credit.meter_id, credit.meter_name) == (pages, "pages")


def test_usage_is_shown_by_billing_period(sdk: Dodo, ada: Clocked) -> None:
    kind = sdk.entitlement().id
    pages, calls = meter(sdk, "pages"), meter(sdk, "calls")
    plan = product(sdk, attach(kind), price=metered(kind, pages, calls))
    use(sdk, ada, "pages", 7)  # before it began
    made = subscribe(sdk, ada.customer, plan.product_id)
    for name, n in (("pages", 10), ("pages", 5), ("calls", 3)):
        use(sdk, ada, name, n)
    ada.advance("2031-03-01T00:00:00Z")
    use(sdk, ada, "pages", 20)
    ada.advance("2031-04-01T00:00:00Z")

    def history(**query: Any) -> list[Any]:
        page = sdk(lambda client: client.subscriptions.retrieve_usage_history(made, **query))
        items: list[Any] = page.items
        return items

    third, second, first = history()
    assert (first.start_date, first.end_date) == (day("2031-01-31"), day("2031-02-28"))
    assert (second.start_date, third.end_date) == (day("2031-02-28"), day("2031-04-30"))
    consumed = [
        {each.id: (each.name, each.consumed_units, each.chargeable_units) for each in period.meters}
        for period in (first, second, third)
    ]
    assert consumed == [
        {pages: ("pages", "15", "15"), calls: ("calls", "3", "3")},
        {pages: ("pages", "20", "20"), calls: ("calls", "0", "0")},
        {pages: ("pages", "0", "0"), calls: ("calls", "0", "0")},
    ]
    assert first.meters[0].total_price == 0
    assert history(page_size=1, page_number=2) == [first]
    assert history(page_size=2, page_number=2) == []
    [only] = history(meter_id=calls, end_date=day("2031-02-27"))
    assert [each.consumed_units for each in only.meters] == ["3"]
    assert len(history(start_date=day("2031-03-01"))) == 2
    unknown = sdk.refused(
        lambda client: client.subscriptions.retrieve_usage_history(made, meter_id="mtr_unknown")
    )
    assert (unknown.status, unknown.code) == (404, "NOT_FOUND")
    plain = subscribe(sdk, ada.customer, product(sdk, attach(kind), name="Plain").product_id)
    page = sdk(lambda client: client.subscriptions.retrieve_usage_history(plain))
    assert page.items == []
