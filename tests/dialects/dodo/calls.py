"""A call for each endpoint, through whichever official SDK: what it is asked, and what it must answer.

Each goes to its endpoint with the client that it is given, and asserts every part of the answer that is its
own. What it begins with is made through ``world``, so that it may be tried with a key that is refused, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.dialects.dodo.official import Official, Refused
from tests.dialects.dodo.test_products import MONTHLY
from tests.dialects.dodo.world import (
    BALANCES,
    BILLING,
    HOOK,
    MONEY,
    World,
    attached,
    metered,
    other_plan,
)

Call = Callable[[Any, World], None]
#: By method and path, as in the dialect's own table.
CALLS: dict[str, Call] = {}
_KIND = "/credit-entitlements/{credit_entitlement_id}"
_WALLET = f"{_KIND}/balances/{{customer_id}}"
_ONE = "/subscriptions/{subscription_id}"


def call(endpoint: str) -> Callable[[Call], Call]:
    def kept(function: Call) -> Call:
        assert endpoint not in CALLS, endpoint
        CALLS[endpoint] = function
        return function

    return kept


def pick(answer: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
    """As much of the answer as is expected; a field that is not there is not None."""
    return {name: answer[name] for name in expected}


# Customers ------------------------------------------------------------------------------------------


@call("POST /customers")
def create_customer(sdk: Official, world: World) -> None:
    given = {
        "name": "Ada",
        "email": "ada@example.com",
        "phone_number": "+15550100",
        "metadata": {"tier": "pro", "seats": 3, "paid": True, "rate": 0.5},
        "preferred_locale": "de",
    }
    made = sdk("customers.create", **given)
    assert pick(made, given) == given
    assert made["customer_id"].startswith("cus_")
    assert world.sdk("customers.retrieve", made["customer_id"]) == made


@call("GET /customers")
def list_customers(sdk: Official, world: World) -> None:
    first, second = world.customer(), world.customer()

    def listed(**query: Any) -> list[str]:
        return [each["customer_id"] for each in sdk("customers.list", **query)["items"]]

    assert listed(page_size=2) == [second, first]
    shown = world.sdk("customers.retrieve", first)
    assert listed(email=shown["email"]) == [first]
    assert first in listed(name=shown["name"].upper(), page_size=100)
    assert listed(email="nobody@example.com") == []


@call("GET /customers/{customer_id}")
def retrieve_customer(sdk: Official, world: World) -> None:
    made = world.sdk("customers.create", name="Ada", email="ada@example.com")
    found = sdk("customers.retrieve", made["customer_id"])
    assert found == made
    assert (found["phone_number"], found["metadata"]) == (None, {})


@call("PATCH /customers/{customer_id}")
def update_customer(sdk: Official, world: World) -> None:
    changes = {"name": "Ada L.", "phone_number": "+1", "metadata": {"tier": "free"}}
    customer = world.customer()
    changed = sdk("customers.update", customer, **changes)
    assert pick(changed, changes) == changes
    assert world.sdk("customers.retrieve", customer) == changed


@call("GET /customers/{customer_id}/credit-entitlements")
def list_credit(sdk: Official, world: World) -> None:
    customer, kind = world.credited("7.25")
    [held] = sdk("customers.list_credit_entitlements", customer)["items"]
    expected = {"credit_entitlement_id": kind, "balance": "7.25", "overage": "0", "unit": "token"}
    assert pick(held, expected) == expected


@call("GET /customers/{customer_id}/wallets")
def list_wallets(sdk: Official, world: World) -> None:
    customer = world.customer()
    for currency, amount in (("INR", 900), ("USD", 500)):
        world.sdk(
            f"{MONEY}.create", customer, amount=amount, currency=currency, entry_type="credit"
        )
    found = sdk("customers.wallets.list", customer)
    shown = {each["currency"]: each["balance"] for each in found["items"]}
    assert (shown, found["total_balance_usd"]) == ({"USD": 500, "INR": 900}, 500)


@call("POST /customers/{customer_id}/wallets/ledger-entries")
def create_wallet_entry(sdk: Official, world: World) -> None:
    customer = world.customer()
    asked = {"currency": "USD", "reason": "Gift", "idempotency_key": "k"}
    wallet = sdk(f"{MONEY}.create", customer, amount=500, entry_type="credit", **asked)
    expected = {"customer_id": customer, "currency": "USD", "balance": 500}
    assert pick(wallet, expected) == expected
    assert sdk(f"{MONEY}.create", customer, amount=500, entry_type="credit", **asked) == wallet
    drawn = sdk(f"{MONEY}.create", customer, amount=120, currency="USD", entry_type="debit")
    assert drawn["balance"] == 380


@call("GET /customers/{customer_id}/wallets/ledger-entries")
def list_wallet_entries(sdk: Official, world: World) -> None:
    customer = world.customer()
    for entry_type, amount in (("credit", 500), ("debit", 120)):
        asked = {"amount": amount, "currency": "USD", "entry_type": entry_type}
        world.sdk(f"{MONEY}.create", customer, reason=entry_type, **asked)
    drawn, put_in = sdk(f"{MONEY}.list", customer)["items"]
    expected = {"reason": "debit", "amount": 120, "before_balance": 500, "after_balance": 380}
    assert pick(drawn, expected) == expected
    expected = {"reason": "credit", "amount": 500, "before_balance": 0, "after_balance": 500}
    assert pick(put_in, expected) == expected
    assert (drawn["is_credit"], put_in["is_credit"]) == (False, True)
    assert {drawn["event_type"], put_in["event_type"]} == {"merchant_adjustment"}


# Credit entitlements --------------------------------------------------------------------------------


@call("POST /credit-entitlements")
def create_entitlement(sdk: Official, world: World) -> None:
    given = world.entitlement_of(
        precision=3,
        description="AI tokens",
        expires_after_days=30,
        rollover_enabled=True,
        rollover_percentage=75,
        rollover_timeframe_count=1,
        rollover_timeframe_interval="Month",
        max_rollover_count=2,
        overage_enabled=True,
        overage_limit=500,
        overage_behavior="invoice_at_billing",
        price_per_unit="0.002",
        currency="EUR",
    )
    made = sdk("credit_entitlements.create", **given)
    assert pick(made, given) == given
    assert made["id"].startswith("cde_")
    assert world.sdk("credit_entitlements.retrieve", made["id"]) == made


@call("GET /credit-entitlements")
def list_entitlements(sdk: Official, world: World) -> None:
    first, second, deleted = world.entitlement(), world.entitlement(), world.deleted()
    listed = sdk("credit_entitlements.list", page_size=2)["items"]
    assert [each["id"] for each in listed] == [second, first]
    gone = sdk("credit_entitlements.list", deleted=True, page_size=1)["items"]
    assert [each["id"] for each in gone] == [deleted]


@call(f"GET {_KIND}")
def retrieve_entitlement(sdk: Official, world: World) -> None:
    given = world.entitlement_of(expires_after_days=9)
    made = world.sdk("credit_entitlements.create", **given)
    found = sdk("credit_entitlements.retrieve", made["id"])
    assert pick(found, given) == given
    assert found == made


@call(f"PATCH {_KIND}")
def update_entitlement(sdk: Official, world: World) -> None:
    kind = world.entitlement(expires_after_days=9)
    assert (
        sdk(
            "credit_entitlements.update",
            kind,
            unit="piece",
            expires_after_days=None,
            description="x",
        )
        is None
    )
    after = world.sdk("credit_entitlements.retrieve", kind)
    expected = {"unit": "piece", "expires_after_days": None, "description": "x", "precision": 2}
    assert pick(after, expected) == expected


@call(f"DELETE {_KIND}")
def delete_entitlement(sdk: Official, world: World) -> None:
    kind = world.entitlement()
    assert sdk("credit_entitlements.delete", kind) is None
    [gone] = world.sdk("credit_entitlements.list", deleted=True, page_size=1)["items"]
    assert gone["id"] == kind


@call(f"POST {_KIND}/undelete")
def undelete_entitlement(sdk: Official, world: World) -> None:
    kind = world.deleted()
    assert sdk("credit_entitlements.undelete", kind) is None
    assert world.sdk("credit_entitlements.retrieve", kind)["id"] == kind


@call(f"GET {_KIND}/balances")
def list_balances(sdk: Official, world: World) -> None:
    customer, kind = world.credited("3")
    other = world.customer()
    world.enter(other, kind, "credit", "4")
    shown = [
        (each["customer_id"], each["balance"]) for each in sdk(f"{BALANCES}.list", kind)["items"]
    ]
    assert shown == [(other, "4"), (customer, "3")]
    [one] = sdk(f"{BALANCES}.list", kind, customer_id=customer)["items"]
    assert one["customer_id"] == customer


@call(f"GET {_WALLET}")
def retrieve_balance(sdk: Official, world: World) -> None:
    customer, kind = world.credited("3")
    entry = world.enter(customer, kind, "debit", "1.25")
    found = sdk(f"{BALANCES}.retrieve", customer, credit_entitlement_id=kind)
    expected = {
        "customer_id": customer,
        "credit_entitlement_id": kind,
        "balance": "1.75",
        "overage": "0",
        "last_transaction_at": entry["created_at"],
    }
    assert pick(found, expected) == expected
    assert found["id"].startswith("ccb_")


@call(f"GET {_WALLET}/grants")
def list_grants(sdk: Official, world: World) -> None:
    customer, kind = world.credited("3")
    world.enter(customer, kind, "debit", "3")
    entry = world.enter(
        customer, kind, "credit", "5", expires_at="2099-01-01T00:00:00Z", metadata={"order": "7"}
    )
    active = sdk(f"{BALANCES}.list_grants", customer, credit_entitlement_id=kind, status="active")
    [shown] = active["items"]
    expected = {
        "id": entry["grant_id"],
        "customer_id": customer,
        "credit_entitlement_id": kind,
        "source_type": "api",
        "source_id": None,
        "initial_amount": "5",
        "remaining_amount": "5",
        "rollover_count": 0,
        "is_expired": False,
        "is_rolled_over": False,
        "parent_grant_id": None,
        "expires_at": "2099-01-01T00:00:00Z",
        "metadata": {"order": "7"},
    }
    assert pick(shown, expected) == expected
    used = sdk(f"{BALANCES}.list_grants", customer, credit_entitlement_id=kind, status="depleted")
    assert [each["remaining_amount"] for each in used["items"]] == ["0"]


@call(f"GET {_WALLET}/ledger")
def list_ledger(sdk: Official, world: World) -> None:
    customer, kind = world.credited("3")
    entry = world.enter(customer, kind, "debit", "1.25", reason="Used", metadata={"call": 9})
    rows = sdk(f"{BALANCES}.list_ledger", customer, credit_entitlement_id=kind)["items"]
    assert [each["transaction_type"] for each in rows] == ["credit_deducted", "credit_added"]
    expected = {
        "id": entry["id"],
        "customer_id": customer,
        "credit_entitlement_id": kind,
        "transaction_type": "credit_deducted",
        "amount": "1.25",
        "is_credit": False,
        "balance_before": "3",
        "balance_after": "1.75",
        "overage_before": "0",
        "overage_after": "0",
        "description": "Used",
        "reference_type": "api",
        "metadata": {"call": 9},
        "created_at": entry["created_at"],
    }
    assert pick(rows[0], expected) == expected


@call(f"POST {_WALLET}/ledger-entries")
def create_ledger_entry(sdk: Official, world: World) -> None:
    customer, kind = world.customer(), world.entitlement()
    entry = sdk(
        f"{BALANCES}.create_ledger_entry",
        customer,
        credit_entitlement_id=kind,
        entry_type="credit",
        amount="10.50",
        reason="Promo",
        idempotency_key="once",
        expires_at="2099-01-01T00:00:00Z",
        metadata={"campaign": "launch", "n": 1},
    )
    expected = {
        "customer_id": customer,
        "credit_entitlement_id": kind,
        "entry_type": "credit",
        "amount": "10.5",
        "is_credit": True,
        "balance_before": "0",
        "balance_after": "10.5",
        "overage_before": "0",
        "overage_after": "0",
        "reason": "Promo",
        "metadata": {"campaign": "launch", "n": 1},
    }
    assert pick(entry, expected) == expected
    assert entry["id"].startswith("cle_")
    assert entry["grant_id"].startswith("cgr_")
    drawn = world.enter(customer, kind, "debit", "0.5")
    assert pick(drawn, {"is_credit": 0, "balance_after": 0}) == {
        "is_credit": False,
        "balance_after": "10",
    }


# Meters and events ----------------------------------------------------------------------------------

_FILTER = {
    "conjunction": "and",
    "clauses": [{"key": "model", "operator": "equals", "value": "large"}],
}


@call("POST /meters")
def create_meter(sdk: Official, world: World) -> None:
    given = world.meter_of(
        description="Tokens", aggregation={"type": "sum", "key": "n"}, filter=_FILTER
    )
    made = sdk("meters.create", **given)
    assert pick(made, given) == given
    assert made["id"].startswith("mtr_")
    assert world.sdk("meters.retrieve", made["id"]) == made


@call("GET /meters")
def list_meters(sdk: Official, world: World) -> None:
    first, second = world.meter(), world.meter()
    assert [each["id"] for each in sdk("meters.list", page_size=2)["items"]] == [second, first]


@call("GET /meters/{meter_id}")
def retrieve_meter(sdk: Official, world: World) -> None:
    given = world.meter_of()
    made = world.sdk("meters.create", **given)
    found = sdk("meters.retrieve", made["id"])
    assert (found, found["name"]) == (made, given["name"])


@call("PATCH /meters/{meter_id}")
def update_meter(sdk: Official, world: World) -> None:
    meter = world.meter()
    changes = {"name": "Other", "description": "More", "measurement_unit": "piece"}
    changed = sdk("meters.update", meter, **changes)
    assert pick(changed, changes) == changes
    assert world.sdk("meters.retrieve", meter) == changed


@call("DELETE /meters/{meter_id}")
def archive_meter(sdk: Official, world: World) -> None:
    meter = world.meter()
    assert sdk("meters.archive", meter) is None
    [gone] = world.sdk("meters.list", archived=True, page_size=1)["items"]
    assert gone["id"] == meter


@call("POST /meters/{meter_id}/unarchive")
def unarchive_meter(sdk: Official, world: World) -> None:
    meter = world.meter()
    world.sdk("meters.archive", meter)
    assert sdk("meters.unarchive", meter) is None
    [live] = world.sdk("meters.list", page_size=1)["items"]
    assert live["id"] == meter


@call("POST /events/ingest")
def ingest(sdk: Official, world: World) -> None:
    customer = world.customer()
    events = [world.event(customer, metadata={"n": n}) for n in range(3)]
    assert sdk("usage_events.ingest", events=events) == {"ingested_count": 3}
    assert sdk("usage_events.ingest", events=events) == {"ingested_count": 0}


@call("GET /events")
def list_events(sdk: Official, world: World) -> None:
    customer = world.customer()
    events = [world.event(customer) for _ in range(3)]
    world.sdk("usage_events.ingest", events=events)
    listed = sdk("usage_events.list", customer_id=customer, page_size=2)["items"]
    expected = [each["event_id"] for each in events[::-1][:2]]
    assert [each["event_id"] for each in listed] == expected


@call("GET /events/{event_id}")
def retrieve_event(sdk: Official, world: World) -> None:
    event = world.event(world.customer(), metadata={"model": "large", "n": 1.5, "paid": True})
    world.sdk("usage_events.ingest", events=[event])
    found = sdk("usage_events.retrieve", event["event_id"])
    assert pick(found, event) == event


# Products -------------------------------------------------------------------------------------------


@call("POST /products")
def create_product(sdk: Official, world: World) -> None:
    kind = world.entitlement()
    overrides = {
        "expires_after_days": 31,
        "low_balance_threshold_percent": 20,
        "trial_credits": "5",
        "trial_credits_expire_after_trial": True,
        "proration_behavior": "prorate",
    }
    given = world.product_of(
        attached(kind, "100.5", **overrides),
        description="For teams",
        metadata={"tier": 2},
        price=metered(world.meter(), kind),
    )
    made = sdk("products.create", **given)
    [mapping] = made["credit_entitlements"]
    expected = overrides | {"credit_entitlement_id": kind, "credits_amount": "100.5"}
    assert pick(mapping, expected) == expected
    own = {name: given[name] for name in ("name", "tax_category", "description", "metadata")}
    assert pick(made, own) == own
    [link] = made["price"]["meters"]
    assert link["credit_entitlement_id"] == kind
    assert world.sdk("products.retrieve", made["product_id"]) == made


@call("GET /products")
def list_products(sdk: Official, world: World) -> None:
    once = {"type": "one_time_price", "currency": "USD", "price": 100}
    once |= {"discount": 0, "purchasing_power_parity": False}
    first, second = world.product(), world.product(price=once)
    listed = sdk("products.list", page_size=2)["items"]
    shown = [(each["product_id"], each["price"], each["is_recurring"]) for each in listed]
    assert shown == [(second, 100, False), (first, 0, True)]


@call("GET /products/{id}")
def retrieve_product(sdk: Official, world: World) -> None:
    made = world.sdk("products.create", **world.product_of())
    found = sdk("products.retrieve", made["product_id"])
    assert (found, found["credit_entitlements"]) == (made, [])
    assert pick(found["price"], MONTHLY) == MONTHLY


@call("PATCH /products/{id}")
def update_product(sdk: Official, world: World) -> None:
    product, kind = world.product(), world.entitlement()
    assert sdk("products.update", product, name="Max", credit_entitlements=[attached(kind)]) is None
    after = world.sdk("products.retrieve", product)
    [mapping] = after["credit_entitlements"]
    assert (after["name"], mapping["credit_entitlement_id"]) == ("Max", kind)


@call("DELETE /products/{id}")
def archive_product(sdk: Official, world: World) -> None:
    product = world.product()
    assert sdk("products.archive", product) is None
    [gone] = world.sdk("products.list", archived=True, page_size=1)["items"]
    assert gone["product_id"] == product


@call("POST /products/{id}/unarchive")
def unarchive_product(sdk: Official, world: World) -> None:
    product = world.product()
    world.sdk("products.archive", product)
    assert sdk("products.unarchive", product) is None
    [live] = world.sdk("products.list", page_size=1)["items"]
    assert live["product_id"] == product


# Subscriptions --------------------------------------------------------------------------------------


@call("POST /subscriptions")
def create_subscription(sdk: Official, world: World) -> None:
    kind, product = world.plan("100")
    given = world.subscription_of(product, metadata={"seat": 3})
    made = sdk("subscriptions.create", **given)
    customer = given["customer"]["customer_id"]
    assert made["customer"]["customer_id"] == customer
    assert (made["metadata"], made["recurring_pre_tax_amount"]) == ({"seat": 3}, 0)
    assert made["subscription_id"].startswith("sub_")
    assert world.balance(customer, kind) == "100"


@call("GET /subscriptions")
def list_subscriptions(sdk: Official, world: World) -> None:
    _, product = world.plan()
    first, second = world.subscription(product), world.subscription(product)
    world.sdk("subscriptions.update", second, status="cancelled")
    listed = sdk("subscriptions.list", product_id=product)["items"]
    shown = [(each["subscription_id"], each["status"]) for each in listed]
    assert shown == [(second, "cancelled"), (first, "active")]


@call(f"GET {_ONE}")
def retrieve_subscription(sdk: Official, world: World) -> None:
    kind, product = world.plan("100")
    customer = world.customer()
    made = world.subscription(product, customer)
    world.enter(customer, kind, "debit", "1.5")
    found = sdk("subscriptions.retrieve", made)
    expected = {
        "subscription_id": made,
        "product_id": product,
        "status": "active",
        "quantity": 1,
        "currency": "USD",
        "cancel_at_next_billing_date": False,
        "scheduled_change": None,
        "meter_credit_entitlement_cart": [],
    }
    assert pick(found, expected) == expected
    [cart] = found["credit_entitlement_cart"]
    expected = {"credit_entitlement_id": kind, "credits_amount": "100", "remaining_balance": "98.5"}
    assert pick(cart, expected) == expected


@call(f"PATCH {_ONE}")
def update_subscription(sdk: Official, world: World) -> None:
    kind, product = world.plan("100")
    made = world.subscription(product)
    cart = [attached(kind, "30", expires_after_days=10)]
    changed = sdk(
        "subscriptions.update",
        made,
        metadata={"seat": 4},
        billing=BILLING | {"city": "Berlin"},
        cancel_at_next_billing_date=True,
        credit_entitlement_cart=cart,
    )
    assert (changed["status"], changed["cancel_at_next_billing_date"]) == ("active", True)
    assert (changed["metadata"], changed["billing"]["city"]) == ({"seat": 4}, "Berlin")
    assert changed["credit_entitlement_cart"][0]["credits_amount"] == "30"
    ended = sdk("subscriptions.update", made, status="cancelled", cancellation_comment="Enough")
    assert (ended["status"], ended["cancellation_comment"]) == ("cancelled", "Enough")
    assert world.sdk("subscriptions.retrieve", made) == ended


@call(f"GET {_ONE}/credit-usage")
def retrieve_credit_usage(sdk: Official, world: World) -> None:
    priced = {"overage_enabled": True, "price_per_unit": "1", "currency": "USD"}
    kind = world.entitlement(overage_limit=40, **priced)
    made = world.subscription(world.product(attached(kind, "100")))
    found = sdk("subscriptions.retrieve_credit_usage", made)
    [item] = found["items"]
    expected = {
        "credit_entitlement_id": kind,
        "unit": "token",
        "balance": "100",
        "overage": "0",
        "overage_enabled": True,
        "overage_limit": "40",
        "remaining_headroom": "40",
        "limit_reached": False,
    }
    assert pick(item, expected) == expected
    assert found["subscription_id"] == made


@call(f"POST {_ONE}/change-plan")
def change_plan(sdk: Official, world: World) -> None:
    made = world.subscription(world.plan("100")[1])
    kind, larger = world.plan("400")
    answer = sdk("subscriptions.change_plan", made, **other_plan(larger))
    assert answer["payment_id"] is None
    after = world.sdk("subscriptions.retrieve", made)
    [cart] = after["credit_entitlement_cart"]
    assert (after["product_id"], cart["credit_entitlement_id"]) == (larger, kind)
    assert cart["remaining_balance"] == "400"


@call(f"POST {_ONE}/change-plan/preview")
def preview_change_plan(sdk: Official, world: World) -> None:
    made = world.subscription(world.plan("100")[1])
    larger = world.plan("400", price=MONTHLY | {"price": 900})[1]
    asked = other_plan(larger, proration_billing_mode="full_immediately")
    preview = sdk("subscriptions.preview_change_plan", made, **asked)
    charge = preview["immediate_charge"]
    assert (charge["summary"]["total_amount"], charge["summary"]["currency"]) == (900, "USD")
    assert preview["new_plan"]["product_id"] == larger
    assert world.sdk("subscriptions.retrieve", made)["product_id"] != larger


@call(f"POST {_ONE}/charge")
def charge(sdk: Official, world: World) -> None:
    """Nothing is taken here, which is what it says to all who may ask."""
    made = world.subscription(world.plan()[1])
    not_done(lambda: sdk("subscriptions.charge", made, product_price=100))


@call(f"POST {_ONE}/update-payment-method")
def update_payment_method(sdk: Official, world: World) -> None:
    made, method = world.subscription(world.plan()[1]), {"type": "new"}
    not_done(lambda: sdk("subscriptions.update_payment_method", made, payment_method=method))


def not_done(ask: Callable[[], object]) -> None:
    with pytest.raises(Refused) as caught:
        ask()
    if caught.value.code == "UNAUTHORIZED":
        raise caught.value
    assert (caught.value.status, caught.value.code) == (400, "UNSUPPORTED_ACTION")


@call(f"GET {_ONE}/usage-history")
def retrieve_usage_history(sdk: Official, world: World) -> None:
    customer, kind, name = world.customer(), world.entitlement(), world.name("call")
    meter = world.meter(event_name=name)
    product = world.product(attached(kind), price=metered(meter, kind, "1"))
    made = world.subscription(product, customer)
    world.sdk("usage_events.ingest", events=[world.event(customer, event_name=name)])
    [period] = sdk("subscriptions.retrieve_usage_history", made, meter_id=meter)["items"]
    [used] = period["meters"]
    expected = {"id": meter, "consumed_units": "1", "chargeable_units": "1", "total_price": 0}
    assert pick(used, expected) == expected
    assert period["start_date"] < period["end_date"]


@call(f"DELETE {_ONE}/change-plan/scheduled")
def cancel_change_plan(sdk: Official, world: World) -> None:
    made = world.subscription(world.plan("100")[1])
    larger = other_plan(world.plan("400")[1], effective_at="next_billing_date")
    world.sdk("subscriptions.change_plan", made, **larger)
    scheduled = world.sdk("subscriptions.retrieve", made)["scheduled_change"]
    assert scheduled["product_id"] == larger["product_id"]
    assert sdk("subscriptions.cancel_change_plan", made) is None
    assert world.sdk("subscriptions.retrieve", made)["scheduled_change"] is None


@call(f"POST {_ONE}/confirm-payment")
def confirm_payment(sdk: Official, world: World) -> None:
    """The operator's own, which the SDK has no method for."""
    kind, product = world.plan("100", price=MONTHLY | {"price": 900})
    customer = world.customer()
    made = world.subscription(product, customer)
    assert world.status(made) == "pending"
    paid = sdk("post", f"/subscriptions/{made}/confirm-payment", reference="bank-7")
    assert (paid["status"], paid["recurring_pre_tax_amount"]) == ("active", 900)
    assert world.balance(customer, kind) == "100"


