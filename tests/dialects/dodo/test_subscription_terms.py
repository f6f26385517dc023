"""The terms of a subscription's credit over its cycles: carried, overridden, paused, extended, shared."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from tests.dialects.dodo.clocked import Clocked
from tests.dialects.dodo.sdk import Dodo
from tests.dialects.dodo.test_products import MONTHLY, product
from tests.dialects.dodo.test_subscriptions import (
    BILLING,
    attach,
    confirm,
    day,
    found,
    subscribe,
    update,
    usage,
)
from tests.support.server import Tenant

PRICED = MONTHLY | {"price": 900}


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


def balance(sdk: Dodo, ada: Clocked, kind: str) -> str:
    left: str = sdk.balance(ada.customer, kind).balance
    return left


# Carried over --------------------------------------------------------------------------------------


def test_how_often_credit_was_carried_is_counted_over_cycles_that_are_paid_one_by_one(
    sdk: Dodo, ada: Clocked, tenant: Tenant
) -> None:
    """100 a month, half of it carried on, twice at most."""
    kind = sdk.entitlement(rollover_enabled=True, rollover_percentage=50, max_rollover_count=2).id
    made = subscribe(sdk, ada.customer, product(sdk, attach(kind), price=PRICED).product_id)
    confirm(ada, tenant, made)
    held = []
    for ends in ("2031-02-28", "2031-03-31", "2031-04-30", "2031-05-31"):
        ada.advance(f"{ends}T00:00:00Z")
        waiting = balance(sdk, ada, kind)
        ada.advance(f"{ends}T12:00:00Z")
        assert found(sdk, made).status == "on_hold"
        confirm(ada, tenant, made)
        held.append((waiting, balance(sdk, ada, kind)))
    # 50; 25 of 50 and 50 of 100; then what was carried twice is forfeited, again and again
    assert held == [("50", "150"), ("75", "175"), ("75", "175"), ("75", "175")]
    counts = [grant.rollover_count for grant in sdk.grants(ada.customer, kind, status="active")]
    assert sorted(counts) == [0, 1, 2]
    rows = sdk(
        lambda client: client.credit_entitlements.balances.list_ledger(
            ada.customer, credit_entitlement_id=kind, transaction_type="rollover_forfeited"
        )
    ).items
    assert [row.amount for row in rows] == ["25", "25"]
    assert {row.reference_id for row in rows} == {made}


def test_a_payment_that_comes_cycles_late_begins_the_one_that_runs(
    sdk: Dodo, ada: Clocked, tenant: Tenant
) -> None:
    kind = sdk.entitlement(expires_after_days=365).id
    made = subscribe(sdk, ada.customer, product(sdk, attach(kind), price=PRICED).product_id)
    confirm(ada, tenant, made)
    ada.advance("2031-05-10T00:00:00Z")
    assert confirm(ada, tenant, made).json()["status"] == "active"
    assert balance(sdk, ada, kind) == "200"
    shown = found(sdk, made)
    assert (shown.previous_billing_date, shown.next_billing_date) == (
        day("2031-04-30"),
        day("2031-05-31"),
    )
    added = [row for row in _rows(sdk, ada, kind) if row.transaction_type == "credit_added"]
    assert [(row.reference_type, row.reference_id) for row in added] == [("subscription", made)] * 2


def _rows(sdk: Dodo, ada: Clocked, kind: str) -> list[Any]:
    found: list[Any] = sdk(
        lambda client: client.credit_entitlements.balances.list_ledger(
            ada.customer, credit_entitlement_id=kind
        )
    ).items
    return found


def test_a_cancellation_that_is_taken_back_leaves_what_was_carried_counted(
    sdk: Dodo, ada: Clocked
) -> None:
    kind = sdk.entitlement(rollover_enabled=True, rollover_percentage=50, max_rollover_count=1).id
    made = subscribe(sdk, ada.customer, product(sdk, attach(kind)).product_id)
    ada.advance("2031-02-28T00:00:00Z")
    assert balance(sdk, ada, kind) == "150"
    update(sdk, made, cancel_at_next_billing_date=True)
    update(sdk, made, cancel_at_next_billing_date=False)
    ada.advance("2031-03-31T00:00:00Z")
    assert balance(sdk, ada, kind) == "150"  # 50 carried, 50 forfeited, 100 new


# Other terms ---------------------------------------------------------------------------------------


def test_each_setting_of_a_credit_can_be_changed_for_one_subscription(
    sdk: Dodo, ada: Clocked
) -> None:
    """From the next billing date on; the other credit goes on as it was."""
    kind, other = sdk.entitlement(), sdk.entitlement(name="Images", precision=0)
    rollover = {"rollover_enabled": True, "rollover_percentage": 100}
    price = {"price_per_unit": "2", "currency": "USD"}
    plan = product(sdk, attach(kind.id, **price), attach(other.id, "7", **rollover))
    made = subscribe(sdk, ada.customer, plan.product_id)
    asked = attach(
        kind.id,
        "30.5",
        overage_enabled=True,
        overage_limit="12.5",
        rollover_enabled=True,
        rollover_percentage=40,
        max_rollover_count=3,
        rollover_timeframe_count=2,
        rollover_timeframe_interval="Week",
        low_balance_threshold_percent=10,
    )
    after = update(sdk, made, credit_entitlement_cart=[asked])
    shown = next(
        each for each in after.credit_entitlement_cart if each.credit_entitlement_id == kind.id
    )
    assert {name: getattr(shown, name) for name in asked} == asked
    assert usage(sdk, made)[0].overage_limit == "12.5"
    ada.advance("2031-02-28T00:00:00Z")
    assert (balance(sdk, ada, kind.id), balance(sdk, ada, other.id)) == ("130.5", "14")
    ada.advance("2031-03-31T00:00:00Z")
    # the first 100 never expire; of 30.5 two fifths are carried
    assert (balance(sdk, ada, kind.id), balance(sdk, ada, other.id)) == ("142.7", "21")
    ada.advance("2031-04-14T00:00:00Z")
    assert balance(sdk, ada, kind.id) == "130.5"
    alerts = ada.ask("GET", "/alerts")["data"]
    assert [(each["name"], each["amount"]) for each in alerts] == [(made, "3.05")]


def test_other_terms_outlive_a_cancellation_that_is_taken_back(sdk: Dodo, ada: Clocked) -> None:
    kind = sdk.entitlement().id
    made = subscribe(sdk, ada.customer, product(sdk, attach(kind)).product_id)
    update(sdk, made, credit_entitlement_cart=[attach(kind, "30")])
    update(sdk, made, credit_entitlement_cart=[attach(kind, "40")])
    update(sdk, made, cancel_at_next_billing_date=True)
    update(sdk, made, cancel_at_next_billing_date=False)
    ada.advance("2031-02-28T00:00:00Z")
    assert balance(sdk, ada, kind) == "140"
    update(sdk, made, cancel_at_next_billing_date=True)
    update(sdk, made, cancel_at_next_billing_date=False)
    ada.advance("2031-03-31T00:00:00Z")
    assert balance(sdk, ada, kind) == "180"


def test_an_end_and_other_terms_may_be_said_at_once_and_taken_back_at_once(
    sdk: Dodo, ada: Clocked
) -> None:
    kind = sdk.entitlement().id
    made = subscribe(sdk, ada.customer, product(sdk, attach(kind)).product_id)

    def said(amount: str, *, ends: bool) -> None:
        cart = [attach(kind, amount)]
        update(sdk, made, credit_entitlement_cart=cart, cancel_at_next_billing_date=ends)

    said("30", ends=False)
    said("40", ends=True)
    said("50", ends=False)
    ada.advance("2031-02-28T00:00:00Z")
    assert balance(sdk, ada, kind) == "150"
    said("60", ends=True)
    ada.advance("2031-04-30T00:00:00Z")
    assert (found(sdk, made).status, balance(sdk, ada, kind)) == ("cancelled", "150")


def test_other_terms_of_what_is_paid_for_come_with_the_next_payment(
    sdk: Dodo, ada: Clocked, tenant: Tenant
) -> None:
    kind = sdk.entitlement().id
    made = subscribe(sdk, ada.customer, product(sdk, attach(kind), price=PRICED).product_id)
    confirm(ada, tenant, made)
    update(sdk, made, credit_entitlement_cart=[attach(kind, "30")])
    ada.advance("2031-02-28T00:00:00Z")
    assert balance(sdk, ada, kind) == "100"
    confirm(ada, tenant, made)
    assert balance(sdk, ada, kind) == "130"
    ada.advance("2031-03-31T00:00:00Z")
    update(sdk, made, credit_entitlement_cart=[attach(kind, "5")])
    confirm(ada, tenant, made)
    assert balance(sdk, ada, kind) == "135"


def test_other_amounts_may_be_given_as_one_subscribes(sdk: Dodo, ada: Clocked) -> None:
    """As the vendor's checkout takes them for a product of its cart."""
    kind, other = sdk.entitlement(), sdk.entitlement(name="Images")
    plan = product(sdk, attach(kind.id), attach(other.id))

    def asking(*credits: dict[str, str]) -> Any:
        given = {
            "product_id": plan.product_id,
            "quantity": 1,
            "billing": BILLING,
            "customer": {"customer_id": ada.customer},
            "extra_body": {"credit_entitlements": list(credits)},
        }

        def ask(client: Any) -> Any:
            with pytest.warns(DeprecationWarning, match="deprecated"):
                return client.subscriptions.create(**given)

        return ask

    made = sdk(asking(attach(kind.id, "250.50"))).subscription_id
    assert [item.balance for item in usage(sdk, made)] == ["250.5", "100"]
    [cart, _] = found(sdk, made).credit_entitlement_cart
    assert cart.credits_amount == "250.5"
    ada.advance("2031-02-28T00:00:00Z")
    assert balance(sdk, ada, kind.id) == "501"
    unknown = sdk.entitlement(name="Other").id
    for bad in (
        [attach(kind.id, "0")],
        [attach(kind.id, "1.234")],
        [attach(unknown, "5")],
        [attach(kind.id, "5"), attach(kind.id, "6")],
    ):
        refusal = sdk.refused(asking(*bad))
        assert (refusal.status, refusal.code) == (422, "INVALID_REQUEST_BODY")
        assert refusal.message.startswith("credit_entitlements[")
    assert len(sdk(lambda client: client.subscriptions.list()).items) == 1


