"""A call for each endpoint, through whichever official SDK: what it is asked, and what it must answer.

Each goes to its endpoint with the client that it is given, and asserts every part of the answer that is its
own. What it begins with is made through ``world``, so that it may be tried with a key that is refused, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.dialects.stripe.python_sdk import Calls
from tests.dialects.stripe.world import HOOK, HOUR, METERED, MONTH, START, World, usd

Call = Callable[[Any, World], None]
#: By method and path, as in the dialect's own table.
CALLS: dict[str, Call] = {}


def call(endpoint: str) -> Callable[[Call], Call]:
    def kept(function: Call) -> Call:
        assert endpoint not in CALLS, endpoint
        CALLS[endpoint] = function
        return function

    return kept


def pick(answer: dict[str, Any], expected: dict[str, Any]) -> dict[str, Any]:
    """As much of the answer as is expected; a field that is not there is not None."""
    return {name: answer[name] for name in expected}


def ids(page: dict[str, Any]) -> list[str]:
    return [each["id"] for each in page["data"]]


# Credit grants ---------------------------------------------------------------------------------------

_GRANTS = "/v1/billing/credit_grants"


@call(f"POST {_GRANTS}")
def create_grant(sdk: Calls, world: World) -> None:
    price = world.price()
    given = {
        "customer": world.customer(),
        "amount": usd(1_234),
        "applicability_config": {"scope": {"prices": [{"id": price}]}},
        "category": "promotional",
        "effective_at": 4_000_000_000,
        "expires_at": 4_100_000_000,
        "metadata": {"deal": "7"},
        "name": "Welcome",
        "priority": 7,
    }
    made = sdk("billing.credit_grants.create", **given)
    assert pick(made, given) == given
    assert made["id"].startswith("credgr_test_")
    assert (made["voided_at"], made["livemode"], made["test_clock"]) == (None, False, None)
    assert world.sdk("billing.credit_grants.retrieve", made["id"]) == made


@call(f"GET {_GRANTS}")
def list_grants(sdk: Calls, world: World) -> None:
    customer = world.customer()
    first, second = world.grant(customer), world.grant(customer)
    page = sdk("billing.credit_grants.list", customer=customer)
    assert ids(page) == [second, first]
    assert (page["url"], page["has_more"]) == (_GRANTS, False)
    older = sdk("billing.credit_grants.list", customer=customer, limit=1, starting_after=second)
    assert ids(older) == [first]
    newer = sdk("billing.credit_grants.list", customer=customer, limit=1, ending_before=first)
    assert ids(newer) == [second]


@call(f"GET {_GRANTS}/{{grant}}")
def retrieve_grant(sdk: Calls, world: World) -> None:
    customer = world.customer()
    grant = world.grant(customer)
    found = sdk("billing.credit_grants.retrieve", grant, expand=["customer"])
    assert (found["customer"]["id"], found["amount"]) == (customer, usd(1_000))
    expected = {"priority": 50, "expires_at": None, "category": "paid", "name": None}
    assert pick(found, expected) == expected
    assert found["applicability_config"] == METERED


@call(f"POST {_GRANTS}/{{grant}}")
def update_grant(sdk: Calls, world: World) -> None:
    grant = world.grant(metadata={"a": "1", "b": "2"})
    given: dict[str, Any] = {"expires_at": 4_000_000_000, "metadata": {"a": "", "c": "3"}}
    changed = sdk("billing.credit_grants.update", grant, **given)
    assert (changed["expires_at"], changed["metadata"]) == (4_000_000_000, {"b": "2", "c": "3"})
    assert sdk("billing.credit_grants.update", grant, expires_at="")["expires_at"] is None


@call(f"POST {_GRANTS}/{{grant}}/expire")
def expire_grant(sdk: Calls, world: World) -> None:
    customer = world.customer()
    expired = sdk("billing.credit_grants.expire", world.grant(customer))
    assert expired["expires_at"] == expired["updated"] >= expired["created"]
    assert world.balance(customer) == [(0, 0)]


@call(f"POST {_GRANTS}/{{grant}}/void")
def void_grant(sdk: Calls, world: World) -> None:
    customer = world.customer()
    voided = sdk("billing.credit_grants.void_grant", world.grant(customer))
    assert (voided["voided_at"], voided["expires_at"]) == (voided["updated"], None)
    assert world.balance(customer) == [(0, 0)]


@call("GET /v1/billing/credit_balance_summary")
def retrieve_summary(sdk: Calls, world: World) -> None:
    customer = world.customer()
    grant = world.grant(customer, 700)
    world.grant(customer, 300)
    chosen = {"type": "applicability_scope", "applicability_scope": METERED["scope"]}
    found = sdk("billing.credit_balance_summary.retrieve", customer=customer, filter=chosen)
    assert found["balances"] == [{"available_balance": usd(1_000), "ledger_balance": usd(1_000)}]
    chosen = {"type": "credit_grant", "credit_grant": grant}
    found = sdk("billing.credit_balance_summary.retrieve", customer=customer, filter=chosen)
    assert found["balances"] == [{"available_balance": usd(700), "ledger_balance": usd(700)}]
    assert (found["customer"], found["object"]) == (customer, "billing.credit_balance_summary")


@call("GET /v1/billing/credit_balance_transactions")
def list_transactions(sdk: Calls, world: World) -> None:
    billed = world.billed()
    grant = world.grant(billed.customer, 100)
    invoice = world.open_invoice(billed)
    page = sdk("billing.credit_balance_transactions.list", customer=billed.customer)
    applied, granted = page["data"]
    assert page["url"] == "/v1/billing/credit_balance_transactions"
    assert (applied["type"], applied["credit"], applied["credit_grant"]) == ("debit", None, grant)
    assert pick(applied["debit"], {"type": 0, "amount": 0}) == {
        "type": "credits_applied",
        "amount": usd(100),
    }
    assert applied["debit"]["credits_applied"]["invoice"] == invoice
    assert (granted["type"], granted["debit"]) == ("credit", None)
    assert granted["credit"]["type"] == "credits_granted"
    found = sdk("billing.credit_balance_transactions.list", credit_grant=grant, limit=1)
    assert (found["data"], found["has_more"]) == ([applied], True)


@call("GET /v1/billing/credit_balance_transactions/{transaction}")
def retrieve_transaction(sdk: Calls, world: World) -> None:
    customer = world.customer()
    grant = world.grant(customer, 25)
    [made] = world.sdk("billing.credit_balance_transactions.list", customer=customer)["data"]
    found = sdk("billing.credit_balance_transactions.retrieve", made["id"], expand=["credit_grant"])
    assert found["credit_grant"]["id"] == grant
    assert found["credit"]["amount"] == usd(25)
    assert found | {"credit_grant": grant} == made


# Customers -------------------------------------------------------------------------------------------

_CUSTOMERS = "/v1/customers"


@call(f"POST {_CUSTOMERS}")
def create_customer(sdk: Calls, world: World) -> None:
    address = {"city": "Ulm", "country": "DE", "line1": "1", "line2": "", "postal_code": "89073"}
    given = {
        "name": "Ada",
        "email": "ada@example.com",
        "description": "The first",
        "phone": "+15550100",
        "metadata": {"tier": "pro"},
        "preferred_locales": ["de", "en"],
        "tax_exempt": "exempt",
        "invoice_prefix": "ADA",
        "next_invoice_sequence": 7,
    }
    more = {
        "address": address | {"state": "BW"},
        "shipping": {"name": "Ada", "address": address, "phone": "+1"},
        "invoice_settings": {
            "custom_fields": [{"name": "Order", "value": "7"}],
            "footer": "Thanks",
            "rendering_options": {"amount_tax_display": "exclude_tax"},
        },
        "test_clock": world.clock(),
    }
    made = sdk("customers.create", **given, **more)
    assert pick(made, given) == given
    assert (made["address"]["city"], made["address"]["line2"]) == ("Ulm", None)
    assert (made["shipping"]["name"], made["shipping"]["address"]["country"]) == ("Ada", "DE")
    assert made["invoice_settings"]["custom_fields"] == [{"name": "Order", "value": "7"}]
    assert (made["test_clock"], made["balance"]) == (more["test_clock"], 0)
    assert world.sdk("customers.retrieve", made["id"]) == made


@call(f"GET {_CUSTOMERS}")
def list_customers(sdk: Calls, world: World) -> None:
    first, second = world.customer(), world.customer()
    assert ids(sdk("customers.list", limit=2)) == [second, first]
    shown = world.sdk("customers.retrieve", first)
    assert ids(sdk("customers.list", email=shown["email"])) == [first]
    assert sdk("customers.list", created={"lt": 1_000})["data"] == []
    clock = world.clock()
    clocked = world.customer(test_clock=clock)
    assert ids(sdk("customers.list", test_clock=clock)) == [clocked]


@call(f"GET {_CUSTOMERS}/search")
def search_customers(sdk: Calls, world: World) -> None:
    name = world.name("Searched")
    made = world.customer(metadata={"who": name})
    found = sdk("customers.search", query=f"metadata['who']:'{name}'")
    assert (ids(found), found["next_page"], found["has_more"]) == ([made], None, False)
    assert (found["object"], found["url"]) == ("search_result", f"{_CUSTOMERS}/search")


@call(f"GET {_CUSTOMERS}/{{customer}}")
def retrieve_customer(sdk: Calls, world: World) -> None:
    made = world.sdk("customers.create", name="Ada")
    assert sdk("customers.retrieve", made["id"]) == made
    assert (made["email"], made["metadata"], made["delinquent"]) == (None, {}, False)


@call(f"POST {_CUSTOMERS}/{{customer}}")
def update_customer(sdk: Calls, world: World) -> None:
    customer = world.customer(description="x")
    changes = {"name": "Ada L.", "phone": "+1", "metadata": {"tier": "free"}}
    changed = sdk("customers.update", customer, description="", **changes)
    assert pick(changed, changes) == changes
    assert changed["description"] is None
    assert world.sdk("customers.retrieve", customer) == changed


@call(f"DELETE {_CUSTOMERS}/{{customer}}")
def delete_customer(sdk: Calls, world: World) -> None:
    customer = world.customer()
    stub = {"id": customer, "object": "customer", "deleted": True}
    assert sdk("customers.delete", customer) == stub
    assert world.sdk("customers.retrieve", customer) == stub


# Products and prices ---------------------------------------------------------------------------------


@call("POST /v1/products")
def create_product(sdk: Calls, world: World) -> None:
    given = {
        "name": "Search",
        "active": False,
        "description": "Finds",
        "images": ["https://example.com/a.png"],
        "marketing_features": [{"name": "Quick"}],
        "metadata": {"a": "1"},
        "statement_descriptor": "SEARCH",
        "tax_code": "txcd_10000000",
        "unit_label": "call",
        "url": "https://example.com/",
    }
    made = sdk("products.create", type="service", **given)
    assert pick(made, given) == given
    assert made["type"] == "service"
    assert world.sdk("products.retrieve", made["id"]) == made


@call("GET /v1/products")
def list_products(sdk: Calls, world: World) -> None:
    first, second = world.product(), world.product(active=False)
    assert ids(sdk("products.list", limit=2)) == [second, first]
    assert ids(sdk("products.list", active=False, limit=1)) == [second]
    assert ids(sdk("products.list", ids=[first])) == [first]


@call("GET /v1/products/{product}")
def retrieve_product(sdk: Calls, world: World) -> None:
    made = world.sdk("products.create", name="Search")
    assert sdk("products.retrieve", made["id"]) == made
    assert (made["default_price"], made["images"], made["active"]) == (None, [], True)


@call("POST /v1/products/{product}")
def update_product(sdk: Calls, world: World) -> None:
    product = world.product(unit_label="call")
    price = world.price(product=product, product_data=None)
    changes = {"name": "Find", "default_price": price, "metadata": {"b": "2"}}
    changed = sdk("products.update", product, unit_label="", **changes)
    assert pick(changed, changes) == changes
    assert changed["unit_label"] is None


@call("DELETE /v1/products/{product}")
def delete_product(sdk: Calls, world: World) -> None:
    product = world.product()
    assert sdk("products.delete", product) == {"id": product, "object": "product", "deleted": True}
    assert product not in ids(world.sdk("products.list", limit=100))


@call("POST /v1/prices")
def create_price(sdk: Calls, world: World) -> None:
    meter, _ = world.meter()
    given = world.price_of(meter) | {
        "nickname": "Each",
        "lookup_key": world.name("key"),
        "metadata": {"a": "1"},
        "tax_behavior": "exclusive",
        "transform_quantity": {"divide_by": 10, "round": "up"},
    }
    made = sdk("prices.create", **given)
    same = ("nickname", "lookup_key", "metadata", "tax_behavior", "transform_quantity", "currency")
    assert pick(made, dict.fromkeys(same)) == {name: given[name] for name in same}
    assert (made["unit_amount"], made["unit_amount_decimal"], made["type"]) == (5, "5", "recurring")
    assert made["recurring"]["meter"] == meter
    tiers = [
        {"up_to": 10, "unit_amount": 3, "flat_amount": 1},
        {"up_to": "inf", "unit_amount_decimal": "0.5"},
    ]
    tiered = world.price_of(meter, tiers=tiers, billing_scheme="tiered", tiers_mode="graduated")
    del tiered["unit_amount"]
    found = sdk("prices.create", expand=["tiers", "product"], **tiered)
    first, last = found["tiers"]
    assert (first["up_to"], first["unit_amount"], first["flat_amount"]) == (10, 3, 1)
    assert (last["up_to"], last["unit_amount"], last["unit_amount_decimal"]) == (None, None, "0.5")
    assert found["product"]["name"] == "Search"


@call("GET /v1/prices")
def list_prices(sdk: Calls, world: World) -> None:
    meter, _ = world.meter()
    first, second = world.price(meter), world.price(meter, active=False, lookup_key=world.name())
    assert ids(sdk("prices.list", recurring={"meter": meter})) == [second, first]
    assert ids(sdk("prices.list", active=False, limit=1)) == [second]
    key = world.sdk("prices.retrieve", second)["lookup_key"]
    assert ids(sdk("prices.list", lookup_keys=[key], type="recurring")) == [second]


@call("GET /v1/prices/{price}")
def retrieve_price(sdk: Calls, world: World) -> None:
    made = world.sdk("prices.create", **world.price_of(world.meter()[0]))
    assert sdk("prices.retrieve", made["id"]) == made
    found = sdk("prices.retrieve", made["id"], expand=["product"])
    assert found["product"]["id"] == made["product"]


@call("POST /v1/prices/{price}")
def update_price(sdk: Calls, world: World) -> None:
    changes = {
        "active": False,
        "nickname": "Old",
        "metadata": {"b": "2"},
        "lookup_key": world.name(),
    }
    changed = sdk("prices.update", world.price(), **changes)
    assert pick(changed, changes) == changes


# Meters and their events -----------------------------------------------------------------------------

_METER = "/v1/billing/meters/{meter}"


@call("POST /v1/billing/meters")
def create_meter(sdk: Calls, world: World) -> None:
    given = world.meter_of(
        customer_mapping={"type": "by_id", "event_payload_key": "who"},
        value_settings={"event_payload_key": "tokens"},
        event_time_window="hour",
    )
    made = sdk("billing.meters.create", **given)
    assert pick(made, given) == given
    assert (made["status"], made["status_transitions"]) == ("active", {"deactivated_at": None})
    assert world.sdk("billing.meters.retrieve", made["id"]) == made


@call("GET /v1/billing/meters")
def list_meters(sdk: Calls, world: World) -> None:
    (first, _), second = world.meter(), world.inactive_meter()
    assert ids(sdk("billing.meters.list", limit=2)) == [second, first]
    assert ids(sdk("billing.meters.list", status="inactive", limit=1)) == [second]


@call(f"GET {_METER}")
def retrieve_meter(sdk: Calls, world: World) -> None:
    made = world.sdk("billing.meters.create", **world.meter_of())
    assert sdk("billing.meters.retrieve", made["id"]) == made
    assert made["value_settings"] == {"event_payload_key": "value"}


@call(f"POST {_METER}")
def update_meter(sdk: Calls, world: World) -> None:
    meter, _ = world.meter()
    assert sdk("billing.meters.update", meter, display_name="Hits")["display_name"] == "Hits"


@call(f"POST {_METER}/deactivate")
def deactivate_meter(sdk: Calls, world: World) -> None:
    found = sdk("billing.meters.deactivate", world.meter()[0])
    assert found["status"] == "inactive"
    assert found["status_transitions"]["deactivated_at"] >= found["created"]


@call(f"POST {_METER}/reactivate")
def reactivate_meter(sdk: Calls, world: World) -> None:
    found = sdk("billing.meters.reactivate", world.inactive_meter())
    assert (found["status"], found["status_transitions"]) == ("active", {"deactivated_at": None})


@call(f"GET {_METER}/event_summaries")
def list_summaries(sdk: Calls, world: World) -> None:
    billed = world.billed()
    world.use(billed, 7)
    span = {"start_time": START, "end_time": START + 2 * HOUR}
    asked = {"customer": billed.customer, "value_grouping_window": "hour"}
    page = sdk("billing.meters.event_summaries.list", billed.meter, **span, **asked)
    last, first = page["data"]
    assert page["url"] == f"/v1/billing/meters/{billed.meter}/event_summaries"
    assert (last["aggregated_value"], first["aggregated_value"]) == (0, 7)
    assert (first["start_time"], first["end_time"]) == (START, START + HOUR)
    assert first["meter"] == billed.meter


@call("POST /v1/billing/meter_events")
def create_meter_event(sdk: Calls, world: World) -> None:
    (meter, event_name), customer = world.meter(), world.customer()
    given = world.event_of(customer, event_name, "2.5")
    made = sdk("billing.meter_events.create", **given)
    assert pick(made, given) == given
    assert made["object"] == "billing.meter_event"
    assert world.counted(meter, customer) == 2.5


@call("POST /v1/billing/meter_event_adjustments")
def create_adjustment(sdk: Calls, world: World) -> None:
    (meter, event_name), customer = world.meter(), world.customer()
    given = world.event_of(customer, event_name)
    world.sdk("billing.meter_events.create", **given)
    asked = {"event_name": event_name, "cancel": {"identifier": given["identifier"]}}
    made = sdk("billing.meter_event_adjustments.create", type="cancel", **asked)
    assert pick(made, asked) == asked
    assert (made["status"], made["type"]) == ("complete", "cancel")
    assert world.counted(meter, customer) == 0


@call("POST /v2/billing/meter_events")
def create_meter_event_of_version_2(sdk: Calls, world: World) -> None:
    (meter, event_name), customer = world.meter(), world.customer()
    given = world.event_of(customer, event_name, "2")
    made = sdk("v2.billing.meter_events.create", **given)
    assert pick(made, given) == given
    assert made["object"] == "v2.billing.meter_event"
    assert world.counted(meter, customer) == 2


@call("POST /v2/billing/meter_event_adjustments")
def create_adjustment_of_version_2(sdk: Calls, world: World) -> None:
    (meter, event_name), customer = world.meter(), world.customer()
    given = world.event_of(customer, event_name)
    world.sdk("v2.billing.meter_events.create", **given)
    asked = {"event_name": event_name, "cancel": {"identifier": given["identifier"]}}
    made = sdk("v2.billing.meter_event_adjustments.create", type="cancel", **asked)
    assert pick(made, asked) == asked
    assert world.counted(meter, customer) == 0


@call("POST /v2/billing/meter_event_session")
def create_session(sdk: Calls, world: World) -> None:
    made = sdk("v2.billing.meter_event_session.create")
    assert made["object"] == "v2.billing.meter_event_session"
    assert made["created"] < made["expires_at"]
    stream = world.sdk.acting(made["authentication_token"])
    (meter, event_name), customer = world.meter(), world.customer()
    event = world.event_of(customer, event_name)
    stream("v2.billing.meter_event_stream.create", events=[event])
    assert world.counted(meter, customer) == 1


@call("POST /v2/billing/meter_event_stream")
def create_stream(sdk: Calls, world: World) -> None:
    """With a secret key, which does for a session's token here."""
    (meter, event_name), customer = world.meter(), world.customer()
    events = [world.event_of(customer, event_name, value) for value in ("1", "2")]
    assert sdk("v2.billing.meter_event_stream.create", events=events) is None
    assert world.counted(meter, customer) == 3


