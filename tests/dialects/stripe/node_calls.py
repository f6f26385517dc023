"""A call of stripe-node for each endpoint: what it is asked, and what it must answer.

What each begins with is made through ``world``; that the request went to its endpoint is asserted elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.dialects.stripe.conftest import METERED, usd
from tests.dialects.stripe.node import DAY, HOUR, START, Node, World
from tests.support.typescript import SdkError

Call = Callable[[Node, World], None]
#: By method and path, as in the dialect's own table.
CALLS: dict[str, Call] = {}
_GRANTS = "/v1/billing/credit_grants"
_METERS = "/v1/billing/meters"
_CLOCKS = "/v1/test_helpers/test_clocks"
_ALERTS = "/v1/billing/alerts"
_HOOK = "https://hooks.example.com/stripe"
LATER = 4_102_444_800


def call(endpoint: str) -> Callable[[Call], Call]:
    def kept(function: Call) -> Call:
        assert endpoint not in CALLS, endpoint
        CALLS[endpoint] = function
        return function

    return kept


def pick(answer: dict[str, Any], **expected: Any) -> None:
    """The answer has these fields with these values."""
    assert {name: answer[name] for name in expected} == expected


def ids(page: Any) -> list[str]:
    return [each["id"] for each in page["data"]]


def gone(node: Node, name: str, of: str) -> None:
    with pytest.raises(SdkError) as caught:
        node(name, of)
    assert (caught.value.status, caught.value.code) == (404, "resource_missing")


# Credit grants --------------------------------------------------------------------------------------


@call(f"POST {_GRANTS}")
def create_grant(node: Node, world: World) -> None:
    customer, price = world.customer(), world.price()
    scope = {"prices": [{"id": price["id"]}]}
    asked = {
        "customer": customer,
        "name": "Welcome",
        "category": "promotional",
        "priority": 7,
        "expires_at": LATER,
        "metadata": {"order": "17"},
        "amount": usd(1234),
        "applicability_config": {"scope": scope},
    }
    made = node("billing.creditGrants.create", asked)
    pick(made, **asked, object="billing.credit_grant", livemode=False, voided_at=None)
    assert made["effective_at"] == made["created"]
    expanded = node("billing.creditGrants.create", asked | {"expand": ["customer"]})
    pick(expanded["customer"], id=customer, object="customer")


@call(f"GET {_GRANTS}")
def list_grants(node: Node, world: World) -> None:
    customer = world.customer()
    first, second = world.grant(customer)["id"], world.grant(customer)["id"]
    page = node("billing.creditGrants.list", {"customer": customer, "limit": 1})
    assert (ids(page), page["has_more"], page["url"]) == ([second], True, _GRANTS)
    rest = node("billing.creditGrants.list", {"customer": customer, "starting_after": second})
    assert (ids(rest), rest["has_more"]) == ([first], False)


@call(f"GET {_GRANTS}/{{grant}}")
def retrieve_grant(node: Node, world: World) -> None:
    made = world.grant(world.customer())
    assert node("billing.creditGrants.retrieve", made["id"]) == made


@call(f"POST {_GRANTS}/{{grant}}")
def update_grant(node: Node, world: World) -> None:
    made = world.grant(world.customer(), metadata={"a": "1", "b": "2"})
    changed = node(
        "billing.creditGrants.update",
        made["id"],
        {"expires_at": LATER, "metadata": {"a": "", "c": "3"}},
    )
    pick(changed, expires_at=LATER, metadata={"b": "2", "c": "3"})
    forever = node("billing.creditGrants.update", made["id"], {"expires_at": ""})
    pick(forever, expires_at=None, metadata={"b": "2", "c": "3"})


@call(f"POST {_GRANTS}/{{grant}}/expire")
def expire_grant(node: Node, world: World) -> None:
    ended = node("billing.creditGrants.expire", world.grant(world.customer())["id"])
    assert ended["expires_at"] == ended["updated"] >= ended["created"]


@call(f"POST {_GRANTS}/{{grant}}/void")
def void_grant(node: Node, world: World) -> None:
    voided = node("billing.creditGrants.voidGrant", world.grant(world.customer())["id"])
    assert voided["voided_at"] == voided["updated"] >= voided["created"]


# Customers ------------------------------------------------------------------------------------------


@call("POST /v1/customers")
def create_customer(node: Node, world: World) -> None:
    address = {"city": "Bath", "country": "GB", "line1": "1 Sion Hill"}
    asked = {
        "name": "Jenny Rosen",
        "email": "jenny@example.com",
        "phone": "+15550100",
        "description": "A test",
        "preferred_locales": ["de", "en"],
        "metadata": {"tier": "gold"},
        "tax_exempt": "exempt",
    }
    made = node("customers.create", asked | {"address": address})
    pick(made, **asked, object="customer", balance=0, livemode=False)
    assert made["address"] == address | {"line2": None, "postal_code": None, "state": None}


@call("GET /v1/customers/{customer}")
def retrieve_customer(node: Node, world: World) -> None:
    customer = world.customer()
    pick(node("customers.retrieve", customer), id=customer, test_clock=None)


@call("GET /v1/customers")
def list_customers(node: Node, world: World) -> None:
    email = f"{world.name('ann')}@example.com"
    first, second = world.customer(email=email), world.customer(email=email)
    page = node("customers.list", {"email": email})
    assert (ids(page), page["has_more"], page["url"]) == ([second, first], False, "/v1/customers")
    clock = world.clock()
    there = world.customer(test_clock=clock, email=email)
    assert ids(node("customers.list", {"email": email})) == [second, first]
    assert ids(node("customers.list", {"email": email, "test_clock": clock})) == [there]


@call("GET /v1/customers/search")
def search_customers(node: Node, world: World) -> None:
    tier = world.name("tier")
    found = [world.customer(metadata={"tier": tier}) for _ in range(3)][::-1]
    asked = {"query": f'metadata["tier"]:"{tier}"', "limit": 2}
    page = node("customers.search", asked)
    pick(page, object="search_result", url="/v1/customers/search", has_more=True)
    assert ids(page) == found[:2]
    rest = node("customers.search", asked | {"page": page["next_page"]})
    assert (ids(rest), rest["has_more"], rest["next_page"]) == (found[2:], False, None)


@call("POST /v1/customers/{customer}")
def update_customer(node: Node, world: World) -> None:
    customer = world.customer(description="old", metadata={"a": "1"})
    changed = node(
        "customers.update", customer, {"description": "", "name": "Bo", "metadata": {"b": "2"}}
    )
    pick(changed, description=None, name="Bo", metadata={"a": "1", "b": "2"})
    assert node("customers.update", customer, {"metadata": ""})["metadata"] == {}


@call("DELETE /v1/customers/{customer}")
def delete_customer(node: Node, world: World) -> None:
    customer = world.customer()
    stub = {"id": customer, "object": "customer", "deleted": True}
    assert node("customers.del", customer) == stub
    assert node("customers.retrieve", customer) == stub


# Products and prices --------------------------------------------------------------------------------


@call("POST /v1/products")
def create_product(node: Node, world: World) -> None:
    asked = {
        "name": "Search",
        "description": "Finds",
        "unit_label": "search",
        "statement_descriptor": "SEARCH",
        "url": "https://example.com/search",
        "images": ["https://example.com/search.png"],
        "marketing_features": [{"name": "Fast"}],
        "metadata": {"a": "1"},
    }
    made = node("products.create", asked)
    pick(made, **asked, object="product", active=True, type="service", default_price=None)


@call("GET /v1/products")
def list_products(node: Node, world: World) -> None:
    first, second = world.product()["id"], world.product(active=False)["id"]
    assert ids(node("products.list", {"limit": 2})) == [second, first]
    assert ids(node("products.list", {"ids": [first, second], "active": True})) == [first]


@call("GET /v1/products/{product}")
def retrieve_product(node: Node, world: World) -> None:
    made = world.product()
    assert node("products.retrieve", made["id"]) == made


@call("POST /v1/products/{product}")
def update_product(node: Node, world: World) -> None:
    price = world.price()
    changed = node(
        "products.update",
        price["product"],
        {"name": "Find", "default_price": price["id"], "unit_label": "find"},
    )
    pick(changed, name="Find", default_price=price["id"], unit_label="find")


@call("DELETE /v1/products/{product}")
def delete_product(node: Node, world: World) -> None:
    product = world.product()["id"]
    assert node("products.del", product) == {"id": product, "object": "product", "deleted": True}
    gone(node, "products.retrieve", product)


@call("POST /v1/prices")
def create_price(node: Node, world: World) -> None:
    """Of a metered price finer than a cent the SDK makes a decimal, and of a tier's likewise."""
    meter, product = world.meter()["id"], world.product()["id"]
    recurring = {"interval": "month", "usage_type": "metered", "meter": meter}
    asked = {"currency": "usd", "product": product, "recurring": recurring}
    made = node("prices.create", asked | {"unit_amount_decimal": "0.05", "nickname": "n"})
    pick(made, currency="usd", product=product, unit_amount=None, unit_amount_decimal="0.05")
    pick(made, type="recurring", billing_scheme="per_unit", nickname="n", tiers_mode=None)
    pick(made["recurring"], **recurring, interval_count=1)
    tiers = [{"up_to": 10, "unit_amount": 3}, {"up_to": "inf", "unit_amount_decimal": "0.5"}]
    tiered = {"billing_scheme": "tiered", "tiers_mode": "graduated", "tiers": tiers}
    shown = node("prices.create", asked | tiered | {"expand": ["tiers"]})
    assert [(each["up_to"], each["unit_amount_decimal"]) for each in shown["tiers"]] == [
        (10, "3"),
        (None, "0.5"),
    ]


