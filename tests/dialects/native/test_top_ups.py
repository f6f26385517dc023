"""Auto top-ups over HTTP: rules and requests, what is refused, and what the feed tells of them."""

from __future__ import annotations

import uuid
from typing import Any

import httpx
import pytest

from tests.dialects.native.support import (
    Json,
    balance,
    created,
    debit,
    grant,
    new_customer,
    ok,
    problem,
)
from tests.dialects.native.test_events import settled
from tests.dialects.native.test_test_clocks import advance
from tests.support.server import Tenant


@pytest.fixture
def ada(native: httpx.Client) -> str:
    return new_customer(native)


def top_up(client: httpx.Client, customer: str, **more: Any) -> Json:
    body = {"customer": customer, "entitlement": "usd", "threshold": "5", **more}
    return created(client.post("/top-ups", json=body))


def requests(client: httpx.Client, customer: str) -> list[Json]:
    found: list[Json] = ok(client.get("/top-ups/requests", params={"customer": customer}))["data"]
    return found


def answer(client: httpx.Client, request: Json, what: str, **body: Any) -> httpx.Response:
    return client.post(f"/top-ups/requests/{request['id']}/{what}", json=body)


def new_unit(client: httpx.Client) -> str:
    code = f"unit-{uuid.uuid4().hex[:12]}"
    created(client.post("/entitlements", json={"code": code, "unit": "image", "scale": 2}))
    return code


def test_a_rule_is_answered_whole(native: httpx.Client, ada: str) -> None:
    grant(native, ada, "10")
    cap = {"amount": "100", "per": "month"}
    made = top_up(native, ada, amount="20", cap=cap, name="Auto", metadata={"plan": "pro"})
    assert made.pop("id").startswith("topup_")
    created_at = made.pop("created_at")
    assert created_at.endswith("Z")
    assert made == {
        "customer": ada,
        "entitlement": "usd",
        "state": "active",
        "threshold": "5",
        "amount": "20",
        "target": None,
        "cap": cap,
        "cap_left": "100",
        "cool_down_seconds": 300,
        "answer_within_seconds": 86_400,
        "attempts_max": 3,
        "attempts_left": 3,
        "price_per_unit": None,
        "priority": None,
        "expires_after_days": None,
        "name": "Auto",
        "metadata": {"plan": "pro"},
        "request": None,
        "closed_at": None,
    }


def test_a_debit_asks_for_a_payment_that_is_confirmed_once(native: httpx.Client, ada: str) -> None:
    grant(native, ada, "10")
    rule = top_up(native, ada, amount="20", cap={"amount": "100", "per": "day"})
    assert created(debit(native, ada, "6"))["available"] == "4"
    [asked] = requests(native, ada)
    assert asked["id"].startswith("topreq_")
    assert (asked["state"], asked["amount"], asked["available"]) == ("open", "20", "4")
    assert asked["cost_basis"] == {"amount": "20", "currency": "usd"}
    now = ok(native.get(f"/top-ups/{rule['id']}"))
    assert (now["request"], now["cap_left"]) == (asked["id"], "80")
    paid = ok(answer(native, asked, "confirm", reference="pay_1"))
    assert (paid["state"], paid["reference"]) == ("confirmed", "pay_1")
    assert ok(answer(native, asked, "confirm", reference="pay_1")) == paid
    assert ok(native.get(f"/top-ups/requests/{asked['id']}")) == paid
    given = ok(native.get(f"/grants/{paid['grant']}"))
    assert (given["amount"], given["category"]) == ("20", "paid")
    assert balance(native, ada)["available"] == "24"
    refusal = problem(answer(native, asked, "confirm", reference="pay_2"), 409, "top_up_paid")
    assert refusal["reference"] == "pay_1"
    problem(answer(native, asked, "fail"), 409, "top_up_paid")


def test_a_confirmation_under_a_key_is_replayed(native: httpx.Client, ada: str) -> None:
    top_up(native, ada, amount="20")
    [asked] = requests(native, ada)
    first = answer(native, asked, "confirm", idempotency_key="k")
    again = answer(native, asked, "confirm", idempotency_key="k")
    assert first.content == again.content
    assert again.headers["idempotent-replayed"] == "true"
    other = answer(native, asked, "confirm", idempotency_key="k", reference="pay_2")
    problem(other, 409, "key_reused")