# Subscriptions and invoices --------------------------------------------------------------------------

_ONE, _INVOICE = "/v1/subscriptions/{subscription}", "/v1/invoices/{invoice}"


@call("POST /v1/subscriptions")
def create_subscription(sdk: Calls, world: World) -> None:
    customer, price = world.customer(test_clock=world.clock()), world.price()
    given = {"collection_method": "send_invoice", "days_until_due": 14, "metadata": {"a": "1"}}
    asked = world.subscription_of(customer, price, description="Monthly", **given)
    made = sdk("subscriptions.create", expand=["latest_invoice"], **asked)
    assert pick(made, given) == given
    assert (made["status"], made["customer"], made["currency"]) == ("active", customer, "usd")
    [item] = made["items"]["data"]
    assert (item["price"]["id"], item["subscription"]) == (price, made["id"])
    assert (item["current_period_start"], item["current_period_end"]) == (START, MONTH)
    first = made["latest_invoice"]
    assert (first["status"], first["total"], first["billing_reason"]) == (
        "paid",
        0,
        "subscription_create",
    )


@call("GET /v1/subscriptions")
def list_subscriptions(sdk: Calls, world: World) -> None:
    billed = world.billed()
    assert ids(sdk("subscriptions.list", customer=billed.customer)) == [billed.subscription]
    assert ids(sdk("subscriptions.list", price=billed.price)) == [billed.subscription]
    asked = {"customer": billed.customer, "status": "canceled"}
    assert sdk("subscriptions.list", **asked)["data"] == []