@call("GET /v1/prices")
def list_prices(node: Node, world: World) -> None:
    product, key = world.product()["id"], world.name("key")
    asked = {"currency": "usd", "unit_amount": 5, "product": product}
    once = node("prices.create", asked)["id"]
    monthly = {"recurring": {"interval": "month"}, "lookup_key": key}
    often = node("prices.create", asked | monthly)["id"]
    assert ids(node("prices.list", {"product": product})) == [often, once]
    assert ids(node("prices.list", {"product": product, "type": "one_time"})) == [once]
    assert ids(node("prices.list", {"lookup_keys": [key]})) == [often]


@call("GET /v1/prices/{price}")
def retrieve_price(node: Node, world: World) -> None:
    made = world.price()
    assert node("prices.retrieve", made["id"]) == made
    shown = node("prices.retrieve", made["id"], {"expand": ["product"]})
    pick(shown["product"], id=made["product"], object="product")


@call("POST /v1/prices/{price}")
def update_price(node: Node, world: World) -> None:
    changed = node("prices.update", world.price()["id"], {"active": False, "nickname": "old"})
    pick(changed, active=False, nickname="old", unit_amount=5)


# Meters and meter events ----------------------------------------------------------------------------


@call(f"POST {_METERS}")
def create_meter(node: Node, world: World) -> None:
    asked = {
        "display_name": "Searches",
        "event_name": world.name("search"),
        "default_aggregation": {"formula": "last"},
        "customer_mapping": {"type": "by_id", "event_payload_key": "who"},
        "value_settings": {"event_payload_key": "much"},
        "event_time_window": "hour",
    }
    made = node("billing.meters.create", asked)
    pick(made, **asked, object="billing.meter", status="active", livemode=False)