# Webhooks -------------------------------------------------------------------------------------------


@call("POST /webhooks")
def create_webhook(sdk: Official, world: World) -> None:
    given = {
        "url": HOOK,
        "description": "Ours",
        "disabled": True,
        "filter_types": ["credit.added", "payment.succeeded"],
        "metadata": {"team": "billing"},
        "rate_limit": 10,
    }
    key = world.name("key")
    made = sdk("webhooks.create", idempotency_key=key, headers={"x-tenant": "7"}, **given)
    assert pick(made, given) == given
    assert world.sdk("webhooks.retrieve", made["id"]) == made
    assert sdk("webhooks.create", url=HOOK, idempotency_key=key) == made
    world.sdk("webhooks.delete", made["id"])


@call("GET /webhooks")
def list_webhooks(sdk: Official, world: World) -> None:
    made = [world.webhook(), world.webhook()][::-1]
    page = sdk("webhooks.list", limit=2)
    assert [each["id"] for each in page["data"]] == made
    for each in made:
        world.sdk("webhooks.delete", each)


@call("GET /webhooks/{webhook_id}")
def retrieve_webhook(sdk: Official, world: World) -> None:
    made = world.webhook(description="Ours")
    found = sdk("webhooks.retrieve", made)
    assert (found["id"], found["url"], found["description"]) == (made, HOOK, "Ours")
    world.sdk("webhooks.delete", made)