@call(f"GET {_ONE}")
def retrieve_subscription(sdk: Calls, world: World) -> None:
    billed = world.billed()
    found = sdk("subscriptions.retrieve", billed.subscription, expand=["customer"])
    assert (found["customer"]["id"], found["test_clock"]) == (billed.customer, billed.clock)


@call(f"POST {_ONE}")
def update_subscription(sdk: Calls, world: World) -> None:
    changes = {"cancel_at_period_end": True, "metadata": {"b": "2"}, "description": "last"}
    changed = sdk("subscriptions.update", world.billed().subscription, **changes)
    assert pick(changed, changes) == changes
    assert changed["cancel_at"] == MONTH


@call(f"DELETE {_ONE}")
def cancel_subscription(sdk: Calls, world: World) -> None:
    billed = world.billed()
    world.use(billed)
    world.advance(billed.clock, START + HOUR)
    found = sdk("subscriptions.cancel", billed.subscription, invoice_now=True)
    assert (found["status"], found["ended_at"]) == ("canceled", START + HOUR)
    last = world.sdk("invoices.list", subscription=billed.subscription, limit=1)["data"][0]
    assert (last["id"], last["subtotal"]) == (found["latest_invoice"], 150)


@call("POST /v1/invoices/create_preview")
def preview_invoice(sdk: Calls, world: World) -> None:
    billed = world.billed()
    world.grant(billed.customer, 100)
    world.use(billed)
    found = sdk("invoices.create_preview", subscription=billed.subscription)
    assert (found["status"], found["subtotal"], found["total"]) == ("draft", 150, 50)
    assert found["id"].startswith("upcoming_in_")
    assert world.balance(billed.customer) == [(100, 100)]