@call(f"GET {_METERS}")
def list_meters(node: Node, world: World) -> None:
    first, second = world.meter()["id"], world.meter()["id"]
    assert ids(node("billing.meters.list", {"limit": 2, "status": "active"})) == [second, first]


@call(f"GET {_METERS}/{{meter}}")
def retrieve_meter(node: Node, world: World) -> None:
    made = world.meter()
    assert node("billing.meters.retrieve", made["id"]) == made


@call(f"POST {_METERS}/{{meter}}")
def update_meter(node: Node, world: World) -> None:
    changed = node("billing.meters.update", world.meter()["id"], {"display_name": "Finds"})
    assert changed["display_name"] == "Finds"


@call(f"POST {_METERS}/{{meter}}/deactivate")
def deactivate_meter(node: Node, world: World) -> None:
    ended = node("billing.meters.deactivate", world.meter()["id"])
    assert ended["status"] == "inactive"
    assert ended["status_transitions"]["deactivated_at"] >= ended["created"]


@call(f"POST {_METERS}/{{meter}}/reactivate")
def reactivate_meter(node: Node, world: World) -> None:
    meter = world.meter()["id"]
    node("billing.meters.deactivate", meter)
    again = node("billing.meters.reactivate", meter)
    pick(again, status="active", status_transitions={"deactivated_at": None})


