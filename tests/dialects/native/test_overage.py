"""Usage past zero over HTTP: the rule, what is answered, resets, and what is refused."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.dialects.native.support import Json, created, new_customer, ok, problem


@pytest.fixture
def ada(native: httpx.Client) -> str:
    return new_customer(native)


def new_unit(client: httpx.Client, **rule: Any) -> Json:
    code = f"unit-{uuid.uuid4().hex[:12]}"
    body = {"code": code, "unit": "image", "scale": 1, "overage": rule}
    return created(client.post("/entitlements", json=body))


def amend(client: httpx.Client, code: str, **rule: Any) -> httpx.Response:
    return client.patch(f"/entitlements/{code}", json={"overage": rule})


def draw(client: httpx.Client, customer: str, code: str, amount: str) -> httpx.Response:
    body = {"customer": customer, "entitlement": code, "amount": amount}
    return client.post("/debits", json=body | {"idempotency_key": uuid.uuid4().hex})


def reset(client: httpx.Client, customer: str, code: str, key: str) -> httpx.Response:
    body = {"customer": customer, "entitlement": code, "idempotency_key": key}
    return client.post("/overage/reset", json=body)


def test_an_entitlement_has_no_overage_unless_it_says_so(native: httpx.Client) -> None:
    found = ok(native.get("/entitlements/eur"))["overage"]
    assert found == {
        "mode": "off",
        "limit": None,
        "behavior": "forgive_at_reset",
        "price_per_unit": None,
    }


def test_a_debit_past_zero_says_how_much_of_it_was(native: httpx.Client, ada: str) -> None:
    code = new_unit(native, mode="limited", limit="5")["code"]
    body = {"customer": ada, "entitlement": code, "amount": "2.5", "name": "Start"}
    given = created(native.post("/grants", json=body))
    made = created(draw(native, ada, code, "4"))
    assert (made["amount"], made["overage_charged"], made["overage"]) == ("4", "1.5", "1.5")
    assert [each["amount"] for each in made["draws"]] == ["2.5"]
    assert made["available"] == "0"
    again = ok(native.get(f"/debits/{made['id']}"))
    assert again == made | {"reversed": "0"}
    why = ok(native.get(f"/debits/{made['id']}/explain"))
    reason = "no grant that could pay was left"
    assert why["overage"] == [{"entitlement": code, "amount": "1.5", "reason": reason}]
    assert f"1.5 past zero, as overage, because {reason}" in why["sentence"]
    entries = ok(native.get("/entries", params={"customer": ada}))["data"]
    kinds = [(each["kind"], each["grant"], each["overage_after"]) for each in entries]
    assert kinds[:2] == [("overage_charged", None, "1.5"), ("debited", given["id"], "0")]


def test_a_refusal_says_how_far_it_may_go(native: httpx.Client, ada: str) -> None:
    code = new_unit(native, mode="limited", limit="5")["code"]
    created(draw(native, ada, code, "2"))
    found = problem(draw(native, ada, code, "3.1"), 402, "insufficient_credit")
    assert (found["available"], found["overage_available"]) == ("0", "3")
    assert found["detail"] == "3.1 is needed, 0 is available, and 3 of overage beyond it."


def test_a_reversal_says_what_of_it_was_overage(native: httpx.Client, ada: str) -> None:
    code = new_unit(native, mode="unlimited")["code"]
    body = {"customer": ada, "entitlement": code, "amount": "1"}
    created(native.post("/grants", json=body))
    made = created(draw(native, ada, code, "3"))
    key = {"idempotency_key": "undo"}
    undone = created(native.post(f"/debits/{made['id']}/reverse", json=key | {"amount": "2.5"}))
    assert (undone["amount"], undone["overage_reversed"]) == ("2.5", "2")
    assert [each["amount"] for each in undone["returns"]] == ["0.5"]


def test_a_reset_tells_what_it_ended_and_at_which_price(native: httpx.Client, ada: str) -> None:
    price = {"amount": "0.002", "currency": "usd"}
    rule = {"mode": "unlimited", "behavior": "invoice_at_billing", "price_per_unit": price}
    code = new_unit(native, **rule)["code"]
    created(draw(native, ada, code, "3"))
    ended = created(reset(native, ada, code, "k"))
    assert (ended["amount"], ended["overage"], ended["behavior"]) == ("3", "0", rule["behavior"])
    assert ended["price_per_unit"] == price
    ok(amend(native, code, mode="off"))
    again = reset(native, ada, code, "k")
    assert (created(again), again.headers["idempotent-replayed"]) == (ended, "true")
    assert created(reset(native, ada, code, "l"))["amount"] == "0"


def test_overage_is_in_balances_at_any_instant(native: httpx.Client, ada: str) -> None:
    """A grant to come will repay it, and a look ahead says so; a look back finds it as it was."""
    code = new_unit(native, mode="unlimited", behavior="carry_deficit_auto_repay")["code"]
    made = created(draw(native, ada, code, "3"))
    to_come = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    body = {"customer": ada, "entitlement": code, "amount": "10", "effective_at": to_come}
    created(native.post("/grants", json=body))
    place = f"/balances/{ada}/{code}"
    now, later = ok(native.get(place)), ok(native.get(place, params={"at": to_come}))
    assert (now["overage"], now["pending"], now["available"]) == ("3", "10", "0")
    assert (later["overage"], later["pending"], later["available"]) == ("0", "0", "7")
    created(native.post(f"/debits/{made['id']}/reverse", json={"idempotency_key": "undo"}))
    assert ok(native.get(place))["overage"] == "0"
    assert ok(native.get(place, params={"at": made["at"]}))["overage"] == "3"
    history = ok(native.get(f"{place}/history"))["data"]
    assert [each["overage"] for each in history][:2] == ["0", "3"]


def test_a_currency_may_have_overage_too(native: httpx.Client, ada: str) -> None:
    """Also one in which nothing was ever granted."""
    amended = ok(amend(native, "sek", mode="limited", limit="1"))
    assert (amended["code"], amended["overage"]["limit"]) == ("sek", "1")
    assert created(draw(native, ada, "sek", "0.75"))["overage"] == "0.75"
    assert ok(amend(native, "sek", mode="off"))["overage"]["mode"] == "off"
    problem(draw(native, ada, "sek", "0.1"), 402, "insufficient_credit")


@pytest.mark.parametrize(
    ("rule", "code", "field"),
    [
        ({"mode": "limited"}, "field_invalid", "overage.limit"),
        ({"mode": "off", "limit": "1"}, "field_invalid", "overage.limit"),
        ({"mode": "unlimited", "limit": "1"}, "field_invalid", "overage.limit"),
        ({"mode": "limited", "limit": "1.25"}, "amount_too_fine", "overage.limit"),
        ({"mode": "limited", "limit": "9999999999999999999"}, "amount_too_large", "overage.limit"),
        (
            {"mode": "unlimited", "price_per_unit": {"amount": "1", "currency": "USD"}},
            "field_invalid",
            "overage.price_per_unit.currency",
        ),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_and_changes_nothing(
    native: httpx.Client, rule: Json, code: str, field: str
) -> None:
    made = new_unit(native, mode="limited", limit="5")
    refused = problem(amend(native, made["code"], **rule), 422, code)
    assert refused["field"] == field
    assert ok(native.get(f"/entitlements/{made['code']}")) == made
    body = {"code": f"unit-{uuid.uuid4().hex}", "unit": "image", "scale": 1, "overage": rule}
    problem(native.post("/entitlements", json=body), 422, code)
    created(native.post("/entitlements", json=body | {"overage": {"mode": "off"}}))


def test_an_amendment_under_one_key_happens_once(native: httpx.Client) -> None:
    made = new_unit(native, mode="off")
    body = {"overage": {"mode": "unlimited"}, "idempotency_key": uuid.uuid4().hex}
    path = f"/entitlements/{made['code']}"
    first = native.patch(path, json=body)
    assert ok(first)["overage"]["mode"] == "unlimited"
    ok(amend(native, made["code"], mode="off"))
    again = native.patch(path, json=body)
    assert (ok(again), again.headers["idempotent-replayed"]) == (first.json(), "true")
    assert ok(native.get(path))["overage"]["mode"] == "off"
    other = new_unit(native, mode="off")["code"]
    problem(native.patch(f"/entitlements/{other}", json=body), 409, "key_reused")