@call("GET /v1/invoices")
def list_invoices(sdk: Calls, world: World) -> None:
    billed = world.billed()
    draft = world.draft(billed)
    first = sdk("invoices.list", subscription=billed.subscription, status="paid")
    assert ids(sdk("invoices.list", customer=billed.customer)) == [draft, *ids(first)]
    assert [each["total"] for each in first["data"]] == [0]


@call(f"GET {_INVOICE}")
def retrieve_invoice(sdk: Calls, world: World) -> None:
    billed = world.billed()
    world.grant(billed.customer, 100)
    path = "total_pretax_credit_amounts.credit_balance_transaction"
    found = sdk("invoices.retrieve", world.open_invoice(billed), expand=[path, "customer"])
    expected = {"status": "open", "subtotal": 150, "total": 50, "amount_due": 50}
    assert pick(found, expected) == expected
    [applied] = found["total_pretax_credit_amounts"]
    assert (applied["amount"], applied["type"]) == (100, "credit_balance_transaction")
    assert applied["credit_balance_transaction"]["type"] == "debit"
    assert found["parent"]["subscription_details"]["subscription"] == billed.subscription


@call(f"GET {_INVOICE}/lines")
def list_lines(sdk: Calls, world: World) -> None:
    billed = world.billed()
    invoice = world.draft(billed)
    page = sdk("invoices.line_items.list", invoice)
    [line] = page["data"]
    assert page["url"] == f"/v1/invoices/{invoice}/lines"
    expected = {"amount": 150, "quantity": 30, "invoice": invoice, "currency": "usd"}
    assert pick(line, expected) == expected
    assert line["pricing"]["price_details"]["price"] == billed.price
    assert line["period"] == {"start": START, "end": MONTH}


