"""Test clocks over HTTP."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest

from tests.dialects.native.test_events import settled
from tests.support.server import Tenant

PATIENCE_SECONDS = 60
BEGAN, SOON, LATER = "2031-01-31T00:00:00Z", "2031-02-01T00:00:00Z", "2031-03-01T00:00:00Z"


def make(client: httpx.Client, **more: Any) -> Any:
    answer = client.post("/test-clocks", json={"frozen_at": BEGAN, **more})
    assert answer.status_code == 201, answer.text
    return answer.json()


def advance(client: httpx.Client, clock: str, to: str, **more: Any) -> Any:
    """The clock once it is ready, as somebody waits for it who was told that it is on its way."""
    answer = client.post(f"/test-clocks/{clock}/advance", json={"to": to, **more})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    until = time.monotonic() + PATIENCE_SECONDS
    while found["status"] != "ready":
        assert time.monotonic() < until, found
        time.sleep(0.05)
        found = client.get(f"/test-clocks/{clock}").json()
    return found


def customer_on(client: httpx.Client, clock: str, own_id: str) -> None:
    answer = client.post("/customers", json={"id": own_id, "test_clock": clock})
    assert answer.status_code == 201, answer.text
    assert answer.json()["created_at"] == BEGAN
    assert answer.json()["test_clock"] == clock


def test_a_clock_is_made_listed_advanced_and_deleted(native: httpx.Client) -> None:
    made = make(native, name="Renewal")
    path = f"/test-clocks/{made['id']}"
    assert (made["status"], made["frozen_at"], made["name"]) == ("ready", BEGAN, "Renewal")
    assert (made["target"], made["progress"]) == (None, None)
    assert native.get(path).json() == made
    assert native.get("/test-clocks").json() == {"data": [made], "next": None}
    assert advance(native, made["id"], SOON) == {**made, "frozen_at": SOON}
    assert native.delete(path).json() == {"id": made["id"], "deleted": True}
    assert native.get(path).status_code == 404
    assert native.delete(path).json()["code"] == "test_clock_not_found"
    assert native.get("/test-clocks").json()["data"] == []


def test_a_balance_is_as_of_the_clock_also_where_that_is_behind(native: httpx.Client) -> None:
    """Right after a write too, when it is still in memory."""
    clock = make(native, frozen_at="2020-01-01T00:00:00Z")["id"]
    body = {"id": "behind", "test_clock": clock}
    assert native.post("/customers", json=body).status_code == 201
    wallet = {"customer": "behind", "entitlement": "usd"}
    assert native.post("/grants", json={**wallet, "amount": "5"}).status_code == 201
    drawn = native.post("/debits", json={**wallet, "amount": "1", "idempotency_key": "1"})
    assert drawn.status_code == 201
    assert native.get("/balances/behind/usd").json()["as_of"] == "2020-01-01T00:00:00Z"


def test_usage_that_says_no_time_is_of_the_clocks_time(native: httpx.Client) -> None:
    customer_on(native, make(native)["id"], "clocked")
    event = native.post("/events", json={"id": "e1", "customer": "clocked", "name": "call"}).json()
    assert event["time"] == BEGAN
    [told] = settled(native, "usage.recorded", customer="clocked", type="usage.recorded")
    assert told["data"]["time"] == BEGAN


def test_what_a_customer_has_is_judged_at_the_time_of_his_clock(native: httpx.Client) -> None:
    clock = make(native)["id"]
    customer_on(native, clock, "clocked")
    native.post("/entitlements", json={"code": "tokens", "unit": "token", "scale": 0})
    granted = native.post(
        "/grants",
        json={
            "customer": "clocked",
            "entitlement": "tokens",
            "amount": "10",
            "expires_at": SOON,
        },
    ).json()
    assert (granted["created_at"], granted["state"]) == (BEGAN, "active")
    assert native.get("/balances/clocked/tokens").json()["as_of"] == BEGAN
    advance(native, clock, LATER)
    balance = native.get("/balances/clocked/tokens").json()
    assert (balance["available"], balance["expired"], balance["as_of"]) == ("0", "10", LATER)
    [expired, _] = native.get("/entries", params={"customer": "clocked"}).json()["data"]
    assert (expired["kind"], expired["at"]) == ("expired", SOON)
    assert expired["recorded_at"] < BEGAN
    assert native.get(f"/grants/{granted['id']}").json()["state"] == "expired"


def test_a_key_makes_one_clock_and_one_advance(native: httpx.Client) -> None:
    """An advance that is asked for again is answered with the clock as it is by then."""
    made = make(native, idempotency_key="k1")
    assert make(native, idempotency_key="k1") == made
    other = make(native)
    first = advance(native, made["id"], SOON, idempotency_key="k2")
    advance(native, made["id"], LATER)
    path = f"/test-clocks/{made['id']}/advance"
    again = native.post(path, json={"to": SOON, "idempotency_key": "k2"})
    assert again.headers["idempotent-replayed"] == "true"
    assert again.json() == {**first, "frozen_at": LATER}
    for clock, to in ((made["id"], LATER), (other["id"], SOON)):
        body = {"to": to, "idempotency_key": "k2"}
        refused = native.post(f"/test-clocks/{clock}/advance", json=body)
        assert (refused.status_code, refused.json()["code"]) == (409, "key_reused")


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        ("", {}, 422, "field_missing"),
        ("", {"frozen_at": "yesterday"}, 422, "field_invalid"),
        ("", {"frozen_at": BEGAN, "at": SOON}, 422, "field_unknown"),
        ("/{clock}/advance", {}, 422, "field_missing"),
        ("/{clock}/advance", {"to": "2030-01-01T00:00:00Z"}, 422, "field_invalid"),
        ("/clock_unknown/advance", {"to": SOON}, 404, "test_clock_not_found"),
    ],
)
def test_what_cannot_be_is_refused(
    native: httpx.Client, path: str, body: dict[str, str], status: int, code: str
) -> None:
    clock = make(native)["id"]
    refused = native.post("/test-clocks" + path.format(clock=clock), json=body)
    assert (refused.status_code, refused.json()["code"]) == (status, code), refused.text


def test_a_customer_cannot_be_put_on_what_is_no_clock(native: httpx.Client) -> None:
    for clock in ("clock_unknown", make(native)["id"][:-1] + "0"):
        refused = native.post("/customers", json={"id": "nobody", "test_clock": clock})
        assert refused.json()["code"] == "test_clock_not_found"
    assert native.get("/customers/nobody").status_code == 404


def test_a_live_book_has_no_test_clocks(tenant: Tenant) -> None:
    with tenant.client(tenant.live.editor) as live:
        refused = live.post("/test-clocks", json={"frozen_at": BEGAN})
        assert (refused.status_code, refused.json()["code"]) == (403, "test_mode_only")
        assert live.get("/test-clocks").json() == {"data": [], "next": None}