@call(f"GET {_METERS}/{{meter}}/event_summaries")
def list_summaries(node: Node, world: World) -> None:
    customer, price = world.customer(), world.price()
    meter = price["recurring"]["meter"]
    hour = int(time.time()) // HOUR * HOUR - 2 * HOUR
    world.use(price, customer, "2.5", timestamp=hour)
    world.use(price, customer, "4", timestamp=hour + HOUR)
    asked = {"customer": customer, "start_time": hour, "end_time": hour + 2 * HOUR}
    [whole] = node("billing.meters.listEventSummaries", meter, asked)["data"]
    pick(whole, object="billing.meter_event_summary", aggregated_value=6.5, meter=meter)
    hourly = node(
        "billing.meters.listEventSummaries", meter, asked | {"value_grouping_window": "hour"}
    )
    assert [(each["start_time"], each["aggregated_value"]) for each in hourly["data"]] == [
        (hour + HOUR, 4),
        (hour, 2.5),
    ]


def _counted(node: Node, meter: str, customer: str) -> float:
    asked = {"customer": customer, "start_time": 1_700_000_040, "end_time": 4_000_000_020}
    [found] = node("billing.meters.listEventSummaries", meter, asked)["data"]
    counted: float = found["aggregated_value"]
    return counted


@call("POST /v1/billing/meter_events")
def create_meter_event(node: Node, world: World) -> None:
    customer, meter, now = world.customer(), world.meter(), int(time.time())
    asked = {
        "event_name": meter["event_name"],
        "payload": {"stripe_customer_id": customer, "value": "2.5"},
        "identifier": world.name("once"),
        "timestamp": now,
    }
    made = node("billing.meterEvents.create", asked)
    pick(made, **asked, object="billing.meter_event", livemode=False)
    assert _counted(node, meter["id"], customer) == 2.5


@call("POST /v1/billing/meter_event_adjustments")
def create_adjustment(node: Node, world: World) -> None:
    customer, price, identifier = world.customer(), world.price(), world.name("once")
    event = world.use(price, customer, "3", identifier=identifier)
    asked = {"type": "cancel", "event_name": event["event_name"]}
    made = node(
        "billing.meterEventAdjustments.create", asked | {"cancel": {"identifier": identifier}}
    )
    pick(made, **asked, cancel={"identifier": identifier}, object="billing.meter_event_adjustment")
    assert _counted(node, price["recurring"]["meter"], customer) == 0


@call("POST /v2/billing/meter_events")
def create_meter_event_2(node: Node, world: World) -> None:
    customer, meter = world.customer(), world.meter()
    asked = {
        "event_name": meter["event_name"],
        "payload": {"stripe_customer_id": customer, "value": "2"},
        "identifier": world.name("once"),
    }
    made = node("v2.billing.meterEvents.create", asked)
    pick(made, **asked, object="v2.billing.meter_event", livemode=False)
    assert _counted(node, meter["id"], customer) == 2


@call("POST /v2/billing/meter_event_adjustments")
def create_adjustment_2(node: Node, world: World) -> None:
    customer, price, identifier = world.customer(), world.price(), world.name("once")
    event = world.use(price, customer, "3", identifier=identifier)
    asked = {"type": "cancel", "event_name": event["event_name"]}
    made = node(
        "v2.billing.meterEventAdjustments.create", asked | {"cancel": {"identifier": identifier}}
    )
    pick(made, **asked, object="v2.billing.meter_event_adjustment", livemode=False)
    assert _counted(node, price["recurring"]["meter"], customer) == 0


@call("POST /v2/billing/meter_event_session")
def create_session(node: Node, world: World) -> None:
    made = node("v2.billing.meterEventSession.create")
    pick(made, object="v2.billing.meter_event_session", livemode=False)
    assert made["expires_at"] > made["created"]