@call(f"POST {_INVOICE}")
def update_invoice(sdk: Calls, world: World) -> None:
    changes = {"auto_advance": False, "metadata": {"b": "2"}, "description": "January"}
    changed = sdk("invoices.update", world.draft(), **changes)
    assert pick(changed, changes) == changes
    assert changed["automatically_finalizes_at"] is None


@call(f"POST {_INVOICE}/finalize")
def finalize_invoice(sdk: Calls, world: World) -> None:
    found = sdk("invoices.finalize_invoice", world.draft(), auto_advance=False)
    assert (found["status"], found["amount_due"], found["amount_remaining"]) == ("open", 150, 150)
    assert found["number"] is not None


@call(f"POST {_INVOICE}/pay")
def pay_invoice(sdk: Calls, world: World) -> None:
    found = sdk("invoices.pay", world.open_invoice(), paid_out_of_band=True)
    assert (found["status"], found["amount_paid"], found["amount_remaining"]) == ("paid", 150, 0)


@call(f"POST {_INVOICE}/void")
def void_invoice(sdk: Calls, world: World) -> None:
    billed = world.billed()
    world.grant(billed.customer, 100)
    invoice = world.open_invoice(billed)
    assert world.balance(billed.customer) == [(0, 0)]
    assert sdk("invoices.void_invoice", invoice)["status"] == "void"
    assert world.balance(billed.customer) == [(100, 100)]