@call("PATCH /webhooks/{webhook_id}")
def update_webhook(sdk: Official, world: World) -> None:
    made = world.webhook()
    changes = {"url": HOOK + "/2", "disabled": False, "filter_types": []}
    changed = sdk("webhooks.update", made, **changes)
    assert pick(changed, changes) == changes
    assert world.sdk("webhooks.retrieve", made) == changed
    world.sdk("webhooks.delete", made)


@call("DELETE /webhooks/{webhook_id}")
def delete_webhook(sdk: Official, world: World) -> None:
    made = world.webhook()
    assert sdk("webhooks.delete", made) is None
    assert made not in [each["id"] for each in world.sdk.every("webhooks.list")]


@call("GET /webhooks/{webhook_id}/secret")
def retrieve_secret(sdk: Official, world: World) -> None:
    made = world.webhook()
    assert sdk("webhooks.retrieve_secret", made)["secret"].startswith("whsec_")
    world.sdk("webhooks.delete", made)


@call("GET /webhooks/{webhook_id}/headers")
def retrieve_headers(sdk: Official, world: World) -> None:
    made = world.webhook(headers={"X-Tenant": "7", "Authorization": "Bearer abc"})
    found = sdk("webhooks.headers.retrieve", made)
    assert found == {"headers": {"x-tenant": "7"}, "sensitive": ["authorization"]}
    world.sdk("webhooks.delete", made)


@call("PATCH /webhooks/{webhook_id}/headers")
def update_headers(sdk: Official, world: World) -> None:
    made = world.webhook(headers={"x-tenant": "7"})
    assert sdk("webhooks.headers.update", made, headers={"x-more": "1"}) is None
    shown = world.sdk("webhooks.headers.retrieve", made)["headers"]
    assert shown == {"x-tenant": "7", "x-more": "1"}
    world.sdk("webhooks.delete", made)