@call("POST /v2/billing/meter_event_stream")
def create_stream(node: Node, world: World) -> None:
    """With the session's token in place of the key."""
    customer, meter = world.customer(), world.meter()
    token = node("v2.billing.meterEventSession.create")["authentication_token"]
    payload = {"stripe_customer_id": customer, "value": "1"}
    events = [{"event_name": meter["event_name"], "payload": payload}] * 3
    taken = node("v2.billing.meterEventStream.create", {"events": events}, {"apiKey": token})
    assert taken == {}
    assert _counted(node, meter["id"], customer) == 3


# Subscriptions --------------------------------------------------------------------------------------


@call("POST /v1/subscriptions")
def create_subscription(node: Node, world: World) -> None:
    clock, price = world.clock(), world.price()
    customer = world.customer(test_clock=clock)
    asked = {
        "customer": customer,
        "items": [{"price": price["id"], "metadata": {"a": "1"}}],
        "description": "Searches",
        "metadata": {"b": "2"},
        "collection_method": "send_invoice",
        "days_until_due": 14,
        "expand": ["latest_invoice"],
    }
    made = node("subscriptions.create", asked)
    pick(made, object="subscription", status="active", customer=customer, test_clock=clock)
    pick(made, description="Searches", metadata={"b": "2"}, days_until_due=14)
    [item] = made["items"]["data"]
    pick(item, current_period_start=START, current_period_end=START + 31 * DAY)
    assert (item["price"], item["metadata"]) == (price, {"a": "1"})
    pick(made["latest_invoice"], status="paid", total=0, billing_reason="subscription_create")


@call("GET /v1/subscriptions")
def list_subscriptions(node: Node, world: World) -> None:
    customer, price, other = world.customer(), world.price(), world.price()
    first = world.subscription(customer, price)["id"]
    second = world.subscription(customer, other)["id"]
    assert ids(node("subscriptions.list", {"customer": customer})) == [second, first]
    assert ids(node("subscriptions.list", {"price": price["id"]})) == [first]


@call("GET /v1/subscriptions/{subscription}")
def retrieve_subscription(node: Node, world: World) -> None:
    made = world.subscription(world.customer(), world.price())
    assert node("subscriptions.retrieve", made["id"]) == made


@call("POST /v1/subscriptions/{subscription}")
def update_subscription(node: Node, world: World) -> None:
    made = world.subscription(world.customer(), world.price(), metadata={"a": "1"})
    asked = {"cancel_at_period_end": True, "description": "last", "metadata": {"b": "2"}}
    changed = node("subscriptions.update", made["id"], asked)
    pick(changed, **asked | {"metadata": {"a": "1", "b": "2"}}, status="active")
    assert changed["cancel_at"] == made["items"]["data"][0]["current_period_end"]


@call("DELETE /v1/subscriptions/{subscription}")
def cancel_subscription(node: Node, world: World) -> None:
    customer, price = world.customer(), world.price()
    made = world.subscription(customer, price)
    world.use(price, customer, "10")
    ended = node("subscriptions.cancel", made["id"], {"invoice_now": True})
    pick(ended, id=made["id"], status="canceled")
    assert ended["ended_at"] == ended["canceled_at"]
    assert node("invoices.retrieve", ended["latest_invoice"])["subtotal"] == 50


# Invoices -------------------------------------------------------------------------------------------


@call("POST /v1/invoices/create_preview")
def create_preview(node: Node, world: World) -> None:
    customer, price = world.customer(), world.price()
    made = world.subscription(customer, price)
    world.grant(customer, 100)
    world.use(price, customer, "30")
    preview = node("invoices.createPreview", {"subscription": made["id"]})
    pick(preview, status="draft", subtotal=150, total=50, billing_reason="upcoming")
    assert preview["id"].startswith("upcoming_in_")