@call(f"POST {_INVOICE}/mark_uncollectible")
def mark_uncollectible(sdk: Calls, world: World) -> None:
    found = sdk("invoices.mark_uncollectible", world.open_invoice())
    assert found["status"] == "uncollectible"
    assert found["status_transitions"]["marked_uncollectible_at"] is not None


@call(f"DELETE {_INVOICE}")
def delete_invoice(sdk: Calls, world: World) -> None:
    billed = world.billed()
    world.grant(billed.customer, 100)
    draft = world.draft(billed)
    assert world.balance(billed.customer) == [(100, 0)]
    assert sdk("invoices.delete", draft) == {"id": draft, "object": "invoice", "deleted": True}
    assert world.balance(billed.customer) == [(100, 100)]


# Test clocks -----------------------------------------------------------------------------------------

_CLOCKS = "/v1/test_helpers/test_clocks"


@call(f"POST {_CLOCKS}")
def create_clock(sdk: Calls, world: World) -> None:
    given = {"frozen_time": START, "name": "January"}
    made = sdk("test_helpers.test_clocks.create", **given)
    assert pick(made, given) == given
    assert (made["status"], made["livemode"]) == ("ready", False)
    assert world.sdk("test_helpers.test_clocks.retrieve", made["id"]) == made


@call(f"GET {_CLOCKS}")
def list_clocks(sdk: Calls, world: World) -> None:
    first, second = world.clock(), world.clock()
    page = sdk("test_helpers.test_clocks.list", limit=2)
    assert (ids(page), page["url"]) == ([second, first], _CLOCKS)