# Pauses and terms ----------------------------------------------------------------------------------


def test_a_paused_subscription_gives_nothing_until_it_is_resumed(sdk: Dodo, ada: Clocked) -> None:
    """The cycle that runs then begins at once; within the one that ran before it gives nothing more."""
    kind = sdk.entitlement().id
    made = subscribe(sdk, ada.customer, product(sdk, attach(kind)).product_id)
    update(sdk, made, status="paused")
    update(sdk, made, status="active")
    ada.advance("2031-02-28T00:00:00Z")
    assert balance(sdk, ada, kind) == "200"
    assert update(sdk, made, status="paused").status == "paused"
    ada.advance("2031-05-10T00:00:00Z")
    shown = found(sdk, made)
    assert (shown.status, shown.paused_at) == ("paused", day("2031-02-28"))
    assert balance(sdk, ada, kind) == "200"
    assert [each.subscription_id for each in _listed(sdk, status="paused")] == [made]
    after = update(sdk, made, status="active")
    assert (after.status, after.next_billing_date) == ("active", day("2031-05-31"))
    assert balance(sdk, ada, kind) == "300"
    ada.advance("2031-05-31T00:00:00Z")
    assert balance(sdk, ada, kind) == "400"


def _listed(sdk: Dodo, **query: Any) -> list[Any]:
    items: list[Any] = sdk(lambda client: client.subscriptions.list(**query)).items
    return items


