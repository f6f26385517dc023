"""Products: credit that comes with each billing cycle, and meters that are paid in credit."""

from __future__ import annotations

from typing import Any

import dodopayments
import pytest

from tests.dialects.dodo.sdk import Dodo
from tests.support.server import Tenant

MONTHLY = {
    "type": "recurring_price",
    "currency": "USD",
    "price": 0,
    "payment_frequency_count": 1,
    "payment_frequency_interval": "Month",
    "subscription_period_count": 20,
    "subscription_period_interval": "Year",
    "discount": 0,
    "purchasing_power_parity": False,
}


def product(dodo: Dodo, *attached: dict[str, Any], **more: Any) -> Any:
    given = {
        "name": "Pro",
        "price": MONTHLY,
        "tax_category": "saas",
        "credit_entitlements": list(attached),
    } | more
    return dodo(lambda client: client.products.create(**given))


def found(dodo: Dodo, product_id: str) -> Any:
    return dodo(lambda client: client.products.retrieve(product_id))


def listed(dodo: Dodo, **query: Any) -> list[str]:
    page = dodo(lambda client: client.products.list(**query))
    return [each.product_id for each in page.items]


def test_an_attachment_takes_what_it_does_not_say_from_the_entitlement(dodo: Dodo) -> None:
    kind = dodo.entitlement(
        rollover_enabled=True,
        rollover_percentage=75,
        overage_enabled=True,
        overage_limit=50,
        price_per_unit="2",
        currency="EUR",
        expires_after_days=30,
    )
    made = product(
        dodo,
        {
            "credit_entitlement_id": kind.id,
            "credits_amount": "100.50",
            "rollover_percentage": 40,
            "overage_limit": "7.25",
            "low_balance_threshold_percent": 20,
            "trial_credits": "5",
        },
        description="For teams",
        metadata={"tier": 2},
    )
    [mapping] = made.credit_entitlements
    assert (mapping.credit_entitlement_id, mapping.credit_entitlement_name) == (kind.id, kind.name)
    assert (mapping.credits_amount, mapping.trial_credits) == ("100.5", "5")
    assert (mapping.rollover_enabled, mapping.rollover_percentage) == (True, 40)
    assert (mapping.overage_enabled, mapping.overage_limit) == (True, "7.25")
    assert (mapping.price_per_unit, mapping.currency) == ("2", "EUR")
    assert (mapping.expires_after_days, mapping.low_balance_threshold_percent) == (30, 20)
    assert (mapping.proration_behavior, mapping.trial_credits_expire_after_trial) == (
        "no_prorate",
        False,
    )
    assert (made.name, made.description, made.metadata) == ("Pro", "For teams", {"tier": 2})
    assert (made.is_recurring, made.price.type, made.price.price) == (True, "recurring_price", 0)
    assert found(dodo, made.product_id) == made


def test_what_is_null_in_a_change_stays(dodo: Dodo) -> None:
    kind = dodo.entitlement()
    made = product(dodo, {"credit_entitlement_id": kind.id, "credits_amount": "10"})
    dodo(lambda client: client.products.update(made.product_id, name="Max", price=None))
    after = found(dodo, made.product_id)
    assert (after.name, after.price, after.tax_category) == ("Max", made.price, "saas")
    assert after.credit_entitlements == made.credit_entitlements
    assert after.updated_at > made.updated_at
    dodo(lambda client: client.products.update(made.product_id, credit_entitlements=[]))
    assert found(dodo, made.product_id).credit_entitlements == []


def test_archived_products_are_listed_apart(dodo: Dodo) -> None:
    made = [product(dodo, name=f"P{number}").product_id for number in range(3)]
    dodo(lambda client: client.products.archive(made[1]))
    assert listed(dodo) == [made[2], made[0]]
    assert listed(dodo, archived=True) == [made[1]]
    assert listed(dodo, page_size=1, page_number=1) == [made[0]]
    assert listed(dodo, recurring=False) == []
    dodo(lambda client: client.products.unarchive(made[1]))
    assert listed(dodo) == [made[2], made[1], made[0]]


BAD_ATTACHMENTS = [
    ({"credits_amount": "0"}, 422, "credits_amount"),
    ({"credits_amount": "1.001"}, 422, "credits_amount"),
    ({"credits_amount": "-1"}, 422, "credits_amount"),
    ({"trial_credits": "1.001"}, 422, "trial_credits"),
    ({"overage_limit": "x"}, 422, "overage_limit"),
    ({"overage_enabled": True}, 422, "price_per_unit"),
    ({"price_per_unit": "1"}, 422, "currency"),
    ({"currency": "XXX"}, 422, "currency"),
    ({"rollover_percentage": 101}, 422, "rollover_percentage"),
    ({"rollover_timeframe_count": 2}, 422, "rollover_timeframe_count"),
    ({"low_balance_threshold_percent": 101}, 422, "low_balance_threshold_percent"),
    ({"credit_entitlement_id": "cde_unknown"}, 404, "credit entitlement"),
]