@call(f"GET {_CLOCKS}/{{clock}}")
def retrieve_clock(sdk: Calls, world: World) -> None:
    found = sdk("test_helpers.test_clocks.retrieve", world.clock())
    assert (found["frozen_time"], found["name"]) == (START, None)


@call(f"POST {_CLOCKS}/{{clock}}/advance")
def advance_clock(sdk: Calls, world: World) -> None:
    clock = world.clock()
    found = sdk("test_helpers.test_clocks.advance", clock, frozen_time=START + HOUR)
    assert found["status"] in ("advancing", "ready")
    shown = world.sdk("test_helpers.test_clocks.retrieve", clock)
    assert shown["frozen_time"] in (START, START + HOUR)


@call(f"DELETE {_CLOCKS}/{{clock}}")
def delete_clock(sdk: Calls, world: World) -> None:
    clock = world.clock()
    customer = world.customer(test_clock=clock)
    stub = {"id": clock, "object": "test_helpers.test_clock", "deleted": True}
    assert sdk("test_helpers.test_clocks.delete", clock) == stub
    assert world.sdk("customers.retrieve", customer)["deleted"] is True


# Alerts ----------------------------------------------------------------------------------------------

_ALERTS = "/v1/billing/alerts"


@call(f"POST {_ALERTS}")
def create_alert(sdk: Calls, world: World) -> None:
    made = sdk("billing.alerts.create", **world.alert_of(world.customer(), title="Empty"))
    expected = {"title": "Empty", "status": "active", "usage_threshold": None}
    assert pick(made, expected) == expected
    line = made["credit_balance_threshold"]["lte"]
    assert line["monetary"] == {"currency": "usd", "value": 500}