@call("GET /v1/invoices")
def list_invoices(node: Node, world: World) -> None:
    draft = world.draft()
    found = node("invoices.list", {"customer": draft["customer"]})["data"]
    assert [(each["status"], each["billing_reason"]) for each in found] == [
        ("draft", "subscription_cycle"),
        ("paid", "subscription_create"),
    ]
    assert ids(node("invoices.list", {"customer": draft["customer"], "status": "draft"})) == [
        draft["id"]
    ]


@call("GET /v1/invoices/{invoice}")
def retrieve_invoice(node: Node, world: World) -> None:
    draft = world.draft()
    assert node("invoices.retrieve", draft["id"]) == draft
    pick(draft, object="invoice", subtotal=150, total=50, amount_due=50, number=None)
    pick(draft, period_start=START, period_end=START + 31 * DAY)
    assert [each["amount"] for each in draft["total_pretax_credit_amounts"]] == [100]


@call("GET /v1/invoices/{invoice}/lines")
def list_lines(node: Node, world: World) -> None:
    draft = world.draft()
    [line] = node("invoices.listLineItems", draft["id"])["data"]
    pick(line, object="line_item", amount=150, subtotal=150, quantity=30, invoice=draft["id"])
    pick(line["period"], start=START, end=START + 31 * DAY)


@call("POST /v1/invoices/{invoice}")
def update_invoice(node: Node, world: World) -> None:
    asked = {"auto_advance": False, "description": "January", "metadata": {"a": "1"}}
    changed = node("invoices.update", world.draft()["id"], asked)
    pick(changed, **asked, automatically_finalizes_at=None)


@call("POST /v1/invoices/{invoice}/finalize")
def finalize_invoice(node: Node, world: World) -> None:
    draft = world.draft()
    final = node("invoices.finalizeInvoice", draft["id"])
    pick(final, status="open", total=50, amount_due=50, amount_remaining=50)
    assert final["number"] is not None
    [credit] = final["lines"]["data"][0]["pretax_credit_amounts"]
    transaction = node(
        "billing.creditBalanceTransactions.retrieve", credit["credit_balance_transaction"]
    )
    assert transaction["debit"]["credits_applied"]["invoice"] == draft["id"]


@call("POST /v1/invoices/{invoice}/pay")
def pay_invoice(node: Node, world: World) -> None:
    invoice = node("invoices.finalizeInvoice", world.draft()["id"])["id"]
    with pytest.raises(SdkError) as caught:
        node("invoices.pay", invoice)
    assert caught.value.told["param"] == "paid_out_of_band"
    paid = node("invoices.pay", invoice, {"paid_out_of_band": True})
    pick(paid, status="paid", amount_paid=50, amount_remaining=0)


@call("POST /v1/invoices/{invoice}/void")
def void_invoice(node: Node, world: World) -> None:
    """The credit comes back."""
    draft = world.draft()
    customer = {"customer": draft["customer"]}
    node("invoices.finalizeInvoice", draft["id"])
    assert node("invoices.voidInvoice", draft["id"])["status"] == "void"
    [back, applied, granted] = node("billing.creditBalanceTransactions.list", customer)["data"]
    assert back["credit"]["type"] == "credits_application_invoice_voided"
    assert applied["debit"]["type"] == "credits_applied"
    assert granted["credit"]["type"] == "credits_granted"


@call("POST /v1/invoices/{invoice}/mark_uncollectible")
def mark_uncollectible(node: Node, world: World) -> None:
    invoice = node("invoices.finalizeInvoice", world.draft()["id"])["id"]
    assert node("invoices.markUncollectible", invoice)["status"] == "uncollectible"


@call("DELETE /v1/invoices/{invoice}")
def delete_invoice(node: Node, world: World) -> None:
    draft = world.draft()["id"]
    assert node("invoices.del", draft) == {"id": draft, "object": "invoice", "deleted": True}
    gone(node, "invoices.retrieve", draft)


# Test clocks ----------------------------------------------------------------------------------------


@call(f"POST {_CLOCKS}")
def create_clock(node: Node, world: World) -> None:
    asked = {"frozen_time": START, "name": "January"}
    made = node("testHelpers.testClocks.create", asked)
    pick(made, **asked, object="test_helpers.test_clock", status="ready", livemode=False)