def test_what_is_paid_for_is_paused_without_losing_what_was_paid(
    sdk: Dodo, ada: Clocked, tenant: Tenant
) -> None:
    kind = sdk.entitlement().id
    made = subscribe(sdk, ada.customer, product(sdk, attach(kind), price=PRICED).product_id)
    confirm(ada, tenant, made)
    update(sdk, made, status="paused")
    assert confirm(ada, tenant, made).status_code == 400
    assert update(sdk, made, status="active").status == "active"
    update(sdk, made, status="paused")
    ada.advance("2031-03-10T00:00:00Z")
    assert update(sdk, made, status="active").status == "on_hold"
    confirm(ada, tenant, made)
    assert (found(sdk, made).status, balance(sdk, ada, kind)) == ("active", "200")


def test_a_term_can_be_extended_and_not_made_shorter(sdk: Dodo, ada: Clocked) -> None:
    kind = sdk.entitlement().id
    months = {"subscription_period_count": 2, "subscription_period_interval": "Month"}
    plan = product(sdk, attach(kind), price=MONTHLY | months)
    made = subscribe(sdk, ada.customer, plan.product_id)
    after = update(sdk, made, subscription_period_count=3)
    assert (after.subscription_period_count, after.expires_at) == (3, day("2031-04-30"))
    shorter = sdk.refused(
        lambda client: client.subscriptions.update(made, subscription_period_count=1)
    )
    assert (shorter.status, shorter.code) == (422, "INVALID_REQUEST_BODY")
    ada.advance("2031-06-01T00:00:00Z")
    assert (found(sdk, made).status, balance(sdk, ada, kind)) == ("expired", "300")