@pytest.mark.parametrize(("terms", "status", "named"), BAD_ATTACHMENTS)
def test_an_attachment_that_cannot_be_is_refused(
    dodo: Dodo, terms: dict[str, Any], status: int, named: str
) -> None:
    kind = dodo.entitlement()
    given = {"credit_entitlement_id": kind.id, "credits_amount": "10"} | terms
    refusal = dodo.refused(
        lambda client: client.products.create(
            name="Pro", price=MONTHLY, tax_category="saas", credit_entitlements=[given]
        )
    )
    assert refusal.status == status
    assert named in refusal.message
    assert listed(dodo) == []


@pytest.mark.parametrize("field", ["credits_amount", "trial_credits", "overage_limit"])
def test_an_amount_has_ten_digits_before_the_point(dodo: Dodo, field: str) -> None:
    kind = dodo.entitlement(precision=0)
    given = {"credit_entitlement_id": kind.id, "credits_amount": "1"}
    made = product(dodo, given | {field: "9999999999"})
    assert getattr(made.credit_entitlements[0], field) == "9999999999"
    refusal = dodo.refused(
        lambda client: client.products.create(
            name="Pro",
            price=MONTHLY,
            tax_category="saas",
            credit_entitlements=[given | {field: "10000000000"}],
        )
    )
    assert refusal.message == (
        f"credit_entitlements[0].{field} must be a decimal with at most 10 digits before the point."
    )


def test_an_interval_is_taken_in_any_case(dodo: Dodo) -> None:
    """The vendor's prose writes lower case. It is answered as the enumeration has it."""
    attached = {
        "credit_entitlement_id": dodo.entitlement().id,
        "credits_amount": "1",
        "rollover_timeframe_count": 2,
        "rollover_timeframe_interval": "week",
    }
    price = MONTHLY | {"payment_frequency_interval": "month"}
    made = product(dodo, attached, price=price)
    assert made.credit_entitlements[0].rollover_timeframe_interval == "Week"
    assert made.price.payment_frequency_interval == "Month"


def test_what_is_sold_beside_credit_is_refused_unless_it_is_nothing(dodo: Dodo) -> None:
    nothing = {"addons": [], "entitlements": [], "license_key_enabled": False, "pricing_mode": None}
    made = product(dodo, **nothing)
    dodo(lambda client: client.products.update(made.product_id, **nothing, image_id=None))
    for field, value in (("addons", ["adn_1"]), ("license_key_enabled", True), ("image_id", "i")):
        refusal = dodo.refused(_changed(made.product_id, {field: value}))
        assert refusal.message.startswith(f"{field} must be left out or empty")


def _changed(product_id: str, given: dict[str, Any]) -> Any:
    return lambda client: client.products.update(product_id, **given)


def test_one_product_takes_five_entitlements_each_once(dodo: Dodo) -> None:
    kinds = [dodo.entitlement(name=f"Kind {number}").id for number in range(6)]
    attached = [{"credit_entitlement_id": kind, "credits_amount": "1"} for kind in kinds]
    assert len(product(dodo, *attached[:5]).credit_entitlements) == 5
    assert dodo.refused(_asked(attached)).status == 422
    twice = dodo.refused(_asked([attached[0], attached[0]]))
    assert (twice.status, "attached already" in twice.message) == (422, True)


def _asked(attached: list[dict[str, str]], price: Any = MONTHLY) -> Any:
    return lambda client: client.products.create(
        name="Pro", price=price, tax_category="saas", credit_entitlements=attached
    )


def test_a_meter_is_linked_by_the_price(dodo: Dodo, tenant: Tenant) -> None:
    kind = dodo.entitlement()
    with tenant.client() as http:
        asked = {"code": "tokens", "event_name": "tokens", "aggregation": "sum", "property": "n"}
        meter = http.post("/meters", json=asked)
        assert meter.status_code == 201, meter.text
    link = {
        "meter_id": meter.json()["id"],
        "credit_entitlement_id": kind.id,
        "meter_units_per_credit": "1000",
    }
    price = {key: value for key, value in MONTHLY.items() if key != "price"}
    price |= {"type": "usage_based_price", "fixed_price": 0, "meters": [link]}
    made = product(dodo, price=price)
    assert made.price.meters[0].meter_units_per_credit == "1000"
    product(dodo, price=price)
    with tenant.client() as http:
        [rate] = http.get("/rates").json()["data"]
    assert (rate["customers"], rate["price"]["units_per_credit"]) == ("attached", "1000")
    for fault in ({"meter_units_per_credit": None}, {"meter_id": "mtr_unknown"}):
        refused = price | {"meters": [link | fault]}
        refusal = dodo.refused(_asked([], refused))
        assert refusal.status == (404 if "meter_id" in fault else 422)
    refusal = dodo.refused(_asked([], price | {"meters": [link, link]}))
    assert (refusal.status, refusal.code) == (422, "DUPLICATE_METER_IDS_IN_REQUEST")
    assert "price.meters[1].meter_id" in refusal.message


def test_nobody_has_an_unknown_product(dodo: Dodo) -> None:
    refusal = dodo.refused(lambda client: client.products.retrieve("pdt_unknown"))
    assert (refusal.error, refusal.code) == (dodopayments.NotFoundError, "NOT_FOUND")
    assert refusal.message == "There is no product with this id."