@call(f"GET {_CLOCKS}")
def list_clocks(node: Node, world: World) -> None:
    first, second = world.clock(), world.clock()
    assert ids(node("testHelpers.testClocks.list", {"limit": 2})) == [second, first]


@call(f"GET {_CLOCKS}/{{clock}}")
def retrieve_clock(node: Node, world: World) -> None:
    clock = world.clock()
    pick(node("testHelpers.testClocks.retrieve", clock), id=clock, frozen_time=START)


@call(f"POST {_CLOCKS}/{{clock}}/advance")
def advance_clock(node: Node, world: World) -> None:
    clock = world.clock()
    moving = node("testHelpers.testClocks.advance", clock, {"frozen_time": START + DAY})
    assert moving["status"] in ("advancing", "ready")
    assert world.wait_for_clock(clock)["frozen_time"] == START + DAY


@call(f"DELETE {_CLOCKS}/{{clock}}")
def delete_clock(node: Node, world: World) -> None:
    clock = world.clock()
    stub = {"id": clock, "object": "test_helpers.test_clock", "deleted": True}
    assert node("testHelpers.testClocks.del", clock) == stub
    gone(node, "testHelpers.testClocks.retrieve", clock)


# Balances -------------------------------------------------------------------------------------------


@call("GET /v1/billing/credit_balance_summary")
def retrieve_summary(node: Node, world: World) -> None:
    customer = world.customer()
    grant = world.grant(customer, 700)["id"]
    world.grant(customer, 50)
    scope = {"type": "applicability_scope", "applicability_scope": METERED["scope"]}
    found = node("billing.creditBalanceSummaries.retrieve", {"customer": customer, "filter": scope})
    pick(found, object="billing.credit_balance_summary", customer=customer)
    assert found["balances"] == [{"available_balance": usd(750), "ledger_balance": usd(750)}]
    only = {"type": "credit_grant", "credit_grant": grant}
    [one] = node("billing.creditBalanceSummaries.retrieve", {"customer": customer, "filter": only})[
        "balances"
    ]
    assert one["available_balance"] == usd(700)


@call("GET /v1/billing/credit_balance_transactions")
def list_transactions(node: Node, world: World) -> None:
    customer = world.customer()
    grant = world.grant(customer, 700)["id"]
    node("billing.creditGrants.expire", grant)
    page = node("billing.creditBalanceTransactions.list", {"credit_grant": grant})
    assert page["url"] == "/v1/billing/credit_balance_transactions"
    ended, granted = page["data"]
    pick(ended, type="debit", credit=None, credit_grant=grant)
    pick(ended["debit"], type="credits_expired", amount=usd(700), credits_applied=None)
    pick(granted, type="credit", debit=None, credit_grant=grant)
    pick(granted["credit"], type="credits_granted", amount=usd(700))


@call("GET /v1/billing/credit_balance_transactions/{transaction}")
def retrieve_transaction(node: Node, world: World) -> None:
    grant = world.grant(world.customer())
    [listed] = node("billing.creditBalanceTransactions.list", {"credit_grant": grant["id"]})["data"]
    assert node("billing.creditBalanceTransactions.retrieve", listed["id"]) == listed
    shown = node(
        "billing.creditBalanceTransactions.retrieve", listed["id"], {"expand": ["credit_grant"]}
    )
    assert shown["credit_grant"] == grant


# Alerts ---------------------------------------------------------------------------------------------


def _alert(world: World, customer: str) -> Any:
    lte = {"balance_type": "monetary", "monetary": {"currency": "usd", "value": 500}}
    filters = [{"type": "customer", "customer": customer}]
    asked = {
        "title": world.name("Low"),
        "alert_type": "credit_balance_threshold",
        "credit_balance_threshold": {"lte": lte, "filters": filters},
    }
    made = world.node("billing.alerts.create", asked)
    pick(made, title=asked["title"], alert_type=asked["alert_type"], status="active")
    return made