def test_what_cannot_be_changed_is_refused_by_name(sdk: Dodo, ada: Clocked) -> None:
    kind = sdk.entitlement().id
    made = subscribe(sdk, ada.customer, product(sdk, attach(kind)).product_id)
    asked: list[dict[str, Any]] = [
        {"pause": True},
        {"next_billing_date": day("2031-03-01")},
        {"customer_name": "Bob"},
        {"disable_on_demand": {"next_billing_date": day("2031-03-01")}},
        {"status": "paused", "tax_id": "DE1"},
        {"status": "on_hold"},
        {"credit_entitlement_cart": [attach(kind, "0")]},
        {"credit_entitlement_cart": [attach("cde_unknown", "5")]},
        {"credit_entitlement_cart": [{"credit_entitlement_id": kind, "overage_enabled": True}]},
        {
            "credit_entitlement_cart": [
                {"credit_entitlement_id": kind, "rollover_timeframe_count": 2}
            ]
        },
    ]
    for changes in asked:
        refusal = sdk.refused(partial(_changing, made, changes))
        assert (refusal.status, refusal.code) == (422, "INVALID_REQUEST_BODY"), changes
        assert refusal.message.startswith(next(iter(changes))), refusal.message
    update(sdk, made, cancel_at_next_billing_date=True)
    for changes in ({"status": "paused"}, {"status": "active"}):
        refusal = sdk.refused(partial(_changing, made, changes))
        assert (refusal.status, refusal.code) == (400, "UNSUPPORTED_ACTION")
    charged = sdk.refused(lambda client: client.subscriptions.charge(made, product_price=100))
    method = sdk.refused(
        lambda client: client.subscriptions.update_payment_method(
            made, payment_method={"type": "new"}
        )
    )
    assert {(each.status, each.code) for each in (charged, method)} == {(400, "UNSUPPORTED_ACTION")}
    assert balance(sdk, ada, kind) == "100"


def _changing(made: str, changes: dict[str, Any], client: Any) -> Any:
    return client.subscriptions.update(made, **changes)


# Several -------------------------------------------------------------------------------------------


def test_of_several_subscriptions_on_one_pool_the_one_that_renews_says_what_is_owed_still(
    sdk: Dodo, ada: Clocked
) -> None:
    """Otherwise the newest says how far usage goes past zero; without any the entitlement does."""
    price = {"price_per_unit": "1", "currency": "USD"}
    kind = sdk.entitlement(overage_enabled=True, overage_limit=3, **price).id
    link = {"meter_id": ada.meter(), "credit_entitlement_id": kind, "meter_units_per_credit": "1"}
    metered = {key: value for key, value in MONTHLY.items() if key != "price"}
    metered |= {"type": "usage_based_price", "fixed_price": 0, "meters": [link]}
    carries = attach(kind, "10", overage_limit="50", overage_behavior="carry_deficit")
    forgives = attach(kind, "10", overage_limit="20", overage_behavior="forgive_at_reset")
    first = subscribe(sdk, ada.customer, product(sdk, carries, price=metered).product_id)
    ada.advance("2031-02-10T00:00:00Z")
    second = subscribe(sdk, ada.customer, product(sdk, forgives, price=metered).product_id)

    def pool() -> tuple[str, str]:
        found = sdk.balance(ada.customer, kind)
        return found.balance, found.overage

    ada.use(45)
    assert pool() == ("0", "20")  # the newer one's limit; 5 are not drawn
    assert [(each.overage_limit, each.limit_reached) for each in usage(sdk, first)] == [
        ("50", False)
    ]
    assert [(each.overage_limit, each.limit_reached) for each in usage(sdk, second)] == [
        ("20", True)
    ]
    ada.advance("2031-02-28T00:00:00Z")
    assert pool() == ("10", "20")  # the first renews, and carries what is owed
    ada.advance("2031-03-10T00:00:00Z")
    assert pool() == ("20", "0")  # the second renews, and forgives it
    for each in (first, second):
        update(sdk, each, status="cancelled")
    subscribe(sdk, ada.customer, product(sdk, name="Meter", price=metered).product_id)
    ada.use(40)
    assert pool() == ("0", "3")