@call(f"GET {_ALERTS}")
def list_alerts(sdk: Calls, world: World) -> None:
    first, second = world.alert(), world.alert()
    assert ids(sdk("billing.alerts.list", limit=2)) == [second, first]
    page = sdk("billing.alerts.list", alert_type="credit_balance_threshold", limit=1)
    assert (ids(page), page["url"]) == ([second], _ALERTS)


@call(f"GET {_ALERTS}/{{alert}}")
def retrieve_alert(sdk: Calls, world: World) -> None:
    alert = world.alert()
    found = sdk("billing.alerts.retrieve", alert)
    assert (found["id"], found["title"], found["livemode"]) == (alert, "Low", False)


@call(f"POST {_ALERTS}/{{alert}}/activate")
def activate_alert(sdk: Calls, world: World) -> None:
    alert = world.alert()
    world.sdk("billing.alerts.deactivate", alert)
    assert sdk("billing.alerts.activate", alert)["status"] == "active"


@call(f"POST {_ALERTS}/{{alert}}/deactivate")
def deactivate_alert(sdk: Calls, world: World) -> None:
    assert sdk("billing.alerts.deactivate", world.alert())["status"] == "inactive"


@call(f"POST {_ALERTS}/{{alert}}/archive")
def archive_alert(sdk: Calls, world: World) -> None:
    alert = world.alert()
    assert sdk("billing.alerts.archive", alert)["status"] == "archived"
    assert alert not in ids(world.sdk("billing.alerts.list", limit=100))


# Events and where they are sent ----------------------------------------------------------------------

_HOOKS = "/v1/webhook_endpoints"


@call(f"POST {_HOOKS}")
def create_webhook(sdk: Calls, world: World) -> None:
    """Taken away again: there may be sixteen."""
    given = {
        "url": HOOK,
        "enabled_events": ["billing.credit_grant.created"],
        "description": "To the desk",
        "metadata": {"a": "1"},
    }
    made = sdk("webhook_endpoints.create", **given)
    assert pick(made, given) == given
    assert made["secret"].startswith("whsec_")
    found = world.sdk("webhook_endpoints.retrieve", made["id"])
    assert found == {name: value for name, value in made.items() if name != "secret"}
    world.sdk("webhook_endpoints.delete", made["id"])


@call(f"GET {_HOOKS}")
def list_webhooks(sdk: Calls, world: World) -> None:
    first, second = world.webhook(), world.webhook()
    assert ids(sdk("webhook_endpoints.list", limit=2)) == [second, first]
    for each in (first, second):
        world.sdk("webhook_endpoints.delete", each)


@call(f"GET {_HOOKS}/{{endpoint}}")
def retrieve_webhook(sdk: Calls, world: World) -> None:
    hook = world.webhook()
    found = sdk("webhook_endpoints.retrieve", hook)
    assert (found["url"], found["status"], found["enabled_events"]) == (HOOK, "disabled", ["*"])
    world.sdk("webhook_endpoints.delete", hook)


@call(f"POST {_HOOKS}/{{endpoint}}")
def update_webhook(sdk: Calls, world: World) -> None:
    hook = world.webhook()
    changes = {"enabled_events": ["invoice.paid"], "metadata": {"b": "2"}, "description": "x"}
    assert pick(sdk("webhook_endpoints.update", hook, **changes), changes) == changes
    world.sdk("webhook_endpoints.delete", hook)


@call(f"DELETE {_HOOKS}/{{endpoint}}")
def delete_webhook(sdk: Calls, world: World) -> None:
    hook = world.webhook()
    stub = {"id": hook, "object": "webhook_endpoint", "deleted": True}
    assert sdk("webhook_endpoints.delete", hook) == stub


@call("GET /v1/events")
def list_events(sdk: Calls, world: World) -> None:
    customer = world.customer()
    told = sdk("events.list", type="customer.created", limit=1)["data"][0]
    assert (told["type"], told["data"]["object"]["id"]) == ("customer.created", customer)
    assert (told["pending_webhooks"], told["livemode"]) == (0, False)


@call("GET /v1/events/{event}")
def retrieve_event(sdk: Calls, world: World) -> None:
    world.sdk("customers.update", world.customer(), name="Ada L.")
    told = world.sdk("events.list", types=["customer.updated"], limit=1)["data"][0]
    assert sdk("events.retrieve", told["id"]) == told
    assert told["data"]["previous_attributes"].keys() == {"name"}