def test_a_body_may_be_empty(native: httpx.Client, ada: str) -> None:
    top_up(native, ada, amount="20")
    [asked] = requests(native, ada)
    refused = native.post(f"/top-ups/requests/{asked['id']}/fail", json={"reason": "a\0b"})
    assert (refused.status_code, refused.json()["field"]) == (422, "reason")
    assert ok(native.post(f"/top-ups/requests/{asked['id']}/fail"))["state"] == "failed"
    assert ok(native.post(f"/top-ups/requests/{asked['id']}/fail"))["state"] == "failed"
    assert ok(native.post(f"/top-ups/requests/{asked['id']}/confirm"))["state"] == "confirmed"


def test_credit_that_is_no_money_is_priced(native: httpx.Client, ada: str) -> None:
    price = {"amount": "0.015", "currency": "usd"}
    top_up(native, ada, entitlement=new_unit(native), target="100.5", price_per_unit=price)
    [asked] = requests(native, ada)
    assert asked["amount"] == "100.5"
    assert asked["cost_basis"] == {"amount": "1.5075", "currency": "usd"}
    paid = ok(answer(native, asked, "confirm"))
    assert ok(native.get(f"/grants/{paid['grant']}"))["cost_basis"] == asked["cost_basis"]


def test_a_new_rule_takes_the_place_of_the_old_one(native: httpx.Client, ada: str) -> None:
    first = top_up(native, ada, amount="20", cap={"amount": "50", "per": "day"})
    second = top_up(native, ada, amount="40", cap={"amount": "50", "per": "day"})
    assert ok(native.get(f"/top-ups/{first['id']}"))["state"] == "closed"
    assert (second["state"], second["cap_left"]) == ("active", "30")
    live = ok(native.get("/top-ups", params={"customer": ada, "state": "active"}))["data"]
    assert [each["id"] for each in live] == [second["id"]]
    closed = ok(native.delete(f"/top-ups/{second['id']}"))
    assert ok(native.delete(f"/top-ups/{second['id']}")) == closed
    assert (closed["state"], closed["request"]) == ("closed", None)
    found = ok(native.get("/top-ups", params={"customer": ada, "limit": 1}))
    rest = ok(native.get("/top-ups", params={"customer": ada, "after": found["next"]}))
    ids = [each["id"] for each in (*found["data"], *rest["data"])]
    assert ids == [second["id"], first["id"]]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"amount": "20", "target": "30"}, "amount"),
        ({}, "amount"),
        ({"target": "5"}, "target"),
        ({"amount": "0"}, "amount"),
        ({"amount": "20", "cap": {"amount": "0", "per": "day"}}, "cap.amount"),
        ({"amount": "20", "cap": {"amount": "1", "per": "year"}}, "cap.per"),
        ({"amount": "20", "cool_down_seconds": 59}, "cool_down_seconds"),
        ({"amount": "20", "answer_within_seconds": 2_678_401}, "answer_within_seconds"),
        ({"amount": "20", "attempts_max": 0}, "attempts_max"),
        ({"amount": "20", "priority": 101}, "priority"),
        ({"amount": "20", "expires_after_days": 0}, "expires_after_days"),
        ({"amount": "20", "price_per_unit": {"amount": "1", "currency": "usd"}}, "price_per_unit"),
        ({"amount": "-1"}, "amount"),
        ({"amount": "20", "threshold": "x"}, "threshold"),
        ({"amount": "20", "surprise": 1}, "surprise"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_with_its_field(
    native: httpx.Client, ada: str, body: Json, field: str
) -> None:
    asked = {"customer": ada, "entitlement": "usd", "threshold": "5", **body}
    refused = native.post("/top-ups", json=asked)
    assert refused.status_code in (400, 422), refused.text
    assert field.partition(".")[0] in refused.text
    assert requests(native, ada) == []
    assert ok(native.get("/top-ups", params={"customer": ada}))["data"] == []


def test_a_price_too_high_to_be_written_is_refused(native: httpx.Client, ada: str) -> None:
    body = {"customer": ada, "entitlement": new_unit(native), "threshold": "0"}
    price = {"amount": "9999999999", "currency": "usd"}
    asked = body | {"amount": "9999999999", "price_per_unit": price}
    refused = problem(native.post("/top-ups", json=asked), 422, "field_invalid")
    assert refused["field"] == "price_per_unit.amount"
    price["currency"] = "USD"
    refused = problem(native.post("/top-ups", json=asked), 422, "field_invalid")
    assert refused["field"] == "price_per_unit.currency"


def test_what_is_not_there_is_not_found(native: httpx.Client, tenant: Tenant, ada: str) -> None:
    rule = top_up(native, ada, amount="20")
    [asked] = requests(native, ada)
    for name in ("nothing", asked["id"]):
        problem(native.get(f"/top-ups/{name}"), 404, "top_up_not_found")
        problem(native.delete(f"/top-ups/{name}"), 404, "top_up_not_found")
    for name in ("nothing", rule["id"]):
        missing = {"id": name}
        path = f"/top-ups/requests/{name}"
        problem(native.get(path), 404, "top_up_request_not_found")
        problem(answer(native, missing, "confirm"), 404, "top_up_request_not_found")
        problem(answer(native, missing, "fail"), 404, "top_up_request_not_found")
    with httpx.Client(
        base_url=f"{tenant.url}/api/v1",
        headers={"authorization": f"Bearer {tenant.live.editor.secret}"},
    ) as live:
        problem(live.get(f"/top-ups/{rule['id']}"), 404, "top_up_not_found")
        problem(answer(live, asked, "confirm"), 404, "top_up_request_not_found")


def test_everything_that_becomes_of_a_request_is_told(native: httpx.Client, ada: str) -> None:
    rule = top_up(
        native, ada, amount="20", cap={"amount": "20", "per": "month"}, cool_down_seconds=60
    )
    [asked] = requests(native, ada)
    ok(answer(native, asked, "fail", reason="card declined"))
    paid = ok(answer(native, asked, "confirm", reference="pay_1"))
    ok(native.delete(f"/top-ups/{rule['id']}"))
    found = settled(native, "top_up.closed", customer=ada)
    told = [(each["type"], each["data"]) for each in found]
    assert [name for name, _ in told] == [
        "customer.created",
        "top_up.created",
        "top_up.requested",
        "top_up.failed",
        "top_up.confirmed",
        "grant.created",
        "top_up.closed",
    ]
    about = {"top_up": rule["id"], "entitlement": "usd"}
    _, made, requested, failed, confirmed, given, closed = (data for _, data in told)
    assert (made["id"], made["state"], made["request"]) == (rule["id"], "active", None)
    of_request = about | {"request": asked["id"], "amount": "20"}
    assert requested == of_request | {
        "available": "0",
        "cost_basis": {"amount": "20", "currency": "usd"},
        "expires_at": asked["expires_at"],
    }
    assert failed == of_request | {"reason": "card declined", "attempts_left": 2}
    assert confirmed == of_request | {
        "grant": paid["grant"],
        "reference": "pay_1",
        "late": True,
    }
    assert (given["grant"], given["amount"], given["category"]) == (paid["grant"], "20", "paid")
    assert [each["available"] for each in found[4]["balances"]] == ["20"]
    assert (closed["state"], closed["closed_at"] is None) == ("closed", False)


def test_on_a_test_clock_a_request_expires_and_a_cap_is_told_of_once(native: httpx.Client) -> None:
    clock = created(native.post("/test-clocks", json={"frozen_at": "2026-01-30T12:00:00Z"}))["id"]
    body = {"id": f"clocked-{uuid.uuid4().hex[:8]}", "test_clock": clock}
    customer = created(native.post("/customers", json=body))["id"]
    rule = top_up(native, customer, amount="20", cap={"amount": "30", "per": "month"})
    advance(native, clock, "2026-01-31T13:00:00Z")
    _, asked = reversed(requests(native, customer))
    ok(answer(native, asked, "confirm"))
    created(debit(native, customer, "10"))
    advance(native, clock, "2026-01-31T20:00:00Z")
    problem(debit(native, customer, "1"), 402, "insufficient_credit")
    assert ok(native.get(f"/top-ups/{rule['id']}"))["cap_left"] == "0"
    advance(native, clock, "2026-02-01T00:00:00Z")
    ok(native.delete(f"/top-ups/{rule['id']}"))
    found = settled(native, "top_up.closed", customer=customer)
    told = [(each["type"], each["created_at"]) for each in found]
    assert [each for each in told if each[0].startswith("top_up.")] == [
        ("top_up.created", "2026-01-30T12:00:00Z"),
        ("top_up.requested", "2026-01-30T12:00:00Z"),
        ("top_up.expired", "2026-01-31T12:00:00Z"),
        ("top_up.requested", "2026-01-31T12:05:00Z"),
        ("top_up.confirmed", "2026-01-31T13:00:00Z"),
        ("top_up.capped", "2026-01-31T13:05:00Z"),
        ("top_up.requested", "2026-02-01T00:00:00Z"),
        ("top_up.closed", "2026-02-01T00:00:00Z"),
    ]
    asked_for = [each["data"]["amount"] for each in found if each["type"] == "top_up.requested"]
    assert asked_for == ["20", "10", "20"]
    [capped] = [each["data"] for each in found if each["type"] == "top_up.capped"]
    assert capped == {
        "top_up": rule["id"],
        "entitlement": "usd",
        "available": "0",
        "cap": {"amount": "30", "per": "month"},
        "until": "2026-02-01T00:00:00Z",
    }