@call(f"POST {_ALERTS}")
def create_alert(node: Node, world: World) -> None:
    customer = world.customer()
    made = _alert(world, customer)
    threshold = made["credit_balance_threshold"]
    assert threshold["filters"] == [{"type": "customer", "customer": customer}]
    assert threshold["lte"]["monetary"] == {"currency": "usd", "value": 500}
    usage = {"gte": 1000, "meter": world.meter()["id"], "recurrence": "one_time"}
    asked = {"title": "Much", "alert_type": "usage_threshold", "usage_threshold": usage}
    pick(node("billing.alerts.create", asked)["usage_threshold"], **usage, filters=[])


@call(f"GET {_ALERTS}")
def list_alerts(node: Node, world: World) -> None:
    customer = world.customer()
    first, second = _alert(world, customer)["id"], _alert(world, customer)["id"]
    assert ids(node("billing.alerts.list", {"limit": 2})) == [second, first]


@call(f"GET {_ALERTS}/{{alert}}")
def retrieve_alert(node: Node, world: World) -> None:
    made = _alert(world, world.customer())
    assert node("billing.alerts.retrieve", made["id"]) == made


@call(f"POST {_ALERTS}/{{alert}}/deactivate")
def deactivate_alert(node: Node, world: World) -> None:
    made = _alert(world, world.customer())
    assert node("billing.alerts.deactivate", made["id"]) == made | {"status": "inactive"}


@call(f"POST {_ALERTS}/{{alert}}/activate")
def activate_alert(node: Node, world: World) -> None:
    made = _alert(world, world.customer())
    node("billing.alerts.deactivate", made["id"])
    assert node("billing.alerts.activate", made["id"]) == made


@call(f"POST {_ALERTS}/{{alert}}/archive")
def archive_alert(node: Node, world: World) -> None:
    made = _alert(world, world.customer())
    assert node("billing.alerts.archive", made["id"])["status"] == "archived"
    gone(node, "billing.alerts.retrieve", made["id"])


# Webhook endpoints and events -----------------------------------------------------------------------


def _endpoint(world: World, **given: Any) -> Any:
    asked = {"url": _HOOK, "enabled_events": ["customer.created"], **given}
    return world.node("webhookEndpoints.create", asked)


@call("POST /v1/webhook_endpoints")
def create_endpoint(node: Node, world: World) -> None:
    made = _endpoint(world, description="Ours", metadata={"a": "1"})
    pick(made, object="webhook_endpoint", url=_HOOK, status="enabled", metadata={"a": "1"})
    pick(made, enabled_events=["customer.created"], description="Ours")
    assert made["secret"].startswith("whsec_")


@call("GET /v1/webhook_endpoints")
def list_endpoints(node: Node, world: World) -> None:
    first, second = _endpoint(world)["id"], _endpoint(world)["id"]
    assert ids(node("webhookEndpoints.list", {"limit": 2})) == [second, first]


@call("GET /v1/webhook_endpoints/{endpoint}")
def retrieve_endpoint(node: Node, world: World) -> None:
    made = _endpoint(world)
    del made["secret"]
    assert node("webhookEndpoints.retrieve", made["id"]) == made


@call("POST /v1/webhook_endpoints/{endpoint}")
def update_endpoint(node: Node, world: World) -> None:
    asked = {"url": _HOOK + "/2", "enabled_events": ["*"]}
    changed = node("webhookEndpoints.update", _endpoint(world)["id"], asked | {"disabled": True})
    pick(changed, **asked, status="disabled")


@call("DELETE /v1/webhook_endpoints/{endpoint}")
def delete_endpoint(node: Node, world: World) -> None:
    made = _endpoint(world)["id"]
    stub = {"id": made, "object": "webhook_endpoint", "deleted": True}
    assert node("webhookEndpoints.del", made) == stub
    gone(node, "webhookEndpoints.retrieve", made)


@call("GET /v1/events")
def list_events(node: Node, world: World) -> None:
    made = world.grant(world.customer())
    told = world.wait_for_event("billing.credit_grant.created", made["id"])
    assert told["data"] == {"object": made}


@call("GET /v1/events/{event}")
def retrieve_event(node: Node, world: World) -> None:
    customer = world.customer()
    told = world.wait_for_event("customer.created", customer)
    found = node("events.retrieve", told["id"])
    assert found == told | {"pending_webhooks": found["pending_webhooks"]}
    assert node("customers.retrieve", customer) == told["data"]["object"]
